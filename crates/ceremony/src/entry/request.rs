//! A request for a signature, and what a signer contributes to the signature.

use serde::{Deserialize, Serialize};

use crate::names::{AccountName, Digest, DocumentType, GroupName, Timestamp};
use crate::signing::SignedPart;

/// A request.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Who shall sign.
    pub group: GroupName,
    /// What kind of document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_type: Option<DocumentType>,
    /// The output format, such as `ssh`: which bytes are signed for a document. Opaque here.
    pub format: String,
    /// The format's namespace, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Salted commitment to the document.
    pub document: Digest,
    /// The policy that the requester saw ([`crate::policy::Policy::hash`]): a later change never loosens this request.
    pub policy: Digest,
    /// When it lapses.
    pub expires_at: Timestamp,
}

/// One signer's part in a finished signature, in its own signed words.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignerRecord {
    /// Who.
    pub account: AccountName,
    /// Its signed commitments.
    pub commitments: SignedPart,
    /// Its signed share.
    pub share: SignedPart,
}
