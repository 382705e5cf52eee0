//! Keys of the log and of its cosigners, Ed25519, with their textual form (*vkey*).
//!
//! <https://c2sp.org/signed-note#verifier-keys>, <https://c2sp.org/tlog-cosignature>.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use secrecy::{ExposeSecret as _, SecretBox};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::note::{InvalidKeyName, KeyId, KeyName, NoteSignature};

/// The secret that a signer is derived from: 32 random bytes, RFC 8032 §5.1.5.
///
/// On the heap, so that moves leave no copies behind, and wiped on drop.
#[derive(Debug)]
pub struct Seed(SecretBox<[u8; 32]>);

impl Seed {
    /// Wraps 32 bytes of good randomness.
    pub fn new(bytes: Box<[u8; 32]>) -> Self {
        Self(SecretBox::new(bytes))
    }

    fn into_signing_key(self) -> Box<SigningKey> {
        Box::new(SigningKey::from_bytes(self.0.expose_secret()))
    }
}

/// The time at which a cosigner signed, in seconds since 1970-01-01 UTC, at most 2⁶³−1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u64", try_from = "u64")]
pub struct Timestamp(u64);

impl Timestamp {
    /// Seconds since 1970-01-01 UTC.
    pub const fn as_posix_seconds(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Timestamp {
    type Error = TimestampTooLarge;

    fn try_from(seconds: u64) -> Result<Self, Self::Error> {
        if seconds <= u64::MAX >> 1 { Ok(Self(seconds)) } else { Err(TimestampTooLarge) }
    }
}

impl From<Timestamp> for u64 {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.0
    }
}

/// A number of seconds is above what a cosignature can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a timestamp must not be above 2^63-1 seconds")]
pub struct TimestampTooLarge;

/// What the signatures of a key cover, which its textual form states.
pub trait Kind: Clone + fmt::Debug + Eq {
    /// The signature type.
    const TYPE: u8;
}

/// A log's own signatures: the text of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogNote {}

impl Kind for LogNote {
    const TYPE: u8 = 0x01;
}

/// A cosigner's signatures: a time, and the text of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CosignatureV1 {}

impl Kind for CosignatureV1 {
    const TYPE: u8 = 0x04;
}

/// A secret key and its name, to sign checkpoints.
pub struct Signer<K> {
    key: Box<SigningKey>,
    verifier: Verifier<K>,
}

/// Signs checkpoints as the log. The key's name is the log's origin.
pub type LogSigner = Signer<LogNote>;

/// Cosigns checkpoints as a node, as `cosignature/v1`.
pub type CosignerSigner = Signer<CosignatureV1>;

impl<K: Kind> Signer<K> {
    /// Derives the key called `name`. No two cosigners may share a seed: a cosignature does not
    /// cover the name.
    pub fn new(name: KeyName, seed: Seed) -> Self {
        let key = seed.into_signing_key();
        let verifier = Verifier::of(name, key.verifying_key());
        Self { key, verifier }
    }

    /// The public half.
    pub fn verifier(&self) -> &Verifier<K> {
        &self.verifier
    }
}

impl LogSigner {
    pub(crate) fn sign_text(&self, text: &str) -> NoteSignature {
        self.verifier.signature(self.key.sign(text.as_bytes()).to_vec())
    }
}

impl CosignerSigner {
    pub(crate) fn cosign_text(&self, text: &str, time: Timestamp) -> NoteSignature {
        let signature = self.key.sign(cosigned_message(time, text).as_bytes()).to_bytes();
        self.verifier.signature([time.0.to_be_bytes().as_slice(), &signature].concat())
    }
}

/// A public key and its name, to verify signatures on checkpoints.
///
/// Displays and parses as a vkey.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String", bound = "K: Kind")]
pub struct Verifier<K> {
    name: KeyName,
    id: KeyId,
    key: VerifyingKey,
    kind: PhantomData<K>,
}

/// Verifies the log's own signatures; the trust anchor of an auditor.
pub type LogVerifier = Verifier<LogNote>;

/// Verifies the cosignatures of one cosigner.
pub type CosignerVerifier = Verifier<CosignatureV1>;

impl<K: Kind> Verifier<K> {
    /// Takes a name and the public key, 32 bytes as in RFC 8032.
    ///
    /// # Errors
    ///
    /// When nobody can hold the private half of such a key.
    pub fn new(name: KeyName, public_key: &[u8; 32]) -> Result<Self, KeyError> {
        match VerifyingKey::from_bytes(public_key) {
            Ok(key) if !key.is_weak() => Ok(Self::of(name, key)),
            _ => Err(KeyError::PublicKey),
        }
    }

    fn of(name: KeyName, key: VerifyingKey) -> Self {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(name.as_str())
            .chain_update([b'\n', K::TYPE])
            .chain_update(key.as_bytes())
            .finalize()
            .into();
        let [a, b, c, d, ..] = digest;
        Self { name, id: KeyId([a, b, c, d]), key, kind: PhantomData }
    }

