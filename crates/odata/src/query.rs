//! Query options: first as text ([`RawOptions`]), then typed against an entity type ([`Options`]).

pub mod advanced;
pub mod expr;
pub mod filter;
mod lexer;
pub mod search;

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

pub use advanced::{Advanced, needs_advanced};
pub use expr::{Expr, Literal, Op, Operand, Path, Root, TextFunction};
pub use filter::parse_filter;
pub use search::{Search, parse_search};

use crate::edm::{EntityType, Kind, Navigation, Version};
use crate::error::ODataError;

/// Longest query string, in bytes as sent: a filter of the largest size with every third character encoded.
pub const QUERY_BYTES_MAX: usize = 16 << 10;
/// Most parameters in a query string, those that are ignored included.
pub const PARAMETERS_MAX: usize = 64;
/// Most names in a `$select`.
pub const SELECT_MAX: usize = 100;
/// Most properties in an `$orderby`.
pub const ORDER_BY_MAX: usize = 10;
/// Most relations in an `$expand`.
pub const EXPAND_MAX: usize = 10;
/// Longest `$skiptoken` or `$deltatoken`, in bytes.
pub const TOKEN_BYTES_MAX: usize = 4 << 10;

macro_rules! raw_options {
    ($( $(#[$doc:meta])* $field:ident $name:literal ),+ $(,)?) => {
        /// Query options as text, decoded.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct RawOptions {
            $( $(#[$doc])* pub $field: Option<String>, )+
        }

        impl RawOptions {
            /// The place of the option of that name, given without `$` and in any case.
            fn slot(&mut self, name: &str) -> Option<&mut Option<String>> {
                $( if name.eq_ignore_ascii_case($name) { return Some(&mut self.$field); } )+
                None
            }

            /// The options that are there, with their names as documented: `$filter`.
            pub fn present(&self) -> impl Iterator<Item = (&'static str, &str)> {
                [$( (concat!("$", $name), self.$field.as_deref()), )+]
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value?)))
            }
        }
    };
}

raw_options! {
    /// `$filter`
    filter "filter",
    /// `$select`
    select "select",
    /// `$orderby`
    order_by "orderby",
    /// `$top`
    top "top",
    /// `$skip`
    skip "skip",
    /// `$skiptoken`
    skip_token "skiptoken",
    /// `$deltatoken`
    delta_token "deltatoken",
    /// `$count`
    count "count",
    /// `$search`
    search "search",
    /// `$expand`
    expand "expand",
    /// `$format`
    format "format",
}

/// What stays as it is in the value of an option: RFC 3986 needs no encoding of these.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b',').remove(b':');

impl RawOptions {
    /// Reads a query string as sent, without the question mark. Names that begin with `$` must be known;
    /// others are ignored, unless `dollar_optional` is set, as on `/beta`, and they are an option's name
    /// without it.
    pub fn parse(query: &str, dollar_optional: bool) -> Result<RawOptions, ODataError> {
        if query.len() > QUERY_BYTES_MAX {
            let message = format!("The query is longer than {QUERY_BYTES_MAX} bytes.");
            return Err(ODataError::bad_request(message));
        }
        let mut options = RawOptions::default();
        for (at, parameter) in query.split('&').filter(|parameter| !parameter.is_empty()).enumerate() {
            if at == PARAMETERS_MAX {
                let message = format!("The query has more than {PARAMETERS_MAX} parameters.");
                return Err(ODataError::bad_request(message));
            }
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let name = decode(name)?;
            let name = name.trim();
            let bare = name.strip_prefix('$');
            if bare.is_none() && !dollar_optional {
                continue;
            }
            let Some(slot) = options.slot(bare.unwrap_or(name)) else {
                if bare.is_none() {
                    continue;
                }
                return Err(ODataError::bad_request(format!("The query option '{name}' is not supported.")));
            };
            if slot.is_some() {
                let message = format!("The query option '{name}' must not be given more than once.");
                return Err(ODataError::bad_request(message));
            }
            *slot = Some(decode(value)?);
        }
        Ok(options)
    }

    /// The query string of these options, encoded: for a `nextLink`, after its token was set.
    pub fn to_query(&self) -> String {
        let parameters: Vec<String> = self
            .present()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ENCODED)))
            .collect();
        parameters.join("&")
    }
}

