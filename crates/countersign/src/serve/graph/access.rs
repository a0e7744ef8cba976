//! Who may do what: one table of permissions, one of roles, and for each operation which of them suffice.
//!
//! An application calls with the application permissions that it was granted, a person with what both the delegated
//! permissions of the token and their directory roles allow.

/// A permission of Microsoft Graph that this server knows.
#[derive(Debug)]
pub(crate) struct Permission {
    /// Name, as in `roles` and `scp` of a token.
    pub(crate) name: &'static str,
    /// Id of the application role; empty when there is none.
    pub(crate) role_id: &'static str,
    /// Id of the delegated scope; empty when there is none.
    pub(crate) scope_id: &'static str,
}

macro_rules! permissions {
    ($( $constant:ident = $name:literal, $role:literal, $scope:literal; )+) => {
        $( pub(crate) static $constant: Permission = Permission { name: $name, role_id: $role, scope_id: $scope }; )+
        /// All of them, in this order.
        pub(crate) static PERMISSIONS: &[&Permission] = &[ $( &$constant ),+ ];
    };
}

permissions! {
    APPLICATION_READ_ALL = "Application.Read.All", "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30", "c79f8feb-a9db-4090-85f9-90d820caa0eb";
    APPLICATION_READ_WRITE_ALL = "Application.ReadWrite.All", "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9", "bdfbf15f-ee85-4955-8675-146e8e5296b5";
    APPLICATION_READ_WRITE_OWNED_BY = "Application.ReadWrite.OwnedBy", "18a4783c-866b-4cc7-a460-3d5e5662c884", "";
    DIRECTORY_READ_ALL = "Directory.Read.All", "7ab1d382-f21e-4acd-a863-ba3e13f7da61", "06da0dbc-49e2-44d2-8312-53f166ab848a";
    DIRECTORY_READ_WRITE_ALL = "Directory.ReadWrite.All", "19dbc75e-c2e2-444c-a770-ec69d8559fc7", "c5366453-9fb0-48a5-a156-24f0c49a4b84";
    AUDIT_LOG_READ_ALL = "AuditLog.Read.All", "b0afded3-3588-46d8-8b3d-9842eff778da", "e4c9e354-4dc5-45b8-9e7c-e1393b0b1a20";
    POLICY_READ_ALL = "Policy.Read.All", "246dd0d5-5bd0-4def-940b-0421030a5b68", "572fea84-0151-49b2-9301-11cb16974376";
    POLICY_READ_CONDITIONAL_ACCESS = "Policy.Read.ConditionalAccess", "37730810-e9ba-4e46-b07e-8ca78d182097", "633e0fce-8c58-4cfb-9495-12bbd5a24f7c";
    POLICY_READ_WRITE_CONDITIONAL_ACCESS = "Policy.ReadWrite.ConditionalAccess", "01c0a623-fc9b-48e9-b794-0756f8e8f067", "ad902697-1014-4ef5-81ef-2b4301988e8c";
    POLICY_READ_WRITE_APPLICATION_CONFIGURATION = "Policy.ReadWrite.ApplicationConfiguration", "be74164b-cff1-491c-8741-e671cb536e13", "b27add92-efb2-4f16-84f5-8108ba77985c";
    APP_ROLE_ASSIGNMENT_READ_WRITE_ALL = "AppRoleAssignment.ReadWrite.All", "06b708a9-e830-4db3-a914-8e69da51d44f", "84bccea3-f856-4a8a-967b-dbe0a3d53a64";
    DELEGATED_PERMISSION_GRANT_READ_WRITE_ALL = "DelegatedPermissionGrant.ReadWrite.All", "8e8e4742-1d95-4f68-9d56-6ee75648c72a", "41ce6ca6-6826-4807-84f1-1c82854f7ee5";
    ROLE_MANAGEMENT_READ_DIRECTORY = "RoleManagement.Read.Directory", "483bed4a-2ad3-4361-a73b-c83ccdbdc53c", "";
    ROLE_MANAGEMENT_READ_WRITE_DIRECTORY = "RoleManagement.ReadWrite.Directory", "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8", "";
    CUSTOM_SEC_ATTRIBUTE_ASSIGNMENT_READ_ALL = "CustomSecAttributeAssignment.Read.All", "3b37c5a4-1226-493d-bec3-5d6c6b866f3f", "b46ffa80-fe3d-4822-9a1a-c200932d54d0";
    CUSTOM_SEC_ATTRIBUTE_ASSIGNMENT_READ_WRITE_ALL = "CustomSecAttributeAssignment.ReadWrite.All", "de89b5e4-5b8f-48eb-8925-29c2b33bd8bd", "ca46335e-8453-47cd-a001-8459884efeae";
    ORGANIZATION_READ_ALL = "Organization.Read.All", "498476ce-e0fe-48b0-b801-37ba7e2685c6", "";
    IDENTITY_RISKY_SERVICE_PRINCIPAL_READ_ALL = "IdentityRiskyServicePrincipal.Read.All", "607c7344-0eed-41e5-823a-9695ebe1b7b0", "ea5c4ab0-5a73-4f35-8272-5d5337884e5d";
    IDENTITY_RISKY_SERVICE_PRINCIPAL_READ_WRITE_ALL = "IdentityRiskyServicePrincipal.ReadWrite.All", "cb8d6980-6bcb-4507-afec-ed6de3a2d798", "bb6f654c-d7fd-4ae3-85c3-fc380934f515";
    IDENTITY_RISK_EVENT_READ_ALL = "IdentityRiskEvent.Read.All", "6e472fd1-ad78-48da-a0f0-97ab2c6b769e", "8f6a01e7-0391-4ee5-aa22-a3af122cef27";
    IDENTITY_RISK_EVENT_READ_WRITE_ALL = "IdentityRiskEvent.ReadWrite.All", "db06fb33-1953-4b7b-a2ac-f1e2c854f7ae", "9e4862a5-b68f-479e-848a-4e07e25c9916";
    SHARED_SIGNALS_READ_ALL = "SharedSignals.Read.All", "b6a3c5f0-4f1e-4a52-9a0e-27d1c4b8e6a1", "";
    SHARED_SIGNALS_READ_WRITE_ALL = "SharedSignals.ReadWrite.All", "3d9e7c12-8b46-4f0d-8c35-5e2a9f7b1d04", "";
}

