//! Signing as the coordinator sees it: what is to be signed, with whom, and what becomes of the answers.
//!
//! Which signers are asked and when others are tried is [`super::roast`]'s; here are the messages, their checks, and the
//! result. A signature results while min_signers approving nodes answer (invariant L1), in at most
//! max_signers − min_signers + 1 sessions. Nothing here is stored: after a restart, every approved request simply gets a
//! new session.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::keys::PublicKeyPackage;
use quorate_protocol::{Identifier, sign};
use rand_core::CryptoRngCore;

use super::Coordinator;
use super::response_time::ResponseTime;
use super::roast::{Next, Package, Roast};
use crate::document::Document;
use crate::effect::{CoordinatorDeadline, CoordinatorEffect};
use crate::encoding::{Base64, Encoder};
use crate::message::FromCoordinator;
use crate::names::{AccountName, EntryId, GroupName, SessionId, Timestamp};
use crate::signing::{SignedPart, SigningSession, Subject};
use crate::state::Status;
use crate::statement::{Body, SignerRecord};

/// A signer that declined, or whose answer was wrong, is not asked for a pause that doubles at most this often.
const MAX_DOUBLINGS: u32 = 5;
/// How many first pauses pass before a missing document is looked for again.
const DOCUMENT_PAUSES: u64 = 8;

/// All signing that is wanted or under way.
#[derive(Debug, Default)]
pub(super) struct Signing {
    /// Everything that is to be signed.
    efforts: BTreeMap<Subject, Roast>,
    /// What something changed for since sessions were last opened.
    due: BTreeSet<Subject>,
    /// What each session is for.
    subjects: BTreeMap<SessionId, Subject>,
    /// When something is looked at again for which nothing could be done.
    retry_at: Option<Timestamp>,
    /// How often a node failed since it last delivered.
    suspicion: BTreeMap<AccountName, u32>,
    /// How fast each node answers.
    paces: BTreeMap<AccountName, ResponseTime>,
    /// What is to be signed for each request.
    documents: BTreeMap<EntryId, Vec<u8>>,
}

/// What a session needs to know of its subject.
struct Target<'a> {
    epoch: u64,
    identifiers: &'a BTreeMap<AccountName, Identifier>,
    public: Cow<'a, PublicKeyPackage>,
    /// Of a raw signature, the whole document: not to be copied for each message.
    message: Cow<'a, [u8]>,
    /// Who may sign.
    eligible: Vec<&'a AccountName>,
}

impl Target<'_> {
    fn min_signers(&self) -> usize {
        usize::from(self.public.min_signers())
    }
}

impl Signing {
    fn retry_at(&mut self, at: Timestamp, out: &mut Vec<CoordinatorEffect>) {
        if self.retry_at.is_none_or(|set| at < set) {
            self.retry_at = Some(at);
            out.push(CoordinatorEffect::SetDeadline(CoordinatorDeadline::Retry, at));
        }
    }

    pub(super) fn wanted(&mut self, subject: Subject) {
        self.efforts.entry(subject).or_default();
        self.due.insert(subject);
    }

    /// The time to look at everything again has come.
    pub(super) fn resume(&mut self) {
        self.retry_at = None;
        self.look_again();
    }

    fn look_again(&mut self) {
        self.due.extend(self.efforts.keys().copied());
    }

    /// A node is here, and ready: nothing that it said before counts against asking it.
    pub(super) fn wake(&mut self, account: &AccountName) {
        for roast in self.efforts.values_mut() {
            roast.wake(account);
        }
        self.look_again();
    }

    /// Asks again for the documents without which something can not start.
    pub(super) fn prepare_missing(&self, out: &mut Vec<CoordinatorEffect>) {
        for subject in &self.due {
            if let Subject::Request { request } = subject
                && !self.documents.contains_key(request)
            {
                out.push(CoordinatorEffect::PrepareDocument(*request));
            }
        }
    }

