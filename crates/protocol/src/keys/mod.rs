//! Keys: the result of a session, and its stored form.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use frost_ed25519::keys as frost;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::secret::{SCALAR_LENGTH, SecretScalar};
use crate::transcript::Transcript;
use crate::wipe::wipe;
use crate::wire::Reader;
use crate::{Identifier, Suite};

macro_rules! public_point {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name {
            suite: Suite,
            bytes: Vec<u8>,
        }

        impl $name {
            #[doc = concat!("Decodes a ", $what, " in its suite's encoding; for Ed25519 the 32 bytes of RFC 8032.")]
            ///
            /// # Errors
            ///
            /// Unless the bytes are the canonical encoding of a point in the prime-order group
            /// other than the identity.
            pub fn from_bytes(suite: Suite, bytes: &[u8]) -> Result<Self, InvalidPoint> {
                if suite.algebra().is_public_key(bytes) {
                    Ok(Self::of_valid_point(suite, bytes.to_vec()))
                } else {
                    Err(InvalidPoint)
                }
            }

            /// Skips the checks of [`from_bytes`](Self::from_bytes).
            pub(crate) fn of_valid_point(suite: Suite, bytes: Vec<u8>) -> Self {
                Self { suite, bytes }
            }

            /// The suite of the encoding.
            pub fn suite(&self) -> Suite {
                self.suite
            }

            /// The canonical encoding; for Ed25519 the 32 bytes of RFC 8032.
            pub fn as_bytes(&self) -> &[u8] {
                &self.bytes
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}(", stringify!($name))?;
                self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str(")")
            }
        }
    };
}

public_point! {
    /// A group's public key: what its signatures verify under.
    VerifyingKey, "verifying key"
}

public_point! {
    /// The public counterpart of one participant's signing share.
    VerifyingShare, "verifying share"
}

/// The bytes are not a public key of the suite.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not the canonical encoding of a point of prime order")]
pub struct InvalidPoint;

/// Why a stored package cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PackageError {
    #[error("the package is of an unknown version")]
    Version,
    #[error("the package is of an unknown suite")]
    Suite,
    /// It is too short or too long, or identifiers are zero or not in ascending order.
    #[error("the package is truncated or malformed")]
    Malformed,
    /// min_signers is below 2, or above the number of participants.
    #[error("the package has an impossible min_signers")]
    MinSigners,
    /// A key or share is not canonically encoded, not of prime order, or zero.
    #[error("the package contains an invalid key or share")]
    InvalidPoint,
    #[error("the package's signing share does not match its verifying share")]
    WrongShare,
}

/// The version of both encodings.
const VERSION: u8 = 1;

/// Reads the fields with which both packages begin: version, suite, min_signers.
fn header(reader: &mut Reader<'_>) -> Result<(Suite, u16), PackageError> {
    if reader.byte().ok_or(PackageError::Malformed)? != VERSION {
        return Err(PackageError::Version);
    }
    let code = reader.byte().ok_or(PackageError::Malformed)?;
    let suite = Suite::from_code(code).ok_or(PackageError::Suite)?;
    let min_signers = reader.number().ok_or(PackageError::Malformed)?;
    if min_signers < 2 {
        return Err(PackageError::MinSigners);
    }
    Ok((suite, min_signers))
}

/// The public data of a key.
#[derive(Clone)]
pub struct PublicKeyPackage {
    min_signers: u16,
    verifying_key: VerifyingKey,
    verifying_shares: BTreeMap<Identifier, VerifyingShare>,
    /// Decoded when it is first needed: decoding checks every point again.
    pub(crate) frost: OnceLock<frost::PublicKeyPackage>,
}

impl PublicKeyPackage {
    /// `verifying_shares` are at least `min_signers`, and all of the key's suite.
    pub(crate) fn of_valid_points(
        min_signers: u16,
        verifying_key: VerifyingKey,
        verifying_shares: BTreeMap<Identifier, VerifyingShare>,
    ) -> Self {
        Self { min_signers, verifying_key, verifying_shares, frost: OnceLock::new() }
    }

    /// The key's suite.
    pub fn suite(&self) -> Suite {
        self.verifying_key.suite
    }

    /// The number of signers that a signature needs: t.
    pub fn min_signers(&self) -> u16 {
        self.min_signers
    }

    /// The group's public key.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    /// The public counterparts of all signing shares.
    pub fn verifying_shares(&self) -> &BTreeMap<Identifier, VerifyingShare> {
        &self.verifying_shares
    }

    /// Whether `proof` shows that the participant can use its signing share: see
    /// [`KeyPackage::prove`].
    pub fn verifies_possession(&self, of: Identifier, context: &[u8; 32], proof: &[u8]) -> bool {
        self.verifying_share(of).is_some_and(|share| {
            let statement = possession(self.suite(), of, share, context);
            self.suite().algebra().verifies_knowledge(&share.bytes, proof, statement)
        })
    }

