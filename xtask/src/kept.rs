//! `cargo xtask kept`: writes bytes of each format for later versions to read.

use crate::cargo::{Workspace, command};
use crate::failure::Failure;

/// Runs the test that writes files: what is missing in `vectors/kept`, or with `seeds` the first
/// inputs of the fuzz targets.
///
/// # Errors
///
/// [`Failure::Checks`] if they cannot be written.
pub(crate) fn run(seeds: bool, workspace: &Workspace) -> Result<(), Failure> {
    // The whole workspace, so that its features are those of every other build.
    let test = ["test", "--workspace", "--test", "bytes", "written::"];
    let written = command(&workspace.root, test)
        .env("QUORATE_WRITE", if seeds { "seeds" } else { "kept" })
        .status();
    let is_written = written.is_ok_and(|status| status.success());
    if is_written { Ok(()) } else { Err(Failure::Checks) }
}
