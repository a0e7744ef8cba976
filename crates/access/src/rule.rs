//! `servicePrincipalFilter.rule`: whom a policy is about, by custom security attributes.
//!
//! ```text
//! or = and *("-or" and)
//! and = not *("-and" not)
//! not = *"-not" ( "(" or ")" / comparison )
//! comparison = attribute ( operator string / ("-in" / "-notIn") "[" string *("," string) "]" )
//! operator = ("-eq" / "-startsWith" / "-endsWith" / "-contains") or its opposite:
//!            "-ne" / "-notStartsWith" / "-notEndsWith" / "-notContains"
//! attribute = "CustomSecurityAttribute." set "." name
//! string = DQUOTE *( character / "`" DQUOTE / "``" ) DQUOTE
//! ```
//!
//! Microsoft publishes examples and no grammar. Operators and names are taken in any case, values are compared as they are
//! written. The backtick escapes as it does in the rules of dynamic groups.

use std::fmt;

use crate::principal::{Attributes, Values};

/// Longest rule, in characters.
pub const RULE_CHARS_MAX: usize = 3_072;
/// Parentheses inside each other: bounds the stack.
pub const DEPTH_MAX: usize = 16;

/// What attributes are called in rules.
const ATTRIBUTE_PREFIX: &str = "CustomSecurityAttribute";

/// A rule that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `-or`: two rules or more.
    Any(Vec<Rule>),
    /// `-and`: two rules or more.
    All(Vec<Rule>),
    /// `-not`: anything but another `-not`.
    Not(Box<Rule>),
    /// One comparison.
    Comparison(Comparison),
}

/// A comparison of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The attribute set.
    pub set: String,
    /// The attribute.
    pub attribute: String,
    /// What has to hold.
    pub test: Test,
    /// True for `-ne`, `-notIn` and their like: the opposite has to hold. So whoever lacks the attribute matches.
    pub is_negated: bool,
}

/// What a value must be like. Of several values, one suffices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// `-eq`.
    Equals(String),
    /// `-startsWith`.
    StartsWith(String),
    /// `-endsWith`.
    EndsWith(String),
    /// `-contains`: a part of an attribute with one value, a member of one with several.
    Contains(String),
    /// `-in`: one of these.
    In(Vec<String>),
}

/// Why a text is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at position {position}")]
pub struct RuleError {
    /// What is wrong.
    pub problem: &'static str,
    /// Where, in bytes from the beginning of the rule.
    pub position: usize,
}

impl Rule {
    /// Reads a rule.
    pub fn parse(text: &str) -> Result<Rule, RuleError> {
        if let Some((position, _)) = text.char_indices().nth(RULE_CHARS_MAX) {
            return Err(RuleError { problem: "longer than a rule may be", position });
        }
        let mut parser = Parser { text, at: 0, depth: 0 };
        let rule = parser.or()?;
        if parser.peek().is_some() {
            return Err(parser.expected("expected '-and', '-or' or the end"));
        }
        Ok(rule)
    }

    /// Whether it holds for somebody with these attributes.
    pub fn matches(&self, attributes: &Attributes) -> bool {
        match self {
            Rule::Any(rules) => rules.iter().any(|rule| rule.matches(attributes)),
            Rule::All(rules) => rules.iter().all(|rule| rule.matches(attributes)),
            Rule::Not(rule) => !rule.matches(attributes),
            Rule::Comparison(comparison) => comparison.matches(attributes),
        }
    }
}

impl Comparison {
    fn matches(&self, attributes: &Attributes) -> bool {
        let values = attributes.get(&self.set, &self.attribute);
        values.is_some_and(|values| self.test.holds(values)) != self.is_negated
    }
}

impl Test {
    fn holds(&self, values: &Values) -> bool {
        match (self, values) {
            (Test::Contains(part), Values::One(value)) => value.contains(part.as_str()),
            (Test::Contains(member), Values::Several(values)) => values.contains(member),
            (_, Values::One(value)) => self.holds_for(value),
            (_, Values::Several(values)) => values.iter().any(|value| self.holds_for(value)),
        }
    }

    fn holds_for(&self, value: &str) -> bool {
        match self {
            Test::Equals(wanted) | Test::Contains(wanted) => value == wanted,
            Test::StartsWith(beginning) => value.starts_with(beginning.as_str()),
            Test::EndsWith(end) => value.ends_with(end.as_str()),
            Test::In(members) => members.iter().any(|member| member == value),
        }
    }
}

/// How an operator compares, before what it compares with has been read.
#[derive(Clone, Copy)]
enum Operator {
    One(fn(String) -> Test),
    List,
}

