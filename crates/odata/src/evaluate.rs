//! What filters and orders mean, over JSON objects in memory. SQL made of the same filter must give the same.
//!
//! Logic has two values: a condition holds or it does not, and `not` turns it round. A value is null if it is
//! JSON's null or absent; a value of another JSON type than its kind's is present and equal to nothing.
//!
//! | Condition | Value is null | Otherwise |
//! |---|---|---|
//! | `p eq null` | holds | does not hold |
//! | `p ne null` | does not hold | holds |
//! | `p eq v` | does not hold | the same |
//! | `p ne v` | holds | not the same |
//! | `p gt v` and its kin | does not hold | in the order below |
//! | `p gt null` and its kin | does not hold | does not hold |
//! | `p in (a,b)` | holds if a member is null | as `p eq a or p eq b` |
//! | `startswith(p,'x')` and its kin | does not hold | without regard to ASCII case |
//! | `c/any(x: e)`, `c/any()` | does not hold | holds for one element; there is one element |
//! | `c/all(x: e)` | holds | holds for every element |
//! | `c/$count eq n` | the count is 0 | the number of elements; 0 of what is no array |
//!
//! | Kind | Same | Order |
//! |---|---|---|
//! | String | without regard to ASCII case | by bytes of UTF-8, `A` to `Z` taken as `a` to `z` |
//! | Enum | the same member, in any ASCII case | none in filters; in `$orderby` by number, unknown as null |
//! | Int32, Int64, Double | as numbers | as numbers |
//! | `DateTimeOffset` | the same microsecond, whatever the offset; more digits are cut off | earlier is less |
//! | Duration | the same length in microseconds | shorter is less |
//! | Guid | the same 128 bits | none in filters; in `$orderby` as String |
//! | Boolean | the same | none in filters; in `$orderby` false is less |
//! | Binary | the same text | none |
//! | open | as the constant's kind | as the constant's kind; in `$orderby` booleans, numbers, strings |
//!
//! In `$orderby` null is less than everything: first when ascending, last when descending. What cannot be
//! read as the kind, such as a malformed time, counts as null there.

use std::cmp::Ordering;

use serde_json::Value;

use crate::edm::Kind;
use crate::query::OrderBy;
use crate::query::expr::{Expr, Literal, Op, Operand, Path, Root, TextFunction};
use crate::value::{parse_duration, parse_guid, parse_instant};

/// Whether an object matches a filter.
pub fn matches(expr: &Expr, object: &Value) -> bool {
    holds(expr, object, &mut Vec::new())
}

/// How two objects are ordered; `Equal` if no property tells them apart.
pub fn compare(order_by: &[OrderBy], a: &Value, b: &Value) -> Ordering {
    order_by
        .iter()
        .map(|by| {
            let order = order_of(by.path.kind, value_at(&by.path, a, &[]), value_at(&by.path, b, &[]));
            if by.descending { order.reverse() } else { order }
        })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

static NULL: Value = Value::Null;

/// `items` are the elements that the variables of the lambdas around stand for.
fn holds<'v>(expr: &Expr, object: &'v Value, items: &mut Vec<&'v Value>) -> bool {
    match expr {
        Expr::And(members) => members.iter().all(|member| holds(member, object, items)),
        Expr::Or(members) => members.iter().any(|member| holds(member, object, items)),
        Expr::Not(inner) => !holds(inner, object, items),
        Expr::Compare { operand, op, literal } => compares(operand, *op, literal, object, items),
        Expr::In { operand, literals } => {
            literals.iter().any(|literal| compares(operand, Op::Eq, literal, object, items))
        }
        Expr::Text { function, operand, text } => {
            let value = value_at(operand, object, items).as_str().map(str::to_ascii_lowercase);
            let text = text.to_ascii_lowercase();
            value.is_some_and(|value| match function {
                TextFunction::StartsWith => value.starts_with(&text),
                TextFunction::EndsWith => value.ends_with(&text),
                TextFunction::Contains => value.contains(&text),
            })
        }
        Expr::Any { collection, predicate } => {
            let elements = elements_at(collection, object, items);
            match predicate {
                None => !elements.is_empty(),
                Some(predicate) => {
                    elements.iter().any(|element| holds_for(predicate, element, object, items))
                }
            }
        }
        Expr::All { collection, predicate } => {
            let elements = elements_at(collection, object, items);
            elements.iter().all(|element| holds_for(predicate, element, object, items))
        }
        Expr::IsOf(of) => {
            let own = object.get("@odata.type").and_then(Value::as_str);
            own.and_then(|own| of.cast(own)).is_some_and(|own| std::ptr::eq(own, *of))
        }
        Expr::True => true,
        Expr::False => false,
    }
}

