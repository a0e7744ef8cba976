//! OTX pulses: one, a page of them, or a list.

use serde_json::Value;

use crate::threat_intel::FeedFormat;
use crate::threat_intel::csv::{Unused, observable};
use crate::threat_intel::indicator::{Collected, Details};

/// Reads pulses; false when the document is something else.
pub(crate) fn read(value: &Value, collected: &mut Collected<'_>) -> bool {
    let pulses: Vec<&Value> = match value {
        Value::Array(pulses) => pulses.iter().collect(),
        Value::Object(_) => match value.get("results").and_then(Value::as_array) {
            Some(pulses) => pulses.iter().collect(),
            None => vec![value],
        },
        _ => return false,
    };
    let is_pulse = |pulse: &&Value| pulse.get("indicators").is_some_and(Value::is_array);
    if pulses.is_empty() || !pulses.iter().all(is_pulse) {
        return false;
    }
    for pulse in pulses {
        let name = pulse.get("name").and_then(Value::as_str).unwrap_or_default();
        let indicators = pulse.get("indicators").and_then(Value::as_array);
        for (at, indicator) in indicators.into_iter().flatten().enumerate() {
            read_indicator(indicator, name, at, collected);
        }
    }
    true
}

fn read_indicator(indicator: &Value, pulse: &str, at: usize, collected: &mut Collected<'_>) {
    let text = |key: &str| indicator.get(key).and_then(Value::as_str).unwrap_or_default();
    let active = indicator
        .get("is_active")
        .is_none_or(|active| active.as_bool().unwrap_or(active.as_i64() != Some(0)));
    if !active {
        collected.revoked += 1;
        return;
    }
    let value = text("indicator");
    match observable(text("type"), value) {
        Ok(observable) => {
            let details = Details {
                valid_from: crate::date::parse(text("created")),
                valid_until: crate::date::parse(text("expiration")),
                description: pulse.to_owned(),
                ..Details::default()
            };
            collected.add(FeedFormat::Otx, observable, value, &details);
        }
        Err(Unused::NotApplicable(reason)) => collected.not_applicable(reason),
        Err(Unused::Unreadable) => {
            collected.skip(
                format!("indicator {}", at + 1),
                format!("`{value}` is not of type `{}`", text("type")),
            );
        }
    }
}
