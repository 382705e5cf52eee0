//! What the command line says to a node and hears from it.
//!
//! A running node listens on a Unix socket in its home (mode 0600). A client sends one [`Ask`] as a line of JSON and
//! reads [`Answer`]s, a line each, until the connection ends: one for most questions, several while it watches. If no
//! node runs, the same questions are answered by a node in the client's own process.

mod account;
pub mod client;
mod hindrance;
pub(crate) mod server;
mod status;

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::encoding::Base64;
use quorate_ceremony::names::{AccountName, Digest, DocumentType, EntryId, GroupName, Timestamp};
use quorate_ceremony::policy::Policy;
use quorate_ceremony::state::{Health, Unable};
use quorate_ceremony::statement::{GroupDefinition, Invitation, Role};
use serde::{Deserialize, Serialize};

pub use account::{AccountView, InvitedView, MembershipView, ShareState, ShortfallView, Standing};
pub use hindrance::HindranceView;
pub use status::{StatusView, TroubleView};

/// The longest line on the control socket, in bytes: a document of the largest size in base64, and some.
pub const MAX_LINE: usize = 128 << 20;

/// A question or an order to a node.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// How the node and its IVN are.
    Status,
    /// Requests that wait for this account's decision.
    Inbox,
    /// All accounts, former ones too, and open invitations.
    Accounts,
    /// All groups.
    Groups,
    /// One group. With `watch`, again at every step until it has a key or can not get one, and no change is pending.
    Group {
        /// Its name.
        name: GroupName,
        /// Keep answering.
        watch: bool,
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
    /// Ask a group to sign a document.
    Sign(SignAsk),
    /// Consent to a request, or to a proposed change of a group.
    Approve {
        /// Its id, or the beginning of it.
        id: String,
    },
    /// Refuse a request, or a proposed change of a group.
    Reject {
        /// Its id, or the beginning of it.
        id: String,
        /// Why.
        reason: String,
    },
    /// Invite an account.
    Invite(Invitation),
    /// Define a group.
    DefineGroup(GroupDefinition),
    /// Propose to change a group that has a key.
    ChangeGroup {
        /// What it is to be.
        definition: GroupDefinition,
        /// The epoch that the proposer looked at.
        epoch: u64,
        /// For how long that is good, in milliseconds.
        expires_in: Option<u64>,
        /// A member that is to get its lost share back.
        repairs: Option<AccountName>,
    },
    /// Suspend an account.
    Suspend {
        /// Which.
        account: AccountName,
    },
    /// Resume a suspended account.
    Resume {
        /// Which.
        account: AccountName,
    },
    /// Take an account off the roster, for ever.
    Remove {
        /// Which.
        account: AccountName,
    },
    /// Give an account these roles and no others.
    SetRoles {
        /// Which.
        account: AccountName,
        /// All that it may do from then on.
        roles: BTreeSet<Role>,
    },
    /// Accept a group's definition, or to join it by a proposed change.
    AcceptGroup {
        /// Which.
        name: GroupName,
    },
    /// Call off a group's running key generation, or take a proposed change back.
    CancelCeremony {
        /// Which.
        name: GroupName,
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

impl Ask {
    /// Whether it is to be stated in the log, which takes a connection.
    pub(crate) fn is_order(&self) -> bool {
        match self {
            Self::Sign(_)
            | Self::Approve { .. }
            | Self::Reject { .. }
            | Self::Invite(_)
            | Self::DefineGroup(_)
            | Self::ChangeGroup { .. }
            | Self::Suspend { .. }
            | Self::Resume { .. }
            | Self::Remove { .. }
            | Self::SetRoles { .. }
            | Self::AcceptGroup { .. }
            | Self::CancelCeremony { .. } => true,
            Self::Status
            | Self::Inbox
            | Self::Accounts
            | Self::Groups
            | Self::Group { .. }
            | Self::Requests
            | Self::Request { .. }
            | Self::Entries { .. }
            | Self::Prove { .. }
            | Self::Document { .. }
            | Self::Backup => false,
        }
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
    /// The file's bytes.
    pub document: Base64,
    /// For how long the request is good, in milliseconds.
    pub expires_in: Option<u64>,
}

/// What a node answers.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Ask::Status`].
    Status(Box<StatusView>),
    /// To [`Ask::Inbox`] and [`Ask::Requests`].
    Requests {
        /// The requests.
        requests: Vec<RequestView>,
    },
    /// To [`Ask::Accounts`].
    Accounts {
        /// Those on the roster, and then those that were.
        accounts: Vec<AccountView>,
        /// Who may join, or join again.
        invitations: Vec<InvitedView>,
    },
    /// To [`Ask::Groups`].
    Groups {
        /// The groups.
        groups: Vec<GroupView>,
    },
    /// To [`Ask::Group`].
    Group(Box<GroupView>),
    /// To [`Ask::Request`] and [`Ask::Sign`].
    Request(Box<RequestView>),
    /// What was ordered is in the log.
    Logged {
        /// The entry.
        entry: EntryId,
        /// Its index.
        index: u64,
    },
    /// To [`Ask::Entries`].
    Entries {
        /// The entries.
        entries: Vec<EntryView>,
        /// Entries in the log.
        size: u64,
    },
    /// To [`Ask::Prove`].
    Proof {
        /// The entry's bytes.
        entry: Base64,
        /// The proof, in the form of c2sp.org/tlog-proof.
        proof: String,
        /// The log's verifier key (C2SP signed-note vkey).
        log_key: String,
    },
    /// To [`Ask::Document`].
    Document {
        /// The file's name.
        name: String,
        /// The file's bytes.
        document: Base64,
    },
    /// To [`Ask::Backup`].
    Backup {
        /// The whole file, under the passphrase of the node's home.
        file: Base64,
    },
    /// It did not work.
    Problem(Problem),
}

/// What went wrong, in words for a person, and how a program should exit.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Problem {
    /// The exit code.
    pub exit: Exit,
    /// What happened and why. A sentence without a final stop.
    pub message: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// Exit codes; stable.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// Something else went wrong.
    Error = 1,
    /// The command was not understood.
    Usage = 2,
    /// A signature, proof or log does not verify.
    Verification = 3,
    /// Still waiting when the time was over.
    Waiting = 4,
    /// Rejected or expired.
    Rejected = 5,
    /// Not allowed.
    NotAllowed = 6,
    /// The coordinator can not be reached.
    Unreachable = 7,
    /// Too few nodes are online.
    TooFewNodes = 8,
    /// Signed by a key that is not trusted.
    UntrustedKey = 9,
}

/// A group.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct GroupView {
    /// Where it stands, in one sentence.
    pub sentence: String,
    /// Its name.
    pub name: GroupName,
    /// Where it stands.
    pub state: GroupStage,
    /// The suite's name.
    pub suite: String,
    /// How many members it takes to sign.
    pub min_signers: u16,
    /// How many members there are.
    pub max_signers: u16,
    /// Which documents it signs; empty: those without a type.
    pub document_types: BTreeSet<DocumentType>,
    /// What a request needs.
    pub policy: Policy,
    /// The members.
    pub members: Vec<MemberView>,
    /// The verifying key in hex, once there is one.
    pub verifying_key: Option<String>,
    /// Counts the key's sets of shares.
    pub epoch: Option<u64>,
    /// Whether this node should have a share of the key and has none: its data was lost, or restored without it.
    #[serde(default)]
    pub lacks_share: bool,
    /// How many members' nodes showed lately that they have their shares, once there is a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy: Option<usize>,
    /// How the shares are, in one sentence, once there is a key: `3 of 5 needed, 4 healthy; carol not proved for 9 days`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares: Option<String>,
    /// What is proposed to change, or under way.
    pub change: Option<Box<ChangeView>>,
    /// How the latest change ended that is not pending any more.
    pub past_change: Option<PastChangeView>,
    /// Sessions so far.
    pub attempts: usize,
    /// How long the successful DKG took, in milliseconds by the log's own times.
    pub dkg_ms: Option<u64>,
}

