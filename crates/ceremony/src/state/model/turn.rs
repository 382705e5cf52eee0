//! Which of two statements is the later one.

use crate::names::Timestamp;

/// The order of statements of which a later one replaces an earlier one: by how much of the log the
/// author had seen, and then by the author's clock.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::state) struct Turn {
    pub(in crate::state) seen: u64,
    pub(in crate::state) at: Timestamp,
}
