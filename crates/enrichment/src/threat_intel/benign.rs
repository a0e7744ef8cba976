//! Lists of known-benign values. They mark indicators, they do not drop them: a feed may be right after all.

use std::collections::HashSet;

use regex::{RegexSet, RegexSetBuilder};
use serde_json::Value;

use crate::ip::IpRange;
use crate::threat_intel::indicator::Observable;

/// Bounds what a list's expressions may compile to.
const REGEX_BYTES_MAX: usize = 10 << 20;

/// All warning lists.
#[derive(Debug, Default)]
pub(crate) struct BenignLists {
    lists: Vec<BenignList>,
}

#[derive(Debug)]
struct BenignList {
    name: String,
    /// Sorted by first address.
    ranges: Vec<IpRange>,
    /// Largest last address of `ranges` up to each place: ends a backward search.
    furthest: Vec<std::net::IpAddr>,
    exact: HashSet<String>,
    suffixes: Vec<String>,
    substrings: Vec<String>,
    expressions: Option<RegexSet>,
}

impl BenignLists {
    /// Adds a list; the number of its values that could be read.
    pub(crate) fn add(&mut self, value: &Value) -> usize {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        let values: Vec<&str> = value
            .get("list")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let lower = || values.iter().map(|value| value.to_ascii_lowercase());
        let mut list = BenignList {
            name: text("name").to_owned(),
            // Lists of type `string` hold addresses, too.
            ranges: values.iter().filter_map(|value| IpRange::parse(value)).collect(),
            furthest: Vec::new(),
            exact: HashSet::new(),
            suffixes: Vec::new(),
            substrings: Vec::new(),
            expressions: None,
        };
        match text("type") {
            "cidr" => {}
            "hostname" => {
                list.suffixes = lower().map(|name| format!(".{}", name.trim_start_matches('.'))).collect();
            }
            "substring" => list.substrings = lower().collect(),
            "regex" => {
                let expressions = values.iter().map(|value| value.trim_matches('/'));
                list.expressions = RegexSetBuilder::new(expressions).size_limit(REGEX_BYTES_MAX).build().ok();
            }
            _ => list.exact = lower().collect(),
        }
        list.ranges.sort_unstable();
        list.furthest = list
            .ranges
            .iter()
            .scan(None, |furthest, range| {
                *furthest = (*furthest).max(Some(range.last()));
                *furthest
            })
            .collect();
        let read =
            list.ranges.len().max(list.exact.len()).max(list.suffixes.len()).max(list.substrings.len());
        let read = read.max(list.expressions.as_ref().map_or(0, RegexSet::len));
        self.lists.push(list);
        read
    }

    /// Name of the first list that calls any part of a condition benign.
    pub(crate) fn list_of(&self, condition: &[Observable]) -> Option<&str> {
        self.lists
            .iter()
            .find(|list| condition.iter().any(|observable| list.holds(observable)))
            .map(|list| list.name.as_str())
    }
}

impl BenignList {
    fn holds(&self, observable: &Observable) -> bool {
        match observable {
            Observable::Addresses(range) => self.covers(range),
            Observable::Domain(name) => {
                let dotted = format!(".{name}");
                self.suffixes.iter().any(|suffix| dotted.ends_with(suffix.as_str())) || self.says(name)
            }
            Observable::UserAgent(agent) => self.says(agent),
            Observable::App(app) => self.says(&app.as_hyphenated().to_string()),
            Observable::System(asn) => self.exact.contains(&format!("as{asn}")),
        }
    }

    fn says(&self, value: &str) -> bool {
        self.exact.contains(value)
            || self.substrings.iter().any(|part| value.contains(part.as_str()))
            || self.expressions.as_ref().is_some_and(|expressions| expressions.is_match(value))
    }

    fn covers(&self, range: &IpRange) -> bool {
        let below = self.ranges.partition_point(|listed| listed.first() <= range.first());
        self.ranges[..below]
            .iter()
            .zip(&self.furthest)
            .rev()
            .take_while(|(_, furthest)| **furthest >= range.last())
            .any(|(listed, _)| listed.covers(range))
    }
}
