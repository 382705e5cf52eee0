//! A group's key: the holders of its shares, which of them can use theirs, and earlier epochs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use quorate_protocol::Identifier;
use quorate_protocol::keys::PublicKeyPackage;
use serde::{Deserialize, Serialize};

use crate::encoding::Encoder;
use crate::names::{AccountName, Digest, GroupName, IvnId, SessionId, Timestamp};
use crate::state::model::turn::Turn;

/// How long a proof of possession counts, in milliseconds: three days.
pub const HEALTHY_FOR: u64 = 3 * 24 * 3_600_000;

#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct GroupKey {
    /// Counts the key's sets of shares; 1 after the DKG.
    pub epoch: u64,
    /// The session that made these shares.
    pub session: SessionId,
    /// The holders of shares. Each keeps its identifier in all epochs.
    pub identifiers: BTreeMap<AccountName, Identifier>,
    pub public: PublicKeyPackage,
    pub index: u64,
    /// When that session started, by the coordinator's clock, as far as its members confirm it.
    pub started: Timestamp,
    /// By the coordinator's clock, as far as the group's members confirm it.
    pub activated: Timestamp,
    /// The time of each holder's latest proof of possession after the activation.
    pub proved: BTreeMap<AccountName, Timestamp>,
    /// Each holder's latest statement that proves it.
    pub(in crate::state) proofs: BTreeMap<AccountName, Turn>,
    pub(in crate::state) unable: BTreeMap<AccountName, Unable>,
    /// Holders whose shares may also exist with an account's former keys, where nobody will state
    /// that they are destroyed.
    pub(in crate::state) lost: BTreeSet<AccountName>,
    /// The highest identifier that was ever given out. A joiner gets a higher one.
    pub(in crate::state) highest: u16,
}

#[expect(missing_docs, reason = "the names say it")]
impl GroupKey {
    pub fn min_signers(&self) -> usize {
        usize::from(self.public.min_signers())
    }

    pub fn holder(&self, identifier: Identifier) -> Option<&AccountName> {
        name_of(&self.identifiers, identifier)
    }

    /// Holders that can deal their shares, except for these culprits.
    pub(in crate::state) fn dealers<'a>(
        &'a self,
        culprits: &'a BTreeSet<AccountName>,
    ) -> impl Iterator<Item = &'a AccountName> {
        let able = self.identifiers.keys().filter(|name| !self.unable.contains_key(*name));
        able.filter(|name| !culprits.contains(*name))
    }
}

/// A set of shares that is not in force any more. Anyone who kept min_signers of them can still
/// sign: only the holders' statements say that they were destroyed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct PastEpoch {
    pub epoch: u64,
    pub session: SessionId,
    pub holders: BTreeSet<AccountName>,
    pub destroyed: BTreeSet<AccountName>,
    /// Holders that will never state it, because they were removed or their keys were replaced.
    pub lost: BTreeSet<AccountName>,
}

#[expect(missing_docs, reason = "the names say it")]
impl PastEpoch {
    /// Whether this account still has to destroy its share and to state that.
    pub fn is_owed_by(&self, name: &AccountName) -> bool {
        self.holders.contains(name) && !self.destroyed.contains(name) && !self.lost.contains(name)
    }

    pub fn owed_by(&self) -> impl Iterator<Item = &AccountName> {
        self.holders.iter().filter(|name| self.is_owed_by(name))
    }
}

/// Why a holder cannot use its share, or must not.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Unable {
    Suspended,
    /// An admin replaced its keys: the share is on the disk of its earlier node.
    Replaced,
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

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Health {
    /// A recent proof shows that its node has it.
    Healthy {
        proved: Timestamp,
    },
    /// There is no proof younger than [`HEALTHY_FOR`].
    Silent {
        proved: Timestamp,
    },
    /// Two copies of its node ran, and neither has restarted since, so neither signs.
    Doubled,
    Unable(Unable),
}

/// The context of `account`'s proof that it can use its share. The time prevents that an old proof
/// is repeated later.
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

pub(in crate::state) fn name_of(
    identifiers: &BTreeMap<AccountName, Identifier>,
    identifier: Identifier,
) -> Option<&AccountName> {
    identifiers.iter().find(|(_, id)| **id == identifier).map(|(name, _)| name)
}
