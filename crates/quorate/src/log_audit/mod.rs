//! Auditing a published log: a directory that may be copied from anywhere (C2SP tlog-tiles).
//!
//! ```text
//! DIR/checkpoint      the tree, signed by the log and cosigned by nodes
//! DIR/tile/entries/…  the entries
//! DIR/tile/0/… 1/…    hashes, from which others make proofs
//! ```
//!
//! Every file that a log of the checkpoint's size needs is read and recomputed. Nothing else is
//! read: partial tiles and bundles of other widths belong to earlier checkpoints, and further files
//! are not part of the log.

mod answer;
mod documents;
mod earlier_checkpoint;
mod entries;
mod evidence;
mod files;
mod problem;
mod proof;

use std::path::{Path, PathBuf};

use quorate_ceremony::audit;
use quorate_ceremony::audit::{Anchor, AuditReport};
use quorate_ceremony::document::{Documents, NoDocuments};
use quorate_ceremony::misbehaviour::{self, Misbehaviour, NotProved};
use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::key::LogVerifier;
use quorate_log::note::MAX_NOTE_LEN;
use quorate_log::tile::Entries;

use self::documents::Stored;
use self::files::Files;
use self::problem::{files_problem, unreadable};
use crate::api::{Code, Problem};
use crate::store::publish::CHECKPOINT;

pub use answer::{DocumentAnswer, DocumentRequest, Openings, RecognisedBy, find_document};
pub use earlier_checkpoint::{Since, compare_since};
pub(crate) use entries::entry_view;
pub use entries::read_entries;
pub use evidence::{Evidence, EvidenceReport};
pub use proof::{EntryReport, ProofReport, Proved, prove, verify_proof};

/// The inputs of an audit other than the directory.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What a trustworthy source states about the log. Without it, the audit trusts the log about
    /// its own identity, and the report contains a warning.
    pub anchor: Anchor,
    /// A directory of document packages by commitment, as a coordinator has. Without it, signatures
    /// are not checked against documents, and the report contains a warning.
    pub documents: Option<PathBuf>,
}

/// Audits a log and reports its valid content, even if a part is not valid.
///
/// # Errors
///
/// [`Code::Verification`] when the files are not those of the checkpoint's log, so that there is no
/// log to report on. [`Code::Failed`] when something cannot be read.
pub fn audit_directory(directory: &Path, options: &Options) -> Result<AuditReport, Problem> {
    let mut stored = options.documents.as_deref().map(Stored::open).transpose()?;
    let report = match &mut stored {
        Some(stored) => replay(directory, &options.anchor, stored),
        None => replay(directory, &options.anchor, &mut NoDocuments),
    }?;
    match stored.and_then(Stored::unreadable) {
        Some(problem) => Err(problem),
        None => Ok(report),
    }
}

/// As [`audit_directory`], but a fault in the log is an error.
///
/// # Errors
///
/// As [`audit_directory`]; also [`Code::Verification`], with the first of the report's
/// [faults](AuditReport::faults), if it has any.
pub fn verify_directory(directory: &Path, options: &Options) -> Result<AuditReport, Problem> {
    let report = audit_directory(directory, options)?;
    match report.faults.as_slice() {
        [] => Ok(report),
        [first, others @ ..] => {
            let others = match others.len() {
                0 => String::new(),
                1 => " (and one more fault)".to_owned(),
                more => format!(" (and {more} more faults)"),
            };
            let what = format!("the log in {} does not hold: {first}{others}", directory.display());
            let problem = Problem::new(Code::Verification, what);
            Err(if report.checkpoint.signed_by_log {
                problem.hint("the log's own key signed this: keep a copy, it is proof")
            } else {
                problem.hint("get another copy of the log, from another place")
            })
        }
    }
}

