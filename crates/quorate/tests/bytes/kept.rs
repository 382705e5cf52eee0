//! Today's code reads everything that any version wrote: each file in `vectors/kept`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use quorate::api::{Answer, Ask, HttpProblem};
use quorate::backup::{Backup, judge};
use quorate::home::{CoordinatorConfig, CoordinatorHome, Home, NodeConfig};
use quorate::keystore::{BackupFile, CoordinatorKeys, NodeKeys};
use quorate::log_audit::{Options, verify_directory, verify_proof};
use quorate::render::audit::lines as audit_lines;
use quorate::setup::link::JoinLink;
use quorate::setup::wire::{CheckRequest, JoinRequest, JoinResponse};
use quorate::store::coordinator::CoordinatorStore;
use quorate::store::documents::DocumentPackage;
use quorate::store::node::NodeStore;
use quorate_ceremony::audit;
use quorate_ceremony::audit::{Anchor, Verdict};
use quorate_ceremony::document::NoDocuments;
use quorate_ceremony::entry::Entry;
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::misbehaviour::{Misbehaviour, Proved};
use quorate_ceremony::names::AccountName;
use quorate_ceremony::state::refusal::Entries;
use quorate_ceremony::state::{IvnState, Refusal};
use quorate_documents::{Output, VerifyingKey, keys, verify};
use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::key::{CosignerVerifier, LogVerifier};
use quorate_log::leaf_hash;
use quorate_log::tile::TileWriter;
use quorate_log::tlog_proof::TlogProof;
use quorate_log::tree::Frontier;
use quorate_network::link::Control;
use quorate_network::token::JoinToken;
use quorate_protocol::keys::{KeyPackage, PublicKeyPackage};
use quorate_protocol::keyshare::{Board, Parameters, Phase, SessionId};
use quorate_protocol::session::{self, Phases};
use quorate_protocol::signing;
use quorate_protocol::{Identifier, Suite, repair};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::targets::files::protector;
use super::targets::story::{DOCUMENT, name, output};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/kept")
}

fn files() -> BTreeSet<String> {
    fn collect(directory: &Path, prefix: &str, files: &mut BTreeSet<String>) {
        for file in fs::read_dir(directory).unwrap() {
            let file = file.unwrap();
            let name = format!("{prefix}{}", file.file_name().to_str().unwrap());
            if file.file_type().unwrap().is_dir() {
                collect(&file.path(), &format!("{name}/"), files);
            } else {
                files.insert(name);
            }
        }
    }
    let mut files = BTreeSet::new();
    collect(&directory(), "", &mut files);
    files.remove("README.md");
    files.remove("SHA256SUMS");
    files
}

