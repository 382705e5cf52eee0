//! Following the log: entries are believed only under a checkpoint whose root this node recomputed.

use std::collections::BTreeSet;

use quorate_log::checkpoint::{CheckpointError, SignedCheckpoint, VerifiedCheckpoint};
use quorate_log::key::LogVerifier;
use quorate_log::leaf_hash;
use quorate_log::tree::{Frontier, MemoryTree, head_at};
use rand_core::CryptoRngCore;

use super::contradiction::{Bad, Contradiction};
use super::{Node, RestoreError, Saved};
use crate::dsse::EntryError;
use crate::effect::{NodeChange, NodeEffect};
use crate::encoding::Base64;
use crate::entry::{Author, Entry};
use crate::message::FromNode;
use crate::misbehaviour::is_false_signature;
use crate::names::{EntryId, GroupName, IvnId, Timestamp};
use crate::state::{Event, IvnState};
use crate::statement::Body;

/// The most entries that wait for their checkpoint. A coordinator that sends more without one only wastes memory.
pub const MAX_STAGED: usize = 100_000;

/// An entry that waits for its checkpoint.
#[derive(Debug)]
pub(super) struct Staged {
    bytes: Vec<u8>,
    /// What it says; if it is malformed, that is held against the coordinator when a checkpoint covers it.
    entry: Result<Entry, EntryError>,
}

/// The latest verified checkpoint, with this node's cosignature.
#[derive(Clone, Debug)]
pub(super) struct Cosigned {
    pub(super) checkpoint: VerifiedCheckpoint,
    note: String,
    line: Option<String>,
}

impl Cosigned {
    pub(super) fn note(&self) -> &str {
        &self.note
    }

    /// Size and cosignature line, for a message; none in this process yet if it has just started.
    pub(super) fn cosignature(&self) -> Option<(u64, String)> {
        Some((self.checkpoint.head().size, self.line.clone()?))
    }
}

/// What replaying the stored log gives.
pub(super) struct Replayed {
    pub(super) state: IvnState,
    pub(super) tree: MemoryTree,
    pub(super) log_verifier: LogVerifier,
    pub(super) cosigned: Option<Cosigned>,
    /// Entries of the outbox that are in the log, so that they need not be sent any more.
    pub(super) arrived: BTreeSet<EntryId>,
}

