//! `ssh`: SSH signatures (OpenSSH `PROTOCOL.sshsig`, version 1) by an Ed25519 or P-256 key,
//! with SHA-512 of the document.
//!
//! A `string` is a big-endian u32 length and that many bytes, as in RFC 4251 §5. The reader is
//! another implementation than the writer: `ssh-key` parses, `ed25519-dalek` and `p256`
//! verify.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha512};
use ssh_key::public::{EcdsaPublicKey, KeyData};
use ssh_key::{LineEnding, SshSig};

use crate::definition::{Asked, Definition, Found, Preparation};
use crate::error::{Namespace, OutputError, ReadError, Unsignable, VerifyError};
use crate::git;
use crate::key::{Signature, VerifyingKey, uncompressed};
use crate::kind::KeyKind;
use crate::meaning::SSH as MAGIC;
use crate::preview::Preview;

pub(crate) struct Ssh;

impl Definition for Ssh {
    fn name(&self) -> &'static str {
        "ssh"
    }

    fn purpose(&self) -> &'static str {
        "for ssh-keygen -Y verify and git"
    }

    fn ending(&self) -> &'static str {
        "sig"
    }

    fn kinds(&self) -> &'static [KeyKind] {
        KeyKind::ALL
    }

    fn namespace(&self, given: Option<&str>) -> Result<Option<String>, OutputError> {
        let namespace = given.map(Namespace::new).transpose()?.unwrap_or_default();
        Ok(Some(namespace.into()))
    }

    fn prepare<'a>(
        &self,
        document: &'a [u8],
        asked: &'a Asked,
        key: &'a VerifyingKey,
    ) -> Result<Box<dyn Preparation + 'a>, Unsignable> {
        let namespace = asked.namespace.as_deref().unwrap_or_default();
        Ok(Box::new(Unsigned { document, namespace, key }))
    }

    fn read(&self, file: &[u8]) -> Option<Result<Box<dyn Found>, ReadError>> {
        let is_one = file.trim_ascii_start().starts_with(ARMOR_BEGIN.as_bytes());
        is_one.then(|| read(file).map(|found| Box::new(found) as Box<dyn Found>))
    }
}

struct Unsigned<'a> {
    document: &'a [u8],
    namespace: &'a str,
    key: &'a VerifyingKey,
}

impl Preparation for Unsigned<'_> {
    fn to_be_signed(&self, _: &[Signature]) -> Vec<u8> {
        to_be_signed(self.document, self.namespace)
    }

    fn finish(&self, signatures: &[Signature]) -> Vec<u8> {
        let signature = signatures.first().map(signature_blob).unwrap_or_default();
        signature_file(self.key, self.namespace, &signature)
    }

    fn preview(&self) -> Option<Preview> {
        (self.namespace == "git").then(|| git::preview(self.document))
    }
}

/// The signed blob of `PROTOCOL.sshsig`: it contains the document's hash, not the document.
fn to_be_signed(document: &[u8], namespace: &str) -> Vec<u8> {
    let mut blob = MAGIC.to_vec();
    put_string(&mut blob, namespace.as_bytes());
    put_string(&mut blob, RESERVED);
    put_string(&mut blob, HASH);
    put_string(&mut blob, &Sha512::digest(document));
    blob
}

/// The armored signature file, with a final newline.
fn signature_file(verifying_key: &VerifyingKey, namespace: &str, signature: &[u8]) -> Vec<u8> {
    let mut blob = MAGIC.to_vec();
    blob.extend(1_u32.to_be_bytes());
    put_string(&mut blob, &public_key_blob(verifying_key));
    put_string(&mut blob, namespace.as_bytes());
    put_string(&mut blob, RESERVED);
    put_string(&mut blob, HASH);
    put_string(&mut blob, signature);
    armor(&blob)
}

/// RFC 8709 §6; RFC 5656 §3.1.2.
fn signature_blob(signature: &Signature) -> Vec<u8> {
    let mut blob = Vec::new();
    put_string(&mut blob, key_type(signature.kind()).as_bytes());
    match signature {
        Signature::Ed25519(bytes) => put_string(&mut blob, bytes),
        Signature::EcdsaP256(bytes) => {
            let (r, s) = bytes.split_at(32);
            let mut numbers = Vec::new();
            put_number(&mut numbers, r);
            put_number(&mut numbers, s);
            put_string(&mut blob, &numbers);
        }
    }
    blob
}

