//! A node with a coordinator that lies: what makes an honest node release a share, and what does
//! not.

mod holder;
mod keyshares;
mod lies;
mod maintenance;
mod replacement;
mod sealed;

use std::collections::BTreeMap;

use quorate_log::key::LogVerifier;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::{Command, Config, Contradiction, Input, Motion, Node, Proposal, RestoreError};
use crate::document::{Document, Documents, NotChecked, ToSign};
use crate::effect::{CommandError, CommandId, Done, NodeChange, NodeDeadline, NodeEffect};
use crate::encoding::Base64;
use crate::entry::{Body, Entry, Request};
use crate::message::{DeclineReason, FromCoordinator, FromNode};
use crate::misbehaviour::{Misbehaviour, NotProved, Proved};
use crate::names::{AccountName, EntryId, SessionId, Timestamp};
use crate::signing::{SignedPart, SigningSession, Subject};
use crate::test_world::{
    FIRST, HOUR, NodeDisk, TestLog, board, checkpoint_of, name, secrets, session,
};

/// Ben's node with its disk, and the other end of its connection.
struct Bench {
    log: TestLog,
    node: Node,
    disk: NodeDisk,
    shown: usize,
    rng: ChaCha20Rng,
}

/// The document of every request.
struct Contract;

impl Documents for Contract {
    fn to_be_signed(&mut self, _: EntryId, _: &ToSign) -> Result<Vec<u8>, NotChecked> {
        Ok(b"document".to_vec())
    }
}

/// The account holder decides everything.
const BY_HAND: Config = Config { auto_accept: false, auto_approve: false, log_key: None };

/// Ben's disk when his node has this log.
fn disk_after(log: &TestLog) -> NodeDisk {
    let package = log.package_of("ben").to_bytes().to_vec();
    let packages = [(session(1), package)].into();
    NodeDisk { entries: log.entries.clone(), packages, ..NodeDisk::default() }
}

/// Ben's node when it starts from this disk with these keys.
fn restored(
    keys: &str,
    config: Config,
    log: &TestLog,
    disk: &NodeDisk,
    rng: &mut ChaCha20Rng,
) -> Result<Node, RestoreError> {
    let (ivn, saved) = (log.state.ivn(), disk.saved().unwrap());
    Node::restore(name("ben"), secrets(keys), config, ivn, saved, rng)
}

fn checkpoint(entries: &[Vec<u8>], origin: &str) -> String {
    checkpoint_of(entries, origin).to_string()
}

impl Bench {
    fn new(log: TestLog) -> Self {
        let disk = disk_after(&log);
        Self::on(disk, log)
    }

    fn announced(log: TestLog) -> Self {
        let mut bench = Self::new(log);
        bench.announce();
        bench
    }

    /// Starts the node from a disk.
    fn on(disk: NodeDisk, log: TestLog) -> Self {
        Self::with_config(BY_HAND, disk, log)
    }

