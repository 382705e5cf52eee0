//! A node with a coordinator that sends anything, and a coordinator with nodes that do.
//!
//! Both begin somewhere in the [`Story`](super::story::Story) with what their disks held then. Now
//! and then the process dies, and a new one begins with what was persisted, which always succeeds.

use std::collections::BTreeSet;
use std::convert::Infallible;

use quorate_ceremony::coordinator::{self, Coordinator};
use quorate_ceremony::document::Document;
use quorate_ceremony::effect::{
    CommandId, CoordinatorChange, CoordinatorDeadline, JoinId, NodeChange, NodeDeadline,
};
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Entry, Statement};
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::{AccountName, EntryId, SessionId, Timestamp};
use quorate_ceremony::node::{Command, Input, Motion, Node};
use quorate_ceremony::signing::Subject;
use quorate_ceremony::test_world::{CoordinatorShell, NodeDisk, NodeShell, signed_checkpoint};
use quorate_log::checkpoint::SignedCheckpoint;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::script::Script;
use super::story::{self, NODE_CONFIG, board, name};
use super::{log, state};

const MOST_STEPS: usize = 40;

fn harmed<T: Serialize + DeserializeOwned>(script: &mut Script<'_>, message: &T) -> Option<T> {
    let json = serde_json::to_vec(message).unwrap();
    serde_json::from_slice(&script.harm(&json)).ok()
}

/// Returns a log message with these entries and a checkpoint that the log's key signed for exactly
/// them.
fn signed_log(entries: &[Vec<u8>], first: usize) -> FromCoordinator {
    FromCoordinator::Log {
        first: first as u64,
        entries: entries.iter().skip(first).cloned().map(Base64).collect(),
        checkpoint: Some(signed_checkpoint(&log::log_signer(), entries).to_string()),
    }
}

/// Ada's node and its disk.
struct AtNode {
    node: Node,
    disk: NodeDisk,
    now: Timestamp,
    rng: ChaCha20Rng,
    /// Sessions in which any process sent commitments, or shares.
    committed: BTreeSet<SessionId>,
    released: BTreeSet<SessionId>,
    cosigned: Option<SignedCheckpoint>,
    sent: usize,
}

