//! The coordinator's part in signing: the subjects to sign, the signers, and the results of their
//! answers.
//!
//! ```text
//!                                        ┌─────────────────────┐
//!                                        ▼                     │ next round
//! wanted ──▶ roast: whom to ask ──▶ Invite ──▶ Part ──▶ Package ──▶ Share ──▶ signature
//!   ▲                                                                           │
//!   └────────────── late, declined, wrong, or not taken by the log ◀────────────┘
//! ```
//!
//! - Upon an approved request with enough approvers connected: get its document, then sign it. Upon
//!   certified shares: sign their activation record.
//! - Upon a part or a share: check it; a wrong one counts as a failure of its signer.
//! - Upon a late answer: ask other signers in parallel. The answer still counts.
//! - Upon a signer's disconnection: end the sessions that need its nonces.
//!
//! [`roast`] decides which signers are asked, and when others are tried; [`answers`] handles what
//! they send. This file decides what is signed, and ends sessions. With FROST, a signature results
//! while min_signers approving nodes answer (invariant L1), in at most max_signers − min_signers +
//! 1 sessions. Nothing here is stored: after a restart, every approved request gets a new session.

mod answers;
mod desk;
mod reliability;
mod response_time;
mod roast;
mod sealed;
mod target;

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::signing::{Board, Plan, Signers};

use super::input::{Call, Config};
use super::peers::Peers;
use crate::document::Document;
use crate::effect::CoordinatorDeadline;
use crate::encoding::Encoder;
use crate::entry::Body;
use crate::message::FromCoordinator;
use crate::names::{AccountName, EntryId, GroupName, SessionId, Timestamp};
use crate::signing::Subject;
use crate::state::{IvnState, Status};

use desk::{Desk, Unchecked};
use reliability::Reliability;
use roast::{Next, Roast};
use sealed::{Apart, Letters};
use target::Target;

/// The pause of a signer that declined or gave a wrong answer doubles at most this often.
const MAX_DOUBLINGS: u32 = 5;
/// How many first pauses pass before a missing document is requested again.
const DOCUMENT_PAUSES: u64 = 8;

#[derive(Debug)]
pub(super) struct Signing {
    config: Config,
    /// All subjects to sign, with their sessions.
    efforts: BTreeMap<Subject, Roast>,
    /// Subjects that changed since sessions were last opened.
    due: BTreeSet<Subject>,
    sessions: BTreeMap<SessionId, Open>,
    /// When subjects that could not start are tried again.
    retry_at: Option<Timestamp>,
    reliability: Reliability,
    apart: Apart,
    desk: Desk,
}

/// A running session.
#[derive(Debug)]
struct Open {
    subject: Subject,
    /// The verified messages of its signers.
    board: Board,
    /// The sealed messages of the present round.
    letters: Letters,
}

/// A session with all shares.
pub(super) struct Finished {
    pub(super) subject: Subject,
    pub(super) session: SessionId,
    /// The statement with the signature, if it verifies.
    pub(super) body: Option<Body>,
}

