//! Who approved and rejected each request, and when: every statement, whether it still counts or
//! not.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::names::{AccountName, EntryId, Timestamp};

/// One account's statement about a request.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct DecisionReport {
    pub account: AccountName,
    pub decided: Decided,
    /// By the account's clock.
    pub at: Timestamp,
    /// The index of its entry. An approval by asking has the index of the request.
    pub index: u64,
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Decided {
    /// The requester's request, under a rule that counts it as an approval.
    ApprovedByAsking,
    Approved,
    Rejected {
        reason: String,
    },
}

impl Decided {
    /// Whether it is for the request.
    pub fn is_approval(&self) -> bool {
        matches!(self, Self::ApprovedByAsking | Self::Approved)
    }
}

/// The decisions on each request, in log order. Votes on changes of groups are kept as well, under
/// ids that are no request's.
#[derive(Debug, Default)]
pub(super) struct Decisions(BTreeMap<EntryId, Vec<DecisionReport>>);

impl Decisions {
    pub(super) fn note(&mut self, request: EntryId, decision: DecisionReport) {
        self.0.entry(request).or_default().push(decision);
    }

    pub(super) fn take(&mut self, request: EntryId) -> Vec<DecisionReport> {
        self.0.remove(&request).unwrap_or_default()
    }
}
