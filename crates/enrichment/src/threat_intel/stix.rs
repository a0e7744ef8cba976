//! STIX 2.0 and 2.1 objects: a bundle, a TAXII envelope, or a bare list.

use std::collections::HashMap;

use countersign_model::time::Timestamp;
use serde_json::Value;

use crate::threat_intel::FeedFormat;
use crate::threat_intel::indicator::{Collected, Details, Indicator};
use crate::threat_intel::pattern::{Compiled, Pattern};

/// The newest version seen of one object.
#[derive(Debug)]
pub(crate) struct Version {
    modified: Option<Timestamp>,
    pub(crate) feed: String,
    /// Empty when it was revoked.
    pub(crate) indicators: Vec<Indicator>,
}

/// Reads objects; false when the document is something else.
pub(crate) fn read(
    value: &Value,
    collected: &mut Collected<'_>,
    known: &mut HashMap<String, Version>,
) -> bool {
    let Some(objects) = value.get("objects").unwrap_or(value).as_array() else { return false };
    let is_object =
        |object: &Value| object.get("type").is_some_and(Value::is_string) && object.get("id").is_some();
    if !objects.iter().all(is_object) {
        return false;
    }
    let names: HashMap<&str, &str> = objects
        .iter()
        .filter(|object| text(object, "type") == "identity")
        .map(|identity| (text(identity, "id"), text(identity, "name")))
        .collect();
    // Only the newest version in this file counts, whatever the order.
    let mut newest: HashMap<&str, &Value> = HashMap::new();
    let indicators = objects.iter().filter(|object| text(object, "type") == "indicator");
    let mut order = Vec::new();
    for indicator in indicators {
        let id = text(indicator, "id");
        let entry = newest.entry(id).or_insert_with(|| {
            order.push(id);
            indicator
        });
        if date(indicator, "modified") > date(entry, "modified") {
            *entry = indicator;
        }
    }
    for id in order {
        let indicator = newest[id];
        let modified = date(indicator, "modified");
        if known.get(id).is_some_and(|known| known.modified > modified) {
            continue;
        }
        let producer = names.get(text(indicator, "created_by_ref")).copied().unwrap_or_default();
        let indicators = read_indicator(indicator, producer, collected);
        known.insert(id.to_owned(), Version { modified, feed: collected.feed.to_owned(), indicators });
    }
    if objects.iter().all(|object| text(object, "type") != "indicator") {
        collected.not_applicable("file without indicators");
    }
    true
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn date(value: &Value, key: &str) -> Option<Timestamp> {
    crate::date::parse(text(value, key))
}

fn read_indicator(indicator: &Value, producer: &str, collected: &mut Collected<'_>) -> Vec<Indicator> {
    if indicator.get("revoked").and_then(Value::as_bool) == Some(true) {
        collected.revoked += 1;
        return Vec::new();
    }
    // STIX 2.0 has no `pattern_type`; its only language was this one.
    if !matches!(text(indicator, "pattern_type"), "" | "stix") {
        collected.not_applicable("pattern in another language");
        return Vec::new();
    }
    let pattern = match Pattern::parse(text(indicator, "pattern")) {
        Ok(pattern) => pattern.compile(),
        Err(error) => {
            collected.skip(text(indicator, "id"), error.to_string());
            return Vec::new();
        }
    };
    for reason in &pattern.not_applicable {
        collected.not_applicable(reason);
    }
    let details = details(indicator, producer, &pattern);
    pattern
        .alternatives
        .into_iter()
        .map(|alternative| {
            collected.weigh(FeedFormat::Stix, alternative.condition, &alternative.value, &details)
        })
        .collect()
}

fn details(indicator: &Value, producer: &str, pattern: &Compiled) -> Details {
    let (start, stop) = pattern.during.unzip();
    let until = date(indicator, "valid_until");
    let name =
        [text(indicator, "name"), text(indicator, "description")].into_iter().find(|text| !text.is_empty());
    let labels = ["indicator_types", "labels"]
        .into_iter()
        .flat_map(|key| indicator.get(key).and_then(Value::as_array).into_iter().flatten())
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    let parts = [name.unwrap_or_default(), &labels, producer];
    Details {
        valid_from: start.max(date(indicator, "valid_from")),
        valid_until: until.into_iter().chain(stop).min(),
        last_seen: date(indicator, "modified"),
        confidence: indicator
            .get("confidence")
            .and_then(Value::as_f64)
            .map(|percent| (percent / 100.0) as f32),
        description: parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; "),
    }
}
