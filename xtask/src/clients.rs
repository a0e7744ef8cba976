//! `cargo xtask clients`: drives the server with Microsoft's own clients, on SQLite and on PostgreSQL.

use std::path::Path;

use anyhow::{Context, Result};

use crate::command::{succeed, target_folder};
use crate::postgres;

const BUILD: [&str; 5] = ["cargo", "build", "--locked", "--package", "countersign"];

/// Builds the server and runs the suites of `tests/clients`; `arguments` go to pytest.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    succeed(root, &BUILD, &[])?;
    let name = format!("countersign{}", std::env::consts::EXE_SUFFIX);
    let binary = target_folder(root)?.join("debug").join(name);
    let binary = binary.to_str().context("the path of the binary is not UTF-8")?;
    let suites = [&["bash", "tests/clients/run.sh"], arguments].concat();
    postgres::with_server(root, |database| succeed(root, &suites, &[database, ("COUNTERSIGN", binary)]))
}
