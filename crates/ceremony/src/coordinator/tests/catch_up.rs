//! A coordinator whose disk lost entries takes them from the nodes, and signs no second history.

use std::collections::BTreeSet;

use super::*;
use crate::test_world::{checkpoint_of, signed_checkpoint, some};

/// A coordinator with the first `entries`, of which ben and cyd cosigned the latest tree.
fn restored(log: &mut TestLog, entries: u64, checkpoint: Option<&str>) -> Coordinator {
    let secrets = CoordinatorSecrets {
        log: SecretKey::from_seed(&[1; 32]),
        identity: SecretKey::from_seed(&[2; 32]),
    };
    let kept = log.entries[..usize::try_from(entries).unwrap()].to_vec();
    let restored = Coordinator::restore(secrets, Config::default(), kept, checkpoint).unwrap();
    let mut coordinator = restored.awaiting(some(&["ben", "cyd"]));
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
    let mut coordinator = restored(&mut log, size - 5, None);
    // Cyd has an old log as well; it receives nothing before ben has connected, too.
    let effects = connects(&mut coordinator, &mut log, "cyd", size - 7);
    assert_eq!((asked_for(&effects), greeted(&effects).len()), (None, 0));
    let effects = connects(&mut coordinator, &mut log, "ben", size);
    assert_eq!(asked_for(&effects), Some((name("ben"), size - 5)));
    assert_eq!(coordinator.missing().map(|it| (it.size, it.shown)), Some((size - 5, size)));
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
    let mut coordinator = restored(&mut log, size - 3, None);
    connects(&mut coordinator, &mut log, "ben", size);
    connects(&mut coordinator, &mut log, "cyd", size);
    let entries = vec![Base64(b"a lie".to_vec()); 3];
    let lie = FromNode::Entries { first: size - 3, entries };
    let effects = tell(&mut coordinator, &mut log, Input::Received(name("ben"), lie));
    assert_eq!(disconnected(&effects), Some(&name("ben")));
    assert_eq!(asked_for(&effects), Some((name("cyd"), size - 3)));
    // Nobody is waited for without end.
    let overdue = Input::Deadline(CoordinatorDeadline::Comparison);
    let effects = tell(&mut coordinator, &mut log, overdue);
    assert_eq!(disconnected(&effects), Some(&name("cyd")));
    assert!(coordinator.missing().is_some());
    connects(&mut coordinator, &mut log, "cyd", size);
    let effects = gives(&mut coordinator, &mut log, "cyd", size - 3..size);
    assert_eq!(appended(&effects).len(), 3);
}

#[test]
fn a_checkpoint_of_another_key_proves_no_missing_entries() {
    let mut log = TestLog::keyed();
    let size = log.state.size();
    let mut coordinator = restored(&mut log, size - 3, None);
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
fn absent_nodes_and_people_who_join_are_waited_for_only_briefly() {
    let mut log = TestLog::keyed();
    log.invite("eve", Role::Member);
    let admission = log.admission("eve", &TestLog::invitation_key("eve"), log.state.ivn());
    let size = log.state.size();
    let mut coordinator = restored(&mut log, size, None);
    let join = Input::Join(JoinId(1), admission.to_bytes());
    let effects = tell(&mut coordinator, &mut log, join);
    assert!(effects.is_empty(), "{effects:?}");
    let overdue = Input::Deadline(CoordinatorDeadline::Comparison);
    let effects = tell(&mut coordinator, &mut log, overdue);
    assert!(
        effects.iter().any(|effect| matches!(effect, CoordinatorEffect::RespondJoin(_, Ok(_))))
    );
    assert_eq!(appended(&effects), [size]);
}

#[test]
fn a_checkpoint_without_its_entries_makes_the_coordinator_wait() {
    let mut log = TestLog::keyed();
    let size = log.state.size();
    let checkpoint = log.checkpoint(&[]).to_string();
    let mut coordinator = restored(&mut log, 1, Some(&checkpoint));
    let overdue = || Input::Deadline(CoordinatorDeadline::Comparison);
    tell(&mut coordinator, &mut log, overdue());
    assert_eq!(coordinator.missing().map(|it| (it.size, it.shown)), Some((1, size)));
    assert!(connects(&mut coordinator, &mut log, "ada", size - 1).is_empty());
    let effects = connects(&mut coordinator, &mut log, "ben", size);
    assert_eq!(asked_for(&effects), Some((name("ben"), 1)));
    let effects = gives(&mut coordinator, &mut log, "ben", 1..size);
    assert_eq!(appended(&effects).len() as u64, size - 1);
}
