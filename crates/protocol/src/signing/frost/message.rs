//! What FROST's signers exchange: public values with one encoding each.

use std::fmt;

use frost_ed25519::{round1, round2};

use crate::signing::error::EncodingError;

pub(super) fn exactly<const N: usize>(bytes: &[u8]) -> Result<&[u8; N], EncodingError> {
    bytes.try_into().map_err(|_| EncodingError::Length { expected: N, actual: bytes.len() })
}

fn write_hex(f: &mut fmt::Formatter<'_>, name: &str, bytes: &[u8]) -> fmt::Result {
    write!(f, "{name}(")?;
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
    f.write_str(")")
}

/// A signer's commitments to its two nonces, for one signature (RFC 9591, section 5.1).
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Commitments {
    pub(super) frost: round1::SigningCommitments,
    bytes: [u8; 64],
}

impl Commitments {
    /// 64 bytes: the hiding nonce's commitment and the binding nonce's, encoded as points.
    pub(crate) fn to_bytes(&self) -> [u8; 64] {
        self.bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) writes, and nothing else.
    ///
    /// # Errors
    ///
    /// Unless there are exactly 64 bytes and both points are canonically encoded, in the
    /// prime-order group, and not the identity.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, EncodingError> {
        let bytes: &[u8; 64] = exactly(bytes)?;
        let (hiding, binding) = bytes.split_at(32);
        // Rejects points with torsion, and so also all non-canonical encodings; and the identity.
        let point =
            |bytes| round1::NonceCommitment::deserialize(bytes).map_err(|_| EncodingError::Point);
        let frost = round1::SigningCommitments::new(point(hiding)?, point(binding)?);
        Ok(Self { frost, bytes: *bytes })
    }

    pub(super) fn of(frost: round1::SigningCommitments) -> Option<Self> {
        let mut bytes = [0; 64];
        let (hiding, binding) = bytes.split_at_mut(32);
        hiding.copy_from_slice(&frost.hiding().serialize().ok()?);
        binding.copy_from_slice(&frost.binding().serialize().ok()?);
        Some(Self { frost, bytes })
    }
}

impl fmt::Debug for Commitments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, "Commitments", &self.bytes)
    }
}

/// A signer's contribution to one signature (RFC 9591, section 5.2). Public.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct SignatureShare(pub(super) round2::SignatureShare);

impl SignatureShare {
    /// 32 bytes: a scalar, little-endian.
    pub(crate) fn to_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(self.0.serialize()) {
            *to = from;
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) writes, and nothing else.
    ///
    /// # Errors
    ///
    /// Unless there are exactly 32 bytes and the scalar is below the group order.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, EncodingError> {
        let bytes: &[u8; 32] = exactly(bytes)?;
        let share = round2::SignatureShare::deserialize(bytes);
        share.map(Self).map_err(|_| EncodingError::Scalar)
    }
}

impl fmt::Debug for SignatureShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, "SignatureShare", &self.to_bytes())
    }
}
