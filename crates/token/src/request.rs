//! The form that clients post to the token endpoints, read into what it asks for.
//!
//! Unknown fields are ignored, since every client library sends some of its own; a known field that comes twice is
//! an error (RFC 6749 section 3.2). An empty value counts as none (same section).

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::refusal::Refusal;
use crate::resource::RESOURCE_BYTES_MAX;

/// Largest body of a token request, in bytes: an assertion with a certificate chain takes about 10 KiB.
pub const BODY_BYTES_MAX: usize = 64 << 10;
/// Most fields of a body and of a query; Node's client sends 15.
pub const FIELDS_MAX: usize = 64;
/// Longest `claims`, in bytes.
pub const CLAIMS_BYTES_MAX: usize = 16 << 10;
/// Longest `scope`, in bytes.
pub const SCOPE_BYTES_MAX: usize = 8 << 10;
/// Longest `client_id`, grant type, SKU or version, in bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// The resource of delegated scopes that name none, such as `User.Read`.
const GRAPH: &str = "https://graph.microsoft.com";
/// RFC 7523 section 2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// RFC 8628 section 3.4.
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Scopes of OIDC: they belong to no resource.
const OPENID_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// Which of the two token endpoints was asked. The resource decides the token's version, not this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/{tenant}/oauth2/token`, with `resource`.
    V1,
    /// `/{tenant}/oauth2/v2.0/token`, with `scope`.
    V2,
}

/// How the client proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// Not at all: a public client.
    None,
    /// `client_secret`, from the body or from HTTP Basic.
    Secret(Zeroizing<String>),
    /// `client_assertion`, a JWT that is not checked yet.
    Assertion(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credential::None => "None",
            Credential::Secret(_) => "Secret(..)",
            // Whoever has it can use it until it expires.
            Credential::Assertion(_) => "Assertion(..)",
        })
    }
}

/// What the client holds that a token is issued for.
#[derive(Clone, PartialEq, Eq)]
pub enum Grant {
    /// `client_credentials`: the client itself.
    ClientCredentials,
    /// `authorization_code`.
    AuthorizationCode {
        /// `code`.
        code: Zeroizing<String>,
        /// `redirect_uri`.
        redirect_uri: Option<String>,
        /// `code_verifier`, for [`crate::pkce::verify_s256`].
        code_verifier: Option<Zeroizing<String>>,
    },
    /// `refresh_token`.
    RefreshToken(Zeroizing<String>),
    /// `urn:ietf:params:oauth:grant-type:device_code`, at the v1.0 endpoint also `device_code`.
    DeviceCode(Zeroizing<String>),
    /// Another grant type, for the caller to refuse by [`Refusal::unsupported_grant`].
    Other(String),
}

impl Grant {
    /// `grant_type` as sent.
    pub fn name(&self) -> &str {
        match self {
            Grant::ClientCredentials => "client_credentials",
            Grant::AuthorizationCode { .. } => "authorization_code",
            Grant::RefreshToken(_) => "refresh_token",
            Grant::DeviceCode(_) => DEVICE_CODE,
            Grant::Other(name) => name,
        }
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Grant::ClientCredentials => f.write_str("ClientCredentials"),
            Grant::AuthorizationCode { redirect_uri, .. } => f
                .debug_struct("AuthorizationCode")
                .field("redirect_uri", redirect_uri)
                .finish_non_exhaustive(),
            Grant::RefreshToken(_) => f.write_str("RefreshToken(..)"),
            Grant::DeviceCode(_) => f.write_str("DeviceCode(..)"),
            Grant::Other(name) => f.debug_tuple("Other").field(name).finish(),
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The resource as asked for: `resource`, or the text before the last `/.default` or before the last `/` of a
    /// delegated scope. Look it up by [`crate::resource::key`].
    pub resource: String,
    /// Names of the scopes without their resource: `.default`, `User.Read`, `openid`. Empty at the v1.0 endpoint.
    pub scopes: Vec<String>,
}

/// The parameter `claims` (OIDC Core section 5.5), as far as it means something to a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClaimsRequest {
    /// `access_token.xms_cc` holds `cp1`, in any case: the client can answer a claims challenge.
    pub wants_cae: bool,
    /// `access_token.nbf`, in seconds since 1970: the client answers a challenge and wants a token issued later.
    pub nbf: Option<i64>,
    /// `access_token.xms_rp_ipaddr`: where the resource that challenged saw the client.
    pub resource_address: Option<IpAddr>,
}

