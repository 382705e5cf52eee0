//! The scheduled events of a run.

use quorate_ceremony::effect::{CoordinatorDeadline, NodeDeadline};
use quorate_ceremony::names::{AccountName, EntryId, Timestamp};

use super::network::{ConnectionId, Direction};

#[derive(Debug)]
pub(super) enum Event {
    Heal,
    StartNode(AccountName),
    StartCoordinator,
    Look(AccountName),
    Join(AccountName),
    Joined(AccountName),
    Dial { account: AccountName, process: u64 },
    Arrive(ConnectionId, Direction, Vec<u8>),
    Break(ConnectionId),
    NodeNotices(ConnectionId),
    CoordinatorNotices(ConnectionId),
    NodeDeadline { account: AccountName, process: u64, deadline: NodeDeadline, at: Timestamp },
    CoordinatorDeadline { process: u64, deadline: CoordinatorDeadline, at: Timestamp },
    NodeDocument { account: AccountName, process: u64, request: EntryId },
    CoordinatorDocument { process: u64, request: EntryId },
    FlushNode { account: AccountName, process: u64 },
    FlushCoordinator { process: u64 },
}
