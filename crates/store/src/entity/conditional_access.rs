//! Conditional Access: policies and the named locations that they speak of.

use countersign_odata::edm::{ComplexType, EntityType, EnumType, Kind, Property};

use super::credential::STRINGS;
use super::enumerations::RISK_LEVEL;
use super::{EntitySet, text, time};

static POLICY_STATE: EnumType = EnumType {
    name: "conditionalAccessPolicyState",
    members: &["enabled", "disabled", "enabledForReportingButNotEnforced"],
    sentinel: None,
};

static FILTER_MODE: EnumType =
    EnumType { name: "filterMode", members: &["include", "exclude"], sentinel: None };

static FILTER: ComplexType = ComplexType {
    name: "conditionalAccessFilter",
    properties: &[
        Property::new("mode", Kind::Enum(&FILTER_MODE)),
        Property::new("rule", Kind::String).required(),
    ],
    open: false,
};

static APPLICATIONS: ComplexType = ComplexType {
    name: "conditionalAccessApplications",
    properties: &[
        Property::new("applicationFilter", Kind::Complex(&FILTER)),
        Property::new("excludeApplications", STRINGS).required(),
        Property::new("globalSecureAccess", Kind::Any).beta(),
        Property::new("includeApplications", STRINGS).required(),
        Property::new("includeAuthenticationContextClassReferences", STRINGS).required(),
        Property::new("includeUserActions", STRINGS).required(),
        Property::new("networkAccess", Kind::Any).beta(),
    ],
    open: false,
};

static CLIENT_APPLICATIONS: ComplexType = ComplexType {
    name: "conditionalAccessClientApplications",
    properties: &[
        Property::new("agentIdServicePrincipalFilter", Kind::Complex(&FILTER)).beta(),
        // Ours: the kinds of principals beside Entra's own scope that a policy is about.
        Property::new("countersignScope", STRINGS),
        Property::new("excludeAgentIdServicePrincipals", STRINGS).required().beta(),
        Property::new("excludeServicePrincipals", STRINGS).required(),
        Property::new("includeAgentIdServicePrincipals", STRINGS).required().beta(),
        Property::new("includeServicePrincipals", STRINGS).required(),
        Property::new("servicePrincipalFilter", Kind::Complex(&FILTER)),
    ],
    open: false,
};

static LOCATIONS: ComplexType = ComplexType {
    name: "conditionalAccessLocations",
    properties: &[
        Property::new("excludeLocations", STRINGS).required(),
        Property::new("includeLocations", STRINGS).required(),
    ],
    open: false,
};

static USERS: ComplexType = ComplexType {
    name: "conditionalAccessUsers",
    properties: &[
        Property::new("excludeGroups", STRINGS).required(),
        Property::new("excludeRoles", STRINGS).required(),
        Property::new("excludeUsers", STRINGS).required(),
        Property::new("includeGroups", STRINGS).required(),
        Property::new("includeRoles", STRINGS).required(),
        Property::new("includeUsers", STRINGS).required(),
    ],
    open: true,
};

/// What only policies for people have, and no policy here: shown, since clients expect it, and always empty.
static CONDITIONS: ComplexType = ComplexType {
    name: "conditionalAccessConditionSet",
    properties: &[
        Property::new("agentIdRiskLevels", Kind::Any).beta(),
        Property::new("applications", Kind::Complex(&APPLICATIONS)),
        Property::new("authenticationFlows", Kind::Any),
        Property::new("clientApplications", Kind::Complex(&CLIENT_APPLICATIONS)),
        Property::new("clientAppTypes", STRINGS).required(),
        Property::new("devices", Kind::Any),
        Property::new("deviceStates", Kind::Any).beta(),
        Property::new("insiderRiskLevels", Kind::Any),
        Property::new("locations", Kind::Complex(&LOCATIONS)),
        Property::new("platforms", Kind::Any),
        Property::new("servicePrincipalRiskLevels", Kind::Collection(&Kind::Enum(&RISK_LEVEL))).required(),
        Property::new("signInRiskLevels", Kind::Collection(&Kind::Enum(&RISK_LEVEL))).required(),
        Property::new("userRiskLevels", Kind::Collection(&Kind::Enum(&RISK_LEVEL))).required(),
        Property::new("users", Kind::Complex(&USERS)),
    ],
    open: false,
};

static GRANT_CONTROLS: ComplexType = ComplexType {
    name: "conditionalAccessGrantControls",
    properties: &[
        Property::new("authenticationStrength", Kind::Any),
        Property::new("builtInControls", STRINGS).required(),
        Property::new("customAuthenticationFactors", STRINGS).required(),
        Property::new("operator", Kind::String),
        Property::new("termsOfUse", STRINGS).required(),
    ],
    open: false,
};

