//! The files of a published log: read with limits, recomputed, and diagnosed if they do not fit.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use quorate_ceremony::audit::{Anchor, log_key};
use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::leaf_hash;
use quorate_log::tile::{
    Entries, MAX_ENTRY_LEN, TILE_WIDTH, TileError, TileHashes, TileKind, TilePath, TileReader,
    VerifyTilesError, verify_tiles,
};
use quorate_log::tree::{Frontier, HashReader as _, TreeHead};

use super::files_problem;
use crate::api::{Code, Problem};

/// The longest possible bundle in bytes; no file of a log is longer.
const MAX_FILE: usize = (TILE_WIDTH as usize) * (2 + MAX_ENTRY_LEN);

pub(super) struct Files<'a> {
    directory: &'a Path,
}

/// Reads a whole file of at most `limit` bytes, or the first `limit + 1` bytes of a longer one.
/// Returns `None` if there is no file.
pub(super) fn read(path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

impl TileReader for Files<'_> {
    type Error = io::Error;

    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        read(&self.directory.join(path), MAX_FILE)
    }
}

impl<'a> Files<'a> {
    pub(super) fn new(directory: &'a Path) -> Self {
        Self { directory }
    }

    /// Recomputes every tree and the root.
    pub(super) fn verify(
        &self,
        checkpoint: &SignedCheckpoint,
        anchor: &Anchor,
    ) -> Result<(), Problem> {
        let head = checkpoint.unverified().head();
        let Err(error) = verify_tiles(self, head) else { return Ok(()) };
        if let VerifyTilesError::Tile(error) = &error {
            let problem = files_problem(self.directory, error);
            if matches!(error, TileError::Read(_)) {
                return Err(problem);
            }
            // The changed byte may be in the size, on which all paths depend.
            return Err(self.signature_problem(checkpoint, anchor).unwrap_or(problem));
        }
        let what = if let Some(index) = self.changed_entry(head) {
            format!(
                "entry {index}, in {}, is not the one that the checkpoint commits to",
                bundle_name(index)
            )
        } else if let (VerifyTilesError::OtherHashes(path), true) =
            (&error, self.entries_head(head.size) == Some(head))
        {
            format!("{path} does not hold the hashes of the entries, which themselves are right")
        } else if let Some(problem) = self.signature_problem(checkpoint, anchor) {
            return Err(problem);
        } else {
            "the log's key signed the checkpoint, but these files make a different tree".to_owned()
        };
        Err(self.problem(&what))
    }

    fn problem(&self, what: &str) -> Problem {
        let what = format!("the log in {} does not hold: {what}", self.directory.display());
        Problem::new(Code::Verification, what)
            .hint("get another copy of the log, from another place")
    }

    /// Returns the first entry that differs from its leaf hash, if the hashes match the checkpoint.
    fn changed_entry(&self, head: TreeHead) -> Option<u64> {
        let hashes = TileHashes::new(self, head.size);
        let mut frontier = Frontier::default();
        for index in 0..head.size {
            frontier.append(hashes.hash(0, index).ok()?);
        }
        if frontier.head() != head {
            return None;
        }
        let mut entries = Entries::new(self, head.size, 0..head.size).filter_map(Result::ok);
        entries
            .find(|(index, entry)| hashes.hash(0, *index).ok() != Some(leaf_hash(entry)))
            .map(|(index, _)| index)
    }

    /// Computes the tree head from the entries alone.
    fn entries_head(&self, size: u64) -> Option<TreeHead> {
        let mut frontier = Frontier::default();
        for entry in Entries::new(self, size, 0..size) {
            frontier.append(leaf_hash(&entry.ok()?.1));
        }
        Some(frontier.head())
    }

    /// Reports a changed checkpoint, if its signature does not verify with the anchor's key or,
    /// without one, with that of the genesis in the files.
    fn signature_problem(&self, checkpoint: &SignedCheckpoint, anchor: &Anchor) -> Option<Problem> {
        let key = match &anchor.log_key {
            Some(key) => key.clone(),
            None => log_key(&self.genesis()?).ok()?,
        };
        let error = checkpoint.clone().verify(&key).err()?;
        Some(self.problem(&format!("the checkpoint is not the log's: {error}")))
    }

    /// Returns the first entry of any first bundle, of any width.
    fn genesis(&self) -> Option<Vec<u8>> {
        let first = self.directory.join("tile/entries/000");
        let partial = fs::read_dir(self.directory.join("tile/entries/000.p")).ok();
        let partial = partial.into_iter().flatten().filter_map(|file| Some(file.ok()?.path()));
        let mut bundles = std::iter::once(first).chain(partial);
        bundles.find_map(|path| {
            let bytes = read(&path, MAX_FILE).ok()??;
            let (length, rest) = bytes.split_first_chunk()?;
            rest.get(..usize::from(u16::from_be_bytes(*length))).map(<[u8]>::to_vec)
        })
    }
}

/// Returns the path of an entry's full bundle.
fn bundle_name(index: u64) -> String {
    let bundle = TilePath::new(TileKind::Entries, index / u64::from(TILE_WIDTH), TILE_WIDTH);
    bundle.map_or_else(|_| "the bundles".to_owned(), |path| path.to_string())
}
