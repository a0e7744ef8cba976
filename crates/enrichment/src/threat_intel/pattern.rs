//! The STIX pattern language: the whole grammar is read, so that a bad pattern is told from one that merely
//! speaks of things no event carries. [`Pattern::compile`] keeps what can be matched on one event.

use countersign_model::time::Timestamp;

use crate::threat_intel::indicator::Observable;

/// Longest pattern that is read.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of parentheses: bounds the stack.
const DEPTH_MAX: usize = 64;
/// Most alternatives that one pattern may expand to: bounds the product of nested AND and OR.
const ALTERNATIVES_MAX: usize = 10_000;

/// Why a pattern cannot be read: where, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pattern: expected {expected} at byte {at}")]
pub(crate) struct PatternError {
    at: usize,
    expected: &'static str,
}

#[derive(Clone, Debug, PartialEq)]
enum Token<'p> {
    Word(&'p str),
    Integer(&'p str),
    Float(&'p str),
    Text(String),
    Time(&'p str),
    /// Hexadecimal or base64 bytes: read, never used.
    Bytes,
    /// One of `= != < <= > >= : . , ( ) [ ] *`.
    Sign(&'static str),
}

/// Words that cannot be names.
const KEYWORDS: &[&str] = &[
    "AND",
    "OR",
    "NOT",
    "FOLLOWEDBY",
    "LIKE",
    "MATCHES",
    "ISSUPERSET",
    "ISSUBSET",
    "EXISTS",
    "LAST",
    "IN",
    "START",
    "STOP",
    "SECONDS",
    "true",
    "false",
    "WITHIN",
    "REPEATS",
    "TIMES",
];

/// Longest first, so that `<=` is not read as `<`.
const SIGNS: &[(&str, &str)] = &[
    ("==", "="),
    ("!=", "!="),
    ("<>", "!="),
    ("<=", "<="),
    (">=", ">="),
    ("=", "="),
    ("<", "<"),
    (">", ">"),
    (":", ":"),
    (".", "."),
    (",", ","),
    ("(", "("),
    (")", ")"),
    ("[", "["),
    ("]", "]"),
    ("*", "*"),
];

fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>, PatternError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if first.is_whitespace() {
            at += first.len_utf8();
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            at += rest.find("*/").ok_or(PatternError { at, expected: "end of the comment" })? + 2;
        } else {
            let (token, length) =
                token(rest).ok_or(PatternError { at, expected: "a word, value or sign" })?;
            tokens.push((at, token));
            at += length;
        }
    }
    Ok(tokens)
}

/// The token at the start of `rest`, and its length.
fn token(rest: &str) -> Option<(Token<'_>, usize)> {
    if rest.starts_with('\'') {
        return string(rest);
    }
    if rest.starts_with("t'") || rest.starts_with("h'") || rest.starts_with("b'") {
        let (Token::Text(_), length) = string(&rest[1..])? else { return None };
        let content = &rest[2..length];
        let token = match rest.as_bytes()[0] {
            b't' => Token::Time(content.parse::<jiff::Timestamp>().is_ok().then_some(content)?),
            b'h' => content.bytes().all(|b| b.is_ascii_hexdigit()).then_some(Token::Bytes)?,
            _ => Token::Bytes,
        };
        return Some((token, length + 1));
    }
    number(rest).or_else(|| word(rest)).or_else(|| {
        let (spelled, sign) = SIGNS.iter().find(|(spelled, _)| rest.starts_with(spelled))?;
        Some((Token::Sign(sign), spelled.len()))
    })
}

/// `'text'` with the escapes `\'` and `\\` and no other.
fn string(rest: &str) -> Option<(Token<'_>, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        match char {
            '\'' => return Some((Token::Text(text), at + 1)),
            '\\' => text.push(chars.next().map(|(_, escaped)| escaped).filter(|c| matches!(c, '\'' | '\\'))?),
            _ => text.push(char),
        }
    }
    None
}

