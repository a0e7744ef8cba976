//! Applications and service principals: made, changed, disabled, deleted, restored.

use countersign_odata::error::ODataError;
use countersign_odata::query::Options;
use countersign_signals::signal::Signal;
use countersign_store::entity::{APPLICATION, SERVICE_PRINCIPAL};
use countersign_store::{Record, Scoped, is_disabled_by_microsoft, is_open_to_other_tenants};
use serde_json::{Map, Value as Json, json};

use super::audit::{self, Change, modified, target_of};
use super::call::{Answer, Call, failed, internal};
use super::routes::{APPLICATIONS, Holder, SERVICE_PRINCIPALS};
use super::{access, attributes, body, collections, credentials, risk};
use crate::serve::signals::told;
use crate::serve::{directory, watermarks};

/// Longest name of an application or a service principal.
const NAME_CHARACTERS_MAX: usize = 256;
/// Longest value of an application role or a scope.
const VALUE_CHARACTERS_MAX: usize = 120;
/// Properties that clients cannot set.
const READ_ONLY: [&str; 13] = [
    "id",
    "appId",
    "deletedDateTime",
    "createdDateTime",
    "createdByAppId",
    "publisherDomain",
    "disabledByMicrosoftStatus",
    "certification",
    "verifiedPublisher",
    "appOwnerOrganizationId",
    "servicePrincipalType",
    "signInAudience",
    "isDisabled",
];
/// Of these, what an application decides and its service principals only mirror: set there, its next change would undo it.
const DECIDED_BY_APPLICATIONS: [&str; 2] = ["signInAudience", "isDisabled"];

/// Who may sign in with an application.
const SIGN_IN_AUDIENCES: [&str; 4] =
    ["AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount"];

/// `POST /applications`
pub(crate) async fn create_application(call: &Call<'_>) -> Result<Answer, ODataError> {
    let given = body::entity(call.body, APPLICATION.entity, call.version)?;
    refuse_read_only(&given, None, &DECIDED_BY_APPLICATIONS)?;
    let mut scoped = call.begin().await?;
    let record = insert_application(call, &mut scoped, given).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(created(call, &APPLICATIONS, record))
}

async fn insert_application(
    call: &Call<'_>,
    scoped: &mut Scoped,
    given: Map<String, Json>,
) -> Result<Record, ODataError> {
    let mut body = directory::application(&call.caller.tenant, given, call.now).map_err(internal)?;
    body.insert("createdByAppId".into(), call.caller.app_id.as_str().into());
    check_object(&body)?;
    check_sign_in_audience(&body)?;
    check_identifier_uris(&body)?;
    let hashes = credentials::settle(call, &mut body, None)?;
    let record = scoped.insert(&APPLICATION, body).await.map_err(failed)?;
    for (key_id, hash) in hashes {
        scoped.add_secret_hash(&record.id, &key_id, &hash).await.map_err(failed)?;
    }
    claim_names(scoped, &record).await?;
    scoped.add_owner(&record.id, call.caller.object_id(), call.now).await.map_err(failed)?;
    let properties = vec![
        modified("AppId", &Json::Null, &record.body["appId"]),
        modified("AvailableToOtherTenants", &Json::Null, &json!([is_multi_tenant(&record)])),
        modified("DisplayName", &Json::Null, &json!([record.body["displayName"]])),
        modified("RequiredResourceAccess", &Json::Null, &record.body["requiredResourceAccess"]),
    ];
    let change =
        Change::application("Add application", "Add", vec![target_of("Application", &record, properties)]);
    audit::write(call, scoped, change).await?;
    Ok(record)
}

fn is_multi_tenant(application: &Record) -> bool {
    application.text("signInAudience").is_some_and(is_open_to_other_tenants)
}

fn check_sign_in_audience(body: &Map<String, Json>) -> Result<(), ODataError> {
    let audience = body.get("signInAudience").and_then(Json::as_str);
    if audience.is_some_and(|audience| SIGN_IN_AUDIENCES.contains(&audience)) {
        return Ok(());
    }
    Err(ODataError::request_bad_request(format!(
        "The value of 'signInAudience' is not valid: it must be one of {}.",
        SIGN_IN_AUDIENCES.join(", ")
    )))
}

