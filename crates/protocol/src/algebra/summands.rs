//! The arithmetic of a repair over a suite's curve: shares split into summands, and their
//! commitments.
//!
//! With the helpers H and λ_i the Lagrange coefficient of i among H at the recipient r, the lost
//! share is s_r = Σ λ_i·s_i. Helper i chooses summands δ_ij at random with Σ_j δ_ij = λ_i·s_i and
//! publishes D_ij = δ_ij·G. As Y_i = s_i·G is known, everybody checks Σ_j D_ij = λ_i·Y_i. Helper
//! j's sum is σ_j = Σ_i δ_ij, with σ_j·G = Σ_i D_ij, and Σ_j σ_j = s_r.
//!
//! Points are compared as points of the curve, torsion included, and need no torsion check. A D_ij
//! with torsion is no δ·G for any δ, so helper j can complain about it; if helper j does not
//! complain, none of its sums is right either.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use zeroize::Zeroizing;

use crate::Identifier;
use crate::curve::{Curve, Over, expose, lagrange};
use crate::fault::Fault;
use crate::secret::SecretScalar;

/// The helpers of a repair, and the participant that they help.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quorum<'a> {
    pub(crate) helpers: &'a BTreeSet<Identifier>,
    pub(crate) recipient: Identifier,
}

/// 64 secret uniform bytes for each helper.
pub(crate) type Draw<'a> = &'a mut dyn FnMut(Identifier) -> Zeroizing<[u8; 64]>;

/// The verifying share of a participant, encoded.
pub(crate) type VerifyingShares<'a> = &'a dyn Fn(Identifier) -> Option<&'a [u8]>;

/// What a repair needs from a suite's curve.
pub(crate) trait Splitting {
    /// Splits λ·`share` of the helper `of` into a summand for each helper. `draw` makes all
    /// summands but the helper's own, so nothing that the helper gives away depends on its share;
    /// its own summand is the rest. `None` if `share` is not a canonical scalar, or `of` is not a
    /// helper.
    fn split(
        &self,
        share: &SecretScalar,
        of: Identifier,
        quorum: Quorum<'_>,
        draw: Draw<'_>,
    ) -> Option<BTreeMap<Identifier, SecretScalar>>;

    /// The public side, without any commitments. `None` if the verifying shares of helpers and
    /// recipient are not shares of one key, so that no summands could add up to the lost share.
    fn table(&self, quorum: Quorum<'_>, shares: VerifyingShares<'_>) -> Option<Box<dyn Table>>;
}

/// The commitments that helpers have published: a row for each.
pub(crate) trait Table: fmt::Debug + Send + Sync {
    /// Takes a helper's commitments to its summands for all helpers, in the ascending order of the
    /// helpers.
    ///
    /// Checks that they are canonical encodings of points on the curve other than the identity, one
    /// for each helper, and that they add up to the helper's weighted share.
    fn add(&mut self, from: Identifier, commitments: &[u8]) -> Result<(), Fault>;

    /// Whether `summand` is the canonical encoding of the scalar to which `from` has committed for
    /// `to`. False for unknown helpers.
    fn matches(&self, from: Identifier, to: Identifier, summand: &SecretScalar) -> bool;

    /// Whether `sum` is the canonical encoding of the sum of all values that were committed to for
    /// a helper.
    fn matches_sum(&self, of: Identifier, sum: &SecretScalar) -> bool;

    fn clone_box(&self) -> Box<dyn Table>;
}

impl Clone for Box<dyn Table> {
    fn clone(&self) -> Self {
        self.clone_box()
    }
}

impl<C: Curve> Splitting for Over<C> {
    fn split(
        &self,
        share: &SecretScalar,
        of: Identifier,
        quorum: Quorum<'_>,
        draw: Draw<'_>,
    ) -> Option<BTreeMap<Identifier, SecretScalar>> {
        if !quorum.helpers.contains(&of) {
            return None;
        }
        let weight = quorum.weight::<C>(of)?;
        let mut rest = Zeroizing::new(C::decode_scalar(share.expose())?);
        *rest = weight * *rest;
        let mut summands = BTreeMap::new();
        for helper in quorum.helpers.iter().filter(|helper| **helper != of) {
            let summand = Zeroizing::new(C::wide_scalar(&draw(*helper)));
            *rest = *rest + -*summand;
            summands.insert(*helper, expose::<C>(&summand));
        }
        summands.insert(of, expose::<C>(&rest));
        Some(summands)
    }

    fn table(&self, quorum: Quorum<'_>, shares: VerifyingShares<'_>) -> Option<Box<dyn Table>> {
        let point = |id| C::decode_point(shares(id)?);
        let mut targets = BTreeMap::new();
        let mut sum = C::identity();
        for helper in quorum.helpers {
            let weight = quorum.weight::<C>(*helper)?;
            let target = C::vartime_mul_add(&weight, &point(*helper)?, &C::Scalar::from(0));
            sum = sum + target;
            targets.insert(*helper, target);
        }
        let rows = BTreeMap::new();
        let consistent = sum == point(quorum.recipient)?;
        consistent.then_some(Box::new(Published::<C> { targets, rows }))
    }
}

impl Quorum<'_> {
    /// λ of one of the helpers.
    fn weight<C: Curve>(&self, of: Identifier) -> Option<C::Scalar> {
        lagrange::<C>(of, self.helpers, Some(self.recipient))
    }
}

/// Everybody's commitments, decoded.
#[derive(Clone, Debug)]
struct Published<C: Curve> {
    /// λ_i·Y_i for each helper i: the sum of its row.
    targets: BTreeMap<Identifier, C::Point>,
    /// D_ij by i and j.
    rows: BTreeMap<Identifier, BTreeMap<Identifier, C::Point>>,
}

impl<C: Curve> Published<C> {
    fn is_committed_to(commitment: C::Point, scalar: &SecretScalar) -> bool {
        C::decode_scalar(scalar.expose())
            .map(Zeroizing::new)
            .is_some_and(|scalar| C::mul_base(&scalar) == commitment)
    }
}

impl<C: Curve> Table for Published<C> {
    fn add(&mut self, from: Identifier, commitments: &[u8]) -> Result<(), Fault> {
        let target = self.targets.get(&from).ok_or(Fault::Malformed)?;
        if commitments.len() != self.targets.len() * C::POINT_LENGTH {
            return Err(Fault::Malformed);
        }
        let mut row = BTreeMap::new();
        let mut sum = C::identity();
        for (to, bytes) in self.targets.keys().zip(commitments.chunks(C::POINT_LENGTH)) {
            let point = C::decode_point(bytes)
                .filter(|point| *point != C::identity())
                .ok_or(Fault::InvalidSummand)?;
            sum = sum + point;
            row.insert(*to, point);
        }
        if sum != *target {
            return Err(Fault::WrongSummands);
        }
        self.rows.insert(from, row);
        Ok(())
    }

    fn matches(&self, from: Identifier, to: Identifier, summand: &SecretScalar) -> bool {
        let commitment = self.rows.get(&from).and_then(|row| row.get(&to));
        commitment.is_some_and(|commitment| Self::is_committed_to(*commitment, summand))
    }

    fn matches_sum(&self, of: Identifier, sum: &SecretScalar) -> bool {
        let column: Option<Vec<_>> = self.rows.values().map(|row| row.get(&of).copied()).collect();
        column.is_some_and(|column| {
            let commitment = column.into_iter().fold(C::identity(), |a, b| a + b);
            Self::is_committed_to(commitment, sum)
        })
    }

    fn clone_box(&self) -> Box<dyn Table> {
        Box::new(self.clone())
    }
}
