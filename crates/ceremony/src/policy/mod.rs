//! A group's policy: what its nodes require before they sign a request, and how the group changes.

mod encoding;
mod format;
mod governance;
mod rule;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::names::Digest;

pub use format::{MOST_FORMATS, Output, OutputFormat, OutputFormatError};
pub use governance::{Governance, SHORTEST_REFRESH};
pub use rule::{DEFAULT_EXPIRY, Rule};

#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Policy {
    pub rule: Rule,
    pub governance: Governance,
    /// The output formats that the group signs in. Requests in others are refused by rule.
    pub formats: BTreeSet<OutputFormat>,
    /// How many milliseconds after the end of a request nodes and coordinator delete their copies
    /// of its document. The default is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_documents_after: Option<u64>,
}

/// The shortest time that documents are kept after the end of their request, in milliseconds: an
/// hour, so that the signature file can be made.
pub const SHORTEST_RETENTION: u64 = 3_600_000;

impl Policy {
    /// The default for a key of `min_signers`.
    pub fn for_min_signers(min_signers: u16) -> Self {
        Self::from(Rule::for_min_signers(min_signers))
    }

    /// The hash that a request pins: SHA-256 of the whole policy's canonical encoding, which the
    /// submodule `encoding` documents byte for byte.
    ///
    /// A request is admitted only if it names the policy in force, so its requester and its
    /// approvers mean the same policy. The request then keeps that policy: a later change of the
    /// group never loosens it (invariant S8). The hash covers the governance, too. A change of the
    /// governance alone leaves pending requests as they are, and a request that was signed before
    /// the change but is logged after it must be made again.
    pub fn hash(&self) -> Digest {
        self.encode().digest()
    }

    /// Whether the group signs in this format.
    pub fn serves(&self, format: &OutputFormat) -> bool {
        self.formats.contains(format)
    }

    /// Whether nodes may approve a request in this format automatically. For a raw signature they
    /// never may, because a node cannot know what else its bytes mean.
    pub fn permits_automatic_approval(&self, format: &OutputFormat) -> bool {
        self.rule.auto_approve && format.names_itself()
    }
}

/// The rule with the default governance and the default format. Documents are kept.
impl From<Rule> for Policy {
    fn from(rule: Rule) -> Self {
        let formats = BTreeSet::from([OutputFormat::default()]);
        Self { rule, governance: Governance::default(), formats, delete_documents_after: None }
    }
}

/// The state of a vote.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// More approvals are needed, and enough members can still give them.
    Open,
    /// It has the approvals that it needs.
    Approved,
    /// The members that have not decided are too few to reach the number of approvals.
    Rejected,
}

/// Decides a vote that needs `required` approvals and has `approvals`, while `undecided` members
/// may still approve.
///
/// One rejection alone decides nothing; otherwise a single member could block every signature.
pub fn decide(required: u16, approvals: usize, undecided: usize) -> Decision {
    let missing = usize::from(required).saturating_sub(approvals);
    match missing {
        0 => Decision::Approved,
        _ if missing <= undecided => Decision::Open,
        _ => Decision::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(text: &str) -> OutputFormat {
        text.parse().unwrap()
    }

    #[test]
    fn by_default_a_request_waits_a_week_for_min_signers_approvals() {
        let rule = Policy::for_min_signers(3).rule;
        assert_eq!((rule.approvals_required, rule.expiry), (3, 604_800_000));
        assert!(rule.requester_may_approve && !rule.auto_approve);
    }

    #[test]
    fn a_group_serves_exactly_the_formats_that_it_lists() {
        let mut policy = Policy::for_min_signers(2);
        assert!(policy.serves(&format("ssh:file")));
        for other in ["raw", "ssh", "ssh:git", "raw:file"] {
            assert!(!policy.serves(&format(other)), "{other}");
        }
        policy.formats.insert(format("raw"));
        assert!(policy.serves(&format("raw")) && !policy.serves(&format("raw:file")));
    }

    #[test]
    fn raw_signatures_are_never_approved_automatically() {
        let mut policy = Policy::for_min_signers(2);
        policy.formats.insert("raw".parse().unwrap());
        assert!(!policy.permits_automatic_approval(&format("ssh:file")));
        policy.rule.auto_approve = true;
        assert!(policy.permits_automatic_approval(&format("ssh:file")));
        for other in ["raw", "jws", "ssh-agent", "tuf", "pgp-certificate"] {
            assert!(!policy.permits_automatic_approval(&format(other)), "{other}");
        }
    }

    #[test]
    fn a_vote_is_open_while_enough_members_are_undecided() {
        use Decision::{Approved, Open, Rejected};
        for (required, approvals, undecided, decision) in [
            (2, 0, 3, Open),
            (2, 1, 1, Open),
            (2, 2, 0, Approved),
            (2, 3, 1, Approved),
            (2, 1, 0, Rejected),
            (3, 1, 1, Rejected),
            (0, 0, 0, Approved),
        ] {
            assert_eq!(decide(required, approvals, undecided), decision);
        }
    }
}
