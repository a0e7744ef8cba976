//! The token endpoint: a request in, a token or a refusal out, and a sign-in record of either that is durable first.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use countersign_access::principal::{Attributes, Scope};
use countersign_model::client::{Client, ClientPrincipal, Resource};
use countersign_model::time::{SECOND, Timestamp};
use countersign_store::{SignInRecord, StoreError, Tenant};
use countersign_token::assertion::{self, Authentication, Context};
use countersign_token::claims::{self, AccessToken, ClientIds, V1_ISSUER_BASE};
use countersign_token::keys::{Algorithm, SigningKey, TokenType};
use countersign_token::refusal::Refusal;
use countersign_token::request::{self, ClaimsRequest, Endpoint, Grant, TokenRequest};
use countersign_token::{federated, resource};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::directory::GRAPH_APP_ID;
use super::sign_in::{Attempt, Credential};
use super::{Server, bearer, ids, log, policies};

/// Lifetime of a token that can be revoked: a day, and one second less, as Entra's.
const CAE_LIFETIME_SECONDS: i64 = 86_399;

/// Names under which clients ask for a tenant that a client-credentials request must name.
const NOT_A_TENANT: [&str; 3] = ["common", "organizations", "consumers"];

/// One request to the token endpoint.
pub(crate) struct TokenCall<'a> {
    pub(crate) endpoint: Endpoint,
    /// Out of the path: GUID or domain.
    pub(crate) tenant: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Option<&'a str>,
    pub(crate) body: &'a [u8],
    pub(crate) base: &'a str,
    pub(crate) ip: IpAddr,
    pub(crate) now: Timestamp,
}

/// A token that was signed, and what its answer says beside it.
pub(crate) struct Issued {
    pub(crate) token: String,
    pub(crate) lifetime_seconds: i64,
    pub(crate) resource: String,
}

/// Answers one request.
pub(crate) async fn serve(server: &Server, call: &TokenCall<'_>) -> Response<Body> {
    let Ok(request_id) = ids::ordered(call.now) else { return unavailable(call) };
    let header = |name: &str| call.headers.get(name).and_then(|value| value.to_str().ok());
    let parsed = TokenRequest::parse(
        call.endpoint,
        header("content-type"),
        header("authorization"),
        call.query,
        call.body,
    );
    let correlation_id = correlation(call, parsed.as_ref().ok(), request_id);
    let mut attempt = Attempt::new(server, request_id, &correlation_id, call);
    let outcome = match parsed {
        Ok(request) => issue(server, call, &request, &mut attempt).await,
        Err(refusal) => Err(refusal),
    };
    finish(server, call, attempt, outcome).await
}

/// Writes the sign-in record, and only then answers.
pub(crate) async fn finish(
    server: &Server,
    call: &TokenCall<'_>,
    mut attempt: Attempt,
    outcome: Result<Issued, Refusal>,
) -> Response<Body> {
    let outcome = match &outcome {
        Err(_) => match server.limits.refused(call.ip) {
            Ok(()) => outcome,
            // Neither recorded nor explained: a flood of refusals must not fill the journal.
            Err(wait) => return throttled(&attempt, call, wait),
        },
        Ok(_) => outcome,
    };
    if let Some(tenant_id) = attempt.tenant_id.clone() {
        attempt.settle(outcome.as_ref().err());
        let record = SignInRecord { tenant_id, time: call.now, line: attempt.line() };
        if server.store.journal().append(record).await.is_err() {
            log::error("journal", "a sign-in record could not be written; the token was withheld");
            return unavailable(call);
        }
    }
    match outcome {
        Ok(issued) => granted(call, &attempt, &issued),
        Err(refusal) => refused(call, &attempt, &refusal),
    }
}

