//! Sign-ins of workload identities and of people's clients.

use std::net::IpAddr;

use super::{Category, Credential, CredentialKind, Identity, ResourceRef, event_id};
use crate::json::{Guid, Json};
use crate::networks::place_of;
use crate::rng::mix;

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
