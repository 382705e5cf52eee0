//! Messages between a joining node and the hub: `POST /join/v1/check` and `POST /join/v1`, JSON
//! both ways.

use quorate_ceremony::encoding::{Base64, Encoder};
use quorate_ceremony::identity::PublicKey;
use quorate_ceremony::names::{AccountName, Digest, EntryId};
use serde::{Deserialize, Serialize};

/// The route, relative to the hub.
pub const JOIN_ROUTE: &str = "/join/v1";

/// The route that answers whether an invitation can be used, with status 204 or a problem.
pub const CHECK_ROUTE: &str = "/join/v1/check";

/// The route for a new certificate of an account that has one, even an expired one. Messages as
/// on [`JOIN_ROUTE`].
pub const RENEW_ROUTE: &str = "/ivn/v1/certificate";

/// Most bytes of a request or an answer.
pub const MAX_JOIN_BODY: usize = 256 << 10;

/// The question whether an invitation can be used. It uses nothing up.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    pub account: AccountName,
    /// The invitation's public key, which only its holder and the log's readers know.
    pub key: PublicKey,
}

/// The request for admission.
///
/// An answer can be lost. Repeating the same request with the same keys gives the same answer,
/// although the invitation is used up.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// The admission for the log, signed by the invitation's key and the account's own.
    pub entry: Base64,
    /// The request for a certificate, PKCS#10 DER.
    pub csr: Base64,
    /// The account's identity key's signature (64 bytes) over [`certificate_request_hash`].
    ///
    /// The admission is in the log, where every member can read it. Without this signature, any of
    /// them could repeat it with a certificate request of its own, and get a certificate in another
    /// account's name.
    pub proof: Base64,
}

/// Returns what [`JoinRequest::proof`] signs: SHA-256 over the admission's id and the certificate
/// request.
pub fn certificate_request_hash(admission: EntryId, csr: &[u8]) -> Digest {
    let request = Encoder::new("quorate/certificate-request/v1");
    request.field(1, admission.as_bytes()).field(2, csr).digest()
}

/// The hub's answer with status 200. With any other status it is a
/// [`HttpProblem`](crate::api::HttpProblem).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JoinResponse {
    /// The log's first entry. Its hash must be the IVN's id.
    pub genesis: Base64,
    /// The IVN's CA certificate, PEM. Its hash must be the fingerprint in the invitation.
    pub authority: String,
    pub certificate: String,
    /// The log key of the present coordinator, if it replaced the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_key: Option<PublicKey>,
    pub index: u64,
}
