//! Custom security attributes of service principals. Filters of policies rest on them, so they are read and assigned with
//! permissions of their own, beside what the route asks for.

use std::collections::BTreeSet;

use countersign_odata::error::ODataError;
use countersign_odata::query::Options;
use countersign_store::{Record, Scoped};
use serde_json::{Map, Value as Json};

use super::access::{self, READ_ATTRIBUTES, Verdict, WRITE_ATTRIBUTES};
use super::audit::{self, Change, modified, target_of};
use super::call::Call;

/// The member that holds them.
pub(crate) const MEMBER: &str = "customSecurityAttributes";

/// Refuses a body that assigns attributes to whoever may not: also an owner, who would choose the policies for his workload.
pub(crate) fn check_body(call: &Call<'_>, given: &Map<String, Json>) -> Result<(), ODataError> {
    if given.contains_key(MEMBER)
        && access::verdict(&WRITE_ATTRIBUTES, call.caller.held()) != Verdict::Allowed
    {
        return Err(ODataError::denied());
    }
    Ok(())
}

fn is_hidden(call: &Call<'_>) -> bool {
    access::verdict(&READ_ATTRIBUTES, call.caller.held()) != Verdict::Allowed
}

/// Takes them out of an object for whoever may not read them.
pub(crate) fn hide(call: &Call<'_>, body: &mut Json) {
    if let Json::Object(members) = body
        && members.contains_key(MEMBER)
        && is_hidden(call)
    {
        members.remove(MEMBER);
    }
}

/// A filter or an order on what is hidden would tell it all the same. A search looks into texts alone.
pub(crate) fn check_options(call: &Call<'_>, options: &Options) -> Result<(), ODataError> {
    if asks(options) && is_hidden(call) {
        return Err(ODataError::denied());
    }
    Ok(())
}

fn asks(options: &Options) -> bool {
    let mut asks = options.order_by.iter().any(|by| by.path.segments.iter().any(|part| part == MEMBER));
    if let Some(filter) = &options.filter {
        filter.paths(&mut |path, _| asks |= path.segments.iter().any(|part| part == MEMBER));
    }
    asks
}

/// Records which attributes got another value. The values are left out: the log is read by whoever may not read them.
pub(crate) async fn write_audit(
    call: &Call<'_>,
    scoped: &mut Scoped,
    before: &Map<String, Json>,
    principal: &Record,
) -> Result<(), ODataError> {
    let names = changed(before.get(MEMBER), principal.body.get(MEMBER));
    if names.is_empty() {
        return Ok(());
    }
    let properties = names.iter().map(|name| modified(name, &Json::Null, &Json::Null)).collect();
    let change = Change {
        activity: "Update attribute values assigned to a servicePrincipal",
        operation: "Update",
        category: "AttributeManagement",
        service: "Core Directory",
        targets: vec![target_of("ServicePrincipal", principal, properties)],
    };
    audit::write(call, scoped, change).await
}

/// `Set.Attribute` of each whose value is not the same, in the order of the names.
fn changed(before: Option<&Json>, after: Option<&Json>) -> Vec<String> {
    let value = |all: Option<&Json>, set: &str, name: &str| {
        all.and_then(|all| all.get(set)?.get(name)).filter(|value| !value.is_null()).cloned()
    };
    let mut names = BTreeSet::new();
    for (set, values) in [before, after].into_iter().flatten().filter_map(Json::as_object).flatten() {
        // What stands at an attribute about its type is none.
        let own = values.as_object().into_iter().flat_map(Map::keys);
        for name in own.filter(|name| !name.contains('@')) {
            if value(before, set, name) != value(after, set, name) {
                names.insert(format!("{set}.{name}"));
            }
        }
    }
    names.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use countersign_odata::edm::Version;
    use countersign_odata::query::{Context, RawOptions};
    use countersign_store::entity::SERVICE_PRINCIPAL;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_query_asks_of_them_is_seen() {
        let context = Context { entity: SERVICE_PRINCIPAL.entity, version: Version::V1, page_size_max: 100 };
        for (query, expected) in [
            ("$filter=customSecurityAttributes/Ops/Zone eq 'lab'", true),
            ("$filter=not (CustomSecurityAttributes/Ops/Zone eq 'lab')", true),
            ("$filter=displayName eq 'a' or startswith(customSecurityAttributes/Ops/Zone,'l')", true),
            ("$select=customSecurityAttributes&$filter=displayName eq 'customSecurityAttributes'", false),
            ("$orderby=displayName", false),
        ] {
            let options = Options::parse(&RawOptions::parse(query, false).unwrap(), &context).unwrap();
            assert_eq!(asks(&options), expected, "{query}");
        }
    }

    #[test]
    fn what_got_another_value_is_named() {
        let kind = "#Microsoft.DirectoryServices.CustomSecurityAttributeValue";
        let before = json!({"Ops": {"@odata.type": kind, "Zone": "lab", "Teams": ["pay"], "Old": 1}});
        let after = json!({
            "Ops": {"Zone": "production", "Teams@odata.type": "#Collection(String)", "Teams": ["pay"]},
            "New": {"Set": true},
        });
        assert_eq!(changed(Some(&before), Some(&after)), ["New.Set", "Ops.Old", "Ops.Zone"]);
        assert_eq!(changed(None, Some(&after)), ["New.Set", "Ops.Teams", "Ops.Zone"]);
        assert_eq!(changed(Some(&before), Some(&Json::Null)), ["Ops.Old", "Ops.Teams", "Ops.Zone"]);
        assert!(changed(Some(&before), Some(&before)).is_empty());
    }
}
