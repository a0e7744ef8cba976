//! An event as rules see it.

use std::borrow::Cow;

use countersign_model::event::{Actor, CredentialKind, DirectoryAudit, Event, ModifiedProperty};
use countersign_model::id::Id;
use rsigma_eval::event::EventValue;
use serde_json::Value;

use crate::fields::{Field, Known, Log, operation};

/// Before a field of which one value is wanted, in translated correlations: groups are made by single values.
pub(crate) const FIRST: &str = "first:";

/// An event behind the names of translated rules.
pub(crate) struct View<'e, 'a>(pub(crate) &'e Event<'a>);

/// Which kind of event it is.
pub(crate) fn log(event: &Event<'_>) -> Log {
    match event {
        Event::SignIn(_) => Log::SignIn,
        Event::DirectoryAudit(_) => Log::Audit,
        Event::ApiActivity(_) => Log::Api,
    }
}

type Values<'v> = Vec<EventValue<'v>>;

fn text(text: &str) -> Values<'_> {
    if text.is_empty() { Vec::new() } else { vec![EventValue::Str(Cow::Borrowed(text))] }
}

fn owned(text: String) -> Values<'static> {
    if text.is_empty() { Vec::new() } else { vec![EventValue::Str(Cow::Owned(text))] }
}

fn id(id: &Id<'_>) -> Values<'static> {
    owned(id.to_string())
}

/// A number as rules write it, with and without quotes.
fn number(number: u64) -> Values<'static> {
    vec![
        EventValue::Int(i64::try_from(number).unwrap_or(i64::MAX)),
        EventValue::Str(Cow::Owned(number.to_string())),
    ]
}

fn outcome(succeeded: bool) -> Values<'static> {
    vec![EventValue::Str(Cow::Borrowed(if succeeded { "success" } else { "failure" }))]
}

/// A value of a modified property: the JSON text that the log holds, and what it says.
fn value(text: &str) -> Values<'_> {
    let mut values = self::text(text);
    let plain = unquoted(text);
    if plain.len() < text.len() && !plain.is_empty() {
        values.push(EventValue::Str(Cow::Borrowed(plain)));
    }
    values
}

/// `"text"` and `["text"]` without what is around them.
fn unquoted(text: &str) -> &str {
    text.trim_matches(|c: char| matches!(c, '"' | '[' | ']') || c.is_whitespace())
}

fn modified<'v>(audit: &'v DirectoryAudit<'v>) -> impl Iterator<Item = &'v ModifiedProperty<'v>> {
    audit.targets.iter().flat_map(|target| &target.modified)
}

fn modified_text(property: &ModifiedProperty<'_>) -> String {
    format!("{} {} {}", property.name, property.old, property.new)
}

impl View<'_, '_> {
    /// All values of a field; none when the event has none.
    pub(crate) fn values(&self, field: &Field) -> Values<'_> {
        match (field, self.0) {
            (Field::Property(name), Event::DirectoryAudit(audit)) => modified(audit)
                .filter(|property| property.name.eq_ignore_ascii_case(name))
                .flat_map(|property| {
                    value(if property.new.is_empty() { &property.old } else { &property.new })
                })
                .collect(),
            (Field::Property(_), _) => Vec::new(),
            (Field::Known(known), _) => self.known(*known),
        }
    }

    fn known(&self, known: Known) -> Values<'_> {
        match known {
            Known::Address => {
                let address = self.0.address();
                return address.ip.map_or_else(|| text(&address.raw), |ip| owned(ip.to_string()));
            }
            Known::RecordId => return id(&self.0.id().0),
            Known::Tenant => return id(&self.0.tenant().0),
            Known::UserAgent => return text(self.0.user_agent()),
            _ => {}
        }
        match self.0 {
            Event::SignIn(event) => match known {
                Known::App => id(&event.app.0),
                Known::Category => text(event.kind.log()),
                Known::Correlation => id(&event.correlation),
                Known::Country => {
                    event.reported_country.map_or_else(Vec::new, |country| owned(country.as_str().to_owned()))
                }
                Known::CredentialKind => text(match event.credential.kind {
                    CredentialKind::Unknown => "",
                    CredentialKind::ClientSecret => "clientSecret",
                    CredentialKind::Certificate => "certificate",
                    CredentialKind::Federated => "federatedIdentityCredential",
                    CredentialKind::ManagedIdentity => "managedIdentity",
                }),
                Known::ErrorCode => number(event.error_code.into()),
                Known::FederatedCredential => id(&event.credential.federated_credential),
                Known::Interactive => vec![EventValue::Bool(false)],
                Known::Key => id(&event.credential.key.0),
                Known::Name => text(&event.name),
                Known::Operation => text("Sign-in activity"),
                Known::OwnerTenant => id(&event.owner_tenant.0),
                Known::Resource => id(&event.resource.0),
                Known::ResourceName => text(&event.resource_name),
                Known::Result => outcome(event.error_code == 0),
                Known::ServicePrincipal => id(&event.service_principal.0),
                Known::Token => text(&event.token),
                _ => Vec::new(),
            },
            Event::ApiActivity(event) => match known {
                Known::App => id(&event.app.0),
                Known::Bytes => number(event.response_bytes),
                Known::Category => text(event.api.log()),
                Known::Method => text(&event.method),
                Known::Roles => text(&event.roles),
                Known::Scopes => text(&event.scopes),
                Known::ServicePrincipal => id(&event.service_principal.0),
                Known::Status => number(event.status.into()),
                Known::Token => text(&event.token),
                Known::Uri => text(&event.uri),
                Known::User => id(&event.user),
                _ => Vec::new(),
            },
            Event::DirectoryAudit(event) => audit(event, known),
        }
    }

    /// Every text of the event, for rules that search it all.
    fn texts(&self) -> Vec<Cow<'_, str>> {
        use Known as K;
        const ALL: [Known; 21] = [
            K::ActorText,
            K::Address,
            K::App,
            K::Category,
            K::Failure,
            K::Key,
            K::Method,
            K::ModifiedText,
            K::Name,
            K::Operation,
            K::Resource,
            K::ResourceName,
            K::Roles,
            K::Scopes,
            K::ServicePrincipal,
            K::TargetId,
            K::TargetKind,
            K::TargetName,
            K::Uri,
            K::User,
            K::UserAgent,
        ];
        let values = ALL.iter().flat_map(|known| self.known(*known));
        values
            .filter_map(|value| match value {
                EventValue::Str(text) => Some(text),
                _ => None,
            })
            .collect()
    }
}

