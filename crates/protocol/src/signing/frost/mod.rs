//! FROST(Ed25519, SHA-512): RFC 9591, through `frost-ed25519`.
//!
//! ```text
//!      round 1               round 2
//! ┌────────────────┐   ┌─────────────────┐
//! │ commitments to │ → │ signature share │ → sum of the shares: one Ed25519 signature
//! │ two nonces     │   │                 │
//! └────────────────┘   └─────────────────┘
//! ```
//!
//! This file has the two rounds and the aggregation, with the checks that frost-core leaves to
//! callers. `session` makes them the two halves of a signing session.

mod message;
pub(super) mod session;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use curve25519_dalek::scalar::Scalar;
use frost_core::round1::Nonce;
use frost_ed25519 as frost;
use frost_ed25519::CheaterDetection;
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use super::error::Error;
use super::signature::{Signature, verify};
use crate::keys::{KeyPackage, PublicKeyPackage, VerifyingShare};
use crate::secret::SecretScalar;
use crate::wipe::wipe;
use crate::{Identifier, Suite};

use message::{Commitments, SignatureShare};
pub(super) use verify::{check_signature_encoding, verifies};

/// The secret nonces of one signature.
///
/// Anyone who learns them together with the signature share learns the signing share, and two
/// shares made with the same nonces give it away as well. So nonces cannot be copied, stored or
/// printed, [`sign`] takes them by value, and they are wiped on drop. After a crash they are gone:
/// announce new ones.
#[must_use]
pub(super) struct Nonces {
    /// On the heap, so that moving leaves no copies behind.
    frost: Box<frost::round1::SigningNonces>,
    verifying_share: VerifyingShare,
}

impl Drop for Nonces {
    fn drop(&mut self) {
        wipe(&mut *self.frost);
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces([REDACTED])")
    }
}

/// Round 1: makes nonces for one signature, and the commitments to announce.
///
/// The nonces depend on the randomness and on the signing share, so that bad randomness alone does
/// not make them predictable (RFC 9591, section 4.1).
///
/// # Errors
///
/// [`Error::OtherSuite`] if the key is not for FROST.
fn commit(key: &KeyPackage, rng: &mut dyn CryptoRngCore) -> Result<(Nonces, Commitments), Error> {
    // Rejects keys that are not for FROST before any randomness is used.
    signer(key)?;
    let mut hiding = nonce(key.signing_share(), rng)?;
    let mut binding = nonce(key.signing_share(), rng)?;
    let nonces = Nonces {
        frost: Box::new(frost::round1::SigningNonces::from_nonces(hiding, binding)),
        verifying_share: key.verifying_share().clone(),
    };
    wipe(&mut hiding);
    wipe(&mut binding);
    let commitments = Commitments::of(*nonces.frost.commitments()).ok_or(Error::Bug)?;
    Ok((nonces, commitments))
}

/// `nonce_generate` of RFC 9591, section 4.1: H3(32 random bytes ‖ secret), where H3 is that of
/// FROST(Ed25519, SHA-512), section 6.1.
///
/// frost-core's own function would leave randomness and signing share behind in memory that it
/// frees without wiping it.
fn nonce(
    secret: &SecretScalar,
    rng: &mut dyn CryptoRngCore,
) -> Result<Nonce<frost::Ed25519Sha512>, Error> {
    let mut random = Zeroizing::new([0; 32]);
    rng.fill_bytes(random.as_mut());
    let mut hash = Zeroizing::new([0; 64]);
    Sha512::new_with_prefix("FROST-ED25519-SHA512-v1nonce")
        .chain_update(*random)
        .chain_update(secret.expose())
        .finalize_into((&mut *hash).into());
    let scalar = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&hash));
    Nonce::deserialize(scalar.as_bytes()).map_err(|_| Error::Bug)
}

