//! Groups and the distributed key generation that gives each its key, as the log shows it.
//!
//! The log is the broadcast channel of the protocol: every participant's messages are entries, so all who follow the
//! log hold the same [`Board`], and whoever broke the protocol did so in writing.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::keys::PublicKeyPackage;
use quorate_protocol::keyshare::{
    Board, Fault, Parameters, Phase, Posted, SessionId as KeyshareSession,
};
use quorate_protocol::sign::Signature;
use quorate_protocol::{Identifier, sign};

use super::{Event, Invalid, IvnState};
use crate::encoding;
use crate::entry::Entry;
use crate::names::{
    AccountName, Digest, DocumentType, EntryId, GroupName, IvnId, SessionId, Timestamp,
};
use crate::statement::{AbortReason, GroupDefinition, Role};

/// The most signers whose signed messages fit one signature entry, whatever they are called.
pub const MOST_SIGNERS: u16 = 100;

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    /// What the admin defined.
    pub definition: GroupDefinition,
    /// The definition's entry.
    pub defined: EntryId,
    /// When it was stated, by its author's clock.
    pub defined_at: Timestamp,
    /// Which members accepted it.
    pub accepted: BTreeSet<AccountName>,
    /// The running DKG session.
    pub dkg: Option<Dkg>,
    /// Earlier sessions, all without a key.
    pub past: Vec<PastSession>,
    /// The key, once activated.
    pub key: Option<GroupKey>,
}

/// A DKG session in progress.
#[derive(Clone, Debug)]
pub struct Dkg {
    /// Its id.
    pub session: SessionId,
    /// 1 for the first.
    pub attempt: u32,
    /// When it started, by the log's time.
    pub started: Timestamp,
    /// The public half of the protocol.
    pub board: Board,
    /// Who posted anything.
    posted: BTreeSet<AccountName>,
    /// Who certified, and whether it agrees with the log's own transcript.
    certified: BTreeMap<AccountName, bool>,
    /// Who restarted after posting and before certifying.
    restarted: BTreeSet<AccountName>,
}

/// A session that ended without a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PastSession {
    /// Its id.
    pub session: SessionId,
    /// Why it ended.
    pub reason: AbortReason,
}

/// A group's key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupKey {
    /// Counts the key's sets of shares; 1 after the DKG.
    pub epoch: u64,
    /// The session that made these shares.
    pub session: SessionId,
    /// Verifying key and all verifying shares.
    pub public: PublicKeyPackage,
    /// Index of the entry that activated it.
    pub index: u64,
    /// When that session started, by the log's time.
    pub started: Timestamp,
    /// When it was activated, by the log's time.
    pub activated: Timestamp,
}

/// The step of a DKG session, as people see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DkgPhase {
    /// Round 1: hash commitments.
    Committing,
    /// Round 2: commitments, proofs and sealed sub-shares.
    Revealing,
    /// Round 3: acknowledgements or complaints.
    Judging,
    /// Round 4: everybody has its package on disk and signs the transcript.
    Certifying,
    /// Round 5: min_signers sign the activation record with the new key.
    Activating,
    /// The session can not succeed; the abort that says why is due.
    Doomed(AbortReason),
}

/// What the members sign with the new key before it counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ActivationRecord {
    ivn: IvnId,
    definition: EntryId,
    epoch: u64,
    session: SessionId,
    transcript: Digest,
    public_key_package: Digest,
}

impl ActivationRecord {
    /// The bytes to be signed: SHA-256 over all fields.
    pub fn to_be_signed(&self) -> [u8; 32] {
        *encoding::hash(
            "quorate/activation/v1",
            &[
                self.ivn.as_bytes(),
                self.definition.as_bytes(),
                &self.epoch.to_be_bytes(),
                self.session.as_bytes(),
                self.transcript.as_bytes(),
                self.public_key_package.as_bytes(),
            ],
        )
        .as_bytes()
    }
}

