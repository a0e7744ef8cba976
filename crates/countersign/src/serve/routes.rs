//! Which address leads where.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use axum::routing::{any, get, post};
use countersign_odata::edm::Version;
use countersign_odata::error::ODataError;
use countersign_token::claims::{V1_ISSUER_BASE, issuer};
use countersign_token::discovery;
use countersign_token::refusal::Refusal;
use countersign_token::request::Endpoint;
use serde_json::Value as Json;
use tower_http::timeout::RequestBodyTimeoutLayer;

use super::people::authorize::parameters;
use super::people::{authorize as sign_ins, device as devices, external};
use super::token::TokenCall;
use super::{Server, bearer, clock, forward_auth, graph, ids, log, peer, signals, token};

/// [`super::directory::GRAPH_APP_ID`], as challenges name the resource.
const GRAPH_ID: uuid::Uuid = uuid::Uuid::from_u128(0x0000_0003_0000_0000_c000_0000_0000_0000);
/// Largest body of any request.
const BODY_BYTES_MAX: usize = 4 << 20;

type App = State<Arc<Server>>;

/// All routes.
pub(crate) fn router(server: Arc<Server>) -> Router {
    let idle = server.config.idle;
    Router::new()
        .route("/{tenant}/oauth2/v2.0/token", any(token_v2))
        .route("/{tenant}/oauth2/token", any(token_v1))
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get(discovery_v2))
        .route("/{tenant}/.well-known/openid-configuration", get(discovery_v1))
        .route("/{tenant}/discovery/v2.0/keys", get(keys_v2))
        .route("/{tenant}/discovery/keys", get(keys_v1))
        .route("/common/discovery/instance", get(instance))
        .route("/{tenant}/oauth2/v2.0/authorize", get(authorize).post(authorize_form))
        .route("/{tenant}/oauth2/authorize", get(authorize).post(authorize_form))
        .route("/{tenant}/oauth2/v2.0/devicecode", post(device_code))
        .route("/{tenant}/oauth2/devicecode", post(device_code))
        .route("/signin", post(sign_in))
        .route("/signin/external", post(sign_in_external))
        .route("/signin/callback", get(sign_in_callback))
        .route("/device", get(device).post(device_entered))
        .route("/device/confirm", post(device_confirmed))
        .route("/.well-known/ssf-configuration/{*issuer}", get(transmitter))
        .route("/{tenant}/signals/{*path}", any(signals_call))
        .route("/v1.0", any(graph_v1))
        .route("/v1.0/", any(graph_v1))
        .route("/v1.0/{*path}", any(graph_v1))
        .route("/beta", any(graph_beta))
        .route("/beta/", any(graph_beta))
        .route("/beta/{*path}", any(graph_beta))
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(RequestBodyTimeoutLayer::new(idle))
        .layer(axum::middleware::from_fn(in_words_of_graph))
        .merge(for_transmitters())
        .merge(for_proxies())
        .with_state(server)
}

/// What proxies ask: they read the status and headers, and no words.
fn for_proxies() -> Router<Arc<Server>> {
    Router::new().route("/access/check", any(access_check)).route("/access/check/{*path}", any(access_check))
}

/// Where transmitters deliver what they know: they read the words of RFC 8935.
fn for_transmitters() -> Router<Arc<Server>> {
    Router::new().route("/{tenant}/signals/events", any(security_event))
}

fn json(status: StatusCode, body: &Json) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn base(server: &Server, uri: &Uri, headers: &HeaderMap) -> String {
    peer::base(&server.config, server.port.load(Ordering::Relaxed), uri, headers)
}

async fn nothing_here(uri: Uri, headers: HeaderMap) -> Response<Body> {
    let text = format!("There is nothing at '{}'. The API is below /v1.0 and /beta.", uri.path());
    graph::refusal_of(&ODataError::new(404, "BadRequest", text), &headers, clock::now())
}

/// The layer that says in Graph's words what the router refuses before a handler sees it: in plain text, or without any.
async fn in_words_of_graph(request: Request, next: Next) -> Response<Body> {
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_ours = kind.starts_with(b"application/json") || kind.starts_with(b"text/html");
    let status = response.status();
    if is_ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let error = match status {
        StatusCode::METHOD_NOT_ALLOWED => ODataError::method_not_allowed(method.as_str()),
        StatusCode::PAYLOAD_TOO_LARGE => ODataError::too_large(BODY_BYTES_MAX),
        StatusCode::SERVICE_UNAVAILABLE => ODataError::unavailable(),
        status if status.is_server_error() => ODataError::internal(),
        status => ODataError::new(status.as_u16(), "BadRequest", "The request cannot be read."),
    };
    let mut refusal = graph::refusal_of(&error, &headers, clock::now());
    if let Some(allow) = response.headers().get(header::ALLOW) {
        refusal.headers_mut().insert(header::ALLOW, allow.clone());
    }
    refusal
}