/// Rebuilds the state from stored entries, and checks them against what this node cosigned.
pub(super) fn replay(
    ivn: IvnId,
    saved: &Saved,
    outbox: &[Entry],
) -> Result<Replayed, RestoreError> {
    let (genesis, rest) = saved.entries.split_first().ok_or(RestoreError::Genesis)?;
    let entry = Entry::from_bytes(genesis).map_err(|_| RestoreError::Genesis)?;
    let mut state = IvnState::found(&entry).map_err(|_| RestoreError::Genesis)?;
    if state.ivn() != ivn {
        return Err(RestoreError::Genesis);
    }
    let log_verifier = log_verifier(&state).ok_or(RestoreError::LogKey)?;
    let cosigned = match &saved.cosigned {
        Some(note) => {
            Some(verified_checkpoint(note, &log_verifier).map_err(|_| RestoreError::Cosigned)?)
        }
        None => None,
    };
    let waiting: BTreeSet<EntryId> = outbox.iter().map(Entry::id).collect();
    let mut arrived = BTreeSet::new();
    let mut tree = MemoryTree::default();
    tree.append(leaf_hash(genesis));
    let mut seen = cosigned.is_none();
    let mut check = |tree: &MemoryTree| {
        if let Some(checkpoint) = &cosigned
            && checkpoint.head().size == tree.size()
        {
            seen = checkpoint.head() == tree.head();
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
    let cosigned = cosigned.map(Cosigned::remembered);
    Ok(Replayed { state, tree, log_verifier, cosigned, arrived })
}

impl Cosigned {
    /// From disk. The cosignature itself is not stored: the coordinator shows its checkpoint on each connection, and
    /// that one gets a new one.
    fn remembered(checkpoint: VerifiedCheckpoint) -> Self {
        let note = checkpoint.to_string();
        Self { checkpoint, note, line: None }
    }
}

/// A checkpoint that the log's key signed.
pub(super) fn verified_checkpoint(
    note: &str,
    verifier: &LogVerifier,
) -> Result<VerifiedCheckpoint, CheckpointError> {
    note.parse::<SignedCheckpoint>()?.verify(verifier)
}

/// The verifier of the log's checkpoints, from the genesis.
fn log_verifier(state: &IvnState) -> Option<LogVerifier> {
    LogVerifier::new(state.origin().parse().ok()?, &state.genesis().log_key.0).ok()
}

impl Node {
    pub(super) fn follow(
        &mut self,
        first: u64,
        entries: Vec<Base64>,
        checkpoint: Option<String>,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<NodeEffect>,
    ) {
        if self.frozen() {
            return;
        }
        let held = self.state.size().saturating_add(self.staged.len() as u64);
        let Some(skip) = held.checked_sub(first) else {
            // Entries between are missing: say again from where.
            out.push(NodeEffect::Disconnect);
            return;
        };
        for Base64(bytes) in entries.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)) {
            if self.staged.len() >= MAX_STAGED {
                self.hang_up(out);
                return;
            }
            let entry = Entry::from_bytes(&bytes);
            self.staged.push(Staged { bytes, entry });
        }
        if let Some(note) = checkpoint {
            self.checkpointed(&note, now, rng, out);
        }
    }

    /// What came over this connection can not be used.
    fn hang_up(&mut self, out: &mut Vec<NodeEffect>) {
        self.staged.clear();
        out.push(NodeEffect::Disconnect);
    }

    /// A checkpoint: if it is of exactly the tree that the entries make, they are believed.
    fn checkpointed(
        &mut self,
        note: &str,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<NodeEffect>,
    ) {
        // On every connection the coordinator shows the latest checkpoint, which is often the one that it showed before.
        let known = self.cosigned.as_ref().filter(|cosigned| cosigned.note == note);
        let checkpoint = match known {
            Some(cosigned) => Ok(cosigned.checkpoint.clone()),
            None => verified_checkpoint(note, &self.log_verifier),
        };
        let Ok(checkpoint) = checkpoint else { return self.hang_up(out) };
        let shown = checkpoint.head();
        if shown.size < self.tree.size() {
            if head_at(&self.tree, shown.size).ok() != Some(shown) {
                self.contradicted(checkpoint, out);
            } else if !self.greeted {
                // One that a newer overtook says nothing. As the first on a connection, it is the coordinator's answer
                // to how many entries this node has: then the coordinator lost some.
                self.trouble = Some(Contradiction::Behind { size: shown.size });
            }
            return;
        }
        let Ok(mut frontier) = Frontier::load(&self.tree, self.tree.size()) else { return };
        let covered = shown.size.saturating_sub(self.tree.size());
        let covered = usize::try_from(covered).unwrap_or(usize::MAX);
        let Some(covered_entries) = self.staged.get(..covered) else {
            // Entries between are missing: say again from where.
            return self.hang_up(out);
        };
        covered_entries.iter().for_each(|staged| frontier.append(leaf_hash(&staged.bytes)));
        if shown != frontier.head() {
            self.contradicted(checkpoint, out);
            return self.hang_up(out);
        }
        if covered == self.staged.len() {
            self.greeted = true;
            self.believe(checkpoint, note, now, rng, out);
        }
    }

    /// Takes in the staged entries, which are those of this checkpoint.
    fn believe(
        &mut self,
        checkpoint: VerifiedCheckpoint,
        note: &str,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<NodeEffect>,
    ) {
        let first = self.state.size();
        let mut touched = Touched::default();
        let mut ours = Vec::new();
        let mut admitted = Vec::new();
        let mut handed_over = Vec::new();
        let mut staged = std::mem::take(&mut self.staged).into_iter();
        let mut bad = None;
        for (index, Staged { bytes, entry }) in (first..).zip(&mut staged) {
            match self.admit(entry) {
                Ok((entry, events)) => {
                    touched.note(events);
                    if let Body::HandedOver { checkpoint, .. } = &entry.statement().body {
                        handed_over
                            .extend(verified_checkpoint(checkpoint, &self.log_verifier).ok());
                    }
                    if entry.statement().author == Author::Account(self.account.clone()) {
                        ours.push((entry.id(), index));
                        if let Body::NodeStarted { incarnation } = &entry.statement().body {
                            self.note_start(*incarnation);
                        }
                    }
                    admitted.push(bytes);
                }
                Err(found) => {
                    bad = Some((index, bytes, found));
                    break;
                }
            }
        }
        // What came before a bad entry is under the checkpoint and admissible: it stays, so that state, tree and disk
        // agree, and the proof says against what the entry was judged.
        admitted.iter().for_each(|bytes| self.tree.append(leaf_hash(bytes)));
        // The fold does not know the tree. Before the entries are durable, because they are looked at once.
        let is_ours = |theirs: &VerifiedCheckpoint| {
            head_at(&self.tree, theirs.head().size).is_ok_and(|ours| ours == theirs.head())
        };
        if let Some(theirs) = handed_over.into_iter().find(|theirs| !is_ours(theirs)) {
            self.prove_fork(&checkpoint, &theirs, out);
        }
        if !admitted.is_empty() {
            out.push(NodeEffect::Persist(NodeChange::Entries { first, entries: admitted }));
        }
        if let Some((index, bytes, found)) = bad {
            let rest: Vec<Vec<u8>> = staged.map(|staged| staged.bytes).collect();
            self.accuse_entry(&checkpoint, index, bytes, &rest, found, out);
        } else if !self.frozen() && !self.unmask(&checkpoint, out) {
            self.cosign(checkpoint, note, now, out);
        }
        for (id, index) in ours {
            self.arrived(id, index, out);
        }
        if self.frozen() {
            return;
        }
        self.settle_disputes(out);
        self.reconcile(touched, now, rng, out);
    }

    /// Applies an entry, if the log's rules admit it and no signature in it is known to be false.
    fn admit(&mut self, entry: Result<Entry, EntryError>) -> Result<(Entry, Vec<Event>), Bad> {
        let entry = entry.map_err(|error| Bad::Inadmissible(error.into()))?;
        if let Body::Signature { request, .. } = &entry.statement().body
            && let Some(message) = self.documents.get(request)
            && is_false_signature(&self.state, &entry, message)
        {
            // It is the coordinator's own statement. The rules come first, because to see that they are broken takes no
            // document.
            let request = *request;
            return Err(match self.state.clone().apply(&entry) {
                Err(reason) => Bad::Inadmissible(reason),
                Ok(_) => Bad::FalseSignature(request),
            });
        }
        let events = self.state.apply(&entry).map_err(Bad::Inadmissible)?;
        Ok((entry, events))
    }

    /// Checkpoint durable first: the node never cosigns a smaller or another tree after this.
    fn cosign(
        &mut self,
        checkpoint: VerifiedCheckpoint,
        note: &str,
        now: Timestamp,
        out: &mut Vec<NodeEffect>,
    ) {
        let Ok(time) = now.seconds().try_into() else { return };
        let size = checkpoint.head().size;
        out.push(NodeEffect::Persist(NodeChange::Cosigned { checkpoint: note.to_owned(), size }));
        let line =
            (!self.is_doubled()).then(|| self.cosigner.cosign(&checkpoint, time).to_string());
        if let Some(cosignature) = line.clone() {
            out.push(NodeEffect::Send(FromNode::Cosign { size, cosignature }));
        }
        self.cosigned = Some(Cosigned { checkpoint, note: note.to_owned(), line });
    }

    /// Looks at everything: after a start.
    pub(super) fn reconcile_all(
        &mut self,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<NodeEffect>,
    ) {
        let touched = Touched {
            groups: self.state.groups().keys().cloned().collect(),
            requests: self.state.requests().keys().copied().collect(),
            epochs: BTreeSet::new(),
            started: false,
            accounts: false,
            upkeep: true,
        };
        self.reconcile(touched, now, rng, out);
    }

    /// Does what the state of the groups and requests that changed asks of this node. Works from the state, not from
    /// the events, so that catching up with a thousand entries does no more than is still needed.
    fn reconcile(
        &mut self,
        touched: Touched,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<NodeEffect>,
    ) {
        self.drop_sessions_of_groups(&touched.epochs);
        // The start of an earlier process of this node may have come into the log after this one's.
        if touched.accounts || touched.started {
            self.announce_process(now, out);
        }
        self.look_for_copies(now, out);
        let upkeep = touched.upkeep || touched.started;
        // Sessions may have waited for our own announcement.
        let groups: Vec<GroupName> = if touched.started {
            self.state.groups().keys().cloned().collect()
        } else {
            touched.groups.into_iter().collect()
        };
        for name in groups {
            self.reconcile_group(&name, now, rng, out);
        }
        self.drop_ended_runs();
        for id in touched.requests {
            self.reconcile_request(id, now, out);
        }
        if upkeep {
            self.upkeep(now, rng, out);
        }
    }
}