/// Round 2: signs `message` together with the signers of `commitments`.
///
/// The caller has decided that the message is to be signed, and has made durable that the nonces
/// are used up, before it releases the result.
///
/// # Errors
///
/// Rejects a key package that is not a share of the key in `public`, nonces of another share,
/// commitments that lack ours or contain others in our name, fewer signers than `min_signers`, and
/// signers that have no share of the key. The nonces are gone in every case.
fn sign(
    nonces: Nonces,
    key: &KeyPackage,
    public: &PublicKeyPackage,
    commitments: &BTreeMap<Identifier, Commitments>,
    message: &[u8],
) -> Result<SignatureShare, Error> {
    key.check(public)?;
    if nonces.verifying_share != *key.verifying_share() {
        return Err(Error::OtherNonces);
    }
    match commitments.get(&key.identifier()) {
        None => return Err(Error::NotASigner),
        Some(ours) if ours.frost != *nonces.frost.commitments() => {
            return Err(Error::OtherCommitments);
        }
        Some(_) => {}
    }
    let package = signing_package(public, commitments, message)?;
    let share = frost::round2::sign(&package, &nonces.frost, signer(key)?);
    share.map(SignatureShare).map_err(|_| Error::Bug)
}

/// Adds signature shares up to a signature, and verifies it.
///
/// If the signature is right, the shares have not been checked one by one: two wrong ones may have
/// cancelled out. Where each share is evidence, [`verify_share`] them.
///
/// # Errors
///
/// [`Error::WrongShares`] names all signers whose shares are wrong, if any are. Needs the share of
/// every signer that committed, and of nobody else.
fn aggregate(
    public: &PublicKeyPackage,
    commitments: &BTreeMap<Identifier, Commitments>,
    shares: &BTreeMap<Identifier, SignatureShare>,
    message: &[u8],
) -> Result<Signature, Error> {
    let package = signing_package(public, commitments, message)?;
    let missing: BTreeSet<_> = difference(commitments, shares);
    if !missing.is_empty() {
        return Err(Error::MissingShares { missing });
    }
    let unexpected: BTreeSet<_> = difference(shares, commitments);
    if !unexpected.is_empty() {
        return Err(Error::Unexpected { unexpected });
    }
    let mut of_frost = BTreeMap::new();
    for (id, share) in shares {
        of_frost.insert(identifier(*id)?, share.0);
    }
    let detection = CheaterDetection::AllCheaters;
    let signature = frost::aggregate_custom(&package, &of_frost, group(public)?, detection)
        .map_err(|error| blame(&error, shares))?
        .serialize()
        .map_err(|_| Error::Bug)?;

    let signature = Signature::from_bytes(public.suite(), &signature).map_err(|_| Error::Bug)?;
    verify(public.verifying_key(), message, &signature).map_err(|_| Error::Bug)?;
    Ok(signature)
}

/// Checks one signature share, before or without aggregating.
///
/// # Errors
///
/// [`Error::WrongShares`] if it is wrong; [`Error::Unexpected`] if its sender did not commit.
fn verify_share(
    public: &PublicKeyPackage,
    commitments: &BTreeMap<Identifier, Commitments>,
    from: Identifier,
    share: &SignatureShare,
    message: &[u8],
) -> Result<(), Error> {
    let package = signing_package(public, commitments, message)?;
    if !commitments.contains_key(&from) {
        return Err(Error::Unexpected { unexpected: BTreeSet::from([from]) });
    }
    let group = group(public)?;
    let id = identifier(from)?;
    let verifying_share = group.verifying_shares().get(&id).ok_or(Error::Bug)?;
    let shares = BTreeMap::from([(from, share.clone())]);
    frost_core::verify_signature_share(
        id,
        verifying_share,
        &share.0,
        &package,
        group.verifying_key(),
    )
    .map_err(|error| blame(&error, &shares))
}

/// Whether these shares add up to the scalar of the signature (RFC 9591, section 5.3). No message
/// is needed.
///
/// Otherwise a coordinator could log a signature under the names of other members, with shares from
/// a failed session or shares that make no signature.
fn add_up<'a>(shares: impl IntoIterator<Item = &'a SignatureShare>, signature: &[u8]) -> bool {
    let Some((_, scalar)) = signature.split_first_chunk::<32>() else { return false };
    let mut sum = Scalar::ZERO;
    for share in shares {
        let share = Option::<Scalar>::from(Scalar::from_canonical_bytes(share.to_bytes()));
        let Some(share) = share else { return false };
        sum += share;
    }
    sum.as_bytes() == scalar
}

