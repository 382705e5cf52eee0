//! What the engines need from a curve.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Add, Mul, Neg};

use rand_core::CryptoRngCore;
use zeroize::{Zeroize, Zeroizing};

use crate::Identifier;
use crate::secret::{SCALAR_LENGTH, SecretScalar};

pub(crate) mod edwards25519;
pub(crate) mod weierstrass;

/// A group of prime order, or one that contains it with a small cofactor.
///
/// Scalars may be secret: operations on them, and [`mul_base`](Self::mul_base), take constant time.
/// Points are public: all other operations may take variable time.
pub(crate) trait Curve: Clone + Copy + fmt::Debug + Send + Sync + 'static {
    /// An integer modulo the prime order of the group.
    type Scalar: Copy
        + Zeroize
        + Send
        + Sync
        + From<u64>
        + Add<Output = Self::Scalar>
        + Mul<Output = Self::Scalar>
        + Neg<Output = Self::Scalar>;

    /// A point on the curve. Equality is equality of points, not of representations.
    type Point: Copy + fmt::Debug + Eq + Send + Sync + Add<Output = Self::Point>;

    /// The length of an encoded point, in bytes.
    const POINT_LENGTH: usize;

    /// A uniformly random scalar.
    fn random_scalar(rng: &mut dyn CryptoRngCore) -> Self::Scalar;

    /// The scalar that 64 uniform bytes stand for: uniform up to 2⁻²⁵⁶.
    fn wide_scalar(bytes: &[u8; 64]) -> Self::Scalar;

    /// The canonical encoding.
    fn encode_scalar(scalar: &Self::Scalar) -> [u8; SCALAR_LENGTH];

    /// `None` unless the bytes are the canonical encoding of a scalar.
    fn decode_scalar(bytes: &[u8; SCALAR_LENGTH]) -> Option<Self::Scalar>;

    /// The neutral element.
    fn identity() -> Self::Point;

    /// `scalar`·G, in constant time.
    fn mul_base(scalar: &Self::Scalar) -> Self::Point;

    /// 1/`scalar`; `None` for zero. In variable time: only for public values.
    fn vartime_invert(scalar: &Self::Scalar) -> Option<Self::Scalar>;

    /// Σ `scalar`·`point`, with scalars as the integers below the group's order, so that the sum is
    /// exact also for points with torsion. In variable time: only for public values.
    fn vartime_sum(terms: &[(Self::Scalar, Self::Point)]) -> Self::Point {
        let zero = Self::Scalar::from(0);
        terms.iter().fold(Self::identity(), |sum, (scalar, point)| {
            sum + Self::vartime_mul_add(scalar, point, &zero)
        })
    }

    /// `a`·`point` + `b`·G, in variable time: only for public values.
    fn vartime_mul_add(a: &Self::Scalar, point: &Self::Point, b: &Self::Scalar) -> Self::Point;

    /// 2·`point`.
    fn double(point: &Self::Point) -> Self::Point;

    /// Appends the canonical encoding, [`POINT_LENGTH`](Self::POINT_LENGTH) bytes.
    fn encode_point(point: &Self::Point, out: &mut Vec<u8>);

    /// `None` unless the bytes are the canonical encoding of a point on the curve.
    ///
    /// The point may be the identity, and may lie outside of the prime-order group: see
    /// [`is_torsion_free`](Self::is_torsion_free).
    fn decode_point(bytes: &[u8]) -> Option<Self::Point>;

    /// Whether the point is in the group of prime order. Always true if the cofactor is 1.
    fn is_torsion_free(point: &Self::Point) -> bool;

    /// `x`·`point` for a small `x`, in variable time: at most 16 doublings and additions.
    fn vartime_mul_small(point: &Self::Point, x: u16) -> Self::Point {
        let mut product = Self::identity();
        for bit in (0..u16::BITS - x.leading_zeros()).rev() {
            product = Self::double(&product);
            if x >> bit & 1 == 1 {
                product = product + *point;
            }
        }
        product
    }

    /// Decodes a point that must generate the prime-order group: canonical, not the identity,
    /// without torsion.
    fn decode_generator(bytes: &[u8]) -> Option<Self::Point> {
        Self::decode_point(bytes)
            .filter(|point| *point != Self::identity() && Self::is_torsion_free(point))
    }
}

/// Stands for a curve where no value of it exists: a suite's arithmetic is implemented for this
/// type.
pub(crate) struct Over<C>(PhantomData<C>);

impl<C> Over<C> {
    pub(crate) const NEW: Self = Self(PhantomData);
}

/// The Lagrange coefficient of `of` among `all` for the value at an identifier, or at 0: the factor
/// of a polynomial's value at `of` when the polynomial is interpolated there. `None` only if two
/// identifiers are equal modulo the group's order.
pub(crate) fn lagrange<C: Curve>(
    of: Identifier,
    all: &BTreeSet<Identifier>,
    at: Option<Identifier>,
) -> Option<C::Scalar> {
    let x = |id: Identifier| C::Scalar::from(u64::from(id.get()));
    let at = at.map_or(C::Scalar::from(0), x);
    let (mut numerator, mut denominator) = (C::Scalar::from(1), C::Scalar::from(1));
    for other in all.iter().copied().filter(|other| *other != of) {
        numerator = numerator * (x(other) + -at);
        denominator = denominator * (x(other) + -x(of));
    }
    Some(numerator * C::vartime_invert(&denominator)?)
}

/// Moves a scalar of the curve out of the arithmetic.
pub(crate) fn expose<C: Curve>(scalar: &C::Scalar) -> SecretScalar {
    let bytes: Zeroizing<[u8; SCALAR_LENGTH]> = Zeroizing::new(C::encode_scalar(scalar));
    SecretScalar::copy_of(&bytes)
}
