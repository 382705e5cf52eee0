//! Proposed changes of groups for people.

use quorate_ceremony::entry::{AbortReason, GroupDefinition};
use quorate_ceremony::names::Timestamp;
use quorate_ceremony::state::SessionPhase;

use super::{Page, Tone, commas, list, list_or, plural, relative, rough, utc};
use crate::api::{ChangeView, SessionView};

/// Describes where a change stands, who is missing, and what happens next.
pub(crate) fn change_sentence(view: &ChangeView) -> String {
    if let Some(session) = &view.session {
        return under_way(session);
    }
    let group = &view.group;
    if !view.approved {
        return awaited_approvals(
            usize::from(view.approvals_required),
            view.approvals.len(),
            &view.refusals,
            &view.undecided,
        );
    }
    if !view.not_accepted.is_empty() {
        let who = list(&view.not_accepted);
        let id = view.id.short();
        return format!("Approved. Waiting for {who} to accept: quorate group approve {id}.");
    }
    if let Some(first) = view.suspended.first() {
        let are = if view.suspended.len() == 1 { "is" } else { "are" };
        return format!(
            "Approved, but {} {are} suspended and would receive a share: quorate account resume {first}; or withdraw the \
             change: quorate group cancel {group}.",
            list(&view.suspended)
        );
    }
    match view.offline.as_slice() {
        [] => {
            "Approved. The change starts as soon as enough holders of shares are online.".to_owned()
        }
        [one] => format!("Approved. The change starts when {one} is online."),
        many => format!("Approved. The change starts when {} are online.", list(many)),
    }
}

/// `Waiting for 1 approval of ada or ben: 1 of 2 so far.`
pub(crate) fn awaited_approvals(
    required: usize,
    approved: usize,
    rejected: &std::collections::BTreeMap<quorate_ceremony::names::AccountName, String>,
    undecided: &std::collections::BTreeSet<quorate_ceremony::names::AccountName>,
) -> String {
    let missing = required.saturating_sub(approved);
    let rejected = match rejected.is_empty() {
        true => String::new(),
        false => format!("; rejected by {}", list(rejected.keys())),
    };
    if undecided.is_empty() {
        return format!(
            "Needs {}, but no member that has not decided can act now: {approved} of {required} so far{rejected}.",
            plural(missing, "more approval", "more approvals"),
        );
    }
    format!(
        "Waiting for {} by {}: {approved} of {required} so far{rejected}.",
        plural(missing, "approval", "approvals"),
        if undecided.len() == missing { list(undecided) } else { list_or(undecided) },
    )
}

fn under_way(session: &SessionView) -> String {
    let SessionView { phase, missing, dealers_needed, repairs, .. } = session;
    let round = |number: u8, what: &str| {
        format!("Under way, round {number} of 5: waiting for {what} of {}.", list(missing))
    };
    match (phase, repairs) {
        (SessionPhase::Doomed(reason), _) => doomed(session, reason),
        (SessionPhase::Committing, Some(member)) => {
            let (itself, helpers): (Vec<_>, Vec<_>) =
                missing.iter().partition(|name| *name == member);
            let mut who = Vec::new();
            if !itself.is_empty() {
                who.push(format!("of {member}"));
            }
            if !helpers.is_empty() {
                let helpers = list_or(helpers);
                who.push(format!("of {helpers}, of whom {dealers_needed} are enough"));
            }
            let who = who.join(", and ");
            format!("Under way, round 1 of 5: waiting for announcements {who}.")
        }
        (SessionPhase::Revealing, Some(_)) => round(2, "sealed summands"),
        (SessionPhase::Summing, Some(_)) => round(3, "sealed sums"),
        (SessionPhase::Judging, Some(_)) => round(4, "acknowledgement"),
        (SessionPhase::Certifying | SessionPhase::Activating, Some(_)) => round(5, "certification"),
        (SessionPhase::Committing, None) => round(1, "announcements"),
        (SessionPhase::Revealing, None) => format!(
            "Under way, round 2 of 5: waiting for the sealed shares of {}; {dealers_needed} are enough.",
            list_or(missing)
        ),
        (SessionPhase::Summing | SessionPhase::Judging, None) => round(3, "acknowledgements"),
        (SessionPhase::Certifying, None) => round(4, "certifications"),
        (SessionPhase::Activating, None) => {
            "Under way, round 5 of 5: the new shares are proved by a signature.".to_owned()
        }
    }
}

/// Describes a session that cannot succeed and is about to end.
fn doomed(session: &SessionView, reason: &AbortReason) -> String {
    match session.is_tried_again {
        true => format!("It is tried again: {reason}."),
        false => format!("It failed: {reason}."),
    }
}

