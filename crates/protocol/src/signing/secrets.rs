//! What a protocol does with one signer's secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::contents::Contents;
use super::error::Error;
use super::frost;
use crate::Identifier;
use crate::keys::{KeyPackage, PublicKeyPackage};

/// A signer's secrets between two rounds. They are wiped on drop.
pub(super) trait Secrets: Send + Sync {
    /// Takes a message that was addressed to this signer only.
    fn receive(&mut self, from: Identifier, message: &[u8]) -> Result<(), Error>;

    /// Makes the next message, and uses these secrets up.
    fn advance(
        self: Box<Self>,
        turn: &Turn<'_>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Next, Error>;
}

/// What a signer makes its next message from.
pub(super) struct Turn<'a> {
    pub(super) key: &'a KeyPackage,
    pub(super) public: &'a PublicKeyPackage,
    /// The messages of all rounds before.
    pub(super) contents: &'a Contents,
    pub(super) message: Option<&'a [u8]>,
}

pub(super) enum Next {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "FROST has two rounds, and only a protocol of tests has more")
    )]
    Send(Box<dyn Secrets>, Message),
    Share(Vec<u8>),
}

impl Secrets for frost::Nonces {
    fn receive(&mut self, from: Identifier, _: &[u8]) -> Result<(), Error> {
        Err(Error::Unexpected { unexpected: BTreeSet::from([from]) })
    }

    fn advance(self: Box<Self>, turn: &Turn<'_>, _: &mut dyn CryptoRngCore) -> Result<Next, Error> {
        let contents = turn.contents.frost().ok_or(Error::OtherSuite)?;
        let message = turn.message.ok_or(Error::NoMessage)?;
        frost::session::share(*self, turn.key, turn.public, contents, message).map(Next::Share)
    }
}

/// A signer's message of one round.
pub enum Message {
    /// Everyone receives these bytes.
    ToAll(Vec<u8>),
    /// Each other signer receives its own bytes, sealed by the layer above.
    ToEach(BTreeMap<Identifier, Zeroizing<Vec<u8>>>),
}

impl Message {
    /// The bytes, if everyone receives the same.
    pub fn to_all(self) -> Option<Vec<u8>> {
        match self {
            Self::ToAll(bytes) => Some(bytes),
            Self::ToEach(_) => None,
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ToAll(bytes) => f.debug_tuple("ToAll").field(bytes).finish(),
            Self::ToEach(messages) => f.debug_tuple("ToEach").field(&messages.keys()).finish(),
        }
    }
}
