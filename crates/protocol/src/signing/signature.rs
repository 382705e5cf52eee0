//! Signatures: typed by suite, and verified with other code than the code that makes them.

use std::fmt;

use super::ecdsa;
use super::error::EncodingError;
use super::frost;
use super::plan::Scheme;
#[cfg(test)]
use super::test_scheme;
use crate::Suite;
use crate::keys::VerifyingKey;

/// An ordinary signature of its suite, whatever the number of its signers.
#[derive(Clone, Eq, PartialEq)]
pub struct Signature {
    suite: Suite,
    bytes: Vec<u8>,
}

impl Signature {
    /// Takes bytes that can be a signature. Only [`verify`] tells whether it is valid.
    ///
    /// For Ed25519 these are the 64 bytes of RFC 8032: the point R and the scalar S, little-endian.
    /// For ECDSA they are r and s of FIPS 186-5, 32 bytes each, big-endian.
    ///
    /// # Errors
    ///
    /// Unless the bytes are a signature's only encoding. For Ed25519: there are exactly 64 bytes, R
    /// is the canonical encoding of a point that is not of small order, and S is below the group
    /// order. For ECDSA: neither is 0, r is below the group order, and s at most half of it.
    pub fn from_bytes(suite: Suite, bytes: &[u8]) -> Result<Self, EncodingError> {
        match suite.signing().ok_or(EncodingError::Suite)? {
            Scheme::Frost => frost::check_signature_encoding(bytes)?,
            Scheme::Ecdsa(curve) => ecdsa::check_signature_encoding(curve, bytes)?,
            #[cfg(test)]
            Scheme::Test => test_scheme::check_signature_encoding(bytes)?,
        }
        Ok(Self { suite, bytes: bytes.to_vec() })
    }

    /// The suite of the encoding.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The bytes that [`from_bytes`](Self::from_bytes) takes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(")?;
        self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// The signature is not valid for this message and key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the signature is not valid for this message and key")]
pub struct InvalidSignature;

/// Verifies a signature as strictly as any common verifier of its suite.
///
/// # Errors
///
/// If the signature is not valid, or is of another suite than the key.
pub fn verify(
    key: &VerifyingKey,
    message: &[u8],
    signature: &Signature,
) -> Result<(), InvalidSignature> {
    if key.suite() != signature.suite {
        return Err(InvalidSignature);
    }
    let verifies = match key.suite().signing().ok_or(InvalidSignature)? {
        Scheme::Frost => frost::verifies(key.as_bytes(), message, &signature.bytes),
        Scheme::Ecdsa(curve) => ecdsa::verifies(curve, key.as_bytes(), message, &signature.bytes),
        #[cfg(test)]
        Scheme::Test => test_scheme::verifies(key, message, &signature.bytes),
    };
    verifies.then_some(()).ok_or(InvalidSignature)
}
