//! Reads and verifies signature files.

use crate::definition::Found;
use crate::error::{ReadError, VerifyError};
use crate::format::Format;
use crate::key::VerifyingKey;
use crate::output::Output;

/// A signature file that was read but not verified.
#[derive(Debug)]
pub struct SignatureFile {
    format: Format,
    found: Box<dyn Found>,
}

impl SignatureFile {
    /// Reads a signature file of any format. 64 bytes, or two numbers in DER, are a raw signature;
    /// other files say what they are.
    ///
    /// # Errors
    ///
    /// [`ReadError`], which states what the file is instead.
    pub fn read(file: &[u8]) -> Result<Self, ReadError> {
        let mut formats = Format::ALL.iter().copied();
        let found = formats.find_map(|format| Some((format, format.definition().read(file)?)));
        let (format, found) = found.ok_or(ReadError::Unrecognised { length: file.len() })?;
        Ok(Self { format, found: found? })
    }

    /// The format of the file.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The key that the file names, where the format has one. It is a claim: [`verify()`] compares
    /// it.
    pub fn verifying_key(&self) -> Option<VerifyingKey> {
        self.found.verifying_key()
    }

    /// The namespace of the file, where the format has one. It may be one that no [`Output`] can
    /// have.
    pub fn namespace(&self) -> Option<&str> {
        self.found.namespace()
    }

    /// Verifies that this is a signature over `document` by `key`, for this namespace where the
    /// format has one to compare. See [`verify()`].
    ///
    /// # Errors
    ///
    /// [`VerifyError`]; every variant means that the signature must not be accepted.
    pub fn verify(
        &self,
        document: &[u8],
        key: &VerifyingKey,
        namespace: Option<&str>,
    ) -> Result<(), VerifyError> {
        if !key.is_usable() {
            return Err(VerifyError::UnusableKey);
        }
        self.format.accepts(key.kind())?;
        self.found.verify(document, key, namespace)
    }

    /// A text that the signature covers besides the document, with its name. It is a claim.
    pub fn signed_note(&self) -> Option<(&'static str, &str)> {
        self.found.signed_note()
    }

    /// The document that the file contains, where the format has it in the file. It is a claim.
    pub fn document(&self) -> Option<&[u8]> {
        self.found.document()
    }
}

/// Verifies that `signature_file` is a signature over `document` by `key`, in the format and
/// namespace of `output`. The output's options do not matter.
///
/// Strict Ed25519 verification: small-order keys and non-canonical signatures are rejected, so that
/// other verifiers reach the same result.
///
/// # Errors
///
/// [`VerifyError`]; every variant means that the signature must not be accepted.
pub fn verify(
    document: &[u8],
    signature_file: &[u8],
    key: &VerifyingKey,
    output: &Output,
) -> Result<(), VerifyError> {
    // Some formats have files that look alike, so the wanted one comes first.
    let format = output.format();
    let file = match format.definition().read(signature_file) {
        Some(found) => SignatureFile { format, found: found? },
        None => SignatureFile::read(signature_file)?,
    };
    if file.format() != format {
        return Err(VerifyError::OtherFormat {
            expected: format.name(),
            found: file.format().name(),
        });
    }
    file.verify(document, key, output.namespace())
}
