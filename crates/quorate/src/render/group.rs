//! Groups for people: their state, their shares, and how the latest change ended.

use quorate_ceremony::entry::AbortReason;
use quorate_ceremony::names::{AccountName, GroupName, Timestamp};
use quorate_ceremony::state::{ChangeEnd, Health, PastChange, SessionPhase, Unable};

use super::share::{hindered, shares, signing};
use super::{Page, Tone, clause, commas, list, relative, rough, utc};
use crate::api::{
    GroupStage, GroupView, MemberView, RefreshView, SessionView, Share, SigningStage, UnusedView,
};

pub(crate) fn group_tone(view: &GroupView) -> Tone {
    match view.state {
        GroupStage::Ready => match view.signing {
            Some(SigningStage::TooFewShares) => Tone::Bad,
            Some(SigningStage::TooFewOnline) => Tone::Warn,
            _ if view.lacks_share => Tone::Warn,
            Some(SigningStage::Ready | SigningStage::Unknown) | None => Tone::Good,
        },
        GroupStage::Failed => Tone::Bad,
        GroupStage::Retired => Tone::Faint,
        GroupStage::Defined
        | GroupStage::Accepted
        | GroupStage::Generating
        | GroupStage::Certifying
        | GroupStage::Activating => Tone::Warn,
    }
}

/// Describes where a group stands, in one sentence.
pub(crate) fn group_sentence(view: &GroupView) -> String {
    if view.state == GroupStage::Retired {
        return retired(view);
    }
    signing(view).map_or_else(|| making(view), |(sentence, _)| sentence)
}

/// Advises on a group that cannot sign, or whose share this node lacks.
pub(crate) fn group_advice(view: &GroupView) -> Option<String> {
    signing(view)?.1
}

fn retired(view: &GroupView) -> String {
    let GroupView { name, kept_by, .. } = view;
    match kept_by.is_empty() {
        true => format!("{name} is retired: its members state that they destroyed their shares."),
        false => format!(
            "{name} is retired: it signs nothing any more. The node of {} has not stated yet that it destroyed its share.",
            list(kept_by)
        ),
    }
}

/// Describes how far the key generation of a group is.
fn making(view: &GroupView) -> String {
    let name = &view.name;
    let names = |of: fn(&MemberView) -> bool| {
        let members = view.members.iter().filter(move |member| of(member));
        members.map(|member| &member.account).collect::<Vec<_>>()
    };
    if let Some(SessionView { phase, missing, .. }) = &view.session {
        let waiting = |round: u8, what: &str| {
            let missing = list(missing);
            format!("{name}: key generation, round {round} of 5: waiting for {what} of {missing}.")
        };
        return match phase {
            SessionPhase::Committing => waiting(1, "hash commitments"),
            SessionPhase::Revealing => waiting(2, "sealed shares"),
            SessionPhase::Summing => waiting(3, "sealed sums"),
            SessionPhase::Judging => waiting(3, "acknowledgements"),
            SessionPhase::Certifying => waiting(4, "certifications"),
            SessionPhase::Activating => format!(
                "{name}: key generation, round 5 of 5: any {} members prove the new key by a \
                 signature.",
                view.min_signers
            ),
            SessionPhase::Doomed(reason) => aborted(name, reason),
        };
    }
    if let Some(stopped) = view.stopped.as_ref().filter(|stopped| !stopped.is_tried_again) {
        return aborted(name, &stopped.reason);
    }
    let not_accepted = names(|member| !member.accepted);
    let offline = names(|member| !member.online);
    match (not_accepted.is_empty(), offline.len()) {
        (false, _) => format!("{name} waits for {} to accept its definition.", list(not_accepted)),
        (true, 0) => format!("{name}: key generation is about to start."),
        (true, count) => format!(
            "{name}: key generation starts when all members are online; {} {} missing.",
            list(offline),
            if count == 1 { "is" } else { "are" },
        ),
    }
}

