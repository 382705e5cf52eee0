//! Executes effects in order. Apart from the real shells, only this file interprets each effect. A
//! test world implements the methods that it needs.

use std::collections::BTreeMap;

use crate::document::{Document, ToSign};
use crate::effect::{
    CommandError, CommandId, CoordinatorChange, CoordinatorDeadline, CoordinatorEffect, Done,
    JoinId, NodeChange, NodeDeadline, NodeEffect,
};
use crate::encoding::Base64;
use crate::entry::Entry;
use crate::message::{FromCoordinator, FromNode};
use crate::names::{AccountName, Digest, EntryId, Timestamp};
use crate::signing::Subject;
use crate::state::{IvnState, Refusal};

pub trait NodeShell {
    /// Why the test world stops.
    type Error;

    fn persist(&mut self, change: NodeChange) -> Result<(), Self::Error>;

    fn send(&mut self, message: FromNode) -> Result<(), Self::Error>;

    /// The stored entries from `first` on that fit into one frame.
    fn stored(&mut self, _first: u64) -> Result<Vec<Vec<u8>>, Self::Error> {
        Ok(Vec::new())
    }

    fn disconnect(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn deadline(&mut self, _deadline: NodeDeadline, _at: Timestamp) -> Result<(), Self::Error> {
        Ok(())
    }

    fn fetch(&mut self, _request: EntryId) -> Result<(), Self::Error> {
        Ok(())
    }

    fn respond(
        &mut self,
        _command: CommandId,
        _answer: Result<Done, CommandError>,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Executes effects until one fails.
    fn carry_out(
        &mut self,
        effects: impl IntoIterator<Item = NodeEffect>,
    ) -> Result<(), Self::Error> {
        effects.into_iter().try_for_each(|effect| match effect {
            NodeEffect::Persist(change) => self.persist(change),
            NodeEffect::Send(message) => self.send(message),
            NodeEffect::SendEntries { first } => {
                let entries = self.stored(first)?.into_iter().map(Base64).collect();
                self.send(FromNode::Entries { first, entries })
            }
            NodeEffect::Disconnect => self.disconnect(),
            NodeEffect::SetDeadline(deadline, at) => self.deadline(deadline, at),
            NodeEffect::FetchDocument(request) => self.fetch(request),
            NodeEffect::Respond(command, answer) => self.respond(command, answer),
        })
    }
}

pub trait CoordinatorShell {
    /// Why the test world stops.
    type Error;

    fn append(&mut self, index: u64, entry: Entry) -> Result<(), Self::Error>;

    fn persist(&mut self, change: CoordinatorChange) -> Result<(), Self::Error>;

    fn send(&mut self, to: AccountName, message: FromCoordinator) -> Result<(), Self::Error>;

    /// The stored entries `first..end`, which are to be sent to this account.
    fn stored(
        &mut self,
        to: &AccountName,
        first: u64,
        end: u64,
    ) -> Result<Vec<Vec<u8>>, Self::Error>;

    /// How many entries fit into the next frame.
    fn frame(&mut self) -> u64 {
        u64::MAX
    }

    fn disconnect(&mut self, _account: AccountName) -> Result<(), Self::Error> {
        Ok(())
    }

    fn deadline(
        &mut self,
        _deadline: CoordinatorDeadline,
        _at: Timestamp,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn prepare(&mut self, _request: EntryId) -> Result<(), Self::Error> {
        Ok(())
    }

    fn respond_join(
        &mut self,
        _join: JoinId,
        _answer: Result<u64, Refusal>,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Executes effects until one fails.
    fn carry_out(
        &mut self,
        effects: impl IntoIterator<Item = CoordinatorEffect>,
    ) -> Result<(), Self::Error> {
        effects.into_iter().try_for_each(|effect| match effect {
            CoordinatorEffect::Append { index, entry } => self.append(index, entry),
            CoordinatorEffect::Persist(change) => self.persist(change),
            CoordinatorEffect::Send(to, message) => self.send(to, message),
            CoordinatorEffect::SendLog { to, first, end, checkpoint } => {
                self.send_log(to, first, end, checkpoint)
            }
            CoordinatorEffect::Disconnect(account) => self.disconnect(account),
            CoordinatorEffect::SetDeadline(deadline, at) => self.deadline(deadline, at),
            CoordinatorEffect::PrepareDocument(request) => self.prepare(request),
            CoordinatorEffect::RespondJoin(join, answer) => self.respond_join(join, answer),
        })
    }

    /// Sends stored entries in frames, the last with the checkpoint.
    fn send_log(
        &mut self,
        to: AccountName,
        mut first: u64,
        end: u64,
        checkpoint: String,
    ) -> Result<(), Self::Error> {
        loop {
            let next = end.min(first.saturating_add(self.frame()));
            let entries = self.stored(&to, first, next)?.into_iter().map(Base64).collect();
            let checkpoint = (next == end).then(|| checkpoint.clone());
            self.send(to.clone(), FromCoordinator::Log { first, entries, checkpoint })?;
            if next == end {
                return Ok(());
            }
            first = next;
        }
    }
}

/// The bytes to sign for a request, from those that were submitted, by commitment.
pub fn document_of(
    state: &IvnState,
    documents: &BTreeMap<Digest, Vec<u8>>,
    request: EntryId,
) -> Option<Document> {
    let wanted = state.next_to_sign(request)?;
    let commitment = wanted.request.document;
    Some(Document {
        commitment,
        signatures: wanted.request.signatures,
        number: state.number_of(Subject::Request { request }),
        to_be_signed: message_of(documents.get(&commitment)?, &wanted),
    })
}

/// The bytes of one signature: the document and all earlier signatures.
pub fn message_of(document: &[u8], wanted: &ToSign) -> Vec<u8> {
    [document, &wanted.earlier.concat()].concat()
}

/// Removes the deadlines that have passed from `deadlines`, and returns them.
pub fn due<Deadline: Ord>(
    deadlines: &mut BTreeMap<Deadline, Timestamp>,
    now: Timestamp,
) -> Vec<Deadline> {
    let all = std::mem::take(deadlines);
    let (due, later): (BTreeMap<_, _>, _) = all.into_iter().partition(|(_, at)| *at <= now);
    *deadlines = later;
    due.into_keys().collect()
}
