//! The interface of the scripts by which a double speaks in sessions that make shares.

use curve25519_dalek::scalar::Scalar;
use quorate_ceremony::names::SessionId;
use quorate_ceremony::state::GroupKey;
use rand_chacha::ChaCha20Rng;

use super::attack::{Round, Slip, Slips};
use super::rounds::Rounds;

/// A round in which a double may send a message.
pub(super) struct Turn<'a> {
    pub(super) round: Round,
    pub(super) slips: &'a Slips,
    pub(super) rounds: &'a Rounds,
    /// Its other sessions of the same kind.
    pub(super) earlier: Vec<&'a Rounds>,
    /// The key that is reshared, or whose share is repaired.
    pub(super) key: Option<&'a GroupKey>,
    /// Its shares, oldest first.
    pub(super) shares: &'a [(SessionId, Scalar)],
}

impl Turn<'_> {
    pub(super) fn has(&self, slip: Slip) -> bool {
        self.slips.has(slip)
    }

    pub(super) fn share(&self) -> Option<Scalar> {
        let session = self.key?.session;
        self.shares.iter().find(|(made_in, _)| *made_in == session).map(|(_, share)| *share)
    }
}

/// A double's part in one session. Its arithmetic is its own, written from the specification.
pub(super) trait Script {
    /// Returns the messages of this round, or `None` while it waits to see more.
    fn says(&mut self, turn: &Turn<'_>, rng: &mut ChaCha20Rng) -> Option<Vec<Vec<u8>>>;

    fn repaired(&self) -> Option<Scalar> {
        None
    }
}
