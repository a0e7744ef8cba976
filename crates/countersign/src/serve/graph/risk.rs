//! Identity Protection: what administrators decide about risk, and what a tenant's plan shows of it.

use countersign_detection::risk::{Risk, RiskEvent};
use countersign_model::risk::{RiskDetail, RiskLevel, RiskState};
use countersign_model::time::Timestamp;
use countersign_odata::error::ODataError;
use countersign_odata::query::Options;
use countersign_odata::value::parse_instant;
use countersign_signals::signal::Signal;
use countersign_store::entity::{
    RISK_HISTORY, RISKY_SERVICE_PRINCIPAL, SERVICE_PRINCIPAL, SERVICE_PRINCIPAL_RISK_DETECTION,
};
use countersign_store::{Record, Scoped, StoreError};
use serde_json::{Map, Value as Json, json};

use super::audit::{self, Change};
use super::body;
use super::call::{Answer, Call, failed, internal};
use super::routes::Collection;
use crate::serve::policies::TenantPolicies;
use crate::serve::signals::told;
use crate::serve::{directory, ids, watermarks};

/// Service principals of one action, as documented for `dismiss`.
const ACTION_IDS_MAX: usize = 60;

/// What an administrator says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    ConfirmCompromised,
    Dismiss,
}

/// `confirmCompromised` and `dismiss`. Unknown ids are passed over, unless all are unknown.
pub(crate) async fn decide(call: &Call<'_>, decision: Decision) -> Result<Answer, ODataError> {
    let given = body::object(call.body)?;
    let ids = service_principal_ids(&given)?;
    // Before the transaction: whoever holds a connection to the database does not wait for another.
    let policies = call.server.policies.of(&call.server.store, &call.caller.scope).await.map_err(internal)?;
    let mut scoped = call.begin().await?;
    let mut is_any_known = false;
    for id in &ids {
        let risky = scoped.get(&RISKY_SERVICE_PRINCIPAL, id).await.map_err(failed)?;
        let principal = scoped.get(&SERVICE_PRINCIPAL, id).await.map_err(failed)?;
        let principal = principal.filter(|principal| principal.deleted.is_none());
        let body = match (risky, principal) {
            (Some(risky), _) => risky,
            (None, Some(principal)) if decision == Decision::ConfirmCompromised => {
                let body = risky_body(&principal.body, call.now);
                scoped.insert(&RISKY_SERVICE_PRINCIPAL, body).await.map_err(failed)?
            }
            _ => continue,
        };
        is_any_known = true;
        apply(call, &mut scoped, &policies, body, decision).await?;
    }
    if !is_any_known {
        return Err(ODataError::not_found(&ids[0]).with_code("ResourceNotFound"));
    }
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

fn service_principal_ids(given: &Map<String, Json>) -> Result<Vec<String>, ODataError> {
    let ids = given.get("servicePrincipalIds").and_then(Json::as_array);
    let Some(ids) = ids.filter(|ids| !ids.is_empty()) else {
        return Err(ODataError::bad_request("'servicePrincipalIds' must be a list with at least one id."));
    };
    if ids.len() > ACTION_IDS_MAX {
        return Err(ODataError::bad_request(format!(
            "'servicePrincipalIds' holds {} ids; at most {ACTION_IDS_MAX} are taken in one request.",
            ids.len()
        )));
    }
    let mut known = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(id) = id.as_str() else {
            return Err(ODataError::bad_request("Every member of 'servicePrincipalIds' must be a string."));
        };
        let id = id.to_ascii_lowercase();
        if !known.contains(&id) {
            known.push(id);
        }
    }
    Ok(known)
}

/// A service principal that nobody has found risky yet.
pub(crate) fn risky_body(principal: &Map<String, Json>, now: Timestamp) -> Map<String, Json> {
    let of = |name: &str| principal.get(name).cloned().unwrap_or(Json::Null);
    let is_enabled = principal.get("accountEnabled").and_then(Json::as_bool).unwrap_or(true);
    directory::object(json!({
        "id": of("id"),
        "accountEnabled": is_enabled,
        "appId": of("appId"),
        "displayName": of("displayName"),
        "isEnabled": is_enabled,
        "isProcessing": false,
        "riskDetail": "none",
        "riskLastUpdatedDateTime": now.to_string(),
        "riskLevel": "none",
        "riskState": "none",
        "servicePrincipalType": of("servicePrincipalType"),
    }))
}

