//! What makes the commitment to a document, with only the hash of the document itself.
//!
//! Accounts with the `auditor` role receive it: they learn what was asked for, and can compare a
//! file that they got from somebody else, but do not receive the document.

use quorate_ceremony::names::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::documents::{DocumentName, DocumentNote, DocumentPackage, InvalidPackage, title};

/// The title of one document, in JSON. All members are covered by the commitment.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentTitle {
    pub name: String,
    /// What the requester wrote to the approvers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    pub salt: Digest,
    /// The SHA-256 hash of the document.
    pub sha256: Digest,
}

impl DocumentTitle {
    /// Most bytes of its JSON: a name and a note, in which each byte may be escaped.
    pub const MAX_BYTES: u64 = 8 << 10;

    /// Returns the title of the document in the encoding of a [`DocumentPackage`].
    ///
    /// # Errors
    ///
    /// When the bytes are not a package.
    pub fn of_package(bytes: &[u8]) -> Result<Self, InvalidPackage> {
        let (start, document) = DocumentPackage::split(bytes)?;
        Ok(Self {
            name: start.name.as_str().to_owned(),
            message: start.note.as_ref().map(|note| note.as_str().to_owned()),
            salt: Digest::new(start.salt),
            sha256: Digest::new(Sha256::digest(document).into()),
        })
    }

    /// Encodes it.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Serialising to memory cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Decodes it. Returns `None` if it is not the title of the document with this commitment.
    pub fn from_bytes(bytes: &[u8], commitment: Digest) -> Option<Self> {
        let read: Self = serde_json::from_slice(bytes).ok()?;
        let name: DocumentName = read.name.parse().ok()?;
        let note: Option<DocumentNote> =
            read.message.as_deref().map(str::parse).transpose().ok()?;
        let made = quorate_documents::commitment_to_hash(
            read.salt.as_bytes(),
            &title(&name, note.as_ref()),
            read.sha256.as_bytes(),
        );
        (Digest::new(made) == commitment).then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_accepted_for_its_own_document_only() {
        for note in [None, Some("for the board")] {
            let package = DocumentPackage {
                salt: [7; 32],
                name: "contract.txt".parse().unwrap(),
                note: note.map(|note| note.parse().unwrap()),
                document: b"contract".to_vec(),
            };
            let commitment = package.commitment();
            let title = DocumentTitle::of_package(&package.to_bytes()).unwrap();
            assert_eq!(
                DocumentTitle::from_bytes(&title.to_bytes(), commitment),
                Some(title.clone())
            );
            let refused = |changed: DocumentTitle| {
                assert_eq!(DocumentTitle::from_bytes(&changed.to_bytes(), commitment), None);
            };
            refused(DocumentTitle { name: "contract".to_owned(), ..title.clone() });
            refused(DocumentTitle { message: Some("sign".to_owned()), ..title.clone() });
            refused(DocumentTitle { salt: Digest::new([8; 32]), ..title.clone() });
            refused(DocumentTitle { sha256: Digest::new([8; 32]), ..title.clone() });
            refused(DocumentTitle { name: "contract.txt\0for the board".to_owned(), ..title });
        }
    }

    #[test]
    fn the_longest_title_fits() {
        let package = DocumentPackage {
            salt: [255; 32],
            name: "\"".repeat(255).parse().unwrap(),
            note: Some("\"".repeat(DocumentNote::LONGEST).parse().unwrap()),
            document: Vec::new(),
        };
        assert!(
            DocumentTitle::of_package(&package.to_bytes()).unwrap().to_bytes().len() as u64
                <= DocumentTitle::MAX_BYTES
        );
    }
}
