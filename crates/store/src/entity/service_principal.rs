//! `microsoft.graph.servicePrincipal`: the application in a tenant, the workload identity itself.

use countersign_odata::edm::{EntityType, Kind, Navigation, Property};

use super::credential::{
    APP_ROLES, INFORMATIONAL_URL, KEY_CREDENTIALS, PASSWORD_CREDENTIALS, PERMISSION_SCOPES, STRINGS,
    VERIFIED_PUBLISHER,
};
use super::grants::{APP_ROLE_ASSIGNMENT, OAUTH2_PERMISSION_GRANT};
use super::user::DIRECTORY_OBJECT;
use super::{EntitySet, flag, text};

static TYPE: EntityType = EntityType {
    name: "servicePrincipal",
    base: Some(&DIRECTORY_OBJECT),
    properties: &[
        Property::new("accountEnabled", Kind::Boolean),
        Property::new("addIns", Kind::Collection(&Kind::Any)),
        Property::new("alternativeNames", STRINGS),
        Property::new("appDescription", Kind::String),
        Property::new("appDisplayName", Kind::String),
        Property::new("appId", Kind::String),
        Property::new("applicationTemplateId", Kind::String),
        Property::new("appOwnerOrganizationId", Kind::Guid).advanced(),
        Property::new("appRoleAssignmentRequired", Kind::Boolean).advanced(),
        Property::new("appRoles", APP_ROLES),
        Property::new("createdByAppId", Kind::String),
        Property::new("createdDateTime", Kind::DateTimeOffset),
        Property::new("customSecurityAttributes", Kind::Any).only_selected(),
        Property::new("description", Kind::String).advanced(),
        Property::new("disabledByMicrosoftStatus", Kind::String),
        Property::new("displayName", Kind::String),
        Property::new("homepage", Kind::String),
        Property::new("info", Kind::Complex(&INFORMATIONAL_URL)),
        Property::new("isDisabled", Kind::Boolean),
        Property::new("keyCredentials", KEY_CREDENTIALS),
        Property::new("loginUrl", Kind::String),
        Property::new("logoutUrl", Kind::String),
        Property::new("notes", Kind::String).advanced(),
        Property::new("notificationEmailAddresses", STRINGS),
        Property::new("oauth2PermissionScopes", PERMISSION_SCOPES).v1(),
        Property::new("passwordCredentials", PASSWORD_CREDENTIALS),
        Property::new("preferredSingleSignOnMode", Kind::String),
        Property::new("preferredTokenSigningKeyThumbprint", Kind::String),
        Property::new("publishedPermissionScopes", PERMISSION_SCOPES).beta(),
        Property::new("publisherName", Kind::String).beta(),
        Property::new("replyUrls", STRINGS),
        Property::new("resourceSpecificApplicationPermissions", Kind::Collection(&Kind::Any)),
        Property::new("samlSingleSignOnSettings", Kind::Any),
        Property::new("servicePrincipalNames", STRINGS),
        Property::new("servicePrincipalType", Kind::String),
        Property::new("signInAudience", Kind::String),
        Property::new("tags", STRINGS),
        Property::new("tokenEncryptionKeyId", Kind::Guid),
        Property::new("verifiedPublisher", Kind::Complex(&VERIFIED_PUBLISHER)),
    ],
    navigation: &[
        Navigation::many("appRoleAssignments", APP_ROLE_ASSIGNMENT.entity),
        Navigation::many("appRoleAssignedTo", APP_ROLE_ASSIGNMENT.entity),
        Navigation::many("oauth2PermissionGrants", OAUTH2_PERMISSION_GRANT.entity),
        Navigation::many("owners", &DIRECTORY_OBJECT),
        Navigation::many("ownedObjects", &DIRECTORY_OBJECT),
        Navigation::many("memberOf", &DIRECTORY_OBJECT),
    ],
    open: false,
    derived: &[],
};

/// Service principals of a tenant.
pub static SERVICE_PRINCIPAL: EntitySet = EntitySet {
    entity: &TYPE,
    table: "service_principal",
    columns: &[
        text("appId", "app_id"),
        text("displayName", "display_name"),
        text("servicePrincipalType", "service_principal_type"),
        flag("accountEnabled", "account_enabled"),
        text("appOwnerOrganizationId", "app_owner_organization_id").or_null(),
    ],
};