async fn apply(
    call: &Call<'_>,
    scoped: &mut Scoped,
    policies: &TenantPolicies,
    risky: Record,
    decision: Decision,
) -> Result<(), ODataError> {
    let mut risk = risk_of(&risky);
    let by = call.caller.object_id().to_owned();
    let (event, detail) = match decision {
        Decision::ConfirmCompromised => {
            (RiskEvent::ConfirmedCompromised { by }, "adminConfirmedServicePrincipalCompromised")
        }
        Decision::Dismiss => (RiskEvent::Dismissed { by }, "adminDismissedAllRiskForServicePrincipal"),
    };
    let before = (risk.level, risk.state, risk.detail);
    risk.apply(&event, call.now);
    if before == (risk.level, risk.state, risk.detail) {
        // Clients repeat requests whose answer was lost; the second one changes nothing of the risk. Who confirms once more wants
        // to be sure that what was issued meanwhile is over.
        if decision == Decision::ConfirmCompromised
            && revoke(scoped, &risky.id, call.now).await.map_err(failed)?
        {
            told::tell(scoped, &risky.id, [Signal::Revoked], &call.cause());
        }
        return Ok(());
    }
    let mut risky = risky;
    set(&mut risky, &risk, detail, call.now);
    let risky = scoped.update(&RISKY_SERVICE_PRINCIPAL, risky).await.map_err(failed)?;

    end_tokens(scoped, policies, &risky.id, (before.0, before.1), &risk, call.now).await.map_err(failed)?;
    let signal = match decision {
        Decision::ConfirmCompromised => Signal::Confirmed { previous: before.0 },
        Decision::Dismiss => Signal::Dismissed { previous: before.0 },
    };
    told::tell(scoped, &risky.id, [signal], &call.cause());
    let mut event_types = settle_detections(scoped, &risky, &risk, detail, call.now).await?;
    let activity = match decision {
        Decision::ConfirmCompromised => {
            let detection = admin_detection(&risky, call.now).map_err(internal)?;
            scoped.insert(&SERVICE_PRINCIPAL_RISK_DETECTION, detection).await.map_err(failed)?;
            event_types = vec!["adminConfirmedServicePrincipalCompromised".to_owned()];
            "Confirm service principal compromised"
        }
        Decision::Dismiss => "Dismiss service principal risk",
    };
    event_types.sort();
    event_types.dedup();
    let item =
        history_item(&risky, Some(call.caller.object_id()), &event_types, call.now).map_err(internal)?;
    scoped.insert(&RISK_HISTORY, item).await.map_err(failed)?;
    // The log is read by whoever may not see the risk.
    let is_premium = call.caller.tenant.is_premium(call.now);
    let shown = |level: RiskLevel| if is_premium { level.as_str() } else { "hidden" };
    let change = Change {
        activity,
        operation: "Update",
        category: "IdentityProtection",
        service: "Identity Protection",
        targets: vec![audit::target_of(
            "ServicePrincipal",
            &risky,
            vec![
                audit::modified("RiskLevel", &shown(before.0).into(), &shown(risk.level).into()),
                audit::modified("RiskState", &before.1.as_str().into(), &risk.state.as_str().into()),
            ],
        )],
    };
    audit::write(call, scoped, change).await?;
    if decision == Decision::ConfirmCompromised && call.server.config.graph.disable_on_confirm {
        super::applications::disable(call, scoped, &risky.id).await?;
    }
    Ok(())
}

/// Ends the tokens of a principal whose risk became high, or one that an enabled policy is about, or is confirmed; whether it
/// did.
pub(crate) async fn end_tokens(
    scoped: &mut Scoped,
    policies: &TenantPolicies,
    id: &str,
    (level, state): (RiskLevel, RiskState),
    risk: &Risk,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let counts = matches!(risk.state, RiskState::AtRisk | RiskState::ConfirmedCompromised);
    let matters = risk.level == RiskLevel::High || policies.snapshot.is_level_enforced(risk.level);
    let is_confirmed = risk.state == RiskState::ConfirmedCompromised && state != risk.state;
    if !counts || !matters || (risk.level == level && !is_confirmed) {
        return Ok(false);
    }
    revoke(scoped, id, now).await
}

