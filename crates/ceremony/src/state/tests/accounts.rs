//! What suspending, resuming, removing and replacing keys do to an account, its vote, and its
//! statements.

use std::collections::BTreeSet;

use crate::entry::{AbortReason, Author, Body, Entry, Role};
use crate::state::refusal::{Accounts, Changes, Entries, Groups, Requests, Sessions};
use crate::state::{ChangeEnd, Event, Refusal, Status, Unable};
use crate::test_world::{TestLog, board, name, refused, secrets, session, some};

fn suspends(log: &mut TestLog, account: &str) -> Result<Vec<Event>, Refusal> {
    log.wait(1);
    log.says("ada", Body::AccountSuspended { account: name(account) })
}

fn resumes(log: &mut TestLog, account: &str) -> Result<Vec<Event>, Refusal> {
    log.wait(1);
    log.says("ada", Body::AccountResumed { account: name(account) })
}

fn removes(log: &mut TestLog, account: &str) -> Result<Vec<Event>, Refusal> {
    log.wait(1);
    log.says("ada", Body::AccountRemoved { account: name(account) })
}

fn sets_roles(log: &mut TestLog, account: &str, roles: &[Role]) -> Result<Vec<Event>, Refusal> {
    log.wait(1);
    let roles = roles.iter().copied().collect();
    log.says("ada", Body::AccountRoles { account: name(account), roles })
}

/// The board of three with its key, and a second admin, fay, who is not a member of it.
fn keyed() -> TestLog {
    let mut log = TestLog::keyed();
    log.admits("fay", Role::Admin);
    log
}

#[test]
fn a_suspended_account_states_nothing_until_it_is_resumed() {
    let mut log = keyed();
    let request = log.requests("ada", log.request()).unwrap();
    let events = suspends(&mut log, "ben").unwrap();
    assert!(events.contains(&Event::Dismissed(name("ben"))));
    let suspended = Refusal::Accounts(Accounts::Suspended { account: name("ben") });
    assert_eq!(log.approves("ben", request), Err(suspended.clone()));
    assert_eq!(log.state.check_connection(&name("ben"), None), Err(suspended));
    resumes(&mut log, "ben").unwrap();
    assert_eq!(log.state.check_connection(&name("ben"), None), Ok(()));
    log.approves("ben", request).unwrap();
    log.signs(request, &["ada", "ben"], 9).unwrap();
}

#[test]
fn approvals_of_a_suspended_account_are_and_stay_void() {
    let mut log = keyed();
    let request = log.requests("ada", log.request()).unwrap();
    let approval = log.entry("ben", Body::Approval { request });
    log.enter(&approval).unwrap();
    assert_eq!(log.state.request(request).unwrap().status, Status::Approved);
    let events = suspends(&mut log, "ben").unwrap();
    assert!(events.contains(&Event::RequestVoted(request)));
    assert_eq!(log.state.request(request).unwrap().status, Status::Open);
    assert_eq!(log.signs(request, &["ada", "ben"], 9), refused(Requests::NotApproved { request }));
    resumes(&mut log, "ben").unwrap();
    assert_eq!(log.state.request(request).unwrap().approvals, some(&["ada"]));
    let said = Refusal::Entries(Entries::AlreadySaid { account: name("ben") });
    assert_eq!(log.enter(&approval), Err(said), "the coordinator cannot restore it");
    log.approves("ben", request).unwrap();
    assert_eq!(log.state.request(request).unwrap().status, Status::Approved);
}

#[test]
fn a_signed_request_stays_signed_when_a_signer_is_removed() {
    let mut log = keyed();
    let request = log.requests("ada", log.request()).unwrap();
    log.approves("ben", request).unwrap();
    log.signs(request, &["ada", "ben"], 9).unwrap();
    removes(&mut log, "ben").unwrap();
    let state = log.state.request(request).unwrap();
    assert!(matches!(state.status, Status::Signed));
    assert_eq!(state.approvals, some(&["ada", "ben"]));
}

