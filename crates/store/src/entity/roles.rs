//! Directory roles: who holds which.

use countersign_odata::edm::{EntityType, Kind, Navigation, Property};

use super::user::DIRECTORY_OBJECT;
use super::{EntitySet, text};

static ASSIGNMENT: EntityType = EntityType {
    name: "unifiedRoleAssignment",
    base: None,
    properties: &[
        Property::new("id", Kind::String),
        Property::new("appScopeId", Kind::String),
        Property::new("condition", Kind::String),
        Property::new("directoryScopeId", Kind::String),
        Property::new("principalId", Kind::String),
        Property::new("roleDefinitionId", Kind::String),
    ],
    navigation: &[
        Navigation::one("principal", &DIRECTORY_OBJECT),
        Navigation::one("roleDefinition", &ROLE_DEFINITION),
    ],
    open: false,
    derived: &[],
};

/// Assignments of directory roles.
pub static ROLE_ASSIGNMENT: EntitySet = EntitySet {
    entity: &ASSIGNMENT,
    table: "role_assignment",
    columns: &[text("principalId", "principal_id"), text("roleDefinitionId", "role_definition_id")],
};

/// `microsoft.graph.unifiedRoleDefinition`: built in, not in a table.
pub static ROLE_DEFINITION: EntityType = EntityType {
    name: "unifiedRoleDefinition",
    base: None,
    properties: &[
        Property::new("id", Kind::String),
        Property::new("description", Kind::String),
        Property::new("displayName", Kind::String),
        Property::new("isBuiltIn", Kind::Boolean),
        Property::new("isEnabled", Kind::Boolean),
        Property::new("resourceScopes", Kind::Collection(&Kind::String)),
        Property::new("rolePermissions", Kind::Any),
        Property::new("templateId", Kind::String),
        Property::new("version", Kind::String),
    ],
    navigation: &[],
    open: false,
    derived: &[],
};

/// `microsoft.graph.directoryRole`: the same roles under their older name.
pub static DIRECTORY_ROLE: EntityType = EntityType {
    name: "directoryRole",
    base: Some(&DIRECTORY_OBJECT),
    properties: &[
        Property::new("description", Kind::String),
        Property::new("displayName", Kind::String),
        Property::new("roleTemplateId", Kind::String),
    ],
    navigation: &[],
    open: false,
    derived: &[],
};

/// `microsoft.graph.directoryRoleTemplate`.
pub static DIRECTORY_ROLE_TEMPLATE: EntityType = EntityType {
    name: "directoryRoleTemplate",
    base: Some(&DIRECTORY_OBJECT),
    properties: &[Property::new("description", Kind::String), Property::new("displayName", Kind::String)],
    navigation: &[],
    open: false,
    derived: &[],
};
