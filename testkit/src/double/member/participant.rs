//! A participant of key generation that can break every rule of it.
//!
//! Written from `docs/protocols/keyshare.md` and from nothing of the engine, so that it neither shares the engine's
//! mistakes nor is held back by its types.

use std::collections::BTreeMap;

use chacha20poly1305::aead::Aead as _;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use hkdf::Hkdf;
use quorate_protocol::keyshare::Parameters;
use rand_core::CryptoRngCore;
use sha2::{Digest as _, Sha256, Sha512};

/// The view of a message: what the transcript of the rounds before was.
pub(super) type View = [u8; 32];

/// SHA-512 over a label and fields, each behind its length.
fn hash(label: &str, fields: &[&[u8]]) -> [u8; 64] {
    let mut hash = Sha512::new();
    for field in std::iter::once(&label.as_bytes()).chain(fields) {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    hash.finalize().into()
}

fn digest(label: &str, fields: &[&[u8]]) -> [u8; 32] {
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(hash(label, fields)) {
        *to = from;
    }
    digest
}

fn challenge(label: &str, fields: &[&[u8]]) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&hash(label, fields))
}

/// What a dealer commits to in the first round and reveals in the second.
#[derive(Clone, Debug)]
pub(super) struct Dealing {
    pub(super) ephemeral: [u8; 32],
    pub(super) coefficients: Vec<u8>,
    pub(super) proof: Vec<u8>,
}

impl Dealing {
    /// The dealing in a reveal with `min_signers` coefficients.
    pub(super) fn of_reveal(message: &[u8], min_signers: u16) -> Option<Self> {
        let coefficients = 67..67 + 32 * usize::from(min_signers);
        Some(Self {
            ephemeral: message.get(33..65)?.try_into().ok()?,
            proof: message.get(coefficients.end..coefficients.end + 64)?.to_vec(),
            coefficients: message.get(coefficients)?.to_vec(),
        })
    }

    /// The first coefficient's commitment.
    pub(super) fn constant(&self) -> Option<EdwardsPoint> {
        CompressedEdwardsY::from_slice(self.coefficients.get(..32)?).ok()?.decompress()
    }
}

/// The encryption key in a commit.
pub(super) fn encryption_key(commit: &[u8]) -> Option<[u8; 32]> {
    commit.get(33..65)?.try_into().ok()
}

/// One participant's secrets in one session.
pub(super) struct Participant {
    /// P: the hash of the parameters, which begins every other hash.
    binding: [u8; 32],
    me: u16,
    polynomial: Vec<Scalar>,
    ephemeral: Scalar,
    decryption: Scalar,
    pub(super) dealing: Dealing,
}

impl Participant {
    /// Deals a polynomial with this many coefficients, as the protocol wants it but for their number.
    pub(super) fn deal(
        parameters: &Parameters,
        me: u16,
        coefficients: u16,
        rng: &mut dyn CryptoRngCore,
    ) -> Self {
        let list: Vec<u8> =
            parameters.participants().iter().flat_map(|id| id.get().to_be_bytes()).collect();
        let binding = digest(
            "quorate/keyshare/v1/dkg",
            &[
                parameters.suite().name().as_bytes(),
                &parameters.session().0,
                parameters.context(),
                &parameters.min_signers().to_be_bytes(),
                &list,
            ],
        );
        let polynomial: Vec<Scalar> = (0..coefficients).map(|_| Scalar::random(rng)).collect();
        let ephemeral = Scalar::random(rng);
        let dealing = Dealing {
            ephemeral: RistrettoPoint::mul_base(&ephemeral).compress().0,
            coefficients: polynomial
                .iter()
                .flat_map(|a| EdwardsPoint::mul_base(a).compress().0)
                .collect(),
            proof: Vec::new(),
        };
        let decryption = Scalar::random(rng);
        let mut made = Self { binding, me, polynomial, ephemeral, decryption, dealing };
        made.dealing.proof = made.prove(rng);
        made
    }

    /// A proof of knowledge of the constant term, for the dealing as it is.
    pub(super) fn prove(&self, rng: &mut dyn CryptoRngCore) -> Vec<u8> {
        let nonce = Scalar::random(rng);
        let commitment = EdwardsPoint::mul_base(&nonce).compress().0;
        let Dealing { ephemeral, coefficients, .. } = &self.dealing;
        let fields: [&[u8]; 5] =
            [&self.binding, &self.me.to_be_bytes(), ephemeral, coefficients, &commitment];
        let secret = self.polynomial.first().copied().unwrap_or_default();
        let response = nonce + challenge("quorate/keyshare/v1/knowledge", &fields) * secret;
        [commitment, response.to_bytes()].concat()
    }