/// A directory role. The definition's id is the template's, as for Entra's built-in roles.
#[derive(Debug)]
pub(crate) struct Role {
    /// Template id.
    pub(crate) id: &'static str,
    /// Display name.
    pub(crate) name: &'static str,
    /// What it is for.
    pub(crate) description: &'static str,
}

macro_rules! roles {
    ($( $constant:ident = $id:literal, $name:literal, $description:literal; )+) => {
        $( pub(crate) static $constant: Role = Role { id: $id, name: $name, description: $description }; )+
        /// All of them, in this order.
        pub(crate) static ROLES: &[&Role] = &[ $( &$constant ),+ ];
    };
}

roles! {
    GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10", "Global Administrator", "May do everything.";
    GLOBAL_READER = "f2ef992c-3afb-46b9-b7cf-a126ee74c451", "Global Reader", "May read everything and change nothing.";
    SECURITY_ADMINISTRATOR = "194ae4cb-b126-40b2-bd5b-6091b380977d", "Security Administrator", "Manages risk, policies and logs.";
    SECURITY_OPERATOR = "5f2222b1-57c3-48ba-8ad5-d4759f1fde6f", "Security Operator", "Works on risk: confirms, dismisses, reads logs.";
    SECURITY_READER = "5d6b6bb7-de71-4623-b4af-96380a352509", "Security Reader", "Reads risk, policies and logs.";
    CONDITIONAL_ACCESS_ADMINISTRATOR = "b1be1c3e-b65d-4f19-8427-f6fa0d97feb9", "Conditional Access Administrator", "Manages policies and named locations.";
    APPLICATION_ADMINISTRATOR = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3", "Application Administrator", "Manages applications, service principals and their credentials.";
    CLOUD_APPLICATION_ADMINISTRATOR = "158c047a-c907-4556-b7ef-446551a6b5f7", "Cloud Application Administrator", "Manages applications, service principals and their credentials.";
    APPLICATION_DEVELOPER = "cf1c38e5-3621-4004-a7cb-879624dced7c", "Application Developer", "Creates applications and owns them.";
    PRIVILEGED_ROLE_ADMINISTRATOR = "e8611ab8-c189-46e8-94e1-60213ab1f814", "Privileged Role Administrator", "Assigns roles and grants any permission.";
    REPORTS_READER = "4a5d8f65-41da-4de4-8968-e035b65339cf", "Reports Reader", "Reads sign-in and audit logs.";
    ATTRIBUTE_ASSIGNMENT_ADMINISTRATOR = "58a13ea3-c632-46ae-9ee0-9c0d43cd7f3d", "Attribute Assignment Administrator", "Assigns custom security attributes.";
    ATTRIBUTE_ASSIGNMENT_READER = "ffd52fa5-98dc-465c-991d-fc073eb59f8f", "Attribute Assignment Reader", "Reads custom security attributes.";
}

