//! Changes of groups that have a key: who decides, what stays, and what happens to requests and
//! sessions in progress.

use std::collections::BTreeSet;

use quorate_protocol::keyshare::{Run, Step};

use crate::entry::{AbortReason, Body, GroupChange, GroupDefinition, Role};
use crate::names::{AccountName, EntryId};
use crate::signing::Subject;
use crate::state::refusal::{Accounts, Changes, Entries, Groups, Possession, Requests, Sessions};
use crate::state::{ChangeEnd, Event, Refusal, SessionPhase, Status};
use crate::test_world::{HOUR, TestLog, board, name, refused, session, some};

/// The board of three with its key, and dan and eve, who could join it.
fn keyed() -> TestLog {
    let mut log = TestLog::keyed();
    for account in ["dan", "eve"] {
        log.admits(account, Role::Member);
    }
    log
}

fn verifying_key(log: &TestLog) -> Vec<u8> {
    log.group().key.as_ref().unwrap().public.verifying_key().as_bytes().to_vec()
}

fn accepts(log: &mut TestLog, account: &str, change: EntryId) -> Result<Vec<Event>, Refusal> {
    log.says(account, Body::GroupAccepted { group: board(), definition: change })
}

#[test]
fn any_group_can_become_any_other_and_its_key_stays() {
    let groups: [(&[&str], u16); 7] = [
        (&["ada", "ben", "cyd", "dan", "eve"], 3),
        (&["ada", "ben", "cyd"], 2),
        (&["ada", "ben"], 2),
        (&["ada", "ben", "cyd"], 3),
        (&["cyd", "ben", "ada"], 2),
        (&["dan", "ada", "eve"], 2),
        (&["dan", "eve", "ben", "ada"], 4),
    ];
    for (members, min_signers) in groups {
        let mut log = keyed();
        let key = verifying_key(&log);
        log.change(members, min_signers, session(2));
        assert_eq!(verifying_key(&log), key);
        let now = log.group().key.as_ref().unwrap();
        assert_eq!((now.epoch, now.public.min_signers()), (2, min_signers));
        let holders: BTreeSet<AccountName> = now.identifiers.keys().cloned().collect();
        assert_eq!(holders, some(members));
        let signers = &members[..usize::from(min_signers)];
        let request = log.requests(signers[0], log.request()).unwrap();
        for approver in &signers[1..] {
            log.approves(approver, request).unwrap();
        }
        log.signs(request, signers, 9).unwrap();
    }
}

#[test]
fn changes_can_follow_and_identifiers_are_never_reused() {
    let mut log = keyed();
    let key = verifying_key(&log);
    let of =
        |log: &TestLog, account: &str| log.group().identifier(&name(account)).map(|id| id.get());
    log.change(&["ada", "ben", "cyd", "dan", "eve"], 3, session(2));
    assert_eq!(["ada", "cyd", "dan", "eve"].map(|who| of(&log, who)), [1, 3, 4, 5].map(Some));
    let change = log.proposes("ada", log.board_of(&["ada", "ben", "dan"], 2)).unwrap();
    log.approves("ben", change).unwrap();
    log.approves("cyd", change).unwrap();
    log.carry_out(change, session(3));
    assert_eq!(of(&log, "cyd"), None);
    log.change(&["ada", "ben", "cyd"], 2, session(4));
    assert_eq!(of(&log, "cyd"), Some(6), "who comes back gets a new one");
    assert_eq!(verifying_key(&log), key);
    assert_eq!(log.group().past_epochs.len(), 3);
}

#[test]
fn a_change_needs_min_signers_approvals_and_no_admin_counts() {
    let mut log = keyed();
    log.admits("fay", Role::Admin);
    let smaller = log.board_of(&["ada", "ben"], 2);
    let change = log.proposes("fay", smaller).unwrap();
    assert_eq!(log.begin(session(2), 1), refused(Requests::NotApproved { request: change }));
    let stranger = Refusal::Groups(Groups::NotAMember { account: name("fay"), group: board() });
    assert_eq!(log.approves("fay", change), Err(stranger));
    log.approves("cyd", change).unwrap();
    assert_eq!(log.begin(session(2), 1), refused(Requests::NotApproved { request: change }));
    assert_eq!(log.approves("cyd", change), refused(Entries::AlreadySaid { account: name("cyd") }));
    log.approves("ben", change).unwrap();
    assert_eq!(log.begin(session(2), 1), Ok(vec![Event::Ceremony(board())]));
    let over = Refusal::Requests(Requests::RequestOver { request: change });
    assert_eq!(log.approves("ada", change), Err(over), "it is decided");
}