/// A change of a group that is over.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PastChangeView {
    /// Its id.
    pub id: EntryId,
    /// Whether it is in force.
    pub done: bool,
    /// What became of it, in a sentence.
    pub end: String,
}

/// A proposed change of a group.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ChangeView {
    /// Where it stands, who is missing, and what happens next, in one sentence.
    pub sentence: String,
    /// Its id.
    pub id: EntryId,
    /// Of which group.
    pub group: GroupName,
    /// Who proposes it.
    pub proposer: AccountName,
    /// Whether only the shares are to be others.
    pub refresh: bool,
    /// The member that is to get its lost share back, where that is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repairs: Option<AccountName>,
    /// Members with other keys than when they got their shares, who would get one again: whoever approves should know that
    /// it is they who have the new keys.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub regains: BTreeSet<AccountName>,
    /// The whole group as it is.
    pub now: GroupDefinition,
    /// The whole group as it would be.
    pub after: GroupDefinition,
    /// Who would join.
    pub added: BTreeSet<AccountName>,
    /// Who would leave.
    pub removed: BTreeSet<AccountName>,
    /// Whether it has the approvals that it needs.
    pub approved: bool,
    /// How many that is.
    pub approvals_required: u16,
    /// Who approved.
    pub approvals: BTreeSet<AccountName>,
    /// Who refused, and why.
    pub refusals: BTreeMap<AccountName, String>,
    /// Members who have not decided and still can.
    pub undecided: BTreeSet<AccountName>,
    /// Who has not accepted yet to join.
    pub not_accepted: BTreeSet<AccountName>,
    /// Whether it waits for this account's decision.
    pub decides: bool,
    /// Whether it waits for this account to accept to join.
    pub accepts: bool,
    /// Until when it can be decided and begun.
    pub expires_at: Timestamp,
}

