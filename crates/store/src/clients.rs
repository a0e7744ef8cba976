//! What the token service knows of clients and resources, kept in memory as long as nobody changes it.
//!
//! A token must not cost a query. Facts are loaded when they are first asked for, so that a directory of a million
//! principals starts at once, and dropped by every write that touches their application, before that write is answered.
//! With PostgreSQL other processes write too: each announces what it touched (`NOTIFY`), and as long as announcements
//! cannot be heard nothing is kept.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_model::client::{
    Client, ClientApplication, ClientCertificate, ClientPrincipal, ClientSecret, Ended, FederatedCredential,
    Resource,
};
use countersign_model::risk::RiskLevel;
use countersign_model::time::Timestamp;
use countersign_odata::value::parse_instant;
use serde_json::{Map, Value as Json};
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::database::{Database, Session, Statement, Value};
use crate::entity::{
    APPLICATION, FEDERATED_IDENTITY_CREDENTIAL, OAUTH2_PERMISSION_GRANT, RISKY_SERVICE_PRINCIPAL,
    SERVICE_PRINCIPAL,
};
use crate::records::{Record, record, select};
use crate::{Dialect, Scoped, Store, StoreError, TenantScope};

/// Clients kept in memory; beyond that all are dropped and loaded again as they come.
const CLIENTS_MAX: usize = 100_000;
/// Name of the channel of announcements.
const CHANNEL: &str = "countersign_directory";
/// Member of the body of a service principal or an application: when it was last disabled or deleted, in microseconds since
/// 1970.
pub const DISABLED: &str = "_disabledUs";
/// How often that was. Tokens carry the number that they know, and are over when it is lower.
pub const DISABLINGS: &str = "_disablings";
/// When tokens of continuous access evaluation alone were last ended.
pub const REVOKED: &str = "_revokedUs";
/// How often that was.
pub const REVOCATIONS: &str = "_revocations";
/// Credentials that were removed lately: pairs of key id and time.
pub const REMOVED_CREDENTIALS: &str = "_removedCredentials";
/// What stands among touched applications, before the id of a tenant, for its policies and named locations; no application has
/// such an id.
pub(crate) const POLICIES: &str = "policies ";
/// What stands among touched applications before tenant and id of a stream in which something waits or that was changed.
const STREAM: &str = "stream ";
/// Rings that a listener may be late: who is later looks at all streams.
const RINGS: usize = 1_024;
/// Pause between two looks at what other processes changed in a SQLite file.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// What is announced to see whether announcements are heard.
const BEAT: &str = "beat";
/// How often that is.
const BEAT_EVERY: Duration = Duration::from_millis(500);
/// How long nothing may be heard before nothing is kept. Longer than that a revocation elsewhere would go unheard.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// Pause before listening is tried again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Something waits in a stream, or the stream was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rung {
    /// In this stream.
    Stream {
        /// The tenant.
        tenant_id: String,
        /// Its id.
        stream_id: String,
    },
    /// In any: what others changed was not heard.
    Any,
}

/// The memory of clients and resources.
#[derive(Debug)]
pub(crate) struct Clients {
    kept: RwLock<Kept>,
    /// Counts outdatings: what was loaded before the last one is not kept.
    generation: AtomicU64,
    /// Counts changes of policies and named locations, by tenant.
    policies: RwLock<HashMap<String, u64>>,
    /// Counts how often all that others changed had to be forgotten.
    forgotten: AtomicU64,
    /// Whether writes of other processes would be heard.
    hears_others: AtomicBool,
    /// This process among those that share a SQLite file.
    process_id: String,
    /// Rings when something waits in a stream.
    bell: broadcast::Sender<Rung>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By application, then by tenant.
    clients: HashMap<String, HashMap<String, Arc<Client>>>,
    count: usize,
    /// By tenant and name.
    resources: HashMap<(String, String), Arc<Resource>>,
}

