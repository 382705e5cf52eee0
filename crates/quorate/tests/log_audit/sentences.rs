//! The sentences in which `quorate log verify` reports an audit.

use std::collections::BTreeSet;

use quorate::render::audit::lines;
use quorate_ceremony::audit::{
    Anchor, AuditReport, Blame, Check, ConfirmationReport, Fault, ReusedNonces, SessionOutcome,
    SignatureFault, Verdict, replay,
};
use quorate_ceremony::document::{Documents, NotChecked, ToSign};
use quorate_ceremony::entry::AbortReason;
use quorate_ceremony::names::EntryId;
use quorate_ceremony::state::{Refused, RequestStage};
use quorate_protocol::{Identifier, keyshare};

use super::{EVERYBODY, signed_log, to_be_signed};
use quorate_ceremony::test_world::name;

/// Contains the document of every request.
struct Contract;

impl Documents for Contract {
    fn to_be_signed(&mut self, _: EntryId, _: &ToSign) -> Result<Vec<u8>, NotChecked> {
        Ok(to_be_signed())
    }
}

/// Returns the report of a genuine log with one signature.
fn report() -> AuditReport {
    let log = signed_log();
    let checkpoint = log.checkpoint(&EVERYBODY);
    replay(log.entries, checkpoint.as_signed(), &Anchor::default(), &mut Contract).unwrap()
}

fn report_with(change: impl FnOnce(&mut AuditReport)) -> AuditReport {
    let mut report = report();
    change(&mut report);
    report
}

/// Returns the lines, and checks that none is too long.
fn narrow(report: &AuditReport) -> Vec<String> {
    let lines = lines(report);
    assert!(lines.iter().all(|line| line.chars().count() <= 78), "{lines:?}");
    lines
}

