//! Which files to read: files, folders, globs and standard input, each once, in a fixed order.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// As in a shell: `*` leaves hidden files out, as a search through a folder does.
const PATTERNS: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// One thing to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Input {
    /// A file and its size in bytes.
    File(PathBuf, u64),
    /// Standard input.
    Stdin,
}

impl Input {
    /// As people see it.
    pub(crate) fn name(&self) -> String {
        match self {
            Input::File(path, _) => path.display().to_string(),
            Input::Stdin => "standard input".to_owned(),
        }
    }

    /// Bytes to be read, as far as known.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Input::File(_, size) => *size,
            Input::Stdin => 0,
        }
    }
}

/// Expands the arguments. Any path that does not exist, or pattern that matches nothing, is an error: an
/// analysis that silently left a file out would say "nothing found" of logs it never saw.
pub(crate) fn expand(arguments: &[String]) -> Result<Vec<Input>> {
    let mut files = BTreeSet::new();
    let mut stdin = false;
    for argument in arguments {
        if argument == "-" {
            stdin = true;
            continue;
        }
        let path = Path::new(argument);
        if path.exists() {
            add(path, &mut files)?;
        } else if argument.contains(['*', '?', '[']) {
            let mut found = 0;
            let pattern = glob::glob_with(argument, PATTERNS)
                .with_context(|| format!("pattern `{argument}` cannot be read"))?;
            for path in pattern {
                found += add(&path.with_context(|| format!("pattern `{argument}`"))?, &mut files)?;
            }
            if found == 0 {
                bail!("pattern `{argument}` matches no file: quote it, or name the folder itself");
            }
        } else {
            bail!("`{argument}` does not exist: name a file, a folder, a pattern, or - for standard input");
        }
    }
    let mut inputs: Vec<Input> = files.into_iter().collect();
    if stdin {
        inputs.push(Input::Stdin);
    }
    Ok(inputs)
}

/// Adds a file, or all files of a folder; how many there are, those added before among them.
fn add(path: &Path, files: &mut BTreeSet<Input>) -> Result<usize> {
    let mut found = 0;
    for entry in walkdir::WalkDir::new(path).follow_links(true) {
        let entry = entry.with_context(|| format!("cannot look into `{}`", path.display()))?;
        let is_hidden = entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.');
        if entry.file_type().is_file() && !is_hidden {
            let size = fs::metadata(entry.path()).map_or(0, |metadata| metadata.len());
            files.insert(Input::File(entry.into_path(), size));
            found += 1;
        } else if entry.depth() == 0 && !entry.file_type().is_dir() {
            // Named by the user: a pipe, such as `<(zcat …)` of a shell.
            files.insert(Input::File(entry.into_path(), 0));
            found += 1;
        }
    }
    Ok(found)
}
