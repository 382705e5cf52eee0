//! A proposed change of a group that has a key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use quorate_protocol::Identifier;
use serde::{Deserialize, Serialize};

use crate::entry::{AbortReason, GroupChange};
use crate::names::{AccountName, EntryId, Timestamp};
use crate::policy::{Decision, decide};

/// A change that is proposed or under way.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its entry.
    pub id: EntryId,
    /// That entry's index.
    pub index: u64,
    /// Who proposed it.
    pub proposer: AccountName,
    /// When, by the log's time.
    pub at: Timestamp,
    /// What the group is to be.
    pub proposal: GroupChange,
    /// Members who consented.
    pub approvals: BTreeSet<AccountName>,
    /// Members who refused, and why.
    pub refusals: BTreeMap<AccountName, String>,
    /// How many consents it takes.
    pub approvals_required: u16,
    /// Who would join, and consents to that.
    pub accepted: BTreeSet<AccountName>,
    /// Whether it has the consents: it is carried out when all who join have accepted and everybody is there.
    pub approved: bool,
    /// What the participants of its latest session were numbered, once there was one.
    pub(in crate::state) identifiers: BTreeMap<AccountName, Identifier>,
    /// Who was caught cheating while it was carried out.
    pub(in crate::state) culprits: BTreeSet<AccountName>,
    /// In a repair, who announced to help and then held it up. That proves nothing, and the others are tried first.
    pub(in crate::state) late: BTreeSet<AccountName>,
}

/// A change that is over.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PastChange {
    /// Its entry.
    pub id: EntryId,
    /// Who proposed it.
    pub proposer: AccountName,
    /// What was proposed.
    pub proposal: GroupChange,
    /// Who had refused, members and who would join, and why.
    pub refusals: BTreeMap<AccountName, String>,
    /// What became of it.
    pub end: ChangeEnd,
}

/// How a change ended. In all cases but one the group is as before.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum ChangeEnd {
    /// It is in force, with these shares.
    Done {
        /// Their epoch.
        epoch: u64,
    },
    /// The member has its share back.
    Repaired {
        /// Of which set of shares.
        epoch: u64,
    },
    /// Too many members refused.
    Rejected,
    /// Who would join by it does not want to.
    Declined {
        /// Who.
        by: AccountName,
    },
    /// It was not carried out in time.
    Lapsed,
    /// It was to make new shares only, and gave way to a change.
    Replaced {
        /// The change's entry.
        by: EntryId,
    },
    /// It was taken back.
    Withdrawn {
        /// By whom.
        by: AccountName,
    },
    /// This account was to get a share by it, and was removed or given other keys meanwhile: it is not who the members
    /// consented to.
    Void {
        /// Whose.
        account: AccountName,
    },
    /// The session that was to carry it out failed, for a reason that would not go away.
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
            Self::Void { account } => {
                write!(f, "{account} was removed or given other keys meanwhile")
            }
            Self::Failed(reason) => write!(f, "it failed: {reason}"),
        }
    }
}

impl Change {
    /// Whether it is too late at `now` to decide on it or to begin to carry it out.
    pub fn lapsed(&self, now: Timestamp) -> bool {
        now > self.proposal.expires_at
    }

    /// Whether this account is to get a share by it.
    pub fn gives_share_to(&self, name: &AccountName) -> bool {
        match &self.proposal.repairs {
            Some(member) => member == name,
            None => self.proposal.definition.members.contains(name),
        }
    }

    /// How its vote stands while so many members may still decide.
    pub(in crate::state) fn decision(&self, undecided: usize) -> Decision {
        decide(self.approvals_required, self.approvals.len(), undecided)
    }
}
