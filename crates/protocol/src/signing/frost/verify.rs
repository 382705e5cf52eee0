//! Ed25519 signatures: their encoding, and their verification with other code than FROST's.

use curve25519_dalek::scalar::Scalar;

use super::message::exactly;
use crate::curve::Curve;
use crate::curve::edwards25519::{Edwards25519, is_small_order};
use crate::signing::error::EncodingError;

/// Rejects bytes that no verifier accepts under any key: see
/// [`Signature::from_bytes`](crate::signing::Signature::from_bytes).
pub(in crate::signing) fn check_signature_encoding(bytes: &[u8]) -> Result<(), EncodingError> {
    let bytes: &[u8; 64] = exactly(bytes)?;
    let (commitment, response) = bytes.split_at(32);
    let response = exactly(response)?;
    Edwards25519::decode_point(commitment)
        .filter(|point| !is_small_order(point))
        .ok_or(EncodingError::Point)?;
    Option::<Scalar>::from(Scalar::from_canonical_bytes(*response)).ok_or(EncodingError::Scalar)?;
    Ok(())
}

/// Verifies a signature with ed25519-dalek, as strictly as any common verifier.
///
/// `verify_strict` (cofactorless, no keys or R of small order, S below the group order) accepts
/// nothing that another verifier of RFC 8032 might reject. It shares curve arithmetic with
/// `frost-ed25519`, but neither the hashing nor the equation.
pub(in crate::signing) fn verifies(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = key.try_into().ok().and_then(|key| ed25519_dalek::VerifyingKey::from_bytes(key).ok());
    let signature = ed25519_dalek::Signature::from_slice(signature);
    key.zip(signature.ok()).is_some_and(|(key, it)| key.verify_strict(message, &it).is_ok())
}
