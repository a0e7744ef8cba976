//! Why a token was not issued: the one table of AADSTS numbers, texts, OAuth errors and statuses.

use std::borrow::Cow;

use countersign_model::time::{SECOND, Timestamp};
use serde_json::{Value, json};

/// Longest piece of a request that a text repeats, in characters: error texts end up in logs and on screens.
const ECHO_CHARS_MAX: usize = 256;

/// The OAuth error (RFC 6749 section 5.2, RFC 8628 section 3.5 and Microsoft's own) of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// `invalid_client`, 401: the client did not prove who it is.
    InvalidClient,
    /// `invalid_request`, 400.
    InvalidRequest,
    /// `invalid_grant`, 400: the code, the refresh token, the user or a policy stands against it.
    InvalidGrant,
    /// `invalid_scope`, 400.
    InvalidScope,
    /// `invalid_resource`, 400.
    InvalidResource,
    /// `unauthorized_client`, 400: the application is unknown or disabled.
    UnauthorizedClient,
    /// `unsupported_grant_type`, 400.
    UnsupportedGrantType,
    /// `invalid_tenant`, 400: what discovery answers for a tenant that does not exist.
    InvalidTenant,
    /// `invalid_instance`, 400.
    InvalidInstance,
    /// `authorization_pending`, 400: the device flow waits for the user.
    AuthorizationPending,
    /// `slow_down`, 400: the device flow waits for the user, and the device asks too often.
    SlowDown,
    /// `login_required`, 400: the person would have to do something, and the client wants no page.
    LoginRequired,
    /// `authorization_declined`, 400: the user said no.
    AuthorizationDeclined,
    /// `expired_token`, 400: the device code is too old.
    ExpiredToken,
    /// `temporarily_unavailable`, 429. The caller adds `Retry-After`.
    Throttled,
    /// `temporarily_unavailable`, 503.
    TemporarilyUnavailable,
}

impl RefusalKind {
    /// The text of `error`.
    pub fn error(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status. Only `invalid_client` is a 401; MSAL for Python keeps a 400 for 60 s, and Node stops
    /// asking for 60 s after a 429 or a 5xx, so those two are sent only when they are meant.
    pub fn status(self) -> u16 {
        self.row().1
    }

    fn row(self) -> (&'static str, u16) {
        match self {
            RefusalKind::InvalidClient => ("invalid_client", 401),
            RefusalKind::InvalidRequest => ("invalid_request", 400),
            RefusalKind::InvalidGrant => ("invalid_grant", 400),
            RefusalKind::InvalidScope => ("invalid_scope", 400),
            RefusalKind::InvalidResource => ("invalid_resource", 400),
            RefusalKind::UnauthorizedClient => ("unauthorized_client", 400),
            RefusalKind::UnsupportedGrantType => ("unsupported_grant_type", 400),
            RefusalKind::InvalidTenant => ("invalid_tenant", 400),
            RefusalKind::InvalidInstance => ("invalid_instance", 400),
            RefusalKind::AuthorizationPending => ("authorization_pending", 400),
            RefusalKind::SlowDown => ("slow_down", 400),
            RefusalKind::LoginRequired => ("login_required", 400),
            RefusalKind::AuthorizationDeclined => ("authorization_declined", 400),
            RefusalKind::ExpiredToken => ("expired_token", 400),
            RefusalKind::Throttled => ("temporarily_unavailable", 429),
            RefusalKind::TemporarilyUnavailable => ("temporarily_unavailable", 503),
        }
    }
}

/// Why a client assertion's key did not prove it: the bracketed part of AADSTS700027.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// No registered key has that thumbprint.
    NotFound,
    /// The key's time is over.
    Expired,
    /// The key's time has not begun.
    NotYetValid,
    /// The key is registered and did not make this signature.
    BadSignature,
}

