//! Files with backups: written privately, read back, and replaced only on request.

use std::fs;
use std::path::Path;

use crate::api::{Code, Problem};
use crate::cli::file;
use crate::fail_points;
use crate::store::durable;

/// The largest backup that is read, in bytes: some million signatures.
pub(super) const LARGEST: u64 = 256 << 20;

/// Fails if the file exists and may not be replaced, before anybody types a passphrase in vain.
pub(super) fn check(out: &Path, may_replace: bool) -> Result<(), Problem> {
    match !file::is_dash(out) && !may_replace && fs::symlink_metadata(out).is_ok() {
        true => Err(exists(out)),
        false => Ok(()),
    }
}

/// Writes a backup, and reads it back.
pub(super) fn write(out: &Path, may_replace: bool, bytes: &[u8]) -> Result<(), Problem> {
    let reached = fail_points::before(["backup.write"]);
    let written = match may_replace {
        true => durable::replace(out, bytes),
        false => durable::create(out, bytes),
    };
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(out),
        _ => {
            let message = format!("{} cannot be written: {error}", out.display());
            Problem::new(Code::Failed, message).hint("choose another path with --out")
        }
    })?;
    fail_points::after(reached);
    match fs::read(out) {
        Ok(found) if found == bytes => Ok(()),
        _ => {
            let message = format!(
                "{} cannot be read back as it was written; do not rely on this disk",
                out.display()
            );
            Err(Problem::new(Code::Failed, message))
        }
    }
}

fn exists(path: &Path) -> Problem {
    Problem::new(Code::Failed, format!("{} exists already", path.display()))
        .hint("--force replaces it; --out writes somewhere else")
}
