//! Names that rules give to fields, in all their spellings, and what of an event each means.

use std::borrow::Cow;
use std::fmt;

/// Which kind of event a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Log {
    /// Changes of the directory.
    Audit,
    /// Sign-ins of workload identities.
    SignIn,
    /// Calls of a directory API.
    Api,
}

impl Log {
    /// Name of the log source in translated rules.
    pub(crate) fn service(self) -> &'static str {
        match self {
            Log::Audit => "audit",
            Log::SignIn => "sign-in",
            Log::Api => "api",
        }
    }
}

/// What of an event a field of a rule means.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Field {
    /// A field that events of the log have.
    Known(Known),
    /// New value of the modified property of this name, in lower case, without the quotes around it:
    /// `ConsentContext.IsAdminConsent`.
    Property(String),
}

macro_rules! known {
    ($( $field:ident $name:literal ),+ $(,)?) => {
        /// The fields of events.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum Known {
            $( $field, )+
        }

        impl Known {
            const ALL: &[Known] = &[$( Known::$field, )+];

            /// Name in translated rules.
            fn name(self) -> &'static str {
                match self {
                    $( Known::$field => $name, )+
                }
            }
        }
    };
}

known! {
    ActorApp "actor_app",
    ActorAppName "actor_app_name",
    ActorServicePrincipal "actor_service_principal",
    ActorText "actor",
    ActorUserId "actor_user_id",
    ActorUserName "actor_user_name",
    Address "address",
    App "app",
    Bytes "bytes",
    Category "category",
    Correlation "correlation",
    Country "country",
    CredentialKind "credential_kind",
    Details "details",
    ErrorCode "error_code",
    Failure "failure",
    FederatedCredential "federated_credential",
    Interactive "interactive",
    Key "key",
    Method "method",
    ModifiedText "modified",
    Name "name",
    NewValue "new_value",
    OldValue "old_value",
    Operation "operation",
    OwnerTenant "owner_tenant",
    PropertyName "property_name",
    RecordId "id",
    Resource "resource",
    ResourceName "resource_name",
    Result "result",
    Roles "roles",
    Scopes "scopes",
    ServicePrincipal "service_principal",
    Status "status",
    TargetId "target_id",
    TargetKind "target_kind",
    TargetName "target_name",
    TargetText "target",
    Tenant "tenant",
    Token "token",
    Uri "uri",
    User "user",
    UserAgent "user_agent",
    Workload "workload",
}

/// Before the name of a modified property, in translated rules.
const PROPERTY: &str = "property:";

impl Field {
    /// Reads the name of a field in a translated rule.
    pub(crate) fn of_translated(name: &str) -> Option<Field> {
        if let Some(property) = name.strip_prefix(PROPERTY) {
            return Some(Field::Property(property.to_owned()));
        }
        Known::ALL.iter().find(|known| known.name() == name).map(|known| Field::Known(*known))
    }
}

/// The name in translated rules.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::Known(known) => f.write_str(known.name()),
            Field::Property(property) => write!(f, "{PROPERTY}{property}"),
        }
    }
}

