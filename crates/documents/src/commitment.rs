//! Salted commitment to a document, for log entries that must not reveal its content.

use sha2::{Digest, Sha256};

/// Commits to `document` and its file's `name`: SHA-256(`"quorate/document/v1\0"` ‖ salt ‖
/// SHA-256(name) ‖ SHA-256(document)).
///
/// The name is what an approver reads first, so the party that relays the document must not be able
/// to exchange it. If the requester adds a note, the name is followed by a zero byte and the note.
///
/// Binding because SHA-256 is collision-resistant. Hiding only while `salt` is 32 uniformly random
/// bytes, used for this document alone and kept with it: without the salt a guessed document cannot
/// be confirmed, so deleting document and salt makes the entry meaningless permanently.
pub fn commitment(salt: &[u8; 32], name: &str, document: &[u8]) -> [u8; 32] {
    commitment_to_hash(salt, name, &Sha256::digest(document).into())
}

/// Returns the [`commitment`] to the document with this SHA-256 hash.
pub fn commitment_to_hash(salt: &[u8; 32], name: &str, document: &[u8; 32]) -> [u8; 32] {
    Sha256::new()
        .chain_update(DOMAIN)
        .chain_update(salt)
        .chain_update(Sha256::digest(name))
        .chain_update(document)
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
            hex::encode(commitment(&[7; 32], "contract.txt", b"contract")),
            "f4e64169a264cddd87781b310cd61750eaa2dd3e6ed46b397824b713240a1b08"
        );
        assert_eq!(
            hex::encode(commitment(&[0; 32], "empty", b"")),
            "0cbee05336cf83fa8b56c6e5333bb5fe2ec82b5680ce914798e1bfe80b7dc3a1"
        );
    }

    #[test]
    fn another_salt_name_or_document_gives_another_commitment() {
        let one = commitment(&[1; 32], "a", b"contract");
        assert_ne!(one, commitment(&[2; 32], "a", b"contract"));
        assert_ne!(one, commitment(&[1; 32], "b", b"contract"));
        assert_ne!(one, commitment(&[1; 32], "a", b"contracT"));
    }
}
