//! What hangs on applications and service principals: owners, federated credentials, permissions granted.

use countersign_odata::error::ODataError;
use countersign_odata::project::project;
use countersign_signals::signal::Signal;
use countersign_store::entity::{
    APP_ROLE_ASSIGNMENT, FEDERATED_IDENTITY_CREDENTIAL, OAUTH2_PERMISSION_GRANT, ROLE_ASSIGNMENT,
    SERVICE_PRINCIPAL, USER,
};
use countersign_store::{Listing, Record, Scoped};
use serde_json::{Map, Value as Json, json};

use super::applications::created;
use super::audit::{self, Change, modified, target, target_of};
use super::call::{Answer, Call, failed, internal};
use super::routes::{ASSIGNMENTS, Area, Collection, FEDERATED, GRANTS, Holder, SERVICE_PRINCIPALS};
use super::{body, collections, risk, roles};
use crate::serve::directory::{self, DEFAULT_APP_ROLE_ID};
use crate::serve::signals::told;
use crate::serve::{ids, watermarks};

/// Federated credentials of one object.
const FEDERATED_MAX: i64 = 20;
/// Members of a role that are listed.
const ROLE_MEMBERS_MAX: usize = 999;
/// Characters of their properties.
const FEDERATED_CHARACTERS_MAX: usize = 600;

fn kind_of(holder: Holder) -> &'static str {
    match holder {
        Holder::Application => "Application",
        Holder::ServicePrincipal => "ServicePrincipal",
    }
}

async fn held(call: &Call<'_>, holder: Holder, scoped: &mut Scoped) -> Result<Record, ODataError> {
    let record = collections::resolve(call, holder.collection(), 0, scoped).await?;
    call.check_owner(scoped, &record.id).await?;
    Ok(record)
}

/// A list of objects of any type.
async fn objects(call: &Call<'_>, scoped: &mut Scoped, ids: Vec<String>) -> Result<Answer, ODataError> {
    let options = call.options(USER.entity.base.unwrap_or(USER.entity), Area::Directory)?;
    let count = options.count.then_some(ids.len() as i64);
    let mut values = Vec::new();
    for id in ids.iter().take(options.top.map_or(usize::MAX, |top| top as usize)) {
        if let Some((entity, object)) = collections::directory_object(scoped, id).await? {
            let mut object = project(entity, call.version, &options.select, object);
            object["@odata.type"] = format!("#{}", entity.qualified_name()).into();
            values.push(object);
        }
    }
    Ok(Answer::ok(collections::page_of(call, "directoryObjects", values, count, None)))
}

/// `GET …/owners`
pub(crate) async fn list_owners(call: &Call<'_>, holder: Holder) -> Result<Answer, ODataError> {
    let mut scoped = call.read().await?;
    let record = collections::resolve(call, holder.collection(), 0, &mut scoped).await?;
    let owners = scoped.owners(&record.id).await.map_err(failed)?;
    objects(call, &mut scoped, owners).await
}

/// `GET …/ownedObjects`
pub(crate) async fn list_owned(call: &Call<'_>) -> Result<Answer, ODataError> {
    let mut scoped = call.read().await?;
    let record = collections::resolve(call, &SERVICE_PRINCIPALS, 0, &mut scoped).await?;
    let owned = scoped.owned(&record.id).await.map_err(failed)?;
    objects(call, &mut scoped, owned).await
}

/// `GET …/memberOf`: its directory roles.
pub(crate) async fn list_member_of(call: &Call<'_>) -> Result<Answer, ODataError> {
    let mut scoped = call.read().await?;
    let record = collections::resolve(call, &SERVICE_PRINCIPALS, 0, &mut scoped).await?;
    let held = scoped.directory_roles(&record.id).await.map_err(failed)?;
    let values = held.iter().filter_map(|id| roles::directory_role(id)).collect();
    Ok(Answer::ok(collections::page_of(call, "directoryObjects", values, None, None)))
}

