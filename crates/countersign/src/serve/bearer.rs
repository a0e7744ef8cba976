//! Who calls the API: the token of a request, verified.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use countersign_access::continuous::{self, Challenge, Decision, TokenFacts, Watermarks};
use countersign_access::principal::Attributes;
use countersign_model::client::{Client, ClientPrincipal, Ended};
use countersign_model::time::{SECOND, Timestamp};
use countersign_odata::error::ODataError;
use countersign_store::entity::{SERVICE_PRINCIPAL, USER};
use countersign_store::{StoreError, Tenant, TenantScope};
use countersign_token::claims::{self, CREDENTIAL_CLAIM, GENERATION_CLAIM};
use countersign_token::jwt::{Claims, Unverified};
use countersign_token::resource;
use uuid::Uuid;

use super::directory::GRAPH_APP_ID;
use super::graph::{Caller, CallerKind};
use super::{Server, ids, peer, policies};

/// How far clocks of several nodes may differ.
const LEEWAY: i64 = 60 * SECOND;

/// The caller that a request's token stands for. Its client and its user must still be there and enabled.
pub(crate) async fn authenticate(
    server: &Server,
    headers: &HeaderMap,
    ip: Option<std::net::IpAddr>,
    now: Timestamp,
) -> Result<Caller, Refused> {
    let claims = verify(server, headers, now).await?;
    if !claims.aud.iter().any(|audience| is_graph(server, audience)) {
        return Err(invalid("Invalid audience.").into());
    }
    let tenant_id = claims.tid.as_deref().unwrap_or_default();
    let tenant = server.tenants.find(&server.store, tenant_id, now).await.map_err(unavailable)?;
    let tenant = tenant.ok_or_else(|| invalid("Unknown tenant."))?;
    let scope = server.store.scope(&tenant);
    let (client, kind) = if claims.idtyp.as_deref() == Some("app") {
        let at = At { resource_app_id: GRAPH_APP_ID, ip, now };
        let (client, principal_id) = application(server, &tenant, &claims, &at).await?;
        (client, CallerKind::Application { service_principal_id: principal_id, permissions: claims.roles })
    } else {
        let app_id = claims.app_id.as_deref().unwrap_or_default();
        let client = server.store.client(&scope, app_id).await.map_err(unavailable)?;
        let client = client.ok_or_else(|| invalid("The client is not in the tenant."))?;
        check_client_of_person(&client, &claims)?;
        (client, Box::pin(person(server, &scope, claims)).await?)
    };
    Ok(Caller {
        tenant,
        scope,
        app_id: client.app_id.clone(),
        app_name: client.display_name.clone(),
        kind,
        ip,
    })
}

