//! The store against real databases: every test runs on SQLite, and on PostgreSQL where `COUNTERSIGN_TEST_DATABASE` names a
//! server, as `cargo xtask test` does.

#![expect(clippy::print_stderr, reason = "a test says what it skipped")]

mod filters;
mod grants;
mod journal;
mod records;
mod streams;
mod support;
mod tenants;
