//! What must hold of any input: filters come back from their text, and nothing panics.

use countersign_odata::edm::{ComplexType, EntityType, EnumType, Kind, Navigation, Property, Version};
use countersign_odata::evaluate::matches;
use countersign_odata::path::ResourcePath;
use countersign_odata::query::{Context, Expr, Options, RawOptions, needs_advanced, parse_filter};
use proptest::prelude::*;
use serde_json::json;

static LEVEL: EnumType = EnumType { name: "level", members: &["low", "high"], sentinel: None };

static PART: ComplexType = ComplexType {
    name: "part",
    properties: &[
        Property::new("id", Kind::String),
        Property::new("size", Kind::Int32),
        Property::new("names", Kind::Collection(&Kind::String)),
    ],
    open: true,
};

static THING: EntityType = EntityType {
    name: "thing",
    base: None,
    properties: &[
        Property::new("id", Kind::String),
        Property::new("level", Kind::Enum(&LEVEL)),
        Property::new("made", Kind::DateTimeOffset),
        Property::new("lasts", Kind::Duration),
        Property::new("owner", Kind::Guid),
        Property::new("score", Kind::Double),
        Property::new("enabled", Kind::Boolean),
        Property::new("part", Kind::Complex(&PART)),
        Property::new("parts", Kind::Collection(&Kind::Complex(&PART))),
    ],
    navigation: &[Navigation::many("things", &THING)],
    open: true,
    derived: &[],
};

/// A comparison of any kind, as text.
fn condition() -> impl Strategy<Value = String> {
    let text =
        "[a-zA-Z0-9'(),/$ äß%-]{0,12}".prop_map(|text: String| format!("'{}'", text.replace('\'', "''")));
    let equality = prop_oneof![Just("eq"), Just("ne")];
    let order = prop_oneof![Just("eq"), Just("ne"), Just("gt"), Just("ge"), Just("lt"), Just("le")];
    let function = prop_oneof![Just("startswith"), Just("endsWith"), Just("contains")];
    let string_path =
        prop_oneof![Just("id"), Just("part/id"), Just("free"), Just("part/free/x"), Just("$it/x0")];
    prop_oneof![
        (string_path.clone(), order.clone(), text.clone()).prop_map(|(p, op, v)| format!("{p} {op} {v}")),
        (string_path, function, text.clone()).prop_map(|(p, name, v)| format!("{name}({p},{v})")),
        prop::collection::vec(text, 1..5).prop_map(|values| format!("id in ({})", values.join(","))),
        (equality.clone(), prop_oneof![Just("'low'"), Just("'HIGH'"), Just("null")])
            .prop_map(|(op, value)| format!("level {op} {value}")),
        (order.clone(), any::<i32>()).prop_map(|(op, value)| format!("part/size {op} {value}")),
        (order.clone(), -1e18..1e18).prop_map(|(op, value)| format!("{value:e} {op} score")),
        (order.clone(), 0..3_000_000_000_u32, 0..10_000_000_u32, -14..14_i32).prop_map(
            |(op, seconds, fraction, offset)| {
                let time = jiff::Timestamp::from_second(seconds.into()).unwrap();
                let time = time.strftime("%Y-%m-%dT%H:%M:%S");
                let sign = if offset < 0 { '-' } else { '+' };
                format!("made {op} {time}.{fraction:07}{sign}{:02}:30", offset.abs())
            }
        ),
        (order.clone(), any::<i32>()).prop_map(|(op, seconds)| {
            let sign = if seconds < 0 { "-" } else { "" };
            format!("lasts {op} duration'{sign}PT{}S'", seconds.unsigned_abs())
        }),
        (equality, any::<u128>())
            .prop_map(|(op, bits)| format!("owner {op} {}", uuid::Uuid::from_u128(bits))),
        (order, 0..9_u8).prop_map(|(op, value)| format!("parts/$count {op} {value}")),
        Just("enabled".to_owned()),
        Just("parts/any()".to_owned()),
        Just("true".to_owned()),
        Just("parts/any(p: p/id eq 'x' or p/names/all(n: n ne 'z' and n eq 'y'))".to_owned()),
        Just("things/all(t: t/level eq 'low' and not t/parts/any(p: p/size gt 3 or t/id eq 'q'))".to_owned()),
    ]
}

fn filter() -> impl Strategy<Value = String> {
    condition().prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|members| format!("({})", members.join(" and "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|members| members.join(" OR ")),
            inner.clone().prop_map(|inner| format!("not ({inner})")),
            inner.prop_map(|inner| {
                // The conditions have two lambdas inside each other, so one more is all that is taken.
                if inner.contains("any(v") {
                    inner
                } else {
                    format!("things/any(v: v/id eq 'a' or ({inner}))")
                }
            }),
        ]
    })
}

fn canonical(expr: &Expr) -> bool {
    match expr {
        Expr::And(members) => {
            members.len() > 1
                && members.iter().all(|member| !matches!(member, Expr::And(_)) && canonical(member))
        }
        Expr::Or(members) => {
            members.len() > 1
                && members.iter().all(|member| !matches!(member, Expr::Or(_)) && canonical(member))
        }
        Expr::Not(inner) => !matches!(**inner, Expr::Not(_)) && canonical(inner),
        Expr::Any { predicate: Some(predicate), .. } | Expr::All { predicate, .. } => canonical(predicate),
        _ => true,
    }
}

proptest! {
    #[test]
    fn a_filter_comes_back_from_its_text(text in filter()) {
        let expr = parse_filter(&text, &THING, Version::V1).expect(&text);
        let printed = expr.to_string();
        prop_assert!(canonical(&expr), "{}", printed);
        let again = parse_filter(&printed, &THING, Version::V1);
        prop_assert_eq!(again.as_ref(), Ok(&expr), "{} as {}", text, printed);
        let object = json!({"id": "x", "level": "low", "parts": [{"id": "x", "size": 4, "names": ["y"]}]});
        prop_assert_ne!(matches(&expr, &object), matches(&expr.clone().negate(), &object));
    }

    #[test]
    fn nothing_panics(text in ".{0,80}", words in "([a-z/$(),:' -]|id|eq|any\\(|level|parts|'x'|not |[0-9]){0,40}") {
        let context = Context { entity: &THING, version: Version::Beta, page_size_max: 100 };
        for text in [&text, &words] {
            let _ = ResourcePath::parse(text);
            let _ = parse_filter(text, &THING, Version::V1);
            for name in ["filter", "select", "orderby", "expand", "search", "top", "skip", "count", "format"] {
                let query = format!("${name}={}", text.replace(['%', '&'], ""));
                if let Ok(options) = RawOptions::parse(&query, true).and_then(|raw| Options::parse(&raw, &context)) {
                    let _ = needs_advanced(&options);
                }
            }
        }
    }

    #[test]
    fn options_come_back_from_their_query(filter in ".{0,40}", token in ".{0,40}") {
        let raw = RawOptions { filter: Some(filter), skip_token: Some(token), ..RawOptions::default() };
        prop_assert_eq!(RawOptions::parse(&raw.to_query(), false), Ok(raw));
    }
}
