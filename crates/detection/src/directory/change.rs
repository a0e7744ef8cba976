//! One audit record understood: which workload identity it concerns, what it gives, whom it lets in.

use countersign_model::event::{DirectoryAudit, Target};
use countersign_model::id::{AppId, Id};

use super::names::{CI_ISSUERS, THROWAWAY_HOSTS, is_below};
use super::operations::Operation;
use super::permissions::{self, Tier};
use crate::ledger::{Key, keys, trusts};
use crate::order::hash32;

/// A workload identity that a record concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// Object id of the service principal or the application.
    pub(crate) id: Id<'static>,
    /// True when `id` is the application's.
    pub(crate) is_application: bool,
    /// Application id; none where the record does not say.
    pub(crate) app: AppId<'static>,
    pub(crate) name: String,
}

/// What a change gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) tier: Tier,
    /// The strongest of what was given, in words: `Mail.Read of Microsoft Graph`, `role Global Administrator`.
    pub(crate) words: String,
    /// Application permission, as tokens carry it; empty for others.
    pub(crate) role: String,
}

/// Where a federated credential's tokens come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IssuerClass {
    /// A service of the kind that pipelines and clusters use.
    WellKnown,
    /// A host of its own.
    Own,
    /// A host that anybody gets for free.
    Throwaway,
}

/// A trust that was added or widened (F3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trust {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) class: IssuerClass,
    /// There was none before.
    pub(crate) is_first: bool,
    /// More callers than before will do: a wildcard, pull requests, an environment no longer asked for.
    pub(crate) is_widened: bool,
}

/// One audit record, understood.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) operation: Operation,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) authority: Option<Authority>,
    pub(crate) trust: Option<Trust>,
    /// Ids of credentials that were added.
    pub(crate) added_keys: Vec<String>,
    /// Application permission that was taken away.
    pub(crate) revoked: Option<String>,
    /// Hash of which properties changed.
    pub(crate) shape: u32,
}

impl Change {
    /// Understands a record. Operations are compared as [`Operation::parse`] says: dashes, blanks and full stops do
    /// not matter.
    pub(crate) fn of(audit: &DirectoryAudit<'_>) -> Change {
        let operation = Operation::parse(&spelled(&audit.operation));
        let (mut added_keys, mut trust) = (Vec::new(), None);
        let mut shape = 0_u32;
        for property in audit.targets.iter().flat_map(|target| &target.modified) {
            shape ^= hash32(property.name.as_bytes());
            match property.name.as_ref() {
                "KeyDescription" => {
                    let (old, new) = (keys(&property.old), keys(&property.new));
                    let is_added = |key: &Key| !old.iter().any(|other| other.id == key.id);
                    added_keys.extend(new.into_iter().filter(is_added).map(|key| key.id));
                }
                "FederatedIdentityCredentials" => trust = drift(&property.old, &property.new),
                _ => {}
            }
        }
        let revoked = (operation == Operation::RemoveAppRoleAssignment)
            .then(|| value(audit, "AppRole.Value"))
            .flatten()
            .map(|(_, old_or_new)| old_or_new);
        Change {
            operation,
            subjects: subjects(audit, operation),
            authority: authority(audit, operation),
            trust,
            added_keys,
            revoked,
            shape,
        }
    }

    /// True when it gives a way in: a credential or a trust.
    pub(crate) fn gives_entry(&self) -> bool {
        self.trust.is_some()
            || !self.added_keys.is_empty()
            || self.operation == Operation::AddServicePrincipalCredentials
    }
}

/// As the table of operations spells: the decoder has trimmed, folded dashes and dropped the full stop already; what
/// is left is white space within.
fn spelled(operation: &str) -> String {
    operation.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_identity(target: &Target<'_>) -> bool {
    matches!(target.kind.as_ref(), "ServicePrincipal" | "Application")
}

/// The workload identities that a record concerns: not the API whose role is given, nor who becomes an owner.
fn subjects(audit: &DirectoryAudit<'_>, operation: Operation) -> Vec<Subject> {
    let property = |name: &str| value(audit, name).map(|(_, new)| new);
    let of = |target: &Target<'_>| {
        let is_application = target.kind == "Application";
        let own = target
            .modified
            .iter()
            .find(|property| property.name == "AppId" || property.name == "AppPrincipalId")
            .map(|property| AppId(Id::parse(&unquoted(&property.new)).into_owned()));
        Subject {
            id: target.id.to_owned_id(),
            is_application,
            app: own
                .unwrap_or_else(|| if is_application { audit.app.to_owned_id() } else { AppId::default() }),
            name: target.name.to_string(),
        }
    };
    let found: Vec<Subject> = match operation {
        Operation::AddAppRoleAssignment
        | Operation::RemoveAppRoleAssignment
        | Operation::AddDelegatedGrant
        | Operation::RemoveDelegatedGrant => {
            let by_property = property("ServicePrincipal.ObjectID").map(|id| Subject {
                id: Id::parse(&id).into_owned(),
                is_application: false,
                app: property("ServicePrincipal.AppId")
                    .map_or_else(AppId::default, |app| AppId(Id::parse(&app).into_owned())),
                name: property("ServicePrincipal.DisplayName").unwrap_or_default(),
            });
            let second = || audit.targets.iter().filter(|target| is_identity(target)).nth(1).map(of);
            by_property.or_else(second).into_iter().collect()
        }
        Operation::AddApplicationOwner | Operation::AddServicePrincipalOwner | Operation::RemoveOwner => {
            audit.targets.iter().rfind(|target| is_identity(target)).map(of).into_iter().collect()
        }
        _ => audit.targets.iter().filter(|target| is_identity(target)).map(of).collect(),
    };
    found.into_iter().filter(|subject| !(subject.id.is_none() && subject.app.is_none())).collect()
}