/// An integer without leading zeros, or a float, whose digits before the point may be missing.
fn number(rest: &str) -> Option<(Token<'_>, usize)> {
    let sign = usize::from(rest.starts_with(['-', '+']));
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(&rest[sign..]);
    let after = &rest[sign + whole..];
    let fraction = after.strip_prefix('.').map_or(0, digits);
    if fraction > 0 {
        let length = sign + whole + 1 + fraction;
        return Some((Token::Float(&rest[..length]), length));
    }
    // `007` is three tokens to the standard grammar; no rule lets them follow each other.
    let whole = if rest[sign..].starts_with('0') { whole.min(1) } else { whole };
    (whole > 0).then(|| (Token::Integer(&rest[..sign + whole]), sign + whole))
}

fn word(rest: &str) -> Option<(Token<'_>, usize)> {
    let first = rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')).count();
    first.then(|| (Token::Word(&rest[..length]), length))
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
enum Literal {
    Text(String),
    Integer(i64),
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    In,
    Subset,
    /// Everything that no set can answer.
    Other,
}

/// What is asked of one object.
#[derive(Clone, Debug, PartialEq)]
enum Comparison {
    All(Vec<Comparison>),
    Any(Vec<Comparison>),
    Test { path: Path, negated: bool, operator: Operator, values: Vec<Literal> },
    Exists,
}

/// `object-type:property.property[*]…`, list positions left out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Path {
    object: String,
    properties: Vec<String>,
}

/// What is asked of the observed objects together.
#[derive(Clone, Debug, PartialEq)]
enum Observation {
    One(Comparison),
    All(Vec<Observation>),
    Any(Vec<Observation>),
    FollowedBy,
    Repeats(Box<Observation>, u64),
    Within(Box<Observation>),
    During(Box<Observation>, Timestamp, Timestamp),
}

/// A pattern that obeys the grammar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pattern(Observation);

/// Every alternative is a set of observables that must hold of the same event, with its spelling.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Compiled {
    pub(crate) alternatives: Vec<Alternative>,
    /// Why parts were left out, one entry each.
    pub(crate) not_applicable: Vec<&'static str>,
    /// `START … STOP …`.
    pub(crate) during: Option<(Timestamp, Timestamp)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Alternative {
    pub(crate) condition: Vec<Observable>,
    pub(crate) value: String,
}

struct Parser<'p> {
    tokens: Vec<(usize, Token<'p>)>,
    next: usize,
    end: usize,
    depth: usize,
}

impl Pattern {
    /// Reads a pattern.
    pub(crate) fn parse(text: &str) -> Result<Pattern, PatternError> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(PatternError { at: PATTERN_BYTES_MAX, expected: "end of the pattern" });
        }
        let mut parser = Parser { tokens: tokens(text)?, next: 0, end: text.len(), depth: 0 };
        let pattern = parser.followed_by()?;
        if parser.next < parser.tokens.len() {
            return Err(parser.expected("end of the pattern"));
        }
        Ok(Pattern(pattern))
    }

    /// Keeps what can be matched on one event.
    pub(crate) fn compile(&self) -> Compiled {
        let mut compiled = Compiled::default();
        let mut observation = &self.0;
        while let Observation::During(inner, start, stop) = observation {
            let (from, to) = compiled.during.unwrap_or((*start, *stop));
            compiled.during = Some((from.max(*start), to.min(*stop)));
            observation = inner;
        }
        match compile_observation(observation, &mut compiled.not_applicable) {
            Ok(alternatives) if alternatives.iter().all(|alternative| !alternative.condition.is_empty()) => {
                compiled.alternatives = alternatives;
            }
            Ok(_) => compiled.not_applicable.push("pattern holds of every event"),
            Err(reason) => compiled.not_applicable.push(reason),
        }
        compiled
    }
}

