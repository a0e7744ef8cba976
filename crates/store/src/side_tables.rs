//! What belongs to an object and is no part of its body: hashes of secrets, names of resources, owners, passwords, grants.

use countersign_model::time::Timestamp;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::clients::resource_name;
use crate::database::{Statement, Value};
use crate::entity::{APPLICATION, SERVICE_PRINCIPAL};
use crate::{Scoped, Store, StoreError};

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

    /// Gives an application the names under which it is asked for as a resource: its id, its `identifierUris`, and the
    /// `servicePrincipalNames` of its service principal here, of what is not deleted. A name has one application in a tenant:
    /// tokens for it go to whoever holds it. [`StoreError::NameTaken`] when another application has one of them, or is named
    /// by it.
    pub async fn claim_names(&mut self, app_id: &str) -> Result<(), StoreError> {
        let app_id = app_id.to_ascii_lowercase();
        let delete = Statement::new(
            "delete from resource_name where tenant_id = $1 and app_id = $2",
            [self.tenant(), Value::from(&app_id)],
        );
        self.session.execute(delete).await?;
        let application = self.get_by(&APPLICATION, "app_id", &app_id).await?;
        let principal = self.get_by(&SERVICE_PRINCIPAL, "app_id", &app_id).await?;
        let mut names: Vec<String> = Vec::new();
        for (object, property) in [(&application, "identifierUris"), (&principal, "servicePrincipalNames")] {
            if let Some(object) = object.as_ref().filter(|object| object.deleted.is_none()) {
                names.push(app_id.clone());
                names.extend(object.list(property).iter().filter_map(Json::as_str).map(resource_name));
            }
        }
        names.sort();
        names.dedup();
        for name in names {
            if self.is_name_of_another(&name, &app_id).await? {
                return Err(StoreError::NameTaken(name));
            }
            let insert = Statement::new(
                "insert into resource_name (tenant_id, name, app_id) values ($1, $2, $3) on conflict do nothing",
                [self.tenant(), Value::from(&name), Value::from(&app_id)],
            );
            if self.session.execute(insert).await? == 0 {
                return Err(StoreError::NameTaken(name));
            }
        }
        Ok(())
    }

    /// Whether a name is an application id that is not `app_id`, or the name `api://ID` of an application that is here.
    async fn is_name_of_another(&mut self, name: &str, app_id: &str) -> Result<bool, StoreError> {
        if Uuid::try_parse(name).is_ok() {
            return Ok(name != app_id);
        }
        let Some(named) = name.strip_prefix("api://").filter(|named| Uuid::try_parse(named).is_ok()) else {
            return Ok(false);
        };
        let statement = Statement::new(
            "select 1 from resource_name where tenant_id = $1 and name = $2 and app_id <> $3",
            [self.tenant(), named.into(), app_id.into()],
        );
        Ok(self.session.first(statement).await?.is_some())
    }

    /// Removes all that hangs on an object which is purged.
    pub async fn remove_dependents(&mut self, object_id: &str) -> Result<(), StoreError> {
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
    /// The same for all refresh tokens that came of one sign-in.
    pub family: Option<Vec<u8>>,
    /// Whether it was used, or ended with its family. Set by [`Store::rotate_grant`] alone.
    pub is_used: bool,
    /// What its kind needs.
    pub body: Map<String, Json>,
}

impl Store {
    /// Keeps a new grant.
    pub async fn put_grant(&self, grant: &GrantState) -> Result<(), StoreError> {
        let mut session = self.database.begin().await?;
        session.execute(insert_grant(grant)).await?;
        session.commit().await
    }

    /// Replaces user and body of a grant, if it is still there.
    pub async fn update_grant(&self, grant: &GrantState) -> Result<(), StoreError> {
        let mut session = self.database.begin().await?;
        session
            .execute(Statement::new(
                "update grant_state set user_id = $2, body = $3 where hash = $1",
                [
                    grant.hash.as_slice().into(),
                    grant.user_id.clone().into(),
                    serde_json::to_string(&grant.body).unwrap_or_default().into(),
                ],
            ))
            .await?;
        session.commit().await
    }

    /// The grant of that hash and kind, if it has not ended; also one that was used.
    pub async fn grant(
        &self,
        hash: &[u8],
        kind: &str,
        now: Timestamp,
    ) -> Result<Option<GrantState>, StoreError> {
        let statement = Statement::new(
            "select tenant_id, user_id, expires_us, body, family, used_us from grant_state \
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
            family: row.bytes_or_null(4)?,
            is_used: row.int_or_null(5)?.is_some(),
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

    /// Uses a refresh token and keeps the one that comes after it. `false` when it was used before: then the whole family has
    /// ended, since one of its two holders is a thief and nobody knows which (RFC 9700 section 4.14.2).
    pub async fn rotate_grant(
        &self,
        used: &GrantState,
        next: &GrantState,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut session = self.database.begin().await?;
        let use_up = Statement::new(
            "update grant_state set used_us = $2 where hash = $1 and used_us is null",
            [used.hash.as_slice().into(), now.0.into()],
        );
        let is_first = session.execute(use_up).await? == 1;
        session.execute(if is_first { insert_grant(next) } else { end_family(used, now) }).await?;
        session.commit().await?;
        Ok(is_first)
    }

    /// Ends all that came of the same sign-in.
    pub async fn end_family(&self, grant: &GrantState, now: Timestamp) -> Result<(), StoreError> {
        let mut session = self.database.begin().await?;
        session.execute(end_family(grant, now)).await?;
        session.commit().await
    }

    /// Counts a try at what a grant asks for; `false` when there were `max` already. Tries at the same time count each.
    pub async fn count_try(&self, hash: &[u8], max: i64) -> Result<bool, StoreError> {
        let mut session = self.database.begin().await?;
        let count = Statement::new(
            "update grant_state set tries = tries + 1 where hash = $1 and tries < $2",
            [hash.into(), max.into()],
        );
        let is_counted = session.execute(count).await? == 1;
        session.commit().await?;
        Ok(is_counted)
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

fn insert_grant(grant: &GrantState) -> Statement {
    Statement::new(
        "insert into grant_state (hash, tenant_id, kind, user_id, expires_us, family, body) \
         values ($1, $2, $3, $4, $5, $6, $7)",
        [
            grant.hash.as_slice().into(),
            Value::from(&grant.tenant_id),
            Value::from(&grant.kind),
            grant.user_id.clone().into(),
            grant.expires.0.into(),
            Value::Bytes(grant.family.clone()),
            serde_json::to_string(&grant.body).unwrap_or_default().into(),
        ],
    )
}

fn end_family(grant: &GrantState, now: Timestamp) -> Statement {
    Statement::new(
        "update grant_state set used_us = $2 where family = $1 and used_us is null",
        [Value::Bytes(grant.family.clone()), now.0.into()],
    )
}
