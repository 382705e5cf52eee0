//! The rounds of a session, as a double reads them in the log.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::names::AccountName;
use quorate_ceremony::state::{Session, SessionBoard};
use quorate_protocol::Identifier;
use quorate_protocol::keyshare::{self, Phase};
use quorate_protocol::repair;

use super::attack::Round;
use super::participant::{self, Participant};
use super::repairer;
use super::sealing::View;

/// The logged part of a session.
pub(super) struct Rounds {
    pub(super) me: Identifier,
    pub(super) board: SessionBoard,
    /// How many of the logged messages it has read.
    read: usize,
    views: BTreeMap<Round, View>,
    messages: BTreeMap<(Round, u16), Vec<u8>>,
    /// The identifiers of all malicious members, including its own.
    accomplices: BTreeSet<Identifier>,
    /// How many dealings a reshare waits for.
    dealings: usize,
}

impl Rounds {
    /// Returns a session without messages, or `None` if this account does not take part in it.
    pub(super) fn of(
        session: &Session,
        account: &AccountName,
        accomplices: &BTreeSet<AccountName>,
    ) -> Option<Self> {
        let identifiers = &session.terms.identifiers;
        let board = match &session.board {
            SessionBoard::Keyshare(board) => {
                SessionBoard::Keyshare(Box::new(keyshare::Board::new(board.parameters().clone())))
            }
            SessionBoard::Repair(board) => {
                SessionBoard::Repair(Box::new(repair::Board::new(board.parameters().clone())))
            }
        };
        Some(Self {
            me: *identifiers.get(account)?,
            board,
            read: 0,
            views: BTreeMap::new(),
            messages: BTreeMap::new(),
            accomplices: accomplices
                .iter()
                .filter_map(|name| identifiers.get(name))
                .copied()
                .collect(),
            dealings: session.terms.dealers_needed(),
        })
    }

    pub(super) fn read(&mut self, session: &Session, messages: &[(AccountName, Vec<u8>)]) {
        for (author, message) in messages.iter().skip(self.read) {
            self.read += 1;
            let Some(from) = session.terms.identifiers.get(author) else { continue };
            let posted = match &mut self.board {
                SessionBoard::Keyshare(board) => board.post(*from, message),
                SessionBoard::Repair(board) => board.post(*from, message),
            };
            if posted.is_err() {
                continue;
            }
            if let Some(round) = Round::of_message(message) {
                let slot = self.messages.entry((round, from.get()));
                slot.or_insert_with(|| message.clone());
            }
            if let Some(round) = self.round().filter(|round| *round != Round::First) {
                let transcript = match &self.board {
                    SessionBoard::Keyshare(board) => board.transcript(),
                    SessionBoard::Repair(board) => board.transcript(),
                };
                self.views.entry(round).or_insert(transcript);
            }
        }
    }

    pub(super) fn round(&self) -> Option<Round> {
        match self.board.phase() {
            Phase::Commit => Some(Round::First),
            Phase::Reveal => Some(Round::Deal),
            Phase::Sum => Some(Round::Sum),
            Phase::Verdict => Some(Round::Verdict),
            Phase::Complete | Phase::Failed => None,
        }
    }

    pub(super) fn view(&self, round: Round) -> Option<&View> {
        self.views.get(&round)
    }

    pub(super) fn message(&self, round: Round, from: u16) -> Option<&Vec<u8>> {
        self.messages.get(&(round, from))
    }

    /// Returns the announcement of any other participant.
    pub(super) fn anothers_announcement(&self) -> Option<&Vec<u8>> {
        let mut all = self.messages.iter();
        let is_anothers = |slot: &(Round, u16)| slot.0 == Round::First && slot.1 != self.me.get();
        all.find(|(slot, _)| is_anothers(slot)).map(|(_, message)| message)
    }

    /// Whether this double may send a message in a round.
    pub(super) fn has_a_say(&self, round: Round) -> bool {
        match &self.board {
            SessionBoard::Keyshare(board) => match round {
                Round::Deal => board.parameters().dealers().contains(&self.me),
                _ => board.parameters().participants().contains(&self.me),
            },
            SessionBoard::Repair(board) => {
                let helpers = board.helpers();
                let is_full = helpers.len() == usize::from(board.parameters().min_signers());
                let helps = helpers.contains(&self.me) || !is_full;
                match round {
                    Round::First => self.is_recipient() || helps,
                    Round::Deal | Round::Sum => !self.is_recipient() && helps,
                    Round::Verdict => self.is_recipient(),
                }
            }
        }
    }

    /// Whether this round waits only for accomplices.
    pub(super) fn speaks_last(&self) -> bool {
        let missing = self.board.keyshare().map(keyshare::Board::missing);
        missing.is_some_and(|missing| missing.is_subset(&self.accomplices))
    }

    /// Whether the dealing of this double is the last that a reshare waits for.
    pub(super) fn deals_last(&self) -> bool {
        self.dealers().len() + 1 >= self.dealings
    }

