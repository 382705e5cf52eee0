//! The bytes to sign for a document, and how to finish it.
//!
//! One seam for every format, so that a ceremony only ever signs bytes:
//!
//! ```text
//! document ── prepare ──▶ to-be-signed bytes ── ceremony ──▶ raw signature ── finish ──▶ file
//!                 ▲                                                 │            └── verify
//!                 └──────── a format that needs another signature ◀─┘
//! ```
//!
//! [`prepare()`] depends only on its arguments: each member's node calls it on the document that it
//! received and compares, so no node signs bytes that somebody else computed. [`Prepared::finish`]
//! returns only what [`verify()`] accepts, and readers share no code with writers.
//!
//! A format is one file in `format/`, and one line of the registry there. Above it, an [`Output`]
//! is opaque: only this crate parses it.
//!
//! ```
//! use quorate_documents::{Output, VerifyingKey, prepare};
//!
//! let output: Output = "raw".parse()?;
//! let key = VerifyingKey::Ed25519([7; 32]);
//! assert_eq!(prepare(b"a contract", &output, &key)?.to_be_signed(&[])?, b"a contract");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod keys;

mod certificate;
mod commitment;
mod date;
mod definition;
mod error;
mod format;
mod git;
mod json;
mod jwk;
mod key;
mod kind;
mod meaning;
mod options;
mod output;
mod prepare;
mod preview;
mod spki;
mod tuf_key;
mod verify;

pub use certificate::CertificateChain;
pub use commitment::{commitment, commitment_to_hash};
pub use error::{
    KeyKindError, Namespace, NamespaceError, OutputError, ReadError, UnknownFormat, Unsignable,
    VerifyError, X509Error,
};
pub use format::Format;
pub use format::pgp::{Certificate, CertificateError, Moment, binary_signature};
pub use key::{Signature, VerifyingKey};
pub use kind::KeyKind;
pub use meaning::{Meaning, OWN, other_meaning};
pub use output::Output;
pub use prepare::{FinishError, Prepared, TooMany, prepare};
pub use preview::{Field, Preview};
pub use verify::{SignatureFile, verify};
