//! Verifying keys and signatures, by kind of key.

use std::fmt;

use p256::ecdsa;
use p256::ecdsa::signature::Verifier as _;
use p256::elliptic_curve::sec1::ToEncodedPoint as _;

use crate::error::VerifyError;
use crate::kind::KeyKind;

/// A group's public key.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum VerifyingKey {
    /// RFC 8032: 32 bytes, compressed.
    Ed25519([u8; 32]),
    /// SEC 1: 33 bytes, compressed.
    EcdsaP256([u8; 33]),
}

/// A signature as its algorithm makes it, without a file around it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Signature {
    /// RFC 8032: 64 bytes, R ‖ S.
    Ed25519([u8; 64]),
    /// 64 bytes, r ‖ s, both big-endian.
    EcdsaP256([u8; 64]),
}

impl VerifyingKey {
    /// Takes an encoded key; the length tells the kinds apart. `None` for other lengths. The bytes
    /// need not be a point of the curve: [`verify`](crate::verify()) finds out.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ed25519 = || Some(Self::Ed25519(bytes.try_into().ok()?));
        ed25519().or_else(|| Some(Self::EcdsaP256(bytes.try_into().ok()?)))
    }

    /// The same from hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        Self::from_bytes(&hex::decode(text).ok()?)
    }

    /// Takes a point of P-256, compressed or not (SEC 1 §2.3.3). `None` for bytes that are no
    /// point, and for the point at infinity.
    pub(crate) fn from_p256_point(bytes: &[u8]) -> Option<Self> {
        let key = p256_point(bytes)?;
        Some(Self::EcdsaP256(key.to_encoded_point(true).as_bytes().try_into().ok()?))
    }

    /// What kind of key this is.
    pub fn kind(&self) -> KeyKind {
        match self {
            Self::Ed25519(_) => KeyKind::Ed25519,
            Self::EcdsaP256(_) => KeyKind::EcdsaP256,
        }
    }

    /// The encoded key.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(bytes) => bytes,
            Self::EcdsaP256(bytes) => bytes,
        }
    }

    /// Whether the key is a point that all verifiers treat alike.
    pub(crate) fn is_usable(&self) -> bool {
        match self {
            Self::Ed25519(bytes) => usable(bytes).is_some(),
            Self::EcdsaP256(bytes) => on_p256(bytes).is_some(),
        }
    }

    /// Verifies a signature itself. Ed25519 strictly: small-order keys and non-canonical signatures
    /// are rejected, so that other verifiers reach the same result. ECDSA with either sign of s, as
    /// other verifiers do.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
        match self {
            Self::Ed25519(bytes) => {
                let key = usable(bytes).ok_or(VerifyError::UnusableKey)?;
                let signature = ed25519_dalek::Signature::from_slice(signature)
                    .map_err(|_| VerifyError::Mismatch)?;
                key.verify_strict(message, &signature).map_err(|_| VerifyError::Mismatch)
            }
            Self::EcdsaP256(bytes) => {
                let key = on_p256(bytes).ok_or(VerifyError::UnusableKey)?;
                // Rejects r and s that are 0 or not below the order.
                let signature =
                    ecdsa::Signature::from_slice(signature).map_err(|_| VerifyError::Mismatch)?;
                key.verify(message, &signature).map_err(|_| VerifyError::Mismatch)
            }
        }
    }

    /// Takes a signature by this kind of key. `None` for another length than such signatures have.
    pub fn signature(&self, bytes: &[u8]) -> Option<Signature> {
        let bytes = bytes.try_into().ok()?;
        Some(match self {
            Self::Ed25519(_) => Signature::Ed25519(bytes),
            Self::EcdsaP256(_) => Signature::EcdsaP256(bytes),
        })
    }
}

impl Signature {
    /// The encoded signature.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(bytes) | Self::EcdsaP256(bytes) => bytes,
        }
    }

    /// What kind of key made it.
    pub(crate) fn kind(&self) -> KeyKind {
        match self {
            Self::Ed25519(_) => KeyKind::Ed25519,
            Self::EcdsaP256(_) => KeyKind::EcdsaP256,
        }
    }

    /// The same signature with the smaller s, for ECDSA: some verifiers reject the other.
    pub(crate) fn with_low_s(self) -> Self {
        let Self::EcdsaP256(bytes) = self else { return self };
        let low = ecdsa::Signature::from_slice(&bytes).ok().and_then(|it| it.normalize_s());
        low.map_or(self, |low| Self::EcdsaP256(low.to_bytes().into()))
    }

    /// ECDSA-Sig-Value in DER (RFC 3279 §2.2.3), as almost all files have an ECDSA signature. Empty
    /// for numbers that no signature has.
    pub(crate) fn to_der(self) -> Vec<u8> {
        let signature = ecdsa::Signature::from_slice(self.as_bytes());
        signature.map(|signature| signature.to_der().as_bytes().to_vec()).unwrap_or_default()
    }
}

/// The two numbers of an ECDSA-Sig-Value, r ‖ s. `None` for everything but the one encoding that
/// DER permits, and for numbers that no signature has.
pub(crate) fn from_ecdsa_der(der: &[u8]) -> Option<[u8; 64]> {
    Some(ecdsa::Signature::from_der(der).ok()?.to_bytes().into())
}

/// The point of P-256 without compression (SEC 1 §2.3.3), which all tools read. Bytes that are no
/// point stay as they are.
pub(crate) fn uncompressed(key: &[u8; 33]) -> Vec<u8> {
    let point = on_p256(key).map(|key| key.as_affine().to_encoded_point(false));
    point.map_or_else(|| key.to_vec(), |point| point.as_bytes().to_vec())
}

/// Hex digits.
impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.as_bytes()))
    }
}

/// The point of an Ed25519 key that all verifiers treat alike: canonically encoded and not of small
/// order.
fn usable(verifying_key: &[u8; 32]) -> Option<ed25519_dalek::VerifyingKey> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(verifying_key).ok()?;
    // `VerifyingKey::to_bytes` returns the bytes that the key was made from, so only compressing
    // again reveals a second encoding.
    let canonical = key.to_edwards().compress().as_bytes() == verifying_key;
    (canonical && !key.is_weak()).then_some(key)
}

fn on_p256(verifying_key: &[u8; 33]) -> Option<ecdsa::VerifyingKey> {
    p256_point(verifying_key)
}

/// A point of P-256 other than infinity. The curve has no points of small order, and
/// `from_sec1_bytes` rejects coordinates that are not below the prime.
fn p256_point(bytes: &[u8]) -> Option<ecdsa::VerifyingKey> {
    // The crate reads a fifth form as well, which no standard has.
    let is_standard = matches!(bytes.first(), Some(2..=4));
    is_standard.then(|| ecdsa::VerifyingKey::from_sec1_bytes(bytes).ok()).flatten()
}
