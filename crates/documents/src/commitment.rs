//! Salted commitment to a document, for log entries that must not tell what the document says.

use sha2::{Digest, Sha256};

/// Commits to `document`: SHA-256(`"quorate/document/v1\0"` ‖ salt ‖ SHA-256(document)).
///
/// Binding as SHA-256 is collision-resistant. Hiding only while `salt` is 32 uniformly random bytes, used for this document
/// alone and kept with it: without the salt a guessed document can not be confirmed, so deleting document and
/// salt makes the entry meaningless for ever.
pub fn commitment(salt: &[u8; 32], document: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(DOMAIN)
        .chain_update(salt)
        .chain_update(Sha256::digest(document))
        .finalize()
        .into()
}

const DOMAIN: &[u8] = b"quorate/document/v1\0";

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hashlib from the formula above.
    #[test]
    fn commitment_has_the_documented_bytes() {
        assert_eq!(
            hex::encode(commitment(&[7; 32], b"contract")),
            "9581e0298949fd1f7ad5b0978bd2f68750d621653c6b81e6696831a4253c253b"
        );
        assert_eq!(
            hex::encode(commitment(&[0; 32], b"")),
            "eaf9a6b82d358f57f5c18b9099c03269cbd3edd9db5b2314cef4a8e28855e406"
        );
    }

    #[test]
    fn another_salt_gives_another_commitment() {
        assert_ne!(commitment(&[1; 32], b"contract"), commitment(&[2; 32], b"contract"));
    }

    #[test]
    fn another_document_gives_another_commitment() {
        assert_ne!(commitment(&[1; 32], b"contract"), commitment(&[1; 32], b"contracT"));
    }
}
