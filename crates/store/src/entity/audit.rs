//! `microsoft.graph.directoryAudit`: one record for each change.

use countersign_odata::edm::{ComplexType, EntityType, Kind, Property};

use super::enumerations::OPERATION_RESULT;
use super::{EntitySet, text, time};

static APP_IDENTITY: ComplexType = ComplexType {
    name: "appIdentity",
    properties: &[
        Property::new("appId", Kind::String),
        Property::new("displayName", Kind::String),
        Property::new("servicePrincipalId", Kind::String),
        Property::new("servicePrincipalName", Kind::String),
    ],
    open: false,
};
static USER_IDENTITY: ComplexType = ComplexType {
    name: "auditUserIdentity",
    properties: &[
        Property::new("displayName", Kind::String),
        Property::new("homeTenantId", Kind::String),
        Property::new("homeTenantName", Kind::String),
        Property::new("id", Kind::String),
        Property::new("ipAddress", Kind::String),
        Property::new("userPrincipalName", Kind::String),
        Property::new("userType", Kind::String),
    ],
    open: false,
};
static INITIATOR: ComplexType = ComplexType {
    name: "auditActivityInitiator",
    properties: &[
        Property::new("app", Kind::Complex(&APP_IDENTITY)),
        Property::new("user", Kind::Complex(&USER_IDENTITY)),
    ],
    open: false,
};
static MODIFIED_PROPERTY: ComplexType = ComplexType {
    name: "modifiedProperty",
    properties: &[
        Property::new("displayName", Kind::String),
        Property::new("newValue", Kind::String),
        Property::new("oldValue", Kind::String),
    ],
    open: false,
};
static TARGET_RESOURCE: ComplexType = ComplexType {
    name: "targetResource",
    properties: &[
        Property::new("displayName", Kind::String),
        Property::new("groupType", Kind::String),
        Property::new("id", Kind::String),
        Property::new("modifiedProperties", Kind::Collection(&Kind::Complex(&MODIFIED_PROPERTY))),
        Property::new("type", Kind::String),
        Property::new("userPrincipalName", Kind::String),
    ],
    open: false,
};
/// `keyValue`, shared with sign-ins.
pub(super) static KEY_VALUE: ComplexType = ComplexType {
    name: "keyValue",
    properties: &[Property::new("key", Kind::String), Property::new("value", Kind::String)],
    open: false,
};

static TYPE: EntityType = EntityType {
    name: "directoryAudit",
    base: None,
    properties: &[
        Property::new("id", Kind::String),
        Property::new("activityDateTime", Kind::DateTimeOffset),
        Property::new("activityDisplayName", Kind::String),
        Property::new("additionalDetails", Kind::Collection(&Kind::Complex(&KEY_VALUE))),
        Property::new("category", Kind::String),
        Property::new("correlationId", Kind::String),
        Property::new("initiatedBy", Kind::Complex(&INITIATOR)),
        Property::new("loggedByService", Kind::String),
        Property::new("operationType", Kind::String),
        Property::new("result", Kind::Enum(&OPERATION_RESULT)),
        Property::new("resultReason", Kind::String),
        Property::new("targetResources", Kind::Collection(&Kind::Complex(&TARGET_RESOURCE))),
        Property::new("userAgent", Kind::String).beta(),
    ],
    navigation: &[],
    open: false,
    derived: &[],
};

/// The directory audit log.
pub static DIRECTORY_AUDIT: EntitySet = EntitySet {
    entity: &TYPE,
    table: "directory_audit",
    columns: &[
        time("activityDateTime", "activity_us"),
        text("activityDisplayName", "activity_display_name"),
        text("category", "category"),
        text("loggedByService", "logged_by_service"),
        text("correlationId", "correlation_id").or_null(),
    ],
};
