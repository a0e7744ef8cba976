//! What a user can do with the binary, from outside: outputs, exit status, pipes, and that nothing depends on order.

mod run;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use run::{
    command, countersign, countersign_fed, file, folder, gzip, sign_ins, skipped, spawn, text, unusable, zstd,
};
use serde_json::Value;

/// A tenant in which something happens, with more than a megabyte of events.
const PARAMETERS: [&str; 6] = ["--principals", "10", "--days", "21", "--attacks", "0.5"];

/// The tenant as one file per category, made once.
fn tenant() -> &'static PathBuf {
    static TENANT: OnceLock<PathBuf> = OnceLock::new();
    TENANT.get_or_init(|| {
        let out = folder("tenant");
        simulate(&[PARAMETERS.as_slice(), &["--out", &text(&out), "--layout", "single"]].concat());
        out
    })
}

fn simulate(arguments: &[&str]) {
    let ended = countersign(&[&["simulate", "--seed", "7"], arguments].concat());
    assert_eq!(ended.status, Some(0), "{ended:?}");
}

/// The logs of the tenant, without the truth.
fn logs() -> Vec<String> {
    let entries = fs::read_dir(tenant()).unwrap().map(|entry| entry.unwrap().path());
    let mut logs: Vec<String> = entries
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .map(|path| text(&path))
        .collect();
    logs.sort();
    logs
}

/// Analyses `paths`: what `--json` says and the bytes of `--detections`.
fn analyze(name: &str, flags: &[&str], paths: &[String]) -> (Value, Vec<u8>) {
    let out = text(&folder(name).join("detections.ndjson"));
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let json = countersign(&[&["analyze", "--json", "--detections", &out], flags, &paths].concat()).json();
    (json, fs::read(out).unwrap())
}

/// What was read, without what depends on how files are packed and named.
fn counts(json: &Value) -> Value {
    let mut read = json["read"].clone();
    for key in ["bytes", "files", "skipped"] {
        read.as_object_mut().unwrap().remove(key);
    }
    read
}

#[test]
fn help() {
    for (name, arguments) in [
        ("help", &["--help"] as &[&str]),
        ("analyze_help", &["analyze", "--help"]),
        ("simulate_help", &["simulate", "--help"]),
        ("evaluate_help", &["evaluate", "--help"]),
    ] {
        let ended = countersign(arguments);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{name}");
        assert!(ended.stdout.lines().all(|line| line.chars().count() <= 120), "{name}");
        insta::assert_snapshot!(name, ended.stdout);
    }
}

#[test]
fn the_json_object_has_what_it_promises() {
    let (json, detections) = analyze("object", &[], &logs());
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for key in ["read", "riskyServicePrincipals", "detections", "measuredFalseAlarmRate"] {
        assert!(keys(&json).contains(&key.to_owned()), "{key}");
    }
    for key in ["files", "records", "byType", "skipped", "from", "to", "principals"] {
        assert!(keys(&json["read"]).contains(&key.to_owned()), "{key}");
    }
    let detections = String::from_utf8(detections).unwrap();
    assert_eq!(json["detections"], detections.lines().count());
    assert!(json["detections"].as_u64().unwrap() > 0, "the tests below need something to be found");
    for line in detections.lines() {
        let detection: Value = serde_json::from_str(line).unwrap();
        let additional: Value = match &detection["additionalInfo"] {
            Value::String(text) => serde_json::from_str(text).unwrap(),
            other => other.clone(),
        };
        let named = |key: &str| match &additional {
            // Graph writes a list of `Key` and `Value`.
            Value::Array(list) => {
                list.iter().find(|pair| pair["Key"] == key).map(|pair| pair["Value"].clone())
            }
            object => object.get(key).cloned(),
        };
        assert!(named("riskScore").is_some_and(|score| score.is_number()), "{additional}");
        assert!(named("eventIds").is_some() && named("reasons").is_some(), "{additional}");
        assert!(detection["servicePrincipalId"].is_string() && detection["riskEventType"].is_string());
    }
}

