//! A coordinator whose disk lost entries takes them from the nodes, and signs no second history.

use std::collections::BTreeSet;

use super::*;
use crate::coordinator::Missing;
use crate::test_world::{checkpoint_of, signed_checkpoint, some};

/// A coordinator with the first `entries`, of which ben and cyd cosigned the latest tree.
fn restored(log: &mut TestLog, entries: u64) -> Coordinator {
    let secrets = CoordinatorSecrets {
        log: SecretKey::from_seed(&[1; 32]),
        identity: SecretKey::from_seed(&[2; 32]),
    };
    let kept = log.entries[..usize::try_from(entries).unwrap()].to_vec();
    let restored = Coordinator::restore(secrets, Config::default(), kept, None).unwrap();
    let mut coordinator =
        restored.awaiting(["ben", "cyd"].map(|account| (name(account), entries)).into());
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
        Some(Missing { size: size - 5, shown: size, by: name("ben") })
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
    assert!(coordinator.missing().is_some_and(|missing| missing.by == name("cyd")));
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
