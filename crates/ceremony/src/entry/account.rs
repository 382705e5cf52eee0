//! The founding of an IVN, and the invitations of accounts.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::identity::{AccountKeys, PublicKey};
use crate::names::{AccountName, Digest, Timestamp};

/// The permissions of an account, which add up.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Role {
    /// Decides about accounts and their roles, and defines groups. This role alone cannot sign.
    Admin,
    Member,
    /// Can make requests if a group's policy permits that.
    Requester,
    Auditor,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Requester => "requester",
            Self::Auditor => "auditor",
        })
    }
}

#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Genesis {
    /// The first part of the log's origin, `<deployment>/ivn/<ivn id>`: a host name or a
    /// schema-less URL.
    pub deployment: String,
    pub name: String,
    /// The first admin's keys. Its name is the statement's author.
    pub admin: AccountKeys,
    pub roles: BTreeSet<Role>,
    /// Signs checkpoints.
    pub log_key: PublicKey,
    /// Signs the coordinator's own entries.
    pub coordinator_key: PublicKey,
    /// SHA-256 of the DER of the IVN's CA certificate.
    pub ca: Digest,
    /// Random, so that no two IVNs have the same id.
    pub nonce: Digest,
}

impl Genesis {
    /// The keys with which the first coordinator runs the log and the network.
    pub fn coordinator(&self) -> CoordinatorKeys {
        let Self { log_key, coordinator_key, ca, .. } = self;
        CoordinatorKeys { log_key: *log_key, coordinator_key: *coordinator_key, ca: *ca }
    }
}

/// The keys with which a coordinator runs the log and the network.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorKeys {
    /// Signs checkpoints.
    pub log_key: PublicKey,
    /// Signs the coordinator's own entries.
    pub coordinator_key: PublicKey,
    /// SHA-256 of the DER of the IVN's CA certificate.
    pub ca: Digest,
}

#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Invitation {
    pub name: AccountName,
    pub roles: BTreeSet<Role>,
    /// The public half of a one-time key, whose private half is in the join URL.
    /// [`PublicKey::NOBODYS`] if this only withdraws an earlier invitation.
    pub key: PublicKey,
    pub expires_at: Timestamp,
    /// The present identity key of an account that lost its keys. The person that accepts gives the
    /// account new keys. It keeps its roles, but holds no shares and has no vote in its groups
    /// until their members give it a share again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<PublicKey>,
}

impl Invitation {
    /// Whether it admits nobody and only withdraws an earlier invitation.
    pub fn is_withdrawal(&self) -> bool {
        self.key == PublicKey::NOBODYS
    }
}
