//! OpenPGP (RFC 9580) with version 4 keys and signatures: EdDSALegacy over Ed25519, SHA-512.
//!
//! That is what gpg, gpgv, sqv, apt and rpm all verify. Version 6, which the RFC recommends, is
//! read by few of them.
//!
//! A version 4 signature is over a hash, so the bytes to sign are 64 bytes. Each member's node
//! computes them from the document. They also cover the time of the signature and the fingerprint
//! of the key, which depends on the key's time of creation. Both times are options of the output,
//! because every member has to use the same ones: seconds since 1970, below 2^32.
//!
//! The writer is this folder; the reader parses with rPGP (crate `pgp`) and verifies with
//! `ed25519-dalek`.

mod certificate;
mod cleartext;
mod detached;
mod options;
mod packet;
mod read;

pub(crate) use certificate::PgpCertificate;
pub use certificate::{Certificate, CertificateError};
pub(crate) use cleartext::PgpText;
pub(crate) use detached::Pgp;
pub use options::Moment;
pub(crate) use options::complete;

/// The bytes of an armored signature file, as rpm and others want them: the packet itself. `None`
/// for other files.
pub fn binary_signature(file: &[u8]) -> Option<Vec<u8>> {
    let text = str::from_utf8(file).ok()?;
    text.starts_with("-----BEGIN PGP SIGNATURE-----").then(|| packet::unarmored(text)).flatten()
}
