//! The numbers over all seeds, and how they are printed.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use anyhow::{Context, Result};
use comfy_table::{Cell, CellAlignment, Table};
use countersign_detection::calibration::Family;
use countersign_simulation::evaluation::{BUDGETS, Calibration, Interval, LEVELS, interval};
use serde_json::{Value, json};

use super::Judged;
use crate::cli::Evaluate;
use crate::output::{count, grouped};

/// All seeds.
pub(crate) struct Outcome {
    pub(crate) seeds: Vec<u64>,
    pub(crate) budget: f64,
    pub(crate) source: String,
    pub(crate) judged: Vec<Judged>,
}

/// One method over all seeds.
pub(crate) struct Method {
    pub(crate) name: String,
    pub(crate) recall: [Interval; BUDGETS.len()],
    /// Family with the least recall at 5 false alarms per 1,000 identities and day among those with five attacks or
    /// more, and that recall.
    pub(crate) worst: Option<(String, f64)>,
}

/// Attacks that a family must have to be called the worst.
const WORST_ATTACKS_MIN: u32 = 5;

impl Outcome {
    pub(crate) fn new(arguments: &Evaluate) -> Self {
        let source = match &arguments.logs {
            Some(logs) => format!("`{logs}` with injected attacks"),
            None => format!(
                "simulated tenants of {} over {}, {} % attacked",
                count(u64::from(arguments.principals), "workload identity"),
                count(u64::from(arguments.days), "day"),
                arguments.attacks * 100.0
            ),
        };
        Outcome { seeds: Vec::new(), budget: arguments.budget.per_1000_and_day(), source, judged: Vec::new() }
    }

    pub(crate) fn add(&mut self, seed: u64, judged: Judged) {
        self.seeds.push(seed);
        self.judged.push(judged);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.attacks() == 0
    }

    pub(crate) fn attacks(&self) -> u64 {
        self.judged.iter().map(|judged| judged.methods[0].1.attacks).sum()
    }

    pub(crate) fn identity_days(&self) -> u64 {
        self.judged.iter().map(|judged| judged.methods[0].1.identity_days).sum()
    }

    fn over_seeds(&self, value: impl Fn(&Judged) -> f64) -> Interval {
        interval(&self.judged.iter().map(value).collect::<Vec<_>>())
    }

    /// Each method over all seeds.
    pub(crate) fn methods(&self) -> Vec<Method> {
        let names = self.judged.first().map_or(0, |judged| judged.methods.len());
        (0..names)
            .map(|at| {
                let worst = self
                    .families(at)
                    .into_iter()
                    .filter(|(_, [_, _, all])| *all >= WORST_ATTACKS_MIN)
                    .map(|(family, [_, found, all])| (family, f64::from(found) / f64::from(all)))
                    .min_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
                Method {
                    name: self.judged[0].methods[at].0.clone(),
                    recall: std::array::from_fn(|budget| {
                        self.over_seeds(|judged| judged.methods[at].1.recall[budget])
                    }),
                    worst,
                }
            })
            .collect()
    }

    /// Attacks found at 1 and at 5 false alarms, and all, by family, summed over the seeds.
    pub(crate) fn families(&self, method: usize) -> BTreeMap<String, [u32; 3]> {
        let mut families: BTreeMap<String, [u32; 3]> = BTreeMap::new();
        for judged in &self.judged {
            for (family, counts) in &judged.methods[method].1.families {
                let sum = families.entry(family.clone()).or_default();
                for (sum, count) in sum.iter_mut().zip(counts) {
                    *sum += count;
                }
            }
        }
        families
    }

    /// Look-alikes that somebody is called about, and all, by family.
    pub(crate) fn look_alikes(&self) -> BTreeMap<String, [u32; 2]> {
        let mut families: BTreeMap<String, [u32; 2]> = BTreeMap::new();
        for judged in &self.judged {
            for (family, [paged, all]) in &judged.methods[0].1.look_alikes {
                let sum = families.entry(family.clone()).or_default();
                sum[0] += paged;
                sum[1] += all;
            }
        }
        families
    }

