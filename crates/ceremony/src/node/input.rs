//! The inputs and commands of a node.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::document::Document;
use crate::effect::{CommandId, NodeDeadline};
use crate::entry::{GroupDefinition, Invitation, Role};
use crate::identity::PublicKey;
use crate::message::FromCoordinator;
use crate::names::{AccountName, Digest, DocumentType, EntryId, GroupName, SessionId};
use crate::policy::Output;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Config {
    /// Accept group definitions that name this account, and invitations to join a group by a
    /// change, without asking.
    pub auto_accept: bool,
    /// Approve requests without asking if the group's policy has `auto_approve` too.
    pub auto_approve: bool,
    /// The log key of the coordinator that this node trusts, if that is not the first one. See
    /// [`crate::entry::Replacement`].
    pub log_key: Option<PublicKey>,
}

#[derive(Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Input {
    Connected,
    Disconnected,
    Received(FromCoordinator),
    /// The answer to [`NodeEffect::FetchDocument`](crate::effect::NodeEffect::FetchDocument).
    Document {
        request: EntryId,
        /// The document, or `None` if it is unavailable now.
        document: Option<Document>,
    },
    Command(CommandId, Command),
    /// A deadline set by [`NodeEffect::SetDeadline`](crate::effect::NodeEffect::SetDeadline) has
    /// passed.
    Deadline(NodeDeadline),
}

#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Command {
    /// Needs the admin role.
    Invite(Invitation),
    /// Withdraws the open invitation of this name. Needs the admin role.
    WithdrawInvitation(AccountName),
    /// Needs the admin role.
    Suspend(AccountName),
    /// Needs the admin role.
    Resume(AccountName),
    /// Announces the coordinator's new address.
    MoveHub(String),
    /// Removes an account permanently. Needs the admin role.
    Remove(AccountName),
    /// Replaces all roles of an account. Needs the admin role.
    SetRoles(AccountName, BTreeSet<Role>),
    /// Needs the admin role.
    DefineGroup(GroupDefinition),
    /// Proposes to change a group that has a key.
    ChangeGroup(Proposal),
    /// Cancels a running key generation. Needs the admin role.
    CancelSession(SessionId),
    /// Withdraws a proposed change, as its proposer or an admin.
    WithdrawChange(EntryId),
    /// Asks a group to sign a document that the other members' nodes can already fetch.
    Request {
        group: GroupName,
        document_type: Option<DocumentType>,
        output: Output,
        /// How many signatures the output takes.
        signatures: u8,
        /// The salted commitment to the document.
        document: Digest,
        /// The lifetime of the request, in milliseconds. Absent: the policy's limit.
        expires_in: Option<u64>,
    },
    /// Consents: as a member by an approval, or by acceptance if the account would become a member.
    Approve(Motion),
    Reject {
        motion: Motion,
        reason: String,
    },
    /// Withdraws this account's own request.
    WithdrawRequest(EntryId),
}

/// What an account decides on: its kind and its full id.
///
/// An order carries both, so that it cannot be carried out on a thing of another kind than the one
/// that the account holder was shown, whatever their ids are.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Motion {
    Request(EntryId),
    /// A proposed change of a group that has a key.
    Change(EntryId),
    /// The definition of a group that has no key yet. It can be accepted, and not rejected.
    Definition(EntryId),
}

#[expect(missing_docs, reason = "the names say it")]
impl Motion {
    pub fn id(self) -> EntryId {
        match self {
            Self::Request(id) | Self::Change(id) | Self::Definition(id) => id,
        }
    }
}

/// A change of a group, as it is proposed.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Proposal {
    pub definition: GroupDefinition,
    /// The epoch that the proposer saw.
    pub epoch: u64,
    /// The lifetime of the proposal, in milliseconds. Absent: the policy's limit.
    pub expires_in: Option<u64>,
    /// The member whose lost share is repaired. The definition is then the present one.
    pub repairs: Option<AccountName>,
    /// Whether the group is to be retired. The definition is then the present one.
    #[serde(default)]
    pub retires: bool,
}

impl Proposal {
    /// Proposes a change that repairs no share and does not retire the group, for as long as the
    /// policy permits.
    pub fn new(definition: GroupDefinition, epoch: u64) -> Self {
        Self { definition, epoch, expires_in: None, repairs: None, retires: false }
    }
}