/// Spellings without letter case, without `properties.` in front, without `_`, blanks and marks of arrays.
const AUDIT: &[(&str, Known)] = &[
    ("message", Known::Operation),
    ("operationname", Known::Operation),
    ("operationnamevalue", Known::Operation),
    ("operation", Known::Operation),
    ("activitydisplayname", Known::Operation),
    ("activitytype", Known::Operation),
    ("category", Known::Category),
    ("result", Known::Result),
    ("status", Known::Result),
    ("resultstatus", Known::Result),
    ("resultreason", Known::Failure),
    ("resultdescription", Known::Failure),
    ("failurestatusreason", Known::Failure),
    ("targettype", Known::TargetKind),
    ("targetresources.type", Known::TargetKind),
    ("targetresources", Known::TargetText),
    ("target", Known::TargetText),
    ("targetresources.modifiedproperties", Known::ModifiedText),
    ("modifiedproperties", Known::ModifiedText),
    ("targetresources.displayname", Known::TargetName),
    ("targetresources.userprincipalname", Known::TargetName),
    ("targetdisplayname", Known::TargetName),
    ("targetresources.id", Known::TargetId),
    ("targetid", Known::TargetId),
    ("targetresources.modifiedproperties.displayname", Known::PropertyName),
    ("modifiedproperties.displayname", Known::PropertyName),
    ("modifiedproperties.name", Known::PropertyName),
    ("targetresources.modifiedproperties.oldvalue", Known::OldValue),
    ("modifiedproperties.oldvalue", Known::OldValue),
    ("targetresources.modifiedproperties.newvalue", Known::NewValue),
    ("modifiedproperties.newvalue", Known::NewValue),
    ("initiatedby", Known::ActorText),
    ("actor", Known::ActorText),
    ("initiatedby.user.userprincipalname", Known::ActorUserName),
    ("actoruserprincipalname", Known::ActorUserName),
    ("userprincipalname", Known::ActorUserName),
    ("userid", Known::ActorText),
    ("initiatedby.user.id", Known::ActorUserId),
    ("actoruserid", Known::ActorUserId),
    ("initiatedby.app.serviceprincipalid", Known::ActorServicePrincipal),
    ("initiatedby.app.displayname", Known::ActorAppName),
    ("initiatedby.app.appid", Known::ActorApp),
    ("initiatedby.user.ipaddress", Known::Address),
    ("ipaddress", Known::Address),
    ("calleripaddress", Known::Address),
    ("clientip", Known::Address),
    ("actoripaddress", Known::Address),
    ("useragent", Known::UserAgent),
    ("additionaldetails.useragent", Known::UserAgent),
    ("additionaldetails.user-agent", Known::UserAgent),
    ("additionaldetails.appid", Known::App),
    ("additionaldetails", Known::Details),
    ("correlationid", Known::Correlation),
    ("tenantid", Known::Tenant),
    ("aadtenantid", Known::Tenant),
    ("organizationid", Known::Tenant),
    ("id", Known::RecordId),
    ("workload", Known::Workload),
];

const SIGN_IN: &[(&str, Known)] = &[
    ("resulttype", Known::ErrorCode),
    ("errorcode", Known::ErrorCode),
    ("status.errorcode", Known::ErrorCode),
    ("status", Known::Result),
    ("result", Known::Result),
    ("operationname", Known::Operation),
    ("category", Known::Category),
    ("appid", Known::App),
    ("appdisplayname", Known::Name),
    ("serviceprincipalname", Known::Name),
    ("serviceprincipalid", Known::ServicePrincipal),
    ("serviceprincipalcredentialkeyid", Known::Key),
    ("clientcredentialtype", Known::CredentialKind),
    ("federatedcredentialid", Known::FederatedCredential),
    ("resourcedisplayname", Known::ResourceName),
    ("resourceid", Known::Resource),
    ("resourceidentity", Known::Resource),
    ("ipaddress", Known::Address),
    ("calleripaddress", Known::Address),
    ("location", Known::Country),
    ("location.countryorregion", Known::Country),
    ("locationdetails.countryorregion", Known::Country),
    ("useragent", Known::UserAgent),
    ("hometenantid", Known::OwnerTenant),
    ("appownertenantid", Known::OwnerTenant),
    ("resourcetenantid", Known::Tenant),
    ("tenantid", Known::Tenant),
    ("aadtenantid", Known::Tenant),
    ("isinteractive", Known::Interactive),
    ("correlationid", Known::Correlation),
    ("uniquetokenidentifier", Known::Token),
    ("id", Known::RecordId),
];

const API: &[(&str, Known)] = &[
    ("requesturi", Known::Uri),
    ("requestmethod", Known::Method),
    ("httpmethod", Known::Method),
    ("responsestatuscode", Known::Status),
    ("httpstatuscode", Known::Status),
    ("responsesizebytes", Known::Bytes),
    ("roles", Known::Roles),
    ("scopes", Known::Scopes),
    ("category", Known::Category),
    ("appid", Known::App),
    ("serviceprincipalid", Known::ServicePrincipal),
    ("userid", Known::User),
    ("ipaddress", Known::Address),
    ("calleripaddress", Known::Address),
    ("useragent", Known::UserAgent),
    ("signinactivityid", Known::Token),
    ("tenantid", Known::Tenant),
    ("aadtenantid", Known::Tenant),
    ("requestid", Known::RecordId),
];

/// Heads of dotted names that are parts of a record: what follows them is no modified property.
const PARTS: [&str; 12] = [
    "additionaldetails",
    "authenticationdetails",
    "claims",
    "conditionalaccesspolicies",
    "devicedetail",
    "identity",
    "initiatedby",
    "location",
    "locationdetails",
    "modifiedproperties",
    "status",
    "targetresources",
];