fn audit<'v>(audit: &'v DirectoryAudit<'v>, known: Known) -> Values<'v> {
    let targets = || audit.targets.iter();
    match (known, &audit.initiated_by) {
        (Known::App, _) => id(&audit.app.0),
        (Known::Category, _) => text(&audit.category),
        (Known::Correlation, _) => id(&audit.correlation),
        (Known::Operation, _) => match operation(&audit.operation) {
            Cow::Borrowed(_) => text(&audit.operation),
            Cow::Owned(operation) => owned(operation),
        },
        (Known::Result, _) => outcome(audit.succeeded),
        (Known::Failure, _) => {
            let of_call =
                modified(audit).filter(|property| property.name.starts_with("MethodExecutionResult"));
            text(&audit.reason).into_iter().chain(of_call.flat_map(|property| value(&property.new))).collect()
        }
        (Known::Details, _) => text(&audit.user_agent).into_iter().chain(id(&audit.app.0)).collect(),
        (Known::TargetKind, _) => targets().flat_map(|target| text(&target.kind)).collect(),
        (Known::TargetName, _) => targets().flat_map(|target| text(&target.name)).collect(),
        (Known::TargetId, _) => targets().flat_map(|target| id(&target.id)).collect(),
        (Known::TargetText, _) => {
            let parts = targets().map(|target| format!("{} {} {}", target.id, target.kind, target.name));
            owned(parts.chain(modified(audit).map(modified_text)).collect::<Vec<_>>().join(" "))
        }
        (Known::ModifiedText, _) => {
            modified(audit).flat_map(|property| owned(modified_text(property))).collect()
        }
        (Known::PropertyName, _) => modified(audit).flat_map(|property| text(&property.name)).collect(),
        (Known::OldValue, _) => modified(audit).flat_map(|property| value(&property.old)).collect(),
        (Known::NewValue, _) => modified(audit).flat_map(|property| value(&property.new)).collect(),
        (Known::Workload, _) => text("AzureActiveDirectory"),
        (Known::ActorText, Actor::User { id: user, user_principal_name }) => {
            text(user_principal_name).into_iter().chain(id(user)).collect()
        }
        (Known::ActorText, Actor::App { service_principal, app, name }) => {
            text(name).into_iter().chain(id(&service_principal.0)).chain(id(&app.0)).collect()
        }
        (Known::ActorUserId, Actor::User { id: user, .. }) => id(user),
        (Known::ActorUserName, Actor::User { user_principal_name, .. }) => text(user_principal_name),
        (Known::ActorServicePrincipal, Actor::App { service_principal, .. }) => id(&service_principal.0),
        (Known::ActorAppName, Actor::App { name, .. }) => text(name),
        (Known::ActorApp, Actor::App { app, .. }) => id(&app.0),
        _ => Vec::new(),
    }
}

impl rsigma_eval::event::Event for View<'_, '_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        let (wants_first, name) = path.strip_prefix(FIRST).map_or((false, path), |name| (true, name));
        let mut values = self.values(&Field::of_translated(name)?);
        match values.len() {
            0 => None,
            1 => values.pop(),
            _ if wants_first => Some(values.swap_remove(0)),
            _ => Some(EventValue::Array(values)),
        }
    }

    fn any_string_value(&self, wanted: &dyn Fn(&str) -> bool) -> bool {
        self.texts().iter().any(|text| wanted(text))
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        self.texts()
    }

    // Only asked for when correlations keep whole events, which ours do not.
    fn to_json(&self) -> Value {
        Value::Null
    }
}
