//! Views of accounts.

use std::collections::BTreeSet;

use quorate_ceremony::entry::Role;
use quorate_ceremony::identity::PublicKey;
use quorate_ceremony::names::{AccountName, GroupName, Timestamp};
use quorate_ceremony::state::{Health, Shortfall};
use serde::{Deserialize, Serialize};

/// A present or former account.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AccountView {
    pub account: AccountName,
    pub standing: Standing,
    /// Empty if the account was removed.
    pub roles: BTreeSet<Role>,
    /// Whether the coordinator reports its node as connected.
    pub online: bool,
    /// Whether two copies of its node ran, and neither was restarted since.
    pub duplicated: bool,
    /// The present identity key; `None` if the account was removed.
    pub identity: Option<PublicKey>,
    /// Index of the entry that admitted it, if it is on the roster.
    pub admitted: Option<u64>,
    /// Index of the entry with its present keys, if it is on the roster.
    pub keyed: Option<u64>,
    /// Index of the entry that removed it.
    pub removed: Option<u64>,
    /// The groups whose definitions have it as a member.
    pub groups: Vec<MembershipView>,
    /// The groups that without its share would have at most as many healthy shares as a signature
    /// takes.
    pub shortfalls: Vec<Shortfall>,
}

/// Whether an account may act.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    Active,
    /// It may not act until an admin resumes it.
    Suspended,
    /// It may never act again.
    Removed,
}

/// An account's share of a group's key.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct MembershipView {
    pub group: GroupName,
    /// The state of the share in the log; `None` while the group has no key.
    pub health: Option<Health>,
}

/// An open invitation.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct InvitedView {
    pub account: AccountName,
    pub roles: BTreeSet<Role>,
    pub expires_at: Timestamp,
    /// Whether it gives an account on the roster new keys.
    pub replaces_keys: bool,
}
