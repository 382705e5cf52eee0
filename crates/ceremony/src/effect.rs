//! Effects: the requests of a state machine, as data, in an order that matters.
//!
//! A shell executes the effects of one call in order and finishes each before the next: *persist*
//! before *append* before *send*. If the process dies between two effects, the rest never happens.
//! The machines are built so that every prefix is safe, and the simulator tries every prefix. A
//! shell may execute the effects of several calls as one batch if it makes all changes durable
//! before it sends anything.

use quorate_protocol::keys::KeyPackage;
use rand_core::CryptoRngCore;

use crate::entry::Entry;
use crate::message::{FromCoordinator, FromNode};
use crate::misbehaviour::Misbehaviour;
use crate::names::{AccountName, EntryId, GroupName, SessionId, Timestamp};
use crate::state::Refusal;

/// An effect of a node.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "an effect is carried out and dropped; boxing would cost more than the room"
)]
pub enum NodeEffect {
    /// Make this durable before the following effects.
    Persist(NodeChange),
    /// Send to the coordinator. Dropped if there is no connection.
    Send(FromNode),
    /// Send stored entries from index `first` on as one [`FromNode::Entries`], as many as fit.
    SendEntries {
        /// The index of the first.
        first: u64,
    },
    /// Reconnect, because the connection delivered unusable data.
    Disconnect,
    /// Send [`crate::node::Input::Deadline`] at this time or soon after. Replaces an earlier
    /// deadline of the same [`NodeDeadline`].
    SetDeadline(NodeDeadline, Timestamp),
    /// Fetch the document of this request, derive the bytes to sign, and send both as
    /// [`crate::node::Input::Document`]. Repeated after a restart or a reconnection.
    FetchDocument(EntryId),
    /// Answer this command.
    Respond(CommandId, Result<Done, CommandError>),
}

/// A change of a node's disk.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "an effect is carried out and dropped; boxing would cost more than the room"
)]
#[expect(missing_docs, reason = "the names say it")]
pub enum NodeChange {
    /// The next entries of the log, from index `first` on.
    Entries { first: u64, entries: Vec<Vec<u8>> },
    /// The latest checkpoint that the node verified and is about to cosign. Replaces the previous
    /// one.
    Cosigned { checkpoint: String, size: u64 },
    /// Proof that the coordinator broke the rules. The node then signs nothing any more.
    Misbehaviour(Misbehaviour),
    /// A signed checkpoint that does not fit this node's log, and that nothing proves wrong yet.
    Unexplained(String),
    /// This node's log now shows that this checkpoint was right.
    Explained(String),
    /// The account holder rejected this request. This node never releases a share for it, whatever
    /// the log shows.
    Refused(EntryId),
    /// An entry that must reach the log.
    OutboxAdd(Entry),
    /// The entry is in the log, or will never be.
    OutboxRemove(EntryId),
    /// A share of a key. Secret: the shell seals it before it touches the disk. Durable before the
    /// node certifies.
    KeyPackage { session: SessionId, package: KeyPackage },
    /// The shell destroys the share that this session made, so that it cannot be recovered from the
    /// disk. Durable before the node states it.
    ShareDestroyed(SessionId),
    /// The node is about to send commitments in this signing session, or its first message in this
    /// ceremony. It does so only once for each session.
    Committed(SessionId),
    /// The node is about to release its signature share in this signing session. It does so only
    /// once.
    Released(SessionId),
}

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "the names say it")]
pub enum NodeDeadline {
    Signing(SessionId),
    /// A new attempt at a statement that the coordinator rejected because this machine's clock is
    /// ahead.
    Clock,
    Document(EntryId),
    Upkeep,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "an effect is carried out and dropped; boxing would cost more than the room"
)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CoordinatorEffect {
    /// Append to the log, durably and with this index, before the following effects.
    Append { index: u64, entry: Entry },
    /// Make this durable before the following effects.
    Persist(CoordinatorChange),
    /// Send to an account's node. Dropped if it is not connected.
    Send(AccountName, FromCoordinator),
    /// Send the stored entries `first..end` to an account's node, in as many
    /// [`FromCoordinator::Log`] messages as necessary, the last with the checkpoint.
    SendLog {
        to: AccountName,
        first: u64,
        end: u64,
        /// The signed checkpoint of the tree of `end` entries.
        checkpoint: String,
    },
    /// Close all connections of this account, and accept no new ones while
    /// [`crate::state::IvnState::check_connection`] fails. Not followed by
    /// [`crate::coordinator::Input::Disconnected`].
    Disconnect(AccountName),
    /// Send [`crate::coordinator::Input::Deadline`] at this time or soon after. Replaces an earlier
    /// time of the same deadline.
    SetDeadline(CoordinatorDeadline, Timestamp),
    /// Take the document of this request from the store, derive the bytes to sign, and send both as
    /// [`crate::coordinator::Input::Document`].
    PrepareDocument(EntryId),
    /// Answer this request to join.
    RespondJoin(JoinId, Result<u64, Refusal>),
}

