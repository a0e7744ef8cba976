//! A filter's text as tokens.

use uuid::Uuid;

use crate::error::ODataError;
use crate::value::{looks_like_date, parse_duration, parse_guid, parse_instant};

/// A token and the byte where it begins.
pub(crate) type Located = (usize, Token);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A name, an operator or a constant: `riskLevel`, `eq`, `$count`, `null`.
    Word(String),
    /// A constant that is told by its form.
    Constant(Constant),
    Open,
    Close,
    Comma,
    Slash,
    Colon,
    End,
}

/// A constant as written, before it is known what it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Constant {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    String(String),
    Guid(Uuid),
    DateTime(i64),
    Duration(i64),
    /// `microsoft.graph.riskLevel'high'`
    Enum {
        of: String,
        member: String,
    },
    Binary(String),
}

impl Constant {
    /// The type in messages.
    pub(crate) fn type_name(&self) -> &str {
        match self {
            Constant::Null => "<null>",
            Constant::Bool(_) => "Edm.Boolean",
            Constant::Int(value) if i32::try_from(*value).is_ok() => "Edm.Int32",
            Constant::Int(_) => "Edm.Int64",
            Constant::Double(_) => "Edm.Double",
            Constant::String(_) => "Edm.String",
            Constant::Guid(_) => "Edm.Guid",
            Constant::DateTime(_) => "Edm.DateTimeOffset",
            Constant::Duration(_) => "Edm.Duration",
            Constant::Enum { of, .. } => of,
            Constant::Binary(_) => "Edm.Binary",
        }
    }
}

/// A complaint about the filter's form.
pub(crate) fn syntax(message: &str, at: usize) -> ODataError {
    ODataError::bad_request(format!("Invalid filter clause: {message} at position {at}."))
}

/// The tokens of a filter; the last is [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Located>, ODataError> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&first) = text.as_bytes().get(at) {
        let (token, length) = match first {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'(' => (Token::Open, 1),
            b')' => (Token::Close, 1),
            b',' => (Token::Comma, 1),
            b'/' => (Token::Slash, 1),
            b':' => (Token::Colon, 1),
            b'\'' => {
                let (string, length) = quoted(text, at)?;
                (Token::Constant(Constant::String(string)), length)
            }
            b'0'..=b'9' | b'-' => bare_constant(text, at)?,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' => word(text, at)?,
            _ => {
                let character = text[at..].chars().next().unwrap_or_default();
                return Err(syntax(&format!("unexpected character '{}'", character.escape_default()), at));
            }
        };
        found.push((at, token));
        at += length;
    }
    found.push((at, Token::End));
    Ok(found)
}

/// Reads a quoted string that begins at `at`; also its length as written.
fn quoted(text: &str, at: usize) -> Result<(String, usize), ODataError> {
    let mut string = String::new();
    let mut rest = &text[at + 1..];
    loop {
        let Some((part, after)) = rest.split_once('\'') else {
            return Err(syntax("a string without its closing quote", at));
        };
        string.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                string.push('\'');
                rest = more;
            }
            None => return Ok((string, text.len() - after.len() - at)),
        }
    }
}

/// Reads a number, a date or a GUID that begins with a digit or a minus.
fn bare_constant(text: &str, at: usize) -> Result<(Token, usize), ODataError> {
    let rest = &text[at..];
    let end = rest
        .bytes()
        .position(|byte| !byte.is_ascii_alphanumeric() && !b"-+.:".contains(&byte))
        .unwrap_or(rest.len());
    let bare = &rest[..end];
    let constant = if let Some(guid) = parse_guid(bare) {
        Constant::Guid(guid)
    } else if looks_like_date(bare.as_bytes()) {
        let instant = parse_instant(bare);
        Constant::DateTime(instant.ok_or_else(|| syntax(&format!("invalid date and time '{bare}'"), at))?)
    } else {
        number(bare).ok_or_else(|| syntax(&format!("invalid number '{bare}'"), at))?
    };
    Ok((Token::Constant(constant), end))
}

fn number(bare: &str) -> Option<Constant> {
    if let Ok(value) = bare.parse::<i64>() {
        return Some(Constant::Int(value));
    }
    // What only looks like an integer is one that is too large; the rest of Rust's forms (`inf`, `.5`) begin
    // otherwise.
    let is_double = bare.bytes().any(|byte| b".eE".contains(&byte));
    let value = bare.parse::<f64>().ok().filter(|value| value.is_finite() && is_double)?;
    Some(Constant::Double(value))
}

/// Reads a name, or a constant that begins with one: a GUID, `duration'PT1H'`,
/// `microsoft.graph.riskLevel'high'`.
fn word(text: &str, at: usize) -> Result<(Token, usize), ODataError> {
    let rest = &text[at..];
    let guid = rest.get(..36).and_then(parse_guid);
    let is_end = !rest.as_bytes().get(36).is_some_and(u8::is_ascii_alphanumeric);
    if let (Some(guid), true) = (guid, is_end) {
        return Ok((Token::Constant(Constant::Guid(guid)), 36));
    }
    let end = rest
        .bytes()
        .skip(1)
        .position(|byte| !byte.is_ascii_alphanumeric() && !b"_.".contains(&byte))
        .map_or(rest.len(), |end| end + 1);
    let name = &rest[..end];
    if !rest[end..].starts_with('\'') {
        return Ok((Token::Word(name.to_owned()), end));
    }
    let (string, length) = quoted(text, at + end)?;
    let invalid = || syntax(&format!("invalid {name} '{string}'"), at);
    let constant = match name {
        "duration" => Constant::Duration(parse_duration(&string).ok_or_else(invalid)?),
        "guid" => Constant::Guid(parse_guid(&string).ok_or_else(invalid)?),
        "datetime" | "datetimeoffset" => Constant::DateTime(parse_instant(&string).ok_or_else(invalid)?),
        "binary" => Constant::Binary(string),
        _ if name.contains('.') => Constant::Enum { of: name.to_owned(), member: string },
        _ => return Err(syntax(&format!("unexpected string behind '{name}'"), at + end)),
    };
    Ok((Token::Constant(constant), end + length))
}
