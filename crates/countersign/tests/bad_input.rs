//! Input that cannot be used, or not wholly: each is one line that says what to do, or a count with an example.

mod run;

use std::fs;
use std::io::Write as _;

use run::{
    countersign, countersign_fed, file, folder, gzip, sign_in, sign_in_at, sign_ins, skipped, text, unusable,
    zstd,
};

/// Memory that reading may take whatever the input: queues of records, and the address table.
const MEMORY_KB_MAX: u64 = 400 << 10;

#[test]
fn a_missing_file() {
    let folder = folder("missing");
    let absent = text(&folder.join("absent.json"));
    unusable(&["analyze", &absent], &[&absent, "does not exist", "name a file, a folder"]);
    let present = file(&folder, "present.json", sign_in(1));
    unusable(&["analyze", &present, &absent], &[&absent, "does not exist"]);
}

#[test]
fn a_folder_without_logs() {
    let folder = folder("without-logs");
    unusable(&["analyze", &text(&folder)], &["no file in", "name the folder that holds the exported logs"]);
    file(&folder, "readme.txt", "Nothing to see here.\nReally.\n");
    unusable(
        &["analyze", &text(&folder)],
        &["no sign-in, audit or activity record", "neither JSON nor CSV", "readme.txt:1"],
    );
    fs::remove_file(folder.join("readme.txt")).unwrap();
    file(&folder, "empty.json", "");
    unusable(&["analyze", &text(&folder)], &["file is empty", "empty.json"]);
    file(&folder, "blank.json", "\n \n");
    unusable(&["analyze", &text(&folder.join("blank.json"))], &["no sign-in, audit or activity record"]);
}

#[test]
fn logs_of_something_else() {
    let folder = folder("something-else");
    let path = file(
        &folder,
        "other.json",
        "{\"kind\":\"Event\",\"verb\":\"get\"}\n{\"kind\":\"Event\",\"verb\":\"list\"}\n",
    );
    unusable(&["analyze", &path], &["no sign-in, audit or activity record", "other.json:1"]);
}

#[test]
fn a_binary_file() {
    let folder = folder("binary");
    let binary = [b"\x7fELF\x02\x01\x01\0\0\0".as_slice(), &[0x90; 4000]].concat();
    let path = file(&folder, "program", binary);
    unusable(&["analyze", &path], &["binary data: not a log export", "program:1"]);
    file(&folder, "logs.json", sign_ins(3));
    let json = countersign(&["analyze", "--json", &text(&folder)]).json();
    assert_eq!(json["read"]["byType"]["ServicePrincipalSignInLogs"], 3, "the rest is read");
    assert_eq!(skipped(&json, "binary data").0, 1);
}

#[test]
fn a_truncated_gzip_counts_up_to_the_damage() {
    let folder = folder("truncated");
    let (content, words) = (sign_ins(20_000), "its compression is cut off; copy it again");
    for (name, packed) in
        [("logs.json.gz", gzip(content.as_bytes())), ("logs.json.zst", zstd(content.as_bytes()))]
    {
        let path = file(&folder, name, &packed[..packed.len() * 2 / 3]);
        let json = countersign(&["analyze", "--json", &path]).json();
        let (count, example) = skipped(&json, words);
        assert_eq!(count, 1, "{name}");
        assert!(example.contains(name), "{example}");
        let read = json["read"]["byType"]["ServicePrincipalSignInLogs"].as_u64().unwrap();
        assert!((5_000..20_000).contains(&read), "{name}: {read} records before the damage");
        unusable(&["analyze", "--strict", &path], &[words, name]);
    }
}

#[test]
fn a_damaged_gzip_is_named() {
    let folder = folder("damaged");
    let mut packed = gzip(sign_ins(20_000).as_bytes());
    let middle = packed.len() / 2;
    packed[middle..middle + 64].fill(0xff);
    let path = file(&folder, "logs.json.gz", &packed);
    let json = countersign(&["analyze", "--json", &path]).json();
    assert_eq!(skipped(&json, "its compression is damaged; copy it again").0, 1);
}