fn invalid(why: &str) -> ODataError {
    ODataError::invalid_token(format!("Access token validation failure. {why}"))
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn unavailable(error: StoreError) -> ODataError {
    super::log::error("database", &error);
    ODataError::unavailable()
}

/// The claims of a request's token, which one of our keys signed and which is not over by its own word.
pub(crate) async fn verify(
    server: &Server,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Claims, ODataError> {
    let token = bearer(headers).ok_or_else(|| ODataError::invalid_token("Access token is empty."))?;
    let unverified = Unverified::decode(token).map_err(|_| invalid("Invalid token."))?;
    let kid = unverified.header().kid.as_deref().unwrap_or_default();
    let ring = server.keys.ring_with(&server.store, kid, now).await.map_err(|error| {
        super::log::error("keys", &format!("{error:#}"));
        ODataError::unavailable()
    })?;
    let key = ring.find(kid, now).ok_or_else(|| invalid("Signing key is invalid."))?;
    let verified = unverified.verify(key.public()).map_err(|_| invalid("Invalid signature."))?;
    if !verified.is_current(now, LEEWAY) {
        return Err(ODataError::invalid_token("Lifetime validation failed, the token is expired."));
    }
    Ok(verified.into_claims())
}

/// Where and when a token is shown.
pub(crate) struct At<'a> {
    /// appId of the resource.
    pub(crate) resource_app_id: &'a str,
    /// Address of the client.
    pub(crate) ip: Option<IpAddr>,
    pub(crate) now: Timestamp,
}

/// The client of an application's token, with the id of its service principal: there, enabled, and with a token that nothing
/// has ended since.
pub(crate) async fn application(
    server: &Server,
    tenant: &Tenant,
    claims: &Claims,
    at: &At<'_>,
) -> Result<(Arc<Client>, String), Refused> {
    let scope = server.store.scope(tenant);
    let app_id = claims.app_id.as_deref().unwrap_or_default();
    let client = server.store.client(&scope, app_id).await.map_err(unavailable)?;
    // A service principal that was made anew is another one, and inherits nothing.
    let is_meant = |principal: &ClientPrincipal| {
        claims.oid.as_deref().is_some_and(|oid| principal.id.eq_ignore_ascii_case(oid))
    };
    let client = client.filter(|client| client.principal.as_ref().is_none_or(is_meant));
    continuous(server, tenant, client.as_deref(), claims, at).await?;
    let client = client.ok_or_else(|| invalid("The client is not in the tenant."))?;
    let principal = client.principal.as_ref().filter(|principal| is_active(principal));
    let principal_id = principal.map(|principal| principal.id.clone());
    let principal_id =
        principal_id.ok_or_else(|| invalid("The service principal is disabled or deleted."))?;
    Ok((client, principal_id))
}

/// A person's token ends with the application that holds it.
fn check_client_of_person(client: &Client, claims: &Claims) -> Result<(), ODataError> {
    if is_client_active(client) && generation(claims) >= client.generation(false) {
        return Ok(());
    }
    Err(invalid("The application is disabled or deleted, or the token is older than that."))
}

fn is_active(principal: &ClientPrincipal) -> bool {
    principal.account_enabled && !principal.is_disabled && !principal.is_disabled_by_microsoft
}

/// Whether a client may have tokens: its service principal is there, and neither it nor its registration is disabled.
fn is_client_active(client: &Client) -> bool {
    client.principal.as_ref().is_some_and(is_active)
        && client.application.as_ref().is_none_or(|application| !application.is_disabled)
}

/// How often tokens of the client had ended when this one was issued.
fn generation(claims: &Claims) -> u64 {
    claims.all.get(GENERATION_CLAIM).and_then(serde_json::Value::as_u64).unwrap_or_default()
}

/// Continuous access evaluation: whether the token of an application is still good, whatever it says itself.
async fn continuous(
    server: &Server,
    tenant: &Tenant,
    client: Option<&Client>,
    claims: &Claims,
    at: &At<'_>,
) -> Result<(), Refused> {
    let scope = server.store.scope(tenant);
    let policies = server.policies.of(&server.store, &scope).await.map_err(|error| {
        super::log::error("conditional access", &format!("{error:#}"));
        ODataError::unavailable()
    })?;
    let principal = client.and_then(|client| client.principal.as_ref());
    let issued = claims.uti.as_deref().and_then(claims::request_of_uti).and_then(|id| ids::time_of(&id));
    let key_id = claims.all.get(CREDENTIAL_CLAIM).and_then(serde_json::Value::as_str);
    let is_cae = claims.xms_cc.iter().any(|capability| capability.eq_ignore_ascii_case("cp1"));
    let token = TokenFacts {
        // A token of before it was told to the microsecond: the earliest that its second allows.
        issued_at: issued.or(claims.iat).unwrap_or(Timestamp(0)),
        expires_at: claims.exp.unwrap_or(Timestamp(0)).plus(LEEWAY),
        is_cae,
        generation: generation(claims),
        is_credential_gone: key_id.is_some_and(|id| client.is_none_or(|client| !client.has_credential(id))),
    };
    let deleted = match principal {
        Some(_) => None,
        None => deleted_at(server, &scope, claims).await?,
    };
    let watermarks = Watermarks {
        is_active: client.is_some_and(is_client_active),
        ended: client.map_or(0, |client| client.generation(false)),
        revoked: client.map_or(0, |client| client.generation(true) - client.generation(false)),
        revoked_at: client.and_then(|client| ended_at(client, key_id)).max(deleted),
        policies_changed_at: policies.changed,
    };
    // Where nobody knows it, policies about places hold: `All` is everywhere.
    let address = at.ip.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
    let attributes = principal.map(|principal| Attributes::read(&principal.attributes)).unwrap_or_default();
    let place = policies::place(&server.addresses, address);
    let sign_in = client.zip(principal).and_then(|(client, principal)| {
        policies::sign_in(client, principal, &attributes, &tenant.id, at.resource_app_id, place)
    });
    let evaluation = sign_in.as_ref().map(|sign_in| policies.snapshot.evaluate(sign_in));
    match continuous::decide(&token, &watermarks, evaluation.as_ref(), address, at.now) {
        Decision::Accept => Ok(()),
        Decision::Challenge(challenge) => Err(Refused {
            error: ODataError::invalid_token(challenge.description()),
            challenge: Some(challenge),
        }),
        Decision::Refuse => {
            let text = "Access token validation failure. The service principal is disabled or deleted, or the token is \
                        older than that.";
            Err(ODataError::invalid_token(text).into())
        }
    }
}

/// When tokens of a client last ended, or those of one of its credentials.
fn ended_at(client: &Client, key_id: Option<&str>) -> Option<Timestamp> {
    let key_id: Option<Uuid> = key_id.and_then(|id| id.parse().ok());
    let removed = |ended: &Ended| {
        let own = ended.removed_credentials.iter().filter(|(id, _)| Some(*id) == key_id);
        own.map(|(_, at)| *at).max()
    };
    client.ended().filter_map(|ended| ended.disabled.max(ended.revoked).max(removed(ended))).max()
}

/// When the service principal of a token was deleted, as long as it can be restored.
async fn deleted_at(
    server: &Server,
    scope: &TenantScope,
    claims: &Claims,
) -> Result<Option<Timestamp>, ODataError> {
    let id = claims.oid.as_deref().unwrap_or_default();
    let mut scoped = server.store.read(scope).await.map_err(unavailable)?;
    let record = scoped.get(&SERVICE_PRINCIPAL, id).await.map_err(unavailable)?;
    Ok(record.and_then(|record| record.deleted))
}

/// A token that is not taken, with what its client may answer.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) error: ODataError,
    pub(crate) challenge: Option<Challenge>,
}

