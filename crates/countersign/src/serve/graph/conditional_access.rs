//! Policies of Conditional Access and named locations: made, changed, deleted, restored. What they mean is in
//! `countersign_access`; here is what a directory knows about them.

use countersign_access::document;
use countersign_access::invalid::Invalid;
use countersign_access::location::{LOCATIONS_MAX, NamedLocation};
use countersign_access::policy::{POLICIES_MAX, Policy, References};
use countersign_odata::edm::Version;
use countersign_odata::error::ODataError;
use countersign_odata::project::project;
use countersign_signals::event::InitiatingEntity;
use countersign_signals::signal::Signal;
use countersign_store::entity::{
    CONDITIONAL_ACCESS_POLICY, CONDITIONAL_ACCESS_TEMPLATE, NAMED_LOCATION, SERVICE_PRINCIPAL,
};
use countersign_store::{Listing, Record, Scoped};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::applications::created;
use super::audit::{self, Change, modified, target};
use super::call::{Answer, Call, failed, internal};
use super::routes::{Collection, Rule};
use super::{body, collections};
use crate::serve::ids;
use crate::serve::policies::{self, CHANGED};
use crate::serve::signals::told::{self, Cause};

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
pub(crate) fn invalid(invalid: Invalid) -> ODataError {
    ODataError::bad_request(invalid.to_string())
}

/// Without the plan, policies go on to hold and can be deleted, and no new ones are made.
fn check_plan(call: &Call<'_>) -> Result<(), ODataError> {
    if call.caller.tenant.is_premium(call.now) {
        return Ok(());
    }
    Err(ODataError::new(
        403,
        "AccessDenied",
        "Your tenant is not licensed for this feature: Conditional Access for workload identities needs the premium plan.",
    ))
}

/// What was given, complete and valid. The id must be in it.
fn checked(rule: Rule, given: &Map<String, Json>) -> Result<(Map<String, Json>, References), ODataError> {
    Ok(match rule {
        Rule::Policy => {
            Policy::check_type(given).map_err(invalid)?;
            let complete = document::complete(given);
            let references = Policy::read(&complete).map_err(invalid)?.references();
            (complete, references)
        }
        Rule::Location => {
            let complete = NamedLocation::complete(given);
            NamedLocation::read(&complete).map_err(invalid)?;
            (complete, References::default())
        }
    })
}

/// What a policy names must be there; `before` are the names that were found at an earlier time.
async fn check_references(
    scoped: &mut Scoped,
    references: &References,
    before: &References,
) -> Result<(), ODataError> {
    let new = |ids: &[Uuid], known: &[Uuid]| -> Vec<Uuid> {
        ids.iter().filter(|id| !known.contains(id)).copied().collect()
    };
    for id in new(&references.principals, &before.principals) {
        let found = scoped.get(&SERVICE_PRINCIPAL, &id.to_string()).await.map_err(failed)?;
        if found.is_none_or(|principal| principal.deleted.is_some()) {
            return Err(invalid(Invalid::unknown_principal(id)));
        }
    }
    for id in new(&references.locations, &before.locations) {
        let found = scoped.get(&NAMED_LOCATION, &id.to_string()).await.map_err(failed)?;
        if found.is_none_or(|location| location.deleted.is_some()) {
            return Err(invalid(Invalid::unknown_location(id)));
        }
    }
    Ok(())
}

/// Begins a change. There is one at a time in a tenant, so that what was counted and found is so until the commit: one policy too
/// many, or one whose location was deleted at that moment, could not be evaluated, and nobody of the tenant would be let in.
async fn begin(call: &Call<'_>) -> Result<Scoped, ODataError> {
    let mut scoped = call.begin().await?;
    scoped.hold_tenant().await.map_err(failed)?;
    Ok(scoped)
}

