//! How groups and requests look to a person: the sentence first, then the details.

use quorate_ceremony::entry::GroupDefinition;
use quorate_ceremony::names::Timestamp;

use super::file;
use crate::api::{
    ChangeView, GroupStage, GroupView, MemberView, PastChangeView, RefreshView, RequestStage,
    RequestView, ShareView, SigningStage, UnusedView,
};
use crate::render::{Page, Tone, commas, relative, rough, utc};

pub(super) fn group_tone(view: &GroupView) -> Tone {
    match view.state {
        GroupStage::Ready => match view.signing {
            Some(SigningStage::TooFewShares) => Tone::Bad,
            Some(SigningStage::TooFewOnline) => Tone::Warn,
            _ if view.lacks_share => Tone::Warn,
            Some(SigningStage::Ready | SigningStage::Unknown) | None => Tone::Good,
        },
        GroupStage::Failed => Tone::Bad,
        GroupStage::Defined
        | GroupStage::Accepted
        | GroupStage::Generating
        | GroupStage::Certifying
        | GroupStage::Activating => Tone::Warn,
    }
}

pub(super) fn request_tone(stage: RequestStage) -> Tone {
    match stage {
        RequestStage::Signed => Tone::Good,
        RequestStage::Open | RequestStage::Approved => Tone::Warn,
        RequestStage::Refused | RequestStage::Rejected | RequestStage::Expired => Tone::Bad,
    }
}

/// What a member's node is doing for its group.
pub(super) fn member_state(group: &GroupView, member: &MemberView) -> (Tone, &'static str) {
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
        GroupStage::Accepted | GroupStage::Ready | GroupStage::Failed => false,
        GroupStage::Generating | GroupStage::Certifying | GroupStage::Activating => member.awaited,
    };
    match (is_waiting, member.online) {
        (true, true) => (Tone::Warn, "working"),
        (true, false) => (Tone::Bad, "offline, waited for"),
        (false, true) if group.state == GroupStage::Ready => (Tone::Good, "online"),
        (false, true) => (Tone::Good, "online, done for now"),
        (false, false) => (Tone::Faint, "offline"),
    }
}

/// What a member's node is doing, and what is known of its share; the worse of the two is the tone.
fn member_line(group: &GroupView, member: &MemberView, now: Timestamp) -> (Tone, String) {
    let (tone, state) = member_state(group, member);
    let (worse, share) = match member.share {
        None => return (tone, state.to_owned()),
        Some(ShareView::Healthy { proved }) => {
            return (tone, format!("{state}; share proved {}", relative(now, proved)));
        }
        Some(ShareView::Silent { proved }) => {
            let seconds = now.0.saturating_sub(proved.0) / 1000;
            (Tone::Warn, format!("share not proved for {}", rough(seconds)))
        }
        Some(ShareView::Doubled) => {
            (Tone::Bad, "two copies of its node run, and neither signs".to_owned())
        }
        Some(ShareView::Missing) => (Tone::Bad, "this node has no share".to_owned()),
        Some(ShareView::Suspended) => (Tone::Bad, "suspended".to_owned()),
        Some(ShareView::Lost) => (Tone::Bad, "lost its share with its former keys".to_owned()),
        // It is never online again.
        Some(ShareView::Removed) => return (Tone::Bad, "removed from the roster".to_owned()),
    };
    (worse, format!("{state}; {share}"))
}

/// When new shares are made by themselves, and why that does not happen.
fn refresh_line(view: &RefreshView, now: Timestamp) -> String {
    let when = match view.due >= now {
        true => format!("next {}", relative(now, view.due)),
        false => {
            format!("overdue since {} ({})", utc(view.due), relative(now, view.due))
        }
    };
    match &view.hindered {
        None => when,
        Some(hindered) => format!("{when}, but not by themselves, because {}", hindered.sentence),
    }
}

