//! A coordinator's store: entries and checkpoints that belong together, and no second history.

use quorate_log::key::{CosignerSigner, LogSigner, Seed};
use quorate_log::note::NoteSignature;

use super::*;
use crate::file_problem::FileProblem;
use crate::home::{CoordinatorHome, Home};
use crate::store::publish::Publisher;
use crate::store::published::published_entries;

/// A coordinator's home with one IVN.
pub(in crate::store) struct Fixture {
    pub(in crate::store) root: tempfile::TempDir,
    pub(in crate::store) directory: IvnDirectory,
}

impl Fixture {
    pub(in crate::store) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let home: CoordinatorHome = Home::create(root.path()).unwrap();
        let directory = home.ivn(quorate_ceremony::names::IvnId::new([1; 32]));
        directory.create().unwrap();
        Self { root, directory }
    }

    pub(in crate::store) async fn open(&self) -> CoordinatorStore {
        CoordinatorStore::open(&self.directory).await.unwrap()
    }
}

pub(in crate::store) fn bytes_of(index: u64) -> Vec<u8> {
    format!("entry {index} {}", "x".repeat(index as usize % 50)).into_bytes()
}

pub(in crate::store) fn append(range: std::ops::Range<u64>) -> Vec<CoordinatorWrite> {
    range.map(|index| CoordinatorWrite::Append { index, entry: bytes_of(index) }).collect()
}

pub(in crate::store) fn signer() -> LogSigner {
    let origin = "example.com/ivn/1".parse().unwrap();
    LogSigner::new(origin, Seed::new(Box::new([3; 32])))
}

pub(in crate::store) fn checkpoint(size: u64) -> CoordinatorWrite {
    checkpoint_of((0..size).map(bytes_of))
}

fn checkpoint_of(entries: impl Iterator<Item = Vec<u8>>) -> CoordinatorWrite {
    let mut frontier = Frontier::default();
    entries.for_each(|entry| frontier.append(leaf_hash(&entry)));
    let note = signer().sign(frontier.head()).to_string();
    CoordinatorWrite::Change(CoordinatorChange::Checkpoint { note, size: frontier.size() })
}

pub(in crate::store) fn cosigner(account: &str) -> CosignerSigner {
    let name = format!("example.com/ivn/1/{account}").parse().unwrap();
    let mut seed = [0; 32];
    seed[..account.len()].copy_from_slice(account.as_bytes());
    CosignerSigner::new(name, Seed::new(Box::new(seed)))
}

pub(in crate::store) fn cosignature(account: &str, size: u64) -> CoordinatorWrite {
    let CoordinatorWrite::Change(CoordinatorChange::Checkpoint { note, .. }) = checkpoint(size)
    else {
        panic!("a checkpoint")
    };
    let signed: SignedCheckpoint = note.parse().unwrap();
    let verified = signed.verify(signer().verifier()).unwrap();
    let line: NoteSignature = cosigner(account).cosign(&verified, 5.try_into().unwrap());
    let account = account.parse().unwrap();
    CoordinatorWrite::Change(CoordinatorChange::Cosignature {
        account,
        size,
        line: line.to_string(),
    })
}

