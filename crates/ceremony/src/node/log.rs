//! The log as this node verified it. The node believes entries only under a checkpoint whose root
//! it recomputed.
//!
//! ```text
//! entries ──▶ staged ──▶ compare(checkpoint) ──▶ take_in ──▶ state, tree ──▶ cosigned
//! ```

use quorate_log::checkpoint::VerifiedCheckpoint;
use quorate_log::key::LogVerifier;
use quorate_log::leaf_hash;
use quorate_log::tree::{Frontier, MemoryTree, head_at};

use super::approvals::Approvals;
use super::process::Process;
use super::view::Call;
use crate::dsse::EntryError;
use crate::effect::{NodeChange, NodeEffect};
use crate::encoding::Base64;
use crate::entry::{Body, Entry};
use crate::message::FromNode;
use crate::misbehaviour::is_false_signature;
use crate::names::{Digest, EntryId};
use crate::signing::Subject;
use crate::state::{Event, IvnState, Refusal};

/// How many entries may wait for their checkpoint. A coordinator that sends more without a
/// checkpoint only wastes memory.
pub const MAX_STAGED: usize = 100_000;

/// An entry that waits for its checkpoint.
#[derive(Debug)]
struct Staged {
    bytes: Vec<u8>,
    /// A malformed entry is kept as evidence until a checkpoint covers it.
    entry: Result<Entry, EntryError>,
}

/// The latest verified checkpoint, with this node's cosignature.
#[derive(Clone, Debug)]
struct Cosigned {
    checkpoint: VerifiedCheckpoint,
    note: String,
    /// `None` until this process has cosigned the checkpoint. The coordinator sends its checkpoint
    /// on each connection, and the node cosigns it again.
    line: Option<String>,
}

/// The log as far as this node verified it, and the staged entries.
pub(super) struct VerifiedLog {
    state: IvnState,
    /// The tree of all entries in the state, at 64 bytes an entry. With it, this node can judge any
    /// checkpoint that the coordinator signed, at any size.
    tree: MemoryTree,
    /// Of the coordinator that the state names.
    verifier: LogVerifier,
    /// Of the coordinator that the account holder trusts: the first, or the one that the holder
    /// follows. Entries under its checkpoints are admitted, but nothing is cosigned, stated or
    /// signed while the log names another coordinator.
    trusted: LogVerifier,
    staged: Vec<Staged>,
    cosigned: Option<Cosigned>,
}

/// How a checkpoint relates to this node's log.
pub(super) enum Shown {
    /// It contains nothing new, or nothing that the node can judge yet.
    Nothing,
    /// It is not a checkpoint of the log, or entries are missing.
    Unusable,
    /// It is the first on a connection and smaller than this node's tree: the coordinator lost
    /// entries.
    Behind { size: u64 },
    /// It is of a different tree.
    Contradicts(VerifiedCheckpoint),
    /// It is of exactly the tree that the staged entries make.
    Confirms(VerifiedCheckpoint),
}

#[derive(Debug)]
pub(super) enum Bad {
    Inadmissible(Refusal),
    FalseSignature(EntryId),
}

/// An entry that cannot be in the log, and the entries that follow it.
pub(super) struct Misplaced {
    pub(super) index: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) rest: Vec<Vec<u8>>,
    pub(super) found: Bad,
}

/// The result of admitting the entries under a checkpoint.
#[derive(Default)]
pub(super) struct TakenIn {
    first: u64,
    admitted: Vec<Vec<u8>>,
    pub(super) events: Vec<Event>,
    /// Entries of this account, with their index.
    pub(super) ours: Vec<(EntryId, u64)>,
    /// Starts of processes of this account's node.
    pub(super) starts: Vec<Digest>,
    /// A checkpoint of a different log that previous members of a group cosigned.
    pub(super) foreign: Option<VerifiedCheckpoint>,
    pub(super) misplaced: Option<Misplaced>,
}

impl VerifiedLog {
    pub(super) fn new(
        state: IvnState,
        tree: MemoryTree,
        verifier: LogVerifier,
        trusted: LogVerifier,
        cosigned: Option<VerifiedCheckpoint>,
    ) -> Self {
        let cosigned = cosigned.map(|checkpoint| Cosigned {
            note: checkpoint.to_string(),
            checkpoint,
            line: None,
        });
        Self { state, tree, verifier, trusted, staged: Vec::new(), cosigned }
    }

