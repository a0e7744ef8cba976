//! What should be there and is not: a log that stopped, an operation that is no longer recorded, names of operations
//! that nobody knows (F20). A detection that gets no data is silent, and silence looks like peace.

use std::collections::BTreeMap;

use countersign_model::finding::Notice;
use countersign_model::time::{DAY, Timestamp};

use crate::constants::{SILENT_DAYS_MIN, SILENT_DAYS_SEEN, SILENT_EXPECTED_MIN, SILENT_GAPS};
use crate::directory::operations::Operation;

/// One stream of events.
#[derive(Clone, Copy, Debug)]
struct Stream {
    first: i64,
    last: i64,
    /// Days with events, and the longest time between two.
    days: u32,
    longest_gap: i64,
    events: u64,
}

impl Stream {
    fn new(day: i64) -> Self {
        Stream { first: day, last: day, days: 1, longest_gap: 1, events: 0 }
    }

    fn note(&mut self, day: i64) {
        self.events += 1;
        if day > self.last {
            self.longest_gap = self.longest_gap.max(day - self.last);
            self.last = day;
            self.days += 1;
        }
    }

    /// Days of silence until `day`, if they are long for it.
    fn silence(&self, day: i64) -> Option<i64> {
        let silent = day - self.last;
        let lived = (self.last - self.first + 1) as f64;
        let expected = f64::from(self.days) / lived * silent as f64;
        (self.days >= SILENT_DAYS_SEEN
            && silent >= SILENT_DAYS_MIN
            && silent as f64 >= SILENT_GAPS * self.longest_gap as f64
            && expected >= SILENT_EXPECTED_MIN)
            .then_some(silent)
    }
}

/// What each stream of one tenant did.
#[derive(Debug, Default)]
pub(crate) struct Quality {
    streams: BTreeMap<&'static str, Stream>,
    operations: BTreeMap<Operation, Stream>,
    unknown: BTreeMap<String, u64>,
}

/// Unknown names kept.
const UNKNOWN_MAX: usize = 1_000;
/// Unknown names shown.
const UNKNOWN_SHOWN: usize = 5;

impl Quality {
    /// Notes an event of a log.
    pub(crate) fn note(&mut self, log: &'static str, time: Timestamp) {
        let day = time.day();
        self.streams.entry(log).or_insert_with(|| Stream::new(day)).note(day);
    }

    /// Notes an operation of the directory, and its name when nobody knows it.
    pub(crate) fn note_operation(&mut self, name: &str, operation: Operation, time: Timestamp) {
        let day = time.day();
        self.operations.entry(operation).or_insert_with(|| Stream::new(day)).note(day);
        if operation == Operation::Other
            && (self.unknown.len() < UNKNOWN_MAX || self.unknown.contains_key(name))
        {
            *self.unknown.entry(name.to_owned()).or_default() += 1;
        }
    }

    /// What is missing at the end of the tenant's logs.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        let Some(day) = self.streams.values().map(|stream| stream.last).max() else { return Vec::new() };
        let newest = Timestamp(day * DAY);
        let notice = |text: String| Notice { time: newest, text, service_principals: Vec::new() };
        let mut notices = Vec::new();
        let mut is_audit_silent = false;
        for (log, stream) in &self.streams {
            if let Some(silent) = stream.silence(day) {
                is_audit_silent |= *log == "AuditLogs";
                notices.push(notice(format!(
                    "{log} stopped {silent} days before the end, on {}: what it would show is not seen",
                    Timestamp(stream.last * DAY).date()
                )));
            }
        }
        for (operation, stream) in &self.operations {
            if let Some(silent) = stream.silence(day).filter(|_| !is_audit_silent) {
                notices.push(notice(format!(
                    "no audit record of `{}` for {silent} days, where {} days had one before: it may be renamed or filtered",
                    operation.row().name,
                    stream.days
                )));
            }
        }
        if !self.unknown.is_empty() {
            let mut names: Vec<(&String, &u64)> = self.unknown.iter().collect();
            names.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), (*name).clone()));
            let shown: Vec<String> =
                names.iter().take(UNKNOWN_SHOWN).map(|(name, count)| format!("`{name}` ({count})")).collect();
            notices.push(notice(format!(
                "{} of audit operations are not in the table of operations and are judged as one: {}",
                crate::explanation::count(self.unknown.len() as u64, "name"),
                shown.join(", ")
            )));
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told when another log goes on until `day`.
    fn texts(quality: &mut Quality, day: i64) -> Vec<String> {
        quality.note("ServicePrincipalSignInLogs", Timestamp(day * DAY));
        quality.notices().into_iter().map(|notice| notice.text).collect()
    }

    #[test]
    fn a_log_that_stops_is_told_and_a_weekend_is_not() {
        let mut quality = Quality::default();
        for day in (0..40).filter(|day| day % 7 < 5) {
            quality.note("AuditLogs", Timestamp(day * DAY));
        }
        assert!(texts(&mut quality, 42).is_empty(), "{:?}", texts(&mut quality, 42));
        assert!(
            texts(&mut quality, 52)[0].starts_with("AuditLogs stopped 1"),
            "{:?}",
            texts(&mut quality, 52)
        );
    }

    #[test]
    fn an_unknown_name_is_told() {
        let mut quality = Quality::default();
        quality.note_operation("Frobnicate widget", Operation::Other, Timestamp(DAY));
        assert!(texts(&mut quality, 1)[0].contains("`Frobnicate widget` (1)"));
    }

    #[test]
    fn what_was_rare_may_stay_away() {
        let mut quality = Quality::default();
        for day in [0, 30, 60] {
            quality.note_operation("x", Operation::AddPartner, Timestamp(day * DAY));
        }
        assert!(texts(&mut quality, 100).is_empty());
    }
}