fn check_identifier_uris(body: &Map<String, Json>) -> Result<(), ODataError> {
    for uri in body.get("identifierUris").and_then(Json::as_array).into_iter().flatten() {
        let text = uri.as_str().unwrap_or_default();
        let is_uri = text.split_once(':').is_some_and(|(scheme, rest)| {
            !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !rest.is_empty()
        });
        if !is_uri || text.contains(char::is_whitespace) {
            return Err(ODataError::request_bad_request(format!(
                "The identifier URI '{text}' is not valid: it must be a URI such as 'api://name'."
            )));
        }
    }
    Ok(())
}

/// `POST /servicePrincipals`: of an application of this tenant, or of one that is open to others.
pub(crate) async fn create_service_principal(call: &Call<'_>) -> Result<Answer, ODataError> {
    let given = body::entity(call.body, SERVICE_PRINCIPAL.entity, call.version)?;
    let app_id = body::required_guid(&given, "appId")?;
    refuse_read_only(&given, None, &["appId"])?;
    attributes::check_body(call, &given)?;
    let mut scoped = call.begin().await?;
    let application = scoped.get_by(&APPLICATION, "app_id", &app_id).await.map_err(failed)?;
    let application = application.filter(|application| application.deleted.is_none());
    let (application, home) = match application {
        Some(application) => {
            if matches!(call.caller.held(), access::Held::Application(granted) if is_owned_by_only(granted)) {
                let owns = scoped.is_owner(&application.id, call.caller.object_id()).await.map_err(failed)?;
                if !owns {
                    return Err(ODataError::denied());
                }
            }
            (application, call.caller.tenant.id.clone())
        }
        None => match scoped.shared_application(&app_id).await.map_err(failed)? {
            Some(shared) => shared,
            None => {
                return Err(ODataError::request_bad_request(format!(
                    "The appId '{app_id}' of the service principal does not reference a valid application object."
                )));
            }
        },
    };
    let mut given = given;
    given.remove("appId");
    let mut principal =
        directory::service_principal(&application.body, &home, given, call.now).map_err(internal)?;
    check_object(&principal)?;
    let hashes = credentials::settle(call, &mut principal, None)?;
    let record = scoped.insert(&SERVICE_PRINCIPAL, principal).await.map_err(failed)?;
    for (key_id, hash) in hashes {
        scoped.add_secret_hash(&record.id, &key_id, &hash).await.map_err(failed)?;
    }
    claim_names(&mut scoped, &record).await?;
    scoped.add_owner(&record.id, call.caller.object_id(), call.now).await.map_err(failed)?;
    let properties = vec![
        modified("AccountEnabled", &json!([]), &json!([true])),
        modified("AppPrincipalId", &json!([]), &json!([record.body["appId"]])),
        modified("DisplayName", &json!([]), &json!([record.body["displayName"]])),
        modified("ServicePrincipalName", &json!([]), &record.body["servicePrincipalNames"]),
    ];
    let change = Change::application(
        "Add service principal",
        "Add",
        vec![target_of("ServicePrincipal", &record, properties)],
    );
    audit::write(call, &mut scoped, change).await?;
    attributes::write_audit(call, &mut scoped, &Map::new(), &record).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(created(call, &SERVICE_PRINCIPALS, record))
}

fn is_owned_by_only(granted: &[String]) -> bool {
    let has = |name: &str| granted.iter().any(|own| own == name);
    has(access::APPLICATION_READ_WRITE_OWNED_BY.name)
        && !has(access::APPLICATION_READ_WRITE_ALL.name)
        && !has(access::DIRECTORY_READ_WRITE_ALL.name)
}

/// 201 with the object and its address.
pub(crate) fn created(
    call: &Call<'_>,
    collection: &'static super::routes::Collection,
    record: Record,
) -> Answer {
    let location = format!("{}/{}/{}/{}", call.base, call.version.as_str(), collection.name, record.id);
    let etag = Some(record.etag());
    let mut body = record.into_public();
    for credential in body.get_mut("keyCredentials").and_then(Json::as_array_mut).into_iter().flatten() {
        credential["key"] = Json::Null;
    }
    let select = Options::default().select;
    let body = countersign_odata::project::project(collection.set.entity, call.version, &select, body);
    let body = call.with_context(&format!("{}/$entity", collection.name), body);
    Answer::Json { status: 201, body, etag, location: Some(location) }
}

fn refuse_read_only(
    given: &Map<String, Json>,
    current: Option<&Record>,
    allowed: &[&str],
) -> Result<(), ODataError> {
    let names = READ_ONLY.iter().filter(|name| !allowed.contains(name));
    body::refuse_read_only(given, current.map(|record| &record.body), names)
}

