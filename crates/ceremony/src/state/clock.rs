//! What the log's rules know of time.
//!
//! Clocks can be wrong, and their owners can lie. So no time in the log is a fact, and no rule
//! keeps the largest time that anybody has stated: one wrong clock would move it permanently.
//!
//! - Each statement is judged by the time that it states itself: a request has to expire after it,
//!   within the policy's time, and a vote has to be stated before the request expires.
//! - In addition, a request or change is over once `min_signers` members of its group have stated a
//!   later time, each in its *latest* statement. So fewer members than could sign cannot make it
//!   expire, and a group that can sign can tell the time. An invitation is over once its author has
//!   stated a later time.
//! - Statements that replace earlier ones are ordered by how much of the log their authors had seen
//!   (`state/model/turn.rs`), and not by clocks.
//!
//! The first rule alone could be evaded by a statement with an old time; the second stops that. A
//! group's time follows the latest statements in both directions: when the clocks are right again
//! and have stated something, nothing is left of the error. Nothing in the state records that
//! something has expired, except that a change ends when a new one takes its place.
//!
//! Each node judges by its own clock as well, and may be stricter: it neither approves nor signs
//! what has expired for itself. So nobody can keep a request open by stating old times.

use crate::names::{AccountName, Timestamp};
use crate::state::IvnState;
use crate::state::model::group::Group;
use crate::state::model::key::GroupKey;

/// How far ahead of the coordinator's clock a statement's time may be, in milliseconds. The time of
/// an admission may not be further behind, either.
pub const MAX_CLOCK_LEAD: u64 = 300_000;

impl IvnState {
    /// The time of a group: the latest that `min_signers` of its members have reached. Members
    /// that cannot use their shares do not count.
    pub fn time_of(&self, group: &Group) -> Timestamp {
        self.time_with(group, None)
    }

    /// The group's time when `speaker` states something as of that time.
    pub fn time_with(
        &self,
        group: &Group,
        speaker: Option<(&AccountName, Timestamp)>,
    ) -> Timestamp {
        let stated = |name: &AccountName| match speaker {
            Some((by, at)) if by == name => Some(at),
            _ => self.accounts.get(name).map(|account| account.stated),
        };
        let members = group.definition.members.iter().filter(|name| group.has_say(name));
        let min_signers = group
            .key
            .as_ref()
            .map_or_else(|| usize::from(group.definition.min_signers), GroupKey::min_signers);
        reached_by(members.filter_map(stated), min_signers)
    }

    /// By which time `by` is judged when it states something about the group at `at`.
    pub(in crate::state) fn judged_at(
        &self,
        group: &Group,
        by: &AccountName,
        at: Timestamp,
    ) -> Timestamp {
        at.max(self.time_with(group, Some((by, at))))
    }

    /// What to record as the time of a statement of the coordinator about a group: its own time,
    /// but hardly later than the group's.
    pub(in crate::state) fn plausible(&self, group: &Group, at: Timestamp) -> Timestamp {
        at.min(self.time_of(group).plus(MAX_CLOCK_LEAD))
    }

    /// The latest time that more than half of the accounts have reached by their latest statements.
    /// Only for display: no rule depends on it.
    pub fn time(&self) -> Timestamp {
        let most = self.accounts.len() / 2 + 1;
        reached_by(self.accounts.values().map(|account| account.stated), most)
    }
}

/// The latest time that `count` of these have reached. Zero if there are fewer.
fn reached_by(stated: impl Iterator<Item = Timestamp>, count: usize) -> Timestamp {
    let mut stated: Vec<Timestamp> = stated.collect();
    stated.sort_unstable_by(|one, other| other.cmp(one));
    count.checked_sub(1).and_then(|last| stated.get(last)).copied().unwrap_or(Timestamp(0))
}
