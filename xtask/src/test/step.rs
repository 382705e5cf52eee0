//! One step of `cargo xtask test`: what it runs, and its outcome.

use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _, stdout};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::cargo::{Workspace, command};
use crate::terminal::{Tone, human, paint, say};
use crate::test::count::Counts;
use crate::{dependencies, tidy};

/// A named piece of work.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) work: Work,
}

/// The work of a step. Displays as the command that runs it alone.
#[derive(Debug)]
pub(crate) enum Work {
    /// `cargo xtask tidy`, in this process.
    Tidy,
    /// `cargo xtask dependencies`, in this process.
    Dependencies,
    Cargo {
        arguments: Vec<String>,
        /// Whether rustdoc warnings are errors.
        deny_rustdoc_warnings: bool,
        results: Results,
    },
    /// The step cannot run here; the text says why and what to do.
    Missing(String),
}

/// Where a command reports the number of tests that it ran.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Results {
    /// The command runs no tests.
    None,
    /// In nextest's report file, so that its progress bar keeps the terminal.
    Nextest,
    /// In `test result:` lines on stdout.
    Libtest,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Passed {
        took: Duration,
        counts: Option<Counts>,
    },
    Failed {
        took: Duration,
        counts: Option<Counts>,
    },
    /// The step could not run; the text says why.
    Skipped(String),
    NotRun,
}

impl Work {
    /// A Cargo command that runs no tests.
    pub(crate) fn cargo(arguments: Vec<String>) -> Self {
        Self::Cargo { arguments, deny_rustdoc_warnings: false, results: Results::None }
    }

    /// A `cargo nextest` command.
    pub(crate) fn nextest(arguments: Vec<String>) -> Self {
        Self::Cargo { arguments, deny_rustdoc_warnings: false, results: Results::Nextest }
    }

    /// A `cargo test` command.
    pub(crate) fn libtest(arguments: Vec<String>) -> Self {
        Self::Cargo { arguments, deny_rustdoc_warnings: false, results: Results::Libtest }
    }

    /// Sets `RUSTDOCFLAGS='-D warnings'` for the command.
    pub(crate) fn denying_rustdoc_warnings(self) -> Self {
        match self {
            Self::Cargo { arguments, results, .. } => {
                Self::Cargo { arguments, deny_rustdoc_warnings: true, results }
            }
            other => other,
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tidy => f.write_str("cargo xtask tidy"),
            Self::Dependencies => f.write_str("cargo xtask dependencies"),
            Self::Cargo { arguments, deny_rustdoc_warnings, .. } => {
                let variable =
                    if *deny_rustdoc_warnings { "RUSTDOCFLAGS='-D warnings' " } else { "" };
                write!(f, "{variable}cargo {}", arguments.join(" "))
            }
            Self::Missing(reason) => write!(f, "skipped: {reason}"),
        }
    }
}

impl Step {
    /// Does the work, and prints a heading before it and the time after it.
    pub(crate) fn run(&self, workspace: &Workspace) -> Outcome {
        let heading = format!("==> {}: {}", self.name, self.work);
        if let Work::Missing(reason) = &self.work {
            say!("\n{}", paint(Tone::Warning, &heading));
            return Outcome::Skipped(reason.clone());
        }
        say!("\n{}", paint(Tone::Strong, &heading));
        let started = Instant::now();
        let (succeeded, counts) = self.work(workspace);
        let took = started.elapsed();
        if succeeded {
            say!("{} in {}", self.name, human(took));
            Outcome::Passed { took, counts }
        } else {
            let line = format!("{} failed after {}; alone: {}", self.name, human(took), self.work);
            say!("{}", paint(Tone::Bad, &line));
            Outcome::Failed { took, counts }
        }
    }

    fn work(&self, workspace: &Workspace) -> (bool, Option<Counts>) {
        match &self.work {
            Work::Missing(_) => (false, None),
            Work::Tidy => (tidy::run(workspace).is_ok(), None),
            Work::Dependencies => (dependencies::run(workspace).is_ok(), None),
            Work::Cargo { arguments, deny_rustdoc_warnings, results } => {
                let mut command = command(&workspace.root, arguments);
                if *deny_rustdoc_warnings {
                    let flags = std::env::var("RUSTDOCFLAGS").unwrap_or_default();
                    command.env("RUSTDOCFLAGS", format!("{flags} -D warnings").trim());
                }
                // Headings go through a buffer, but the command's output does not.
                let _ = stdout().flush();
                let ran = match results {
                    Results::None => command.status().map(|status| (status.success(), None)),
                    Results::Nextest => {
                        // This path is below the root even if the target directory is elsewhere.
                        let report = workspace.root.join("target/nextest/default/junit.xml");
                        run_nextest(&mut command, &report)
                    }
                    Results::Libtest => run_libtest(&mut command),
                };
                ran.unwrap_or_else(|error| {
                    say!("can't run cargo: {error}");
                    (false, None)
                })
            }
        }
    }
}

type Ran = std::io::Result<(bool, Option<Counts>)>;

fn run_nextest(command: &mut std::process::Command, report: &Path) -> Ran {
    // Otherwise a run that dies before its first test would be counted by the previous report.
    let _ = std::fs::remove_file(report);
    let status = command.status()?;
    let counts = std::fs::read_to_string(report).ok().and_then(|text| Counts::from_junit(&text));
    Ok((status.success(), counts))
}

/// Copies stdout line by line while it counts tests. Cargo's progress on stderr stays untouched.
fn run_libtest(command: &mut std::process::Command) -> Ran {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut counts = Counts::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            say!("{line}");
            counts.add_libtest_line(&line);
        }
    }
    Ok((child.wait()?.success(), Some(counts)))
}

impl Outcome {
    /// Returns the number of tests that the step ran.
    pub(crate) fn counts(&self) -> Option<Counts> {
        match self {
            Self::Passed { counts, .. } | Self::Failed { counts, .. } => *counts,
            Self::Skipped(_) | Self::NotRun => None,
        }
    }

    pub(crate) fn row(&self, name: &str) -> String {
        let (tone, word, detail) = match self {
            Self::Passed { took, .. } => (Tone::Good, "passed", human(*took)),
            Self::Failed { took, .. } => (Tone::Bad, "FAILED", human(*took)),
            Self::Skipped(reason) => (Tone::Warning, "skipped", reason.clone()),
            Self::NotRun => (Tone::Warning, "not run", "an earlier step failed".into()),
        };
        let counts = self.counts().filter(|counts| *counts != Counts::default());
        let counts = counts.map(|counts| format!("  {counts}")).unwrap_or_default();
        format!("  {} {name:<11} {detail}{counts}", paint(tone, &format!("{word:<8}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_row_says_why_and_does_not_say_passed() {
        let row = Outcome::Skipped("clippy not installed".into()).row("clippy");

        assert!(row.contains("skipped") && row.contains("not installed"), "{row}");
        assert!(!row.contains("passed"), "{row}");
    }
}