#[test]
fn a_removal_is_permanent_and_the_name_is_not_reused() {
    let mut log = keyed();
    removes(&mut log, "ben").unwrap();
    let removed = Refusal::Accounts(Accounts::Removed { account: name("ben") });
    let body = Body::NodeStarted { incarnation: log.random() };
    assert_eq!(log.says("ben", body), Err(removed.clone()));
    assert_eq!(log.state.check_connection(&name("ben"), None), Err(removed.clone()));
    let invitation = log.invitation("ben", Role::Member);
    assert_eq!(log.says("ada", Body::Invitation(invitation)), Err(removed.clone()));
    assert_eq!(suspends(&mut log, "ben"), Err(removed.clone()));
    assert_eq!(removes(&mut log, "ben"), Err(removed.clone()));
    let with_ben = log.board_of(&["ada", "ben", "cyd"], 3);
    assert_eq!(log.proposes("ada", with_ben).unwrap_err(), removed);
    assert_eq!(log.state.former_accounts().keys().collect::<Vec<_>>(), [&name("ben")]);
    assert_eq!(log.group().unable(&name("ben")), Some(Unable::Removed));
}

#[test]
fn only_admins_decide_but_not_about_themselves_or_the_last_one() {
    let mut log = keyed();
    let not_admin = refused(Accounts::NotAdmin { account: name("ben") });
    let account = name("cyd");
    assert_eq!(log.says("ben", Body::AccountSuspended { account: account.clone() }), not_admin);
    assert_eq!(log.says("ben", Body::AccountRemoved { account: account.clone() }), not_admin);
    let roles = BTreeSet::from([Role::Admin]);
    assert_eq!(log.says("ben", Body::AccountRoles { account: account.clone(), roles }), not_admin);
    assert_eq!(
        log.coordinator_says(Body::AccountRemoved { account }),
        refused(Entries::WrongAuthor)
    );
    let own = refused(Accounts::OwnAccount { account: name("ada") });
    assert_eq!(suspends(&mut log, "ada"), own);
    assert_eq!(removes(&mut log, "ada"), own);
    suspends(&mut log, "fay").unwrap();
    let last = refused(Accounts::LastAdmin { account: name("ada") });
    assert_eq!(removes(&mut log, "ada"), last, "a suspended admin does not count");
    assert_eq!(sets_roles(&mut log, "ada", &[Role::Member]), last);
    resumes(&mut log, "fay").unwrap();
    sets_roles(&mut log, "ada", &[Role::Member]).unwrap();
    assert_eq!(suspends(&mut log, "ben"), refused(Accounts::NotAdmin { account: name("ada") }));
}

#[test]
fn a_late_or_repeated_decision_does_not_undo_a_later_one() {
    let mut log = keyed();
    let held_back = log.entry("ada", Body::AccountResumed { account: name("ben") });
    suspends(&mut log, "ben").unwrap();
    assert_eq!(suspends(&mut log, "ben"), refused(Accounts::AlreadySo { account: name("ben") }));
    assert_eq!(log.enter(&held_back), refused(Entries::Outdated { name: "ben".to_owned() }));
    let suspended = log.entries.last().unwrap().clone();
    resumes(&mut log, "ben").unwrap();
    let again = Entry::from_bytes(&suspended).unwrap();
    assert_eq!(log.enter(&again), refused(Entries::Outdated { name: "ben".to_owned() }));
    // Of two decisions at the same time, repeating the first does not restore it.
    let suspend = log.entry("ada", Body::AccountSuspended { account: name("cyd") });
    let resume = log.entry("ada", Body::AccountResumed { account: name("cyd") });
    log.enter(&suspend).unwrap();
    log.enter(&resume).unwrap();
    assert_eq!(log.enter(&suspend), refused(Entries::AlreadySaid { account: name("ada") }));
}