#[test]
fn a_csv_without_a_header() {
    let folder = folder("csv");
    let path = file(
        &folder,
        "export.csv",
        "2026-05-02T10:20:33Z,f7d36837,203.0.113.9,0\n2026-05-02T10:20:34Z,f7d36838,203.0.113.9,0\n",
    );
    unusable(
        &["analyze", &path],
        &["neither JSON nor CSV with a known header", "the first line names no column", "export.csv:1"],
    );
}

#[test]
fn a_line_of_200_megabytes() {
    let mut memory_kb = 0;
    let ended = countersign_fed(&["analyze", "--json", "-"], |stdin, child| {
        stdin.write_all(sign_in(1).as_bytes()).unwrap();
        stdin.write_all(b"{\"time\":\"").unwrap();
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..200 {
            stdin.write_all(&piece).unwrap();
        }
        stdin.write_all(b"\"}\n").unwrap();
        stdin.write_all(sign_in(2).as_bytes()).unwrap();
        memory_kb = peak_memory_kb(child.id());
    });
    let json = ended.json();
    assert_eq!(json["read"]["byType"]["ServicePrincipalSignInLogs"], 2, "what stands around it is read");
    assert_eq!(skipped(&json, "line is longer than 16 MiB"), (1, "standard input:2".to_owned()));
    assert!(memory_kb < MEMORY_KB_MAX, "{memory_kb} KB");
}