impl AtNode {
    fn start(disk: NodeDisk, now: Timestamp) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let node = Self::restore(&disk, &mut rng);
        let mut at = Self {
            node,
            now,
            rng,
            committed: disk.sessions.keys().copied().collect(),
            released: disk.sessions.iter().filter(|(_, used)| **used).map(|(id, _)| *id).collect(),
            cosigned: disk.cosigned.as_ref().map(|note| note.parse().unwrap()),
            disk,
            sent: 0,
        };
        at.begin();
        at
    }

    fn restore(disk: &NodeDisk, rng: &mut ChaCha20Rng) -> Node {
        let ada = name("ada");
        let (secrets, ivn) = (story::secrets(&ada), super::story().ivn);
        Node::restore(ada, secrets, NODE_CONFIG, ivn, disk.saved().unwrap(), rng)
            .expect("what was persisted can be read")
    }

    fn begin(&mut self) {
        let effects = self.node.start(self.now, &mut self.rng);
        self.carry_out(effects).unwrap();
        self.tell(Input::Connected);
    }

    fn crash(&mut self) {
        self.node = Self::restore(&self.disk, &mut self.rng);
        self.begin();
    }

    fn tell(&mut self, input: Input) {
        let effects = self.node.handle(input, self.now, &mut self.rng);
        self.carry_out(effects).unwrap();
    }

    fn check(&mut self, message: &FromNode) {
        self.sent += 1;
        match message {
            FromNode::Part { session, .. } => {
                assert!(
                    self.disk.sessions.contains_key(session),
                    "committed before it was durable"
                );
                assert!(self.committed.insert(*session), "committed twice in one session");
            }
            FromNode::Share { session, size, .. } => {
                assert_eq!(
                    self.disk.sessions.get(session),
                    Some(&true),
                    "released before it was durable"
                );
                assert!(self.released.insert(*session), "released twice in one session");
                assert_eq!(*size, self.disk.entries.len() as u64, "released without the whole log");
                assert!(self.node.trouble().is_none(), "released in trouble");
            }
            FromNode::Cosign { size, .. } => {
                let note = self.disk.cosigned.as_ref().expect("cosigned before it was durable");
                let checkpoint: SignedCheckpoint = note.parse().unwrap();
                let head = checkpoint.unverified().head();
                assert_eq!((head.size, self.disk.entries.len() as u64), (*size, *size));
                if let Some(before) = &self.cosigned {
                    let before = before.unverified().head();
                    assert!(head.size >= before.size, "cosigned an older tree");
                    assert!(head.size > before.size || head == before, "cosigned two histories");
                }
                self.cosigned = Some(checkpoint);
            }
            FromNode::Submit { entry } => drop(Entry::from_bytes(&entry.0).expect("an entry")),
            FromNode::Hello { .. }
            | FromNode::Entries { .. }
            | FromNode::Sealed { .. }
            | FromNode::Declined { .. } => {}
        }
    }

    /// Carries out one instruction of a script.
    fn step(&mut self, script: &mut Script<'_>) {
        let story = super::story();
        let said: Vec<&FromCoordinator> = story.to_node(self.node.account()).collect();
        match script.byte() % 13 {
            0 => self.tell(Input::Received(said[script.index(said.len())].clone())),
            1 => {
                let message = said[script.index(said.len())];
                if let Some(message) = harmed(script, message) {
                    self.tell(Input::Received(message));
                }
            }
            2 => {
                if let Ok(message) = serde_json::from_slice(script.bytes()) {
                    self.tell(Input::Received(message));
                }
            }
            // The genuine log, up to some point.
            3 => {
                let end = 1 + script.index(story.log.len());
                self.tell(Input::Received(signed_log(&story.log[..end], self.disk.entries.len())));
            }
            // A different log: something else after what the node has.
            4 => {
                let mut entries = self.disk.entries.clone();
                let first = entries.len() - usize::from(script.byte() % 2).min(entries.len() - 1);
                entries.truncate(first);
                for _ in 0..script.byte() % 3 {
                    entries.extend(forged(script));
                }
                let first = if script.coin() { first } else { 0 };
                self.tell(Input::Received(signed_log(&entries, first)));
            }
            5 => self.tell(Input::Document {
                request: story.request,
                document: (script.coin()).then(story::document),
            }),
            6 => {
                let document =
                    Document { to_be_signed: script.bytes().to_vec(), ..story::document() };
                self.tell(Input::Document { request: story.request, document: Some(document) });
            }
            7 => self.tell(Input::Command(CommandId(1), command(script))),
            8 => {
                let session = session(script);
                let subject = match script.byte() % 2 {
                    0 => Subject::Request { request: story.request },
                    _ => Subject::Activation { session },
                };
                self.tell(Input::Received(FromCoordinator::Invite {
                    session,
                    subject,
                    signers: Vec::new(),
                }));
            }
            9 => self.tell(Input::Deadline(match script.byte() % 3 {
                0 => NodeDeadline::Clock,
                1 => NodeDeadline::Signing(session(script)),
                _ => NodeDeadline::Document(story.request),
            })),
            10 => self.tell(if script.coin() { Input::Connected } else { Input::Disconnected }),
            11 => self.now = self.now.plus(u64::from(script.number()) << (script.byte() % 24)),
            _ => self.crash(),
        }
    }
}

impl NodeShell for AtNode {
    type Error = Infallible;

    fn persist(&mut self, change: NodeChange) -> Result<(), Infallible> {
        if let NodeChange::ShareDestroyed(session) = &change {
            assert!(self.disk.packages.contains_key(session), "there is no such share");
        }
        self.disk.write(&change).expect("a change that the database takes");
        Ok(())
    }

    fn send(&mut self, message: FromNode) -> Result<(), Infallible> {
        self.check(&message);
        Ok(())
    }
}

/// Returns a genuine entry, one with changed bytes, or one with changed contents and a valid
/// signature.
fn forged(script: &mut Script<'_>) -> Option<Vec<u8>> {
    let log = &super::story().log;
    let genuine = &log[script.index(log.len())];
    match script.byte() % 3 {
        0 => Some(genuine.clone()),
        1 => Some(script.harm(genuine)),
        _ => {
            let statement = Entry::from_bytes(genuine).unwrap().statement().clone();
            let json = script.harm(&serde_json::to_vec(&statement).unwrap());
            let statement: Statement = serde_json::from_slice(&json).ok()?;
            state::signed(statement).map(|entry| entry.to_bytes())
        }
    }
}

/// Returns a session of the story, or an unknown one.
fn session(script: &mut Script<'_>) -> SessionId {
    let known: Vec<SessionId> =
        super::story().disks[&name("ada")].sessions.keys().copied().collect();
    match script.byte() % 3 {
        0 => SessionId::new([script.byte(); 32]),
        _ => known[script.index(known.len())],
    }
}

