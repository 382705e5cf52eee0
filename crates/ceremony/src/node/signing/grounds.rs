//! Whether this node may sign, and the messages that it makes if it may.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quorate_protocol::Identifier;
use quorate_protocol::keys::{KeyPackage, PublicKeyPackage};
use quorate_protocol::keyshare::SessionId as ProtocolSession;
use quorate_protocol::signing::{Board, Error, Message, Needed, Opening, Plan, Run, Signers, Step};

use super::super::approvals::Approvals;
use super::super::keyshares::Keyshares;
use super::super::view::{Call, View};
use crate::encoding::Base64;
use crate::message::{DeclineReason, FromNode};
use crate::names::{AccountName, EntryId, SessionId, Timestamp};
use crate::signing::{SignedPart, SigningSession, Subject};
use crate::state::{IvnState, Status};

/// A session in which this node has sent a part.
pub(super) struct Begun {
    pub(super) run: Run,
    pub(super) board: Board,
}

impl Begun {
    /// Whether the next message of this session needs the message to be signed.
    pub(super) fn needs_message(&self) -> bool {
        let plan = self.board.plan();
        plan.message == Needed::InLastRound && self.board.round().saturating_add(1) == plan.last()
    }
}

/// A round, and the signed parts of all signers in it.
pub(super) type Package = (u8, Parts);
pub(super) type Parts = Vec<(AccountName, SignedPart)>;

/// The data that decides whether this node may sign. Signing does not change it.
pub(in crate::node) struct Grounds<'a> {
    pub(in crate::node) view: View<'a>,
    pub(in crate::node) approvals: &'a Approvals,
    pub(in crate::node) keyshares: &'a Keyshares,
    /// Size and cosignature of the latest checkpoint, if it covers the whole state.
    pub(in crate::node) cosignature: Option<(u64, &'a str)>,
    /// Whether the coordinator contradicted itself or this node's log.
    pub(in crate::node) contradicted: bool,
}

/// What a node needs to sign. It exists only if the node may sign.
pub(super) struct Permission<'a> {
    key: &'a KeyPackage,
    public: Cow<'a, PublicKeyPackage>,
    epoch: u64,
    /// The holders of shares of that epoch that may sign.
    holders: BTreeMap<&'a AccountName, Identifier>,
    /// The bytes to sign, where the log determines them. Those of a request are in its document.
    pub(super) record: Option<Vec<u8>>,
}

/// Why a node does not go on, and the signer whose sealed message is wrong.
pub(super) struct Decline {
    pub(super) reason: DeclineReason,
    pub(super) because: Option<AccountName>,
}

impl From<DeclineReason> for Decline {
    fn from(reason: DeclineReason) -> Self {
        Self { reason, because: None }
    }
}

