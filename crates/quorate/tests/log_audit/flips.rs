//! A flipped bit anywhere in a directory is detected, or it is in a file that a log of this size
//! does not need.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use quorate::api::Exit;
use quorate::log_audit::{Options, verify_directory};
use tempfile::TempDir;

use super::{EVERYBODY, TestLog, long_log, needed, publish, signed_log};

/// A log directory that grew, with the role of each file.
struct Grown {
    directory: TempDir,
    files: Vec<(String, bool)>,
}

fn grown(log: &TestLog, sizes: &[usize], cosigners: &[&str]) -> Grown {
    let directory = publish(log, sizes, &log.checkpoint(cosigners));
    super::write(directory.path(), "README", b"not a file of the log");
    let needed = needed(log);
    let files = files_below(directory.path())
        .into_iter()
        .map(|path| {
            let path = path.strip_prefix(directory.path()).unwrap().to_str().unwrap().to_owned();
            let is_needed = needed.contains(&path);
            (path, is_needed)
        })
        .collect();
    Grown { directory, files }
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

static SHORT: LazyLock<Grown> = LazyLock::new(|| grown(&signed_log(), &[1, 7, 28], &EVERYBODY));
static LONG: LazyLock<Grown> =
    LazyLock::new(|| grown(&long_log(), &[1, 200, 256, 270], &EVERYBODY));

/// The irrelevant files are those of earlier sizes, and those that do not belong to the log.
#[test]
fn only_old_partial_and_foreign_files_are_irrelevant() {
    let irrelevant: Vec<_> = LONG.files.iter().filter(|(_, needed)| !needed).collect();
    let irrelevant: Vec<_> = irrelevant.iter().map(|(path, _)| path.as_str()).collect();
    let expected = [
        "README",
        "tile/0/000.p/1",
        "tile/0/000.p/200",
        "tile/0/001.p/14",
        "tile/entries/000.p/1",
        "tile/entries/000.p/200",
        "tile/entries/001.p/14",
    ];
    assert_eq!(irrelevant, expected);
}

/// Copies the directory of the file, so that cases cannot disturb each other.
fn verify_with(grown: &Grown, changed: &str, bytes: &[u8]) -> Result<String, Exit> {
    let copy = tempfile::tempdir().unwrap();
    for (path, _) in &grown.files {
        let original = fs::read(grown.directory.path().join(path)).unwrap();
        super::write(copy.path(), path, if path == changed { bytes } else { &original });
    }
    verify_directory(copy.path(), &Options::default())
        .map(|report| serde_json::to_string(&report).unwrap())
        .map_err(|problem| problem.exit())
}

fn genuine(grown: &Grown) -> String {
    let report = verify_directory(grown.directory.path(), &Options::default()).unwrap();
    serde_json::to_string(&report).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_flipped_bit_in_any_file_is_noticed_or_provably_irrelevant(
        long in any::<bool>(),
        file in any::<prop::sample::Index>(),
        byte in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        let grown: &Grown = if long { &LONG } else { &SHORT };
        let (path, needed) = file.get(&grown.files);
        let mut bytes = fs::read(grown.directory.path().join(path)).unwrap();
        let position = byte.index(bytes.len());
        bytes[position] ^= 1 << bit;
        let outcome = verify_with(grown, path, &bytes);
        if *needed {
            prop_assert_eq!(outcome, Err(Exit::Verification), "{} byte {}", path, position);
        } else {
            prop_assert_eq!(outcome, Ok(genuine(grown)), "{} byte {}", path, position);
        }
    }
}

/// Flips every byte, because a verifier may be lax about some parts of a note: names, ids, base64,
/// white space.
#[test]
fn a_flipped_bit_in_any_byte_of_the_checkpoint_is_noticed() {
    let grown = grown(&TestLog::founded(), &[], &["ada"]);
    let note = fs::read(grown.directory.path().join("checkpoint")).unwrap();
    for position in 0..note.len() {
        let mut bytes = note.clone();
        bytes[position] ^= 1 << (position % 8);
        let outcome = verify_with(&grown, "checkpoint", &bytes);
        assert_eq!(outcome, Err(Exit::Verification), "byte {position}");
    }
}