fn aborted(name: &GroupName, reason: &AbortReason) -> String {
    match reason {
        AbortReason::TimedOut { missing } => format!(
            "{name}: key generation stopped because {} did not answer in time; it starts again when all are online.",
            list(missing)
        ),
        AbortReason::Restarted { nodes } => format!(
            "{name}: key generation starts again because the node of {} restarted.",
            list(nodes)
        ),
        AbortReason::Fault { culprits } => format!(
            "{name}: key generation failed: {} broke the protocol, as the log proves. Define the group again without them.",
            list(culprits)
        ),
        AbortReason::Dissent { dissenters } => format!(
            "{name}: key generation failed: {} received messages that differ from those in the log. Check whether the coordinator shows everybody the same log.",
            list(dissenters)
        ),
        AbortReason::RosterChanged { account } => format!(
            "{name}: key generation stopped because {account} was suspended, removed, or given new keys."
        ),
        AbortReason::Cancelled => format!(
            "{name}: key generation was cancelled by an admin. Define the group again to start over."
        ),
    }
}

/// Describes what a member's node is doing for its group.
pub(crate) fn member_state(group: &GroupView, member: &MemberView) -> (Tone, &'static str) {
    let is_waiting = match group.state {
        GroupStage::Defined if !member.accepted => {
            return (
                Tone::Warn,
                if member.online {
                    "has to accept the group"
                } else {
                    "offline, has to accept the group"
                },
            );
        }
        GroupStage::Defined => {
            return (Tone::Good, if member.online { "accepted" } else { "offline, accepted" });
        }
        GroupStage::Accepted | GroupStage::Ready | GroupStage::Failed | GroupStage::Retired => {
            false
        }
        GroupStage::Generating | GroupStage::Certifying | GroupStage::Activating => member.awaited,
    };
    match (is_waiting, member.online) {
        (true, true) => (Tone::Warn, "working"),
        (true, false) => (Tone::Bad, "offline, waited for"),
        (false, true) if group.state.is_final() => (Tone::Good, "online"),
        (false, true) => (Tone::Good, "online, done for now"),
        (false, false) => (Tone::Faint, "offline"),
    }
}

/// Describes what a member's node is doing, and the state of its share. The worse of the two
/// determines the tone.
fn member_line(group: &GroupView, member: &MemberView, now: Timestamp) -> (Tone, String) {
    let (tone, state) = member_state(group, member);
    let (worse, share) = match member.share {
        None => return (tone, state.to_owned()),
        Some(Share::Missing) => (Tone::Bad, "this node has no share".to_owned()),
        Some(Share::Shown(Health::Healthy { proved })) => {
            return (tone, format!("{state}; share proved {}", relative(now, proved)));
        }
        Some(Share::Shown(Health::Silent { proved })) => {
            let seconds = now.0.saturating_sub(proved.0) / 1000;
            (Tone::Warn, format!("share not proved for {}", rough(seconds)))
        }
        Some(Share::Shown(Health::Doubled)) => {
            (Tone::Bad, "two copies of its node run, and neither signs".to_owned())
        }
        // A removed account is never online again, so that is not reported.
        Some(Share::Shown(Health::Unable(why @ Unable::Removed))) => {
            return (Tone::Bad, why.to_string());
        }
        Some(Share::Shown(Health::Unable(why))) => (Tone::Bad, why.to_string()),
    };
    (worse, format!("{state}; {share}"))
}

/// Describes when new shares are made automatically, or why not.
fn refresh_line(name: &GroupName, view: &RefreshView, now: Timestamp) -> String {
    let when = match view.due >= now {
        true => format!("next {}", relative(now, view.due)),
        false => {
            format!("overdue since {} ({})", utc(view.due), relative(now, view.due))
        }
    };
    match hindered(name, &view.hindered_by) {
        None => when,
        Some((why, _)) => format!("{when}, but not automatically, because {why}"),
    }
}

