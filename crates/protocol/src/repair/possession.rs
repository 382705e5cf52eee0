//! Schnorr's proof that a helper knows the secret of its ephemeral key.
//!
//! Why it must: a complaint publishes the point K = x·E that the complainer agreed on with an ephemeral key E. If E were
//! another helper's key, or made from it, K would open what that other helper sealed to the complainer. Who proved to know
//! e with E = e·G could have computed K = e·X all along, so nothing is given away.
//!
//! Made non-interactive after Fiat and Shamir. The group is Ristretto255, which has prime order, whatever the suite.

use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::keyshare::sealing::{PublicKey, SecretKey};
use crate::transcript::Transcript;

/// Proves knowledge of the secret behind a key that `statement` contains: challenge c and response z = r + c·e, 32 bytes
/// each. The nonce r is [hedged](Transcript::nonce).
pub(super) fn prove(
    secret: &SecretKey,
    statement: Transcript,
    rng: &mut dyn CryptoRngCore,
) -> [u8; 64] {
    let label = "quorate/repair/v1/possession/nonce";
    let nonce = statement.clone().nonce(label, secret.scalar().as_bytes(), rng);
    let nonce = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&nonce));
    let challenge = challenge(statement, &RistrettoPoint::mul_base(&nonce));
    let response = *nonce + challenge * secret.scalar();

    let mut proof = [0; 64];
    let (first, second) = proof.split_at_mut(32);
    first.copy_from_slice(challenge.as_bytes());
    second.copy_from_slice(response.as_bytes());
    proof
}

/// Checks a proof: c = H(statement, z·G − c·E), both scalars canonical. `None` if it is wrong.
///
/// In variable time: all is public.
pub(super) fn verify(key: &PublicKey, statement: Transcript, proof: &[u8; 64]) -> Option<()> {
    let (first, response) = proof.split_first_chunk::<32>()?;
    let response: &[u8; 32] = response.try_into().ok()?;
    let claimed = Option::<Scalar>::from(Scalar::from_canonical_bytes(*first))?;
    let response = Option::<Scalar>::from(Scalar::from_canonical_bytes(*response))?;
    let commitment =
        RistrettoPoint::vartime_double_scalar_mul_basepoint(&-claimed, key.point(), &response);
    (challenge(statement, &commitment) == claimed).then_some(())
}

fn challenge(statement: Transcript, commitment: &RistrettoPoint) -> Scalar {
    let hash = statement.field(commitment.compress().as_bytes()).wide();
    Scalar::from_bytes_mod_order_wide(&hash)
}
