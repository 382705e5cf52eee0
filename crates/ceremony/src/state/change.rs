//! Changes of a group that has a key: proposed by one, decided by those who hold its shares, carried out by a reshare or a repair.
//!
//! Nobody changes a group alone, admins included: it takes as many holders' consents as a signature takes shares, or
//! more if the group's policy says so. The key stays, and until the new shares are in use the old ones are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use quorate_protocol::Identifier;
use serde::Serialize;

use super::group::Group;
use super::health::Unable;
use super::session_plan::SessionPlan;
use super::{Event, IvnState, Refusal};
use crate::names::{AccountName, EntryId, Timestamp};
use crate::policy::{Decision, decide};
use crate::statement::{AbortReason, GroupChange, Role};

/// A change that is proposed or under way.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its entry.
    pub id: EntryId,
    /// That entry's index.
    pub index: u64,
    /// Who proposed it.
    pub proposer: AccountName,
    /// When, by the log's time.
    pub at: Timestamp,
    /// What the group is to be.
    pub proposal: GroupChange,
    /// Members who consented.
    pub approvals: BTreeSet<AccountName>,
    /// Members who refused, and why.
    pub refusals: BTreeMap<AccountName, String>,
    /// How many consents it takes.
    pub approvals_required: u16,
    /// Who would join, and consents to that.
    pub accepted: BTreeSet<AccountName>,
    /// Whether it has the consents: it is carried out when all who join have accepted and everybody is there.
    pub approved: bool,
    /// What the participants of its latest session were numbered, once there was one.
    pub(super) identifiers: BTreeMap<AccountName, Identifier>,
    /// Who was caught cheating while it was carried out.
    pub(super) culprits: BTreeSet<AccountName>,
    /// In a repair, who announced to help and then held it up. That proves nothing, and the others are tried first.
    pub(super) late: BTreeSet<AccountName>,
}

/// A change that is over.
#[derive(Clone, Debug, Serialize)]
pub struct PastChange {
    /// Its entry.
    pub id: EntryId,
    /// Who proposed it.
    pub proposer: AccountName,
    /// What was proposed.
    pub proposal: GroupChange,
    /// Who had refused, members and who would join, and why.
    pub refusals: BTreeMap<AccountName, String>,
    /// What became of it.
    pub end: ChangeEnd,
}

/// How a change ended. In all cases but one the group is as before.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum ChangeEnd {
    /// It is in force, with these shares.
    Done {
        /// Their epoch.
        epoch: u64,
    },
    /// The member has its share back.
    Repaired {
        /// Of which set of shares.
        epoch: u64,
    },
    /// Too many members refused.
    Rejected,
    /// Who would join by it does not want to.
    Declined {
        /// Who.
        by: AccountName,
    },
    /// It was not carried out in time.
    Lapsed,
    /// It was to make new shares only, and gave way to a change.
    Replaced {
        /// The change's entry.
        by: EntryId,
    },
    /// It was taken back.
    Withdrawn {
        /// By whom.
        by: AccountName,
    },
    /// This account was to get a share by it, and was removed or given other keys meanwhile: it is not who the members
    /// consented to.
    Void {
        /// Whose.
        account: AccountName,
    },
    /// The session that was to carry it out failed, for a reason that would not go away.
    Failed(AbortReason),
}

impl fmt::Display for ChangeEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done { epoch } => write!(f, "in force since epoch {epoch}"),
            Self::Repaired { epoch } => write!(f, "the share of epoch {epoch} is there again"),
            Self::Rejected => f.write_str("too many members refused"),
            Self::Declined { by } => write!(f, "{by} does not want to join"),
            Self::Lapsed => f.write_str("it was not carried out in time"),
            Self::Replaced { by } => write!(f, "it gave way to the change {}", by.short()),
            Self::Withdrawn { by } => write!(f, "{by} took it back"),
            Self::Void { account } => {
                write!(f, "{account} was removed or given other keys meanwhile")
            }
            Self::Failed(reason) => write!(f, "it failed: {reason}"),
        }
    }
}

impl Change {
    /// Whether it is too late at `now` to decide on it or to begin to carry it out.
    pub fn lapsed(&self, now: Timestamp) -> bool {
        now > self.proposal.expires_at
    }

    /// Whether it only makes new shares of the same group. Nobody need consent to that: it changes nothing that anyone
    /// can do. To give a share to one whose keys were replaced is no refresh: whoever has the new ones could do more than before.
    pub fn is_refresh(&self, group: &Group) -> bool {
        let definition = &self.proposal.definition;
        self.proposal.repairs.is_none()
            && *definition == group.definition
            && definition.members.iter().all(|name| group.unable(name) != Some(Unable::Replaced))
    }

