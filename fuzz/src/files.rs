//! Files of homes: `home.json`, key files, databases, a published log.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use quorate::backup::coordinator::CoordinatorBackup;
use quorate::backup::{self, Backup};
use quorate::home::{CoordinatorConfig, CoordinatorHome, Home, Limits, NodeConfig, NodeHome};
use quorate::keystore::{
    BackupFile, CoordinatorBackupFile, CoordinatorKeys, Cost, NodeKeys, Passphrase,
    PassphraseProtector,
};
use quorate::store::coordinator::{CoordinatorStore, CoordinatorWrite};
use quorate::store::node::NodeStore;
use quorate::store::place::Place;
use quorate_ceremony::effect::{CoordinatorChange, NodeChange};
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Body, Entry};
use quorate_ceremony::misbehaviour::Misbehaviour;
use quorate_ceremony::node::{Config, Node, Saved};
use quorate_protocol::keys::KeyPackage;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use super::story::{self, name};

/// A directory of this process, emptied before each use.
struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        Self(TempDir::new_in(base).unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}

/// Returns the configuration of a node's home.
pub fn node_config() -> NodeConfig {
    let story = super::story();
    NodeConfig {
        ivn: story.ivn,
        account: name("ada"),
        hub: "hub.example.com:8443".to_owned(),
        server_name: "ivn.internal".to_owned(),
        ca_certificate: "-----BEGIN CERTIFICATE-----\n".to_owned(),
        client_certificate: "-----BEGIN CERTIFICATE-----\n".to_owned(),
        genesis: Base64(story.log[0].clone()),
        log_key: None,
        auto_accept: true,
        auto_approve: false,
        limits: Limits::default(),
    }
}

/// Returns the configuration of a coordinator's home.
pub fn coordinator_config() -> CoordinatorConfig {
    CoordinatorConfig::new(
        "sign.example.com".to_owned(),
        "127.0.0.1:8443".to_owned(),
        "hub.example.com:8443".to_owned(),
    )
}

/// Reads bytes as `home.json` of either kind.
pub fn home(bytes: &[u8]) -> bool {
    let scratch = Scratch::new();
    scratch.file("home.json", bytes);
    let path = scratch.0.path();
    let mut accepted = false;
    if let Ok(config) = Home::<NodeConfig>::read(path) {
        let mut home = NodeHome::open(path).unwrap();
        home.save(config.clone()).unwrap();
        assert_eq!(Home::<NodeConfig>::read(path).unwrap(), config);
        accepted = true;
    }
    if let Ok(config) = Home::<CoordinatorConfig>::read(path) {
        let mut home = CoordinatorHome::open(path).unwrap();
        home.save(config.clone()).unwrap();
        assert_eq!(Home::<CoordinatorConfig>::read(path).unwrap(), config);
        accepted = true;
    }
    accepted
}

/// Returns `home.json` of a node and of a coordinator.
pub fn home_seeds() -> Vec<Vec<u8>> {
    let node = Scratch::new();
    NodeHome::create(node.0.path()).unwrap().save(node_config()).unwrap();
    let coordinator = Scratch::new();
    CoordinatorHome::create(coordinator.0.path()).unwrap().save(coordinator_config()).unwrap();
    let read = |scratch: &Scratch| fs::read(scratch.0.path().join("home.json")).unwrap();
    vec![read(&node), read(&coordinator)]
}

pub fn protector() -> PassphraseProtector {
    let passphrase = Zeroizing::new(b"correct horse battery staple".to_vec());
    PassphraseProtector::new(Passphrase::new(passphrase).unwrap(), Cost::INSECURE)
}

/// Reads bytes as key files and as a backup. The hash at the end is correct, because anyone who can
/// write the file can hash it.
pub fn keys(bytes: &[u8]) -> bool {
    let scratch = Scratch::new();
    let hashed = [bytes, &Sha256::digest(bytes)].concat();
    let mut accepted = false;
    if is_cheap(bytes) {
        let path = scratch.file("keys.sealed", &hashed);
        accepted |= NodeKeys::open(&path, &protector()).is_ok();
    }
    let path = scratch.file("coordinator.keys", &hashed);
    if let Ok(keys) = CoordinatorKeys::open(&path) {
        let copy = scratch.0.path().join("copy");
        keys.create(&copy).unwrap();
        assert_eq!(fs::read(&copy).unwrap(), hashed);
        accepted = true;
    }
    let path = Path::new("backup");
    if let Ok(file) = BackupFile::read(path, &hashed)
        && is_cheap(file.keys())
        && let Ok(opened) = Backup::open(path, &file, &protector())
    {
        let (ivn, account) = (opened.label.ivn, &opened.label.account);
        let (keys, parts) = file.open(ivn, account, &protector()).unwrap();
        let rng = &mut ChaCha20Rng::seed_from_u64(9);
        let again = file.sealed_again(ivn, account, (&keys, &parts), &protector(), rng).unwrap();
        let again = BackupFile::read(path, &again).unwrap();
        assert_eq!(Backup::open(path, &again, &protector()).unwrap().label, opened.label);
        accepted = true;
    }
    let path = Path::new("acme.backup");
    if let Ok(file) = CoordinatorBackupFile::read(path, &hashed)
        && is_cheap_cost(file.protected())
        && let Ok(opened) = CoordinatorBackup::open(&file, &protector())
    {
        assert_eq!(opened.ivns.len(), opened.label.ivns.len());
        accepted = true;
    }
    accepted
}

