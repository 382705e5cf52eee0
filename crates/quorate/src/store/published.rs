//! The checkpoint that is published in `log/`.

use std::fs;
use std::io;
use std::path::Path;

use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::tree::TreeHead;

use super::error::StoreError;

pub const CHECKPOINT: &str = "checkpoint";

/// Returns the head of the published checkpoint, if there is one. It is unverified: anyone who can
/// write to the directory can replace it.
pub(super) fn published_head(log: &Path) -> Result<Option<TreeHead>, StoreError> {
    let path = log.join(CHECKPOINT);
    match fs::read(&path) {
        Ok(bytes) => {
            let text = String::from_utf8(bytes).ok();
            let signed = text.and_then(|text| text.parse::<SignedCheckpoint>().ok());
            let signed = signed.ok_or(StoreError::PublishedCheckpoint(path))?;
            Ok(Some(signed.unverified().head()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::from_read(&path, error)),
    }
}
