//! Why a directory cannot be used as a home.

use std::io;
use std::path::{Path, PathBuf};

use crate::file_problem::FileProblem;

/// Why a directory cannot be used as a home. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    #[error(transparent)]
    File(#[from] FileProblem),
    #[error("there is no {kind} home at {}; make one first, or say with --home where it is", path.display())]
    Missing { path: PathBuf, kind: &'static str },
    #[error("{} is not a {kind} home: it has no home.json; say with --home where it is", path.display())]
    NotAHome { path: PathBuf, kind: &'static str },
    #[error("{} is a {found} home, and a {kind} home is needed here; say with --home where it is", path.display())]
    OtherKind { path: PathBuf, kind: &'static str, found: &'static str },
    #[error("{} is not empty; choose another directory with --home", .0.display())]
    NotEmpty(PathBuf),
    #[error("{} is a home already; choose another directory with --home", .0.display())]
    Exists(PathBuf),
    #[error("{} is already in use{}; end that process first", path.display(), process.map(|p| format!(" by process {p}")).unwrap_or_default())]
    InUse {
        path: PathBuf,
        /// The number of the process, if the lock contains it.
        process: Option<u32>,
    },
    #[error("there are {} node homes in {}; choose one with --home", names.len(), path.display())]
    Ambiguous {
        path: PathBuf,
        /// The directories' names, sorted.
        names: Vec<String>,
    },
    #[error(
        "there is no home directory to put data in; set HOME, or say with --home where it goes"
    )]
    NoDataDirectory,
}

impl HomeError {
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        FileProblem::read(path, source).into()
    }

    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        FileProblem::write(path, source).into()
    }
}
