//! Sealed key packages: they open only in their own place.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::*;

fn sealer(key: u64, ivn: u8, account: &str) -> PackageSealer {
    let key = KeyEncryptionKey::generate(&mut ChaCha20Rng::seed_from_u64(key));
    PackageSealer::new(&key, IvnId::new([ivn; 32]), account.parse().unwrap())
}

const SESSION: SessionId = SessionId::new([1; 32]);

#[test]
fn a_package_opens_with_its_own_key_ivn_account_and_session() {
    let sealed = sealer(1, 1, "ada").seal(SESSION, b"package").unwrap();
    assert_eq!(*sealer(1, 1, "ada").unseal(SESSION, &sealed).unwrap(), b"package");
    for other in [sealer(2, 1, "ada"), sealer(1, 2, "ada"), sealer(1, 1, "bob")] {
        assert_eq!(other.unseal(SESSION, &sealed), Err(Unsealable));
    }
    let other = SessionId::new([2; 32]);
    assert_eq!(sealer(1, 1, "ada").unseal(other, &sealed), Err(Unsealable));
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let sealer = sealer(1, 1, "ada");
    let sealed = sealer.seal(SESSION, b"package").unwrap();
    for position in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[position] ^= 1;
        assert_eq!(sealer.unseal(SESSION, &changed), Err(Unsealable), "{position}");
        assert_eq!(sealer.unseal(SESSION, &sealed[..position]), Err(Unsealable), "{position}");
    }
}

#[test]
fn the_same_package_never_looks_the_same() {
    let sealer = sealer(1, 1, "ada");
    assert_ne!(sealer.seal(SESSION, b"package"), sealer.seal(SESSION, b"package"));
}
