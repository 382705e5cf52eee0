//! NIST P-256, only in tests: cofactor 1, points of 33 bytes (SEC 1), big-endian.

use p256::elliptic_curve::PrimeField;
use p256::elliptic_curve::ops::Reduce;
use p256::elliptic_curve::sec1::{FromEncodedPoint, ToEncodedPoint};
use p256::{EncodedPoint, FieldBytes, ProjectivePoint, Scalar, U256};
use rand_core::CryptoRngCore;

use super::Curve;
use crate::secret::SCALAR_LENGTH;

/// P-256, as implemented by the p256 crate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct P256;

impl Curve for P256 {
    type Scalar = Scalar;
    type Point = ProjectivePoint;

    const POINT_LENGTH: usize = 33;

    fn random_scalar(rng: &mut dyn CryptoRngCore) -> Scalar {
        let mut bytes = [0; 64];
        rng.fill_bytes(&mut bytes);
        Self::wide_scalar(&bytes)
    }

    fn wide_scalar(bytes: &[u8; 64]) -> Scalar {
        let half = |bytes: &[u8]| <Scalar as Reduce<U256>>::reduce(U256::from_be_slice(bytes));
        let two_to_128 = Scalar::from(1_u64 << 32) * Scalar::from(1_u64 << 32);
        let two_to_128 = two_to_128 * two_to_128;
        half(&bytes[..32]) * two_to_128 * two_to_128 + half(&bytes[32..])
    }

    fn encode_scalar(scalar: &Scalar) -> [u8; SCALAR_LENGTH] {
        scalar.to_bytes().into()
    }

    fn decode_scalar(bytes: &[u8; SCALAR_LENGTH]) -> Option<Scalar> {
        Scalar::from_repr(FieldBytes::from(*bytes)).into()
    }

    fn identity() -> ProjectivePoint {
        ProjectivePoint::IDENTITY
    }

    fn mul_base(scalar: &Scalar) -> ProjectivePoint {
        ProjectivePoint::GENERATOR * scalar
    }

    fn vartime_invert(scalar: &Scalar) -> Option<Scalar> {
        scalar.invert().into()
    }

    fn vartime_mul_add(a: &Scalar, point: &ProjectivePoint, b: &Scalar) -> ProjectivePoint {
        point * a + Self::mul_base(b)
    }

    fn double(point: &ProjectivePoint) -> ProjectivePoint {
        p256::elliptic_curve::Group::double(point)
    }

    /// The identity, which SEC 1 encodes in one byte, becomes 33 zero bytes.
    fn encode_point(point: &ProjectivePoint, out: &mut Vec<u8>) {
        let encoded = point.to_encoded_point(true);
        let mut bytes = encoded.as_bytes().to_vec();
        bytes.resize(33, 0);
        out.extend(bytes);
    }

    fn decode_point(bytes: &[u8]) -> Option<ProjectivePoint> {
        if bytes == [0; 33] {
            return Some(ProjectivePoint::IDENTITY);
        }
        let encoded = EncodedPoint::from_bytes(bytes).ok().filter(|e| e.len() == 33)?;
        ProjectivePoint::from_encoded_point(&encoded).into()
    }

    fn is_torsion_free(_: &ProjectivePoint) -> bool {
        true
    }
}
