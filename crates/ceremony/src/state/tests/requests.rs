//! Requests and votes.

use std::collections::BTreeSet;

use crate::entry::{Body, GroupDefinition, Request, Role};
use crate::names::{Digest, EntryId, GroupName};
use crate::policy::{DEFAULT_EXPIRY, OutputFormat, Policy, Rule};
use crate::state::clock::MAX_CLOCK_LEAD;
use crate::state::refusal::{Entries, Groups, Requests};
use crate::state::{Event, Refused, Status};
use crate::test_world::{HOUR, TestLog, board, name, refused, session};

fn keyed(policy: Policy) -> TestLog {
    let definition = TestLog::peopled().board_of_three();
    TestLog::keyed_with(GroupDefinition { policy, ..definition })
}

fn status(log: &TestLog, id: EntryId) -> Status {
    log.state.request(id).unwrap().status.clone()
}

#[test]
fn the_coordinators_time_makes_nothing_expire() {
    let mut log = TestLog::keyed();
    let request = log.requests("ada", log.request()).unwrap();
    log.approves("ben", request).unwrap();
    // The coordinator's clock is a year ahead for a moment.
    let right = log.now;
    log.wait(365 * 24 * HOUR);
    log.signs(request, &["ada", "ben"], 7).unwrap();
    log.now = right;
    log.wait(1);
    let next = log.requests("ben", log.request()).unwrap();
    log.approves("ada", next).unwrap();
    assert!(log.state.time() <= log.now);
    let proved = log.group().key.as_ref().unwrap().proved[&name("ben")];
    assert!(proved <= log.now.plus(MAX_CLOCK_LEAD), "nor does it keep a share healthy for a year");
}

#[test]
fn a_request_needs_a_group_with_a_key() {
    let mut log = TestLog::grouped();
    assert_eq!(log.requests("ada", log.request()), refused(Groups::NoKey { group: board() }));
    let group: GroupName = "other".parse().unwrap();
    let request = Request { group: group.clone(), ..log.request() };
    assert_eq!(log.requests("ada", request), refused(Groups::UnknownGroup { group }));
}

#[test]
fn a_request_by_an_outsider_is_refused_and_logged() {
    for role in [Role::Auditor, Role::Member] {
        let mut log = TestLog::keyed();
        log.admits("eve", role);
        let id = log.requests("eve", log.request()).unwrap();
        let why = Refused::NotAuthorized { requester: name("eve"), group: board() };
        assert!(why.to_string().starts_with("user account not authorized"), "{why}");
        assert_eq!(status(&log, id), Status::Refused(why));
        assert_eq!(log.approves("ada", id), refused(Requests::RequestOver { request: id }));
        let over = refused(Requests::RequestOver { request: id });
        assert_eq!(log.says("eve", Body::RequestWithdrawn { request: id }), over);
    }
}

#[test]
fn the_requester_role_asks_any_group_and_has_no_vote() {
    let mut log = TestLog::keyed();
    let id = log.requests("out", log.request()).unwrap();
    assert_eq!(status(&log, id), Status::Open);
    assert_eq!(log.state.request(id).unwrap().approvals, BTreeSet::new());
    let stranger = refused(Groups::NotAMember { account: name("out"), group: board() });
    assert_eq!(log.approves("out", id), stranger);
    assert_eq!(log.refuses("out", id), stranger);
    log.approves("ada", id).unwrap();
    log.approves("ben", id).unwrap();
    assert_eq!(status(&log, id), Status::Approved);
    log.signs(id, &["ada", "ben"], 7).unwrap();
    let roles = BTreeSet::from([Role::Auditor]);
    log.says("ada", Body::AccountRoles { account: name("out"), roles }).unwrap();
    log.wait(1);
    let id = log.requests("out", log.request()).unwrap();
    assert!(matches!(status(&log, id), Status::Refused(Refused::NotAuthorized { .. })));
}

