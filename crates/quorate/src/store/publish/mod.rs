//! The published log: a directory that anyone can check with only the log's key (C2SP tlog-tiles).
//!
//! All of it comes from the database and is written again when it is missing or damaged. Tiles and
//! bundles are written first and the checkpoint that commits to them last, so that a reader of the
//! checkpoint finds the rest, wherever the process died.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::note::{MAX_NOTE_LEN, MAX_SIGNATURES};
use quorate_log::tile::{Append, TileWriter};
use tokio::task::spawn_blocking;

use super::coordinator::{Kept, read_kept};
use super::database::Database;
use super::durable;
use super::entries::{READ_AT_ONCE, read_entries};
use super::error::StoreError;
use super::published::published_head;
pub use super::published::{CHECKPOINT, Directory};
use crate::home::IvnDirectory;

/// Writes `log/` from the database, beside its writer. At most one per IVN at a time.
pub struct Publisher {
    database: Database,
    log: PathBuf,
    published: Option<Published>,
}

/// What this process has published.
struct Published {
    writer: TileWriter,
    note: String,
}

impl Publisher {
    /// Prepares to publish the log of an IVN whose
    /// [`CoordinatorStore`](super::coordinator::CoordinatorStore) has been opened before.
    ///
    /// # Errors
    ///
    /// When the database cannot be opened.
    pub async fn open(directory: &IvnDirectory) -> Result<Self, StoreError> {
        let database = Database::open_reader(&directory.database()).await?;
        Ok(Self { database, log: directory.log(), published: None })
    }

    /// Updates the directory to the latest checkpoint in the database with its cosignatures, and
    /// returns its number of entries.
    ///
    /// May fail or be killed at any point: the published log is then what it was, and the next call
    /// continues.
    ///
    /// # Errors
    ///
    /// When the database cannot be read or the directory cannot be written, or the entries of a
    /// different database are published there.
    pub async fn publish(&mut self) -> Result<u64, StoreError> {
        let kept = read_kept(&mut self.database).await?;
        let Some(checkpoint) = &kept.checkpoint else { return Ok(0) };
        let signed: Result<SignedCheckpoint, _> = checkpoint.parse();
        let signed = signed.map_err(|_| StoreError::damaged(self.database.path()))?;
        let note = with_cosignatures(&signed, &kept);
        if self.published.as_ref().is_some_and(|published| published.note == note) {
            return Ok(signed.unverified().size());
        }
        // Unset until all is written: after an error the next call starts from the directory.
        let resumed = match self.published.take() {
            Some(published) => Some(published.writer),
            None => self.resume().await?,
        };
        let (writer, obsolete) = match self.extend(resumed, &signed).await? {
            Some(extended) => extended,
            None => {
                let extended = self.extend(None, &signed).await?;
                extended.ok_or_else(|| StoreError::damaged(self.database.path()))?
            }
        };
        self.write_checkpoint(note.clone(), obsolete).await?;
        self.published = Some(Published { writer, note });
        Ok(signed.unverified().size())
    }

