//! Shared by several tests: entries, keys, and the definition of the tree in RFC 9162.

use std::collections::BTreeMap;

use quorate_log::key::{CosignerSigner, LogSigner, Seed, Timestamp};
use quorate_log::tile::{TilePath, TileWriter};
use quorate_log::tree::{MemoryTree, TreeHead};
use quorate_log::{Hash, leaf_hash, node_hash};

pub(crate) const ORIGIN: &str = "sign.example.com/ivn/7b1c";

/// A log in memory: content by path.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn entries(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    range.map(|index| format!("{index} {}", "x".repeat(index as usize % 50)).into_bytes()).collect()
}

pub(crate) fn tree(size: u64) -> MemoryTree {
    entries(0..size).iter().map(|entry| leaf_hash(entry)).collect()
}

/// RFC 9162 §2.1.1, word for word.
pub(crate) fn root_by_definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::of_empty_tree(),
        [leaf] => *leaf,
        _ => {
            let mut split = 1;
            while 2 * split < leaves.len() {
                split *= 2;
            }
            let (left, right) = leaves.split_at(split);
            node_hash(root_by_definition(left), root_by_definition(right))
        }
    }
}

pub(crate) fn log_signer() -> LogSigner {
    LogSigner::new(ORIGIN.parse().unwrap(), Seed::new(Box::new([7; 32])))
}

/// The cosigner called `node-<number>`.
pub(crate) fn cosigner(number: u8) -> CosignerSigner {
    let name = format!("{ORIGIN}/node-{number}").parse().unwrap();
    CosignerSigner::new(name, Seed::new(Box::new([100 + number; 32])))
}

pub(crate) fn time(seconds: u64) -> Timestamp {
    seconds.try_into().unwrap()
}

/// Writes a log of `size` entries in one append.
pub(crate) fn log_of(size: u64) -> (Files, TreeHead) {
    let mut files = Files::new();
    let head = append(&mut files, &mut TileWriter::default(), &entries(0..size));
    (files, head)
}

pub(crate) fn append(files: &mut Files, writer: &mut TileWriter, entries: &[Vec<u8>]) -> TreeHead {
    let append = writer.append(entries).unwrap();
    for file in append.write {
        files.insert(file.path.to_string(), file.bytes);
    }
    for directory in append.obsolete {
        files.retain(|path, _| !path.starts_with(&format!("{directory}/")));
    }
    append.head
}

pub(crate) fn needed(files: &Files, size: u64) -> Files {
    let is_needed = |path: &str| {
        let path: TilePath = path.parse().unwrap();
        let level = match path.kind() {
            quorate_log::tile::TileKind::Entries => 0,
            quorate_log::tile::TileKind::Hashes { level } => u32::from(level),
        };
        let items = size >> (8 * level);
        items.saturating_sub(256 * path.index()).min(256) == u64::from(path.width())
    };
    files.iter().filter(|(path, _)| is_needed(path)).map(|(p, b)| (p.clone(), b.clone())).collect()
}
