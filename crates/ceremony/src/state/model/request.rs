//! A request, as recorded in the log.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::entry::Request;
use crate::names::{AccountName, DocumentType, EntryId, GroupName, Timestamp};
use crate::policy::{Decision, OutputFormat, Policy, decide};
use crate::state::event::Event;
use crate::state::model::group::Group;

#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct RequestState {
    pub id: EntryId,
    pub index: u64,
    pub requester: AccountName,
    /// By the requester's clock.
    pub at: Timestamp,
    pub request: Request,
    /// The policy in force when the request was made.
    pub policy: Policy,
    /// The number of approvals that the pinned policy requires, or that the group's key has
    /// required since, if that is more.
    pub approvals_required: u16,
    /// The present members that approved.
    pub approvals: BTreeSet<AccountName>,
    pub refusals: BTreeMap<AccountName, String>,
    pub status: Status,
    /// The signatures in the log: as many as the request takes, once it is signed.
    pub signatures: Vec<LoggedSignature>,
    /// Whether it was ever approved. From then on its approvers' nodes may have released signature
    /// shares, so that a signature may exist which the log does not contain.
    pub was_approved: bool,
    /// When the request was refused, rejected, withdrawn or signed, by the time of the statement
    /// that ended it. Never before the group's time, so that no old time deletes a document early.
    pub ended_at: Option<Timestamp>,
}

/// The status of a request. Whether it expired depends on the reader's clock:
/// [`RequestState::lapsed`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Status {
    /// Refused by rule; final.
    Refused(Refused),
    Open,
    Approved,
    /// It cannot get enough approvals any more; final.
    Rejected,
    /// By its requester; final.
    Withdrawn,
    /// The group signs nothing any more; final.
    GroupRetired,
    /// All its signatures are in the log; final.
    Signed,
}

/// A signature in the log.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct LoggedSignature {
    pub index: u64,
    pub signature: Vec<u8>,
    pub signers: Vec<AccountName>,
}

/// Where a request stands at a certain time, without the details of [`Status`].
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum RequestStage {
    /// Refused by rule.
    Refused {
        refused: Refused,
    },
    Open,
    Approved,
    Rejected,
    Withdrawn,
    /// The group was retired before it was signed.
    GroupRetired,
    /// Not decided in time.
    #[serde(rename = "lapsed")]
    Expired,
    Signed,
}

impl RequestStage {
    /// Whether nothing more happens to the request.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Open | Self::Approved)
    }
}

/// Why a request is refused by rule.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error, Deserialize, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Refused {
    #[error(
        "user account not authorized: \"{requester}\" is not a member of group \"{group}\", and has no \
         requester role"
    )]
    NotAuthorized { requester: AccountName, group: GroupName },
    #[error("group \"{group}\" does not sign {}", match document_type { Some(kind) => format!("documents of type \"{kind}\""), None => "documents without a type".to_owned() })]
    TypeNotServed { group: GroupName, document_type: Option<DocumentType> },
    #[error(
        "group \"{group}\" does not sign in format {format}; it signs in {}",
        served_formats(served)
    )]
    FormatNotServed { group: GroupName, format: OutputFormat, served: BTreeSet<OutputFormat> },
}

fn served_formats(served: &BTreeSet<OutputFormat>) -> String {
    served.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[expect(missing_docs, reason = "the names say it")]
impl RequestState {
    /// Whether the request has expired at `now` without a decision.
    pub fn lapsed(&self, now: Timestamp) -> bool {
        matches!(self.status, Status::Open | Status::Approved) && now > self.request.expires_at
    }

    /// Where the request stands at `now`.
    pub fn stage(&self, now: Timestamp) -> RequestStage {
        match &self.status {
            _ if self.lapsed(now) => RequestStage::Expired,
            Status::Refused(refused) => RequestStage::Refused { refused: refused.clone() },
            Status::Open => RequestStage::Open,
            Status::Approved => RequestStage::Approved,
            Status::Rejected => RequestStage::Rejected,
            Status::Withdrawn => RequestStage::Withdrawn,
            Status::GroupRetired => RequestStage::GroupRetired,
            Status::Signed => RequestStage::Signed,
        }
    }

    /// Which signature comes next: the number of those in the log.
    pub fn next_signature(&self) -> u8 {
        u8::try_from(self.signatures.len()).unwrap_or(u8::MAX)
    }

    /// Members that may still approve or reject: they have a vote that they have not used, and the
    /// rule permits the requester's.
    pub fn undecided<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a AccountName> {
        group.definition.members.iter().filter(|name| {
            group.has_say(name)
                && !self.approvals.contains(*name)
                && !self.refusals.contains_key(*name)
                && (self.policy.rule.requester_may_approve || **name != self.requester)
        })
    }

    /// Whether nodes may approve the request automatically, by the policy that it pinned.
    pub fn may_be_approved_automatically(&self) -> bool {
        self.policy.permits_automatic_approval(self.request.output.format())
    }

    /// Returns since when the document is to be deleted, if it is at `now`, the group's time.
    pub(in crate::state) fn document_deleted_at(&self, now: Timestamp) -> Option<Timestamp> {
        let after = self.policy.delete_documents_after?;
        let ended = match self.ended_at {
            Some(ended) => ended,
            None if self.lapsed(now) => self.request.expires_at,
            None => return None,
        };
        Some(ended.plus(after)).filter(|due| *due < now)
    }

    pub fn missing_approvals(&self) -> usize {
        usize::from(self.approvals_required).saturating_sub(self.approvals.len())
    }

    pub(in crate::state) fn decision(&self, group: &Group) -> Decision {
        decide(self.approvals_required, self.approvals.len(), self.undecided(group).count())
    }

    /// The status by its present votes, and the event of reaching it.
    pub(in crate::state) fn outcome(&self, group: &Group) -> (Status, Event) {
        match self.decision(group) {
            Decision::Approved => (Status::Approved, Event::RequestApproved(self.id)),
            Decision::Open => (Status::Open, Event::RequestVoted(self.id)),
            Decision::Rejected => (Status::Rejected, Event::RequestRejected(self.id)),
        }
    }

    /// Continues under the group's new members and min_signers. The request never needs fewer
    /// approvals than before: the number of the pinned rule stays, and approvals of members that
    /// left do not count any more.
    pub(in crate::state) fn move_to(&mut self, group: &Group, now: Timestamp) -> Event {
        self.approvals.retain(|name| group.has_member(name));
        self.refusals.retain(|name, _| group.has_member(name));
        self.approvals_required = self.approvals_required.max(group.definition.min_signers);
        let (status, event) = self.outcome(group);
        self.set(status, now);
        event
    }

    /// Whether it is undecided, or decided and not signed yet.
    pub fn is_pending(&self, now: Timestamp) -> bool {
        matches!(self.status, Status::Open | Status::Approved) && !self.lapsed(now)
    }

    pub(in crate::state) fn set(&mut self, status: Status, now: Timestamp) {
        self.was_approved |= status == Status::Approved;
        let goes_on = matches!(status, Status::Open | Status::Approved);
        self.ended_at = (!goes_on).then(|| now.max(self.at));
        self.status = status;
    }
}