/// Where a group stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupStage {
    /// Waits for members to accept the definition.
    Defined,
    /// All accepted; the DKG starts when all are connected.
    Accepted,
    /// DKG rounds 1 to 3.
    Generating,
    /// DKG round 4.
    Certifying,
    /// DKG round 5.
    Activating,
    /// The key is in use.
    Ready,
    /// The DKG ended without a key, and no other follows by itself.
    Failed,
}

/// A member of a group.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct MemberView {
    /// Its name.
    pub account: AccountName,
    /// Its protocol identifier.
    pub identifier: u16,
    /// Whether its node is connected, by the coordinator's word.
    pub online: bool,
    /// Whether it accepted the definition.
    pub accepted: bool,
    /// Whether the running DKG waits for it.
    pub awaited: bool,
    /// What the log shows of its share, once there is a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<ShareView>,
}

/// What the log shows of a member's share.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ShareView {
    /// Its node showed lately that it has it.
    Healthy {
        /// When.
        proved: Timestamp,
    },
    /// Its node has not shown that for more than three days.
    Silent {
        /// When it did last.
        proved: Timestamp,
    },
    /// An admin suspended the account.
    Suspended,
    /// An admin replaced the account's keys; the share went with the former ones.
    Lost,
    /// The account is not on the roster any more.
    Removed,
}

impl From<Health> for ShareView {
    fn from(health: Health) -> Self {
        match health {
            Health::Healthy { proved } => Self::Healthy { proved },
            Health::Silent { proved } => Self::Silent { proved },
            Health::Unable(Unable::Suspended) => Self::Suspended,
            Health::Unable(Unable::Replaced) => Self::Lost,
            Health::Unable(Unable::Removed) => Self::Removed,
        }
    }
}

/// A request.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RequestView {
    /// Where it stands, who is missing, and what happens next, in one sentence.
    pub sentence: String,
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
    pub refused: Option<String>,
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

impl GroupStage {
    /// Whether nothing more happens by itself.
    pub fn is_final(self) -> bool {
        match self {
            Self::Defined
            | Self::Accepted
            | Self::Generating
            | Self::Certifying
            | Self::Activating => false,
            Self::Ready | Self::Failed => true,
        }
    }
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
    /// What it says, in one sentence.
    pub sentence: String,
}
