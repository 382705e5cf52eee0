//! When the task has to answer watchers although no event comes.

use std::time::Duration;

use quorate_ceremony::names::{EntryId, Timestamp};
use quorate_ceremony::state::IvnState;
use tokio::time::Instant;

use crate::api::Query;
use crate::timers::{Deadlines, now};

/// How often a watched inbox is looked through at most, because that takes time in proportion to
/// the length of the log.
const INBOX_PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
enum Alarm {
    /// A watched request or change expires.
    Expiry(EntryId),
    /// The inbox may have changed.
    Inbox,
}

pub(super) struct Alarms {
    set: Deadlines<Alarm>,
    /// The size of the log when the inbox was last looked through, and when that was.
    inbox: Option<(u64, Instant)>,
}

impl Alarms {
    pub(super) fn new() -> Self {
        Self { set: Deadlines::new(), inbox: None }
    }

    /// Waits for the next alarm, and resets it.
    pub(super) async fn next(&mut self) {
        self.set.next().await;
        self.set.due();
    }

    /// Ensures that watchers of this get an answer as soon as it expires.
    pub(super) fn expect(&mut self, state: &IvnState, query: &Query) {
        let expiry = match query {
            Query::Request { id, .. } => {
                let request = crate::node::ids::find_request(state, id).ok();
                request.map(|request| (request.id, request.request.expires_at))
            }
            Query::Group { name, .. } => {
                let change = state.group(name).ok().and_then(|group| group.change.as_ref());
                change.map(|change| (change.id, change.proposal.expires_at))
            }
            _ => None,
        };
        let now = now();
        if let Some((id, expires_at)) = expiry.filter(|(_, expires_at)| *expires_at >= now) {
            // It has expired when the time is over, not when it is reached.
            self.set.set(Alarm::Expiry(id), expires_at.plus(1), now);
        }
    }

    /// Whether watched inboxes are to be looked through `now` that the log has this size. Otherwise
    /// that is done later, if the log has grown.
    pub(super) fn inbox(&mut self, size: u64, now: Instant) -> bool {
        match self.inbox {
            Some((seen, _)) if seen == size => false,
            Some((_, at)) if now < at + INBOX_PAUSE => {
                let left = u64::try_from((at + INBOX_PAUSE - now).as_millis()).unwrap_or_default();
                self.set.set(Alarm::Inbox, Timestamp(left.saturating_add(1)), Timestamp(0));
                false
            }
            _ => {
                self.inbox = Some((size, now));
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_ceremony::entry::Request;
    use quorate_ceremony::test_world::TestLog;

    use super::*;

    #[tokio::test]
    async fn whoever_watches_a_request_is_woken_when_it_expires() {
        let mut log = TestLog::keyed();
        // The task's clock is the real one.
        log.now = now();
        let request = Request { expires_at: log.now.plus(30), ..log.request() };
        let request = log.requests("ada", request).unwrap();
        let mut alarms = Alarms::new();
        let query = Query::Request { id: request.to_string(), watch: true };
        alarms.expect(&log.state, &query);
        alarms.next().await;
        assert!(log.state.request(request).unwrap().lapsed(now()));
        // Nothing is expected any more, so the task does not spin.
        alarms.expect(&log.state, &query);
        assert!(alarms.set.due().is_empty());
    }

    #[test]
    fn a_watched_inbox_is_looked_through_once_a_second_at_most() {
        let mut alarms = Alarms::new();
        let start = Instant::now();
        assert!(alarms.inbox(10, start));
        assert!(!alarms.inbox(10, start + INBOX_PAUSE), "nothing is new");
        assert!(!alarms.inbox(11, start + INBOX_PAUSE / 2), "too early");
        assert!(alarms.inbox(12, start + INBOX_PAUSE));
        assert!(!alarms.inbox(13, start + INBOX_PAUSE));
    }
}