/// Ends the tokens of a principal; false where there is none.
pub(crate) async fn revoke(scoped: &mut Scoped, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let Some(mut principal) = scoped.get(&SERVICE_PRINCIPAL, id).await? else { return Ok(false) };
    watermarks::revoke(&mut principal.body, now);
    scoped.update(&SERVICE_PRINCIPAL, principal).await?;
    Ok(true)
}

/// Writes a risk into a risky service principal.
pub(crate) fn set(risky: &mut Record, risk: &Risk, detail: &str, updated: Timestamp) {
    for (name, value) in [
        ("riskLevel", risk.level.as_str().into()),
        ("riskState", risk.state.as_str().into()),
        ("riskDetail", detail.into()),
        ("riskLastUpdatedDateTime", updated.to_string().into()),
    ] {
        risky.body.insert(name.to_owned(), value);
    }
}

/// The state machine's view of a risky service principal.
pub(crate) fn risk_of(risky: &Record) -> Risk {
    let mut risk = Risk::default();
    risk.level = match risky.text("riskLevel") {
        Some("low") => RiskLevel::Low,
        Some("medium") => RiskLevel::Medium,
        Some("high") => RiskLevel::High,
        _ => RiskLevel::None,
    };
    risk.state = match risky.text("riskState") {
        Some("atRisk") => RiskState::AtRisk,
        Some("confirmedCompromised") => RiskState::ConfirmedCompromised,
        Some("confirmedSafe") => RiskState::ConfirmedSafe,
        Some("dismissed") => RiskState::Dismissed,
        Some("remediated") => RiskState::Remediated,
        _ => RiskState::None,
    };
    risk.detail = match risky.text("riskDetail") {
        Some("adminConfirmedServicePrincipalCompromised") => {
            RiskDetail::AdminConfirmedServicePrincipalCompromised
        }
        Some("adminDismissedAllRiskForServicePrincipal") => {
            RiskDetail::AdminDismissedAllRiskForServicePrincipal
        }
        _ => RiskDetail::None,
    };
    let updated = risky.text("riskLastUpdatedDateTime").and_then(parse_instant).unwrap_or(0);
    risk.updated = Timestamp(updated);
    risk
}

/// Carries a decision over to the open detections; returns their types.
async fn settle_detections(
    scoped: &mut Scoped,
    risky: &Record,
    risk: &Risk,
    detail: &str,
    now: Timestamp,
) -> Result<Vec<String>, ODataError> {
    let mut types = Vec::new();
    let within = [("service_principal_id", risky.id.as_str())];
    let all = scoped.all(&SERVICE_PRINCIPAL_RISK_DETECTION, &within).await.map_err(failed)?;
    for mut detection in all {
        let is_open = matches!(detection.text("riskState"), Some("atRisk" | "confirmedCompromised"));
        if !is_open || detection.text("riskState") == Some(risk.state.as_str()) {
            continue;
        }
        types.extend(detection.text("riskEventType").map(str::to_owned));
        detection.body.insert("riskState".into(), risk.state.as_str().into());
        detection.body.insert("riskDetail".into(), detail.into());
        detection.body.insert("lastUpdatedDateTime".into(), now.to_string().into());
        scoped.update(&SERVICE_PRINCIPAL_RISK_DETECTION, detection).await.map_err(failed)?;
    }
    Ok(types)
}

/// The detection that a confirmation is.
fn admin_detection(risky: &Record, now: Timestamp) -> anyhow::Result<Map<String, Json>> {
    Ok(detection(&risky.body, &ids::hexadecimal(&ids::random::<32>()?), now))
}

/// A detection that does not come of logs, about a service principal or its risk; as it is when an administrator confirms.
pub(crate) fn detection(principal: &Map<String, Json>, id: &str, now: Timestamp) -> Map<String, Json> {
    let of = |name: &str| principal.get(name).cloned().unwrap_or(Json::Null);
    directory::object(json!({
        "id": id,
        "activity": "servicePrincipal",
        "activityDateTime": now.to_string(),
        "additionalInfo":
            r#"[{"Key":"alertUrl","Value":null},{"Key":"mitreTechniques","Value":"T1078"}]"#,
        "appId": of("appId"),
        "correlationId": null,
        "detectedDateTime": now.to_string(),
        "detectionTimingType": "offline",
        "ipAddress": null,
        "keyIds": [],
        "lastUpdatedDateTime": now.to_string(),
        "location": null,
        "mitreTechniqueId": "T1078",
        "requestId": null,
        "riskDetail": "adminConfirmedServicePrincipalCompromised",
        "riskEventType": "adminConfirmedServicePrincipalCompromised",
        "riskLevel": "high",
        "riskState": "confirmedCompromised",
        "servicePrincipalDisplayName": of("displayName"),
        "servicePrincipalId": of("id"),
        "source": "IdentityProtection",
        "tokenIssuerType": "AzureAD",
    }))
}

