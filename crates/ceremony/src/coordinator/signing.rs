//! Signing sessions as the coordinator sees them: choose signers, relay, aggregate, and try others when some fail.
//!
//! A session that fails for whatever reason is dropped and another is tried under a new id, preferring members that
//! failed least, so that a signature results while min_signers approving nodes answer (invariant L1). Nothing here is
//! stored: after a restart, every approved request simply gets a new session.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::Identifier;
use quorate_protocol::keys::PublicKeyPackage;
use quorate_protocol::sign::{self, Commitments, SignatureShare};
use rand_core::CryptoRngCore;

use super::Coordinator;
use crate::effect::{CoordinatorDeadline, CoordinatorEffect};
use crate::encoding::{self, Base64};
use crate::entry::Envelope;
use crate::message::FromCoordinator;
use crate::names::{AccountName, EntryId, SessionId, Timestamp};
use crate::node::Document;
use crate::signing::{SignerRecord, SigningSession, Subject};
use crate::state::{Group, Status};
use crate::statement::Body;

/// Signing waits longer each time that everybody was tried: this many times the first pause or deadline at most is
/// 2 to the power of this.
const MAX_DOUBLINGS: u32 = 5;
/// How many first pauses pass before a missing document is looked for again.
const DOCUMENT_PAUSES: u64 = 8;

/// All signing that is wanted or under way.
#[derive(Debug, Default)]
pub(super) struct Signing {
    /// What is to be signed and has no session.
    wanted: BTreeSet<Subject>,
    /// What failed with all eligible signers and waits for its pause to end.
    paused: BTreeSet<Subject>,
    sessions: BTreeMap<SessionId, Attempt>,
    /// When the pauses end.
    retry_at: Option<Timestamp>,
    /// Failed sessions of each subject.
    failures: BTreeMap<Subject, u32>,
    /// How often a node failed since it last delivered.
    suspicion: BTreeMap<AccountName, u32>,
    /// What is to be signed for each request.
    documents: BTreeMap<EntryId, Vec<u8>>,
}

/// One session.
#[derive(Debug)]
struct Attempt {
    subject: Subject,
    signers: BTreeMap<AccountName, Identifier>,
    public: PublicKeyPackage,
    message: Vec<u8>,
    commitments: BTreeMap<AccountName, (Envelope, Commitments)>,
    shares: BTreeMap<AccountName, (Envelope, SignatureShare)>,
}

impl Signing {
    /// Ends the pauses at `at` or sooner: a long pause of one subject does not hold up a short one of another.
    fn retry_at(&mut self, at: Timestamp, out: &mut Vec<CoordinatorEffect>) {
        if self.retry_at.is_none_or(|set| at < set) {
            self.retry_at = Some(at);
            out.push(CoordinatorEffect::SetDeadline(CoordinatorDeadline::Retry, at));
        }
    }

    pub(super) fn wanted(&mut self, subject: Subject) {
        if !self.sessions.values().any(|attempt| attempt.subject == subject) {
            self.paused.remove(&subject);
            self.wanted.insert(subject);
        }
    }

    /// Ends all pauses.
    pub(super) fn resume(&mut self) {
        self.retry_at = None;
        self.wanted.append(&mut self.paused);
    }

    /// Asks again for the documents without which something can not start.
    pub(super) fn prepare_missing(&self, out: &mut Vec<CoordinatorEffect>) {
        for subject in &self.wanted {
            if let Subject::Request { request } = subject
                && !self.documents.contains_key(request)
            {
                out.push(CoordinatorEffect::PrepareDocument(*request));
            }
        }
    }

    pub(super) fn signers_of(&self, subject: Subject) -> Option<Vec<&AccountName>> {
        let attempt = self.sessions.values().find(|attempt| attempt.subject == subject)?;
        Some(attempt.signers.keys().collect())
    }

    fn drop_subject(&mut self, subject: Subject) {
        self.wanted.remove(&subject);
        self.paused.remove(&subject);
        self.failures.remove(&subject);
        self.sessions.retain(|_, attempt| attempt.subject != subject);
        if let Subject::Request { request } = subject {
            self.documents.remove(&request);
        }
    }
}

impl Attempt {
    /// How many members the group has; at least 1.
    fn members(&self) -> u32 {
        u32::try_from(self.public.verifying_shares().len()).unwrap_or(u32::MAX).max(1)
    }