/// Whether trying the passphrase is quick enough here. The bounds themselves have a test.
fn is_cheap(bytes: &[u8]) -> bool {
    bytes.get(b"quorate node keys\n".len() + 1 + 3..).is_none_or(is_cheap_cost)
}

/// As [`is_cheap`], for a protected key.
fn is_cheap_cost(protected: &[u8]) -> bool {
    let number = |index: usize| {
        let bytes = protected.get(4 * index..)?.first_chunk()?;
        Some(u32::from_be_bytes(*bytes))
    };
    let cost = (number(0), number(1), number(2));
    let (Some(memory), Some(passes), Some(lanes)) = cost else { return true };
    memory <= 1024 && passes <= 4 && lanes <= 4
}

/// Returns ada's key file. It is sealed with new randomness each time; the seed is always the same.
pub fn sealed_keys() -> Vec<u8> {
    let scratch = Scratch::new();
    let path = scratch.0.path().join("keys.sealed");
    let tls = Zeroizing::new(b"the private key of a certificate".to_vec());
    let rng = &mut ChaCha20Rng::seed_from_u64(9);
    NodeKeys::create(&path, story::secrets(&name("ada")), tls, &protector(), rng).unwrap();
    fs::read(path).unwrap()
}

pub fn coordinator_keys() -> Vec<u8> {
    let scratch = Scratch::new();
    let path = scratch.0.path().join("coordinator.keys");
    let ca = Zeroizing::new(b"the private key of the authority".to_vec());
    CoordinatorKeys { secrets: story::coordinator_secrets(), ca }.create(&path).unwrap();
    fs::read(path).unwrap()
}

/// Returns the inputs with which a fuzzer begins.
pub fn keys_seeds() -> Vec<Vec<u8>> {
    let without_hash = |file: Vec<u8>| file[..file.len() - 32].to_vec();
    let files = [sealed_keys(), coordinator_keys(), node_backup(), coordinator_backup()];
    files.map(without_hash).to_vec()
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME
        .get_or_init(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap())
}

/// Returns ada's keys, which seal packages.
pub fn node_keys(directory: &Path) -> NodeKeys {
    let path = directory.join("keys.sealed");
    if !path.exists() {
        fs::write(&path, sealed_keys()).unwrap();
    }
    NodeKeys::open(&path, &protector()).unwrap()
}

/// Opens a node's database in `directory`.
pub async fn open_node_store(directory: &Path) -> Result<NodeStore, quorate::store::StoreError> {
    let sealer = node_keys(directory).sealer(super::story().ivn, name("ada"));
    NodeStore::open(&directory.join("node.sqlite"), sealer).await
}

/// Returns a backup of ada's node, sealed with new randomness each time.
pub fn node_backup() -> Vec<u8> {
    let scratch = Scratch::new();
    let path = scratch.0.path();
    let story = super::story();
    let entries = story.disks[&name("ada")].entries.clone();
    let is_refusal = |entry: &Entry| matches!(entry.statement().body, Body::Refusal { .. });
    let refusal = story.entries().find(is_refusal).unwrap();
    let saved = Saved { entries, ..Saved::default() };
    let config = Config { auto_accept: false, auto_approve: false, log_key: None };
    let rng = &mut ChaCha20Rng::seed_from_u64(9);
    let secrets = story::secrets(&name("ada"));
    let machine = Node::restore(name("ada"), secrets, config, story.ivn, saved, rng).unwrap();
    runtime().block_on(async {
        let mut store = open_node_store(path).await.unwrap();
        fill_node_store(&mut store).await;
        store.commit(vec![NodeChange::OutboxAdd(refusal)]).await.unwrap();
        let keys = path.join("keys.sealed");
        let (config, now) = (node_config(), story::START);
        backup::make(&machine, &mut store, config, &keys, now).await.unwrap()
    })
}

