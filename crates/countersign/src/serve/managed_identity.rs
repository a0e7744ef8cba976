//! Tokens for workloads on the same machine, as Azure's instance metadata service gives them: no secret, but an address that
//! only this machine reaches. Off unless it is configured.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::routing::get;
use countersign_model::time::{SECOND, Timestamp};
use countersign_odata::edm::Version;
use countersign_odata::query::parse_filter;
use countersign_store::entity::SERVICE_PRINCIPAL;
use countersign_store::{Listing, Record, SignInRecord, Tenant};
use countersign_token::claims::{ClientProof, ISSUED_BACK_SECONDS};
use countersign_token::refusal::Refusal;
use countersign_token::request::{ClaimsRequest, Endpoint};
use serde_json::{Map, Value as Json, json};
use tokio::task::JoinHandle;

use super::people::authorize::parameters;
use super::sign_in::{Attempt, Credential};
use super::token::{self, Issued, TokenCall};
use super::{Server, clock, ids, log, peer};

/// Oldest version of the service's API that clients name.
const API_VERSION_MIN: &str = "2018-02-01";

/// Starts to listen, if that is configured.
pub(crate) async fn start(server: &Arc<Server>) -> Result<Option<JoinHandle<()>>> {
    let Some((address, _)) = &server.config.managed_identity else { return Ok(None) };
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on `managed_identity.listen`, `{address}`"))?;
    let router = Router::new()
        .route("/metadata/identity/oauth2/token", get(answer))
        .with_state(Arc::clone(server))
        .into_make_service_with_connect_info::<SocketAddr>();
    log::info("managed identity", &format!("listening on http://{}", listener.local_addr()?));
    Ok(Some(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            log::error("managed identity", &error);
        }
    })))
}

async fn answer(
    State(server): State<Arc<Server>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    let now = clock::now();
    let parameters = parameters(query.unwrap_or_default().as_bytes());
    if !is_for_this_machine(&headers) {
        return refused(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "The Host header must be an address or localhost",
        );
    }
    // A page in a browser, or a server that fetches what it is told to, cannot set the one and may set the other.
    let is_direct =
        headers.get("metadata").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
            && !headers.contains_key("x-forwarded-for");
    if !is_direct {
        return refused(StatusCode::BAD_REQUEST, "invalid_request", "Required metadata header not specified");
    }
    match issue(&server, &parameters, &headers, peer, now).await {
        Ok(answer) => respond(StatusCode::OK, &answer),
        Err(Problem::Request(text)) => refused(StatusCode::BAD_REQUEST, "invalid_request", &text),
        Err(Problem::Refused(refusal)) => {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
            refused(status, refusal.error(), &format!("AADSTS{}: {}", refusal.code, refusal.text))
        }
        Err(Problem::Broken(error)) => {
            log::error("managed identity", &format!("{error:#}"));
            refused(StatusCode::SERVICE_UNAVAILABLE, "unknown", "try again")
        }
    }
}

/// A page whose name leads here (DNS rebinding) may set headers, but its name is in `Host`, and is no address.
fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let Ok(host) = host.parse::<Authority>() else { return false };
    let bare = host.host().trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

fn respond(status: StatusCode, body: &Json) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refused(status: StatusCode, error: &str, description: &str) -> Response<Body> {
    respond(status, &json!({ "error": error, "error_description": description }))
}

enum Problem {
    Request(String),
    Refused(Refusal),
    Broken(anyhow::Error),
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        Problem::Broken(error)
    }
}
impl From<countersign_store::StoreError> for Problem {
    fn from(error: countersign_store::StoreError) -> Self {
        Problem::Broken(error.into())
    }
}

