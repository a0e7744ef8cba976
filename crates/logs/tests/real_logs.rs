//! Decodes the published real samples of `../shared/data/real`, and compares with what their publishers say
//! is in them. Passes, and says so, where that folder is absent.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use countersign_logs::decode::{self, LogType, Sink, Skip};
use countersign_logs::framing::Framer;
use countersign_model::event::{Actor, Event};
use serde_json::Value;

fn real() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/real");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: the real samples are not beside this clone");
    None
}

/// What one file holds: the fields that publishers give too, per event, and what was skipped.
#[derive(Default)]
struct Found {
    events: Vec<(LogType, Normal)>,
    skipped: BTreeMap<String, u64>,
    unreadable: Vec<(u64, String)>,
}

#[derive(Debug, Default, PartialEq)]
struct Normal {
    time: String,
    operation: String,
    ip: String,
    app: String,
    principal: String,
    succeeded: bool,
    correlation: String,
}

impl Sink for Found {
    fn event(&mut self, log_type: LogType, _: u64, event: &Event<'_>) {
        let time = event.time().to_string();
        let ip = event.address().ip.map(|ip| ip.to_string()).unwrap_or_default();
        let normal = match event.clone() {
            Event::SignIn(event) => Normal {
                time,
                operation: "Sign-in activity".to_owned(),
                ip,
                app: event.app.to_string(),
                principal: event.service_principal.to_string(),
                succeeded: event.error_code == 0,
                correlation: event.correlation.to_string(),
            },
            Event::DirectoryAudit(event) => Normal {
                time,
                operation: event.operation.into_owned(),
                ip,
                app: event.app.to_string(),
                principal: match event.initiated_by {
                    Actor::App { service_principal, .. } => service_principal.to_string(),
                    Actor::User { id, .. } => id.to_string(),
                    Actor::Unknown => String::new(),
                },
                succeeded: event.succeeded,
                correlation: event.correlation.to_string(),
            },
            Event::ApiActivity(event) => Normal {
                time,
                operation: event.uri.into_owned(),
                ip,
                app: event.app.to_string(),
                principal: event.service_principal.to_string(),
                succeeded: event.status < 400,
                correlation: event.id.to_string(),
            },
        };
        self.events.push((log_type, normal));
    }

    fn skip(&mut self, line: u64, skip: Skip) {
        *self.skipped.entry(skip.to_string()).or_default() += 1;
        if let Skip::Unreadable(unreadable) = skip {
            self.unreadable.push((line, unreadable.reason.into_owned()));
        }
    }
}

fn read(path: &Path) -> Found {
    let mut bytes = std::fs::read(path).unwrap();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
        bytes = plain;
    }
    let mut found = Found::default();
    let mut framer = Framer::new();
    framer.push(&bytes, &mut |batch| decode::decode(&batch, &mut found));
    framer.finish(&mut |batch| decode::decode(&batch, &mut found));
    found
}

/// Log types of `MANIFEST.csv` that hold events, and the log each is decoded as.
fn expected_log(manifest_type: &str) -> Option<&'static [LogType]> {
    Some(match manifest_type {
        "ServicePrincipalSignInLogs" => &[LogType::ServicePrincipalSignInLogs],
        "ManagedIdentitySignInLogs" => &[LogType::ManagedIdentitySignInLogs],
        "MicrosoftServicePrincipalSignInLogs" => &[LogType::MicrosoftServicePrincipalSignInLogs],
        "AuditLogs" | "AuditLogs (Log Analytics)" | "Graph directoryAudit" => &[LogType::AuditLogs],
        "MicrosoftGraphActivityLogs" => &[LogType::MicrosoftGraphActivityLogs],
        "AzureADGraphActivityLogs" => &[LogType::AzureADGraphActivityLogs],
        _ => return None,
    })
}

