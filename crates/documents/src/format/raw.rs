//! `raw`: the document is the message, and the signature is the file: 64 bytes for Ed25519, two
//! numbers in DER for ECDSA.

use crate::definition::{Asked, Definition, Found, Preparation};
use crate::error::{ReadError, Unsignable, VerifyError};
use crate::key::{Signature, VerifyingKey, from_ecdsa_der};
use crate::kind::KeyKind;
use crate::meaning::{DSSE, OWN, SSH};

pub(crate) struct Raw;

impl Definition for Raw {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn purpose(&self) -> &'static str {
        "the signature as it is, for openssl"
    }

    fn ending(&self) -> &'static str {
        "ed25519"
    }

    fn ending_for(&self, kind: KeyKind) -> &'static str {
        match kind {
            KeyKind::Ed25519 => self.ending(),
            KeyKind::EcdsaP256 => "ecdsa",
        }
    }

    fn kinds(&self) -> &'static [KeyKind] {
        KeyKind::ALL
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
        if document.starts_with(DSSE) {
            return Err(Unsignable::Dsse);
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
        let (ed25519, ecdsa) = (file.try_into().ok(), from_ecdsa_der(file));
        (ed25519.is_some() || ecdsa.is_some())
            .then(|| Ok(Box::new(RawSignature { ed25519, ecdsa }) as Box<dyn Found>))
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
        match signatures.first() {
            Some(Signature::Ed25519(bytes)) => bytes.to_vec(),
            Some(signature @ Signature::EcdsaP256(_)) => signature.to_der(),
            None => Vec::new(),
        }
    }
}

#[derive(Debug)]
struct RawSignature {
    /// Any 64 bytes.
    ed25519: Option<[u8; 64]>,
    /// Rarely also 64 bytes.
    ecdsa: Option<[u8; 64]>,
}

impl Found for RawSignature {
    fn verify(
        &self,
        document: &[u8],
        key: &VerifyingKey,
        _: Option<&str>,
    ) -> Result<(), VerifyError> {
        let signature = match key.kind() {
            KeyKind::Ed25519 => self.ed25519,
            KeyKind::EcdsaP256 => self.ecdsa,
        };
        key.verifies(document, &signature.ok_or(VerifyError::Mismatch)?)
    }
}
