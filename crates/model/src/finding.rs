//! A finding: one detection on one workload identity, with everything a person needs to believe or refute it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::risk::{RiskDetail, RiskEventType, RiskLevel, RiskState};
use crate::source::Country;
use crate::time::Timestamp;

/// How much one dimension speaks for an attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// `source`, `agent`, `resource`, `credential`, `time`, `parallelUse`, `moved`, …
    pub dimension: String,
    /// Weighted natural logarithm of the likelihood ratio; negative speaks against an attack.
    pub ln: f64,
}

/// The words of section "explanation": made from the same numbers that decided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// What happened, in one line.
    pub verdict: String,
    /// Three to six facts with numbers.
    pub facts: Vec<String>,
    /// What would make it harmless.
    pub harmless_if: String,
    /// What to check first.
    pub check_first: String,
}

/// How far the baseline of an identity had got when it was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LearningState {
    /// Fewer than 3 runs on 2 days: judged by its peers alone, never above medium.
    #[default]
    Cold,
    /// Its own novelty rate is still uncertain.
    Learning,
    /// Learnt.
    Learnt,
}

/// One detection on one workload identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// 64 hexadecimal digits, derived from what the finding rests on: replay makes the same.
    pub id: String,
    /// Which of the eight detections.
    pub risk_event_type: RiskEventType,
    /// Level that evidence, corroboration and budget give.
    pub level: RiskLevel,
    /// State of the finding.
    pub state: RiskState,
    /// Why the state is what it is.
    pub detail: RiskDetail,
    /// Natural logarithm of the evidence number; orders all findings.
    pub score: f64,
    /// Tenant id.
    pub tenant: String,
    /// Object id of the service principal.
    pub service_principal: String,
    /// Application id.
    pub app: String,
    /// Display name of the service principal.
    pub name: String,
    /// When the risky activity began.
    pub activity: Timestamp,
    /// Last event of the risky activity.
    pub last_activity: Timestamp,
    /// Event time at which it was raised.
    pub detected: Timestamp,
    /// Event time at which it last changed.
    pub updated: Timestamp,
    /// Source of the first event.
    pub ip: Option<IpAddr>,
    /// Country of that source.
    pub country: Option<Country>,
    /// Key ids of the credentials involved.
    pub key_ids: Vec<String>,
    /// Ids of the events it rests on, first to last, at most [`EVENT_IDS_MAX`].
    pub event_ids: Vec<String>,
    /// Number of events it rests on.
    pub events: u64,
    /// Machine-readable reason codes, as `UnfamiliarASN`.
    pub reasons: Vec<String>,
    /// Evidence per dimension.
    pub evidence: Vec<Evidence>,
    /// Findings this strong without attack, per 1,000 identities and day, as measured in this tenant:
    /// an upper bound, since every other finding is counted as false.
    pub measured_rate: Option<f64>,
    /// State of the baseline when it was judged.
    pub learning: LearningState,
    /// True when something besides the sign-in itself supports it.
    pub corroborated: bool,
    /// True when an event came later than the watermark allows.
    pub late: bool,
    /// The words.
    pub explanation: Explanation,
}

/// Most event ids kept on one finding: enough to pivot from, bounded in memory.
pub const EVENT_IDS_MAX: usize = 200;

/// Something an analyst should know that is no risk of one identity: several identities moved together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// When it began.
    pub time: Timestamp,
    /// What happened, in one line.
    pub text: String,
    /// Object ids of the service principals concerned.
    pub service_principals: Vec<String>,
}
