//! Dials repeatedly, with growing random pauses, so that a hub that comes back is not overrun.

use std::ops::ControlFlow;
use std::time::Duration;

use rand_core::{OsRng, RngCore};
use tokio::time::{Instant, sleep};

use crate::dialler::{DialError, Dialler};
use crate::link::Link;

/// The shortest pause between two attempts.
pub const MIN_PAUSE: Duration = Duration::from_millis(200);

/// Keeps a node linked to its hub: [`next`](Self::next) whenever the last link is over.
#[derive(Debug)]
pub struct Redial {
    dialler: Dialler,
    backoff: Backoff,
    last_link: Option<Instant>,
}

impl Redial {
    /// Creates a redialler that has not dialled yet.
    pub fn new(dialler: Dialler) -> Self {
        let backoff = Backoff::new(dialler.longest_pause());
        Self { dialler, backoff, last_link: None }
    }

    /// Dials until there is a link, asking each time for what comes after `after`.
    ///
    /// The first attempt is made immediately, unless the last link ended soon after it was made.
    /// `failed` receives each failure together with the pause that follows. It decides whether to
    /// continue, because only the caller knows which errors its user should see (see
    /// [`DialError::is_temporary`]). Cancel-safe.
    ///
    /// # Errors
    ///
    /// The error at which `failed` broke off.
    pub async fn next(
        &mut self,
        after: u64,
        mut failed: impl FnMut(&DialError, Duration) -> ControlFlow<()>,
    ) -> Result<Link, DialError> {
        if let Some(made) = self.last_link.take() {
            let longest = self.dialler.longest_pause();
            if made.elapsed() >= longest {
                self.backoff = Backoff::new(longest);
            } else {
                // A hub that accepts and closes immediately must not make this loop spin.
                sleep(self.backoff.next(&mut OsRng)).await;
            }
        }
        loop {
            match self.dialler.connect(after).await {
                Ok(link) => {
                    self.last_link = Some(Instant::now());
                    return Ok(link);
                }
                Err(error) => {
                    let pause = self.backoff.next(&mut OsRng);
                    if failed(&error, pause).is_break() {
                        return Err(error);
                    }
                    sleep(pause).await;
                }
            }
        }
    }
}

/// Pauses between [`MIN_PAUSE`] and a longest: each is random between the shortest and three times
/// the one before.
#[derive(Clone, Copy, Debug)]
struct Backoff {
    last: Duration,
    longest: Duration,
}

impl Backoff {
    fn new(longest: Duration) -> Self {
        Self { last: MIN_PAUSE, longest }
    }

    fn next(&mut self, rng: &mut impl RngCore) -> Duration {
        let span = (self.last * 3).min(self.longest).saturating_sub(MIN_PAUSE);
        let part = f64::from(rng.next_u32()) / f64::from(u32::MAX);
        self.last = MIN_PAUSE + span.mul_f64(part);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_core::{RngCore, impls};

    use super::*;

    const MAX_PAUSE: Duration = Duration::from_secs(5);

    /// Returns the same number every time.
    struct Constant(u32);

    impl RngCore for Constant {
        fn next_u32(&mut self) -> u32 {
            self.0
        }

        fn next_u64(&mut self) -> u64 {
            u64::from(self.0)
        }

        fn fill_bytes(&mut self, bytes: &mut [u8]) {
            impls::fill_bytes_via_next(self, bytes);
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
            self.fill_bytes(bytes);
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn pauses_stay_within_their_bounds(draws: Vec<u32>) {
            let mut backoff = Backoff::new(MAX_PAUSE);
            for draw in draws {
                let pause = backoff.next(&mut Constant(draw));
                prop_assert!((MIN_PAUSE..=MAX_PAUSE).contains(&pause));
            }
        }
    }

    #[test]
    fn pauses_grow_to_the_longest() {
        let mut backoff = Backoff::new(MAX_PAUSE);
        let pauses: Vec<_> = (0..5).map(|_| backoff.next(&mut Constant(u32::MAX))).collect();
        assert!(pauses.is_sorted());
        assert_eq!(pauses.last(), Some(&MAX_PAUSE));
    }
}