#[test]
fn a_policy_can_require_more_approvals_and_exclude_the_proposer() {
    let mut definition = TestLog::peopled().board_of_three();
    definition.policy.governance.changes_required = Some(3);
    let mut log = TestLog::keyed_with(definition.clone());
    let smaller = GroupDefinition { members: vec![name("ada"), name("ben")], ..definition };
    let smaller = GroupDefinition { policy: log.board_of(&[], 2).policy, ..smaller };
    let change = log.proposes("ada", smaller).unwrap();
    log.approves("ben", change).unwrap();
    assert!(!log.group().change.as_ref().unwrap().approved);
    log.approves("cyd", change).unwrap();
    assert!(log.group().change.as_ref().unwrap().approved);

    let mut definition = TestLog::peopled().board_of_three();
    definition.policy.rule.requester_may_approve = false;
    let mut log = TestLog::keyed_with(definition);
    let change = log.proposes("ada", log.board_of(&["ada", "ben"], 2)).unwrap();
    assert!(log.group().change.as_ref().unwrap().approvals.is_empty());
    assert_eq!(log.approves("ada", change), refused(Requests::RequesterMayNotApprove));
}

#[test]
fn a_rejected_change_leaves_the_group_as_before() {
    let mut log = keyed();
    let change = log.proposes("ada", log.board_of(&["ada", "ben"], 2)).unwrap();
    log.refuses("ben", change).unwrap();
    assert!(log.group().change.is_some(), "cyd can still consent");
    log.refuses("cyd", change).unwrap();
    let past = &log.group().past_changes[0];
    assert_eq!(past.end, ChangeEnd::Rejected);
    assert!(past.refusals.keys().eq(&some(&["ben", "cyd"])), "who refused, and why, is kept");
    let running = refused(Sessions::SessionRunning { group: board() });
    assert_eq!(log.begin(session(2), 1), running, "there is nothing to make");
    let request = log.requests("ada", log.request()).unwrap();
    log.approves("cyd", request).unwrap();
    log.signs(request, &["ada", "cyd"], 9).unwrap();
}

#[test]
fn a_joiner_that_declines_ends_the_change_approved_or_not() {
    for approved in [false, true] {
        let mut log = keyed();
        let change =
            log.proposes("ada", log.board_of(&["ada", "ben", "cyd", "dan", "eve"], 3)).unwrap();
        if approved {
            log.approves("ben", change).unwrap();
        }
        accepts(&mut log, "eve", change).unwrap();
        let said = refused(Entries::AlreadySaid { account: name("eve") });
        assert_eq!(log.refuses("eve", change), said, "to accept is final");
        let stranger = Refusal::Groups(Groups::NotAMember { account: name("out"), group: board() });
        assert_eq!(log.refuses("out", change), Err(stranger));
        log.refuses("dan", change).unwrap();
        let past = &log.group().past_changes[0];
        assert_eq!(past.end, ChangeEnd::Declined { by: name("dan") });
        assert!(past.refusals.keys().eq(&some(&["dan"])), "who declined, and why, is kept");
        let running = refused(Sessions::SessionRunning { group: board() });
        assert_eq!(log.begin(session(2), 1), running, "there is nothing to make");
        let over = refused(Requests::RequestOver { request: change });
        assert_eq!(log.approves("cyd", change), over);
        log.proposes("ben", log.board_of(&["ada", "ben", "cyd", "eve"], 2)).unwrap();
    }
    let mut log = keyed();
    let change = log.proposes("ada", log.board_of(&["ada", "ben", "cyd", "dan"], 2)).unwrap();
    log.wait(HOUR + 1);
    assert_eq!(log.refuses("dan", change), refused(Requests::RequestOver { request: change }));
}

