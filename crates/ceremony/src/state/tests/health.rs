//! Proofs of possession, and the health of shares.

use crate::encoding::Base64;
use crate::entry::Body;
use crate::names::Timestamp;
use crate::signing::Subject;
use crate::state::refusal::{Changes, Entries, Groups, Sessions};
use crate::state::{Event, HEALTHY_FOR, Health, Refusal, Shortfall, Unable, possession_context};
use crate::test_world::{HOUR, TestLog, board, name, refused, session};

/// A proof by `account` with the share of `of`, as if made at `at`.
fn proof(log: &mut TestLog, account: &str, of: &str, epoch: u64, at: Timestamp) -> Body {
    let context = possession_context(log.state.ivn(), &board(), epoch, &name(account), at);
    let package = log.package_of(of);
    let proof = Base64(package.prove(context.as_bytes(), &mut log.rng).unwrap());
    Body::ShareProved { group: board(), epoch, proof }
}

fn proves(log: &mut TestLog, account: &str) -> Result<Vec<Event>, Refusal> {
    let body = proof(log, account, account, 1, log.now);
    log.says(account, body)
}

fn health_of(log: &TestLog, account: &str, now: Timestamp) -> Health {
    let group = log.state.group(&board()).unwrap();
    let health =
        log.state.health(group, now).into_iter().find(|(member, _)| **member == name(account));
    health.unwrap().1
}

#[test]
fn only_its_holder_proves_a_share_and_each_proof_counts_once() {
    let mut log = TestLog::keyed();
    log.wait(HOUR);
    let now = log.now;
    let bad = refused(Sessions::BadSignature);
    let of_another = proof(&mut log, "ben", "cyd", 1, now);
    assert_eq!(log.says("ben", of_another), bad);
    let made_before = proof(&mut log, "ben", "ben", 1, Timestamp(now.0 - 1));
    assert_eq!(log.says("ben", made_before), bad);
    let copied = proof(&mut log, "cyd", "cyd", 1, now);
    assert_eq!(log.says("ben", copied), bad);
    for length in [0, 63, 65] {
        let proof = Base64(vec![1; length]);
        let short = Body::ShareProved { group: board(), epoch: 1, proof };
        assert_eq!(log.says("ben", short), bad);
    }
    assert_eq!(proves(&mut log, "ben"), Ok(vec![Event::ShareProved(board())]));
    assert_eq!(health_of(&log, "ben", now), Health::Healthy { proved: now });
    assert_eq!(proves(&mut log, "ben"), refused(Entries::AlreadySaid { account: name("ben") }));
}

#[test]
fn shares_of_other_epochs_and_of_strangers_prove_nothing() {
    let mut log = TestLog::keyed();
    log.wait(HOUR);
    let now = log.now;
    let later = proof(&mut log, "ben", "ben", 2, now);
    let other = Refusal::Changes(Changes::OtherEpoch { group: board(), asked: 2, current: 1 });
    assert_eq!(log.says("ben", later), Err(other));
    let stranger = proof(&mut log, "out", "ben", 1, now);
    let no_share = refused(Groups::NoShare { account: name("out"), group: board() });
    assert_eq!(log.says("out", stranger), no_share);
    log.replace_keys("ben", "new").unwrap();
    let no_share = refused(Groups::NoShare { account: name("ben"), group: board() });
    assert_eq!(proves(&mut log, "ben"), no_share);
}

#[test]
fn a_share_is_healthy_for_three_days_after_its_last_proof() {
    let mut log = TestLog::keyed();
    let made = log.state.group(&board()).unwrap().key.as_ref().unwrap().activated;
    let last = made.plus(HEALTHY_FOR);
    assert_eq!(health_of(&log, "cyd", last), Health::Healthy { proved: made });
    assert_eq!(health_of(&log, "cyd", last.plus(1)), Health::Silent { proved: made });
    // A signature is a proof, too.
    log.wait(2 * HOUR);
    let request = log.requests("ada", log.request()).unwrap();
    log.approves("ben", request).unwrap();
    let signers = log.records(&["ada", "ben"], session(7), Subject::Request { request });
    let signature = log.signature();
    let body = Body::Signature { request, session: session(7), signature, signers };
    log.coordinator_says(body).unwrap();
    for (account, proved) in [("ada", log.now), ("ben", log.now), ("cyd", made)] {
        assert_eq!(health_of(&log, account, log.now), Health::Healthy { proved });
    }
    assert_eq!(log.state.healthy(log.group(), last.plus(1)), 2);
    log.says("ada", Body::AccountSuspended { account: name("ben") }).unwrap();
    assert_eq!(health_of(&log, "ben", log.now), Health::Unable(Unable::Suspended));
    assert_eq!(log.state.healthy(log.group(), last.plus(1)), 1);
}

#[test]
fn a_shortfall_is_reported_when_one_loss_leaves_no_spare_share() {
    let mut log = TestLog::keyed();
    let short = |healthy| vec![Shortfall { group: board(), min_signers: 2, members: 3, healthy }];
    let now = log.now;
    assert_eq!(log.state.shortfalls(&name("ben"), now), short(2));
    assert_eq!(log.state.shortfalls(&name("out"), now), []);
    log.says("ada", Body::AccountSuspended { account: name("cyd") }).unwrap();
    assert_eq!(log.state.shortfalls(&name("ben"), now), short(1));
    let late = now.plus(2 * HEALTHY_FOR);
    assert_eq!(log.state.shortfalls(&name("ben"), late), short(0));
}

#[test]
fn a_doubled_share_is_not_healthy_and_its_owner_keeps_its_vote() {
    let mut log = TestLog::keyed();
    log.start_node("ben", 9);
    let other = log.state.account(&name("ben")).unwrap().incarnation.unwrap();
    let incarnation = TestLog::incarnation("ben", 1);
    log.says("ben", Body::NodeDuplicated { incarnation, other }).unwrap();
    let now = log.now;
    assert_eq!(health_of(&log, "ben", now), Health::Doubled);
    assert_eq!(log.state.healthy(log.group(), now), 2);
    let short = Shortfall { group: board(), min_signers: 2, members: 3, healthy: 1 };
    assert_eq!(log.state.shortfalls(&name("cyd"), now), [short]);
    assert!(log.group().has_say(&name("ben")));
    let request = log.requests("ada", log.request()).unwrap();
    log.approves("ben", request).unwrap();
    // One of the two copies restarts.
    log.wait(1);
    log.start_node("ben", 10);
    assert_eq!(log.state.healthy(log.group(), log.now), 3);
    log.says("ada", Body::AccountSuspended { account: name("ben") }).unwrap();
    assert_eq!(health_of(&log, "ben", log.now), Health::Unable(Unable::Suspended));
}

#[test]
fn refreshes_are_due_by_policy_and_wait_for_usable_shares() {
    let mut definition = TestLog::peopled().board_of_three();
    definition.policy.governance.refresh_every = Some(2 * HOUR);
    let mut log = TestLog::keyed_with(definition);
    let made = log.group().key.as_ref().unwrap().activated;
    assert_eq!(log.group().refresh_due(), Some(made.plus(2 * HOUR)));
    assert_eq!(log.group().hinder_refresh(), []);
    log.says("ada", Body::AccountRemoved { account: name("cyd") }).unwrap();
    assert_eq!(log.group().hinder_refresh(), [(&name("cyd"), Unable::Removed)]);
    assert_eq!(TestLog::keyed().group().refresh_due(), None);
}
