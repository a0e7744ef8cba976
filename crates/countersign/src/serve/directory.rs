//! Objects of the directory as Entra makes them: what an application, a service principal, a credential or an assignment
//! looks like when nobody said otherwise.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_model::time::{DAY, Timestamp};
use countersign_store::Tenant;
use serde_json::{Map, Value as Json, json};

use super::graph::access::PERMISSIONS;
use super::ids;

/// Microsoft Graph's application id: our API answers to it.
pub(crate) const GRAPH_APP_ID: &str = "00000003-0000-0000-c000-000000000000";
/// The tenant that owns Microsoft's services.
pub(crate) const MICROSOFT_TENANT_ID: &str = "f8cdef31-a31e-4b4a-93e4-5f571e91255a";
/// The role that stands for "no role in particular".
pub(crate) const DEFAULT_APP_ROLE_ID: &str = "00000000-0000-0000-0000-000000000000";
/// Lifetime of a client secret that nobody gave an end.
const SECRET_DAYS: i64 = 730;
/// Letters of a client secret.
const SECRET_LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_~";
/// Letters behind the mark of a client secret: more than 200 bits.
const SECRET_LENGTH: usize = 34;

/// A JSON object out of `json!`.
pub(crate) fn object(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}

/// An application with what the caller gave over what Entra would fill in.
pub(crate) fn application(
    tenant: &Tenant,
    given: Map<String, Json>,
    now: Timestamp,
) -> Result<Map<String, Json>> {
    let mut body = object(json!({
        "id": ids::guid()?,
        "deletedDateTime": null,
        "addIns": [],
        "api": {
            "acceptMappedClaims": null,
            "knownClientApplications": [],
            "oauth2PermissionScopes": [],
            "preAuthorizedApplications": [],
            "requestedAccessTokenVersion": null,
        },
        "appId": ids::guid()?,
        "appRoles": [],
        "applicationTemplateId": null,
        "certification": null,
        "createdByAppId": null,
        "createdDateTime": now.to_string(),
        "defaultRedirectUri": null,
        "description": null,
        "disabledByMicrosoftStatus": null,
        "displayName": null,
        "groupMembershipClaims": null,
        "identifierUris": [],
        "info": {
            "logoUrl": null,
            "marketingUrl": null,
            "privacyStatementUrl": null,
            "supportUrl": null,
            "termsOfServiceUrl": null,
        },
        "isDeviceOnlyAuthSupported": null,
        "isDisabled": null,
        "isFallbackPublicClient": null,
        "keyCredentials": [],
        "notes": null,
        "optionalClaims": null,
        "parentalControlSettings": { "countriesBlockedForMinors": [], "legalAgeGroupRule": "Allow" },
        "passwordCredentials": [],
        "publicClient": { "redirectUris": [] },
        "publisherDomain": tenant.domain,
        "requestSignatureVerification": null,
        "requiredResourceAccess": [],
        "samlMetadataUrl": null,
        "serviceManagementReference": null,
        "servicePrincipalLockConfiguration": null,
        "signInAudience": "AzureADandPersonalMicrosoftAccount",
        "spa": { "redirectUris": [] },
        "tags": [],
        "tokenEncryptionKeyId": null,
        "uniqueName": null,
        "verifiedPublisher": { "addedDateTime": null, "displayName": null, "verifiedPublisherId": null },
        "web": {
            "homePageUrl": null,
            "implicitGrantSettings": { "enableAccessTokenIssuance": false, "enableIdTokenIssuance": false },
            "logoutUrl": null,
            "redirectUris": [],
        },
    }));
    merge(&mut body, given);
    Ok(body)
}

/// The service principal of an application in a tenant, which may be another than the application's home.
pub(crate) fn service_principal(
    application: &Map<String, Json>,
    home_tenant_id: &str,
    given: Map<String, Json>,
    now: Timestamp,
) -> Result<Map<String, Json>> {
    let of = |name: &str| application.get(name).cloned().unwrap_or(Json::Null);
    let mut body = object(json!({
        "id": ids::guid()?,
        "deletedDateTime": null,
        "accountEnabled": true,
        "addIns": [],
        "alternativeNames": [],
        "appOwnerOrganizationId": home_tenant_id,
        "appRoleAssignmentRequired": false,
        "applicationTemplateId": null,
        "createdDateTime": now.to_string(),
        "description": null,
        "homepage": null,
        "isDisabled": null,
        "keyCredentials": [],
        "loginUrl": null,
        "notes": null,
        "notificationEmailAddresses": [],
        "passwordCredentials": [],
        "preferredSingleSignOnMode": null,
        "preferredTokenSigningKeyThumbprint": null,
        "resourceSpecificApplicationPermissions": [],
        "samlSingleSignOnSettings": null,
        "servicePrincipalType": "Application",
        "tags": [],
        "tokenEncryptionKeyId": null,
        "createdByAppId": of("createdByAppId"),
        "displayName": of("displayName"),
    }));
    follow_application(&mut body, application);
    merge(&mut body, given);
    Ok(body)
}

