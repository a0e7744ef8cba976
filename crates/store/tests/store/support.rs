//! Databases for tests: fresh ones, one of each kind.

use std::future::Future;

use countersign_model::time::Timestamp;
use countersign_store::{Location, MasterKey, Plan, Scoped, Store, Tenant};
use serde_json::{Map, Value as Json, json};
use sqlx::Executor as _;
use tempfile::TempDir;

/// The moment at which everything happens.
pub(crate) const NOW: Timestamp = Timestamp(1_780_000_000_000_000);

/// Runs `test` on a fresh database of each kind.
pub(crate) fn on_each<F: Future<Output = ()>>(test: impl Fn(Store) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("test.db");
        let store = Store::open(Location::Sqlite { file: &file, create: true }, master_key()).await.unwrap();
        test(store.clone()).await;
        store.close().await;
        let Ok(server) = std::env::var("COUNTERSIGN_TEST_DATABASE") else {
            eprintln!("SKIPPED on PostgreSQL: COUNTERSIGN_TEST_DATABASE names no server; `cargo xtask test` starts one");
            return;
        };
        let database = Database::create(&server).await;
        let store = Store::open(Location::Postgres(&database.url), master_key()).await.unwrap();
        test(store.clone()).await;
        store.close().await;
        database.remove(&server).await;
    });
}

pub(crate) fn master_key() -> MasterKey {
    MasterKey::new(&[7; 32]).unwrap()
}

struct Database {
    name: String,
    url: String,
}

impl Database {
    async fn create(server: &str) -> Self {
        let name = format!("store_{}", uuid::Uuid::from_u128(random()).simple());
        let pool = sqlx::PgPool::connect(server).await.expect("PostgreSQL is reached");
        pool.execute(sqlx::AssertSqlSafe(format!("create database {name}"))).await.unwrap();
        let (base, _) = server.rsplit_once('/').expect("the address ends in a database");
        Self { url: format!("{base}/{name}"), name }
    }

    async fn remove(self, server: &str) {
        let pool = sqlx::PgPool::connect(server).await.unwrap();
        let statement = format!("drop database if exists {} with (force)", self.name);
        pool.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    }
}

fn random() -> u128 {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    u128::from_be_bytes(bytes)
}

/// A tenant of that name, set up with nothing in it.
pub(crate) async fn tenant(store: &Store, name: &str) -> Tenant {
    let tenant = Tenant {
        id: uuid::Uuid::from_u128(random()).to_string(),
        domain: format!("{name}.example"),
        display_name: name.to_owned(),
        plan: Plan::Premium,
        plan_until: None,
        signing_algorithm: "RS256".to_owned(),
        created: NOW,
    };
    store.create_tenant(&tenant).await.unwrap().commit().await.unwrap();
    tenant
}

/// A transaction in a tenant.
pub(crate) async fn begin(store: &Store, tenant: &Tenant) -> Scoped {
    store.begin(&store.scope(tenant)).await.unwrap()
}

/// A service principal with a name, and what `more` says.
pub(crate) fn principal(number: u32, more: &Json) -> Map<String, Json> {
    let mut body = json!({
        "id": uuid::Uuid::from_u128(u128::from(number)).to_string(),
        "appId": uuid::Uuid::from_u128(u128::from(number) << 64).to_string(),
        "displayName": format!("Principal {number:03}"),
        "servicePrincipalType": "Application",
        "accountEnabled": true,
        "appOwnerOrganizationId": null,
        "tags": [],
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.as_object().unwrap().clone()
}
