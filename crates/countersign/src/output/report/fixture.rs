//! A small analysis, built by hand, for the tests of the outputs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use countersign_detection::budget::Budget;
use countersign_detection::calibration::Calibration;
use countersign_detection::detector::{Measured, RiskyPrincipal};
use countersign_detection::risk::{Risk, RiskEvent};
use countersign_model::finding::{Evidence, Explanation, Finding, LearningState, Notice};
use countersign_model::risk::{RiskDetail, RiskEventType, RiskLevel, RiskState, RiskyServicePrincipal};
use countersign_model::source::Country;
use countersign_model::time::{DAY, HOUR, Timestamp};

use crate::analyze::result::{Analysis, Point, Read, Skipped, Tables, Timeline};

/// 2026-03-02T00:00:00Z, a Monday.
const START: Timestamp = Timestamp(1_772_409_600_000_000);
const DAYS: i64 = 61;

const DEUTSCHE_TELEKOM: (u32, &str, &str, &str) = (3320, "Deutsche Telekom AG", "DE", "198.51.100.7");
const MICROSOFT: (u32, &str, &str, &str) = (8075, "Microsoft Corporation", "NL", "192.0.2.40");
const HOSTING: (u32, &str, &str, &str) = (64500, "Example Hosting B.V.", "NL", "203.0.113.9");

/// Nothing read, nothing found.
pub(crate) fn empty() -> Analysis {
    Analysis {
        read: Read::default(),
        tables: Tables::default(),
        budget: Budget::default(),
        calibration: calibration(),
        measured: Measured::default(),
        findings: Vec::new(),
        risky: Vec::new(),
        notices: Vec::new(),
        timelines: BTreeMap::new(),
    }
}

fn calibration() -> Calibration {
    let mut calibration = Calibration::default();
    calibration.identity_days = 2_000;
    calibration.reached = [[40, 3, 0, 0, 0, 0], [10, 1, 0, 0, 0, 0], [2_000, 100, 5, 1, 0, 0]];
    calibration
}

/// Three risky identities over two months: a stolen secret, an indicator, a new agent.
pub(crate) fn analysis() -> Analysis {
    let mut analysis = empty();
    analysis.read = Read {
        files: 8,
        bytes: 2_140_000_000,
        records: 1_240_113,
        by_type: [
            ("ServicePrincipalSignInLogs", 1_102_333),
            ("ManagedIdentitySignInLogs", 91_200),
            ("AuditLogs", 46_580),
        ]
        .map(|(log, records)| (log.to_owned(), records))
        .into(),
        skipped: [
            ("not valid JSON", 3, "signins/2026-04-11.json:812: `{\"time\":\"2026-04-`", true),
            ("sign-in of a user", 40_120, "signins/2026-03-02.json:1", false),
        ]
        .map(|(reason, count, example, unreadable)| {
            (reason.to_owned(), Skipped { count, example: example.to_owned(), unreadable })
        })
        .into(),
        repeated: 412,
        span: Some((START.plus(6 * HOUR), START.plus(DAYS * DAY - 3 * HOUR))),
        principals: 412,
    };
    analysis.tables = Tables {
        addresses: "IPFire Location database of 2026-04-20".to_owned(),
        addresses_age_days: 11,
        patterns: vec!["4 Sigma rules in use, 1 refused".to_owned()],
        feeds: vec!["exits.txt: list of addresses, 1,204 indicators in force, 3 unreadable".to_owned()],
    };
    analysis.measured = Measured { identity_days: 24_720, unsupported: 1 };
    for (number, level, name) in [
        (0, RiskLevel::High, "svc-payroll-export"),
        (1, RiskLevel::Medium, "Contoso Billing Sync"),
        (2, RiskLevel::Low, "terraform-prod"),
    ] {
        add(&mut analysis, number, level, name);
    }
    analysis.notices.push(Notice {
        time: START.plus(30 * DAY),
        text: "4 identities moved together to the range of 192.0.2.64 (AS8075 Microsoft \
                Corporation) since 2026-04-01 00:00: a change of network, judged once"
            .to_owned(),
        service_principals: vec![
            analysis.risky[2].graph.id.clone(),
            "11111111-0000-4000-8000-000000000009".to_owned(),
        ],
    });
    analysis
}

/// Adds an identity with one finding and sixty days of activity.
pub(crate) fn add(analysis: &mut Analysis, number: usize, level: RiskLevel, name: &str) {
    let id = format!("3fdb2d30-06c4-4a33-9b4a-0d3a1c4d{number:04x}");
    let began = START.plus((52 + number as i64) * DAY + 11 * HOUR);
    let finding = finding(&id, number, level, name, began);
    let mut risk = Risk::default();
    risk.apply(&RiskEvent::Findings(RiskLevel::Low), finding.detected);
    risk.apply(&RiskEvent::Findings(level), finding.detected.plus(2 * HOUR));
    analysis.timelines.insert(id.clone(), timeline(number, analysis.findings.len(), began));
    analysis.risky.push(RiskyPrincipal {
        graph: RiskyServicePrincipal {
            id,
            app_id: finding.app.clone(),
            display_name: name.to_owned(),
            is_enabled: number != 2,
            is_processing: false,
            risk_level: risk.level,
            risk_state: risk.state,
            risk_detail: risk.detail,
            risk_last_updated_date_time: risk.updated.to_string(),
            service_principal_type: "Application".to_owned(),
        },
        tenant: finding.tenant.clone(),
        risk,
        activity: (START.plus(11 * HOUR), START.plus(DAYS * DAY - 13 * HOUR)),
        findings: vec![finding.id.clone()],
    });
    analysis.findings.push(finding);
}

