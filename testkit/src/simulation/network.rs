//! The network: one connection per node, in order and reliable until a fault says otherwise.

use std::collections::BTreeMap;

use quorate_ceremony::names::AccountName;

use crate::rng::Chance;
use crate::scenario::Faults;

/// Names a connection. A node that dials again gets a new one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// Which way a message goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    ToNode,
    ToCoordinator,
}

pub(crate) struct Connection {
    pub(crate) account: AccountName,
    /// Whether no message arrives any more, even if the ends do not know.
    pub(crate) broken: bool,
    /// When the last message in order arrives at the node, and at the coordinator.
    last: [u64; 2],
}

/// The outcome of sending a message.
pub(crate) struct Fate {
    /// The times at which it arrives: none, one or two.
    pub(crate) arrivals: Vec<u64>,
    /// When it breaks the connection, if it does.
    pub(crate) breaks: Option<u64>,
}

#[derive(Default)]
pub(crate) struct Network {
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    dialled: u64,
}

impl Network {
    pub(crate) fn connect(&mut self, account: AccountName) -> ConnectionId {
        self.dialled += 1;
        let id = ConnectionId(self.dialled);
        self.connections.insert(id, Connection { account, broken: false, last: [0; 2] });
        id
    }

    pub(crate) fn is_up(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|connection| !connection.broken)
    }

    /// Decides when a message arrives.
    ///
    /// A lost message breaks its stream. Both ends notice this later, and other messages may still
    /// arrive before they do.
    pub(crate) fn send(
        &mut self,
        id: ConnectionId,
        direction: Direction,
        now: u64,
        faults: &Faults,
        chance: &mut Chance,
    ) -> Fate {
        let mut fate = Fate { arrivals: Vec::new(), breaks: None };
        let Some(connection) =
            self.connections.get_mut(&id).filter(|connection| !connection.broken)
        else {
            return fate;
        };
        let travels = |chance: &mut Chance| now + chance.between(1.min(faults.delay), faults.delay);
        if chance.happens(faults.disconnect) {
            fate.breaks = Some(now);
            return fate;
        }
        if chance.happens(faults.drop) {
            fate.breaks = Some(now + chance.up_to(faults.notice));
            return fate;
        }
        let arrival = travels(chance);
        let [to_node, to_coordinator] = &mut connection.last;
        let last = if direction == Direction::ToNode { to_node } else { to_coordinator };
        if chance.happens(faults.reorder) {
            fate.arrivals.push(arrival);
        } else {
            *last = arrival.max(*last);
            fate.arrivals.push(*last);
        }
        if chance.happens(faults.duplicate) {
            fate.arrivals.push(travels(chance) + chance.up_to(faults.delay));
        }
        fate
    }
}
