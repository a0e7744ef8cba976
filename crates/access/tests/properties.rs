//! What must hold of any input: nothing panics, and what is printed reads back the same.

use countersign_access::document::{add_beta_members, complete, merge};
use countersign_access::location::NamedLocation;
use countersign_access::policy::Policy;
use countersign_access::principal::Attributes;
use countersign_access::rule::{Comparison, DEPTH_MAX, Rule, Test};
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

fn comparison() -> impl Strategy<Value = Rule> {
    let value = || "[a-c`\" é]{0,4}";
    let test = prop_oneof![
        value().prop_map(Test::Equals),
        value().prop_map(Test::StartsWith),
        value().prop_map(Test::EndsWith),
        value().prop_map(Test::Contains),
        prop::collection::vec(value(), 1..4).prop_map(Test::In),
    ];
    ("[A-Za-zé_][A-Za-z0-9]{0,3}", "[A-Z_][A-Za-z0-9é]{0,3}", test, any::<bool>()).prop_map(
        |(set, attribute, test, is_negated)| {
            Rule::Comparison(Comparison { set, attribute, test, is_negated })
        },
    )
}

/// Rules in the one form in which they are read: no `-and` directly in an `-and`, and so on.
fn rule() -> impl Strategy<Value = Rule> {
    comparison().prop_recursive(4, 24, 4, |inner| {
        let several = || prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            several().prop_map(|rules| {
                Rule::Any(
                    rules
                        .into_iter()
                        .flat_map(|rule| match rule {
                            Rule::Any(inner) => inner,
                            rule => vec![rule],
                        })
                        .collect(),
                )
            }),
            several().prop_map(|rules| {
                Rule::All(
                    rules
                        .into_iter()
                        .flat_map(|rule| match rule {
                            Rule::All(inner) => inner,
                            rule => vec![rule],
                        })
                        .collect(),
                )
            }),
            inner.clone().prop_map(|rule| match rule {
                Rule::Not(inner) => *inner,
                rule => Rule::Not(Box::new(rule)),
            }),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let value = prop_oneof![
        "[a-c]{0,3}".prop_map(Json::from),
        prop::collection::vec("[a-c]{0,2}", 0..3).prop_map(Json::from),
    ];
    prop::collection::btree_map("[A-C]", value, 0..3).prop_map(|values| {
        let json = json!({"Ops": values});
        Attributes::read(json.as_object().unwrap())
    })
}

/// Any JSON, with the names that are looked for.
fn json_value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        "[a-z]{0,3}".prop_map(Json::from),
        prop::sample::select(vec![
            "All",
            "enabled",
            "block",
            "high",
            "include",
            "192.0.2.0/24",
            "NO",
            "#microsoft.graph.ipNamedLocation",
            "#microsoft.graph.iPv4CidrRange",
            "00000000-0000-0000-0000-000000000001",
        ])
        .prop_map(Json::from),
    ];
    let names = prop::sample::select(vec![
        "@odata.type",
        "id",
        "displayName",
        "state",
        "conditions",
        "applications",
        "includeApplications",
        "clientApplications",
        "includeServicePrincipals",
        "servicePrincipalFilter",
        "mode",
        "rule",
        "locations",
        "includeLocations",
        "grantControls",
        "builtInControls",
        "ipRanges",
        "cidrAddress",
        "countriesAndRegions",
        "users",
        "countersignScope",
        "a",
    ]);
    leaf.prop_recursive(4, 48, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(names.clone(), inner, 0..8).prop_map(|members| {
                Json::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

fn object() -> impl Strategy<Value = Map<String, Json>> {
    json_value().prop_map(|value| match value {
        Json::Object(members) => members,
        other => Map::from_iter([("conditions".to_owned(), other)]),
    })
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_the_same(rule in rule(), attributes in attributes()) {
        let printed = rule.to_string();
        let read = Rule::parse(&printed);
        prop_assert_eq!(read.as_ref(), Ok(&rule), "{}", printed);
        // A rule and its opposite never agree.
        let opposite = Rule::parse(&format!("-not ({printed})")).unwrap();
        prop_assert_ne!(opposite.matches(&attributes), rule.matches(&attributes), "{}", printed);
    }

    #[test]
    fn any_text_is_read_or_refused_where_it_is_wrong(
        text in prop_oneof![
            "\\PC{0,80}",
            "[ ()\\-a-z\"\\[\\],`]{0,60}",
            r#"(\(|-not |-and |-or |CustomSecurityAttribute\.A\.B |-eq |-in |"a"|\["a"\]|\)){0,20}"#,
        ],
        attributes in attributes(),
    ) {
        match Rule::parse(&text) {
            Ok(rule) => {
                let again = Rule::parse(&rule.to_string());
                prop_assert_eq!(again.as_ref(), Ok(&rule), "{}", text);
                rule.matches(&attributes);
            }
            Err(error) => prop_assert!(text.is_char_boundary(error.position), "{}: {}", text, error),
        }
    }

    #[test]
    fn no_nesting_is_too_deep_to_be_refused(depth in 0_usize..2_000) {
        let text = format!("{}CustomSecurityAttribute.A.B -eq \"c\"{}", "(".repeat(depth), ")".repeat(depth));
        prop_assert_eq!(Rule::parse(&text).is_ok(), depth <= DEPTH_MAX);
    }

    #[test]
    fn documents_of_any_shape_do_not_panic(current in object(), change in object()) {
        let whole = complete(&current);
        prop_assert_eq!(&complete(&whole), &whole, "nothing is left to fill");
        let mut beta = whole.clone();
        add_beta_members(&mut beta);
        // Unless it says something that only beta can say, in which case it is kept to be refused.
        if let Ok(policy) = Policy::read(&whole) {
            prop_assert_eq!(Policy::read(&beta), Ok(policy));
            prop_assert_eq!(&complete(&beta), &whole);
        }
        let merged = merge(&current, &change);
        for (name, value) in &change {
            prop_assert!(name == "conditions" || merged[name] == *value);
        }
        let _ = (Policy::read(&current), Policy::read(&merged), NamedLocation::read(&current));
        let location = NamedLocation::complete(&current);
        prop_assert_eq!(&NamedLocation::complete(&location), &location);
        let _ = NamedLocation::merge(&current, &change);
    }
}