#[test]
fn neither_time_nor_order_nor_layout_nor_memory_changes_the_detections() {
    let mut paths = logs();
    let (first_json, first) = analyze("first", &[], &paths);
    assert!(!first.is_empty());
    let (again_json, again) = analyze("again", &[], &paths);
    assert!(first == again && first_json == again_json, "the same input twice");
    paths.reverse();
    let (_, reversed) = analyze("reversed", &[], &paths);
    assert!(first == reversed, "files named in another order");

    let renamed = folder("renamed");
    for (at, path) in paths.iter().enumerate() {
        fs::copy(path, renamed.join(format!("{at}.json"))).unwrap();
    }
    let (_, other_names) = analyze("other-names", &[], &[text(&renamed)]);
    assert!(first == other_names, "files read in another order");

    let spill = folder("spill");
    let (on_disk_json, on_disk) = analyze("on-disk", &["--memory", "1", "--temp-dir", &text(&spill)], &paths);
    assert!(first == on_disk, "sorted on disk");
    assert_eq!(on_disk_json["read"], first_json["read"]);
    assert_eq!(fs::read_dir(&spill).unwrap().count(), 0, "nothing is left behind");
    let shown = countersign(&["analyze", "--memory", "1", &text(tenant())]).stdout;
    assert!(shown.contains("MB sorted on disk"), "{shown}");

    let storage = folder("storage");
    simulate(&[PARAMETERS.as_slice(), &["--out", &text(&storage), "--gzip"]].concat());
    fs::remove_file(storage.join("truth.ndjson")).unwrap();
    let (storage_json, hourly) = analyze("hourly", &[], &[text(&storage)]);
    assert!(first == hourly, "one file an hour");
    assert_eq!(counts(&storage_json), counts(&first_json));
}

#[test]
fn the_same_records_delivered_twice_are_found_once() {
    let paths = logs();
    let twice = folder("twice");
    for path in &paths {
        let name = PathBuf::from(path).file_name().unwrap().to_str().unwrap().to_owned();
        fs::copy(path, twice.join(format!("again-{name}"))).unwrap();
        fs::copy(path, twice.join(name)).unwrap();
    }
    let (_, once) = analyze("once", &[], &paths);
    let (json, doubled) = analyze("doubled", &[], &[text(&twice)]);
    assert!(once == doubled);
    assert!(json["read"]["repeated"].as_u64().unwrap() > 0);
}

#[test]
fn every_packing_gives_the_same() {
    let content = sign_ins(500);
    let plain = folder("plain");
    let utf_16 = content.encode_utf16().flat_map(u16::to_le_bytes);
    let utf_16: Vec<u8> = [0xff, 0xfe].into_iter().chain(utf_16).collect();
    let two_members = [gzip(&content.as_bytes()[..1000]), gzip(&content.as_bytes()[1000..])].concat();
    let packed = [
        file(&plain, "plain.json", &content),
        // What a name promises does not matter.
        file(&plain, "gzip", gzip(content.as_bytes())),
        file(&plain, "two-members.gz", two_members),
        file(&plain, "zstd.json", zstd(content.as_bytes())),
        file(&plain, "utf-16.json", &utf_16),
        file(&plain, "utf-16.json.gz", gzip(&utf_16)),
    ];
    let expected = counts(&countersign(&["analyze", "--json", &packed[0]]).json());
    assert_eq!(expected["byType"]["ServicePrincipalSignInLogs"], 500);
    for path in &packed {
        assert_eq!(counts(&countersign(&["analyze", "--json", path]).json()), expected, "{path}");
    }
    for content in [content.as_bytes(), &gzip(content.as_bytes()), &zstd(content.as_bytes()), &utf_16] {
        let ended =
            countersign_fed(&["analyze", "--json", "-"], |stdin, _| stdin.write_all(content).unwrap());
        assert_eq!(counts(&ended.json()), expected, "standard input");
    }
}

