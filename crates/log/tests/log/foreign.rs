//! A generated log, checked by a script that shares no code with us: Python's hashlib and openssl.

use std::path::Path;
use std::process::{Command, Output};

use quorate_log::checkpoint::{CosignerSet, VerifiedCheckpoint};
use quorate_log::proof::InclusionProof;
use quorate_log::tile::TileHashes;
use quorate_log::tlog_proof::TlogProof;

use crate::fixture::{Files, cosigner, entries, log_of, log_signer, time};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/verify.py");

fn cosigned(size: u64) -> (Files, VerifiedCheckpoint) {
    let (files, head) = log_of(size);
    let signers = [cosigner(1), cosigner(2)];
    let set = CosignerSet::new(signers.iter().map(|s| s.verifier().clone())).unwrap();
    let mut checkpoint = log_signer().sign(head);
    for signer in &signers {
        let line = signer.cosign(&checkpoint, time(1_700_000_000));
        checkpoint.add_cosignature(&set, line).unwrap();
    }
    (files, checkpoint)
}

fn store(directory: &Path, files: &Files, checkpoint: &VerifiedCheckpoint, proved: &[u64]) {
    for (path, bytes) in files {
        let path = directory.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    std::fs::write(directory.join("checkpoint"), checkpoint.to_string()).unwrap();
    let size = checkpoint.head().size;
    for index in proved {
        let hashes = TileHashes::new(files, size);
        let inclusion = InclusionProof::prove(&hashes, *index, size).unwrap();
        let proof = TlogProof::new(inclusion, checkpoint.as_signed().clone());
        let name = directory.join(index.to_string());
        std::fs::write(name.with_extension("tlog-proof"), proof.to_string()).unwrap();
        std::fs::write(name.with_extension("entry"), &entries(*index..index + 1)[0]).unwrap();
    }
}

/// `None` when the tools are not installed, which the test then prints.
fn run_script(directory: &Path) -> Option<Output> {
    for (tool, version) in [("python3", "--version"), ("openssl", "version")] {
        if !Command::new(tool).arg(version).output().is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: python3 or openssl not installed ({tool} is missing)");
            return None;
        }
    }
    let keys = [cosigner(1).verifier().to_string(), cosigner(2).verifier().to_string()];
    let mut script = Command::new("python3");
    script.arg(SCRIPT).arg(directory).arg(log_signer().verifier().to_string()).args(keys);
    Some(script.output().unwrap())
}

#[test]
fn python_and_openssl_agree_with_us_on_a_log() {
    for (size, proved) in [(1, vec![0]), (256, vec![0, 255]), (66_000, vec![0, 65_535, 65_999])] {
        let directory = tempfile::tempdir().unwrap();
        let (files, checkpoint) = cosigned(size);
        store(directory.path(), &files, &checkpoint, &proved);
        let Some(output) = run_script(directory.path()) else { return };
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(said.matches("included").count(), proved.len());
        assert!(said.contains(&format!("log: {size} entries")), "{said}");
    }
}

#[test]
fn python_and_openssl_notice_what_is_wrong() {
    let (files, checkpoint) = cosigned(300);
    let path = "tile/0/001.p/44";
    let changed_tile = |directory: &Path| {
        let mut bytes = files[path].clone();
        bytes[0] ^= 1;
        std::fs::write(directory.join(path), bytes).unwrap();
    };
    let changed_entry = |directory: &Path| std::fs::write(directory.join("7.entry"), "7").unwrap();
    let changed_time = |directory: &Path| {
        let text = checkpoint.to_string();
        let time_of_last = text.rfind(' ').unwrap() + 1 + 12;
        let mut bytes = text.into_bytes();
        bytes[time_of_last] ^= 3;
        std::fs::write(directory.join("checkpoint"), bytes).unwrap();
    };
    let harms: [&dyn Fn(&Path); 3] = [&changed_tile, &changed_entry, &changed_time];
    for harm in harms {
        let directory = tempfile::tempdir().unwrap();
        store(directory.path(), &files, &checkpoint, &[7]);
        harm(directory.path());
        let Some(output) = run_script(directory.path()) else { return };
        assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
