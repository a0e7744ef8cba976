//! `countersign analyze --into DIR`: findings of an analysis into a server's data, as if it had made them itself.
//!
//! Loading the same analysis again changes nothing: ids of detections are derived from what they rest on. What an
//! administrator decided about a detection stays.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use countersign_detection::detector::RiskyPrincipal;
use countersign_detection::graph::service_principal_risk_detection;
use countersign_detection::risk::Risk;
use countersign_model::finding::Finding;
use countersign_model::risk::{RiskLevel, RiskState};
use countersign_model::time::Timestamp;
use countersign_signals::event::InitiatingEntity;
use countersign_signals::signal::Signal;
use countersign_store::entity::{
    RISK_HISTORY, RISKY_SERVICE_PRINCIPAL, SERVICE_PRINCIPAL, SERVICE_PRINCIPAL_RISK_DETECTION,
};
use countersign_store::{Record, Scoped, Store};
use serde_json::{Map, Value as Json};

use super::graph::risk::{end_tokens, history_item, risk_of, set};
use super::policies::{self, TenantPolicies};
use super::signals::told::{self, Cause};
use super::{clock, directory, ids, init};

/// What was loaded.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) detections: u64,
    pub(crate) principals: u64,
    /// Detections that were there already, as they are.
    pub(crate) known: u64,
}

/// A server's data, opened before the analysis begins, so that a wrong folder is found at once.
pub(crate) struct Target {
    runtime: tokio::runtime::Runtime,
    store: Store,
}

impl Target {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let runtime = super::runtime()?;
        let database = std::env::var("COUNTERSIGN_DATABASE").ok();
        let store = runtime.block_on(init::open(folder, database.as_deref()))?;
        Ok(Self { runtime, store })
    }

    /// Loads what was found. A tenant that the server does not have is an error, and then nothing is loaded.
    pub(crate) fn load(self, findings: &[Finding], risky: &[RiskyPrincipal]) -> Result<Loaded> {
        self.runtime.block_on(async {
            let loaded = load(&self.store, findings, risky).await;
            self.store.close().await;
            loaded
        })
    }
}

async fn load(store: &Store, findings: &[Finding], risky: &[RiskyPrincipal]) -> Result<Loaded> {
    let mut by_tenant: BTreeMap<&str, Vec<&RiskyPrincipal>> = BTreeMap::new();
    for principal in risky {
        by_tenant.entry(&principal.tenant).or_default().push(principal);
    }
    let mut tenants = Vec::new();
    for (id, principals) in by_tenant {
        match store.tenant(id).await? {
            Some(tenant) => tenants.push((tenant, principals)),
            None => bail!(
                "{} of the tenant `{id}`, which the server does not have; \
                 `countersign tenant create --tenant-id {id}` makes it",
                crate::output::count(principals.len() as u64, "risky identity")
            ),
        }
    }
    let mut loaded = Loaded::default();
    for (tenant, principals) in tenants {
        let mut scoped = store.begin(&store.scope(&tenant)).await?;
        let policies = policies::load(&mut scoped).await?;
        for principal in principals {
            let own: Vec<&Finding> =
                findings.iter().filter(|finding| principal.findings.contains(&finding.id)).collect();
            load_principal(&mut scoped, &policies, principal, &own, &mut loaded).await?;
        }
        scoped.commit().await?;
    }
    Ok(loaded)
}

async fn load_principal(
    scoped: &mut Scoped,
    policies: &TenantPolicies,
    principal: &RiskyPrincipal,
    findings: &[&Finding],
    loaded: &mut Loaded,
) -> Result<()> {
    let mut fresh = Vec::new();
    for finding in findings {
        let body = directory::object(service_principal_risk_detection(finding));
        if store_detection(scoped, body).await? {
            loaded.detections += 1;
            fresh.push(*finding);
        } else {
            loaded.known += 1;
        }
    }
    let id = principal.graph.id.to_ascii_lowercase();
    let before = scoped.get(&RISKY_SERVICE_PRINCIPAL, &id).await?;
    let known = before.as_ref().map(risk_of).unwrap_or_default();
    let others = open_elsewhere(scoped, &id, principal).await?;
    let Some(risk) = taken_over(&known, &principal.risk, Fresh::of(&fresh), others) else { return Ok(()) };
    let mut record = if let Some(record) = before {
        record
    } else {
        let body = risky_body(scoped, principal).await?;
        scoped.insert(&RISKY_SERVICE_PRINCIPAL, body).await?
    };
    set(&mut record, &risk, "none", risk.updated);
    let record: Record = scoped.update(&RISKY_SERVICE_PRINCIPAL, record).await?;
    let ended =
        end_tokens(scoped, policies, &record.id, (known.level, known.state), &risk, clock::now()).await?;
    tell(scoped, &record.id, (known.level, &risk), &fresh, ended)?;
    let mut types: Vec<String> =
        fresh.iter().map(|finding| finding.risk_event_type.as_str().to_owned()).collect();
    types.sort();
    types.dedup();
    scoped.insert(&RISK_HISTORY, history_item(&record, None, &types, risk.updated)?).await?;
    loaded.principals += 1;
    Ok(())
}

