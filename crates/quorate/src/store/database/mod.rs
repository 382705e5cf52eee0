//! One SQLite file with one writer: checked before it is opened, written one batch at a time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous,
};
use sqlx::{
    Arguments as _, AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _,
    query_scalar, query_with,
};

use super::durable;
use super::error::StoreError;
use crate::file_problem::FileProblem;

/// The purpose of a database, and the migrations of its tables.
pub(super) struct Schema {
    pub(super) kind: &'static str,
    /// Marks the file as ours and of this kind (SQLite's `application_id`). Never reused.
    pub(super) application_id: i32,
    /// Statements that lead from one format to the next, starting with an empty file. Append only.
    pub(super) migrations: &'static [&'static str],
}

impl Schema {
    fn version(&self) -> i64 {
        i64::try_from(self.migrations.len()).unwrap_or(i64::MAX)
    }
}

pub(super) struct Database {
    path: PathBuf,
    connection: SqliteConnection,
    /// A batch was begun and its end is unknown, because its future was dropped or it failed.
    interrupted: bool,
}

impl Database {
    /// Opens the database, or creates it. An existing one is checked before anything is written to
    /// it.
    pub(super) async fn open(path: &Path, schema: &Schema) -> Result<Self, StoreError> {
        match fs::metadata(path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path, schema).await?,
            Err(error) => return Err(StoreError::from_read(path, error)),
        }
        let found = inspect(path, schema).await?;
        let options = options(path)
            .journal_mode(SqliteJournalMode::Wal)
            // In WAL mode, NORMAL loses the last commits in a power failure: a released share could
            // be forgotten.
            .synchronous(SqliteSynchronous::Full)
            // Overwrites deleted data, which may be a share.
            .pragma("secure_delete", "ON")
            .busy_timeout(Duration::from_secs(5));
        let connection = connect(path, options).await?;
        let mut database = Self { path: path.to_owned(), connection, interrupted: false };
        for (version, migration) in (1i64..).zip(schema.migrations) {
            if version > found {
                let migration = in_transaction(migration, version);
                database.execute(migration).await?;
            }
        }
        Ok(database)
    }

    /// Opens a database that [`Self::open`] has opened before, to read beside its writer.
    pub(super) async fn open_reader(path: &Path) -> Result<Self, StoreError> {
        let connection = connect(path, options(path).read_only(true)).await?;
        Ok(Self { path: path.to_owned(), connection, interrupted: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a whole batch durable, or nothing of it. Takes about one `fdatasync`.
    ///
    /// After an error the database is unchanged and usable. If the future is dropped before it is
    /// ready, the batch may be durable or not.
    pub(super) async fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.finish_interrupted().await;
        let Batch { mut sql, arguments, repeats } = batch;
        sql.push_str("COMMIT");
        self.interrupted = true;
        // One call for all statements: each trip to the database's thread costs more than a
        // statement.
        let run = query_with(AssertSqlSafe(sql), arguments).persistent(repeats);
        match self.connection.execute(run).await {
            Ok(_) => {
                self.interrupted = false;
                Ok(())
            }
            Err(error) => {
                self.finish_interrupted().await;
                Err(StoreError::from_database(&self.path, error))
            }
        }
    }

    /// Moves everything into the database and empties the files next to it, in which deleted data
    /// may still be readable. Where a reader blocks that for longer than a statement may take, it
    /// is left to the next start.
    pub(super) async fn empty_journal(&mut self) -> Result<(), StoreError> {
        self.finish_interrupted().await;
        self.execute("PRAGMA wal_checkpoint(TRUNCATE)".to_owned()).await
    }

    /// Returns the connection for reading. Not for use within a batch.
    pub(super) async fn reading(&mut self) -> &mut SqliteConnection {
        self.finish_interrupted().await;
        &mut self.connection
    }

    /// Closes the database and removes the files that SQLite keeps next to it. After a crash they
    /// stay, and nothing is lost.
    pub(super) async fn close(mut self) -> Result<(), StoreError> {
        self.finish_interrupted().await;
        let closed = self.connection.close().await;
        closed.map_err(|error| StoreError::from_database(&self.path, error))
    }

    async fn execute(&mut self, sql: String) -> Result<(), StoreError> {
        let result = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await;
        result.map(drop).map_err(|error| StoreError::from_database(&self.path, error))
    }

    async fn finish_interrupted(&mut self) {
        if self.interrupted {
            // Fails if SQLite has already rolled back; in both cases no transaction is open
            // afterwards.
            drop(self.connection.execute("ROLLBACK").await);
            self.interrupted = false;
        }
    }
}

/// Statements that run as one transaction.
pub(super) struct Batch {
    sql: String,
    arguments: SqliteArguments,
    /// Whether the batch is short enough to be worth keeping prepared.
    repeats: bool,
}

/// A value for a statement's `?`.
pub(super) enum Value {
    Integer(i64),
    Blob(Vec<u8>),
    Text(String),
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            sql: "BEGIN IMMEDIATE;".to_owned(),
            arguments: SqliteArguments::default(),
            repeats: true,
        }
    }

    /// Adds a statement with as many `?` as there are values.
    pub(super) fn add<const N: usize>(&mut self, sql: &'static str, values: [Value; N]) {
        self.sql.push_str(sql);
        self.end_statement();
        self.bind(values);
    }

    /// Adds rows of `N` columns; `insert` ends in `VALUES`.
    pub(super) fn add_rows<const N: usize>(
        &mut self,
        insert: &'static str,
        rows: impl IntoIterator<Item = [Value; N]>,
    ) {
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            self.sql.push_str(insert);
            for (position, row) in rows.by_ref().take(ROWS_PER_STATEMENT).enumerate() {
                self.sql.push_str(if position == 0 { " (" } else { ",(" });
                self.sql.push_str(&["?"; N].join(","));
                self.sql.push(')');
                self.bind(row);
            }
            self.end_statement();
        }
    }

    fn end_statement(&mut self) {
        self.sql.push(';');
        self.repeats &= self.sql.len() <= LONGEST_KEPT;
    }

    fn bind<const N: usize>(&mut self, values: [Value; N]) {
        for value in values {
            let bound = match value {
                Value::Integer(value) => self.arguments.add(value),
                Value::Blob(value) => self.arguments.add(value),
                Value::Text(value) => self.arguments.add(value),
            };
            // Binding these three types cannot fail; if it did, SQLite would see NULL, which no
            // column accepts.
            drop(bound);
        }
    }
}

