//! Domain-separated hashing: the only way in which this crate turns values into hashes.

use rand_core::CryptoRngCore;
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

/// A SHA-512 over a label and fields.
///
/// Every field, the label included, is preceded by its length in bytes (8 bytes, big-endian). So
/// the encoding is injective: two different sequences of fields never hash the same input, and
/// hashes with different labels are independent.
#[derive(Clone)]
pub(crate) struct Transcript(Sha512);

impl Transcript {
    /// Starts a hash for one purpose; `label` names the purpose, and no other hash uses it.
    pub(crate) fn new(label: &'static str) -> Self {
        Self(Sha512::new()).field(label.as_bytes())
    }

    pub(crate) fn field(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    /// The first 32 bytes of the hash.
    ///
    /// Truncation leaves 128 bits against collisions, and no way to extend the input.
    pub(crate) fn digest(self) -> [u8; 32] {
        let mut digest = [0; 32];
        for (to, from) in digest.iter_mut().zip(self.0.finalize()) {
            *to = from;
        }
        digest
    }

    /// Derives 64 secret bytes for the nonce of a proof of this statement.
    ///
    /// They are hashed from 32 random bytes, the secret that is proved to be known, and the
    /// statement. So only someone who knows the secret can predict them, however bad the randomness
    /// is, and repeated randomness gives another nonce for another statement. `label` belongs to
    /// this hash alone.
    pub(crate) fn nonce(
        self,
        label: &'static str,
        secret: &[u8],
        rng: &mut dyn CryptoRngCore,
    ) -> Zeroizing<[u8; 64]> {
        let mut random = Zeroizing::new([0; 32]);
        rng.fill_bytes(random.as_mut());
        let hash = Self::new(label).field(random.as_ref()).field(secret).field(&self.digest());
        Zeroizing::new(hash.wide())
    }

    /// All 64 bytes: reduced modulo a 256-bit group order, they are uniform up to 2⁻²⁵⁶.
    pub(crate) fn wide(self) -> [u8; 64] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_byte_between_fields_changes_the_hash() {
        let hash = |a: &[u8], b: &[u8]| Transcript::new("test").field(a).field(b).digest();

        assert_ne!(hash(b"ab", b"c"), hash(b"a", b"bc"));
        assert_ne!(hash(b"", b"abc"), hash(b"abc", b""));
        assert_ne!(Transcript::new("a").digest(), Transcript::new("b").digest());
    }
}
