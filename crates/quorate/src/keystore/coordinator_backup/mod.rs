//! Backups of a coordinator: one file, under a passphrase.

use std::fmt;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::error::{KeystoreError, ProtectorError};
use super::format::{Kind, put_counted, take, take_counted};
use super::protector::{KeyEncryptionKey, KeyProtector};

/// The bytes of a whole backup. The content is sealed except for the label, which people can read.
/// Every change is detected.
///
/// The body of the [file](super); lengths have 4 bytes, big-endian:
///
/// ```text
/// length ‖ label ‖ protector's kind (1 byte) ‖ length ‖ the protected key encryption key
/// ‖ nonce (24) ‖ XChaCha20-Poly1305 of the content
/// ```
///
/// The seal authenticates everything before the nonce.
pub struct CoordinatorBackupFile {
    path: PathBuf,
    body: Zeroizing<Vec<u8>>,
}

impl CoordinatorBackupFile {
    /// Seals a backup under a new key. `path` is only for errors.
    ///
    /// # Errors
    ///
    /// When the protector fails.
    pub fn seal(
        path: &Path,
        label: &[u8],
        content: &[u8],
        protector: &dyn KeyProtector,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Vec<u8>, KeystoreError> {
        let failed = |source| KeystoreError::Protector { path: path.to_owned(), source };
        let key = KeyEncryptionKey::generate(rng);
        let protected = protector.protect(&key, rng).map_err(failed)?;
        let mut nonce = XNonce::default();
        rng.fill_bytes(&mut nonce);
        let sealed = || {
            let mut body = Vec::new();
            put_counted(&mut body, label)?;
            body.push(protector.kind());
            put_counted(&mut body, &protected)?;
            let payload = Payload { msg: content, aad: &associated(&body) };
            let cipher = XChaCha20Poly1305::new(key.expose().into());
            let sealed = cipher.encrypt(&nonce, payload).ok()?;
            body.extend_from_slice(&nonce);
            body.extend_from_slice(&sealed);
            Some(body)
        };
        let body = sealed().ok_or_else(|| failed(ProtectorError::Failed))?;
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

    /// Returns the protected key, which is public and contains the cost of trying a passphrase.
    pub fn protected(&self) -> &[u8] {
        self.split().map_or(&[], |split| split.protected)
    }

    /// Opens the backup and authenticates all of it. Returns the content.
    ///
    /// # Errors
    ///
    /// [`ProtectorError::WrongPassphrase`] in [`KeystoreError::Protector`] means that another try
    /// is useful.
    pub fn open(&self, protector: &dyn KeyProtector) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        let failed = |source| KeystoreError::Protector { path: self.path.clone(), source };
        let Split { kind, protected, before, nonce, sealed, .. } =
            self.split().ok_or_else(|| self.damaged())?;
        if kind != protector.kind() {
            return Err(failed(ProtectorError::OtherKind));
        }
        let key = protector.unprotect(protected).map_err(failed)?;
        let payload = Payload { msg: sealed, aad: &associated(before) };
        let content = XChaCha20Poly1305::new(key.expose().into()).decrypt(nonce.into(), payload);
        content.map(Zeroizing::new).map_err(|_| self.damaged())
    }

    /// Returns the error for a file whose sealed content is not a coordinator's.
    pub fn damaged(&self) -> KeystoreError {
        KeystoreError::damaged(&self.path)
    }

    fn split(&self) -> Option<Split<'_>> {
        let mut rest = self.body.as_slice();
        let label = take_counted(&mut rest)?;
        let [kind] = *take(&mut rest)?;
        let protected = take_counted(&mut rest)?;
        let before = self.body.get(..self.body.len().checked_sub(rest.len())?)?;
        let nonce = take(&mut rest)?;
        Some(Split { label, kind, protected, before, nonce, sealed: rest })
    }
}

impl fmt::Debug for CoordinatorBackupFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CoordinatorBackupFile({})", self.path.display())
    }
}

struct Split<'a> {
    label: &'a [u8],
    kind: u8,
    protected: &'a [u8],
    /// Everything before the nonce.
    before: &'a [u8],
    nonce: &'a [u8; 24],
    sealed: &'a [u8],
}

fn associated(before: &[u8]) -> Vec<u8> {
    [KIND.head().as_slice(), before].concat()
}

const KIND: Kind = Kind {
    name: "a backup of a coordinator",
    magic: b"quorate coordinator backup\n",
    format: 1,
    secret: false,
};

#[cfg(test)]
mod tests;
