//! Schnorr's proof that a dealer of a reshare, or a helper of a repair, knows the secret of its
//! ephemeral key.
//!
//! The proof is needed because a complaint publishes the point K = x·E that the complainer agreed
//! on with an ephemeral key E. If E were another participant's key, or derived from it, K would
//! open what that participant sealed to the complainer. A participant that proved to know e with E
//! = e·G could have computed K = e·X itself, so the complaint gives nothing away. The proof is not
//! needed where a hash fixes E before the others' keys are known, as in a key generation.
//!
//! The proof is made non-interactive after Fiat and Shamir. The group is Ristretto255, which has
//! prime order, whatever the suite.

use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::sealing::{PublicKey, SecretKey};
use crate::transcript::Transcript;

/// What a proof is about, and the labels of the hashes that it needs: every kind of session has its
/// own.
pub(crate) struct Statement {
    /// Contains the key, its owner, and its purpose. The prover appends its commitment.
    pub(crate) about: Transcript,
    /// The label of the nonce's hash.
    pub(crate) nonce: &'static str,
}

/// Proves knowledge of the secret behind the key that `statement` is about: challenge c and
/// response z = r + c·e, 32 bytes each. The nonce r is [hedged](Transcript::nonce).
pub(crate) fn prove(
    secret: &SecretKey,
    statement: Statement,
    rng: &mut dyn CryptoRngCore,
) -> [u8; 64] {
    let Statement { about, nonce: label } = statement;
    let nonce = about.clone().nonce(label, secret.scalar().as_bytes(), rng);
    let nonce = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&nonce));
    let challenge = challenge(about, &RistrettoPoint::mul_base(&nonce));
    encode(challenge, *nonce + challenge * secret.scalar())
}

/// Checks a proof: c = H(statement, z·G − c·E), both scalars canonical. Returns `None` if the proof
/// is wrong.
///
/// Takes variable time: everything is public.
pub(crate) fn verify(key: &PublicKey, statement: Statement, proof: &[u8; 64]) -> Option<()> {
    let (claimed, response) = decode(proof)?;
    let commitment =
        RistrettoPoint::vartime_double_scalar_mul_basepoint(&-claimed, key.point(), &response);
    (challenge(statement.about, &commitment) == claimed).then_some(())
}

pub(super) fn encode(challenge: Scalar, response: Scalar) -> [u8; 64] {
    let mut proof = [0; 64];
    let (first, second) = proof.split_at_mut(32);
    first.copy_from_slice(challenge.as_bytes());
    second.copy_from_slice(response.as_bytes());
    proof
}

/// Reads challenge and response; `None` unless both are canonical.
pub(super) fn decode(proof: &[u8; 64]) -> Option<(Scalar, Scalar)> {
    let (challenge, response) = proof.split_first_chunk::<32>()?;
    let scalar = |bytes: &[u8; 32]| Option::<Scalar>::from(Scalar::from_canonical_bytes(*bytes));
    Some((scalar(challenge)?, scalar(response.try_into().ok()?)?))
}

fn challenge(about: Transcript, commitment: &RistrettoPoint) -> Scalar {
    let hash = about.field(commitment.compress().as_bytes()).wide();
    Scalar::from_bytes_mod_order_wide(&hash)
}
