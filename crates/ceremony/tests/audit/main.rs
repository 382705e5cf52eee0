//! Whole logs, genuine and harmed, and what an audit says of them.

mod builder;

use builder::{Log, cosigned, name};
use quorate_ceremony::audit::{
    Anchor, AuditReport, Check, Documents, Fault, NoDocuments, NoIvn, NotChecked, SessionOutcome,
    SignatureFault, Standing, Verdict, log_key, replay,
};
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Author, Entry, Statement};
use quorate_ceremony::identity::{AccountSecrets, PublicKey};
use quorate_ceremony::names::{COORDINATOR, Digest, EntryId, IvnId, Timestamp};
use quorate_ceremony::state::Invalid;
use quorate_ceremony::statement::{AbortReason, Body, Request};
use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::key::{CosignerSigner, LogSigner, Seed};

const DOCUMENT: Digest = Digest::new([9; 32]);
const MESSAGE: &[u8] = b"a contract";

/// Has these bytes for every request.
struct Always(Result<&'static [u8], NotChecked>);

impl Documents for Always {
    fn to_be_signed(&mut self, _: EntryId, request: &Request) -> Result<Vec<u8>, NotChecked> {
        assert_eq!(request.document, DOCUMENT);
        self.0.map(<[u8]>::to_vec)
    }
}

fn audit_with(
    log: &Log,
    checkpoint: &SignedCheckpoint,
    documents: &mut dyn Documents,
) -> AuditReport {
    let report = replay(log.entries.clone(), checkpoint, &Anchor::default(), documents).unwrap();
    for line in report.lines() {
        assert!(line.chars().count() <= 78, "{line}");
    }
    serde_json::to_string(&report).unwrap();
    report
}

/// Audits the log with a checkpoint that everybody cosigned.
fn audit(log: &Log) -> AuditReport {
    let checkpoint = log.checkpoint(&["ada", "bob", "eve"]);
    audit_with(log, checkpoint.as_signed(), &mut Always(Ok(MESSAGE)))
}

fn signed_log() -> Log {
    Log::with_signature(1, DOCUMENT, MESSAGE).0
}

/// The one fault of a log, the rest of whose report holds.
fn only_fault(report: &AuditReport) -> &Fault {
    assert_eq!(report.verdict, Verdict::Failed);
    assert_eq!(report.faults.len(), 1, "{:?}", report.faults);
    &report.faults[0]
}

/// Index of the first entry of a kind, and the entry.
fn first(log: &Log, wanted: impl Fn(&Body) -> bool) -> (usize, Entry) {
    let entries = log.entries.iter().map(|bytes| Entry::from_bytes(bytes).unwrap());
    entries.enumerate().find(|(_, entry)| wanted(&entry.statement().body)).unwrap()
}

#[test]
fn a_genuine_log_holds_and_its_report_says_what_is_in_it() {
    let (log, request) = Log::with_signature(1, DOCUMENT, MESSAGE);
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
    assert_eq!(session.certified_by, [name("ada"), name("bob"), name("eve")]);
    assert!(matches!(session.outcome, SessionOutcome::Key { index, .. } if index == key.index));

    assert_eq!(report.requests[0].standing, Standing::Signed);
    let [signature] = report.signatures.as_slice() else { panic!("{:?}", report.signatures) };
    assert_eq!((signature.request, signature.late), (request, false));
    assert!(signature.request_index < signature.index);
    assert_eq!(signature.signers, [name("ada"), name("bob")]);
    assert_eq!(signature.confirmed_by, signature.signers);
    let checks = [signature.sum, signature.shares, signature.document];
    assert_eq!(checks, [Check::Verified; 3]);
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
fn a_signature_without_its_document_never_counts_as_verified() {
    let log = signed_log();
    let checkpoint = log.checkpoint(&["ada", "bob", "eve"]);
    let report = audit_with(&log, checkpoint.as_signed(), &mut NoDocuments);
    let not_checked = Check::NotChecked { why: NotChecked::NoDocument };
    assert_eq!(report.verdict, Verdict::Final);
    assert_eq!(report.signatures[0].sum, Check::Verified);
    assert_eq!(report.signatures[0].shares, not_checked);
    assert_eq!(report.signatures[0].document, not_checked);
    assert!(report.lines().iter().any(|line| line == "Not checked (document not at hand): 1."));
    assert!(report.lines().iter().any(|line| line.ends_with("each share too: 0 of 1.")));
}

#[test]
fn a_document_that_is_not_the_requested_one_is_a_fault() {
    let log = signed_log();
    let checkpoint = log.checkpoint(&["ada", "bob", "eve"]);
    let mut other = Always(Err(NotChecked::OtherDocument));
    let report = audit_with(&log, checkpoint.as_signed(), &mut other);
    let why = &SignatureFault::OtherDocument;
    assert!(matches!(only_fault(&report), Fault::Signature { why: fault, .. } if fault == why));
}

#[test]
fn a_share_for_other_bytes_is_a_fault_of_that_signer() {
    let log = signed_log();
    let checkpoint = log.checkpoint(&["ada", "bob", "eve"]);
    let mut other = Always(Ok(b"another contract"));
    let report = audit_with(&log, checkpoint.as_signed(), &mut other);
    let why = &SignatureFault::Share { account: name("ada") };
    assert!(matches!(only_fault(&report), Fault::Signature { why: fault, .. } if fault == why));
    assert_eq!(report.signatures[0].shares, Check::Failed);
}

#[test]
fn a_signature_under_the_names_of_others_is_noticed_without_the_document() {
    let mut log = Log::with_group(1);
    let request = log.request("ada", "board", DOCUMENT);
    log.by("bob", Body::Approval { request });
    log.by("eve", Body::Approval { request });
    let real = log.signature(request, &["ada", "bob"], MESSAGE);
    let abandoned = log.signature(request, &["bob", "eve"], MESSAGE);
    let (Body::Signature { signature, .. }, Body::Signature { session, signers, .. }) =
        (real, abandoned)
    else {
        panic!("not signatures");
    };
    log.by(COORDINATOR, Body::Signature { request, session, signature, signers });

    let checkpoint = log.checkpoint(&["ada", "bob", "eve"]);
    let report = audit_with(&log, checkpoint.as_signed(), &mut NoDocuments);
    let why = &SignatureFault::Sum;
    assert!(matches!(only_fault(&report), Fault::Signature { why: fault, .. } if fault == why));
    assert_eq!(report.signatures[0].sum, Check::Failed);
}

#[test]
fn too_few_cosignatures_are_not_final_and_said_so() {
    let log = signed_log();
    for cosigners in [vec![], vec!["ada", "bob"]] {
        let checkpoint = log.checkpoint(&cosigners);
        let report = audit_with(&log, checkpoint.as_signed(), &mut NoDocuments);
        assert_eq!(report.verdict, Verdict::NotFinal);
        assert_eq!(report.groups[0].cosigned_by.len(), cosigners.len());
        assert!(!report.groups[0].is_final);
        assert!(report.lines()[1].contains("too few members"), "{:?}", report.lines());
    }
}

#[test]
fn a_log_in_which_no_group_has_a_key_is_not_final() {
    let log = Log::found(1);
    let checkpoint = log.checkpoint(&["ada"]);
    let report = audit_with(&log, checkpoint.as_signed(), &mut NoDocuments);
    assert_eq!((report.verdict, report.groups.len()), (Verdict::NotFinal, 0));
}

/// Both sides of a fork are valid; with one member in league with the coordinator only one of them can be final.
#[test]
fn of_two_views_at_most_one_is_final_while_one_member_colludes() {
    let (log, request) = Log::with_signature(1, DOCUMENT, MESSAGE);
    let mut fork = Log::with_group(1);
    assert_eq!(fork.request("ada", "board", DOCUMENT), request);
    fork.by("bob", Body::Refusal { request, reason: "no".to_owned() });
    let here = log.checkpoint(&["ada", "eve"]);
    let there = fork.checkpoint(&["bob", "eve"]);
    let verdicts = [
        audit_with(&log, here.as_signed(), &mut NoDocuments).verdict,
        audit_with(&fork, there.as_signed(), &mut NoDocuments).verdict,
    ];
    assert_eq!(verdicts, [Verdict::NotFinal; 2]);
}

#[test]
fn without_an_anchor_the_report_says_whose_word_the_identity_is() {
    let log = signed_log();
    let checkpoint = log.checkpoint(&["ada", "bob", "eve"]);
    let audit = |anchor: Anchor| {
        replay(log.entries.clone(), checkpoint.as_signed(), &anchor, &mut NoDocuments).unwrap()
    };
    let warned =
        |report: &AuditReport| report.lines().concat().contains("taken from its own genesis");

    let own_word = audit(Anchor::default());
    assert!(!own_word.anchored && warned(&own_word));
    let anchored = audit(Anchor { ivn: Some(log.state.ivn()), log_key: None });
    assert!(anchored.anchored && !warned(&anchored));
    let key = log_key(&log.entries[0]).unwrap();
    assert_eq!(audit(Anchor { ivn: None, log_key: Some(key) }).verdict, Verdict::Final);
}

#[test]
fn a_log_of_another_ivn_or_key_is_a_fault() {
    let (log, other) = (signed_log(), Log::found(2));
    let checkpoint = log.checkpoint(&["ada", "bob", "eve"]);
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
fn entries_that_found_no_ivn_give_no_report() {
    let log = signed_log();
    let checkpoint = log.checkpoint(&[]);
    let replay = |entries: &[Vec<u8>]| {
        let entries = entries.to_vec();
        replay(entries, checkpoint.as_signed(), &Anchor::default(), &mut NoDocuments).map(|_| ())
    };
    assert_eq!(replay(&[]), Err(NoIvn::Empty));
    assert_eq!(replay(&log.entries[1..]), Err(NoIvn::Genesis(Invalid::NotGenesis)));
    assert_eq!(replay(&[b"{}".to_vec()]), Err(NoIvn::Genesis(Invalid::Malformed)));
}

#[test]
fn swapped_entries_are_inadmissible_even_under_a_new_checkpoint() {
    let mut log = signed_log();
    let (approval, _) = first(&log, |body| matches!(body, Body::Approval { .. }));
    log.entries.swap(approval, approval - 1);
    let report = audit(&log);
    let Fault::Inadmissible { index, reason } = only_fault(&report) else { panic!() };
    assert_eq!(*index, approval as u64 - 1);
    assert!(matches!(reason, Invalid::UnknownRequest { .. }), "{reason:?}");
}

#[test]
fn a_removed_entry_makes_one_after_it_inadmissible() {
    let genuine = signed_log();
    // The last is the signature: without it the log is an earlier one.
    for removed in 1..genuine.entries.len() - 1 {
        let mut log = Log::with_signature(1, DOCUMENT, MESSAGE).0;
        log.entries.remove(removed);
        let report = audit(&log);
        let Fault::Inadmissible { index, .. } = only_fault(&report) else {
            panic!("{removed}: {:?}", report.faults);
        };
        assert!(*index >= removed as u64);
    }
}

#[test]
fn a_forged_author_is_not_admissible() {
    let mut log = signed_log();
    let forged = Statement {
        ivn: Some(log.state.ivn()),
        author: Author::Account(name("bob")),
        at: Timestamp(1_700_000_001_000),
        body: Body::NodeStarted { incarnation: DOCUMENT },
    };
    let forged = Entry::sign(forged, &[&log.secrets[&name("eve")].identity]).unwrap();
    log.entries.push(forged.to_bytes());
    let report = audit(&log);
    let index = log.entries.len() as u64 - 1;
    assert_eq!(only_fault(&report), &Fault::Inadmissible { index, reason: Invalid::Signature });
}

#[test]
fn an_entry_of_another_ivn_is_not_admissible() {
    let mut log = signed_log();
    let foreign = Log::found(2).statement("ada", Body::NodeStarted { incarnation: DOCUMENT });
    log.entries.push(foreign.to_bytes());
    let report = audit(&log);
    assert!(matches!(only_fault(&report), Fault::Inadmissible { reason: Invalid::OtherIvn, .. }));
}

#[test]
fn a_share_of_another_session_is_not_admissible() {
    let mut log = Log::with_group(1);
    let request = log.request("ada", "board", DOCUMENT);
    log.by("bob", Body::Approval { request });
    let Body::Signature { signers: mut mixed, signature, session, .. } =
        log.signature(request, &["ada", "bob"], MESSAGE)
    else {
        panic!("not a signature");
    };
    let Body::Signature { signers: others, .. } = log.signature(request, &["ada", "bob"], MESSAGE)
    else {
        panic!("not a signature");
    };
    mixed[1].share = others[1].share.clone();
    let body = Body::Signature { request, session, signature, signers: mixed };
    let entry = log.statement(COORDINATOR, body);
    log.entries.push(entry.to_bytes());
    let report = audit(&log);
    assert!(matches!(only_fault(&report), Fault::Inadmissible { reason: Invalid::Signers, .. }));
}

#[test]
fn a_signature_by_somebody_who_did_not_consent_is_not_admissible() {
    let mut log = Log::with_group(1);
    let request = log.request("ada", "board", DOCUMENT);
    log.by("bob", Body::Approval { request });
    let body = log.signature(request, &["bob", "eve"], MESSAGE);
    let entry = log.statement(COORDINATOR, body);
    log.entries.push(entry.to_bytes());
    let report = audit(&log);
    assert!(matches!(only_fault(&report), Fault::Inadmissible { reason: Invalid::Signers, .. }));
}

#[test]
fn a_signature_before_its_approval_is_not_admissible() {
    let mut log = Log::with_group(1);
    let request = log.request("ada", "board", DOCUMENT);
    let body = log.signature(request, &["ada", "bob"], MESSAGE);
    let entry = log.statement(COORDINATOR, body);
    log.entries.push(entry.to_bytes());
    let report = audit(&log);
    let Fault::Inadmissible { reason, .. } = only_fault(&report) else { panic!() };
    assert_eq!(reason, &Invalid::NotApproved { request });
}

#[test]
fn after_an_inadmissible_entry_the_rest_is_hashed_and_not_believed() {
    let mut log = signed_log();
    let (index, _) = first(&log, |body| matches!(body, Body::EpochStarted { .. }));
    log.entries[index] = b"nonsense".to_vec();
    let report = audit(&log);
    let index = index as u64;
    assert_eq!(only_fault(&report), &Fault::Inadmissible { index, reason: Invalid::Malformed });
    assert_eq!((report.size, report.root), (report.checkpoint.size, report.checkpoint.root));
    assert_eq!(report.kinds.values().sum::<u64>(), index);
    assert!(report.signatures.is_empty());
}

#[test]
fn a_checkpoint_of_another_tree_is_a_fault_and_its_cosignatures_count_for_nothing() {
    let mut log = signed_log();
    let checkpoint = log.checkpoint(&["ada", "bob", "eve"]);
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
        let checkpoint = cosigned(log.checkpoint(&["ada", "bob", "eve"]), &[stranger]);
        let report = audit_with(&log, checkpoint.as_signed(), &mut NoDocuments);
        let name = line_name.parse().unwrap();
        assert_eq!(only_fault(&report), &Fault::Stranger { name });
    }
}

/// The cosignature of another checkpoint, put under this one.
#[test]
fn a_cosignature_of_another_checkpoint_is_a_fault_that_names_the_account() {
    let mut log = signed_log();
    let earlier = log.checkpoint(&["bob"]).to_string();
    let line = earlier.lines().last().unwrap();
    log.join("tom");
    let note = format!("{}{line}\n", log.checkpoint(&["ada"]));
    let report = audit_with(&log, &note.parse().unwrap(), &mut NoDocuments);
    assert_eq!(only_fault(&report), &Fault::Cosignature { account: name("bob") });
}

#[test]
fn an_account_with_an_unusable_cosigner_key_never_makes_a_log_final() {
    let mut log = Log::found(1);
    log.join("bob");
    let mut rng = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(7);
    let eve = AccountSecrets::generate(&mut rng);
    let mut keys = eve.public();
    // A point of small order: anybody could make signatures for it.
    keys.cosigner = PublicKey([0; 32]);
    log.join_with("eve", eve, keys);
    log.group("board", &["ada", "bob", "eve"], 2);

    let checkpoint = log.checkpoint(&["ada", "bob", "eve"]);
    let report = audit_with(&log, checkpoint.as_signed(), &mut NoDocuments);
    assert_eq!((report.verdict, report.faults.len()), (Verdict::NotFinal, 0));
    assert_eq!(report.groups[0].cosigned_by, [name("ada"), name("bob")]);
    let eve = report.accounts.iter().find(|account| account.name == name("eve")).unwrap();
    assert!(!eve.cosigns);
    assert!(report.lines().iter().any(|line| line.contains("of eve do not count")));
}

#[test]
fn sessions_that_made_no_key_are_reported_with_their_reason() {
    let mut log = Log::found(1);
    log.join("bob");
    log.join("eve");
    log.group("board", &["ada", "bob"], 2);
    let definition = log.state.group(&"board".parse().unwrap()).unwrap().definition.clone();
    let definition = quorate_ceremony::statement::GroupDefinition {
        name: "late".parse().unwrap(),
        ..definition
    };
    log.define(definition);
    let session = log.start_dkg("late", 1);
    let missing = [name("ada"), name("bob")].into();
    let reason = AbortReason::TimedOut { missing };
    log.by(COORDINATOR, Body::CeremonyAborted { session, reason: reason.clone() });
    log.start_dkg("late", 2);

    let report = audit(&log);
    let late = report.groups.iter().find(|group| group.name.as_str() == "late").unwrap();
    let outcomes: Vec<_> = late.sessions.iter().map(|session| &session.outcome).collect();
    let index = log.entries.len() as u64 - 2;
    let aborted = SessionOutcome::Aborted { index, reason };
    assert_eq!(outcomes, [&aborted, &SessionOutcome::Running]);
    // A group without a key has nothing that could be final.
    assert_eq!((late.verifying_key.as_ref(), report.verdict), (None, Verdict::Final));
}

#[test]
fn every_standing_of_a_request_is_told_apart() {
    let (mut log, _) = Log::with_signature(1, DOCUMENT, MESSAGE);
    log.join("tom");
    log.request("tom", "board", DOCUMENT);
    log.request("ada", "board", DOCUMENT);
    let rejected = log.request("ada", "board", DOCUMENT);
    for member in ["bob", "eve"] {
        log.by(member, Body::Refusal { request: rejected, reason: "no".to_owned() });
    }
    let approved = log.request("ada", "board", DOCUMENT);
    log.by("eve", Body::Approval { request: approved });
    let report = audit(&log);
    let standings: Vec<_> = report.requests.iter().map(|request| &request.standing).collect();
    assert!(
        matches!(
            standings.as_slice(),
            [
                Standing::Signed,
                Standing::Refused { .. },
                Standing::Open,
                Standing::Rejected,
                Standing::Approved
            ]
        ),
        "{standings:?}"
    );
    let counts = "5 requests: 1 signed, 1 approved, 1 open, 1 rejected, 0 lapsed, 1 refused by";
    assert!(report.lines().iter().any(|line| line.starts_with(counts)), "{:?}", report.lines());
}

#[test]
fn flipping_any_byte_of_any_entry_is_noticed_under_a_new_checkpoint() {
    let log = signed_log();
    for index in 0..log.entries.len() {
        for position in (index % 7..log.entries[index].len()).step_by(7) {
            let mut entries = log.entries.clone();
            entries[index][position] ^= 1;
            let checkpoint = log.checkpoint(&[]);
            let report =
                replay(entries, checkpoint.as_signed(), &Anchor::default(), &mut NoDocuments);
            let noticed = match report {
                Err(_) => index == 0,
                Ok(report) => report.faults.iter().any(|fault| fault.index() == Some(index as u64)),
            };
            assert!(noticed, "entry {index}, byte {position}");
        }
    }
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
