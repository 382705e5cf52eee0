//! What can be wrong with an output, a document, or a signature file.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::kind::KeyKind;

/// The purpose of an SSH signature: a signature made for one namespace does not verify in another.
///
/// 1 to 64 visible ASCII characters, without those that have a meaning in an `allowed_signers` file
/// (`"`, `,`, `*`, `?`, `!`, `\`).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Namespace(String);

impl Namespace {
    /// The longest namespace, in bytes.
    pub const MAX_LENGTH: usize = 64;

    /// Checks a text and makes it a namespace.
    ///
    /// # Errors
    ///
    /// [`NamespaceError`], when it is empty, too long or has other characters.
    pub fn new(namespace: impl Into<String>) -> Result<Self, NamespaceError> {
        let namespace = namespace.into();
        if namespace.is_empty() {
            return Err(NamespaceError::Empty);
        }
        if namespace.len() > Self::MAX_LENGTH {
            return Err(NamespaceError::TooLong(namespace.len()));
        }
        match namespace.chars().find(|&c| !c.is_ascii_graphic() || "\",*?!\\".contains(c)) {
            Some(character) => Err(NamespaceError::Character(character)),
            None => Ok(Self(namespace)),
        }
    }

    /// The namespace as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The namespace of signatures over ordinary files: `file`, as `ssh-keygen`'s manual suggests.
impl Default for Namespace {
    fn default() -> Self {
        Self("file".to_owned())
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Namespace {
    type Err = NamespaceError;

    fn from_str(namespace: &str) -> Result<Self, NamespaceError> {
        Self::new(namespace)
    }
}

impl TryFrom<String> for Namespace {
    type Error = NamespaceError;

    fn try_from(namespace: String) -> Result<Self, NamespaceError> {
        Self::new(namespace)
    }
}

impl From<Namespace> for String {
    fn from(namespace: Namespace) -> Self {
        namespace.0
    }
}

/// Why a text is not a [`Namespace`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum NamespaceError {
    #[error("a namespace cannot be empty; for ordinary files use \"file\"")]
    Empty,
    /// Longer than [`Namespace::MAX_LENGTH`]; its length in bytes.
    #[error("a namespace has at most 64 bytes, this one has {0}")]
    TooLong(usize),
    #[error("a namespace cannot contain {0:?}; use letters, digits and - . _ @ /")]
    Character(char),
}

/// A text that is no output.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum OutputError {
    #[error(transparent)]
    Format(#[from] UnknownFormat),
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    #[error("this format has no namespace: leave it out, or choose the ssh or dsse format")]
    NamespaceWithoutUse,
    #[error("a certificate in the options cannot be read, or was not issued by the next one")]
    Certificate,
    #[error("the options are not those of this format")]
    Options,
}

/// A name that is not a [`Format`](crate::Format).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown signature format; `quorate sign --help` lists them")]
pub struct UnknownFormat;

/// Why a certificate cannot stand for a key, or not for signatures of that time.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum X509Error {
    #[error("it cannot be read; expected X.509 version 3, in PEM or DER")]
    Unreadable,
    #[error("there are more than 5 certificates")]
    TooMany,
    #[error(
        "the certificates are in another order, or one is missing: {expected} did not issue the one before"
    )]
    Chain { expected: String },
    #[error("a certificate above the first is not one of an authority")]
    IssuerUsage,
    #[error("it is for another key: expected {expected}, got {found}")]
    OtherKey { expected: String, found: String },
    #[error(
        "it is not valid before {from} UTC, and the signature is as of {at}; renew it, or sign with another time"
    )]
    NotYetValid { from: String, at: String },
    #[error("it expired on {until} UTC, and the signature is as of {at}; renew it first")]
    Expired { until: String, at: String },
    #[error(
        "it is of a certificate authority, whose key signs certificates and no documents; issue one for this key"
    )]
    Authority,
    #[error(
        "its key usage lacks digitalSignature; issue one with digitalSignature and nonRepudiation"
    )]
    Usage,
    #[error(
        "it was signed with an algorithm that is weak or unknown ({0}); issue one with SHA-256"
    )]
    WeakDigest(String),
    #[error("it has a critical extension that is unknown here ({0})")]
    Extension(String),
}