#[test]
fn only_its_requester_withdraws_an_unsigned_request() {
    let withdraws = |log: &mut TestLog, account: &str, request: EntryId| {
        log.says(account, Body::RequestWithdrawn { request })
    };
    for approvals in [0, 1, 2] {
        let mut log = TestLog::keyed();
        let id = log.requests("ada", log.request()).unwrap();
        ["ben", "cyd"].iter().take(approvals).for_each(|it| drop(log.approves(it, id).unwrap()));
        for account in ["ben", "out"] {
            let requester = name("ada");
            assert_eq!(
                withdraws(&mut log, account, id),
                refused(Requests::NotRequester { requester })
            );
        }
        assert_eq!(withdraws(&mut log, "ada", id), Ok(vec![Event::RequestWithdrawn(id)]));
        assert_eq!(status(&log, id), Status::Withdrawn);
        assert_eq!(log.state.request(id).unwrap().was_approved, approvals > 0);
        let over = refused(Requests::RequestOver { request: id });
        assert_eq!(withdraws(&mut log, "ada", id), over);
        assert_eq!(log.refuses("cyd", id), over.clone());
        if approvals < 2 {
            assert_eq!(log.approves("cyd", id), over);
        }
        let signed = log.signs(id, &["ada", "ben"], 7);
        assert_eq!(signed, refused(Requests::NotApproved { request: id }));
    }
    let mut log = TestLog::keyed();
    let unknown = EntryId::new([0; 32]);
    let no_request = refused(Requests::UnknownRequest { request: unknown });
    assert_eq!(withdraws(&mut log, "ada", unknown), no_request);
    let id = log.requests("ada", log.request()).unwrap();
    log.approves("ben", id).unwrap();
    log.signs(id, &["ada", "ben"], 7).unwrap();
    let over = refused(Requests::RequestOver { request: id });
    assert_eq!(withdraws(&mut log, "ada", id), over);
    log.wait(1);
    let id = log.requests("ada", log.request()).unwrap();
    log.wait(HOUR + 1);
    let over = refused(Requests::RequestOver { request: id });
    assert_eq!(withdraws(&mut log, "ada", id), over);
}

#[test]
fn a_rejection_after_an_approval_voids_the_approval() {
    let mut log = TestLog::keyed();
    let id = log.requests("ada", log.request()).unwrap();
    log.approves("ben", id).unwrap();
    assert_eq!(status(&log, id), Status::Approved);
    assert_eq!(log.refuses("ben", id), Ok(vec![Event::RequestVoted(id)]));
    let state = log.state.request(id).unwrap();
    assert_eq!((&state.status, state.was_approved), (&Status::Open, true));
    assert_eq!(state.approvals, BTreeSet::from([name("ada")]));
    // A signature that was made meanwhile has a share of ben, who does not approve any more.
    let signed = log.signs(id, &["ada", "ben"], 7);
    assert_eq!(signed, refused(Requests::NotApproved { request: id }));
    assert_eq!(log.approves("ben", id), refused(Entries::AlreadySaid { account: name("ben") }));
    log.approves("cyd", id).unwrap();
    assert_eq!(log.signs(id, &["ada", "ben"], 8), refused(Requests::Signers));
    log.signs(id, &["ada", "cyd"], 9).unwrap();
}

#[test]
fn a_late_rejection_can_end_an_approved_request() {
    let mut log = TestLog::keyed();
    let id = log.requests("ada", log.request()).unwrap();
    log.refuses("cyd", id).unwrap();
    log.approves("ben", id).unwrap();
    let events = log.refuses("ada", id).unwrap();
    assert_eq!(events, [Event::RequestVoted(id), Event::RequestRejected(id)]);
    assert_eq!(status(&log, id), Status::Rejected);
    assert!(log.state.request(id).unwrap().was_approved);
}

#[test]
fn a_rejection_by_a_spare_approver_leaves_the_request_approved() {
    let mut log = TestLog::keyed();
    let id = log.requests("ada", log.request()).unwrap();
    log.approves("ben", id).unwrap();
    log.approves("cyd", id).unwrap();
    assert_eq!(log.refuses("ada", id), Ok(vec![Event::RequestVoted(id)]));
    assert_eq!(status(&log, id), Status::Approved);
    log.signs(id, &["ben", "cyd"], 7).unwrap();
    assert_eq!(log.refuses("ben", id), refused(Requests::RequestOver { request: id }));
}

