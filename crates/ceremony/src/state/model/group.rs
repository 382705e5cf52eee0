//! A group: its definition, its members' acceptances, its key, and its pending change.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::Identifier;
use quorate_protocol::keys::PublicKeyPackage;
use quorate_protocol::keyshare::{Fault, Phase};

use crate::entry::{AbortReason, GroupDefinition};
use crate::names::{AccountName, Digest, DocumentType, EntryId, IvnId, Timestamp};
use crate::state::model::change::{Change, ChangeEnd, PastChange};
use crate::state::model::confirmation::Confirmation;
use crate::state::model::key::{GroupKey, HEALTHY_FOR, Health, PastEpoch, Unable};
use crate::state::model::plan::SessionPlan;
use crate::state::model::session::{
    ActivationRecord, PastSession, Session, SessionPhase, package_hash,
};
use crate::state::model::turn::Turn;
use crate::state::refusal::{Entries, Groups, Refusal, Requests, Sessions};

/// The most signers whose signed messages fit one signature entry, whatever their names.
pub const MOST_SIGNERS: u16 = 100;

#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Group {
    /// The definition by an admin, or by the latest change.
    pub definition: GroupDefinition,
    pub defined: EntryId,
    pub(in crate::state) defined_at: Turn,
    pub accepted: BTreeSet<AccountName>,
    /// The index of the entry with which each present member joined, except those of the first
    /// epoch.
    pub(in crate::state) joined: BTreeMap<AccountName, u64>,
    /// The running session that makes the key or new shares of it, or repairs a share.
    pub session: Option<Session>,
    /// The failed sessions since the group was defined, or since the latest change was proposed.
    pub past: Vec<PastSession>,
    pub key: Option<GroupKey>,
    /// The change that is proposed or is being carried out.
    pub change: Option<Change>,
    pub past_changes: Vec<PastChange>,
    pub past_epochs: Vec<PastEpoch>,
    pub confirmations: Vec<Confirmation>,
}

#[expect(missing_docs, reason = "the names say it")]
impl Group {
    pub fn serves(&self, document_type: Option<&DocumentType>) -> bool {
        match document_type {
            Some(kind) => self.definition.document_types.contains(kind),
            None => self.definition.document_types.is_empty(),
        }
    }

    /// The protocol identifier of an account that holds or is to get a share. It stays the same in
    /// all epochs.
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

    pub fn has_member(&self, name: &AccountName) -> bool {
        self.definition.members.contains(name)
    }

    /// Members that have not accepted the definition, and joiners that have not accepted the
    /// change.
    pub fn not_accepted(&self) -> impl Iterator<Item = &AccountName> {
        let joiners = self.change.iter().flat_map(move |change| change.not_accepted(self));
        let members = self.definition.members.iter().filter(|_| self.key.is_none());
        members.filter(|name| !self.accepted.contains(*name)).chain(joiners)
    }

    /// The change that retired the group. It then signs nothing any more, whatever happens.
    pub fn retirement(&self) -> Option<&PastChange> {
        self.past_changes.last().filter(|change| change.end == ChangeEnd::Retired)
    }

    /// # Errors
    ///
    /// Fails if the group is retired.
    pub(in crate::state) fn check_in_use(&self) -> Result<(), Refusal> {
        match self.retirement() {
            Some(_) => Err(Groups::Retired { group: self.definition.name.clone() }.into()),
            None => Ok(()),
        }
    }

    /// Why this member cannot use its share of the group's key, or `None` if it can.
    pub fn unable(&self, name: &AccountName) -> Option<Unable> {
        self.key.as_ref()?.unable.get(name).copied()
    }

    /// Whether this account has a vote: it is a member that can use its share or, before there is a
    /// key, any member.
    pub fn has_say(&self, name: &AccountName) -> bool {
        self.has_member(name) && self.unable(name).is_none() && self.retirement().is_none()
    }

