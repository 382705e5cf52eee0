//! An audit's report in sentences.

use quorate_ceremony::audit::{
    AuditReport, Blame, Check, ConfirmationReport, Fault, GroupReport, ReplacementReport,
    ReusedNonces, SessionOutcome, SignatureReport, Verdict,
};
use quorate_ceremony::document::NotChecked;
use quorate_ceremony::entry::AbortReason;
use quorate_ceremony::state::RequestStage;
use quorate_protocol::keyshare;

use super::text::{list, plural};

/// The most characters in a line.
const WIDTH: usize = 78;
/// The most faults that are listed. The first one explains most.
const MAX_FAULTS: usize = 20;

/// Renders the report in lines of at most 78 characters, the verdict first.
///
/// The lines contain no control characters, whatever the log contains.
pub fn lines(report: &AuditReport) -> Vec<String> {
    let mut page = Page::default();
    page.say(0, &verdict(report));
    for fault in report.faults.iter().take(MAX_FAULTS) {
        page.say(2, &format!("- {}.", capitalised(&fault.to_string())));
    }
    if let Some(more) = report.faults.len().checked_sub(MAX_FAULTS).filter(|more| *more > 0) {
        page.say(2, &format!("- And {more} more."));
    }
    identity(report, &mut page);
    contents(report, &mut page);
    for group in &report.groups {
        page.say(0, "");
        group_lines(group, &mut page);
    }
    page.say(0, "");
    requests(report, &mut page);
    signatures(report, &mut page);
    page.0
}

fn verdict(report: &AuditReport) -> String {
    let name = &report.name;
    match report.verdict {
        Verdict::Final => format!(
            "The log of \"{name}\" holds: all that was checked is true, and it is final: enough members of every \
             group cosigned it."
        ),
        Verdict::NotFinal => format!(
            "The log of \"{name}\" holds: all that was checked is true. But it is not final: too few members \
             cosigned it to rule out that others are shown another log."
        ),
        Verdict::Failed => format!("The log of \"{name}\" DOES NOT HOLD:"),
    }
}

fn identity(report: &AuditReport, page: &mut Page) {
    page.say(0, "");
    page.say(0, &format!("IVN     {}", report.ivn));
    if !report.anchored {
        page.say(
            0,
            "The identity of the log was taken from its own genesis: compare the IVN id with one that you have \
             from somebody you trust.",
        );
    }
    page.say(0, &format!("Root    {}", report.root));
}

fn replaced(replacement: &ReplacementReport) -> String {
    let ReplacementReport { index, history, reason, votes, .. } = replacement;
    let abandoned: Vec<_> = votes
        .iter()
        .filter_map(|(name, tree)| Some(format!("{name} one of {} entries", (*tree)?.size)))
        .collect();
    let abandoned = match abandoned.as_slice() {
        [] => String::new(),
        some => format!(" They abandoned other histories: {}.", list(some)),
    };
    format!(
        "With entry {index}, {} replaced the coordinator after {} entries: {reason}.{abandoned}",
        list(votes.keys()),
        history.size
    )
}

fn contents(report: &AuditReport, page: &mut Page) {
    let kinds: Vec<_> =
        report.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    page.say(0, &format!("{} entries: {}.", report.size, kinds.join(", ")));
    let accounts: Vec<_> = report.accounts.iter().map(|account| &account.name).collect();
    page.say(
        0,
        &format!("{}: {}.", plural(accounts.len(), "account", "accounts"), list(&accounts)),
    );
    for replacement in &report.replacements {
        page.say(0, &replaced(replacement));
    }
    for account in report.accounts.iter().filter(|account| !account.cosigns) {
        page.say(
            0,
            &format!(
                "The cosignatures of {} do not count: it is suspended, or its cosigner key is unusable.",
                account.name
            ),
        );
    }
    let cosigners: Vec<_> = report.checkpoint.cosigned_by.keys().collect();
    let signed = if report.checkpoint.signed_by_log { "signed" } else { "NOT signed" };
    page.say(
        0,
        &format!(
            "The checkpoint of {} entries is {signed} by the log's key and cosigned by {}.",
            report.checkpoint.size,
            list(&cosigners)
        ),
    );
}

