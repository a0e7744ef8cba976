//! The control plane in SQL: SQLite in the data folder or PostgreSQL, same statements and same schema.
//!
//! Nothing here knows HTTP, tokens or roles. Whoever wants to read or write rows of a tenant needs a [`TenantScope`], which
//! only authentication makes, so that a query without a tenant does not compile. Start with [`Store`], then
//! [`records`] for how objects are read and written.

mod clients;
mod database;
pub mod entity;
mod error;
mod filter;
mod journal;
mod keys;
mod lead;
mod migrations;
mod records;
mod scope;
mod secrets;
mod side_tables;
mod streams;
mod tenants;
mod transmitters;

use std::path::Path;
use std::sync::Arc;

use clients::Clients;
pub use clients::{
    DISABLED, DISABLINGS, REMOVED_CREDENTIALS, REVOCATIONS, REVOKED, Rung, is_disabled_by_microsoft,
    is_open_to_other_tenants,
};
use database::Database;
pub use database::{Dialect, Value};
pub use error::StoreError;
pub use journal::{Journal, NotDurable, Place, SignInRange, SignInRecord, place_of};
pub use keys::StoredKey;
pub use lead::Lead;
pub use records::{Listing, Page, Record, Scoped};
pub use scope::TenantScope;
pub use secrets::{MASTER_KEY_BYTES, MasterKey, is_equal};
pub use side_tables::{GrantState, UserSecrets};
pub use streams::{EVENTS_WAITING_MAX, StoredEvent, StoredStream};
pub use tenants::{Plan, Tenant};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
pub use transmitters::StoredTransmitter;

/// Where the database is.
#[derive(Clone, Debug)]
pub enum Location<'a> {
    /// A file of SQLite; made when it is not there and `create` says so.
    Sqlite {
        /// The file.
        file: &'a Path,
        /// Whether to make it.
        create: bool,
    },
    /// A PostgreSQL server and database: `postgres://user@host/name`.
    Postgres(&'a str),
}

/// The control plane. Clones share everything.
#[derive(Clone, Debug)]
pub struct Store {
    database: Database,
    master_key: Arc<MasterKey>,
    clients: Arc<Clients>,
    journal: Journal,
    /// The journal's writer, to be waited for at the end.
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Store {
    /// Opens the database and brings its schema up to date.
    pub async fn open(location: Location<'_>, master_key: MasterKey) -> Result<Self, StoreError> {
        let database = match location {
            Location::Sqlite { file, create } => Database::open_sqlite(file, create).await?,
            Location::Postgres(url) => Database::open_postgres(url).await?,
        };
        migrations::run(&database).await?;
        let (journal, writer) = Journal::start(database.clone());
        Ok(Self {
            clients: Arc::new(Clients::new(database.dialect())),
            database,
            master_key: Arc::new(master_key),
            journal,
            writer: Arc::new(Mutex::new(Some(writer))),
        })
    }

    /// Which database it is.
    pub fn dialect(&self) -> Dialect {
        self.database.dialect()
    }

    /// The key under which secrets are hashed and keys wrapped.
    pub fn master_key(&self) -> &MasterKey {
        &self.master_key
    }

    /// A connection that reads one tenant.
    pub async fn read(&self, scope: &TenantScope) -> Result<Scoped, StoreError> {
        Ok(Scoped {
            session: self.database.read().await?,
            scope: scope.clone(),
            touched: Vec::new(),
            told: Vec::new(),
            store: self.clone(),
        })
    }

    /// A transaction that writes one tenant; dropped without [`Scoped::commit`] it leaves no trace.
    pub async fn begin(&self, scope: &TenantScope) -> Result<Scoped, StoreError> {
        Ok(Scoped {
            session: self.database.begin().await?,
            scope: scope.clone(),
            touched: Vec::new(),
            told: Vec::new(),
            store: self.clone(),
        })
    }

    /// Whether the database answers.
    pub async fn is_alive(&self) -> bool {
        let Ok(mut session) = self.database.read().await else { return false };
        session.fetch(database::Statement::new("select 1", [])).await.is_ok()
    }

    /// Ends the journal and closes the database. Records that were handed in are written first.
    pub async fn close(self) {
        let Self { database, journal, writer, clients, master_key } = self;
        drop((journal, clients, master_key));
        if let Some(writer) = writer.lock().await.take() {
            // Other clones may still hold the journal's other end: wait as long as a commit may take, not for ever.
            let _ = tokio::time::timeout(std::time::Duration::from_secs(30), writer).await;
        }
        database.close().await;
    }
}
