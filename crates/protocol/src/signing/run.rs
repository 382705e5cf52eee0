//! The secret half of a session: what one signer keeps to itself.

use std::collections::BTreeSet;
use std::fmt;

use rand_core::CryptoRngCore;

use super::board::Board;
use super::ecdsa;
use super::error::Error;
use super::frost;
use super::plan::{Delivery, Needed, Scheme, Signers};
use super::secrets::{Message, Next, Opening, Secrets, Turn};
#[cfg(test)]
use super::test_scheme;
use crate::Identifier;
use crate::keys::{KeyPackage, PublicKeyPackage};

/// One signer's secrets in one session: its nonces.
///
/// Anyone who learns the nonces together with the signature share learns the signing share, and two
/// shares made with the same nonces give it away as well. So a run cannot be copied, stored or
/// printed, [`advance`](Self::advance) consumes it, and its secrets are wiped on drop. After an
/// error or a crash they are gone, and the signer needs a new session.
#[must_use]
pub struct Run {
    me: Identifier,
    /// The round whose message this run has made.
    round: u8,
    secrets: Box<dyn Secrets>,
}

/// What a run does next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Send this message, and continue after its round.
    Send(Run, Message),
    /// Send this signature share to everyone. The run is over.
    Share(Vec<u8>),
}

impl Run {
    /// Makes the secrets of one session, and the message of round 1.
    ///
    /// The nonces depend on the randomness and on the signing share, so that bad randomness alone
    /// does not make them predictable.
    ///
    /// # Errors
    ///
    /// [`Error::OtherSuite`] if the key's suite has no signing protocol. [`Error::Signers`] and
    /// [`Error::NoMessage`] if the opening lacks what the plan requires.
    pub fn start(
        key: &KeyPackage,
        opening: &Opening<'_>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(Self, Message), Error> {
        let scheme = key.suite().signing().ok_or(Error::OtherSuite)?;
        let plan = scheme.plan();
        if opening.signers.is_some() != (plan.signers == Signers::BeforeFirstRound) {
            return Err(Error::Signers);
        }
        if opening.signers.is_some_and(|signers| !signers.contains(&key.identifier())) {
            return Err(Error::NotASigner);
        }
        if plan.message == Needed::FromFirstRound && opening.message.is_none() {
            return Err(Error::NoMessage);
        }
        let (secrets, message): (Box<dyn Secrets>, _) = match scheme {
            Scheme::Frost => {
                let (nonces, message) = frost::session::start(key, rng)?;
                (Box::new(nonces), Message::ToAll(message))
            }
            Scheme::Ecdsa(curve) => {
                let (secrets, message) = ecdsa::start(curve, key, opening, rng)?;
                (secrets, Message::ToAll(message))
            }
            #[cfg(test)]
            Scheme::Test => {
                let (secrets, messages) = test_scheme::start(key, opening, rng)?;
                (Box::new(secrets), Message::ToEach(messages))
            }
        };
        Ok((Self { me: key.identifier(), round: 1, secrets }, message))
    }

    /// Takes the sealed message that another signer addressed to this one, when the board has all
    /// digests of its round.
    ///
    /// # Errors
    ///
    /// [`Error::NotAnnounced`] if the digest is another: its sender is not at fault.
    /// [`Error::Unexpected`] in a round whose messages everyone receives.
    pub fn receive(
        &mut self,
        board: &Board,
        from: Identifier,
        message: &[u8],
    ) -> Result<(), Error> {
        if board.plan().delivery(self.round) != Some(Delivery::ToEach) {
            return Err(Error::Unexpected { unexpected: BTreeSet::from([from]) });
        }
        if !board.is_announced(self.round, (from, self.me), message) {
            return Err(Error::NotAnnounced { from });
        }
        self.secrets.receive(from, message)
    }

    /// Makes the next message, when the board has all messages of the round before.
    ///
    /// The [share](Step::Share) is the last one. Before the caller asks for it, it has decided that
    /// `message` is to be signed; before the caller releases it, it has made durable that the
    /// nonces are used up.
    ///
    /// # Errors
    ///
    /// Every error ends the run, and the nonces are gone. Rejects a key package that is not a share
    /// of the key in `public`, nonces of another share, a board that lacks our messages or contains
    /// others in our name, fewer signers than `min_signers`, and signers that have no share of the
    /// key. [`Error::culprits`] returns the participants to leave out of the next session.
    pub fn advance(
        self,
        key: &KeyPackage,
        public: &PublicKeyPackage,
        board: &Board,
        message: Option<&[u8]>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step, Error> {
        let Self { me, round, secrets } = self;
        let round = round.saturating_add(1);
        if board.round() != round {
            return Err(Error::OtherRound { round, expected: board.round() });
        }
        let turn = Turn { key, public, contents: board.contents(), message };
        Ok(match secrets.advance(&turn, rng)? {
            Next::Send(secrets, message) => Step::Send(Self { me, round, secrets }, message),
            Next::Share(share) => Step::Share(share),
        })
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("round", &self.round).finish_non_exhaustive()
    }
}
