//! The founding of an IVN, and how accounts get in.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::identity::{AccountKeys, PublicKey};
use crate::names::{AccountName, Digest, Timestamp};

/// What an account may do. Roles add up.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Decides who is on the roster, with which roles, and defines groups. Can not sign by this role.
    Admin,
    /// Can be a member of signing groups.
    Member,
    /// Can submit documents where a policy lets it.
    Requester,
    /// Reads the log.
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

/// The founding statement.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// First part of the log's origin, `<deployment>/ivn/<ivn id>`: a host name or another schema-less URL.
    pub deployment: String,
    /// What people call this IVN.
    pub name: String,
    /// The first admin's keys; its name is the statement's author.
    pub admin: AccountKeys,
    /// The first admin's roles.
    pub roles: BTreeSet<Role>,
    /// Signs checkpoints.
    pub log_key: PublicKey,
    /// Signs the coordinator's own entries.
    pub coordinator_key: PublicKey,
    /// SHA-256 of the DER of the IVN's CA certificate.
    pub ca: Digest,
    /// Random, so that no two IVNs have one id.
    pub nonce: Digest,
}

/// An invitation.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// The name of the account to be.
    pub name: AccountName,
    /// Its roles.
    pub roles: BTreeSet<Role>,
    /// The public half of a one-time key, whose private half is in the join URL; [`PublicKey::NOBODYS`] where an earlier
    /// invitation is only taken back.
    pub key: PublicKey,
    /// When it stops being good.
    pub expires_at: Timestamp,
    /// Of an account that is on the roster and has lost its keys: the identity key that it has. Who accepts gives it
    /// others, and the roles are those that it has. It holds no shares then, and has no say in its groups, until their
    /// members give it one back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<PublicKey>,
}

impl Invitation {
    /// Whether it lets nobody in: it takes the place of one that is withdrawn.
    pub fn is_withdrawal(&self) -> bool {
        self.key == PublicKey::NOBODYS
    }
}
