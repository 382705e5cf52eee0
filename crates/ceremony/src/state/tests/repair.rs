//! Repairs: a member that lost its share gets it back if the others approve.

use std::collections::BTreeSet;

use quorate_protocol::keyshare::Phase;
use quorate_protocol::repair;

use crate::entry::{AbortReason, Body, GroupChange, GroupDefinition, Role};
use crate::names::{AccountName, EntryId};
use crate::state::refusal::{Accounts, Changes, Groups, Requests, Sessions};
use crate::state::{ChangeEnd, Event, Health, Refusal, SessionPhase, Unable};
use crate::test_world::{HOUR, TestLog, board, name, refused, session, some};

fn proposes(log: &mut TestLog, by: &str, member: &str) -> Result<EntryId, Refusal> {
    proposes_with(log, by, member, log.group().definition.clone())
}

fn proposes_with(
    log: &mut TestLog,
    by: &str,
    member: &str,
    definition: GroupDefinition,
) -> Result<EntryId, Refusal> {
    let epoch = log.group().key.as_ref().map_or(0, |key| key.epoch);
    let expires_at = log.now.plus(HOUR);
    let repairs = Some(name(member));
    let entry = log.entry(
        by,
        Body::GroupChange(GroupChange { epoch, definition, expires_at, repairs, retires: false }),
    );
    log.enter(&entry).map(|_| entry.id())
}

/// The board of three. Ben has lost his share and has new keys, and ada and cyd have approved a
/// repair.
fn approved() -> (TestLog, EntryId) {
    let mut log = TestLog::keyed();
    log.replace_keys("ben", "new").unwrap();
    let change = proposes(&mut log, "ada", "ben").unwrap();
    log.approves("cyd", change).unwrap();
    (log, change)
}

/// Has these members sign an approved request.
fn sign(log: &mut TestLog, by: &[&str], number: u8) -> Result<(), Refusal> {
    let request = log.requests(by[0], log.request()).unwrap();
    log.approves(by[1], request)?;
    log.signs(request, by, number).map(drop)
}

#[test]
fn a_member_with_new_keys_gets_its_share_and_vote_back() {
    let (mut log, _) = approved();
    let before = log.group().key.clone().unwrap();
    let lost = log.package_of("ben").to_bytes();
    log.begin(session(2), 1).unwrap();
    log.wait(1);
    log.repair(&["ada", "ben", "cyd"]);
    let events = log.certifies("ben").unwrap();
    assert_eq!(events, [Event::Change(board()), Event::ShareProved(board())]);
    assert_eq!(*log.package_of("ben").to_bytes(), *lost, "the one that he had");
    let after = log.group().key.clone().unwrap();
    assert_eq!((after.epoch, after.session, after.index), (1, before.session, before.index));
    assert_eq!((&after.public, &after.identifiers), (&before.public, &before.identifiers));
    assert_eq!(log.group().unable(&name("ben")), None);
    let proved = Health::Healthy { proved: log.now };
    assert!(log.group().health(log.now).contains(&(&name("ben"), proved)));
    assert!(log.group().session.is_none() && log.group().change.is_none());
    assert_eq!(log.group().past_changes.last().unwrap().end, ChangeEnd::Repaired { epoch: 1 });
    log.wait(1);
    sign(&mut log, &["ben", "cyd"], 9).unwrap();
}

/// The owner of the earlier keys still holds the share.
#[test]
fn a_share_lost_with_its_keys_stays_lost_after_a_repair() {
    let (mut log, _) = approved();
    log.begin(session(2), 1).unwrap();
    log.wait(1);
    log.repair(&["ada", "ben", "cyd"]);
    log.certifies("ben").unwrap();
    let refresh = log.proposes("ada", log.group().definition.clone()).unwrap();
    log.carry_out(refresh, session(3));
    let [past] = &*log.group().past_epochs else { panic!() };
    assert_eq!(past.lost, some(&["ben"]));
    assert!(past.owed_by().eq(&some(&["ada", "cyd"])));
}

#[test]
fn a_repair_needs_the_same_approvals_as_a_change() {
    let mut log = TestLog::keyed();
    log.replace_keys("ben", "new").unwrap();
    let change = proposes(&mut log, "ada", "ben").unwrap();
    assert_eq!(log.begin(session(2), 1), refused(Requests::NotApproved { request: change }));
    let no_share = Refusal::Groups(Groups::NoShare { account: name("ben"), group: board() });
    assert_eq!(log.approves("ben", change).unwrap_err(), no_share);
    log.approves("cyd", change).unwrap();
    log.begin(session(2), 1).unwrap();
}

#[test]
fn the_recipient_of_a_repair_has_no_vote_on_it() {
    // Ben lost only his share.
    let mut log = TestLog::keyed();
    let change = proposes(&mut log, "ben", "ben").unwrap();
    assert!(log.group().change.as_ref().unwrap().approvals.is_empty());
    assert_eq!(log.approves("ben", change), refused(Changes::OwnRepair { account: name("ben") }));
    log.approves("ada", change).unwrap();
    assert_eq!(log.begin(session(2), 1), refused(Requests::NotApproved { request: change }));
    log.approves("cyd", change).unwrap();
    log.begin(session(2), 1).unwrap();
    let terms = &log.group().session.as_ref().unwrap().terms;
    assert_eq!(terms.dealers().cloned().collect::<BTreeSet<_>>(), some(&["ada", "cyd"]));
    assert_eq!(terms.recipients().collect::<Vec<_>>(), [&name("ben")]);
}

