//! Two databases behind one type: nobody outside this file knows which one is there.
//!
//! Every statement is one text for both. Placeholders are `$1`, `$2`, …, values are [`Value`]s, and a [`Session`] is either
//! a connection or a transaction. What the dialects spell differently is asked of [`Dialect`].

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{
    Arguments as _, AssertSqlSafe, Connection as _, PgConnection, PgPool, Postgres, Row as _, Sqlite,
    SqlitePool, Transaction,
};

use crate::StoreError;

/// Readers of SQLite: each is a thread; more than a few wait for the same cores.
const SQLITE_READERS_MAX: u32 = 8;
/// Connections to PostgreSQL of one process.
const POSTGRES_CONNECTIONS_MAX: u32 = 16;
/// How long a statement waits for a connection or for SQLite's write lock before it fails.
const WAIT: Duration = Duration::from_secs(30);
/// How long PostgreSQL has to answer when it is opened.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// What the two databases spell differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite, with its JSON functions.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// A value bound to a placeholder. Each knows its type when it is null, since PostgreSQL asks for it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, or a null of that type.
    Text(Option<String>),
    /// 64-bit integer, or a null of that type.
    Int(Option<i64>),
    /// Double precision.
    Double(f64),
    /// Boolean, or a null of that type.
    Bool(Option<bool>),
    /// Bytes, or a null of that type.
    Bytes(Option<Vec<u8>>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(Some(text.to_owned()))
    }
}
impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Value::Text(Some(text.clone()))
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(Some(text))
    }
}
impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Value::Text(text)
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(Some(number))
    }
}
impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Value::Int(number)
    }
}
impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Bool(Some(flag))
    }
}
impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Value::Bytes(Some(bytes))
    }
}
impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Value::Bytes(Some(bytes.to_vec()))
    }
}

/// A statement in the making: text with placeholders, and the values that stand for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statement {
    text: String,
    values: Vec<Value>,
}

impl Statement {
    /// A statement whose text is known at build time, with its values in order.
    pub(crate) fn new(text: &'static str, values: impl IntoIterator<Item = Value>) -> Self {
        Self { text: text.to_owned(), values: values.into_iter().collect() }
    }

    /// Text that this crate wrote: never a value from outside, which goes through [`Statement::bind`].
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// A placeholder for `value`.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.text.push('$');
        self.text.push_str(&self.values.len().to_string());
        self
    }
}

/// A first connection, or why there is none.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let unreachable = |reason: String| StoreError::Unreachable {
        address: match options.get_socket() {
            Some(folder) => folder.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        },
        reason,
    };
    match tokio::time::timeout(CONNECT_WAIT, PgConnection::connect_with(options)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(sqlx::Error::Io(error))) => Err(unreachable(error.to_string())),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(unreachable(format!("no answer within {} s", CONNECT_WAIT.as_secs()))),
    }
}

/// Pools of one database.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    /// One writer, since SQLite knows only one; readers beside it; the file that says who leads.
    Sqlite { writer: SqlitePool, readers: SqlitePool, lock: PathBuf },
    /// One pool.
    Postgres(PgPool),
}

impl Database {
    /// Opens `file`, which is made when `create` says so.
    pub(crate) async fn open_sqlite(file: &Path, create: bool) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            // What was acknowledged survives a power cut, not only the end of the process.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(WAIT)
            .foreign_keys(true);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(WAIT)
            .connect_with(options.clone())
            .await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS_MAX)
            .acquire_timeout(WAIT)
            .connect_with(options.read_only(true))
            .await?;
        Ok(Database::Sqlite { writer, readers, lock: file.with_extension("lead") })
    }

    /// Connects to the PostgreSQL database that `url` names.
    pub(crate) async fn open_postgres(url: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)?;
        // The pool would try until its time is up, and then not say what was wrong.
        connect(&options).await?.close().await?;
        let pool = PgPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS_MAX)
            .acquire_timeout(WAIT)
            .connect_with(options)
            .await?;
        Ok(Database::Postgres(pool))
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Database::Sqlite { .. } => Dialect::Sqlite,
            Database::Postgres(_) => Dialect::Postgres,
        }
    }

    /// A connection to read with. The wait for one is on the heap, here and below: it would make every future around it four
    /// kilobytes larger, and futures are copied on their way through a router.
    pub(crate) async fn read(&self) -> Result<Session, StoreError> {
        Ok(match self {
            Database::Sqlite { readers, .. } => Session::Sqlite(Box::pin(readers.acquire()).await?),
            Database::Postgres(pool) => Session::Postgres(Box::pin(pool.acquire()).await?),
        })
    }

    /// A transaction to write with; rolled back when dropped.
    pub(crate) async fn begin(&self) -> Result<Session, StoreError> {
        Ok(match self {
            // Takes the write lock at once: a transaction that reads first and writes later could not get it.
            Database::Sqlite { writer, .. } => {
                Session::SqliteTransaction(Box::pin(writer.begin_with("begin immediate")).await?)
            }
            Database::Postgres(pool) => Session::PostgresTransaction(Box::pin(pool.begin()).await?),
        })
    }

    pub(crate) async fn close(&self) {
        match self {
            Database::Sqlite { writer, readers, .. } => {
                readers.close().await;
                // The last connection to close folds the write-ahead log into the file.
                writer.close().await;
            }
            // A connection whose packets somebody drops would never say goodbye.
            Database::Postgres(pool) => {
                let _ = tokio::time::timeout(CONNECT_WAIT, pool.close()).await;
            }
        }
    }
}

