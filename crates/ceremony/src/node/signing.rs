//! A node's part in signing sessions: the decision whether to release a signature share.
//!
//! ```text
//! Invite ──▶ may it sign? ──▶ nonces, durable as begun ──▶ Part of round 1
//! Package ─▶ may it sign? ──▶ Part of the next round                (not in FROST)
//! Package ─▶ may it sign? ──▶ the gate ──▶ share, durable as released ──▶ Share
//! ```
//!
//! - Upon an invitation: start a new [run](Run) for this session only. Its nonces exist in memory
//!   only, are consumed by value when the share is made, and are dropped when the session's
//!   deadline passes, when the connection closes, and with the process (invariant S1).
//! - Upon an invitation whose document is not available yet: fetch the document first.
//! - Upon a package whose document is not in memory, but needed: read the document again, then
//!   continue.
//! - Upon the package of the last round but one: release the share only if the log, as this node
//!   verified it, permits it (invariant S2), together with a cosignature on a checkpoint that
//!   includes what is signed (the gate).
//! - Before the first part leaves, the session is on disk as begun; before the share leaves, as
//!   released. The node never joins a session again that is on disk.
//!
//! The suite's plan decides how many rounds there are, and whether the signers and the message are
//! needed before the first. Messages that a protocol addresses to single signers cannot be sent
//! yet, so a node declines such a session.
//!
//! Several sessions may run for one subject, because the coordinator tries different signers while
//! it waits for slow ones. Each session has its own nonces.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quorate_protocol::Identifier;
use quorate_protocol::keys::{KeyPackage, PublicKeyPackage};
use quorate_protocol::keyshare::SessionId as ProtocolSession;
use quorate_protocol::signing::{Board, Needed, Opening, Plan, Run, Signers, Step};

use super::approvals::Approvals;
use super::keyshares::Keyshares;
use super::sessions::Sessions;
use super::view::{Call, View};
use crate::effect::NodeDeadline;
use crate::message::{DeclineReason, FromNode};
use crate::names::{AccountName, EntryId, GroupName, SessionId, Timestamp};
use crate::signing::{SignedPart, SigningSession, Subject};
use crate::state::{IvnState, Status};

/// How long a node keeps nonces for a session, in milliseconds. The coordinator gives up much
/// earlier.
const NONCE_LIFETIME: u64 = 30_000;
/// How many sessions one node can be in at a time. Further invitations drop the oldest.
const MAX_SESSIONS: usize = 4096;

struct Pending {
    subject: Subject,
    since: Timestamp,
    /// All signers, if the suite's protocol fixes them before the first round.
    signers: Vec<AccountName>,
    /// `None` while the document is fetched.
    begun: Option<Begun>,
    /// The package, while the document is read again. The nonces serve only this one.
    package: Option<Package>,
}

/// A session in which this node has sent a part.
struct Begun {
    run: Run,
    board: Board,
}

impl Begun {
    /// Whether the next message of this session needs the message to be signed.
    fn needs_message(&self) -> bool {
        let plan = self.board.plan();
        plan.message == Needed::InLastRound && self.board.round().saturating_add(1) == plan.last()
    }
}

/// A round, and the signed parts of all signers in it.
type Package = (u8, Parts);
type Parts = Vec<(AccountName, SignedPart)>;

#[derive(Default)]
pub(super) struct Signing(BTreeMap<SessionId, Pending>);

/// The data that decides whether this node may sign. Signing does not change it.
pub(super) struct Grounds<'a> {
    pub(super) view: View<'a>,
    pub(super) approvals: &'a Approvals,
    pub(super) keyshares: &'a Keyshares,
    /// Size and cosignature of the latest checkpoint, if it covers the whole state.
    pub(super) cosignature: Option<(u64, &'a str)>,
    /// Whether the coordinator contradicted itself or this node's log.
    pub(super) contradicted: bool,
}

/// What a node needs to sign. It exists only if the node may sign.
struct Permission<'a> {
    key: &'a KeyPackage,
    public: Cow<'a, PublicKeyPackage>,
    epoch: u64,
    /// The holders of shares of that epoch that may sign.
    holders: BTreeMap<&'a AccountName, Identifier>,
    /// The bytes to sign, where the log determines them. Those of a request are in its document.
    record: Option<Vec<u8>>,
}

