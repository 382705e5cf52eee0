//! Connections: how they begin, break, and carry messages.

use quorate_ceremony::coordinator as hub;
use quorate_ceremony::effect::{CoordinatorEffect, NodeEffect};
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::AccountName;
use quorate_ceremony::node;
use serde::Serialize;

use super::Simulation;
use super::event::Event;
use super::network::{ConnectionId, Direction};
use super::record::Happening;
use crate::invariants::{Invariant, Seen, Violation};

/// The longest time until a node dials again, in milliseconds.
const REDIAL: u64 = 400;
/// The longest message that a connection carries, in bytes.
const MAX_FRAME: usize = 1 << 20;

impl Simulation {
    pub(super) fn dial(&mut self, account: &AccountName, process: u64) -> Result<(), Violation> {
        let Some(station) = self.stations.get(account) else { return Ok(()) };
        let waits = station
            .process
            .as_ref()
            .is_some_and(|running| running.number == process && running.connection.is_none());
        if !waits {
            return Ok(());
        }
        if self.hub.process.is_none()
            || self.world.reference.state.check_connection(account, None).is_err()
        {
            self.redial(account, process);
            return Ok(());
        }
        let connection = self.network.connect(account.clone());
        self.outcome.connections += 1;
        self.note(|| Happening::Connected { account: account.clone() });
        // The hub knows only the newest connection of each account.
        self.disconnect_from_hub(account)?;
        if let Some(process) = &mut self.hub.process {
            process.connections.insert(account.clone(), connection);
        }
        if let Some(process) = self.process_mut(account) {
            process.connection = Some(connection);
        }
        self.tell_coordinator(hub::Input::Connected(account.clone()))?;
        self.tell_node(account, node::Input::Connected)
    }

    pub(super) fn redial(&mut self, account: &AccountName, process: u64) {
        let pause = self.chance.between(20, REDIAL);
        self.schedule(pause, Event::Dial { account: account.clone(), process });
    }

    /// Lets the coordinator end an account's connection.
    pub(super) fn hang_up_on(&mut self, account: &AccountName) {
        let connections = self.hub.process.as_mut().map(|process| &mut process.connections);
        if let Some(id) = connections.and_then(|connections| connections.remove(account)) {
            self.break_connection(id);
        }
    }

    fn disconnect_from_hub(&mut self, account: &AccountName) -> Result<(), Violation> {
        let connections = self.hub.process.as_mut().map(|process| &mut process.connections);
        if connections.is_some_and(|connections| connections.remove(account).is_some()) {
            return self.tell_coordinator(hub::Input::Disconnected(account.clone()));
        }
        Ok(())
    }

    /// Stops all messages of a connection. Each end notices this later.
    pub(super) fn break_connection(&mut self, id: ConnectionId) {
        let Some(connection) = self.network.connections.get_mut(&id).filter(|c| !c.broken) else {
            return;
        };
        connection.broken = true;
        let account = connection.account.clone();
        self.note(|| Happening::ConnectionBroke { account });
        let (node, coordinator) =
            (self.chance.up_to(self.faults.notice), self.chance.up_to(self.faults.notice));
        self.schedule(node, Event::NodeNotices(id));
        self.schedule(coordinator, Event::CoordinatorNotices(id));
    }

    pub(super) fn node_notices(&mut self, id: ConnectionId) -> Result<(), Violation> {
        let Some(account) = self.network.connections.get(&id).map(|c| c.account.clone()) else {
            return Ok(());
        };
        let Some(process) = self.process_mut(&account) else { return Ok(()) };
        if process.connection != Some(id) {
            return Ok(());
        }
        process.connection = None;
        let number = process.number;
        self.redial(&account, number);
        self.tell_node(&account, node::Input::Disconnected)
    }

    pub(super) fn coordinator_notices(&mut self, id: ConnectionId) -> Result<(), Violation> {
        let Some(account) = self.network.connections.get(&id).map(|c| c.account.clone()) else {
            return Ok(());
        };
        let current = self.hub.process.as_ref().and_then(|p| p.connections.get(&account));
        if current == Some(&id) {
            return self.disconnect_from_hub(&account);
        }
        Ok(())
    }

