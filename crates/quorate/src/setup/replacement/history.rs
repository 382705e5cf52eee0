//! Copies of the log, and how a node's own log compares with the history that is voted for.

use std::fs;
use std::path::{Path, PathBuf};

use quorate_ceremony::entry::{Body, Entry, LogTree};
use quorate_ceremony::names::{Digest, IvnId};
use quorate_ceremony::state::IvnState;
use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::leaf_hash;
use quorate_log::tree::{Frontier, MemoryTree, TreeHead, head_at};

use super::{ReplacementError, SetupError};
use crate::home::{CoordinatorHome, NodeHome};
use crate::log_audit;
use crate::store::coordinator::CoordinatorStore;
use crate::store::node::StoredLog;

/// A place with a copy of the log: a node's home, a coordinator's home, a published log, or a file
/// with one entry a line.
#[derive(Clone, Debug)]
pub struct Source(pub PathBuf);

/// A verified copy of the log.
pub(super) struct History {
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) state: IvnState,
}

impl Source {
    /// Reads the log and verifies it by the rules. `ivn` is the one that it has to be of, if that
    /// is known.
    pub(super) async fn read(
        &self,
        ivn: Option<IvnId>,
        size: Option<u64>,
    ) -> Result<History, SetupError> {
        let path = &self.0;
        let mut entries = self.entries(ivn).await?;
        if let Some(size) = size {
            let found = entries.len() as u64;
            if found < size {
                let path = path.clone();
                return Err(ReplacementError::TooShort { path, found, needed: size }.into());
            }
            entries.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        }
        let state = replayed(path, &entries)?;
        if path.join("checkpoint").is_file() {
            check_published(path, &state, size)?;
        }
        if ivn.is_some_and(|ivn| ivn != state.ivn()) {
            return Err(ReplacementError::OtherIvn.into());
        }
        Ok(History { entries, state })
    }

    async fn entries(&self, ivn: Option<IvnId>) -> Result<Vec<Vec<u8>>, SetupError> {
        let path = &self.0;
        let none = || ReplacementError::NoHistory(path.clone());
        if path.is_file() {
            let text = fs::read_to_string(path)
                .map_err(|source| SetupError::NotRead { path: path.clone(), source })?;
            return Ok(text.lines().map(|line| line.as_bytes().to_vec()).collect());
        }
        if path.join("checkpoint").is_file() {
            return log_audit::entries(path).map_err(|_| none().into());
        }
        if NodeHome::read(path).is_ok() {
            let home = NodeHome::open(path)?;
            return Ok(StoredLog::open(&home.database()).await?.read().await?.entries);
        }
        if let (Ok(_), Some(ivn)) = (CoordinatorHome::read(path), ivn) {
            let home = CoordinatorHome::open(path)?;
            let directory = home.ivn(ivn);
            if directory.path().is_dir() {
                return Ok(CoordinatorStore::open(&directory).await?.all_entries().await?);
            }
        }
        Err(none().into())
    }
}

/// Checks that the checkpoint of a published log is of all of its entries, and by one of its
/// coordinators. `size` is how many of them were read, if not all.
fn check_published(
    path: &Path,
    state: &IvnState,
    size: Option<u64>,
) -> Result<(), ReplacementError> {
    let other = || ReplacementError::OtherHistory(path.to_owned());
    let signed = log_audit::read_checkpoint(path).map_err(|_| other())?;
    let verifiers = state.log_verifiers();
    let checkpoint = verifiers.iter().find_map(|log| signed.clone().verify(log).ok());
    let head = checkpoint.ok_or_else(other)?.head();
    match size {
        None if tree(head) != state.tree() => Err(other()),
        _ => Ok(()),
    }
}

/// Replays a whole log by its rules.
pub(super) fn replayed(path: &Path, entries: &[Vec<u8>]) -> Result<IvnState, ReplacementError> {
    let damaged = |index| ReplacementError::Damaged { path: path.to_owned(), index };
    let (genesis, rest) =
        entries.split_first().ok_or_else(|| ReplacementError::NoHistory(path.to_owned()))?;
    let genesis = Entry::from_bytes(genesis).map_err(|_| damaged(0))?;
    let mut state = IvnState::found(&genesis).map_err(|_| damaged(0))?;
    let mut trees = MemoryTree::default();
    trees.append(leaf_hash(&genesis.to_bytes()));
    for (bytes, index) in rest.iter().zip(1..) {
        let entry = Entry::from_bytes(bytes).map_err(|_| damaged(index))?;
        state.apply(&entry).map_err(|_| damaged(index))?;
        // The fold does not know earlier trees.
        if let Body::ChangeConfirmed { checkpoint, .. } = &entry.statement().body {
            let confirmed: SignedCheckpoint = checkpoint.parse().map_err(|_| damaged(index))?;
            let head = confirmed.unverified().head();
            if head_at(&trees, head.size).ok() != Some(head) {
                return Err(damaged(index));
            }
        }
        trees.append(leaf_hash(bytes));
    }
    Ok(state)
}

/// The relation of a node's own log to the history that is voted for, and to the votes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Comparison {
    /// The number of entries in the node's log.
    pub own: u64,
    /// How many of them, from the first on, are in the history or are the votes after it.
    pub common: u64,
    /// How many of them are not.
    pub lost: u64,
    /// How many entries of the history the node does not have.
    pub unknown: u64,
    /// The largest tree that the node cosigned, if it is not part of the history.
    pub abandoned: Option<LogTree>,
}

/// Compares a node's log with a history and the votes that follow it.
pub(super) fn compare(
    own: &[Vec<u8>],
    cosigned: Option<&str>,
    history: &[Vec<u8>],
    votes: &[Vec<u8>],
) -> Comparison {
    let target = history.iter().chain(votes);
    let common = own.iter().zip(target).take_while(|(own, other)| own == other).count();
    // A node that has followed already may have more entries of the new coordinator.
    let has_followed = !votes.is_empty() && common == history.len() + votes.len();
    let lost = if has_followed { 0 } else { own.len() - common };
    let cosigned = cosigned.and_then(|note| note.parse::<SignedCheckpoint>().ok());
    let abandoned = cosigned
        .map(|signed| tree(signed.unverified().head()))
        .filter(|cosigned| !has_followed && cosigned.size > common as u64);
    Comparison {
        own: own.len() as u64,
        common: common as u64,
        lost: lost as u64,
        unknown: history.len().saturating_sub(common) as u64,
        abandoned,
    }
}

/// The tree of the first `size` entries.
pub(super) fn tree_of(entries: &[Vec<u8>], size: u64) -> Option<LogTree> {
    let mut frontier = Frontier::default();
    let size = usize::try_from(size).ok()?;
    entries.get(..size)?.iter().for_each(|bytes| frontier.append(leaf_hash(bytes)));
    Some(tree(frontier.head()))
}

fn tree(head: TreeHead) -> LogTree {
    LogTree { size: head.size, root: Digest::new(*head.root.as_bytes()) }
}
