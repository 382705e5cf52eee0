//! Changes of a group that has a key: a member or an admin proposes, the holders of shares decide,
//! and a reshare or a repair carries it out.
//!
//! No account can change a group alone, not even an admin: a change needs as many approvals as a
//! signature needs shares, or more if the group's policy requires more. The key stays, and the old
//! shares are in use until the new ones are.

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::{AbortReason, GroupChange, Role};
use crate::names::{AccountName, EntryId, GroupName, Timestamp};
use crate::policy::Decision;
use crate::state::model::change::{Change, ChangeEnd};
use crate::state::model::group::Group;
use crate::state::model::key::GroupKey;
use crate::state::model::plan::SessionPlan;
use crate::state::model::request::Status;
use crate::state::refusal::{Changes, Entries, Groups, Refusal, Requests};
use crate::state::{Event, IvnState};

#[expect(missing_docs, reason = "the names say it")]
impl IvnState {
    pub(in crate::state) fn propose_change(
        &mut self,
        id: EntryId,
        author: &AccountName,
        proposal: &GroupChange,
        at: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let definition = &proposal.definition;
        let name = definition.name.clone();
        if self.changes.contains_key(&id) {
            return Err(Entries::AlreadySaid { account: author.clone() }.into());
        }
        let group = self.group(&name)?;
        let key = group.key.as_ref().ok_or_else(|| Groups::NoKey { group: name.clone() })?;
        group.check_in_use()?;
        if !group.has_member(author) && !self.account(author)?.roles.contains(&Role::Admin) {
            return Err(Groups::NotAMember { account: author.clone(), group: name }.into());
        }
        if proposal.epoch != key.epoch {
            let (asked, current) = (proposal.epoch, key.epoch);
            return Err(Changes::OtherEpoch { group: name, asked, current }.into());
        }
        // Otherwise one member could prevent all changes by proposing refreshes.
        let more =
            proposal.repairs.is_some() || proposal.retires || *definition != group.definition;
        let gives_way = |change: &Change| change.is_refresh(group) && more;
        // The author's own time does not count here: one wrong clock must not end a change.
        let now = self.time_with(group, Some((author, at)));
        let in_the_way = group.changing(now).filter(|change| !gives_way(change));
        if let Some(change) = in_the_way {
            return Err(Changes::ChangePending { group: name, change: change.id }.into());
        }
        let policy = &group.definition.policy;
        if proposal.expires_at <= now.max(at) || proposal.expires_at > at.plus(policy.rule.expiry) {
            return Err(Requests::Expiry { longest_hours: policy.rule.expiry / 3_600_000 }.into());
        }
        if definition.suite != group.definition.suite {
            return Err(Changes::SuiteFixed.into());
        }
        if group.has_member(author) && !definition.members.contains(author) {
            return Err(Changes::RemovesItself { account: author.clone() }.into());
        }
        if proposal.retires {
            if proposal.repairs.is_some() || *definition != group.definition {
                return Err(Changes::Retirement.into());
            }
        } else {
            self.check_shares(id, group, key, proposal)?;
        }
        let approvals_required =
            policy.governance.changes_required.unwrap_or(group.definition.min_signers);
        let consents = policy.rule.requester_may_approve
            && group.has_say(author)
            && proposal.repairs.as_ref() != Some(author);
        let mut change = Change {
            id,
            proposer: author.clone(),
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
            return Err(Changes::TooFewVoters { group: name, able, needed }.into());
        }
        let group = self.group_mut(&name)?;
        let replaced = group.changing(now).is_some();
        group.close_session(AbortReason::Cancelled);
        group.end_change(if replaced { ChangeEnd::Replaced { by: id } } else { ChangeEnd::Lapsed });
        group.past = Vec::new();
        group.change = Some(change);
        self.changes.insert(id, name.clone());
        Ok(self.decided(name, now))
    }

