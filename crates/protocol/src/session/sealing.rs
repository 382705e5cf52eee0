//! Seals sub-shares so that one of them can be opened in public without exposing a key.
//!
//! ECIES over Ristretto255: recipients publish a key for the session, a dealer publishes one
//! ephemeral key, and each sub-share is encrypted under a key derived from the point that the two
//! agree on. All suites use Ristretto255, because its group has prime order and one encoding for
//! each element, so neither small subgroups nor second encodings need care.
//!
//! Why not HPKE: `docs/decisions/0002-sub-shares-are-sealed-with-ecies.md`.

use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use hkdf::Hkdf;
use rand_core::CryptoRngCore;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::Identifier;
use crate::secret::{SCALAR_LENGTH, SecretScalar};
use crate::transcript::Transcript;

/// The length of a sealed scalar: the scalar and a tag of 16 bytes.
pub(crate) const SEALED_LENGTH: usize = SCALAR_LENGTH + 16;

/// The kind of value that is sealed: the labels of the hashes that seal and open it. Every kind has
/// its own labels, so that nothing that opens a value of one kind opens a value of another.
#[derive(Debug)]
pub(crate) struct Purpose {
    /// Labels the derivation of the key.
    pub(crate) seal: &'static str,
    /// Labels the challenge of the [proof](super::discrete_log) that opens a value.
    pub(crate) complaint: &'static str,
    /// Labels the nonce of that proof.
    pub(crate) nonce: &'static str,
}

impl Purpose {
    /// Sub-shares of a key generation or reshare.
    pub(crate) const SUB_SHARE: &'static Self = &Self {
        seal: "quorate/keyshare/v1/seal",
        complaint: "quorate/keyshare/v1/complaint",
        nonce: "quorate/keyshare/v1/complaint/nonce",
    };
}

/// A Ristretto255 point that is not the identity, and its encoding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct PublicKey {
    point: RistrettoPoint,
    bytes: [u8; 32],
}

impl PublicKey {
    /// Returns `None` for the identity and for bytes that are not the canonical encoding of a
    /// point.
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Option<Self> {
        let point = CompressedRistretto(bytes).decompress()?;
        (!point.is_identity()).then_some(Self { point, bytes })
    }

    pub(crate) fn point(&self) -> &RistrettoPoint {
        &self.point
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

/// The scalar behind a [`PublicKey`], for one session. On the heap, so that moving it leaves no
/// copies behind; wiped on drop.
pub(crate) struct SecretKey(Box<Zeroizing<Scalar>>);

impl SecretKey {
    pub(crate) fn random(rng: &mut dyn CryptoRngCore) -> Self {
        let mut scalar = Box::new(Zeroizing::new(Scalar::ZERO));
        **scalar = Scalar::random(rng);
        Self(scalar)
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        RistrettoPoint::mul_base(self.scalar()).compress().0
    }

    /// Agrees with the holder of `other` on a point, in constant time.
    pub(crate) fn agree(&self, other: &PublicKey) -> SharedPoint {
        SharedPoint::copy_of(&(other.point * self.scalar()).compress().0)
    }

    pub(crate) fn scalar(&self) -> &Scalar {
        &self.0
    }
}

/// The encoding of a point that two parties agreed on. On the heap, so that moving it leaves no
/// copies behind; wiped on drop.
pub(crate) struct SharedPoint(Box<Zeroizing<[u8; 32]>>);

impl SharedPoint {
    /// Copies a point from an agreement, or one that a complaint made public.
    pub(crate) fn copy_of(bytes: &[u8; 32]) -> Self {
        let mut point = Box::new(Zeroizing::new([0; 32]));
        point.copy_from_slice(bytes);
        Self(point)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Who sends one sub-share to whom, and under which keys.
pub(crate) struct Envelope<'a> {
    pub(crate) purpose: &'static Purpose,
    /// The hash of the session's parameters: suite, session, context, roster.
    pub(crate) binding: &'a [u8; 32],
    pub(crate) dealer: Identifier,
    pub(crate) recipient: Identifier,
    pub(crate) ephemeral: &'a [u8; 32],
    pub(crate) recipient_key: &'a [u8; 32],
    /// A hash of what the value must match: for a sub-share, of the dealer's coefficients; see
    /// `Dealing::opening`.
    pub(crate) opening: &'a [u8; 32],
}

impl Envelope<'_> {
    /// Encrypts a sub-share. `None` only if the libraries break their promises.
    pub(crate) fn seal(
        &self,
        shared: &SharedPoint,
        sub_share: &SecretScalar,
    ) -> Option<[u8; SEALED_LENGTH]> {
        let mut sealed = [0; SEALED_LENGTH];
        let (text, tag) = sealed.split_first_chunk_mut::<32>()?;
        *text = *sub_share.expose();
        let mac = self.cipher(shared)?.encrypt_in_place_detached(&NONCE.into(), b"", text).ok()?;
        tag.copy_from_slice(&mac);
        Some(sealed)
    }

    /// Decrypts a sub-share. `None` if it was not sealed under this key.
    pub(crate) fn open(
        &self,
        shared: &SharedPoint,
        sealed: &[u8; SEALED_LENGTH],
    ) -> Option<SecretScalar> {
        let (text, tag) = sealed.split_first_chunk::<32>()?;
        let tag: &[u8; 16] = tag.try_into().ok()?;
        let mut opened = SecretScalar::copy_of(text);
        self.cipher(shared)?
            .decrypt_in_place_detached(&NONCE.into(), b"", opened.expose_mut(), tag.into())
            .ok()?;
        Some(opened)
    }

    /// Derives the key that is used for this one sub-share.
    ///
    /// Everything that identifies the sub-share goes into the key, not into associated data: a
    /// ciphertext copied from another session, dealer, recipient or dealing meets another key. This
    /// is also why the recipients need not prove possession of their keys. A participant that
    /// publishes another's key, or one derived from it, gets ciphertexts under keys that neither of
    /// the two can compute with the other's identifier in place, and a complaint opens exactly the
    /// one sub-share that it is about.
    fn cipher(&self, shared: &SharedPoint) -> Option<ChaCha20Poly1305> {
        let info = Transcript::new(self.purpose.seal)
            .field(&self.dealer.to_bytes())
            .field(&self.recipient.to_bytes())
            .field(self.ephemeral)
            .field(self.recipient_key)
            .field(self.opening)
            .digest();
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(self.binding), shared.bytes()).expand(&info, key.as_mut()).ok()?;
        Some(ChaCha20Poly1305::new((&*key).into()))
    }
}

/// Every key encrypts one message, so the nonce may be constant.
const NONCE: [u8; 12] = [0; 12];
