//! What happens to the coordinator, and what it is given.

use crate::document::Document;
use crate::effect::{self, CoordinatorDeadline, CoordinatorEffect, JoinId};
use crate::identity::SecretKey;
use crate::message::FromNode;
use crate::names::{AccountName, EntryId};

/// One call of the coordinator.
pub(super) type Call<'a> = effect::Call<'a, CoordinatorEffect>;

/// Deadlines, in milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Config {
    /// How long a step of a ceremony may take before the session is given up and tried again.
    pub ceremony_step: u64,
    /// How long signers may take to answer at most before others are tried beside them. For nodes
    /// that have answered before, it is as long as their answers usually take.
    pub signing: u64,
    /// How long a signing session may take before nothing is expected of it any more. Shorter than
    /// nodes keep nonces.
    pub session: u64,
    /// The first pause before a signer that declined is asked again; doubles up to 32 times as
    /// much.
    pub pause: u64,
    /// How many requests, starts and other statements that nothing in the log bounds an account may
    /// make in a row. One more after each second, and for each of its requests that is decided.
    pub credit: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { ceremony_step: 30_000, signing: 1_000, session: 20_000, pause: 100, credit: 10_000 }
    }
}

/// The coordinator's own keys, of one IVN.
#[derive(Debug)]
pub struct CoordinatorSecrets {
    /// Signs checkpoints.
    pub log: SecretKey,
    /// Signs the coordinator's entries.
    pub identity: SecretKey,
}

/// What happens to the coordinator.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Input {
    /// A node's connection is up; the connection proved the account. It takes the place of an
    /// earlier one of that account.
    Connected(AccountName),
    /// It is gone. Not to be said of a connection after another took its place.
    Disconnected(AccountName),
    /// A node says something.
    Received(AccountName, FromNode),
    /// Someone asks to join: an [`AccountAdmitted`](crate::entry::Body::AccountAdmitted)
    /// entry's bytes.
    Join(JoinId, Vec<u8>),
    /// Answers [`CoordinatorEffect::PrepareDocument`].
    Document { request: EntryId, document: Option<Document> },
    /// A deadline has come.
    Deadline(CoordinatorDeadline),
}