/// What suffices for an operation.
#[derive(Debug)]
pub(crate) struct Access {
    /// Any one of these, for an application and for a person's token.
    pub(crate) permissions: &'static [&'static Permission],
    /// Any one of these, for a person. A Global Administrator may everything, a Global Reader may what only reads.
    pub(crate) roles: &'static [&'static Role],
    /// Whether [`APPLICATION_READ_WRITE_OWNED_BY`], or being its owner as a person, suffices for an object that the caller owns.
    pub(crate) owned: bool,
    /// Whether nothing is changed.
    pub(crate) reads: bool,
    /// One more that is needed beside any of `permissions`.
    pub(crate) also: Option<&'static Permission>,
}

const fn reads(permissions: &'static [&'static Permission], roles: &'static [&'static Role]) -> Access {
    Access { permissions, roles, owned: false, reads: true, also: None }
}

const fn writes(permissions: &'static [&'static Permission], roles: &'static [&'static Role]) -> Access {
    Access { permissions, roles, owned: false, reads: false, also: None }
}

impl Access {
    const fn or_owner(self) -> Self {
        Access { owned: true, ..self }
    }

    const fn and(self, permission: &'static Permission) -> Self {
        Access { also: Some(permission), ..self }
    }
}

static READERS_OF_RISK: &[&Role] = &[&SECURITY_READER, &SECURITY_OPERATOR, &SECURITY_ADMINISTRATOR];
static READERS_OF_LOGS: &[&Role] =
    &[&REPORTS_READER, &SECURITY_READER, &SECURITY_OPERATOR, &SECURITY_ADMINISTRATOR];
static APPLICATION_ADMINISTRATORS: &[&Role] = &[&APPLICATION_ADMINISTRATOR, &CLOUD_APPLICATION_ADMINISTRATOR];
/// In Entra every member of the tenant may read the directory; here whoever has a role.
static READERS_OF_DIRECTORY: &[&Role] = &[
    &SECURITY_READER,
    &SECURITY_OPERATOR,
    &SECURITY_ADMINISTRATOR,
    &CONDITIONAL_ACCESS_ADMINISTRATOR,
    &APPLICATION_ADMINISTRATOR,
    &CLOUD_APPLICATION_ADMINISTRATOR,
    &APPLICATION_DEVELOPER,
    &PRIVILEGED_ROLE_ADMINISTRATOR,
    &REPORTS_READER,
];
static READ_DIRECTORY_PERMISSIONS: &[&Permission] =
    &[&APPLICATION_READ_ALL, &APPLICATION_READ_WRITE_ALL, &DIRECTORY_READ_ALL, &DIRECTORY_READ_WRITE_ALL];

/// What needs a valid token of the tenant and nothing else.
pub(crate) static ANYBODY: Access = reads(&[], &[]);
/// Risky service principals and their history.
pub(crate) static READ_RISK: Access = reads(
    &[&IDENTITY_RISKY_SERVICE_PRINCIPAL_READ_ALL, &IDENTITY_RISKY_SERVICE_PRINCIPAL_READ_WRITE_ALL],
    READERS_OF_RISK,
);
/// Confirm and dismiss. The documents name Security Administrators; the definition of Security Operator contains it too.
pub(crate) static WRITE_RISK: Access = writes(
    &[&IDENTITY_RISKY_SERVICE_PRINCIPAL_READ_WRITE_ALL],
    &[&SECURITY_OPERATOR, &SECURITY_ADMINISTRATOR],
);
/// Detections. Pollers in the field declare the permissions of risky service principals.
pub(crate) static READ_DETECTIONS: Access = reads(
    &[
        &IDENTITY_RISK_EVENT_READ_ALL,
        &IDENTITY_RISK_EVENT_READ_WRITE_ALL,
        &IDENTITY_RISKY_SERVICE_PRINCIPAL_READ_ALL,
        &IDENTITY_RISKY_SERVICE_PRINCIPAL_READ_WRITE_ALL,
    ],
    READERS_OF_RISK,
);
/// Applications, service principals and what hangs on them.
pub(crate) static READ_APPLICATIONS: Access =
    reads(READ_DIRECTORY_PERMISSIONS, READERS_OF_DIRECTORY).or_owner();
