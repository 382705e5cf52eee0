//! Verifies signature files, with other code than the code that writes them: `ssh-key` parses,
//! `ed25519-dalek` verifies.

use ed25519_dalek::Signature;
use ssh_key::public::KeyData;
use ssh_key::{LineEnding, SshSig};

use crate::{Format, Output, keys};

/// A signature file that was read but not verified.
#[derive(Clone, Debug)]
pub struct SignatureFile(Content);

#[derive(Clone, Debug)]
enum Content {
    Raw([u8; 64]),
    Ssh { signature: [u8; 64], verifying_key: [u8; 32], envelope: Box<SshSig> },
}

impl SignatureFile {
    /// Reads a signature file of either format: 64 bytes are a raw signature, and text that begins
    /// with `-----BEGIN SSH SIGNATURE-----` is an SSH one.
    ///
    /// # Errors
    ///
    /// [`ReadError`], which states what the file is instead.
    pub fn read(file: &[u8]) -> Result<Self, ReadError> {
        if let Ok(signature) = <[u8; 64]>::try_from(file) {
            return Ok(Self(Content::Raw(signature)));
        }
        if !file.trim_ascii_start().starts_with(ARMOR_BEGIN.as_bytes()) {
            return Err(ReadError::Unrecognised { length: file.len() });
        }
        // As for OpenSSH, what follows is not part of the signature.
        let end = file.windows(ARMOR_END.len()).position(|bytes| bytes == ARMOR_END.as_bytes());
        let file = end.and_then(|end| file.get(..end + ARMOR_END.len())).unwrap_or(file);
        let envelope = SshSig::from_pem(rewrapped(file)).map_err(ReadError::Ssh)?;
        // OpenSSH reads every version up to its own. There has never been one before 1, and other
        // verifiers insist on it.
        if envelope.version() != 1 {
            return Err(ReadError::Ssh(ssh_key::Error::Version { number: envelope.version() }));
        }
        // The parser does not compare an inner length with the outer one; OpenSSH does. Writing the
        // file again does too.
        let again = envelope.to_pem(LineEnding::LF).map_err(ReadError::Ssh)?;
        if !visible(file).eq(visible(again.as_bytes())) {
            return Err(ReadError::Ssh(ssh_key::Error::FormatEncoding));
        }
        let KeyData::Ed25519(key) = envelope.public_key() else {
            return Err(ReadError::KeyType(envelope.public_key().algorithm().to_string()));
        };
        let verifying_key = key.0;
        let signature = <[u8; 64]>::try_from(envelope.signature_bytes())
            .map_err(|_| ReadError::SignatureLength(envelope.signature_bytes().len()))?;
        Ok(Self(Content::Ssh { signature, verifying_key, envelope: Box::new(envelope) }))
    }

    /// The format of the file.
    pub fn format(&self) -> Format {
        match self.0 {
            Content::Raw(_) => Format::Raw,
            Content::Ssh { .. } => Format::Ssh,
        }
    }

    /// The key that the file names, where the format has one. It is a claim: [`verify()`] compares
    /// it.
    pub fn verifying_key(&self) -> Option<&[u8; 32]> {
        match &self.0 {
            Content::Raw(_) => None,
            Content::Ssh { verifying_key, .. } => Some(verifying_key),
        }
    }

    /// The namespace of the file, where the format has one. It may be one that
    /// [`Namespace`](crate::Namespace) rejects.
    pub fn namespace(&self) -> Option<&str> {
        match &self.0 {
            Content::Raw(_) => None,
            Content::Ssh { envelope, .. } => Some(envelope.namespace()),
        }
    }

    /// The Ed25519 signature itself, R ‖ S.
    pub fn signature(&self) -> &[u8; 64] {
        match &self.0 {
            Content::Raw(signature) | Content::Ssh { signature, .. } => signature,
        }
    }
}

