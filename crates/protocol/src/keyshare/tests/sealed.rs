//! Sealed sub-shares and the proofs that open them.

use curve25519_dalek::scalar::Scalar;
use proptest::prelude::*;

use super::session::{id, public_key, rng};
use crate::Suite;
use crate::secret::SecretScalar;
use crate::session::discrete_log::Claim;
use crate::session::sealing::{Envelope, PublicKey, Purpose, SecretKey};
use crate::transcript::Transcript;

/// Dealer and recipient.
struct Pair {
    dealer: SecretKey,
    recipient: SecretKey,
    ephemeral: PublicKey,
    key: PublicKey,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut rng = rng(seed);
        let (dealer, recipient) = (SecretKey::random(&mut rng), SecretKey::random(&mut rng));
        let (ephemeral, key) = (public_key(&dealer), public_key(&recipient));
        Self { dealer, recipient, ephemeral, key }
    }

    fn shared(&self) -> [u8; 32] {
        *self.recipient.agree(&self.ephemeral).bytes()
    }

    /// The claim of a complaint that publishes this point.
    fn claim<'a>(&'a self, shared: &'a [u8; 32]) -> Claim<'a> {
        Claim {
            purpose: Purpose::SUB_SHARE,
            binding: &[1; 32],
            complainer: id(2),
            dealer: id(1),
            key: &self.key,
            ephemeral: &self.ephemeral,
            shared,
        }
    }
}

#[test]
fn both_ends_agree_and_any_other_context_does_not_open() {
    let pair = Pair::new(1);
    let Pair { ephemeral, key, .. } = &pair;
    let envelope = Envelope {
        purpose: Purpose::SUB_SHARE,
        binding: &[1; 32],
        dealer: id(1),
        recipient: id(2),
        ephemeral: ephemeral.bytes(),
        recipient_key: key.bytes(),
        opening: &[2; 32],
    };
    let secret = SecretScalar::copy_of(&[7; 32]);
    let sealed = envelope.seal(&pair.dealer.agree(key), &secret).unwrap();

    let theirs = pair.recipient.agree(ephemeral);
    assert_eq!(envelope.open(&theirs, &sealed).unwrap().expose(), &[7; 32]);
    assert_ne!(&sealed[..32], &[7; 32]);

    let other = [9; 32];
    for changed in [
        Envelope { binding: &other, ..envelope },
        Envelope { dealer: id(3), ..envelope },
        Envelope { recipient: id(3), ..envelope },
        Envelope { ephemeral: &other, ..envelope },
        Envelope { recipient_key: &other, ..envelope },
        Envelope { opening: &other, ..envelope },
    ] {
        assert!(changed.open(&theirs, &sealed).is_none());
    }
    assert!(envelope.open(&pair.dealer.agree(ephemeral), &sealed).is_none());
}

#[test]
fn the_identity_and_non_canonical_encodings_are_no_keys() {
    assert_eq!(PublicKey::from_bytes([0; 32]), None);
    assert_eq!(PublicKey::from_bytes([0xff; 32]), None);
    // 2²⁵⁵ − 19, a second encoding of zero; and an odd ("negative") field element.
    let mut p = [0xff; 32];
    (p[0], p[31]) = (0xed, 0x7f);
    assert_eq!(PublicKey::from_bytes(p), None);
    let mut odd = [0; 32];
    odd[0] = 1;
    assert_eq!(PublicKey::from_bytes(odd), None);
}

/// Someone who knows the secret key can do half of the proof honestly, for any point.
#[test]
fn the_key_holder_cannot_prove_a_wrong_shared_point() {
    let pair = Pair::new(1);
    let wrong = public_key(&SecretKey::random(&mut rng(2)));
    for shared in [wrong.bytes(), pair.key.bytes(), pair.ephemeral.bytes(), &[0; 32]] {
        let claim = pair.claim(shared);
        let proof = claim.prove(&pair.recipient, &mut rng(3));
        assert!(claim.verify(&proof).is_none());
    }
}

/// Repeated randomness must not repeat a nonce: two answers with one nonce give the secret.
#[test]
fn nonces_differ_even_if_randomness_repeats() {
    let pair = Pair::new(1);
    let nonce = |binding: &[u8; 32]| {
        let shared = pair.shared();
        let proof = Claim { binding, ..pair.claim(&shared) }.prove(&pair.recipient, &mut rng(1));
        let scalar = |bytes: &[u8]| Scalar::from_bytes_mod_order(bytes.try_into().unwrap());
        // r = z − c·x
        scalar(&proof[32..]) - scalar(&proof[..32]) * pair.recipient.scalar()
    };
    assert_eq!(nonce(&[1; 32]), nonce(&[1; 32]));
    assert_ne!(nonce(&[1; 32]), nonce(&[2; 32]));

    for suite in Suite::ALL.iter().copied() {
        let dealer = suite.algebra().deal(2, &mut rng(1));
        let commitment = |statement: &[u8]| {
            let statement = Transcript::new("test").field(statement);
            let mut proof = dealer.prove(statement, &mut rng(1));
            proof.truncate(suite.algebra().point_length());
            proof
        };
        assert_eq!(commitment(b"a"), commitment(b"a"));
        assert_ne!(commitment(b"a"), commitment(b"b"));
    }
}

proptest! {
    #[test]
    fn a_proof_holds_for_its_claim_and_no_other(seed: u64, bit in 0_usize..512) {
        let pair = Pair::new(seed);
        let shared = pair.shared();
        let claim = pair.claim(&shared);
        let proof = claim.prove(&pair.recipient, &mut rng(seed));
        prop_assert!(claim.verify(&proof).is_some());

        let other = public_key(&SecretKey::random(&mut rng(seed ^ 1)));
        for changed in [
            Claim { binding: &[2; 32], ..claim },
            Claim { complainer: id(3), ..claim },
            Claim { dealer: id(3), ..claim },
            Claim { key: &other, ..claim },
            Claim { ephemeral: &other, ..claim },
            Claim { shared: other.bytes(), ..claim },
        ] {
            prop_assert!(changed.verify(&proof).is_none());
        }
        let mut forged = proof;
        forged[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(claim.verify(&forged).is_none());
    }
}