    fn by_identifier<T: Clone>(
        &self,
        parts: &BTreeMap<AccountName, (Envelope, T)>,
    ) -> BTreeMap<Identifier, T> {
        parts
            .iter()
            .filter_map(|(account, (_, part))| Some((*self.signers.get(account)?, part.clone())))
            .collect()
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

    /// Starts a session for everything that is wanted and can start.
    pub(super) fn start_signing(
        &mut self,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        for subject in std::mem::take(&mut self.signing.wanted) {
            let Some(attempt) = self.new_attempt(subject, now) else {
                // Not now: someone has to connect, or the document to be there.
                self.signing.paused.insert(subject);
                continue;
            };
            let mut session = [0; 32];
            rng.fill_bytes(&mut session);
            let session = SessionId::new(session);
            let signers: Vec<AccountName> = attempt.signers.keys().cloned().collect();
            for signer in &signers {
                let invite = FromCoordinator::Invite { session, subject, signers: signers.clone() };
                out.push(CoordinatorEffect::Send(signer.clone(), invite));
            }
            // On a slow network the first deadline may be too short for anybody to meet.
            let patience = self.config.signing.saturating_mul(1 << self.rounds_failed(&attempt));
            let deadline = CoordinatorDeadline::Signing(session);
            out.push(CoordinatorEffect::SetDeadline(deadline, now.plus(patience)));
            self.signing.sessions.insert(session, attempt);
        }
    }

    fn new_attempt(&self, subject: Subject, now: Timestamp) -> Option<Attempt> {
        let (group, public, message, eligible): (&Group, _, _, Vec<&AccountName>) = match subject {
            Subject::Request { request } => {
                let state = self.state.request(request).ok()?;
                if state.status != Status::Approved || state.lapsed(now) {
                    return None;
                }
                let group = self.state.group(&state.request.group).ok()?;
                let public = group.key.as_ref()?.public.clone();
                let message = self.signing.documents.get(&request)?.clone();
                (group, public, message, state.approvals.iter().collect())
            }
            Subject::Activation { session } => {
                let group = self.state.group_of_session(session)?;
                let (record, public) = group.activation(self.state.ivn())?;
                let message = record.to_be_signed().to_vec();
                (group, public, message, group.definition.members.iter().collect())
            }
        };
        let mut ready: Vec<&AccountName> =
            eligible.into_iter().filter(|account| self.is_ready(account)).collect();
        let label = match subject {
            Subject::Request { request } => *request.as_bytes(),
            Subject::Activation { session } => *session.as_bytes(),
        };
        // Who failed least first; among equals, another order for each subject spreads the work.
        ready.sort_by_cached_key(|account| {
            let suspicion = self.signing.suspicion.get(*account).copied().unwrap_or(0);
            (suspicion, encoding::hash("quorate/spread", &[&label, account.as_str().as_bytes()]))
        });
        let min_signers = usize::from(group.definition.min_signers);
        let chosen = ready.get(..min_signers)?;
        let signers = chosen
            .iter()
            .map(|account| Some(((*account).clone(), group.identifier(account)?)))
            .collect::<Option<_>>()?;
        Some(Attempt {
            subject,
            signers,
            public,
            message,
            commitments: BTreeMap::new(),
            shares: BTreeMap::new(),
        })
    }

    pub(super) fn commitments(
        &mut self,
        account: &AccountName,
        session: SessionId,
        envelope: Envelope,
        now: Timestamp,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let ivn = self.state.ivn();
        let key = self.state.identity_key(account);
        let Some(attempt) = self.signing.sessions.get_mut(&session) else { return };
        let (true, Some(key), false) =
            (attempt.signers.contains_key(account), key, attempt.commitments.contains_key(account))
        else {
            return;
        };
        let context = SigningSession { ivn, session, subject: attempt.subject };
        match context.open_commitments(account, key, &envelope) {
            Ok(commitments) => {
                attempt.commitments.insert(account.clone(), (envelope, commitments));
            }
            Err(_) => {
                return self.attempt_failed(session, &BTreeSet::from([account.clone()]), now, out);
            }
        }
        if attempt.commitments.len() == attempt.signers.len() {
            let all: Vec<_> = attempt
                .commitments
                .iter()
                .map(|(account, (envelope, _))| (account.clone(), envelope.clone()))
                .collect();
            for signer in attempt.signers.keys() {
                let package = FromCoordinator::Package { session, commitments: all.clone() };
                out.push(CoordinatorEffect::Send(signer.clone(), package));
            }
        }
    }

    pub(super) fn share(
        &mut self,
        account: &AccountName,
        session: SessionId,
        envelope: Envelope,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let ivn = self.state.ivn();
        let key = self.state.identity_key(account);
        let Some(attempt) = self.signing.sessions.get_mut(&session) else { return };
        let complete = attempt.commitments.len() == attempt.signers.len();
        let (true, true, Some(key)) = (complete, attempt.signers.contains_key(account), key) else {
            return;
        };
        let context = SigningSession { ivn, session, subject: attempt.subject };
        let commitments = attempt.by_identifier(&attempt.commitments);
        let Some(identifier) = attempt.signers.get(account).copied() else { return };
        // Each on its own, not only their sum: two signers whose errors cancel would make a good signature whose
        // log entry does not show who made it.
        let share = context
            .open_share(account, key, context.package(&commitments), &envelope)
            .ok()
            .filter(|share| {
                let (public, message) = (&attempt.public, &attempt.message);
                sign::verify_share(public, &commitments, identifier, share, message).is_ok()
            });
        match share {
            Some(share) => {
                attempt.shares.insert(account.clone(), (envelope, share));
            }
            None => {
                return self.attempt_failed(session, &BTreeSet::from([account.clone()]), now, out);
            }
        }
        if attempt.shares.len() == attempt.signers.len() {
            self.aggregate(session, now, rng, out);
        }
    }

    /// All shares are here. The result is verified before it is logged, and a bad share names its sender.
    fn aggregate(
        &mut self,
        session: SessionId,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let Some(attempt) = self.signing.sessions.get(&session) else { return };
        let commitments = attempt.by_identifier(&attempt.commitments);
        let shares = attempt.by_identifier(&attempt.shares);
        let result = sign::aggregate(&attempt.public, &commitments, &shares, &attempt.message)
            .map_err(|error| error.culprits())
            .and_then(|signature| {
                sign::verify(attempt.public.verifying_key(), &attempt.message, &signature)
                    .map(|()| signature)
                    .map_err(|_| BTreeSet::new())
            });
        let signature = match result {
            Ok(signature) => Base64(signature.to_bytes().to_vec()),
            Err(culprits) => {
                let names = attempt
                    .signers
                    .iter()
                    .filter(|(_, identifier)| culprits.contains(identifier))
                    .map(|(account, _)| account.clone())
                    .collect();
                return self.attempt_failed(session, &names, now, out);
            }
        };
        let (subject, signers): (_, Vec<AccountName>) =
            (attempt.subject, attempt.signers.keys().cloned().collect());
        let body = match subject {
            Subject::Activation { session } => Body::EpochStarted { session, signature },
            Subject::Request { request } => {
                let signers = records(&attempt.commitments, &attempt.shares);
                Body::Signature { request, session, signature, signers }
            }
        };
        // What the log does not take, for whatever reason, is tried again and not forgotten.
        if self.append_own(body, now, rng, out).is_err() {
            return self.attempt_failed(session, &BTreeSet::new(), now, out);
        }
        self.signing.drop_subject(subject);
        for account in &signers {
            self.signing.suspicion.remove(account);
        }
    }

    pub(super) fn signing_overdue(
        &mut self,
        session: SessionId,
        now: Timestamp,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let Some(attempt) = self.signing.sessions.get(&session) else { return };
        let answered = if attempt.commitments.len() < attempt.signers.len() {
            attempt.commitments.keys().collect::<BTreeSet<_>>()
        } else {
            attempt.shares.keys().collect()
        };
        let silent =
            attempt.signers.keys().filter(|account| !answered.contains(account)).cloned().collect();
        self.attempt_failed(session, &silent, now, out);
    }

    pub(super) fn signer_gone(
        &mut self,
        account: &AccountName,
        now: Timestamp,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let theirs: Vec<SessionId> = self
            .signing
            .sessions
            .iter()
            .filter(|(_, attempt)| attempt.signers.contains_key(account))
            .map(|(session, _)| *session)
            .collect();
        for session in theirs {
            self.attempt_failed(session, &BTreeSet::from([account.clone()]), now, out);
        }
    }

    /// How often as many sessions failed as there are members, at most [`MAX_DOUBLINGS`].
    fn rounds_failed(&self, attempt: &Attempt) -> u32 {
        let failures = self.signing.failures.get(&attempt.subject).copied().unwrap_or(0);
        (failures / attempt.members()).min(MAX_DOUBLINGS)
    }

    /// A signer takes no part. Of anybody else it would mean nothing.
    pub(super) fn declined(
        &mut self,
        account: AccountName,
        session: SessionId,
        now: Timestamp,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let attempt = self.signing.sessions.get(&session);
        if attempt.is_some_and(|attempt| attempt.signers.contains_key(&account)) {
            self.attempt_failed(session, &BTreeSet::from([account]), now, out);
        }
    }

    /// Drops a session; those who made it fail are chosen last from now on. After as many failures as there are
    /// members, everybody was tried: pause before the next round.
    pub(super) fn attempt_failed(
        &mut self,
        session: SessionId,
        failed: &BTreeSet<AccountName>,
        now: Timestamp,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let Some(attempt) = self.signing.sessions.remove(&session) else { return };
        for account in failed.iter().filter(|account| attempt.signers.contains_key(*account)) {
            let suspicion = self.signing.suspicion.entry(account.clone()).or_default();
            *suspicion = suspicion.saturating_add(1);
        }
        let failures = self.signing.failures.entry(attempt.subject).or_default();
        *failures = failures.saturating_add(1);
        let members = attempt.members();
        if failures.is_multiple_of(members) {
            let doubled = (*failures / members).saturating_sub(1).min(MAX_DOUBLINGS);
            let pause = self.config.pause.saturating_mul(1 << doubled);
            self.signing.paused.insert(attempt.subject);
            self.signing.retry_at(now.plus(pause), out);
        } else {
            self.signing.wanted.insert(attempt.subject);
        }
    }
}

fn records(
    commitments: &BTreeMap<AccountName, (Envelope, Commitments)>,
    shares: &BTreeMap<AccountName, (Envelope, SignatureShare)>,
) -> Vec<SignerRecord> {
    commitments
        .iter()
        .filter_map(|(account, (commitments, _))| {
            let (share, _) = shares.get(account)?;
            let (commitments, share) = (commitments.clone(), share.clone());
            Some(SignerRecord { account: account.clone(), commitments, share })
        })
        .collect()
}
