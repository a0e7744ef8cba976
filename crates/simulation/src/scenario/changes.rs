//! Changes of the directory.

use std::borrow::Cow;
use std::net::IpAddr;

use countersign_model::time::Timestamp;

use super::{Member, Scenario, named, resource_app};
use crate::calendar::MINUTE;
use crate::changes::{
    Consent, Federated, Subject, app_role_changed, application_added, application_deleted, audit,
    conditional_access_changed, consented, credentials_changed, delegated_permission_granted,
    domain_authentication, enabled, federation_changed, owner_added, principal_added,
    principal_credentials_changed, principal_removed, property, reply_urls_changed, role_member_changed,
    user_updated, verified_publisher,
};
use crate::envelopes::{
    Actor, Audit, Credential, CredentialKind, Property, Target, principal_of_resource, write_audit,
};
use crate::json::Guid;

/// Who makes a change, from where, and whether it is made.
///
/// Text with an `@` is a user principal name, other text the name of a principal of the scenario.
#[derive(Clone, Debug)]
#[must_use]
pub struct By {
    actor: Actor,
    agent: Option<String>,
    refused: Option<String>,
    spelled: Option<String>,
}

impl From<&str> for By {
    fn from(name: &str) -> By {
        if name.contains('@') { By::user(name) } else { By::application(name) }
    }
}

impl By {
    /// A person, at an address of the company.
    pub fn user(user_principal_name: &str) -> By {
        By::actor(Actor::User {
            id: named("user", user_principal_name),
            user_principal_name: user_principal_name.to_owned(),
            ip: IpAddr::from([203, 0, 113, 20]),
        })
    }

    /// An application, by the name of its principal.
    pub fn application(name: &str) -> By {
        By::actor(Actor::App { principal: named("principal", name), name: name.to_owned() })
    }

    fn actor(actor: Actor) -> By {
        By { actor, agent: None, refused: None, spelled: None }
    }

    /// From this address; records of applications have none.
    pub fn address(mut self, address: &str) -> By {
        if let Actor::User { ip, .. } = &mut self.actor {
            *ip = address.parse().expect("an address");
        }
        self
    }

    /// With this user agent.
    pub fn agent(mut self, agent: &str) -> By {
        self.agent = Some(agent.to_owned());
        self
    }

    /// In vain: the record says `failure` and this reason.
    pub fn refused(mut self, reason: &str) -> By {
        self.refused = Some(reason.to_owned());
        self
    }

    /// Spells the operation of the change's first record so: with another dash, a blank at the end, an older name.
    pub fn spelled(mut self, operation: &str) -> By {
        self.spelled = Some(operation.to_owned());
        self
    }
}

/// One record of a change that [`Scenario`] has no function for.
#[derive(Clone, Debug)]
#[must_use]
pub struct Change(Audit);

impl Change {
    /// A change in category `ApplicationManagement`, with the operation exactly as it is spelled here.
    pub fn new(operation: &str) -> Change {
        // The actor is told later.
        let nobody = Actor::App { principal: Guid::default(), name: String::new() };
        Change(audit(operation.to_owned(), "Update", "ApplicationManagement", &nobody, Vec::new()))
    }

    /// `category`, such as `RoleManagement`.
    pub fn category(mut self, category: &str) -> Change {
        self.0.category = Cow::Owned(category.to_owned());
        self
    }

    /// `loggedByService`, such as `PIM`.
    pub fn service(mut self, service: &str) -> Change {
        self.0.service = Cow::Owned(service.to_owned());
        self
    }

    /// `additionalDetails` names the application of this principal.
    pub fn app(mut self, principal: &str) -> Change {
        self.0.app = named("app", principal);
        self
    }

    /// One more target. `kind` is `ServicePrincipal`, `Application`, `User`, `Role` or another, and with the name
    /// gives the id that the scenario uses everywhere.
    pub fn target(mut self, kind: &str, name: &str) -> Change {
        let id = match kind {
            "ServicePrincipal" => named("principal", name),
            "Application" => named("application", name),
            "User" => named("user", name),
            _ => named(kind, name),
        };
        let kind = Cow::Owned(kind.to_owned());
        self.0.targets.push(Target { id, name: name.to_owned(), kind, properties: Vec::new() });
        self
    }

    /// One more changed property of the target added last. Values are written as they are: they hold JSON text.
    pub fn property(mut self, name: &str, old: Option<&str>, new: Option<&str>) -> Change {
        let property: Property = property(name.to_owned(), old.map(str::to_owned), new.map(str::to_owned));
        self.0.targets.last_mut().expect("a target comes first").properties.push(property);
        self
    }
}

