//! `POST /identity/conditionalAccess/evaluate`: what policies would make of a sign-in.

use std::collections::HashMap;
use std::net::IpAddr;

use countersign_access::evaluate::{Place, Risk, SignIn, WhereCountry};
use countersign_access::principal::{Attributes, Principal};
use countersign_model::risk::RiskLevel;
use countersign_model::source::Country;
use countersign_odata::error::ODataError;
use countersign_odata::project::project;
use countersign_odata::query::Select;
use countersign_store::Record;
use countersign_store::entity::{CONDITIONAL_ACCESS_POLICY, SERVICE_PRINCIPAL, WHAT_IF_ANALYSIS_RESULT};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::call::{Answer, Call, failed, internal};
use super::{body, conditional_access};
use crate::serve::policies;

const SERVICE_PRINCIPAL_SIGN_IN: &str = "microsoft.graph.servicePrincipalSignIn";
const APPLICATION_CONTEXT: &str = "microsoft.graph.applicationContext";

/// Answers it. What the question leaves out is not taken from elsewhere.
pub(crate) async fn ask(call: &Call<'_>) -> Result<Answer, ODataError> {
    let given = body::object(call.body)?;
    let identity = part(&given, "signInIdentity", SERVICE_PRINCIPAL_SIGN_IN)?;
    let context = part(&given, "signInContext", APPLICATION_CONTEXT)?;
    let id = identity.get("servicePrincipalId").and_then(Json::as_str).unwrap_or_default();
    let principal_id = guid("signInIdentity.servicePrincipalId", id)?;
    let resources = resources(context)?;
    let empty = Map::new();
    let conditions = given.get("signInConditions").and_then(Json::as_object).unwrap_or(&empty);
    let applied_only = given.get("appliedPoliciesOnly").and_then(Json::as_bool).unwrap_or(false);
    let place = place(call, conditions)?;
    let risk = risk(conditions)?;

    let mut scoped = call.read().await?;
    let found = scoped.get(&SERVICE_PRINCIPAL, &principal_id.to_string()).await.map_err(failed)?;
    let Some(record) = found.filter(|record| record.deleted.is_none()) else {
        return Err(refused(format!(
            "The service principal '{principal_id}' does not exist in the directory."
        )));
    };
    let app_id = record.text("appId").unwrap_or_default().to_owned();
    let client = call.server.store.client(&call.caller.scope, &app_id).await.map_err(failed)?;
    let facts = client.as_ref().and_then(|client| Some((client, client.principal.as_ref()?)));
    let scope = facts.map_or(countersign_access::principal::Scope::Beyond, |(client, principal)| {
        policies::scope_of(client, principal, &call.caller.tenant.id)
    });
    let attributes = record.body.get("customSecurityAttributes").and_then(Json::as_object);
    let attributes = attributes.map(Attributes::read).unwrap_or_default();
    let tenant = call.server.policies.of(&call.server.store, &call.caller.scope).await.map_err(internal)?;

    let mut values = Vec::new();
    for (at, resource) in resources.iter().enumerate() {
        let sign_in = SignIn {
            principal: Principal { id: principal_id, scope, attributes: &attributes },
            resource: *resource,
            risk,
            place,
            place_at_resource: None,
        };
        for outcome in tenant.snapshot.evaluate(&sign_in).outcomes() {
            // Of several resources the first that a policy applies to is told, else the first.
            let known = values.iter().position(|(id, _, _)| *id == outcome.policy.id);
            match known {
                Some(known) if outcome.applies => {
                    values[known] = (outcome.policy.id, true, outcome.reasons.to_string());
                }
                Some(_) => {}
                None => {
                    debug_assert_eq!(at, 0);
                    values.push((outcome.policy.id, outcome.applies, outcome.reasons.to_string()));
                }
            }
        }
    }
    let records = scoped.all(&CONDITIONAL_ACCESS_POLICY, &[]).await.map_err(failed)?;
    let mut records: HashMap<String, Record> =
        records.into_iter().map(|record| (record.id.clone(), record)).collect();
    let mut results = Vec::new();
    for (id, applies, reasons) in values {
        if applied_only && !applies {
            continue;
        }
        let Some(mut policy) = records.remove(&id.to_string()) else { continue };
        conditional_access::add_members(call, &super::routes::POLICIES, &mut policy.body);
        policy.body.insert("policyApplies".into(), applies.into());
        policy.body.insert("analysisReasons".into(), if applies { "notSet".into() } else { reasons.into() });
        results.push(project(&WHAT_IF_ANALYSIS_RESULT, call.version, &Select::Default, policy.into_public()));
    }
    let name = "Collection(microsoft.graph.whatIfAnalysisResult)";
    Ok(Answer::ok(super::collections::page_of(call, name, results, None, None)))
}

