//! Inclusion and consistency proofs: complete, sound against small changes, and equal to those of
//! others.

use proptest::prelude::*;
use quorate_log::proof::{ConsistencyProof, InclusionProof, ProveError};
use quorate_log::tree::{HashReader, MAX_SIZE, MemoryTree, NotInTree, TreeHead, head_at};
use quorate_log::{Hash, leaf_hash};

use crate::fixture::{entries, tree};

const SIZE: u64 = 70;

fn heads(tree: &MemoryTree) -> Vec<TreeHead> {
    (0..=tree.size()).map(|size| head_at(tree, size).unwrap()).collect()
}

/// Changes one bit of one hash, in all positions of the list and a varying bit.
fn with_one_bit_changed(hashes: &[Hash]) -> impl Iterator<Item = Vec<Hash>> {
    (0..hashes.len()).map(|position| {
        let mut changed = hashes.to_vec();
        let mut bytes = *changed[position].as_bytes();
        let bit = (position * 67 + usize::from(bytes[0])) % 256;
        bytes[bit / 8] ^= 1 << (bit % 8);
        changed[position] = Hash::from_bytes(bytes);
        changed
    })
}

/// Every list that has one hash fewer or one more.
fn with_another_length(hashes: &[Hash]) -> impl Iterator<Item = Vec<Hash>> {
    let shorter = (0..hashes.len()).map(|position| {
        let mut shorter = hashes.to_vec();
        shorter.remove(position);
        shorter
    });
    let longer = (0..=hashes.len()).map(|position| {
        let mut longer = hashes.to_vec();
        longer.insert(position, hashes.first().copied().unwrap_or(leaf_hash(b"")));
        longer
    });
    shorter.chain(longer)
}

#[test]
fn every_entry_of_every_tree_is_proved_and_nothing_else_is() {
    let tree = tree(SIZE);
    let heads = heads(&tree);
    for size in 1..=SIZE {
        for index in 0..size {
            let proof = InclusionProof::prove(&tree, index, size).unwrap();
            let leaf = tree.hash(0, index).unwrap();
            let verifies = |hashes: Vec<Hash>| {
                InclusionProof { index, hashes }.verify(leaf, heads[size as usize]).is_ok()
            };
            assert!(verifies(proof.hashes.clone()), "{index} of {size}");
            assert!(!with_one_bit_changed(&proof.hashes).any(verifies), "{index} of {size}");
            assert!(!with_another_length(&proof.hashes).any(verifies), "{index} of {size}");
            for other in (0..=SIZE).filter(|other| *other != index) {
                let moved = InclusionProof { index: other, ..proof.clone() };
                assert!(moved.verify(leaf, heads[size as usize]).is_err(), "{index} of {size}");
                assert!(
                    proof
                        .verify(tree.hash(0, other % SIZE).unwrap(), heads[size as usize])
                        .is_err()
                        || other % SIZE == index
                );
            }
            for other in (0..=SIZE).filter(|other| *other != size) {
                assert!(proof.verify(leaf, heads[other as usize]).is_err(), "{index} of {size}");
            }
        }
    }
}

#[test]
fn every_pair_of_sizes_is_proved_consistent_and_nothing_else_is() {
    let tree = tree(SIZE);
    let heads = heads(&tree);
    for newer in 0..=SIZE {
        for older in 0..=newer {
            let (old, new) = (heads[older as usize], heads[newer as usize]);
            let proof = ConsistencyProof::prove(&tree, older, newer).unwrap();
            let verifies = |hashes: Vec<Hash>| ConsistencyProof { hashes }.verify(old, new).is_ok();
            assert!(verifies(proof.hashes.clone()), "{older} to {newer}");
            assert!(!with_one_bit_changed(&proof.hashes).any(verifies), "{older} to {newer}");
            assert!(!with_another_length(&proof.hashes).any(verifies), "{older} to {newer}");
            if older != newer {
                assert!(proof.verify(new, old).is_err(), "{older} to {newer}");
            }
            for other in (0..=SIZE).map(|other| heads[other as usize]) {
                let same_path = older == 0 || proof.hashes.is_empty();
                assert!(same_path || other == old || proof.verify(other, new).is_err());
                assert!(same_path || other == new || proof.verify(old, other).is_err());
            }
        }
    }
}

