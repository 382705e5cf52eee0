//! Members replace the coordinator: which votes count, and what follows.

use quorate_log::key::LogSigner;

use crate::entry::{Body, CoordinatorKeys, LogTree, Replacement, Role};
use crate::identity::SecretKey;
use crate::names::Digest;
use crate::state::refusal::{Accounts, Entries, Replacements};
use crate::state::{Event, Refusal};
use crate::test_world::{HOUR, TestLog, name};

fn keys(seed: u8) -> CoordinatorKeys {
    TestLog::other_coordinator(seed)
}

fn replacement(log: &TestLog) -> Replacement {
    Replacement { history: log.state.tree(), keys: keys(90), reason: "disk lost".to_owned() }
}

fn vote(replacement: &Replacement) -> Body {
    Body::CoordinatorReplaced { replacement: replacement.clone(), abandoned: None }
}

#[test]
fn the_tree_of_a_state_is_that_of_its_entries() {
    let log = TestLog::keyed();
    let head = log.checkpoint(&[]).head();
    let root = Digest::new(*head.root.as_bytes());
    assert_eq!(log.state.tree(), LogTree { size: head.size, root });
}

#[test]
fn more_than_half_of_the_members_replace_the_coordinator() {
    let mut log = TestLog::keyed();
    let replacement = replacement(&log);
    assert_eq!(log.state.votes_for_coordinator(), (2, 3));
    assert_eq!(log.says("ada", vote(&replacement)), Ok(vec![]));
    assert_eq!(*log.state.coordinator(), log.state.genesis().coordinator());
    assert_eq!(log.says("ben", vote(&replacement)), Ok(vec![Event::CoordinatorReplaced]));
    assert_eq!(*log.state.coordinator(), keys(90));
    // Later votes are named, too.
    assert_eq!(log.says("cyd", vote(&replacement)), Ok(vec![]));
    let [past] = log.state.replacements() else { panic!("one replacement") };
    assert_eq!(past.in_force, Some(replacement.history.size + 1));
    assert_eq!(past.votes.len(), 3);
}

#[test]
fn only_the_new_coordinator_states_anything() {
    let mut log = TestLog::grouped();
    let replacement = replacement(&log);
    log.says("ada", vote(&replacement)).unwrap();
    log.says("ben", vote(&replacement)).unwrap();
    let refused = log.begin(crate::test_world::session(1), 1);
    assert_eq!(refused.unwrap_err(), Refusal::Entries(Entries::Signature));
    log.coordinator = SecretKey::from_seed(&[91; 32]);
    log.begin(crate::test_world::session(1), 1).unwrap();
}

#[test]
fn a_vote_counts_only_directly_after_the_history_that_it_names() {
    let mut log = TestLog::keyed();
    let early = replacement(&log);
    log.says("ada", vote(&early)).unwrap();
    log.admits("dan", Role::Member);
    let refused = Err(Refusal::Replacements(Replacements::OtherHistory));
    assert_eq!(log.says("ben", vote(&early)), refused);
    let mut other = replacement(&log);
    other.history.root = Digest::new([0; 32]);
    assert_eq!(log.says("ben", vote(&other)), refused);
}

#[test]
fn votes_for_different_replacements_do_not_add_up() {
    let mut log = TestLog::keyed();
    let one = replacement(&log);
    log.says("ada", vote(&one)).unwrap();
    let two = Replacement { reason: "another".to_owned(), ..one };
    let refused = Err(Refusal::Replacements(Replacements::OtherHistory));
    assert_eq!(log.says("ben", vote(&two)), refused);
}

#[test]
fn nobody_votes_twice_and_only_members_vote() {
    let mut log = TestLog::keyed();
    let replacement = replacement(&log);
    log.says("ada", vote(&replacement)).unwrap();
    let twice = Entries::AlreadySaid { account: name("ada") };
    assert_eq!(log.says("ada", vote(&replacement)), Err(twice.into()));
    let outsider = Replacements::NoVote { account: name("out") };
    assert_eq!(log.says("out", vote(&replacement)), Err(outsider.into()));
}