/// A change of the coordinator's disk, apart from its entries.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CoordinatorChange {
    /// The latest signed checkpoint. Never replaced by one of a smaller or different tree.
    Checkpoint { note: String, size: u64 },
    /// A node's latest cosignature.
    Cosignature { account: AccountName, size: u64, line: String },
}

#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CoordinatorDeadline {
    Ceremony(SessionId),
    Signing(SessionId),
    /// A new attempt at subjects that could not start.
    Retry,
    /// The end of the pause before a group's next session.
    NextCeremony(GroupName),
    /// The hellos of the nodes that cosigned recently, after a start.
    Comparison,
    /// The entries that the log lacks, from the node that was asked for them.
    Source,
}

/// Identifies a command and its answer.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CommandId(pub u64);

/// Identifies a request to join and its answer.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct JoinId(pub u64);

/// A command succeeded: the log contains its statement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Done {
    pub entry: EntryId,
    pub index: u64,
}

/// Why a command failed. Nothing was changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum CommandError {
    #[error(transparent)]
    Refusal(#[from] Refusal),
    #[error("the coordinator cannot be reached")]
    Unreachable,
    /// The coordinator's log is shorter than the log that this node verified.
    #[error(
        "the coordinator shows only {size} entries of the log, fewer than this node has verified; nothing is stated until it has the others again"
    )]
    Behind { size: u64 },
    #[error(
        "this node has proof that the coordinator does not keep to the rules of the log, and signs nothing any more"
    )]
    Frozen,
    /// The coordinator rejects the statement although this node's log admits it. The statement is
    /// signed, and may still be logged.
    #[error(
        "the coordinator does not take it ({0}), but this node's log does not show that; it may still come into the log"
    )]
    NotTaken(Refusal),
    #[error(
        "this node cannot get the document of this request: the coordinator does not have it, it \
         exceeds config.limits.document_bytes in this node's home.json, or it differs from the \
         document that the request names; the output of `quorate node run` contains the reason"
    )]
    NoDocument,
    #[error("the statement is too long for the log")]
    TooLong,
}

/// One call of a state machine: its time, its randomness, and its effects so far.
pub(crate) struct Call<'a, E> {
    pub(crate) now: Timestamp,
    pub(crate) rng: &'a mut dyn CryptoRngCore,
    effects: Vec<E>,
}

impl<'a, E> Call<'a, E> {
    pub(crate) fn new(now: Timestamp, rng: &'a mut dyn CryptoRngCore) -> Self {
        Self { now, rng, effects: Vec::new() }
    }

    pub(crate) fn push(&mut self, effect: E) {
        self.effects.push(effect);
    }

    pub(crate) fn into_effects(self) -> Vec<E> {
        self.effects
    }
}

impl Call<'_, NodeEffect> {
    pub(crate) fn persist(&mut self, change: NodeChange) {
        self.push(NodeEffect::Persist(change));
    }

    pub(crate) fn send(&mut self, message: FromNode) {
        self.push(NodeEffect::Send(message));
    }

    pub(crate) fn respond(
        &mut self,
        command: CommandId,
        answer: Result<Done, impl Into<CommandError>>,
    ) {
        self.push(NodeEffect::Respond(command, answer.map_err(Into::into)));
    }

    pub(crate) fn wake_at(&mut self, deadline: NodeDeadline, at: Timestamp) {
        self.push(NodeEffect::SetDeadline(deadline, at));
    }
}