fn refused(text: impl Into<String>) -> ODataError {
    ODataError::bad_request(text.into())
}

/// A member that must be an object of one type.
fn part<'j>(
    given: &'j Map<String, Json>,
    name: &str,
    kind: &str,
) -> Result<&'j Map<String, Json>, ODataError> {
    let Some(object) = given.get(name).and_then(Json::as_object) else {
        return Err(refused(format!("'{name}' is required and must be an object.")));
    };
    match object.get("@odata.type").and_then(Json::as_str) {
        Some(own) if own.trim_start_matches('#').eq_ignore_ascii_case(kind) => Ok(object),
        Some(other) => {
            let other: String = other.chars().filter(|letter| !letter.is_control()).take(80).collect();
            Err(refused(format!("'{name}' is of type '{other}'; only '#{kind}' can be evaluated.")))
        }
        None => Err(refused(format!("'{name}' needs '@odata.type', which is '#{kind}'."))),
    }
}

fn guid(name: &str, text: &str) -> Result<Uuid, ODataError> {
    Uuid::try_parse(text).map_err(|_| refused(format!("'{name}' must be a GUID.")))
}

fn resources(context: &Map<String, Json>) -> Result<Vec<Uuid>, ODataError> {
    const NAME: &str = "signInContext.includeApplications";
    let listed = context.get("includeApplications").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    if listed.is_empty() || listed.len() > 100 {
        return Err(refused(format!("'{NAME}' must name 1 to 100 applications.")));
    }
    listed.iter().map(|id| guid(NAME, id.as_str().unwrap_or_default())).collect()
}

fn place(call: &Call<'_>, conditions: &Map<String, Json>) -> Result<Place, ODataError> {
    let text = |name: &str| conditions.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
    let address = match text("ipAddress") {
        Some(text) => match text.parse::<IpAddr>() {
            Ok(address) => Some(address),
            Err(_) => return Err(refused("'signInConditions.ipAddress' is not an IP address.")),
        },
        None => None,
    };
    let country = match (text("country"), address) {
        (Some(text), _) => match <[u8; 2]>::try_from(text.to_ascii_uppercase().as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_uppercase) => WhereCountry::Is(Country(letters)),
            _ => return Err(refused("'signInConditions.country' must have the two letters of ISO 3166-1.")),
        },
        (None, Some(address)) => policies::place(&call.server.addresses, address).country,
        (None, None) => WhereCountry::NotSaid,
    };
    Ok(Place { address, country })
}

fn risk(conditions: &Map<String, Json>) -> Result<Risk, ODataError> {
    let Some(text) = conditions.get("servicePrincipalRiskLevel").and_then(Json::as_str) else {
        return Ok(Risk::NotSaid);
    };
    [RiskLevel::None, RiskLevel::Low, RiskLevel::Medium, RiskLevel::High]
        .into_iter()
        .find(|level| level.as_str().eq_ignore_ascii_case(text))
        .map(Risk::Level)
        .ok_or_else(|| {
            refused("'signInConditions.servicePrincipalRiskLevel' must be none, low, medium or high.")
        })
}