    /// Whether this account is to get a share by it.
    pub fn gives_share_to(&self, name: &AccountName) -> bool {
        match &self.proposal.repairs {
            Some(member) => member == name,
            None => self.proposal.definition.members.contains(name),
        }
    }

    /// Whether it has the consents that it takes.
    pub(super) fn is_approved(&self, group: &Group) -> bool {
        self.is_refresh(group) || self.approvals.len() >= usize::from(self.approvals_required)
    }

    /// How its vote stands while so many members may still decide.
    fn decision(&self, undecided: usize) -> Decision {
        decide(self.approvals_required, self.approvals.len(), undecided)
    }

    /// Who would join, and has not accepted yet that it would.
    pub(super) fn not_accepted<'a>(
        &'a self,
        group: &'a Group,
    ) -> impl Iterator<Item = &'a AccountName> {
        let members = self.proposal.definition.members.iter();
        members.filter(|name| !group.has_member(name) && !self.accepted.contains(*name))
    }

    /// Members who can still say something about it. Who is to get a share back has no say in that.
    pub fn undecided<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a AccountName> {
        group.definition.members.iter().filter(|name| {
            group.has_say(name)
                && self.proposal.repairs.as_ref() != Some(*name)
                && !self.approvals.contains(*name)
                && !self.refusals.contains_key(*name)
                && (group.definition.policy.rule.requester_may_approve || **name != self.proposer)
        })
    }
}

impl Group {
    /// Whether a change stands in the way of another one.
    fn changing(&self, now: Timestamp) -> Option<&Change> {
        self.change.as_ref().filter(|change| self.session.is_some() || !change.lapsed(now))
    }

    /// Whether the group's present change is this one, and makes this account a member.
    fn would_join(&self, account: &AccountName, change: EntryId) -> bool {
        let change = self.change.as_ref().filter(|present| present.id == change);
        change.is_some_and(|change| change.gives_share_to(account) && !self.has_member(account))
    }

    /// Who would join does not want to. The change is over: it was proposed and approved with everybody in it.
    fn decline(
        &mut self,
        joiner: &AccountName,
        request: EntryId,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let open =
            self.change.as_mut().filter(|change| change.id == request && !change.lapsed(now));
        let change = open.ok_or(Refusal::RequestOver { request })?;
        if change.accepted.contains(joiner) {
            return Err(Refusal::AlreadySaid { account: joiner.clone() });
        }
        change.refusals.insert(joiner.clone(), reason.to_owned());
        self.end_change(ChangeEnd::Declined { by: joiner.clone() });
        Ok(())
    }

    pub(super) fn end_change(&mut self, end: ChangeEnd) {
        if let Some(Change { id, proposer, proposal, refusals, .. }) = self.change.take() {
            self.past_changes.push(PastChange { id, proposer, proposal, refusals, end });
        }
    }
}

impl IvnState {
    pub(super) fn propose_change(
        &mut self,
        id: EntryId,
        author: &AccountName,
        proposal: &GroupChange,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let definition = &proposal.definition;
        let name = definition.name.clone();
        if self.changes.contains_key(&id) {
            return Err(Refusal::AlreadySaid { account: author.clone() });
        }
        let group = self.group(&name)?;
        let key = group.key.as_ref().ok_or_else(|| Refusal::NoKey { group: name.clone() })?;
        if !group.has_member(author) && !self.account(author)?.roles.contains(&Role::Admin) {
            return Err(Refusal::NotAMember { account: author.clone(), group: name });
        }
        if proposal.epoch != key.epoch {
            let (asked, current) = (proposal.epoch, key.epoch);
            return Err(Refusal::OtherEpoch { group: name, asked, current });
        }
        // Otherwise one member could keep the others from ever changing anything, by asking for new shares.
        let more = proposal.repairs.is_some() || *definition != group.definition;
        let gives_way = |change: &Change| change.is_refresh(group) && more;
        let in_the_way = group.changing(now).filter(|change| !gives_way(change));
        if let Some(change) = in_the_way {
            return Err(Refusal::ChangePending { group: name, change: change.id });
        }
        let policy = &group.definition.policy;
        if proposal.expires_at <= now || proposal.expires_at > now.plus(policy.rule.expiry) {
            return Err(Refusal::Expiry { longest_hours: policy.rule.expiry / 3_600_000 });
        }
        if definition.suite != group.definition.suite {
            return Err(Refusal::SuiteFixed);
        }
        if group.has_member(author) && !definition.members.contains(author) {
            return Err(Refusal::RemovesItself { account: author.clone() });
        }
        match &proposal.repairs {
            None => self.check_definition(definition)?,
            Some(member) => drop(self.active(member)?),
        }
        let nobody = BTreeSet::new();
        let terms = match &proposal.repairs {
            None => SessionPlan::of_reshare(key, definition, id, &BTreeMap::new(), &nobody)?,
            Some(member) if *definition != group.definition || !group.has_member(member) => {
                return Err(Refusal::Repair { account: member.clone() });
            }
            Some(member) => SessionPlan::of_repair(key, definition, id, member, &nobody),
        };
        terms.check(self.ivn)?;
        let approvals_required =
            policy.governance.changes_required.unwrap_or(group.definition.min_signers);
        let consents = policy.rule.requester_may_approve
            && group.has_say(author)
            && proposal.repairs.as_ref() != Some(author);
        let mut change = Change {
            id,
            index: self.size,
            proposer: author.clone(),
            at: now,
            proposal: proposal.clone(),
            approvals: consents.then(|| author.clone()).into_iter().collect(),
            refusals: BTreeMap::new(),
            approvals_required,
            accepted: BTreeSet::new(),
            approved: false,
            identifiers: BTreeMap::new(),
            culprits: BTreeSet::new(),
            late: BTreeSet::new(),
        };
        change.approved = change.is_approved(group);
        let (able, needed) =
            (change.approvals.len() + change.undecided(group).count(), approvals_required);
        if !change.approved && able < usize::from(needed) {
            return Err(Refusal::TooFewVoters { group: name, able, needed });
        }
        let group = self.group_mut(&name)?;
        let replaced = group.changing(now).is_some();
        group.close_session(AbortReason::Cancelled);
        group.end_change(if replaced { ChangeEnd::Replaced { by: id } } else { ChangeEnd::Lapsed });
        group.past = Vec::new();
        group.change = Some(change);
        self.changes.insert(id, name.clone());
        Ok(vec![Event::Change(name)])
    }

