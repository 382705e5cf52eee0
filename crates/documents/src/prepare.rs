//! From a document to the bytes to sign, and from signatures to the file.

use crate::definition::Preparation;
use crate::error::{Unsignable, VerifyError};
use crate::format::Format;
use crate::key::{Signature, VerifyingKey};
use crate::output::Output;
use crate::preview::Preview;
use crate::verify::verify;

/// A document, read for one output by one key, whose signatures can be made.
pub struct Prepared<'a> {
    document: &'a [u8],
    output: &'a Output,
    key: &'a VerifyingKey,
    preparation: Box<dyn Preparation + 'a>,
}

/// Reads `document`, which may be empty, for `output` by `key`.
///
/// Deterministic: the same arguments give the same bytes everywhere.
///
/// # Errors
///
/// [`Unsignable`], for a document that must not or cannot be signed in this format.
pub fn prepare<'a>(
    document: &'a [u8],
    output: &'a Output,
    key: &'a VerifyingKey,
) -> Result<Prepared<'a>, Unsignable> {
    output.format().accepts(key.kind())?;
    let preparation = output.format().definition().prepare(document, output.asked(), key)?;
    Ok(Prepared { document, output, key, preparation })
}

impl Prepared<'_> {
    /// How many signatures the output takes, one after the other.
    pub fn signatures(&self) -> u8 {
        self.output.signatures()
    }

    /// Returns the bytes that the next signature covers, given those before it, as the signature
    /// algorithm takes them: Ed25519 and ECDSA both hash them themselves, the latter with SHA-256.
    ///
    /// # Errors
    ///
    /// [`TooMany`], if there are as many `earlier` ones as the output takes.
    pub fn to_be_signed(&self, earlier: &[Signature]) -> Result<Vec<u8>, TooMany> {
        match earlier.len() < usize::from(self.signatures()) {
            true => Ok(self.preparation.to_be_signed(earlier)),
            false => Err(TooMany),
        }
    }

    /// What the document says, for formats whose documents people cannot read themselves.
    pub fn preview(&self) -> Option<Preview> {
        self.preparation.preview()
    }

    /// Writes the file from all signatures.
    ///
    /// # Errors
    ///
    /// [`FinishError`] when the file does not [`verify()`](crate::verify()) with the key: a
    /// signature is over other bytes, by another key, or missing.
    pub fn finish(&self, signatures: &[Signature]) -> Result<Vec<u8>, FinishError> {
        let failed = |source| FinishError { format: self.output.format(), source };
        if signatures.len() != usize::from(self.signatures()) {
            return Err(failed(VerifyError::Mismatch));
        }
        // The file need not contain every signature.
        for (number, signature) in signatures.iter().enumerate() {
            let earlier = signatures.get(..number).unwrap_or_default();
            let covered = self.preparation.to_be_signed(earlier);
            if signature.kind() != self.key.kind() {
                return Err(failed(VerifyError::Mismatch));
            }
            self.key.verifies(&covered, signature.as_bytes()).map_err(failed)?;
        }
        let signatures: Vec<Signature> =
            signatures.iter().map(|signature| signature.with_low_s()).collect();
        let file = self.preparation.finish(&signatures);
        verify(self.document, &file, self.key, self.output).map_err(failed)?;
        Ok(file)
    }
}

/// There are as many signatures as the output takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the output takes no further signature")]
pub struct TooMany;

/// A ceremony's signature does not verify: nothing was written.
#[derive(Debug, thiserror::Error)]
#[error("the finished {format} signature does not verify, so it is not released")]
pub struct FinishError {
    format: Format,
    source: VerifyError,
}
