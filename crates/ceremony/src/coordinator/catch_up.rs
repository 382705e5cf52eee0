//! What the coordinator does before it appends anything: it compares its log with the nodes' logs,
//! and takes from them what its disk has lost.
//!
//! Every node holds the whole log. A coordinator that goes on from an old copy of its disk would
//! sign a second history, and every node would stop for good.
//!
//! - Upon a start: append nothing until all nodes that cosigned the latest tree have said hello, or
//!   until [`Config::comparison`](super::Config::comparison) has passed.
//! - Upon a hello with a larger checkpoint, signed by this log's key: append nothing, and ask that
//!   node for the entries up to there, one message at a time.
//! - Upon the last of them, if they make the tree of that checkpoint: append them, and go on.
//! - Upon entries that make another tree, or a node that does not answer: hang up on it, and ask
//!   another.

use std::collections::{BTreeMap, BTreeSet};

use quorate_log::checkpoint::VerifiedCheckpoint;

use super::input::Call;
use super::log::Log;
use crate::effect::{CoordinatorDeadline, JoinId};
use crate::encoding::Base64;
use crate::message::FromCoordinator;
use crate::names::AccountName;

/// The comparison with the nodes' logs, and what waits for its end.
#[derive(Default)]
pub(super) struct CatchUp {
    /// The nodes that have to say hello first.
    awaited: BTreeSet<AccountName>,
    /// The largest checkpoint that the log lacks.
    target: Option<VerifiedCheckpoint>,
    source: Option<Source>,
    /// The connected nodes that can give entries up to this size.
    holders: BTreeMap<AccountName, u64>,
    /// Hellos that wait for an answer, with the index of the first entry that the node wants.
    hellos: BTreeMap<AccountName, u64>,
    joins: Vec<(JoinId, Vec<u8>)>,
    /// Nodes whose statements were not looked at.
    interrupted: BTreeSet<AccountName>,
}

/// The node that was asked for entries.
struct Source {
    account: AccountName,
    /// What it has sent, from the end of the log on.
    entries: Vec<Vec<u8>>,
}

/// What waited for the end of the comparison.
pub(super) struct Waiting {
    pub(super) hellos: BTreeMap<AccountName, u64>,
    pub(super) joins: Vec<(JoinId, Vec<u8>)>,
    pub(super) interrupted: BTreeSet<AccountName>,
}

/// How far the log has to be caught up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Missing {
    /// The number of entries in the coordinator's log.
    pub size: u64,
    /// The number of entries in the log that a node has shown.
    pub shown: u64,
}

/// What follows from entries that a node sent.
pub(super) enum Received {
    /// They were not asked for, or more are needed.
    Nothing,
    /// They make the tree of this checkpoint.
    Whole(Vec<Vec<u8>>, VerifiedCheckpoint),
    /// They do not: the node is to be disconnected.
    Unusable(AccountName),
}

impl CatchUp {
    /// `target` is a checkpoint that the stored log lacks.
    pub(super) fn new(target: Option<VerifiedCheckpoint>) -> Self {
        Self { target, ..Self::default() }
    }

    pub(super) fn is_over(&self) -> bool {
        self.awaited.is_empty() && self.target.is_none()
    }

    pub(super) fn missing(&self, log: &Log) -> Option<Missing> {
        let shown = self.target.as_ref()?.head().size;
        Some(Missing { size: log.state().size(), shown })
    }

    /// Waits for these nodes.
    pub(super) fn wait_for(&mut self, nodes: BTreeSet<AccountName>) {
        self.awaited = nodes;
    }

    /// Gives the nodes their time.
    pub(super) fn start(&self, pause: u64, call: &mut Call<'_>) {
        if !self.awaited.is_empty() {
            call.wake_at(CoordinatorDeadline::Comparison, call.now.plus(pause));
        }
    }