fn finding(id: &str, number: usize, level: RiskLevel, name: &str, began: Timestamp) -> Finding {
    let evidence = [
        ("source", 6.802),
        ("agent", 1.686),
        ("resource", 0.956),
        ("parallelUse", 1.5),
        ("credential", -0.323),
    ];
    Finding {
        id: format!("{number:064x}"),
        risk_event_type: match number {
            1 => RiskEventType::InvestigationsThreatIntelligence,
            _ => RiskEventType::SuspiciousSignins,
        },
        level,
        state: RiskState::AtRisk,
        detail: RiskDetail::None,
        score: 10.621 - 2.5 * number as f64 % 7.0,
        tenant: "0a1b2c3d-4444-4555-8666-777788889999".to_owned(),
        service_principal: id.to_owned(),
        app: format!("b1d2c3aa-2f4e-4f3c-8d55-6a7b8c9d{number:04x}"),
        name: name.to_owned(),
        activity: began,
        last_activity: began.plus(4 * DAY),
        detected: began.plus(HOUR),
        updated: began.plus(4 * DAY),
        ip: Some(HOSTING.3.parse().unwrap()),
        country: Country::parse(HOSTING.2),
        key_ids: vec!["5e0cf5e6-5a12-4c5e-9d3f-0000bfc4a7f2".to_owned()],
        event_ids: (0..40).map(|at| format!("8c1f0a6e-{number:04x}-4b7e-9a55-{at:012x}")).collect(),
        events: if number == 1 { 4_120 } else { 40 },
        reasons: ["UnfamiliarIP", "UnfamiliarASN", "CredentialUsedInParallel"].map(str::to_owned).to_vec(),
        evidence: evidence.map(|(dimension, ln)| Evidence { dimension: dimension.to_owned(), ln }).to_vec(),
        measured_rate: Some(0.04),
        learning: LearningState::Learnt,
        corroborated: number == 0,
        late: number == 1,
        explanation: explanation(level, name),
    }
}

fn explanation(level: RiskLevel, name: &str) -> Explanation {
    let level = match level {
        RiskLevel::High => "High",
        RiskLevel::Medium => "Medium",
        _ => "Low",
    };
    Explanation {
        verdict: format!(
            "{level}. {name} used its secret …a7f2 from a new network while the old \
                one kept working."
        ),
        facts: [
            "Source 203.0.113.9, hosting, AS64500 Example Hosting B.V. (NL). In 61 days and 58 runs \
                this identity used 2 addresses, in AS3320 (DE). Chance of a new source per run: \
                0.40 % (its peers: 0.90 %). None of 14 other identities use AS64500.",
            "Agent python-requests/2 is new here; no other identity uses it. Resource Microsoft \
                Graph is new here.",
            "The same credential was used from 2 usual addresses before: whoever signs in holds the \
                known secret.",
            "2026-04-23 11:02 to 13:40: 4 events from the new source, 3 from the old ones: two \
                holders of one credential, not a move.",
            "Evidence 1 : 41,000 (source 900, agent 5.4, parallel use 4.5, resource 2.6, credential 0.72).",
        ]
        .map(str::to_owned)
        .to_vec(),
        harmless_if: "the owner runs a second instance in AS64500 on purpose, or the old one is \
                about to stop"
            .to_owned(),
        check_first: "ask the owner of application b1d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f, key …a7f2 \
                whether 203.0.113.9 is theirs; look at what the tokens were used for from \
                2026-04-23 11:02 on. Disabling the key stops 2 usual sources."
            .to_owned(),
    }
}

/// Two jobs on working days from the usual places, then some from elsewhere.
fn timeline(number: usize, finding: usize, began: Timestamp) -> Timeline {
    let mut points = Vec::new();
    for day in 0..DAYS {
        let midnight = START.plus(day * DAY);
        if day % 7 < 5 {
            points.push(point(
                DEUTSCHE_TELEKOM,
                midnight.plus(11 * HOUR),
                (4 + day as u64 * 13 % 40, 0),
                None,
            ));
        }
        if day % 3 == 0 {
            points.push(point(MICROSOFT, midnight.plus(3 * HOUR), (120, u64::from(day == 33) * 3), None));
        }
        if number == 2 && day % 9 == 4 {
            points.push(point(MICROSOFT, midnight.plus(5 * HOUR), (0, 6), None));
        }
        let since = midnight.plus(11 * HOUR).since(began);
        if (0..=4 * DAY).contains(&since) {
            let events = if since == 0 { (0, 2) } else { (3 + day as u64 % 17, 0) };
            points.push(point(HOSTING, midnight.plus(11 * HOUR), events, Some(finding)));
        }
    }
    points.push(Point { ip: None, asn: 0, as_name: String::new(), country: None, ..points[0].clone() });
    Timeline {
        points,
        changes: vec![
            (START.plus(9 * DAY), "Add service principal credentials by anna@contoso.example".to_owned()),
            (
                began.plus(-DAY),
                "Update application: certificates and secrets management by pipeline-admin".to_owned(),
            ),
        ],
        omitted: 0,
    }
}

fn point(
    (asn, as_name, country, ip): (u32, &str, &str, &str),
    hour: Timestamp,
    (succeeded, failed): (u64, u64),
    finding: Option<usize>,
) -> Point {
    Point {
        hour,
        ip: ip.parse::<IpAddr>().ok(),
        asn,
        as_name: as_name.to_owned(),
        country: Country::parse(country),
        agent: if finding.is_some() { "python-requests/2" } else { "azsdk-net/1 on Windows" }.to_owned(),
        resource: "Microsoft Graph".to_owned(),
        succeeded,
        failed,
        finding,
    }
}
