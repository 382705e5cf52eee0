//! Documents: what a shell prepares for the machines, and where an auditor gets them from.

use serde::{Deserialize, Serialize};

use crate::entry::Request;
use crate::names::{Digest, EntryId};

/// A document as the shell of a node or coordinator got and prepared it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document {
    /// The salted commitment to the bytes that were got.
    pub commitment: Digest,
    /// What a signature in the request's format covers.
    pub to_be_signed: Vec<u8>,
}

/// Gives the documents that the log has commitments of.
pub trait Documents {
    /// The bytes to be signed for this request: from a document that the caller compared with `request.document`, in
    /// `request.format` and `request.namespace`.
    ///
    /// # Errors
    ///
    /// Why there are none. [`NotChecked::OtherDocument`] is a fault; with the others the signature counts as not
    /// checked, never as verified.
    fn to_be_signed(&mut self, id: EntryId, request: &Request) -> Result<Vec<u8>, NotChecked>;
}

/// No document is at hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDocuments;

impl Documents for NoDocuments {
    fn to_be_signed(&mut self, _: EntryId, _: &Request) -> Result<Vec<u8>, NotChecked> {
        Err(NotChecked::NoDocument)
    }
}

/// Why something was not checked.
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
