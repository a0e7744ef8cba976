//! What the fuzz target `odata` does; the test `fuzz_corpus` of the crate `countersign-odata` replays its
//! corpus through the same function. Apart from `targets.rs`, so that the test needs no other crate.

use countersign_odata::edm::{ComplexType, EntityType, EnumType, Kind, Navigation, Property, Version};
use countersign_odata::evaluate::{compare, matches};
use countersign_odata::path::{PATH_BYTES_MAX, ResourcePath, SEGMENTS_MAX};
use countersign_odata::project::project;
use countersign_odata::query::filter::FILTER_BYTES_MAX;
use countersign_odata::query::{
    Context, Expr, Options, RawOptions, needs_advanced, parse_filter, parse_search,
};
use serde_json::{Value, json};

const PAGE_SIZE_MAX: u32 = 500;

static LEVEL: EnumType =
    EnumType { name: "riskLevel", members: &["low", "medium", "high"], sentinel: Some("high") };

static TARGET: ComplexType = ComplexType {
    name: "targetResource",
    properties: &[
        Property::new("id", Kind::String),
        Property::new("names", Kind::Collection(&Kind::String)),
        Property::new("parts", Kind::Collection(&Kind::Complex(&TARGET))),
    ],
    open: false,
};

static THING: EntityType = EntityType {
    name: "thing",
    base: None,
    properties: &[
        Property::new("id", Kind::String).required().orderable(),
        Property::new("riskLevel", Kind::Enum(&LEVEL)),
        Property::new("createdDateTime", Kind::DateTimeOffset).null_advanced(),
        Property::new("lasts", Kind::Duration),
        Property::new("ownerId", Kind::Guid).advanced(),
        Property::new("score", Kind::Double),
        Property::new("count", Kind::Int32).beta(),
        Property::new("enabled", Kind::Boolean).v1(),
        Property::new("thumbprint", Kind::Binary),
        Property::new("notes", Kind::String).not_filterable(),
        Property::new("target", Kind::Complex(&TARGET)).only_selected(),
        Property::new("tags", Kind::Collection(&Kind::String)),
        Property::new("targets", Kind::Collection(&Kind::Complex(&TARGET))),
    ],
    navigation: &[Navigation::many("owners", &THING), Navigation::one("manager", &OPEN)],
    open: false,
    derived: &[],
};

static OPEN: EntityType = EntityType {
    name: "open",
    base: Some(&THING),
    properties: &[],
    navigation: &[Navigation::many("opens", &OPEN).contained()],
    open: true,
    derived: &[],
};

/// Reads the first line as a path, the second as a query string and the rest as a filter, against a closed
/// type and an open one, and puts what was read to use.
pub(crate) fn odata(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.splitn(3, '\n');
    let (path, query, filter) = (lines.next(), lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    read_path(path.unwrap_or(""));
    for (entity, version) in [(&THING, Version::V1), (&OPEN, Version::Beta)] {
        if let Ok(expr) = parse_filter(filter, entity, version) {
            use_filter(&expr, entity, version);
        }
        read_query(query, &Context { entity, version, page_size_max: PAGE_SIZE_MAX });
    }
}

fn read_path(text: &str) {
    let Ok(path) = ResourcePath::parse(text) else { return };
    assert!(text.len() <= PATH_BYTES_MAX && path.segments.len() <= SEGMENTS_MAX);
    for segment in &path.segments {
        assert!(!segment.name.is_empty() && !segment.name.chars().any(char::is_control));
        assert!(segment.name != "." && segment.name != ".." && !segment.name.contains('('));
    }
    let slashes = ResourcePath::parse(&format!("//{text}//"));
    assert!(
        text.len() > PATH_BYTES_MAX - 4 || slashes.as_ref() == Ok(&path),
        "slashes around it say nothing"
    );
}

fn read_query(text: &str, context: &Context) {
    let Ok(raw) = RawOptions::parse(text, context.version == Version::Beta) else { return };
    // Encoding can make it longer than what is taken.
    if let Ok(again) = RawOptions::parse(&raw.to_query(), false) {
        assert_eq!(again, raw, "options come back from their query");
    }
    let Ok(options) = Options::parse(&raw, context) else { return };
    assert!(options.top.is_none_or(|top| (1..=PAGE_SIZE_MAX).contains(&top)));
    if let Some(filter) = &options.filter {
        use_filter(filter, context.entity, context.version);
    }
    if let Some(search) = &options.search {
        let printed = search.to_string();
        if let Ok(again) = parse_search(&printed, context.entity, context.version) {
            assert_eq!(again, *search, "{printed}");
        }
    }
    if let Some(advanced) = needs_advanced(&options) {
        assert!(!advanced.to_string().is_empty(), "every advanced query has a reason");
    }
    let objects = objects();
    for a in &objects {
        for b in &objects {
            let order = compare(&options.order_by, a, b);
            assert_eq!(order, compare(&options.order_by, b, a).reverse(), "an order has two directions");
        }
        let shown = project(context.entity, context.version, &options.select, a.clone());
        assert_eq!(shown["id"], a["id"], "an id is always shown");
        assert_eq!(project(context.entity, context.version, &options.select, shown.clone()), shown);
    }
}

fn use_filter(expr: &Expr, entity: &'static EntityType, version: Version) {
    let printed = expr.to_string();
    if printed.len() <= FILTER_BYTES_MAX {
        assert_eq!(parse_filter(&printed, entity, version).as_ref(), Ok(expr), "{printed}");
    }
    let negated = expr.clone().negate();
    for object in objects() {
        assert_ne!(matches(expr, &object), matches(&negated, &object), "logic has two values: {printed}");
    }
}

fn objects() -> [Value; 3] {
    [
        json!({
            "id": "a", "riskLevel": "high", "createdDateTime": "2026-05-02T13:07:00.1234567Z", "lasts": "PT1H",
            "ownerId": "b1d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f", "score": 1.5, "count": 3, "enabled": true,
            "tags": ["x", "y"], "targets": [{"id": "t", "names": ["n"], "parts": [{"id": "p"}]}], "free": {"a": 1},
        }),
        json!({
            "id": "B", "riskLevel": "unheard", "createdDateTime": "never", "score": "many", "tags": "x",
            "targets": [null, 1, []], "manager": {"id": "m", "free": [1, "x", null]},
        }),
        json!({"id": null, "riskLevel": null, "tags": [], "target": {"id": "t"}}),
    ]
}
