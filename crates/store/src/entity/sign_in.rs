//! `microsoft.graph.signIn`: in batches of the journal, not in rows.

use countersign_odata::edm::{ComplexType, EntityType, Kind, Property};

use super::audit::KEY_VALUE;
use super::enumerations::{
    CLIENT_CREDENTIAL_TYPE, CONDITIONAL_ACCESS_STATUS, RISK_DETAIL, RISK_LEVEL, RISK_STATE,
};
use super::risk::SIGN_IN_LOCATION;

static STATUS: ComplexType = ComplexType {
    name: "signInStatus",
    properties: &[
        Property::new("additionalDetails", Kind::String),
        Property::new("errorCode", Kind::Int32),
        Property::new("failureReason", Kind::String),
    ],
    open: false,
};

/// `signIn`, with the properties that workloads have on `/beta`.
pub static SIGN_IN: EntityType = EntityType {
    name: "signIn",
    base: None,
    properties: &[
        Property::new("id", Kind::String),
        Property::new("appDisplayName", Kind::String),
        Property::new("appId", Kind::String),
        Property::new("appOwnerTenantId", Kind::String).beta(),
        Property::new("appliedConditionalAccessPolicies", Kind::Collection(&Kind::Any)),
        Property::new("authenticationProcessingDetails", Kind::Collection(&Kind::Complex(&KEY_VALUE))).beta(),
        Property::new("authenticationProtocol", Kind::String).beta(),
        Property::new("autonomousSystemNumber", Kind::Int32).beta(),
        Property::new("clientAppUsed", Kind::String),
        Property::new("clientCredentialType", Kind::Enum(&CLIENT_CREDENTIAL_TYPE)).beta(),
        Property::new("conditionalAccessStatus", Kind::Enum(&CONDITIONAL_ACCESS_STATUS)),
        Property::new("correlationId", Kind::String),
        Property::new("createdDateTime", Kind::DateTimeOffset),
        Property::new("crossTenantAccessType", Kind::String).beta(),
        Property::new("deviceDetail", Kind::Any),
        Property::new("federatedCredentialId", Kind::String).beta(),
        Property::new("homeTenantId", Kind::String),
        Property::new("incomingTokenType", Kind::String).beta(),
        Property::new("ipAddress", Kind::String),
        Property::new("isInteractive", Kind::Boolean),
        Property::new("location", Kind::Complex(&SIGN_IN_LOCATION)),
        Property::new("managedServiceIdentity", Kind::Any).beta(),
        Property::new("processingTimeInMilliseconds", Kind::Int32).beta(),
        Property::new("resourceDisplayName", Kind::String),
        Property::new("resourceId", Kind::String),
        Property::new("resourceOwnerTenantId", Kind::String).beta(),
        Property::new("resourceServicePrincipalId", Kind::String).beta(),
        Property::new("resourceTenantId", Kind::String),
        Property::new("riskDetail", Kind::Enum(&RISK_DETAIL)),
        Property::new("riskEventTypes_v2", Kind::Collection(&Kind::String)),
        Property::new("riskLevelAggregated", Kind::Enum(&RISK_LEVEL)),
        Property::new("riskLevelDuringSignIn", Kind::Enum(&RISK_LEVEL)),
        Property::new("riskState", Kind::Enum(&RISK_STATE)),
        Property::new("servicePrincipalCredentialKeyId", Kind::String).beta(),
        Property::new("servicePrincipalCredentialThumbprint", Kind::String).beta(),
        Property::new("servicePrincipalId", Kind::String),
        Property::new("servicePrincipalName", Kind::String),
        Property::new("signInEventTypes", Kind::Collection(&Kind::String)).beta(),
        Property::new("status", Kind::Complex(&STATUS)),
        Property::new("tokenIssuerType", Kind::String).beta(),
        Property::new("uniqueTokenIdentifier", Kind::String).beta(),
        Property::new("userAgent", Kind::String),
        Property::new("userDisplayName", Kind::String),
        Property::new("userId", Kind::String),
        Property::new("userPrincipalName", Kind::String),
    ],
    navigation: &[],
    open: false,
    derived: &[],
};
