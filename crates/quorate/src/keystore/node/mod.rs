//! A node's keys: `keys.sealed`.

use std::path::Path;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use quorate_ceremony::identity::{AccountSecrets, SecretKey};
use quorate_ceremony::names::{AccountName, IvnId};
use rand_core::CryptoRngCore;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::error::{KeystoreError, ProtectorError};
use super::format::{Kind, take};
use super::package::PackageSealer;
use super::protector::{KeyEncryptionKey, KeyProtector};

/// The opened secret keys of one account.
///
/// The body of the [file](super):
///
/// ```text
/// protector's kind (1 byte) ‖ length (2, big-endian) ‖ the protected key encryption key
/// ‖ nonce (24) ‖ XChaCha20-Poly1305 of: identity seed (32) ‖ cosigner seed (32) ‖ TLS private key
/// ```
#[derive(Debug)]
pub struct NodeKeys {
    account: AccountSecrets,
    tls: Zeroizing<Vec<u8>>,
    key: KeyEncryptionKey,
}

impl NodeKeys {
    /// Seals new keys into a new file at `path`. `tls` is the private key of the account's
    /// certificate, in an encoding that the caller chooses.
    ///
    /// # Errors
    ///
    /// [`KeystoreError::Exists`] when there is a file, whatever its content.
    pub fn create(
        path: &Path,
        account: AccountSecrets,
        tls: Zeroizing<Vec<u8>>,
        protector: &dyn KeyProtector,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, KeystoreError> {
        Self::seal(path, account, tls, KeyEncryptionKey::generate(rng), protector, rng)
    }

    /// As [`Self::create`], for keys that will replace these. They are sealed under the same key,
    /// so that key packages stay usable.
    ///
    /// # Errors
    ///
    /// As for [`Self::create`].
    pub fn create_next(
        &self,
        path: &Path,
        account: AccountSecrets,
        tls: Zeroizing<Vec<u8>>,
        protector: &dyn KeyProtector,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, KeystoreError> {
        Self::seal(path, account, tls, self.key.duplicate(), protector, rng)
    }

    fn seal(
        path: &Path,
        account: AccountSecrets,
        tls: Zeroizing<Vec<u8>>,
        key: KeyEncryptionKey,
        protector: &dyn KeyProtector,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, KeystoreError> {
        let body = sealed_body(path, &account, &tls, &key, protector, rng)?;
        KIND.create(path, &body)?;
        Ok(Self { account, tls, key })
    }

    /// Returns a file with the same keys, sealed under a new key. `path` is only for errors.
    ///
    /// # Errors
    ///
    /// When the protector fails.
    pub(super) fn sealed_under(
        &self,
        path: &Path,
        key: &KeyEncryptionKey,
        protector: &dyn KeyProtector,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Vec<u8>, KeystoreError> {
        let body = sealed_body(path, &self.account, &self.tls, key, protector, rng)?;
        Ok(KIND.file(&body).to_vec())
    }

    /// Returns a file with the same keys under the same key, which `protector` protects.
    ///
    /// # Errors
    ///
    /// When the protector fails.
    pub(crate) fn protected_by(
        &self,
        path: &Path,
        protector: &dyn KeyProtector,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Vec<u8>, KeystoreError> {
        self.sealed_under(path, &self.key, protector, rng)
    }

    /// Opens the file at `path`.
    ///
    /// # Errors
    ///
    /// [`ProtectorError::WrongPassphrase`] in [`KeystoreError::Protector`] means that another try
    /// is useful. A damaged file gives a different error.
    pub fn open(path: &Path, protector: &dyn KeyProtector) -> Result<Self, KeystoreError> {
        Self::from_body(path, &KIND.read(path)?, protector)
    }

    /// Opens the bytes of a file that was read from `path`.
    ///
    /// # Errors
    ///
    /// As for [`Self::open`].
    pub(crate) fn open_file(
        path: &Path,
        file: &[u8],
        protector: &dyn KeyProtector,
    ) -> Result<Self, KeystoreError> {
        Self::from_body(path, &KIND.body(path, file)?, protector)
    }

    fn from_body(
        path: &Path,
        body: &[u8],
        protector: &dyn KeyProtector,
    ) -> Result<Self, KeystoreError> {
        let failed = |source| KeystoreError::Protector { path: path.to_owned(), source };
        let damaged = || KeystoreError::damaged(path);
        let Body { kind, protected, head, nonce, sealed } = split(body).ok_or_else(damaged)?;
        if kind != protector.kind() {
            return Err(failed(ProtectorError::OtherKind));
        }
        let key = protector.unprotect(protected).map_err(failed)?;
        let payload = Payload { msg: sealed, aad: &associated(head) };
        let plain = XChaCha20Poly1305::new(key.expose().into()).decrypt(nonce.into(), payload);
        let plain = Zeroizing::new(plain.map_err(|_| damaged())?);
        let (account, tls) = parse(&plain).ok_or_else(damaged)?;
        Ok(Self { account, tls, key })
    }

    /// Whether these keys unseal key packages that were sealed with `other`.
    pub fn seals_like(&self, other: &Self) -> bool {
        // Compares digests, so that the duration reveals nothing about the keys.
        Sha256::digest(self.key.expose()) == Sha256::digest(other.key.expose())
    }

    /// Returns the secrets with which the account signs entries and checkpoints.
    pub fn account(&self) -> &AccountSecrets {
        &self.account
    }

    pub fn tls(&self) -> &[u8] {
        &self.tls
    }

    pub fn sealer(&self, ivn: IvnId, account: AccountName) -> PackageSealer {
        PackageSealer::new(&self.key, ivn, account)
    }

    /// Returns the signing secrets and the private key of the certificate. Forgets the sealing key.
    pub fn into_parts(self) -> (AccountSecrets, Zeroizing<Vec<u8>>) {
        (self.account, self.tls)
    }
}

/// Checks that a sealer uses the key of this file, so that opening the file also opens what it
/// sealed.
pub(super) fn is_of(path: &Path, file: &[u8], sealer: &PackageSealer) -> Result<(), KeystoreError> {
    let damaged = || KeystoreError::damaged(path);
    let body = KIND.body(path, file)?;
    let Body { head, nonce, sealed, .. } = split(&body).ok_or_else(damaged)?;
    sealer.decrypt(nonce, sealed, &associated(head)).map(drop).ok_or_else(damaged)
}

struct Body<'a> {
    kind: u8,
    protected: &'a [u8],
    /// The protector's kind, the protected key, and the length between them.
    head: &'a [u8],
    nonce: &'a [u8; 24],
    sealed: &'a [u8],
}

fn split(body: &[u8]) -> Option<Body<'_>> {
    let mut rest = body;
    let [kind] = take(&mut rest)?;
    let length = usize::from(u16::from_be_bytes(*take(&mut rest)?));
    let (protected, mut sealed) = rest.split_at_checked(length)?;
    let head = body.get(..body.len().checked_sub(sealed.len())?)?;
    let nonce = take(&mut sealed)?;
    Some(Body { kind: *kind, protected, head, nonce, sealed })
}

fn sealed_body(
    path: &Path,
    account: &AccountSecrets,
    tls: &[u8],
    key: &KeyEncryptionKey,
    protector: &dyn KeyProtector,
    rng: &mut dyn CryptoRngCore,
) -> Result<Vec<u8>, KeystoreError> {
    let failed = |source| KeystoreError::Protector { path: path.to_owned(), source };
    let protected = protector.protect(key, rng).map_err(failed)?;
    let length = u16::try_from(protected.len()).map_err(|_| failed(ProtectorError::Failed))?;
    let mut body = vec![protector.kind()];
    body.extend_from_slice(&length.to_be_bytes());
    body.extend_from_slice(&protected);
    let mut nonce = XNonce::default();
    rng.fill_bytes(&mut nonce);
    let plain = plain(account, tls);
    let payload = Payload { msg: &plain, aad: &associated(&body) };
    let sealed = XChaCha20Poly1305::new(key.expose().into()).encrypt(&nonce, payload);
    body.extend_from_slice(&nonce);
    body.extend_from_slice(&sealed.map_err(|_| failed(ProtectorError::Failed))?);
    Ok(body)
}

fn plain(account: &AccountSecrets, tls: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(64 + tls.len()));
    plain.extend_from_slice(account.identity.seed());
    plain.extend_from_slice(account.cosigner.seed());
    plain.extend_from_slice(tls);
    plain
}

fn parse(mut plain: &[u8]) -> Option<(AccountSecrets, Zeroizing<Vec<u8>>)> {
    let identity = SecretKey::from_seed(take(&mut plain)?);
    let cosigner = SecretKey::from_seed(take(&mut plain)?);
    Some((AccountSecrets { identity, cosigner }, Zeroizing::new(plain.to_vec())))
}

fn associated(head: &[u8]) -> Vec<u8> {
    [KIND.head().as_slice(), head].concat()
}

const KIND: Kind =
    Kind { name: "a node's keys", magic: b"quorate node keys\n", format: 1, secret: false };

#[cfg(test)]
mod tests;
