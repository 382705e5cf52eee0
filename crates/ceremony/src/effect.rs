//! Effects: what a state machine wants done, as data, in an order that matters.
//!
//! A shell executes the effects of one call in order and finishes each before the next: *persist*
//! before *append* before *send*. If the process dies between two effects, the rest never happens;
//! the machines are built so that every prefix is safe, and the simulator tries every prefix. A
//! shell may run several calls' effects as one batch, if it makes all that is to be persisted
//! durable before it sends anything.

use quorate_protocol::keys::KeyPackage;
use rand_core::CryptoRngCore;

use crate::entry::Entry;
use crate::message::{FromCoordinator, FromNode};
use crate::misbehaviour::Misbehaviour;
use crate::names::{AccountName, EntryId, GroupName, SessionId, Timestamp};
use crate::state::Refusal;

/// What a node wants done.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "an effect is carried out and dropped; boxing would cost more than the room"
)]
pub enum NodeEffect {
    /// Make this durable before anything that follows.
    Persist(NodeChange),
    /// Send to the coordinator; dropped if there is no connection.
    Send(FromNode),
    /// Drop the connection and dial again: what came over it cannot be used.
    Disconnect,
    /// Wake the machine up ([`crate::node::Input::Deadline`]) at this time or soon after. A later
    /// one for the same [`NodeDeadline`] replaces an earlier one.
    SetDeadline(NodeDeadline, Timestamp),
    /// Get the document of this request, derive what is to be signed, and hand both in as
    /// [`crate::node::Input::Document`]. Asked again after a restart or a reconnection.
    FetchDocument(EntryId),
    /// Answer the person or program that gave this command.
    Respond(CommandId, Result<Done, CommandError>),
}

/// What a node keeps on disk.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "an effect is carried out and dropped; boxing would cost more than the room"
)]
#[expect(missing_docs, reason = "the names say it")]
pub enum NodeChange {
    /// The next entries of the log, from index `first` on.
    Entries { first: u64, entries: Vec<Vec<u8>> },
    /// The latest checkpoint that the node verified and is about to cosign. Replaces the one
    /// before.
    Cosigned { checkpoint: String, size: u64 },
    /// Proof that the log's key holder breaks the rules: the node signs nothing any more.
    Misbehaviour(Misbehaviour),
    /// A checkpoint (the signed note) that does not fit the log that this node has, and that
    /// nothing proves wrong yet.
    Unexplained(String),
    /// The log that this node has now shows that this checkpoint was right.
    Explained(String),
    /// The account holder refuses this request: this node never releases a share for it, whatever
    /// the log shows.
    Refused(EntryId),
    /// An entry that must reach the log, until seen there.
    OutboxAdd(Entry),
    /// The entry is in the log, or will never be.
    OutboxRemove(EntryId),
    /// A share of a key. Secret: to be sealed before it touches the disk. Durable before the node
    /// certifies.
    KeyPackage { session: SessionId, package: KeyPackage },
    /// The share that this session made is not needed any more: to be destroyed, so that nobody who
    /// gets hold of the disk finds it. Durable before the node says so.
    ShareDestroyed(SessionId),
    /// The node is about to send commitments in this signing session, or its first message in this
    /// ceremony; it begins neither twice. Once for a session.
    Committed(SessionId),
    /// The node is about to release its signature share in this signing session; it never does so
    /// twice.
    Released(SessionId),
}

/// What a node waits for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum NodeDeadline {
    /// The rest of a signing session.
    Signing(SessionId),
    /// Another try at what the coordinator did not take because this machine's clock is ahead.
    Clock,
    /// Another try at getting a document that could not be had.
    Document(EntryId),
    /// What a node does of its own accord from time to time.
    Upkeep,
}

/// What the coordinator wants done.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "an effect is carried out and dropped; boxing would cost more than the room"
)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CoordinatorEffect {
    /// Append to the log: durable, with this index, before anything that follows.
    Append { index: u64, entry: Entry },
    /// Make this durable before anything that follows.
    Persist(CoordinatorChange),
    /// Send to an account's node; dropped if it is not connected.
    Send(AccountName, FromCoordinator),
    /// Send the stored entries `first..end` to an account's node, in as many
    /// [`FromCoordinator::Log`] messages as fit the frames, the last with the checkpoint.
    SendLog {
        /// To whom.
        to: AccountName,
        /// Index of the first.
        first: u64,
        /// Index after the last.
        end: u64,
        /// The signed checkpoint of the tree of `end` entries.
        checkpoint: String,
    },
    /// End all connections of this account, and take no others while
    /// [`crate::state::IvnState::check_connection`] refuses it. Not to be said back as
    /// [`crate::coordinator::Input::Disconnected`].
    Disconnect(AccountName),
    /// Wake the machine up at this time or soon after. A later one for the same deadline replaces
    /// an earlier one.
    SetDeadline(CoordinatorDeadline, Timestamp),
    /// Take the document of this request from the store, derive what is to be signed, and hand it
    /// in as [`crate::coordinator::Input::Document`].
    PrepareDocument(EntryId),
    /// Answer the one who asked to join.
    RespondJoin(JoinId, Result<u64, Refusal>),
}