impl<'p> Parser<'p> {
    fn peek(&self) -> Option<&Token<'p>> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn expected(&self, expected: &'static str) -> PatternError {
        PatternError { at: self.tokens.get(self.next).map_or(self.end, |(at, _)| *at), expected }
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.next += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(found)) if *found == word);
        self.next += usize::from(found);
        found
    }

    fn need_sign(&mut self, sign: &'static str) -> Result<(), PatternError> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.expected(sign)) }
    }

    fn need_word(&mut self, word: &'static str) -> Result<(), PatternError> {
        if self.take_word(word) { Ok(()) } else { Err(self.expected(word)) }
    }

    fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, PatternError>,
    ) -> Result<T, PatternError> {
        if self.depth == DEPTH_MAX {
            return Err(self.expected("less nesting"));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn followed_by(&mut self) -> Result<Observation, PatternError> {
        let mut observation = self.observation_or()?;
        while self.take_word("FOLLOWEDBY") {
            self.observation_or()?;
            observation = Observation::FollowedBy;
        }
        Ok(observation)
    }

    fn observation_or(&mut self) -> Result<Observation, PatternError> {
        let mut any = vec![self.observation_and()?];
        while self.take_word("OR") {
            any.push(self.observation_and()?);
        }
        Ok(one_or(any, Observation::Any))
    }

    fn observation_and(&mut self) -> Result<Observation, PatternError> {
        let mut all = vec![self.observation()?];
        while self.take_word("AND") {
            all.push(self.observation()?);
        }
        Ok(one_or(all, Observation::All))
    }

    fn observation(&mut self) -> Result<Observation, PatternError> {
        let mut observation = if self.take_sign("[") {
            let comparison = self.comparison_or()?;
            self.need_sign("]")?;
            Observation::One(comparison)
        } else if self.take_sign("(") {
            let inner = self.deeper(Self::followed_by)?;
            self.need_sign(")")?;
            inner
        } else {
            return Err(self.expected("["));
        };
        while let Some(qualified) = self.qualifier(&observation)? {
            observation = qualified;
        }
        Ok(observation)
    }

    fn qualifier(&mut self, inner: &Observation) -> Result<Option<Observation>, PatternError> {
        let inner = || Box::new(inner.clone());
        if self.take_word("WITHIN") {
            self.positive("a number of seconds", true)?;
            self.need_word("SECONDS")?;
            Ok(Some(Observation::Within(inner())))
        } else if self.take_word("REPEATS") {
            let times = self.positive("a number of times", false)?;
            self.need_word("TIMES")?;
            Ok(Some(Observation::Repeats(inner(), times)))
        } else if self.take_word("START") {
            let start = self.time()?;
            self.need_word("STOP")?;
            let stop = self.time()?;
            Ok(Some(Observation::During(inner(), start, stop)))
        } else {
            Ok(None)
        }
    }

    fn positive(&mut self, expected: &'static str, fraction: bool) -> Result<u64, PatternError> {
        let number = match self.peek() {
            Some(Token::Integer(digits)) if !digits.starts_with('-') => {
                digits.trim_start_matches('+').parse().ok()
            }
            Some(Token::Float(digits)) if fraction && !digits.starts_with('-') => Some(0),
            _ => None,
        };
        self.next += usize::from(number.is_some());
        number.ok_or_else(|| self.expected(expected))
    }

    fn time(&mut self) -> Result<Timestamp, PatternError> {
        let time = match self.peek() {
            Some(Token::Time(text)) => crate::date::parse(text),
            _ => None,
        };
        self.next += usize::from(time.is_some());
        time.ok_or_else(|| self.expected("a time as t'…'"))
    }

    fn comparison_or(&mut self) -> Result<Comparison, PatternError> {
        let mut any = vec![self.comparison_and()?];
        while self.take_word("OR") {
            any.push(self.comparison_and()?);
        }
        Ok(one_or(any, Comparison::Any))
    }

    fn comparison_and(&mut self) -> Result<Comparison, PatternError> {
        let mut all = vec![self.comparison()?];
        while self.take_word("AND") {
            all.push(self.comparison()?);
        }
        Ok(one_or(all, Comparison::All))
    }

    fn comparison(&mut self) -> Result<Comparison, PatternError> {
        if self.take_sign("(") {
            let inner = self.deeper(Self::comparison_or)?;
            self.need_sign(")")?;
            return Ok(inner);
        }
        let negated = self.take_word("NOT");
        if negated || matches!(self.peek(), Some(Token::Word("EXISTS"))) {
            self.need_word("EXISTS")?;
            self.path()?;
            return Ok(Comparison::Exists);
        }
        let path = self.path()?;
        let negated = self.take_word("NOT");
        let (operator, values) = self.operation()?;
        Ok(Comparison::Test { path, negated, operator, values })
    }

    fn operation(&mut self) -> Result<(Operator, Vec<Literal>), PatternError> {
        if self.take_word("IN") {
            return Ok((Operator::In, self.set()?));
        }
        for (word, operator) in [
            ("ISSUBSET", Operator::Subset),
            ("ISSUPERSET", Operator::Other),
            ("LIKE", Operator::Other),
            ("MATCHES", Operator::Other),
        ] {
            if self.take_word(word) {
                return match self.literal(false)? {
                    text @ Literal::Text(_) => Ok((operator, vec![text])),
                    Literal::Integer(_) | Literal::Other => {
                        self.next -= 1;
                        Err(self.expected("a quoted text"))
                    }
                };
            }
        }
        for (sign, operator) in [("=", Operator::Equal), ("!=", Operator::Other)] {
            if self.take_sign(sign) {
                return Ok((operator, vec![self.literal(true)?]));
            }
        }
        for sign in ["<", "<=", ">", ">="] {
            if self.take_sign(sign) {
                return Ok((Operator::Other, vec![self.literal(false)?]));
            }
        }
        Err(self.expected("a comparison"))
    }

    fn set(&mut self) -> Result<Vec<Literal>, PatternError> {
        self.need_sign("(")?;
        let mut values = Vec::new();
        if self.take_sign(")") {
            return Ok(values);
        }
        loop {
            values.push(self.literal(true)?);
            if self.take_sign(")") {
                return Ok(values);
            }
            self.need_sign(",")?;
        }
    }

    fn literal(&mut self, truth_values: bool) -> Result<Literal, PatternError> {
        let literal = match self.peek() {
            Some(Token::Text(text)) => Some(Literal::Text(text.clone())),
            Some(Token::Integer(digits)) => {
                Some(digits.trim_start_matches('+').parse().map_or(Literal::Other, Literal::Integer))
            }
            Some(Token::Float(_) | Token::Time(_) | Token::Bytes) => Some(Literal::Other),
            Some(Token::Word("true" | "false")) if truth_values => Some(Literal::Other),
            _ => None,
        };
        self.next += usize::from(literal.is_some());
        literal.ok_or_else(|| self.expected("a value"))
    }

    fn name(&mut self, hyphens: bool, quoted: bool) -> Result<String, PatternError> {
        let name = match self.peek() {
            Some(Token::Word(word)) if !KEYWORDS.contains(word) && (hyphens || !word.contains('-')) => {
                Some((*word).to_owned())
            }
            Some(Token::Text(text)) if quoted => Some(text.clone()),
            _ => None,
        };
        self.next += usize::from(name.is_some());
        name.ok_or_else(|| self.expected("a name"))
    }

    fn path(&mut self) -> Result<Path, PatternError> {
        let object = self.name(true, false)?;
        self.need_sign(":")?;
        let mut properties = vec![self.name(false, true)?];
        loop {
            if self.take_sign(".") {
                properties.push(self.name(false, true)?);
            } else if self.take_sign("[") {
                if !self.take_sign("*") {
                    match self.literal(false)? {
                        Literal::Integer(_) => {}
                        Literal::Text(_) | Literal::Other => {
                            self.next -= 1;
                            return Err(self.expected("a position or *"));
                        }
                    }
                }
                self.need_sign("]")?;
            } else {
                return Ok(Path { object, properties });
            }
        }
    }
}

fn one_or<T>(mut parts: Vec<T>, many: impl FnOnce(Vec<T>) -> T) -> T {
    if parts.len() == 1 { parts.remove(0) } else { many(parts) }
}

type Alternatives = Result<Vec<Alternative>, &'static str>;

fn compile_observation(observation: &Observation, left_out: &mut Vec<&'static str>) -> Alternatives {
    match observation {
        Observation::One(comparison) => compile_comparison(comparison, left_out),
        // One event is all that is seen at once: both on the same event stands for both at some time.
        Observation::All(parts) => product(parts.iter().map(|part| compile_observation(part, left_out))),
        Observation::Any(parts) => {
            let compiled: Vec<_> = parts.iter().map(|part| compile_observation(part, left_out)).collect();
            union(compiled, left_out)
        }
        Observation::Within(inner) if !matches!(**inner, Observation::Repeats(_, 2..)) => {
            compile_observation(inner, left_out)
        }
        Observation::Repeats(inner, 0 | 1) => compile_observation(inner, left_out),
        Observation::FollowedBy | Observation::Repeats(..) | Observation::Within(_) => {
            Err("needs several events in order")
        }
        Observation::During(..) => Err("time window around a part of the pattern"),
    }
}

fn compile_comparison(comparison: &Comparison, left_out: &mut Vec<&'static str>) -> Alternatives {
    match comparison {
        Comparison::All(parts) => product(parts.iter().map(|part| compile_comparison(part, left_out))),
        Comparison::Any(parts) => {
            let compiled: Vec<_> = parts.iter().map(|part| compile_comparison(part, left_out)).collect();
            union(compiled, left_out)
        }
        Comparison::Exists => Err("asks whether a property exists"),
        Comparison::Test { negated: true, .. } => Err("negation"),
        Comparison::Test { operator: Operator::Other, .. } => Err("comparison other than equality"),
        Comparison::Test { path, values, operator, .. } => {
            if says_nothing(path) {
                return Ok(vec![Alternative::default()]);
            }
            let compiled =
                values.iter().map(|value| Ok(vec![alternative(path, *operator, value)?])).collect();
            union(compiled, left_out)
        }
    }
}

/// Tests that hold of every event that the rest of the pattern holds of.
fn says_nothing(path: &Path) -> bool {
    let properties: Vec<&str> = path.properties.iter().map(String::as_str).collect();
    matches!(
        (path.object.as_str(), &*properties),
        ("network-traffic", ["src_ref" | "dst_ref", "type"]) | ("user-account", ["account_type"])
    )
}

fn alternative(path: &Path, operator: Operator, value: &Literal) -> Result<Alternative, &'static str> {
    let properties: Vec<&str> = path.properties.iter().map(String::as_str).collect();
    if let (["number"], "autonomous-system") = (&*properties, path.object.as_str()) {
        let Literal::Integer(asn) = value else { return Err("autonomous system is no number") };
        let asn = u32::try_from(*asn).ok().filter(|asn| *asn != 0).ok_or("autonomous system is no number")?;
        return Ok(Alternative { condition: vec![Observable::System(asn)], value: format!("AS{asn}") });
    }
    let Literal::Text(text) = value else { return Err("object that no event carries") };
    let observable = match (path.object.as_str(), &*properties) {
        ("ipv4-addr" | "ipv6-addr", ["value"]) | ("network-traffic", ["src_ref" | "dst_ref", "value"]) => {
            Observable::address(text).ok_or("address cannot be read")?
        }
        (_, [.., "request_header", "User-Agent"]) => {
            Observable::user_agent(text).ok_or("empty user agent")?
        }
        ("domain-name", ["value"]) => Observable::domain(text).ok_or("domain name cannot be read")?,
        ("url", ["value"]) => Observable::url(text).ok_or("URL without a host")?,
        ("user-account", ["user_id" | "account_login"]) | ("software", ["name"]) => {
            Observable::app(text).ok_or("account or software that is no application id")?
        }
        ("file" | "artifact" | "x509-certificate", _) => return Err("file or certificate hash"),
        _ => return Err("object that no event carries"),
    };
    if operator == Operator::Subset && !matches!(observable, Observable::Addresses(_)) {
        return Err("subset of what is no address");
    }
    Ok(Alternative { condition: vec![observable], value: text.clone() })
}

