//! Writes the bytes that the story of a small IVN leaves behind: those in `vectors/kept`, and the
//! seeds of fuzzers. Run by `cargo xtask kept`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{
    AbortReason, Author, Body, CoordinatorKeys, GroupChange, Invitation, LogTree, Replacement,
    Role, Statement,
};
use quorate_ceremony::identity::{AccountSecrets, SecretKey};
use quorate_ceremony::misbehaviour::Misbehaviour;
use quorate_ceremony::names::{Digest, EntryId, SessionId};
use quorate_documents::keys::{to_jwk, to_pem, to_ssh};
use quorate_log::compare::Fork;
use quorate_log::leaf_hash;
use quorate_log::proof::{ConsistencyProof, InclusionProof};
use quorate_log::tree::{Frontier, MemoryTree};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::targets::story::{Said, name};
use super::targets::{
    self, TARGETS, documents, files, keyshare, log, network, protocol, repair, state, story,
};

/// Names what to write before the test: `kept` (files that are missing in `vectors/kept`, and their
/// lines in `SHA256SUMS`) or `seeds` (`fuzz/corpus/*/seed-*`).
const WRITE: &str = "QUORATE_WRITE";

#[test]
fn each_file_that_is_written_today_is_kept() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let kept = root.join("vectors/kept");
    match std::env::var(WRITE).as_deref() {
        Ok("kept") => keep(&kept),
        Ok("seeds") => {
            for target in TARGETS {
                for (number, seed) in (target.seeds)().iter().enumerate() {
                    let path = root.join("fuzz/corpus").join(target.name);
                    write(&path.join(format!("seed-{number:02}")), seed);
                }
            }
        }
        _ => {}
    }
    for file in made().into_keys() {
        assert!(kept.join(&file).exists(), "{file} is not kept yet: cargo xtask kept");
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Writes the files that are missing. Existing ones stay, whatever today's code would write.
fn keep(directory: &Path) {
    let listed = directory.join("SHA256SUMS");
    let mut sums: BTreeMap<String, String> = fs::read_to_string(&listed)
        .unwrap_or_default()
        .lines()
        .map(|line| line.split_once("  ").map(|(sum, file)| (file.into(), sum.into())).unwrap())
        .collect();
    for (file, bytes) in made() {
        let path: PathBuf = directory.join(&file);
        if !path.exists() {
            write(&path, &bytes);
            sums.insert(file, hex::encode(Sha256::digest(&bytes)));
        }
    }
    let text: String = sums.iter().map(|(file, sum)| format!("{sum}  {file}\n")).collect();
    write(&listed, text.as_bytes());
}

fn line(text: impl ToString) -> Vec<u8> {
    format!("{}\n", text.to_string()).into_bytes()
}

fn json_lines(values: impl IntoIterator<Item = impl Serialize>) -> Vec<u8> {
    values.into_iter().flat_map(|value| line(serde_json::to_string(&value).unwrap())).collect()
}

/// Returns all files with the bytes that today's code writes.
fn made() -> BTreeMap<String, Vec<u8>> {
    let story = story();
    let mut made: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut add = |file: &str, bytes: Vec<u8>| drop(made.insert(file.to_owned(), bytes));

    add("entry.1.jsonl", entries());
    add("misbehaviour.1.jsonl", proofs());
    let (tiles, _) = log::tree(&story.log);
    tiles.into_iter().for_each(|(path, bytes)| add(&format!("log.1/{path}"), bytes));
    add("log.1/checkpoint", story.checkpoint.to_string().into_bytes());
    let defined = |entry: &quorate_ceremony::entry::Entry| {
        matches!(entry.statement().body, Body::GroupDefined(_))
    };
    let index = story.entries().position(|entry| defined(&entry)).unwrap();
    add("tlog-proof.1.txt", log::proof(index as u64).to_string().into_bytes());
    add("log-key.1.txt", line(log::log_key()));
    add("cosigner-key.1.txt", line(log::cosigner("ada").verifier()));
    let mut frontier = Frontier::default();
    (0..11_u64).for_each(|i| frontier.append(leaf_hash(&i.to_be_bytes())));
    add("frontier.1.bin", frontier.to_bytes());

    add("signature-ssh.1.sig", documents::signature_file());
    add("signature-raw.1.bin", story.signature.to_vec());
    add("public-key-pem.1.pem", to_pem(&story.verifying_key).into_bytes());
    add("public-key-jwk.1.json", to_jwk(&story.verifying_key).into_bytes());
    add("public-key-ssh.1.pub", to_ssh(&story.verifying_key, "board").unwrap().into_bytes());
    add("document.1.bin", documents::package());
    add("output.1.jsonl", json_lines(["raw".parse().unwrap(), targets::story::output()]));

    add("join-link.1.txt", line(network::link().to_url().as_str()));
    add("join-token.1.txt", line(network::link().token.to_url().as_str()));
    joining().into_iter().for_each(|(file, bytes)| add(file, bytes));

    let (from_node, from_coordinator) = messages();
    add("from-node.1.jsonl", from_node);
    add("from-coordinator.1.jsonl", from_coordinator);
    add(
        "link.1.jsonl",
        json_lines([
            json!({"type": "hello", "version": 1}),
            json!({"type": "accepted", "version": 1}),
            json!({"type": "refused", "version": 1}),
            json!({"type": "heartbeat"}),
        ]),
    );
    add("ask.1.jsonl", json_lines(asks()));
    add("answer.1.jsonl", json_lines(answers()));

    let (honest, complaint) = keyshare::sessions();
    add("keyshare.1.txt", honest);
    add("keyshare-complaint.1.txt", complaint);
    let (honest, complaint) = keyshare::reshares();
    add("reshare.1.txt", honest);
    add("reshare-complaint.1.txt", complaint);
    let (honest, complaint) = repair::sessions();
    add("repair.1.txt", honest);
    add("repair-complaint.1.txt", complaint);
    let values = protocol::seeds();
    add("key-package.1.bin", values[0].clone());
    add("public-key-package.1.bin", values[1].clone());
    add("commitments.1.bin", values[3].clone());
    add("signature-share.1.bin", values[4].clone());

    let homes = files::home_seeds();
    add("home-node.1.json", homes[0].clone());
    add("home-coordinator.1.json", homes[1].clone());
    add("node-keys.1.bin", files::sealed_keys());
    add("node-backup.1.bin", files::node_backup());
    add("coordinator-keys.1.bin", files::coordinator_keys());
    let stores = files::store_seeds();
    add("node-store.1.sqlite", stores[0].clone());
    add("coordinator-store.1.sqlite", stores[1].clone());
    made
}

/// Returns the first entry of each kind in the story, and those that do not occur in it: reasons of
/// aborts, changes of groups, accounts that change and lost shares, and a confirmation.
fn entries() -> Vec<u8> {
    let story = story();
    let mut kinds = BTreeSet::new();
    let told = story.entries().filter(|entry| kinds.insert(entry.statement().body.kind()));
    let invented = by_the_coordinator().into_iter().chain(by_ada()).chain([confirmation()]);
    let invented = invented.map(|(author, body)| {
        let (ivn, at) = (Some(story.ivn), targets::story::START);
        state::signed(Statement { ivn, author, at, seen: 0, body }).unwrap()
    });
    told.chain(invented).flat_map(|entry| [entry.to_bytes(), b"\n".to_vec()].concat()).collect()
}

fn by_the_coordinator() -> Vec<(Author, Body)> {
    let ben = BTreeSet::from([name("ben")]);
    let reasons = [
        AbortReason::Restarted { nodes: ben.clone() },
        AbortReason::Fault { culprits: ben.clone() },
        AbortReason::Dissent { dissenters: ben },
        AbortReason::Cancelled,
    ];
    let session = SessionId::new([1; 32]);
    reasons.map(|reason| (Author::Coordinator, Body::CeremonyAborted { session, reason })).to_vec()
}

fn by_ada() -> Vec<(Author, Body)> {
    let keys = AccountSecrets {
        identity: SecretKey::from_seed(&[21; 32]),
        cosigner: SecretKey::from_seed(&[22; 32]),
    };
    let expires_at = targets::story::START.plus(3_600_000);
    let (account, roles) = (name("ben"), BTreeSet::from([Role::Member, Role::Auditor]));
    let (mut stricter, mut refreshed) =
        (targets::story::definition(), targets::story::definition());
    stricter.policy.governance.changes_required = Some(3);
    refreshed.policy.governance.refresh_every = Some(86_400_000);
    let proposes = |definition, repairs| {
        Body::GroupChange(GroupChange { epoch: 1, definition, expires_at, repairs, retires: false })
    };
    let (group, change) = (stricter.name.clone(), EntryId::new([7; 32]));
    let (incarnation, other) = (Digest::new([3; 32]), Digest::new([4; 32]));
    let history = LogTree { size: 20, root: Digest::new([6; 32]) };
    let replacement = Replacement {
        history,
        keys: CoordinatorKeys {
            log_key: SecretKey::from_seed(&[41; 32]).public(),
            coordinator_key: SecretKey::from_seed(&[42; 32]).public(),
            ca: Digest::new([43; 32]),
        },
        reason: "the disk of the coordinator is lost".to_owned(),
    };
    let bodies = [
        proposes(stricter, None),
        Body::GroupChangeWithdrawn { change },
        Body::RequestWithdrawn { request: change },
        Body::ShareDestroyed { group: group.clone(), epoch: 1 },
        Body::Invitation(Invitation {
            name: account.clone(),
            roles: roles.clone(),
            key: keys.cosigner.public(),
            expires_at,
            replaces: Some(keys.identity.public()),
        }),
        Body::KeysRotated { keys: keys.public() },
        Body::AccountSuspended { account: account.clone() },
        Body::AccountResumed { account: account.clone() },
        Body::AccountRoles { account: account.clone(), roles },
        Body::AccountRemoved { account: account.clone() },
        Body::NodeDuplicated { incarnation, other },
        Body::HubMoved { hub: "hub.example.com:7420".to_owned() },
        proposes(refreshed, Some(account)),
        Body::ShareProved { group, epoch: 1, proof: Base64(vec![5; 64]) },
        Body::CoordinatorReplaced { replacement, abandoned: Some(history) },
    ];
    bodies.map(|body| (Author::Account(name("ada")), body)).to_vec()
}

fn confirmation() -> (Author, Body) {
    let (group, checkpoint) = (targets::story::board(), story().checkpoint.to_string());
    (Author::Coordinator, Body::ChangeConfirmed { group, epoch: 2, checkpoint })
}

/// Returns proofs that the story's coordinator signed two histories, and one that no rules permit:
/// with the genesis twice.
fn proofs() -> Vec<u8> {
    let story = story();
    let mut tree = MemoryTree::default();
    story.log.iter().for_each(|entry| tree.append(leaf_hash(entry)));
    let (index, honest) = (tree.size(), tree.head());
    let mut other = MemoryTree::default();
    story.log.iter().rev().for_each(|entry| other.append(leaf_hash(entry)));
    let [one, two] = [honest, other.head()].map(|head| targets::log::log_signer().sign(head));
    let fork = Fork::find(&one, &two, &tree).unwrap().unwrap();
    let fork = Misbehaviour::Fork(Box::new(fork));
    let genesis = &story.log[0];
    tree.append(leaf_hash(genesis));
    let bad = json!({
        "checkpoint": targets::log::log_signer().sign(tree.head()).as_signed(),
        "index": index,
        "entry": Base64(genesis.clone()),
        "inclusion": InclusionProof::prove(&tree, index, index + 1).unwrap(),
        "beginning": ConsistencyProof::prove(&tree, index, index + 1).unwrap(),
    });
    let bad = json!({ "version": 1, "misbehaviour": { "bad-entry": bad } });
    let bad = Misbehaviour::from_json(&bad.to_string()).unwrap();
    [fork, bad].iter().flat_map(|proof| line(proof.to_json())).collect()
}

/// Returns one message of each kind, in both directions. Those that do not occur in the story are
/// invented.
fn messages() -> (Vec<u8>, Vec<u8>) {
    let (mut by_nodes, mut to_nodes) = (BTreeMap::new(), BTreeMap::new());
    for said in &story().said {
        let (values, value) = match said {
            Said::ByNode(_, message) => (&mut by_nodes, serde_json::to_value(message).unwrap()),
            Said::ToNode(_, message) => (&mut to_nodes, serde_json::to_value(message).unwrap()),
        };
        // The sent text, because `value` is sorted.
        let text = match said {
            Said::ByNode(_, message) => serde_json::to_string(message).unwrap(),
            Said::ToNode(_, message) => serde_json::to_string(message).unwrap(),
        };
        values.entry(value["is"].to_string()).or_insert(text);
    }
    let session = SessionId::new([1; 32]).to_string();
    for reason in ["not-approved", "no-share", "no-document", "expired", "frozen", "session"] {
        let text = format!(r#"{{"is":"declined","session":"{session}","reason":"{reason}"}}"#);
        by_nodes.insert(format!("declined {reason}"), text);
    }
    let id = story().request;
    let text = format!(r#"{{"is":"rejected","entry":"{id}","reason":{{"why":"wrong-author"}}}}"#);
    to_nodes.entry("\"rejected\"".to_owned()).or_insert(text);
    let lines = |values: BTreeMap<String, String>| values.into_values().flat_map(line).collect();
    (lines(by_nodes), lines(to_nodes))
}

fn joining() -> Vec<(&'static str, Vec<u8>)> {
    let story = story();
    let base64 = |bytes: &[u8]| json!(quorate_ceremony::encoding::Base64(bytes.to_vec()));
    let admission = targets::story::admission(&name("ben"), story.ivn, targets::story::START);
    vec![
        ("join-check.1.json", json_lines([json!({"account": "ben", "key": "0a".repeat(32)})])),
        (
            "join-request.1.json",
            json_lines([json!({
                "entry": base64(&admission.to_bytes()), "csr": base64(&[0x30, 0]), "proof": base64(&[7; 64]),
            })]),
        ),
        (
            "join-response.1.json",
            json_lines([json!({
                "genesis": base64(&story.log[0]), "authority": "-----BEGIN CERTIFICATE-----\n",
                "certificate": "-----BEGIN CERTIFICATE-----\n", "index": 3,
            })]),
        ),
        (
            "http-problem.1.json",
            json_lines([
                json!({
                    "type": "about:blank", "status": 409, "code": "wrong-author",
                    "detail": "the statement is not by the right author",
                }),
                json!({
                    "type": "about:blank", "status": 409, "code": "suspended", "params": {"account": "ben"},
                    "detail": "account \"ben\" is suspended",
                }),
                json!({"type": "about:blank", "status": 400, "code": "usage", "detail": "no"}),
            ]),
        ),
    ]
}

/// Returns one question of each kind, with every field of today's code.
fn asks() -> Vec<serde_json::Value> {
    let invitation = json!({
        "name": "ben", "roles": ["member"], "key": hex::encode([9; 32]), "expires_at": 1_700_000_000_000_u64,
    });
    let request = story().request;
    let definition = targets::story::definition();
    let change =
        json!({"definition": definition, "epoch": 1, "expires_in": null, "repairs": "cyd"});
    vec![
        json!({"ask": "query", "status": null}),
        json!({"ask": "query", "inbox": {"watch": true}}),
        json!({"ask": "query", "groups": null}),
        json!({"ask": "query", "group": {"name": "board", "watch": true}}),
        json!({"ask": "query", "requests": null}),
        json!({"ask": "query", "request": {"id": "3f2a", "watch": false}}),
        json!({
            "ask": "sign", "group": "board", "document_type": "contract", "output": "ssh:file",
            "name": "contract.txt", "note": "please", "expires_in": 3_600_000,
        }),
        json!({
            "ask": "sign", "group": "board", "document_type": null, "output": "raw",
            "name": "contract.txt", "note": null, "expires_in": null,
        }),
        json!({"ask": "command", "approve": {"request": request}}),
        json!({"ask": "command", "approve": {"definition": request}}),
        json!({
            "ask": "command",
            "reject": {"motion": {"change": request}, "reason": "not before Friday"},
        }),
        json!({"ask": "command", "invite": invitation}),
        json!({"ask": "command", "define-group": definition}),
        json!({"ask": "command", "change-group": change}),
        json!({"ask": "judge", "change-group": change}),
        json!({"ask": "command", "withdraw-change": request}),
        json!({"ask": "command", "withdraw-request": request}),
        json!({"ask": "command", "cancel-session": request}),
        json!({"ask": "query", "find": {"id": "3f2a"}}),
        json!({"ask": "command", "move-hub": "hub.example.com:7420"}),
        json!({"ask": "dial", "hub": "hub.example.com:7420"}),
        json!({"ask": "query", "entries": {"first": 0, "limit": 10}}),
        json!({"ask": "query", "prove": {"index": 4}}),
        json!({"ask": "query", "document": {"id": "3f2a"}}),
        json!({"ask": "query", "backup": null}),
    ]
}

fn answers() -> Vec<serde_json::Value> {
    let story = story();
    let key = story.verifying_key.to_string();
    let group = json!({
        "name": "board", "defined": story.request, "accepts": false, "seen_by": "ada", "connected": true, "state": "ready", "suite": "frost-ed25519-sha512",
        "min_signers": 2, "max_signers": 3, "document_types": ["contract"],
        "policy": {
            "rule": {"approvals_required": 2, "requester_may_approve": true, "auto_approve": false, "expiry": 604_800_000},
            "governance": {},
            "formats": ["raw", "ssh:file"],
        },
        "members": [{"account": "ada", "identifier": 1, "online": true, "accepted": true, "awaited": false}],
        "verifying_key": key, "epoch": 1, "attempts": 2, "dkg_ms": 12,
    });
    let request = json!({
        "id": story.request, "index": 30, "state": {"is": "signed"}, "requester": "ada",
        "group": "board", "document_type": null, "output": "ssh:file",
        "document": targets::story::document().commitment, "file_name": "contract.txt", "file_size": 11,
        "file_sha256": hex::encode(Sha256::digest(targets::story::DOCUMENT)), "at": 1, "expires_at": 2,
        "approvals_required": 2, "approvals": ["ada", "ben"], "refusals": {"cyd": "not before Friday"},
        "was_approved": true, "message": "please", "undecided": [], "verifying_key": key, "signatures": [hex::encode(story.signature)],
        "signature_index": 34, "signers": ["ada", "ben"],
    });
    let status = json!({
        "answer": "status", "account": "ada", "roles": ["admin", "member"], "ivn": story.ivn,
        "ivn_name": "Example Ltd", "hub": "hub.example.com:8443", "connected": true, "log_size": 35,
        "log_key": log::log_key().to_string(), "online": ["ada"], "accounts": {"ada": ["admin", "member"]},
        "trouble": {"kind": "unexplained", "checkpoints": ["one", "another"]}, "groups": [group], "inbox": 0,
        "unsent": 0, "now": 3,
    });
    let tagged = |tag: &str, mut value: serde_json::Value| {
        value["answer"] = json!(tag);
        value
    };
    let mut answers = vec![
        status,
        json!({"answer": "requests", "requests": [request]}),
        json!({"answer": "inbox", "requests": [request], "changes": [], "groups": [group]}),
        json!({"answer": "named", "kind": "request", "id": story.request}),
        json!({"answer": "groups", "groups": [group]}),
        tagged("group", group.clone()),
        tagged("request", request.clone()),
        json!({"answer": "logged", "entry": story.request, "index": 30}),
        json!({
            "answer": "entries", "size": 35, "entries": [{
                "index": 0, "id": story.request, "author": "ada", "at": 1, "kind": "account-suspended",
                "body": {"kind": "account-suspended", "account": "ben"}, "group": null, "is_on_change": false,
            }],
        }),
        json!({"answer": "proof", "entry": "e30=", "proof": "c2sp.org/tlog-proof@v1\n", "log_key": "log+00+AA"}),
        json!({"answer": "document", "name": "contract.txt"}),
        json!({"answer": "backup"}),
        json!({"answer": "dials", "hub": "hub.example.com:7420"}),
    ];
    for (code, exit) in [
        ("failed", "error"),
        ("usage", "usage"),
        ("verification-failed", "verification"),
        ("still-waiting", "waiting"),
        ("rejected", "rejected"),
        ("not-allowed", "not-allowed"),
        ("unreachable", "unreachable"),
        ("too-few-nodes", "too-few-nodes"),
        ("untrusted-key", "untrusted-key"),
    ] {
        answers.push(json!({
            "answer": "problem", "code": code, "exit": exit, "message": "it did not work", "hint": "again",
        }));
    }
    answers
}
