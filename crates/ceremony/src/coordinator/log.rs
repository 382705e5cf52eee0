//! The coordinator's log: the order of entries, their tree, its checkpoints, and the cosignatures.
//!
//! - Upon an admitted entry: append it to the tree.
//! - Upon a seal: sign one checkpoint for all entries since the last one.
//! - Upon a cosignature: add it to the checkpoint, and check whether it completes a confirmation by
//!   the previous members of a group.

use std::collections::{BTreeMap, HashMap};

use quorate_log::checkpoint::{CosignerSet, SignedCheckpoint, VerifiedCheckpoint};
use quorate_log::key::{CosignerVerifier, LogSigner, Seed};
use quorate_log::leaf_hash;
use quorate_log::note::NoteSignature;
use quorate_log::tree::{Frontier, TreeHead};

use super::input::{Call, CoordinatorSecrets};
use crate::effect::{CoordinatorChange, CoordinatorEffect};
use crate::entry::{Body, Entry};
use crate::identity::cosigner_verifier;
use crate::names::{AccountName, EntryId};
use crate::state::{Event, IvnState, Refusal};

/// The most entries that a node gets before a checkpoint that confirms them. Nodes hold at most
/// [`crate::node::MAX_STAGED`] unconfirmed entries.
#[cfg(not(test))]
const STRETCH: u64 = 20_000;
#[cfg(test)]
pub(super) const STRETCH: u64 = 8;
/// How many recent checkpoints are kept to verify cosignatures.
const REMEMBERED_CHECKPOINTS: usize = 256;

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum RestoreError {
    #[error("entry {index} of the stored log is damaged")]
    Entry { index: u64 },
    /// The stored log is not that of the last signed checkpoint. A checkpoint of a different log
    /// would be a fork.
    #[error(
        "the stored log is not the one that the last checkpoint was signed for; it was changed or restored from an old copy"
    )]
    Checkpoint,
    #[error("the coordinator's keys are not those that this log names")]
    Keys,
    /// The log cannot reach a checkpoint that its own key signed.
    #[error(
        "the stored log does not fit a checkpoint that it has to reach; it was changed, or the checkpoint belongs to another log"
    )]
    Required,
}

pub(super) struct Log {
    signer: LogSigner,
    state: IvnState,
    frontier: Frontier,
    /// The tree after every [`STRETCH`] entries.
    milestones: Vec<TreeHead>,
    /// The index of each entry, so that an entry that is submitted again is not appended again.
    index: HashMap<EntryId, u64>,
    checkpoint: Option<VerifiedCheckpoint>,
    recent: BTreeMap<u64, VerifiedCheckpoint>,
    /// The size of the latest tree that each node cosigned.
    cosigned: BTreeMap<AccountName, u64>,
}

impl Log {
    pub(super) fn restore(
        secrets: &CoordinatorSecrets,
        entries: impl IntoIterator<Item = Vec<u8>>,
        checkpoint: Option<&str>,
    ) -> Result<Self, RestoreError> {
        let mut entries = entries.into_iter();
        let damaged = |index| RestoreError::Entry { index };
        let genesis = entries.next().ok_or(damaged(0))?;
        let entry = Entry::from_bytes(&genesis).map_err(|_| damaged(0))?;
        let state = IvnState::found(&entry).map_err(|_| damaged(0))?;
        let origin = state.origin().parse().map_err(|_| RestoreError::Keys)?;
        let signer = LogSigner::new(origin, Seed::new(Box::new(*secrets.log.seed())));
        let checkpoint = match checkpoint {
            Some(note) => {
                let verified = VerifiedCheckpoint::from_note(note, signer.verifier());
                Some(verified.map_err(|_| RestoreError::Checkpoint)?)
            }
            None => None,
        };
        let mut log = Self {
            signer,
            state,
            frontier: Frontier::default(),
            milestones: Vec::new(),
            index: HashMap::from([(entry.id(), 0)]),
            recent: checkpoint.iter().map(|c| (c.head().size, c.clone())).collect(),
            checkpoint,
            cosigned: BTreeMap::new(),
        };
        log.frontier.append(leaf_hash(&genesis));
        let mut confirmed = log.checkpoint.is_none();
        loop {
            if let Some(checkpoint) = &log.checkpoint
                && checkpoint.head().size == log.frontier.size()
            {
                confirmed = checkpoint.head() == log.frontier.head();
            }
            let Some(bytes) = entries.next() else { break };
            let index = log.frontier.size();
            let entry = Entry::from_bytes(&bytes).map_err(|_| damaged(index))?;
            log.state.apply(&entry).map_err(|_| damaged(index))?;
            log.append(entry.id(), &bytes);
        }
        let named = log.state.coordinator();
        if (named.log_key, named.coordinator_key)
            != (secrets.log.public(), secrets.identity.public())
        {
            return Err(RestoreError::Keys);
        }
        if !confirmed {
            return Err(RestoreError::Checkpoint);
        }
        Ok(log)
    }

