//! `countersign simulate`: the logs of a synthetic tenant, written as Azure would, or attacks on the user's own.

mod inject;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use countersign_simulation::{Attacks, Episode, Parameters, Record, Simulation, daily_path_of, path_of};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::cli::{Layout, Simulate};
use crate::output;
use crate::progress::Progress;

/// Files kept open at once; the least recently opened day is closed first.
const OPEN_FILES_MAX: usize = 256;

/// File that tells what is an attack.
const TRUTH: &str = "truth.ndjson";

/// Runs the command.
pub(crate) fn run(arguments: &Simulate) -> Result<()> {
    let folder = &arguments.out;
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    let mut entries =
        fs::read_dir(folder).with_context(|| format!("cannot look into `{}`", folder.display()))?;
    if entries.next().is_some() {
        bail!("`{}` is not empty: name a new folder, nothing is overwritten", folder.display());
    }
    if let Some(logs) = &arguments.inject {
        return inject::run(arguments, logs);
    }
    let mut simulation = Simulation::new(Parameters {
        principals: arguments.principals,
        days: arguments.days,
        seed: arguments.seed,
        attacks: if arguments.attacks > 0.0 { Attacks::Share(arguments.attacks) } else { Attacks::None },
        sign_ins_per_principal_day: arguments.sign_ins,
        calls: arguments.calls,
        ..Parameters::default()
    });
    let tenant = simulation.tenant_id();
    let days = Arc::new(AtomicU64::new(0));
    let records = Arc::new(AtomicU64::new(0));
    let progress = Progress::bytes("simulating", u64::from(arguments.days), days.clone(), records.clone());
    let mut files = Files { folder: folder.clone(), gzip: arguments.gzip, open: HashMap::new() };
    let mut failed = None;
    loop {
        let more = simulation.next_day(|record| {
            records.fetch_add(1, Ordering::Relaxed);
            if failed.is_none()
                && let Err(error) = files.write(&path(arguments.layout, &tenant, &record), record.line)
            {
                failed = Some(error);
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        if !more {
            break;
        }
        days.fetch_add(1, Ordering::Relaxed);
        if arguments.layout != Layout::Single {
            files.close_some()?;
        }
    }
    files.close()?;
    drop(progress);
    let truth = write_truth(folder, simulation.truth())?;
    output::say(&format!(
        "{} of {} over {} in `{}`; what is an attack is told by `{}`",
        output::count(records.load(Ordering::Relaxed), "record"),
        output::count(u64::from(arguments.principals), "workload identity"),
        output::count(u64::from(arguments.days), "day"),
        folder.display(),
        truth.display()
    ));
    Ok(())
}

fn write_truth(folder: &Path, episodes: &[Episode]) -> Result<PathBuf> {
    let truth = folder.join(TRUTH);
    let lines: String = episodes.iter().map(|episode| episode.to_json() + "\n").collect();
    fs::write(&truth, lines).with_context(|| format!("cannot write `{}`", truth.display()))?;
    Ok(truth)
}

fn path(layout: Layout, tenant: &str, record: &Record<'_>) -> String {
    match layout {
        Layout::Storage => path_of(record.category, tenant, record.delivered),
        Layout::Daily => daily_path_of(record.category, record.delivered),
        Layout::Single => format!("{}.json", record.category.name()),
    }
}

enum Sink {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
}

impl Sink {
    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Sink::Plain(file) => file,
            Sink::Gzip(file) => file,
        }
    }

    fn close(self) -> std::io::Result<()> {
        match self {
            Sink::Plain(mut file) => file.flush(),
            Sink::Gzip(file) => file.finish()?.flush(),
        }
    }
}

/// The files being written. One that was closed is appended to when records for it come late; concatenated gzip
/// members are one gzip file.
struct Files {
    folder: PathBuf,
    gzip: bool,
    open: HashMap<String, Sink>,
}

impl Files {
    fn write(&mut self, path: &str, line: &[u8]) -> Result<()> {
        if !self.open.contains_key(path) {
            let sink = self.create(path)?;
            self.open.insert(path.to_owned(), sink);
        }
        let Some(sink) = self.open.get_mut(path) else { return Ok(()) };
        let writer = sink.writer();
        // Azure Storage ends lines with CR LF.
        let written = writer.write_all(line).and_then(|()| writer.write_all(b"\r\n"));
        written.with_context(|| format!("cannot write `{path}`"))
    }

    fn create(&self, path: &str) -> Result<Sink> {
        let suffix = if self.gzip { ".gz" } else { "" };
        let path = self.folder.join(format!("{path}{suffix}"));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
        }
        let file = File::options().create(true).append(true).open(&path);
        let file = BufWriter::new(file.with_context(|| format!("cannot write `{}`", path.display()))?);
        Ok(if self.gzip { Sink::Gzip(GzEncoder::new(file, Compression::best())) } else { Sink::Plain(file) })
    }

    fn close_some(&mut self) -> Result<()> {
        if self.open.len() > OPEN_FILES_MAX { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> Result<()> {
        for (path, sink) in self.open.drain() {
            sink.close().with_context(|| format!("cannot write `{path}`"))?;
        }
        Ok(())
    }
}
