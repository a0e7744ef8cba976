//! `$filter`, read into a typed [`Expr`].
//!
//! ```text
//! or = and *("or" and)
//! and = unary *("and" unary)
//! unary = *"not" ( "(" or ")" / lambda / text / comparison / "true" / "false" / boolean path )
//! lambda = path "/" ("any" / "all") "(" [ variable ":" or ] ")"
//! text = ("startswith" / "endswith" / "contains") "(" path "," string ")" [ ("eq" / "ne") boolean ]
//! comparison = operand op constant / constant op operand / operand "in" "(" constant *("," constant) ")"
//! operand = path / path "/$count" / ("tolower" / "toupper") "(" operand ")"
//! path = ["$it" "/" / variable "/"] name *("/" name)
//! ```
//!
//! Operators, functions and names are taken in any case. `tolower` and `toupper` are dropped, for strings are
//! compared without regard to case anyway. `not` takes the whole comparison behind it, as users mean it.

use std::borrow::Cow;

use super::expr::{Expr, Literal, Marks, Op, Operand, Path, Root, TextFunction, is_constant};
use super::lexer::{Constant, Located, Token, syntax, tokens};
use crate::edm::{EntityType, Kind, Member, Version};
use crate::error::ODataError;
use crate::value::{parse_duration, parse_guid, parse_instant};

/// Longest filter, in bytes once decoded.
pub const FILTER_BYTES_MAX: usize = 8 << 10;
/// Parentheses, lambdas and functions inside each other: bounds the stack.
pub const DEPTH_MAX: usize = 32;
/// Comparisons and the like in a filter: bounds the SQL made of it.
pub const NODES_MAX: usize = 256;
/// Most values in the list of an `in`.
pub const IN_MAX: usize = 100;
/// Lambdas inside each other: each multiplies the work by the length of its collection.
pub const LAMBDAS_MAX: usize = 3;
/// Most names in a path; the deepest in Graph has four.
pub const PATH_SEGMENTS_MAX: usize = 8;

/// Reads a filter over objects of a type.
pub fn parse_filter(text: &str, entity: &'static EntityType, version: Version) -> Result<Expr, ODataError> {
    if text.len() > FILTER_BYTES_MAX {
        return Err(ODataError::bad_request(format!("The $filter is longer than {FILTER_BYTES_MAX} bytes.")));
    }
    let mut parser = Parser::new(tokens(text)?, entity, version);
    let expr = parser.or()?;
    match parser.next() {
        (_, Token::End) => Ok(expr),
        (at, _) => Err(syntax("expected 'and', 'or' or the end", at)),
    }
}

/// Reads the path of one property of a type, for `$orderby`.
pub(crate) fn parse_path(
    text: &str,
    entity: &'static EntityType,
    version: Version,
) -> Result<Path, ODataError> {
    let mut parser = Parser::new(tokens(text)?, entity, version);
    let found = match parser.next() {
        (_, Token::Word(first)) => parser.path(first)?,
        (at, _) => return Err(syntax("expected a property", at)),
    };
    match (found, parser.next()) {
        (Found::Operand(Operand::Path(path)), (_, Token::End)) => Ok(path),
        (_, (at, _)) => Err(syntax("expected a property", at)),
    }
}

/// The complaint about a name that leads nowhere, in Graph's words: clients look for them.
pub(crate) fn no_property(name: &str, kind: Kind) -> ODataError {
    ODataError::bad_request(format!("Could not find a property named '{name}' on type '{}'.", kind.name()))
        .with_target(name)
}

struct Parser {
    tokens: Vec<Located>,
    at: usize,
    entity: &'static EntityType,
    version: Version,
    /// Variables of the lambdas around, and the kinds of their elements.
    variables: Vec<(String, Kind)>,
    depth: usize,
    nodes: usize,
}

/// One side of a comparison, or what stands for itself.
enum Found {
    Operand(Operand),
    Constant(Constant),
    Condition(Expr),
}

