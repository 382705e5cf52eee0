//! The faults of a log, and where they are.

use quorate_log::note::KeyName;
use quorate_log::tree::TreeHead;
use serde::{Serialize, Serializer};

use crate::names::{AccountName, EntryId, GroupName, IvnId};
use crate::state::Refusal;

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error, Serialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Fault {
    #[error("the log is that of IVN {found}, not of {expected}")]
    OtherIvn { expected: IvnId, found: IvnId },
    #[error("the log names the log key {found}, not {expected}")]
    OtherLogKey { expected: String, found: String },
    /// The members replaced the coordinator with that key. Without the new key from a trusted
    /// source, this may be a log that a former majority made.
    #[error(
        "the log key {expected} was replaced by {found}; ask a member whether that is right, and \
         give that one"
    )]
    ReplacedLogKey { expected: String, found: String },
    /// An entry breaks the log's rules. Later entries were only hashed.
    #[error("entry {index} is not admissible: {reason}")]
    Inadmissible { index: u64, reason: Refusal },
    #[error("the checkpoint is not the log's: {reason}")]
    Checkpoint {
        #[serde(serialize_with = "as_text")]
        reason: quorate_log::checkpoint::CheckpointError,
    },
    #[error(
        "the {} entries lead to the root {}, but the checkpoint states {} entries and the root {}",
        entries.size, entries.root, checkpoint.size, checkpoint.root
    )]
    OtherTree { entries: TreeHead, checkpoint: TreeHead },
    #[error("the cosignature of \"{account}\" on the checkpoint does not verify")]
    Cosignature {
        /// The account that the cosignature names. This proves nothing against that account.
        account: AccountName,
    },
    #[error("the checkpoint carries a signature by {name}, who is not on the roster with that key")]
    Stranger { name: KeyName },
    #[error(
        "entry {index} shows cosignatures of former members of group \"{group}\" on another log than this one: \
         the coordinator shows different logs"
    )]
    ConfirmsOtherLog { index: u64, group: GroupName },
    /// A key came into use without this participant's certification of the recomputed transcript
    /// and key.
    #[error(
        "entry {index} starts to use a key of group \"{group}\" that \"{account}\" did not certify"
    )]
    Certification { index: u64, group: GroupName, account: AccountName },
    #[error("the signature in entry {index} for request {request} does not hold: {why}")]
    Signature { index: u64, request: EntryId, why: SignatureFault },
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the messages say it")]
pub enum SignatureFault {
    #[error("no entry before it requests it")]
    NotRequested,
    #[error("{approvals} members had consented, {required} have to")]
    NotApproved { approvals: usize, required: u16 },
    #[error("\"{account}\" took part without having consented")]
    WithoutConsent { account: AccountName },
    #[error("{signers} members took part, {min_signers} have to")]
    TooFewSigners { signers: usize, min_signers: u16 },
    #[error("the signed messages of \"{account}\" do not fit")]
    Messages { account: AccountName },
    /// The shares make a different signature: the entry names the wrong signers.
    #[error("the shares of its signers do not add up to it")]
    Sum,
    /// The share is not that signer's share for the document.
    #[error("the share of \"{account}\" is not one for this document")]
    Share { account: AccountName },
    #[error("it does not verify under the group's key for the document that was requested")]
    Document,
    #[error("the document at hand is not the one that the request commits to")]
    OtherDocument,
}

impl Fault {
    /// The index of the entry that it is about, if any.
    pub fn index(&self) -> Option<u64> {
        match self {
            Self::Inadmissible { index, .. }
            | Self::Certification { index, .. }
            | Self::ConfirmsOtherLog { index, .. }
            | Self::Signature { index, .. } => Some(*index),
            Self::OtherIvn { .. }
            | Self::OtherLogKey { .. }
            | Self::ReplacedLogKey { .. }
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