/// The parameters of a group's DKG session: from its signed definition, and the session's id.
fn parameters(
    ivn: IvnId,
    defined: EntryId,
    definition: &GroupDefinition,
    session: SessionId,
) -> Result<Parameters, Invalid> {
    let context = encoding::hash(
        "quorate/dkg-manifest/v1",
        &[ivn.as_bytes(), defined.as_bytes(), &1u64.to_be_bytes(), session.as_bytes()],
    );
    let identifiers: Option<Vec<Identifier>> =
        (1..=definition.members.len()).map(identifier).collect();
    Parameters::new(
        definition.suite,
        KeyshareSession(*session.as_bytes()),
        *context.as_bytes(),
        definition.min_signers,
        identifiers.ok_or(Invalid::Protocol)?,
    )
    .map_err(|_| Invalid::Protocol)
}

fn identifier(position_from_one: usize) -> Option<Identifier> {
    Identifier::try_from(u16::try_from(position_from_one).ok()?).ok()
}

impl Group {
    /// The protocol identifier of a member.
    pub fn identifier(&self, name: &AccountName) -> Option<Identifier> {
        let position = self.definition.members.iter().position(|member| member == name)?;
        identifier(position + 1)
    }

    /// The member with that protocol identifier.
    pub fn member(&self, identifier: Identifier) -> Option<&AccountName> {
        self.definition.members.get(usize::from(identifier.get()).checked_sub(1)?)
    }

    fn members_of(&self, identifiers: &BTreeSet<Identifier>) -> BTreeSet<AccountName> {
        identifiers.iter().filter_map(|id| self.member(*id).cloned()).collect()
    }

    /// Whether the group signs documents of that type.
    pub fn serves(&self, document_type: Option<&DocumentType>) -> bool {
        match document_type {
            Some(kind) => self.definition.document_types.contains(kind),
            None => self.definition.document_types.is_empty(),
        }
    }

    /// Members who have not accepted the definition.
    pub fn not_accepted(&self) -> impl Iterator<Item = &AccountName> {
        self.definition.members.iter().filter(|name| !self.accepted.contains(*name))
    }

    /// Whether a first or another DKG session may start.
    pub fn may_start(&self) -> bool {
        self.key.is_none()
            && self.dkg.is_none()
            && self.not_accepted().next().is_none()
            && self.past.last().is_none_or(|past| past.reason.retryable())
    }

    /// The step of the running session.
    pub fn phase(&self) -> Option<DkgPhase> {
        let dkg = self.dkg.as_ref()?;
        if dkg.board.phase() == Phase::Failed {
            let culprits = self.members_of(&dkg.board.culprits());
            return Some(DkgPhase::Doomed(AbortReason::Fault { culprits }));
        }
        let dissenters: BTreeSet<_> = dkg
            .certified
            .iter()
            .filter(|(_, agrees)| !**agrees)
            .map(|(name, _)| name.clone())
            .collect();
        if !dissenters.is_empty() {
            return Some(DkgPhase::Doomed(AbortReason::Dissent { dissenters }));
        }
        if !dkg.restarted.is_empty() {
            let nodes = dkg.restarted.clone();
            return Some(DkgPhase::Doomed(AbortReason::Restarted { nodes }));
        }
        Some(match dkg.board.phase() {
            Phase::Commit => DkgPhase::Committing,
            Phase::Reveal => DkgPhase::Revealing,
            Phase::Verdict => DkgPhase::Judging,
            _ if dkg.certified.len() < self.definition.members.len() => DkgPhase::Certifying,
            _ => DkgPhase::Activating,
        })
    }

    /// What each culprit of the running session did: decided from its messages alone.
    pub fn faults(&self) -> BTreeMap<AccountName, Fault> {
        let faults = self.dkg.iter().flat_map(|dkg| dkg.board.faults());
        faults.filter_map(|(id, fault)| Some((self.member(*id)?.clone(), *fault))).collect()
    }

    /// Whose message the running session waits for. Empty while activating.
    pub fn missing(&self) -> BTreeSet<AccountName> {
        let Some(dkg) = &self.dkg else { return BTreeSet::new() };
        match self.phase() {
            Some(DkgPhase::Committing | DkgPhase::Revealing | DkgPhase::Judging) => {
                self.members_of(&dkg.board.missing())
            }
            Some(DkgPhase::Certifying) => self
                .definition
                .members
                .iter()
                .filter(|name| !dkg.certified.contains_key(*name))
                .cloned()
                .collect(),
            Some(DkgPhase::Activating | DkgPhase::Doomed(_)) | None => BTreeSet::new(),
        }
    }

