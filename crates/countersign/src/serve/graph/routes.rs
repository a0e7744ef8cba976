//! Every route of the API, with what it does and who may. The router, `$metadata`, the `OpenAPI` document and the test that
//! walks all routes with all roles read this table.

use countersign_odata::path::{Key, ResourcePath};
use countersign_store::entity::{
    APP_ROLE_ASSIGNMENT, APPLICATION, CONDITIONAL_ACCESS_POLICY, DIRECTORY_AUDIT, EntitySet,
    FEDERATED_IDENTITY_CREDENTIAL, NAMED_LOCATION, OAUTH2_PERMISSION_GRANT, RISK_HISTORY,
    RISKY_SERVICE_PRINCIPAL, ROLE_ASSIGNMENT, SERVICE_PRINCIPAL, SERVICE_PRINCIPAL_RISK_DETECTION, USER,
};

use super::access::{
    ANYBODY, Access, CREATE_APPLICATIONS, READ_APPLICATIONS, READ_DETECTIONS, READ_LOGS, READ_ORGANIZATION,
    READ_POLICIES, READ_RISK, READ_ROLES, READ_USERS, ROLL_KEYS, WRITE_APP_ROLE_ASSIGNMENTS,
    WRITE_APPLICATIONS, WRITE_DELETED, WRITE_GRANTS, WRITE_POLICIES, WRITE_RISK, WRITE_ROLES, WRITE_USERS,
};

/// Which of Graph's services answers: they differ in page sizes and in the names of their errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    /// Identity Protection.
    IdentityProtection,
    /// The directory.
    Directory,
    /// The logs.
    Reports,
    /// Conditional Access.
    ConditionalAccess,
}

impl Area {
    /// Objects of a page when the client does not say.
    pub(crate) fn page_size(self) -> usize {
        match self {
            Area::IdentityProtection | Area::Directory | Area::ConditionalAccess => 100,
            Area::Reports => 1_000,
        }
    }

    /// Largest `$top`.
    pub(crate) fn page_size_max(self) -> u32 {
        match self {
            Area::IdentityProtection => 500,
            Area::Directory | Area::ConditionalAccess => 999,
            Area::Reports => 1_000,
        }
    }
}

/// Objects that are listed, counted and read in the same way.
#[derive(Debug)]
pub(crate) struct Collection {
    pub(crate) set: &'static EntitySet,
    /// Column that holds the id of the object in whose path the collection stands.
    pub(crate) parent: Option<&'static str>,
    /// Keys beside the id by which one object is found: name in the path, column.
    pub(crate) keys: &'static [(&'static str, &'static str)],
    pub(crate) area: Area,
    /// Segments behind the version, for `@odata.context`.
    pub(crate) name: &'static str,
}

macro_rules! collections {
    ($( $constant:ident = $set:ident, $parent:expr, $keys:expr, $area:ident, $name:literal; )+) => {
        $( pub(crate) static $constant: Collection = Collection {
            set: &$set, parent: $parent, keys: $keys, area: Area::$area, name: $name,
        }; )+
    };
}

