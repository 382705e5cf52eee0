//! How groups and requests look to a person: the sentence first, then the details.

use std::fmt::Display;

use quorate_ceremony::names::Timestamp;
use quorate_ceremony::statement::GroupDefinition;

use super::duration::{relative, rough, utc};
use super::file;
use super::terminal::{Page, Tone};
use crate::control::{
    ChangeView, GroupStage, GroupView, MemberView, RequestStage, RequestView, ShareView,
};

/// `ada, ben, carol`.
pub(super) fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "nobody".to_owned() } else { items.join(", ") }
}

pub(super) fn group_tone(stage: GroupStage) -> Tone {
    match stage {
        GroupStage::Ready => Tone::Good,
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

/// What is known of a member's share, after what its node is doing.
fn share_state(share: Option<ShareView>, now: Timestamp) -> String {
    match share {
        None => String::new(),
        Some(ShareView::Healthy { proved }) => {
            format!("; share proved {}", relative(now, proved))
        }
        Some(ShareView::Silent { proved }) => {
            format!("; share not proved since {}", relative(now, proved))
        }
        Some(ShareView::Suspended) => "; suspended".to_owned(),
        Some(ShareView::Lost) => "; lost its share with its former keys".to_owned(),
        Some(ShareView::Removed) => "; removed from the roster".to_owned(),
    }
}

pub(super) fn group(page: &mut Page, view: &GroupView) {
    page.verdict(group_tone(view.state), &view.sentence);
    page.field("signs with", format!("any {} of {} members", view.min_signers, view.max_signers));
    let types = match view.document_types.is_empty() {
        true => "documents without a type".to_owned(),
        false => format!("documents of type {}", list(&view.document_types)),
    };
    page.field("signs", types);
    let policy = &view.policy;
    let mut rule = format!("{} approvals", policy.approvals_required);
    rule.push_str(match policy.requester_may_approve {
        true => ", the requester's own counts",
        false => ", not by the requester",
    });
    if policy.auto_approve {
        rule.push_str(", nodes may approve by themselves");
    }
    page.field("a request", format!("needs {rule}; lapses after {}", rough(policy.expiry / 1000)));
    if let Some(required) = policy.changes_required {
        page.field("a change", format!("needs {required} approvals"));
    }
    page.field("suite", &view.suite);
    if let Some(key) = &view.verifying_key {
        page.field("key", key);
    }
    if let Some(milliseconds) = view.dkg_ms {
        page.field("key made in", format!("{milliseconds} ms, attempt {}", view.attempts));
    }
    if let Some(epoch) = view.epoch.filter(|epoch| *epoch > 1) {
        page.field("shares", format!("epoch {epoch}; those of earlier epochs are of no use here"));
    }
    if let Some(shares) = &view.shares {
        page.field("health", shares);
    }
    if let Some(every) = policy.refresh_every {
        page.field("new shares", format!("every {}, by themselves", rough(every / 1000)));
    }
    page.title("Members");
    for member in &view.members {
        let (tone, state) = member_state(view, member);
        let share = share_state(member.share, super::context::now());
        page.item(tone, format!("{}: {state}{share}", member.account));
    }
    if let Some(pending) = &view.change {
        page.blank();
        change(page, pending, super::context::now());
    }
}

/// Something that differs: what it is, as it is now, and as it is to be.
pub(super) type Difference = (&'static str, String, String);

/// Everything but the members that differs: who approves a change approves all of it.
fn differences(now: &GroupDefinition, after: &GroupDefinition) -> Vec<Difference> {
    let figures = |of: &GroupDefinition| {
        [
            ("sign", format!("any {} of {}", of.min_signers, of.members.len())),
            ("approve a request", of.policy.approvals_required.to_string()),
        ]
    };
    [differing(figures(now), figures(after)), rule_differences(now, after)].concat()
}

/// All that differs but the members, how many of them sign, and how many approve.
pub(super) fn rule_differences(now: &GroupDefinition, after: &GroupDefinition) -> Vec<Difference> {
    let rules = |of: &GroupDefinition| {
        let policy = &of.policy;
        let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let changes = policy.changes_required.unwrap_or(of.min_signers);
        [
            ("approve a change", changes.to_string()),
            ("requester's own", yes(policy.requester_may_approve)),
            ("nodes by themselves", yes(policy.auto_approve)),
            ("requests lapse after", rough(policy.expiry / 1000)),
            (
                "new shares",
                policy.refresh_every.map_or("when asked for".to_owned(), |every| {
                    format!("every {}", rough(every / 1000))
                }),
            ),
            ("document types", list(&of.document_types)),
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
    if !view.added.is_empty() {
        page.field("join", list(&view.added));
    }
    if !view.removed.is_empty() {
        page.field("leave", list(&view.removed));
    }
    if !view.regains.is_empty() {
        page.field("other keys", list(&view.regains));
        page.note(
            "An admin gave them other keys. Approve only if you know, by another way than this, that it is they who have them.",
        );
    }
    for (label, now, after) in differences(&view.now, &view.after) {
        page.field(label, format!("{after} (now: {now})"));
    }
    for (account, reason) in &view.refusals {
        page.field("refused by", format!("{account}: {reason}"));
    }
    page.field("lapses", format!("{} ({})", utc(view.expires_at), relative(now, view.expires_at)));
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
        false => format!("; undecided: {}", list(&view.undecided)),
    };
    page.field(
        "approvals",
        format!(
            "{} of {}: {}{missing}",
            view.approvals.len(),
            view.approvals_required,
            list(&view.approvals)
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
            format!("the shares of {}; entry {index} of the log", list(&view.signers)),
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
        true => relative(now, view.at),
        false => format!("lapses {}", relative(now, view.expires_at)),
    };
    page.note(format!("{} ({lapses})", view.sentence.trim_end_matches('.')));
}
