//! Files that exist completely or not at all, and are private to their owner.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const PRIVATE_FILE: u32 = 0o600;

const PRIVATE_DIRECTORY: u32 = 0o700;

/// The suffix of unfinished files, which are never read.
const UNFINISHED: &str = ".unfinished";

/// Replaces what is at `path` with `bytes`. After an error or a crash, the old file is still there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_unsynced(path, bytes)?;
    sync_directory(directory_of(path))
}

/// As [`replace`], but a crash may undo it until the directory is synced.
pub(crate) fn replace_unsynced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = write_unfinished(path, bytes)?;
    fs::rename(&unfinished, path).inspect_err(|_| forget(&unfinished))
}

/// Replaces what is at `to` with the file at `from`. After an error or a crash, either both files
/// are there or only the new one.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_directory(directory_of(to))
}

/// Creates a file at `path` with `bytes`.
///
/// # Errors
///
/// [`io::ErrorKind::AlreadyExists`] when anything is there; it is not changed.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = write_unfinished(path, bytes)?;
    // Unlike a rename, a link never replaces anything.
    let linked = fs::hard_link(&unfinished, path);
    forget(&unfinished);
    linked?;
    sync_directory(directory_of(path))
}

/// Creates a directory and its missing parents, for the owner only. An existing one is not changed.
pub(crate) fn create_directories(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE_DIRECTORY).create(path)
}

pub(crate) fn create_empty(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE).open(path)
}

pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(PRIVATE_FILE).open(path)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Returns an unused name beside `path` that [`is_unfinished`] recognises.
pub(crate) fn unfinished_name(path: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{count}{UNFINISHED}", std::process::id()));
    path.with_file_name(name)
}

/// Whether a file is an unfinished one that a crash left.
pub(crate) fn is_unfinished(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(UNFINISHED.as_bytes()))
}

fn write_unfinished(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let unfinished = unfinished_name(path);
    // An earlier process with the same number may have died here.
    forget(&unfinished);
    let mut file = create_empty(&unfinished)?;
    match file.write_all(bytes).and_then(|()| file.sync_all()) {
        Ok(()) => Ok(unfinished),
        Err(error) => {
            forget(&unfinished);
            Err(error)
        }
    }
}

/// Deletes a file that is never read. A failure is harmless.
fn forget(unfinished: &Path) {
    drop(fs::remove_file(unfinished));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn replacing_leaves_one_private_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn creating_never_overwrites() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        create(&path, b"one").unwrap();
        assert_eq!(create(&path, b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_replacement_leaves_the_old_content() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("directory");
        fs::create_dir_all(path.join("full")).unwrap();
        assert!(replace(&path, b"new").is_err());
        assert!(path.join("full").is_dir());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
