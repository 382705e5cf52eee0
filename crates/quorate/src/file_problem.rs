//! Problems that every file of this program can have.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// Why a file cannot be read or written. The file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    #[error("{} is damaged and was left as it is; restore it from a backup", path.display())]
    Damaged {
        path: PathBuf,
        /// The problem, if a parser found it.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    #[error("{} contains a setting with an unknown name or a wrong value; the file was not changed; correct the setting, and put it inside \"config\"", path.display())]
    Setting { path: PathBuf, source: Box<dyn Error + Send + Sync> },
    #[error("{} has format {found}, and this version of Quorate knows formats up to {known}; use the version that wrote it", path.display())]
    Newer { path: PathBuf, found: u64, known: u64 },
    #[error("{} cannot be read; check who owns it and that its disk is there", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the disk of {} is full; nothing of this was stored, what was stored before is intact; make space and try again", .0.display())]
    DiskFull(PathBuf),
    #[error("{} cannot be written; check its disk and permissions", path.display())]
    NotWritten { path: PathBuf, source: io::Error },
}

impl FileProblem {
    pub(crate) fn damaged(path: &Path) -> Self {
        Self::Damaged { path: path.to_owned(), source: None }
    }

    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Unreadable { path: path.to_owned(), source }
    }

    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull(path),
            _ => Self::NotWritten { path, source },
        }
    }
}
