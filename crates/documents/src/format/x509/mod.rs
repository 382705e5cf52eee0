//! Certificates (RFC 5280) and requests for them (RFC 2986) by P-256 keys.
//!
//! - `csr`: the document is a subject in JSON; the group asks an authority for its certificate.
//! - `x509-self`: the same document; the group certifies itself, for signatures on documents.
//! - `x509-ca`: the same document; the group certifies itself as an authority.
//! - `x509`: the document is a request in PEM; a group that is an authority issues a certificate.
//!
//! The writer is `x509-cert`; the reader parses with `x509-parser`.

mod issued;
mod request;
mod subject;
pub(crate) mod write;

pub(crate) use issued::{AUTHORITY, ISSUED, SELF};
pub(crate) use request::Csr;

use crate::error::Unsignable;

/// What this folder cannot write, though it checked the document.
fn unwritable(format: &'static str) -> impl Fn(der::Error) -> Unsignable {
    move |error| Unsignable::Content { format, reason: error.to_string() }
}
