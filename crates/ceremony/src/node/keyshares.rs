//! A node's part in the ceremonies of its groups: key generation, reshares, and repairs.
//!
//! Round messages go to the log and come back from it, and the node acts on the log. The polynomial
//! and the decryption key exist only in memory, so a restart ends the session and the coordinator
//! starts a new one.
//!
//! ```text
//! session in the log ──▶ begun: durable ──▶ messages ──▶ share: durable ──▶ certified
//!                                                                              │
//! earlier shares destroyed: durable, then stated ◀── the new epoch has started ◀── all certified
//! ```
//!
//! - Upon a session that waits for first messages: begin it, once, unless the account holder
//!   rejected the change or this node's clock contradicts the coordinator's.
//! - Upon a complete round: take the next step of the run.
//! - Upon a finished run: store the share, then certify.
//! - Upon a new epoch: destroy the earlier shares, then state that. No member loses access, because
//!   an epoch starts only when all new holders have their shares on disk, and min_signers of them
//!   have signed with theirs.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::keys::KeyPackage;
use quorate_protocol::keyshare::{Error, Run, Step};
use quorate_protocol::{Identifier, repair};
use rand_core::CryptoRngCore;

use super::approvals::Approvals;
use super::outbox::Outbox;
use super::sessions::Sessions;
use super::view::{Call, View};
use crate::effect::NodeChange;
use crate::encoding::Base64;
use crate::entry::Body;
use crate::names::{GroupName, SessionId};
use crate::state::{Group, IvnState, Session, SessionBoard, SessionPhase};

/// The secret half of a session's protocol.
pub(super) enum SessionRun {
    Keyshare(Box<Run>),
    Repair(Box<repair::Run>),
}

impl SessionRun {
    /// Begins as `me`, which holds this share of the group's key. Returns `None` if the share is
    /// missing or cannot be used.
    fn begin(
        ceremony: &Session,
        me: Identifier,
        package: Option<&KeyPackage>,
        rng: &mut dyn CryptoRngCore,
    ) -> Option<Result<Step<Self>, Error>> {
        let sends = |(run, message)| Step::Send(Self::Keyshare(Box::new(run)), message);
        Some(match &ceremony.board {
            SessionBoard::Keyshare(board) if ceremony.terms.is_reshare() => {
                // A member that lost its share takes part like a new member.
                let begun = Run::reshare(board.parameters(), me, package, rng);
                begun.map(|(run, first)| match first {
                    Some(message) => sends((run, message)),
                    None => Step::Wait(Self::Keyshare(Box::new(run))),
                })
            }
            SessionBoard::Keyshare(board) => Run::start(board.parameters(), me, rng).map(sends),
            SessionBoard::Repair(board) => {
                let parameters = board.parameters();
                let begun = match package {
                    _ if parameters.recipient() == me => repair::Run::recover(parameters, me, rng),
                    Some(package) => repair::Run::help(parameters, me, package, rng),
                    None => return None,
                };
                begun.map(|(run, message)| Step::Send(Self::Repair(Box::new(run)), message))
            }
        })
    }

    fn advance(
        self,
        board: &SessionBoard,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Step<Self>, Error> {
        match (self, board) {
            (Self::Keyshare(run), SessionBoard::Keyshare(board)) => {
                run.advance(board, rng).map(|step| map(step, |run| Self::Keyshare(Box::new(run))))
            }
            (Self::Repair(run), SessionBoard::Repair(board)) => {
                run.advance(board, rng).map(|step| map(step, |run| Self::Repair(Box::new(run))))
            }
            _ => Err(Error::OtherBoard),
        }
    }
}

fn map<R, S>(step: Step<R>, of: impl FnOnce(R) -> S) -> Step<S> {
    match step {
        Step::Wait(run) => Step::Wait(of(run)),
        Step::Send(run, message) => Step::Send(of(run), message),
        Step::Done(package) => Step::Done(package),
        Step::Left => Step::Left,
    }
}

/// This node's shares, and its part in running sessions.
pub(super) struct Keyshares {
    runs: BTreeMap<SessionId, SessionRun>,
    /// The shares, by the session that made them.
    packages: BTreeMap<SessionId, KeyPackage>,
}

impl Keyshares {
    pub(super) fn new(packages: BTreeMap<SessionId, KeyPackage>) -> Self {
        Self { runs: BTreeMap::new(), packages }
    }

    /// This node's share of the group's current key, if it fits the logged verifying share.
    pub(super) fn usable(&self, group: &Group) -> Option<&KeyPackage> {
        let key = group.key.as_ref()?;
        self.packages.get(&key.session).filter(|package| package.check(&key.public).is_ok())
    }

    pub(super) fn made_by(&self, session: SessionId) -> Option<&KeyPackage> {
        self.packages.get(&session)
    }

    /// Wipes the secrets of sessions that are over.
    pub(super) fn drop_ended_runs(&mut self, state: &IvnState) {
        let running = state.groups().values().filter_map(|group| group.session.as_ref());
        let running: BTreeSet<SessionId> = running.map(|session| session.session).collect();
        self.runs.retain(|session, _| running.contains(session));
    }