    pub(super) fn awaited(&self, subject: Subject) -> BTreeSet<&AccountName> {
        self.efforts.get(&subject).map(Roast::awaited).unwrap_or_default()
    }

    fn drop_subject(&mut self, subject: Subject) {
        self.due.remove(&subject);
        if let Some(roast) = self.efforts.remove(&subject) {
            for session in roast.sessions() {
                self.subjects.remove(session);
            }
        }
        if let Subject::Request { request } = subject {
            self.documents.remove(&request);
        }
    }

    /// The sessions of what this one is for.
    fn roast(&mut self, session: SessionId) -> Option<(Subject, &mut Roast)> {
        let subject = *self.subjects.get(&session)?;
        Some((subject, self.efforts.get_mut(&subject)?))
    }

    fn suspect(&mut self, signers: &BTreeSet<AccountName>) {
        for account in signers {
            let suspicion = self.suspicion.entry(account.clone()).or_default();
            *suspicion = suspicion.saturating_add(1);
        }
    }

    /// Ends sessions of each subject as `end` does, which says because of whom.
    fn end_sessions(&mut self, end: impl Fn(&mut Roast) -> BTreeSet<AccountName>) {
        let mut at_fault = BTreeSet::new();
        for (subject, roast) in &mut self.efforts {
            let mut theirs = end(roast);
            if !theirs.is_empty() {
                at_fault.append(&mut theirs);
                self.due.insert(*subject);
            }
        }
        self.suspect(&at_fault);
        let efforts = &self.efforts;
        self.subjects.retain(|session, subject| {
            efforts.get(subject).is_some_and(|roast| roast.opened(*session).is_some())
        });
    }

    fn answered(&mut self, account: &AccountName, after: Option<u64>) {
        if let Some(after) = after {
            self.paces.entry(account.clone()).or_default().answered(after);
        }
    }

    /// How long to wait for all of these; `longest` at most.
    fn patience<'a>(&self, of: impl Iterator<Item = &'a AccountName>, longest: u64) -> u64 {
        of.map(|account| self.paces.get(account).copied().unwrap_or_default().patience(longest))
            .max()
            .unwrap_or(longest)
    }
}

impl Coordinator {
    pub(super) fn request_changed(&mut self, id: EntryId, out: &mut Vec<CoordinatorEffect>) {
        let subject = Subject::Request { request: id };
        let Ok(state) = self.state.request(id) else { return };
        match state.status {
            Status::Approved => {
                if !self.signing.documents.contains_key(&id) {
                    out.push(CoordinatorEffect::PrepareDocument(id));
                }
                self.signing.wanted(subject);
            }
            Status::Open => {}
            Status::Refused(_) | Status::Rejected | Status::Signed { .. } => {
                self.signing.drop_subject(subject);
            }
        }
    }

    pub(super) fn document(
        &mut self,
        request: EntryId,
        document: Option<Document>,
        now: Timestamp,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let Ok(state) = self.state.request(request) else { return };
        if state.status != Status::Approved || state.lapsed(now) {
            return;
        }
        if let Some(document) = document.filter(|d| d.commitment == state.request.document) {
            self.signing.documents.insert(request, document.to_be_signed);
            self.signing.wanted(Subject::Request { request });
        } else {
            let pause = self.config.pause.saturating_mul(DOCUMENT_PAUSES);
            self.signing.retry_at(now.plus(pause), out);
        }
    }

