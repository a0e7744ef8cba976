//! `/access/check`: whether the token of a request is good for an API that does not look at tokens itself. A proxy asks before
//! it passes a request on (nginx `auth_request`, Envoy `ext_authz`, Traefik `ForwardAuth`).
//!
//! What it asks stands in the query, or in the path where the query is that of whoever called the proxy: [`asked`].

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use countersign_access::continuous::Challenge;
use countersign_model::client::Resource;
use countersign_model::time::Timestamp;
use countersign_odata::error::ODataError;
use countersign_token::resource;
use uuid::Uuid;

use super::bearer::{self, At, Refused};
use super::{Server, log};

/// Audiences, and roles, that a proxy may name.
const NAMES_MAX: usize = 50;

/// Behind this stands a question, up to the next slash.
const BELOW: &str = "/access/check/";

/// A question of a proxy.
pub(crate) struct Question<'a> {
    /// What [`asked`] found.
    pub(crate) asked: &'a str,
    pub(crate) headers: &'a HeaderMap,
    /// Address of the client, as the proxy tells it.
    pub(crate) ip: IpAddr,
    pub(crate) base: &'a str,
    pub(crate) now: Timestamp,
}

/// The parameters of a question, encoded as in a query: the query itself, or, below `/access/check/`, the first segment of the
/// path. Envoy appends path and query of its own caller to what is configured, so below nothing else is read: neither the
/// query nor any further segment may choose the tenant or the audience.
pub(crate) fn asked<'u>(path: &'u str, query: Option<&'u str>) -> &'u str {
    match path.strip_prefix(BELOW) {
        Some(below) => below.split_once('/').map_or(below, |(question, _)| question),
        None => query.unwrap_or_default(),
    }
}

/// What a question is about.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    tenant: String,
    audiences: Vec<String>,
    roles: Vec<String>,
}

enum No {
    /// The question is wrong: nobody passes a proxy that does not say what it protects.
    Question(String),
    /// The token is not good, or no more; with the appId of the resource.
    Token(Refused, Option<String>),
    /// The token is good, and its holder may not.
    Role,
}

impl From<ODataError> for No {
    fn from(error: ODataError) -> Self {
        No::Token(error.into(), None)
    }
}

/// Answers a proxy: 200 with who calls, 401 with a challenge, 403 or 400.
pub(crate) async fn answer(server: &Server, question: &Question<'_>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let status = match check(server, question).await {
        Ok(known) => {
            for (name, value) in known {
                // Ids, and values of roles without blanks.
                if let Ok(value) = HeaderValue::from_str(&value) {
                    headers.insert(name, value);
                }
            }
            StatusCode::OK
        }
        Err(No::Role) => StatusCode::FORBIDDEN,
        Err(No::Question(why)) => {
            log::error("forward authentication", &format!("the question of a proxy is wrong: {why}"));
            *response.body_mut() = Body::from(why);
            StatusCode::BAD_REQUEST
        }
        Err(No::Token(refused, resource)) => {
            let challenge = www_authenticate(question.base, resource.as_deref(), refused.challenge.as_ref());
            if let (401, Ok(challenge)) = (refused.error.status, HeaderValue::from_str(&challenge)) {
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
            StatusCode::from_u16(refused.error.status).unwrap_or(StatusCode::UNAUTHORIZED)
        }
    };
    *response.status_mut() = status;
    response
}

fn www_authenticate(base: &str, resource: Option<&str>, challenge: Option<&Challenge>) -> String {
    let authorization_uri = format!("{base}/common/oauth2/authorize");
    let client_id = resource.and_then(|id| Uuid::try_parse(id).ok());
    match (challenge, client_id) {
        (Some(challenge), Some(client_id)) => challenge.www_authenticate(&authorization_uri, client_id),
        (_, Some(client_id)) => {
            format!("Bearer realm=\"\", authorization_uri=\"{authorization_uri}\", client_id=\"{client_id}\"")
        }
        (_, None) => format!("Bearer realm=\"\", authorization_uri=\"{authorization_uri}\""),
    }
}

