//! A coordinator whose disk lost entries takes them from the nodes, and signs no second history.

use std::collections::BTreeSet;

use super::*;
use crate::coordinator::{Missing, Waiting};
use crate::test_world::{checkpoint_of, signed_checkpoint, some};

fn with_entries(log: &TestLog, entries: u64) -> Coordinator {
    let secrets = CoordinatorSecrets {
        log: SecretKey::from_seed(&[1; 32]),
        identity: SecretKey::from_seed(&[2; 32]),
    };
    let kept = log.entries[..usize::try_from(entries).unwrap()].to_vec();
    Coordinator::restore(secrets, Config::default(), kept, None).unwrap()
}

/// A coordinator with the first `entries`, of which ben and cyd cosigned the latest tree.
fn restored(log: &mut TestLog, entries: u64) -> Coordinator {
    let mut coordinator = with_entries(log, entries)
        .awaiting(["ben", "cyd"].map(|account| (name(account), entries)).into());
    let effects = coordinator.start(log.now, &mut log.rng);
    assert!(appended(&effects).is_empty());
    coordinator
}

fn appended(effects: &[CoordinatorEffect]) -> Vec<u64> {
    let appended = effects.iter().filter_map(|effect| match effect {
        CoordinatorEffect::Append { index, .. } => Some(*index),
        _ => None,
    });
    appended.collect()
}

fn asked_for(effects: &[CoordinatorEffect]) -> Option<(AccountName, u64)> {
    effects.iter().find_map(|effect| match effect {
        CoordinatorEffect::Send(to, FromCoordinator::Want { first }) => Some((to.clone(), *first)),
        _ => None,
    })
}

fn greeted(effects: &[CoordinatorEffect]) -> BTreeSet<AccountName> {
    let greeted = effects.iter().filter_map(|effect| match effect {
        CoordinatorEffect::SendLog { to, .. } => Some(to.clone()),
        _ => None,
    });
    greeted.collect()
}

fn disconnected(effects: &[CoordinatorEffect]) -> Option<&AccountName> {
    effects.iter().find_map(|effect| match effect {
        CoordinatorEffect::Disconnect(account) => Some(account),
        _ => None,
    })
}

/// A node with the first `size` entries connects, and shows a checkpoint of them.
fn connects(
    coordinator: &mut Coordinator,
    log: &mut TestLog,
    account: &str,
    size: u64,
) -> Vec<CoordinatorEffect> {
    let entries = &log.entries[..usize::try_from(size).unwrap()];
    let checkpoint = checkpoint_of(entries, &log.state.origin()).to_string();
    tell(coordinator, log, Input::Connected(name(account)));
    let hello = FromNode::Hello { after: size, checkpoint: Some(checkpoint) };
    tell(coordinator, log, Input::Received(name(account), hello))
}

fn gives(
    coordinator: &mut Coordinator,
    log: &mut TestLog,
    account: &str,
    range: std::ops::Range<u64>,
) -> Vec<CoordinatorEffect> {
    let first = range.start;
    let entries = range.map(|index| Base64(log.entries[usize::try_from(index).unwrap()].clone()));
    let entries = FromNode::Entries { first, entries: entries.collect() };
    tell(coordinator, log, Input::Received(name(account), entries))
}

#[test]
fn lost_entries_are_taken_from_a_node_before_anything_is_said() {
    let mut log = TestLog::keyed();
    let size = log.state.size();
    let mut coordinator = restored(&mut log, size - 5);
    // Cyd has an old log as well; it receives nothing before ben has connected, too.
    let effects = connects(&mut coordinator, &mut log, "cyd", size - 7);
    assert_eq!((asked_for(&effects), greeted(&effects).len()), (None, 0));
    let effects = connects(&mut coordinator, &mut log, "ben", size);
    assert_eq!(asked_for(&effects), Some((name("ben"), size - 5)));
    assert_eq!(
        coordinator.missing(),
        Some(Missing { size: size - 5, shown: size, by: Some(name("ben")) })
    );
    // What is said meanwhile is not looked at; its author has to say it again.
    let starts = starts_of(&mut log, "cyd");
    let effects = submits(&mut coordinator, &mut log, "cyd", &starts);
    assert!(appended(&effects).is_empty() && rejection(&effects).is_none());

    let effects = gives(&mut coordinator, &mut log, "ben", size - 5..size - 2);
    assert_eq!(asked_for(&effects), Some((name("ben"), size - 2)));
    assert!(appended(&effects).is_empty());
    let effects = gives(&mut coordinator, &mut log, "ben", size - 2..size);
    assert_eq!(appended(&effects), (size - 5..size).collect::<Vec<_>>());
    assert_eq!(greeted(&effects), some(&["ben", "cyd"]));
    assert_eq!(disconnected(&effects), Some(&name("cyd")));
    assert_eq!((coordinator.missing(), coordinator.state().size()), (None, size));
    let starts = starts_of(&mut log, "ben");
    let effects = submits(&mut coordinator, &mut log, "ben", &starts);
    assert_eq!(appended(&effects), [size]);
}

