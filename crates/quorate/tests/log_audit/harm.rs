//! Damaged logs: each kind of damage gives exit code 3 and a message that names it and its place.

use std::fs;
use std::path::Path;

use quorate::api::{Exit, Problem};
use quorate::log_audit::{Options, audit_directory, verify_directory};
use quorate_ceremony::audit::Verdict;
use quorate_ceremony::entry::{AbortReason, Author, Body, Entry, GroupDefinition, Statement};
use quorate_ceremony::names::{COORDINATOR, Digest};
use quorate_log::key::{CosignerSigner, Seed};

use super::{EVERYBODY, long_log, needed, package, publish, published, signed_log, write};
use quorate_ceremony::test_world::{TestLog, cosigned, name};

fn problem(directory: &Path) -> Problem {
    let problem = verify_directory(directory, &Options::default()).unwrap_err();
    assert_eq!(problem.exit(), Exit::Verification, "{problem}");
    problem
}

/// Returns the error message for a genuine log's directory after `harm`.
fn said_after(log: &TestLog, harm: impl FnOnce(&Path)) -> String {
    let directory = published(log);
    harm(directory.path());
    problem(directory.path()).message
}

/// Returns the error message for a log that the coordinator itself made, signed and published this
/// way.
fn said_of(log: &TestLog) -> String {
    let directory = published(log);
    let problem = problem(directory.path());
    assert!(problem.hint.unwrap().contains("it is proof"));
    let report = audit_directory(directory.path(), &Options::default()).unwrap();
    assert_eq!(report.verdict, Verdict::Failed);
    problem.message
}

fn flip(file: &Path, position: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[position] ^= 1;
    fs::write(file, bytes).unwrap();
}

/// The path of the only bundle of a short log.
fn bundle(log: &TestLog) -> String {
    format!("tile/entries/000.p/{}", log.entries.len())
}

fn in_bundle(entries: &[Vec<u8>]) -> Vec<u8> {
    let with_length =
        |entry: &Vec<u8>| [&u16::try_from(entry.len()).unwrap().to_be_bytes()[..], entry].concat();
    entries.iter().flat_map(with_length).collect()
}

#[test]
fn a_flipped_byte_in_an_entry_names_the_entry() {
    let log = signed_log();
    for index in [0, 20, log.entries.len() - 1] {
        let position = in_bundle(&log.entries[..index]).len() + 2 + 50;
        let said = said_after(&log, |directory| flip(&directory.join(bundle(&log)), position));
        assert!(said.contains(&format!("entry {index}, in tile/entries/000")), "{said}");
    }
    let log = long_log();
    let said = said_after(&log, |directory| flip(&directory.join("tile/entries/000"), 100_000));
    assert!(said.contains(", in tile/entries/000,"), "{said}");
}

#[test]
fn a_flipped_byte_in_a_tile_names_the_tile() {
    let log = long_log();
    for tile in needed(&log).iter().filter(|path| !path.contains("entries") && path.contains('/')) {
        let said = said_after(&log, |directory| flip(&directory.join(tile), 7));
        assert!(said.contains(&format!("{tile} does not hold the hashes")), "{said}");
    }
}

#[test]
fn a_flipped_byte_in_the_checkpoint_names_the_checkpoint() {
    let log = signed_log();
    let note = log.checkpoint(&EVERYBODY).to_string();
    let size_line = note.find('\n').unwrap() + 1;
    let root_line = size_line + note[size_line..].find('\n').unwrap() + 1;
    let signature_line = note.find("\n\n").unwrap() + 2;
    for position in [3, size_line, root_line + 5, signature_line + 200] {
        let said = said_after(&log, |directory| flip(&directory.join("checkpoint"), position));
        assert!(said.contains("checkpoint"), "{said}");
    }
    // The message must name the cause: the size is on the second line, and no file is missing.
    let said = said_after(&log, |directory| flip(&directory.join("checkpoint"), size_line));
    assert!(said.contains("the checkpoint is not the log's"), "{said}");
}

#[test]
fn an_entry_removed_from_its_bundle_names_the_bundle() {
    let log = signed_log();
    let mut fewer = log.entries.clone();
    fewer.remove(5);
    let said = said_after(&log, |directory| write(directory, &bundle(&log), &in_bundle(&fewer)));
    assert!(said.contains(&format!("{} is damaged", bundle(&log))), "{said}");
}

#[test]
fn entries_swapped_in_their_bundle_name_the_first() {
    let log = signed_log();
    let mut swapped = log.entries.clone();
    swapped.swap(5, 9);
    let said = said_after(&log, |directory| write(directory, &bundle(&log), &in_bundle(&swapped)));
    assert!(said.contains("entry 5, in tile/entries/000"), "{said}");
}

#[test]
fn a_truncated_directory_names_what_is_missing() {
    let log = long_log();
    for path in needed(&log) {
        let said = said_after(&log, |directory| fs::remove_file(directory.join(&path)).unwrap());
        let names_it = match path.as_str() {
            "checkpoint" => said.contains("has no checkpoint"),
            tile => said.contains(&format!("{tile} is missing")),
        };
        assert!(names_it, "{path}: {said}");
    }
}

