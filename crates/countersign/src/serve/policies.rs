//! Conditional Access as this server keeps it: the policies of each tenant, compiled once for each change, and what a sign-in
//! looks like to them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, RwLock};

use anyhow::{Context as _, Result};
use countersign_access::evaluate::{Place, Risk, SignIn, WhereCountry};
use countersign_access::location::NamedLocation;
use countersign_access::policy::{Policy, State};
use countersign_access::principal::{Attributes, Principal, Scope, ScopeFacts};
use countersign_access::snapshot::Snapshot;
use countersign_enrichment::table::IpTable;
use countersign_model::client::{Client, ClientPrincipal};
use countersign_model::risk::RiskLevel;
use countersign_model::time::Timestamp;
use countersign_store::entity::{CONDITIONAL_ACCESS_POLICY, NAMED_LOCATION, SERVICE_PRINCIPAL};
use countersign_store::{Record, Scoped, Store, TenantScope};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

/// Member of a policy's or location's body: when it was last made, changed or restored, in microseconds since 1970.
pub(crate) const CHANGED: &str = "_changedUs";
/// Tenants whose policies are kept; beyond that all are read again as they are needed.
const TENANTS_MAX: usize = 10_000;

/// The policies of a tenant.
#[derive(Debug, Default)]
pub(crate) struct TenantPolicies {
    pub(crate) snapshot: Snapshot,
    /// When an enabled policy, or a location that one rests on, was last changed.
    pub(crate) changed: Option<Timestamp>,
}

/// The policies of all tenants, as long as nobody changes one.
#[derive(Default)]
pub(crate) struct Policies {
    kept: RwLock<HashMap<String, (u64, Arc<TenantPolicies>)>>,
}

impl Policies {
    /// The policies of a tenant as they are now. On an error nobody who may be under one must get anything.
    pub(crate) async fn of(&self, store: &Store, scope: &TenantScope) -> Result<Arc<TenantPolicies>> {
        let generation = store.policy_generation(scope);
        if let Some(generation) = generation {
            let kept = self.kept.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some((made_at, policies)) = kept.get(scope.tenant_id())
                && *made_at == generation
            {
                return Ok(Arc::clone(policies));
            }
        }
        let policies = Arc::new(Box::pin(load(&mut store.read(scope).await?)).await?);
        if let Some(generation) = generation {
            let mut kept = self.kept.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            if kept.len() >= TENANTS_MAX {
                kept.clear();
            }
            kept.insert(scope.tenant_id().to_owned(), (generation, Arc::clone(&policies)));
        }
        Ok(policies)
    }
}

/// The policies of a tenant as its rows say.
pub(crate) async fn load(scoped: &mut Scoped) -> Result<TenantPolicies> {
    let mut policies = Vec::new();
    for record in scoped.all(&CONDITIONAL_ACCESS_POLICY, &[]).await? {
        let policy = read_policy(&record).with_context(|| format!("policy `{}`", record.id))?;
        policies.push((policy, changed(&record)));
    }
    let mut locations = Vec::new();
    for record in scoped.all(&NAMED_LOCATION, &[]).await? {
        let location = read_location(&record).with_context(|| format!("named location `{}`", record.id))?;
        locations.push((location, changed(&record)));
    }
    let enabled = || policies.iter().filter(|(policy, _)| policy.state == State::Enabled);
    let of_policies = enabled().filter_map(|(_, changed)| *changed).max();
    let of_locations = locations
        .iter()
        .filter(|(location, _)| enabled().any(|(policy, _)| policy.rests_on(location)))
        .filter_map(|(_, changed)| *changed)
        .max();
    let policies: Vec<Policy> = policies.into_iter().map(|(policy, _)| policy).collect();
    let locations: Vec<NamedLocation> = locations.into_iter().map(|(location, _)| location).collect();
    Ok(TenantPolicies {
        snapshot: Snapshot::compile(&policies, &locations)?,
        changed: of_policies.max(of_locations),
    })
}

