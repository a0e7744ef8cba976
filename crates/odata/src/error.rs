//! Errors in the shape that Graph's clients read.

use std::borrow::Cow;

use serde_json::{Value, json};

/// An answer other than success: its status, and what its body says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ODataError {
    /// HTTP status.
    pub status: u16,
    /// For programs: `Request_ResourceNotFound`.
    pub code: Cow<'static, str>,
    /// For people.
    pub message: String,
    /// What the error is about, such as the name of a property.
    pub target: Option<String>,
}

impl ODataError {
    /// An error of any status and code.
    pub fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> ODataError {
        ODataError { status, code: code.into(), message: message.into(), target: None }
    }

    /// The same error under another code: reports say `BadRequest` where the directory says
    /// `Request_BadRequest`.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> ODataError {
        self.code = code.into();
        self
    }

    /// The same error about something.
    #[must_use]
    pub fn with_target(mut self, target: impl Into<String>) -> ODataError {
        self.target = Some(target.into());
        self
    }

    /// 400 `BadRequest`: what all readers of this crate answer.
    pub fn bad_request(message: impl Into<String>) -> ODataError {
        ODataError::new(400, "BadRequest", message)
    }

    /// 400 `Request_BadRequest`: the directory's word for the same.
    pub fn request_bad_request(message: impl Into<String>) -> ODataError {
        ODataError::new(400, "Request_BadRequest", message)
    }

    /// 400 `Request_UnsupportedQuery`: legal OData that the resource does not answer, or not without
    /// `ConsistencyLevel: eventual`.
    pub fn unsupported_query(message: impl Into<String>) -> ODataError {
        ODataError::new(400, "Request_UnsupportedQuery", message)
    }

    /// 401 `InvalidAuthenticationToken`. The challenge goes into a header.
    pub fn invalid_token(message: impl Into<String>) -> ODataError {
        ODataError::new(401, "InvalidAuthenticationToken", message)
    }

    /// 403 `Authorization_RequestDenied`: a permission is missing.
    pub fn denied() -> ODataError {
        let message = "Insufficient privileges to complete the operation.";
        ODataError::new(403, "Authorization_RequestDenied", message)
    }

    /// 403 `Authentication_RequestFromNonPremiumTenantOrB2CTenant`: a licence is missing.
    pub fn not_premium(message: impl Into<String>) -> ODataError {
        ODataError::new(403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", message)
    }

    /// 404 `Request_ResourceNotFound` for the object of that id.
    pub fn not_found(id: &str) -> ODataError {
        let message = format!(
            "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
        );
        ODataError::new(404, "Request_ResourceNotFound", message)
    }

    /// 400 `BadRequest` for a path segment that leads nowhere.
    pub fn no_segment(segment: &str) -> ODataError {
        ODataError::bad_request(format!("Resource not found for the segment '{segment}'."))
    }

    /// 405: the resource exists and does not do this.
    pub fn method_not_allowed(method: &str) -> ODataError {
        let message = format!("The method '{method}' is not allowed on this resource.");
        ODataError::new(405, "Request_BadRequest", message)
    }

    /// 406: no representation that the client accepts.
    pub fn not_acceptable(message: impl Into<String>) -> ODataError {
        ODataError::new(406, "notAcceptable", message)
    }

    /// 409 `Request_MultipleObjectsWithSameKeyValue`: another object has that unique value.
    pub fn same_key(property: &str) -> ODataError {
        let message = format!("Another object with the same value for property {property} already exists.");
        ODataError::new(409, "Request_MultipleObjectsWithSameKeyValue", message).with_target(property)
    }

    /// 410: a delta token that is too old. The new start goes into `Location`.
    pub fn delta_expired() -> ODataError {
        ODataError::new(410, "syncStateNotFound", "The delta token has expired; start again without it.")
    }

    /// 412: `If-Match` names another state of the object.
    pub fn precondition_failed() -> ODataError {
        ODataError::new(412, "preconditionFailed", "The object has changed since it was read.")
    }

    /// 413: the body is larger than `bytes_max`.
    pub fn too_large(bytes_max: usize) -> ODataError {
        let message = format!("The request body is larger than {bytes_max} bytes.");
        ODataError::new(413, "requestEntityTooLarge", message)
    }

    /// 415: the body is no JSON.
    pub fn unsupported_media_type() -> ODataError {
        ODataError::new(415, "unsupportedMediaType", "The request body must be application/json.")
    }

    /// 424: a request of a batch on which this one depends failed.
    pub fn failed_dependency(id: &str) -> ODataError {
        ODataError::new(
            424,
            "failedDependency",
            format!("The request '{id}' failed, on which this one depends."),
        )
    }

    /// 429 `TooManyRequests`. When to come back goes into `Retry-After`.
    pub fn too_many_requests() -> ODataError {
        ODataError::new(429, "TooManyRequests", "Too many requests; try again later.")
    }

    /// 500 `generalException`. The reason goes into the log and not to the client.
    pub fn internal() -> ODataError {
        ODataError::new(500, "generalException", "An unexpected error occurred.")
    }

    /// 503 `serviceNotAvailable`.
    pub fn unavailable() -> ODataError {
        ODataError::new(503, "serviceNotAvailable", "The service is not available; try again later.")
    }

    /// The body of the answer. `now` is in microseconds since 1970; the wire has whole seconds of UTC without
    /// a zone. A client that sends no `client-request-id` gets the request id twice.
    pub fn body(&self, now: i64, request_id: &str, client_request_id: Option<&str>) -> Value {
        let date = jiff::Timestamp::from_microsecond(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let mut inner = json!({
            "date": date.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
            "request-id": request_id,
            "client-request-id": client_request_id.unwrap_or(request_id),
        });
        // Graph repeats the status here for throttled requests, and only for those.
        if self.status == 429 {
            inner["code"] = json!("429");
            inner["status"] = json!("429");
            inner["message"] = json!(self.message);
        }
        let mut error = json!({ "code": self.code, "message": self.message, "innerError": inner });
        if let Some(target) = &self.target {
            error["target"] = json!(target);
        }
        json!({ "error": error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_777_727_220_500_000;

    fn pretty(body: &Value) -> String {
        serde_json::to_string_pretty(body).unwrap()
    }

    #[test]
    fn bodies_have_the_shape_that_clients_read() {
        insta::assert_snapshot!(pretty(&ODataError::not_found("x").body(NOW, "r", None)), @r#"
        {
          "error": {
            "code": "Request_ResourceNotFound",
            "innerError": {
              "client-request-id": "r",
              "date": "2026-05-02T13:07:00",
              "request-id": "r"
            },
            "message": "Resource 'x' does not exist or one of its queried reference-property objects are not present."
          }
        }
        "#);
        insta::assert_snapshot!(pretty(&ODataError::too_many_requests().body(NOW, "r", Some("c"))), @r#"
        {
          "error": {
            "code": "TooManyRequests",
            "innerError": {
              "client-request-id": "c",
              "code": "429",
              "date": "2026-05-02T13:07:00",
              "message": "Too many requests; try again later.",
              "request-id": "r",
              "status": "429"
            },
            "message": "Too many requests; try again later."
          }
        }
        "#);
        assert_eq!(
            ODataError::same_key("uniqueName").body(i64::MAX, "r", None)["error"]["target"],
            "uniqueName"
        );
    }
}
