//! Sign-in records of workload identities.

use std::borrow::Cow;

use countersign_model::event::{CredentialKind, CredentialUse, SignIn, SignInKind};
use countersign_model::id::{AppId, EventId, KeyId, ServicePrincipalId, TenantId};
use countersign_model::source::Country;

use crate::address;
use crate::fields::{Fields, Raw};
use crate::outcome::Unreadable;
use crate::time;

/// Microsoft's own tenants: applications they own are Microsoft's.
const MICROSOFT_TENANTS: [&str; 2] =
    ["f8cdef31-a31e-4b4a-93e4-5f571e91255a", "72f988bf-86f1-41af-91ab-2d7cd011db47"];

/// What a Graph `signIn`, which names no log, is: `None` for the sign-in of a user.
pub(crate) fn kind_of_graph_object(fields: &Fields<'_>) -> Option<SignInKind> {
    match fields.sign_in_event_type.as_str() {
        "servicePrincipal" if MICROSOFT_TENANTS.contains(&fields.app_owner_tenant_id.as_str()) => {
            Some(SignInKind::MicrosoftServicePrincipal)
        }
        "servicePrincipal" => Some(SignInKind::ServicePrincipal),
        "managedIdentity" => Some(SignInKind::ManagedIdentity),
        "" if !fields.service_principal_id.is_absent() && fields.user_id.is_absent() => {
            Some(SignInKind::ServicePrincipal)
        }
        _ => None,
    }
}

pub(crate) fn decode<'a>(raw: &mut Raw<'a>, kind: SignInKind) -> Result<SignIn<'a>, Unreadable> {
    let tenant = TenantId(raw.tenant());
    let Raw { envelope, properties, has_properties, .. } = raw;
    let has_properties = *has_properties;
    let envelope_result = envelope.result_type.integer();
    let envelope_time = std::mem::take(&mut envelope.time).or(&mut envelope.time_generated);
    let fields = if has_properties { &mut *properties } else { &mut *envelope };

    // Envelope `time` is when a sign-in was written, minutes after it happened: second choice only.
    let mut created = std::mem::take(&mut fields.created_date_time);
    let time_text = created.or(&mut { envelope_time });
    let time = time::parse(time_text.as_str())
        .ok_or_else(|| Unreadable::time("createdDateTime", time_text.as_str()))?;

    let service_principal = ServicePrincipalId(fields.service_principal_id.take_id());
    let app = AppId(fields.app_id.take_id());
    if service_principal.is_none() && app.is_none() {
        return Err(Unreadable::missing("servicePrincipalId"));
    }
    let error_code = fields.error_code.integer().or(envelope_result).or_else(|| fields.result_type.integer());
    let name = fields.service_principal_name.or(&mut fields.app_display_name).take();
    let federated_credential = fields.federated_credential_id.take_id();
    let credential = CredentialUse {
        kind: credential_kind(fields.client_credential_type.as_str(), kind, !federated_credential.is_none()),
        key: KeyId(fields.key_id.take_id()),
        federated_credential,
    };
    // `resourceId` is the resource in `properties` and Graph objects, but the log's own path in flat rows.
    let resource = match fields.resource_identity.take() {
        identity if !identity.is_empty() => identity,
        _ if fields.resource_id.as_str().starts_with('/') => Cow::Borrowed(""),
        _ => fields.resource_id.take(),
    };
    // Managed identities carry no address (rule 4); `callerIpAddress` repeats `ipAddress` elsewhere.
    let mut spelled = std::mem::take(&mut fields.ip_address);
    let spelled = match &mut spelled {
        ip if !ip.is_absent() => ip.take(),
        _ if has_properties => envelope.caller_ip_address.take(),
        _ => fields.caller_ip_address.take(),
    };
    let fields = if has_properties { &mut *properties } else { &mut *envelope };
    Ok(SignIn {
        id: EventId(fields.id.take_id()),
        time,
        kind,
        tenant,
        service_principal,
        app,
        name,
        owner_tenant: TenantId(fields.app_owner_tenant_id.take_id()),
        address: address::parse(spelled),
        reported_country: Country::parse(fields.country.as_str()),
        user_agent: fields.user_agent.take(),
        resource: AppId(countersign_model::id::Id::from_cow(resource)),
        resource_name: fields.resource_display_name.take(),
        credential,
        error_code: error_code.and_then(|code| u32::try_from(code).ok()).unwrap_or(0),
        correlation: fields.correlation_id.take_id(),
        token: fields.unique_token_identifier.take(),
        azure_resource: fields.azure_resource.take(),
    })
}

fn credential_kind(text: &str, kind: SignInKind, is_federated: bool) -> CredentialKind {
    match text {
        "clientSecret" => CredentialKind::ClientSecret,
        // Which of the two stands for certificates differs between records.
        "certificate" | "clientAssertion" if !is_federated => CredentialKind::Certificate,
        "federatedIdentityCredential" | "federatedCredential" => CredentialKind::Federated,
        "managedIdentity" => CredentialKind::ManagedIdentity,
        _ if is_federated => CredentialKind::Federated,
        _ if kind == SignInKind::ManagedIdentity => CredentialKind::ManagedIdentity,
        _ => CredentialKind::Unknown,
    }
}
