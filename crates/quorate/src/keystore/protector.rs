//! The protection of the key that seals all others: a passphrase, so far.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use rand_core::CryptoRngCore;
use secrecy::{ExposeSecret as _, SecretBox};
use zeroize::Zeroizing;

use super::error::ProtectorError;
use super::format::take;
use super::passphrase::Passphrase;

/// The random key under which a node's keys and key packages are sealed, 32 bytes.
pub struct KeyEncryptionKey(SecretBox<[u8; 32]>);

impl KeyEncryptionKey {
    pub fn generate(rng: &mut dyn CryptoRngCore) -> Self {
        Self(SecretBox::init_with_mut(|bytes: &mut [u8; 32]| rng.fill_bytes(bytes)))
    }

    /// Returns the same key, for another file with keys of the same node.
    pub(super) fn duplicate(&self) -> Self {
        Self(SecretBox::init_with_mut(|bytes: &mut [u8; 32]| *bytes = *self.expose()))
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyEncryptionKey([REDACTED])")
    }
}

/// Protects a [`KeyEncryptionKey`] so that only the right person or machine gets it back.
pub trait KeyProtector {
    /// Returns the number of the kind of protector in files. Never reused.
    fn kind(&self) -> u8;

    /// Protects the key. The result has at most 65,535 bytes, which are public.
    ///
    /// # Errors
    ///
    /// When the machine cannot do it, for example because it lacks memory.
    fn protect(
        &self,
        key: &KeyEncryptionKey,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Vec<u8>, ProtectorError>;

    /// Returns the protected key.
    ///
    /// # Errors
    ///
    /// When a different secret protected it, or the bytes do not come from [`Self::protect`].
    fn unprotect(&self, protected: &[u8]) -> Result<KeyEncryptionKey, ProtectorError>;
}

/// The work for trying one passphrase (Argon2id, RFC 9106).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cost {
    /// Memory in KiB.
    memory: u32,
    /// Passes over the memory.
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// 64 MiB, 3 passes, 4 lanes: the second recommended option of RFC 9106 §4, about 0.2 s of one
    /// processor.
    pub const RECOMMENDED: Self = Self { memory: 64 * 1024, passes: 3, lanes: 4 };

    /// Almost no work, for keys that are thrown away: tests and demonstrations.
    pub const INSECURE: Self = Self { memory: 8, passes: 1, lanes: 1 };

    /// Accepts at most 1 GiB, 64 passes, 16 lanes.
    fn from_parts(memory: u32, passes: u32, lanes: u32) -> Result<Self, InvalidCost> {
        let bounded = memory <= 1 << 20 && passes <= 64 && lanes <= 16;
        Params::new(memory, passes, lanes, None)
            .ok()
            .filter(|_| bounded)
            .map(|_| Self { memory, passes, lanes })
            .ok_or(InvalidCost)
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the cost of trying a passphrase must be at most 1 GiB, 64 passes, and 16 lanes of at least 8 KiB each"
)]
pub struct InvalidCost;

/// Protects a key with a passphrase.
///
/// ```text
/// memory, passes, lanes (4 bytes each, big-endian) ‖ salt (16) ‖ nonce (24)
/// ‖ XChaCha20-Poly1305 of the key (48)
/// ```
#[derive(Debug)]
pub struct PassphraseProtector {
    passphrase: Passphrase,
    cost: Cost,
}

impl PassphraseProtector {
    /// Protects with `passphrase`. New keys get this cost; existing ones keep theirs.
    pub fn new(passphrase: Passphrase, cost: Cost) -> Self {
        Self { passphrase, cost }
    }

    fn cipher(&self, cost: Cost, salt: &[u8; SALT]) -> Result<XChaCha20Poly1305, ProtectorError> {
        let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(32));
        let params = params.map_err(|_| ProtectorError::Malformed)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut key = Zeroizing::new([0; 32]);
        argon2
            .hash_password_into(self.passphrase.expose(), salt, key.as_mut())
            .map_err(|_| ProtectorError::Failed)?;
        Ok(XChaCha20Poly1305::new((&*key).into()))
    }
}

impl KeyProtector for PassphraseProtector {
    fn kind(&self) -> u8 {
        1
    }

    fn protect(
        &self,
        key: &KeyEncryptionKey,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Vec<u8>, ProtectorError> {
        let mut salt = [0; SALT];
        rng.fill_bytes(&mut salt);
        let mut nonce = XNonce::default();
        rng.fill_bytes(&mut nonce);
        let header = header(self.cost, &salt);
        let payload = Payload { msg: key.expose(), aad: &associated(&header) };
        let sealed = self.cipher(self.cost, &salt)?.encrypt(&nonce, payload);
        let sealed = sealed.map_err(|_| ProtectorError::Failed)?;
        Ok([header.as_slice(), &nonce, &sealed].concat())
    }

    fn unprotect(&self, protected: &[u8]) -> Result<KeyEncryptionKey, ProtectorError> {
        let (cost, salt, nonce, sealed) = parse(protected).ok_or(ProtectorError::Malformed)?;
        let payload = Payload { msg: sealed, aad: &associated(&header(cost, salt)) };
        let opened = self.cipher(cost, salt)?.decrypt(nonce.into(), payload);
        let opened = Zeroizing::new(opened.map_err(|_| ProtectorError::WrongPassphrase)?);
        let key: &[u8; 32] = opened.as_slice().try_into().map_err(|_| ProtectorError::Malformed)?;
        Ok(KeyEncryptionKey(SecretBox::init_with_mut(|bytes: &mut [u8; 32]| {
            bytes.copy_from_slice(key);
        })))
    }
}

fn header(cost: Cost, salt: &[u8; SALT]) -> Vec<u8> {
    let Cost { memory, passes, lanes } = cost;
    let mut header: Vec<u8> =
        [memory, passes, lanes].iter().flat_map(|n| n.to_be_bytes()).collect();
    header.extend_from_slice(salt);
    header
}

fn associated(header: &[u8]) -> Vec<u8> {
    [b"quorate/key-encryption-key/passphrase/v1\0", header].concat()
}

type Parsed<'a> = (Cost, &'a [u8; SALT], &'a [u8; 24], &'a [u8]);

fn parse(mut protected: &[u8]) -> Option<Parsed<'_>> {
    let mut number = || take(&mut protected).map(|bytes| u32::from_be_bytes(*bytes));
    let cost = Cost::from_parts(number()?, number()?, number()?).ok()?;
    let salt = take(&mut protected)?;
    let nonce = take(&mut protected)?;
    (protected.len() == SEALED_KEY).then_some((cost, salt, nonce, protected))
}

const SALT: usize = 16;

const SEALED_KEY: usize = 48;