    /// One participant's verifying share; `None` for a stranger.
    pub fn verifying_share(&self, of: Identifier) -> Option<&VerifyingShare> {
        self.verifying_shares.get(&of)
    }

    /// The one encoding: version 1 byte, suite 1, min_signers 2, verifying key, number of shares 2,
    /// and for each in ascending order identifier 2 and verifying share. Numbers are big-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, self.suite().code()];
        bytes.extend(self.min_signers.to_be_bytes());
        bytes.extend(&self.verifying_key.bytes);
        // There are fewer than 2¹⁶ identifiers.
        bytes.extend((self.verifying_shares.len() as u16).to_be_bytes());
        for (identifier, share) in &self.verifying_shares {
            bytes.extend(identifier.to_bytes());
            bytes.extend(&share.bytes);
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) writes, and nothing else.
    ///
    /// # Errors
    ///
    /// See [`PackageError`]. Does not check that the shares are shares of the key: a package is as
    /// trustworthy as its source.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PackageError> {
        let mut reader = Reader::new(bytes);
        let (suite, min_signers) = header(&mut reader)?;
        let length = suite.algebra().point_length();
        let key = reader.take(length).ok_or(PackageError::Malformed)?;
        let count = reader.number().ok_or(PackageError::Malformed)?;
        if reader.remaining() != usize::from(count) * (Identifier::LENGTH + length) {
            return Err(PackageError::Malformed);
        }
        if min_signers > count {
            return Err(PackageError::MinSigners);
        }
        let invalid = |_| PackageError::InvalidPoint;
        let verifying_key = VerifyingKey::from_bytes(suite, key).map_err(invalid)?;
        let mut shares = BTreeMap::new();
        for _ in 0..count {
            let identifier = reader.identifier().ok_or(PackageError::Malformed)?;
            if shares.last_key_value().is_some_and(|(last, _)| *last >= identifier) {
                return Err(PackageError::Malformed);
            }
            let share = reader.take(length).ok_or(PackageError::Malformed)?;
            let share = VerifyingShare::from_bytes(suite, share).map_err(invalid)?;
            shares.insert(identifier, share);
        }
        reader.end().ok_or(PackageError::Malformed)?;
        Ok(Self::of_valid_points(min_signers, verifying_key, shares))
    }
}

impl PartialEq for PublicKeyPackage {
    fn eq(&self, other: &Self) -> bool {
        self.min_signers == other.min_signers
            && self.verifying_key == other.verifying_key
            && self.verifying_shares == other.verifying_shares
    }
}

impl Eq for PublicKeyPackage {}

impl fmt::Debug for PublicKeyPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKeyPackage")
            .field("suite", &self.suite())
            .field("min_signers", &self.min_signers)
            .field("verifying_key", &self.verifying_key)
            .field("verifying_shares", &self.verifying_shares)
            .finish()
    }
}

/// One participant's stored data of a key: its signing share, and what belongs to it.
///
/// Secret. It cannot be copied, printed or serialised by accident, and is wiped on drop.
pub struct KeyPackage {
    identifier: Identifier,
    min_signers: u16,
    signing_share: SecretScalar,
    verifying_share: VerifyingShare,
    verifying_key: VerifyingKey,
    /// Decoded when it is first needed. On the heap, so that moving leaves no copies behind.
    pub(crate) frost: OnceLock<Box<frost::KeyPackage>>,
}

impl Drop for KeyPackage {
    fn drop(&mut self) {
        if let Some(decoded) = self.frost.get_mut() {
            wipe(&mut **decoded);
        }
    }
}

impl KeyPackage {
    /// Returns `None` if `identifier` is a stranger. The caller has checked that the share is
    /// right.
    pub(crate) fn of_valid_share(
        identifier: Identifier,
        signing_share: SecretScalar,
        public: &PublicKeyPackage,
    ) -> Option<Self> {
        Some(Self {
            identifier,
            min_signers: public.min_signers,
            signing_share,
            verifying_share: public.verifying_share(identifier)?.clone(),
            verifying_key: public.verifying_key.clone(),
            frost: OnceLock::new(),
        })
    }

    /// The key's suite.
    pub fn suite(&self) -> Suite {
        self.verifying_key.suite
    }

    /// The owner of the share.
    pub fn identifier(&self) -> Identifier {
        self.identifier
    }

    /// The number of signers that a signature needs: t.
    pub fn min_signers(&self) -> u16 {
        self.min_signers
    }

    /// The public counterpart of the signing share.
    pub fn verifying_share(&self) -> &VerifyingShare {
        &self.verifying_share
    }