#[test]
fn invitations_of_an_admin_end_with_its_role() {
    for end in [suspends, removes, |log: &mut TestLog, who: &str| sets_roles(log, who, &[])] {
        let mut log = keyed();
        let invitation = log.invitation("eve", Role::Admin);
        log.says("fay", Body::Invitation(invitation)).unwrap();
        log.invite("gil", Role::Member);
        end(&mut log, "fay").unwrap();
        assert_eq!(log.join("eve"), refused(Accounts::NotInvited));
        log.join("gil").unwrap();
    }
}

#[test]
fn a_member_of_a_group_keeps_the_member_role() {
    let mut log = keyed();
    let still = Refusal::Accounts(Accounts::StillMember { account: name("ben"), group: board() });
    assert_eq!(sets_roles(&mut log, "ben", &[Role::Auditor]), Err(still));
    sets_roles(&mut log, "ben", &[Role::Auditor, Role::Member]).unwrap();
    sets_roles(&mut log, "out", &[Role::Auditor]).unwrap();
    let same = Refusal::Accounts(Accounts::AlreadySo { account: name("out") });
    assert_eq!(sets_roles(&mut log, "out", &[Role::Auditor]), Err(same));
}

#[test]
fn only_an_invitation_that_names_the_present_keys_replaces_them() {
    let mut log = keyed();
    let roles = BTreeSet::from([Role::Member]);
    log.wait(1);
    let invitation = log.invitation("ben", Role::Member);
    let exists = Refusal::Accounts(Accounts::AccountExists { account: name("ben") });
    assert_eq!(log.says("ada", Body::Invitation(invitation.clone())), Err(exists.clone()));
    let with = |keys: &str, roles: &BTreeSet<Role>| {
        let replaces = Some(secrets(keys).identity.public());
        let invitation = invitation.clone();
        Body::Invitation(crate::entry::Invitation { replaces, roles: roles.clone(), ..invitation })
    };
    assert_eq!(log.says("ada", with("cyd", &roles)), Err(exists));
    let admin = BTreeSet::from([Role::Admin]);
    let other = Refusal::Accounts(Accounts::OtherRoles { account: name("ben") });
    assert_eq!(log.says("ada", with("ben", &admin)), Err(other));
    let unknown = Refusal::Accounts(Accounts::UnknownAccount { account: name("zoe") });
    assert_eq!(log.replace_keys("zoe", "new"), Err(unknown));
    log.wait(1);
    log.says("ada", with("ben", &roles)).unwrap();
    let taken = refused(Accounts::KeysTaken { account: name("ben") });
    assert_eq!(log.join("ben"), taken, "with the keys that it has");
    log.keys_of.insert(name("ben"), "new".to_owned());
    log.join("ben").unwrap();
    assert_eq!(log.join("ben"), refused(Accounts::AccountExists { account: name("ben") }));
}

#[test]
fn an_account_with_keys_from_an_admin_has_no_share_and_no_vote() {
    let mut log = keyed();
    let request = log.requests("ada", log.request()).unwrap();
    log.approves("ben", request).unwrap();
    log.wait(1);
    let events = log.replace_keys("ben", "new").unwrap();
    assert!(events.contains(&Event::Dismissed(name("ben"))));
    assert_eq!(log.state.request(request).unwrap().approvals, some(&["ada"]));
    let no_share: Result<Vec<Event>, _> =
        refused(Groups::NoShare { account: name("ben"), group: board() });
    assert_eq!(log.approves("ben", request), no_share);
    assert_eq!(log.refuses("ben", request), no_share);
    log.wait(1);
    let asked = log.requests("ben", log.request());
    assert_eq!(asked.map(drop), no_share.clone().map(drop), "nodes may approve without asking");
    assert!(!log.state.may_read(&name("ben"), log.request().document));
    assert!(log.state.may_read(&name("cyd"), log.request().document));
    let change = log.proposes("ada", log.board_of(&["ada", "cyd"], 2)).unwrap();
    assert_eq!(log.approves("ben", change).map(drop), no_share.map(drop));
    assert_eq!(log.group().change.as_ref().unwrap().approvals, some(&["ada"]));
}

