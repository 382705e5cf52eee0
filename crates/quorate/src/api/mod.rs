//! Questions and orders to a node, and its answers: data only, no transport.

mod account;
mod code;
mod group;
mod named;
mod problem;
mod status;

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::Body;
use quorate_ceremony::names::{AccountName, Digest, DocumentType, EntryId, GroupName, Timestamp};
use quorate_documents::{Meaning, Preview};
use serde::{Deserialize, Serialize};

pub use account::{AccountView, InvitedView, MembershipView, Standing};
pub use code::{Code, Exit};
pub use group::{
    ChangeView, GroupStage, GroupView, MemberView, RefreshView, SessionView, Share, SigningStage,
    StoppedView, UnusedView,
};
pub use named::Named;
pub use problem::{HttpProblem, PROBLEM_TYPE, Problem};
pub use quorate_ceremony::node::{Command, Motion, Proposal};
pub use quorate_ceremony::state::RequestStage;
pub use status::{BlockedView, StatusView, TroubleKind, TroubleView};

/// A question or an order to a node.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    Query(Query),
    /// Adds a statement to the log.
    Command(Command),
    /// Asks whether the log would accept the statement of a command, and adds nothing.
    Judge(Command),
    /// Requests a group's signature over a document.
    Sign(SignAsk),
    /// Dials the coordinator at this address, `host:port`, from now on.
    Dial {
        hub: String,
    },
}

/// A question to a node. It changes nothing.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Query {
    /// The state of the node and its IVN.
    Status,
    /// What waits for this account's decision. With `watch`, answered again at every change, until
    /// the asker leaves.
    Inbox { watch: bool },
    /// All accounts, including former ones, and open invitations.
    Accounts,
    /// All groups.
    Groups,
    /// With `watch`, answered again at every step until the group has a key or key generation has
    /// failed, and no change is pending.
    Group { name: GroupName, watch: bool },
    /// What an id, or the beginning of it (at least 4 hex digits), names.
    Find { id: String },
    /// All requests, newest first.
    Requests,
    /// A request by its id or the beginning of it (at least 4 hex digits). With `watch`, answered
    /// again at every change until it is decided.
    Request { id: String, watch: bool },
    /// At most `limit` entries of the log from `first` on, as this node verified them.
    Entries { first: u64, limit: u64 },
    /// A proof for anyone with the log's key that the entry at this index is in the log.
    Prove { index: u64 },
    /// The document of a request, by the request's id or the beginning of it.
    Document { id: String },
    /// An evidence file about a request, by the request's id or the beginning of it.
    Evidence { id: String },
    /// A backup of the node.
    Backup,
}

impl From<Command> for Ask {
    fn from(command: Command) -> Self {
        Self::Command(command)
    }
}

impl From<SignAsk> for Ask {
    fn from(ask: SignAsk) -> Self {
        Self::Sign(ask)
    }
}

impl From<Query> for Ask {
    fn from(query: Query) -> Self {
        Self::Query(query)
    }
}

/// A document to be signed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SignAsk {
    pub group: GroupName,
    pub document_type: Option<DocumentType>,
    /// What is made from the signature, such as `ssh:file`, as crate `documents` writes it.
    pub output: String,
    /// The file's name, without its directory.
    pub name: String,
    /// What the requester writes to the approvers.
    pub note: Option<String>,
    /// The file's bytes, which a transport carries separately.
    #[serde(skip)]
    pub document: Vec<u8>,
    /// How long the request can be approved, in milliseconds.
    pub expires_in: Option<u64>,
}

/// An answer of a node.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    Status(Box<StatusView>),
    Inbox(Box<InboxView>),
    /// To [`Query::Requests`].
    Requests {
        requests: Vec<RequestView>,
    },
    Accounts {
        /// The accounts on the roster, and then the former ones.
        accounts: Vec<AccountView>,
        invitations: Vec<InvitedView>,
    },
    Groups {
        groups: Vec<GroupView>,
    },
    Group(Box<GroupView>),
    /// To [`Query::Request`].
    Request(Box<RequestView>),
    /// The statement of a command is in the log, as this entry.
    Logged {
        entry: EntryId,
        index: u64,
    },
    /// To [`Ask::Judge`]: the log would accept it.
    Admissible,
    /// To [`Ask::Dial`]: the node's home has the address.
    Dials {
        hub: String,
    },
    /// To [`Query::Find`].
    Named(Named),
    Entries {
        entries: Vec<EntryView>,
        /// The number of entries in the log.
        size: u64,
    },
    Proof {
        entry: Base64,
        /// In the form of c2sp.org/tlog-proof.
        proof: String,
        /// The log's verifier key (C2SP signed-note vkey).
        log_key: String,
    },
    Document {
        name: String,
        /// The file's bytes, which a transport carries separately.
        #[serde(skip)]
        document: Vec<u8>,
    },
    Evidence {
        /// The whole file.
        #[serde(skip)]
        file: Vec<u8>,
    },
    Backup {
        /// The whole file, sealed under the passphrase of the node's home.
        #[serde(skip)]
        file: Vec<u8>,
    },
    Problem(Problem),
}