#[test]
fn a_void_approval_is_not_restored_by_repeating_it() {
    let mut log = TestLog::keyed();
    let id = log.requests("ada", log.request()).unwrap();
    let approval = log.entry("ben", Body::Approval { request: id });
    log.enter(&approval).unwrap();
    log.refuses("ben", id).unwrap();
    let said = refused(Entries::AlreadySaid { account: name("ben") });
    assert_eq!(log.enter(&approval), said);
}

#[test]
fn a_request_for_an_unserved_type_is_refused_and_logged() {
    let contract = Some("contract".parse().unwrap());
    let mut log = TestLog::keyed();
    let request = Request { document_type: contract.clone(), ..log.request() };
    let id = log.requests("ada", request).unwrap();
    let refused = Refused::TypeNotServed { group: board(), document_type: contract.clone() };
    assert_eq!(status(&log, id), Status::Refused(refused));

    let document_types = BTreeSet::from(["contract".parse().unwrap()]);
    let definition = GroupDefinition { document_types, ..log.board_of_three() };
    let mut log = TestLog::keyed_with(definition);
    let id = log.requests("ada", log.request()).unwrap();
    assert!(matches!(status(&log, id), Status::Refused(Refused::TypeNotServed { .. })));
    let id = log.requests("ada", Request { document_type: contract, ..log.request() }).unwrap();
    assert_eq!(status(&log, id), Status::Open);
}

fn raw(log: &TestLog) -> Request {
    Request { output: "raw".parse().unwrap(), ..log.request() }
}

#[test]
fn a_request_in_an_unserved_format_is_refused_and_logged() {
    let mut log = TestLog::keyed();
    for text in ["raw", "ssh:git", "ssh"] {
        let format: OutputFormat = text.parse().unwrap();
        let request = Request { output: format.clone().into(), ..log.request() };
        let id = log.requests("ada", request).unwrap();
        let served = Policy::for_min_signers(2).formats;
        let why = Refused::FormatNotServed { group: board(), format, served };
        assert!(why.to_string().ends_with("it signs in ssh:file"), "{why}");
        assert_eq!(status(&log, id), Status::Refused(why));
        assert_eq!(log.approves("ben", id), refused(Requests::RequestOver { request: id }));
    }
    let mut policy = Policy::for_min_signers(2);
    policy.formats.insert("raw".parse().unwrap());
    let mut log = keyed(policy);
    let id = log.requests("ada", raw(&log)).unwrap();
    assert_eq!(status(&log, id), Status::Open);
}

#[test]
fn a_later_definition_opens_no_refused_request() {
    let mut log = TestLog::keyed();
    let early = log.requests("ada", raw(&log)).unwrap();
    let open = log.requests("ada", log.request()).unwrap();
    let held_back = Request { document: Digest::new([9; 32]), ..raw(&log) };
    let mut definition = log.group().definition.clone();
    definition.policy.formats.insert("raw".parse().unwrap());
    let policy = definition.policy.clone();
    let change = log.proposes("ada", definition).unwrap();
    log.approves("ben", change).unwrap();
    log.carry_out(change, session(2));
    assert_eq!(log.group().definition.policy, policy);

    assert!(matches!(status(&log, early), Status::Refused(Refused::FormatNotServed { .. })));
    assert_eq!(log.approves("ben", early), refused(Requests::RequestOver { request: early }));
    // It was signed under the old definition and is logged under the new one.
    assert_eq!(log.requests("ada", held_back), refused(Requests::PolicyChanged));
    assert_eq!(log.state.request(open).unwrap().policy, Policy::for_min_signers(2));
    let late = log.requests("ada", raw(&log)).unwrap();
    assert_eq!(status(&log, late), Status::Open);
}

