//! Comparing a log with an earlier checkpoint, and with proof of the coordinator's misbehaviour.

use std::fs;

use quorate::api::Exit;
use quorate::log_audit::{Since, compare_since, verify_misbehaviour};
use quorate_ceremony::entry::Body;
use quorate_ceremony::misbehaviour::Proved;
use quorate_ceremony::names::Digest;

use super::{EVERYBODY, published, signed_log};
use quorate_ceremony::test_world::TestLog;

fn grown() -> (TestLog, String) {
    let mut log = signed_log();
    let earlier = log.checkpoint(&EVERYBODY).to_string();
    log.by("ben", Body::NodeStarted { incarnation: Digest::new([1; 32]) });
    (log, earlier)
}

#[test]
fn a_log_that_grew_goes_on_from_its_earlier_checkpoint() {
    let (log, earlier) = grown();
    let directory = published(&log);
    let key = log.signer().verifier().clone();
    let to = log.entries.len() as u64;
    let since = compare_since(directory.path(), &earlier, &key).unwrap();
    assert!(matches!(since, Since::Continues { from, to: now, .. } if (from, now) == (to - 1, to)));
    let latest = fs::read_to_string(directory.path().join("checkpoint")).unwrap();
    assert!(compare_since(directory.path(), &latest, &key).unwrap().holds());
}

#[test]
fn a_truncated_log_fails_against_its_later_checkpoint() {
    let (log, _) = grown();
    let later = log.checkpoint(&EVERYBODY).to_string();
    let directory = published(&signed_log());
    let since = compare_since(directory.path(), &later, log.signer().verifier()).unwrap();
    assert!(matches!(since, Since::Shorter { .. }) && !since.holds());
}

#[test]
fn an_earlier_checkpoint_proves_that_a_log_was_rewritten() {
    let (mut log, earlier) = grown();
    // The same log, except for an entry in the middle: the last one of the earlier checkpoint.
    let at = log.entries.len() - 2;
    log.entries.remove(at);
    log.by("ben", Body::NodeStarted { incarnation: Digest::new([2; 32]) });
    let directory = published(&log);
    let key = log.signer().verifier().clone();
    let since = compare_since(directory.path(), &earlier, &key).unwrap();
    let Since::Fork { misbehaviour } = &since else { panic!("{since:?}") };
    assert!(!since.holds());
    let text = misbehaviour.to_string();
    let proved = verify_misbehaviour(&text, &key, None, None).unwrap();
    assert!(matches!(proved, Proved::Fork { .. }));
    let other = TestLog::of_three_elsewhere().signer().verifier().clone();
    assert_eq!(
        verify_misbehaviour(&text, &other, None, None).unwrap_err().exit(),
        Exit::Verification
    );
    assert_eq!(verify_misbehaviour("{}", &key, None, None).unwrap_err().exit(), Exit::Verification);
}

#[test]
fn a_checkpoint_of_another_log_is_not_compared() {
    let (log, _) = grown();
    let other = TestLog::of_three_elsewhere();
    let directory = published(&log);
    let theirs = other.checkpoint(&EVERYBODY).to_string();
    let problem = compare_since(directory.path(), &theirs, log.signer().verifier()).unwrap_err();
    assert_eq!(problem.exit(), Exit::Verification);
}
