//! `quorate log verify` and `log prove` on published logs, genuine and damaged.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod decisions;
mod flips;
mod foreign;
mod harm;
mod known;
mod sentences;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use quorate::api::Exit;
use quorate::log_audit::{Options, prove, verify_directory, verify_proof};
use quorate::store::documents::DocumentPackage;
use quorate_ceremony::audit::{Anchor, Check, Verdict};
use quorate_ceremony::document::NotChecked;
use quorate_ceremony::entry::Body;
use quorate_ceremony::names::Digest;
use quorate_ceremony::test_world::TestLog;
use quorate_documents::{Output, VerifyingKey, prepare};
use quorate_log::checkpoint::VerifiedCheckpoint;
use quorate_log::tile::TileWriter;
use tempfile::TempDir;

const EVERYBODY: [&str; 3] = ["ada", "ben", "cyd"];

fn package() -> DocumentPackage {
    DocumentPackage {
        salt: [7; 32],
        name: "contract.txt".parse().unwrap(),
        note: None,
        document: b"a contract".to_vec(),
    }
}

/// Returns a log with a group of three, and a signature by two over the package's document.
fn signed_log() -> TestLog {
    TestLog::with_signature(package().commitment(), &to_be_signed()).0
}

/// The bytes that the group signs for the package's document.
fn to_be_signed() -> Vec<u8> {
    let output: Output = "ssh".parse().unwrap();
    // Any key: the bytes of an SSH signature do not depend on it.
    let (document, key) = (package().document, VerifyingKey::Ed25519([0; 32]));
    let prepared = prepare(&document, &output, &key).unwrap();
    prepared.to_be_signed(&[]).unwrap()
}

/// Like [`signed_log`], with two bundles, of which one is full.
fn long_log() -> TestLog {
    let mut log = signed_log();
    for start in 0..260u16 {
        let mut incarnation = [0; 32];
        incarnation[..2].copy_from_slice(&start.to_be_bytes());
        log.by("ben", Body::NodeStarted { incarnation: Digest::new(incarnation) });
    }
    log
}

/// Writes the files of a log as it grows to `sizes` and then completely. Partial files of
/// intermediate sizes stay.
fn publish(log: &TestLog, sizes: &[usize], checkpoint: &VerifiedCheckpoint) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = TileWriter::default();
    let mut from = 0;
    for size in sizes.iter().copied().chain([log.entries.len()]) {
        for file in writer.append(&log.entries[from..size]).unwrap().write {
            write(directory.path(), &file.path.to_string(), &file.bytes);
        }
        from = size;
    }
    write(directory.path(), "checkpoint", checkpoint.to_string().as_bytes());
    directory
}

/// Like [`publish`], with the cosignatures of all members.
fn published(log: &TestLog) -> TempDir {
    publish(log, &[], &log.checkpoint(&EVERYBODY))
}

