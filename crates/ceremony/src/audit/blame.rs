//! What the culprits of a session did, recomputed from its messages.

use quorate_protocol::keyshare;
use serde::Serialize;

use super::fault::as_text;
use crate::names::AccountName;
use crate::state::Group;

/// How a member provably broke the protocol.
///
/// What it takes to decide is in the log: the culprit's own signed messages and, where it is about
/// a sub-share, a complaint that opens it, with a proof that it does so correctly.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Blame {
    /// The member.
    pub account: AccountName,
    /// What it did. As text in JSON, with members by their identifiers.
    #[serde(serialize_with = "as_text")]
    pub fault: keyshare::Fault,
    /// To whom, if it was one member.
    pub against: Option<AccountName>,
}

/// What the culprits of a group's running session did.
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
