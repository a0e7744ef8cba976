//! Which queries need `ConsistencyLevel: eventual`.

use std::fmt;

use super::{Expr, Literal, Op, Options, Path};

/// What makes a query on directory objects an advanced one: it needs the header `ConsistencyLevel: eventual`
/// and `$count=true`, or it is a `Request_UnsupportedQuery`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advanced {
    /// `$search`, which needs the header only.
    Search,
    /// `ne` in the filter.
    Ne,
    /// `not` in the filter.
    Not,
    /// `endswith` in the filter.
    EndsWith,
    /// `contains` in the filter.
    Contains,
    /// `path/$count` in the filter.
    CountPath,
    /// A filter on a property that is marked so.
    Property(String),
    /// A comparison with null of a property that is marked so.
    Null(String),
    /// `$filter` and `$orderby` together.
    FilterWithOrderBy,
    /// `$orderby` on a property that is not marked as free of this.
    OrderBy(String),
    /// `$count=true`
    Count,
}

impl fmt::Display for Advanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Advanced::Search => f.write_str("$search"),
            Advanced::Ne => f.write_str("the operator 'ne'"),
            Advanced::Not => f.write_str("the operator 'not'"),
            Advanced::EndsWith => f.write_str("the function 'endswith'"),
            Advanced::Contains => f.write_str("the function 'contains'"),
            Advanced::CountPath => f.write_str("'/$count' in a $filter"),
            Advanced::Property(path) => write!(f, "a $filter on '{path}'"),
            Advanced::Null(path) => write!(f, "a comparison of '{path}' with null"),
            Advanced::FilterWithOrderBy => f.write_str("$filter together with $orderby"),
            Advanced::OrderBy(path) => write!(f, "$orderby on '{path}'"),
            Advanced::Count => f.write_str("$count"),
        }
    }
}

/// What makes the query an advanced one, the first reason found; `None` if nothing does.
pub fn needs_advanced(options: &Options) -> Option<Advanced> {
    if options.search.is_some() {
        return Some(Advanced::Search);
    }
    if let Some(found) = options.filter.as_ref().and_then(in_filter) {
        return Some(found);
    }
    if options.filter.is_some() && !options.order_by.is_empty() {
        return Some(Advanced::FilterWithOrderBy);
    }
    let order_by = options.order_by.iter().find(|order_by| !order_by.path.marks.orderable);
    if let Some(order_by) = order_by {
        return Some(Advanced::OrderBy(order_by.path.to_string()));
    }
    options.count.then_some(Advanced::Count)
}

fn in_filter(expr: &Expr) -> Option<Advanced> {
    let marked = |path: &Path| path.marks.advanced.then(|| Advanced::Property(path.to_string()));
    match expr {
        Expr::And(members) | Expr::Or(members) => members.iter().find_map(in_filter),
        Expr::Not(_) => Some(Advanced::Not),
        Expr::Compare { op: Op::Ne, .. } => Some(Advanced::Ne),
        Expr::Compare { operand: super::Operand::Count(_), .. }
        | Expr::In { operand: super::Operand::Count(_), .. } => Some(Advanced::CountPath),
        Expr::Compare { operand, literal: Literal::Null, .. } if operand.path().marks.null_advanced => {
            Some(Advanced::Null(operand.path().to_string()))
        }
        Expr::Compare { operand, .. } | Expr::In { operand, .. } => marked(operand.path()),
        Expr::Text { function: super::TextFunction::EndsWith, .. } => Some(Advanced::EndsWith),
        Expr::Text { function: super::TextFunction::Contains, .. } => Some(Advanced::Contains),
        Expr::Text { operand, .. } => marked(operand),
        Expr::Any { collection, predicate } => {
            marked(collection).or_else(|| predicate.as_deref().and_then(in_filter))
        }
        Expr::All { collection, predicate } => marked(collection).or_else(|| in_filter(predicate)),
        Expr::IsOf(_) | Expr::True | Expr::False => None,
    }
}
