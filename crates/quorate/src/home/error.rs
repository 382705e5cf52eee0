//! Why a directory can not be used as a home.

use std::io;
use std::path::PathBuf;

/// Why a directory can not be used as a home. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
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
    /// Written by a newer version of Quorate.
    #[error("{} has format {found}, and this version of Quorate knows formats up to {known}; use the version that wrote it", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// `home.json` is there, but is not what we write.
    #[error("{} is damaged and was left as it is; restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        source: serde_json::Error,
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
    /// A file can not be read.
    #[error("{} can not be read; check who owns it and that its disk is there", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file can not be written.
    #[error("{} can not be written; check its disk and permissions", path.display())]
    NotWritten {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl HomeError {
    pub(super) fn read(path: &std::path::Path, source: io::Error) -> Self {
        Self::Unreadable { path: path.to_owned(), source }
    }

    pub(super) fn write(path: &std::path::Path, source: io::Error) -> Self {
        Self::NotWritten { path: path.to_owned(), source }
    }
}
