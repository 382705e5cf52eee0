//! A node's part in signing sessions: the decision whether to release a signature share.
//!
//! ```text
//! Invite ──▶ may it sign? ──▶ nonces, durable as begun ──▶ Part of round 1
//! Package ─▶ may it sign? ──▶ Part of the next round                (not in FROST)
//! Package ─▶ may it sign? ──▶ the gate ──▶ share, durable as released ──▶ Share
//! ```
//!
//! - Upon an invitation: start a new [`Run`](quorate_protocol::signing::Run) for this session.
//!   Its nonces exist in memory only, are consumed by value when the share is made, and are dropped
//!   when the session's deadline passes, when the connection closes, and with the process
//!   (invariant S1).
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
//! needed before the first. Messages that a protocol addresses to single signers go sealed through
//! the coordinator, before the part with their digests.
//!
//! Several sessions may run for one subject, because the coordinator tries different signers while
//! it waits for slow ones. Each session has its own nonces.

mod grounds;

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::signing::Needed;

use super::sessions::Sessions;
use super::view::Call;
use crate::effect::NodeDeadline;
use crate::message::{DeclineReason, FromNode};
use crate::names::{AccountName, EntryId, GroupName, SessionId, Timestamp};
use crate::signing::Subject;
use crate::state::IvnState;

pub(super) use grounds::Grounds;
use grounds::{Begun, Decline, Package, Permission};

/// How long a node keeps nonces for a session, in milliseconds, times the patience of the suite's
/// plan. The coordinator gives up much earlier.
const NONCE_LIFETIME: u64 = 30_000;
/// How many sessions one node can be in at a time. Further invitations drop the oldest.
const MAX_SESSIONS: usize = 4096;

struct Pending {
    subject: Subject,
    since: Timestamp,
    /// All signers, if the suite's protocol fixes them before the first round.
    signers: Vec<AccountName>,
    /// `None` while the document is fetched.
    begun: Option<Box<Begun>>,
    /// The package, while the document is read again. The nonces serve only this one.
    package: Option<Package>,
    /// The sealed messages of the present round, by sender.
    sealed: BTreeMap<AccountName, Vec<u8>>,
}

#[derive(Default)]
pub(super) struct Signing(BTreeMap<SessionId, Pending>);

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
        let (since, sealed) = (call.now, BTreeMap::new());
        let pending = Pending { subject, since, signers, begun: None, package: None, sealed };
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
            false => grounds.start((session, pending.subject), &pending.signers, document, call),
        };
        match started {
            Ok((begun, messages)) => {
                let patience = u64::from(begun.board.plan().patience);
                pending.begun = Some(Box::new(begun));
                sessions.begin(session, call);
                let lifetime = NONCE_LIFETIME.saturating_mul(patience);
                call.wake_at(NodeDeadline::Signing(session), call.now.plus(lifetime));
                messages.into_iter().for_each(|message| call.send(message));
            }
            Err(reason) => {
                self.0.remove(&session);
                decline(session, reason, call);
            }
        }
    }

    /// Keeps another signer's sealed message until its round is complete.
    pub(super) fn sealed(
        &mut self,
        session: SessionId,
        round: u8,
        from: AccountName,
        message: Vec<u8>,
    ) {
        let Some(Pending { begun: Some(begun), sealed, .. }) = self.0.get_mut(&session) else {
            return;
        };
        let most = begun.board.signers().map_or(0, BTreeSet::len);
        if begun.board.round() == round && sealed.len() < most {
            sealed.insert(from, message);
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
            |pending: &Pending| pending.begun.as_ref().is_none_or(|begun| begun.needs_message());
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
        let Some(Pending { subject, since, signers, begun: Some(begun), sealed, .. }) =
            self.0.remove(&session)
        else {
            return decline(session, DeclineReason::Session, call);
        };
        match grounds.next(session, subject, (*begun, &sealed), package, document, call) {
            Ok((begun, messages)) => {
                match begun.map(Box::new) {
                    None => sessions.release(session, call),
                    Some(begun) => {
                        let (begun, package, sealed) = (Some(begun), None, BTreeMap::new());
                        let pending = Pending { subject, since, signers, begun, package, sealed };
                        self.0.insert(session, pending);
                    }
                }
                messages.into_iter().for_each(|message| call.send(message));
            }
            Err(why) => decline(session, why, call),
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

fn decline(session: SessionId, why: impl Into<Decline>, call: &mut Call<'_>) {
    let Decline { reason, because } = why.into();
    call.send(FromNode::Declined { session, reason, because });
}