impl Parser {
    fn new(tokens: Vec<Located>, entity: &'static EntityType, version: Version) -> Parser {
        Parser { tokens, at: 0, entity, version, variables: Vec::new(), depth: 0, nodes: 0 }
    }

    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(_, token)| token)
    }

    fn position(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(0, |(at, _)| *at)
    }

    fn next(&mut self) -> Located {
        let position = self.position();
        let token = self.tokens.get_mut(self.at).map(|(_, token)| std::mem::replace(token, Token::End));
        self.at += 1;
        (position, token.unwrap_or(Token::End))
    }

    /// Takes the next token if it is that word.
    fn takes(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(own) if own.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, token: &Token, shown: &str) -> Result<(), ODataError> {
        match self.next() {
            (_, found) if found == *token => Ok(()),
            (at, _) => Err(syntax(&format!("expected '{shown}'"), at)),
        }
    }

    fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Parser) -> Result<T, ODataError>,
    ) -> Result<T, ODataError> {
        if self.depth == DEPTH_MAX {
            return Err(ODataError::bad_request(format!("The $filter is nested deeper than {DEPTH_MAX}.")));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn count_node(&mut self) -> Result<(), ODataError> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(ODataError::bad_request(format!("The $filter has more than {NODES_MAX} nodes.")));
        }
        Ok(())
    }

    fn or(&mut self) -> Result<Expr, ODataError> {
        let mut members = vec![self.and()?];
        while self.takes("or") {
            members.push(self.and()?);
        }
        self.joined(members, Expr::Or, |member| match member {
            Expr::Or(inner) => Ok(inner),
            other => Err(other),
        })
    }

    fn and(&mut self) -> Result<Expr, ODataError> {
        let mut members = vec![self.unary()?];
        while self.takes("and") {
            members.push(self.unary()?);
        }
        self.joined(members, Expr::And, |member| match member {
            Expr::And(inner) => Ok(inner),
            other => Err(other),
        })
    }

    /// One member as it is; several as one node, with those of the same kind flattened into it.
    fn joined(
        &mut self,
        mut members: Vec<Expr>,
        join: fn(Vec<Expr>) -> Expr,
        flatten: fn(Expr) -> Result<Vec<Expr>, Expr>,
    ) -> Result<Expr, ODataError> {
        if members.len() == 1 {
            return Ok(members.remove(0));
        }
        self.count_node()?;
        let flat = members.into_iter().flat_map(|member| flatten(member).unwrap_or_else(|other| vec![other]));
        Ok(join(flat.collect()))
    }

    fn unary(&mut self) -> Result<Expr, ODataError> {
        // A loop and no recursion: pairs cancel out, so a row of them costs no depth.
        let mut negated = false;
        while self.takes("not") {
            negated = !negated;
        }
        let expr = if *self.peek() == Token::Open {
            self.next();
            let inner = self.deeper(Parser::or)?;
            self.expect(&Token::Close, ")")?;
            inner
        } else {
            self.condition()?
        };
        if !negated {
            return Ok(expr);
        }
        self.count_node()?;
        Ok(expr.negate())
    }

    /// A lambda, a text function, a comparison, or a boolean that stands for itself.
    fn condition(&mut self) -> Result<Expr, ODataError> {
        self.count_node()?;
        let left_at = self.position();
        let left = self.side()?;
        if self.takes("in") {
            let Found::Operand(operand) = left else {
                return Err(syntax("expected a property before 'in'", left_at));
            };
            let literals = self.list(&operand)?;
            return Ok(Expr::In { operand, literals });
        }
        let op = match self.peek() {
            Token::Word(word) => Op::parse(word),
            _ => None,
        };
        let Some(op) = op else { return Parser::alone(left, left_at) };
        self.next();
        let right_at = self.position();
        let right = self.side()?;
        let (operand, op, constant) = match (left, right) {
            (Found::Operand(operand), Found::Constant(constant)) => (operand, op, constant),
            (Found::Constant(constant), Found::Operand(operand)) => (operand, op.mirrored(), constant),
            (Found::Condition(expr), Found::Constant(Constant::Bool(value)))
            | (Found::Constant(Constant::Bool(value)), Found::Condition(expr))
                if !op.is_ordering() =>
            {
                return Ok(if value == (op == Op::Eq) { expr } else { self.negated(expr)? });
            }
            _ => return Err(syntax("expected a property on one side and a constant on the other", right_at)),
        };
        let literal = coerce(constant, &operand, op)?;
        Ok(Expr::Compare { operand, op, literal })
    }

    fn negated(&mut self, expr: Expr) -> Result<Expr, ODataError> {
        self.count_node()?;
        Ok(expr.negate())
    }

    fn alone(found: Found, at: usize) -> Result<Expr, ODataError> {
        match found {
            Found::Condition(expr) => Ok(expr),
            Found::Constant(Constant::Bool(true)) => Ok(Expr::True),
            Found::Constant(Constant::Bool(false)) => Ok(Expr::False),
            Found::Operand(Operand::Path(path)) if path.kind == Kind::Boolean => {
                Ok(Expr::Compare { operand: Operand::Path(path), op: Op::Eq, literal: Literal::Bool(true) })
            }
            _ => Err(syntax("expected a condition", at)),
        }
    }

    fn list(&mut self, operand: &Operand) -> Result<Vec<Literal>, ODataError> {
        self.expect(&Token::Open, "(")?;
        let mut literals = Vec::new();
        loop {
            if literals.len() == IN_MAX {
                return Err(ODataError::bad_request(format!(
                    "The list of 'in' has more than {IN_MAX} values."
                )));
            }
            let at = self.position();
            let Found::Constant(constant) = self.side()? else {
                return Err(syntax("expected a constant", at));
            };
            literals.push(coerce(constant, operand, Op::Eq)?);
            match self.next() {
                (_, Token::Comma) => {}
                (_, Token::Close) => return Ok(literals),
                (at, _) => return Err(syntax("expected ',' or ')'", at)),
            }
        }
    }

    /// What stands on one side of an operator, or alone.
    fn side(&mut self) -> Result<Found, ODataError> {
        let (at, token) = self.next();
        let word = match token {
            Token::Constant(constant) => return Ok(Found::Constant(constant)),
            Token::Word(word) => word,
            _ => return Err(syntax("expected a property or a constant", at)),
        };
        match word.to_ascii_lowercase().as_str() {
            "true" => return Ok(Found::Constant(Constant::Bool(true))),
            "false" => return Ok(Found::Constant(Constant::Bool(false))),
            "null" => return Ok(Found::Constant(Constant::Null)),
            "not" => return Err(syntax("unexpected 'not'", at)),
            _ => {}
        }
        if *self.peek() != Token::Open {
            return self.path(word);
        }
        self.next();
        if word.eq_ignore_ascii_case("isof") {
            return self.is_of();
        }
        let found = match TextFunction::parse(&word) {
            Some(function) => self.text(function)?,
            None => self.cased(&word)?,
        };
        self.expect(&Token::Close, ")")?;
        Ok(found)
    }

    /// `isof('type')`, of the object itself; the parenthesis is open.
    fn is_of(&mut self) -> Result<Found, ODataError> {
        let (at, Token::Constant(Constant::String(name))) = self.next() else {
            return Err(syntax("expected the name of a type in 'isof'", self.position()));
        };
        self.expect(&Token::Close, ")")?;
        match self.entity.cast(&name) {
            Some(of) if std::ptr::eq(of, self.entity) => Ok(Found::Condition(Expr::True)),
            Some(of) if self.variables.is_empty() => Ok(Found::Condition(Expr::IsOf(of))),
            Some(_) => Err(syntax("'isof' is about the object itself, not about an element", at)),
            None => Err(ODataError::bad_request(format!(
                "'{name}' is no type of '{}'.",
                self.entity.qualified_name()
            ))),
        }
    }

    fn text(&mut self, function: TextFunction) -> Result<Found, ODataError> {
        let at = self.position();
        let operand = self.deeper(Parser::side)?;
        self.expect(&Token::Comma, ",")?;
        let text = self.deeper(Parser::side)?;
        let (Found::Operand(Operand::Path(operand)), Found::Constant(Constant::String(text))) =
            (operand, text)
        else {
            return Err(syntax(&format!("expected a property and a string in '{}'", function.as_str()), at));
        };
        if !matches!(operand.kind, Kind::String | Kind::Any) {
            return Err(ODataError::bad_request(format!(
                "The function '{}' needs a string, but '{operand}' is of type '{}'.",
                function.as_str(),
                operand.kind.name()
            )));
        }
        Ok(Found::Condition(Expr::Text { function, operand, text }))
    }

    /// `tolower` and `toupper`, which change nothing.
    fn cased(&mut self, function: &str) -> Result<Found, ODataError> {
        if !["tolower", "toupper"].iter().any(|known| known.eq_ignore_ascii_case(function)) {
            return Err(ODataError::bad_request(format!("Unknown function '{function}' in the $filter.")));
        }
        let at = self.position();
        match self.deeper(Parser::side)? {
            Found::Operand(Operand::Path(path)) if matches!(path.kind, Kind::String | Kind::Any) => {
                Ok(Found::Operand(Operand::Path(path)))
            }
            Found::Constant(Constant::String(text)) => Ok(Found::Constant(Constant::String(text))),
            _ => Err(syntax(&format!("expected a string in '{function}'"), at)),
        }
    }

    /// A path whose first name is taken already, with the `$count` or the lambda at its end.
    fn path(&mut self, first: String) -> Result<Found, ODataError> {
        let mut path = Path {
            root: Root::Entity,
            segments: Vec::new(),
            kind: Kind::Entity(self.entity),
            marks: Marks::default(),
        };
        match self.variables.iter().position(|(name, _)| *name == first) {
            Some(level) => {
                path.root = Root::Item(level as u8);
                path.kind = self.variables[level].1;
            }
            None if first.eq_ignore_ascii_case("$it") && *self.peek() == Token::Slash => {}
            None => self.step(&mut path, first)?,
        }
        while *self.peek() == Token::Slash {
            self.next();
            let at = self.position();
            let (_, Token::Word(name)) = self.next() else {
                return Err(syntax("expected a property behind '/'", at));
            };
            let is_any = name.eq_ignore_ascii_case("any");
            if (is_any || name.eq_ignore_ascii_case("all")) && *self.peek() == Token::Open {
                return self.lambda(path, is_any).map(Found::Condition);
            }
            if name.eq_ignore_ascii_case("$count") {
                if path.kind.element().is_none() || path.segments.is_empty() {
                    return Err(syntax("'$count' behind what is no collection", at));
                }
                return Ok(Found::Operand(Operand::Count(path)));
            }
            self.step(&mut path, name)?;
        }
        if path.segments.is_empty() && path.root == Root::Entity {
            return Err(syntax("expected a property behind the type", self.position()));
        }
        Ok(Found::Operand(Operand::Path(path)))
    }

    /// Appends a name to a path.
    fn step(&self, path: &mut Path, name: String) -> Result<(), ODataError> {
        // A cast leaves no trace: objects of other types do not have what follows.
        if let (Kind::Entity(entity), true) = (path.kind, path.segments.is_empty() && name.contains('.'))
            && let Some(of) = entity.cast(&name)
        {
            path.kind = Kind::Entity(of);
            return Ok(());
        }
        let is_name = !name.starts_with('$') && !name.contains('.');
        let member = path.kind.member(&name, self.version).filter(|_| is_name);
        if path.segments.len() == PATH_SEGMENTS_MAX {
            let message = format!("A path in the $filter has more than {PATH_SEGMENTS_MAX} segments.");
            return Err(ODataError::bad_request(message));
        }
        let Some(member) = member else {
            return Err(match path.kind {
                Kind::Collection(_) | Kind::Entities(_) => ODataError::bad_request(format!(
                    "'{path}' is a collection: its elements are reached with 'any' or 'all'."
                )),
                kind => no_property(&name, kind),
            });
        };
        path.kind = member.kind();
        path.segments.push(match member {
            Member::Property(property) => Cow::Borrowed(property.name),
            Member::Navigation(navigation) => Cow::Borrowed(navigation.name),
            Member::Open => Cow::Owned(name),
        });
        path.marks.orderable = false;
        if let Member::Property(property) = member {
            if !property.filterable {
                return Err(ODataError::unsupported_query(format!(
                    "The property '{path}' cannot be filtered or sorted by."
                )));
            }
            path.marks.advanced |= property.advanced;
            path.marks.null_advanced |= property.null_advanced;
            path.marks.orderable = property.orderable;
        }
        Ok(())
    }

    fn lambda(&mut self, collection: Path, is_any: bool) -> Result<Expr, ODataError> {
        let Some(element) = collection.kind.element().filter(|_| !collection.segments.is_empty()) else {
            return Err(ODataError::bad_request(format!("'{collection}' is no collection.")));
        };
        self.expect(&Token::Open, "(")?;
        if is_any && *self.peek() == Token::Close {
            self.next();
            return Ok(Expr::Any { collection, predicate: None });
        }
        let at = self.position();
        let (_, Token::Word(variable)) = self.next() else {
            return Err(syntax("expected the name of a variable", at));
        };
        let is_known = self.variables.iter().any(|(known, _)| *known == variable);
        if is_known || is_constant(&variable) || variable.starts_with('$') || variable.contains('.') {
            return Err(syntax(&format!("'{variable}' cannot name a variable here"), at));
        }
        self.expect(&Token::Colon, ":")?;
        if self.variables.len() == LAMBDAS_MAX {
            let message = format!("The $filter has more than {LAMBDAS_MAX} lambdas inside each other.");
            return Err(ODataError::bad_request(message));
        }
        self.variables.push((variable, element));
        let predicate = Box::new(self.deeper(Parser::or)?);
        self.variables.pop();
        self.expect(&Token::Close, ")")?;
        Ok(if is_any {
            Expr::Any { collection, predicate: Some(predicate) }
        } else {
            Expr::All { collection, predicate }
        })
    }
}

