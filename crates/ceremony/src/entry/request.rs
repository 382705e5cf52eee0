//! A request for a signature, and the record of a signer.

use serde::{Deserialize, Serialize};

use crate::names::{AccountName, Digest, DocumentType, GroupName, Timestamp};
use crate::signing::SignedPart;

#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Request {
    pub group: GroupName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_type: Option<DocumentType>,
    /// The output format, such as `ssh`, which determines the bytes to sign. Not interpreted here.
    pub format: String,
    /// The format's namespace, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The salted commitment to the document.
    pub document: Digest,
    /// The hash of the policy that the requester saw ([`crate::policy::Policy::hash`]). A later
    /// change never loosens this request.
    pub policy: Digest,
    pub expires_at: Timestamp,
}

/// One signer's part in a signature: the messages that it signed.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct SignerRecord {
    pub account: AccountName,
    pub commitments: SignedPart,
    pub share: SignedPart,
}
