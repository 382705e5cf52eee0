//! The life of one small IVN, played by the real machines and always the same byte for byte. Fuzz
//! targets start from it, and the kept bytes come from it.
//!
//! Accounts are invited and join, a group is defined and accepted, one key generation times out and
//! the next succeeds, an account without permission requests a signature, and a request is rejected
//! by one member and signed by two.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;

use quorate_ceremony::coordinator::{self, Coordinator, CoordinatorSecrets};
use quorate_ceremony::document::Document;
use quorate_ceremony::effect::{
    CommandError, CommandId, CoordinatorChange, CoordinatorDeadline, Done, JoinId, NodeChange,
    NodeDeadline,
};
use quorate_ceremony::entry::{Body, Entry, GroupDefinition, Role};
use quorate_ceremony::identity::{AccountSecrets, SecretKey};
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::{AccountName, Digest, EntryId, IvnId, Timestamp};
use quorate_ceremony::node;
use quorate_ceremony::node::{Command, Motion, Node};
use quorate_ceremony::policy::{Output as AskedOutput, Policy};
use quorate_ceremony::state::Refusal;
use quorate_ceremony::test_world::{
    self, CoordinatorShell, NodeDisk, NodeShell, genesis_entry, invitation,
};
pub use quorate_ceremony::test_world::{board, name};
use quorate_documents::{Output, VerifyingKey, commitment, prepare};
use quorate_log::checkpoint::VerifiedCheckpoint;
use quorate_protocol::Suite;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

pub const START: Timestamp = Timestamp(1_700_000_000_000);
/// The content of the signed file.
pub const DOCUMENT: &[u8] = b"a contract\n";
pub const NAME: &str = "contract.txt";
pub const SALT: [u8; 32] = [0x5A; 32];

pub struct Story {
    pub ivn: IvnId,
    /// The bytes of every log entry.
    pub log: Vec<Vec<u8>>,
    /// The checkpoint of the whole log, with the members' cosignatures.
    pub checkpoint: VerifiedCheckpoint,
    /// All messages, in order.
    pub said: Vec<Said>,
    pub disks: BTreeMap<AccountName, NodeDisk>,
    /// What the coordinator keeps besides the log.
    pub kept: Vec<CoordinatorChange>,
    pub request: EntryId,
    /// The group's signature.
    pub signature: [u8; 64],
    /// The group's key.
    pub verifying_key: VerifyingKey,
}

/// A message from or to the node of an account.
#[derive(Clone, Debug)]
pub enum Said {
    ByNode(AccountName, FromNode),
    ToNode(AccountName, FromCoordinator),
}

/// Returns the key that its owner and purpose determine.
pub fn key(of: &str, purpose: u8) -> SecretKey {
    let mut seed = [purpose; 32];
    seed[..of.len()].copy_from_slice(of.as_bytes());
    SecretKey::from_seed(&seed)
}

pub fn secrets(of: &AccountName) -> AccountSecrets {
    AccountSecrets { identity: key(of.as_str(), 1), cosigner: key(of.as_str(), 2) }
}

pub fn coordinator_secrets() -> CoordinatorSecrets {
    CoordinatorSecrets { log: key("coordinator", 3), identity: key("coordinator", 4) }
}

pub fn coordinator_config() -> coordinator::Config {
    coordinator::Config::default()
}

pub const NODE_CONFIG: node::Config =
    node::Config { auto_accept: false, auto_approve: false, log_key: None };

/// Returns the format of the signature file.
pub fn output() -> Output {
    "ssh".parse().unwrap()
}

/// Returns the document as a node's shell submits it.
pub fn document() -> Document {
    // The bytes of an SSH signature do not depend on the key.
    let (output, key) = (output(), VerifyingKey::Ed25519([0; 32]));
    let prepared = prepare(DOCUMENT, &output, &key).unwrap();
    Document {
        commitment: Digest::new(commitment(&SALT, NAME, DOCUMENT)),
        signatures: 1,
        number: 0,
        to_be_signed: prepared.to_be_signed(&[]).unwrap(),
    }
}