/// A connection or a transaction of either database.
#[derive(Debug)]
pub(crate) enum Session {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
    SqliteTransaction(Transaction<'static, Sqlite>),
    PostgresTransaction(Transaction<'static, Postgres>),
}

impl Session {
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Session::Sqlite(_) | Session::SqliteTransaction(_) => Dialect::Sqlite,
            Session::Postgres(_) | Session::PostgresTransaction(_) => Dialect::Postgres,
        }
    }

    /// All rows of a query.
    pub(crate) async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        // The one place where text becomes a statement: `Statement` takes values from outside only as bound ones.
        let text = AssertSqlSafe(statement.text);
        Ok(match self {
            Session::Sqlite(connection) => {
                let query = sqlx::query_with(text, sqlite_arguments(statement.values)?);
                query.fetch_all(&mut **connection).await?.into_iter().map(Row::Sqlite).collect()
            }
            Session::SqliteTransaction(transaction) => {
                let query = sqlx::query_with(text, sqlite_arguments(statement.values)?);
                query.fetch_all(&mut **transaction).await?.into_iter().map(Row::Sqlite).collect()
            }
            Session::Postgres(connection) => {
                let query = sqlx::query_with(text, postgres_arguments(statement.values)?);
                query.fetch_all(&mut **connection).await?.into_iter().map(Row::Postgres).collect()
            }
            Session::PostgresTransaction(transaction) => {
                let query = sqlx::query_with(text, postgres_arguments(statement.values)?);
                query.fetch_all(&mut **transaction).await?.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The first row of a query, if there is one.
    pub(crate) async fn first(&mut self, statement: Statement) -> Result<Option<Row>, StoreError> {
        Ok(self.fetch(statement).await?.into_iter().next())
    }

    /// Runs a statement and returns how many rows it touched.
    pub(crate) async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let text = AssertSqlSafe(statement.text);
        Ok(match self {
            Session::Sqlite(connection) => {
                let query = sqlx::query_with(text, sqlite_arguments(statement.values)?);
                query.execute(&mut **connection).await?.rows_affected()
            }
            Session::SqliteTransaction(transaction) => {
                let query = sqlx::query_with(text, sqlite_arguments(statement.values)?);
                query.execute(&mut **transaction).await?.rows_affected()
            }
            Session::Postgres(connection) => {
                let query = sqlx::query_with(text, postgres_arguments(statement.values)?);
                query.execute(&mut **connection).await?.rows_affected()
            }
            Session::PostgresTransaction(transaction) => {
                let query = sqlx::query_with(text, postgres_arguments(statement.values)?);
                query.execute(&mut **transaction).await?.rows_affected()
            }
        })
    }

    /// Makes a transaction last; without one there is nothing to do.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Session::SqliteTransaction(transaction) => transaction.commit().await?,
            Session::PostgresTransaction(transaction) => transaction.commit().await?,
            Session::Sqlite(_) | Session::Postgres(_) => {}
        }
        Ok(())
    }
}

fn sqlite_arguments(values: Vec<Value>) -> Result<SqliteArguments, StoreError> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            Value::Text(text) => arguments.add(text),
            Value::Int(number) => arguments.add(number),
            Value::Double(number) => arguments.add(number),
            Value::Bool(flag) => arguments.add(flag),
            Value::Bytes(bytes) => arguments.add(bytes),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn postgres_arguments(values: Vec<Value>) -> Result<PgArguments, StoreError> {
    let mut arguments = PgArguments::default();
    for value in values {
        if let Value::Text(Some(text)) = &value
            && text.contains('\0')
        {
            // PostgreSQL keeps no such text.
            return Err(StoreError::Unsupported("text with a null character is not supported".to_owned()));
        }
        match value {
            Value::Text(text) => arguments.add(text),
            Value::Int(number) => arguments.add(number),
            Value::Double(number) => arguments.add(number),
            Value::Bool(flag) => arguments.add(flag),
            Value::Bytes(bytes) => arguments.add(bytes),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// A row of either database; columns by their place.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

macro_rules! getter {
    ($(#[$doc:meta])* $name:ident -> $kind:ty) => {
        $(#[$doc])*
        pub(crate) fn $name(&self, column: usize) -> Result<$kind, StoreError> {
            Ok(match self {
                Row::Sqlite(row) => row.try_get(column)?,
                Row::Postgres(row) => row.try_get(column)?,
            })
        }
    };
}

impl Row {
    getter!(text -> String);
    getter!(text_or_null -> Option<String>);
    getter!(int -> i64);
    getter!(int_or_null -> Option<i64>);
    getter!(bytes -> Vec<u8>);
    getter!(bytes_or_null -> Option<Vec<u8>>);
}
