//! `countersign evaluate`: how good the detector is, on simulated tenants of many seeds or on the user's own logs with
//! injected attacks, beside the rules that people use today.

mod labels;
pub(crate) mod outcome;
mod plots;
mod report;

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Result, bail};
use countersign_detection::calibration::Family;
use countersign_detection::detector::Observed;
use countersign_detection::{Detector, Policy};
use countersign_enrichment::{Enricher, Memo};
use countersign_logs::decode::{self, LogType, Sink, Skip};
use countersign_logs::framing::Framer;
use countersign_model::event::Event;
use countersign_model::finding::Finding;
use countersign_model::risk::RiskLevel;
use countersign_simulation::evaluation::baselines::Baselines;
use countersign_simulation::evaluation::{self, Alert, Calibration, History};
use countersign_simulation::{Attacks, Parameters, Simulation};

use crate::analyze::read::{self, ReadEvents};
use crate::analyze::sort::{Chunk, Merge, Sorter};
use crate::analyze::watch::Watch;
use crate::analyze::{fold, inputs};
use crate::cli::Evaluate;
use crate::output;
use crate::progress::Progress;
use outcome::Outcome;

/// Bytes of sorted events kept in memory for one seed.
const MEMORY: usize = 1 << 30;

/// Runs the command.
pub(crate) fn run(arguments: &Evaluate) -> Result<()> {
    let enricher = Enricher::embedded();
    let policy = Policy { budget: arguments.budget };
    let report = arguments.report.as_deref().map(output::begin).transpose()?;
    let mut outcome = Outcome::new(arguments);
    if let Some(logs) = &arguments.logs {
        let truth = arguments.truth.clone().unwrap_or_else(|| Path::new(logs).join("truth.ndjson"));
        let history = History::new(labels::read(&truth)?);
        let mut events = read_logs(logs)?;
        outcome.add(0, judge(&mut events, &enricher, policy, history)?);
    } else {
        let seeds = arguments.seeds.clone();
        let count = seeds.clone().count() as u64;
        let done = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let _progress = Progress::seeds("evaluating", count, std::sync::Arc::clone(&done));
        for seed in seeds {
            let (mut events, history) = simulate(arguments, seed)?;
            outcome.add(seed, judge(&mut events, &enricher, policy, history)?);
            done.fetch_add(1, Ordering::Relaxed);
        }
    }
    if outcome.is_empty() {
        bail!("no attack in what was evaluated: --attacks must be more than 0");
    }
    if let Some(file) = report {
        let html = report::render(&outcome);
        output::complete(file, |out| std::io::Write::write_all(out, html.as_bytes()))?;
    }
    outcome.write(arguments.json)
}

/// What one history gave.
pub(crate) struct Judged {
    /// Name of the method and how it did; the detector first.
    pub(crate) methods: Vec<(String, evaluation::Result)>,
    /// By family of evidence.
    pub(crate) calibration: Vec<Calibration>,
    /// Nanoseconds of enrichment and detection for one event.
    pub(crate) nanoseconds: f64,
    /// Bytes of state for one identity.
    pub(crate) bytes: f64,
}

/// The sorted events of a simulated tenant, and what really happened.
fn simulate(arguments: &Evaluate, seed: u64) -> Result<(Merge, History)> {
    let mut simulation = Simulation::new(Parameters {
        principals: arguments.principals,
        days: arguments.days,
        seed,
        attacks: if arguments.attacks > 0.0 { Attacks::Share(arguments.attacks) } else { Attacks::None },
        ..Parameters::default()
    });
    let mut collect = Collect { sorter: Sorter::new(MEMORY, None), chunk: Chunk::default(), failed: None };
    loop {
        let mut framer = Framer::new();
        let more = simulation.next_day(|record| {
            framer.push(record.line, &mut |batch| decode::decode(&batch, &mut collect));
            framer.push(b"\n", &mut |batch| decode::decode(&batch, &mut collect));
        });
        framer.finish(&mut |batch| decode::decode(&batch, &mut collect));
        if let Some(error) = collect.failed.take() {
            return Err(error);
        }
        if !more {
            break;
        }
    }
    collect.seal()?;
    let history = History::new(simulation.truth().iter().map(labels::of_episode).collect());
    Ok((collect.sorter.into_merge()?, history))
}

/// Takes decoded events into the sorter.
struct Collect {
    sorter: Sorter,
    chunk: Chunk,
    failed: Option<anyhow::Error>,
}

