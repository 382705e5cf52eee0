//! A node's store: it contains everything committed, and prevents what must never happen twice.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use quorate_ceremony::entry::{Author, Body, Entry, Statement};
use quorate_ceremony::identity::{AccountSecrets, SecretKey};
use quorate_ceremony::misbehaviour::Misbehaviour;
use quorate_ceremony::names::{EntryId, IvnId, Timestamp};
use quorate_log::checkpoint::VerifiedCheckpoint;
use quorate_log::compare::Fork;
use quorate_log::key::{LogSigner, Seed};
use quorate_log::leaf_hash;
use quorate_log::tree::{Frontier, MemoryTree};
use quorate_protocol::keyshare::{self, Board, Parameters, Run, Step};
use quorate_protocol::{Identifier, Suite};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use zeroize::Zeroizing;

use super::*;
use crate::keystore::{Cost, NodeKeys, Passphrase, PassphraseProtector};

/// A node's home, and what its store needs to open.
struct Fixture {
    directory: tempfile::TempDir,
    keys: NodeKeys,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keys = keys(&directory.path().join("keys.sealed"), 1);
        Self { directory, keys }
    }

    async fn open(&self) -> NodeStore {
        self.open_as("ada", 1).await
    }

    async fn open_as(&self, account: &str, ivn: u8) -> NodeStore {
        let path = self.directory.path().join("node.sqlite");
        let sealer = self.keys.sealer(IvnId::new([ivn; 32]), account.parse().unwrap());
        NodeStore::open(&path, sealer).await.unwrap()
    }

    /// The store as a process would find it if this one were killed now.
    async fn after_a_kill(&self) -> (tempfile::TempDir, NodeStore) {
        let copy = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(self.directory.path()).unwrap() {
            let from = entry.unwrap().path();
            fs::copy(&from, copy.path().join(from.file_name().unwrap())).unwrap();
        }
        let sealer = self.keys.sealer(IvnId::new([1; 32]), "ada".parse().unwrap());
        let store = NodeStore::open(&copy.path().join("node.sqlite"), sealer).await.unwrap();
        (copy, store)
    }
}

fn keys(path: &Path, seed: u64) -> NodeKeys {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let passphrase = Passphrase::new(Zeroizing::new(b"open sesame".to_vec())).unwrap();
    let protector = PassphraseProtector::new(passphrase, Cost::INSECURE);
    let account = AccountSecrets::generate(&mut rng);
    NodeKeys::create(path, account, Zeroizing::new(vec![1]), &protector, &mut rng).unwrap()
}

fn session(number: u8) -> SessionId {
    SessionId::new([number; 32])
}

fn entries(range: std::ops::Range<u64>) -> NodeChange {
    let first = range.start;
    NodeChange::Entries { first, entries: range.map(bytes_of).collect() }
}