    /// Returns what the group's own entries show of each member's share at `now`; nothing if the
    /// group is retired.
    /// [`IvnState::health`](crate::state::IvnState::health) also considers the roster.
    pub(in crate::state) fn health(&self, now: Timestamp) -> Vec<(&AccountName, Health)> {
        let Some(key) = self.key.as_ref().filter(|_| self.retirement().is_none()) else {
            return Vec::new();
        };
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

    /// When the policy requires a refresh. `None` if it requires none, or if there is no key.
    pub fn refresh_due(&self) -> Option<Timestamp> {
        self.check_in_use().ok()?;
        Some(self.key.as_ref()?.activated.plus(self.definition.policy.governance.refresh_every?))
    }

    /// Members that prevent automatic refreshes, because giving them a share takes consent. Empty
    /// before there is a key.
    pub fn hinder_refresh(&self) -> Vec<(&AccountName, Unable)> {
        let members = self.definition.members.iter();
        members.filter_map(|name| Some((name, self.unable(name)?))).collect()
    }

    /// The change that prevents a new one.
    pub(in crate::state) fn changing(&self, now: Timestamp) -> Option<&Change> {
        self.change.as_ref().filter(|change| self.session.is_some() || !change.lapsed(now))
    }

    /// Whether the group's present change is this one, and makes this account a member.
    pub(in crate::state) fn would_join(&self, account: &AccountName, change: EntryId) -> bool {
        let change = self.change.as_ref().filter(|present| present.id == change);
        change.is_some_and(|change| change.gives_share_to(account) && !self.has_member(account))
    }

    /// A joiner declines. This ends the change, because all members that approved it approved it
    /// with this joiner.
    pub(in crate::state) fn decline(
        &mut self,
        joiner: &AccountName,
        request: EntryId,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let open =
            self.change.as_mut().filter(|change| change.id == request && !change.lapsed(now));
        let change = open.ok_or(Requests::RequestOver { request })?;
        if change.accepted.contains(joiner) {
            return Err(Entries::AlreadySaid { account: joiner.clone() }.into());
        }
        change.refusals.insert(joiner.clone(), reason.to_owned());
        self.end_change(ChangeEnd::Declined { by: joiner.clone() });
        Ok(())
    }

    /// Ends the use of the group's key, as the members decided with the pending change: every
    /// holder has to destroy its share.
    pub(in crate::state) fn retire(&mut self) {
        if let Some(key) = &self.key {
            self.past_epochs.push(PastEpoch {
                epoch: key.epoch,
                session: key.session,
                lost: key.lost.clone(),
                holders: key.identifiers.keys().cloned().collect(),
                destroyed: BTreeSet::new(),
            });
        }
        self.end_change(ChangeEnd::Retired);
    }

    pub(in crate::state) fn end_change(&mut self, end: ChangeEnd) {
        if let Some(Change { id, proposer, proposal, refusals, .. }) = self.change.take() {
            self.past_changes.push(PastChange { id, proposer, proposal, refusals, end });
        }
    }

    /// Returns the plan of the next session.
    ///
    /// # Errors
    ///
    /// Fails if no session may start now.
    pub(in crate::state) fn next_terms(&self, now: Timestamp) -> Result<SessionPlan, Refusal> {
        let name = &self.definition.name;
        if self.session.is_some() {
            return Err(Sessions::SessionRunning { group: name.clone() }.into());
        }
        let terms = match (&self.key, &self.change) {
            (None, _) => SessionPlan::of_new_key(&self.definition, self.defined)?,
            (Some(_), None) => {
                return Err(Sessions::SessionRunning { group: name.clone() }.into());
            }
            (Some(_), Some(change)) if !change.approved || change.lapsed(now) => {
                return Err(Requests::NotApproved { request: change.id }.into());
            }
            (Some(key), Some(change)) => SessionPlan::of_change(key, change)?,
        };
        terms.check_dealers()?;
        if self.not_accepted().next().is_some() {
            return Err(Sessions::NotAccepted.into());
        }
        if self.past.last().is_some_and(|past| !self.goes_on_after(&past.reason)) {
            return Err(Sessions::SessionFailed { group: name.clone() }.into());
        }
        Ok(terms)
    }

    pub fn may_start(&self, now: Timestamp) -> Option<SessionPlan> {
        self.next_terms(now).ok()
    }

    /// Whether a new session can follow automatically after one that ended for this reason.
    pub fn goes_on_after(&self, reason: &AbortReason) -> bool {
        match reason {
            AbortReason::TimedOut { .. }
            | AbortReason::Restarted { .. }
            | AbortReason::RosterChanged { .. } => true,
            // A culprit that was only a dealer can be left out of the next attempt. A culprit that
            // was to receive a share must not receive one, so the change fails.
            AbortReason::Fault { culprits } => self.change.as_ref().is_some_and(|change| {
                !culprits.is_empty() && culprits.iter().all(|name| !change.gives_share_to(name))
            }),
            AbortReason::Dissent { .. } | AbortReason::Cancelled => false,
        }
    }

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

    /// The fault of each culprit of the running session, derived from the session's messages alone.
    pub fn faults(&self) -> BTreeMap<AccountName, Fault> {
        let Some(ceremony) = &self.session else { return BTreeMap::new() };
        let faults = ceremony.board.faults().iter();
        faults.filter_map(|(id, fault)| Some((ceremony.terms.name(*id)?.clone(), *fault))).collect()
    }

    /// Accounts whose messages the running session waits for. Empty while activating. While a
    /// reshare waits for dealings, these are all that may still deal, though not all of them have
    /// to.
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

    pub fn posted(&self, name: &AccountName) -> bool {
        self.session.as_ref().is_some_and(|ceremony| ceremony.posted.contains_key(name))
    }

    pub fn certified(&self, name: &AccountName) -> bool {
        self.session.as_ref().is_some_and(|ceremony| ceremony.certified.contains_key(name))
    }

    /// What participants of the running session certify: the hashes of the transcript and of the
    /// public key package.
    pub fn certificate(&self) -> Option<(Digest, Digest)> {
        let board = &self.session.as_ref()?.board;
        let package = package_hash(board.outcome()?);
        Some((Digest::new(board.transcript()), package))
    }

    /// The record that activates the running session's shares, once all participants have
    /// certified.
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

    /// A restart loses only what the restarted node held in memory. That is nothing before its
    /// first message, and nothing after its certification, when its package is on disk. A member
    /// that only deals sends one message. In a repair, a helper is finished only after its sums.
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

    pub(in crate::state) fn enough_dealers(&self) -> bool {
        let (Some(key), Some(change)) = (&self.key, &self.change) else { return true };
        SessionPlan::of_change(key, change).is_ok_and(|terms| terms.check_dealers().is_ok())
    }

    /// Notes members that announced to help in a repair and then held it up, as long as enough
    /// others are left. Otherwise a member that always announces first could prevent the repair
    /// forever.
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

    /// Completes the running session if it is a repair: its recipient has its share on disk and can
    /// use it. Returns whether it is.
    pub(in crate::state) fn finish_repair(
        &mut self,
        recipient: &AccountName,
        confirmation: Option<Confirmation>,
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
        self.confirmations.extend(confirmation);
        self.note_proof([recipient], now);
        self.end_change(ChangeEnd::Repaired { epoch });
        true
    }

    pub(in crate::state) fn close_session(&mut self, reason: AbortReason) {
        if let Some(ceremony) = self.session.take() {
            let certified = ceremony.certified.into_keys().collect();
            self.past.push(PastSession { session: ceremony.session, reason, certified });
        }
    }

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

    /// A holder's own statement counts as it is: it also corrects a proof that was dated by a wrong
    /// clock.
    pub(in crate::state) fn state_proof(&mut self, name: &AccountName, turn: Turn) {
        let Some(key) = &mut self.key else { return };
        key.proofs.insert(name.clone(), turn);
        key.proved.insert(name.clone(), turn.at);
    }

    /// Takes the vote of an account that cannot use its share any more. Its approvals are void
    /// where the result is undecided, and a change that would give it a share ends, because the
    /// members approved a different person. Returns whether anything in the group changed.
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
            // The others agreed to share a key with the previous owner of that account.
            if self.key.is_none() && self.has_member(name) {
                self.accepted.clear();
                concerned = true;
            }
            // Nobody will ever state that these copies are destroyed.
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
    /// Whether it only makes new shares of the same group. This needs no approval, because it gives
    /// no account more power. Giving a share to an account whose keys were replaced is no refresh,
    /// because it does give the new keys more power.
    pub fn is_refresh(&self, group: &Group) -> bool {
        let definition = &self.proposal.definition;
        self.proposal.repairs.is_none()
            && !self.proposal.retires
            && *definition == group.definition
            && definition.members.iter().all(|name| group.unable(name) != Some(Unable::Replaced))
    }

    pub(in crate::state) fn is_approved(&self, group: &Group) -> bool {
        self.is_refresh(group) || self.approvals.len() >= usize::from(self.approvals_required)
    }

    pub(in crate::state) fn not_accepted<'a>(
        &'a self,
        group: &'a Group,
    ) -> impl Iterator<Item = &'a AccountName> {
        let members = self.proposal.definition.members.iter();
        members.filter(|name| !group.has_member(name) && !self.accepted.contains(*name))
    }

    /// Members that can still vote on it. A member that is to get its share back has no vote on
    /// that.
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
