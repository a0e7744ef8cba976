//! People who sign in to Countersign, and the base of all that can own or be granted something.

use countersign_odata::edm::{EntityType, Kind, Property};

use super::{EntitySet, flag, text};

/// `microsoft.graph.directoryObject`.
pub(super) static DIRECTORY_OBJECT: EntityType = EntityType {
    name: "directoryObject",
    base: None,
    properties: &[Property::new("id", Kind::String), Property::new("deletedDateTime", Kind::DateTimeOffset)],
    navigation: &[],
    open: false,
    derived: &[],
};

static TYPE: EntityType = EntityType {
    name: "user",
    base: Some(&DIRECTORY_OBJECT),
    properties: &[
        Property::new("accountEnabled", Kind::Boolean),
        Property::new("createdDateTime", Kind::DateTimeOffset),
        Property::new("displayName", Kind::String),
        Property::new("mail", Kind::String),
        Property::new("signInSessionsValidFromDateTime", Kind::DateTimeOffset),
        Property::new("userPrincipalName", Kind::String),
        Property::new("userType", Kind::String),
    ],
    navigation: &[],
    open: false,
    derived: &[],
};

/// Users of a tenant.
pub static USER: EntitySet = EntitySet {
    entity: &TYPE,
    table: "directory_user",
    columns: &[
        text("userPrincipalName", "user_principal_name"),
        text("displayName", "display_name"),
        flag("accountEnabled", "account_enabled"),
    ],
};
