//! What a double says in a session that makes shares: the questions that its script answers.

use curve25519_dalek::scalar::Scalar;
use quorate_ceremony::names::SessionId;
use quorate_ceremony::state::GroupKey;
use rand_chacha::ChaCha20Rng;

use super::attack::{Round, Slip, Slips};
use super::rounds::Rounds;

/// A round in which a double has something to say.
pub(super) struct Turn<'a> {
    pub(super) round: Round,
    pub(super) slips: &'a Slips,
    pub(super) rounds: &'a Rounds,
    /// Its other sessions of the same kind.
    pub(super) earlier: Vec<&'a Rounds>,
    /// The key that is shared again, or a share of which was lost.
    pub(super) key: Option<&'a GroupKey>,
    /// Its shares, oldest first.
    pub(super) shares: &'a [(SessionId, Scalar)],
}

impl Turn<'_> {
    pub(super) fn has(&self, slip: Slip) -> bool {
        self.slips.has(slip)
    }

    /// Its share of the key.
    pub(super) fn share(&self) -> Option<Scalar> {
        let session = self.key?.session;
        self.shares.iter().find(|(made_in, _)| *made_in == session).map(|(_, share)| *share)
    }
}

/// A double's part in one session. It has its own arithmetic, written from the specification.
pub(super) trait Script {
    /// The messages of this round; `None` while it wants to see more first.
    fn says(&mut self, turn: &Turn<'_>, rng: &mut ChaCha20Rng) -> Option<Vec<Vec<u8>>>;

    /// The share that was made again for it.
    fn repaired(&self) -> Option<Scalar> {
        None
    }
}
