//! A session is begun once, and durably, before its first message leaves.

use super::*;

/// What ben's node does when it starts with these `sessions` on its disk and the log shows that
/// session 1 waits for everybody's first message.
fn invited_to_generate(sessions: BTreeMap<SessionId, bool>) -> Vec<NodeEffect> {
    let mut log = TestLog::grouped();
    log.begin(session(1), 1).unwrap();
    let entries = log.entries.clone();
    Bench::on(NodeDisk { entries, sessions, ..NodeDisk::default() }, log).announce()
}

fn first_message(effects: &[NodeEffect]) -> Option<usize> {
    effects.iter().position(|effect| match effect {
        NodeEffect::Persist(NodeChange::OutboxAdd(entry)) => {
            matches!(entry.statement().body, Body::CeremonyMessage { .. })
        }
        _ => false,
    })
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
