//! Views of groups, their shares, and proposed changes.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::entry::{AbortReason, GroupDefinition};
use quorate_ceremony::names::{
    AccountName, DocumentType, EntryId, GroupName, SessionId, Timestamp,
};
use quorate_ceremony::policy::Policy;
use quorate_ceremony::state::{Health, PastChange, SessionPhase, Unable};
use serde::{Deserialize, Serialize};

/// A group, as one node knows it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct GroupView {
    pub name: GroupName,
    /// The id of the latest definition by an admin.
    pub defined: EntryId,
    /// Whether the definition waits for this account to accept it.
    pub accepts: bool,
    /// The account whose node answers.
    pub seen_by: AccountName,
    /// Whether that node is connected. Otherwise it does not know who is online.
    pub connected: bool,
    pub state: GroupStage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionView>,
    /// How the latest key generation ended, if the group has no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<StoppedView>,
    /// Whether the group can sign now, once there is a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<SigningStage>,
    pub suite: String,
    pub min_signers: u16,
    pub max_signers: u16,
    /// The types of documents that the group signs. Empty for documents without a type.
    pub document_types: BTreeSet<DocumentType>,
    pub policy: Policy,
    pub members: Vec<MemberView>,
    /// In hex, once there is a key.
    pub verifying_key: Option<String>,
    pub epoch: Option<u64>,
    /// Whether this node's share of the key is missing, because its data was lost or restored
    /// without it.
    #[serde(default)]
    pub lacks_share: bool,
    /// How many members' nodes recently proved their shares, once there is a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy: Option<usize>,
    /// How many members can use their shares, as far as is known, once there is a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub able: Option<usize>,
    /// When new shares are due, if the policy asks for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<RefreshView>,
    /// The proposed or running change.
    pub change: Option<Box<ChangeView>>,
    /// The latest change that is no longer pending.
    pub past_change: Option<PastChange>,
    /// The members of a retired group whose nodes have not stated yet that they destroyed their
    /// shares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_by: Vec<AccountName>,
    /// Shares of the latest change or its attempts that never came into use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unused: Option<UnusedView>,
    /// How many sessions there were so far.
    pub attempts: usize,
    /// The duration of the successful DKG, in milliseconds by the log's times.
    pub dkg_ms: Option<u64>,
}

/// A running session.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SessionView {
    pub id: SessionId,
    pub phase: SessionPhase,
    /// The members whose messages it waits for.
    pub missing: Vec<AccountName>,
    /// How many dealers, or helpers in a repair, are enough.
    pub dealers_needed: usize,
    /// The member whose share it repairs.
    pub repairs: Option<AccountName>,
    /// If it cannot succeed: whether another session follows automatically.
    pub is_tried_again: bool,
}

/// How a session ended without a key.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StoppedView {
    pub reason: AbortReason,
    /// Whether another session follows automatically.
    pub is_tried_again: bool,
}

/// Shares that never came into use. Nodes keep them until later ones are in use.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct UnusedView {
    /// The accounts that certified their shares. Others may have theirs as well.
    pub certified: BTreeSet<AccountName>,
    /// How many accounts were to receive a share.
    pub holders: usize,
    pub min_signers: u16,
}

/// New shares that a group's policy wants made automatically.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RefreshView {
    pub due: Timestamp,
    /// The members that prevent it.
    #[serde(default)]
    pub hindered_by: Vec<(AccountName, Unable)>,
}

/// Whether a group with a key can sign.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SigningStage {
    /// Enough members that can use their shares are online.
    Ready,
    /// Too few of them are online.
    TooFewOnline,
    /// Too few members can use their shares, online or not.
    TooFewShares,
    /// Enough members can use their shares, but without a connection this node does not know who is
    /// online.
    Unknown,
}

impl SigningStage {
    /// Decides by how many members it takes, how many can use their shares, and how many of these
    /// are online, if that is known.
    pub fn of(needed: usize, able: usize, online: Option<usize>) -> Self {
        match online {
            _ if able < needed => Self::TooFewShares,
            None => Self::Unknown,
            Some(online) if online >= needed => Self::Ready,
            Some(_) => Self::TooFewOnline,
        }
    }
}

/// A proposed change of a group.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ChangeView {
    pub id: EntryId,
    pub group: GroupName,
    pub proposer: AccountName,
    /// The session that carries it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionView>,
    /// Whether it only makes new shares.
    pub refresh: bool,
    /// The member whose lost share is to be restored, if nothing else changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repairs: Option<AccountName>,
    /// Whether it retires the group.
    #[serde(default)]
    pub retires: bool,
    /// When this member's node last proved its share, if that was recently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_shown: Option<Timestamp>,
    /// Members with new keys that would receive a share again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub regains: BTreeSet<AccountName>,
    pub now: GroupDefinition,
    pub after: GroupDefinition,
    pub added: BTreeSet<AccountName>,
    pub removed: BTreeSet<AccountName>,
    /// Whether the change has the required approvals.
    pub approved: bool,
    pub approvals_required: u16,
    pub approvals: BTreeSet<AccountName>,
    /// The members that rejected the change, with their reasons.
    pub refusals: BTreeMap<AccountName, String>,
    /// Members that have not decided and still can.
    pub undecided: BTreeSet<AccountName>,
    /// Accounts that would join and have not accepted yet.
    pub not_accepted: BTreeSet<AccountName>,
    /// Suspended accounts that would receive a share.
    #[serde(default)]
    pub suspended: Vec<AccountName>,
    /// Offline accounts that would receive a share.
    #[serde(default)]
    pub offline: Vec<AccountName>,
    /// Whether the change waits for this account's decision.
    pub decides: bool,
    /// Whether the change waits for this account to accept membership.
    pub accepts: bool,
    /// When the change can no longer be decided and begun.
    pub expires_at: Timestamp,
}

/// The state of a group.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupStage {
    /// Waits for members to accept the definition.
    Defined,
    /// All have accepted. The DKG starts when all are connected.
    Accepted,
    /// DKG rounds 1 to 3.
    Generating,
    /// DKG round 4.
    Certifying,
    /// DKG round 5.
    Activating,
    Ready,
    /// The DKG failed, and is not tried again automatically.
    Failed,
    /// It signs nothing any more.
    Retired,
}

impl GroupStage {
    /// Whether no further step follows automatically.
    pub fn is_final(self) -> bool {
        match self {
            Self::Defined
            | Self::Accepted
            | Self::Generating
            | Self::Certifying
            | Self::Activating => false,
            Self::Ready | Self::Failed | Self::Retired => true,
        }
    }
}

/// A member of a group.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct MemberView {
    pub account: AccountName,
    pub identifier: u16,
    /// Whether the coordinator reports its node as connected.
    pub online: bool,
    pub accepted: bool,
    /// Whether the running DKG waits for it.
    pub awaited: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
}

/// A member's share, as the answering node knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    /// The state of the share in the log.
    Shown(Health),
    /// The answering node's own share, which is missing.
    Missing,
}

impl Share {
    /// Whether its holder can sign with it, as far as is known.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Shown(Health::Healthy { .. } | Health::Silent { .. }))
    }

    /// Whether its holder recently proved it.
    pub fn is_healthy(self) -> bool {
        matches!(self, Self::Shown(Health::Healthy { .. }))
    }

    /// Returns when its holder last proved it, if the holder can use it.
    pub fn proved(self) -> Option<Timestamp> {
        match self {
            Self::Shown(Health::Healthy { proved } | Health::Silent { proved }) => Some(proved),
            _ => None,
        }
    }
}
