//! Chaum–Pedersen: a proof that two points have the same discrete logarithm.
//!
//! A complaint publishes the point K = x·E that a recipient with the key X = x·G agreed on with a
//! dealer's ephemeral key E, and proves log_G X = log_E K with it. Then everybody can derive the
//! key of that one sub-share, and nobody learns x. The proof is made non-interactive after Fiat and
//! Shamir; it is complete, special sound (two answers to different challenges give x) and zero
//! knowledge in the random oracle model. It is sound without further checks, because Ristretto255
//! has prime order and neither G nor E is the identity.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimeMultiscalarMul;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::possession;
use super::sealing::{PublicKey, Purpose, SecretKey, SharedPoint};
use crate::Identifier;
use crate::transcript::Transcript;

/// The statement that is proved, with its context.
pub(crate) struct Claim<'a> {
    /// The kind of value that is opened.
    pub(crate) purpose: &'static Purpose,
    /// The hash of the session's parameters.
    pub(crate) binding: &'a [u8; 32],
    pub(crate) complainer: Identifier,
    pub(crate) dealer: Identifier,
    /// X, the complainer's encryption key.
    pub(crate) key: &'a PublicKey,
    /// E, the dealer's ephemeral key.
    pub(crate) ephemeral: &'a PublicKey,
    /// K, the point that both agreed on.
    pub(crate) shared: &'a [u8; 32],
}

impl Claim<'_> {
    /// Proves the claim: challenge c and response z = r + c·x, 32 bytes each. The nonce r is
    /// [hedged](Transcript::nonce).
    pub(crate) fn prove(&self, secret: &SecretKey, rng: &mut dyn CryptoRngCore) -> [u8; 64] {
        let nonce = self.statement().nonce(self.purpose.nonce, secret.scalar().as_bytes(), rng);
        let nonce = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&nonce));
        let challenge =
            self.challenge(&RistrettoPoint::mul_base(&nonce), &(self.ephemeral.point() * *nonce));
        possession::encode(challenge, *nonce + challenge * secret.scalar())
    }

    /// Checks a proof: c = H(…, z·G − c·X, z·E − c·K), all encodings canonical.
    ///
    /// Returns the shared point if the claim is true. Takes variable time: everything is public.
    pub(crate) fn verify(&self, proof: &[u8; 64]) -> Option<SharedPoint> {
        let (challenge, response) = possession::decode(proof)?;
        let shared = CompressedRistretto(*self.shared).decompress()?;

        let of_base = RistrettoPoint::vartime_double_scalar_mul_basepoint(
            &-challenge,
            self.key.point(),
            &response,
        );
        let of_ephemeral = RistrettoPoint::vartime_multiscalar_mul(
            [response, -challenge],
            [*self.ephemeral.point(), shared],
        );
        (self.challenge(&of_base, &of_ephemeral) == challenge)
            .then(|| SharedPoint::copy_of(self.shared))
    }

    fn statement(&self) -> Transcript {
        Transcript::new(self.purpose.complaint)
            .field(self.binding)
            .field(&self.complainer.to_bytes())
            .field(&self.dealer.to_bytes())
            .field(self.key.bytes())
            .field(self.ephemeral.bytes())
            .field(self.shared)
    }

    fn challenge(&self, of_base: &RistrettoPoint, of_ephemeral: &RistrettoPoint) -> Scalar {
        let hash = self
            .statement()
            .field(of_base.compress().as_bytes())
            .field(of_ephemeral.compress().as_bytes())
            .wide();
        Scalar::from_bytes_mod_order_wide(&hash)
    }
}