/// Returns a backup of the story's coordinator, sealed with the same randomness each time.
pub fn coordinator_backup() -> Vec<u8> {
    let scratch = Scratch::new();
    let path = scratch.0.path();
    let mut home = CoordinatorHome::create(path).unwrap();
    home.save(coordinator_config()).unwrap();
    let directory = home.ivn(super::story().ivn);
    directory.create().unwrap();
    fs::write(directory.keys(), coordinator_keys()).unwrap();
    fs::set_permissions(directory.keys(), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(directory.ca_certificate(), "the certificate of the authority").unwrap();
    runtime().block_on(async {
        let mut store = CoordinatorStore::open(&directory).await.unwrap();
        store.commit(coordinator_writes()).await.unwrap();
        let rng = &mut ChaCha20Rng::seed_from_u64(9);
        let made = backup::coordinator::make(path, &protector(), story::START, rng).await;
        made.unwrap().1
    })
}

/// Returns evidence of a lying coordinator in form only: one checkpoint twice proves nothing.
pub fn misbehaviour(note: &str) -> Misbehaviour {
    let fork = serde_json::json!({ "older": note, "newer": note, "contradiction": "same-size" });
    let file = serde_json::json!({ "version": 1, "misbehaviour": { "fork": fork } });
    Misbehaviour::from_json(&file.to_string()).unwrap()
}

/// Fills a node's database with everything that ada's node kept.
pub async fn fill_node_store(store: &mut NodeStore) {
    let disk = &super::story().disks[&name("ada")];
    let size = disk.entries.len() as u64;
    let mut changes = vec![
        NodeChange::Entries { first: 0, entries: disk.entries.clone() },
        NodeChange::Cosigned { checkpoint: disk.cosigned.clone().unwrap(), size },
        NodeChange::OutboxAdd(Entry::from_bytes(&disk.entries[1]).unwrap()),
        NodeChange::Misbehaviour(misbehaviour(disk.cosigned.as_deref().unwrap())),
        NodeChange::Unexplained(disk.cosigned.clone().unwrap()),
        NodeChange::Refused(Entry::from_bytes(&disk.entries[1]).unwrap().id()),
    ];
    for (session, package) in &disk.packages {
        let package = KeyPackage::from_bytes(package).unwrap();
        changes.push(NodeChange::KeyPackage { session: *session, package });
    }
    for (session, released) in &disk.sessions {
        changes.push(NodeChange::Committed(*session));
        if *released {
            changes.push(NodeChange::Released(*session));
        }
    }
    store.commit(changes).await.unwrap();
}

pub fn coordinator_writes() -> Vec<CoordinatorWrite> {
    let story = super::story();
    let append = |(index, entry): (usize, &Vec<u8>)| CoordinatorWrite::Append {
        index: index as u64,
        entry: entry.clone(),
    };
    let log = story.log.iter().enumerate().map(append);
    let note = story.kept.iter().find_map(|change| match change {
        CoordinatorChange::Checkpoint { note, .. } => Some(note.clone()),
        CoordinatorChange::Cosignature { .. } => None,
    });
    let compared = CoordinatorWrite::Compared(Place { machine: "a machine".to_owned(), file: 7 });
    log.chain(story.kept.iter().cloned().map(CoordinatorWrite::Change))
        .chain([compared])
        .chain(note.map(CoordinatorWrite::Require))
        .collect()
}

/// Reads bytes as the databases of a node and of a coordinator.
pub fn store(bytes: &[u8]) -> bool {
    let scratch = Scratch::new();
    let path = scratch.0.path();
    runtime().block_on(async {
        let mut accepted = false;
        scratch.file("node.sqlite", bytes);
        if let Ok(mut store) = open_node_store(path).await {
            accepted |= store.load().await.is_ok();
            let _ = store.entries(0, 10).await;
            let _ = store.close().await;
        }
        CoordinatorHome::create(&path.join("home")).unwrap().save(coordinator_config()).unwrap();
        let home = CoordinatorHome::open(&path.join("home")).unwrap();
        let directory = home.ivn(super::story().ivn);
        directory.create().unwrap();
        fs::write(directory.database(), bytes).unwrap();
        if let Ok(mut store) = CoordinatorStore::open(&directory).await {
            accepted |= store.kept().await.is_ok();
            let _ = store.entries(0, 10, 1 << 20).await;
            let _ = store.close().await;
        }
        accepted
    })
}

pub fn store_seeds() -> Vec<Vec<u8>> {
    let scratch = Scratch::new();
    let path = scratch.0.path();
    runtime().block_on(async {
        let mut store = open_node_store(path).await.unwrap();
        fill_node_store(&mut store).await;
        store.close().await.unwrap();
        CoordinatorHome::create(&path.join("home")).unwrap().save(coordinator_config()).unwrap();
        let home = CoordinatorHome::open(&path.join("home")).unwrap();
        let directory = home.ivn(super::story().ivn);
        directory.create().unwrap();
        let mut store = CoordinatorStore::open(&directory).await.unwrap();
        store.commit(coordinator_writes()).await.unwrap();
        store.close().await.unwrap();
        [path.join("node.sqlite"), directory.database()]
            .map(|path| fs::read(path).unwrap())
            .to_vec()
    })
}
