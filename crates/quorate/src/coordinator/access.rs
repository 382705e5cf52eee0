//! The account of a connection, and the part of a document that it asks for.

use quorate_ceremony::identity::PublicKey;
use quorate_ceremony::names::AccountName;

/// What an account asks to read of a document.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Document,
    /// Its name, the requester's message and its hash.
    Title,
}

/// The subject of a connection's certificate.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) account: AccountName,
    /// The account's identity key when the certificate was issued.
    pub(super) identity: PublicKey,
}