#[test]
fn a_suspended_member_neither_votes_nor_counts() {
    let mut log = TestLog::keyed();
    log.says("ada", Body::AccountSuspended { account: name("cyd") }).unwrap();
    // Otherwise an admin could suspend all others and vote alone.
    assert_eq!(log.state.votes_for_coordinator(), (2, 3));
    let replacement = replacement(&log);
    let suspended = Accounts::Suspended { account: name("cyd") };
    assert_eq!(log.says("cyd", vote(&replacement)), Err(suspended.into()));
}

#[test]
fn a_replacement_needs_new_usable_keys_and_a_reason() {
    let mut log = TestLog::keyed();
    let good = replacement(&log);
    let genesis = log.state.genesis().coordinator();
    let with = |keys| Replacement { keys, ..good.clone() };
    let identity = log.secrets("cyd").public().identity;
    for keys in [
        CoordinatorKeys { log_key: genesis.log_key, ..keys(90) },
        CoordinatorKeys { coordinator_key: genesis.log_key, ..keys(90) },
        CoordinatorKeys { coordinator_key: identity, ..keys(90) },
        CoordinatorKeys { coordinator_key: keys(90).log_key, ..keys(90) },
    ] {
        let refused = Err(Refusal::Replacements(Replacements::KnownKeys));
        assert_eq!(log.says("ada", vote(&with(keys))), refused);
    }
    let nobodys = CoordinatorKeys { log_key: crate::identity::PublicKey::NOBODYS, ..keys(90) };
    let refused = Err(Refusal::Replacements(Replacements::UnusableKey));
    assert_eq!(log.says("ada", vote(&with(nobodys))), refused);
    for reason in ["", "  ", "a\nb", &"x".repeat(501)] {
        let silent = Replacement { reason: reason.to_owned(), ..good.clone() };
        let refused = Err(Refusal::Replacements(Replacements::Reason));
        assert_eq!(log.says("ada", vote(&silent)), refused);
    }
}

#[test]
fn a_second_replacement_follows_the_first() {
    let mut log = TestLog::keyed();
    for seed in [90, 100] {
        let next = Replacement { keys: keys(seed), ..replacement(&log) };
        log.says("ada", vote(&next)).unwrap();
        log.says("ben", vote(&next)).unwrap();
        assert_eq!(*log.state.coordinator(), keys(seed));
    }
    let again = replacement(&log);
    let refused = Err(Refusal::Replacements(Replacements::KnownKeys));
    assert_eq!(log.says("ada", vote(&again)), refused);
    assert_eq!(log.state.log_verifiers().len(), 3);
    let origin = log.state.origin().parse().unwrap();
    let seed = quorate_log::key::Seed::new(Box::new([100; 32]));
    let newest = LogSigner::new(origin, seed);
    assert_eq!(log.state.log_verifier().as_ref(), Some(newest.verifier()));
}

#[test]
fn the_clock_of_a_voter_makes_nothing_lapse() {
    let mut log = TestLog::keyed();
    let request = log.requests("ada", log.request()).unwrap();
    let (now, time) = (log.now, log.state.time());
    let replacement = replacement(&log);
    log.says("ada", vote(&replacement)).unwrap();
    log.now = now.plus(400 * 24 * HOUR);
    log.says("ben", vote(&replacement)).unwrap();
    log.now = now;
    assert_eq!(log.state.time(), time);
    log.wait(1);
    log.approves("cyd", request).unwrap();
}

#[test]
fn statements_from_before_the_replacement_are_refused() {
    let mut log = TestLog::keyed();
    let abandoned = log.entry("cyd", Body::AccountRemoved { account: name("ben") });
    let request = log.entry("cyd", Body::Request(log.request()));
    log.wait(1);
    log.replace_coordinator(90, &["ada", "ben"], None);
    for entry in [abandoned, request] {
        let refused = Refusal::Replacements(Replacements::BeforeReplacement);
        assert_eq!(log.enter(&entry), Err(refused));
    }
    log.requests("cyd", log.request()).unwrap();
}
