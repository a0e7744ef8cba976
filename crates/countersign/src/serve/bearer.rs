//! Who calls the API: the token of a request, verified.

use axum::http::{HeaderMap, header};
use countersign_model::time::{SECOND, Timestamp};
use countersign_odata::error::ODataError;
use countersign_store::entity::USER;
use countersign_token::jwt::{Claims, Unverified};
use countersign_token::resource;

use super::directory::GRAPH_APP_ID;
use super::graph::{Caller, CallerKind};
use super::{Server, peer};

/// How far clocks of several nodes may differ.
const LEEWAY: i64 = 60 * SECOND;

/// The caller that a request's token stands for. Its client and its user must still be there and enabled.
pub(crate) async fn authenticate(
    server: &Server,
    headers: &HeaderMap,
    ip: Option<std::net::IpAddr>,
    now: Timestamp,
) -> Result<Caller, ODataError> {
    let token = bearer(headers).ok_or_else(|| ODataError::invalid_token("Access token is empty."))?;
    let invalid = |why: &str| ODataError::invalid_token(format!("Access token validation failure. {why}"));
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
    let claims = verified.into_claims();
    if !claims.aud.iter().any(|audience| is_graph(server, audience)) {
        return Err(invalid("Invalid audience."));
    }
    let unavailable = |error| {
        super::log::error("database", &error);
        ODataError::unavailable()
    };
    let tenant_id = claims.tid.as_deref().unwrap_or_default();
    let tenant = server.tenants.find(&server.store, tenant_id, now).await.map_err(unavailable)?;
    let tenant = tenant.ok_or_else(|| invalid("Unknown tenant."))?;
    let scope = server.store.scope(&tenant);
    let app_id = claims.app_id.as_deref().unwrap_or_default();
    let client = server.store.client(&scope, app_id).await.map_err(unavailable)?;
    let client = client.ok_or_else(|| invalid("The client is not in the tenant."))?;
    let kind = if claims.idtyp.as_deref() == Some("app") {
        let principal = client.principal.as_ref().filter(|principal| {
            principal.account_enabled && !principal.is_disabled && !principal.is_disabled_by_microsoft
        });
        let principal = principal.ok_or_else(|| invalid("The service principal is disabled or deleted."))?;
        CallerKind::Application { service_principal_id: principal.id.clone(), permissions: claims.roles }
    } else {
        person(server, &scope, claims).await?
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

async fn person(
    server: &Server,
    scope: &countersign_store::TenantScope,
    claims: Claims,
) -> Result<CallerKind, ODataError> {
    let unavailable = |error| {
        super::log::error("database", &error);
        ODataError::unavailable()
    };
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
