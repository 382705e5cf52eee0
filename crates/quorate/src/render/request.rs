//! Requests for people.

use quorate_ceremony::names::Timestamp;
use quorate_documents::{Output, Preview};

use super::change::awaited_approvals;
use super::share::approved;
use super::{Page, Tone, clause, commas, list, relative, size, utc};
use crate::api::{RequestStage, RequestView};

/// Describes where a request stands, who is missing, and what happens next.
pub(crate) fn request_sentence(view: &RequestView) -> String {
    match &view.state {
        RequestStage::Refused { refused } => format!("Refused: {refused}."),
        RequestStage::Signed => format!("Signed, with the shares of {}.", list(&view.signers)),
        RequestStage::Expired => format!(
            "Expired with {} of {} approvals; ask again if it is still wanted.",
            view.approvals.len(),
            view.approvals_required
        ),
        RequestStage::Rejected => {
            format!("Rejected by {}.{}", rejections(view), may_be_signed(view))
        }
        RequestStage::Withdrawn => {
            format!("Withdrawn by {}.{}", view.requester, may_be_signed(view))
        }
        RequestStage::GroupRetired => format!(
            "Over, because {} was retired before it was signed.{}",
            view.group,
            may_be_signed(view)
        ),
        RequestStage::Open => {
            awaited_approvals(
                usize::from(view.approvals_required),
                view.approvals.len(),
                &view.refusals,
                &view.undecided,
            ) + may_be_signed(view)
        }
        RequestStage::Approved => match &view.waits {
            Some(wait) => approved(&view.group, wait, &view.undecided),
            None => "Approved.".to_owned(),
        },
    }
}

/// `ben (the price is wrong) and carol (no)`.
fn rejections(view: &RequestView) -> String {
    list(view.refusals.iter().map(|(account, reason)| format!("{account} ({reason})")))
}

/// Warns that approval cannot be undone completely.
fn may_be_signed(view: &RequestView) -> &'static str {
    match view.was_approved {
        true => {
            " It was approved before, so nodes may already have made a signature that the log does not contain."
        }
        false => "",
    }
}

pub(crate) fn request_tone(stage: &RequestStage) -> Tone {
    match stage {
        RequestStage::Signed => Tone::Good,
        RequestStage::Open | RequestStage::Approved => Tone::Warn,
        RequestStage::Refused { .. }
        | RequestStage::Rejected
        | RequestStage::Withdrawn
        | RequestStage::GroupRetired
        | RequestStage::Expired => Tone::Bad,
    }
}

pub(crate) fn request(page: &mut Page, view: &RequestView, now: Timestamp) {
    page.verdict(request_tone(&view.state), request_sentence(view));
    request_details(page, view, now);
}

/// What an approver of a raw signature has to know: what it is valid for, and then what else these
/// bytes mean, if that is recognised.
pub(crate) fn warnings(view: &RequestView) -> Vec<String> {
    if view.output != "raw" {
        return Vec::new();
    }
    let bytes = match view.file_size {
        Some(1) => {
            "this 1 byte is valid wherever this key is trusted, for anything this byte means"
                .to_owned()
        }
        Some(size) => format!(
            "these {size} bytes are valid wherever this key is trusted, for anything these bytes mean"
        ),
        None => "the signed bytes are valid wherever this key is trusted, for anything they mean"
            .to_owned(),
    };
    let meaning = view.other_meaning.map(|meaning| {
        format!("these bytes are also {meaning}; approve only if you want that signed")
    });
    std::iter::once(format!("raw: {bytes}")).chain(meaning).collect()
}

/// Writes what this node read in the document.
fn write_preview(page: &mut Page, preview: &Preview) {
    page.field("kind", &preview.kind);
    for field in &preview.fields {
        for (number, line) in field.value.lines().enumerate() {
            page.field(if number == 0 { field.name.as_str() } else { "" }, line);
        }
    }
    if let Some(warning) = &preview.warning {
        page.item(Tone::Bad, warning);
    }
}

fn write_warnings(page: &mut Page, view: &RequestView) {
    let tones = [Tone::Warn, Tone::Bad];
    for (tone, warning) in tones.into_iter().zip(warnings(view)) {
        page.item(tone, warning);
    }
}

/// Writes what is to be signed, and the members' decisions.
pub(crate) fn request_details(page: &mut Page, view: &RequestView, now: Timestamp) {
    page.field("request", view.id);
    page.field("group", &view.group);
    page.field(
        "asked by",
        format!("{}, {} ({})", view.requester, utc(view.at), relative(now, view.at)),
    );
    match (&view.file_name, view.file_size) {
        (Some(name), Some(bytes)) => page.field("file", format!("{name}, {}", size(bytes))),
        (Some(name), None) => page.field("file", format!("{name}, not on this node")),
        _ => match view.document_deleted {
            Some(since) => {
                page.field("file", format!("deleted on {}, as {} demands", utc(since), view.group))
            }
            None => page.field("file", "not on this node"),
        },
    }
    if let Some(message) = &view.message {
        page.field("message", message);
    }
    if let Some(sha256) = &view.file_sha256 {
        page.field("SHA-256", sha256);
    }
    if let Some(kind) = &view.document_type {
        page.field("type", kind);
    }
    // Options are for programs.
    let format = view.output.parse::<Output>().map(|output| output.without_options().to_string());
    page.field("format", format.unwrap_or_else(|_| view.output.clone()));
    if let Some(preview) = &view.preview {
        write_preview(page, preview);
    }
    write_warnings(page, view);
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
        page.field("rejected by", format!("{account}: {reason}"));
    }
    if !view.state.is_final() {
        page.field(
            "expires",
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

/// Writes a request in a list: what it is, then where it stands.
pub(crate) fn request_in_list(page: &mut Page, view: &RequestView, now: Timestamp) {
    let file = view.file_name.as_deref().unwrap_or("a document");
    let kind = view.document_type.as_ref().map(|kind| format!(" ({kind})")).unwrap_or_default();
    page.verdict(
        request_tone(&view.state),
        format!("{}  {file}{kind}, {} asks {}", view.id.short(), view.requester, view.group),
    );
    let lapses = match view.state.is_final() {
        true => format!("asked {}", relative(now, view.at)),
        false => format!("expires {}", relative(now, view.expires_at)),
    };
    page.note(format!("{} ({lapses})", clause(&request_sentence(view))));
    if !view.state.is_final() {
        write_warnings(page, view);
    }
}
