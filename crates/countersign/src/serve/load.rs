//! `countersign analyze --into DIR`: findings of an analysis into a server's data, as if it had made them itself.
//!
//! Loading the same analysis again changes nothing: ids of detections are derived from what they rest on. What an
//! administrator decided about a detection stays.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use countersign_detection::detector::RiskyPrincipal;
use countersign_detection::graph::service_principal_risk_detection;
use countersign_detection::risk::RiskEvent;
use countersign_model::finding::Finding;
use countersign_model::risk::RiskState;
use countersign_store::entity::{
    RISK_HISTORY, RISKY_SERVICE_PRINCIPAL, SERVICE_PRINCIPAL, SERVICE_PRINCIPAL_RISK_DETECTION,
};
use countersign_store::{Record, Scoped, Store};
use serde_json::{Map, Value as Json};

use super::graph::risk::{history_item, risk_of};
use super::{directory, init};

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
        for principal in principals {
            let own: Vec<&Finding> =
                findings.iter().filter(|finding| principal.findings.contains(&finding.id)).collect();
            load_principal(&mut scoped, principal, &own, &mut loaded).await?;
        }
        scoped.commit().await?;
    }
    Ok(loaded)
}

async fn load_principal(
    scoped: &mut Scoped,
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
    let Some(newest) = fresh.iter().map(|finding| finding.updated).max() else { return Ok(()) };
    let level = fresh.iter().map(|finding| finding.level).max().unwrap_or_default();
    let id = principal.graph.id.to_ascii_lowercase();
    let before = scoped.get(&RISKY_SERVICE_PRINCIPAL, &id).await?;
    let record = if let Some(record) = before {
        record
    } else {
        let body = risky_body(scoped, principal).await?;
        scoped.insert(&RISKY_SERVICE_PRINCIPAL, body).await?
    };
    let mut risk = risk_of(&record);
    let (old_level, old_state) = (risk.level, risk.state);
    // A new finding can raise an open risk; it does not lower one that is higher.
    let level = if risk.state == RiskState::AtRisk { level.max(risk.level) } else { level };
    risk.apply(&RiskEvent::Findings(level), newest);
    if (risk.level, risk.state) == (old_level, old_state) {
        return Ok(());
    }
    let mut record = record;
    record.body.insert("riskLevel".into(), risk.level.as_str().into());
    record.body.insert("riskState".into(), risk.state.as_str().into());
    record.body.insert("riskDetail".into(), "none".into());
    record.body.insert("riskLastUpdatedDateTime".into(), newest.to_string().into());
    let record: Record = scoped.update(&RISKY_SERVICE_PRINCIPAL, record).await?;
    let mut types: Vec<String> =
        fresh.iter().map(|finding| finding.risk_event_type.as_str().to_owned()).collect();
    types.sort();
    types.dedup();
    scoped.insert(&RISK_HISTORY, history_item(&record, None, &types, newest)?).await?;
    loaded.principals += 1;
    Ok(())
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