/// What waits for an account's decision.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct InboxView {
    pub requests: Vec<RequestView>,
    pub changes: Vec<ChangeView>,
    /// Groups whose first definition waits for this account to accept it.
    pub groups: Vec<GroupView>,
}

impl InboxView {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.changes.is_empty() && self.groups.is_empty()
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RequestView {
    pub id: EntryId,
    pub index: u64,
    pub state: RequestStage,
    pub requester: AccountName,
    pub group: GroupName,
    pub document_type: Option<DocumentType>,
    /// What is made from the signature, such as `ssh:file`, as crate `documents` writes it.
    pub output: String,
    /// What the document says, if this node has it and people cannot read it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// The salted commitment to the document.
    pub document: Digest,
    /// Present if this node has the document.
    pub file_name: Option<String>,
    /// What the requester wrote to the approvers, if this node has the document.
    #[serde(default)]
    pub message: Option<String>,
    /// In bytes, if this node has the document.
    pub file_size: Option<u64>,
    /// In hex, if this node has the document.
    pub file_sha256: Option<String>,
    /// Since when the document is deleted everywhere, as the group's policy demands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_deleted: Option<Timestamp>,
    /// What the signed bytes mean besides the document, if the format is raw, this node has the
    /// document, and the meaning is recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_meaning: Option<Meaning>,
    pub at: Timestamp,
    pub expires_at: Timestamp,
    pub approvals_required: u16,
    pub approvals: BTreeSet<AccountName>,
    /// The members that rejected the request, with their reasons.
    pub refusals: BTreeMap<AccountName, String>,
    /// Whether it was ever approved. Unless it is signed, a signature may then exist that the log
    /// does not contain.
    #[serde(default)]
    pub was_approved: bool,
    /// The members that can still decide.
    pub undecided: BTreeSet<AccountName>,
    /// Those of them whose nodes are offline, as the coordinator reports. Empty if this node is
    /// offline.
    #[serde(default)]
    pub away: BTreeSet<AccountName>,
    /// The group's verifying key in hex.
    pub verifying_key: Option<String>,
    /// The signatures so far, in hex and in the order in which they were made.
    pub signatures: Vec<String>,
    /// Index of the last signature's entry.
    pub signature_index: Option<u64>,
    /// The members whose shares made the signatures.
    pub signers: Vec<AccountName>,
    /// What the signature of an approved request waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<SigningWait>,
}

/// What the signature of an approved request waits for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SigningWait {
    /// Whether the answering node is connected. Otherwise it does not know who is online.
    pub connected: bool,
    pub min_signers: u16,
    /// The shares of the members that approved.
    pub shares: Vec<(AccountName, Share)>,
    pub online: BTreeSet<AccountName>,
}

/// An entry of the log.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct EntryView {
    pub index: u64,
    pub id: EntryId,
    pub author: String,
    /// By the author's clock.
    pub at: Timestamp,
    pub kind: String,
    pub body: Box<Body>,
    /// The group that it is about.
    pub group: Option<GroupName>,
    /// The request or change of a group that it makes, decides or signs.
    pub request: Option<EntryId>,
    /// Whether it is a vote on a change of a group, not on a request.
    pub is_on_change: bool,
}

impl EntryView {
    /// Whether it is a message by which nodes make keys, start, or prove their shares, and not
    /// something that a person did.
    pub fn is_between_nodes(&self) -> bool {
        matches!(
            *self.body,
            Body::NodeStarted { .. }
                | Body::CeremonyMessage { .. }
                | Body::CeremonyCertified { .. }
                | Body::CeremonyStarted { .. }
                | Body::ShareDestroyed { .. }
                | Body::ShareProved { .. }
        )
    }
}