/// A label, the present value, and the proposed value.
pub(crate) type Difference = (&'static str, String, String);

/// Returns all differences except in the members, because an approval covers all of them.
fn differences(now: &GroupDefinition, after: &GroupDefinition) -> Vec<Difference> {
    let figures = |of: &GroupDefinition| {
        [
            ("sign", format!("any {} of {}", of.min_signers, of.members.len())),
            ("approve a request", of.policy.rule.approvals_required.to_string()),
        ]
    };
    [differing(figures(now), figures(after)), rule_differences(now, after)].concat()
}

/// Returns the differences except in the members, min_signers and approvals of requests.
pub(crate) fn rule_differences(now: &GroupDefinition, after: &GroupDefinition) -> Vec<Difference> {
    let rules = |of: &GroupDefinition| {
        let policy = &of.policy;
        let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let changes = policy.governance.changes_required.unwrap_or(of.min_signers);
        [
            ("approve a change", changes.to_string()),
            ("requester's own", yes(policy.rule.requester_may_approve)),
            ("nodes, automatically", yes(policy.rule.auto_approve)),
            ("requests expire in", rough(policy.rule.expiry / 1000)),
            (
                "new shares",
                policy.governance.refresh_every.map_or("when asked for".to_owned(), |every| {
                    format!("every {}", rough(every / 1000))
                }),
            ),
            ("formats", commas(&policy.formats)),
            (
                "documents",
                policy.delete_documents_after.map_or("kept".to_owned(), |after| {
                    format!("deleted {} after the end", rough(after / 1000))
                }),
            ),
            ("document types", commas(&of.document_types)),
        ]
    };
    differing(rules(now), rules(after))
}

fn differing<const N: usize>(
    now: [(&'static str, String); N],
    after: [(&'static str, String); N],
) -> Vec<Difference> {
    let pairs = now.into_iter().zip(after);
    let differing = pairs.filter(|((_, now), (_, after))| now != after);
    differing.map(|((label, now), (_, after))| (label, now, after)).collect()
}

/// Writes a proposed change of a group.
pub(crate) fn change(page: &mut Page, view: &ChangeView, now: Timestamp) {
    let what = match (&view.repairs, view.now == view.after) {
        _ if view.retires => format!("{}: retire the group", view.group),
        (Some(member), _) => format!("{}: restore the lost share of {member}", view.group),
        (None, true) => format!("{}: new shares for the same members", view.group),
        (None, false) => format!(
            "{}: any {} of {} members sign",
            view.group,
            view.after.min_signers,
            view.after.members.len()
        ),
    };
    page.verdict(Tone::Warn, format!("{}  {what}, {} proposes", view.id.short(), view.proposer));
    page.note(change_sentence(view));
    if view.retires {
        page.note(
            "This cannot be undone: the members destroy their shares, nobody can sign with this key \
             again, and open requests end. What was signed stays valid.",
        );
    }
    if let (Some(member), Some(shown)) = (&view.repairs, view.share_shown) {
        page.note(format!(
            "The log shows that the node of {member} proved its share {}. Approve only after checking with {member}, in \
             person or by phone, that it is lost.",
            relative(now, shown)
        ));
    }
    if !view.added.is_empty() {
        page.wide_field("join", commas(&view.added));
    }
    if !view.removed.is_empty() {
        page.wide_field("leave", commas(&view.removed));
    }
    if !view.regains.is_empty() {
        page.wide_field("new keys", commas(&view.regains));
        let who = list(&view.regains);
        page.note(format!(
            "An admin gave {who} new keys. Approve only after checking with {who} in person or by phone."
        ));
    }
    for (label, now, after) in differences(&view.now, &view.after) {
        page.wide_field(label, format!("{after} (now: {now})"));
    }
    for (account, reason) in &view.refusals {
        page.wide_field("rejected by", format!("{account}: {reason}"));
    }
    page.wide_field(
        "expires",
        format!("{} ({})", utc(view.expires_at), relative(now, view.expires_at)),
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp(100 * DAY);
    const DAY: u64 = 24 * 3_600_000;

    #[test]
    fn a_label_never_runs_into_its_value() {
        let definition = |min_signers: u16, auto_approve: bool| {
            json!({
                "name": "board", "suite": "frost-ed25519-sha512", "min_signers": min_signers,
                "members": ["ada", "ben", "eve"], "document_types": [],
                "policy": {
                    "rule": {
                        "approvals_required": min_signers, "requester_may_approve": !auto_approve,
                        "auto_approve": auto_approve, "expiry": u64::from(min_signers) * DAY,
                    },
                    "governance": {},
                    "formats": if auto_approve { vec!["raw"] } else { vec!["ssh:file", "raw"] },
                },
            })
        };
        let view: ChangeView = serde_json::from_value(json!({
            "id": "ab".repeat(32), "group": "board", "proposer": "ada",
            "refresh": false, "now": definition(2, false), "after": definition(3, true),
            "added": [], "removed": [], "approved": false, "approvals_required": 2, "approvals": ["ada"],
            "refusals": {}, "undecided": ["ben"], "not_accepted": [], "decides": true, "accepts": false,
            "expires_at": NOW, "repairs": "eve", "share_shown": NOW.0 - 3_600_000 * 3,
        }))
        .unwrap();
        let shown = Page::text_of(|page| change(page, &view, NOW));
        for line in [
            "approve a request    3 (now: 2)",
            "approve a change     3 (now: 2)",
            "requests expire in   3 days (now: 2 days)",
            "nodes, automatically yes (now: no)",
            "formats              raw (now: raw, ssh:file)",
            "The log shows that the node of eve proved its share 3 hours ago.",
        ] {
            assert!(shown.contains(line), "{line}: {shown}");
        }
    }
}
