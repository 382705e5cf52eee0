//! The inputs and settings of the coordinator.

use super::quota::QuotaLimits;
use crate::document::Document;
use crate::effect::{self, CoordinatorDeadline, CoordinatorEffect, JoinId};
use crate::identity::SecretKey;
use crate::message::FromNode;
use crate::names::{AccountName, EntryId};

pub(super) type Call<'a> = effect::Call<'a, CoordinatorEffect>;

/// Deadlines, in milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Config {
    /// How long a step of a ceremony may take before the session is aborted and tried again.
    pub ceremony_step: u64,
    /// The longest time that signers may take to answer before others are asked too. For nodes that
    /// have answered before, it is as long as their answers usually take.
    pub signing: u64,
    /// How long a signing session may take before it ends. Shorter than nodes keep nonces.
    pub session: u64,
    /// The first pause before a signer that declined is asked again. It doubles up to 32 times as
    /// much.
    pub pause: u64,
    /// How long the nodes that cosigned recently may take to say hello after a start, before the
    /// coordinator goes on without them, and how long a node that was asked for entries may take,
    /// beside a time for each entry. Longer than nodes take to notice a dead connection, and to
    /// dial again.
    pub comparison: u64,
    /// How many requests, starts and other statements without a limit in the log may be made.
    pub quota: QuotaLimits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ceremony_step: 30_000,
            signing: 1_000,
            session: 20_000,
            pause: 100,
            comparison: 15_000,
            quota: QuotaLimits::default(),
        }
    }
}

#[derive(Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct CoordinatorSecrets {
    /// Signs checkpoints.
    pub log: SecretKey,
    /// Signs the coordinator's entries.
    pub identity: SecretKey,
}

#[derive(Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Input {
    /// A node connected and proved its account. The connection replaces an earlier one of that
    /// account.
    Connected(AccountName),
    /// The connection is closed. Not sent for a connection that was replaced.
    Disconnected(AccountName),
    /// A message of an account's node.
    Received(AccountName, FromNode),
    /// A request to join or for another certificate: the bytes of the account's
    /// [`AccountAdmitted`](crate::entry::Body::AccountAdmitted) entry. It is answered
    /// immediately, or not at all if nothing can be appended yet.
    Join(JoinId, Vec<u8>),
    /// The answer to [`CoordinatorEffect::PrepareDocument`].
    Document { request: EntryId, document: Option<Document> },
    /// A deadline has passed.
    Deadline(CoordinatorDeadline),
}
