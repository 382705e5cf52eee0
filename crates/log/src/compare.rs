//! Forks: two checkpoints that one log signed although they cannot both be true.

use serde::{Deserialize, Serialize};

use crate::Hash;
use crate::checkpoint::{CheckpointError, SignedCheckpoint, VerifiedCheckpoint};
use crate::key::LogVerifier;
use crate::proof::{ConsistencyProof, ProveError};
use crate::tree::{HashReader, TreeHead, head_at};

/// How two checkpoints of one log relate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Comparison {
    /// The smaller tree begins the larger one.
    Consistent,
    /// The log contradicts itself, provably.
    Fork(Box<Fork>),
    /// The proof fails. The party that made it may be wrong or lying, so this accuses nobody; but
    /// do not follow the log further until somebody provides a valid proof.
    Unproven,
}

/// Compares two checkpoints, in any order, with a proof for their sizes.
///
/// # Errors
///
/// When they are of different logs.
pub fn compare(
    one: &VerifiedCheckpoint,
    other: &VerifiedCheckpoint,
    proof: &ConsistencyProof,
) -> Result<Comparison, CheckpointError> {
    let (older, newer) = in_order(one, other)?;
    if older.head().size == newer.head().size && older.head().root != newer.head().root {
        return Ok(Comparison::Fork(Box::new(Fork::between(
            older,
            newer,
            Contradiction::SameSize,
        ))));
    }
    Ok(match proof.verify(older.head(), newer.head()) {
        Ok(()) => Comparison::Consistent,
        Err(_) => Comparison::Unproven,
    })
}

fn in_order<'a>(
    one: &'a VerifiedCheckpoint,
    other: &'a VerifiedCheckpoint,
) -> Result<(&'a VerifiedCheckpoint, &'a VerifiedCheckpoint), CheckpointError> {
    if one.checkpoint().origin() != other.checkpoint().origin() {
        return Err(CheckpointError::OtherLog);
    }
    Ok(if one.head().size <= other.head().size { (one, other) } else { (other, one) })
}

/// Evidence that a log forked: two checkpoints with its signature, and why they exclude each other.
/// Convinces anybody who has the log's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    older: SignedCheckpoint,
    newer: SignedCheckpoint,
    contradiction: Contradiction,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Contradiction {
    /// One size, two roots.
    SameSize,
    /// The newer tree begins with another tree of the older one's size.
    OtherBeginning {
        /// The root of the beginning of the newer tree.
        root: Hash,
        /// Proves that root. A proof that merely fails would show nothing, because anybody can make
        /// one.
        proof: ConsistencyProof,
    },
}

impl Fork {
    /// Searches for a fork between two checkpoints, in any order, from the entries of the larger
    /// one.
    ///
    /// `reader` must have the entries of the larger checkpoint.
    ///
    /// # Errors
    ///
    /// When the checkpoints are of different logs, `reader` fails, or has other entries.
    pub fn find<R: HashReader>(
        one: &VerifiedCheckpoint,
        other: &VerifiedCheckpoint,
        reader: &R,
    ) -> Result<Option<Self>, FindForkError<R::Error>> {
        let (older, newer) = in_order(one, other).map_err(|_| FindForkError::OtherLog)?;
        if older.head() == newer.head() {
            return Ok(None);
        }
        if older.head().size == newer.head().size {
            return Ok(Some(Self::between(older, newer, Contradiction::SameSize)));
        }
        let beginning = head_at(reader, older.head().size).map_err(ProveError::Read)?;
        let proof = ConsistencyProof::prove(reader, older.head().size, newer.head().size)?;
        proof.verify(beginning, newer.head()).map_err(|_| FindForkError::OtherEntries)?;
        if beginning == older.head() {
            return Ok(None);
        }
        let contradiction = Contradiction::OtherBeginning { root: beginning.root, proof };
        Ok(Some(Self::between(older, newer, contradiction)))
    }

    fn between(
        older: &VerifiedCheckpoint,
        newer: &VerifiedCheckpoint,
        contradiction: Contradiction,
    ) -> Self {
        Self { older: older.as_signed().clone(), newer: newer.as_signed().clone(), contradiction }
    }

    /// The two checkpoints, the smaller one first.
    pub fn checkpoints(&self) -> [&SignedCheckpoint; 2] {
        [&self.older, &self.newer]
    }

    /// Checks that this proves what it claims.
    ///
    /// # Errors
    ///
    /// When a checkpoint is not by the log, or the two can both be true.
    pub fn verify(&self, log: &LogVerifier) -> Result<(), ForkError> {
        let older = self.older.clone().verify(log)?.head();
        let newer = self.newer.clone().verify(log)?.head();
        let excluded = match &self.contradiction {
            Contradiction::SameSize => older.size == newer.size && older.root != newer.root,
            Contradiction::OtherBeginning { root, proof } => {
                let beginning = TreeHead { size: older.size, root: *root };
                older != beginning && proof.verify(beginning, newer).is_ok()
            }
        };
        if excluded { Ok(()) } else { Err(ForkError::NoContradiction) }
    }
}

/// Why the evidence does not prove a fork.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ForkError {
    /// A checkpoint is not by the log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("the two checkpoints do not contradict each other")]
    NoContradiction,
}

/// Why the search for a fork is impossible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum FindForkError<E: std::error::Error + 'static> {
    #[error("the checkpoints are of different logs")]
    OtherLog,
    #[error("the entries at hand are not those of the larger checkpoint")]
    OtherEntries,
    /// The entries cannot be read, or there are too few.
    #[error(transparent)]
    Prove(#[from] ProveError<E>),
}