/// Changes to them.
pub(crate) static WRITE_APPLICATIONS: Access =
    writes(&[&APPLICATION_READ_WRITE_ALL, &DIRECTORY_READ_WRITE_ALL], APPLICATION_ADMINISTRATORS).or_owner();
/// New ones: whoever makes one owns it.
pub(crate) static CREATE_APPLICATIONS: Access = writes(
    &[&APPLICATION_READ_WRITE_ALL, &APPLICATION_READ_WRITE_OWNED_BY, &DIRECTORY_READ_WRITE_ALL],
    &[&APPLICATION_ADMINISTRATOR, &CLOUD_APPLICATION_ADMINISTRATOR, &APPLICATION_DEVELOPER],
);
/// Deleted objects.
pub(crate) static WRITE_DELETED: Access =
    writes(&[&APPLICATION_READ_WRITE_ALL, &DIRECTORY_READ_WRITE_ALL], APPLICATION_ADMINISTRATORS).or_owner();
/// Application permissions granted.
pub(crate) static WRITE_APP_ROLE_ASSIGNMENTS: Access =
    writes(&[&APP_ROLE_ASSIGNMENT_READ_WRITE_ALL], &[&PRIVILEGED_ROLE_ADMINISTRATOR]);
/// Delegated permissions granted.
pub(crate) static WRITE_GRANTS: Access = writes(
    &[&DELEGATED_PERMISSION_GRANT_READ_WRITE_ALL, &DIRECTORY_READ_WRITE_ALL],
    &[&APPLICATION_ADMINISTRATOR, &CLOUD_APPLICATION_ADMINISTRATOR, &PRIVILEGED_ROLE_ADMINISTRATOR],
);
/// Directory roles.
pub(crate) static READ_ROLES: Access = reads(
    &[
        &ROLE_MANAGEMENT_READ_DIRECTORY,
        &ROLE_MANAGEMENT_READ_WRITE_DIRECTORY,
        &DIRECTORY_READ_ALL,
        &DIRECTORY_READ_WRITE_ALL,
    ],
    READERS_OF_DIRECTORY,
);
/// Their assignment.
pub(crate) static WRITE_ROLES: Access =
    writes(&[&ROLE_MANAGEMENT_READ_WRITE_DIRECTORY], &[&PRIVILEGED_ROLE_ADMINISTRATOR]);
/// Sign-ins and directory audits.
pub(crate) static READ_LOGS: Access = reads(&[&AUDIT_LOG_READ_ALL], READERS_OF_LOGS);
/// The tenant.
pub(crate) static READ_ORGANIZATION: Access =
    reads(&[&ORGANIZATION_READ_ALL, &DIRECTORY_READ_ALL, &DIRECTORY_READ_WRITE_ALL], READERS_OF_DIRECTORY);
/// People.
pub(crate) static READ_USERS: Access =
    reads(&[&DIRECTORY_READ_ALL, &DIRECTORY_READ_WRITE_ALL], READERS_OF_DIRECTORY);
/// Accounts of people: whoever could change them could become them.
pub(crate) static WRITE_USERS: Access = writes(&[&DIRECTORY_READ_WRITE_ALL], &[]);
/// A key that replaces another of the same object, proven by the one that is replaced.
pub(crate) static ROLL_KEYS: Access =
    writes(&[&APPLICATION_READ_WRITE_ALL, &DIRECTORY_READ_WRITE_ALL], APPLICATION_ADMINISTRATORS).or_owner();

/// Policies of Conditional Access, named locations, What If.
pub(crate) static READ_POLICIES: Access = reads(
    &[&POLICY_READ_ALL, &POLICY_READ_CONDITIONAL_ACCESS, &POLICY_READ_WRITE_CONDITIONAL_ACCESS],
    &[&CONDITIONAL_ACCESS_ADMINISTRATOR, &SECURITY_READER, &SECURITY_ADMINISTRATOR],
);
/// Changes to them. Microsoft asks for the permission to read as well, a known issue that clients have learnt to live with.
pub(crate) static WRITE_POLICIES: Access = writes(
    &[&POLICY_READ_WRITE_CONDITIONAL_ACCESS],
    &[&CONDITIONAL_ACCESS_ADMINISTRATOR, &SECURITY_ADMINISTRATOR],
)
.and(&POLICY_READ_ALL);

