//! Attacks on key generation and certification.

use std::collections::{BTreeMap, BTreeSet};

use curve25519_dalek::edwards::EdwardsPoint;
use quorate_ceremony::effect::NodeEffect;
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Author, Entry};
use quorate_ceremony::names::{AccountName, SessionId, Timestamp};
use quorate_ceremony::state::{Group, SessionPhase};
use quorate_ceremony::statement::Body;
use rand_chacha::ChaCha20Rng;

use super::participant::{self, Dealing, Participant};
use super::rounds::Rounds;
use super::{Mischief, PATIENCE, Seat, random, submission};

/// What a double knows of key generation sessions.
#[derive(Default)]
pub(super) struct Generation {
    /// Everybody's messages, as the log has them.
    read: BTreeMap<SessionId, Vec<(AccountName, Vec<u8>)>>,
    /// Its own part.
    participants: BTreeMap<SessionId, Participant>,
    /// What it said in each round.
    said: BTreeMap<(SessionId, u8), Said>,
    /// Others' dealings in sessions that came to nothing.
    stolen: Option<(SessionId, Dealing)>,
    certifications: BTreeMap<SessionId, Entry>,
}

/// Its own messages of one round, and when they were last sent.
pub(super) type Said = (Vec<Vec<u8>>, Timestamp);

impl Generation {
    /// An entry of the log.
    pub(super) fn reads(&mut self, entry: &Entry) {
        if let (Author::Account(author), Body::CeremonyMessage { session, message, .. }) =
            (&entry.statement().author, &entry.statement().body)
        {
            let read = self.read.entry(*session).or_default();
            read.push((author.clone(), message.0.clone()));
        }
    }

    /// What becomes of an entry that its node submits.
    pub(super) fn alters(
        &mut self,
        mischief: Mischief,
        seat: &Seat<'_>,
        entry: &Entry,
        effect: NodeEffect,
        rng: &mut ChaCha20Rng,
    ) -> Vec<NodeEffect> {
        match &entry.statement().body {
            Body::CeremonyMessage { session, message, .. } => {
                if mischief == Mischief::EarlierProcess {
                    return seat.submits_as_earlier_process(*session, message, rng);
                }
                if mischief == Mischief::RestartForEver {
                    return std::iter::once(effect).chain(seat.restarts(None, rng)).collect();
                }
                if deals_itself(mischief) { Vec::new() } else { vec![effect] }
            }
            Body::CeremonyCertified { session, transcript, public_key_package } => {
                let false_one = seat.certifies_another(*session, *transcript, *public_key_package);
                // The share of one session is kept for the next.
                let first = self.read.keys().all(|known| known == session);
                match mischief {
                    Mischief::WithholdCertification => Vec::new(),
                    Mischief::CertifyLate => {
                        self.certifications.insert(*session, entry.clone());
                        Vec::new()
                    }
                    Mischief::CertifyAnotherKey => false_one.into_iter().collect(),
                    Mischief::CertifyTwice => std::iter::once(effect).chain(false_one).collect(),
                    Mischief::StaleShare if first => Vec::new(),
                    _ if deals_itself(mischief) => Vec::new(),
                    _ => vec![effect],
                }
            }
            _ => vec![effect],
        }
    }

    /// Takes part, in its own way.
    pub(super) fn acts(
        &mut self,
        mischief: Mischief,
        seat: &Seat<'_>,
        rng: &mut ChaCha20Rng,
    ) -> Vec<NodeEffect> {
        let mut done = self.certify_late(seat);
        if !deals_itself(mischief) {
            return done;
        }
        for group in seat.state.groups().values() {
            done.extend(self.plays(mischief, seat, group, rng).unwrap_or_default());
        }
        done
    }

    /// What was held back while its session ran.
    fn certify_late(&mut self, seat: &Seat<'_>) -> Vec<NodeEffect> {
        let running: BTreeSet<SessionId> = seat
            .state
            .groups()
            .values()
            .filter_map(|group| group.session.as_ref().map(|ceremony| ceremony.session))
            .collect();
        let late = self.certifications.extract_if(.., |session, _| !running.contains(session));
        late.map(|(_, entry)| submission(&entry)).collect()
    }

