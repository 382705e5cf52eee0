//! DSSE envelopes ([DSSE] v1): a payload as bytes, its type, and signatures over both.
//!
//! [DSSE]: https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::encoding::Base64;
use crate::identity::{PublicKey, SecretKey};

/// The longest entry in bytes: a C2SP entry bundle has 16-bit lengths.
pub const MAX_ENTRY: usize = 65_535;

#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeSignature {
    /// The signing public key in hex.
    keyid: PublicKey,
    sig: Base64,
}

/// A DSSE envelope. Its payload is not yet parsed.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Envelope {
    payload_type: String,
    payload: Base64,
    signatures: Vec<EnvelopeSignature>,
}

pub(crate) fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

#[expect(missing_docs, reason = "the names say it")]
impl Envelope {
    pub fn sign(payload_type: &str, payload: Vec<u8>, keys: &[&SecretKey]) -> Self {
        let signed = pre_authentication_encoding(payload_type, &payload);
        let signatures = keys
            .iter()
            .map(|key| EnvelopeSignature {
                keyid: key.public(),
                sig: Base64(key.sign(&signed).to_vec()),
            })
            .collect();
        Self { payload_type: payload_type.to_owned(), payload: Base64(payload), signatures }
    }

    /// Returns the payload if its type is `payload_type` and every one of `keys` signed it.
    pub fn verify(&self, payload_type: &str, keys: &[PublicKey]) -> Result<&[u8], EntryError> {
        if self.payload_type != payload_type {
            return Err(EntryError::PayloadType);
        }
        let signed = pre_authentication_encoding(payload_type, &self.payload.0);
        // Exactly these keys: an additional signature could be replaced without invalidating the
        // others, so one statement would have many spellings.
        if self.signatures.len() != keys.len() {
            return Err(EntryError::Signature);
        }
        for (key, signature) in keys.iter().zip(&self.signatures) {
            let bytes: &[u8; 64] =
                signature.sig.0.as_slice().try_into().map_err(|_| EntryError::Signature)?;
            if signature.keyid != *key || !key.verifies(&signed, bytes) {
                return Err(EntryError::Signature);
            }
        }
        Ok(&self.payload.0)
    }

    /// SHA-256 of the bytes that the signatures cover.
    pub(crate) fn digest(&self) -> [u8; 32] {
        Sha256::digest(pre_authentication_encoding(&self.payload_type, &self.payload.0)).into()
    }

    pub(crate) fn payload_type(&self) -> &str {
        &self.payload_type
    }

    pub(crate) fn payload_unverified(&self) -> &[u8] {
        &self.payload.0
    }

    pub(crate) fn signatures(&self) -> usize {
        self.signatures.len()
    }
}

/// Why bytes are not an entry by the right author.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum EntryError {
    #[error("longer than {MAX_ENTRY} bytes")]
    TooLong,
    #[error("not a statement that this version of Quorate knows")]
    Json,
    #[error("not a Quorate statement")]
    PayloadType,
    #[error("not in compact form")]
    Spelling,
    #[error("not signed by its author")]
    Signature,
}
