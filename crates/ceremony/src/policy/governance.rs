//! How a group changes.

use serde::{Deserialize, Serialize};

/// The shortest time between two refreshes that a policy can require, in milliseconds: an hour.
pub const SHORTEST_REFRESH: u64 = 3_600_000;

/// How a group changes.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Governance {
    /// How many members must approve a change of the group. The default and minimum is min_signers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes_required: Option<u16>,
    /// After how many milliseconds members' nodes propose a refresh automatically. The default is
    /// never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_every: Option<u64>,
}