fn starts_of(log: &mut TestLog, account: &str) -> Entry {
    let incarnation = log.random();
    log.entry(account, Body::NodeStarted { incarnation })
}

#[test]
fn entries_that_make_another_tree_are_asked_of_another_node() {
    let mut log = TestLog::keyed();
    let size = log.state.size();
    let mut coordinator = restored(&mut log, size - 3);
    connects(&mut coordinator, &mut log, "cyd", size);
    let effects = connects(&mut coordinator, &mut log, "ben", size);
    assert_eq!(asked_for(&effects), None, "cyd was asked");
    // An inadmissible entry, and one of another history.
    let other = starts_of(&mut log, "ben");
    for (liar, honest, lie) in [("cyd", "ben", b"a lie".to_vec()), ("ben", "cyd", other.to_bytes())]
    {
        let entries = vec![Base64(lie.clone()); 3];
        let lie = FromNode::Entries { first: size - 3, entries };
        let effects = tell(&mut coordinator, &mut log, Input::Received(name(liar), lie));
        // It is shown this log: if it has another history, that proves it.
        assert!(greeted(&effects).contains(&name(liar)), "{effects:?}");
        assert_eq!(asked_for(&effects), Some((name(honest), size - 3)));
        connects(&mut coordinator, &mut log, liar, size);
    }
    let effects = gives(&mut coordinator, &mut log, "cyd", size - 3..size);
    assert_eq!(appended(&effects).len(), 3);
}

#[test]
fn a_node_that_takes_too_long_is_disconnected_and_another_asked() {
    let mut log = TestLog::keyed();
    let size = log.state.size();
    let mut coordinator = restored(&mut log, size - 3);
    connects(&mut coordinator, &mut log, "cyd", size);
    connects(&mut coordinator, &mut log, "ben", size - 1);
    // Part of the entries gives no more time.
    let effects = gives(&mut coordinator, &mut log, "cyd", size - 3..size - 2);
    assert!(!effects.iter().any(|effect| matches!(effect, CoordinatorEffect::SetDeadline(..))));
    let late = || Input::Deadline(CoordinatorDeadline::Source);
    let effects = tell(&mut coordinator, &mut log, late());
    assert_eq!(disconnected(&effects), Some(&name("cyd")));
    assert_eq!(asked_for(&effects), Some((name("ben"), size - 3)));
    let effects = gives(&mut coordinator, &mut log, "ben", size - 3..size - 1);
    assert_eq!(appended(&effects).len(), 2);
    // What cyd has shown exists, so nothing else is appended in its place.
    assert!(coordinator.missing().is_some_and(|missing| missing.by == Some(name("cyd"))));
    let effects = connects(&mut coordinator, &mut log, "cyd", size);
    assert_eq!(asked_for(&effects), Some((name("cyd"), size - 1)));
    let effects = gives(&mut coordinator, &mut log, "cyd", size - 1..size);
    assert_eq!(appended(&effects).len(), 1);
    assert_eq!(greeted(&effects), some(&["ben", "cyd"]));
}

#[test]
fn a_checkpoint_of_another_key_proves_no_missing_entries() {
    let mut log = TestLog::keyed();
    let size = log.state.size();
    let mut coordinator = restored(&mut log, size - 3);
    connects(&mut coordinator, &mut log, "cyd", size - 3);
    tell(&mut coordinator, &mut log, Input::Connected(name("ben")));
    let signer = quorate_log::key::LogSigner::new(
        log.state.origin().parse().unwrap(),
        Seed::new(Box::new([7; 32])),
    );
    let forged = signed_checkpoint(&signer, &log.entries).to_string();
    let hello = FromNode::Hello { after: size, checkpoint: Some(forged) };
    let effects = tell(&mut coordinator, &mut log, Input::Received(name("ben"), hello));
    assert_eq!(coordinator.missing(), None);
    assert_eq!(greeted(&effects), some(&["ben", "cyd"]));
}

