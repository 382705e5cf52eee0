//! `cargo xtask replay`: one schedule of the simulator, step by step.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::cargo::{Workspace, command};
use crate::failure::Failure;

/// Builds the program that replays and becomes it, so that its exit code is this one's.
///
/// # Errors
///
/// If it cannot be built or started.
pub(crate) fn run(arguments: &[&str], workspace: &Workspace) -> Result<(), Failure> {
    let build = ["build", "--quiet", "--package", "quorate-testkit", "--bin", "replay"];
    let built = command(&workspace.root, build).status();
    if !built.is_ok_and(|status| status.success()) {
        return Err(Failure::Checks);
    }
    let program = workspace.target.join("debug").join("replay");
    let error = Command::new(program).args(arguments).exec();
    Err(Failure::Environment(format!("cannot start the replay: {error}")))
}
