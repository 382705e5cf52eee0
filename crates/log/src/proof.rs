//! Inclusion and consistency proofs, RFC 9162 §2.1.3 and §2.1.4.

use serde::{Deserialize, Serialize};

use crate::tree::{HashReader, MAX_SIZE, TreeHead, range_hash};
use crate::{Hash, node_hash};

/// Proves that an entry is at its index in a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InclusionProof {
    /// Zero-based index of the entry.
    pub index: u64,
    /// From the leaf's sibling up to the root's child; at most 63.
    pub hashes: Vec<Hash>,
}

impl InclusionProof {
    /// Makes the proof for the entry at `index` in the tree of the first `size` entries.
    ///
    /// The hashes are as reliable as `reader`: [`verify`](Self::verify) the result against a
    /// checkpoint before relying on it.
    ///
    /// # Errors
    ///
    /// When `index` is not below `size`, or `reader` fails.
    pub fn prove<R: HashReader>(
        reader: &R,
        index: u64,
        size: u64,
    ) -> Result<Self, ProveError<R::Error>> {
        if index >= size || size > MAX_SIZE {
            return Err(ProveError::IndexOutOfRange { index, size });
        }
        // Not part of the proof, but a tree that lacks the entry must not seem to prove it.
        reader.hash(0, index)?;
        let (mut start, mut end) = (0, size);
        let mut hashes = Vec::new();
        // Walks down from the root, so the hashes come in reverse.
        while end - start > 1 {
            let middle = start + split(end - start);
            let sibling = if index < middle { middle..end } else { start..middle };
            hashes.push(range_hash(reader, sibling)?);
            if index < middle { end = middle } else { start = middle }
        }
        hashes.reverse();
        Ok(Self { index, hashes })
    }

    /// Checks that the entry with this [leaf hash](crate::leaf_hash) is in the tree.
    ///
    /// # Errors
    ///
    /// [`InvalidProof`] when the proof does not show it.
    pub fn verify(&self, leaf: Hash, head: TreeHead) -> Result<(), InvalidProof> {
        if self.index >= head.size {
            return Err(InvalidProof);
        }
        let (mut node, mut last, mut hash) = (self.index, head.size - 1, leaf);
        for sibling in &self.hashes {
            if last == 0 {
                return Err(InvalidProof);
            }
            if node & 1 == 1 || node == last {
                hash = node_hash(*sibling, hash);
                // A node without a right sibling is its own parent on the levels above.
                let levels = if node == 0 { 0 } else { node.trailing_zeros() };
                node >>= levels;
                last >>= levels;
            } else {
                hash = node_hash(hash, *sibling);
            }
            node >>= 1;
            last >>= 1;
        }
        if last == 0 && hash == head.root { Ok(()) } else { Err(InvalidProof) }
    }
}

/// Proves that a tree is the beginning of a later one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConsistencyProof {
    /// In the order of RFC 9162 §2.1.4.1; at most 64. None when the sizes are equal or the older
    /// one is 0.
    pub hashes: Vec<Hash>,
}

impl ConsistencyProof {
    /// Makes the proof that the first `older` entries begin the first `newer`.
    ///
    /// The hashes are as reliable as `reader`: [`verify`](Self::verify) the result against
    /// checkpoints before relying on it.
    ///
    /// # Errors
    ///
    /// When `older` is above `newer`, or `reader` fails.
    pub fn prove<R: HashReader>(
        reader: &R,
        older: u64,
        newer: u64,
    ) -> Result<Self, ProveError<R::Error>> {
        if older > newer || newer > MAX_SIZE {
            return Err(ProveError::Shrinks { older, newer });
        }
        let mut hashes = Vec::new();
        if older == 0 || older == newer {
            return Ok(Self { hashes });
        }
        let (mut start, mut end) = (0, newer);
        // Walks down from the root to the subtree that ends where the older tree ends.
        while older != end {
            let middle = start + split(end - start);
            if older <= middle {
                hashes.push(range_hash(reader, middle..end)?);
                end = middle;
            } else {
                hashes.push(range_hash(reader, start..middle)?);
                start = middle;
            }
        }
        // From 0 on, that subtree is the older tree, whose root the verifier has.
        if start != 0 {
            hashes.push(range_hash(reader, start..end)?);
        }
        hashes.reverse();
        Ok(Self { hashes })
    }

    /// Checks that the entries of `older` begin those of `newer`.
    ///
    /// # Errors
    ///
    /// [`InvalidProof`] when the proof does not show it. The proof itself may be wrong: accusing a
    /// log takes a [`Fork`](crate::compare::Fork).
    pub fn verify(&self, older: TreeHead, newer: TreeHead) -> Result<(), InvalidProof> {
        let shown = match (older.size, self.hashes.as_slice()) {
            (0, []) => older == TreeHead::empty() && (newer.size > 0 || newer == older),
            (0, _) => false,
            (size, []) if size == newer.size => older.root == newer.root,
            (size, hashes) if size < newer.size => connects(hashes, older, newer),
            _ => false,
        };
        if shown { Ok(()) } else { Err(InvalidProof) }
    }
}

/// RFC 9162 §2.1.4.2 for `0 < older.size < newer.size`.
fn connects(hashes: &[Hash], older: TreeHead, newer: TreeHead) -> bool {
    let (first, rest) = if older.size.is_power_of_two() {
        (older.root, hashes)
    } else if let Some((first, rest)) = hashes.split_first() {
        (*first, rest)
    } else {
        return false;
    };
    // The lowest common subtree of both trees, counted on its level, and the last one there.
    let levels = older.size.trailing_zeros();
    let (mut node, mut last) = ((older.size - 1) >> levels, (newer.size - 1) >> levels);
    let (mut older_root, mut newer_root) = (first, first);
    for hash in rest {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            older_root = node_hash(*hash, older_root);
            newer_root = node_hash(*hash, newer_root);
            let levels = if node == 0 { 0 } else { node.trailing_zeros() };
            node >>= levels;
            last >>= levels;
        } else {
            newer_root = node_hash(newer_root, *hash);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && older_root == older.root && newer_root == newer.root
}

/// The largest power of two below `size`, which is at least 2.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// A proof does not show what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not lead to the root of the checkpoint")]
pub struct InvalidProof;

/// Why a proof cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ProveError<E: std::error::Error + 'static> {
    #[error("there is no entry {index} in a tree of {size} entries")]
    IndexOutOfRange { index: u64, size: u64 },
    #[error("a tree of {older} entries can't be the beginning of one of {newer}")]
    Shrinks { older: u64, newer: u64 },
    #[error("a hash of the tree can't be read")]
    Read(#[from] E),
}