/// Copies what a service principal takes from its application, now and whenever the application changes.
pub(crate) fn follow_application(principal: &mut Map<String, Json>, application: &Map<String, Json>) {
    let of = |name: &str| application.get(name).cloned().unwrap_or(Json::Null);
    let api = application.get("api");
    let in_api = |name: &str| api.and_then(|api| api.get(name)).cloned().unwrap_or(Json::Null);
    let scopes = match in_api("oauth2PermissionScopes") {
        Json::Null => json!([]),
        scopes => scopes,
    };
    let mut names = vec![of("appId")];
    names.extend(application.get("identifierUris").and_then(Json::as_array).into_iter().flatten().cloned());
    let mut reply_urls = Vec::new();
    for platform in ["web", "spa", "publicClient"] {
        let urls = application.get(platform).and_then(|platform| platform.get("redirectUris"));
        reply_urls.extend(urls.and_then(Json::as_array).into_iter().flatten().cloned());
    }
    for (name, value) in [
        ("appId", of("appId")),
        ("appDisplayName", of("displayName")),
        ("appDescription", of("description")),
        ("appRoles", of("appRoles")),
        ("disabledByMicrosoftStatus", of("disabledByMicrosoftStatus")),
        ("info", of("info")),
        ("isDisabled", of("isDisabled")),
        ("oauth2PermissionScopes", scopes.clone()),
        ("publishedPermissionScopes", scopes),
        ("replyUrls", Json::Array(reply_urls)),
        ("servicePrincipalNames", Json::Array(names)),
        ("signInAudience", of("signInAudience")),
        ("verifiedPublisher", of("verifiedPublisher")),
        ("_accessTokenVersion", in_api("requestedAccessTokenVersion")),
    ] {
        principal.insert(name.to_owned(), value);
    }
}

/// Puts `given` over `body`; objects member by member, everything else as a whole.
pub(crate) fn merge(body: &mut Map<String, Json>, given: Map<String, Json>) {
    for (name, value) in given {
        match (body.get_mut(&name), value) {
            (Some(Json::Object(own)), Json::Object(given)) => merge(own, given),
            (_, value) => {
                body.insert(name, value);
            }
        }
    }
}

/// A client secret: what its owner is shown once, and the credential that is kept.
pub(crate) struct NewSecret {
    pub(crate) text: String,
    pub(crate) credential: Map<String, Json>,
}

/// A fresh client secret in Entra's form: three letters, a digit, `Q~`, and 34 letters.
pub(crate) fn secret(
    display_name: Option<&str>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    now: Timestamp,
) -> Result<NewSecret> {
    let letters: Vec<char> = ids::random::<{ 3 + SECRET_LENGTH }>()?
        .iter()
        // 64 letters: six bits of each byte, without bias.
        .map(|byte| char::from(SECRET_LETTERS[usize::from(byte & 63)]))
        .collect();
    let text: String = letters[..3].iter().chain(&['8', 'Q', '~']).chain(&letters[3..]).collect();
    let start = start.unwrap_or(now);
    let end = end.unwrap_or(start.plus(SECRET_DAYS * DAY));
    let credential = object(json!({
        "customKeyIdentifier": null,
        "displayName": display_name,
        "endDateTime": end.to_string(),
        "hint": text[..3],
        "keyId": ids::guid()?,
        "secretText": null,
        "startDateTime": start.to_string(),
    }));
    Ok(NewSecret { text, credential })
}

/// Microsoft Graph in a tenant: the resource whose permissions this server's API goes by.
pub(crate) fn graph_service_principal(now: Timestamp) -> Result<Map<String, Json>> {
    let roles: Vec<Json> = PERMISSIONS
        .iter()
        .filter(|permission| !permission.role_id.is_empty())
        .map(|permission| {
            json!({
                "allowedMemberTypes": ["Application"],
                "description": permission.name,
                "displayName": permission.name,
                "id": permission.role_id,
                "isEnabled": true,
                "origin": "Application",
                "value": permission.name,
            })
        })
        .collect();
    let scopes: Vec<Json> = PERMISSIONS
        .iter()
        .filter(|permission| !permission.scope_id.is_empty())
        .map(|permission| {
            json!({
                "adminConsentDescription": permission.name,
                "adminConsentDisplayName": permission.name,
                "id": permission.scope_id,
                "isEnabled": true,
                "type": "Admin",
                "userConsentDescription": null,
                "userConsentDisplayName": null,
                "value": permission.name,
            })
        })
        .collect();
    let application = object(json!({
        "appId": GRAPH_APP_ID,
        "displayName": "Microsoft Graph",
        "appRoles": roles,
        "api": { "oauth2PermissionScopes": scopes, "requestedAccessTokenVersion": 1 },
        "identifierUris": ["https://graph.microsoft.com"],
        "signInAudience": "AzureADMultipleOrgs",
    }));
    service_principal(&application, MICROSOFT_TENANT_ID, Map::new(), now)
}