pub(super) fn group(page: &mut Page, view: &GroupView, now: Timestamp) {
    page.verdict(group_tone(view), &view.sentence);
    if let Some(advice) = &view.advice {
        page.advice(advice);
    }
    page.field("signs with", format!("any {} of {} members", view.min_signers, view.max_signers));
    let types = match view.document_types.is_empty() {
        true => "documents without a type".to_owned(),
        false => format!("documents of type {}", commas(&view.document_types)),
    };
    page.field("signs", types);
    let policy = &view.policy;
    let mut rule = format!("{} approvals", policy.rule.approvals_required);
    rule.push_str(match policy.rule.requester_may_approve {
        true => ", the requester's own counts",
        false => ", not by the requester",
    });
    if policy.rule.auto_approve {
        rule.push_str(", nodes may approve by themselves");
    }
    page.field(
        "a request",
        format!("needs {rule}; lapses after {}", rough(policy.rule.expiry / 1000)),
    );
    if let Some(required) = policy.governance.changes_required {
        page.field("a change", format!("needs {required} approvals"));
    }
    page.field("suite", &view.suite);
    if let Some(key) = &view.verifying_key {
        page.field("key", key);
    }
    if let Some(milliseconds) = view.dkg_ms {
        // The key is made once; later sessions share it anew.
        let label = if view.epoch == Some(1) { "key made in" } else { "shared in" };
        page.field(label, format!("{milliseconds} ms, attempt {}", view.attempts));
    }
    if let Some(epoch) = view.epoch.filter(|epoch| *epoch > 1) {
        page.field("shares", format!("epoch {epoch}; those of earlier epochs are of no use here"));
    }
    if let Some(shares) = &view.shares {
        page.field("health", shares);
    }
    if let Some(every) = policy.governance.refresh_every {
        let refresh = view.refresh.as_ref();
        let next = refresh.map(|refresh| format!("; {}", refresh_line(refresh, now)));
        let next = next.unwrap_or_default();
        page.field("new shares", format!("every {}, by themselves{next}", rough(every / 1000)));
        if let Some(hindered) = refresh.and_then(|refresh| refresh.hindered.as_ref()) {
            page.advice(&hindered.advice);
        }
    }
    if let Some(past) = view.past_change.as_ref().filter(|past| !past.done && view.change.is_none())
    {
        page.field("last change", past_change(past));
    }
    if let Some(unused) = unused(view) {
        page.field("unused", unused);
    }
    page.title("Members");
    for member in &view.members {
        let (tone, line) = member_line(view, member, now);
        page.item(tone, format!("{}: {line}", member.account));
    }
    if let Some(pending) = &view.change {
        page.blank();
        change(page, pending, now);
    }
}

/// What is known of shares that were made and are not in use, and when they are destroyed.
pub(super) fn unused(view: &GroupView) -> Option<String> {
    let UnusedView { certified, holders, min_signers } = view.unused.as_ref()?;
    let share = if certified.len() == 1 { "a new share" } else { "new shares" };
    let others = if certified.len() < *holders { "; the others may have theirs, too" } else { "" };
    Some(format!(
        "{} of {holders} certified that they have {share} ({}){others}. No node uses these: nodes destroy them when later \
         shares are in use, which is soonest with `quorate group refresh {}`. Until then any {min_signers} people who take \
         theirs from their nodes could sign together",
        certified.len(),
        commas(certified),
        view.name
    ))
}

/// What was proposed, and what became of it.
fn past_change(past: &PastChangeView) -> String {
    let PastChangeView { id, proposer, what, end, .. } = past;
    format!("{}, by {proposer}, that {what}, came to nothing: {end}", id.short())
}

