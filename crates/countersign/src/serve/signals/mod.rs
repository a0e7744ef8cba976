//! OpenID Shared Signals: what happens to workloads is told to others, and what others know is heard.
//!
//! Outwards: [`told`] says what a change means, the store writes it to the streams of the tenant in the transaction of the
//! change, [`push`] sends it and [`poll`] hands it out; [`streams`] is how receivers manage their streams. Inwards:
//! [`transmitters`] are those who are listened to, [`heard`] is what becomes of their events.

pub(crate) mod heard;
mod poll;
pub(crate) mod push;
mod streams;
pub(crate) mod told;
mod transmitters;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use countersign_odata::edm::Version;
use countersign_odata::error::ODataError;
use countersign_odata::query::RawOptions;
use countersign_signals::invalid::Invalid;
use countersign_signals::stream::Transmitter;
use countersign_store::{Scoped, Tenant};
use countersign_token::claims::issuer;
use serde_json::{Map, Value as Json};

use super::Server;
use super::graph::access::{self, READ_SIGNALS, Verdict, WRITE_SIGNALS};
use super::graph::{self, Call, Caller, audit};

/// What a caller is answered with, when it is no error.
pub(crate) struct Answered {
    status: StatusCode,
    body: Option<String>,
}

impl Answered {
    fn empty(status: StatusCode) -> Self {
        Self { status, body: None }
    }

    fn json(status: StatusCode, body: &Json) -> Self {
        Self { status, body: Some(body.to_string()) }
    }
}

/// A tenant as a transmitter, under the name by which it was called.
pub(crate) struct Addresses {
    issuer: String,
    jwks_uri: String,
    base: String,
}

impl Addresses {
    pub(crate) fn new(base: &str, tenant_id: &str) -> Self {
        Self {
            issuer: issuer(2, base, tenant_id),
            jwks_uri: format!("{base}/{tenant_id}/discovery/v2.0/keys"),
            base: format!("{base}/{tenant_id}/signals"),
        }
    }

    pub(crate) fn transmitter(&self) -> Transmitter<'_> {
        Transmitter { issuer: &self.issuer, jwks_uri: &self.jwks_uri, base: &self.base }
    }

    /// Where transmitters deliver their events, which is also whom they are for.
    fn events(&self) -> String {
        format!("{}/events", self.base)
    }
}

/// Answers a request for `/{tenant}/signals/…` of an authenticated caller. `path` is what stands behind that.
pub(crate) async fn serve(
    server: &Server,
    caller: &Caller,
    request: &graph::Request<'_>,
    tenant: &Tenant,
    path: &str,
) -> Response<Body> {
    match dispatch(server, caller, request, tenant, path).await {
        Ok(Answered { status, body }) => {
            let mut response = Response::new(body.map_or_else(Body::empty, Body::from));
            *response.status_mut() = status;
            let headers = response.headers_mut();
            if status != StatusCode::NO_CONTENT {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(error) => {
            let is_early = error.status == 429;
            let mut response = graph::finish(request, graph::refusal(request, &error));
            if is_early {
                let seconds = countersign_signals::stream::VERIFICATION_INTERVAL_SECONDS_MIN;
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
    }
}

async fn dispatch(
    server: &Server,
    caller: &Caller,
    request: &graph::Request<'_>,
    tenant: &Tenant,
    path: &str,
) -> Result<Answered, ODataError> {
    if caller.tenant.id != tenant.id {
        return Err(ODataError::denied());
    }
    let access = if request.method == "GET" { &READ_SIGNALS } else { &WRITE_SIGNALS };
    if access::verdict(access, caller.held()) != Verdict::Allowed {
        return Err(ODataError::denied());
    }
    let call = Call {
        server,
        caller,
        verdict: Verdict::Allowed,
        version: Version::V1,
        params: Vec::new(),
        options: RawOptions::default(),
        path: request.path,
        headers: request.headers,
        body: request.body,
        base: request.base,
        now: request.now,
        request_id: request.request_id,
    };
    let addresses = Addresses::new(request.base, &tenant.id);
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let stream = stream_of_query(request.query);
    match (request.method, segments.as_slice()) {
        ("GET", ["streams"]) => streams::get(&call, &addresses, stream.as_deref()).await,
        ("POST", ["streams"]) => streams::create(&call, &addresses).await,
        ("PATCH", ["streams"]) => streams::change(&call, &addresses, streams::Change::Patch).await,
        ("PUT", ["streams"]) => streams::change(&call, &addresses, streams::Change::Replace).await,
        ("DELETE", ["streams"]) => streams::delete(&call, stream.as_deref()).await,
        ("GET", ["status"]) => streams::status(&call, stream.as_deref()).await,
        ("POST", ["status"]) => streams::set_status(&call).await,
        ("POST", ["subjects", "add"]) => streams::add_subject(&call).await,
        ("POST", ["subjects", "remove"]) => streams::remove_subject(&call).await,
        ("POST", ["verify"]) => streams::verify(&call).await,
        ("POST", ["poll", id]) => poll::poll(&call, id).await,
        ("GET", ["transmitters"]) => transmitters::list(&call).await,
        ("POST", ["transmitters"]) => transmitters::register(&call, &addresses).await,
        ("GET", ["transmitters", id]) => transmitters::get(&call, id).await,
        ("DELETE", ["transmitters", id]) => transmitters::remove(&call, id).await,
        (
            method,
            ["streams" | "status" | "verify" | "transmitters"]
            | ["subjects", "add" | "remove"]
            | ["poll" | "transmitters", _],
        ) => Err(ODataError::method_not_allowed(method)),
        _ => Err(ODataError::new(404, "BadRequest", format!("There is nothing at '{}'.", request.path))),
    }
}

fn stream_of_query(query: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "stream_id").map(|(_, id)| id.into_owned())
}

/// What is wrong with a body, as the caller reads it.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn invalid(invalid: Invalid) -> ODataError {
    ODataError::bad_request(format!("{invalid}."))
}

/// What a change of ours is about: a stream or a transmitter.
struct Target<'a> {
    id: String,
    display_name: Option<&'a str>,
}

/// Writes the audit record of a change.
async fn write_record(
    call: &Call<'_>,
    scoped: &mut Scoped,
    (activity, operation): (&'static str, &'static str),
    what: &Target<'_>,
    properties: Vec<Json>,
) -> Result<(), ODataError> {
    let object = Map::from_iter([
        ("id".to_owned(), what.id.as_str().into()),
        ("displayName".to_owned(), what.display_name.into()),
    ]);
    let change = audit::Change {
        activity,
        operation,
        category: "Policy",
        service: "Shared Signals",
        targets: vec![audit::target("Other", &object, properties)],
    };
    audit::write(call, scoped, change).await
}
