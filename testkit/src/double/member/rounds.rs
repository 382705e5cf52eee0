//! A session's rounds, as the log shows them to a double.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::names::AccountName;
use quorate_ceremony::state::Session;
use quorate_protocol::Identifier;
use quorate_protocol::keyshare::{Board, Parameters, Phase};

use super::participant::{self, Dealing, Participant};
use super::sealing::View;

/// A session, as the log has it.
pub(super) struct Rounds {
    pub(super) me: Identifier,
    pub(super) parameters: Parameters,
    /// The first round, as [`round`](Self::round) says it.
    pub(super) first: u8,
    pub(super) phase: Phase,
    pub(super) missing: BTreeSet<Identifier>,
    pub(super) views: BTreeMap<u8, View>,
    pub(super) messages: BTreeMap<(u8, u16), Vec<u8>>,
    /// The first participant that keeps to the rules.
    pub(super) victim: u16,
}

impl Rounds {
    pub(super) fn of(
        ceremony: &Session,
        me: Identifier,
        victim: u16,
        read: &[(AccountName, Vec<u8>)],
    ) -> Option<Self> {
        // Repairs have rounds of their own.
        let parameters = ceremony.board.keyshare()?.parameters();
        let mut board = Board::new(parameters.clone());
        let mut views = BTreeMap::new();
        let mut messages = BTreeMap::new();
        for (author, message) in read {
            let Some(from) = ceremony.terms.identifiers.get(author) else { continue };
            if board.post(*from, message).is_err() {
                continue;
            }
            if let Some(tag) = message.first() {
                let round = if *tag == 9 { 2 } else { *tag };
                messages.entry((round, from.get())).or_insert_with(|| message.clone());
            }
            match board.phase() {
                Phase::Reveal => views.entry(2).or_insert_with(|| board.transcript()),
                Phase::Verdict => views.entry(3).or_insert_with(|| board.transcript()),
                Phase::Commit | Phase::Sum | Phase::Complete | Phase::Failed => continue,
            };
        }
        let first = if ceremony.terms.is_reshare() { 4 } else { 1 };
        let (phase, missing) = (board.phase(), board.missing());
        let parameters = parameters.clone();
        Some(Self { me, parameters, first, phase, missing, views, messages, victim })
    }

    /// The tag of its messages; of dealings that which they have in a key generation.
    pub(super) fn round(&self) -> Option<u8> {
        match self.phase {
            Phase::Commit => Some(self.first),
            Phase::Reveal => Some(2),
            Phase::Verdict => Some(3),
            Phase::Sum | Phase::Complete | Phase::Failed => None,
        }
    }

    pub(super) fn message(&self, round: u8, from: u16) -> Option<&Vec<u8>> {
        self.messages.get(&(round, from))
    }

    pub(super) fn dealing(&self, from: u16) -> Option<Dealing> {
        Dealing::of_reveal(self.message(2, from)?, self.parameters.min_signers())
    }

    pub(super) fn others(&self) -> impl Iterator<Item = u16> {
        self.parameters.participants().iter().filter(|id| **id != self.me).map(|id| id.get())
    }

    /// Whose dealings count so far.
    pub(super) fn dealers(&self) -> Vec<u16> {
        self.messages.keys().filter(|(round, _)| *round == 2).map(|(_, from)| *from).collect()
    }

    /// What a dealer sealed to this participant.
    pub(super) fn sealed_to_me(&self, dealer: u16) -> Option<&[u8]> {
        let recipients = self.parameters.participants().iter().filter(|id| id.get() != dealer);
        let place = recipients.into_iter().position(|id| *id == self.me)?;
        participant::sealed(self.message(2, dealer)?, self.parameters.min_signers(), place)
    }

    /// The right sealed sub-shares of a participant for all others.
    pub(super) fn sealed(&self, participant: &Participant) -> Option<BTreeMap<u16, Vec<u8>>> {
        self.others()
            .map(|other| {
                let key = participant::encryption_key(self.message(self.first, other)?)?;
                let sub_share = participant.sub_share(other).to_bytes();
                Some((other, participant.seal(other, &key, &sub_share)))
            })
            .collect()
    }

    /// Sealed sub-shares that are not on the polynomial.
    pub(super) fn wrong(
        &self,
        participant: &Participant,
        to: &[u16],
    ) -> Option<BTreeMap<u16, Vec<u8>>> {
        let mut sealed = self.sealed(participant)?;
        for recipient in to {
            let key = participant::encryption_key(self.message(self.first, *recipient)?)?;
            // That of somebody who is not there.
            let sub_share = participant.sub_share(u16::MAX).to_bytes();
            sealed.insert(*recipient, participant.seal(*recipient, &key, &sub_share));
        }
        Some(sealed)
    }
}