/// Says on what an analysis found.
fn tell(
    scoped: &mut Scoped,
    id: &str,
    (previous, risk): (RiskLevel, &Risk),
    fresh: &[&Finding],
    ended: bool,
) -> Result<()> {
    let txn = ids::guid()?;
    let cause = Cause { at: clock::now(), by: InitiatingEntity::System, txn: &txn };
    let worst = fresh.iter().max_by_key(|finding| finding.level);
    let reason = worst.map(|finding| finding.risk_event_type);
    told::tell(scoped, id, [Signal::RiskChanged { previous, current: risk.level, reason }], &cause);
    if ended {
        told::tell(scoped, id, [Signal::Revoked], &cause);
    }
    Ok(())
}

/// Findings of an identity that the server did not have, or that have grown.
#[derive(Clone, Copy, Debug)]
struct Fresh {
    /// The highest among them.
    level: RiskLevel,
    /// When the newest was detected.
    detected: Timestamp,
}

impl Fresh {
    fn of(findings: &[&Finding]) -> Option<Self> {
        let level = findings.iter().map(|finding| finding.level).max()?;
        let detected = findings.iter().map(|finding| finding.detected).max()?;
        Some(Fresh { level, detected })
    }
}

/// The risk that the server knows, after an analysis; `None` where the analysis changes nothing. The analysis has replayed
/// what ended a risk as well as what began it, so its word is taken as it is, with two exceptions: an administrator's
/// decision holds against findings that it was about, and an open risk is neither lowered nor ended by an analysis
/// that did not see all of it. `others` is the highest level of open detections that the analysis does not know.
fn taken_over(known: &Risk, analysed: &Risk, fresh: Option<Fresh>, others: RiskLevel) -> Option<Risk> {
    let mut risk = known.clone();
    risk.updated = analysed.updated.max(known.updated);
    match (known.state, fresh) {
        (RiskState::ConfirmedCompromised, _) | (RiskState::Dismissed | RiskState::ConfirmedSafe, None) => {
            return None;
        }
        (RiskState::Dismissed | RiskState::ConfirmedSafe, Some(fresh))
            if analysed.state == RiskState::AtRisk =>
        {
            risk.updated = fresh.detected.max(known.updated);
            (risk.level, risk.state) = (fresh.level, RiskState::AtRisk);
        }
        // Logs of earlier days, or the same ones again.
        (_, None) if analysed.updated <= known.updated => return None,
        _ => {
            let is_open = known.state == RiskState::AtRisk && analysed.state == RiskState::AtRisk;
            let open = if is_open { known.level.max(others) } else { others };
            let is_ended = open == RiskLevel::None && analysed.state != RiskState::AtRisk;
            risk.level = analysed.level.max(open);
            risk.state = if is_ended { analysed.state } else { RiskState::AtRisk };
        }
    }
    ((risk.level, risk.state) != (known.level, known.state)).then_some(risk)
}

/// The highest level among open detections of an identity that the analysis does not know.
async fn open_elsewhere(scoped: &mut Scoped, id: &str, principal: &RiskyPrincipal) -> Result<RiskLevel> {
    let mut highest = RiskLevel::None;
    for detection in scoped.all(&SERVICE_PRINCIPAL_RISK_DETECTION, &[("service_principal_id", id)]).await? {
        let is_known = principal.findings.iter().any(|known| known.eq_ignore_ascii_case(&detection.id));
        if !is_known && detection.text("riskState") == Some("atRisk") {
            highest = highest.max(risk_of(&detection).level);
        }
    }
    Ok(highest)
}

/// The identity as the directory has it, or as the logs showed it.
async fn risky_body(scoped: &mut Scoped, principal: &RiskyPrincipal) -> Result<Map<String, Json>> {
    let mut body = directory::object(serde_json::to_value(&principal.graph).context("a risky identity")?);
    body.insert("riskLevel".into(), "none".into());
    body.insert("riskState".into(), "none".into());
    body.insert("riskDetail".into(), "none".into());
    let id = principal.graph.id.to_ascii_lowercase();
    if let Some(known) = scoped.get(&SERVICE_PRINCIPAL, &id).await? {
        for name in ["displayName", "appId", "servicePrincipalType"] {
            body.insert(name.into(), known.body.get(name).cloned().unwrap_or(Json::Null));
        }
        let is_enabled = known.deleted.is_none() && known.flag("accountEnabled").unwrap_or(true);
        body.insert("isEnabled".into(), is_enabled.into());
    }
    body.insert("accountEnabled".into(), body.get("isEnabled").cloned().unwrap_or(Json::Null));
    Ok(body)
}

