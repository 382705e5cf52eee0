//! The tree: roots, frontier, and the vectors of certificate transparency.

use proptest::prelude::*;
use quorate_log::proof::{ConsistencyProof, InclusionProof};
use quorate_log::tree::{Frontier, InvalidFrontier, MAX_SIZE, MemoryTree, TreeHead, head_at};
use quorate_log::{Hash, leaf_hash};

use crate::fixture::{entries, root_by_definition, tree};

#[derive(serde::Deserialize)]
struct Vectors {
    source: String,
    entries: Vec<String>,
    roots: Vec<String>,
    inclusion: Vec<Inclusion>,
    consistency: Vec<Consistency>,
}

#[derive(serde::Deserialize)]
struct Inclusion {
    index: u64,
    size: u64,
    hashes: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Consistency {
    older: u64,
    newer: u64,
    hashes: Vec<String>,
}

fn hash(text: &str) -> Hash {
    Hash::from_bytes(hex::decode(text).unwrap().try_into().unwrap())
}

fn hashes(texts: &[String]) -> Vec<Hash> {
    texts.iter().map(|text| hash(text)).collect()
}

#[test]
fn certificate_transparencys_tree_has_its_known_roots() {
    let vectors: Vectors =
        serde_json::from_str(include_str!("../../vectors/rfc6962-tree.json")).unwrap();
    let leaves: Vec<Hash> =
        vectors.entries.iter().map(|entry| leaf_hash(&hex::decode(entry).unwrap())).collect();
    let tree: MemoryTree = leaves.iter().copied().collect();
    let head = |size: u64| TreeHead { size, root: hash(&vectors.roots[size as usize]) };
    let mut frontier = Frontier::default();

    for size in 0..=8 {
        assert_eq!(frontier.head(), head(size), "{}", vectors.source);
        assert_eq!(head_at(&tree, size).unwrap(), head(size));
        leaves.get(size as usize).inspect(|leaf| frontier.append(**leaf));
    }
    for vector in vectors.inclusion {
        let proof = InclusionProof::prove(&tree, vector.index, vector.size).unwrap();
        assert_eq!(proof.hashes, hashes(&vector.hashes));
        proof.verify(leaves[vector.index as usize], head(vector.size)).unwrap();
    }
    for vector in vectors.consistency {
        let proof = ConsistencyProof::prove(&tree, vector.older, vector.newer).unwrap();
        assert_eq!(proof.hashes, hashes(&vector.hashes));
        proof.verify(head(vector.older), head(vector.newer)).unwrap();
    }
}

#[test]
fn both_trees_have_the_root_of_the_definition_at_every_size() {
    let leaves: Vec<Hash> = entries(0..300).iter().map(|entry| leaf_hash(entry)).collect();
    let (mut frontier, mut memory) = (Frontier::default(), MemoryTree::default());
    for size in 0..=leaves.len() {
        let head = TreeHead { size: size as u64, root: root_by_definition(&leaves[..size]) };
        assert_eq!(frontier.head(), head);
        assert_eq!(memory.head(), head);
        assert_eq!(Frontier::from_bytes(&frontier.to_bytes()).as_ref(), Ok(&frontier));
        assert_eq!(Frontier::load(&memory, head.size).unwrap(), frontier);
        leaves.get(size).inspect(|leaf| {
            frontier.append(**leaf);
            memory.append(**leaf);
        });
    }
}

#[test]
fn a_frontier_of_another_length_than_its_size_needs_is_refused() {
    let mut frontier = Frontier::default();
    entries(0..7).iter().for_each(|entry| frontier.append(leaf_hash(entry)));
    let bytes = frontier.to_bytes();
    assert_eq!(bytes.len(), 8 + 3 * 32);
    for len in 0..bytes.len() {
        assert_eq!(Frontier::from_bytes(&bytes[..len]), Err(InvalidFrontier));
    }
    let mut negative = u64::MAX.to_be_bytes().to_vec();
    negative.extend([0; 64 * 32]);
    assert_eq!(Frontier::from_bytes(&negative), Err(InvalidFrontier));
}

#[test]
fn the_largest_frontier_is_read_and_a_larger_one_is_not() {
    let largest = [MAX_SIZE.to_be_bytes().as_slice(), &[7; 63 * 32]].concat();
    assert_eq!(Frontier::from_bytes(&largest).unwrap().to_bytes(), largest);
    let larger = [(MAX_SIZE + 1).to_be_bytes().as_slice(), &[7; 32]].concat();
    assert_eq!(Frontier::from_bytes(&larger), Err(InvalidFrontier));
}

#[test]
fn a_leaf_is_never_a_node() {
    let tree = tree(2);
    let left = leaf_hash(&entries(0..1)[0]);
    let right = leaf_hash(&entries(1..2)[0]);
    let node = [left.as_bytes().as_slice(), right.as_bytes()].concat();
    assert_ne!(leaf_hash(&node), tree.head().root);
}

proptest! {
    #[test]
    fn a_frontier_goes_on_as_if_it_was_never_stored(before in 0u64..2000, after in 0u64..600) {
        let mut through = Frontier::default();
        entries(0..before).iter().for_each(|entry| through.append(leaf_hash(entry)));
        let mut stored = Frontier::from_bytes(&through.to_bytes()).unwrap();
        for entry in entries(before..before + after) {
            through.append(leaf_hash(&entry));
            stored.append(leaf_hash(&entry));
        }
        prop_assert_eq!(&stored, &through);
        prop_assert_eq!(stored.head(), tree(before + after).head());
    }
}
