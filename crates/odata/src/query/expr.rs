//! Filters as typed trees, and their text.

use std::borrow::Cow;
use std::fmt;

use uuid::Uuid;

use crate::edm::{EntityType, Kind};
use crate::value::{print_duration, print_instant};

/// A filter. `And` and `Or` have at least two members and none of their own kind; `Not` holds no `Not`.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// All hold.
    And(Vec<Expr>),
    /// At least one holds.
    Or(Vec<Expr>),
    /// It does not hold.
    Not(Box<Expr>),
    /// `operand op literal`
    Compare {
        /// What is compared.
        operand: Operand,
        /// How.
        op: Op,
        /// With what; already of the operand's kind.
        literal: Literal,
    },
    /// `operand in (…)`
    In {
        /// What is compared.
        operand: Operand,
        /// One to [`super::filter::IN_MAX`] values of the operand's kind.
        literals: Vec<Literal>,
    },
    /// `startswith(operand,'text')` and its kin.
    Text {
        /// Which of them.
        function: TextFunction,
        /// Where the text is looked for: a string or an open property.
        operand: Path,
        /// What is looked for.
        text: String,
    },
    /// `collection/any(x: predicate)`
    Any {
        /// A collection, or an open property.
        collection: Path,
        /// What an element must fulfil; without it, that there is one.
        predicate: Option<Box<Expr>>,
    },
    /// `collection/all(x: predicate)`
    All {
        /// A collection, or an open property.
        collection: Path,
        /// What every element must fulfil.
        predicate: Box<Expr>,
    },
    /// `isof('microsoft.graph.ipNamedLocation')`: the object is of that derived type.
    IsOf(&'static EntityType),
    /// Everything matches.
    True,
    /// Nothing matches.
    False,
}

impl Expr {
    /// The negation, without a double one: a filter has two truth values only.
    #[must_use]
    pub fn negate(self) -> Expr {
        match self {
            Expr::Not(inner) => *inner,
            other => Expr::Not(Box::new(other)),
        }
    }

    /// Calls `visit` for every operand's path, and with the literal it is compared with, if it is just one.
    pub fn paths<'e>(&'e self, visit: &mut impl FnMut(&'e Path, Option<&'e Literal>)) {
        match self {
            Expr::And(members) | Expr::Or(members) => {
                for member in members {
                    member.paths(visit);
                }
            }
            Expr::Not(inner) => inner.paths(visit),
            Expr::Compare { operand, literal, .. } => visit(operand.path(), Some(literal)),
            Expr::In { operand, .. } => visit(operand.path(), None),
            Expr::Text { operand, .. } => visit(operand, None),
            Expr::Any { collection, predicate } => {
                visit(collection, None);
                if let Some(predicate) = predicate {
                    predicate.paths(visit);
                }
            }
            Expr::All { collection, predicate } => {
                visit(collection, None);
                predicate.paths(visit);
            }
            Expr::IsOf(_) | Expr::True | Expr::False => {}
        }
    }
}

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// The value at a path.
    Path(Path),
    /// `path/$count`: how many elements the collection there has.
    Count(Path),
}

impl Operand {
    /// The path, of the value or of what is counted.
    pub fn path(&self) -> &Path {
        match self {
            Operand::Path(path) | Operand::Count(path) => path,
        }
    }
}

/// A way from an object to a value in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// Where it starts.
    pub root: Root,
    /// Names of properties, as declared; owned for open ones. Empty only for the variable of a lambda itself.
    pub segments: Vec<Cow<'static, str>>,
    /// The type of what it leads to.
    pub kind: Kind,
    /// What its properties are marked with.
    pub marks: Marks,
}

/// Where a path starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// The object that is filtered.
    Entity,
    /// The variable of a lambda; 0 for that of the outermost.
    Item(u8),
}

/// Marks of [`crate::edm::Property`] along a path, which advanced queries are told by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// A property on it is marked so.
    pub advanced: bool,
    /// A property on it is marked so.
    pub null_advanced: bool,
    /// The last property is marked so.
    pub orderable: bool,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `eq`
    Eq,
    /// `ne`
    Ne,
    /// `gt`
    Gt,
    /// `ge`
    Ge,
    /// `lt`
    Lt,
    /// `le`
    Le,
}

impl Op {
    /// The operator in a filter: `eq`.
    pub fn as_str(self) -> &'static str {
        match self {
            Op::Eq => "eq",
            Op::Ne => "ne",
            Op::Gt => "gt",
            Op::Ge => "ge",
            Op::Lt => "lt",
            Op::Le => "le",
        }
    }

    /// The operator of that name, in any case.
    pub(crate) fn parse(word: &str) -> Option<Op> {
        [Op::Eq, Op::Ne, Op::Gt, Op::Ge, Op::Lt, Op::Le]
            .into_iter()
            .find(|op| op.as_str().eq_ignore_ascii_case(word))
    }

    /// The operator that means the same once both sides are exchanged.
    #[must_use]
    pub fn mirrored(self) -> Op {
        match self {
            Op::Eq => Op::Eq,
            Op::Ne => Op::Ne,
            Op::Gt => Op::Lt,
            Op::Ge => Op::Le,
            Op::Lt => Op::Gt,
            Op::Le => Op::Ge,
        }
    }

    /// Whether it needs an order, and not only sameness.
    pub fn is_ordering(self) -> bool {
        !matches!(self, Op::Eq | Op::Ne)
    }
}

/// A function over text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFunction {
    /// `startswith`
    StartsWith,
    /// `endswith`
    EndsWith,
    /// `contains`
    Contains,
}