fn decode(text: &str) -> Result<String, ODataError> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded
        .map(Cow::into_owned)
        .map_err(|_| ODataError::bad_request("The query is not UTF-8 once it is decoded."))
}

/// Against what options are read.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The type of the objects asked for.
    pub entity: &'static EntityType,
    /// The version of the API.
    pub version: Version,
    /// Largest `$top`.
    pub page_size_max: u32,
}

/// Query options, typed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// `$filter`
    pub filter: Option<Expr>,
    /// `$select`
    pub select: Select,
    /// `$orderby`, the first decides first; empty if there is none.
    pub order_by: Vec<OrderBy>,
    /// `$top`: 1 to the largest page size.
    pub top: Option<u32>,
    /// `$skip`: objects to leave out.
    pub skip: Option<u64>,
    /// `$skiptoken`, opaque here.
    pub skip_token: Option<String>,
    /// `$deltatoken`, opaque here.
    pub delta_token: Option<String>,
    /// `$count=true`
    pub count: bool,
    /// `$search`
    pub search: Option<Search>,
    /// `$expand`; empty if there is none.
    pub expand: Vec<Expand>,
}

/// Which properties an answer has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Select {
    /// Those that are returned by default.
    #[default]
    Default,
    /// Those named.
    Only(Vec<Cow<'static, str>>),
    /// Those that are returned by default, and those named: `*,customSecurityAttributes`.
    DefaultAnd(Vec<Cow<'static, str>>),
}

impl Select {
    /// Whether it names the property.
    pub fn names(&self, property: &str) -> bool {
        match self {
            Select::Default => false,
            Select::Only(names) | Select::DefaultAnd(names) => names.iter().any(|name| name == property),
        }
    }
}

/// One property of an `$orderby`.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderBy {
    /// What is sorted by: a single value.
    pub path: Path,
    /// Largest first.
    pub descending: bool,
}

/// One relation of an `$expand`.
#[derive(Clone, Debug, PartialEq)]
pub struct Expand {
    /// The relation.
    pub navigation: &'static Navigation,
    /// Nested `$select`.
    pub select: Select,
    /// Nested `$filter`.
    pub filter: Option<Expr>,
    /// Nested `$orderby`.
    pub order_by: Vec<OrderBy>,
    /// Nested `$top`.
    pub top: Option<u32>,
}

impl Options {
    /// Types options. The errors are `BadRequest`; the directory calls them otherwise, see
    /// [`ODataError::with_code`].
    pub fn parse(raw: &RawOptions, context: &Context) -> Result<Options, ODataError> {
        let Context { entity, version, page_size_max } = *context;
        if let Some(format) = &raw.format {
            let base = format.split(';').next().unwrap_or_default().trim();
            if !base.eq_ignore_ascii_case("json") && !base.eq_ignore_ascii_case("application/json") {
                return Err(ODataError::bad_request(format!("The format '{format}' is not supported.")));
            }
        }
        Ok(Options {
            filter: raw.filter.as_deref().map(|text| parse_filter(text, entity, version)).transpose()?,
            select: parse_select(raw.select.as_deref(), entity, version)?,
            order_by: parse_order_by(raw.order_by.as_deref(), entity, version)?,
            top: raw.top.as_deref().map(|text| parse_top(text, page_size_max)).transpose()?,
            skip: raw.skip.as_deref().map(parse_skip).transpose()?,
            skip_token: token("$skiptoken", raw.skip_token.as_ref())?,
            delta_token: token("$deltatoken", raw.delta_token.as_ref())?,
            count: raw.count.as_deref().map(parse_count).transpose()?.unwrap_or(false),
            search: raw.search.as_deref().map(|text| parse_search(text, entity, version)).transpose()?,
            expand: raw
                .expand
                .as_deref()
                .map(|text| parse_expand(text, context))
                .transpose()?
                .unwrap_or_default(),
        })
    }
}

