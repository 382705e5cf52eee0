//! Groups: their definitions, their members' consent to them, and their keys, as the log shows them.
//!
//! How a key is made or shared anew is in [`super::ceremony`]; how a group that has a key changes, in [`super::change`].

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::Identifier;
use quorate_protocol::keys::PublicKeyPackage;
use serde::Serialize;

use super::change::{Change, PastChange};
use super::handover::Handover;
use super::health::Unable;
use super::session::{PastSession, Session};
use super::session_plan::{SessionPlan, name_of};
use super::{Event, IvnState, Refusal};
use crate::entry::Entry;
use crate::names::{AccountName, DocumentType, EntryId, GroupName, SessionId, Timestamp};
use crate::policy::SHORTEST_REFRESH;
use crate::statement::{GroupDefinition, Role};

/// The most signers whose signed messages fit one signature entry, whatever they are called.
pub const MOST_SIGNERS: u16 = 100;

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    /// What is in force: what an admin defined, or what the latest change made of it.
    pub definition: GroupDefinition,
    /// The entry that says so.
    pub defined: EntryId,
    /// When it was stated, by its author's clock.
    pub defined_at: Timestamp,
    /// Which members accepted it.
    pub accepted: BTreeSet<AccountName>,
    /// The running session that makes the key, or shares it anew.
    pub session: Option<Session>,
    /// The sessions without a key since the group was defined, or since the latest change was proposed.
    pub past: Vec<PastSession>,
    /// The key, once activated.
    pub key: Option<GroupKey>,
    /// The proposed change, or the one that is being carried out.
    pub change: Option<Change>,
    /// How earlier changes ended, oldest first.
    pub past_changes: Vec<PastChange>,
    /// The epochs before the key's present one, oldest first.
    pub past_epochs: Vec<PastEpoch>,
    /// What those before have to show about each change of members, of min_signers, or of a member's keys, oldest first.
    pub handovers: Vec<Handover>,
}

/// A group's key, and who holds which share of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupKey {
    /// Counts the key's sets of shares; 1 after the DKG.
    pub epoch: u64,
    /// The session that made these shares.
    pub session: SessionId,
    /// Who holds a share, and which: a holder's identifier stays its own in all epochs.
    pub identifiers: BTreeMap<AccountName, Identifier>,
    /// Verifying key and all verifying shares.
    pub public: PublicKeyPackage,
    /// Index of the entry that activated it.
    pub index: u64,
    /// When that session started, by the log's time.
    pub started: Timestamp,
    /// When it was activated, by the log's time.
    pub activated: Timestamp,
    /// When it was last shown that a holder's node has its share, where that was after the activation.
    pub proved: BTreeMap<AccountName, Timestamp>,
    /// Holders that can not use their shares, or must not.
    pub unable: BTreeMap<AccountName, Unable>,
    /// Whose shares may also be where nobody will say that they are destroyed: with an account's former keys.
    pub lost: BTreeSet<AccountName>,
    /// The highest identifier that anybody ever had: whoever joins gets a higher one.
    pub(super) highest: u16,
}

/// A set of shares that is not in force any more. Whoever kept min_signers of them can still sign: that they were
/// destroyed is the holders' word.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PastEpoch {
    /// Its number.
    pub epoch: u64,
    /// The session that made its shares.
    pub session: SessionId,
    /// Who held one.
    pub holders: BTreeSet<AccountName>,
    /// Who of them stated that it destroyed its own.
    pub destroyed: BTreeSet<AccountName>,
    /// Who of them never will: their accounts are gone, or their keys were replaced, and where the copies are is not known.
    pub lost: BTreeSet<AccountName>,
}

impl PastEpoch {
    /// Whether this account held a share of it that may still be on its node's disk: it is to destroy it, and to say so.
    pub fn is_owed_by(&self, name: &AccountName) -> bool {
        self.holders.contains(name) && !self.destroyed.contains(name) && !self.lost.contains(name)
    }

