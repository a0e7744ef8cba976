//! The result as one JSON object.

use std::io::{self, Write};

use countersign_detection::calibration::{CALIBRATION_LEVELS, Family};
use serde_json::{Value, json};

use crate::analyze::result::Analysis;

pub(super) fn write(analysis: &Analysis, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &object(analysis))?;
    out.write_all(b"\n")
}

/// How often evidence of each height was reached, beside how often it may be.
fn calibration(analysis: &Analysis) -> Value {
    let calibration = &analysis.calibration;
    let family = |family: Family| {
        let level = |(level, evidence): (usize, f64)| {
            json!({
                "evidence": evidence,
                "reached": calibration.reached[family as usize][level],
                "measuredOverNominal": calibration.ratio(family, level),
            })
        };
        json!({
            "family": family.name(),
            "levels": CALIBRATION_LEVELS.into_iter().enumerate().map(level).collect::<Vec<_>>(),
        })
    };
    json!({
        "identityDays": calibration.identity_days,
        "families": Family::ALL.into_iter().map(family).collect::<Vec<_>>(),
    })
}

fn object(analysis: &Analysis) -> Value {
    let read = &analysis.read;
    let skipped: Vec<Value> = read
        .skipped
        .iter()
        .map(|(reason, skipped)| {
            json!({
                "reason": reason,
                "count": skipped.count,
                "example": skipped.example,
                "unreadable": skipped.unreadable,
            })
        })
        .collect();
    let risky: Vec<Value> = analysis.risky.iter().map(|principal| json!(principal.graph)).collect();
    json!({
        "read": {
            "files": read.files,
            "bytes": read.bytes,
            "records": read.records,
            "byType": read.by_type,
            "skipped": skipped,
            "repeated": read.repeated,
            "from": read.span.map(|(from, _)| from.to_string()),
            "to": read.span.map(|(_, to)| to.to_string()),
            "principals": read.principals,
        },
        "riskyServicePrincipals": risky,
        "detections": analysis.findings.len(),
        "notices": analysis.notices.iter().map(|notice| json!({
            "time": notice.time.to_string(), "text": notice.text, "servicePrincipals": notice.service_principals,
        })).collect::<Vec<_>>(),
        "budget": analysis.budget.per_1000_and_day(),
        "measuredFalseAlarmRate": analysis.measured.false_alarm_rate(),
        "calibration": calibration(analysis),
        "knowledge": analysis.tables.feeds,
        "addressTable": analysis.tables.addresses,
        "threatIntelligence": analysis.tables.feeds,
        "knownPatterns": analysis.tables.patterns,
    })
}
