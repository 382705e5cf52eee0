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
/// A run cannot be copied or stored, and [`advance`](Self::advance) consumes it: after an error or
/// a crash the session must be abandoned, and a new one started. All secrets are wiped on drop.
pub struct Run<S: Secrets> {
    pub(crate) me: Identifier,
    pub(crate) parameters: ParametersOf<S>,
    sent: BTreeMap<RoundOf<S>, [u8; 32]>,
    pub(crate) state: S,
}

type ParametersOf<S> = <<S as Secrets>::Phases as Phases>::Parameters;
type RoundOf<S> = <<S as Secrets>::Phases as Phases>::Round;

/// A participant's secrets in a ceremony, and what it does with them. Only this crate implements
/// it.
pub trait Secrets: Sized {
    /// The public half of these sessions.
    type Phases: Phases;

    /// Takes the next step: see [`Run::advance`], which has made sure that the board belongs to
    /// this run.
    ///
    /// # Errors
    ///
    /// Every error ends the run.
    fn advance(
        run: Run<Self>,
        board: &Board<Self::Phases>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Run<Self>>, Error>;

    /// The name of the current state.
    fn name(&self) -> &'static str;
}

/// The result of [`Run::advance`]; `R` is the run that continues.
#[derive(Debug)]
#[must_use]
pub enum Step<R> {
    /// The board waits for others, or for a message that was sent.
    Wait(R),
    /// Post this message, and continue.
    Send(R, Vec<u8>),
    /// The session is complete: this is the participant's share of the key. In a repair it is the
    /// share that the participant had lost.
    Done(KeyPackage),
    /// This participant's part is over, and it gets no share: it only dealt in a reshare, or helped
    /// in a repair.
    Left,
}

impl<S: Secrets> Run<S> {
    pub(crate) fn new(parameters: &ParametersOf<S>, me: Identifier, state: S) -> Self {
        Self { me, parameters: parameters.clone(), sent: BTreeMap::new(), state }
    }

    /// Looks at the board and takes the next step. Call it after posting to the board; it takes at
    /// most one step, and [waits](Step::Wait) if it has to.
    ///
    /// In a repair, a candidate that finds others to be the helpers has [left](Step::Left)
    /// immediately, and a helper leaves when the session is complete. Only the recipient is ever
    /// [done](Step::Done).
    ///
    /// # Errors
    ///
    /// Every error ends the run. [`Error::culprits`] returns the participants to leave out of the
    /// next session.
    pub fn advance(
        self,
        board: &Board<S::Phases>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Error> {
        if board.parameters() != &self.parameters {
            return Err(Error::OtherBoard);
        }
        for round in RoundOf::<S>::ALL.iter().copied() {
            let recorded = board.recorded(round, self.me);
            if recorded.is_some() && recorded != self.sent.get(&round) {
                return Err(Error::Impersonated);
            }
        }
        if board.phase() == Phase::Failed {
            return Err(Error::Failed { culprits: board.culprits() });
        }
        S::advance(self, board, rng)
    }

    /// Takes the secrets out; the function puts new ones in.
    pub(crate) fn split(self) -> (impl FnOnce(S) -> Self, S) {
        let Self { me, parameters, sent, state } = self;
        (move |state| Self { me, parameters, sent, state }, state)
    }

    pub(crate) fn send(self, round: RoundOf<S>, message: Vec<u8>) -> Step<Self> {
        let (run, message) = self.sent(round, message);
        Step::Send(run, message)
    }

    /// Remembers what is sent, to recognise a message that somebody else sends in our name.
    pub(crate) fn sent(mut self, round: RoundOf<S>, message: Vec<u8>) -> (Self, Vec<u8>) {
        self.sent.insert(round, message_hash::<S::Phases>(&message));
        (self, message)
    }
}

impl<S: Secrets> fmt::Debug for Run<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("me", &self.me)
            .field("session", &self.parameters.session())
            .field("state", &self.state.name())
            .finish_non_exhaustive()
    }
}