fn bytes_of(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

fn cosigned(size: u64, other: &[u8]) -> NodeChange {
    let mut frontier = Frontier::default();
    (0..size).for_each(|index| frontier.append(leaf_hash(&[&bytes_of(index), other].concat())));
    let origin = "example.com/ivn/1".parse().unwrap();
    let signer = LogSigner::new(origin, Seed::new(Box::new([3; 32])));
    NodeChange::Cosigned { checkpoint: signer.sign(frontier.head()).to_string(), size }
}

fn fork() -> Misbehaviour {
    let origin = "example.com/ivn/1".parse().unwrap();
    let signer = LogSigner::new(origin, Seed::new(Box::new([3; 32])));
    let [one, other] = [&b""[..], b"x"].map(|other| {
        let NodeChange::Cosigned { checkpoint, .. } = cosigned(5, other) else { panic!() };
        VerifiedCheckpoint::from_note(&checkpoint, signer.verifier()).unwrap()
    });
    let fork = Fork::find(&one, &other, &MemoryTree::default()).unwrap().unwrap();
    Misbehaviour::Fork(Box::new(fork))
}

fn entry(second: u64) -> Entry {
    let statement = Statement {
        ivn: Some(IvnId::new([1; 32])),
        author: Author::Account("ada".parse().unwrap()),
        at: Timestamp(second * 1000),
        seen: 0,
        body: Body::GroupAccepted {
            group: "board".parse().unwrap(),
            definition: EntryId::new([2; 32]),
        },
    };
    Entry::sign(statement, &[&SecretKey::from_seed(&[1; 32])]).unwrap()
}

/// A key package as a DKG of two members makes it.
fn package() -> KeyPackage {
    let rng = &mut ChaCha20Rng::seed_from_u64(1);
    let all = [1, 2].map(|id| Identifier::try_from(id).unwrap());
    let session = keyshare::SessionId([7; 32]);
    let parameters = Parameters::new(Suite::FrostEd25519Sha512, session, [9; 32], 2, all).unwrap();
    let mut board = Board::new(parameters.clone());
    let mut runs = Vec::new();
    for me in all {
        let (run, message) = Run::start(&parameters, me, rng).unwrap();
        board.post(me, &message).unwrap();
        runs.push((me, run));
    }
    loop {
        let mut sent = Vec::new();
        for (me, run) in std::mem::take(&mut runs) {
            match run.advance(&board, rng).unwrap() {
                Step::Wait(run) => runs.push((me, run)),
                Step::Send(run, message) => {
                    sent.push((me, message));
                    runs.push((me, run));
                }
                Step::Done(package) => return package,
                Step::Left => unreachable!("not a reshare"),
            }
        }
        for (me, message) in sent {
            board.post(me, &message).unwrap();
        }
    }
}

async fn refused(store: &mut NodeStore, changes: Vec<NodeChange>) -> Refusal {
    match store.commit(changes).await {
        Err(StoreError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_new_store_is_empty() {
    let fixture = Fixture::new();
    let saved = fixture.open().await.load().await.unwrap();
    assert!(saved.entries.is_empty() && saved.outbox.is_empty() && saved.packages.is_empty());
    assert!(saved.cosigned.is_none() && saved.sessions.is_empty() && saved.refused.is_empty());
    assert!(saved.misbehaviour.is_empty() && saved.unexplained.is_empty());
}

#[tokio::test]
async fn committed_changes_survive_a_kill_at_any_point() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    let (first, second) = (entry(1), entry(2));
    let (package, expected) = (package(), package());

    store.commit(vec![entries(0..2), cosigned(2, b"")]).await.unwrap();
    let saved = fixture.after_a_kill().await.1.load().await.unwrap();
    assert_eq!(saved.entries, [bytes_of(0), bytes_of(1)]);
    assert!(saved.cosigned.unwrap().starts_with("example.com/ivn/1\n2\n"));

    let outbox = vec![NodeChange::OutboxAdd(first.clone()), NodeChange::OutboxAdd(second.clone())];
    store.commit(outbox).await.unwrap();
    let saved = fixture.after_a_kill().await.1.load().await.unwrap();
    assert_eq!(saved.outbox, [first.to_bytes(), second.to_bytes()]);

    let removed = NodeChange::OutboxRemove(first.id());
    let kept = NodeChange::KeyPackage { session: session(1), package };
    store.commit(vec![entries(2..3), removed, kept]).await.unwrap();
    let saved = fixture.after_a_kill().await.1.load().await.unwrap();
    assert_eq!(saved.entries.len(), 3);
    assert_eq!(saved.outbox, [second.to_bytes()]);
    let stored: Vec<_> = saved.packages.iter().map(|(of, it)| (*of, it.to_bytes())).collect();
    assert_eq!(stored, [(session(1), expected.to_bytes())]);

    let committed = vec![NodeChange::Committed(session(2)), NodeChange::Committed(session(3))];
    store.commit(committed).await.unwrap();
    store.commit(vec![NodeChange::Released(session(3))]).await.unwrap();
    let saved = fixture.after_a_kill().await.1.load().await.unwrap();
    assert_eq!(saved.sessions, BTreeMap::from([(session(2), false), (session(3), true)]));

    let proof = || NodeChange::Misbehaviour(fork());
    let unexplained = |note: &str| NodeChange::Unexplained(note.to_owned());
    let refusal = || NodeChange::Refused(EntryId::new([3; 32]));
    let explained = NodeChange::Explained("b".to_owned());
    let told = vec![proof(), unexplained("a"), unexplained("b"), refusal()];
    store.commit(told).await.unwrap();
    store.commit(vec![proof(), unexplained("a"), explained, refusal()]).await.unwrap();
    let saved = fixture.after_a_kill().await.1.load().await.unwrap();
    assert_eq!(saved.misbehaviour, [fork().to_json()]);
    assert_eq!(saved.unexplained, ["a"]);
    assert_eq!(saved.refused.into_iter().collect::<Vec<_>>(), [EntryId::new([3; 32])]);
}

#[tokio::test]
async fn proof_and_refusals_stay() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    let told = vec![NodeChange::Misbehaviour(fork()), NodeChange::Refused(EntryId::new([3; 32]))];
    store.commit(told).await.unwrap();
    for (change, expected) in [
        ("UPDATE misbehaviour SET proof = ''", Refusal::ProofIsFinal),
        ("DELETE FROM misbehaviour", Refusal::ProofIsFinal),
        ("DELETE FROM refused", Refusal::RefusalIsFinal),
    ] {
        let mut batch = Batch::new();
        batch.add(change, []);
        let error = store.database.commit(batch).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused(found) if found == expected), "{error}");
    }
}

