//! `raw`: the document is the message, the 64 bytes of the Ed25519 signature are the file.

use crate::definition::{Asked, Definition, Found, Preparation};
use crate::error::{ReadError, Unsignable, VerifyError};
use crate::key::{Signature, VerifyingKey};
use crate::meaning::{OWN, SSH};

pub(crate) struct Raw;

impl Definition for Raw {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn purpose(&self) -> &'static str {
        "64 bytes, for openssl"
    }

    fn ending(&self) -> &'static str {
        "ed25519"
    }

    fn prepare<'a>(
        &self,
        document: &'a [u8],
        _: &'a Asked,
        _: &'a VerifyingKey,
    ) -> Result<Box<dyn Preparation + 'a>, Unsignable> {
        if document.starts_with(SSH) {
            return Err(Unsignable::Ssh);
        }
        if document.starts_with(OWN) {
            return Err(Unsignable::Own);
        }
        if document.len() == HASH {
            return Err(Unsignable::Hash);
        }
        Ok(Box::new(Bytes(document)))
    }

    fn read(&self, file: &[u8]) -> Option<Result<Box<dyn Found>, ReadError>> {
        Some(Ok(Box::new(RawSignature(file.try_into().ok()?))))
    }
}

/// SHA-512 for OpenPGP, BLAKE2b-512 for minisign.
const HASH: usize = 64;

struct Bytes<'a>(&'a [u8]);

impl Preparation for Bytes<'_> {
    fn to_be_signed(&self, _: &[Signature]) -> Vec<u8> {
        self.0.to_vec()
    }

    fn finish(&self, signatures: &[Signature]) -> Vec<u8> {
        signatures.first().map(|signature| signature.as_bytes().to_vec()).unwrap_or_default()
    }
}

#[derive(Debug)]
struct RawSignature([u8; 64]);

impl Found for RawSignature {
    fn verify(
        &self,
        document: &[u8],
        key: &VerifyingKey,
        _: Option<&str>,
    ) -> Result<(), VerifyError> {
        key.verifies(document, &self.0)
    }
}
