//! A request, as the log has it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::entry::Request;
use crate::names::{AccountName, DocumentType, EntryId, GroupName, Timestamp};
use crate::policy::{Decision, Policy, decide};
use crate::state::Event;
use crate::state::model::group::Group;

/// A request as the log has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestState {
    /// The request's entry.
    pub id: EntryId,
    /// That entry's index.
    pub index: u64,
    /// Who asks.
    pub requester: AccountName,
    /// When it was asked, by the log's time.
    pub at: Timestamp,
    /// What is asked.
    pub request: Request,
    /// The rule in force, as pinned when the request was made.
    pub policy: Policy,
    /// How many consents it takes: what the pinned rule asks for, or as many as the group's key has come to need since.
    pub approvals_required: u16,
    /// Who consented, of those who are members of the group now.
    pub approvals: BTreeSet<AccountName>,
    /// Who refused, and why, of those who are members of the group now.
    pub refusals: BTreeMap<AccountName, String>,
    /// Where it stands.
    pub status: Status,
}

/// Where a request stands. That it lapsed is a matter of the reader's clock: [`RequestState::lapsed`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Status {
    /// Refused by rule; final.
    Refused(Refused),
    /// Waits for consents.
    Open,
    /// Has its consents; waits for the signature.
    Approved,
    /// Can not get its consents any more; final.
    Rejected,
    /// Signed; final.
    Signed {
        /// Index of the signature's entry.
        index: u64,
        /// The signature, 64 bytes.
        signature: Vec<u8>,
        /// Who took part.
        signers: Vec<AccountName>,
    },
}

/// Why a request is refused by rule.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error, Deserialize, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Refused {
    /// The requester is no member of the group.
    #[error("user account not authorized: \"{requester}\" is not a member of group \"{group}\"")]
    NotAuthorized {
        /// Who asked.
        requester: AccountName,
        /// Of whom.
        group: GroupName,
    },
    /// The group does not sign such documents.
    #[error("group \"{group}\" does not sign {}", match document_type { Some(kind) => format!("documents of type \"{kind}\""), None => "documents without a type".to_owned() })]
    TypeNotServed {
        /// Of whom it was asked.
        group: GroupName,
        /// The type.
        document_type: Option<DocumentType>,
    },
}

impl RequestState {
    /// Whether the request is past its expiry at `now` and not decided.
    pub fn lapsed(&self, now: Timestamp) -> bool {
        matches!(self.status, Status::Open | Status::Approved) && now > self.request.expires_at
    }

    /// Members who may still consent: not refused, not consented, and not the requester where the rule forbids it.
    pub fn undecided<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a AccountName> {
        group.definition.members.iter().filter(|name| {
            group.has_say(name)
                && !self.approvals.contains(*name)
                && !self.refusals.contains_key(*name)
                && (self.policy.rule.requester_may_approve || **name != self.requester)
        })
    }

    /// How many consents are still missing.
    pub fn missing_approvals(&self) -> usize {
        usize::from(self.approvals_required).saturating_sub(self.approvals.len())
    }

    /// How its vote stands.
    pub(in crate::state) fn decision(&self, group: &Group) -> Decision {
        decide(self.approvals_required, self.approvals.len(), self.undecided(group).count())
    }

    /// Goes on under other members and another key's min_signers. It never takes less than before: what the pinned rule
    /// asks for stays, and consents of those who have left do not count any more.
    pub(in crate::state) fn move_to(&mut self, group: &Group) -> Event {
        self.approvals.retain(|name| group.has_member(name));
        self.refusals.retain(|name, _| group.has_member(name));
        self.approvals_required = self.approvals_required.max(group.definition.min_signers);
        let (status, event) = match self.decision(group) {
            Decision::Approved => (Status::Approved, Event::RequestApproved(self.id)),
            Decision::Open => (Status::Open, Event::RequestVoted(self.id)),
            Decision::Rejected => (Status::Rejected, Event::RequestRejected(self.id)),
        };
        self.status = status;
        event
    }
}
