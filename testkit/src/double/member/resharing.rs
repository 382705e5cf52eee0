//! Attacks on reshares: by who deals and stays, who deals and leaves, and who joins.

use std::collections::BTreeMap;

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use quorate_ceremony::effect::{NodeChange, NodeEffect};
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Author, Entry};
use quorate_ceremony::message::{DeclineReason, FromCoordinator, FromNode};
use quorate_ceremony::names::{AccountName, SessionId, Timestamp};
use quorate_ceremony::signing::Subject;
use quorate_ceremony::state::{Group, Session, SessionPhase};
use quorate_ceremony::statement::Body;
use rand_chacha::ChaCha20Rng;

use super::generation::Said;
use super::participant::{self, Participant};
use super::rounds::Rounds;
use super::{PATIENCE, Seat, random, submission, submitted};

/// How a member breaks the rules of a reshare. In all else it keeps to them.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ReshareMischief {
    /// Not at all, but with the double's own code.
    ByTheBook,
    /// Its first message is no message.
    GarbageAnnouncement,
    /// It announces two encryption keys.
    TwoAnnouncements,
    /// It says nothing in round 1.
    SilentInAnnounce,
    /// Its polynomial has one coefficient more than was agreed on.
    HigherDegree,
    /// Its polynomial has one coefficient less.
    LowerDegree,
    /// It deals a random value instead of its share, and proves that it knows it.
    OtherConstant,
    /// It deals the share that it had an epoch before.
    ShareOfAnOlderEpoch,
    /// It does not prove that it knows its share.
    WrongProof,
    /// It says what another dealer said.
    AnothersDealing,
    /// It deals under another dealer's ephemeral key, and seals what nobody can open: complaints about it would open what
    /// that other one sealed.
    AnothersEphemeralKey,
    /// One member's sub-share is not on its polynomial.
    WrongSubShareToOne,
    /// Nobody's sub-share is on its polynomial.
    WrongSubShareToAll,
    /// One member's sub-share can not be decrypted.
    SealedGarbage,
    /// It deals last, and such that an honest member's share would be zero.
    ZeroShareOfAnother,
    /// It deals last, and such that its own share would be zero, which it knows how to do with right sub-shares.
    ZeroShareOfItself,
    /// It deals last, and such that the new key would have a polynomial of a lower degree.
    CancelledDegree,
    /// It deals twice, with different sub-shares.
    TwoDealings,
    /// It does not deal.
    SilentInReveal,
    /// It deals as if the log had shown it other announcements.
    OtherView,
    /// It lets a session fail, and says in the next what it said in that.
    LastSessionsMessages,
    /// It complains about a right sub-share, and opens it as a complaint does.
    FalseComplaint,
    /// It complains with a shared point that it did not prove.
    ForgedComplaint,
    /// It complains about somebody who is no dealer.
    ComplaintAboutNoDealer,
    /// It says nothing in round 3, when it holds its share.
    SilentInVerdict,
    /// Its messages name an earlier process of its node.
    EarlierProcess,
    /// It announces a restart in the middle of each session.
    RestartForEver,
    /// It never certifies.
    WithholdCertification,
    /// It certifies other shares than the messages come to.
    CertifyOtherShares,
    /// It certifies, and then certifies something else.
    CertifyTwice,
    /// It certifies when the session was given up.
    CertifyLate,
    /// It does not sign the activation.
    RefuseActivation,
}

impl ReshareMischief {
    /// All there is.
    pub const ALL: [Self; 32] = [
        Self::ByTheBook,
        Self::GarbageAnnouncement,
        Self::TwoAnnouncements,
        Self::SilentInAnnounce,
        Self::HigherDegree,
        Self::LowerDegree,
        Self::OtherConstant,
        Self::ShareOfAnOlderEpoch,
        Self::WrongProof,
        Self::AnothersDealing,
        Self::AnothersEphemeralKey,
        Self::WrongSubShareToOne,
        Self::WrongSubShareToAll,
        Self::SealedGarbage,
        Self::ZeroShareOfAnother,
        Self::ZeroShareOfItself,
        Self::CancelledDegree,
        Self::TwoDealings,
        Self::SilentInReveal,
        Self::OtherView,
        Self::LastSessionsMessages,
        Self::FalseComplaint,
        Self::ForgedComplaint,
        Self::ComplaintAboutNoDealer,
        Self::SilentInVerdict,
        Self::EarlierProcess,
        Self::RestartForEver,
        Self::WithholdCertification,
        Self::CertifyOtherShares,
        Self::CertifyTwice,
        Self::CertifyLate,
        Self::RefuseActivation,
    ];

