//! What happens to a node, and what its account holder wants.

use std::collections::BTreeSet;

use crate::document::Document;
use crate::effect::{CommandId, NodeDeadline};
use crate::entry::{GroupDefinition, Invitation, Role};
use crate::message::FromCoordinator;
use crate::names::{AccountName, Digest, DocumentType, EntryId, GroupName};

/// What an account holder decides about its node, once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Config {
    /// Accept group definitions that name this account, and to join a group by a change, without
    /// asking.
    pub auto_accept: bool,
    /// Approve requests without asking, where the group's policy says `auto_approve` too.
    pub auto_approve: bool,
}

/// What happens to a node.
#[derive(Debug)]
pub enum Input {
    /// A connection to the coordinator is up.
    Connected,
    /// It is gone.
    Disconnected,
    /// The coordinator says something.
    Received(FromCoordinator),
    /// Answers [`NodeEffect::FetchDocument`](crate::effect::NodeEffect::FetchDocument).
    Document {
        /// For which request.
        request: EntryId,
        /// The document, or `None` if it cannot be had now.
        document: Option<Document>,
    },
    /// The account holder wants something.
    Command(CommandId, Command),
    /// A deadline set by [`NodeEffect::SetDeadline`](crate::effect::NodeEffect::SetDeadline) has
    /// come.
    Deadline(NodeDeadline),
}

/// What an account holder can tell its node to state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// Invite an account. Needs the admin role.
    Invite(Invitation),
    /// Withdraw an open invitation of this name. Needs the admin role.
    WithdrawInvitation(AccountName),
    /// Suspend an account. Needs the admin role, as do the next three.
    Suspend(AccountName),
    /// Resume a suspended account.
    Resume(AccountName),
    /// Take an account off the roster, permanently.
    Remove(AccountName),
    /// Give an account these roles and no others.
    SetRoles(AccountName, BTreeSet<Role>),
    /// Define a group. Needs the admin role.
    DefineGroup(GroupDefinition),
    /// Accept a group's definition, or to join it by a proposed change.
    AcceptGroup(GroupName),
    /// Propose to change a group that has a key: what it is to be, against the epoch that it is in,
    /// and for how many milliseconds that is good; the policy's limit if absent.
    ChangeGroup {
        /// What the group is to be.
        definition: GroupDefinition,
        /// The epoch that the proposer looked at.
        epoch: u64,
        /// For how long the proposal is good.
        expires_in: Option<u64>,
        /// A member that is to get its lost share back; the definition is the present one then.
        repairs: Option<AccountName>,
    },
    /// Call off a running key generation, which needs the admin role, or take a proposed change
    /// back, which its proposer may, too.
    CancelCeremony(GroupName),
    /// Ask a group to sign a document, which is already where the other members' nodes can fetch
    /// it.
    Request {
        /// The group that is asked to sign.
        group: GroupName,
        /// What kind of document.
        document_type: Option<DocumentType>,
        /// The output format.
        format: String,
        /// Its namespace.
        namespace: Option<String>,
        /// Salted commitment to the document.
        document: Digest,
        /// For how long the request is good, in milliseconds; the policy's limit if absent.
        expires_in: Option<u64>,
    },
    /// Consent to a request.
    Approve(EntryId),
    /// Refuse a request.
    Reject {
        /// The request or change.
        request: EntryId,
        /// The reason that the log gives.
        reason: String,
    },
}
