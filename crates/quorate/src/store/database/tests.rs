//! Properties of every database: checked on opening, atomic batches, unharmed by a full disk.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::file_problem::FileProblem;
use crate::store::Refusal;

const SCHEMA: Schema = Schema { kind: "test", application_id: 7, migrations: &[CREATE] };

const CREATE: &str = "CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB NOT NULL) STRICT;";

const INSERT: &str = "INSERT INTO t VALUES (?, ?)";

async fn database(directory: &tempfile::TempDir) -> Database {
    Database::open(&path(directory), &SCHEMA).await.unwrap()
}

fn path(directory: &tempfile::TempDir) -> PathBuf {
    directory.path().join("test.sqlite")
}

fn insert(rows: impl IntoIterator<Item = i64>) -> Batch {
    let mut batch = Batch::new();
    for row in rows {
        batch.add(INSERT, [Value::Integer(row), Value::Blob(vec![7; 100])]);
    }
    batch
}

async fn rows(database: &mut Database) -> Vec<i64> {
    query_scalar("SELECT a FROM t ORDER BY a").fetch_all(database.reading().await).await.unwrap()
}

#[tokio::test]
async fn a_new_database_is_private_and_durable() {
    let directory = tempfile::tempdir().unwrap();
    let mut database = database(&directory).await;
    database.commit(insert([1])).await.unwrap();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.path());
    }
    let mode: String =
        query_scalar("PRAGMA journal_mode").fetch_one(database.reading().await).await.unwrap();
    let synchronous: i64 =
        query_scalar("PRAGMA synchronous").fetch_one(database.reading().await).await.unwrap();
    assert_eq!((mode.as_str(), synchronous), ("wal", 2));
}

#[tokio::test]
async fn a_batch_is_committed_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let mut database = database(&directory).await;
    database.commit(insert([1, 2])).await.unwrap();
    assert!(database.commit(insert([3, 1])).await.is_err());
    assert_eq!(rows(&mut database).await, [1, 2]);
    database.commit(insert([3])).await.unwrap();
    assert_eq!(rows(&mut database).await, [1, 2, 3]);
}

#[tokio::test]
async fn many_rows_are_committed_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let mut database = database(&directory).await;
    let mut batch = Batch::new();
    let all = (0..1000).map(|row| [Value::Integer(row), Value::Blob(Vec::new())]);
    batch.add_rows("INSERT INTO t VALUES", all);
    batch.add("DELETE FROM t WHERE a = ?", [Value::Integer(999)]);
    assert!(!batch.repeats);
    database.commit(batch).await.unwrap();
    assert_eq!(rows(&mut database).await, (0..999).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_batch_whose_future_was_dropped_is_not_seen_half_done() {
    let directory = tempfile::tempdir().unwrap();
    let mut database = database(&directory).await;
    let mut left_out = Batch::new();
    left_out.add(INSERT, [Value::Integer(1), Value::Blob(vec![])]);
    // A future dropped at its worst moment leaves a transaction that nobody ends.
    database.connection.execute("BEGIN IMMEDIATE; INSERT INTO t VALUES (1, x'')").await.unwrap();
    database.interrupted = true;
    assert_eq!(rows(&mut database).await, [0i64; 0]);
    database.commit(left_out).await.unwrap();
    assert_eq!(rows(&mut database).await, [1]);
}

#[tokio::test]
async fn a_damaged_database_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let mut whole = database(&directory).await;
    whole.commit(insert(0..200)).await.unwrap();
    whole.close().await.unwrap();
    let path = path(&directory);
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 16 * 1024);
    let cuts = [0, 1, 50, 100, 4096, bytes.len() / 2, bytes.len() - 1];
    let mut damaged: Vec<_> = cuts.iter().map(|cut| bytes[..*cut].to_vec()).collect();
    let mut zeroed = bytes.clone();
    zeroed[8192..12288].fill(0);
    damaged.push(zeroed);
    damaged.push(b"not a database at all".repeat(100));
    for (number, damaged) in damaged.into_iter().enumerate() {
        fs::write(&path, &damaged).unwrap();
        let error = Database::open(&path, &SCHEMA).await.err();
        let error = error.unwrap_or_else(|| panic!("{number} was opened"));
        assert!(
            matches!(error, StoreError::File(FileProblem::Damaged { .. })),
            "{number}: {error}"
        );
        assert!(error.to_string().contains("test.sqlite"), "{error}");
        assert!(fs::read(&path).unwrap() == damaged, "{number} was changed");
    }
    fs::write(&path, &bytes).unwrap();
    assert_eq!(rows(&mut Database::open(&path, &SCHEMA).await.unwrap()).await.len(), 200);
}