    /// Whether the double speaks for itself, instead of its node.
    fn speaks_itself(self) -> bool {
        !matches!(
            self,
            Self::EarlierProcess
                | Self::RestartForEver
                | Self::WithholdCertification
                | Self::CertifyOtherShares
                | Self::CertifyTwice
                | Self::CertifyLate
                | Self::RefuseActivation
        )
    }

    /// Whether it is in what a dealer says. Of those who may deal, only some are waited for.
    pub fn is_in_dealing(self) -> bool {
        matches!(
            self,
            Self::HigherDegree
                | Self::LowerDegree
                | Self::OtherConstant
                | Self::ShareOfAnOlderEpoch
                | Self::WrongProof
                | Self::WrongSubShareToOne
                | Self::WrongSubShareToAll
                | Self::SealedGarbage
                | Self::TwoDealings
                | Self::SilentInReveal
                | Self::OtherView
        ) || self.deals_last()
    }

    fn deals_last(self) -> bool {
        matches!(
            self,
            Self::ZeroShareOfAnother
                | Self::ZeroShareOfItself
                | Self::CancelledDegree
                | Self::AnothersDealing
                | Self::AnothersEphemeralKey
        )
    }
}

/// What a double knows of reshares.
pub(crate) struct Resharing {
    mischief: ReshareMischief,
    /// Everybody's messages, as the log has them.
    read: BTreeMap<SessionId, Vec<(AccountName, Vec<u8>)>>,
    /// Its own part.
    participants: BTreeMap<SessionId, Participant>,
    /// What it said in each round.
    said: BTreeMap<(SessionId, u8), Said>,
    /// Its shares, oldest first: it destroys none.
    shares: Vec<(SessionId, Scalar)>,
    certifications: BTreeMap<SessionId, Entry>,
    /// Which shares signing sessions are to activate.
    activations: BTreeMap<SessionId, SessionId>,
}

impl Resharing {
    pub(super) fn new(mischief: ReshareMischief) -> Self {
        Self {
            mischief,
            read: BTreeMap::new(),
            participants: BTreeMap::new(),
            said: BTreeMap::new(),
            shares: Vec::new(),
            certifications: BTreeMap::new(),
            activations: BTreeMap::new(),
        }
    }

    pub(super) fn hears(&mut self, message: &FromCoordinator) {
        if let FromCoordinator::Invite { session, subject: Subject::Activation { session: of } } =
            message
        {
            self.activations.insert(*session, *of);
        }
    }

    /// What becomes of what its node wants done, and what it does itself.
    pub(super) fn acts(
        &mut self,
        seat: &Seat<'_>,
        effects: Vec<NodeEffect>,
        rng: &mut ChaCha20Rng,
    ) -> Vec<NodeEffect> {
        for (session, package) in seat.packages {
            if !self.shares.iter().any(|(known, _)| known == session)
                && let Some(share) = share(package)
            {
                self.shares.push((*session, share));
            }
        }
        let mut done = Vec::new();
        for effect in effects {
            if let NodeEffect::Persist(NodeChange::Entries { entries, .. }) = &effect {
                for entry in entries.iter().filter_map(|bytes| Entry::from_bytes(bytes).ok()) {
                    self.reads(&entry);
                }
            }
            done.extend(self.alters(seat, effect, rng));
        }
        if seat.connected {
            let late = self.certifications.extract_if(.., |session, _| !reshares(seat, *session));
            done.extend(late.map(|(_, entry)| submission(&entry)));
            let speaks = self.speaks_itself();
            for group in seat.state.groups().values().filter(|_| speaks) {
                done.extend(self.plays(seat, group, rng).unwrap_or_default());
            }
        }
        done
    }

    fn speaks_itself(&self) -> bool {
        // Until it has a share that is not in force any more, its node makes one.
        let waits = self.mischief == ReshareMischief::ShareOfAnOlderEpoch && self.shares.len() < 2;
        self.mischief.speaks_itself() && !waits
    }

    fn reads(&mut self, entry: &Entry) {
        if let (Author::Account(author), Body::CeremonyMessage { session, message, .. }) =
            (&entry.statement().author, &entry.statement().body)
        {
            let read = self.read.entry(*session).or_default();
            read.push((author.clone(), message.0.clone()));
        }
    }

