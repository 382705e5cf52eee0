//! Feldman's verifiable secret sharing over a suite's curve: polynomials, and commitments to them
//! against which sub-shares can be checked.
//!
//! A dealer ℓ has a polynomial f_ℓ of degree t − 1 and publishes C_ℓ,k = a_ℓ,k·G for its
//! coefficients. The key is F(0)·G for F = Σ f_ℓ; the share of participant j is F(j). The dealers'
//! constant terms decide which protocol it is. Random scalars generate a key. Shares of a key, with
//! each dealer's polynomial weighted by its Lagrange coefficient at 0, reshare the same key.
//!
//! This file and `summands.rs` are the only ones that know points and scalars of the suite's curve.
//! The rest of the engine sees [`Algebra`], [`Dealer`] and [`Dealings`], which use bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::summands::Splitting;
use crate::Identifier;
use crate::curve::{Curve, Over, expose, lagrange};
use crate::fault::Fault;
use crate::secret::{SCALAR_LENGTH, SecretScalar};
use crate::transcript::Transcript;

/// What the engine needs from a suite's curve.
pub(crate) trait Algebra: Splitting + Sync {
    /// The length of an encoded point, in bytes.
    fn point_length(&self) -> usize;

    /// Whether the bytes are the canonical encoding of a point of prime order.
    fn is_public_key(&self, bytes: &[u8]) -> bool;

    /// `secret`·G. `None` if the secret is not a canonical scalar, or zero.
    fn public_key(&self, secret: &SecretScalar) -> Option<Vec<u8>>;

    /// The weighted sum of the dealers' terms. `None` if one of the terms is not a canonical
    /// scalar.
    fn sum(&self, terms: &[(Identifier, SecretScalar)], weights: Weights) -> Option<SecretScalar>;

    /// Creates a dealer with a random constant term, for a key that takes `min_signers`.
    fn deal(&self, min_signers: u16, rng: &mut dyn CryptoRngCore) -> Box<dyn Dealer>;

    /// Creates a dealer with this constant term. `None` if it is not a canonical scalar.
    fn deal_again(
        &self,
        constant: &SecretScalar,
        min_signers: u16,
        rng: &mut dyn CryptoRngCore,
    ) -> Option<Box<dyn Dealer>>;

    /// Whether `proof` shows knowledge of the discrete logarithm of `point`, which is encoded and
    /// of prime order: see [`Dealer::prove`].
    fn verifies_knowledge(&self, point: &[u8], proof: &[u8], statement: Transcript) -> bool;

    /// The public side, without any dealings.
    fn dealings(&self) -> Box<dyn Dealings>;
}

/// The factor of each dealer's polynomial before the polynomials are added.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Weights {
    /// One for every dealer.
    Equal,
    /// The dealer's Lagrange coefficient at 0 among all dealers, so that the sum interpolates their
    /// constant terms.
    Lagrange,
}

/// A secret polynomial.
pub(crate) trait Dealer: Send + Sync {
    /// The commitments to its coefficients, the constant term first.
    fn coefficients(&self) -> Vec<u8>;

    /// Proves knowledge of the constant term: a point R and a scalar z = r + c·a₀, where c is the
    /// hash of `statement` and R (Schnorr's proof, after Fiat and Shamir). The nonce r is
    /// [hedged](Transcript::nonce).
    fn prove(&self, statement: Transcript, rng: &mut dyn CryptoRngCore) -> Vec<u8>;

    /// The polynomial's value at the recipient's identifier.
    fn sub_share(&self, recipient: Identifier) -> SecretScalar;
}

/// The commitments that dealers have published.
pub(crate) trait Dealings: fmt::Debug + Send + Sync {
    /// Takes a dealer's commitments, if they are well-formed and the proof holds.
    ///
    /// Checks canonical encodings, that no coefficient is zero, and the proof of knowledge for
    /// `statement`. Does not check that points are in the prime-order group: see
    /// [`combine`](Self::combine).
    fn add(
        &mut self,
        dealer: Identifier,
        coefficients: &[u8],
        proof: &[u8],
        statement: Transcript,
    ) -> Result<(), Fault>;

    /// The key and everybody's verifying shares, from the weighted sum of all commitments.
    ///
    /// A key that is the identity is rejected. A verifying share may be the identity, and is then
    /// left out.
    fn combine(
        &self,
        recipients: &BTreeSet<Identifier>,
        weights: Weights,
    ) -> Result<Combined, Rejection>;

