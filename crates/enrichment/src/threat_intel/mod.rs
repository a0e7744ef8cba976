//! Threat intelligence that users bring: reads feeds of many forms into one set of indicators.
//!
//! Most public feeds list scanners and botnets, hardly ever what attacks workload identities. So a match is
//! evidence with a weight, never a verdict: the precision of the form it came in, times the feed's own
//! confidence, times freshness. Start with [`Builder::add_file`]; [`ThreatIntelligence::matches`] answers per event.

mod benign;
mod csv;
mod indicator;
mod lists;
mod matcher;
mod misp;
mod otx;
mod pattern;
mod stix;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use countersign_model::time::{DAY, Timestamp};

use benign::BenignLists;
use indicator::{Collected, Indicator};
pub use matcher::ThreatIntelligence;

/// Largest feed file we read; the biggest public ones are below 100 MB.
pub const FILE_BYTES_MAX: usize = 512 << 20;
/// Skipped records that a summary lists; more of the same help nobody.
pub const SKIPPED_LISTED_MAX: usize = 20;
/// Addresses change hands: what is known of one loses half its weight in this time.
const HALF_LIFE_DAYS: f64 = 14.0;
/// Old knowledge still says something: without a floor a feed of last year would be silent.
const FRESHNESS_MIN: f64 = 0.1;
/// No feed is always right, however sure it is.
const PRECISION_MAX: f32 = 0.95;
/// An indicator on a list of known-benign values is kept, but counts a tenth.
const BENIGN_WEIGHT: f32 = 0.1;
/// Events up to this long before an indicator became valid match it: intrusions are published late.
pub(crate) const RETRO_MATCH: i64 = 90 * DAY;

/// Form of a feed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedFormat {
    /// Addresses, ranges, domains or systems, one a line.
    List,
    /// Address and number of lists it is on.
    CountedList,
    /// `ExitAddress` blocks of the Tor project.
    TorExits,
    /// Spamhaus DROP or ASN-DROP, JSON lines or text.
    SpamhausDrop,
    /// Comma-separated values with a head line.
    Csv,
    /// STIX 2.0 or 2.1 objects.
    Stix,
    /// MISP events.
    Misp,
    /// OTX pulses.
    Otx,
    /// A MISP warning list: known-benign values.
    WarningList,
}

impl FeedFormat {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            FeedFormat::List => "list",
            FeedFormat::CountedList => "counted list",
            FeedFormat::TorExits => "Tor exit list",
            FeedFormat::SpamhausDrop => "Spamhaus DROP list",
            FeedFormat::Csv => "CSV",
            FeedFormat::Stix => "STIX",
            FeedFormat::Misp => "MISP event",
            FeedFormat::Otx => "OTX pulse",
            FeedFormat::WarningList => "MISP warning list",
        }
    }

    /// Precision of a match when the feed itself says nothing about its confidence.
    fn precision(self) -> f32 {
        match self {
            // Known-benign values are no indicators.
            FeedFormat::WarningList => 0.0,
            // Scanners mostly, and nobody says why an address is listed.
            FeedFormat::List => 0.3,
            // See `lists::counted_precision`; this is for a count that cannot be read.
            FeedFormat::CountedList => 0.1,
            // Networks that are wholly in criminal hands; curated, few mistakes.
            FeedFormat::SpamhausDrop => 0.8,
            // Tor: that it is an exit is certain, that an exit means an attack on a workload is not.
            // CSV: named campaigns or malware, reviewed by the publisher.
            // STIX: no statement reads as medium on its own confidence scale.
            FeedFormat::TorExits | FeedFormat::Csv | FeedFormat::Stix => 0.5,
            // Attributes that an analyst marked for detection.
            FeedFormat::Misp => 0.6,
            // Pulses of any account.
            FeedFormat::Otx => 0.4,
        }
    }
}

impl fmt::Display for FeedFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What was read from one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedSummary {
    /// Name of the file.
    pub feed: String,
    /// Its form.
    pub format: FeedFormat,
    /// Indicators in force; for a warning list, its values.
    pub indicators: usize,
    /// Indicators past their end: kept, because earlier events may still match.
    pub expired: usize,
    /// Indicators withdrawn by their producer: not kept.
    pub revoked: usize,
    /// Indicators of kinds that no event carries (hashes, files, ports), by reason.
    pub not_applicable: BTreeMap<&'static str, usize>,
    /// Records that could not be read: where, and why. At most [`SKIPPED_LISTED_MAX`].
    pub skipped: Vec<(String, String)>,
    /// All records that could not be read.
    pub skipped_total: usize,
    /// Indicators that a warning list added before this file calls benign.
    pub marked_benign: usize,
}