impl TextFunction {
    /// Name in a filter: `startswith`.
    pub fn as_str(self) -> &'static str {
        match self {
            TextFunction::StartsWith => "startswith",
            TextFunction::EndsWith => "endswith",
            TextFunction::Contains => "contains",
        }
    }

    /// The function of that name, in any case.
    pub(crate) fn parse(word: &str) -> Option<TextFunction> {
        [TextFunction::StartsWith, TextFunction::EndsWith, TextFunction::Contains]
            .into_iter()
            .find(|function| function.as_str().eq_ignore_ascii_case(word))
    }
}

/// A constant, of the kind of the operand it stands beside.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// Absent or null.
    Null,
    /// For `Edm.Boolean`.
    Bool(bool),
    /// For `Edm.Int32`, `Edm.Int64` and counts.
    Int(i64),
    /// For `Edm.Double`; finite.
    Double(f64),
    /// For `Edm.String`.
    String(String),
    /// For `Edm.Guid`.
    Guid(Uuid),
    /// For `Edm.DateTimeOffset`: microseconds since 1970-01-01T00:00:00Z.
    DateTime(i64),
    /// For `Edm.Duration`: microseconds.
    Duration(i64),
    /// For an enumeration: the member as declared.
    Enum(&'static str),
    /// For `Edm.Binary`: base64 as written.
    Binary(String),
}

/// The literal as a filter has it.
impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Null => f.write_str("null"),
            Literal::Bool(value) => write!(f, "{value}"),
            Literal::Int(value) => write!(f, "{value}"),
            // With a point or an exponent always, so that it is read as a double again.
            Literal::Double(value) => write!(f, "{value:?}"),
            Literal::String(text) | Literal::Binary(text) => quoted(f, text),
            Literal::Guid(value) => write!(f, "{value}"),
            Literal::DateTime(micros) => f.write_str(&print_instant(*micros)),
            Literal::Duration(micros) => write!(f, "duration'{}'", print_duration(*micros)),
            Literal::Enum(member) => quoted(f, member),
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "'{}'", text.replace('\'', "''"))
}

/// The path as a filter has it; variables of lambdas are called `x0`, `x1` and so on.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        match self.root {
            // An open property may be called as a variable or as a constant.
            Root::Entity if self.segments.first().is_some_and(|first| is_ambiguous(first)) => {
                f.write_str("$it")?;
                separator = "/";
            }
            Root::Entity => {}
            Root::Item(level) => {
                write!(f, "x{level}")?;
                separator = "/";
            }
        }
        for segment in &self.segments {
            write!(f, "{separator}{segment}")?;
            separator = "/";
        }
        Ok(())
    }
}

fn is_ambiguous(name: &str) -> bool {
    let is_variable =
        name.strip_prefix('x').is_some_and(|level| level.bytes().all(|byte| byte.is_ascii_digit()));
    is_variable || is_constant(name)
}

/// Whether a word at the start of an operand is no name.
pub(crate) fn is_constant(word: &str) -> bool {
    ["true", "false", "null", "not"].iter().any(|constant| constant.eq_ignore_ascii_case(word))
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Path(path) => path.fmt(f),
            Operand::Count(path) => write!(f, "{path}/$count"),
        }
    }
}

/// The text of a filter that is read as the same expression.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_expr(f, self, 0)
    }
}

/// `level` is the number of lambdas around.
fn write_expr(f: &mut fmt::Formatter<'_>, expr: &Expr, level: u8) -> fmt::Result {
    match expr {
        Expr::And(members) => {
            for (at, member) in members.iter().enumerate() {
                f.write_str(if at == 0 { "" } else { " and " })?;
                write_grouped(f, member, matches!(member, Expr::Or(_)), level)?;
            }
            Ok(())
        }
        Expr::Or(members) => {
            for (at, member) in members.iter().enumerate() {
                f.write_str(if at == 0 { "" } else { " or " })?;
                write_expr(f, member, level)?;
            }
            Ok(())
        }
        Expr::Not(inner) => {
            f.write_str("not ")?;
            write_grouped(f, inner, matches!(**inner, Expr::And(_) | Expr::Or(_)), level)
        }
        Expr::Compare { operand, op, literal } => write!(f, "{operand} {} {literal}", op.as_str()),
        Expr::In { operand, literals } => {
            write!(f, "{operand} in (")?;
            for (at, literal) in literals.iter().enumerate() {
                write!(f, "{}{literal}", if at == 0 { "" } else { "," })?;
            }
            f.write_str(")")
        }
        Expr::Text { function, operand, text } => {
            write!(f, "{}({operand},", function.as_str())?;
            quoted(f, text)?;
            f.write_str(")")
        }
        Expr::Any { collection, predicate: None } => write!(f, "{collection}/any()"),
        Expr::Any { collection, predicate: Some(predicate) } => {
            write!(f, "{collection}/any(x{level}:")?;
            write_expr(f, predicate, level.saturating_add(1))?;
            f.write_str(")")
        }
        Expr::All { collection, predicate } => {
            write!(f, "{collection}/all(x{level}:")?;
            write_expr(f, predicate, level.saturating_add(1))?;
            f.write_str(")")
        }
        Expr::IsOf(of) => write!(f, "isof('{}')", of.qualified_name()),
        Expr::True => f.write_str("true"),
        Expr::False => f.write_str("false"),
    }
}

fn write_grouped(f: &mut fmt::Formatter<'_>, expr: &Expr, grouped: bool, level: u8) -> fmt::Result {
    if grouped {
        f.write_str("(")?;
    }
    write_expr(f, expr, level)?;
    f.write_str(if grouped { ")" } else { "" })
}