    /// Whether `sub_share` is the canonical encoding of the value that the dealer's polynomial has
    /// at the recipient. Exact; false for an unknown dealer.
    fn matches(&self, dealer: Identifier, recipient: Identifier, sub_share: &SecretScalar) -> bool;

    fn clone_box(&self) -> Box<dyn Dealings>;
}

impl Clone for Box<dyn Dealings> {
    fn clone(&self) -> Self {
        (**self).clone_box()
    }
}

/// The sum of all participants' dealings. Points are encoded.
pub(crate) struct Combined {
    pub(crate) verifying_key: Vec<u8>,
    pub(crate) verifying_shares: BTreeMap<Identifier, Vec<u8>>,
    /// The participants whose verifying share is the identity, so that their share is zero, for
    /// which RFC 9591 has no encoding. With one honest dealer that happens by chance with a
    /// probability of about 2⁻²⁵². In a key generation it cannot be caused in any other way,
    /// because the hash round makes dealings independent. In a reshare the dealer that deals last
    /// can cause it, so the [`Board`](crate::keyshare::Board) decides the outcome together with
    /// everybody's verdicts.
    pub(crate) zero_shares: BTreeSet<Identifier>,
}

/// Why dealings do not make a key.
pub(crate) enum Rejection {
    /// These dealers published points outside of the prime-order group.
    Torsion(BTreeSet<Identifier>),
    /// The key is the identity. In a key generation that takes all dealers together; in a reshare
    /// the old key was the identity already.
    Identity,
}

impl<C: Curve> Algebra for Over<C> {
    fn point_length(&self) -> usize {
        C::POINT_LENGTH
    }

    fn is_public_key(&self, bytes: &[u8]) -> bool {
        C::decode_generator(bytes).is_some()
    }

    fn public_key(&self, secret: &SecretScalar) -> Option<Vec<u8>> {
        let scalar = Zeroizing::new(C::decode_scalar(secret.expose())?);
        let point = C::mul_base(&scalar);
        (point != C::identity()).then(|| encode::<C>([point].iter()))
    }

    fn sum(&self, terms: &[(Identifier, SecretScalar)], weights: Weights) -> Option<SecretScalar> {
        let weights = weights.of::<C>(&terms.iter().map(|(dealer, _)| *dealer).collect())?;
        let mut sum = Zeroizing::new(C::Scalar::from(0));
        for (dealer, term) in terms {
            let term = Zeroizing::new(C::decode_scalar(term.expose())?);
            *sum = *sum + *weights.get(dealer)? * *term;
        }
        Some(expose::<C>(&sum))
    }

    fn deal(&self, min_signers: u16, rng: &mut dyn CryptoRngCore) -> Box<dyn Dealer> {
        let constant = Zeroizing::new(C::random_scalar(rng));
        Box::new(Polynomial::<C>::random(&constant, min_signers, rng))
    }

    fn deal_again(
        &self,
        constant: &SecretScalar,
        min_signers: u16,
        rng: &mut dyn CryptoRngCore,
    ) -> Option<Box<dyn Dealer>> {
        let constant = Zeroizing::new(C::decode_scalar(constant.expose())?);
        Some(Box::new(Polynomial::<C>::random(&constant, min_signers, rng)))
    }

    fn verifies_knowledge(&self, point: &[u8], proof: &[u8], statement: Transcript) -> bool {
        proof.len() == C::POINT_LENGTH + SCALAR_LENGTH
            && C::decode_generator(point)
                .and_then(|point| Published::<C>::knows_constant(&point, proof, statement))
                .is_some()
    }

    fn dealings(&self) -> Box<dyn Dealings> {
        Box::new(Published::<C> { sum: Vec::new(), of: BTreeMap::new() })
    }
}

impl Weights {
    /// The weight of each dealer. `None` if two dealers are equal modulo the group's order;
    /// identifiers never are, because they are below 2¹⁶.
    fn of<C: Curve>(
        self,
        dealers: &BTreeSet<Identifier>,
    ) -> Option<BTreeMap<Identifier, C::Scalar>> {
        let weight = |dealer: &Identifier| match self {
            Self::Equal => Some((*dealer, C::Scalar::from(1))),
            Self::Lagrange => Some((*dealer, lagrange::<C>(*dealer, dealers, None)?)),
        };
        dealers.iter().map(weight).collect()
    }
}

