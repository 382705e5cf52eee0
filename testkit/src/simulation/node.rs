//! A node's shell: a process that dies, a disk that stays, and the holder.

use std::collections::BTreeMap;

use quorate_ceremony::effect::{
    CommandError, CommandId, Done, NodeChange, NodeDeadline, NodeEffect,
};
use quorate_ceremony::entry::{Author, Body, Entry, Statement};
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::{AccountName, EntryId, SessionId, Timestamp};
use quorate_ceremony::node::{Input, Node};
use quorate_ceremony::test_world::{NodeShell, document_of};

use super::Simulation;
use super::event::Event;
use super::record::Happening;
use super::station::Process;
use crate::double::member::Seat;
use crate::invariants::{Invariant, Seen, Violation, is_volatile};

/// How long a person waits for the answer to a command, in milliseconds.
const ANSWER: u64 = 5_000;

impl Simulation {
    /// Lets the double of a node read a message of the coordinator.
    pub(super) fn overheard(&mut self, account: &AccountName, message: &FromCoordinator) {
        let station = self.stations.get_mut(account);
        if let Some(double) = station.and_then(|station| station.double.as_mut()) {
            double.hears(message);
        }
    }

    pub(super) fn process_mut(&mut self, account: &AccountName) -> Option<&mut Process> {
        self.stations.get_mut(account)?.process.as_mut()
    }

    fn node_clock(&self, account: &AccountName) -> Timestamp {
        let skew = self.stations.get(account).map_or(0, |station| station.skew);
        self.clock().plus(skew)
    }

    pub(super) fn start_node(&mut self, account: &AccountName) -> Result<(), Violation> {
        let number = self.next_process();
        let mut rng = self.chance.split();
        let now = self.node_clock(account);
        let most_inputs = self.chance.between(1, self.faults.batch.max(1));
        let (Some(station), Some(secrets), Some(disk)) = (
            self.stations.get_mut(account),
            self.world.secrets.get(account),
            self.world.disks.get_mut(account),
        ) else {
            return Ok(());
        };
        if station.process.is_some() {
            return Ok(());
        }
        if let Some(sabotage) = self.sabotage {
            sabotage.of_disk(disk);
        }
        let fails = |why: String| Invariant::L2.broken(format!("{account} cannot restart: {why}"));
        let saved = disk.saved().ok_or_else(|| fails("its share cannot be read".to_owned()))?;
        let secrets = secrets.account();
        let node =
            Node::restore(account.clone(), secrets, station.config, station.ivn, saved, &mut rng);
        let mut node = node.map_err(|error| fails(error.to_string()))?;
        let batch = node.start(now, &mut rng);
        station.pending = None;
        station.process = Some(Process {
            number,
            node,
            connection: None,
            rng,
            deadlines: BTreeMap::new(),
            batch,
            inputs: 0,
            most_inputs,
        });
        self.note(|| Happening::NodeStarted { account: account.clone() });
        self.redial(account, number);
        self.flush_node(account)
    }

    /// Removes the share in use from a member's disk.
    pub(super) fn lose_share(&mut self, account: &AccountName, session: SessionId) {
        self.note(|| Happening::ShareLost { account: account.clone() });
        self.crash_node(account);
        if let Some(disk) = self.world.disks.get_mut(account) {
            disk.packages.remove(&session);
        }
        self.world.lost.insert(account.clone());
    }

    fn crash_node(&mut self, account: &AccountName) {
        self.note(|| Happening::NodeDied { account: account.clone() });
        self.outcome.crashes += 1;
        let connection = self.stations.get_mut(account).and_then(|station| {
            station.pending = None;
            station.process.take()?.connection
        });
        if let Some(connection) = connection {
            self.break_connection(connection);
        }
        let downtime = self.chance.between(1, self.faults.downtime);
        self.schedule(downtime, Event::StartNode(account.clone()));
    }

    /// Passes an input to the node. Its effects are carried out immediately, or together with those
    /// of the next inputs.
    pub(super) fn tell_node(
        &mut self,
        account: &AccountName,
        input: Input,
    ) -> Result<(), Violation> {
        let now = self.node_clock(account);
        let Some(process) = self.process_mut(account) else { return Ok(()) };
        let effects = process.node.handle(input, now, &mut process.rng);
        process.batch.extend(effects);
        process.inputs += 1;
        if process.inputs >= process.most_inputs {
            return self.flush_node(account);
        }
        if process.inputs == 1 {
            let number = process.number;
            let soon = self.chance.up_to(self.faults.delay.min(25));
            self.schedule(soon, Event::FlushNode { account: account.clone(), process: number });
        }
        Ok(())
    }

    pub(super) fn flush_node_of(
        &mut self,
        account: &AccountName,
        process: u64,
    ) -> Result<(), Violation> {
        let running = self.process_mut(account).is_some_and(|running| running.number == process);
        if running { self.flush_node(account) } else { Ok(()) }
    }

    fn flush_node(&mut self, account: &AccountName) -> Result<(), Violation> {
        self.flush(account, false)
    }

