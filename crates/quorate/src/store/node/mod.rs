//! A node's store: its copy of the log, its key packages, and a record of what must not happen
//! twice.

mod stored_log;

use std::collections::BTreeMap;
use std::path::Path;

use quorate_ceremony::effect::NodeChange;
use quorate_ceremony::names::{EntryId, SessionId};
use quorate_ceremony::node::Saved;
use quorate_protocol::keys::KeyPackage;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::database::{Batch, Database, Schema, Value};
use super::entries::{add_entries, checkpoint_values, head_of, read_entries};
use super::error::{Refusal, StoreError};
use crate::keystore::PackageSealer;

pub use stored_log::{Stored, StoredLog};

/// The database of one account's node, `node.sqlite`.
///
/// The caller holds the [lock of the home](crate::home::Lock), so only one process opens the
/// database at a time.
pub struct NodeStore {
    database: Database,
    sealer: PackageSealer,
}

/// Reads the log and the latest cosigned checkpoint beside the node that writes the database. They
/// are not sealed.
///
/// # Errors
///
/// When there is no such database, or it cannot be read.
pub async fn read_log_beside_writer(
    path: &Path,
) -> Result<(Vec<Vec<u8>>, Option<String>), StoreError> {
    let mut database = Database::open_reader(path).await?;
    let entries = read_entries(&mut database, 0, u64::MAX, usize::MAX).await?;
    let cosigned = sqlx::query_scalar("SELECT note FROM cosigned")
        .fetch_optional(database.reading().await)
        .await
        .map_err(|error| StoreError::from_database(path, error))?;
    Ok((entries, cosigned))
}

impl NodeStore {
    /// Opens the database at `path`, or creates it.
    ///
    /// `sealer` seals key packages before they are written.
    ///
    /// # Errors
    ///
    /// When the database is damaged, of another kind, or of a newer version. The file is not
    /// changed.
    pub async fn open(path: &Path, sealer: PackageSealer) -> Result<Self, StoreError> {
        let mut database = Database::open(path, &SCHEMA).await?;
        // The previous process may have died after destroying a share and before this.
        database.empty_journal().await?;
        Ok(Self { database, sealer })
    }

    /// Reads everything committed.
    ///
    /// # Errors
    ///
    /// Also when this node's keys do not unseal a key package.
    pub async fn load(&mut self) -> Result<Saved, StoreError> {
        let entries = self.rows("SELECT bytes FROM entries ORDER BY position").await?;
        let proofs = self.rows("SELECT proof FROM misbehaviour ORDER BY position").await?;
        let mut saved = self.kept().await?;
        saved.entries = column(&entries).map_err(|error| self.failed(error))?;
        saved.misbehaviour = column(&proofs).map_err(|error| self.failed(error))?;
        saved.open(|session, sealed| self.unseal(session, &sealed))
    }

