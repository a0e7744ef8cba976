//! Sigma rules from files, and what became of them in words.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use countersign_patterns::Rules;

use crate::output;

/// Titles of rules named in one line.
const TITLES_MAX: usize = 5;

/// Reads the rules of files and folders; `None` when none were asked for.
pub(super) fn rules(paths: &[PathBuf]) -> Result<Option<Rules>> {
    if paths.is_empty() {
        return Ok(None);
    }
    let mut builder = Rules::builder();
    for path in paths {
        let files = files(path)?;
        if files.is_empty() {
            bail!("no .yml or .yaml file in `{}`", path.display());
        }
        for file in files {
            let text =
                fs::read_to_string(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
            builder.add_text(&file.display().to_string(), &text);
        }
    }
    let rules = builder.build();
    let summary = rules.summary();
    if summary.loaded == 0 {
        let first = summary
            .refused
            .first()
            .map_or(String::new(), |refused| format!("; the first, `{}`: {}", refused.title, refused.reason));
        bail!("none of {} can be used{first}", output::count(summary.refused.len() as u64, "Sigma rule"));
    }
    Ok(Some(rules))
}

/// The file itself, or the rules in a folder in the order of their names: the order of files is theirs to choose, but
/// not the file system's.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(path).follow_links(true).sort_by_file_name() {
        let entry = entry.with_context(|| format!("cannot search `{}`", path.display()))?;
        let is_rule = entry
            .path()
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("yml") || end.eq_ignore_ascii_case("yaml"));
        if is_rule && entry.file_type().is_file() {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

/// What became of the rules: how many are in use, which are refused and why, and which could not have matched because
/// a field that they name never had a value.
pub(super) fn lines(rules: &Rules) -> Vec<String> {
    let summary = rules.summary();
    let mut first = format!("{} in use", output::count(summary.loaded as u64, "Sigma rule"));
    if !summary.refused.is_empty() {
        first.push_str(&format!(", {} refused", summary.refused.len()));
    }
    let refused = summary.refused.iter().map(|refused| {
        let file = if refused.file.is_empty() { String::new() } else { format!(" ({})", refused.file) };
        format!("refused: `{}`{file}: {}", refused.title, refused.reason)
    });
    let unmatched = rules.unmatched_fields().into_iter().map(|(field, rules)| {
        let named: Vec<String> = rules.iter().take(TITLES_MAX).map(|title| format!("`{title}`")).collect();
        let more = match rules.len().saturating_sub(TITLES_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("never seen: no event has a value in `{field}`, which {}{more} looks at", named.join(", "))
    });
    std::iter::once(first).chain(refused).chain(unmatched).collect()
}
