//! Deals last, with coefficients that depend on the other dealings.

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use rand_chacha::ChaCha20Rng;

use super::attack::{Round, Slip};
use super::participant::{Dealing, Participant};
use super::rounds::Rounds;
use super::script::Turn;

/// Slips of a reshare that need the other dealings first.
const DEALS_LAST: [Slip; 5] = [
    Slip::ZeroShareOfAnother,
    Slip::ZeroShareOfItself,
    Slip::CancelledDegree,
    Slip::AnothersDealing,
    Slip::AnothersEphemeralKey,
];

/// Whether the double waits for others before it speaks.
pub(super) fn waits(turn: &Turn<'_>) -> bool {
    let deals_last = turn.round == Round::Deal && turn.slips.has_any(&DEALS_LAST);
    deals_last && !turn.rounds.deals_last()
        || turn.has(Slip::RogueKey) && !turn.rounds.speaks_last()
}

/// Changes a dealing so that the sum of all dealings has the property that this double wants.
pub(super) fn biases(
    turn: &Turn<'_>,
    participant: &mut Participant,
    rng: &mut ChaCha20Rng,
) -> Option<()> {
    let rounds = turn.rounds;
    if turn.has(Slip::RogueKey) {
        let others =
            rounds.others().filter_map(|other| rounds.dealing_of(other)?.points().first().copied());
        let others = others.sum::<EdwardsPoint>();
        let mut points = participant.dealing.points();
        *points.first_mut()? -= others;
        participant.commit_to(&points, rng);
    }
    if turn.has(Slip::ZeroShareOfAnother) {
        let x = Scalar::from(rounds.victim()?);
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
    if turn.has(Slip::ZeroShareOfItself) {
        let me = rounds.me.get();
        let opened = weighted(rounds, |dealing, dealer| {
            participant.open(dealer, dealing, rounds.sealed_to_me(dealer)?)
        })?;
        participant.choose(1, Scalar::ZERO, rng);
        let rest = participant.sub_share(me);
        let wanted = opened.iter().sum::<Scalar>() - rest;
        participant.choose(1, wanted * Scalar::from(me).invert(), rng);
    }
    if turn.has(Slip::CancelledDegree) {
        let others = weighted(rounds, |dealing, _| dealing.points().last().copied())?;
        let mut points = participant.dealing.points();
        *points.last_mut()? = others.iter().sum();
        participant.commit_to(&points, rng);
    }
    Some(())
}

/// Returns the contributions of the other dealers, each times the factor with which their sum
/// cancels them when this double deals last.
fn weighted<T: std::ops::Mul<Scalar, Output = T>>(
    rounds: &Rounds,
    contribution: impl Fn(&Dealing, u16) -> Option<T>,
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
    let contributes = |dealer: &u16| {
        Some(contribution(&rounds.dealing_of(*dealer)?, *dealer)? * cancels(*dealer))
    };
    others.iter().map(contributes).collect()
}
