//! What the culprits of a session did, recomputed from its messages.

use quorate_protocol::keyshare;
use serde::Serialize;

use super::fault::as_text;
use crate::names::AccountName;
use crate::state::Group;

/// A provable violation of the protocol by a member.
///
/// The evidence is in the log: the culprit's own signed messages and, if it is about a sub-share, a
/// complaint that opens it, with a proof that it does so correctly.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Blame {
    pub account: AccountName,
    /// Text in JSON, with members by their identifiers.
    #[serde(serialize_with = "as_text")]
    pub fault: keyshare::Fault,
    /// The victim, if it was one member.
    pub against: Option<AccountName>,
}

pub(super) fn blame(group: &Group) -> Vec<Blame> {
    let faults = group.faults().into_iter();
    faults
        .map(|(account, fault)| {
            let terms = group.session.as_ref().map(|ceremony| &ceremony.terms);
            let against = fault.against().and_then(|id| terms?.name(id)).cloned();
            Blame { account, fault, against }
        })
        .collect()
}
