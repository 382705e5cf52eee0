//! Kinds of keys.

use std::fmt;

/// A kind of key: a curve and a signature algorithm.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum KeyKind {
    /// RFC 8032, pure.
    Ed25519,
    /// FIPS 186-5 over P-256, with SHA-256 of the message.
    EcdsaP256,
}

impl KeyKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[Self::Ed25519, Self::EcdsaP256];
}

/// As in "a group with Ed25519 keys".
impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ed25519 => "Ed25519",
            Self::EcdsaP256 => "ECDSA P-256",
        })
    }
}
