//! The result as one JSON object.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::analyze::result::Analysis;

pub(super) fn write(analysis: &Analysis, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &object(analysis))?;
    out.write_all(b"\n")
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
        "addressTable": analysis.tables.addresses,
        "threatIntelligence": analysis.tables.feeds,
        "knownPatterns": analysis.tables.patterns,
    })
}