/// `POST` of either.
pub(crate) async fn create(call: &Call<'_>, rule: Rule) -> Result<Answer, ODataError> {
    check_plan(call)?;
    let mut given = body::object(call.body)?;
    // What only the server decides may be sent along by clients that copy an object.
    for name in ["id", "createdDateTime", "modifiedDateTime", "deletedDateTime"] {
        given.remove(name);
    }
    given.insert("id".into(), ids::guid().map_err(internal)?.into());
    let (mut complete, references) = checked(rule, &given)?;
    let mut scoped = begin(call).await?;
    check_references(&mut scoped, &references, &References::default()).await?;
    check_room(&mut scoped, rule).await?;
    complete.insert("createdDateTime".into(), call.now.to_string().into());
    complete.insert("modifiedDateTime".into(), Json::Null);
    complete.insert(CHANGED.into(), call.now.0.into());
    let record = scoped.insert(rule.set(), complete).await.map_err(failed)?;
    write_audit(call, &mut scoped, Written { rule, activity: Activity::Add }, None, Some(&record)).await?;
    tell(call, &mut scoped, &record).await?;
    scoped.commit().await.map_err(failed)?;
    let mut record = record;
    add_members(call, rule.collection(), &mut record.body);
    Ok(created(call, rule.collection(), record))
}

async fn check_room(scoped: &mut Scoped, rule: Rule) -> Result<(), ODataError> {
    let (what, max) = match rule {
        Rule::Policy => ("policies", POLICIES_MAX),
        Rule::Location => ("named locations", LOCATIONS_MAX),
    };
    let count = scoped.count(rule.set(), &Listing::default()).await.map_err(failed)?;
    if count >= max as i64 {
        return Err(invalid(Invalid::too_many(what, max)));
    }
    Ok(())
}

/// `PATCH` of either.
pub(crate) async fn update(call: &Call<'_>, rule: Rule) -> Result<Answer, ODataError> {
    check_plan(call)?;
    let given = body::object(call.body)?;
    let mut scoped = begin(call).await?;
    let record = collections::resolve(call, rule.collection(), 0, &mut scoped).await?;
    call.check_etag(&record)?;
    let before = policies::public(&record.body);
    for name in ["id", "createdDateTime", "deletedDateTime"] {
        if given.get(name).is_some_and(|value| before.get(name) != Some(value)) {
            return Err(ODataError::bad_request(format!("1007: '{name}' is read-only and cannot be set.")));
        }
    }
    let merged = match rule {
        Rule::Policy => document::merge(&before, &given),
        Rule::Location => NamedLocation::merge(&before, &given).map_err(invalid)?,
    };
    let (mut complete, references) = checked(rule, &merged)?;
    let known = match rule {
        Rule::Policy => Policy::read(&before).map_err(invalid)?.references(),
        Rule::Location => References::default(),
    };
    check_references(&mut scoped, &references, &known).await?;
    let last = before.get("modifiedDateTime").cloned().unwrap_or(Json::Null);
    complete.insert("modifiedDateTime".into(), last);
    if complete == before {
        // Nothing was changed, so there is nothing to record, and no token is outdated.
        return Ok(Answer::Empty);
    }
    complete.insert("modifiedDateTime".into(), call.now.to_string().into());
    complete.insert(CHANGED.into(), call.now.0.into());
    let old = record.clone();
    let record = scoped.update(rule.set(), Record { body: complete, ..record }).await.map_err(failed)?;
    write_audit(call, &mut scoped, Written { rule, activity: Activity::Update }, Some(&old), Some(&record))
        .await?;
    tell(call, &mut scoped, &record).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

/// `DELETE` of either: thirty days in the bin first.
pub(crate) async fn delete(call: &Call<'_>, rule: Rule) -> Result<Answer, ODataError> {
    let mut scoped = begin(call).await?;
    let mut record = collections::resolve(call, rule.collection(), 0, &mut scoped).await?;
    call.check_etag(&record)?;
    if rule == Rule::Location {
        check_unused(&mut scoped, &record).await?;
    }
    let old = record.clone();
    record.deleted = Some(call.now);
    record.body.insert("deletedDateTime".into(), call.now.to_string().into());
    scoped.update(rule.set(), record).await.map_err(failed)?;
    write_audit(call, &mut scoped, Written { rule, activity: Activity::Delete }, Some(&old), None).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

/// A policy would say something else all at once.
async fn check_unused(scoped: &mut Scoped, record: &Record) -> Result<(), ODataError> {
    let location = policies::read_location(record).map_err(invalid)?;
    if location.is_trusted() {
        return Err(invalid(Invalid::trusted()));
    }
    for record in scoped.all(&CONDITIONAL_ACCESS_POLICY, &[]).await.map_err(failed)? {
        let policy = policies::read_policy(&record).map_err(invalid)?;
        if policy.references().locations.contains(&location.id) {
            return Err(invalid(Invalid::named_by(policy.id)));
        }
    }
    Ok(())
}

/// Tells those who listen whose tokens the change ends, as it ends them here.
async fn tell(call: &Call<'_>, scoped: &mut Scoped, changed: &Record) -> Result<(), ODataError> {
    if !scoped.has_streams().await.map_err(failed)? {
        return Ok(());
    }
    let cause = Cause { by: InitiatingEntity::Policy, ..call.cause() };
    for id in policies::concerned_by(scoped, changed).await.map_err(internal)? {
        told::tell(scoped, &id, [Signal::Revoked], &cause);
    }
    Ok(())
}

/// What was done to a policy or a named location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activity {
    Add,
    Update,
    Delete,
    Restore,
    Purge,
}

#[derive(Clone, Copy, Debug)]
struct Written {
    rule: Rule,
    activity: Activity,
}

impl Written {
    /// `activityDisplayName`. Restoring and deleting for good are named as they are for applications; the documents name
    /// neither.
    fn display_name(self) -> &'static str {
        match (self.rule, self.activity) {
            (Rule::Policy, Activity::Add) => "Add conditional access policy",
            (Rule::Policy, Activity::Update) => "Update conditional access policy",
            (Rule::Policy, Activity::Delete) => "Delete conditional access policy",
            (Rule::Policy, Activity::Restore) => "Restore conditional access policy",
            (Rule::Policy, Activity::Purge) => "Hard delete conditional access policy",
            (Rule::Location, Activity::Add) => "Add named location",
            (Rule::Location, Activity::Update) => "Update named location",
            (Rule::Location, Activity::Delete) => "Delete named location",
            (Rule::Location, Activity::Restore) => "Restore named location",
            (Rule::Location, Activity::Purge) => "Hard delete named location",
        }
    }

    /// `operationType`
    fn operation(self) -> &'static str {
        match self.activity {
            Activity::Add => "Add",
            Activity::Update | Activity::Restore => "Update",
            Activity::Delete | Activity::Purge => "Delete",
        }
    }
}