/// Lists the kept files of a format: all versions of `NAME.VERSION` and `NAME.VERSION.EXTENSION`.
/// Panics if there are none.
fn kept(format: &str) -> Vec<PathBuf> {
    let versions = |file: &&String| {
        let rest = file.strip_prefix(format).and_then(|rest| rest.strip_prefix('.'));
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let all = files();
    let found: Vec<PathBuf> = all.iter().filter(versions).map(|f| directory().join(f)).collect();
    assert!(!found.is_empty(), "nothing is kept of {format}");
    found
}

fn bytes(format: &str) -> Vec<Vec<u8>> {
    kept(format).iter().map(|path| fs::read(path).unwrap()).collect()
}

fn texts(format: &str) -> Vec<String> {
    bytes(format).into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
}

fn lines(format: &str) -> Vec<String> {
    texts(format).iter().flat_map(|text| text.lines()).map(str::to_owned).collect()
}

/// Returns the directory of the story's log, made of its kept tiles.
fn log() -> PathBuf {
    directory().join("log.1")
}

fn log_key() -> LogVerifier {
    texts("log-key")[0].trim_end().parse().unwrap()
}

fn verifying_key() -> VerifyingKey {
    keys::read(&texts("public-key-pem")[0]).unwrap()
}

#[test]
fn no_kept_file_is_ever_changed_or_taken_away() {
    let sums = fs::read_to_string(directory().join("SHA256SUMS")).unwrap();
    let listed: BTreeMap<&str, &str> = sums
        .lines()
        .map(|line| line.split_once("  ").map(|(sum, file)| (file, sum)).unwrap())
        .collect();
    let there = files();
    assert_eq!(
        listed.keys().copied().collect::<BTreeSet<_>>(),
        there.iter().map(String::as_str).collect()
    );
    for (file, sum) in listed {
        let hash = Sha256::digest(fs::read(directory().join(file)).unwrap());
        assert_eq!(hex::encode(hash), sum, "{file}");
    }
}

#[test]
fn every_kept_file_has_a_line_in_the_readme() {
    let readme = fs::read_to_string(directory().join("README.md")).unwrap();
    for file in files() {
        let first = file.split('/').next().unwrap();
        assert!(readme.contains(&format!("`{first}`")), "{first}");
    }
}

#[test]
fn entries_of_every_kind_are_read_and_have_one_spelling() {
    let mut kinds = BTreeSet::new();
    for line in lines("entry") {
        let entry = Entry::from_bytes(line.as_bytes()).unwrap();
        assert_eq!(entry.to_bytes(), line.as_bytes());
        kinds.insert(entry.statement().body.kind());
    }
    assert_eq!(kinds.len(), 29, "{kinds:?}");
}

#[test]
fn kept_proofs_of_misbehaviour_still_convince() {
    let mut proved = Vec::new();
    for line in lines("misbehaviour") {
        let proof = Misbehaviour::from_json(&line).unwrap();
        assert_eq!(proof.to_json(), line);
        let entries = entries_of(&log());
        proved.push(proof.verify(&log_key(), entries, &mut NoDocuments).unwrap());
    }
    let size = u64::try_from(entries_of(&log()).len()).unwrap();
    let fork = Proved::Fork { older: size, newer: size };
    let twice = Proved::Inadmissible { index: size, reason: Refusal::Entries(Entries::OtherIvn) };
    assert_eq!(proved, [fork, twice]);
}

#[test]
fn a_kept_log_verifies_and_writes_the_same_tiles() {
    let ivn = None;
    let anchor = Anchor { ivn, log_key: Some(log_key()) };
    let documents = TempDir::new().unwrap();
    let package = DocumentPackage::from_bytes(&bytes("document")[0]).unwrap();
    fs::write(documents.path().join(package.commitment().to_string()), package.to_bytes()).unwrap();
    let options = Options { anchor, documents: Some(documents.path().to_owned()) };
    let report = verify_directory(&log(), &options).unwrap();
    assert_eq!(report.verdict, Verdict::Final, "{:#?}", audit_lines(&report));
    assert!(
        audit_lines(&report).iter().any(|line| line.contains("ada, ben")),
        "{:#?}",
        audit_lines(&report)
    );

    let text = fs::read_to_string(log().join("checkpoint")).unwrap();
    let checkpoint: SignedCheckpoint = text.parse().unwrap();
    assert_eq!(checkpoint.to_string(), text);
    let head = checkpoint.unverified().head();
    let read = |path: &str| fs::read(log().join(path)).unwrap();
    let files: BTreeMap<String, Vec<u8>> = files()
        .iter()
        .filter_map(|file| file.strip_prefix("log.1/tile/"))
        .map(|file| (format!("tile/{file}"), read(&format!("tile/{file}"))))
        .collect();
    let entries = quorate_log::tile::Entries::new(&files, head.size, 0..head.size);
    let entries: Vec<Vec<u8>> = entries.map(|entry| entry.unwrap().1).collect();
    let mut writer = TileWriter::default();
    let written = writer.append(&entries).unwrap().write.into_iter();
    let written: BTreeMap<_, _> = written.map(|f| (f.path.to_string(), f.bytes)).collect();
    assert_eq!(written, files);
    assert_eq!(writer.head(), head);
}

#[test]
fn a_kept_log_is_final_without_its_documents() {
    let checkpoint = fs::read_to_string(log().join("checkpoint")).unwrap().parse().unwrap();
    let entries = entries_of(&log());
    let report = audit::replay(entries, &checkpoint, &Anchor::default(), &mut NoDocuments);
    let report = report.unwrap();
    assert_eq!(report.verdict, Verdict::Final, "{:#?}", audit_lines(&report));
}

#[test]
fn a_kept_proof_still_proves_its_entry() {
    let request = lines("entry").into_iter().find(|line| {
        let entry = Entry::from_bytes(line.as_bytes()).unwrap();
        entry.statement().body.kind() == "group-defined"
    });
    for proof in texts("tlog-proof") {
        assert_eq!(proof.parse::<TlogProof>().unwrap().to_string(), proof);
        let report =
            verify_proof(&proof, request.as_ref().unwrap().as_bytes(), &log_key().to_string());
        assert_eq!(report.unwrap().entry.unwrap().kind, "group-defined");
    }
}

#[test]
fn keys_of_logs_and_cosigners_are_read() {
    for text in texts("log-key") {
        assert_eq!(format!("{}\n", text.trim_end().parse::<LogVerifier>().unwrap()), text);
    }
    for text in texts("cosigner-key") {
        assert_eq!(format!("{}\n", text.trim_end().parse::<CosignerVerifier>().unwrap()), text);
    }
    for bytes in bytes("frontier") {
        let frontier = Frontier::from_bytes(&bytes).unwrap();
        assert_eq!(frontier.to_bytes(), bytes);
        let mut again = Frontier::default();
        (0..frontier.size()).for_each(|i| again.append(leaf_hash(&i.to_be_bytes())));
        assert_eq!(again.head(), frontier.head());
    }
}

#[test]
fn kept_signature_files_verify_with_the_key_in_every_notation() {
    for notation in ["public-key-pem", "public-key-ssh", "public-key-jwk"] {
        texts(notation).iter().for_each(|t| assert_eq!(keys::read(t).unwrap(), verifying_key()));
    }
    for file in bytes("signature-ssh") {
        verify(DOCUMENT, &file, &verifying_key(), &output()).unwrap();
    }
    for file in bytes("signature-raw") {
        // Over the bytes that an SSH signature covers, which is all that the story's group signed.
        let (output, key) = (output(), verifying_key());
        let prepared = quorate_documents::prepare(DOCUMENT, &output, &key).unwrap();
        let signed = prepared.to_be_signed(&[]).unwrap();
        verify(&signed, &file, &key, &"raw".parse().unwrap()).unwrap();
    }
    for line in lines("output") {
        let read: Output = serde_json::from_str(&line).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
    }
    for bytes in bytes("document") {
        let package = DocumentPackage::from_bytes(&bytes).unwrap();
        assert_eq!((package.to_bytes(), package.document.as_slice()), (bytes, DOCUMENT));
    }
}

#[test]
fn kept_invitations_are_read() {
    for text in texts("join-link") {
        let link: JoinLink = text.trim_end().parse().unwrap();
        assert_eq!(format!("{}\n", link.to_url().as_str()), text);
        assert_eq!(link.account, name("ben"));
    }
    for text in texts("join-token") {
        let token: JoinToken = text.trim_end().parse().unwrap();
        assert_eq!(format!("{}\n", token.to_url().as_str()), text);
    }
}

/// Decodes every line and encodes it again.
fn read_lines<T: DeserializeOwned + Serialize>(format: &str) {
    for line in lines(format) {
        let read: T =
            serde_json::from_str(&line).unwrap_or_else(|e| panic!("{format}: {e}: {line}"));
        let written = serde_json::to_string(&read).unwrap();
        let again: T = serde_json::from_str(&written).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), written);
    }
}

