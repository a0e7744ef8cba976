//! What belongs to an object and is no part of its body: hashes of secrets, names of resources, owners, passwords, grants.

use countersign_model::time::Timestamp;
use serde_json::{Map, Value as Json};

use crate::clients::resource_name;
use crate::database::{Statement, Value};
use crate::{Record, Scoped, Store, StoreError};

impl Scoped {
    /// Keeps the hash of a client secret.
    pub async fn add_secret_hash(
        &mut self,
        object_id: &str,
        key_id: &str,
        hash: &[u8],
    ) -> Result<(), StoreError> {
        let statement = Statement::new(
            "insert into client_secret (tenant_id, object_id, key_id, hash) values ($1, $2, $3, $4)",
            [self.tenant(), object_id.into(), key_id.into(), hash.into()],
        );
        self.session.execute(statement).await.map(drop)
    }

    /// Forgets the hash of a client secret.
    pub async fn remove_secret_hash(&mut self, object_id: &str, key_id: &str) -> Result<(), StoreError> {
        let statement = Statement::new(
            "delete from client_secret where tenant_id = $1 and object_id = $2 and key_id = $3",
            [self.tenant(), object_id.into(), key_id.into()],
        );
        self.session.execute(statement).await.map(drop)
    }

    /// Brings the names under which a service principal is asked for as a resource in line with its body.
    pub async fn index_names(&mut self, principal: &Record) -> Result<(), StoreError> {
        self.remove_names(&principal.id).await?;
        let mut names: Vec<String> = principal
            .list("servicePrincipalNames")
            .iter()
            .filter_map(Json::as_str)
            .chain(principal.text("appId"))
            .map(resource_name)
            .collect();
        names.sort();
        names.dedup();
        for name in names {
            let statement = Statement::new(
                "insert into service_principal_name (tenant_id, name, service_principal_id) values ($1, $2, $3)",
                [self.tenant(), name.into(), Value::from(&principal.id)],
            );
            self.session.execute(statement).await?;
        }
        Ok(())
    }

    async fn remove_names(&mut self, principal_id: &str) -> Result<(), StoreError> {
        let statement = Statement::new(
            "delete from service_principal_name where tenant_id = $1 and service_principal_id = $2",
            [self.tenant(), principal_id.into()],
        );
        self.session.execute(statement).await.map(drop)
    }

    /// Removes all that hangs on an object which is purged.
    pub async fn remove_dependents(&mut self, object_id: &str) -> Result<(), StoreError> {
        self.remove_names(object_id).await?;
        for statement in [
            "delete from client_secret where tenant_id = $1 and object_id = $2",
            "delete from federated_identity_credential where tenant_id = $1 and object_id = $2",
            "delete from owner where tenant_id = $1 and (object_id = $2 or owner_id = $2)",
            "delete from app_role_assignment where tenant_id = $1 and (principal_id = $2 or resource_id = $2)",
            "delete from oauth2_permission_grant where tenant_id = $1 and (client_id = $2 or resource_id = $2)",
            "delete from role_assignment where tenant_id = $1 and principal_id = $2",
        ] {
            let statement = Statement::new(statement, [self.tenant(), object_id.into()]);
            self.session.execute(statement).await?;
        }
        Ok(())
    }

    /// Ids of the owners of an object, oldest first.
    pub async fn owners(&mut self, object_id: &str) -> Result<Vec<String>, StoreError> {
        let statement = Statement::new(
            "select owner_id from owner where tenant_id = $1 and object_id = $2 order by added_us, owner_id",
            [self.tenant(), object_id.into()],
        );
        self.session.fetch(statement).await?.iter().map(|row| row.text(0)).collect()
    }

    /// Ids of the objects that somebody owns.
    pub async fn owned(&mut self, owner_id: &str) -> Result<Vec<String>, StoreError> {
        let statement = Statement::new(
            "select object_id from owner where tenant_id = $1 and owner_id = $2 order by added_us, object_id",
            [self.tenant(), owner_id.into()],
        );
        self.session.fetch(statement).await?.iter().map(|row| row.text(0)).collect()
    }

    /// Whether somebody owns an object.
    pub async fn is_owner(&mut self, object_id: &str, owner_id: &str) -> Result<bool, StoreError> {
        let statement = Statement::new(
            "select 1 from owner where tenant_id = $1 and object_id = $2 and owner_id = $3",
            [self.tenant(), object_id.into(), owner_id.into()],
        );
        Ok(self.session.first(statement).await?.is_some())
    }

    /// Adds an owner; `false` when it is one already.
    pub async fn add_owner(
        &mut self,
        object_id: &str,
        owner_id: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let statement = Statement::new(
            "insert into owner (tenant_id, object_id, owner_id, added_us) values ($1, $2, $3, $4) on conflict do nothing",
            [self.tenant(), object_id.into(), owner_id.into(), now.0.into()],
        );
        Ok(self.session.execute(statement).await? == 1)
    }

    /// Removes an owner; `false` when it is none.
    pub async fn remove_owner(&mut self, object_id: &str, owner_id: &str) -> Result<bool, StoreError> {
        let statement = Statement::new(
            "delete from owner where tenant_id = $1 and object_id = $2 and owner_id = $3",
            [self.tenant(), object_id.into(), owner_id.into()],
        );
        Ok(self.session.execute(statement).await? == 1)
    }

