//! `cargo xtask test`: every check that a change must pass, cheapest first, each with its time.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::tidy;

/// One stage: what people call it, and the command that repeats it.
struct Stage {
    name: &'static str,
    command: &'static [&'static str],
}

/// In this order: what is quick to fail comes first. `cargo test` runs unit, property, snapshot, command-line and
/// documentation tests, and replays the corpus of the fuzz targets.
const STAGES: [Stage; 6] = [
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
    Stage { name: "tests", command: &["cargo", "test", "--workspace", "--locked"] },
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
        // In this process: the task is already built, and its own rebuild would wait for itself.
        "tidy" => tidy::run(root).map(|()| Outcome::Passed),
        // `tidy` has checked the same file; docs/decisions/0001 says why both exist.
        "dependencies" if !has_cargo_deny() => {
            Ok(Outcome::Skipped("`cargo deny` is not installed; `tidy` has checked deny.toml"))
        }
        "advisories" if !has_cargo_deny() => Ok(Outcome::Skipped(
            "`cargo deny` is not installed; `cargo install cargo-deny --locked` brings it",
        )),
        "advisories" if !fetch_advisories(root) => {
            Ok(Outcome::Skipped("the advisory database cannot be fetched from here"))
        }
        _ => succeed(root, stage.command).map(|()| Outcome::Passed),
    }
}

fn has_cargo_deny() -> bool {
    succeeds_silently(Command::new("cargo").args(["deny", "--version"]))
}

/// The database is a repository of its own; a machine without a way to it is no reason to fail.
fn fetch_advisories(root: &Path) -> bool {
    succeeds_silently(Command::new("cargo").args(["deny", "--locked", "fetch", "db"]).current_dir(root))
}

fn succeeds_silently(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn succeed(root: &Path, command: &[&str]) -> Result<()> {
    let [program, arguments @ ..] = command else { return Ok(()) };
    let status = Command::new(program)
        .args(arguments)
        .current_dir(root)
        // A snapshot that differs fails the test; it is never written by a check.
        .env("INSTA_UPDATE", "no")
        .status()
        .with_context(|| format!("cannot run `{program}`"))?;
    if !status.success() {
        bail!("it ended with {status}");
    }
    Ok(())
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
    fn a_stage_that_fails_says_so() {
        let error = succeed(Path::new("."), &["false"]).unwrap_err();
        assert!(error.to_string().contains("exit status"), "{error}");
    }
}
