//! `cargo xtask test`: every check that a change must pass, cheapest first, each with its time.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::command::{succeed, succeeds};
use crate::{clients, postgres, tidy};

/// One stage: what people call it, and the command that repeats it.
struct Stage {
    name: &'static str,
    command: &'static [&'static str],
}

/// In this order: what is quick to fail comes first. `cargo test` runs unit, property, snapshot, command-line and
/// documentation tests, and replays the corpus of the fuzz targets.
const STAGES: [Stage; 7] = [
    Stage { name: "format", command: &["cargo", "fmt", "--all", "--check"] },
    Stage { name: "tidy", command: &["cargo", "xtask", "tidy"] },
    Stage {
        name: "lints",
        command: &["cargo", "clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
    },
    Stage {
        name: "dependencies",
        command: &["cargo", "deny", "--locked", "check", "bans", "licenses", "sources"],
    },
    Stage { name: "advisories", command: &["cargo", "deny", "--locked", "check", "advisories"] },
    Stage {
        name: "tests",
        command: &["cargo", "xtask", "postgres", "cargo", "test", "--workspace", "--locked"],
    },
    Stage { name: "clients", command: &["cargo", "xtask", "clients"] },
];

/// How a stage ended.
enum Outcome {
    Passed,
    /// Passed over, and why.
    Skipped(&'static str),
}

/// Runs all stages; stops at the first that fails.
pub(crate) fn run(root: &Path) -> Result<()> {
    let start = Instant::now();
    let mut lines = Vec::new();
    for stage in &STAGES {
        println!("==> {}: {}", stage.name, stage.command.join(" "));
        let begun = Instant::now();
        let outcome = run_stage(root, stage).with_context(|| {
            format!("stage `{}` failed; repeat it with: {}", stage.name, stage.command.join(" "))
        })?;
        let word = match outcome {
            Outcome::Passed => "passed".to_owned(),
            Outcome::Skipped(why) => format!("SKIPPED: {why}"),
        };
        println!("    {word} ({})", seconds(begun.elapsed()));
        lines.push(format!("  {:<13} {:>8}  {word}", stage.name, seconds(begun.elapsed())));
    }
    println!("\nall stages passed in {}\n{}", seconds(start.elapsed()), lines.join("\n"));
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn run_stage(root: &Path, stage: &Stage) -> Result<Outcome> {
    match stage.name {
        // `tidy` has checked the same file; docs/decisions/0001 says why both exist.
        "dependencies" if !has_cargo_deny() => {
            return Ok(Outcome::Skipped("`cargo deny` is not installed; `tidy` has checked deny.toml"));
        }
        "advisories" if !has_cargo_deny() => {
            return Ok(Outcome::Skipped(
                "`cargo deny` is not installed; `cargo install cargo-deny --locked` brings it",
            ));
        }
        "advisories" if !fetch_advisories(root) => {
            return Ok(Outcome::Skipped("the advisory database cannot be fetched from here"));
        }
        _ => {}
    }
    // Tasks of ours run in this process: it is already built, and its own rebuild would wait for itself.
    match stage.command {
        ["cargo", "xtask", "tidy"] => tidy::run(root),
        ["cargo", "xtask", "clients"] => clients::run(root, &[]),
        ["cargo", "xtask", "postgres", command @ ..] => postgres::run(root, command),
        command => succeed(root, command, &[]),
    }?;
    Ok(Outcome::Passed)
}

fn has_cargo_deny() -> bool {
    succeeds(Command::new("cargo").args(["deny", "--version"]))
}

/// The database is a repository of its own; a machine without a way to it is no reason to fail.
fn fetch_advisories(root: &Path) -> bool {
    succeeds(Command::new("cargo").args(["deny", "--locked", "fetch", "db"]).current_dir(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_is_a_command_that_can_be_repeated() {
        for stage in &STAGES {
            assert_eq!(stage.command[0], "cargo", "{}", stage.name);
        }
        let locked: Vec<&str> = STAGES
            .iter()
            .filter(|stage| stage.command.contains(&"--locked"))
            .map(|stage| stage.name)
            .collect();
        assert_eq!(locked, ["lints", "dependencies", "advisories", "tests"]);
    }

    #[test]
    fn what_needs_a_build_comes_after_what_does_not() {
        let names: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
        assert_eq!(names, ["format", "tidy", "lints", "dependencies", "advisories", "tests", "clients"]);
    }

    #[test]
    fn a_stage_that_fails_says_so() {
        let stage = Stage { name: "broken", command: &["false"] };
        assert!(run_stage(Path::new("."), &stage).is_err());
    }
}
