//! Audits of whole logs, genuine and manipulated.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod blame;
mod checkpoint;
mod entries;
mod signatures;

use quorate_ceremony::audit::{
    Anchor, AuditReport, Check, Fault, SessionOutcome, Verdict, log_key, replay,
};
use quorate_ceremony::document::{Documents, NoDocuments, NotChecked, ToSign};
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{AbortReason, Body, Entry};
use quorate_ceremony::names::{COORDINATOR, Digest, EntryId, IvnId};
use quorate_ceremony::state::RequestStage;
use quorate_ceremony::test_world::{TestLog, name};
use quorate_log::checkpoint::SignedCheckpoint;

const DOCUMENT: Digest = Digest::new([9; 32]);
const MESSAGE: &[u8] = b"a contract";

/// Returns these bytes for every request.
struct Always(Result<&'static [u8], NotChecked>);

impl Documents for Always {
    fn to_be_signed(&mut self, _: EntryId, wanted: &ToSign) -> Result<Vec<u8>, NotChecked> {
        assert_eq!(wanted.request.document, DOCUMENT);
        self.0.map(<[u8]>::to_vec)
    }
}

fn audit_with(
    log: &TestLog,
    checkpoint: &SignedCheckpoint,
    documents: &mut dyn Documents,
) -> AuditReport {
    let report = replay(log.entries.clone(), checkpoint, &Anchor::default(), documents).unwrap();
    serde_json::to_string(&report).unwrap();
    report
}

/// Audits the log with a checkpoint that all accounts cosigned.
fn audit(log: &TestLog) -> AuditReport {
    let checkpoint = log.checkpoint(&["ada", "ben", "cyd"]);
    audit_with(log, checkpoint.as_signed(), &mut Always(Ok(MESSAGE)))
}

fn signed_log() -> TestLog {
    TestLog::with_signature(DOCUMENT, MESSAGE).0
}

/// The only fault of a log. The rest of the report holds.
fn only_fault(report: &AuditReport) -> &Fault {
    assert_eq!(report.verdict, Verdict::Failed);
    assert_eq!(report.faults.len(), 1, "{:?}", report.faults);
    &report.faults[0]
}

#[test]
fn the_report_of_a_genuine_log_contains_everything() {
    let (log, request) = TestLog::with_signature(DOCUMENT, MESSAGE);
    let report = audit(&log);
    assert_eq!((report.verdict, report.faults.as_slice()), (Verdict::Final, [].as_slice()));
    assert_eq!(report.size, log.entries.len() as u64);
    assert_eq!(report.root, report.checkpoint.root);
    assert_eq!(report.kinds.values().sum::<u64>(), report.size);
    assert_eq!((report.kinds["ceremony-message"], report.kinds["signature"]), (9, 1));
    assert_eq!(report.accounts.len(), 3);
    assert!(report.checkpoint.signed_by_log && report.checkpoint.cosigned_by.len() == 3);

    let group = &report.groups[0];
    let key = log.state.group(&group.name).unwrap().key.clone().unwrap();
    assert_eq!(group.verifying_key, Some(hex::encode(key.public.verifying_key().as_bytes())));
    assert!(group.is_final && group.cosignatures_for_final == 3);
    let [session] = group.sessions.as_slice() else { panic!("{:?}", group.sessions) };
    assert_eq!(session.certified_by, [name("ada"), name("ben"), name("cyd")]);
    assert!(matches!(session.outcome, SessionOutcome::Key { index, .. } if index == key.index));

    assert_eq!(report.requests[0].standing, RequestStage::Signed);
    let [signature] = report.signatures.as_slice() else { panic!("{:?}", report.signatures) };
    assert_eq!((signature.request, signature.late), (request, false));
    assert!(signature.request_index < signature.index);
    assert_eq!(signature.signers, [name("ada"), name("ben")]);
    assert_eq!(signature.confirmed_by, signature.signers);
    let checks = [signature.sum, signature.shares, signature.document];
    assert_eq!(checks, [Check::Verified; 3]);
    assert!(report.accounts.iter().all(|account| account.cosigns));
}

#[test]
fn an_undecided_request_is_reported_as_lapsed() {
    let mut log = TestLog::with_key();
    let open = log.asks("ada", DOCUMENT);
    let expires_at = log.state.request(open).unwrap().request.expires_at;
    log.now = expires_at.plus(1);
    log.start_node("ada", 7);
    assert_eq!(audit(&log).requests[0].standing, RequestStage::Open, "one member does not count");
    log.start_node("ben", 7);
    assert_eq!(audit(&log).requests[0].standing, RequestStage::Expired);
}

#[test]
fn kinds_are_counted_under_the_names_that_entries_have() {
    let log = signed_log();
    let report = audit(&log);
    for bytes in &log.entries {
        let entry = Entry::from_bytes(bytes).unwrap();
        let json = serde_json::to_value(&entry.statement().body).unwrap();
        assert!(report.kinds.contains_key(json["kind"].as_str().unwrap()), "{json}");
    }
    assert_eq!(report.kinds.len(), 13);
}

#[test]
fn without_an_anchor_the_report_is_not_anchored() {
    let log = signed_log();
    let checkpoint = log.checkpoint(&["ada", "ben", "cyd"]);
    let audit = |anchor: Anchor| {
        replay(log.entries.clone(), checkpoint.as_signed(), &anchor, &mut NoDocuments).unwrap()
    };
    assert!(!audit(Anchor::default()).anchored);
    assert!(audit(Anchor { ivn: Some(log.state.ivn()), log_key: None }).anchored);
    let key = log_key(&log.entries[0]).unwrap();
    assert_eq!(audit(Anchor { ivn: None, log_key: Some(key) }).verdict, Verdict::Final);
}

#[test]
fn a_log_of_another_ivn_or_key_is_a_fault() {
    let (log, other) = (signed_log(), TestLog::founded_elsewhere());
    let checkpoint = log.checkpoint(&["ada", "ben", "cyd"]);
    let audit = |anchor: Anchor| {
        replay(log.entries.clone(), checkpoint.as_signed(), &anchor, &mut NoDocuments).unwrap()
    };
    let report = audit(Anchor { ivn: Some(other.state.ivn()), log_key: None });
    assert!(matches!(only_fault(&report), Fault::OtherIvn { .. }));
    let key = other.signer().verifier().clone();
    let report = audit(Anchor { ivn: None, log_key: Some(key) });
    assert!(matches!(only_fault(&report), Fault::OtherLogKey { .. }));
}

#[test]
fn sessions_that_made_no_key_are_reported_with_their_reason() {
    let mut log = TestLog::founded();
    log.newcomer("ben");
    log.newcomer("cyd");
    log.makes_key(&["ada", "ben"]);
    let definition = log.state.group(&"board".parse().unwrap()).unwrap().definition.clone();
    let definition =
        quorate_ceremony::entry::GroupDefinition { name: "late".parse().unwrap(), ..definition };
    log.establishes(definition);
    let session = log.begins("late", 1);
    let missing = [name("ada"), name("ben")].into();
    let reason = AbortReason::TimedOut { missing };
    log.by(COORDINATOR, Body::CeremonyAborted { session, reason: reason.clone() });
    log.begins("late", 2);

    let report = audit(&log);
    let late = report.groups.iter().find(|group| group.name.as_str() == "late").unwrap();
    let outcomes: Vec<_> = late.sessions.iter().map(|session| &session.outcome).collect();
    let index = log.entries.len() as u64 - 2;
    let aborted = SessionOutcome::Aborted { index, reason, blame: Vec::new() };
    assert_eq!(outcomes, [&aborted, &SessionOutcome::Running]);
    // A group without a key cannot be final.
    assert_eq!((late.verifying_key.as_ref(), report.verdict), (None, Verdict::Final));
}

#[test]
fn every_standing_of_a_request_is_told_apart() {
    let (mut log, _) = TestLog::with_signature(DOCUMENT, MESSAGE);
    log.newcomer("tom");
    log.asks("tom", DOCUMENT);
    log.asks("ada", DOCUMENT);
    let rejected = log.asks("ada", DOCUMENT);
    for member in ["ben", "cyd"] {
        log.by(member, Body::Refusal { request: rejected, reason: "no".to_owned() });
    }
    let approved = log.asks("ada", DOCUMENT);
    log.by("cyd", Body::Approval { request: approved });
    let report = audit(&log);
    let standings: Vec<_> = report.requests.iter().map(|request| &request.standing).collect();
    assert!(
        matches!(
            standings.as_slice(),
            [
                RequestStage::Signed,
                RequestStage::Refused { .. },
                RequestStage::Open,
                RequestStage::Rejected,
                RequestStage::Approved
            ]
        ),
        "{standings:?}"
    );
}

#[test]
fn ids_and_messages_survive_json() {
    let report = audit(&signed_log());
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["verdict"], "final");
    assert_eq!(json["ivn"].as_str().unwrap().parse::<IvnId>(), Ok(report.ivn));
    assert_eq!(json["signatures"][0]["document"]["is"], "verified");
    let _: Base64 = serde_json::from_value(json["root"].clone()).unwrap();
}
