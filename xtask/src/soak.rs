//! `cargo xtask soak`: uses real processes constantly while a random nemesis causes faults, and
//! ends with one verdict.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cargo::{Workspace, command};
use crate::failure::Failure;
use crate::terminal::{Tone, paint, say};

/// The options of the command line.
#[derive(Debug)]
pub(crate) struct Options {
    /// The duration, a number that may have a fraction.
    pub(crate) minutes: String,
    /// The seed of all random choices.
    pub(crate) seed: Option<u64>,
}

/// Builds both programs and replaces this process by the soak, so that Ctrl-C reaches the soak and
/// its exit code is this process's.
///
/// # Errors
///
/// [`Failure`] if a program cannot be built or started.
pub(crate) fn run(options: &Options, workspace: &Workspace) -> Result<(), Failure> {
    // Fail points are only in builds with debug assertions.
    let build = ["build", "--workspace", "--bins"];
    say!("{}", paint(Tone::Strong, &format!("==> cargo {}", build.join(" "))));
    let built = command(&workspace.root, build).status();
    if !built.is_ok_and(|status| status.success()) {
        return Err(Failure::Checks);
    }
    let programs = workspace.target.join("debug");
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = options.seed.unwrap_or(elapsed.as_secs());
    let error = Command::new(programs.join("soak"))
        .arg("--program")
        .arg(programs.join("quorate"))
        .args(["--minutes", &options.minutes, "--seed", &seed.to_string()])
        .exec();
    Err(Failure::Environment(format!("can't start the soak: {error}")))
}
