//! The public half of a session: what the messages in the log mean, with the same result for
//! everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::error::Error;
use super::phase::{Phase, Round, named_view};
use super::{Fault, Parameters};
use crate::Identifier;
use crate::keys::PublicKeyPackage;
use crate::transcript::Transcript;

/// What a session's messages have led to: a fold over the log that needs no secret.
///
/// Give it the messages in log order. Boards that received the same messages in the same order are
/// in the same state.
#[derive(Clone, Debug)]
pub struct Board<P: Phases> {
    pub(crate) parameters: P::Parameters,
    /// The hashes of the messages that count, by round and sender.
    recorded: BTreeMap<(P::Round, Identifier), [u8; 32]>,
    /// What the messages of each round so far must answer: the transcript of all earlier rounds.
    pub(crate) views: BTreeMap<P::Round, [u8; 32]>,
    /// The message that ended the session, if it is not one of those that count.
    offence: Option<(Identifier, [u8; 32])>,
    /// Why the session failed, if it did.
    failed: Option<Faults>,
    pub(crate) phases: P,
}

/// The participants at fault, each with its fault.
pub type Faults = BTreeMap<Identifier, Fault>;

/// A ceremony's own part of a session: what it keeps of the messages, who sends which, and where
/// they lead. Only this crate implements it.
pub trait Phases: Clone + fmt::Debug + Sized {
    /// What everybody agrees on before the first message.
    type Parameters: Parameters;
    /// Its rounds of messages, in the order of their tags.
    type Round: Round;

    /// Labels the hash of a message.
    const MESSAGE: &'static str;
    /// Labels the hash of all messages.
    const TRANSCRIPT: &'static str;

    /// The state before the first message.
    fn new(parameters: &Self::Parameters) -> Self;

    /// Whether sessions with these parameters have this round.
    fn has_round(parameters: &Self::Parameters, round: Self::Round) -> bool;

    /// Whether a participant may send messages of a round; with `None`, of any round.
    fn may_speak(board: &Board<Self>, from: Identifier, round: Option<Self::Round>) -> bool;

    /// Whether a participant was too late to take part, so that its messages no longer count.
    fn is_too_late(board: &Board<Self>, from: Identifier) -> bool;

    /// The round whose messages the session waits for; `None` when it is complete.
    fn round(board: &Board<Self>) -> Option<Self::Round>;

    /// The participants whose messages the current round accepts, including those that have sent
    /// theirs. Empty if the round has enough.
    fn awaited(board: &Board<Self>) -> BTreeSet<Identifier>;

    /// Takes a message of the current round, or returns who is at fault with it.
    fn take(
        board: &mut Board<Self>,
        round: Self::Round,
        from: Identifier,
        message: &[u8],
    ) -> Result<(), Faults>;

    /// Proceeds to the next round, or fails.
    fn finish_round(board: &mut Board<Self>) -> Result<(), Faults>;

    /// The key of a complete session.
    fn key(board: &Board<Self>) -> Option<&PublicKeyPackage>;
}

/// How the board took a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Posted {
    /// The message counts.
    Recorded,
    /// The message had been posted before; nothing changed.
    Repeated,
    /// The message showed that a participant, often its sender, broke the protocol: the session is
    /// over.
    Failed,
}

impl<P: Phases> Board<P> {
    /// Creates the board of a session without any messages.
    pub fn new(parameters: P::Parameters) -> Self {
        let mut board = Self {
            phases: P::new(&parameters),
            parameters,
            recorded: BTreeMap::new(),
            views: BTreeMap::new(),
            offence: None,
            failed: None,
        };
        if let Some(first) = P::round(&board) {
            board.views.insert(first, first_view::<P>(&board.parameters));
        }
        board
    }

    /// What the session is about.
    pub fn parameters(&self) -> &P::Parameters {
        &self.parameters
    }

    /// Takes the next message of the log, which the layer above authenticated as coming from `from`
    /// in this session.
    ///
    /// # Errors
    ///
    /// An error means that the board is unchanged and the message does not count: it came [from a
    /// stranger](Error::Stranger), [out of order](Error::OutOfOrder) or [after the
    /// end](Error::Ended), or answers [other messages](Error::OtherView). In a repair, a message of
    /// a candidate is out of order once others are the helpers. A message that is somebody's fault
    /// is not an error: it counts, and ends the session ([`Posted::Failed`]).
    pub fn post(&mut self, from: Identifier, message: &[u8]) -> Result<Posted, Error> {
        let round = self.round_of(message);
        if !P::may_speak(self, from, round) {
            return Err(Error::Stranger(from));
        }
        let hash = message_hash::<P>(message);
        let previous = round.and_then(|round| self.recorded.get(&(round, from)));
        if previous == Some(&hash) || self.offence == Some((from, hash)) {
            return Ok(Posted::Repeated);
        }
        if matches!(self.phase(), Phase::Complete | Phase::Failed) {
            return Err(Error::Ended);
        }
        let out_of_order = Error::OutOfOrder { from, phase: self.phase() };
        // The session needs nothing from this participant, so none of its messages can end it.
        if P::is_too_late(self, from) {
            return Err(out_of_order);
        }
        // Before anything is judged: a message that is right beside the messages its sender saw may
        // look like a fault beside these. All messages of all ceremonies name their view in the
        // same place, so this also holds for one whose tag this session does not have: the sender
        // may have sent it in another session that somebody gave the same name. Views are hashes of
        // the parameters, so a message that names one of this session was made for it.
        if let Some(named) = named_view(message)
            && !self.may_name(round, &named)
        {
            return Err(Error::OtherView { from });
        }
        let round = match round {
            None => return Ok(self.fail(from, hash, [(from, Fault::Malformed)].into())),
            Some(_) if previous.is_some() => {
                return Ok(self.fail(from, hash, [(from, Fault::Equivocation)].into()));
            }
            Some(round) if P::round(self) != Some(round) => return Err(out_of_order),
            Some(round) => round,
        };
        if let Err(faults) = P::take(self, round, from, message) {
            return Ok(self.fail(from, hash, faults));
        }
        self.recorded.insert((round, from), hash);
        if self.missing().is_empty() {
            if let Err(faults) = P::finish_round(self) {
                self.failed = Some(faults);
                return Ok(Posted::Failed);
            }
            if let Some(next) = P::round(self) {
                self.views.insert(next, self.transcript());
            }
        }
        Ok(Posted::Recorded)
    }

