//! The coordinator's store of one IVN: the log's entries, its latest checkpoint, and cosignatures.

use quorate_ceremony::effect::CoordinatorChange;
use quorate_ceremony::names::AccountName;
use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::leaf_hash;
use quorate_log::note::NoteSignature;
use quorate_log::tree::{Frontier, TreeHead};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::database::{Batch, Database, Schema, Value};
use super::entries::{
    READ_AT_ONCE, add_entries, checkpoint_values, head_of, integer, read_entries,
};
use super::error::{Refusal, StoreError};
use super::place::Place;
use super::published::published_checkpoint;
use crate::home::IvnDirectory;

/// The log of one IVN, `log.sqlite`.
///
/// The caller holds the [lock of the home](crate::home::Lock), so only one process opens the
/// database at a time. [`Documents`](super::documents::Documents) and
/// [`Publisher`](super::publish::Publisher) work beside it.
pub struct CoordinatorStore {
    database: Database,
    frontier: Frontier,
    /// The published checkpoint, if the database lacks entries of its tree.
    published_beyond: Option<String>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CoordinatorWrite {
    Append {
        index: u64,
        entry: Vec<u8>,
    },
    Change(CoordinatorChange),
    /// The log has to reach this checkpoint, a signed note, before it continues.
    Require(String),
    /// The log was compared with the nodes' logs in this place, and nothing else is required.
    Compared(Place),
}

/// Stored data other than the entries.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Kept {
    /// The latest checkpoint, a signed note.
    pub checkpoint: Option<String>,
    /// Each account's latest cosignature: size of the tree, and signature line.
    pub cosignatures: Vec<(AccountName, u64, String)>,
    /// The checkpoint, a signed note, that the log has to reach before it continues.
    pub required: Option<String>,
    /// Where the log was last compared with the nodes' logs.
    pub place: Option<Place>,
}

impl CoordinatorStore {
    /// Opens the database of an IVN, or creates it, and recomputes its tree.
    ///
    /// # Errors
    ///
    /// When the database is damaged, of another kind, or of a newer version. Also when it is not
    /// the database whose checkpoint is published in `log/`: a coordinator that continued with it
    /// would sign a second history. The file is not changed. An older copy of that database is
    /// opened; see [`Self::published_beyond`].
    pub async fn open(directory: &IvnDirectory) -> Result<Self, StoreError> {
        let path = directory.database();
        let published = published_checkpoint(&directory.log())?;
        let database = Database::open(&path, &SCHEMA).await?;
        let mut store = Self { database, frontier: Frontier::default(), published_beyond: None };
        store.follow(published.as_ref().map(|signed| signed.unverified().head())).await?;
        store.published_beyond = published
            .filter(|signed| signed.unverified().size() > store.size())
            .map(|signed| signed.to_string());
        Ok(store)
    }

    /// Returns the checkpoint in `log/`, unverified, if the database lacks entries of its tree. A
    /// coordinator that appended others would sign a second history.
    pub fn published_beyond(&self) -> Option<&str> {
        self.published_beyond.as_deref()
    }

    /// Returns where the database is.
    ///
    /// # Errors
    ///
    /// When the file's metadata cannot be read.
    pub fn place(&self) -> Result<Place, StoreError> {
        Place::of(self.database.path())
    }

    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Makes all writes durable in order, or none of them.
    ///
    /// Let the future finish: if it is dropped, open the store again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] when an entry is not the next, or a checkpoint is not of the stored
    /// entries or goes back. A cosignature that is older than the account's stored one is skipped
    /// without an error.
    pub async fn commit(&mut self, writes: Vec<CoordinatorWrite>) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        let mut frontier = self.frontier.clone();
        let mut entries = Vec::new();
        let mut heads = Heads { start: self.frontier.clone(), leaves: Vec::new() };
        for write in writes {
            match write {
                CoordinatorWrite::Append { index, entry } => {
                    if index != frontier.size() {
                        return Err(Refusal::EntryOutOfOrder.into());
                    }
                    let leaf = leaf_hash(&entry);
                    frontier.append(leaf);
                    heads.leaves.push(leaf);
                    entries.push(entry);
                }
                CoordinatorWrite::Change(change) => add_change(&mut batch, &heads, change)?,
                CoordinatorWrite::Require(note) => {
                    note.parse::<SignedCheckpoint>().map_err(|_| Refusal::NotACheckpoint)?;
                    batch.add(REPLACE_REQUIRED, [Value::Text(note)]);
                }
                CoordinatorWrite::Compared(Place { machine, file }) => {
                    batch.add(REPLACE_PLACE, [Value::Text(machine), Value::Integer(file)]);
                    batch.add("DELETE FROM required", []);
                }
            }
        }
        // Nothing else in a batch depends on the order.
        add_entries(&mut batch, self.frontier.size(), entries)?;
        self.database.commit(batch).await?;
        self.frontier = frontier;
        Ok(())
    }

    /// Returns as many entries of `first..end` as have together at most `max_bytes`, but at least
    /// one.
    ///
    /// # Errors
    ///
    /// When the database cannot be read. Missing entries are left out without an error.
    pub async fn entries(
        &mut self,
        first: u64,
        end: u64,
        max_bytes: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        read_entries(&mut self.database, first, end, max_bytes).await
    }

    /// Returns all entries.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn all_entries(&mut self) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut entries = Vec::new();
        while (entries.len() as u64) < self.size() {
            let first = entries.len() as u64;
            entries.extend(self.entries(first, self.size(), READ_AT_ONCE).await?);
        }
        Ok(entries)
    }

    /// Returns the stored data other than the entries.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn kept(&mut self) -> Result<Kept, StoreError> {
        read_kept(&mut self.database).await
    }

    /// Closes the database cleanly. Optional, because everything committed is durable.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub async fn close(self) -> Result<(), StoreError> {
        self.database.close().await
    }

    /// Recomputes the tree, and compares it with the stored and the published checkpoint.
    async fn follow(&mut self, published: Option<TreeHead>) -> Result<(), StoreError> {
        let path = self.database.path().to_owned();
        let signed = self.kept().await?.checkpoint;
        let signed = signed.map(|note| note.parse::<SignedCheckpoint>()).transpose();
        let signed = signed.map_err(|_| StoreError::damaged(&path))?;
        let signed = signed.map(|signed| signed.unverified().head());
        loop {
            let entries = self.entries(self.size(), u64::MAX, READ_AT_ONCE).await?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                self.frontier.append(leaf_hash(&entry));
                let head =
                    |wanted: Option<TreeHead>| wanted.filter(|w| w.size == self.frontier.size());
                if head(signed).is_some_and(|signed| signed != self.frontier.head()) {
                    return Err(StoreError::damaged(&path));
                }
                if let Some(published) = head(published).filter(|p| *p != self.frontier.head()) {
                    return Err(StoreError::OtherThanPublished { path, size: published.size });
                }
            }
        }
        match signed.filter(|signed| signed.size > self.size()) {
            Some(_) => Err(StoreError::damaged(&path)),
            None => Ok(()),
        }
    }
}

