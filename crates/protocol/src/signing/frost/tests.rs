//! Signing with key packages of the keyshare engine.

use std::collections::{BTreeMap, BTreeSet};

use curve25519_dalek::scalar::Scalar;
use frost_ed25519 as frost;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::{Commitments, Nonces, SignatureShare, aggregate, commit, sign, verify_share};
use crate::keys::{KeyPackage, Mismatch, PublicKeyPackage};
use crate::session::test_session::{ED25519, Key, id, rng};
use crate::signing::{EncodingError, Error, InvalidSignature, Signature, verify};
use crate::{Identifier, Suite};

static_assertions::assert_not_impl_any!(Nonces: Clone, Copy, PartialEq, serde::Serialize);
static_assertions::assert_impl_all!(Nonces: Send, Sync, std::fmt::Debug);
static_assertions::assert_impl_all!(frost::round1::SigningNonces: zeroize::ZeroizeOnDrop);

type Secrets = BTreeMap<Identifier, Nonces>;
type Announced = BTreeMap<Identifier, Commitments>;
type Shares = BTreeMap<Identifier, SignatureShare>;

fn group(min_signers: u16, members: &[u16], seed: u64) -> Key {
    Key::generated(ED25519, min_signers, members, seed)
}

impl Key {
    fn commit(&self, signers: &[u16], seed: u64) -> (Secrets, Announced) {
        let mut rng = rng(seed);
        let make = |signer| commit(&self.shares[signer], &mut rng).unwrap();
        let signers: Vec<_> = signers.iter().copied().map(id).collect();
        let (nonces, commitments): (Vec<_>, Vec<_>) = signers.iter().map(make).unzip();
        let of = |values: Vec<_>| signers.iter().copied().zip(values).collect();
        (of(nonces), signers.iter().copied().zip(commitments).collect())
    }

    fn sign(&self, secrets: Secrets, announced: &Announced, message: &[u8]) -> Shares {
        let make = |(signer, nonces)| {
            let share = sign(nonces, &self.shares[&signer], &self.public, announced, message);
            (signer, share.unwrap())
        };
        secrets.into_iter().map(make).collect()
    }
}