#[test]
fn absent_nodes_are_awaited_briefly_if_anybody_is_there() {
    let mut log = TestLog::keyed();
    log.invite("eve", Role::Member);
    let admission = log.admission("eve", &TestLog::invitation_key("eve"), log.state.ivn());
    let size = log.state.size();
    let mut coordinator = restored(&mut log, size);
    let join = || Input::Join(JoinId(1), admission.to_bytes());
    assert!(tell(&mut coordinator, &mut log, join()).is_empty());
    let late = || Input::Deadline(CoordinatorDeadline::Comparison);
    let effects = tell(&mut coordinator, &mut log, late());
    assert!(
        matches!(effects[..], [CoordinatorEffect::SetDeadline(CoordinatorDeadline::Comparison, _)]),
        "{effects:?}"
    );
    connects(&mut coordinator, &mut log, "ben", size);
    assert!(!coordinator.is_compared());
    let effects = tell(&mut coordinator, &mut log, late());
    assert_eq!(greeted(&effects), some(&["ben"]));
    let effects = tell(&mut coordinator, &mut log, join());
    assert_eq!(appended(&effects), [size]);
}

#[test]
fn certificates_are_renewed_before_the_comparison_ends() {
    let mut log = TestLog::keyed();
    let size = log.state.size();
    let admission = log.entries[2].clone();
    let mut coordinator = restored(&mut log, size);
    let effects = tell(&mut coordinator, &mut log, Input::Join(JoinId(1), admission));
    assert!(!coordinator.is_compared());
    assert!(
        matches!(effects[..], [CoordinatorEffect::RespondJoin(JoinId(1), Ok(2))]),
        "{effects:?}"
    );
}

/// A coordinator whose disk has only the genesis, and a checkpoint of `required` entries.
fn rebuilt(log: &mut TestLog, required: u64) -> Coordinator {
    let entries = &log.entries[..usize::try_from(required).unwrap()];
    let checkpoint = checkpoint_of(entries, &log.state.origin()).to_string();
    let mut coordinator = with_entries(log, 1)
        .requiring(&checkpoint)
        .unwrap()
        .awaiting(["ben", "cyd"].map(|account| (name(account), required)).into());
    coordinator.start(log.now, &mut log.rng);
    coordinator
}

fn late() -> Input {
    Input::Deadline(CoordinatorDeadline::Comparison)
}

#[test]
fn a_rebuilt_log_waits_until_it_is_as_long_as_its_backup() {
    let mut log = TestLog::keyed();
    let size = log.state.size();
    let mut coordinator = rebuilt(&mut log, size - 2);
    // The genesis names none of them.
    for account in ["ben", "nobody"] {
        let identity = SecretKey::from_seed(&[9; 32]).public();
        assert_eq!(coordinator.check_connection(&name(account), identity), Ok(()));
    }
    connects(&mut coordinator, &mut log, "nobody", 1);
    // Ben's node has an old log itself. What it has is taken, and is not enough.
    let effects = connects(&mut coordinator, &mut log, "ben", size - 4);
    assert_eq!(asked_for(&effects), Some((name("ben"), 1)));
    let effects = gives(&mut coordinator, &mut log, "ben", 1..size - 4);
    assert_eq!(appended(&effects).len() as u64, size - 5);
    assert!(greeted(&effects).is_empty());
    let effects = tell(&mut coordinator, &mut log, late());
    assert!(appended(&effects).is_empty() && greeted(&effects).is_empty());
    let missing = Missing { size: size - 4, shown: size - 2, by: None };
    assert_eq!(coordinator.waiting(), Some(Waiting::Entries(missing)));

    let effects = connects(&mut coordinator, &mut log, "cyd", size);
    assert_eq!(asked_for(&effects), Some((name("cyd"), size - 4)));
    let effects = gives(&mut coordinator, &mut log, "cyd", size - 4..size);
    assert_eq!(appended(&effects), (size - 4..size).collect::<Vec<_>>());
    assert_eq!(greeted(&effects), some(&["ben", "cyd"]));
    // The complete log does not contain this account.
    assert_eq!(disconnected(&effects), Some(&name("nobody")));
    let identity = SecretKey::from_seed(&[9; 32]).public();
    assert!(coordinator.check_connection(&name("ben"), identity).is_err());
    assert_eq!(coordinator.waiting(), None);
}

#[test]
fn entries_that_contradict_the_backup_are_not_taken() {
    let mut log = TestLog::keyed();
    let size = log.state.size();
    let mut other = log.entries.clone();
    let last = other.len() - 2;
    other[last] = b"another entry".to_vec();
    let checkpoint = checkpoint_of(&other[..=last], &log.state.origin()).to_string();
    let mut coordinator = with_entries(&log, 1).requiring(&checkpoint).unwrap();
    coordinator.start(log.now, &mut log.rng);
    connects(&mut coordinator, &mut log, "cyd", size);
    let effects = gives(&mut coordinator, &mut log, "cyd", 1..size);
    assert!(appended(&effects).is_empty(), "{effects:?}");
    assert!(!coordinator.is_compared());
    // A checkpoint of the entries on the disk has to be theirs, and signed by the log's key.
    let own = checkpoint_of(&other, &log.state.origin()).to_string();
    assert!(with_entries(&log, size).requiring(&own).is_err());
    assert!(with_entries(&log, 1).requiring("no checkpoint").is_err());
}

