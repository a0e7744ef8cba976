//! Changes of the directory as the audit log tells them: one function for each, one or two records a change.

use std::borrow::Cow;

use crate::archetypes::Principal;
use crate::envelopes::{Actor, Audit, Credential, CredentialKind, Property, Target};
use crate::json::{Guid, Json};
use crate::rng::mix_text;

/// `Update application – Certificates and secrets management ` as Entra really spells it: with an en dash and a
/// blank at the end.
pub(crate) const SECRETS_MANAGEMENT: &str =
    "Update application \u{2013} Certificates and secrets management ";

const PORTAL: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36 Edg/134.0.0.0";
const AUTOMATION: &str = "python-requests/2.32.3";

/// What an audit record is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    pub(crate) principal: Guid,
    pub(crate) app: Guid,
    pub(crate) application: Guid,
}

impl<'a> From<&'a Principal> for Subject<'a> {
    fn from(principal: &'a Principal) -> Self {
        Subject {
            name: &principal.name,
            principal: principal.id,
            app: principal.app,
            application: principal.application,
        }
    }
}

impl Subject<'_> {
    fn as_application(self, properties: Vec<Property>) -> Target {
        target("Application", self.application, self.name, properties)
    }

    fn as_principal(self, properties: Vec<Property>) -> Target {
        target("ServicePrincipal", self.principal, self.name, properties)
    }
}

pub(crate) fn target(kind: &'static str, id: Guid, name: &str, properties: Vec<Property>) -> Target {
    Target { id, name: name.to_owned(), kind: kind.into(), properties }
}

pub(crate) fn property(
    name: impl Into<Cow<'static, str>>,
    old: Option<String>,
    new: Option<String>,
) -> Property {
    Property { name: name.into(), old, new }
}

/// A value as `modifiedProperties` nests it: JSON inside the string.
pub(crate) fn quoted(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    Json(&mut bytes).string(text);
    String::from_utf8(bytes).ok()
}

fn quoted_id(id: Guid) -> Option<String> {
    quoted(&id.to_string())
}

/// An array of one text.
fn listed(text: &str) -> Option<String> {
    quoted(text).map(|text| format!("[{text}]"))
}

fn included(names: &str) -> Property {
    property("Included Updated Properties", None, quoted(names))
}

/// One record of a change. Builders below start from it.
pub(crate) fn audit(
    operation: impl Into<Cow<'static, str>>,
    operation_type: &'static str,
    category: &'static str,
    actor: &Actor,
    targets: Vec<Target>,
) -> Audit {
    Audit {
        operation: operation.into(),
        operation_type,
        category: category.into(),
        service: "Core Directory".into(),
        actor: actor.clone(),
        targets,
        app: Guid::default(),
        user_agent: match actor {
            Actor::User { .. } => PORTAL.into(),
            Actor::App { .. } => AUTOMATION.into(),
        },
        refused: None,
        correlation: 0,
    }
}

fn of_application(
    operation: &'static str,
    operation_type: &'static str,
    actor: &Actor,
    subject: Subject<'_>,
    targets: Vec<Target>,
) -> Audit {
    Audit { app: subject.app, ..audit(operation, operation_type, "ApplicationManagement", actor, targets) }
}

fn key_descriptions(credentials: &[Credential], name: &str) -> String {
    let entries: Vec<String> = credentials
        .iter()
        .map(|credential| {
            let (kind, display_name) = match credential.kind {
                CredentialKind::Certificate | CredentialKind::Assertion => {
                    ("AsymmetricX509Cert", format!("CN={name}"))
                }
                _ => ("Password", name.to_owned()),
            };
            let key = credential.key;
            let text =
                format!("[KeyIdentifier={key},KeyType={kind},KeyUsage=Verify,DisplayName={display_name}]");
            quoted(&text).unwrap_or_default()
        })
        .collect();
    format!("[{}]", entries.join(","))
}

fn key_description(before: &[Credential], after: &[Credential], name: &str) -> Property {
    property("KeyDescription", Some(key_descriptions(before, name)), Some(key_descriptions(after, name)))
}