    /// The hash of a dealing that is published in the first round.
    pub(super) fn opening(&self, dealing: &Dealing) -> [u8; 32] {
        let Dealing { ephemeral, coefficients, proof } = dealing;
        let fields: [&[u8]; 5] =
            [&self.binding, &self.me.to_be_bytes(), ephemeral, coefficients, proof];
        digest("quorate/keyshare/v1/opening", &fields)
    }

    /// The first message, for the dealing as it is.
    pub(super) fn commit(&self) -> Vec<u8> {
        let key = RistrettoPoint::mul_base(&self.decryption).compress().0;
        [&[1][..], &self.opening(&self.dealing), &key].concat()
    }

    /// The polynomial's value for a recipient.
    pub(super) fn sub_share(&self, recipient: u16) -> Scalar {
        let x = Scalar::from(recipient);
        self.polynomial.iter().rev().fold(Scalar::ZERO, |value, a| value * x + a)
    }

    /// A sub-share, sealed to a recipient with this encryption key. It is whatever `sub_share` says.
    pub(super) fn seal(&self, recipient: u16, key: &[u8; 32], sub_share: &[u8; 32]) -> Vec<u8> {
        let shared = agree(&self.ephemeral, key);
        let Dealing { ephemeral, .. } = &self.dealing;
        let info = digest(
            "quorate/keyshare/v1/seal",
            &[
                &self.me.to_be_bytes(),
                &recipient.to_be_bytes(),
                ephemeral,
                key,
                &self.opening(&self.dealing),
            ],
        );
        let mut secret = [0; 32];
        // 32 bytes are within what HKDF can give, and encrypting to memory does not fail.
        let _ = Hkdf::<Sha256>::new(Some(&self.binding), &shared).expand(&info, &mut secret);
        ChaCha20Poly1305::new(&secret.into())
            .encrypt(&[0; 12].into(), sub_share.as_slice())
            .unwrap_or_default()
    }

    /// The second message: a dealing, with these sealed sub-shares.
    pub(super) fn reveal(
        view: &View,
        dealing: &Dealing,
        sealed: &BTreeMap<u16, Vec<u8>>,
    ) -> Vec<u8> {
        let coefficients = u16::try_from(dealing.coefficients.len() / 32).unwrap_or_default();
        let recipients = u16::try_from(sealed.len()).unwrap_or_default();
        let mut message = [
            &[2][..],
            view,
            &dealing.ephemeral,
            &coefficients.to_be_bytes(),
            &dealing.coefficients,
            &dealing.proof,
            &recipients.to_be_bytes(),
        ]
        .concat();
        sealed.values().for_each(|sealed| message.extend_from_slice(sealed));
        message
    }

    /// A complaint about a dealer with this ephemeral key. The proof is right.
    pub(super) fn complaint(
        &self,
        dealer: u16,
        ephemeral: &[u8; 32],
        rng: &mut dyn CryptoRngCore,
    ) -> Vec<u8> {
        let shared = agree(&self.decryption, ephemeral);
        let key = RistrettoPoint::mul_base(&self.decryption).compress().0;
        let nonce = Scalar::random(rng);
        let fields: [&[u8]; 8] = [
            &self.binding,
            &self.me.to_be_bytes(),
            &dealer.to_be_bytes(),
            &key,
            ephemeral,
            &shared,
            &RistrettoPoint::mul_base(&nonce).compress().0,
            &agree(&nonce, ephemeral),
        ];
        let challenge = challenge("quorate/keyshare/v1/complaint", &fields);
        let response = nonce + challenge * self.decryption;
        [&dealer.to_be_bytes()[..], &shared, &challenge.to_bytes(), &response.to_bytes()].concat()
    }
}

/// The third message, with these complaints. Without any, it approves.
pub(super) fn verdict(view: &View, complaints: &[Vec<u8>]) -> Vec<u8> {
    let count = u16::try_from(complaints.len()).unwrap_or_default();
    [&[3][..], view, &count.to_be_bytes(), &complaints.concat()].concat()
}

/// `secret` times the point; the identity's encoding for what is no point.
fn agree(secret: &Scalar, point: &[u8; 32]) -> [u8; 32] {
    let point = CompressedRistretto(*point).decompress();
    point.map_or([0; 32], |point| (point * secret).compress().0)
}