impl ClaimsRequest {
    /// Reads the JSON text. Members that mean nothing here are ignored, whatever they hold.
    pub fn parse(text: &str) -> Result<ClaimsRequest, Refusal> {
        if text.len() > CLAIMS_BYTES_MAX {
            return Err(Refusal::invalid_parameter("claims"));
        }
        let Ok(Value::Object(claims)) = serde_json::from_str(text) else {
            return Err(Refusal::invalid_parameter("claims"));
        };
        let asked = claims.get("access_token").unwrap_or(&Value::Null);
        let capabilities = &asked["xms_cc"];
        let listed = capabilities["values"].as_array().map_or(&[][..], Vec::as_slice);
        let wants_cae = listed
            .iter()
            .chain([&capabilities["value"]])
            .filter_map(Value::as_str)
            .any(|capability| capability.eq_ignore_ascii_case("cp1"));
        let nbf = match &asked["nbf"]["value"] {
            Value::String(seconds) => seconds.trim().parse().ok(),
            seconds => seconds.as_i64(),
        };
        let resource_address =
            asked["xms_rp_ipaddr"]["value"].as_str().and_then(|text| text.trim().parse().ok());
        Ok(ClaimsRequest { wants_cae, nbf, resource_address })
    }
}

/// A token request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// What the token is issued for.
    pub grant: Grant,
    /// `client_id`, a GUID in its usual form or else as sent. `None` only with [`Grant::Other`].
    pub client_id: Option<String>,
    /// What is asked for. `None` where a delegated grant leaves it to the earlier request.
    pub target: Option<Target>,
    /// How the client proves who it is.
    pub credential: Credential,
    /// `claims`.
    pub claims: ClaimsRequest,
    /// `client-request-id` of body or query, if a GUID. The header of that name is the caller's, and comes first.
    pub correlation_id: Option<String>,
    /// `x-client-SKU` and `x-client-VER` of body or query; Python sends headers instead, which are the caller's.
    pub sdk: Option<(String, String)>,
}

impl TokenRequest {
    /// Reads a request: its `Content-Type`, `Authorization`, query without `?`, and body.
    ///
    /// An `Authorization` of another scheme than Basic is ignored.
    pub fn parse(
        endpoint: Endpoint,
        content_type: Option<&str>,
        authorization: Option<&str>,
        query: Option<&str>,
        body: &[u8],
    ) -> Result<TokenRequest, Refusal> {
        if body.len() > BODY_BYTES_MAX || query.is_some_and(|query| query.len() > BODY_BYTES_MAX) {
            return Err(Refusal::invalid_input("the request is too large"));
        }
        // A body of another type has no parameters that could be read, and the first one is missed.
        if content_type.is_some_and(|kind| !is_form(kind)) {
            return Err(Refusal::missing_parameter("grant_type"));
        }
        let mut form = Form::read(body)?;
        form.read_query(query.unwrap_or(""))?;
        let grant_type = form.require("grant_type")?;
        if grant_type.len() > NAME_BYTES_MAX {
            return Err(Refusal::invalid_parameter("grant_type"));
        }
        let (basic_id, credential) = form.credential(authorization)?;
        let client_id = client_id(form.take("client_id"), basic_id)?;
        let grant = form.grant(&grant_type)?;
        if client_id.is_none() && !matches!(grant, Grant::Other(_)) {
            return Err(Refusal::missing_parameter("client_id"));
        }
        let target = match (endpoint, &grant) {
            (_, Grant::Other(_)) => None,
            (Endpoint::V1, _) => form.resource(&grant)?,
            (Endpoint::V2, Grant::ClientCredentials) => Some(default_scope(&form.require("scope")?)?),
            (Endpoint::V2, _) => form.take("scope").map(|scope| delegated_scopes(&scope)).transpose()?,
        };
        let claims =
            form.take("claims").map(|text| ClaimsRequest::parse(&text)).transpose()?.unwrap_or_default();
        let sdk = form.sdk.take().map(|sku| (sku, form.sdk_version.take().unwrap_or_default()));
        Ok(TokenRequest {
            grant,
            client_id,
            target,
            credential,
            claims,
            correlation_id: form.correlation_id,
            sdk,
        })
    }
}

