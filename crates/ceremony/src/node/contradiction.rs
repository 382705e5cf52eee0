//! Contradictions of the coordinator: which of them are proof, which are not yet proof, and what
//! this node stops doing.
//!
//! - Upon a checkpoint that contradicts its own tree, of any size: keep both checkpoints and why
//!   they exclude each other; stop everything, permanently.
//! - Upon an entry that the rules do not admit, or a false signature, under a signed checkpoint:
//!   keep the checkpoint, the entry, and its inclusion proof; stop everything, permanently.
//! - Upon a checkpoint larger than its tree that does not fit the entries that came with it: keep
//!   the checkpoint; stop signing until its own tree has that size. Then it was right, or it is
//!   proof.
//! - Upon a checkpoint of its tree at a smaller size: keep nothing; stop signing until the
//!   coordinator has all entries again.

use quorate_log::checkpoint::VerifiedCheckpoint;
use quorate_log::compare::Fork;
use quorate_log::key::LogVerifier;
use quorate_log::leaf_hash;
use quorate_log::tree::{MemoryTree, head_at};

use super::log::{Bad, Misplaced, VerifiedLog};
use super::saved::{RestoreError, Saved};
use super::view::Call;
use crate::document::NoDocuments;
use crate::effect::NodeChange;
use crate::misbehaviour::{BadEntry, Misbehaviour, NotProved, Proved, proved_fork};

/// How many checkpoints that do not fit are kept. The first one is the most important.
const MOST_UNEXPLAINED: usize = 16;

/// Why a node signs nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Contradiction {
    /// The coordinator broke the rules of the log, and [this node can prove
    /// it](super::Node::misbehaviour). Final.
    Misbehaviour(Proved),
    /// The log's key signed a checkpoint of a different tree than the node has, or than the entries
    /// with it make. It is not yet known which of the two is wrong.
    Unexplained {
        /// The latest checkpoint that the node cosigned.
        ours: Option<String>,
        /// The checkpoint that does not fit.
        theirs: String,
    },
    /// The coordinator's log is shorter than the log that this node verified: it was restored from
    /// an old copy.
    Behind { size: u64 },
}

/// The evidence that this node holds against the coordinator.
#[derive(Default)]
pub(super) struct Contradictions {
    /// Proof that the coordinator broke the rules. With it, the node follows and signs nothing any
    /// more.
    proof: Option<Misbehaviour>,
    /// Signed checkpoints that do not fit the tree and that are not yet proved wrong.
    unexplained: Vec<VerifiedCheckpoint>,
    trouble: Option<Contradiction>,
}

impl Contradictions {
    /// Judges the stored proofs again, because a proof has to convince everybody.
    ///
    /// An entry that an earlier version of this program did not admit and this one admits is not
    /// proof any more.
    pub(super) fn restore(saved: &Saved, log: &VerifiedLog) -> Result<Self, RestoreError> {
        let mut restored = Self::default();
        for stored in &saved.misbehaviour {
            let stored = Misbehaviour::from_json(stored).map_err(|_| RestoreError::Misbehaviour)?;
            let proved = match judge(&stored, log) {
                Ok(proved) => proved,
                Err(NotProved::NeedsDocument { index, request }) => {
                    Proved::FalseSignature { index, request }
                }
                Err(NotProved::Sound { .. }) => continue,
                // The members replaced the coordinator that it is about.
                Err(_) if is_about_another(&stored, log) => continue,
                Err(_) => return Err(RestoreError::Misbehaviour),
            };
            if restored.proof.is_none() {
                restored.proof = Some(stored);
                restored.trouble = Some(Contradiction::Misbehaviour(proved));
            }
        }
        for note in &saved.unexplained {
            let verifiers = log.verifiers();
            let theirs =
                verifiers.iter().find_map(|log| VerifiedCheckpoint::from_note(note, log).ok());
            restored.unexplained.push(theirs.ok_or(RestoreError::Misbehaviour)?);
        }
        if restored.proof.is_none() {
            restored.trouble_is_unexplained(log);
        }
        Ok(restored)
    }

    pub(super) fn is_proved(&self) -> bool {
        self.proof.is_some()
    }

    pub(super) fn proof(&self) -> Option<&Misbehaviour> {
        self.proof.as_ref()
    }

    pub(super) fn trouble(&self) -> Option<&Contradiction> {
        self.trouble.as_ref()
    }

    /// Notes that the coordinator's log is shorter than the log that this node verified.
    pub(super) fn is_behind(&mut self, size: u64) {
        self.trouble = Some(Contradiction::Behind { size });
    }

    fn trouble_is_unexplained(&mut self, log: &VerifiedLog) {
        self.trouble = self.unexplained.first().map(|theirs| Contradiction::Unexplained {
            ours: log.note().map(str::to_owned),
            theirs: theirs.to_string(),
        });
    }