fn holds_for<'v>(expr: &Expr, element: &'v Value, object: &'v Value, items: &mut Vec<&'v Value>) -> bool {
    items.push(element);
    let result = holds(expr, object, items);
    items.pop();
    result
}

fn value_at<'v>(path: &Path, object: &'v Value, items: &[&'v Value]) -> &'v Value {
    let root = match path.root {
        Root::Entity => Some(object),
        Root::Item(level) => items.get(usize::from(level)).copied(),
    };
    path.segments
        .iter()
        .try_fold(root.unwrap_or(&NULL), |value, segment| value.get(&**segment))
        .unwrap_or(&NULL)
}

fn elements_at<'v>(path: &Path, object: &'v Value, items: &[&'v Value]) -> &'v [Value] {
    value_at(path, object, items).as_array().map_or(&[], Vec::as_slice)
}

fn compares(operand: &Operand, op: Op, literal: &Literal, object: &Value, items: &[&Value]) -> bool {
    let (is_null, order) = match operand {
        Operand::Count(path) => {
            let count = Value::from(elements_at(path, object, items).len());
            (false, order_to(&count, literal))
        }
        Operand::Path(path) => {
            let value = value_at(path, object, items);
            (value.is_null(), order_to(value, literal))
        }
    };
    match (op, literal) {
        (Op::Eq, Literal::Null) => is_null,
        (Op::Ne, Literal::Null) => !is_null,
        (_, Literal::Null) => false,
        (Op::Eq, _) => order == Some(Ordering::Equal),
        (Op::Ne, _) => order != Some(Ordering::Equal),
        (Op::Gt, _) => order == Some(Ordering::Greater),
        (Op::Ge, _) => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        (Op::Lt, _) => order == Some(Ordering::Less),
        (Op::Le, _) => matches!(order, Some(Ordering::Less | Ordering::Equal)),
    }
}

/// Order of a value to a constant; `None` if the value is not of the constant's kind.
fn order_to(value: &Value, literal: &Literal) -> Option<Ordering> {
    match literal {
        Literal::Null => None,
        Literal::Bool(other) => Some(value.as_bool()?.cmp(other)),
        Literal::Int(other) => match value.as_i64() {
            Some(value) => Some(value.cmp(other)),
            None => value.as_f64()?.partial_cmp(&(*other as f64)),
        },
        Literal::Double(other) => value.as_f64()?.partial_cmp(other),
        Literal::String(other) => Some(order_of_text(value.as_str()?, other)),
        Literal::Enum(other) => Some(order_of_text(value.as_str()?, other)),
        Literal::Guid(other) => Some(parse_guid(value.as_str()?)?.cmp(other)),
        Literal::DateTime(other) => Some(parse_instant(value.as_str()?)?.cmp(other)),
        Literal::Duration(other) => Some(parse_duration(value.as_str()?)?.cmp(other)),
        Literal::Binary(other) => Some(value.as_str()?.cmp(other)),
    }
}

fn order_of_text(a: &str, b: &str) -> Ordering {
    let folded = |text: &'_ str| -> Vec<u8> { text.bytes().map(|byte| byte.to_ascii_lowercase()).collect() };
    folded(a).cmp(&folded(b))
}

/// Order of two values of a kind; `None`, as null, is less than everything.
fn order_of(kind: Kind, a: &Value, b: &Value) -> Ordering {
    fn by<'v, T: Ord>(a: &'v Value, b: &'v Value, read: impl Fn(&'v Value) -> Option<T>) -> Ordering {
        read(a).cmp(&read(b))
    }
    match kind {
        Kind::String | Kind::Guid => by(a, b, |value| value.as_str().map(str::to_ascii_lowercase)),
        Kind::Boolean => by(a, b, Value::as_bool),
        Kind::Int32 | Kind::Int64 | Kind::Double => order_of_numbers(a, b),
        Kind::DateTimeOffset => by(a, b, |value| parse_instant(value.as_str()?)),
        Kind::Duration => by(a, b, |value| parse_duration(value.as_str()?)),
        Kind::Enum(of) => by(a, b, |value| of.position(value.as_str()?)),
        Kind::Any => {
            let rank = |value: &Value| match value {
                Value::Bool(_) => 1,
                Value::Number(_) => 2,
                Value::String(_) => 3,
                _ => 0,
            };
            let of_rank = match rank(a) {
                1 => Kind::Boolean,
                2 => Kind::Double,
                _ => Kind::String,
            };
            rank(a).cmp(&rank(b)).then_with(|| order_of(of_rank, a, b))
        }
        // The parser lets none of these through.
        Kind::Binary | Kind::Complex(_) | Kind::Collection(_) | Kind::Entity(_) | Kind::Entities(_) => {
            Ordering::Equal
        }
    }
}