/// The public key as `authorized_keys` has it in base64 (RFC 8709 §4; RFC 5656 §3.1).
pub(super) fn public_key_blob(verifying_key: &VerifyingKey) -> Vec<u8> {
    let mut blob = Vec::new();
    put_string(&mut blob, key_type(verifying_key.kind()).as_bytes());
    match verifying_key {
        VerifyingKey::Ed25519(key) => put_string(&mut blob, key),
        VerifyingKey::EcdsaP256(key) => {
            put_string(&mut blob, P256);
            put_string(&mut blob, &uncompressed(key));
        }
    }
    blob
}

/// As at the beginning of a line in `authorized_keys`.
pub(crate) fn key_type(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Ed25519 => "ssh-ed25519",
        KeyKind::EcdsaP256 => "ecdsa-sha2-nistp256",
    }
}

/// An `mpint` of RFC 4251 §5, from big-endian bytes that are not negative.
fn put_number(blob: &mut Vec<u8>, bytes: &[u8]) {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut shortest = bytes.get(zeros..).unwrap_or_default().to_vec();
    if shortest.first().is_some_and(|first| *first >= 0x80) {
        shortest.insert(0, 0);
    }
    put_string(blob, &shortest);
}

/// Everything put here has a fixed length or is at most 64 bytes of namespace, so no length leaves
/// u32.
fn put_string(blob: &mut Vec<u8>, bytes: &[u8]) {
    blob.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    blob.extend(bytes);
}

fn armor(blob: &[u8]) -> Vec<u8> {
    let mut file = b"-----BEGIN SSH SIGNATURE-----\n".to_vec();
    for line in STANDARD.encode(blob).as_bytes().chunks(LINE_WIDTH) {
        file.extend(line);
        file.push(b'\n');
    }
    file.extend(b"-----END SSH SIGNATURE-----\n");
    file
}

const P256: &[u8] = b"nistp256";
const HASH: &[u8] = b"sha512";
const RESERVED: &[u8] = b"";
/// As OpenSSH writes it. Other readers insist on it.
const LINE_WIDTH: usize = 70;

#[derive(Debug)]
struct SshSignature {
    signature: [u8; 64],
    verifying_key: VerifyingKey,
    envelope: SshSig,
}

fn read(file: &[u8]) -> Result<SshSignature, ReadError> {
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
    let (verifying_key, signature) = match envelope.public_key() {
        KeyData::Ed25519(key) => {
            let signature = envelope.signature_bytes().try_into();
            let length = |_| ReadError::SignatureLength(envelope.signature_bytes().len());
            (VerifyingKey::Ed25519(key.0), signature.map_err(length)?)
        }
        KeyData::Ecdsa(EcdsaPublicKey::NistP256(point)) => {
            let key = VerifyingKey::from_p256_point(point.as_bytes()).ok_or(ReadError::Ecdsa)?;
            let signature = p256::ecdsa::Signature::try_from(envelope.signature());
            (key, signature.map_err(|_| ReadError::Ecdsa)?.to_bytes().into())
        }
        other => return Err(ReadError::KeyType(other.algorithm().to_string())),
    };
    Ok(SshSignature { signature, verifying_key, envelope })
}

impl Found for SshSignature {
    fn verifying_key(&self) -> Option<VerifyingKey> {
        Some(self.verifying_key)
    }

    fn namespace(&self) -> Option<&str> {
        Some(self.envelope.namespace())
    }

    fn verify(
        &self,
        document: &[u8],
        key: &VerifyingKey,
        namespace: Option<&str>,
    ) -> Result<(), VerifyError> {
        let found = self.verifying_key;
        if found != *key {
            return Err(VerifyError::OtherKey {
                expected: key.to_string(),
                found: found.to_string(),
            });
        }
        let expected = namespace.unwrap_or_default();
        if self.envelope.namespace() != expected {
            return Err(VerifyError::OtherNamespace {
                expected: expected.to_owned(),
                found: self.envelope.namespace().to_owned(),
            });
        }
        // Signatures with SHA-256, which we do not make, verify too.
        let covered =
            SshSig::signed_data(self.envelope.namespace(), self.envelope.hash_alg(), document)
                .map_err(ReadError::Ssh)?;
        key.verifies(&covered, &self.signature)
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

/// The bytes of an armored file that carry the signature.
fn visible(file: &[u8]) -> impl Iterator<Item = &u8> {
    file.iter().filter(|byte| !byte.is_ascii_whitespace())
}