    /// Adds a signed checkpoint that does not fit this node's tree. Returns whether it is proof:
    /// the tree is large enough, and the log's key also signed a checkpoint of that tree.
    pub(super) fn add(
        &mut self,
        log: &VerifiedLog,
        theirs: VerifiedCheckpoint,
        call: &mut Call<'_>,
    ) -> bool {
        let size = theirs.head().size;
        if let Some(ours) = log.cosigned().filter(|ours| ours.head().size >= size)
            && self.prove_fork(log, ours, &theirs, call)
        {
            return true;
        }
        let known = self.unexplained.iter().any(|known| known.head() == theirs.head());
        if !known && self.unexplained.len() < MOST_UNEXPLAINED {
            call.persist(NodeChange::Unexplained(theirs.to_string()));
            self.unexplained.push(theirs);
        }
        self.trouble_is_unexplained(log);
        false
    }

    /// Checks the unexplained checkpoints again, now that the tree is that of `latest`. Returns
    /// whether one proves a fork.
    pub(super) fn reconsider(
        &mut self,
        log: &VerifiedLog,
        latest: &VerifiedCheckpoint,
        call: &mut Call<'_>,
    ) -> bool {
        let size = log.tree().size();
        let (due, later) = std::mem::take(&mut self.unexplained)
            .into_iter()
            .partition(|theirs| theirs.head().size <= size);
        self.unexplained = later;
        for theirs in due {
            // It proves nothing if it is by a coordinator that the members have replaced.
            if head_at(log.tree(), theirs.head().size).ok() != Some(theirs.head())
                && self.prove_fork(log, latest, &theirs, call)
            {
                return true;
            }
            call.persist(NodeChange::Explained(theirs.to_string()));
        }
        self.trouble_is_unexplained(log);
        false
    }

    /// Keeps both checkpoints as proof if they exclude each other. Returns whether they do.
    pub(super) fn prove_fork(
        &mut self,
        log: &VerifiedLog,
        ours: &VerifiedCheckpoint,
        theirs: &VerifiedCheckpoint,
        call: &mut Call<'_>,
    ) -> bool {
        let Ok(Some(fork)) = Fork::find(ours, theirs, log.tree()) else { return false };
        let Ok(proved) = proved_fork(&fork, log.verifier()) else { return false };
        self.keep(Misbehaviour::Fork(Box::new(fork)), proved, call);
        true
    }

    /// Keeps as proof that an entry cannot be in the log although `checkpoint` covers it. Returns
    /// whether that can be proved.
    pub(super) fn accuse(
        &mut self,
        log: &VerifiedLog,
        checkpoint: &VerifiedCheckpoint,
        misplaced: Misplaced,
        call: &mut Call<'_>,
    ) -> bool {
        let Misplaced { index, bytes, rest, found } = misplaced;
        let mut whole: MemoryTree = log.tree().clone();
        whole.append(leaf_hash(&bytes));
        rest.iter().for_each(|bytes| whole.append(leaf_hash(bytes)));
        let signed = checkpoint.as_signed().clone();
        let Some(bad) = BadEntry::new(signed, index, bytes, &whole) else { return false };
        let proved = match found {
            Bad::Inadmissible(reason) => Proved::Inadmissible { index, reason },
            Bad::FalseSignature(request) => Proved::FalseSignature { index, request },
        };
        self.keep(Misbehaviour::BadEntry(Box::new(bad)), proved, call);
        true
    }

    fn keep(&mut self, proof: Misbehaviour, proved: Proved, call: &mut Call<'_>) {
        call.persist(NodeChange::Misbehaviour(proof.clone()));
        self.proof = Some(proof);
        self.trouble = Some(Contradiction::Misbehaviour(proved));
    }
}

fn judge(proof: &Misbehaviour, log: &VerifiedLog) -> Result<Proved, NotProved> {
    match proof {
        Misbehaviour::Fork(fork) => Ok(proved_fork(fork, log.verifier())?),
        // The node accepted later entries, so it had found this one sound.
        Misbehaviour::BadEntry(bad) if bad.index() < log.tree().size() => {
            Err(NotProved::Sound { index: bad.index() })
        }
        Misbehaviour::BadEntry(bad) => {
            let before = log.tree().head();
            bad.verify(log.verifier(), log.state(), before, &mut NoDocuments)
        }
    }
}

/// Whether the log's checkpoints in a proof are by a coordinator other than the one that the log
/// names.
fn is_about_another(proof: &Misbehaviour, log: &VerifiedLog) -> bool {
    let signed_by = |verifier: &LogVerifier| match proof {
        Misbehaviour::Fork(fork) => {
            fork.checkpoints().iter().all(|signed| (*signed).clone().verify(verifier).is_ok())
        }
        Misbehaviour::BadEntry(bad) => bad.is_signed_by(verifier),
    };
    log.verifiers().iter().any(|verifier| verifier != log.verifier() && signed_by(verifier))
}
