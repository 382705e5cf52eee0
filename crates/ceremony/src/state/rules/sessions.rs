//! How sessions start, proceed, and end: with a key, new shares, a repaired share, or a failure.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::keyshare::Posted;
use quorate_protocol::signing::{self, Signature};

use crate::entry::AbortReason;
use crate::names::{AccountName, Digest, GroupName, SessionId, Timestamp};
use crate::state::model::change::ChangeEnd;
use crate::state::model::group::Group;
use crate::state::model::key::{GroupKey, PastEpoch};
use crate::state::model::plan::SessionPlan;
use crate::state::model::session::{Session, SessionPhase};
use crate::state::refusal::{Entries, Groups, Refusal, Sessions};
use crate::state::{Event, IvnState};

impl IvnState {
    pub(in crate::state) fn ceremony_started(
        &mut self,
        name: &GroupName,
        session: SessionId,
        attempt: u32,
        at: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let (ivn, index) = (self.ivn, self.size());
        if self.sessions.contains_key(&session) {
            return Err(Sessions::SessionOver.into());
        }
        let group = self.group(name)?;
        let terms = group.next_terms(at.max(self.time_of(group)))?;
        let started = self.plausible(group, at);
        let keys = terms.keys(&self.accounts);
        let group = self.group_mut(name)?;
        if usize::try_from(attempt).ok() != group.past.len().checked_add(1) {
            return Err(Sessions::SessionStep.into());
        }
        let board = terms.board(ivn, session, keys)?;
        // A participant may keep a share from a cancelled session, so its identifier is never given
        // to another account.
        if let Some(key) = &mut group.key {
            let numbers = terms.identifiers.values().map(|identifier| identifier.get());
            key.highest = numbers.max().unwrap_or(0).max(key.highest);
        }
        // The change's next session reuses the identifiers. Otherwise failing sessions would use
        // them all up.
        if let Some(change) = &mut group.change {
            change.identifiers.clone_from(&terms.identifiers);
        }
        group.session = Some(Session {
            session,
            started,
            terms,
            board,
            posted: BTreeMap::new(),
            certified: BTreeMap::new(),
            restarted: BTreeSet::new(),
        });
        self.sessions.insert(session, (name.clone(), index));
        Ok(vec![Event::Ceremony(name.clone())])
    }

    pub(in crate::state) fn ceremony_message(
        &mut self,
        author: &AccountName,
        session: SessionId,
        incarnation: Digest,
        message: &[u8],
    ) -> Result<Vec<Event>, Refusal> {
        let current = self.account(author)?.incarnation;
        let (name, group) = self.running(session)?;
        let phase = group.phase();
        let Some(ceremony) = &mut group.session else {
            return Err(Sessions::SessionOver.into());
        };
        let identifier = ceremony.terms.identifiers.get(author).copied();
        let identifier = identifier.ok_or_else(|| {
            Refusal::Groups(Groups::NotAMember { account: author.clone(), group: name.clone() })
        })?;
        // Otherwise messages from before and after a restart could look like equivocation.
        if current != Some(incarnation) {
            return Err(Sessions::StaleIncarnation.into());
        }
        // The same applies to two processes in one session: a node that was restored from an older
        // disk does not know its earlier messages.
        if ceremony.posted.get(author).is_some_and(|before| *before != incarnation) {
            return Err(Sessions::StaleIncarnation.into());
        }
        if matches!(phase, Some(SessionPhase::Doomed(_))) {
            return Err(Sessions::SessionStep.into());
        }
        match ceremony.board.post(identifier, message) {
            Ok(Posted::Repeated) => {
                return Err(Entries::AlreadySaid { account: author.clone() }.into());
            }
            // A message that proves its author's fault belongs in the log as the proof.
            Ok(Posted::Recorded | Posted::Failed) => {}
            Err(_) => return Err(Sessions::Protocol.into()),
        }
        ceremony.posted.insert(author.clone(), incarnation);
        Ok(vec![Event::Ceremony(name)])
    }

    pub(in crate::state) fn ceremony_certified(
        &mut self,
        author: &AccountName,
        session: SessionId,
        transcript: Digest,
        public_key_package: Digest,
        at: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let confirmation = self
            .group_of_session(session)
            .and_then(|group| self.confirmation_of_repair(group, self.size()));
        let (name, group) = self.running(session)?;
        if !group.session.as_ref().is_some_and(|it| it.terms.is_recipient(author)) {
            return Err(Groups::NotAMember { account: author.clone(), group: name }.into());
        }
        if group.certified(author) {
            return Err(Entries::AlreadySaid { account: author.clone() }.into());
        }
        if group.phase() != Some(SessionPhase::Certifying) {
            return Err(Sessions::SessionStep.into());
        }
        let agrees = group.certificate() == Some((transcript, public_key_package));
        if let Some(ceremony) = &mut group.session {
            ceremony.certified.insert(author.clone(), agrees);
        }
        Ok(match group.phase() {
            Some(SessionPhase::Activating) if group.finish_repair(author, confirmation, at) => {
                vec![Event::Change(name.clone()), Event::ShareProved(name)]
            }
            Some(SessionPhase::Activating) => vec![Event::CeremonyCertified(name)],
            _ => vec![Event::Ceremony(name)],
        })
    }