/// The members of a list, without blanks around; an empty one is an error.
fn list<'t>(option: &str, text: &'t str, members_max: usize) -> Result<Vec<&'t str>, ODataError> {
    let members: Vec<&str> = text.split(',').map(str::trim).take(members_max + 1).collect();
    if members.len() > members_max {
        return Err(ODataError::bad_request(format!("The {option} has more than {members_max} members.")));
    }
    if members.contains(&"") {
        return Err(ODataError::bad_request(format!("The {option} has an empty member.")));
    }
    Ok(members)
}

fn parse_select(
    text: Option<&str>,
    entity: &'static EntityType,
    version: Version,
) -> Result<Select, ODataError> {
    let Some(text) = text else { return Ok(Select::Default) };
    let mut names: Vec<Cow<'static, str>> = Vec::new();
    let mut everything = false;
    for name in list("$select", text, SELECT_MAX)? {
        if name == "*" {
            everything = true;
            continue;
        }
        let kind = Kind::Entity(entity);
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let found = if let Some(property) = entity.property(name, version) {
            Cow::Borrowed(property.name)
        } else if let Some(navigation) = entity.navigation(name, version) {
            Cow::Borrowed(navigation.name)
        } else if entity.is_open() && is_name {
            Cow::Owned(name.to_owned())
        } else {
            return Err(filter::no_property(name, kind));
        };
        if !names.contains(&found) {
            names.push(found);
        }
    }
    Ok(match (everything, names.is_empty()) {
        (true, true) => Select::Default,
        (true, false) => Select::DefaultAnd(names),
        (false, _) => Select::Only(names),
    })
}

fn parse_order_by(
    text: Option<&str>,
    entity: &'static EntityType,
    version: Version,
) -> Result<Vec<OrderBy>, ODataError> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let mut order_by = Vec::new();
    for member in list("$orderby", text, ORDER_BY_MAX)? {
        let mut words = member.split_ascii_whitespace();
        let name = words.next().unwrap_or_default();
        let descending = match words.next() {
            None => false,
            Some(word) if word.eq_ignore_ascii_case("asc") => false,
            Some(word) if word.eq_ignore_ascii_case("desc") => true,
            Some(word) => {
                let message = format!("Invalid $orderby: expected 'asc' or 'desc' instead of '{word}'.");
                return Err(ODataError::bad_request(message));
            }
        };
        if words.next().is_some() {
            return Err(ODataError::bad_request(format!("Invalid $orderby: '{member}'.")));
        }
        let path = filter::parse_path(name, entity, version)?;
        if matches!(
            path.kind,
            Kind::Collection(_) | Kind::Complex(_) | Kind::Entity(_) | Kind::Entities(_) | Kind::Binary
        ) {
            return Err(ODataError::bad_request(format!(
                "Invalid $orderby: '{path}' is of type '{}', which has no order.",
                path.kind.name()
            )));
        }
        order_by.push(OrderBy { path, descending });
    }
    Ok(order_by)
}

fn parse_top(text: &str, page_size_max: u32) -> Result<u32, ODataError> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ODataError::bad_request(format!(
            "Invalid value '{text}' for $top: expected an integer."
        )));
    }
    let top = text.parse::<u32>().ok().filter(|top| (1..=page_size_max).contains(top));
    top.ok_or_else(|| {
        let shown = text.get(..20).unwrap_or(text);
        ODataError::bad_request(format!(
            "Invalid page size specified: '{shown}'. Must be between 1 and {page_size_max} inclusive."
        ))
    })
}

fn parse_skip(text: &str) -> Result<u64, ODataError> {
    let text = text.trim();
    // Within 63 bits, since databases have no unsigned integers.
    let skip = text.parse::<i64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    skip.map(|skip| skip as u64).ok_or_else(|| {
        ODataError::bad_request(format!("Invalid value '{text}' for $skip: expected an integer."))
    })
}

fn parse_count(text: &str) -> Result<bool, ODataError> {
    match text.trim() {
        text if text.eq_ignore_ascii_case("true") => Ok(true),
        text if text.eq_ignore_ascii_case("false") => Ok(false),
        text => {
            let message = format!("Invalid value '{text}' for $count: expected 'true' or 'false'.");
            Err(ODataError::bad_request(message))
        }
    }
}