/// An armored file with lines as long as OpenSSH writes them, on which the parser insists. Readers
/// of PEM accept lines of any length, and other programs write 64 characters, 76, or one line.
fn rewrapped(file: &[u8]) -> Vec<u8> {
    let visible = || file.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    let without_spaces = |marker: &str| marker.replace(' ', "").into_bytes();
    let (begin, end) = (without_spaces(ARMOR_BEGIN), without_spaces(ARMOR_END));
    let visible: Vec<u8> = visible().collect();
    let body = visible.strip_prefix(begin.as_slice()).and_then(|rest| rest.strip_suffix(&*end));
    let Some(body) = body else { return file.trim_ascii_start().to_vec() };
    let mut lines = vec![ARMOR_BEGIN.as_bytes()];
    lines.extend(body.chunks(LINE_WIDTH));
    lines.extend([ARMOR_END.as_bytes(), b""]);
    lines.join(&b'\n')
}

const ARMOR_BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const ARMOR_END: &str = "-----END SSH SIGNATURE-----";
const LINE_WIDTH: usize = 70;

/// The bytes of an armored file that carry the signature.
fn visible(file: &[u8]) -> impl Iterator<Item = &u8> {
    file.iter().filter(|byte| !byte.is_ascii_whitespace())
}

/// Verifies that `signature_file` is a signature over `document` by `verifying_key`, in the format
/// and namespace of `output`.
///
/// Strict Ed25519 verification: small-order keys and non-canonical signatures are rejected, so that
/// other verifiers reach the same result. SSH signatures with SHA-256, which we do not make, verify
/// too.
///
/// # Errors
///
/// [`VerifyError`]; every variant means that the signature must not be accepted.
pub fn verify(
    document: &[u8],
    signature_file: &[u8],
    verifying_key: &[u8; 32],
    output: &Output,
) -> Result<(), VerifyError> {
    let file = SignatureFile::read(signature_file)?;
    let key = keys::usable(verifying_key).ok_or(VerifyError::UnusableKey)?;
    let to_be_signed = match (&file.0, output) {
        (Content::Raw(_), Output::Raw) => document.to_vec(),
        (Content::Ssh { verifying_key: signer, envelope, .. }, Output::Ssh { namespace }) => {
            if signer != verifying_key {
                return Err(VerifyError::OtherKey {
                    expected: hex::encode(verifying_key),
                    found: hex::encode(signer),
                });
            }
            if envelope.namespace() != namespace.as_str() {
                return Err(VerifyError::OtherNamespace {
                    expected: namespace.to_string(),
                    found: envelope.namespace().to_owned(),
                });
            }
            SshSig::signed_data(envelope.namespace(), envelope.hash_alg(), document)
                .map_err(ReadError::Ssh)?
        }
        (Content::Raw(_), Output::Ssh { .. }) | (Content::Ssh { .. }, Output::Raw) => {
            return Err(VerifyError::OtherFormat {
                expected: output.format(),
                found: file.format(),
            });
        }
    };
    key.verify_strict(&to_be_signed, &Signature::from_bytes(file.signature()))
        .map_err(|_| VerifyError::Mismatch)
}

/// Why a file is not a signature file that we read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ReadError {
    #[error(
        "not a signature file: expected 64 raw bytes or an armored SSH signature, got {length} bytes of something else"
    )]
    Unrecognised { length: usize },
    #[error("the SSH signature cannot be read; it is damaged or cut short")]
    Ssh(#[source] ssh_key::Error),
    #[error("the SSH signature was made by a key of type {0}, only ssh-ed25519 is supported")]
    KeyType(String),
    #[error("the SSH signature contains {0} bytes where an Ed25519 signature has 64")]
    SignatureLength(usize),
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
    #[error("the key to verify with is not a usable Ed25519 key")]
    UnusableKey,
    #[error("expected a signature in {expected} format, got one in {found} format")]
    OtherFormat { expected: Format, found: Format },
    #[error("signed by another key: expected {expected}, got {found}")]
    OtherKey { expected: String, found: String },
    #[error("signed for another namespace: expected {expected:?}, got {found:?}")]
    OtherNamespace { expected: String, found: String },
    #[error("the signature does not match: the document was changed, or another key signed it")]
    Mismatch,
}
