//! Removes what a failed attempt has created.

use std::fs;
use std::path::{Path, PathBuf};

/// Removes directories when dropped, unless the attempt [succeeded](Self::keep).
#[derive(Debug, Default)]
pub(super) struct Undo(Vec<PathBuf>);

impl Undo {
    /// For a directory that this process created for itself alone.
    pub(super) fn of(path: &Path) -> Self {
        Self(vec![path.to_owned()])
    }

    /// Notes that `path` is about to be created. Anything there other than an empty directory is
    /// not removed later.
    pub(super) fn note(&mut self, path: &Path) {
        let is_new = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if is_new {
            self.0.push(path.to_owned());
        }
    }

    pub(super) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            // A directory that cannot be removed is an unfinished home, which can be tried again.
            drop(fs::remove_dir_all(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_there_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let (new, old) = (directory.path().join("new"), directory.path().join("old"));
        fs::create_dir(&old).unwrap();
        fs::write(old.join("file"), "").unwrap();
        let mut undo = Undo::default();
        undo.note(&new);
        undo.note(&old);
        fs::create_dir_all(new.join("below")).unwrap();
        drop(undo);
        assert!(!new.exists());
        assert!(old.join("file").exists());
    }

    #[test]
    fn success_keeps_everything() {
        let directory = tempfile::tempdir().unwrap();
        let new = directory.path().join("new");
        let mut undo = Undo::default();
        undo.note(&new);
        fs::create_dir(&new).unwrap();
        undo.keep();
        assert!(new.exists());
    }
}