/// Secrets or certificates of an application changed. One action, two records, as Entra writes it.
pub(crate) fn credentials_changed(
    actor: &Actor,
    subject: Subject<'_>,
    before: &[Credential],
    after: &[Credential],
) -> Vec<Audit> {
    let record = |operation, properties| {
        of_application(operation, "Update", actor, subject, vec![subject.as_application(properties)])
    };
    let keys = key_description(before, after, subject.name);
    vec![
        record(SECRETS_MANAGEMENT, vec![keys, included("KeyDescription")]),
        record("Update application", vec![included("KeyDescription")]),
    ]
}

/// Keys of a service principal changed, as of one whose application belongs to another tenant.
pub(crate) fn principal_credentials_changed(
    actor: &Actor,
    subject: Subject<'_>,
    before: &[Credential],
    after: &[Credential],
) -> Vec<Audit> {
    let operation = if after.len() < before.len() {
        "Remove service principal credentials"
    } else {
        "Add service principal credentials"
    };
    let properties = vec![
        key_description(before, after, subject.name),
        included("KeyDescription"),
        property("TargetId.ServicePrincipalNames", None, quoted_id(subject.app)),
    ];
    vec![of_application(operation, "Update", actor, subject, vec![subject.as_principal(properties)])]
}

/// A federated credential: tokens of `issuer` for `subject` will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Federated {
    pub(crate) id: Guid,
    pub(crate) issuer: String,
    pub(crate) subject: String,
}

fn federated_list(credentials: &[Federated]) -> String {
    let entries: Vec<String> = credentials
        .iter()
        .map(|credential| {
            format!(
                concat!(
                    r#"{{"Name":"deploy","Issuer":{},"Subject":{},"Id":"{}","Description":"","#,
                    r#""Audiences":["api://AzureADTokenExchange"],"ClaimsMatchingExpressionValue":null,"#,
                    r#""ClaimsMatchingExpressionLanguageVersion":null,"EncodingVersion":1,"TrustedIssuer":null}}"#
                ),
                quoted(&credential.issuer).unwrap_or_default(),
                quoted(&credential.subject).unwrap_or_default(),
                credential.id
            )
        })
        .collect();
    format!("[{}]", entries.join(","))
}

/// The federated credentials of an application changed.
pub(crate) fn federation_changed(
    actor: &Actor,
    subject: Subject<'_>,
    before: &[Federated],
    after: &[Federated],
) -> Vec<Audit> {
    let list =
        property("FederatedIdentityCredentials", Some(federated_list(before)), Some(federated_list(after)));
    let properties = vec![list, included("FederatedIdentityCredentials")];
    vec![of_application(
        "Update application",
        "Update",
        actor,
        subject,
        vec![subject.as_application(properties)],
    )]
}

/// An application was registered: its application and its principal.
pub(crate) fn application_added(actor: &Actor, subject: Subject<'_>, multi_tenant: bool) -> Vec<Audit> {
    let properties = || {
        vec![
            property("AppId", Some("[]".to_owned()), listed(&subject.app.to_string())),
            property("AvailableToOtherTenants", Some("[]".to_owned()), Some(format!("[{multi_tenant}]"))),
            property("DisplayName", Some("[]".to_owned()), listed(subject.name)),
            included("AppId, AvailableToOtherTenants, DisplayName"),
        ]
    };
    let application = vec![subject.as_application(properties())];
    let mut audits = vec![of_application("Add application", "Add", actor, subject, application)];
    audits.extend(principal_added(actor, subject));
    audits
}

/// A service principal was made, as of another tenant's application when somebody consents to it.
pub(crate) fn principal_added(actor: &Actor, subject: Subject<'_>) -> Vec<Audit> {
    let app = subject.app.to_string();
    let none = || Some("[]".to_owned());
    let properties = vec![
        property("AccountEnabled", none(), Some("[true]".to_owned())),
        property("AppPrincipalId", none(), listed(&app)),
        property("DisplayName", none(), listed(subject.name)),
        property("ServicePrincipalName", none(), listed(&app)),
        included("AccountEnabled, AppPrincipalId, DisplayName, ServicePrincipalName"),
        property("TargetId.ServicePrincipalNames", None, quoted(&app)),
    ];
    let principal = vec![subject.as_principal(properties)];
    vec![of_application("Add service principal", "Add", actor, subject, principal)]
}