fn group_lines(group: &GroupReport, page: &mut Page) {
    let members: Vec<_> = group.members.iter().collect();
    page.say(
        0,
        &format!(
            "Group \"{}\": {} of {} sign ({}).",
            group.name,
            group.min_signers,
            members.len(),
            list(&members)
        ),
    );
    for session in &group.sessions {
        let attempt = session.attempt;
        let certified: Vec<_> = session.certified_by.iter().collect();
        let (kind, made) = match (&session.repairs, session.epoch) {
            (Some(account), epoch) => {
                ("Repair session", format!("the share of {account} of epoch {epoch}"))
            }
            (None, 1) => ("DKG session", "the key".to_owned()),
            (None, epoch) => ("Reshare session", format!("the shares of epoch {epoch}")),
        };
        let sentence = match &session.outcome {
            SessionOutcome::Running => format!("{kind} {attempt} is running."),
            SessionOutcome::Aborted { index, reason, blame } => format!(
                "{kind} {attempt} ended without {made}, as entry {index} records: {}.",
                aborted(reason, blame)
            ),
            SessionOutcome::Repaired { index, account } => {
                format!(
                    "{kind} {attempt} restored {made}, as {account} certified in entry {index}."
                )
            }
            SessionOutcome::Key { index, .. } => format!(
                "{kind} {attempt} made {made}, in use from entry {index}. The transcript was recomputed \
                 from the messages; {} certified exactly this one.",
                list(&certified)
            ),
        };
        page.say(2, &sentence);
    }
    for change in &group.changes {
        let members: Vec<_> = change.proposal.definition.members.iter().collect();
        let what = match &change.proposal.repairs {
            _ if change.proposal.retires => "the group be retired".to_owned(),
            Some(member) => format!("{member} get its lost share back"),
            None => {
                let (min_signers, names) = (change.proposal.definition.min_signers, list(&members));
                format!("{min_signers} of {} sign ({names})", members.len())
            }
        };
        page.say(2, &format!("{} proposed that {what}: {}.", change.proposer, change.end));
    }
    for past in &group.past_epochs {
        let lost: Vec<_> = past.lost.iter().collect();
        if !lost.is_empty() {
            let what = format!(
                "It is not known what happened to the share of epoch {} of {}: the keys were replaced, or the account was removed.",
                past.epoch,
                list(&lost)
            );
            page.say(2, &what);
        }
        let kept: Vec<_> = past
            .holders
            .difference(&past.destroyed)
            .filter(|it| !past.lost.contains(*it))
            .collect();
        if !kept.is_empty() {
            page.say(
                2,
                &format!(
                    "{} did not state that the share of epoch {} is destroyed.",
                    list(&kept),
                    past.epoch
                ),
            );
        }
    }
    let Some(key) = &group.verifying_key else { return page.say(2, "It has no key.") };
    page.say(2, &format!("Key     {key}"));
    let cosigned: Vec<_> = group.cosigned_by.iter().collect();
    let needed = group.cosignatures_for_final;
    group
        .confirmations
        .iter()
        .for_each(|confirmation| page.say(2, &confirmation_line(confirmation)));
    let finality = if group.is_final { "final" } else { "NOT final" };
    page.say(
        2,
        &format!(
            "For this group the log is {finality}: cosigned by {} ({} of {needed} needed).",
            list(&cosigned),
            cosigned.len()
        ),
    );
}

fn requests(report: &AuditReport, page: &mut Page) {
    let standing = |wanted: &dyn Fn(&RequestStage) -> bool| {
        report.requests.iter().filter(|request| wanted(&request.standing)).count()
    };
    let some = |count, what| match count {
        0 => String::new(),
        count => format!("{count} {what}, "),
    };
    let withdrawn = some(standing(&|s| matches!(s, RequestStage::Withdrawn)), "withdrawn");
    let retired = standing(&|s| matches!(s, RequestStage::GroupRetired));
    let withdrawn = withdrawn + &some(retired, "of a group retired before it signed");
    page.say(
        0,
        &format!(
            "{}: {} signed, {} approved, {} open, {} rejected, {withdrawn}{} lapsed, {} refused by rule.",
            plural(report.requests.len(), "request", "requests"),
            standing(&|s| matches!(s, RequestStage::Signed)),
            standing(&|s| matches!(s, RequestStage::Approved)),
            standing(&|s| matches!(s, RequestStage::Open)),
            standing(&|s| matches!(s, RequestStage::Rejected)),
            standing(&|s| matches!(s, RequestStage::Expired)),
            standing(&|s| matches!(s, RequestStage::Refused { .. })),
        ),
    );
}

fn signatures(report: &AuditReport, page: &mut Page) {
    if report.signatures.is_empty() {
        return;
    }
    let count = |wanted: &dyn Fn(&SignatureReport) -> bool| {
        report.signatures.iter().filter(|signature| wanted(signature)).count()
    };
    let all = report.signatures.len();
    page.say(
        0,
        &format!(
            "{}, with the signed statements of their signers.",
            plural(all, "signature", "signatures")
        ),
    );
    if !report.faults.iter().any(|fault| matches!(fault, Fault::Signature { .. })) {
        page.say(0, "Every signature follows its request and its signers' approvals.");
    }
    let sums = count(&|s| s.sum == Check::Verified);
    page.say(0, &format!("Made of exactly their signers' shares: {sums} of {all}."));
    let verified = count(&|s| s.document == Check::Verified);
    page.say(0, &format!("Verified with the document, including each share: {verified} of {all}."));
    for why in [
        NotChecked::NoDocument,
        NotChecked::UnreadableDocument,
        NotChecked::OtherDocument,
        NotChecked::UnknownFormat,
        NotChecked::FailedBefore,
    ] {
        let unchecked = count(&|s| s.document == Check::NotChecked { why });
        if unchecked > 0 {
            page.say(0, &format!("Not checked ({why}): {unchecked}."));
        }
    }
    for ReusedNonces { account, first, second } in &report.reused_nonces {
        page.say(
            0,
            &format!(
                "{account} used one pair of nonces in the signatures of entries {first} and {second}: anyone \
                 with this log can compute {account}'s share of the key. Make a new key without it."
            ),
        );
    }
    let late = count(&|s| s.late);
    if late > 0 {
        page.say(0, &format!("Logged after the request had lapsed: {late}."));
    }
}