impl KeyFault {
    fn text(self) -> &'static str {
        match self {
            KeyFault::NotFound => "The key was not found.",
            KeyFault::Expired => "The key used is expired.",
            KeyFault::NotYetValid => "The key used is not yet valid.",
            KeyFault::BadSignature => "The signature does not match the key.",
        }
    }
}

/// A refusal. Its constructors are the table; the fields are open so that the sign-in log can keep them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("AADSTS{code}: {text}")]
pub struct Refusal {
    /// The AADSTS number.
    pub code: u32,
    /// OAuth error and status.
    pub kind: RefusalKind,
    /// The sentence, without the `AADSTS` prefix and without the traces behind it.
    pub text: String,
    /// JSON text of a claims request, which the client may send on.
    pub claims: Option<String>,
    /// `suberror`, such as `message_only`.
    pub suberror: Option<&'static str>,
}

/// What a client or a request wrote, fit to be repeated: control characters gone, cut to a length.
pub(crate) fn echo(text: &str) -> Cow<'_, str> {
    if text.len() <= ECHO_CHARS_MAX && !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| !c.is_control()).take(ECHO_CHARS_MAX).collect())
}

impl Refusal {
    /// A refusal of any code, for what the table lacks.
    pub fn new(code: u32, kind: RefusalKind, text: impl Into<String>) -> Refusal {
        Refusal { code, kind, text: text.into(), claims: None, suberror: None }
    }

    /// HTTP status.
    pub fn status(&self) -> u16 {
        self.kind.status()
    }

