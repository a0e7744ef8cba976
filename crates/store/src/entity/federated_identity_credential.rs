//! `microsoft.graph.federatedIdentityCredential`: a foreign token that stands for a secret.

use countersign_odata::edm::{EntityType, Kind, Property};

use super::{EntitySet, text};

static TYPE: EntityType = EntityType {
    name: "federatedIdentityCredential",
    base: None,
    properties: &[
        Property::new("id", Kind::String),
        Property::new("audiences", Kind::Collection(&Kind::String)),
        Property::new("claimsMatchingExpression", Kind::Any).beta(),
        Property::new("description", Kind::String),
        Property::new("issuer", Kind::String),
        Property::new("name", Kind::String),
        Property::new("subject", Kind::String),
    ],
    navigation: &[],
    open: false,
    derived: &[],
};

/// Federated credentials of applications and service principals; `_objectId` is the object that they belong to.
pub static FEDERATED_IDENTITY_CREDENTIAL: EntitySet = EntitySet {
    entity: &TYPE,
    table: "federated_identity_credential",
    columns: &[
        text("_objectId", "object_id"),
        text("name", "name"),
        text("issuer", "issuer"),
        text("subject", "subject").or_null(),
    ],
};