    /// Returns the first honest of these participants; if there is none, the first other one.
    fn first_honest(&self, all: &[u16]) -> Option<u16> {
        let is_accomplice = |id: &u16| self.accomplices.iter().any(|other| other.get() == *id);
        let honest = all.iter().find(|id| !is_accomplice(id));
        honest.or_else(|| all.iter().find(|id| **id != self.me.get())).copied()
    }

    /// Returns the honest participant that receives wrong parts.
    pub(super) fn victim(&self) -> Option<u16> {
        match &self.board {
            SessionBoard::Keyshare(board) => {
                let participants = board.parameters().participants().iter();
                self.first_honest(&participants.map(|id| id.get()).collect::<Vec<_>>())
            }
            SessionBoard::Repair(_) => self.first_honest(&self.helpers()),
        }
    }

    /// Returns the honest dealer or helper that complaints are about.
    pub(super) fn accused(&self) -> Option<u16> {
        match &self.board {
            SessionBoard::Keyshare(_) => self.first_honest(&self.dealers()),
            SessionBoard::Repair(_) => self.victim(),
        }
    }
}

/// The rounds of key generations and reshares.
impl Rounds {
    pub(super) fn keyshare(&self) -> Option<&keyshare::Parameters> {
        Some(self.board.keyshare()?.parameters())
    }

    pub(super) fn dealing_of(&self, dealer: u16) -> Option<participant::Dealing> {
        let coefficients = self.keyshare()?.min_signers();
        participant::Dealing::of_message(self.message(Round::Deal, dealer)?, coefficients)
    }

    pub(super) fn others(&self) -> impl Iterator<Item = u16> {
        let participants = self.keyshare().into_iter().flat_map(keyshare::Parameters::participants);
        participants.filter(|id| **id != self.me).map(|id| id.get())
    }

    /// Returns the dealers whose dealings count so far.
    pub(super) fn dealers(&self) -> Vec<u16> {
        let dealt = self.messages.keys().filter(|(round, _)| *round == Round::Deal);
        dealt.map(|(_, from)| *from).collect()
    }

    /// Returns the sub-share that a dealer sealed to this participant.
    pub(super) fn sealed_to_me(&self, dealer: u16) -> Option<&[u8]> {
        let parameters = self.keyshare()?;
        let recipients = parameters.participants().iter().filter(|id| id.get() != dealer);
        let place = recipients.into_iter().position(|id| *id == self.me)?;
        participant::sealed(self.message(Round::Deal, dealer)?, parameters.min_signers(), place)
    }

    /// Returns the sealed sub-shares of a participant for all others. These participants receive
    /// one that is not on its polynomial.
    pub(super) fn sealed(
        &self,
        participant: &Participant,
        wrong: &[u16],
    ) -> Option<BTreeMap<u16, Vec<u8>>> {
        self.others()
            .map(|other| {
                let key = participant::encryption_key(self.message(Round::First, other)?)?;
                let of = if wrong.contains(&other) { u16::MAX } else { other };
                let sub_share = participant.sub_share(of).to_bytes();
                Some((other, participant.seal(other, &key, &sub_share)))
            })
            .collect()
    }
}

impl Rounds {
    pub(super) fn repair(&self) -> Option<&repair::Parameters> {
        Some(self.board.repair()?.parameters())
    }

    pub(super) fn recipient(&self) -> Option<u16> {
        Some(self.repair()?.recipient().get())
    }

    pub(super) fn is_recipient(&self) -> bool {
        self.recipient() == Some(self.me.get())
    }

    /// Returns the helpers, in ascending order; before all have announced, those that have.
    pub(super) fn helpers(&self) -> Vec<u16> {
        let helpers = self.board.repair().into_iter().flat_map(repair::Board::helpers);
        helpers.map(|helper| helper.get()).collect()
    }

    /// Returns the key to which values for this participant are sealed.
    pub(super) fn key_of(&self, participant: u16) -> Option<[u8; 32]> {
        repairer::encryption_key(self.message(Round::First, participant)?)
    }

    pub(super) fn split_of(&self, helper: u16) -> Option<repairer::Dealing> {
        let message = self.message(Round::Deal, helper)?;
        repairer::Dealing::of_message(message, self.helpers().len())
    }

    pub(super) fn summand_of(&self, helper: u16) -> Option<&[u8]> {
        let helpers = self.helpers();
        let recipients = helpers.iter().filter(|other| **other != helper);
        let place = recipients.into_iter().position(|other| *other == self.me.get())?;
        repairer::sealed_summand(self.message(Round::Deal, helper)?, helpers.len(), place)
    }

    /// Returns the sum that a helper sealed to the recipient.
    pub(super) fn sum_of(&self, helper: u16) -> Option<&[u8]> {
        repairer::sealed_sum(self.message(Round::Sum, helper)?)
    }

    /// Returns the public half of the lost share.
    pub(super) fn lost(&self) -> Option<&[u8]> {
        let parameters = self.repair()?;
        parameters.public().verifying_share(parameters.recipient()).map(|share| share.as_bytes())
    }
}
