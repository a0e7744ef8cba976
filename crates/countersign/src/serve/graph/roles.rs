//! Directory roles: the built-in definitions, and who holds them.

use countersign_odata::edm::EntityType;
use countersign_odata::error::ODataError;
use countersign_odata::evaluate::{compare, matches};
use countersign_odata::project::project;
use countersign_store::entity::{
    DIRECTORY_ROLE, DIRECTORY_ROLE_TEMPLATE, ROLE_ASSIGNMENT, ROLE_DEFINITION, SERVICE_PRINCIPAL, USER,
};
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
    let mut role = Shape::Role.of(role);
    role["@odata.type"] = "#microsoft.graph.directoryRole".into();
    Some(role)
}

/// The forms in which Graph shows the built-in roles.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// `unifiedRoleDefinition`
    Definition,
    /// `directoryRole`
    Role,
    /// `directoryRoleTemplate`
    Template,
}

impl Shape {
    pub(crate) fn entity(self) -> &'static EntityType {
        match self {
            Shape::Definition => &ROLE_DEFINITION,
            Shape::Role => &DIRECTORY_ROLE,
            Shape::Template => &DIRECTORY_ROLE_TEMPLATE,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Shape::Definition => "roleManagement/directory/roleDefinitions",
            Shape::Role => "directoryRoles",
            Shape::Template => "directoryRoleTemplates",
        }
    }

    fn of(self, role: &Role) -> Json {
        match self {
            Shape::Definition => definition_of(role),
            Shape::Role => json!({
                "id": role.id,
                "deletedDateTime": null,
                "description": role.description,
                "displayName": role.name,
                "roleTemplateId": role.id,
            }),
            Shape::Template => json!({
                "id": role.id,
                "deletedDateTime": null,
                "description": role.description,
                "displayName": role.name,
            }),
        }
    }
}

/// `GET` of all roles.
pub(crate) fn list(call: &Call<'_>, shape: Shape) -> Result<Answer, ODataError> {
    let options = call.options(shape.entity(), Area::Directory)?;
    let mut all: Vec<Json> = ROLES.iter().map(|role| shape.of(role)).collect();
    all.retain(|role| options.filter.as_ref().is_none_or(|filter| matches(filter, role)));
    all.sort_by(|a, b| compare(&options.order_by, a, b));
    let count = options.count.then_some(all.len() as i64);
    let shown = all
        .into_iter()
        .skip(options.skip.unwrap_or(0) as usize)
        .take(options.top.map_or(usize::MAX, |top| top as usize))
        .map(|role| project(shape.entity(), call.version, &options.select, role))
        .collect();
    Ok(Answer::ok(collections::page_of(call, shape.name(), shown, count, None)))
}

/// `GET` of one role.
pub(crate) fn get(call: &Call<'_>, shape: Shape) -> Result<Answer, ODataError> {
    let options = call.options(shape.entity(), Area::Directory)?;
    let id = call.id(0);
    let role = ROLES
        .iter()
        .find(|role| role.id.eq_ignore_ascii_case(id))
        .ok_or_else(|| ODataError::not_found(id))?;
    let role = project(shape.entity(), call.version, &options.select, shape.of(role));
    Ok(Answer::ok(call.with_context(&format!("{}/$entity", shape.name()), role)))
}

/// `POST /roleManagement/directory/roleAssignments`
pub(crate) async fn create_assignment(call: &Call<'_>) -> Result<Answer, ODataError> {
    let given = body::entity(call.body, ROLE_ASSIGNMENT.entity, call.version)?;
    let principal_id = body::required_guid(&given, "principalId")?;
    let role_id = body::required_guid(&given, "roleDefinitionId")?;
    if given.get("directoryScopeId").and_then(Json::as_str).is_some_and(|scope| scope != "/") {
        return Err(ODataError::request_bad_request(
            "'directoryScopeId' must be '/': roles hold in the whole tenant.",
        ));
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
    Ok(created(call, &ROLE_ASSIGNMENTS, record))
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
            if role.id == GLOBAL_ADMINISTRATOR.id
                && !roles.iter().any(|id| id == GLOBAL_ADMINISTRATOR.id) =>
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
