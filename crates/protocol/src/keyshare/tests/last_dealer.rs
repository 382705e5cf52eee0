//! The dealer that deals last in a reshare knows what the others dealt before it chooses: it cannot
//! gain anything by that.

use std::collections::BTreeMap;

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity;
use proptest::prelude::*;

use super::session::{Forger, Key, Session, id, ids, rng};
use crate::Suite;
use crate::algebra::Polynomial;
use crate::curve::edwards25519::Edwards25519;
use crate::keyshare::board::Keyshare;
use crate::keyshare::message::{Dealing, Reveal, Round};
use crate::keyshare::{Error, Fault, Parameters, Phase, Posted, Run};
use crate::secret::SecretScalar;
use crate::session::first_view;
use crate::session::message::Announce;
use crate::session::sealing::{PublicKey, SecretKey};

/// Dealer 1 deals last and cheats; dealer 2, and all recipients but the corrupt ones, are honest.
struct LastDealer {
    session: Session,
    forger: Forger,
    /// Dealer 2's dealing: its commitments, and its sub-share to the corrupt recipient if there is
    /// one.
    seen: Dealing,
    leaked: Option<Scalar>,
    /// Dealer 1's share, and the rest of its polynomial as it would be.
    polynomial: Vec<Scalar>,
}

/// The seed of dealer 1's keys.
const SEED: u64 = 5;

impl LastDealer {
    /// `corrupt` is a recipient that gives everything it receives to dealer 1; it may be dealer 1
    /// itself.
    fn new(key: &Key, parameters: &Parameters, corrupt: Option<u16>) -> Self {
        let share = scalar(key.shares[&id(1)].signing_share());
        let mut rng = rng(9);
        let polynomial: Vec<Scalar> = std::iter::once(share)
            .chain((1..parameters.min_signers()).map(|_| Scalar::random(&mut rng)))
            .collect();
        let forger = forger(parameters, &polynomial);
        let (mut session, mut messages) = key.start(parameters, &[2]);
        if let Some(corrupt) = corrupt {
            session.runs.remove(&id(corrupt));
            let encryption_key = forger.decryption.public();
            let view = first_view::<Keyshare>(parameters);
            let announce = Announce { view, encryption_key };
            messages.insert(id(corrupt), announce.encode(Round::Announce));
        }
        session.post(messages);
        let dealings = session.advance();
        let seen = Reveal::decode(&dealings[&id(2)], id(2), parameters).unwrap();
        session.post(dealings);
        let leaked = corrupt.map(|corrupt| {
            let (envelope, sealed) = session.board.envelope(id(2), id(corrupt)).unwrap();
            let ephemeral = PublicKey::from_bytes(seen.dealing.ephemeral).unwrap();
            let opened = envelope.open(&forger.decryption.agree(&ephemeral), sealed);
            scalar(&opened.unwrap())
        });
        Self { session, forger, seen: seen.dealing, leaked, polynomial }
    }

    /// The value that dealer 1 has to deal at `x` so that the share there is zero, as a point:
    /// dealer 1 does not know its logarithm.
    fn point_for_zero(&self, x: u16) -> EdwardsPoint {
        let seen = points(&self.seen.coefficients);
        let other = seen.iter().rev().fold(EdwardsPoint::identity(), |value, coefficient| {
            value * Scalar::from(x) + coefficient
        });
        other * -(weight(2) * weight(1).invert())
    }

    /// Changes the commitment to coefficient `k` such that the commitment at `x` is this point.
    /// Everything else stays.
    fn commits(&mut self, k: usize, x: u16, value: EdwardsPoint) {
        let mut points = points(&self.forger.dealing.coefficients);
        let power = |k: usize| (0..k).fold(Scalar::ONE, |power, _| power * Scalar::from(x));
        let rest = points.iter().enumerate().filter(|(other, _)| *other != k);
        let rest: EdwardsPoint = rest.map(|(other, point)| point * power(other)).sum();
        points[k] = (value - rest) * power(k).invert();
        self.commits_to(&points);
    }

    /// The proof of knowledge is right, because it is about the constant term.
    fn commits_to(&mut self, points: &[EdwardsPoint]) {
        let parameters = self.forger.parameters.clone();
        let bytes = points.iter().flat_map(|point| point.compress().0);
        self.forger.dealing.coefficients = bytes.collect();
        self.forger.prove_for(&parameters, id(1));
    }