/// One change of risk, as history keeps it.
pub(crate) fn history_item(
    risky: &Record,
    initiated_by: Option<&str>,
    event_types: &[String],
    now: Timestamp,
) -> anyhow::Result<Map<String, Json>> {
    let mut item = risky.body.clone();
    item.insert("id".into(), ids::ordered(now)?.to_string().into());
    item.insert("servicePrincipalId".into(), risky.id.as_str().into());
    item.insert("initiatedBy".into(), initiated_by.into());
    let detail = item.get("riskDetail").cloned().unwrap_or(Json::Null);
    item.insert("activity".into(), json!({ "detail": detail, "riskEventTypes": event_types }));
    Ok(item)
}

/// Keeps the risky object in line with its service principal.
pub(crate) async fn follow_principal(scoped: &mut Scoped, principal: &Record) -> Result<(), ODataError> {
    let Some(mut risky) = scoped.get(&RISKY_SERVICE_PRINCIPAL, &principal.id).await.map_err(failed)? else {
        return Ok(());
    };
    let is_enabled = principal.deleted.is_none() && principal.flag("accountEnabled").unwrap_or(true);
    let name = principal.body.get("displayName").cloned().unwrap_or(Json::Null);
    if risky.flag("isEnabled") == Some(is_enabled) && risky.body.get("displayName") == Some(&name) {
        return Ok(());
    }
    risky.body.insert("isEnabled".into(), is_enabled.into());
    risky.body.insert("accountEnabled".into(), is_enabled.into());
    risky.body.insert("displayName".into(), name);
    scoped.update(&RISKY_SERVICE_PRINCIPAL, risky).await.map(drop).map_err(failed)
}

/// Properties that a tenant without premium plan must not learn.
const HIDDEN: [&str; 3] = ["riskLevel", "riskDetail", "riskEventType"];

fn is_hidden(call: &Call<'_>, collection: &'static Collection) -> bool {
    let is_risk = matches!(
        collection.set.entity.name,
        "riskyServicePrincipal" | "riskyServicePrincipalHistoryItem" | "servicePrincipalRiskDetection"
    );
    is_risk && !call.caller.tenant.is_premium(call.now)
}

/// Hides details from tenants without premium plan.
pub(crate) fn hide(call: &Call<'_>, collection: &'static Collection, body: &mut Json) {
    if !is_hidden(call, collection) {
        return;
    }
    let Json::Object(members) = body else { return };
    for name in ["riskLevel", "riskDetail"] {
        if members.contains_key(name) {
            members.insert(name.into(), "hidden".into());
        }
    }
    let is_admin = members.get("riskEventType").and_then(Json::as_str)
        == Some("adminConfirmedServicePrincipalCompromised");
    if members.contains_key("riskEventType") && !is_admin {
        members.insert("riskEventType".into(), "generic".into());
    }
    if members.contains_key("additionalInfo") {
        members.insert("additionalInfo".into(), "[]".into());
    }
    if let Some(activity) = members.get_mut("activity").filter(|activity| activity.is_object()) {
        *activity = json!({ "detail": "hidden", "riskEventTypes": [] });
    }
}

/// A filter or an order on what is hidden would tell it all the same.
pub(crate) fn check_plan(
    call: &Call<'_>,
    collection: &'static Collection,
    options: &Options,
) -> Result<(), ODataError> {
    if !is_hidden(call, collection) {
        return Ok(());
    }
    let mut asks = options
        .order_by
        .iter()
        .any(|by| HIDDEN.iter().any(|name| by.path.segments.iter().any(|part| part == name)));
    if let Some(filter) = &options.filter {
        filter.paths(&mut |path, _| {
            asks |= path.segments.iter().any(|part| {
                HIDDEN.contains(&part.as_ref()) || part == "activity" || part == "additionalInfo"
            });
        });
    }
    asks |= options.search.is_some();
    if asks {
        return Err(ODataError::not_premium(
            "The tenant's plan does not show risk levels; filtering and sorting by them needs the premium plan.",
        ));
    }
    Ok(())
}
