//! The encodings of the protocol crate, and signing with values from others.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use quorate_protocol::keys::{KeyPackage, PublicKeyPackage, VerifyingKey, VerifyingShare};
use quorate_protocol::sign::{self, Commitments, Signature, SignatureShare};
use quorate_protocol::{Identifier, Suite};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::keyshare;
use super::script::Script;

const SUITE: Suite = Suite::FrostEd25519Sha512;

/// Reads bytes as each of the encoded values.
pub fn run(bytes: &[u8]) -> bool {
    let mut accepted = false;
    let mut same = |written: &[u8]| {
        assert_eq!(written, bytes, "read, and written differently");
        accepted = true;
    };
    let _ = KeyPackage::from_bytes(bytes).map(|value| same(&value.to_bytes()));
    let _ = PublicKeyPackage::from_bytes(bytes).map(|value| same(&value.to_bytes()));
    let _ = VerifyingKey::from_bytes(SUITE, bytes).map(|value| same(value.as_bytes()));
    let _ = VerifyingShare::from_bytes(SUITE, bytes).map(|value| same(value.as_bytes()));
    let _ = Commitments::from_bytes(bytes).map(|value| same(&value.to_bytes()));
    let _ = SignatureShare::from_bytes(bytes).map(|value| same(&value.to_bytes()));
    let _ = Signature::from_bytes(bytes).map(|value| same(&value.to_bytes()));
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(suite) = text.parse::<Suite>()
    {
        same(suite.name().as_bytes());
    }
    accepted
}

/// Returns the inputs with which a fuzzer begins.
pub fn seeds() -> Vec<Vec<u8>> {
    let key = key();
    let rng = &mut ChaCha20Rng::seed_from_u64(3);
    let (_, commitments) = sign::commit(&key.package(1), rng).unwrap();
    let session = Session::of(&[1, 2]);
    let both = session.commitments.clone();
    let shares = session.shares(b"message");
    let signature = sign::aggregate(&key.public, &both, &shares, b"message").unwrap();
    vec![
        key.packages[0].clone(),
        key.public.to_bytes(),
        key.public.verifying_key().as_bytes().to_vec(),
        commitments.to_bytes().to_vec(),
        shares.values().next().unwrap().to_bytes().to_vec(),
        signature.to_bytes().to_vec(),
        SUITE.name().as_bytes().to_vec(),
    ]
}

/// A key of three participants, two of which sign.
struct Key {
    public: PublicKeyPackage,
    packages: Vec<Vec<u8>>,
}

impl Key {
    fn package(&self, of: u16) -> KeyPackage {
        KeyPackage::from_bytes(&self.packages[usize::from(of) - 1]).unwrap()
    }
}

fn key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| {
        let (public, packages) = keyshare::generate();
        Key { public, packages }
    })
}

/// Signers with their nonces, always the same.
struct Session {
    nonces: BTreeMap<Identifier, sign::Nonces>,
    commitments: BTreeMap<Identifier, Commitments>,
}

impl Session {
    fn of(signers: &[u16]) -> Self {
        let mut session = Self { nonces: BTreeMap::new(), commitments: BTreeMap::new() };
        for signer in signers {
            let rng = &mut ChaCha20Rng::seed_from_u64(u64::from(*signer));
            let (nonces, commitments) = sign::commit(&key().package(*signer), rng).unwrap();
            let id = Identifier::try_from(*signer).unwrap();
            session.nonces.insert(id, nonces);
            session.commitments.insert(id, commitments);
        }
        session
    }

    fn shares(self, message: &[u8]) -> BTreeMap<Identifier, SignatureShare> {
        let Self { nonces, commitments } = self;
        let sign = |(id, nonces): (Identifier, sign::Nonces)| {
            let package = key().package(id.get());
            (id, sign::sign(nonces, &package, &key().public, &commitments, message).unwrap())
        };
        nonces.into_iter().map(sign).collect()
    }
}

/// Signs and aggregates, with some commitments and shares changed. The input is a script.
///
/// An honest signer is never blamed. A resulting signature verifies, and without any change there
/// is one.
pub fn shares(bytes: &[u8]) -> bool {
    let mut script = Script::new(bytes);
    let genuine = Session::of(&[1, 2, 3]);
    let mut commitments = genuine.commitments.clone();
    let mut shares = Session::of(&[1, 2, 3]).shares(b"message");
    let honest = shares.clone();
    let mut innocent: Vec<Identifier> = commitments.keys().copied().collect();
    let mut same_commitments = true;
    while !script.is_over() {
        let Ok(id) = Identifier::try_from(u16::from(script.byte() % 5)) else { continue };
        match script.byte() % 4 {
            0 => {
                let changed = script.harm(&genuine.commitments.values().next().unwrap().to_bytes());
                if let Ok(changed) = Commitments::from_bytes(&changed) {
                    same_commitments &= commitments.get(&id) == Some(&changed);
                    commitments.insert(id, changed);
                }
            }
            1 => {
                same_commitments &= commitments.remove(&id).is_none();
            }
            2 => {
                let changed = script.harm(&honest.values().next().unwrap().to_bytes());
                if let Ok(changed) = SignatureShare::from_bytes(&changed) {
                    if honest.get(&id) != Some(&changed) {
                        innocent.retain(|other| *other != id);
                    }
                    shares.insert(id, changed);
                }
            }
            _ => drop(shares.remove(&id)),
        }
    }
    for (id, nonces) in genuine.nonces {
        let package = key().package(id.get());
        let _ = sign::sign(nonces, &package, &key().public, &commitments, b"message");
    }
    for (id, share) in &shares {
        let checked = sign::verify_share(&key().public, &commitments, *id, share, b"message");
        if same_commitments && innocent.contains(id) {
            assert_eq!(checked, Ok(()), "a right share is refused");
        }
    }
    match sign::aggregate(&key().public, &commitments, &shares, b"message") {
        Ok(signature) => {
            sign::verify(key().public.verifying_key(), b"message", &signature).unwrap();
            true
        }
        Err(error) => {
            if same_commitments {
                assert!(error.culprits().iter().all(|id| !innocent.contains(id)), "{error:?}");
                let complete = shares.keys().eq(commitments.keys());
                assert!(innocent.len() < 3 || !complete, "nothing is wrong: {error:?}");
            }
            assert_ne!(error, sign::Error::Bug);
            false
        }
    }
}

/// Returns the inputs with which a fuzzer begins.
pub fn shares_seeds() -> Vec<Vec<u8>> {
    vec![vec![], vec![1, 1, 1, 3], vec![2, 2, 1, 0, 3, 1, 1, 7], vec![4, 0, 0, 4, 2, 0]]
}
