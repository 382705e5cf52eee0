//! NIST P-256 and secp256k1: cofactor 1, scalars big-endian, points of 33 bytes (SEC 1 §2.3.3,
//! compressed).

use rand_core::CryptoRngCore;

use super::Curve;
use crate::secret::SCALAR_LENGTH;

/// The identity, which SEC 1 encodes in one byte, becomes this many zero bytes.
const LENGTH: usize = 33;

/// Both crates have the same interface, but their scalars and points have no common trait that
/// covers all of it.
macro_rules! curve {
    ($(#[$doc:meta])* $name:ident, $library:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name;

        impl Curve for $name {
            type Scalar = $library::Scalar;
            type Point = $library::ProjectivePoint;

            const POINT_LENGTH: usize = LENGTH;

            fn random_scalar(rng: &mut dyn CryptoRngCore) -> Self::Scalar {
                let mut bytes = zeroize::Zeroizing::new([0; 64]);
                rng.fill_bytes(bytes.as_mut());
                Self::wide_scalar(&bytes)
            }

            fn wide_scalar(bytes: &[u8; 64]) -> Self::Scalar {
                use $library::elliptic_curve::ops::Reduce as _;
                let (high, low) = bytes.split_at(32);
                let half = |bytes: &[u8]| {
                    let mut field = $library::FieldBytes::default();
                    field.copy_from_slice(bytes);
                    Self::Scalar::reduce(&field)
                };
                let two_to_64 = Self::Scalar::from(1_u64 << 32) * Self::Scalar::from(1_u64 << 32);
                let two_to_128 = two_to_64 * two_to_64;
                half(high) * two_to_128 * two_to_128 + half(low)
            }

            fn encode_scalar(scalar: &Self::Scalar) -> [u8; SCALAR_LENGTH] {
                scalar.to_bytes().into()
            }

            fn decode_scalar(bytes: &[u8; SCALAR_LENGTH]) -> Option<Self::Scalar> {
                use $library::elliptic_curve::PrimeField as _;
                Self::Scalar::from_repr((*bytes).into()).into()
            }

            fn identity() -> Self::Point {
                Self::Point::IDENTITY
            }

            fn mul_base(scalar: &Self::Scalar) -> Self::Point {
                Self::Point::GENERATOR * scalar
            }

            fn vartime_invert(scalar: &Self::Scalar) -> Option<Self::Scalar> {
                scalar.invert().into()
            }

            fn vartime_mul_add(
                a: &Self::Scalar,
                point: &Self::Point,
                b: &Self::Scalar,
            ) -> Self::Point {
                *point * a + Self::mul_base(b)
            }

            fn double(point: &Self::Point) -> Self::Point {
                $library::elliptic_curve::Group::double(point)
            }

            fn encode_point(point: &Self::Point, out: &mut Vec<u8>) {
                use $library::elliptic_curve::sec1::ToSec1Point as _;
                let mut bytes = point.to_affine().to_sec1_point(true).as_bytes().to_vec();
                bytes.resize(LENGTH, 0);
                out.extend(bytes);
            }

            fn decode_point(bytes: &[u8]) -> Option<Self::Point> {
                use $library::elliptic_curve::sec1::FromSec1Point as _;
                if bytes == [0; LENGTH] {
                    return Some(Self::identity());
                }
                let encoded = $library::Sec1Point::from_bytes(bytes).ok();
                let encoded = encoded.filter(|encoded| encoded.as_bytes().len() == LENGTH)?;
                let point: Option<$library::AffinePoint> =
                    $library::AffinePoint::from_sec1_point(&encoded).into();
                point.map(Self::Point::from)
            }

            fn is_torsion_free(_: &Self::Point) -> bool {
                true
            }
        }
    };
}

curve! {
    /// P-256 (FIPS 186-5, SEC 2 §2.4.2).
    P256, dkls_p256
}
curve! {
    /// secp256k1 (SEC 2 §2.4.1).
    Secp256k1, dkls_k256
}
