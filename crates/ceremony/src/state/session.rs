//! Ceremonies: the sessions in which a group's key is made or shared anew, or a lost share made again, as the log shows
//! them.
//!
//! The log is the broadcast channel of the protocol: every participant's messages are entries, so all who follow the
//! log hold the same [`SessionBoard`], and whoever broke the protocol did so in writing.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::keys::PublicKeyPackage;
use quorate_protocol::keyshare::{Fault, Phase, Posted};
use quorate_protocol::sign::{self, Signature};

use super::group::{Group, GroupKey, PastEpoch};
use super::handover::Handover;
use super::session_plan::{SessionBoard, SessionPlan};
use super::{Event, IvnState, Refusal};
use crate::encoding::Encoder;
use crate::names::{AccountName, Digest, EntryId, GroupName, IvnId, SessionId, Timestamp};
use crate::statement::AbortReason;

/// A session in progress.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id.
    pub session: SessionId,
    /// 1 for the first.
    pub attempt: u32,
    /// When it started, by the log's time.
    pub started: Timestamp,
    /// What it is for.
    pub terms: SessionPlan,
    /// The public half of the protocol.
    pub board: SessionBoard,
    /// Who posted anything, and which process of its node did.
    posted: BTreeMap<AccountName, Digest>,
    /// Who certified, and whether it agrees with the log's own transcript.
    certified: BTreeMap<AccountName, bool>,
    /// Who restarted after posting and before certifying.
    restarted: BTreeSet<AccountName>,
}

impl Session {
    /// Whether the session can not go on without what this participant's process has in memory, after it posted anything.
    fn needs_memory_of(&self, name: &AccountName) -> bool {
        let Some(board) = self.board.repair() else { return self.terms.is_recipient(name) };
        let helps = || {
            let me = self.terms.identifiers.get(name);
            let is_helper = me.is_some_and(|me| board.helpers().contains(me));
            is_helper
                && matches!(board.phase(), Phase::Commit | Phase::Reveal | Phase::Sum)
                && !(board.phase() == Phase::Sum
                    && me.is_some_and(|me| !board.missing().contains(me)))
        };
        self.terms.is_recipient(name) || helps()
    }
}

/// A session that ended without a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PastSession {
    /// Its id.
    pub session: SessionId,
    /// Why it ended.
    pub reason: AbortReason,
    /// Who had certified by then: their nodes have the shares that it made on disk, though no node uses them.
    pub certified: BTreeSet<AccountName>,
}

/// The step of a session, as people see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SessionPhase {
    /// Round 1: hash commitments, or in a reshare announcements.
    Committing,
    /// Round 2: commitments, proofs and sealed sub-shares.
    Revealing,
    /// Only in a repair: sealed sums for the recipient, or complaints.
    Summing,
    /// Round 3: acknowledgements or complaints.
    Judging,
    /// Round 4: everybody has its package on disk and signs the transcript. In a repair, the recipient does, and then it is
    /// done.
    Certifying,
    /// Round 5: min_signers sign the activation record with the new shares.
    Activating,
    /// The session can not succeed; the abort that says why is due.
    Doomed(AbortReason),
}

/// What the members sign with the new shares before they count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ActivationRecord {
    ivn: IvnId,
    /// The definition, or the change.
    definition: EntryId,
    epoch: u64,
    session: SessionId,
    transcript: Digest,
    public_key_package: Digest,
}

/// What the bytes to be signed for an activation begin with. No document that is signed as it is may begin with the first
/// part of it (`quorate_documents::OWN`), so that neither can pass for the other.
const ACTIVATION: &[u8] = b"quorate/own/activation/v1\0";

impl ActivationRecord {
    /// The bytes to be signed: `quorate/own/activation/v1`, a zero byte, and SHA-256 over all fields.
    pub fn to_be_signed(&self) -> Vec<u8> {
        [ACTIVATION, self.hash().as_bytes()].concat()
    }

    /// The hash over all fields.
    fn hash(&self) -> Digest {
        Encoder::new("quorate/activation/v1")
            .field(1, self.ivn.as_bytes())
            .field(2, self.definition.as_bytes())
            .field(3, self.epoch.to_be_bytes())
            .field(4, self.session.as_bytes())
            .field(5, self.transcript.as_bytes())
            .field(6, self.public_key_package.as_bytes())
            .digest()
    }
}

