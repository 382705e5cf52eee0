//! The published directory: complete at every moment, and independent of how it was written.

use std::collections::BTreeMap;

use proptest::prelude::*;
use quorate_log::checkpoint::{CosignerSet, VerifiedCheckpoint};
use quorate_log::tile::verify_tiles;

use super::*;
use crate::store::coordinator::CoordinatorStore;
use crate::store::coordinator::tests::{
    Fixture, append, bytes_of, checkpoint, cosignature, cosigner, signer,
};

async fn extend(store: &mut CoordinatorStore, end: u64) {
    let mut writes = append(store.size()..end);
    writes.push(checkpoint(end));
    store.commit(writes).await.unwrap();
}

/// Verifies the directory with the log's key, as an auditor does.
fn verified(log: &Path) -> VerifiedCheckpoint {
    let note = fs::read_to_string(log.join(CHECKPOINT)).unwrap();
    let signed: SignedCheckpoint = note.parse().unwrap();
    let verified = signed.verify(signer().verifier()).unwrap();
    verify_tiles(&Directory(log), verified.head()).unwrap();
    verified
}

fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}

/// As [`files`], with paths relative to the directory.
fn content(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let relative = |path: PathBuf| path.strip_prefix(directory).unwrap().to_owned();
    files(directory).into_iter().map(|(path, bytes)| (relative(path), bytes)).collect()
}

fn copy(from: &Path, to: &Path) {
    for (path, bytes) in content(from) {
        fs::create_dir_all(to.join(&path).parent().unwrap()).unwrap();
        fs::write(to.join(path), bytes).unwrap();
    }
}

#[tokio::test]
async fn without_a_checkpoint_nothing_is_published() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    store.commit(append(0..3)).await.unwrap();
    let mut publisher = Publisher::open(&fixture.directory).await.unwrap();
    assert_eq!(publisher.publish().await.unwrap(), 0);
    assert!(!fixture.directory.log().exists());
}

#[tokio::test]
async fn the_directory_alone_verifies_and_holds_the_entries() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    let mut publisher = Publisher::open(&fixture.directory).await.unwrap();
    for end in [1, 2, 255, 256, 257, 600] {
        extend(&mut store, end).await;
        assert_eq!(publisher.publish().await.unwrap(), end);
        assert_eq!(verified(&fixture.directory.log()).head().size, end);
    }
    let log = fixture.directory.log();
    let entries = quorate_log::tile::Entries::new(Directory(&log), 600, 0..600);
    assert!(entries.map(Result::unwrap).all(|(index, entry)| entry == bytes_of(index)));
    // Files that a full one replaces are gone.
    assert!(!log.join("tile/entries/000.p").exists() && log.join("tile/entries/000").exists());
}

#[tokio::test]
async fn publishing_again_without_news_changes_no_file() {
    let fixture = Fixture::new();
    extend(&mut fixture.open().await, 3).await;
    let mut publisher = Publisher::open(&fixture.directory).await.unwrap();
    publisher.publish().await.unwrap();
    let path = fixture.directory.log().join(CHECKPOINT);
    let before = fs::metadata(&path).unwrap();
    publisher.publish().await.unwrap();
    use std::os::unix::fs::MetadataExt as _;
    // A replaced file would have a different inode.
    assert_eq!(fs::metadata(&path).unwrap().ino(), before.ino());
}