#[test]
fn a_request_pins_the_policy() {
    let mut log = TestLog::keyed();
    let policy = Policy::for_min_signers(3).hash();
    let request = Request { policy, ..log.request() };
    assert_eq!(log.requests("ada", request), refused(Requests::PolicyChanged));
}

#[test]
fn a_request_expires_within_the_policys_time() {
    let mut log = TestLog::keyed();
    let longest_hours = DEFAULT_EXPIRY / HOUR;
    for expires_at in [log.now, log.now.plus(DEFAULT_EXPIRY + 1)] {
        let request = Request { expires_at, ..log.request() };
        assert_eq!(log.requests("ada", request), refused(Requests::Expiry { longest_hours }));
    }
    let request = Request { expires_at: log.now.plus(DEFAULT_EXPIRY), ..log.request() };
    assert!(log.requests("ada", request).is_ok());
}

#[test]
fn the_same_request_is_made_once() {
    let mut log = TestLog::keyed();
    log.requests("ada", log.request()).unwrap();
    let again = log.requests("ada", log.request());
    assert_eq!(again, refused(Entries::AlreadySaid { account: name("ada") }));
}

#[test]
fn a_request_counts_as_an_approval_if_the_policy_permits() {
    let mut log = TestLog::keyed();
    let id = log.requests("ada", log.request()).unwrap();
    assert_eq!(log.state.request(id).unwrap().approvals, BTreeSet::from([name("ada")]));
    assert_eq!(log.approves("ada", id), refused(Entries::AlreadySaid { account: name("ada") }));
    let events = log.approves("ben", id).unwrap();
    assert_eq!(events, [Event::RequestVoted(id), Event::RequestApproved(id)]);
    assert_eq!(status(&log, id), Status::Approved);
}

#[test]
fn a_requester_may_not_approve_if_the_policy_forbids_it() {
    let policy = Policy::from(Rule { requester_may_approve: false, ..Rule::for_min_signers(2) });
    let mut log = keyed(policy);
    let id = log.requests("ada", log.request()).unwrap();
    assert_eq!(log.approves("ada", id), refused(Requests::RequesterMayNotApprove));
    assert_eq!(log.refuses("ada", id), refused(Requests::RequesterMayNotApprove));
    log.approves("ben", id).unwrap();
    assert_eq!(status(&log, id), Status::Open);
    log.approves("cyd", id).unwrap();
    assert_eq!(status(&log, id), Status::Approved);
}

#[test]
fn only_members_vote_on_requests_that_exist() {
    let mut log = TestLog::keyed();
    let unknown = EntryId::new([0; 32]);
    assert_eq!(
        log.approves("ben", unknown),
        refused(Requests::UnknownRequest { request: unknown })
    );
    let id = log.requests("ada", log.request()).unwrap();
    let stranger = refused(Groups::NotAMember { account: name("out"), group: board() });
    assert_eq!(log.approves("out", id), stranger);
    assert_eq!(log.refuses("out", id), stranger);
}

#[test]
fn nobody_votes_twice_or_approves_after_a_rejection() {
    let mut log = keyed(Policy::from(Rule { approvals_required: 3, ..Rule::for_min_signers(2) }));
    let id = log.requests("ada", log.request()).unwrap();
    log.approves("ben", id).unwrap();
    let said = refused(Entries::AlreadySaid { account: name("ben") });
    assert_eq!(log.approves("ben", id), said);
    let mut log = TestLog::keyed();
    let id = log.requests("ada", log.request()).unwrap();
    log.refuses("ben", id).unwrap();
    assert_eq!(log.refuses("ben", id), said);
    assert_eq!(log.approves("ben", id), said);
}

#[test]
fn an_approved_request_is_rejected_only_by_its_approvers() {
    let mut log = TestLog::keyed();
    let id = log.requests("ada", log.request()).unwrap();
    log.approves("ben", id).unwrap();
    assert_eq!(log.refuses("cyd", id), refused(Requests::RequestOver { request: id }));
    assert_eq!(log.approves("cyd", id), Ok(vec![Event::RequestVoted(id)]));
    assert_eq!(log.state.request(id).unwrap().approvals.len(), 3);
}