    fn alters(
        &mut self,
        seat: &Seat<'_>,
        effect: NodeEffect,
        rng: &mut ChaCha20Rng,
    ) -> Vec<NodeEffect> {
        if let NodeEffect::Send(FromNode::Commitments { session, .. }) = &effect
            && self.mischief == ReshareMischief::RefuseActivation
            && self.activations.get(session).is_some_and(|of| reshares(seat, *of))
        {
            let (session, reason) = (*session, DeclineReason::NoShare);
            return vec![NodeEffect::Send(FromNode::Declined { session, reason })];
        }
        let Some(entry) = submitted(&effect) else { return vec![effect] };
        match &entry.statement().body {
            Body::CeremonyMessage { session, message, .. } if reshares(seat, *session) => {
                match self.mischief {
                    ReshareMischief::EarlierProcess => {
                        seat.submits_as_earlier_process(*session, message, rng)
                    }
                    ReshareMischief::RestartForEver => {
                        let own =
                            seat.state.account(seat.account).ok().and_then(|it| it.incarnation);
                        std::iter::once(effect).chain(seat.restarts(own, rng)).collect()
                    }
                    _ if self.speaks_itself() => Vec::new(),
                    _ => vec![effect],
                }
            }
            Body::CeremonyCertified { session, transcript, public_key_package }
                if reshares(seat, *session) =>
            {
                let false_one = seat.certifies_another(*session, *transcript, *public_key_package);
                match self.mischief {
                    ReshareMischief::WithholdCertification => Vec::new(),
                    ReshareMischief::CertifyLate => {
                        self.certifications.insert(*session, entry);
                        Vec::new()
                    }
                    ReshareMischief::CertifyOtherShares => false_one.into_iter().collect(),
                    ReshareMischief::CertifyTwice => {
                        std::iter::once(effect).chain(false_one).collect()
                    }
                    _ => vec![effect],
                }
            }
            _ => vec![effect],
        }
    }

    /// Says what is to be said in the round in which a group's reshare is.
    fn plays(
        &mut self,
        seat: &Seat<'_>,
        group: &Group,
        rng: &mut ChaCha20Rng,
    ) -> Option<Vec<NodeEffect>> {
        let ceremony = group.session.as_ref().filter(|ceremony| ceremony.terms.is_reshare())?;
        let (session, terms) = (ceremony.session, &ceremony.terms);
        let me = *terms.identifiers.get(seat.account)?;
        let members = &terms.definition.members;
        let recipient = members.contains(seat.account);
        if recipient && group.phase() == Some(SessionPhase::Certifying) {
            return self.certifies(seat, group);
        }
        let honest = |name: &&AccountName| !seat.accomplices.contains(*name);
        let victim = terms.identifiers.get(members.iter().find(honest)?)?.get();
        let read = self.read.get(&session).map(Vec::as_slice).unwrap_or_default();
        let rounds = Rounds::of(ceremony, me, victim, read)?;
        let round = rounds.round()?;
        let deals = terms.dealers().any(|name| name == seat.account);
        let repeats = matches!(
            self.mischief,
            ReshareMischief::TwoAnnouncements | ReshareMischief::TwoDealings
        );
        let spoke = rounds.message(round, me.get()).is_some() && !repeats;
        if spoke || !(if round == 2 { deals } else { recipient }) {
            return None;
        }
        let last = rounds.dealers().len() + 1 >= terms.dealers_needed();
        if round == 2 && self.mischief.deals_last() && !last {
            return None;
        }
        if !self.said.contains_key(&(session, round)) {
            let messages = self.message(ceremony, group, &rounds, round, rng)?;
            self.said.insert((session, round), (messages, Timestamp(0)));
        }
        let (messages, at) = self.said.get_mut(&(session, round))?;
        if at.plus(PATIENCE) > seat.now {
            return None;
        }
        *at = seat.now;
        let incarnation = seat.state.account(seat.account).ok()?.incarnation?;
        let bodies = messages.iter().map(|message| {
            let message = Base64(message.clone());
            Body::CeremonyMessage { session, incarnation, message }
        });
        Some(bodies.filter_map(|body| seat.submits(body)).collect())
    }

