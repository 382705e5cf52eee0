//! The messages between nodes and the coordinator.
//!
//! All facts that must survive a crash, or that anyone has to believe, are log entries. So most
//! messages carry entries, and the log is every node's durable mailbox: a node that reconnects
//! reports how many entries it has and receives the rest. Signing messages are the exception: they
//! depend on nonces in one process's memory, and are not stored.

use serde::{Deserialize, Serialize};

use crate::encoding::Base64;
use crate::names::{AccountName, EntryId, SessionId, Timestamp};
use crate::signing::{SignedPart, Subject};
use crate::state::Refusal;

#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FromNode {
    /// The first message on each connection: how many entries the node holds.
    Hello {
        after: u64,
        /// The latest checkpoint that the node verified, a C2SP note.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checkpoint: Option<String>,
    },
    /// Answers [`FromCoordinator::Want`] with as many entries as fit one message.
    Entries { first: u64, entries: Vec<Base64> },
    /// An entry for the log. Sent again until the log contains it. The coordinator appends it once.
    Submit { entry: Base64 },
    /// The node's cosignature on a checkpoint that it verified.
    Cosign { size: u64, cosignature: String },
    /// The node's sealed message to another signer, in a round that has such messages. They all
    /// precede the [`Part`](Self::Part) of that round, which has their digests.
    Sealed { session: SessionId, round: u8, to: AccountName, message: Base64 },
    /// The answer to [`FromCoordinator::Invite`], and to each [`FromCoordinator::Package`] but the
    /// last: the node's message of this round.
    Part { session: SessionId, round: u8, part: SignedPart },
    /// The node's message of the last round: its signature share. Always with the node's
    /// cosignature (the gate) on a checkpoint of `size` entries that includes what the share is
    /// for.
    Share { session: SessionId, share: SignedPart, size: u64, cosignature: String },
    /// The node takes no part in this session. `because` is another signer whose sealed message is
    /// wrong; nobody else can tell, so it is not believed, but the two do not sign together again.
    Declined {
        session: SessionId,
        reason: DeclineReason,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<AccountName>,
    },
}

#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FromCoordinator {
    /// Entries `first..first + entries.len()`, and a checkpoint of the tree with exactly these.
    Log {
        first: u64,
        entries: Vec<Base64>,
        /// A signed checkpoint, a C2SP note. Absent if more entries follow.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checkpoint: Option<String>,
    },
    /// The log does not admit a submitted entry.
    Rejected { entry: EntryId, reason: Refusal },
    /// The coordinator's log lacks entries that the node's checkpoint covers, from this index on:
    /// send them.
    Want { first: u64 },
    /// Asks for the first message of a signing session. `signers` are all its signers, including
    /// this node, if the suite's protocol fixes them before the first round.
    Invite {
        session: SessionId,
        subject: Subject,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        signers: Vec<AccountName>,
    },
    /// Another signer's sealed message to this node. All messages of a round precede its
    /// [`Package`](Self::Package).
    Sealed { session: SessionId, round: u8, from: AccountName, message: Base64 },
    /// Asks for the message of the next round, after the messages of all signers, including this
    /// node's, of this round.
    Package { session: SessionId, round: u8, parts: Vec<(AccountName, SignedPart)> },
    /// The accounts that are connected, as the coordinator reports. Only for display: no decision
    /// depends on it.
    Presence {
        online: Vec<AccountName>,
        /// The coordinator's clock.
        clock: Timestamp,
    },
    /// An account connected or disconnected since. Only for display.
    PresenceChanged {
        account: AccountName,
        online: bool,
        /// The coordinator's clock.
        clock: Timestamp,
    },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum DeclineReason {
    /// Its log does not show that this may be signed.
    NotApproved,
    NoShare,
    /// The document is unavailable, or is not what the request commits to.
    NoDocument,
    Expired,
    /// It does not follow the log, or has proof that the coordinator broke the rules.
    Frozen,
    /// Its log does not show yet that this process is the account's latest, or shows that a copy of
    /// the node runs.
    NotAnnounced,
    /// Its account holder rejected the request, whatever the log shows.
    Refused,
    /// It does not know the session (it restarted) or has already used it, or the messages do not
    /// fit together.
    Session,
    /// Another signer's sealed message is not what the protocol prescribes.
    WrongMessage,
}
