//! Disks: what is left when a process dies. Made from `Persist` and `Append` effects, and from nothing else.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::effect::{CoordinatorChange, NodeChange};
use quorate_ceremony::names::{AccountName, EntryId, SessionId};
use quorate_ceremony::node::Saved;
use quorate_protocol::keys::KeyPackage;

/// A node's.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeDisk {
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) cosigned: Option<(String, u64)>,
    pub(crate) misbehaviour: Vec<String>,
    pub(crate) unexplained: Vec<String>,
    pub(crate) refused: BTreeSet<EntryId>,
    pub(crate) outbox: Vec<(EntryId, Vec<u8>)>,
    pub(crate) packages: BTreeMap<SessionId, Vec<u8>>,
    pub(crate) sessions: BTreeMap<SessionId, bool>,
}

impl NodeDisk {
    /// # Panics
    ///
    /// If the real store refuses it, which ends a node's process.
    pub(crate) fn write(&mut self, change: &NodeChange) {
        match change {
            NodeChange::Entries { entries, .. } => self.entries.extend(entries.iter().cloned()),
            NodeChange::Cosigned { checkpoint, size } => {
                self.cosigned = Some((checkpoint.clone(), *size));
            }
            NodeChange::Misbehaviour(proof) => self.misbehaviour.push(proof.to_json()),
            NodeChange::Unexplained(note) => self.unexplained.push(note.clone()),
            NodeChange::Explained(note) => self.unexplained.retain(|kept| kept != note),
            NodeChange::Refused(request) => {
                self.refused.insert(*request);
            }
            NodeChange::OutboxAdd(entry) => self.outbox.push((entry.id(), entry.to_bytes())),
            NodeChange::OutboxRemove(id) => self.outbox.retain(|(entry, _)| entry != id),
            NodeChange::KeyPackage { session, package } => {
                let before = self.packages.insert(*session, package.to_bytes().to_vec());
                assert!(before.is_none(), "the package of session {session} is there already");
            }
            NodeChange::ShareDestroyed(session) => {
                self.packages.remove(session);
            }
            NodeChange::Committed(session) => {
                let before = self.sessions.insert(*session, false);
                assert!(before.is_none(), "session {session} was begun before");
            }
            NodeChange::Released(session) => {
                let before = self.sessions.insert(*session, true);
                assert_eq!(before, Some(false), "session {session} released");
            }
        }
    }

    /// What a process finds when it starts. `None` if a package can not be read.
    pub(crate) fn saved(&self) -> Option<Saved> {
        let mut packages = BTreeMap::new();
        for (session, bytes) in &self.packages {
            packages.insert(*session, KeyPackage::from_bytes(bytes).ok()?);
        }
        Some(Saved {
            entries: self.entries.clone(),
            cosigned: self.cosigned.as_ref().map(|(note, _)| note.clone()),
            misbehaviour: self.misbehaviour.clone(),
            unexplained: self.unexplained.clone(),
            refused: self.refused.clone(),
            outbox: self.outbox.iter().map(|(_, bytes)| bytes.clone()).collect(),
            packages,
            sessions: self.sessions.clone(),
        })
    }

    pub(crate) fn holds(&self, id: EntryId) -> bool {
        self.outbox.iter().any(|(entry, _)| *entry == id)
    }
}

/// The coordinator's.
#[derive(Clone, Debug, Default)]
pub(crate) struct CoordinatorDisk {
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) checkpoint: Option<(String, u64)>,
    pub(crate) cosignatures: BTreeMap<AccountName, (u64, String)>,
}

impl CoordinatorDisk {
    pub(crate) fn write(&mut self, change: &CoordinatorChange) {
        match change {
            CoordinatorChange::Checkpoint { note, size } => {
                self.checkpoint = Some((note.clone(), *size));
            }
            CoordinatorChange::Cosignature { account, size, line } => {
                self.cosignatures.insert(account.clone(), (*size, line.clone()));
            }
        }
    }
}