    /// Returns the effects of a node, as its double alters them.
    fn as_its_double(
        &mut self,
        account: &AccountName,
        looks: bool,
        effects: Vec<NodeEffect>,
    ) -> Vec<NodeEffect> {
        let now = self.node_clock(account);
        let (Some(station), Some(secrets), Some(disk)) = (
            self.stations.get_mut(account),
            self.world.secrets.get(account),
            self.world.disks.get(account),
        ) else {
            return effects;
        };
        let (Some(double), Some(process)) = (&mut station.double, &station.process) else {
            return effects;
        };
        let seat = Seat {
            account,
            secrets: secrets.account(),
            state: process.node.state(),
            packages: &disk.packages,
            documents: &self.world.documents,
            accomplices: &self.world.malicious,
            now,
            connected: process.connection.is_some(),
            looks,
        };
        double.acts(&seat, effects)
    }

    fn flush(&mut self, account: &AccountName, looks: bool) -> Result<(), Violation> {
        let most_inputs = self.chance.between(1, self.faults.batch.max(1));
        let Some(process) = self.process_mut(account) else { return Ok(()) };
        process.inputs = 0;
        process.most_inputs = most_inputs;
        let mut effects = std::mem::take(&mut process.batch);
        let innocent = !self.world.malicious.contains(account);
        let sabotage = self.sabotage.filter(|_| innocent);
        if let (Some(sabotage), Some(secrets)) = (sabotage, self.world.secrets.get(account)) {
            sabotage.of_node(account, secrets, &self.world, &mut effects);
        }
        let mut effects = self.as_its_double(account, looks, effects);
        let mut durable = 0;
        if self.plan.scenario.faults.durable_first {
            effects.sort_by_key(|effect| !matches!(effect, NodeEffect::Persist(_)));
            durable = effects.iter().filter(|e| matches!(e, NodeEffect::Persist(_))).count();
        }
        let dies_after = self.chance.happens(self.faults.node_crash).then(|| {
            let after = self.chance.up_to(u64::try_from(effects.len()).unwrap_or(0));
            let after = usize::try_from(after).unwrap_or(0);
            // A transaction is written as a whole or not at all.
            if after < durable { 0 } else { after }
        });
        let effects = effects.into_iter().take(dies_after.unwrap_or(usize::MAX));
        Premises { simulation: self, account }.carry_out(effects)?;
        if dies_after.is_some() {
            self.crash_node(account);
            return Ok(());
        }
        let process = self.stations.get(account).and_then(|station| station.process.as_ref());
        if let Some(process) = process {
            self.invariants.observe(&self.world, &Seen::NodeDone(account, &process.node))?;
        }
        Ok(())
    }

    pub(super) fn node_deadline(
        &mut self,
        account: &AccountName,
        process: u64,
        deadline: NodeDeadline,
        at: Timestamp,
    ) -> Result<(), Violation> {
        let Some(running) = self.process_mut(account) else { return Ok(()) };
        if running.number != process || running.deadlines.get(&deadline) != Some(&at) {
            return Ok(());
        }
        running.deadlines.remove(&deadline);
        self.tell_node(account, Input::Deadline(deadline))
    }

    pub(super) fn node_document(
        &mut self,
        account: &AccountName,
        process: u64,
        request: EntryId,
    ) -> Result<(), Violation> {
        let away = self.chance.happens(self.faults.no_document) || self.hub.process.is_none();
        let station = self.stations.get(account).and_then(|station| station.process.as_ref());
        let Some(running) = station.filter(|running| running.number == process) else {
            return Ok(());
        };
        let document = document_of(running.node.state(), &self.world.documents, request);
        let document = document.filter(|_| !away);
        let account_name = account.clone();
        self.note(|| match document {
            Some(_) => Happening::DocumentArrived { account: account_name, request },
            None => Happening::DocumentMissing { account: account_name, request },
        });
        self.tell_node(account, Input::Document { request, document })
    }

    /// Lets a person look at its node and give it a command.
    pub(super) fn look(&mut self, account: &AccountName) -> Result<(), Violation> {
        let again = self.chance.between(30, 250);
        self.schedule(again, Event::Look(account.clone()));
        let (now, passed, clock) = (self.now, self.now, self.node_clock(account));
        if self.stations.get(account).is_some_and(|station| station.double.is_some()) {
            self.flush(account, true)?;
        }
        let Some(station) = self.stations.get_mut(account) else { return Ok(()) };
        if station.pending.is_some_and(|(_, since)| since + ANSWER > now) {
            return Ok(());
        }
        if !station.is_on_roster {
            let invited = self.world.reference.state.invitations().contains_key(account);
            if invited || self.world.reference.state.account(account).is_ok() {
                self.ask_to_join(account);
            }
            return Ok(());
        }
        let Some(process) = &station.process else { return Ok(()) };
        let wish = self.plan.wish(station.index, &self.world, &process.node, clock, passed);
        let Some(command) = wish else { return Ok(()) };
        let id = self.next_command();
        if let Some(station) = self.stations.get_mut(account) {
            station.pending = Some((id, now));
        }
        self.note(|| Happening::Ordered {
            account: account.clone(),
            command: format!("{command:?}"),
        });
        self.tell_node(account, Input::Command(id, command))
    }

