//! A node's part in signing sessions: where a signature share is released, or not.
//!
//! Each invitation makes one pair of nonces. They live in memory only, are consumed by value when the share is made, and
//! are dropped when the session's deadline passes, when the connection breaks, and with the process (invariant S1).
//! Several sessions may be under way for one subject, because the coordinator tries other signers while it waits for
//! slow ones; each has nonces of its own.
//!
//! Before commitments leave, the session is on disk as *committed*; before the share leaves, as *released*; a session
//! that is on disk is never joined again.
//!
//! The share leaves only together with a cosignature on a checkpoint that includes what is signed (the gate), and only
//! if this node's own reading of the log says that it may be signed (invariant S2).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::Identifier;
use quorate_protocol::keys::{KeyPackage, PublicKeyPackage};
use quorate_protocol::sign::{self, Nonces};
use rand_core::CryptoRngCore;

use super::Node;
use crate::effect::{NodeChange, NodeDeadline, NodeEffect};
use crate::message::{DeclineReason, FromNode};
use crate::names::{AccountName, EntryId, GroupName, SessionId, Timestamp};
use crate::signing::{SignedPart, SigningSession, Subject};
use crate::state::Status;

/// How long a node keeps nonces for a session, in milliseconds. The coordinator gives up much earlier.
const NONCE_LIFETIME: u64 = 30_000;
/// How many sessions one node is in at a time. More invitations push the oldest out.
const MAX_SESSIONS: usize = 4096;

/// A session that this node is invited to.
pub(super) struct Pending {
    subject: Subject,
    since: Timestamp,
    /// Absent while the document is fetched.
    nonces: Option<Nonces>,
}

/// What a node needs to sign: found only if it may.
struct Permission<'a> {
    key: &'a KeyPackage,
    public: Cow<'a, PublicKeyPackage>,
    epoch: u64,
    /// Who holds shares of that epoch, and may sign.
    holders: BTreeMap<&'a AccountName, Identifier>,
    /// Of a raw signature, the whole document: not to be copied at each look.
    message: Cow<'a, [u8]>,
}

impl Permission<'_> {
    /// Whether exactly these accounts can make the signature.
    fn extends_to(&self, signers: &BTreeSet<&AccountName>) -> bool {
        signers.len() >= usize::from(self.public.min_signers())
            && signers.iter().all(|name| self.holders.contains_key(name))
    }
}

impl Node {
    fn decline(session: SessionId, reason: DeclineReason, out: &mut Vec<NodeEffect>) {
        out.push(NodeEffect::Send(FromNode::Declined { session, reason }));
    }