/// An application was deleted, and with it its principal.
pub(crate) fn application_deleted(actor: &Actor, subject: Subject<'_>) -> Vec<Audit> {
    let application = vec![subject.as_application(Vec::new())];
    let mut audits = vec![of_application("Delete application", "Delete", actor, subject, application)];
    audits.extend(principal_removed(actor, subject));
    audits
}

/// A service principal was removed.
pub(crate) fn principal_removed(actor: &Actor, subject: Subject<'_>) -> Vec<Audit> {
    let principal = vec![subject.as_principal(Vec::new())];
    vec![of_application("Remove service principal", "Delete", actor, subject, principal)]
}

/// An application role of an API was given to a principal (`given`), or taken from it.
pub(crate) fn app_role_changed(
    actor: &Actor,
    subject: Subject<'_>,
    (resource, resource_name): (Guid, &str),
    role: &str,
    time: i64,
    given: bool,
) -> Vec<Audit> {
    let mut assigned = Vec::new();
    Json(&mut assigned).time(time, 0, "Z");
    let assigned = String::from_utf8(assigned).ok();
    let value = |name: &'static str, value: Option<String>| {
        if given { property(name, None, value) } else { property(name, value, None) }
    };
    let role_properties = vec![
        value("AppRole.Id", quoted_id(Guid::from_seed(mix_text(role)))),
        value("AppRole.Value", quoted(role)),
        value("AppRole.DisplayName", quoted(role)),
        value("AppRoleAssignment.CreatedDateTime", assigned.clone()),
        value("AppRoleAssignment.LastModifiedDateTime", assigned),
        value("ServicePrincipal.ObjectID", quoted_id(subject.principal)),
        value("ServicePrincipal.DisplayName", quoted(subject.name)),
        value("ServicePrincipal.AppId", quoted_id(subject.app)),
        value("ServicePrincipal.Name", quoted_id(subject.app)),
        property("TargetId.ServicePrincipalNames", None, quoted_id(resource)),
    ];
    let targets = vec![
        target("ServicePrincipal", resource, resource_name, role_properties),
        target("ServicePrincipal", subject.principal, &subject.app.to_string(), Vec::new()),
    ];
    let (operation, operation_type) = if given {
        ("Add app role assignment to service principal", "Assign")
    } else {
        ("Remove app role assignment from service principal", "Unassign")
    };
    vec![of_application(operation, operation_type, actor, subject, targets)]
}

/// A principal became a member of a directory role (`given`), or is no longer.
pub(crate) fn role_member_changed(
    actor: &Actor,
    subject: Subject<'_>,
    role: &str,
    given: bool,
) -> Vec<Audit> {
    let id = Guid::from_seed(mix_text(role));
    let value = |name: &'static str, value: Option<String>| {
        if given { property(name, None, value) } else { property(name, value, None) }
    };
    let properties = vec![
        value("Role.ObjectID", quoted_id(id)),
        value("Role.DisplayName", quoted(role)),
        value("Role.TemplateId", quoted_id(Guid::from_seed(mix_text(role) ^ 1))),
        value("Role.WellKnownObjectName", quoted(&role.replace(' ', ""))),
    ];
    let targets = vec![subject.as_principal(properties), target("Role", id, role, Vec::new())];
    let (operation, operation_type) =
        if given { ("Add member to role", "Assign") } else { ("Remove member from role", "Unassign") };
    vec![Audit { app: subject.app, ..audit(operation, operation_type, "RoleManagement", actor, targets) }]
}

/// How a consent was given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Consent<'a> {
    /// By an administrator, for everybody.
    pub(crate) admin: bool,
    /// Permissions, separated by blanks.
    pub(crate) scopes: &'a str,
}