/// A secret polynomial; the constant term comes first. Wiped on drop.
pub(crate) struct Polynomial<C: Curve> {
    coefficients: Zeroizing<Vec<C::Scalar>>,
}

impl<C: Curve> Polynomial<C> {
    /// A random polynomial of degree `min_signers` − 1 with the given constant term.
    fn random(constant: &C::Scalar, min_signers: u16, rng: &mut dyn CryptoRngCore) -> Self {
        // With its final capacity, so that growing leaves no copies behind.
        let mut coefficients = Zeroizing::new(Vec::with_capacity(usize::from(min_signers)));
        coefficients.push(*constant);
        coefficients.extend((1..min_signers).map(|_| C::random_scalar(rng)));
        Self { coefficients }
    }

    /// Horner's method, in constant time.
    pub(crate) fn evaluate(&self, at: Identifier) -> Zeroizing<C::Scalar> {
        let x = C::Scalar::from(u64::from(at.get()));
        let mut value = Zeroizing::new(C::Scalar::from(0));
        for coefficient in self.coefficients.iter().rev() {
            *value = *value * x + *coefficient;
        }
        value
    }

    #[cfg(test)]
    pub(crate) fn from_coefficients(coefficients: Vec<C::Scalar>) -> Self {
        Self { coefficients: Zeroizing::new(coefficients) }
    }
}

impl<C: Curve> Dealer for Polynomial<C> {
    fn coefficients(&self) -> Vec<u8> {
        let points: Vec<_> = self.coefficients.iter().map(C::mul_base).collect();
        encode::<C>(points.iter())
    }

    fn prove(&self, statement: Transcript, rng: &mut dyn CryptoRngCore) -> Vec<u8> {
        let constant = self.evaluate_at_zero();
        let secret = Zeroizing::new(C::encode_scalar(&constant));
        let label = "quorate/keyshare/v1/knowledge/nonce";
        let nonce = statement.clone().nonce(label, secret.as_ref(), rng);
        let nonce = Zeroizing::new(C::wide_scalar(&nonce));
        let mut proof = encode::<C>([C::mul_base(&nonce)].iter());
        let challenge = C::wide_scalar(&statement.field(&proof).wide());
        proof.extend(C::encode_scalar(&(*nonce + challenge * *constant)));
        proof
    }

    fn sub_share(&self, recipient: Identifier) -> SecretScalar {
        expose::<C>(&self.evaluate(recipient))
    }
}

impl<C: Curve> Polynomial<C> {
    fn evaluate_at_zero(&self) -> Zeroizing<C::Scalar> {
        Zeroizing::new(self.coefficients.first().copied().unwrap_or(C::Scalar::from(0)))
    }
}

/// Everybody's commitments, decoded.
#[derive(Clone, Debug)]
struct Published<C: Curve> {
    /// Σ C_ℓ,k over the dealers ℓ so far, for each k.
    sum: Vec<C::Point>,
    of: BTreeMap<Identifier, Vec<C::Point>>,
}

impl<C: Curve> Published<C> {
    /// Σ λ_ℓ·C_ℓ,k over the dealers ℓ, for each k.
    fn interpolate(&self) -> Option<Vec<C::Point>> {
        let weights = Weights::Lagrange.of::<C>(&self.of.keys().copied().collect())?;
        let length = self.sum.len();
        let coefficient = |k: usize| {
            let terms: Option<Vec<_>> = self
                .of
                .iter()
                .map(|(dealer, points)| Some((*weights.get(dealer)?, *points.get(k)?)))
                .collect();
            Some(C::vartime_sum(&terms?))
        };
        (0..length).map(coefficient).collect()
    }

    /// Checks z·G = R + c·C₀, as R = z·G − c·C₀.
    ///
    /// Soundness without a torsion check of C₀: let π be the projection onto the prime-order group.
    /// If the equation holds, so does its image under π, and R, on which the challenge depends,
    /// fixes π(R). Two answers for one R then give the discrete logarithm of π(C₀) as usual. When
    /// the sum of all commitments is free of torsion, the π(C₀) are what the key is the sum of.
    fn knows_constant(constant: &C::Point, proof: &[u8], statement: Transcript) -> Option<()> {
        let (commitment, response) = proof.split_at_checked(C::POINT_LENGTH)?;
        let response = C::decode_scalar(response.try_into().ok()?)?;
        let challenge = C::wide_scalar(&statement.field(commitment).wide());
        let expected = C::vartime_mul_add(&-challenge, constant, &response);
        // Comparing encodings rejects all but the canonical one.
        (encode::<C>([expected].iter()) == commitment).then_some(())
    }
}

