//! Transmitters of Shared Signals: those who may tell a tenant something of its workloads.

use countersign_model::time::Timestamp;

use crate::database::{Row, Statement, Value};
use crate::{Scoped, StoreError};

/// A transmitter that is listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTransmitter {
    /// Our id of it.
    pub id: String,
    /// `iss` of its events.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_uri: String,
    /// `aud` of its events, and where it delivers them.
    pub audience: String,
    /// What an administrator calls it.
    pub description: Option<String>,
    /// Hash of what it authenticates with.
    pub hash: Vec<u8>,
    /// Since when it is listened to.
    pub created: Timestamp,
}

const SELECT: &str = "select id, issuer, jwks_uri, audience, description, hash, created_us \
                      from security_event_transmitter where tenant_id = ";

fn transmitter(row: &Row) -> Result<StoredTransmitter, StoreError> {
    Ok(StoredTransmitter {
        id: row.text(0)?,
        issuer: row.text(1)?,
        jwks_uri: row.text(2)?,
        audience: row.text(3)?,
        description: row.text_or_null(4)?,
        hash: row.bytes(5)?,
        created: Timestamp(row.int(6)?),
    })
}

impl Scoped {
    /// All transmitters of the tenant, oldest first.
    pub async fn transmitters(&mut self) -> Result<Vec<StoredTransmitter>, StoreError> {
        let mut statement = Statement::default();
        statement.push(SELECT).bind(self.tenant()).push(" order by created_us, id");
        self.session.fetch(statement).await?.iter().map(transmitter).collect()
    }

    /// A transmitter by its id.
    pub async fn transmitter(&mut self, id: &str) -> Result<Option<StoredTransmitter>, StoreError> {
        let mut statement = Statement::default();
        statement.push(SELECT).bind(self.tenant()).push(" and id = ").bind(id.to_ascii_lowercase());
        self.session.first(statement).await?.map(|row| transmitter(&row)).transpose()
    }

    /// Adds a transmitter. [`StoreError::Duplicate`] if its issuer is listened to already.
    pub async fn add_transmitter(&mut self, transmitter: &StoredTransmitter) -> Result<(), StoreError> {
        let statement = Statement::new(
            "insert into security_event_transmitter (tenant_id, id, issuer, jwks_uri, audience, description, hash, \
             created_us) values ($1, $2, $3, $4, $5, $6, $7, $8)",
            [
                self.tenant(),
                Value::from(&transmitter.id),
                Value::from(&transmitter.issuer),
                Value::from(&transmitter.jwks_uri),
                Value::from(&transmitter.audience),
                transmitter.description.clone().into(),
                transmitter.hash.as_slice().into(),
                transmitter.created.0.into(),
            ],
        );
        match self.session.execute(statement).await {
            Ok(_) => Ok(()),
            Err(StoreError::Database(error)) if StoreError::is_unique_violation(&error) => {
                Err(StoreError::Duplicate("security event transmitter"))
            }
            Err(error) => Err(error),
        }
    }

    /// Removes a transmitter.
    pub async fn remove_transmitter(&mut self, id: &str) -> Result<(), StoreError> {
        let statement = Statement::new(
            "delete from security_event_transmitter where tenant_id = $1 and id = $2",
            [self.tenant(), id.into()],
        );
        self.session.execute(statement).await.map(drop)
    }
}
