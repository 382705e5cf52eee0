//! Keys and signatures as TUF and in-toto describe them.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::error::VerifyError;
use crate::json;
use crate::key::{Signature, VerifyingKey, from_ecdsa_der};
use crate::kind::KeyKind;
use crate::spki;

/// The key as metadata contains it: `keytype`, `keyval` and `scheme`.
pub(crate) fn described(key: &VerifyingKey) -> Value {
    let (keytype, scheme, public) = match key {
        VerifyingKey::Ed25519(bytes) => ("ed25519", "ed25519", hex::encode(bytes)),
        VerifyingKey::EcdsaP256(_) => ("ecdsa", "ecdsa-sha2-nistp256", spki::pem(key)),
    };
    json!({ "keytype": keytype, "scheme": scheme, "keyval": { "public": public } })
}

/// The id that securesystemslib computes for a key: the SHA-256 of its canonical JSON, in hex.
pub(crate) fn id(key: &VerifyingKey) -> String {
    let text = json::canonical(&described(key)).unwrap_or_default();
    hex::encode(Sha256::digest(text))
}

/// The signature as envelopes and metadata contain it: ECDSA in DER.
pub(crate) fn signature_bytes(signature: &Signature) -> Vec<u8> {
    match signature {
        Signature::Ed25519(bytes) => bytes.to_vec(),
        Signature::EcdsaP256(_) => signature.to_der(),
    }
}

/// Verifies a signature as envelopes and metadata contain it.
pub(crate) fn verifies(
    key: &VerifyingKey,
    covered: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    match key.kind() {
        KeyKind::Ed25519 => key.verifies(covered, signature),
        KeyKind::EcdsaP256 => {
            let numbers = from_ecdsa_der(signature).ok_or(VerifyError::Mismatch)?;
            key.verifies(covered, &numbers)
        }
    }
}
