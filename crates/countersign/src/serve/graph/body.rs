//! Bodies of requests: JSON that fits the type it is for, in the form in which it is kept.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use countersign_model::time::Timestamp;
use countersign_odata::edm::{ComplexType, EntityType, Kind, Property, Version};
use countersign_odata::error::ODataError;
use countersign_odata::value::{parse_guid, parse_instant};
use serde_json::{Map, Value as Json};

/// Largest body of a request that writes.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;
/// Longest text of one property.
const TEXT_CHARACTERS_MAX: usize = 64 << 10;
/// Most elements of a list.
const LIST_MAX: usize = 2_000;

/// Reads a JSON object; an empty body is an empty one.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Json>, ODataError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(bytes) {
        Ok(Json::Object(map)) if map.iter().any(|(name, value)| name.contains('\0') || has_null(value)) => {
            Err(ODataError::request_bad_request(
                "The body holds a null character, which no property can have.",
            ))
        }
        Ok(Json::Object(map)) => Ok(map),
        Ok(_) => Err(ODataError::request_bad_request("The body must be a JSON object.")),
        Err(error) => Err(ODataError::request_bad_request(format!("The body is not JSON: {error}."))),
    }
}

/// Whether there is a null character in any text: PostgreSQL could not keep it, so neither database takes it.
fn has_null(value: &Json) -> bool {
    match value {
        Json::String(text) => text.contains('\0'),
        Json::Array(values) => values.iter().any(has_null),
        Json::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || has_null(value)),
        _ => false,
    }
}

/// Reads an object of a type: every member must be declared and of its type. Annotations are left out, times are brought
/// into one form.
pub(crate) fn entity(
    bytes: &[u8],
    entity: &'static EntityType,
    version: Version,
) -> Result<Map<String, Json>, ODataError> {
    let mut given = Map::new();
    for (name, value) in object(bytes)? {
        if name.contains("@odata.") || name.starts_with('@') {
            continue;
        }
        match entity.property(&name, version) {
            Some(property) => {
                let value = checked(property, value, version, &name)?;
                given.insert(property.name.to_owned(), value);
            }
            None => {
                return Err(ODataError::request_bad_request(format!(
                    "Property '{name}' does not exist on type '{}'.",
                    entity.qualified_name()
                )));
            }
        }
    }
    Ok(given)
}

fn checked(property: &Property, value: Json, version: Version, place: &str) -> Result<Json, ODataError> {
    if value.is_null() {
        return Ok(value);
    }
    check(property.kind, value, version, place)
}

fn wrong(place: &str, kind: Kind) -> ODataError {
    ODataError::request_bad_request(format!(
        "Invalid value specified for property '{place}': expected {}.",
        kind.name()
    ))
}

fn check(kind: Kind, value: Json, version: Version, place: &str) -> Result<Json, ODataError> {
    match (kind, value) {
        (Kind::Any, value) => Ok(value),
        (Kind::String | Kind::Duration, Json::String(text))
            if text.chars().count() <= TEXT_CHARACTERS_MAX =>
        {
            Ok(Json::String(text))
        }
        (Kind::Boolean, value @ Json::Bool(_)) => Ok(value),
        (Kind::Int32 | Kind::Int64, Json::Number(number)) if number.is_i64() => Ok(Json::Number(number)),
        (Kind::Double, value @ Json::Number(_)) => Ok(value),
        (Kind::Guid, Json::String(text)) => match parse_guid(&text) {
            Some(guid) => Ok(Json::String(guid.to_string())),
            None => Err(wrong(place, kind)),
        },
        (Kind::DateTimeOffset, Json::String(text)) => match parse_instant(&text) {
            Some(micros) => Ok(Json::String(Timestamp(micros).to_string())),
            None => Err(wrong(place, kind)),
        },
        (Kind::Binary, Json::String(text)) => match decode_base64(&text) {
            Some(bytes) => Ok(Json::String(STANDARD.encode(bytes))),
            None => Err(wrong(place, kind)),
        },
        (Kind::Enum(of), Json::String(text)) => match of.member(&text) {
            Some(member) => Ok(Json::String(member.to_owned())),
            None => Err(wrong(place, kind)),
        },
        (Kind::Collection(of), Json::Array(values)) if values.len() <= LIST_MAX => values
            .into_iter()
            .map(|value| check(*of, value, version, place))
            .collect::<Result<Vec<Json>, _>>()
            .map(Json::Array),
        (Kind::Complex(of), Json::Object(members)) => complex(of, members, version, place),
        (kind, _) => Err(wrong(place, kind)),
    }
}