    /// What a user signs in with.
    pub async fn user_secrets(&mut self, user_id: &str) -> Result<Option<UserSecrets>, StoreError> {
        let statement = Statement::new(
            "select password_hash, wrapped_totp_secret, totp_last_step from directory_user \
             where tenant_id = $1 and id = $2",
            [self.tenant(), user_id.into()],
        );
        let Some(row) = self.session.first(statement).await? else { return Ok(None) };
        let totp_secret = match row.bytes_or_null(1)? {
            Some(wrapped) => Some(self.store.master_key.unwrap(&totp_name(user_id), &wrapped)?.to_vec()),
            None => None,
        };
        Ok(Some(UserSecrets {
            password_hash: row.text_or_null(0)?,
            totp_secret,
            totp_last_step: row.int(2)?,
        }))
    }

    /// Replaces what a user signs in with.
    pub async fn set_user_secrets(&mut self, user_id: &str, secrets: &UserSecrets) -> Result<(), StoreError> {
        let wrapped = match &secrets.totp_secret {
            Some(secret) => Some(self.store.master_key.wrap(&totp_name(user_id), secret)?),
            None => None,
        };
        let statement = Statement::new(
            "update directory_user set password_hash = $3, wrapped_totp_secret = $4, totp_last_step = $5 \
             where tenant_id = $1 and id = $2",
            [
                self.tenant(),
                user_id.into(),
                secrets.password_hash.clone().into(),
                Value::Bytes(wrapped),
                secrets.totp_last_step.into(),
            ],
        );
        self.session.execute(statement).await.map(drop)
    }
}

fn totp_name(user_id: &str) -> String {
    format!("totp {user_id}")
}

/// What a user signs in with.
#[derive(Clone, Default)]
pub struct UserSecrets {
    /// argon2id, in the PHC string format.
    pub password_hash: Option<String>,
    /// Shared secret of RFC 6238.
    pub totp_secret: Option<Vec<u8>>,
    /// Last time step that was accepted: a code counts once.
    pub totp_last_step: i64,
}

impl std::fmt::Debug for UserSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserSecrets")
    }
}

/// A code, a session or a refresh token, known by the hash of what its holder shows.
#[derive(Clone, Debug)]
pub struct GrantState {
    /// Keyed hash of what the holder shows.
    pub hash: Vec<u8>,
    /// Tenant.
    pub tenant_id: String,
    /// `authorization_code`, `device_code`, `refresh_token`, `session`.
    pub kind: String,
    /// The user, once known.
    pub user_id: Option<String>,
    /// When it ends.
    pub expires: Timestamp,
    /// What its kind needs.
    pub body: Map<String, Json>,
}

impl Store {
    /// Keeps a grant, or replaces it.
    pub async fn put_grant(&self, grant: &GrantState) -> Result<(), StoreError> {
        let mut session = self.database.begin().await?;
        session
            .execute(Statement::new(
                "insert into grant_state (hash, tenant_id, kind, user_id, expires_us, body) values ($1, $2, $3, $4, $5, $6) \
                 on conflict (hash) do update set user_id = excluded.user_id, expires_us = excluded.expires_us, \
                 body = excluded.body",
                [
                    grant.hash.as_slice().into(),
                    Value::from(&grant.tenant_id),
                    Value::from(&grant.kind),
                    grant.user_id.clone().into(),
                    grant.expires.0.into(),
                    serde_json::to_string(&grant.body).unwrap_or_default().into(),
                ],
            ))
            .await?;
        session.commit().await
    }

    /// The grant of that hash and kind, if it has not ended.
    pub async fn grant(
        &self,
        hash: &[u8],
        kind: &str,
        now: Timestamp,
    ) -> Result<Option<GrantState>, StoreError> {
        let statement = Statement::new(
            "select tenant_id, user_id, expires_us, body from grant_state \
             where hash = $1 and kind = $2 and expires_us > $3",
            [hash.into(), kind.into(), now.0.into()],
        );
        let Some(row) = self.database.read().await?.first(statement).await? else { return Ok(None) };
        Ok(Some(GrantState {
            hash: hash.to_vec(),
            tenant_id: row.text(0)?,
            kind: kind.to_owned(),
            user_id: row.text_or_null(1)?,
            expires: Timestamp(row.int(2)?),
            body: serde_json::from_str(&row.text(3)?).unwrap_or_default(),
        }))
    }

    /// Removes a grant; `false` when somebody else was faster. A code is good for one exchange.
    pub async fn take_grant(&self, hash: &[u8]) -> Result<bool, StoreError> {
        let mut session = self.database.begin().await?;
        let taken =
            session.execute(Statement::new("delete from grant_state where hash = $1", [hash.into()])).await?;
        session.commit().await?;
        Ok(taken == 1)
    }

    /// Removes what has ended.
    pub async fn sweep_grants(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut session = self.database.begin().await?;
        let swept = session
            .execute(Statement::new("delete from grant_state where expires_us <= $1", [now.0.into()]))
            .await?;
        session.commit().await?;
        Ok(swept)
    }
}
