//! The ceremonies' orchestrator: starts a group's session when all accepted and those who have to take part are connected,
//! and starts another when one failed for a reason that is nobody's fault.
//!
//! It holds nothing of its own: where a session stands is in the log, so a coordinator that restarts goes on.

use rand_core::CryptoRngCore;

use super::Coordinator;
use crate::effect::{CoordinatorDeadline, CoordinatorEffect};
use crate::names::{GroupName, SessionId, Timestamp};
use crate::signing::Subject;
use crate::state::{SessionPhase, SessionPlan};
use crate::statement::{AbortReason, Body};

/// How often the pause between a group's sessions doubles at most.
const MAX_DOUBLINGS: u32 = 9;

impl Coordinator {
    /// Does what the state of a group asks of the coordinator.
    pub(super) fn tend_ceremony(
        &mut self,
        name: &GroupName,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let Ok(group) = self.state.group(name) else { return };
        let body = match (&group.session, group.phase()) {
            (Some(ceremony), Some(SessionPhase::Doomed(reason))) => {
                Body::CeremonyAborted { session: ceremony.session, reason }
            }
            (Some(ceremony), Some(SessionPhase::Activating)) => {
                self.signing.wanted(Subject::Activation { session: ceremony.session });
                return;
            }
            (Some(_), Some(_)) => return,
            _ if self.pauses.get(name).is_some_and(|until| now < *until) => return,
            _ if group
                .may_start(self.state.time().max(now))
                .is_some_and(|terms| self.are_ready(&terms)) =>
            {
                let mut session = [0; 32];
                rng.fill_bytes(&mut session);
                let attempt = u32::try_from(group.past.len()).unwrap_or(u32::MAX).saturating_add(1);
                let session = SessionId::new(session);
                Body::CeremonyStarted { group: name.clone(), session, attempt }
            }
            _ => return,
        };
        // The state was looked at just now, so this is admissible; if not, the next event tries again.
        let _ = self.append_own(body, now, rng, out);
    }

    /// Lets time pass before the next session of a group whose session has just ended without a key. A member that
    /// restarts or is silent again and again would otherwise fill everybody's log.
    pub(super) fn pause_ceremony(
        &mut self,
        name: &GroupName,
        now: Timestamp,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let Ok(group) = self.state.group(name) else { return };
        let failed = group.past.len().saturating_sub(1);
        let doubled = u32::try_from(failed).unwrap_or(u32::MAX).min(MAX_DOUBLINGS);
        let until = now.plus(self.config.pause.saturating_mul(1 << doubled));
        self.pauses.insert(name.clone(), until);
        let deadline = CoordinatorDeadline::NextCeremony(name.clone());
        out.push(CoordinatorEffect::SetDeadline(deadline, until));
    }

    /// Gives the running session's next step its time. To be called when a step was made, and not when anything else
    /// happens: somebody who keeps reconnecting must not keep a stalled session alive.
    pub(super) fn expect_ceremony_step(
        &self,
        name: &GroupName,
        now: Timestamp,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let ceremony = self.state.group(name).ok().and_then(|group| group.session.as_ref());
        if let Some(ceremony) = ceremony {
            let deadline = CoordinatorDeadline::Ceremony(ceremony.session);
            out.push(CoordinatorEffect::SetDeadline(deadline, now.plus(self.config.ceremony_step)));
        }
    }

    /// Whether those are there without whom a session comes to nothing: everybody who gets a share, and as many holders
    /// of old shares as have to deal.
    fn are_ready(&self, terms: &SessionPlan) -> bool {
        terms.recipients().all(|recipient| self.is_ready(recipient))
            && terms.dealers().filter(|dealer| self.is_ready(dealer)).count()
                >= terms.dealers_needed()
    }

    /// Connected, and past its hello.
    pub(super) fn is_ready(&self, account: &crate::names::AccountName) -> bool {
        self.peers.get(account).is_some_and(|peer| peer.sent.is_some())
    }

    pub(super) fn ceremony_overdue(
        &mut self,
        session: SessionId,
        now: Timestamp,
        rng: &mut dyn CryptoRngCore,
        out: &mut Vec<CoordinatorEffect>,
    ) {
        let Some(group) = self.state.group_of_session(session) else { return };
        let running = group.session.as_ref().is_some_and(|ceremony| ceremony.session == session);
        let missing = group.missing();
        if running && !missing.is_empty() {
            let reason = AbortReason::TimedOut { missing };
            let _ = self.append_own(Body::CeremonyAborted { session, reason }, now, rng, out);
        }
    }
}
