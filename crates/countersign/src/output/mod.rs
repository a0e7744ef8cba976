//! What a user gets to see: text or JSON on standard output, files for the rest. Errors and progress go to standard
//! error.

mod csv;
mod json;
pub(crate) mod report;
mod terminal;

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use countersign_detection::graph;
use tempfile::NamedTempFile;

use crate::analyze::result::Analysis;
use crate::cli::Analyze;

/// Where the result goes. Files are begun before the first log is read, so that a folder that cannot be written
/// to is found at once, and take their place only when they are complete.
pub(crate) struct Outputs {
    detections: Option<(NamedTempFile, PathBuf)>,
    report: Option<(NamedTempFile, PathBuf)>,
    csv: Option<PathBuf>,
    json: bool,
}

impl Outputs {
    /// Begins the files that were asked for.
    pub(crate) fn prepare(arguments: &Analyze) -> Result<Self> {
        if let Some(folder) = &arguments.csv {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder `{}` for CSV", folder.display()))?;
            // Only a file that is really there proves that files can be.
            tempfile::tempfile_in(folder)
                .with_context(|| format!("cannot write into the folder `{}`", folder.display()))?;
        }
        Ok(Self {
            detections: arguments.detections.as_deref().map(begin).transpose()?,
            report: arguments.report.as_deref().map(begin).transpose()?,
            csv: arguments.csv.clone(),
            json: arguments.json,
        })
    }

    /// Writes everything. `spilled` is what sorting wrote to disk, in bytes.
    pub(crate) fn write(self, analysis: &Analysis, spilled: u64) -> Result<()> {
        if let Some(file) = self.detections {
            complete(file, |out| {
                for finding in &analysis.findings {
                    serde_json::to_writer(&mut *out, &graph::service_principal_risk_detection(finding))?;
                    out.write_all(b"\n")?;
                }
                Ok(())
            })?;
        }
        if let Some(file) = self.report {
            complete(file, |out| out.write_all(report::render(analysis).as_bytes()))?;
        }
        if let Some(folder) = self.csv {
            csv::write(analysis, &folder)?;
        }
        let mut stdout = BufWriter::new(io::stdout().lock());
        let written = if self.json {
            json::write(analysis, &mut stdout)
        } else {
            terminal::write(analysis, spilled, terminal::Style::of_stdout(), &mut stdout)
        };
        match written.and_then(|()| stdout.flush()) {
            // A reader such as `head` that has seen enough is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.context("cannot write to standard output"),
        }
    }
}

pub(crate) fn begin(path: &Path) -> Result<(NamedTempFile, PathBuf)> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let file = NamedTempFile::new_in(folder);
    let file = file.with_context(|| {
        format!("cannot write `{}`: does the folder exist, and is it writable?", path.display())
    })?;
    Ok((file, path.to_owned()))
}

pub(crate) fn complete(
    (file, path): (NamedTempFile, PathBuf),
    write: impl FnOnce(&mut BufWriter<&NamedTempFile>) -> io::Result<()>,
) -> Result<()> {
    let cannot = || format!("cannot write `{}`", path.display());
    let mut out = BufWriter::new(&file);
    write(&mut out).and_then(|()| out.flush()).with_context(cannot)?;
    drop(out);
    file.persist(&path).map_err(|error| error.error).with_context(cannot)?;
    Ok(())
}

/// `1,234 records`, `1 workload identity`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let plural = match noun {
        _ if number == 1 => noun.to_owned(),
        noun if noun.ends_with("identity") => format!("{}ies", noun.trim_end_matches('y')),
        noun if noun.ends_with("address") => format!("{noun}es"),
        noun => format!("{noun}s"),
    };
    format!("{} {plural}", grouped(number))
}

/// `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Says something on standard output. A reader that has gone is no failure.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// One line on standard error.
#[expect(clippy::print_stderr, reason = "the one place for it")]
pub(crate) fn error(text: &str) {
    eprintln!("{}: {}", paint("error", "31"), one_line(text));
}

/// One line on standard error.
#[expect(clippy::print_stderr, reason = "the one place for it")]
pub(crate) fn warn(text: &str) {
    eprintln!("{}: {}", paint("warning", "33"), one_line(text));
}

/// One line on standard error that is good news.
#[expect(clippy::print_stderr, reason = "the one place for it")]
pub(crate) fn note(text: &str) {
    eprintln!("{}: {}", paint("note", "32"), one_line(text));
}

fn paint(word: &str, colour: &str) -> String {
    if io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\u{1b}[1;{colour}m{word}\u{1b}[0m")
    } else {
        word.to_owned()
    }
}

/// Text from logs must not steer the terminal or break the line.
pub(crate) fn one_line(text: &str) -> String {
    // Marks of direction steer a terminal as well: what stands behind them is shown in another place.
    let steers = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|letter| if steers(letter) { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_nouns_agree() {
        assert_eq!(count(1, "record"), "1 record");
        assert_eq!(count(1_234_567, "record"), "1,234,567 records");
        assert_eq!(count(2, "workload identity"), "2 workload identities");
        assert_eq!(count(100, "day"), "100 days");
    }

    #[test]
    fn text_from_logs_cannot_steer_the_terminal() {
        assert_eq!(one_line("a\u{1b}[31mb\nc"), "a [31mb c");
    }
}
