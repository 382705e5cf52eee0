//! Signing against the vectors of RFC 9591: a file in `vectors/rfc9591/` is a test.

#![expect(clippy::unwrap_used, reason = "a vector that can't be read is a failure")]

use std::path::PathBuf;

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use quorate_protocol::keys::{KeyPackage, PublicKeyPackage};
use quorate_protocol::keyshare::SessionId;
use quorate_protocol::signing::{Board, Opening, Run, Step, verify};
use quorate_protocol::{Identifier, Suite};
use rand_core::{CryptoRng, RngCore};
use rstest::rstest;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    source: String,
    #[serde(rename = "licence")]
    _licence: String,
    min_signers: u16,
    #[serde(with = "hex")]
    verifying_key: [u8; 32],
    #[serde(with = "hex")]
    message: Vec<u8>,
    signers: Vec<Signer>,
    #[serde(with = "hex")]
    signature: [u8; 64],
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Signer {
    identifier: Identifier,
    #[serde(with = "hex")]
    signing_share: [u8; 32],
    #[serde(with = "hex")]
    hiding_nonce_randomness: [u8; 32],
    #[serde(with = "hex")]
    binding_nonce_randomness: [u8; 32],
    #[serde(with = "hex")]
    hiding_nonce_commitment: [u8; 32],
    #[serde(with = "hex")]
    binding_nonce_commitment: [u8; 32],
    #[serde(with = "hex")]
    signature_share: [u8; 32],
}

impl Signer {
    fn verifying_share(&self) -> [u8; 32] {
        let share = Scalar::from_canonical_bytes(self.signing_share).unwrap();
        EdwardsPoint::mul_base(&share).compress().0
    }
}

impl Vector {
    fn key_package(&self, signer: &Signer) -> KeyPackage {
        let mut bytes = vec![1, 1];
        bytes.extend(self.min_signers.to_be_bytes());
        bytes.extend(signer.identifier.get().to_be_bytes());
        bytes.extend(signer.signing_share);
        bytes.extend(signer.verifying_share());
        bytes.extend(self.verifying_key);
        KeyPackage::from_bytes(&bytes).unwrap()
    }

    /// Shares of the signers only: the vectors do not list everybody's shares.
    fn public_key_package(&self) -> PublicKeyPackage {
        let mut bytes = vec![1, 1];
        bytes.extend(self.min_signers.to_be_bytes());
        bytes.extend(self.verifying_key);
        bytes.extend((self.signers.len() as u16).to_be_bytes());
        for signer in &self.signers {
            bytes.extend(signer.identifier.get().to_be_bytes());
            bytes.extend(signer.verifying_share());
        }
        PublicKeyPackage::from_bytes(&bytes).unwrap()
    }
}

/// Gives out the given bytes, and then no more.
struct Replay(Vec<u8>);

impl RngCore for Replay {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, to: &mut [u8]) {
        to.copy_from_slice(&self.0.drain(..to.len()).collect::<Vec<_>>());
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(to);
        Ok(())
    }
}

impl CryptoRng for Replay {}

#[rstest]
fn both_rounds_give_what_the_vector_says(#[files("vectors/rfc9591/*.json")] path: PathBuf) {
    let vector: Vector = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let public = vector.public_key_package();
    let message = &vector.message;

    let suite = Suite::FrostEd25519Sha512;
    let opening = Opening { session: SessionId([1; 32]), signers: None, message: None };
    let mut board = Board::new(suite, None).unwrap();
    let mut runs = Vec::new();
    for signer in &vector.signers {
        let package = vector.key_package(signer);
        let randomness = [signer.hiding_nonce_randomness, signer.binding_nonce_randomness].concat();
        let (run, message) = Run::start(&package, &opening, &mut Replay(randomness)).unwrap();
        let announced = message.posted().0;
        let expected = [signer.hiding_nonce_commitment, signer.binding_nonce_commitment].concat();
        assert_eq!(announced, expected, "{}", vector.source);
        board.post(1, signer.identifier, &announced).unwrap();
        runs.push((run, package, signer));
    }
    board.fix_signers();

    let mut shares = Vec::new();
    for (run, package, signer) in runs {
        let no_randomness = &mut Replay(Vec::new());
        let step = run.advance(&package, &public, &board, Some(message), no_randomness).unwrap();
        let Step::Share(share) = step else { panic!("FROST has two rounds") };
        assert_eq!(share, signer.signature_share, "{}", vector.source);
        let checked = board.verify_share(&public, signer.identifier, &share, message);
        assert_eq!(checked, Ok(()));
        shares.push((signer.identifier, share));
    }
    for (from, share) in shares {
        board.post(2, from, &share).unwrap();
    }

    let signature = board.combine(&public, message).unwrap();
    assert_eq!(signature.as_bytes(), vector.signature, "{}", vector.source);
    assert_eq!(verify(public.verifying_key(), message, &signature), Ok(()));
}
