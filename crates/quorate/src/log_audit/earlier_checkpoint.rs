//! Comparison of a log with an earlier checkpoint, or one from elsewhere.

use std::path::Path;

use quorate_ceremony::misbehaviour::Misbehaviour;
use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::compare::{FindForkError, Fork};
use quorate_log::key::LogVerifier;
use quorate_log::tile::Entries;
use quorate_log::tree::MemoryTree;
use quorate_log::{Hash, leaf_hash};
use serde::Serialize;

use super::files::Files;
use super::{files_problem, read_checkpoint};
use crate::api::{Code, Problem};

/// The result of comparing two checkpoints of one log, with their numbers of entries.
#[derive(Debug, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Since {
    /// The log continues from the earlier checkpoint.
    Continues {
        from: u64,
        to: u64,
        #[serde(skip)]
        root: Hash,
    },
    /// The log is shorter than at the earlier checkpoint.
    Shorter { from: u64, to: u64 },
    /// Both checkpoints cannot belong to one log. This is the proof, in the form to hand on.
    Fork { misbehaviour: serde_json::Value },
}

impl Since {
    /// Returns the result in one sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::Continues { from, to, .. } => format!(
                "The log of {to} entries goes on from the checkpoint of {from} entries: nothing was rewritten."
            ),
            Self::Shorter { from, to } => format!(
                "The log has only {to} entries, and had {from} by the checkpoint that you have: it was cut short, or restored from an old copy."
            ),
            Self::Fork { .. } => "The log CONTRADICTS the checkpoint that you have: its key signed two histories. Keep both, they are proof.".to_owned(),
        }
    }

    /// Whether the log is the same, possibly with more entries.
    pub fn holds(&self) -> bool {
        matches!(self, Self::Continues { .. })
    }
}

/// Compares an audited log with a checkpoint by the same key.
///
/// # Errors
///
/// If either cannot be read, or the log's key did not sign the checkpoint.
pub fn compare_since(directory: &Path, note: &str, log: &LogVerifier) -> Result<Since, Problem> {
    let verified = |what: &str, signed: SignedCheckpoint| {
        signed.verify(log).map_err(|error| {
            Problem::new(Code::Verification, format!("{what} is not the log's: {error}"))
        })
    };
    let earlier: SignedCheckpoint = note.trim_start().parse().map_err(|error| {
        Problem::new(Code::Failed, format!("this is not a checkpoint: {error}"))
            .hint("give the file \"checkpoint\" of an earlier copy of the log")
    })?;
    let earlier = verified("the checkpoint to compare with", earlier)?;
    let latest = verified("the checkpoint in the directory", read_checkpoint(directory)?)?;
    let (from, to) = (earlier.head().size, latest.head().size);
    if from > to {
        return Ok(Since::Shorter { from, to });
    }
    let files = Files::new(directory);
    let mut tree = MemoryTree::default();
    for entry in Entries::new(&files, to, 0..to) {
        let (_, entry) = entry.map_err(|error| files_problem(directory, &error))?;
        tree.append(leaf_hash(&entry));
    }
    match Fork::find(&earlier, &latest, &tree) {
        Ok(None) => Ok(Since::Continues { from, to, root: latest.head().root }),
        Ok(Some(fork)) => {
            let proof = Misbehaviour::Fork(Box::new(fork)).to_json();
            let misbehaviour = serde_json::from_str(&proof).unwrap_or_default();
            Ok(Since::Fork { misbehaviour })
        }
        Err(FindForkError::OtherLog) => {
            Err(Problem::new(Code::Verification, "the checkpoint is of a different log"))
        }
        Err(error) => Err(Problem::new(
            Code::Verification,
            format!("the log in {} does not hold: {error}", directory.display()),
        )),
    }
}
