//! Seals key packages before they are written.

use std::fmt;

use chacha20poly1305::aead::{Aead as _, AeadCore as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use quorate_ceremony::names::{AccountName, IvnId, SessionId};
use rand_core::OsRng;
use zeroize::Zeroizing;

use super::format::take;
use super::protector::KeyEncryptionKey;

/// Seals and unseals the key packages of one account in one IVN.
///
/// ```text
/// format (1 byte: 1) ‖ nonce (24) ‖ XChaCha20-Poly1305 of the package
/// ```
///
/// The seal binds IVN, account and session: a package that was moved to another place does not
/// open.
pub struct PackageSealer {
    cipher: XChaCha20Poly1305,
    ivn: IvnId,
    account: AccountName,
}

impl PackageSealer {
    pub(super) fn new(key: &KeyEncryptionKey, ivn: IvnId, account: AccountName) -> Self {
        // One key for all uses: nonces are random and long, and associated data distinguish the
        // uses.
        Self { cipher: XChaCha20Poly1305::new(key.expose().into()), ivn, account }
    }

    /// Seals a package. Returns `None` if it is longer than the cipher accepts (256 GiB).
    pub(crate) fn seal(&self, session: SessionId, package: &[u8]) -> Option<Vec<u8>> {
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let payload = Payload { msg: package, aad: &self.associated(session) };
        let sealed = self.cipher.encrypt(&nonce, payload).ok()?;
        Some([&[FORMAT], nonce.as_slice(), &sealed].concat())
    }

    /// Unseals the package of this session.
    ///
    /// # Errors
    ///
    /// When it was sealed by a different key or for another place, or was changed.
    pub(crate) fn unseal(
        &self,
        session: SessionId,
        mut sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        let format: &[u8; 1] = take(&mut sealed).ok_or(Unsealable)?;
        let nonce: &[u8; 24] = take(&mut sealed).ok_or(Unsealable)?;
        if *format != [FORMAT] {
            return Err(Unsealable);
        }
        let payload = Payload { msg: sealed, aad: &self.associated(session) };
        self.cipher.decrypt(nonce.into(), payload).map(Zeroizing::new).map_err(|_| Unsealable)
    }

    /// Seals other data of this node under the same key, bound to `aad`, which no other use begins
    /// with: nonce (24) ‖ XChaCha20-Poly1305.
    pub(super) fn encrypt(&self, plain: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let sealed = self.cipher.encrypt(&nonce, Payload { msg: plain, aad }).ok()?;
        Some([nonce.as_slice(), &sealed].concat())
    }

    /// Opens the result of [`Self::encrypt`].
    pub(super) fn decrypt(
        &self,
        nonce: &[u8; 24],
        sealed: &[u8],
        aad: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let plain = self.cipher.decrypt(nonce.into(), Payload { msg: sealed, aad });
        plain.ok().map(Zeroizing::new)
    }

    fn associated(&self, session: SessionId) -> Vec<u8> {
        let account = self.account.as_str().as_bytes();
        [DOMAIN, self.ivn.as_bytes(), session.as_bytes(), account].concat()
    }
}

impl fmt::Debug for PackageSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackageSealer(for {} in {:?})", self.account, self.ivn)
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the key package does not open with these keys")]
pub struct Unsealable;

const FORMAT: u8 = 1;
const DOMAIN: &[u8] = b"quorate/key-package/v1\0";

#[cfg(test)]
mod tests;