collections! {
    RISKY = RISKY_SERVICE_PRINCIPAL, None, &[], IdentityProtection, "identityProtection/riskyServicePrincipals";
    HISTORY = RISK_HISTORY, Some("service_principal_id"), &[], IdentityProtection, "identityProtection/riskyServicePrincipals/history";
    DETECTIONS = SERVICE_PRINCIPAL_RISK_DETECTION, None, &[], IdentityProtection, "identityProtection/servicePrincipalRiskDetections";
    APPLICATIONS = APPLICATION, None, &[("appId", "app_id"), ("uniqueName", "unique_name")], Directory, "applications";
    SERVICE_PRINCIPALS = SERVICE_PRINCIPAL, None, &[("appId", "app_id")], Directory, "servicePrincipals";
    FEDERATED = FEDERATED_IDENTITY_CREDENTIAL, Some("object_id"), &[("name", "name")], Directory, "federatedIdentityCredentials";
    ASSIGNMENTS = APP_ROLE_ASSIGNMENT, Some("principal_id"), &[], Directory, "appRoleAssignments";
    ASSIGNED_TO = APP_ROLE_ASSIGNMENT, Some("resource_id"), &[], Directory, "appRoleAssignments";
    GRANTS = OAUTH2_PERMISSION_GRANT, None, &[], Directory, "oauth2PermissionGrants";
    GRANTS_OF = OAUTH2_PERMISSION_GRANT, Some("client_id"), &[], Directory, "oauth2PermissionGrants";
    ROLE_ASSIGNMENTS = ROLE_ASSIGNMENT, None, &[], Directory, "roleManagement/directory/roleAssignments";
    USERS = USER, None, &[("userPrincipalName", "user_principal_name")], Directory, "users";
    POLICIES = CONDITIONAL_ACCESS_POLICY, None, &[], ConditionalAccess, "identity/conditionalAccess/policies";
    LOCATIONS = NAMED_LOCATION, None, &[], ConditionalAccess, "identity/conditionalAccess/namedLocations";
    AUDITS = DIRECTORY_AUDIT, None, &[], Reports, "auditLogs/directoryAudits";
}

/// Which of the two kinds of objects that hold credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    Application,
    ServicePrincipal,
}

impl Holder {
    pub(crate) fn collection(self) -> &'static Collection {
        match self {
            Holder::Application => &APPLICATIONS,
            Holder::ServicePrincipal => &SERVICE_PRINCIPALS,
        }
    }

    pub(crate) fn set(self) -> &'static EntitySet {
        self.collection().set
    }
}

/// Which of the two kinds of objects of Conditional Access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Policy,
    Location,
}

impl Rule {
    pub(crate) fn collection(self) -> &'static Collection {
        match self {
            Rule::Policy => &POLICIES,
            Rule::Location => &LOCATIONS,
        }
    }

    pub(crate) fn set(self) -> &'static EntitySet {
        self.collection().set
    }
}

