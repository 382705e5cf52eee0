//! Verifying keys and signatures, by kind of key.

use std::fmt;

use crate::error::VerifyError;

/// A group's public key.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum VerifyingKey {
    /// RFC 8032: 32 bytes, compressed.
    Ed25519([u8; 32]),
}

/// A signature as its algorithm makes it, without a file around it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Signature {
    /// RFC 8032: 64 bytes, R ‖ S.
    Ed25519([u8; 64]),
}

impl VerifyingKey {
    /// Takes an encoded key; the length tells the kinds apart. `None` for other lengths. The bytes
    /// need not be a point of the curve: [`verify`](crate::verify()) finds out.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self::Ed25519(bytes.try_into().ok()?))
    }

    /// The same from hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        Self::from_bytes(&hex::decode(text).ok()?)
    }

    /// The encoded key.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(bytes) => bytes,
        }
    }

    /// The key as Ed25519, for formats that take nothing else.
    pub(crate) fn ed25519(&self) -> &[u8; 32] {
        match self {
            Self::Ed25519(bytes) => bytes,
        }
    }

    /// Whether the key is a point that all verifiers treat alike.
    pub(crate) fn is_usable(&self) -> bool {
        usable(self.ed25519()).is_some()
    }

    /// Verifies a signature itself, strictly: small-order keys and non-canonical signatures are
    /// rejected, so that other verifiers reach the same result.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
        let key = usable(self.ed25519()).ok_or(VerifyError::UnusableKey)?;
        let signature =
            ed25519_dalek::Signature::from_slice(signature).map_err(|_| VerifyError::Mismatch)?;
        key.verify_strict(message, &signature).map_err(|_| VerifyError::Mismatch)
    }

    /// Takes a signature by this kind of key. `None` for another length than such signatures have.
    pub fn signature(&self, bytes: &[u8]) -> Option<Signature> {
        match self {
            Self::Ed25519(_) => Some(Signature::Ed25519(bytes.try_into().ok()?)),
        }
    }
}

impl Signature {
    /// The encoded signature.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(bytes) => bytes,
        }
    }
}

/// Hex digits.
impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.as_bytes()))
    }
}

/// The point of a key that all verifiers treat alike: canonically encoded and not of small order.
fn usable(verifying_key: &[u8; 32]) -> Option<ed25519_dalek::VerifyingKey> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(verifying_key).ok()?;
    // `VerifyingKey::to_bytes` returns the bytes that the key was made from, so only compressing
    // again reveals a second encoding.
    let canonical = key.to_edwards().compress().as_bytes() == verifying_key;
    (canonical && !key.is_weak()).then_some(key)
}
