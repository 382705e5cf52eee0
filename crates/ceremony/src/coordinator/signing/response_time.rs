//! How long a node takes to answer, and when its answer is late.
//!
//! The estimator of TCP ([RFC 6298] section 2) for the time from a signing message to its answer:
//! network, queues and the node's disk together. If an answer is late, other signers are asked in
//! parallel, but the answer still counts.
//!
//! [RFC 6298]: https://www.rfc-editor.org/rfc/rfc6298

/// The shortest time after which an answer is late, in milliseconds. A disk that hesitates once
/// should not disturb others.
const SOONEST: u64 = 100;

/// One node's answers so far. All times in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ResponseTime(Option<Estimate>);

/// In eighths and quarters, so that smoothing loses nothing to rounding.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    /// Eight times the smoothed time.
    smoothed: u64,
    /// Four times the smoothed deviation.
    deviation: u64,
}

impl ResponseTime {
    pub(super) fn answered(&mut self, after: u64) {
        self.0 = Some(match self.0 {
            // RFC 6298 (2.2): the deviation is half of the first time.
            None => {
                Estimate { smoothed: after.saturating_mul(8), deviation: after.saturating_mul(2) }
            }
            // (2.3), with α = 1/8 and β = 1/4.
            Some(Estimate { smoothed, deviation }) => Estimate {
                smoothed: (smoothed - smoothed / 8).saturating_add(after),
                deviation: (deviation - deviation / 4)
                    .saturating_add((smoothed / 8).abs_diff(after)),
            },
        });
    }

    /// The time after which the node's answer is late. It is at most `longest`, which is also the
    /// value without an estimate.
    pub(super) fn patience(&self, longest: u64) -> u64 {
        let usual = self.0.map(|estimate| {
            (estimate.smoothed / 8).saturating_add(estimate.deviation).max(SOONEST)
        });
        usual.unwrap_or(longest).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::{ResponseTime, SOONEST};

    fn after(answers: impl IntoIterator<Item = u64>) -> ResponseTime {
        let mut pace = ResponseTime::default();
        answers.into_iter().for_each(|time| pace.answered(time));
        pace
    }

    #[test]
    fn nothing_known_means_the_longest_patience() {
        assert_eq!(ResponseTime::default().patience(1_000), 1_000);
    }

    #[test]
    fn the_first_answer_gives_three_times_its_time() {
        assert_eq!(after([200]).patience(1_000), 600);
    }

    #[test]
    fn steady_answers_bring_patience_close_to_their_time() {
        let patience = after([200; 100]).patience(10_000);
        assert!((200..220).contains(&patience), "{patience}");
    }

    #[test]
    fn uneven_answers_are_waited_for() {
        let patience =
            after((0..100).map(|turn| if turn % 2 == 0 { 50 } else { 450 })).patience(10_000);
        assert!(patience > 450, "{patience}");
    }

    #[test]
    fn patience_follows_a_network_that_becomes_slow_and_fast_again() {
        let slow = after([150; 50].into_iter().chain([800; 50]));
        assert!(slow.patience(10_000) > 800);
        let fast = after([800; 50].into_iter().chain([150; 100]));
        assert!(fast.patience(10_000) < 300);
    }

    #[test]
    fn patience_stays_between_the_soonest_and_the_longest() {
        assert_eq!(after([1; 50]).patience(1_000), SOONEST);
        assert_eq!(after([u64::MAX; 3]).patience(1_000), 1_000);
    }
}