#[test]
fn an_impossible_change_is_rejected_with_the_reason() {
    let mut log = keyed();
    let mut rejected = |members: &[&str], min_signers| {
        log.proposes("ada", log.board_of(members, min_signers)).unwrap_err()
    };
    let min_signers =
        |min_signers, members| Refusal::Groups(Groups::MinSigners { min_signers, members });
    assert_eq!(rejected(&["ada", "ben", "cyd"], 0), min_signers(0, 3));
    assert_eq!(rejected(&["ada", "ben", "cyd"], 1), min_signers(1, 3));
    assert_eq!(rejected(&["ada", "ben", "cyd"], 4), min_signers(4, 3));
    let twice = Refusal::Groups(Groups::MemberTwice { account: name("ben") });
    assert_eq!(rejected(&["ada", "ben", "ben"], 2), twice);
    let unknown = Refusal::Accounts(Accounts::UnknownAccount { account: name("zoe") });
    assert_eq!(rejected(&["ada", "ben", "zoe"], 2), unknown);
    let no_member = Refusal::Groups(Groups::MemberRole { account: name("out") });
    assert_eq!(rejected(&["ada", "ben", "out"], 2), no_member);
    let itself = Refusal::Changes(Changes::RemovesItself { account: name("ada") });
    assert_eq!(rejected(&["ben", "cyd"], 2), itself);

    let others = log.board_of(&["ada", "ben"], 2);
    let stranger = Refusal::Groups(Groups::NotAMember { account: name("out"), group: board() });
    assert_eq!(log.proposes("out", others.clone()), Err(stranger));
    let propose = |log: &mut TestLog, epoch, expires_at| {
        let definition = others.clone();
        log.says(
            "ada",
            Body::GroupChange(GroupChange {
                epoch,
                definition,
                expires_at,
                repairs: None,
                retires: false,
            }),
        )
    };
    let at = log.now.plus(HOUR);
    let old = Refusal::Changes(Changes::OtherEpoch { group: board(), asked: 2, current: 1 });
    assert_eq!(propose(&mut log, 2, at), Err(old));
    let now = log.now;
    assert!(matches!(propose(&mut log, 1, now), Err(Refusal::Requests(Requests::Expiry { .. }))));
    let late = log.now.plus(200 * 24 * HOUR);
    assert!(matches!(propose(&mut log, 1, late), Err(Refusal::Requests(Requests::Expiry { .. }))));

    let mut without_key = TestLog::grouped();
    let change = without_key.board_of(&["ada", "ben"], 2);
    assert_eq!(without_key.proposes("ada", change), refused(Groups::NoKey { group: board() }));
}

#[test]
fn a_pending_change_prevents_a_second_until_it_is_over() {
    let mut log = keyed();
    let first = log.proposes("ada", log.board_of(&["ada", "ben"], 2)).unwrap();
    let other = log.board_of(&["ada", "ben", "cyd", "dan"], 2);
    let pending = refused(Changes::ChangePending { group: board(), change: first });
    assert_eq!(log.proposes("ben", other.clone()), pending);
    let not_admin = refused(Accounts::NotAdmin { account: name("ben") });
    assert_eq!(log.says("ben", Body::GroupChangeWithdrawn { change: first }), not_admin);
    log.says("ada", Body::GroupChangeWithdrawn { change: first }).unwrap();
    let second = log.proposes("ben", other.clone()).unwrap();
    log.wait(HOUR + 1);
    let over = refused(Requests::RequestOver { request: second });
    assert_eq!(log.approves("ada", second), over, "it has lapsed");
    let pending = refused(Changes::ChangePending { group: board(), change: second });
    assert_eq!(log.proposes("cyd", other.clone()), pending, "by one clock alone");
    log.start_node("ben", 9);
    log.proposes("cyd", other).unwrap();
    let ends: Vec<_> = log.group().past_changes.iter().map(|past| past.end.clone()).collect();
    assert_eq!(ends, [ChangeEnd::Withdrawn { by: name("ada") }, ChangeEnd::Lapsed]);
}

#[test]
fn nobody_is_made_a_member_without_accepting() {
    let mut log = keyed();
    let change = log.proposes("ada", log.board_of(&["ada", "ben", "cyd", "dan"], 2)).unwrap();
    log.approves("ben", change).unwrap();
    assert_eq!(log.begin(session(2), 1), refused(Sessions::NotAccepted));
    let member = Refusal::Groups(Groups::NotAMember { account: name("ben"), group: board() });
    assert_eq!(accepts(&mut log, "ben", change), Err(member), "it is one already");
    let stranger = Refusal::Groups(Groups::NotAMember { account: name("eve"), group: board() });
    assert_eq!(accepts(&mut log, "eve", change), Err(stranger));
    accepts(&mut log, "dan", change).unwrap();
    let said = Refusal::Entries(Entries::AlreadySaid { account: name("dan") });
    assert_eq!(accepts(&mut log, "dan", change), Err(said));
    log.begin(session(2), 1).unwrap();
}