impl Permission<'_> {
    pub(super) fn plan(&self) -> Option<&'static Plan> {
        self.key.suite().signing_plan()
    }

    fn account(&self, identifier: Identifier) -> Option<&AccountName> {
        let mut holders = self.holders.iter();
        holders.find(|(_, theirs)| **theirs == identifier).map(|(account, _)| *account)
    }

    /// The messages that leave this node for one round: those to single signers first.
    fn messages(
        &self,
        (session, round): (SessionId, u8),
        message: Message,
        sign: impl FnOnce(Vec<u8>) -> SignedPart,
    ) -> Result<Vec<FromNode>, DeclineReason> {
        let (posted, addressed) = message.posted();
        let mut messages = Vec::with_capacity(addressed.len().saturating_add(1));
        for (to, bytes) in addressed {
            let to = self.account(to).ok_or(DeclineReason::Session)?.clone();
            messages.push(FromNode::Sealed { session, round, to, message: Base64(bytes) });
        }
        messages.push(FromNode::Part { session, round, part: sign(posted) });
        Ok(messages)
    }

    /// A failure of the protocol.
    fn failure(&self, error: &Error) -> Decline {
        match error.refused().and_then(|from| self.account(from)) {
            Some(from) => {
                Decline { reason: DeclineReason::WrongMessage, because: Some(from.clone()) }
            }
            None => DeclineReason::Session.into(),
        }
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
    pub(super) fn held(&self, request: EntryId) -> Option<Arc<[u8]>> {
        let number = self.view.state.number_of(Subject::Request { request });
        self.approvals.held(request, number)
    }

    /// Whether the log, as this node verified it, permits this node to sign this now, and with
    /// whom.
    pub(super) fn permission(
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
    pub(super) fn start(
        &self,
        (session, subject): (SessionId, Subject),
        named: &[AccountName],
        document: Option<&[u8]>,
        call: &mut Call<'_>,
    ) -> Result<(Begun, Vec<FromNode>), DeclineReason> {
        let (state, me) = (self.view.state, self.view.me);
        let permission = self.permission(subject, call.now)?;
        let signers = permission.fixed_signers(named)?;
        let opening = Opening {
            session: ProtocolSession(*session.as_bytes()),
            signers: signers.as_ref(),
            message: permission.record.as_deref().or(document),
        };
        let (run, message) =
            Run::start(permission.key, &opening, call.rng).map_err(|_| DeclineReason::NoShare)?;
        let board = Board::new(permission.key.suite(), signers);
        let board = board.map_err(|_| DeclineReason::Session)?;
        let context = permission.context(state, session, subject);
        let place = context.place(&board);
        let sign = |posted| context.sign(me.account(), me.identity(), place, posted);
        let messages = permission.messages((session, place.round), message, sign)?;
        Ok((Begun { run, board }, messages))
    }

    /// Makes the node's next message of a session. There is nothing left of the session if it is
    /// the share.
    pub(super) fn next(
        &self,
        session: SessionId,
        subject: Subject,
        (begun, sealed): (Begun, &BTreeMap<AccountName, Vec<u8>>),
        (round, parts): &Package,
        document: Option<&[u8]>,
        call: &mut Call<'_>,
    ) -> Result<(Option<Begun>, Vec<FromNode>), Decline> {
        let (state, me) = (self.view.state, self.view.me);
        let permission = self.permission(subject, call.now)?;
        let signers: BTreeSet<&AccountName> = parts.iter().map(|(account, _)| account).collect();
        if signers.len() != parts.len() || !signers.contains(me.account()) {
            return Err(DeclineReason::Session.into());
        }
        if !permission.extends_to(&signers) {
            return Err(DeclineReason::NotApproved.into());
        }
        let context = permission.context(state, session, subject);
        let Begun { mut run, mut board } = begun;
        let place = context.place(&board);
        if place.round != *round {
            return Err(DeclineReason::Session.into());
        }
        for (account, signed) in parts {
            let (Some(identifier), Some(key)) =
                (permission.holders.get(account), state.identity_key(account))
            else {
                return Err(DeclineReason::Session.into());
            };
            let theirs = context.open(account, key, place, signed);
            let theirs = theirs.map_err(|_| DeclineReason::Session)?;
            board.post(*round, *identifier, theirs).map_err(|_| DeclineReason::Session)?;
        }
        board.fix_signers();
        for (account, bytes) in sealed {
            let from = permission.holders.get(account).ok_or(DeclineReason::Session)?;
            run.receive(&board, *from, bytes).map_err(|_| DeclineReason::Session)?;
        }
        let (public, plan) = (&permission.public, board.plan());
        let message = permission.record.as_deref().or(document);
        // The gate. The permission depends on the whole state, so the cosignature covers the whole
        // state: the request, and every approval that was counted.
        let gate = self.cosignature.ok_or(DeclineReason::NotApproved);
        if board.round() == plan.last() {
            gate?;
            if plan.message == Needed::InLastRound && message.is_none() {
                return Err(DeclineReason::NoDocument.into());
            }
        }
        let step = run.advance(permission.key, public, &board, message, call.rng);
        let place = context.place(&board);
        let signed = |message| context.sign(me.account(), me.identity(), place, message);
        match step.map_err(|error| permission.failure(&error))? {
            Step::Send(run, message) => {
                let messages = permission.messages((session, place.round), message, signed)?;
                Ok((Some(Begun { run, board }), messages))
            }
            Step::Share(share) => {
                let (size, cosignature) = gate?;
                let (share, cosignature) = (signed(share), cosignature.to_owned());
                Ok((None, vec![FromNode::Share { session, share, size, cosignature }]))
            }
        }
    }
}