/// What [`check_object`] looks at.
const CHECKED: [&str; 4] = ["displayName", "appRoles", "api", "oauth2PermissionScopes"];

/// What holds for applications and service principals alike: a name, and roles and scopes that can be told apart.
fn check_object(body: &Map<String, Json>) -> Result<(), ODataError> {
    if body::required(body, "displayName")?.chars().count() > NAME_CHARACTERS_MAX {
        return Err(ODataError::request_bad_request(format!(
            "Invalid value specified for property 'displayName': it has more than {NAME_CHARACTERS_MAX} characters."
        )));
    }
    let scopes = match body.get("api") {
        Some(api) => api.get("oauth2PermissionScopes"),
        None => body.get("oauth2PermissionScopes"),
    };
    for list in [body.get("appRoles"), scopes] {
        let members = list.and_then(Json::as_array).map_or(&[] as &[Json], Vec::as_slice);
        let values = members.iter().filter_map(|member| member.get("value")?.as_str());
        if let Some(value) = values.filter(|value| !value.is_empty()).find(|value| !is_claim_value(value)) {
            return Err(ODataError::request_bad_request(format!(
                "Invalid value specified for property 'value': '{value}' has more than {VALUE_CHARACTERS_MAX} characters, \
                 begins with '.', or holds a blank or another character that is not allowed."
            ))
            .with_target("value"));
        }
        for name in ["id", "value"] {
            let mut seen = std::collections::BTreeSet::new();
            // A role without a value turns up in no token; any number may do without.
            let values = members
                .iter()
                .filter_map(|member| member.get(name)?.as_str())
                .filter(|text| !text.is_empty());
            for value in values {
                if !seen.insert(value.to_ascii_lowercase()) {
                    let message = "Request contains a property with duplicate values.";
                    return Err(ODataError::request_bad_request(message).with_target(name));
                }
            }
        }
    }
    Ok(())
}