async fn write_audit(
    call: &Call<'_>,
    scoped: &mut Scoped,
    written: Written,
    old: Option<&Record>,
    new: Option<&Record>,
) -> Result<(), ODataError> {
    let (kind, property) = match written.rule {
        Rule::Policy => ("Policy", "ConditionalAccessPolicy"),
        Rule::Location => ("Other", "NamedLocation"),
    };
    let shown = |record: Option<&Record>| {
        record.map_or(Json::Null, |record| Json::Object(policies::public(&record.body)))
    };
    let Some(object) = new.or(old) else { return Ok(()) };
    let properties = vec![modified(property, &shown(old), &shown(new))];
    let change = Change {
        activity: written.display_name(),
        operation: written.operation(),
        category: "Policy",
        service: "Conditional Access",
        targets: vec![target(kind, &object.body, properties)],
    };
    audit::write(call, scoped, change).await
}

/// Members that beta shows and v1.0 does not, and that are kept nowhere.
pub(crate) fn add_members(call: &Call<'_>, collection: &'static Collection, body: &mut Map<String, Json>) {
    if call.version == Version::Beta && collection.set.entity == CONDITIONAL_ACCESS_POLICY.entity {
        document::add_beta_members(body);
    }
}

fn shown(call: &Call<'_>, rule: Rule, mut record: Record) -> Json {
    add_members(call, rule.collection(), &mut record.body);
    let select = countersign_odata::query::Select::Default;
    project(rule.set().entity, call.version, &select, record.into_public())
}

/// `GET …/deletedItems/policies` and its kin.
pub(crate) async fn list_deleted(call: &Call<'_>, rule: Rule) -> Result<Answer, ODataError> {
    let collection = rule.collection();
    let options = call.options(collection.set.entity, collection.area)?;
    collections::page(call, collection, deleted_name(rule), &options, true).await
}

fn deleted_name(rule: Rule) -> &'static str {
    match rule {
        Rule::Policy => "identity/conditionalAccess/deletedItems/policies",
        Rule::Location => "identity/conditionalAccess/deletedItems/namedLocations",
    }
}

async fn find_deleted(call: &Call<'_>, scoped: &mut Scoped, rule: Rule) -> Result<Record, ODataError> {
    let found = scoped.get(rule.set(), &call.id(0).to_ascii_lowercase()).await.map_err(failed)?;
    found.filter(|record| record.deleted.is_some()).ok_or_else(|| ODataError::not_found(call.id(0)))
}

