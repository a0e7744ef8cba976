//! `$batch`: up to twenty calls in one request, each on its own.

use std::collections::HashMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use countersign_odata::edm::Version;
use countersign_odata::error::ODataError;
use serde_json::{Map, Value as Json, json};

use super::call::{Answer, Caller};
use super::{Request, body, dispatch};
use crate::serve::{Server, bearer, clock, ids};

/// Calls of one batch.
const CALLS_MAX: usize = 20;

struct Item {
    id: String,
    method: String,
    version: Version,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
    depends_on: Vec<String>,
}

/// Runs the calls one after the other, in their order; what depends on a call that failed is not run.
pub(crate) async fn run(
    server: &Server,
    caller: &Caller,
    request: &Request<'_>,
) -> Result<Answer, ODataError> {
    if request.body.len() > body::BODY_BYTES_MAX {
        return Err(ODataError::too_large(body::BODY_BYTES_MAX));
    }
    let given = body::object(request.body)?;
    let items = items(request, &given)?;
    let mut done: HashMap<String, u16> = HashMap::new();
    let mut responses = Vec::with_capacity(items.len());
    for item in items {
        let now = clock::now();
        let request_id = ids::ordered(now).map_err(super::call::internal)?.to_string();
        let inner = Request {
            method: &item.method,
            version: item.version,
            path: &item.path,
            query: &item.query,
            headers: &item.headers,
            body: &item.body,
            base: request.base,
            now,
            request_id: &request_id,
        };
        let failed = item.depends_on.iter().find(|id| done.get(*id).is_none_or(|status| *status >= 400));
        let outcome = match failed {
            Some(id) => Err(ODataError::failed_dependency(id)),
            None if !server.limits.allows_graph(&caller.app_id) => Err(ODataError::too_many_requests()),
            None => again(server, caller, request, &inner).await,
        };
        let (status, headers, body) = part(&inner, outcome);
        done.insert(item.id.clone(), status);
        responses.push(json!({ "id": item.id, "status": status, "headers": headers, "body": body }));
    }
    Ok(Answer::ok(json!({ "responses": responses })))
}

/// One part, by a caller who is asked again: what came before may have taken away what this one needs.
async fn again(
    server: &Server,
    caller: &Caller,
    whole: &Request<'_>,
    part: &Request<'_>,
) -> Result<Answer, ODataError> {
    let caller = Box::pin(bearer::authenticate(server, whole.headers, caller.ip, part.now)).await;
    let caller = caller.map_err(|refused| refused.error)?;
    Box::pin(dispatch(server, &caller, part)).await
}

fn part(request: &Request<'_>, outcome: Result<Answer, ODataError>) -> (u16, Json, Json) {
    let mut headers = Map::new();
    headers.insert("request-id".into(), request.request_id.into());
    match outcome {
        Ok(Answer::Json { status, body, etag, location }) => {
            headers.insert("Content-Type".into(), "application/json".into());
            headers.extend(etag.map(|etag| ("ETag".to_owned(), etag.into())));
            headers.extend(location.map(|location| ("Location".to_owned(), location.into())));
            (status, Json::Object(headers), body)
        }
        Ok(Answer::Count(number)) => {
            use base64::Engine as _;
            headers.insert("Content-Type".into(), "text/plain".into());
            let body = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(number.to_string());
            (200, Json::Object(headers), body.into())
        }
        Ok(Answer::Empty) => (204, Json::Object(headers), Json::Null),
        Err(error) => {
            headers.insert("Content-Type".into(), "application/json".into());
            if error.status == 429 {
                headers.insert("Retry-After".into(), "10".into());
            }
            let body = error.body(request.now.0, request.request_id, None);
            (error.status, Json::Object(headers), body)
        }
    }
}

fn items(request: &Request<'_>, given: &Map<String, Json>) -> Result<Vec<Item>, ODataError> {
    let Some(requests) = given.get("requests").and_then(Json::as_array) else {
        return Err(ODataError::bad_request("'requests' must be a list."));
    };
    if requests.is_empty() || requests.len() > CALLS_MAX {
        return Err(ODataError::bad_request(format!(
            "A batch holds 1 to {CALLS_MAX} requests; this one holds {}.",
            requests.len()
        )));
    }
    let mut items: Vec<Item> = Vec::with_capacity(requests.len());
    for one in requests {
        let item = item(request, one)?;
        if items.iter().any(|other| other.id == item.id) {
            return Err(ODataError::bad_request(format!(
                "Two requests of the batch have the id '{}'.",
                item.id
            )));
        }
        items.push(item);
    }
    Ok(items)
}

fn item(request: &Request<'_>, one: &Json) -> Result<Item, ODataError> {
    let text = |name: &str| one.get(name).and_then(Json::as_str);
    let (Some(id), Some(method), Some(url)) = (text("id"), text("method"), text("url")) else {
        return Err(ODataError::bad_request("Every request of a batch needs 'id', 'method' and 'url'."));
    };
    // Python's library calls it `depends_on`.
    let depends_on = one.get("dependsOn").or_else(|| one.get("depends_on"));
    let depends_on = depends_on.and_then(Json::as_array).into_iter().flatten();
    let mut headers = HeaderMap::new();
    for (name, value) in one.get("headers").and_then(Json::as_object).into_iter().flatten() {
        let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
        if let (Ok(name), Some(value)) = (HeaderName::try_from(name.as_str()), value) {
            headers.insert(name, value);
        }
    }
    for name in ["user-agent", "client-request-id"] {
        if let (false, Some(value)) = (headers.contains_key(name), request.headers.get(name)) {
            headers.insert(name, value.clone());
        }
    }
    let body = match one.get("body") {
        None | Some(Json::Null) => Vec::new(),
        Some(body) => body.to_string().into_bytes(),
    };
    let (version, path, query) = split(url, request.version);
    Ok(Item {
        id: id.to_owned(),
        method: method.to_ascii_uppercase(),
        version,
        path,
        query,
        headers,
        body,
        depends_on: depends_on.filter_map(Json::as_str).map(str::to_owned).collect(),
    })
}

/// Addresses come absolute, from the root with the version, or below the version.
fn split(url: &str, version: Version) -> (Version, String, String) {
    let local = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => url,
    };
    let (path, query) = local.split_once('?').unwrap_or((local, ""));
    let path = path.trim_start_matches('/');
    for other in [Version::V1, Version::Beta] {
        if let Some(rest) = path.strip_prefix(other.as_str())
            && (rest.is_empty() || rest.starts_with('/'))
        {
            return (other, rest.to_owned(), query.to_owned());
        }
    }
    (version, path.to_owned(), query.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_every_client_are_understood() {
        for (url, path, query) in [
            ("https://localhost:8443/v1.0/applications?%24top=1", "/applications", "%24top=1"),
            ("/v1.0/applications?$top=1", "/applications", "$top=1"),
            ("/applications", "applications", ""),
            ("applications/a", "applications/a", ""),
            ("https://localhost", "", ""),
        ] {
            assert_eq!(split(url, Version::V1), (Version::V1, path.to_owned(), query.to_owned()), "{url}");
        }
        assert_eq!(split("/beta/a", Version::V1).0, Version::Beta);
    }
}
