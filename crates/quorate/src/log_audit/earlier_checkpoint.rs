//! Comparison of a log with an earlier checkpoint, or one from elsewhere.

use std::path::Path;

use quorate_ceremony::audit::{AuditReport, ReplacementReport};
use quorate_ceremony::misbehaviour::Misbehaviour;
use quorate_ceremony::names::AccountName;
use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::compare::{FindForkError, Fork};
use quorate_log::key::LogVerifier;
use quorate_log::tile::Entries;
use quorate_log::tree::{MemoryTree, TreeHead, head_at};
use quorate_log::{Hash, leaf_hash};
use serde::Serialize;

use super::files::Files;
use super::{files_problem, read_checkpoint};
use crate::api::{Code, Problem};
use crate::render::list;

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
    /// The checkpoint is not of this log, and by a coordinator that members replaced.
    Abandoned {
        from: u64,
        /// The number of entries that counted then.
        history: u64,
        /// The index of the entry with which the replacement came into force.
        index: u64,
        /// The voters whose nodes cosigned, and then abandoned, a history that is at least as long
        /// as the checkpoint. Empty if no vote explains the checkpoint.
        by: Vec<AccountName>,
        reason: String,
    },
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
            Self::Abandoned { from, history, index, by, reason } if by.is_empty() => format!(
                "The checkpoint that you have, of {from} entries, CONTRADICTS the log. The coordinator that signed it was replaced with entry {index} after {history} entries ({reason}), but no vote says that its author abandoned such a history. Keep the checkpoint as evidence, and ask the members.",
            ),
            Self::Abandoned { from, history, index, by, reason } => format!(
                "The checkpoint that you have, of {from} entries, is of a history that was ABANDONED by {}: members replaced the coordinator with entry {index}, and only {history} earlier entries count ({reason}).",
                list(by)
            ),
            Self::Fork { .. } => "The log CONTRADICTS the checkpoint that you have: its key signed two histories. Keep both, they are proof.".to_owned(),
        }
    }

    /// Whether the log is the same, possibly with more entries.
    pub fn holds(&self) -> bool {
        matches!(self, Self::Continues { .. })
    }
}

/// Compares an audited log with a checkpoint by the key of one of its coordinators.
///
/// # Errors
///
/// If either cannot be read, or no key of the log signed the checkpoint.
pub fn compare_since(directory: &Path, note: &str, report: &AuditReport) -> Result<Since, Problem> {
    let key = |text: &str| {
        text.parse::<LogVerifier>()
            .map_err(|_| Problem::new(Code::Verification, "the log's genesis names no usable key"))
    };
    let log = key(&report.log_key)?;
    let verified = |what: &str, signed: SignedCheckpoint| {
        signed.verify(&log).map_err(|error| {
            Problem::new(Code::Verification, format!("{what} is not the log's: {error}"))
        })
    };
    let earlier: SignedCheckpoint = note.trim_start().parse().map_err(|error| {
        Problem::new(Code::Failed, format!("this is not a checkpoint: {error}"))
            .hint("give the file \"checkpoint\" of an earlier copy of the log")
    })?;
    for replacement in &report.replacements {
        let [before, _] = &replacement.log_keys;
        if let Ok(earlier) = earlier.clone().verify(&key(before)?) {
            let latest = verified("the checkpoint in the directory", read_checkpoint(directory)?)?;
            return since_replaced(directory, earlier.head(), latest.head(), replacement);
        }
    }
    let earlier = verified("the checkpoint to compare with", earlier)?;
    let latest = verified("the checkpoint in the directory", read_checkpoint(directory)?)?;
    let (from, to) = (earlier.head().size, latest.head().size);
    if from > to {
        return Ok(Since::Shorter { from, to });
    }
    let tree = tree(directory, to)?;
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

/// Compares with a checkpoint by a coordinator that was replaced.
fn since_replaced(
    directory: &Path,
    earlier: TreeHead,
    latest: TreeHead,
    replacement: &ReplacementReport,
) -> Result<Since, Problem> {
    let (from, to) = (earlier.size, latest.size);
    let history = replacement.history.size;
    if from <= to && head_at(&tree(directory, to)?, from).ok() == Some(earlier) {
        return Ok(Since::Continues { from, to, root: latest.root });
    }
    Ok(Since::Abandoned {
        from,
        history,
        index: replacement.index,
        by: replacement
            .votes
            .iter()
            .filter(|(_, abandoned)| abandoned.is_some_and(|tree| tree.size >= from))
            .map(|(name, _)| name.clone())
            .collect(),
        reason: replacement.reason.clone(),
    })
}

fn tree(directory: &Path, size: u64) -> Result<MemoryTree, Problem> {
    let files = Files::new(directory);
    let mut tree = MemoryTree::default();
    for entry in Entries::new(&files, size, 0..size) {
        let (_, entry) = entry.map_err(|error| files_problem(directory, &error))?;
        tree.append(leaf_hash(&entry));
    }
    Ok(tree)
}