    /// The point that cancels coefficient `k` of the others.
    fn cancels(&self, k: usize) -> EdwardsPoint {
        points(&self.seen.coefficients)[k] * -(weight(2) * weight(1).invert())
    }

    /// Chooses the polynomial, and knows all of it, such that the corrupt recipient's share is
    /// zero.
    fn makes_its_own_share_zero(&mut self, corrupt: u16) {
        let x = Scalar::from(corrupt);
        let value = self.leaked.unwrap() * -(weight(2) * weight(1).invert());
        let mut rest = self.polynomial.clone();
        rest[1] = Scalar::ZERO;
        let rest = rest.iter().rev().fold(Scalar::ZERO, |sum, coefficient| sum * x + coefficient);
        self.polynomial[1] = (value - rest) * x.invert();
        self.forger = forger(&self.forger.parameters, &self.polynomial);
    }

    /// Posts the dealing: it looks right, so it counts.
    fn deals(mut self) -> Session {
        self.session.board.takes(id(1), &self.forger.honest_reveal(&self.session.board));
        assert_eq!(self.session.board.phase(), Phase::Verdict);
        assert_eq!(self.session.board.outcome(), None);
        self.session
    }
}

fn forger(parameters: &Parameters, polynomial: &[Scalar]) -> Forger {
    let dealer = Polynomial::<Edwards25519>::from_coefficients(polynomial.to_vec());
    Forger::with_dealer(parameters, 1, SEED, Box::new(dealer))
}

fn scalar(secret: &SecretScalar) -> Scalar {
    Scalar::from_canonical_bytes(*secret.expose()).unwrap()
}

fn points(bytes: &[u8]) -> Vec<EdwardsPoint> {
    let decode = |bytes| CompressedEdwardsY::from_slice(bytes).unwrap().decompress().unwrap();
    bytes.chunks(32).map(decode).collect()
}

/// The Lagrange coefficient at 0 of dealer 1 or 2, when these two deal.
fn weight(dealer: u16) -> Scalar {
    let other = 3 - dealer;
    let x = |id: u16| Scalar::from(id);
    x(other) * (x(other) - x(dealer)).invert()
}