/// The constant as one of the operand's kind.
fn coerce(constant: Constant, operand: &Operand, op: Op) -> Result<Literal, ODataError> {
    let kind = match operand {
        Operand::Count(_) => Kind::Int64,
        Operand::Path(path) => path.kind,
    };
    let mismatch = |constant: &Constant| {
        let name = match op {
            Op::Eq => "Equal",
            Op::Ne => "NotEqual",
            Op::Gt => "GreaterThan",
            Op::Ge => "GreaterThanOrEqual",
            Op::Lt => "LessThan",
            Op::Le => "LessThanOrEqual",
        };
        ODataError::bad_request(format!(
            "A binary operator with incompatible types was detected. Found operand types '{}' and '{}' for \
             operator kind '{name}'.",
            kind.name(),
            constant.type_name()
        ))
    };
    let has_order = !matches!(
        kind,
        Kind::Boolean | Kind::Guid | Kind::Enum(_) | Kind::Binary | Kind::Complex(_) | Kind::Entity(_)
    );
    if op.is_ordering() && !has_order {
        return Err(ODataError::bad_request(format!(
            "'{operand}' is of type '{}', which has no order for '{}'.",
            kind.name(),
            op.as_str()
        )));
    }
    let invalid = |text: &str| {
        ODataError::bad_request(format!("Invalid value '{text}' for '{operand}' of type '{}'.", kind.name()))
    };
    match (kind, constant) {
        (Kind::Collection(_) | Kind::Entities(_), constant) => Err(mismatch(&constant)),
        (_, Constant::Null) if matches!(operand, Operand::Path(_)) => Ok(Literal::Null),
        (Kind::Boolean | Kind::Any, Constant::Bool(value)) => Ok(Literal::Bool(value)),
        (Kind::Int32 | Kind::Int64 | Kind::Any, Constant::Int(value)) => Ok(Literal::Int(value)),
        (Kind::Double, Constant::Int(value)) => Ok(Literal::Double(value as f64)),
        (Kind::Double | Kind::Any, Constant::Double(value)) => Ok(Literal::Double(value)),
        (Kind::String | Kind::Any, Constant::String(text)) => Ok(Literal::String(text)),
        (Kind::Guid | Kind::Any, Constant::Guid(value)) => Ok(Literal::Guid(value)),
        (Kind::Guid, Constant::String(text)) => {
            parse_guid(&text).map(Literal::Guid).ok_or_else(|| invalid(&text))
        }
        (Kind::DateTimeOffset | Kind::Any, Constant::DateTime(micros)) => Ok(Literal::DateTime(micros)),
        (Kind::DateTimeOffset, Constant::String(text)) => {
            parse_instant(&text).map(Literal::DateTime).ok_or_else(|| invalid(&text))
        }
        (Kind::Duration | Kind::Any, Constant::Duration(micros)) => Ok(Literal::Duration(micros)),
        (Kind::Duration, Constant::String(text)) => {
            parse_duration(&text).map(Literal::Duration).ok_or_else(|| invalid(&text))
        }
        (Kind::Binary, Constant::Binary(text) | Constant::String(text)) => Ok(Literal::Binary(text)),
        (Kind::Any, Constant::Binary(text) | Constant::Enum { member: text, .. }) => {
            Ok(Literal::String(text))
        }
        (Kind::Enum(of), Constant::Enum { of: named, member: text })
            if named.eq_ignore_ascii_case(&of.qualified_name()) =>
        {
            enum_member(of, &text)
        }
        (Kind::Enum(of), Constant::String(text)) => enum_member(of, &text),
        (_, constant) => Err(mismatch(&constant)),
    }
}

