//! What the coordinator does before it appends anything: it compares its log with the nodes' logs,
//! and takes from them what its disk has lost.
//!
//! Every node holds the whole log. A coordinator that goes on from an old copy of its disk would
//! sign a second history, and every node would stop permanently.
//!
//! - Upon a start: append nothing until the nodes that cosigned recently have said hello. After
//!   [`Config::comparison`](super::Config::comparison), one of them is enough; if the disk may be a
//!   copy of another one that is still in use, more than half of them have to be connected.
//! - Upon a checkpoint in a backup, or beside the database, of more entries than the disk has:
//!   append nothing before the log has reached it, and let every certified account connect, because
//!   the log does not contain all of them yet.
//! - Upon a hello with a larger checkpoint, signed by this log's key: append nothing, and ask that
//!   node for the entries up to there, one message at a time.
//! - Upon the last of them, if they make the tree of that checkpoint: append them, and go on.
//! - Upon entries that the rules do not admit, or that make another tree: the node lies, or has
//!   another history. Forget its checkpoint, and show it this log, so that a fork is proved.
//! - Upon a node that takes too long: hang up on it, and ask another.
//! - Upon an operator's order to go on from the present size: ignore what else is known to exist. A
//!   node that has more can then prove two histories.

use std::collections::{BTreeMap, BTreeSet};

use quorate_log::checkpoint::VerifiedCheckpoint;

use super::input::Call;
use super::log::{Extension, Log};
use crate::effect::CoordinatorDeadline;
use crate::encoding::Base64;
use crate::message::FromCoordinator;
use crate::names::AccountName;

/// A node that cosigned a tree with all but so many entries was there recently.
const RECENT: u64 = 1_000;
/// How many milliseconds a node has for each entry that it is asked for, after the first ones.
const PER_ENTRY: u64 = 10;

/// The comparison with the nodes' logs, and what waits for its end.
#[derive(Default)]
pub(super) struct CatchUp {
    /// The nodes that have to say hello first.
    awaited: BTreeSet<AccountName>,
    /// The checkpoints that nodes have shown and that the log lacks.
    shown: BTreeMap<AccountName, VerifiedCheckpoint>,
    /// The hellos on the present connections that wait for an answer, with the index of the first
    /// entry that the node wants.
    hellos: BTreeMap<AccountName, u64>,
    source: Option<Source>,
    /// Nodes that took too long.
    slow: BTreeSet<AccountName>,
    /// Nodes whose statements were not looked at.
    interrupted: BTreeSet<AccountName>,
    /// A checkpoint that the log has to reach, as this coordinator's own disk shows.
    required: Option<VerifiedCheckpoint>,
    /// The nodes of which more than half have to be connected, because the disk may be a copy.
    majority_of: BTreeSet<AccountName>,
    /// The size from which the operator wants to go on, whatever else is known to exist.
    go_on_from: Option<u64>,
    /// Nodes whose checkpoints no longer count, because the operator went on without them.
    given_up: BTreeSet<AccountName>,
}

/// The node that was asked for entries, and what it has sent.
struct Source {
    account: AccountName,
    target: VerifiedCheckpoint,
    taken: Extension,
}

/// How far the log has to be caught up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Missing {
    /// The number of entries in the coordinator's log.
    pub size: u64,
    /// The number of entries in the largest log that is known to exist.
    pub shown: u64,
    /// The node that has shown it; `None` if the coordinator's own disk does.
    pub by: Option<AccountName>,
}

/// What the comparison with the nodes' logs waits for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Waiting {
    /// Entries are missing.
    Entries(Missing),
    /// The comparison waits for these nodes: usually for a limited time, if any node is there.
    Nodes {
        /// The nodes that are not connected.
        absent: BTreeSet<AccountName>,
        /// How many of them have to connect, however long that takes, because the disk may be a
        /// copy.
        needed: usize,
    },
}

/// What follows from entries that a node sent.
pub(super) enum Received {
    /// They were not asked for, or more are needed.
    Nothing,
    /// They make the tree of this checkpoint.
    Whole(Box<Extension>, VerifiedCheckpoint),
    /// They do not.
    Contradiction,
}

impl CatchUp {
    pub(super) fn is_over(&self) -> bool {
        self.awaited.is_empty()
            && self.shown.is_empty()
            && self.required.is_none()
            && self.majority_of.is_empty()
    }

