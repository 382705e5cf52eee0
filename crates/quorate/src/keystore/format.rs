//! The common format of key files and backups: kind, version, and digest.
//!
//! ```text
//! magic ‖ format (1 byte) ‖ body ‖ SHA-256 of all before (32 bytes)
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::error::KeystoreError;
use crate::file_problem::FileProblem;
use crate::store::durable;

pub(super) struct Kind {
    /// The content, for people.
    pub(super) name: &'static str,
    pub(super) magic: &'static [u8],
    pub(super) format: u8,
    /// Whether it contains unencrypted secrets.
    pub(super) secret: bool,
}

impl Kind {
    /// Returns what comes before the body.
    pub(super) fn head(&self) -> Vec<u8> {
        [self.magic, &[self.format]].concat()
    }

    pub(super) fn file(&self, body: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut bytes =
            Zeroizing::new(Vec::with_capacity(self.magic.len() + 1 + body.len() + DIGEST));
        bytes.extend_from_slice(&self.head());
        bytes.extend_from_slice(body);
        let digest = Sha256::digest(&*bytes);
        bytes.extend_from_slice(&digest);
        bytes
    }

    pub(super) fn create(&self, path: &Path, body: &[u8]) -> Result<(), KeystoreError> {
        durable::create(path, &self.file(body)).map_err(|error| KeystoreError::write(path, error))
    }

    pub(super) fn read(&self, path: &Path) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        let unreadable = |error: io::Error| KeystoreError::read(path, error);
        let metadata = fs::metadata(path).map_err(unreadable)?;
        if self.secret && metadata.permissions().mode() & OTHERS != 0 {
            return Err(KeystoreError::TooOpen(path.to_owned()));
        }
        let bytes = Zeroizing::new(fs::read(path).map_err(unreadable)?);
        self.body(path, &bytes)
    }

    /// Returns the body of a file that was read from `path`.
    pub(super) fn body(
        &self,
        path: &Path,
        bytes: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        let damaged = || KeystoreError::damaged(path);
        if bytes.is_empty() || self.magic.starts_with(bytes) {
            return Err(damaged());
        }
        let Some(rest) = bytes.strip_prefix(self.magic) else {
            return Err(KeystoreError::OtherKind { path: path.to_owned(), expected: self.name });
        };
        let (_, digest) = bytes.split_last_chunk::<DIGEST>().ok_or_else(damaged)?;
        let hashed = bytes.len().checked_sub(DIGEST).and_then(|length| bytes.get(..length));
        if hashed.is_none_or(|hashed| Sha256::digest(hashed).as_slice() != digest) {
            return Err(damaged());
        }
        let (found, rest) = rest.split_first().ok_or_else(damaged)?;
        // There was never a format 0.
        if *found == 0 {
            return Err(damaged());
        }
        if *found > self.format {
            let (path, found) = (path.to_owned(), u64::from(*found));
            let known = u64::from(self.format);
            return Err(FileProblem::Newer { path, found, known }.into());
        }
        let (body, _) = rest.split_last_chunk::<DIGEST>().ok_or_else(damaged)?;
        Ok(Zeroizing::new(body.to_vec()))
    }
}

/// Takes `N` bytes off the front.
pub(super) fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(taken)
}

/// Encodes a number in 4 bytes, big-endian. Returns `None` if it is too large for that.
pub(super) fn number(number: usize) -> Option<[u8; 4]> {
    u32::try_from(number).ok().map(u32::to_be_bytes)
}

pub(super) fn take_number(bytes: &mut &[u8]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(*take(bytes)?)).ok()
}

/// Appends a length of 4 bytes, and so many bytes. Returns `None` if they are too many.
pub(crate) fn put_counted(bytes: &mut Vec<u8>, counted: &[u8]) -> Option<()> {
    bytes.extend_from_slice(&number(counted.len())?);
    bytes.extend_from_slice(counted);
    Some(())
}

/// Takes what [`put_counted`] appended off the front.
pub(crate) fn take_counted<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_number(bytes)?;
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

/// Permissions of group and others.
pub(super) const OTHERS: u32 = 0o077;

const DIGEST: usize = 32;