fn subject(name: &str) -> Subject<'_> {
    Subject {
        name,
        principal: named("principal", name),
        app: named("app", name),
        application: named("application", name),
    }
}

/// An API of the scenario's tenant: its principal and name.
fn api(name: &str) -> (Guid, &str) {
    (principal_of_resource(named("tenant", "scenario"), resource_app(name)), name)
}

/// A federated credential: name of its key, issuer, subject.
type Federation<'a> = (&'a str, &'a str, &'a str);

fn federated((key, issuer, subject): Federation<'_>) -> Federated {
    Federated { id: named("key", key), issuer: issuer.to_owned(), subject: subject.to_owned() }
}

impl Scenario {
    /// Adds a secret to the principal of that name.
    pub fn adds_credential(self, time: Timestamp, by: impl Into<By>, key: &str, principal: &str) -> Self {
        self.adds(time, by, (CredentialKind::Secret, key), principal)
    }

    /// Adds a certificate to the principal of that name.
    pub fn adds_certificate(self, time: Timestamp, by: impl Into<By>, key: &str, principal: &str) -> Self {
        self.adds(time, by, (CredentialKind::Certificate, key), principal)
    }

    fn adds(
        mut self,
        time: Timestamp,
        by: impl Into<By>,
        (kind, key): (CredentialKind, &str),
        principal: &str,
    ) -> Self {
        let by = by.into();
        let before = self.member(principal).keys.clone();
        let mut after = before.clone();
        after.push(Credential { kind, key: named("key", key) });
        if by.refused.is_none() {
            self.member(principal).keys.clone_from(&after);
        }
        let audits = credentials_changed(&by.actor, subject(principal), &before, &after);
        self.push_audits(time, &by, audits)
    }

    /// Removes a secret or certificate from the principal of that name.
    pub fn removes_credential(
        mut self,
        time: Timestamp,
        by: impl Into<By>,
        key: &str,
        principal: &str,
    ) -> Self {
        let by = by.into();
        let member = self.member(principal);
        let before = member.keys.clone();
        member.keys.retain(|credential| credential.key != named("key", key));
        let after = member.keys.clone();
        let audits = credentials_changed(&by.actor, subject(principal), &before, &after);
        self.push_audits(time, &by, audits)
    }

    /// Adds a secret to the service principal itself: `Add service principal credentials`.
    pub fn adds_service_principal_credential(
        self,
        time: Timestamp,
        by: impl Into<By>,
        key: &str,
        principal: &str,
    ) -> Self {
        let by = by.into();
        let added = Credential { kind: CredentialKind::Secret, key: named("key", key) };
        let audits = principal_credentials_changed(&by.actor, subject(principal), &[], &[added]);
        self.push_audits(time, &by, audits)
    }

    /// Adds a federated credential: tokens of `issuer` for `subject` will do from now on.
    pub fn adds_federated_credential(
        mut self,
        time: Timestamp,
        by: impl Into<By>,
        key: &str,
        principal: &str,
        (issuer, token_subject): (&str, &str),
    ) -> Self {
        let by = by.into();
        let member = self.member(principal);
        let before = member.federated.clone();
        member.federated.push(federated((key, issuer, token_subject)));
        let after = member.federated.clone();
        let audits = federation_changed(&by.actor, subject(principal), &before, &after);
        self.push_audits(time, &by, audits)
    }

