//! `countersign analyze`: exported logs in, explained risk detections out.
//!
//! Two passes. The first reads every input on all cores and sorts what it holds by event time ([`read`],
//! [`sort`]); the second folds the events, in order, through enrichment and detection ([`fold`]). A third, only
//! for the report, collects what risky identities did ([`timeline`]).

pub(crate) mod fold;
pub(crate) mod inputs;
mod patterns;
pub(crate) mod read;
pub(crate) mod result;
pub(crate) mod sort;
mod source;
mod timeline;
pub(crate) mod watch;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail};
use countersign_enrichment::mmdb::MmdbSource;
use countersign_enrichment::table::AGE_DAYS_MAX;
use countersign_enrichment::threat_intel::FeedSummary;
use countersign_enrichment::{Enricher, Sources, ThreatIntelligence};
use countersign_model::inventory::{DirectoryObject, RogueApplication};
use countersign_model::risk::RiskLevel;
use countersign_model::time::Timestamp;

use crate::Outcome;
use crate::cli::Analyze;
use crate::output::{self, Outputs};
use crate::progress::Progress;
use crate::serve::load::Target;
use read::ReadEvents;
use result::{Analysis, Read, Tables};
use sort::Sorter;
use watch::Watch;

/// Runs the command.
pub(crate) fn run(arguments: &Analyze) -> Result<Outcome> {
    let watch = Watch::default();
    let cancelled = std::sync::Arc::clone(&watch.cancelled);
    // A second handler in one process is refused; then Ctrl-C simply ends it, and unnamed files vanish too.
    let _ = ctrlc::set_handler(move || cancelled.store(true, Ordering::Relaxed));

    // All that can be wrong with the arguments is found before the first log is opened.
    let inputs = inputs::expand(&arguments.paths)?;
    if inputs.is_empty() {
        bail!("no file in {}: name the folder that holds the exported logs", quoted(&arguments.paths));
    }
    let outputs = Outputs::prepare(arguments)?;
    let into = arguments.into.as_deref().map(Target::open).transpose()?;
    let feeds = read_files(&arguments.threat_intel)?;
    let (inventory, inventory_lines) = read_inventory(&arguments.inventory)?;
    let (rogue, rogue_lines) = read_rogue_lists(&arguments.rogue_apps)?;
    let mut rules = patterns::rules(&arguments.sigma)?;
    let sources = sources(&arguments.mmdb)?;
    if let Some(folder) = &arguments.temp_dir {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    }

    let total = inputs.iter().map(inputs::Input::size).sum();
    let progress = Progress::bytes("reading", total, watch.bytes.clone(), watch.events.clone());
    let sorter = Sorter::new(arguments.memory.max(1) << 20, arguments.temp_dir.clone());
    let ReadEvents { read, mut events, spilled } = read::read(&inputs, sorter, arguments.until, &watch)?;
    drop(progress);
    check_usable(&read, arguments)?;

    let newest = read.span.map_or(Timestamp::default(), |(_, to)| to);
    let (intelligence, summaries) = threat_intelligence(&feeds, newest)?;
    let mut tables = Tables {
        addresses: address_tables(&sources),
        addresses_age_days: sources.table.age_days(newest),
        feeds: summaries.iter().map(feed_line).chain(rogue_lines).chain(inventory_lines).collect(),
        patterns: Vec::new(),
    };
    if tables.addresses_age_days > AGE_DAYS_MAX && sources.user.is_empty() {
        output::warn(&format!(
            "the address table is {} days older than the newest event: networks and countries may have changed",
            tables.addresses_age_days
        ));
    }
    let enricher = Enricher { sources, intelligence };
    let policy = countersign_detection::Policy { budget: arguments.budget };
    let knowledge = fold::Knowledge { enricher: &enricher, rogue, inventory: &inventory };
    let detector = fold::fold(&mut events, knowledge, rules.as_mut(), policy, read.events(), &watch)?;
    if detector.homeless > 0 {
        output::warn(&format!(
            "{} of the inventory belong to no tenant of these logs, which hold several",
            output::count(detector.homeless as u64, "object")
        ));
    }
    tables.patterns = rules.as_ref().map(patterns::lines).unwrap_or_default();

    let mut analysis = Analysis {
        read,
        tables,
        budget: arguments.budget,
        measured: detector.detector.measured(),
        calibration: detector.detector.calibration(),
        findings: detector.detector.findings(),
        risky: detector.detector.risky(),
        notices: detector.detector.notices(),
        timelines: std::collections::BTreeMap::new(),
    };
    analysis.read.repeated = detector.repeated;
    analysis.read.principals = detector.detector.identities() as u64;
    narrow(&mut analysis, arguments);
    if arguments.report.is_some() {
        analysis.timelines = timeline::collect(&mut events, &enricher, &analysis, &watch)?;
    }
    let level = arguments.fail_on.map(RiskLevel::from);
    let fails = level.is_some_and(|level| analysis.findings.iter().any(|finding| finding.level >= level));
    if let Some(target) = into {
        let loaded = target.load(&analysis.findings, &analysis.risky)?;
        output::note(&format!(
            "loaded {} of {}; {} known already",
            output::count(loaded.detections, "detection"),
            output::count(loaded.principals, "identity"),
            output::count(loaded.known, "detection")
        ));
    }
    outputs.write(&analysis, spilled)?;
    Ok(if fails { Outcome::FailOn } else { Outcome::Done })
}