    /// The member `error`: `invalid_client`.
    pub fn error(&self) -> &'static str {
        self.kind.error()
    }

    /// The member `error_description`. Ids are GUIDs as text; `now` is printed to the second.
    pub fn description(&self, trace_id: &str, correlation_id: &str, now: Timestamp) -> String {
        format!(
            "AADSTS{}: {} Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {}",
            self.code,
            self.text,
            seconds(now)
        )
    }

    /// The JSON document of the answer.
    pub fn body(&self, trace_id: &str, correlation_id: &str, now: Timestamp) -> Value {
        let mut body = json!({
            "error": self.error(),
            "error_description": self.description(trace_id, correlation_id, now),
            "error_codes": [self.code],
            "timestamp": seconds(now),
            "trace_id": trace_id,
            "correlation_id": correlation_id,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
        });
        if let Some(suberror) = self.suberror {
            body["suberror"] = suberror.into();
        }
        if let Some(claims) = &self.claims {
            body["claims"] = claims.as_str().into();
        }
        body
    }

    // Who the client is.

    /// 7000215: no secret of the application matches.
    pub fn invalid_secret(app_id: &str) -> Refusal {
        Refusal::client(
            7_000_215,
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret \
                 value, not the client secret ID, for a secret added to app '{}'.",
                echo(app_id)
            ),
        )
    }

    /// 7000222: the secret is right and its time is over.
    pub fn expired_secret(app_id: &str) -> Refusal {
        Refusal::client(
            7_000_222,
            format!(
                "The provided client secret keys for app '{}' are expired. Visit the Azure portal to create new \
                 keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for \
                 added security: https://aka.ms/certCreds.",
                echo(app_id)
            ),
        )
    }

    /// 7000216: `client_credentials` without a credential.
    pub fn missing_credential() -> Refusal {
        Refusal::client(
            7_000_216,
            "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
        )
    }

    /// 7000218: any other grant of a confidential client without a credential.
    pub fn credential_required() -> Refusal {
        Refusal::client(
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )
    }

    /// 700025: a credential from a client that has none.
    pub fn public_client(app_id: &str) -> Refusal {
        Refusal::client(
            700_025,
            format!(
                "Client '{}' is public so neither 'client_assertion' nor 'client_secret' should be presented.",
                echo(app_id)
            ),
        )
    }

    /// 9002324: several credentials in one request.
    pub fn several_credentials() -> Refusal {
        Refusal::request(9_002_324, "The request must present only one client credential.")
    }

    /// 700016: nobody has that application id here.
    pub fn unknown_application(app_id: &str, tenant: &str) -> Refusal {
        Refusal::new(
            700_016,
            RefusalKind::UnauthorizedClient,
            format!(
                "Application with identifier '{}' was not found in the directory '{}'. This can happen if the \
                 application has not been installed by the administrator of the tenant or consented to by any user \
                 in the tenant. You may have sent your authentication request to the wrong tenant.",
                echo(app_id),
                echo(tenant)
            ),
        )
    }

    /// 7000112: the application's registration is disabled.
    pub fn disabled_application(app_id: &str, name: &str) -> Refusal {
        Refusal::new(
            7_000_112,
            RefusalKind::UnauthorizedClient,
            format!("Application '{}'({}) is disabled.", echo(app_id), echo(name)),
        )
    }

    /// 7000112 as well: the service principal is disabled, `accountEnabled` false or by Microsoft.
    pub fn disabled_principal(app_id: &str, name: &str) -> Refusal {
        Refusal::disabled_application(app_id, name)
    }

    /// 7000229: the application exists and has no service principal in this tenant.
    pub fn missing_principal(app_id: &str, tenant: &str) -> Refusal {
        Refusal::client(
            7_000_229,
            format!(
                "The client application {} is missing service principal in the tenant {}. See instructions here: \
                 https://go.microsoft.com/fwlink/?linkid=2225119",
                echo(app_id),
                echo(tenant)
            ),
        )
    }

    // Client assertions.

    /// 700027: the assertion's key does not prove it. `thumbprint` is what the client named, in hexadecimal.
    pub fn assertion_key(fault: KeyFault, thumbprint: &str, app_id: &str) -> Refusal {
        Refusal::client(
            700_027,
            format!(
                "Client assertion contains an invalid signature. [Reason - {}, Thumbprint of key used by client: \
                 '{}', Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured \
                 keys for app Id '{}'.]",
                fault.text(),
                echo(thumbprint),
                echo(app_id)
            ),
        )
    }

    /// 700024: the assertion is too old, too new or without an expiry. Times as claimed.
    pub fn assertion_time(now: Timestamp, from: Option<Timestamp>, until: Option<Timestamp>) -> Refusal {
        let claimed =
            |time: Option<Timestamp>| time.map_or_else(|| "not given".to_owned(), |time| time.to_string());
        Refusal::client(
            700_024,
            format!(
                "Client assertion is not within its valid time range. Current time: {now}, assertion valid from {}, \
                 expiry time of assertion {}.",
                claimed(from),
                claimed(until)
            ),
        )
    }

    /// 700023: the assertion is for somebody else.
    pub fn assertion_audience(audience: &str) -> Refusal {
        Refusal::client(
            700_023,
            format!(
                "Client assertion audience claim does not match Realm issuer. The audience presented is '{}'.",
                echo(audience)
            ),
        )
    }

    /// 50027: the assertion is no JWT that can be used. `fault` is a clause without a full stop.
    pub fn malformed_assertion(fault: &str) -> Refusal {
        Refusal::request(50_027, format!("JWT token is invalid or malformed: {}.", echo(fault)))
    }

    /// 50048: `sub` differs from `iss`.
    pub fn subject_mismatch() -> Refusal {
        Refusal::request(50_048, "Subject must match Issuer claim in the client assertion.")
    }

    /// 50013: an assertion was used before, by a client that may use each only once.
    pub fn assertion_replayed() -> Refusal {
        Refusal::client(
            50_013,
            "Assertion failed signature validation. [Reason - The assertion was used before.]",
        )
    }

    // Federated assertions.

    /// 70021: the client has no federated credential at all.
    pub fn no_federated_credential(issuer: &str, subject: &str, audience: &str) -> Refusal {
        Refusal::request(
            70_021,
            format!(
                "No matching federated identity record found for presented assertion. Assertion Issuer: '{}'. \
                 Assertion Subject: '{}'. Assertion Audience: '{}'. \
                 https://learn.microsoft.com/entra/workload-id/workload-identity-federation",
                echo(issuer),
                echo(subject),
                echo(audience)
            ),
        )
    }

    /// 700211: no federated credential has that issuer.
    pub fn federated_issuer(issuer: &str) -> Refusal {
        Refusal::federated(700_211, "issuer", issuer)
    }

    /// 700212: issuer and subject are known, the audience is another.
    pub fn federated_audience(audience: &str) -> Refusal {
        Refusal::federated(700_212, "audience", audience)
    }

    /// 700213: the issuer is known, the subject is not.
    pub fn federated_subject(subject: &str) -> Refusal {
        Refusal::federated(700_213, "subject", subject)
    }

    fn federated(code: u32, part: &str, value: &str) -> Refusal {
        Refusal::client(
            code,
            format!(
                "No matching federated identity record found for presented assertion {part} '{}'. Please note that \
                 the matching is done using a case-sensitive comparison. Check your federated identity credential \
                 Subject, Audience and Issuer against the presented assertion. \
                 https://learn.microsoft.com/entra/workload-id/workload-identity-federation",
                echo(value)
            ),
        )
    }

    // Tenant, resource, scope.

    /// 90002: no such tenant, at the token endpoint.
    pub fn unknown_tenant(tenant: &str) -> Refusal {
        Refusal::request(
            90_002,
            format!(
                "Tenant '{}' not found. Check to make sure you have the correct tenant ID and are signing into the \
                 correct cloud. Check with your subscription administrator, this may happen if there are no active \
                 subscriptions for the tenant.",
                echo(tenant)
            ),
        )
    }

    /// 90002 as `invalid_tenant`: no such tenant, at the discovery endpoint.
    pub fn unknown_tenant_in_discovery(tenant: &str) -> Refusal {
        Refusal { kind: RefusalKind::InvalidTenant, ..Refusal::unknown_tenant(tenant) }
    }

    /// 900023: what stands for the tenant is neither a GUID nor a domain.
    pub fn invalid_tenant(tenant: &str) -> Refusal {
        Refusal::request(
            900_023,
            format!(
                "Specified tenant identifier '{}' is neither a valid DNS name, nor a valid external domain.",
                echo(tenant)
            ),
        )
    }

    /// 50059: `common` and its like, where a real tenant is needed.
    pub fn no_tenant() -> Refusal {
        Refusal::request(
            50_059,
            "No tenant-identifying information found in either the request or implied by any provided credentials.",
        )
    }

    /// 50049: instance discovery for an authority that this server does not stand for.
    pub fn unknown_instance() -> Refusal {
        Refusal::new(50_049, RefusalKind::InvalidInstance, "Unknown or invalid instance.")
    }

    /// 500011: no resource has that name in the tenant.
    pub fn unknown_resource(resource: &str, tenant: &str) -> Refusal {
        Refusal::new(
            500_011,
            RefusalKind::InvalidResource,
            format!(
                "The resource principal named {} was not found in the tenant named {}. This can happen if the \
                 application has not been installed by the administrator of the tenant or consented to by any user \
                 in the tenant. You might have sent your authentication request to the wrong tenant.",
                echo(resource),
                echo(tenant)
            ),
        )
    }

    /// 500014: the resource's service principal is disabled.
    pub fn disabled_resource(resource: &str) -> Refusal {
        Refusal::new(
            500_014,
            RefusalKind::InvalidResource,
            format!("The service principal for resource '{}' is disabled.", echo(resource)),
        )
    }

    /// 1002012: the scope of `client_credentials` does not end in `/.default`.
    pub fn scope_without_default(scope: &str) -> Refusal {
        Refusal::scope(
            1_002_012,
            format!(
                "The provided value for scope {} is not valid. Client credential flows must have a scope value \
                 with /.default suffixed to the resource identifier (application ID URI).",
                echo(scope)
            ),
        )
    }

    /// 70011: the scope cannot be read.
    pub fn invalid_scope(scope: &str) -> Refusal {
        Refusal::scope(
            70_011,
            format!(
                "The provided request must include a 'scope' input parameter. The provided value for the input \
                 parameter 'scope' is not valid. The scope {} is not valid.",
                echo(scope)
            ),
        )
    }

    /// 28002: the scope names several resources.
    pub fn several_resources(scope: &str) -> Refusal {
        Refusal::scope(
            28_002,
            format!(
                "Provided value for the input parameter scope '{}' is not valid when requesting an access token: \
                 it contains more than one resource. Please specify a valid scope.",
                echo(scope)
            ),
        )
    }

    // The form of the request.

    /// 900144: a parameter is missing, or was empty, which is the same (RFC 6749 section 3.2).
    pub fn missing_parameter(name: &str) -> Refusal {
        Refusal::request(
            900_144,
            format!("The request body must contain the following parameter: '{}'.", echo(name)),
        )
    }

    /// 9000411: a parameter came twice (RFC 6749 section 3.2).
    pub fn duplicated_parameter(name: &str) -> Refusal {
        Refusal::request(
            9_000_411,
            format!("The request is not properly formatted. The parameter '{}' is duplicated.", echo(name)),
        )
    }

    /// 90100: a parameter's value cannot be used.
    pub fn invalid_parameter(name: &str) -> Refusal {
        Refusal::request(90_100, format!("The parameter '{}' is empty or not valid.", echo(name)))
    }

    /// 90013: the request as a whole cannot be used, such as one beyond the limits. `fault` is a clause.
    pub fn invalid_input(fault: &str) -> Refusal {
        Refusal::request(90_013, format!("Invalid input received from the user: {}.", echo(fault)))
    }

    /// 70003: a grant type that is not served.
    pub fn unsupported_grant(grant: &str) -> Refusal {
        Refusal::new(
            70_003,
            RefusalKind::UnsupportedGrantType,
            format!("The app requested an unsupported grant type '{}'.", echo(grant)),
        )
    }

    /// 900561: something else than POST.
    pub fn method_not_allowed(method: &str) -> Refusal {
        Refusal::request(
            900_561,
            format!("The endpoint only accepts POST requests. Received a {} request.", echo(method)),
        )
    }

    // Decisions.

    /// 501051: the resource wants an assignment, and the application has none.
    pub fn application_not_assigned(
        app_id: &str,
        name: &str,
        resource: &str,
        resource_name: &str,
    ) -> Refusal {
        Refusal::grant(
            501_051,
            format!(
                "Application '{}'({}) is not assigned to a role for the application '{}'({}).",
                echo(app_id),
                echo(name),
                echo(resource),
                echo(resource_name)
            ),
        )
    }

    /// 50105: the application wants an assignment, and the user has none.
    pub fn user_not_assigned(app_id: &str, name: &str, user: &str) -> Refusal {
        Refusal::grant(
            50_105,
            format!(
                "Your administrator has configured the application {} ('{}') to block users unless they are \
                 specifically granted ('assigned') access to the application. The signed in user '{}' is blocked \
                 because they are not a direct member of a group with access, nor had access directly assigned by \
                 an administrator.",
                echo(name),
                echo(app_id),
                echo(user)
            ),
        )
    }

    /// 53003: conditional access. `policies` are the ids that block; the client gets them as a claims request.
    pub fn blocked_by_policy(policies: &[&str]) -> Refusal {
        let claims = json!({"access_token": {"capolids": {"essential": true, "values": policies}}});
        Refusal {
            claims: Some(claims.to_string()),
            suberror: Some("message_only"),
            ..Refusal::grant(
                53_003,
                "Access has been blocked by Conditional Access policies. The access policy does not allow token \
                 issuance.",
            )
        }
    }

    /// 65001: nobody consented to what is asked for.
    pub fn consent_required(app_id: &str, name: &str) -> Refusal {
        Refusal {
            suberror: Some("consent_required"),
            ..Refusal::grant(
                65_001,
                format!(
                    "The user or administrator has not consented to use the application with ID '{}' named '{}'. \
                     Send an interactive authorization request for this user and resource.",
                    echo(app_id),
                    echo(name)
                ),
            )
        }
    }

    // Codes, refresh tokens, devices, users.

    /// 54005: the authorization code was redeemed before.
    pub fn code_redeemed() -> Refusal {
        Refusal::grant(
            54_005,
            "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing \
             refresh token.",
        )
    }

    /// 70008: the authorization code or refresh token is too old.
    pub fn grant_expired() -> Refusal {
        Refusal::grant(
            70_008,
            "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive \
             authorization request for this user and resource.",
        )
    }

    /// 70000: the authorization code or refresh token is no such thing, or another client's.
    pub fn grant_invalid() -> Refusal {
        Refusal::grant(70_000, "Provided grant is invalid or malformed.")
    }

    /// 50173: the user's sessions were revoked after the refresh token was issued.
    pub fn grant_revoked() -> Refusal {
        Refusal {
            suberror: Some("bad_token"),
            ..Refusal::grant(
                50_173,
                "The provided grant has expired due to it being revoked, a fresh auth token is needed.",
            )
        }
    }

    /// 50148: PKCE, RFC 7636 section 4.6.
    pub fn code_verifier_mismatch() -> Refusal {
        Refusal::grant(
            50_148,
            "The code_verifier does not match the code_challenge supplied in the authorization request for PKCE.",
        )
    }

    /// 50011: the redirect address is not registered, or not the one that the code was made for.
    pub fn redirect_mismatch(redirect_uri: &str, app_id: &str) -> Refusal {
        Refusal::request(
            50_011,
            format!(
                "The redirect URI '{}' specified in the request does not match the redirect URIs configured for \
                 the application '{}'. Make sure the redirect URI sent in the request matches one added to your \
                 application. Navigate to https://aka.ms/redirectUriMismatchError to learn more about how to \
                 troubleshoot this issue.",
                echo(redirect_uri),
                echo(app_id)
            ),
        )
    }

    /// 50058: `prompt=none`, and nobody is signed in (OpenID Connect Core section 3.1.2.6).
    pub fn login_required() -> Refusal {
        Refusal::new(
            50_058,
            RefusalKind::LoginRequired,
            "Session information is not sufficient for single-sign-on.",
        )
    }

    /// 70016: the user has not yet entered the device's code.
    pub fn authorization_pending() -> Refusal {
        Refusal::new(
            70_016,
            RefusalKind::AuthorizationPending,
            "OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
        )
    }

    /// 70016 for a device that did not wait for its interval (RFC 8628 section 3.5).
    pub fn slow_down() -> Refusal {
        Refusal::new(
            70_016,
            RefusalKind::SlowDown,
            "OAuth 2.0 device flow error. Authorization is pending. Poll less often.",
        )
    }

    /// 70018: a device code that nobody was given.
    pub fn invalid_device_code() -> Refusal {
        Refusal::grant(
            70_018,
            "Invalid verification code due to user typing in wrong user code for device code flow.",
        )
    }

    /// 70019: the user said no.
    pub fn authorization_declined() -> Refusal {
        Refusal::new(
            70_019,
            RefusalKind::AuthorizationDeclined,
            "OAuth 2.0 device flow error. The end user has denied the request.",
        )
    }

    /// 70020: the device code is too old.
    pub fn device_code_expired() -> Refusal {
        Refusal::new(
            70_020,
            RefusalKind::ExpiredToken,
            "OAuth 2.0 device flow error. The provided value for the input parameter 'device_code' is not valid. \
             This device code has expired.",
        )
    }

    /// 50126: user name or password.
    pub fn invalid_user_or_password() -> Refusal {
        Refusal::grant(50_126, "Error validating credentials due to invalid username or password.")
    }

    // The server.

    /// 90055, 429: too many requests of one tenant or client. The caller adds `Retry-After`.
    pub fn throttled() -> Refusal {
        Refusal::new(
            90_055,
            RefusalKind::Throttled,
            "The request was throttled due to exceeding the allowed rate. Please wait and try again.",
        )
    }

    /// 90033, 503: something behind the server is away for a moment.
    pub fn transient() -> Refusal {
        Refusal::new(
            90_033,
            RefusalKind::TemporarilyUnavailable,
            "A transient error has occurred. Please try again.",
        )
    }

    fn client(code: u32, text: impl Into<String>) -> Refusal {
        Refusal::new(code, RefusalKind::InvalidClient, text)
    }

    fn request(code: u32, text: impl Into<String>) -> Refusal {
        Refusal::new(code, RefusalKind::InvalidRequest, text)
    }

    fn grant(code: u32, text: impl Into<String>) -> Refusal {
        Refusal::new(code, RefusalKind::InvalidGrant, text)
    }

    fn scope(code: u32, text: impl Into<String>) -> Refusal {
        Refusal::new(code, RefusalKind::InvalidScope, text)
    }
}