pub(crate) fn group(page: &mut Page, view: &GroupView, now: Timestamp) {
    page.verdict(group_tone(view), group_sentence(view));
    if let Some(advice) = group_advice(view) {
        page.advice(advice);
    }
    page.field("signs with", format!("any {} of {} members", view.min_signers, view.max_signers));
    let types = match view.document_types.is_empty() {
        true => "any file (sign it without --type)".to_owned(),
        false => format!("documents of type {}", commas(&view.document_types)),
    };
    page.field("signs", types);
    let policy = &view.policy;
    page.field("formats", commas(&policy.formats));
    if policy.formats.iter().any(|format| format.name() == "raw") {
        page.note(
            "A raw signature is valid wherever the group's key is trusted, for anything that the signed bytes mean. \
             No node approves one automatically.",
        );
    }
    if policy.formats.iter().any(|format| format.name() == "ssh-agent") {
        page.note(
            "With ssh-agent, the group logs in to every server that accepts its key, and makes SSH signatures \
             over documents of which members see only the hash. No node approves one automatically.",
        );
    }
    let mut rule = format!("{} approvals", policy.rule.approvals_required);
    rule.push_str(match policy.rule.requester_may_approve {
        true => ", the requester's own counts",
        false => ", not by the requester",
    });
    if policy.rule.auto_approve {
        rule.push_str(", nodes may approve automatically");
    }
    page.field(
        "a request",
        format!("needs {rule}; expires after {}", rough(policy.rule.expiry / 1000)),
    );
    if let Some(after) = policy.delete_documents_after {
        let after = rough(after / 1000);
        page.field("documents", format!("deleted {after} after the end of their request"));
    }
    if let Some(required) = policy.governance.changes_required {
        page.field("a change", format!("needs {required} approvals"));
    }
    if let Some(key) = &view.verifying_key {
        page.field("key", key);
    }
    if let Some(epoch) = view.epoch.filter(|epoch| *epoch > 1) {
        page.field("shares", format!("epoch {epoch}; those of earlier epochs no longer work"));
    }
    if view.signing.is_some() {
        page.field("health", shares(view, now));
    }
    if let Some(every) = policy.governance.refresh_every {
        let refresh = view.refresh.as_ref();
        let next = refresh.map(|refresh| format!("; {}", refresh_line(&view.name, refresh, now)));
        let next = next.unwrap_or_default();
        page.field("new shares", format!("every {}, automatically{next}", rough(every / 1000)));
        let hindered = refresh.and_then(|refresh| hindered(&view.name, &refresh.hindered_by));
        if let Some((_, advice)) = hindered {
            page.advice(advice);
        }
    }
    if let Some(past) =
        view.past_change.as_ref().filter(|past| !is_done(past) && view.change.is_none())
    {
        page.field("last change", past_change(past));
    }
    if let Some(unused) = unused(view) {
        page.field("unused", unused);
    }
    if view.min_signers == view.max_signers {
        page.note(
            "Every member must sign, so the group can never sign again if one share is lost. A min_signers below the number of members avoids this.",
        );
    }
    page.title("Members");
    for member in &view.members {
        let (tone, line) = member_line(view, member, now);
        page.item(tone, format!("{}: {line}", member.account));
    }
    if let Some(pending) = &view.change {
        page.blank();
        super::change(page, pending, now);
    }
}

/// Describes shares that were made and are not in use, and when they are destroyed.
pub(crate) fn unused(view: &GroupView) -> Option<String> {
    let UnusedView { certified, holders, min_signers } = view.unused.as_ref()?;
    let share = if certified.len() == 1 { "a new share" } else { "new shares" };
    let others =
        if certified.len() < *holders { "; the others may have theirs as well" } else { "" };
    Some(format!(
        "{} of {holders} certified that they have {share} ({}){others}. These shares are not in use and will be \
         destroyed by the next successful change. To do that now: `quorate group refresh {}`. Until then, any \
         {min_signers} members who extract theirs could sign together",
        certified.len(),
        commas(certified),
        view.name
    ))
}

