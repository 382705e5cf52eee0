//! Hashes, keys and proofs that key generations, reshares and repairs have in common.
//!
//! They are written from `docs/protocols/keyshare.md` alone and share nothing with the engine, like
//! the participants that use them.

use chacha20poly1305::aead::Aead as _;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use hkdf::Hkdf;
use rand_core::CryptoRngCore;
use sha2::{Digest as _, Sha256, Sha512};

/// The view of a message: the hash of the transcript of the previous rounds.
pub(super) type View = [u8; 32];

/// Returns SHA-512 of a label and fields, each after its length.
fn hash(label: &str, fields: &[&[u8]]) -> [u8; 64] {
    let mut hash = Sha512::new();
    for field in std::iter::once(&label.as_bytes()).chain(fields) {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    hash.finalize().into()
}

pub(super) fn digest(label: &str, fields: &[&[u8]]) -> [u8; 32] {
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(hash(label, fields)) {
        *to = from;
    }
    digest
}

pub(super) fn challenge(label: &str, fields: &[&[u8]]) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&hash(label, fields))
}

pub(super) fn public(secret: &Scalar) -> [u8; 32] {
    RistrettoPoint::mul_base(secret).compress().0
}

/// Returns `secret` times the point, or the encoding of the identity if `point` is invalid.
pub(super) fn agree(secret: &Scalar, point: &[u8; 32]) -> [u8; 32] {
    let point = CompressedRistretto(*point).decompress();
    point.map_or([0; 32], |point| (point * secret).compress().0)
}

/// The sender and the recipient of one value, and the keys that seal it.
pub(super) struct Envelope<'a> {
    pub(super) label: &'a str,
    /// P, the hash of the parameters.
    pub(super) binding: &'a [u8; 32],
    pub(super) from: u16,
    pub(super) to: u16,
    pub(super) ephemeral: &'a [u8; 32],
    pub(super) key: &'a [u8; 32],
    /// The hash of what the value must match.
    pub(super) fits: &'a [u8; 32],
}

impl Envelope<'_> {
    /// Seals any value with the secret of the ephemeral key.
    pub(super) fn seal(&self, secret: &Scalar, value: &[u8; 32]) -> Vec<u8> {
        let cipher = self.cipher(&agree(secret, self.key));
        cipher.encrypt(&[0; 12].into(), value.as_slice()).unwrap_or_default()
    }

    /// Opens with the recipient's secret.
    pub(super) fn open(&self, secret: &Scalar, sealed: &[u8]) -> Option<Scalar> {
        let cipher = self.cipher(&agree(secret, self.ephemeral));
        let opened = cipher.decrypt(&[0; 12].into(), sealed).ok()?;
        Option::from(Scalar::from_canonical_bytes(opened.try_into().ok()?))
    }

    fn cipher(&self, shared: &[u8; 32]) -> ChaCha20Poly1305 {
        let (from, to) = (self.from.to_be_bytes(), self.to.to_be_bytes());
        let fields: [&[u8]; 5] = [&from, &to, self.ephemeral, self.key, self.fits];
        let info = digest(self.label, &fields);
        let mut secret = [0; 32];
        // HKDF can output 32 bytes, and encrypting in memory does not fail.
        let _ = Hkdf::<Sha256>::new(Some(self.binding), shared).expand(&info, &mut secret);
        ChaCha20Poly1305::new(&secret.into())
    }
}

/// Proves, under this label, knowledge of the secret of an ephemeral key. `about` contains the key,
/// its owner and its purpose. If it contains a different key, the proof is wrong.
pub(super) fn possession(
    label: &str,
    about: &[&[u8]],
    secret: &Scalar,
    rng: &mut dyn CryptoRngCore,
) -> Vec<u8> {
    let nonce = Scalar::random(rng);
    let commitment = public(&nonce);
    let challenge = challenge(label, &[about, &[&commitment]].concat());
    let response = nonce + challenge * secret;
    [challenge.to_bytes(), response.to_bytes()].concat()
}

/// A participant that complains.
pub(super) struct Complainer<'a> {
    /// The kind of value that it complains about.
    pub(super) label: &'a str,
    /// P, the hash of the parameters.
    pub(super) binding: &'a [u8; 32],
    pub(super) me: u16,
    /// The secret that opens every value sealed to this participant.
    pub(super) secret: &'a Scalar,
}

impl Complainer<'_> {
    /// Returns a complaint, with a correct proof, about a participant with this ephemeral key.
    pub(super) fn complains(
        &self,
        about: u16,
        ephemeral: &[u8; 32],
        rng: &mut dyn CryptoRngCore,
    ) -> Vec<u8> {
        let (key, shared) = (public(self.secret), agree(self.secret, ephemeral));
        let nonce = Scalar::random(rng);
        let fields: [&[u8]; 8] = [
            self.binding,
            &self.me.to_be_bytes(),
            &about.to_be_bytes(),
            &key,
            ephemeral,
            &shared,
            &public(&nonce),
            &agree(&nonce, ephemeral),
        ];
        let challenge = challenge(self.label, &fields);
        let response = nonce + challenge * self.secret;
        [&about.to_be_bytes()[..], &shared, &challenge.to_bytes(), &response.to_bytes()].concat()
    }
}

/// Returns the message that answers a view, with or without complaints.
pub(super) fn answer(tag: u8, view: &View, complaints: &[Vec<u8>]) -> Vec<u8> {
    let count = u16::try_from(complaints.len()).unwrap_or_default();
    [&[tag][..], view, &count.to_be_bytes(), &complaints.concat()].concat()
}
