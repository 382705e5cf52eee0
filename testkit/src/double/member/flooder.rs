//! Sends messages of unknown sessions, messages that are too long, and too many of every kind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quorate_ceremony::effect::NodeEffect;
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Body, Request};
use quorate_ceremony::message::{DeclineReason, FromNode};
use quorate_ceremony::names::{Digest, SessionId};
use quorate_ceremony::policy::Output;
use quorate_ceremony::signing::SignedPart;
use rand_chacha::ChaCha20Rng;

use super::attack::Slip;
use super::seat::{Seat, random};

/// How many messages of each kind one wave of a flood has.
const WAVE: usize = 12;

/// Returns the messages of a slip when the double looks at its node.
pub(super) fn says(slip: Slip, seat: &Seat<'_>, rng: &mut ChaCha20Rng) -> Vec<NodeEffect> {
    match slip {
        Slip::UnknownSessions => unknown_sessions(seat, rng),
        Slip::Oversized => oversized(seat),
        Slip::Flood => flood(seat, rng),
        _ => Vec::new(),
    }
}

fn unknown_sessions(seat: &Seat<'_>, rng: &mut ChaCha20Rng) -> Vec<NodeEffect> {
    let session = SessionId::new(random(rng));
    let mut messages =
        vec![FromNode::Declined { session, reason: DeclineReason::Session, because: None }];
    if let (Some(first), Some(share)) = (part(&[1; 64]), part(&[1; 32])) {
        messages.push(FromNode::Part { session, round: 1, part: first });
        messages.push(FromNode::Share { session, share, size: 1, cosignature: String::new() });
    }
    let message = Base64(random(rng).to_vec());
    let incarnation = Digest::new(random(rng));
    let digest = Digest::new(random(rng));
    for body in [
        Body::CeremonyMessage { session, incarnation, message },
        Body::CeremonyCertified { session, transcript: digest, public_key_package: digest },
    ] {
        let entry = seat.entry(body).map(|entry| Base64(entry.to_bytes()));
        messages.extend(entry.map(|entry| FromNode::Submit { entry }));
    }
    messages.into_iter().map(NodeEffect::Send).collect()
}

fn part(value: &[u8]) -> Option<SignedPart> {
    let value = STANDARD.encode(value);
    serde_json::from_value(serde_json::json!({ "value": value, "sig": value })).ok()
}

fn oversized(seat: &Seat<'_>) -> Vec<NodeEffect> {
    let long = "x".repeat(70_000);
    let session = SessionId::new([0; 32]);
    let mut messages: Vec<FromNode> = part(long.as_bytes())
        .map(|part| FromNode::Part { session, round: 1, part })
        .into_iter()
        .collect();
    messages.extend([
        FromNode::Submit { entry: Base64(long.clone().into_bytes()) },
        FromNode::Cosign { size: seat.state.size(), cosignature: long },
        // Longer than a frame can be, so the last message of this connection.
        FromNode::Cosign { size: seat.state.size(), cosignature: "y".repeat((1 << 20) + 1) },
    ]);
    messages.into_iter().map(NodeEffect::Send).collect()
}

fn flood(seat: &Seat<'_>, rng: &mut ChaCha20Rng) -> Vec<NodeEffect> {
    let mut messages = Vec::new();
    for _ in 0..WAVE {
        messages.extend(seat.submits(Body::NodeStarted { incarnation: Digest::new(random(rng)) }));
        messages
            .extend(request(seat, rng).and_then(|request| seat.submits(Body::Request(request))));
        messages.extend(unknown_sessions(seat, rng));
        let garbage = [
            FromNode::Hello { after: 0, checkpoint: None },
            FromNode::Submit { entry: Base64(b"{}".to_vec()) },
            FromNode::Cosign { size: seat.state.size(), cosignature: "garbage".to_owned() },
        ];
        messages.extend(garbage.map(NodeEffect::Send));
    }
    messages
}

fn request(seat: &Seat<'_>, rng: &mut ChaCha20Rng) -> Option<Request> {
    let group = seat.state.groups().values().find(|group| group.key.is_some())?;
    let policy = &group.definition.policy;
    Some(Request {
        group: group.definition.name.clone(),
        document_type: None,
        output: Output::default(),
        signatures: 1,
        document: Digest::new(random(rng)),
        policy: policy.hash(),
        expires_at: seat.now.plus(policy.rule.expiry / 2),
    })
}