/// Fields that are read. Each may come once.
const FIELDS: [&str; 13] = [
    "grant_type",
    "client_id",
    "scope",
    "resource",
    "client_secret",
    "client_assertion_type",
    "client_assertion",
    "claims",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "device_code",
];

struct Form {
    values: [Option<Zeroizing<String>>; FIELDS.len()],
    correlation_id: Option<String>,
    sdk: Option<String>,
    sdk_version: Option<String>,
}

impl Form {
    fn read(body: &[u8]) -> Result<Form, Refusal> {
        let mut form =
            Form { values: Default::default(), correlation_id: None, sdk: None, sdk_version: None };
        let mut seen = [false; FIELDS.len()];
        for (index, (name, value)) in form_urlencoded::parse(body).enumerate() {
            if index == FIELDS_MAX {
                return Err(Refusal::invalid_input("the request has too many parameters"));
            }
            let Some(field) = FIELDS.iter().position(|field| *field == name) else {
                form.note(&name, &value);
                continue;
            };
            if std::mem::replace(&mut seen[field], true) {
                return Err(Refusal::duplicated_parameter(FIELDS[field]));
            }
            if !value.is_empty() {
                form.values[field] = Some(Zeroizing::new(value.into_owned()));
            }
        }
        Ok(form)
    }

    /// Only what identifies the request and the library is taken from the query: Node sends it there too.
    fn read_query(&mut self, query: &str) -> Result<(), Refusal> {
        for (index, (name, value)) in form_urlencoded::parse(query.as_bytes()).enumerate() {
            if index == FIELDS_MAX {
                return Err(Refusal::invalid_input("the request has too many parameters"));
            }
            self.note(&name, &value);
        }
        Ok(())
    }

    /// Keeps a telemetry field; the first one counts, since Node says the same in body and query.
    fn note(&mut self, name: &str, value: &str) {
        let place = if name.eq_ignore_ascii_case("client-request-id") {
            let id = Uuid::try_parse(value).ok().map(|id| id.hyphenated().to_string());
            self.correlation_id = self.correlation_id.take().or(id);
            return;
        } else if name.eq_ignore_ascii_case("x-client-sku") {
            &mut self.sdk
        } else if name.eq_ignore_ascii_case("x-client-ver") {
            &mut self.sdk_version
        } else {
            return;
        };
        let usable =
            !value.is_empty() && value.len() <= NAME_BYTES_MAX && !value.chars().any(char::is_control);
        if place.is_none() && usable {
            *place = Some(value.to_owned());
        }
    }

    fn secret(&mut self, name: &str) -> Option<Zeroizing<String>> {
        FIELDS.iter().position(|field| *field == name).and_then(|field| self.values[field].take())
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.secret(name).map(|mut value| std::mem::take(&mut *value))
    }

    fn require(&mut self, name: &str) -> Result<String, Refusal> {
        self.take(name).ok_or_else(|| Refusal::missing_parameter(name))
    }

    fn require_secret(&mut self, name: &str) -> Result<Zeroizing<String>, Refusal> {
        self.secret(name).ok_or_else(|| Refusal::missing_parameter(name))
    }