#[tokio::test]
async fn a_share_is_released_once_whatever_happens_between() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    let release = || vec![NodeChange::Released(session(1))];
    assert_eq!(refused(&mut store, release()).await, Refusal::NeverCommitted);
    store.commit(vec![NodeChange::Committed(session(1))]).await.unwrap();
    store.commit(release()).await.unwrap();
    assert_eq!(refused(&mut store, release()).await, Refusal::AlreadyReleased);
    let (_copy, mut store) = fixture.after_a_kill().await;
    assert_eq!(refused(&mut store, release()).await, Refusal::AlreadyReleased);
    let commit = vec![NodeChange::Committed(session(1))];
    assert_eq!(refused(&mut store, commit).await, Refusal::AlreadyCommitted);
    let twice = vec![
        NodeChange::Committed(session(2)),
        NodeChange::Released(session(2)),
        NodeChange::Released(session(2)),
    ];
    assert_eq!(refused(&mut store, twice).await, Refusal::AlreadyReleased);
    assert_eq!(store.load().await.unwrap().sessions, BTreeMap::from([(session(1), true)]));
}

#[tokio::test]
async fn entries_follow_one_another_and_never_change() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    assert_eq!(refused(&mut store, vec![entries(1..2)]).await, Refusal::EntryOutOfOrder);
    store.commit(vec![entries(0..200), entries(200..201)]).await.unwrap();
    for wrong in [entries(200..202), entries(202..203), entries(0..1)] {
        assert_eq!(refused(&mut store, vec![wrong]).await, Refusal::EntryOutOfOrder);
    }
    let beyond = NodeChange::Entries { first: u64::MAX, entries: vec![vec![]] };
    assert_eq!(refused(&mut store, vec![beyond]).await, Refusal::TooLarge);
    for change in ["UPDATE entries SET bytes = x''", "DELETE FROM entries"] {
        let mut batch = Batch::new();
        batch.add(change, []);
        let error = store.database.commit(batch).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused(Refusal::EntryIsFinal)), "{error}");
    }
    assert_eq!(store.load().await.unwrap().entries, (0..201).map(bytes_of).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cosigned_checkpoint_never_goes_back() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    store.commit(vec![cosigned(5, b"")]).await.unwrap();
    store.commit(vec![cosigned(5, b"")]).await.unwrap();
    assert_eq!(refused(&mut store, vec![cosigned(4, b"")]).await, Refusal::CheckpointWentBack);
    assert_eq!(refused(&mut store, vec![cosigned(5, b"x")]).await, Refusal::CheckpointWentBack);
    store.commit(vec![cosigned(6, b"")]).await.unwrap();
    let NodeChange::Cosigned { checkpoint, .. } = cosigned(9, b"") else { panic!() };
    let mislabelled = NodeChange::Cosigned { checkpoint, size: 10 };
    assert_eq!(refused(&mut store, vec![mislabelled]).await, Refusal::NotACheckpoint);
    assert!(store.load().await.unwrap().cosigned.unwrap().contains("\n6\n"));
}

#[tokio::test]
async fn a_refused_change_takes_the_whole_batch_with_it() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    let batch = vec![entries(0..1), NodeChange::OutboxAdd(entry(1)), entries(5..6)];
    assert_eq!(refused(&mut store, batch).await, Refusal::EntryOutOfOrder);
    let saved = store.load().await.unwrap();
    assert!(saved.entries.is_empty() && saved.outbox.is_empty());
}

#[tokio::test]
async fn a_key_package_is_sealed_on_disk_and_never_replaced() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    let change = || NodeChange::KeyPackage { session: session(1), package: package() };
    store.commit(vec![change()]).await.unwrap();
    assert_eq!(refused(&mut store, vec![change()]).await, Refusal::KeyPackageExists);
    store.close().await.unwrap();
    let secret = package().to_bytes();
    let scalar = &secret[secret.len() - 24..];
    for entry in fs::read_dir(fixture.directory.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(scalar.len()).any(|window| window == scalar));
    }
}

