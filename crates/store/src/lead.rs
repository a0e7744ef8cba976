//! Of all processes that share a database one leads: it does what must not be done twice. The lead is bound to the process
//! and to its connection, so it is free again the moment either ends, without clocks that would have to agree.

use std::fs::{File, TryLockError};

use sqlx::{Connection as _, PgConnection};

use crate::database::Database;
use crate::{Store, StoreError};

/// Number of the advisory lock in PostgreSQL; any number that nobody else in the database uses. "countsgn" in ASCII.
const LOCK: i64 = 0x636f_756e_7473_676e;

/// The lead, until it is dropped.
#[derive(Debug)]
pub struct Lead(Held);

#[derive(Debug)]
enum Held {
    /// The connection whose session has the lock.
    Postgres(Box<PgConnection>),
    /// The locked file.
    Sqlite { _file: File },
}

impl Store {
    /// Takes the lead, unless another process has it.
    pub async fn try_lead(&self) -> Result<Option<Lead>, StoreError> {
        match &self.database {
            Database::Postgres(pool) => {
                let mut connection = pool.acquire().await?.detach();
                let is_ours: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
                    .bind(LOCK)
                    .fetch_one(&mut connection)
                    .await?;
                if is_ours {
                    return Ok(Some(Lead(Held::Postgres(Box::new(connection)))));
                }
                connection.close().await?;
                Ok(None)
            }
            Database::Sqlite { lock, .. } => {
                let file = File::options().create(true).write(true).truncate(false).open(lock);
                let file = file.map_err(|error| StoreError::Database(sqlx::Error::Io(error)))?;
                match file.try_lock() {
                    Ok(()) => Ok(Some(Lead(Held::Sqlite { _file: file }))),
                    Err(TryLockError::WouldBlock) => Ok(None),
                    Err(TryLockError::Error(error)) => Err(StoreError::Database(sqlx::Error::Io(error))),
                }
            }
        }
    }
}

impl Lead {
    /// Whether it is still ours. PostgreSQL frees it when the connection is lost, and somebody else may have it then.
    pub async fn is_held(&mut self) -> bool {
        match &mut self.0 {
            Held::Postgres(connection) => connection.ping().await.is_ok(),
            Held::Sqlite { .. } => true,
        }
    }
}
