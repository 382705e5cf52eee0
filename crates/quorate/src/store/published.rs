//! What is published in `log/`: a checkpoint, and the entries of its tree.

use std::fs;
use std::io;
use std::path::Path;

use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::tile::{Entries, TileReader};
use quorate_log::tree::TreeHead;

use super::error::StoreError;

pub const CHECKPOINT: &str = "checkpoint";

/// Returns the head of the published checkpoint, if there is one. It is unverified: anyone who can
/// write to the directory can replace it.
pub(super) fn published_head(log: &Path) -> Result<Option<TreeHead>, StoreError> {
    Ok(published_checkpoint(log)?.map(|signed| signed.unverified().head()))
}

/// Returns the number of entries in the published log, unverified, if it can be read.
pub(crate) fn published_size(log: &Path) -> Option<u64> {
    Some(published_head(log).ok()??.size)
}

/// Returns the published checkpoint, unverified, if there is one.
pub(crate) fn published_checkpoint(log: &Path) -> Result<Option<SignedCheckpoint>, StoreError> {
    let path = log.join(CHECKPOINT);
    match fs::read(&path) {
        Ok(bytes) => {
            let text = String::from_utf8(bytes).ok();
            let signed = text.and_then(|text| text.parse::<SignedCheckpoint>().ok());
            signed.ok_or(StoreError::PublishedCheckpoint(path)).map(Some)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::from_read(&path, error)),
    }
}

/// Reads the entries `first..size` of a published log of `size` entries, unverified. Returns `None`
/// if any of them cannot be read.
pub(crate) fn published_entries(log: &Path, first: u64, size: u64) -> Option<Vec<Vec<u8>>> {
    let entries = Entries::new(Directory(log), size, first..size);
    entries.map(|entry| entry.ok().map(|(_, bytes)| bytes)).collect()
}

/// The files of a log in a directory.
#[derive(Clone, Copy, Debug)]
pub struct Directory<'a>(
    /// The directory that contains `checkpoint`.
    pub &'a Path,
);

impl TileReader for Directory<'_> {
    type Error = io::Error;

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, io::Error> {
        match fs::read(self.0.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
