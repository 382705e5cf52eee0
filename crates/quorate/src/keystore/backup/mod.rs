//! Backups of a node: one file, under a passphrase.

use std::fmt;
use std::path::{Path, PathBuf};

use quorate_ceremony::names::{AccountName, IvnId, SessionId};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::error::{KeystoreError, ProtectorError};
use super::format::{Kind, number, put_counted, take, take_counted, take_number};
use super::node::{self, NodeKeys};
use super::package::PackageSealer;
use super::protector::{KeyEncryptionKey, KeyProtector};

/// The bytes of a whole backup. The content is sealed except for the label, which people can read.
/// Every change is detected.
///
/// The body of the [file](super); lengths and numbers have 4 bytes, big-endian:
///
/// ```text
/// length ‖ label ‖ length ‖ the node's keys.sealed, whole ‖ nonce (24) ‖ XChaCha20-Poly1305 of:
///     number ‖ (session (32) ‖ length ‖ sealed key package) …
///     ‖ number ‖ (session (32) ‖ released (0 or 1)) … ‖ the rest
/// ```
///
/// The key of that seal is the one in `keys.sealed`, which also sealed the key packages. It
/// authenticates everything before the nonce.
pub struct BackupFile {
    path: PathBuf,
    body: Zeroizing<Vec<u8>>,
}

/// The sealed content of a backup other than the keys. It contains no nonces: they never leave the
/// memory of the process that made them.
#[derive(Eq, PartialEq)]
pub struct BackupParts {
    /// Sealed key packages, by the sessions that made them.
    pub packages: Vec<(SessionId, Vec<u8>)>,
    /// Sessions that the node took part in, and whether it released a share.
    pub sessions: Vec<(SessionId, bool)>,
    pub rest: Vec<u8>,
}

impl BackupFile {
    /// Seals a backup for the node whose packages `sealer` seals. It opens with what opens `keys`,
    /// the node's key file, which was read from `path`.
    ///
    /// # Errors
    ///
    /// When the key file is damaged, or of a different node.
    pub(crate) fn seal(
        sealer: &PackageSealer,
        path: &Path,
        keys: &[u8],
        label: &[u8],
        parts: &BackupParts,
    ) -> Result<Vec<u8>, KeystoreError> {
        node::is_of(path, keys, sealer)?;
        let sealed = || {
            let mut body = Vec::new();
            put_counted(&mut body, label)?;
            put_counted(&mut body, keys)?;
            let plain = parts.to_bytes()?;
            let aad = associated(&body);
            body.extend_from_slice(&sealer.encrypt(&plain, &aad)?);
            Some(body)
        };
        let source = ProtectorError::Failed;
        let body =
            sealed().ok_or_else(|| KeystoreError::Protector { path: path.to_owned(), source })?;
        Ok(KIND.file(&body).to_vec())
    }

    /// Reads the bytes of a file that came from `path`.
    ///
    /// # Errors
    ///
    /// When it is damaged, something else, or of a newer version.
    pub fn read(path: &Path, bytes: &[u8]) -> Result<Self, KeystoreError> {
        let body = KIND.body(path, bytes)?;
        let file = Self { path: path.to_owned(), body };
        file.split().ok_or_else(|| file.damaged())?;
        Ok(file)
    }

    /// Returns the label, which is not authenticated before the file was [opened](Self::open).
    pub fn label(&self) -> &[u8] {
        self.split().map_or(&[], |split| split.label)
    }

    pub fn keys(&self) -> &[u8] {
        self.split().map_or(&[], |split| split.keys)
    }

    /// Opens the backup and authenticates all of it. The label names the owner.
    ///
    /// # Errors
    ///
    /// [`ProtectorError::WrongPassphrase`] in [`KeystoreError::Protector`] means that another try
    /// is useful.
    pub fn open(
        &self,
        ivn: IvnId,
        account: &AccountName,
        protector: &dyn KeyProtector,
    ) -> Result<(NodeKeys, BackupParts), KeystoreError> {
        let Split { keys, before, nonce, sealed, .. } =
            self.split().ok_or_else(|| self.damaged())?;
        let keys = NodeKeys::open_file(&self.path, keys, protector)?;
        let sealer = keys.sealer(ivn, account.clone());
        let parts = sealer.decrypt(nonce, sealed, &associated(before));
        let parts = parts.and_then(|plain| BackupParts::from_bytes(&plain));
        Ok((keys, parts.ok_or_else(|| self.damaged())?))
    }