/// Custom security attributes where a service principal shows them: beside what the route asks for, since filters of policies
/// rest on them.
pub(crate) static READ_ATTRIBUTES: Access = reads(
    &[&CUSTOM_SEC_ATTRIBUTE_ASSIGNMENT_READ_ALL, &CUSTOM_SEC_ATTRIBUTE_ASSIGNMENT_READ_WRITE_ALL],
    &[&ATTRIBUTE_ASSIGNMENT_READER, &ATTRIBUTE_ASSIGNMENT_ADMINISTRATOR],
);
/// Their assignment, by POST and PATCH of the service principal. Owning it is not enough: its owner would let it out.
pub(crate) static WRITE_ATTRIBUTES: Access =
    writes(&[&CUSTOM_SEC_ATTRIBUTE_ASSIGNMENT_READ_WRITE_ALL], &[&ATTRIBUTE_ASSIGNMENT_ADMINISTRATOR]);

/// Streams of security events and transmitters that are listened to; ours, for Microsoft has none.
pub(crate) static READ_SIGNALS: Access =
    reads(&[&SHARED_SIGNALS_READ_ALL, &SHARED_SIGNALS_READ_WRITE_ALL], &[]);
/// Changes to them, verification, and events that are fetched.
pub(crate) static WRITE_SIGNALS: Access = writes(&[&SHARED_SIGNALS_READ_WRITE_ALL], &[]);

/// What a caller holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Held<'a> {
    /// An application with its application permissions.
    Application(&'a [String]),
    /// A person: delegated permissions of the token, template ids of directory roles.
    Person(&'a [String], &'a [String]),
}

/// What the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Allowed on every object.
    Allowed,
    /// Allowed on objects that the caller owns.
    IfOwner,
    /// Refused.
    Denied,
}

