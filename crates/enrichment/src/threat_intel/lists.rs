//! One record a line: plain lists, counted lists, `FireHOL` sets, Tor exits, and Spamhaus DROP as text or JSON.

use serde_json::Value;

use crate::threat_intel::FeedFormat;
use crate::threat_intel::indicator::{Collected, Details, Observable};

/// An address on fewer lists than this is noise, by the counting feed's own advice.
const LISTS_MIN: u32 = 3;
/// Precision that each list adds, and the most that counting alone can give.
const PRECISION_PER_LIST: f32 = 0.1;
const COUNTED_PRECISION_MAX: f32 = 0.8;
const NOISE_PRECISION: f32 = 0.05;

fn counted_precision(lists: u32) -> f32 {
    if lists < LISTS_MIN {
        NOISE_PRECISION
    } else {
        (lists as f32 * PRECISION_PER_LIST).min(COUNTED_PRECISION_MAX)
    }
}

/// Reads a text list; unreadable lines are skipped with their number.
pub(crate) fn read(text: &str, collected: &mut Collected<'_>) -> FeedFormat {
    let format = format_of(text);
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) || line.starts_with("//") {
            continue;
        }
        if !read_line(line, format, collected) {
            let shown: String = line.chars().take(60).collect();
            collected
                .skip(format!("line {}", at + 1), format!("`{shown}` is no address, range, domain or AS"));
        }
    }
    format
}

fn format_of(text: &str) -> FeedFormat {
    if text.lines().take(200).any(|line| line.starts_with("ExitAddress ")) {
        return FeedFormat::TorExits;
    }
    let records =
        || text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    if records().next().is_some_and(|line| line.contains(" ; SBL")) {
        return FeedFormat::SpamhausDrop;
    }
    if records().next().is_some_and(|line| count_of(line).is_some()) {
        return FeedFormat::CountedList;
    }
    FeedFormat::List
}

/// `address<TAB>count`.
fn count_of(line: &str) -> Option<u32> {
    let mut words = line.split_whitespace();
    words.next()?;
    let count = words.next()?.parse().ok()?;
    words.next().is_none().then_some(count)
}

fn read_line(line: &str, format: FeedFormat, collected: &mut Collected<'_>) -> bool {
    if format == FeedFormat::TorExits {
        return read_tor(line, collected);
    }
    let (record, comment) = line.split_once([';', '#']).unwrap_or((line, ""));
    // `192.0.2.1 - 192.0.2.9` is one value; elsewhere the value is the first word.
    let spaced_range = record.contains(" - ").then(|| Observable::address(record)).flatten();
    let value = record.split_whitespace().next().unwrap_or_default();
    let Some(observable) = spaced_range.or_else(|| Observable::sniff(value)) else { return false };
    let count = (format == FeedFormat::CountedList).then(|| count_of(record)).flatten();
    let details = Details {
        confidence: count.map(counted_precision),
        description: count.map_or_else(|| comment.trim().to_owned(), |count| format!("on {count} lists")),
        ..Details::default()
    };
    let value = if record.contains(" - ") { record.trim() } else { value };
    collected.add(format, observable, value, &details);
    true
}

/// `ExitAddress 192.0.2.7 2026-08-22 09:08:31`, among lines about the relay.
fn read_tor(line: &str, collected: &mut Collected<'_>) -> bool {
    let Some(rest) = line.strip_prefix("ExitAddress ") else {
        return ["ExitNode ", "Published ", "LastStatus "].iter().any(|start| line.starts_with(start));
    };
    let (address, seen) = rest.split_once(' ').unwrap_or((rest, ""));
    let Some(observable) = Observable::address(address) else { return false };
    let seen = crate::date::parse(seen);
    let details = Details { last_seen: seen, description: "Tor exit".to_owned(), ..Details::default() };
    collected.add(FeedFormat::TorExits, observable, address, &details);
    true
}

/// One JSON object a line, as Spamhaus publishes. `None` when no line is one.
pub(crate) fn read_json_lines(text: &str, collected: &mut Collected<'_>) -> Option<FeedFormat> {
    let mut understood = 0;
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str::<Value>(line) {
            Ok(object) if read_drop(&object, collected) => understood += 1,
            Ok(_) => collected.skip(format!("line {}", at + 1), "object has neither `cidr` nor `asn`"),
            Err(error) => collected.skip(format!("line {}", at + 1), format!("not JSON: {error}")),
        }
    }
    (understood > 0).then_some(FeedFormat::SpamhausDrop)
}

/// A file of one JSON line only.
pub(crate) fn read_json_line(object: &Value, collected: &mut Collected<'_>) -> Option<FeedFormat> {
    read_drop(object, collected).then_some(FeedFormat::SpamhausDrop)
}

fn read_drop(object: &Value, collected: &mut Collected<'_>) -> bool {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    if text("type") == Some("metadata") {
        return true;
    }
    let asn = object.get("asn").and_then(Value::as_u64).and_then(|asn| u32::try_from(asn).ok());
    let found = match (text("cidr"), asn) {
        (Some(cidr), _) => Observable::address(cidr).map(|observable| (observable, cidr.to_owned())),
        (None, Some(asn)) => Some((Observable::System(asn), format!("AS{asn}"))),
        (None, None) => None,
    };
    let Some((observable, value)) = found else { return false };
    let description = text("sblid").or_else(|| text("asname")).unwrap_or_default();
    let details = Details { description: format!("Spamhaus DROP {description}"), ..Details::default() };
    collected.add(FeedFormat::SpamhausDrop, observable, &value, &details);
    true
}
