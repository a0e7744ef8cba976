//! What can go wrong below the routes.

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused. No source: the library's errors say all that theirs say.
    #[error("database: {0}")]
    Database(sqlx::Error),
    /// The database cannot be reached. The address is without user and password.
    #[error(
        "the database server `{address}` cannot be reached ({reason}); check `database`, and that it is running"
    )]
    Unreachable {
        /// Host and port, or the folder of a socket.
        address: String,
        /// What the operating system says.
        reason: String,
    },
    /// The schema cannot be brought up to date.
    #[error("cannot bring the schema up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// Another object holds a value that must be unique.
    #[error("another object has the same value for `{0}`")]
    Duplicate(&'static str),
    /// A name of a resource that another application of the tenant has.
    #[error("another application has the name `{0}`")]
    NameTaken(String),
    /// The object was changed since it was read.
    #[error("the object was changed since it was read")]
    Changed,
    /// A row holds what this version cannot read.
    #[error("row `{id}` of `{table}` cannot be read: {reason}")]
    Corrupt {
        /// Table.
        table: &'static str,
        /// Its id.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A private key or secret cannot be unwrapped: another master key wrapped it.
    #[error("cannot unwrap `{0}`: it was wrapped by another master key")]
    WrongMasterKey(String),
    /// A page token that this server did not make, or made for another query.
    #[error("the skip token is not valid for this query")]
    SkipToken,
    /// A filter that cannot be put into SQL.
    #[error("{0}")]
    Unsupported(String),
    /// The system has no random bytes.
    #[error("no random bytes")]
    Random,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        StoreError::Database(error)
    }
}

impl StoreError {
    /// True when a row with the same key is there already.
    pub(crate) fn is_unique_violation(error: &sqlx::Error) -> bool {
        error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
    }
}