    pub(super) fn arrive(
        &mut self,
        id: ConnectionId,
        direction: Direction,
        bytes: &[u8],
    ) -> Result<(), Violation> {
        if !self.network.is_up(id) {
            return Ok(());
        }
        let Some(account) = self.network.connections.get(&id).map(|c| c.account.clone()) else {
            return Ok(());
        };
        let garbled = |_| Invariant::Simulator.broken("a message does not survive its encoding");
        match direction {
            Direction::ToNode => {
                let message: FromCoordinator = serde_json::from_slice(bytes).map_err(garbled)?;
                if self.process_mut(&account).is_none_or(|process| process.connection != Some(id)) {
                    return Ok(());
                }
                self.note(|| Happening::NodeReceived {
                    account: account.clone(),
                    message: message.clone(),
                });
                self.overheard(&account, &message);
                self.tell_node(&account, node::Input::Received(message))
            }
            Direction::ToCoordinator => {
                let message: FromNode = serde_json::from_slice(bytes).map_err(garbled)?;
                let current = self.hub.process.as_ref().and_then(|p| p.connections.get(&account));
                if current != Some(&id) {
                    return Ok(());
                }
                self.note(|| Happening::CoordinatorReceived {
                    account: account.clone(),
                    message: message.clone(),
                });
                self.tell_coordinator(hub::Input::Received(account, message))
            }
        }
    }

    /// Sends a node's message. It counts as sent even without a connection, because the node has
    /// released it.
    pub(super) fn send_from_node(
        &mut self,
        account: &AccountName,
        message: FromNode,
    ) -> Result<(), Violation> {
        let bytes = encoded(&message)?;
        let effect = NodeEffect::Send(message);
        let kind = effect.kind().trim_start_matches("node.send.");
        *self.outcome.from_nodes.entry(kind).or_default() += 1;
        let NodeEffect::Send(message) = &effect else { return Ok(()) };
        self.see(&Seen::NodeSent(account, message, &bytes))?;
        let connection = self.process_mut(account).and_then(|process| process.connection);
        match connection {
            // The hub ends a connection that carries so long a message.
            Some(connection) if bytes.len() > MAX_FRAME => self.break_connection(connection),
            Some(connection) => self.carry(connection, Direction::ToCoordinator, bytes),
            None => {}
        }
        Ok(())
    }

    pub(super) fn send_from_coordinator(
        &mut self,
        to: AccountName,
        message: FromCoordinator,
    ) -> Result<(), Violation> {
        let Some(process) = &self.hub.process else { return Ok(()) };
        let Some(connection) = process.connections.get(&to).copied() else { return Ok(()) };
        let bytes = encoded(&message)?;
        let effect = CoordinatorEffect::Send(to, message);
        let kind = effect.kind().trim_start_matches("coordinator.send.");
        *self.outcome.from_coordinator.entry(kind).or_default() += 1;
        let CoordinatorEffect::Send(to, message) = &effect else { return Ok(()) };
        if let FromCoordinator::Rejected { entry, reason } = message {
            self.world.rejected.insert((to.clone(), *entry));
            self.outcome.refusals.insert((to.clone(), reason.to_string()));
        }
        self.world.note_signing(to, message);
        self.see(&Seen::CoordinatorSent(to, message, &bytes))?;
        self.carry(connection, Direction::ToNode, bytes);
        Ok(())
    }

    fn carry(&mut self, connection: ConnectionId, direction: Direction, bytes: Vec<u8>) {
        let fate =
            self.network.send(connection, direction, self.now, &self.faults, &mut self.chance);
        for at in fate.arrivals {
            self.schedule(
                at.saturating_sub(self.now),
                Event::Arrive(connection, direction, bytes.clone()),
            );
        }
        if let Some(at) = fate.breaks {
            self.schedule(at.saturating_sub(self.now), Event::Break(connection));
        }
    }
}

fn encoded(message: &impl Serialize) -> Result<Vec<u8>, Violation> {
    let bytes = serde_json::to_vec(message);
    bytes.map_err(|_| Invariant::Simulator.broken("a message cannot be encoded"))
}