    pub(super) fn state(&self) -> &IvnState {
        &self.state
    }

    pub(super) fn tree(&self) -> &MemoryTree {
        &self.tree
    }

    pub(super) fn verifier(&self) -> &LogVerifier {
        &self.verifier
    }

    /// Whether the log names the coordinator that this node trusts.
    pub(super) fn names_coordinator(&self) -> bool {
        self.trusted == self.verifier
    }

    /// The verifiers of all coordinators that the log has had, and of the one that this node
    /// trusts.
    pub(super) fn verifiers(&self) -> Vec<LogVerifier> {
        let mut all = self.state.log_verifiers();
        if !all.contains(&self.trusted) {
            all.push(self.trusted.clone());
        }
        all
    }

    pub(super) fn cosigned(&self) -> Option<&VerifiedCheckpoint> {
        self.cosigned.as_ref().map(|cosigned| &cosigned.checkpoint)
    }

    pub(super) fn note(&self) -> Option<&str> {
        self.cosigned.as_ref().map(|cosigned| cosigned.note.as_str())
    }

    /// Size and cosignature of the checkpoint that covers the whole state, if there is one.
    pub(super) fn cosignature(&self) -> Option<(u64, &str)> {
        let cosigned = self.cosigned.as_ref()?;
        let size = cosigned.checkpoint.head().size;
        let line = cosigned.line.as_deref()?;
        (size == self.state.size()).then_some((size, line))
    }

    /// Begins a new connection, and returns how many entries this node has.
    pub(super) fn connected(&mut self) -> u64 {
        self.staged.clear();
        self.state.size()
    }

    pub(super) fn unstage(&mut self) {
        self.staged.clear();
    }

    /// Drops the connection after unusable input.
    pub(super) fn hang_up(&mut self, call: &mut Call<'_>) {
        self.staged.clear();
        call.push(NodeEffect::Disconnect);
    }

