//! Files named on the command line. They are read whole, written whole or not at all, and
//! overwritten only on request.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::api::{Code, Problem};
use crate::render::size;

pub(super) const DASH: &str = "-";

/// Whether `path` stands for stdin or stdout.
pub(super) fn is_dash(path: &Path) -> bool {
    path.as_os_str() == DASH
}

/// Reads a file of at most `limit` bytes, or stdin for `-`.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Problem> {
    if is_dash(path) {
        let stdin = io::stdin().lock();
        return read_from(stdin, limit).map_err(|failure| failure.problem("stdin", limit));
    }
    let name = path.display().to_string();
    let failed = |error| Failure::Io(error).problem(&name, limit);
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(Problem::new(Code::Failed, format!("{name} is a directory, not a file"))
            .hint("sign an archive of it, such as one that tar makes"));
    }
    read_from(file, limit).map_err(|failure| failure.problem(&name, limit))
}

/// Reads a text file of at most 64 KiB.
pub(super) fn read_text(path: &Path) -> Result<String, Problem> {
    String::from_utf8(read(path, SHORT)?)
        .map_err(|_| Problem::new(Code::Failed, format!("{} is not a text file", path.display())))
}

enum Failure {
    Io(io::Error),
    TooLarge,
}

impl Failure {
    fn problem(self, name: &str, limit: u64) -> Problem {
        match self {
            Self::TooLarge => {
                let message =
                    format!("{name} is larger than {}, which is the limit here", size(limit));
                Problem::new(Code::Failed, message)
                    .hint("for documents the limit is in the home.json of nodes and coordinator")
            }
            Self::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                Problem::new(Code::Failed, format!("there is no file {name}"))
            }
            Self::Io(error) => {
                Problem::new(Code::Failed, format!("{name} cannot be read: {error}"))
            }
        }
    }
}

fn read_from(source: impl io::Read, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    source.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(Failure::Io)?;
    if bytes.len() as u64 > limit { Err(Failure::TooLarge) } else { Ok(bytes) }
}

/// Appends `.ending` to the whole name of `path`.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// The file, or stdout, to which a result is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Target {
    path: PathBuf,
    may_replace: bool,
}

impl Target {
    /// Checks the path, or takes stdout for `-`.
    ///
    /// # Errors
    ///
    /// If the file exists and `may_replace` is false. This is reported before any work is done.
    pub(super) fn new(path: PathBuf, may_replace: bool) -> Result<Self, Problem> {
        let target = Self { path, may_replace };
        match fs::symlink_metadata(&target.path) {
            Ok(_) if !may_replace && !target.is_stdout() => Err(target.exists()),
            _ => Ok(target),
        }
    }

    pub(super) fn is_stdout(&self) -> bool {
        is_dash(&self.path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the whole file, with the permissions of the user's other files.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<(), Problem> {
        let written = if self.may_replace { self.replace(bytes) } else { self.create(bytes) };
        written.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => self.exists(),
            _ => {
                let message = format!("{} cannot be written: {error}", self.path.display());
                Problem::new(Code::Failed, message).hint("choose another path with --out")
            }
        })
    }

    fn create(&self, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.write_unfinished(bytes)?;
        // Unlike a rename, a link never replaces an existing file.
        let linked = fs::hard_link(&unfinished, &self.path);
        drop(fs::remove_file(&unfinished));
        linked
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.write_unfinished(bytes)?;
        fs::rename(&unfinished, &self.path).inspect_err(|_| drop(fs::remove_file(&unfinished)))
    }

    fn write_unfinished(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        let unfinished = with_ending(&self.path, &format!("{}.unfinished", std::process::id()));
        let mut options = File::options();
        let mut file = options.write(true).create_new(true).mode(0o666).open(&unfinished)?;
        match file.write_all(bytes).and_then(|()| file.sync_all()) {
            Ok(()) => Ok(unfinished),
            Err(error) => {
                drop(fs::remove_file(&unfinished));
                Err(error)
            }
        }
    }

    fn exists(&self) -> Problem {
        Problem::new(Code::Failed, format!("{} exists already", self.path.display()))
            .hint("--force replaces it; --out writes somewhere else")
    }
}

const SHORT: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_not_replaced_unasked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("contract.pdf.sig");
        let early = Target::new(path.clone(), false).unwrap();
        fs::write(&path, "mine").unwrap();
        assert!(Target::new(path.clone(), false).unwrap_err().message.contains("exists already"));
        assert!(early.write(b"theirs").unwrap_err().message.contains("exists already"));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        Target::new(path.clone(), true).unwrap().write(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn missing_large_and_wrong_files_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        assert!(read(&path, 4).unwrap_err().message.starts_with("there is no file"));
        assert!(read(directory.path(), 4).unwrap_err().message.contains("is a directory"));
        fs::write(&path, "four").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"four");
        assert!(read(&path, 3).unwrap_err().message.contains("larger than 3 bytes"));
    }
}