    /// Reads everything committed except the log and the proofs, with the key packages sealed, for
    /// a backup.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub(crate) async fn kept(&mut self) -> Result<Saved<Vec<u8>>, StoreError> {
        let cosigned = self.rows("SELECT note FROM cosigned").await?;
        let unexplained = self.rows("SELECT note FROM unexplained").await?;
        let refused = self.rows("SELECT request FROM refused").await?;
        let outbox = self.rows("SELECT bytes FROM outbox ORDER BY position").await?;
        let packages = self.rows("SELECT session, sealed FROM key_packages").await?;
        let sessions = self.rows(SESSIONS).await?;
        let read = || -> Result<_, sqlx::Error> {
            let refused = refused.iter().map(|row| bytes32(row).map(EntryId::new));
            Ok(Saved {
                cosigned: column(&cosigned)?.pop(),
                unexplained: column(&unexplained)?,
                refused: refused.collect::<Result<_, _>>()?,
                outbox: column(&outbox)?,
                packages: pairs(&packages)?,
                sessions: pairs(&sessions)?,
                ..Saved::default()
            })
        };
        read().map_err(|error| self.failed(error))
    }

    pub(crate) fn sealer(&self) -> &PackageSealer {
        &self.sealer
    }

    /// Makes all changes durable in order, or none of them. A key package is read back and unsealed
    /// before the function returns. A destroyed one is overwritten, also in the files that SQLite
    /// keeps next to the database; copies in the disk's controller or in a snapshot are out of
    /// reach.
    ///
    /// Let the future finish: if it is dropped, the changes may be durable or not.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] when a change contradicts stored data: entries that do not follow, a
    /// checkpoint that goes back, a session that is committed to or released twice, a key package
    /// that exists.
    pub async fn commit(&mut self, changes: Vec<NodeChange>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        let (mut made, mut destroyed) = (Vec::new(), false);
        for change in changes {
            match &change {
                NodeChange::KeyPackage { session, package } => {
                    made.push((*session, package.to_bytes()));
                }
                NodeChange::ShareDestroyed(_) => destroyed = true,
                _ => {}
            }
            self.add(&mut batch, change)?;
        }
        self.database.commit(batch).await?;
        for (session, package) in made {
            self.read_back(session, &package).await?;
        }
        if destroyed {
            self.database.empty_journal().await?;
        }
        Ok(())
    }

    /// Checks that a key package which was just stored is usable after a restart.
    async fn read_back(&mut self, session: SessionId, package: &[u8]) -> Result<(), StoreError> {
        let row = sqlx::query("SELECT sealed FROM key_packages WHERE session = ?")
            .bind(session.as_bytes().to_vec())
            .fetch_one(self.database.reading().await)
            .await
            .map_err(|error| self.failed(error))?;
        let sealed: &[u8] = row.try_get(0).map_err(|error| self.failed(error))?;
        if self.unseal(session, sealed)?.to_bytes().as_slice() == package {
            Ok(())
        } else {
            Err(StoreError::KeyPackage(self.database.path().to_owned()))
        }
    }

    /// Returns at most `limit` entries of the log, from index `first` on.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn entries(&mut self, first: u64, limit: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let query = "SELECT bytes FROM entries WHERE position >= ? ORDER BY position LIMIT ?";
        let rows = sqlx::query(query)
            .bind(number(first))
            .bind(number(limit))
            .fetch_all(self.database.reading().await)
            .await;
        let rows = rows.map_err(|error| self.failed(error))?;
        column(&rows).map_err(|error| self.failed(error))
    }

    /// Returns as many entries from `first` on as have together at most `max_bytes`, but at least
    /// one.
    ///
    /// # Errors
    ///
    /// When the database cannot be read. Missing entries are left out without an error.
    pub async fn entries_within(
        &mut self,
        first: u64,
        max_bytes: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        read_entries(&mut self.database, first, u64::MAX, max_bytes).await
    }

    /// Closes the database cleanly. Optional, because everything committed is durable.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub async fn close(self) -> Result<(), StoreError> {
        self.database.close().await
    }

    fn add(&self, batch: &mut Batch, change: NodeChange) -> Result<(), Refusal> {
        let session_value = |session: SessionId| Value::Blob(session.as_bytes().to_vec());
        match change {
            NodeChange::Entries { first, entries } => add_entries(batch, first, entries)?,
            NodeChange::Cosigned { checkpoint, size } => {
                let head = head_of(&checkpoint, size)?;
                batch.add(REPLACE_COSIGNED, checkpoint_values(head, checkpoint)?);
            }
            NodeChange::Misbehaviour(proof) => batch.add(
                "INSERT INTO misbehaviour (proof) VALUES (?) ON CONFLICT DO NOTHING",
                [Value::Text(proof.to_json())],
            ),
            NodeChange::Unexplained(note) => batch.add(
                "INSERT INTO unexplained VALUES (?) ON CONFLICT DO NOTHING",
                [Value::Text(note)],
            ),
            NodeChange::Explained(note) => {
                batch.add("DELETE FROM unexplained WHERE note = ?", [Value::Text(note)]);
            }
            NodeChange::Refused(request) => batch.add(
                "INSERT INTO refused VALUES (?) ON CONFLICT DO NOTHING",
                [Value::Blob(request.as_bytes().to_vec())],
            ),
            NodeChange::OutboxAdd(entry) => {
                let id = Value::Blob(entry.id().as_bytes().to_vec());
                batch.add(
                    "INSERT INTO outbox (id, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING",
                    [id, Value::Blob(entry.to_bytes())],
                );
            }
            NodeChange::OutboxRemove(id) => {
                let id = Value::Blob(id.as_bytes().to_vec());
                batch.add("DELETE FROM outbox WHERE id = ?", [id]);
            }
            NodeChange::KeyPackage { session, package } => {
                let sealed = self.sealer.seal(session, &package.to_bytes());
                let sealed = sealed.ok_or(Refusal::TooLarge)?;
                batch.add(
                    "INSERT INTO key_packages VALUES (?, ?)",
                    [session_value(session), Value::Blob(sealed)],
                );
            }
            NodeChange::ShareDestroyed(session) => {
                batch.add("DELETE FROM key_packages WHERE session = ?", [session_value(session)]);
            }
            NodeChange::Committed(session) => {
                batch.add("INSERT INTO committed VALUES (?)", [session_value(session)]);
            }
            NodeChange::Released(session) => {
                batch.add("INSERT INTO released VALUES (?)", [session_value(session)]);
            }
        }
        Ok(())
    }

    fn unseal(&self, session: SessionId, sealed: &[u8]) -> Result<KeyPackage, StoreError> {
        let damaged = || StoreError::KeyPackage(self.database.path().to_owned());
        let bytes = self.sealer.unseal(session, sealed).map_err(|_| damaged())?;
        KeyPackage::from_bytes(&bytes).map_err(|_| damaged())
    }

    async fn rows(&mut self, sql: &'static str) -> Result<Vec<SqliteRow>, StoreError> {
        let rows = sqlx::query(sql).fetch_all(self.database.reading().await).await;
        rows.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: sqlx::Error) -> StoreError {
        StoreError::from_database(self.database.path(), error)
    }
}

fn session(row: &SqliteRow) -> Result<SessionId, sqlx::Error> {
    bytes32(row).map(SessionId::new)
}

fn bytes32(row: &SqliteRow) -> Result<[u8; 32], sqlx::Error> {
    let bytes: &[u8] = row.try_get(0)?;
    bytes.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn pairs<'r, T>(rows: &'r [SqliteRow]) -> Result<BTreeMap<SessionId, T>, sqlx::Error>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    rows.iter().map(|row| Ok((session(row)?, row.try_get(1)?))).collect()
}

fn column<'r, T>(rows: &'r [SqliteRow]) -> Result<Vec<T>, sqlx::Error>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    rows.iter().map(|row| row.try_get(0)).collect()
}

const SESSIONS: &str = "SELECT session, session IN (SELECT session FROM released) FROM committed";

const REPLACE_COSIGNED: &str = "INSERT INTO cosigned VALUES (1, ?, ?, ?)
    ON CONFLICT DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note";

const SCHEMA: Schema =
    Schema { kind: "node", application_id: 0x5175_6f01, migrations: &[include_str!("1.sql")] };

#[cfg(test)]
mod tests;