    /// Checks that members can make the shares that a proposal requires.
    fn check_shares(
        &self,
        id: EntryId,
        group: &Group,
        key: &GroupKey,
        proposal: &GroupChange,
    ) -> Result<(), Refusal> {
        let definition = &proposal.definition;
        match &proposal.repairs {
            None => self.check_definition(definition)?,
            Some(member) => drop(self.active(member)?),
        }
        let nobody = BTreeSet::new();
        let terms = match &proposal.repairs {
            None => SessionPlan::of_reshare(key, definition, id, &BTreeMap::new(), &nobody)?,
            Some(member) if *definition != group.definition || !group.has_member(member) => {
                return Err(Changes::Repair { account: member.clone() }.into());
            }
            Some(member) => SessionPlan::of_repair(key, definition, id, member, &nobody),
        };
        terms.check(self.ivn)
    }

    /// A vote on a proposed change: a member's approval, or the reason for a rejection by a member
    /// or joiner.
    pub(in crate::state) fn vote_on_change(
        &mut self,
        author: &AccountName,
        id: EntryId,
        refusal: Option<&str>,
        at: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let name = self.changes.get(&id).ok_or(Requests::UnknownRequest { request: id })?.clone();
        let now = self.judged_at(self.group(&name)?, author, at);
        let group = self.group_mut(&name)?;
        if let Some(reason) = refusal
            && group.would_join(author, id)
        {
            group.decline(author, id, reason, now)?;
            return Ok(vec![Event::Change(name)]);
        }
        if !group.has_member(author) {
            return Err(Groups::NotAMember { account: author.clone(), group: name }.into());
        }
        let over = Refusal::Requests(Requests::RequestOver { request: id });
        let open = |change: &Change| change.id == id && !change.approved && !change.lapsed(now);
        let Some(change) = group.change.as_ref().filter(|change| open(change)) else {
            return Err(over);
        };
        if change.approvals.contains(author) || change.refusals.contains_key(author) {
            return Err(Entries::AlreadySaid { account: author.clone() }.into());
        }
        if !group.has_say(author) {
            return Err(Groups::NoShare { account: author.clone(), group: name }.into());
        }
        if change.proposal.repairs.as_ref() == Some(author) {
            return Err(Changes::OwnRepair { account: author.clone() }.into());
        }
        if !change.undecided(group).any(|name| name == author) {
            return Err(Requests::RequesterMayNotApprove.into());
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
        Ok(self.decided(name, now))
    }

    /// Carries out an approved retirement. All other changes wait for new shares.
    fn decided(&mut self, name: GroupName, at: Timestamp) -> Vec<Event> {
        let mut events = vec![Event::Change(name.clone())];
        let Some(group) = self.groups.get_mut(&name) else { return events };
        if !group.change.as_ref().is_some_and(|change| change.approved && change.proposal.retires) {
            return events;
        }
        group.retire();
        let open = self.requests.values_mut().filter(|request| {
            request.request.group == name
                && matches!(request.status, Status::Open | Status::Approved)
        });
        for request in open {
            request.set(Status::GroupRetired, at);
            events.push(Event::RequestRejected(request.id));
        }
        events.push(Event::GroupRetired(name));
        events
    }

    /// Withdraws a change and its session. Its proposer and any admin may do this.
    pub(in crate::state) fn withdraw_change(
        &mut self,
        author: &AccountName,
        id: EntryId,
    ) -> Result<Vec<Event>, Refusal> {
        let name = self.changes.get(&id).ok_or(Requests::UnknownRequest { request: id })?.clone();
        let group = self.group(&name)?;
        let change = group.change.as_ref().filter(|change| change.id == id);
        let change = change.ok_or(Requests::RequestOver { request: id })?;
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

    pub fn group_of_change(&self, id: EntryId) -> Option<&Group> {
        self.changes.get(&id).and_then(|group| self.groups.get(group))
    }
}