/// The operators by their names, with their opposites.
const OPERATORS: [(&str, &str, Operator); 5] = [
    ("eq", "ne", Operator::One(Test::Equals)),
    ("startsWith", "notStartsWith", Operator::One(Test::StartsWith)),
    ("endsWith", "notEndsWith", Operator::One(Test::EndsWith)),
    ("contains", "notContains", Operator::One(Test::Contains)),
    ("in", "notIn", Operator::List),
];

struct Parser<'t> {
    text: &'t str,
    /// The byte that is read next; always at the beginning of a character.
    at: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn error(problem: &'static str, position: usize) -> RuleError {
        RuleError { problem, position }
    }

    fn expected(&self, problem: &'static str) -> RuleError {
        Self::error(problem, self.at)
    }

    /// The next character that is not blank.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        let blank = |character| matches!(character, ' ' | '\t' | '\r' | '\n');
        self.at += rest.len() - rest.trim_start_matches(blank).len();
        self.text[self.at..].chars().next()
    }

    fn takes(&mut self, character: char) -> bool {
        let found = self.peek() == Some(character);
        self.at += if found { character.len_utf8() } else { 0 };
        found
    }

    /// The name of the operator that begins here, without its hyphen; empty where none does.
    fn operator(&mut self) -> &'t str {
        let found = self.peek() == Some('-');
        let name = &self.text[self.at + usize::from(found)..];
        let end = name.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(name.len());
        if found { &name[..end] } else { "" }
    }

    fn takes_operator(&mut self, name: &str) -> bool {
        let found = self.operator();
        let is_it = found.eq_ignore_ascii_case(name);
        self.at += if is_it { 1 + found.len() } else { 0 };
        is_it
    }

    fn or(&mut self) -> Result<Rule, RuleError> {
        let mut rules = Vec::new();
        loop {
            match self.and()? {
                Rule::Any(inner) => rules.extend(inner),
                rule => rules.push(rule),
            }
            if !self.takes_operator("or") {
                return Ok(joined(rules, Rule::Any));
            }
        }
    }

    fn and(&mut self) -> Result<Rule, RuleError> {
        let mut rules = Vec::new();
        loop {
            match self.not()? {
                Rule::All(inner) => rules.extend(inner),
                rule => rules.push(rule),
            }
            if !self.takes_operator("and") {
                return Ok(joined(rules, Rule::All));
            }
        }
    }

    fn not(&mut self) -> Result<Rule, RuleError> {
        // A loop and no recursion: pairs cancel out, so a row of them costs no depth.
        let mut is_negated = false;
        while self.takes_operator("not") {
            is_negated = !is_negated;
        }
        let rule = if self.takes('(') { self.group()? } else { Rule::Comparison(self.comparison()?) };
        Ok(match rule {
            rule if !is_negated => rule,
            Rule::Not(inner) => *inner,
            rule => Rule::Not(Box::new(rule)),
        })
    }

    /// What stands between parentheses, of which the first has been read.
    fn group(&mut self) -> Result<Rule, RuleError> {
        if self.depth == DEPTH_MAX {
            return Err(Self::error("nested deeper than a rule may be", self.at - 1));
        }
        self.depth += 1;
        let rule = self.or()?;
        self.depth -= 1;
        if !self.takes(')') {
            return Err(self.expected("expected ')'"));
        }
        Ok(rule)
    }

    fn comparison(&mut self) -> Result<Comparison, RuleError> {
        let (set, attribute) = self.attribute()?;
        let name = self.operator();
        let found = OPERATORS.iter().find_map(|(positive, negative, operator)| {
            let is_positive = name.eq_ignore_ascii_case(positive);
            (is_positive || name.eq_ignore_ascii_case(negative)).then_some((operator, !is_positive))
        });
        let Some((operator, is_negated)) = found else {
            return Err(self.expected("expected an operator such as '-eq'"));
        };
        self.at += 1 + name.len();
        let test = match operator {
            Operator::One(test) => test(self.string()?),
            Operator::List => Test::In(self.list()?),
        };
        Ok(Comparison { set: set.to_owned(), attribute: attribute.to_owned(), test, is_negated })
    }

    fn attribute(&mut self) -> Result<(&'t str, &'t str), RuleError> {
        self.peek();
        let start = self.at;
        let rest = &self.text[start..];
        let end = rest.find(|character| !is_name(character) && character != '.').unwrap_or(rest.len());
        self.at += end;
        let mut parts = rest[..end].split('.');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(prefix), Some(set), Some(name), None)
                if prefix.eq_ignore_ascii_case(ATTRIBUTE_PREFIX) && !set.is_empty() && !name.is_empty() =>
            {
                Ok((set, name))
            }
            _ => Err(Self::error("expected 'CustomSecurityAttribute.<set>.<attribute>'", start)),
        }
    }

    fn list(&mut self) -> Result<Vec<String>, RuleError> {
        if !self.takes('[') {
            return Err(self.expected("expected '['"));
        }
        let mut strings = vec![self.string()?];
        while self.takes(',') {
            strings.push(self.string()?);
        }
        if !self.takes(']') {
            return Err(self.expected("expected ',' or ']'"));
        }
        Ok(strings)
    }

    fn string(&mut self) -> Result<String, RuleError> {
        if !self.takes('"') {
            return Err(self.expected("expected a string in double quotes"));
        }
        let start = self.at;
        let mut string = String::new();
        let mut characters = self.text[start..].char_indices();
        while let Some((offset, character)) = characters.next() {
            match character {
                '"' => {
                    self.at = start + offset + 1;
                    return Ok(string);
                }
                '`' => match characters.next() {
                    Some((_, escaped @ ('"' | '`'))) => string.push(escaped),
                    _ => return Err(Self::error("a backtick that escapes nothing", start + offset)),
                },
                character => string.push(character),
            }
        }
        Err(Self::error("a string without its closing quote", start - 1))
    }
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// One rule as it is, several as one.
fn joined(mut rules: Vec<Rule>, join: fn(Vec<Rule>) -> Rule) -> Rule {
    if rules.len() == 1 { rules.remove(0) } else { join(rules) }
}

