//! Why keys can not be had or kept.

use std::io;
use std::path::{Path, PathBuf};

use crate::file_problem::FileProblem;

/// Why a key file can not be read or made. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// What can be wrong with any file.
    #[error(transparent)]
    File(#[from] FileProblem),
    /// There is no such file.
    #[error("the keys are missing: there is no {}; restore it from a backup, or join again as a new account", .0.display())]
    Missing(PathBuf),
    /// The file is something else.
    #[error("{} is not a file of {expected}", path.display())]
    OtherKind {
        /// Which file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
    /// The file is whole, but the protector can not open it.
    #[error("{} can not be opened", path.display())]
    Protector {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ProtectorError,
    },
    /// There are keys already.
    #[error("there are keys in {} already, and keys are never overwritten; choose another home", .0.display())]
    Exists(PathBuf),
    /// Others than the owner can read the file.
    #[error("{} can be read by others than its owner; run: chmod 600 {}", .0.display(), .0.display())]
    TooOpen(PathBuf),
}

impl KeystoreError {
    pub(crate) fn damaged(path: &Path) -> Self {
        FileProblem::damaged(path).into()
    }

    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing(path.to_owned()),
            _ => FileProblem::read(path, source).into(),
        }
    }

    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists(path.to_owned()),
            _ => FileProblem::write(path, source).into(),
        }
    }
}

/// Why a protector does not give the key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtectorError {
    /// The passphrase is another than the one that the keys were sealed with.
    #[error("wrong passphrase; try again")]
    WrongPassphrase,
    /// Another kind of protector made the file.
    #[error("these keys are not protected by a passphrase")]
    OtherKind,
    /// What the protector wrote is not what it would write.
    #[error("the protection of the keys is malformed")]
    Malformed,
    /// There is not enough memory, or the operating system refuses.
    #[error("deriving a key from the passphrase failed; is there enough memory?")]
    Failed,
}

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// Nobody can be asked.
    #[error(
        "a passphrase is needed, and there is no terminal to ask on; give a file with --passphrase-file or QUORATE_PASSPHRASE_FILE"
    )]
    NoTerminal,
    /// Nothing was entered, or the file's first line is empty.
    #[error("the passphrase is empty; choose one of some length")]
    Empty,
    /// More bytes than a passphrase may have.
    #[error("the passphrase is longer than {limit} bytes; is this the right file?")]
    TooLong {
        /// The limit in bytes.
        limit: u64,
    },
    /// Asked twice, answered differently.
    #[error("the two passphrases differ; try again")]
    Differ,
    /// Others than the owner can read the file.
    #[error("the passphrase file {} can be read by others than its owner; run: chmod 600 {}", .0.display(), .0.display())]
    TooOpen(PathBuf),
    /// The file can not be read.
    #[error("the passphrase file {} can not be read", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The terminal failed.
    #[error("the passphrase can not be read from the terminal")]
    Terminal(#[source] io::Error),
}
