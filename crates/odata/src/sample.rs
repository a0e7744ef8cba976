//! Cut-down entity types for the tests.

use crate::edm::{ComplexType, EntityType, EnumType, Kind, Navigation, Property};

pub(crate) static RISK_LEVEL: EnumType = EnumType {
    name: "riskLevel",
    members: &["low", "medium", "high", "hidden", "none", "unknownFutureValue"],
    sentinel: Some("unknownFutureValue"),
};

pub(crate) static RISK_DETAIL: EnumType = EnumType {
    name: "riskDetail",
    members: &["none", "unknownFutureValue", "adminConfirmedServicePrincipalCompromised"],
    sentinel: Some("unknownFutureValue"),
};

static STATUS: ComplexType = ComplexType {
    name: "signInStatus",
    properties: &[Property::new("errorCode", Kind::Int32), Property::new("failureReason", Kind::String)],
    open: false,
};

static USER: ComplexType =
    ComplexType { name: "userIdentity", properties: &[Property::new("id", Kind::String)], open: false };

static INITIATOR: ComplexType = ComplexType {
    name: "auditActivityInitiator",
    properties: &[Property::new("user", Kind::Complex(&USER))],
    open: false,
};

static MODIFIED: ComplexType = ComplexType {
    name: "modifiedProperty",
    properties: &[Property::new("displayName", Kind::String), Property::new("newValue", Kind::String)],
    open: false,
};

static TARGET: ComplexType = ComplexType {
    name: "targetResource",
    properties: &[
        Property::new("id", Kind::String),
        Property::new("modifiedProperties", Kind::Collection(&Kind::Complex(&MODIFIED))),
    ],
    open: false,
};

static ATTRIBUTES: ComplexType =
    ComplexType { name: "customSecurityAttributeValue", properties: &[], open: true };

static ENTITY: EntityType = EntityType {
    name: "entity",
    base: None,
    properties: &[Property::new("id", Kind::String).required()],
    navigation: &[],
    open: false,
    derived: &[],
};

pub(crate) static SIGN_IN: EntityType = EntityType {
    name: "signIn",
    base: Some(&ENTITY),
    properties: &[
        Property::new("appDisplayName", Kind::String),
        Property::new("createdDateTime", Kind::DateTimeOffset),
        Property::new("isInteractive", Kind::Boolean),
        Property::new("riskLevel", Kind::Enum(&RISK_LEVEL)),
        Property::new("initiatedBy", Kind::Complex(&INITIATOR)),
        Property::new("status", Kind::Complex(&STATUS)),
        Property::new("targetResources", Kind::Collection(&Kind::Complex(&TARGET))),
        Property::new("riskScore", Kind::Double),
        Property::new("bytesSent", Kind::Int64).beta(),
        Property::new("sessionLifetime", Kind::Duration),
        Property::new("signInEventTypes", Kind::Collection(&Kind::String)).beta(),
        Property::new("legacyName", Kind::String).v1(),
    ],
    navigation: &[],
    open: false,
    derived: &[],
};

pub(crate) static SERVICE_PRINCIPAL: EntityType = EntityType {
    name: "servicePrincipal",
    base: Some(&ENTITY),
    properties: &[
        Property::new("appId", Kind::String),
        Property::new("appOwnerOrganizationId", Kind::Guid).advanced(),
        Property::new("accountEnabled", Kind::Boolean),
        Property::new("displayName", Kind::String).null_advanced().orderable(),
        Property::new("createdDateTime", Kind::DateTimeOffset),
        Property::new("tags", Kind::Collection(&Kind::String)).required(),
        Property::new("thumbprint", Kind::Binary),
        Property::new("notes", Kind::String).not_filterable(),
        Property::new("customSecurityAttributes", Kind::Complex(&ATTRIBUTES)).only_selected(),
    ],
    navigation: &[
        Navigation::many("owners", &SERVICE_PRINCIPAL),
        Navigation::many("federatedIdentityCredentials", &FEDERATED).contained(),
        Navigation::many("agents", &FEDERATED).beta(),
    ],
    open: false,
    derived: &[],
};

pub(crate) static FEDERATED: EntityType = EntityType {
    name: "federatedIdentityCredential",
    base: Some(&ENTITY),
    properties: &[Property::new("name", Kind::String).required(), Property::new("subject", Kind::String)],
    navigation: &[],
    open: false,
    derived: &[],
};

pub(crate) static OPEN: EntityType = EntityType {
    name: "openThing",
    base: Some(&ENTITY),
    properties: &[],
    navigation: &[Navigation::one("manager", &OPEN)],
    open: true,
    derived: &[],
};

pub(crate) static LOCATION: EntityType = EntityType {
    name: "namedLocation",
    base: Some(&ENTITY),
    properties: &[Property::new("displayName", Kind::String)],
    navigation: &[],
    open: false,
    derived: &[&NETWORK, &COUNTRIES],
};

static NETWORK: EntityType = EntityType {
    name: "ipNamedLocation",
    base: Some(&LOCATION),
    properties: &[Property::new("isTrusted", Kind::Boolean)],
    navigation: &[],
    open: false,
    derived: &[],
};

static COUNTRIES: EntityType = EntityType {
    name: "countryNamedLocation",
    base: Some(&LOCATION),
    properties: &[Property::new("countriesAndRegions", Kind::Collection(&Kind::String))],
    navigation: &[],
    open: false,
    derived: &[],
};