#[test]
fn one_rejection_does_not_stop_what_others_can_approve() {
    let mut log = TestLog::keyed();
    let id = log.requests("ada", log.request()).unwrap();
    log.refuses("ben", id).unwrap();
    assert_eq!(status(&log, id), Status::Open);
    log.approves("cyd", id).unwrap();
    assert_eq!(status(&log, id), Status::Approved);
}

#[test]
fn a_request_that_cannot_be_approved_any_more_is_rejected() {
    let mut log = TestLog::keyed();
    let id = log.requests("ada", log.request()).unwrap();
    log.refuses("ben", id).unwrap();
    let events = log.refuses("cyd", id).unwrap();
    assert_eq!(events, [Event::RequestVoted(id), Event::RequestRejected(id)]);
    assert_eq!(status(&log, id), Status::Rejected);
    assert_eq!(log.approves("cyd", id), refused(Entries::AlreadySaid { account: name("cyd") }));
}

#[test]
fn a_refusal_gives_a_reason() {
    let mut log = TestLog::keyed();
    let id = log.requests("ada", log.request()).unwrap();
    for reason in ["", "  ", &"x".repeat(501), &"ä".repeat(251), "two\nlines", "\u{1}", "\u{9b}"] {
        let body = Body::Refusal { request: id, reason: reason.to_owned() };
        assert_eq!(log.says("ben", body), refused(Requests::Reason), "{reason:?}");
    }
    let body = Body::Refusal { request: id, reason: "ä".repeat(250) };
    assert!(log.says("ben", body).is_ok());
}

#[test]
fn a_lapsed_request_takes_no_votes() {
    let mut log = TestLog::keyed();
    let id = log.requests("ada", log.request()).unwrap();
    log.wait(HOUR + 1);
    assert!(log.state.request(id).unwrap().lapsed(log.now));
    assert_eq!(log.approves("ben", id), refused(Requests::RequestOver { request: id }));
    assert_eq!(log.refuses("ben", id), refused(Requests::RequestOver { request: id }));
}

#[test]
fn a_request_lapses_after_its_last_millisecond() {
    let mut log = TestLog::keyed();
    let id = log.requests("ada", log.request()).unwrap();
    let state = log.state.request(id).unwrap();
    let last = state.request.expires_at;
    assert!(!state.lapsed(last) && state.lapsed(last.plus(1)));
}

#[test]
fn the_requester_is_undecided_only_if_it_may_approve() {
    for (allowed, undecided) in [(true, vec!["ben", "cyd"]), (false, vec!["ada", "cyd"])] {
        let mut log = keyed(Policy::from(Rule {
            requester_may_approve: allowed,
            ..Rule::for_min_signers(2)
        }));
        let requester = if allowed { "ada" } else { "ben" };
        let id = log.requests(requester, log.request()).unwrap();
        let (state, group) = (log.state.request(id).unwrap(), log.state.group(&board()).unwrap());
        let found: Vec<_> = state.undecided(group).map(|name| name.as_str()).collect();
        assert_eq!(found, undecided);
    }
}

#[test]
fn only_the_first_requester_and_the_members_read_a_document() {
    let mut log = TestLog::keyed();
    let document = log.request().document;
    let may_read = |log: &TestLog| {
        ["ada", "ben", "cyd", "out"].map(|account| log.state.may_read(&name(account), document))
    };
    // A request that the rules refuse does not permit reading.
    log.says("ada", Body::AccountRoles { account: name("out"), roles: [Role::Auditor].into() })
        .unwrap();
    log.requests("out", log.request()).unwrap();
    let may_audit = |log: &TestLog| log.state.may_read_title(&name("out"), document);
    assert_eq!((may_read(&log), may_audit(&log)), ([false; 4], false));
    log.requests("ada", log.request()).unwrap();
    assert_eq!(may_read(&log), [true, true, true, false]);
    assert!(may_audit(&log), "an auditor learns its name");
    log.says("ada", Body::AccountSuspended { account: name("out") }).unwrap();
    assert!(!may_audit(&log));
}