impl Clients {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            kept: RwLock::default(),
            generation: AtomicU64::default(),
            policies: RwLock::default(),
            forgotten: AtomicU64::default(),
            hears_others: AtomicBool::new(dialect == Dialect::Sqlite),
            process_id: Uuid::from_u128(random()).to_string(),
            bell: broadcast::Sender::new(RINGS),
        }
    }

    /// Tells other processes what a transaction touches; they hear it when it commits.
    pub(crate) async fn announce(&self, session: &mut Session, touched: &[String]) -> Result<(), StoreError> {
        if session.dialect() == Dialect::Postgres {
            for app_id in touched {
                let values: [Value; 2] = [CHANNEL.into(), app_id.into()];
                session.execute(Statement::new("select pg_notify($1, $2)", values)).await?;
            }
        } else if !touched.is_empty() {
            let count = Statement::new(
                "insert into announcement (process_id, changes) values ($1, 1) \
                 on conflict (process_id) do update set changes = announcement.changes + 1",
                [Value::from(&self.process_id)],
            );
            session.execute(count).await?;
        }
        Ok(())
    }

    /// Forgets what is known of applications, and of policies of tenants that stand behind [`POLICIES`] among what was touched.
    pub(crate) fn outdate(&self, touched: &[String]) {
        if touched.is_empty() {
            return;
        }
        for tenant_id in touched.iter().filter_map(|one| one.strip_prefix(POLICIES)) {
            let mut policies = self.policies.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            *policies.entry(tenant_id.to_owned()).or_default() += 1;
        }
        for stream in touched.iter().filter_map(|one| one.strip_prefix(STREAM)) {
            if let Some((tenant_id, stream_id)) = stream.split_once(' ') {
                let (tenant_id, stream_id) = (tenant_id.to_owned(), stream_id.to_owned());
                // Nobody may listen.
                let _ = self.bell.send(Rung::Stream { tenant_id, stream_id });
            }
        }
        let mut kept = self.kept.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::AcqRel);
        for app_id in touched {
            let removed = kept.clients.remove(app_id).map_or(0, |tenants| tenants.len());
            kept.count -= removed;
        }
        kept.resources.retain(|_, resource| !touched.contains(&resource.app_id));
    }

    fn forget_all(&self) {
        let mut kept = self.kept.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        *kept = Kept::default();
        let _ = self.bell.send(Rung::Any);
    }

    fn may_keep(&self, generation: u64) -> bool {
        self.hears_others.load(Ordering::Acquire) && self.generation.load(Ordering::Acquire) == generation
    }
}

impl Store {
    pub(crate) fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The client of that id in a tenant: its registration, its service principal there and their credentials; `None` when
    /// the tenant has neither.
    pub async fn client(&self, scope: &TenantScope, app_id: &str) -> Result<Option<Arc<Client>>, StoreError> {
        let app_id = app_id.to_ascii_lowercase();
        {
            let kept = self.clients.kept.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(client) = kept.clients.get(&app_id).and_then(|tenants| tenants.get(scope.tenant_id()))
            {
                return Ok(Some(Arc::clone(client)));
            }
        }
        let generation = self.clients.generation.load(Ordering::Acquire);
        let Some(client) = self.read(scope).await?.load_client(&app_id).await? else { return Ok(None) };
        let client = Arc::new(client);
        let mut kept = self.clients.kept.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.clients.may_keep(generation) {
            if kept.count >= CLIENTS_MAX {
                *kept = Kept::default();
            }
            let tenants = kept.clients.entry(app_id).or_default();
            if tenants.insert(scope.tenant_id().to_owned(), Arc::clone(&client)).is_none() {
                kept.count += 1;
            }
        }
        Ok(Some(client))
    }

    /// A number that grows with every change of a policy or named location of a tenant: what was made of them at another number
    /// may be outdated. `None` while changes of other processes could not be heard, and nothing may be kept.
    pub fn policy_generation(&self, scope: &TenantScope) -> Option<u64> {
        if !self.clients.hears_others.load(Ordering::Acquire) {
            return None;
        }
        let policies = self.clients.policies.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let changes = policies.get(scope.tenant_id()).copied().unwrap_or_default();
        Some(changes + self.clients.forgotten.load(Ordering::Acquire))
    }

