//! The checks at the end of a soak.

use std::fs;
use std::process::{Command, Stdio};

use quorate_testkit::cluster::{COORDINATOR, Cluster};

use crate::users::{DOCUMENT, People};
use crate::{NAMES, SMALL_DISKS};

/// Ends all processes and checks the log: it audits clean, it contains everything that was signed,
/// and openssl accepts each signature.
pub(crate) fn check(cluster: &Cluster, people: &People<'_>) -> Result<String, String> {
    cluster.run(NAMES[0], "key export --group board --format pem --out board.pem").checked()?;
    for name in NAMES.iter().chain([&COORDINATOR]) {
        if cluster.said(name).contains("panicked") {
            return Err(format!("{name} panicked"));
        }
    }
    let report = cluster.audit()?;
    let faults = report["faults"].as_array().unwrap();
    if !faults.is_empty() {
        return Err(format!("the log does not audit clean: {}", report["faults"]));
    }
    let signatures = report["signatures"].as_array().unwrap();
    if signatures.len() < people.signed() {
        let (logged, signed) = (signatures.len(), people.signed());
        return Err(format!("the log has {logged} signatures, but {signed} were seen"));
    }
    let mut by_openssl = 0;
    for signature in signatures {
        let hex = signature["signature"].as_str().unwrap();
        match openssl_accepts(cluster, hex) {
            Some(true) => by_openssl += 1,
            Some(false) => return Err(format!("openssl refuses the signature {hex}")),
            None => {}
        }
    }
    Ok(format!(
        "the log of {} entries audits clean, no nonces used twice, openssl accepts {by_openssl} of {} signatures",
        report["size"],
        signatures.len()
    ))
}

/// Returns `None` if openssl is not installed.
fn openssl_accepts(cluster: &Cluster, signature: &str) -> Option<bool> {
    let bytes: Option<Vec<u8>> = hex::decode(signature).ok();
    cluster.write("signature", &bytes?);
    let line =
        format!("pkeyutl -verify -pubin -inkey board.pem -rawin -in {DOCUMENT} -sigfile signature");
    let status = Command::new("openssl")
        .args(line.split_whitespace())
        .current_dir(cluster.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.ok().map(|status| status.success())
}

/// Copies files from disks that disappear with this process to a place where people find them.
pub(crate) fn save(cluster: &Cluster) {
    let saved = cluster.path("saved");
    drop(fs::create_dir(&saved));
    for name in SMALL_DISKS {
        let copying = Command::new("cp").arg("-a").arg(cluster.path(name)).arg(&saved).status();
        drop(copying);
    }
}