#[test]
fn keys_from_an_admin_cannot_read_earlier_requests() {
    let mut log = keyed();
    let document = log.request().document;
    log.requests("ben", log.request()).unwrap();
    log.wait(1);
    assert!(log.state.may_read(&name("ben"), document));
    log.replace_keys("ben", "new").unwrap();
    assert!(!log.state.may_read(&name("ben"), document));
    // The same applies when the others have removed the account from the group.
    log.change(&["ada", "cyd"], 2, session(2));
    assert!(!log.group().has_member(&name("ben")));
    assert!(!log.state.may_read(&name("ben"), document));
    assert!(log.state.may_read(&name("cyd"), document));
}

#[test]
fn an_admin_cannot_get_a_share_by_replacing_keys() {
    let mut log = keyed();
    log.replace_keys("ben", "new").unwrap();
    // A refresh would give a share to the new keys, and it needs no approval.
    let refresh = log.group().definition.clone();
    let change = log.proposes("fay", refresh).unwrap();
    assert_eq!(log.begin(session(2), 1), refused(Requests::NotApproved { request: change }));
    log.approves("ada", change).unwrap();
    assert_eq!(log.begin(session(2), 1), refused(Requests::NotApproved { request: change }));
    log.approves("cyd", change).unwrap();
    log.begin(session(2), 1).unwrap();
    // It holds no share that it could deal.
    let terms = &log.group().session.as_ref().unwrap().terms;
    assert_eq!(terms.dealers().cloned().collect::<BTreeSet<_>>(), some(&["ada", "cyd"]));
    log.wait(1);
    log.reshare(&["ada", "ben", "cyd"]);
    log.certify_all();
    log.activates(session(2), &["ben", "cyd"]);
    assert_eq!(log.group().unable(&name("ben")), None, "it has a share again");
    let past = log.group().past_epochs.last().unwrap();
    assert_eq!(past.lost, some(&["ben"]), "where the earlier one is, nobody knows");
    let body = Body::ShareDestroyed { group: board(), epoch: 1 };
    let stranger = Refusal::Groups(Groups::NotAMember { account: name("ben"), group: board() });
    assert_eq!(log.says("ben", body), Err(stranger));
}

#[test]
fn a_change_ends_when_a_recipient_is_removed_or_replaced() {
    for end in [removes, |log: &mut TestLog, who: &str| log.replace_keys(who, "new")] {
        for account in ["dan", "ben"] {
            let mut log = keyed();
            log.admits("dan", Role::Member);
            let change = log.proposes("ada", log.board_of(&["ada", "ben", "dan"], 2)).unwrap();
            log.approves("ben", change).unwrap();
            log.wait(1);
            end(&mut log, account).unwrap();
            assert!(log.group().change.is_none());
            let past = log.group().past_changes.last().unwrap();
            assert_eq!(past.end, ChangeEnd::Void { account: name(account) });
        }
    }
}

#[test]
fn a_change_continues_when_the_leaving_member_is_removed() {
    let mut log = keyed();
    let change = log.proposes("ada", log.board_of(&["ada", "cyd"], 2)).unwrap();
    log.approves("ben", change).unwrap();
    log.begin(session(2), 1).unwrap();
    removes(&mut log, "ben").unwrap();
    let pending = log.group().change.as_ref().unwrap();
    assert!(!pending.approved);
    let past = &log.group().past.last().unwrap().reason;
    assert_eq!(*past, AbortReason::RosterChanged { account: name("ben") });
    log.approves("cyd", change).unwrap();
    log.begin(session(3), 2).unwrap();
    log.reshare(&["ada", "cyd"]);
    log.certify_all();
    log.activates(session(3), &["ada", "cyd"]);
    assert_eq!(log.group().past_epochs.last().unwrap().lost, some(&["ben"]));
}