pub(crate) fn is_done(past: &PastChange) -> bool {
    matches!(past.end, ChangeEnd::Done { .. } | ChangeEnd::Repaired { .. } | ChangeEnd::Retired)
}

/// Describes how a change ended, as a clause.
pub(crate) fn change_end(past: &PastChange) -> String {
    match &past.end {
        ChangeEnd::Rejected if !past.refusals.is_empty() => {
            let by = past.refusals.iter().map(|(name, reason)| format!("{name} ({reason})"));
            format!("rejected by {}", by.collect::<Vec<_>>().join(" and "))
        }
        ChangeEnd::Declined { by } => match past.refusals.get(by) {
            Some(reason) => format!("{by} does not want to join ({reason})"),
            None => past.end.to_string(),
        },
        end => end.to_string(),
    }
}

pub(crate) fn proposed(past: &PastChange) -> String {
    let definition = &past.proposal.definition;
    match &past.proposal.repairs {
        _ if past.proposal.retires => "the group should be retired".to_owned(),
        Some(member) => format!("the lost share of {member} should be restored"),
        None => {
            format!("any {} of {} should sign", definition.min_signers, list(&definition.members))
        }
    }
}

/// Describes what was proposed, and how it ended.
fn past_change(past: &PastChange) -> String {
    let (what, end) = (proposed(past), change_end(past));
    format!("{}, proposed by {}, that {what}, failed: {end}", past.id.short(), past.proposer)
}

/// Describes where a group or its pending change stands, as a clause.
pub(crate) fn standing(view: &GroupView) -> String {
    let sentence =
        view.change.as_deref().map_or_else(|| group_sentence(view), super::change_sentence);
    clause(&sentence).to_owned()
}

