//! What can be wrong with any file that this program keeps.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// Why a file cannot be read or written. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// It is not what this program writes.
    #[error("{} is damaged and was left as it is; restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, if a parser found it.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// A newer version of Quorate wrote it.
    #[error("{} has format {found}, and this version of Quorate knows formats up to {known}; use the version that wrote it", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest known format.
        known: u64,
    },
    /// It is there, but cannot be read.
    #[error("{} cannot be read; check who owns it and that its disk is there", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// There is no space left. What was there before is still readable.
    #[error("the disk of {} is full; nothing of this was stored, what was stored before is intact; make space and try again", .0.display())]
    DiskFull(PathBuf),
    /// It cannot be written.
    #[error("{} cannot be written; check its disk and permissions", path.display())]
    NotWritten {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

impl FileProblem {
    /// The file was read, and is not what this program writes.
    pub(crate) fn damaged(path: &Path) -> Self {
        Self::Damaged { path: path.to_owned(), source: None }
    }

    /// Reading failed.
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Unreadable { path: path.to_owned(), source }
    }

    /// Writing failed.
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull(path),
            _ => Self::NotWritten { path, source },
        }
    }
}
