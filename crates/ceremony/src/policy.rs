//! The rule that says what a request needs before members' nodes sign it.

use serde::{Deserialize, Serialize};

use crate::encoding;
use crate::names::Digest;

/// A group's one rule.
///
/// Every member's node evaluates it from the log; a request pins its hash, so a later policy never loosens a pending
/// request (invariant S8).
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// How many members must consent. At least min_signers, at most all.
    pub approvals_required: u16,
    /// Whether a member's own request counts as its consent.
    pub requester_may_approve: bool,
    /// Whether members' nodes may consent without asking, where their own configuration says so too.
    pub auto_approve: bool,
    /// For how long a request, or a proposed change of the group, may wait, in milliseconds.
    pub expiry: u64,
    /// How many members must consent to a change of the group: min_signers unless said otherwise, and never less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes_required: Option<u16>,
    /// After how many milliseconds members' nodes ask for new shares by themselves; never unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_every: Option<u64>,
}

/// The shortest time between two refreshes that a policy can ask for, in milliseconds: an hour.
pub const SHORTEST_REFRESH: u64 = 3_600_000;

/// A week, in milliseconds: how long a request waits unless its group says otherwise.
pub const DEFAULT_EXPIRY: u64 = 7 * 24 * 3600 * 1000;

impl Policy {
    /// The default for a key of `min_signers`: that many consents, the requester's own included.
    pub fn for_min_signers(min_signers: u16) -> Self {
        Self {
            approvals_required: min_signers,
            requester_may_approve: true,
            auto_approve: false,
            expiry: DEFAULT_EXPIRY,
            changes_required: None,
            refresh_every: None,
        }
    }

    /// What a request pins: SHA-256 over the rule's fields in a fixed binary form.
    pub fn hash(&self) -> Digest {
        let approvals = self.approvals_required.to_be_bytes();
        let flags = [u8::from(self.requester_may_approve), u8::from(self.auto_approve)];
        let expiry = self.expiry.to_be_bytes();
        let changes = self.changes_required.map(u16::to_be_bytes);
        let refresh = self.refresh_every.map(u64::to_be_bytes);
        // A rule without the last fields is as it was before there were any. They are of different lengths.
        let mut fields: Vec<&[u8]> = vec![&approvals, &flags, &expiry];
        fields.extend(changes.iter().map(<[u8; 2]>::as_slice));
        fields.extend(refresh.iter().map(<[u8; 8]>::as_slice));
        encoding::hash("quorate/policy/v1", &fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_a_request_waits_a_week_for_min_signers_consents() {
        let policy = Policy::for_min_signers(3);
        assert_eq!((policy.approvals_required, policy.expiry), (3, 604_800_000));
        assert!(policy.requester_may_approve && !policy.auto_approve);
    }

    #[test]
    fn each_field_changes_the_hash() {
        let policy = Policy::for_min_signers(2);
        let others = [
            Policy { approvals_required: 3, ..policy.clone() },
            Policy { requester_may_approve: false, ..policy.clone() },
            Policy { auto_approve: true, ..policy.clone() },
            Policy { expiry: 1, ..policy.clone() },
            Policy { changes_required: Some(2), ..policy.clone() },
            Policy { changes_required: Some(3), ..policy.clone() },
            Policy { refresh_every: Some(2), ..policy.clone() },
            Policy { refresh_every: Some(3), ..policy.clone() },
        ];
        for other in others {
            assert_ne!(other.hash(), policy.hash(), "{other:?}");
        }
    }
}
