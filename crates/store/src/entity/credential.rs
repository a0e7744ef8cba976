//! Credentials and the other complex types that applications and service principals share.

use countersign_odata::edm::{ComplexType, Kind, Property};

/// A list of strings.
pub(super) static STRINGS: Kind = Kind::Collection(&Kind::String);

pub(super) static KEY_CREDENTIAL: ComplexType = ComplexType {
    name: "keyCredential",
    properties: &[
        Property::new("customKeyIdentifier", Kind::Binary),
        Property::new("displayName", Kind::String),
        Property::new("endDateTime", Kind::DateTimeOffset),
        Property::new("key", Kind::Binary),
        Property::new("keyId", Kind::Guid),
        Property::new("startDateTime", Kind::DateTimeOffset),
        Property::new("type", Kind::String),
        Property::new("usage", Kind::String),
    ],
    open: true,
};
pub(super) static KEY_CREDENTIALS: Kind = Kind::Collection(&Kind::Complex(&KEY_CREDENTIAL));

pub(super) static PASSWORD_CREDENTIAL: ComplexType = ComplexType {
    name: "passwordCredential",
    properties: &[
        Property::new("customKeyIdentifier", Kind::Binary),
        Property::new("displayName", Kind::String),
        Property::new("endDateTime", Kind::DateTimeOffset),
        Property::new("hint", Kind::String),
        Property::new("keyId", Kind::Guid),
        Property::new("secretText", Kind::String),
        Property::new("startDateTime", Kind::DateTimeOffset),
    ],
    open: true,
};
pub(super) static PASSWORD_CREDENTIALS: Kind = Kind::Collection(&Kind::Complex(&PASSWORD_CREDENTIAL));

static APP_ROLE: ComplexType = ComplexType {
    name: "appRole",
    properties: &[
        Property::new("allowedMemberTypes", Kind::Collection(&Kind::String)),
        Property::new("description", Kind::String),
        Property::new("displayName", Kind::String),
        Property::new("id", Kind::Guid),
        Property::new("isEnabled", Kind::Boolean),
        Property::new("origin", Kind::String),
        Property::new("value", Kind::String),
    ],
    open: true,
};
pub(super) static APP_ROLES: Kind = Kind::Collection(&Kind::Complex(&APP_ROLE));

static PERMISSION_SCOPE: ComplexType = ComplexType {
    name: "permissionScope",
    properties: &[
        Property::new("adminConsentDescription", Kind::String),
        Property::new("adminConsentDisplayName", Kind::String),
        Property::new("id", Kind::Guid),
        Property::new("isEnabled", Kind::Boolean),
        Property::new("origin", Kind::String),
        Property::new("type", Kind::String),
        Property::new("userConsentDescription", Kind::String),
        Property::new("userConsentDisplayName", Kind::String),
        Property::new("value", Kind::String),
    ],
    open: true,
};
pub(super) static PERMISSION_SCOPES: Kind = Kind::Collection(&Kind::Complex(&PERMISSION_SCOPE));

pub(super) static API_APPLICATION: ComplexType = ComplexType {
    name: "apiApplication",
    properties: &[
        Property::new("acceptMappedClaims", Kind::Boolean),
        Property::new("knownClientApplications", Kind::Collection(&Kind::Guid)),
        Property::new("oauth2PermissionScopes", Kind::Collection(&Kind::Complex(&PERMISSION_SCOPE))),
        Property::new("preAuthorizedApplications", Kind::Any),
        Property::new("requestedAccessTokenVersion", Kind::Int32),
    ],
    open: true,
};

pub(super) static VERIFIED_PUBLISHER: ComplexType = ComplexType {
    name: "verifiedPublisher",
    properties: &[
        Property::new("addedDateTime", Kind::DateTimeOffset),
        Property::new("displayName", Kind::String),
        Property::new("verifiedPublisherId", Kind::String),
    ],
    open: true,
};

pub(super) static INFORMATIONAL_URL: ComplexType = ComplexType {
    name: "informationalUrl",
    properties: &[
        Property::new("logoUrl", Kind::String),
        Property::new("marketingUrl", Kind::String),
        Property::new("privacyStatementUrl", Kind::String),
        Property::new("supportUrl", Kind::String),
        Property::new("termsOfServiceUrl", Kind::String),
    ],
    open: true,
};
