//! A group: its definition, its members' consent, its key, and what is being changed about it.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::Identifier;
use quorate_protocol::keys::PublicKeyPackage;
use quorate_protocol::keyshare::{Fault, Phase};

use crate::entry::{AbortReason, GroupDefinition};
use crate::names::{AccountName, Digest, DocumentType, EntryId, IvnId, Timestamp};
use crate::state::model::change::{Change, ChangeEnd, PastChange};
use crate::state::model::handover::Handover;
use crate::state::model::key::{GroupKey, HEALTHY_FOR, Health, PastEpoch, Unable};
use crate::state::model::plan::SessionPlan;
use crate::state::model::session::{
    ActivationRecord, PastSession, Session, SessionPhase, package_hash,
};
use crate::state::refusal::{Entries, Refusal, Requests, Sessions};

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
            None => SessionPlan::of_new_key(&self.definition, self.defined)
                .ok()?
                .identifiers
                .get(name)
                .copied(),
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

    /// Why this member can not use its share of the group's key, if it can not.
    pub fn unable(&self, name: &AccountName) -> Option<Unable> {
        self.key.as_ref()?.unable.get(name).copied()
    }

    /// Whether this account has a say: a member that can use its share, or, before there is a key, any member.
    pub fn has_say(&self, name: &AccountName) -> bool {
        self.has_member(name) && self.unable(name).is_none()
    }

    /// Returns what the group's own entries show of each member's share at `now`.
    /// [`IvnState::health`](crate::state::IvnState::health) also considers the roster.
    pub(in crate::state) fn health(&self, now: Timestamp) -> Vec<(&AccountName, Health)> {
        let Some(key) = &self.key else { return Vec::new() };
        let of = |name| {
            let proved = key.proved.get(name).copied().unwrap_or(key.activated);
            match key.unable.get(name) {
                Some(why) => Health::Unable(*why),
                None if now <= proved.plus(HEALTHY_FOR) => Health::Healthy { proved },
                None => Health::Silent { proved },
            }
        };
        self.definition.members.iter().map(|name| (name, of(name))).collect()
    }

    /// When the policy wants new shares made by themselves; never if it does not, or there is no key.
    pub fn refresh_due(&self) -> Option<Timestamp> {
        Some(self.key.as_ref()?.activated.plus(self.definition.policy.governance.refresh_every?))
    }

    /// Members who keep new shares from being made by themselves, since not everybody can get one without anybody's
    /// consent. Empty before there is a key.
    pub fn hinder_refresh(&self) -> Vec<(&AccountName, Unable)> {
        let members = self.definition.members.iter();
        members.filter_map(|name| Some((name, self.unable(name)?))).collect()
    }

    /// Whether a change stands in the way of another one.
    pub(in crate::state) fn changing(&self, now: Timestamp) -> Option<&Change> {
        self.change.as_ref().filter(|change| self.session.is_some() || !change.lapsed(now))
    }

    /// Whether the group's present change is this one, and makes this account a member.
    pub(in crate::state) fn would_join(&self, account: &AccountName, change: EntryId) -> bool {
        let change = self.change.as_ref().filter(|present| present.id == change);
        change.is_some_and(|change| change.gives_share_to(account) && !self.has_member(account))
    }

    /// Who would join does not want to. The change is over: it was proposed and approved with everybody in it.
    pub(in crate::state) fn decline(
        &mut self,
        joiner: &AccountName,
        request: EntryId,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let open =
            self.change.as_mut().filter(|change| change.id == request && !change.lapsed(now));
        let change = open.ok_or(Refusal::Requests(Requests::RequestOver { request }))?;
        if change.accepted.contains(joiner) {
            return Err(Refusal::Entries(Entries::AlreadySaid { account: joiner.clone() }));
        }
        change.refusals.insert(joiner.clone(), reason.to_owned());
        self.end_change(ChangeEnd::Declined { by: joiner.clone() });
        Ok(())
    }

    pub(in crate::state) fn end_change(&mut self, end: ChangeEnd) {
        if let Some(Change { id, proposer, proposal, refusals, .. }) = self.change.take() {
            self.past_changes.push(PastChange { id, proposer, proposal, refusals, end });
        }
    }

    /// What the next session would be for; none if nothing is to be made.
    ///
    /// # Errors
    ///
    /// Why no session may start now.
    pub(in crate::state) fn next_terms(&self, now: Timestamp) -> Result<SessionPlan, Refusal> {
        let name = &self.definition.name;
        if self.session.is_some() {
            return Err(Refusal::Sessions(Sessions::SessionRunning { group: name.clone() }));
        }
        let terms = match (&self.key, &self.change) {
            (None, _) => SessionPlan::of_new_key(&self.definition, self.defined)?,
            (Some(_), None) => {
                return Err(Refusal::Sessions(Sessions::SessionRunning { group: name.clone() }));
            }
            (Some(_), Some(change)) if !change.approved || change.lapsed(now) => {
                return Err(Refusal::Requests(Requests::NotApproved { request: change.id }));
            }
            (Some(key), Some(change)) => SessionPlan::of_change(key, change)?,
        };
        terms.check_dealers()?;
        if self.not_accepted().next().is_some() {
            return Err(Refusal::Sessions(Sessions::NotAccepted));
        }
        if self.past.last().is_some_and(|past| !self.goes_on_after(&past.reason)) {
            return Err(Refusal::Sessions(Sessions::SessionFailed { group: name.clone() }));
        }
        Ok(terms)
    }

    /// What a session that may start now would be for.
    pub fn may_start(&self, now: Timestamp) -> Option<SessionPlan> {
        self.next_terms(now).ok()
    }

    /// Whether another session may follow by itself one that ended for this reason.
    pub fn goes_on_after(&self, reason: &AbortReason) -> bool {
        match reason {
            AbortReason::TimedOut { .. }
            | AbortReason::Restarted { .. }
            | AbortReason::RosterChanged { .. } => true,
            // Whoever only had to deal is done without; whoever was to get a share shows that it should get none.
            AbortReason::Fault { culprits } => self.change.as_ref().is_some_and(|change| {
                !culprits.is_empty() && culprits.iter().all(|name| !change.gives_share_to(name))
            }),
            AbortReason::Dissent { .. } | AbortReason::Cancelled => false,
        }
    }

    /// The step of the running session.
    pub fn phase(&self) -> Option<SessionPhase> {
        let ceremony = self.session.as_ref()?;
        if ceremony.board.phase() == Phase::Failed {
            let culprits = ceremony.terms.names(&ceremony.board.culprits());
            return Some(SessionPhase::Doomed(AbortReason::Fault { culprits }));
        }
        let dissenters: BTreeSet<_> = ceremony
            .certified
            .iter()
            .filter(|(_, agrees)| !**agrees)
            .map(|(name, _)| name.clone())
            .collect();
        if !dissenters.is_empty() {
            return Some(SessionPhase::Doomed(AbortReason::Dissent { dissenters }));
        }
        if !ceremony.restarted.is_empty() {
            let nodes = ceremony.restarted.clone();
            return Some(SessionPhase::Doomed(AbortReason::Restarted { nodes }));
        }
        let recipients = ceremony.terms.recipients().count();
        Some(match ceremony.board.phase() {
            Phase::Commit => SessionPhase::Committing,
            Phase::Reveal => SessionPhase::Revealing,
            Phase::Sum => SessionPhase::Summing,
            Phase::Verdict => SessionPhase::Judging,
            _ if ceremony.certified.len() < recipients => SessionPhase::Certifying,
            _ => SessionPhase::Activating,
        })
    }

    /// What each culprit of the running session did: decided from its messages alone.
    pub fn faults(&self) -> BTreeMap<AccountName, Fault> {
        let Some(ceremony) = &self.session else { return BTreeMap::new() };
        let faults = ceremony.board.faults().iter();
        faults.filter_map(|(id, fault)| Some((ceremony.terms.name(*id)?.clone(), *fault))).collect()
    }

    /// Whose message the running session waits for. Empty while activating. While a reshare waits for dealings, these
    /// are all who may still deal, though not all of them have to.
    pub fn missing(&self) -> BTreeSet<AccountName> {
        let Some(ceremony) = &self.session else { return BTreeSet::new() };
        let terms = &ceremony.terms;
        match self.phase() {
            Some(
                SessionPhase::Committing
                | SessionPhase::Revealing
                | SessionPhase::Summing
                | SessionPhase::Judging,
            ) => terms.names(&ceremony.board.missing()),
            Some(SessionPhase::Certifying) => {
                let recipients = terms.recipients();
                recipients.filter(|name| !ceremony.certified.contains_key(*name)).cloned().collect()
            }
            Some(SessionPhase::Activating | SessionPhase::Doomed(_)) | None => BTreeSet::new(),
        }
    }

    /// Whether `name` posted a message to the running session.
    pub fn posted(&self, name: &AccountName) -> bool {
        self.session.as_ref().is_some_and(|ceremony| ceremony.posted.contains_key(name))
    }

    /// Whether `name` certified the running session.
    pub fn certified(&self, name: &AccountName) -> bool {
        self.session.as_ref().is_some_and(|ceremony| ceremony.certified.contains_key(name))
    }

    /// What a participant of the running session certifies: the transcript's hash and the public key package's.
    pub fn certificate(&self) -> Option<(Digest, Digest)> {
        let board = &self.session.as_ref()?.board;
        let package = package_hash(board.outcome()?);
        Some((Digest::new(board.transcript()), package))
    }

    /// The record that activates the running session's shares, once all certified.
    pub fn activation(&self, ivn: IvnId) -> Option<(ActivationRecord, PublicKeyPackage)> {
        if self.phase() != Some(SessionPhase::Activating) {
            return None;
        }
        let ceremony = self.session.as_ref().filter(|it| it.terms.repairs().is_none())?;
        let (transcript, public_key_package) = self.certificate()?;
        let record = ActivationRecord {
            ivn,
            definition: ceremony.terms.authority,
            epoch: ceremony.terms.epoch,
            session: ceremony.session,
            transcript,
            public_key_package,
        };
        Some((record, ceremony.board.outcome()?.clone()))
    }

    /// A restart costs a session only what the restarted node held in memory: nothing before its first message, and
    /// nothing after its certification, when its package is on disk. Who only deals says it all in one message. In a
    /// repair, helpers have more to say after their dealing, and nothing after their sums.
    pub(in crate::state) fn note_restart(&mut self, name: &AccountName) {
        if let Some(ceremony) = &mut self.session
            && ceremony.posted.contains_key(name)
            && !ceremony.certified.contains_key(name)
            && ceremony.needs_memory_of(name)
        {
            ceremony.restarted.insert(name.clone());
        }
    }

    pub(in crate::state) fn end_session(&mut self, reason: AbortReason) {
        if let (AbortReason::Fault { culprits }, Some(change)) = (&reason, &mut self.change) {
            change.culprits.extend(culprits.iter().cloned());
        }
        self.note_late(&reason);
        let goes_on = self.goes_on_after(&reason) && self.enough_dealers();
        self.close_session(reason.clone());
        if !goes_on && self.change.is_some() {
            self.end_change(ChangeEnd::Failed(reason));
        }
    }

    /// Whether those who may deal in the pending change are enough to use the key.
    pub(in crate::state) fn enough_dealers(&self) -> bool {
        let (Some(key), Some(change)) = (&self.key, &self.change) else { return true };
        SessionPlan::of_change(key, change).is_ok_and(|terms| terms.check_dealers().is_ok())
    }

    /// Notes who announced to help in a repair and then held it up, as long as there are enough others. Otherwise one who
    /// always announces first could keep a repair from ever being done.
    fn note_late(&mut self, reason: &AbortReason) {
        let (Some(key), Some(change), Some(ceremony)) =
            (&self.key, &mut self.change, &self.session)
        else {
            return;
        };
        let (AbortReason::TimedOut { missing: names } | AbortReason::Restarted { nodes: names }) =
            reason
        else {
            return;
        };
        let Some(member) = ceremony.terms.repairs() else { return };
        let helped =
            names.iter().filter(|name| *name != member && ceremony.posted.contains_key(*name));
        change.late.extend(helped.cloned());
        let skipped = &change.culprits | &change.late;
        if key.dealers(&skipped).filter(|name| *name != member).count() < key.min_signers() {
            change.late.clear();
        }
    }

    /// If the running session is a repair, it is done: its recipient has its share on disk and can use it.
    pub(in crate::state) fn finish_repair(
        &mut self,
        recipient: &AccountName,
        handover: Option<Handover>,
        now: Timestamp,
    ) -> bool {
        let Some(epoch) = self
            .session
            .take_if(|ceremony| ceremony.terms.repairs().is_some())
            .map(|ceremony| ceremony.terms.epoch)
        else {
            return false;
        };
        if let Some(key) = &mut self.key {
            key.unable.remove(recipient);
        }
        self.handovers.extend(handover);
        self.note_proof([recipient], now);
        self.end_change(ChangeEnd::Repaired { epoch });
        true
    }

    /// Ends the running session, if there is one.
    pub(in crate::state) fn close_session(&mut self, reason: AbortReason) {
        if let Some(ceremony) = self.session.take() {
            let certified = ceremony.certified.into_keys().collect();
            self.past.push(PastSession { session: ceremony.session, reason, certified });
        }
    }

    /// Something showed that these can use their shares.
    pub(in crate::state) fn note_proof<'a>(
        &mut self,
        names: impl IntoIterator<Item = &'a AccountName>,
        at: Timestamp,
    ) {
        let Some(key) = &mut self.key else { return };
        for name in names {
            let proved = key.proved.entry(name.clone()).or_insert(at);
            *proved = at.max(*proved);
        }
    }

    /// Takes the say of one who can not use its share any more. What its consents did so far is undone where it is
    /// undecided; a change that would give a share to somebody who is not who was approved is over. Whether anything in the
    /// group has changed by that.
    pub(in crate::state) fn disable(&mut self, name: &AccountName, why: Unable) -> bool {
        let mut concerned = false;
        if let Some(key) = &mut self.key
            && key.identifiers.contains_key(name)
        {
            let known = key.unable.entry(name.clone()).or_insert(why);
            *known = why.max(*known);
            if why != Unable::Suspended {
                key.lost.insert(name.clone());
            }
            concerned = true;
        }
        if why != Unable::Suspended {
            concerned |= self.accepted.remove(name);
            // The others agreed to have a key together with whoever that was.
            if self.key.is_none() && self.has_member(name) {
                self.accepted.clear();
                concerned = true;
            }
            // Whether these copies are destroyed, nobody will ever say.
            for past in self.past_epochs.iter_mut().filter(|past| past.is_owed_by(name)) {
                past.lost.insert(name.clone());
            }
        }
        if let Some(ceremony) = &self.session
            && ceremony.terms.identifiers.contains_key(name)
        {
            self.close_session(AbortReason::RosterChanged { account: name.clone() });
            concerned = true;
        }
        let void = self
            .change
            .as_ref()
            .is_some_and(|change| change.gives_share_to(name) && why != Unable::Suspended);
        if void {
            self.end_change(ChangeEnd::Void { account: name.clone() });
            return true;
        }
        if let Some(mut change) = self.change.take() {
            change.approvals.remove(name);
            change.refusals.remove(name);
            change.accepted.remove(name);
            change.approved &= change.is_approved(self);
            self.change = Some(change);
        }
        concerned
    }
}

impl Change {
    /// Whether it only makes new shares of the same group. Nobody need consent to that: it changes nothing that anyone
    /// can do. To give a share to one whose keys were replaced is no refresh: whoever has the new ones could do more than before.
    pub fn is_refresh(&self, group: &Group) -> bool {
        let definition = &self.proposal.definition;
        self.proposal.repairs.is_none()
            && *definition == group.definition
            && definition.members.iter().all(|name| group.unable(name) != Some(Unable::Replaced))
    }

    /// Whether it has the consents that it takes.
    pub(in crate::state) fn is_approved(&self, group: &Group) -> bool {
        self.is_refresh(group) || self.approvals.len() >= usize::from(self.approvals_required)
    }

    /// Who would join, and has not accepted yet that it would.
    pub(in crate::state) fn not_accepted<'a>(
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