    /// It has no share that its node knows of, and says that it has.
    fn certifies(&mut self, seat: &Seat<'_>, group: &Group) -> Option<Vec<NodeEffect>> {
        let session = group.session.as_ref()?.session;
        let (transcript, public_key_package) = group.certificate()?;
        let (_, at) = self.said.entry((session, 5)).or_insert_with(|| (Vec::new(), Timestamp(0)));
        if group.certified(seat.account) || at.plus(PATIENCE) > seat.now {
            return None;
        }
        *at = seat.now;
        let body = Body::CeremonyCertified { session, transcript, public_key_package };
        Some(seat.submits(body).into_iter().collect())
    }

    fn message(
        &mut self,
        ceremony: &Session,
        group: &Group,
        rounds: &Rounds,
        round: u8,
        rng: &mut ChaCha20Rng,
    ) -> Option<Vec<Vec<u8>>> {
        let session = ceremony.session;
        match (self.mischief, round) {
            (ReshareMischief::SilentInAnnounce, 4)
            | (ReshareMischief::SilentInReveal, 2)
            | (ReshareMischief::SilentInVerdict | ReshareMischief::LastSessionsMessages, 3) => {
                return Some(Vec::new());
            }
            (ReshareMischief::GarbageAnnouncement, 4) => return Some(vec![vec![1, 2, 3]]),
            (ReshareMischief::AnothersDealing, 2) => {
                let another = rounds.dealers().into_iter().next()?;
                return Some(vec![rounds.message(2, another)?.clone()]);
            }
            (ReshareMischief::LastSessionsMessages, _) => {
                let earlier =
                    |((of, said), _): &(&(SessionId, u8), &_)| *of != session && *said == round;
                if let Some((_, (old, _))) = self.said.iter().find(earlier) {
                    return Some(old.clone());
                }
            }
            _ => {}
        }
        if !self.participants.contains_key(&session) {
            let participant = self.deal(group, rounds, rng)?;
            self.participants.insert(session, participant);
        }
        let participant = self.participants.get_mut(&session)?;
        match round {
            2 => reveals(self.mischief, rounds, participant, rng),
            3 => verdicts(self.mischief, rounds, participant, rng),
            _ => {
                let mut messages = vec![participant.announce()];
                if self.mischief == ReshareMischief::TwoAnnouncements {
                    messages.push(self.deal(group, rounds, rng)?.announce());
                }
                Some(messages)
            }
        }
    }

    fn deal(&self, group: &Group, rounds: &Rounds, rng: &mut ChaCha20Rng) -> Option<Participant> {
        let key = group.key.as_ref()?;
        let min_signers = rounds.parameters.min_signers();
        let coefficients = match self.mischief {
            ReshareMischief::HigherDegree => min_signers + 1,
            ReshareMischief::LowerDegree => min_signers - 1,
            _ => min_signers,
        };
        let current = self.shares.iter().find(|(session, _)| *session == key.session);
        let share = match self.mischief {
            ReshareMischief::OtherConstant => None,
            ReshareMischief::ShareOfAnOlderEpoch => self.shares.first(),
            _ => current,
        };
        let (old, constant) = (key.public.to_bytes(), share.map(|(_, share)| *share));
        let me = rounds.me.get();
        let mut made =
            Participant::deal_again(&rounds.parameters, &old, me, constant, coefficients, rng);
        if self.mischief == ReshareMischief::WrongProof {
            made.dealing.proof.iter_mut().last().into_iter().for_each(|byte| *byte ^= 1);
        }
        Some(made)
    }
}

/// The signing share in a key package.
fn share(package: &[u8]) -> Option<Scalar> {
    Option::from(Scalar::from_canonical_bytes(package.get(6..38)?.try_into().ok()?))
}

/// Whether this is the running session of a reshare.
fn reshares(seat: &Seat<'_>, session: SessionId) -> bool {
    let mut running = seat.state.groups().values().filter_map(|group| group.session.as_ref());
    running.any(|ceremony| ceremony.session == session && ceremony.terms.is_reshare())
}

