//! The interface of a command: how it runs, and how it fails.

use super::context::Context;
use crate::api::{Exit, Problem};

/// A command with its arguments.
pub(super) trait Run {
    fn run(self, context: &Context) -> Result<(), Failure>;
}

/// Why a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// A problem that has not been printed yet.
    Problem(Problem),
    /// The output on stdout already reports the failure; only the exit code is missing.
    Shown(Exit),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}
