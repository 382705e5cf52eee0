//! Writes the files that change when entries are appended.

use super::bundle::length_prefix;
use super::read::{bundle_matches, read_entries, read_hashes};
use super::{EntryTooLong, TILE_WIDTH, TileError, TileHashes, TileKind, TilePath, TileReader};
use crate::tree::{Frontier, TreeHead};
use crate::{Hash, leaf_hash};

/// A file to write, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileFile {
    /// Its path. A file that an append left there, and whose checkpoint was never signed, is
    /// overwritten.
    pub path: TilePath,
    /// Its whole content.
    pub bytes: Vec<u8>,
}

/// What to do with the files after an append, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Append {
    /// The files to write durably, in this order, before the checkpoint for [`head`](Self::head) is
    /// signed.
    pub write: Vec<TileFile>,
    /// The tree that the files then contain.
    pub head: TreeHead,
    /// Directories of partial files that may be deleted once that checkpoint is published.
    pub obsolete: Vec<String>,
}

/// The right edge of the log's files: at most 255 entries, and 255 hashes a level.
///
/// Reads only when opened. Appending is all or nothing in memory; if writing the files then fails,
/// drop the writer and open it again at the head of the last checkpoint.
#[derive(Clone, Debug, Default)]
pub struct TileWriter {
    frontier: Frontier,
    /// The entries that do not fill a bundle yet, as in the bundle.
    bundle: Vec<u8>,
    /// The hashes that do not fill a tile yet, by level.
    edges: Vec<Vec<Hash>>,
}

impl TileWriter {
    /// Continues the log whose files are of the tree `head`; for an empty one, reads nothing.
    ///
    /// `head` must be the tree that the log signed last, from a place that restoring a backup of
    /// the files does not roll back.
    ///
    /// # Errors
    ///
    /// When the right edge of the files is missing, damaged, or does not lead to the root.
    pub fn open<R: TileReader>(reader: &R, head: TreeHead) -> Result<Self, OpenError<R::Error>> {
        let frontier = Frontier::load(&TileHashes::new(reader, head.size), head.size)?;
        if frontier.head() != head {
            return Err(OpenError::OtherRoot { size: head.size });
        }
        let mut edges = Vec::new();
        for level in 0..8u8 {
            let items = head.size >> (8 * u32::from(level));
            let kind = TileKind::Hashes { level };
            edges.push(match TilePath::holding(kind, items.saturating_sub(1), head.size) {
                Some(path) if path.is_partial() => read_hashes(reader, path)?,
                _ => Vec::new(),
            });
        }
        let mut bundle = Vec::new();
        let last = TilePath::holding(TileKind::Entries, head.size.saturating_sub(1), head.size);
        if let Some(path) = last.filter(TilePath::is_partial) {
            let entries = read_entries(reader, path)?;
            if !edges.first().is_some_and(|leaves| bundle_matches(&entries, leaves)) {
                return Err(OpenError::OtherEntries(path));
            }
            for entry in &entries {
                let prefix = length_prefix(entry).map_err(|_| TileError::Malformed(path))?;
                bundle.extend_from_slice(&prefix);
                bundle.extend_from_slice(entry);
            }
        }
        Ok(Self { frontier, bundle, edges })
    }

    /// The tree with all entries appended so far.
    pub fn head(&self) -> TreeHead {
        self.frontier.head()
    }

    /// Appends entries.
    ///
    /// # Errors
    ///
    /// When one of them is too long; then none is appended.
    pub fn append<E: AsRef<[u8]>>(&mut self, entries: &[E]) -> Result<Append, EntryTooLong> {
        entries.iter().try_for_each(|entry| length_prefix(entry.as_ref()).map(|_| ()))?;
        let before = self.frontier.size();
        let mut write = Vec::new();
        for entry in entries {
            self.push(entry.as_ref(), &mut write)?;
        }
        let obsolete = write.iter().map(|file| file.path.partials()).collect();
        write.extend(self.partial_files(before));
        // Stable, so that the order within a kind stays: entries, then hashes from the leaves up.
        write.sort_by_key(|file| file.path.kind());
        Ok(Append { write, head: self.head(), obsolete })
    }

    /// Appends one entry, and to `full` the files that it fills.
    pub(super) fn push(
        &mut self,
        entry: &[u8],
        full: &mut Vec<TileFile>,
    ) -> Result<(), EntryTooLong> {
        self.bundle.extend_from_slice(&length_prefix(entry)?);
        self.bundle.extend_from_slice(entry);
        let leaf = leaf_hash(entry);
        let index = self.frontier.size() / u64::from(TILE_WIDTH);
        self.frontier.append(leaf);
        if self.frontier.size().is_multiple_of(u64::from(TILE_WIDTH)) {
            let path = TilePath { kind: TileKind::Entries, index, width: TILE_WIDTH };
            full.push(TileFile { path, bytes: std::mem::take(&mut self.bundle) });
        }
        self.push_hash(0, leaf, full);
        Ok(())
    }

    fn push_hash(&mut self, level: u8, hash: Hash, full: &mut Vec<TileFile>) {
        if self.edges.len() <= usize::from(level) {
            self.edges.push(Vec::new());
        }
        let Some(edge) = self.edges.get_mut(usize::from(level)) else { return };
        edge.push(hash);
        if edge.len() == usize::from(TILE_WIDTH) {
            let hashes = std::mem::take(edge);
            let mut tile = Frontier::default();
            hashes.iter().for_each(|hash| tile.append(*hash));
            let index = (self.frontier.size() >> (8 * (u32::from(level) + 1))) - 1;
            let path = TilePath { kind: TileKind::Hashes { level }, index, width: TILE_WIDTH };
            full.push(TileFile { path, bytes: concat(&hashes) });
            self.push_hash(level + 1, tile.root(), full);
        }
    }

    /// The partial files that an append to a log of `before` entries changed.
    pub(super) fn partial_files(&self, before: u64) -> Vec<TileFile> {
        let size = self.frontier.size();
        let mut files = Vec::new();
        let mut add = |kind, level: u32, bytes: Vec<u8>| {
            let items = size.checked_shr(8 * level).unwrap_or(0);
            let changed = items != before.checked_shr(8 * level).unwrap_or(0);
            let path = TilePath::holding(kind, items.saturating_sub(1), size);
            files.extend(
                path.filter(|path| changed && path.is_partial())
                    .map(|path| TileFile { path, bytes }),
            );
        };
        add(TileKind::Entries, 0, self.bundle.clone());
        for (level, edge) in (0u8..).zip(&self.edges) {
            add(TileKind::Hashes { level }, u32::from(level), concat(edge));
        }
        files
    }
}

fn concat(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// Why a log can't be continued from its files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum OpenError<E: std::error::Error + 'static> {
    /// The hashes in the tiles don't lead to the root. To sign anything now would fork the log.
    #[error("the tiles are not those of the checkpoint at {size} entries")]
    OtherRoot { size: u64 },
    #[error("{0} does not hold the entries that the tiles are of")]
    OtherEntries(TilePath),
    #[error(transparent)]
    Tile(#[from] TileError<E>),
}
