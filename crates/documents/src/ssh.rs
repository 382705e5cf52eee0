//! Writes SSH signatures (OpenSSH `PROTOCOL.sshsig`, version 1) by an Ed25519 key, with SHA-512.
//!
//! A `string` is a big-endian u32 length and that many bytes, as in RFC 4251 §5.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha512};

use crate::Namespace;

/// The signed blob of `PROTOCOL.sshsig`: it contains the document's hash, not the document.
pub(crate) fn to_be_signed(document: &[u8], namespace: &Namespace) -> Vec<u8> {
    let mut blob = MAGIC.to_vec();
    put_string(&mut blob, namespace.as_str().as_bytes());
    put_string(&mut blob, RESERVED);
    put_string(&mut blob, HASH);
    put_string(&mut blob, &Sha512::digest(document));
    blob
}

/// The armored signature file, with a final newline.
pub(crate) fn signature_file(
    verifying_key: &[u8; 32],
    namespace: &Namespace,
    signature: &[u8; 64],
) -> Vec<u8> {
    let mut signature_blob = Vec::new();
    put_string(&mut signature_blob, KEY_TYPE);
    put_string(&mut signature_blob, signature);

    let mut blob = MAGIC.to_vec();
    blob.extend(1_u32.to_be_bytes());
    put_string(&mut blob, &public_key_blob(verifying_key));
    put_string(&mut blob, namespace.as_str().as_bytes());
    put_string(&mut blob, RESERVED);
    put_string(&mut blob, HASH);
    put_string(&mut blob, &signature_blob);
    armor(&blob)
}

/// The public key in base64, as in `authorized_keys` (RFC 8709 §4).
pub(crate) fn public_key_blob(verifying_key: &[u8; 32]) -> Vec<u8> {
    let mut blob = Vec::new();
    put_string(&mut blob, KEY_TYPE);
    put_string(&mut blob, verifying_key);
    blob
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

pub(crate) const MAGIC: &[u8] = b"SSHSIG";
const KEY_TYPE: &[u8] = b"ssh-ed25519";
const HASH: &[u8] = b"sha512";
const RESERVED: &[u8] = b"";
/// As OpenSSH writes it. Other readers insist on it.
const LINE_WIDTH: usize = 70;