async fn issue(
    server: &Server,
    call: &TokenCall<'_>,
    request: &TokenRequest,
    attempt: &mut Attempt,
) -> Result<Issued, Refusal> {
    let tenant = match request.grant {
        Grant::ClientCredentials | Grant::Other(_) => find_tenant(server, call, attempt).await?,
        // People's scripts name no tenant unless told to: with one tenant there is no doubt which is meant.
        _ => {
            attempt.is_of_people = true;
            let tenant = super::people::authorize::tenant_of(server, call.tenant, call.now).await?;
            attempt.tenant(&tenant);
            tenant
        }
    };
    if let Grant::Other(grant) = &request.grant {
        return Err(Refusal::unsupported_grant(grant));
    }
    let client_id = request.client_id.as_deref().unwrap_or_default();
    client_id.clone_into(&mut attempt.client_id);
    server.limits.token(client_id).map_err(|_| Refusal::throttled())?;
    let scope = server.store.scope(&tenant);
    let hash = |secret: &[u8]| server.store.master_key().hash(secret);
    let audiences = match request.credential {
        request::Credential::Assertion(_) => audiences(call, &tenant),
        _ => Vec::new(),
    };
    let found = server.store.client(&scope, client_id).await.map_err(transient)?;
    let authentication = {
        let context = Context { now: call.now, audiences: &audiences, hash: &hash };
        let Some(client) = &found else {
            assertion::waste_time(request, &context);
            return Err(Refusal::unknown_application(client_id, &tenant.display_name));
        };
        attempt.client(client);
        assertion::authenticate(request, client, &context)?
    };
    let Some(client) = found else { return Err(Refusal::transient()) };
    settle(server, &client, authentication, call.now, attempt).await?;
    check_client(&client, &tenant)?;
    match &request.grant {
        Grant::ClientCredentials => {
            client_credentials(server, call, request, &tenant, &client, attempt).await
        }
        // On the heap, as everything that most requests do not come to: a large future is copied with every request.
        _ => {
            Box::pin(super::people::exchange::exchange(server, call, request, &tenant, &client, attempt))
                .await
        }
    }
}

/// The tenant of the path.
pub(crate) async fn find_tenant(
    server: &Server,
    call: &TokenCall<'_>,
    attempt: &mut Attempt,
) -> Result<Tenant, Refusal> {
    if NOT_A_TENANT.iter().any(|name| name.eq_ignore_ascii_case(call.tenant)) {
        return Err(Refusal::invalid_tenant(call.tenant));
    }
    let tenant = server.tenants.find(&server.store, call.tenant, call.now).await.map_err(transient)?;
    let tenant = tenant.ok_or_else(|| Refusal::unknown_tenant(call.tenant))?;
    attempt.tenant(&tenant);
    Ok(tenant)
}

/// What an assertion may be for: this endpoint under the name that was called, by tenant id and by domain, and the issuers.
fn audiences(call: &TokenCall<'_>, tenant: &Tenant) -> Vec<String> {
    let mut audiences = Vec::with_capacity(10);
    for base in [call.base, "https://login.microsoftonline.com"] {
        for name in [tenant.id.as_str(), tenant.domain.as_str()] {
            audiences.push(format!("{base}/{name}/oauth2/v2.0/token"));
            audiences.push(format!("{base}/{name}/oauth2/token"));
        }
        audiences.push(format!("{base}/{}/v2.0", tenant.id));
    }
    audiences.push(format!("{V1_ISSUER_BASE}/{}", tenant.id));
    audiences
}

/// A failure of the database, for the client to try again.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
pub(crate) fn transient(error: StoreError) -> Refusal {
    log::error("database", &error);
    Refusal::transient()
}

/// Finishes what needs more than the request: an assertion's first use, a foreign issuer's keys.
async fn settle(
    server: &Server,
    client: &Client,
    authentication: Authentication<'_>,
    now: Timestamp,
    attempt: &mut Attempt,
) -> Result<(), Refusal> {
    attempt.proof = authentication.proof();
    attempt.credential = match authentication {
        Authentication::Secret { key_id } => Credential::Secret { key_id },
        Authentication::Certificate { key_id, thumbprint_hex, jti, expires } => {
            let is_once =
                client.application.as_ref().is_some_and(|application| application.one_time_assertions);
            if let (true, Some(jti)) = (is_once, &jti)
                && !server.used.take(&client.app_id, jti, expires, now)
            {
                return Err(Refusal::assertion_replayed());
            }
            Credential::Certificate { key_id, thumbprint: thumbprint_hex }
        }
        Authentication::NeedsIssuerKeys { issuer, kid, assertion } => {
            let keys =
                Box::pin(server.issuers.keys(&issuer, kid.as_deref(), now)).await.map_err(|error| {
                    log::error("federation", &format!("cannot get the keys of `{issuer}`: {error:#}"));
                    Refusal::federated_issuer(&issuer)
                })?;
            let credential = federated::verify(&assertion, client, &keys, now)?;
            Credential::Federated { id: credential.id.clone() }
        }
        Authentication::Public => Credential::None,
    };
    Ok(())
}