fn motion(script: &mut Script<'_>) -> Motion {
    let request = super::story().request;
    match script.byte() % 3 {
        0 => Motion::Request(request),
        1 => Motion::Change(request),
        _ => Motion::Definition(EntryId::new([script.byte(); 32])),
    }
}

fn command(script: &mut Script<'_>) -> Command {
    match script.byte() % 6 {
        0 => Command::Approve(motion(script)),
        1 => {
            let reason = String::from_utf8_lossy(script.bytes()).into_owned();
            Command::Reject { motion: motion(script), reason }
        }
        2 => Command::WithdrawChange(super::story().request),
        3 => Command::CancelSession(session(script)),
        4 => Command::DefineGroup(story::definition()),
        _ => Command::Request {
            group: board(),
            document_type: None,
            output: String::from_utf8_lossy(script.bytes()).parse().unwrap_or_default(),
            signatures: 1,
            document: story::document().commitment,
            expires_in: Some(u64::from(script.number())),
        },
    }
}

/// Returns ada's disk as it was when her node had this many entries.
fn disk_at(size: usize) -> NodeDisk {
    let story = super::story();
    let full = &story.disks[&name("ada")];
    if size >= full.entries.len() {
        return full.clone();
    }
    let FromCoordinator::Log { checkpoint, .. } = signed_log(&story.log[..size], size) else {
        return NodeDisk::default();
    };
    // Some sessions may be from later, which only forbids more.
    NodeDisk {
        entries: story.log[..size].to_vec(),
        cosigned: checkpoint,
        packages: full.packages.clone(),
        sessions: full.sessions.clone(),
        ..NodeDisk::default()
    }
}

/// Runs ada's node. The input is where in the story it begins, and a script.
pub fn node(bytes: &[u8]) -> bool {
    let mut script = Script::new(bytes);
    let size = 1 + script.index(super::story().log.len());
    let mut at = AtNode::start(disk_at(size), state::after());
    let sent = at.sent;
    for _ in 0..MOST_STEPS {
        if script.is_over() {
            break;
        }
        at.step(&mut script);
    }
    at.crash();
    at.sent > sent
}

struct AtCoordinator {
    coordinator: Coordinator,
    log: Vec<Vec<u8>>,
    checkpoint: Option<(String, u64)>,
    now: Timestamp,
    rng: ChaCha20Rng,
    appended: usize,
}

impl AtCoordinator {
    fn start(log: Vec<Vec<u8>>, now: Timestamp) -> Self {
        let coordinator = Self::restore(&log, None);
        let rng = ChaCha20Rng::seed_from_u64(2);
        let mut at = Self { coordinator, log, checkpoint: None, now, rng, appended: 0 };
        at.begin();
        at
    }

    fn restore(log: &[Vec<u8>], checkpoint: Option<&str>) -> Coordinator {
        let (secrets, config) = (story::coordinator_secrets(), story::coordinator_config());
        Coordinator::restore(secrets, config, log.to_vec(), checkpoint)
            .expect("what was persisted can be read")
    }

    fn begin(&mut self) {
        let effects = self.coordinator.start(self.now, &mut self.rng);
        self.carry_out(effects).unwrap();
        let effects = self.coordinator.seal(self.now, &mut self.rng);
        self.carry_out(effects).unwrap();
    }

    fn tell(&mut self, input: coordinator::Input) {
        let mut effects = self.coordinator.handle(input, self.now, &mut self.rng);
        effects.extend(self.coordinator.seal(self.now, &mut self.rng));
        self.carry_out(effects).unwrap();
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let story = super::story();
        let said: Vec<(&AccountName, &FromNode)> = story.by_nodes().collect();
        let names = state::names();
        let who = names[script.index(names.len())].clone();
        match script.byte() % 11 {
            0 | 1 => {
                let (from, message) = said[script.index(said.len())];
                self.tell(coordinator::Input::Received(from.clone(), message.clone()));
            }
            2 => {
                let (from, message) = said[script.index(said.len())];
                if let Some(message) = harmed(script, message) {
                    self.tell(coordinator::Input::Received(from.clone(), message));
                }
            }
            3 => {
                if let Ok(message) = serde_json::from_slice(script.bytes()) {
                    self.tell(coordinator::Input::Received(who, message));
                }
            }
            4 => {
                if let Some(entry) = forged(script) {
                    let message = FromNode::Submit { entry: Base64(entry) };
                    self.tell(coordinator::Input::Received(who, message));
                }
            }
            5 => self.tell(coordinator::Input::Connected(who)),
            6 => self.tell(coordinator::Input::Disconnected(who)),
            7 => {
                let entry = forged(script).unwrap_or_default();
                self.tell(coordinator::Input::Join(JoinId(1), entry));
            }
            8 => self.tell(coordinator::Input::Document {
                request: story.request,
                document: (script.coin()).then(story::document),
            }),
            9 => self.tell(coordinator::Input::Deadline(match script.byte() % 4 {
                0 => CoordinatorDeadline::Retry,
                1 => CoordinatorDeadline::NextCeremony(board()),
                2 => CoordinatorDeadline::Ceremony(session(script)),
                _ => CoordinatorDeadline::Signing(session(script)),
            })),
            _ => {
                self.now = self.now.plus(u64::from(script.number()));
                let checkpoint = self.checkpoint.as_ref().map(|(note, _)| note.as_str());
                self.coordinator = Self::restore(&self.log, checkpoint);
                self.begin();
            }
        }
    }
}

