//! `countersign simulate --inject`: attacks on the principals of the user's own logs.

use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use countersign_simulation::injection::Survey;

use super::{Files, TRUTH, write_truth};
use crate::analyze;
use crate::cli::{Layout, Simulate};
use crate::output;

/// Folder that the records are added in.
const INJECTED: &str = "injected";

/// Runs the command.
pub(super) fn run(arguments: &Simulate, logs: &Path) -> Result<()> {
    let copies = copies(logs, &arguments.out)?;
    let mut survey = Survey::default();
    analyze::for_each_event(&logs.display().to_string(), |event| survey.learn(event))?;
    if survey.principals() == 0 {
        bail!(
            "`{}` holds no successful sign-in of a workload identity to attack: name logs with service principal sign-ins",
            logs.display()
        );
    }
    let injection = survey.attack(arguments.attacks, arguments.seed);
    for (from, to) in &copies {
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
        }
        fs::copy(from, to).with_context(|| format!("cannot copy `{}`", from.display()))?;
    }
    let folder = arguments.out.join(INJECTED);
    let mut files = Files { folder: folder.clone(), gzip: arguments.gzip, open: HashMap::new() };
    let mut failed = None;
    let mut records = 0;
    injection.for_each_record(|record| {
        records += 1;
        // The tenant is told by the records; one file per category is easy to take away again.
        let path = super::path(Layout::Single, "", &record);
        if failed.is_none() {
            failed = files.write(&path, record.line).err();
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    files.close()?;
    let truth = write_truth(&arguments.out, injection.truth())?;
    output::say(&format!(
        "{} on {}: {} in `{}` beside {}; what is an attack is told by `{}`",
        output::count(injection.truth().len() as u64, "attack"),
        output::count(survey.principals() as u64, "workload identity"),
        output::count(records, "record"),
        folder.display(),
        output::count(copies.len() as u64, "file"),
        truth.display()
    ));
    Ok(())
}

/// The user's files and where their copies go.
fn copies(logs: &Path, out: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    if is_inside(out, logs) {
        bail!("`{}` lies in `{}`: name a folder elsewhere", out.display(), logs.display());
    }
    let mut copies = Vec::new();
    for file in analyze::files_of(&logs.display().to_string())? {
        let name = match file.strip_prefix(logs) {
            Ok(name) if !name.as_os_str().is_empty() => name.to_owned(),
            _ => PathBuf::from(file.file_name().unwrap_or(file.as_os_str())),
        };
        let first = name.components().next();
        if name == Path::new(TRUTH) || first == Some(Component::Normal(INJECTED.as_ref())) {
            bail!(
                "`{}` has the name of what is written: move it out of `{}` first",
                file.display(),
                logs.display()
            );
        }
        copies.push((file, out.join(name)));
    }
    Ok(copies)
}

fn is_inside(inner: &Path, outer: &Path) -> bool {
    let (Ok(inner), Ok(outer)) = (fs::canonicalize(inner), fs::canonicalize(outer)) else { return false };
    inner.starts_with(outer)
}
