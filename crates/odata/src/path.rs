//! Resource paths: what stands behind the version root, as segments with their keys.
//!
//! `applications(appId='x')/owners/$ref` is three segments. A plain segment may be a key or a name; only the
//! router, which knows the resources, can tell.

use percent_encoding::percent_decode_str;

use crate::edm::NAMESPACE;
use crate::error::ODataError;

/// Longest path, in bytes as sent: a key in it is at most a few hundred.
pub const PATH_BYTES_MAX: usize = 4 << 10;
/// Most segments; the deepest of Graph's resources has about ten.
pub const SEGMENTS_MAX: usize = 16;
/// Most values in one pair of parentheses.
pub const KEY_VALUES_MAX: usize = 8;

/// A path without empty segments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourcePath {
    /// Its segments; none for the version root itself.
    pub segments: Vec<Segment>,
}

/// What stands between two slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Decoded text before the parentheses, or all of it: `applications`, `$count`, an id.
    pub name: String,
    /// What stands in the parentheses.
    pub key: Option<Key>,
}

/// What stands in parentheses behind a name: a key, or the parameters of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// `('x')`: one value without a name.
    Positional(String),
    /// `(appId='x')`; empty for `()`.
    Named(Vec<(String, String)>),
}

impl Segment {
    /// Whether it is `$count`, `$ref`, `$value`, `$batch` or `$metadata`.
    pub fn is_system(&self) -> bool {
        self.name.starts_with('$')
    }

    /// The name without namespace of a type cast, or of an action or function in its long form:
    /// `application` of `microsoft.graph.application`.
    pub fn qualified(&self) -> Option<&str> {
        self.name.strip_prefix(NAMESPACE)?.strip_prefix('.')
    }

    /// The value of a key that is called `name`; of a positional one if `name` is empty.
    pub fn key_value(&self, name: &str) -> Option<&str> {
        match self.key.as_ref()? {
            Key::Positional(value) => name.is_empty().then_some(value),
            Key::Named(values) => values.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str()),
        }
    }

    /// Reads a segment between slashes, percent-encoded as sent.
    fn parse(raw: &str) -> Result<Segment, ODataError> {
        let text = percent_decode_str(raw)
            .decode_utf8()
            .map_err(|_| ODataError::bad_request("The path is not UTF-8 once it is decoded."))?;
        if text.chars().any(char::is_control) || matches!(&*text, "." | "..") {
            return Err(invalid(raw));
        }
        if text.starts_with('$') && !matches!(&*text, "$count" | "$ref" | "$value" | "$batch" | "$metadata") {
            return Err(invalid(&text));
        }
        let Some((name, inside)) = text.split_once('(') else {
            return Ok(Segment { name: text.into_owned(), key: None });
        };
        let inside = inside.strip_suffix(')').ok_or_else(|| invalid(&text))?;
        if !is_name(name) {
            return Err(invalid(&text));
        }
        let key = parse_key(inside).ok_or_else(|| invalid(&text))?;
        Ok(Segment { name: name.to_owned(), key: Some(key) })
    }
}

impl ResourcePath {
    /// Reads a path as it stands in the request line, without the query and without the version root.
    pub fn parse(raw: &str) -> Result<ResourcePath, ODataError> {
        if raw.len() > PATH_BYTES_MAX {
            return Err(ODataError::bad_request(format!("The path is longer than {PATH_BYTES_MAX} bytes.")));
        }
        let mut segments: Vec<Segment> = Vec::new();
        // SDKs ask for `/v1.0//identityProtection`: their base URL ends in a slash.
        for part in raw.split('/').filter(|part| !part.is_empty()) {
            if segments.len() == SEGMENTS_MAX {
                return Err(ODataError::bad_request(format!(
                    "The path has more than {SEGMENTS_MAX} segments."
                )));
            }
            let segment = Segment::parse(part)?;
            let is_root = matches!(segment.name.as_str(), "$batch" | "$metadata");
            let follows_system = segments.last().is_some_and(Segment::is_system);
            if follows_system || (segment.is_system() && segments.is_empty() != is_root) {
                return Err(invalid(&segment.name));
            }
            segments.push(segment);
        }
        Ok(ResourcePath { segments })
    }
}

fn invalid(segment: &str) -> ODataError {
    ODataError::bad_request(format!("Invalid path segment '{segment}'."))
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.chars().all(|part| part.is_ascii_alphanumeric() || matches!(part, '_' | '.'))
}