/// A format and a kind of key between which common tools know no signatures.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "common tools verify {format} signatures by {takes} keys only, and this is an {kind} key; choose a group with {takes} keys, or one of the formats for {kind}: {instead}"
)]
pub struct KeyKindError {
    pub(crate) format: &'static str,
    pub(crate) takes: String,
    pub(crate) kind: KeyKind,
    pub(crate) instead: String,
}

/// A document that must not or cannot be signed in this format.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Unsignable {
    /// It begins like the bytes that an SSH signature covers, so the signature could be put into an
    /// SSH signature file for another document, of which the approvers saw only the hash.
    #[error(
        "a raw signature over this file would also be an SSH signature over a document that is not in it"
    )]
    Ssh,
    /// It begins like the bytes that the signature of a DSSE envelope covers.
    #[error("a raw signature over this file would also be that of a DSSE envelope; sign as dsse")]
    Dsse,
    /// It begins with [`OWN`](crate::OWN), so the signature could be put into the log.
    #[error(
        "a raw signature over this file would also be a statement of the group about its own key"
    )]
    Own,
    /// It is as long as the hashes that OpenPGP and minisign signatures cover.
    #[error(
        "a raw signature over 64 bytes could also be an OpenPGP or minisign signature over a document that nobody was shown"
    )]
    Hash,
    /// The output lacks options.
    #[error(
        "the {0} format needs the times of the key and of the signature, which `quorate sign` adds if the group has an OpenPGP certificate"
    )]
    Incomplete(&'static str),
    #[error(transparent)]
    KeyKind(#[from] KeyKindError),
    #[error(
        "the {0} format lacks a certificate or a time: `quorate sign --certificate FILE` adds both"
    )]
    NoCertificate(&'static str),
    #[error("the certificate cannot be used: {0}")]
    Certificate(#[from] X509Error),
    /// The document is not what the format is for; how so.
    #[error("the file cannot be signed as {format}: {reason}")]
    Content { format: &'static str, reason: String },
}

/// Why a file is not a signature file that we read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ReadError {
    #[error(
        "not a signature file: expected a raw or an armored signature, got {length} bytes of something else"
    )]
    Unrecognised { length: usize },
    #[error("the SSH signature cannot be read; it is damaged or cut short")]
    Ssh(#[source] ssh_key::Error),
    #[error(
        "the SSH signature was made by a key of type {0}, only ssh-ed25519 and ecdsa-sha2-nistp256 are supported"
    )]
    KeyType(String),
    #[error("the OpenPGP file cannot be used: {0}")]
    Pgp(String),
    #[error("the {0} file cannot be used: {1}")]
    File(&'static str, String),
    #[error("the minisign signature cannot be read: {0}")]
    Minisign(&'static str),
    #[error("the SSH signature contains {0} bytes where an Ed25519 signature has 64")]
    SignatureLength(usize),
    #[error("the SSH signature contains no ECDSA signature by a P-256 key")]
    Ecdsa,
}

/// Why a signature was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum VerifyError {
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The key to verify with is not a curve point, or has small order, or is not canonically
    /// encoded.
    #[error(
        "the key to verify with is not a usable key: no point of its curve, or one that verifies anything"
    )]
    UnusableKey,
    #[error("expected a signature in {expected} format, got one in {found} format")]
    OtherFormat { expected: &'static str, found: &'static str },
    #[error("the signature is by another kind of key: {0}")]
    OtherKind(#[from] KeyKindError),
    #[error("signed by another key: expected {expected}, got {found}")]
    OtherKey { expected: String, found: String },
    #[error("signed for another namespace: expected {expected:?}, got {found:?}")]
    OtherNamespace { expected: String, found: String },
    #[error("the certificate in the file cannot be used: {0}")]
    Certificate(#[from] X509Error),
    #[error("{0}")]
    Content(String),
    #[error("the signature does not match: the document was changed, or another key signed it")]
    Mismatch,
}
