//! What Graph says of the tenant itself: computed, not in a table of their own.

use countersign_odata::edm::{EntityType, Kind, Property};

use super::user::DIRECTORY_OBJECT;

/// `microsoft.graph.organization`.
pub static ORGANIZATION: EntityType = EntityType {
    name: "organization",
    base: Some(&DIRECTORY_OBJECT),
    properties: &[
        Property::new("assignedPlans", Kind::Collection(&Kind::Any)),
        Property::new("createdDateTime", Kind::DateTimeOffset),
        Property::new("displayName", Kind::String),
        Property::new("tenantType", Kind::String),
        Property::new("verifiedDomains", Kind::Collection(&Kind::Any)),
    ],
    navigation: &[],
    open: false,
    derived: &[],
};

/// `microsoft.graph.subscribedSku`.
pub static SUBSCRIBED_SKU: EntityType = EntityType {
    name: "subscribedSku",
    base: None,
    properties: &[
        Property::new("id", Kind::String),
        Property::new("accountId", Kind::String),
        Property::new("accountName", Kind::String),
        Property::new("appliesTo", Kind::String),
        Property::new("capabilityStatus", Kind::String),
        Property::new("consumedUnits", Kind::Int32),
        Property::new("prepaidUnits", Kind::Any),
        Property::new("servicePlans", Kind::Collection(&Kind::Any)),
        Property::new("skuId", Kind::Guid),
        Property::new("skuPartNumber", Kind::String),
    ],
    navigation: &[],
    open: false,
    derived: &[],
};
