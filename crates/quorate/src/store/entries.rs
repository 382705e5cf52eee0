//! The tables of entries and checkpoints, which the stores of nodes and coordinators both have.

use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::tree::TreeHead;
use sqlx::Row as _;

use super::database::{Batch, Database, Value};
use super::error::{Refusal, StoreError};

/// Bytes of entries that are in memory at a time while all are read.
pub(super) const READ_AT_ONCE: usize = 4 << 20;

/// How many bytes of entries one message between a node and the coordinator carries at most; in
/// base64 they fit its frame.
pub(crate) const IN_A_MESSAGE: usize = 512 << 10;

/// Bounds the rows that are read in vain when few entries fit: 64 of the longest are 4 MiB.
const ROWS_AT_ONCE: i64 = 64;

/// Adds entries from index `first` on.
pub(super) fn add_entries(
    batch: &mut Batch,
    first: u64,
    entries: Vec<Vec<u8>>,
) -> Result<(), Refusal> {
    let end = first.checked_add(entries.len() as u64).ok_or(Refusal::TooLarge)?;
    integer(end)?;
    let first = integer(first)?;
    batch.add_rows(
        "INSERT INTO entries VALUES",
        (first..).zip(entries).map(|(index, bytes)| [Value::Integer(index), Value::Blob(bytes)]),
    );
    Ok(())
}

/// Reads the tree head in a checkpoint, without checking its signatures.
pub(super) fn head_of(checkpoint: &str, size: u64) -> Result<TreeHead, Refusal> {
    let signed: SignedCheckpoint = checkpoint.parse().map_err(|_| Refusal::NotACheckpoint)?;
    let head = signed.unverified().head();
    if head.size == size { Ok(head) } else { Err(Refusal::NotACheckpoint) }
}

/// Returns the columns of the checkpoint tables: size, root, note.
pub(super) fn checkpoint_values(head: TreeHead, note: String) -> Result<[Value; 3], Refusal> {
    let root = Value::Blob(head.root.as_bytes().to_vec());
    Ok([Value::Integer(integer(head.size)?), root, Value::Text(note)])
}

/// SQLite's integers are signed.
pub(super) fn integer(number: u64) -> Result<i64, Refusal> {
    number.try_into().map_err(|_| Refusal::TooLarge)
}

/// Reads as many entries of `first..end` as have together at most `max_bytes`, but at least one.
pub(super) async fn read_entries(
    database: &mut Database,
    first: u64,
    end: u64,
    max_bytes: usize,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let path = database.path().to_owned();
    let failed = |error| StoreError::from_database(&path, error);
    let mut next = i64::try_from(first).unwrap_or(i64::MAX);
    let end = i64::try_from(end).unwrap_or(i64::MAX);
    let mut entries = Vec::new();
    let mut bytes = 0;
    loop {
        let rows = sqlx::query("SELECT bytes FROM entries WHERE position >= ? AND position < ? ORDER BY position LIMIT ?")
            .bind(next)
            .bind(end)
            .bind(ROWS_AT_ONCE)
            .fetch_all(database.reading().await)
            .await
            .map_err(failed)?;
        if rows.is_empty() {
            return Ok(entries);
        }
        next = next.saturating_add(ROWS_AT_ONCE);
        for row in rows {
            let entry: Vec<u8> = row.try_get(0).map_err(failed)?;
            bytes += entry.len();
            if bytes > max_bytes && !entries.is_empty() {
                return Ok(entries);
            }
            entries.push(entry);
        }
    }
}