/// Creates the file under another name first, so that a crash leaves a whole file or none.
async fn create(path: &Path, schema: &Schema) -> Result<(), StoreError> {
    if fs::exists(journal_of(path)).map_err(|error| StoreError::from_read(path, error))? {
        return Err(StoreError::JournalAlone(path.to_owned()));
    }
    let unfinished = durable::unfinished_name(path);
    let made = create_at(&unfinished, schema).await.and_then(|()| {
        let directory = durable::directory_of(path);
        fs::rename(&unfinished, path)
            .and_then(|()| durable::sync_directory(directory))
            .map_err(|error| StoreError::from_write(path, error))
    });
    if made.is_err() {
        drop(fs::remove_file(&unfinished));
    }
    made
}

async fn create_at(path: &Path, schema: &Schema) -> Result<(), StoreError> {
    let file = durable::create_empty(path).map_err(|error| StoreError::from_write(path, error))?;
    let options =
        options(path).journal_mode(SqliteJournalMode::Memory).synchronous(SqliteSynchronous::Full);
    let connection = connect(path, options).await?;
    let mut database = Database { path: path.to_owned(), connection, interrupted: false };
    database.execute(format!("PRAGMA application_id = {}", schema.application_id)).await?;
    for (version, migration) in (1i64..).zip(schema.migrations) {
        database.execute(in_transaction(migration, version)).await?;
    }
    database.close().await?;
    file.sync_all().map_err(|error| StoreError::from_write(path, error))
}

/// Checks a database without writing to it, not even for SQLite's recovery. Returns its format.
async fn inspect(path: &Path, schema: &Schema) -> Result<i64, StoreError> {
    let length = fs::metadata(path).map_err(|error| StoreError::from_read(path, error))?.len();
    // SQLite treats a very short file as a new database.
    if length < SMALLEST_PAGE {
        return Err(StoreError::damaged(path));
    }
    fs::File::open(path).map_err(|error| StoreError::from_read(path, error))?;
    let mut connection = connect(path, options(path).read_only(true)).await?;
    let inspected = inspect_open(path, &mut connection, schema, length).await;
    drop(connection.close().await);
    inspected
}

async fn inspect_open(
    path: &Path,
    connection: &mut SqliteConnection,
    schema: &Schema,
    length: u64,
) -> Result<i64, StoreError> {
    let failed = |error| StoreError::from_database(path, error);
    let id: i32 =
        query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await.map_err(failed)?;
    if id != schema.application_id {
        return Err(StoreError::OtherKind { path: path.to_owned(), expected: schema.kind });
    }
    let found: i64 =
        query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(failed)?;
    if found > schema.version() {
        let (path, found) = (path.to_owned(), found.unsigned_abs());
        let known = schema.version().unsigned_abs();
        return Err(FileProblem::Newer { path, found, known }.into());
    }
    let verdict: String =
        query_scalar("PRAGMA quick_check(1)").fetch_one(&mut *connection).await.map_err(failed)?;
    let page: i64 = query_scalar("PRAGMA page_size").fetch_one(connection).await.map_err(failed)?;
    // SQLite reads zeros where a page is cut off. If there is a journal, it may repair that.
    let journal = fs::metadata(journal_of(path)).map_or(0, |metadata| metadata.len());
    let cut_off = journal == 0 && length.checked_rem(page.unsigned_abs()) != Some(0);
    if found < 1 || verdict != "ok" || cut_off {
        return Err(StoreError::damaged(path));
    }
    Ok(found)
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).disable_statement_logging()
}

async fn connect(
    path: &Path,
    options: SqliteConnectOptions,
) -> Result<SqliteConnection, StoreError> {
    options.connect().await.map_err(|error| StoreError::from_database(path, error))
}

fn in_transaction(migration: &str, version: i64) -> String {
    format!("BEGIN IMMEDIATE; {migration} PRAGMA user_version = {version}; COMMIT;")
}

fn journal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Bytes of the smallest page that a database can have.
const SMALLEST_PAGE: u64 = 512;

const ROWS_PER_STATEMENT: usize = 128;

/// Most bytes of SQL that stays prepared. Longer batches come from catching up, and all of them
/// differ.
const LONGEST_KEPT: usize = 1000;

#[cfg(test)]
mod tests;