    /// Whether `name` posted a message to the running session.
    pub fn posted(&self, name: &AccountName) -> bool {
        self.dkg.as_ref().is_some_and(|dkg| dkg.posted.contains(name))
    }

    /// Whether `name` certified the running session.
    pub fn certified(&self, name: &AccountName) -> bool {
        self.dkg.as_ref().is_some_and(|dkg| dkg.certified.contains_key(name))
    }

    /// What a participant of the running session certifies: the transcript's hash and the public key package's.
    pub fn certificate(&self) -> Option<(Digest, Digest)> {
        let board = &self.dkg.as_ref()?.board;
        let package = package_hash(board.outcome()?);
        Some((Digest::new(board.transcript()), package))
    }

    /// The record that activates the running session's key, once all certified.
    pub fn activation(&self, ivn: IvnId) -> Option<(ActivationRecord, PublicKeyPackage)> {
        if self.phase() != Some(DkgPhase::Activating) {
            return None;
        }
        let dkg = self.dkg.as_ref()?;
        let (transcript, public_key_package) = self.certificate()?;
        let record = ActivationRecord {
            ivn,
            definition: self.defined,
            epoch: 1,
            session: dkg.session,
            transcript,
            public_key_package,
        };
        Some((record, dkg.board.outcome()?.clone()))
    }

    /// A restart costs a session only what the restarted node held in memory: nothing before its first message, and
    /// nothing after its certification, when its package is on disk.
    pub(super) fn note_restart(&mut self, name: &AccountName) {
        if let Some(dkg) = &mut self.dkg
            && dkg.posted.contains(name)
            && !dkg.certified.contains_key(name)
        {
            dkg.restarted.insert(name.clone());
        }
    }

    fn end_session(&mut self, reason: AbortReason) {
        if let Some(dkg) = self.dkg.take() {
            self.past.push(PastSession { session: dkg.session, reason });
        }
    }
}

impl AbortReason {
    /// Whether another session with the same participants may follow by itself.
    pub fn retryable(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::Restarted { .. } => true,
            Self::Fault { .. } | Self::Dissent { .. } | Self::Cancelled => false,
        }
    }
}

fn package_hash(package: &PublicKeyPackage) -> Digest {
    encoding::hash("quorate/public-key-package/v1", &[&package.to_bytes()])
}

impl IvnState {
    pub(super) fn define_group(
        &mut self,
        entry: &Entry,
        author: &AccountName,
        definition: &GroupDefinition,
    ) -> Result<Vec<Event>, Invalid> {
        let (id, at) = (entry.id(), entry.statement().at);
        self.check_admin(author)?;
        self.check_unsaid(id, author)?;
        if let Some(group) = self.groups.get(&definition.name) {
            if group.key.is_some() || group.dkg.is_some() {
                return Err(Invalid::GroupExists { group: definition.name.clone() });
            }
            // One that was held back must not bring back what the author has replaced since.
            if at < group.defined_at {
                return Err(Invalid::Outdated { name: definition.name.to_string() });
            }
        }
        let mut seen = BTreeSet::new();
        for name in &definition.members {
            if !seen.insert(name) {
                return Err(Invalid::MemberTwice { account: name.clone() });
            }
            if !self.account(name)?.roles.contains(&Role::Member) {
                return Err(Invalid::MemberRole { account: name.clone() });
            }
        }
        check_numbers(definition)?;
        parameters(self.ivn, id, definition, SessionId::new([0; 32]))?;
        let group = Group {
            definition: definition.clone(),
            defined: id,
            defined_at: at,
            accepted: BTreeSet::new(),
            dkg: None,
            past: Vec::new(),
            key: None,
        };
        self.groups.insert(definition.name.clone(), group);
        self.said.insert(id);
        Ok(vec![Event::GroupDefined(definition.name.clone())])
    }

