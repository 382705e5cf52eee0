//! The secret half of a session: what one participant keeps to itself.

use std::collections::BTreeMap;
use std::fmt;

use rand_core::CryptoRngCore;

use super::Parameters;
use super::board::{Board, Phases, message_hash};
use super::error::Error;
use super::phase::{Phase, Round as _};
use crate::Identifier;
use crate::keys::KeyPackage;

/// One participant's secrets in one session.
///
/// It can't be copied or stored, and [`advance`](Self::advance) consumes it: after an
/// error or a crash the session can only be given up, and a new one started. All secrets
/// are wiped when it is dropped.
pub struct Run<P: Phases> {
    pub(crate) me: Identifier,
    pub(crate) parameters: P::Parameters,
    /// The hashes of what it has sent.
    sent: BTreeMap<P::Round, [u8; 32]>,
    pub(crate) state: P::Secrets,
}

/// What [`Run::advance`] leads to; `R` is the run that goes on.
#[derive(Debug)]
#[must_use]
pub enum Step<R> {
    /// The board waits for others, or for a message that was sent.
    Wait(R),
    /// Post this message, and go on.
    Send(R, Vec<u8>),
    /// The session is complete: this is the participant's share of the key, in a repair the one that it had lost.
    Done(KeyPackage),
    /// This participant's part is over, and it gets no share: it only dealt in a reshare, or helped in a repair.
    Left,
}

impl<P: Phases> Run<P> {
    pub(crate) fn new(parameters: &P::Parameters, me: Identifier, state: P::Secrets) -> Self {
        Self { me, parameters: parameters.clone(), sent: BTreeMap::new(), state }
    }

    /// Looks at the board and does what is next. Call it after posting to the board; it
    /// takes at most one step, and [waits](Step::Wait) if there is none.
    ///
    /// In a repair, who may help and finds others to be the helpers has [left](Step::Left) at once; a helper when the
    /// session is complete. Only the recipient is ever [done](Step::Done).
    ///
    /// # Errors
    ///
    /// Every error ends the run. [`Error::culprits`] says whom to leave out of the next
    /// session.
    pub fn advance(
        self,
        board: &Board<P>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Error> {
        if board.parameters() != &self.parameters {
            return Err(Error::OtherBoard);
        }
        for round in P::Round::ALL.iter().copied() {
            let recorded = board.recorded(round, self.me);
            if recorded.is_some() && recorded != self.sent.get(&round) {
                return Err(Error::Impersonated);
            }
        }
        if board.phase() == Phase::Failed {
            return Err(Error::Failed { culprits: board.culprits() });
        }
        P::advance(self, board, rng)
    }

    /// Takes the secrets out; the function makes a run of other ones.
    pub(crate) fn split(self) -> (impl FnOnce(P::Secrets) -> Self, P::Secrets) {
        let Self { me, parameters, sent, state } = self;
        (move |state| Self { me, parameters, sent, state }, state)
    }

    pub(crate) fn send(self, round: P::Round, message: Vec<u8>) -> Step<Self> {
        let (run, message) = self.sent(round, message);
        Step::Send(run, message)
    }

    /// Remembers what is sent, to recognise a message that somebody else sends in our name.
    pub(crate) fn sent(mut self, round: P::Round, message: Vec<u8>) -> (Self, Vec<u8>) {
        self.sent.insert(round, message_hash::<P>(&message));
        (self, message)
    }
}

impl<P: Phases> fmt::Debug for Run<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("me", &self.me)
            .field("session", &self.parameters.session())
            .field("state", &P::state_name(&self.state))
            .finish_non_exhaustive()
    }
}
