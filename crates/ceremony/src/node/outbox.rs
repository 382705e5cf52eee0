//! A node's statements: signed, durable, and sent until the log contains them.
//!
//! The node cannot recall a signed statement: the coordinator can claim that it rejected the
//! statement, and log it later. So the node does not believe a rejection. It sends the statement
//! again on each connection until the log contains it, or until the log that this node verified
//! does not admit it any more.
//!
//! ```text
//! state ──▶ signed, durable ──▶ sent ──▶ in the log: forgotten, its command is answered
//!                                 │
//!                                 └────▶ rejected: forgotten if this node's own log agrees,
//!                                        otherwise disputed, and sent again
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::process::Process;
use super::view::Call;
use crate::effect::{CommandError, CommandId, Done, NodeChange, NodeDeadline, NodeEffect};
use crate::encoding::Base64;
use crate::entry::{Body, Entry};
use crate::message::FromNode;
use crate::names::EntryId;
use crate::state::refusal::Entries;
use crate::state::{IvnState, Refusal};

/// How long a node waits before it makes a statement again that was rejected because of its clock,
/// or announces its process again, in milliseconds.
const CLOCK_PAUSE: u64 = 30_000;

/// The statements that are not yet logged, and the connection.
///
/// On each connection nothing is sent before the coordinator has shown a log that is at least as
/// long as this node's. A coordinator that has lost entries would put the statement where others
/// are, and sign a second history.
pub(super) struct Outbox {
    /// The oldest first.
    entries: Vec<Entry>,
    /// Entries that the coordinator claims to have rejected although this node's log admits them.
    disputed: BTreeSet<EntryId>,
    /// Entries that the stored log already contains: the process died before it removed them.
    arrived: BTreeSet<EntryId>,
    commands: BTreeMap<EntryId, CommandId>,
    connected: bool,
    /// Whether the coordinator has shown the whole log on this connection.
    open: bool,
    /// Whether there is proof of the coordinator's misbehaviour, so that nothing is stated any
    /// more.
    closed: bool,
    /// By how many seconds this machine's clock was ahead when the coordinator last rejected a
    /// statement because of it.
    clock_lead: Option<u64>,
}

impl Outbox {
    pub(super) fn new(entries: Vec<Entry>, arrived: BTreeSet<EntryId>, closed: bool) -> Self {
        Self {
            entries,
            disputed: BTreeSet::new(),
            arrived,
            commands: BTreeMap::new(),
            connected: false,
            open: false,
            closed,
            clock_lead: None,
        }
    }

    /// Removes what an earlier process left behind: entries that are in the log, and messages of a
    /// run that ended with that process.
    pub(super) fn start(&mut self, call: &mut Call<'_>) {
        let arrived = std::mem::take(&mut self.arrived);
        self.forget_all(call, |entry| {
            entry.statement().body.class().of_one_process || arrived.contains(&entry.id())
        });
    }

    pub(super) fn connected(&mut self) {
        self.connected = true;
        self.open = false;
    }

    pub(super) fn disconnected(&mut self) {
        self.connected = false;
        self.open = false;
    }