#[test]
fn paths_are_files_folders_patterns_and_standard_input_each_read_once() {
    let folder = folder("paths");
    fs::create_dir_all(folder.join("deep/er")).unwrap();
    let lines: Vec<String> = (0..4).map(run::sign_in).collect();
    let first = file(&folder, "first.json", &lines[0]);
    file(&folder, "deep/second.json", &lines[1]);
    file(&folder, "deep/er/third.json", &lines[2]);
    file(&folder, ".hidden.json", "not read\n");
    let read = |paths: &[&str]| {
        let ended = countersign_fed(&[&["analyze", "--json"], paths].concat(), |stdin, _| {
            // A run that does not read standard input has closed it.
            let _ = stdin.write_all(lines[3].as_bytes());
        });
        let json = ended.json();
        (json["read"]["files"].as_u64().unwrap(), json["read"]["records"].as_u64().unwrap())
    };
    let whole = text(&folder);
    assert_eq!(read(&[&first]), (1, 1));
    assert_eq!(read(&[&whole]), (3, 3));
    assert_eq!(read(&[&whole, &first, &format!("{whole}/*.json")]), (3, 3), "named three times, read once");
    assert_eq!(read(&[&format!("{whole}/**/*.json")]), (3, 3));
    assert_eq!(read(&[&format!("{whole}/deep/*/th?rd.json")]), (1, 1));
    assert_eq!(read(&["-"]), (1, 1));
    assert_eq!(read(&[&whole, "-"]), (4, 4));
}