/// Somebody consented to an application: the consent and the grant that follows from it.
pub(crate) fn consented(
    actor: &Actor,
    subject: Subject<'_>,
    resource: (Guid, &str),
    consent: Consent<'_>,
) -> Vec<Audit> {
    let Consent { admin, scopes } = consent;
    let truth = |value: bool| quoted(if value { "True" } else { "False" });
    let (resource_id, _) = resource;
    let (kind, person) = match (admin, actor) {
        (false, Actor::User { id, .. }) => ("Principal", id.to_string()),
        _ => ("AllPrincipals", String::new()),
    };
    let permissions = format!(
        "[] => [[Id: {:016x}, ClientId: {}, PrincipalId: {person}, ResourceId: {resource_id}, ConsentType: {kind}, Scope: {scopes}, CreatedDateTime: , LastModifiedDateTime ]]; ",
        mix_text(scopes),
        subject.principal
    );
    let properties = vec![
        property("ConsentContext.IsAdminConsent", None, truth(admin)),
        property("ConsentContext.IsAppOnly", None, truth(false)),
        property("ConsentContext.OnBehalfOfAll", None, truth(admin)),
        property("ConsentContext.Tags", None, quoted("WindowsAzureActiveDirectoryIntegratedApp")),
        property("ConsentAction.Permissions", None, quoted(&permissions)),
        property("TargetId.ServicePrincipalNames", None, quoted_id(subject.app)),
    ];
    let mut audits = delegated_permission_granted(actor, subject, resource, scopes, kind);
    let principal = vec![subject.as_principal(properties)];
    audits.push(of_application("Consent to application", "Assign", actor, subject, principal));
    audits
}

/// An application may act for people (`AllPrincipals`) or one person (`Principal`).
pub(crate) fn delegated_permission_granted(
    actor: &Actor,
    subject: Subject<'_>,
    (resource, resource_name): (Guid, &str),
    scopes: &str,
    consent_type: &str,
) -> Vec<Audit> {
    let properties = vec![
        // With a blank in front, as the log has it.
        property("DelegatedPermissionGrant.Scope", None, quoted(&format!(" {scopes}"))),
        property("DelegatedPermissionGrant.ConsentType", None, quoted(consent_type)),
        property("ServicePrincipal.ObjectID", None, quoted_id(subject.principal)),
        property("ServicePrincipal.DisplayName", None, quoted(subject.name)),
        property("ServicePrincipal.AppId", None, quoted_id(subject.app)),
        property("TargetId.ServicePrincipalNames", None, quoted_id(resource)),
    ];
    let targets = vec![
        target("ServicePrincipal", resource, resource_name, properties),
        target("ServicePrincipal", subject.principal, &subject.app.to_string(), Vec::new()),
    ];
    vec![of_application("Add delegated permission grant", "Assign", actor, subject, targets)]
}

