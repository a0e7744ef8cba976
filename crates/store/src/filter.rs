//! `$filter` in SQL: the meaning is that of `countersign_odata::evaluate`, two-valued and without regard to case.
//!
//! A property with a column is compared there, so that an index can help; any other is taken out of the body. An SQL
//! null counts as false where a filter asks, which [`Expr::Not`] makes explicit; so the plain comparison stays, and with it
//! the index.

use countersign_model::time::Timestamp;
use countersign_odata::query::{Expr, Literal, Op, Operand, Path, Root, TextFunction};

use crate::StoreError;
use crate::database::{Dialect, Statement};
use crate::entity::{ColumnKind, EntitySet};

/// The end of every range of texts with one prefix: no text holds a character behind it.
const LAST_CHARACTER: char = '\u{10FFFF}';

/// Writes `expr` as a condition on a row of `set`.
pub(crate) fn condition(
    statement: &mut Statement,
    dialect: Dialect,
    set: &EntitySet,
    expr: &Expr,
) -> Result<(), StoreError> {
    Compiler { statement, dialect, set, depth: 0 }.expr(expr)
}

struct Compiler<'a> {
    statement: &'a mut Statement,
    dialect: Dialect,
    set: &'a EntitySet,
    /// Lambdas around what is being written.
    depth: u8,
}

/// What a comparison needs of its left side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum As {
    Text,
    Number,
    Flag,
}

