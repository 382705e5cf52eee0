//! Keys of the log and of its cosigners, Ed25519, with their textual form (*vkey*).
//!
//! <https://c2sp.org/signed-note#verifier-keys>, <https://c2sp.org/tlog-cosignature>.

use std::fmt;
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

/// Signs checkpoints as the log. The key's name is the log's origin.
pub struct LogSigner {
    key: Box<SigningKey>,
    verifier: LogVerifier,
}

impl LogSigner {
    /// Derives the log key of the log called `origin`.
    pub fn new(origin: KeyName, seed: Seed) -> Self {
        let key = seed.into_signing_key();
        let verifier = LogVerifier(NoteKey::new(origin, Algorithm::Note, key.verifying_key()));
        Self { key, verifier }
    }

    /// The public half.
    pub fn verifier(&self) -> &LogVerifier {
        &self.verifier
    }

    pub(crate) fn sign_text(&self, text: &str) -> NoteSignature {
        self.verifier.0.signature(self.key.sign(text.as_bytes()).to_vec())
    }
}

/// Verifies the log's own signatures; the trust anchor of an auditor.
///
/// Displays and parses as a vkey of signature type 0x01.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct LogVerifier(NoteKey);

impl LogVerifier {
    /// Takes the public key of the log called `origin`, 32 bytes as in RFC 8032.
    ///
    /// # Errors
    ///
    /// When nobody can hold the private half of such a key.
    pub fn new(origin: KeyName, public_key: &[u8; 32]) -> Result<Self, KeyError> {
        Ok(Self(NoteKey::new(origin, Algorithm::Note, public_key_from(public_key)?)))
    }

    /// The log's name.
    pub fn origin(&self) -> &KeyName {
        &self.0.name
    }

    /// The key id of the log's signature lines.
    pub fn id(&self) -> KeyId {
        self.0.id
    }

    /// The public key, 32 bytes as in RFC 8032.
    pub fn public_key(&self) -> [u8; 32] {
        self.0.key.to_bytes()
    }

    pub(crate) fn signed(&self, signature: &NoteSignature) -> bool {
        self.0.is_named_in(signature)
    }

    pub(crate) fn verifies(&self, text: &str, signature: &NoteSignature) -> bool {
        self.0.verifies(text.as_bytes(), &signature.bytes)
    }
}

/// Cosigns checkpoints as a node, as `cosignature/v1`.
pub struct CosignerSigner {
    key: Box<SigningKey>,
    verifier: CosignerVerifier,
}

impl CosignerSigner {
    /// Derives the cosigner key called `name`. No two names may share a seed: the signature does
    /// not cover the name.
    pub fn new(name: KeyName, seed: Seed) -> Self {
        let key = seed.into_signing_key();
        let key_of = NoteKey::new(name, Algorithm::CosignatureV1, key.verifying_key());
        Self { key, verifier: CosignerVerifier(key_of) }
    }

    /// The public half.
    pub fn verifier(&self) -> &CosignerVerifier {
        &self.verifier
    }

    pub(crate) fn cosign_text(&self, text: &str, time: Timestamp) -> NoteSignature {
        let signature = self.key.sign(cosigned_message(time, text).as_bytes()).to_bytes();
        self.verifier.0.signature([time.0.to_be_bytes().as_slice(), &signature].concat())
    }
}

/// Verifies the cosignatures of one cosigner.
///
/// Displays and parses as a vkey of signature type 0x04.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CosignerVerifier(NoteKey);

impl CosignerVerifier {
    /// Takes the public key of the cosigner called `name`, 32 bytes as in RFC 8032.
    ///
    /// # Errors
    ///
    /// When nobody can hold the private half of such a key.
    pub fn new(name: KeyName, public_key: &[u8; 32]) -> Result<Self, KeyError> {
        Ok(Self(NoteKey::new(name, Algorithm::CosignatureV1, public_key_from(public_key)?)))
    }

    /// The cosigner's name.
    pub fn name(&self) -> &KeyName {
        &self.0.name
    }

    /// The key id of the cosigner's signature lines.
    pub fn id(&self) -> KeyId {
        self.0.id
    }

    /// The public key, 32 bytes as in RFC 8032.
    pub fn public_key(&self) -> [u8; 32] {
        self.0.key.to_bytes()
    }