impl Permission<'_> {
    fn plan(&self) -> Option<&'static Plan> {
        self.key.suite().signing_plan()
    }

    fn context(&self, state: &IvnState, session: SessionId, subject: Subject) -> SigningSession {
        let (epoch, number) = (self.epoch, state.number_of(subject));
        SigningSession { ivn: state.ivn(), session, epoch, subject, number }
    }

    /// The identifiers of the signers that an invitation names, if the protocol needs them.
    fn fixed_signers(
        &self,
        named: &[AccountName],
    ) -> Result<Option<BTreeSet<Identifier>>, DeclineReason> {
        let plan = self.plan().ok_or(DeclineReason::NoShare)?;
        if plan.signers == Signers::AfterFirstRound {
            return Ok(None);
        }
        let signers: BTreeSet<&AccountName> = named.iter().collect();
        if signers.len() != named.len() || !self.extends_to(&signers) {
            return Err(DeclineReason::NotApproved);
        }
        Ok(Some(signers.into_iter().filter_map(|name| self.holders.get(name).copied()).collect()))
    }

    /// Whether exactly these accounts can make the signature.
    fn extends_to(&self, signers: &BTreeSet<&AccountName>) -> bool {
        signers.len() >= usize::from(self.public.min_signers())
            && signers.iter().all(|name| self.holders.contains_key(name))
    }
}