#[test]
fn kept_messages_of_nodes_coordinators_and_programs_are_read() {
    read_lines::<FromNode>("from-node");
    read_lines::<FromCoordinator>("from-coordinator");
    read_lines::<Control>("link");
    read_lines::<Ask>("ask");
    read_lines::<Answer>("answer");
    read_lines::<CheckRequest>("join-check");
    read_lines::<JoinRequest>("join-request");
    read_lines::<JoinResponse>("join-response");
    read_lines::<HttpProblem>("http-problem");
}

fn id(number: u16) -> Identifier {
    Identifier::try_from(number).unwrap()
}

/// Posts the messages of a kept session: lines of identifier and hex.
fn replay<P: Phases>(format: &str, empty: &session::Board<P>) -> Vec<session::Board<P>> {
    let replay = |text: String| {
        let mut board = empty.clone();
        for line in text.lines() {
            let (from, message) = line.split_once(' ').unwrap();
            board.post(id(from.parse().unwrap()), &hex::decode(message).unwrap()).unwrap();
        }
        board
    };
    texts(format).into_iter().map(replay).collect()
}

#[test]
fn kept_dkgs_give_the_kept_key_or_blame_the_same_members() {
    let (suite, session) = (Suite::FrostEd25519Sha512, SessionId([7; 32]));
    let parameters = Parameters::new(suite, session, [9; 32], 2, [1, 2, 3].map(id)).unwrap();
    let empty = Board::new(parameters);
    let boards = replay("keyshare", &empty);
    for (board, package) in boards.iter().zip(bytes("public-key-package")) {
        assert_eq!(board.phase(), Phase::Complete);
        let public = PublicKeyPackage::from_bytes(&package).unwrap();
        assert_eq!(public.to_bytes(), package);
        assert_eq!(board.outcome(), Some(&public));
        for bytes in bytes("key-package") {
            let key = KeyPackage::from_bytes(&bytes).unwrap();
            assert_eq!(*key.to_bytes(), bytes);
            key.check(&public).unwrap();
        }
    }
    for board in replay("keyshare-complaint", &empty) {
        assert_eq!(board.phase(), Phase::Failed);
        assert_eq!(board.culprits(), [id(3)].into());
    }
    let mut signed = signing::Board::new(suite, None).unwrap();
    for (from, bytes) in (1..).map(id).zip(bytes("commitments")) {
        signed.post(1, from, &bytes).unwrap();
    }
    signed.fix_signers();
    for (from, bytes) in (1..).map(id).zip(bytes("signature-share")) {
        signed.post(2, from, &bytes).unwrap();
    }
    for bytes in bytes("signature-raw") {
        assert_eq!(signing::Signature::from_bytes(suite, &bytes).unwrap().as_bytes(), bytes);
    }
}

