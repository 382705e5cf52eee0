//! The data that a node keeps on its disk, and the changes to it.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::keys::KeyPackage;

use crate::effect::NodeChange;
use crate::entry::Entry;
use crate::names::{EntryId, SessionId};

/// The data that a node finds on its disk when it starts.
///
/// `P` is the form of its shares: key packages for a machine, sealed bytes for a database.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Saved<P = KeyPackage> {
    /// The log from the genesis on, as far as the node has it.
    pub entries: Vec<Vec<u8>>,
    pub cosigned: Option<String>,
    /// Proof of the coordinator's misbehaviour, the oldest first, in the form of
    /// [`Misbehaviour::to_json`](crate::misbehaviour::Misbehaviour::to_json).
    pub misbehaviour: Vec<String>,
    /// Checkpoints that do not fit the log that the node has.
    pub unexplained: Vec<String>,
    pub refused: BTreeSet<EntryId>,
    /// Entries that may not have reached the log, the oldest first.
    pub outbox: Vec<Vec<u8>>,
    /// The node's shares, by the session that made them.
    pub packages: BTreeMap<SessionId, P>,
    /// Sessions that the node took part in, and whether it released a signature share.
    pub sessions: BTreeMap<SessionId, bool>,
}

/// Why a change does not fit the stored data. Nothing is changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ChangeError {
    #[error("the entries do not follow the log")]
    EntryOutOfOrder,
    #[error("the session has a key package already")]
    KeyPackageExists,
    #[error("the node has already begun this session")]
    AlreadyCommitted,
    #[error("the node never began this session")]
    NeverCommitted,
    #[error("the node has already released its signature share")]
    AlreadyReleased,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the names say it")]
pub enum RestoreError {
    /// The genesis is missing, or belongs to a different IVN.
    #[error("the stored log does not start with the genesis of this IVN")]
    Genesis,
    #[error("entry {index} of the stored log is damaged")]
    Entry { index: u64 },
    #[error(
        "the stored log is not the one that this node cosigned: the database was changed or restored from elsewhere"
    )]
    Cosigned,
    #[error("the genesis names a log key that cannot be used")]
    LogKey,
    #[error("an entry that waits to be sent is damaged")]
    Outbox,
    #[error("the proof of the coordinator's misbehaviour that this node stored is damaged")]
    Misbehaviour,
}

impl<P> Default for Saved<P> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            cosigned: None,
            misbehaviour: Vec::new(),
            unexplained: Vec::new(),
            refused: BTreeSet::new(),
            outbox: Vec::new(),
            packages: BTreeMap::new(),
            sessions: BTreeMap::new(),
        }
    }
}

impl<P> Saved<P> {
    /// Opens every share with `open`.
    ///
    /// # Errors
    ///
    /// Returns the first error of `open`.
    pub fn open<E>(
        self,
        mut open: impl FnMut(SessionId, P) -> Result<KeyPackage, E>,
    ) -> Result<Saved, E> {
        let packages = self.packages.into_iter();
        Ok(Saved {
            packages: packages
                .map(|(session, package)| Ok((session, open(session, package)?)))
                .collect::<Result<_, E>>()?,
            entries: self.entries,
            cosigned: self.cosigned,
            misbehaviour: self.misbehaviour,
            unexplained: self.unexplained,
            refused: self.refused,
            outbox: self.outbox,
            sessions: self.sessions,
        })
    }

    /// Applies one change, as a node's database does. `seal` turns a new share into its stored
    /// form.
    ///
    /// # Errors
    ///
    /// Fails if the change contradicts the stored data.
    pub fn apply(
        &mut self,
        change: &NodeChange,
        seal: impl FnOnce(&KeyPackage) -> P,
    ) -> Result<(), ChangeError> {
        match change {
            NodeChange::Entries { first, entries } => {
                if *first != self.entries.len() as u64 {
                    return Err(ChangeError::EntryOutOfOrder);
                }
                self.entries.extend(entries.iter().cloned());
            }
            NodeChange::Cosigned { checkpoint, .. } => self.cosigned = Some(checkpoint.clone()),
            NodeChange::Misbehaviour(proof) => add(&mut self.misbehaviour, proof.to_json()),
            NodeChange::Unexplained(note) => add(&mut self.unexplained, note.clone()),
            NodeChange::Explained(note) => self.unexplained.retain(|kept| kept != note),
            NodeChange::Refused(request) => {
                self.refused.insert(*request);
            }
            NodeChange::OutboxAdd(entry) => add(&mut self.outbox, entry.to_bytes()),
            NodeChange::OutboxRemove(id) => self
                .outbox
                .retain(|bytes| Entry::from_bytes(bytes).map_or(true, |entry| entry.id() != *id)),
            NodeChange::KeyPackage { session, package } => {
                if self.packages.contains_key(session) {
                    return Err(ChangeError::KeyPackageExists);
                }
                self.packages.insert(*session, seal(package));
            }
            NodeChange::ShareDestroyed(session) => {
                self.packages.remove(session);
            }
            NodeChange::Committed(session) => {
                if self.sessions.contains_key(session) {
                    return Err(ChangeError::AlreadyCommitted);
                }
                self.sessions.insert(*session, false);
            }
            NodeChange::Released(session) => match self.sessions.get_mut(session) {
                None => return Err(ChangeError::NeverCommitted),
                Some(true) => return Err(ChangeError::AlreadyReleased),
                Some(released) => *released = true,
            },
        }
        Ok(())
    }
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}