    /// A word on a proposed change: a member's consent, or the reason for a refusal, of a member or of who would join.
    pub(super) fn vote_on_change(
        &mut self,
        author: &AccountName,
        id: EntryId,
        refusal: Option<&str>,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let name = self.changes.get(&id).ok_or(Refusal::UnknownRequest { request: id })?.clone();
        let group = self.group_mut(&name)?;
        if let Some(reason) = refusal
            && group.would_join(author, id)
        {
            group.decline(author, id, reason, now)?;
            return Ok(vec![Event::Change(name)]);
        }
        if !group.has_member(author) {
            return Err(Refusal::NotAMember { account: author.clone(), group: name });
        }
        let over = Refusal::RequestOver { request: id };
        let open = |change: &Change| change.id == id && !change.approved && !change.lapsed(now);
        let Some(change) = group.change.as_ref().filter(|change| open(change)) else {
            return Err(over);
        };
        if change.approvals.contains(author) || change.refusals.contains_key(author) {
            return Err(Refusal::AlreadySaid { account: author.clone() });
        }
        if !group.has_say(author) {
            return Err(Refusal::NoShare { account: author.clone(), group: name });
        }
        if change.proposal.repairs.as_ref() == Some(author) {
            return Err(Refusal::OwnRepair { account: author.clone() });
        }
        if !change.undecided(group).any(|name| name == author) {
            return Err(Refusal::RequesterMayNotApprove);
        }
        let undecided = change.undecided(group).filter(|name| *name != author).count();
        let Some(change) = &mut group.change else { return Err(over) };
        match refusal {
            None => {
                change.approvals.insert(author.clone());
                change.approved = change.decision(undecided) == Decision::Approved;
            }
            Some(reason) => {
                change.refusals.insert(author.clone(), reason.to_owned());
                if change.decision(undecided) == Decision::Rejected {
                    group.end_change(ChangeEnd::Rejected);
                }
            }
        }
        Ok(vec![Event::Change(name)])
    }

    /// Takes a change back, with the session that carries it out: who proposed it may, and any admin.
    pub(super) fn withdraw_change(
        &mut self,
        author: &AccountName,
        id: EntryId,
    ) -> Result<Vec<Event>, Refusal> {
        let name = self.changes.get(&id).ok_or(Refusal::UnknownRequest { request: id })?.clone();
        let group = self.group(&name)?;
        let change = group.change.as_ref().filter(|change| change.id == id);
        let change = change.ok_or(Refusal::RequestOver { request: id })?;
        if change.proposer != *author {
            self.check_admin(author)?;
        }
        let group = self.group_mut(&name)?;
        let ran = group.session.is_some();
        group.close_session(AbortReason::Cancelled);
        group.end_change(ChangeEnd::Withdrawn { by: author.clone() });
        let over = Event::CeremonyAborted(name.clone());
        Ok(if ran { vec![Event::Change(name), over] } else { vec![Event::Change(name)] })
    }

    /// The group to which this is or was a proposed change.
    pub fn group_of_change(&self, id: EntryId) -> Option<&Group> {
        self.changes.get(&id).and_then(|group| self.groups.get(group))
    }
}
