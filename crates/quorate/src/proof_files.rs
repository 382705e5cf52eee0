//! Files with proof of the coordinator's misbehaviour in a node's home, for handing on.
//!
//! The database is authoritative. These copies can be read while no node runs; people can send them
//! to each other and judge them with `quorate log verify --misbehaviour`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use quorate_ceremony::misbehaviour::Misbehaviour;
use sha2::{Digest as _, Sha256};

const PREFIX: &str = "misbehaviour-";
const SUFFIX: &str = ".json";

/// Writes a proof next to the other files of a home, under a name of its own.
pub(crate) fn write(home: &Path, proof: &Misbehaviour) -> io::Result<()> {
    let text = proof.to_json();
    let name = hex::encode(Sha256::digest(&text).split_at(8).0);
    let path = home.join(format!("{PREFIX}{name}{SUFFIX}"));
    if path.exists() { Ok(()) } else { fs::write(path, text + "\n") }
}

pub(crate) fn list(home: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(home)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Writes a copy of a proof into the home. A failure is only logged, because the database has it
/// too.
pub(crate) fn hand_on(home: &Path, proof: &Misbehaviour) {
    if let Err(error) = write(home, proof) {
        tracing::warn!(%error, "a copy of the proof cannot be written");
    }
}
