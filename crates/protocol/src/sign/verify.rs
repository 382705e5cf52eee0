//! Verifies signatures, with other code than the code that makes them.

use super::Signature;
use crate::Suite;
use crate::keys::VerifyingKey;

/// The signature is not valid for this message and key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the signature is not valid for this message and key")]
pub struct InvalidSignature;

/// Verifies a signature with ed25519-dalek, as strictly as any common verifier.
///
/// `verify_strict` (cofactorless, no keys or R of small order, S below the group order) accepts
/// nothing that another verifier of RFC 8032 might reject. It shares curve arithmetic with
/// `frost-ed25519`, but neither the hashing nor the equation.
///
/// # Errors
///
/// If the signature is not valid, or the key is not an Ed25519 key.
pub fn verify(
    key: &VerifyingKey,
    message: &[u8],
    signature: &Signature,
) -> Result<(), InvalidSignature> {
    if key.suite() != Suite::FrostEd25519Sha512 {
        return Err(InvalidSignature);
    }
    let bytes = key.as_bytes().try_into().map_err(|_| InvalidSignature)?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| InvalidSignature)?;
    let signature = ed25519_dalek::Signature::from_bytes(&signature.to_bytes());
    key.verify_strict(message, &signature).map_err(|_| InvalidSignature)
}