    pub(super) fn accept_group(
        &mut self,
        author: &AccountName,
        name: &GroupName,
        definition: EntryId,
    ) -> Result<Vec<Event>, Invalid> {
        let group = self.group_mut(name)?;
        if !group.definition.members.contains(author) {
            return Err(Invalid::NotAMember { account: author.clone(), group: name.clone() });
        }
        if group.defined != definition {
            return Err(Invalid::DefinitionChanged { group: name.clone() });
        }
        if !group.accepted.insert(author.clone()) {
            return Err(Invalid::AlreadySaid { account: author.clone() });
        }
        Ok(vec![Event::GroupAccepted(name.clone())])
    }

    pub(super) fn dkg_started(
        &mut self,
        name: &GroupName,
        session: SessionId,
        attempt: u32,
        now: Timestamp,
    ) -> Result<Vec<Event>, Invalid> {
        let ivn = self.ivn;
        if self.sessions.contains_key(&session) {
            return Err(Invalid::SessionOver);
        }
        let group = self.group_mut(name)?;
        if group.key.is_some() || group.dkg.is_some() {
            return Err(Invalid::SessionRunning { group: name.clone() });
        }
        if !group.may_start() {
            return Err(Invalid::NotAccepted);
        }
        if usize::try_from(attempt).ok() != group.past.len().checked_add(1) {
            return Err(Invalid::SessionStep);
        }
        let parameters = parameters(ivn, group.defined, &group.definition, session)?;
        group.dkg = Some(Dkg {
            session,
            attempt,
            started: now,
            board: Board::new(parameters),
            posted: BTreeSet::new(),
            certified: BTreeMap::new(),
            restarted: BTreeSet::new(),
        });
        self.sessions.insert(session, name.clone());
        Ok(vec![Event::Dkg(name.clone())])
    }

    pub(super) fn dkg_message(
        &mut self,
        author: &AccountName,
        session: SessionId,
        incarnation: Digest,
        message: &[u8],
    ) -> Result<Vec<Event>, Invalid> {
        let current = self.account(author)?.incarnation;
        let (name, group) = self.running(session)?;
        let identifier = group
            .identifier(author)
            .ok_or_else(|| Invalid::NotAMember { account: author.clone(), group: name.clone() })?;
        // Otherwise a message of the process before a restart could stand beside one of the process after it, and
        // look like equivocation.
        if current != Some(incarnation) {
            return Err(Invalid::StaleIncarnation);
        }
        if matches!(group.phase(), Some(DkgPhase::Doomed(_))) {
            return Err(Invalid::SessionStep);
        }
        let Some(dkg) = &mut group.dkg else { return Err(Invalid::SessionOver) };
        match dkg.board.post(identifier, message) {
            Ok(Posted::Repeated) => return Err(Invalid::AlreadySaid { account: author.clone() }),
            // A message that proves its author's fault belongs in the log: it is the proof.
            Ok(Posted::Recorded | Posted::Failed) => {}
            Err(_) => return Err(Invalid::Protocol),
        }
        dkg.posted.insert(author.clone());
        Ok(vec![Event::Dkg(name)])
    }

    pub(super) fn dkg_certified(
        &mut self,
        author: &AccountName,
        session: SessionId,
        transcript: Digest,
        public_key_package: Digest,
    ) -> Result<Vec<Event>, Invalid> {
        let (name, group) = self.running(session)?;
        if !group.definition.members.contains(author) {
            return Err(Invalid::NotAMember { account: author.clone(), group: name });
        }
        if group.certified(author) {
            return Err(Invalid::AlreadySaid { account: author.clone() });
        }
        if group.phase() != Some(DkgPhase::Certifying) {
            return Err(Invalid::SessionStep);
        }
        let agrees = group.certificate() == Some((transcript, public_key_package));
        if let Some(dkg) = &mut group.dkg {
            dkg.certified.insert(author.clone(), agrees);
        }
        Ok(match group.phase() {
            Some(DkgPhase::Activating) => vec![Event::DkgCertified(name)],
            _ => vec![Event::Dkg(name)],
        })
    }

