//! What nodes and the coordinator say to each other.
//!
//! Everything that must survive a crash or be believed is a log entry; the coordinator's word is
//! never enough for anything. So most messages carry entries, and the log is every node's durable
//! mailbox: a node that reconnects says how many entries it has and gets the rest. Signing messages
//! are the exception: they belong to nonces that live in one process's memory and die with it, and
//! are deliberately not kept.

use serde::{Deserialize, Serialize};

use crate::encoding::Base64;
use crate::names::{AccountName, EntryId, SessionId};
use crate::signing::{SignedPart, Subject};
use crate::state::Refusal;

/// From a node to the coordinator.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FromNode {
    /// First on each connection: how many entries the node holds.
    Hello { after: u64 },
    /// An entry for the log. Sent again until seen in the log; the coordinator appends it once.
    Submit { entry: Base64 },
    /// The node's cosignature on a checkpoint that it verified.
    Cosign { size: u64, cosignature: String },
    /// Answers [`FromCoordinator::Invite`].
    Commitments { session: SessionId, commitments: SignedPart },
    /// Answers [`FromCoordinator::Package`]; never without the node's
    /// cosignature (the gate) on a checkpoint of `size` entries that includes what the share is for.
    Share { session: SessionId, share: SignedPart, size: u64, cosignature: String },
    /// The node will not take part in this session: choose another.
    Declined { session: SessionId, reason: DeclineReason },
}

/// From the coordinator to a node.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FromCoordinator {
    /// Entries `first..first + entries.len()`, and a checkpoint of the tree with exactly these.
    Log {
        /// Index of the first.
        first: u64,
        /// The entries' bytes.
        entries: Vec<Base64>,
        /// A signed checkpoint, a C2SP note; absent where more entries follow.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checkpoint: Option<String>,
    },
    /// A submitted entry is not admitted to the log.
    Rejected { entry: EntryId, reason: Refusal },
    /// Take part in a signing session.
    Invite { session: SessionId, subject: Subject },
    /// The commitments of those who sign, this node among them: sign.
    Package { session: SessionId, commitments: Vec<(AccountName, SignedPart)> },
    /// The accounts that are connected, by the coordinator's word. For people only: nothing is
    /// decided by it.
    Presence { online: Vec<AccountName> },
}

/// Why a node takes no part in a signing session.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeclineReason {
    /// Its log does not show that this may be signed.
    NotApproved,
    /// It has no usable share of the key.
    NoShare,
    /// It cannot get the document, or the document is not what was committed to.
    NoDocument,
    /// Its clock says that the request has lapsed.
    Expired,
    /// It does not follow the log, or has proof that the coordinator broke its rules.
    Frozen,
    /// Its log does not show yet that this process is the account's latest, or shows that a copy of
    /// the node runs.
    NotAnnounced,
    /// Its account holder refuses the request, whatever the log shows.
    Refused,
    /// The session is unknown to it (it restarted), was used before, or the messages do not fit
    /// together.
    Session,
}