/// Finds what a rule's field means in a log; `None` when no event holds it.
///
/// A dotted name that is no part of an audit record is a modified property's, as `ConsentContext.IsAdminConsent`:
/// whether a record has it, only the records can tell.
pub(crate) fn resolve(log: Log, name: &str) -> Option<Field> {
    let spelled = spelling(name);
    let table = match log {
        Log::Audit => AUDIT,
        Log::SignIn => SIGN_IN,
        Log::Api => API,
    };
    if let Some((_, known)) = table.iter().find(|(known, _)| *known == spelled) {
        return Some(Field::Known(*known));
    }
    let name = without_prefix(name).to_ascii_lowercase();
    let (head, tail) = name.split_once('.')?;
    let is_property = log == Log::Audit && !tail.is_empty() && !PARTS.contains(&spelling(head).as_str());
    is_property.then_some(Field::Property(name))
}

/// A name as the tables spell it.
pub(crate) fn spelling(name: &str) -> String {
    let mut spelled = String::with_capacity(name.len());
    for part in without_prefix(name).split('.') {
        // `targetResources.0.type`, `targetResources[0].type` and `targetResources{}.type` are one field.
        let part = part.split(['[', '{']).next().unwrap_or("");
        if part.is_empty() || part.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        if !spelled.is_empty() {
            spelled.push('.');
        }
        spelled
            .extend(part.chars().filter(|c| *c != '_' && !c.is_whitespace()).map(|c| c.to_ascii_lowercase()));
    }
    spelled
}

fn without_prefix(name: &str) -> &str {
    let name = name.trim();
    match name.get(..11) {
        Some(head) if head.eq_ignore_ascii_case("properties.") => &name[11..],
        _ => name,
    }
}

/// Compares operation names: every dash is `-`, every run of blanks one, no full stop at the end.
///
/// Logs write `Update application – Certificates and secrets management ` with an en dash and a blank behind, rules
/// with whatever their author saw.
pub(crate) fn operation(text: &str) -> Cow<'_, str> {
    let is_plain = text.is_ascii()
        && !text.bytes().any(|byte| byte.is_ascii_control())
        && !text.ends_with(['.', ' '])
        && !text.starts_with(' ')
        && !text.contains("  ");
    if is_plain {
        return Cow::Borrowed(text);
    }
    let trimmed = text.trim().trim_end_matches('.').trim_end();
    Cow::Owned(dashes(trimmed).split_whitespace().collect::<Vec<_>>().join(" "))
}

pub(crate) fn dashes(text: &str) -> String {
    let is_dash =
        |c: char| matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}');
    text.chars().map(|c| if is_dash(c) { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_field_has_many_spellings() {
        let kind = Some(Field::Known(Known::TargetKind));
        for name in [
            "properties.targetType",
            "TargetType",
            "targetResources.type",
            "TargetResources[0].type",
            "properties.targetResources{}.Type",
            "targetResources.0.type",
        ] {
            assert_eq!(resolve(Log::Audit, name), kind, "{name}");
        }
        for (name, known) in [
            ("properties.message", Known::Operation),
            ("failure_status_reason", Known::Failure),
            ("InitiatedBy.User.userPrincipalName", Known::ActorUserName),
        ] {
            assert_eq!(resolve(Log::Audit, name), Some(Field::Known(known)), "{name}");
        }
        assert_eq!(resolve(Log::SignIn, "ResultType"), Some(Field::Known(Known::ErrorCode)));
    }

    #[test]
    fn dotted_names_of_audit_rules_are_properties_unless_they_are_parts_of_a_record() {
        let property = Field::Property("consentcontext.isadminconsent".to_owned());
        assert_eq!(resolve(Log::Audit, "ConsentContext.IsAdminConsent"), Some(property));
        assert_eq!(resolve(Log::Audit, "additionalDetails.Whatever"), None);
        assert_eq!(resolve(Log::SignIn, "ConsentContext.IsAdminConsent"), None);
        assert_eq!(resolve(Log::SignIn, "DeviceDetail.trusttype"), None);
        assert_eq!(resolve(Log::Audit, "Nonsense"), None);
    }

    #[test]
    fn every_field_is_found_again_by_its_translated_name() {
        for known in Known::ALL {
            let field = Field::Known(*known);
            assert_eq!(Field::of_translated(&field.to_string()), Some(field));
        }
        let property = Field::Property("role.displayname".to_owned());
        assert_eq!(Field::of_translated(&property.to_string()), Some(property));
    }
}
