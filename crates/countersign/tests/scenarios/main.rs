//! One short history for each thing that a detection must see, and for each harmless one that resembles it.
//!
//! "Page" is a finding of medium or high: somebody is called. Low findings are listed, and may well be there.

mod api_traffic;
mod applications;
mod blind_spots;
mod directory_changes;
mod look_alikes;
mod sign_ins;

use std::ops::Range;
use std::sync::OnceLock;

use countersign_detection::{Detector, Policy};
use countersign_enrichment::Enricher;
use countersign_logs::decode::{self, LogType, Sink, Skip};
use countersign_logs::framing::Framer;
use countersign_model::event::Event;
use countersign_model::finding::{Finding, Notice};
use countersign_model::risk::RiskLevel;
use countersign_model::time::Timestamp;
use countersign_simulation::scenario::{Scenario, service_principal_id};

/// An office in Germany (AS3320).
pub(crate) const OFFICE: &str = "87.130.4.10";
pub(crate) const OFFICE_NEXT: &str = "87.130.4.11";
/// A home in Germany, in a network that no identity uses (AS3209).
pub(crate) const HOME: &str = "188.97.118.79";
/// Azure in Germany, next door, and in France.
pub(crate) const CLOUD: &str = "4.185.1.10";
pub(crate) const CLOUD_NEXT: &str = "4.185.1.11";
pub(crate) const CLOUD_ABROAD: &str = "4.211.1.9";
/// Rented servers in Russia, where nobody of the tenant works.
pub(crate) const FOREIGN_HOSTING: &str = "89.108.100.7";

pub(crate) const ADMIN: &str = "admin@contoso.example";

pub(crate) struct Judged {
    pub(crate) findings: Vec<Finding>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) detector: Detector,
}

impl Judged {
    /// Findings that call somebody.
    pub(crate) fn pages(&self) -> Vec<&Finding> {
        self.findings.iter().filter(|finding| finding.level >= RiskLevel::Medium).collect()
    }

    pub(crate) fn of(&self, name: &str) -> Vec<&Finding> {
        let id = service_principal_id(name);
        self.findings.iter().filter(|finding| finding.service_principal == id).collect()
    }
}

pub(crate) fn embedded() -> &'static Enricher {
    static ENRICHER: OnceLock<Enricher> = OnceLock::new();
    ENRICHER.get_or_init(Enricher::embedded)
}

/// Decodes one line and shows its event.
pub(crate) fn show(line: &[u8], look: &mut dyn FnMut(&Event<'_>)) {
    struct Show<'l>(&'l mut dyn FnMut(&Event<'_>));
    impl Sink for Show<'_> {
        fn event(&mut self, _: LogType, _: u64, event: &Event<'_>) {
            (self.0)(event);
        }
        fn skip(&mut self, _: u64, skip: Skip) {
            panic!("the scenario wrote a record that cannot be read: {skip:?}");
        }
    }
    let mut sink = Show(look);
    let mut framer = Framer::new();
    framer.push(line, &mut |batch| decode::decode(&batch, &mut sink));
    framer.finish(&mut |batch| decode::decode(&batch, &mut sink));
}

pub(crate) fn in_event_time(lines: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let mut timed: Vec<(Timestamp, Vec<u8>)> = Vec::new();
    for line in lines {
        let mut time = Timestamp::default();
        show(&line, &mut |event| time = event.time());
        timed.push((time, line));
    }
    timed.sort();
    timed.into_iter().map(|(_, line)| line).collect()
}

pub(crate) fn judge_lines(lines: impl IntoIterator<Item = Vec<u8>>, enricher: &Enricher) -> Judged {
    let mut detector = Detector::new(Policy::default());
    for line in in_event_time(lines) {
        show(&line, &mut |event| {
            detector.observe(event, &enricher.enrich(event));
        });
    }
    detector.finish();
    Judged { findings: detector.findings(), notices: detector.notices(), detector }
}

pub(crate) fn judge(scenario: Scenario) -> Judged {
    judge_lines(scenario.into_records(), embedded())
}

pub(crate) fn no_page(what: &str, scenario: Scenario) -> Judged {
    let judged = judge(scenario);
    let pages: Vec<String> =
        judged.pages().iter().map(|finding| format!("{:#?}", finding.explanation)).collect();
    assert!(pages.is_empty(), "{what} pages: {}", pages.join("\n"));
    judged
}

/// A tenant of six steady identities in the office, each with an address of its own.
pub(crate) fn tenant(days: Range<i64>) -> Scenario {
    (0..6).fold(Scenario::new(1), |scenario, number| {
        let (address, key) = (format!("87.130.4.{}", 20 + number), format!("steady-{number}"));
        scenario
            .principal(&format!("svc-steady-{number}"), |usual| usual.address(&address).key(&key))
            .polls(days.clone(), 4)
    })
}