static POLICY: EntityType = EntityType {
    name: "conditionalAccessPolicy",
    base: None,
    properties: &[
        Property::new("id", Kind::String).required(),
        Property::new("conditions", Kind::Complex(&CONDITIONS)).required(),
        Property::new("createdDateTime", Kind::DateTimeOffset),
        Property::new("deletedDateTime", Kind::DateTimeOffset),
        Property::new("description", Kind::String),
        Property::new("displayName", Kind::String).required(),
        Property::new("grantControls", Kind::Complex(&GRANT_CONTROLS)),
        Property::new("modifiedDateTime", Kind::DateTimeOffset),
        Property::new("sessionControls", Kind::Any),
        Property::new("state", Kind::Enum(&POLICY_STATE)).required(),
        Property::new("templateId", Kind::String),
    ],
    navigation: &[],
    open: false,
    derived: &[],
};

/// Policies of Conditional Access.
pub static CONDITIONAL_ACCESS_POLICY: EntitySet = EntitySet {
    entity: &POLICY,
    table: "conditional_access_policy",
    columns: &[
        text("displayName", "display_name"),
        text("state", "state"),
        time("createdDateTime", "created_us"),
    ],
};

/// `microsoft.graph.whatIfAnalysisResult`: policies with what they would make of a sign-in; kept nowhere.
pub static WHAT_IF_ANALYSIS_RESULT: EntityType = EntityType {
    name: "whatIfAnalysisResult",
    base: Some(&POLICY),
    properties: &[
        Property::new("analysisReasons", Kind::String).required(),
        Property::new("policyApplies", Kind::Boolean).required(),
    ],
    navigation: &[],
    open: false,
    derived: &[],
};

/// `microsoft.graph.conditionalAccessTemplate`: policies to begin with; part of the program.
pub static CONDITIONAL_ACCESS_TEMPLATE: EntityType = EntityType {
    name: "conditionalAccessTemplate",
    base: None,
    properties: &[
        Property::new("id", Kind::String).required(),
        Property::new("description", Kind::String).required(),
        Property::new("details", Kind::Any),
        Property::new("name", Kind::String).required(),
        Property::new("scenarios", Kind::String),
    ],
    navigation: &[],
    open: false,
    derived: &[],
};

static IP_RANGE: ComplexType = ComplexType {
    name: "ipRange",
    properties: &[Property::new("cidrAddress", Kind::String).required()],
    open: false,
};

static LOOKUP_METHOD: EnumType = EnumType {
    name: "countryLookupMethodType",
    members: &["clientIpAddress", "authenticatorAppGps", "unknownFutureValue"],
    sentinel: Some("unknownFutureValue"),
};

static LOCATION: EntityType = EntityType {
    name: "namedLocation",
    base: None,
    properties: &[
        Property::new("id", Kind::String).required(),
        Property::new("createdDateTime", Kind::DateTimeOffset),
        Property::new("deletedDateTime", Kind::DateTimeOffset),
        Property::new("displayName", Kind::String).required(),
        Property::new("modifiedDateTime", Kind::DateTimeOffset),
    ],
    navigation: &[],
    open: false,
    derived: &[&IP_LOCATION, &COUNTRY_LOCATION],
};

static IP_LOCATION: EntityType = EntityType {
    name: "ipNamedLocation",
    base: Some(&LOCATION),
    properties: &[
        Property::new("ipRanges", Kind::Collection(&Kind::Complex(&IP_RANGE))).required(),
        Property::new("isTrusted", Kind::Boolean).required(),
    ],
    navigation: &[],
    open: false,
    derived: &[],
};

static COUNTRY_LOCATION: EntityType = EntityType {
    name: "countryNamedLocation",
    base: Some(&LOCATION),
    properties: &[
        Property::new("countriesAndRegions", STRINGS).required(),
        Property::new("countryLookupMethod", Kind::Enum(&LOOKUP_METHOD)),
        Property::new("includeUnknownCountriesAndRegions", Kind::Boolean).required(),
    ],
    navigation: &[],
    open: false,
    derived: &[],
};

/// Networks and countries that policies speak of.
pub static NAMED_LOCATION: EntitySet = EntitySet {
    entity: &LOCATION,
    table: "named_location",
    columns: &[
        text("@odata.type", "odata_type"),
        text("displayName", "display_name"),
        time("createdDateTime", "created_us"),
    ],
};
