//! Runs the real binary, as a user would.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use serde_json::Value;

/// How the binary ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Ended {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8 on standard output"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8 on standard error"),
        }
    }
}

impl Ended {
    /// The object of `--json`, of a run that succeeded.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.status, Some(0), "{self:?}");
        serde_json::from_str(&self.stdout).expect("one JSON object on standard output")
    }
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(arguments).env_remove("COLUMNS").env("NO_COLOR", "1");
    command
}

pub(crate) fn countersign(arguments: &[&str]) -> Ended {
    command(arguments).stdin(Stdio::null()).output().expect("the binary starts").into()
}

/// Runs with `feed` writing to standard input.
pub(crate) fn countersign_fed(arguments: &[&str], feed: impl FnOnce(&mut ChildStdin, &Child)) -> Ended {
    let mut child = spawn(arguments);
    let mut stdin = child.stdin.take().expect("a pipe");
    feed(&mut stdin, &child);
    drop(stdin);
    child.wait_with_output().expect("the binary ends").into()
}

/// Starts with a pipe for each of the three.
pub(crate) fn spawn(arguments: &[&str]) -> Child {
    command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts")
}

/// Input that cannot be used: status 2, nothing on standard output, and one line that holds `words`.
pub(crate) fn unusable(arguments: &[&str], words: &[&str]) {
    let ended = countersign(arguments);
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert_eq!(ended.stdout, "");
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "`{word}` in: {}", ended.stderr);
    }
}

/// A folder of its own for one test, empty, below the build's.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

/// Writes a file and gives its path.
pub(crate) fn file(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    fs::write(&path, content).expect("a file for the test");
    text(&path)
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// Sign-in number `number` of one service principal, as a line.
pub(crate) fn sign_in(number: usize) -> String {
    let (hour, minute, second) = (number / 3600 % 24, number / 60 % 60, number % 60);
    sign_in_at(number, &format!("2026-05-02T{hour:02}:{minute:02}:{second:02}.1498978Z"))
}

pub(crate) fn sign_in_at(number: usize, time: &str) -> String {
    format!(
        r#"{{"time":"{time}","category":"ServicePrincipalSignInLogs","tenantId":"7c1f7a2e-0d0c-4c55-9a52-6f7f0f2f1a10","properties":{{"id":"f7d36837-9f88-41fa-89cd-{number:012x}","createdDateTime":"{time}","appId":"b1d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f","servicePrincipalId":"3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11","servicePrincipalName":"nightly","ipAddress":"203.0.113.9","resourceDisplayName":"Azure Storage","status":{{"errorCode":0}}}}}}"#
    ) + "\n"
}

pub(crate) fn sign_ins(count: usize) -> String {
    (0..count).map(sign_in).collect()
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).expect("gzip to memory");
    encoder.finish().expect("gzip to memory")
}

pub(crate) fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 3).expect("zstd to memory")
}

/// What `--json` says was skipped for a reason that holds `words`: how many, and the example.
pub(crate) fn skipped(json: &Value, words: &str) -> (u64, String) {
    let all = json["read"]["skipped"].as_array().expect("a list");
    let found =
        all.iter().find(|skipped| skipped["reason"].as_str().is_some_and(|reason| reason.contains(words)));
    let found = found.unwrap_or_else(|| panic!("`{words}` in {all:?}"));
    (found["count"].as_u64().expect("a count"), found["example"].as_str().expect("an example").to_owned())
}
