//! How far the time of an entry may differ from the clocks of others.

/// How far ahead of the coordinator's clock a statement's time may be, in milliseconds. Otherwise
/// one fast clock would move the log's time past all deadlines. The time of an admission may not be
/// further behind, either.
pub const MAX_CLOCK_LEAD: u64 = 300_000;