#[test]
fn a_named_pipe_is_read_as_a_file() {
    let folder = folder("named-pipe");
    let pipe = text(&folder.join("pipe"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let child = spawn(&["analyze", "--json", &pipe]);
    fs::write(&pipe, sign_ins(5)).unwrap();
    let ended = run::Ended::from(child.wait_with_output().unwrap());
    assert_eq!(ended.json()["read"]["records"], 5);
}

#[test]
fn fail_on_gives_status_1_when_a_finding_reaches_the_level() {
    let (_, detections) = analyze("levels", &[], &logs());
    let levels: Vec<String> = String::from_utf8(detections)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["riskLevel"].as_str().unwrap().to_owned())
        .collect();
    let order = ["low", "medium", "high"];
    assert!(!levels.is_empty() && levels.iter().all(|level| order.contains(&level.as_str())), "{levels:?}");
    let tenant = text(tenant());
    for (at, level) in order.iter().enumerate() {
        let reached = levels.iter().any(|found| order[at..].contains(&found.as_str()));
        let ended = countersign(&["analyze", "--fail-on", level, &tenant]);
        assert_eq!(ended.status, Some(i32::from(reached)), "{level} among {levels:?}");
        assert!(!ended.stdout.is_empty(), "the result is shown all the same");
    }
    let quiet = file(&folder("quiet"), "logs.json", sign_ins(50));
    assert_eq!(countersign(&["analyze", "--fail-on", "low", &quiet]).status, Some(0));
}

#[test]
fn since_until_and_principal_narrow_what_is_reported() {
    let (all, _) = analyze("all", &[], &logs());
    let to = all["read"]["to"].as_str().unwrap().get(..10).unwrap().to_owned();
    let (until, _) = analyze("until", &["--until", "2026-03-10"], &logs());
    assert!(
        until["read"]["to"].as_str().unwrap() <= "2026-03-10T00:00:00.000000Z",
        "{}",
        until["read"]["to"]
    );
    let (since, _) = analyze("since", &["--since", &to], &logs());
    assert_eq!(counts(&since), counts(&all), "earlier events are learnt from");
    assert!(since["detections"].as_u64() <= all["detections"].as_u64());
    let (none, detections) = analyze("nobody", &["--principal", "nobody"], &logs());
    assert_eq!((none["detections"].as_u64(), detections.len()), (Some(0), 0));
    let name = all["riskyServicePrincipals"][0]["displayName"].as_str().unwrap();
    let (one, _) = analyze("one", &["--principal", name], &logs());
    let risky = one["riskyServicePrincipals"].as_array().unwrap();
    assert!(!risky.is_empty() && risky.iter().all(|principal| principal["displayName"] == name));
}

#[test]
fn report_and_tables_are_files_of_their_own() {
    let folder = folder("outputs");
    let (report, tables) = (folder.join("report.html"), folder.join("tables"));
    let ended =
        countersign(&["analyze", "--report", &text(&report), "--csv", &text(&tables), &text(tenant())]);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    let report = fs::read_to_string(report).unwrap();
    assert!(report.starts_with("<!DOCTYPE html>"));
    for foreign in ["src=\"http", "href=\"http", "@import", "url(http"] {
        assert!(!report.contains(foreign), "{foreign}");
    }
    assert!(fs::read_dir(tables).unwrap().count() > 0);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "nothing is left behind");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let logs = text(tenant());
    let out = text(&folder("simulated").join("tenant"));
    for arguments in [
        &["analyze", &logs] as &[&str],
        &["analyze", "--json", &logs],
        &["simulate", "--principals", "3", "--days", "1", "--out", &out],
    ] {
        let mut child = command(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // As `| head -0`: closed before the first byte.
        drop(child.stdout.take());
        let ended = run::Ended::from(child.wait_with_output().unwrap());
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
    let piped = format!("{} analyze '{logs}' | head -1", env!("CARGO_BIN_EXE_countersign"));
    let ended = run::Ended::from(Command::new("sh").args(["-c", &piped]).output().unwrap());
    assert_eq!((ended.status, ended.stderr.as_str(), ended.stdout.lines().count()), (Some(0), "", 1));
}

#[test]
fn an_interrupted_run_ends_at_once_and_leaves_nothing() {
    let folder = folder("interrupted");
    let temp = folder.join("temp");
    let arguments = [
        "analyze",
        "--memory",
        "1",
        "--temp-dir",
        &text(&temp),
        "--detections",
        &text(&folder.join("out.ndjson")),
        "--report",
        &text(&folder.join("report.html")),
        "-",
    ];
    let mut child = spawn(&arguments);
    let mut stdin = child.stdin.take().unwrap();
    // More than a pipe holds: when it is written, the run is reading.
    stdin.write_all(sign_ins(20_000).as_bytes()).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("still there 20 s after it was interrupted, with standard input open");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(130));
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr, "error: interrupted\n");
    assert_eq!(fs::read_dir(&temp).unwrap().count(), 0);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "neither output nor a part of one");
    drop(stdin);
}

#[test]
fn a_simulation_depends_on_its_seed_alone() {
    let folder = folder("seeds");
    let bytes = |name: &str, seed: &str| {
        let out = folder.join(name);
        let arguments =
            ["simulate", "--layout", "single", "--principals", "5", "--days", "3", "--seed", seed, "--out"];
        assert_eq!(countersign(&[&arguments, [text(&out).as_str()].as_slice()].concat()).status, Some(0));
        fs::read(out.join("ServicePrincipalSignInLogs.json")).unwrap()
    };
    assert!(bytes("a", "1") == bytes("b", "1"));
    assert!(bytes("c", "1") != bytes("d", "2"));
}

#[test]
fn people_who_sign_in_are_counted_and_passed_over() {
    let (json, _) = analyze("people", &[], &logs());
    let (count, example) = skipped(&json, "sign-in of a user");
    assert_eq!(json["read"]["byType"]["NonInteractiveUserSignInLogs"], count);
    assert!(example.ends_with("NonInteractiveUserSignInLogs.json:1"), "{example}");
}

/// All files below a folder, by their names in it.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = text(path.strip_prefix(folder).unwrap());
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}