#[test]
fn kept_reshares_give_the_same_key_or_blame_the_same_members() {
    let old = PublicKeyPackage::from_bytes(&bytes("public-key-package")[0]).unwrap();
    let (session, members, dealers) = (SessionId([6; 32]), [1, 3, 4].map(id), [2, 3].map(id));
    let parameters = Parameters::reshare(session, [9; 32], 2, members, &old, dealers).unwrap();
    let empty = Board::new(parameters);
    for board in replay("reshare", &empty) {
        assert_eq!(board.phase(), Phase::Complete);
        let public = board.outcome().unwrap();
        assert_eq!(public.verifying_key(), old.verifying_key());
        assert_ne!(public.to_bytes(), old.to_bytes(), "the shares are others");
    }
    for board in replay("reshare-complaint", &empty) {
        assert_eq!(board.phase(), Phase::Failed);
        assert_eq!(board.culprits(), [id(3)].into());
    }
}

#[test]
fn kept_repairs_come_to_an_end_or_blame_the_same() {
    let public = PublicKeyPackage::from_bytes(&bytes("public-key-package")[0]).unwrap();
    let (session, helpers) = (SessionId([8; 32]), [2, 3].map(id));
    let parameters = repair::Parameters::new(session, [9; 32], &public, helpers, id(1)).unwrap();
    let empty = repair::Board::new(parameters);
    for board in replay("repair", &empty) {
        assert_eq!(board.phase(), Phase::Complete);
        assert_eq!(board.outcome(), Some(&public));
    }
    for board in replay("repair-complaint", &empty) {
        assert_eq!(board.phase(), Phase::Failed);
        assert_eq!(board.culprits(), [id(3)].into());
    }
}