    pub(crate) fn signed(&self, signature: &NoteSignature) -> bool {
        self.0.is_named_in(signature)
    }

    /// Returns the time of the cosignature if it is valid for `text`.
    pub(crate) fn verify(&self, text: &str, signature: &NoteSignature) -> Option<Timestamp> {
        let (seconds, ed25519) = signature.bytes.split_first_chunk()?;
        let time = u64::from_be_bytes(*seconds).try_into().ok()?;
        self.0.verifies(cosigned_message(time, text).as_bytes(), ed25519).then_some(time)
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

/// The signature type of a key: what its signatures cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Note = 0x01,
    CosignatureV1 = 0x04,
}

#[derive(Clone, PartialEq, Eq)]
struct NoteKey {
    name: KeyName,
    id: KeyId,
    algorithm: Algorithm,
    key: VerifyingKey,
}

impl NoteKey {
    fn new(name: KeyName, algorithm: Algorithm, key: VerifyingKey) -> Self {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(name.as_str())
            .chain_update([b'\n', algorithm as u8])
            .chain_update(key.as_bytes())
            .finalize()
            .into();
        let [a, b, c, d, ..] = digest;
        Self { name, id: KeyId([a, b, c, d]), algorithm, key }
    }

    fn parse(vkey: &str, algorithm: Algorithm) -> Result<Self, KeyError> {
        let (name, rest) = vkey.split_once('+').ok_or(KeyError::Format)?;
        let (id, blob) = rest.split_once('+').ok_or(KeyError::Format)?;
        let blob = STANDARD.decode(blob).map_err(|_| KeyError::Format)?;
        let (found, key) = blob.split_first().ok_or(KeyError::Format)?;
        if *found != algorithm as u8 {
            return Err(KeyError::Algorithm { expected: algorithm as u8, found: *found });
        }
        let key = public_key_from(key.try_into().map_err(|_| KeyError::Format)?)?;
        let parsed = Self::new(name.parse()?, algorithm, key);
        if parsed.id.to_string() == id { Ok(parsed) } else { Err(KeyError::Id) }
    }

    fn signature(&self, bytes: Vec<u8>) -> NoteSignature {
        NoteSignature { name: self.name.clone(), id: self.id, bytes }
    }

    fn is_named_in(&self, signature: &NoteSignature) -> bool {
        self.id == signature.id && self.name == signature.name
    }

    fn verifies(&self, message: &[u8], ed25519: &[u8]) -> bool {
        Signature::from_slice(ed25519)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = [[self.algorithm as u8].as_slice(), self.key.as_bytes()].concat();
        write!(f, "{}+{}+{}", self.name, self.id, STANDARD.encode(blob))
    }
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn public_key_from(bytes: &[u8; 32]) -> Result<VerifyingKey, KeyError> {
    match VerifyingKey::from_bytes(bytes) {
        Ok(key) if !key.is_weak() => Ok(key),
        _ => Err(KeyError::PublicKey),
    }
}

impl fmt::Debug for LogSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogSigner").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

impl fmt::Debug for CosignerSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CosignerSigner").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

impl fmt::Display for LogVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LogVerifier {
    type Err = KeyError;

    fn from_str(vkey: &str) -> Result<Self, Self::Err> {
        NoteKey::parse(vkey, Algorithm::Note).map(Self)
    }
}

impl TryFrom<String> for LogVerifier {
    type Error = KeyError;

    fn try_from(vkey: String) -> Result<Self, Self::Error> {
        vkey.parse()
    }
}

impl From<LogVerifier> for String {
    fn from(verifier: LogVerifier) -> Self {
        verifier.to_string()
    }
}

impl fmt::Display for CosignerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for CosignerVerifier {
    type Err = KeyError;

    fn from_str(vkey: &str) -> Result<Self, Self::Err> {
        NoteKey::parse(vkey, Algorithm::CosignatureV1).map(Self)
    }
}

impl TryFrom<String> for CosignerVerifier {
    type Error = KeyError;

    fn try_from(vkey: String) -> Result<Self, Self::Error> {
        vkey.parse()
    }
}

impl From<CosignerVerifier> for String {
    fn from(verifier: CosignerVerifier) -> Self {
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
