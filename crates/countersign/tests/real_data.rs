//! All published real samples of `../shared/data/real` in one call. Passes, and says so, where that folder is absent.
#![expect(clippy::print_stdout, reason = "a test that skips says so")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The real samples; `None`, and said so, where they are not beside this clone.
fn samples(of: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/real").join(of);
    if folder.exists() {
        return Some(folder);
    }
    println!("skipped: the real samples `{of}` are not beside this clone");
    None
}

/// One finding: type, name of the identity, ids of its records.
type Found = (String, String, BTreeSet<String>);

/// What is found in a file or folder of the samples.
fn found(path: &Path) -> Vec<Found> {
    let folder = tempfile::tempdir().unwrap();
    let detections = folder.path().join("detections.ndjson");
    let run = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .arg("analyze")
        .arg(path)
        .arg("--detections")
        .arg(&detections)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let text = std::fs::read_to_string(&detections).unwrap();
    let finding = |line: &str| {
        let finding: Value = serde_json::from_str(line).unwrap();
        let info: Value = serde_json::from_str(finding["additionalInfo"].as_str().unwrap()).unwrap();
        let pairs = info.as_array().unwrap();
        let ids =
            pairs.iter().find(|pair| pair["Key"] == "eventIds").unwrap()["Value"].as_array().unwrap().clone();
        let ids = ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        let text = |key: &str| finding[key].as_str().unwrap().to_owned();
        (text("riskEventType"), text("servicePrincipalDisplayName"), ids)
    };
    text.lines().map(finding).collect()
}

/// True when a finding of this type on this identity rests on the record.
fn rests_on(found: &[Found], kind: &str, name: &str, record: &str) -> bool {
    found.iter().any(|(own_kind, own_name, ids)| own_kind == kind && own_name == name && ids.contains(record))
}

#[test]
fn the_golden_saml_episode_is_found_with_its_records() {
    let Some(file) = samples("otrf-security-datasets/GoldenSAMLADFSMailAccess/AADAuditEvents.json") else {
        return;
    };
    let found = found(&file);
    for record in [
        // The secret, and the grant of Mail.ReadWrite before it.
        "Directory_10065ffb-8199-48bc-8ff5-912cb5b8295a_AUMVX_13992832",
        "Directory_630d7f0c-acc4-4596-85ab-7e5d839b4291_9VRQI_37762000",
    ] {
        assert!(
            rests_on(&found, "anomalousServicePrincipalActivity", "SimuLandApp", record),
            "{record}: {found:#?}"
        );
    }
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn the_invictus_episode_is_found_and_its_harmless_counterpart_is_not() {
    let Some(file) = samples("invictus-o365-dataset") else { return };
    let found = found(&file);
    for (name, record) in [
        // Consents to applications whose names imitate Microsoft's, and secrets of them.
        ("rnicrosoft_office", "b5fd9885-d0ab-4793-b922-eb5a1953d47c"),
        ("rnicrosoft", "2501cd38-d4c2-40ad-9bbf-bc7b58ebd768"),
        ("rnicrosoft_office", "ccab3ebe-82e3-4cc3-9bbc-86d3d0a74909"),
    ] {
        assert!(rests_on(&found, "suspiciousApplication", name, record), "{name}, {record}: {found:#?}");
    }
    // An administrator who sets up a log exporter does much the same on 2021-06-15.
    assert!(found.iter().all(|(_, name, _)| !name.starts_with("Splunk")), "{found:#?}");
}

#[test]
fn records_without_context_raise_nothing_unless_the_record_alone_is_grave() {
    let Some(folder) = samples("splunk-security-content") else { return };
    let found = found(&folder);
    for (kind, name, record) in [
        // A service principal gives full access to all mailboxes.
        (
            "anomalousServicePrincipalActivity",
            "LegacyTestOAuthApp",
            "Directory_ed53faec-49b5-444f-b6af-b928558ca433_XH34Q_29215277",
        ),
        // Microsoft itself refused the consent as risky.
        (
            "suspiciousApplication",
            "Bad App 1",
            "Directory_864210f1-2950-47cb-9e12-1a71dcbdb1d5_DO21D_338329364",
        ),
    ] {
        assert!(rests_on(&found, kind, name, record), "{name}: {found:#?}");
    }
    assert_eq!(found.len(), 2, "{found:#?}");
    for quiet in ["panther-analysis", "elastic-integrations", "wazuh", "sekoia-intake-formats"] {
        let Some(folder) = samples(quiet) else { return };
        let found = self::found(&folder);
        assert!(found.is_empty(), "{quiet}: {found:#?}");
    }
}

#[test]
fn every_file_in_one_call_is_read_or_named_with_its_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/real");
    if !folder.is_dir() {
        println!("skipped: the real samples are not beside this clone");
        return;
    }
    let run = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["analyze", "--json"])
        .arg(&folder)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let result: Value = serde_json::from_slice(&run.stdout).unwrap();
    let read = &result["read"];
    // SOURCES.md, "By log type", and the records inside the mixed Panther file.
    for (log, records) in [
        ("ServicePrincipalSignInLogs", 7 + 7),
        ("ManagedIdentitySignInLogs", 33),
        ("MicrosoftServicePrincipalSignInLogs", 1),
        ("MicrosoftGraphActivityLogs", 7),
        ("AzureADGraphActivityLogs", 4),
    ] {
        assert_eq!(read["byType"][log], records, "{log}");
    }
    // 24 envelopes, 4 Log Analytics rows, 58 Graph objects, 7 and 2 + 2 in the mixed file: at least these.
    assert!(read["byType"]["AuditLogs"].as_u64().unwrap() >= 24 + 4 + 58 + 11, "{}", read["byType"]);
    // The long series alone has 268 changes of the directory and 575 sign-ins that are passed over.
    assert!(read["byType"]["unified audit log"].as_u64().unwrap() >= 268 + 575, "{}", read["byType"]);
    let files = walkdir::WalkDir::new(&folder)
        .into_iter()
        .filter(|entry| entry.as_ref().unwrap().file_type().is_file());
    assert_eq!(read["files"].as_u64().unwrap(), files.count() as u64);
    for skipped in read["skipped"].as_array().unwrap() {
        let example = skipped["example"].as_str().unwrap();
        assert!(!skipped["reason"].as_str().unwrap().is_empty());
        assert!(example.contains("shared/data/real") && example.contains(':'), "{example}");
    }
    // Single records without context are no reason to call anybody.
    let risky = result["riskyServicePrincipals"].as_array().unwrap();
    assert!(risky.iter().all(|principal| principal["riskLevel"] != "high"), "{risky:#?}");
}