#[test]
fn a_truncated_file_is_named() {
    let log = long_log();
    for path in needed(&log) {
        let said = said_after(&log, |directory| {
            let bytes = fs::read(directory.join(&path)).unwrap();
            fs::write(directory.join(&path), &bytes[..bytes.len() - 1]).unwrap();
        });
        assert!(said.contains(&path), "{path}: {said}");
    }
}

#[test]
fn a_checkpoint_of_other_entries_is_not_of_these_files() {
    let mut log = signed_log();
    let directory = published(&log);
    log.by("ben", Body::NodeStarted { incarnation: Digest::new([1; 32]) });
    log.entries.remove(4);
    let checkpoint = log.checkpoint(&EVERYBODY);
    write(directory.path(), "checkpoint", checkpoint.to_string().as_bytes());
    let said = problem(directory.path()).message;
    assert!(said.contains("these files make a different tree"), "{said}");
}

#[test]
fn a_removed_entry_makes_a_later_one_inadmissible() {
    let mut log = signed_log();
    let approval = log.entries.len() - 2;
    log.entries.remove(approval);
    let said = said_of(&log);
    assert!(said.contains(&format!("entry {approval} is not admissible")), "{said}");
    assert!(said.contains("is not approved"), "{said}");
}

#[test]
fn swapped_entries_under_a_new_checkpoint_are_inadmissible() {
    let mut log = signed_log();
    let approval = log.entries.len() - 2;
    log.entries.swap(approval, approval - 1);
    let said = said_of(&log);
    assert!(said.contains(&format!("entry {} is not admissible", approval - 1)), "{said}");
}

#[test]
fn a_forged_author_under_a_new_checkpoint_is_inadmissible() {
    let mut log = signed_log();
    let forged = Statement {
        ivn: Some(log.state.ivn()),
        author: Author::Account(name("ben")),
        at: log.now,
        seen: 0,
        body: Body::NodeStarted { incarnation: Digest::new([1; 32]) },
    };
    let forged = Entry::sign(forged, &[&log.secrets("cyd").identity]).unwrap();
    log.entries.push(forged.to_bytes());
    let index = log.entries.len() - 1;
    let said = said_of(&log);
    let expected = format!("entry {index} is not admissible: not signed by its author");
    assert!(said.contains(&expected), "{said}");
}

#[test]
fn a_signature_with_a_share_of_another_session_is_inadmissible() {
    let mut log = TestLog::with_key();
    let request = log.asks("ada", package().commitment());
    log.by("ben", Body::Approval { request });
    let mut take = || match log.signature_over(request, &["ada", "ben"], b"a contract") {
        Body::Signature { session, signature, signers, .. } => (session, signature, signers),
        other => panic!("{other:?}"),
    };
    let (session, signature, mut signers) = take();
    let (_, _, others) = take();
    signers[1].parts[1] = others[1].parts[1].clone();
    let body = Body::Signature { request, session, signature, signers };
    let entry = log.signed(COORDINATOR, body);
    log.entries.push(entry.to_bytes());
    let index = log.entries.len() - 1;
    let said = said_of(&log);
    let expected =
        format!("entry {index} is not admissible: the signature does not show who made it");
    assert!(said.contains(&expected), "{said}");
}

#[test]
fn a_cosignature_by_a_stranger_names_the_stranger() {
    let log = signed_log();
    let line_name = format!("{}/mallory", log.state.origin());
    let stranger = CosignerSigner::new(line_name.parse().unwrap(), Seed::new(Box::new([3; 32])));
    let checkpoint = cosigned(log.checkpoint(&EVERYBODY), &[stranger]);
    let directory = publish(&log, &[], &checkpoint);
    let said = problem(directory.path()).message;
    assert!(said.contains(&line_name) && said.contains("not on the roster"), "{said}");
}

#[test]
fn another_ivns_log_with_this_ones_checkpoint_does_not_verify() {
    let (log, other) = (signed_log(), TestLog::of_three_elsewhere());
    let directory = publish(&other, &[], &log.checkpoint(&EVERYBODY));
    problem(directory.path());
}

/// The coordinator logs why a session ended. The reason counts only if the members' own messages
/// prove it.
#[test]
fn an_abort_that_blames_somebody_for_nothing_is_not_believed() {
    let mut log = signed_log();
    let members = ["ada", "ben"].map(name).to_vec();
    let definition = log.state.group(&"board".parse().unwrap()).unwrap().definition.clone();
    log.establishes(GroupDefinition { name: "late".parse().unwrap(), members, ..definition });
    let session = log.begins("late", 1);
    let reason = AbortReason::Fault { culprits: [name("ben")].into() };
    let entry = log.signed(COORDINATOR, Body::CeremonyAborted { session, reason });
    log.entries.push(entry.to_bytes());
    let said = said_of(&log);
    assert!(said.contains(&format!("entry {}", log.entries.len() - 1)), "{said}");
    assert!(said.contains("does not show this reason for an abort"), "{said}");
}