fn token(option: &str, text: Option<&String>) -> Result<Option<String>, ODataError> {
    match text {
        Some(text) if text.len() > TOKEN_BYTES_MAX => {
            Err(ODataError::bad_request(format!("The {option} is longer than {TOKEN_BYTES_MAX} bytes.")))
        }
        text => Ok(text.cloned()),
    }
}

fn parse_expand(text: &str, context: &Context) -> Result<Vec<Expand>, ODataError> {
    let members = split_outside(text, ',')?;
    if members.len() > EXPAND_MAX {
        return Err(ODataError::bad_request(format!("The $expand has more than {EXPAND_MAX} members.")));
    }
    let mut expand: Vec<Expand> = Vec::new();
    for member in members {
        let (name, nested) = match member.split_once('(') {
            None => (member, None),
            Some((name, rest)) => (name.trim(), Some(rest.strip_suffix(')').ok_or_else(unbalanced)?)),
        };
        let navigation = context.entity.navigation(name, context.version);
        let navigation = navigation.ok_or_else(|| filter::no_property(name, Kind::Entity(context.entity)))?;
        if expand.iter().any(|known| known.navigation.name == navigation.name) {
            let message = format!("Invalid $expand: '{name}' must not be given more than once.");
            return Err(ODataError::bad_request(message));
        }
        let raw = nested.map(parse_nested).transpose()?.unwrap_or_default();
        let options = Options::parse(&raw, &Context { entity: navigation.target, ..*context })?;
        expand.push(Expand {
            navigation,
            select: options.select,
            filter: options.filter,
            order_by: options.order_by,
            top: options.top,
        });
    }
    Ok(expand)
}

/// Reads the options in the parentheses of an `$expand`.
fn parse_nested(text: &str) -> Result<RawOptions, ODataError> {
    let mut raw = RawOptions::default();
    for option in split_outside(text, ';')? {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let name = name.trim();
        let known = ["select", "top", "filter", "orderby"];
        let slot = name
            .strip_prefix('$')
            .filter(|bare| known.iter().any(|known| known.eq_ignore_ascii_case(bare)))
            .and_then(|bare| raw.slot(bare));
        let Some(slot @ None) = slot else {
            let message = format!("Invalid $expand: '{name}' is not supported there, or not twice.");
            return Err(ODataError::bad_request(message));
        };
        *slot = Some(value.to_owned());
    }
    Ok(raw)
}

fn unbalanced() -> ODataError {
    ODataError::bad_request("Invalid $expand: a parenthesis or a quote without its other half.")
}

