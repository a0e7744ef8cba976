//! `microsoft.graph.application`: the registration, in its home tenant alone.

use countersign_odata::edm::{ComplexType, EntityType, Kind, Navigation, Property};

use super::credential::{
    API_APPLICATION, APP_ROLES, INFORMATIONAL_URL, KEY_CREDENTIALS, PASSWORD_CREDENTIALS, STRINGS,
    VERIFIED_PUBLISHER,
};
use super::federated_identity_credential::FEDERATED_IDENTITY_CREDENTIAL;
use super::user::DIRECTORY_OBJECT;
use super::{EntitySet, text, time};

static REDIRECTS: ComplexType = ComplexType {
    name: "publicClientApplication",
    properties: &[Property::new("redirectUris", Kind::Collection(&Kind::String))],
    open: true,
};
static SPA: ComplexType = ComplexType {
    name: "spaApplication",
    properties: &[Property::new("redirectUris", Kind::Collection(&Kind::String))],
    open: true,
};
static WEB: ComplexType = ComplexType {
    name: "webApplication",
    properties: &[
        Property::new("homePageUrl", Kind::String),
        Property::new("implicitGrantSettings", Kind::Any),
        Property::new("logoutUrl", Kind::String),
        Property::new("redirectUris", Kind::Collection(&Kind::String)),
    ],
    open: true,
};
static RESOURCE_ACCESS: ComplexType = ComplexType {
    name: "requiredResourceAccess",
    properties: &[Property::new("resourceAccess", Kind::Any), Property::new("resourceAppId", Kind::String)],
    open: true,
};

static TYPE: EntityType = EntityType {
    name: "application",
    base: Some(&DIRECTORY_OBJECT),
    properties: &[
        Property::new("addIns", Kind::Collection(&Kind::Any)),
        Property::new("api", Kind::Complex(&API_APPLICATION)),
        Property::new("appId", Kind::String),
        Property::new("applicationTemplateId", Kind::String),
        Property::new("appRoles", APP_ROLES),
        Property::new("certification", Kind::Any),
        // Ours: an assertion of this application is taken once, where clients make a fresh one for each request.
        Property::new("countersignOneTimeAssertions", Kind::Boolean),
        Property::new("createdByAppId", Kind::String),
        Property::new("createdDateTime", Kind::DateTimeOffset),
        Property::new("defaultRedirectUri", Kind::String),
        Property::new("description", Kind::String).advanced(),
        Property::new("disabledByMicrosoftStatus", Kind::String),
        Property::new("displayName", Kind::String),
        Property::new("groupMembershipClaims", Kind::String),
        Property::new("identifierUris", STRINGS),
        Property::new("info", Kind::Complex(&INFORMATIONAL_URL)),
        Property::new("isDeviceOnlyAuthSupported", Kind::Boolean),
        Property::new("isDisabled", Kind::Boolean),
        Property::new("isFallbackPublicClient", Kind::Boolean),
        Property::new("keyCredentials", KEY_CREDENTIALS),
        Property::new("nativeAuthenticationApisEnabled", Kind::String),
        Property::new("notes", Kind::String).advanced(),
        Property::new("oauth2RequirePostResponse", Kind::Boolean),
        Property::new("optionalClaims", Kind::Any),
        Property::new("parentalControlSettings", Kind::Any),
        Property::new("passwordCredentials", PASSWORD_CREDENTIALS),
        Property::new("publicClient", Kind::Complex(&REDIRECTS)),
        Property::new("publisherDomain", Kind::String),
        Property::new("requestSignatureVerification", Kind::Any),
        Property::new("requiredResourceAccess", Kind::Collection(&Kind::Complex(&RESOURCE_ACCESS)))
            .advanced(),
        Property::new("samlMetadataUrl", Kind::String),
        Property::new("serviceManagementReference", Kind::String).advanced(),
        Property::new("servicePrincipalLockConfiguration", Kind::Any),
        Property::new("signInAudience", Kind::String),
        Property::new("spa", Kind::Complex(&SPA)),
        Property::new("tags", STRINGS),
        Property::new("tokenEncryptionKeyId", Kind::Guid),
        Property::new("uniqueName", Kind::String),
        Property::new("verifiedPublisher", Kind::Complex(&VERIFIED_PUBLISHER)),
        Property::new("web", Kind::Complex(&WEB)),
    ],
    navigation: &[
        Navigation::many("owners", &DIRECTORY_OBJECT),
        Navigation::many("federatedIdentityCredentials", FEDERATED_IDENTITY_CREDENTIAL.entity).contained(),
    ],
    // Graph's type is open for directory extensions, which this directory does not have.
    open: false,
    derived: &[],
};

/// Applications of a tenant.
pub static APPLICATION: EntitySet = EntitySet {
    entity: &TYPE,
    table: "application",
    columns: &[
        text("appId", "app_id"),
        text("uniqueName", "unique_name").or_null(),
        text("displayName", "display_name"),
        time("createdDateTime", "created_us"),
        text("signInAudience", "sign_in_audience"),
        text("publisherDomain", "publisher_domain").or_null(),
    ],
};
