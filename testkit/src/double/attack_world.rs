//! Where honest nodes meet a malicious coordinator: no faults but its lies, and an order of messages that the seed
//! decides. After everything that a node does, it is held against what the people really said.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a stage that can not be set up fails the test that asked for it"
)]

use std::collections::{BTreeMap, VecDeque};

use quorate_ceremony::document::Document;
use quorate_ceremony::effect::{
    CommandError, CommandId, CoordinatorChange, CoordinatorEffect, NodeDeadline, NodeEffect,
};
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Author, Entry, Statement};
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::{AccountName, Digest, EntryId, IvnId, Timestamp};
use quorate_ceremony::node::{Command, Config, Node};
use quorate_ceremony::statement::{Body, GroupDefinition};
use quorate_ceremony::{coordinator as hub, node};
use rand_chacha::ChaCha20Rng;

use super::attacker_knowledge::AttackerKnowledge;
use super::coordinator::{Liar, ViewId};
use super::founding::board;
use crate::disk::NodeDisk;
use crate::rng::Chance;
use crate::simulation::world::Secrets;

pub(super) const START: u64 = 1_750_000_000_000;
/// The most messages in one go. More is a livelock.
const MOST: usize = 20_000;

pub(super) struct Station {
    pub(super) node: Node,
    pub(super) disk: NodeDisk,
    rng: ChaCha20Rng,
    connected: bool,
    deadlines: BTreeMap<NodeDeadline, Timestamp>,
    /// What commands were answered.
    answers: BTreeMap<CommandId, Result<EntryId, CommandError>>,
    inbound: VecDeque<FromCoordinator>,
    outbound: VecDeque<FromNode>,
}

/// Honest nodes, their holders, and a malicious coordinator.
pub struct Stage {
    pub(super) now: u64,
    pub(super) chance: Chance,
    pub(super) rng: ChaCha20Rng,
    pub(super) commands: u64,
    pub(super) ivn: IvnId,
    pub(super) names: Vec<AccountName>,
    pub(super) secrets: BTreeMap<AccountName, Secrets>,
    pub(super) stations: BTreeMap<AccountName, Station>,
    pub(super) documents: BTreeMap<Digest, Vec<u8>>,
    pub(super) truth: AttackerKnowledge,
    /// The malicious coordinator.
    pub liar: Liar,
    pub(super) violations: Vec<String>,
}

impl Stage {
    /// The time.
    pub fn clock(&self) -> Timestamp {
        Timestamp(START + self.now)
    }

