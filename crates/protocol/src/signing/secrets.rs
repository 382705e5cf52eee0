//! What a protocol does with one signer's secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rand_core::CryptoRngCore;

use super::contents::Contents;
use super::error::Error;
use super::frost;
use crate::Identifier;
use crate::keys::{KeyPackage, PublicKeyPackage};
use crate::session::SessionId;
use crate::transcript::Transcript;

/// What a session's signers agree on before the first round.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// Unique for each session.
    pub session: SessionId,
    /// The signers, including this one, if the suite's [`Plan`](super::Plan) fixes them before the
    /// first round.
    pub signers: Option<&'a BTreeSet<Identifier>>,
    /// The message to be signed, if the suite's [`Plan`](super::Plan) needs it from the first round
    /// on.
    pub message: Option<&'a [u8]>,
}

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
    /// Each other signer receives its own bytes, which the protocol has sealed. Everyone receives
    /// their [digests](Self::posted).
    ToEach(Addressed),
}

/// The sealed messages of one signer, by recipient.
pub type Addressed = BTreeMap<Identifier, Vec<u8>>;

/// The length of a digest of a sealed message.
pub(super) const DIGEST: usize = 32;

/// The digest of a sealed message, by which its recipient knows that it is the one that its sender
/// has posted.
pub(super) fn digest(sealed: &[u8]) -> [u8; DIGEST] {
    Transcript::new("quorate/signing/addressed/v1").field(sealed).digest()
}

impl Message {
    /// The bytes that everyone receives, and those for single signers. In a round whose messages go
    /// [to each](super::Delivery::ToEach), everyone receives the digests of the sealed messages, 32
    /// bytes each, in the order of their recipients' identifiers.
    pub fn posted(self) -> (Vec<u8>, Addressed) {
        match self {
            Self::ToAll(bytes) => (bytes, Addressed::new()),
            Self::ToEach(sealed) => {
                (sealed.values().flat_map(|bytes| digest(bytes)).collect(), sealed)
            }
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