#[test]
fn attacks_are_put_onto_the_users_own_logs() {
    let own = folder("inject-own");
    for log in logs() {
        fs::copy(&log, own.join(Path::new(&log).file_name().unwrap())).unwrap();
    }
    let inject = |name: &str| {
        let out = folder("inject").join(name);
        let arguments = ["simulate", "--inject", &text(&own), "--out", &text(&out), "--attacks", "0.5"];
        let ended = countersign(&[&arguments[..], &["--seed", "3"]].concat());
        assert_eq!(ended.status, Some(0), "{ended:?}");
        contents(&out)
    };
    let written = inject("one");
    assert_eq!(written, inject("two"), "the same logs and seed give the same bytes");
    for (name, bytes) in contents(&own) {
        assert_eq!(written.get(&name), Some(&bytes), "{name} is copied unchanged");
    }
    let truth = String::from_utf8(written["truth.ndjson"].clone()).unwrap();
    let before = fs::read_to_string(own.join("ServicePrincipalSignInLogs.json")).unwrap();
    let added: Vec<&Vec<u8>> =
        written.iter().filter(|(name, _)| name.starts_with("injected")).map(|(_, bytes)| bytes).collect();
    let added = String::from_utf8(added.into_iter().flatten().copied().collect()).unwrap();
    assert!(truth.lines().count() >= 2, "{truth}");
    for line in truth.lines() {
        let episode: Value = serde_json::from_str(line).unwrap();
        assert!(before.contains(episode["servicePrincipalId"].as_str().unwrap()), "a principal of the logs");
        for id in episode["eventIds"].as_array().unwrap() {
            assert!(added.contains(id.as_str().unwrap()), "{id} is no record");
        }
    }
}

#[test]
fn injection_says_what_is_wrong_in_one_line() {
    let (logs, out) = (folder("inject-bad"), folder("inject-bad-out"));
    let inject = |out: &Path| countersign(&["simulate", "--inject", &text(&logs), "--out", &text(out)]);
    let says = |out: &Path, words: &str| {
        let ended = inject(out);
        assert_eq!(ended.status, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(words), "{ended:?}");
        assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{ended:?}");
    };
    says(&out, "no file in");
    fs::write(logs.join("notes.json"), "{\"category\":\"Other\"}\n").unwrap();
    says(&out, "no successful sign-in");
    says(&logs.join("inside"), "name a folder elsewhere");
    fs::write(logs.join("truth.ndjson"), "").unwrap();
    says(&out, "move it out of");
    assert_eq!(contents(&out).len(), 0, "nothing is left behind");
}

/// Four rules: one that the tenant meets, one on a field that no record has, one on another log, and a damaged one.
const RULES: &str = "title: A key for an application
id: 5f0e7b8a-0000-4000-8000-000000000001
author: A. Nonymous
logsource:
  product: azure
  service: auditlogs
detection:
  selection:
    OperationName|startswith: 'Update application – Certificates and secrets management '
  condition: selection
level: high
tags:
  - attack.t1098.001
---
title: A misspelling
logsource:
  product: azure
  service: auditlogs
detection:
  selection:
    Nowhere.ToBeFound: x
  condition: selection
level: high
---
title: Of people
logsource:
  product: azure
  service: signinlogs
detection:
  selection:
    DeviceDetail.trusttype: null
  condition: selection
