//! `POST /identity/conditionalAccess/evaluate`: what policies would make of a sign-in.

use std::collections::HashMap;

use countersign_access::evaluate::{Conditions, Outcome, Place, Reasons, SignIn, WhereCountry};
use countersign_access::principal::{Attributes, Principal};
use countersign_access::question::Question;
use countersign_odata::error::ODataError;
use countersign_odata::project::project;
use countersign_odata::query::Select;
use countersign_store::Record;
use countersign_store::entity::{CONDITIONAL_ACCESS_POLICY, SERVICE_PRINCIPAL, WHAT_IF_ANALYSIS_RESULT};
use serde_json::Value as Json;

use super::call::{Answer, Call, Caller, failed, internal};
use super::{body, conditional_access};
use crate::serve::{Server, policies};

/// What a policy makes of what was asked; of several resources at the first that it applies to, else at the first.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) policy: Record,
    pub(crate) applies: bool,
    /// Graph's reasons, and below what they do not tell apart.
    pub(crate) reasons: Reasons,
    pub(crate) is_in_scope: bool,
    pub(crate) not_satisfied: Conditions,
    pub(crate) unknown: Conditions,
}

/// Answers it. What the question leaves out is not taken from elsewhere.
pub(crate) async fn ask(call: &Call<'_>) -> Result<Answer, ODataError> {
    let given = body::object(call.body)?;
    let question = Question::read(&given).map_err(conditional_access::invalid)?;
    let mut results = Vec::new();
    for Judged { mut policy, applies, reasons, .. } in judge(call.server, call.caller, &question).await? {
        conditional_access::add_members(call, &super::routes::POLICIES, &mut policy.body);
        policy.body.insert("policyApplies".into(), applies.into());
        let reasons = if applies { Reasons::default() } else { reasons };
        policy.body.insert("analysisReasons".into(), reasons.to_string().into());
        results.push(project(&WHAT_IF_ANALYSIS_RESULT, call.version, &Select::Default, policy.into_public()));
    }
    let name = "Collection(microsoft.graph.whatIfAnalysisResult)";
    Ok(Answer::ok(super::collections::page_of(call, name, results, None, None)))
}

/// What each policy of the caller's tenant makes of it, in the order of the policies; those alone that apply, if only they are
/// asked for.
pub(crate) async fn judge(
    server: &Server,
    caller: &Caller,
    question: &Question,
) -> Result<Vec<Judged>, ODataError> {
    let principal_id = question.principal;
    // One connection at a time: whoever holds one does not wait for another.
    let read = async || server.store.read(&caller.scope).await.map_err(failed);
    let found = read().await?.get(&SERVICE_PRINCIPAL, &principal_id.to_string()).await.map_err(failed)?;
    let Some(record) = found.filter(|record| record.deleted.is_none()) else {
        let message = format!("The service principal '{principal_id}' does not exist in the directory.");
        return Err(ODataError::bad_request(message));
    };
    let app_id = record.text("appId").unwrap_or_default().to_owned();
    let client = server.store.client(&caller.scope, &app_id).await.map_err(failed)?;
    let facts = client.as_ref().and_then(|client| Some((client, client.principal.as_ref()?)));
    let scope = facts.map_or(countersign_access::principal::Scope::Beyond, |(client, principal)| {
        policies::scope_of(client, principal, &caller.tenant.id)
    });
    let attributes = record.body.get("customSecurityAttributes").and_then(Json::as_object);
    let attributes = attributes.map(Attributes::read).unwrap_or_default();
    let tenant = server.policies.of(&server.store, &caller.scope).await.map_err(internal)?;
    let records = read().await?.all(&CONDITIONAL_ACCESS_POLICY, &[]).await.map_err(failed)?;
    let mut records: HashMap<String, Record> =
        records.into_iter().map(|record| (record.id.clone(), record)).collect();

    let mut outcomes: Vec<Outcome<'_>> = Vec::new();
    for resource in &question.resources {
        let sign_in = SignIn {
            principal: Principal { id: principal_id, scope, attributes: &attributes },
            resource: *resource,
            risk: question.risk,
            place: place(server, question),
            place_at_resource: None,
        };
        for outcome in tenant.snapshot.evaluate(&sign_in).outcomes() {
            match outcomes.iter().position(|known| known.policy.id == outcome.policy.id) {
                Some(known) if outcome.applies && !outcomes[known].applies => outcomes[known] = outcome,
                Some(_) => {}
                None => outcomes.push(outcome),
            }
        }
    }
    let wanted = outcomes.into_iter().filter(|outcome| outcome.applies || !question.applied_only);
    let judged = wanted.filter_map(|outcome| {
        Some(Judged {
            policy: records.remove(&outcome.policy.id.to_string())?,
            applies: outcome.applies,
            reasons: outcome.reasons,
            is_in_scope: outcome.is_in_scope,
            not_satisfied: outcome.not_satisfied,
            unknown: outcome.unknown,
        })
    });
    Ok(judged.collect())
}

/// The country is looked up unless it was said.
fn place(server: &Server, question: &Question) -> Place {
    let country = match (question.country, question.address) {
        (Some(country), _) => WhereCountry::Is(country),
        (None, Some(address)) => policies::place(&server.addresses, address).country,
        (None, None) => WhereCountry::NotSaid,
    };
    Place { address: question.address, country }
}
