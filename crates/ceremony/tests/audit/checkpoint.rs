//! Checkpoints: their signers, and the groups for which they are final.

use quorate_ceremony::audit::{Fault, Verdict};
use quorate_ceremony::document::NoDocuments;
use quorate_ceremony::entry::Body;
use quorate_ceremony::identity::PublicKey;
use quorate_log::key::{CosignerSigner, LogSigner, Seed};

use super::{DOCUMENT, MESSAGE, audit_with, only_fault, signed_log};
use quorate_ceremony::test_world::{TestLog, cosigned, name};

#[test]
fn too_few_cosignatures_are_not_final() {
    let log = signed_log();
    for cosigners in [vec![], vec!["ada", "ben"]] {
        let checkpoint = log.checkpoint(&cosigners);
        let report = audit_with(&log, checkpoint.as_signed(), &mut NoDocuments);
        assert_eq!(report.verdict, Verdict::NotFinal);
        assert_eq!(report.groups[0].cosigned_by.len(), cosigners.len());
        assert!(!report.groups[0].is_final);
    }
}

#[test]
fn a_log_in_which_no_group_has_a_key_is_not_final() {
    let log = TestLog::founded();
    let checkpoint = log.checkpoint(&["ada"]);
    let report = audit_with(&log, checkpoint.as_signed(), &mut NoDocuments);
    assert_eq!((report.verdict, report.groups.len()), (Verdict::NotFinal, 0));
}

/// Both sides of a fork are valid. If one member colludes with the coordinator, only one of them
/// can be final.
#[test]
fn of_two_views_at_most_one_is_final_while_one_member_colludes() {
    let (log, request) = TestLog::with_signature(DOCUMENT, MESSAGE);
    let mut fork = TestLog::with_key();
    assert_eq!(fork.asks("ada", DOCUMENT), request);
    fork.by("ben", Body::Refusal { request, reason: "no".to_owned() });
    let here = log.checkpoint(&["ada", "cyd"]);
    let there = fork.checkpoint(&["ben", "cyd"]);
    let verdicts = [
        audit_with(&log, here.as_signed(), &mut NoDocuments).verdict,
        audit_with(&fork, there.as_signed(), &mut NoDocuments).verdict,
    ];
    assert_eq!(verdicts, [Verdict::NotFinal; 2]);
}

#[test]
fn a_checkpoint_of_a_different_tree_is_a_fault() {
    let mut log = signed_log();
    let checkpoint = log.checkpoint(&["ada", "ben", "cyd"]);
    log.entries.pop();
    let report = audit_with(&log, checkpoint.as_signed(), &mut NoDocuments);
    assert!(matches!(only_fault(&report), Fault::OtherTree { .. }));
    assert!(report.checkpoint.cosigned_by.is_empty() && !report.groups[0].is_final);
}

#[test]
fn a_checkpoint_by_another_key_is_a_fault() {
    let log = signed_log();
    let head = log.checkpoint(&[]).head();
    let stranger =
        LogSigner::new(log.state.origin().parse().unwrap(), Seed::new(Box::new([3; 32])));
    let report = audit_with(&log, stranger.sign(head).as_signed(), &mut NoDocuments);
    assert_eq!(report.verdict, Verdict::Failed);
    assert!(report.faults.iter().any(|fault| matches!(fault, Fault::Checkpoint { .. })));
    assert!(!report.checkpoint.signed_by_log);
}

#[test]
fn a_cosignature_by_a_stranger_is_a_fault_that_names_it() {
    let log = signed_log();
    let origin = log.state.origin();
    for line_name in
        [format!("{origin}/mallory"), "example.org/witness".to_owned(), format!("{origin}/ada")]
    {
        let stranger =
            CosignerSigner::new(line_name.parse().unwrap(), Seed::new(Box::new([3; 32])));
        let checkpoint = cosigned(log.checkpoint(&["ada", "ben", "cyd"]), &[stranger]);
        let report = audit_with(&log, checkpoint.as_signed(), &mut NoDocuments);
        let name = line_name.parse().unwrap();
        assert_eq!(only_fault(&report), &Fault::Stranger { name });
    }
}

#[test]
fn a_signature_under_the_logs_name_needs_the_logs_key() {
    let log = signed_log();
    let genuine = log.checkpoint(&["ada", "ben", "cyd"]);
    let origin = log.signer().verifier().origin().clone();
    let other = LogSigner::new(origin.clone(), Seed::new(Box::new([3; 32]))).sign(genuine.head());
    let line = other.to_string().lines().last().unwrap().to_owned();
    let report = audit_with(&log, &format!("{genuine}{line}\n").parse().unwrap(), &mut NoDocuments);
    assert_eq!(only_fault(&report), &Fault::Stranger { name: origin });
}

/// A cosignature of a different checkpoint under this one.
#[test]
fn a_cosignature_of_a_different_checkpoint_is_a_fault() {
    let mut log = signed_log();
    let earlier = log.checkpoint(&["ben"]).to_string();
    let line = earlier.lines().last().unwrap();
    log.newcomer("tom");
    let note = format!("{}{line}\n", log.checkpoint(&["ada"]));
    let report = audit_with(&log, &note.parse().unwrap(), &mut NoDocuments);
    assert_eq!(only_fault(&report), &Fault::Cosignature { account: name("ben") });
}

#[test]
fn an_account_with_an_unusable_key_never_makes_a_log_final() {
    let mut log = TestLog::founded();
    log.newcomer("ben");
    let mut keys = log.secrets("cyd").public();
    // A point of small order: anyone can make signatures for it.
    keys.cosigner = PublicKey([0; 32]);
    log.newcomer_with("cyd", keys);
    log.makes_key(&["ada", "ben", "cyd"]);

    let checkpoint = log.checkpoint(&["ada", "ben", "cyd"]);
    let report = audit_with(&log, checkpoint.as_signed(), &mut NoDocuments);
    assert_eq!((report.verdict, report.faults.len()), (Verdict::NotFinal, 0));
    assert_eq!(report.groups[0].cosigned_by, [name("ada"), name("ben")]);
    let cyd = report.accounts.iter().find(|account| account.name == name("cyd")).unwrap();
    assert!(!cyd.cosigns);
}
