//! The rounds of a repair, and who sends what in them.

use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRngCore;

use super::board::{Board, Repair, State};
use super::message::Round;
use super::parameters::Parameters;
use super::run::{Run, Secrets, Step};
use crate::Identifier;
use crate::keys::{PublicKeyPackage, VerifyingShare};
use crate::session::{Error, Faults, Phases};

impl Phases for Repair {
    type Parameters = Parameters;
    type Round = Round;
    type Secrets = Secrets;

    const MESSAGE: &'static str = "quorate/repair/v1/message";
    const TRANSCRIPT: &'static str = "quorate/repair/v1/transcript";

    fn new(_: &Parameters) -> Self {
        Self {
            keys: BTreeMap::new(),
            helpers: BTreeSet::new(),
            dealt: BTreeMap::new(),
            sums: BTreeMap::new(),
            state: State::Announce,
        }
    }

    fn has_round(_: &Parameters, _: Round) -> bool {
        true
    }

    fn may_speak(board: &Board, from: Identifier, round: Option<Round>) -> bool {
        let recipient = from == board.parameters().recipient();
        let candidate = board.parameters().candidates().contains(&from);
        match round {
            None | Some(Round::Announce) => recipient || candidate,
            Some(Round::Deal | Round::Sum) => candidate,
            Some(Round::Verdict) => recipient,
        }
    }

    fn is_too_late(board: &Board, from: Identifier) -> bool {
        let recipient = from == board.parameters().recipient();
        board.has_all_helpers() && !recipient && !board.helpers().contains(&from)
    }

    fn round(board: &Board) -> Option<Round> {
        match &board.phases.state {
            State::Announce => Some(Round::Announce),
            State::Deal(_) => Some(Round::Deal),
            State::Sum(_) => Some(Round::Sum),
            State::Verdict(_) => Some(Round::Verdict),
            State::Complete => None,
        }
    }

    fn awaited(board: &Board) -> BTreeSet<Identifier> {
        let recipient = BTreeSet::from([board.parameters().recipient()]);
        match &board.phases.state {
            State::Announce if board.has_all_helpers() => recipient,
            State::Announce => &recipient | board.parameters().candidates(),
            State::Deal(_) | State::Sum(_) => board.helpers().clone(),
            State::Verdict(_) => recipient,
            State::Complete => BTreeSet::new(),
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
            Round::Announce => board.announce(from, message).map_err(own),
            Round::Deal => board.deal(from, message).map_err(own),
            Round::Sum => board.sum(from, message),
            Round::Verdict => board.verdict(from, message),
        }
    }

    fn finish_round(board: &mut Board) -> Result<(), Faults> {
        board.phases.state = match std::mem::replace(&mut board.phases.state, State::Complete) {
            State::Announce => {
                let public = board.parameters().public();
                let share = |id| public.verifying_share(id).map(VerifyingShare::as_bytes);
                let table = public.suite().algebra().table(board.quorum(), &share);
                State::Deal(table.ok_or_else(Faults::new)?)
            }
            State::Deal(table) => State::Sum(table),
            State::Sum(table) => State::Verdict(table),
            State::Verdict(_) | State::Complete => State::Complete,
        };
        Ok(())
    }

    fn key(board: &Board) -> Option<&PublicKeyPackage> {
        Some(board.parameters().public())
    }

    fn advance(run: Run, board: &Board, rng: &mut dyn CryptoRngCore) -> Result<Step, Error> {
        run.step(board, rng)
    }

    fn state_name(secrets: &Secrets) -> &'static str {
        secrets.name()
    }
}
