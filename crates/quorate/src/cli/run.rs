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

impl Failure {
    fn exit(&self) -> Exit {
        match self {
            Self::Problem(problem) => problem.exit(),
            Self::Shown(exit) => *exit,
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Does something for each of these. What fails for one is printed and does not stop the others,
/// except for Ctrl-C, and for a node or coordinator that cannot be reached.
///
/// # Errors
///
/// The only failure, or the exit code of the first.
pub(super) fn each<T>(
    context: &Context,
    all: Vec<T>,
    mut act: impl FnMut(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let is_single = all.len() == 1;
    let mut first = None;
    for one in all {
        match act(one) {
            Ok(()) => {}
            Err(failure)
                if is_single || matches!(failure.exit(), Exit::Interrupted | Exit::Unreachable) =>
            {
                return Err(failure);
            }
            Err(failure) => {
                first.get_or_insert(failure.exit());
                if let Failure::Problem(problem) = failure {
                    context.terminal.problem(&problem);
                }
            }
        }
    }
    first.map_or(Ok(()), |exit| Err(Failure::Shown(exit)))
}