#[tokio::test]
async fn a_key_package_opens_only_in_its_own_place() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    store
        .commit(vec![NodeChange::KeyPackage { session: session(1), package: package() }])
        .await
        .unwrap();
    drop(store);
    for (account, ivn) in [("bob", 1), ("ada", 2)] {
        let error = fixture.open_as(account, ivn).await.load().await.unwrap_err();
        assert!(matches!(error, StoreError::KeyPackage(_)), "{error}");
    }
    let mut store = fixture.open().await;
    store.load().await.unwrap();
    let mut moved = Batch::new();
    moved.add("UPDATE key_packages SET session = ?", [Value::Blob(vec![2; 32])]);
    store.database.commit(moved).await.unwrap();
    assert!(matches!(store.load().await, Err(StoreError::KeyPackage(_))));
}

/// Commits one entry after the other and reports each, until it is killed. Does nothing on its own.
#[test]
fn committing_child() {
    let Some(directory) = std::env::var_os("QUORATE_TEST_COMMITTING_CHILD") else { return };
    let directory = std::path::PathBuf::from(directory);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let keys = keys(&directory.join("keys.sealed"), 1);
        let sealer = keys.sealer(IvnId::new([1; 32]), "ada".parse().unwrap());
        let mut store = NodeStore::open(&directory.join("node.sqlite"), sealer).await.unwrap();
        for index in 0.. {
            store.commit(vec![entries(index..index + 1)]).await.unwrap();
            println!("\ncommitted {}", index + 1);
        }
    });
}

#[tokio::test]
async fn a_killed_process_had_stored_what_it_reported() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["store::node::tests::committing_child", "--exact", "--nocapture"])
        .env("QUORATE_TEST_COMMITTING_CHILD", directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut said = lines.filter_map(|line| line.strip_prefix("committed ")?.parse::<usize>().ok());
    let reached = said.find(|count| *count >= 50).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let last = said.last().unwrap_or(reached);
    let path = directory.path().join("node.sqlite");
    let passphrase = Passphrase::new(Zeroizing::new(b"open sesame".to_vec())).unwrap();
    let protector = PassphraseProtector::new(passphrase, Cost::INSECURE);
    let keys = NodeKeys::open(&directory.path().join("keys.sealed"), &protector).unwrap();
    let sealer = keys.sealer(IvnId::new([1; 32]), "ada".parse().unwrap());
    let saved = NodeStore::open(&path, sealer).await.unwrap().load().await.unwrap();
    assert!(saved.entries.len() >= last, "{} < {last}", saved.entries.len());
    assert!((0..).zip(&saved.entries).all(|(index, entry)| *entry == bytes_of(index)));
}

#[tokio::test]
async fn the_store_and_saved_agree_on_every_change() {
    let fixture = Fixture::new();
    let (mut store, mut model) = (fixture.open().await, Saved::default());
    let changes = || {
        vec![
            entries(0..2),
            entries(1..3),
            cosigned(2, b""),
            NodeChange::Misbehaviour(fork()),
            NodeChange::Unexplained("a".to_owned()),
            NodeChange::Unexplained("b".to_owned()),
            NodeChange::Explained("a".to_owned()),
            NodeChange::Refused(EntryId::new([3; 32])),
            NodeChange::OutboxAdd(entry(1)),
            NodeChange::OutboxAdd(entry(2)),
            NodeChange::OutboxRemove(entry(1).id()),
            NodeChange::KeyPackage { session: session(1), package: package() },
            NodeChange::KeyPackage { session: session(2), package: package() },
            NodeChange::ShareDestroyed(session(1)),
            NodeChange::Released(session(1)),
            NodeChange::Committed(session(1)),
            NodeChange::Committed(session(2)),
            NodeChange::Released(session(1)),
        ]
    };
    for change in changes().into_iter().chain(changes()) {
        let name = format!("{change:?}");
        let expected = model.apply(&change, |package| package.to_bytes().to_vec());
        let stored = store.commit(vec![change]).await;
        assert_eq!(stored.is_ok(), expected.is_ok(), "{name}: {stored:?}, {expected:?}");
    }
    let stored = store.load().await.unwrap();
    assert_eq!(stored.entries, model.entries);
    assert_eq!((stored.cosigned, stored.refused), (model.cosigned, model.refused));
    assert_eq!(stored.misbehaviour, model.misbehaviour);
    assert_eq!(stored.unexplained, model.unexplained);
    assert_eq!((stored.outbox, stored.sessions), (model.outbox, model.sessions));
    let packages = stored.packages.into_iter();
    let packages: BTreeMap<_, _> =
        packages.map(|(of, package)| (of, package.to_bytes().to_vec())).collect();
    assert_eq!(packages, model.packages);
}
