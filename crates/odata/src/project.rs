//! The shape of an answer: which properties of an object a client sees.

use serde_json::{Map, Value};

use crate::edm::{ComplexType, EntityType, Kind, Version};
use crate::query::Select;

/// The object with what the version has and the client selected.
///
/// | Member of the object | Kept |
/// |---|---|
/// | `id`, annotations (`@odata.type`, `owners@odata.nextLink`) | always |
/// | a property that the version does not have | never |
/// | a property that is returned only if selected | if `$select` names it; `*` does not |
/// | another property | by `$select` |
/// | a relation | always: it is there only if it was expanded |
/// | anything else | if the type is open, by `$select` |
///
/// Complex values, alone and in collections, lose what their type or the version does not have. What an
/// expanded relation leads to is left alone: it has a `$select` of its own. A value that is no object is
/// returned as it is.
pub fn project(entity: &'static EntityType, version: Version, select: &Select, object: Value) -> Value {
    let Value::Object(members) = object else { return object };
    let mut kept = Map::new();
    for (name, value) in members {
        if is_annotation(&name) {
            kept.insert(name, value);
            continue;
        }
        let selected = match select {
            Select::Only(_) => select.names(&name),
            Select::Default | Select::DefaultAnd(_) => true,
        };
        // By the exact name: data that is spelled otherwise is none of the type's.
        if let Some(property) = entity.property(&name, version).filter(|property| property.name == name) {
            let shown = if property.only_selected { select.names(&name) } else { selected || name == "id" };
            if shown {
                kept.insert(name, shown_value(property.kind, version, value));
            }
            continue;
        }
        let is_listed = [Version::V1, Version::Beta].iter().any(|any| entity.property(&name, *any).is_some());
        let is_relation = entity.navigation(&name, version).is_some();
        if name == "id" || is_relation || (entity.is_open() && !is_listed && selected) {
            kept.insert(name, value);
        }
    }
    Value::Object(kept)
}

fn is_annotation(name: &str) -> bool {
    name.starts_with('@') || name.contains("@odata.")
}

fn shown_value(kind: Kind, version: Version, value: Value) -> Value {
    match (kind, value) {
        (Kind::Complex(of), Value::Object(members)) => shown_complex(of, version, members),
        (Kind::Collection(of), Value::Array(elements)) => {
            elements.into_iter().map(|element| shown_value(*of, version, element)).collect()
        }
        (_, value) => value,
    }
}

fn shown_complex(of: &'static ComplexType, version: Version, members: Map<String, Value>) -> Value {
    let mut kept = Map::new();
    for (name, value) in members {
        match of.property(&name, version).filter(|property| property.name == name) {
            Some(property) => {
                kept.insert(name, shown_value(property.kind, version, value));
            }
            None if is_annotation(&name) => {
                kept.insert(name, value);
            }
            None if of.open
                && ![Version::V1, Version::Beta].iter().any(|any| of.property(&name, *any).is_some()) =>
            {
                kept.insert(name, value);
            }
            None => {}
        }
    }
    Value::Object(kept)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::query::{Context, Options, RawOptions};
    use crate::sample::{OPEN, SERVICE_PRINCIPAL, SIGN_IN};

    fn shown(entity: &'static EntityType, version: Version, query: &str, object: &Value) -> String {
        let context = Context { entity, version, page_size_max: 100 };
        let options = Options::parse(&RawOptions::parse(query, false).unwrap(), &context).unwrap();
        let Value::Object(members) = project(entity, version, &options.select, object.clone()) else {
            panic!()
        };
        let mut names: Vec<String> = members.into_iter().map(|(name, _)| name).collect();
        names.sort();
        names.join(" ")
    }

    #[test]
    fn select_and_version_decide() {
        let object = json!({
            "@odata.type": "#x", "id": "1", "appDisplayName": "a", "status": {}, "signInEventTypes": [],
            "legacyName": "l", "internal": 1,
        });
        for (version, query, expected) in [
            (Version::V1, "", "@odata.type appDisplayName id legacyName status"),
            (Version::Beta, "", "@odata.type appDisplayName id signInEventTypes status"),
            (Version::V1, "$select=STATUS", "@odata.type id status"),
            (Version::Beta, "$select=signInEventTypes,id", "@odata.type id signInEventTypes"),
            (Version::V1, "$select=*", "@odata.type appDisplayName id legacyName status"),
        ] {
            assert_eq!(shown(&SIGN_IN, version, query, &object), expected, "{query}");
        }
        assert_eq!(project(&SIGN_IN, Version::V1, &Select::Default, json!([1])), json!([1]));
    }

    #[test]
    fn some_properties_are_returned_only_if_selected() {
        let object = json!({
            "id": "1", "appId": "a", "customSecurityAttributes": {"Set": {"a": 1}},
            "owners": [{"internal": 1}], "owners@odata.nextLink": "x", "agents": [],
        });
        for (query, expected) in [
            ("", "appId id owners owners@odata.nextLink"),
            ("$select=*", "appId id owners owners@odata.nextLink"),
            ("$select=appId", "appId id owners owners@odata.nextLink"),
            ("$select=customSecurityAttributes", "customSecurityAttributes id owners owners@odata.nextLink"),
            (
                "$select=*,customSecurityAttributes",
                "appId customSecurityAttributes id owners owners@odata.nextLink",
            ),
        ] {
            assert_eq!(shown(&SERVICE_PRINCIPAL, Version::V1, query, &object), expected, "{query}");
        }
    }

    #[test]
    fn what_no_type_lists_is_dropped_inside_too() {
        let object = json!({
            "status": {"errorCode": 0, "internal": 1, "@odata.type": "#x"},
            "targetResources": [{"id": "1", "internal": 1}, null],
        });
        let expected = json!({
            "status": {"errorCode": 0, "@odata.type": "#x"}, "targetResources": [{"id": "1"}, null],
        });
        assert_eq!(project(&SIGN_IN, Version::V1, &Select::Default, object), expected);
        assert_eq!(
            shown(&OPEN, Version::V1, "$select=free", &json!({"id": "1", "free": 1, "other": 2})),
            "free id"
        );
    }
}
