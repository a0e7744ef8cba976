//! The project's own tasks, run as `cargo xtask TASK`.
//!
//! Nothing here is part of the product. [`test`] passes all checks one after the other, [`tidy`] holds the rules that
//! compiler and linter cannot know, [`clients`] drives the server with Microsoft's clients, [`postgres`] lends a database
//! server to whatever needs one, [`refresh_ip_data`] rebuilds the bundled address table.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task reports on the terminal")]

mod clients;
mod command;
mod postgres;
mod refresh_ip_data;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
usage: cargo xtask TASK

  test                pass every check: format, lints, rules, dependencies, tests, clients
  tidy                check the rules of the house: edges between crates, purity, documents, dependencies
  clients             drive the server with Microsoft's clients; what follows goes to pytest
  postgres COMMAND…   run a command with a PostgreSQL to test with, which is thrown away afterwards
  refresh-ip-data     rebuild the bundled address table (`refresh-ip-data --help` lists the inputs)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.first().copied() {
        Some("test") if words.len() == 1 => test::run(&root()),
        Some("tidy") if words.len() == 1 => tidy::run(&root()),
        Some("clients") => clients::run(&root(), &words[1..]),
        Some("postgres") if words.len() > 1 => postgres::run(&root(), &words[1..]),
        Some("refresh-ip-data") if arguments.get(1).is_some_and(|argument| argument == "--help") => {
            println!("{}", refresh_ip_data::USAGE);
            Ok(())
        }
        Some("refresh-ip-data") => refresh_ip_data::run(&arguments[1..]),
        Some("--help" | "-h" | "help") => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace, wherever the task was called from.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}
