//! What a node answers about groups: where they stand, how their shares are, and what is proposed
//! to change about them.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::entry::{AbortReason, GroupDefinition};
use quorate_ceremony::names::{AccountName, DocumentType, EntryId, GroupName, Timestamp};
use quorate_ceremony::policy::Policy;
use quorate_ceremony::state::{Health, PastChange, SessionPhase, Unable};
use serde::{Deserialize, Serialize};

/// A group.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct GroupView {
    pub name: GroupName,
    /// The account whose node answers.
    pub seen_by: AccountName,
    /// Whether that node is connected: otherwise nothing is known of who is online.
    pub connected: bool,
    pub state: GroupStage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionView>,
    /// How the latest session ended, if it was to make the key and there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<StoppedView>,
    /// Whether it can sign now, once there is a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<SigningStage>,
    pub suite: String,
    /// How many members it takes to sign.
    pub min_signers: u16,
    /// How many members there are.
    pub max_signers: u16,
    /// Which documents it signs; empty: those without a type.
    pub document_types: BTreeSet<DocumentType>,
    pub policy: Policy,
    pub members: Vec<MemberView>,
    /// The verifying key in hex, once there is one.
    pub verifying_key: Option<String>,
    /// Counts the key's sets of shares.
    pub epoch: Option<u64>,
    /// Whether this node should have a share of the key and has none: its data was lost, or
    /// restored without it.
    #[serde(default)]
    pub lacks_share: bool,
    /// How many members' nodes showed lately that they have their shares, once there is a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy: Option<usize>,
    /// How many members can use their shares, as far as is known, once there is a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub able: Option<usize>,
    /// When new shares are to be made automatically, if the policy asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<RefreshView>,
    /// What is proposed to change, or under way.
    pub change: Option<Box<ChangeView>>,
    /// The latest change that is not pending any more.
    pub past_change: Option<PastChange>,
    /// Shares that were made by the latest change, or attempts to carry it out, and never came into
    /// use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unused: Option<UnusedView>,
    /// Sessions so far.
    pub attempts: usize,
    /// How long the successful DKG took, in milliseconds by the log's own times.
    pub dkg_ms: Option<u64>,
}

/// A session under way.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SessionView {
    pub phase: SessionPhase,
    /// Whose message it waits for.
    pub missing: Vec<AccountName>,
    /// How many dealers, or in a repair helpers, are enough.
    pub dealers_needed: usize,
    /// The member whose share it repairs.
    pub repairs: Option<AccountName>,
    /// Where it cannot succeed: whether another session follows automatically.
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
    /// Who stated to have one. Others may have theirs, too.
    pub certified: BTreeSet<AccountName>,
    /// How many were to get one.
    pub holders: usize,
    /// How many of them make a signature.
    pub min_signers: u16,
}

/// New shares that a group's policy wants made automatically.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RefreshView {
    pub due: Timestamp,
    /// The members because of whom that does not happen.
    #[serde(default)]
    pub hindered_by: Vec<(AccountName, Unable)>,
}

/// Whether a group with a key can sign.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SigningStage {
    /// Enough members who can use their shares are online.
    Ready,
    /// Not before more of them are online.
    TooFewOnline,
    /// Too few members can use their shares, online or not.
    TooFewShares,
    /// Enough members can use their shares; who is online is not known while there is no
    /// connection.
    Unknown,
}

impl SigningStage {
    /// By how many members it takes, how many can use their shares, and how many of these are
    /// online, if that is known.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionView>,
    /// Whether it only makes new shares.
    pub refresh: bool,
    /// The member whose lost share is to be restored, where that is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repairs: Option<AccountName>,
    /// When the log last showed that this member's node has its share, if that was lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_shown: Option<Timestamp>,
    /// Members with new keys, who would receive a share again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub regains: BTreeSet<AccountName>,
    pub now: GroupDefinition,
    pub after: GroupDefinition,
    /// Who would join.
    pub added: BTreeSet<AccountName>,
    /// Who would leave.
    pub removed: BTreeSet<AccountName>,
    pub approved: bool,
    pub approvals_required: u16,
    pub approvals: BTreeSet<AccountName>,
    /// Who rejected, and why.
    pub refusals: BTreeMap<AccountName, String>,
    /// Members who have not decided and still can.
    pub undecided: BTreeSet<AccountName>,
    /// Who has not accepted yet to join.
    pub not_accepted: BTreeSet<AccountName>,
    /// Who would receive a share, and is suspended.
    #[serde(default)]
    pub suspended: Vec<AccountName>,
    /// Who would receive a share, and is offline.
    #[serde(default)]
    pub offline: Vec<AccountName>,
    /// Whether it waits for this account's decision.
    pub decides: bool,
    /// Whether it waits for this account to accept to join.
    pub accepts: bool,
    /// Until when it can be decided and begun.
    pub expires_at: Timestamp,
}

/// Where a group stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupStage {
    /// Waits for members to accept the definition.
    Defined,
    /// All accepted; the DKG starts when all are connected.
    Accepted,
    /// DKG rounds 1 to 3.
    Generating,
    /// DKG round 4.
    Certifying,
    /// DKG round 5.
    Activating,
    Ready,
    /// The DKG ended without a key, and no other follows automatically.
    Failed,
}

impl GroupStage {
    /// Whether nothing more happens automatically.
    pub fn is_final(self) -> bool {
        match self {
            Self::Defined
            | Self::Accepted
            | Self::Generating
            | Self::Certifying
            | Self::Activating => false,
            Self::Ready | Self::Failed => true,
        }
    }
}

/// A member of a group.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct MemberView {
    pub account: AccountName,
    pub identifier: u16,
    /// Whether its node is connected, by the coordinator's word.
    pub online: bool,
    pub accepted: bool,
    /// Whether the running DKG waits for it.
    pub awaited: bool,
    /// Its share, once there is a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
}

/// A member's share, as the node that answers knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    /// What the log shows of it.
    Shown(Health),
    /// It is the answering node's own, which should have it and has not.
    Missing,
}

impl Share {
    /// Whether its holder can sign with it, as far as is known.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Shown(Health::Healthy { .. } | Health::Silent { .. }))
    }

    /// Whether its holder showed lately that it has it.
    pub fn is_healthy(self) -> bool {
        matches!(self, Self::Shown(Health::Healthy { .. }))
    }

    /// When its holder last showed that it has it, if it can use it.
    pub fn proved(self) -> Option<Timestamp> {
        match self {
            Self::Shown(Health::Healthy { proved } | Health::Silent { proved }) => Some(proved),
            _ => None,
        }
    }
}
