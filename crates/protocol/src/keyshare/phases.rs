//! The rounds of a key generation or reshare, and who sends what in them.

use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRngCore;

use super::board::{Board, Keyshare, State};
use super::message::Round;
use super::parameters::Parameters;
use super::run::{Run, Secrets, Step};
use crate::Identifier;
use crate::keys::PublicKeyPackage;
use crate::session::{Error, Faults, Phases};

impl Phases for Keyshare {
    type Parameters = Parameters;
    type Round = Round;
    type Secrets = Secrets;

    const MESSAGE: &'static str = "quorate/keyshare/v1/message";
    const TRANSCRIPT: &'static str = "quorate/keyshare/v1/transcript";

    fn new(parameters: &Parameters) -> Self {
        Self {
            dealings: parameters.suite().algebra().dealings(),
            commits: BTreeMap::new(),
            reveals: BTreeMap::new(),
            state: State::Commit,
        }
    }

    fn has_round(parameters: &Parameters, round: Round) -> bool {
        [Round::first(parameters), Round::second(parameters), Round::Verdict].contains(&round)
    }

    fn may_speak(board: &Board, from: Identifier, round: Option<Round>) -> bool {
        let parameters = board.parameters();
        match round {
            None => {
                parameters.participants().contains(&from) || parameters.dealers().contains(&from)
            }
            Some(Round::Reveal | Round::Deal) => parameters.dealers().contains(&from),
            Some(Round::Commit | Round::Announce | Round::Verdict) => {
                parameters.participants().contains(&from)
            }
        }
    }

    fn is_too_late(_: &Board, _: Identifier) -> bool {
        false
    }

    fn round(board: &Board) -> Option<Round> {
        match &board.phases.state {
            State::Commit => Some(Round::first(board.parameters())),
            State::Reveal => Some(Round::second(board.parameters())),
            State::Verdict(_) | State::ZeroShares(_) => Some(Round::Verdict),
            State::Complete(_) => None,
        }
    }

    fn awaited(board: &Board) -> BTreeSet<Identifier> {
        let parameters = board.parameters();
        match &board.phases.state {
            State::Reveal if board.phases.reveals.len() == parameters.dealings_needed() => {
                BTreeSet::new()
            }
            State::Reveal => parameters.dealers().clone(),
            State::Commit | State::Verdict(_) | State::ZeroShares(_) => {
                parameters.participants().clone()
            }
            State::Complete(_) => BTreeSet::new(),
        }
    }

    fn take(
        board: &mut Board,
        round: Round,
        from: Identifier,
        message: &[u8],
    ) -> Result<(), Faults> {
        let own = |fault| Faults::from([(from, fault)]);
        match round {
            Round::Commit | Round::Announce => board.commit(from, message).map_err(own),
            Round::Reveal | Round::Deal => board.reveal(from, message).map_err(own),
            Round::Verdict => board.verdict(from, message),
        }
    }

    fn finish_round(board: &mut Board) -> Result<(), Faults> {
        board.phases.state = match &board.phases.state {
            State::Commit => State::Reveal,
            State::Reveal => board.combine()?,
            State::Verdict(package) | State::Complete(package) => State::Complete(package.clone()),
            // Not reached: whatever the verdict of one whose share would be zero is, it shows a fault.
            State::ZeroShares(_) => return Err(Faults::new()),
        };
        Ok(())
    }

    fn key(board: &Board) -> Option<&PublicKeyPackage> {
        match &board.phases.state {
            State::Complete(package) => Some(package),
            State::Commit | State::Reveal | State::Verdict(_) | State::ZeroShares(_) => None,
        }
    }

    fn advance(run: Run, board: &Board, rng: &mut dyn CryptoRngCore) -> Result<Step, Error> {
        run.step(board, rng)
    }

    fn state_name(secrets: &Secrets) -> &'static str {
        secrets.name()
    }
}