/// Judges a proof of the coordinator's misbehaviour by the log's key and, where it accuses an
/// entry, by a copy of the log that begins in the same way.
///
/// # Errors
///
/// [`Code::Verification`] when it proves nothing. [`Code::Usage`] when judging it requires a log or
/// documents.
pub fn verify_misbehaviour(
    text: &str,
    log: &LogVerifier,
    directory: Option<&Path>,
    documents: Option<&Path>,
) -> Result<misbehaviour::Proved, Problem> {
    let unproved = |error: NotProved| {
        let problem = |code| Problem::new(code, error.to_string());
        match error {
            NotProved::NeedsLog { .. } => problem(Code::Usage).hint("give a copy of the log: DIR"),
            NotProved::NeedsDocument { .. } => {
                problem(Code::Usage).hint("give the directory of documents: --documents DIR")
            }
            _ => problem(Code::Verification),
        }
    };
    let proof = Misbehaviour::from_json(text.trim()).map_err(unproved)?;
    let mut entries = Vec::new();
    if let (Some(directory), needed @ 1..) = (directory, proof.entries_needed()) {
        let size = read_checkpoint(directory)?.unverified().size();
        let files = Files::new(directory);
        for entry in Entries::new(&files, size, 0..size.min(needed)) {
            entries.push(entry.map_err(|error| files_problem(directory, &error))?.1);
        }
    }
    match documents.map(Stored::open).transpose()? {
        Some(mut stored) => proof.verify(log, entries, &mut stored),
        None => proof.verify(log, entries, &mut NoDocuments),
    }
    .map_err(unproved)
}

fn replay(
    directory: &Path,
    anchor: &Anchor,
    documents: &mut dyn Documents,
) -> Result<AuditReport, Problem> {
    let files = Files::new(directory);
    let checkpoint = read_checkpoint(directory)?;
    let size = checkpoint.unverified().size();
    files.verify(&checkpoint, anchor)?;
    let mut failed = None;
    let entries = Entries::new(&files, size, 0..size).map_while(|entry| match entry {
        Ok((_, entry)) => Some(entry),
        Err(error) => {
            failed = Some(error);
            None
        }
    });
    let report = audit::replay(entries, &checkpoint, anchor, documents);
    if let Some(error) = failed {
        return Err(files_problem(directory, &error));
    }
    report.map_err(|error| {
        let what = format!("{} is not the log of an IVN: {error}", directory.display());
        Problem::new(Code::Verification, what)
    })
}

/// Reads all entries of a published log, unverified.
///
/// # Errors
///
/// When files are missing or cannot be read.
pub fn entries(directory: &Path) -> Result<Vec<Vec<u8>>, Problem> {
    let size = read_checkpoint(directory)?.unverified().size();
    let files = Files::new(directory);
    Entries::new(&files, size, 0..size)
        .map(|entry| {
            entry.map(|(_, bytes)| bytes).map_err(|error| files_problem(directory, &error))
        })
        .collect()
}

/// Reads the checkpoint and checks only its form.
pub(crate) fn read_checkpoint(directory: &Path) -> Result<SignedCheckpoint, Problem> {
    let path = directory.join(CHECKPOINT);
    let bytes = match files::read(&path, MAX_NOTE_LEN) {
        Ok(Some(bytes)) => bytes,
        Ok(None) if directory.join("tile").is_dir() => {
            let what =
                format!("the log in {} has no checkpoint: it is cut short", directory.display());
            return Err(Problem::new(Code::Verification, what)
                .hint("get another copy of the log, from another place"));
        }
        Ok(None) => {
            let what = format!("there is no published log in {}", directory.display());
            return Err(Problem::new(Code::Failed, what)
                .hint("give the directory that holds \"checkpoint\" and \"tile\""));
        }
        Err(error) => return Err(unreadable(&path, &error)),
    };
    let damaged = |why: &dyn std::fmt::Display| {
        let what = format!("{} is not a checkpoint: {why}", path.display());
        Problem::new(Code::Verification, what)
            .hint("get another copy of the log, from another place")
    };
    let text = String::from_utf8(bytes).map_err(|_| damaged(&"it is not UTF-8 text"))?;
    text.parse().map_err(|error| damaged(&error))
}
