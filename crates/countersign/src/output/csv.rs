//! Tables for spreadsheets: risky identities, detections, skipped records. Headings are Microsoft Graph's.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};
use countersign_detection::detector::RiskyPrincipal;
use countersign_detection::graph::service_principal_risk_detection;
use countersign_model::finding::Finding;
use csv::{Terminator, Writer, WriterBuilder};
use serde_json::{Value, json};

use crate::analyze::result::{Analysis, Skipped};

/// Headings of `riskyServicePrincipals.csv`: Graph's properties, then ours.
const RISKY: [&str; 14] = [
    "id",
    "appId",
    "displayName",
    "isEnabled",
    "isProcessing",
    "riskLevel",
    "riskState",
    "riskDetail",
    "riskLastUpdatedDateTime",
    "servicePrincipalType",
    "tenantId",
    "firstActivityDateTime",
    "lastActivityDateTime",
    "detectionIds",
];

/// Headings of `servicePrincipalRiskDetections.csv`: Graph's properties, of `location` the country, then what
/// Graph would hide in `additionalInfo`.
const DETECTIONS: [&str; 31] = [
    "id",
    "requestId",
    "correlationId",
    "riskEventType",
    "riskState",
    "riskLevel",
    "riskDetail",
    "source",
    "detectionTimingType",
    "activity",
    "tokenIssuerType",
    "ipAddress",
    "location.countryOrRegion",
    "activityDateTime",
    "detectedDateTime",
    "lastUpdatedDateTime",
    "servicePrincipalId",
    "servicePrincipalDisplayName",
    "appId",
    "keyIds",
    "tenantId",
    "lastActivityDateTime",
    "verdict",
    "facts",
    "harmlessIf",
    "checkFirst",
    "riskScore",
    "riskReasons",
    "learningState",
    "eventCount",
    "eventIds",
];

const SKIPPED: [&str; 4] = ["reason", "count", "unreadable", "example"];

/// Writes the three tables into `folder`, which is created when it is missing.
pub(crate) fn write(analysis: &Analysis, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create folder `{}`", folder.display()))?;
    let risky = analysis.risky.iter().map(risky);
    table(&folder.join("riskyServicePrincipals.csv"), &RISKY, risky)?;
    let detections = analysis.findings.iter().map(detection);
    table(&folder.join("servicePrincipalRiskDetections.csv"), &DETECTIONS, detections)?;
    let skipped = analysis.read.skipped.iter().map(|(reason, skipped)| self::skipped(reason, skipped));
    table(&folder.join("skipped.csv"), &SKIPPED, skipped)
}

fn table(path: &Path, headings: &[&str], rows: impl Iterator<Item = Value>) -> Result<()> {
    let write = || -> Result<()> {
        // RFC 4180 ends lines with CRLF; the writer quotes cells that hold either character.
        let mut out = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(File::create(path)?);
        rows_into(&mut out, headings, rows)?;
        Ok(out.flush()?)
    };
    write().with_context(|| format!("cannot write `{}`", path.display()))
}

fn rows_into<W: std::io::Write>(
    out: &mut Writer<W>,
    headings: &[&str],
    rows: impl Iterator<Item = Value>,
) -> csv::Result<()> {
    out.write_record(headings)?;
    for row in rows {
        out.write_record(headings.iter().map(|heading| cell(row.get(*heading))))?;
    }
    Ok(())
}

fn risky(principal: &RiskyPrincipal) -> Value {
    with(
        serde_json::to_value(&principal.graph).unwrap_or_default(),
        json!({
            "tenantId": principal.tenant,
            "firstActivityDateTime": principal.activity.0.to_string(),
            "lastActivityDateTime": principal.activity.1.to_string(),
            "detectionIds": principal.findings,
        }),
    )
}

fn detection(finding: &Finding) -> Value {
    with(
        service_principal_risk_detection(finding),
        json!({
            "location.countryOrRegion": finding.country.map(|country| country.to_string()),
            "tenantId": finding.tenant,
            "lastActivityDateTime": finding.last_activity.to_string(),
            "verdict": finding.explanation.verdict,
            "facts": finding.explanation.facts,
            "harmlessIf": finding.explanation.harmless_if,
            "checkFirst": finding.explanation.check_first,
            // Three decimals: more would only show how floating point adds.
            "riskScore": (finding.score * 1000.0).round() / 1000.0,
            "riskReasons": finding.reasons,
            "learningState": finding.learning,
            "eventCount": finding.events,
            "eventIds": finding.event_ids,
        }),
    )
}

fn skipped(reason: &str, skipped: &Skipped) -> Value {
    json!({
        "reason": reason,
        "count": skipped.count,
        "unreadable": skipped.unreadable,
        "example": skipped.example,
    })
}

