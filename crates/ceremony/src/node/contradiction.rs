//! What a node makes of lies: which can be proved, which can not yet, and what it stops doing.
//!
//! | what it is shown | what it keeps | what it stops |
//! |---|---|---|
//! | a checkpoint that contradicts its own tree, of whatever size | both checkpoints and why they exclude each other | everything, for ever |
//! | an entry that the rules do not admit, or a false signature, under a signed checkpoint | the checkpoint, the entry, and that it is in there | everything, for ever |
//! | a checkpoint larger than its tree that does not fit the entries that came with it | the checkpoint | signing, until its own tree is so large: then it was right, or it is proof |
//! | a checkpoint smaller than its tree, and of it | nothing | signing, until the coordinator has all again |

use quorate_log::checkpoint::VerifiedCheckpoint;
use quorate_log::compare::Fork;
use quorate_log::leaf_hash;
use quorate_log::tree::{MemoryTree, head_at};

use super::follow::{self, Replayed};
use super::{Node, RestoreError, Saved};
use crate::document::NoDocuments;
use crate::effect::{CommandError, NodeChange, NodeEffect};
use crate::misbehaviour::{BadEntry, Misbehaviour, NotProved, Proved, proved_fork};
use crate::names::EntryId;
use crate::state::Refusal;

/// How many checkpoints that do not fit are kept. The first says most.
const MOST_UNEXPLAINED: usize = 16;

/// Why a node signs nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Contradiction {
    /// The coordinator broke the rules of the log, and [this node can prove it](Node::misbehaviour). Final.
    Misbehaviour(Proved),
    /// A checkpoint was signed for another tree than the entries that came with it make, or than this node has. Nothing
    /// shows yet which of the two is wrong.
    Unexplained {
        /// The latest that the node cosigned.
        ours: Option<String>,
        /// The one that does not fit.
        theirs: String,
    },
    /// The coordinator's log is shorter than what this node verified: it was restored from an old copy.
    Behind {
        /// The size that it shows.
        size: u64,
    },
}

/// Why an entry under a signed checkpoint can not be there.
#[derive(Debug)]
pub(super) enum Bad {
    Inadmissible(Refusal),
    FalseSignature(EntryId),
}

/// What was stored, judged again: a proof has to convince whoever looks at it.
///
/// An entry that an earlier version of this program did not admit and this one does is no proof any more.
pub(super) fn restore(
    saved: &Saved,
    replayed: &Replayed,
) -> Result<(Option<Misbehaviour>, Vec<VerifiedCheckpoint>), RestoreError> {
    let damaged = |_| RestoreError::Misbehaviour;
    let mut proof = None;
    for stored in &saved.misbehaviour {
        let stored = Misbehaviour::from_json(stored).map_err(|_| RestoreError::Misbehaviour)?;
        match judge(&stored, replayed) {
            Ok(_) | Err(NotProved::NeedsDocument { .. }) => proof = proof.or(Some(stored)),
            Err(NotProved::Sound { .. }) => {}
            Err(_) => return Err(RestoreError::Misbehaviour),
        }
    }
    let unexplained = saved
        .unexplained
        .iter()
        .map(|note| follow::verified_checkpoint(note, &replayed.log_verifier).map_err(damaged))
        .collect::<Result<_, _>>()?;
    Ok((proof, unexplained))
}

fn judge(proof: &Misbehaviour, replayed: &Replayed) -> Result<Proved, NotProved> {
    match proof {
        Misbehaviour::Fork(fork) => Ok(proved_fork(fork, &replayed.log_verifier)?),
        // The node went on after it: by then it had been found sound.
        Misbehaviour::BadEntry(bad) if bad.index() < replayed.tree.size() => {
            Err(NotProved::Sound { index: bad.index() })
        }
        Misbehaviour::BadEntry(bad) => {
            let (state, before) = (&replayed.state, replayed.tree.head());
            bad.verify(&replayed.log_verifier, state, before, &mut NoDocuments)
        }
    }
}

/// What a node that finds this on its disk has to tell.
pub(super) fn of(
    proof: Option<&Misbehaviour>,
    unexplained: &[VerifiedCheckpoint],
    replayed: &Replayed,
) -> Option<Contradiction> {
    match proof.map(|proof| judge(proof, replayed)) {
        Some(Ok(proved)) => Some(Contradiction::Misbehaviour(proved)),
        Some(Err(NotProved::NeedsDocument { index, request })) => {
            Some(Contradiction::Misbehaviour(Proved::FalseSignature { index, request }))
        }
        Some(Err(_)) | None => {
            let ours = replayed.cosigned.as_ref().map(|cosigned| cosigned.note().to_owned());
            unexplained_trouble(ours, unexplained)
        }
    }
}