    /// Says what is to be said in the round in which a group's session is.
    fn plays(
        &mut self,
        mischief: Mischief,
        seat: &Seat<'_>,
        group: &Group,
        rng: &mut ChaCha20Rng,
    ) -> Option<Vec<NodeEffect>> {
        let ceremony = group.session.as_ref()?;
        let me = group.identifier(seat.account)?;
        let honest = |name: &&AccountName| !seat.accomplices.contains(*name);
        let victim = group.definition.members.iter().find(honest);
        let victim = victim.and_then(|name| group.identifier(name))?.get();
        let read = self.read.get(&ceremony.session).map(Vec::as_slice).unwrap_or_default();
        let rounds = Rounds::of(ceremony, me, victim, read)?;
        if mischief == Mischief::ByTheBook && group.phase() == Some(SessionPhase::Certifying) {
            return self.certifies(seat, group);
        }
        let round = rounds.round()?;
        let repeats = matches!(mischief, Mischief::TwoCommits | Mischief::TwoReveals);
        if rounds.message(round, me.get()).is_some() && !repeats {
            return None;
        }
        let waits_for = rounds.missing.iter().filter_map(|id| ceremony.terms.name(*id));
        let last = waits_for.clone().all(|name| seat.accomplices.contains(name));
        if mischief == Mischief::RogueKey && !last {
            return None;
        }
        let slot = (ceremony.session, round);
        if !self.said.contains_key(&slot) {
            let messages = self.message(mischief, &rounds, round, ceremony.session, rng)?;
            self.said.insert(slot, (messages, Timestamp(0)));
        }
        let (messages, at) = self.said.get_mut(&slot)?;
        if at.plus(PATIENCE) > seat.now {
            return None;
        }
        *at = seat.now;
        let incarnation = seat.state.account(seat.account).ok()?.incarnation?;
        let session = ceremony.session;
        let bodies = messages.iter().map(|message| Body::CeremonyMessage {
            session,
            incarnation,
            message: Base64(message.clone()),
        });
        Some(bodies.filter_map(|body| seat.submits(body)).collect())
    }

    fn certifies(&mut self, seat: &Seat<'_>, group: &Group) -> Option<Vec<NodeEffect>> {
        let session = group.session.as_ref()?.session;
        let (transcript, public_key_package) = group.certificate()?;
        let (_, at) = self.said.entry((session, 4)).or_insert_with(|| (Vec::new(), Timestamp(0)));
        if group.certified(seat.account) || at.plus(PATIENCE) > seat.now {
            return None;
        }
        *at = seat.now;
        let body = Body::CeremonyCertified { session, transcript, public_key_package };
        Some(seat.submits(body).into_iter().collect())
    }

    /// What it says in a round; nothing yet, if it wants to see more first.
    fn message(
        &mut self,
        mischief: Mischief,
        rounds: &Rounds,
        round: u8,
        session: SessionId,
        rng: &mut ChaCha20Rng,
    ) -> Option<Vec<Vec<u8>>> {
        let earlier = self.said.keys().map(|(said, _)| *said).find(|said| *said != session);
        match (mischief, round) {
            (Mischief::SilentInCommit, 1)
            | (Mischief::SilentInReveal, 2)
            | (Mischief::SilentInVerdict, 3) => return Some(Vec::new()),
            (Mischief::GarbageCommit, 1) => return Some(vec![vec![1, 2, 3]]),
            (Mischief::CopiedCommitment, 1 | 2) => {
                return Some(vec![rounds.message(round, rounds.victim)?.clone()]);
            }
            (Mischief::LastSessionsMessages, 1 | 2) => {
                if let Some((old, _)) = earlier.and_then(|old| self.said.get(&(old, round))) {
                    return Some(old.clone());
                }
            }
            (Mischief::LastSessionsMessages | Mischief::ReplayedProof, 3) => {
                if let Some(dealing) = rounds.dealing(rounds.victim) {
                    self.stolen = Some((session, dealing));
                }
                return Some(Vec::new());
            }
            _ => {}
        }
        if !self.participants.contains_key(&session) {
            let participant = self.deal(mischief, rounds, session, rng);
            self.participants.insert(session, participant);
        }
        let participant = self.participants.get_mut(&session)?;
        match round {
            1 => Some(commits(mischief, rounds, participant, rng)),
            2 => reveals(mischief, rounds, participant, rng),
            _ => verdicts(mischief, rounds, participant, rng),
        }
    }

