//! Comparing a log with an earlier checkpoint, and with proof of the coordinator's misbehaviour.

use std::fs;
use std::path::Path;

use quorate::api::{Exit, Problem};
use quorate::log_audit::{Options, Since, audit_directory, compare_since, verify_misbehaviour};
use quorate_ceremony::audit::Anchor;
use quorate_ceremony::entry::Body;
use quorate_ceremony::misbehaviour::Proved;
use quorate_ceremony::names::Digest;

use super::{EVERYBODY, published, signed_log};
use quorate_ceremony::test_world::TestLog;

fn since(directory: &Path, note: &str) -> Result<Since, Problem> {
    let report = audit_directory(directory, &Options::default()).unwrap();
    compare_since(directory, note, &report)
}

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
    let to = log.entries.len() as u64;
    let compared = since(directory.path(), &earlier).unwrap();
    assert!(
        matches!(compared, Since::Continues { from, to: now, .. } if (from, now) == (to - 1, to))
    );
    let latest = fs::read_to_string(directory.path().join("checkpoint")).unwrap();
    assert!(since(directory.path(), &latest).unwrap().holds());
}

#[test]
fn a_truncated_log_fails_against_its_later_checkpoint() {
    let (log, _) = grown();
    let later = log.checkpoint(&EVERYBODY).to_string();
    let directory = published(&signed_log());
    let compared = since(directory.path(), &later).unwrap();
    assert!(matches!(compared, Since::Shorter { .. }) && !compared.holds());
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
    let compared = since(directory.path(), &earlier).unwrap();
    let Since::Fork { misbehaviour } = &compared else { panic!("{compared:?}") };
    assert!(!compared.holds());
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
    let problem = since(directory.path(), &theirs).unwrap_err();
    assert_eq!(problem.exit(), Exit::Verification);
}

#[test]
fn a_log_goes_on_from_a_replaced_coordinators_checkpoint() {
    let (mut log, earlier) = grown();
    log.replace_coordinator(90, &["ada", "ben"], None);
    let directory = published(&log);
    let compared = since(directory.path(), &earlier).unwrap();
    assert!(compared.holds(), "{compared:?}");
}

#[test]
fn a_checkpoint_of_an_abandoned_history_names_who_left_it() {
    let (mut log, _) = grown();
    let mut other = signed_log();
    other.by("ben", Body::NodeStarted { incarnation: Digest::new([2; 32]) });
    let abandoned = other.checkpoint(&EVERYBODY).to_string();
    log.replace_coordinator(90, &["ada", "ben"], Some(other.state.tree()));
    let directory = published(&log);
    let compared = since(directory.path(), &abandoned).unwrap();
    assert!(!compared.holds());
    let sentence = compared.sentence();
    assert!(sentence.contains("ABANDONED by ada and ben"), "{sentence}");
    // A history that no voter declares stays a contradiction.
    let mut hidden = signed_log();
    hidden.by("cyd", Body::NodeStarted { incarnation: Digest::new([3; 32]) });
    hidden.by("cyd", Body::NodeStarted { incarnation: Digest::new([4; 32]) });
    let compared = since(directory.path(), &hidden.checkpoint(&EVERYBODY).to_string()).unwrap();
    assert!(compared.sentence().contains("CONTRADICTS the log"), "{}", compared.sentence());
    let report = audit_directory(directory.path(), &Options::default()).unwrap();
    assert_eq!(report.faults, vec![]);
    assert_eq!(report.replacements[0].votes[&"ada".parse().unwrap()], Some(other.state.tree()));
}

#[test]
fn an_auditor_with_a_replaced_key_has_to_learn_the_new_one() {
    let (mut log, _) = grown();
    let key = log.signer().verifier().clone();
    log.replace_coordinator(90, &["ada", "ben"], None);
    let directory = published(&log);
    let report = |key| {
        let anchor = Anchor { log_key: Some(key), ..Anchor::default() };
        audit_directory(directory.path(), &Options { anchor, ..Options::default() }).unwrap()
    };
    let [fault] = &report(key).faults[..] else { panic!("one fault") };
    assert!(fault.to_string().contains("was replaced"), "{fault}");
    assert_eq!(report(log.signer().verifier().clone()).faults, vec![]);
}