    fn credential(&mut self, authorization: Option<&str>) -> Result<(Option<String>, Credential), Refusal> {
        let (basic_id, basic_secret) = match authorization.and_then(basic_text) {
            Some(encoded) => basic(encoded)?,
            None => (None, None),
        };
        let secret = self.secret("client_secret");
        let assertion = self.take("client_assertion");
        let assertion_type = self.take("client_assertion_type");
        // RFC 6749 section 2.3: one method per request.
        let presented = [basic_secret.is_some(), secret.is_some(), assertion.is_some()];
        if presented.iter().filter(|presented| **presented).count() > 1 {
            return Err(Refusal::several_credentials());
        }
        let credential = match (basic_secret.or(secret), assertion, assertion_type.as_deref()) {
            (Some(secret), _, _) => Credential::Secret(secret),
            (None, Some(assertion), Some(JWT_BEARER)) => Credential::Assertion(assertion),
            (None, Some(_), Some(_)) => return Err(Refusal::invalid_parameter("client_assertion_type")),
            (None, Some(_), None) => return Err(Refusal::missing_parameter("client_assertion_type")),
            (None, None, Some(_)) => return Err(Refusal::missing_parameter("client_assertion")),
            (None, None, None) => Credential::None,
        };
        Ok((basic_id, credential))
    }

    fn grant(&mut self, grant_type: &str) -> Result<Grant, Refusal> {
        Ok(match grant_type {
            "client_credentials" => Grant::ClientCredentials,
            "authorization_code" => Grant::AuthorizationCode {
                code: self.require_secret("code")?,
                redirect_uri: self.take("redirect_uri"),
                code_verifier: self.secret("code_verifier"),
            },
            "refresh_token" => Grant::RefreshToken(self.require_secret("refresh_token")?),
            // Older clients send it as `code`, MSAL for Python as both.
            DEVICE_CODE | "device_code" => match self.secret("device_code").or_else(|| self.secret("code")) {
                Some(code) => Grant::DeviceCode(code),
                None => return Err(Refusal::missing_parameter("device_code")),
            },
            other => Grant::Other(other.to_owned()),
        })
    }

    fn resource(&mut self, grant: &Grant) -> Result<Option<Target>, Refusal> {
        match self.take("resource") {
            Some(resource) if is_resource(&resource) => Ok(Some(Target { resource, scopes: Vec::new() })),
            Some(_) => Err(Refusal::invalid_parameter("resource")),
            None if *grant == Grant::ClientCredentials => Err(Refusal::missing_parameter("resource")),
            None => Ok(None),
        }
    }
}

