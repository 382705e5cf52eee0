//! What a node tells of accounts: who they are, whether they may act, and what depends on their shares.

use std::collections::BTreeSet;

use quorate_ceremony::entry::Role;
use quorate_ceremony::identity::PublicKey;
use quorate_ceremony::names::{AccountName, GroupName, Timestamp};
use serde::{Deserialize, Serialize};

/// An account, present or former.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AccountView {
    /// How it stands, in one sentence.
    pub sentence: String,
    /// Its name.
    pub account: AccountName,
    /// Whether it may act.
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
    pub shortfalls: Vec<ShortfallView>,
}

/// Whether an account may act.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It may.
    Active,
    /// Not until an admin resumes it.
    Suspended,
    /// Never again.
    Removed,
}

/// An account's share of a group's key.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct MembershipView {
    /// The group.
    pub group: GroupName,
    /// What the log shows of the share.
    pub share: ShareState,
    /// That in words.
    pub detail: String,
    /// When it was shown last that the share can be used.
    pub proved: Option<Timestamp>,
}

/// What the log shows of a share.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShareState {
    /// The group has no key yet.
    NoKey,
    /// It was shown lately that its node has it.
    Healthy,
    /// Nothing has shown that for a while.
    Silent,
    /// Two copies of its node ran, and none has started anew since: neither signs.
    Doubled,
    /// It can not be used.
    Unable,
}

/// A group that would have too few healthy shares, or just enough.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ShortfallView {
    /// Which.
    pub group: GroupName,
    /// How many members it takes to sign.
    pub min_signers: usize,
    /// How many members there are.
    pub members: usize,
    /// How many healthy shares there would be.
    pub healthy: usize,
}

impl ShortfallView {
    /// Whether nothing could be signed any more.
    pub fn is_fatal(&self) -> bool {
        self.healthy < self.min_signers
    }
}

impl std::fmt::Display for ShortfallView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { group, min_signers, members, healthy } = self;
        write!(f, "{group}: {min_signers} of {members} sign, {healthy} healthy would be left")
    }
}

/// An open invitation.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct InvitedView {
    /// Whom it lets in.
    pub account: AccountName,
    /// With which roles.
    pub roles: BTreeSet<Role>,
    /// Until when.
    pub expires_at: Timestamp,
    /// Whether it gives an account on the roster other keys.
    pub replaces_keys: bool,
}