/// What a batch of entries changed.
#[derive(Debug, Default)]
struct Touched {
    groups: BTreeSet<GroupName>,
    requests: BTreeSet<EntryId>,
    /// Groups whose key is used with other shares now.
    epochs: BTreeSet<GroupName>,
    started: bool,
    accounts: bool,
    /// Something that is seen to from time to time may have another time now.
    upkeep: bool,
}

impl Touched {
    fn note(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Invited(_) | Event::Admitted(_) | Event::Dismissed(_) => {}
                // An account that was resumed has to announce its node.
                Event::Account(_) => {
                    self.accounts = true;
                    self.upkeep = true;
                }
                Event::NodeStarted(_) => self.started = true,
                Event::ShareProved(_) => self.upkeep = true,
                Event::EpochStarted(group) => {
                    self.upkeep = true;
                    self.epochs.insert(group.clone());
                    self.groups.insert(group);
                }
                Event::GroupDefined(group)
                | Event::GroupAccepted(group)
                | Event::Change(group)
                | Event::Ceremony(group)
                | Event::CeremonyAborted(group)
                | Event::CeremonyCertified(group)
                | Event::ShareDestroyed(group) => {
                    self.groups.insert(group);
                }
                Event::RequestOpened(id)
                | Event::RequestVoted(id)
                | Event::RequestApproved(id)
                | Event::RequestRejected(id)
                | Event::RequestRefused(id)
                | Event::RequestSigned(id) => {
                    self.requests.insert(id);
                }
            }
        }
    }
}