#[test]
fn every_record_that_the_manifest_counts_is_decoded() {
    let Some(real) = real() else { return };
    let manifest = std::fs::read_to_string(real.join("MANIFEST.csv")).unwrap();
    let mut rows = csv_rows(&manifest);
    let header = rows.remove(0);
    let column = |name: &str| header.iter().position(|cell| cell == name).unwrap();
    let (path, kind, count) = (column("path"), column("type"), column("records"));
    // A file may hold several types: the manifest then joins them, as `AuditLogs; SignInLogs`.
    let mut complaints = Vec::new();
    for row in &rows {
        let Some(logs) = expected_log(&row[kind]) else { continue };
        let found = read(&real.join(&row[path]));
        let decoded = found.events.iter().filter(|(log_type, _)| logs.contains(log_type)).count();
        let expected: usize = row[count].parse().unwrap();
        if decoded != expected {
            complaints
                .push(format!("{} ({}): {decoded} of {expected}: {:?}", row[path], row[kind], found.skipped));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn files_that_mix_logs_are_routed_by_record() {
    let Some(real) = real() else { return };
    let found = read(&real.join("panther-analysis/azure_audit.ndjson"));
    let count = |log_type| found.events.iter().filter(|(found, _)| *found == log_type).count();
    // SOURCES.md: SignInLogs 9, ServicePrincipalSignInLogs 7, AuditLogs 7, and 4 audit records that carry
    // their own category (Policy, ApplicationManagement) in the envelope.
    assert_eq!(count(LogType::ServicePrincipalSignInLogs), 7, "{:?}", found.skipped);
    assert_eq!(count(LogType::AuditLogs), 11, "{:?}", found.skipped);
    assert_eq!(
        found.skipped.get("sign-in of a user (SignInLogs): passed over"),
        Some(&9),
        "{:?}",
        found.skipped
    );
    assert_eq!(found.unreadable, []);
}

fn csv_rows(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn no_file_is_silent() {
    let Some(real) = real() else { return };
    for entry in walkdir::WalkDir::new(&real).sort_by_file_name() {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let found = read(entry.path());
            assert!(
                !found.events.is_empty() || !found.skipped.is_empty(),
                "{} is silent",
                entry.path().display()
            );
        }
    }
}

#[test]
fn normalised_fields_agree_with_the_published_ecs_expectations() {
    let Some(real) = real() else { return };
    let mut compared = 0;
    for (file, log_type) in [
        ("signinlogs/test-service-principal-signinlogs-sample.log", LogType::ServicePrincipalSignInLogs),
        ("signinlogs/test-managed-identity-sample.log", LogType::ManagedIdentitySignInLogs),
        ("auditlogs/test-audit-logs-sample.log", LogType::AuditLogs),
        ("auditlogs/test-audit-logs-edgecases.log", LogType::AuditLogs),
        ("graphactivitylogs/test-activitylogs-raw.log", LogType::MicrosoftGraphActivityLogs),
    ] {
        let path = real.join("elastic-integrations").join(file);
        let found = read(&path);
        let expected: Value =
            serde_json::from_slice(&std::fs::read(format!("{}-expected.json", path.display())).unwrap())
                .unwrap();
        let expected = expected["expected"].as_array().unwrap();
        assert_eq!(found.events.len(), expected.len(), "{file}: {:?}", found.skipped);
        for ((decoded_as, event), ecs) in found.events.iter().zip(expected) {
            assert_eq!(*decoded_as, log_type, "{file}");
            compare(file, log_type, event, ecs);
            compared += 1;
        }
    }
    assert!(compared >= 50, "only {compared} records compared");
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn compare(file: &str, log_type: LogType, event: &Normal, ecs: &Value) {
    let what = format!("{file}: {}", event.correlation);
    // ECS has milliseconds, cut and not rounded.
    let millis = text(ecs, "/@timestamp").trim_end_matches('Z');
    let (seconds, fraction) = millis.split_once('.').unwrap_or((millis, ""));
    let expected_time = format!("{seconds}.{fraction:0<3}");
    let is_sign_in = log_type != LogType::AuditLogs && log_type != LogType::MicrosoftGraphActivityLogs;
    if is_sign_in {
        // Elastic stamps sign-ins with the time of writing; the event time is `created_at`.
        let created = text(ecs, "/azure/signinlogs/properties/created_at");
        assert_eq!(event.time[..23], created[..23], "{what}");
        assert_eq!(event.app, text(ecs, "/azure/signinlogs/properties/app_id"), "{what}");
        assert_eq!(event.principal, text(ecs, "/azure/signinlogs/properties/service_principal_id"), "{what}");
        assert_eq!(event.operation, text(ecs, "/azure/signinlogs/operation_name"), "{what}");
    } else {
        assert_eq!(event.time[..23], expected_time, "{what}");
    }
    let ip =
        ecs.pointer("/source/ip").or_else(|| ecs.pointer("/client/ip")).and_then(Value::as_str).unwrap_or("");
    assert_eq!(event.ip, ip, "{what}");
    if let Some(outcome) = ecs.pointer("/event/outcome").and_then(Value::as_str) {
        assert_eq!(if event.succeeded { "success" } else { "failure" }, outcome, "{what}");
    }
    match log_type {
        LogType::AuditLogs => {
            let operation = text(ecs, "/azure/auditlogs/operation_name").replace('\u{2013}', "-");
            assert_eq!(event.operation, operation.trim(), "{what}");
            let user = text(ecs, "/azure/auditlogs/properties/initiated_by/user/id");
            let app = text(ecs, "/azure/auditlogs/properties/initiated_by/app/servicePrincipalId");
            let expected = if app.is_empty() { user } else { app };
            assert_eq!(event.principal, expected, "{what}");
        }
        LogType::MicrosoftGraphActivityLogs => {
            assert_eq!(event.app, text(ecs, "/azure/graphactivitylogs/properties/app_id"), "{what}");
            // Elastic keeps doubled slashes and doubly escaped `&`; rule 11 puts both right.
            let uri = text(ecs, "/url/original").replace(r"\u0026", "&");
            let uri = uri.replace("/beta//", "/beta/").replace("/v1.0//", "/v1.0/");
            assert_eq!(event.operation, uri, "{what}");
        }
        _ => {}
    }
}

#[test]
fn unified_audit_logs_give_their_directory_changes() {
    let Some(real) = real() else { return };
    // Records with `RecordType` 8, and with 9 or 15, counted by another reader over the same files.
    for (file, changes, sign_ins) in [
        ("det-eng-samples/t1098.001_Add_a_user_to_company_administrator_role.csv", 1, 0),
        ("det-eng-samples/t1098.002_user-reset_mailbox_full_access.json", 4, 0),
        ("det-eng-samples/t1098_Add_a_user_to_company_administrator_role.json", 1, 0),
        ("det-eng-samples/t1110.003_msolspray-powershell.json", 0, 11),
        ("det-eng-samples/t1110.003_msolspraywithsuccess_1.csv", 0, 9),
        ("det-eng-samples/t1114.003_rule_mail_forward_same_dest.json", 0, 0),
        ("det-eng-samples/t1531_Remove-Admin_members_from_a_group.csv", 1, 0),
        ("det-eng-samples/t1550.001_Allusers_consent_to_grant_permission_granted.json", 1, 0),
        ("det-eng-samples/t1556.006_Disable_Strong_Authentication.csv", 3, 0),
        ("det-eng-samples/t1556_Disable__Strong_Authentication.json", 3, 0),
        ("elastic-beats/o365-audit/02-exchange-item.log", 0, 0),
        ("elastic-beats/o365-audit/08-azuread-users.log", 11, 0),
        ("elastic-beats/o365-audit/08-azuread.log.gz", 100, 0),
        ("graph2otel/m365-unifiedaudit-liveUserLoggedInRecord.json", 0, 1),
        ("invictus-o365-dataset/auditrecords-2021-03-to-06.csv.gz", 268, 575),
        ("panther-analysis/m365_aad.ndjson", 2, 2),
        ("sekoia-intake-formats/o365/add_member_to_role.json", 1, 0),
        ("sekoia-intake-formats/o365/event_add_application.json", 1, 0),
        ("splunk-security-content/o365_add_app_role_assignment_to_service_principal_.json", 1, 0),
        ("splunk-security-content/o365_consent_to_application_.json", 1, 0),
        ("splunk-security-content/o365_userloggedin.json", 0, 1),
    ] {
        let found = read(&real.join(file));
        assert_eq!(found.events.len(), changes, "{file}: {:?}", found.skipped);
        assert!(found.events.iter().all(|(log_type, _)| *log_type == LogType::UnifiedAuditLog), "{file}");
        let passed_over = found.skipped.get("sign-in of a user (unified audit log): passed over");
        assert_eq!(passed_over.copied().unwrap_or(0), sign_ins, "{file}: {:?}", found.skipped);
        // The collector that the long series went through cut its rows at 10,000 bytes.
        let cut = if file.starts_with("invictus") { 3 } else { 0 };
        let is_cut = |(_, reason): &(u64, String)| reason.starts_with("column `AuditData` is empty");
        assert_eq!(found.unreadable.iter().filter(|found| is_cut(found)).count(), cut, "{file}");
        assert_eq!(found.unreadable.len(), cut, "{file}: {:?}", found.unreadable);
        for (_, event) in &found.events {
            assert!(
                !event.operation.is_empty() && !event.operation.ends_with(['.', ' ']),
                "{file}: {event:?}"
            );
            assert!(!event.principal.contains('_'), "{file}: {event:?}");
        }
    }
}
