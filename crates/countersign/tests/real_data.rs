//! All published real samples of `../shared/data/real` in one call. Passes, and says so, where that folder is absent.
#![expect(clippy::print_stdout, reason = "a test that skips says so")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

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