impl From<ODataError> for Refused {
    fn from(error: ODataError) -> Self {
        Self { error, challenge: None }
    }
}

async fn person(
    server: &Server,
    scope: &countersign_store::TenantScope,
    claims: Claims,
) -> Result<CallerKind, ODataError> {
    let id = claims.oid.unwrap_or_default();
    let mut scoped = server.store.read(scope).await.map_err(unavailable)?;
    let user = scoped.get(&USER, &id).await.map_err(unavailable)?;
    let user = user.filter(|user| user.deleted.is_none() && user.flag("accountEnabled") == Some(true));
    let user = user.ok_or_else(|| ODataError::invalid_token("The user is disabled or deleted."))?;
    // Roles as they are now, not as they were when the token was issued.
    let roles = scoped.directory_roles(&user.id).await.map_err(unavailable)?;
    Ok(CallerKind::Person {
        user_principal_name: user.text("userPrincipalName").unwrap_or_default().to_owned(),
        display_name: user.text("displayName").unwrap_or_default().to_owned(),
        user_id: user.id,
        permissions: claims.scopes,
        roles,
    })
}

/// The token of an `Authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// Whether an audience means our API: Microsoft Graph by its names, or one of our own.
pub(crate) fn is_graph(server: &Server, audience: &str) -> bool {
    let key = resource::key(audience);
    key == GRAPH_APP_ID || key == "https://graph.microsoft.com" || is_own_host(server, &key)
}

/// Whether a resource is this server itself, with or without its port: clients derive it from the address they call.
pub(crate) fn is_own_host(server: &Server, key: &str) -> bool {
    key.strip_prefix("https://").is_some_and(|authority| peer::is_ours(&server.config, authority))
}
