//! Problems with the files of a published log.

use std::io;
use std::path::Path;

use quorate_log::tile::TileError;

use crate::api::{Code, Problem};
use crate::error_chain::chain;

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem::new(Code::Failed, format!("{} cannot be read: {error}", path.display()))
        .hint("check its permissions, and the disk")
}

/// Reports what is wrong with a file that a log of the checkpoint's size needs.
pub(super) fn files_problem(directory: &Path, error: &TileError<io::Error>) -> Problem {
    let what = format!("the log in {} cannot be checked: {}", directory.display(), chain(error));
    match error {
        TileError::Read(_) => {
            Problem::new(Code::Failed, what).hint("check permissions, and the disk")
        }
        _ => Problem::new(Code::Verification, what)
            .hint("get another copy of the log, from another place"),
    }
}
