//! The C2SP formats of the log.

use std::collections::BTreeMap;
use std::str::FromStr;

use quorate_log::checkpoint::{Checkpoint, SignedCheckpoint};
use quorate_log::compare::Fork;
use quorate_log::key::{CosignerSigner, CosignerVerifier, LogSigner, LogVerifier, Seed};
use quorate_log::note::{KeyName, Note, NoteSignature};
use quorate_log::proof::{ConsistencyProof, InclusionProof};
use quorate_log::tile::{Entries, TileHashes, TilePath, TileWriter, parse_bundle, verify_tiles};
use quorate_log::tlog_proof::TlogProof;
use quorate_log::tree::{Frontier, HashReader as _, TreeHead};
use quorate_log::{Hash, leaf_hash};

use super::script::Script;
use super::story;

fn read<T: FromStr + ToString>(text: &str) -> bool {
    let Ok(value) = text.parse::<T>() else { return false };
    assert_eq!(value.to_string(), text, "read, and written differently");
    true
}

/// Reads a text as each text format of the log.
pub fn text(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let mut accepted = [
        read::<Hash>(text),
        read::<Checkpoint>(text),
        read::<CosignerVerifier>(text),
        read::<KeyName>(text),
        read::<LogVerifier>(text),
        read::<Note>(text),
        read::<NoteSignature>(text),
        read::<SignedCheckpoint>(text),
        read::<TilePath>(text),
        read::<TlogProof>(text),
        serde_json::from_str::<Fork>(text).is_ok(),
        serde_json::from_str::<InclusionProof>(text).is_ok(),
        serde_json::from_str::<ConsistencyProof>(text).is_ok(),
    ]
    .contains(&true);
    if let Ok(signed) = text.parse::<SignedCheckpoint>() {
        // The corpus has checkpoints of older versions of this log.
        if let Ok(verified) = signed.verify(&log_key()) {
            assert_eq!(verified.checkpoint().origin(), log_key().origin().as_str());
            accepted = true;
        }
    }
    if let Ok(proof) = text.parse::<TlogProof>() {
        let entries = story().log.iter();
        let proved = entries.filter(|entry| proof.verify(entry, &log_key()).is_ok()).count();
        assert!(proved <= 1, "one proof for {proved} entries");
    }
    accepted
}

pub fn log_key() -> LogVerifier {
    let key = super::story::coordinator_secrets().log.public();
    let origin = format!("sign.example.com/ivn/{}", story().ivn);
    LogVerifier::new(origin.parse().unwrap(), &key.0).unwrap()
}

/// Returns the log's key, which an attacker holds.
pub fn log_signer() -> LogSigner {
    let origin = log_key().origin().clone();
    LogSigner::new(origin, Seed::new(Box::new(*super::story::coordinator_secrets().log.seed())))
}

/// Returns the key with which an account's node cosigns.
pub fn cosigner(account: &str) -> CosignerSigner {
    let name = super::story::name(account);
    super::story::secrets(&name).cosigner_of(log_key().origin().as_str(), &name).unwrap()
}

fn heads() -> BTreeMap<u64, TreeHead> {
    let mut frontier = Frontier::default();
    let mut add = |entry: &Vec<u8>| {
        frontier.append(leaf_hash(entry));
        (frontier.size(), frontier.head())
    };
    story().log.iter().map(&mut add).collect()
}

pub fn proof(index: u64) -> TlogProof {
    let (files, head) = tree(&story().log);
    let hashes = TileHashes::new(&files, head.size);
    let inclusion = InclusionProof::prove(&hashes, index, head.size).unwrap();
    TlogProof::new(inclusion, story().checkpoint.as_signed().clone())
}