    /// Replaces the list of federated credentials; each is the name of its key, issuer and subject.
    pub fn changes_federated_credentials(
        mut self,
        time: Timestamp,
        by: impl Into<By>,
        principal: &str,
        before: &[Federation<'_>],
        after: &[Federation<'_>],
    ) -> Self {
        let by = by.into();
        let list = |list: &[Federation<'_>]| list.iter().copied().map(federated).collect::<Vec<_>>();
        let (before, after) = (list(before), list(after));
        self.member(principal).federated.clone_from(&after);
        let audits = federation_changed(&by.actor, subject(principal), &before, &after);
        self.push_audits(time, &by, audits)
    }

    /// Gives an application role of an API.
    pub fn assigns_app_role(
        self,
        time: Timestamp,
        by: impl Into<By>,
        principal: &str,
        resource: &str,
        role: &str,
    ) -> Self {
        let by = by.into();
        let audits = app_role_changed(&by.actor, subject(principal), api(resource), role, time.0, true);
        self.push_audits(time, &by, audits)
    }

    /// Takes an application role of an API away.
    pub fn removes_app_role(
        self,
        time: Timestamp,
        by: impl Into<By>,
        principal: &str,
        resource: &str,
        role: &str,
    ) -> Self {
        let by = by.into();
        let audits = app_role_changed(&by.actor, subject(principal), api(resource), role, time.0, false);
        self.push_audits(time, &by, audits)
    }

    /// Makes the principal a member of a directory role, such as `Global Administrator`.
    pub fn adds_role_member(self, time: Timestamp, by: impl Into<By>, principal: &str, role: &str) -> Self {
        let by = by.into();
        let audits = role_member_changed(&by.actor, subject(principal), role, true);
        self.push_audits(time, &by, audits)
    }

    /// Removes the principal from a directory role.
    pub fn removes_role_member(
        self,
        time: Timestamp,
        by: impl Into<By>,
        principal: &str,
        role: &str,
    ) -> Self {
        let by = by.into();
        let audits = role_member_changed(&by.actor, subject(principal), role, false);
        self.push_audits(time, &by, audits)
    }

    /// An administrator consents for everybody to delegated permissions of Microsoft Graph.
    pub fn consents_as_administrator(
        self,
        time: Timestamp,
        by: impl Into<By>,
        principal: &str,
        scopes: &str,
    ) -> Self {
        self.consents(time, &by.into(), principal, Consent { admin: true, scopes })
    }

    /// Somebody consents for themselves to delegated permissions of Microsoft Graph.
    pub fn consents_as_user(self, time: Timestamp, by: impl Into<By>, principal: &str, scopes: &str) -> Self {
        self.consents(time, &by.into(), principal, Consent { admin: false, scopes })
    }

    fn consents(self, time: Timestamp, by: &By, principal: &str, consent: Consent<'_>) -> Self {
        let audits = consented(&by.actor, subject(principal), api("Microsoft Graph"), consent);
        self.push_audits(time, by, audits)
    }

    /// Grants delegated permissions of an API, for everybody.
    pub fn grants_delegated_permission(
        self,
        time: Timestamp,
        by: impl Into<By>,
        principal: &str,
        resource: &str,
        scopes: &str,
    ) -> Self {
        let by = by.into();
        let grant = (subject(principal), api(resource));
        let audits = delegated_permission_granted(&by.actor, grant.0, grant.1, scopes, "AllPrincipals");
        self.push_audits(time, &by, audits)
    }

    /// Makes a person (by user principal name) or a principal (by name) an owner of the application.
    pub fn adds_owner(self, time: Timestamp, by: impl Into<By>, principal: &str, owner: &str) -> Self {
        self.adds_owner_of(time, &by.into(), principal, owner, false)
    }

    /// The same for the service principal.
    pub fn adds_service_principal_owner(
        self,
        time: Timestamp,
        by: impl Into<By>,
        principal: &str,
        owner: &str,
    ) -> Self {
        self.adds_owner_of(time, &by.into(), principal, owner, true)
    }

    fn adds_owner_of(
        self,
        time: Timestamp,
        by: &By,
        principal: &str,
        owner: &str,
        of_principal: bool,
    ) -> Self {
        let new_owner = if owner.contains('@') {
            ("User", named("user", owner), owner)
        } else {
            ("ServicePrincipal", named("principal", owner), owner)
        };
        let audits = owner_added(&by.actor, subject(principal), new_owner, of_principal);
        self.push_audits(time, by, audits)
    }

    /// Registers an application and its principal; the scenario need not know the name before.
    pub fn registers(self, time: Timestamp, by: impl Into<By>, name: &str) -> Self {
        self.registers_as(time, &by.into(), name, false)
    }

    /// The same for one that other tenants can use.
    pub fn registers_multi_tenant(self, time: Timestamp, by: impl Into<By>, name: &str) -> Self {
        self.registers_as(time, &by.into(), name, true)
    }

    fn registers_as(mut self, time: Timestamp, by: &By, name: &str, multi_tenant: bool) -> Self {
        // The principal named last stays the one that habits concern.
        if !self.principals.iter().any(|member| member.name == name) {
            self.principals.insert(0, Member::new(name, false));
        }
        let audits = application_added(&by.actor, subject(name), multi_tenant);
        self.push_audits(time, by, audits)
    }

    /// Adds the principal of another tenant's application.
    pub fn adds_service_principal(self, time: Timestamp, by: impl Into<By>, name: &str) -> Self {
        let by = by.into();
        let audits = principal_added(&by.actor, subject(name));
        self.push_audits(time, &by, audits)
    }

    /// Deletes an application, and with it its principal.
    pub fn deletes_application(self, time: Timestamp, by: impl Into<By>, name: &str) -> Self {
        let by = by.into();
        let audits = application_deleted(&by.actor, subject(name));
        self.push_audits(time, &by, audits)
    }

    /// Removes a service principal.
    pub fn removes_service_principal(self, time: Timestamp, by: impl Into<By>, name: &str) -> Self {
        let by = by.into();
        let audits = principal_removed(&by.actor, subject(name));
        self.push_audits(time, &by, audits)
    }

    /// Changes the addresses that answers are sent to.
    pub fn changes_reply_urls(
        self,
        time: Timestamp,
        by: impl Into<By>,
        principal: &str,
        before: &[&str],
        after: &[&str],
    ) -> Self {
        let by = by.into();
        let audits = reply_urls_changed(&by.actor, subject(principal), before, after);
        self.push_audits(time, &by, audits)
    }

    /// Disables the principal.
    pub fn disables(self, time: Timestamp, by: impl Into<By>, principal: &str) -> Self {
        let by = by.into();
        let audits = enabled(&by.actor, subject(principal), false);
        self.push_audits(time, &by, audits)
    }

    /// Enables the principal.
    pub fn enables(self, time: Timestamp, by: impl Into<By>, principal: &str) -> Self {
        let by = by.into();
        let audits = enabled(&by.actor, subject(principal), true);
        self.push_audits(time, &by, audits)
    }

    /// Sets the verified publisher of an application.
    pub fn sets_verified_publisher(self, time: Timestamp, by: impl Into<By>, principal: &str) -> Self {
        let by = by.into();
        let audits = verified_publisher(&by.actor, subject(principal), true);
        self.push_audits(time, &by, audits)
    }

    /// Takes the verified publisher of an application away.
    pub fn unsets_verified_publisher(self, time: Timestamp, by: impl Into<By>, principal: &str) -> Self {
        let by = by.into();
        let audits = verified_publisher(&by.actor, subject(principal), false);
        self.push_audits(time, &by, audits)
    }

    /// Adds (no `before`), changes or deletes (no `after`) a Conditional Access policy; texts are its JSON.
    pub fn changes_conditional_access(
        self,
        time: Timestamp,
        by: impl Into<By>,
        policy: &str,
        before: Option<&str>,
        after: Option<&str>,
    ) -> Self {
        let by = by.into();
        let audits = conditional_access_changed(&by.actor, policy, before, after);
        self.push_audits(time, &by, audits)
    }

    /// Changes how people of a domain sign in: `Managed` or `Federated`.
    pub fn sets_domain_authentication(
        self,
        time: Timestamp,
        by: impl Into<By>,
        domain: &str,
        (before, after): (&str, &str),
    ) -> Self {
        let by = by.into();
        let audits = domain_authentication(&by.actor, domain, before, after);
        self.push_audits(time, &by, audits)
    }

    /// Updates so many people's entries, one a second.
    pub fn updates_users(mut self, time: Timestamp, by: impl Into<By>, count: i64) -> Self {
        let by = by.into();
        for n in 0..count {
            let name = format!("user{n}@contoso.example");
            let audits = user_updated(&by.actor, named("user", &name), &name);
            self = self.push_audits(time.plus(n * MINUTE / 60), &by, audits);
        }
        self
    }

    /// Makes a change told in full.
    pub fn change(self, time: Timestamp, by: impl Into<By>, change: Change) -> Self {
        let by = by.into();
        let record = Audit { actor: by.actor.clone(), ..change.0 };
        self.push_audits(time, &by, vec![record])
    }

    fn push_audits(mut self, time: Timestamp, by: &By, audits: Vec<Audit>) -> Self {
        let correlation = self.next_id();
        for (n, mut audit) in audits.into_iter().enumerate() {
            let id = self.next_id();
            let time = time.0 + n as i64 * 12_345;
            audit.correlation = correlation;
            audit.refused = by.refused.clone().map(Cow::Owned);
            if let Some(agent) = &by.agent {
                audit.user_agent = Cow::Owned(agent.clone());
            }
            if let (0, Some(operation)) = (n, &by.spelled) {
                audit.operation = Cow::Owned(operation.clone());
            }
            let mut line = Vec::new();
            write_audit(&mut line, named("tenant", "scenario"), time, id, &audit);
            self.records.push((time + 2 * MINUTE, id, line));
        }
        self
    }

    fn member(&mut self, name: &str) -> &mut Member {
        self.principals
            .iter_mut()
            .find(|principal| principal.name == name)
            .expect("the scenario has this principal")
    }
}
