//! Why a directory can not be used as a home.

use std::io;
use std::path::{Path, PathBuf};

use crate::file_problem::FileProblem;

/// Why a directory can not be used as a home. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// What can be wrong with any file.
    #[error(transparent)]
    File(#[from] FileProblem),
    /// There is no such directory.
    #[error("there is no {kind} home at {}; make one first, or say with --home where it is", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// "node" or "coordinator".
        kind: &'static str,
    },
    /// The directory is something else.
    #[error("{} is not a {kind} home: it has no home.json; say with --home where it is", path.display())]
    NotAHome {
        /// Which directory.
        path: PathBuf,
        /// "node" or "coordinator".
        kind: &'static str,
    },
    /// The home of the other kind.
    #[error("{} is a {found} home, and a {kind} home is needed here; say with --home where it is", path.display())]
    OtherKind {
        /// Which directory.
        path: PathBuf,
        /// What is needed.
        kind: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A new home would go where something is.
    #[error("{} is not empty; choose another directory with --home", .0.display())]
    NotEmpty(PathBuf),
    /// There is a home already.
    #[error("{} is a home already; choose another directory with --home", .0.display())]
    Exists(PathBuf),
    /// Another process has it.
    #[error("{} is already in use{}; end that process first", path.display(), process.map(|p| format!(" by process {p}")).unwrap_or_default())]
    InUse {
        /// Which directory.
        path: PathBuf,
        /// Who, if it said so.
        process: Option<u32>,
    },
    /// Neither `--home` nor a name says which.
    #[error("there are {} node homes in {}; say which with --home", names.len(), path.display())]
    Ambiguous {
        /// Where they are.
        path: PathBuf,
        /// The directories' names, sorted.
        names: Vec<String>,
    },
    /// Neither XDG_DATA_HOME nor HOME is set.
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