    /// The resource that a tenant knows under `name`: an application id or one of its names, in any case, with or without a
    /// slash at the end.
    pub async fn resource(
        &self,
        scope: &TenantScope,
        name: &str,
    ) -> Result<Option<Arc<Resource>>, StoreError> {
        let key = (scope.tenant_id().to_owned(), resource_name(name));
        {
            let kept = self.clients.kept.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(resource) = kept.resources.get(&key) {
                return Ok(Some(Arc::clone(resource)));
            }
        }
        let generation = self.clients.generation.load(Ordering::Acquire);
        let Some(resource) = self.read(scope).await?.load_resource(&key.1).await? else { return Ok(None) };
        let resource = Arc::new(resource);
        let mut kept = self.clients.kept.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.clients.may_keep(generation) {
            kept.resources.insert(key, Arc::clone(&resource));
        }
        Ok(Some(resource))
    }

    /// Rings whenever something waits in a stream or one was changed, here or, as long as [`Store::hear_others`] is polled,
    /// elsewhere.
    pub fn hear_streams(&self) -> broadcast::Receiver<Rung> {
        self.clients.bell.subscribe()
    }

    /// Hears what other processes write, as long as the future is polled. On SQLite they are commands beside a server, which
    /// looks every second.
    pub async fn hear_others(&self) {
        let Database::Postgres(pool) = &self.database else { return self.look_at_others().await };
        loop {
            if let Ok(mut listener) = sqlx::postgres::PgListener::connect_with(pool).await
                && listener.listen(CHANNEL).await.is_ok()
            {
                self.clients.forget_all();
                self.clients.hears_others.store(true, Ordering::Release);
                let heard = Mutex::new(Instant::now());
                tokio::select! {
                    () = self.listen(&mut listener, &heard) => {}
                    () = self.beat(pool, &heard) => {}
                }
                self.clients.hears_others.store(false, Ordering::Release);
                self.clients.forget_all();
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    }

    /// Takes in announcements until the connection is lost. Each is a sign that it is not.
    async fn listen(&self, listener: &mut sqlx::postgres::PgListener, heard: &Mutex<Instant>) {
        // `try_recv` gives `None` when the connection was lost, and announcements with it.
        while let Ok(Some(announcement)) = listener.try_recv().await {
            *heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Instant::now();
            if announcement.payload() != BEAT {
                self.clients.outdate(&[announcement.payload().to_owned()]);
            }
        }
    }

    /// Announces a beat again and again, until none was heard for too long: a connection whose packets somebody drops looks
    /// open for ever.
    async fn beat(&self, pool: &sqlx::PgPool, heard: &Mutex<Instant>) {
        loop {
            let beat = sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(BEAT).execute(pool);
            // A database that does not answer is silence, too.
            let _ = tokio::time::timeout(BEAT_EVERY, beat).await;
            tokio::time::sleep(BEAT_EVERY).await;
            let heard = *heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if heard.elapsed() > SILENCE_MAX {
                return;
            }
        }
    }
}

impl Store {
    async fn look_at_others(&self) {
        let mut known = None;
        loop {
            // A look that failed is repeated; what is kept meanwhile is a second older.
            if let Ok(changes) = self.changes_of_others().await {
                if known.is_some_and(|known| known != changes) {
                    self.clients.forget_all();
                }
                known = Some(changes);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn changes_of_others(&self) -> Result<i64, StoreError> {
        let statement = Statement::new(
            "select coalesce(sum(changes), 0) from announcement where process_id <> $1",
            [Value::from(&self.clients.process_id)],
        );
        self.database.read().await?.first(statement).await?.map_or(Ok(0), |row| row.int(0))
    }
}

/// A number that another process will not have. It need not be secret.
fn random() -> u128 {
    let mut bytes = [0; 16];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return u128::from(std::process::id());
    }
    u128::from_be_bytes(bytes)
}

/// The form in which names of resources are compared.
pub(crate) fn resource_name(name: &str) -> String {
    name.trim_end_matches('/').to_ascii_lowercase()
}

impl Scoped {
    /// Says that something waits in a stream, or that it was changed.
    pub(crate) fn ring(&mut self, stream_id: &str) {
        let ring = format!("{STREAM}{} {stream_id}", self.scope().tenant_id());
        if !self.touched.contains(&ring) {
            self.touched.push(ring);
        }
    }

    /// A registration of another tenant that is open to this one, with its home. Beside [`Store::client`] the one read across
    /// tenants: what it shows is what an administrator must see to bring the application in.
    pub async fn shared_application(&mut self, app_id: &str) -> Result<Option<(Record, String)>, StoreError> {
        let mut statement = Statement::default();
        statement.push("select id, version, deleted_us, body, tenant_id from application where app_id = ");
        statement.bind(app_id.to_ascii_lowercase());
        statement.push(" and deleted_us is null");
        match self.session.first(statement).await? {
            Some(row) => {
                let application = record(&APPLICATION, &row)?;
                let is_open = application.text("signInAudience").is_some_and(is_open_to_other_tenants);
                Ok(is_open.then_some((application, row.text(4)?)))
            }
            None => Ok(None),
        }
    }

    /// Changes the service principals that other tenants have of an application which is at home in this one; elsewhere it
    /// changes nothing. The one write across tenants: what `change` puts there is a copy of what the publisher says of its
    /// application, as in Entra, and nothing that a tenant decides for itself.
    pub async fn change_elsewhere(
        &mut self,
        app_id: &str,
        change: impl Fn(&mut Map<String, Json>),
    ) -> Result<(), StoreError> {
        if self.get_by(&APPLICATION, "app_id", app_id).await?.is_none() {
            return Ok(());
        }
        let statement = Statement::new(
            "select tenant_id from service_principal where app_id = $1 and tenant_id <> $2 order by tenant_id",
            [app_id.to_ascii_lowercase().into(), self.tenant()],
        );
        let rows = self.session.fetch(statement).await?;
        let tenants = rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
        let home = self.scope.clone();
        for tenant in tenants {
            self.scope = TenantScope::new(tenant);
            let changed = self.change_principal(app_id, &change).await;
            self.scope = home.clone();
            changed?;
        }
        Ok(())
    }

    async fn change_principal(
        &mut self,
        app_id: &str,
        change: impl Fn(&mut Map<String, Json>),
    ) -> Result<(), StoreError> {
        let Some(mut principal) = self.get_by(&SERVICE_PRINCIPAL, "app_id", app_id).await? else {
            return Ok(());
        };
        let before = principal.body.clone();
        change(&mut principal.body);
        if principal.body == before {
            Ok(())
        } else {
            self.update(&SERVICE_PRINCIPAL, principal).await.map(drop)
        }
    }

    async fn load_client(&mut self, app_id: &str) -> Result<Option<Client>, StoreError> {
        let principal = self.get_by(&SERVICE_PRINCIPAL, "app_id", app_id).await?;
        let principal = principal.filter(|principal| principal.deleted.is_none());
        // The one read across tenants: a registration is at home in one tenant and known by its id in all. It is used only
        // where this tenant has it at home or has a service principal of it.
        let mut statement = Statement::default();
        statement.push("select id, version, deleted_us, body, tenant_id from application where app_id = ");
        statement.bind(app_id).push(" and deleted_us is null");
        let application = match self.session.first(statement).await? {
            Some(row) => Some((record(&APPLICATION, &row)?, row.text(4)?)),
            None => None,
        };
        let application =
            application.filter(|(_, home)| principal.is_some() || home == self.scope.tenant_id());
        // A service principal does not outlive the sign-ins of its application: only managed identities never had one, and
        // Microsoft's own lie elsewhere for good.
        let stands_alone = principal.as_ref().is_some_and(|principal| {
            principal.text("servicePrincipalType") == Some("ManagedIdentity")
                || principal.flag("_isPublicClient") == Some(true)
        });
        if application.is_none() && !stands_alone {
            return Ok(None);
        }
        let mut client = Client {
            app_id: app_id.to_owned(),
            display_name: String::new(),
            application: None,
            principal: None,
            secrets: Vec::new(),
            certificates: Vec::new(),
            federated: Vec::new(),
        };
        if let Some((application, home)) = &application {
            application.text("displayName").unwrap_or_default().clone_into(&mut client.display_name);
            client.application = Some(client_application(application, home));
            self.load_credentials(&mut client, application, home).await?;
        }
        if let Some(principal) = &principal {
            principal.text("displayName").unwrap_or_default().clone_into(&mut client.display_name);
            let tenant_id = self.scope.tenant_id().to_owned();
            self.load_credentials(&mut client, principal, &tenant_id).await?;
            client.principal = Some(self.client_principal(principal).await?);
            // A registration that lies elsewhere for good, such as that of Microsoft's command-line tools.
            if client.application.is_none() && principal.flag("_isPublicClient") == Some(true) {
                client.application = Some(ClientApplication {
                    id: principal.id.clone(),
                    tenant_id: principal.text("appOwnerOrganizationId").unwrap_or_default().to_owned(),
                    is_disabled: false,
                    ended: Ended::default(),
                    is_public: true,
                    one_time_assertions: false,
                    is_single_tenant: false,
                    redirect_uris: texts(principal.list("replyUrls")),
                });
            }
        }
        Ok(Some(client))
    }

    async fn load_credentials(
        &mut self,
        client: &mut Client,
        object: &Record,
        tenant_id: &str,
    ) -> Result<(), StoreError> {
        let rows = self
            .session
            .fetch(Statement::new(
                "select key_id, hash from client_secret where tenant_id = $1 and object_id = $2",
                [tenant_id.into(), Value::from(&object.id)],
            ))
            .await?;
        let mut hashes = HashMap::new();
        for row in rows {
            hashes.insert(row.text(0)?, row.bytes(1)?);
        }
        for credential in object.list("passwordCredentials").iter().filter_map(Json::as_object) {
            let key_id = text(credential, "keyId");
            if let Some(hash) = hashes.remove(&key_id) {
                let (start, end) = validity(credential);
                client.secrets.push(ClientSecret { key_id, hash, start, end });
            }
        }
        for credential in object.list("keyCredentials").iter().filter_map(Json::as_object) {
            let Ok(der) = STANDARD.decode(text(credential, "key")) else { continue };
            if !der.is_empty() && text(credential, "usage").eq_ignore_ascii_case("Verify") {
                let (start, end) = validity(credential);
                client.certificates.push(ClientCertificate {
                    key_id: text(credential, "keyId"),
                    sha1: digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &der).as_ref().to_vec(),
                    sha256: digest::digest(&digest::SHA256, &der).as_ref().to_vec(),
                    der,
                    start,
                    end,
                });
            }
        }
        let mut statement = select(&FEDERATED_IDENTITY_CREDENTIAL);
        statement.push(" where tenant_id = ").bind(tenant_id).push(" and object_id = ").bind(&object.id);
        for row in self.session.fetch(statement).await? {
            let credential = record(&FEDERATED_IDENTITY_CREDENTIAL, &row)?;
            let audience = credential.list("audiences").first().and_then(Json::as_str).unwrap_or_default();
            client.federated.push(FederatedCredential {
                issuer: credential.text("issuer").unwrap_or_default().to_owned(),
                subject: credential.text("subject").map(str::to_owned),
                audience: audience.to_owned(),
                id: credential.id,
            });
        }
        Ok(())
    }

    async fn client_principal(&mut self, principal: &Record) -> Result<ClientPrincipal, StoreError> {
        let mut roles: HashMap<String, Vec<String>> = HashMap::new();
        let assignments = self
            .session
            .fetch(Statement::new(
                "select resource_id, app_role_id from app_role_assignment where tenant_id = $1 and principal_id = $2 \
                 order by id",
                [self.tenant(), Value::from(&principal.id)],
            ))
            .await?;
        for row in assignments {
            roles.entry(row.text(0)?).or_default().push(row.text(1)?);
        }
        Ok(ClientPrincipal {
            id: principal.id.clone(),
            account_enabled: principal.flag("accountEnabled").unwrap_or(false),
            is_disabled: principal.flag("isDisabled").unwrap_or(false),
            is_disabled_by_microsoft: is_disabled_by_microsoft(&principal.body),
            owner_tenant_id: principal.text("appOwnerOrganizationId").map(str::to_owned),
            kind: principal.text("servicePrincipalType").unwrap_or_default().to_owned(),
            roles,
            directory_roles: self.directory_roles(&principal.id).await?,
            risk: self.risk_level(&principal.id).await?,
            ended: ended(principal),
            attributes: match principal.body.get("customSecurityAttributes") {
                Some(Json::Object(sets)) => sets.clone(),
                _ => Map::new(),
            },
        })
    }

    /// The level of a risk that nobody dismissed or remedied.
    async fn risk_level(&mut self, principal_id: &str) -> Result<RiskLevel, StoreError> {
        let Some(risky) = self.get(&RISKY_SERVICE_PRINCIPAL, principal_id).await? else {
            return Ok(RiskLevel::None);
        };
        let counts = matches!(risky.text("riskState"), Some("atRisk" | "confirmedCompromised"));
        let level = risky.text("riskLevel").unwrap_or_default();
        match [RiskLevel::None, RiskLevel::Low, RiskLevel::Medium, RiskLevel::High]
            .into_iter()
            .find(|known| known.as_str() == level)
        {
            Some(level) => Ok(if counts { level } else { RiskLevel::None }),
            // Whoever decides on it must not take it for none.
            None => Err(StoreError::Corrupt {
                table: "risky_service_principal",
                id: principal_id.to_owned(),
                reason: format!("`{level}` is no risk level"),
            }),
        }
    }

    /// Scopes that were granted to a client on a resource, for everybody or for one person.
    pub async fn delegated_scopes(
        &mut self,
        client_id: &str,
        resource_id: &str,
        user_id: &str,
    ) -> Result<Vec<String>, StoreError> {
        let mut statement = select(&OAUTH2_PERMISSION_GRANT);
        statement.push(" where tenant_id = ").bind(self.tenant()).push(" and client_id = ").bind(client_id);
        statement.push(" and resource_id = ").bind(resource_id);
        statement.push(" and (principal_id is null or principal_id = ").bind(user_id).push(")");
        let mut scopes = Vec::new();
        for row in self.session.fetch(statement).await? {
            let grant = record(&OAUTH2_PERMISSION_GRANT, &row)?;
            scopes.extend(grant.text("scope").unwrap_or_default().split_whitespace().map(str::to_owned));
        }
        scopes.sort();
        scopes.dedup();
        Ok(scopes)
    }

    /// Template ids of the directory roles that a user or service principal holds.
    pub async fn directory_roles(&mut self, principal_id: &str) -> Result<Vec<String>, StoreError> {
        let rows = self
            .session
            .fetch(Statement::new(
                "select role_definition_id from role_assignment where tenant_id = $1 and principal_id = $2 order by 1",
                [self.tenant(), principal_id.into()],
            ))
            .await?;
        rows.iter().map(|row| row.text(0)).collect()
    }

    async fn load_resource(&mut self, name: &str) -> Result<Option<Resource>, StoreError> {
        let mut statement = Statement::default();
        statement.push(
            "select s.id, s.version, s.deleted_us, s.body from resource_name n join service_principal s \
             on s.tenant_id = n.tenant_id and s.app_id = n.app_id where n.tenant_id = ",
        );
        statement.bind(self.tenant()).push(" and n.name = ").bind(name);
        statement.push(" and s.deleted_us is null");
        let Some(row) = self.session.first(statement).await? else { return Ok(None) };
        let principal = record(&SERVICE_PRINCIPAL, &row)?;
        let app_roles = principal
            .list("appRoles")
            .iter()
            .filter_map(Json::as_object)
            .filter(|role| role.get("isEnabled").and_then(Json::as_bool).unwrap_or(true))
            .map(|role| (text(role, "id").to_ascii_lowercase(), text(role, "value")))
            .collect();
        let scopes = principal
            .list("oauth2PermissionScopes")
            .iter()
            .filter_map(|scope| scope.get("value").and_then(Json::as_str))
            .map(str::to_owned)
            .collect();
        let version = principal.body.get("_accessTokenVersion").and_then(Json::as_i64);
        let app_id = principal.text("appId").unwrap_or_default().to_owned();
        let application = self.get_by(&APPLICATION, "app_id", &app_id).await?;
        let asks_for_capabilities = application.is_some_and(|application| {
            let claims = application.body.get("optionalClaims").and_then(|claims| claims.get("accessToken"));
            let claims = claims.and_then(Json::as_array).into_iter().flatten();
            claims.filter_map(|claim| claim.get("name")?.as_str()).any(|name| name == "xms_cc")
        });
        Ok(Some(Resource {
            app_id,
            asks_for_capabilities,
            display_name: principal.text("displayName").unwrap_or_default().to_owned(),
            owner_tenant_id: principal.text("appOwnerOrganizationId").map(str::to_owned),
            token_version: if version == Some(2) { 2 } else { 1 },
            assignment_required: principal.flag("appRoleAssignmentRequired").unwrap_or(false),
            account_enabled: principal.flag("accountEnabled").unwrap_or(false),
            app_roles,
            scopes,
            names: texts(principal.list("servicePrincipalNames")),
            id: principal.id,
        }))
    }
}

/// Whether a `signInAudience` lets an application be used outside its home tenant.
pub fn is_open_to_other_tenants(audience: &str) -> bool {
    matches!(audience, "AzureADMultipleOrgs" | "AzureADandPersonalMicrosoftAccount")
}

/// Whether an object was disabled from outside the tenant, and must not be deleted.
pub fn is_disabled_by_microsoft(body: &Map<String, Json>) -> bool {
    let status = body.get("disabledByMicrosoftStatus").and_then(Json::as_str);
    status.is_some_and(|status| status.starts_with("Disabled"))
}

fn client_application(application: &Record, home: &str) -> ClientApplication {
    let mut redirect_uris = Vec::new();
    for platform in ["web", "spa", "publicClient"] {
        let uris = application.body.get(platform).and_then(|platform| platform.get("redirectUris"));
        for uri in uris.and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
            redirect_uris.push(uri.to_owned());
        }
    }
    ClientApplication {
        id: application.id.clone(),
        tenant_id: home.to_owned(),
        is_disabled: application.flag("isDisabled").unwrap_or(false)
            || is_disabled_by_microsoft(&application.body),
        is_public: application.flag("isFallbackPublicClient").unwrap_or(false)
            || application
                .body
                .get("publicClient")
                .and_then(|platform| platform.get("redirectUris")?.as_array())
                .is_some_and(|uris| !uris.is_empty()),
        ended: ended(application),
        one_time_assertions: application.flag("countersignOneTimeAssertions").unwrap_or(false),
        is_single_tenant: !application.text("signInAudience").is_some_and(is_open_to_other_tenants),
        redirect_uris,
    }
}

fn instant(object: &Record, name: &str) -> Option<Timestamp> {
    object.body.get(name).and_then(Json::as_i64).map(Timestamp)
}

/// What the body of a service principal or an application says of its tokens.
pub(crate) fn ended(object: &Record) -> Ended {
    let count = |name: &str| object.body.get(name).and_then(Json::as_u64).unwrap_or_default();
    let removed = object.list(REMOVED_CREDENTIALS).iter();
    let removed =
        removed.filter_map(|one| Some((one[0].as_str()?.parse().ok()?, Timestamp(one[1].as_i64()?))));
    Ended {
        disablings: count(DISABLINGS),
        disabled: instant(object, DISABLED),
        revocations: count(REVOCATIONS),
        revoked: instant(object, REVOKED),
        removed_credentials: removed.collect(),
    }
}

fn texts(list: &[Json]) -> Vec<String> {
    list.iter().filter_map(Json::as_str).map(str::to_owned).collect()
}

fn text(body: &Map<String, Json>, name: &str) -> String {
    body.get(name).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn validity(credential: &Map<String, Json>) -> (Timestamp, Timestamp) {
    let time = |name| credential.get(name).and_then(Json::as_str).and_then(parse_instant).map(Timestamp);
    (time("startDateTime").unwrap_or(Timestamp(0)), time("endDateTime").unwrap_or(Timestamp(0)))
}
