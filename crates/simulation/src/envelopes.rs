//! The records as Azure Monitor delivers them: an envelope and `properties`, one line each.

use std::net::IpAddr;

use countersign_model::time::{DAY, HOUR, SECOND, Timestamp};

use crate::json::{Guid, Json, civil};
use crate::networks::place_of;
use crate::rng::mix;

/// Log category of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// Sign-ins of applications.
    ServicePrincipalSignInLogs,
    /// Sign-ins of managed identities.
    ManagedIdentitySignInLogs,
    /// Sign-ins of Microsoft's own applications.
    MicrosoftServicePrincipalSignInLogs,
    /// Changes to the directory.
    AuditLogs,
    /// Calls of Microsoft Graph.
    MicrosoftGraphActivityLogs,
    /// Sign-ins of people by their clients: no workload identities, a reader passes over them.
    NonInteractiveUserSignInLogs,
}

impl Category {
    /// All categories that a simulation writes.
    pub const ALL: [Category; 6] = [
        Category::ServicePrincipalSignInLogs,
        Category::ManagedIdentitySignInLogs,
        Category::MicrosoftServicePrincipalSignInLogs,
        Category::AuditLogs,
        Category::MicrosoftGraphActivityLogs,
        Category::NonInteractiveUserSignInLogs,
    ];

    /// The value of `category` in the envelope.
    pub fn name(self) -> &'static str {
        match self {
            Category::ServicePrincipalSignInLogs => "ServicePrincipalSignInLogs",
            Category::ManagedIdentitySignInLogs => "ManagedIdentitySignInLogs",
            Category::MicrosoftServicePrincipalSignInLogs => "MicrosoftServicePrincipalSignInLogs",
            Category::AuditLogs => "AuditLogs",
            Category::MicrosoftGraphActivityLogs => "MicrosoftGraphActivityLogs",
            Category::NonInteractiveUserSignInLogs => "NonInteractiveUserSignInLogs",
        }
    }
}

/// Path of the blob that a record belongs to, as a diagnostic setting to Azure Storage names it.
pub fn path_of(category: Category, tenant: &str, delivered: Timestamp) -> String {
    let (year, month, day) = civil(delivered.day());
    let hour = delivered.0.rem_euclid(DAY) / HOUR;
    let container = category.name().to_ascii_lowercase();
    format!(
        "insights-logs-{container}/tenantId={tenant}/y={year:04}/m={month:02}/d={day:02}/h={hour:02}/m=00/PT1H.json"
    )
}

/// Path in a simple layout of one file a day and category, for small examples.
pub fn daily_path_of(category: Category, delivered: Timestamp) -> String {
    let (year, month, day) = civil(delivered.day());
    format!("{}/{year:04}-{month:02}-{day:02}.json", category.name())
}

/// Kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    Secret,
    Certificate,
    /// `certificate` and `clientAssertion` are both seen for certificates.
    Assertion,
    Federated,
    ManagedIdentity,
}

/// What a sign-in proved itself with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) kind: CredentialKind,
    /// Key id; of a federated credential, its object id.
    pub(crate) key: Guid,
}

impl Credential {
    /// Upper-case hexadecimal SHA-1 in real records; here 40 digits that belong to the key.
    fn thumbprint(self) -> String {
        format!("{:032X}{:08X}", self.key.0, mix(self.key.0 as u64) as u32)
    }
}

/// An API that tokens are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResourceRef<'a> {
    pub(crate) name: &'a str,
    pub(crate) app: Guid,
}

/// Who signs in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) name: &'a str,
    pub(crate) principal: Guid,
    pub(crate) app: Guid,
    pub(crate) owner_tenant: Guid,
    /// Azure resource of a managed identity; empty for others.
    pub(crate) azure_resource: &'a str,
}

/// One sign-in of a workload identity. All ids of the record belong to `id`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignIn<'a> {
    pub(crate) category: Category,
    pub(crate) tenant: Guid,
    pub(crate) delivered: i64,
    pub(crate) created: i64,
    pub(crate) id: u64,
    pub(crate) identity: Identity<'a>,
    /// Address and country; none for managed identities.
    pub(crate) source: Option<(IpAddr, &'a str)>,
    pub(crate) user_agent: &'a str,
    /// Value of `Azure AD App Authentication Library`.
    pub(crate) library: &'a str,
    pub(crate) resource: ResourceRef<'a>,
    pub(crate) credential: Credential,
    pub(crate) error: u32,
    pub(crate) cae: bool,
}

