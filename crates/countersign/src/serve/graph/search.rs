//! `$search` as a condition: a word is looked for at the beginning of names and descriptions, as the directory does.

use countersign_odata::edm::{EntityType, Kind, Version};
use countersign_odata::query::expr::Marks;
use countersign_odata::query::{Expr, Path, Root, Search, TextFunction};

/// Properties in which a search without a property looks.
const SEARCHED: [&str; 4] = ["displayName", "description", "appId", "userPrincipalName"];

/// The condition of a search.
pub(crate) fn condition(entity: &'static EntityType, search: &Search) -> Expr {
    match search {
        Search::Term(text) => {
            let found: Vec<Expr> = SEARCHED
                .iter()
                .filter_map(|name| entity.property(name, Version::Beta))
                .map(|property| contains(property.name, property.kind, text))
                .collect();
            if found.is_empty() { Expr::False } else { any_of(found) }
        }
        Search::Property { property, text } => {
            let kind =
                entity.property(property, Version::Beta).map_or(Kind::String, |property| property.kind);
            contains(property, kind, text)
        }
        Search::And(all) => Expr::And(all.iter().map(|one| condition(entity, one)).collect()),
        Search::Or(any) => Expr::Or(any.iter().map(|one| condition(entity, one)).collect()),
    }
}

fn any_of(mut found: Vec<Expr>) -> Expr {
    if found.len() == 1 { found.remove(0) } else { Expr::Or(found) }
}

fn contains(property: &'static str, kind: Kind, text: &str) -> Expr {
    let path = |root, segments, kind| Path { root, segments, kind, marks: Marks::default() };
    let of = path(Root::Entity, vec![property.into()], kind);
    let looks = |operand| Expr::Text { function: TextFunction::Contains, operand, text: text.to_owned() };
    match kind.element() {
        Some(element) => Expr::Any {
            collection: of,
            predicate: Some(Box::new(looks(path(Root::Item(0), Vec::new(), element)))),
        },
        None => looks(of),
    }
}