    /// What a session of this subject needs; `None` if it can not have one now.
    fn target(&self, subject: Subject, now: Timestamp) -> Option<Target<'_>> {
        match subject {
            Subject::Request { request } => {
                let state = self.state.request(request).ok()?;
                if state.status != Status::Approved || state.lapsed(now) {
                    return None;
                }
                let key = self.state.group(&state.request.group).ok()?.key.as_ref()?;
                Some(Target {
                    epoch: key.epoch,
                    identifiers: &key.identifiers,
                    public: Cow::Borrowed(&key.public),
                    message: Cow::Borrowed(self.signing.documents.get(&request)?.as_slice()),
                    eligible: state.approvals.iter().collect(),
                })
            }
            Subject::Activation { session } => {
                let group = self.state.group_of_session(session)?;
                let (record, public) = group.activation(self.state.ivn())?;
                let terms = &group.session.as_ref()?.terms;
                Some(Target {
                    epoch: terms.epoch,
                    identifiers: &terms.identifiers,
                    public: Cow::Owned(public),
                    message: Cow::Owned(record.to_be_signed()),
                    eligible: terms.definition.members.iter().collect(),
                })
            }
        }
    }

    /// Asks signers for everything that can go on.
    pub(super) fn start_signing(
        &mut self,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        for subject in std::mem::take(&mut self.signing.due) {
            self.advance(subject, now, rng, out);
        }
    }

    fn advance(
        &mut self,
        subject: Subject,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        // Not now: someone has to connect, or the document to be there.
        let Some(target) = self.target(subject, now) else { return };
        let Some(roast) = self.signing.efforts.get(&subject) else { return };
        let free = self.free_signers(subject, &target, roast, now);
        let min_signers = target.min_signers();
        let rest_ends = roast.rest_ends(now);
        let (session, count) = match roast.next(min_signers, free.len()) {
            Next::Wait => (None, 0),
            Next::Ask(session, count) => (Some(session), count),
            Next::Open => {
                let mut session = [0; 32];
                rng.fill_bytes(&mut session);
                (Some(SessionId::new(session)), min_signers)
            }
        };
        let asked: Vec<AccountName> = free.into_iter().take(count).cloned().collect();
        if let Some(at) = rest_ends {
            self.signing.retry_at(at, out);
        }
        let Some(session) = session.filter(|_| !asked.is_empty()) else { return };
        let patience = self.signing.patience(asked.iter(), self.config.signing);
        self.signing.subjects.insert(session, subject);
        let Some(roast) = self.signing.efforts.get_mut(&subject) else { return };
        if roast.opened(session).is_none() {
            roast.open(session, now);
        }
        for account in asked {
            roast.ask(session, account.clone(), now);
            let invite = FromCoordinator::Invite { session, subject };
            out.push(CoordinatorEffect::Send(account, invite));
        }
        let deadline = CoordinatorDeadline::Signing(session);
        out.push(CoordinatorEffect::SetDeadline(deadline, now.plus(patience)));
    }

    /// Who can be asked now, best first: who failed least, in this subject and at all; among equals, another order for
    /// each subject spreads the work.
    fn free_signers<'a>(
        &self,
        subject: Subject,
        target: &Target<'a>,
        roast: &Roast,
        now: Timestamp,
    ) -> Vec<&'a AccountName> {
        let mut free: Vec<&AccountName> = target
            .eligible
            .iter()
            .copied()
            .filter(|account| self.is_ready(account) && roast.is_free(account, now))
            .collect();
        let label = match subject {
            Subject::Request { request } => *request.as_bytes(),
            Subject::Activation { session } => *session.as_bytes(),
        };
        free.sort_by_cached_key(|account| {
            let suspicion = self.signing.suspicion.get(*account).copied().unwrap_or(0);
            let spread =
                Encoder::new("quorate/spread/v1").field(1, label).field(2, account.as_str());
            let spread = spread.digest();
            (roast.failures(account), suspicion, spread)
        });
        free
    }

    pub(super) fn commitments(
        &mut self,
        account: &AccountName,
        session: SessionId,
        signed: SignedPart,
        now: Timestamp,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let ivn = self.state.ivn();
        let key = self.state.identity_key(account);
        let subject = self.signing.subjects.get(&session).copied();
        let (Some(key), Some(subject)) = (key, subject) else { return };
        let Some(epoch) = self.state.epoch_of(subject) else { return };
        let awaits = |roast: &Roast| roast.awaits_commitments(session, account);
        if !self.signing.efforts.get(&subject).is_some_and(awaits) {
            return;
        }
        let context = SigningSession { ivn, session, epoch, subject };
        let Ok(commitments) = context.open_commitments(account, key, &signed) else {
            return self.signer_failed(account, session, now);
        };
        let Some(roast) = self.signing.efforts.get_mut(&subject) else { return };
        let took = roast.committed(session, account, (signed, commitments), now);
        self.signing.answered(account, took);
        self.send_package(session, now, out);
    }

    /// Begins a session's second round, if enough commitments are here.
    fn send_package(
        &mut self,
        session: SessionId,
        now: Timestamp,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let Some(subject) = self.signing.subjects.get(&session).copied() else { return };
        let Some(target) = self.target(subject, now) else { return };
        let min_signers = target.min_signers();
        let members: BTreeMap<_, _> = target
            .eligible
            .iter()
            .filter_map(|account| Some(((*account).clone(), *target.identifiers.get(*account)?)))
            .collect();
        let Some(roast) = self.signing.efforts.get_mut(&subject) else { return };
        let identify = |account: &AccountName| members.get(account).copied();
        let Some(package) = roast.complete(session, min_signers, identify, now) else { return };
        let signers: Vec<AccountName> = package.signers.keys().cloned().collect();
        let commitments: Vec<_> = package
            .signed
            .iter()
            .map(|(account, (signed, _))| (account.clone(), signed.clone()))
            .collect();
        for signer in &signers {
            let package = FromCoordinator::Package { session, commitments: commitments.clone() };
            out.push(CoordinatorEffect::Send(signer.clone(), package));
        }
        let patience = self.signing.patience(signers.iter(), self.config.signing);
        let deadline = CoordinatorDeadline::Signing(session);
        out.push(CoordinatorEffect::SetDeadline(deadline, now.plus(patience)));
    }

    pub(super) fn share(
        &mut self,
        account: &AccountName,
        session: SessionId,
        signed: SignedPart,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let key = self.state.identity_key(account);
        let subject = self.signing.subjects.get(&session).copied();
        let (Some(key), Some(subject)) = (key, subject) else { return };
        let Some(target) = self.target(subject, now) else { return };
        let package = self.signing.efforts.get(&subject).and_then(|roast| roast.package(session));
        let Some(package) = package else { return };
        let Some(identifier) = package.signers.get(account).copied() else { return };
        let (ivn, epoch) = (self.state.ivn(), target.epoch);
        let context = SigningSession { ivn, session, epoch, subject };
        let digest = context.package(&package.commitments);
        // Each on its own, not only their sum: two signers whose errors cancel would make a good signature whose
        // log entry does not show who made it.
        let share = context.open_share(account, key, digest, &signed).ok().filter(|share| {
            let (public, message) = (&target.public, &target.message);
            sign::verify_share(public, &package.commitments, identifier, share, message).is_ok()
        });
        let Some(share) = share else { return self.signer_failed(account, session, now) };
        let Some(roast) = self.signing.efforts.get_mut(&subject) else { return };
        let took = roast.delivered(session, account, (signed, share), now);
        self.signing.answered(account, took);
        self.signing.suspicion.remove(account);
        self.signing.due.insert(subject);
        self.aggregate(subject, session, now, rng, out);
    }

    /// If all shares are here, makes the signature. It is verified before it is logged.
    fn aggregate(
        &mut self,
        subject: Subject,
        session: SessionId,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let Some(target) = self.target(subject, now) else { return };
        let package = self.signing.efforts.get(&subject).and_then(|roast| roast.package(session));
        let Some(package) = package.filter(|package| package.is_complete()) else { return };
        let (public, message) = (&target.public, &target.message);
        let signature = sign::aggregate(public, &package.commitments, &package.shares(), message)
            .ok()
            .filter(|signature| sign::verify(public.verifying_key(), message, signature).is_ok());
        let body = signature.map(|signature| {
            let signature = Base64(signature.to_bytes().to_vec());
            match subject {
                Subject::Activation { session } => Body::EpochStarted { session, signature },
                Subject::Request { request } => {
                    Body::Signature { request, session, signature, signers: records(package) }
                }
            }
        });
        // What the log does not take, or what does not verify although every share does, is tried again.
        if body.is_some_and(|body| self.append_own(body, now, rng, out).is_ok()) {
            self.signing.drop_subject(subject);
        } else {
            self.end_session(session);
            self.signing.due.remove(&subject);
            self.signing.retry_at(now.plus(self.config.pause), out);
        }
    }

    /// The group's key is used with other shares from now on: sessions with the old ones are over.
    pub(super) fn drop_sessions_of_group(&mut self, name: &GroupName) {
        let of_group = |subject: &Subject| match subject {
            Subject::Request { request } => {
                self.state.request(*request).is_ok_and(|state| state.request.group == *name)
            }
            Subject::Activation { .. } => false,
        };
        let over: Vec<SessionId> = self
            .signing
            .subjects
            .iter()
            .filter(|(_, subject)| of_group(subject))
            .map(|(session, _)| *session)
            .collect();
        over.into_iter().for_each(|session| self.end_session(session));
    }

    fn end_session(&mut self, session: SessionId) {
        if let Some(subject) = self.signing.subjects.remove(&session)
            && let Some(roast) = self.signing.efforts.get_mut(&subject)
        {
            roast.end(session);
            self.signing.due.insert(subject);
        }
    }

    /// The time for an answer is over, or that for the whole session.
    pub(super) fn signing_overdue(
        &mut self,
        session: SessionId,
        now: Timestamp,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let Some((subject, roast)) = self.signing.roast(session) else { return };
        let Some(opened) = roast.opened(session) else { return };
        let late = roast.overdue(session);
        let end = opened.plus(self.config.session);
        if now < end {
            let deadline = CoordinatorDeadline::Signing(session);
            out.push(CoordinatorEffect::SetDeadline(deadline, end));
        } else {
            self.end_session(session);
        }
        self.signing.suspect(&late);
        self.signing.due.insert(subject);
    }

    /// A node's connection is gone, and with it the nonces that it made on it.
    pub(super) fn signer_gone(&mut self, account: &AccountName) {
        self.signing.end_sessions(|roast| roast.gone(account));
    }

    /// An account may not act any more with the key that it had. It can come back with another, but what it signed
    /// before would make the log refuse a signature that the others have long delivered for.
    pub(super) fn signer_disowned(&mut self, account: &AccountName) {
        self.signing.end_sessions(|roast| roast.disowned(account));
    }

    /// A signer takes no part, or its message is wrong: goes on without it, and does not ask it for a while. Of anybody
    /// who is not in the session it means nothing.
    pub(super) fn signer_failed(
        &mut self,
        account: &AccountName,
        session: SessionId,
        now: Timestamp,
    ) {
        let pause = self.config.pause;
        let Some((subject, roast)) = self.signing.roast(session) else { return };
        let lost = roast.lost(session, account);
        if lost.is_empty() {
            return;
        }
        roast.rest(account, now, pause, MAX_DOUBLINGS);
        if roast.opened(session).is_none() {
            self.signing.subjects.remove(&session);
        }
        self.signing.suspect(&lost);
        self.signing.due.insert(subject);
    }
}

fn records(package: &Package) -> Vec<SignerRecord> {
    package
        .signed
        .iter()
        .filter_map(|(account, (commitments, _))| {
            let (share, _) = package.shares.get(account)?;
            let (commitments, share) = (commitments.clone(), share.clone());
            Some(SignerRecord { account: account.clone(), commitments, share })
        })
        .collect()
}
