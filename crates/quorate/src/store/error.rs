//! Why a store can not do what it was asked to.

use std::io;
use std::path::{Path, PathBuf};

use quorate_log::tree::TreeHead;

use crate::file_problem::FileProblem;

/// Why a store can not be opened, read or written. Nothing was changed by what failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// What can be wrong with any file.
    #[error(transparent)]
    File(#[from] FileProblem),
    /// The database is gone, but what SQLite keeps beside it is not: somebody moved or deleted one of two files that
    /// belong together.
    #[error("{} is missing although its journal is there; put the database back beside it", .0.display())]
    JournalAlone(PathBuf),
    /// A SQLite database of another program, or another store of ours.
    #[error("{} is not a Quorate {expected} database", path.display())]
    OtherKind {
        /// Which file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
    /// The database failed in another way.
    #[error("the database {} failed", path.display())]
    Database {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// To store this would break a promise. A fault of the caller; the batch was not stored.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A key package in the database was not sealed by this key store, for this account, IVN and session.
    #[error("a key package in {} can not be unsealed: database and key file do not belong together, or one of them was changed", .0.display())]
    KeyPackage(PathBuf),
    /// The published log has entries that the database does not have. To go on would fork the log.
    #[error("{} has {database} entries, but {published} are published in log/: it is older than that; restore the newer database", path.display())]
    OlderThanPublished {
        /// The database.
        path: PathBuf,
        /// Entries in it.
        database: u64,
        /// Entries in the published tree.
        published: u64,
    },
    /// The published log is not the database's. To go on would fork the log.
    #[error("the entries in {} are not those whose checkpoint of {size} entries is published in log/; restore the database that belongs to it", path.display())]
    OtherThanPublished {
        /// The database.
        path: PathBuf,
        /// Size of the published tree.
        size: u64,
    },
    /// The published checkpoint is damaged.
    #[error("{} is damaged; if the database is the right one, delete this file and it is published anew", .0.display())]
    PublishedCheckpoint(PathBuf),
}

/// A promise that a store keeps, whoever asks it to break it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Entries come one after the other.
    #[error("an entry does not follow the last one in the store")]
    EntryOutOfOrder,
    /// Entries never change.
    #[error("an entry in the store can not be changed or removed")]
    EntryIsFinal,
    /// Checkpoints grow, and one size has one root.
    #[error("a checkpoint is of a smaller or another tree than the one in the store")]
    CheckpointWentBack,
    /// A checkpoint is of the tree of the stored entries.
    #[error("the checkpoint of {} entries is not of the entries in the store", .0.size)]
    CheckpointOfOtherEntries(TreeHead),
    /// A checkpoint is a signed note that says what it is stored as.
    #[error("the checkpoint is not a signed note of a tree of the size that it is stored for")]
    NotACheckpoint,
    /// A cosignature is one line of a signed note.
    #[error("the cosignature is not a signature line of a signed note")]
    NotACosignature,
    /// A session is committed to once.
    #[error("the node has already committed itself in this signing session")]
    AlreadyCommitted,
    /// A share is released only after a commitment.
    #[error("the node releases a share in a signing session that it did not commit itself in")]
    NeverCommitted,
    /// A share is released once (S1).
    #[error("the node has already released its share in this signing session")]
    AlreadyReleased,
    /// A key package is never overwritten.
    #[error("there is already a key package of this session")]
    KeyPackageExists,
    /// What proves the coordinator's misbehaviour is not changed or forgotten.
    #[error("what is kept as proof stays as it is")]
    ProofIsFinal,
    /// A refusal by the account holder is not forgotten.
    #[error("a refusal is final")]
    RefusalIsFinal,
    /// A number is above 2⁶³−1.
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
    /// Sorts what the database says.
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
