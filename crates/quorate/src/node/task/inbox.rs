//! What waits for the account holder.

use super::Task;
use crate::api::{Answer, InboxView};
use crate::node::view;
use crate::timers::now;

impl Task {
    pub(super) fn inbox(&self) -> Answer {
        let (machine, now) = (&self.machine, now());
        let open = machine.inbox(now).into_iter();
        let changes = machine.changes_to_decide(now).into_iter();
        let changes = changes.filter_map(|(_, group)| view::group(machine, group, now).change);
        let groups = machine.state().groups().values().filter(|group| {
            group.key.is_none() && group.not_accepted().any(|name| name == machine.account())
        });
        Answer::Inbox(Box::new(InboxView {
            requests: open.map(|(state, _)| self.request_view(state)).collect(),
            changes: changes.map(|change| *change).collect(),
            groups: groups.map(|group| view::group(machine, group, now)).collect(),
        }))
    }
}
