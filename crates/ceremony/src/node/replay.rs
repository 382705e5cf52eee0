//! Restoring a node from its disk: the stored log, replayed, must be the one that it cosigned.

use std::collections::BTreeSet;

use quorate_log::checkpoint::{SignedCheckpoint, VerifiedCheckpoint};
use quorate_log::leaf_hash;
use quorate_log::tree::MemoryTree;

use super::log::VerifiedLog;
use super::saved::{RestoreError, Saved};
use crate::entry::Entry;
use crate::identity::PublicKey;
use crate::names::{EntryId, IvnId};
use crate::state::IvnState;

pub(super) struct Replayed {
    pub(super) log: VerifiedLog,
    /// Entries of the outbox that are already in the log.
    pub(super) arrived: BTreeSet<EntryId>,
}

/// Rebuilds the log from stored entries, and checks it against what this node cosigned.
pub(super) fn replay(
    ivn: IvnId,
    saved: &Saved,
    outbox: &[Entry],
    trusted: Option<&PublicKey>,
) -> Result<Replayed, RestoreError> {
    let (genesis, rest) = saved.entries.split_first().ok_or(RestoreError::Genesis)?;
    let entry = Entry::from_bytes(genesis).map_err(|_| RestoreError::Genesis)?;
    let mut state = IvnState::found(&entry).map_err(|_| RestoreError::Genesis)?;
    if state.ivn() != ivn {
        return Err(RestoreError::Genesis);
    }
    let cosigned: Option<SignedCheckpoint> = saved
        .cosigned
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|_| RestoreError::Cosigned)?;
    let waiting: BTreeSet<EntryId> = outbox.iter().map(Entry::id).collect();
    let mut arrived = BTreeSet::new();
    let mut tree = MemoryTree::default();
    tree.append(leaf_hash(genesis));
    let mut seen = cosigned.is_none();
    let mut check = |tree: &MemoryTree| {
        if let Some(checkpoint) = &cosigned
            && checkpoint.unverified().size() == tree.size()
        {
            seen = checkpoint.unverified().head() == tree.head();
        }
    };
    check(&tree);
    for bytes in rest {
        let damaged = RestoreError::Entry { index: tree.size() };
        let entry = Entry::from_bytes(bytes).map_err(|_| damaged)?;
        state.apply(&entry).map_err(|_| damaged)?;
        if waiting.contains(&entry.id()) {
            arrived.insert(entry.id());
        }
        tree.append(leaf_hash(bytes));
        check(&tree);
    }
    if !seen {
        return Err(RestoreError::Cosigned);
    }
    let verifier = state.log_verifier().ok_or(RestoreError::LogKey)?;
    let trusted = trusted.unwrap_or(&state.genesis().log_key);
    let trusted = state.log_verifier_of(trusted).ok_or(RestoreError::LogKey)?;
    let cosigned = match cosigned {
        Some(checkpoint) => Some(verify(&checkpoint, &state).ok_or(RestoreError::Cosigned)?),
        None => None,
    };
    Ok(Replayed { log: VerifiedLog::new(state, tree, verifier, trusted, cosigned), arrived })
}

/// Verifies a checkpoint by one of the coordinators that the log has had. The node may have
/// cosigned it before the latest one was replaced.
fn verify(checkpoint: &SignedCheckpoint, state: &IvnState) -> Option<VerifiedCheckpoint> {
    let verifiers = state.log_verifiers();
    verifiers.iter().rev().find_map(|log| checkpoint.clone().verify(log).ok())
}