async fn issue(
    server: &Server,
    parameters: &Map<String, Json>,
    headers: &HeaderMap,
    peer: SocketAddr,
    now: Timestamp,
) -> Result<Json, Problem> {
    let get = |name: &str| parameters.get(name).and_then(Json::as_str).filter(|value| !value.is_empty());
    if get("api-version").is_none_or(|version| version < API_VERSION_MIN) {
        return Err(Problem::Request(format!("'api-version' must be {API_VERSION_MIN} or later")));
    }
    let requested = get("resource").ok_or_else(|| Problem::Request("'resource' is missing".into()))?;
    let Some((_, tenant_name)) = &server.config.managed_identity else {
        return Err(Problem::Request("not configured".into()));
    };
    let tenant = server.tenants.find(&server.store, tenant_name, now).await?;
    let tenant = tenant
        .with_context(|| format!("`managed_identity.tenant` is `{tenant_name}`, which is no tenant"))?;
    let identity = identity(server, &tenant, &get).await?;
    let app_id = identity.text("appId").unwrap_or_default();
    let scope = server.store.scope(&tenant);
    let client = server.store.client(&scope, app_id).await?.context("the identity is gone")?;
    let base = peer::own(&server.config, server.port.load(std::sync::atomic::Ordering::Relaxed));
    let call = TokenCall {
        endpoint: Endpoint::V1,
        tenant: &tenant.id,
        headers,
        query: None,
        body: &[],
        base: &base,
        ip: peer.ip(),
        now,
    };
    let request_id = ids::ordered(now)?;
    let mut attempt = Attempt::new(server, request_id, &request_id.to_string(), &call);
    attempt.tenant(&tenant);
    attempt.client(&client);
    attempt.credential = Credential::ManagedIdentity;
    attempt.proof = ClientProof::Assertion;
    let outcome = match token::check_client(&client, &tenant) {
        Ok(()) => {
            token::app_only(
                server,
                &call,
                &tenant,
                &client,
                requested,
                &ClaimsRequest::default(),
                &mut attempt,
            )
            .await
        }
        Err(refusal) => Err(refusal),
    };
    attempt.settle(outcome.as_ref().err());
    let record = SignInRecord { tenant_id: tenant.id.clone(), time: now, line: attempt.line() };
    server.store.journal().append(record).await.map_err(|error| Problem::Broken(error.into()))?;
    let issued = outcome.map_err(Problem::Refused)?;
    Ok(body(&issued, app_id, now))
}

/// All values are strings.
fn body(issued: &Issued, app_id: &str, now: Timestamp) -> Json {
    let (now, seconds) = (now.0 / SECOND, issued.lifetime_seconds);
    json!({
        "access_token": issued.token,
        "client_id": app_id,
        "expires_in": seconds.to_string(),
        "expires_on": (now + seconds).to_string(),
        "ext_expires_in": seconds.to_string(),
        "not_before": (now - ISSUED_BACK_SECONDS).to_string(),
        "resource": issued.resource,
        "token_type": "Bearer",
    })
}

/// The identity that a request names; without a name the only one there is.
async fn identity<'a>(
    server: &Server,
    tenant: &Tenant,
    get: &impl Fn(&str) -> Option<&'a str>,
) -> Result<Record, Problem> {
    let mut scoped = server.store.read(&server.store.scope(tenant)).await?;
    let named = match (get("client_id"), get("object_id").or(get("principal_id"))) {
        (Some(app_id), _) => scoped.get_by(&SERVICE_PRINCIPAL, "app_id", app_id).await?,
        (None, Some(id)) => scoped.get(&SERVICE_PRINCIPAL, &id.to_ascii_lowercase()).await?,
        (None, None) => {
            let filter = parse_filter(
                "servicePrincipalType eq 'ManagedIdentity'",
                SERVICE_PRINCIPAL.entity,
                Version::V1,
            )
            .map_err(|error| Problem::Broken(error.into()))?;
            let listing = Listing { filter: Some(&filter), top: 2, ..Listing::default() };
            let mut all = scoped.list(&SERVICE_PRINCIPAL, &listing).await?.records;
            if let Some(resource_id) = get("msi_res_id").or(get("mi_res_id")) {
                let listing = Listing { filter: Some(&filter), top: 999, ..Listing::default() };
                all = scoped.list(&SERVICE_PRINCIPAL, &listing).await?.records;
                all.retain(|one| one.list("alternativeNames").iter().any(|name| name == resource_id));
            }
            if all.len() > 1 {
                return Err(Problem::Request(
                    "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request".into(),
                ));
            }
            all.pop()
        }
    };
    let is_managed =
        |one: &Record| one.text("servicePrincipalType") == Some("ManagedIdentity") && one.deleted.is_none();
    named.filter(is_managed).ok_or_else(|| Problem::Request("Identity not found".into()))
}