/// `GET /directoryRoles/{id}/members`
pub(crate) async fn list_role_members(call: &Call<'_>) -> Result<Answer, ODataError> {
    let id = call.id(0).to_ascii_lowercase();
    if roles::directory_role(&id).is_none() {
        return Err(ODataError::not_found(&id));
    }
    let mut scoped = call.read().await?;
    let listing =
        Listing { within: vec![("role_definition_id", &id)], top: ROLE_MEMBERS_MAX, ..Listing::default() };
    let assignments = scoped.list(&ROLE_ASSIGNMENT, &listing).await.map_err(failed)?.records;
    let ids = assignments.iter().filter_map(|one| one.text("principalId")).map(str::to_owned).collect();
    objects(call, &mut scoped, ids).await
}

/// `GET /directoryObjects/{id}`
pub(crate) async fn get_directory_object(call: &Call<'_>) -> Result<Answer, ODataError> {
    let mut scoped = call.read().await?;
    let Some((entity, object)) = collections::directory_object(&mut scoped, call.id(0)).await? else {
        return Err(ODataError::not_found(call.id(0)));
    };
    let mut object = project(entity, call.version, &countersign_odata::query::Select::Default, object);
    object["@odata.type"] = format!("#{}", entity.qualified_name()).into();
    Ok(Answer::ok(call.with_context("directoryObjects/$entity", object)))
}

/// The id at the end of an `@odata.id`.
fn referenced(call: &Call<'_>) -> Result<String, ODataError> {
    let given = body::object(call.body)?;
    let address = body::required(&given, "@odata.id")?;
    let id = address.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let id = id.rsplit_once('(').map_or(id, |(_, key)| key.trim_end_matches(')').trim_matches('\''));
    Ok(id.to_ascii_lowercase())
}

