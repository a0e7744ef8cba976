//! What an analysis found: everything that its outputs show, and nothing about how they show it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use countersign_detection::budget::Budget;
use countersign_detection::calibration::Calibration;
use countersign_detection::detector::{Measured, RiskyPrincipal};
use countersign_model::finding::{Finding, Notice};
use countersign_model::source::Country;
use countersign_model::time::Timestamp;

/// What was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Read {
    /// Files, standard input among them.
    pub(crate) files: u64,
    /// Bytes as they lie on disk.
    pub(crate) bytes: u64,
    /// Records of any kind, read or not.
    pub(crate) records: u64,
    /// Records of Entra's logs by category, user sign-ins among them.
    pub(crate) by_type: BTreeMap<String, u64>,
    /// Records that gave no event, by reason.
    pub(crate) skipped: BTreeMap<String, Skipped>,
    /// Events delivered more than once.
    pub(crate) repeated: u64,
    /// First and last event time; `None` when there is no event.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
    /// Workload identities that acted.
    pub(crate) principals: u64,
}

/// Records skipped for one reason.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skipped {
    /// How many.
    pub(crate) count: u64,
    /// Where the first is, in the order of files: `file:line`, with what it holds.
    pub(crate) example: String,
    /// True when the record is damaged, false when it is merely none of ours.
    pub(crate) unreadable: bool,
}

impl Read {
    /// Events that were taken in.
    pub(crate) fn events(&self) -> u64 {
        self.records - self.skipped.values().map(|skipped| skipped.count).sum::<u64>()
    }

    /// Records that are damaged.
    pub(crate) fn unreadable(&self) -> u64 {
        self.skipped.values().filter(|skipped| skipped.unreadable).map(|skipped| skipped.count).sum()
    }
}

/// Where the facts came from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    /// Version of the address table, or the name of the user's database.
    pub(crate) addresses: String,
    /// Age of the address table in days at the newest event.
    pub(crate) addresses_age_days: i64,
    /// One line for each threat-intelligence feed: name, format, indicators, what was left out.
    pub(crate) feeds: Vec<String>,
    /// What became of the known patterns that were brought along: how many, which are refused, what was never seen.
    pub(crate) patterns: Vec<String>,
}

/// What a risky identity did over time: one entry for each hour, source and outcome, in time order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    pub(crate) points: Vec<Point>,
    /// Changes of the directory that concern the identity: time and words.
    pub(crate) changes: Vec<(Timestamp, String)>,
    /// Points that were left out because there were too many.
    pub(crate) omitted: u64,
}

/// Events of one hour from one source.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    /// Start of the hour.
    pub(crate) hour: Timestamp,
    /// Source; `None` for events without an address.
    pub(crate) ip: Option<IpAddr>,
    /// Its autonomous system; 0 when unknown.
    pub(crate) asn: u32,
    /// Name of the autonomous system; may be empty.
    pub(crate) as_name: String,
    /// Its country.
    pub(crate) country: Option<Country>,
    /// Family of the user agent.
    pub(crate) agent: String,
    /// Display name of the resource.
    pub(crate) resource: String,
    /// Events that succeeded.
    pub(crate) succeeded: u64,
    /// Events that failed.
    pub(crate) failed: u64,
    /// Index into [`Analysis::findings`] when an event of it belongs to a finding.
    pub(crate) finding: Option<usize>,
}

/// The result of an analysis.
#[derive(Clone, Debug)]
pub(crate) struct Analysis {
    pub(crate) read: Read,
    pub(crate) tables: Tables,
    pub(crate) budget: Budget,
    pub(crate) measured: Measured,
    pub(crate) calibration: Calibration,
    /// Strongest first.
    pub(crate) findings: Vec<Finding>,
    /// Riskiest first.
    pub(crate) risky: Vec<RiskyPrincipal>,
    pub(crate) notices: Vec<Notice>,
    /// By object id of the service principal; filled only when a report is asked for.
    pub(crate) timelines: BTreeMap<String, Timeline>,
}
