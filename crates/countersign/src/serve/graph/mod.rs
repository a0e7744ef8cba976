//! Microsoft Graph's API, as far as workload identities go: `/v1.0` and `/beta`.
//!
//! A request is one [`Call`]: its path is looked up in [`routes::ROUTES`], the caller is measured against the route's
//! [`access::Access`], and [`perform`] does what the route says. A batch is several calls in one request.

pub(crate) mod access;
mod applications;
mod attributes;
pub(crate) mod audit;
mod batch;
pub(crate) mod body;
mod call;
mod collections;
pub(crate) mod conditional_access;
mod credentials;
pub(crate) mod deleted;
mod documents;
mod logs;
mod organization;
mod relations;
pub(crate) mod risk;
mod roles;
pub(crate) mod routes;
mod search;
mod users;
pub(crate) mod what_if;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use countersign_model::time::Timestamp;
use countersign_odata::edm::Version;
use countersign_odata::error::ODataError;
use countersign_odata::path::ResourcePath;
use countersign_odata::query::RawOptions;
use serde_json::Value as Json;

use access::Verdict;
pub(crate) use body::decode_base64;
pub(crate) use call::{Answer, Call, Caller, CallerKind, failed, internal};
use routes::{Found, Operation};

use super::{Server, ids};

/// Content type of Graph's answers.
const JSON: &str =
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";

/// Longest `client-request-id` that is repeated and recorded; Microsoft's clients send a GUID.
const CLIENT_REQUEST_ID_MAX: usize = 256;

/// A request as it came in, or as a batch holds it.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) version: Version,
    /// Behind the version.
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    /// `https://host:port`, as the client called it.
    pub(crate) base: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) request_id: &'a str,
}

/// Answers a request of an authenticated caller.
pub(crate) async fn serve(server: &Server, caller: &Caller, request: &Request<'_>) -> Response<Body> {
    let first = request.path.trim_matches('/');
    let name = first.replace("%24", "$");
    if name.eq_ignore_ascii_case("$batch") {
        let outcome = match request.method {
            "POST" => batch::run(server, caller, request).await,
            method => Err(ODataError::method_not_allowed(method)),
        };
        return respond(request, outcome);
    }
    respond(request, dispatch(server, caller, request).await)
}

/// What needs no token: descriptions of the API.
pub(crate) fn document(request: &Request<'_>) -> Option<Response<Body>> {
    let name = request.path.trim_matches('/').replace("%24", "$");
    if !matches!(request.method, "GET" | "HEAD") {
        return None;
    }
    let (kind, text) = match name.to_ascii_lowercase().as_str() {
        "$metadata" => ("application/xml", documents::metadata(request.version)),
        "openapi.json" => ("application/json", documents::openapi(request.version, request.base).to_string()),
        "" => (JSON, documents::service(request.version, request.base).to_string()),
        _ => return None,
    };
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Some(finish(request, response))
}

/// Finds the route, asks whether the caller may, and does it.
pub(crate) async fn dispatch(
    server: &Server,
    caller: &Caller,
    request: &Request<'_>,
) -> Result<Answer, ODataError> {
    let path = ResourcePath::parse(request.path)?;
    let (route, params) = match routes::find(request.method, &path) {
        Found::Route(route, params) => (route, params),
        Found::WrongMethod => return Err(ODataError::method_not_allowed(request.method)),
        Found::Nothing(segment) => return Err(ODataError::no_segment(&segment)),
    };
    let mut verdict = access::verdict(route.access, caller.held());
    if verdict == Verdict::Denied && is_own_key(caller, route.operation) {
        verdict = Verdict::IfOwner;
    }
    if verdict == Verdict::Denied {
        return Err(denied(route));
    }
    if request.body.len() > body::BODY_BYTES_MAX {
        return Err(ODataError::too_large(body::BODY_BYTES_MAX));
    }
    check_content_type(request)?;
    let options = RawOptions::parse(request.query, request.version == Version::Beta)?;
    let call = Call {
        server,
        caller,
        verdict,
        version: request.version,
        params,
        options,
        path: request.path,
        headers: request.headers,
        body: request.body,
        base: request.base,
        now: request.now,
        request_id: request.request_id,
    };
    perform(&call, route.operation).await
}