fn with(mut row: Value, more: Value) -> Value {
    if let (Value::Object(row), Value::Object(more)) = (&mut row, more) {
        row.extend(more);
    }
    row
}

/// A value as one cell: lists joined by spaces, null empty.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => harmless(text),
        Some(Value::Array(items)) => {
            let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            harmless(&items.join(" "))
        }
        Some(other) => other.to_string(),
    }
}

/// Spreadsheets run a cell that begins like a formula, and anybody who can name an application can write one
/// (OWASP, "CSV Injection": `=`, `+`, `-`, `@`, tab, carriage return, line feed, and the full-width forms
/// that some programs take for them). An apostrophe in front makes it text.
fn harmless(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::output::report::fixture;

    fn written(analysis: &Analysis) -> [Vec<csv::StringRecord>; 3] {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("new").join("folder");
        write(analysis, &inner).unwrap();
        ["riskyServicePrincipals.csv", "servicePrincipalRiskDetections.csv", "skipped.csv"].map(|name| {
            let mut reader =
                csv::ReaderBuilder::new().has_headers(false).from_path(inner.join(name)).unwrap();
            reader.records().map(Result::unwrap).collect()
        })
    }

    fn column<'a>(rows: &'a [csv::StringRecord], heading: &str) -> Vec<&'a str> {
        let at = rows[0].iter().position(|found| found == heading).unwrap();
        rows[1..].iter().map(|row| &row[at]).collect()
    }

    #[test]
    fn headings_are_graphs() {
        let [risky, detections, skipped] = written(&fixture::empty());
        assert_eq!(risky, [csv::StringRecord::from(RISKY.to_vec())]);
        assert_eq!(detections, [csv::StringRecord::from(DETECTIONS.to_vec())]);
        assert_eq!(skipped, [csv::StringRecord::from(SKIPPED.to_vec())]);

        let analysis = fixture::analysis();
        let headings: BTreeSet<&str> = DETECTIONS.into_iter().collect();
        let graph = service_principal_risk_detection(&analysis.findings[0]);
        let missing: Vec<&String> =
            graph.as_object().unwrap().keys().filter(|key| !headings.contains(key.as_str())).collect();
        assert_eq!(missing, ["additionalInfo", "location"], "these two are flattened");
        assert!(RISKY[..10].iter().all(|heading| risky_row(&analysis).get(*heading).is_some()));
    }

    fn risky_row(analysis: &Analysis) -> Value {
        risky(&analysis.risky[0])
    }

    #[test]
    fn rows_hold_what_was_found() {
        let analysis = fixture::analysis();
        let [risky, detections, skipped] = written(&analysis);
        assert_eq!(column(&risky, "id").len(), analysis.risky.len());
        assert_eq!(column(&risky, "riskLevel")[0], "high");
        assert_eq!(column(&detections, "riskScore")[0], "10.621");
        assert_eq!(column(&detections, "location.countryOrRegion")[0], "NL");
        assert_eq!(column(&detections, "eventIds")[0], analysis.findings[0].event_ids.join(" "));
        assert_eq!(
            column(&detections, "riskReasons")[0],
            "UnfamiliarIP UnfamiliarASN CredentialUsedInParallel"
        );
        assert_eq!(column(&skipped, "unreadable"), ["true", "false"]);
    }

    #[test]
    fn no_cell_is_a_formula() {
        for text in ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1"] {
            let mut analysis = fixture::analysis();
            text.clone_into(&mut analysis.risky[0].graph.display_name);
            text.clone_into(&mut analysis.findings[0].name);
            analysis.findings[0].event_ids = vec![text.to_owned(), "b".to_owned()];
            let [risky, detections, _] = written(&analysis);
            let expected = format!("'{text}");
            assert_eq!(column(&risky, "displayName")[0], expected);
            assert_eq!(column(&detections, "servicePrincipalDisplayName")[0], expected);
            assert_eq!(column(&detections, "eventIds")[0], expected + " b");
        }
    }

    #[test]
    fn line_ends_and_quotes_survive() {
        let mut analysis = fixture::analysis();
        let text = "a\r\nb,\"c\";d\ne";
        text.clone_into(&mut analysis.risky[0].graph.display_name);
        let [risky, ..] = written(&analysis);
        assert_eq!(column(&risky, "displayName")[0], text);
    }

    #[test]
    fn an_error_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("skipped.csv")).unwrap();
        let error = write(&fixture::analysis(), folder.path()).unwrap_err();
        assert!(format!("{error:#}").contains("skipped.csv"), "{error:#}");
    }
}
