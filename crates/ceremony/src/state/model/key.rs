//! A group's key: who holds which share of it, who can use its share, and the epochs before.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use quorate_protocol::Identifier;
use quorate_protocol::keys::PublicKeyPackage;
use serde::{Deserialize, Serialize};

use crate::encoding::Encoder;
use crate::names::{AccountName, Digest, GroupName, IvnId, SessionId, Timestamp};

/// For how long what showed that a node has its share is good, in milliseconds: three days.
pub const HEALTHY_FOR: u64 = 3 * 24 * 3_600_000;

/// A group's key, and who holds which share of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupKey {
    /// Counts the key's sets of shares; 1 after the DKG.
    pub epoch: u64,
    /// The session that made these shares.
    pub session: SessionId,
    /// Who holds a share, and which: a holder's identifier stays its own in all epochs.
    pub identifiers: BTreeMap<AccountName, Identifier>,
    /// Verifying key and all verifying shares.
    pub public: PublicKeyPackage,
    /// Index of the entry that activated it.
    pub index: u64,
    /// When that session started, by the log's time.
    pub started: Timestamp,
    /// When it was activated, by the log's time.
    pub activated: Timestamp,
    /// When it was last shown that a holder's node has its share, where that was after the activation.
    pub proved: BTreeMap<AccountName, Timestamp>,
    /// Holders that can not use their shares, or must not.
    pub unable: BTreeMap<AccountName, Unable>,
    /// Whose shares may also be where nobody will say that they are destroyed: with an account's former keys.
    pub lost: BTreeSet<AccountName>,
    /// The highest identifier that anybody ever had: whoever joins gets a higher one.
    pub(in crate::state) highest: u16,
}

impl GroupKey {
    /// How many of its shares make a signature.
    pub fn min_signers(&self) -> usize {
        usize::from(self.public.min_signers())
    }

    /// The holder with that identifier.
    pub fn holder(&self, identifier: Identifier) -> Option<&AccountName> {
        name_of(&self.identifiers, identifier)
    }

    /// Whose shares may be dealt: all holders' that can, but for those who were caught cheating.
    pub(in crate::state) fn dealers<'a>(
        &'a self,
        culprits: &'a BTreeSet<AccountName>,
    ) -> impl Iterator<Item = &'a AccountName> {
        let able = self.identifiers.keys().filter(|name| !self.unable.contains_key(*name));
        able.filter(|name| !culprits.contains(*name))
    }
}

/// A set of shares that is not in force any more. Whoever kept min_signers of them can still sign: that they were
/// destroyed is the holders' word.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PastEpoch {
    /// Its number.
    pub epoch: u64,
    /// The session that made its shares.
    pub session: SessionId,
    /// Who held one.
    pub holders: BTreeSet<AccountName>,
    /// Who of them stated that it destroyed its own.
    pub destroyed: BTreeSet<AccountName>,
    /// Who of them never will: their accounts are gone, or their keys were replaced, and where the copies are is not known.
    pub lost: BTreeSet<AccountName>,
}

impl PastEpoch {
    /// Whether this account held a share of it that may still be on its node's disk: it is to destroy it, and to say so.
    pub fn is_owed_by(&self, name: &AccountName) -> bool {
        self.holders.contains(name) && !self.destroyed.contains(name) && !self.lost.contains(name)
    }

    /// Whose shares of it may still be on their nodes' disks.
    pub fn owed_by(&self) -> impl Iterator<Item = &AccountName> {
        self.holders.iter().filter(|name| self.is_owed_by(name))
    }
}

/// Why a holder can not use its share, or must not.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unable {
    /// An admin suspended its account.
    Suspended,
    /// An admin replaced its keys: the share is with whoever has the node that was there before.
    Replaced,
    /// It is not on the roster any more.
    Removed,
}

impl fmt::Display for Unable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Suspended => "suspended",
            Self::Replaced => "lost its share with its former keys",
            Self::Removed => "removed from the roster",
        })
    }
}

/// What the log shows of a member's share.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// It was shown lately that its node has it.
    Healthy {
        /// When.
        proved: Timestamp,
    },
    /// Nothing has shown that for longer than [`HEALTHY_FOR`].
    Silent {
        /// When it was shown last.
        proved: Timestamp,
    },
    /// Two copies of its node ran, and none has started anew since: neither signs.
    Doubled,
    /// It can not be used.
    Unable(Unable),
}

/// What a proof that `account` can use its share is about. Without a time of its own it would be good for ever.
pub fn possession_context(
    ivn: IvnId,
    group: &GroupName,
    epoch: u64,
    account: &AccountName,
    at: Timestamp,
) -> Digest {
    Encoder::new("quorate/share-proof/v1")
        .field(1, ivn.as_bytes())
        .field(2, group.as_str())
        .field(3, epoch.to_be_bytes())
        .field(4, account.as_str())
        .field(5, at.0.to_be_bytes())
        .digest()
}

/// Who has this identifier.
pub(in crate::state) fn name_of(
    identifiers: &BTreeMap<AccountName, Identifier>,
    identifier: Identifier,
) -> Option<&AccountName> {
    identifiers.iter().find(|(_, id)| **id == identifier).map(|(name, _)| name)
}
