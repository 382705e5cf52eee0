//! The sessions that this node took part in, so that it begins each only once and releases at most
//! one signature share in each.

use std::collections::BTreeMap;

use super::view::Call;
use crate::effect::NodeChange;
use crate::names::SessionId;

/// Every signing session and ceremony that this node began, and whether it released a signature
/// share in it.
pub(super) struct Sessions(BTreeMap<SessionId, bool>);

impl Sessions {
    pub(super) fn new(saved: BTreeMap<SessionId, bool>) -> Self {
        Self(saved)
    }

    pub(super) fn is_begun(&self, session: SessionId) -> bool {
        self.0.contains_key(&session)
    }

    pub(super) fn is_released(&self, session: SessionId) -> bool {
        self.0.get(&session) == Some(&true)
    }

    /// Begins a session. This is durable before the first message leaves.
    pub(super) fn begin(&mut self, session: SessionId, call: &mut Call<'_>) {
        self.0.insert(session, false);
        call.persist(NodeChange::Committed(session));
    }

    /// Notes that the share is about to leave. This is durable before it does.
    pub(super) fn release(&mut self, session: SessionId, call: &mut Call<'_>) {
        self.0.insert(session, true);
        call.persist(NodeChange::Released(session));
    }
}