/// What the coordinator keeps on disk beside the entries.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CoordinatorChange {
    /// The latest signed checkpoint. Never replaced by one of a smaller or another tree.
    Checkpoint { note: String, size: u64 },
    /// A node's latest cosignature.
    Cosignature { account: AccountName, size: u64, line: String },
}

/// What the coordinator waits for.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum CoordinatorDeadline {
    /// The next step of a ceremony.
    Ceremony(SessionId),
    /// The answers to a signing session.
    Signing(SessionId),
    /// Another try at what could not start.
    Retry,
    /// The pause before a group's next session is over.
    NextCeremony(GroupName),
}

/// Names a command, so that its answer finds the one who gave it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CommandId(pub u64);

/// Names a request to join.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct JoinId(pub u64);

/// A command was carried out: what it states is in the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Done {
    /// The entry.
    pub entry: EntryId,
    /// Its index.
    pub index: u64,
}

/// Why a command was not carried out. Nothing was changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum CommandError {
    #[error(transparent)]
    Refusal(#[from] Refusal),
    #[error("the coordinator cannot be reached")]
    Unreachable,
    #[error(
        "this node has proof that the coordinator does not keep to the rules of the log, and signs nothing any more"
    )]
    Frozen,
    /// The coordinator does not take the statement, and this node's log does not show why. It is
    /// signed, and can still come into the log.
    #[error(
        "the coordinator does not take it ({0}), but this node's log does not show that; it may still come into the log"
    )]
    NotTaken(Refusal),
    #[error(
        "the rejection comes too late for the log, where the approval is permanent; this node releases no signature share for this request any more"
    )]
    RefusedHere(Refusal),
    #[error(
        "the document of this request is not available, or is not the one that was asked to be signed"
    )]
    NoDocument,
    #[error("the statement is too long for the log")]
    TooLong,
}

/// One call of a state machine: when it happens, with which randomness, and what is to be done.
pub(crate) struct Call<'a, E> {
    pub(crate) now: Timestamp,
    pub(crate) rng: &'a mut dyn CryptoRngCore,
    effects: Vec<E>,
}

impl<'a, E> Call<'a, E> {
    pub(crate) fn new(now: Timestamp, rng: &'a mut dyn CryptoRngCore) -> Self {
        Self { now, rng, effects: Vec::new() }
    }

    /// Adds an effect after those before it.
    pub(crate) fn push(&mut self, effect: E) {
        self.effects.push(effect);
    }

    /// Returns what is to be done, in order.
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

/// Names each kind of an effect once, for whatever has to tell effects apart without looking into
/// them: fail points, traces, statistics.
macro_rules! kinds {
    ($effect:ty $(, persists $change:ident)?: $($pattern:pat => $name:literal,)+) => {
        impl $effect {
            /// The names of all kinds; those of what is persisted are the change's.
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
    Self::Send(FromNode::Submit { .. }) => "node.send.submit",
    Self::Send(FromNode::Cosign { .. }) => "node.send.cosign",
    Self::Send(FromNode::Commitments { .. }) => "node.send.commitments",
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
    Self::Send(_, FromCoordinator::Invite { .. }) => "coordinator.send.invite",
    Self::Send(_, FromCoordinator::Package { .. }) => "coordinator.send.package",
    Self::Send(_, FromCoordinator::Presence { .. }) => "coordinator.send.presence",
    Self::Disconnect(_) => "coordinator.disconnect",
    Self::SetDeadline(..) => "coordinator.set-deadline",
    Self::PrepareDocument(_) => "coordinator.prepare-document",
    Self::RespondJoin(..) => "coordinator.respond-join",
}

kinds! { CoordinatorChange:
    Self::Checkpoint { .. } => "coordinator.persist.checkpoint",
    Self::Cosignature { .. } => "coordinator.persist.cosignature",
}