/// Whether what a caller holds suffices.
pub(crate) fn verdict(access: &Access, held: Held<'_>) -> Verdict {
    let has =
        |granted: &[String], permission: &Permission| granted.iter().any(|name| name == permission.name);
    let (Held::Application(granted) | Held::Person(granted, _)) = held;
    if access.also.is_some_and(|permission| !has(granted, permission)) {
        return Verdict::Denied;
    }
    match held {
        _ if access.permissions.is_empty() && access.roles.is_empty() => Verdict::Allowed,
        Held::Application(granted) => {
            if access.permissions.iter().any(|permission| has(granted, permission)) {
                Verdict::Allowed
            } else if access.owned && has(granted, &APPLICATION_READ_WRITE_OWNED_BY) {
                Verdict::IfOwner
            } else {
                Verdict::Denied
            }
        }
        Held::Person(granted, roles) => {
            if !access.permissions.iter().any(|permission| has(granted, permission)) {
                return Verdict::Denied;
            }
            let plays = |role: &Role| roles.iter().any(|id| id == role.id);
            let is_enough = plays(&GLOBAL_ADMINISTRATOR)
                || (access.reads && plays(&GLOBAL_READER))
                || access.roles.iter().any(|role| plays(role));
            match (is_enough, access.owned) {
                (true, _) => Verdict::Allowed,
                (false, true) => Verdict::IfOwner,
                (false, false) => Verdict::Denied,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::serve::graph::routes::ROUTES;

    /// What each role may, as the reference says it, in classes of routes: r risk is read, d decided on; l logs; a
    /// applications are read, A changed, C created; g permissions are granted to people's clients, G to applications; o roles
    /// are read, O assigned; t the tenant; u users are read, U changed; p policies are read, P changed.
    const EXPECTED: [(&str, &str); 13] = [
        ("Global Administrator", "rdlaACgGoOtuUpP"),
        ("Global Reader", "rlaotup"),
        ("Security Administrator", "rdlaotupP"),
        ("Security Operator", "rdlaotu"),
        ("Security Reader", "rlaotup"),
        ("Conditional Access Administrator", "aotupP"),
        ("Application Administrator", "aACgotu"),
        ("Cloud Application Administrator", "aACgotu"),
        ("Application Developer", "aCotu"),
        ("Privileged Role Administrator", "agGoOtu"),
        ("Reports Reader", "laotu"),
        ("Attribute Assignment Administrator", ""),
        ("Attribute Assignment Reader", ""),
    ];

    /// The class of a route, told from its method and path alone: not from the table under test.
    fn class(method: &str, path: &str) -> char {
        let reads = method == "GET";
        let has = |part: &str| path.contains(part);
        match path.split('/').next().unwrap_or_default() {
            "identityProtection" if reads => 'r',
            "identityProtection" => 'd',
            "auditLogs" => 'l',
            // What If asks with a body.
            "identity" | "policies" if reads || has("evaluate") => 'p',
            "identity" | "policies" => 'P',
            "roleManagement" if reads => 'o',
            "roleManagement" => 'O',
            "directoryRoles" | "directoryRoleTemplates" => 'o',
            "organization" | "subscribedSkus" => 't',
            "users" if reads => 'u',
            "users" => 'U',
            "me" => 'm',
            _ if has("memberOf") => 'o',
            _ if reads => 'a',
            "oauth2PermissionGrants" => 'g',
            _ if has("appRoleAssign") => 'G',
            "applications" | "servicePrincipals" if method == "POST" && !path.contains('/') => 'C',
            _ => 'A',
        }
    }

    fn all_permissions() -> Vec<String> {
        PERMISSIONS.iter().map(|permission| permission.name.to_owned()).collect()
    }

    #[test]
    fn every_role_may_on_every_route_what_the_reference_says() {
        let granted = all_permissions();
        assert_eq!(EXPECTED.map(|(name, _)| name), *ROLES.iter().map(|role| role.name).collect::<Vec<_>>());
        for (role, (name, classes)) in ROLES.iter().zip(EXPECTED) {
            let held = [role.id.to_owned()];
            for route in ROUTES {
                let class = class(route.method, route.path);
                let expected = class == 'm' || classes.contains(class);
                let is_allowed = verdict(route.access, Held::Person(&granted, &held)) == Verdict::Allowed;
                assert_eq!(is_allowed, expected, "{name}: {} {} ({class})", route.method, route.path);
            }
        }
    }

    #[test]
    fn a_person_needs_the_permission_as_well_as_the_role() {
        let roles = [GLOBAL_ADMINISTRATOR.id.to_owned()];
        for route in ROUTES.iter().filter(|route| !route.access.permissions.is_empty()) {
            assert_eq!(verdict(route.access, Held::Person(&[], &roles)), Verdict::Denied, "{}", route.path);
            for permission in route.access.permissions {
                let granted: Vec<String> = [Some(*permission), route.access.also]
                    .into_iter()
                    .flatten()
                    .map(|one| one.name.to_owned())
                    .collect();
                let of = |granted: &[String]| verdict(route.access, Held::Person(granted, &roles));
                assert_eq!(of(&granted), Verdict::Allowed, "{} with {}", route.path, permission.name);
                if route.access.also.is_some() {
                    assert_eq!(
                        of(&granted[..1]),
                        Verdict::Denied,
                        "{} with {} alone",
                        route.path,
                        permission.name
                    );
                }
            }
        }
    }

    #[test]
    fn an_application_may_with_any_listed_permission_and_with_no_other() {
        for route in ROUTES.iter().filter(|route| !route.access.permissions.is_empty()) {
            for permission in PERMISSIONS {
                let granted: Vec<String> = [Some(*permission), route.access.also]
                    .into_iter()
                    .flatten()
                    .map(|one| one.name.to_owned())
                    .collect();
                let is_listed = route.access.permissions.iter().any(|listed| listed.name == permission.name);
                let expected = match (is_listed, route.access.owned) {
                    (true, _) => Verdict::Allowed,
                    (false, true) if permission.name == APPLICATION_READ_WRITE_OWNED_BY.name => {
                        Verdict::IfOwner
                    }
                    _ => Verdict::Denied,
                };
                let verdict = verdict(route.access, Held::Application(&granted));
                assert_eq!(verdict, expected, "{} {} with {}", route.method, route.path, permission.name);
            }
        }
    }

    #[test]
    fn attributes_are_read_and_assigned_with_permissions_of_their_own() {
        let granted = |names: &[&Permission]| -> Vec<String> {
            names.iter().map(|permission| permission.name.to_owned()).collect()
        };
        let (read, write) =
            (&CUSTOM_SEC_ATTRIBUTE_ASSIGNMENT_READ_ALL, &CUSTOM_SEC_ATTRIBUTE_ASSIGNMENT_READ_WRITE_ALL);
        for &permission in PERMISSIONS {
            let granted = granted(&[permission]);
            let may = |access| verdict(access, Held::Application(&granted)) != Verdict::Denied;
            let writes = permission.name == write.name;
            assert_eq!(may(&WRITE_ATTRIBUTES), writes, "{}", permission.name);
            assert_eq!(may(&READ_ATTRIBUTES), writes || permission.name == read.name, "{}", permission.name);
        }
        for role in ROLES {
            let (all, held) = (all_permissions(), [role.id.to_owned()]);
            let may = |access| verdict(access, Held::Person(&all, &held)) != Verdict::Denied;
            let writes = ["Global Administrator", "Attribute Assignment Administrator"].contains(&role.name);
            assert_eq!(may(&WRITE_ATTRIBUTES), writes, "{}", role.name);
            let reads = writes || ["Global Reader", "Attribute Assignment Reader"].contains(&role.name);
            assert_eq!(may(&READ_ATTRIBUTES), reads, "{}", role.name);
            let others = granted(&[&APPLICATION_READ_WRITE_ALL, &DIRECTORY_READ_WRITE_ALL]);
            let without = verdict(&READ_ATTRIBUTES, Held::Person(&others, &held));
            assert_eq!(without, Verdict::Denied, "{} without the permission", role.name);
        }
    }

    /// The table as people read it.
    fn page() -> String {
        let mut page = "# Who may do what

Made from `crates/countersign/src/serve/graph/access.rs` by its test; do not edit. An application needs one of the
permissions, a person one of the permissions in their token and one of the roles. A Global Administrator holds every role, a
Global Reader every role for what only reads.

| | Permissions | Roles | Owners |
|---|---|---|---|
"
        .to_owned();
        for route in ROUTES {
            let permissions: Vec<&str> =
                route.access.permissions.iter().map(|permission| permission.name).collect();
            let roles: Vec<&str> = route.access.roles.iter().map(|role| role.name).collect();
            let list = |names: Vec<&str>, none: &str| {
                if names.is_empty() { none.to_owned() } else { names.join(", ") }
            };
            let also = route.access.also.map_or(String::new(), |also| format!(", and {}", also.name));
            let _ = writeln!(
                page,
                "| `{} /{}` | {}{also} | {} | {} |",
                route.method,
                route.path,
                list(permissions, "any token"),
                list(
                    roles,
                    if route.access.permissions.is_empty() { "anybody" } else { "Global Administrator" }
                ),
                if route.access.owned { "yes" } else { "" }
            );
        }
        page.push_str(
            "
`customSecurityAttributes` of a service principal needs more than the route of the object, and owning it does not suffice.
Whoever may not read them gets the object without them, and 403 for a `$filter` or `$orderby` on them:

| | Permissions | Roles |
|---|---|---|
",
        );
        for (what, access) in [
            ("`$select`, `$filter`, `$orderby`", &READ_ATTRIBUTES),
            ("in the body of `POST` and `PATCH`", &WRITE_ATTRIBUTES),
        ] {
            let permissions: Vec<&str> =
                access.permissions.iter().map(|permission| permission.name).collect();
            let roles: Vec<&str> = access.roles.iter().map(|role| role.name).collect();
            let _ = writeln!(page, "| {what} | {} | {} |", permissions.join(", "), roles.join(", "));
        }
        page.push_str(
            "
Shared Signals ([docs/shared-signals.md](shared-signals.md)) are for applications, with permissions of our own:

| | Permissions |
|---|---|
",
        );
        for (methods, access) in [("GET", &READ_SIGNALS), ("POST, PATCH, PUT, DELETE", &WRITE_SIGNALS)] {
            let names: Vec<&str> = access.permissions.iter().map(|permission| permission.name).collect();
            let _ = writeln!(page, "| `{methods} /{{tenant}}/signals/…` | {} |", names.join(", "));
        }
        page
    }

    #[test]
    fn the_page_of_permissions_is_true() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/permissions.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(file, page()).unwrap();
        }
        let written = std::fs::read_to_string(file).unwrap_or_default();
        let first = written
            .lines()
            .zip(page().lines())
            .find(|(written, made)| written != made)
            .map(|both| both.0.to_owned());
        assert!(written == page(), "first line that differs: {first:?}; run this test with UPDATE_DOCS=1");
    }
}