/// Old and new value of a property on any target, one layer of quotes taken off; the old one where there is no new.
fn value(audit: &DirectoryAudit<'_>, name: &str) -> Option<(String, String)> {
    let property =
        audit.targets.iter().flat_map(|target| &target.modified).find(|property| property.name == name)?;
    let (old, new) = (unquoted(&property.old), unquoted(&property.new));
    let both = if new.is_empty() { old.clone() } else { new };
    (!both.is_empty()).then_some((old, both))
}

/// `"text"` and `["text"]` without what is around them.
fn unquoted(text: &str) -> String {
    text.trim_matches(|c: char| c == '"' || c == '[' || c == ']' || c == '\\' || c.is_whitespace()).to_owned()
}

/// What a change gives, if it gives rights.
fn authority(audit: &DirectoryAudit<'_>, operation: Operation) -> Option<Authority> {
    let property = |name: &str| value(audit, name).map(|(_, new)| new);
    match operation {
        Operation::AddAppRoleAssignment => {
            let named = property("AppRole.Value").or_else(|| {
                let id = property("AppRole.Id")?;
                let Id::Guid(id) = Id::parse(&id) else { return None };
                permissions::app_role(id.as_u128()).map(str::to_owned)
            })?;
            let api = audit.targets.first().map_or(String::new(), |target| target.name.to_string());
            let words = if api.is_empty() { named.clone() } else { format!("{named} of {api}") };
            Some(Authority { tier: permissions::tier(&named), words, role: named })
        }
        Operation::AddDelegatedGrant => scopes(&property("DelegatedPermissionGrant.Scope")?),
        Operation::ConsentToApplication => {
            let permissions = property("ConsentAction.Permissions")?;
            let listed =
                permissions.split("Scope:").skip(1).map(|rest| rest.split([',', ']']).next().unwrap_or(""));
            scopes(&listed.collect::<Vec<_>>().join(" "))
        }
        Operation::AddRoleMember
        | Operation::AddEligibleRoleMember
        | Operation::AddScopedRoleMember
        | Operation::AssignRoleInPim
        | Operation::AssignEligibleRoleInPim
        | Operation::ActivateRole => {
            let by_target = || {
                audit
                    .targets
                    .iter()
                    .find(|target| target.kind == "Role")
                    .map(|target| target.name.to_string())
            };
            let role = property("Role.DisplayName").or_else(by_target).filter(|role| !role.is_empty())?;
            let by_template = property("Role.TemplateId").and_then(|id| match Id::parse(&id) {
                Id::Guid(id) => Some(permissions::role_template_tier(id.as_u128())),
                Id::Text(_) => None,
            });
            let tier = permissions::role_tier(&role).max(by_template.unwrap_or_default());
            Some(Authority { tier, words: format!("role {role}"), role: String::new() })
        }
        _ => None,
    }
}

/// The strongest of some delegated scopes.
fn scopes(text: &str) -> Option<Authority> {
    let strongest = text.split_whitespace().max_by_key(|scope| permissions::tier(scope))?;
    // On behalf of a person a scope reaches no further than that person does.
    let tier = permissions::tier(strongest).min(Tier::Sensitive);
    Some(Authority { tier, words: format!("delegated {strongest}"), role: String::new() })
}

/// What was added to or widened in a list of federated credentials.
fn drift(old: &str, new: &str) -> Option<Trust> {
    let (old, new) = (trusts(old), trusts(new));
    let (issuer, subject) = new.iter().find(|trust| !old.contains(trust))?.clone();
    let host = issuer.split("://").last().unwrap_or("").split(['/', ':']).next().unwrap_or("");
    let class = if is_below(host, CI_ISSUERS) {
        IssuerClass::WellKnown
    } else if is_below(host, THROWAWAY_HOSTS) {
        IssuerClass::Throwaway
    } else {
        IssuerClass::Own
    };
    let is_open = |subject: &str| subject.contains('*') || subject.ends_with(":pull_request");
    let asks_environment = |subject: &str| subject.contains(":environment:");
    let widened = is_open(&subject)
        || old.iter().any(|(other, before)| {
            *other == issuer
                && !new.iter().any(|(_, kept)| kept == before)
                && asks_environment(before)
                && !asks_environment(&subject)
        });
    Some(Trust { class, is_first: old.is_empty(), is_widened: widened, issuer, subject })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_trust_and_a_wider_one_are_drift() {
        let of = |issuer: &str, subject: &str| format!(r#"[{{"Issuer":"{issuer}","Subject":"{subject}"}}]"#);
        let github = "https://token.actions.githubusercontent.com";
        let production = of(github, "repo:contoso/web:environment:production");
        let first = drift("[]", &production).unwrap();
        assert_eq!((first.class, first.is_first, first.is_widened), (IssuerClass::WellKnown, true, false));
        let wider = drift(&production, &of(github, "repo:contoso/web:pull_request")).unwrap();
        assert_eq!((wider.is_first, wider.is_widened), (false, true));
        let own = drift("", &of("https://st1.z6.web.core.windows.net/", "deploy")).unwrap();
        assert_eq!(own.class, IssuerClass::Throwaway);
        assert!(drift(&production, &production).is_none() && drift("x", "y").is_none());
    }

    #[test]
    fn the_strongest_scope_speaks_and_reaches_no_further_than_a_person() {
        let given = scopes(" User.Read Mail.ReadWrite offline_access").unwrap();
        assert_eq!((given.tier, given.words.as_str()), (Tier::Sensitive, "delegated Mail.ReadWrite"));
        assert_eq!(scopes("RoleManagement.ReadWrite.Directory").unwrap().tier, Tier::Sensitive);
    }
}