    /// Whose shares of it may still be on their nodes' disks.
    pub fn owed_by(&self) -> impl Iterator<Item = &AccountName> {
        self.holders.iter().filter(|name| self.is_owed_by(name))
    }
}

impl GroupKey {
    /// How many of its shares make a signature.
    pub fn min_signers(&self) -> usize {
        usize::from(self.public.min_signers())
    }

    /// The holder with that identifier.
    pub fn holder(&self, identifier: Identifier) -> Option<&AccountName> {
        name_of(&self.identifiers, identifier)
    }

    /// Whose shares may be dealt: all holders' that can, but for those who were caught cheating.
    pub(super) fn dealers<'a>(
        &'a self,
        culprits: &'a BTreeSet<AccountName>,
    ) -> impl Iterator<Item = &'a AccountName> {
        let able = self.identifiers.keys().filter(|name| !self.unable.contains_key(*name));
        able.filter(|name| !culprits.contains(*name))
    }
}

impl Group {
    /// Whether the group signs documents of that type.
    pub fn serves(&self, document_type: Option<&DocumentType>) -> bool {
        match document_type {
            Some(kind) => self.definition.document_types.contains(kind),
            None => self.definition.document_types.is_empty(),
        }
    }

    /// The protocol identifier of somebody who holds a share, or is to get one: its own in all epochs.
    pub fn identifier(&self, name: &AccountName) -> Option<Identifier> {
        let holds = self.key.as_ref().and_then(|key| key.identifiers.get(name).copied());
        let takes_part = || self.session.as_ref()?.terms.identifiers.get(name).copied();
        let defined = || match &self.key {
            None => SessionPlan::of_new_key(self).ok()?.identifiers.get(name).copied(),
            Some(_) => None,
        };
        holds.or_else(takes_part).or_else(defined)
    }

    /// Whether this account is a member now.
    pub fn has_member(&self, name: &AccountName) -> bool {
        self.definition.members.contains(name)
    }

    /// Whose acceptance is missing: of the definition, or of the proposed change by who would join.
    pub fn not_accepted(&self) -> impl Iterator<Item = &AccountName> {
        let joiners = self.change.iter().flat_map(move |change| change.not_accepted(self));
        let members = self.definition.members.iter().filter(|_| self.key.is_none());
        members.filter(|name| !self.accepted.contains(*name)).chain(joiners)
    }
}

impl IvnState {
    pub(super) fn define_group(
        &mut self,
        entry: &Entry,
        author: &AccountName,
        definition: &GroupDefinition,
    ) -> Result<Vec<Event>, Refusal> {
        let (id, at) = (entry.id(), entry.statement().at);
        self.check_admin(author)?;
        self.check_unsaid(id, author)?;
        if let Some(group) = self.groups.get(&definition.name) {
            if group.key.is_some() || group.session.is_some() {
                return Err(Refusal::GroupExists { group: definition.name.clone() });
            }
            // One that was held back must not bring back what the author has replaced since.
            if at < group.defined_at {
                return Err(Refusal::Outdated { name: definition.name.to_string() });
            }
        }
        self.check_definition(definition)?;
        let group = Group {
            definition: definition.clone(),
            defined: id,
            defined_at: at,
            accepted: BTreeSet::new(),
            session: None,
            past: Vec::new(),
            key: None,
            change: None,
            past_changes: Vec::new(),
            past_epochs: Vec::new(),
            handovers: Vec::new(),
        };
        SessionPlan::of_new_key(&group)?.check(self.ivn)?;
        self.groups.insert(definition.name.clone(), group);
        self.said.insert(id);
        Ok(vec![Event::GroupDefined(definition.name.clone())])
    }

