//! The Merkle tree: its head, the compact form that nodes keep, and the whole form in memory.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{Hash, node_hash};

/// The largest number of entries a log can have, 2⁶³−1 as in other implementations.
pub const MAX_SIZE: u64 = u64::MAX >> 1;

/// A tree's size and root: everything that a checkpoint states about the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeHead {
    /// Number of entries, at most [`MAX_SIZE`] where this crate made it.
    pub size: u64,
    /// RFC 9162 §2.1.1 root of the first `size` entries.
    pub root: Hash,
}

impl TreeHead {
    /// The head of the tree without entries.
    pub fn empty() -> Self {
        Self { size: 0, root: Hash::of_empty_tree() }
    }
}

/// Provides the hashes of complete subtrees, from which proofs are made.
pub trait HashReader {
    /// Why a hash cannot be provided.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The root of the `2^level` entries from `index * 2^level` on.
    ///
    /// # Errors
    ///
    /// When these entries are not all in the tree, or cannot be read.
    fn hash(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// Computes the root of the first `size` entries.
///
/// # Errors
///
/// Those of `reader`.
pub fn head_at<R: HashReader>(reader: &R, size: u64) -> Result<TreeHead, R::Error> {
    Ok(TreeHead { size, root: range_hash(reader, 0..size)? })
}

/// Computes the root of a range that RFC 9162 §2.1.1 splits off, so that its start is a multiple of
/// the smallest power of two that is not below its length.
pub(crate) fn range_hash<R: HashReader>(reader: &R, range: Range<u64>) -> Result<Hash, R::Error> {
    Ok(fold(&complete_subtrees(reader, range)?))
}

fn complete_subtrees<R: HashReader>(reader: &R, range: Range<u64>) -> Result<Vec<Hash>, R::Error> {
    let mut subtrees = Vec::new();
    let mut start = range.start;
    while let Some(level) = range.end.saturating_sub(start).checked_ilog2() {
        subtrees.push(reader.hash(level, start >> level)?);
        start += 1 << level;
    }
    Ok(subtrees)
}

/// Combines neighbouring complete subtrees, largest first, to their common root.
fn fold(subtrees: &[Hash]) -> Hash {
    let root = subtrees.iter().rev().copied().reduce(|right, left| node_hash(left, right));
    root.unwrap_or_else(Hash::of_empty_tree)
}

/// The right edge of a tree: enough to append and to compute the root, in at most 63 hashes.
///
/// Every node keeps one, to recompute the root from the entries that it followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Roots of the complete subtrees, largest first: one for each bit that is set in `size`.
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// Rebuilds the frontier of the first `size` entries.
    ///
    /// # Errors
    ///
    /// Those of `reader`.
    pub fn load<R: HashReader>(reader: &R, size: u64) -> Result<Self, R::Error> {
        Ok(Self { size, subtrees: complete_subtrees(reader, 0..size)? })
    }

    /// Appends the [leaf hash](crate::leaf_hash) of an entry.
    pub fn append(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                hash = node_hash(left, hash);
            }
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    /// Number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root, in at most 62 hash computations.
    pub fn root(&self) -> Hash {
        fold(&self.subtrees)
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size(), root: self.root() }
    }

    /// Encodes the size (8 bytes, big-endian) and the hashes of the complete subtrees, largest
    /// first (32 bytes each, as many as bits are set in the size).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        bytes.extend(self.subtrees.iter().flat_map(|hash| hash.as_bytes()));
        bytes
    }

    /// Decodes [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    ///
    /// When the length does not fit the size, or the size is above [`MAX_SIZE`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidFrontier> {
        let (size, hashes) = bytes.split_first_chunk().ok_or(InvalidFrontier)?;
        let size = u64::from_be_bytes(*size);
        let (hashes, rest) = hashes.as_chunks();
        if size > MAX_SIZE || !rest.is_empty() || hashes.len() != size.count_ones() as usize {
            return Err(InvalidFrontier);
        }
        Ok(Self { size, subtrees: hashes.iter().copied().map(Hash::from_bytes).collect() })
    }
}

/// Bytes that should be a frontier have the wrong length for the size they start with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an encoded frontier: its length does not fit its tree size")]
pub struct InvalidFrontier;

/// All hashes of a tree, 64 bytes an entry; provides proofs without tiles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryTree {
    /// Roots of the complete subtrees of `2^i` entries, for `i` from 0.
    levels: Vec<Vec<Hash>>,
}

impl MemoryTree {
    /// Appends the [leaf hash](crate::leaf_hash) of an entry.
    pub fn append(&mut self, leaf: Hash) {
        let mut carry = Some(leaf);
        for level in &mut self.levels {
            let Some(hash) = carry else { return };
            level.push(hash);
            carry = match level.as_chunks() {
                (pairs, []) => pairs.last().map(|[left, right]| node_hash(*left, *right)),
                _ => None,
            };
        }
        self.levels.extend(carry.map(|hash| vec![hash]));
    }

    /// Number of entries.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        let mut frontier = Frontier { size: self.size(), subtrees: Vec::new() };
        for (level, hashes) in self.levels.iter().enumerate().rev() {
            if frontier.size >> level & 1 == 1 {
                frontier.subtrees.extend(hashes.last());
            }
        }
        frontier.head()
    }
}

impl HashReader for MemoryTree {
    type Error = NotInTree;

    fn hash(&self, level: u32, index: u64) -> Result<Hash, NotInTree> {
        let hashes = usize::try_from(level).ok().and_then(|level| self.levels.get(level));
        let hash = usize::try_from(index).ok().and_then(|index| hashes?.get(index));
        hash.copied().ok_or(NotInTree)
    }
}

impl FromIterator<Hash> for MemoryTree {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Self {
        let mut tree = Self::default();
        leaves.into_iter().for_each(|leaf| tree.append(leaf));
        tree
    }
}

/// The requested hash covers entries that are not all in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these entries are not all in the tree")]
pub struct NotInTree;