impl Group {
    /// What the next session would be for; none if nothing is to be made.
    ///
    /// # Errors
    ///
    /// Why no session may start now.
    pub(super) fn next_terms(&self, now: Timestamp) -> Result<SessionPlan, Refusal> {
        let name = &self.definition.name;
        if self.session.is_some() {
            return Err(Refusal::SessionRunning { group: name.clone() });
        }
        let terms = match (&self.key, &self.change) {
            (None, _) => SessionPlan::of_new_key(self)?,
            (Some(_), None) => return Err(Refusal::SessionRunning { group: name.clone() }),
            (Some(_), Some(change)) if !change.approved || change.lapsed(now) => {
                return Err(Refusal::NotApproved { request: change.id });
            }
            (Some(key), Some(change)) => SessionPlan::of_change(key, change)?,
        };
        terms.check_dealers()?;
        if self.not_accepted().next().is_some() {
            return Err(Refusal::NotAccepted);
        }
        if self.past.last().is_some_and(|past| !self.goes_on_after(&past.reason)) {
            return Err(Refusal::SessionFailed { group: name.clone() });
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
    pub(super) fn note_restart(&mut self, name: &AccountName) {
        if let Some(ceremony) = &mut self.session
            && ceremony.posted.contains_key(name)
            && !ceremony.certified.contains_key(name)
            && ceremony.needs_memory_of(name)
        {
            ceremony.restarted.insert(name.clone());
        }
    }

    fn end_session(&mut self, reason: AbortReason) {
        if let (AbortReason::Fault { culprits }, Some(change)) = (&reason, &mut self.change) {
            change.culprits.extend(culprits.iter().cloned());
        }
        self.note_late(&reason);
        let goes_on = self.goes_on_after(&reason) && self.enough_dealers();
        self.close_session(reason.clone());
        if !goes_on && self.change.is_some() {
            self.end_change(super::change::ChangeEnd::Failed(reason));
        }
    }

    /// Whether those who may deal in the pending change are enough to use the key.
    fn enough_dealers(&self) -> bool {
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
    fn finish_repair(
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
        self.end_change(super::change::ChangeEnd::Repaired { epoch });
        true
    }

    /// Ends the running session, if there is one.
    pub(super) fn close_session(&mut self, reason: AbortReason) {
        if let Some(ceremony) = self.session.take() {
            let certified = ceremony.certified.into_keys().collect();
            self.past.push(PastSession { session: ceremony.session, reason, certified });
        }
    }
}

fn package_hash(package: &PublicKeyPackage) -> Digest {
    Encoder::new("quorate/public-key-package/v1").field(1, package.to_bytes()).digest()
}

impl IvnState {
    pub(super) fn ceremony_started(
        &mut self,
        name: &GroupName,
        session: SessionId,
        attempt: u32,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let (ivn, index) = (self.ivn, self.size);
        if self.sessions.contains_key(&session) {
            return Err(Refusal::SessionOver);
        }
        let terms = self.group(name)?.next_terms(now)?;
        let keys = terms.keys(&self.accounts);
        let group = self.group_mut(name)?;
        if usize::try_from(attempt).ok() != group.past.len().checked_add(1) {
            return Err(Refusal::SessionStep);
        }
        let board = terms.board(ivn, session, keys)?;
        // Who gets a share in a session that is called off may keep it: its identifier is nobody else's ever after.
        if let Some(key) = &mut group.key {
            let numbers = terms.identifiers.values().map(|identifier| identifier.get());
            key.highest = numbers.max().unwrap_or(0).max(key.highest);
        }
        // In the change's next session it gets the same one: otherwise sessions that fail would use them all up.
        if let Some(change) = &mut group.change {
            change.identifiers.clone_from(&terms.identifiers);
        }
        group.session = Some(Session {
            session,
            attempt,
            started: now,
            terms,
            board,
            posted: BTreeMap::new(),
            certified: BTreeMap::new(),
            restarted: BTreeSet::new(),
        });
        self.sessions.insert(session, (name.clone(), index));
        Ok(vec![Event::Ceremony(name.clone())])
    }

    pub(super) fn ceremony_message(
        &mut self,
        author: &AccountName,
        session: SessionId,
        incarnation: Digest,
        message: &[u8],
    ) -> Result<Vec<Event>, Refusal> {
        let current = self.account(author)?.incarnation;
        let (name, group) = self.running(session)?;
        let phase = group.phase();
        let Some(ceremony) = &mut group.session else { return Err(Refusal::SessionOver) };
        let identifier = ceremony.terms.identifiers.get(author).copied();
        let identifier = identifier
            .ok_or_else(|| Refusal::NotAMember { account: author.clone(), group: name.clone() })?;
        // Otherwise a message of the process before a restart could stand beside one of the process after it, and
        // look like equivocation.
        if current != Some(incarnation) {
            return Err(Refusal::StaleIncarnation);
        }
        // Nor may two processes speak for one account in one session: a node that was restored from an older disk does not
        // know what the one before it said.
        if ceremony.posted.get(author).is_some_and(|before| *before != incarnation) {
            return Err(Refusal::StaleIncarnation);
        }
        if matches!(phase, Some(SessionPhase::Doomed(_))) {
            return Err(Refusal::SessionStep);
        }
        match ceremony.board.post(identifier, message) {
            Ok(Posted::Repeated) => return Err(Refusal::AlreadySaid { account: author.clone() }),
            // A message that proves its author's fault belongs in the log: it is the proof.
            Ok(Posted::Recorded | Posted::Failed) => {}
            Err(_) => return Err(Refusal::Protocol),
        }
        ceremony.posted.insert(author.clone(), incarnation);
        Ok(vec![Event::Ceremony(name)])
    }

    pub(super) fn ceremony_certified(
        &mut self,
        author: &AccountName,
        session: SessionId,
        transcript: Digest,
        public_key_package: Digest,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let handover = self
            .group_of_session(session)
            .and_then(|group| self.handover_by_repair(group, self.size));
        let (name, group) = self.running(session)?;
        if !group.session.as_ref().is_some_and(|it| it.terms.is_recipient(author)) {
            return Err(Refusal::NotAMember { account: author.clone(), group: name });
        }
        if group.certified(author) {
            return Err(Refusal::AlreadySaid { account: author.clone() });
        }
        if group.phase() != Some(SessionPhase::Certifying) {
            return Err(Refusal::SessionStep);
        }
        let agrees = group.certificate() == Some((transcript, public_key_package));
        if let Some(ceremony) = &mut group.session {
            ceremony.certified.insert(author.clone(), agrees);
        }
        Ok(match group.phase() {
            Some(SessionPhase::Activating) if group.finish_repair(author, handover, now) => {
                vec![Event::Change(name.clone()), Event::ShareProved(name)]
            }
            Some(SessionPhase::Activating) => vec![Event::CeremonyCertified(name)],
            _ => vec![Event::Ceremony(name)],
        })
    }

    /// The coordinator's abort: only for a reason that the log shows.
    pub(super) fn ceremony_aborted(
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
                return Err(Refusal::WrongAuthor);
            }
            (reason, Some(SessionPhase::Doomed(shown))) => *reason == shown,
            _ => false,
        };
        if !shown {
            return Err(Refusal::AbortReason);
        }
        group.end_session(reason.clone());
        Ok(vec![Event::CeremonyAborted(name)])
    }

    /// An admin calls a session off, at any step. Certified keys too: members that certify and then refuse the activation
    /// signature would otherwise keep the group in that step for ever. Which came first, this or the activation, is
    /// decided by the log's order. A change whose session is called off is over.
    pub(super) fn ceremony_cancelled(
        &mut self,
        author: &AccountName,
        session: SessionId,
        reason: &AbortReason,
    ) -> Result<Vec<Event>, Refusal> {
        self.check_admin(author)?;
        if *reason != AbortReason::Cancelled {
            return Err(Refusal::WrongAuthor);
        }
        let (name, group) = self.running(session)?;
        group.end_session(AbortReason::Cancelled);
        Ok(vec![Event::CeremonyAborted(name)])
    }

    pub(super) fn epoch_started(
        &mut self,
        session: SessionId,
        signature: &[u8],
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let (ivn, index) = (self.ivn, self.size);
        let handover = self.group_of_session(session).and_then(|group| {
            let terms = &group.session.as_ref()?.terms;
            self.handover_to(group, &terms.definition, terms.epoch, index)
        });
        let (name, group) = self.running(session)?;
        let (record, public) = group.activation(ivn).ok_or(Refusal::SessionStep)?;
        let signature = Signature::from_bytes(signature).map_err(|_| Refusal::BadSignature)?;
        sign::verify(public.verifying_key(), &record.to_be_signed(), &signature)
            .map_err(|_| Refusal::BadSignature)?;
        let old = group.key.as_ref();
        if old.is_some_and(|old| old.public.verifying_key() != public.verifying_key()) {
            return Err(Refusal::Protocol);
        }
        let Some(Session { terms, started, .. }) = group.session.take() else {
            return Err(Refusal::SessionStep);
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
            activated: now,
            proved: BTreeMap::new(),
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
            group.handovers.extend(handover);
            group.accepted = definition.members.iter().cloned().collect();
            group.definition = definition;
            group.defined = authority;
            group.end_change(super::change::ChangeEnd::Done { epoch });
        }
        let mut events = vec![Event::EpochStarted(name.clone())];
        events.extend(self.move_requests(&name));
        Ok(events)
    }

    /// The group whose running session this is.
    fn running(&mut self, session: SessionId) -> Result<(GroupName, &mut Group), Refusal> {
        let (name, _) = self.sessions.get(&session).ok_or(Refusal::SessionOver)?.clone();
        let group = self.groups.get_mut(&name).ok_or(Refusal::SessionOver)?;
        if group.session.as_ref().map(|ceremony| ceremony.session) != Some(session) {
            return Err(Refusal::SessionOver);
        }
        Ok((name, group))
    }
}
