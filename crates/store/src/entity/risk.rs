//! Identity Protection: risky service principals, their history, and the detections behind them.

use countersign_odata::edm::{ComplexType, EntityType, Kind, Navigation, Property};

use super::enumerations::{
    ACTIVITY_TYPE, RISK_DETAIL, RISK_DETECTION_TIMING_TYPE, RISK_LEVEL, RISK_STATE, TOKEN_ISSUER_TYPE,
};
use super::{EntitySet, text, time};

static RISKY: EntityType = EntityType {
    name: "riskyServicePrincipal",
    base: None,
    properties: &[
        Property::new("id", Kind::String),
        Property::new("accountEnabled", Kind::Boolean).beta(),
        Property::new("appId", Kind::String),
        Property::new("displayName", Kind::String),
        Property::new("isEnabled", Kind::Boolean),
        Property::new("isProcessing", Kind::Boolean),
        Property::new("riskDetail", Kind::Enum(&RISK_DETAIL)),
        Property::new("riskLastUpdatedDateTime", Kind::DateTimeOffset),
        Property::new("riskLevel", Kind::Enum(&RISK_LEVEL)),
        Property::new("riskState", Kind::Enum(&RISK_STATE)),
        Property::new("servicePrincipalType", Kind::String),
    ],
    navigation: &[Navigation::many("history", &HISTORY).contained()],
    open: false,
    derived: &[],
};

/// Service principals that have or had risk; the id is the service principal's.
pub static RISKY_SERVICE_PRINCIPAL: EntitySet = EntitySet {
    entity: &RISKY,
    table: "risky_service_principal",
    columns: &[
        text("appId", "app_id").or_null(),
        text("displayName", "display_name").or_null(),
        text("riskLevel", "risk_level"),
        text("riskState", "risk_state"),
        time("riskLastUpdatedDateTime", "risk_last_updated_us"),
    ],
};

static ACTIVITY: ComplexType = ComplexType {
    name: "riskServicePrincipalActivity",
    properties: &[
        Property::new("detail", Kind::Enum(&RISK_DETAIL)),
        Property::new("riskEventTypes", Kind::Collection(&Kind::String)),
    ],
    open: false,
};

static HISTORY: EntityType = EntityType {
    name: "riskyServicePrincipalHistoryItem",
    base: Some(&RISKY),
    properties: &[
        Property::new("activity", Kind::Complex(&ACTIVITY)),
        Property::new("initiatedBy", Kind::String),
        Property::new("servicePrincipalId", Kind::String),
    ],
    navigation: &[],
    open: false,
    derived: &[],
};

/// One item for each change of risk.
pub static RISK_HISTORY: EntitySet = EntitySet {
    entity: &HISTORY,
    table: "risk_history",
    columns: &[
        text("servicePrincipalId", "service_principal_id"),
        time("riskLastUpdatedDateTime", "changed_us"),
    ],
};

static GEO_COORDINATES: ComplexType = ComplexType {
    name: "geoCoordinates",
    properties: &[
        Property::new("altitude", Kind::Double),
        Property::new("latitude", Kind::Double),
        Property::new("longitude", Kind::Double),
    ],
    open: false,
};

/// `signInLocation`, shared with sign-ins.
pub(super) static SIGN_IN_LOCATION: ComplexType = ComplexType {
    name: "signInLocation",
    properties: &[
        Property::new("city", Kind::String),
        Property::new("countryOrRegion", Kind::String),
        Property::new("geoCoordinates", Kind::Complex(&GEO_COORDINATES)),
        Property::new("state", Kind::String),
    ],
    open: false,
};

static DETECTION: EntityType = EntityType {
    name: "servicePrincipalRiskDetection",
    base: None,
    properties: &[
        Property::new("id", Kind::String),
        Property::new("activity", Kind::Enum(&ACTIVITY_TYPE)),
        Property::new("activityDateTime", Kind::DateTimeOffset),
        Property::new("additionalInfo", Kind::String),
        Property::new("appId", Kind::String),
        Property::new("correlationId", Kind::String),
        Property::new("detectedDateTime", Kind::DateTimeOffset),
        Property::new("detectionTimingType", Kind::Enum(&RISK_DETECTION_TIMING_TYPE)),
        Property::new("ipAddress", Kind::String),
        Property::new("keyIds", Kind::Collection(&Kind::String)),
        Property::new("lastUpdatedDateTime", Kind::DateTimeOffset),
        Property::new("location", Kind::Complex(&SIGN_IN_LOCATION)),
        Property::new("mitreTechniqueId", Kind::String).beta(),
        Property::new("requestId", Kind::String),
        Property::new("riskDetail", Kind::Enum(&RISK_DETAIL)),
        Property::new("riskEventType", Kind::String),
        Property::new("riskLevel", Kind::Enum(&RISK_LEVEL)),
        Property::new("riskState", Kind::Enum(&RISK_STATE)),
        Property::new("servicePrincipalDisplayName", Kind::String),
        Property::new("servicePrincipalId", Kind::String),
        Property::new("source", Kind::String),
        Property::new("tokenIssuerType", Kind::Enum(&TOKEN_ISSUER_TYPE)),
    ],
    navigation: &[],
    open: false,
    derived: &[],
};

/// Detections, as Graph shows them.
pub static SERVICE_PRINCIPAL_RISK_DETECTION: EntitySet = EntitySet {
    entity: &DETECTION,
    table: "service_principal_risk_detection",
    columns: &[
        text("servicePrincipalId", "service_principal_id"),
        text("riskEventType", "risk_event_type"),
        text("riskLevel", "risk_level"),
        text("riskState", "risk_state"),
        text("requestId", "request_id").or_null(),
        time("detectedDateTime", "detected_us"),
        time("activityDateTime", "activity_us"),
    ],
};
