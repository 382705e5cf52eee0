//! The bytes to sign for a document, and how to finish it.
//!
//! One seam for every format, so that a ceremony only ever signs bytes:
//!
//! ```text
//! document ── prepare ──▶ to-be-signed bytes ── ceremony ──▶ raw signature ── finish ──▶ signature
//!                                                                                 └── verify
//! ```
//!
//! [`prepare`] depends only on its arguments: each member's node calls it on the document that it
//! received and compares, so no node signs bytes that somebody else computed. [`finish`] returns
//! only what [`verify()`] accepts, and `verify` shares no code with the writers.
//!
//! Everything here is for Ed25519 keys (RFC 8032). Keys are 32 bytes, compressed; signatures 64
//! bytes, R ‖ S.
//!
//! ```
//! use quorate_documents::{Format, Output, prepare};
//!
//! let output = Output::new(Format::Raw, None)?;
//! assert_eq!(prepare(b"a contract", &output).as_bytes(), b"a contract");
//! # Ok::<(), quorate_documents::OutputError>(())
//! ```

pub mod keys;

mod commitment;
mod meaning;
mod output;
mod raw;
mod ssh;
mod verify;

pub use commitment::{commitment, commitment_to_hash};
pub use meaning::{Meaning, other_meaning};
pub use output::{Format, Namespace, NamespaceError, Output, OutputError, UnknownFormat};
pub use verify::{ReadError, SignatureFile, VerifyError, verify};

/// The bytes that a group signs for a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToBeSigned(Vec<u8>);

impl ToBeSigned {
    /// The bytes, as the signature algorithm takes them (pure Ed25519: not hashed before).
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, without a copy.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A ceremony's signature does not verify: nothing was written.
#[derive(Debug, thiserror::Error)]
#[error("the finished {format} signature does not verify, so it is not released")]
pub struct FinishError {
    format: Format,
    source: VerifyError,
}

/// The beginning of everything that a group signs with its key about itself, for instance that new
/// shares are in use.
pub const OWN: &[u8] = b"quorate/own/";

/// A document that must not be signed in this format.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Ambiguous {
    #[error(
        "a raw signature over this file would also be an SSH signature over a document that is not in it"
    )]
    Ssh,
    /// It begins with [`OWN`].
    #[error(
        "a raw signature over this file would also be a statement of the group about its own key"
    )]
    Own,
}

/// Rejects a document whose raw signature would mean something else.
///
/// If the document begins like the bytes that an SSH signature covers, the 64 bytes could be put
/// into an SSH signature file for another document, of which the approvers saw only the hash. If it
/// begins with [`OWN`], they could be put into the log.
///
/// # Errors
///
/// [`Ambiguous`].
pub fn check(document: &[u8], output: &Output) -> Result<(), Ambiguous> {
    match output {
        Output::Raw if document.starts_with(ssh::MAGIC) => Err(Ambiguous::Ssh),
        Output::Raw if document.starts_with(OWN) => Err(Ambiguous::Own),
        Output::Raw | Output::Ssh { .. } => Ok(()),
    }
}

/// Computes the bytes to sign for `document`, which may be empty.
///
/// Deterministic: the same document and output give the same bytes everywhere.
pub fn prepare(document: &[u8], output: &Output) -> ToBeSigned {
    ToBeSigned(match output {
        Output::Raw => raw::to_be_signed(document),
        Output::Ssh { namespace } => ssh::to_be_signed(document, namespace),
    })
}

/// Writes the signature file for `document` from the group's `signature` over [`prepare`]'s bytes.
///
/// # Errors
///
/// [`FinishError`] when the file does not [`verify()`] with `verifying_key`: the signature is over
/// other bytes or by another key.
pub fn finish(
    document: &[u8],
    output: &Output,
    verifying_key: &[u8; 32],
    signature: &[u8; 64],
) -> Result<Vec<u8>, FinishError> {
    let file = match output {
        Output::Raw => raw::signature_file(signature),
        Output::Ssh { namespace } => ssh::signature_file(verifying_key, namespace, signature),
    };
    verify(document, &file, verifying_key, output)
        .map_err(|source| FinishError { format: output.format(), source })?;
    Ok(file)
}