    /// The group's public key.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    pub(crate) fn signing_share(&self) -> &SecretScalar {
        &self.signing_share
    }

    /// Proves possession of the signing share, and nothing else: that the prover knows the discrete
    /// logarithm of the verifying share (Schnorr's proof, after Fiat and Shamir: a point, then a
    /// scalar of 32 bytes; 64 bytes for Ed25519). `context` states for whom and when, so that no
    /// proof serves twice.
    ///
    /// `None` is a fault of this program: a key package has a usable share.
    pub fn prove(&self, context: &[u8; 32], rng: &mut dyn CryptoRngCore) -> Option<Vec<u8>> {
        let statement = possession(self.suite(), self.identifier, &self.verifying_share, context);
        // The proof is of a polynomial's constant term; this one has no others that matter.
        let dealer = self.suite().algebra().deal_again(&self.signing_share, 1, rng)?;
        Some(dealer.prove(statement, rng))
    }

    /// Checks that this is a share of the key that `public` describes.
    ///
    /// Call it after loading, to compare with the log. It was checked when the package was made or
    /// read that the signing share belongs to the verifying share.
    ///
    /// # Errors
    ///
    /// The first difference: see [`Mismatch`].
    pub fn check(&self, public: &PublicKeyPackage) -> Result<(), Mismatch> {
        if self.verifying_key != public.verifying_key {
            return Err(Mismatch::VerifyingKey);
        }
        if self.min_signers != public.min_signers {
            return Err(Mismatch::MinSigners);
        }
        match public.verifying_share(self.identifier) {
            None => Err(Mismatch::Stranger(self.identifier)),
            Some(share) if *share != self.verifying_share => {
                Err(Mismatch::VerifyingShare(self.identifier))
            }
            Some(_) => Ok(()),
        }
    }

    /// The one encoding: version 1 byte, suite 1, min_signers 2, identifier 2, signing share 32,
    /// verifying share, verifying key. Numbers are big-endian. Secret.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let points = [&self.verifying_share.bytes[..], &self.verifying_key.bytes].concat();
        // With its final capacity, so that growing leaves no copies behind.
        let length = 4 + Identifier::LENGTH + SCALAR_LENGTH + points.len();
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        bytes.extend([VERSION, self.suite().code()]);
        bytes.extend(self.min_signers.to_be_bytes());
        bytes.extend(self.identifier.to_bytes());
        bytes.extend(self.signing_share.expose());
        bytes.extend(points);
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) writes, and nothing else.
    ///
    /// # Errors
    ///
    /// See [`PackageError`]. Checks that the signing share belongs to the verifying share.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PackageError> {
        let mut reader = Reader::new(bytes);
        let (suite, min_signers) = header(&mut reader)?;
        let length = suite.algebra().point_length();
        if reader.remaining() != Identifier::LENGTH + SCALAR_LENGTH + 2 * length {
            return Err(PackageError::Malformed);
        }
        let identifier = reader.identifier().ok_or(PackageError::Malformed)?;
        let scalar = reader.take(SCALAR_LENGTH).and_then(|bytes| bytes.try_into().ok());
        let signing_share = SecretScalar::copy_of(scalar.ok_or(PackageError::Malformed)?);
        let mut point = || reader.take(length).ok_or(PackageError::Malformed);
        let invalid = |_| PackageError::InvalidPoint;
        let verifying_share = VerifyingShare::from_bytes(suite, point()?).map_err(invalid)?;
        let verifying_key = VerifyingKey::from_bytes(suite, point()?).map_err(invalid)?;
        reader.end().ok_or(PackageError::Malformed)?;

        let public = suite.algebra().public_key(&signing_share).ok_or(PackageError::WrongShare)?;
        if public != verifying_share.bytes {
            return Err(PackageError::WrongShare);
        }
        let frost = OnceLock::new();
        Ok(Self { identifier, min_signers, signing_share, verifying_share, verifying_key, frost })
    }
}

/// The statement of a proof of possession. The prover appends its commitment.
fn possession(
    suite: Suite,
    of: Identifier,
    share: &VerifyingShare,
    context: &[u8; 32],
) -> Transcript {
    Transcript::new("quorate/keys/v1/possession")
        .field(&[suite.code()])
        .field(&of.to_bytes())
        .field(&share.bytes)
        .field(context)
}

impl fmt::Debug for KeyPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPackage")
            .field("suite", &self.suite())
            .field("identifier", &self.identifier)
            .field("min_signers", &self.min_signers)
            .field("signing_share", &self.signing_share)
            .field("verifying_share", &self.verifying_share)
            .field("verifying_key", &self.verifying_key)
            .finish_non_exhaustive()
    }
}

/// Why a key package and a public key package do not belong together.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Mismatch {
    #[error("the share is of another key")]
    VerifyingKey,
    #[error("the share has another min_signers than the key")]
    MinSigners,
    #[error("{0} has no share of this key")]
    Stranger(Identifier),
    /// The share is not the one that the key records: it belongs to another epoch, or is damaged.
    #[error("the share of {0} is not the one that the key records")]
    VerifyingShare(Identifier),
}

#[cfg(test)]
mod tests;
