//! Takes part in signing sessions: sends the messages of its node, except for its slips.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quorate_ceremony::effect::NodeEffect;
use quorate_ceremony::identity::SecretKey;
use quorate_ceremony::message::{DeclineReason, FromCoordinator, FromNode};
use quorate_ceremony::names::{AccountName, SessionId};
use quorate_ceremony::signing::{Place, SignedPart, SigningSession, Subject};
use quorate_ceremony::state::Group;
use quorate_ceremony::test_world::{FIRST, message_of, start};
use quorate_protocol::keys::{KeyPackage, PublicKeyPackage};
use quorate_protocol::signing::{Board, Step};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::attack::{Slip, Slips};
use super::seat::{Seat, random};
use crate::world::committed;

/// What a double knows about signing sessions.
#[derive(Default)]
pub(super) struct Signer {
    subjects: BTreeMap<SessionId, Subject>,
    /// Sets of commitments that it signs instead of its node.
    packages: BTreeMap<SessionId, Vec<(AccountName, SignedPart)>>,
    seeds: BTreeMap<SessionId, [u8; 32]>,
    /// The public key packages that its node was about to certify.
    keys: BTreeMap<SessionId, PublicKeyPackage>,
    /// The part that it kept from an earlier session.
    kept: Option<SignedPart>,
    sent: Vec<FromNode>,
    done: BTreeSet<SessionId>,
    cosignature: Option<(u64, String)>,
}

/// A key and the message to sign with it.
struct Material {
    context: SigningSession,
    key: KeyPackage,
    public: PublicKeyPackage,
    message: Vec<u8>,
}

impl Signer {
    pub(super) fn subject(&self, session: SessionId) -> Option<Subject> {
        self.subjects.get(&session).copied()
    }

    pub(super) fn hears(&mut self, message: &FromCoordinator) {
        match message {
            FromCoordinator::Invite { session, subject, .. } => {
                self.subjects.insert(*session, *subject);
            }
            FromCoordinator::Package { session, parts, .. } => {
                self.packages.insert(*session, parts.clone());
            }
            _ => {}
        }
    }

    pub(super) fn cosigns(&mut self, message: &FromNode) {
        if let FromNode::Cosign { size, cosignature } = message {
            self.cosignature = Some((*size, cosignature.clone()));
        }
    }

    /// Returns the messages that it sends in place of one of its node.
    pub(super) fn alters(
        &mut self,
        slips: &Slips,
        seat: &Seat<'_>,
        message: FromNode,
        rng: &mut ChaCha20Rng,
    ) -> Vec<FromNode> {
        match message {
            FromNode::Part { session, part, .. } => self.commits(slips, seat, session, part, rng),
            FromNode::Share { session, share, size, cosignature } => {
                let with = |share| FromNode::Share { session, share, size, cosignature };
                if slips.has(Slip::Stall) {
                    return Vec::new();
                }
                let (own, value) = (&seat.secrets.identity, share.value_unverified().to_vec());
                let signs = |key: &SecretKey, value| self.signs(seat, session, key, value);
                let altered = if slips.has(Slip::WrongShare) {
                    let mut value = value;
                    value.iter_mut().take(1).for_each(|byte| *byte ^= 1);
                    signs(own, value)
                } else if slips.has(Slip::NoScalar) {
                    signs(own, vec![0xFF; 32])
                } else if slips.has(Slip::SignedByNobody) {
                    signs(&SecretKey::from_seed(&random(rng)), value)
                } else if slips.has(Slip::ShareOfOtherSession) {
                    self.kept.replace(share)
                } else if slips.has(Slip::ReplayedShares) {
                    let share = with(share);
                    self.sent.push(share.clone());
                    let mut all = vec![share.clone(), share.clone(), share];
                    all.extend(self.sent.iter().cloned());
                    return all;
                } else {
                    Some(share)
                };
                altered.map(with).into_iter().collect()
            }
            // Its node does not know the commitments that the double announced.
            FromNode::Declined { .. } if signs_itself(slips) => Vec::new(),
            message => vec![message],
        }
    }

    fn commits(
        &mut self,
        slips: &Slips,
        seat: &Seat<'_>,
        session: SessionId,
        commitments: SignedPart,
        rng: &mut ChaCha20Rng,
    ) -> Vec<FromNode> {
        let with = |part| FromNode::Part { session, round: 1, part };
        if slips.has(Slip::Silence) {
            Vec::new()
        } else if slips.has(Slip::Decline) {
            vec![FromNode::Declined { session, reason: DeclineReason::NoShare, because: None }]
        } else if slips.has(Slip::ReplayedCommitments) {
            let old = self.kept.replace(commitments);
            old.map(with).into_iter().collect()
        } else if slips.has(Slip::TwoCommitments) {
            let other = self.own_commitments(slips, seat, session, random(rng));
            std::iter::once(with(commitments)).chain(other.map(with)).collect()
        } else if signs_itself(slips) {
            let seed = if slips.has(Slip::ReusedCommitments) { [7; 32] } else { random(rng) };
            self.seeds.insert(session, seed);
            let own = self.own_commitments(slips, seat, session, seed);
            own.map(with).into_iter().collect()
        } else {
            vec![with(commitments)]
        }
    }

    fn own_commitments(
        &self,
        slips: &Slips,
        seat: &Seat<'_>,
        session: SessionId,
        seed: [u8; 32],
    ) -> Option<SignedPart> {
        let signer = self.signer(slips, seat, session)?;
        let (_, commitments) = start(&signer.key, &mut ChaCha20Rng::from_seed(seed));
        let key = &seat.secrets.identity;
        Some(signer.context.sign(seat.account, key, FIRST, commitments))
    }

