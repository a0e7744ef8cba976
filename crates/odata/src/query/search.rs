//! `$search`: quoted clauses joined with `AND` and `OR`.

use std::fmt;

use crate::edm::{EntityType, Kind, Version};
use crate::error::ODataError;

use super::filter::no_property;

/// Longest search, in bytes once decoded.
pub const SEARCH_BYTES_MAX: usize = 1 << 10;
/// Most clauses.
pub const SEARCH_CLAUSES_MAX: usize = 20;
/// Deepest parentheses.
pub const SEARCH_DEPTH_MAX: usize = 8;

/// A search. `And` and `Or` have at least two members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// `"text"`: in any property that the resource searches.
    Term(String),
    /// `"property:text"`
    Property {
        /// Name as declared; its kind is a string or a collection of strings.
        property: &'static str,
        /// What is looked for.
        text: String,
    },
    /// All are found.
    And(Vec<Search>),
    /// At least one is found.
    Or(Vec<Search>),
}

/// Reads a search over objects of a type.
pub fn parse_search(text: &str, entity: &'static EntityType, version: Version) -> Result<Search, ODataError> {
    if text.len() > SEARCH_BYTES_MAX {
        return Err(ODataError::bad_request(format!("The $search is longer than {SEARCH_BYTES_MAX} bytes.")));
    }
    let mut parser = Parser { rest: text.trim(), entity, version, clauses: 0, depth: 0 };
    let search = parser.or()?;
    if parser.rest.is_empty() { Ok(search) } else { Err(invalid("expected AND, OR or the end")) }
}

fn invalid(message: &str) -> ODataError {
    ODataError::bad_request(format!("Invalid $search: {message}."))
}

struct Parser<'t> {
    rest: &'t str,
    entity: &'static EntityType,
    version: Version,
    clauses: usize,
    depth: usize,
}

impl Parser<'_> {
    /// Takes what comes next if it is that word or character, and the blanks behind it.
    fn takes(&mut self, word: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(word) else { return false };
        self.rest = rest.trim_start();
        true
    }

    fn or(&mut self) -> Result<Search, ODataError> {
        let mut members = vec![self.and()?];
        while self.takes("OR") {
            members.push(self.and()?);
        }
        Ok(if members.len() == 1 { members.remove(0) } else { Search::Or(members) })
    }

    fn and(&mut self) -> Result<Search, ODataError> {
        let mut members = vec![self.clause()?];
        while self.takes("AND") {
            members.push(self.clause()?);
        }
        Ok(if members.len() == 1 { members.remove(0) } else { Search::And(members) })
    }

    fn clause(&mut self) -> Result<Search, ODataError> {
        if self.takes("(") {
            if self.depth == SEARCH_DEPTH_MAX {
                return Err(invalid(&format!("nested deeper than {SEARCH_DEPTH_MAX}")));
            }
            self.depth += 1;
            let inner = self.or()?;
            self.depth -= 1;
            return if self.takes(")") { Ok(inner) } else { Err(invalid("expected ')'")) };
        }
        self.clauses += 1;
        if self.clauses > SEARCH_CLAUSES_MAX {
            return Err(invalid(&format!("more than {SEARCH_CLAUSES_MAX} clauses")));
        }
        let text = self.quoted()?;
        let (property, text) = match text.split_once(':') {
            None => (None, text.as_str()),
            Some((property, text)) => (Some(property.trim()), text),
        };
        let text = text.trim().to_owned();
        if text.is_empty() {
            return Err(invalid("a clause without text"));
        }
        let Some(property) = property else { return Ok(Search::Term(text)) };
        let found = self.entity.property(property, self.version);
        let found = found.ok_or_else(|| no_property(property, Kind::Entity(self.entity)))?;
        if !matches!(found.kind, Kind::String | Kind::Collection(Kind::String)) {
            return Err(invalid(&format!("the property '{}' is no string", found.name)));
        }
        Ok(Search::Property { property: found.name, text })
    }

    /// A clause in double quotes, in which a backslash stands before a quote or a backslash.
    fn quoted(&mut self) -> Result<String, ODataError> {
        let mut characters = self.rest.char_indices();
        if characters.next().is_none_or(|(_, first)| first != '"') {
            return Err(invalid("expected a clause in double quotes"));
        }
        let mut text = String::new();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = self.rest[at + 1..].trim_start();
                    return Ok(text);
                }
                '\\' => text.extend(characters.next().map(|(_, escaped)| escaped)),
                other => text.push(other),
            }
        }
        Err(invalid("a clause without its closing quote"))
    }
}

/// The text of a search that is read as the same.
impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let (members, join) = match self {
            Search::Term(text) => return write!(f, "\"{}\"", escaped(text)),
            Search::Property { property, text } => return write!(f, "\"{property}:{}\"", escaped(text)),
            Search::And(members) => (members, " AND "),
            Search::Or(members) => (members, " OR "),
        };
        for (at, member) in members.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { join })?;
            match member {
                Search::And(_) | Search::Or(_) => write!(f, "({member})")?,
                _ => write!(f, "{member}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::SERVICE_PRINCIPAL;

    #[test]
    fn searches() {
        for (text, expected) in [
            (r#""displayName:foo""#, r#""displayName:foo""#),
            (r#""DISPLAYNAME:foo" AND "tags:x y""#, r#""displayName:foo" AND "tags:x y""#),
            (r#" "foo" OR "bar" AND "b" "#, r#""foo" OR ("bar" AND "b")"#),
            (r#"("foo" OR "bar") AND "b""#, r#"("foo" OR "bar") AND "b""#),
            (r#""displayName:a\"b\\:c""#, r#""displayName:a\"b\\:c""#),
            ("", "Invalid $search: expected a clause in double quotes."),
            ("foo", "Invalid $search: expected a clause in double quotes."),
            (r#""foo"#, "Invalid $search: a clause without its closing quote."),
            (r#""foo" "bar""#, "Invalid $search: expected AND, OR or the end."),
            (r#"("foo""#, "Invalid $search: expected ')'."),
            (r#""displayName:""#, "Invalid $search: a clause without text."),
            (r#""accountEnabled:true""#, "Invalid $search: the property 'accountEnabled' is no string."),
            (r#""x:y""#, "Could not find a property named 'x' on type 'microsoft.graph.servicePrincipal'."),
            ("(((((((((\"a\"", "Invalid $search: nested deeper than 8."),
        ] {
            let read = parse_search(text, &SERVICE_PRINCIPAL, Version::V1);
            let shown = read.map_or_else(|error| error.message, |search| search.to_string());
            assert_eq!(shown, expected, "{text}");
        }
        let many = vec!["\"a\""; 21].join(" OR ");
        let error = parse_search(&many, &SERVICE_PRINCIPAL, Version::V1).unwrap_err();
        assert_eq!(error.message, "Invalid $search: more than 20 clauses.");
    }
}