#[test]
fn a_refresh_needs_no_approval() {
    let mut log = keyed();
    let key = verifying_key(&log);
    let change = log.proposes("cyd", log.board_of_three()).unwrap();
    log.carry_out(change, session(2));
    assert_eq!(verifying_key(&log), key);
    assert_eq!(log.group().key.as_ref().unwrap().epoch, 2);
    let kept: Vec<_> = log.former_packages.iter().map(|(_, package)| package).collect();
    let public = &log.group().key.as_ref().unwrap().public;
    assert!(kept.len() == 3 && kept.iter().all(|package| package.check(public).is_err()));
}

#[test]
fn open_requests_continue_under_the_new_members() {
    let mut log = keyed();
    let approved = log.requests("ada", log.request()).unwrap();
    log.approves("cyd", approved).unwrap();
    assert_eq!(log.state.request(approved).unwrap().status, Status::Approved);
    let mut request = log.request();
    request.document = log.random();
    let open = log.requests("cyd", request).unwrap();
    log.change(&["ada", "ben", "dan", "eve"], 3, session(2));

    let state = log.state.request(approved).unwrap();
    assert_eq!(state.approvals, some(&["ada"]), "cyd has left");
    assert_eq!((&state.status, state.approvals_required), (&Status::Open, 3));
    log.approves("ben", approved).unwrap();
    log.approves("dan", approved).unwrap();
    log.signs(approved, &["ada", "ben", "dan"], 9).unwrap();

    assert_eq!(log.state.request(open).unwrap().approvals, some(&[]));
    for approver in ["ada", "dan", "eve"] {
        log.approves(approver, open).unwrap();
    }
    log.signs(open, &["ada", "dan", "eve"], 10).unwrap();
}

#[test]
fn a_request_that_needs_more_approvals_than_members_is_rejected() {
    let mut definition = TestLog::peopled().board_of_three();
    definition.policy.rule.approvals_required = 3;
    let mut log = TestLog::keyed_with(definition);
    let request = log.requests("ada", log.request()).unwrap();
    log.change(&["ada", "ben"], 2, session(2));
    let state = log.state.request(request).unwrap();
    assert_eq!((&state.status, state.approvals_required), (&Status::Rejected, 3));
}

#[test]
fn the_old_shares_sign_until_the_new_ones_are_in_use() {
    let mut log = keyed();
    let request = log.requests("ada", log.request()).unwrap();
    log.approves("ben", request).unwrap();
    let signers = log.records(&["ada", "ben"], session(9), Subject::Request { request });
    let signature = log.signature();
    let body = Body::Signature { request, session: session(9), signature, signers };
    let mut before = keyed_again(&log);
    before.coordinator_says(body.clone()).unwrap();
    log.change(&["ada", "ben", "cyd", "dan", "eve"], 2, session(2));
    assert_eq!(log.coordinator_says(body), refused(Requests::Signers));
    log.signs(request, &["ada", "ben"], 10).unwrap();
}

/// A copy of the log that can continue differently.
fn keyed_again(log: &TestLog) -> TestLog {
    let mut again = keyed();
    for bytes in log.entries.iter().skip(again.entries.len()) {
        again.enter(&crate::entry::Entry::from_bytes(bytes).unwrap()).unwrap();
    }
    assert_eq!(again.entries, log.entries);
    again
}

/// A change of the board of three to these members, approved and begun.
fn begun(members: &[&str], min_signers: u16) -> TestLog {
    let mut log = keyed();
    let change = log.proposes("ada", log.board_of(members, min_signers)).unwrap();
    log.approves("ben", change).unwrap();
    for joiner in ["dan", "eve"] {
        if members.contains(&joiner) {
            accepts(&mut log, joiner, change).unwrap();
        }
    }
    log.begin(session(2), 1).unwrap();
    log
}

#[test]
fn a_failed_session_keeps_the_old_shares_and_is_tried_again() {
    let mut log = begun(&["ada", "ben", "cyd", "dan", "eve"], 3);
    let missing = log.group().missing();
    assert_eq!(missing, some(&["ada", "ben", "cyd", "dan", "eve"]));
    log.aborts(session(2), AbortReason::TimedOut { missing });
    let request = log.requests("ada", log.request()).unwrap();
    log.approves("cyd", request).unwrap();
    log.signs(request, &["ada", "cyd"], 9).unwrap();
    assert_eq!(log.begin(session(2), 2), refused(Sessions::SessionOver));
    log.begin(session(3), 2).unwrap();
    assert_eq!(log.group().key.as_ref().unwrap().epoch, 1);
}

