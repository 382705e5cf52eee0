//! What a node answers about accounts: who they are, whether they may act, and what depends on
//! their shares.

use std::collections::BTreeSet;

use quorate_ceremony::entry::Role;
use quorate_ceremony::identity::PublicKey;
use quorate_ceremony::names::{AccountName, GroupName, Timestamp};
use quorate_ceremony::state::{Health, Shortfall};
use serde::{Deserialize, Serialize};

/// An account, present or former.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AccountView {
    pub account: AccountName,
    pub standing: Standing,
    /// What it may do; empty if it was removed.
    pub roles: BTreeSet<Role>,
    /// Whether its node is connected, by the coordinator's word.
    pub online: bool,
    /// Whether two copies of its node ran, and none has started anew since.
    pub duplicated: bool,
    /// Its present identity key, in hex; none if it was removed.
    pub identity: Option<PublicKey>,
    /// Index of the entry that admitted it, if it is on the roster.
    pub admitted: Option<u64>,
    /// Index of the entry with its present keys, if it is on the roster.
    pub keyed: Option<u64>,
    /// Index of the entry that removed it.
    pub removed: Option<u64>,
    /// The groups that it is a member of, by their definitions.
    pub groups: Vec<MembershipView>,
    /// The groups that would have as few healthy shares as a signature takes, or fewer, without its own.
    pub shortfalls: Vec<Shortfall>,
}

/// Whether an account may act.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    Active,
    /// Not until an admin resumes it.
    Suspended,
    Removed,
}

/// An account's share of a group's key.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct MembershipView {
    pub group: GroupName,
    /// What the log shows of the share; nothing while the group has no key.
    pub health: Option<Health>,
}

/// An open invitation.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct InvitedView {
    pub account: AccountName,
    pub roles: BTreeSet<Role>,
    pub expires_at: Timestamp,
    /// Whether it gives an account on the roster other keys.
    pub replaces_keys: bool,
}