/// Whether the client may sign in at all.
pub(crate) fn check_client(client: &Client, tenant: &Tenant) -> Result<(), Refusal> {
    if let Some(application) = &client.application {
        if application.is_disabled {
            return Err(Refusal::disabled_application(&client.app_id, &client.display_name));
        }
        if application.is_single_tenant && application.tenant_id != tenant.id {
            return Err(Refusal::unknown_application(&client.app_id, &tenant.display_name));
        }
    }
    match &client.principal {
        None => Err(Refusal::missing_principal(&client.app_id, &tenant.id)),
        Some(principal)
            if !principal.account_enabled || principal.is_disabled || principal.is_disabled_by_microsoft =>
        {
            Err(Refusal::disabled_principal(&client.app_id, &client.display_name))
        }
        Some(_) => Ok(()),
    }
}

/// The resource that a request names.
pub(crate) async fn find_resource(
    server: &Server,
    tenant: &Tenant,
    requested: &str,
    attempt: &mut Attempt,
) -> Result<Arc<Resource>, Refusal> {
    let scope = server.store.scope(tenant);
    let key = resource::key(requested);
    let name = if bearer::is_own_host(server, &key) { GRAPH_APP_ID } else { &key };
    let found = server.store.resource(&scope, name).await.map_err(transient)?;
    let found = found.ok_or_else(|| Refusal::unknown_resource(requested, &tenant.display_name))?;
    attempt.resource(&found, tenant);
    if !found.account_enabled {
        return Err(Refusal::disabled_resource(requested));
    }
    Ok(found)
}

/// The algorithm of a tenant's tokens.
pub(crate) fn algorithm(tenant: &Tenant) -> Algorithm {
    Algorithm::parse(&tenant.signing_algorithm).unwrap_or(Algorithm::Rs256)
}

async fn client_credentials(
    server: &Server,
    call: &TokenCall<'_>,
    request: &TokenRequest,
    tenant: &Tenant,
    client: &Client,
    attempt: &mut Attempt,
) -> Result<Issued, Refusal> {
    let requested = request.target.as_ref().map(|target| target.resource.as_str()).unwrap_or_default();
    app_only(server, call, tenant, client, requested, &request.claims, attempt).await
}