pub(crate) fn member_names(view: &GroupView) -> Vec<AccountName> {
    view.members.iter().map(|member| member.account.clone()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp(100 * DAY);
    const DAY: u64 = 24 * 3_600_000;

    fn policy() -> Value {
        json!({
            "rule": {
                "approvals_required": 2, "requester_may_approve": true,
                "auto_approve": false, "expiry": DAY,
            },
            "governance": { "refresh_every": 30 * DAY },
            "formats": ["ssh:file"],
        })
    }

    /// A 2-of-3 group with a key, all members online and healthy, except for these fields.
    fn group_with(fields: Value) -> GroupView {
        let member = |name: &str| {
            json!({
                "account": name, "identifier": 1, "online": true, "accepted": true, "awaited": false,
                "share": { "shown": { "healthy": { "proved": NOW } } },
            })
        };
        let mut view = json!({
            "name": "board", "defined": "00".repeat(32), "accepts": false, "seen_by": "ben",
            "connected": true, "state": "ready", "signing": "ready",
            "suite": "frost-ed25519-sha512", "min_signers": 2, "max_signers": 3, "document_types": [],
            "policy": policy(),
            "members": [member("ada"), member("ben"), member("eve")],
            "verifying_key": "00", "epoch": 1, "attempts": 1, "dkg_ms": 69,
        });
        for (name, value) in fields.as_object().unwrap() {
            view[name] = value.clone();
        }
        serde_json::from_value(view).unwrap()
    }

    fn shown(view: &GroupView) -> String {
        Page::text_of(|page| group(page, view, NOW))
    }

    #[test]
    fn a_group_lists_its_formats_and_explains_raw() {
        let mut view = group_with(json!({}));
        let without = shown(&view);
        assert!(
            without.contains("formats      ssh:file\n") && !without.contains("raw"),
            "{without}"
        );
        view.policy.formats.insert("raw".parse().unwrap());
        let with = shown(&view);
        assert!(with.contains("formats      raw, ssh:file\n"), "{with}");
        assert!(with.contains("for anything that the signed bytes mean"), "{with}");
    }

    #[test]
    fn a_group_that_can_not_sign_has_no_green_tick() {
        for (fields, mark) in [
            (json!({}), "✓ board"),
            (json!({ "signing": "too-few-online" }), "! board"),
            (json!({ "signing": "too-few-shares" }), "✗ board"),
            (json!({ "lacks_share": true }), "! board"),
        ] {
            let shown = shown(&group_with(fields.clone()));
            assert!(shown.starts_with(mark), "{fields}: {shown}");
            let has_advice = fields["lacks_share"] == true || fields["signing"] == "too-few-shares";
            assert_eq!(shown.contains("    → "), has_advice, "{shown}");
        }
    }

    #[test]
    fn a_member_that_can_not_sign_has_no_green_tick_either() {
        let mut view = group_with(json!({}));
        for (share, line) in [
            (json!({ "shown": { "unable": "replaced" } }), "✗ ben: online; lost its share"),
            (json!({ "shown": { "unable": "removed" } }), "✗ ben: removed from the roster"),
            (json!({ "shown": "doubled" }), "✗ ben: online; two copies"),
            (json!("missing"), "✗ ben: online; this node has no share"),
            (
                json!({ "shown": { "silent": { "proved": 91 * DAY } } }),
                "! ben: online; share not proved for 9 days",
            ),
        ] {
            view.members[1].share = Some(serde_json::from_value(share).unwrap());
            let shown = shown(&view);
            assert!(shown.contains(line), "{shown}");
            assert!(shown.contains("✓ ada: online; share proved now"), "{shown}");
        }
    }

    #[test]
    fn new_shares_that_are_overdue_say_why_and_what_to_do() {
        let advice = "quorate group change board --remove eve";
        let overdue =
            json!({ "refresh": { "due": 98 * DAY, "hindered_by": [["eve", "removed"]] } });
        let shown = shown(&group_with(overdue));
        for text in ["overdue since", "(2 days ago)", "because eve is removed", advice] {
            assert!(shown.contains(text), "{text}: {shown}");
        }
        let soon = json!({ "refresh": { "due": 103 * DAY } });
        let soon = Page::text_of(|page| group(page, &group_with(soon), NOW));
        assert!(soon.contains("every 30 days, automatically; next in 3 days"), "{soon}");
    }

    #[test]
    fn a_failed_change_is_shown_with_who_rejected_it_and_why() {
        let definition = json!({
            "name": "board", "suite": "frost-ed25519-sha512", "min_signers": 2, "members": ["ada", "ben"],
            "document_types": [], "policy": policy(),
        });
        let past = |done: bool| {
            let end = if done {
                json!({ "is": "done", "epoch": 2 })
            } else {
                json!({ "is": "rejected" })
            };
            json!({ "past_change": {
                "id": "ab".repeat(32), "end": end, "proposer": "ada", "refusals": { "ben": "no" },
                "proposal": { "definition": definition, "epoch": 1, "expires_at": NOW },
            }})
        };
        let shown_past = shown(&group_with(past(false)));
        let line = "abababab, proposed by ada, that any 2 of ada and ben should sign, failed: rejected by ben (no)";
        assert!(shown_past.contains(line), "{shown_past}");
        assert!(!shown(&group_with(past(true))).contains("last change"));
    }

    #[test]
    fn unused_shares_are_shown_with_what_destroys_them() {
        let view = group_with(json!({
            "unused": { "certified": ["ada", "ben"], "holders": 3, "min_signers": 2 },
        }));
        let text = shown(&view);
        for said in [
            "2 of 3 certified that they have new shares (ada, ben)",
            "quorate group refresh board",
            "any 2 members",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(!shown(&group_with(json!({}))).contains("unused"));
    }
}