#[test]
fn a_dealer_that_cheats_and_leaves_is_left_out() {
    let mut log = begun(&["ada", "ben", "dan"], 2);
    log.posts("cyd", b"nonsense".to_vec()).unwrap();
    log.aborts(session(2), AbortReason::Fault { culprits: some(&["cyd"]) });
    log.begin(session(3), 2).unwrap();
    let terms = &log.group().session.as_ref().unwrap().terms;
    assert!(terms.dealers().eq(&[name("ada"), name("ben")]));
    log.reshare(&["ada", "ben", "dan"]);
    log.certify_all();
    log.activates(session(3), &["ada", "dan"]);
    assert_eq!(log.group().past_changes[0].end, ChangeEnd::Done { epoch: 2 });
}

#[test]
fn a_dealer_restored_from_an_old_disk_is_not_accused() {
    let mut log = begun(&["ada", "ben", "dan"], 2);
    let deals = |log: &mut TestLog| {
        let me = log.ceremony().terms.identifiers[&name("cyd")];
        let parameters = log.ceremony().board.keyshare().unwrap().parameters().clone();
        let old = log.package_of("cyd");
        Run::reshare(&parameters, me, Some(&old), &mut log.rng).unwrap().0
    };
    let (one, other) = (deals(&mut log), deals(&mut log));
    for recipient in ["ada", "ben", "dan"] {
        log.joins_reshare(recipient);
    }
    let message = |log: &mut TestLog, run: Run| {
        let board = log.ceremony().board.keyshare().unwrap().clone();
        match run.advance(&board, &mut log.rng).unwrap() {
            Step::Send(_, message) => message,
            _ => panic!("it deals"),
        }
    };
    let (one, other) = (message(&mut log, one), message(&mut log, other));
    log.posts("cyd", one).unwrap();
    log.start_node("cyd", 2);
    assert_eq!(log.posts("cyd", other), refused(Sessions::StaleIncarnation));
    assert_eq!(log.group().phase(), Some(SessionPhase::Revealing));
}

#[test]
fn a_joiner_keeps_its_identifier_for_all_sessions_of_a_change() {
    let mut log = begun(&["ada", "ben", "dan"], 2);
    let number = |log: &TestLog, who: &str| log.ceremony().terms.identifiers[&name(who)].get();
    assert_eq!(number(&log, "dan"), 4);
    log.aborts(session(2), AbortReason::TimedOut { missing: log.group().missing() });
    log.begin(session(3), 2).unwrap();
    assert_eq!(number(&log, "dan"), 4);
    let pending = log.group().change.as_ref().unwrap().id;
    log.says("ada", Body::GroupChangeWithdrawn { change: pending }).unwrap();
    log.wait(1);
    let change = log.proposes("ada", log.board_of(&["ada", "ben", "eve"], 2)).unwrap();
    log.approves("ben", change).unwrap();
    accepts(&mut log, "eve", change).unwrap();
    log.begin(session(4), 1).unwrap();
    assert_eq!(number(&log, "eve"), 5);
}

#[test]
fn a_joiner_that_cheats_gets_no_share() {
    let mut log = begun(&["ada", "ben", "dan"], 2);
    log.start_node("dan", 1);
    log.posts("dan", b"nonsense".to_vec()).unwrap();
    let reason = AbortReason::Fault { culprits: some(&["dan"]) };
    log.aborts(session(2), reason.clone());
    assert_eq!(log.group().past_changes[0].end, ChangeEnd::Failed(reason));
    assert_eq!(log.begin(session(3), 2), refused(Sessions::SessionRunning { group: board() }));
    log.change(&["ada", "ben", "eve"], 2, session(3));
}

#[test]
fn the_proposer_can_withdraw_a_change_until_it_is_in_force() {
    let mut log = begun(&["ada", "ben"], 2);
    let change = log.group().change.as_ref().unwrap().id;
    log.reshare(&["ada", "ben", "cyd"]);
    log.certify_all();
    log.says("ada", Body::GroupChangeWithdrawn { change }).unwrap();
    assert!(log.group().session.is_none());
    assert_eq!(log.group().definition, log.board_of_three());
    let over = refused(Requests::RequestOver { request: change });
    assert_eq!(log.says("ada", Body::GroupChangeWithdrawn { change }), over);
}

