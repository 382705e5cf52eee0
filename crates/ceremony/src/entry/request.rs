//! A request for a signature, and the record of a signer.

use serde::{Deserialize, Serialize};

use crate::names::{AccountName, Digest, DocumentType, GroupName, Timestamp};
use crate::policy::Output;
use crate::signing::SignedPart;

#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Request {
    pub group: GroupName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_type: Option<DocumentType>,
    /// What is made from the signature, which determines the bytes to sign. Not interpreted here.
    pub output: Output,
    /// How many signatures the output takes, one after the other: 1 to [`MOST_SIGNATURES`]. Nodes
    /// approve only the number that the output really takes.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub signatures: u8,
    /// The salted commitment to the document.
    pub document: Digest,
    /// The hash of the policy that the requester saw ([`crate::policy::Policy::hash`]). A later
    /// change never loosens this request.
    pub policy: Digest,
    pub expires_at: Timestamp,
}

/// The most signatures of one request.
pub const MOST_SIGNATURES: u8 = 4;

fn one() -> u8 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it like this")]
fn is_one(signatures: &u8) -> bool {
    *signatures == 1
}

/// One signer's part in a signature: the messages that it signed, of all rounds in their order.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct SignerRecord {
    pub account: AccountName,
    pub parts: Vec<SignedPart>,
}