fn complex(
    of: &'static ComplexType,
    members: Map<String, Json>,
    version: Version,
    place: &str,
) -> Result<Json, ODataError> {
    let mut given = Map::new();
    for (name, value) in members {
        if name.contains("@odata.") || name.starts_with('@') {
            continue;
        }
        let place = format!("{place}/{name}");
        match of.property(&name, version) {
            Some(property) => {
                given.insert(property.name.to_owned(), checked(property, value, version, &place)?);
            }
            None if of.open => {
                given.insert(name, value);
            }
            None => {
                return Err(ODataError::request_bad_request(format!("Property '{place}' does not exist.")));
            }
        }
    }
    Ok(Json::Object(given))
}

/// Bytes of base64 in either alphabet, with or without padding, as clients send it.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    STANDARD
        .decode(&text)
        .or_else(|_| URL_SAFE.decode(&text))
        .or_else(|_| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')))
        .ok()
}

/// Refuses properties that clients cannot set, unless they have the value that they have already.
pub(crate) fn refuse_read_only<'n>(
    given: &Map<String, Json>,
    current: Option<&Map<String, Json>>,
    names: impl IntoIterator<Item = &'n &'n str>,
) -> Result<(), ODataError> {
    for name in names {
        let is_same = |value| current.is_some_and(|body| body.get(*name).unwrap_or(&Json::Null) == value);
        if given.get(*name).is_some_and(|value| !is_same(value)) {
            return Err(ODataError::request_bad_request(format!(
                "Property '{name}' is read-only and cannot be set."
            )));
        }
    }
    Ok(())
}

/// A member that must be text.
pub(crate) fn required<'a>(given: &'a Map<String, Json>, name: &str) -> Result<&'a str, ODataError> {
    match given.get(name).and_then(Json::as_str) {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(ODataError::request_bad_request(format!(
            "A value is required for property '{name}' of the resource."
        ))),
    }
}

/// A member that must be a GUID.
pub(crate) fn required_guid(given: &Map<String, Json>, name: &str) -> Result<String, ODataError> {
    match parse_guid(required(given, name)?) {
        Some(guid) => Ok(guid.to_string()),
        None => Err(ODataError::request_bad_request(format!("Invalid GUID for property '{name}'."))),
    }
}

/// A member that may be a time.
pub(crate) fn time(given: &Map<String, Json>, name: &str) -> Result<Option<Timestamp>, ODataError> {
    match given.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => match value.as_str().and_then(parse_instant) {
            Some(micros) => Ok(Some(Timestamp(micros))),
            None => Err(wrong(name, Kind::DateTimeOffset)),
        },
    }
}

#[cfg(test)]
mod tests {
    use countersign_store::entity::APPLICATION;

    use super::*;

    fn application(text: &str) -> Result<Json, String> {
        entity(text.as_bytes(), APPLICATION.entity, Version::V1)
            .map(Json::Object)
            .map_err(|error| error.message.clone())
    }

    #[test]
    fn what_fits_is_taken_in_one_form() {
        let body = application(
            r##"{"@odata.type":"#microsoft.graph.application","DisplayName":"a",
                "keyCredentials":[{"key":"-_-_","startDateTime":"2030-01-01T01:00:00+01:00"}]}"##,
        );
        let expected = serde_json::json!({
            "displayName": "a",
            "keyCredentials": [{"key": "+/+/", "startDateTime": "2030-01-01T00:00:00.000000Z"}],
        });
        assert_eq!(body.unwrap(), expected);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (text, message) in [
            ("[]", "The body must be a JSON object."),
            ("{", "The body is not JSON"),
            (r#"{"web":{"redirectUris":["a\u0000"]}}"#, "null character"),
            (r#"{"unheard":1}"#, "Property 'unheard' does not exist on type 'microsoft.graph.application'."),
            (r#"{"displayName":1}"#, "property 'displayName': expected Edm.String"),
            (r#"{"tags":"a"}"#, "property 'tags': expected Collection(Edm.String)"),
            (r#"{"web":{"redirectUris":[1]}}"#, "property 'web/redirectUris': expected Edm.String"),
            (r#"{"tokenEncryptionKeyId":"x"}"#, "expected Edm.Guid"),
        ] {
            let error = application(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
