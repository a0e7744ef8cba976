//! Replays the committed corpus of the fuzz targets: what once crashed must not crash again, on any compiler.

#[path = "../../../fuzz/targets.rs"]
mod targets;

use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut inputs: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(inputs.len() >= 10, "the corpus of `{target}`");
    for input in inputs {
        let bytes = std::fs::read(&input).unwrap();
        let outcome = std::panic::catch_unwind(|| run(&bytes));
        assert!(outcome.is_ok(), "{}", input.display());
    }
}

#[test]
fn decode() {
    replay("decode", targets::decode);
}

#[test]
fn detect() {
    replay("detect", targets::detect);
}

#[test]
fn inventory() {
    replay("inventory", targets::inventory);
}

#[test]
fn sigma() {
    replay("sigma", targets::sigma);
}

#[test]
fn stix_pattern() {
    replay("stix_pattern", targets::stix_pattern);
}

#[test]
fn threat_intel() {
    replay("threat_intel", targets::threat_intel);
}

#[test]
fn time_stamp() {
    replay("time_stamp", targets::time_stamp);
}

#[test]
fn user_agent() {
    replay("user_agent", targets::user_agent);
}
