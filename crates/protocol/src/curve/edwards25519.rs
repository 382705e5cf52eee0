//! The curve of Ed25519 (RFC 8032): cofactor 8, encodings of 32 bytes, little-endian.

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{Identity, IsIdentity, VartimeMultiscalarMul};
use rand_core::CryptoRngCore;

use super::Curve;
use crate::secret::SCALAR_LENGTH;

/// Curve25519 in Edwards form, as implemented by curve25519-dalek.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edwards25519;

impl Curve for Edwards25519 {
    type Scalar = Scalar;
    type Point = EdwardsPoint;

    const POINT_LENGTH: usize = 32;

    fn random_scalar(rng: &mut dyn CryptoRngCore) -> Scalar {
        Scalar::random(rng)
    }

    fn wide_scalar(bytes: &[u8; 64]) -> Scalar {
        Scalar::from_bytes_mod_order_wide(bytes)
    }

    fn encode_scalar(scalar: &Scalar) -> [u8; SCALAR_LENGTH] {
        scalar.to_bytes()
    }

    fn decode_scalar(bytes: &[u8; SCALAR_LENGTH]) -> Option<Scalar> {
        Scalar::from_canonical_bytes(*bytes).into()
    }

    fn identity() -> EdwardsPoint {
        EdwardsPoint::identity()
    }

    fn mul_base(scalar: &Scalar) -> EdwardsPoint {
        EdwardsPoint::mul_base(scalar)
    }

    fn vartime_invert(scalar: &Scalar) -> Option<Scalar> {
        (*scalar != Scalar::ZERO).then(|| scalar.invert())
    }

    fn vartime_sum(terms: &[(Scalar, EdwardsPoint)]) -> EdwardsPoint {
        let scalars = terms.iter().map(|(scalar, _)| scalar);
        EdwardsPoint::vartime_multiscalar_mul(scalars, terms.iter().map(|(_, point)| point))
    }

    fn vartime_mul_add(a: &Scalar, point: &EdwardsPoint, b: &Scalar) -> EdwardsPoint {
        EdwardsPoint::vartime_double_scalar_mul_basepoint(a, point, b)
    }

    fn double(point: &EdwardsPoint) -> EdwardsPoint {
        group::Group::double(point)
    }

    fn encode_point(point: &EdwardsPoint, out: &mut Vec<u8>) {
        out.extend_from_slice(point.compress().as_bytes());
    }

    fn decode_point(bytes: &[u8]) -> Option<EdwardsPoint> {
        let bytes = bytes.try_into().ok()?;
        is_canonical(bytes).then_some(())?;
        CompressedEdwardsY(*bytes).decompress()
    }

    fn is_torsion_free(point: &EdwardsPoint) -> bool {
        point.is_torsion_free()
    }
}

/// Whether `bytes` is the encoding of the point that they decode to.
///
/// Decompression reduces y modulo p = 2²⁵⁵ − 19 and ignores the sign of x = 0. So an encoding is
/// canonical if y < p, and the sign bit is clear where x = 0, that is, where y = ±1. (RFC 8032,
/// section 5.1.3, demands the same.) Comparing with the encoding of the decoded point would give
/// the same answer, at the cost of an inversion per point.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = bytes;
    let negative = high & 0x80 != 0;
    let top = high & 0x7f;

    let all_ones = top == 0x7f && middle.iter().all(|byte| *byte == 0xff);
    let at_least_p = all_ones && *low >= 0xed;
    let minus_one = all_ones && *low == 0xec;
    let one = top == 0 && middle.iter().all(|byte| *byte == 0) && *low == 1;
    !at_least_p && !(negative && (one || minus_one))
}

/// Whether `point` and all its multiples by the cofactor are the identity.
pub(crate) fn is_small_order(point: &EdwardsPoint) -> bool {
    point.mul_by_cofactor().is_identity()
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use proptest::prelude::*;

    use super::*;

    /// The slow definition.
    fn re_encodes(bytes: &[u8; 32]) -> bool {
        CompressedEdwardsY(*bytes).decompress().is_some_and(|point| point.compress().0 == *bytes)
    }

    /// Every encoding with |y| ≤ 40 or y near 2²⁵⁵, with both signs.
    fn edges() -> impl Iterator<Item = [u8; 32]> {
        (0..=255_u8).flat_map(|low| {
            [[0_u8; 32], [0xff; 32]].into_iter().flat_map(move |mut bytes| {
                bytes[0] = low;
                [0, 0x80].map(|sign| {
                    let mut bytes = bytes;
                    bytes[31] = bytes[31] & 0x7f | sign;
                    bytes
                })
            })
        })
    }

    /// Encodings that differ from those of y = ±1 in one byte: there the sign may be set.
    fn almost_edges() -> impl Iterator<Item = [u8; 32]> {
        let ones = [(1, 0, 0), (0xec, 0xff, 0x7f)];
        ones.into_iter().flat_map(|(low, middle, high)| {
            (1..32).flat_map(move |at| {
                (0..=255_u8).map(move |value| {
                    let mut bytes = [middle; 32];
                    (bytes[0], bytes[31]) = (low, high);
                    bytes[at] = value;
                    bytes[31] |= 0x80;
                    bytes
                })
            })
        })
    }

    #[test]
    fn only_encodings_that_re_encode_are_decoded_at_the_edges() {
        let mut refused = 0;
        for bytes in edges().chain(almost_edges()) {
            assert_eq!(Edwards25519::decode_point(&bytes).is_some(), re_encodes(&bytes));
            let on_curve = CompressedEdwardsY(bytes).decompress().is_some();
            refused += usize::from(on_curve && !re_encodes(&bytes));
        }
        assert!(refused > 10, "the edges contain non-canonical encodings of points");
    }

    #[test]
    fn torsion_is_found() {
        for (order, point) in EIGHT_TORSION.iter().enumerate() {
            assert!(is_small_order(point));
            assert_eq!(Edwards25519::is_torsion_free(point), order == 0);
            let mixed = point + Edwards25519::mul_base(&Scalar::from(5_u64));
            assert_eq!(Edwards25519::is_torsion_free(&mixed), order == 0);
            assert!(!is_small_order(&mixed));
        }
    }

    proptest! {
        #[test]
        fn exactly_the_encodings_that_re_encode_are_decoded(bytes: [u8; 32]) {
            prop_assert_eq!(Edwards25519::decode_point(&bytes).is_some(), re_encodes(&bytes));
        }

        #[test]
        fn small_multiples_are_multiples(x: u16, seed: [u8; 32]) {
            let point = Edwards25519::mul_base(&Scalar::from_bytes_mod_order(seed));
            prop_assert_eq!(Edwards25519::vartime_mul_small(&point, x), point * Scalar::from(x));
        }
    }
}