impl CoordinatorShell for AtCoordinator {
    type Error = Infallible;

    fn append(&mut self, index: u64, entry: Entry) -> Result<(), Infallible> {
        assert_eq!(index, self.log.len() as u64, "an entry out of order");
        self.log.push(entry.to_bytes());
        self.appended += 1;
        Ok(())
    }

    fn persist(&mut self, change: CoordinatorChange) -> Result<(), Infallible> {
        if let CoordinatorChange::Checkpoint { note, size } = change {
            assert_eq!(size, self.log.len() as u64, "a checkpoint of entries that are not stored");
            let before = self.checkpoint.as_ref().map_or(0, |(_, size)| *size);
            assert!(size > before, "the log is signed again");
            self.checkpoint = Some((note, size));
        }
        Ok(())
    }

    fn send(&mut self, _: AccountName, _: FromCoordinator) -> Result<(), Infallible> {
        Ok(())
    }

    fn stored(
        &mut self,
        _: &AccountName,
        first: u64,
        end: u64,
    ) -> Result<Vec<Vec<u8>>, Infallible> {
        assert!(first <= end && end <= self.log.len() as u64, "entries that are not stored");
        Ok(Vec::new())
    }
}

/// Runs the coordinator. The input is where in the story it begins, and a script.
pub fn coordinator(bytes: &[u8]) -> bool {
    let mut script = Script::new(bytes);
    let log = &super::story().log;
    let size = 1 + script.index(log.len());
    let mut at = AtCoordinator::start(log[..size].to_vec(), state::after());
    for _ in 0..MOST_STEPS {
        if script.is_over() {
            break;
        }
        at.step(&mut script);
    }
    let checkpoint = at.checkpoint.as_ref().map(|(note, _)| note.as_str());
    drop(AtCoordinator::restore(&at.log, checkpoint));
    at.appended > 0
}

fn two_bytes(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap().to_be_bytes()
}

/// Returns the inputs with which a fuzzer begins: an old disk, then the whole log, a document, an
/// approval, an invitation, and the log again.
pub fn node_seeds() -> Vec<Vec<u8>> {
    let count = super::story().log.len();
    let seed = |size: usize| {
        let all = two_bytes(count - 1);
        let log = [3, all[0], all[1]];
        let signing = [7, 0, 5, 0, 8, 0, 77, 0, 12];
        [&two_bytes(size)[..], &log, &signing, &log].concat()
    };
    [0, 10, 20, count - 6, count - 1].map(seed).to_vec()
}

/// Returns the inputs with which a fuzzer begins: all nodes connect, and repeat the next messages
/// of the story.
pub fn coordinator_seeds() -> Vec<Vec<u8>> {
    let story = super::story();
    let said: Vec<&FromNode> = story.by_nodes().map(|(_, message)| message).collect();
    let next = |entry: &Vec<u8>| {
        said.iter().position(|message| matches!(message, FromNode::Submit { entry: Base64(bytes) } if bytes == entry))
    };
    let seed = |(size, entry): (usize, &Vec<u8>)| {
        let first = next(entry)?;
        let mut bytes = two_bytes(size - 1).to_vec();
        (0..3).for_each(|who| bytes.extend([0, who, 5]));
        for message in first..said.len().min(first + 30) {
            let [high, low] = two_bytes(message);
            bytes.extend([0, 0, 0, high, low]);
        }
        Some(bytes)
    };
    story.log.iter().enumerate().skip(1).filter_map(seed).step_by(5).collect()
}