    /// Seals the same backup under a new passphrase and a new key. `keys` and `parts` come from
    /// [`Self::open`].
    ///
    /// # Errors
    ///
    /// When a package does not open, or the protector fails.
    pub fn sealed_again(
        &self,
        ivn: IvnId,
        account: &AccountName,
        (keys, parts): (&NodeKeys, &BackupParts),
        protector: &dyn KeyProtector,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Vec<u8>, KeystoreError> {
        let key = KeyEncryptionKey::generate(rng);
        let (old, new) =
            (keys.sealer(ivn, account.clone()), PackageSealer::new(&key, ivn, account.clone()));
        let again = |(session, sealed): &(SessionId, Vec<u8>)| {
            let package = old.unseal(*session, sealed).ok()?;
            Some((*session, new.seal(*session, &package)?))
        };
        let packages: Option<Vec<_>> = parts.packages.iter().map(again).collect();
        let packages = packages.ok_or_else(|| self.damaged())?;
        let (sessions, rest) = (parts.sessions.clone(), parts.rest.clone());
        let file = keys.sealed_under(&self.path, &key, protector, rng)?;
        let parts = BackupParts { packages, sessions, rest };
        Self::seal(&new, &self.path, &file, self.label(), &parts)
    }

    fn damaged(&self) -> KeystoreError {
        KeystoreError::damaged(&self.path)
    }

    fn split(&self) -> Option<Split<'_>> {
        let mut rest = self.body.as_slice();
        let label = take_counted(&mut rest)?;
        let keys = take_counted(&mut rest)?;
        let before = self.body.get(..self.body.len().checked_sub(rest.len())?)?;
        let nonce = take(&mut rest)?;
        Some(Split { label, keys, before, nonce, sealed: rest })
    }
}

impl fmt::Debug for BackupFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackupFile({})", self.path.display())
    }
}

impl fmt::Debug for BackupParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackupParts({} packages)", self.packages.len())
    }
}

struct Split<'a> {
    label: &'a [u8],
    keys: &'a [u8],
    /// Everything before the nonce.
    before: &'a [u8],
    nonce: &'a [u8; 24],
    sealed: &'a [u8],
}

impl BackupParts {
    fn to_bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(Vec::new());
        bytes.extend_from_slice(&number(self.packages.len())?);
        for (session, sealed) in &self.packages {
            bytes.extend_from_slice(session.as_bytes());
            put_counted(&mut bytes, sealed)?;
        }
        bytes.extend_from_slice(&number(self.sessions.len())?);
        for (session, released) in &self.sessions {
            bytes.extend_from_slice(session.as_bytes());
            bytes.push(u8::from(*released));
        }
        bytes.extend_from_slice(&self.rest);
        Some(bytes)
    }

    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let (mut packages, mut sessions) = (Vec::new(), Vec::new());
        for _ in 0..take_number(&mut bytes)? {
            let session = SessionId::new(*take(&mut bytes)?);
            packages.push((session, take_counted(&mut bytes)?.to_vec()));
        }
        for _ in 0..take_number(&mut bytes)? {
            let session = SessionId::new(*take(&mut bytes)?);
            let released = match take(&mut bytes)? {
                [0] => false,
                [1] => true,
                _ => return None,
            };
            sessions.push((session, released));
        }
        Some(Self { packages, sessions, rest: bytes.to_vec() })
    }
}

fn associated(before: &[u8]) -> Vec<u8> {
    [KIND.head().as_slice(), before].concat()
}

const KIND: Kind =
    Kind { name: "a backup of a node", magic: b"quorate node backup\n", format: 1, secret: false };

#[cfg(test)]
mod tests;