/// Each of Graph's services says it in its own words.
fn denied(route: &routes::Route) -> ODataError {
    let is_conditional_access =
        route.path.starts_with("identity/conditionalAccess") || route.path.starts_with("policies/");
    if is_conditional_access {
        return ODataError::new(
            403,
            "AccessDenied",
            "You cannot perform the requested operation, required scopes are missing in the token.",
        );
    }
    ODataError::denied()
}

/// An application rolls its own keys without any permission: the proof is what counts, and is checked behind.
fn is_own_key(caller: &Caller, operation: Operation) -> bool {
    matches!(operation, Operation::AddKey(_) | Operation::RemoveKey(_))
        && matches!(caller.kind, CallerKind::Application { .. })
}

fn check_content_type(request: &Request<'_>) -> Result<(), ODataError> {
    if request.body.is_empty() {
        return Ok(());
    }
    let kind =
        request.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let base = kind.split(';').next().unwrap_or_default().trim();
    if base.is_empty() || base.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ODataError::unsupported_media_type())
}

async fn perform(call: &Call<'_>, operation: Operation) -> Result<Answer, ODataError> {
    match operation {
        Operation::List(collection) => collections::list(call, collection).await,
        Operation::Count(collection) => collections::count(call, collection).await,
        Operation::Get(collection) => collections::get(call, collection).await,
        Operation::IdentityProtectionRoot => {
            Ok(Answer::ok(call.with_context("identityProtection", Json::Object(serde_json::Map::new()))))
        }
        Operation::ConfirmCompromised => risk::decide(call, risk::Decision::ConfirmCompromised).await,
        Operation::Dismiss => risk::decide(call, risk::Decision::Dismiss).await,
        Operation::CreateApplication => applications::create_application(call).await,
        Operation::CreateServicePrincipal => applications::create_service_principal(call).await,
        Operation::Update(holder) => applications::update(call, holder).await,
        Operation::Delete(holder) => applications::delete(call, holder).await,
        Operation::AddPassword(holder) => credentials::add_password(call, holder).await,
        Operation::RemovePassword(holder) => credentials::remove_password(call, holder).await,
        Operation::AddKey(holder) => credentials::add_key(call, holder).await,
        Operation::RemoveKey(holder) => credentials::remove_key(call, holder).await,
        Operation::ListOwners(holder) => relations::list_owners(call, holder).await,
        Operation::AddOwner(holder) => relations::add_owner(call, holder).await,
        Operation::RemoveOwner(holder) => relations::remove_owner(call, holder).await,
        Operation::CreateFederated(holder) => relations::create_federated(call, holder).await,
        Operation::UpdateFederated(holder) => relations::update_federated(call, holder).await,
        Operation::DeleteFederated(holder) => relations::delete_federated(call, holder).await,
        Operation::CreateAssignment => relations::create_assignment(call).await,
        Operation::DeleteAssignment(collection) => relations::delete_assignment(call, collection).await,
        Operation::ListOwnedObjects => relations::list_owned(call).await,
        Operation::ListMemberOf => relations::list_member_of(call).await,
        Operation::CreateGrant => relations::create_grant(call).await,
        Operation::UpdateGrant => relations::update_grant(call).await,
        Operation::DeleteGrant => relations::delete_grant(call).await,
        Operation::ListDeleted(holder) => deleted::list(call, holder).await,
        Operation::CountDeleted(holder) => deleted::count(call, holder).await,
        Operation::GetDeleted => deleted::get(call).await,
        Operation::RestoreDeleted => deleted::restore(call).await,
        Operation::PurgeDeleted => deleted::purge(call).await,
        Operation::GetDirectoryObject => relations::get_directory_object(call).await,
        Operation::CreateRoleAssignment => roles::create_assignment(call).await,
        Operation::DeleteRoleAssignment => roles::delete_assignment(call).await,
        Operation::ListRoleDefinitions => roles::list(call, roles::Shape::Definition),
        Operation::GetRoleDefinition => roles::get(call, roles::Shape::Definition),
        Operation::ListDirectoryRoles => roles::list(call, roles::Shape::Role),
        Operation::GetDirectoryRole => roles::get(call, roles::Shape::Role),
        Operation::ListRoleMembers => relations::list_role_members(call).await,
        Operation::ListDirectoryRoleTemplates => roles::list(call, roles::Shape::Template),
        Operation::GetDirectoryRoleTemplate => roles::get(call, roles::Shape::Template),
        Operation::ListOrganization => organization::list_organization(call),
        Operation::GetOrganization => organization::get_organization(call),
        Operation::ListSubscribedSkus => organization::list_skus(call),
        Operation::GetSubscribedSku => organization::get_sku(call),
        Operation::ListSignIns => logs::list_sign_ins(call).await,
        Operation::GetSignIn => logs::get_sign_in(call).await,
        Operation::ConditionalAccessRoot => Ok(Answer::ok(
            call.with_context("identity/conditionalAccess", Json::Object(serde_json::Map::new())),
        )),
        Operation::CreateRule(rule) => conditional_access::create(call, rule).await,
        Operation::UpdateRule(rule) => conditional_access::update(call, rule).await,
        Operation::DeleteRule(rule) => conditional_access::delete(call, rule).await,
        Operation::ListDeletedRules(rule) => conditional_access::list_deleted(call, rule).await,
        Operation::GetDeletedRule(rule) => conditional_access::get_deleted(call, rule).await,
        Operation::RestoreRule(rule) => conditional_access::restore(call, rule).await,
        Operation::PurgeRule(rule) => conditional_access::purge(call, rule).await,
        Operation::ListTemplates => Ok(conditional_access::list_templates(call)),
        Operation::GetTemplate => conditional_access::get_template(call),
        Operation::WhatIf => what_if::ask(call).await,
        Operation::ListNone(name) => Ok(Answer::ok(collections::page_of(call, name, Vec::new(), None, None))),
        Operation::CreateUser => users::create(call).await,
        Operation::UpdateUser => users::update(call).await,
        Operation::DeleteUser => users::delete(call).await,
        Operation::Me => users::me(call).await,
    }
}

