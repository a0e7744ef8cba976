//! Calls of Microsoft Graph and of the legacy directory API.

use std::net::IpAddr;

use countersign_model::time::SECOND;

use super::{CredentialKind, event_id};
use crate::json::{Guid, Json};
use crate::rng::{mix, mix_all};

/// Which directory API is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Api {
    /// Microsoft Graph; URIs are absolute.
    #[default]
    Graph,
    /// The legacy directory API, whose URIs are paths.
    Legacy,
}

/// Whose token a call carries.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Caller<'a> {
    /// The application's own.
    App { principal: Guid, roles: &'a str },
    /// A person's, given to the application.
    User { id: Guid, scopes: &'a str },
}

/// What a call asks for: a URI in which `{u}`, `{g}` and so on stand for object ids.
///
/// A letter and `object` give the same id in every call of a tenant, whoever calls; `{n}` and `{p}` (a page's
/// token) belong to the call alone, `{t}` is the tenant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uri<'a> {
    pub(crate) template: &'a str,
    pub(crate) object: u32,
}

/// The object of a kind and a number in a tenant.
pub(crate) fn object_id(tenant: Guid, kind: u8, object: u32) -> Guid {
    Guid::from_seed(mix_all(&[tenant.0 as u64, u64::from(kind), u64::from(object)]))
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) api: Api,
    pub(crate) tenant: Guid,
    pub(crate) time: i64,
    pub(crate) id: u64,
    pub(crate) app: Guid,
    pub(crate) caller: Caller<'a>,
    pub(crate) source: (IpAddr, &'a str),
    pub(crate) user_agent: &'a str,
    pub(crate) method: &'a str,
    pub(crate) uri: Uri<'a>,
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    pub(crate) credential: CredentialKind,
    /// `signInActivityId`, and when that sign-in was.
    pub(crate) token: Token<'a>,
    pub(crate) issued: i64,
}

/// Token identifier of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Token<'a> {
    /// That of the sign-in with this `id`.
    Of(u64),
    /// One that a log spells.
    Spelled(&'a str),
}

impl Json<'_> {
    fn uri(&mut self, uri: Uri<'_>, tenant: Guid, id: u64) -> &mut Self {
        self.raw("\"");
        let mut rest = uri.template;
        let mut own = 0;
        while let Some(at) = rest.find('{') {
            let placeholder = rest.as_bytes().get(at + 1..at + 3);
            let Some([letter @ b'a'..=b'z', b'}']) = placeholder else {
                self.escaped(&rest[..=at]);
                rest = &rest[at + 1..];
                continue;
            };
            self.escaped(&rest[..at]);
            match letter {
                b't' => self.bare_guid(tenant),
                b'p' => self.raw("RFNwdAIAAQAAABc6").number(mix(id)).raw("XnB1"),
                b'n' => {
                    own += 1;
                    self.bare_guid(Guid::from_seed(mix_all(&[id, own])))
                }
                kind => self.bare_guid(object_id(tenant, *kind, uri.object)),
            };
            rest = &rest[at + 3..];
        }
        self.escaped(rest).raw("\"")
    }

    fn token_of(&mut self, token: Token<'_>) -> &mut Self {
        match token {
            Token::Of(id) => self.token(id),
            Token::Spelled(text) => self.string(text),
        }
    }
}

/// Writes one call, without a line break.
pub(crate) fn write_call(out: &mut Vec<u8>, event: &Call<'_>) {
    match event.api {
        Api::Graph => write_graph_call(out, event),
        Api::Legacy => write_legacy_call(out, event),
    }
}