    /// The coordinator's abort: only for a reason that the log shows.
    pub(super) fn dkg_aborted(
        &mut self,
        session: SessionId,
        reason: &AbortReason,
    ) -> Result<Vec<Event>, Invalid> {
        let (name, group) = self.running(session)?;
        let shown = match (reason, group.phase()) {
            (AbortReason::TimedOut { missing }, Some(phase)) => {
                !matches!(phase, DkgPhase::Doomed(_))
                    && !missing.is_empty()
                    && *missing == group.missing()
            }
            (AbortReason::Cancelled, _) => return Err(Invalid::WrongAuthor),
            (reason, Some(DkgPhase::Doomed(shown))) => *reason == shown,
            _ => false,
        };
        if !shown {
            return Err(Invalid::AbortReason);
        }
        group.end_session(reason.clone());
        Ok(vec![Event::DkgAborted(name)])
    }

    /// An admin calls a session off, at any step. Certified keys too: members that certify and then refuse the activation
    /// signature would otherwise keep the group in that step for ever. Which came first, this or the activation, is
    /// decided by the log's order.
    pub(super) fn dkg_cancelled(
        &mut self,
        author: &AccountName,
        session: SessionId,
        reason: &AbortReason,
    ) -> Result<Vec<Event>, Invalid> {
        self.check_admin(author)?;
        if *reason != AbortReason::Cancelled {
            return Err(Invalid::WrongAuthor);
        }
        let (name, group) = self.running(session)?;
        group.end_session(AbortReason::Cancelled);
        Ok(vec![Event::DkgAborted(name)])
    }

    pub(super) fn epoch_started(
        &mut self,
        session: SessionId,
        signature: &[u8],
        now: Timestamp,
    ) -> Result<Vec<Event>, Invalid> {
        let (ivn, index) = (self.ivn, self.size);
        let (name, group) = self.running(session)?;
        let started = group.dkg.as_ref().map_or(now, |dkg| dkg.started);
        let (record, public) = group.activation(ivn).ok_or(Invalid::SessionStep)?;
        let signature = Signature::from_bytes(signature).map_err(|_| Invalid::BadSignature)?;
        sign::verify(public.verifying_key(), &record.to_be_signed(), &signature)
            .map_err(|_| Invalid::BadSignature)?;
        let activated = now;
        group.key = Some(GroupKey { epoch: 1, session, public, index, started, activated });
        group.dkg = None;
        Ok(vec![Event::EpochStarted(name)])
    }

    fn group_mut(&mut self, name: &GroupName) -> Result<&mut Group, Invalid> {
        self.groups.get_mut(name).ok_or_else(|| Invalid::UnknownGroup { group: name.clone() })
    }

    /// The group whose running session this is.
    fn running(&mut self, session: SessionId) -> Result<(GroupName, &mut Group), Invalid> {
        let name = self.sessions.get(&session).ok_or(Invalid::SessionOver)?.clone();
        let group = self.groups.get_mut(&name).ok_or(Invalid::SessionOver)?;
        if group.dkg.as_ref().map(|dkg| dkg.session) != Some(session) {
            return Err(Invalid::SessionOver);
        }
        Ok((name, group))
    }
}

fn check_numbers(definition: &GroupDefinition) -> Result<(), Invalid> {
    let members = definition.members.len();
    let min_signers = definition.min_signers;
    if min_signers < 2 || usize::from(min_signers) > members {
        return Err(Invalid::MinSigners { min_signers, members });
    }
    if min_signers > MOST_SIGNERS {
        return Err(Invalid::TooManySigners { min_signers, most: MOST_SIGNERS });
    }
    let policy = &definition.policy;
    let voters = members.saturating_sub(usize::from(!policy.requester_may_approve));
    let most = u16::try_from(voters).unwrap_or(u16::MAX);
    if policy.approvals_required < min_signers || policy.approvals_required > most {
        return Err(Invalid::ApprovalsRequired {
            approvals_required: policy.approvals_required,
            least: min_signers,
            most,
        });
    }
    if policy.expiry == 0 {
        return Err(Invalid::Expiry { longest_hours: 0 });
    }
    Ok(())
}
