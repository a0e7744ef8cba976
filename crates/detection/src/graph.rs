//! Findings in Microsoft Graph's shapes.

use countersign_model::finding::Finding;
use serde_json::{Value, json};

/// `servicePrincipalRiskDetection`. `additionalInfo` is, as in Graph, a string that holds a JSON array of
/// `{"Key","Value"}` pairs; beside Graph's keys it carries the whole reasoning.
pub fn service_principal_risk_detection(finding: &Finding) -> Value {
    json!({
        "id": finding.id,
        "requestId": null,
        "correlationId": null,
        "riskEventType": finding.risk_event_type.as_str(),
        "riskState": finding.state.as_str(),
        "riskLevel": finding.level.as_str(),
        "riskDetail": finding.detail,
        "source": "IdentityProtection",
        "detectionTimingType": "offline",
        "activity": "servicePrincipal",
        "tokenIssuerType": "AzureAD",
        "ipAddress": finding.ip.map(|ip| ip.to_string()),
        "location": finding.country.map(|country| json!({
            "city": null, "state": null, "countryOrRegion": country.as_str(), "geoCoordinates": null,
        })),
        "activityDateTime": finding.activity.to_string(),
        "detectedDateTime": finding.detected.to_string(),
        "lastUpdatedDateTime": finding.updated.to_string(),
        "servicePrincipalId": finding.service_principal,
        "servicePrincipalDisplayName": finding.name,
        "appId": finding.app,
        "keyIds": finding.key_ids,
        "additionalInfo": additional_info(finding).to_string(),
    })
}

fn additional_info(finding: &Finding) -> Value {
    let mut pairs = vec![
        ("alertUrl", Value::Null),
        ("mitreTechniques", json!("T1078.004")),
        ("riskReasons", json!(finding.reasons)),
        ("riskScore", json!(round(finding.score))),
        ("reasons", json!(finding.explanation.facts)),
        ("verdict", json!(finding.explanation.verdict)),
        ("harmlessIf", json!(finding.explanation.harmless_if)),
        ("checkFirst", json!(finding.explanation.check_first)),
        (
            "evidence",
            finding
                .evidence
                .iter()
                .map(|term| json!({"dimension": term.dimension, "ln": round(term.ln)}))
                .collect(),
        ),
        ("eventIds", json!(finding.event_ids)),
        ("eventCount", json!(finding.events)),
        ("lastActivityDateTime", json!(finding.last_activity.to_string())),
        ("learningState", json!(finding.learning)),
        ("corroborated", json!(finding.corroborated)),
        ("tenantId", json!(finding.tenant)),
    ];
    if let Some(rate) = finding.measured_rate {
        pairs.push(("measuredRatePerThousandAndDay", json!(round(rate))));
    }
    pairs.into_iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// Three decimals: more would only show how floating point adds.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