    /// Asks the coordinator for admission, with the same bytes each time, until it agrees.
    fn ask_to_join(&mut self, account: &AccountName) {
        let at = self.node_clock(account);
        let Some(station) = self.stations.get_mut(account) else { return };
        if station.admission.is_none() {
            let Some(secrets) = self.world.secrets.get(account) else { return };
            let keys = secrets.account();
            let statement = Statement {
                ivn: Some(station.ivn),
                author: Author::Account(account.clone()),
                at,
                seen: 0,
                body: Body::AccountAdmitted { keys: keys.public() },
            };
            let entry = Entry::sign(statement, &[&secrets.invitation(), &keys.identity]);
            station.admission = entry.ok().map(|entry| entry.to_bytes());
        }
        self.note(|| Happening::AskedToJoin { account: account.clone() });
        let delay = self.chance.up_to(self.faults.delay);
        if !self.chance.happens(self.faults.drop) {
            self.schedule(delay, Event::Join(account.clone()));
        }
        if let Some(station) = self.stations.get_mut(account) {
            station.pending = Some((CommandId(0), self.now));
        }
    }

    pub(super) fn admission(&self, account: &AccountName) -> Option<Vec<u8>> {
        self.stations.get(account)?.admission.clone()
    }

    pub(super) fn joined(&mut self, account: &AccountName) -> Result<(), Violation> {
        let Some(station) = self.stations.get_mut(account) else { return Ok(()) };
        station.is_on_roster = true;
        station.pending = None;
        self.start_node(account)
    }
}

/// The surroundings of a node.
struct Premises<'a> {
    simulation: &'a mut Simulation,
    account: &'a AccountName,
}

impl NodeShell for Premises<'_> {
    type Error = Violation;

    fn persist(&mut self, change: NodeChange) -> Result<(), Violation> {
        let world = &mut self.simulation.world;
        if let NodeChange::OutboxAdd(entry) = &change
            && is_volatile(entry)
        {
            world.volatile.insert(entry.id());
        }
        if let Some(disk) = world.disks.get_mut(self.account) {
            let written = disk.write(&change);
            written.map_err(|why| {
                Invariant::Simulator.broken(format!("the disk of {}: {why}", self.account))
            })?;
        }
        if matches!(change, NodeChange::KeyPackage { .. }) {
            world.lost.remove(self.account);
        }
        self.simulation.see(&Seen::NodeStored(self.account, &change))
    }

    fn send(&mut self, message: FromNode) -> Result<(), Violation> {
        self.simulation.send_from_node(self.account, message)
    }

    fn stored(&mut self, first: u64) -> Result<Vec<Vec<u8>>, Violation> {
        let most = usize::try_from(self.simulation.chance.between(1, 8)).unwrap_or(1);
        let disk = self.simulation.world.disk(self.account);
        let entries = disk.map(|disk| disk.entries.iter());
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        Ok(entries.into_iter().flatten().skip(first).take(most).cloned().collect())
    }

    fn disconnect(&mut self) -> Result<(), Violation> {
        self.simulation.note(|| Happening::HungUp { account: self.account.clone() });
        let process = self.simulation.process_mut(self.account);
        if let Some(connection) = process.and_then(|process| process.connection) {
            self.simulation.break_connection(connection);
        }
        Ok(())
    }

    fn deadline(&mut self, deadline: NodeDeadline, at: Timestamp) -> Result<(), Violation> {
        let now = self.simulation.node_clock(self.account);
        let late = self.simulation.chance.up_to(20);
        let Some(process) = self.simulation.process_mut(self.account) else { return Ok(()) };
        process.deadlines.insert(deadline, at);
        let (account, process) = (self.account.clone(), process.number);
        let event = Event::NodeDeadline { account, process, deadline, at };
        self.simulation.schedule(at.0.saturating_sub(now.0) + late, event);
        Ok(())
    }

    fn fetch(&mut self, request: EntryId) -> Result<(), Violation> {
        let process = self.simulation.process_mut(self.account).map(|process| process.number);
        let Some(process) = process else { return Ok(()) };
        let delay = self.simulation.chance.up_to(self.simulation.faults.delay * 2);
        let event = Event::NodeDocument { account: self.account.clone(), process, request };
        self.simulation.schedule(delay, event);
        Ok(())
    }

    fn respond(
        &mut self,
        command: CommandId,
        answer: Result<Done, CommandError>,
    ) -> Result<(), Violation> {
        self.simulation.note(|| Happening::Answered {
            account: self.account.clone(),
            answer: answer.map(|done| done.index).map_err(|error| error.to_string()),
        });
        if let Some(station) = self.simulation.stations.get_mut(self.account)
            && station.pending.is_some_and(|(pending, _)| pending == command)
        {
            station.pending = None;
        }
        Ok(())
    }
}
