//! Documents: prepared by a shell for the machines, or given to an auditor.

use serde::{Deserialize, Serialize};

use quorate_protocol::keys::VerifyingKey;

use crate::entry::Request;
use crate::names::{Digest, EntryId};

/// Everything besides the document that determines the bytes of one signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToSign {
    /// What is requested.
    pub request: Request,
    /// The key of the group.
    pub key: VerifyingKey,
    /// The request's signatures so far, in the order of the log. What the next one covers may
    /// depend on them.
    pub earlier: Vec<Vec<u8>>,
}

/// A document that the shell of a node or coordinator has prepared.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document {
    /// The salted commitment to the received bytes.
    pub commitment: Digest,
    /// How many signatures the request's output takes.
    pub signatures: u8,
    /// Which of them the bytes are for: the number of those before it.
    pub number: u8,
    /// The bytes that this signature covers.
    pub to_be_signed: Vec<u8>,
}

impl Document {
    /// Whether this is the document that the request commits to, and its output takes as many
    /// signatures as it says.
    pub(crate) fn is_of(&self, request: &Request) -> bool {
        self.commitment == request.document && self.signatures == request.signatures
    }
}

/// Provides the documents of the log's requests.
pub trait Documents {
    /// Returns the bytes to sign, from a document that was compared with `request.document`.
    ///
    /// # Errors
    ///
    /// Fails if there are no such bytes. [`NotChecked::OtherDocument`] is a fault. The other errors
    /// mean that the signature was not checked.
    fn to_be_signed(&mut self, id: EntryId, wanted: &ToSign) -> Result<Vec<u8>, NotChecked>;
}

#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NoDocuments;

impl Documents for NoDocuments {
    fn to_be_signed(&mut self, _: EntryId, _: &ToSign) -> Result<Vec<u8>, NotChecked> {
        Err(NotChecked::NoDocument)
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the messages say it")]
pub enum NotChecked {
    #[error("document not at hand")]
    NoDocument,
    #[error("document unreadable")]
    UnreadableDocument,
    #[error("another document in its place")]
    OtherDocument,
    #[error("unknown format")]
    UnknownFormat,
    #[error("failed before")]
    FailedBefore,
}
