//! Reading hashes and entries back from tiles and bundles.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Range;

use super::{InvalidBundle, TileKind, TilePath, parse_bundle};
use crate::tree::{Frontier, HashReader};
use crate::{Hash, leaf_hash};

/// Provides files of the log by the path that [`TilePath`] displays.
pub trait TileReader {
    /// Why a file that may exist cannot be read.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The whole file, or `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// When the file exists but is unreadable, or it is unknown whether it exists.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Self::Error>;
}

impl<R: TileReader> TileReader for &R {
    type Error = R::Error;

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Self::Error> {
        (**self).read(path)
    }
}

/// A log in memory: content by path.
impl TileReader for BTreeMap<String, Vec<u8>> {
    type Error = Infallible;

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.get(path).cloned())
    }
}

/// Reads the file at `path`, or the beginning of the full one when the partial one is gone.
pub(super) fn read_file<R: TileReader>(
    reader: &R,
    path: TilePath,
) -> Result<(TilePath, Vec<u8>), TileError<R::Error>> {
    let candidates = [Some(path), path.is_partial().then(|| path.full())];
    for candidate in candidates.into_iter().flatten() {
        if let Some(bytes) = reader.read(&candidate.to_string()).map_err(TileError::Read)? {
            return Ok((candidate, bytes));
        }
    }
    Err(TileError::Missing(path))
}

/// Reads the hashes of a tile, as many as `path` promises.
pub(super) fn read_hashes<R: TileReader>(
    reader: &R,
    path: TilePath,
) -> Result<Vec<Hash>, TileError<R::Error>> {
    let (found, bytes) = read_file(reader, path)?;
    let (hashes, rest) = bytes.as_chunks();
    if hashes.len() != usize::from(found.width()) || !rest.is_empty() {
        return Err(TileError::Malformed(found));
    }
    let wanted = hashes.iter().take(usize::from(path.width()));
    Ok(wanted.copied().map(Hash::from_bytes).collect())
}

/// Reads the entries of a bundle, as many as `path` promises.
pub(super) fn read_entries<R: TileReader>(
    reader: &R,
    path: TilePath,
) -> Result<Vec<Vec<u8>>, TileError<R::Error>> {
    let (found, bytes) = read_file(reader, path)?;
    let entries =
        parse_bundle(&bytes, found.width()).map_err(|InvalidBundle| TileError::Malformed(found))?;
    let wanted = entries.into_iter().take(usize::from(path.width()));
    Ok(wanted.map(<[u8]>::to_vec).collect())
}

/// The hashes of the first `size` entries, from tiles. Does not check that they belong together.
///
/// Keeps every tile that it has read, 8 KiB each: make one for each proof.
#[derive(Debug)]
pub struct TileHashes<R> {
    reader: R,
    size: u64,
    tiles: RefCell<BTreeMap<TilePath, Vec<Hash>>>,
}

impl<R: TileReader> TileHashes<R> {
    /// Reads the tiles of a log of `size` entries.
    pub fn new(reader: R, size: u64) -> Self {
        Self { reader, size, tiles: RefCell::default() }
    }
}

impl<R: TileReader> HashReader for TileHashes<R> {
    type Error = TileError<R::Error>;

    fn hash(&self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        // A tile has every eighth level; those between are the roots of 2^height of its hashes.
        let height = level % 8;
        let kind = TileKind::Hashes { level: u8::try_from(level / 8).unwrap_or(u8::MAX) };
        let first = index.checked_mul(1 << height).ok_or(TileError::OutOfRange)?;
        let last = first + (1 << height) - 1;
        let path = TilePath::holding(kind, last, self.size).ok_or(TileError::OutOfRange)?;

        let mut tiles = self.tiles.borrow_mut();
        let hashes = match tiles.get(&path) {
            Some(hashes) => hashes,
            None => {
                let hashes = read_hashes(&self.reader, path)?;
                tiles.entry(path).or_insert(hashes)
            }
        };
        let mut subtree = Frontier::default();
        let offset = usize::try_from(first % 256).map_err(|_| TileError::OutOfRange)?;
        hashes.iter().skip(offset).take(1 << height).for_each(|hash| subtree.append(*hash));
        Ok(subtree.root())
    }
}

/// Entries in order, with their indexes, from bundles.
///
/// Does not check them against a root: [append](Frontier::append) their leaf hashes to a
/// [`Frontier`], or use [`verify_tiles`](super::verify_tiles) before. Ends after an error.
#[derive(Debug)]
pub struct Entries<R> {
    reader: R,
    size: u64,
    range: Range<u64>,
    /// What is left of the bundle read last, in reverse.
    bundle: Vec<Vec<u8>>,
}

impl<R: TileReader> Entries<R> {
    /// Reads entries `range` of the log of `size` entries; nothing exists beyond `size`.
    pub fn new(reader: R, size: u64, range: Range<u64>) -> Self {
        Self { reader, size, range: range.start..range.end.min(size), bundle: Vec::new() }
    }

    fn read(&mut self, index: u64) -> Result<Vec<u8>, TileError<R::Error>> {
        if self.bundle.is_empty() {
            let path = TilePath::holding(TileKind::Entries, index, self.size)
                .ok_or(TileError::OutOfRange)?;
            let skip = usize::try_from(index % 256).map_err(|_| TileError::OutOfRange)?;
            self.bundle = read_entries(&self.reader, path)?.into_iter().skip(skip).rev().collect();
        }
        self.bundle.pop().ok_or(TileError::OutOfRange)
    }
}

impl<R: TileReader> Iterator for Entries<R> {
    type Item = Result<(u64, Vec<u8>), TileError<R::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.range.next()?;
        let entry = self.read(index);
        if entry.is_err() {
            self.range.end = self.range.start;
        }
        Some(entry.map(|entry| (index, entry)))
    }
}

/// Checks that the bundle of entries fits the leaf hashes beside it.
pub(super) fn bundle_matches(entries: &[Vec<u8>], leaves: &[Hash]) -> bool {
    entries.len() == leaves.len()
        && entries.iter().zip(leaves).all(|(entry, leaf)| leaf_hash(entry) == *leaf)
}

/// Why a hash or an entry cannot be read from the files of a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum TileError<E: std::error::Error + 'static> {
    /// A file that the tree size requires does not exist, nor does the full one in its place.
    #[error("{0} is missing")]
    Missing(TilePath),
    #[error("{0} is damaged: it does not hold what its path promises")]
    Malformed(TilePath),
    #[error("this is not within the tree")]
    OutOfRange,
    #[error("a file of the log can't be read")]
    Read(#[source] E),
}
