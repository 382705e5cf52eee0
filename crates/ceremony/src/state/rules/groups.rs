//! How a group is defined, and how its members accept it.

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::{GroupDefinition, Role};
use crate::names::{AccountName, EntryId, GroupName};
use crate::policy::{MOST_FORMATS, SHORTEST_REFRESH, SHORTEST_RETENTION};
use crate::state::model::group::{Group, MOST_SIGNERS};
use crate::state::model::plan::SessionPlan;
use crate::state::model::turn::Turn;
use crate::state::refusal::{Entries, Groups, Refusal};
use crate::state::{Event, IvnState};

impl IvnState {
    pub(in crate::state) fn define_group(
        &mut self,
        id: EntryId,
        author: &AccountName,
        definition: &GroupDefinition,
        turn: Turn,
    ) -> Result<Vec<Event>, Refusal> {
        self.check_admin(author)?;
        self.check_unsaid(id, author)?;
        if let Some(group) = self.groups.get(&definition.name) {
            if group.key.is_some() || group.session.is_some() {
                return Err(Groups::GroupExists { group: definition.name.clone() }.into());
            }
            // The coordinator must not restore what the author has replaced by logging an old entry
            // late.
            if turn < group.defined_at {
                return Err(Entries::Outdated { name: definition.name.to_string() }.into());
            }
        }
        self.check_definition(definition)?;
        let group = Group {
            definition: definition.clone(),
            defined: id,
            defined_at: turn,
            accepted: BTreeSet::new(),
            session: None,
            past: Vec::new(),
            key: None,
            change: None,
            joined: BTreeMap::new(),
            past_changes: Vec::new(),
            past_epochs: Vec::new(),
            confirmations: Vec::new(),
        };
        SessionPlan::of_new_key(&group.definition, group.defined)?.check(self.ivn)?;
        self.groups.insert(definition.name.clone(), group);
        Ok(vec![Event::GroupDefined(definition.name.clone())])
    }

    pub(in crate::state) fn check_definition(
        &self,
        definition: &GroupDefinition,
    ) -> Result<(), Refusal> {
        let mut seen = BTreeSet::new();
        for name in &definition.members {
            if !seen.insert(name) {
                return Err(Groups::MemberTwice { account: name.clone() }.into());
            }
            if !self.active(name)?.roles.contains(&Role::Member) {
                return Err(Groups::MemberRole { account: name.clone() }.into());
            }
        }
        check_numbers(definition)
    }

    /// Accepts membership of a group, as defined, or as proposed by the change of that entry.
    pub(in crate::state) fn accept_group(
        &mut self,
        id: EntryId,
        author: &AccountName,
        name: &GroupName,
        definition: EntryId,
    ) -> Result<Vec<Event>, Refusal> {
        let group = self.group(name)?;
        let proposed = group.change.as_ref().is_some_and(|change| change.id == definition);
        if !proposed && group.defined != definition {
            return Err(Groups::DefinitionChanged { group: name.clone() }.into());
        }
        self.check_unsaid(id, author)?;
        let group = self.group_mut(name)?;
        let not_a_member =
            || Refusal::Groups(Groups::NotAMember { account: author.clone(), group: name.clone() });
        let said = Refusal::Entries(Entries::AlreadySaid { account: author.clone() });
        if let Some(change) = &mut group.change
            && change.id == definition
        {
            // Members have already accepted.
            let joins = change.proposal.definition.members.contains(author)
                && !group.definition.members.contains(author);
            if !joins {
                return Err(not_a_member());
            }
            if !change.accepted.insert(author.clone()) {
                return Err(said);
            }
            return Ok(vec![Event::Change(name.clone())]);
        }
        if !group.has_member(author) {
            return Err(not_a_member());
        }
        if !group.accepted.insert(author.clone()) {
            return Err(said);
        }
        Ok(vec![Event::GroupAccepted(name.clone())])
    }

    pub(in crate::state) fn group_mut(&mut self, name: &GroupName) -> Result<&mut Group, Refusal> {
        self.groups
            .get_mut(name)
            .ok_or_else(|| Refusal::Groups(Groups::UnknownGroup { group: name.clone() }))
    }
}

fn check_numbers(definition: &GroupDefinition) -> Result<(), Refusal> {
    let members = definition.members.len();
    let min_signers = definition.min_signers;
    if min_signers < 2 || usize::from(min_signers) > members {
        return Err(Groups::MinSigners { min_signers, members }.into());
    }
    if min_signers > MOST_SIGNERS {
        return Err(Groups::TooManySigners { min_signers, most: MOST_SIGNERS }.into());
    }
    let policy = &definition.policy;
    let voters = members.saturating_sub(usize::from(!policy.rule.requester_may_approve));
    let most = u16::try_from(voters).unwrap_or(u16::MAX);
    if policy.rule.approvals_required < min_signers || policy.rule.approvals_required > most {
        return Err(Groups::ApprovalsRequired {
            approvals_required: policy.rule.approvals_required,
            least: min_signers,
            most,
        }
        .into());
    }
    if let Some(changes_required) = policy.governance.changes_required
        && !(min_signers..=most).contains(&changes_required)
    {
        return Err(Groups::ChangesRequired { changes_required, least: min_signers, most }.into());
    }
    if let Some(every) = policy.governance.refresh_every
        && every < SHORTEST_REFRESH
    {
        return Err(Groups::RefreshEvery.into());
    }
    let formats = policy.formats.len();
    if formats == 0 || formats > MOST_FORMATS {
        return Err(Groups::Formats { formats, most: MOST_FORMATS }.into());
    }
    if policy.delete_documents_after.is_some_and(|after| after < SHORTEST_RETENTION) {
        return Err(Groups::DeleteDocumentsAfter.into());
    }
    if policy.rule.expiry == 0 {
        return Err(Groups::PolicyExpiry.into());
    }
    Ok(())
}