    /// Share of attacks that somebody is called about, false calls per 1,000 identities and day.
    pub(crate) fn paged(&self) -> (Interval, Interval) {
        let share = self.over_seeds(|judged| {
            let result = &judged.methods[0].1;
            result.paged as f64 / result.attacks.max(1) as f64
        });
        let rate = self.over_seeds(|judged| {
            let result = &judged.methods[0].1;
            result.false_pages as f64 * 1_000.0 / result.identity_days.max(1) as f64
        });
        (share, rate)
    }

    /// Median events and minutes from the first event of an attack to the call.
    pub(crate) fn time_to_detect(&self) -> Option<(u32, f64)> {
        let times = || self.judged.iter().flat_map(|judged| &judged.methods[0].1.time_to_detect);
        let mut events: Vec<u32> = times().map(|(events, _)| *events).collect();
        let mut minutes: Vec<f64> = times().map(|(_, minutes)| *minutes).collect();
        events.sort_unstable();
        minutes.sort_by(f64::total_cmp);
        Some((*events.get(events.len() / 2)?, *minutes.get(minutes.len() / 2)?))
    }

    /// Calibration of a family of evidence over all seeds.
    pub(crate) fn calibration(&self, family: Family) -> Calibration {
        let mut all = Calibration::default();
        for judged in &self.judged {
            let one = &judged.calibration[family as usize];
            all.days += one.days;
            all.sum += one.sum;
            all.events += one.events;
            let by_day = all.reached.iter_mut().zip(one.reached);
            for (sum, count) in by_day.chain(all.events_reached.iter_mut().zip(one.events_reached)) {
                *sum += count;
            }
            all.highest.extend(&one.highest);
        }
        all.highest.sort_by(|a, b| b.total_cmp(a));
        all
    }

    /// Nanoseconds an event and bytes an identity.
    pub(crate) fn cost(&self) -> (Interval, Interval) {
        (self.over_seeds(|judged| judged.nanoseconds), self.over_seeds(|judged| judged.bytes))
    }

    /// Prints everything.
    pub(crate) fn write(&self, as_json: bool) -> Result<()> {
        let mut out = io::stdout().lock();
        let written = if as_json {
            serde_json::to_writer_pretty(&mut out, &self.object())
                .map_err(io::Error::from)
                .and_then(|()| writeln!(out))
        } else {
            out.write_all(self.text().as_bytes())
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.context("cannot write to standard output"),
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{} on {} over {} (seeds {}), budget {}\n\n",
            count(self.attacks(), "attack"),
            count(self.identity_days(), "identity-day"),
            self.source,
            seeds(&self.seeds),
            self.budget
        );
        let mut table = table([
            "recall at false alarms per 1,000 identities and day",
            "0.1",
            "0.5",
            "1",
            "5",
            "worst family at 5",
        ]);
        for method in self.methods() {
            let mut row = vec![Cell::new(&method.name)];
            row.extend(method.recall.iter().map(|recall| right(&share(recall))));
            row.push(Cell::new(
                method.worst.map_or(String::new(), |(family, recall)| format!("{recall:.2} {family}")),
            ));
            table.add_row(row);
        }
        text.push_str(&format!("{}\n\n", table.trim_fmt()));

        let (paged, false_pages) = self.paged();
        text.push_str(&format!(
            "At its own levels: {} of attacks call somebody; {} false calls per 1,000 identities and day.\n",
            share(&paged),
            share(&false_pages),
        ));
        if let Some((events, minutes)) = self.time_to_detect() {
            text.push_str(&format!(
                "Half of them within {} and {minutes:.0} minutes.\n",
                count(u64::from(events), "event")
            ));
        }
        let (time, bytes) = self.cost();
        text.push_str(&format!(
            "{:.0} ns an event for enrichment and detection, {} of state an identity.\n\n",
            time.mean,
            count(bytes.mean.round() as u64, "byte")
        ));

        let mut table = self::table(["attacks by family", "all", "found at 1", "at 5"]);
        for (family, [one, five, all]) in self.families(0) {
            table.add_row([
                Cell::new(family),
                right(&all.to_string()),
                right(&one.to_string()),
                right(&five.to_string()),
            ]);
        }
        text.push_str(&format!("{}\n\n", table.trim_fmt()));

        let mut table = self::table(["look-alikes", "all", "somebody called"]);
        for (family, [paged, all]) in self.look_alikes() {
            table.add_row([Cell::new(family), right(&all.to_string()), right(&paged.to_string())]);
        }
        text.push_str(&format!("{}\n\n", table.trim_fmt()));

        let mut table = self::table([
            "measured over nominal, harmless",
            "1e-1",
            "1e-2",
            "1e-3",
            "1e-4",
            "1e-5",
            "1e-6",
            "mean of E",
        ]);
        for family in Family::ALL {
            let calibration = self.calibration(family);
            let name = |unit, of| Cell::new(format!("{}, by {unit} ({})", family.name(), grouped(of)));
            let ratios = |ratios: [f64; LEVELS.len()]| ratios.map(|ratio| right(&format!("{ratio:.2}")));
            let mut row = vec![name("event", calibration.events)];
            row.extend(ratios(calibration.event_ratios()));
            table.add_row(row);
            let mut row = vec![name("identity-day", calibration.days)];
            row.extend(ratios(calibration.ratios()));
            row.push(right(&format!("{:.2}", calibration.sum / calibration.days.max(1) as f64)));
            table.add_row(row);
        }
        text.push_str(&format!("{}\n", table.trim_fmt()));
        text
    }