#[test]
fn a_joiner_reads_only_what_it_can_still_decide() {
    let mut log = TestLog::keyed();
    log.admits("dan", Role::Member);
    let document = |number| Digest::new([number; 32]);
    let mut ids = Vec::new();
    for number in 1..4 {
        log.wait(1);
        ids.push(
            log.requests("ada", Request { document: document(number), ..log.request() }).unwrap(),
        );
    }
    log.approves("ben", ids[0]).unwrap();
    let signature = log.signature_over(ids[0], &["ada", "ben"], b"document");
    log.coordinator_says(signature).unwrap();
    log.refuses("ben", ids[1]).unwrap();
    log.refuses("cyd", ids[1]).unwrap();
    log.change(&["ada", "ben", "cyd", "dan"], 2, session(2));
    log.wait(1);
    log.requests("ada", Request { document: document(4), ..log.request() }).unwrap();
    let may_read = |log: &TestLog, account: &str| {
        (1..5)
            .map(|number| log.state.may_read(&name(account), document(number)))
            .collect::<Vec<_>>()
    };
    assert_eq!(may_read(&log, "dan"), [false, false, true, true]);
    assert_eq!(may_read(&log, "cyd"), [true; 4]);
}

#[test]
fn a_document_is_deleted_some_time_after_its_request_ended() {
    const DAY: u64 = 24 * HOUR;
    let mut policy = Policy::for_min_signers(2);
    policy.delete_documents_after = Some(30 * DAY);
    let mut log = keyed(policy.clone());
    let mut document = 0;
    let mut ask = |log: &mut TestLog| {
        document += 1;
        let document = Digest::new([document; 32]);
        let request = Request { document, ..log.request() };
        (document, log.requests("ada", request).unwrap())
    };
    let (signed, id) = ask(&mut log);
    log.approves("ben", id).unwrap();
    log.signs(id, &["ada", "ben"], 7).unwrap();
    let (rejected, id) = ask(&mut log);
    log.refuses("ben", id).unwrap();
    log.refuses("cyd", id).unwrap();
    let (expired, lapsing) = ask(&mut log);
    let keeps = |log: &TestLog, document| log.state.may_read(&name("ben"), document);
    assert!([signed, rejected, expired].iter().all(|document| keeps(&log, *document)));

    // The group's policy changes. Requests keep the one that they pinned.
    let definition = log.group().definition.clone();
    let kept = Policy { delete_documents_after: None, ..policy };
    let change = log.proposes("ada", GroupDefinition { policy: kept, ..definition }).unwrap();
    log.approves("ben", change).unwrap();
    log.carry_out(change, session(2));
    let (forever, _) = ask(&mut log);

    let start = |log: &mut TestLog, member: &str, number| {
        log.says(member, Body::NodeStarted { incarnation: Digest::new([number; 32]) }).unwrap();
    };
    log.wait(30 * DAY - HOUR);
    start(&mut log, "ben", 1);
    start(&mut log, "cyd", 2);
    assert!(log.state.documents_to_delete().is_empty(), "not before the time is over");
    log.wait(HOUR + 1);
    start(&mut log, "ben", 3);
    assert!(log.state.documents_to_delete().is_empty(), "one member's clock does not decide");
    start(&mut log, "cyd", 4);
    assert_eq!(log.state.documents_to_delete(), BTreeSet::from([signed, rejected]));
    assert!(!keeps(&log, signed) && keeps(&log, expired) && keeps(&log, forever));
    assert_eq!(log.state.document_deleted_since(log.state.request(lapsing).unwrap()), None);
    log.wait(HOUR);
    start(&mut log, "ben", 5);
    start(&mut log, "cyd", 6);
    assert_eq!(log.state.documents_to_delete(), BTreeSet::from([signed, rejected, expired]));
}