/// Returns the report as one line.
fn text(report: &AuditReport) -> String {
    narrow(report).join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn has_line(report: &AuditReport, is_wanted: impl Fn(&str) -> bool) -> bool {
    narrow(report).iter().any(|line| is_wanted(line))
}

#[test]
fn a_report_ends_with_the_checks_of_its_signatures() {
    let lines = narrow(&report());
    let last = [
        "1 signature, with the signed statements of their signers.",
        "Every signature follows its request and its signers' approvals.",
        "Made of exactly their signers' shares: 1 of 1.",
        "Verified with the document, including each share: 1 of 1.",
    ];
    assert!(lines.ends_with(&last.map(str::to_owned)), "{lines:?}");
    assert!(lines.join(" ").contains("ada, ben and cyd"), "{lines:?}");
}

#[test]
fn without_an_anchor_the_report_names_the_source_of_identity() {
    let warned = |anchored| {
        let report = report_with(|report| report.anchored = anchored);
        narrow(&report).concat().contains("taken from its own genesis")
    };
    assert!(warned(false) && !warned(true));
}

#[test]
fn too_few_cosignatures_are_reported_first() {
    let report = report_with(|report| report.verdict = Verdict::NotFinal);
    assert!(narrow(&report)[1].contains("too few members"), "{report:?}");
}

#[test]
fn a_cosigner_that_does_not_count_is_named() {
    let report = report_with(|report| {
        let account = report.accounts.iter_mut().find(|account| account.name == name("cyd"));
        account.unwrap().cosigns = false;
    });
    assert!(has_line(&report, |line| line.contains("of cyd do not count")));
}

#[test]
fn the_first_twenty_faults_are_listed_and_the_others_counted() {
    for (count, more) in [(20, None), (21, Some("  - And 1 more."))] {
        let report = report_with(|report| {
            report.verdict = Verdict::Failed;
            let names = (0..count).map(|number| format!("example.org/witness-{number}"));
            let strangers = names.map(|name| Fault::Stranger { name: name.parse().unwrap() });
            report.faults = strangers.collect();
        });
        let lines = narrow(&report);
        assert!(lines[1].starts_with("  - The checkpoint carries a signature"), "{lines:?}");
        let found = lines.iter().find(|line| line.starts_with("  - And"));
        assert_eq!(found.map(String::as_str), more);
    }
}

#[test]
fn every_standing_of_a_request_is_counted() {
    let report = report_with(|report| {
        let signed = report.requests[0].clone();
        let refused = RequestStage::Refused {
            refused: Refused::NotAuthorized { requester: name("tom"), group: signed.group.clone() },
        };
        for standing in
            [refused, RequestStage::Open, RequestStage::Rejected, RequestStage::Approved]
        {
            let mut request = signed.clone();
            request.standing = standing;
            report.requests.push(request);
        }
    });
    let counts = "5 requests: 1 signed, 1 approved, 1 open, 1 rejected, 0 lapsed, 1 refused by";
    assert!(has_line(&report, |line| line.starts_with(counts)), "{:?}", narrow(&report));
}

#[test]
fn a_signature_without_its_document_is_counted_as_not_checked() {
    let report = report_with(|report| {
        report.signatures[0].document = Check::NotChecked { why: NotChecked::NoDocument };
    });
    assert!(has_line(&report, |line| line == "Not checked (document not at hand): 1."));
    assert!(has_line(&report, |line| line.ends_with("including each share: 0 of 1.")));
}

#[test]
fn a_report_never_calls_a_false_signature_valid() {
    let report = report_with(|report| {
        let why = SignatureFault::Share { account: name("ada") };
        let (index, request) = (report.signatures[0].index, report.signatures[0].request);
        report.verdict = Verdict::Failed;
        report.faults = vec![Fault::Signature { index, request, why }];
    });
    assert!(!has_line(&report, |line| line.starts_with("Each follows its request")));
}

#[test]
fn late_signatures_are_counted() {
    for late in [false, true] {
        let report = report_with(|report| report.signatures[0].late = late);
        let said = has_line(&report, |line| line == "Logged after the request had lapsed: 1.");
        assert_eq!(said, late);
    }
}

#[test]
fn the_member_that_used_nonces_twice_is_named() {
    let report = report_with(|report| {
        report.reused_nonces = vec![ReusedNonces { account: name("ada"), first: 7, second: 9 }];
    });
    assert!(has_line(&report, |line| line.starts_with("ada used one pair of nonces")));
}

/// Returns the report of a log whose only session was aborted.
fn aborted(reason: AbortReason, blame: Vec<Blame>) -> String {
    text(&report_with(|report| {
        let outcome = SessionOutcome::Aborted { index: 9, reason, blame };
        report.groups[0].sessions[0].outcome = outcome;
    }))
}

#[test]
fn blame_says_who_did_what_to_whom() {
    let of = |account: &str, fault, against: &str| {
        let culprits = BTreeSet::from([name(account)]);
        let blame = Blame { account: name(account), fault, against: Some(name(against)) };
        aborted(AbortReason::Fault { culprits }, vec![blame])
    };
    let (one, three) = (Identifier::try_from(1).unwrap(), Identifier::try_from(3).unwrap());
    let text = of("cyd", keyshare::Fault::WrongSubShare { recipient: one }, "ada");
    assert!(text.contains("that cyd sent a wrong sub-share to ada"), "{text}");
    let text = of("ada", keyshare::Fault::WrongComplaint { dealer: three }, "cyd");
    assert!(text.contains("that ada complained about cyd with an invalid proof."), "{text}");
}

#[test]
fn a_member_that_was_late_is_named_and_not_blamed() {
    let missing = BTreeSet::from([name("ada"), name("cyd")]);
    let text = aborted(AbortReason::TimedOut { missing }, Vec::new());
    assert!(text.contains("no message came from ada and cyd, which proves nothing"), "{text}");
}

/// Returns the report of a log in which these accounts had to see a change.
fn confirmation(confirmation: ConfirmationReport) -> String {
    text(&report_with(|report| report.groups[0].confirmations = vec![confirmation]))
}

#[test]
fn a_change_says_whether_the_previous_members_have_seen_it() {
    let few = ConfirmationReport {
        epoch: 2,
        repaired: None,
        index: 17,
        cosigned_by: vec![name("cyd")],
        needed: 3,
        confirmed: false,
        agreed: false,
    };
    let said = confirmation(few.clone());
    assert!(
        said.contains(
            "Too few previous members are known to have seen the change to epoch 2 (entry 17): cyd (1 of 3 needed)"
        ),
        "{said}"
    );
    let said = confirmation(ConfirmationReport { agreed: true, ..few.clone() });
    let agreed = "It was agreed by other means that enough previous members saw the change to epoch 2 (entry 17).";
    assert!(said.contains(agreed), "{said}");
    let said = confirmation(ConfirmationReport { confirmed: true, ..few.clone() });
    assert!(
        said.contains("Enough previous members confirmed the change to epoch 2 (entry "),
        "{said}"
    );
    let cosigned_by = vec![name("ada"), name("cyd")];
    let said = confirmation(ConfirmationReport { repaired: Some(name("ben")), cosigned_by, ..few });
    let line = "Too few previous members are known to have seen the repair of ben's share after \
                ben got new keys (entry 17): ada and cyd";
    assert!(said.contains(line), "{said}");
}
