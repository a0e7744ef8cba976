//! What the fuzz target `access` does; the test `fuzz_corpus` of the crate `countersign-access` replays its corpus through
//! the same function. Apart from `targets.rs`, so that the test needs no other crate.

use std::net::IpAddr;

use countersign_access::document::{add_beta_members, complete};
use countersign_access::evaluate::{Place, Risk, SignIn, WhereCountry};
use countersign_access::location::{LOCATIONS_MAX, NamedLocation, RANGES_MAX};
use countersign_access::policy::{IDS_MAX, POLICIES_MAX, Policy};
use countersign_access::principal::{Attributes, Principal, Scope};
use countersign_access::rule::{RULE_CHARS_MAX, Rule};
use countersign_access::snapshot::Snapshot;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Longest message of a refusal, in bytes: what it repeats is cut.
const REFUSAL_BYTES_MAX: usize = 1_024;

/// Reads the first line as a rule, and the rest as a list of policies and named locations, which are then evaluated.
pub(crate) fn access(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (line, rest) = text.split_once('\n').unwrap_or((&text, ""));
    rule(line);
    if let Ok(Value::Array(documents)) = serde_json::from_str(rest) {
        evaluate(&documents);
    }
}

fn rule(text: &str) {
    match Rule::parse(text) {
        Ok(rule) => {
            assert!(text.chars().count() <= RULE_CHARS_MAX);
            let printed = rule.to_string();
            // Printing puts in what a rule may leave out, so it can become too long to be read.
            if printed.chars().count() + "-not ()".len() > RULE_CHARS_MAX {
                return;
            }
            assert_eq!(Rule::parse(&printed).as_ref(), Ok(&rule), "{printed}");
            let opposite = Rule::parse(&format!("-not ({printed})"));
            for attributes in
                [json!({}), json!({"Ops": {"Zone": "lab", "Teams": ["pay", "tax"], "None": []}})]
            {
                let attributes = Attributes::read(attributes.as_object().unwrap());
                // A rule at the limit of nesting has no room for one pair of parentheses more.
                if let Ok(opposite) = &opposite {
                    assert_ne!(opposite.matches(&attributes), rule.matches(&attributes), "{printed}");
                }
            }
        }
        Err(error) => assert!(text.is_char_boundary(error.position), "{error}"),
    }
}

fn evaluate(documents: &[Value]) {
    let documents: Vec<&Map<String, Value>> = documents.iter().filter_map(Value::as_object).collect();
    let locations: Vec<_> =
        documents.iter().take(LOCATIONS_MAX).filter_map(|document| location(document)).collect();
    let policies: Vec<_> =
        documents.iter().take(POLICIES_MAX).filter_map(|document| policy(document)).collect();
    // A policy that names a location which is not there is not compiled.
    let Ok(snapshot) = Snapshot::compile(&policies, &locations) else { return };
    let attributes = Attributes::default();
    for address in [None, Some("198.51.100.10"), Some("2001:db8::1")] {
        let address: Option<IpAddr> = address.map(|address| address.parse().unwrap());
        let evaluation = snapshot.evaluate(&SignIn {
            principal: Principal {
                id: Uuid::from_u128(1),
                scope: Scope::SingleTenantApplication,
                attributes: &attributes,
            },
            resource: Uuid::from_u128(2),
            risk: Risk::Unavailable,
            place: Place { address, country: WhereCountry::Unknown },
            place_at_resource: None,
        });
        assert_eq!(evaluation.is_blocked(), evaluation.blocking().next().is_some());
        assert_eq!(evaluation.outcomes().count(), policies.len());
        for outcome in evaluation.outcomes() {
            assert_eq!(outcome.applies, outcome.reasons.to_string() == "notSet");
        }
    }
}

fn location(document: &Map<String, Value>) -> Option<NamedLocation> {
    let complete = NamedLocation::complete(document);
    assert_eq!(NamedLocation::complete(&complete), complete);
    NamedLocation::read(document)
        .inspect(|location| {
            assert_eq!(NamedLocation::read(&complete).as_ref(), Ok(location));
            assert!(document["displayName"].as_str().is_some());
            assert!(
                document
                    .get("ipRanges")
                    .and_then(Value::as_array)
                    .is_none_or(|list| list.len() <= RANGES_MAX)
            );
        })
        .inspect_err(|invalid| assert!(invalid.to_string().len() <= REFUSAL_BYTES_MAX, "{invalid}"))
        .ok()
}

fn policy(document: &Map<String, Value>) -> Option<Policy> {
    let whole = complete(document);
    assert_eq!(complete(&whole), whole);
    Policy::read(document)
        .inspect(|policy| {
            // As it was posted, as it is kept and as beta shows it, it is the same policy.
            let mut beta = whole.clone();
            add_beta_members(&mut beta);
            assert_eq!(Policy::read(&whole).as_ref(), Ok(policy));
            assert_eq!(Policy::read(&beta).as_ref(), Ok(policy));
            assert!(policy.references().principals.len() <= 2 * IDS_MAX);
        })
        .inspect_err(|invalid| assert!(invalid.to_string().len() <= REFUSAL_BYTES_MAX, "{invalid}"))
        .ok()
}