    /// Whether a message of this round may name this view. A message of a round that has not begun
    /// is out of order, whatever it names.
    fn may_name(&self, round: Option<P::Round>, named: &[u8; 32]) -> bool {
        match round {
            Some(round) => self.views.get(&round).is_none_or(|view| view == named),
            None => self.views.values().any(|view| view == named),
        }
    }

    /// The round of an encoded message, if the session has such a round.
    pub(crate) fn round_of(&self, message: &[u8]) -> Option<P::Round> {
        let tag = *message.first()?;
        let round = P::Round::ALL.iter().copied().find(|round| round.tag() == tag);
        round.filter(|round| P::has_round(&self.parameters, *round))
    }

    fn fail(&mut self, from: Identifier, hash: [u8; 32], faults: Faults) -> Posted {
        self.offence = Some((from, hash));
        self.failed = Some(faults);
        Posted::Failed
    }

    /// Where the session is.
    pub fn phase(&self) -> Phase {
        match &self.failed {
            Some(_) => Phase::Failed,
            None => P::round(self).map_or(Phase::Complete, Round::phase),
        }
    }

    /// The participants that have not yet posted what the current phase waits for. Empty after the
    /// end. While a reshare waits for dealings, these are all who may still deal, though not all of
    /// them have to. While a repair waits for announcements, these are the recipient and all who
    /// may still help, though not all of them have to.
    ///
    /// A late participant is not a culprit, because others may hold its message back.
    pub fn missing(&self) -> BTreeSet<Identifier> {
        match P::round(self) {
            Some(round) if self.failed.is_none() => P::awaited(self)
                .into_iter()
                .filter(|id| !self.recorded.contains_key(&(round, *id)))
                .collect(),
            _ => BTreeSet::new(),
        }
    }

    /// The participants that provably broke the protocol; empty unless the session
    /// [failed](Phase::Failed).
    pub fn culprits(&self) -> BTreeSet<Identifier> {
        self.faults().keys().copied().collect()
    }

    /// What each culprit did; empty unless the session [failed](Phase::Failed).
    ///
    /// A session ends with the first message that shows a fault, so there may be culprits that are
    /// not included. A repair without culprits fails if the verifying shares of its public key
    /// package are not shares of one key. No key generation makes such a package, and retrying does
    /// not help.
    pub fn faults(&self) -> &Faults {
        static NONE: Faults = Faults::new();
        self.failed.as_ref().unwrap_or(&NONE)
    }

    /// The key, once the session is [complete](Phase::Complete). After a reshare or a repair it is
    /// the key that the session began with.
    pub fn outcome(&self) -> Option<&PublicKeyPackage> {
        P::key(self).filter(|_| self.phase() == Phase::Complete)
    }

    /// A hash of the parameters and of every message that counts, by round and sender.
    ///
    /// The participants of a key generation or reshare certify this hash: participants that signed
    /// the same transcript saw the same messages. The messages of each round name the transcript
    /// that they answer. The transcript does not depend on the order of the messages
    /// that count within a round.
    pub fn transcript(&self) -> [u8; 32] {
        let mut transcript = Transcript::new(P::TRANSCRIPT).field(self.parameters.binding());
        for ((round, from), hash) in &self.recorded {
            transcript = transcript.field(&[round.tag()]).field(&from.to_bytes()).field(hash);
        }
        if let Some((from, hash)) = &self.offence {
            transcript = transcript.field(&[0]).field(&from.to_bytes()).field(hash);
        }
        transcript.digest()
    }

    /// The view that the messages of a round must name; `None` before the round has begun.
    pub(crate) fn view(&self, round: P::Round) -> Option<[u8; 32]> {
        self.views.get(&round).copied()
    }

    /// The hash of the message that counts as `from`'s in a round.
    pub(super) fn recorded(&self, round: P::Round, from: Identifier) -> Option<&[u8; 32]> {
        self.recorded.get(&(round, from))
    }
}

/// The view that the first messages of a session name: the transcript before any message.
pub(crate) fn first_view<P: Phases>(parameters: &P::Parameters) -> [u8; 32] {
    Transcript::new(P::TRANSCRIPT).field(parameters.binding()).digest()
}

/// The hash that stands for a message in transcripts.
pub(super) fn message_hash<P: Phases>(message: &[u8]) -> [u8; 32] {
    Transcript::new(P::MESSAGE).field(message).digest()
}
