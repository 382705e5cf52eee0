//! The running process of a node: its identity, and whether it is the account's latest process.
//!
//! Each process of a node draws a random *incarnation* and states in the log that it started. The
//! latest start in the log is the account's node; only that process signs.
//!
//! ```text
//! log:    start A      start B          start C
//!           │             │                │
//! A:     announced     B is a copy: A stops, and states it unless the log shows it
//! B:                   announced        C is B's own earlier process: no copy
//! ```
//!
//! - Upon its own incarnation in the log: it is announced.
//! - Upon a different incarnation after that: a copy of the node runs elsewhere, so this process
//!   stops permanently. Exempt are starts of this disk's earlier processes, which may reach the log
//!   late.

use std::collections::BTreeSet;

use quorate_log::checkpoint::VerifiedCheckpoint;
use quorate_log::key::CosignerSigner;
use rand_core::CryptoRngCore;

use super::saved::RestoreError;
use crate::entry::{Author, Body, Entry, Statement};
use crate::identity::{AccountSecrets, PublicKey, SecretKey};
use crate::names::{AccountName, Digest, IvnId, Timestamp};
use crate::state::IvnState;

pub(super) struct Process {
    ivn: IvnId,
    account: AccountName,
    secrets: AccountSecrets,
    cosigner: CosignerSigner,
    incarnation: Digest,
    announced: bool,
    /// Earlier processes of this node whose start may be logged late.
    former: BTreeSet<Digest>,
    /// A process of this account's node that started after this one, from a different disk.
    copy: Option<Digest>,
    /// How many entries of the log this node has verified.
    seen: u64,
}

impl Process {
    /// Creates a process. `unsent` is what earlier processes left in the outbox.
    pub(super) fn new(
        account: AccountName,
        secrets: AccountSecrets,
        state: &IvnState,
        unsent: &[Entry],
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, RestoreError> {
        let cosigner =
            secrets.cosigner_of(&state.origin(), &account).ok_or(RestoreError::LogKey)?;
        let mut incarnation = [0; 32];
        rng.fill_bytes(&mut incarnation);
        let starts = unsent.iter().filter_map(|entry| match entry.statement().body {
            Body::NodeStarted { incarnation } => Some(incarnation),
            _ => None,
        });
        Ok(Self {
            ivn: state.ivn(),
            account,
            secrets,
            cosigner,
            incarnation: Digest::new(incarnation),
            announced: false,
            former: starts.collect(),
            copy: None,
            seen: state.size(),
        })
    }

    pub(super) fn account(&self) -> &AccountName {
        &self.account
    }

    pub(super) fn incarnation(&self) -> Digest {
        self.incarnation
    }

    pub(super) fn identity(&self) -> &SecretKey {
        &self.secrets.identity
    }

    pub(super) fn identity_key(&self) -> PublicKey {
        self.secrets.identity.public()
    }

    /// Signs a statement. Returns `None` if it is too long for the log.
    pub(super) fn sign(&self, body: Body, at: Timestamp) -> Option<Entry> {
        let author = Author::Account(self.account.clone());
        let statement = Statement { ivn: Some(self.ivn), author, at, seen: self.seen, body };
        Entry::sign(statement, &[&self.secrets.identity]).ok()
    }

    pub(super) fn is_author(&self, entry: &Entry) -> bool {
        entry.statement().author == Author::Account(self.account.clone())
    }

    /// Whether this process is the account's latest in the log and no copy of it runs. Only then
    /// does it sign. So a node that was restored from a backup signs as soon as the log contains
    /// its start, and the node that it replaces stops if it still runs.
    pub(super) fn is_announced(&self, state: &IvnState) -> bool {
        state.account(&self.account).is_ok_and(|account| {
            account.incarnation == Some(self.incarnation) && !account.duplicated
        })
    }

    /// Whether a copy of this node runs, according to the log. This process then states nothing
    /// automatically, because it may not know all decisions of its holder, and it cosigns nothing,
    /// because the copy may receive a different log.
    pub(super) fn is_doubled(&self, state: &IvnState) -> bool {
        self.announced && !self.is_announced(state)
    }

    /// Whether a copy of this node started after it.
    pub(super) fn is_superseded(&self) -> bool {
        self.copy.is_some()
    }

    pub(super) fn note_size(&mut self, size: u64) {
        self.seen = size;
    }

    pub(super) fn note_start(&mut self, incarnation: Digest) {
        if incarnation == self.incarnation {
            self.announced = true;
        } else if self.announced && !self.former.contains(&incarnation) {
            self.copy = Some(incarnation);
        }
    }

    /// The statement that this process started, unless it is logged or a copy started later.
    pub(super) fn announcement(&self, state: &IvnState) -> Option<Body> {
        let known = state.accounts().get(&self.account);
        let announced = known.is_some_and(|account| account.incarnation == Some(self.incarnation));
        if announced || self.copy.is_some() {
            return None;
        }
        Some(Body::NodeStarted { incarnation: self.incarnation })
    }

    /// The statement that a copy of this node started after it, unless it is logged. The copy does
    /// not know of this process.
    pub(super) fn duplication(&self, state: &IvnState) -> Option<Body> {
        let other = self.copy?;
        let known = state.account(&self.account).is_ok_and(|account| {
            account.duplicated || account.incarnation != Some(other) || account.suspended
        });
        (!known).then_some(Body::NodeDuplicated { incarnation: self.incarnation, other })
    }

    /// Cosigns a checkpoint. Returns `None` if this machine's clock is out of range.
    pub(super) fn cosign(&self, checkpoint: &VerifiedCheckpoint, now: Timestamp) -> Option<String> {
        let time = now.seconds().try_into().ok()?;
        Some(self.cosigner.cosign(checkpoint, time).to_string())
    }
}