fn is_form(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or("");
    kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The one resource of a `client_credentials` scope.
fn default_scope(scope: &str) -> Result<Target, Refusal> {
    if scope.len() > SCOPE_BYTES_MAX {
        return Err(Refusal::invalid_scope(scope));
    }
    let mut resource: Option<&str> = None;
    for part in scope.split_whitespace() {
        // Clients in Go append these to every scope; they mean nothing to a client that is its own subject.
        if OPENID_SCOPES.contains(&part) {
            continue;
        }
        let Some(named) = without_default(part) else { return Err(Refusal::scope_without_default(scope)) };
        if !is_resource(named) {
            return Err(Refusal::invalid_scope(scope));
        }
        if resource.is_some_and(|resource| !crate::resource::same(resource, named)) {
            return Err(Refusal::several_resources(scope));
        }
        resource = resource.or(Some(named));
    }
    let resource = resource.ok_or_else(|| match scope.trim() {
        "" => Refusal::invalid_scope(scope),
        _ => Refusal::scope_without_default(scope),
    })?;
    let resource = resource.to_owned();
    Ok(Target { resource, scopes: vec![".default".to_owned()] })
}

/// Everything before the last `/.default`: a second slash in front of it belongs to the resource's name.
fn without_default(scope: &str) -> Option<&str> {
    let (resource, end) = scope.rsplit_once('/')?;
    end.eq_ignore_ascii_case(".default").then_some(resource)
}

/// Scopes of a user: those with a `/` name their resource, and all the same one.
fn delegated_scopes(scope: &str) -> Result<Target, Refusal> {
    if scope.len() > SCOPE_BYTES_MAX {
        return Err(Refusal::invalid_scope(scope));
    }
    let mut resource: Option<&str> = None;
    let mut scopes = Vec::new();
    for part in scope.split_whitespace() {
        if OPENID_SCOPES.contains(&part) {
            scopes.push(part.to_owned());
            continue;
        }
        let (named, name) = part.rsplit_once('/').unwrap_or((GRAPH, part));
        if !is_resource(named) || name.is_empty() {
            return Err(Refusal::invalid_scope(scope));
        }
        if resource.is_some_and(|resource| !crate::resource::same(resource, named)) {
            return Err(Refusal::several_resources(scope));
        }
        resource = resource.or(Some(named));
        scopes.push(name.to_owned());
    }
    if scopes.is_empty() {
        return Err(Refusal::invalid_scope(scope));
    }
    Ok(Target { resource: resource.unwrap_or(GRAPH).to_owned(), scopes })
}

/// Printable ASCII without blanks: what a URI or a GUID is made of, and safe to repeat anywhere.
fn is_resource(name: &str) -> bool {
    let slashes_only = name.trim_matches('/').is_empty();
    !slashes_only && name.len() <= RESOURCE_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The one client id of form and header; a GUID in any form becomes the usual one.
fn client_id(form: Option<String>, basic: Option<String>) -> Result<Option<String>, Refusal> {
    let normal = |id: String| match Uuid::try_parse(&id) {
        Ok(id) => Ok(id.hyphenated().to_string()),
        Err(_) if id.len() > NAME_BYTES_MAX || id.chars().any(char::is_control) => {
            Err(Refusal::invalid_parameter("client_id"))
        }
        Err(_) => Ok(id),
    };
    match (form.map(normal).transpose()?, basic.map(normal).transpose()?) {
        (Some(form), Some(basic)) if form != basic => Err(Refusal::invalid_parameter("client_id")),
        (form, basic) => Ok(form.or(basic)),
    }
}

/// What follows the scheme of HTTP Basic.
fn basic_text(authorization: &str) -> Option<&str> {
    let (scheme, encoded) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("Basic").then(|| encoded.trim())
}

type BasicParts = (Option<String>, Option<Zeroizing<String>>);

fn basic(encoded: &str) -> Result<BasicParts, Refusal> {
    let fault = || Refusal::invalid_input("the Authorization header cannot be read");
    if encoded.len() > BODY_BYTES_MAX {
        return Err(fault());
    }
    let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| fault())?);
    let colon = bytes.iter().position(|byte| *byte == b':').ok_or_else(fault)?;
    let id = form_decode(&bytes[..colon]).ok_or_else(fault)?;
    let secret = form_decode(&bytes[colon + 1..]).ok_or_else(fault)?;
    let given = |text: &Zeroizing<String>| !text.is_empty();
    Ok((Some(id).filter(given).map(|id| id.to_string()), Some(secret).filter(given)))
}