impl Compiler<'_> {
    fn expr(&mut self, expr: &Expr) -> Result<(), StoreError> {
        match expr {
            Expr::And(members) => self.joined(members, " and "),
            Expr::Or(members) => self.joined(members, " or "),
            Expr::Not(inner) => {
                self.statement.push("not coalesce(");
                self.expr(inner)?;
                self.statement.push(", false)");
                Ok(())
            }
            Expr::Compare { operand, op, literal } => self.compare(operand, *op, literal),
            Expr::In { operand, literals } => {
                self.statement.push("(");
                for (at, literal) in literals.iter().enumerate() {
                    if at > 0 {
                        self.statement.push(" or ");
                    }
                    self.compare(operand, Op::Eq, literal)?;
                }
                self.statement.push(")");
                Ok(())
            }
            Expr::Text { function, operand, text } => self.text(*function, operand, text),
            Expr::Any { collection, predicate } => self.any(collection, predicate.as_deref(), false),
            Expr::All { collection, predicate } => {
                self.statement.push("not ");
                self.any(collection, Some(predicate), true)
            }
            Expr::IsOf(of) => {
                let column = self.set.column("@odata.type").ok_or_else(|| {
                    StoreError::Unsupported(format!("`{}` has no derived types", self.set.entity.name))
                })?;
                let name = format!("#{}", of.qualified_name()).to_ascii_lowercase();
                self.statement.push(column.name).push(" = ").bind(name);
                Ok(())
            }
            Expr::True => {
                self.statement.push("true");
                Ok(())
            }
            Expr::False => {
                self.statement.push("false");
                Ok(())
            }
        }
    }

    fn joined(&mut self, members: &[Expr], word: &str) -> Result<(), StoreError> {
        self.statement.push("(");
        for (at, member) in members.iter().enumerate() {
            if at > 0 {
                self.statement.push(word);
            }
            self.expr(member)?;
        }
        self.statement.push(")");
        Ok(())
    }

    fn compare(&mut self, operand: &Operand, op: Op, literal: &Literal) -> Result<(), StoreError> {
        let path = match operand {
            Operand::Path(path) => path,
            Operand::Count(path) => {
                let Literal::Int(number) = literal else {
                    return Err(StoreError::Unsupported("a count is compared with an integer".into()));
                };
                let length = self.length(path)?;
                self.statement.push(&length).push(symbol(op)).bind(*number);
                return Ok(());
            }
        };
        if *literal == Literal::Null {
            let is_null = self.is_null(path)?;
            match op {
                Op::Eq => self.statement.push(&is_null),
                Op::Ne => self.statement.push("not ").push(&is_null),
                // Nothing is ordered beside null.
                Op::Gt | Op::Ge | Op::Lt | Op::Le => self.statement.push("false"),
            };
            return Ok(());
        }
        // What is absent differs from every value.
        let (before, after) = if op == Op::Ne { ("coalesce(", ", true)") } else { ("", "") };
        self.statement.push(before);
        self.comparison(path, op, literal)?;
        self.statement.push(after);
        Ok(())
    }

    fn comparison(&mut self, path: &Path, op: Op, literal: &Literal) -> Result<(), StoreError> {
        if let Some(column) = self.column(path) {
            self.statement.push(column.name).push(symbol(op));
            match (column.kind, literal) {
                (ColumnKind::Time, Literal::DateTime(micros)) => self.statement.bind(*micros),
                (ColumnKind::Flag, Literal::Bool(flag)) => self.statement.bind(*flag),
                (ColumnKind::Text, literal) => self.statement.bind(folded(literal)),
                (ColumnKind::Time | ColumnKind::Flag, literal) => {
                    return Err(StoreError::Unsupported(format!("`{literal}` has the wrong type")));
                }
            };
            return Ok(());
        }
        let (kind, value) = match literal {
            Literal::Bool(flag) => (As::Flag, (*flag).into()),
            Literal::Int(number) => (As::Number, crate::Value::Double(*number as f64)),
            Literal::Double(number) => (As::Number, crate::Value::Double(*number)),
            other => (As::Text, folded(other).into()),
        };
        let left = self.value(path, kind)?;
        self.statement.push(&left).push(symbol(op)).bind(value);
        Ok(())
    }

    fn text(&mut self, function: TextFunction, path: &Path, text: &str) -> Result<(), StoreError> {
        let text = text.to_ascii_lowercase();
        let left = match self.column(path) {
            Some(column) => column.name.to_owned(),
            None => self.value(path, As::Text)?,
        };
        let position = match self.dialect {
            Dialect::Sqlite => "instr",
            Dialect::Postgres => "strpos",
        };
        match function {
            // A range, which an index can answer.
            TextFunction::StartsWith => {
                let end = format!("{text}{LAST_CHARACTER}");
                self.statement.push("(").push(&left).push(" >= ").bind(text);
                self.statement.push(" and ").push(&left).push(" < ").bind(end).push(")");
            }
            TextFunction::Contains => {
                self.statement.push(position).push("(").push(&left).push(", ").bind(text).push(") > 0");
            }
            TextFunction::EndsWith if text.is_empty() => {
                self.statement.push(&left).push(" is not null");
            }
            TextFunction::EndsWith => {
                let characters = text.chars().count();
                match self.dialect {
                    Dialect::Sqlite => self.statement.push(&format!("substr({left}, -{characters})")),
                    Dialect::Postgres => self.statement.push(&format!("right({left}, {characters})")),
                };
                // A shorter text has no end of that length, and SQLite would take what there is.
                self.statement.push(" = ").bind(text);
            }
        }
        Ok(())
    }

    /// Whether an element fulfils `predicate`; with `negate`, whether one does not.
    fn any(&mut self, collection: &Path, predicate: Option<&Expr>, negate: bool) -> Result<(), StoreError> {
        let element = format!("e{}", self.depth);
        let elements = match self.dialect {
            Dialect::Sqlite => {
                let json = self.json(collection)?;
                let kind = self.json_kind(collection)?;
                // `json_each` would take a single value for a list of one.
                format!("json_each(case when {kind} = 'array' then {json} else '[]' end) as {element}")
            }
            Dialect::Postgres => {
                let json = self.json(collection)?;
                let kind = self.json_kind(collection)?;
                format!(
                    "jsonb_array_elements(case when {kind} = 'array' then {json} else '[]'::jsonb end) as {element}(value)"
                )
            }
        };
        self.statement.push("exists (select 1 from ").push(&elements);
        if let Some(predicate) = predicate {
            self.statement.push(if negate { " where not coalesce(" } else { " where (" });
            self.depth += 1;
            self.expr(predicate)?;
            self.depth -= 1;
            self.statement.push(if negate { ", false)" } else { ")" });
        }
        self.statement.push(")");
        Ok(())
    }

    fn column(&self, path: &Path) -> Option<&'static crate::entity::Column> {
        match (path.root, path.segments.as_slice()) {
            (Root::Entity, [property]) => self.set.column(property),
            _ => None,
        }
    }

    fn is_null(&self, path: &Path) -> Result<String, StoreError> {
        Ok(match self.column(path) {
            Some(column) => format!("({} is null)", column.name),
            None => format!("(coalesce({}, 'null') = 'null')", self.json_kind(path)?),
        })
    }

    fn length(&self, path: &Path) -> Result<String, StoreError> {
        let (json, kind) = (self.json(path)?, self.json_kind(path)?);
        let length = match self.dialect {
            Dialect::Sqlite => "json_array_length",
            Dialect::Postgres => "jsonb_array_length",
        };
        Ok(format!("(case when {kind} = 'array' then {length}({json}) else 0 end)"))
    }

    /// A value out of the body, null when it is absent or of another type.
    fn value(&self, path: &Path, kind: As) -> Result<String, StoreError> {
        // `id` has a column in every table, and no body needs to be opened for it.
        if path.root == Root::Entity
            && path.segments.len() == 1
            && path.segments[0] == "id"
            && kind == As::Text
        {
            return Ok("id".to_owned());
        }
        let (json_kind, text) = (self.json_kind(path)?, self.json_text(path)?);
        Ok(match (self.dialect, kind) {
            (Dialect::Sqlite, As::Text) => format!("(case when {json_kind} = 'text' then lower({text}) end)"),
            (Dialect::Sqlite, As::Number) => {
                format!("(case when {json_kind} in ('integer', 'real') then {text} end)")
            }
            (Dialect::Sqlite, As::Flag) => {
                format!("(case {json_kind} when 'true' then true when 'false' then false end)")
            }
            (Dialect::Postgres, As::Text) => {
                format!(r#"(case when {json_kind} = 'string' then lower({text} collate "C") end)"#)
            }
            (Dialect::Postgres, As::Number) => {
                format!("(case when {json_kind} = 'number' then ({text})::double precision end)")
            }
            (Dialect::Postgres, As::Flag) => {
                format!("(case when {json_kind} = 'boolean' then ({text})::boolean end)")
            }
        })
    }

    /// The JSON at a path: text on SQLite, `jsonb` on PostgreSQL.
    fn json(&self, path: &Path) -> Result<String, StoreError> {
        let steps = steps(path)?;
        Ok(match (self.dialect, path.root) {
            (Dialect::Sqlite, Root::Entity) => format!("json_extract(body, '{}')", sqlite_path(&steps)),
            (Dialect::Sqlite, Root::Item(level)) if steps.is_empty() => format!("e{level}.value"),
            (Dialect::Sqlite, Root::Item(level)) => {
                format!("json_extract({}, '{}')", sqlite_element(level), sqlite_path(&steps))
            }
            (Dialect::Postgres, root) => {
                format!("({} #> '{{{}}}')", postgres_document(root), steps.join(","))
            }
        })
    }

    /// The name of the type of the JSON at a path, null when it is absent.
    fn json_kind(&self, path: &Path) -> Result<String, StoreError> {
        let steps = steps(path)?;
        Ok(match (self.dialect, path.root) {
            (Dialect::Sqlite, Root::Entity) => format!("json_type(body, '{}')", sqlite_path(&steps)),
            (Dialect::Sqlite, Root::Item(level)) if steps.is_empty() => format!("e{level}.type"),
            (Dialect::Sqlite, Root::Item(level)) => {
                format!("json_type({}, '{}')", sqlite_element(level), sqlite_path(&steps))
            }
            (Dialect::Postgres, _) => format!("jsonb_typeof({})", self.json(path)?),
        })
    }

    /// The value at a path as SQL has it: a string without its quotes.
    fn json_text(&self, path: &Path) -> Result<String, StoreError> {
        match self.dialect {
            Dialect::Sqlite => self.json(path),
            Dialect::Postgres => {
                Ok(format!("({} #>> '{{{}}}')", postgres_document(path.root), steps(path)?.join(",")))
            }
        }
    }
}