/// `GET …/deletedItems/policies/{id}` and its kin.
pub(crate) async fn get_deleted(call: &Call<'_>, rule: Rule) -> Result<Answer, ODataError> {
    let record = find_deleted(call, &mut call.read().await?, rule).await?;
    let name = format!("{}/$entity", deleted_name(rule));
    Ok(Answer::ok(call.with_context(&name, shown(call, rule, record))))
}

/// `POST …/deletedItems/policies/{id}/restore` and its kin: in the state that it had, if all that it names is still there.
pub(crate) async fn restore(call: &Call<'_>, rule: Rule) -> Result<Answer, ODataError> {
    check_plan(call)?;
    let mut scoped = begin(call).await?;
    let mut record = find_deleted(call, &mut scoped, rule).await?;
    if rule == Rule::Policy {
        let references = policies::read_policy(&record).map_err(invalid)?.references();
        let locations = References { locations: references.locations, ..References::default() };
        check_references(&mut scoped, &locations, &References::default()).await?;
    }
    check_room(&mut scoped, rule).await?;
    record.deleted = None;
    record.body.insert("deletedDateTime".into(), Json::Null);
    record.body.insert(CHANGED.into(), call.now.0.into());
    let record = scoped.update(rule.set(), record).await.map_err(failed)?;
    write_audit(call, &mut scoped, Written { rule, activity: Activity::Restore }, None, Some(&record))
        .await?;
    tell(call, &mut scoped, &record).await?;
    scoped.commit().await.map_err(failed)?;
    let name = format!("{}/$entity", rule.collection().name);
    Ok(Answer::ok(call.with_context(&name, shown(call, rule, record))))
}

/// `DELETE …/deletedItems/policies/{id}` and its kin: for good.
pub(crate) async fn purge(call: &Call<'_>, rule: Rule) -> Result<Answer, ODataError> {
    let mut scoped = begin(call).await?;
    let record = find_deleted(call, &mut scoped, rule).await?;
    scoped.remove(rule.set(), &record).await.map_err(failed)?;
    write_audit(call, &mut scoped, Written { rule, activity: Activity::Purge }, Some(&record), None).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

/// Policies to begin with: report-only, for everybody in the tenant.
fn templates() -> Vec<Json> {
    let template = |id: &str, name: &str, description: &str, risk: Json, locations: Json| {
        json!({
            "id": id,
            "name": name,
            "description": description,
            "scenarios": "secureFoundation,zeroTrust",
            "details": {
                "conditions": {
                    "applications": { "includeApplications": ["All"] },
                    "clientApplications": { "includeServicePrincipals": ["ServicePrincipalsInMyTenant"] },
                    "servicePrincipalRiskLevels": risk,
                    "locations": locations,
                },
                "grantControls": { "operator": "OR", "builtInControls": ["block"] },
                "sessionControls": null,
            },
        })
    };
    vec![
        template(
            "5a1c4b1e-7f0d-4a0f-9d3e-6f1c2b7a9e01",
            "Block workload identities at high risk",
            "Refuses tokens to every workload identity of the tenant while its risk is high.",
            json!(["high"]),
            Json::Null,
        ),
        template(
            "5a1c4b1e-7f0d-4a0f-9d3e-6f1c2b7a9e02",
            "Block workload identities outside trusted locations",
            "Refuses tokens to every workload identity of the tenant that signs in from outside the trusted named locations.",
            json!([]),
            json!({ "includeLocations": ["All"], "excludeLocations": ["AllTrusted"] }),
        ),
    ]
}

/// `GET /identity/conditionalAccess/templates`
pub(crate) fn list_templates(call: &Call<'_>) -> Answer {
    Answer::ok(collections::page_of(call, "identity/conditionalAccess/templates", templates(), None, None))
}

/// `GET /identity/conditionalAccess/templates/{id}`
pub(crate) fn get_template(call: &Call<'_>) -> Result<Answer, ODataError> {
    let found = templates()
        .into_iter()
        .find(|template| template["id"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(call.id(0))));
    let found = found.ok_or_else(|| ODataError::not_found(call.id(0)))?;
    let select = countersign_odata::query::Select::Default;
    let body = project(&CONDITIONAL_ACCESS_TEMPLATE, call.version, &select, found);
    Ok(Answer::ok(call.with_context("identity/conditionalAccess/templates/$entity", body)))
}
