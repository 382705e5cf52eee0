//! The stage on which honest nodes meet a malicious coordinator. The seed decides the order of
//! messages and, if asked for, which of them are lost and where nodes crash. The stage compares
//! everything that a node does with what the people really want.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a stage that cannot be set up fails the test that asked for it"
)]

use std::collections::{BTreeMap, VecDeque};

use quorate_ceremony::coordinator as hub;
use quorate_ceremony::document::Document;
use quorate_ceremony::effect::{CommandError, CommandId, NodeDeadline};
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Author, Body, Entry, GroupDefinition, Statement};
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::{AccountName, Digest, EntryId, IvnId, Timestamp};
use quorate_ceremony::node::{self, Command, Config, Motion, Node, Proposal};
use quorate_ceremony::policy::Output;
use quorate_ceremony::test_world::{NodeDisk, board, document_of, due};
use rand_chacha::ChaCha20Rng;

use super::attacker_knowledge::AttackerKnowledge;
use super::coordinator::{Liar, ViewId};
use crate::reference::START;
use crate::rng::Chance;
use crate::world::Secrets;

/// How often a person repeats a command that was lost.
const PATIENCE: usize = 20;
/// Seconds that recovery from faults takes.
const RECOVERY: usize = 12;
/// The most messages in one run of [`Stage::settle`]. More is a livelock.
const MOST: usize = 20_000;

pub(super) struct Station {
    pub(super) node: Node,
    pub(super) disk: NodeDisk,
    rng: ChaCha20Rng,
    pub(super) connected: bool,
    pub(super) deadlines: BTreeMap<NodeDeadline, Timestamp>,
    pub(super) answers: BTreeMap<CommandId, Result<EntryId, CommandError>>,
    inbound: VecDeque<Inbound>,
    pub(super) outbound: VecDeque<FromNode>,
}

/// A message on its way to a node.
#[derive(Clone)]
struct Inbound {
    message: FromCoordinator,
    /// Whether the coordinator repeats this message until it arrives. Faults only delay its lies.
    is_lie: bool,
}

/// Faults besides the coordinator. Chances are out of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trouble {
    /// The chance that a node dies between two effects of an input.
    pub crash: u64,
    /// The chance that a message is lost together with its connection.
    pub loss: u64,
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
    /// Faults besides the coordinator; none at first.
    pub trouble: Trouble,
    /// The number of nodes that died and messages that were lost.
    pub faults: usize,
    /// Whether a fault happened since the last [`Self::recover`].
    pub(super) hurt: bool,
}

impl Stage {
    pub fn clock(&self) -> Timestamp {
        Timestamp(START + self.now)
    }

    pub fn node(&self, account: &AccountName) -> &Node {
        &self.stations[account].node
    }

    /// Starts a member's node, or restarts it from its disk. The node connects.
    pub fn start(&mut self, account: &AccountName) {
        let disk = match self.stations.remove(account) {
            Some(station) => station.disk,
            None => NodeDisk::new(self.liar.log_of(account).into_iter().next().unwrap_or_default()),
        };
        self.boot(account, disk, VecDeque::new());
    }

    /// Starts a process from a disk. These lies are on their way to it.
    fn boot(&mut self, account: &AccountName, disk: NodeDisk, lies: VecDeque<Inbound>) {
        let mut rng = self.chance.split();
        // Nodes accept groups automatically; people approve requests.
        let config = Config { auto_accept: true, auto_approve: false, log_key: None };
        let secrets = self.secrets[account].account();
        let saved = disk.saved().expect("readable shares");
        let node = Node::restore(account.clone(), secrets, config, self.ivn, saved, &mut rng);
        let mut node = node.expect("a disk that a node starts from");
        let effects = node.start(self.clock(), &mut rng);
        let station = Station {
            node,
            disk,
            rng,
            connected: false,
            deadlines: BTreeMap::new(),
            answers: BTreeMap::new(),
            inbound: lies,
            outbound: VecDeque::new(),
        };
        self.stations.insert(account.clone(), station);
        if self.carry_out(account, effects) {
            self.connect_keeping(account);
        } else {
            self.crash(account, None);
        }
    }

    /// Kills a node's process and starts a new one from its disk. An unfinished lie of the
    /// coordinator is delivered again.
    fn crash(&mut self, account: &AccountName, unfinished: Option<Inbound>) {
        (self.faults, self.hurt) = (self.faults + 1, true);
        let Some(station) = self.stations.remove(account) else { return };
        for view in 0..self.liar.views.len() {
            self.tell_view(ViewId(view), hub::Input::Disconnected(account.clone()));
        }
        let lies = unfinished.into_iter().chain(station.inbound).filter(|one| one.is_lie);
        self.boot(account, station.disk, lies.collect());
    }

    /// Loses a node's connection with its messages in flight. The node connects again.
    fn connect_keeping(&mut self, account: &AccountName) {
        let station = self.stations.get(account);
        let lies = station.into_iter().flat_map(|station| &station.inbound);
        let lies: Vec<Inbound> = lies.filter(|one| one.is_lie).cloned().collect();
        self.connect(account);
        if let Some(station) = self.stations.get_mut(account) {
            lies.into_iter().rev().for_each(|lie| station.inbound.push_front(lie));
        }
    }