/// An answer or an error as a response.
pub(crate) fn respond(request: &Request<'_>, outcome: Result<Answer, ODataError>) -> Response<Body> {
    let response =
        match outcome {
            Ok(Answer::Json { status, body, etag, location }) => {
                let mut response = json(status, &body);
                let headers = response.headers_mut();
                if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(&etag).ok()) {
                    headers.insert(header::ETAG, etag);
                }
                if let Some(location) = location.and_then(|location| HeaderValue::from_str(&location).ok()) {
                    headers.insert(header::LOCATION, location);
                }
                if request.headers.get("prefer").is_some_and(|all| {
                    all.to_str().is_ok_and(|all| all.contains("include-unknown-enum-members"))
                }) {
                    let applied = HeaderValue::from_static("include-unknown-enum-members");
                    headers.insert("preference-applied", applied);
                }
                response
            }
            Ok(Answer::Count(number)) => {
                let mut response = Response::new(Body::from(number.to_string()));
                response
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=utf-8"));
                response
            }
            Ok(Answer::Empty) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            }
            Err(error) => refusal(request, &error),
        };
    finish(request, response)
}

/// An error as a response.
pub(crate) fn refusal(request: &Request<'_>, error: &ODataError) -> Response<Body> {
    let body = error.body(request.now.0, request.request_id, client_request_id(request.headers));
    json(error.status, &body)
}

/// The id that the client has for its request, unless it is one that nobody would want to find in a log.
pub(crate) fn client_request_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get("client-request-id")?.to_str().ok()?;
    let is_plain = id.bytes().all(|byte| byte.is_ascii_graphic());
    (is_plain && (1..=CLIENT_REQUEST_ID_MAX).contains(&id.len())).then_some(id)
}

fn json(status: u16, body: &Json) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}

/// Headers of every answer.
pub(crate) fn finish(request: &Request<'_>, response: Response<Body>) -> Response<Body> {
    with_headers(response, request.request_id, client_request_id(request.headers))
}

/// An error that has no call behind it: what the router refuses by itself.
pub(crate) fn refusal_of(error: &ODataError, headers: &HeaderMap, now: Timestamp) -> Response<Body> {
    let request_id = ids::ordered(now).map(|id| id.to_string()).unwrap_or_default();
    let client_request_id = client_request_id(headers);
    let response = json(error.status, &error.body(now.0, &request_id, client_request_id));
    with_headers(response, &request_id, client_request_id)
}

fn with_headers(
    mut response: Response<Body>,
    request_id: &str,
    client_request_id: Option<&str>,
) -> Response<Body> {
    let headers = response.headers_mut();
    for (name, value) in
        [("request-id", request_id), ("client-request-id", client_request_id.unwrap_or(request_id))]
    {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers.insert("odata-version", HeaderValue::from_static("4.0"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