/// A token that an application or a managed identity holds for itself.
pub(crate) async fn app_only(
    server: &Server,
    call: &TokenCall<'_>,
    tenant: &Tenant,
    client: &Client,
    requested: &str,
    claims: &ClaimsRequest,
    attempt: &mut Attempt,
) -> Result<Issued, Refusal> {
    let resource = find_resource(server, tenant, requested, attempt).await?;
    let Some(principal) = &client.principal else {
        return Err(Refusal::missing_principal(&client.app_id, &tenant.id));
    };
    let assigned = principal.roles.get(&resource.id).map_or(&[] as &[String], Vec::as_slice);
    if resource.assignment_required && assigned.is_empty() {
        return Err(Refusal::application_not_assigned(
            &client.app_id,
            &client.display_name,
            &resource.app_id,
            &resource.display_name,
        ));
    }
    let mut roles: Vec<String> = assigned
        .iter()
        .filter_map(|id| resource.app_roles.get(id))
        .filter(|role| !role.is_empty())
        .cloned()
        .collect();
    roles.sort();
    apply_policies(server, call, tenant, client, principal, &resource, claims, attempt).await?;
    let can_be_challenged = resource.app_id == GRAPH_APP_ID || resource.asks_for_capabilities;
    let is_cae = claims.wants_cae
        && can_be_challenged
        && policies::scope_of(client, principal, &tenant.id) == Scope::SingleTenantApplication;
    attempt.is_cae = is_cae;
    let uti = claims::uti(attempt.request_id);
    let lifetime_seconds =
        if is_cae { CAE_LIFETIME_SECONDS } else { i64::from(server.config.token_lifetime_seconds) - 1 };
    let token = AccessToken {
        version: resource.token_version,
        issuer_base: if resource.token_version == 1 { V1_ISSUER_BASE } else { call.base },
        tenant_id: &tenant.id,
        client: ClientIds {
            app_id: &client.app_id,
            principal_id: &principal.id,
            display_name: &client.display_name,
        },
        audience: claims::audience(&resource, requested),
        roles: &roles,
        directory_roles: &principal.directory_roles,
        proof: attempt.proof,
        cae: is_cae.then(|| attempt.credential.key_id()),
        generation: client.generation(is_cae),
        issued_at: call.now,
        not_before_min: claims.nbf,
        lifetime_seconds,
        uti: &uti,
        user: None,
    };
    let token = sign(server, tenant, &token, resource.token_version, call.now).await?;
    attempt.token_id = Some(uti);
    Ok(Issued { token, lifetime_seconds, resource: requested.to_owned() })
}

/// Asks Conditional Access, and notes for the record what each policy made of it.
#[expect(clippy::too_many_arguments, reason = "a decision is about all of them")]
async fn apply_policies(
    server: &Server,
    call: &TokenCall<'_>,
    tenant: &Tenant,
    client: &Client,
    principal: &ClientPrincipal,
    resource: &Resource,
    claims: &ClaimsRequest,
    attempt: &mut Attempt,
) -> Result<(), Refusal> {
    let scope = server.store.scope(tenant);
    // Without policies that can be read nobody gets a token: whoever broke them would be let in.
    let policies = server.policies.of(&server.store, &scope).await.map_err(|error| {
        log::error("conditional access", &format!("{error:#}"));
        Refusal::transient()
    })?;
    if policies.snapshot.policies().is_empty() {
        return Ok(());
    }
    let attributes = Attributes::read(&principal.attributes);
    let place = policies::place(&server.addresses, call.ip);
    let sign_in = policies::sign_in(client, principal, &attributes, &tenant.id, &resource.app_id, place);
    let Some(mut sign_in) = sign_in else { return Err(Refusal::transient()) };
    sign_in.place_at_resource =
        claims.resource_address.map(|address| policies::place(&server.addresses, address));
    let evaluation = policies.snapshot.evaluate(&sign_in);
    attempt.policies(&evaluation);
    if !evaluation.is_blocked() {
        return Ok(());
    }
    let blocking: Vec<String> = evaluation.blocking().map(|id| id.to_string()).collect();
    let blocking: Vec<&str> = blocking.iter().map(String::as_str).collect();
    Err(Refusal::blocked_by_policy(&blocking))
}

/// Signs a token with the tenant's algorithm.
pub(crate) async fn sign(
    server: &Server,
    tenant: &Tenant,
    token: &AccessToken<'_>,
    version: u8,
    now: Timestamp,
) -> Result<String, Refusal> {
    let kind = if version == 1 { TokenType::V1 } else { TokenType::V2 };
    let key = signing_key(server, tenant, now).await?;
    key.sign(token, kind).map_err(|error| {
        log::error("keys", &error);
        Refusal::transient()
    })
}

/// The key that signs for a tenant; made now when the tenant has just changed to its algorithm.
pub(crate) async fn signing_key(
    server: &Server,
    tenant: &Tenant,
    now: Timestamp,
) -> Result<Arc<SigningKey>, Refusal> {
    if let Some(key) = server.keys.ring().signing(algorithm(tenant), now) {
        return Ok(Arc::clone(key));
    }
    if let Err(error) = server.keys.rotate(&server.store, server.config.key_rotation_days, now).await {
        log::error("keys", &format!("{error:#}"));
    }
    server.keys.ring().signing(algorithm(tenant), super::clock::now()).cloned().ok_or_else(|| {
        log::error("keys", "there is no key that signs");
        Refusal::transient()
    })
}

