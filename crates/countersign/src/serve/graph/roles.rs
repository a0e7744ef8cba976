//! Directory roles: the built-in definitions, and who holds them.

use countersign_odata::error::ODataError;
use countersign_odata::evaluate::{compare, matches};
use countersign_odata::project::project;
use countersign_store::entity::{ROLE_ASSIGNMENT, ROLE_DEFINITION, SERVICE_PRINCIPAL, USER};
use countersign_store::{Record, Scoped};
use serde_json::{Value as Json, json};

use super::access::{GLOBAL_ADMINISTRATOR, ROLES, Role};
use super::applications::created;
use super::audit::{self, Change, modified, target_of};
use super::call::{Answer, Call, failed, internal};
use super::routes::{Area, ROLE_ASSIGNMENTS};
use super::{access, body, collections};
use crate::serve::directory;

fn definition_of(role: &Role) -> Json {
    json!({
        "id": role.id,
        "description": role.description,
        "displayName": role.name,
        "isBuiltIn": true,
        "isEnabled": true,
        "resourceScopes": ["/"],
        "rolePermissions": [],
        "templateId": role.id,
        "version": "1",
    })
}

/// The definition of that id.
pub(crate) fn definition(id: &str) -> Option<Json> {
    ROLES.iter().find(|role| role.id.eq_ignore_ascii_case(id)).map(|role| definition_of(role))
}

/// A role as a directory object, as `memberOf` gives it.
pub(crate) fn directory_role(id: &str) -> Option<Json> {
    let role = ROLES.iter().find(|role| role.id.eq_ignore_ascii_case(id))?;
    Some(json!({
        "@odata.type": "#microsoft.graph.directoryRole",
        "id": role.id,
        "description": role.description,
        "displayName": role.name,
        "roleTemplateId": role.id,
    }))
}

/// `GET /roleManagement/directory/roleDefinitions`
pub(crate) fn list_definitions(call: &Call<'_>) -> Result<Answer, ODataError> {
    let options = call.options(&ROLE_DEFINITION, Area::Directory)?;
    let mut all: Vec<Json> = ROLES.iter().map(|role| definition_of(role)).collect();
    all.retain(|role| options.filter.as_ref().is_none_or(|filter| matches(filter, role)));
    all.sort_by(|a, b| compare(&options.order_by, a, b));
    let count = options.count.then_some(all.len() as i64);
    let shown = all
        .into_iter()
        .skip(options.skip.unwrap_or(0) as usize)
        .take(options.top.map_or(usize::MAX, |top| top as usize))
        .map(|role| project(&ROLE_DEFINITION, call.version, &options.select, role))
        .collect();
    Ok(Answer::ok(collections::page_of(call, "roleManagement/directory/roleDefinitions", shown, count, None)))
}

/// `GET /roleManagement/directory/roleDefinitions/{id}`
pub(crate) fn get_definition(call: &Call<'_>) -> Result<Answer, ODataError> {
    let options = call.options(&ROLE_DEFINITION, Area::Directory)?;
    let role = definition(call.id(0)).ok_or_else(|| ODataError::not_found(call.id(0)))?;
    let role = project(&ROLE_DEFINITION, call.version, &options.select, role);
    Ok(Answer::ok(call.with_context("roleManagement/directory/roleDefinitions/$entity", role)))
}