/// Whether a role or a scope may have the value: in tokens, and in headers that are made of them, values stand side by side
/// with a blank between.
fn is_claim_value(value: &str) -> bool {
    value.len() <= VALUE_CHARACTERS_MAX
        && !value.starts_with('.')
        && value.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

/// `PATCH` of either.
pub(crate) async fn update(call: &Call<'_>, holder: Holder) -> Result<Answer, ODataError> {
    let set = holder.set();
    let given = body::entity(call.body, set.entity, call.version)?;
    attributes::check_body(call, &given)?;
    let mut scoped = call.begin().await?;
    let record = match collections::resolve(call, holder.collection(), 0, &mut scoped).await {
        Ok(record) => record,
        Err(error) if error.status == 404 && is_upsert(call, holder) => {
            let mut given = given;
            given.insert("uniqueName".into(), call.id(0).into());
            refuse_read_only(&given, None, &DECIDED_BY_APPLICATIONS)?;
            let record = insert_application(call, &mut scoped, given).await?;
            scoped.commit().await.map_err(failed)?;
            return Ok(created(call, &APPLICATIONS, record));
        }
        Err(error) => return Err(error),
    };
    call.check_owner(&mut scoped, &record.id).await?;
    call.check_etag(&record)?;
    let allowed: &[&str] = match holder {
        Holder::Application => &DECIDED_BY_APPLICATIONS,
        Holder::ServicePrincipal => &[],
    };
    refuse_read_only(&given, Some(&record), allowed)?;
    change(call, &mut scoped, holder, record, given).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

/// `PATCH /applications(uniqueName='x')` with `Prefer: create-if-missing`.
fn is_upsert(call: &Call<'_>, holder: Holder) -> bool {
    let by_name = matches!(call.params.first(), Some(super::routes::Param::Key(name, _)) if name.eq_ignore_ascii_case("uniqueName"));
    holder == Holder::Application && by_name && call.prefers("create-if-missing")
}

async fn change(
    call: &Call<'_>,
    scoped: &mut Scoped,
    holder: Holder,
    record: Record,
    given: Map<String, Json>,
) -> Result<(), ODataError> {
    let before = record.body.clone();
    let touches_credentials =
        given.contains_key("keyCredentials") || given.contains_key("passwordCredentials");
    // What was kept before it was checked does not stand in the way of another change.
    let is_checked = CHECKED.iter().any(|name| given.contains_key(*name));
    let mut record = record;
    directory::merge(&mut record.body, given);
    if is_checked {
        check_object(&record.body)?;
    }
    if holder == Holder::Application {
        check_sign_in_audience(&record.body)?;
        check_identifier_uris(&record.body)?;
    }
    let hashes = if touches_credentials {
        credentials::settle(call, &mut record.body, Some(&before))?
    } else {
        Vec::new()
    };
    watermarks::note(&before, &mut record.body, call.now);
    let record = scoped.update(holder.set(), record).await.map_err(failed)?;
    for (key_id, hash) in hashes {
        scoped.add_secret_hash(&record.id, &key_id, &hash).await.map_err(failed)?;
    }
    if touches_credentials {
        credentials::forget_removed(scoped, &before, &record).await?;
        credentials::audit_change(call, scoped, holder, &before, &record).await?;
    }
    told::changed(scoped, holder, &before, &record, &call.cause()).await.map_err(failed)?;
    let properties = changed_properties(&before, &record.body);
    match holder {
        Holder::Application => {
            if !properties.is_empty() {
                let targets = vec![target_of("Application", &record, properties)];
                audit::write(call, scoped, Change::application("Update application", "Update", targets))
                    .await?;
            }
            follow(scoped, &before, &record).await?;
            claim_names(scoped, &record).await?;
        }
        Holder::ServicePrincipal => {
            if !properties.is_empty() {
                let targets = vec![target_of("ServicePrincipal", &record, properties)];
                audit::write(
                    call,
                    scoped,
                    Change::application("Update service principal", "Update", targets),
                )
                .await?;
            }
            attributes::write_audit(call, scoped, &before, &record).await?;
            claim_names(scoped, &record).await?;
            risk::follow_principal(scoped, &record).await?;
        }
    }
    Ok(())
}

/// Service principals take what their application changed, the one at home also its name. In other tenants they keep the names
/// under which they are asked for as a resource: there a publisher could take those of somebody else.
async fn follow(
    scoped: &mut Scoped,
    before: &Map<String, Json>,
    application: &Record,
) -> Result<(), ODataError> {
    let app_id = application.text("appId").unwrap_or_default();
    let elsewhere = scoped.change_elsewhere(app_id, |principal| {
        let names = principal.get("servicePrincipalNames").cloned().unwrap_or(Json::Null);
        directory::follow_application(principal, &application.body);
        principal.insert("servicePrincipalNames".into(), names);
    });
    elsewhere.await.map_err(failed)?;
    let Some(mut principal) = scoped.get_by(&SERVICE_PRINCIPAL, "app_id", app_id).await.map_err(failed)?
    else {
        return Ok(());
    };
    let old = principal.body.clone();
    directory::follow_application(&mut principal.body, &application.body);
    let name = application.body.get("displayName").cloned().unwrap_or(Json::Null);
    if before.get("displayName") != Some(&name) {
        principal.body.insert("displayName".into(), name);
    }
    if principal.body == old {
        return Ok(());
    }
    let principal = scoped.update(&SERVICE_PRINCIPAL, principal).await.map_err(failed)?;
    risk::follow_principal(scoped, &principal).await
}

/// Gives an application, or the application of a service principal, the names of what is there of it now.
pub(crate) async fn claim_names(scoped: &mut Scoped, object: &Record) -> Result<(), ODataError> {
    scoped.claim_names(object.text("appId").unwrap_or_default()).await.map_err(failed)
}

/// `modifiedProperties` of a change, under the names that the audit log has for them.
fn changed_properties(before: &Map<String, Json>, after: &Map<String, Json>) -> Vec<Json> {
    let mut properties = Vec::new();
    let mut names = Vec::new();
    for (name, new) in after {
        // Credentials and attributes have records of their own.
        let is_told_elsewhere =
            matches!(name.as_str(), "keyCredentials" | "passwordCredentials" | attributes::MEMBER);
        if name.starts_with('_') || is_told_elsewhere {
            continue;
        }
        let old = before.get(name).unwrap_or(&Json::Null);
        if old == new {
            continue;
        }
        let audit_name = match name.as_str() {
            "accountEnabled" => "AccountEnabled".to_owned(),
            "displayName" => "DisplayName".to_owned(),
            "identifierUris" => "AppIdentifierUri".to_owned(),
            "requiredResourceAccess" => "RequiredResourceAccess".to_owned(),
            "web" | "spa" | "publicClient" | "replyUrls" => "AppAddress".to_owned(),
            "signInAudience" => "AvailableToOtherTenants".to_owned(),
            "appRoleAssignmentRequired" => "AppRoleAssignmentRequired".to_owned(),
            "isDisabled" => "IsDisabled".to_owned(),
            other => other[..1].to_ascii_uppercase() + &other[1..],
        };
        let wrap = |name: &str, value: &Json| match (name, value) {
            ("web" | "spa" | "publicClient", value) => addresses(value),
            ("signInAudience", value) => json!([value.as_str().is_some_and(is_open_to_other_tenants)]),
            (_, Json::Array(_) | Json::Null) => value.clone(),
            (_, value) => json!([value]),
        };
        properties.push(modified(&audit_name, &wrap(name, old), &wrap(name, new)));
        names.push(audit_name);
    }
    if !names.is_empty() {
        properties.push(modified("Included Updated Properties", &Json::Null, &names.join(", ").into()));
    }
    properties
}

/// Redirect addresses in the audit log's form.
fn addresses(platform: &Json) -> Json {
    let uris = platform.get("redirectUris").and_then(Json::as_array).into_iter().flatten();
    Json::Array(
        uris.map(|uri| json!({ "AddressType": 0, "Address": uri, "ReplyAddressClientType": 0 })).collect(),
    )
}

/// `DELETE` of either: thirty days in the bin first.
pub(crate) async fn delete(call: &Call<'_>, holder: Holder) -> Result<Answer, ODataError> {
    let mut scoped = call.begin().await?;
    let record = collections::resolve(call, holder.collection(), 0, &mut scoped).await?;
    call.check_owner(&mut scoped, &record.id).await?;
    call.check_etag(&record)?;
    if is_disabled_by_microsoft(&record.body) {
        return Err(ODataError::new(
            403,
            "Authorization_RequestDenied",
            "The object is disabled because it violates the terms of use, and cannot be deleted.",
        ));
    }
    if holder == Holder::ServicePrincipal && record.text("appId") == Some(directory::GRAPH_APP_ID) {
        return Err(ODataError::new(
            403,
            "Authorization_RequestDenied",
            "Microsoft Graph cannot be deleted: nobody of the tenant would get a token for this API any more.",
        ));
    }
    soft_delete(call, &mut scoped, holder, record).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

async fn soft_delete(
    call: &Call<'_>,
    scoped: &mut Scoped,
    holder: Holder,
    mut record: Record,
) -> Result<(), ODataError> {
    record.deleted = Some(call.now);
    watermarks::disable(&mut record.body, call.now);
    let record = scoped.update(holder.set(), record).await.map_err(failed)?;
    let (activity, kind) = match holder {
        Holder::Application => ("Delete application", "Application"),
        Holder::ServicePrincipal => ("Remove service principal", "ServicePrincipal"),
    };
    let change = Change::application(activity, "Delete", vec![target_of(kind, &record, Vec::new())]);
    audit::write(call, scoped, change).await?;
    claim_names(scoped, &record).await?;
    match holder {
        Holder::ServicePrincipal => {
            told::tell(scoped, &record.id, [Signal::Deleted], &call.cause());
            risk::follow_principal(scoped, &record).await?;
        }
        Holder::Application => {
            // Its service principal in the home tenant goes with it; those of other tenants stay.
            let app_id = record.text("appId").unwrap_or_default();
            let principal = scoped.get_by(&SERVICE_PRINCIPAL, "app_id", app_id).await.map_err(failed)?;
            if let Some(principal) = principal.filter(|principal| principal.deleted.is_none()) {
                Box::pin(soft_delete(call, scoped, Holder::ServicePrincipal, principal)).await?;
            }
            // They stay, and cannot sign in any more.
            told::tell_elsewhere(scoped, app_id, &[Signal::Disabled], &call.cause()).await.map_err(failed)?;
        }
    }
    Ok(())
}

/// Disables a service principal, with all that a `PATCH` would do.
pub(crate) async fn disable(call: &Call<'_>, scoped: &mut Scoped, id: &str) -> Result<(), ODataError> {
    let Some(record) = scoped.get(&SERVICE_PRINCIPAL, id).await.map_err(failed)? else { return Ok(()) };
    if record.deleted.is_some() || record.flag("accountEnabled") == Some(false) {
        return Ok(());
    }
    let given = directory::object(json!({ "accountEnabled": false }));
    change(call, scoped, Holder::ServicePrincipal, record, given).await
}
