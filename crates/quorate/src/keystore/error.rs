//! Why keys cannot be read or stored.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::passphrase::Weakness;
use crate::file_problem::FileProblem;

/// Why a key file cannot be read or created. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoreError {
    #[error(transparent)]
    File(#[from] FileProblem),
    #[error("the keys are missing: there is no {}; restore it from a backup, or join again as a new account", .0.display())]
    Missing(PathBuf),
    #[error("{} is not a file of {expected}", path.display())]
    OtherKind { path: PathBuf, expected: &'static str },
    /// The file is whole, but the protector cannot open it.
    #[error("{} cannot be opened", path.display())]
    Protector { path: PathBuf, source: ProtectorError },
    #[error("there are keys in {} already, and keys are never overwritten; choose another home", .0.display())]
    Exists(PathBuf),
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

/// Why a protector does not return the key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtectorError {
    #[error("wrong passphrase")]
    WrongPassphrase,
    #[error("these keys are not protected by a passphrase")]
    OtherKind,
    #[error("the protection of the keys is malformed")]
    Malformed,
    #[error("deriving a key from the passphrase failed; is there enough memory?")]
    Failed,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassphraseError {
    #[error(
        "a passphrase is needed, and there is no terminal to ask on; give a file with --passphrase-file or QUORATE_PASSPHRASE_FILE, or a command with --passphrase-command"
    )]
    NoTerminal,
    #[error(
        "a passphrase is needed, and this process runs in the background, where nothing can be typed; run it in a terminal of its own, or give a file with --passphrase-file"
    )]
    Background,
    #[error("the passphrase is empty; choose one of some length")]
    Empty,
    #[error("the passphrase is longer than {limit} bytes; is this the right file?")]
    TooLong { limit: usize },
    #[error("{0} (--weak-passphrase accepts it)")]
    Weak(Weakness),
    #[error(
        "the passphrase file {} can be read by others than its owner; run: chmod 600 {}; where that is impossible, see `quorate node run --help`",
        .0.display(), .0.display()
    )]
    TooOpen(PathBuf),
    #[error("the passphrase file {} cannot be read", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(
        "the passphrase command is empty, or a quotation mark in it has no second one; it is split at spaces and runs without a shell"
    )]
    CommandLine,
    #[error("the passphrase command \"{program}\" cannot be started, or its output cannot be read")]
    CommandNotStarted { program: String, source: io::Error },
    #[error("the passphrase command \"{program}\" failed: {status}")]
    CommandFailed { program: String, status: ExitStatus },
    #[error("the passphrase command \"{program}\" printed no passphrase in its first line")]
    CommandSilent { program: String },
    #[error("the passphrase cannot be read from the terminal")]
    Terminal(#[source] io::Error),
}
