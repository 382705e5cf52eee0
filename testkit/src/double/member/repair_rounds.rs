//! A repair's rounds, as the log shows them to a double.

use std::collections::BTreeMap;

use quorate_ceremony::names::AccountName;
use quorate_ceremony::state::Session;
use quorate_protocol::keyshare::Phase;
use quorate_protocol::repair::{Board, Parameters};

use super::repairer::{self, Dealing};
use super::sealing::View;

/// The tags of a repair's messages.
pub(super) const ANNOUNCE: u8 = 5;
pub(super) const DEAL: u8 = 6;
pub(super) const SUM: u8 = 7;
pub(super) const VERDICT: u8 = 8;

/// A repair's session, as the log has it.
pub(super) struct RepairRounds {
    pub(super) me: u16,
    board: Board,
    /// How many of the log's messages it has.
    read: usize,
    views: BTreeMap<u8, View>,
    messages: BTreeMap<(u8, u16), Vec<u8>>,
}

impl RepairRounds {
    /// Before anybody has said anything; `None` if the session is no repair, or if this account has no part in it.
    pub(super) fn of(ceremony: &Session, account: &AccountName) -> Option<Self> {
        Some(Self {
            me: ceremony.terms.identifiers.get(account)?.get(),
            board: Board::new(ceremony.board.repair()?.parameters().clone()),
            read: 0,
            views: BTreeMap::new(),
            messages: BTreeMap::new(),
        })
    }

    /// Takes what the log has more by now.
    pub(super) fn read(&mut self, ceremony: &Session, messages: &[(AccountName, Vec<u8>)]) {
        for (author, message) in messages.iter().skip(self.read) {
            self.read += 1;
            let Some(from) = ceremony.terms.identifiers.get(author) else { continue };
            if self.board.post(*from, message).is_err() {
                continue;
            }
            if let Some(tag) = message.first() {
                let slot = self.messages.entry((*tag, from.get()));
                slot.or_insert_with(|| message.clone());
            }
            if let Some(round) = self.round().filter(|round| *round != ANNOUNCE) {
                self.views.entry(round).or_insert_with(|| self.board.transcript());
            }
        }
    }

    pub(super) fn parameters(&self) -> &Parameters {
        self.board.parameters()
    }

    /// The tag of its messages.
    pub(super) fn round(&self) -> Option<u8> {
        match self.board.phase() {
            Phase::Commit => Some(ANNOUNCE),
            Phase::Reveal => Some(DEAL),
            Phase::Sum => Some(SUM),
            Phase::Verdict => Some(VERDICT),
            Phase::Complete | Phase::Failed => None,
        }
    }

    pub(super) fn recipient(&self) -> u16 {
        self.parameters().recipient().get()
    }

    pub(super) fn is_recipient(&self) -> bool {
        self.me == self.recipient()
    }

    /// Who helps, ascending; before all have announced, who does so far.
    pub(super) fn helpers(&self) -> Vec<u16> {
        self.board.helpers().iter().map(|helper| helper.get()).collect()
    }

    /// Whether it has something to say in the round that it is.
    pub(super) fn has_a_say(&self) -> bool {
        let helpers = self.helpers();
        let full = helpers.len() == usize::from(self.parameters().min_signers());
        let helps = helpers.contains(&self.me) || !full;
        match self.round() {
            Some(ANNOUNCE) => self.is_recipient() || helps,
            Some(DEAL | SUM) => !self.is_recipient() && helps,
            Some(VERDICT) => self.is_recipient(),
            _ => false,
        }
    }

    /// The first helper but itself: one that keeps to the rules.
    pub(super) fn victim(&self) -> Option<u16> {
        self.helpers().into_iter().find(|helper| *helper != self.me)
    }

    pub(super) fn view(&self, round: u8) -> Option<&View> {
        self.views.get(&round)
    }

    pub(super) fn message(&self, round: u8, from: u16) -> Option<&Vec<u8>> {
        self.messages.get(&(round, from))
    }

    /// Anybody's announcement but its own.
    pub(super) fn anothers_announcement(&self) -> Option<&Vec<u8>> {
        let mut all = self.messages.iter();
        all.find(|((round, from), _)| *round == ANNOUNCE && *from != self.me).map(|(_, it)| it)
    }

    /// What is sealed to this participant is sealed to this key.
    pub(super) fn key(&self, of: u16) -> Option<[u8; 32]> {
        repairer::encryption_key(self.message(ANNOUNCE, of)?)
    }

    pub(super) fn dealing(&self, of: u16) -> Option<Dealing> {
        Dealing::of_message(self.message(DEAL, of)?, self.board.helpers().len())
    }

    /// The summand that a helper sealed to this one.
    pub(super) fn summand_of(&self, helper: u16) -> Option<&[u8]> {
        let recipients = self.helpers().into_iter().filter(|other| *other != helper);
        let place = recipients.into_iter().position(|other| other == self.me)?;
        repairer::sealed_summand(self.message(DEAL, helper)?, self.board.helpers().len(), place)
    }

    /// The sum that a helper sealed to the recipient.
    pub(super) fn sum_of(&self, helper: u16) -> Option<&[u8]> {
        repairer::sealed_sum(self.message(SUM, helper)?)
    }

    /// The public half of the share that was lost.
    pub(super) fn lost(&self) -> Option<&[u8]> {
        let parameters = self.parameters();
        parameters.public().verifying_share(parameters.recipient()).map(|share| share.as_bytes())
    }
}