    fn deal(
        &self,
        mischief: Mischief,
        rounds: &Rounds,
        session: SessionId,
        rng: &mut ChaCha20Rng,
    ) -> Participant {
        let min_signers = rounds.parameters.min_signers();
        let coefficients = match mischief {
            Mischief::HigherDegree => min_signers + 1,
            Mischief::LowerDegree => min_signers - 1,
            _ => min_signers,
        };
        let mut participant =
            Participant::deal(&rounds.parameters, rounds.me.get(), coefficients, rng);
        if mischief == Mischief::WrongProof
            && let Some(byte) = participant.dealing.proof.last_mut()
        {
            *byte ^= 1;
        }
        if mischief == Mischief::ReplayedProof
            && let Some((of, dealing)) = &self.stolen
            && *of != session
        {
            participant.dealing = dealing.clone();
        }
        participant
    }
}

/// Whether the double speaks for itself in key generation.
fn deals_itself(mischief: Mischief) -> bool {
    mischief <= Mischief::LastSessionsMessages
}

fn commits(
    mischief: Mischief,
    rounds: &Rounds,
    participant: &Participant,
    rng: &mut ChaCha20Rng,
) -> Vec<Vec<u8>> {
    let mut messages = vec![participant.commit()];
    if mischief == Mischief::TwoCommits {
        let (me, coefficients) = (rounds.me.get(), rounds.parameters.min_signers());
        messages.push(Participant::deal(&rounds.parameters, me, coefficients, rng).commit());
    }
    messages
}

fn reveals(
    mischief: Mischief,
    rounds: &Rounds,
    participant: &mut Participant,
    rng: &mut ChaCha20Rng,
) -> Option<Vec<Vec<u8>>> {
    let mut view = *rounds.views.get(&2)?;
    let mut sealed = rounds.sealed(participant)?;
    match mischief {
        Mischief::OtherDealing => {
            let (me, coefficients) = (rounds.me.get(), rounds.parameters.min_signers());
            *participant = Participant::deal(&rounds.parameters, me, coefficients, rng);
            sealed = rounds.sealed(participant)?;
        }
        Mischief::RogueKey => {
            let others = rounds.others().filter_map(|other| rounds.dealing(other)?.constant());
            let constant = participant.dealing.constant()? - others.sum::<EdwardsPoint>();
            let place = participant.dealing.coefficients.get_mut(..32)?;
            place.copy_from_slice(constant.compress().as_bytes());
            participant.dealing.proof = participant.prove(rng);
        }
        Mischief::WrongSubShareToOne => sealed = rounds.wrong(participant, &[rounds.victim])?,
        Mischief::WrongSubShareToAll => {
            let all: Vec<u16> = rounds.others().collect();
            sealed = rounds.wrong(participant, &all)?;
        }
        Mischief::SealedGarbage => {
            sealed.get_mut(&rounds.victim)?.fill(0xAB);
        }
        Mischief::OtherView => view = random(rng),
        _ => {}
    }
    let mut messages = vec![Participant::reveal(&view, &participant.dealing, &sealed)];
    if mischief == Mischief::TwoReveals {
        let other = rounds.wrong(participant, &[rounds.victim])?;
        messages.push(Participant::reveal(&view, &participant.dealing, &other));
    }
    Some(messages)
}

fn verdicts(
    mischief: Mischief,
    rounds: &Rounds,
    participant: &Participant,
    rng: &mut ChaCha20Rng,
) -> Option<Vec<Vec<u8>>> {
    let view = rounds.views.get(&3)?;
    let complains = matches!(mischief, Mischief::FalseComplaint | Mischief::ForgedComplaint);
    let mut complaints = Vec::new();
    if complains {
        let dealing = rounds.dealing(rounds.victim)?;
        let mut complaint = participant.complaint(rounds.victim, &dealing.ephemeral, rng);
        if mischief == Mischief::ForgedComplaint {
            // Another shared point, with the proof of the right one.
            let other = participant.dealing.ephemeral;
            complaint.get_mut(2..34)?.copy_from_slice(&other);
        }
        complaints.push(complaint);
    }
    Some(vec![participant::verdict(view, &complaints)])
}