/// Somebody or something became an owner of an application, or of its principal.
pub(crate) fn owner_added(
    actor: &Actor,
    subject: Subject<'_>,
    (owner_kind, owner, owner_name): (&'static str, Guid, &str),
    of_principal: bool,
) -> Vec<Audit> {
    let names = ["ObjectID", "DisplayName", "AppId"];
    let values = |id: Guid| [quoted_id(id), quoted(subject.name), quoted_id(subject.app)];
    let (operation, prefix, id, owned) = if of_principal {
        let owned = subject.as_principal(Vec::new());
        ("Add owner to service principal", "ServicePrincipal", subject.principal, owned)
    } else {
        let owned = subject.as_application(Vec::new());
        ("Add owner to application", "Application", subject.application, owned)
    };
    let properties = names
        .iter()
        .zip(values(id))
        .map(|(name, value)| property(format!("{prefix}.{name}"), None, value))
        .collect();
    let targets = vec![target(owner_kind, owner, owner_name, properties), owned];
    vec![of_application(operation, "Assign", actor, subject, targets)]
}

/// Addresses that answers are sent to changed.
pub(crate) fn reply_urls_changed(
    actor: &Actor,
    subject: Subject<'_>,
    before: &[&str],
    after: &[&str],
) -> Vec<Audit> {
    let list = |urls: &[&str]| {
        let entries: Vec<String> = urls
            .iter()
            .map(|url| {
                let address = quoted(url).unwrap_or_default();
                format!(r#"{{"AddressType":0,"Address":{address},"ReplyAddressClientType":0}}"#)
            })
            .collect();
        Some(format!("[{}]", entries.join(",")))
    };
    let properties = || vec![property("AppAddress", list(before), list(after)), included("AppAddress")];
    vec![
        of_application(
            "Update application",
            "Update",
            actor,
            subject,
            vec![subject.as_application(properties())],
        ),
        of_application(
            "Update service principal",
            "Update",
            actor,
            subject,
            vec![subject.as_principal(properties())],
        ),
    ]
}

/// A principal was enabled or disabled.
pub(crate) fn enabled(actor: &Actor, subject: Subject<'_>, now: bool) -> Vec<Audit> {
    let switch = property("AccountEnabled", Some(format!("[{}]", !now)), Some(format!("[{now}]")));
    let principal = vec![subject.as_principal(vec![switch, included("AccountEnabled")])];
    vec![of_application("Update service principal", "Update", actor, subject, principal)]
}

/// An application and its principal have another name.
pub(crate) fn renamed(actor: &Actor, subject: Subject<'_>, before: &str) -> Vec<Audit> {
    let properties =
        || vec![property("DisplayName", listed(before), listed(subject.name)), included("DisplayName")];
    vec![
        of_application(
            "Update application",
            "Update",
            actor,
            subject,
            vec![subject.as_application(properties())],
        ),
        of_application(
            "Update service principal",
            "Update",
            actor,
            subject,
            vec![subject.as_principal(properties())],
        ),
    ]
}

/// A publisher was confirmed, or is no longer.
pub(crate) fn verified_publisher(actor: &Actor, subject: Subject<'_>, now: bool) -> Vec<Audit> {
    let operation = if now { "Set verified publisher" } else { "Unset verified publisher" };
    let application = vec![subject.as_application(Vec::new())];
    vec![of_application(operation, "Update", actor, subject, application)]
}

/// A Conditional Access policy was added (no `before`), deleted (no `after`) or changed. Texts are the policies' JSON.
pub(crate) fn conditional_access_changed(
    actor: &Actor,
    name: &str,
    before: Option<&str>,
    after: Option<&str>,
) -> Vec<Audit> {
    let (operation, operation_type) = match (before, after) {
        (None, _) => ("Add conditional access policy", "Add"),
        (_, None) => ("Delete conditional access policy", "Delete"),
        _ => ("Update conditional access policy", "Update"),
    };
    let policy = property("ConditionalAccessPolicy", before.map(str::to_owned), after.map(str::to_owned));
    let targets = vec![target("Policy", Guid::from_seed(mix_text(name)), name, vec![policy])];
    vec![Audit {
        service: "Conditional Access".into(),
        ..audit(operation, operation_type, "Policy", actor, targets)
    }]
}

/// A domain is signed in to in another way: `Managed` or `Federated`.
pub(crate) fn domain_authentication(actor: &Actor, domain: &str, before: &str, after: &str) -> Vec<Audit> {
    let properties = vec![property("LiveType", listed(before), listed(after)), included("LiveType")];
    let targets = vec![target("Domain", Guid::from_seed(mix_text(domain)), domain, properties)];
    vec![audit("Set domain authentication", "Update", "DirectoryManagement", actor, targets)]
}

/// Properties of a person's entry changed.
pub(crate) fn user_updated(actor: &Actor, user: Guid, name: &str) -> Vec<Audit> {
    let properties = vec![
        property("Department", listed("Sales"), listed("Marketing")),
        included("Department, ExtensionAttribute4"),
    ];
    vec![audit(
        "Update user",
        "Update",
        "UserManagement",
        actor,
        vec![target("User", user, name, properties)],
    )]
}

/// Somebody joined a group (`given`), or left it.
pub(crate) fn group_member_changed(
    actor: &Actor,
    user: Guid,
    name: &str,
    group: Guid,
    given: bool,
) -> Vec<Audit> {
    let value = |name: &'static str, value: Option<String>| {
        if given { property(name, None, value) } else { property(name, value, None) }
    };
    let properties =
        vec![value("Group.ObjectID", quoted_id(group)), value("Group.DisplayName", quoted("Staff"))];
    let targets = vec![target("User", user, name, properties), target("Group", group, "", Vec::new())];
    let (operation, operation_type) =
        if given { ("Add member to group", "Assign") } else { ("Remove member from group", "Unassign") };
    vec![audit(operation, operation_type, "GroupManagement", actor, targets)]
}