    pub(super) fn stage(&mut self, first: u64, entries: Vec<Base64>, call: &mut Call<'_>) -> bool {
        let held = self.state.size().saturating_add(self.staged.len() as u64);
        let Some(skip) = held.checked_sub(first) else {
            // Entries are missing in between: reconnect to report this node's size again.
            call.push(NodeEffect::Disconnect);
            return false;
        };
        for Base64(bytes) in entries.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)) {
            if self.staged.len() >= MAX_STAGED {
                self.hang_up(call);
                return false;
            }
            let entry = Entry::from_bytes(&bytes);
            self.staged.push(Staged { bytes, entry });
        }
        true
    }

    /// Compares a checkpoint with this node's tree and the staged entries. `greeted` is whether the
    /// connection has brought a checkpoint that this node accepted.
    pub(super) fn compare(&self, note: &str, greeted: bool) -> Shown {
        // On every connection the coordinator sends its latest checkpoint, often the same as
        // before.
        let known = self.cosigned.as_ref().filter(|cosigned| cosigned.note == note);
        let checkpoint = match known {
            Some(cosigned) => Ok(cosigned.checkpoint.clone()),
            None => VerifiedCheckpoint::from_note(note, &self.trusted),
        };
        let Ok(checkpoint) = checkpoint else { return Shown::Unusable };
        // A checkpoint by a coordinator that the log does not name proves nothing.
        let contradicts = |checkpoint| match self.names_coordinator() {
            true => Shown::Contradicts(checkpoint),
            false => Shown::Unusable,
        };
        let shown = checkpoint.head();
        if shown.size < self.tree.size() {
            return if head_at(&self.tree, shown.size).ok() != Some(shown) {
                contradicts(checkpoint)
            } else if greeted {
                // A newer one overtook it.
                Shown::Nothing
            } else {
                // This answers the number of entries that this node reported.
                Shown::Behind { size: shown.size }
            };
        }
        let Ok(mut frontier) = Frontier::load(&self.tree, self.tree.size()) else {
            return Shown::Nothing;
        };
        let covered = shown.size.saturating_sub(self.tree.size());
        let covered = usize::try_from(covered).unwrap_or(usize::MAX);
        let Some(covered_entries) = self.staged.get(..covered) else {
            // Entries are missing in between.
            return Shown::Unusable;
        };
        covered_entries.iter().for_each(|staged| frontier.append(leaf_hash(&staged.bytes)));
        if shown != frontier.head() {
            return contradicts(checkpoint);
        }
        if covered != self.staged.len() {
            return Shown::Nothing;
        }
        Shown::Confirms(checkpoint)
    }

    /// Admits the staged entries, all of which a checkpoint covers, up to the first that cannot be
    /// in the log. The caller makes them [durable](TakenIn::persist) next.
    pub(super) fn take_in(&mut self, me: &Process, approvals: &Approvals) -> TakenIn {
        let mut taken = TakenIn { first: self.state.size(), ..TakenIn::default() };
        let mut confirmed_by = Vec::new();
        let mut staged = std::mem::take(&mut self.staged).into_iter();
        for (index, Staged { bytes, entry }) in (taken.first..).zip(&mut staged) {
            match self.admit(entry, approvals) {
                Ok((entry, events)) => {
                    taken.events.extend(events);
                    if let Body::ChangeConfirmed { checkpoint, .. } = &entry.statement().body {
                        let theirs = VerifiedCheckpoint::from_note(checkpoint, &self.verifier);
                        confirmed_by.extend(theirs.ok());
                    }
                    if me.is_author(&entry) {
                        taken.ours.push((entry.id(), index));
                        if let Body::NodeStarted { incarnation } = &entry.statement().body {
                            taken.starts.push(*incarnation);
                        }
                    }
                    taken.admitted.push(bytes);
                }
                Err(found) => {
                    let rest = staged.map(|staged| staged.bytes).collect();
                    taken.misplaced = Some(Misplaced { index, bytes, rest, found });
                    break;
                }
            }
        }
        // The entries before a bad one are admissible and covered, so they stay. Thus state, tree
        // and disk agree, and the proof contains what the entry was judged against.
        taken.admitted.iter().for_each(|bytes| self.tree.append(leaf_hash(bytes)));
        // The state does not know the tree. This comes before the entries are durable, because each
        // is checked only one time.
        let is_ours = |theirs: &VerifiedCheckpoint| {
            head_at(&self.tree, theirs.head().size).is_ok_and(|ours| ours == theirs.head())
        };
        taken.foreign = confirmed_by.into_iter().find(|theirs| !is_ours(theirs));
        taken
    }

    /// Applies an entry if the log's rules admit it and no signature in it is known to be false.
    fn admit(
        &mut self,
        entry: Result<Entry, EntryError>,
        approvals: &Approvals,
    ) -> Result<(Entry, Vec<Event>), Bad> {
        let entry = entry.map_err(|error| Bad::Inadmissible(error.into()))?;
        if let Body::Signature { request, .. } = &entry.statement().body
            && let number = self.state.number_of(Subject::Request { request: *request })
            && let Some(message) = approvals.held(*request, number)
            && is_false_signature(&self.state, &entry, &message)
        {
            // The coordinator stated the signature itself. The rules come first, because checking
            // them needs no document.
            let request = *request;
            return Err(match self.state.clone().apply(&entry) {
                Err(reason) => Bad::Inadmissible(reason),
                Ok(_) => Bad::FalseSignature(request),
            });
        }
        let events = self.state.apply(&entry).map_err(Bad::Inadmissible)?;
        if events.contains(&Event::CoordinatorReplaced)
            && let Some(verifier) = self.state.log_verifier()
        {
            self.verifier = verifier;
        }
        Ok((entry, events))
    }

    /// Cosigns a checkpoint, unless a copy of this node runs. The checkpoint is durable first, so
    /// that the node never cosigns a smaller or different tree later.
    pub(super) fn cosign(
        &mut self,
        checkpoint: VerifiedCheckpoint,
        note: &str,
        me: &Process,
        call: &mut Call<'_>,
    ) {
        let Some(line) = me.cosign(&checkpoint, call.now) else { return };
        let line = (!me.is_doubled(&self.state)).then_some(line);
        let size = checkpoint.head().size;
        call.persist(NodeChange::Cosigned { checkpoint: note.to_owned(), size });
        if let Some(cosignature) = line.clone() {
            call.send(FromNode::Cosign { size, cosignature });
        }
        self.cosigned = Some(Cosigned { checkpoint, note: note.to_owned(), line });
    }
}

impl TakenIn {
    pub(super) fn persist(&mut self, call: &mut Call<'_>) {
        let entries = std::mem::take(&mut self.admitted);
        if !entries.is_empty() {
            call.persist(NodeChange::Entries { first: self.first, entries });
        }
    }
}