#[test]
fn a_suspension_ends_the_session_and_a_new_one_may_follow() {
    let mut log = keyed();
    log.proposes("ada", log.group().definition.clone()).unwrap();
    log.begin(session(2), 1).unwrap();
    suspends(&mut log, "ben").unwrap();
    assert!(log.group().session.is_none());
    resumes(&mut log, "ben").unwrap();
    log.begin(session(3), 2).unwrap();
    let body = Body::CeremonyAborted {
        session: session(3),
        reason: AbortReason::RosterChanged { account: name("ben") },
    };
    assert_eq!(log.coordinator_says(body), refused(Entries::WrongAuthor), "it is not for saying");
}

#[test]
fn without_enough_usable_shares_nothing_is_changed() {
    let mut log = keyed();
    log.replace_keys("ben", "new").unwrap();
    log.wait(1);
    log.replace_keys("cyd", "other").unwrap();
    let few = Refusal::Changes(Changes::TooFewShares { group: board(), able: 1, needed: 2 });
    assert_eq!(log.proposes("ada", log.group().definition.clone()).unwrap_err(), few);
    let health = log.group().health(log.now);
    let unable = health.iter().filter(|(_, h)| matches!(h, crate::state::Health::Unable(_)));
    assert_eq!(unable.count(), 2);
}

#[test]
fn an_account_rotates_its_keys_and_keeps_its_share_and_vote() {
    let mut log = keyed();
    let request = log.requests("ada", log.request()).unwrap();
    log.approves("ben", request).unwrap();
    let forged = log.rotation("ben", "cyd", "new");
    assert_eq!(log.enter(&forged), refused(Entries::Signature));
    let own = log.rotation("ben", "ben", "cyd");
    assert_eq!(log.enter(&own), refused(Accounts::KeysTaken { account: name("cyd") }));
    let rotated = log.rotation("ben", "ben", "new");
    // Connections with the earlier keys end.
    let events = vec![Event::Dismissed(name("ben")), Event::Account(name("ben"))];
    assert_eq!(log.enter(&rotated), Ok(events));
    assert_eq!(log.enter(&rotated), refused(Entries::Signature));
    log.wait(1);
    // If keys could return, the coordinator could replay the rotation.
    let back = log.rotation("ben", "new", "ben");
    assert_eq!(log.enter(&back), refused(Accounts::KeysUsed));
    assert_eq!(
        log.requests("ben", log.request()),
        refused(Entries::Signature),
        "with the former key"
    );
    log.keys_of.insert(name("ben"), "new".to_owned());
    log.signs(request, &["ada", "ben"], 9).unwrap();
    let replaced = refused(Accounts::KeysReplaced { account: name("ben") });
    let former = secrets("ben").identity.public();
    assert_eq!(log.state.check_connection(&name("ben"), Some(former)), replaced);
    suspends(&mut log, "cyd").unwrap();
    let keys = secrets("newer");
    let body = Body::KeysRotated { keys: keys.public() };
    let statement = log.statement(Author::Account(name("cyd")), body);
    let entry = Entry::sign(statement, &[&secrets("cyd").identity, &keys.identity]).unwrap();
    assert_eq!(log.enter(&entry), refused(Accounts::Suspended { account: name("cyd") }));
}

#[test]
fn a_copy_of_a_node_is_recorded_until_one_of_the_two_restarts() {
    let mut log = keyed();
    let (first, second) = (TestLog::incarnation("ben", 1), TestLog::incarnation("ben", 2));
    log.start_node("ben", 2);
    let duplicated = |log: &TestLog| log.state.account(&name("ben")).unwrap().duplicated;
    let says = |log: &mut TestLog, incarnation, other| {
        log.says("ben", Body::NodeDuplicated { incarnation, other })
    };
    assert_eq!(says(&mut log, second, first), refused(Sessions::StaleIncarnation));
    assert_eq!(says(&mut log, second, second), refused(Sessions::StaleIncarnation));
    says(&mut log, first, second).unwrap();
    assert!(duplicated(&log));
    let said = refused(Entries::AlreadySaid { account: name("ben") });
    assert_eq!(says(&mut log, first, second), said);
    log.start_node("ben", 3);
    assert!(!duplicated(&log));
    assert_eq!(says(&mut log, first, second), refused(Sessions::StaleIncarnation));
}

