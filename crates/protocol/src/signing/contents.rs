//! The decoded messages of a session, by protocol.

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
    #[cfg(test)]
    Test(test_scheme::Contents),
}

impl Contents {
    pub(super) fn of(scheme: Scheme) -> Self {
        match scheme {
            Scheme::Frost => Self::Frost(frost::session::Contents::default()),
            #[cfg(test)]
            Scheme::Test => Self::Test(test_scheme::Contents::default()),
        }
    }

    pub(super) fn frost(&self) -> Option<&frost::session::Contents> {
        match self {
            Self::Frost(contents) => Some(contents),
            #[cfg(test)]
            Self::Test(_) => None,
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
            #[cfg(test)]
            Self::Test(contents) => contents.combine(public, message),
        }
    }

    /// Whether the shares add up to this signature.
    pub(super) fn is_of(&self, signature: &[u8]) -> bool {
        match self {
            Self::Frost(contents) => contents.is_of(signature),
            #[cfg(test)]
            Self::Test(contents) => contents.is_of(signature),
        }
    }
}