    /// Whether such a group can be.
    pub(super) fn check_definition(&self, definition: &GroupDefinition) -> Result<(), Refusal> {
        let mut seen = BTreeSet::new();
        for name in &definition.members {
            if !seen.insert(name) {
                return Err(Refusal::MemberTwice { account: name.clone() });
            }
            if !self.active(name)?.roles.contains(&Role::Member) {
                return Err(Refusal::MemberRole { account: name.clone() });
            }
        }
        check_numbers(definition)
    }

    /// Consent to belong to a group: as defined, or as it will be after the change of that entry.
    pub(super) fn accept_group(
        &mut self,
        id: EntryId,
        author: &AccountName,
        name: &GroupName,
        definition: EntryId,
    ) -> Result<Vec<Event>, Refusal> {
        let group = self.group(name)?;
        let proposed = group.change.as_ref().is_some_and(|change| change.id == definition);
        if !proposed && group.defined != definition {
            return Err(Refusal::DefinitionChanged { group: name.clone() });
        }
        self.check_unsaid(id, author)?;
        let events = self.accepted(author, name, definition)?;
        self.said.insert(id);
        Ok(events)
    }

    fn accepted(
        &mut self,
        author: &AccountName,
        name: &GroupName,
        definition: EntryId,
    ) -> Result<Vec<Event>, Refusal> {
        let group = self.group_mut(name)?;
        let not_a_member = || Refusal::NotAMember { account: author.clone(), group: name.clone() };
        let said = Refusal::AlreadySaid { account: author.clone() };
        if let Some(change) = &mut group.change
            && change.id == definition
        {
            // Who belongs to it already has consented before.
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

    /// A holder of a share of an earlier epoch says that its copy is gone.
    pub(super) fn share_destroyed(
        &mut self,
        author: &AccountName,
        name: &GroupName,
        epoch: u64,
    ) -> Result<Vec<Event>, Refusal> {
        let group = self.group_mut(name)?;
        let past = group.past_epochs.iter_mut().rev().find(|past| past.epoch == epoch);
        let past = past.ok_or_else(|| Refusal::NotAPastEpoch { group: name.clone(), epoch })?;
        if past.destroyed.contains(author) {
            return Err(Refusal::AlreadySaid { account: author.clone() });
        }
        if !past.is_owed_by(author) {
            return Err(Refusal::NotAMember { account: author.clone(), group: name.clone() });
        }
        past.destroyed.insert(author.clone());
        Ok(vec![Event::ShareDestroyed(name.clone())])
    }

    pub(super) fn group_mut(&mut self, name: &GroupName) -> Result<&mut Group, Refusal> {
        self.groups.get_mut(name).ok_or_else(|| Refusal::UnknownGroup { group: name.clone() })
    }
}

fn check_numbers(definition: &GroupDefinition) -> Result<(), Refusal> {
    let members = definition.members.len();
    let min_signers = definition.min_signers;
    if min_signers < 2 || usize::from(min_signers) > members {
        return Err(Refusal::MinSigners { min_signers, members });
    }
    if min_signers > MOST_SIGNERS {
        return Err(Refusal::TooManySigners { min_signers, most: MOST_SIGNERS });
    }
    let policy = &definition.policy;
    let voters = members.saturating_sub(usize::from(!policy.rule.requester_may_approve));
    let most = u16::try_from(voters).unwrap_or(u16::MAX);
    if policy.rule.approvals_required < min_signers || policy.rule.approvals_required > most {
        return Err(Refusal::ApprovalsRequired {
            approvals_required: policy.rule.approvals_required,
            least: min_signers,
            most,
        });
    }
    if let Some(changes_required) = policy.governance.changes_required
        && !(min_signers..=most).contains(&changes_required)
    {
        return Err(Refusal::ChangesRequired { changes_required, least: min_signers, most });
    }
    if let Some(every) = policy.governance.refresh_every
        && every < SHORTEST_REFRESH
    {
        return Err(Refusal::RefreshEvery);
    }
    if policy.rule.expiry == 0 {
        return Err(Refusal::PolicyExpiry);
    }
    Ok(())
}