/// `properties.id` of the record that belongs to `id`.
pub(crate) fn event_id(id: u64) -> Guid {
    Guid::from_seed(id)
}

fn correlation_id(id: u64) -> Guid {
    Guid::from_seed(id ^ 0xc0_44e1)
}

/// Reason text of an error code, as the token service spells it.
fn failure_reason(error: u32) -> &'static str {
    match error {
        70_021 => "No matching federated identity record found for presented assertion.",
        90_033 => "A transient error has occurred. Please try again.",
        700_016 => {
            "Application with identifier '{appIdentifier}' was not found in the directory '{tenantName}'."
        }
        700_027 => "Client assertion contains an invalid signature.",
        7_000_112 => "Application '{appIdentifier}'({appName}) is disabled.",
        7_000_215 => "Invalid client secret is provided.",
        7_000_222 => "The provided client secret keys for app '{identifier}' are expired.",
        _ => "Other.",
    }
}

/// Failures that happen before the client is known to be who it says carry no key id.
fn fails_before_authentication(error: u32) -> bool {
    matches!(error, 70_021 | 700_016 | 700_027 | 7_000_215)
}

/// Writes one sign-in of a workload identity, without a line break.
pub(crate) fn write_sign_in(out: &mut Vec<u8>, event: &SignIn<'_>) {
    let mut json = Json(out);
    let managed = event.category == Category::ManagedIdentitySignInLogs;
    let correlation = correlation_id(event.id);
    let (city, state, latitude, longitude) = place_of(event.source.map_or("", |(_, country)| country));
    let country = event.source.map_or("", |(_, country)| country);

    json.raw(r#"{"time":"#).time(event.delivered, mix(event.delivered as u64), "Z");
    json.raw(r#","resourceId":"/tenants/"#).bare_guid(event.tenant);
    json.raw(r#"/providers/Microsoft.aadiam","operationName":"Sign-in activity","operationVersion":"1.0","category":""#);
    json.raw(event.category.name()).raw(r#"","tenantId":"#).guid(event.tenant);
    json.raw(r#","resultType":""#).number(event.error.into());
    if event.error == 0 {
        json.raw(r#"","resultSignature":"SUCCESS""#);
    } else {
        json.raw(r#"","resultSignature":"FAILURE","resultDescription":"#).string(failure_reason(event.error));
    }
    json.raw(r#","durationMs":0"#);
    if let Some((ip, _)) = event.source {
        json.raw(r#","callerIpAddress":"#).address(ip);
    }
    json.raw(r#","correlationId":"#).guid(correlation).raw(r#","Level":4"#);
    if event.source.is_some() {
        json.raw(r#","location":"#).string(country);
    }

    json.raw(r#","properties":{"id":"#).guid(event_id(event.id));
    json.raw(r#","createdDateTime":"#).time(event.created, event.id, "+00:00");
    json.raw(r#","userId":null,"agent":{"agentType":"notAgentic","parentAppId":""},"appId":"#);
    json.guid(event.identity.app).raw(r#","ipAddress":"#);
    match event.source {
        Some((ip, _)) => json.address(ip),
        None => json.raw(r#""""#),
    };
    json.raw(r#","status":{"errorCode":"#).number(event.error.into());
    if event.error != 0 {
        json.raw(r#","failureReason":"#).string(failure_reason(event.error));
    }
    json.raw("}");
    if !managed {
        json.raw(r#","userAgent":"#).string(event.user_agent);
    }
    json.raw(r#","location":{"city":"#).string(city).raw(r#","state":"#).string(state);
    json.raw(r#","countryOrRegion":"#).string(country).raw(r#","geoCoordinates":{"latitude":"#).raw(latitude);
    json.raw(r#","longitude":"#).raw(longitude).raw(r#"}},"correlationId":"#).guid(correlation);
    json.raw(concat!(
        r#","conditionalAccessStatus":"notApplied","appliedConditionalAccessPolicies":[],"isInteractive":false,"#,
        r#""tokenIssuerType":"AzureAD","authenticationProcessingDetails":["#
    ));
    if !event.library.is_empty() {
        json.raw(r#"{"key":"Azure AD App Authentication Library","value":"#).string(event.library).raw("},");
    }
    json.raw(if event.cae {
        r#"{"key":"Is CAE Token","value":"True"}]"#
    } else {
        r#"{"key":"Is CAE Token","value":"False"}]"#
    });
    json.raw(r#","networkLocationDetails":[],"clientCredentialType":""#);
    json.raw(match event.credential.kind {
        CredentialKind::Secret => "clientSecret",
        CredentialKind::Certificate => "certificate",
        CredentialKind::Assertion => "clientAssertion",
        CredentialKind::Federated => "federatedIdentityCredential",
        CredentialKind::ManagedIdentity => "managedIdentity",
    });
    json.raw(r#"","processingTimeInMilliseconds":"#).number(20 + mix(event.id) % 180);
    // Real service principal records carry `low` without any risk behind it.
    json.raw(concat!(
        r#","riskDetail":"none","riskLevelAggregated":"low","riskLevelDuringSignIn":"low","riskState":"none","#,
        r#""resourceDisplayName":"#
    ));
    json.string(event.resource.name).raw(r#","resourceId":"#).guid(event.resource.app);
    json.raw(r#","servicePrincipalName":"#).string(event.identity.name);
    json.raw(r#","servicePrincipalId":"#).guid(event.identity.principal);
    json.raw(concat!(
        r#","flaggedForReview":false,"isTenantRestricted":false,"#,
        r#""crossTenantAccessType":"none","servicePrincipalCredentialKeyId":"#
    ));
    match event.credential.kind {
        CredentialKind::Federated => json.raw(r#""","federatedCredentialId":"#).guid(event.credential.key),
        _ if fails_before_authentication(event.error) => json.raw(r#""""#),
        CredentialKind::Certificate | CredentialKind::Assertion => {
            json.guid(event.credential.key).raw(r#","servicePrincipalCredentialThumbprint":"#);
            json.string(&event.credential.thumbprint())
        }
        CredentialKind::Secret | CredentialKind::ManagedIdentity => json.guid(event.credential.key),
    };
    json.raw(r#","uniqueTokenIdentifier":"#).token(event.id);
    json.raw(r#","incomingTokenType":"none","authenticationProtocol":"none","appServicePrincipalId":null,"#);
    json.raw(r#""resourceServicePrincipalId":"#)
        .guid(principal_of_resource(event.tenant, event.resource.app));
    json.raw(concat!(
        r#","signInTokenProtectionStatus":"none","originalTransferMethod":"none","#,
        r#""isThroughGlobalSecureAccess":false,"conditionalAccessAudiences":["#
    ));
    json.guid(event.resource.app).raw(r#"],"sessionId":"#).guid(Guid::from_seed(event.id ^ 0x5e55));
    json.raw(r#","appOwnerTenantId":"#).guid(event.identity.owner_tenant);
    json.raw(r#","resourceOwnerTenantId":"f8cdef31-a31e-4b4a-93e4-5f571e91255a""#);
    if managed {
        json.raw(r#","managedServiceIdentity":{"msiType":"#);
        let user_assigned = event.identity.azure_resource.contains("userAssignedIdentities");
        json.raw(if user_assigned { r#""userAssigned""# } else { r#""systemAssigned""# });
        json.raw(r#","associatedResourceId":"#).string(event.identity.azure_resource);
        json.raw(
            r#","federatedTokenId":"","federatedTokenIssuer":""},"signInEventTypes":["managedIdentity"]}}"#,
        );
    } else {
        json.raw(r#","signInEventTypes":["servicePrincipal"]}}"#);
    }
}

/// Object id that an API's service principal has in a tenant.
pub(crate) fn principal_of_resource(tenant: Guid, app: Guid) -> Guid {
    Guid::from_seed(mix(tenant.0 as u64) ^ mix(app.0 as u64) ^ mix((app.0 >> 64) as u64))
}

/// One sign-in of a person's client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UserSignIn<'a> {
    pub(crate) tenant: Guid,
    pub(crate) delivered: i64,
    pub(crate) created: i64,
    pub(crate) id: u64,
    pub(crate) user: Guid,
    pub(crate) user_principal_name: &'a str,
    pub(crate) source: (IpAddr, &'a str),
}

/// Writes one sign-in of a person's client, without a line break.
pub(crate) fn write_user_sign_in(out: &mut Vec<u8>, event: &UserSignIn<'_>) {
    let mut json = Json(out);
    let (ip, country) = event.source;
    let (city, state, latitude, longitude) = place_of(country);
    let correlation = correlation_id(event.id);
    json.raw(r#"{"time":"#).time(event.delivered, mix(event.delivered as u64), "Z");
    json.raw(r#","resourceId":"/tenants/"#).bare_guid(event.tenant);
    json.raw(concat!(
        r#"/providers/Microsoft.aadiam","operationName":"Sign-in activity","operationVersion":"1.0","#,
        r#""category":"NonInteractiveUserSignInLogs","tenantId":"#
    ));
    json.guid(event.tenant)
        .raw(r#","resultType":"0","resultSignature":"None","durationMs":0,"callerIpAddress":"#);
    json.address(ip).raw(r#","correlationId":"#).guid(correlation);
    json.raw(r#","identity":"#)
        .string(event.user_principal_name)
        .raw(r#","Level":4,"location":"#)
        .string(country);
    json.raw(r#","properties":{"id":"#).guid(event_id(event.id));
    json.raw(r#","createdDateTime":"#).time(event.created, event.id, "+00:00");
    json.raw(r#","userDisplayName":"#).string(event.user_principal_name);
    json.raw(r#","userPrincipalName":"#)
        .string(event.user_principal_name)
        .raw(r#","userId":"#)
        .guid(event.user);
    json.raw(
        r#","appId":"1fec8e78-bce4-4aaf-ab1b-5451cc387264","appDisplayName":"Microsoft Teams","ipAddress":"#,
    );
    json.address(ip).raw(concat!(
        r#","status":{"errorCode":0},"clientAppUsed":"Mobile Apps and Desktop clients","#,
        r#""userAgent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "#,
        r#"Teams/24215.1007.3082.1590 Chrome/126.0.0.0 Safari/537.36","deviceDetail":{"deviceId":"","#,
        r#""operatingSystem":"Windows10","browser":"Rich Client 5.6.0.0"},"location":{"city":"#
    ));
    json.string(city).raw(r#","state":"#).string(state).raw(r#","countryOrRegion":"#).string(country);
    json.raw(r#","geoCoordinates":{"latitude":"#).raw(latitude).raw(r#","longitude":"#).raw(longitude);
    json.raw(r#"}},"correlationId":"#).guid(correlation);
    json.raw(concat!(
        r#","conditionalAccessStatus":"success","appliedConditionalAccessPolicies":[],"isInteractive":false,"#,
        r#""tokenIssuerType":"AzureAD","riskDetail":"none","riskLevelAggregated":"none","#,
        r#""riskLevelDuringSignIn":"none","riskState":"none","resourceDisplayName":"Microsoft Graph","#,
        r#""resourceId":"00000003-0000-0000-c000-000000000000","servicePrincipalId":"","userType":"Member","#,
        r#""uniqueTokenIdentifier":"#
    ));
    json.token(event.id)
        .raw(r#","incomingTokenType":"primaryRefreshToken","authenticationProtocol":"none"}}"#);
}

/// Who changed the directory.
#[derive(Clone, Debug)]
pub(crate) enum Actor {
    User { id: Guid, user_principal_name: String, ip: IpAddr },
    App { principal: Guid, name: String },
}

/// One thing that a change was about.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) id: Guid,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) properties: Vec<Property>,
}

/// One changed property; values are JSON texts inside a JSON string, as the log nests them.
#[derive(Clone, Debug)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) old: Option<String>,
    pub(crate) new: Option<String>,
}

/// One change to the directory.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    pub(crate) operation: &'static str,
    pub(crate) operation_type: &'static str,
    pub(crate) actor: Actor,
    pub(crate) targets: Vec<Target>,
    /// Application that the change concerns, for `additionalDetails`.
    pub(crate) app: Guid,
    pub(crate) user_agent: &'static str,
    /// Records of one action share it.
    pub(crate) correlation: u64,
}

/// `properties.id` of the audit record that belongs to `id`.
pub(crate) fn audit_id(correlation: u64, id: u64) -> String {
    let letters: String = (0..5).map(|i| char::from(b'A' + (mix(id ^ i) % 26) as u8)).collect();
    format!("Directory_{}_{letters}_{}", Guid::from_seed(correlation), 10_000_000 + mix(id) % 900_000_000)
}

/// Writes one change to the directory, without a line break.
pub(crate) fn write_audit(out: &mut Vec<u8>, tenant: Guid, time: i64, id: u64, audit: &Audit) {
    let mut json = Json(out);
    let correlation = Guid::from_seed(audit.correlation);
    json.raw(r#"{"time":"#).time(time, id, "Z").raw(r#","resourceId":"/tenants/"#).bare_guid(tenant);
    json.raw(r#"/providers/Microsoft.aadiam","operationName":"#).string(audit.operation);
    json.raw(r#","operationVersion":"1.0","category":"AuditLogs","tenantId":"#).guid(tenant);
    json.raw(r#","resultSignature":"None","durationMs":0"#);
    if let Actor::User { ip, .. } = &audit.actor {
        json.raw(r#","callerIpAddress":"#).address(*ip);
    }
    json.raw(r#","correlationId":"#)
        .guid(correlation)
        .raw(r#","Level":4,"properties":{"tenantId":"#)
        .guid(tenant);
    json.raw(r#","resultType":"","resultDescription":"","operationName":"#).string(audit.operation);
    json.raw(r#","identity":"","tenantGeo":"EU","id":"#).string(&audit_id(audit.correlation, id));
    json.raw(r#","category":"ApplicationManagement","correlationId":"#).guid(correlation);
    json.raw(r#","result":"success","resultReason":"","activityDisplayName":"#).string(audit.operation);
    json.raw(r#","activityDateTime":"#).time(time, id, "+00:00");
    json.raw(r#","loggedByService":"Core Directory","operationType":"#).string(audit.operation_type);
    json.raw(r#","userAgent":null,"initiatedBy":{"#);
    match &audit.actor {
        Actor::User { id, user_principal_name, ip } => {
            json.raw(r#""user":{"id":"#).guid(*id).raw(r#","displayName":null,"userPrincipalName":"#);
            json.string(user_principal_name).raw(r#","ipAddress":"#).address(*ip).raw(r#","roles":[]}"#);
        }
        Actor::App { principal, name } => {
            json.raw(r#""app":{"appId":null,"displayName":"#).string(name);
            json.raw(r#","servicePrincipalId":"#).guid(*principal).raw(r#","servicePrincipalName":null}"#);
        }
    }
    json.raw(r#"},"performedBy":null,"targetResources":["#);
    for (n, target) in audit.targets.iter().enumerate() {
        json.raw(if n > 0 { "," } else { "" }).raw(r#"{"id":"#).guid(target.id);
        json.raw(r#","displayName":"#).string(&target.name).raw(r#","type":"#).string(target.kind);
        json.raw(r#","modifiedProperties":["#);
        for (n, property) in target.properties.iter().enumerate() {
            json.raw(if n > 0 { "," } else { "" }).raw(r#"{"displayName":"#).string(property.name);
            json.raw(r#","oldValue":"#).string_or_null(property.old.as_deref());
            json.raw(r#","newValue":"#).string_or_null(property.new.as_deref()).raw("}");
        }
        json.raw(r#"],"administrativeUnits":[]}"#);
    }
    json.raw(r#"],"additionalDetails":[{"key":"User-Agent","value":"#).string(audit.user_agent);
    json.raw(r#"},{"key":"AppId","value":"#).guid(audit.app).raw("}]}}");
}

/// One call of Microsoft Graph by a workload identity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) tenant: Guid,
    pub(crate) time: i64,
    pub(crate) id: u64,
    pub(crate) identity: Identity<'a>,
    pub(crate) source: (IpAddr, &'a str),
    pub(crate) user_agent: &'a str,
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    pub(crate) roles: &'a str,
    pub(crate) credential: CredentialKind,
    /// `id` of the sign-in that the token came from, and when that was.
    pub(crate) token: u64,
    pub(crate) issued: i64,
}

/// Writes one call of Microsoft Graph, without a line break.
pub(crate) fn write_call(out: &mut Vec<u8>, event: &Call<'_>) {
    let mut json = Json(out);
    let (ip, country) = event.source;
    let region = graph_region(country);
    let request = event_id(event.id);
    let duration_us = 8_000 + mix(event.id) % 600_000;
    json.raw(r#"{"time":"#).time(event.time, event.id, "Z");
    json.raw(r#","resourceId":"/TENANTS/"#).raw(&event.tenant.to_string().to_ascii_uppercase());
    json.raw(r#"/PROVIDERS/MICROSOFT.AADIAM","operationName":"Microsoft Graph Activity","operationVersion":"v1.0","#);
    json.raw(r#""category":"MicrosoftGraphActivityLogs","resultSignature":""#).number(event.status.into());
    json.raw(r#"","durationMs":""#).number(duration_us).raw(r#"","callerIpAddress":"#).address(ip);
    json.raw(r#","correlationId":"#)
        .guid(request)
        .raw(r#","level":"Informational","location":"#)
        .string(region);
    json.raw(r#","properties":{"__UDI_RequiredFields_TenantId":"#).guid(event.tenant);
    json.raw(r#","timeGenerated":"#).time(event.time, event.id, "Z").raw(r#","location":"#).string(region);
    json.raw(r#","requestId":"#).guid(request).raw(r#","operationId":"#).guid(request);
    json.raw(r#","clientRequestId":"#).guid(Guid::from_seed(event.id ^ 0xc11e));
    json.raw(r#","apiVersion":"v1.0","requestMethod":"#).string(event.method);
    json.raw(r#","responseStatusCode":"#)
        .number(event.status.into())
        .raw(r#","tenantId":"#)
        .guid(event.tenant);
    json.raw(r#","durationMs":"#).number(duration_us).raw(r#","responseSizeBytes":"#).number(event.bytes);
    json.raw(r#","signInActivityId":"#).token(event.token).raw(r#","roles":"#).string(event.roles);
    json.raw(r#","appId":"#)
        .guid(event.identity.app)
        .raw(r#","UserPrincipalObjectID":"#)
        .guid(event.identity.principal);
    json.raw(r#","scopes":"","identityProvider":"https://sts.windows.net/"#).bare_guid(event.tenant);
    json.raw(r#"/","clientAuthMethod":"#);
    json.raw(if event.credential == CredentialKind::Secret { r#""1""# } else { r#""2""# });
    json.raw(r#","wids":"0997a1d0-0d1d-4acb-b408-d5ca73121e90","isReplay":false,"C_Idtyp":"app","C_Iat":""#);
    json.number((event.issued.max(0) / SECOND) as u64).raw(r#"","ipAddress":"#).address(ip);
    json.raw(r#","userAgent":"#).string(event.user_agent).raw(r#","requestUri":"#).string(event.uri);
    json.raw(r#","atContentP":"","atContentH":"","policyEvaluated":false,"servicePrincipalId":"#);
    json.guid(event.identity.principal).raw(r#","tokenIssuedAt":"#);
    json.time(event.issued.div_euclid(SECOND) * SECOND, 0, "Z")
        .raw(r#"},"tenantId":"#)
        .guid(event.tenant)
        .raw("}");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::DEFAULT_START;

    #[test]
    fn blobs_are_named_as_azure_storage_does() {
        let time = DEFAULT_START.plus(5 * HOUR + 59 * 60 * SECOND);
        assert_eq!(
            path_of(Category::AuditLogs, "7c1f7a2e-0d0c-4c55-9a52-6f7f0f2f1a10", time),
            "insights-logs-auditlogs/tenantId=7c1f7a2e-0d0c-4c55-9a52-6f7f0f2f1a10/y=2026/m=03/d=02/h=05/m=00/PT1H.json"
        );
        assert_eq!(daily_path_of(Category::AuditLogs, time), "AuditLogs/2026-03-02.json");
    }
}