/// Something that differs: what it is, as it is now, and as it is to be.
pub(super) type Difference = (&'static str, String, String);

/// Everything but the members that differs: who approves a change approves all of it.
fn differences(now: &GroupDefinition, after: &GroupDefinition) -> Vec<Difference> {
    let figures = |of: &GroupDefinition| {
        [
            ("sign", format!("any {} of {}", of.min_signers, of.members.len())),
            ("approve a request", of.policy.rule.approvals_required.to_string()),
        ]
    };
    [differing(figures(now), figures(after)), rule_differences(now, after)].concat()
}

/// All that differs but the members, how many of them sign, and how many approve.
pub(super) fn rule_differences(now: &GroupDefinition, after: &GroupDefinition) -> Vec<Difference> {
    let rules = |of: &GroupDefinition| {
        let policy = &of.policy;
        let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let changes = policy.governance.changes_required.unwrap_or(of.min_signers);
        [
            ("approve a change", changes.to_string()),
            ("requester's own", yes(policy.rule.requester_may_approve)),
            ("nodes by themselves", yes(policy.rule.auto_approve)),
            ("requests lapse after", rough(policy.rule.expiry / 1000)),
            (
                "new shares",
                policy.governance.refresh_every.map_or("when asked for".to_owned(), |every| {
                    format!("every {}", rough(every / 1000))
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

/// A proposed change of a group.
pub(super) fn change(page: &mut Page, view: &ChangeView, now: Timestamp) {
    let what = match (&view.repairs, view.now == view.after) {
        (Some(member), _) => format!("{}: {member} shall get its lost share back", view.group),
        (None, true) => format!("{}: new shares for the same members", view.group),
        (None, false) => format!(
            "{}: any {} of {} members shall sign",
            view.group,
            view.after.min_signers,
            view.after.members.len()
        ),
    };
    page.verdict(Tone::Warn, format!("{}  {what}, {} proposes", view.id.short(), view.proposer));
    page.note(&view.sentence);
    if let (Some(member), Some(shown)) = (&view.repairs, view.share_shown) {
        page.note(format!(
            "The log shows that the node of {member} proved its share {}. Approve only if you know, by another way than \
             this, that it is lost.",
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
        page.wide_field("other keys", commas(&view.regains));
        page.note(
            "An admin gave them other keys. Approve only if you know, by another way than this, that it is they who have them.",
        );
    }
    for (label, now, after) in differences(&view.now, &view.after) {
        page.wide_field(label, format!("{after} (now: {now})"));
    }
    for (account, reason) in &view.refusals {
        page.wide_field("refused by", format!("{account}: {reason}"));
    }
    page.wide_field(
        "lapses",
        format!("{} ({})", utc(view.expires_at), relative(now, view.expires_at)),
    );
}

pub(super) fn request(page: &mut Page, view: &RequestView, now: Timestamp) {
    page.verdict(request_tone(view.state), &view.sentence);
    request_details(page, view, now);
}

/// What is to be signed, and who said what about it.
pub(super) fn request_details(page: &mut Page, view: &RequestView, now: Timestamp) {
    page.field("request", view.id);
    page.field("group", &view.group);
    page.field(
        "asked by",
        format!("{}, {} ({})", view.requester, utc(view.at), relative(now, view.at)),
    );
    match (&view.file_name, view.file_size) {
        (Some(name), Some(bytes)) => page.field("file", format!("{name}, {}", file::size(bytes))),
        _ => page.field("file", "not on this node"),
    }
    if let Some(sha256) = &view.file_sha256 {
        page.field("SHA-256", sha256);
    }
    if let Some(kind) = &view.document_type {
        page.field("type", kind);
    }
    let format = match &view.namespace {
        Some(namespace) => format!("{}, namespace {namespace}", view.format),
        None => view.format.clone(),
    };
    page.field("format", format);
    let missing = match view.undecided.is_empty() || view.state != RequestStage::Open {
        true => String::new(),
        false => format!("; undecided: {}", commas(&view.undecided)),
    };
    page.field(
        "approvals",
        format!(
            "{} of {}: {}{missing}",
            view.approvals.len(),
            view.approvals_required,
            commas(&view.approvals)
        ),
    );
    for (account, reason) in &view.refusals {
        page.field("refused by", format!("{account}: {reason}"));
    }
    if !view.state.is_final() {
        page.field(
            "lapses",
            format!("{} ({})", utc(view.expires_at), relative(now, view.expires_at)),
        );
    }
    if let Some(index) = view.signature_index {
        page.field(
            "signed by",
            format!("the shares of {}; entry {index} of the log", commas(&view.signers)),
        );
    }
}

/// A request in a list: what it is, then where it stands.
pub(super) fn request_in_list(page: &mut Page, view: &RequestView, now: Timestamp) {
    let file = view.file_name.as_deref().unwrap_or("a document");
    let kind = view.document_type.as_ref().map(|kind| format!(" ({kind})")).unwrap_or_default();
    page.verdict(
        request_tone(view.state),
        format!("{}  {file}{kind}, {} asks {}", view.id.short(), view.requester, view.group),
    );
    let lapses = match view.state.is_final() {
        true => format!("asked {}", relative(now, view.at)),
        false => format!("lapses {}", relative(now, view.expires_at)),
    };
    page.note(format!("{} ({lapses})", view.sentence.trim_end_matches('.')));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp(100 * DAY);
    const DAY: u64 = 24 * 3_600_000;

    /// A group of two of three with a key, all online and healthy, with these fields other than that.
    fn group_with(fields: Value) -> GroupView {
        let member = |name: &str| {
            json!({
                "account": name, "identifier": 1, "online": true, "accepted": true, "awaited": false,
                "share": { "state": "healthy", "proved": NOW },
            })
        };
        let mut view = json!({
            "sentence": "board is ready.", "name": "board", "state": "ready", "signing": "ready",
            "suite": "frost-ed25519-sha512", "min_signers": 2, "max_signers": 3, "document_types": [],
            "policy": {
                "rule": {
                    "approvals_required": 2, "requester_may_approve": true,
                    "auto_approve": false, "expiry": DAY,
                },
                "governance": { "refresh_every": 30 * DAY },
            },
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
    fn a_group_that_can_not_sign_has_no_green_tick() {
        for (fields, mark) in [
            (json!({}), "✓ board"),
            (json!({ "signing": "too-few-online" }), "! board"),
            (json!({ "signing": "too-few-shares", "advice": "make a new group" }), "✗ board"),
            (json!({ "lacks_share": true }), "! board"),
        ] {
            let shown = shown(&group_with(fields.clone()));
            assert!(shown.starts_with(mark), "{fields}: {shown}");
            assert_eq!(shown.contains("→ make a new group"), fields["advice"].is_string());
        }
    }

    #[test]
    fn a_member_that_can_not_sign_has_no_green_tick_either() {
        let mut view = group_with(json!({}));
        for (share, line) in [
            (json!({ "state": "lost" }), "✗ ben: online; lost its share"),
            (json!({ "state": "removed" }), "✗ ben: removed from the roster"),
            (json!({ "state": "doubled" }), "✗ ben: online; two copies"),
            (json!({ "state": "missing" }), "✗ ben: online; this node has no share"),
            (
                json!({ "state": "silent", "proved": 91 * DAY }),
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
        let hindered = json!({ "sentence": "eve is removed", "advice": advice });
        let overdue = json!({ "refresh": { "due": 98 * DAY, "hindered": hindered } });
        let shown = shown(&group_with(overdue));
        for text in ["overdue since", "(2 days ago)", "because eve is removed", advice] {
            assert!(shown.contains(text), "{text}: {shown}");
        }
        let soon = json!({ "refresh": { "due": 103 * DAY } });
        let soon = Page::text_of(|page| group(page, &group_with(soon), NOW));
        assert!(soon.contains("every 30 days, by themselves; next in 3 days"), "{soon}");
    }

    #[test]
    fn a_change_that_came_to_nothing_is_told_with_who_refused_and_why() {
        let past = |done: bool| {
            json!({ "past_change": {
                "id": "ab".repeat(32), "done": done, "end": "refused by ben (no)", "group": "board",
                "what": "any 2 of ada and ben should sign", "proposer": "ada", "refusals": { "ben": "no" },
            }})
        };
        let shown_past = shown(&group_with(past(false)));
        let line = "abababab, by ada, that any 2 of ada and ben should sign, came to nothing: refused by ben (no)";
        assert!(shown_past.contains(line), "{shown_past}");
        assert!(!shown(&group_with(past(true))).contains("last change"));
    }

    #[test]
    fn shares_that_were_made_and_are_not_in_use_are_told_of_with_what_ends_them() {
        let view = group_with(json!({
            "unused": { "certified": ["ada", "ben"], "holders": 3, "min_signers": 2 },
        }));
        let text = shown(&view);
        for said in [
            "2 of 3 certified that they have new shares (ada, ben)",
            "quorate group refresh board",
            "any 2 people",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(!shown(&group_with(json!({}))).contains("unused"));
    }

    #[test]
    fn how_long_it_took_is_of_the_key_only_while_its_first_shares_are_in_use() {
        assert!(shown(&group_with(json!({}))).contains("key made in  69 ms"));
        let later = shown(&group_with(json!({ "epoch": 2 })));
        assert!(later.contains("shared in    69 ms") && !later.contains("key made in"), "{later}");
    }

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
                },
            })
        };
        let view: ChangeView = serde_json::from_value(json!({
            "sentence": "Waiting.", "id": "ab".repeat(32), "group": "board", "proposer": "ada",
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
            "requests lapse after 3 days (now: 2 days)",
            "nodes by themselves  yes (now: no)",
            "The log shows that the node of eve proved its share 3 hours ago.",
        ] {
            assert!(shown.contains(line), "{line}: {shown}");
        }
    }
}