/// Service principals whose tokens a change of a policy or named location ends: those that an enabled policy is about which
/// was changed, or which rests on what was changed.
pub(crate) async fn concerned_by(scoped: &mut Scoped, changed: &Record) -> Result<Vec<String>> {
    let mut policies = Vec::new();
    let mut locations = Vec::new();
    for record in scoped.all(&NAMED_LOCATION, &[]).await? {
        locations.push(read_location(&record)?);
    }
    let location = locations.iter().find(|location| location.id.to_string() == changed.id);
    for record in scoped.all(&CONDITIONAL_ACCESS_POLICY, &[]).await? {
        let policy = read_policy(&record)?;
        let is_changed =
            record.id == changed.id || location.is_some_and(|location| policy.rests_on(location));
        if is_changed && policy.state == State::Enabled {
            policies.push(policy);
        }
    }
    if policies.is_empty() {
        return Ok(Vec::new());
    }
    let snapshot = Snapshot::compile(&policies, &locations)?;
    let tenant = scoped.scope().tenant_id().parse().unwrap_or_default();
    let mut concerned = Vec::new();
    for principal in scoped.all(&SERVICE_PRINCIPAL, &[]).await? {
        let facts = ScopeFacts {
            service_principal_type: principal.text("servicePrincipalType").unwrap_or_default(),
            sign_in_audience: principal.text("signInAudience"),
            app_owner_organization_id: principal
                .text("appOwnerOrganizationId")
                .and_then(|id| id.parse().ok()),
        };
        let attributes = match principal.body.get("customSecurityAttributes") {
            Some(Json::Object(sets)) => Attributes::read(sets),
            _ => Attributes::default(),
        };
        let sign_in = SignIn {
            principal: Principal {
                id: principal.id.parse().unwrap_or_default(),
                scope: Scope::of(facts, tenant),
                attributes: &attributes,
            },
            // Whatever it asks for, and from wherever.
            resource: Uuid::nil(),
            risk: Risk::Level(RiskLevel::None),
            place: Place { address: None, country: WhereCountry::Unknown },
            place_at_resource: None,
        };
        if snapshot.evaluate(&sign_in).is_principal_concerned() {
            concerned.push(principal.id);
        }
    }
    Ok(concerned)
}

fn changed(record: &Record) -> Option<Timestamp> {
    record.body.get(CHANGED).and_then(Json::as_i64).map(Timestamp)
}

/// The body as Graph shows it, without what is ours.
pub(crate) fn public(body: &Map<String, Json>) -> Map<String, Json> {
    let shown = body.iter().filter(|(name, _)| !name.starts_with('_'));
    shown.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A policy that is kept.
pub(crate) fn read_policy(record: &Record) -> Result<Policy, countersign_access::invalid::Invalid> {
    Policy::read(&public(&record.body))
}

/// A named location that is kept.
pub(crate) fn read_location(record: &Record) -> Result<NamedLocation, countersign_access::invalid::Invalid> {
    NamedLocation::read(&public(&record.body))
}

/// Where an address is.
pub(crate) fn place(addresses: &IpTable, address: IpAddr) -> Place {
    let country = addresses.lookup(address).country;
    Place { address: Some(address), country: country.map_or(WhereCountry::Unknown, WhereCountry::Is) }
}

/// Whether policies can be about a client.
pub(crate) fn scope_of(client: &Client, principal: &ClientPrincipal, tenant_id: &str) -> Scope {
    let is_single_tenant =
        client.application.as_ref().is_some_and(|application| application.is_single_tenant);
    let facts = ScopeFacts {
        service_principal_type: &principal.kind,
        sign_in_audience: Some(if is_single_tenant { "AzureADMyOrg" } else { "AzureADMultipleOrgs" }),
        app_owner_organization_id: principal.owner_tenant_id.as_deref().and_then(|id| id.parse().ok()),
    };
    Scope::of(facts, tenant_id.parse().unwrap_or_default())
}

/// A sign-in as policies see it. `None` when an id is none, which no object of the directory has.
pub(crate) fn sign_in<'a>(
    client: &Client,
    principal: &ClientPrincipal,
    attributes: &'a Attributes,
    tenant_id: &str,
    resource_app_id: &str,
    place: Place,
) -> Option<SignIn<'a>> {
    Some(SignIn {
        principal: Principal {
            id: Uuid::try_parse(&principal.id).ok()?,
            scope: scope_of(client, principal, tenant_id),
            attributes,
        },
        resource: Uuid::try_parse(resource_app_id).ok()?,
        risk: Risk::Level(principal.risk),
        place,
        place_at_resource: None,
    })
}
