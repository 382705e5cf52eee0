//! What a node states: signed, durable, and said until the log has it.
//!
//! A statement that was signed once is out of this node's hands: the coordinator can say that it does not take it, and
//! log it later. So that answer is not believed. The statement is said again and again until the log shows it, or the
//! log that this node verified does not admit it any more.

use super::{CommandId, Node};
use crate::effect::{CommandError, Done, NodeChange, NodeDeadline, NodeEffect};
use crate::encoding::Base64;
use crate::entry::{Author, Entry, Statement};
use crate::message::FromNode;
use crate::names::{EntryId, Timestamp};
use crate::state::Refusal;
use crate::statement::Body;

/// How long a node waits before it says again what was refused because of its clock, in milliseconds.
const CLOCK_PAUSE: u64 = 30_000;

impl Node {
    /// States `body` on behalf of a command, which is answered when the statement is in the log.
    pub(super) fn command_states(
        &mut self,
        id: CommandId,
        body: Body,
        now: Timestamp,
        out: &mut Vec<NodeEffect>,
    ) {
        // Said before, and the coordinator pretends that it can not be: the same words again, not others beside them.
        let disputed = self
            .outbox
            .iter()
            .find(|entry| self.disputed.contains(&entry.id()) && entry.statement().body == body);
        if let Some(entry) = disputed {
            self.commands.insert(entry.id(), id);
            out.push(submission(entry));
            return;
        }
        match self.state_in_log(body, now, out) {
            Some(entry) => {
                self.commands.insert(entry, id);
            }
            None => {
                let error =
                    if self.frozen() { CommandError::Frozen } else { CommandError::TooLong };
                out.push(NodeEffect::Respond(id, Err(error)));
            }
        }
    }

    /// Signs a statement and sees to it that it reaches the log, however often this process or the connection dies.
    /// With proof of the coordinator's misbehaviour, nothing is stated any more.
    pub(super) fn state_in_log(
        &mut self,
        body: Body,
        now: Timestamp,
        out: &mut Vec<NodeEffect>,
    ) -> Option<EntryId> {
        if self.frozen() {
            return None;
        }
        let entry = self.signed(body, now)?;
        let id = entry.id();
        out.push(NodeEffect::Persist(NodeChange::OutboxAdd(entry.clone())));
        if self.connected {
            out.push(submission(&entry));
        }
        self.outbox.push(entry);
        Some(id)
    }

    /// `None` if it is too long for the log.
    fn signed(&self, body: Body, now: Timestamp) -> Option<Entry> {
        let statement = Statement {
            ivn: Some(self.state.ivn()),
            author: Author::Account(self.account.clone()),
            at: now,
            body,
        };
        Entry::sign(statement, &[&self.secrets.identity]).ok()
    }

    /// Whether the log, as this node verified it, would admit this of it now. The entry never leaves this function.
    pub(super) fn judge(&self, body: Body, now: Timestamp) -> Result<(), CommandError> {
        let entry = self.signed(body, now).ok_or(CommandError::TooLong)?;
        self.state.clone().apply(&entry)?;
        Ok(())
    }

    /// Whether a statement like this is on its way to the log.
    pub(super) fn is_stating(&self, alike: impl Fn(&Body) -> bool) -> bool {
        self.outbox.iter().any(|entry| alike(&entry.statement().body))
    }

    /// Takes an entry out of the outbox.
    pub(super) fn forget(&mut self, id: EntryId, out: &mut Vec<NodeEffect>) {
        let before = self.outbox.len();
        self.outbox.retain(|entry| entry.id() != id);
        self.disputed.remove(&id);
        if self.outbox.len() != before {
            out.push(NodeEffect::Persist(NodeChange::OutboxRemove(id)));
        }
    }

    /// An entry of ours is in the log.
    pub(super) fn arrived(&mut self, id: EntryId, index: u64, out: &mut Vec<NodeEffect>) {
        self.clock_lead = None;
        self.forget(id, out);
        if let Some(command) = self.commands.remove(&id) {
            out.push(NodeEffect::Respond(command, Ok(Done { entry: id, index })));
        }
    }

    /// The coordinator says that it does not take an entry.
    pub(super) fn rejected(
        &mut self,
        id: EntryId,
        reason: Refusal,
        now: Timestamp,
        out: &mut Vec<NodeEffect>,
    ) {
        let Some(entry) = self.outbox.iter().find(|entry| entry.id() == id) else { return };
        if let Refusal::ClockSkew { seconds } = reason {
            self.clock_lead = Some(seconds);
        }
        // No log says anything of either.
        let is_of_the_moment =
            matches!(reason, Refusal::ClockSkew { .. } | Refusal::TooMuch { .. });
        if is_of_the_moment {
            out.push(NodeEffect::SetDeadline(NodeDeadline::Clock, now.plus(CLOCK_PAUSE)));
        }
        // What belongs to this process or to a session means nothing without them, whenever it is logged. What is of the
        // moment is for the account holder to say again: with a wrong clock, these words would have the wrong time for ever.
        let body = &entry.statement().body;
        let is_of_a_session =
            body.is_of_one_process() || matches!(body, Body::CeremonyCertified { .. });
        let is_moot = is_of_a_session || is_of_the_moment || self.refutes(entry);
        if is_moot {
            self.forget(id, out);
        } else {
            self.disputed.insert(id);
        }
        if let Some(command) = self.commands.remove(&id) {
            let error = if is_moot { reason.into() } else { CommandError::NotTaken(reason) };
            out.push(NodeEffect::Respond(command, Err(error)));
        }
    }

    /// Lets go of rejected statements that the log, as it is now, does not admit either.
    pub(super) fn settle_disputes(&mut self, out: &mut Vec<NodeEffect>) {
        if self.disputed.is_empty() {
            return;
        }
        let settled: Vec<EntryId> = self
            .outbox
            .iter()
            .filter(|entry| self.disputed.contains(&entry.id()) && self.refutes(entry))
            .map(Entry::id)
            .collect();
        for id in settled {
            self.forget(id, out);
        }
    }

    /// Whether the log, as this node verified it, does not admit this entry.
    fn refutes(&self, entry: &Entry) -> bool {
        self.state.clone().apply(entry).is_err()
    }
}

pub(super) fn submission(entry: &Entry) -> NodeEffect {
    NodeEffect::Send(FromNode::Submit { entry: Base64(entry.to_bytes()) })
}
