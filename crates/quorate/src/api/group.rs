//! What a node tells of groups: where they stand, how their shares are, and what is proposed to change about them.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::entry::GroupDefinition;
use quorate_ceremony::names::{AccountName, DocumentType, EntryId, GroupName, Timestamp};
use quorate_ceremony::policy::Policy;
use quorate_ceremony::state::{Health, Unable};
use serde::{Deserialize, Serialize};

use super::BlockedView;

/// A group.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct GroupView {
    /// Where it stands, in one sentence.
    pub sentence: String,
    /// Its name.
    pub name: GroupName,
    /// What to do about it, where something is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Where it stands.
    pub state: GroupStage,
    /// Whether it can sign now, once there is a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<SigningStage>,
    /// The suite's name.
    pub suite: String,
    /// How many members it takes to sign.
    pub min_signers: u16,
    /// How many members there are.
    pub max_signers: u16,
    /// Which documents it signs; empty: those without a type.
    pub document_types: BTreeSet<DocumentType>,
    /// What a request needs.
    pub policy: Policy,
    /// The members.
    pub members: Vec<MemberView>,
    /// The verifying key in hex, once there is one.
    pub verifying_key: Option<String>,
    /// Counts the key's sets of shares.
    pub epoch: Option<u64>,
    /// Whether this node should have a share of the key and has none: its data was lost, or restored without it.
    #[serde(default)]
    pub lacks_share: bool,
    /// How many members' nodes showed lately that they have their shares, once there is a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy: Option<usize>,
    /// How the shares are, in one sentence, once there is a key: `3 of 5 needed, 4 healthy; carol not proved for 9 days`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares: Option<String>,
    /// How many members can use their shares, as far as is known, once there is a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub able: Option<usize>,
    /// When new shares are to be made by themselves, if the policy says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<RefreshView>,
    /// What is proposed to change, or under way.
    pub change: Option<Box<ChangeView>>,
    /// How the latest change ended that is not pending any more.
    pub past_change: Option<PastChangeView>,
    /// Shares that were made by the latest change, or attempts to carry it out, and never came into use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unused: Option<UnusedView>,
    /// Sessions so far.
    pub attempts: usize,
    /// How long the successful DKG took, in milliseconds by the log's own times.
    pub dkg_ms: Option<u64>,
}

/// A change of a group that is over.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PastChangeView {
    /// Its id.
    pub id: EntryId,
    /// Whether it is in force.
    pub done: bool,
    /// What became of it, in a sentence.
    pub end: String,
    /// Of which group.
    pub group: GroupName,
    /// What was proposed, in a few words.
    pub what: String,
    /// Who proposed it.
    pub proposer: AccountName,
    /// Who refused, and why.
    pub refusals: BTreeMap<AccountName, String>,
}

/// Shares that never came into use. Nodes keep them until later ones are in use.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct UnusedView {
    /// Who stated to have one. Others may have theirs, too, without having said so.
    pub certified: BTreeSet<AccountName>,
    /// How many were to get one.
    pub holders: usize,
    /// How many of them make a signature.
    pub min_signers: u16,
}

/// New shares that a group's policy wants made by themselves.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RefreshView {
    /// When.
    pub due: Timestamp,
    /// Why that does not happen by itself, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hindered: Option<BlockedView>,
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
    /// Enough members can use their shares; who is online is not known while there is no connection.
    Unknown,
}

/// A proposed change of a group.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ChangeView {
    /// Where it stands, who is missing, and what happens next, in one sentence.
    pub sentence: String,
    /// Its id.
    pub id: EntryId,
    /// Of which group.
    pub group: GroupName,
    /// Who proposes it.
    pub proposer: AccountName,
    /// Whether only the shares are to be others.
    pub refresh: bool,
    /// The member that is to get its lost share back, where that is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repairs: Option<AccountName>,
    /// When the log last showed that this member's node has its share, if that was lately: is it really lost?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_shown: Option<Timestamp>,
    /// Members with other keys than when they got their shares, who would get one again: whoever approves should know that
    /// it is they who have the new keys.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub regains: BTreeSet<AccountName>,
    /// The whole group as it is.
    pub now: GroupDefinition,
    /// The whole group as it would be.
    pub after: GroupDefinition,
    /// Who would join.
    pub added: BTreeSet<AccountName>,
    /// Who would leave.
    pub removed: BTreeSet<AccountName>,
    /// Whether it has the approvals that it needs.
    pub approved: bool,
    /// How many that is.
    pub approvals_required: u16,
    /// Who approved.
    pub approvals: BTreeSet<AccountName>,
    /// Who refused, and why.
    pub refusals: BTreeMap<AccountName, String>,
    /// Members who have not decided and still can.
    pub undecided: BTreeSet<AccountName>,
    /// Who has not accepted yet to join.
    pub not_accepted: BTreeSet<AccountName>,
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
    /// The key is in use.
    Ready,
    /// The DKG ended without a key, and no other follows by itself.
    Failed,
}

/// A member of a group.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct MemberView {
    /// Its name.
    pub account: AccountName,
    /// Its protocol identifier.
    pub identifier: u16,
    /// Whether its node is connected, by the coordinator's word.
    pub online: bool,
    /// Whether it accepted the definition.
    pub accepted: bool,
    /// Whether the running DKG waits for it.
    pub awaited: bool,
    /// What the log shows of its share, once there is a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<ShareView>,
}

/// What the log shows of a member's share.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ShareView {
    /// Its node showed lately that it has it.
    Healthy {
        /// When.
        proved: Timestamp,
    },
    /// Its node has not shown that for more than three days.
    Silent {
        /// When it did last.
        proved: Timestamp,
    },
    /// Two copies of its node ran, and none has started anew since: neither signs.
    Doubled,
    /// Of the node that is asked: it should have the share, and has not.
    Missing,
    /// An admin suspended the account.
    Suspended,
    /// An admin replaced the account's keys; the share went with the former ones.
    Lost,
    /// The account is not on the roster any more.
    Removed,
}

impl ShareView {
    /// Whether its holder can sign with it, as far as is known.
    pub fn is_usable(self) -> bool {
        match self {
            Self::Healthy { .. } | Self::Silent { .. } => true,
            Self::Doubled | Self::Missing | Self::Suspended | Self::Lost | Self::Removed => false,
        }
    }
}

impl From<Health> for ShareView {
    fn from(health: Health) -> Self {
        match health {
            Health::Healthy { proved } => Self::Healthy { proved },
            Health::Silent { proved } => Self::Silent { proved },
            Health::Doubled => Self::Doubled,
            Health::Unable(Unable::Suspended) => Self::Suspended,
            Health::Unable(Unable::Replaced) => Self::Lost,
            Health::Unable(Unable::Removed) => Self::Removed,
        }
    }
}
impl GroupStage {
    /// Whether nothing more happens by itself.
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