#[tokio::test]
async fn a_database_of_another_kind_or_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    database(&directory).await.close().await.unwrap();
    let before = fs::read(path(&directory)).unwrap();
    let other = Schema { application_id: 8, ..SCHEMA };
    let error = Database::open(&path(&directory), &other).await.err().unwrap();
    assert!(matches!(error, StoreError::OtherKind { .. }), "{error}");
    let older = Schema { migrations: &[], ..SCHEMA };
    let error = Database::open(&path(&directory), &older).await.err().unwrap();
    assert!(
        matches!(error, StoreError::File(FileProblem::Newer { found: 1, known: 0, .. })),
        "{error}"
    );
    assert_eq!(fs::read(path(&directory)).unwrap(), before);
}

#[tokio::test]
async fn an_older_format_is_brought_up_to_date_and_keeps_its_content() {
    let directory = tempfile::tempdir().unwrap();
    let mut old = database(&directory).await;
    old.commit(insert([1])).await.unwrap();
    old.close().await.unwrap();
    let newer = Schema { migrations: &[CREATE, "ALTER TABLE t ADD COLUMN c INTEGER;"], ..SCHEMA };
    for _ in 0..2 {
        let mut new = Database::open(&path(&directory), &newer).await.unwrap();
        assert_eq!(rows(&mut new).await, [1]);
        new.reading().await.execute("SELECT c FROM t").await.unwrap();
        new.close().await.unwrap();
    }
    assert!(matches!(
        Database::open(&path(&directory), &SCHEMA).await,
        Err(StoreError::File(FileProblem::Newer { found: 2, known: 1, .. }))
    ));
}

#[tokio::test]
async fn a_journal_without_its_database_is_not_a_fresh_start() {
    let directory = tempfile::tempdir().unwrap();
    let mut database = database(&directory).await;
    database.commit(insert([1])).await.unwrap();
    fs::rename(path(&directory), directory.path().join("elsewhere")).unwrap();
    let error = Database::open(&path(&directory), &SCHEMA).await.err().unwrap();
    assert!(matches!(error, StoreError::JournalAlone(_)), "{error}");
    assert!(!path(&directory).exists());
}

#[tokio::test]
async fn an_unreadable_database_is_not_treated_as_missing() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), b"").unwrap();
    let below_a_file = directory.path().join("file/test.sqlite");
    let error = Database::open(&below_a_file, &SCHEMA).await.err().unwrap();
    assert!(matches!(error, StoreError::File(FileProblem::Unreadable { .. })), "{error}");
}

#[tokio::test]
async fn a_full_database_is_an_error_of_its_own_and_stays_usable() {
    let directory = tempfile::tempdir().unwrap();
    let mut database = database(&directory).await;
    database.commit(insert([1])).await.unwrap();
    database.reading().await.execute("PRAGMA max_page_count = 4").await.unwrap();
    let error = database.commit(insert(2..1000)).await.unwrap_err();
    assert!(matches!(error, StoreError::File(FileProblem::DiskFull(_))), "{error}");
    assert_eq!(rows(&mut database).await, [1]);
    database.commit(insert([2])).await.unwrap();
    assert_eq!(rows(&mut database).await, [1, 2]);
}

/// A file system of its own that ends with the test.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Returns `None` where the machine does not permit mounting.
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=512k", "tmpfs"])
            .arg(directory.path())
            .output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(directory))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(std::process::Command::new("umount").arg("-l").arg(self.0.path()).output());
    }
}

#[tokio::test]
async fn on_a_full_disk_old_data_is_readable_and_space_ends_the_error() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: this machine does not let the test mount a small file system");
        return;
    };
    let mut database = database(&disk.0).await;
    database.commit(insert([1])).await.unwrap();
    let filler = disk.0.path().join("filler");
    let full = fs::write(&filler, vec![0; 1 << 20]).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    let error = database.commit(insert(2..1000)).await.unwrap_err();
    assert!(matches!(error, StoreError::File(FileProblem::DiskFull(_))), "{error}");
    assert_eq!(rows(&mut database).await, [1]);
    fs::remove_file(filler).unwrap();
    database.commit(insert([2])).await.unwrap();
    database.close().await.unwrap();
    let mut again = Database::open(&path(&disk.0), &SCHEMA).await.unwrap();
    assert_eq!(rows(&mut again).await, [1, 2]);
}

#[test]
fn every_name_that_a_trigger_refuses_with_is_known() {
    let sql = [include_str!("../node/1.sql"), include_str!("../coordinator/1.sql")].concat();
    let names: Vec<_> = sql.split("RAISE(ABORT, '").skip(1).collect();
    assert!(names.len() > 8);
    for name in names {
        let name = name.split('\'').next().unwrap();
        assert!(Refusal::named(name).is_some(), "{name}");
    }
}