#[test]
fn new_keys_before_the_dkg_void_all_acceptances() {
    let mut log = TestLog::grouped();
    log.replace_keys("ben", "new").unwrap();
    assert!(log.group().accepted.is_empty());
    log.wait(1);
    for member in ["ben", "cyd"] {
        log.accept(member).unwrap();
    }
    assert_eq!(log.begin(session(1), 1), refused(Sessions::NotAccepted));
    log.accept("ada").unwrap();
    log.begin(session(1), 1).unwrap();
}

#[test]
fn repeating_a_void_acceptance_does_not_restore_it() {
    let mut log = keyed();
    log.admits("dan", Role::Member);
    let change = log.proposes("ada", log.board_of(&["ada", "ben", "dan"], 2)).unwrap();
    let accepted = Body::GroupAccepted { group: board(), definition: change };
    let accepted = log.entry("dan", accepted);
    log.enter(&accepted).unwrap();
    suspends(&mut log, "dan").unwrap();
    resumes(&mut log, "dan").unwrap();
    assert_eq!(log.enter(&accepted), refused(Entries::AlreadySaid { account: name("dan") }));
    let still = Refusal::Accounts(Accounts::StillMember { account: name("dan"), group: board() });
    assert_eq!(sets_roles(&mut log, "dan", &[]), Err(still), "it is about to be a member");
}

#[test]
fn invitations_made_with_former_keys_are_void() {
    for rotates in [true, false] {
        let mut log = keyed();
        let invitation = log.invitation("eve", Role::Admin);
        log.says("fay", Body::Invitation(invitation)).unwrap();
        if rotates {
            let keys = secrets("new");
            let body = Body::KeysRotated { keys: keys.public() };
            let statement = log.statement(Author::Account(name("fay")), body);
            let signers = [&secrets("fay").identity, &keys.identity];
            log.enter(&Entry::sign(statement, &signers).unwrap()).unwrap();
        } else {
            log.replace_keys("fay", "new").unwrap();
        }
        assert_eq!(log.join("eve"), refused(Accounts::NotInvited));
    }
}

#[test]
fn a_start_that_was_held_back_is_rejected() {
    let mut log = keyed();
    let earlier = Body::NodeStarted { incarnation: TestLog::incarnation("ben", 7) };
    let earlier = log.entry("ben", earlier);
    log.wait(1);
    log.start_node("ben", 8);
    assert_eq!(log.enter(&earlier), refused(Entries::Outdated { name: "ben".to_owned() }));
}

#[test]
fn only_an_admin_announces_where_the_coordinator_is() {
    let mut log = TestLog::peopled();
    let moved = |hub: &str| Body::HubMoved { hub: hub.to_owned() };
    assert_eq!(log.state.hub(), None);
    let old = log.entry("ada", moved("old.example.com:1"));
    log.wait(1);
    log.says("ada", moved("new.example.com:1")).unwrap();
    assert_eq!(log.state.hub(), Some("new.example.com:1"));
    let not_admin = Accounts::NotAdmin { account: name("ben") };
    assert_eq!(log.says("ben", moved("bad.example.com:1")), refused(not_admin));
    for malformed in ["", "no port", "two words:1", &format!("{}:1", "x".repeat(300))] {
        assert_eq!(log.says("ada", moved(malformed)), refused(Entries::Malformed), "{malformed}");
    }
    // The coordinator held this one back.
    let outdated = Entries::Outdated { name: "old.example.com:1".to_owned() };
    assert_eq!(log.enter(&old), refused(outdated));
    assert_eq!(log.state.hub(), Some("new.example.com:1"));
}