/// `POST /roleManagement/directory/roleAssignments`
pub(crate) async fn create_assignment(call: &Call<'_>) -> Result<Answer, ODataError> {
    let given = body::entity(call.body, ROLE_ASSIGNMENT.entity, call.version)?;
    let principal_id = body::required_guid(&given, "principalId")?;
    let role_id = body::required_guid(&given, "roleDefinitionId")?;
    if given.get("directoryScopeId").and_then(Json::as_str).is_some_and(|scope| scope != "/") {
        return Err(ODataError::request_bad_request("'directoryScopeId' must be '/': roles hold in the whole tenant."));
    }
    let Some(role) = ROLES.iter().find(|role| role.id == role_id) else {
        return Err(ODataError::request_bad_request(format!("There is no role '{role_id}'.")));
    };
    check_strength(call, role)?;
    let mut scoped = call.begin().await?;
    let principal = principal(&mut scoped, &principal_id).await?;
    let Some((principal, kind)) = principal else {
        return Err(ODataError::not_found(&principal_id));
    };
    let body = directory::role_assignment(&principal_id, &role_id).map_err(internal)?;
    let record = scoped.insert(&ROLE_ASSIGNMENT, body).await.map_err(failed)?;
    scoped.outdate(principal.text("appId").unwrap_or_default());
    audit_role(call, &mut scoped, (&principal, kind), role, true).await?;
    scoped.commit().await.map_err(failed)?;
    created(call, &ROLE_ASSIGNMENTS, record)
}

/// `DELETE /roleManagement/directory/roleAssignments/{id}`
pub(crate) async fn delete_assignment(call: &Call<'_>) -> Result<Answer, ODataError> {
    let mut scoped = call.begin().await?;
    let record = collections::resolve(call, &ROLE_ASSIGNMENTS, 0, &mut scoped).await?;
    let role_id = record.text("roleDefinitionId").unwrap_or_default();
    if let Some(role) = ROLES.iter().find(|role| role.id.eq_ignore_ascii_case(role_id)) {
        check_strength(call, role)?;
        let principal_id = record.text("principalId").unwrap_or_default().to_ascii_lowercase();
        if let Some((principal, kind)) = principal(&mut scoped, &principal_id).await? {
            scoped.outdate(principal.text("appId").unwrap_or_default());
            audit_role(call, &mut scoped, (&principal, kind), role, false).await?;
        }
    }
    scoped.remove(&ROLE_ASSIGNMENT, &record).await.map_err(failed)?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

/// A person who may assign roles gives the strongest one only if they hold it.
fn check_strength(call: &Call<'_>, role: &Role) -> Result<(), ODataError> {
    match call.caller.held() {
        access::Held::Person(_, roles)
            if role.id == GLOBAL_ADMINISTRATOR.id && !roles.iter().any(|id| id == GLOBAL_ADMINISTRATOR.id) =>
        {
            Err(ODataError::denied())
        }
        _ => Ok(()),
    }
}

async fn principal(scoped: &mut Scoped, id: &str) -> Result<Option<(Record, &'static str)>, ODataError> {
    for (set, kind) in [(&SERVICE_PRINCIPAL, "ServicePrincipal"), (&USER, "User")] {
        if let Some(record) = scoped.get(set, id).await.map_err(failed)?
            && record.deleted.is_none()
        {
            return Ok(Some((record, kind)));
        }
    }
    Ok(None)
}

async fn audit_role(
    call: &Call<'_>,
    scoped: &mut Scoped,
    (principal, kind): (&Record, &str),
    role: &Role,
    is_added: bool,
) -> Result<(), ODataError> {
    let property = |name: &str, value: &str| {
        if is_added {
            modified(name, &Json::Null, &value.into())
        } else {
            modified(name, &value.into(), &Json::Null)
        }
    };
    let properties = vec![
        property("Role.ObjectID", role.id),
        property("Role.DisplayName", role.name),
        property("Role.TemplateId", role.id),
        property("Role.WellKnownObjectName", &role.name.replace(' ', "")),
    ];
    let role_target = directory::object(json!({ "id": role.id, "displayName": role.name }));
    let change = Change {
        activity: if is_added { "Add member to role" } else { "Remove member from role" },
        operation: if is_added { "Assign" } else { "Unassign" },
        category: "RoleManagement",
        service: "Core Directory",
        targets: vec![
            target_of(kind, principal, properties),
            audit::target("Role", &role_target, Vec::new()),
        ],
    };
    audit::write(call, scoped, change).await
}