#[test]
fn a_repair_is_for_a_member_and_changes_nothing_else() {
    let mut log = TestLog::keyed();
    log.admits("dan", Role::Member);
    let stranger = Refusal::Changes(Changes::Repair { account: name("dan") });
    assert_eq!(proposes(&mut log, "ada", "dan").unwrap_err(), stranger);
    let more = log.board_of(&["ada", "ben", "cyd"], 3);
    let refused = Refusal::Changes(Changes::Repair { account: name("ben") });
    assert_eq!(proposes_with(&mut log, "ada", "ben", more).unwrap_err(), refused);
    log.says("ada", Body::AccountSuspended { account: name("ben") }).unwrap();
    let suspended = Refusal::Accounts(Accounts::Suspended { account: name("ben") });
    assert_eq!(proposes(&mut log, "ada", "ben").unwrap_err(), suspended);
    log.says("ada", Body::AccountRemoved { account: name("ben") }).unwrap();
    let removed = Refusal::Accounts(Accounts::Removed { account: name("ben") });
    assert_eq!(proposes(&mut log, "ada", "ben").unwrap_err(), removed);
}

#[test]
fn too_few_who_can_help_repair_nothing() {
    let mut log = TestLog::keyed();
    log.replace_keys("ben", "new").unwrap();
    log.says("ada", Body::AccountSuspended { account: name("cyd") }).unwrap();
    let few = Refusal::Changes(Changes::TooFewShares { group: board(), able: 1, needed: 2 });
    assert_eq!(proposes(&mut log, "ada", "ben").unwrap_err(), few);
}

#[test]
fn replacing_keys_ends_a_running_repair() {
    let (mut log, _) = approved();
    log.begin(session(2), 1).unwrap();
    log.wait(1);
    log.replace_keys("ben", "newer").unwrap();
    assert!(log.group().session.is_none() && log.group().change.is_none());
    let end = &log.group().past_changes.last().unwrap().end;
    assert_eq!(*end, ChangeEnd::Void { account: name("ben") });
}

#[test]
fn suspending_a_helper_ends_the_session_but_not_the_repair() {
    let mut log = TestLog::keyed();
    log.admits("dan", Role::Member);
    log.change(&["ada", "ben", "cyd", "dan"], 2, session(2));
    log.replace_keys("ben", "new").unwrap();
    let change = proposes(&mut log, "ada", "ben").unwrap();
    log.approves("cyd", change).unwrap();
    log.begin(session(3), 1).unwrap();
    log.says("ada", Body::AccountSuspended { account: name("dan") }).unwrap();
    let reason = AbortReason::RosterChanged { account: name("dan") };
    assert_eq!(log.group().past.last().unwrap().reason, reason);
    log.begin(session(4), 2).unwrap();
    log.wait(1);
    log.repair(&["ada", "ben", "cyd"]);
    log.certifies("ben").unwrap();
    assert_eq!(log.group().unable(&name("dan")), Some(Unable::Suspended));
    assert_eq!(log.group().unable(&name("ben")), None);
}

#[test]
fn only_the_recipient_certifies_and_only_the_true_outcome() {
    let (mut log, _) = approved();
    log.begin(session(2), 1).unwrap();
    log.wait(1);
    log.repair(&["ada", "ben", "cyd"]);
    let stranger = Refusal::Groups(Groups::NotAMember { account: name("ada"), group: board() });
    assert_eq!(log.certifies("ada"), Err(stranger));
    let (transcript, _) = log.certificate();
    let other =
        Body::CeremonyCertified { session: session(2), transcript, public_key_package: transcript };
    log.says("ben", other).unwrap();
    let dissent = AbortReason::Dissent { dissenters: some(&["ben"]) };
    log.aborts(session(2), dissent.clone());
    assert_eq!(log.group().past_changes.last().unwrap().end, ChangeEnd::Failed(dissent));
    assert_eq!(log.group().unable(&name("ben")), Some(Unable::Replaced));
}

/// A repair with the help of ada and cyd, up to where `stands` is true.
fn underway(stands: impl Fn(&repair::Board) -> bool) -> TestLog {
    let (mut log, _) = approved();
    log.begin(session(2), 1).unwrap();
    log.wait(1);
    log.repair_until(&["ada", "ben", "cyd"], stands);
    log
}

/// How a session ends when a node restarts in it, if it does.
fn restart(mut log: TestLog, account: &str) -> Option<SessionPhase> {
    log.start_node(account, 2);
    log.group().phase()
}