    /// Signs instead of its node in the sessions whose commitments it has received.
    pub(super) fn acts(&mut self, slips: &Slips, seat: &Seat<'_>) -> Vec<NodeEffect> {
        for group in seat.state.groups().values() {
            if let Some(ceremony) = &group.session
                && let Some(public) = ceremony.board.outcome()
            {
                self.keys.insert(ceremony.session, public.clone());
            }
        }
        if !signs_itself(slips) {
            return Vec::new();
        }
        let waiting: Vec<SessionId> =
            self.packages.keys().filter(|session| !self.done.contains(session)).copied().collect();
        let mut shares = Vec::new();
        for session in waiting {
            self.done.insert(session);
            shares.extend(self.share(slips, seat, session).map(NodeEffect::Send));
        }
        shares
    }

    fn share(&self, slips: &Slips, seat: &Seat<'_>, session: SessionId) -> Option<FromNode> {
        let signer = self.signer(slips, seat, session)?;
        let board = self.opened(seat, &signer.context)?;
        // The same seed makes the same nonces.
        let mut rng = ChaCha20Rng::from_seed(*self.seeds.get(&session)?);
        let (run, _) = start(&signer.key, &mut rng);
        let Material { context, key, public, message } = &signer;
        let step = run.advance(key, public, &board, Some(message), &mut rng).ok()?;
        let Step::Share(share) = step else { return None };
        let identity = &seat.secrets.identity;
        let share = context.sign(seat.account, identity, context.place(&board), share);
        let (size, cosignature) = self.cosignature.clone()?;
        Some(FromNode::Share { session, share, size, cosignature })
    }

    /// Returns the set of commitments that it received for signing.
    fn opened(&self, seat: &Seat<'_>, context: &SigningSession) -> Option<Board> {
        let group = self.group(seat, context.subject)?;
        let sent = self.packages.get(&context.session)?.iter();
        let opened = sent.map(|(account, signed)| {
            let key = seat.state.identity_key(account)?;
            let theirs = context.open(account, key, FIRST, signed).ok()?;
            Some((group.identifier(account)?, theirs))
        });
        committed(opened.collect::<Option<Vec<_>>>()?)
    }

    /// Signs any bytes as a signature share, as `docs/protocols/signing.md` specifies.
    fn signs(
        &self,
        seat: &Seat<'_>,
        session: SessionId,
        key: &SecretKey,
        value: Vec<u8>,
    ) -> Option<SignedPart> {
        let (ivn, subject) = (seat.state.ivn(), *self.subjects.get(&session)?);
        let context = SigningSession {
            ivn,
            session,
            epoch: seat.state.epoch_of(subject).unwrap_or(1),
            subject,
            number: seat.state.number_of(subject),
        };
        let Place { round, after } = context.place(&self.opened(seat, &context)?);
        let (SigningSession { epoch, number, .. }, after) = (context, after?);
        let value = STANDARD.encode(value);
        let subject = serde_json::to_string(&subject).ok()?;
        let payload = format!(
            r#"{{"ivn":"{ivn}","session":"{session}","epoch":{epoch},"subject":{subject},"number":{number},"signer":"{}","round":{round},"after":"{after}","message":"{value}"}}"#,
            seat.account
        );
        let kind = "application/vnd.quorate.signing+json";
        let covered = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
        let sig = STANDARD.encode(key.sign(covered.as_bytes()));
        serde_json::from_value(serde_json::json!({ "value": value, "sig": sig })).ok()
    }

    fn group<'a>(&self, seat: &'a Seat<'_>, subject: Subject) -> Option<&'a Group> {
        match subject {
            Subject::Request { request } => {
                seat.state.group(&seat.state.request(request).ok()?.request.group).ok()
            }
            Subject::Activation { session } => seat.state.group_of_session(session),
        }
    }

    /// Returns the key and the message that it signs in a session.
    fn signer(&self, slips: &Slips, seat: &Seat<'_>, session: SessionId) -> Option<Material> {
        let subject = *self.subjects.get(&session)?;
        let group = self.group(seat, subject)?;
        let (made_in, mut message) = match subject {
            Subject::Request { request } => {
                let wanted = seat.state.next_to_sign(request)?;
                let document = seat.documents.get(&wanted.request.document)?;
                (group.key.as_ref()?.session, message_of(document, &wanted))
            }
            Subject::Activation { session } => {
                let (record, _) = group.activation(seat.state.ivn())?;
                (session, record.to_be_signed())
            }
        };
        if slips.has(Slip::ShareOfOtherMessage) {
            message.push(b'!');
        }
        let made_in = match slips.has(Slip::StaleShare) {
            true => *seat.packages.keys().find(|other| **other != made_in)?,
            false => made_in,
        };
        let key = KeyPackage::from_bytes(seat.packages.get(&made_in)?).ok()?;
        let public = self.keys.get(&made_in)?.clone();
        let context = SigningSession {
            ivn: seat.state.ivn(),
            session,
            epoch: seat.state.epoch_of(subject).unwrap_or(1),
            subject,
            number: seat.state.number_of(subject),
        };
        Some(Material { context, key, public, message })
    }
}

/// Whether the double makes its own commitments and signature shares.
fn signs_itself(slips: &Slips) -> bool {
    slips.has_any(&[Slip::ShareOfOtherMessage, Slip::ReusedCommitments, Slip::StaleShare])
}
