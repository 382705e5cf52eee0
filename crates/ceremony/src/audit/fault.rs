//! What can be wrong with a log, each with where it is.

use quorate_log::note::KeyName;
use quorate_log::tree::TreeHead;
use serde::{Serialize, Serializer};

use crate::names::{AccountName, EntryId, GroupName, IvnId};
use crate::state::Refusal;

/// Something that does not hold.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error, Serialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fault {
    /// It is a log of another IVN than the caller expects.
    #[error("the log is that of IVN {found}, not of {expected}")]
    OtherIvn {
        /// What the caller knew beforehand.
        expected: IvnId,
        /// The hash of the log's genesis.
        found: IvnId,
    },
    /// It is a log with another key than the caller expects.
    #[error("the log's genesis names the log key {found}, not {expected}")]
    OtherLogKey {
        /// What the caller knew beforehand, a vkey.
        expected: String,
        /// What the genesis says, a vkey.
        found: String,
    },
    /// An entry breaks the log's rules. Entries after it were only hashed.
    #[error("entry {index} is not admissible: {reason}")]
    Inadmissible {
        /// Its index.
        index: u64,
        /// Which rule.
        reason: Refusal,
    },
    /// The checkpoint is not one that the log's key signed.
    #[error("the checkpoint is not the log's: {reason}")]
    Checkpoint {
        /// Why not.
        #[serde(serialize_with = "as_text")]
        reason: quorate_log::checkpoint::CheckpointError,
    },
    /// The entries do not make the tree that the checkpoint states.
    #[error(
        "the {} entries lead to the root {}, but the checkpoint states {} entries and the root {}",
        entries.size, entries.root, checkpoint.size, checkpoint.root
    )]
    OtherTree {
        /// Recomputed.
        entries: TreeHead,
        /// Stated.
        checkpoint: TreeHead,
    },
    /// A cosignature of an account does not verify.
    #[error("the cosignature of \"{account}\" on the checkpoint does not verify")]
    Cosignature {
        /// Whose it claims to be. That proves nothing against that account.
        account: AccountName,
    },
    /// A signature line of the checkpoint is by nobody who may cosign it.
    #[error("the checkpoint carries a signature by {name}, who is not on the roster with that key")]
    Stranger {
        /// The name on the line.
        name: KeyName,
    },
    /// Those who were a group's members before a change cosigned another log with it than this one.
    #[error(
        "entry {index} shows cosignatures of former members of group \"{group}\" on another log than this one: \
         the coordinator shows different logs"
    )]
    OtherHandover {
        /// Index of the entry.
        index: u64,
        /// The group.
        group: GroupName,
    },
    /// A key came into use whose session somebody certified otherwise than it was.
    #[error(
        "entry {index} starts to use a key of group \"{group}\" that \"{account}\" did not certify"
    )]
    Certification {
        /// Index of the entry.
        index: u64,
        /// The group.
        group: GroupName,
        /// Whose certification is missing, or of another transcript or key.
        account: AccountName,
    },
    /// A signature is not what its entry says.
    #[error("the signature in entry {index} for request {request} does not hold: {why}")]
    Signature {
        /// Index of the entry.
        index: u64,
        /// What it is for.
        request: EntryId,
        /// What is wrong.
        why: SignatureFault,
    },
}

/// What is wrong with a signature.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum SignatureFault {
    /// No entry before it asks for it.
    #[error("no entry before it requests it")]
    NotRequested,
    /// Too few members consented before it.
    #[error("{approvals} members had consented, {required} have to")]
    NotApproved {
        /// How many had.
        approvals: usize,
        /// How many the policy asks for.
        required: u16,
    },
    /// A signer had not consented.
    #[error("\"{account}\" took part without having consented")]
    WithoutConsent {
        /// Who.
        account: AccountName,
    },
    /// Fewer than min_signers took part.
    #[error("{signers} members took part, {min_signers} have to")]
    TooFewSigners {
        /// How many did.
        signers: usize,
        /// How many it takes.
        min_signers: u16,
    },
    /// The signers' messages cannot be read back.
    #[error("the signed messages of \"{account}\" do not fit")]
    Messages {
        /// Whose.
        account: AccountName,
    },
    /// The shares make another signature: the entry names the wrong signers.
    #[error("the shares of its signers do not add up to it")]
    Sum,
    /// A share is not one of that signer's for the document.
    #[error("the share of \"{account}\" is not one for this document")]
    Share {
        /// Whose.
        account: AccountName,
    },
    /// The signature does not verify.
    #[error("it does not verify under the group's key for the document that was requested")]
    Document,
    /// A document was given that is not the requested one.
    #[error("the document at hand is not the one that the request commits to")]
    OtherDocument,
}

impl Fault {
    /// Index of the entry that it is about, if it is about one.
    pub fn index(&self) -> Option<u64> {
        match self {
            Self::Inadmissible { index, .. }
            | Self::Certification { index, .. }
            | Self::OtherHandover { index, .. }
            | Self::Signature { index, .. } => Some(*index),
            Self::OtherIvn { .. }
            | Self::OtherLogKey { .. }
            | Self::Checkpoint { .. }
            | Self::OtherTree { .. }
            | Self::Cosignature { .. }
            | Self::Stranger { .. } => None,
        }
    }
}

pub(super) fn as_text<S: Serializer>(
    text: &impl std::fmt::Display,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_str(text)
}
