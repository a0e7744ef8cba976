//! Countersign: open, self-hosted risk protection for workload identities.
//!
//! This crate is the only one that reads files, asks the clock or prints. Start with [`cli`] for what a user can
//! say, and with [`analyze`] for what happens then.

// An application of the directory has more than forty properties, written down in one `json!`.
#![recursion_limit = "256"]

mod analyze;
mod cli;
mod evaluate;
mod output;
mod progress;
mod serve;
mod simulate;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

/// A token is some two hundred small allocations; see `docs/decisions/0001-dependencies-and-build-time.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are no errors; a wrong word is, and like all errors it is one line.
        Err(error)
            if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            error.exit()
        }
        Err(error) => {
            let text = error.render().to_string();
            let words: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
            output::error(&format!("{}; --help tells more", words.join(" ").trim_start_matches("error: ")));
            return ExitCode::from(2);
        }
    };
    let outcome = match cli.command {
        cli::Command::Analyze(arguments) => analyze::run(&arguments),
        cli::Command::Simulate(arguments) => simulate::run(&arguments).map(|()| Outcome::Done),
        cli::Command::Evaluate(arguments) => evaluate::run(&arguments).map(|()| Outcome::Done),
        cli::Command::Init(arguments) => serve::init::run(&arguments).map(|()| Outcome::Done),
        cli::Command::Serve(arguments) => serve::run(&arguments).map(|()| Outcome::Done),
        cli::Command::Tenant(command) => serve::init::tenant(&command).map(|()| Outcome::Done),
        cli::Command::Policy(command) => serve::policy_command::run(&command).map(|()| Outcome::Done),
        cli::Command::User(command) => serve::accounts::user(&command).map(|()| Outcome::Done),
        cli::Command::ManagedIdentity(command) => {
            serve::accounts::managed_identity(&command).map(|()| Outcome::Done)
        }
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::FailOn) => ExitCode::from(1),
        Err(error) if error.to_string() == "interrupted" => {
            output::error("interrupted");
            ExitCode::from(130)
        }
        Err(error) => {
            output::error(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

/// How a command ended, when it did not fail.
pub(crate) enum Outcome {
    /// As it should.
    Done,
    /// There is a finding of the level named by `--fail-on`.
    FailOn,
}