fn reveals(
    mischief: ReshareMischief,
    rounds: &Rounds,
    participant: &mut Participant,
    rng: &mut ChaCha20Rng,
) -> Option<Vec<Vec<u8>>> {
    match mischief {
        ReshareMischief::ZeroShareOfAnother => {
            let x = Scalar::from(rounds.victim);
            let at = |points: &[EdwardsPoint]| -> EdwardsPoint {
                points.iter().rev().fold(EdwardsPoint::default(), |value, point| value * x + point)
            };
            let others = weighted(rounds, |dealing, _| Some(at(&dealing.points())))?;
            let mut points = participant.dealing.points();
            *points.get_mut(1)? = EdwardsPoint::default();
            let rest = at(&points);
            *points.get_mut(1)? = (others.iter().sum::<EdwardsPoint>() - rest) * x.invert();
            participant.commit_to(&points, rng);
        }
        ReshareMischief::ZeroShareOfItself => {
            let me = rounds.me.get();
            let opened = weighted(rounds, |dealing, dealer| {
                participant.open(dealer, dealing, rounds.sealed_to_me(dealer)?)
            })?;
            participant.choose(1, Scalar::ZERO, rng);
            let rest = participant.sub_share(me);
            let wanted = opened.iter().sum::<Scalar>() - rest;
            participant.choose(1, wanted * Scalar::from(me).invert(), rng);
        }
        ReshareMischief::CancelledDegree => {
            let others = weighted(rounds, |dealing, _| dealing.points().last().copied())?;
            let mut points = participant.dealing.points();
            *points.last_mut()? = others.iter().sum();
            participant.commit_to(&points, rng);
        }
        ReshareMischief::AnothersEphemeralKey => {
            let another = rounds.dealers().into_iter().next()?;
            participant.dealing.ephemeral = rounds.dealing(another)?.ephemeral;
            participant.dealing.proof = participant.prove(rng);
        }
        _ => {}
    }
    let mut view = *rounds.views.get(&2)?;
    let mut sealed = rounds.sealed(participant)?;
    match mischief {
        ReshareMischief::WrongSubShareToOne => {
            sealed = rounds.wrong(participant, &[rounds.victim])?;
        }
        ReshareMischief::WrongSubShareToAll => {
            let all: Vec<u16> = rounds.others().collect();
            sealed = rounds.wrong(participant, &all)?;
        }
        ReshareMischief::SealedGarbage => sealed.get_mut(&rounds.victim)?.fill(0xAB),
        ReshareMischief::OtherView => view = random(rng),
        _ => {}
    }
    let mut messages = vec![participant.deals(&view, &sealed, rng)];
    if mischief == ReshareMischief::TwoDealings {
        let other = rounds.wrong(participant, &[rounds.victim])?;
        messages.push(participant.deals(&view, &other, rng));
    }
    Some(messages)
}

/// What the other dealers contribute, each times what it takes for their sum to be what cancels them, when this double
/// deals last.
fn weighted<T: std::ops::Mul<Scalar, Output = T>>(
    rounds: &Rounds,
    contribution: impl Fn(&participant::Dealing, u16) -> Option<T>,
) -> Option<Vec<T>> {
    let me = rounds.me.get();
    let others = rounds.dealers();
    let all: Vec<u16> = others.iter().copied().chain([me]).collect();
    let weight = |dealer: u16| -> Scalar {
        let x = Scalar::from;
        let rest = all.iter().filter(|other| **other != dealer);
        rest.map(|other| x(*other) * (x(*other) - x(dealer)).invert()).product()
    };
    let cancels = |dealer: u16| -(weight(dealer) * weight(me).invert());
    others
        .iter()
        .map(|dealer| Some(contribution(&rounds.dealing(*dealer)?, *dealer)? * cancels(*dealer)))
        .collect()
}

fn verdicts(
    mischief: ReshareMischief,
    rounds: &Rounds,
    participant: &Participant,
    rng: &mut ChaCha20Rng,
) -> Option<Vec<Vec<u8>>> {
    let view = rounds.views.get(&3)?;
    let mut complaints = Vec::new();
    let dealer = rounds.dealers().into_iter().find(|dealer| *dealer != rounds.me.get())?;
    let dealing = rounds.dealing(dealer)?;
    match mischief {
        ReshareMischief::FalseComplaint => {
            complaints.push(participant.complaint(dealer, &dealing.ephemeral, rng));
        }
        ReshareMischief::ForgedComplaint => {
            let mut complaint = participant.complaint(dealer, &dealing.ephemeral, rng);
            // Another shared point, with the proof of the right one.
            complaint.get_mut(2..34)?.copy_from_slice(&participant.dealing.ephemeral);
            complaints.push(complaint);
        }
        ReshareMischief::ComplaintAboutNoDealer => {
            complaints.push(participant.complaint(u16::MAX, &dealing.ephemeral, rng));
        }
        _ => {}
    }
    Some(vec![participant::verdict(view, &complaints)])
}