    /// Whether the log, as this node verified it, lets this node sign this now, and together with whom.
    fn permission(
        &self,
        subject: Subject,
        now: Timestamp,
    ) -> Result<Permission<'_>, DeclineReason> {
        if self.trouble.is_some() {
            return Err(DeclineReason::Frozen);
        }
        if !self.is_announced() {
            return Err(DeclineReason::NotAnnounced);
        }
        let permission = match subject {
            Subject::Request { request } => {
                let state = self.state.request(request).map_err(|_| DeclineReason::NotApproved)?;
                if state.status != Status::Approved || !state.approvals.contains(&self.account) {
                    return Err(DeclineReason::NotApproved);
                }
                if self.refused.contains(&request) {
                    return Err(DeclineReason::Refused);
                }
                if state.lapsed(now) {
                    return Err(DeclineReason::Expired);
                }
                let group = self
                    .state
                    .group(&state.request.group)
                    .map_err(|_| DeclineReason::NotApproved)?;
                let key = self.usable_package(group).ok_or(DeclineReason::NoShare)?;
                let shares = group.key.as_ref().ok_or(DeclineReason::NoShare)?;
                let message = self.documents.get(&request).ok_or(DeclineReason::NoDocument)?;
                let approving = |(name, identifier): (&'_ AccountName, &Identifier)| {
                    state.approvals.get(name).map(|name| (name, *identifier))
                };
                Permission {
                    key,
                    public: Cow::Borrowed(&shares.public),
                    epoch: shares.epoch,
                    holders: shares.identifiers.iter().filter_map(approving).collect(),
                    message: Cow::Borrowed(message.as_slice()),
                }
            }
            Subject::Activation { session } => {
                let group =
                    self.state.group_of_session(session).ok_or(DeclineReason::NotApproved)?;
                let running = group.session.as_ref().filter(|running| running.session == session);
                let terms = &running.ok_or(DeclineReason::NotApproved)?.terms;
                if self.took_back(group) {
                    return Err(DeclineReason::Refused);
                }
                let (record, public) =
                    group.activation(self.state.ivn()).ok_or(DeclineReason::NotApproved)?;
                let key = self.packages.get(&session).ok_or(DeclineReason::NoShare)?;
                key.check(&public).map_err(|_| DeclineReason::NoShare)?;
                let members = terms.definition.members.iter();
                let holders =
                    members.filter_map(|name| Some((name, *terms.identifiers.get(name)?)));
                Permission {
                    key,
                    epoch: terms.epoch,
                    holders: holders.collect(),
                    message: Cow::Owned(record.to_be_signed()),
                    public: Cow::Owned(public),
                }
            }
        };
        if !permission.holders.contains_key(&self.account) {
            return Err(DeclineReason::NotApproved);
        }
        Ok(permission)
    }

    pub(super) fn invited(
        &mut self,
        session: SessionId,
        subject: Subject,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<NodeEffect>,
    ) {
        if self.signing.contains_key(&session) || self.sessions.contains_key(&session) {
            return;
        }
        if self.signing.len() >= MAX_SESSIONS
            && let Some(oldest) =
                self.signing.iter().min_by_key(|(_, pending)| pending.since).map(|(id, _)| *id)
        {
            self.signing.remove(&oldest);
        }
        let pending = Pending { subject, since: now, nonces: None };
        match (self.permission(subject, now), subject) {
            (Ok(_), _) => {
                self.signing.insert(session, pending);
                self.commit(session, rng, now, out);
            }
            (Err(DeclineReason::NoDocument), Subject::Request { request }) => {
                self.signing.insert(session, pending);
                let deadline = NodeDeadline::Signing(session);
                out.push(NodeEffect::SetDeadline(deadline, now.plus(NONCE_LIFETIME)));
                self.want_for_signing(request, out);
            }
            (Err(reason), _) => Self::decline(session, reason, out),
        }
    }

    /// Round one: a fresh pair of nonces for this session and no other.
    fn commit(
        &mut self,
        session: SessionId,
        rng: &mut dyn CryptoRngCore,
        now: Timestamp,
        out: &mut Vec<NodeEffect>,
    ) {
        let Some(pending) = self.signing.get(&session) else { return };
        // Meanwhile the coordinator may have given a ceremony the same id, which this node began.
        if self.sessions.contains_key(&session) {
            self.signing.remove(&session);
            return Self::decline(session, DeclineReason::Session, out);
        }
        let subject = pending.subject;
        let permission = match self.permission(subject, now) {
            Ok(permission) => permission,
            Err(reason) => {
                self.signing.remove(&session);
                return Self::decline(session, reason, out);
            }
        };
        let Ok((nonces, commitments)) = sign::commit(permission.key, &mut *rng) else {
            self.signing.remove(&session);
            return Self::decline(session, DeclineReason::NoShare, out);
        };
        let context =
            SigningSession { ivn: self.state.ivn(), session, epoch: permission.epoch, subject };
        let commitments =
            context.sign_commitments(&self.account, &self.secrets.identity, &commitments);
        if let Some(pending) = self.signing.get_mut(&session) {
            pending.nonces = Some(nonces);
        }
        self.sessions.insert(session, false);
        out.push(NodeEffect::Persist(NodeChange::Committed(session)));
        let deadline = NodeDeadline::Signing(session);
        out.push(NodeEffect::SetDeadline(deadline, now.plus(NONCE_LIFETIME)));
        out.push(NodeEffect::Send(FromNode::Commitments { session, commitments }));
    }

    /// Round two: everybody's commitments are here; the share is made from nonces that are gone afterwards.
    pub(super) fn package(
        &mut self,
        session: SessionId,
        commitments: Vec<(AccountName, SignedPart)>,
        now: Timestamp,
        out: &mut Vec<NodeEffect>,
    ) {
        // A repeated message, or one for a process that is gone: the share left, and nothing is left to say.
        if self.sessions.get(&session) == Some(&true) {
            return;
        }
        // Taken out whatever comes next: nonces serve one attempt to make one share.
        let Some(Pending { subject, nonces: Some(nonces), .. }) = self.signing.remove(&session)
        else {
            return Self::decline(session, DeclineReason::Session, out);
        };
        let result = self.share(session, subject, nonces, &commitments, now);
        match result {
            Ok(share) => {
                self.sessions.insert(session, true);
                out.push(NodeEffect::Persist(NodeChange::Released(session)));
                out.push(NodeEffect::Send(share));
            }
            Err(reason) => Self::decline(session, reason, out),
        }
    }

    fn share(
        &self,
        session: SessionId,
        subject: Subject,
        nonces: Nonces,
        commitments: &[(AccountName, SignedPart)],
        now: Timestamp,
    ) -> Result<FromNode, DeclineReason> {
        let permission = self.permission(subject, now)?;
        let signers: BTreeSet<&AccountName> =
            commitments.iter().map(|(account, _)| account).collect();
        if signers.len() != commitments.len() || !signers.contains(&self.account) {
            return Err(DeclineReason::Session);
        }
        if !permission.extends_to(&signers) {
            return Err(DeclineReason::NotApproved);
        }
        let context =
            SigningSession { ivn: self.state.ivn(), session, epoch: permission.epoch, subject };
        let mut opened = BTreeMap::new();
        for (account, signed) in commitments {
            let (Some(identifier), Some(key)) =
                (permission.holders.get(account), self.state.identity_key(account))
            else {
                return Err(DeclineReason::Session);
            };
            let theirs = context
                .open_commitments(account, key, signed)
                .map_err(|_| DeclineReason::Session)?;
            opened.insert(*identifier, theirs);
        }
        // The gate. The permission was read from the whole state, so nothing less than the whole state is cosigned:
        // the request, and every approval that was counted.
        let (size, cosignature) = self
            .cosigned
            .as_ref()
            .and_then(super::follow::Cosigned::cosignature)
            .filter(|(size, _)| *size == self.state.size())
            .ok_or(DeclineReason::NotApproved)?;
        let share =
            sign::sign(nonces, permission.key, &permission.public, &opened, &permission.message)
                .map_err(|_| DeclineReason::Session)?;
        let package = context.package(&opened);
        let share = context.sign_share(&self.account, &self.secrets.identity, package, &share);
        Ok(FromNode::Share { session, share, size, cosignature })
    }

    /// A document that invitations waited for is here.
    pub(super) fn invitations_with_document(
        &mut self,
        request: EntryId,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<NodeEffect>,
    ) {
        for session in self.waiting_for(request) {
            self.commit(session, rng, now, out);
        }
    }

    /// It can not be had.
    pub(super) fn invitations_without_document(
        &mut self,
        request: EntryId,
        out: &mut Vec<NodeEffect>,
    ) {
        for session in self.waiting_for(request) {
            self.signing.remove(&session);
            Self::decline(session, DeclineReason::NoDocument, out);
        }
    }

    /// Drops the nonces of all sessions for a request.
    pub(super) fn drop_sessions_of(&mut self, request: EntryId) {
        let subject = Subject::Request { request };
        self.signing.retain(|_, pending| pending.subject != subject);
    }

    /// Drops the nonces of all sessions for requests to groups whose shares are other ones now.
    pub(super) fn drop_sessions_of_groups(&mut self, groups: &BTreeSet<GroupName>) {
        let state = &self.state;
        self.signing.retain(|_, pending| match pending.subject {
            Subject::Request { request } => {
                !state.request(request).is_ok_and(|request| groups.contains(&request.request.group))
            }
            Subject::Activation { .. } => true,
        });
    }

    fn waiting_for(&self, request: EntryId) -> Vec<SessionId> {
        let subject = Subject::Request { request };
        self.signing
            .iter()
            .filter(|(_, pending)| pending.subject == subject && pending.nonces.is_none())
            .map(|(session, _)| *session)
            .collect()
    }
}