/// `2026-05-02 10:20:30Z`.
fn seconds(time: Timestamp) -> String {
    format!("{}:{:02}Z", time.minute(), time.0.div_euclid(SECOND).rem_euclid(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0d1c0000-0000-4000-8000-000000000000";
    const CORRELATION: &str = "9c4f0000-0000-4000-8000-000000000000";
    /// 2026-05-02T10:20:30.9Z.
    const NOW: Timestamp = Timestamp(1_777_717_230_900_000);

    #[test]
    fn the_body_is_what_clients_read() {
        let refusal = Refusal::missing_parameter("scope");
        assert_eq!(
            refusal.body(TRACE, CORRELATION, NOW),
            json!({
                "error": "invalid_request",
                "error_description": format!(
                    "AADSTS900144: The request body must contain the following parameter: 'scope'. Trace ID: {TRACE} \
                     Correlation ID: {CORRELATION} Timestamp: 2026-05-02 10:20:30Z"
                ),
                "error_codes": [900_144],
                "timestamp": "2026-05-02 10:20:30Z",
                "trace_id": TRACE,
                "correlation_id": CORRELATION,
                "error_uri": "https://login.microsoftonline.com/error?code=900144",
            })
        );
    }

    #[test]
    fn a_policy_hands_out_its_claims() {
        let body = Refusal::blocked_by_policy(&["c98e6c3d-f6ca-42ea-a927-773b6f12a0c2"]).body("", "", NOW);
        assert_eq!(body["suberror"], "message_only");
        assert_eq!(
            body["claims"],
            r#"{"access_token":{"capolids":{"essential":true,"values":["c98e6c3d-f6ca-42ea-a927-773b6f12a0c2"]}}}"#
        );
    }

    #[test]
    fn the_table() {
        for (refusal, code, status, error) in [
            (Refusal::invalid_secret("a"), 7_000_215, 401, "invalid_client"),
            (Refusal::expired_secret("a"), 7_000_222, 401, "invalid_client"),
            (Refusal::missing_credential(), 7_000_216, 401, "invalid_client"),
            (Refusal::credential_required(), 7_000_218, 401, "invalid_client"),
            (Refusal::public_client("a"), 700_025, 401, "invalid_client"),
            (Refusal::several_credentials(), 9_002_324, 400, "invalid_request"),
            (Refusal::unknown_application("a", "t"), 700_016, 400, "unauthorized_client"),
            (Refusal::disabled_application("a", "n"), 7_000_112, 400, "unauthorized_client"),
            (Refusal::disabled_principal("a", "n"), 7_000_112, 400, "unauthorized_client"),
            (Refusal::missing_principal("a", "t"), 7_000_229, 401, "invalid_client"),
            (Refusal::assertion_key(KeyFault::NotFound, "AB", "a"), 700_027, 401, "invalid_client"),
            (Refusal::assertion_time(NOW, None, None), 700_024, 401, "invalid_client"),
            (Refusal::assertion_audience("x"), 700_023, 401, "invalid_client"),
            (Refusal::malformed_assertion("x"), 50_027, 400, "invalid_request"),
            (Refusal::subject_mismatch(), 50_048, 400, "invalid_request"),
            (Refusal::no_federated_credential("i", "s", "a"), 70_021, 400, "invalid_request"),
            (Refusal::federated_issuer("i"), 700_211, 401, "invalid_client"),
            (Refusal::federated_audience("a"), 700_212, 401, "invalid_client"),
            (Refusal::federated_subject("s"), 700_213, 401, "invalid_client"),
            (Refusal::unknown_tenant("t"), 90_002, 400, "invalid_request"),
            (Refusal::unknown_tenant_in_discovery("t"), 90_002, 400, "invalid_tenant"),
            (Refusal::invalid_tenant("t"), 900_023, 400, "invalid_request"),
            (Refusal::no_tenant(), 50_059, 400, "invalid_request"),
            (Refusal::unknown_instance(), 50_049, 400, "invalid_instance"),
            (Refusal::unknown_resource("r", "t"), 500_011, 400, "invalid_resource"),
            (Refusal::scope_without_default("s"), 1_002_012, 400, "invalid_scope"),
            (Refusal::invalid_scope("s"), 70_011, 400, "invalid_scope"),
            (Refusal::several_resources("s"), 28_002, 400, "invalid_scope"),
            (Refusal::unsupported_grant("g"), 70_003, 400, "unsupported_grant_type"),
            (Refusal::method_not_allowed("GET"), 900_561, 400, "invalid_request"),
            (Refusal::application_not_assigned("a", "n", "r", "m"), 501_051, 400, "invalid_grant"),
            (Refusal::user_not_assigned("a", "n", "u"), 50_105, 400, "invalid_grant"),
            (Refusal::blocked_by_policy(&[]), 53_003, 400, "invalid_grant"),
            (Refusal::consent_required("a", "n"), 65_001, 400, "invalid_grant"),
            (Refusal::code_redeemed(), 54_005, 400, "invalid_grant"),
            (Refusal::grant_expired(), 70_008, 400, "invalid_grant"),
            (Refusal::code_verifier_mismatch(), 50_148, 400, "invalid_grant"),
            (Refusal::redirect_mismatch("u", "a"), 50_011, 400, "invalid_request"),
            (Refusal::authorization_pending(), 70_016, 400, "authorization_pending"),
            (Refusal::slow_down(), 70_016, 400, "slow_down"),
            (Refusal::login_required(), 50_058, 400, "login_required"),
            (Refusal::device_code_expired(), 70_020, 400, "expired_token"),
            (Refusal::invalid_user_or_password(), 50_126, 400, "invalid_grant"),
            (Refusal::throttled(), 90_055, 429, "temporarily_unavailable"),
            (Refusal::transient(), 90_033, 503, "temporarily_unavailable"),
        ] {
            assert_eq!((refusal.code, refusal.status(), refusal.error()), (code, status, error));
            assert!(!refusal.text.is_empty() && !refusal.text.starts_with("AADSTS"), "{refusal}");
        }
    }

    #[test]
    fn what_a_client_wrote_is_cut_and_cleaned() {
        let refusal = Refusal::unknown_application(&"x\r\n".repeat(10_000), "t");
        assert!(refusal.text.len() < 1_000 && !refusal.text.contains(char::is_control));
    }
}
