//! Takes part in a repair as a helper or as the recipient, following the protocol except for its
//! slips.

use std::collections::BTreeMap;

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use rand_chacha::ChaCha20Rng;

use super::attack::{Round, Slip, To};
use super::false_accuser;
use super::repairer::{self, Dealing, Repairer, SUM, VERDICT};
use super::script::{Script, Turn};
use super::sealing;
use super::seat::random;

/// A double's part in one repair.
#[derive(Default)]
pub(super) struct Helper {
    repairer: Option<Repairer>,
    /// The summand of its own dealing that it kept.
    kept: Scalar,
    repaired: Option<Scalar>,
}

impl Script for Helper {
    fn says(&mut self, turn: &Turn<'_>, rng: &mut ChaCha20Rng) -> Option<Vec<Vec<u8>>> {
        if self.repairer.is_none() {
            let rounds = turn.rounds;
            self.repairer = Some(Repairer::new(rounds.repair()?, rounds.me.get(), rng));
        }
        let repairer = self.repairer.as_ref()?;
        match turn.round {
            Round::First => announces(turn, repairer, rng),
            Round::Deal => {
                let (kept, messages) = deals(turn, repairer, rng)?;
                self.kept = kept;
                Some(messages)
            }
            Round::Sum => adds_up(turn, repairer, self.kept, rng),
            Round::Verdict => {
                let (repaired, messages) = judges(turn, repairer, rng)?;
                self.repaired = repaired;
                Some(messages)
            }
        }
    }

    fn repaired(&self) -> Option<Scalar> {
        self.repaired
    }
}

fn announces(turn: &Turn<'_>, repairer: &Repairer, rng: &mut ChaCha20Rng) -> Option<Vec<Vec<u8>>> {
    let rounds = turn.rounds;
    let view = repairer.first_view();
    let mut messages = vec![match () {
        () if turn.has(Slip::IdentityAsKey) => repairer::announcement(&view, &[0; 32]),
        () if turn.has(Slip::AnothersEncryptionKey) => rounds.anothers_announcement()?.clone(),
        () if turn.has(Slip::OtherSession) => repairer::announcement(&random(rng), &repairer.key()),
        () => repairer::announcement(&view, &repairer.key()),
    }];
    if turn.has(Slip::Twice(Round::First)) {
        let other = Repairer::new(rounds.repair()?, rounds.me.get(), rng);
        messages.push(repairer::announcement(&view, &other.key()));
    }
    if turn.has(Slip::AnothersRound) && rounds.is_recipient() {
        messages.push([&[6][..], &random(rng)].concat());
    }
    Some(messages)
}

/// Returns the summand that it keeps, and its messages.
fn deals(
    turn: &Turn<'_>,
    repairer: &Repairer,
    rng: &mut ChaCha20Rng,
) -> Option<(Scalar, Vec<Vec<u8>>)> {
    let rounds = turn.rounds;
    let (me, helpers, victim) = (rounds.me.get(), rounds.helpers(), rounds.victim()?);
    if turn.has(Slip::AnothersDealing) {
        return Some((Scalar::ZERO, vec![rounds.message(Round::Deal, victim)?.clone()]));
    }
    let share = turn.share()?;
    let value = match () {
        () if turn.has(Slip::OtherShare) => Scalar::random(rng),
        () if turn.has(Slip::OtherWeight) => repairer::weight(me, &helpers, u16::MAX) * share,
        () => repairer::weight(me, &helpers, rounds.recipient()?) * share,
    };
    let mut row = repairer::split(value, me, &helpers, rng);
    if turn.has(Slip::ZeroSummand) {
        let moved = row.insert(victim, Scalar::ZERO)?;
        *row.get_mut(&me)? += moved;
    }
    let mut points: BTreeMap<u16, EdwardsPoint> =
        row.iter().map(|(to, summand)| (*to, EdwardsPoint::mul_base(summand))).collect();
    if turn.has(Slip::Torsion) {
        let torsion = EIGHT_TORSION.get(1)?;
        *points.get_mut(&victim)? += torsion;
        *points.get_mut(&me)? -= torsion;
    }
    let other_view = turn.has(Slip::OtherView);
    let dealing = Dealing {
        view: if other_view { random(rng) } else { *rounds.view(Round::Deal)? },
        ephemeral: match () {
            () if turn.has(Slip::AnothersEphemeralKey) => rounds.split_of(victim)?.ephemeral,
            () if turn.has(Slip::IdentityAsEphemeralKey) => [0; 32],
            () => repairer.ephemeral_key(),
        },
        commitments: points.values().flat_map(|point| point.compress().0).collect(),
    };
    let kept = row.remove(&me)?;
    let wrong: Vec<u16> = match () {
        () if turn.has(Slip::WrongPart(To::All)) => row.keys().copied().collect(),
        () if turn.has(Slip::WrongPart(To::One)) => vec![victim],
        () => Vec::new(),
    };
    let mut sealed = sealed_row(turn, repairer, &dealing, &row, &wrong)?;
    if turn.has(Slip::GarbagePart) {
        sealed.get_mut(&victim)?.fill(0xAB);
    }
    let mut message = repairer.deals(&dealing, &sealed, rng);
    if turn.has(Slip::WrongProof) {
        *message.get_mut(128)? ^= 1;
    }
    let mut messages = vec![message];
    if turn.has(Slip::Twice(Round::Deal)) {
        let other = sealed_row(turn, repairer, &dealing, &row, &[victim])?;
        messages.push(repairer.deals(&dealing, &other, rng));
    }
    Some((kept, messages))
}

