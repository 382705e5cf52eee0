//! Stored packages: what is rejected, and what does not belong together.

use proptest::prelude::*;

use super::*;
use crate::session::test_session::{Key, id, rng};

static_assertions::assert_not_impl_any!(KeyPackage: Clone, Copy, PartialEq, serde::Serialize);
static_assertions::assert_impl_all!(frost::KeyPackage: zeroize::ZeroizeOnDrop);
static_assertions::assert_not_impl_any!(SecretScalar: Clone, Copy, PartialEq, serde::Serialize);
static_assertions::assert_impl_all!(KeyPackage: Send, Sync, fmt::Debug);
static_assertions::assert_impl_all!(PublicKeyPackage: Send, Sync, Clone, Eq, fmt::Debug);

/// A key with these shares, as a trusted dealer would hand them out.
fn deal(suite: Suite, min_signers: u16, members: &[u16], seed: u64) -> Dealt {
    let Key { public, shares } = Key::dealt(suite, min_signers, members, seed);
    Dealt { public, packages: shares.into_values().collect() }
}

struct Dealt {
    public: PublicKeyPackage,
    packages: Vec<KeyPackage>,
}

/// The error of reading the encoding after a change.
fn changed(bytes: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> (PackageError, PackageError) {
    let mut bytes = bytes.to_vec();
    change(&mut bytes);
    let public = PublicKeyPackage::from_bytes(&bytes).map(drop);
    let secret = KeyPackage::from_bytes(&bytes).map(drop);
    (public.err().unwrap_or(PackageError::Version), secret.err().unwrap_or(PackageError::Version))
}

#[test]
fn packages_reject_unknown_versions_suites_and_lengths() {
    let Dealt { public, packages } = deal(Suite::FrostEd25519Sha512, 2, &[1, 2, 3], 1);
    for (secret, bytes) in [(false, public.to_bytes()), (true, packages[0].to_bytes().to_vec())] {
        let error = |change: fn(&mut Vec<u8>)| {
            let (of_public, of_secret) = changed(&bytes, change);
            if secret { of_secret } else { of_public }
        };
        assert_eq!(error(|bytes| bytes[0] = 2), PackageError::Version);
        assert_eq!(error(|bytes| bytes[1] = 0), PackageError::Suite);
        assert_eq!(error(|bytes| bytes[3] = 0), PackageError::MinSigners);
        assert_eq!(error(|bytes| bytes[3] = 1), PackageError::MinSigners);
        assert_eq!(error(|bytes| bytes.push(0)), PackageError::Malformed);
        assert_eq!(error(|bytes| bytes.truncate(bytes.len() - 1)), PackageError::Malformed);
        assert_eq!(error(Vec::clear), PackageError::Malformed);
    }
    let error = |change: fn(&mut Vec<u8>)| changed(&public.to_bytes(), change).0;
    assert_eq!(error(|bytes| bytes[3] = 4), PackageError::MinSigners);
    // The first identifier: zero, not ascending, and the second twice.
    assert_eq!(error(|bytes| bytes[39] = 0), PackageError::Malformed);
    assert_eq!(error(|bytes| bytes[39] = 9), PackageError::Malformed);
    assert_eq!(error(|bytes| bytes[39] = 2), PackageError::Malformed);
    assert_eq!(error(|bytes| bytes[4..36].fill(0xff)), PackageError::InvalidPoint);
    assert_eq!(error(|bytes| bytes[40..72].fill(0)), PackageError::InvalidPoint);
}

#[test]
fn a_damaged_share_is_not_read() {
    for suite in Suite::ALL.iter().copied() {
        let Dealt { packages, .. } = deal(suite, 2, &[1, 2, 3], 1);
        let bytes = packages[0].to_bytes();
        let error = |change: fn(&mut Vec<u8>)| changed(&bytes, change).1;
        assert_eq!(error(|bytes| bytes[20] ^= 1), PackageError::WrongShare);
        assert_eq!(error(|bytes| bytes[6..38].fill(0)), PackageError::WrongShare);
        assert_eq!(error(|bytes| bytes[6..38].fill(0xff)), PackageError::WrongShare);
        assert_eq!(error(|bytes| bytes[5] = 0), PackageError::Malformed);
        assert_eq!(error(|bytes| bytes[38..60].fill(0xff)), PackageError::InvalidPoint);
    }
}

#[test]
fn shares_of_other_keys_are_told_apart() {
    let suite = Suite::FrostEd25519Sha512;
    let Dealt { public, packages } = deal(suite, 2, &[1, 2, 3], 1);
    let check = |other: &Dealt| packages[0].check(&other.public);

    assert_eq!(packages[0].check(&public), Ok(()));
    assert_eq!(check(&deal(suite, 2, &[1, 2, 3], 2)), Err(Mismatch::VerifyingKey));
    // The same constant term and other coefficients: like another epoch.
    assert_eq!(check(&deal(suite, 3, &[1, 2, 3], 1)), Err(Mismatch::MinSigners));
    assert_eq!(check(&deal(suite, 2, &[2, 3], 1)), Err(Mismatch::Stranger(id(1))));
    let mut other = deal(suite, 2, &[1, 2, 3], 1);
    let second = other.public.verifying_shares[&id(2)].clone();
    other.public.verifying_shares.insert(id(1), second);
    assert_eq!(check(&other), Err(Mismatch::VerifyingShare(id(1))));
}

#[test]
fn public_packages_are_equal_only_if_all_fields_are() {
    let suite = Suite::FrostEd25519Sha512;
    let public = || deal(suite, 2, &[1, 2, 3], 1).public;
    let key = deal(suite, 2, &[1, 2, 3], 2).public.verifying_key;
    let other_key = PublicKeyPackage { verifying_key: key, ..public() };
    let other_min_signers = PublicKeyPackage { min_signers: 3, ..public() };
    let mut other_shares = public();
    other_shares.verifying_shares.remove(&id(3));

    assert_eq!(public(), public());
    for other in [other_key, other_min_signers, other_shares] {
        assert_ne!(public(), other);
    }
}

#[test]
fn a_key_package_says_whose_it_is_and_how_many_sign() {
    let Dealt { packages, .. } = deal(Suite::FrostEd25519Sha512, 3, &[1, 2, 9], 1);
    assert_eq!((packages[2].identifier(), packages[2].min_signers()), (id(9), 3));
}

/// A buffer that grows is copied, and the copy that it leaves behind is not wiped.
#[test]
fn a_secret_package_does_not_grow_while_it_is_written() {
    for suite in Suite::ALL.iter().copied() {
        let Dealt { packages, .. } = deal(suite, 2, &[1, 2], 1);
        let bytes = packages[0].to_bytes();
        assert_eq!(bytes.capacity(), bytes.len());
    }
}

#[test]
fn keys_are_points_of_prime_order_in_their_one_encoding() {
    for suite in Suite::ALL.iter().copied() {
        let Dealt { public, .. } = deal(suite, 2, &[1, 2], 1);
        let valid = public.verifying_key().as_bytes();
        assert_eq!(VerifyingKey::from_bytes(suite, valid).as_ref(), Ok(public.verifying_key()));
        assert_eq!(VerifyingKey::from_bytes(suite, &valid[1..]), Err(InvalidPoint));
        let length = suite.algebra().point_length();
        assert_eq!(VerifyingShare::from_bytes(suite, &vec![0xff; length]), Err(InvalidPoint));
    }
    for point in curve25519_dalek::constants::EIGHT_TORSION {
        let bytes = point.compress().0;
        let key = VerifyingKey::from_bytes(Suite::FrostEd25519Sha512, &bytes);
        assert_eq!(key, Err(InvalidPoint), "the identity, or of small order");
        let mixed = point + curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
        let key = VerifyingKey::from_bytes(Suite::FrostEd25519Sha512, mixed.compress().as_bytes());
        assert_eq!(key.is_ok(), point == curve25519_dalek::constants::EIGHT_TORSION[0]);
    }
}

#[test]
fn public_keys_are_printed_in_hexadecimal_and_secrets_are_not() {
    let Dealt { public, packages } = deal(Suite::FrostEd25519Sha512, 2, &[1, 2], 1);
    let key = public.verifying_key();
    assert_eq!(format!("{key:?}"), format!("VerifyingKey({})", hex::encode(key.as_bytes())));
    assert_eq!(format!("{:?}", packages[0].signing_share()), "SecretScalar([REDACTED])");
}

proptest! {
    #[test]
    fn what_is_read_is_written_back_byte_for_byte(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        position: prop::sample::Index,
        flip: u8,
    ) {
        // Random bytes, and a valid package with one byte changed.
        let Dealt { public, packages } = deal(Suite::FrostEd25519Sha512, 2, &[1, 2, 9], 1);
        for valid in [std::mem::take(&mut bytes), public.to_bytes(), packages[1].to_bytes().to_vec()] {
            let mut bytes = valid;
            if !bytes.is_empty() {
                let position = position.index(bytes.len());
                bytes[position] ^= flip;
            }
            if let Ok(read) = PublicKeyPackage::from_bytes(&bytes) {
                prop_assert_eq!(read.to_bytes(), bytes.clone());
            }
            if let Ok(read) = KeyPackage::from_bytes(&bytes) {
                prop_assert_eq!(read.to_bytes().to_vec(), bytes);
            }
        }
    }
}

#[test]
fn a_proof_of_possession_is_good_for_one_share_and_one_context() {
    let Dealt { public, packages } = deal(Suite::FrostEd25519Sha512, 2, &[1, 2, 3], 1);
    let mut rng = rng(2);
    let package = &packages[0];
    let me = package.identifier();
    let proof = package.prove(&[1; 32], &mut rng).unwrap();
    assert_eq!(proof.len(), 64);
    assert!(public.verifies_possession(me, &[1; 32], &proof));
    assert!(!public.verifies_possession(me, &[2; 32], &proof));
    assert!(!public.verifies_possession(packages[1].identifier(), &[1; 32], &proof));
    for position in 0..proof.len() {
        let mut changed = proof.clone();
        changed[position] ^= 1;
        assert!(!public.verifies_possession(me, &[1; 32], &changed), "byte {position}");
    }
    for length in [0, 32, 63] {
        assert!(!public.verifies_possession(me, &[1; 32], &proof[..length]));
    }
    let longer = [&proof[..], &[0]].concat();
    assert!(!public.verifies_possession(me, &[1; 32], &longer));
}

#[test]
fn proofs_of_possession_are_never_the_same_twice() {
    let packages = deal(Suite::FrostEd25519Sha512, 2, &[1, 2, 3], 1).packages;
    let mut rng = rng(2);
    let mut prove = || packages[0].prove(&[1; 32], &mut rng).unwrap();
    assert_ne!(prove(), prove());
}