fn enum_member(of: &'static crate::edm::EnumType, text: &str) -> Result<Literal, ODataError> {
    of.member(text).map(Literal::Enum).ok_or_else(|| {
        let members: Vec<String> = of.members.iter().map(|member| format!("'{member}'")).collect();
        ODataError::bad_request(format!(
            "Invalid value '{text}' for the enumeration '{}'; its members are {}.",
            of.qualified_name(),
            members.join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{LOCATION, OPEN, SERVICE_PRINCIPAL, SIGN_IN};

    /// What a filter is read as, printed; or the complaint.
    fn read(text: &str, entity: &'static EntityType, version: Version) -> String {
        match parse_filter(text, entity, version) {
            Err(error) => {
                assert_eq!(error.status, 400);
                error.message
            }
            Ok(expr) => {
                let printed = expr.to_string();
                assert_eq!(
                    parse_filter(&printed, entity, version).as_ref(),
                    Ok(&expr),
                    "{text} as {printed}"
                );
                printed
            }
        }
    }

    #[track_caller]
    fn check(entity: &'static EntityType, version: Version, rows: &[(&str, &str)]) {
        for (text, expected) in rows {
            // An empty expectation: it is printed as it was written.
            let expected = if expected.is_empty() { text } else { expected };
            assert_eq!(read(text, entity, version), *expected, "{text}");
        }
    }

    #[test]
    fn comparisons_are_typed() {
        check(
            &SIGN_IN,
            Version::Beta,
            &[
                ("riskLevel eq 'high'", ""),
                ("riskLevel eq microsoft.graph.riskLevel'HIGH'", "riskLevel eq 'high'"),
                ("'high' eq RISKLEVEL", "riskLevel eq 'high'"),
                ("riskLevel in ('low', 'none')", "riskLevel in ('low','none')"),
                ("appDisplayName eq 'it''s (a) test'", ""),
                ("appDisplayName EQ null", "appDisplayName eq null"),
                ("appDisplayName in (null,'')", ""),
                ("createdDateTime ge 2026-05-01T00:00:00Z", ""),
                ("createdDateTime ge 2026-05-01", "createdDateTime ge 2026-05-01T00:00:00Z"),
                ("createdDateTime ge '2026-05-01'", "createdDateTime ge 2026-05-01T00:00:00Z"),
                (
                    "2026-05-01T02:00:00.5+02:00 lt createdDateTime",
                    "createdDateTime gt 2026-05-01T00:00:00.5Z",
                ),
                ("status/errorCode ne 0", ""),
                ("-5 ge status/errorCode", "status/errorCode le -5"),
                ("initiatedBy/user/id eq 'x'", ""),
                ("initiatedBy/user eq null", ""),
                ("riskScore gt 1", "riskScore gt 1.0"),
                ("riskScore lt -1.5e3", "riskScore lt -1500.0"),
                ("bytesSent gt 9223372036854775807", ""),
                ("sessionLifetime le duration'PT1H'", "sessionLifetime le duration'PT3600S'"),
                ("sessionLifetime le 'PT1H'", "sessionLifetime le duration'PT3600S'"),
                ("isInteractive", "isInteractive eq true"),
                ("not isInteractive", "not isInteractive eq true"),
                ("isInteractive eq False", "isInteractive eq false"),
                ("targetResources/$count eq 0", ""),
                ("targetResources/$count in (1,2)", ""),
                ("true", ""),
                ("$it/id eq 'x'", "id eq 'x'"),
            ],
        );
        check(
            &SERVICE_PRINCIPAL,
            Version::V1,
            &[
                (
                    "appOwnerOrganizationId eq F8CDEF31-a31e-4b4a-93e4-5f571e91255a",
                    "appOwnerOrganizationId eq f8cdef31-a31e-4b4a-93e4-5f571e91255a",
                ),
                (
                    "appOwnerOrganizationId eq '18cdef31-a31e-4b4a-93e4-5f571e91255a'",
                    "appOwnerOrganizationId eq 18cdef31-a31e-4b4a-93e4-5f571e91255a",
                ),
                ("thumbprint eq binary'AAEC'", "thumbprint eq 'AAEC'"),
                ("customSecurityAttributes/Set/level eq 3", ""),
                ("owners/$count eq 0", ""),
            ],
        );
    }

    #[test]
    fn comparisons_of_the_wrong_type_are_refused() {
        let mismatch = |left: &str, right: &str, op: &str| {
            format!(
                "A binary operator with incompatible types was detected. Found operand types '{left}' and \
                 '{right}' for operator kind '{op}'."
            )
        };
        check(
            &SIGN_IN,
            Version::Beta,
            &[
                (
                    "riskLevel eq 'severe'",
                    "Invalid value 'severe' for the enumeration 'microsoft.graph.riskLevel'; its \
              members are 'low', 'medium', 'high', 'hidden', 'none', 'unknownFutureValue'.",
                ),
                (
                    "riskLevel gt 'low'",
                    "'riskLevel' is of type 'microsoft.graph.riskLevel', which has no order for 'gt'.",
                ),
                (
                    "riskLevel eq microsoft.graph.riskState'high'",
                    &mismatch("microsoft.graph.riskLevel", "microsoft.graph.riskState", "Equal"),
                ),
                ("appDisplayName ne 5", &mismatch("Edm.String", "Edm.Int32", "NotEqual")),
                (
                    "appDisplayName eq f8cdef31-a31e-4b4a-93e4-5f571e91255a",
                    &mismatch("Edm.String", "Edm.Guid", "Equal"),
                ),
                ("status/errorCode lt 'x'", &mismatch("Edm.Int32", "Edm.String", "LessThan")),
                ("status/errorCode eq 1.5", &mismatch("Edm.Int32", "Edm.Double", "Equal")),
                ("status eq 'x'", &mismatch("microsoft.graph.signInStatus", "Edm.String", "Equal")),
                ("signInEventTypes eq 'x'", &mismatch("Collection(Edm.String)", "Edm.String", "Equal")),
                ("signInEventTypes eq null", &mismatch("Collection(Edm.String)", "<null>", "Equal")),
                ("targetResources/$count eq null", &mismatch("Edm.Int64", "<null>", "Equal")),
                (
                    "createdDateTime ge 'yesterday'",
                    "Invalid value 'yesterday' for 'createdDateTime' of type 'Edm.DateTimeOffset'.",
                ),
                (
                    "isInteractive gt false",
                    "'isInteractive' is of type 'Edm.Boolean', which has no order for 'gt'.",
                ),
                (
                    "contains(riskLevel,'h')",
                    "The function 'contains' needs a string, but 'riskLevel' is of type 'microsoft.graph.riskLevel'.",
                ),
            ],
        );
    }

    #[test]
    fn names_are_known() {
        check(
            &SIGN_IN,
            Version::V1,
            &[
                (
                    "signInEventTypes/any(t: t eq 'servicePrincipal')",
                    "Could not find a property named 'signInEventTypes' on type 'microsoft.graph.signIn'.",
                ),
                (
                    "status/code eq 1",
                    "Could not find a property named 'code' on type 'microsoft.graph.signInStatus'.",
                ),
                ("status/errorCode/x eq 1", "Could not find a property named 'x' on type 'Edm.Int32'."),
                // A cast to the type itself is none.
                ("microsoft.graph.signIn/id eq '1'", "id eq '1'"),
                (
                    "microsoft.graph.device/id eq '1'",
                    "Could not find a property named 'microsoft.graph.device' on type 'microsoft.graph.signIn'.",
                ),
                (
                    "targetResources/id eq 'x'",
                    "'targetResources' is a collection: its elements are reached with 'any' or 'all'.",
                ),
                ("status/any(s: s eq 'x')", "'status' is no collection."),
                (
                    "targetResources/any(t: t/name eq 'x')",
                    "Could not find a property named 'name' on type 'microsoft.graph.targetResource'.",
                ),
                ("length(id) eq 1", "Unknown function 'length' in the $filter."),
            ],
        );
        check(
            &SERVICE_PRINCIPAL,
            Version::V1,
            &[("notes eq 'x'", "The property 'notes' cannot be filtered or sorted by.")],
        );
        check(
            &OPEN,
            Version::V1,
            &[
                ("free/of/form eq 'x' and free eq 2026-05-01T00:00:00Z", ""),
                ("free/any(x: x eq 1)", "free/any(x0:x0 eq 1)"),
                ("manager/manager/free ne null", ""),
                ("x0 eq 1 and $it/not eq 2", "$it/x0 eq 1 and $it/not eq 2"),
                ("a/b/c/d/e/f/g/h/i eq 1", "A path in the $filter has more than 8 segments."),
                ("free eq microsoft.graph.riskLevel'x'", "free eq 'x'"),
            ],
        );
    }

    #[test]
    fn derived_types_are_asked_for_and_cast_to() {
        check(
            &LOCATION,
            Version::V1,
            &[
                ("isof('microsoft.graph.ipNamedLocation')", "isof('microsoft.graph.ipNamedLocation')"),
                (
                    "isof('#microsoft.graph.IPNAMEDLOCATION') eq false",
                    "not isof('microsoft.graph.ipNamedLocation')",
                ),
                ("isof('microsoft.graph.namedLocation')", "true"),
                (
                    "isof('microsoft.graph.servicePrincipal')",
                    "'microsoft.graph.servicePrincipal' is no type of 'microsoft.graph.namedLocation'.",
                ),
                (
                    "isof('ipNamedLocation')",
                    "'ipNamedLocation' is no type of 'microsoft.graph.namedLocation'.",
                ),
                ("microsoft.graph.ipNamedLocation/isTrusted", "isTrusted eq true"),
                (
                    "microsoft.graph.countryNamedLocation/countriesAndRegions/any(c: c eq 'CA')",
                    "countriesAndRegions/any(x0:x0 eq 'CA')",
                ),
                ("microsoft.graph.ipNamedLocation/displayName eq 'a'", "displayName eq 'a'"),
                (
                    "microsoft.graph.ipNamedLocation/countriesAndRegions/any()",
                    "Could not find a property named 'countriesAndRegions' on type 'microsoft.graph.ipNamedLocation'.",
                ),
                (
                    "microsoft.graph.servicePrincipal/displayName eq 'a'",
                    "Could not find a property named 'microsoft.graph.servicePrincipal' on type 'microsoft.graph.namedLocation'.",
                ),
            ],
        );
        for malformed in [
            "isof(displayName)",
            "isof('microsoft.graph.ipNamedLocation'",
            "isof()",
            "microsoft.graph.ipNamedLocation eq 'a'",
            "microsoft.graph.ipNamedLocation",
            "countriesAndRegions/any(c: isof('microsoft.graph.ipNamedLocation'))",
        ] {
            assert!(parse_filter(malformed, &LOCATION, Version::V1).is_err(), "{malformed}");
        }
    }

    #[test]
    fn logic_binds_as_in_odata() {
        check(
            &SIGN_IN,
            Version::V1,
            &[
                ("id eq '1' or id eq '2' and id eq '3'", ""),
                ("(id eq '1' or id eq '2') and id eq '3'", ""),
                ("id eq '1' and (id eq '2' and id eq '3')", "id eq '1' and id eq '2' and id eq '3'"),
                ("((id eq '1'))", "id eq '1'"),
                ("not id eq '1' and id eq '2'", ""),
                ("NOT(id eq '1' AND id eq '2')", "not (id eq '1' and id eq '2')"),
                ("not not not id eq '1'", "not id eq '1'"),
                ("not (not id eq '1')", "id eq '1'"),
            ],
        );
    }

    #[test]
    fn text_functions() {
        check(
            &SIGN_IN,
            Version::V1,
            &[
                ("startsWith(appDisplayName,'a')", "startswith(appDisplayName,'a')"),
                ("endswith( id , 'a' ) eq true", "endswith(id,'a')"),
                ("contains(id,'a') eq false", "not contains(id,'a')"),
                ("false ne contains(id,'a')", "contains(id,'a')"),
                ("startswith(toLower(id),tolower('A'))", "startswith(id,'A')"),
                ("tolower(id) eq 'a'", "id eq 'a'"),
                (
                    "startswith('a',id)",
                    "Invalid filter clause: expected a property and a string in 'startswith' at position 11.",
                ),
                ("startswith(id)", "Invalid filter clause: expected ',' at position 13."),
                ("tolower(id)", "Invalid filter clause: expected a condition at position 0."),
                (
                    "tolower(status/errorCode) eq 1",
                    "Invalid filter clause: expected a string in 'tolower' at position 8.",
                ),
            ],
        );
    }

    #[test]
    fn lambdas() {
        check(
            &SIGN_IN,
            Version::Beta,
            &[
                (
                    "signInEventTypes/any(t: t eq 'servicePrincipal')",
                    "signInEventTypes/any(x0:x0 eq 'servicePrincipal')",
                ),
                ("signInEventTypes/any()", ""),
                (
                    "targetResources/ANY(t:t/id eq 'x' or id eq 'y')",
                    "targetResources/any(x0:x0/id eq 'x' or id eq 'y')",
                ),
                (
                    "targetResources/all(t: startswith(t/id,'x'))",
                    "targetResources/all(x0:startswith(x0/id,'x'))",
                ),
                (
                    "targetResources/any(t: t/modifiedProperties/any(m: m/newValue eq 'x' and t/id eq 'y'))",
                    "targetResources/any(x0:x0/modifiedProperties/any(x1:x1/newValue eq 'x' and x0/id eq 'y'))",
                ),
                (
                    "targetResources/any(t: t/modifiedProperties/$count gt 1)",
                    "targetResources/any(x0:x0/modifiedProperties/$count gt 1)",
                ),
                ("not signInEventTypes/any(t:t eq 'a')", "not signInEventTypes/any(x0:x0 eq 'a')"),
                (
                    "targetResources/all()",
                    "Invalid filter clause: expected the name of a variable at position 20.",
                ),
                ("targetResources/any(t/id eq 'x')", "Invalid filter clause: expected ':' at position 21."),
                ("targetResources/any(t:t/id eq 'x'", "Invalid filter clause: expected ')' at position 33."),
                (
                    "targetResources/any(t: t/modifiedProperties/any(t: t/newValue eq 'x'))",
                    "Invalid filter clause: 't' cannot name a variable here at position 48.",
                ),
                (
                    "targetResources/any(t:t/id eq 'x') and t/id eq 'y'",
                    "Could not find a property named 't' on type 'microsoft.graph.signIn'.",
                ),
            ],
        );
    }

    #[test]
    fn malformed_filters_are_refused() {
        let at = |message: &str, at: usize| format!("Invalid filter clause: {message} at position {at}.");
        check(
            &SIGN_IN,
            Version::V1,
            &[
                ("  ", &at("expected a property or a constant", 2)),
                ("id", &at("expected a condition", 0)),
                ("id eq", &at("expected a property or a constant", 5)),
                ("id eq 'x", &at("a string without its closing quote", 6)),
                ("id eq 'x' 'y'", &at("expected 'and', 'or' or the end", 10)),
                ("id eq 'x')", &at("expected 'and', 'or' or the end", 9)),
                ("(id eq 'x'", &at("expected ')'", 10)),
                ("id eq 'x' and", &at("expected a property or a constant", 13)),
                (
                    "id eq appDisplayName",
                    &at("expected a property on one side and a constant on the other", 6),
                ),
                ("1 eq 1", &at("expected a property on one side and a constant on the other", 5)),
                ("'x' in ('x')", &at("expected a property before 'in'", 0)),
                ("id in ()", &at("expected a property or a constant", 7)),
                ("id in 'x'", &at("expected '('", 6)),
                ("id in ('x' 'y')", &at("expected ',' or ')'", 11)),
                ("id eq #", &at("unexpected character '#'", 6)),
                ("id eq \u{e4}", &at("unexpected character '\\u{e4}'", 6)),
                ("id eq x'y'", &at("unexpected string behind 'x'", 7)),
                ("id eq 1x", &at("invalid number '1x'", 6)),
                ("id eq 99999999999999999999", &at("invalid number '99999999999999999999'", 6)),
                ("id eq 1e999", &at("invalid number '1e999'", 6)),
                ("createdDateTime ge 2026-13-01", &at("invalid date and time '2026-13-01'", 19)),
                (
                    "createdDateTime ge 2026-05-01T00:00:00",
                    &at("invalid date and time '2026-05-01T00:00:00'", 19),
                ),
                ("sessionLifetime le duration'1h'", &at("invalid duration '1h'", 19)),
                ("id/$count eq 1", &at("'$count' behind what is no collection", 3)),
                ("id/ eq 'x'", "Could not find a property named 'eq' on type 'Edm.String'."),
                ("id/'x'", &at("expected a property behind '/'", 3)),
            ],
        );
    }

    #[test]
    fn limits_hold() {
        let message = |text: &str| read(text, &SIGN_IN, Version::V1);
        let nested = |depth| format!("{}id eq 'x'{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(message(&nested(32)), "id eq 'x'");
        assert_eq!(message(&nested(33)), "The $filter is nested deeper than 32.");
        for function in ["tolower(", "contains(", "targetResources/any(t:", "targetResources/any(t:not("] {
            let outcome = message(&function.repeat(FILTER_BYTES_MAX / function.len()));
            assert!(
                outcome.starts_with("The $filter is nested") || outcome.contains("cannot name"),
                "{outcome}"
            );
        }
        let lambdas = |depth| {
            let opened: Vec<String> =
                (0..depth).map(|level| format!("targetResources/any(x{level}:")).collect();
            format!("{}id eq 'x'{}", opened.concat(), ")".repeat(depth))
        };
        assert_eq!(message(&lambdas(3)), lambdas(3));
        assert_eq!(message(&lambdas(4)), "The $filter has more than 3 lambdas inside each other.");
        assert_eq!(message(&vec!["id eq 'x'"; 255].join(" or ")).len(), 255 * 13 - 4);
        assert_eq!(message(&vec!["id eq 'x'"; 256].join(" or ")), "The $filter has more than 256 nodes.");
        assert_eq!(message(&format!("{}id eq 'x'", "not ".repeat(2_000))), "id eq 'x'");
        let list = |values| format!("id in ({})", vec!["'x'"; values].join(","));
        assert_eq!(message(&list(100)), list(100));
        assert_eq!(message(&list(101)), "The list of 'in' has more than 100 values.");
        assert_eq!(message(&" ".repeat(8_193)), "The $filter is longer than 8192 bytes.");
    }
}