    /// Whether the log lacks entries, so that accounts which it does not contain may be in these.
    pub(super) fn lacks_entries(&self) -> bool {
        self.required.is_some() || !self.shown.is_empty()
    }

    pub(super) fn missing(&self, log: &Log) -> Option<Missing> {
        let shown = self.shown.iter().map(|(by, shown)| (shown.head().size, Some(by)));
        let required = self.required.iter().map(|required| (required.head().size, None));
        let (shown, by) = required.chain(shown).max_by_key(|(size, _)| *size)?;
        Some(Missing { size: log.state().size(), shown, by: by.cloned() })
    }

    pub(super) fn waiting(&self, log: &Log) -> Option<Waiting> {
        if let Some(missing) = self.missing(log) {
            return Some(Waiting::Entries(missing));
        }
        let is_absent = |account: &&AccountName| !self.hellos.contains_key(*account);
        let all = self.awaited.union(&self.majority_of);
        let absent: BTreeSet<_> = all.filter(is_absent).cloned().collect();
        let present = self.majority_of.iter().filter(|account| !is_absent(account)).count();
        let needed = match self.majority_of.len() {
            0 => 0,
            all => (all / 2 + 1).saturating_sub(present),
        };
        (!self.is_over()).then_some(Waiting::Nodes { absent, needed })
    }

    /// Waits for the nodes that may connect and that cosigned recently, given the size of the tree
    /// that each cosigned last.
    pub(super) fn wait_for(&mut self, cosigned: BTreeMap<AccountName, u64>, log: &Log) {
        let size = self.required.as_ref().map_or(0, |required| required.head().size);
        let since = size.max(log.state().size()).saturating_sub(RECENT);
        let may_connect = |account: &AccountName| {
            self.required.is_some() || log.state().check_connection(account, None).is_ok()
        };
        let recent = cosigned.into_iter().filter(|(_, size)| *size >= since);
        self.awaited = recent.map(|(account, _)| account).filter(may_connect).collect();
    }

    /// Appends nothing before the log has this checkpoint, unless it has it already.
    pub(super) fn require(&mut self, checkpoint: VerifiedCheckpoint, log: &Log) {
        self.required = Some(checkpoint).filter(|it| it.head().size > log.state().size());
    }

    /// Waits until more than half of the awaited nodes are connected, however long that takes. If
    /// the disk shows no cosignatures, these are the nodes of all accounts.
    pub(super) fn need_majority(&mut self, log: &Log) {
        if self.awaited.is_empty() {
            let all = log.state().accounts().keys();
            let may_connect =
                |account: &&AccountName| log.state().check_connection(account, None).is_ok();
            self.awaited = all.filter(may_connect).cloned().collect();
        }
        self.majority_of = self.awaited.clone();
    }

    pub(super) fn go_on_from(&mut self, size: u64) {
        self.go_on_from = Some(size);
    }

