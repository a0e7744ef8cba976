//! Risk of a workload identity, in Microsoft Graph's words.

use serde::{Deserialize, Serialize};

/// `riskLevel`. Ordered from none to high; Graph's other members (`hidden`, `unknownFutureValue`) belong to
/// the surface that shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RiskLevel {
    /// No risk.
    #[default]
    None,
    /// Listed; nobody is called.
    Low,
    /// Worth a look today.
    Medium,
    /// Act now.
    High,
}

impl RiskLevel {
    /// Graph's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            RiskLevel::None => "none",
            RiskLevel::Low => "low",
            RiskLevel::Medium => "medium",
            RiskLevel::High => "high",
        }
    }
}

/// `riskState`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RiskState {
    /// Never at risk.
    #[default]
    None,
    /// An administrator said it is safe.
    ConfirmedSafe,
    /// The cause was removed: credential rotated and quiet since.
    Remediated,
    /// An administrator dismissed the risk.
    Dismissed,
    /// At risk.
    AtRisk,
    /// An administrator confirmed the compromise.
    ConfirmedCompromised,
}

impl RiskState {
    /// Graph's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            RiskState::None => "none",
            RiskState::ConfirmedSafe => "confirmedSafe",
            RiskState::Remediated => "remediated",
            RiskState::Dismissed => "dismissed",
            RiskState::AtRisk => "atRisk",
            RiskState::ConfirmedCompromised => "confirmedCompromised",
        }
    }
}

/// `riskDetail`: why the state is what it is. Only the members that concern service principals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RiskDetail {
    /// Nothing beyond the detections themselves.
    #[default]
    None,
    /// An administrator confirmed the compromise.
    AdminConfirmedServicePrincipalCompromised,
    /// An administrator dismissed the risk.
    AdminDismissedAllRiskForServicePrincipal,
}

/// `riskEventType`: the eight detections for workload identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RiskEventType {
    /// Sign-in properties unusual for this identity.
    #[serde(rename = "suspiciousSignins")]
    SuspiciousSignins,
    /// A valid credential was found in public.
    #[serde(rename = "leakedCredentials")]
    LeakedCredentials,
    /// Unusual administrative changes by or to the identity.
    #[serde(rename = "anomalousServicePrincipalActivity")]
    AnomalousServicePrincipalActivity,
    /// Abnormal API traffic or directory enumeration.
    #[serde(rename = "suspiciousAPITraffic")]
    SuspiciousApiTraffic,
    /// Activity that matches threat intelligence.
    #[serde(rename = "investigationsThreatIntelligence")]
    InvestigationsThreatIntelligence,
    /// An application known to be malicious.
    #[serde(rename = "maliciousApplication")]
    MaliciousApplication,
    /// An application that may be malicious.
    #[serde(rename = "suspiciousApplication")]
    SuspiciousApplication,
    /// An administrator confirmed the compromise.
    #[serde(rename = "adminConfirmedServicePrincipalCompromised")]
    AdminConfirmedServicePrincipalCompromised,
}

impl RiskEventType {
    /// Graph's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            RiskEventType::SuspiciousSignins => "suspiciousSignins",
            RiskEventType::LeakedCredentials => "leakedCredentials",
            RiskEventType::AnomalousServicePrincipalActivity => "anomalousServicePrincipalActivity",
            RiskEventType::SuspiciousApiTraffic => "suspiciousAPITraffic",
            RiskEventType::InvestigationsThreatIntelligence => "investigationsThreatIntelligence",
            RiskEventType::MaliciousApplication => "maliciousApplication",
            RiskEventType::SuspiciousApplication => "suspiciousApplication",
            RiskEventType::AdminConfirmedServicePrincipalCompromised => {
                "adminConfirmedServicePrincipalCompromised"
            }
        }
    }
}

/// `riskyServicePrincipal`: one workload identity with its risk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RiskyServicePrincipal {
    /// Object id of the service principal.
    pub id: String,
    /// Application id.
    pub app_id: String,
    /// Display name.
    pub display_name: String,
    /// False once it is disabled.
    pub is_enabled: bool,
    /// True while risk is being worked out again.
    pub is_processing: bool,
    /// Highest level of its open detections.
    pub risk_level: RiskLevel,
    /// State.
    pub risk_state: RiskState,
    /// Why the state is what it is.
    pub risk_detail: RiskDetail,
    /// When level or state changed last, RFC 3339.
    pub risk_last_updated_date_time: String,
    /// `Application`, `ManagedIdentity`, …
    pub service_principal_type: String,
}