    /// A member's node.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn node(&self, account: &AccountName) -> &Node {
        &self.stations[account].node
    }

    /// Starts a member's node, or starts it again from its disk; it connects.
    ///
    /// # Panics
    ///
    /// If it can not start from its disk.
    pub fn start(&mut self, account: &AccountName) {
        let disk = match self.stations.remove(account) {
            Some(station) => station.disk,
            None => NodeDisk {
                entries: self.liar.log_of(account).into_iter().take(1).collect(),
                ..NodeDisk::default()
            },
        };
        let mut rng = self.chance.split();
        // Groups are accepted by themselves; approving is for people.
        let config = Config { auto_accept: true, auto_approve: false };
        let secrets = self.secrets[account].account();
        let saved = disk.saved().expect("readable shares");
        let node = Node::restore(account.clone(), secrets, config, self.ivn, saved, &mut rng);
        let mut node = node.expect("a disk that a node starts from");
        let effects = node.start(Timestamp(START + self.now), &mut rng);
        let station = Station {
            node,
            disk,
            rng,
            connected: false,
            deadlines: BTreeMap::new(),
            answers: BTreeMap::new(),
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
        };
        self.stations.insert(account.clone(), station);
        self.carry_out(account, effects);
        self.connect(account);
    }

    /// Breaks a node's connection and makes another.
    pub fn connect(&mut self, account: &AccountName) {
        self.hang_up(account);
        let view = self.liar.seat(account);
        if let Some(station) = self.stations.get_mut(account) {
            station.connected = true;
        }
        self.tell_view(view, hub::Input::Connected(account.clone()));
        self.tell_node(account, node::Input::Connected);
    }

    fn hang_up(&mut self, account: &AccountName) {
        let Some(station) = self.stations.get_mut(account).filter(|station| station.connected)
        else {
            return;
        };
        station.connected = false;
        station.inbound.clear();
        station.outbound.clear();
        for view in 0..self.liar.views.len() {
            self.tell_view(ViewId(view), hub::Input::Disconnected(account.clone()));
        }
        self.tell_node(account, node::Input::Disconnected);
    }

    /// From now on the coordinator keeps another log, which begins with the first `size` entries of the first one, and
    /// shows it to these members.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    pub fn split(&mut self, size: usize, members: &[AccountName]) -> ViewId {
        let entries = self.liar.views[0].entries[..size].to_vec();
        let view = self.liar.begin(entries).expect("a log");
        let effects = {
            let now = Timestamp(START + self.now);
            self.liar.views[view.0].machine.start(now, &mut self.rng)
        };
        for account in members {
            self.hang_up(account);
            self.liar.seats.insert(account.clone(), view);
        }
        self.carry_out_for(view, effects);
        for account in members {
            self.connect(account);
        }
        view
    }

    /// Gives the coordinator a member's keys.
    pub fn corrupt(&mut self, account: &AccountName) {
        self.liar.accomplices.insert(account.clone());
    }

    /// An entry that an accomplice signs.
    ///
    /// # Panics
    ///
    /// If the coordinator does not have that member's keys.
    pub fn accomplice_states(&self, account: &AccountName, body: Body) -> Entry {
        assert!(self.liar.accomplices.contains(account), "{account} is honest");
        let author = Author::Account(account.clone());
        let statement = Statement { ivn: Some(self.ivn), author, at: self.clock(), body };
        Entry::sign(statement, &[&self.secrets[account].account().identity]).expect("an entry")
    }

    /// Sends a node whatever the coordinator likes.
    pub fn says(&mut self, to: &AccountName, message: FromCoordinator) {
        self.truth.shown(to, &message);
        if let Some(station) = self.stations.get_mut(to) {
            station.inbound.push_back(message);
        }
    }

    /// Shows a node these entries after those that it has, under a checkpoint that the log's key signs.
    ///
    /// # Panics
    ///
    /// If no checkpoint can be made.
    pub fn shows(&mut self, to: &AccountName, entries: &[Entry]) {
        let held = self.stations[to].disk.entries.clone();
        let new: Vec<Vec<u8>> = entries.iter().map(Entry::to_bytes).collect();
        let all = [held.clone(), new.clone()].concat();
        let checkpoint = self.liar.checkpoint(&all).expect("a checkpoint").to_string();
        let message = FromCoordinator::Log {
            first: held.len() as u64,
            entries: new.into_iter().map(Base64).collect(),
            checkpoint: Some(checkpoint),
        };
        self.says(to, message);
    }

    /// A person tells its node something; the answer, if there is one by the time that nothing happens any more.
    pub fn orders(
        &mut self,
        account: &AccountName,
        command: Command,
    ) -> Result<EntryId, CommandError> {
        self.commands += 1;
        let id = CommandId(self.commands);
        self.tell_node(account, node::Input::Command(id, command));
        self.settle();
        let answer = self.stations.get_mut(account).and_then(|s| s.answers.remove(&id));
        answer.unwrap_or(Err(CommandError::Unreachable))
    }

    /// A member asks for a signature of the document of this number.
    pub fn asks(&mut self, account: &AccountName, number: u8) -> Result<EntryId, CommandError> {
        let document = Digest::new([number; 32]);
        self.documents.insert(document, vec![number; 100]);
        self.truth.asked.insert((account.clone(), document));
        self.orders(
            account,
            Command::Request {
                group: board(),
                document_type: None,
                format: "raw".to_owned(),
                namespace: None,
                document,
                expires_in: None,
            },
        )
    }

    /// A member looks at a request and consents.
    pub fn approves(
        &mut self,
        account: &AccountName,
        request: EntryId,
    ) -> Result<EntryId, CommandError> {
        self.truth.approved.insert((account.clone(), request));
        self.orders(account, Command::Approve(request))
    }

    /// A member proposes that the group become this; returns the change's entry.
    ///
    /// # Errors
    ///
    /// Why its node does not.
    pub fn proposes(
        &mut self,
        account: &AccountName,
        definition: GroupDefinition,
    ) -> Result<EntryId, CommandError> {
        let group = self.node(account).state().group(&definition.name);
        let epoch = group.ok().and_then(|group| group.key.as_ref()).map_or(0, |key| key.epoch);
        // Its node carries out what it can at once, so the truth has to be known before.
        self.truth.wanted = Some((account.clone(), definition.clone()));
        let command = Command::ChangeGroup { definition, epoch, expires_in: None, repairs: None };
        self.orders(account, command)
    }

    /// A member refuses.
    pub fn refuses(
        &mut self,
        account: &AccountName,
        request: EntryId,
    ) -> Result<EntryId, CommandError> {
        self.truth.refused.insert((account.clone(), request));
        self.orders(account, Command::Reject { request, reason: "no".to_owned() })
    }

    /// Delivers messages, in an order that the seed decides (each connection's in order), until there are none.
    pub fn settle(&mut self) {
        for _ in 0..MOST {
            let mut waiting = Vec::new();
            for (account, station) in &self.stations {
                if !station.inbound.is_empty() {
                    waiting.push((account.clone(), true));
                }
                if !station.outbound.is_empty() {
                    waiting.push((account.clone(), false));
                }
            }
            if waiting.is_empty() {
                return;
            }
            let drawn = self.chance.up_to(waiting.len() as u64 - 1);
            let (account, is_inbound) = waiting.swap_remove(usize::try_from(drawn).unwrap_or(0));
            let Some(station) = self.stations.get_mut(&account) else { continue };
            if is_inbound {
                if let Some(message) = station.inbound.pop_front() {
                    self.tell_node(&account, node::Input::Received(message));
                }
            } else if let Some(message) = station.outbound.pop_front()
                && let Some(message) = (self.liar.incoming)(&account, message)
            {
                let view = self.liar.seat(&account);
                self.note_cosignature(view, &account, &message);
                self.tell_view(view, hub::Input::Received(account, message));
            }
        }
        self.violations.push("messages do not come to an end".to_owned());
    }

    /// Lets time pass: nodes that hung up connect again, and deadlines come.
    pub fn pass(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        let now = self.clock();
        for account in self.names.clone() {
            if self.stations.get(&account).is_some_and(|station| !station.connected) {
                self.connect(&account);
            }
            let Some(station) = self.stations.get_mut(&account) else { continue };
            let (due, later): (BTreeMap<_, _>, BTreeMap<_, _>) =
                std::mem::take(&mut station.deadlines).into_iter().partition(|(_, at)| *at <= now);
            station.deadlines = later;
            for deadline in due.into_keys() {
                self.tell_node(&account, node::Input::Deadline(deadline));
            }
        }
        for view in 0..self.liar.views.len() {
            let deadlines = &mut self.liar.views[view].deadlines;
            let (due, later): (BTreeMap<_, _>, BTreeMap<_, _>) =
                std::mem::take(deadlines).into_iter().partition(|(_, at)| *at <= now);
            *deadlines = later;
            for deadline in due.into_keys() {
                self.tell_view(ViewId(view), hub::Input::Deadline(deadline));
            }
        }
        self.settle();
    }

    fn note_cosignature(&mut self, view: ViewId, from: &AccountName, message: &FromNode) {
        let (FromNode::Cosign { size, cosignature } | FromNode::Share { size, cosignature, .. }) =
            message
        else {
            return;
        };
        if let Some(view) = self.liar.view_mut(view) {
            let of_size = view.cosignatures.entry(*size).or_default();
            of_size.insert(from.clone(), cosignature.clone());
        }
    }

    pub(super) fn tell_view(&mut self, id: ViewId, input: hub::Input) {
        let now = self.clock();
        let Some(view) = self.liar.views.get_mut(id.0) else { return };
        let mut effects = view.machine.handle(input, now, &mut self.rng);
        effects.extend(view.machine.seal(now, &mut self.rng));
        self.carry_out_for(id, effects);
    }

    fn carry_out_for(&mut self, id: ViewId, effects: Vec<CoordinatorEffect>) {
        let mut prepared = Vec::new();
        for effect in effects {
            let Some(view) = self.liar.views.get_mut(id.0) else { return };
            match effect {
                CoordinatorEffect::Append { entry, .. } => view.entries.push(entry.to_bytes()),
                CoordinatorEffect::Persist(
                    CoordinatorChange::Checkpoint { .. } | CoordinatorChange::Cosignature { .. },
                )
                | CoordinatorEffect::RespondJoin(..)
                | CoordinatorEffect::Disconnect(_) => {}
                CoordinatorEffect::Send(to, message) => self.deliver(id, &to, message),
                CoordinatorEffect::SendLog { to, first, end, checkpoint } => {
                    let range = usize::try_from(first).ok().zip(usize::try_from(end).ok());
                    let stored = range.and_then(|(a, b)| view.entries.get(a..b));
                    let entries = stored.unwrap_or_default().iter().cloned().map(Base64).collect();
                    let checkpoint = Some(checkpoint);
                    self.deliver(id, &to, FromCoordinator::Log { first, entries, checkpoint });
                }
                CoordinatorEffect::SetDeadline(deadline, at) => {
                    view.deadlines.insert(deadline, at);
                }
                CoordinatorEffect::PrepareDocument(request) => {
                    let asked = view.machine.state().request(request).ok();
                    let document = asked.and_then(|asked| {
                        let commitment = asked.request.document;
                        let to_be_signed = self.documents.get(&commitment)?.clone();
                        Some(Document { commitment, to_be_signed })
                    });
                    prepared.push(hub::Input::Document { request, document });
                }
            }
        }
        prepared.into_iter().for_each(|document| self.tell_view(id, document));
    }

    fn deliver(&mut self, from: ViewId, to: &AccountName, message: FromCoordinator) {
        if self.liar.seat(to) != from {
            return;
        }
        for message in (self.liar.outgoing)(to, message) {
            self.says(to, message);
        }
    }

    fn tell_node(&mut self, account: &AccountName, input: node::Input) {
        let now = self.clock();
        let Some(station) = self.stations.get_mut(account) else { return };
        let effects = station.node.handle(input, now, &mut station.rng);
        self.carry_out(account, effects);
    }

    fn carry_out(&mut self, account: &AccountName, effects: Vec<NodeEffect>) {
        let mut hangs_up = false;
        let mut wanted = Vec::new();
        for effect in effects {
            let Some(station) = self.stations.get_mut(account) else { return };
            match effect {
                NodeEffect::Persist(change) => station.disk.write(&change),
                NodeEffect::Send(message) => {
                    let state = station.node.state();
                    let accomplices = &self.liar.accomplices;
                    if let Err(what) = self.truth.let_go(account, &message, state, accomplices) {
                        self.violations.push(what);
                    }
                    if station.connected {
                        station.outbound.push_back(message);
                    }
                }
                NodeEffect::Disconnect => hangs_up = true,
                NodeEffect::SetDeadline(deadline, at) => {
                    station.deadlines.insert(deadline, at);
                }
                NodeEffect::FetchDocument(request) => wanted.push(request),
                NodeEffect::Respond(command, result) => {
                    station.answers.insert(command, result.map(|done| done.entry));
                }
            }
        }
        self.look_at(account);
        for request in wanted {
            self.fetch(account, request);
        }
        if hangs_up {
            self.hang_up(account);
        }
    }

    fn fetch(&mut self, account: &AccountName, request: EntryId) {
        let asked = self.node(account).state().request(request).ok();
        let document = asked.and_then(|asked| {
            let to_be_signed = self.documents.get(&asked.request.document)?.clone();
            // What a node gets it hashes itself.
            let commitment = asked.request.document;
            Some(if self.liar.swaps_documents {
                Document { commitment: Digest::new([0xEE; 32]), to_be_signed: vec![0xEE; 100] }
            } else {
                Document { commitment, to_be_signed }
            })
        });
        self.tell_node(account, node::Input::Document { request, document });
    }

    /// A node's state is what its disk says, and nothing on its disk is taken back.
    fn look_at(&mut self, account: &AccountName) {
        let Some(station) = self.stations.get(account) else { return };
        let (stored, size) = (station.disk.entries.len() as u64, station.node.state().size());
        if stored != size {
            let what = format!("{account} has a state of {size} entries, and {stored} on its disk");
            self.violations.push(what);
        }
    }
}