/// Checks that these signers can sign together, and decodes what they agreed on.
fn signing_package(
    public: &PublicKeyPackage,
    commitments: &BTreeMap<Identifier, Commitments>,
    message: &[u8],
) -> Result<frost::SigningPackage, Error> {
    let (signers, min_signers) = (commitments.len(), public.min_signers());
    if signers < usize::from(min_signers) {
        return Err(Error::TooFewSigners { signers, min_signers });
    }
    // frost-core does not check this when signing. A share that is made for a set with strangers is
    // useless, and the set was not proposed in good faith.
    let strangers: BTreeSet<_> = difference(commitments, public.verifying_shares());
    if !strangers.is_empty() {
        return Err(Error::Strangers { strangers });
    }
    let mut of_frost = BTreeMap::new();
    for (id, commitments) in commitments {
        of_frost.insert(identifier(*id)?, commitments.frost);
    }
    Ok(frost::SigningPackage::new(of_frost, message))
}

/// Translates the result of frost-core's search for cheaters.
fn blame(error: &frost::Error, shares: &BTreeMap<Identifier, SignatureShare>) -> Error {
    let blamed = error.culprits();
    let is_blamed = |id: &Identifier| identifier(*id).is_ok_and(|id| blamed.contains(&id));
    let culprits: BTreeSet<_> = shares.keys().copied().filter(is_blamed).collect();
    if culprits.is_empty() { Error::Bug } else { Error::WrongShares { culprits } }
}

/// The keys of `a` that `b` does not have.
fn difference<A, B>(
    a: &BTreeMap<Identifier, A>,
    b: &BTreeMap<Identifier, B>,
) -> BTreeSet<Identifier> {
    a.keys().copied().filter(|id| !b.contains_key(id)).collect()
}

fn identifier(id: Identifier) -> Result<frost::Identifier, Error> {
    frost::Identifier::try_from(id.get()).map_err(|_| Error::Bug)
}

/// The key package in frost-core's form, decoded once.
fn signer(key: &KeyPackage) -> Result<&frost::keys::KeyPackage, Error> {
    if key.suite() != Suite::FrostEd25519Sha512 {
        return Err(Error::OtherSuite);
    }
    if let Some(decoded) = key.frost.get() {
        return Ok(decoded);
    }
    let decode = || {
        Some(frost::keys::KeyPackage::new(
            identifier(key.identifier()).ok()?,
            frost::keys::SigningShare::deserialize(key.signing_share().expose()).ok()?,
            frost::keys::VerifyingShare::deserialize(key.verifying_share().as_bytes()).ok()?,
            frost::VerifyingKey::deserialize(key.verifying_key().as_bytes()).ok()?,
            key.min_signers(),
        ))
    };
    let decoded = Box::new(decode().ok_or(Error::Bug)?);
    if let Err(mut late) = key.frost.set(decoded) {
        // Another thread has decoded it meanwhile.
        wipe(&mut *late);
    }
    key.frost.get().map(|decoded| &**decoded).ok_or(Error::Bug)
}

/// The public key package in frost-core's form, decoded once.
fn group(public: &PublicKeyPackage) -> Result<&frost::keys::PublicKeyPackage, Error> {
    if public.suite() != Suite::FrostEd25519Sha512 {
        return Err(Error::OtherSuite);
    }
    if let Some(decoded) = public.frost.get() {
        return Ok(decoded);
    }
    let mut shares = BTreeMap::new();
    for (id, share) in public.verifying_shares() {
        let share = frost::keys::VerifyingShare::deserialize(share.as_bytes());
        shares.insert(identifier(*id)?, share.map_err(|_| Error::Bug)?);
    }
    let key = frost::VerifyingKey::deserialize(public.verifying_key().as_bytes())
        .map_err(|_| Error::Bug)?;
    let decoded = frost::keys::PublicKeyPackage::new(shares, key, Some(public.min_signers()));
    Ok(public.frost.get_or_init(|| decoded))
}
