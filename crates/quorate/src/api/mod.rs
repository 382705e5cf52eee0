//! What people and programs can ask of a node, and what it answers: data only, no transport.

mod account;
mod blocked;
mod code;
mod group;
mod problem;
mod status;

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::Body;
use quorate_ceremony::names::{AccountName, Digest, DocumentType, EntryId, GroupName, Timestamp};
use quorate_ceremony::state::{PastChange, Refused};
use serde::{Deserialize, Serialize};

pub use account::{AccountView, InvitedView, MembershipView, Standing};
pub use blocked::BlockedView;
pub use code::{Code, Exit};
pub use group::{
    ChangeView, GroupStage, GroupView, MemberView, RefreshView, SessionView, Share, SigningStage,
    StoppedView, UnusedView,
};
pub use problem::{HttpProblem, PROBLEM_TYPE, Problem};
pub use quorate_ceremony::node::{Command, Proposal};
pub use status::{StatusView, TroubleKind, TroubleView};

/// What is asked of a node.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// What the node knows.
    Query(Query),
    /// To state something in the log.
    Command(Command),
    /// Whether the log would admit what the command states. Nothing is stated.
    Judge(Command),
    /// To have a group sign a document.
    Sign(SignAsk),
}

/// A question about what a node knows; it changes nothing.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Query {
    /// How the node and its IVN are.
    Status,
    /// Requests that wait for this account's decision.
    Inbox,
    /// All accounts, former ones too, and open invitations.
    Accounts,
    /// All groups.
    Groups,
    /// One group. With `watch`, again at every step until it has a key or cannot get one, and no
    /// change is pending.
    Group {
        /// Its name.
        name: GroupName,
        /// Keep answering.
        watch: bool,
    },
    /// A change of a group that is over.
    PastChange {
        /// Its id, or the beginning of it (at least 4 hex digits).
        id: String,
    },
    /// All requests, newest first.
    Requests,
    /// One request. With `watch`, again at every change until it is decided.
    Request {
        /// Its id, or the beginning of it (at least 4 hex digits).
        id: String,
        /// Keep answering.
        watch: bool,
    },
    /// Entries of the log, as this node verified them.
    Entries {
        /// Index of the first.
        first: u64,
        /// How many at most.
        limit: u64,
    },
    /// A proof that an entry is in the log, for someone who has the log's key.
    Prove {
        /// The entry's index.
        index: u64,
    },
    /// The document of a request, as the node fetched it.
    Document {
        /// The request's id, or the beginning of it.
        id: String,
    },
    /// A backup of the node.
    Backup,
}

impl From<Query> for Ask {
    fn from(query: Query) -> Self {
        Self::Query(query)
    }
}

/// A document to be signed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SignAsk {
    /// Who shall sign.
    pub group: GroupName,
    /// What kind of document.
    pub document_type: Option<DocumentType>,
    /// `ssh` or `raw`.
    pub format: String,
    /// The SSHSIG namespace.
    pub namespace: Option<String>,
    /// The file's name, without its directory.
    pub name: String,
    /// The file's bytes. A transport carries them apart from the rest.
    #[serde(skip)]
    pub document: Vec<u8>,
    /// For how long the request is good, in milliseconds.
    pub expires_in: Option<u64>,
}

