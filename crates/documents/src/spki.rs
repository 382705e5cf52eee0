//! SubjectPublicKeyInfo (RFC 8410 §4, RFC 5480 §2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::key::{VerifyingKey, uncompressed};

pub(crate) const PEM_BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
pub(crate) const PEM_END: &str = "-----END PUBLIC KEY-----";

/// The same in PEM. Ends with a newline.
pub(crate) fn pem(verifying_key: &VerifyingKey) -> String {
    let base64 = STANDARD.encode(to_spki(verifying_key));
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", lines.join("\n"))
}

/// SubjectPublicKeyInfo in DER.
pub(crate) fn to_spki(verifying_key: &VerifyingKey) -> Vec<u8> {
    match verifying_key {
        VerifyingKey::Ed25519(key) => [SPKI_PREFIX.as_slice(), key].concat(),
        VerifyingKey::EcdsaP256(key) => [P256_PREFIX.as_slice(), &uncompressed(key)].concat(),
    }
}

/// Reads SubjectPublicKeyInfo in DER.
pub(crate) fn from_spki(der: &[u8]) -> Option<VerifyingKey> {
    // DER has one encoding of everything before the key, so comparing prefixes is parsing it.
    if let Some(key) = der.strip_prefix(SPKI_PREFIX.as_slice()) {
        return Some(VerifyingKey::Ed25519(key.try_into().ok()?));
    }
    let point = [(P256_PREFIX, 65), (P256_COMPRESSED_PREFIX, 33)].into_iter().find_map(
        |(prefix, length)| {
            let point = der.strip_prefix(prefix.as_slice())?;
            (point.len() == length).then_some(point)
        },
    );
    VerifyingKey::from_p256_point(point?)
}

/// SubjectPublicKeyInfo of RFC 8410 §10.1 up to the key: SEQUENCE, algorithm 1.3.101.112, BIT
/// STRING of 33 bytes.
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// SubjectPublicKeyInfo of RFC 5480 §2 up to the point: SEQUENCE, id-ecPublicKey with the curve
/// 1.2.840.10045.3.1.7, BIT STRING of 66 bytes.
const P256_PREFIX: [u8; 26] = p256_prefix(0x59, 0x42);
/// The same for a compressed point, with a BIT STRING of 34 bytes.
const P256_COMPRESSED_PREFIX: [u8; 26] = p256_prefix(0x39, 0x22);

const fn p256_prefix(all: u8, bits: u8) -> [u8; 26] {
    [
        0x30, all, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, bits, 0x00,
    ]
}