/// What a route does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    /// Reads of whole collections.
    List(&'static Collection),
    Count(&'static Collection),
    Get(&'static Collection),
    IdentityProtectionRoot,
    ConditionalAccessRoot,
    ConfirmCompromised,
    Dismiss,
    CreateApplication,
    CreateServicePrincipal,
    Update(Holder),
    Delete(Holder),
    AddPassword(Holder),
    RemovePassword(Holder),
    AddKey(Holder),
    RemoveKey(Holder),
    ListOwners(Holder),
    AddOwner(Holder),
    RemoveOwner(Holder),
    CreateFederated(Holder),
    UpdateFederated(Holder),
    DeleteFederated(Holder),
    /// Granted by the path of the principal or of the resource.
    CreateAssignment,
    DeleteAssignment(&'static Collection),
    ListOwnedObjects,
    ListMemberOf,
    CreateGrant,
    UpdateGrant,
    DeleteGrant,
    ListDeleted(Holder),
    CountDeleted(Holder),
    GetDeleted,
    RestoreDeleted,
    PurgeDeleted,
    GetDirectoryObject,
    CreateRoleAssignment,
    DeleteRoleAssignment,
    ListRoleDefinitions,
    GetRoleDefinition,
    ListDirectoryRoles,
    GetDirectoryRole,
    ListRoleMembers,
    ListDirectoryRoleTemplates,
    GetDirectoryRoleTemplate,
    ListOrganization,
    GetOrganization,
    ListSubscribedSkus,
    GetSubscribedSku,
    ListSignIns,
    GetSignIn,
    CreateRule(Rule),
    UpdateRule(Rule),
    DeleteRule(Rule),
    ListDeletedRules(Rule),
    GetDeletedRule(Rule),
    RestoreRule(Rule),
    PurgeRule(Rule),
    ListTemplates,
    GetTemplate,
    WhatIf,
    /// What Graph has and nothing here is about: always empty.
    ListNone(&'static str),
    CreateUser,
    UpdateUser,
    DeleteUser,
    Me,
}

/// One route.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: &'static str,
    /// Segments behind the version; `{…}` stands for an id or a key.
    pub(crate) path: &'static str,
    pub(crate) operation: Operation,
    pub(crate) access: &'static Access,
}

const fn route(
    method: &'static str,
    path: &'static str,
    operation: Operation,
    access: &'static Access,
) -> Route {
    Route { method, path, operation, access }
}

use Holder::{Application, ServicePrincipal};
use Operation as Op;

/// All routes but `$batch` and `$metadata`, which need no permission of their own.
#[rustfmt::skip]
pub(crate) static ROUTES: &[Route] = &[
    route("GET", "identityProtection", Op::IdentityProtectionRoot, &READ_RISK),
    route("GET", "identityProtection/riskyServicePrincipals", Op::List(&RISKY), &READ_RISK),
    route("GET", "identityProtection/riskyServicePrincipals/$count", Op::Count(&RISKY), &READ_RISK),
    route("POST", "identityProtection/riskyServicePrincipals/confirmCompromised", Op::ConfirmCompromised, &WRITE_RISK),
    route("POST", "identityProtection/riskyServicePrincipals/dismiss", Op::Dismiss, &WRITE_RISK),
    route("GET", "identityProtection/riskyServicePrincipals/{id}", Op::Get(&RISKY), &READ_RISK),
    route("GET", "identityProtection/riskyServicePrincipals/{id}/history", Op::List(&HISTORY), &READ_RISK),
    route("GET", "identityProtection/riskyServicePrincipals/{id}/history/$count", Op::Count(&HISTORY), &READ_RISK),
    route("GET", "identityProtection/riskyServicePrincipals/{id}/history/{historyItemId}", Op::Get(&HISTORY), &READ_RISK),
    route("GET", "identityProtection/servicePrincipalRiskDetections", Op::List(&DETECTIONS), &READ_DETECTIONS),
    route("GET", "identityProtection/servicePrincipalRiskDetections/$count", Op::Count(&DETECTIONS), &READ_DETECTIONS),
    route("GET", "identityProtection/servicePrincipalRiskDetections/{id}", Op::Get(&DETECTIONS), &READ_DETECTIONS),

    route("GET", "applications", Op::List(&APPLICATIONS), &READ_APPLICATIONS),
    route("POST", "applications", Op::CreateApplication, &CREATE_APPLICATIONS),
    route("GET", "applications/$count", Op::Count(&APPLICATIONS), &READ_APPLICATIONS),
    route("GET", "applications/{id}", Op::Get(&APPLICATIONS), &READ_APPLICATIONS),
    route("PATCH", "applications/{id}", Op::Update(Application), &WRITE_APPLICATIONS),
    route("DELETE", "applications/{id}", Op::Delete(Application), &WRITE_APPLICATIONS),
    route("POST", "applications/{id}/addPassword", Op::AddPassword(Application), &WRITE_APPLICATIONS),
    route("POST", "applications/{id}/removePassword", Op::RemovePassword(Application), &WRITE_APPLICATIONS),
    route("POST", "applications/{id}/addKey", Op::AddKey(Application), &ROLL_KEYS),
    route("POST", "applications/{id}/removeKey", Op::RemoveKey(Application), &ROLL_KEYS),
    route("GET", "applications/{id}/owners", Op::ListOwners(Application), &READ_APPLICATIONS),
    route("POST", "applications/{id}/owners/$ref", Op::AddOwner(Application), &WRITE_APPLICATIONS),
    route("DELETE", "applications/{id}/owners/{ownerId}/$ref", Op::RemoveOwner(Application), &WRITE_APPLICATIONS),
    route("GET", "applications/{id}/federatedIdentityCredentials", Op::List(&FEDERATED), &READ_APPLICATIONS),
    route("POST", "applications/{id}/federatedIdentityCredentials", Op::CreateFederated(Application), &WRITE_APPLICATIONS),
    route("GET", "applications/{id}/federatedIdentityCredentials/$count", Op::Count(&FEDERATED), &READ_APPLICATIONS),
    route("GET", "applications/{id}/federatedIdentityCredentials/{credentialId}", Op::Get(&FEDERATED), &READ_APPLICATIONS),
    route("PATCH", "applications/{id}/federatedIdentityCredentials/{credentialId}", Op::UpdateFederated(Application), &WRITE_APPLICATIONS),
    route("DELETE", "applications/{id}/federatedIdentityCredentials/{credentialId}", Op::DeleteFederated(Application), &WRITE_APPLICATIONS),

    route("GET", "servicePrincipals", Op::List(&SERVICE_PRINCIPALS), &READ_APPLICATIONS),
    route("POST", "servicePrincipals", Op::CreateServicePrincipal, &CREATE_APPLICATIONS),
    route("GET", "servicePrincipals/$count", Op::Count(&SERVICE_PRINCIPALS), &READ_APPLICATIONS),
    route("GET", "servicePrincipals/{id}", Op::Get(&SERVICE_PRINCIPALS), &READ_APPLICATIONS),
    route("PATCH", "servicePrincipals/{id}", Op::Update(ServicePrincipal), &WRITE_APPLICATIONS),
    route("DELETE", "servicePrincipals/{id}", Op::Delete(ServicePrincipal), &WRITE_APPLICATIONS),
    route("POST", "servicePrincipals/{id}/addPassword", Op::AddPassword(ServicePrincipal), &WRITE_APPLICATIONS),
    route("POST", "servicePrincipals/{id}/removePassword", Op::RemovePassword(ServicePrincipal), &WRITE_APPLICATIONS),
    route("POST", "servicePrincipals/{id}/addKey", Op::AddKey(ServicePrincipal), &ROLL_KEYS),
    route("POST", "servicePrincipals/{id}/removeKey", Op::RemoveKey(ServicePrincipal), &ROLL_KEYS),
    route("GET", "servicePrincipals/{id}/owners", Op::ListOwners(ServicePrincipal), &READ_APPLICATIONS),
    route("POST", "servicePrincipals/{id}/owners/$ref", Op::AddOwner(ServicePrincipal), &WRITE_APPLICATIONS),
    route("DELETE", "servicePrincipals/{id}/owners/{ownerId}/$ref", Op::RemoveOwner(ServicePrincipal), &WRITE_APPLICATIONS),
    route("GET", "servicePrincipals/{id}/ownedObjects", Op::ListOwnedObjects, &READ_APPLICATIONS),
    route("GET", "servicePrincipals/{id}/memberOf", Op::ListMemberOf, &READ_ROLES),
    route("GET", "servicePrincipals/{id}/federatedIdentityCredentials", Op::List(&FEDERATED), &READ_APPLICATIONS),
    route("POST", "servicePrincipals/{id}/federatedIdentityCredentials", Op::CreateFederated(ServicePrincipal), &WRITE_APPLICATIONS),
    route("GET", "servicePrincipals/{id}/federatedIdentityCredentials/{credentialId}", Op::Get(&FEDERATED), &READ_APPLICATIONS),
    route("PATCH", "servicePrincipals/{id}/federatedIdentityCredentials/{credentialId}", Op::UpdateFederated(ServicePrincipal), &WRITE_APPLICATIONS),
    route("DELETE", "servicePrincipals/{id}/federatedIdentityCredentials/{credentialId}", Op::DeleteFederated(ServicePrincipal), &WRITE_APPLICATIONS),
    route("GET", "servicePrincipals/{id}/appRoleAssignments", Op::List(&ASSIGNMENTS), &READ_APPLICATIONS),
    route("POST", "servicePrincipals/{id}/appRoleAssignments", Op::CreateAssignment, &WRITE_APP_ROLE_ASSIGNMENTS),
    route("GET", "servicePrincipals/{id}/appRoleAssignments/$count", Op::Count(&ASSIGNMENTS), &READ_APPLICATIONS),
    route("GET", "servicePrincipals/{id}/appRoleAssignments/{assignmentId}", Op::Get(&ASSIGNMENTS), &READ_APPLICATIONS),
    route("DELETE", "servicePrincipals/{id}/appRoleAssignments/{assignmentId}", Op::DeleteAssignment(&ASSIGNMENTS), &WRITE_APP_ROLE_ASSIGNMENTS),
    route("GET", "servicePrincipals/{id}/appRoleAssignedTo", Op::List(&ASSIGNED_TO), &READ_APPLICATIONS),
    route("POST", "servicePrincipals/{id}/appRoleAssignedTo", Op::CreateAssignment, &WRITE_APP_ROLE_ASSIGNMENTS),
    route("GET", "servicePrincipals/{id}/appRoleAssignedTo/$count", Op::Count(&ASSIGNED_TO), &READ_APPLICATIONS),
    route("GET", "servicePrincipals/{id}/appRoleAssignedTo/{assignmentId}", Op::Get(&ASSIGNED_TO), &READ_APPLICATIONS),
    route("DELETE", "servicePrincipals/{id}/appRoleAssignedTo/{assignmentId}", Op::DeleteAssignment(&ASSIGNED_TO), &WRITE_APP_ROLE_ASSIGNMENTS),
    route("GET", "servicePrincipals/{id}/oauth2PermissionGrants", Op::List(&GRANTS_OF), &READ_APPLICATIONS),

    route("GET", "oauth2PermissionGrants", Op::List(&GRANTS), &READ_APPLICATIONS),
    route("POST", "oauth2PermissionGrants", Op::CreateGrant, &WRITE_GRANTS),
    route("GET", "oauth2PermissionGrants/$count", Op::Count(&GRANTS), &READ_APPLICATIONS),
    route("GET", "oauth2PermissionGrants/{id}", Op::Get(&GRANTS), &READ_APPLICATIONS),
    route("PATCH", "oauth2PermissionGrants/{id}", Op::UpdateGrant, &WRITE_GRANTS),
    route("DELETE", "oauth2PermissionGrants/{id}", Op::DeleteGrant, &WRITE_GRANTS),

    route("GET", "identity/conditionalAccess", Op::ConditionalAccessRoot, &READ_POLICIES),
    route("GET", "identity/conditionalAccess/policies", Op::List(&POLICIES), &READ_POLICIES),
    route("POST", "identity/conditionalAccess/policies", Op::CreateRule(Rule::Policy), &WRITE_POLICIES),
    route("GET", "identity/conditionalAccess/policies/$count", Op::Count(&POLICIES), &READ_POLICIES),
    route("GET", "identity/conditionalAccess/policies/{id}", Op::Get(&POLICIES), &READ_POLICIES),
    route("PATCH", "identity/conditionalAccess/policies/{id}", Op::UpdateRule(Rule::Policy), &WRITE_POLICIES),
    route("DELETE", "identity/conditionalAccess/policies/{id}", Op::DeleteRule(Rule::Policy), &WRITE_POLICIES),
    route("GET", "identity/conditionalAccess/namedLocations", Op::List(&LOCATIONS), &READ_POLICIES),
    route("POST", "identity/conditionalAccess/namedLocations", Op::CreateRule(Rule::Location), &WRITE_POLICIES),
    route("GET", "identity/conditionalAccess/namedLocations/$count", Op::Count(&LOCATIONS), &READ_POLICIES),
    route("GET", "identity/conditionalAccess/namedLocations/{id}", Op::Get(&LOCATIONS), &READ_POLICIES),
    route("PATCH", "identity/conditionalAccess/namedLocations/{id}", Op::UpdateRule(Rule::Location), &WRITE_POLICIES),
    route("DELETE", "identity/conditionalAccess/namedLocations/{id}", Op::DeleteRule(Rule::Location), &WRITE_POLICIES),
    route("POST", "identity/conditionalAccess/evaluate", Op::WhatIf, &READ_POLICIES),
    route("GET", "identity/conditionalAccess/templates", Op::ListTemplates, &READ_POLICIES),
    route("GET", "identity/conditionalAccess/templates/{id}", Op::GetTemplate, &READ_POLICIES),
    route("GET", "identity/conditionalAccess/authenticationContextClassReferences", Op::ListNone("identity/conditionalAccess/authenticationContextClassReferences"), &READ_POLICIES),
    route("GET", "identity/conditionalAccess/authenticationStrength/policies", Op::ListNone("identity/conditionalAccess/authenticationStrength/policies"), &READ_POLICIES),
    route("GET", "identity/conditionalAccess/deletedItems/policies", Op::ListDeletedRules(Rule::Policy), &READ_POLICIES),
    route("GET", "identity/conditionalAccess/deletedItems/policies/{id}", Op::GetDeletedRule(Rule::Policy), &READ_POLICIES),
    route("POST", "identity/conditionalAccess/deletedItems/policies/{id}/restore", Op::RestoreRule(Rule::Policy), &WRITE_POLICIES),
    route("DELETE", "identity/conditionalAccess/deletedItems/policies/{id}", Op::PurgeRule(Rule::Policy), &WRITE_POLICIES),
    route("GET", "identity/conditionalAccess/deletedItems/namedLocations", Op::ListDeletedRules(Rule::Location), &READ_POLICIES),
    route("GET", "identity/conditionalAccess/deletedItems/namedLocations/{id}", Op::GetDeletedRule(Rule::Location), &READ_POLICIES),
    route("POST", "identity/conditionalAccess/deletedItems/namedLocations/{id}/restore", Op::RestoreRule(Rule::Location), &WRITE_POLICIES),
    route("DELETE", "identity/conditionalAccess/deletedItems/namedLocations/{id}", Op::PurgeRule(Rule::Location), &WRITE_POLICIES),
    route("GET", "policies/conditionalAccessPolicies", Op::List(&POLICIES), &READ_POLICIES),
    route("GET", "policies/conditionalAccessPolicies/{id}", Op::Get(&POLICIES), &READ_POLICIES),

    route("GET", "directory/deletedItems/application", Op::ListDeleted(Application), &READ_APPLICATIONS),
    route("GET", "directory/deletedItems/application/$count", Op::CountDeleted(Application), &READ_APPLICATIONS),
    route("GET", "directory/deletedItems/servicePrincipal", Op::ListDeleted(ServicePrincipal), &READ_APPLICATIONS),
    route("GET", "directory/deletedItems/servicePrincipal/$count", Op::CountDeleted(ServicePrincipal), &READ_APPLICATIONS),
    route("GET", "directory/deletedItems/{id}", Op::GetDeleted, &READ_APPLICATIONS),
    route("POST", "directory/deletedItems/{id}/restore", Op::RestoreDeleted, &WRITE_DELETED),
    route("DELETE", "directory/deletedItems/{id}", Op::PurgeDeleted, &WRITE_DELETED),
    route("GET", "directoryObjects/{id}", Op::GetDirectoryObject, &READ_APPLICATIONS),

    route("GET", "roleManagement/directory/roleAssignments", Op::List(&ROLE_ASSIGNMENTS), &READ_ROLES),
    route("POST", "roleManagement/directory/roleAssignments", Op::CreateRoleAssignment, &WRITE_ROLES),
    route("GET", "roleManagement/directory/roleAssignments/$count", Op::Count(&ROLE_ASSIGNMENTS), &READ_ROLES),
    route("GET", "roleManagement/directory/roleAssignments/{id}", Op::Get(&ROLE_ASSIGNMENTS), &READ_ROLES),
    route("DELETE", "roleManagement/directory/roleAssignments/{id}", Op::DeleteRoleAssignment, &WRITE_ROLES),
    route("GET", "roleManagement/directory/roleDefinitions", Op::ListRoleDefinitions, &READ_ROLES),
    route("GET", "roleManagement/directory/roleDefinitions/{id}", Op::GetRoleDefinition, &READ_ROLES),

    route("GET", "directoryRoles", Op::ListDirectoryRoles, &READ_ROLES),
    route("GET", "directoryRoles/{id}", Op::GetDirectoryRole, &READ_ROLES),
    route("GET", "directoryRoles/{id}/members", Op::ListRoleMembers, &READ_ROLES),
    route("GET", "directoryRoleTemplates", Op::ListDirectoryRoleTemplates, &READ_ROLES),
    route("GET", "directoryRoleTemplates/{id}", Op::GetDirectoryRoleTemplate, &READ_ROLES),

    route("GET", "organization", Op::ListOrganization, &READ_ORGANIZATION),
    route("GET", "organization/{id}", Op::GetOrganization, &READ_ORGANIZATION),
    route("GET", "subscribedSkus", Op::ListSubscribedSkus, &READ_ORGANIZATION),
    route("GET", "subscribedSkus/{id}", Op::GetSubscribedSku, &READ_ORGANIZATION),

    route("GET", "auditLogs/signIns", Op::ListSignIns, &READ_LOGS),
    route("GET", "auditLogs/signIns/{id}", Op::GetSignIn, &READ_LOGS),
    route("GET", "auditLogs/directoryAudits", Op::List(&AUDITS), &READ_LOGS),
    route("GET", "auditLogs/directoryAudits/$count", Op::Count(&AUDITS), &READ_LOGS),
    route("GET", "auditLogs/directoryAudits/{id}", Op::Get(&AUDITS), &READ_LOGS),

    route("GET", "users", Op::List(&USERS), &READ_USERS),
    route("POST", "users", Op::CreateUser, &WRITE_USERS),
    route("GET", "users/$count", Op::Count(&USERS), &READ_USERS),
    route("GET", "users/{id}", Op::Get(&USERS), &READ_USERS),
    route("PATCH", "users/{id}", Op::UpdateUser, &WRITE_USERS),
    route("DELETE", "users/{id}", Op::DeleteUser, &WRITE_USERS),
    route("GET", "me", Op::Me, &ANYBODY),
];

/// An id or a key out of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Param {
    /// `/applications/x`, `/applications('x')`
    Id(String),
    /// `/applications(appId='x')`
    Key(String, String),
}

impl Param {
    /// The id; a key has none.
    pub(crate) fn id(&self) -> &str {
        match self {
            Param::Id(id) | Param::Key(_, id) => id,
        }
    }
}

/// What a path leads to.
#[derive(Debug)]
pub(crate) enum Found {
    /// A route, with the ids of its path.
    Route(&'static Route, Vec<Param>),
    /// The path is known, the method is not.
    WrongMethod,
    /// Nothing; the first segment that is not known.
    Nothing(String),
}

enum Piece {
    Name(String),
    Key(Param),
    /// A key of several members: nothing here has one.
    CompoundKey,
}

/// Finds the route of a request.
pub(crate) fn find(method: &str, path: &ResourcePath) -> Found {
    let pieces = pieces(path);
    let mut is_known = false;
    for route in ROUTES {
        if let Some(params) = matches(route.path, &pieces) {
            if route.method == method {
                return Found::Route(route, params);
            }
            is_known = true;
        }
    }
    if is_known { Found::WrongMethod } else { Found::Nothing(first_unknown(&pieces)) }
}

fn pieces(path: &ResourcePath) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for segment in &path.segments {
        // `microsoft.graph.dismiss` is the long form of `dismiss`, and casts are names as well. Python's client leaves
        // `microsoft.` out.
        let name =
            segment.qualified().or_else(|| segment.name.strip_prefix("graph.")).unwrap_or(&segment.name);
        pieces.push(Piece::Name(name.to_owned()));
        match &segment.key {
            None => {}
            Some(Key::Positional(value)) => pieces.push(Piece::Key(Param::Id(value.clone()))),
            Some(Key::Named(values)) => {
                pieces.push(match values.as_slice() {
                    [(name, value)] if name == "id" => Piece::Key(Param::Id(value.clone())),
                    [(name, value)] => Piece::Key(Param::Key(name.clone(), value.clone())),
                    _ => Piece::CompoundKey,
                });
            }
        }
    }
    pieces
}

fn matches(template: &str, pieces: &[Piece]) -> Option<Vec<Param>> {
    let mut params = Vec::new();
    let mut template = template.split('/');
    for piece in pieces {
        let expected = template.next()?;
        match (expected.starts_with('{'), piece) {
            (true, Piece::Name(name)) if !name.starts_with('$') => params.push(Param::Id(name.clone())),
            (true, Piece::Key(param)) => params.push(param.clone()),
            (false, Piece::Name(name)) if name.eq_ignore_ascii_case(expected) => {}
            _ => return None,
        }
    }
    template.next().is_none().then_some(params)
}

/// The first segment behind which no route goes on.
fn first_unknown(pieces: &[Piece]) -> String {
    let mut last = "";
    for (at, piece) in pieces.iter().enumerate() {
        let known = &pieces[..=at];
        if let Piece::Name(name) = piece {
            last = name;
        }
        let goes_on = ROUTES.iter().any(|route| {
            let parts: Vec<&str> = route.path.split('/').take(known.len()).collect();
            parts.len() == known.len() && matches(&parts.join("/"), known).is_some()
        });
        if !goes_on {
            break;
        }
    }
    last.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_path(method: &str, path: &str) -> String {
        match find(method, &ResourcePath::parse(path).unwrap()) {
            Found::Route(route, params) => format!("{} {:?}", route.path, params),
            Found::WrongMethod => "wrong method".into(),
            Found::Nothing(segment) => format!("no {segment}"),
        }
    }

    #[test]
    fn paths_lead_to_routes() {
        for (method, path, expected) in [
            ("GET", "/applications", "applications []"),
            ("GET", "//applications/", "applications []"),
            ("GET", "/applications/$count", "applications/$count []"),
            ("GET", "/APPLICATIONS/a", "applications/{id} [Id(\"a\")]"),
            ("GET", "/applications('a')", "applications/{id} [Id(\"a\")]"),
            ("GET", "/applications(appId='a')", "applications/{id} [Key(\"appId\", \"a\")]"),
            (
                "POST",
                "/identityProtection/riskyServicePrincipals/microsoft.graph.dismiss",
                "identityProtection/riskyServicePrincipals/dismiss []",
            ),
            (
                "GET",
                "/directory/deletedItems/microsoft.graph.application",
                "directory/deletedItems/application []",
            ),
            ("DELETE", "/identityProtection/riskyServicePrincipals/a", "wrong method"),
            ("GET", "/applications(a='b',c='d')", "no applications"),
            ("GET", "/applications(a='b',c='d')/owners", "no applications"),
            ("GET", "/applications/a/unheard", "no unheard"),
            ("GET", "/unheard", "no unheard"),
        ] {
            assert_eq!(find_path(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn no_route_hides_another() {
        for route in ROUTES {
            let example: Vec<&str> =
                route.path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
            let found = find(route.method, &ResourcePath::parse(&example.join("/")).unwrap());
            assert!(matches!(found, Found::Route(found, _) if found.path == route.path), "{}", route.path);
        }
    }
}
