//! Why a store operation fails.

use std::io;
use std::path::{Path, PathBuf};

use quorate_log::tree::TreeHead;

use crate::file_problem::FileProblem;

/// Why a store cannot be opened, read or written. The failed operation changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    #[error(transparent)]
    File(#[from] FileProblem),
    /// The database is gone, but the journal that SQLite keeps next to it is not: somebody moved or
    /// deleted one of two files that belong together.
    #[error("{} is missing although its journal is there; put the database back beside it", .0.display())]
    JournalAlone(PathBuf),
    /// A SQLite database of another program, or another store of this one.
    #[error("{} is not a Quorate {expected} database", path.display())]
    OtherKind { path: PathBuf, expected: &'static str },
    #[error("the database {} failed", path.display())]
    Database { path: PathBuf, source: sqlx::Error },
    /// The write would break a promise. The caller has a fault; the batch was not stored.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The key package was not sealed by this key store, for this account, IVN and session.
    #[error("a key package in {} cannot be unsealed: database and key file do not belong together, or one of them was changed", .0.display())]
    KeyPackage(PathBuf),
    /// The published log has entries that the database lacks. Continuing would fork the log.
    #[error("{} has {database} entries, but {published} are published in log/: it is older than that; restore the newer database", path.display())]
    OlderThanPublished { path: PathBuf, database: u64, published: u64 },
    /// The published log is of a different database. Continuing would fork the log.
    #[error("the entries in {} are not those whose checkpoint of {size} entries is published in log/; restore the database that belongs to it", path.display())]
    OtherThanPublished { path: PathBuf, size: u64 },
    #[error("{} is damaged; if the database is the right one, delete this file and it is published again", .0.display())]
    PublishedCheckpoint(PathBuf),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    #[error("an entry does not follow the last one in the store")]
    EntryOutOfOrder,
    #[error("an entry in the store cannot be changed or removed")]
    EntryIsFinal,
    /// Checkpoints grow, and one size has one root.
    #[error("the checkpoint is of a smaller or different tree than the stored one")]
    CheckpointWentBack,
    #[error("the checkpoint of {} entries is not of the entries in the store", .0.size)]
    CheckpointOfOtherEntries(TreeHead),
    #[error("the checkpoint is not a signed note of a tree of the size that it is stored for")]
    NotACheckpoint,
    #[error("the cosignature is not a signature line of a signed note")]
    NotACosignature,
    #[error("the node has already committed itself in this signing session")]
    AlreadyCommitted,
    #[error("the node has not committed itself in this signing session")]
    NeverCommitted,
    #[error("the node has already released its share in this signing session")]
    AlreadyReleased,
    #[error("there is already a key package of this session")]
    KeyPackageExists,
    #[error("a stored proof is final")]
    ProofIsFinal,
    #[error("a refusal is final")]
    RefusalIsFinal,
    #[error("a number is too large for the store")]
    TooLarge,
}

impl Refusal {
    /// The names under which the schema's triggers refuse.
    const NAMED: &'static [(&'static str, Self)] = &[
        ("entry-out-of-order", Self::EntryOutOfOrder),
        ("entry-is-final", Self::EntryIsFinal),
        ("checkpoint-went-back", Self::CheckpointWentBack),
        ("already-committed", Self::AlreadyCommitted),
        ("never-committed", Self::NeverCommitted),
        ("already-released", Self::AlreadyReleased),
        ("key-package-exists", Self::KeyPackageExists),
        ("proof-is-final", Self::ProofIsFinal),
        ("refusal-is-final", Self::RefusalIsFinal),
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, refusal)| *refusal)
    }
}

impl StoreError {
    pub(super) fn from_database(path: &Path, source: sqlx::Error) -> Self {
        let path = path.to_owned();
        let sqlx::Error::Database(error) = &source else {
            return match source {
                sqlx::Error::Io(source) => FileProblem::NotWritten { path, source }.into(),
                source => Self::Database { path, source },
            };
        };
        let code: i32 = error.code().and_then(|code| code.parse().ok()).unwrap_or_default();
        // The low byte is the primary result code, https://www.sqlite.org/rescode.html.
        match code & 0xff {
            CONSTRAINT => match Refusal::named(error.message()) {
                Some(refusal) => refusal.into(),
                None => Self::Database { path, source },
            },
            FULL => FileProblem::DiskFull(path).into(),
            CORRUPT | NOT_A_DATABASE => Self::damaged(&path),
            IO_ERROR | READ_ONLY | CANNOT_OPEN => {
                FileProblem::NotWritten { path, source: io::Error::other(source) }.into()
            }
            _ => Self::Database { path, source },
        }
    }

    pub(super) fn damaged(path: &Path) -> Self {
        FileProblem::damaged(path).into()
    }

    pub(super) fn from_write(path: &Path, source: io::Error) -> Self {
        FileProblem::write(path, source).into()
    }

    pub(super) fn from_read(path: &Path, source: io::Error) -> Self {
        FileProblem::read(path, source).into()
    }
}

const READ_ONLY: i32 = 8;
const IO_ERROR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const CONSTRAINT: i32 = 19;
const NOT_A_DATABASE: i32 = 26;