    fn with_config(config: Config, disk: NodeDisk, log: TestLog) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let node = restored("ben", config, &log, &disk, &mut rng).unwrap();
        let shown = disk.entries.len();
        let mut bench = Self { log, node, disk, shown, rng };
        let started = bench.node.start(bench.log.now, &mut bench.rng);
        bench.keep(&started);
        bench.tell(Input::Connected);
        bench
    }

    fn restarted(self) -> Self {
        Self::on(self.disk, self.log)
    }

    fn keep(&mut self, effects: &[NodeEffect]) {
        for effect in effects {
            if let NodeEffect::Persist(change) = effect {
                self.disk.write(change).unwrap();
            }
        }
    }

    /// Logs the node's announcement, and shows the log to the node.
    fn announce(&mut self) -> Vec<NodeEffect> {
        let waiting = self.disk.outbox.iter().map(|bytes| Entry::from_bytes(bytes).unwrap());
        let is_start = |entry: &Entry| matches!(entry.statement().body, Body::NodeStarted { .. });
        self.log.enter(&waiting.rev().find(is_start).unwrap()).unwrap();
        self.show()
    }

    /// Ben holds his share, is connected, has cosigned everything, and approved a request of ada.
    fn approved() -> (Self, EntryId) {
        let mut log = TestLog::keyed();
        let request = log.requests("ada", log.request()).unwrap();
        log.approves("ben", request).unwrap();
        (Self::announced(log), request)
    }

    /// Like `approved`, and also invited with ada, with the document, and committed.
    fn committed() -> (Self, EntryId, SignedPart) {
        let (mut bench, request) = Self::approved();
        bench.invite(session(7), request);
        let effects = bench.give_document(request);
        (bench, request, commitments(&effects).unwrap())
    }

    fn tell(&mut self, input: Input) -> Vec<NodeEffect> {
        let effects = self.node.handle(input, self.log.now, &mut self.rng);
        self.keep(&effects);
        effects
    }

    fn receive(&mut self, message: FromCoordinator) -> Vec<NodeEffect> {
        self.tell(Input::Received(message))
    }

    /// Shows the new entries of the log, under a checkpoint.
    fn show(&mut self) -> Vec<NodeEffect> {
        let entries = self.log.entries[self.shown..].iter().cloned().map(Base64).collect();
        let first = u64::try_from(self.shown).unwrap();
        self.shown = self.log.entries.len();
        let checkpoint = Some(checkpoint(&self.log.entries, &self.log.state.origin()));
        self.receive(FromCoordinator::Log { first, entries, checkpoint })
    }

    fn invite(&mut self, session: SessionId, request: EntryId) -> Vec<NodeEffect> {
        self.receive(FromCoordinator::Invite {
            session,
            subject: Subject::Request { request },
            signers: Vec::new(),
        })
    }

    fn give_document(&mut self, request: EntryId) -> Vec<NodeEffect> {
        let commitment = self.log.state.request(request).unwrap().request.document;
        let document = Some(Document {
            commitment,
            signatures: 1,
            number: 0,
            to_be_signed: b"document".to_vec(),
        });
        self.tell(Input::Document { request, document })
    }

    fn package(
        &mut self,
        session: SessionId,
        parts: Vec<(AccountName, SignedPart)>,
    ) -> Vec<NodeEffect> {
        self.receive(FromCoordinator::Package { session, round: 1, parts })
    }

    /// How anyone with the log's key, this log and the document judges the proof.
    fn judge(&self, proof: &Misbehaviour) -> Result<Proved, NotProved> {
        let key = self.log.state.log_verifier();
        let again = Misbehaviour::from_json(&proof.to_json()).unwrap();
        assert_eq!(again, *proof);
        again.verify(&key.unwrap(), self.log.entries.clone(), &mut Contract)
    }

    fn commitments_of_ada(&mut self, session: SessionId, request: EntryId) -> SignedPart {
        self.commitments_of("ada", session, request)
    }

    /// An account's commitments in a session. An account without a share uses that of another.
    fn commitments_of(&mut self, by: &str, session: SessionId, request: EntryId) -> SignedPart {
        let subject = Subject::Request { request };
        let context = SigningSession {
            ivn: self.log.state.ivn(),
            session,
            epoch: self.log.state.epoch_of(subject).unwrap_or(1),
            subject,
            number: 0,
        };
        let of_ada = self.log.first_part_of("ada", session, subject);
        let key = secrets("ada").public().identity;
        let commitments = context.open(&name("ada"), key, FIRST, &of_ada).unwrap().to_vec();
        context.sign(&name(by), &secrets(by).identity, FIRST, commitments)
    }
}

fn shares(effects: &[NodeEffect]) -> usize {
    effects
        .iter()
        .filter(|effect| matches!(effect, NodeEffect::Send(FromNode::Share { .. })))
        .count()
}

fn proof_in(effects: &[NodeEffect]) -> Option<Misbehaviour> {
    effects.iter().find_map(|effect| match effect {
        NodeEffect::Persist(NodeChange::Misbehaviour(proof)) => Some(proof.clone()),
        _ => None,
    })
}

fn commitments(effects: &[NodeEffect]) -> Option<SignedPart> {
    effects.iter().find_map(|effect| match effect {
        NodeEffect::Send(FromNode::Part { part, .. }) => Some(part.clone()),
        _ => None,
    })
}

/// The statements that the node signs and keeps for the log.
fn stated(effects: &[NodeEffect]) -> Vec<&Entry> {
    let stated = effects.iter().filter_map(|effect| match effect {
        NodeEffect::Persist(NodeChange::OutboxAdd(entry)) => Some(entry),
        _ => None,
    });
    stated.collect()
}

fn forgets(effects: &[NodeEffect], id: EntryId) -> bool {
    effects.iter().any(
        |e| matches!(e, NodeEffect::Persist(NodeChange::OutboxRemove(removed)) if *removed == id),
    )
}

fn answer(effects: &[NodeEffect]) -> Option<Result<Done, CommandError>> {
    effects.iter().find_map(|effect| match effect {
        NodeEffect::Respond(_, result) => Some(result.clone()),
        _ => None,
    })
}

