//! Files that commands read. They are read whole.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use quorate_documents::{Format, VerifyingKey};

use crate::api::{Code, GroupView, Problem};
use crate::render::{clean, size};

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
                let message = format!(
                    "{name} is larger than {limit} bytes ({}), the limit here",
                    size(limit)
                );
                Problem::new(Code::Failed, message)
                    .hint("for a document with its name and message, the limit is config.limits.document_bytes in home.json of the coordinator and of every member")
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

/// Returns the ending of a format's files. Asks for the group only if the ending depends on its
/// key.
pub(super) fn ending(
    format: Format,
    group: impl FnOnce() -> Result<GroupView, Problem>,
) -> Result<&'static str, Problem> {
    let endings = format.endings();
    if let [only] = endings.as_slice() {
        return Ok(only);
    }
    let key = group()?.verifying_key.as_deref().and_then(VerifyingKey::from_hex);
    let ending = key.map(|key| format.ending(key.kind())).or(endings.first().copied());
    Ok(ending.unwrap_or_default())
}

/// Returns a name that is safe to write to. The requester chose the document's name, and must not
/// choose a directory or a hidden file.
pub(super) fn plain_name(name: &str) -> PathBuf {
    let name: String = clean(name).chars().map(|c| if c == '/' { '_' } else { c }).collect();
    match name.trim_start_matches(['.', '-']) {
        "" => PathBuf::from("document"),
        name => PathBuf::from(name),
    }
}

const SHORT: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn missing_large_and_wrong_files_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        assert!(read(&path, 4).unwrap_err().message.starts_with("there is no file"));
        assert!(read(directory.path(), 4).unwrap_err().message.contains("is a directory"));
        fs::write(&path, "four").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"four");
        assert!(read(&path, 3).unwrap_err().message.contains("larger than 3 bytes (3 bytes)"));
    }

    #[test]
    fn a_requester_cannot_choose_where_a_file_goes() {
        for (name, plain) in [
            ("contract.pdf", "contract.pdf"),
            ("../../etc/passwd", "_.._etc_passwd"),
            (".bashrc", "bashrc"),
            ("-rf", "rf"),
            ("..", "document"),
            ("", "document"),
            ("a\nb", "a b"),
        ] {
            assert_eq!(plain_name(name), PathBuf::from(plain));
        }
    }
}
