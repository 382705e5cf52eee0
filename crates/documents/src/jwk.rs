//! JSON Web Keys (RFC 8037 §2, RFC 7518 §6.2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::key::{VerifyingKey, uncompressed};

/// The key, without a newline.
pub(crate) fn of(verifying_key: &VerifyingKey) -> String {
    // Written by hand because the members' order is that of the RFCs' examples, and nothing here
    // needs escaping.
    match verifying_key {
        VerifyingKey::Ed25519(key) => {
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(key))
        }
        VerifyingKey::EcdsaP256(key) => {
            let point = uncompressed(key);
            let coordinates = point.get(1..).unwrap_or_default();
            let (x, y) = coordinates.split_at_checked(32).unwrap_or_default();
            let [x, y] = [x, y].map(|number| URL_SAFE_NO_PAD.encode(number));
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#)
        }
    }
}
