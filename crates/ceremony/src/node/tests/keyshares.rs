//! A session is begun once, and durably, before its first message leaves.

use std::collections::BTreeMap;

use quorate_log::key::{LogSigner, Seed};
use quorate_log::leaf_hash;
use quorate_log::tree::Frontier;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::effect::{NodeChange, NodeEffect};
use crate::encoding::Base64;
use crate::entry::{Body, Entry};
use crate::message::FromCoordinator;
use crate::names::SessionId;
use crate::node::{Config, Input, Node, Saved};
use crate::test_world::{TestLog, name, secrets, session};

fn checkpoint(log: &TestLog) -> String {
    let mut frontier = Frontier::default();
    log.entries.iter().for_each(|entry| frontier.append(leaf_hash(entry)));
    let origin = log.state.origin().parse().unwrap();
    LogSigner::new(origin, Seed::new(Box::new([1; 32]))).sign(frontier.head()).to_string()
}

fn outgoing(effects: &[NodeEffect]) -> impl Iterator<Item = (usize, &Entry)> {
    effects.iter().enumerate().filter_map(|(at, effect)| match effect {
        NodeEffect::Persist(NodeChange::OutboxAdd(entry)) => Some((at, entry)),
        _ => None,
    })
}

/// What ben's node does when it starts with these `sessions` on its disk and the log shows that
/// session 1 waits for everybody's first message.
fn invited_to_generate(sessions: BTreeMap<SessionId, bool>) -> Vec<NodeEffect> {
    let mut log = TestLog::grouped();
    log.begin(session(1), 1).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let config = Config { auto_accept: false, auto_approve: false };
    let saved = Saved { entries: log.entries.clone(), sessions, ..Saved::default() };
    let ivn = log.state.ivn();
    let mut node =
        Node::restore(name("ben"), secrets("ben"), config, ivn, saved, &mut rng).unwrap();
    let announced = node.start(log.now, &mut rng);
    node.handle(Input::Connected, log.now, &mut rng);
    let (_, announcement) = outgoing(&announced).last().unwrap();
    let first = u64::try_from(log.entries.len()).unwrap();
    log.enter(announcement).unwrap();
    let entries = vec![Base64(announcement.to_bytes())];
    let checkpoint = Some(checkpoint(&log));
    let message = FromCoordinator::Log { first, entries, checkpoint };
    node.handle(Input::Received(message), log.now, &mut rng)
}

fn first_message(effects: &[NodeEffect]) -> Option<usize> {
    outgoing(effects)
        .find(|(_, entry)| matches!(entry.statement().body, Body::CeremonyMessage { .. }))
        .map(|(at, _)| at)
}

#[test]
fn a_session_is_durably_begun_before_its_first_message() {
    let effects = invited_to_generate(BTreeMap::new());
    let begun = effects.iter().position(|effect| match effect {
        NodeEffect::Persist(NodeChange::Committed(begun)) => *begun == session(1),
        _ => false,
    });
    let begun = begun.unwrap();
    assert!(begun < first_message(&effects).unwrap());
}

#[test]
fn a_session_that_was_begun_before_a_crash_is_never_begun_again() {
    let effects = invited_to_generate(BTreeMap::from([(session(1), false)]));
    assert_eq!(first_message(&effects), None);
    let effects = invited_to_generate(BTreeMap::from([(session(2), false)]));
    assert!(first_message(&effects).is_some(), "another session does not count");
}
