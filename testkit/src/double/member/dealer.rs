//! Takes part in a key generation or a reshare, following the protocol except for its slips.

use rand_chacha::ChaCha20Rng;

use super::attack::{Round, Slip, To};
use super::participant::{Participant, verdict};
use super::script::{Script, Turn};
use super::seat::random;
use super::{biased_dealer, false_accuser};

/// A double's part in one key generation or reshare.
#[derive(Default)]
pub(super) struct Dealer {
    participant: Option<Participant>,
}

impl Script for Dealer {
    fn says(&mut self, turn: &Turn<'_>, rng: &mut ChaCha20Rng) -> Option<Vec<Vec<u8>>> {
        let (round, rounds) = (turn.round, turn.rounds);
        if biased_dealer::waits(turn) {
            return None;
        }
        if turn.has(Slip::CopiedCommitment) && round != Round::Verdict {
            return Some(vec![rounds.message(round, rounds.victim()?)?.clone()]);
        }
        if turn.has(Slip::AnothersDealing) && round == Round::Deal {
            let another = rounds.dealers().into_iter().next()?;
            return Some(vec![rounds.message(round, another)?.clone()]);
        }
        if self.participant.is_none() {
            self.participant = Some(deal(turn, rng)?);
        }
        let participant = self.participant.as_mut()?;
        match round {
            Round::First => {
                let mut messages = vec![match turn.has(Slip::OtherSession) {
                    true => participant.first_message_for(&random(rng)),
                    false => participant.first_message(),
                }];
                if turn.has(Slip::Twice(round)) {
                    messages.push(deal(turn, rng)?.first_message());
                }
                Some(messages)
            }
            Round::Deal => deals(turn, participant, rng),
            Round::Verdict => judges(turn, participant, rng),
            Round::Sum => None,
        }
    }
}

fn deal(turn: &Turn<'_>, rng: &mut ChaCha20Rng) -> Option<Participant> {
    let (parameters, me) = (turn.rounds.keyshare()?, turn.rounds.me.get());
    let min_signers = parameters.min_signers();
    let coefficients = match () {
        () if turn.has(Slip::HigherDegree) => min_signers + 1,
        () if turn.has(Slip::LowerDegree) => min_signers - 1,
        () => min_signers,
    };
    let mut participant = match turn.key {
        None => Participant::deal(parameters, me, coefficients, rng),
        Some(key) => {
            let share = match () {
                () if turn.has(Slip::OtherShare) => None,
                () if turn.has(Slip::OlderShare) => turn.shares.first().map(|(_, share)| *share),
                () => turn.share(),
            };
            let old = key.public.to_bytes();
            Participant::deal_again(parameters, &old, me, share, coefficients, rng)
        }
    };
    if turn.has(Slip::WrongProof) {
        *participant.dealing.proof.last_mut()? ^= 1;
    }
    if turn.has(Slip::ReplayedProof)
        && let Some(dealing) =
            turn.earlier.iter().find_map(|earlier| earlier.dealing_of(earlier.victim()?))
    {
        participant.dealing = dealing;
    }
    Some(participant)
}

fn deals(
    turn: &Turn<'_>,
    participant: &mut Participant,
    rng: &mut ChaCha20Rng,
) -> Option<Vec<Vec<u8>>> {
    let (rounds, victim) = (turn.rounds, turn.rounds.victim()?);
    if turn.has(Slip::OtherDealing) {
        *participant = deal(turn, rng)?;
    }
    if turn.has(Slip::AnothersEphemeralKey) {
        let another = rounds.dealers().into_iter().next()?;
        participant.dealing.ephemeral = rounds.dealing_of(another)?.ephemeral;
        participant.dealing.proof = participant.prove(rng);
    }
    biased_dealer::biases(turn, participant, rng)?;
    let view = if turn.has(Slip::OtherView) { random(rng) } else { *rounds.view(Round::Deal)? };
    let wrong: Vec<u16> = match () {
        () if turn.has(Slip::WrongPart(To::All)) => rounds.others().collect(),
        () if turn.has(Slip::WrongPart(To::One)) => vec![victim],
        () => Vec::new(),
    };
    let mut sealed = rounds.sealed(participant, &wrong)?;
    if turn.has(Slip::GarbagePart) {
        sealed.get_mut(&victim)?.fill(0xAB);
    }
    let mut messages = vec![participant.deals(&view, &sealed, rng)];
    if turn.has(Slip::Twice(Round::Deal)) {
        let other = rounds.sealed(participant, &[victim])?;
        messages.push(participant.deals(&view, &other, rng));
    }
    Some(messages)
}

fn judges(
    turn: &Turn<'_>,
    participant: &Participant,
    rng: &mut ChaCha20Rng,
) -> Option<Vec<Vec<u8>>> {
    let view = turn.rounds.view(Round::Verdict)?;
    let accused = turn.rounds.accused()?;
    let theirs = turn.rounds.dealing_of(accused)?.ephemeral;
    let (complainer, own) = (participant.complainer(), participant.dealing.ephemeral);
    let innocent = (accused, &theirs);
    let complaints = false_accuser::complaints(turn.slips, &complainer, innocent, &own, rng)?;
    Some(vec![verdict(view, &complaints)])
}