/// Explains why a session was aborted.
fn aborted(reason: &AbortReason, blame: &[Blame]) -> String {
    if blame.is_empty() {
        return reason.to_string();
    }
    let did: Vec<String> = blame.iter().map(blamed).collect();
    format!("the messages prove that {}", did.join(", and that "))
}

/// Describes what a member provably did.
fn blamed(blame: &Blame) -> String {
    let Blame { account, fault, against } = blame;
    let Some(against) = against else { return format!("{account} {fault}") };
    match fault {
        keyshare::Fault::WrongSubShare { .. } => {
            format!("{account} sent a wrong sub-share to {against}")
        }
        keyshare::Fault::WrongComplaint { .. } => {
            format!("{account} complained about {against} with an invalid proof")
        }
        keyshare::Fault::FalseComplaint { .. } => {
            format!("{account} complained about {against} without a reason")
        }
        fault => format!("{account} {fault} ({against})"),
    }
}

fn capitalised(sentence: &str) -> String {
    let mut characters = sentence.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

/// The lines of the report.
#[derive(Default)]
struct Page(Vec<String>);

impl Page {
    /// Adds a paragraph that is indented by `indent` columns, and its further lines by two more.
    fn say(&mut self, indent: usize, paragraph: &str) {
        let mut line = " ".repeat(indent);
        let mut empty = true;
        for word in paragraph.split(' ') {
            let word: Vec<char> = word
                .chars()
                .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
                .collect();
            for piece in word.chunks(WIDTH - indent - 2) {
                let space = usize::from(!empty);
                if !empty && line.chars().count() + space + piece.len() > WIDTH {
                    self.0.push(std::mem::replace(&mut line, " ".repeat(indent + 2)));
                } else if !empty {
                    line.push(' ');
                }
                line.extend(piece);
                empty = false;
            }
            // Columns are aligned with more than one space.
            if word.is_empty() && !empty {
                line.push(' ');
            }
        }
        self.0.push(line.trim_end().to_owned());
    }
}

/// Reports whether enough previous members confirmed a change.
fn confirmation_line(confirmation: &ConfirmationReport) -> String {
    let index = confirmation.index;
    let change = match &confirmation.repaired {
        Some(name) => {
            format!("the repair of {name}'s share after {name} got new keys (entry {index})")
        }
        None => format!("the change to epoch {} (entry {index})", confirmation.epoch),
    };
    if confirmation.confirmed {
        return format!("Enough previous members confirmed {change}.");
    }
    if confirmation.agreed {
        return format!("It was agreed by other means that enough previous members saw {change}.");
    }
    let cosigned: Vec<_> = confirmation.cosigned_by.iter().collect();
    format!(
        "Too few previous members are known to have seen {change}: {} ({} of {} needed). The others may have been \
         shown a log without it.",
        list(&cosigned),
        cosigned.len(),
        confirmation.needed
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(indent: usize, paragraph: &str) -> Vec<String> {
        let mut page = Page::default();
        page.say(indent, paragraph);
        page.0
    }

    #[test]
    fn lines_are_never_longer_than_78_characters() {
        for paragraph in ["x ".repeat(200), "y".repeat(500), format!("a {} b", "ü".repeat(300))] {
            for indent in [0, 2] {
                let lines = said(indent, &paragraph);
                assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{lines:?}");
                let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
                assert_eq!(letters(&lines.concat()), letters(&paragraph));
            }
        }
    }

    #[test]
    fn columns_stay_aligned_and_empty_lines_empty() {
        assert_eq!(said(2, "Key     ab"), ["  Key     ab"]);
        assert_eq!(said(0, ""), [""]);
    }

    #[test]
    fn a_log_can_not_control_the_terminal() {
        assert_eq!(said(0, "a\u{1b}[2Jb\nc\u{9b}d"), ["a\u{fffd}[2Jb\u{fffd}c\u{fffd}d"]);
    }

    #[test]
    fn the_rest_of_a_line_that_does_not_fit_is_indented() {
        let (most, rest) = ("a".repeat(WIDTH - 5), "b".repeat(4));
        assert_eq!(said(0, &format!("{most} {rest}")), [format!("{most} {rest}")]);
        assert_eq!(said(0, &format!("{most} {rest}b")), [most, format!("  {rest}b")]);
        let most = "a".repeat(WIDTH - 4);
        assert_eq!(said(2, &format!("{most} bb")), [format!("  {most}"), "    bb".to_owned()]);
    }
}