fn order_of_numbers(a: &Value, b: &Value) -> Ordering {
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
        return a.cmp(&b);
    }
    // JSON has no NaN, so numbers can always be compared.
    a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::edm::{EntityType, Version};
    use crate::query::{Context, Options, RawOptions, parse_filter};
    use crate::sample::{LOCATION, OPEN, SERVICE_PRINCIPAL, SIGN_IN};

    #[track_caller]
    fn check(entity: &'static EntityType, object: &Value, rows: &[(&str, bool)]) {
        for (filter, expected) in rows {
            let expr = parse_filter(filter, entity, Version::Beta).expect(filter);
            assert_eq!(matches(&expr, object), *expected, "{filter}");
            assert_eq!(matches(&expr.negate(), object), !expected, "not {filter}");
        }
    }

    #[test]
    fn null_is_absent_or_null() {
        let object = json!({"createdDateTime": null, "status": null, "appDisplayName": ""});
        check(
            &SIGN_IN,
            &object,
            &[
                ("createdDateTime eq null", true),
                ("createdDateTime ne null", false),
                ("createdDateTime eq 2026-05-01", false),
                ("createdDateTime ne 2026-05-01", true),
                ("createdDateTime lt 2026-05-01", false),
                ("createdDateTime ge 2026-05-01", false),
                ("createdDateTime gt null", false),
                ("createdDateTime in (2026-05-01,null)", true),
                ("createdDateTime in (2026-05-01)", false),
                ("status eq null", true),
                ("status/errorCode eq null", true),
                ("status/errorCode ne 0", true),
                ("id eq null", true),
                ("startswith(id,'')", false),
                ("startswith(appDisplayName,'')", true),
                ("appDisplayName eq null", false),
                ("appDisplayName ge null", false),
                ("isInteractive", false),
            ],
        );
    }

    #[test]
    fn objects_say_of_which_type_they_are() {
        let network = json!({"@odata.type": "#microsoft.graph.ipNamedLocation", "isTrusted": true});
        check(
            &LOCATION,
            &network,
            &[
                ("isof('microsoft.graph.ipNamedLocation')", true),
                ("isof('microsoft.graph.countryNamedLocation')", false),
                ("isof('microsoft.graph.namedLocation')", true),
                ("microsoft.graph.ipNamedLocation/isTrusted eq true", true),
                ("microsoft.graph.countryNamedLocation/countriesAndRegions/any()", false),
            ],
        );
        check(&LOCATION, &json!({}), &[("isof('microsoft.graph.ipNamedLocation')", false)]);
    }

    #[test]
    fn strings_and_enumerations_ignore_ascii_case() {
        let object = json!({"appDisplayName": "Größe Backup", "riskLevel": "HIGH", "id": 5});
        check(
            &SIGN_IN,
            &object,
            &[
                ("appDisplayName eq 'größe BACKUP'", true),
                ("appDisplayName eq 'GRÖSSE Backup'", false),
                ("appDisplayName gt 'alpha'", true),
                ("appDisplayName lt 'Z'", true),
                ("startswith(appDisplayName,'GR')", true),
                ("endswith(appDisplayName,'backup')", true),
                ("contains(appDisplayName,' B')", true),
                ("contains(appDisplayName,'x')", false),
                ("riskLevel eq 'high'", true),
                ("riskLevel in ('low','high')", true),
                ("id eq '5'", false),
                ("id ne '5'", true),
                ("id eq null", false),
            ],
        );
    }

    #[test]
    fn times_are_instants_and_numbers_are_numbers() {
        let object = json!({
            "createdDateTime": "2026-05-01T02:00:00.1234567+02:00", "status": {"errorCode": 50_105},
            "riskScore": 1, "bytesSent": 1.5, "sessionLifetime": "PT60M",
        });
        check(
            &SIGN_IN,
            &object,
            &[
                ("createdDateTime eq 2026-05-01T00:00:00.123456Z", true),
                ("createdDateTime gt 2026-05-01", true),
                ("createdDateTime le 2026-05-01T00:00:00.123Z", false),
                ("status/errorCode eq 50105", true),
                ("status/errorCode in (0,50105)", true),
                ("riskScore eq 1.0", true),
                ("riskScore ge 0.5", true),
                ("bytesSent gt 1", true),
                ("bytesSent lt 2", true),
                ("sessionLifetime eq 'PT1H'", true),
                ("sessionLifetime lt 'P1D'", true),
            ],
        );
        let object =
            json!({"appOwnerOrganizationId": "F8CDEF31-A31E-4B4A-93E4-5F571E91255A", "thumbprint": "Aa=="});
        check(
            &SERVICE_PRINCIPAL,
            &object,
            &[
                ("appOwnerOrganizationId eq f8cdef31-a31e-4b4a-93e4-5f571e91255a", true),
                ("thumbprint eq 'Aa=='", true),
                ("thumbprint eq 'aA=='", false),
            ],
        );
    }

    #[test]
    fn collections() {
        let object = json!({
            "id": "1", "signInEventTypes": ["servicePrincipal", null],
            "targetResources": [
                {"id": "1", "modifiedProperties": [{"newValue": "x"}]},
                {"id": "2", "modifiedProperties": []},
            ],
        });
        check(
            &SIGN_IN,
            &object,
            &[
                ("signInEventTypes/any(t: t eq 'serviceprincipal')", true),
                ("signInEventTypes/any(t: t eq null)", true),
                ("signInEventTypes/all(t: t ne null)", false),
                ("signInEventTypes/any()", true),
                ("signInEventTypes/$count eq 2", true),
                ("targetResources/any(t: t/id eq '2')", true),
                ("targetResources/any(t: t/id eq '2' and t/modifiedProperties/any())", false),
                (
                    "targetResources/any(t: t/modifiedProperties/any(m: m/newValue eq 'X' and t/id eq '1'))",
                    true,
                ),
                (
                    "targetResources/any(t: t/modifiedProperties/any(m: m/newValue eq 'X' and t/id eq '2'))",
                    false,
                ),
                ("targetResources/any(t: t/modifiedProperties/$count lt 1)", true),
                ("targetResources/all(t: id eq '1')", true),
            ],
        );
        check(
            &SIGN_IN,
            &json!({"targetResources": {}}),
            &[
                ("targetResources/any()", false),
                ("targetResources/all(t: t/id eq '1')", true),
                ("targetResources/$count eq 0", true),
                ("signInEventTypes/$count eq 0", true),
            ],
        );
    }

    #[test]
    fn open_properties_take_the_kind_of_the_constant() {
        let object = json!({"a": 3, "b": "2026-05-01T00:00:00Z", "c": true, "d": {"e": ["x"]}});
        check(
            &OPEN,
            &object,
            &[
                ("a gt 2", true),
                ("a eq '3'", false),
                ("b eq '2026-05-01t00:00:00z'", true),
                ("b lt 2027-01-01", true),
                ("c eq true", true),
                ("d/e/any(x: x eq 'X')", true),
                ("d/e/f eq null", true),
            ],
        );
    }

    #[test]
    fn orders() {
        let order = |query: &str, mut objects: Vec<Value>| {
            let context = Context { entity: &SIGN_IN, version: Version::Beta, page_size_max: 100 };
            let options = Options::parse(&RawOptions::parse(query, false).unwrap(), &context).unwrap();
            objects.sort_by(|a, b| compare(&options.order_by, a, b));
            let ids = objects.iter().map(|object| object["id"].as_str().unwrap());
            ids.collect::<Vec<_>>().join("")
        };
        let objects = || {
            vec![
                json!({"id": "a", "createdDateTime": "2026-05-01T03:00:00+02:00", "riskLevel": "high", "riskScore": 2}),
                json!({"id": "b", "createdDateTime": "2026-05-01T02:00:00Z", "riskLevel": "low", "riskScore": 10.5}),
                json!({"id": "c", "createdDateTime": null, "riskLevel": "unheard", "isInteractive": true}),
                json!({"id": "D", "createdDateTime": "2026-05-01T00:00:00Z", "riskLevel": "low", "isInteractive": false}),
            ]
        };
        for (query, expected) in [
            ("$orderby=createdDateTime", "cDab"),
            ("$orderby=createdDateTime desc", "baDc"),
            ("$orderby=riskLevel,id desc", "cDba"),
            ("$orderby=riskScore", "cDab"),
            ("$orderby=isInteractive", "abDc"),
            ("$orderby=id desc", "Dcba"),
            ("$orderby=status/errorCode", "abcD"),
        ] {
            assert_eq!(order(query, objects()), expected, "{query}");
        }
    }
}