    /// Closes the database. Optional, because everything published is durable.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub async fn close(self) -> Result<(), StoreError> {
        self.database.close().await
    }

    /// Writes the tiles and bundles from `writer` to `signed`. Returns the writer there and the
    /// directories that are then obsolete, or `None` if `writer` was not at the beginning of this
    /// log.
    async fn extend(
        &mut self,
        writer: Option<TileWriter>,
        signed: &SignedCheckpoint,
    ) -> Result<Option<(TileWriter, Vec<String>)>, StoreError> {
        let wanted = signed.unverified().head();
        let mut writer = writer.unwrap_or_default();
        let mut obsolete = Vec::new();
        while writer.head().size < wanted.size {
            let from = writer.head().size;
            let entries = read_entries(&mut self.database, from, wanted.size, READ_AT_ONCE).await?;
            if entries.is_empty() {
                return Err(StoreError::damaged(self.database.path()));
            }
            let log = self.log.clone();
            let append = move || {
                // Entries in the database are never too long for the log; if one were, none would
                // be appended.
                let append = writer.append(&entries).map_err(|error| {
                    StoreError::from_write(&log, io::Error::new(io::ErrorKind::InvalidData, error))
                })?;
                write_files(&log, &append).map_err(|error| StoreError::from_write(&log, error))?;
                Ok((writer, append.obsolete))
            };
            let appended = in_background(&self.log, append).await?;
            writer = appended.0;
            obsolete.extend(appended.1);
        }
        if writer.head().size > wanted.size {
            return Err(StoreError::OlderThanPublished {
                path: self.database.path().to_owned(),
                database: wanted.size,
                published: writer.head().size,
            });
        }
        Ok((writer.head() == wanted).then_some((writer, obsolete)))
    }

    /// Continues from the directory. Returns `None` if it is empty or damaged.
    async fn resume(&self) -> Result<Option<TileWriter>, StoreError> {
        let log = self.log.clone();
        let resume = move || {
            sweep(&log).map_err(|error| StoreError::from_write(&log, error))?;
            let Some(head) = published_head(&log)? else { return Ok(None) };
            Ok(TileWriter::open(&Directory(&log), head).ok())
        };
        in_background(&self.log, resume).await
    }

    async fn write_checkpoint(
        &self,
        note: String,
        obsolete: Vec<String>,
    ) -> Result<(), StoreError> {
        let log = self.log.clone();
        let write = move || {
            durable::create_directories(&log)
                .and_then(|()| durable::replace(&log.join(CHECKPOINT), note.as_bytes()))
                .map_err(|error| StoreError::from_write(&log, error))?;
            for directory in obsolete {
                // Most never existed. One that cannot be removed is harmless, and the next start
                // tries again.
                drop(fs::remove_dir_all(log.join(directory)));
            }
            Ok(())
        };
        in_background(&self.log, write).await
    }
}

/// Adds the cosignatures of exactly this checkpoint, as many as a note can contain.
fn with_cosignatures(signed: &SignedCheckpoint, kept: &Kept) -> String {
    let mut note = signed.to_string();
    let room = MAX_SIGNATURES.saturating_sub(signed.note().signatures().len());
    let of_this =
        kept.cosignatures.iter().filter(|(_, size, _)| *size == signed.unverified().size());
    for (_, _, line) in of_this.take(room) {
        if note.len() + line.len() < MAX_NOTE_LEN && !note.lines().any(|there| there == line) {
            note.push_str(line);
            note.push('\n');
        }
    }
    note
}

fn write_files(log: &Path, append: &Append) -> io::Result<()> {
    let mut changed = BTreeSet::new();
    for file in &append.write {
        let path = log.join(file.path.to_string());
        let directory = durable::directory_of(&path);
        if !directory.is_dir() {
            durable::create_directories(directory)?;
            // New directories need their own names made durable, too.
            let above = directory.ancestors().take_while(|above| above.starts_with(log));
            changed.extend(above.map(Path::to_owned));
        }
        changed.insert(directory.to_owned());
        durable::replace_unsynced(&path, &file.bytes)?;
    }
    changed.iter().try_for_each(|directory| durable::sync_directory(directory))
}

/// Deletes the unfinished files of a killed process, and partial files that a full one replaces.
fn sweep(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if durable::is_unfinished(&path) {
            fs::remove_file(path)?;
        } else if path.is_dir() {
            let partial_of_full =
                path.extension().is_some_and(|p| p == "p") && path.with_extension("").is_file();
            if partial_of_full { fs::remove_dir_all(path)? } else { sweep(&path)? }
        }
    }
    Ok(())
}

async fn in_background<T: Send + 'static>(
    log: &Path,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        // Only when the runtime shuts down.
        Err(error) => Err(StoreError::from_write(log, io::Error::other(error))),
    }
}

#[cfg(test)]
mod tests;