#[test]
fn a_restart_of_a_member_that_only_deals_costs_nothing() {
    let mut log = begun(&["ada", "ben"], 2);
    log.reshare(&["ada", "ben", "cyd"]);
    log.start_node("cyd", 2);
    log.certify_all();
    log.activates(session(2), &["ada", "ben"]);
}

#[test]
fn only_holders_of_past_shares_state_their_destruction() {
    let mut log = keyed();
    let destroyed = |epoch| Body::ShareDestroyed { group: board(), epoch };
    let early = refused(Possession::NotAPastEpoch { group: board(), epoch: 1 });
    assert_eq!(log.says("ada", destroyed(1)), early);
    log.change(&["ada", "ben", "dan"], 2, session(2));
    let newcomer = refused(Groups::NotAMember { account: name("dan"), group: board() });
    assert_eq!(log.says("dan", destroyed(1)), newcomer);
    log.says("cyd", destroyed(1)).unwrap();
    log.says("ada", destroyed(1)).unwrap();
    let said = refused(Entries::AlreadySaid { account: name("ada") });
    assert_eq!(log.says("ada", destroyed(1)), said);
    assert_eq!(log.group().past_epochs[0].destroyed, some(&["ada", "cyd"]));
}

#[test]
fn a_later_change_never_lowers_the_approvals_of_a_request() {
    let mut log = keyed();
    let request = log.requests("ada", log.request()).unwrap();
    log.change(&["ada", "ben", "cyd", "dan"], 3, session(2));
    let required = |log: &TestLog| log.state.request(request).unwrap().approvals_required;
    assert_eq!(required(&log), 3);
    let smaller = log.proposes("ada", log.board_of(&["ada", "ben", "cyd"], 2)).unwrap();
    log.approves("ben", smaller).unwrap();
    log.approves("cyd", smaller).unwrap();
    log.carry_out(smaller, session(3));
    assert_eq!(required(&log), 3);
    log.approves("ben", request).unwrap();
    assert_eq!(log.state.request(request).unwrap().status, Status::Open);
}

#[test]
fn votes_from_before_a_member_left_cannot_be_repeated() {
    let mut log = keyed();
    let request = log.requests("ada", log.request()).unwrap();
    let approval = log.entry("cyd", Body::Approval { request });
    log.enter(&approval).unwrap();
    log.change(&["ada", "ben"], 2, session(2));
    log.change(&["ada", "ben", "cyd"], 2, session(3));
    assert_eq!(log.state.request(request).unwrap().approvals, some(&["ada"]));
    assert_eq!(log.enter(&approval), refused(Entries::AlreadySaid { account: name("cyd") }));
    log.wait(1);
    log.approves("cyd", request).unwrap();
    assert_eq!(log.state.request(request).unwrap().status, Status::Approved);
}

#[test]
fn a_refresh_gives_way_to_a_change_but_not_to_a_refresh() {
    let mut log = keyed();
    let first = log.proposes("cyd", log.board_of_three()).unwrap();
    log.begin(session(2), 1).unwrap();
    let again = log.proposes("ben", log.board_of_three());
    assert_eq!(again, refused(Changes::ChangePending { group: board(), change: first }));
    let change = log.proposes("ada", log.board_of(&["ada", "ben"], 2)).unwrap();
    assert_eq!(log.group().past_changes[0].end, ChangeEnd::Replaced { by: change });
    assert!(log.group().session.is_none());
    log.approves("ben", change).unwrap();
    log.carry_out(change, session(3));
}

#[test]
fn identifiers_of_a_cancelled_session_are_not_reused() {
    let mut log = begun(&["ada", "ben", "dan"], 2);
    let change = log.group().change.as_ref().unwrap().id;
    assert_eq!(log.group().identifier(&name("dan")).unwrap().get(), 4);
    log.says("ada", Body::GroupChangeWithdrawn { change }).unwrap();
    log.change(&["ada", "ben", "eve"], 2, session(3));
    assert_eq!(log.group().identifier(&name("eve")).unwrap().get(), 5);
}

#[test]
fn the_message_explains_which_bound_of_min_signers_is_broken() {
    let said = |min_signers, members| {
        Refusal::Groups(Groups::MinSigners { min_signers, members }).to_string()
    };
    for min_signers in [0, 1] {
        assert!(said(min_signers, 3).contains("a quorum of one is an ordinary key"));
    }
    assert_eq!(
        said(9, 3),
        "a group in which 9 members sign needs at least 9 members, and this one would have 3"
    );
    assert!(said(2, 1).starts_with("that would leave 1 member"));
}
