//! A node and a coordinator that replaces the first: whose checkpoints it believes, and when.

use super::*;
use crate::identity::PublicKey;

/// A log of `board`, whose coordinator ada and ben have replaced.
fn replaced() -> TestLog {
    let mut log = TestLog::keyed();
    log.replace_coordinator(90, &["ada", "ben"], None);
    log
}

/// Ben's node with the log before the votes, which trusts the coordinator with this key.
fn before_the_votes(log: TestLog, log_key: Option<PublicKey>) -> Bench {
    let votes = 2;
    let mut disk = disk_after(&log);
    disk.entries.truncate(log.entries.len() - votes);
    Bench::with_config(Config { log_key, ..BY_HAND }, disk, log)
}

/// Shows the rest of the log under a checkpoint by its present key.
fn show_all(bench: &mut Bench) -> Vec<NodeEffect> {
    let rest = bench.log.entries[bench.shown..].iter().cloned().map(Base64).collect();
    let first = u64::try_from(bench.shown).unwrap();
    let checkpoint = Some(bench.log.checkpoint(&[]).to_string());
    bench.receive(FromCoordinator::Log { first, entries: rest, checkpoint })
}

fn hangs_up(effects: &[NodeEffect]) -> bool {
    effects.iter().any(|effect| matches!(effect, NodeEffect::Disconnect))
}

fn new_key() -> Option<PublicKey> {
    Some(TestLog::other_coordinator(90).log_key)
}

#[test]
fn a_node_follows_a_coordinator_only_on_its_holders_word() {
    let log = replaced();
    let mut bench = before_the_votes(log, None);
    let size = bench.node.state().size();
    let effects = show_all(&mut bench);
    assert!(hangs_up(&effects) && !cosigns(&effects));
    assert_eq!(bench.node.state().size(), size);
    assert_eq!(bench.node.trouble(), None, "nobody lied");
}

#[test]
fn a_node_that_trusts_the_new_coordinator_cosigns() {
    let mut bench = before_the_votes(replaced(), new_key());
    let effects = show_all(&mut bench);
    assert!(cosigns(&effects) && !hangs_up(&effects));
    assert_eq!(bench.node.state().size(), bench.log.state.size());
    // Also after a restart, when the log on its disk names the coordinator.
    let Bench { log, disk, .. } = bench;
    let mut bench = Bench::with_config(Config { log_key: new_key(), ..BY_HAND }, disk, log);
    bench.log.wait(1);
    bench.log.requests("ada", bench.log.request()).unwrap();
    assert!(cosigns(&show_all(&mut bench)));
}

#[test]
fn nothing_is_stated_before_the_log_names_the_coordinator() {
    let mut log = TestLog::keyed();
    let named = log.state.log_verifier().unwrap();
    let entries = log.entries.len();
    log.requests("ada", log.request()).unwrap();
    let mut bench = before_the_votes(log, new_key());
    assert!(bench.shown < entries);
    // Signed by the trusted key, although the log names the first coordinator.
    let origin = bench.log.state.origin();
    let seed = quorate_log::key::Seed::new(Box::new([90; 32]));
    let signer = quorate_log::key::LogSigner::new(origin.parse().unwrap(), seed);
    let checkpoint = crate::test_world::signed_checkpoint(&signer, &bench.log.entries).to_string();
    let rest = bench.log.entries[bench.shown..].iter().cloned().map(Base64).collect();
    let first = u64::try_from(bench.shown).unwrap();
    let checkpoint = Some(checkpoint);
    let effects = bench.receive(FromCoordinator::Log { first, entries: rest, checkpoint });
    assert_eq!(bench.node.state().size(), bench.log.state.size(), "the entries are admitted");
    assert!(!cosigns(&effects));
    let sends = |e: &NodeEffect| matches!(e, NodeEffect::Send(FromNode::Submit { .. }));
    assert!(!effects.iter().any(sends));
    assert_eq!(bench.node.state().log_verifier(), Some(named));
}

#[test]
fn a_checkpoint_by_an_unnamed_coordinator_proves_nothing() {
    let mut bench = before_the_votes(replaced(), new_key());
    let mut other = TestLog::keyed();
    other.start_node("cyd", 9);
    other.replace_coordinator(90, &["ada", "ben"], None);
    let first = u64::try_from(bench.shown).unwrap();
    let rest = other.entries[bench.shown..].iter().cloned().map(Base64).collect();
    // The checkpoint is of the other history, and the entries are not.
    let checkpoint = Some(bench.log.checkpoint(&[]).to_string());
    let effects = bench.receive(FromCoordinator::Log { first, entries: rest, checkpoint });
    assert!(hangs_up(&effects));
    assert_eq!((proof_in(&effects), bench.node.trouble()), (None, None));
}
