//! When a group's next session starts, when a running one is aborted, and when its shares sign.
//!
//! - Upon a group that may start a session, with all necessary members connected: start it.
//! - Upon a session that the log shows to be doomed: abort it.
//! - Upon a session whose shares are certified: sign its activation record with them.
//! - Upon an abort: pause before the next session, twice as long each time.
//! - Upon a step that takes too long: abort, naming the members whose messages are missing.
//!
//! Only the pauses are state of this part. The sessions are in the log, so a coordinator that
//! restarts continues.

use std::collections::BTreeMap;

use super::input::Call;
use super::peers::Peers;
use crate::effect::CoordinatorDeadline;
use crate::entry::{AbortReason, Body};
use crate::names::{GroupName, SessionId, Timestamp};
use crate::signing::Subject;
use crate::state::{IvnState, SessionPhase, SessionPlan};

/// The pause between a group's sessions doubles at most this often.
const MAX_DOUBLINGS: u32 = 9;

/// What the state of a group requires of the coordinator.
#[expect(clippy::large_enum_variant, reason = "it is carried out and dropped")]
pub(super) enum Next {
    Nothing,
    Sign(Subject),
    State(Body),
}

/// The end of the pause before each group's next session.
#[derive(Default)]
pub(super) struct Sessions(BTreeMap<GroupName, Timestamp>);

impl Sessions {
    pub(super) fn next(
        &self,
        state: &IvnState,
        peers: &Peers,
        name: &GroupName,
        call: &mut Call<'_>,
    ) -> Next {
        let Ok(group) = state.group(name) else { return Next::Nothing };
        match (&group.session, group.phase()) {
            (Some(running), Some(SessionPhase::Doomed(reason))) => {
                Next::State(Body::CeremonyAborted { session: running.session, reason })
            }
            (Some(running), Some(SessionPhase::Activating)) => {
                Next::Sign(Subject::Activation { session: running.session })
            }
            (Some(_), Some(_)) => Next::Nothing,
            _ if self.0.get(name).is_some_and(|until| call.now < *until) => Next::Nothing,
            _ if group
                .may_start(state.time_of(group).max(call.now))
                .is_some_and(|plan| are_ready(peers, &plan)) =>
            {
                let mut session = [0; 32];
                call.rng.fill_bytes(&mut session);
                let attempt = u32::try_from(group.past.len()).unwrap_or(u32::MAX).saturating_add(1);
                let session = SessionId::new(session);
                Next::State(Body::CeremonyStarted { group: name.clone(), session, attempt })
            }
            _ => Next::Nothing,
        }
    }

    /// Pauses before the next session of a group whose session has ended without a key. `first` is
    /// the first pause. Otherwise a member that repeatedly restarts or is silent would fill the
    /// log.
    pub(super) fn pause(
        &mut self,
        state: &IvnState,
        name: &GroupName,
        first: u64,
        call: &mut Call<'_>,
    ) {
        let Ok(group) = state.group(name) else { return };
        let failed = group.past.len().saturating_sub(1);
        let doubled = u32::try_from(failed).unwrap_or(u32::MAX).min(MAX_DOUBLINGS);
        let until = call.now.plus(first.saturating_mul(1 << doubled));
        self.0.insert(name.clone(), until);
        call.wake_at(CoordinatorDeadline::NextCeremony(name.clone()), until);
    }

    pub(super) fn resume(&mut self, name: &GroupName) {
        self.0.remove(name);
    }
}

/// Sets the deadline of the running session's next step. Only called after a step: a member that
/// keeps reconnecting must not keep a stalled session alive.
pub(super) fn expect_step(state: &IvnState, name: &GroupName, step: u64, call: &mut Call<'_>) {
    let running = state.group(name).ok().and_then(|group| group.session.as_ref());
    if let Some(running) = running {
        call.wake_at(CoordinatorDeadline::Ceremony(running.session), call.now.plus(step));
    }
}

/// The abort of a session whose step took too long, if a message is missing.
pub(super) fn overdue(state: &IvnState, session: SessionId) -> Option<Body> {
    let group = state.group_of_session(session)?;
    let running = group.session.as_ref().is_some_and(|running| running.session == session);
    let missing = group.missing();
    (running && !missing.is_empty())
        .then_some(Body::CeremonyAborted { session, reason: AbortReason::TimedOut { missing } })
}

/// Whether all recipients and enough dealers are connected.
fn are_ready(peers: &Peers, plan: &SessionPlan) -> bool {
    plan.recipients().all(|recipient| peers.is_ready(recipient))
        && plan.dealers().filter(|dealer| peers.is_ready(dealer)).count() >= plan.dealers_needed()
}
