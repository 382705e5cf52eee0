//! Wrong clocks: what they cannot do, and that nothing is left of them.

use proptest::prelude::*;

use crate::encoding::Base64;
use crate::entry::{Body, GroupChange, Role};
use crate::names::Timestamp;
use crate::state::clock::MAX_CLOCK_LEAD;
use crate::state::refusal::{Accounts, Changes, Entries, Requests};
use crate::state::{ChangeEnd, Event, Refusal, possession_context};
use crate::test_world::{HOUR, TestLog, board, name, refused, session};

const YEAR: u64 = 365 * 24 * HOUR;

/// Ben proves that he has his share.
fn proves(log: &mut TestLog) -> Result<Vec<Event>, Refusal> {
    let at = log.now;
    let context = possession_context(log.state.ivn(), &board(), 1, &name("ben"), at);
    let package = log.package_of("ben");
    let proof = Base64(package.prove(context.as_bytes(), &mut log.rng).unwrap());
    log.says("ben", Body::ShareProved { group: board(), epoch: 1, proof })
}

/// Each of these starts its node once, with this error of its clock in milliseconds.
fn restarts(log: &mut TestLog, accounts: &[&str], number: u8, ahead: i64) {
    let right = log.now;
    for account in accounts {
        log.now = Timestamp(right.0.saturating_add_signed(ahead));
        log.start_node(account, number);
    }
    log.now = right;
}

#[test]
fn one_member_years_ahead_makes_nothing_expire() {
    let mut log = TestLog::keyed();
    let open = log.requests("ada", log.request()).unwrap();
    let change = log.proposes("ada", log.board_of(&["ada", "ben"], 2)).unwrap();
    restarts(&mut log, &["cyd"], 9, i64::try_from(10 * YEAR).unwrap());
    assert!(log.approves("ben", open).is_ok());
    assert!(log.approves("ben", change).is_ok());
    assert!(log.requests("ben", log.request()).is_ok());
    log.invite("eve", Role::Member);
    assert!(log.join("eve").is_ok());
}

#[test]
fn one_proposal_with_a_wrong_clock_ends_no_change() {
    let mut log = TestLog::keyed();
    let change = log.proposes("ada", log.board_of(&["ada", "ben"], 2)).unwrap();
    let right = log.now;
    log.wait(2 * HOUR);
    let again = log.proposes("cyd", log.board_of(&["ben", "cyd"], 2));
    assert_eq!(again, refused(Changes::ChangePending { group: board(), change }));
    // Two members are as many as could sign.
    log.start_node("ben", 9);
    log.proposes("cyd", log.board_of(&["ben", "cyd"], 2)).unwrap();
    assert_eq!(log.group().past_changes.last().unwrap().end, ChangeEnd::Lapsed);
    log.now = right;
}

#[test]
fn after_the_clocks_are_right_nothing_is_left_of_the_error() {
    let mut log = TestLog::keyed();
    log.follows = true;
    let open = log.requests("ada", log.request()).unwrap();
    let over = refused(Requests::RequestOver { request: open });
    restarts(&mut log, &["ada", "ben"], 9, i64::try_from(10 * YEAR).unwrap());
    assert!(log.state.time_of(log.group()) > log.now.plus(9 * YEAR));
    assert_eq!(log.approves("cyd", open), over, "as many are wrong as could sign");
    // One of them says something with the right clock: an approval will do.
    assert!(log.approves("ben", open).is_ok());
    assert!(log.state.time_of(log.group()) <= log.now);
    assert!(log.requests("cyd", log.request()).is_ok());
}

#[test]
fn a_vote_with_an_old_time_does_not_revive_a_request() {
    let mut log = TestLog::keyed();
    let open = log.requests("ada", log.request()).unwrap();
    let in_time = log.now;
    log.wait(HOUR + 1);
    log.start_node("ada", 9);
    log.start_node("ben", 9);
    log.now = in_time;
    assert_eq!(log.approves("cyd", open), refused(Requests::RequestOver { request: open }));
}

#[test]
fn a_session_starts_for_no_change_that_has_expired() {
    let mut log = TestLog::keyed();
    let change = log.proposes("ada", log.board_of(&["ada", "ben"], 2)).unwrap();
    log.approves("ben", change).unwrap();
    let in_time = log.now;
    let over = refused(Requests::NotApproved { request: change });
    log.wait(HOUR + 1);
    assert_eq!(log.begin(session(2), 1), over, "by the coordinator's own time");
    log.start_node("ada", 9);
    log.start_node("cyd", 9);
    log.now = in_time;
    assert_eq!(log.begin(session(2), 1), over, "nor if it states an old time");
}

#[test]
fn an_invitation_ends_by_its_authors_clock() {
    let mut log = TestLog::peopled();
    log.invite("eve", Role::Member);
    let in_time = log.now;
    log.wait(HOUR + 1);
    log.start_node("ben", 9);
    log.now = in_time;
    let joins = log.join("eve");
    assert_eq!(joins, Ok(vec![Event::Admitted(name("eve"))]), "others do not matter");
    log.invite("fay", Role::Member);
    log.wait(HOUR + 1);
    log.start_node("ada", 9);
    log.now = in_time;
    assert_eq!(log.join("fay"), refused(Accounts::InvitationExpired));
}