/// Reads what stands in parentheses; `None` if it is neither a value nor a list of named values.
fn parse_key(inside: &str) -> Option<Key> {
    let mut values: Vec<(String, String)> = Vec::new();
    let mut rest = inside;
    while !rest.is_empty() {
        // An equals sign in a quoted value belongs to the value.
        let name = match (rest.find('='), rest.starts_with('\'')) {
            (Some(at), false) => &rest[..at],
            _ => "",
        };
        if !name.is_empty() {
            rest = &rest[name.len() + 1..];
        }
        let (value, after) = parse_value(rest)?;
        if values.len() == KEY_VALUES_MAX || values.iter().any(|(known, _)| known == name) {
            return None;
        }
        let name_is_fine =
            if name.is_empty() { after.is_empty() && values.is_empty() } else { is_name(name) };
        if !name_is_fine {
            return None;
        }
        values.push((name.to_owned(), value));
        rest = match after.strip_prefix(',') {
            Some("") => return None,
            Some(more) => more,
            None if after.is_empty() => after,
            None => return None,
        };
    }
    match values.as_mut_slice() {
        [(name, value)] if name.is_empty() => Some(Key::Positional(std::mem::take(value))),
        _ => Some(Key::Named(values)),
    }
}

/// A quoted string, its quotes doubled inside, or a bare value such as a number or a GUID; and what follows
/// it.
fn parse_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('\'') else {
        let end = text.find(',').unwrap_or(text.len());
        let bare = &text[..end];
        let is_bare = !bare.is_empty()
            && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:+".contains(&byte));
        return is_bare.then(|| (bare.to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('\'')?;
        value.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => return Some((value, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(raw: &str) -> String {
        match ResourcePath::parse(raw) {
            Err(error) => error.message,
            Ok(path) => {
                let segments = path.segments.iter().map(|segment| match &segment.key {
                    None => segment.name.clone(),
                    Some(Key::Positional(value)) => format!("{} <{value}>", segment.name),
                    Some(Key::Named(values)) => format!("{} {values:?}", segment.name),
                });
                segments.collect::<Vec<_>>().join(" / ")
            }
        }
    }

    #[test]
    fn paths() {
        for (raw, expected) in [
            ("", ""),
            ("/", ""),
            ("//identityProtection//riskyServicePrincipals/", "identityProtection / riskyServicePrincipals"),
            ("applications/0c0c5c54-5b0a", "applications / 0c0c5c54-5b0a"),
            ("applications(appId='x')/owners/$ref", r#"applications [("appId", "x")] / owners / $ref"#),
            ("applications(appId=%27x%27)", r#"applications [("appId", "x")]"#),
            ("applications('it''s')", "applications <it's>"),
            ("applications('a=b,c(d)')", "applications <a=b,c(d)>"),
            ("a(b='%2F',c=1)/%24count", r#"a [("b", "/"), ("c", "1")] / $count"#),
            ("x(0c0c5c54-5b0a-4b7e-9c5e-4a1f3c2d1b00)", "x <0c0c5c54-5b0a-4b7e-9c5e-4a1f3c2d1b00>"),
            (
                "directory/deletedItems/microsoft.graph.application",
                "directory / deletedItems / microsoft.graph.application",
            ),
            ("applications/microsoft.graph.delta()", "applications / microsoft.graph.delta []"),
            ("logo/$value", "logo / $value"),
            ("%24batch", "$batch"),
            ("$metadata", "$metadata"),
            ("users/a%40b.example", "users / a@b.example"),
        ] {
            assert_eq!(shown(raw), expected, "{raw}");
        }
    }

    #[test]
    fn errors_instead_of_guesses() {
        for raw in [
            "a/..",
            "a/%2e%2e",
            "a/%00",
            "$count",
            "a/$batch",
            "a/$count/b",
            "a/$all",
            "$count(1)",
            "a(",
            "a)(",
            "a('x",
            "a('x'",
            "a('x')b",
            "a('x''",
            "a(b=)",
            "a(=1)",
            "a(1,2)",
            "a(b=1,2)",
            "a(b=1,b=2)",
            "a(b=1,)",
            "a(b c)",
            "('x')",
            "a b('x')",
            "a('x'y)",
            "a(b='x'y)",
            "a(,)",
            "a(1,)",
            "a(b=1,c=2,d=3,e=4,f=5,g=6,h=7,i=8,j=9)",
        ] {
            assert!(shown(raw).starts_with("Invalid path segment '"), "{raw}: {}", shown(raw));
        }
        assert_eq!(shown("a/%ff"), "The path is not UTF-8 once it is decoded.");
        assert_eq!(shown(&"a/".repeat(17)), "The path has more than 16 segments.");
        assert_eq!(shown(&"a".repeat(5000)), "The path is longer than 4096 bytes.");
    }

    #[test]
    fn parts_of_a_segment() {
        let path = ResourcePath::parse("microsoft.graph.application(appId='x')/y('z')").unwrap();
        let [cast, keyed] = path.segments.as_slice() else { panic!() };
        assert_eq!((cast.qualified(), cast.key_value("appId")), (Some("application"), Some("x")));
        assert_eq!((keyed.qualified(), keyed.key_value(""), keyed.key_value("z")), (None, Some("z"), None));
    }
}