/// A group of at most 6, and enough of its members.
fn any_quorum() -> impl Strategy<Value = (u16, Vec<u16>, Vec<u16>)> {
    subsequence(vec![1, 2, 3, 7, 255, 256, 300, 65535], 2..=6).prop_flat_map(|members| {
        let most = members.len();
        (2..=most).prop_flat_map(move |least| {
            let signers = subsequence(members.clone(), least..=most);
            (Just(least as u16), Just(members.clone()), signers)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_quorum_signs_what_others_verify(
        (min_signers, members, signers) in any_quorum(),
        message: Vec<u8>,
        seed: u64,
    ) {
        let group = group(min_signers, &members, seed);
        let (secrets, announced) = group.commit(&signers, seed ^ 1);
        let shares = group.sign(secrets, &announced, &message);
        for (signer, share) in &shares {
            let checked = verify_share(&group.public, &announced, *signer, share, &message);
            prop_assert_eq!(checked, Ok(()));
        }

        let signature = aggregate(&group.public, &announced, &shares, &message).unwrap();

        let bytes = group.public.verifying_key().as_bytes().try_into().unwrap();
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).unwrap();
        let dalek = ed25519_dalek::Signature::from_slice(signature.as_bytes()).unwrap();
        prop_assert!(key.verify_strict(&message, &dalek).is_ok());
        let read = Signature::from_bytes(ED25519, signature.as_bytes());
        prop_assert_eq!(read.as_ref(), Ok(&signature));
        prop_assert_eq!(verify(group.public.verifying_key(), &message, &signature), Ok(()));

        let other = [&message[..], &[0]].concat();
        let refused = verify(group.public.verifying_key(), &other, &signature);
        prop_assert_eq!(refused, Err(InvalidSignature));
    }

    #[test]
    fn exactly_those_with_wrong_shares_are_blamed(
        wrong in subsequence(vec![1_u16, 2, 3, 4], 1..=4),
        seed: u64,
    ) {
        let group = group(3, &[1, 2, 3, 4, 5], seed);
        let (secrets, announced) = group.commit(&[1, 2, 3, 4], seed);
        let mut shares = group.sign(secrets, &announced, b"message");
        for culprit in &wrong {
            // By different powers of two, which cannot cancel out.
            let mut bytes = shares[&id(*culprit)].to_bytes();
            bytes[0] ^= 1 << culprit;
            shares.insert(id(*culprit), SignatureShare::from_bytes(&bytes).unwrap());
        }
        let culprits: BTreeSet<_> = wrong.into_iter().map(id).collect();

        let error = aggregate(&group.public, &announced, &shares, b"message").unwrap_err();

        prop_assert_eq!(error.culprits(), culprits.clone());
        for (signer, share) in &shares {
            let checked = verify_share(&group.public, &announced, *signer, share, b"message");
            prop_assert_eq!(checked.is_err(), culprits.contains(signer));
        }
        prop_assert_eq!(error, Error::WrongShares { culprits });
    }
}

#[test]
fn too_few_signers_cannot_sign_even_if_they_lie() {
    let group = group(3, &[1, 2, 3, 4], 1);
    let (mut secrets, announced) = group.commit(&[1, 2], 1);
    let too_few = Error::TooFewSigners { signers: 2, min_signers: 3 };
    let nonces = secrets.remove(&id(1)).unwrap();
    let refused = sign(nonces, &group.shares[&id(1)], &group.public, &announced, b"");
    assert_eq!(refused, Err(too_few.clone()));
    assert_eq!(aggregate(&group.public, &announced, &Shares::new(), b""), Err(too_few));

    // If the packages state 2, frost-core lets them go through the motions.
    let lie = |mut bytes: Vec<u8>| {
        bytes[2..4].copy_from_slice(&2_u16.to_be_bytes());
        bytes
    };
    let lying = Key {
        public: PublicKeyPackage::from_bytes(&lie(group.public.to_bytes())).unwrap(),
        shares: group
            .shares
            .iter()
            .map(|(id, p)| (*id, KeyPackage::from_bytes(&lie(p.to_bytes().to_vec())).unwrap()))
            .collect(),
    };
    let (secrets, announced) = lying.commit(&[1, 2], 2);
    let shares = lying.sign(secrets, &announced, b"");
    // The shares are right for what they are, so nobody is blamed; but the result is not a
    // signature.
    assert_eq!(aggregate(&lying.public, &announced, &shares, b""), Err(Error::Bug));
}

/// The sum is right, so the signature is. Only checking each share shows the difference.
#[test]
fn wrong_shares_that_cancel_out_still_make_a_signature() {
    let group = group(2, &[1, 2], 1);
    let (secrets, announced) = group.commit(&[1, 2], 1);
    let mut shares = group.sign(secrets, &announced, b"message");
    for (signer, error) in [(id(1), Scalar::ONE), (id(2), -Scalar::ONE)] {
        let share = Scalar::from_canonical_bytes(shares[&signer].to_bytes()).unwrap() + error;
        let share = SignatureShare::from_bytes(share.as_bytes()).unwrap();
        let checked = verify_share(&group.public, &announced, signer, &share, b"message");
        assert_eq!(checked, Err(Error::WrongShares { culprits: BTreeSet::from([signer]) }));
        shares.insert(signer, share);
    }

    let signature = aggregate(&group.public, &announced, &shares, b"message").unwrap();

    assert_eq!(verify(group.public.verifying_key(), b"message", &signature), Ok(()));
}

#[test]
fn frost_core_signs_with_our_packages() {
    let group = group(2, &[1, 5, 9], 3);
    let frost_id = |id: Identifier| frost::Identifier::try_from(id.get()).unwrap();
    let package = |id: Identifier| {
        let ours = &group.shares[&id];
        let share = frost::keys::SigningShare::deserialize(ours.signing_share().expose()).unwrap();
        // frost-core derives the verifying share itself, and it must be ours.
        let verifying_share = frost::keys::VerifyingShare::from(share);
        assert_eq!(verifying_share.serialize().unwrap(), ours.verifying_share().as_bytes());
        let key = frost::VerifyingKey::deserialize(ours.verifying_key().as_bytes()).unwrap();
        frost::keys::KeyPackage::new(frost_id(id), share, verifying_share, key, 2)
    };
    let shares = group.public.verifying_shares().iter().map(|(id, share)| {
        (frost_id(*id), frost::keys::VerifyingShare::deserialize(share.as_bytes()).unwrap())
    });
    let key = frost::VerifyingKey::deserialize(group.public.verifying_key().as_bytes()).unwrap();
    let public = frost::keys::PublicKeyPackage::new(shares.collect(), key, Some(2));

    let mut nonces = BTreeMap::new();
    let mut commitments = BTreeMap::new();
    for signer in [id(1), id(9)] {
        let (n, c) = frost::round1::commit(package(signer).signing_share(), &mut rng(7));
        nonces.insert(signer, n);
        commitments.insert(frost_id(signer), c);
    }
    let signing = frost::SigningPackage::new(commitments, b"message");
    let shares = nonces
        .iter()
        .map(|(signer, n)| {
            let share = frost::round2::sign(&signing, n, &package(*signer)).unwrap();
            (frost_id(*signer), share)
        })
        .collect();
    let signature = frost::aggregate(&signing, &shares, &public).unwrap();

    let signature = Signature::from_bytes(ED25519, &signature.serialize().unwrap()).unwrap();
    assert_eq!(verify(group.public.verifying_key(), b"message", &signature), Ok(()));
}

#[test]
fn a_signer_refuses_a_set_without_its_own_commitments() {
    let group = group(2, &[1, 2, 3], 1);
    let one = &group.shares[&id(1)];
    let sign_as_one = |change: fn(&mut Announced)| {
        let (mut secrets, mut announced) = group.commit(&[1, 2, 3], 1);
        change(&mut announced);
        let nonces = secrets.remove(&id(1)).unwrap();
        sign(nonces, one, &group.public, &announced, b"").unwrap_err()
    };

    assert_eq!(sign_as_one(|set| set.retain(|signer, _| *signer != id(1))), Error::NotASigner);
    let swapped = sign_as_one(|set| set.extend([(id(1), set[&id(2)].clone())]));
    assert_eq!(swapped, Error::OtherCommitments);
    let stranger = sign_as_one(|set| set.extend([(id(4), set[&id(2)].clone())]));
    assert_eq!(stranger, Error::Strangers { strangers: BTreeSet::from([id(4)]) });
    assert!(stranger.culprits().is_empty());
}

#[test]
fn a_signer_refuses_nonces_or_keys_that_do_not_belong_together() {
    let (group, other) = (group(2, &[1, 2, 3], 1), group(2, &[1, 2, 3], 2));
    let (mut secrets, announced) = group.commit(&[1, 2], 1);
    let (one, two) = (&group.shares[&id(1)], &group.shares[&id(2)]);

    let nonces = secrets.remove(&id(1)).unwrap();
    let refused = sign(nonces, two, &group.public, &announced, b"");
    assert_eq!(refused, Err(Error::OtherNonces));

    let nonces = secrets.remove(&id(2)).unwrap();
    let refused = sign(nonces, two, &other.public, &announced, b"");
    assert_eq!(refused, Err(Error::Mismatch(Mismatch::VerifyingKey)));
    assert_eq!(one.check(&group.public), Ok(()));
}

#[test]
fn an_aggregator_needs_exactly_the_shares_of_all_signers() {
    let group = group(2, &[1, 2, 3], 1);
    let (secrets, announced) = group.commit(&[1, 2], 1);
    let shares = group.sign(secrets, &announced, b"");

    let mut fewer = shares.clone();
    fewer.remove(&id(2));
    let error = aggregate(&group.public, &announced, &fewer, b"").unwrap_err();
    assert_eq!(error, Error::MissingShares { missing: BTreeSet::from([id(2)]) });
    assert!(error.culprits().is_empty());

    let mut more = shares.clone();
    more.insert(id(3), shares[&id(1)].clone());
    let unexpected = Error::Unexpected { unexpected: BTreeSet::from([id(3)]) };
    assert_eq!(aggregate(&group.public, &announced, &more, b""), Err(unexpected.clone()));
    let share = &shares[&id(1)];
    assert_eq!(verify_share(&group.public, &announced, id(3), share, b""), Err(unexpected));

    let (_, others) = group.commit(&[1, 2], 2);
    let error = aggregate(&group.public, &others, &shares, b"").unwrap_err();
    assert_eq!(error.culprits(), BTreeSet::from([id(1), id(2)]));
}

#[test]
fn a_key_of_another_suite_does_not_sign_with_frost() {
    let other = Key::generated(Suite::TestP256, 2, &[1, 2], 1);
    let refused = commit(&other.shares[&id(1)], &mut rng(1));
    assert_eq!(refused.unwrap_err(), Error::OtherSuite);
    let (_, announced) = group(2, &[1, 2], 1).commit(&[1, 2], 1);
    let share = SignatureShare::from_bytes(&[1; 32]).unwrap();
    let shares = BTreeMap::from([(id(1), share.clone()), (id(2), share)]);
    assert_eq!(aggregate(&other.public, &announced, &shares, b""), Err(Error::OtherSuite));
    let signature = Signature::from_bytes(ED25519, &signature_bytes()).unwrap();
    assert_eq!(verify(other.public.verifying_key(), b"", &signature), Err(InvalidSignature));
}

fn signature_bytes() -> Vec<u8> {
    let group = group(2, &[1, 2], 1);
    let (secrets, announced) = group.commit(&[1, 2], 1);
    let shares = group.sign(secrets, &announced, b"");
    aggregate(&group.public, &announced, &shares, b"").unwrap().as_bytes().to_vec()
}

/// The group order ℓ, little-endian: the least number that is not a scalar.
const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

#[test]
fn values_that_are_out_of_range_are_not_decoded() {
    let order = hex::decode(ORDER).unwrap();
    assert_eq!(SignatureShare::from_bytes(&order), Err(EncodingError::Scalar));
    let short = EncodingError::Length { expected: 32, actual: 31 };
    assert_eq!(SignatureShare::from_bytes(&order[1..]), Err(short));

    let valid = signature_bytes();
    let with_response = [&valid[..32], &order].concat();
    assert_eq!(Signature::from_bytes(ED25519, &with_response), Err(EncodingError::Scalar));
    let long = EncodingError::Length { expected: 64, actual: 65 };
    assert_eq!(Signature::from_bytes(ED25519, &[&valid[..], &[0]].concat()), Err(long));

    let (_, announced) = group(2, &[1, 2], 1).commit(&[1], 1);
    let commitments = announced[&id(1)].to_bytes();
    assert_eq!(Commitments::from_bytes(&commitments), Ok(announced[&id(1)].clone()));
    let short = EncodingError::Length { expected: 64, actual: 63 };
    assert_eq!(Commitments::from_bytes(&commitments[1..]), Err(short));
}

#[test]
fn invalid_points_are_not_decoded() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut negative_identity = identity;
    negative_identity[31] = 0x80;
    let mut above_p = [0xff; 32];
    (above_p[0], above_p[31]) = (0xee, 0x7f);
    let mut invalid = vec![identity, negative_identity, above_p, [2; 32]];
    invalid.extend(curve25519_dalek::constants::EIGHT_TORSION.iter().map(|p| p.compress().0));

    let (_, announced) = group(2, &[1, 2], 1).commit(&[1], 1);
    let valid = announced[&id(1)].to_bytes();
    let signature = signature_bytes();
    for point in invalid {
        let hiding = [&point, &valid[32..]].concat();
        assert_eq!(Commitments::from_bytes(&hiding), Err(EncodingError::Point), "{point:02x?}");
        let binding = [&valid[..32], &point].concat();
        assert_eq!(Commitments::from_bytes(&binding), Err(EncodingError::Point), "{point:02x?}");
        let signature = [&point, &signature[32..]].concat();
        assert_eq!(
            Signature::from_bytes(ED25519, &signature),
            Err(EncodingError::Point),
            "{point:02x?}"
        );
    }
}

#[test]
fn nonces_are_not_printed() {
    let group = group(2, &[1, 2], 1);
    let (secrets, _) = group.commit(&[1], 1);
    assert_eq!(format!("{:?}", secrets[&id(1)]), "Nonces([REDACTED])");
}
