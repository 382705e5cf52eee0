//! Following the log: entries are believed only under a checkpoint whose root this node recomputed.

use std::collections::BTreeSet;

use quorate_log::checkpoint::{CheckpointError, SignedCheckpoint, VerifiedCheckpoint};
use quorate_log::key::LogVerifier;
use quorate_log::leaf_hash;
use quorate_log::tree::Frontier;
use rand_core::CryptoRngCore;

use super::{Node, RestoreError, Saved};
use crate::effect::{NodeChange, NodeEffect};
use crate::encoding::Base64;
use crate::entry::{Author, Entry};
use crate::message::FromNode;
use crate::names::{EntryId, GroupName, IvnId, Timestamp};
use crate::state::{Event, Invalid, IvnState};

/// The most entries that wait for their checkpoint. A coordinator that sends more without one only wastes memory.
pub const MAX_STAGED: usize = 100_000;

/// Why a node does not follow the log any more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// Two checkpoints, both signed by the log's key, that can not both be true. Final: the node signs nothing.
    Fork {
        /// The one that the node cosigned.
        ours: String,
        /// The one that it was shown later.
        theirs: String,
    },
    /// The log holds an entry that its own rules do not admit.
    Inadmissible {
        /// The entry's index.
        index: u64,
        /// Why.
        reason: Invalid,
    },
    /// A checkpoint was signed for another tree than the entries that came with it make.
    OtherTree {
        /// The checkpoint's size.
        size: u64,
    },
    /// The coordinator's log is shorter than what this node verified: it was restored from an old copy.
    Behind {
        /// The size that it shows.
        size: u64,
    },
}

/// The latest verified checkpoint, with this node's cosignature.
#[derive(Clone, Debug)]
pub(super) struct Cosigned {
    checkpoint: VerifiedCheckpoint,
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
    pub(super) frontier: Frontier,
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
    let mut frontier = Frontier::default();
    frontier.append(leaf_hash(genesis));
    let mut seen = cosigned.is_none();
    let mut check = |frontier: &Frontier| {
        if let Some(checkpoint) = &cosigned
            && checkpoint.head().size == frontier.size()
        {
            seen = checkpoint.head() == frontier.head();
        }
    };
    check(&frontier);
    for bytes in rest {
        let damaged = RestoreError::Entry { index: frontier.size() };
        let entry = Entry::from_bytes(bytes).map_err(|_| damaged)?;
        state.apply(&entry).map_err(|_| damaged)?;
        if waiting.contains(&entry.id()) {
            arrived.insert(entry.id());
        }
        frontier.append(leaf_hash(bytes));
        check(&frontier);
    }
    if !seen {
        return Err(RestoreError::Cosigned);
    }
    let cosigned = cosigned.map(Cosigned::remembered);
    Ok(Replayed { state, frontier, log_verifier, cosigned, arrived })
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
fn verified_checkpoint(
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
        for bytes in entries.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)) {
            match Entry::from_bytes(&bytes.0) {
                Ok(entry) if self.staged.len() < MAX_STAGED => self.staged.push((entry, bytes.0)),
                Ok(_) | Err(_) => {
                    self.staged.clear();
                    out.push(NodeEffect::Disconnect);
                    return;
                }
            }
        }
        if let Some(note) = checkpoint {
            self.checkpointed(&note, now, rng, out);
        }
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
        let Ok(checkpoint) = checkpoint else {
            self.staged.clear();
            out.push(NodeEffect::Disconnect);
            return;
        };
        if self.contradicts_cosigned(&checkpoint, note, out) {
            return;
        }
        let mut frontier = self.frontier.clone();
        for (_, bytes) in &self.staged {
            frontier.append(leaf_hash(bytes));
        }
        if checkpoint.head().size < frontier.size() {
            // One that a newer overtook says nothing. As the first on a connection, it is the coordinator's answer to
            // how many entries this node has: then the coordinator lost some.
            if !self.greeted {
                self.trouble = Some(Trouble::Behind { size: checkpoint.head().size });
            }
            return;
        }
        if checkpoint.head().size > frontier.size() {
            out.push(NodeEffect::Disconnect);
            return;
        }
        if checkpoint.head() != frontier.head() {
            self.trouble = Some(Trouble::OtherTree { size: checkpoint.head().size });
            self.staged.clear();
            out.push(NodeEffect::Disconnect);
            return;
        }
        self.trouble = None;
        self.greeted = true;
        let first = self.state.size();
        let (staged, bytes): (Vec<Entry>, Vec<Vec<u8>>) =
            std::mem::take(&mut self.staged).into_iter().unzip();
        let mut touched = Touched::default();
        let mut ours = Vec::new();
        for (index, entry) in (first..).zip(&staged) {
            match self.state.apply(entry) {
                Ok(events) => touched.note(events),
                Err(reason) => {
                    self.trouble = Some(Trouble::Inadmissible { index, reason });
                    return;
                }
            }
            if entry.statement().author == Author::Account(self.account.clone()) {
                ours.push((entry.id(), index));
            }
        }
        self.frontier = frontier;
        if !bytes.is_empty() {
            out.push(NodeEffect::Persist(NodeChange::Entries { first, entries: bytes }));
        }
        self.cosign(checkpoint, note, now, out);
        for (id, index) in ours {
            self.arrived(id, index, out);
        }
        self.reconcile(touched, now, rng, out);
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
        let line = self.cosigner.cosign(&checkpoint, time).to_string();
        let size = checkpoint.head().size;
        out.push(NodeEffect::Persist(NodeChange::Cosigned { checkpoint: note.to_owned(), size }));
        out.push(NodeEffect::Send(FromNode::Cosign { size, cosignature: line.clone() }));
        self.cosigned = Some(Cosigned { checkpoint, note: note.to_owned(), line: Some(line) });
    }

    /// Two signed checkpoints of one size with different roots prove that the log's key holder lies.
    fn contradicts_cosigned(
        &mut self,
        checkpoint: &VerifiedCheckpoint,
        note: &str,
        out: &mut Vec<NodeEffect>,
    ) -> bool {
        let Some(cosigned) = &self.cosigned else { return false };
        let (ours, theirs) = (cosigned.checkpoint.head(), checkpoint.head());
        let contradicts = ours.size == theirs.size && ours.root != theirs.root;
        if contradicts {
            let (ours, theirs) = (cosigned.note.clone(), note.to_owned());
            out.push(NodeEffect::Persist(NodeChange::Frozen {
                ours: ours.clone(),
                theirs: theirs.clone(),
            }));
            self.signing.clear();
            self.trouble = Some(Trouble::Fork { ours, theirs });
        }
        contradicts
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
            started: false,
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
        // Sessions may have waited for our own announcement.
        let groups: Vec<GroupName> = if touched.started {
            self.state.groups().keys().cloned().collect()
        } else {
            touched.groups.into_iter().collect()
        };
        for name in groups {
            self.reconcile_group(&name, now, rng, out);
        }
        for id in touched.requests {
            self.reconcile_request(id, now, out);
        }
    }
}

/// What a batch of entries changed.
#[derive(Debug, Default)]
struct Touched {
    groups: BTreeSet<GroupName>,
    requests: BTreeSet<EntryId>,
    started: bool,
}

impl Touched {
    fn note(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Invited(_) | Event::Admitted(_) => {}
                Event::NodeStarted(_) => self.started = true,
                Event::GroupDefined(group)
                | Event::GroupAccepted(group)
                | Event::Dkg(group)
                | Event::DkgAborted(group)
                | Event::DkgCertified(group)
                | Event::EpochStarted(group) => {
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
