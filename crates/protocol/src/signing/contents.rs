//! The decoded messages of a session, by protocol.

use std::collections::BTreeSet;

use super::ecdsa;
use super::error::{EncodingError, Error};
use super::frost;
use super::plan::Scheme;
use super::signature::Signature;
#[cfg(test)]
use super::test_scheme;
use crate::Identifier;
use crate::keys::PublicKeyPackage;

#[derive(Clone, Debug)]
pub(super) enum Contents {
    Frost(frost::session::Contents),
    Ecdsa(ecdsa::Contents),
    #[cfg(test)]
    Test(test_scheme::Contents),
}

impl Contents {
    /// Nothing, in a session of these signers if they are fixed.
    pub(super) fn of(scheme: Scheme, signers: Option<&BTreeSet<Identifier>>) -> Self {
        let signers = || signers.cloned().unwrap_or_default();
        match scheme {
            Scheme::Frost => Self::Frost(frost::session::Contents::default()),
            Scheme::Ecdsa(curve) => Self::Ecdsa(ecdsa::Contents::new(curve, signers())),
            #[cfg(test)]
            Scheme::Test => Self::Test(test_scheme::Contents::default()),
        }
    }

    pub(super) fn frost(&self) -> Option<&frost::session::Contents> {
        match self {
            Self::Frost(contents) => Some(contents),
            _ => None,
        }
    }

    pub(super) fn ecdsa(&self) -> Option<&ecdsa::Contents> {
        match self {
            Self::Ecdsa(contents) => Some(contents),
            _ => None,
        }
    }

    /// Decodes and keeps a message that everyone receives.
    pub(super) fn post(
        &mut self,
        round: u8,
        from: Identifier,
        message: &[u8],
    ) -> Result<(), EncodingError> {
        match self {
            Self::Frost(contents) => contents.post(round, from, message),
            Self::Ecdsa(contents) => contents.post(round, from, message),
            #[cfg(test)]
            Self::Test(contents) => contents.post(round, from, message),
        }
    }

    pub(super) fn verify_share(
        &self,
        public: &PublicKeyPackage,
        from: Identifier,
        share: &[u8],
        message: &[u8],
    ) -> Result<(), Error> {
        match self {
            Self::Frost(contents) => contents.verify_share(public, from, share, message),
            Self::Ecdsa(contents) => contents.verify_share(from, share),
            #[cfg(test)]
            Self::Test(contents) => contents.verify_share(public, from, share),
        }
    }

    pub(super) fn combine(
        &self,
        public: &PublicKeyPackage,
        message: &[u8],
    ) -> Result<Signature, Error> {
        match self {
            Self::Frost(contents) => contents.combine(public, message),
            Self::Ecdsa(contents) => contents.combine(public, message),
            #[cfg(test)]
            Self::Test(contents) => contents.combine(public, message),
        }
    }

    /// Whether the shares add up to this signature.
    pub(super) fn is_of(&self, signature: &[u8]) -> bool {
        match self {
            Self::Frost(contents) => contents.is_of(signature),
            Self::Ecdsa(contents) => contents.is_of(signature),
            #[cfg(test)]
            Self::Test(contents) => contents.is_of(signature),
        }
    }
}
