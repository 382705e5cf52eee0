//! The only source of randomness: a stream of one seed.

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _};

/// A seeded stream.
pub(crate) struct Chance(ChaCha20Rng);

impl Chance {
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    /// Returns a separate stream, for a user whose number of draws must not affect other draws.
    pub(crate) fn split(&mut self) -> ChaCha20Rng {
        ChaCha20Rng::from_seed(self.bytes())
    }

    pub(crate) fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// Returns a uniform number in `0..=most`.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        let scaled = u128::from(self.0.next_u64()) * (u128::from(most) + 1);
        u64::try_from(scaled >> 64).unwrap_or(most)
    }

    /// Returns a uniform number in `least..=most`.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.up_to(most.saturating_sub(least))
    }

    /// Returns true this many times in a thousand.
    pub(crate) fn happens(&mut self, in_a_thousand: u64) -> bool {
        in_a_thousand > 0 && self.up_to(999) < in_a_thousand
    }

    /// Returns one of the weighted choices.
    pub(crate) fn choose<T: Copy>(
        &mut self,
        first: T,
        rest: &[(u64, T)],
        weight_of_first: u64,
    ) -> T {
        let total = rest.iter().fold(weight_of_first, |sum, (weight, _)| sum + weight);
        let mut drawn = self.up_to(total.saturating_sub(1));
        for (weight, choice) in rest {
            if drawn < *weight {
                return *choice;
            }
            drawn -= weight;
        }
        first
    }
}