    /// Returns the checkpoint of a note if this log's key signed it and the log lacks entries that
    /// it covers. Other signatures in the note are dropped, because the node that showed it may
    /// have made them up.
    pub(super) fn lacking(&self, note: &str) -> Option<VerifiedCheckpoint> {
        let shown: SignedCheckpoint = note.parse().ok()?;
        // Nearly every hello shows what the log has, so this comes before the signature.
        if shown.unverified().size() <= self.state.size() {
            return None;
        }
        let shown = shown.verify(self.signer.verifier()).ok()?;
        Some(self.signer.sign(shown.head()))
    }

    /// Returns a checkpoint that this log's key signed, of more entries than the log has or of the
    /// same ones.
    pub(super) fn known(&self, note: &str) -> Option<VerifiedCheckpoint> {
        let shown = VerifiedCheckpoint::from_note(note, self.signer.verifier()).ok()?;
        let head = shown.head();
        let fits = head.size != self.frontier.size() || head == self.frontier.head();
        fits.then(|| self.signer.sign(head))
    }

    pub(super) fn extension(&self) -> Extension {
        Extension {
            state: self.state.clone(),
            frontier: self.frontier.clone(),
            entries: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Takes over entries that make the tree of a checkpoint which this log's key signed.
    pub(super) fn take_over(
        &mut self,
        taken: Extension,
        checkpoint: VerifiedCheckpoint,
        call: &mut Call<'_>,
    ) -> Vec<Event> {
        self.state = taken.state;
        for (entry, bytes) in taken.entries {
            let index = self.append(entry.id(), &bytes);
            call.push(CoordinatorEffect::Append { index, entry });
        }
        self.keep(checkpoint, call);
        taken.events
    }

    pub(super) fn state(&self) -> &IvnState {
        &self.state
    }

    pub(super) fn index_of(&self, entry: EntryId) -> Option<u64> {
        self.index.get(&entry).copied()
    }

    pub(super) fn admit(
        &mut self,
        entry: &Entry,
        bytes: &[u8],
    ) -> Result<(u64, Vec<Event>), Refusal> {
        let events = self.state.apply(entry)?;
        Ok((self.append(entry.id(), bytes), events))
    }

    fn append(&mut self, id: EntryId, bytes: &[u8]) -> u64 {
        let index = self.frontier.size();
        self.frontier.append(leaf_hash(bytes));
        if self.frontier.size().is_multiple_of(STRETCH) {
            self.milestones.push(self.frontier.head());
        }
        self.index.insert(id, index);
        index
    }

    /// Signs a checkpoint for all appended entries, unless there is one.
    pub(super) fn seal(&mut self, call: &mut Call<'_>) {
        let end = self.state.size();
        if self.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.head().size >= end) {
            return;
        }
        self.keep(self.signer.sign(self.frontier.head()), call);
    }

    /// Keeps a checkpoint of all entries.
    fn keep(&mut self, checkpoint: VerifiedCheckpoint, call: &mut Call<'_>) {
        let (note, size) = (checkpoint.to_string(), checkpoint.head().size);
        call.persist(CoordinatorChange::Checkpoint { note, size });
        self.recent.insert(size, checkpoint.clone());
        while self.recent.len() > REMEMBERED_CHECKPOINTS {
            self.recent.pop_first();
        }
        self.checkpoint = Some(checkpoint);
    }

    /// Sends an account's node all entries from `first` on, or at least a checkpoint. Returns the
    /// end of the sent range.
    pub(super) fn send(
        &self,
        account: &AccountName,
        first: u64,
        call: &mut Call<'_>,
    ) -> Option<u64> {
        let end = self.state.size();
        let last = self.checkpoint.as_ref()?.to_string();
        let mut send = |first, end, checkpoint| {
            let to = account.clone();
            call.push(CoordinatorEffect::SendLog { to, first, end, checkpoint });
        };
        let mut first = first;
        while let Some((end, checkpoint)) = self.milestone_after(first, end) {
            send(first, end, checkpoint);
            first = end;
        }
        send(first, end, last);
        Some(end)
    }

    /// The end of the stretch of entries from `first` on, and a checkpoint of the tree at that
    /// size. `None` if there is no checkpoint.
    pub(super) fn stretch(&self, first: u64) -> Option<(u64, String)> {
        let latest = self.checkpoint.as_ref()?;
        let end = latest.head().size;
        Some(self.milestone_after(first, end).unwrap_or_else(|| (end, latest.to_string())))
    }

    /// The first size between `first` and `end` at which an intermediate checkpoint is sent, and
    /// that checkpoint.
    fn milestone_after(&self, first: u64, end: u64) -> Option<(u64, String)> {
        let next = self.milestones.partition_point(|head| head.size <= first);
        let head = self.milestones.get(next).filter(|head| head.size < end)?;
        Some((head.size, self.signer.sign(*head).to_string()))
    }

    /// Adds a cosignature. Returns the confirmations by previous members that the coordinator can
    /// now log.
    pub(super) fn cosigned(
        &mut self,
        account: &AccountName,
        size: u64,
        line: &str,
        call: &mut Call<'_>,
    ) -> Vec<Body> {
        let cosigner = self.cosigner(account);
        let (Some(cosigner), Some(checkpoint)) = (cosigner, self.recent.get_mut(&size)) else {
            return Vec::new();
        };
        let (Ok(signature), Ok(set)) =
            (line.parse::<NoteSignature>(), CosignerSet::new([cosigner]))
        else {
            return Vec::new();
        };
        let fresh = self.cosigned.get(account).is_none_or(|latest| *latest < size);
        if !fresh || checkpoint.add_cosignature(&set, signature).is_err() {
            return Vec::new();
        }
        self.cosigned.insert(account.clone(), size);
        let (account, line) = (account.clone(), line.to_owned());
        call.persist(CoordinatorChange::Cosignature { account: account.clone(), size, line });
        self.confirmations(&account, size)
    }

    /// The confirmations for which this checkpoint now has enough cosignatures of previous members,
    /// the latest by `cosigner`.
    fn confirmations(&self, cosigner: &AccountName, size: u64) -> Vec<Body> {
        let Some(checkpoint) = self.recent.get(&size) else { return Vec::new() };
        let origin = self.state.origin();
        let shown = self.state.groups().values().flat_map(|group| {
            let waiting = group.confirmations.iter().filter(|it| it.waits_for(cosigner, size));
            waiting.filter_map(|confirmation| {
                let checkpoint = confirmation.excerpt(&origin, checkpoint)?;
                let (group, epoch) = (group.definition.name.clone(), confirmation.epoch);
                Some(Body::ChangeConfirmed { group, epoch, checkpoint })
            })
        });
        shown.collect()
    }

    fn cosigner(&self, account: &AccountName) -> Option<CosignerVerifier> {
        let account_of = self.state.accounts().get(account).filter(|account| !account.suspended);
        cosigner_verifier(&self.state.origin(), account, &account_of?.keys.cosigner)
    }

    pub(super) fn cosigned_sizes(&self) -> &BTreeMap<AccountName, u64> {
        &self.cosigned
    }

    pub(super) fn published(&self) -> Option<&VerifiedCheckpoint> {
        self.recent.last_key_value().map(|(_, checkpoint)| checkpoint)
    }
}

/// Entries that may follow those of the log: the rules admit each of them.
pub(super) struct Extension {
    state: IvnState,
    frontier: Frontier,
    entries: Vec<(Entry, Vec<u8>)>,
    events: Vec<Event>,
}

impl Extension {
    /// Adds an entry. Returns whether the rules admit it.
    pub(super) fn admit(&mut self, bytes: Vec<u8>) -> bool {
        let Ok(entry) = Entry::from_bytes(&bytes) else { return false };
        let Ok(events) = self.state.apply(&entry) else { return false };
        self.frontier.append(leaf_hash(&bytes));
        self.events.extend(events);
        self.entries.push((entry, bytes));
        true
    }

    /// The number of entries of the log with these.
    pub(super) fn size(&self) -> u64 {
        self.state.size()
    }

    pub(super) fn head(&self) -> TreeHead {
        self.frontier.head()
    }
}
