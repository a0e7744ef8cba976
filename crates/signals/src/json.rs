//! Members of JSON objects, read with their types. Null is the same as absent: some writers print what they do not know.

use countersign_model::time::{SECOND, Timestamp};
use serde_json::{Map, Value};

use crate::invalid::Invalid;

/// Longest text of a member that is kept, in bytes: addresses and names are shorter by far.
pub(crate) const TEXT_BYTES_MAX: usize = 2_048;
/// Last second of the year 9999, in seconds since 1970: beyond it no date can be printed.
const SECONDS_MAX: f64 = 253_402_300_799.0;

/// What is said under that name.
pub(crate) fn member<'j>(object: &'j Map<String, Value>, name: &str) -> Option<&'j Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// Text, not longer than [`TEXT_BYTES_MAX`].
pub(crate) fn text<'j>(object: &'j Map<String, Value>, name: &str) -> Result<Option<&'j str>, Invalid> {
    match member(object, name) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= TEXT_BYTES_MAX => Ok(Some(text)),
        Some(Value::String(_)) => Err(Invalid::new(name, "is too long")),
        Some(_) => Err(Invalid::new(name, "must be text")),
    }
}

/// As [`text`], to keep.
pub(crate) fn owned(object: &Map<String, Value>, name: &str) -> Result<Option<String>, Invalid> {
    Ok(text(object, name)?.map(str::to_owned))
}

/// Text that must be there and say something.
pub(crate) fn required<'j>(object: &'j Map<String, Value>, name: &str) -> Result<&'j str, Invalid> {
    match text(object, name)? {
        None => Err(Invalid::new(name, "is missing")),
        Some("") => Err(Invalid::new(name, "must not be empty")),
        Some(text) => Ok(text),
    }
}

/// A list of at most `max` texts.
pub(crate) fn texts(
    object: &Map<String, Value>,
    name: &str,
    max: usize,
) -> Result<Option<Vec<String>>, Invalid> {
    let Some(value) = member(object, name) else { return Ok(None) };
    let values = value.as_array().ok_or_else(|| Invalid::new(name, "must be a list"))?;
    if values.len() > max {
        return Err(Invalid::new(name, "has too many entries"));
    }
    let texts = values.iter().map(|value| {
        let text = value.as_str().filter(|text| text.len() <= TEXT_BYTES_MAX);
        text.map(str::to_owned).ok_or_else(|| Invalid::new(name, "must be a list of texts, none too long"))
    });
    texts.collect::<Result<_, _>>().map(Some)
}

/// An object.
pub(crate) fn object<'j>(
    object: &'j Map<String, Value>,
    name: &str,
) -> Result<Option<&'j Map<String, Value>>, Invalid> {
    let Some(value) = member(object, name) else { return Ok(None) };
    value.as_object().map(Some).ok_or_else(|| Invalid::new(name, "must be an object"))
}

/// A `NumericDate` (RFC 7519 section 2): seconds since 1970, perhaps with a fraction.
pub(crate) fn time(object: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, Invalid> {
    let Some(value) = member(object, name) else { return Ok(None) };
    match value.as_f64() {
        // f64 is exact to the microsecond until the year 2255.
        Some(seconds) if (0.0..=SECONDS_MAX).contains(&seconds) => {
            Ok(Some(Timestamp((seconds * SECOND as f64).round() as i64)))
        }
        _ => Err(Invalid::new(name, "must be a time in seconds since 1970")),
    }
}