pub fn genesis() -> Entry {
    let (ada, nonce) = (name("ada"), Digest::new([0x01; 32]));
    genesis_entry(&ada, &secrets(&ada), &coordinator_secrets(), nonce, START)
}

pub fn admission(account: &AccountName, ivn: IvnId, at: Timestamp) -> Entry {
    test_world::admission(account, &secrets(account), &key(account.as_str(), 5), ivn, at)
}

pub fn definition() -> GroupDefinition {
    GroupDefinition {
        name: board(),
        suite: Suite::FrostEd25519Sha512,
        min_signers: 2,
        members: ["ada", "ben", "cyd"].map(name).to_vec(),
        document_types: BTreeSet::new(),
        policy: Policy::for_min_signers(2),
    }
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Deadline {
    Node(AccountName, NodeDeadline),
    Coordinator(CoordinatorDeadline),
}

enum Delivery {
    Node(AccountName, node::Input),
    Coordinator(coordinator::Input),
}

/// The machines at work.
struct Stage {
    now: Timestamp,
    rng: ChaCha20Rng,
    ivn: IvnId,
    coordinator: Coordinator,
    nodes: BTreeMap<AccountName, Node>,
    disks: BTreeMap<AccountName, NodeDisk>,
    log: Vec<Vec<u8>>,
    kept: Vec<CoordinatorChange>,
    queue: VecDeque<Delivery>,
    deadlines: BTreeMap<Deadline, Timestamp>,
    held: BTreeMap<AccountName, Vec<Delivery>>,
    said: Vec<Said>,
}

impl Stage {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let genesis = genesis();
        let log = vec![genesis.to_bytes()];
        let mut coordinator =
            Coordinator::restore(coordinator_secrets(), coordinator_config(), log.clone(), None)
                .unwrap();
        assert!(coordinator.start(START, &mut rng).is_empty());
        Self {
            now: START,
            rng,
            ivn: genesis.ivn_id_as_genesis(),
            coordinator,
            nodes: BTreeMap::new(),
            disks: BTreeMap::new(),
            log,
            kept: Vec::new(),
            queue: VecDeque::new(),
            deadlines: BTreeMap::new(),
            held: BTreeMap::new(),
            said: Vec::new(),
        }
    }

    fn start_node(&mut self, account: &str) {
        let account = name(account);
        let disk = NodeDisk::new(self.log[0].clone());
        let mut node = Node::restore(
            account.clone(),
            secrets(&account),
            NODE_CONFIG,
            self.ivn,
            disk.saved().unwrap(),
            &mut self.rng,
        )
        .unwrap();
        self.disks.insert(account.clone(), disk);
        let effects = node.start(self.now, &mut self.rng);
        self.nodes.insert(account.clone(), node);
        self.at(&account).carry_out(effects).unwrap();
        self.tell_coordinator(coordinator::Input::Connected(account.clone()));
        self.tell(&account, node::Input::Connected);
        self.settle();
    }

    fn join(&mut self, account: &str) {
        let entry = admission(&name(account), self.ivn, self.now);
        self.tell_coordinator(coordinator::Input::Join(JoinId(0), entry.to_bytes()));
        self.settle();
        self.start_node(account);
    }

    fn command(&mut self, account: &str, command: Command) {
        self.now = self.now.plus(1_000);
        self.tell(&name(account), node::Input::Command(CommandId(0), command));
        self.settle();
    }

    fn tell(&mut self, account: &AccountName, input: node::Input) {
        let node = self.nodes.get_mut(account).unwrap();
        let effects = node.handle(input, self.now, &mut self.rng);
        self.at(account).carry_out(effects).unwrap();
    }

    fn tell_coordinator(&mut self, input: coordinator::Input) {
        let mut effects = self.coordinator.handle(input, self.now, &mut self.rng);
        effects.extend(self.coordinator.seal(self.now, &mut self.rng));
        self.carry_out(effects).unwrap();
    }

    fn settle(&mut self) {
        while let Some(delivery) = self.queue.pop_front() {
            match delivery {
                Delivery::Node(account, input) => self.tell(&account, input),
                Delivery::Coordinator(input) => self.tell_coordinator(input),
            }
        }
    }

    /// Lets time pass and deadlines expire.
    fn wait(&mut self, milliseconds: u64) {
        let until = self.now.plus(milliseconds);
        loop {
            let next = self.deadlines.iter().min_by_key(|(_, at)| **at);
            let Some((deadline, at)) = next.map(|(deadline, at)| (deadline.clone(), *at)) else {
                break;
            };
            if at > until {
                break;
            }
            self.deadlines.remove(&deadline);
            self.now = self.now.max(at);
            match deadline {
                Deadline::Node(account, deadline) => {
                    self.tell(&account, node::Input::Deadline(deadline));
                }
                Deadline::Coordinator(deadline) => {
                    self.tell_coordinator(coordinator::Input::Deadline(deadline));
                }
            }
            self.settle();
        }
        self.now = until;
    }

    /// Withholds this node's messages from the coordinator.
    fn hold(&mut self, account: &str) {
        self.held.insert(name(account), Vec::new());
    }

    /// Delivers the withheld messages of this node.
    fn let_through(&mut self, account: &str) {
        self.queue.extend(self.held.remove(&name(account)).unwrap());
        self.settle();
    }

    fn at<'a>(&'a mut self, account: &'a AccountName) -> AtNode<'a> {
        AtNode { stage: self, account }
    }

    fn play(&mut self) {
        self.start_node("ada");
        let people = [("ben", Role::Member), ("cyd", Role::Member), ("out", Role::Requester)];
        for (account, role) in people {
            let invitation = invitation(&name(account), role, &key(account, 5), self.now);
            self.command("ada", Command::Invite(invitation));
            self.join(account);
        }
        self.command("ada", Command::DefineGroup(definition()));
        for member in ["ada", "ben"] {
            self.command(member, self.acceptance());
        }
        self.now = self.now.plus(1_000);
        self.tell(&name("cyd"), node::Input::Command(CommandId(0), self.acceptance()));
        let acceptance = self.queue.pop_front();
        self.hold("cyd");
        self.queue.extend(acceptance);
        self.settle();
        self.wait(40_000);
        self.let_through("cyd");
        self.wait(40_000);

        self.command("out", self.ask());
        self.command("ada", self.ask());
        let open = |id: &EntryId| {
            let state = self.coordinator.state().request(*id).unwrap();
            state.request.document == document().commitment && state.requester == name("ada")
        };
        let request = *self.coordinator.state().requests().keys().find(|id| open(id)).unwrap();
        let reason = "not before Friday".to_owned();
        self.command("cyd", Command::Reject { motion: Motion::Request(request), reason });
        self.command("ben", Command::Approve(Motion::Request(request)));
        self.wait(1_000);
    }

    fn acceptance(&self) -> Command {
        let defined = self.coordinator.state().group(&board()).unwrap().defined;
        Command::Approve(Motion::Definition(defined))
    }

    fn ask(&self) -> Command {
        Command::Request {
            group: board(),
            document_type: None,
            output: AskedOutput::default(),
            signatures: 1,
            document: document().commitment,
            expires_in: None,
        }
    }
}