fn unexplained_trouble(
    ours: Option<String>,
    unexplained: &[VerifiedCheckpoint],
) -> Option<Contradiction> {
    let theirs = unexplained.first()?.to_string();
    Some(Contradiction::Unexplained { ours, theirs })
}

impl Node {
    /// A signed checkpoint does not fit this node's tree. If the tree is large enough, and of a checkpoint that the log's
    /// key signed too, that is proof.
    pub(super) fn contradicted(&mut self, theirs: VerifiedCheckpoint, out: &mut Vec<NodeEffect>) {
        let size = theirs.head().size;
        let ours = self.cosigned.as_ref().map(|cosigned| &cosigned.checkpoint);
        if let Some(ours) = ours.filter(|ours| ours.head().size >= size).cloned()
            && self.prove_fork(&ours, &theirs, out)
        {
            return;
        }
        self.signing.clear();
        let known = self.unexplained.iter().any(|known| known.head() == theirs.head());
        if !known && self.unexplained.len() < MOST_UNEXPLAINED {
            out.push(NodeEffect::Persist(NodeChange::Unexplained(theirs.to_string())));
            self.unexplained.push(theirs);
        }
        self.tell_unexplained();
    }

    fn tell_unexplained(&mut self) {
        let ours = self.cosigned.as_ref().map(|cosigned| cosigned.note().to_owned());
        self.trouble = unexplained_trouble(ours, &self.unexplained);
    }

    /// Looks at what did not fit once more, now that the tree is that of `latest`. Says whether that proves a fork.
    pub(super) fn unmask(
        &mut self,
        latest: &VerifiedCheckpoint,
        out: &mut Vec<NodeEffect>,
    ) -> bool {
        let size = self.tree.size();
        let (due, later) = std::mem::take(&mut self.unexplained)
            .into_iter()
            .partition(|theirs| theirs.head().size <= size);
        self.unexplained = later;
        for theirs in due {
            if head_at(&self.tree, theirs.head().size).ok() != Some(theirs.head()) {
                return self.prove_fork(latest, &theirs, out);
            }
            out.push(NodeEffect::Persist(NodeChange::Explained(theirs.to_string())));
        }
        self.tell_unexplained();
        false
    }

    /// Keeps both as proof if one excludes the other. Says whether that is so.
    pub(super) fn prove_fork(
        &mut self,
        ours: &VerifiedCheckpoint,
        theirs: &VerifiedCheckpoint,
        out: &mut Vec<NodeEffect>,
    ) -> bool {
        let Ok(Some(fork)) = Fork::find(ours, theirs, &self.tree) else { return false };
        let Ok(proved) = proved_fork(&fork, &self.log_verifier) else { return false };
        self.freeze(Misbehaviour::Fork(Box::new(fork)), proved, out);
        true
    }

    /// Entry `index` can not be in the log, and `checkpoint` says that it is, followed by `rest`.
    pub(super) fn accuse_entry(
        &mut self,
        checkpoint: &VerifiedCheckpoint,
        index: u64,
        bytes: Vec<u8>,
        rest: &[Vec<u8>],
        found: Bad,
        out: &mut Vec<NodeEffect>,
    ) {
        let mut whole: MemoryTree = self.tree.clone();
        whole.append(leaf_hash(&bytes));
        rest.iter().for_each(|bytes| whole.append(leaf_hash(bytes)));
        let signed = checkpoint.as_signed().clone();
        let Some(bad) = BadEntry::new(signed, index, bytes, &whole) else { return };
        let proved = match found {
            Bad::Inadmissible(reason) => Proved::Inadmissible { index, reason },
            Bad::FalseSignature(request) => Proved::FalseSignature { index, request },
        };
        self.freeze(Misbehaviour::BadEntry(Box::new(bad)), proved, out);
    }

    /// Keeps the proof, and stops.
    fn freeze(&mut self, proof: Misbehaviour, proved: Proved, out: &mut Vec<NodeEffect>) {
        out.push(NodeEffect::Persist(NodeChange::Misbehaviour(proof.clone())));
        self.misbehaviour = Some(proof);
        self.trouble = Some(Contradiction::Misbehaviour(proved));
        self.signing.clear();
        self.staged.clear();
        for (_, command) in std::mem::take(&mut self.commands) {
            out.push(NodeEffect::Respond(command, Err(CommandError::Frozen)));
        }
    }
}