---
title: Damaged
logsource: [
";

#[test]
fn sigma_rules_are_matched_and_what_became_of_them_is_said() {
    let rules = folder("sigma");
    file(&rules, "rules.yml", RULES);
    file(&rules, "notes.txt", "no rule");
    let rules = text(&rules);
    let report = text(&folder("sigma-report").join("report.html"));
    let (json, detections) = analyze("sigma-out", &["--sigma", &rules, "--report", &report], &logs());
    let lines: Vec<&str> =
        json["knownPatterns"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(lines[0], "2 Sigma rules in use, 2 refused", "{lines:#?}");
    for (words, reason) in [
        ("refused: `Of people`", "field `DeviceDetail.trusttype` has no source in these logs"),
        ("refused: `Damaged`", "YAML"),
        ("never seen: ", "`Nowhere.ToBeFound`, which `A misspelling` looks at"),
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(words) && line.contains(reason)),
            "{words}: {lines:#?}"
        );
    }
    assert_eq!(lines.len(), 4, "{lines:#?}");
    let detections = String::from_utf8(detections).unwrap();
    let matched: Vec<&str> =
        detections.lines().filter(|line| line.contains("A key for an application")).collect();
    assert!(!matched.is_empty() && matched.iter().all(|line| line.contains("A. Nonymous")), "{detections}");
    assert!(!detections.contains("A misspelling"));
    assert!(fs::read_to_string(report).unwrap().contains("2 Sigma rules in use"));
    let shown = countersign(&["analyze", "--sigma", &rules, &text(tenant())]).stdout;
    assert!(shown.contains("known patterns  2 Sigma rules in use, 2 refused"), "{shown}");

    let (without, _) = analyze("no-sigma", &[], &logs());
    assert_eq!(without["knownPatterns"], serde_json::json!([]));
}

#[test]
fn rules_that_cannot_be_used_end_the_command_before_anything_is_read() {
    let empty = folder("sigma-empty");
    unusable(&["analyze", "--sigma", &text(&empty), &text(tenant())], &["no .yml or .yaml file"]);
    let damaged = file(&empty, "damaged.yml", "title: Damaged\nlogsource: [\n");
    unusable(
        &["analyze", "--sigma", &damaged, &text(tenant())],
        &["none of 1 Sigma rule can be used", "`Damaged`"],
    );
}

