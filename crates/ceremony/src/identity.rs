//! The keys with which an account signs entries and checkpoints.

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use quorate_log::key::{CosignerSigner, CosignerVerifier, Seed};
use quorate_log::note::KeyName;
use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};
use sha2::Sha512;
use zeroize::Zeroizing;

use crate::encoding;
use crate::names::AccountName;

/// An Ed25519 public key, 32 bytes, hex in JSON. Its point is checked only when it is used.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(transparent)]
pub struct PublicKey(#[serde(with = "hex::serde")] pub [u8; 32]);

impl PublicKey {
    /// A key that nobody can have: these bytes (y = 2) are not the encoding of a curve point.
    pub const NOBODYS: Self = {
        let mut bytes = [0; 32];
        bytes[0] = 2;
        Self(bytes)
    };

    /// Whether `signature` (64 bytes) is by this key over `message`.
    ///
    /// Verification is strict (no small-order keys, canonical encodings), so that all readers of a
    /// log agree on whether an entry is valid.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| {
            key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
        })
    }
}

/// The public keys of an account.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccountKeys {
    /// Signs statements.
    pub identity: PublicKey,
    /// Cosigns checkpoints. A separate key, because a C2SP cosignature does not commit to the
    /// cosigner's name.
    pub cosigner: PublicKey,
}

/// A secret Ed25519 key. It cannot be printed or copied, and is wiped on drop.
///
/// The seed is in one place on the heap, because each move of a value leaves a copy behind that
/// nothing wipes.
pub struct SecretKey {
    seed: Box<Zeroizing<[u8; 32]>>,
    public: VerifyingKey,
}

#[expect(missing_docs, reason = "the names say it")]
impl SecretKey {
    pub fn generate(rng: &mut dyn CryptoRngCore) -> Self {
        Self::filled(|seed| rng.fill_bytes(seed))
    }

    /// From a 32-byte seed (RFC 8032 private key).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::filled(|own| own.copy_from_slice(seed))
    }

    fn filled(fill: impl FnOnce(&mut [u8])) -> Self {
        let mut seed = Box::new(Zeroizing::new([0; 32]));
        fill(seed.as_mut_slice());
        let public = VerifyingKey::from(&ExpandedSecretKey::from(&**seed));
        Self { seed, public }
    }

    /// The 32-byte seed, to be stored sealed.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    pub fn public(&self) -> PublicKey {
        PublicKey(self.public.to_bytes())
    }

    /// 64 bytes.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let key = ExpandedSecretKey::from(&**self.seed);
        raw_sign::<Sha512>(&key, message, &self.public).to_bytes()
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey(of {})", encoding::short_hex(&self.public().0))
    }
}

#[derive(Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct AccountSecrets {
    /// Signs statements.
    pub identity: SecretKey,
    /// Cosigns checkpoints.
    pub cosigner: SecretKey,
}

/// Returns what verifies an account's cosignatures on the log `origin`. `None` if nobody can hold
/// the private half of `key`, or no key can have such a name.
pub fn cosigner_verifier(
    origin: &str,
    account: &AccountName,
    key: &PublicKey,
) -> Option<CosignerVerifier> {
    CosignerVerifier::new(cosigner_name(origin, account)?, &key.0).ok()
}

/// Cosigners are named after their log and account, so that no name occurs in two logs.
fn cosigner_name(origin: &str, account: &AccountName) -> Option<KeyName> {
    format!("{origin}/{account}").parse().ok()
}

#[expect(missing_docs, reason = "the names say it")]
impl AccountSecrets {
    pub fn generate(rng: &mut dyn CryptoRngCore) -> Self {
        Self { identity: SecretKey::generate(rng), cosigner: SecretKey::generate(rng) }
    }

    pub fn public(&self) -> AccountKeys {
        AccountKeys { identity: self.identity.public(), cosigner: self.cosigner.public() }
    }

    /// Returns the key with which the account cosigns the log `origin`. `None` if no key can have
    /// such a name.
    pub fn cosigner_of(&self, origin: &str, account: &AccountName) -> Option<CosignerSigner> {
        let seed = Seed::new(Box::new(*self.cosigner.seed()));
        Some(CosignerSigner::new(cosigner_name(origin, account)?, seed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(SecretKey: Clone, Copy, serde::Serialize);
    static_assertions::assert_not_impl_any!(AccountSecrets: Clone, Copy, serde::Serialize);

    #[test]
    fn debug_shows_the_public_key_only() {
        let key = SecretKey::from_seed(&[7; 32]);
        let shown = format!("{key:?}");
        assert!(!shown.contains("0707"), "{shown}");
    }

    #[test]
    fn a_moved_key_leaves_no_copy_behind() {
        let key = SecretKey::from_seed(&[7; 32]);
        let place = key.seed().as_ptr();
        let secrets = AccountSecrets { identity: key, cosigner: SecretKey::from_seed(&[8; 32]) };
        let moved = [Box::new(secrets)];
        assert_eq!(moved[0].identity.seed().as_ptr(), place);
    }

    #[test]
    fn signatures_are_those_of_the_standard() {
        // RFC 8032 §7.1, test 2.
        let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let mut bytes = [0; 32];
        hex::decode_to_slice(seed, &mut bytes).unwrap();
        let key = SecretKey::from_seed(&bytes);
        let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        assert_eq!(hex::encode(key.public().0), public);
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(hex::encode(key.sign(b"r")), signature);
    }

    #[test]
    fn nobodys_key_is_no_key() {
        assert!(VerifyingKey::from_bytes(&PublicKey::NOBODYS.0).is_err());
        assert!(!PublicKey::NOBODYS.verifies(b"", &[0; 64]));
    }

    #[test]
    fn another_message_or_key_does_not_verify() {
        let key = SecretKey::from_seed(&[7; 32]);
        let signature = key.sign(b"yes");
        assert!(key.public().verifies(b"yes", &signature));
        assert!(!key.public().verifies(b"no", &signature));
        assert!(!SecretKey::from_seed(&[8; 32]).public().verifies(b"yes", &signature));
    }
}