/// Splits text at a separator that stands outside of parentheses and quotes.
fn split_outside(text: &str, separator: char) -> Result<Vec<&str>, ODataError> {
    let mut parts = Vec::new();
    let (mut start, mut depth, mut in_string) = (0, 0_usize, false);
    for (at, character) in text.char_indices() {
        match character {
            '\'' => in_string = !in_string,
            _ if in_string => {}
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1).ok_or_else(unbalanced)?,
            other if other == separator && depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if in_string || depth > 0 {
        return Err(unbalanced());
    }
    parts.push(text[start..].trim());
    if parts.contains(&"") {
        return Err(ODataError::bad_request("The $expand has an empty member."));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{SERVICE_PRINCIPAL, SIGN_IN};

    fn read(query: &str) -> Result<Options, ODataError> {
        let context = Context { entity: &SERVICE_PRINCIPAL, version: Version::V1, page_size_max: 500 };
        Options::parse(&RawOptions::parse(query, false)?, &context)
    }

    fn message(query: &str) -> String {
        read(query).expect_err(query).message
    }

    #[test]
    fn names_come_in_several_spellings() {
        let raw = |query, dollar_optional| RawOptions::parse(query, dollar_optional).unwrap().to_query();
        for query in ["$top=5&$count=true", "%24top=5&%24COUNT=true", "$Top=5&x=1&&$count=true&top=7"] {
            assert_eq!(raw(query, false), "$top=5&$count=true");
        }
        assert_eq!(
            raw("top=5&filter=a+eq%20%27b%2Bc%27&api-version=1", true),
            "$filter=a%20eq%20%27b%2Bc%27&$top=5"
        );
        let again = RawOptions::parse("$filter=a%20eq%20%27b%2Bc%27", false).unwrap();
        assert_eq!(again.filter.as_deref(), Some("a eq 'b+c'"));
    }

    #[test]
    fn names_must_be_known_and_single() {
        assert_eq!(message("$apply=x"), "The query option '$apply' is not supported.");
        assert_eq!(message("$top=1&%24TOP=1"), "The query option '$TOP' must not be given more than once.");
        let twice = RawOptions::parse("top=1&$top=1", true).unwrap_err();
        assert_eq!(twice.message, "The query option '$top' must not be given more than once.");
        assert_eq!(message("$filter=%ff"), "The query is not UTF-8 once it is decoded.");
        assert_eq!(message(&"a&".repeat(65)), "The query has more than 64 parameters.");
        assert_eq!(message(&"a".repeat(20_000)), "The query is longer than 16384 bytes.");
    }

    #[test]
    fn plain_options() {
        let options =
            read("$top=500&$skip=3&$count=True&$skiptoken=a%2Fb&$deltatoken=latest&$format=json").unwrap();
        assert_eq!((options.top, options.skip, options.count), (Some(500), Some(3), true));
        assert_eq!(options.skip_token.as_deref(), Some("a/b"));
        assert_eq!(options.delta_token.as_deref(), Some("latest"));
        assert_eq!(read("").unwrap(), Options::default());
        for (query, expected) in [
            ("$top=1000", "Invalid page size specified: '1000'. Must be between 1 and 500 inclusive."),
            ("$top=0", "Invalid page size specified: '0'. Must be between 1 and 500 inclusive."),
            ("$top=-1", "Invalid value '-1' for $top: expected an integer."),
            ("$top=", "Invalid value '' for $top: expected an integer."),
            ("$skip=x", "Invalid value 'x' for $skip: expected an integer."),
            (
                "$skip=18446744073709551615",
                "Invalid value '18446744073709551615' for $skip: expected an integer.",
            ),
            ("$count=1", "Invalid value '1' for $count: expected 'true' or 'false'."),
            ("$format=atom", "The format 'atom' is not supported."),
            ("$filter=", "Invalid filter clause: expected a property or a constant at position 0."),
        ] {
            assert_eq!(message(query), expected, "{query}");
        }
        assert!(
            message(&format!("$skiptoken={}", "a".repeat(5_000))).starts_with("The $skiptoken is longer")
        );
    }

    #[test]
    fn select_and_order_by() {
        let select = |query| read(query).unwrap().select;
        assert_eq!(select("$select=ID, appId,appid"), Select::Only(vec!["id".into(), "appId".into()]));
        assert_eq!(select("$select=*"), Select::Default);
        assert_eq!(select("$select=*,notes"), Select::DefaultAnd(vec!["notes".into()]));
        assert!(select("$select=owners").names("owners"));
        let order_by = read("$orderby=displayName desc, createdDateTime asc,appId").unwrap().order_by;
        let shown = order_by.iter().map(|by| format!("{} {}", by.path, by.descending)).collect::<Vec<_>>();
        assert_eq!(shown, ["displayName true", "createdDateTime false", "appId false"]);
        for (query, expected) in [
            ("$select=a", "Could not find a property named 'a' on type 'microsoft.graph.servicePrincipal'."),
            ("$select=id,", "The $select has an empty member."),
            ("$select=", "The $select has an empty member."),
            (
                "$select=status/errorCode",
                "Could not find a property named 'status/errorCode' on type 'microsoft.graph.servicePrincipal'.",
            ),
            ("$orderby=id up", "Invalid $orderby: expected 'asc' or 'desc' instead of 'up'."),
            ("$orderby=id asc asc", "Invalid $orderby: 'id asc asc'."),
            (
                "$orderby=tags",
                "Invalid $orderby: 'tags' is of type 'Collection(Edm.String)', which has no order.",
            ),
            ("$orderby=tags/any()", "Invalid filter clause: expected a property at position 10."),
            ("$orderby=x", "Could not find a property named 'x' on type 'microsoft.graph.servicePrincipal'."),
        ] {
            assert_eq!(message(query), expected, "{query}");
        }
        assert_eq!(
            message(&format!("$select={}", "id,".repeat(101))),
            "The $select has more than 100 members."
        );
    }

    #[test]
    fn expand() {
        let expand = |query: &str| -> String {
            let options = match read(query) {
                Ok(options) => options,
                Err(error) => return error.message,
            };
            let shown = options.expand.iter().map(|one| {
                let filter = one.filter.as_ref().map(ToString::to_string);
                format!(
                    "{} {:?} {filter:?} {:?} {}",
                    one.navigation.name,
                    one.select,
                    one.top,
                    one.order_by.len()
                )
            });
            shown.collect::<Vec<_>>().join(" | ")
        };
        for (query, expected) in [
            ("$expand=owners", "owners Default None None 0"),
            (
                "$expand=owners($select=id;$top=5;$filter=displayName eq 'a;b,(';$orderby=id,appId),federatedIdentityCredentials",
                r#"owners Only(["id"]) Some("displayName eq 'a;b,('") Some(5) 2 | federatedIdentityCredentials Default None None 0"#,
            ),
            (
                "$expand=owners($top=501)",
                "Invalid page size specified: '501'. Must be between 1 and 500 inclusive.",
            ),
            (
                "$expand=owners($expand=owners)",
                "Invalid $expand: '$expand' is not supported there, or not twice.",
            ),
            (
                "$expand=owners($top=1;$top=1)",
                "Invalid $expand: '$top' is not supported there, or not twice.",
            ),
            (
                "$expand=owners($select=id",
                "Invalid $expand: a parenthesis or a quote without its other half.",
            ),
            ("$expand=owners)", "Invalid $expand: a parenthesis or a quote without its other half."),
            ("$expand=owners($top=1)x", "Invalid $expand: a parenthesis or a quote without its other half."),
            ("$expand=owners,", "The $expand has an empty member."),
            ("$expand=owners,owners", "Invalid $expand: 'owners' must not be given more than once."),
            (
                "$expand=agents",
                "Could not find a property named 'agents' on type 'microsoft.graph.servicePrincipal'.",
            ),
            ("$expand=*", "Could not find a property named '*' on type 'microsoft.graph.servicePrincipal'."),
        ] {
            assert_eq!(expand(query), expected, "{query}");
        }
    }

    #[test]
    fn advanced_queries_are_told_apart() {
        for (query, expected) in [
            ("$filter=appId eq 'x'&$top=5&$select=id", None),
            ("$filter=appId in ('x','y') or startswith(displayName,'x')", None),
            ("$filter=createdDateTime eq null", None),
            ("$orderby=displayName", None),
            ("$filter=appId ne 'x'", Some("the operator 'ne'")),
            ("$filter=appId eq 'y' and not (appId eq 'x')", Some("the operator 'not'")),
            ("$filter=endswith(appId,'x')", Some("the function 'endswith'")),
            ("$filter=tags/any(t:contains(t,'x'))", Some("the function 'contains'")),
            ("$filter=owners/$count eq 0", Some("'/$count' in a $filter")),
            (
                "$filter=appOwnerOrganizationId eq 18cdef31-a31e-4b4a-93e4-5f571e91255a",
                Some("a $filter on 'appOwnerOrganizationId'"),
            ),
            ("$filter=displayName eq null", Some("a comparison of 'displayName' with null")),
            ("$filter=appId eq 'x'&$orderby=displayName", Some("$filter together with $orderby")),
            ("$orderby=appId", Some("$orderby on 'appId'")),
            ("$search=\"x\"", Some("$search")),
            ("$count=true", Some("$count")),
        ] {
            let found = needs_advanced(&read(query).unwrap()).map(|advanced| advanced.to_string());
            assert_eq!(found.as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn types_and_versions_decide() {
        let context = Context { entity: &SIGN_IN, version: Version::Beta, page_size_max: 1000 };
        let raw = RawOptions::parse("$filter=signInEventTypes/any(t:%20t%20eq%20'managedIdentity')", false)
            .unwrap();
        assert!(Options::parse(&raw, &context).is_ok());
        let error = Options::parse(&raw, &Context { version: Version::V1, ..context }).unwrap_err();
        assert_eq!(
            error.message,
            "Could not find a property named 'signInEventTypes' on type 'microsoft.graph.signIn'."
        );
    }
}