async fn check(server: &Server, question: &Question<'_>) -> Result<[(&'static str, String); 4], No> {
    let wanted = wanted(question.asked).map_err(No::Question)?;
    let unavailable = |error| {
        log::error("database", &error);
        ODataError::unavailable()
    };
    let tenant =
        server.tenants.find(&server.store, &wanted.tenant, question.now).await.map_err(unavailable)?;
    let tenant = tenant.ok_or_else(|| No::Question(format!("there is no tenant `{}`", wanted.tenant)))?;
    let scope = server.store.scope(&tenant);
    let mut resources = Vec::with_capacity(wanted.audiences.len());
    for audience in &wanted.audiences {
        let found = server.store.resource(&scope, audience).await.map_err(unavailable)?;
        resources
            .push(found.ok_or_else(|| No::Question(format!("there is no API `{audience}` in the tenant")))?);
    }
    let invalid = |why: &str| ODataError::invalid_token(format!("Access token validation failure. {why}"));
    let claims = bearer::verify(server, question.headers, question.now).await?;
    // Another tenant may have an API of the same name.
    if claims.tid.as_deref() != Some(tenant.id.as_str()) || claims.idtyp.as_deref() != Some("app") {
        return Err(invalid("It is not an application's token of this tenant.").into());
    }
    let resource =
        resources.iter().find(|resource| claims.aud.iter().any(|audience| is_for(resource, audience)));
    let resource = resource.ok_or_else(|| invalid("Invalid audience."))?;
    if !resource.account_enabled {
        return Err(invalid("The resource is disabled.").into());
    }
    let at = At { resource_app_id: &resource.app_id, ip: Some(question.ip), now: question.now };
    let outcome = bearer::application(server, &tenant, &claims, &at).await;
    let (client, principal_id) =
        outcome.map_err(|refused| No::Token(refused, Some(resource.app_id.clone())))?;
    if !wanted.roles.is_empty() && !wanted.roles.iter().any(|role| claims.roles.contains(role)) {
        return Err(No::Role);
    }
    Ok([
        ("x-countersign-tenant", tenant.id),
        ("x-countersign-client", client.app_id.clone()),
        ("x-countersign-principal", principal_id),
        ("x-countersign-roles", claims.roles.join(" ")),
    ])
}

/// Whether an audience of a token means a resource: version 2 carries the appId, version 1 the name that was asked for.
fn is_for(resource: &Arc<Resource>, audience: &str) -> bool {
    let audience = resource::key(audience);
    audience == resource.app_id || resource.names.iter().any(|name| resource::key(name) == audience)
}

fn wanted(asked: &str) -> Result<Wanted, String> {
    let mut wanted = Wanted::default();
    for (name, value) in form_urlencoded::parse(asked.as_bytes()) {
        match name.as_ref() {
            _ if value.is_empty() => return Err(format!("`{name}` is empty")),
            "tenant" if wanted.tenant.is_empty() => value.as_ref().clone_into(&mut wanted.tenant),
            "tenant" => return Err("`tenant` is there twice".to_owned()),
            "audience" => wanted.audiences.push(value.into_owned()),
            "role" => wanted.roles.push(value.into_owned()),
            // A slip of the pen must not open anything.
            other => return Err(format!("`{other}` is no parameter: there are tenant, audience and role")),
        }
    }
    if wanted.tenant.is_empty() {
        return Err("`tenant` is missing".to_owned());
    }
    if wanted.audiences.is_empty() {
        return Err("`audience` is missing".to_owned());
    }
    if wanted.audiences.len().max(wanted.roles.len()) > NAMES_MAX {
        return Err(format!("there are more than {NAMES_MAX} audiences or roles"));
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_the_prefix_no_caller_has_a_say() {
        let theirs = Some("tenant=theirs&audience=theirs");
        for (path, query, expected) in [
            ("/access/check", Some("tenant=t&audience=a"), "tenant=t&audience=a"),
            ("/access/check", None, ""),
            ("/access/check/tenant=t&audience=api%3A%2F%2Fa/", None, "tenant=t&audience=api%3A%2F%2Fa"),
            ("/access/check/tenant=t&audience=a", theirs, "tenant=t&audience=a"),
            ("/access/check/tenant=t&audience=a/orders/7", theirs, "tenant=t&audience=a"),
            ("/access/check/tenant=t&audience=a//../tenant=theirs/", theirs, "tenant=t&audience=a"),
            ("/access/check/orders/7", theirs, "orders"),
            ("/access/check//orders", theirs, ""),
        ] {
            assert_eq!(asked(path, query), expected, "{path}");
        }
        assert!(
            wanted(asked("/access/check/orders/7", theirs)).is_err(),
            "a prefix that asks nothing opens nothing"
        );
    }

    #[test]
    fn a_question_says_what_is_protected_and_nothing_else() {
        let read = wanted("tenant=t&audience=a&audience=api%3A%2F%2Fb&role=Orders.Read").unwrap();
        assert_eq!(read.tenant, "t");
        assert_eq!(
            (read.audiences, read.roles),
            (vec!["a".to_owned(), "api://b".to_owned()], vec!["Orders.Read".to_owned()])
        );
        for (query, why) in [
            ("", "`tenant` is missing"),
            ("tenant=t", "`audience` is missing"),
            ("audience=a", "`tenant` is missing"),
            ("tenant=t&audience=a&role=", "`role` is empty"),
            ("tenant=t&tenant=u&audience=a", "`tenant` is there twice"),
            ("tenant=t&audience=a&roll=x", "`roll` is no parameter: there are tenant, audience and role"),
        ] {
            assert_eq!(wanted(query).unwrap_err(), why, "{query}");
        }
    }
}
