//! Who approved and rejected a document, in one sentence and its details.

use quorate_ceremony::audit::{AuditReport, Decided, DecisionReport, Verdict};
use quorate_ceremony::state::RequestStage;

use super::{Page, Tone, list, plural, utc};
use crate::log_audit::{DocumentAnswer, DocumentRequest};

/// Describes who approved and rejected `file`, when, and with what result.
pub(crate) fn decisions_sentence(file: &str, found: &DocumentRequest) -> String {
    let approved = by(found, Decided::is_approval, |decision| {
        let time = utc(decision.at);
        format!("{} ({time})", decision.account)
    });
    let rejected = by(
        found,
        |decided| !decided.is_approval(),
        |decision| {
            let time = utc(decision.at);
            match &decision.decided {
                Decided::Rejected { reason } => {
                    format!("{} ({time}: {reason})", decision.account)
                }
                _ => format!("{} ({time})", decision.account),
            }
        },
    );
    format!("{file} was approved by {approved}, rejected by {rejected}, {}.", end(found))
}

/// Lists decisions that count and satisfy `wanted`.
fn by(
    found: &DocumentRequest,
    wanted: impl Fn(&Decided) -> bool,
    text: impl Fn(&DecisionReport) -> String,
) -> String {
    let decisions = found.request.decisions.iter();
    list(decisions.filter(|it| counts(found, it) && wanted(&it.decided)).map(text))
}

/// Whether a decision counts in the end. It does not if its author later left the group, was
/// suspended, or decided differently.
pub(crate) fn counts(found: &DocumentRequest, decision: &DecisionReport) -> bool {
    match decision.decided.is_approval() {
        true => found.request.approvals.contains(&decision.account),
        false => found.request.refusals.contains_key(&decision.account),
    }
}

/// Describes the result, as the end of a sentence.
fn end(found: &DocumentRequest) -> String {
    let request = &found.request;
    match (&request.standing, &found.signature) {
        (_, Some(signature)) => {
            format!("and signed by {} ({})", request.group, utc(signature.at))
        }
        (RequestStage::Rejected, _) => "and therefore not signed".to_owned(),
        (RequestStage::Expired, _) => {
            format!("and not signed: the request expired ({})", utc(request.asked.expires_at))
        }
        (RequestStage::Refused { refused }, _) => format!("and refused by rule: {refused}"),
        (RequestStage::Approved, _) => "and is not signed yet".to_owned(),
        _ => {
            let required = usize::from(request.approvals_required);
            let missing = required.saturating_sub(request.approvals.len());
            format!("and waits for {}", plural(missing, "more approval", "more approvals"))
        }
    }
}

pub(crate) fn decisions_tone(found: &DocumentRequest) -> Tone {
    match found.request.standing {
        RequestStage::Signed => Tone::Good,
        RequestStage::Open | RequestStage::Approved => Tone::Warn,
        _ => Tone::Bad,
    }
}

/// Describes the rule that decided.
pub(crate) fn rule(found: &DocumentRequest) -> String {
    let request = &found.request;
    let own = match request.requester_may_approve {
        true => "the request of a member counts as its approval",
        false => "the requester may not approve",
    };
    let approvals = usize::from(request.approvals_required);
    let approvals = plural(approvals, "approval", "approvals");
    let shares = found.signature.as_ref().map(|signature| {
        format!(
            "; the shares of any {} of {} members make a signature",
            signature.min_signers, signature.max_signers
        )
    });
    format!("{approvals} by members of {}; {own}{}", request.group, shares.unwrap_or_default())
}

/// Names a decision for a table.
pub(crate) fn decided(decision: &DecisionReport) -> String {
    match &decision.decided {
        Decided::ApprovedByAsking => "approved, by asking".to_owned(),
        Decided::Approved => "approved".to_owned(),
        Decided::Rejected { reason } => format!("rejected: {reason}"),
    }
}

/// Lists the entries of the log that the answer relies on.
pub(crate) fn entries(found: &DocumentRequest) -> Vec<(u64, String)> {
    let request = &found.request;
    let asked = (request.index, format!("request by {}", request.requester));
    let decisions = request.decisions.iter().filter(|it| it.index != request.index);
    let decisions = decisions.map(|decision| {
        let kind = if decision.decided.is_approval() { "approval" } else { "rejection" };
        (decision.index, format!("{kind} by {}", decision.account))
    });
    let signature = found.signature.as_ref().map(|it| (it.index, "signature".to_owned()));
    std::iter::once(asked).chain(decisions).chain(signature).collect()
}

/// Writes the sentence and the details of one request.
pub(crate) fn decisions(page: &mut Page, file: &str, sha256: &str, found: &DocumentRequest) {
    page.verdict(decisions_tone(found), decisions_sentence(file, found));
    let request = &found.request;
    page.field("request", request.id);
    page.field("asked by", format!("{}, {}", request.requester, utc(request.at)));
    if let Some(name) = found.file_name.as_deref().filter(|name| *name != file) {
        page.field("as file", name);
    }
    page.field("SHA-256", sha256);
    page.field("rule", rule(found));
    for decision in request.decisions.iter().filter(|it| !counts(found, it)) {
        page.field(
            "void",
            format!(
                "{}, {} ({}): {} later decided again, left the group, or was suspended or removed",
                decided(decision),
                decision.account,
                utc(decision.at),
                decision.account
            ),
        );
    }
    if let Some(signature) = &found.signature {
        page.field("signed by", format!("the shares of {}", list(&signature.signers)));
    }
    let entries: Vec<_> =
        entries(found).into_iter().map(|(index, what)| format!("{index} ({what})")).collect();
    page.field("entries", entries.join(", "));
}

/// Describes how far the log that the answer is from can be trusted.
pub(crate) fn trust_sentence(report: &AuditReport) -> String {
    let size = report.size;
    let checked = format!(
        "Every entry of the log (0 to {}) was checked: its author's signature, and whether the rules permit it.",
        size.saturating_sub(1)
    );
    let cosigned = list(report.checkpoint.cosigned_by.keys());
    let finality = match report.verdict {
        Verdict::Final => format!("The log is final: cosigned by {cosigned}."),
        _ => format!(
            "The log is not final: it is cosigned by {cosigned}, which is too few to exclude that others are shown a different log."
        ),
    };
    format!("{checked} {finality} Times are those of each author's machine.")
}

/// Describes a document about which a log contains nothing.
pub(crate) fn unknown_document(file: &str, answer: &DocumentAnswer) -> (String, Option<String>) {
    let sentence = format!("the log contains no request for a signature of {file}");
    if answer.unrecognised == 0 {
        return (sentence, None);
    }
    let requests = plural(answer.unrecognised, "unsigned request", "unsigned requests");
    (
        format!("{sentence}, as far as its documents can be recognised: {requests} cannot be"),
        Some("give the documents of a node or of the coordinator: --documents DIR".to_owned()),
    )
}
