//! MISP events, as files of a feed or answers of a server. Only attributes marked for detection are used.

use serde_json::Value;

use crate::threat_intel::FeedFormat;
use crate::threat_intel::csv::{Unused, observable};
use crate::threat_intel::indicator::{Collected, Details};

/// The confidence taxonomies that analysts tag with, as probabilities.
const CONFIDENCE: &[(&str, f32)] = &[
    ("completely-confident", 0.95),
    ("usually-confident", 0.75),
    ("fairly-confident", 0.5),
    ("rarely-confident", 0.25),
    ("unconfident", 0.1),
    ("high", 0.8),
    ("medium", 0.5),
    ("low", 0.25),
];

/// Attribute types with an observable that events carry.
const TYPES: &[&str] = &[
    "ip-src",
    "ip-dst",
    "ip-src|port",
    "ip-dst|port",
    "AS",
    "domain",
    "hostname",
    "hostname|port",
    "domain|ip",
    "url",
    "user-agent",
    "azure-application-id",
];

/// Reads one event, a list of events, or the answer to a search; false when the document is something else.
pub(crate) fn read(value: &Value, collected: &mut Collected<'_>) -> bool {
    let events: Vec<&Value> = match value.get("response").unwrap_or(value) {
        Value::Array(events) => events.iter().filter_map(|event| event.get("Event")).collect(),
        object => object.get("Event").into_iter().collect(),
    };
    for event in &events {
        read_event(event, collected);
    }
    !events.is_empty()
}

fn array<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Numbers and truth values appear as themselves or as strings.
fn loose(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

fn is_true(value: &Value, key: &str) -> bool {
    matches!(loose(value, key).as_str(), "true" | "1")
}

fn read_event(event: &Value, collected: &mut Collected<'_>) {
    let own = array(event, "Attribute");
    let nested = array(event, "Object").filter(|object| !is_true(object, "deleted"));
    let attributes = own.chain(nested.flat_map(|object| array(object, "Attribute")));
    for (at, attribute) in attributes.enumerate() {
        read_attribute(attribute, event, at, collected);
    }
}

fn read_attribute(attribute: &Value, event: &Value, at: usize, collected: &mut Collected<'_>) {
    if is_true(attribute, "deleted") {
        collected.revoked += 1;
        return;
    }
    let (kind, value) = (text(attribute, "type"), text(attribute, "value"));
    if !is_true(attribute, "to_ids") {
        return collected.not_applicable("not marked for detection");
    }
    if !TYPES.contains(&kind) {
        return collected.not_applicable(
            if kind.contains("fingerprint") || kind.contains("sha") || kind == "md5" {
                "file or certificate hash"
            } else {
                "trace that no event carries"
            },
        );
    }
    let details = details(attribute, event);
    // `domain|ip` names two things, either of which is bad.
    let parts = if kind == "domain|ip" {
        value
            .split_once('|')
            .map_or(vec![("domain", value)], |(name, ip)| vec![("domain", name), ("ip-dst", ip)])
    } else {
        vec![(kind, value)]
    };
    for (kind, value) in parts {
        match observable(kind, value) {
            Ok(observable) => collected.add(FeedFormat::Misp, observable, value, &details),
            Err(Unused::NotApplicable(reason)) => collected.not_applicable(reason),
            Err(Unused::Unreadable) => {
                collected.skip(format!("attribute {}", at + 1), format!("`{value}` is not of type `{kind}`"));
            }
        }
    }
}

fn details(attribute: &Value, event: &Value) -> Details {
    let date = |value: &Value, key: &str| crate::date::parse(&loose(value, key));
    let timestamp = date(attribute, "timestamp");
    let comment = text(attribute, "comment");
    let info = text(event, "info");
    let producer = event.get("Orgc").map(|organisation| text(organisation, "name")).unwrap_or_default();
    let about = if comment.is_empty() { info.to_owned() } else { format!("{info}: {comment}") };
    Details {
        valid_from: date(attribute, "first_seen").or_else(|| date(event, "date")).or(timestamp),
        valid_until: None,
        last_seen: date(attribute, "last_seen").or(timestamp),
        confidence: confidence(attribute).or_else(|| confidence(event)),
        description: if producer.is_empty() { about } else { format!("{about} ({producer})") },
    }
}

/// `confidence-level:"high"`, `misp:confidence-level="usually-confident"`.
fn confidence(tagged: &Value) -> Option<f32> {
    array(tagged, "Tag").find_map(|tag| {
        let (_, level) = text(tag, "name").split_once("confidence-level")?;
        let level = level.trim_matches([':', '=', '"']);
        CONFIDENCE.iter().find(|(name, _)| *name == level).map(|(_, confidence)| *confidence)
    })
}