    /// Destroys this node's shares of earlier epochs, or all of a retired group, and then states
    /// that. The log is sufficient evidence, because an epoch starts only with the signatures of
    /// all its holders, who have their shares on disk, and a signature by the new shares; and a
    /// group is retired only by its members' own votes. So this part of the log is true even if the
    /// coordinator lies elsewhere.
    pub(super) fn destroy_old(
        &mut self,
        view: &View<'_>,
        name: &GroupName,
        outbox: &mut Outbox,
        call: &mut Call<'_>,
    ) {
        let Ok(group) = view.state.group(name) else { return };
        // Shares from failed sessions are destroyed too, but only once a later session has
        // succeeded. Until then, another node may have received a log in which the earlier session
        // succeeded.
        let in_force = group.key.as_ref().and_then(|key| view.state.session_index(key.session));
        let is_retired = group.retirement().is_some();
        let earlier = |session: &&SessionId| {
            let of = view.state.group_of_session(**session);
            of.is_some_and(|of| of.definition.name == *name)
                && (is_retired || view.state.session_index(**session) < in_force)
        };
        let useless: Vec<SessionId> = self.packages.keys().filter(earlier).copied().collect();
        for session in useless {
            self.packages.remove(&session);
            call.persist(NodeChange::ShareDestroyed(session));
        }
        let past = group.past_epochs.iter().filter(|past| past.is_owed_by(view.me.account()));
        for epoch in past.map(|past| past.epoch) {
            let body = Body::ShareDestroyed { group: name.clone(), epoch };
            outbox.state_once(view.me, body.clone(), |stated| *stated == body, call);
        }
    }

    /// Takes the next step of the group's running session, if possible, and returns the resulting
    /// statement.
    pub(super) fn advance(
        &mut self,
        view: &View<'_>,
        name: &GroupName,
        approvals: &Approvals,
        sessions: &mut Sessions,
        call: &mut Call<'_>,
    ) -> Option<Body> {
        let group = view.state.group(name).ok()?;
        let (running, phase) = (group.session.as_ref()?, group.phase()?);
        let me = *running.terms.identifiers.get(view.me.account())?;
        // In these cases the log would not accept this process's messages.
        if !view.me.is_announced(view.state)
            || matches!(phase, SessionPhase::Doomed(_) | SessionPhase::Activating)
        {
            return None;
        }
        let session = running.session;
        // An account begins a session once, even if the process restarts: a second first message
        // would be equivocation. The log counts too, because the disk may be restored from an older
        // copy.
        let begun = sessions.is_begun(session) || group.posted(view.me.account());
        let may_begin = phase == SessionPhase::Committing
            && !begun
            && approvals.consents(view.me, group, call.now);
        let step = match self.runs.remove(&session) {
            Some(_) if approvals.took_back(view.me, group) => return None,
            Some(run) => run.advance(&running.board, call.rng),
            None if may_begin => {
                let package = self.usable(group);
                let first = SessionRun::begin(running, me, package, call.rng)?;
                sessions.begin(session, call);
                first
            }
            None => return None,
        };
        match step {
            Ok(Step::Wait(run)) => {
                self.runs.insert(session, run);
                None
            }
            Ok(Step::Send(run, message)) => {
                self.runs.insert(session, run);
                let (incarnation, message) = (view.me.incarnation(), Base64(message));
                Some(Body::CeremonyMessage { session, incarnation, message })
            }
            Ok(Step::Done(package)) => self.certify(group, session, package, call),
            // A dealer or helper that gets no share is finished.
            Ok(Step::Left) => None,
            // The run is consumed. If the log shows the cause, the coordinator aborts the session.
            // Otherwise this node stays silent and the session times out.
            Err(_) => None,
        }
    }

    /// Makes the new share durable, then returns the statement that certifies it.
    fn certify(
        &mut self,
        group: &Group,
        session: SessionId,
        package: KeyPackage,
        call: &mut Call<'_>,
    ) -> Option<Body> {
        let (transcript, public_key_package) = group.certificate()?;
        let running = group.session.as_ref()?;
        package.check(running.board.outcome()?).ok()?;
        let copy = KeyPackage::from_bytes(&package.to_bytes()).ok()?;
        // A repaired share is one that an earlier session made.
        let repaired = running.terms.repairs().is_some();
        let made_by = match &group.key {
            Some(key) if repaired => key.session,
            _ => session,
        };
        // A repair may be repeated after this node stored its share, or may concern a share that is
        // not lost.
        let stored = self.packages.get(&made_by).map(KeyPackage::to_bytes);
        if stored.as_deref() != Some(&*copy.to_bytes()) {
            if stored.is_some() {
                call.persist(NodeChange::ShareDestroyed(made_by));
            }
            call.persist(NodeChange::KeyPackage { session: made_by, package: copy });
            self.packages.insert(made_by, package);
        }
        Some(Body::CeremonyCertified { session, transcript, public_key_package })
    }
}