/// `POST …/owners/$ref`
pub(crate) async fn add_owner(call: &Call<'_>, holder: Holder) -> Result<Answer, ODataError> {
    let owner_id = referenced(call)?;
    let mut scoped = call.begin().await?;
    let record = held(call, holder, &mut scoped).await?;
    let owner = collections::directory_object(&mut scoped, &owner_id).await?;
    let Some((entity, owner)) = owner.filter(|(entity, _)| entity.name != "application") else {
        return Err(ODataError::not_found(&owner_id));
    };
    if !scoped.add_owner(&record.id, &owner_id, call.now).await.map_err(failed)? {
        return Err(ODataError::request_bad_request(
            "One or more added object references already exist for the following modified properties: 'owners'.",
        ));
    }
    audit_owner(call, &mut scoped, holder, &record, (entity.name, &owner), true).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

/// `DELETE …/owners/{id}/$ref`
pub(crate) async fn remove_owner(call: &Call<'_>, holder: Holder) -> Result<Answer, ODataError> {
    let owner_id = call.id(1).to_ascii_lowercase();
    let mut scoped = call.begin().await?;
    let record = held(call, holder, &mut scoped).await?;
    if !scoped.remove_owner(&record.id, &owner_id).await.map_err(failed)? {
        return Err(ODataError::not_found(&owner_id));
    }
    let owner = collections::directory_object(&mut scoped, &owner_id).await?;
    let (kind, owner) =
        owner.map_or(("directoryObject", json!({ "id": owner_id })), |(entity, owner)| (entity.name, owner));
    audit_owner(call, &mut scoped, holder, &record, (kind, &owner), false).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

async fn audit_owner(
    call: &Call<'_>,
    scoped: &mut Scoped,
    holder: Holder,
    record: &Record,
    (owner_type, owner): (&str, &Json),
    is_added: bool,
) -> Result<(), ODataError> {
    let activity = match (holder, is_added) {
        (Holder::Application, true) => "Add owner to application",
        (Holder::Application, false) => "Remove owner from application",
        (Holder::ServicePrincipal, true) => "Add owner to service principal",
        (Holder::ServicePrincipal, false) => "Remove owner from service principal",
    };
    let kind = kind_of(holder);
    let property = |name: &str, value: &Json| {
        let name = format!("{kind}.{name}");
        if is_added { modified(&name, &Json::Null, value) } else { modified(&name, value, &Json::Null) }
    };
    let properties = vec![
        property("ObjectID", &record.body["id"]),
        property("DisplayName", &record.body["displayName"]),
        property("AppId", &record.body["appId"]),
    ];
    let owner_type = if owner_type == "user" { "User" } else { "ServicePrincipal" };
    let owner = owner.as_object().cloned().unwrap_or_default();
    let targets = vec![target(owner_type, &owner, properties), target_of(kind, record, Vec::new())];
    let operation = if is_added { "Assign" } else { "Unassign" };
    audit::write(call, scoped, Change::application(activity, operation, targets)).await
}

/// `POST …/federatedIdentityCredentials`
pub(crate) async fn create_federated(call: &Call<'_>, holder: Holder) -> Result<Answer, ODataError> {
    let mut given = body::entity(call.body, FEDERATED_IDENTITY_CREDENTIAL.entity, call.version)?;
    if given.contains_key("id") {
        return Err(id_is_read_only());
    }
    check_federated(&given)?;
    let mut scoped = call.begin().await?;
    let record = held(call, holder, &mut scoped).await?;
    let existing = federated_of(&mut scoped, &record.id).await?;
    if existing.len() as i64 >= FEDERATED_MAX {
        return Err(ODataError::request_bad_request(format!(
            "The object has {FEDERATED_MAX} federated credentials."
        )));
    }
    check_unique(&existing, &given, None)?;
    given.insert("id".into(), ids::guid().map_err(internal)?.into());
    given.insert("_objectId".into(), record.id.as_str().into());
    given.entry("description").or_insert(Json::Null);
    let credential = scoped.insert(&FEDERATED_IDENTITY_CREDENTIAL, given).await.map_err(failed)?;
    audit_federated(call, &mut scoped, holder, &record, existing).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(created(call, &FEDERATED, credential))
}

fn id_is_read_only() -> ODataError {
    ODataError::request_bad_request("Property 'id' is read-only and cannot be set.")
}

/// `PATCH …/federatedIdentityCredentials/{id}`
pub(crate) async fn update_federated(call: &Call<'_>, holder: Holder) -> Result<Answer, ODataError> {
    let given = body::entity(call.body, FEDERATED_IDENTITY_CREDENTIAL.entity, call.version)?;
    let mut scoped = call.begin().await?;
    let record = held(call, holder, &mut scoped).await?;
    let existing = federated_of(&mut scoped, &record.id).await?;
    let mut credential = one_federated(call, &existing)?;
    if given.get("id").is_some_and(|id| credential.body.get("id") != Some(id)) {
        return Err(id_is_read_only());
    }
    if given.get("name").is_some_and(|name| credential.body.get("name") != Some(name)) {
        return Err(ODataError::request_bad_request("Property 'name' cannot be changed."));
    }
    let trusted = |body: &Map<String, Json>| {
        ["issuer", "subject", "audiences", "claimsMatchingExpression"].map(|name| body.get(name).cloned())
    };
    let before = trusted(&credential.body);
    directory::merge(&mut credential.body, given);
    check_federated(&credential.body)?;
    check_unique(&existing, &credential.body, Some(&credential.id))?;
    let is_exchanged = before != trusted(&credential.body);
    scoped.update(&FEDERATED_IDENTITY_CREDENTIAL, credential).await.map_err(failed)?;
    let mut record = record;
    if is_exchanged {
        // Another is trusted under the same id: who was trusted before has tokens, too.
        let before = record.body.clone();
        watermarks::revoke(&mut record.body, call.now);
        record = scoped.update(holder.set(), record).await.map_err(failed)?;
        told::changed(&mut scoped, holder, &before, &record, &call.cause()).await.map_err(failed)?;
    }
    audit_federated(call, &mut scoped, holder, &record, existing).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

/// `DELETE …/federatedIdentityCredentials/{id}`
pub(crate) async fn delete_federated(call: &Call<'_>, holder: Holder) -> Result<Answer, ODataError> {
    let mut scoped = call.begin().await?;
    let record = held(call, holder, &mut scoped).await?;
    let existing = federated_of(&mut scoped, &record.id).await?;
    let credential = one_federated(call, &existing)?;
    scoped.remove(&FEDERATED_IDENTITY_CREDENTIAL, &credential).await.map_err(failed)?;
    let mut record = record;
    watermarks::remove_credential(&mut record.body, &credential.id, call.now);
    let record = scoped.update(holder.set(), record).await.map_err(failed)?;
    audit_federated(call, &mut scoped, holder, &record, existing).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

async fn federated_of(scoped: &mut Scoped, object_id: &str) -> Result<Vec<Record>, ODataError> {
    let listing = Listing { within: vec![("object_id", object_id)], top: 100, ..Listing::default() };
    Ok(scoped.list(&FEDERATED_IDENTITY_CREDENTIAL, &listing).await.map_err(failed)?.records)
}

/// By id, by name in the place of the id, or by `(name='…')`.
fn one_federated(call: &Call<'_>, existing: &[Record]) -> Result<Record, ODataError> {
    let key = call.id(1);
    let found = existing.iter().find(|credential| {
        credential.id.eq_ignore_ascii_case(key)
            || credential.text("name").is_some_and(|name| name.eq_ignore_ascii_case(key))
    });
    found.cloned().ok_or_else(|| ODataError::not_found(key))
}

fn check_federated(given: &Map<String, Json>) -> Result<(), ODataError> {
    let name = body::required(given, "name")?;
    let is_name = (3..=120).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && name.as_bytes()[0].is_ascii_alphanumeric();
    if !is_name {
        return Err(ODataError::request_bad_request(
            "'name' must have 3 to 120 letters, digits, '-' and '_', and begin with a letter or a digit.",
        ));
    }
    let issuer = body::required(given, "issuer")?;
    if !issuer.starts_with("https://") {
        return Err(ODataError::request_bad_request("'issuer' must be an https address."));
    }
    if given.get("claimsMatchingExpression").is_some_and(|expression| !expression.is_null()) {
        return Err(ODataError::request_bad_request(
            "'claimsMatchingExpression' is not supported by this server: use 'subject'.",
        ));
    }
    body::required(given, "subject")?;
    let audiences = given.get("audiences").and_then(Json::as_array).map_or(0, Vec::len);
    if audiences != 1 {
        return Err(ODataError::request_bad_request(format!(
            "'audiences' must hold exactly one audience, and holds {audiences}."
        )));
    }
    for name in ["issuer", "subject", "description"] {
        let length = given.get(name).and_then(Json::as_str).map_or(0, |text| text.chars().count());
        if length > FEDERATED_CHARACTERS_MAX {
            return Err(ODataError::request_bad_request(format!(
                "'{name}' has {length} characters; at most {FEDERATED_CHARACTERS_MAX} are allowed."
            )));
        }
    }
    Ok(())
}

/// Issuer and subject are unique within one object.
fn check_unique(
    existing: &[Record],
    given: &Map<String, Json>,
    except: Option<&str>,
) -> Result<(), ODataError> {
    let is_same = |record: &Record| {
        record.body.get("issuer") == given.get("issuer") && record.body.get("subject") == given.get("subject")
    };
    if existing.iter().any(|record| except != Some(record.id.as_str()) && is_same(record)) {
        return Err(ODataError::request_bad_request(
            "A federated credential with this issuer and subject exists on the object already.",
        ));
    }
    Ok(())
}

async fn audit_federated(
    call: &Call<'_>,
    scoped: &mut Scoped,
    holder: Holder,
    record: &Record,
    before: Vec<Record>,
) -> Result<(), ODataError> {
    // Credentials are facts about the client that the token service keeps in memory.
    scoped.outdate(record.text("appId").unwrap_or_default());
    let after = federated_of(scoped, &record.id).await?;
    let describe = |all: &[Record]| {
        Json::Array(
            all.iter()
                .map(|credential| {
                    json!({
                        "Name": credential.body.get("name"),
                        "Issuer": credential.body.get("issuer"),
                        "Subject": credential.body.get("subject"),
                        "Id": credential.id,
                        "Description": credential.body.get("description"),
                        "Audiences": credential.body.get("audiences"),
                    })
                })
                .collect(),
        )
    };
    let properties = vec![
        modified("FederatedIdentityCredentials", &describe(&before), &describe(&after)),
        modified("Included Updated Properties", &Json::Null, &"FederatedIdentityCredentials".into()),
    ];
    let activity = match holder {
        Holder::Application => "Update application",
        Holder::ServicePrincipal => "Update service principal",
    };
    let targets = vec![target_of(kind_of(holder), record, properties)];
    audit::write(call, scoped, Change::application(activity, "Update", targets)).await
}

/// `POST …/appRoleAssignments` of the client or `…/appRoleAssignedTo` of the resource: the body says both.
pub(crate) async fn create_assignment(call: &Call<'_>) -> Result<Answer, ODataError> {
    let given = body::entity(call.body, APP_ROLE_ASSIGNMENT.entity, call.version)?;
    let principal_id = body::required_guid(&given, "principalId")?;
    let resource_id = body::required_guid(&given, "resourceId")?;
    let app_role_id = match given.get("appRoleId") {
        None | Some(Json::Null) => DEFAULT_APP_ROLE_ID.to_owned(),
        Some(_) => body::required_guid(&given, "appRoleId")?,
    };
    let mut scoped = call.begin().await?;
    let named = collections::resolve(call, &SERVICE_PRINCIPALS, 0, &mut scoped).await?;
    if named.id != principal_id && named.id != resource_id {
        return Err(ODataError::request_bad_request(
            "The service principal of the path must be the principal or the resource of the assignment.",
        ));
    }
    let resource = live(&mut scoped, &SERVICE_PRINCIPAL, &resource_id).await?;
    let (principal, kind) = match scoped.get(&SERVICE_PRINCIPAL, &principal_id).await.map_err(failed)? {
        Some(principal) if principal.deleted.is_none() => (principal, "ServicePrincipal"),
        _ => (live(&mut scoped, &USER, &principal_id).await?, "User"),
    };
    let role = resource.list("appRoles").iter().find(|role| {
        role.get("id").and_then(Json::as_str).is_some_and(|id| id.eq_ignore_ascii_case(&app_role_id))
    });
    if role.is_none() && app_role_id != DEFAULT_APP_ROLE_ID {
        return Err(ODataError::request_bad_request(format!(
            "Permission being assigned was not found on application '{}': appRoleId '{app_role_id}'.",
            resource.text("displayName").unwrap_or_default()
        )));
    }
    let role = role.cloned().unwrap_or(Json::Null);
    let body = directory::app_role_assignment(&principal.body, kind, &resource.body, &app_role_id, call.now)
        .map_err(internal)?;
    let record = scoped.insert(&APP_ROLE_ASSIGNMENT, body).await.map_err(|error| match failed(error) {
        error if error.code == "Request_MultipleObjectsWithSameKeyValue" => {
            ODataError::request_bad_request("Permission being assigned already exists on the object.")
        }
        error => error,
    })?;
    scoped.outdate(principal.text("appId").unwrap_or_default());
    audit_assignment(call, &mut scoped, (&principal, kind), &resource, &role, true).await?;
    if kind == "ServicePrincipal" {
        told::roles_changed(call, &mut scoped, &principal, &resource).await?;
    }
    scoped.commit().await.map_err(failed)?;
    Ok(created(call, &ASSIGNMENTS, record))
}

async fn live(
    scoped: &mut Scoped,
    set: &'static countersign_store::entity::EntitySet,
    id: &str,
) -> Result<Record, ODataError> {
    match scoped.get(set, id).await.map_err(failed)? {
        Some(record) if record.deleted.is_none() => Ok(record),
        _ => Err(ODataError::not_found(id)),
    }
}

/// `DELETE …/appRoleAssignments/{id}` and `…/appRoleAssignedTo/{id}`
pub(crate) async fn delete_assignment(
    call: &Call<'_>,
    collection: &'static Collection,
) -> Result<Answer, ODataError> {
    let mut scoped = call.begin().await?;
    let named = collections::resolve(call, &SERVICE_PRINCIPALS, 0, &mut scoped).await?;
    let assignment = collections::resolve(call, collection, 1, &mut scoped).await?;
    collections::check_parent(collection, collection.parent.unwrap_or_default(), &named.id, &assignment)?;
    scoped.remove(&APP_ROLE_ASSIGNMENT, &assignment).await.map_err(failed)?;
    let of = |name: &str| assignment.text(name).unwrap_or_default().to_ascii_lowercase();
    let resource = scoped.get(&SERVICE_PRINCIPAL, &of("resourceId")).await.map_err(failed)?;
    let principal = scoped.get(&SERVICE_PRINCIPAL, &of("principalId")).await.map_err(failed)?;
    if let (Some(principal), Some(resource)) = (principal, resource) {
        scoped.outdate(principal.text("appId").unwrap_or_default());
        let role = resource.list("appRoles").iter().find(|role| {
            role.get("id").and_then(Json::as_str).is_some_and(|id| id.eq_ignore_ascii_case(&of("appRoleId")))
        });
        let role = role.cloned().unwrap_or(Json::Null);
        audit_assignment(call, &mut scoped, (&principal, "ServicePrincipal"), &resource, &role, false)
            .await?;
        told::roles_changed(call, &mut scoped, &principal, &resource).await?;
        // What was taken away must not be had for another day.
        if risk::revoke(&mut scoped, &principal.id, call.now).await.map_err(failed)? {
            told::tell(&mut scoped, &principal.id, [Signal::Revoked], &call.cause());
        }
    }
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

async fn audit_assignment(
    call: &Call<'_>,
    scoped: &mut Scoped,
    (principal, kind): (&Record, &str),
    resource: &Record,
    role: &Json,
    is_added: bool,
) -> Result<(), ODataError> {
    let activity = match (kind, is_added) {
        ("User", true) => "Add app role assignment grant to user",
        (_, true) => "Add app role assignment to service principal",
        (_, false) => "Remove app role assignment from service principal",
    };
    let property = |name: &str, value: &Json| {
        if is_added { modified(name, &Json::Null, value) } else { modified(name, value, &Json::Null) }
    };
    let of_role = |name: &str| role.get(name).cloned().unwrap_or(Json::Null);
    let names: Vec<&str> = principal.list("servicePrincipalNames").iter().filter_map(Json::as_str).collect();
    let properties = vec![
        property("AppRole.Id", &of_role("id")),
        property("AppRole.Value", &of_role("value")),
        property("AppRole.DisplayName", &of_role("displayName")),
        property("AppRoleAssignment.CreatedDateTime", &call.now.to_string().into()),
        property("AppRoleAssignment.LastModifiedDateTime", &call.now.to_string().into()),
        property("ServicePrincipal.ObjectID", &principal.body["id"]),
        property("ServicePrincipal.DisplayName", &principal.body["displayName"]),
        property("ServicePrincipal.AppId", &principal.body.get("appId").cloned().unwrap_or(Json::Null)),
        property("ServicePrincipal.Name", &principal.body.get("appId").cloned().unwrap_or(Json::Null)),
        property("TargetId.ServicePrincipalNames", &names.join(";").into()),
    ];
    let targets =
        vec![target_of("ServicePrincipal", resource, properties), target(kind, &principal.body, Vec::new())];
    let operation = if is_added { "Assign" } else { "Unassign" };
    audit::write(call, scoped, Change::application(activity, operation, targets)).await
}

/// `POST /oauth2PermissionGrants`
pub(crate) async fn create_grant(call: &Call<'_>) -> Result<Answer, ODataError> {
    let mut given = body::entity(call.body, OAUTH2_PERMISSION_GRANT.entity, call.version)?;
    let client_id = body::required_guid(&given, "clientId")?;
    let resource_id = body::required_guid(&given, "resourceId")?;
    let consent = body::required(&given, "consentType")?.to_owned();
    let principal_id = given.get("principalId").and_then(Json::as_str).map(str::to_owned);
    match (consent.as_str(), &principal_id) {
        ("AllPrincipals", None) | ("Principal", Some(_)) => {}
        _ => {
            return Err(ODataError::request_bad_request(
                "'consentType' must be 'AllPrincipals' without a 'principalId', or 'Principal' with one.",
            ));
        }
    }
    let mut scoped = call.begin().await?;
    let client = live(&mut scoped, &SERVICE_PRINCIPAL, &client_id).await?;
    let resource = live(&mut scoped, &SERVICE_PRINCIPAL, &resource_id).await?;
    if let Some(principal_id) = &principal_id {
        live(&mut scoped, &USER, &principal_id.to_ascii_lowercase()).await?;
    }
    given.insert("id".into(), assignment_id().map_err(internal)?.into());
    given.entry("principalId").or_insert(Json::Null);
    given.entry("scope").or_insert_with(|| "".into());
    let record = scoped.insert(&OAUTH2_PERMISSION_GRANT, given).await.map_err(failed)?;
    audit_grant(call, &mut scoped, (&client, &resource), (&Json::Null, &record.body["scope"]), &record)
        .await?;
    scoped.commit().await.map_err(failed)?;
    Ok(created(call, &GRANTS, record))
}

fn assignment_id() -> anyhow::Result<String> {
    use base64::Engine as _;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(ids::random::<32>()?))
}

/// `PATCH /oauth2PermissionGrants/{id}`: only the scope can change.
pub(crate) async fn update_grant(call: &Call<'_>) -> Result<Answer, ODataError> {
    let given = body::entity(call.body, OAUTH2_PERMISSION_GRANT.entity, call.version)?;
    let mut scoped = call.begin().await?;
    let mut record = collections::resolve(call, &GRANTS, 0, &mut scoped).await?;
    if given.iter().any(|(name, value)| name != "scope" && record.body.get(name) != Some(value)) {
        return Err(ODataError::request_bad_request("Only 'scope' can be changed."));
    }
    let old = record.body["scope"].clone();
    if let Some(scope) = given.get("scope") {
        record.body.insert("scope".into(), scope.clone());
    }
    let record = scoped.update(&OAUTH2_PERMISSION_GRANT, record).await.map_err(failed)?;
    if let Some((client, resource)) = ends_of(&mut scoped, &record).await? {
        audit_grant(call, &mut scoped, (&client, &resource), (&old, &record.body["scope"]), &record).await?;
    }
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

/// `DELETE /oauth2PermissionGrants/{id}`
pub(crate) async fn delete_grant(call: &Call<'_>) -> Result<Answer, ODataError> {
    let mut scoped = call.begin().await?;
    let record = collections::resolve(call, &GRANTS, 0, &mut scoped).await?;
    scoped.remove(&OAUTH2_PERMISSION_GRANT, &record).await.map_err(failed)?;
    if let Some((client, resource)) = ends_of(&mut scoped, &record).await? {
        let old = record.body["scope"].clone();
        audit_grant(call, &mut scoped, (&client, &resource), (&old, &Json::Null), &record).await?;
    }
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

async fn ends_of(scoped: &mut Scoped, grant: &Record) -> Result<Option<(Record, Record)>, ODataError> {
    let of = |name: &str| grant.text(name).unwrap_or_default().to_ascii_lowercase();
    let client = scoped.get(&SERVICE_PRINCIPAL, &of("clientId")).await.map_err(failed)?;
    let resource = scoped.get(&SERVICE_PRINCIPAL, &of("resourceId")).await.map_err(failed)?;
    Ok(client.zip(resource))
}

async fn audit_grant(
    call: &Call<'_>,
    scoped: &mut Scoped,
    (client, resource): (&Record, &Record),
    (old, new): (&Json, &Json),
    grant: &Record,
) -> Result<(), ODataError> {
    let (activity, operation) = if new.is_null() {
        ("Remove delegated permission grant", "Unassign")
    } else {
        ("Add delegated permission grant", "Assign")
    };
    // Entra writes a blank before the first scope.
    let spaced = |scope: &Json| scope.as_str().map_or(Json::Null, |scope| format!(" {scope}").into());
    let properties = vec![
        modified("DelegatedPermissionGrant.Scope", &spaced(old), &spaced(new)),
        modified("DelegatedPermissionGrant.ConsentType", &Json::Null, &grant.body["consentType"]),
        modified("ServicePrincipal.ObjectID", &Json::Null, &client.body["id"]),
    ];
    let targets = vec![
        target_of("ServicePrincipal", resource, properties),
        target_of("ServicePrincipal", client, Vec::new()),
    ];
    audit::write(call, scoped, Change::application(activity, operation, targets)).await
}