impl Grounds<'_> {
    /// The bytes that the request's next signature covers, if they are held.
    fn held(&self, request: EntryId) -> Option<Arc<[u8]>> {
        let number = self.view.state.number_of(Subject::Request { request });
        self.approvals.held(request, number)
    }

    /// Whether the log, as this node verified it, permits this node to sign this now, and with
    /// whom.
    fn permission(
        &self,
        subject: Subject,
        now: Timestamp,
    ) -> Result<Permission<'_>, DeclineReason> {
        let (state, me) = (self.view.state, self.view.me.account());
        if self.contradicted {
            return Err(DeclineReason::Frozen);
        }
        if !self.view.me.is_announced(state) {
            return Err(DeclineReason::NotAnnounced);
        }
        let permission = match subject {
            Subject::Request { request } => self.permission_by_request(request, now)?,
            Subject::Activation { session } => self.permission_by_session(session)?,
        };
        if !permission.holders.contains_key(me) {
            return Err(DeclineReason::NotApproved);
        }
        Ok(permission)
    }

    fn permission_by_request(
        &self,
        request: EntryId,
        now: Timestamp,
    ) -> Result<Permission<'_>, DeclineReason> {
        let (state, me) = (self.view.state, self.view.me.account());
        let asked = state.request(request).map_err(|_| DeclineReason::NotApproved)?;
        if asked.status != Status::Approved || !asked.approvals.contains(me) {
            return Err(DeclineReason::NotApproved);
        }
        if self.approvals.is_refused(request) {
            return Err(DeclineReason::Refused);
        }
        if asked.lapsed(now) {
            return Err(DeclineReason::Expired);
        }
        let group = state.group(&asked.request.group).map_err(|_| DeclineReason::NotApproved)?;
        let key = self.keyshares.usable(group).ok_or(DeclineReason::NoShare)?;
        let shares = group.key.as_ref().ok_or(DeclineReason::NoShare)?;
        if !self.approvals.has_seen(request) {
            return Err(DeclineReason::NoDocument);
        }
        let approving = |(name, identifier): (&'_ AccountName, &Identifier)| {
            asked.approvals.get(name).map(|name| (name, *identifier))
        };
        Ok(Permission {
            key,
            public: Cow::Borrowed(&shares.public),
            epoch: shares.epoch,
            holders: shares.identifiers.iter().filter_map(approving).collect(),
            record: None,
        })
    }

    fn permission_by_session(&self, session: SessionId) -> Result<Permission<'_>, DeclineReason> {
        let state = self.view.state;
        let group = state.group_of_session(session).ok_or(DeclineReason::NotApproved)?;
        let running = group.session.as_ref().filter(|running| running.session == session);
        let terms = &running.ok_or(DeclineReason::NotApproved)?.terms;
        if self.approvals.took_back(self.view.me, group) {
            return Err(DeclineReason::Refused);
        }
        let (record, public) = group.activation(state.ivn()).ok_or(DeclineReason::NotApproved)?;
        let key = self.keyshares.made_by(session).ok_or(DeclineReason::NoShare)?;
        key.check(&public).map_err(|_| DeclineReason::NoShare)?;
        let members = terms.definition.members.iter();
        let holders = members.filter_map(|name| Some((name, *terms.identifiers.get(name)?)));
        Ok(Permission {
            key,
            epoch: terms.epoch,
            holders: holders.collect(),
            record: Some(record.to_be_signed()),
            public: Cow::Owned(public),
        })
    }

    /// Makes the node's first message of a session.
    fn start(
        &self,
        session: SessionId,
        pending: &Pending,
        document: Option<&[u8]>,
        call: &mut Call<'_>,
    ) -> Result<(Begun, FromNode), DeclineReason> {
        let (state, me) = (self.view.state, self.view.me);
        let permission = self.permission(pending.subject, call.now)?;
        let signers = permission.fixed_signers(&pending.signers)?;
        let opening = Opening {
            session: ProtocolSession(*session.as_bytes()),
            signers: signers.as_ref(),
            message: permission.record.as_deref().or(document),
        };
        let (run, message) =
            Run::start(permission.key, &opening, call.rng).map_err(|_| DeclineReason::NoShare)?;
        let message = message.to_all().ok_or(DeclineReason::Session)?;
        let board = Board::new(permission.key.suite(), signers);
        let board = board.map_err(|_| DeclineReason::Session)?;
        let context = permission.context(state, session, pending.subject);
        let place = context.place(&board);
        let part = context.sign(me.account(), me.identity(), place, message);
        let part = FromNode::Part { session, round: place.round, part };
        Ok((Begun { run, board }, part))
    }

    /// Makes the node's next message of a session. There is nothing left of the session if it is
    /// the share.
    fn next(
        &self,
        session: SessionId,
        subject: Subject,
        begun: Begun,
        (round, parts): &Package,
        document: Option<&[u8]>,
        call: &mut Call<'_>,
    ) -> Result<(Option<Begun>, FromNode), DeclineReason> {
        let (state, me) = (self.view.state, self.view.me);
        let permission = self.permission(subject, call.now)?;
        let signers: BTreeSet<&AccountName> = parts.iter().map(|(account, _)| account).collect();
        if signers.len() != parts.len() || !signers.contains(me.account()) {
            return Err(DeclineReason::Session);
        }
        if !permission.extends_to(&signers) {
            return Err(DeclineReason::NotApproved);
        }
        let context = permission.context(state, session, subject);
        let Begun { run, mut board } = begun;
        let place = context.place(&board);
        if place.round != *round {
            return Err(DeclineReason::Session);
        }
        for (account, signed) in parts {
            let (Some(identifier), Some(key)) =
                (permission.holders.get(account), state.identity_key(account))
            else {
                return Err(DeclineReason::Session);
            };
            let theirs = context.open(account, key, place, signed);
            let theirs = theirs.map_err(|_| DeclineReason::Session)?;
            board.post(*round, *identifier, theirs).map_err(|_| DeclineReason::Session)?;
        }
        board.fix_signers();
        let (public, plan) = (&permission.public, board.plan());
        let message = permission.record.as_deref().or(document);
        // The gate. The permission depends on the whole state, so the cosignature covers the whole
        // state: the request, and every approval that was counted.
        let gate = self.cosignature.ok_or(DeclineReason::NotApproved);
        if board.round() == plan.last() {
            gate?;
            if plan.message == Needed::InLastRound && message.is_none() {
                return Err(DeclineReason::NoDocument);
            }
        }
        let step = run.advance(permission.key, public, &board, message, call.rng);
        let place = context.place(&board);
        let signed = |message| context.sign(me.account(), me.identity(), place, message);
        match step.map_err(|_| DeclineReason::Session)? {
            Step::Send(run, message) => {
                let part = signed(message.to_all().ok_or(DeclineReason::Session)?);
                let part = FromNode::Part { session, round: place.round, part };
                Ok((Some(Begun { run, board }), part))
            }
            Step::Share(share) => {
                let (size, cosignature) = gate?;
                let (share, cosignature) = (signed(share), cosignature.to_owned());
                Ok((None, FromNode::Share { session, share, size, cosignature }))
            }
        }
    }
}

