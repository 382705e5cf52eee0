//! Proofs of single entries, which verify without the rest of the log.

use std::path::Path;

use quorate_ceremony::audit::{Anchor, latest_log_key, log_key};
use quorate_ceremony::entry::{Author, Entry};
use quorate_ceremony::names::{EntryId, Timestamp};
use quorate_log::Hash;
use quorate_log::key::LogVerifier;
use quorate_log::proof::{InclusionProof, ProveError};
use quorate_log::tile::{Entries, TileHashes};
use quorate_log::tlog_proof::TlogProof;
use serde::Serialize;

use super::files::Files;
use super::{files_problem, read_checkpoint};
use crate::api::{Code, Problem};

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proved {
    pub entry: Vec<u8>,
    /// The proof, a text in the form of c2sp.org/tlog-proof.
    pub proof: String,
    /// The log's key, a C2SP vkey. A verifier must have it from an independent source.
    pub log_key: String,
}

/// Creates and verifies the proof that an entry is in a published log.
///
/// Reads only the tiles on the way to the root, so it does not check the other entries.
///
/// # Errors
///
/// [`Code::Verification`] when the files do not prove it, [`Code::Failed`] when there is no such
/// entry or something cannot be read.
pub fn prove(directory: &Path, index: u64, anchor: &Anchor) -> Result<Proved, Problem> {
    let files = Files::new(directory);
    let checkpoint = read_checkpoint(directory)?;
    let size = checkpoint.unverified().size();
    let hashes = TileHashes::new(&files, size);
    let inclusion = match InclusionProof::prove(&hashes, index, size) {
        Ok(inclusion) => inclusion,
        Err(ProveError::Read(error)) => return Err(files_problem(directory, &error)),
        Err(error) => {
            let last = size.saturating_sub(1);
            return Err(Problem::new(Code::Failed, error.to_string())
                .hint(format!("entries are numbered from 0 to {last}")));
        }
    };
    let entry = |index| match Entries::new(&files, size, index..size).next() {
        Some(Ok((_, entry))) => Ok(entry),
        Some(Err(error)) => Err(files_problem(directory, &error)),
        None => Err(not_proved(&"the log has no entries")),
    };
    let log_key = match &anchor.log_key {
        Some(key) => key.clone(),
        None => {
            let first = log_key(&entry(0)?).map_err(|error| not_proved(&error))?;
            match checkpoint.clone().verify(&first) {
                Ok(_) => first,
                // Members may have replaced the coordinator, which only the whole log shows.
                Err(_) => latest_log_key(&super::entries(directory)?).unwrap_or(first),
            }
        }
    };
    let entry = entry(index)?;
    let proof = TlogProof::new(inclusion, checkpoint);
    proof.verify(&entry, &log_key).map_err(|error| {
        not_proved(&error).hint("verify the whole log, to see what is wrong with it")
    })?;
    Ok(Proved { entry, proof: proof.to_string(), log_key: log_key.to_string() })
}

#[derive(Clone, Debug, Serialize)]
pub struct ProofReport {
    pub origin: String,
    pub index: u64,
    /// The number of entries in the log when the checkpoint in the proof was signed.
    pub size: u64,
    pub root: Hash,
    /// The entry's content. `None` if this version does not know such entries.
    pub entry: Option<EntryReport>,
}

/// The content of an entry. The proof does not show that the author signed it: the coordinator
/// checked that by the log's rules, and everyone who audits the log checks it again.
#[derive(Clone, Debug, Serialize)]
pub struct EntryReport {
    pub id: EntryId,
    pub author: Author,
    /// The time of the statement by the author's clock.
    pub at: Timestamp,
    pub kind: &'static str,
}

/// Verifies with only the log's key that an entry is in a log.
///
/// `proof` is a text in the form of c2sp.org/tlog-proof, `log_key` a C2SP vkey.
///
/// # Errors
///
/// [`Code::Verification`] when the proof does not hold, [`Code::Usage`] when the key is not valid.
pub fn verify_proof(proof: &str, entry: &[u8], log_key: &str) -> Result<ProofReport, Problem> {
    let log_key: LogVerifier = log_key.parse().map_err(|error| {
        Problem::new(Code::Usage, format!("the log key cannot be used: {error}"))
            .hint("copy the whole line that `quorate status` shows as log key")
    })?;
    let proof: TlogProof = proof.parse().map_err(|error| not_proved(&error))?;
    let checkpoint = proof.verify(entry, &log_key).map_err(|error| not_proved(&error))?;
    let known = Entry::from_bytes(entry).ok().map(|entry| EntryReport {
        id: entry.id(),
        author: entry.statement().author.clone(),
        at: entry.statement().at,
        kind: entry.statement().body.kind(),
    });
    Ok(ProofReport {
        origin: checkpoint.checkpoint().origin().to_owned(),
        index: proof.index(),
        size: checkpoint.head().size,
        root: checkpoint.head().root,
        entry: known,
    })
}

impl ProofReport {
    /// Returns the report in sentences, the verdict first. They contain no terminal control
    /// characters.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "The entry is number {} of the {} that the log signed for.",
            self.index, self.size
        )];
        // A key's name has no control characters and no spaces.
        lines.push(format!("Log     {}", self.origin));
        match &self.entry {
            Some(entry) => {
                lines.push(format!("Entry   {}", entry.id));
                lines.push(format!("It says: {}, by {}.", entry.kind, entry.author));
                lines.push("That its author signed it, `quorate log verify DIR` shows.".to_owned());
            }
            None => {
                lines.push("This version of Quorate does not know this kind of entry.".to_owned())
            }
        }
        lines
    }
}

fn not_proved(why: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        Code::Verification,
        format!("the proof does not show that the entry is in the log: {why}"),
    )
}