    /// A node says hello, and shows the latest checkpoint that it verified.
    pub(super) fn hello(
        &mut self,
        account: &AccountName,
        after: u64,
        checkpoint: Option<&str>,
        log: &Log,
    ) {
        self.awaited.remove(account);
        self.hellos.insert(account.clone(), after);
        let Some(shown) = checkpoint.and_then(|note| log.verified(note)) else { return };
        let size = shown.head().size;
        if size <= log.state().size() {
            return;
        }
        self.holders.insert(account.clone(), size);
        if self.target.as_ref().is_none_or(|target| target.head().size < size) {
            self.target = Some(shown);
            self.source = None;
        }
    }

    /// A node's connection is gone.
    pub(super) fn disconnected(&mut self, account: &AccountName) {
        self.hellos.remove(account);
        self.interrupted.remove(account);
        self.drop_holder(account);
    }

    fn drop_holder(&mut self, account: &AccountName) {
        self.holders.remove(account);
        self.source.take_if(|source| source.account == *account);
    }

    /// Holds what cannot be looked at before the log is compared.
    pub(super) fn hold_join(&mut self, id: JoinId, bytes: Vec<u8>) {
        self.joins.push((id, bytes));
    }

    pub(super) fn interrupted(&mut self, account: AccountName) {
        self.interrupted.insert(account);
    }

    /// The time is over: of the nodes that have not said hello, or of the one that was asked for
    /// entries, which is then to be disconnected.
    pub(super) fn overdue(&mut self) -> Option<AccountName> {
        self.awaited.clear();
        let account = self.source.take()?.account;
        self.drop_holder(&account);
        Some(account)
    }

    /// Asks a node that can give all missing entries, unless one was asked already.
    pub(super) fn ask(&mut self, log: &Log, pause: u64, call: &mut Call<'_>) {
        let Some(target) = &self.target else { return };
        if self.source.is_none() {
            let mut able = self.holders.iter().filter(|(_, size)| **size >= target.head().size);
            let Some((account, _)) = able.next() else { return };
            self.source = Some(Source { account: account.clone(), entries: Vec::new() });
            self.ask_source(log, pause, call);
        }
    }

    fn ask_source(&self, log: &Log, pause: u64, call: &mut Call<'_>) {
        if let Some(source) = &self.source {
            let first = log.state().size() + source.entries.len() as u64;
            call.send(source.account.clone(), FromCoordinator::Want { first });
            call.wake_at(CoordinatorDeadline::Comparison, call.now.plus(pause));
        }
    }

    /// A node sends entries.
    pub(super) fn received(
        &mut self,
        account: &AccountName,
        first: u64,
        entries: Vec<Base64>,
        log: &Log,
        pause: u64,
        call: &mut Call<'_>,
    ) -> Received {
        let Some(target) = &self.target else { return Received::Nothing };
        let Some(source) = self.source.as_mut().filter(|source| source.account == *account) else {
            return Received::Nothing;
        };
        let held = log.state().size() + source.entries.len() as u64;
        let needed = usize::try_from(target.head().size - held).unwrap_or(usize::MAX);
        if first == held && !entries.is_empty() {
            source.entries.extend(entries.into_iter().take(needed).map(|entry| entry.0));
            if log.state().size() + (source.entries.len() as u64) < target.head().size {
                self.ask_source(log, pause, call);
                return Received::Nothing;
            }
            if log.would_be(&source.entries) == target.head() {
                let entries = std::mem::take(&mut source.entries);
                return Received::Whole(entries, target.clone());
            }
        }
        self.drop_holder(account);
        Received::Unusable(account.clone())
    }

    /// The log has the entries of the target.
    pub(super) fn caught_up(&mut self, log: &Log) {
        self.target = None;
        self.source = None;
        self.holders.retain(|_, size| *size > log.state().size());
    }

    /// What waited, if the comparison is over.
    pub(super) fn take_waiting(&mut self) -> Option<Waiting> {
        self.is_over().then(|| Waiting {
            hellos: std::mem::take(&mut self.hellos),
            joins: std::mem::take(&mut self.joins),
            interrupted: std::mem::take(&mut self.interrupted),
        })
    }
}