struct AtNode<'a> {
    stage: &'a mut Stage,
    account: &'a AccountName,
}

impl NodeShell for AtNode<'_> {
    type Error = Infallible;

    fn persist(&mut self, change: NodeChange) -> Result<(), Infallible> {
        self.stage.disks.get_mut(self.account).unwrap().write(&change).unwrap();
        Ok(())
    }

    fn send(&mut self, message: FromNode) -> Result<(), Infallible> {
        self.stage.said.push(Said::ByNode(self.account.clone(), message.clone()));
        let input = coordinator::Input::Received(self.account.clone(), message);
        match self.stage.held.get_mut(self.account) {
            Some(held) => held.push(Delivery::Coordinator(input)),
            None => self.stage.queue.push_back(Delivery::Coordinator(input)),
        }
        Ok(())
    }

    fn disconnect(&mut self) -> Result<(), Infallible> {
        panic!("{} disconnects", self.account)
    }

    fn deadline(&mut self, deadline: NodeDeadline, at: Timestamp) -> Result<(), Infallible> {
        self.stage.deadlines.insert(Deadline::Node(self.account.clone(), deadline), at);
        Ok(())
    }

    fn fetch(&mut self, request: EntryId) -> Result<(), Infallible> {
        let input = node::Input::Document { request, document: Some(document()) };
        self.stage.queue.push_back(Delivery::Node(self.account.clone(), input));
        Ok(())
    }

    fn respond(
        &mut self,
        _: CommandId,
        answer: Result<Done, CommandError>,
    ) -> Result<(), Infallible> {
        answer.unwrap();
        Ok(())
    }
}

