//! Tenants, and who may touch which.

use countersign_model::time::Timestamp;

use crate::database::{Row, Session, Statement, Value};
use crate::{Scoped, Store, StoreError, TenantScope};

/// How much of a finding a tenant sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// That there is one.
    Free,
    /// Everything until the trial ends.
    Trial,
    /// Everything.
    Premium,
}

impl Plan {
    /// As configuration and database spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Plan::Free => "free",
            Plan::Trial => "trial",
            Plan::Premium => "premium",
        }
    }

    /// The plan of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Plan::Free, Plan::Trial, Plan::Premium].into_iter().find(|plan| plan.as_str() == name)
    }
}

/// One organisation.
#[derive(Clone, Debug, PartialEq)]
pub struct Tenant {
    /// GUID.
    pub id: String,
    /// Domain under which it is found as well: `contoso.example`.
    pub domain: String,
    /// Display name.
    pub display_name: String,
    /// Its plan.
    pub plan: Plan,
    /// When a trial ends.
    pub plan_until: Option<Timestamp>,
    /// Algorithm of its tokens: `RS256` or `ES256`.
    pub signing_algorithm: String,
    /// When it was created.
    pub created: Timestamp,
}

impl Tenant {
    /// Whether findings are shown with their details.
    pub fn is_premium(&self, now: Timestamp) -> bool {
        match self.plan {
            Plan::Free => false,
            Plan::Trial => self.plan_until.is_some_and(|until| now < until),
            Plan::Premium => true,
        }
    }
}

const SELECT: &str =
    "select id, domain, display_name, plan, plan_until_us, signing_algorithm, created_us from tenant";

fn tenant(row: &Row) -> Result<Tenant, StoreError> {
    let (id, plan) = (row.text(0)?, row.text(3)?);
    let Some(plan) = Plan::parse(&plan) else {
        return Err(StoreError::Corrupt { table: "tenant", id, reason: format!("plan `{plan}`") });
    };
    Ok(Tenant {
        id,
        domain: row.text(1)?,
        display_name: row.text(2)?,
        plan,
        plan_until: row.int_or_null(4)?.map(Timestamp),
        signing_algorithm: row.text(5)?,
        created: Timestamp(row.int(6)?),
    })
}

impl Store {
    /// The tenant of that id or domain.
    pub async fn tenant(&self, name: &str) -> Result<Option<Tenant>, StoreError> {
        let name = name.to_ascii_lowercase();
        let mut statement = Statement::default();
        statement.push(SELECT).push(" where id = ").bind(&name).push(" or domain = ").bind(&name);
        let row = self.database.read().await?.first(statement).await?;
        row.map(|row| tenant(&row)).transpose()
    }

    /// All tenants, oldest first.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        let mut statement = Statement::default();
        statement.push(SELECT).push(" order by created_us, id");
        self.database.read().await?.fetch(statement).await?.iter().map(tenant).collect()
    }

    /// The right to touch a tenant's rows. Only what authenticates a caller may call this, and what sets up a tenant; the
    /// list of such files is in `xtask/src/tidy`.
    pub fn scope(&self, tenant: &Tenant) -> TenantScope {
        TenantScope::new(tenant.id.clone())
    }

    /// Changes plan and signing algorithm.
    pub async fn update_tenant(&self, tenant: &Tenant) -> Result<(), StoreError> {
        let mut session = self.database.begin().await?;
        session
            .execute(Statement::new(
                "update tenant set display_name = $1, plan = $2, plan_until_us = $3, signing_algorithm = $4 \
                 where id = $5",
                [
                    Value::from(&tenant.display_name),
                    tenant.plan.as_str().into(),
                    tenant.plan_until.map(|time| time.0).into(),
                    Value::from(&tenant.signing_algorithm),
                    Value::from(&tenant.id),
                ],
            ))
            .await?;
        session.commit().await
    }

    /// Begins to set up a new tenant: everything else that it needs is written in the same transaction.
    pub async fn create_tenant(&self, tenant: &Tenant) -> Result<Scoped, StoreError> {
        let scope = self.scope(tenant);
        let mut scoped = self.begin(&scope).await?;
        let statement = Statement::new(
            "insert into tenant (id, domain, display_name, plan, plan_until_us, signing_algorithm, created_us) \
             values ($1, $2, $3, $4, $5, $6, $7)",
            [
                Value::from(&tenant.id),
                Value::from(tenant.domain.to_ascii_lowercase()),
                Value::from(&tenant.display_name),
                tenant.plan.as_str().into(),
                tenant.plan_until.map(|time| time.0).into(),
                Value::from(&tenant.signing_algorithm),
                tenant.created.0.into(),
            ],
        );
        match scoped.session.execute(statement).await {
            Ok(_) => Ok(scoped),
            Err(StoreError::Database(error)) if StoreError::is_unique_violation(&error) => {
                Err(StoreError::Duplicate("tenant"))
            }
            Err(error) => Err(error),
        }
    }
}

impl Scoped {
    /// Holds the tenant until the end of the transaction; whoever asks for it meanwhile waits. What was counted and found under
    /// it stays so until the commit. SQLite has one writer anyway.
    pub async fn hold_tenant(&mut self) -> Result<(), StoreError> {
        if matches!(self.session, Session::PostgresTransaction(_)) {
            let mut statement = Statement::default();
            statement
                .push("select id from tenant where id = ")
                .bind(self.tenant())
                .push(" for no key update");
            self.session.fetch(statement).await?;
        }
        Ok(())
    }
}