    /// Breaks a node's connection and makes a new one.
    pub fn connect(&mut self, account: &AccountName) {
        self.hang_up(account);
        let view = self.liar.seat(account);
        if let Some(station) = self.stations.get_mut(account) {
            station.connected = true;
        }
        self.tell_view(view, hub::Input::Connected(account.clone()));
        self.tell_node(account, node::Input::Connected);
    }

    pub(super) fn hang_up(&mut self, account: &AccountName) {
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

    /// Makes the coordinator keep another log, which begins with the first `size` entries of the
    /// first one, and show it to these members from now on.
    pub fn split(&mut self, size: usize, members: &[AccountName]) -> ViewId {
        self.split_to(self.liar.views[0].entries[..size].to_vec(), members)
    }

    /// Makes the coordinator keep another log with these entries, and show it to these members from
    /// now on.
    pub fn split_to(&mut self, entries: Vec<Vec<u8>>, members: &[AccountName]) -> ViewId {
        let view = self.liar.begin(entries).expect("a log");
        let effects = {
            let now = self.clock();
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

    pub fn accomplice_states(&self, account: &AccountName, body: Body) -> Entry {
        assert!(self.liar.accomplices.contains(account), "{account} is honest");
        let author = Author::Account(account.clone());
        let statement = Statement { ivn: Some(self.ivn), author, at: self.clock(), seen: 0, body };
        Entry::sign(statement, &[&self.secrets[account].account().identity]).expect("an entry")
    }

    /// Sends a node any message of the coordinator.
    pub fn says(&mut self, to: &AccountName, message: FromCoordinator) {
        self.sends(to, message, true);
    }

    pub(super) fn sends(&mut self, to: &AccountName, message: FromCoordinator, is_lie: bool) {
        self.truth.shown(to, &message);
        if let Some(station) = self.stations.get_mut(to) {
            station.inbound.push_back(Inbound { message, is_lie });
        }
    }

    /// Shows a node these entries after those that it has, under a checkpoint that the log's key
    /// signs.
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

    /// Gives a node a command of its holder. Returns the answer, if there is one when everything
    /// has settled.
    pub fn orders(
        &mut self,
        account: &AccountName,
        command: Command,
    ) -> Result<EntryId, CommandError> {
        // If its node died, a person checks whether it stated what was wanted, and asks again.
        for _ in 0..PATIENCE {
            self.commands += 1;
            let id = CommandId(self.commands);
            let before = self.faults;
            self.tell_node(account, node::Input::Command(id, command.clone()));
            self.settle();
            let answer = self.stations.get_mut(account).and_then(|s| s.answers.remove(&id));
            if let Some(stated) = self.stated(account, &command).filter(|_| before < self.faults) {
                return Ok(stated);
            }
            match answer {
                Some(Err(CommandError::Unreachable)) | None if before < self.faults => {}
                answer => return answer.unwrap_or(Err(CommandError::Unreachable)),
            }
        }
        Err(CommandError::Unreachable)
    }

    /// Returns the entry by which an account's node carried out its holder's command.
    fn stated(&self, account: &AccountName, command: &Command) -> Option<EntryId> {
        let disk = &self.stations.get(account)?.disk;
        let entries = disk.entries.iter().chain(&disk.outbox).rev();
        let mut entries = entries.filter_map(|bytes| Entry::from_bytes(bytes).ok());
        let author = Author::Account(account.clone());
        let states = |body: &Body| match (command, body) {
            (Command::Request { document, .. }, Body::Request(request)) => {
                request.document == *document
            }
            (Command::Approve(wanted), Body::Approval { request })
            | (Command::Reject { motion: wanted, .. }, Body::Refusal { request, .. }) => {
                wanted.id() == *request
            }
            (Command::ChangeGroup(wanted), Body::GroupChange(change)) => {
                (&wanted.definition, wanted.epoch) == (&change.definition, change.epoch)
            }
            _ => false,
        };
        let stated =
            entries.find(|e| e.statement().author == author && states(&e.statement().body));
        stated.map(|entry| entry.id())
    }

    /// Makes a member request a signature of the document with this number.
    pub fn asks(&mut self, account: &AccountName, number: u8) -> Result<EntryId, CommandError> {
        let document = Digest::new([number; 32]);
        self.documents.insert(document, vec![number; 100]);
        self.truth.asked.insert((account.clone(), document));
        self.orders(
            account,
            Command::Request {
                group: board(),
                document_type: None,
                output: Output::default(),
                signatures: 1,
                document,
                expires_in: None,
            },
        )
    }

    /// Makes a member look at a request and approve it.
    pub fn approves(
        &mut self,
        account: &AccountName,
        request: EntryId,
    ) -> Result<EntryId, CommandError> {
        self.truth.approved.insert((account.clone(), request));
        let motion = match self.node(account).state().changes().contains_key(&request) {
            true => Motion::Change(request),
            false => Motion::Request(request),
        };
        self.orders(account, Command::Approve(motion))
    }

    /// Makes a member propose this definition of the group. Returns the entry of the change.
    pub fn proposes(
        &mut self,
        account: &AccountName,
        definition: GroupDefinition,
    ) -> Result<EntryId, CommandError> {
        let group = self.node(account).state().group(&definition.name);
        let epoch = group.ok().and_then(|group| group.key.as_ref()).map_or(0, |key| key.epoch);
        // Its node acts immediately, so the truth has to be known before.
        self.truth.wanted = Some((account.clone(), definition.clone()));
        self.orders(account, Command::ChangeGroup(Proposal::new(definition, epoch)))
    }

    /// Makes a member reject a request.
    pub fn refuses(
        &mut self,
        account: &AccountName,
        request: EntryId,
    ) -> Result<EntryId, CommandError> {
        self.truth.refused.insert((account.clone(), request));
        self.orders(
            account,
            Command::Reject { motion: Motion::Request(request), reason: "no".to_owned() },
        )
    }

    /// Delivers messages until there are none, in an order that the seed decides. The messages of
    /// each connection stay in order. After faults, time passes until everything has recovered.
    pub fn settle(&mut self) {
        self.deliver_all();
        if self.hurt {
            self.recover();
        }
    }

    fn deliver_all(&mut self) {
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
            if self.chance.happens(self.trouble.loss) {
                (self.faults, self.hurt) = (self.faults + 1, true);
                self.connect_keeping(&account);
                continue;
            }
            let Some(station) = self.stations.get_mut(&account) else { continue };
            if is_inbound {
                if let Some(inbound) = station.inbound.pop_front() {
                    self.deliver_to_node(&account, inbound);
                }
            } else if let Some(message) = station.outbound.pop_front()
                && let Some(message) = (self.liar.incoming)(&account, message)
            {
                let view = self.liar.seat(&account);
                self.note_cosignature(view, &account, &message);
                let message = match message {
                    // An honest coordinator would give up its fork for a larger checkpoint.
                    FromNode::Hello { after, .. } => FromNode::Hello { after, checkpoint: None },
                    message => message,
                };
                self.tell_view(view, hub::Input::Received(account, message));
            }
        }
        self.violations.push("messages do not come to an end".to_owned());
    }

    /// Lets time pass: nodes that hung up connect again, and deadlines expire.
    pub fn pass(&mut self, milliseconds: u64) {
        self.pass_once(milliseconds);
        if self.hurt {
            self.recover();
        }
    }

    /// Suspends all faults for a while, so that lost messages are sent again.
    fn recover(&mut self) {
        let trouble = std::mem::take(&mut self.trouble);
        (0..RECOVERY).for_each(|_| self.pass_once(1_000));
        (self.trouble, self.hurt) = (trouble, false);
    }

    fn pass_once(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        let now = self.clock();
        for account in self.names.clone() {
            if self.stations.get(&account).is_some_and(|station| !station.connected) {
                self.connect(&account);
            }
            let Some(station) = self.stations.get_mut(&account) else { continue };
            for deadline in due(&mut station.deadlines, now) {
                self.tell_node(&account, node::Input::Deadline(deadline));
            }
        }
        for view in 0..self.liar.views.len() {
            for deadline in due(&mut self.liar.views[view].deadlines, now) {
                self.tell_view(ViewId(view), hub::Input::Deadline(deadline));
            }
        }
        self.deliver_all();
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

    fn tell_node(&mut self, account: &AccountName, input: node::Input) {
        let now = self.clock();
        let Some(station) = self.stations.get_mut(account) else { return };
        let effects = station.node.handle(input, now, &mut station.rng);
        if !self.carry_out(account, effects) {
            self.crash(account, None);
        }
    }

    fn deliver_to_node(&mut self, account: &AccountName, inbound: Inbound) {
        let now = self.clock();
        let Some(station) = self.stations.get_mut(account) else { return };
        let input = node::Input::Received(inbound.message.clone());
        let effects = station.node.handle(input, now, &mut station.rng);
        if !self.carry_out(account, effects) {
            self.crash(account, Some(inbound));
        }
    }

    pub(super) fn fetch(&mut self, account: &AccountName, request: EntryId) {
        let mut document = document_of(self.node(account).state(), &self.documents, request);
        // The node hashes what it receives.
        if self.liar.swaps_documents {
            document = document.map(|document| Document {
                commitment: Digest::new([0xEE; 32]),
                to_be_signed: vec![0xEE; 100],
                ..document
            });
        }
        self.tell_node(account, node::Input::Document { request, document });
    }

    /// Checks that a node's state has as many entries as its disk.
    pub(super) fn look_at(&mut self, account: &AccountName) {
        let Some(station) = self.stations.get(account) else { return };
        let (stored, size) = (station.disk.entries.len() as u64, station.node.state().size());
        if stored != size {
            let what = format!("{account} has a state of {size} entries, and {stored} on its disk");
            self.violations.push(what);
        }
    }
}
