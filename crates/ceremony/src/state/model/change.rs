//! A proposed change of a group that has a key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use quorate_protocol::Identifier;
use serde::{Deserialize, Serialize};

use crate::entry::{AbortReason, GroupChange};
use crate::names::{AccountName, EntryId, Timestamp};
use crate::policy::{Decision, decide};

/// A change that is proposed or is being carried out.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Change {
    pub id: EntryId,
    pub proposer: AccountName,
    pub proposal: GroupChange,
    pub approvals: BTreeSet<AccountName>,
    pub refusals: BTreeMap<AccountName, String>,
    pub approvals_required: u16,
    /// Accounts that would join, and accepted that.
    pub accepted: BTreeSet<AccountName>,
    /// Whether it has enough approvals. It is carried out once all joiners have accepted and all
    /// participants are connected.
    pub approved: bool,
    /// The identifiers of the participants in its latest session.
    pub(in crate::state) identifiers: BTreeMap<AccountName, Identifier>,
    pub(in crate::state) culprits: BTreeSet<AccountName>,
    /// Members that announced to help in a repair and then held it up. That proves nothing, but the
    /// others are tried first.
    pub(in crate::state) late: BTreeSet<AccountName>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct PastChange {
    pub id: EntryId,
    pub proposer: AccountName,
    pub proposal: GroupChange,
    /// Members and joiners that rejected it, and their reasons.
    pub refusals: BTreeMap<AccountName, String>,
    pub end: ChangeEnd,
}

/// How a change ended. The group is as before unless the change is `Done`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ChangeEnd {
    Done {
        epoch: u64,
    },
    /// The member has its share again.
    Repaired {
        epoch: u64,
    },
    Rejected,
    Declined {
        by: AccountName,
    },
    Lapsed,
    /// It was a refresh, and gave way to this change.
    Replaced {
        by: EntryId,
    },
    Withdrawn {
        by: AccountName,
    },
    /// The group signs nothing any more. Final.
    Retired,
    /// This account was to get a share, and was removed or got new keys meanwhile. It is not the
    /// account that the members approved.
    Void {
        account: AccountName,
    },
    /// Its session failed, for a reason that a new session would not remove.
    Failed(AbortReason),
}

impl fmt::Display for ChangeEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done { epoch } => write!(f, "in force since epoch {epoch}"),
            Self::Repaired { epoch } => write!(f, "the share of epoch {epoch} is there again"),
            Self::Rejected => f.write_str("too many members refused"),
            Self::Declined { by } => write!(f, "{by} does not want to join"),
            Self::Lapsed => f.write_str("it was not carried out in time"),
            Self::Replaced { by } => write!(f, "it gave way to the change {}", by.short()),
            Self::Withdrawn { by } => write!(f, "{by} took it back"),
            Self::Retired => f.write_str("the group is retired"),
            Self::Void { account } => {
                write!(f, "{account} was removed or given new keys meanwhile")
            }
            Self::Failed(reason) => write!(f, "it failed: {reason}"),
        }
    }
}

#[expect(missing_docs, reason = "the names say it")]
impl Change {
    /// Whether it is too late at `now` to decide on it or to begin to carry it out.
    pub fn lapsed(&self, now: Timestamp) -> bool {
        now > self.proposal.expires_at
    }

    pub fn gives_share_to(&self, name: &AccountName) -> bool {
        match &self.proposal.repairs {
            _ if self.proposal.retires => false,
            Some(member) => member == name,
            None => self.proposal.definition.members.contains(name),
        }
    }

    /// The result of its vote while this many members may still decide.
    pub(in crate::state) fn decision(&self, undecided: usize) -> Decision {
        decide(self.approvals_required, self.approvals.len(), undecided)
    }
}