    /// The name of the log or of the cosigner.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key id of signature lines by this key.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The public key, 32 bytes as in RFC 8032.
    pub fn public_key(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    fn signature(&self, bytes: Vec<u8>) -> NoteSignature {
        NoteSignature { name: self.name.clone(), id: self.id, bytes }
    }

    pub(crate) fn signed(&self, signature: &NoteSignature) -> bool {
        self.id == signature.id && self.name == signature.name
    }

    fn verifies_bytes(&self, message: &[u8], ed25519: &[u8]) -> bool {
        Signature::from_slice(ed25519)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl LogVerifier {
    /// The log's name.
    pub fn origin(&self) -> &KeyName {
        &self.name
    }

    pub(crate) fn verifies(&self, text: &str, signature: &NoteSignature) -> bool {
        self.verifies_bytes(text.as_bytes(), &signature.bytes)
    }
}

impl CosignerVerifier {
    /// Returns the time of the cosignature if it is valid for `text`.
    pub(crate) fn verify(&self, text: &str, signature: &NoteSignature) -> Option<Timestamp> {
        let (seconds, ed25519) = signature.bytes.split_first_chunk()?;
        let time = u64::from_be_bytes(*seconds).try_into().ok()?;
        self.verifies_bytes(cosigned_message(time, text).as_bytes(), ed25519).then_some(time)
    }
}

fn cosigned_message(time: Timestamp, text: &str) -> String {
    format!("cosignature/v1\ntime {}\n{text}", time.0)
}

/// Why a text or bytes are not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum KeyError {
    /// Not of the form name, `+`, eight lower-case hex digits, `+`, base64 of 33 bytes.
    #[error("a log or cosigner key must look like name+12345678+base64")]
    Format,
    #[error(transparent)]
    Name(#[from] InvalidKeyName),
    /// A log's key where a cosigner's is needed, the other way around, or neither.
    #[error("the key is of signature type {found:#04x} where {expected:#04x} is needed")]
    Algorithm {
        /// 0x01 for a log's key, 0x04 for a cosigner's.
        expected: u8,
        /// The signature type in the key.
        found: u8,
    },
    #[error("the key's id does not fit its name and content (is it copied completely?)")]
    Id,
    /// The 32 bytes are not a point of the curve, or one of small order.
    #[error("the key is not a usable Ed25519 public key")]
    PublicKey,
}

impl<K: Kind> fmt::Display for Verifier<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = [[K::TYPE].as_slice(), self.key.as_bytes()].concat();
        write!(f, "{}+{}+{}", self.name, self.id, STANDARD.encode(blob))
    }
}

impl<K: Kind> fmt::Debug for Verifier<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({self})")
    }
}

impl<K: Kind> fmt::Debug for Signer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

impl<K: Kind> FromStr for Verifier<K> {
    type Err = KeyError;

    fn from_str(vkey: &str) -> Result<Self, Self::Err> {
        let (name, rest) = vkey.split_once('+').ok_or(KeyError::Format)?;
        let (id, blob) = rest.split_once('+').ok_or(KeyError::Format)?;
        let blob = STANDARD.decode(blob).map_err(|_| KeyError::Format)?;
        let (found, key) = blob.split_first().ok_or(KeyError::Format)?;
        if *found != K::TYPE {
            return Err(KeyError::Algorithm { expected: K::TYPE, found: *found });
        }
        let key: &[u8; 32] = key.try_into().map_err(|_| KeyError::Format)?;
        let parsed = Self::new(name.parse()?, key)?;
        if parsed.id.to_string() == id { Ok(parsed) } else { Err(KeyError::Id) }
    }
}

impl<K: Kind> TryFrom<String> for Verifier<K> {
    type Error = KeyError;

    fn try_from(vkey: String) -> Result<Self, Self::Error> {
        vkey.parse()
    }
}

impl<K: Kind> From<Verifier<K>> for String {
    fn from(verifier: Verifier<K>) -> Self {
        verifier.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(Seed: Clone, Copy, PartialEq, Serialize);
    static_assertions::assert_not_impl_any!(LogSigner: Clone, Copy, PartialEq, Serialize);
    static_assertions::assert_not_impl_any!(CosignerSigner: Clone, Copy, PartialEq, Serialize);
    static_assertions::assert_impl_all!(SigningKey: zeroize::ZeroizeOnDrop);

    #[test]
    fn debug_hides_the_secrets() {
        let seed = || Seed::new(Box::new([0xAB; 32]));
        let name: KeyName = "example.com/log".parse().unwrap();
        let shown = format!(
            "{:?} {:?} {:?}",
            seed(),
            LogSigner::new(name.clone(), seed()),
            CosignerSigner::new(name, seed())
        );
        assert!(!shown.contains("171") && !shown.to_lowercase().contains("abab"), "{shown}");
    }
}
