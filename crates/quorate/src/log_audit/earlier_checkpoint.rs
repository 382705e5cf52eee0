//! Comparing a log with a checkpoint that somebody has from earlier, or from elsewhere.

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

/// What two checkpoints of one log say of each other.
#[derive(Debug, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Since {
    /// The log goes on from the earlier checkpoint.
    Continues {
        /// Entries that it had then.
        from: u64,
        /// Entries that it has now.
        to: u64,
        /// Its root now.
        #[serde(skip)]
        root: Hash,
    },
    /// The log is shorter than it was.
    Shorter {
        /// Entries that it had then.
        from: u64,
        /// Entries that it has now.
        to: u64,
    },
    /// Both can not be true.
    Fork {
        /// The proof, in the form in which it is handed on.
        misbehaviour: serde_json::Value,
    },
}

impl Since {
    /// In one sentence.
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

    /// Whether the log is what it was, and perhaps more.
    pub fn holds(&self) -> bool {
        matches!(self, Self::Continues { .. })
    }
}

/// Compares the log in a directory, which was audited, with a checkpoint by the same key.
///
/// # Errors
///
/// If either can not be read, or the checkpoint is not by the log's key.
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
            Err(Problem::new(Code::Verification, "the checkpoint is of another log"))
        }
        Err(error) => Err(Problem::new(
            Code::Verification,
            format!("the log in {} does not hold: {error}", directory.display()),
        )),
    }
}