fn fetches(effects: &[NodeEffect], request: EntryId) -> bool {
    effects.iter().any(|e| matches!(e, NodeEffect::FetchDocument(id) if *id == request))
}

fn deadline(effects: &[NodeEffect]) -> (NodeDeadline, Timestamp) {
    let deadline = effects.iter().find_map(|effect| match effect {
        NodeEffect::SetDeadline(deadline, at) => Some((*deadline, *at)),
        _ => None,
    });
    deadline.unwrap()
}

fn cosigns(effects: &[NodeEffect]) -> bool {
    effects.iter().any(|effect| matches!(effect, NodeEffect::Send(FromNode::Cosign { .. })))
}

fn commits(effects: &[NodeEffect]) -> bool {
    commitments(effects).is_some()
}

fn declined(effects: &[NodeEffect]) -> Option<DeclineReason> {
    effects.iter().find_map(|effect| match effect {
        NodeEffect::Send(FromNode::Declined { reason, .. }) => Some(*reason),
        _ => None,
    })
}

#[test]
fn an_approved_request_is_signed_once_and_durably() {
    let (mut bench, request, ours) = Bench::committed();
    let theirs = bench.commitments_of_ada(session(7), request);
    let package = vec![(name("ada"), theirs), (name("ben"), ours.clone())];
    let effects = bench.package(session(7), package.clone());
    let position = |found: fn(&NodeEffect) -> bool| effects.iter().position(found);
    let released = position(|e| matches!(e, NodeEffect::Persist(NodeChange::Released(_)))).unwrap();
    let sent = position(|e| matches!(e, NodeEffect::Send(FromNode::Share { .. }))).unwrap();
    assert!(released < sent);
    let size = bench.log.state.size();
    assert!(
        matches!(&effects[sent], NodeEffect::Send(FromNode::Share { size: of, .. }) if *of == size)
    );

    // The same package again, and a different one.
    assert_eq!(shares(&bench.package(session(7), package)), 0);
    let other = bench.commitments_of_ada(session(7), request);
    let other = vec![(name("ada"), other), (name("ben"), ours)];
    assert_eq!(shares(&bench.package(session(7), other)), 0);
    assert!(!commits(&bench.invite(session(7), request)), "nor is the session joined again");
}

#[test]
fn nonces_serve_one_attempt_whatever_its_outcome() {
    let (mut bench, request, ours) = Bench::committed();
    let theirs = bench.commitments_of_ada(session(7), request);
    let other_session = bench.commitments_of_ada(session(8), request);
    let subject = Subject::Request { request };
    let other_ours = bench.log.first_part_of("ben", session(7), subject);
    let cyd = bench.log.first_part_of("cyd", session(7), subject);
    let (ada, ben) = (name("ada"), name("ben"));
    let wrong = [
        vec![(ada.clone(), other_session), (ben.clone(), ours.clone())],
        vec![(ada.clone(), theirs.clone()), (ben.clone(), other_ours)],
        vec![(ada.clone(), theirs.clone())],
        vec![
            (ada.clone(), theirs.clone()),
            (ada.clone(), theirs.clone()),
            (ben.clone(), ours.clone()),
        ],
        vec![
            (ada.clone(), theirs.clone()),
            (ben.clone(), ours.clone()),
            (name("cyd"), cyd.clone()),
        ],
        vec![(ada.clone(), cyd), (ben.clone(), ours.clone())],
        Vec::new(),
    ];
    for package in wrong {
        let (mut bench, _, _) = Bench::committed();
        let effects = bench.package(session(7), package);
        assert!(shares(&effects) == 0 && declined(&effects).is_some());
        let right = vec![(ada.clone(), theirs.clone()), (ben.clone(), ours.clone())];
        assert_eq!(shares(&bench.package(session(7), right)), 0);
    }
}

#[test]
fn nonces_die_with_the_connection() {
    let (mut bench, request, ours) = Bench::committed();
    let theirs = bench.commitments_of_ada(session(7), request);
    bench.tell(Input::Disconnected);
    bench.tell(Input::Connected);
    bench.show();
    let effects = bench.package(session(7), vec![(name("ada"), theirs), (name("ben"), ours)]);
    assert_eq!((shares(&effects), declined(&effects)), (0, Some(DeclineReason::Session)));
}