/// Copies a kept file under its name in a home, readable by its owner only.
fn copy(from: &Path, to: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::copy(from, to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn kept_homes_and_keys_open() {
    let scratch = TempDir::new().unwrap();
    let at = |name: &str| scratch.path().join(name);
    for path in kept("home-node") {
        copy(&path, &at("home.json"));
        assert_eq!(Home::<NodeConfig>::read(scratch.path()).unwrap().account, name("ada"));
    }
    for path in kept("home-coordinator") {
        copy(&path, &at("home.json"));
        let config = Home::<CoordinatorConfig>::read(scratch.path()).unwrap();
        assert_eq!(config.deployment, "sign.example.com");
    }
    for path in kept("node-keys") {
        let keys = NodeKeys::open(&path, &protector()).unwrap();
        let ada = super::targets::story::secrets(&name("ada"));
        assert_eq!(keys.account().public(), ada.public());
        assert_eq!(keys.tls(), b"the private key of a certificate");
    }
    for path in kept("coordinator-keys") {
        copy(&path, &at("coordinator.keys"));
        let keys = CoordinatorKeys::open(&at("coordinator.keys")).unwrap();
        assert_eq!(keys.ca.as_slice(), b"the private key of the authority");
    }
}

#[test]
fn a_kept_backup_of_a_node_opens_with_all_that_is_in_it() {
    let log = log_entries();
    for path in kept("node-backup") {
        let file = BackupFile::read(&path, &fs::read(&path).unwrap()).unwrap();
        let backup = Backup::open(&path, &file, &protector()).unwrap();
        let ada = super::targets::story::secrets(&name("ada"));
        assert_eq!(backup.keys.account().public(), ada.public());
        assert_eq!(backup.config.account, name("ada"));
        assert_eq!(log.len() as u64, backup.label.log_size);
        let mut state = None;
        for entry in &log {
            let entry = Entry::from_bytes(entry).unwrap();
            match &mut state {
                None => state = Some(IvnState::found(&entry).unwrap()),
                Some(state) => drop(state.apply(&entry).unwrap()),
            }
        }
        let state = state.unwrap();
        // The founder's keys are in the genesis.
        assert_eq!(backup.keyed.as_ref().unwrap().to_bytes(), log[0]);
        assert_eq!(backup.label.shares.iter().filter(|share| share.epoch == Some(1)).count(), 1);
        let judgement = judge(&state, &backup.label, &backup.packages);
        assert_eq!((judgement.good.len(), judgement.lost.len()), (backup.packages.len(), 0));
        let cosigned = backup.cosigned.unwrap().parse::<SignedCheckpoint>().unwrap();
        assert_eq!(cosigned.unverified().size(), backup.label.log_size);
        assert_eq!((backup.unexplained.len(), backup.refused.len()), (1, 1));
        assert_eq!(backup.refusals[0].statement().body.kind(), "refusal");
        assert!(backup.sessions.iter().any(|(_, released)| *released));
        assert!(backup.sessions.iter().any(|(_, released)| !released));

        // A share that is not in the backup is reported as lost.
        let judgement = judge(&state, &backup.label, &[]);
        assert_eq!(judgement.lost.len(), 1);
        assert_eq!((judgement.lost[0].backup_epoch, judgement.lost[0].epoch), (Some(1), 1));
        assert!(judgement.lost[0].others_can_repair);
    }
}

fn log_entries() -> Vec<Vec<u8>> {
    entries_of(&log())
}

fn entries_of(log: &Path) -> Vec<Vec<u8>> {
    let checkpoint = fs::read_to_string(log.join("checkpoint")).unwrap();
    let size = checkpoint.parse::<SignedCheckpoint>().unwrap().unverified().size();
    let bundle = fs::read(log.join(format!("tile/entries/000.p/{size}"))).unwrap();
    let width = u16::try_from(size).unwrap();
    let entries = quorate_log::tile::parse_bundle(&bundle, width).unwrap();
    entries.into_iter().map(<[u8]>::to_vec).collect()
}

#[tokio::test]
async fn a_kept_database_of_a_node_opens_with_all_that_is_in_it() {
    for path in kept("node-store") {
        let scratch = TempDir::new().unwrap();
        copy(&path, &scratch.path().join("node.sqlite"));
        let keys = NodeKeys::open(&kept("node-keys")[0], &protector()).unwrap();
        let genesis = Entry::from_bytes(&log_entries()[0]).unwrap();
        let sealer = keys.sealer(genesis.ivn_id_as_genesis(), name("ada"));
        let mut store = NodeStore::open(&scratch.path().join("node.sqlite"), sealer).await.unwrap();
        let saved = store.load().await.unwrap();
        assert_eq!(saved.entries, log_entries());
        let head = saved.cosigned.unwrap().parse::<SignedCheckpoint>().unwrap().unverified().head();
        assert_eq!(head.size, saved.entries.len() as u64);
        assert_eq!(saved.outbox, [saved.entries[1].clone()]);
        assert_eq!(saved.misbehaviour.len(), 1);
        assert_eq!(saved.packages.len(), 1);
        assert!(saved.sessions.values().any(|used| *used));
        assert!(saved.sessions.values().any(|used| !used));
    }
}

#[tokio::test]
async fn a_kept_database_of_a_coordinator_opens_completely() {
    for path in kept("coordinator-store") {
        let scratch = TempDir::new().unwrap();
        copy(&kept("home-coordinator")[0], &scratch.path().join("home.json"));
        let home = CoordinatorHome::open(scratch.path()).unwrap();
        let genesis = Entry::from_bytes(&log_entries()[0]).unwrap();
        let ivn = home.ivn(genesis.ivn_id_as_genesis());
        ivn.create().unwrap();
        copy(&path, &ivn.database());
        let mut store = CoordinatorStore::open(&ivn).await.unwrap();
        assert_eq!(store.entries(0, u64::MAX, 1 << 30).await.unwrap(), log_entries());
        let kept = store.kept().await.unwrap();
        assert_eq!(
            kept.checkpoint.unwrap().parse::<SignedCheckpoint>().unwrap().unverified().size(),
            store.size()
        );
        let cosigners: Vec<AccountName> = kept.cosignatures.into_iter().map(|c| c.0).collect();
        assert_eq!(cosigners, ["ada", "ben", "cyd", "out"].map(name));
    }
}
