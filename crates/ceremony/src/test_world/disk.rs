//! Disks: the data that remains when a process dies. Only `Persist` and `Append` effects change
//! them.

use std::collections::BTreeMap;

use quorate_log::checkpoint::SignedCheckpoint;
use quorate_protocol::keys::KeyPackage;

use crate::effect::{CoordinatorChange, NodeChange};
use crate::entry::Entry;
use crate::names::{AccountName, EntryId};
use crate::node::{ChangeError, Saved};

/// A node's disk, with its shares as bytes.
pub type NodeDisk = Saved<Vec<u8>>;

impl NodeDisk {
    pub fn new(genesis: Vec<u8>) -> Self {
        Self { entries: vec![genesis], ..Self::default() }
    }

    pub fn write(&mut self, change: &NodeChange) -> Result<(), ChangeError> {
        self.apply(change, |package| package.to_bytes().to_vec())
    }

    /// The data that a process finds when it starts. `None` if a package cannot be read.
    pub fn saved(&self) -> Option<Saved> {
        self.clone().open(|_, bytes| KeyPackage::from_bytes(&bytes)).ok()
    }

    /// Whether this statement waits in the outbox.
    pub fn holds(&self, id: EntryId) -> bool {
        let mut waiting = self.outbox.iter().filter_map(|bytes| Entry::from_bytes(bytes).ok());
        waiting.any(|entry| entry.id() == id)
    }

    pub fn cosigned_size(&self) -> u64 {
        let checkpoint = self.cosigned.as_ref().and_then(|note| note.parse().ok());
        checkpoint.map_or(0, |checkpoint: SignedCheckpoint| checkpoint.unverified().size())
    }
}

#[derive(Clone, Debug, Default)]
pub struct CoordinatorDisk {
    pub entries: Vec<Vec<u8>>,
    pub checkpoint: Option<(String, u64)>,
    /// The latest cosignature of each account, with the size of the tree.
    pub cosignatures: BTreeMap<AccountName, (u64, String)>,
}

impl CoordinatorDisk {
    pub fn new(entries: Vec<Vec<u8>>) -> Self {
        Self { entries, ..Self::default() }
    }

    pub fn write(&mut self, change: &CoordinatorChange) {
        match change {
            CoordinatorChange::Checkpoint { note, size } => {
                self.checkpoint = Some((note.clone(), *size));
            }
            CoordinatorChange::Cosignature { account, size, line } => {
                self.cosignatures.insert(account.clone(), (*size, line.clone()));
            }
        }
    }

    pub fn stored(&self, first: u64, end: u64) -> Option<&[Vec<u8>]> {
        self.entries.get(usize::try_from(first).ok()?..usize::try_from(end).ok()?)
    }
}
