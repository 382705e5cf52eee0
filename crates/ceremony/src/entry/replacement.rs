//! The replacement of the coordinator, with the members' votes for it.

use serde::{Deserialize, Serialize};

use super::account::CoordinatorKeys;
use crate::names::Digest;

/// A tree of the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogTree {
    /// The number of its entries.
    pub size: u64,
    /// Its Merkle root (RFC 9162, section 2.1.1).
    pub root: Digest,
}

/// Which history of the log counts, and with which keys it goes on.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// The entries that count. The votes for the replacement follow directly after them.
    pub history: LogTree,
    /// The keys of the new coordinator. Its log key has signed nothing yet.
    pub keys: CoordinatorKeys,
    /// Why, for people and auditors: 1 to 500 bytes without control characters.
    pub reason: String,
}
