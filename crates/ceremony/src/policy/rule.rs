//! What a request needs before members' nodes sign it.

use serde::{Deserialize, Serialize};

/// How long a request waits by default, in milliseconds: a week.
pub const DEFAULT_EXPIRY: u64 = 7 * 24 * 3600 * 1000;

/// What a request needs before members' nodes sign it. Every node evaluates it from the log.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// How many members must approve: at least min_signers, at most all.
    pub approvals_required: u16,
    /// Whether a member's own request counts as its approval.
    pub requester_may_approve: bool,
    /// Whether members' nodes may approve automatically if their own configuration permits that
    /// too.
    pub auto_approve: bool,
    /// How long a request or a proposed change of the group may wait, in milliseconds.
    pub expiry: u64,
}

impl Rule {
    /// The default for a key of `min_signers`: that many approvals, the requester's own included.
    pub fn for_min_signers(min_signers: u16) -> Self {
        Self {
            approvals_required: min_signers,
            requester_may_approve: true,
            auto_approve: false,
            expiry: DEFAULT_EXPIRY,
        }
    }
}