/// The id by which the client knows the request: header, form or query, else ours.
fn correlation(call: &TokenCall<'_>, request: Option<&TokenRequest>, request_id: Uuid) -> String {
    let header = |name: &str| call.headers.get(name).and_then(|value| value.to_str().ok());
    let given = header("client-request-id")
        .or_else(|| request.and_then(|request| request.correlation_id.as_deref()))
        .or_else(|| header("x-ms-client-request-id"));
    match given.and_then(|id| Uuid::try_parse(id).ok()) {
        Some(id) => id.to_string(),
        None => request_id.to_string(),
    }
}

fn granted(call: &TokenCall<'_>, attempt: &Attempt, issued: &Issued) -> Response<Body> {
    let seconds = issued.lifetime_seconds;
    let mut body = match call.endpoint {
        Endpoint::V2 => json!({
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
        }),
        Endpoint::V1 => {
            let now = call.now.0 / SECOND;
            json!({
                "token_type": "Bearer",
                "expires_in": seconds.to_string(),
                "ext_expires_in": seconds.to_string(),
                "expires_on": (now + seconds).to_string(),
                "not_before": (now - claims::ISSUED_BACK_SECONDS).to_string(),
                "resource": issued.resource,
            })
        }
    };
    // Clients renew a long token at half its life.
    if call.endpoint == Endpoint::V2 && seconds > 7_200 {
        body["refresh_in"] = (seconds / 2).into();
    }
    for (name, value) in &attempt.extra {
        body[name] = value.clone();
    }
    body["access_token"] = issued.token.as_str().into();
    respond(StatusCode::OK, &body, attempt, call)
}

fn refused(call: &TokenCall<'_>, attempt: &Attempt, refusal: &Refusal) -> Response<Body> {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let body = refusal.body(&attempt.request_id.to_string(), &attempt.correlation_id, call.now);
    let mut response = respond(status, &body, attempt, call);
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
    }
    response
}

fn throttled(attempt: &Attempt, call: &TokenCall<'_>, wait: std::time::Duration) -> Response<Body> {
    let refusal = Refusal::throttled();
    let body = refusal.body(&attempt.request_id.to_string(), &attempt.correlation_id, call.now);
    let mut response = respond(StatusCode::TOO_MANY_REQUESTS, &body, attempt, call);
    let seconds = HeaderValue::from(wait.as_secs() + 1);
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}

fn unavailable(call: &TokenCall<'_>) -> Response<Body> {
    let body = Refusal::transient().body("", "", call.now);
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

fn respond(status: StatusCode, body: &Json, attempt: &Attempt, call: &TokenCall<'_>) -> Response<Body> {
    let mut response = Response::new(Body::from(sonic_rs::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    if let Ok(id) = HeaderValue::from_str(&attempt.request_id.to_string()) {
        headers.insert("x-ms-request-id", id);
    }
    let wants_echo = call.headers.get("return-client-request-id").is_some_and(|value| value == "true");
    if let (true, Ok(id)) = (wants_echo, HeaderValue::from_str(&attempt.correlation_id)) {
        headers.insert("client-request-id", id);
    }
    response
}

/// Assertions that may be used once, until they end.
#[derive(Default)]
pub(crate) struct UsedAssertions {
    used: std::sync::Mutex<HashMap<(String, String), Timestamp>>,
}

impl UsedAssertions {
    /// Whether an assertion is used for the first time.
    fn take(&self, app_id: &str, jti: &str, expires: Timestamp, now: Timestamp) -> bool {
        let mut used = self.used.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let key = (app_id.to_owned(), jti.to_owned());
        let is_new = used.get(&key).is_none_or(|until| *until <= now);
        if is_new {
            used.insert(key, expires);
        }
        is_new
    }

    /// Forgets what has ended.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.used.lock().unwrap_or_else(std::sync::PoisonError::into_inner).retain(|_, until| *until > now);
    }
}
