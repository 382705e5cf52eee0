//! Files with backups: written privately, read back, and replaced only on request.

use std::fs;
use std::path::Path;

use crate::api::{Code, Problem};
use crate::cli::output::Target;
use crate::fail_points;

/// The largest backup that is read, in bytes: some million signatures.
pub(super) const LARGEST: u64 = 256 << 20;

/// Checks that the backup can be written, before anybody types a passphrase in vain.
pub(super) fn target(out: &Path, may_replace: bool) -> Result<Target, Problem> {
    Target::private(out.to_owned(), may_replace)
}

/// Writes a backup, and reads it back where that is possible.
pub(super) fn write(target: &Target, bytes: &[u8]) -> Result<(), Problem> {
    let reached = fail_points::before(["backup.write"]);
    target.write(bytes)?;
    fail_points::after(reached);
    // A pipe has no end to read to.
    if !target.is_file() {
        return Ok(());
    }
    match fs::read(target.path()) {
        Ok(found) if found == bytes => Ok(()),
        _ => {
            let message = format!(
                "{} cannot be read back as it was written; do not rely on this disk",
                target.path().display()
            );
            Err(Problem::new(Code::Failed, message))
        }
    }
}