impl Call<'_, CoordinatorEffect> {
    pub(crate) fn persist(&mut self, change: CoordinatorChange) {
        self.push(CoordinatorEffect::Persist(change));
    }

    pub(crate) fn send(&mut self, to: AccountName, message: FromCoordinator) {
        self.push(CoordinatorEffect::Send(to, message));
    }

    pub(crate) fn wake_at(&mut self, deadline: CoordinatorDeadline, at: Timestamp) {
        self.push(CoordinatorEffect::SetDeadline(deadline, at));
    }
}

/// Names each kind of an effect once, for fail points, traces and statistics.
macro_rules! kinds {
    ($effect:ty $(, persists $change:ident)?: $($pattern:pat => $name:literal,)+) => {
        impl $effect {
            /// The names of all kinds. Those of `Persist` are the names of its changes.
            pub const KINDS: &'static [&'static str] = &[$($name),+];

            /// The name of its kind.
            pub fn kind(&self) -> &'static str {
                match self {
                    $($pattern => $name,)+
                    $(Self::Persist($change) => $change.kind(),)?
                }
            }
        }
    };
}

kinds! { NodeChange:
    Self::Entries { .. } => "node.persist.entries",
    Self::Cosigned { .. } => "node.persist.cosigned",
    Self::Misbehaviour(_) => "node.persist.misbehaviour",
    Self::Unexplained(_) => "node.persist.unexplained",
    Self::Explained(_) => "node.persist.explained",
    Self::Refused(_) => "node.persist.refused",
    Self::OutboxAdd(_) => "node.persist.outbox-add",
    Self::OutboxRemove(_) => "node.persist.outbox-remove",
    Self::KeyPackage { .. } => "node.persist.key-package",
    Self::ShareDestroyed(_) => "node.persist.share-destroyed",
    Self::Committed(_) => "node.persist.committed",
    Self::Released(_) => "node.persist.released",
}

kinds! { NodeEffect, persists change:
    Self::Send(FromNode::Hello { .. }) => "node.send.hello",
    Self::Send(FromNode::Entries { .. }) | Self::SendEntries { .. } => "node.send.entries",
    Self::Send(FromNode::Submit { .. }) => "node.send.submit",
    Self::Send(FromNode::Cosign { .. }) => "node.send.cosign",
    Self::Send(FromNode::Sealed { .. }) => "node.send.sealed",
    Self::Send(FromNode::Part { .. }) => "node.send.part",
    Self::Send(FromNode::Share { .. }) => "node.send.share",
    Self::Send(FromNode::Declined { .. }) => "node.send.declined",
    Self::Disconnect => "node.disconnect",
    Self::SetDeadline(..) => "node.set-deadline",
    Self::FetchDocument(_) => "node.fetch-document",
    Self::Respond(..) => "node.respond",
}

kinds! { CoordinatorEffect, persists change:
    Self::Append { .. } => "coordinator.append",
    Self::Send(_, FromCoordinator::Log { .. }) | Self::SendLog { .. } => "coordinator.send.log",
    Self::Send(_, FromCoordinator::Rejected { .. }) => "coordinator.send.rejected",
    Self::Send(_, FromCoordinator::Want { .. }) => "coordinator.send.want",
    Self::Send(_, FromCoordinator::Invite { .. }) => "coordinator.send.invite",
    Self::Send(_, FromCoordinator::Sealed { .. }) => "coordinator.send.sealed",
    Self::Send(_, FromCoordinator::Package { .. }) => "coordinator.send.package",
    Self::Send(_, FromCoordinator::Presence { .. } | FromCoordinator::PresenceChanged { .. }) =>
        "coordinator.send.presence",
    Self::Disconnect(_) => "coordinator.disconnect",
    Self::SetDeadline(..) => "coordinator.set-deadline",
    Self::PrepareDocument(_) => "coordinator.prepare-document",
    Self::RespondJoin(..) => "coordinator.respond-join",
}

kinds! { CoordinatorChange:
    Self::Checkpoint { .. } => "coordinator.persist.checkpoint",
    Self::Cosignature { .. } => "coordinator.persist.cosignature",
}