/// Whether a detection is new, or has grown. What an administrator decided is kept.
async fn store_detection(scoped: &mut Scoped, mut body: Map<String, Json>) -> Result<bool> {
    let id = body.get("id").and_then(Json::as_str).unwrap_or_default().to_ascii_lowercase();
    body.insert("mitreTechniqueId".into(), "T1078.004".into());
    let Some(mut known) = scoped.get(&SERVICE_PRINCIPAL_RISK_DETECTION, &id).await? else {
        scoped.insert(&SERVICE_PRINCIPAL_RISK_DETECTION, body).await?;
        return Ok(true);
    };
    for name in ["riskState", "riskDetail", "lastUpdatedDateTime"] {
        if known.text("riskState") != Some("atRisk") {
            body.insert(name.into(), known.body.get(name).cloned().unwrap_or(Json::Null));
        }
    }
    if known.body == body {
        return Ok(false);
    }
    let is_open = known.text("riskState") == Some("atRisk");
    known.body = body;
    scoped.update(&SERVICE_PRINCIPAL_RISK_DETECTION, known).await?;
    Ok(is_open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_detection::risk::RiskEvent;
    use countersign_model::time::DAY;

    fn risk(level: RiskLevel, state: RiskState, day: i64) -> Risk {
        let mut risk = Risk::default();
        (risk.level, risk.state, risk.updated) = (level, state, Timestamp(day * DAY));
        risk
    }

    fn at_risk(level: RiskLevel, day: i64) -> Risk {
        risk(level, RiskState::AtRisk, day)
    }

    fn ended(state: RiskState, day: i64) -> Risk {
        risk(RiskLevel::None, state, day)
    }

    fn fresh(level: RiskLevel, day: i64) -> Fresh {
        Fresh { level, detected: Timestamp(day * DAY) }
    }

    #[test]
    fn what_an_analysis_means_for_a_known_risk() {
        use RiskLevel::{High, Low, Medium, None as NoLevel};
        use RiskState::{ConfirmedCompromised, Dismissed, Remediated};
        let nothing = Risk::default();
        for (what, known, analysed, fresh, others, expected) in [
            (
                "a first risk",
                nothing.clone(),
                at_risk(High, 3),
                Some(fresh(High, 3)),
                NoLevel,
                Some((High, 3)),
            ),
            ("the same again", at_risk(High, 3), at_risk(High, 3), None, NoLevel, None),
            ("more of the same", at_risk(High, 3), at_risk(High, 3), Some(fresh(High, 5)), NoLevel, None),
            ("a lower one beside it", at_risk(High, 3), at_risk(Low, 5), Some(fresh(Low, 5)), NoLevel, None),
            (
                "a higher one",
                at_risk(Low, 3),
                at_risk(High, 5),
                Some(fresh(High, 5)),
                NoLevel,
                Some((High, 5)),
            ),
            ("earlier logs", ended(Remediated, 9), at_risk(High, 3), None, NoLevel, None),
            ("dismissed", ended(Dismissed, 9), at_risk(High, 3), None, NoLevel, None),
            (
                "found anew",
                ended(Dismissed, 9),
                at_risk(High, 3),
                Some(fresh(Medium, 8)),
                NoLevel,
                Some((Medium, 9)),
            ),
            (
                "confirmed",
                risk(High, ConfirmedCompromised, 2),
                ended(Remediated, 9),
                Some(fresh(Low, 3)),
                NoLevel,
                None,
            ),
            ("open elsewhere", at_risk(High, 3), ended(Remediated, 9), None, Medium, Some((Medium, 9))),
        ] {
            let found = taken_over(&known, &analysed, fresh, others);
            let expected = expected.map(|(level, day)| (level, RiskState::AtRisk, Timestamp(day * DAY)));
            assert_eq!(found.map(|risk| (risk.level, risk.state, risk.updated)), expected, "{what}");
        }
    }

    #[test]
    fn a_risk_that_the_logs_show_as_ended_is_ended() {
        let analysed = ended(RiskState::Remediated, 9);
        for known in [Risk::default(), at_risk(RiskLevel::High, 3), ended(RiskState::Dismissed, 4)] {
            let mut after =
                taken_over(&known, &analysed, Some(fresh(RiskLevel::High, 3)), RiskLevel::None).unwrap();
            assert_eq!((after.level, after.state), (RiskLevel::None, RiskState::Remediated));
            assert_eq!(after.updated, Timestamp(9 * DAY));
            after.apply(&RiskEvent::Findings(RiskLevel::Low), Timestamp(10 * DAY));
            assert_eq!(after.state, RiskState::AtRisk, "and a finding opens it again");
        }
    }
}
