//! Checks of signatures, without the document and with it.

use quorate_ceremony::audit::{Check, Fault, ReusedNonces, SignatureFault, Verdict};
use quorate_ceremony::document::{NoDocuments, NotChecked};
use quorate_ceremony::entry::Body;
use quorate_ceremony::names::{COORDINATOR, Timestamp};
use quorate_ceremony::state::Refusal;
use quorate_ceremony::state::refusal::Requests;

use super::{Always, DOCUMENT, MESSAGE, audit, audit_with, only_fault, signed_log};
use quorate_ceremony::test_world::{TestLog, name};

#[test]
fn a_signature_without_its_document_never_counts_as_verified() {
    let log = signed_log();
    let checkpoint = log.checkpoint(&["ada", "ben", "cyd"]);
    let report = audit_with(&log, checkpoint.as_signed(), &mut NoDocuments);
    let not_checked = Check::NotChecked { why: NotChecked::NoDocument };
    assert_eq!(report.verdict, Verdict::Final);
    assert_eq!(report.signatures[0].sum, Check::Verified);
    assert_eq!(report.signatures[0].shares, not_checked);
    assert_eq!(report.signatures[0].document, not_checked);
}

#[test]
fn a_document_that_is_not_the_requested_one_is_a_fault() {
    let log = signed_log();
    let checkpoint = log.checkpoint(&["ada", "ben", "cyd"]);
    let mut other = Always(Err(NotChecked::OtherDocument));
    let report = audit_with(&log, checkpoint.as_signed(), &mut other);
    let why = &SignatureFault::OtherDocument;
    assert!(matches!(only_fault(&report), Fault::Signature { why: fault, .. } if fault == why));
}

#[test]
fn a_share_for_other_bytes_is_a_fault_of_that_signer() {
    let log = signed_log();
    let checkpoint = log.checkpoint(&["ada", "ben", "cyd"]);
    let mut other = Always(Ok(b"another contract"));
    let report = audit_with(&log, checkpoint.as_signed(), &mut other);
    let why = &SignatureFault::Share { account: name("ada") };
    assert!(matches!(only_fault(&report), Fault::Signature { why: fault, .. } if fault == why));
    assert_eq!(report.signatures[0].shares, Check::Failed);
    assert_eq!(report.signatures[0].sum, Check::Verified);
}

#[test]
fn a_signature_after_its_request_lapsed_is_reported_as_late() {
    for (after, late) in [(0, false), (1, true)] {
        let mut log = TestLog::with_key();
        let request = log.asks("ada", DOCUMENT);
        log.by("ben", Body::Approval { request });
        let signature = log.signature_over(request, &["ada", "ben"], MESSAGE);
        let expires_at = log.state.request(request).unwrap().request.expires_at;
        log.now = Timestamp(expires_at.0 + after - 1);
        log.by(COORDINATOR, signature);

        let report = audit(&log);
        assert_eq!((report.verdict, report.signatures[0].late), (Verdict::Final, late));
    }
}

/// Two signatures with one pair of nonces reveal its owner's share (invariant S1), whatever the
/// cause.
#[test]
fn reused_nonces_are_reported_with_account_and_entries() {
    let mut log = TestLog::with_key();
    let mut requests = Vec::new();
    for _ in 0..3 {
        let request = log.asks("ada", DOCUMENT);
        log.by("ben", Body::Approval { request });
        requests.push(request);
    }
    let randomness = log.rng.clone();
    let mut entries = Vec::new();
    for (request, repeated) in requests.into_iter().zip([false, true, false]) {
        if repeated {
            log.rng = randomness.clone();
        }
        let signature = log.signature_over(request, &["ada", "ben"], MESSAGE);
        entries.push(log.entries.len() as u64);
        log.by(COORDINATOR, signature);
    }

    let report = audit(&log);
    let reused = |account| ReusedNonces { account, first: entries[0], second: entries[1] };
    assert_eq!(report.reused_nonces, ["ada", "ben"].map(|account| reused(name(account))));
}

#[test]
fn wrong_signers_are_noticed_without_the_document() {
    let mut log = TestLog::with_key();
    let request = log.asks("ada", DOCUMENT);
    log.by("ben", Body::Approval { request });
    log.by("cyd", Body::Approval { request });
    let real = log.signature_over(request, &["ada", "ben"], MESSAGE);
    let abandoned = log.signature_over(request, &["ben", "cyd"], MESSAGE);
    let (Body::Signature { signature, .. }, Body::Signature { session, signers, .. }) =
        (real, abandoned)
    else {
        panic!("not signatures");
    };
    let body = Body::Signature { request, session, signature, signers };
    let entry = log.signed(COORDINATOR, body);
    log.entries.push(entry.to_bytes());

    let checkpoint = log.checkpoint(&["ada", "ben", "cyd"]);
    let report = audit_with(&log, checkpoint.as_signed(), &mut NoDocuments);
    assert!(matches!(
        only_fault(&report),
        Fault::Inadmissible { reason: Refusal::Requests(Requests::Signers), .. }
    ));
}

#[test]
fn a_share_of_another_session_is_not_admissible() {
    let mut log = TestLog::with_key();
    let request = log.asks("ada", DOCUMENT);
    log.by("ben", Body::Approval { request });
    let Body::Signature { signers: mut mixed, signature, session, .. } =
        log.signature_over(request, &["ada", "ben"], MESSAGE)
    else {
        panic!("not a signature");
    };
    let Body::Signature { signers: others, .. } =
        log.signature_over(request, &["ada", "ben"], MESSAGE)
    else {
        panic!("not a signature");
    };
    mixed[1].parts[1] = others[1].parts[1].clone();
    let body = Body::Signature { request, session, signature, signers: mixed };
    let entry = log.signed(COORDINATOR, body);
    log.entries.push(entry.to_bytes());
    let report = audit(&log);
    assert!(matches!(
        only_fault(&report),
        Fault::Inadmissible { reason: Refusal::Requests(Requests::Signers), .. }
    ));
}

#[test]
fn a_signer_that_did_not_approve_is_not_admissible() {
    let mut log = TestLog::with_key();
    let request = log.asks("ada", DOCUMENT);
    log.by("ben", Body::Approval { request });
    let body = log.signature_over(request, &["ben", "cyd"], MESSAGE);
    let entry = log.signed(COORDINATOR, body);
    log.entries.push(entry.to_bytes());
    let report = audit(&log);
    assert!(matches!(
        only_fault(&report),
        Fault::Inadmissible { reason: Refusal::Requests(Requests::Signers), .. }
    ));
}

#[test]
fn a_signature_before_its_approval_is_not_admissible() {
    let mut log = TestLog::with_key();
    let request = log.asks("ada", DOCUMENT);
    let body = log.signature_over(request, &["ada", "ben"], MESSAGE);
    let entry = log.signed(COORDINATOR, body);
    log.entries.push(entry.to_bytes());
    let report = audit(&log);
    let Fault::Inadmissible { reason, .. } = only_fault(&report) else { panic!() };
    assert_eq!(reason, &Refusal::Requests(Requests::NotApproved { request }));
}
