//! What a service principal was granted: application permissions and delegated ones.

use countersign_odata::edm::{EntityType, Kind, Property};

use super::user::DIRECTORY_OBJECT;
use super::{EntitySet, text};

static ASSIGNMENT: EntityType = EntityType {
    name: "appRoleAssignment",
    base: Some(&DIRECTORY_OBJECT),
    properties: &[
        Property::new("appRoleId", Kind::Guid),
        Property::new("createdDateTime", Kind::DateTimeOffset),
        Property::new("principalDisplayName", Kind::String),
        Property::new("principalId", Kind::Guid),
        Property::new("principalType", Kind::String),
        Property::new("resourceDisplayName", Kind::String),
        Property::new("resourceId", Kind::Guid),
    ],
    navigation: &[],
    open: false,
    derived: &[],
};

/// Application permissions: `appRoleAssignments` of a client, `appRoleAssignedTo` of a resource.
pub static APP_ROLE_ASSIGNMENT: EntitySet = EntitySet {
    entity: &ASSIGNMENT,
    table: "app_role_assignment",
    columns: &[
        text("principalId", "principal_id"),
        text("resourceId", "resource_id"),
        text("appRoleId", "app_role_id"),
        text("principalDisplayName", "principal_display_name").or_null(),
    ],
};

static GRANT: EntityType = EntityType {
    name: "oAuth2PermissionGrant",
    base: None,
    properties: &[
        Property::new("id", Kind::String),
        Property::new("clientId", Kind::String),
        Property::new("consentType", Kind::String),
        Property::new("principalId", Kind::String),
        Property::new("resourceId", Kind::String),
        Property::new("scope", Kind::String),
    ],
    navigation: &[],
    open: false,
    derived: &[],
};

/// Delegated permissions.
pub static OAUTH2_PERMISSION_GRANT: EntitySet = EntitySet {
    entity: &GRANT,
    table: "oauth2_permission_grant",
    columns: &[
        text("clientId", "client_id"),
        text("resourceId", "resource_id"),
        text("principalId", "principal_id").or_null(),
        text("consentType", "consent_type"),
    ],
};