    /// Gives the awaited nodes their time.
    pub(super) fn start(&self, pause: u64, call: &mut Call<'_>) {
        if !self.is_over() {
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
        // What it showed before may have been lost, like its disk.
        self.shown.remove(account);
        if let Some(shown) = checkpoint.and_then(|note| log.lacking(note))
            && !self.given_up.contains(account)
        {
            self.shown.insert(account.clone(), shown);
        }
        if self.awaited.is_empty() {
            self.accept_majority();
        }
    }

    /// Ends the wait for a majority if it is connected.
    fn accept_majority(&mut self) {
        let is_here = |account: &&AccountName| self.hellos.contains_key(*account);
        let present = self.majority_of.iter().filter(is_here).count();
        if present > self.majority_of.len() / 2 {
            self.majority_of.clear();
        }
    }

    /// A node's connection is gone. What it has shown still holds.
    pub(super) fn disconnected(&mut self, account: &AccountName) {
        self.hellos.remove(account);
        self.interrupted.remove(account);
        self.source.take_if(|source| source.account == *account);
    }

    /// A node states something, and has to state it again on another connection.
    pub(super) fn interrupted(&mut self, account: AccountName) {
        self.interrupted.insert(account);
    }

    /// The awaited nodes took too long. Goes on without them if another one was there, or enough of
    /// them if the disk may be a copy.
    pub(super) fn awaited_are_late(&mut self, log: &Log, pause: u64, call: &mut Call<'_>) {
        if self.hellos.is_empty() {
            return self.start(pause, call);
        }
        self.awaited.clear();
        self.accept_majority();
        if self.go_on_from == Some(log.state().size()) && self.source.is_none() {
            self.given_up.extend(std::mem::take(&mut self.shown).into_keys());
            self.required = None;
            self.majority_of.clear();
        }
        self.start(pause, call);
    }

    /// The node that was asked for entries took too long, and is to be disconnected.
    pub(super) fn source_is_late(&mut self) -> Option<AccountName> {
        let account = self.source.take()?.account;
        self.hellos.remove(&account);
        self.slow.insert(account.clone());
        Some(account)
    }

    /// Asks the connected node that has shown most, unless one was asked already.
    pub(super) fn ask(&mut self, log: &Log, pause: u64, call: &mut Call<'_>) {
        if self.source.is_some() {
            return;
        }
        let connected =
            || self.shown.iter().filter(|(account, _)| self.hellos.contains_key(*account));
        let quick = connected().filter(|(account, _)| !self.slow.contains(*account));
        let most = |shown: &(&AccountName, &VerifiedCheckpoint)| shown.1.head().size;
        let Some((account, target)) =
            quick.max_by_key(most).or_else(|| connected().max_by_key(most))
        else {
            return;
        };
        let (account, target) = (account.clone(), target.clone());
        let first = log.state().size();
        let time = pause.saturating_add((target.head().size - first).saturating_mul(PER_ENTRY));
        call.wake_at(CoordinatorDeadline::Source, call.now.plus(time));
        call.send(account.clone(), FromCoordinator::Want { first });
        let taken = log.extension();
        self.source = Some(Source { account, target, taken });
    }

    /// A node sends entries.
    pub(super) fn received(
        &mut self,
        account: &AccountName,
        first: u64,
        entries: Vec<Base64>,
        call: &mut Call<'_>,
    ) -> Received {
        let Some(mut source) = self.source.take_if(|source| source.account == *account) else {
            return Received::Nothing;
        };
        // The same message again, or nothing: the time for the right ones goes on.
        if first != source.taken.size() || entries.is_empty() {
            self.source = Some(source);
            return Received::Nothing;
        }
        let size = source.target.head().size;
        let admitted = entries.into_iter().all(|Base64(bytes)| {
            source.taken.size() == size
                || (source.taken.admit(bytes) && self.fits_required(&source.taken))
        });
        if admitted && source.taken.size() < size {
            let first = source.taken.size();
            call.send(account.clone(), FromCoordinator::Want { first });
            self.source = Some(source);
            return Received::Nothing;
        }
        if admitted && source.taken.head() == source.target.head() {
            return Received::Whole(Box::new(source.taken), source.target);
        }
        self.shown.remove(account);
        Received::Contradiction
    }

    /// Whether these entries make the tree of the required checkpoint, as far as they reach it.
    fn fits_required(&self, taken: &Extension) -> bool {
        let required = self.required.as_ref().map(VerifiedCheckpoint::head);
        required.is_none_or(|head| head.size != taken.size() || head == taken.head())
    }

    /// The log has more entries now. Returns the nodes that may not connect, according to these.
    pub(super) fn caught_up(&mut self, log: &Log) -> Vec<AccountName> {
        let size = log.state().size();
        self.shown.retain(|_, shown| shown.head().size > size);
        self.required.take_if(|required| required.head().size <= size);
        self.slow.clear();
        if self.lacks_entries() {
            return Vec::new();
        }
        let may_connect =
            |account: &AccountName| log.state().check_connection(account, None).is_ok();
        self.awaited.retain(may_connect);
        self.majority_of.retain(may_connect);
        let strangers: Vec<_> =
            self.hellos.keys().filter(|account| !may_connect(account)).cloned().collect();
        for stranger in &strangers {
            self.hellos.remove(stranger);
        }
        if self.awaited.is_empty() {
            self.accept_majority();
        }
        strangers
    }

    /// Returns the hellos to answer and the nodes that have to connect again, if the comparison is
    /// over.
    pub(super) fn take_waiting(
        &mut self,
    ) -> Option<(BTreeMap<AccountName, u64>, BTreeSet<AccountName>)> {
        if !self.is_over() {
            return None;
        }
        Some((std::mem::take(&mut self.hellos), std::mem::take(&mut self.interrupted)))
    }

    /// Takes the hello of a node that is to be answered although the comparison goes on.
    pub(super) fn take_hello(&mut self, account: &AccountName) -> Option<u64> {
        self.hellos.remove(account)
    }
}