fn version_of(uri: Uri<'_>) -> &'static str {
    if uri.template.contains("/beta/") { "beta" } else { "v1.0" }
}

fn duration_us(event: &Call<'_>) -> u64 {
    8_000 + mix(event.id) % 600_000
}

fn write_graph_call(out: &mut Vec<u8>, event: &Call<'_>) {
    let mut json = Json(out);
    let (ip, country) = event.source;
    let region = graph_region(country);
    let request = event_id(event.id);
    let version = version_of(event.uri);
    json.raw(r#"{"time":"#).time(event.time, event.id, "Z");
    json.raw(r#","resourceId":"/TENANTS/"#).raw(&event.tenant.to_string().to_ascii_uppercase());
    json.raw(
        r#"/PROVIDERS/MICROSOFT.AADIAM","operationName":"Microsoft Graph Activity","operationVersion":""#,
    );
    json.raw(version);
    json.raw(r#"","category":"MicrosoftGraphActivityLogs","resultSignature":""#).number(event.status.into());
    json.raw(r#"","durationMs":""#).number(duration_us(event)).raw(r#"","callerIpAddress":"#).address(ip);
    json.raw(r#","correlationId":"#)
        .guid(request)
        .raw(r#","level":"Informational","location":"#)
        .string(region);
    json.raw(r#","properties":{"__UDI_RequiredFields_TenantId":"#).guid(event.tenant);
    json.raw(r#","timeGenerated":"#).time(event.time, event.id, "Z").raw(r#","location":"#).string(region);
    json.raw(r#","requestId":"#).guid(request).raw(r#","operationId":"#).guid(request);
    json.raw(r#","clientRequestId":"#).guid(Guid::from_seed(event.id ^ 0xc11e));
    json.raw(r#","apiVersion":""#).raw(version).raw(r#"","requestMethod":"#).string(event.method);
    json.raw(r#","responseStatusCode":"#)
        .number(event.status.into())
        .raw(r#","tenantId":"#)
        .guid(event.tenant);
    json.raw(r#","durationMs":"#).number(duration_us(event));
    json.raw(r#","responseSizeBytes":"#).number(event.bytes);
    json.raw(r#","signInActivityId":"#).token_of(event.token);
    json.raw(r#","appId":"#).guid(event.app);
    match event.caller {
        Caller::App { principal, roles } => {
            json.raw(r#","roles":"#).string(roles).raw(r#","UserPrincipalObjectID":"#).guid(principal);
            json.raw(r#","scopes":"","wids":"0997a1d0-0d1d-4acb-b408-d5ca73121e90","C_Idtyp":"app""#);
            json.raw(r#","servicePrincipalId":"#).guid(principal);
        }
        Caller::User { id, scopes } => {
            json.raw(r#","roles":"","UserPrincipalObjectID":"#).guid(id).raw(r#","userId":"#).guid(id);
            json.raw(r#","scopes":"#).string(scopes);
            json.raw(r#","wids":"b79fbf4d-3ef9-4689-8143-76b194e85509","C_Idtyp":"user""#);
        }
    }
    json.raw(r#","identityProvider":"https://sts.windows.net/"#).bare_guid(event.tenant);
    json.raw(r#"/","clientAuthMethod":""#).number(auth_method(event));
    json.raw(r#"","isReplay":false,"C_Iat":""#);
    json.number((event.issued.max(0) / SECOND) as u64).raw(r#"","ipAddress":"#).address(ip);
    json.raw(r#","userAgent":"#).string(event.user_agent).raw(r#","requestUri":"#);
    json.uri(event.uri, event.tenant, event.id);
    json.raw(r#","atContentP":"","atContentH":"","policyEvaluated":false,"tokenIssuedAt":"#);
    json.time(event.issued.div_euclid(SECOND) * SECOND, 0, "Z")
        .raw(r#"},"tenantId":"#)
        .guid(event.tenant)
        .raw("}");
}

/// Records of the legacy API have no `time` and no address in the envelope, and their own names for many things.
fn write_legacy_call(out: &mut Vec<u8>, event: &Call<'_>) {
    let mut json = Json(out);
    let (ip, country) = event.source;
    let region = graph_region(country);
    json.raw(r#"{"category":"AzureADGraphActivityLogs","operationName":"AAD Graph Activity","location":"#);
    json.string(region).raw(r#","tenantId":"#).guid(event.tenant);
    json.raw(r#","properties":{"__UDI_RequiredFields_TenantId":"#).guid(event.tenant);
    json.raw(r#","timeGenerated":"#).time(event.time, event.id, "Z").raw(r#","location":"#).string(region);
    json.raw(r#","requestId":"#).guid(event_id(event.id)).raw(r#","apiVersion":"v2","httpMethod":"#);
    json.string(event.method).raw(r#","httpStatusCode":"#).number(event.status.into());
    json.raw(r#","tenantId":"#).guid(event.tenant).raw(r#","durationMs":"#).number(duration_us(event));
    json.raw(r#","responseSizeBytes":"#).number(event.bytes).raw(r#","signInActivityId":"#);
    json.token_of(event.token).raw(r#","appId":"#).guid(event.app);
    match event.caller {
        Caller::App { principal, roles } => {
            json.raw(r#","actorType":"Application","roles":"#).string(roles);
            json.raw(r#","scopes":"","userId":"","servicePrincipalId":"#).guid(principal);
        }
        Caller::User { id, scopes } => {
            json.raw(r#","actorType":"User","roles":"","scopes":"#).string(scopes);
            json.raw(r#","servicePrincipalId":"","userId":"#).guid(id);
        }
    }
    json.raw(r#","wids":"","identityProvider":"https://sts.windows.net/"#).bare_guid(event.tenant);
    json.raw(r#"/","clientAuthMethod":"#).number(auth_method(event));
    json.raw(r#","deviceId":"","sessionId":"","directAccessSource":"Gateway""#);
    json.raw(r#","env_cloud_role":"restdirectoryservice","issuedAt":"#);
    json.time(event.issued.div_euclid(SECOND) * SECOND, 0, "Z");
    json.raw(r#","callerIpAddress":"#).address(ip).raw(r#","userAgent":"#).string(event.user_agent);
    json.raw(r#","requestUri":"#).uri(event.uri, event.tenant, event.id).raw("}}");
}

/// 0 for public clients, 1 for secrets, 2 for certificates and assertions.
fn auth_method(event: &Call<'_>) -> u64 {
    match (event.caller, event.credential) {
        (Caller::User { .. }, _) => 0,
        (_, CredentialKind::Secret) => 1,
        _ => 2,
    }
}

/// Region of the Graph front end that serves a country.
fn graph_region(country: &str) -> &'static str {
    match country {
        "US" | "CA" => "East US",
        "GB" | "IE" => "UK South",
        "FR" | "BE" | "LU" => "France Central",
        "SE" | "FI" => "Sweden Central",
        "SG" | "HK" | "JP" => "Southeast Asia",
        "NL" => "West Europe",
        _ => "Germany West Central",
    }
}