/// Memory for sorting events that are only looked at.
const LOOK_BYTES: usize = 512 << 20;

/// Files that a path stands for.
pub(crate) fn files_of(path: &str) -> Result<Vec<std::path::PathBuf>> {
    let inputs = inputs::expand(&[path.to_owned()])?;
    Ok(inputs
        .into_iter()
        .filter_map(|input| match input {
            inputs::Input::File(path, _) => Some(path),
            inputs::Input::Stdin => None,
        })
        .collect())
}

/// Gives all events of a file or folder to `each`, in the order of time, whatever the order of files.
pub(crate) fn for_each_event(
    path: &str,
    mut each: impl FnMut(&countersign_model::event::Event<'_>),
) -> Result<()> {
    let watch = Watch::default();
    let inputs = inputs::expand(&[path.to_owned()])?;
    if inputs.is_empty() {
        bail!("no file in `{path}`: name the folder that holds the exported logs");
    }
    let total = inputs.iter().map(inputs::Input::size).sum();
    let progress = Progress::bytes("reading", total, watch.bytes.clone(), watch.events.clone());
    let ReadEvents { mut events, .. } = read::read(&inputs, Sorter::new(LOOK_BYTES, None), None, &watch)?;
    drop(progress);
    while let Some((_, event)) = events.next()? {
        each(&fold::decode(event)?);
    }
    Ok(())
}

/// Keeps what was asked for.
fn narrow(analysis: &mut Analysis, arguments: &Analyze) {
    let is_recent = |last: Timestamp| arguments.since.is_none_or(|since| last >= since);
    let wanted = arguments.principal.as_deref();
    let is_wanted = |names: [&str; 3]| {
        wanted.is_none_or(|wanted| names.iter().any(|name| name.eq_ignore_ascii_case(wanted)))
    };
    analysis.findings.retain(|finding| {
        is_recent(finding.last_activity)
            && is_wanted([&finding.service_principal, &finding.app, &finding.name])
    });
    let findings = &analysis.findings;
    analysis.risky.retain_mut(|principal| {
        principal.findings.retain(|id| findings.iter().any(|finding| finding.id == *id));
        !principal.findings.is_empty()
    });
}

/// An input that holds no event cannot be analysed; damaged records end a strict analysis.
fn check_usable(read: &Read, arguments: &Analyze) -> Result<()> {
    if arguments.strict
        && let Some((reason, skipped)) = read.skipped.iter().find(|(_, skipped)| skipped.unreadable)
    {
        bail!(
            "{} cannot be read, and --strict was asked for; the first: {} ({reason})",
            output::count(read.unreadable(), "record"),
            skipped.example
        );
    }
    if read.events() > 0 {
        return Ok(());
    }
    let commonest = read.skipped.iter().max_by_key(|(_, skipped)| skipped.count);
    let why = commonest.map_or(String::new(), |(reason, skipped)| {
        format!("; most often: {reason} ({}×, first in {})", skipped.count, skipped.example)
    });
    bail!(
        "no sign-in, audit or activity record of a workload identity in {} ({}){why}",
        quoted(&arguments.paths),
        output::count(read.files, "file")
    )
}

fn quoted(paths: &[String]) -> String {
    let quoted: Vec<String> = paths.iter().take(3).map(|path| format!("`{path}`")).collect();
    let more = if paths.len() > 3 { " and others" } else { "" };
    format!("{}{more}", quoted.join(", "))
}

fn read_files(paths: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>> {
    let read = |path: &PathBuf| {
        let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        Ok((path.display().to_string(), bytes))
    };
    paths.iter().map(read).collect()
}

fn read_inventory(paths: &[PathBuf]) -> Result<(Vec<DirectoryObject>, Vec<String>)> {
    let (mut objects, mut lines) = (Vec::new(), Vec::new());
    for (name, bytes) in read_files(paths)? {
        let inventory = countersign_logs::inventory::read(&bytes);
        if inventory.objects.is_empty() {
            let reason = inventory.skipped.first().map(|(at, why)| format!(" ({at}: {why})"));
            bail!(
                "`{name}` holds no application or servicePrincipal of Microsoft Graph{}",
                reason.unwrap_or_default()
            );
        }
        let mut line =
            format!("{name}: inventory, {}", output::count(inventory.objects.len() as u64, "object"));
        if let Some((at, why)) = inventory.skipped.first() {
            line.push_str(&format!(", {} passed over (first: {at}: {why})", inventory.skipped_total));
        }
        lines.push(line);
        objects.extend(inventory.objects);
    }
    Ok((objects, lines))
}

fn read_rogue_lists(paths: &[PathBuf]) -> Result<(Vec<RogueApplication>, Vec<String>)> {
    let (mut all, mut lines) = (Vec::new(), Vec::new());
    for (name, bytes) in read_files(paths)? {
        let file =
            Path::new(&name).file_name().map_or(name.clone(), |file| file.to_string_lossy().into_owned());
        let (applications, without) = countersign_enrichment::rogue_applications::read(&file, &bytes)?;
        let mut line = format!(
            "{name}: abused applications, {}",
            output::count(applications.len() as u64, "application")
        );
        if without > 0 {
            line.push_str(&format!(", {without} without an application id"));
        }
        lines.push(line);
        all.extend(applications);
    }
    Ok((all, lines))
}

fn sources(databases: &[PathBuf]) -> Result<Sources> {
    let mut sources = Sources::embedded();
    for path in databases {
        sources.user.push(mmdb(path)?);
    }
    Ok(sources)
}

fn mmdb(path: &Path) -> Result<MmdbSource> {
    let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    MmdbSource::from_bytes(bytes)
        .with_context(|| format!("`{}` is no MaxMind or IPinfo database", path.display()))
}

fn address_tables(sources: &Sources) -> String {
    let own = sources.user.iter().map(MmdbSource::description);
    own.chain([sources.table.version()]).collect::<Vec<_>>().join(", then ")
}

fn threat_intelligence(
    feeds: &[(String, Vec<u8>)],
    newest: Timestamp,
) -> Result<(ThreatIntelligence, Vec<FeedSummary>)> {
    let mut builder = ThreatIntelligence::builder();
    let mut summaries = Vec::new();
    for (name, bytes) in feeds {
        summaries.push(builder.add_file(name, bytes, newest)?);
    }
    Ok((builder.build(), summaries))
}

fn feed_line(summary: &FeedSummary) -> String {
    let mut line = format!(
        "{}: {}, {} in force",
        summary.feed,
        summary.format,
        output::count(summary.indicators as u64, "indicator")
    );
    let not_applicable: usize = summary.not_applicable.values().sum();
    for (count, what) in [
        (summary.expired, "expired"),
        (summary.revoked, "revoked"),
        (not_applicable, "not applicable to these logs"),
        (summary.marked_benign, "marked benign"),
        (summary.skipped_total, "unreadable"),
    ] {
        if count > 0 {
            line.push_str(&format!(", {count} {what}"));
        }
    }
    if let Some((record, reason)) = summary.skipped.first() {
        line.push_str(&format!(" (first: {record}: {reason})"));
    }
    line
}