    /// The coordinator aborts a session, only for a reason that the log proves.
    pub(in crate::state) fn ceremony_aborted(
        &mut self,
        session: SessionId,
        reason: &AbortReason,
    ) -> Result<Vec<Event>, Refusal> {
        let (name, group) = self.running(session)?;
        let shown = match (reason, group.phase()) {
            (AbortReason::TimedOut { missing }, Some(phase)) => {
                !matches!(phase, SessionPhase::Doomed(_))
                    && !missing.is_empty()
                    && *missing == group.missing()
            }
            (AbortReason::Cancelled | AbortReason::RosterChanged { .. }, _) => {
                return Err(Entries::WrongAuthor.into());
            }
            (reason, Some(SessionPhase::Doomed(shown))) => *reason == shown,
            _ => false,
        };
        if !shown {
            return Err(Sessions::AbortReason.into());
        }
        group.end_session(reason.clone());
        Ok(vec![Event::CeremonyAborted(name)])
    }

    /// An admin cancels a session, at any step. This includes certified keys: otherwise members
    /// that certify and then do not sign the activation would keep the group in that step
    /// permanently. The log's order decides whether this or the activation came first. Cancelling a
    /// change's session ends the change.
    pub(in crate::state) fn ceremony_cancelled(
        &mut self,
        author: &AccountName,
        session: SessionId,
        reason: &AbortReason,
    ) -> Result<Vec<Event>, Refusal> {
        self.check_admin(author)?;
        if *reason != AbortReason::Cancelled {
            return Err(Entries::WrongAuthor.into());
        }
        let (name, group) = self.running(session)?;
        group.end_session(AbortReason::Cancelled);
        Ok(vec![Event::CeremonyAborted(name)])
    }

    pub(in crate::state) fn epoch_started(
        &mut self,
        session: SessionId,
        signature: &[u8],
        at: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let (ivn, index) = (self.ivn, self.size());
        let activated =
            self.group_of_session(session).map_or(at, |group| self.plausible(group, at));
        let confirmation = self.group_of_session(session).and_then(|group| {
            let terms = &group.session.as_ref()?.terms;
            self.confirmation_of_change(group, &terms.definition, terms.epoch, index)
        });
        let (name, group) = self.running(session)?;
        let (record, public) = group.activation(ivn).ok_or(Sessions::SessionStep)?;
        let signature =
            Signature::from_bytes(public.suite(), signature).map_err(|_| Sessions::BadSignature)?;
        signing::verify(public.verifying_key(), &record.to_be_signed(), &signature)
            .map_err(|_| Sessions::BadSignature)?;
        let old = group.key.as_ref();
        if old.is_some_and(|old| old.public.verifying_key() != public.verifying_key()) {
            return Err(Sessions::Protocol.into());
        }
        let Some(Session { terms, started, .. }) = group.session.take() else {
            return Err(Sessions::SessionStep.into());
        };
        let SessionPlan { definition, authority, epoch, mut identifiers, .. } = terms;
        let highest = identifiers.values().map(|identifier| identifier.get()).max().unwrap_or(0);
        let highest = old.map_or(highest, |old| highest.max(old.highest));
        identifiers.retain(|name, _| definition.members.contains(name));
        let new = GroupKey {
            epoch,
            session,
            identifiers,
            public,
            index,
            started,
            activated,
            proved: BTreeMap::new(),
            proofs: BTreeMap::new(),
            unable: BTreeMap::new(),
            lost: BTreeSet::new(),
            highest,
        };
        if let Some(old) = group.key.replace(new) {
            group.past_epochs.push(PastEpoch {
                epoch: old.epoch,
                session: old.session,
                lost: old.lost,
                holders: old.identifiers.into_keys().collect(),
                destroyed: BTreeSet::new(),
            });
            group.confirmations.extend(confirmation);
            group.accepted = definition.members.iter().cloned().collect();
            let present = &group.definition.members;
            let joined = definition.members.iter().filter(|name| !present.contains(*name));
            group.joined.extend(joined.map(|name| (name.clone(), index)));
            group.joined.retain(|name, _| definition.members.contains(name));
            group.definition = definition;
            group.defined = authority;
            group.end_change(ChangeEnd::Done { epoch });
        }
        let mut events = vec![Event::EpochStarted(name.clone())];
        events.extend(self.move_requests(&name));
        Ok(events)
    }

    fn running(&mut self, session: SessionId) -> Result<(GroupName, &mut Group), Refusal> {
        let (name, _) = self.sessions.get(&session).ok_or(Sessions::SessionOver)?.clone();
        let group = self.groups.get_mut(&name).ok_or(Sessions::SessionOver)?;
        if group.session.as_ref().map(|ceremony| ceremony.session) != Some(session) {
            return Err(Sessions::SessionOver.into());
        }
        Ok((name, group))
    }
}