impl<C: Curve> Dealings for Published<C> {
    fn add(
        &mut self,
        dealer: Identifier,
        coefficients: &[u8],
        proof: &[u8],
        statement: Transcript,
    ) -> Result<(), Fault> {
        let mut points = Vec::new();
        for bytes in coefficients.chunks(C::POINT_LENGTH) {
            let point = C::decode_point(bytes).ok_or(Fault::InvalidPoint)?;
            if point == C::identity() {
                return Err(Fault::IdentityPoint);
            }
            points.push(point);
        }
        let constant = points.first().ok_or(Fault::WrongProof)?;
        Self::knows_constant(constant, proof, statement).ok_or(Fault::WrongProof)?;

        self.sum.resize(points.len(), C::identity());
        for (sum, point) in self.sum.iter_mut().zip(&points) {
            *sum = *sum + *point;
        }
        self.of.insert(dealer, points);
        Ok(())
    }

    /// Checks torsion only of the t sums instead of all n·t points.
    ///
    /// That is enough because only sums are used from here on: key and verifying shares are made
    /// from them, and so is the check of a participant's own share. If two dealers' torsion cancels
    /// out, nothing is left of it. If the sums have torsion, then at least one dealer's points do,
    /// and checking each dealer finds all of those, none of whom can be honest.
    ///
    /// The same holds for weighted sums, because a weight is an integer below the group's order
    /// that multiplies the torsion, too.
    fn combine(
        &self,
        recipients: &BTreeSet<Identifier>,
        weights: Weights,
    ) -> Result<Combined, Rejection> {
        let interpolated = match weights {
            Weights::Equal => None,
            Weights::Lagrange => Some(self.interpolate().ok_or(Rejection::Identity)?),
        };
        let sum = interpolated.as_ref().unwrap_or(&self.sum);
        if !sum.iter().all(C::is_torsion_free) {
            let has_torsion = |points: &Vec<_>| !points.iter().all(C::is_torsion_free);
            let culprits = self.of.iter().filter(|(_, points)| has_torsion(points));
            return Err(Rejection::Torsion(culprits.map(|(dealer, _)| *dealer).collect()));
        }
        let identity = C::identity();
        let key = sum.first().filter(|key| **key != identity).ok_or(Rejection::Identity)?;
        let (mut verifying_shares, mut zero_shares) = (BTreeMap::new(), BTreeSet::new());
        for recipient in recipients {
            let share = evaluate_in_exponent::<C>(sum, *recipient);
            if share == identity {
                zero_shares.insert(*recipient);
            } else {
                verifying_shares.insert(*recipient, encode::<C>([share].iter()));
            }
        }
        let verifying_key = encode::<C>([*key].iter());
        Ok(Combined { verifying_key, verifying_shares, zero_shares })
    }

    fn matches(&self, dealer: Identifier, recipient: Identifier, sub_share: &SecretScalar) -> bool {
        let Some(points) = self.of.get(&dealer) else { return false };
        let Some(scalar) = C::decode_scalar(sub_share.expose()).map(Zeroizing::new) else {
            return false;
        };
        C::mul_base(&scalar) == evaluate_in_exponent::<C>(points, recipient)
    }

    fn clone_box(&self) -> Box<dyn Dealings> {
        Box::new(self.clone())
    }
}

/// Σ xᵏ·Cₖ by Horner's method: t multiplications by a number of at most 16 bits, instead of t
/// multiplications by scalars. Exact, also for points with torsion. Takes variable time: everything
/// is public.
pub(crate) fn evaluate_in_exponent<C: Curve>(
    coefficients: &[C::Point],
    at: Identifier,
) -> C::Point {
    coefficients.iter().rev().fold(C::identity(), |value, coefficient| {
        C::vartime_mul_small(&value, at.get()) + *coefficient
    })
}

fn encode<'a, C: Curve>(points: impl Iterator<Item = &'a C::Point>) -> Vec<u8> {
    let mut bytes = Vec::new();
    points.for_each(|point| C::encode_point(point, &mut bytes));
    bytes
}
