//! Deadlines of a state machine, measured by the shell's clock.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quorate_ceremony::names::Timestamp;

use crate::fail_points;

/// Returns the wall clock as the state machines count: milliseconds since the Unix epoch.
pub(crate) fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let shown = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    Timestamp(shown.saturating_add_signed(fail_points::clock_error()))
}

/// Returns the same clock for certificates.
pub(crate) fn wall_clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(now().0)
}

/// The pending deadlines. Setting a deadline again moves it.
///
/// They use the monotonic clock, so that a jump of the wall clock neither fires all deadlines nor
/// stops them.
#[derive(Debug)]
pub(crate) struct Deadlines<K>(BTreeMap<K, tokio::time::Instant>);

impl<K: Ord + Clone> Deadlines<K> {
    pub(crate) fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(crate) fn set(&mut self, what: K, at: Timestamp, now: Timestamp) {
        let ahead = Duration::from_millis(at.0.saturating_sub(now.0));
        self.0.insert(what, tokio::time::Instant::now() + ahead);
    }

    /// Removes and returns all that are due.
    pub(crate) fn due(&mut self) -> Vec<K> {
        let now = tokio::time::Instant::now();
        let due: Vec<K> =
            self.0.iter().filter(|(_, at)| **at <= now).map(|(what, _)| what.clone()).collect();
        for what in &due {
            self.0.remove(what);
        }
        due
    }

    /// Waits for the next deadline; forever if there is none.
    pub(crate) async fn next(&self) {
        match self.0.values().min() {
            Some(at) => tokio::time::sleep_until(*at).await,
            None => std::future::pending().await,
        }
    }
}