/// The trees that exist while a batch is applied.
struct Heads {
    start: Frontier,
    leaves: Vec<quorate_log::Hash>,
}

impl Heads {
    /// Whether `head` was the tree at some point since the previous batch.
    fn include(&self, head: TreeHead) -> bool {
        let mut frontier = self.start.clone();
        for leaf in &self.leaves {
            if frontier.size() >= head.size {
                break;
            }
            frontier.append(*leaf);
        }
        frontier.head() == head
    }
}

fn add_change(batch: &mut Batch, heads: &Heads, change: CoordinatorChange) -> Result<(), Refusal> {
    match change {
        CoordinatorChange::Checkpoint { note, size } => {
            let head = head_of(&note, size)?;
            if !heads.include(head) {
                return Err(Refusal::CheckpointOfOtherEntries(head));
            }
            batch.add(REPLACE_CHECKPOINT, checkpoint_values(head, note)?);
        }
        CoordinatorChange::Cosignature { account, size, line } => {
            if line.parse::<NoteSignature>().is_err() {
                return Err(Refusal::NotACosignature);
            }
            let account = Value::Text(account.into());
            let size = Value::Integer(integer(size)?);
            batch.add(REPLACE_COSIGNATURE, [account, size, Value::Text(line)]);
        }
    }
    Ok(())
}

/// Reads the first entry and [`Kept`] beside the coordinator that writes the database.
///
/// # Errors
///
/// When there is no such database, or it cannot be read.
pub async fn read_beside_writer(directory: &IvnDirectory) -> Result<(Vec<u8>, Kept), StoreError> {
    let path = directory.database();
    let mut database = Database::open_reader(&path).await?;
    let genesis = read_entries(&mut database, 0, 1, READ_AT_ONCE).await?.pop();
    let genesis = genesis.ok_or_else(|| StoreError::damaged(&path))?;
    Ok((genesis, read_kept(&mut database).await?))
}

pub(super) async fn read_kept(database: &mut Database) -> Result<Kept, StoreError> {
    let path = database.path().to_owned();
    let failed = |error| StoreError::from_database(&path, error);
    let damaged = || StoreError::damaged(&path);
    let checkpoint = sqlx::query_scalar("SELECT note FROM checkpoint")
        .fetch_optional(database.reading().await)
        .await
        .map_err(failed)?;
    let rows = sqlx::query("SELECT account, size, line FROM cosignatures ORDER BY account")
        .fetch_all(database.reading().await)
        .await
        .map_err(failed)?;
    let cosignature = |row: &SqliteRow| {
        let account: &str = row.try_get(0).map_err(failed)?;
        let size: i64 = row.try_get(1).map_err(failed)?;
        let account = account.parse().map_err(|_| damaged())?;
        let size = size.try_into().map_err(|_| damaged())?;
        Ok((account, size, row.try_get(2).map_err(failed)?))
    };
    let cosignatures = rows.iter().map(cosignature).collect::<Result<_, StoreError>>()?;
    let required = sqlx::query_scalar("SELECT note FROM required")
        .fetch_optional(database.reading().await)
        .await
        .map_err(failed)?;
    let found = sqlx::query("SELECT machine, file FROM place")
        .fetch_optional(database.reading().await)
        .await
        .map_err(failed)?;
    let place = |row: SqliteRow| Ok(Place { machine: row.try_get(0)?, file: row.try_get(1)? });
    let place = found.map(place).transpose().map_err(failed)?;
    Ok(Kept { checkpoint, cosignatures, required, place })
}

const REPLACE_CHECKPOINT: &str = "INSERT INTO checkpoint VALUES (1, ?, ?, ?)
    ON CONFLICT DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note";

const REPLACE_REQUIRED: &str = "INSERT INTO required VALUES (1, ?)
    ON CONFLICT DO UPDATE SET note = excluded.note";

const REPLACE_PLACE: &str = "INSERT INTO place VALUES (1, ?, ?)
    ON CONFLICT DO UPDATE SET machine = excluded.machine, file = excluded.file";

const REPLACE_COSIGNATURE: &str = "INSERT INTO cosignatures VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET size = excluded.size, line = excluded.line WHERE excluded.size >= size";

const SCHEMA: Schema = Schema {
    kind: "coordinator",
    application_id: 0x5175_6f02,
    migrations: &[include_str!("1.sql")],
};

#[cfg(test)]
pub(in crate::store) mod tests;