/// What a node answers.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Query::Status`].
    Status(Box<StatusView>),
    /// To [`Query::Inbox`] and [`Query::Requests`].
    Requests {
        /// The requests.
        requests: Vec<RequestView>,
    },
    /// To [`Query::Accounts`].
    Accounts {
        /// Those on the roster, and then those that were.
        accounts: Vec<AccountView>,
        /// Who may join, or join again.
        invitations: Vec<InvitedView>,
    },
    /// To [`Query::Groups`].
    Groups {
        /// The groups.
        groups: Vec<GroupView>,
    },
    /// To [`Query::Group`].
    Group(Box<GroupView>),
    /// To [`Query::Request`] and [`Ask::Sign`].
    Request(Box<RequestView>),
    /// What was ordered is in the log.
    Logged {
        /// The entry.
        entry: EntryId,
        /// Its index.
        index: u64,
    },
    /// To [`Ask::Judge`]: the log would admit it.
    Admissible,
    /// To [`Query::PastChange`], if there is exactly one.
    PastChange {
        /// What became of it.
        change: Option<PastChange>,
    },
    /// To [`Query::Entries`].
    Entries {
        /// The entries.
        entries: Vec<EntryView>,
        /// Entries in the log.
        size: u64,
    },
    /// To [`Query::Prove`].
    Proof {
        /// The entry's bytes.
        entry: Base64,
        /// The proof, in the form of c2sp.org/tlog-proof.
        proof: String,
        /// The log's verifier key (C2SP signed-note vkey).
        log_key: String,
    },
    /// To [`Query::Document`].
    Document {
        /// The file's name.
        name: String,
        /// The file's bytes. A transport carries them apart from the rest.
        #[serde(skip)]
        document: Vec<u8>,
    },
    /// To [`Query::Backup`].
    Backup {
        /// The whole file, under the passphrase of the node's home.
        #[serde(skip)]
        file: Vec<u8>,
    },
    /// It did not work.
    Problem(Problem),
}

/// A request.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RequestView {
    /// Its id.
    pub id: EntryId,
    /// Index of its entry.
    pub index: u64,
    /// Where it stands.
    pub state: RequestStage,
    /// Who asks.
    pub requester: AccountName,
    /// Who shall sign.
    pub group: GroupName,
    /// What kind of document.
    pub document_type: Option<DocumentType>,
    /// `ssh` or `raw`.
    pub format: String,
    /// The SSHSIG namespace.
    pub namespace: Option<String>,
    /// The salted commitment to the document.
    pub document: Digest,
    /// The file's name, where this node has the document.
    pub file_name: Option<String>,
    /// The file's size in bytes, where this node has the document.
    pub file_size: Option<u64>,
    /// SHA-256 of the file in hex, where this node has the document.
    pub file_sha256: Option<String>,
    /// When it was asked.
    pub at: Timestamp,
    /// When it lapses.
    pub expires_at: Timestamp,
    /// How many consents it needs.
    pub approvals_required: u16,
    /// Who consented.
    pub approvals: BTreeSet<AccountName>,
    /// Who refused, and why.
    pub refusals: BTreeMap<AccountName, String>,
    /// Who may still decide.
    pub undecided: BTreeSet<AccountName>,
    /// The group's verifying key in hex.
    pub verifying_key: Option<String>,
    /// The signature, 64 bytes in hex.
    pub signature: Option<String>,
    /// Index of the signature's entry.
    pub signature_index: Option<u64>,
    /// Whose shares made it.
    pub signers: Vec<AccountName>,
    /// Why it was refused by rule.
    pub refused: Option<Refused>,
    /// What the signature of an approved request waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<SigningWait>,
}

/// What the signature of an approved request waits for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SigningWait {
    /// Whether the node that answers is connected: otherwise nothing is known of who is online.
    pub connected: bool,
    /// How many shares it takes.
    pub min_signers: u16,
    /// The shares of the members who approved.
    pub shares: Vec<(AccountName, Share)>,
    /// Who is online.
    pub online: BTreeSet<AccountName>,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestStage {
    /// Refused by rule.
    Refused,
    /// Waits for consents.
    Open,
    /// Has its consents; waits for nodes to make the signature.
    Approved,
    /// Members refused.
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// Signed.
    Signed,
}

impl RequestStage {
    /// Whether nothing more will happen to the request.
    pub fn is_final(self) -> bool {
        match self {
            Self::Open | Self::Approved => false,
            Self::Refused | Self::Rejected | Self::Expired | Self::Signed => true,
        }
    }
}

/// An entry of the log.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct EntryView {
    /// Its index.
    pub index: u64,
    /// Its id.
    pub id: EntryId,
    /// Who stated it.
    pub author: String,
    /// When, by the author's clock.
    pub at: Timestamp,
    /// What kind of statement.
    pub kind: String,
    /// The statement.
    pub body: Box<Body>,
    /// The group of the session that it belongs to.
    pub group: Option<GroupName>,
    /// Whether it is a vote on a change of a group, and not on a request.
    pub is_on_change: bool,
}
