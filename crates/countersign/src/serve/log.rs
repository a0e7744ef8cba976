//! What the server says while it runs: one line a failure, on standard error, for people and machines.

use super::clock;

/// A failure that a client was told nothing about.
#[expect(clippy::print_stderr, reason = "the server's log")]
pub(crate) fn error(part: &str, error: &(impl std::fmt::Display + ?Sized)) {
    eprintln!("{} error {part}: {}", clock::now(), crate::output::one_line(&error.to_string()));
}

/// Something that an operator should know.
#[expect(clippy::print_stderr, reason = "the server's log")]
pub(crate) fn info(part: &str, text: &str) {
    eprintln!("{} info {part}: {}", clock::now(), crate::output::one_line(text));
}