#[test]
fn a_session_of_an_earlier_process_is_not_joined_again() {
    let (bench, request) = Bench::approved();
    for released in [false, true] {
        let sessions = BTreeMap::from([(session(7), released)]);
        let mut log = TestLog::keyed();
        let again = log.requests("ada", log.request()).unwrap();
        assert_eq!(again, request);
        log.approves("ben", request).unwrap();
        assert!(bench.log.entries.starts_with(&log.entries));
        let mut bench = Bench::on(NodeDisk { sessions, ..disk_after(&log) }, log);
        bench.announce();
        bench.give_document(request);
        assert!(!commits(&bench.invite(session(7), request)));
        assert!(bench.invite(session(8), request).len() > 1);
    }
}

#[test]
fn nothing_is_signed_for_a_request_that_is_not_approved() {
    let mut log = TestLog::keyed();
    let open = log.requests("ben", log.request()).unwrap();
    log.wait(1);
    let of_others = log.requests("ada", log.request()).unwrap();
    log.approves("cyd", of_others).unwrap();
    let mut bench = Bench::announced(log);
    for (number, request) in [(7, open), (8, of_others), (9, EntryId::new([0; 32]))] {
        let effects = bench.invite(session(number), request);
        assert_eq!(
            (commits(&effects), declined(&effects)),
            (false, Some(DeclineReason::NotApproved))
        );
    }
}

#[test]
fn signers_are_enough_approving_members_and_ourselves() {
    let (mut bench, request) = Bench::approved();
    bench.invite(session(6), request);
    bench.give_document(request);
    let sets: [(&[&str], DeclineReason); 7] = [
        (&["ben"], DeclineReason::NotApproved),
        (&["ben", "cyd"], DeclineReason::NotApproved),
        (&["ben", "out"], DeclineReason::NotApproved),
        (&["ada", "ben", "cyd"], DeclineReason::NotApproved),
        (&["ada", "cyd"], DeclineReason::Session),
        (&["ada", "ben", "ben"], DeclineReason::Session),
        (&[], DeclineReason::Session),
    ];
    for (number, (signers, reason)) in (7..).zip(sets) {
        let ours = commitments(&bench.invite(session(number), request)).unwrap();
        let package = signers
            .iter()
            .map(|signer| {
                let theirs = bench.commitments_of(signer, session(number), request);
                (name(signer), if *signer == "ben" { ours.clone() } else { theirs })
            })
            .collect();
        let effects = bench.package(session(number), package);
        assert_eq!((shares(&effects), declined(&effects)), (0, Some(reason)), "{signers:?}");
    }
}

#[test]
fn several_sessions_for_one_request_have_nonces_of_their_own() {
    let (mut bench, request, first) = Bench::committed();
    let second = commitments(&bench.invite(session(8), request)).unwrap();
    assert_ne!(first.value_unverified(), second.value_unverified());
    for (number, ours) in [(8, second), (7, first)] {
        let theirs = bench.commitments_of_ada(session(number), request);
        let package = vec![(name("ada"), theirs), (name("ben"), ours)];
        assert_eq!(shares(&bench.package(session(number), package)), 1);
    }
}

#[test]
fn another_document_is_not_signed() {
    let (mut bench, request) = Bench::approved();
    bench.invite(session(7), request);
    let commitment = crate::names::Digest::new([9; 32]);
    let document =
        Some(Document { commitment, signatures: 1, number: 0, to_be_signed: b"another".to_vec() });
    let effects = bench.tell(Input::Document { request, document });
    assert_eq!((commits(&effects), declined(&effects)), (false, Some(DeclineReason::NoDocument)));
}

#[test]
fn an_unavailable_document_is_requested_again_after_a_pause() {
    let (mut bench, request) = Bench::approved();
    let effects = bench.tell(Input::Document { request, document: None });
    let effects = bench.tell(Input::Deadline(deadline(&effects).0));
    assert!(fetches(&effects, request));
}

#[test]
fn the_permission_is_checked_again_before_the_share_leaves() {
    let (mut bench, request, ours) = Bench::committed();
    let theirs = bench.commitments_of_ada(session(7), request);
    bench.log.wait(HOUR + 1);
    let effects = bench.package(session(7), vec![(name("ada"), theirs), (name("ben"), ours)]);
    assert_eq!((shares(&effects), declined(&effects)), (0, Some(DeclineReason::Expired)));
}

#[test]
fn no_share_leaves_before_this_process_has_cosigned() {
    let (bench, request) = Bench::approved();
    let mut bench = Bench::new(bench.log);
    bench.invite(session(7), request);
    let ours = commitments(&bench.give_document(request));
    let theirs = bench.commitments_of_ada(session(7), request);
    let package = vec![(name("ada"), theirs), (name("ben"), ours.unwrap())];
    let effects = bench.package(session(7), package);
    assert_eq!((shares(&effects), declined(&effects)), (0, Some(DeclineReason::NotApproved)));
}

