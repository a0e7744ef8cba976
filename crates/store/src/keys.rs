//! Signing keys: public half readable, private half wrapped.

use countersign_model::time::Timestamp;
use zeroize::Zeroizing;

use crate::database::{Statement, Value};
use crate::{Store, StoreError};

/// A key that tokens are signed with, or were.
#[derive(Clone)]
pub struct StoredKey {
    /// `kid`.
    pub kid: String,
    /// `RS256` or `ES256`.
    pub algorithm: String,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it signs; it is published before.
    pub active_from: Timestamp,
    /// Until when it is published.
    pub published_until: Timestamp,
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// PKCS#8, DER.
    pub private_key: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoredKey({} {})", self.algorithm, self.kid)
    }
}

impl Store {
    /// All keys that are still published at `now`, oldest first.
    pub async fn signing_keys(&self, now: Timestamp) -> Result<Vec<StoredKey>, StoreError> {
        let statement = Statement::new(
            "select kid, algorithm, created_us, active_from_us, published_until_us, certificate, wrapped_private_key \
             from signing_key where published_until_us > $1 order by active_from_us, kid",
            [now.0.into()],
        );
        let mut keys = Vec::new();
        for row in self.database.read().await?.fetch(statement).await? {
            let kid = row.text(0)?;
            let private_key = self.master_key.unwrap(&name_of(&kid), &row.bytes(6)?)?;
            keys.push(StoredKey {
                kid,
                algorithm: row.text(1)?,
                created: Timestamp(row.int(2)?),
                active_from: Timestamp(row.int(3)?),
                published_until: Timestamp(row.int(4)?),
                certificate: row.bytes(5)?,
                private_key,
            });
        }
        Ok(keys)
    }

    /// Adds a key, unless one of the same algorithm that becomes active at or after `unless_active_from` is there already:
    /// of several nodes that rotate at the same moment only one succeeds. Returns whether it was added.
    pub async fn add_signing_key(
        &self,
        key: &StoredKey,
        unless_active_from: Timestamp,
    ) -> Result<bool, StoreError> {
        let wrapped = self.master_key.wrap(&name_of(&key.kid), &key.private_key)?;
        let mut session = self.database.begin().await?;
        if session.dialect() == crate::Dialect::Postgres {
            session.execute(Statement::new("lock table signing_key in exclusive mode", [])).await?;
        }
        let added = session
            .execute(Statement::new(
                "insert into signing_key (kid, algorithm, created_us, active_from_us, published_until_us, certificate, \
                 wrapped_private_key) select $1, $2, $3, $4, $5, $6, $7 where not exists (select 1 from signing_key \
                 where algorithm = $2 and active_from_us >= $8)",
                [
                    Value::from(&key.kid),
                    Value::from(&key.algorithm),
                    key.created.0.into(),
                    key.active_from.0.into(),
                    key.published_until.0.into(),
                    key.certificate.as_slice().into(),
                    wrapped.into(),
                    unless_active_from.0.into(),
                ],
            ))
            .await?;
        session.commit().await?;
        Ok(added == 1)
    }

    /// Ends a key's publication at `until`.
    pub async fn retire_signing_key(&self, kid: &str, until: Timestamp) -> Result<(), StoreError> {
        let mut session = self.database.begin().await?;
        session
            .execute(Statement::new(
                "update signing_key set published_until_us = $1 where kid = $2",
                [until.0.into(), kid.into()],
            ))
            .await?;
        session.commit().await
    }
}

fn name_of(kid: &str) -> String {
    format!("signing key {kid}")
}
