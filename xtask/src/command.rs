//! Commands that tasks run, and where Cargo puts what it builds.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// Runs a command from the root, with more in its environment, and shows what it says.
pub(crate) fn succeed(root: &Path, command: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let [program, arguments @ ..] = command else { bail!("there is no command to run") };
    let status = Command::new(program)
        .args(arguments)
        .current_dir(root)
        // A snapshot that differs fails the test; it is never written by a check.
        .env("INSTA_UPDATE", "no")
        .envs(environment.iter().copied())
        .status()
        .with_context(|| format!("cannot run `{program}`"))?;
    ensure!(status.success(), "`{program}` ended with {status}");
    Ok(())
}

/// Whether a command can be run and succeeds; what it says is nobody's concern.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// What a command prints; when it fails, what it complains of.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run `{program}`"))?;
    ensure!(
        output.status.success(),
        "`{program}` failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Where Cargo puts what it builds.
pub(crate) fn target_folder(root: &Path) -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let metadata = output(
        Command::new("cargo").args(["metadata", "--format-version", "1", "--no-deps"]).current_dir(root),
    )?;
    let metadata: Metadata =
        serde_json::from_str(&metadata).context("cannot read what `cargo metadata` says")?;
    Ok(metadata.target_directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_says_so() {
        let error = succeed(Path::new("."), &["false"], &[]).unwrap_err();
        assert!(error.to_string().contains("exit status"), "{error}");
        assert!(succeed(Path::new("."), &[], &[]).is_err());
        assert!(!succeeds(&mut Command::new("false")));
        let error = output(Command::new("sh").args(["-c", "echo it went wrong >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().starts_with("`sh` failed: it went wrong"), "{error}");
    }

    #[test]
    fn variables_reach_the_command() {
        let see = |value| {
            succeed(
                Path::new("."),
                &["sh", "-c", "test \"$COUNTERSIGN_SEEN\" = yes"],
                &[("COUNTERSIGN_SEEN", value)],
            )
        };
        assert!(see("yes").is_ok());
        assert!(see("no").is_err());
    }

    #[test]
    fn cargo_says_where_it_builds() {
        assert!(target_folder(&crate::root()).unwrap().is_absolute());
    }
}