/// Application id of Microsoft's command-line tools for Graph, under which people's scripts sign in.
pub(crate) const COMMAND_LINE_APP_ID: &str = "14d82eec-204b-4c2f-b7e8-296a70dab67e";

/// The client of people's scripts: public, with addresses of their own machine alone.
pub(crate) fn command_line_tools(now: Timestamp) -> Result<Map<String, Json>> {
    let application = object(json!({
        "appId": COMMAND_LINE_APP_ID,
        "displayName": "Microsoft Graph Command Line Tools",
        "appRoles": [],
        "identifierUris": [],
        "publicClient": { "redirectUris": ["http://localhost", "http://127.0.0.1"] },
        "signInAudience": "AzureADMultipleOrgs",
    }));
    let given = object(json!({ "_isPublicClient": true }));
    service_principal(&application, MICROSOFT_TENANT_ID, given, now)
}

/// A managed identity: no application, no credential that anybody could see.
pub(crate) fn managed_identity(name: &str, now: Timestamp) -> Result<Map<String, Json>> {
    let app_id = ids::guid()?;
    let application =
        object(json!({ "appId": app_id, "displayName": name, "appRoles": [], "identifierUris": [] }));
    let given = object(json!({
        "alternativeNames": ["isExplicit=True", format!("/countersign/userAssignedIdentities/{name}")],
        "appOwnerOrganizationId": null,
        "servicePrincipalType": "ManagedIdentity",
        "signInAudience": "AzureADMyOrg",
        "tags": [],
    }));
    service_principal(&application, "", given, now)
}

/// Every delegated permission, for everybody: what a person may do is what their roles allow of it.
pub(crate) fn grant_of_all_scopes(client_id: &str, resource_id: &str) -> Result<Map<String, Json>> {
    let scopes: Vec<&str> = PERMISSIONS
        .iter()
        .filter(|permission| !permission.scope_id.is_empty())
        .map(|permission| permission.name)
        .collect();
    Ok(object(json!({
        "id": URL_SAFE_NO_PAD.encode(ids::random::<32>()?),
        "clientId": client_id,
        "consentType": "AllPrincipals",
        "principalId": null,
        "resourceId": resource_id,
        "scope": scopes.join(" "),
    })))
}

/// An application role granted to a principal.
pub(crate) fn app_role_assignment(
    principal: &Map<String, Json>,
    principal_type: &str,
    resource: &Map<String, Json>,
    app_role_id: &str,
    now: Timestamp,
) -> Result<Map<String, Json>> {
    Ok(object(json!({
        "id": URL_SAFE_NO_PAD.encode(ids::random::<32>()?),
        "deletedDateTime": null,
        "appRoleId": app_role_id,
        "createdDateTime": now.to_string(),
        "principalDisplayName": principal.get("displayName"),
        "principalId": principal.get("id"),
        "principalType": principal_type,
        "resourceDisplayName": resource.get("displayName"),
        "resourceId": resource.get("id"),
    })))
}

/// A directory role given to a principal.
pub(crate) fn role_assignment(principal_id: &str, role_definition_id: &str) -> Result<Map<String, Json>> {
    Ok(object(json!({
        "id": URL_SAFE_NO_PAD.encode(ids::random::<32>()?),
        "principalId": principal_id,
        "roleDefinitionId": role_definition_id,
        "directoryScopeId": "/",
        "appScopeId": null,
        "condition": null,
    })))
}

/// A person.
pub(crate) fn user(
    user_principal_name: &str,
    display_name: &str,
    now: Timestamp,
) -> Result<Map<String, Json>> {
    Ok(object(json!({
        "id": ids::guid()?,
        "deletedDateTime": null,
        "accountEnabled": true,
        "createdDateTime": now.to_string(),
        "displayName": display_name,
        "mail": null,
        "signInSessionsValidFromDateTime": now.to_string(),
        "userPrincipalName": user_principal_name,
        "userType": "Member",
    })))
}

/// Ends all that a person's sign-ins until now began.
pub(crate) fn revoke_sign_ins(user: &mut Map<String, Json>, now: Timestamp) {
    user.insert("signInSessionsValidFromDateTime".into(), now.to_string().into());
}
