//! ECDSA signatures (FIPS 186-5 §6.4, with SHA-256): their encoding, how shares add up to them, and
//! their verification with other code than the code that makes them.
//!
//! A signature is r ‖ s, 32 bytes each, big-endian. Of s and n − s, which are equally valid, only
//! the smaller is accepted here, so that a signature has one encoding; other verifiers accept both.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256K1_SHA256_FIXED, EcdsaVerificationAlgorithm,
    UnparsedPublicKey,
};

use super::EcdsaCurve;
use crate::curve::Curve;
use crate::curve::weierstrass::{P256, Secp256k1};
use crate::secret::SCALAR_LENGTH;
use crate::signing::error::EncodingError;

/// The length of everything that a message has, in bytes.
pub(super) const PIECE: usize = 32;

/// Cuts a message into so many pieces.
pub(super) fn pieces(bytes: &[u8], expected: usize) -> Result<Vec<[u8; PIECE]>, EncodingError> {
    let length = expected.saturating_mul(PIECE);
    if bytes.len() != length {
        return Err(EncodingError::Length { expected: length, actual: bytes.len() });
    }
    Ok(bytes.chunks_exact(PIECE).filter_map(|piece| piece.try_into().ok()).collect())
}

/// The last message, a signature share: the x-coordinate of the nonce's point, u and w (32 bytes
/// each, big-endian).
#[derive(Clone, Debug)]
pub(super) struct Share {
    x: [u8; PIECE],
    u: [u8; PIECE],
    w: [u8; PIECE],
}

impl Share {
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, EncodingError> {
        match pieces(bytes, 3)?.as_slice() {
            [x, u, w] => Ok(Self { x: *x, u: *u, w: *w }),
            _ => Err(EncodingError::Scalar),
        }
    }
}

/// A curve whose scalars can be told to be in the upper half.
trait Signing: Curve {
    fn is_high(scalar: &Self::Scalar) -> bool;
}

impl Signing for P256 {
    fn is_high(scalar: &Self::Scalar) -> bool {
        dkls_p256::elliptic_curve::scalar::IsHigh::is_high(scalar).into()
    }
}

impl Signing for Secp256k1 {
    fn is_high(scalar: &Self::Scalar) -> bool {
        dkls_k256::elliptic_curve::scalar::IsHigh::is_high(scalar).into()
    }
}

pub(in crate::signing) fn check_signature_encoding(
    curve: EcdsaCurve,
    bytes: &[u8],
) -> Result<(), EncodingError> {
    match curve {
        EcdsaCurve::P256 => check::<P256>(bytes),
        EcdsaCurve::Secp256k1 => check::<Secp256k1>(bytes),
    }
}

fn check<C: Signing>(bytes: &[u8]) -> Result<(), EncodingError> {
    let (r, s) =
        halves(bytes).ok_or(EncodingError::Length { expected: 64, actual: bytes.len() })?;
    let [r, s] = [r, s].map(|half| nonzero::<C>(&half));
    let is_low = r.is_some() && s.is_some_and(|s| !C::is_high(&s));
    is_low.then_some(()).ok_or(EncodingError::Scalar)
}

fn halves(bytes: &[u8]) -> Option<([u8; 32], [u8; 32])> {
    let (r, s) = bytes.split_at_checked(SCALAR_LENGTH)?;
    Some((r.try_into().ok()?, s.try_into().ok()?))
}

fn nonzero<C: Curve>(bytes: &[u8; SCALAR_LENGTH]) -> Option<C::Scalar> {
    (*bytes != [0; SCALAR_LENGTH]).then(|| C::decode_scalar(bytes)).flatten()
}

/// The signature that these shares add up to: r, and Σw ∕ Σu (step 10 of protocol 3.6). `None` if
/// they disagree about r, or about nothing that is a signature.
pub(super) fn add_up<'a>(
    curve: EcdsaCurve,
    shares: impl Iterator<Item = &'a Share>,
) -> Option<[u8; 64]> {
    match curve {
        EcdsaCurve::P256 => sum::<P256>(shares),
        EcdsaCurve::Secp256k1 => sum::<Secp256k1>(shares),
    }
}

fn sum<'a, C: Signing>(shares: impl Iterator<Item = &'a Share>) -> Option<[u8; 64]> {
    let (mut x, mut u, mut w) = (None, C::Scalar::from(0), C::Scalar::from(0));
    for share in shares {
        if *x.get_or_insert(share.x) != share.x {
            return None;
        }
        u = u + C::decode_scalar(&share.u)?;
        w = w + C::decode_scalar(&share.w)?;
    }
    let mut wide = [0; 64];
    wide.iter_mut().skip(32).zip(x?).for_each(|(to, from)| *to = from);
    let r = C::encode_scalar(&C::wide_scalar(&wide));
    let s = w * C::vartime_invert(&u)?;
    let s = C::encode_scalar(&if C::is_high(&s) { -s } else { s });
    let mut signature = [0; 64];
    signature.iter_mut().zip([r, s].concat()).for_each(|(to, from)| *to = from);
    check::<C>(&signature).ok().map(|()| signature)
}

/// Verifies a signature with AWS-LC, and rejects the larger s.
pub(in crate::signing) fn verifies(
    curve: EcdsaCurve,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    let algorithm: &EcdsaVerificationAlgorithm = match curve {
        EcdsaCurve::P256 => &ECDSA_P256_SHA256_FIXED,
        EcdsaCurve::Secp256k1 => &ECDSA_P256K1_SHA256_FIXED,
    };
    check_signature_encoding(curve, signature).is_ok()
        && UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
}