/// Returns the inputs with which a fuzzer begins.
pub fn text_seeds() -> Vec<Vec<u8>> {
    let story = story();
    let checkpoint = &story.checkpoint;
    let (files, head) = tree(&story.log);
    let consistency = ConsistencyProof::prove(&TileHashes::new(&files, head.size), 7, head.size);
    [
        checkpoint.to_string(),
        checkpoint.note().text().to_owned(),
        checkpoint.note().signatures()[0].to_string(),
        checkpoint.head().root.to_string(),
        log_key().to_string(),
        cosigner("ada").verifier().to_string(),
        proof(5).to_string(),
        "tile/entries/x001/234.p/5".to_owned(),
        serde_json::to_string(&consistency.unwrap()).unwrap(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

pub fn tree(entries: &[Vec<u8>]) -> (BTreeMap<String, Vec<u8>>, TreeHead) {
    let mut writer = TileWriter::default();
    let files = writer.append(entries).unwrap().write.into_iter();
    (files.map(|file| (file.path.to_string(), file.bytes)).collect(), writer.head())
}

/// Reads the files of a log after some were changed, lost or swapped. The input is a script.
pub fn tiles(bytes: &[u8]) -> bool {
    let mut script = Script::new(bytes);
    let bundle = script.bytes();
    let width = script.number();
    let mut accepted = false;
    if let Ok(entries) = parse_bundle(bundle, width) {
        let prefixed = entries.iter().flat_map(|entry| {
            let length = u16::try_from(entry.len()).unwrap().to_be_bytes();
            [length.as_slice(), entry].concat()
        });
        assert_eq!(prefixed.collect::<Vec<u8>>(), bundle);
        accepted = true;
    }
    let frontier = script.bytes();
    if let Ok(read) = Frontier::from_bytes(frontier) {
        assert_eq!(read.to_bytes(), frontier);
        accepted = true;
    }

    let (genuine, head) = tree(&story().log);
    let mut files = genuine.clone();
    let names: Vec<String> = genuine.keys().cloned().collect();
    let size = if script.byte() == 0 { head.size } else { u64::from(script.number()) };
    while !script.is_over() {
        let name = &names[script.index(names.len())];
        match script.byte() % 3 {
            0 => drop(files.remove(name)),
            1 => drop(files.insert(name.clone(), script.harm(&genuine[name]))),
            _ => {
                let other = &names[script.index(names.len())];
                files.insert(name.clone(), genuine[other].clone());
            }
        }
    }
    let claimed = TreeHead { size, root: head.root };
    if verify_tiles(&&files, claimed).is_ok() {
        assert_eq!(claimed, head);
        assert_eq!(files, genuine, "changed files verify");
        accepted = true;
    }
    let hashes = TileHashes::new(&files, size);
    for (index, entry) in Entries::new(&files, size, 0..size.min(1000)).flatten() {
        let leaf = leaf_hash(&entry);
        let Ok(proof) = InclusionProof::prove(&hashes, index, size) else { continue };
        if proof.verify(leaf, head).is_ok() {
            assert_eq!(story().log.get(usize::try_from(index).unwrap()), Some(&entry));
        }
        let _ = hashes.hash(0, index);
    }
    if let Ok(proof) = ConsistencyProof::prove(&hashes, size / 2, size) {
        let older = heads().get(&(size / 2)).copied();
        let _ = older.map(|older| proof.verify(older, head));
    }
    accepted
}

/// Returns the inputs with which a fuzzer begins.
pub fn tiles_seeds() -> Vec<Vec<u8>> {
    let with_length = |bytes: &[u8]| {
        [u16::try_from(bytes.len()).unwrap().to_be_bytes().as_slice(), bytes].concat()
    };
    let mut frontier = Frontier::default();
    (0..5).for_each(|byte| frontier.append(leaf_hash(&[byte])));
    let frontier = frontier.to_bytes();
    let bundle = [with_length(b"one"), with_length(b"two")].concat();
    vec![
        [with_length(&bundle), vec![0, 2], with_length(&frontier), vec![0]].concat(),
        [vec![0, 0, 0, 0, 0, 0, 0], vec![0, 0, 1, 1, 0, 40, 1, 1, 9]].concat(),
        [vec![0, 0, 0, 0, 0, 0, 1, 0, 5], vec![0, 0, 0]].concat(),
    ]
}