/// A body as it was before the client compressed it; Go's clients do.
fn plain_body(headers: &HeaderMap, body: &Bytes) -> Result<Bytes, ODataError> {
    let encoding =
        headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("identity");
    if encoding.eq_ignore_ascii_case("identity") {
        return Ok(body.clone());
    }
    if !encoding.eq_ignore_ascii_case("gzip") {
        return Err(ODataError::unsupported_media_type());
    }
    let mut plain = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(body.as_ref()).take(BODY_BYTES_MAX as u64 + 1);
    match reader.read_to_end(&mut plain) {
        Ok(_) if plain.len() <= BODY_BYTES_MAX => Ok(plain.into()),
        Ok(_) => Err(ODataError::too_large(BODY_BYTES_MAX)),
        Err(_) => Err(ODataError::bad_request("The body is not what gzip makes.")),
    }
}

/// What a handler gets of a request.
struct Incoming {
    peer: SocketAddr,
    method: Method,
    uri: Uri,
    query: Option<String>,
    headers: HeaderMap,
    body: Bytes,
}

macro_rules! handler {
    ($name:ident, $to:ident, $what:expr) => {
        async fn $name(
            State(server): App,
            ConnectInfo(peer): ConnectInfo<SocketAddr>,
            method: Method,
            uri: Uri,
            RawQuery(query): RawQuery,
            headers: HeaderMap,
            body: Bytes,
        ) -> Response<Body> {
            $to(&server, $what, Incoming { peer, method, uri, query, headers, body }).await
        }
    };
}

handler!(token_v1, token_request, Endpoint::V1);
handler!(token_v2, token_request, Endpoint::V2);
handler!(graph_v1, graph_request, Version::V1);
handler!(graph_beta, graph_request, Version::Beta);
handler!(signals_call, signals_request, Version::V1);

async fn token_request(server: &Server, endpoint: Endpoint, incoming: Incoming) -> Response<Body> {
    let now = clock::now();
    if incoming.method != Method::POST {
        return refuse(&Refusal::method_not_allowed(incoming.method.as_str()), now);
    }
    let tenant = incoming.uri.path().trim_start_matches('/').split('/').next().unwrap_or_default();
    let call = TokenCall {
        endpoint,
        tenant,
        headers: &incoming.headers,
        query: incoming.query.as_deref(),
        body: &incoming.body,
        base: &base(server, &incoming.uri, &incoming.headers),
        ip: peer::address(&server.config, incoming.peer, &incoming.headers),
        now,
    };
    token::serve(server, &call).await
}

fn refuse(refusal: &Refusal, now: countersign_model::time::Timestamp) -> Response<Body> {
    let id = ids::ordered(now).map(|id| id.to_string()).unwrap_or_default();
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    json(status, &refusal.body(&id, &id, now))
}

async fn graph_request(server: &Server, version: Version, incoming: Incoming) -> Response<Body> {
    let now = clock::now();
    let Ok(request_id) = ids::ordered(now) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let request_id = request_id.to_string();
    let whole = incoming.uri.path();
    let path =
        whole.strip_prefix('/').and_then(|path| path.strip_prefix(version.as_str())).unwrap_or_default();
    let base = base(server, &incoming.uri, &incoming.headers);
    let body = plain_body(&incoming.headers, &incoming.body);
    let request = graph::Request {
        method: incoming.method.as_str(),
        version,
        path,
        query: incoming.query.as_deref().unwrap_or_default(),
        headers: &incoming.headers,
        body: body.as_deref().unwrap_or_default(),
        base: &base,
        now,
        request_id: &request_id,
    };
    if let Err(error) = &body {
        return graph::finish(&request, graph::refusal(&request, error));
    }
    if let Some(document) = graph::document(&request) {
        return document;
    }
    match authenticated(server, &request, incoming.peer).await {
        Ok(caller) => graph::serve(server, &caller, &request).await,
        Err(response) => response,
    }
}

/// Who calls, if it may call now.
async fn authenticated(
    server: &Server,
    request: &graph::Request<'_>,
    peer: SocketAddr,
) -> Result<graph::Caller, Response<Body>> {
    let ip = peer::address(&server.config, peer, request.headers);
    let caller = bearer::authenticate(server, request.headers, Some(ip), request.now).await;
    let caller = caller.map_err(|error| unauthenticated(request, &error))?;
    if let Err(wait) = server.limits.graph(&caller.app_id) {
        let mut response = graph::finish(request, graph::refusal(request, &ODataError::too_many_requests()));
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        return Err(response);
    }
    Ok(caller)
}