/// Why a file could not be used at all.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// Nothing in it could be read.
    #[error(
        "cannot read any indicator from `{file}`{}: accepted are lists of addresses, CSV with a head line, \
         STIX 2 bundles, MISP events and warning lists, OTX pulses, and Spamhaus or Tor lists",
        first.as_ref().map_or(String::new(), |(record, reason)| format!(" ({record}: {reason})"))
    )]
    Unreadable {
        /// Name of the file.
        file: String,
        /// The first record that could not be read, and why.
        first: Option<(String, String)>,
    },
    /// Beyond [`FILE_BYTES_MAX`].
    #[error("`{file}` has {bytes} bytes, more than the limit of {FILE_BYTES_MAX}")]
    TooLarge {
        /// Name of the file.
        file: String,
        /// Its size.
        bytes: usize,
    },
}

/// Collects feeds.
#[derive(Debug, Default)]
pub struct Builder {
    indicators: Vec<Indicator>,
    /// STIX objects by id, so that a newer version in a later file replaces or withdraws an older one.
    objects: HashMap<String, stix::Version>,
    benign: BenignLists,
}

impl ThreatIntelligence {
    /// An empty collection of feeds.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// Reads one file of any accepted form. `now` is the newest time in the data that will be matched:
    /// freshness and expiry are relative to it.
    pub fn add_file(&mut self, name: &str, bytes: &[u8], now: Timestamp) -> Result<FeedSummary, FeedError> {
        if bytes.len() > FILE_BYTES_MAX {
            return Err(FeedError::TooLarge { file: name.to_owned(), bytes: bytes.len() });
        }
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches('\u{feff}').trim();
        let mut collected = Collected::new(name, now);
        let format = match text.as_bytes().first() {
            Some(b'{' | b'[') => self.read_json(text, &mut collected),
            Some(_) => match csv::head(text) {
                Some(head) => Some(csv::read(text, &head, &mut collected)),
                None => Some(lists::read(text, &mut collected)),
            },
            None => None,
        };
        self.finish(collected, format)
    }

    /// The collection, ready to match.
    pub fn build(self) -> ThreatIntelligence {
        let mut indicators = self.indicators;
        let mut objects: Vec<_> = self.objects.into_iter().collect();
        // The order of a hash map is not the same in two runs.
        objects.sort_by(|a, b| a.0.cmp(&b.0));
        indicators.extend(objects.into_iter().flat_map(|(_, version)| version.indicators));
        for indicator in &mut indicators {
            if let Some(list) = self.benign.list_of(&indicator.condition) {
                indicator.mark_benign(list);
            }
        }
        ThreatIntelligence::new(indicators)
    }

    fn read_json(&mut self, text: &str, collected: &mut Collected<'_>) -> Option<FeedFormat> {
        use serde_json::Value;
        let Ok(value) = serde_json::from_str::<Value>(text) else {
            return lists::read_json_lines(text, collected);
        };
        let has = |key: &str| value.get(key).is_some();
        if has("list") && has("type") {
            collected.indicators_in_force = self.benign.add(&value);
            return Some(FeedFormat::WarningList);
        }
        if misp::read(&value, collected) {
            return Some(FeedFormat::Misp);
        }
        if otx::read(&value, collected) {
            return Some(FeedFormat::Otx);
        }
        if stix::read(&value, collected, &mut self.objects) {
            return Some(FeedFormat::Stix);
        }
        // A single JSON line is a whole document, too.
        let format = lists::read_json_line(&value, collected);
        if format.is_none() {
            collected.skip(
                "document",
                "JSON, but neither STIX, MISP, OTX nor Spamhaus; of a MISP feed, add the event files",
            );
        }
        format
    }

    fn finish(
        &mut self,
        mut collected: Collected<'_>,
        format: Option<FeedFormat>,
    ) -> Result<FeedSummary, FeedError> {
        let feed = collected.feed.to_owned();
        let nothing_read = collected.is_empty() && collected.skipped_total > 0;
        let Some(format) = format.filter(|_| !nothing_read) else {
            return Err(FeedError::Unreadable { file: feed, first: collected.skipped.into_iter().next() });
        };
        let indicators = collected.take_indicators();
        let in_stix =
            self.objects.values().filter(|version| version.feed == feed).flat_map(|v| &v.indicators);
        let is_benign = |indicator: &&Indicator| self.benign.list_of(&indicator.condition).is_some();
        let marked_benign = indicators.iter().chain(in_stix).filter(is_benign).count();
        self.indicators.extend(indicators);
        Ok(FeedSummary {
            feed,
            format,
            indicators: collected.indicators_in_force,
            expired: collected.expired,
            revoked: collected.revoked,
            not_applicable: collected.not_applicable,
            skipped: collected.skipped,
            skipped_total: collected.skipped_total,
            marked_benign,
        })
    }
}

/// Weight left to knowledge of `seen`, at `now`.
fn freshness(seen: Option<Timestamp>, now: Timestamp) -> f32 {
    let age_days = seen.map_or(0.0, |seen| now.since(seen) as f64 / DAY as f64).max(0.0);
    (0.5f64.powf(age_days / HALF_LIFE_DAYS)).max(FRESHNESS_MIN) as f32
}

#[cfg(test)]
pub(crate) mod tests;