#[test]
fn two_checkpoints_of_one_size_freeze_the_node_permanently() {
    let (mut bench, request, _) = Bench::committed();
    let mut other = bench.log.entries.clone();
    other.last_mut().unwrap().push(b' ');
    let forged = checkpoint(&other, &bench.log.state.origin());
    let first = u64::try_from(bench.shown).unwrap();
    let effects = bench.receive(FromCoordinator::Log {
        first,
        entries: Vec::new(),
        checkpoint: Some(forged),
    });
    let proof = proof_in(&effects).unwrap();
    let size = bench.log.state.size();
    let fork = Proved::Fork { older: size, newer: size };
    assert_eq!(bench.judge(&proof), Ok(fork.clone()));
    assert_eq!(bench.node.trouble(), Some(&Contradiction::Misbehaviour(fork)));
    let signs = |bench: &mut Bench| {
        let invited = bench.invite(session(8), request);
        assert_eq!(declined(&invited), Some(DeclineReason::Frozen));
        let effects =
            bench.tell(Input::Command(CommandId(1), Command::Approve(Motion::Request(request))));
        assert!(
            matches!(effects[..], [NodeEffect::Respond(_, Err(CommandError::Frozen))]),
            "{effects:?}"
        );
    };
    signs(&mut bench);
    let mut bench = bench.restarted();
    assert_eq!(bench.node.unsent(), 0, "it does not even announce itself");
    bench.show();
    signs(&mut bench);
}

#[test]
fn lost_entries_are_noticed_and_a_late_checkpoint_is_harmless() {
    let (mut bench, request) = Bench::approved();
    let old = checkpoint(&bench.log.entries[..5], &bench.log.state.origin());
    let late = FromCoordinator::Log { first: 5, entries: Vec::new(), checkpoint: Some(old) };
    bench.receive(late.clone());
    assert_eq!(bench.node.trouble(), None);
    bench.give_document(request);
    assert!(commits(&bench.invite(session(7), request)));

    bench.tell(Input::Disconnected);
    bench.tell(Input::Connected);
    bench.receive(late);
    assert_eq!(bench.node.trouble(), Some(&Contradiction::Behind { size: 5 }));
    let effects = bench.invite(session(8), request);
    assert_eq!(declined(&effects), Some(DeclineReason::Frozen));
    // To state anything would make the coordinator sign a second history.
    let effects =
        bench.tell(Input::Command(CommandId(1), Command::Approve(Motion::Request(request))));
    assert!(
        matches!(effects[..], [NodeEffect::Respond(_, Err(CommandError::Behind { size: 5 }))]),
        "{effects:?}"
    );
    let gives = |effects: Vec<NodeEffect>| match effects[..] {
        [] => None,
        [NodeEffect::SendEntries { first }] => Some(first),
        _ => panic!("{effects:?}"),
    };
    assert_eq!(gives(bench.receive(FromCoordinator::Want { first: 5 })), Some(5));
    let end = bench.log.state.size();
    assert_eq!(gives(bench.receive(FromCoordinator::Want { first: end })), None);

    bench.show();
    assert_eq!(bench.node.trouble(), None);
}

#[test]
fn a_key_is_activated_only_when_all_have_certified_it() {
    let mut log = TestLog::grouped();
    log.begin(session(1), 1).unwrap();
    log.generate();
    // A start between posting and certifying would end the session.
    log.certifies("ben").unwrap();
    let mut bench = Bench::announced(log);
    let invite = |number| FromCoordinator::Invite {
        session: session(number),
        subject: Subject::Activation { session: session(1) },
        signers: Vec::new(),
    };
    assert_eq!(declined(&bench.receive(invite(7))), Some(DeclineReason::NotApproved));
    bench.log.certifies("ada").unwrap();
    bench.show();
    assert_eq!(declined(&bench.receive(invite(8))), Some(DeclineReason::NotApproved));
    bench.log.certifies("cyd").unwrap();
    bench.show();
    assert!(commits(&bench.receive(invite(9))));
}

#[test]
fn logged_statements_are_not_sent_again_after_a_crash() {
    let mut log = TestLog::keyed();
    let request = log.requests("ada", log.request()).unwrap();
    let approval = log.entry("ben", Body::Approval { request });
    log.enter(&approval).unwrap();
    let outbox = vec![approval.to_bytes()];
    let bench = Bench::on(NodeDisk { outbox, ..disk_after(&log) }, log);
    assert_eq!(bench.node.unsent(), 1, "only the announcement of this process");
}