#[test]
fn restarts_cost_a_repair_only_what_it_needs() {
    let restarted =
        |account| Some(SessionPhase::Doomed(AbortReason::Restarted { nodes: some(&[account]) }));
    let dealt = |board: &repair::Board| board.phase() == Phase::Sum;
    // Ada's identifier is 1, cyd's is 3.
    let one_summed = |board: &repair::Board| dealt(board) && board.missing().len() == 1;
    let summed = |board: &repair::Board| board.phase() == Phase::Verdict;

    assert_eq!(restart(underway(dealt), "ada"), restarted("ada"), "it has its dealing in memory");
    let log = underway(one_summed);
    assert_eq!(log.group().missing(), some(&["cyd"]));
    assert_eq!(restart(log, "ada"), Some(SessionPhase::Summing), "it has said it all");
    assert_eq!(restart(underway(one_summed), "cyd"), restarted("cyd"));
    assert_eq!(restart(underway(summed), "cyd"), Some(SessionPhase::Judging));

    let done = || underway(|_| false);
    assert_eq!(restart(done(), "ada"), Some(SessionPhase::Certifying));
    assert_eq!(restart(done(), "ben"), restarted("ben"), "its share was in memory only");
    let mut log = done();
    log.start_node("ben", 2);
    assert_eq!(log.certifies("ben"), refused(Sessions::SessionStep));
    log.aborts(session(2), AbortReason::Restarted { nodes: some(&["ben"]) });
    log.begin(session(3), 2).unwrap();
}

#[test]
fn no_record_activates_a_repaired_share() {
    let (mut log, _) = approved();
    log.begin(session(2), 1).unwrap();
    log.wait(1);
    log.repair(&["ada", "ben", "cyd"]);
    assert!(log.group().activation(log.state.ivn()).is_none());
    let signature = crate::encoding::Base64(vec![0; 64]);
    let body = Body::EpochStarted { session: session(2), signature };
    assert_eq!(log.coordinator_says(body), refused(Sessions::SessionStep));
}

#[test]
fn new_shares_give_way_to_a_repair() {
    let mut log = TestLog::keyed();
    let refresh = log.proposes("cyd", log.group().definition.clone()).unwrap();
    log.wait(1);
    let repair = proposes(&mut log, "ada", "ben").unwrap();
    let past = log.group().past_changes.last().unwrap();
    assert_eq!((past.id, &past.end), (refresh, &ChangeEnd::Replaced { by: repair }));
}

fn helpers(log: &TestLog) -> BTreeSet<AccountName> {
    log.ceremony().terms.dealers().cloned().collect()
}

/// The helper announces, and then its node restarts, which ends the session.
fn holds_up(log: &mut TestLog, helper: &str) {
    let session = log.ceremony().session;
    log.announces(helper);
    for member in ["ada", "ben", "cyd"].into_iter().filter(|member| *member != helper) {
        log.announces(member);
        if log.group().phase() != Some(SessionPhase::Committing) {
            break;
        }
    }
    log.start_node(helper, 2);
    let reason = AbortReason::Restarted { nodes: some(&[helper]) };
    log.aborts(session, reason);
}

#[test]
fn a_helper_that_delays_a_repair_is_left_out_if_others_can_help() {
    let mut log = TestLog::keyed();
    log.admits("dan", Role::Member);
    log.change(&["ada", "ben", "cyd", "dan"], 2, session(2));
    let change = proposes(&mut log, "ada", "ben").unwrap();
    log.approves("cyd", change).unwrap();
    log.begin(session(3), 1).unwrap();
    assert_eq!(helpers(&log), some(&["ada", "cyd", "dan"]));
    holds_up(&mut log, "dan");
    log.begin(session(4), 2).unwrap();
    assert_eq!(helpers(&log), some(&["ada", "cyd"]));
    // Without ada there would be too few helpers, so all are tried again.
    holds_up(&mut log, "ada");
    log.begin(session(5), 3).unwrap();
    assert_eq!(helpers(&log), some(&["ada", "cyd", "dan"]));
}

#[test]
fn a_repair_fails_when_too_few_honest_helpers_are_left() {
    let mut log = TestLog::keyed();
    let change = proposes(&mut log, "ada", "ben").unwrap();
    log.approves("ada", change).unwrap_err();
    log.approves("cyd", change).unwrap();
    log.begin(session(2), 1).unwrap();
    log.announces("cyd");
    log.posts("cyd", vec![9]).unwrap();
    let reason = AbortReason::Fault { culprits: some(&["cyd"]) };
    log.aborts(session(2), reason.clone());
    assert_eq!(log.group().past_changes.last().unwrap().end, ChangeEnd::Failed(reason));
}

#[test]
fn a_change_that_too_few_can_approve_is_not_proposed() {
    let mut definition = TestLog::peopled().board_of_three();
    definition.policy.rule.requester_may_approve = false;
    let mut log = TestLog::keyed_with(definition);
    // Ada proposes, and ben gets the share, so neither votes.
    let few = Refusal::Changes(Changes::TooFewVoters { group: board(), able: 1, needed: 2 });
    assert_eq!(proposes(&mut log, "ada", "ben").unwrap_err(), few);
    let change = proposes(&mut log, "ben", "ben").unwrap();
    log.approves("ada", change).unwrap();
    log.approves("cyd", change).unwrap();
    log.begin(session(2), 1).unwrap();
}