/// Most memory that a running process has held; 0 where the system does not tell.
fn peak_memory_kb(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn time_stamps_in_the_year_1() {
    let folder = folder("year-1");
    let path = file(&folder, "logs.json", sign_in(1) + &sign_in_at(2, "0001-01-01T00:00:00Z") + &sign_in(3));
    let json = countersign(&["analyze", "--json", &path]).json();
    let (count, example) = skipped(&json, "is no time between the years 2000 and 2099");
    assert_eq!(count, 1);
    assert!(example.ends_with("logs.json:2: `0001-01-01T00:00:00Z`"), "{example}");
    assert_eq!(json["read"]["from"].as_str().unwrap().get(..4), Some("2026"));
    let path = file(&folder, "only.json", sign_in_at(2, "0001-01-01T00:00:00Z"));
    unusable(&["analyze", &path], &["is no time between the years 2000 and 2099", "only.json:1"]);
}

#[test]
fn an_output_that_cannot_be_written_is_found_before_anything_is_read() {
    let folder = folder("unwritable");
    let logs = file(&folder, "logs.json", sign_ins(3));
    // Permission bits do not bind the superuser; a path below a regular file binds everybody.
    let below_a_file = format!("{}/logs.json/out", folder.display());
    let in_no_folder = format!("{}/absent/out", folder.display());
    for place in [&below_a_file, &in_no_folder] {
        unusable(
            &["analyze", "--detections", place, &logs],
            &["cannot write", place, "does the folder exist"],
        );
        unusable(&["analyze", "--report", place, &logs], &["cannot write", place, "does the folder exist"]);
    }
    unusable(&["analyze", "--csv", &below_a_file, &logs], &["cannot make the folder", &below_a_file]);
    unusable(&["analyze", "--temp-dir", &below_a_file, &logs], &["cannot make the folder", &below_a_file]);
    unusable(&["simulate", "--out", &below_a_file], &["cannot make the folder", &below_a_file]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn a_run_that_fails_leaves_no_output() {
    let folder = folder("no-output");
    let logs = file(&folder, "logs.txt", "no log\nat all\n");
    let (detections, report) = (text(&folder.join("out.ndjson")), text(&folder.join("report.html")));
    unusable(
        &["analyze", "--detections", &detections, "--report", &report, &logs],
        &["neither JSON nor CSV"],
    );
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn values_that_make_no_sense() {
    let folder = folder("values");
    let logs = file(&folder, "logs.json", sign_in(1));
    for (arguments, words) in [
        (["--budget", "0"], ["--budget", "must be more than 0"]),
        (["--budget", "much"], ["--budget", "not a number"]),
        (["--since", "nonsense"], ["--since", "write 2026-05-02 or 2026-05-02T13:00:00Z"]),
        (["--until", "0001-01-01"], ["--until", "not a time"]),
        (["--fail-on", "never"], ["--fail-on", "low, medium, high"]),
        (["--memory", "lots"], ["--memory", "invalid"]),
        (["--no-such-flag", "1"], ["--no-such-flag", "unexpected argument"]),
    ] {
        let ended = countersign(&["analyze", arguments[0], arguments[1], &logs]);
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        for word in words {
            assert!(ended.stderr.contains(word), "`{word}` in: {}", ended.stderr);
        }
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
    for arguments in [&["analyze"] as &[&str], &[], &["analyse", &logs], &["simulate"]] {
        assert_eq!(countersign(arguments).status, Some(2), "{arguments:?}");
    }
    for (flag, value) in [("--attacks", "2"), ("--days", "0"), ("--principals", "-1")] {
        assert_eq!(
            countersign(&["simulate", "--out", &text(&folder.join("x")), flag, value]).status,
            Some(2),
            "{flag}"
        );
    }
    assert!(!folder.join("x").exists());
}

#[test]
fn strict_makes_a_record_that_cannot_be_read_an_error() {
    let folder = folder("strict");
    let logs =
        file(&folder, "logs.json", sign_in(1) + "{\"time\":\"2026-05-02T10:20:33Z\",\"categ\n" + &sign_in(3));
    let json = countersign(&["analyze", "--json", &logs]).json();
    assert_eq!(json["read"]["byType"]["ServicePrincipalSignInLogs"], 2);
    unusable(
        &["analyze", "--strict", &logs],
        &["1 record cannot be read, and --strict was asked for", "logs.json:2"],
    );
    let sound = file(&folder, "sound.json", sign_ins(2));
    assert_eq!(countersign(&["analyze", "--strict", &sound]).status, Some(0));
    // Sign-ins of people are none of ours, but nothing is wrong with them.
    let people = file(
        &folder,
        "people.json",
        sign_in(1) + &sign_in(2).replace("ServicePrincipalSignInLogs", "SignInLogs"),
    );
    assert_eq!(countersign(&["analyze", "--strict", &people]).status, Some(0));
}

#[test]
fn feeds_and_databases_that_cannot_be_used() {
    let folder = folder("feeds");
    let logs = file(&folder, "logs.json", sign_in(1));
    let absent = text(&folder.join("absent"));
    let binary = file(&folder, "binary", b"\x7fELF\0\0\x90\x90");
    for flag in ["--threat-intel", "--mmdb"] {
        unusable(&["analyze", flag, &absent, &logs], &["cannot read", &absent]);
    }
    unusable(
        &["analyze", "--threat-intel", &binary, &logs],
        &["cannot read any indicator", &binary, "accepted are lists"],
    );
    unusable(&["analyze", "--mmdb", &binary, &logs], &[&binary, "no MaxMind or IPinfo database"]);
    let wrong = file(
        &folder,
        "wrong.json",
        "{\"type\":\"bundle\",\"objects\":[{\"type\":\"indicator\",\"pattern\":\"[\"}]}",
    );
    unusable(&["analyze", "--threat-intel", &wrong, &logs], &["cannot read any indicator", &wrong]);
}

#[test]
fn a_pattern_that_matches_nothing() {
    let folder = folder("pattern");
    file(&folder, "logs.json", sign_in(1));
    let pattern = format!("{}/*.ndjson", folder.display());
    unusable(&["analyze", &pattern], &[&pattern, "matches no file"]);
}

#[test]
fn a_folder_to_simulate_into_that_is_not_empty() {
    let folder = folder("not-empty");
    file(&folder, "mine", "x");
    unusable(&["simulate", "--out", &text(&folder)], &["is not empty", "name a new folder"]);
    assert_eq!(fs::read(folder.join("mine")).unwrap(), b"x");
}
