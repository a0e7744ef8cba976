//! `POST /identity/conditionalAccess/evaluate`: what policies would make of a sign-in.

use std::collections::HashMap;

use countersign_access::evaluate::{Place, SignIn, WhereCountry};
use countersign_access::principal::{Attributes, Principal};
use countersign_access::question::Question;
use countersign_odata::error::ODataError;
use countersign_odata::project::project;
use countersign_odata::query::Select;
use countersign_store::Record;
use countersign_store::entity::{CONDITIONAL_ACCESS_POLICY, SERVICE_PRINCIPAL, WHAT_IF_ANALYSIS_RESULT};
use serde_json::Value as Json;

use super::call::{Answer, Call, failed, internal};
use super::{body, conditional_access};
use crate::serve::policies;

/// Answers it. What the question leaves out is not taken from elsewhere.
pub(crate) async fn ask(call: &Call<'_>) -> Result<Answer, ODataError> {
    let given = body::object(call.body)?;
    let question = Question::read(&given).map_err(conditional_access::invalid)?;
    let principal_id = question.principal;
    let place = place(call, &question);

    let mut scoped = call.read().await?;
    let found = scoped.get(&SERVICE_PRINCIPAL, &principal_id.to_string()).await.map_err(failed)?;
    let Some(record) = found.filter(|record| record.deleted.is_none()) else {
        let message = format!("The service principal '{principal_id}' does not exist in the directory.");
        return Err(ODataError::bad_request(message));
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
    for (at, resource) in question.resources.iter().enumerate() {
        let sign_in = SignIn {
            principal: Principal { id: principal_id, scope, attributes: &attributes },
            resource: *resource,
            risk: question.risk,
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
        if question.applied_only && !applies {
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

/// The country is looked up unless it was said.
fn place(call: &Call<'_>, question: &Question) -> Place {
    let country = match (question.country, question.address) {
        (Some(country), _) => WhereCountry::Is(country),
        (None, Some(address)) => policies::place(&call.server.addresses, address).country,
        (None, None) => WhereCountry::NotSaid,
    };
    Place { address: question.address, country }
}