impl Signing {
    /// Handles the coordinator's invitation to a session. Returns the request whose document has to
    /// be fetched first, if it is missing.
    pub(super) fn invited(
        &mut self,
        grounds: &Grounds<'_>,
        sessions: &mut Sessions,
        session: SessionId,
        subject: Subject,
        signers: Vec<AccountName>,
        call: &mut Call<'_>,
    ) -> Option<EntryId> {
        if self.0.contains_key(&session) || sessions.is_begun(session) {
            return None;
        }
        if self.0.len() >= MAX_SESSIONS
            && let Some(oldest) =
                self.0.iter().min_by_key(|(_, pending)| pending.since).map(|(id, _)| *id)
        {
            self.0.remove(&oldest);
        }
        let pending = Pending { subject, since: call.now, signers, begun: None, package: None };
        // A permission includes that the document has been seen, but not that it is held.
        let needs_message = |permission: Permission<'_>| {
            permission.record.is_none()
                && permission.plan().is_some_and(|plan| plan.message == Needed::FromFirstRound)
        };
        match (grounds.permission(subject, call.now).map(needs_message), subject) {
            (Ok(true), Subject::Request { request }) => {
                let held = grounds.held(request);
                self.0.insert(session, pending);
                if held.is_some() {
                    self.commit(grounds, sessions, session, held.as_deref(), call);
                    return None;
                }
                call.wake_at(NodeDeadline::Signing(session), call.now.plus(NONCE_LIFETIME));
                Some(request)
            }
            (Ok(_), _) => {
                self.0.insert(session, pending);
                self.commit(grounds, sessions, session, None, call);
                None
            }
            (Err(DeclineReason::NoDocument), Subject::Request { request }) => {
                self.0.insert(session, pending);
                call.wake_at(NodeDeadline::Signing(session), call.now.plus(NONCE_LIFETIME));
                Some(request)
            }
            (Err(reason), _) => {
                decline(session, reason, call);
                None
            }
        }
    }

    /// The first round: makes new nonces for this session only.
    fn commit(
        &mut self,
        grounds: &Grounds<'_>,
        sessions: &mut Sessions,
        session: SessionId,
        document: Option<&[u8]>,
        call: &mut Call<'_>,
    ) {
        let Some(pending) = self.0.get_mut(&session) else { return };
        // The coordinator may have given the same id to a ceremony that this node began meanwhile.
        let started = match sessions.is_begun(session) {
            true => Err(DeclineReason::Session),
            false => grounds.start(session, pending, document, call),
        };
        match started {
            Ok((begun, part)) => {
                pending.begun = Some(begun);
                sessions.begin(session, call);
                call.wake_at(NodeDeadline::Signing(session), call.now.plus(NONCE_LIFETIME));
                call.send(part);
            }
            Err(reason) => {
                self.0.remove(&session);
                decline(session, reason, call);
            }
        }
    }

    /// Makes the next message from everybody's messages of a round. Returns the request whose
    /// document has to be read first, if it is needed and not held.
    pub(super) fn package(
        &mut self,
        grounds: &Grounds<'_>,
        sessions: &mut Sessions,
        session: SessionId,
        package: Package,
        call: &mut Call<'_>,
    ) -> Option<EntryId> {
        // The message was repeated or meant for an earlier process: the share has already left.
        if sessions.is_released(session) {
            return None;
        }
        let needs_message =
            |pending: &Pending| pending.begun.as_ref().is_none_or(Begun::needs_message);
        let pending = self.0.get(&session).filter(|pending| needs_message(pending));
        let held = match pending.map(|pending| pending.subject) {
            Some(Subject::Request { request }) => match grounds.held(request) {
                Some(document) => Some(document),
                None => return self.wait(session, request, package, call),
            },
            Some(Subject::Activation { .. }) | None => None,
        };
        self.go_on(grounds, sessions, session, &package, held.as_deref(), call);
        None
    }

    /// Keeps a package until the document is here. A second package ends the session, because
    /// nonces serve one.
    fn wait(
        &mut self,
        session: SessionId,
        request: EntryId,
        package: Package,
        call: &mut Call<'_>,
    ) -> Option<EntryId> {
        let pending = self.0.get_mut(&session)?;
        match &pending.package {
            None if pending.begun.is_some() => {
                pending.package = Some(package);
                return Some(request);
            }
            Some(first) if *first == package => return None,
            _ => {}
        }
        self.0.remove(&session);
        decline(session, DeclineReason::Session, call);
        None
    }

    fn go_on(
        &mut self,
        grounds: &Grounds<'_>,
        sessions: &mut Sessions,
        session: SessionId,
        package: &Package,
        document: Option<&[u8]>,
        call: &mut Call<'_>,
    ) {
        // Removed in any case: nonces serve one attempt to make one share.
        let Some(Pending { subject, since, signers, begun: Some(begun), .. }) =
            self.0.remove(&session)
        else {
            return decline(session, DeclineReason::Session, call);
        };
        match grounds.next(session, subject, begun, package, document, call) {
            Ok((None, share)) => {
                sessions.release(session, call);
                call.send(share);
            }
            Ok((begun @ Some(_), part)) => {
                let pending = Pending { subject, since, signers, begun, package: None };
                self.0.insert(session, pending);
                call.send(part);
            }
            Err(reason) => decline(session, reason, call),
        }
    }

    /// Continues the invitations and packages that waited for this document.
    pub(super) fn with_document(
        &mut self,
        grounds: &Grounds<'_>,
        sessions: &mut Sessions,
        request: EntryId,
        document: &[u8],
        call: &mut Call<'_>,
    ) {
        for session in self.waiting_for(request) {
            let package = self.0.get_mut(&session).and_then(|pending| pending.package.take());
            match package {
                None => self.commit(grounds, sessions, session, Some(document), call),
                Some(package) => {
                    self.go_on(grounds, sessions, session, &package, Some(document), call);
                }
            }
        }
    }

    /// Declines the invitations and packages that waited for this document.
    pub(super) fn without_document(&mut self, request: EntryId, call: &mut Call<'_>) {
        for session in self.waiting_for(request) {
            self.0.remove(&session);
            decline(session, DeclineReason::NoDocument, call);
        }
    }

    fn waiting_for(&self, request: EntryId) -> Vec<SessionId> {
        let subject = Subject::Request { request };
        let sessions = self.0.iter();
        sessions
            .filter(|(_, pending)| {
                pending.subject == subject && (pending.begun.is_none() || pending.package.is_some())
            })
            .map(|(session, _)| *session)
            .collect()
    }

    pub(super) fn drop_all(&mut self) {
        self.0.clear();
    }

    pub(super) fn drop_session(&mut self, session: SessionId) {
        self.0.remove(&session);
    }

    pub(super) fn drop_request(&mut self, request: EntryId) {
        let subject = Subject::Request { request };
        self.0.retain(|_, pending| pending.subject != subject);
    }

    /// Drops the nonces for requests to these groups, whose shares are new.
    pub(super) fn drop_groups(&mut self, state: &IvnState, groups: &BTreeSet<GroupName>) {
        self.0.retain(|_, pending| match pending.subject {
            Subject::Request { request } => {
                !state.request(request).is_ok_and(|request| groups.contains(&request.request.group))
            }
            Subject::Activation { .. } => true,
        });
    }
}

fn decline(session: SessionId, reason: DeclineReason, call: &mut Call<'_>) {
    call.send(FromNode::Declined { session, reason });
}