#[test]
fn an_empty_consistency_proof_shows_nothing_but_the_obvious() {
    let heads = heads(&tree(9));
    let empty = ConsistencyProof::default();
    for (older, old) in heads.iter().enumerate() {
        for (newer, new) in heads.iter().enumerate() {
            let obvious = older == newer || older == 0;
            assert_eq!(empty.verify(*old, *new).is_ok(), obvious, "{older} to {newer}");
        }
    }
    let bogus = TreeHead { size: 0, root: heads[1].root };
    assert!(empty.verify(bogus, heads[5]).is_err());
    assert!(empty.verify(bogus, bogus).is_err());
    assert!(empty.verify(heads[0], bogus).is_err());
    let longer = TreeHead { size: 9, ..heads[5] };
    assert!(empty.verify(heads[5], longer).is_err(), "two sizes have one root");
    assert!(empty.verify(longer, heads[5]).is_err());
}

#[test]
fn equal_sizes_take_no_hashes_even_when_they_lead_to_the_root() {
    let tree = tree(3);
    let hashes = vec![tree.hash(0, 2).unwrap(), tree.hash(1, 0).unwrap()];
    assert!(ConsistencyProof { hashes }.verify(tree.head(), tree.head()).is_err());
}

#[test]
fn a_proof_does_not_hold_for_a_size_that_needs_more_levels() {
    let tree = tree(33);
    let heads = heads(&tree);
    for newer in 1u64..=33 {
        for claimed in [newer.next_power_of_two() + 1, 2 * newer.next_power_of_two(), 1 << 62] {
            let lie = TreeHead { size: claimed, ..heads[newer as usize] };
            for older in 1..newer {
                let consistency = ConsistencyProof::prove(&tree, older, newer).unwrap();
                assert!(consistency.verify(heads[older as usize], lie).is_err(), "{older} {newer}");
                let inclusion = InclusionProof::prove(&tree, older, newer).unwrap();
                assert!(inclusion.verify(tree.hash(0, older).unwrap(), lie).is_err());
            }
        }
    }
}

#[test]
fn impossible_proofs_are_refused_with_the_numbers() {
    let tree = tree(3);
    assert_eq!(
        InclusionProof::prove(&tree, 3, 3),
        Err(ProveError::IndexOutOfRange { index: 3, size: 3 })
    );
    assert_eq!(
        ConsistencyProof::prove(&tree, 3, 2),
        Err(ProveError::Shrinks { older: 3, newer: 2 })
    );
    assert!(matches!(InclusionProof::prove(&tree, 3, 4), Err(ProveError::Read(_))));
    assert!(InclusionProof::prove(&tree, 0, u64::MAX).is_err());
}

#[test]
fn the_largest_tree_is_proved_and_no_larger_one() {
    /// Everything that a tree larger than any could show.
    struct Any;
    impl HashReader for Any {
        type Error = NotInTree;

        fn hash(&self, _: u32, _: u64) -> Result<Hash, NotInTree> {
            Ok(leaf_hash(b""))
        }
    }
    let beyond = MAX_SIZE + 1;

    assert_eq!(InclusionProof::prove(&Any, 0, MAX_SIZE).unwrap().hashes.len(), 63);
    assert_eq!(
        InclusionProof::prove(&Any, 0, beyond),
        Err(ProveError::IndexOutOfRange { index: 0, size: beyond })
    );
    assert!(ConsistencyProof::prove(&Any, 1, MAX_SIZE).is_ok());
    assert_eq!(
        ConsistencyProof::prove(&Any, 1, beyond),
        Err(ProveError::Shrinks { older: 1, newer: beyond })
    );
}