async fn refused(store: &mut CoordinatorStore, writes: Vec<CoordinatorWrite>) -> Refusal {
    match store.commit(writes).await {
        Err(StoreError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

fn with(mut writes: Vec<CoordinatorWrite>, last: CoordinatorWrite) -> Vec<CoordinatorWrite> {
    writes.push(last);
    writes
}

#[tokio::test]
async fn each_commit_is_there_when_the_store_is_opened_again() {
    let fixture = Fixture::new();
    for end in [1, 2, 70, 71, 300] {
        let mut store = fixture.open().await;
        let start = store.size();
        store.commit(with(append(start..end), checkpoint(end))).await.unwrap();
        store.commit(vec![cosignature("ada", end)]).await.unwrap();
        // Not closed, as after a kill.
        drop(store);
        let mut store = fixture.open().await;
        assert_eq!(store.size(), end);
        let all = store.entries(0, u64::MAX, usize::MAX).await.unwrap();
        assert_eq!(all, (0..end).map(bytes_of).collect::<Vec<_>>());
        let kept = store.kept().await.unwrap();
        assert!(kept.checkpoint.unwrap().contains(&format!("\n{end}\n")));
        let [(account, size, _)] = kept.cosignatures.as_slice() else { panic!("one") };
        assert_eq!((account.as_str(), *size), ("ada", end));
    }
}

#[tokio::test]
async fn entries_are_given_in_pieces_that_fit_and_at_least_one() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    store.commit(append(0..200)).await.unwrap();
    assert_eq!(store.entries(3, 5, usize::MAX).await.unwrap(), [bytes_of(3), bytes_of(4)]);
    assert_eq!(store.entries(3, 200, 0).await.unwrap(), [bytes_of(3)]);
    let two = bytes_of(3).len() + bytes_of(4).len();
    assert_eq!(store.entries(3, 200, two).await.unwrap().len(), 2);
    assert_eq!(store.entries(3, 200, two - 1).await.unwrap().len(), 1);
    assert_eq!(store.entries(0, 200, usize::MAX).await.unwrap().len(), 200);
    assert_eq!(store.entries(200, 300, usize::MAX).await.unwrap().len(), 0);
}

#[tokio::test]
async fn entries_only_follow_the_last_one() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    assert_eq!(refused(&mut store, append(1..2)).await, Refusal::EntryOutOfOrder);
    store.commit(append(0..3)).await.unwrap();
    assert_eq!(refused(&mut store, append(2..3)).await, Refusal::EntryOutOfOrder);
    assert_eq!(refused(&mut store, append(4..5)).await, Refusal::EntryOutOfOrder);
    store.commit(append(3..4)).await.unwrap();
    assert_eq!(store.size(), 4);
}

#[tokio::test]
async fn a_checkpoint_fits_the_stored_entries_and_never_goes_back() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    // The last of several checkpoints of trees within the batch counts.
    let mut batch = with(append(0..3), checkpoint(2));
    batch.push(checkpoint(3));
    store.commit(batch).await.unwrap();
    let other = checkpoint_of((0..3).map(|_| b"other".to_vec()));
    for wrong in [checkpoint(2), checkpoint(4), other] {
        let refusal = refused(&mut store, vec![wrong]).await;
        assert!(matches!(refusal, Refusal::CheckpointOfOtherEntries(_)), "{refusal}");
    }
    let back = with(append(3..4), checkpoint(4));
    store.commit(with(back, checkpoint(4))).await.unwrap();
    let down = [append(4..5), vec![checkpoint(5), checkpoint(4)]].concat();
    assert_eq!(refused(&mut store, down).await, Refusal::CheckpointWentBack);
    assert_eq!(store.size(), 4);
    assert!(store.kept().await.unwrap().checkpoint.unwrap().contains("\n4\n"));
    // The refused batch left no trace: the same entries are accepted again.
    store.commit(with(append(4..5), checkpoint(5))).await.unwrap();
}

#[tokio::test]
async fn only_the_latest_cosignature_of_an_account_is_kept() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    store.commit(with(append(0..3), checkpoint(3))).await.unwrap();
    store.commit(vec![cosignature("ada", 2), cosignature("bob", 1)]).await.unwrap();
    store.commit(vec![cosignature("ada", 3), cosignature("ada", 1)]).await.unwrap();
    let kept = store.kept().await.unwrap().cosignatures;
    let kept: Vec<_> = kept.iter().map(|(account, size, _)| (account.as_str(), *size)).collect();
    assert_eq!(kept, [("ada", 3), ("bob", 1)]);
    let account = "ada".parse().unwrap();
    let line = "— x not/a/line\nor two".to_owned();
    let bad = CoordinatorChange::Cosignature { account, size: 3, line };
    let refusal = refused(&mut store, vec![CoordinatorWrite::Change(bad)]).await;
    assert_eq!(refusal, Refusal::NotACosignature);
}