impl CoordinatorShell for Stage {
    type Error = Infallible;

    fn append(&mut self, index: u64, entry: Entry) -> Result<(), Infallible> {
        assert_eq!(index, self.log.len() as u64);
        self.log.push(entry.to_bytes());
        Ok(())
    }

    fn persist(&mut self, change: CoordinatorChange) -> Result<(), Infallible> {
        self.kept.push(change);
        Ok(())
    }

    fn send(&mut self, to: AccountName, message: FromCoordinator) -> Result<(), Infallible> {
        self.said.push(Said::ToNode(to.clone(), message.clone()));
        self.queue.push_back(Delivery::Node(to, node::Input::Received(message)));
        Ok(())
    }

    fn stored(
        &mut self,
        _: &AccountName,
        first: u64,
        end: u64,
    ) -> Result<Vec<Vec<u8>>, Infallible> {
        let range = usize::try_from(first).unwrap()..usize::try_from(end).unwrap();
        Ok(self.log[range].to_vec())
    }

    fn disconnect(&mut self, account: AccountName) -> Result<(), Infallible> {
        panic!("{account} is disconnected")
    }

    fn deadline(&mut self, deadline: CoordinatorDeadline, at: Timestamp) -> Result<(), Infallible> {
        self.deadlines.insert(Deadline::Coordinator(deadline), at);
        Ok(())
    }

    fn prepare(&mut self, request: EntryId) -> Result<(), Infallible> {
        let document = Some(document());
        let input = coordinator::Input::Document { request, document };
        self.queue.push_back(Delivery::Coordinator(input));
        Ok(())
    }

    fn respond_join(&mut self, _: JoinId, answer: Result<u64, Refusal>) -> Result<(), Infallible> {
        answer.unwrap();
        Ok(())
    }
}

impl Story {
    pub fn tell() -> Self {
        let mut stage = Stage::new();
        stage.play();
        let signed = stage.log.iter().rev().find_map(|bytes| {
            match Entry::from_bytes(bytes).unwrap().statement().body.clone() {
                Body::Signature { request, signature, .. } => Some((request, signature)),
                _ => None,
            }
        });
        let (request, signature) = signed.expect("the request is signed");
        let group = stage.coordinator.state().group(&board()).unwrap();
        let verifying_key = group.key.as_ref().unwrap().public.verifying_key().as_bytes();
        Self {
            ivn: stage.ivn,
            checkpoint: stage.coordinator.published().unwrap().clone(),
            request,
            signature: signature.0.as_slice().try_into().unwrap(),
            verifying_key: VerifyingKey::from_bytes(verifying_key).unwrap(),
            log: stage.log,
            said: stage.said,
            disks: stage.disks,
            kept: stage.kept,
        }
    }

    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.log.iter().map(|bytes| Entry::from_bytes(bytes).unwrap())
    }

    pub fn by_nodes(&self) -> impl Iterator<Item = (&AccountName, &FromNode)> {
        self.said.iter().filter_map(|said| match said {
            Said::ByNode(account, message) => Some((account, message)),
            Said::ToNode(..) => None,
        })
    }

    pub fn to_node(&self, account: &AccountName) -> impl Iterator<Item = &FromCoordinator> {
        self.said.iter().filter_map(move |said| match said {
            Said::ToNode(to, message) if to == account => Some(message),
            _ => None,
        })
    }
}
