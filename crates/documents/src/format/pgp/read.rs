//! Reads OpenPGP signatures with rPGP, and verifies them with `ed25519-dalek`.

use std::io::Cursor;

use pgp::composed::{CleartextSignedMessage, Deserializable, DetachedSignature, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::line_writer::LineBreak;
use pgp::normalize_lines::NormalizedReader;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{EddsaLegacyPublicParams, KeyDetails, PublicParams, SignatureBytes};

use crate::definition::Found;
use crate::error::{ReadError, VerifyError};
use crate::key::VerifyingKey;

/// Reads a detached signature, armored or binary. `None` if the file is something else.
pub(super) fn detached(file: &[u8]) -> Option<Result<Detached, ReadError>> {
    let armored = file.trim_ascii_start().starts_with(b"-----BEGIN PGP SIGNATURE-----");
    if !armored && !file.first().is_some_and(|first| is_signature_packet(*first)) {
        return None;
    }
    let read = match armored {
        true => DetachedSignature::from_armor_many(file.trim_ascii_start()).map(|(all, _)| all),
        false => DetachedSignature::from_bytes_many(Cursor::new(file)),
    };
    let all = read.and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unreadable);
    Some(all.and_then(|all| match <[DetachedSignature; 1]>::try_from(all) {
        Ok([only]) => Ok(Detached(only.signature)),
        Err(_) => Err(ReadError::Pgp("it has several signatures, or none".to_owned())),
    }))
}

/// Whether a packet of a signature begins like this, in the current or the legacy format.
fn is_signature_packet(first: u8) -> bool {
    first == 0xc2 || (0x88..=0x8b).contains(&first)
}

/// Reads a text with its signature. `None` if the file is something else.
pub(super) fn cleartext(file: &[u8]) -> Option<Result<Cleartext, ReadError>> {
    file.starts_with(b"-----BEGIN PGP SIGNED MESSAGE-----").then(|| {
        let text = str::from_utf8(file)
            .map_err(|_| ReadError::Pgp("the signed text is not UTF-8".to_owned()))?;
        let (message, _) = CleartextSignedMessage::from_string(text).map_err(unreadable)?;
        let [signature] = message.signatures() else {
            return Err(ReadError::Pgp("it has several signatures, or none".to_owned()));
        };
        let lines = message.text().lines().map(|line| line.strip_prefix("- ").unwrap_or(line));
        let mut document = lines.collect::<Vec<_>>().join("\n");
        document.push('\n');
        Ok(Cleartext {
            signature: signature.clone(),
            covered: message.signed_text(),
            document: document.into_bytes(),
        })
    })
}

fn unreadable(error: pgp::errors::Error) -> ReadError {
    ReadError::Pgp(error.to_string())
}

#[derive(Debug)]
pub(super) struct Detached(Signature);

impl Found for Detached {
    fn verify(
        &self,
        document: &[u8],
        key: &VerifyingKey,
        _: Option<&str>,
    ) -> Result<(), VerifyError> {
        verify(&self.0, document, key)
    }
}

#[derive(Debug)]
pub(super) struct Cleartext {
    signature: Signature,
    /// What the signature covers.
    covered: String,
    /// What the file shows.
    document: Vec<u8>,
}

impl Found for Cleartext {
    fn document(&self) -> Option<&[u8]> {
        Some(&self.document)
    }

    fn verify(
        &self,
        document: &[u8],
        key: &VerifyingKey,
        _: Option<&str>,
    ) -> Result<(), VerifyError> {
        let text = str::from_utf8(document).map_err(|_| VerifyError::Mismatch)?;
        // The file does not keep the last line end.
        let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        let lines: Vec<&str> = lines.map(|line| line.trim_end_matches([' ', '\t'])).collect();
        if lines.join("\r\n") != self.covered {
            return Err(VerifyError::Mismatch);
        }
        verify(&self.signature, self.covered.as_bytes(), key)
    }
}

fn verify(signature: &Signature, document: &[u8], key: &VerifyingKey) -> Result<(), VerifyError> {
    let unsupported = |what: &str| VerifyError::Read(ReadError::Pgp(what.to_owned()));
    let config = signature.config().ok_or_else(|| unsupported("its version is unknown"))?;
    if !matches!(config.pub_alg, PublicKeyAlgorithm::EdDSALegacy | PublicKeyAlgorithm::Ed25519) {
        return Err(unsupported("it was not made by an Ed25519 key"));
    }
    if !matches!(
        config.hash_alg,
        HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512
    ) {
        return Err(unsupported("its hash is not SHA-256, SHA-384 or SHA-512"));
    }
    if signature.signature_expiration_time().is_some_and(|time| time.as_secs() != 0) {
        return Err(unsupported("it expires, which is not supported"));
    }
    let hash = || {
        let mut hasher = config.hash_alg.new_hasher()?;
        match config.typ() {
            SignatureType::Binary => config.hash_data_to_sign(&mut hasher, document)?,
            SignatureType::Text => {
                let lines = NormalizedReader::new(document, LineBreak::Crlf);
                config.hash_data_to_sign(&mut hasher, lines)?
            }
            _ => return Ok(None),
        };
        let length = config.hash_signature_data(&mut hasher)?;
        hasher.update(&config.trailer(length)?);
        Ok::<_, pgp::errors::Error>(Some(hasher.finalize()))
    };
    let hash = hash().map_err(|error| unsupported(&error.to_string()))?;
    let hash = hash.ok_or_else(|| unsupported("it is not over a document"))?;
    if signature.signed_hash_value().map(|value| value.to_vec())
        != hash.get(..2).map(<[u8]>::to_vec)
    {
        return Err(VerifyError::Mismatch);
    }
    let bytes = match signature.signature() {
        Some(SignatureBytes::Mpis(numbers)) => match numbers.as_slice() {
            [r, s] => [padded(r.as_ref()), padded(s.as_ref())].concat(),
            _ => return Err(VerifyError::Mismatch),
        },
        Some(SignatureBytes::Native(bytes)) => bytes.to_vec(),
        None => return Err(VerifyError::Mismatch),
    };
    key.verifies(&hash, &bytes)
}

/// A number of 32 bytes, whose leading zeros are not written.
fn padded(number: &[u8]) -> Vec<u8> {
    let zeros = 32_usize.saturating_sub(number.len());
    [[0; 32].get(..zeros).unwrap_or_default(), number].concat()
}

/// The user ids of a certificate whose signatures rPGP verifies, and the key.
pub(super) fn certificate(file: &[u8]) -> Result<(VerifyingKey, Vec<String>), ReadError> {
    let (certificate, _) = SignedPublicKey::from_armor_single(file).map_err(unreadable)?;
    certificate.verify_bindings().map_err(unreadable)?;
    let PublicParams::EdDSALegacy(EddsaLegacyPublicParams::Ed25519 { key }) =
        certificate.primary_key.public_params()
    else {
        return Err(ReadError::Pgp("its key is not Ed25519".to_owned()));
    };
    let users = certificate.details.users.iter();
    let users = users.map(|user| String::from_utf8_lossy(user.id.id()).into_owned()).collect();
    Ok((VerifyingKey::Ed25519(key.to_bytes()), users))
}
