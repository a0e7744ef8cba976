//! One call of the API: who asks for what, and what is answered.

use axum::http::HeaderMap;
use countersign_model::time::Timestamp;
use countersign_odata::edm::{EntityType, Version};
use countersign_odata::error::ODataError;
use countersign_odata::query::{Context, Options, RawOptions, needs_advanced};
use countersign_store::{Record, Scoped, StoreError, Tenant, TenantScope};
use serde_json::{Map, Value as Json};

use super::access::{Held, Verdict};
use super::routes::{Area, Param};
use crate::serve::Server;

/// Whoever holds a valid token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) tenant: Tenant,
    pub(crate) scope: TenantScope,
    /// `appid`: the client, also when a person uses it.
    pub(crate) app_id: String,
    /// Display name of the client.
    pub(crate) app_name: String,
    pub(crate) kind: CallerKind,
    /// Address of the client.
    pub(crate) ip: Option<std::net::IpAddr>,
}

/// An application or a person.
#[derive(Clone, Debug)]
pub(crate) enum CallerKind {
    /// `oid` of an application, with the permissions that it was granted.
    Application { service_principal_id: String, permissions: Vec<String> },
    /// `oid` of a person, with the delegated permissions and the directory roles.
    Person {
        user_id: String,
        user_principal_name: String,
        display_name: String,
        permissions: Vec<String>,
        roles: Vec<String>,
    },
}

impl Caller {
    /// Object id.
    pub(crate) fn object_id(&self) -> &str {
        match &self.kind {
            CallerKind::Application { service_principal_id, .. } => service_principal_id,
            CallerKind::Person { user_id, .. } => user_id,
        }
    }

    pub(crate) fn held(&self) -> Held<'_> {
        match &self.kind {
            CallerKind::Application { permissions, .. } => Held::Application(permissions),
            CallerKind::Person { permissions, roles, .. } => Held::Person(permissions, roles),
        }
    }
}

/// What a call is answered with, when it is no error.
#[derive(Debug)]
pub(crate) enum Answer {
    /// JSON with its status, and the address of what was created.
    Json { status: u16, body: Json, etag: Option<String>, location: Option<String> },
    /// A plain number: `$count`.
    Count(i64),
    /// 204.
    Empty,
}

impl Answer {
    pub(crate) fn ok(body: Json) -> Self {
        Answer::Json { status: 200, body, etag: None, location: None }
    }
}

/// One call, authorised for its route.
pub(crate) struct Call<'a> {
    pub(crate) server: &'a Server,
    pub(crate) caller: &'a Caller,
    pub(crate) verdict: Verdict,
    pub(crate) version: Version,
    pub(crate) params: Vec<Param>,
    pub(crate) options: RawOptions,
    /// Segments behind the version, as they came, for `@odata.nextLink`.
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    /// `https://host:port`, as the client called it.
    pub(crate) base: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) request_id: &'a str,
}

impl Call<'_> {
    /// The id at a place of the path.
    pub(crate) fn id(&self, at: usize) -> &str {
        self.params.get(at).map_or("", Param::id)
    }

    /// The options, typed.
    pub(crate) fn options(&self, entity: &'static EntityType, area: Area) -> Result<Options, ODataError> {
        let context = Context { entity, version: self.version, page_size_max: area.page_size_max() };
        let options = Options::parse(&self.options, &context).map_err(|error| match area {
            Area::Directory => error.with_code("Request_UnsupportedQuery"),
            _ => error,
        })?;
        if area == Area::Directory && options.search.is_some() && !self.is_eventual() {
            return Err(ODataError::unsupported_query(
                "Request with $search query parameter only works with the header 'ConsistencyLevel: eventual'.",
            ));
        }
        if self.server.config.graph.strict_advanced_queries
            && area == Area::Directory
            && let Some(advanced) = needs_advanced(&options)
            && !(self.is_eventual() && options.count)
        {
            return Err(ODataError::unsupported_query(format!(
                "{advanced} is an advanced query: it needs the header 'ConsistencyLevel: eventual' and '$count=true'."
            )));
        }
        Ok(options)
    }

    /// Whether the client accepts what is a moment old, which advanced queries ask for.
    pub(crate) fn is_eventual(&self) -> bool {
        self.header("consistencylevel").is_some_and(|level| level.eq_ignore_ascii_case("eventual"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether the client asks for members of enumerations behind their sentinel.
    pub(crate) fn wants_unknown_members(&self) -> bool {
        self.prefers("include-unknown-enum-members")
    }

    /// Whether `Prefer` holds a preference.
    pub(crate) fn prefers(&self, preference: &str) -> bool {
        self.header("prefer")
            .is_some_and(|all| all.split(',').any(|one| one.trim().eq_ignore_ascii_case(preference)))
    }

    /// Refuses when the client saw another version of the object.
    pub(crate) fn check_etag(&self, record: &Record) -> Result<(), ODataError> {
        match self.header("if-match") {
            None | Some("*") => Ok(()),
            Some(etags) if etags.split(',').any(|etag| etag.trim() == record.etag()) => Ok(()),
            Some(_) => Err(ODataError::precondition_failed()),
        }
    }

    /// Refuses when ownership is what allows the call, and the caller does not own the object.
    pub(crate) async fn check_owner(&self, scoped: &mut Scoped, object_id: &str) -> Result<(), ODataError> {
        if self.verdict == Verdict::Allowed {
            return Ok(());
        }
        match scoped.is_owner(object_id, self.caller.object_id()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(ODataError::denied()),
            Err(error) => Err(failed(error)),
        }
    }

    pub(crate) async fn read(&self) -> Result<Scoped, ODataError> {
        self.server.store.read(&self.caller.scope).await.map_err(failed)
    }

    pub(crate) async fn begin(&self) -> Result<Scoped, ODataError> {
        self.server.store.begin(&self.caller.scope).await.map_err(failed)
    }

    /// `https://host:port/v1.0/$metadata#…`
    pub(crate) fn context(&self, what: &str) -> Json {
        format!("{}/{}/$metadata#{what}", self.base, self.version.as_str()).into()
    }

    /// A created or read object with its context.
    pub(crate) fn with_context(&self, what: &str, body: Json) -> Json {
        let mut whole = Map::new();
        whole.insert("@odata.context".into(), self.context(what));
        if let Json::Object(members) = body {
            whole.extend(members);
        }
        Json::Object(whole)
    }
}

/// An error of the store as Graph says it.
pub(crate) fn failed(error: StoreError) -> ODataError {
    match error {
        StoreError::Duplicate(what) => ODataError::same_key(what),
        StoreError::NameTaken(name) => ODataError::request_bad_request(format!(
            "The name '{name}' is that of another application: identifierUris and servicePrincipalNames are unique."
        )),
        StoreError::Changed => ODataError::precondition_failed(),
        StoreError::SkipToken => ODataError::bad_request("The skip token is not valid for this query."),
        StoreError::Unsupported(message) => ODataError::unsupported_query(message),
        error => {
            crate::serve::log::error("database", &error);
            ODataError::unavailable()
        }
    }
}

/// An error of our own making, which the client can do nothing about.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
pub(crate) fn internal(error: anyhow::Error) -> ODataError {
    crate::serve::log::error("internal", &*error);
    ODataError::internal()
}