impl Signing {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            efforts: BTreeMap::new(),
            due: BTreeSet::new(),
            sessions: BTreeMap::new(),
            retry_at: None,
            reliability: Reliability::default(),
            apart: Apart::default(),
            desk: Desk::new(),
        }
    }

    fn retry_at(&mut self, at: Timestamp, call: &mut Call<'_>) {
        if self.retry_at.is_none_or(|set| at < set) {
            self.retry_at = Some(at);
            call.wake_at(CoordinatorDeadline::Retry, at);
        }
    }

    pub(super) fn wanted(&mut self, subject: Subject) {
        self.efforts.entry(subject).or_default();
        self.due.insert(subject);
    }

    pub(super) fn resume(&mut self) {
        self.retry_at = None;
        self.desk.resume();
        self.look_again();
    }

    /// Ends the sessions of this subject that ask other accounts than these.
    fn end_sessions_of_others(&mut self, subject: Subject, accounts: &BTreeSet<AccountName>) {
        let Some(roast) = self.efforts.get_mut(&subject) else { return };
        roast.keep_only(accounts);
        let roast = &*roast;
        self.sessions
            .retain(|session, of| of.subject != subject || roast.opened(*session).is_some());
        self.desk.retain(|session| self.sessions.contains_key(&session));
    }

    fn look_again(&mut self) {
        self.due.extend(self.efforts.keys().copied());
    }

    /// A node is ready. Its earlier failures do not prevent asking it.
    pub(super) fn wake(&mut self, account: &AccountName) {
        for roast in self.efforts.values_mut() {
            roast.wake(account);
        }
        self.look_again();
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.desk.held_bytes()
    }

    pub(super) fn awaited(&self, subject: Subject) -> BTreeSet<&AccountName> {
        self.efforts.get(&subject).map(Roast::awaited).unwrap_or_default()
    }

    fn drop_subject(&mut self, subject: Subject) {
        self.due.remove(&subject);
        if let Some(roast) = self.efforts.remove(&subject) {
            for session in roast.sessions() {
                self.sessions.remove(session);
            }
        }
        if let Subject::Request { request } = subject {
            self.desk.drop_request(request);
        }
    }

    /// The subject of a session, and all sessions of that subject.
    fn roast(&mut self, session: SessionId) -> Option<(Subject, &mut Roast)> {
        let subject = self.sessions.get(&session)?.subject;
        Some((subject, self.efforts.get_mut(&subject)?))
    }

    /// Ends sessions of each subject with `end`, which returns the signers at fault.
    fn end_sessions(&mut self, end: impl Fn(&mut Roast) -> BTreeSet<AccountName>) {
        let mut at_fault = BTreeSet::new();
        for (subject, roast) in &mut self.efforts {
            let mut theirs = end(roast);
            if !theirs.is_empty() {
                at_fault.append(&mut theirs);
                self.due.insert(*subject);
            }
        }
        self.reliability.suspect(&at_fault);
        let efforts = &self.efforts;
        self.sessions.retain(|session, open| {
            efforts.get(&open.subject).is_some_and(|roast| roast.opened(*session).is_some())
        });
        self.desk.retain(|session| self.sessions.contains_key(&session));
    }

    pub(super) fn request_changed(&mut self, state: &IvnState, id: EntryId) {
        let subject = Subject::Request { request: id };
        let Ok(request) = state.request(id) else { return };
        match request.status {
            Status::Approved => {
                self.wanted(subject);
                // The log rejects a signature with the share of a member that no longer approves.
                self.end_sessions_of_others(subject, &request.approvals);
            }
            Status::Open
            | Status::Refused(_)
            | Status::Rejected
            | Status::Withdrawn
            | Status::GroupRetired
            | Status::Signed => self.drop_subject(subject),
        }
    }

    /// Takes a document. Returns the shares that waited for it, to be checked with these bytes.
    pub(super) fn document(
        &mut self,
        state: &IvnState,
        request: EntryId,
        document: Option<&Document>,
        call: &mut Call<'_>,
    ) -> Unchecked {
        let nothing = Unchecked::new();
        let Ok(asked) = state.request(request) else { return nothing };
        if asked.status != Status::Approved || asked.lapsed(call.now) {
            self.desk.drop_request(request);
            return nothing;
        }
        if let Some(document) = document.filter(|document| document.is_of(&asked.request)) {
            self.wanted(Subject::Request { request });
            // The log may have got a signature since these bytes were asked for.
            if document.number != asked.next_signature() {
                self.desk.drop_request(request);
                return nothing;
            }
            return self.desk.came(request);
        }
        self.desk.is_missing(request);
        let pause = self.config.pause.saturating_mul(DOCUMENT_PAUSES);
        self.retry_at(call.now.plus(pause), call);
        nothing
    }

    /// Holds a document for the next shares, if it is short and the request is still to be signed.
    pub(super) fn hold(&mut self, request: EntryId, document: Document) {
        if self.efforts.contains_key(&Subject::Request { request }) {
            self.desk.hold(request, document);
        }
    }

    pub(super) fn start(&mut self, state: &IvnState, peers: &Peers, call: &mut Call<'_>) {
        for subject in std::mem::take(&mut self.due) {
            self.advance(state, peers, subject, call);
        }
    }

    fn advance(&mut self, state: &IvnState, peers: &Peers, subject: Subject, call: &mut Call<'_>) {
        let Some(target) = Target::of(subject, state, call.now) else { return };
        if let Subject::Request { request } = subject {
            self.desk.ask_again(request, call);
        }
        let Some(roast) = self.efforts.get(&subject) else { return };
        let free = self.free_signers(peers, subject, &target, roast, call.now);
        let min_signers = target.min_signers();
        let rest_ends = roast.rest_ends(call.now);
        let (session, count) = match (roast.next(min_signers, free.len()), subject) {
            (Next::Wait, _) => (None, 0),
            (Next::Ask(session, count), _) => (Some(session), count),
            // Without the document, nobody could check the signers' answers.
            (Next::Open, Subject::Request { request }) if !self.desk.has_found(request, call) => {
                (None, 0)
            }
            (Next::Open, _) => {
                let mut session = [0; 32];
                call.rng.fill_bytes(&mut session);
                (Some(SessionId::new(session)), min_signers)
            }
        };
        let plan = target.public.suite().signing_plan();
        let is_fixed = plan.is_some_and(|plan| plan.signers == Signers::BeforeFirstRound);
        let chosen = match is_fixed {
            true => self.apart.choose(&free, count).unwrap_or_default(),
            false => free,
        };
        let asked: Vec<AccountName> = chosen.into_iter().take(count).cloned().collect();
        if let Some(at) = rest_ends {
            self.retry_at(at, call);
        }
        let Some(session) = session.filter(|_| !asked.is_empty()) else { return };
        let Some(patience) = plan.map(|plan| self.patience(plan, asked.iter())) else { return };
        let Some(signers) = self.ask(subject, session, &target, &asked, call.now) else { return };
        for account in asked {
            let invite = FromCoordinator::Invite { session, subject, signers: signers.clone() };
            call.send(account, invite);
        }
        call.wake_at(CoordinatorDeadline::Signing(session), call.now.plus(patience));
    }

    /// How long to wait for the answers of all of these.
    fn patience<'a>(&self, plan: &Plan, of: impl Iterator<Item = &'a AccountName>) -> u64 {
        match plan.patience {
            1 => self.reliability.patience(of, self.config.signing),
            // What they compute takes longer than their answers usually do.
            times => self.config.signing.saturating_mul(times.into()),
        }
    }

    /// Asks these signers for their first messages, in a new session or an open one. Returns the
    /// signers that an invitation has to name.
    fn ask(
        &mut self,
        subject: Subject,
        session: SessionId,
        target: &Target<'_>,
        asked: &[AccountName],
        now: Timestamp,
    ) -> Option<Vec<AccountName>> {
        let roast = self.efforts.get_mut(&subject)?;
        let suite = target.public.suite();
        let plan = suite.signing_plan()?;
        let is_fixed = plan.signers == Signers::BeforeFirstRound;
        if roast.opened(session).is_none() {
            let identifiers = || asked.iter().map(|name| target.identifiers.get(name).copied());
            let signers = if is_fixed { Some(identifiers().collect::<Option<_>>()?) } else { None };
            let board = Board::new(suite, signers).ok()?;
            self.sessions.insert(session, Open { subject, board, letters: Letters::default() });
            let signers = is_fixed.then(|| asked.iter().cloned().collect());
            roast.open(session, plan.rounds.len(), signers, now);
        }
        for account in asked {
            roast.ask(session, account.clone(), now);
        }
        Some(if is_fixed { asked.to_vec() } else { Vec::new() })
    }

    /// The signers that can be asked now. Those that failed least, for this subject and in total,
    /// come first. Among equals, a different order for each subject distributes the work.
    fn free_signers<'a>(
        &self,
        peers: &Peers,
        subject: Subject,
        target: &Target<'a>,
        roast: &Roast,
        now: Timestamp,
    ) -> Vec<&'a AccountName> {
        let mut free: Vec<&AccountName> = target
            .eligible
            .iter()
            .copied()
            .filter(|account| peers.is_ready(account) && roast.is_free(account, now))
            .collect();
        let label = match subject {
            Subject::Request { request } => *request.as_bytes(),
            Subject::Activation { session } => *session.as_bytes(),
        };
        free.sort_by_cached_key(|account| {
            let suspicion = self.reliability.suspicion(account);
            let spread =
                Encoder::new("quorate/spread/v1").field(1, label).field(2, account.as_str());
            let spread = spread.digest();
            (roast.failures(account), suspicion, spread)
        });
        free
    }

    /// Ends a finished session. If the log does not admit its signature, or the signature does not
    /// verify although every share does, a new session is tried.
    pub(super) fn settle(
        &mut self,
        state: &IvnState,
        subject: Subject,
        session: SessionId,
        is_logged: bool,
        call: &mut Call<'_>,
    ) {
        if is_logged {
            self.drop_subject(subject);
            if let Subject::Request { request } = subject
                && state.request(request).is_ok_and(|it| it.status == Status::Approved)
            {
                // The request takes another signature.
                self.wanted(subject);
            }
        } else {
            self.end_session(session);
            self.due.remove(&subject);
            self.retry_at(call.now.plus(self.config.pause), call);
        }
    }

    /// The group has started a new epoch, so sessions with the earlier shares are over.
    pub(super) fn drop_group(&mut self, state: &IvnState, name: &GroupName) {
        let of_group = |subject: &Subject| match subject {
            Subject::Request { request } => {
                state.request(*request).is_ok_and(|asked| asked.request.group == *name)
            }
            Subject::Activation { .. } => false,
        };
        let over: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, open)| of_group(&open.subject))
            .map(|(session, _)| *session)
            .collect();
        over.into_iter().for_each(|session| self.end_session(session));
    }

    fn end_session(&mut self, session: SessionId) {
        if let Some(Open { subject, .. }) = self.sessions.remove(&session)
            && let Some(roast) = self.efforts.get_mut(&subject)
        {
            roast.end(session);
            self.due.insert(subject);
        }
    }

    /// The time for an answer, or for the whole session, is over.
    pub(super) fn overdue(&mut self, session: SessionId, call: &mut Call<'_>) {
        let Some((subject, roast)) = self.roast(session) else { return };
        let Some(opened) = roast.opened(session) else { return };
        let late = roast.overdue(session);
        let times = self.sessions.get(&session).map_or(1, |open| open.board.plan().patience);
        let end = opened.plus(self.config.session.saturating_mul(times.into()));
        if call.now < end {
            call.wake_at(CoordinatorDeadline::Signing(session), end);
        } else {
            self.end_session(session);
        }
        self.reliability.suspect(&late);
        self.due.insert(subject);
    }

    /// A node disconnected, and its nonces are lost.
    pub(super) fn signer_gone(&mut self, account: &AccountName) {
        self.end_sessions(|roast| roast.gone(account));
    }

    /// An account has new keys or may not act any more. The log would reject a signature with its
    /// earlier messages, so its sessions end.
    pub(super) fn signer_disowned(&mut self, account: &AccountName) {
        self.end_sessions(|roast| roast.disowned(account));
    }

    /// A signer declined. If it was because of another signer's sealed message, nobody else can
    /// tell which of the two is to blame, so they are not asked together again.
    pub(super) fn declined(
        &mut self,
        account: &AccountName,
        session: SessionId,
        because: Option<&AccountName>,
        now: Timestamp,
    ) {
        let Some(other) = because else { return self.signer_failed(account, session, now) };
        let Some((_, roast)) = self.roast(session) else { return };
        if account != other && [account, other].iter().all(|it| roast.is_signer(session, it)) {
            self.apart.keep(account, other);
            self.end_session(session);
        }
    }

    /// A signer declined or its message is wrong. Continues without it, and does not ask it for a
    /// while. Ignored for accounts that are not in the session.
    pub(super) fn signer_failed(
        &mut self,
        account: &AccountName,
        session: SessionId,
        now: Timestamp,
    ) {
        let pause = self.config.pause;
        let Some((subject, roast)) = self.roast(session) else { return };
        let lost = roast.lost(session, account);
        if lost.is_empty() {
            return;
        }
        roast.rest(account, now, pause, MAX_DOUBLINGS);
        if roast.opened(session).is_none() {
            self.sessions.remove(&session);
        }
        self.reliability.suspect(&lost);
        self.due.insert(subject);
    }
}