fn write(directory: &Path, path: &str, bytes: &[u8]) {
    let path = directory.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Lists the files that a log of this size needs.
fn needed(log: &TestLog) -> BTreeSet<String> {
    let append = TileWriter::default().append(&log.entries).unwrap();
    let tiles = append.write.iter().map(|file| file.path.to_string());
    tiles.chain(["checkpoint".to_owned()]).collect()
}

fn with_documents(directory: &Path) -> Options {
    Options { documents: Some(directory.to_owned()), ..Options::default() }
}

#[test]
fn a_genuine_directory_verifies_with_partial_and_full_tiles() {
    for log in [signed_log(), long_log()] {
        let directory = published(&log);
        let report = verify_directory(directory.path(), &Options::default()).unwrap();
        assert_eq!(report.verdict, Verdict::Final);
        assert_eq!(report.size, log.entries.len() as u64);
        let not_checked = Check::NotChecked { why: NotChecked::NoDocument };
        assert_eq!(report.signatures[0].document, not_checked);
    }
}

#[test]
fn with_its_document_at_hand_a_signature_is_verified() {
    let directory = published(&signed_log());
    let documents = tempfile::tempdir().unwrap();
    let commitment = package().commitment().to_string();
    write(documents.path(), &commitment, &package().to_bytes());
    let report = verify_directory(directory.path(), &with_documents(documents.path())).unwrap();
    let signature = &report.signatures[0];
    assert_eq!([signature.sum, signature.shares, signature.document], [Check::Verified; 3]);
}

#[test]
fn a_changed_document_does_not_verify() {
    let log = signed_log();
    let directory = published(&log);
    let documents = tempfile::tempdir().unwrap();
    let changed = DocumentPackage { document: b"another".to_vec(), ..package() };
    let commitment = package().commitment().to_string();
    write(documents.path(), &commitment, &changed.to_bytes());
    let problem =
        verify_directory(directory.path(), &with_documents(documents.path())).unwrap_err();
    assert_eq!(problem.exit(), Exit::Verification);
    assert!(problem.message.contains("the document at hand is not the one"), "{problem}");
    assert!(problem.message.contains(&format!("entry {}", log.entries.len() - 1)), "{problem}");
}

#[test]
fn unreadable_files_are_errors_and_not_failed_checks() {
    let log = signed_log();
    let missing = tempfile::tempdir().unwrap().path().join("gone");
    let empty = tempfile::tempdir().unwrap();
    for directory in [missing.as_path(), empty.path()] {
        let problem = verify_directory(directory, &Options::default()).unwrap_err();
        assert_eq!(problem.exit(), Exit::Error, "{problem}");
        assert!(problem.message.contains("there is no published log"), "{problem}");
    }
    let directory = published(&log);
    let problem = verify_directory(directory.path(), &with_documents(&missing)).unwrap_err();
    assert_eq!(problem.exit(), Exit::Error, "{problem}");
    // A directory takes the place of a document.
    fs::create_dir(empty.path().join(package().commitment().to_string())).unwrap();
    let problem = verify_directory(directory.path(), &with_documents(empty.path())).unwrap_err();
    assert_eq!(problem.exit(), Exit::Error, "{problem}");
    assert!(problem.message.contains("cannot be read"), "{problem}");
    // A directory takes the place of the checkpoint.
    fs::remove_file(directory.path().join("checkpoint")).unwrap();
    fs::create_dir(directory.path().join("checkpoint")).unwrap();
    let problem = verify_directory(directory.path(), &Options::default()).unwrap_err();
    assert_eq!(problem.exit(), Exit::Error, "{problem}");
}

#[test]
fn an_anchor_decides_whose_log_it_has_to_be() {
    let (log, other) = (signed_log(), TestLog::of_three_elsewhere());
    let directory = published(&log);
    let verify = |anchor: Anchor| {
        verify_directory(directory.path(), &Options { anchor, ..Options::default() })
    };
    let ivn = Anchor { ivn: Some(log.state.ivn()), log_key: None };
    assert!(verify(ivn).unwrap().anchored);
    let key = Anchor { ivn: None, log_key: Some(log.signer().verifier().clone()) };
    assert!(verify(key).unwrap().anchored);

    let ivn = Anchor { ivn: Some(other.state.ivn()), log_key: None };
    let problem = verify(ivn).unwrap_err();
    assert_eq!(problem.exit(), Exit::Verification);
    assert!(problem.message.contains(&other.state.ivn().to_string()), "{problem}");
    let key = Anchor { ivn: None, log_key: Some(other.signer().verifier().clone()) };
    assert_eq!(verify(key).unwrap_err().exit(), Exit::Verification);
}

#[test]
fn a_proof_of_any_entry_verifies_with_the_logs_key_alone() {
    let log = long_log();
    let directory = published(&log);
    for index in [0, 40, 255, 256, log.entries.len() - 1] {
        let proved = prove(directory.path(), index as u64, &Anchor::default()).unwrap();
        assert_eq!(proved.entry, log.entries[index]);
        assert_eq!(proved.log_key, log.signer().verifier().to_string());
        let report = verify_proof(&proved.proof, &proved.entry, &proved.log_key).unwrap();
        assert_eq!((report.index, report.size), (index as u64, log.entries.len() as u64));
        assert_eq!(report.origin, log.state.origin());
        assert!(report.entry.is_some());
        assert!(report.lines().iter().all(|line| line.chars().count() <= 110));
    }
}

#[test]
fn a_proof_of_another_entry_or_log_or_nothing_does_not_verify() {
    let (log, other) = (signed_log(), TestLog::of_three_elsewhere());
    let directory = published(&log);
    let proved = prove(directory.path(), 3, &Anchor::default()).unwrap();
    let other_key = other.signer().verifier().to_string();
    for (proof, entry, key, exit) in [
        (proved.proof.as_str(), &log.entries[4], &proved.log_key, Exit::Verification),
        (&proved.proof, &proved.entry, &other_key, Exit::Verification),
        (
            &proved.proof.replace("index 3", "index 2"),
            &proved.entry,
            &proved.log_key,
            Exit::Verification,
        ),
        ("nonsense", &proved.entry, &proved.log_key, Exit::Verification),
        (&proved.proof, &proved.entry, &"nonsense".to_owned(), Exit::Usage),
    ] {
        assert_eq!(verify_proof(proof, entry, key).unwrap_err().exit(), exit);
    }
    let problem = prove(directory.path(), 1000, &Anchor::default()).unwrap_err();
    assert_eq!(problem.exit(), Exit::Error);
    assert!(problem.hint.unwrap().contains("numbered from 0 to"));
}

#[test]
fn no_proof_is_made_from_changed_files() {
    let log = signed_log();
    for path in needed(&log) {
        let directory = published(&log);
        let file = directory.path().join(&path);
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&file, bytes).unwrap();
        let tampered: Vec<_> = (0..log.entries.len() as u64)
            .filter_map(|index| prove(directory.path(), index, &Anchor::default()).ok())
            .filter(|proved| !log.entries.contains(&proved.entry))
            .collect();
        assert_eq!(tampered, []);
    }
}