#[tokio::test]
async fn the_checkpoint_carries_the_cosignatures_that_are_of_it() {
    let fixture = Fixture::new();
    let mut store = fixture.open().await;
    extend(&mut store, 3).await;
    let mut publisher = Publisher::open(&fixture.directory).await.unwrap();
    publisher.publish().await.unwrap();
    store.commit(vec![cosignature("ada", 3), cosignature("bob", 2)]).await.unwrap();
    publisher.publish().await.unwrap();
    let all = ["ada", "bob", "cyd"].map(|account| cosigner(account).verifier().clone());
    let all = CosignerSet::new(all).unwrap();
    let log = fixture.directory.log();
    let names = |checkpoint: VerifiedCheckpoint| {
        let cosigners = checkpoint.cosigned_by(&all).unwrap();
        cosigners.times().keys().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(names(verified(&log)), ["example.com/ivn/1/ada"]);
    store.commit(vec![cosignature("bob", 3)]).await.unwrap();
    publisher.publish().await.unwrap();
    assert_eq!(names(verified(&log)).len(), 2);
    extend(&mut store, 4).await;
    publisher.publish().await.unwrap();
    assert_eq!(names(verified(&log)).len(), 0);
}

#[tokio::test]
async fn the_next_publisher_continues_after_a_killed_one() {
    let fixture = Fixture::new();
    let log = fixture.directory.log();
    let mut store = fixture.open().await;
    extend(&mut store, 250).await;
    Publisher::open(&fixture.directory).await.unwrap().publish().await.unwrap();
    let before = tempfile::tempdir().unwrap();
    copy(&log, before.path());
    extend(&mut store, 300).await;
    Publisher::open(&fixture.directory).await.unwrap().publish().await.unwrap();
    let after = content(&log);
    // Any of the new files may exist, in any state that a rename leaves; the old checkpoint still
    // verifies.
    let new: Vec<_> = after.iter().filter(|(path, _)| !path.ends_with(CHECKPOINT)).collect();
    for there in 0..=new.len() {
        fs::remove_dir_all(&log).unwrap();
        copy(before.path(), &log);
        for (path, bytes) in new.iter().take(there) {
            fs::create_dir_all(log.join(path).parent().unwrap()).unwrap();
            fs::write(log.join(path), bytes).unwrap();
        }
        fs::write(log.join("tile/entries/000.1-2.unfinished"), b"cut off").unwrap();
        assert_eq!(verified(&log).head().size, 250);
        Publisher::open(&fixture.directory).await.unwrap().publish().await.unwrap();
        assert_eq!(verified(&log).head().size, 300);
        assert_eq!(content(&log), after, "{there}");
    }
}

#[tokio::test]
async fn damaged_files_at_the_edge_are_made_anew() {
    let fixture = Fixture::new();
    let log = fixture.directory.log();
    let mut store = fixture.open().await;
    extend(&mut store, 300).await;
    Publisher::open(&fixture.directory).await.unwrap().publish().await.unwrap();
    for damaged in ["tile/0/001.p/44", "tile/entries/001.p/44", "tile/1/000.p/1"] {
        fs::write(log.join(damaged), b"damaged").unwrap();
        Publisher::open(&fixture.directory).await.unwrap().publish().await.unwrap();
        verified(&log);
    }
    // Without the checkpoint, everything is written again.
    fs::write(log.join("tile/0/000"), b"damaged").unwrap();
    fs::remove_file(log.join(CHECKPOINT)).unwrap();
    Publisher::open(&fixture.directory).await.unwrap().publish().await.unwrap();
    verified(&log);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn the_directory_is_the_same_however_the_batches_were_cut(
        steps in proptest::collection::vec((1u64..250, any::<bool>()), 1..5),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (pieces, whole) = (Fixture::new(), Fixture::new());
            let mut store = pieces.open().await;
            let mut publisher = Publisher::open(&pieces.directory).await.unwrap();
            for (entries, restart) in &steps {
                let end = store.size() + entries;
                extend(&mut store, end).await;
                publisher.publish().await.unwrap();
                if *restart {
                    publisher = Publisher::open(&pieces.directory).await.unwrap();
                }
            }
            extend(&mut whole.open().await, store.size()).await;
            Publisher::open(&whole.directory).await.unwrap().publish().await.unwrap();
            verified(&pieces.directory.log());
            let pieces = content(&pieces.directory.log());
            // Partial files of earlier sizes stay until the full file exists. There is no other
            // difference.
            for (path, bytes) in content(&whole.directory.log()) {
                assert_eq!(pieces.get(&path), Some(&bytes), "{path:?}");
            }
            for path in pieces.keys().filter(|path| !path.ends_with(CHECKPOINT)) {
                let path: quorate_log::tile::TilePath = path.to_str().unwrap().parse().unwrap();
                assert!(path.index() * 256 < store.size());
            }
        });
    }
}
