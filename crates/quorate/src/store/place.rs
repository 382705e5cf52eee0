//! Where a database is: what distinguishes it from a copy of it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::error::StoreError;

/// The machine and the file in which a database was used last.
///
/// A copied or restored file has another inode, and another machine another id. A snapshot of a
/// whole virtual machine keeps both, so equal places do not prove that there is no copy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The content of `/etc/machine-id`; empty on machines without one.
    pub machine: String,
    /// The number of the file's inode.
    pub file: i64,
}

impl Place {
    /// Returns a place where no database is, for one that may be used in two places.
    pub fn unknown() -> Self {
        Self { machine: String::new(), file: 0 }
    }

    /// Returns the place of the file at `path`.
    ///
    /// # Errors
    ///
    /// When there is none, or its metadata cannot be read.
    pub fn of(path: &Path) -> Result<Self, StoreError> {
        let metadata = fs::metadata(path).map_err(|error| StoreError::from_read(path, error))?;
        let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
        Ok(Self { machine: machine.trim().to_owned(), file: metadata.ino().cast_signed() })
    }
}