impl Collect {
    fn seal(&mut self) -> Result<()> {
        let mut chunk = std::mem::take(&mut self.chunk);
        chunk.sort();
        self.sorter.push(chunk)
    }
}

impl Sink for Collect {
    fn event(&mut self, _: LogType, _: u64, event: &Event<'_>) {
        if self.failed.is_some() {
            return;
        }
        let pushed = self.chunk.push(event);
        let sealed = pushed.and_then(|()| if self.chunk.is_full() { self.seal() } else { Ok(()) });
        self.failed = sealed.err();
    }

    fn skip(&mut self, _: u64, _: Skip) {}
}

fn read_logs(path: &str) -> Result<Merge> {
    let watch = Watch::default();
    let inputs = inputs::expand(&[path.to_owned()])?;
    if inputs.is_empty() {
        bail!("no file in `{path}`: name the folder that `simulate --inject` wrote");
    }
    let total = inputs.iter().map(inputs::Input::size).sum();
    let _progress = Progress::bytes("reading", total, watch.bytes.clone(), watch.events.clone());
    let ReadEvents { read, events, .. } = read::read(&inputs, Sorter::new(MEMORY, None), None, &watch)?;
    if read.events() == 0 {
        bail!("no sign-in, audit or activity record of a workload identity in `{path}`");
    }
    watch.events.store(0, Ordering::Relaxed);
    Ok(events)
}

/// Folds the detector and all baselines over the same events.
fn judge(events: &mut Merge, enricher: &Enricher, policy: Policy, mut history: History) -> Result<Judged> {
    let mut detector = Detector::new(policy);
    detector.keep_days();
    let mut baselines = Baselines::default();
    let mut memo = Memo::new(enricher);
    let labelled = history.index();
    let (mut count, mut spent) = (0_u64, 0_u128);
    while let Some((_, bytes)) = events.next()? {
        let event = fold::decode(bytes)?;
        let started = Instant::now();
        let enrichment = memo.enrich(&event);
        let observed = detector.observe(&event, &enrichment);
        spent += started.elapsed().as_nanos();
        if observed == Observed::Repeated {
            continue;
        }
        count += 1;
        baselines.observe(&event, enrichment.source.as_ref());
        if let Some(label) = labelled.get(&event.id().to_string()) {
            history.times[*label].push(event.time());
        }
    }
    let started = Instant::now();
    detector.finish();
    spent += started.elapsed().as_nanos();
    history.identity_days = detector.measured().identity_days;
    history.times.iter_mut().for_each(|times| times.sort_unstable());

    let mut methods = vec![("countersign".to_owned(), evaluation::score(&history, &alerts(&detector)))];
    methods.extend(
        baselines.alerts().map(|(name, alerts)| (name.to_owned(), evaluation::score(&history, &alerts))),
    );
    let days = detector.days();
    let calibration = Family::ALL
        .into_iter()
        .map(|family| {
            let mut calibration = Calibration::default();
            let of_family = days.iter().map(|(id, day)| {
                let events = day.events[family as usize];
                evaluation::Day {
                    principal: id.as_str(),
                    day: day.day,
                    ln: f64::from(day.ln[family as usize]),
                    events: events.judged,
                    events_reached: events.reached,
                }
            });
            calibration.add(&history, of_family);
            calibration
        })
        .collect();
    Ok(Judged {
        methods,
        calibration,
        nanoseconds: spent as f64 / count.max(1) as f64,
        bytes: detector.bytes_per_identity(),
    })
}

/// The findings as alerts. Levels come first: they hold down what evidence alone would overrate.
fn alerts(detector: &Detector) -> Vec<Alert> {
    let findings = detector.findings();
    let alert = |finding: &Finding| Alert {
        principal: finding.service_principal.clone(),
        from: finding.activity,
        to: finding.last_activity,
        detected: finding.detected,
        score: f64::from(rank(finding)) * 1_000.0 + finding.score,
        pages: finding.level >= RiskLevel::Medium,
        events: finding.event_ids.clone(),
    };
    findings.iter().map(alert).collect()
}

/// The level, as it would be without a budget: the budget is what recall is measured over.
fn rank(finding: &Finding) -> u8 {
    let is_over_budget = finding.reasons.iter().any(|reason| reason == "OverBudget");
    if is_over_budget { finding.level.max(RiskLevel::Medium) as u8 } else { finding.level as u8 }
}
