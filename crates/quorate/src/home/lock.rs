//! The lock that keeps two processes out of one home.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use super::error::HomeError;
use crate::store::durable;

/// Held while a process uses a home. Ends with the process, however it ends.
#[derive(Debug)]
pub struct Lock {
    // The operating system releases the lock when the file is closed.
    _file: File,
}

impl Lock {
    pub(super) fn acquire(home: &Path, path: &Path) -> Result<Self, HomeError> {
        let mut file =
            durable::open_or_create(path).map_err(|error| HomeError::write(path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The text only names the process; the lock itself proves that there is one.
                drop(file.take(MAX_NUMBER).read_to_string(&mut text));
                let process = text.trim().parse().ok();
                return Err(HomeError::InUse { path: home.to_owned(), process });
            }
            Err(TryLockError::Error(error)) => return Err(HomeError::write(path, error)),
        }
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(|error| HomeError::write(path, error))?;
        Ok(Self { _file: file })
    }
}

const MAX_NUMBER: u64 = 32;