/// Seals the summands of a row. These helpers receive different ones.
fn sealed_row(
    turn: &Turn<'_>,
    repairer: &Repairer,
    dealing: &Dealing,
    row: &BTreeMap<u16, Scalar>,
    wrong: &[u16],
) -> Option<BTreeMap<u16, Vec<u8>>> {
    row.iter()
        .map(|(to, summand)| {
            let summand = summand + Scalar::from(u8::from(wrong.contains(to)));
            let key = turn.rounds.key_of(*to)?;
            Some((*to, repairer.seal_summand(dealing, *to, &key, &summand)))
        })
        .collect()
}

fn adds_up(
    turn: &Turn<'_>,
    repairer: &Repairer,
    kept: Scalar,
    rng: &mut ChaCha20Rng,
) -> Option<Vec<Vec<u8>>> {
    let rounds = turn.rounds;
    let view = rounds.view(Round::Sum)?;
    let complaints = complaints(turn, repairer, rng)?;
    if !complaints.is_empty() {
        return Some(vec![sealing::answer(SUM, view, &complaints)]);
    }
    let helpers = rounds.helpers();
    let others = helpers.iter().filter(|helper| **helper != rounds.me.get());
    let opened: Option<Vec<Scalar>> = others
        .map(|helper| {
            let (dealing, sealed) = (rounds.split_of(*helper)?, rounds.summand_of(*helper)?);
            repairer.open_summand(*helper, &dealing, sealed)
        })
        .collect();
    let mut sum = match opened {
        // It can only guess.
        None if turn.has(Slip::AnothersEncryptionKey) => Scalar::random(rng),
        opened => kept + opened?.iter().sum::<Scalar>(),
    };
    if turn.has(Slip::WrongSum) {
        sum += Scalar::ONE;
    }
    let key = rounds.key_of(rounds.recipient()?)?;
    let mut sealed = repairer.seal_sum(view, &key, &sum);
    if turn.has(Slip::GarbageSum) {
        sealed.fill(0xAB);
    }
    if turn.has(Slip::AnothersSum) {
        sealed = rounds.sum_of(rounds.victim()?)?.to_vec();
    }
    let named = if turn.has(Slip::OtherViewInSum) { random(rng) } else { *view };
    let mut messages = vec![[sealing::answer(SUM, &named, &[]), sealed].concat()];
    if turn.has(Slip::Twice(Round::Sum)) {
        let other = repairer.seal_sum(view, &key, &(sum + Scalar::ONE));
        messages.push([sealing::answer(SUM, view, &[]), other].concat());
    }
    if turn.has(Slip::AnothersRound) {
        messages.push(sealing::answer(VERDICT, view, &[]));
    }
    Some(messages)
}

/// Returns its repaired share, and its messages.
fn judges(
    turn: &Turn<'_>,
    repairer: &Repairer,
    rng: &mut ChaCha20Rng,
) -> Option<(Option<Scalar>, Vec<Vec<u8>>)> {
    let rounds = turn.rounds;
    let view = rounds.view(Round::Verdict)?;
    let complaints = complaints(turn, repairer, rng)?;
    let approval = sealing::answer(VERDICT, view, &[]);
    let complaint = sealing::answer(VERDICT, view, &complaints);
    let says_both = turn.has(Slip::Twice(Round::Verdict));
    if turn.has(Slip::OtherView) {
        return Some((None, vec![sealing::answer(VERDICT, &random(rng), &[])]));
    }
    if !says_both && !complaints.is_empty() {
        return Some((None, vec![complaint]));
    }
    // The sums had to match the view of round 3.
    let fits = rounds.view(Round::Sum)?;
    let opened: Option<Vec<Scalar>> = rounds
        .helpers()
        .into_iter()
        .map(|helper| {
            let (ephemeral, sealed) = (rounds.split_of(helper)?.ephemeral, rounds.sum_of(helper)?);
            repairer.open_sum(helper, &ephemeral, fits, sealed)
        })
        .collect();
    // If the sums do not add up to the lost share, it is silent.
    let share = opened?.iter().sum::<Scalar>();
    if rounds.lost()? != EdwardsPoint::mul_base(&share).compress().as_bytes() {
        return None;
    }
    let messages = if says_both { vec![approval, complaint] } else { vec![approval] };
    Some((Some(share), messages))
}

fn complaints(turn: &Turn<'_>, repairer: &Repairer, rng: &mut ChaCha20Rng) -> Option<Vec<Vec<u8>>> {
    let accused = turn.rounds.accused()?;
    let theirs = turn.rounds.split_of(accused)?.ephemeral;
    let (complainer, own) = (repairer.complainer(), repairer.ephemeral_key());
    // A helper with a copied key guesses. The recipient cannot guess, so it can only complain.
    if turn.has(Slip::AnothersEncryptionKey) && turn.rounds.is_recipient() {
        return Some(vec![complainer.complains(accused, &theirs, rng)]);
    }
    false_accuser::complaints(turn.slips, &complainer, (accused, &theirs), &own, rng)
}
