//! Makes statements that a member has no right to make.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quorate_ceremony::effect::NodeEffect;
use quorate_ceremony::entry::{Body, Entry};
use quorate_ceremony::names::{AccountName, EntryId};
use quorate_ceremony::state::{RequestState, Status};
use rand_chacha::ChaCha20Rng;

use super::attack::Slip;
use super::seat::{Seat, random, submission};

/// Returns the statements of a slip when the double looks at its node.
pub(super) fn says(
    slip: Slip,
    seat: &Seat<'_>,
    approvals: &[Entry],
    rng: &mut ChaCha20Rng,
) -> Vec<NodeEffect> {
    match slip {
        Slip::ForgedApproval => {
            in_others_names(seat, |request| Body::Approval { request: request.id })
        }
        Slip::ForgedRefusal => in_others_names(seat, |request| Body::Refusal {
            request: request.id,
            reason: "not by me".to_owned(),
        }),
        Slip::MovedApproval => moved_approvals(seat, approvals),
        Slip::ApprovalOfNothing => {
            let request = EntryId::new(random(rng));
            seat.submits(Body::Approval { request }).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn open<'a>(seat: &'a Seat<'_>) -> impl Iterator<Item = &'a RequestState> {
    seat.state.requests().values().filter(|request| request.status == Status::Open)
}

fn others<'a>(seat: &'a Seat<'_>) -> impl Iterator<Item = &'a AccountName> {
    seat.state.accounts().keys().filter(|name| *name != seat.account)
}

fn in_others_names(seat: &Seat<'_>, body: impl Fn(&RequestState) -> Body) -> Vec<NodeEffect> {
    let pairs = open(seat).flat_map(|request| others(seat).map(move |other| (request, other)));
    let key = &seat.secrets.identity;
    pairs
        .filter_map(|(request, other)| seat.entry_as(other, key, body(request)))
        .map(|entry| submission(&entry))
        .collect()
}

/// Returns an approval of each open request, with others' signatures of different approvals.
fn moved_approvals(seat: &Seat<'_>, approvals: &[Entry]) -> Vec<NodeEffect> {
    let pairs = open(seat).flat_map(|to| approvals.iter().map(move |approval| (approval, to)));
    pairs
        .filter_map(|(approval, to)| moved(approval, to.id))
        .map(|entry| submission(&entry))
        .collect()
}

/// Returns an approval with a different request in it and its old signature.
fn moved(approval: &Entry, to: EntryId) -> Option<Entry> {
    let Body::Approval { request } = &approval.statement().body else { return None };
    let text = String::from_utf8(approval.to_bytes()).ok()?;
    let envelope: serde_json::Value = serde_json::from_str(&text).ok()?;
    let payload = envelope.get("payload")?.as_str()?;
    let statement = String::from_utf8(STANDARD.decode(payload).ok()?).ok()?;
    let statement = statement.replace(&request.to_string(), &to.to_string());
    Entry::from_bytes(text.replace(payload, &STANDARD.encode(statement)).as_bytes()).ok()
}