/// The Go checksum database's algorithms, as `tlog_tiles` has them.
#[test]
fn tlog_tiles_accepts_our_proofs_and_makes_the_same() {
    struct Stored(Vec<tlog_tiles::Hash>);
    impl tlog_tiles::HashReader for Stored {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
            Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
        }
    }
    let theirs = |hash: Hash| tlog_tiles::Hash(*hash.as_bytes());
    let tree = tree(SIZE);
    let heads = heads(&tree);
    let mut stored = Stored(Vec::new());
    for (index, entry) in entries(0..SIZE).iter().enumerate() {
        let new = tlog_tiles::stored_hashes(index as u64, entry, &stored).unwrap();
        stored.0.extend(new);
    }
    for size in 1..=SIZE {
        let root = theirs(heads[size as usize].root);
        assert!(tlog_tiles::tree_hash(size, &stored).unwrap().0 == root.0);
        for index in 0..size {
            let ours = InclusionProof::prove(&tree, index, size).unwrap();
            let ours: Vec<_> = ours.hashes.into_iter().map(theirs).collect();
            let leaf = theirs(tree.hash(0, index).unwrap());
            tlog_tiles::check_record(&ours, size, root, index, leaf).unwrap();
            let made = tlog_tiles::prove_record(size, index, &stored).unwrap();
            assert!(made.iter().map(|hash| hash.0).eq(ours.iter().map(|hash| hash.0)));
        }
        for older in 1..size {
            let ours = ConsistencyProof::prove(&tree, older, size).unwrap();
            let ours: Vec<_> = ours.hashes.into_iter().map(theirs).collect();
            let old_root = theirs(heads[older as usize].root);
            tlog_tiles::check_tree(&ours, size, root, older, old_root).unwrap();
            let made = tlog_tiles::prove_tree(size, older, &stored).unwrap();
            assert!(made.iter().map(|hash| hash.0).eq(ours.iter().map(|hash| hash.0)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn proofs_in_larger_trees_verify_and_changed_ones_do_not(
        newer in 1u64..5000, at in any::<u64>(), bit in any::<usize>(),
    ) {
        let tree = tree(newer);
        let (older, index) = (at % newer + 1, at % newer);
        let (old, new) = (head_at(&tree, older).unwrap(), tree.head());

        let leaf = tree.hash(0, index).unwrap();
        let mut inclusion = InclusionProof::prove(&tree, index, newer).unwrap();
        prop_assert!(inclusion.verify(leaf, new).is_ok());
        if flip(&mut inclusion.hashes, bit) {
            prop_assert!(inclusion.verify(leaf, new).is_err());
        }
        let mut consistency = ConsistencyProof::prove(&tree, older, newer).unwrap();
        prop_assert!(consistency.verify(old, new).is_ok());
        if flip(&mut consistency.hashes, bit) {
            prop_assert!(consistency.verify(old, new).is_err());
        }
    }

    #[test]
    fn no_proof_makes_a_verifier_panic(
        index in any::<u64>(), size in any::<u64>(), older in any::<u64>(),
        bytes in prop::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let hashes: Vec<Hash> = bytes.into_iter().map(Hash::from_bytes).collect();
        let root = leaf_hash(b"root");
        let (old, new) = (TreeHead { size: older, root }, TreeHead { size, root });
        let inclusion = InclusionProof { index, hashes: hashes.clone() };
        prop_assert!(inclusion.verify(leaf_hash(b"leaf"), new).is_err());
        let consistency = ConsistencyProof { hashes };
        prop_assert!(consistency.verify(old, new).is_err() || older == size);
    }
}

fn flip(hashes: &mut [Hash], bit: usize) -> bool {
    let count = hashes.len();
    let Some(hash) = hashes.get_mut(bit / 256 % count.max(1)) else { return false };
    let mut bytes = *hash.as_bytes();
    bytes[bit % 256 / 8] ^= 1 << (bit % 8);
    *hash = Hash::from_bytes(bytes);
    true
}