    /// The coordinator has shown the whole log: sends everything, once on each connection.
    pub(super) fn open(&mut self, call: &mut Call<'_>) {
        if !std::mem::replace(&mut self.open, true) {
            self.entries.iter().for_each(|entry| call.push(submission(entry)));
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Answers all commands, and states nothing any more.
    pub(super) fn close(&mut self, call: &mut Call<'_>) {
        self.closed = true;
        for (_, command) in std::mem::take(&mut self.commands) {
            call.respond(command, Err(CommandError::Frozen));
        }
    }

    /// States `body` on behalf of a command, which is answered when the log contains the statement.
    pub(super) fn state_for(
        &mut self,
        id: CommandId,
        me: &Process,
        body: Body,
        call: &mut Call<'_>,
    ) {
        // An equal statement that the coordinator rejected is sent again instead of a second one.
        let disputed = self
            .entries
            .iter()
            .find(|entry| self.disputed.contains(&entry.id()) && entry.statement().body == body);
        if let Some(entry) = disputed {
            self.commands.insert(entry.id(), id);
            if self.open {
                call.push(submission(entry));
            }
            return;
        }
        match self.state(me, body, call) {
            Some(entry) => {
                self.commands.insert(entry, id);
            }
            None => {
                let error = if self.closed { CommandError::Frozen } else { CommandError::TooLong };
                call.respond(id, Err(error));
            }
        }
    }

    /// Signs a statement and ensures that it reaches the log, even if this process or the
    /// connection ends.
    pub(super) fn state(
        &mut self,
        me: &Process,
        body: Body,
        call: &mut Call<'_>,
    ) -> Option<EntryId> {
        if self.closed {
            return None;
        }
        let entry = me.sign(body, call.now)?;
        let id = entry.id();
        call.persist(NodeChange::OutboxAdd(entry.clone()));
        if self.open {
            call.push(submission(&entry));
        }
        self.entries.push(entry);
        Some(id)
    }

    /// States `body`, unless a similar statement is already on its way.
    pub(super) fn state_once(
        &mut self,
        me: &Process,
        body: Body,
        is_alike: impl Fn(&Body) -> bool,
        call: &mut Call<'_>,
    ) {
        if !self.is_stating(is_alike) {
            self.state(me, body, call);
        }
    }

    pub(super) fn is_stating(&self, is_alike: impl Fn(&Body) -> bool) -> bool {
        self.entries.iter().any(|entry| is_alike(&entry.statement().body))
    }

    /// Withdraws matching statements that are not in the log. Their commands fail.
    pub(super) fn withdraw(
        &mut self,
        me: &Process,
        is_alike: impl Fn(&Body) -> bool,
        call: &mut Call<'_>,
    ) {
        let withdrawn: Vec<EntryId> = self.ids(|entry| is_alike(&entry.statement().body));
        for id in withdrawn {
            self.forget(id, call);
            if let Some(command) = self.commands.remove(&id) {
                let account = me.account().clone();
                call.respond(command, Err(Refusal::Entries(Entries::AlreadySaid { account })));
            }
        }
    }

    fn ids(&self, is_wanted: impl Fn(&Entry) -> bool) -> Vec<EntryId> {
        self.entries.iter().filter(|entry| is_wanted(entry)).map(Entry::id).collect()
    }

    fn forget_all(&mut self, call: &mut Call<'_>, is_over: impl Fn(&Entry) -> bool) {
        for id in self.ids(is_over) {
            self.forget(id, call);
        }
    }

    fn forget(&mut self, id: EntryId, call: &mut Call<'_>) {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.id() != id);
        self.disputed.remove(&id);
        if self.entries.len() != before {
            call.persist(NodeChange::OutboxRemove(id));
        }
    }

    pub(super) fn arrived(&mut self, id: EntryId, index: u64, call: &mut Call<'_>) {
        self.clock_lead = None;
        self.forget(id, call);
        if let Some(command) = self.commands.remove(&id) {
            call.respond(command, Ok::<_, CommandError>(Done { entry: id, index }));
        }
    }

    pub(super) fn rejected(
        &mut self,
        state: &IvnState,
        id: EntryId,
        reason: Refusal,
        call: &mut Call<'_>,
    ) {
        let Some(entry) = self.entries.iter().find(|entry| entry.id() == id) else { return };
        if let Refusal::Entries(Entries::ClockSkew { seconds }) = reason {
            self.clock_lead = Some(seconds);
        }
        // The log contains neither of the two.
        let is_of_the_moment = matches!(
            reason,
            Refusal::Entries(
                Entries::ClockSkew { .. }
                    | Entries::TooMuch { .. }
                    | Entries::TooMuchTogether { .. }
            )
        );
        let body = &entry.statement().body;
        // A start must follow its account's latest statement. A process that has little of the log
        // can announce its start before it knows of that statement, and is then rejected. It
        // announces the start again: immediately if this node has verified more of the log since,
        // otherwise after a pause.
        let is_start = matches!(body, Body::NodeStarted { .. });
        let is_outdated = matches!(reason, Refusal::Entries(Entries::Outdated { .. }));
        if is_start || is_of_the_moment {
            let knows_more = is_outdated && entry.statement().seen < state.size();
            let pause = if knows_more { 0 } else { CLOCK_PAUSE };
            call.wake_at(NodeDeadline::Clock, call.now.plus(pause));
        }
        // A message of this process or of a session has no meaning without them, whenever it is
        // logged. The account holder has to repeat a time-dependent statement, because this one
        // would keep the wrong time.
        let is_of_a_session =
            body.class().of_one_process || matches!(body, Body::CeremonyCertified { .. });
        let is_moot = is_of_a_session || is_of_the_moment || refutes(state, entry);
        if is_moot {
            self.forget(id, call);
        } else {
            self.disputed.insert(id);
        }
        if let Some(command) = self.commands.remove(&id) {
            let error = if is_moot { reason.into() } else { CommandError::NotTaken(reason) };
            call.respond(command, Err(error));
        }
    }

    /// Removes rejected statements that the log, as it is now, does not admit either.
    pub(super) fn settle_disputes(&mut self, state: &IvnState, call: &mut Call<'_>) {
        let disputed = self.disputed.clone();
        self.forget_all(call, |entry| disputed.contains(&entry.id()) && refutes(state, entry));
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether there is a connection. What is stated now is sent when the coordinator has shown the
    /// log on it.
    pub(super) fn has_connection(&self) -> bool {
        self.connected
    }

    /// Whether what is stated now is sent immediately.
    pub(super) fn is_connected(&self) -> bool {
        self.connected && self.open
    }

    pub(super) fn clock_lead(&self) -> Option<u64> {
        self.clock_lead
    }

    pub(super) fn disputed(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| self.disputed.contains(&entry.id()))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// Whether the log, as this node verified it, does not admit this entry.
fn refutes(state: &IvnState, entry: &Entry) -> bool {
    state.clone().apply(entry).is_err()
}

fn submission(entry: &Entry) -> NodeEffect {
    NodeEffect::Send(FromNode::Submit { entry: Base64(entry.to_bytes()) })
}