#[test]
fn what_a_wrong_clock_decided_can_be_decided_again() {
    let mut log = TestLog::peopled();
    log.follows = true;
    let right = log.now;
    log.wait(YEAR);
    log.says("ada", Body::AccountSuspended { account: name("ben") }).unwrap();
    log.invite("eve", Role::Member);
    log.define(log.board_of(&["ada", "cyd"], 2));
    restarts(&mut log, &["cyd"], 9, 0);
    log.now = right;
    log.says("ada", Body::AccountResumed { account: name("ben") }).unwrap();
    log.invite("eve", Role::Auditor);
    log.define(log.board_of_three());
    log.start_node("cyd", 10);
}

#[test]
fn a_decision_that_was_held_back_comes_too_late() {
    let mut log = TestLog::peopled();
    log.follows = true;
    let held_back = log.entry("ada", Body::AccountSuspended { account: name("ben") });
    log.says("ada", Body::AccountSuspended { account: name("cyd") }).unwrap();
    log.says("ada", Body::AccountResumed { account: name("cyd") }).unwrap();
    // Clocks do not matter: the author of this one had seen more.
    log.now = Timestamp(0);
    let roles = [Role::Member, Role::Auditor].into();
    log.says("ada", Body::AccountRoles { account: name("ben"), roles }).unwrap();
    assert_eq!(log.enter(&held_back), refused(Entries::Outdated { name: "ben".to_owned() }));
}

#[test]
fn a_claim_to_have_seen_everything_can_be_replaced() {
    let mut log = TestLog::peopled();
    log.follows = true;
    let body = Body::AccountSuspended { account: name("ben") };
    let mut statement = log.entry("ada", body).statement().clone();
    statement.seen = u64::MAX;
    let early = crate::entry::Entry::sign(statement, &[&log.secrets("ada").identity]).unwrap();
    log.enter(&early).unwrap();
    log.says("ada", Body::AccountResumed { account: name("ben") }).unwrap();
}

#[test]
fn a_proof_with_a_wrong_time_is_corrected_by_the_next() {
    let mut log = TestLog::keyed();
    log.follows = true;
    let right = log.now;
    log.wait(YEAR);
    proves(&mut log).unwrap();
    log.now = right.plus(1);
    proves(&mut log).unwrap();
    assert_eq!(log.group().key.as_ref().unwrap().proved[&name("ben")], log.now);
    let old = log.entries.len() - 2;
    let old = crate::entry::Entry::from_bytes(&log.entries[old].clone()).unwrap();
    assert_eq!(log.enter(&old), refused(Entries::AlreadySaid { account: name("ben") }));
}

#[test]
fn the_coordinator_dates_nothing_far_ahead_of_the_members() {
    let mut log = TestLog::keyed();
    let request = log.requests("ada", log.request()).unwrap();
    log.approves("ben", request).unwrap();
    let right = log.now;
    log.wait(YEAR);
    log.signs(request, &["ada", "ben"], 7).unwrap();
    let proved = log.group().key.as_ref().unwrap().proved[&name("ada")];
    assert_eq!(proved, right.plus(MAX_CLOCK_LEAD));
}

/// Which rule a time breaks depends on no statement of fewer members than min_signers.
fn decisions(log: &TestLog) -> Vec<bool> {
    let mut probe = TestLog::founded();
    probe.state = log.state.clone();
    let log = &mut probe;
    let definition = log.board_of(&["ada", "ben", "cyd"], 2);
    let mut at = |hours: u64| {
        log.now = Timestamp(1_000_000 + hours * HOUR);
        let expires_at = log.now.plus(HOUR);
        let proposal = GroupChange {
            epoch: 1,
            definition: definition.clone(),
            expires_at,
            repairs: None,
            retires: false,
        };
        let entry = log.entry("ada", Body::GroupChange(proposal));
        log.state.clone().apply(&entry).is_ok()
    };
    (0..40).map(&mut at).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One member of a group in which two sign, and any number of accounts outside of it.
    #[test]
    fn no_minority_moves_time(times in proptest::collection::vec((0..2_u8, 0..100 * YEAR), 1..8)) {
        let mut log = TestLog::keyed();
        log.follows = true;
        let decided = decisions(&log);
        let right = log.now;
        for (number, (outside, at)) in (20..).zip(times) {
            // Ada decides below; so cyd is the only other member that is wrong.
            log.now = Timestamp(at);
            log.start_node(if outside == 1 { "out" } else { "cyd" }, number);
        }
        log.now = right;
        prop_assert!(log.state.time_of(log.group()) <= right);
        prop_assert_eq!(decisions(&log), decided);
    }

    /// Whatever all clocks said before: once min_signers members are right, the time is.
    #[test]
    fn right_clocks_heal(errors in proptest::collection::vec((0..3_usize, 0..100 * YEAR), 1..8)) {
        let mut log = TestLog::keyed();
        log.follows = true;
        let right = log.now;
        let members = ["ada", "ben", "cyd"];
        for (number, (member, at)) in (20..).zip(errors) {
            log.now = Timestamp(at);
            log.start_node(members[member], number);
        }
        log.now = right.plus(1);
        log.start_node("ada", 90);
        log.start_node("ben", 90);
        log.start_node("cyd", 90);
        prop_assert_eq!(log.state.time_of(log.group()), log.now);
    }
}
