//! Countersign: open, self-hosted risk protection for workload identities.
//!
//! This crate is the only one that reads files, asks the clock or prints. Start with [`cli`] for what a user can
//! say, and with [`analyze`] for what happens then.

mod analyze;
mod cli;
mod output;
mod progress;
mod simulate;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let outcome = match cli.command {
        cli::Command::Analyze(arguments) => analyze::run(&arguments),
        cli::Command::Simulate(arguments) => simulate::run(&arguments).map(|()| Outcome::Done),
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