/// RFC 6749 section 2.3.1: id and secret are form-encoded before they become user name and password.
fn form_decode(text: &[u8]) -> Option<Zeroizing<String>> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (b'+', _) => decoded.push(b' '),
            (b'%', [high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
                decoded.push(digit(*high) << 4 | digit(*low));
                rest = tail;
            }
            (byte, _) => decoded.push(*byte),
        }
    }
    String::from_utf8(std::mem::take(&mut *decoded)).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "b1d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f";
    const FORM: Option<&str> = Some("application/x-www-form-urlencoded; charset=utf-8");

    fn v2(body: &str) -> Result<TokenRequest, Refusal> {
        TokenRequest::parse(Endpoint::V2, FORM, None, None, body.as_bytes())
    }

    fn v1(body: &str) -> Result<TokenRequest, Refusal> {
        TokenRequest::parse(Endpoint::V1, FORM, None, None, body.as_bytes())
    }

    fn with(more: &str) -> String {
        format!("grant_type=client_credentials&client_id={APP}&client_secret=s&{more}")
    }

    fn code(outcome: Result<TokenRequest, Refusal>) -> u32 {
        outcome.expect_err("a refusal").code
    }

    fn basic_header(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn scopes_of_client_credentials_name_one_resource() {
        for (scope, resource) in [
            ("https://graph.microsoft.com/.default", "https://graph.microsoft.com"),
            ("https://eventhubs.azure.net//.default", "https://eventhubs.azure.net/"),
            ("00000003-0000-0000-c000-000000000000/.default", "00000003-0000-0000-c000-000000000000"),
            ("api://x/.default/.default", "api://x/.default"),
            ("https://id.example/.Default", "https://id.example"),
            ("+https://a/.default++https://A//.default+", "https://a"),
            // As clients in Go write it.
            ("https://a/.default+openid+offline_access+profile", "https://a"),
        ] {
            let target = v2(&with(&format!("scope={scope}"))).unwrap().target.unwrap();
            assert_eq!(
                (target.resource.as_str(), target.scopes.as_slice()),
                (resource, &[".default".to_owned()][..])
            );
        }
        for (scope, expected) in [
            ("https://graph.microsoft.com/User.Read", 1_002_012),
            ("https://graph.microsoft.com", 1_002_012),
            ("openid", 1_002_012),
            (".default", 1_002_012),
            ("https://a/.default+User.Read", 1_002_012),
            ("https://a/.default+https://b/.default", 28_002),
            ("/.default", 70_011),
            ("//.default", 70_011),
            ("%C3%A4/.default", 70_011),
            ("%00/.default", 70_011),
            ("+", 70_011),
            ("", 900_144),
        ] {
            assert_eq!(code(v2(&with(&format!("scope={scope}")))), expected, "{scope}");
        }
        let long = format!("scope={}/.default", "a".repeat(RESOURCE_BYTES_MAX + 1));
        assert_eq!(code(v2(&with(&long))), 70_011);
    }

    #[test]
    fn the_v1_endpoint_takes_a_resource() {
        let request = v1(&with("resource=https://graph.microsoft.com/&scope=openid")).unwrap();
        assert_eq!(
            request.target,
            Some(Target { resource: "https://graph.microsoft.com/".to_owned(), scopes: Vec::new() })
        );
        assert_eq!(code(v1(&with("scope=https://graph.microsoft.com/.default"))), 900_144);
        assert_eq!(code(v1(&with("resource=/"))), 90_100);
        let code_grant = format!("grant_type=authorization_code&code=c&client_id={APP}");
        assert_eq!(v1(&code_grant).unwrap().target, None);
    }

    #[test]
    fn delegated_scopes_name_one_resource_too() {
        let refresh = |scope: &str| {
            v2(&format!("grant_type=refresh_token&refresh_token=r&client_id={APP}&scope={scope}"))
        };
        for (scope, resource, scopes) in [
            ("openid+User.Read+offline_access", GRAPH, &["openid", "User.Read", "offline_access"][..]),
            ("openid", GRAPH, &["openid"]),
            (
                "https://vault.azure.net/user_impersonation",
                "https://vault.azure.net",
                &["user_impersonation"],
            ),
            ("api://x/a+api://x/b+profile", "api://x", &["a", "b", "profile"]),
            ("https://management.azure.com//.default", "https://management.azure.com/", &[".default"]),
        ] {
            let target = refresh(scope).unwrap().target.unwrap();
            assert_eq!(
                (target.resource.as_str(), target.scopes.as_slice()),
                (resource, &scopes.iter().map(ToString::to_string).collect::<Vec<_>>()[..]),
                "{scope}"
            );
        }
        assert_eq!(code(refresh("api://x/a+api://y/b")), 28_002);
        assert_eq!(code(refresh("api://x/")), 70_011);
        assert_eq!(refresh("").unwrap().target, None);
    }

    #[test]
    fn grants() {
        let id = format!("client_id={APP}");
        for (body, expected) in [
            (String::new(), 900_144),
            ("grant_type=".to_owned(), 900_144),
            ("grant_type=client_credentials&scope=a/.default".to_owned(), 900_144),
            (format!("grant_type=authorization_code&{id}"), 900_144),
            (format!("grant_type=refresh_token&{id}"), 900_144),
            (format!("grant_type=device_code&{id}"), 900_144),
            (format!("grant_type={}&{id}", "g".repeat(300)), 90_100),
        ] {
            assert_eq!(code(v2(&body)), expected, "{body}");
        }
        let device = v2(&format!("grant_type={DEVICE_CODE}&device_code=d&code=e&{id}")).unwrap();
        assert_eq!(device.grant, Grant::DeviceCode("d".to_owned().into()));
        let device = v1(&format!("grant_type=device_code&code=e&{id}")).unwrap();
        assert_eq!(device.grant, Grant::DeviceCode("e".to_owned().into()));
        let other = v2("grant_type=password&username=u&password=p").unwrap();
        assert_eq!((other.grant.name(), other.client_id), ("password", None));
        let code =
            v2(&format!("grant_type=authorization_code&code=c&redirect_uri=u&code_verifier=v&{id}")).unwrap();
        assert_eq!(
            code.grant,
            Grant::AuthorizationCode {
                code: "c".to_owned().into(),
                redirect_uri: Some("u".to_owned()),
                code_verifier: Some("v".to_owned().into()),
            }
        );
    }

    #[test]
    fn one_credential_is_read() {
        let body =
            |more: &str| format!("grant_type=client_credentials&client_id={APP}&scope=a/.default&{more}");
        let jwt = format!("client_assertion_type={JWT_BEARER}");
        for (more, expected) in [
            ("client_secret=a&client_assertion=b", 9_002_324),
            ("client_assertion=b", 900_144),
            ("client_assertion=b&client_assertion_type=saml", 90_100),
            (&jwt, 900_144),
        ] {
            assert_eq!(code(v2(&body(more))), expected, "{more}");
        }
        assert_eq!(v2(&body("")).unwrap().credential, Credential::None);
        assert_eq!(v2(&body("client_secret=")).unwrap().credential, Credential::None);
        let assertion = v2(&body(&format!("{jwt}&client_assertion=a.b.c"))).unwrap();
        assert_eq!(assertion.credential, Credential::Assertion("a.b.c".to_owned()));
        let secret = v2(&body("client_secret=a%2Bb+c~")).unwrap();
        assert_eq!(secret.credential, Credential::Secret("a+b c~".to_owned().into()));
    }

    #[test]
    fn http_basic_is_a_secret_too() {
        let parse = |header: &str, more: &str| {
            let body = format!("grant_type=client_credentials&scope=a/.default{more}");
            TokenRequest::parse(Endpoint::V2, FORM, Some(header), None, body.as_bytes())
        };
        let request = parse(&basic_header(&format!("{}:a%3Ab+c:~", APP.to_uppercase())), "").unwrap();
        assert_eq!(request.client_id.as_deref(), Some(APP));
        assert_eq!(request.credential, Credential::Secret("a:b c:~".to_owned().into()));
        assert_eq!(code(parse(&basic_header("a:s"), "&client_secret=t")), 9_002_324);
        assert_eq!(code(parse(&basic_header("a:s"), "&client_id=b")), 90_100);
        assert!(parse(&basic_header("a:s"), "&client_id=a").is_ok());
        assert_eq!(code(parse("Basic !", "")), 90_013);
        assert_eq!(code(parse(&basic_header("no colon"), "")), 90_013);
        assert_eq!(code(parse("Bearer x", "")), 900_144);
    }

    #[test]
    fn what_cannot_be_read_for_certain_is_refused() {
        assert_eq!(code(v2(&with("scope=a/.default&scope=a/.default"))), 9_000_411);
        assert_eq!(code(v2(&with("scope=&scope=a/.default"))), 9_000_411);
        assert!(v2(&with("scope=a/.default&unknown=1&unknown=2")).is_ok());
        assert_eq!(code(v2(&with(&format!("scope=a/.default{}", "&a=b".repeat(FIELDS_MAX))))), 90_013);
        assert_eq!(code(v2(&"a".repeat(BODY_BYTES_MAX + 1))), 90_013);
        let json = TokenRequest::parse(Endpoint::V2, Some("application/json"), None, None, b"{}");
        assert_eq!(code(json), 900_144);
        assert!(
            TokenRequest::parse(Endpoint::V2, None, None, None, with("scope=a/.default").as_bytes()).is_ok()
        );
        // What a body must hold is not taken from a query, which ends up in logs.
        let query = with("scope=a/.default");
        assert_eq!(code(TokenRequest::parse(Endpoint::V2, FORM, None, Some(&query), b"")), 900_144);
    }

    #[test]
    fn claims_ask_for_continuous_access_evaluation() {
        for (text, wants_cae, nbf) in [
            (r#"{"access_token": {"xms_cc": {"values": ["CP1"]}}}"#, true, None),
            (
                r#"{"access_token":{"xms_cc":{"values":["cp1"]}},"id_token":{"login_hint":7,"signin_state":[]}}"#,
                true,
                None,
            ),
            (
                r#"{"access_token":{"nbf":{"essential":true,"value":"1795410318"},"xms_cc":{"values":["CP1"]}}}"#,
                true,
                Some(1_795_410_318),
            ),
            (r#"{"access_token":{"nbf":{"value":1795410318}}}"#, false, Some(1_795_410_318)),
            (r#"{"access_token":{"xms_cc":{"values":["cp2"]}}}"#, false, None),
            (r#"{"access_token":null,"id_token":null}"#, false, None),
            (r#"{"access_token":{"xms_cc":null,"nbf":{"value":[]}}}"#, false, None),
            ("{}", false, None),
        ] {
            let expected = ClaimsRequest { wants_cae, nbf, resource_address: None };
            assert_eq!(ClaimsRequest::parse(text), Ok(expected), "{text}");
        }
        for (text, expected) in [
            (r#"{"access_token":{"xms_rp_ipaddr":{"value":"203.0.113.10"}}}"#, Some("203.0.113.10")),
            (r#"{"access_token":{"xms_rp_ipaddr":{"value":"2001:db8::1"}}}"#, Some("2001:db8::1")),
            (r#"{"access_token":{"xms_rp_ipaddr":{"value":"here"}}}"#, None),
            (r#"{"access_token":{"xms_rp_ipaddr":"203.0.113.10"}}"#, None),
        ] {
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(ClaimsRequest::parse(text).unwrap().resource_address, expected, "{text}");
        }
        for text in ["", "[]", "1", "{", &"[".repeat(10_000), &" ".repeat(CLAIMS_BYTES_MAX + 1)] {
            assert_eq!(ClaimsRequest::parse(text).unwrap_err().code, 90_100);
        }
    }

    #[test]
    fn node_says_who_it_is_in_body_and_query() {
        let id = "9c4f0000-0000-4000-8000-000000000000";
        let body = with(&format!(
            "scope=a/.default&x-client-SKU=msal.js.node&x-client-VER=5.6.0&x-client-OS=linux&client-request-id={id}"
        ));
        let query = format!("client-request-id={id}&x-client-SKU=other");
        let request = TokenRequest::parse(Endpoint::V2, FORM, None, Some(&query), body.as_bytes()).unwrap();
        assert_eq!(request.correlation_id.as_deref(), Some(id));
        assert_eq!(request.sdk, Some(("msal.js.node".to_owned(), "5.6.0".to_owned())));
        let body = with("scope=a/.default&client-request-id=%0d%0aSet-Cookie:x");
        assert_eq!(v2(&body).unwrap().correlation_id, None);
    }

    #[test]
    fn nothing_secret_is_shown() {
        let shown = |body: String| format!("{:?}", v2(&body).unwrap());
        let id = format!("client_id={APP}");
        for text in [
            shown(format!("grant_type=client_credentials&{id}&scope=a/.default&client_secret=hush")),
            shown(format!(
                "grant_type=client_credentials&{id}&scope=a/.default&client_assertion=hush&client_assertion_type={JWT_BEARER}"
            )),
            shown(format!("grant_type=refresh_token&{id}&refresh_token=hush&client_secret=hush")),
            shown(format!("grant_type=authorization_code&{id}&code=hush&code_verifier=hush&redirect_uri=u")),
            shown(format!("grant_type=device_code&{id}&device_code=hush")),
        ] {
            assert!(!text.contains("hush"), "{text}");
        }
    }
}