/// Everything any part matches. Parts that no event can match are left out, as long as one remains.
fn union(parts: Vec<Alternatives>, left_out: &mut Vec<&'static str>) -> Alternatives {
    let mut alternatives = Vec::new();
    let mut reasons = Vec::new();
    for part in parts {
        match part {
            Ok(more) => alternatives.extend(more),
            Err(reason) => reasons.push(reason),
        }
    }
    if alternatives.is_empty() {
        return Err(reasons.first().copied().unwrap_or("empty set"));
    }
    if alternatives.len() > ALTERNATIVES_MAX {
        return Err("too many alternatives");
    }
    left_out.extend(reasons);
    Ok(alternatives)
}

/// Every choice of one alternative from each part, held together.
fn product(parts: impl Iterator<Item = Alternatives>) -> Alternatives {
    let mut product = vec![Alternative::default()];
    for part in parts {
        let part = part?;
        if product.len() * part.len() > ALTERNATIVES_MAX {
            return Err("too many alternatives");
        }
        product = product.iter().flat_map(|left| part.iter().map(|right| both(left, right))).collect();
    }
    Ok(product)
}

fn both(left: &Alternative, right: &Alternative) -> Alternative {
    let mut condition = left.condition.clone();
    condition
        .extend(right.condition.iter().filter(|observable| !left.condition.contains(observable)).cloned());
    let separator = if left.value.is_empty() || right.value.is_empty() { "" } else { " and " };
    Alternative { condition, value: format!("{}{separator}{}", left.value, right.value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(pattern: &str, expected: &[&str]) {
        let compiled = Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).compile();
        let values: Vec<&str> = compiled.alternatives.iter().map(|a| a.value.as_str()).collect();
        assert_eq!(values, expected, "{pattern}: {:?}", compiled.not_applicable);
    }

    #[test]
    fn patterns_become_sets() {
        check("[ipv4-addr:value = '192.0.2.7']", &["192.0.2.7"]);
        check("[ipv4-addr:value IN ('192.0.2.7', '192.0.2.8')]", &["192.0.2.7", "192.0.2.8"]);
        check(
            "[ipv4-addr:value ISSUBSET '192.0.2.0/24' OR url:value = 'https://evil.example/p']",
            &["192.0.2.0/24", "https://evil.example/p"],
        );
        check("[autonomous-system:number = 64496]", &["AS64496"]);
        check(
            "[ipv4-addr:value = '192.0.2.7' AND autonomous-system:number = 64496]",
            &["192.0.2.7 and AS64496"],
        );
        check(
            "[ipv4-addr:value = '192.0.2.7'] AND [domain-name:value = 'a.example' OR domain-name:value = 'b.example']",
            &["192.0.2.7 and a.example", "192.0.2.7 and b.example"],
        );
        check(
            "[network-traffic:src_ref.type = 'ipv4-addr' AND network-traffic:src_ref.value = '192.0.2.10']",
            &["192.0.2.10"],
        );
        check(
            "[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'curl/8']",
            &["curl/8"],
        );
        check("[file:hashes.MD5 = 'x' OR ipv4-addr:value = '192.0.2.7']", &["192.0.2.7"]);
        check("[ipv4-addr:value = '192.0.2.7'] WITHIN 5 SECONDS", &["192.0.2.7"]);
    }

    #[test]
    fn what_no_event_carries_is_left_out_with_its_reason() {
        for (pattern, reason) in [
            (
                "[ipv4-addr:value = '192.0.2.7' AND network-traffic:dst_port = 443]",
                "object that no event carries",
            ),
            ("[ipv4-addr:value != '192.0.2.7']", "comparison other than equality"),
            ("[ipv4-addr:value NOT = '192.0.2.7']", "negation"),
            ("[software:name = 'python-requests']", "account or software that is no application id"),
            ("[ipv4-addr:value IN ()]", "empty set"),
            ("[user-account:account_type = 'azure']", "pattern holds of every event"),
            (
                "[ipv4-addr:value = '192.0.2.7'] FOLLOWEDBY [domain-name:value = 'x.example'] WITHIN 300 SECONDS",
                "needs several events in order",
            ),
            (
                "[ipv4-addr:value = '192.0.2.7'] REPEATS 5 TIMES WITHIN 60 SECONDS",
                "needs several events in order",
            ),
        ] {
            let compiled = Pattern::parse(pattern).unwrap().compile();
            assert_eq!(
                (compiled.alternatives.len(), compiled.not_applicable.first()),
                (0, Some(&reason)),
                "{pattern}"
            );
        }
    }

    #[test]
    fn a_time_window_becomes_validity() {
        let pattern =
            "[ipv4-addr:value = '192.0.2.7'] START t'2026-08-01T00:00:00Z' STOP t'2026-08-02T00:00:00Z'";
        let (start, stop) = Pattern::parse(pattern).unwrap().compile().during.unwrap();
        assert_eq!((start.date(), stop.date()), ("2026-08-01".to_owned(), "2026-08-02".to_owned()));
    }

    #[test]
    fn nesting_and_products_are_bounded() {
        let deep = format!("{}[ipv4-addr:value = '192.0.2.7']{}", "(".repeat(10_000), ")".repeat(10_000));
        assert!(Pattern::parse(&deep).is_err());
        let wide =
            (0..200).map(|n| format!("domain-name:value = 'n{n}.example'")).collect::<Vec<_>>().join(" OR ");
        let product = format!("[({wide}) AND ({wide}) AND ({wide})]");
        assert_eq!(Pattern::parse(&product).unwrap().compile().not_applicable, ["too many alternatives"]);
    }

    /// The verdicts of the standard's own validator.
    #[test]
    fn agrees_with_the_reference_validator() {
        let Some(text) = crate::threat_intel::tests::sample("stix/pattern-validity.json") else { return };
        let cases: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut wrong = Vec::new();
        for case in cases.as_array().unwrap() {
            let pattern = case["pattern"].as_str().unwrap();
            if Pattern::parse(pattern).is_ok() != case["valid"].as_bool().unwrap() {
                wrong.push((pattern.to_owned(), Pattern::parse(pattern).err()));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            let _ = Pattern::parse(&text).map(|pattern| pattern.compile());
        }

        #[test]
        fn any_sequence_of_parts_is_read_or_refused(parts in prop::collection::vec(prop::sample::select(vec![
            "[", "]", "(", ")", "ipv4-addr:value", "=", "'192.0.2.7'", "AND", "OR", "NOT", "EXISTS", "IN", ",", "'", "\\",
            "FOLLOWEDBY", "WITHIN", "5", "SECONDS", "REPEATS", "TIMES", "START", "STOP", "t'2026-08-01T00:00:00Z'", "1.5",
            "ISSUBSET", "'0.0.0.0/0'", "*", "/*", "*/", "//", "é", ".", ":", "-1", "t'", "h'",
        ]), 0..20)) {
            let _ = Pattern::parse(&parts.join(" ")).map(|pattern| pattern.compile());
            let _ = Pattern::parse(&parts.concat()).map(|pattern| pattern.compile());
        }
    }
}
