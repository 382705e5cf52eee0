//! The log directory and proofs, checked by a script that shares no code with Quorate: Python's
//! hashlib and openssl.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use quorate::log_audit::{Options, prove, verify_directory};
use quorate_ceremony::audit::Anchor;

use super::{EVERYBODY, long_log, publish};
use quorate_ceremony::test_world::TestLog;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../log/tests/foreign/verify.py");

/// Returns `None`, and prints that the check was skipped, if the tools are not installed.
fn run_script(directory: &Path, log: &TestLog) -> Option<Output> {
    for (tool, version) in [("python3", "--version"), ("openssl", "version")] {
        if !Command::new(tool).arg(version).output().is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: python3 or openssl not installed ({tool} is missing)");
            return None;
        }
    }
    let cosigners = EVERYBODY.map(|account| log.cosigner(account).verifier().to_string());
    let mut script = Command::new("python3");
    script.arg(SCRIPT).arg(directory).arg(log.signer().verifier().to_string()).args(cosigners);
    Some(script.output().unwrap())
}

#[test]
fn python_and_openssl_agree_with_us_on_the_log_of_an_ivn() {
    let log = long_log();
    let directory = publish(&log, &[1, 200, 256, 270], &log.checkpoint(&EVERYBODY));
    verify_directory(directory.path(), &Options::default()).unwrap();
    for index in [0, 44, 288] {
        let proved = prove(directory.path(), index, &Anchor::default()).unwrap();
        let file = directory.path().join(index.to_string());
        fs::write(file.with_extension("tlog-proof"), proved.proof).unwrap();
        fs::write(file.with_extension("entry"), proved.entry).unwrap();
    }
    let Some(output) = run_script(directory.path(), &log) else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.matches("included").count(), 3);
    assert!(said.contains(&format!("log: {} entries", log.entries.len())), "{said}");
}

#[test]
fn python_and_openssl_refuse_what_we_refuse() {
    let log = long_log();
    let directory = publish(&log, &[], &log.checkpoint(&EVERYBODY));
    let bundle = directory.path().join("tile/entries/000");
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[5000] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    assert!(verify_directory(directory.path(), &Options::default()).is_err());
    let Some(output) = run_script(directory.path(), &log) else { return };
    assert!(!output.status.success());
}