#[test]
fn the_inventory_and_the_list_of_abused_applications_name_who_they_mean() {
    let truth = fs::read_to_string(tenant().join("truth.ndjson")).unwrap();
    let episode: Value = serde_json::from_str(truth.lines().next().unwrap()).unwrap();
    let (app, name) = (episode["appId"].as_str().unwrap(), episode["name"].as_str().unwrap());
    let lists = folder("applications");
    let rogue =
        file(&lists, "rogue.json", format!(r#"[{{"appId":"{app}","tags":["exfil"]}},{{"tags":[]}}]"#));
    let principal = r##"{"@odata.type":"#microsoft.graph.servicePrincipal","id":"6a1f0000-0000-4000-8000-000000000001",
        "appId":"6a1f0000-0000-4000-8000-000000000002","displayName":"Suspended","servicePrincipalType":"Application",
        "disabledByMicrosoftStatus":"DisabledDueToViolationOfServicesAgreement"}"##;
    let inventory = file(&lists, "inventory.json", format!(r#"{{"value":[{principal},{{"id":"x"}}]}}"#));
    let flags = ["--rogue-apps", &rogue, "--inventory", &inventory];
    let (json, detections) = analyze("applications-out", &flags, &logs());
    let feeds = json["threatIntelligence"].to_string();
    assert!(feeds.contains("1 application, 1 without an application id"), "{feeds}");
    assert!(feeds.contains("inventory, 1 object, 1 passed over (first: "), "{feeds}");
    let of = |risk_event_type: &str| -> Vec<Value> {
        let lines = detections.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let all = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap());
        all.filter(|finding| finding["riskEventType"] == risk_event_type).collect()
    };
    let malicious = of("maliciousApplication");
    let named = |name: &str| malicious.iter().any(|finding| finding["servicePrincipalDisplayName"] == name);
    assert!(named(name) && named("Suspended"), "{malicious:#?}");

    let (_, without) = analyze("applications-none", &[], &logs());
    assert!(!String::from_utf8(without).unwrap().contains("maliciousApplication"));
}

#[test]
fn an_inventory_or_list_that_says_nothing_ends_the_command_before_anything_is_read() {
    let lists = folder("applications-bad");
    let empty = file(&lists, "empty.json", "{\"value\":[]}");
    let words = file(&lists, "words.json", "no JSON\n");
    for (flag, path, says) in [
        ("--inventory", &empty, "holds no application or servicePrincipal"),
        ("--inventory", &words, "line 1"),
        ("--rogue-apps", &empty, "an entry needs `appId`"),
        ("--rogue-apps", &words, "is no JSON"),
    ] {
        unusable(&["analyze", flag, path, &text(tenant())], &[path.rsplit('/').next().unwrap(), says]);
    }
}

#[test]
fn an_evaluation_compares_the_detector_with_the_rules_in_use() {
    let page = text(&folder("evaluate").join("quality.html"));
    let seeds = ["evaluate", "--seeds", "3..4", "--principals", "15", "--days", "21", "--attacks", "0.4"];
    let run = || {
        let mut json = countersign(&[&seeds[..], &["--json", "--report", &page]].concat()).json();
        assert!(json.as_object_mut().unwrap().remove("nanosecondsPerEvent").is_some());
        json
    };
    let json = run();
    assert_eq!(json, run(), "what is measured depends on the seeds alone, times aside");
    let attacks = json["attacks"].as_u64().unwrap();
    let families = json["families"].as_array().unwrap();
    let sum = |key: &str| families.iter().map(|family| family[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((attacks, sum("attacks")), (12, 12), "0.4 of 15 in each of two tenants");
    assert!(sum("foundAt1") <= sum("foundAt5") && sum("foundAt5") <= attacks, "{families:#?}");
    let bytes = json["bytesPerIdentity"]["mean"].as_f64().unwrap();
    assert!((904.0..=2048.0).contains(&bytes), "state of an identity, of all detections: {bytes} bytes");
    let methods = json["methods"].as_array().unwrap();
    assert!(methods.len() > 1, "the detector beside the rules: {methods:#?}");
    for method in methods {
        let recall: Vec<f64> =
            ["0.1", "0.5", "1", "5"].map(|budget| method["recall"][budget]["mean"].as_f64().unwrap()).into();
        assert!(recall.is_sorted(), "more false alarms, more recall: {method:#?}");
        assert!(recall.iter().all(|share| (0.0..=1.0).contains(share)), "{method:#?}");
    }
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("<svg") && !page.contains("<script src"), "one self-contained page with plots");
    let shown = countersign(&seeds).stdout;
    assert!(shown.contains("countersign") && shown.contains(&format!("{attacks} attacks")), "{shown}");
}

#[test]
fn an_evaluation_of_injected_attacks_reads_their_truth() {
    let out = folder("evaluate-injected").join("logs");
    let injected = ["--attacks", "0.5", "--seed", "3", "--out", &text(&out)];
    let own = folder("evaluate-own");
    for log in logs() {
        fs::copy(&log, own.join(Path::new(&log).file_name().unwrap())).unwrap();
    }
    let ended = countersign(&[&["simulate", "--inject", &text(&own)], &injected[..]].concat());
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let truth = fs::read_to_string(out.join("truth.ndjson")).unwrap();
    let json = countersign(&["evaluate", "--logs", &text(&out), "--json"]).json();
    assert_eq!(json["attacks"], truth.lines().count(), "each line of the truth is an attack");

    unusable(&["evaluate", "--logs", &text(&own)], &["truth.ndjson", "--truth"]);
    let damaged = file(&own, "truth.txt", "{\"kind\":\"attack\"}\n");
    unusable(&["evaluate", "--logs", &text(&own), "--truth", &damaged], &["truth.txt:1", "no episode"]);
    unusable(&["evaluate", "--seeds", "5..3"], &["5..3", "the first seed is after the last"]);
    unusable(
        &["evaluate", "--seeds", "1", "--principals", "5", "--days", "3", "--attacks", "0"],
        &["no attack"],
    );
}