#[tokio::test]
async fn a_changed_entry_is_found_when_the_store_is_opened() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    store.commit(with(append(0..3), checkpoint(3))).await.unwrap();
    let mut change = Batch::new();
    change.add("DROP TRIGGER entries_stay", []);
    change.add("UPDATE entries SET bytes = x'00' WHERE position = 1", []);
    store.database.commit(change).await.unwrap();
    store.close().await.unwrap();
    let error = CoordinatorStore::open(&fixture.directory).await.err().unwrap();
    assert!(matches!(error, StoreError::File(FileProblem::Damaged { .. })), "{error}");
}

#[tokio::test]
async fn an_older_database_knows_what_is_published_beyond_it() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    store.commit(with(append(0..3), checkpoint(3))).await.unwrap();
    store.close().await.unwrap();
    let backup = std::fs::read(fixture.directory.database()).unwrap();
    let mut store = fixture.open().await;
    store.commit(with(append(3..4), checkpoint(4))).await.unwrap();
    let mut publisher = Publisher::open(&fixture.directory).await.unwrap();
    assert_eq!(publisher.publish().await.unwrap(), 4);
    publisher.close().await.unwrap();
    store.close().await.unwrap();
    std::fs::write(fixture.directory.database(), &backup).unwrap();
    let mut store = fixture.open().await;
    assert_eq!(store.size(), 3);
    assert!(store.published_beyond().unwrap().contains("\n4\n"));
    // Nobody publishes less than that.
    let mut publisher = Publisher::open(&fixture.directory).await.unwrap();
    let error = publisher.publish().await.unwrap_err();
    let older = matches!(error, StoreError::OlderThanPublished { database: 3, published: 4, .. });
    assert!(older, "{error}");
    assert_eq!(published_entries(&fixture.directory.log(), 3, 4).unwrap(), [bytes_of(3)]);
    std::fs::remove_dir_all(fixture.directory.log().join("tile")).unwrap();
    assert!(published_entries(&fixture.directory.log(), 3, 4).is_none());
    store.commit(append(3..4)).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(fixture.open().await.published_beyond(), None);
}

#[tokio::test]
async fn what_a_log_has_to_reach_is_kept_until_it_was_compared() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    let CoordinatorWrite::Change(CoordinatorChange::Checkpoint { note, .. }) = checkpoint(4) else {
        panic!("a checkpoint")
    };
    let malformed = CoordinatorWrite::Require("no checkpoint".to_owned());
    assert_eq!(refused(&mut store, vec![malformed]).await, Refusal::NotACheckpoint);
    store.commit(vec![CoordinatorWrite::Require(note.clone())]).await.unwrap();
    store.close().await.unwrap();
    let mut store = fixture.open().await;
    let kept = store.kept().await.unwrap();
    assert_eq!((kept.required, kept.place), (Some(note), None));
    let place = store.place().unwrap();
    store.commit(vec![CoordinatorWrite::Compared(place.clone())]).await.unwrap();
    let kept = store.kept().await.unwrap();
    assert_eq!((kept.required, kept.place), (None, Some(place.clone())));
    // A copy is in another place.
    let copy = fixture.root.path().join("copy");
    std::fs::copy(fixture.directory.database(), &copy).unwrap();
    assert_ne!(Place::of(&copy).unwrap(), place);
}

#[tokio::test]
async fn a_database_that_contradicts_the_published_log_is_refused() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    store.commit(with(append(0..3), checkpoint(3))).await.unwrap();
    store.close().await.unwrap();
    let CoordinatorWrite::Change(CoordinatorChange::Checkpoint { note, .. }) =
        checkpoint_of((0..2).map(|_| b"other".to_vec()))
    else {
        panic!("a checkpoint")
    };
    std::fs::create_dir_all(fixture.directory.log()).unwrap();
    std::fs::write(fixture.directory.log().join("checkpoint"), note).unwrap();
    let error = CoordinatorStore::open(&fixture.directory).await.err().unwrap();
    assert!(matches!(error, StoreError::OtherThanPublished { size: 2, .. }), "{error}");
    std::fs::write(fixture.directory.log().join("checkpoint"), b"").unwrap();
    let error = CoordinatorStore::open(&fixture.directory).await.err().unwrap();
    assert!(matches!(error, StoreError::PublishedCheckpoint(_)), "{error}");
    assert!(fixture.root.path().exists());
}