    fn object(&self) -> Value {
        let is_one = self.seeds.len() < 2;
        let of = |interval: &Interval| {
            let end = |end: f64| (!is_one).then_some(end);
            json!({"mean": interval.mean, "low": end(interval.low), "high": end(interval.high)})
        };
        let methods: Vec<Value> = self
            .methods()
            .iter()
            .map(|method| {
                let recall: serde_json::Map<String, Value> = BUDGETS
                    .iter()
                    .zip(&method.recall)
                    .map(|(budget, recall)| (budget.to_string(), of(recall)))
                    .collect();
                json!({
                    "name": method.name,
                    "recall": recall,
                    "worstFamily": method.worst.as_ref().map(|(family, recall)| json!({"name": family, "recall": recall})),
                })
            })
            .collect();
        let (paged, false_pages) = self.paged();
        let (time, bytes) = self.cost();
        let calibration: Vec<Value> = Family::ALL
            .into_iter()
            .map(|family| {
                let calibration = self.calibration(family);
                json!({
                    "family": family.name(),
                    "days": calibration.days,
                    "levels": LEVELS,
                    "measuredOverNominal": calibration.ratios(),
                    "events": calibration.events,
                    "eventsMeasuredOverNominal": calibration.event_ratios(),
                    "meanBounded": calibration.sum / calibration.days.max(1) as f64,
                })
            })
            .collect();
        json!({
            "source": self.source,
            "seeds": self.seeds,
            "budget": self.budget,
            "attacks": self.attacks(),
            "identityDays": self.identity_days(),
            "methods": methods,
            "families": self.families(0).into_iter().map(|(family, [one, five, all])| json!({
                "name": family, "attacks": all, "foundAt1": one, "foundAt5": five,
            })).collect::<Vec<_>>(),
            "lookAlikes": self.look_alikes().into_iter().map(|(family, [paged, all])| json!({
                "name": family, "episodes": all, "paged": paged,
            })).collect::<Vec<_>>(),
            "paged": of(&paged),
            "falsePagesPerThousandAndDay": of(&false_pages),
            "timeToDetect": self.time_to_detect().map(|(events, minutes)| json!({"events": events, "minutes": minutes})),
            "calibration": calibration,
            "nanosecondsPerEvent": of(&time),
            "bytesPerIdentity": of(&bytes),
        })
    }
}

/// `1 to 20`, or one.
pub(crate) fn seeds(seeds: &[u64]) -> String {
    match (seeds.first(), seeds.last()) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (Some(first), _) => first.to_string(),
        (None, _) => String::new(),
    }
}

/// `0.81 ±0.02`; of one seed, or of seeds that agree, the number alone.
pub(crate) fn share(interval: &Interval) -> String {
    if interval.high <= interval.low {
        return format!("{:.2}", interval.mean);
    }
    format!("{:.2} ±{:.2}", interval.mean, (interval.high - interval.low) / 2.0)
}

fn right(text: &str) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header);
    table
}