/// Prints a rule so that it reads back the same.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rules, word) = match self {
            Rule::Comparison(comparison) => return comparison.fmt(f),
            Rule::Not(rule) => return write!(f, "-not ({rule})"),
            Rule::Any(rules) => (rules, "or"),
            Rule::All(rules) => (rules, "and"),
        };
        for (at, rule) in rules.iter().enumerate() {
            if at > 0 {
                write!(f, " -{word} ")?;
            }
            match rule {
                Rule::Any(_) => write!(f, "({rule})")?,
                _ => rule.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = match self.test {
            Test::Equals(_) => 0,
            Test::StartsWith(_) => 1,
            Test::EndsWith(_) => 2,
            Test::Contains(_) => 3,
            Test::In(_) => 4,
        };
        let (positive, negative, _) = OPERATORS[at];
        let operator = if self.is_negated { negative } else { positive };
        write!(f, "{ATTRIBUTE_PREFIX}.{}.{} -{operator} ", self.set, self.attribute)?;
        match &self.test {
            Test::In(members) => {
                for (at, member) in members.iter().enumerate() {
                    write!(f, "{}{}", if at == 0 { "[" } else { "," }, Quoted(member))?;
                }
                f.write_str("]")
            }
            Test::Equals(value) | Test::StartsWith(value) | Test::EndsWith(value) | Test::Contains(value) => {
                Quoted(value).fmt(f)
            }
        }
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('`', "``").replace('"', "`\""))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lab() -> Attributes {
        let json = json!({"Ops": {"Zone": "lab", "Teams": ["pay", "tax"], "One": ["pay"], "Nobody": []}});
        Attributes::read(json.as_object().unwrap())
    }

    #[test]
    fn what_rules_say_of_somebody() {
        for (rule, expected) in [
            (r#"CustomSecurityAttribute.Ops.Zone -eq "lab""#, true),
            (r#"customsecurityattribute.OPS.zone -EQ "lab""#, true),
            (r#"CustomSecurityAttribute.Ops.Zone-eq"lab""#, true),
            (r#"CustomSecurityAttribute.Ops.Zone -eq "LAB""#, false),
            (r#"CustomSecurityAttribute.Ops.Teams -eq "tax""#, true),
            (r#"CustomSecurityAttribute.Ops.Teams -ne "tax""#, false),
            (r#"CustomSecurityAttribute.Ops.Teams -startsWith "ta""#, true),
            (r#"CustomSecurityAttribute.Ops.Teams -in ["none", "tax"]"#, true),
            (r#"CustomSecurityAttribute.Ops.Zone -contains "a""#, true),
            // A list of one is a list.
            (r#"CustomSecurityAttribute.Ops.One -contains "pa""#, false),
            (r#"CustomSecurityAttribute.Ops.One -contains "pay""#, true),
            // An empty list is no value at all.
            (r#"CustomSecurityAttribute.Ops.Nobody -eq """#, false),
            (r#"CustomSecurityAttribute.Ops.Nobody -notIn ["pay"]"#, true),
            (r#"CustomSecurityAttribute.Other.Zone -eq "lab""#, false),
            (r#"-not -not CustomSecurityAttribute.Ops.Zone -eq "lab""#, true),
            // `-not` binds closest.
            (
                r#"-not CustomSecurityAttribute.Ops.Zone -eq "lab" -or CustomSecurityAttribute.Ops.Zone -eq "lab""#,
                true,
            ),
            (
                r#"-not (CustomSecurityAttribute.Ops.Zone -eq "lab" -or CustomSecurityAttribute.Ops.Zone -eq "x")"#,
                false,
            ),
        ] {
            assert_eq!(Rule::parse(rule).unwrap().matches(&lab()), expected, "{rule}");
        }
    }

    #[test]
    fn a_quote_and_a_backtick_are_escaped_by_a_backtick() {
        let rule = Rule::parse("CustomSecurityAttribute.A.B -eq \"`\"a``\\\"").unwrap();
        let Rule::Comparison(comparison) = &rule else { panic!("{rule:?}") };
        assert_eq!(comparison.test, Test::Equals("\"a`\\".to_owned()));
        assert_eq!(Rule::parse(&rule.to_string()), Ok(rule));
    }

    #[test]
    fn mistakes_are_shown_where_they_are() {
        for (rule, position, problem) in [
            ("", 0, "expected 'CustomSecurityAttribute"),
            ("Zone is lab", 0, "expected 'CustomSecurityAttribute"),
            (r#"user.department -eq "lab""#, 0, "expected 'CustomSecurityAttribute"),
            (r#"CustomSecurityAttribute.Ops -eq "lab""#, 0, "expected 'CustomSecurityAttribute"),
            (r#"CustomSecurityAttribute.Ops.A.B -eq "lab""#, 0, "expected 'CustomSecurityAttribute"),
            (r#"CustomSecurityAttribute..Zone -eq "lab""#, 0, "expected 'CustomSecurityAttribute"),
            ("CustomSecurityAttribute.A.B is lab", 28, "expected an operator"),
            (r#"CustomSecurityAttribute.A.B -match "lab""#, 28, "expected an operator"),
            ("CustomSecurityAttribute.A.B -eq lab", 32, "expected a string"),
            ("CustomSecurityAttribute.A.B -eq 'lab'", 32, "expected a string"),
            (r#"CustomSecurityAttribute.A.B -eq ["lab"]"#, 32, "expected a string"),
            (r#"CustomSecurityAttribute.A.B -eq "lab"#, 32, "a string without"),
            ("CustomSecurityAttribute.A.B -eq \"l`ab\"", 34, "a backtick"),
            (r#"CustomSecurityAttribute.A.B -in "lab""#, 32, "expected '['"),
            ("CustomSecurityAttribute.A.B -in []", 33, "expected a string"),
            (r#"CustomSecurityAttribute.A.B -in ["a" "b"]"#, 37, "expected ',' or ']'"),
            (r#"(CustomSecurityAttribute.A.B -eq "b""#, 36, "expected ')'"),
            (r#"CustomSecurityAttribute.A.B -eq "b")"#, 35, "expected '-and'"),
            (r#"CustomSecurityAttribute.A.B -eq "b" -and"#, 40, "expected 'CustomSecurityAttribute"),
            ("(", 1, "expected 'CustomSecurityAttribute"),
            ("-not", 4, "expected 'CustomSecurityAttribute"),
        ] {
            let error = Rule::parse(rule).unwrap_err();
            assert_eq!(error.position, position, "{rule}: {error}");
            assert!(error.problem.starts_with(problem), "{rule}: {error}");
        }
    }

    #[test]
    fn rules_have_limits() {
        let of_length = |length: usize| {
            let head = r#"CustomSecurityAttribute.A.B -eq ""#;
            format!("{head}{}\"", "é".repeat(length - head.len() - 1))
        };
        assert!(Rule::parse(&of_length(RULE_CHARS_MAX)).is_ok());
        assert_eq!(
            Rule::parse(&of_length(RULE_CHARS_MAX + 1)).unwrap_err().problem,
            "longer than a rule may be"
        );
        let nested = |depth| {
            format!("{}CustomSecurityAttribute.A.B -eq \"c\"{}", "(".repeat(depth), ")".repeat(depth))
        };
        assert!(Rule::parse(&nested(DEPTH_MAX)).is_ok());
        let error = Rule::parse(&nested(DEPTH_MAX + 1)).unwrap_err();
        assert_eq!(error, RuleError { problem: "nested deeper than a rule may be", position: DEPTH_MAX });
    }
}