#[test]
fn a_copied_disk_waits_for_more_than_half_of_the_nodes() {
    let mut log = TestLog::keyed();
    let size = log.state.size();
    let all = ["ada", "ben", "cyd"].map(|account| (name(account), size));
    let mut coordinator = with_entries(&log, size).awaiting(all.into()).perhaps_copied();
    coordinator.start(log.now, &mut log.rng);
    connects(&mut coordinator, &mut log, "ben", size);
    for _ in 0..3 {
        let effects = tell(&mut coordinator, &mut log, late());
        assert!(greeted(&effects).is_empty() && appended(&effects).is_empty());
    }
    let absent = some(&["ada", "cyd"]);
    assert_eq!(coordinator.waiting(), Some(Waiting::Nodes { absent, needed: 1 }));
    // A node that is gone again proves nothing about the others.
    tell(&mut coordinator, &mut log, Input::Disconnected(name("ben")));
    connects(&mut coordinator, &mut log, "cyd", size);
    assert!(!coordinator.is_compared());
    let effects = connects(&mut coordinator, &mut log, "ben", size);
    assert_eq!(greeted(&effects), some(&["ben", "cyd"]));
    assert_eq!(coordinator.waiting(), None);
    // A database that lost all cosignatures waits as well.
    let mut coordinator = with_entries(&log, size).perhaps_copied();
    coordinator.start(log.now, &mut log.rng);
    connects(&mut coordinator, &mut log, "ben", size);
    tell(&mut coordinator, &mut log, late());
    assert!(!coordinator.is_compared());
}

#[test]
fn only_an_operator_goes_on_without_withheld_entries() {
    let mut log = TestLog::keyed();
    let size = log.state.size();
    let start = |log: &mut TestLog, from| {
        let all = ["ben", "cyd"].map(|account| (name(account), size - 2));
        let mut coordinator = with_entries(log, size - 2).awaiting(all.into()).going_on_from(from);
        coordinator.start(log.now, &mut log.rng);
        connects(&mut coordinator, log, "cyd", size);
        connects(&mut coordinator, log, "ben", size - 2);
        // While cyd has been asked and may still answer, nothing is given up.
        tell(&mut coordinator, log, late());
        assert!(!coordinator.is_compared());
        let source = Input::Deadline(CoordinatorDeadline::Source);
        let effects = tell(&mut coordinator, log, source);
        assert_eq!(disconnected(&effects), Some(&name("cyd")));
        tell(&mut coordinator, log, late());
        coordinator
    };
    // The number is of another moment.
    assert!(!start(&mut log, size - 3).is_compared());
    let mut coordinator = start(&mut log, size - 2);
    assert!(coordinator.is_compared());
    // Cyd cannot stop it again, and its node is shown the log that proves two histories.
    let effects = connects(&mut coordinator, &mut log, "cyd", size);
    assert_eq!((asked_for(&effects), greeted(&effects)), (None, some(&["cyd"])));
    assert!(coordinator.is_compared());
}

#[test]
fn a_second_coordinator_with_the_same_keys_is_noticed() {
    let mut log = TestLog::keyed();
    let size = log.state.size();
    let mut coordinator = with_entries(&log, size);
    coordinator.start(log.now, &mut log.rng);
    connects(&mut coordinator, &mut log, "ben", size);
    let starts = starts_of(&mut log, "ben");
    submits(&mut coordinator, &mut log, "ben", &starts);
    log.enter(&starts).unwrap();
    let elsewhere = starts_of(&mut log, "cyd");
    log.enter(&elsewhere).unwrap();
    let effects = connects(&mut coordinator, &mut log, "cyd", size + 2);
    assert_eq!(asked_for(&effects), Some((name("cyd"), size + 1)));
    assert!(!coordinator.has_twin());
    gives(&mut coordinator, &mut log, "cyd", size + 1..size + 2);
    assert!(coordinator.has_twin());
    // Entries that its disk lost before it started do not come from another process.
    let mut restarted = restored(&mut log, size);
    connects(&mut restarted, &mut log, "cyd", size + 2);
    gives(&mut restarted, &mut log, "cyd", size..size + 2);
    assert!(!restarted.has_twin());
}
