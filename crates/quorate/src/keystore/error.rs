//! Why keys can not be had or kept.

use std::io;
use std::path::{Path, PathBuf};

/// Why a key file can not be read or made. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// There is no such file.
    #[error("the keys are missing: there is no {}; restore it from a backup, or join again as a new account", .0.display())]
    Missing(PathBuf),
    /// The file is not whole.
    #[error("{} is damaged and was left as it is; restore it from a backup", .0.display())]
    Damaged(PathBuf),
    /// The file is something else.
    #[error("{} is not a file of {expected}", path.display())]
    OtherKind {
        /// Which file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
    /// Written by a newer version of Quorate.
    #[error("{} has format {found}, and this version of Quorate knows formats up to {known}; use the version that wrote it", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u8,
        /// The newest that is known.
        known: u8,
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
    /// The file can not be read.
    #[error("{} can not be read; check who owns it and that its disk is there", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file can not be written.
    #[error("{} can not be written; check its disk and permissions", path.display())]
    NotWritten {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl KeystoreError {
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing(path),
            _ => Self::Unreadable { path, source },
        }
    }

    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists(path),
            _ => Self::NotWritten { path, source },
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