fn key() -> Key {
    Key::generated(Suite::FrostEd25519Sha512, 2, &[1, 2, 3], 1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The dealer does not know what an honest member receives from the others, so it cannot send
    /// the value that would make zero of that.
    #[test]
    fn making_an_honest_share_zero_names_the_last_dealer(
        (stays, min_signers) in (any::<bool>(), 2..=4_u16),
        victim: prop::sample::Index,
        coefficient: prop::sample::Index,
        before: prop::sample::Index,
    ) {
        let key = key();
        let first = if stays { 1 } else { 6 };
        let parameters = key.reshare(min_signers, &[first, 2, 3, 4, 5]);
        let mut last = LastDealer::new(&key, &parameters, stays.then_some(1));
        let victim = 2 + u16::try_from(victim.index(4)).unwrap();
        let value = last.point_for_zero(victim);
        last.commits(1 + coefficient.index(usize::from(min_signers) - 1), victim, value);
        let mut session = last.deals();

        // All verdicts are true, so whichever comes first names the culprit.
        let verdicts = session.advance();
        prop_assert!(verdicts.contains_key(&id(victim)));
        let (from, message) = verdicts.iter().nth(before.index(verdicts.len())).unwrap();
        let mut at_once = session.without_runs();
        if at_once.board.post(*from, message) == Ok(Posted::Failed) {
            at_once.failed(&[(1, Fault::WrongSubShare { recipient: *from })]);
        }
        let fault = Fault::WrongSubShare { recipient: id(victim) };
        session.fails(id(victim), &verdicts[&id(victim)], &[(1, fault)]);
    }
}

/// A proof of knowledge of all coefficients would not help: the dealer knows them.
#[test]
fn making_its_own_share_zero_names_the_last_dealer() {
    let key = key();
    for min_signers in 2..=3 {
        let parameters = key.reshare(min_signers, &[1, 2, 3]);
        let mut last = LastDealer::new(&key, &parameters, Some(1));
        last.makes_its_own_share_zero(1);
        let mut session = last.deals();
        let first = session.without_runs();
        let approval = session.board.approval();
        first.fails(id(1), &approval, &[(1, Fault::ZeroShare)]);

        // The others have nothing to complain about, and give out no share.
        let verdicts = session.advance();
        assert!(verdicts.values().all(|verdict| *verdict == approval));
        session.post(verdicts);
        assert!(session.advance().is_empty());
        assert_eq!(session.board.phase(), Phase::Verdict);
        assert_eq!(session.board.missing(), ids([1]));
        assert!(session.board.culprits().is_empty(), "silence accuses nobody");
        assert!(session.packages.is_empty() && session.errors.is_empty());
        session.fails(id(1), &approval, &[(1, Fault::ZeroShare)]);
    }
}

/// A participant whose share was made zero with its help is one of the culprits: to know how, the
/// dealer needs what was sent to it.
#[test]
fn an_accomplice_with_a_share_of_zero_is_named() {
    let key = key();
    let parameters = key.reshare(2, &[2, 3, 4]);
    let mut last = LastDealer::new(&key, &parameters, Some(4));
    last.makes_its_own_share_zero(4);
    let mut session = last.deals();
    let verdicts = session.advance();
    assert_eq!(verdicts.keys().copied().collect::<Vec<_>>(), [id(2), id(3)]);
    session.post(verdicts);
    let approval = session.board.approval();
    session.fails(id(4), &approval, &[(4, Fault::ZeroShare)]);
}

#[test]
fn a_run_never_approves_of_a_share_of_zero() {
    let key = key();
    let parameters = key.reshare(2, &[2, 3, 4]);
    let mut last = LastDealer::new(&key, &parameters, Some(4));
    last.makes_its_own_share_zero(4);
    let mut session = last.deals();
    // Recipient 4 is honest here, and dealer 1 has a copy of its key only because both drew it from
    // one seed.
    let mut same = rng(SEED + 1000);
    SecretKey::random(&mut same);
    let (run, _) = Run::reshare(&parameters, id(4), None, &mut same).unwrap();
    session.runs.insert(id(4), run);
    let verdicts = session.advance();
    assert_eq!(verdicts.keys().copied().collect::<Vec<_>>(), [id(2), id(3)]);
    assert_eq!(session.errors, BTreeMap::from([(id(4), Error::Bug)]));
}

/// Otherwise fewer shares than agreed would determine the key.
#[test]
fn cancelling_the_highest_coefficients_names_the_last_dealer() {
    let key = key();
    let parameters = key.reshare(3, &[2, 3, 4]);
    let mut last = LastDealer::new(&key, &parameters, None);
    let mut coefficients = points(&last.forger.dealing.coefficients);
    coefficients[2] = last.cancels(2);
    last.commits_to(&coefficients);
    let mut session = last.deals();
    for (from, verdict) in session.advance() {
        let fault = Fault::WrongSubShare { recipient: from };
        session.without_runs().fails(from, &verdict, &[(1, fault)]);
    }
}

/// What it sends to honest members is right, up to the number of values that the rest of its
/// polynomial leaves it free to choose; what it sends to the next one is wrong.
#[test]
fn cancelling_coefficients_satisfies_too_few_members_to_sign() {
    let key = key();
    let parameters = key.reshare(4, &[2, 3, 4, 5, 6]);
    let mut last = LastDealer::new(&key, &parameters, None);
    let mut coefficients = points(&last.forger.dealing.coefficients);
    coefficients[3] = last.cancels(3);
    // It is free to choose two coefficients, and so two values: those that its sub-shares have
    // anyway.
    let wanted = [2_u16, 3].map(|x| {
        let x = Scalar::from(x);
        last.polynomial.iter().rev().fold(Scalar::ZERO, |value, a| value * x + a)
    });
    let [(x, v), (y, w)] = [(2_u16, wanted[0]), (3, wanted[1])].map(|(x, value)| {
        let at = Scalar::from(x);
        let fixed = coefficients[0] + coefficients[3] * (at * at * at);
        (at, (EdwardsPoint::mul_base(&value) - fixed) * at.invert())
    });
    coefficients[2] = (w - v) * (y - x).invert();
    coefficients[1] = v - coefficients[2] * x;
    last.commits_to(&coefficients);
    let mut session = last.deals();
    let approval = session.board.approval();
    let verdicts = session.advance();
    let approves = verdicts.iter().filter(|(_, verdict)| **verdict == approval);
    assert_eq!(approves.map(|(from, _)| *from).collect::<Vec<_>>(), [id(2), id(3)]);
    for from in [4, 5, 6] {
        let fault = Fault::WrongSubShare { recipient: id(from) };
        session.without_runs().fails(id(from), &verdicts[&id(from)], &[(1, fault)]);
    }
}