/// The metadata of a tenant as a transmitter; the path of its issuer stands behind the well-known one (SSF 1.0 section 7.2).
async fn transmitter(
    State(server): App,
    Path(issuer): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    let now = clock::now();
    let base = base(&server, &uri, &headers);
    let Some(tenant) = issuer.strip_suffix("/v2.0").filter(|tenant| !tenant.contains('/')) else {
        return nothing_here(uri, headers).await;
    };
    match server.tenants.find(&server.store, tenant, now).await {
        Ok(Some(tenant)) => {
            json(StatusCode::OK, &signals::Addresses::new(&base, &tenant.id).transmitter().metadata())
        }
        Ok(None) => nothing_here(uri, headers).await,
        Err(error) => {
            log::error("database", &error);
            graph::refusal_of(&ODataError::unavailable(), &headers, now)
        }
    }
}

/// A call for `/{tenant}/signals/…`, whose errors have Graph's form.
async fn signals_request(server: &Server, version: Version, incoming: Incoming) -> Response<Body> {
    let now = clock::now();
    let Ok(request_id) = ids::ordered(now) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let request = graph::Request {
        method: incoming.method.as_str(),
        version,
        path: incoming.uri.path(),
        query: incoming.query.as_deref().unwrap_or_default(),
        headers: &incoming.headers,
        body: &incoming.body,
        base: &base(server, &incoming.uri, &incoming.headers),
        now,
        request_id: &request_id.to_string(),
    };
    let mut segments = request.path.trim_start_matches('/').splitn(3, '/');
    let (tenant, path) = (segments.next().unwrap_or_default(), segments.nth(1).unwrap_or_default());
    let caller = match authenticated(server, &request, incoming.peer).await {
        Ok(caller) => caller,
        Err(response) => return response,
    };
    match server.tenants.find(&server.store, tenant, now).await {
        Ok(Some(tenant)) => signals::serve(server, &caller, &request, &tenant, path).await,
        // As for a tenant that the caller does not belong to.
        Ok(None) => graph::finish(&request, graph::refusal(&request, &ODataError::denied())),
        Err(error) => {
            log::error("database", &error);
            graph::finish(&request, graph::refusal(&request, &ODataError::unavailable()))
        }
    }
}

async fn security_event(
    State(server): App,
    Path(tenant): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let delivery = signals::heard::Delivery {
        method: &method,
        tenant: &tenant,
        headers: &headers,
        body: &body,
        base: &base(&server, &uri, &headers),
    };
    signals::heard::answer(&server, &delivery).await
}

fn unauthenticated(request: &graph::Request<'_>, refused: &bearer::Refused) -> Response<Body> {
    let mut response = graph::finish(request, graph::refusal(request, &refused.error));
    if refused.error.status == 401 {
        let authorization_uri = format!("{}/common/oauth2/authorize", request.base);
        let header = match &refused.challenge {
            Some(challenge) => challenge.www_authenticate(&authorization_uri, GRAPH_ID),
            None => format!(
                "Bearer realm=\"\", authorization_uri=\"{authorization_uri}\", client_id=\"{GRAPH_ID}\""
            ),
        };
        if let Ok(header) = HeaderValue::from_str(&header) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, header);
        }
    }
    response
}

async fn find_tenant(
    server: &Server,
    name: &str,
    now: countersign_model::time::Timestamp,
) -> Result<countersign_store::Tenant, Refusal> {
    let found = server.tenants.find(&server.store, name, now).await.map_err(|error| {
        log::error("database", &error);
        Refusal::transient()
    })?;
    found.ok_or_else(|| Refusal::unknown_tenant_in_discovery(name))
}

async fn discovery_document(server: &Server, tenant: &str, version: u8, base: &str) -> Response<Body> {
    let now = clock::now();
    // The document of all tenants has endpoints of its own, and a template where the issuer's tenant would stand.
    if matches!(tenant, "common" | "organizations") {
        let mut document = discovery::openid_configuration(base, tenant, version, V1_ISSUER_BASE);
        let of = if version == 1 { V1_ISSUER_BASE } else { base };
        document["issuer"] = issuer(version, of, "{tenantid}").into();
        return json(StatusCode::OK, &document);
    }
    match find_tenant(server, tenant, now).await {
        Ok(tenant) => {
            json(StatusCode::OK, &discovery::openid_configuration(base, &tenant.id, version, V1_ISSUER_BASE))
        }
        Err(refusal) => refuse(&refusal, now),
    }
}

