//! The tenant as Graph shows it, and its plan as a subscription.

use countersign_odata::edm::EntityType;
use countersign_odata::error::ODataError;
use countersign_odata::evaluate::matches;
use countersign_odata::project::project;
use countersign_store::Plan;
use countersign_store::entity::{ORGANIZATION, SUBSCRIBED_SKU};
use serde_json::{Value as Json, json};

use super::call::{Answer, Call};
use super::collections;
use super::routes::Area;

/// Product id of Workload ID Premium, by which clients tell whether risk details are shown. The id is our own.
const SKU_ID: &str = "84c289f0-efcb-486f-8581-07f44fc9efad";

fn organization(call: &Call<'_>) -> Json {
    let tenant = &call.caller.tenant;
    json!({
        "id": tenant.id,
        "deletedDateTime": null,
        "assignedPlans": [],
        "createdDateTime": tenant.created.to_string(),
        "displayName": tenant.display_name,
        "tenantType": "AAD",
        "verifiedDomains": [{
            "capabilities": "Email",
            "isDefault": true,
            "isInitial": true,
            "name": tenant.domain,
            "type": "Managed",
        }],
    })
}

fn skus(call: &Call<'_>) -> Vec<Json> {
    let tenant = &call.caller.tenant;
    if tenant.plan == Plan::Free {
        return Vec::new();
    }
    let status = if tenant.is_premium(call.now) { "Enabled" } else { "Suspended" };
    vec![json!({
        "id": format!("{}_{SKU_ID}", tenant.id),
        "accountId": tenant.id,
        "accountName": tenant.display_name,
        "appliesTo": "Company",
        "capabilityStatus": status,
        "consumedUnits": 0,
        "prepaidUnits": { "enabled": 1, "suspended": 0, "warning": 0, "lockedOut": 0 },
        "servicePlans": [],
        "skuId": SKU_ID,
        "skuPartNumber": "Workload_Identities_Premium_CN",
    })]
}

fn list(
    call: &Call<'_>,
    name: &str,
    entity: &'static EntityType,
    all: Vec<Json>,
) -> Result<Answer, ODataError> {
    let options = call.options(entity, Area::Directory)?;
    let found: Vec<Json> = all
        .into_iter()
        .filter(|one| options.filter.as_ref().is_none_or(|filter| matches(filter, one)))
        .map(|one| project(entity, call.version, &options.select, one))
        .collect();
    let count = options.count.then_some(found.len() as i64);
    Ok(Answer::ok(collections::page_of(call, name, found, count, None)))
}

fn get(
    call: &Call<'_>,
    name: &str,
    entity: &'static EntityType,
    all: Vec<Json>,
) -> Result<Answer, ODataError> {
    let options = call.options(entity, Area::Directory)?;
    let id = call.id(0);
    let found = all
        .into_iter()
        .find(|one| one["id"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(id)))
        .ok_or_else(|| ODataError::not_found(id))?;
    let found = project(entity, call.version, &options.select, found);
    Ok(Answer::ok(call.with_context(&format!("{name}/$entity"), found)))
}

pub(crate) fn list_organization(call: &Call<'_>) -> Result<Answer, ODataError> {
    list(call, "organization", &ORGANIZATION, vec![organization(call)])
}

pub(crate) fn get_organization(call: &Call<'_>) -> Result<Answer, ODataError> {
    get(call, "organization", &ORGANIZATION, vec![organization(call)])
}

pub(crate) fn list_skus(call: &Call<'_>) -> Result<Answer, ODataError> {
    list(call, "subscribedSkus", &SUBSCRIBED_SKU, skus(call))
}

pub(crate) fn get_sku(call: &Call<'_>) -> Result<Answer, ODataError> {
    get(call, "subscribedSkus", &SUBSCRIBED_SKU, skus(call))
}