fn symbol(op: Op) -> &'static str {
    match op {
        Op::Eq => " = ",
        Op::Ne => " <> ",
        Op::Gt => " > ",
        Op::Ge => " >= ",
        Op::Lt => " < ",
        Op::Le => " <= ",
    }
}

/// A literal as text, in the form in which bodies and columns hold it.
fn folded(literal: &Literal) -> String {
    match literal {
        Literal::DateTime(micros) => Timestamp(*micros).to_string().to_ascii_lowercase(),
        Literal::Enum(member) => member.to_ascii_lowercase(),
        Literal::String(text) | Literal::Binary(text) => text.to_ascii_lowercase(),
        other => other.to_string().to_ascii_lowercase(),
    }
}

/// Names of a path, which become part of the statement: open properties are named by the client.
fn steps(path: &Path) -> Result<Vec<&str>, StoreError> {
    let steps: Vec<&str> = path.segments.iter().map(AsRef::as_ref).collect();
    let is_plain = |name: &&str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match steps.iter().find(|name| !is_plain(name)) {
        None => Ok(steps),
        Some(name) => Err(StoreError::Unsupported(format!("`{name}` cannot be filtered on"))),
    }
}

fn sqlite_path(steps: &[&str]) -> String {
    let mut path = "$".to_owned();
    for step in steps {
        path.push('.');
        path.push_str(step);
    }
    path
}

fn sqlite_element(level: u8) -> String {
    format!("(case when e{level}.type = 'object' then e{level}.value end)")
}

fn postgres_document(root: Root) -> String {
    match root {
        Root::Entity => "body::jsonb".to_owned(),
        Root::Item(level) => format!("e{level}.value"),
    }
}