async fn discovery_v2(
    State(server): App,
    Path(tenant): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    discovery_document(&server, &tenant, 2, &base(&server, &uri, &headers)).await
}

async fn discovery_v1(
    State(server): App,
    Path(tenant): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    discovery_document(&server, &tenant, 1, &base(&server, &uri, &headers)).await
}

async fn keys_v2(
    State(server): App,
    Path(tenant): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    let base = base(&server, &uri, &headers);
    match tenant_of_keys(&server, &tenant).await {
        Ok(id) => key_set(&server, Some(&issuer(2, &base, &id))),
        Err(refusal) => refuse(&refusal, clock::now()),
    }
}

async fn keys_v1(State(server): App, Path(tenant): Path<String>) -> Response<Body> {
    match tenant_of_keys(&server, &tenant).await {
        Ok(_) => key_set(&server, None),
        Err(refusal) => refuse(&refusal, clock::now()),
    }
}

fn key_set(server: &Server, issuer: Option<&str>) -> Response<Body> {
    json(StatusCode::OK, &server.keys.ring().jwks(issuer, clock::now()))
}

/// The id that stands in the issuer of keys; a template for the keys of all tenants.
async fn tenant_of_keys(server: &Server, name: &str) -> Result<String, Refusal> {
    if matches!(name, "common" | "organizations") {
        return Ok("{tenantid}".to_owned());
    }
    find_tenant(server, name, clock::now()).await.map(|tenant| tenant.id)
}

async fn instance(
    State(server): App,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    let query = query.unwrap_or_default();
    let endpoint = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "authorization_endpoint")
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default();
    // `https://host/TENANT/oauth2/v2.0/authorize`
    let tenant = endpoint.split('/').nth(3).filter(|tenant| !tenant.is_empty()).unwrap_or("common");
    if endpoint.is_empty() {
        return refuse(&Refusal::unknown_instance(), clock::now());
    }
    let tenant: String =
        tenant.chars().filter(|c| c.is_ascii_alphanumeric() || "-.".contains(*c)).take(64).collect();
    json(StatusCode::OK, &discovery::instance_discovery(&base(&server, &uri, &headers), &tenant))
}

async fn begin_sign_in(server: &Server, tenant: &str, bytes: &[u8]) -> Response<Body> {
    let parameters = parameters(bytes);
    sign_ins::begin(server, &sign_ins::Request { tenant, parameters: &parameters, now: clock::now() }).await
}

async fn authorize(
    State(server): App,
    Path(tenant): Path<String>,
    RawQuery(query): RawQuery,
) -> Response<Body> {
    begin_sign_in(&server, &tenant, query.unwrap_or_default().as_bytes()).await
}

async fn authorize_form(State(server): App, Path(tenant): Path<String>, body: Bytes) -> Response<Body> {
    begin_sign_in(&server, &tenant, &body).await
}

async fn sign_in(
    State(server): App,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let ip = peer::address(&server.config, peer, &headers);
    let base = base(&server, &uri, &headers);
    let sender = sign_ins::Sender { ip, headers: &headers, base: &base };
    sign_ins::submit(&server, &parameters(&body), &sender, clock::now()).await
}

async fn sign_in_external(State(server): App, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let base = base(&server, &uri, &headers);
    external::begin(&server, &parameters(&body), &headers, &base, clock::now()).await
}

async fn sign_in_callback(
    State(server): App,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    let query = parameters(query.unwrap_or_default().as_bytes());
    external::callback(&server, &query, &headers, clock::now()).await
}

async fn access_check(
    State(server): App,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    let base = base(&server, &uri, &headers);
    let question = forward_auth::Question {
        asked: forward_auth::asked(uri.path(), query.as_deref()),
        headers: &headers,
        ip: peer::address(&server.config, peer, &headers),
        base: &base,
        now: clock::now(),
    };
    forward_auth::answer(&server, &question).await
}

async fn device_code(
    State(server): App,
    Path(tenant): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let now = clock::now();
    let base = base(&server, &uri, &headers);
    match devices::begin(&server, &tenant, &parameters(&body), &base, now).await {
        Ok(codes) => json(StatusCode::OK, &codes),
        Err(refusal) => refuse(&refusal, now),
    }
}

async fn device(RawQuery(query): RawQuery) -> Response<Body> {
    devices::ask(&parameters(query.unwrap_or_default().as_bytes()))
}

async fn device_entered(
    State(server): App,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let ip = peer::address(&server.config, peer, &headers);
    devices::enter(&server, &parameters(&body), ip, clock::now()).await
}

async fn device_confirmed(State(server): App, body: Bytes) -> Response<Body> {
    devices::answer(&server, &parameters(&body), clock::now()).await
}
