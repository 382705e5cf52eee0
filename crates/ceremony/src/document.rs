//! Documents: prepared by a shell for the machines, or given to an auditor.

use serde::{Deserialize, Serialize};

use crate::entry::Request;
use crate::names::{Digest, EntryId};

/// A document that the shell of a node or coordinator has prepared.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document {
    /// The salted commitment to the received bytes.
    pub commitment: Digest,
    /// The bytes that a signature in the request's format covers.
    pub to_be_signed: Vec<u8>,
}

/// Provides the documents of the log's requests.
pub trait Documents {
    /// Returns the bytes to sign for this request, in `request.format` and `request.namespace`,
    /// from a document that the caller compared with `request.document`.
    ///
    /// # Errors
    ///
    /// Fails if there are no such bytes. [`NotChecked::OtherDocument`] is a fault. The other errors
    /// mean that the signature was not checked.
    fn to_be_signed(&mut self, id: EntryId, request: &Request) -> Result<Vec<u8>, NotChecked>;
}

#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NoDocuments;

impl Documents for NoDocuments {
    fn to_be_signed(&mut self, _: EntryId, _: &Request) -> Result<Vec<u8>, NotChecked> {
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
