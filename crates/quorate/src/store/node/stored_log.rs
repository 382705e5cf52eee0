//! The part of a node's database that needs no keys: its copy of the log, and what it holds against
//! the coordinator.

use std::path::Path;

use quorate_ceremony::names::SessionId;
use sqlx::sqlite::SqliteRow;

use super::{SCHEMA, column, session};
use crate::store::database::{Batch, Database, Value};
use crate::store::entries::{add_entries, integer};
use crate::store::error::StoreError;

/// The log in a node's database. The caller holds the lock of the home.
pub struct StoredLog {
    database: Database,
}

/// What [`StoredLog::read`] returns.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stored {
    /// From the genesis on. Empty if the node has never run.
    pub entries: Vec<Vec<u8>>,
    /// The latest checkpoint that the node cosigned.
    pub cosigned: Option<String>,
    /// Proofs that the coordinator broke the rules.
    pub misbehaviour: Vec<String>,
    /// Checkpoints that did not fit the log.
    pub unexplained: Vec<String>,
    /// The sessions that gave the node its shares.
    pub shares: Vec<SessionId>,
}

impl StoredLog {
    /// Opens the database at `path`, or creates it.
    ///
    /// # Errors
    ///
    /// When it is damaged, of another kind, or of a newer version.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(path, &SCHEMA).await? })
    }

    /// Reads all of it.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn read(&mut self) -> Result<Stored, StoreError> {
        let entries = self.rows("SELECT bytes FROM entries ORDER BY position").await?;
        let cosigned = self.rows("SELECT note FROM cosigned").await?;
        let misbehaviour = self.rows("SELECT proof FROM misbehaviour ORDER BY position").await?;
        let unexplained = self.rows("SELECT note FROM unexplained").await?;
        let shares = self.rows("SELECT session FROM key_packages").await?;
        let read = || -> Result<_, sqlx::Error> {
            Ok(Stored {
                entries: column(&entries)?,
                cosigned: column(&cosigned)?.pop(),
                misbehaviour: column(&misbehaviour)?,
                unexplained: column(&unexplained)?,
                shares: shares.iter().map(session).collect::<Result<_, _>>()?,
            })
        };
        read().map_err(|error| StoreError::from_database(self.database.path(), error))
    }

    /// Keeps the first `keep` entries, and continues with `entries`. Forgets which checkpoint the
    /// node cosigned, and what it holds against the coordinator. All of this happens, or nothing.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub async fn replace(&mut self, keep: u64, entries: Vec<Vec<u8>>) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.add("INSERT INTO replacing VALUES (1)", []);
        batch.add("DELETE FROM entries WHERE position >= ?", [Value::Integer(integer(keep)?)]);
        batch.add("DELETE FROM cosigned", []);
        batch.add("DELETE FROM misbehaviour", []);
        batch.add("DELETE FROM unexplained", []);
        batch.add("DELETE FROM replacing", []);
        add_entries(&mut batch, keep, entries)?;
        self.database.commit(batch).await
    }

    async fn rows(&mut self, sql: &'static str) -> Result<Vec<SqliteRow>, StoreError> {
        let rows = sqlx::query(sql).fetch_all(self.database.reading().await).await;
        rows.map_err(|error| StoreError::from_database(self.database.path(), error))
    }
}
