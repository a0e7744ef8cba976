//! The fields of a record before it is known what the record is: one flat set for envelope, `properties`,
//! Graph object, Log Analytics row and CSV row alike, for they share their names but for letter case.

use std::borrow::Cow;

use countersign_model::event::{ModifiedProperty, Target};
use countersign_model::id::Id;

use crate::text;

/// A scalar as JSON or CSV gave it. Numbers and strings swap between log versions, so both are taken.
#[derive(Clone, Debug, Default)]
pub(crate) enum Scalar<'a> {
    /// Missing, `null`, or a spelling of absent.
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Integer(i64),
    /// Present, but an object, array, boolean or fraction where text was expected.
    Other,
}

impl<'a> Scalar<'a> {
    pub(crate) fn text(text: Cow<'a, str>) -> Self {
        if text::is_absent(&text) { Scalar::Absent } else { Scalar::Text(text) }
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Scalar::Absent)
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Scalar::Text(text) => text,
            _ => "",
        }
    }

    /// As text; empty when absent. Integers print, so that ids and codes written as numbers survive.
    pub(crate) fn take(&mut self) -> Cow<'a, str> {
        match std::mem::take(self) {
            Scalar::Text(text) => text,
            Scalar::Integer(number) => Cow::Owned(number.to_string()),
            Scalar::Absent | Scalar::Other => Cow::Borrowed(""),
        }
    }

    pub(crate) fn take_id(&mut self) -> Id<'a> {
        Id::from_cow(self.take())
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Scalar::Integer(number) => Some(*number),
            Scalar::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// This one, or the other when this is absent.
    pub(crate) fn or(&mut self, other: &mut Scalar<'a>) -> Scalar<'a> {
        if self.is_absent() { std::mem::take(other) } else { std::mem::take(self) }
    }
}

/// `initiatedBy`: at most one side is filled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Initiator<'a> {
    pub(crate) user: Option<User<'a>>,
    pub(crate) app: Option<App<'a>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct User<'a> {
    pub(crate) id: Scalar<'a>,
    pub(crate) user_principal_name: Scalar<'a>,
    pub(crate) ip_address: Scalar<'a>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct App<'a> {
    pub(crate) app_id: Scalar<'a>,
    pub(crate) display_name: Scalar<'a>,
    pub(crate) service_principal_id: Scalar<'a>,
}

/// `additionalDetails`: the two keys that are used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Details<'a> {
    pub(crate) user_agent: Scalar<'a>,
    pub(crate) app_id: Scalar<'a>,
}

macro_rules! fields {
    ($( $field:ident $variant:ident : $($key:literal)|+ ),+ $(,)?) => {
        /// A field that is read as a scalar, or one of the structured ones.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Key {
            $( $variant, )+
            Properties,
            Status,
            LocationObject,
            SignInEventTypes,
            InitiatedBy,
            TargetResources,
            AdditionalDetails,
            ManagedServiceIdentity,
            AuditData,
            Unknown,
        }

        #[derive(Clone, Debug, Default)]
        pub(crate) struct Fields<'a> {
            $( pub(crate) $field: Scalar<'a>, )+
            pub(crate) error_code: Scalar<'a>,
            pub(crate) country: Scalar<'a>,
            pub(crate) sign_in_event_type: Scalar<'a>,
            pub(crate) azure_resource: Scalar<'a>,
            pub(crate) initiator: Option<Initiator<'a>>,
            pub(crate) targets: Option<Vec<Target<'a>>>,
            pub(crate) details: Details<'a>,
        }

        impl<'a> Fields<'a> {
            pub(crate) fn scalar(&mut self, key: Key) -> Option<&mut Scalar<'a>> {
                match key {
                    $( Key::$variant => Some(&mut self.$field), )+
                    _ => None,
                }
            }
        }

        const KEYS: &[(&str, Key)] = &[
            $( $( ($key, Key::$variant), )+ )+
            ("properties", Key::Properties),
            ("status", Key::Status),
            ("location", Key::LocationObject),
            ("locationDetails", Key::LocationObject),
            ("signInEventTypes", Key::SignInEventTypes),
            ("initiatedBy", Key::InitiatedBy),
            ("targetResources", Key::TargetResources),
            ("targetResource", Key::TargetResources),
            ("additionalDetails", Key::AdditionalDetails),
            ("managedServiceIdentity", Key::ManagedServiceIdentity),
            ("auditData", Key::AuditData),
        ];
    };
}

fields! {
    aad_tenant_id AadTenantId: "AADTenantId",
    activity_date_time ActivityDateTime: "activityDateTime",
    activity_display_name ActivityDisplayName: "activityDisplayName",
    actor_type ActorType: "actorType",
    app_display_name AppDisplayName: "appDisplayName",
    app_id AppId: "appId",
    app_owner_tenant_id AppOwnerTenantId: "appOwnerTenantId",
    c_idtyp CIdtyp: "C_Idtyp",
    caller_ip_address CallerIpAddress: "callerIpAddress",
    category Category: "category",
    client_credential_type ClientCredentialType: "clientCredentialType",
    correlation_id CorrelationId: "correlationId",
    created_date_time CreatedDateTime: "createdDateTime",
    federated_credential_id FederatedCredentialId: "federatedCredentialId",
    id Id: "id",
    ip_address IpAddress: "ipAddress",
    operation Operation: "operation" | "operations",
    operation_name OperationName: "operationName",
    record_type RecordType: "recordType" | "auditLogRecordType",
    request_id RequestId: "requestId",
    request_method RequestMethod: "requestMethod" | "httpMethod",
    request_uri RequestUri: "requestUri",
    resource_display_name ResourceDisplayName: "resourceDisplayName",
    resource_id ResourceId: "resourceId",
    resource_identity ResourceIdentity: "resourceIdentity",
    response_size_bytes ResponseSizeBytes: "responseSizeBytes",
    response_status_code ResponseStatusCode: "responseStatusCode" | "httpStatusCode",
    result Result: "result",
    result_description ResultDescription: "resultDescription",
    result_reason ResultReason: "resultReason",
    result_type ResultType: "resultType",
    risk_event_type RiskEventType: "riskEventType",
    roles Roles: "roles",
    scopes Scopes: "scopes",
    service_principal_id ServicePrincipalId: "servicePrincipalId",
    service_principal_name ServicePrincipalName: "servicePrincipalName",
    key_id KeyId: "servicePrincipalCredentialKeyId",
    sign_in_activity_id SignInActivityId: "signInActivityId" | "uniqueTokenId",
    tenant_id TenantId: "tenantId",
    time Time: "time",
    time_generated TimeGenerated: "timeGenerated",
    unique_token_identifier UniqueTokenIdentifier: "uniqueTokenIdentifier",
    user_agent UserAgent: "userAgent",
    user_id UserId: "userId",
    row_type Type: "type",
}

const SLOTS: usize = 512;

/// Keys by [`hash`], open addressing: a record has some 60 keys, of which most are unknown and must cost little.
static TABLE: [u8; SLOTS] = table();

const fn hash(length: usize, first: u8, middle: u8, last: u8) -> usize {
    let mixed = length
        .wrapping_mul(0x9e37)
        .wrapping_add((first | 0x20) as usize * 0x85eb)
        .wrapping_add((middle | 0x20) as usize * 0xca6b)
        .wrapping_add((last | 0x20) as usize * 0x27d5);
    (mixed ^ (mixed >> 7)) % SLOTS
}

const fn hash_of(key: &[u8]) -> usize {
    hash(key.len(), key[0], key[key.len() / 2], key[key.len() - 1])
}

const fn table() -> [u8; SLOTS] {
    let mut table = [u8::MAX; SLOTS];
    let mut index = 0;
    while index < KEYS.len() {
        let mut slot = hash_of(KEYS[index].0.as_bytes());
        while table[slot] != u8::MAX {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = index as u8;
        index += 1;
    }
    table
}

impl Key {
    /// Finds a key whatever its letter case: envelopes come as `Level` and `level`, `callerIpAddress` and
    /// `calleripaddress`, Log Analytics rows in Pascal case.
    pub(crate) fn parse(name: &str) -> Key {
        let bytes = name.as_bytes();
        if bytes.is_empty() {
            return Key::Unknown;
        }
        let mut slot = hash_of(bytes);
        while TABLE[slot] != u8::MAX {
            let (key, found) = KEYS[TABLE[slot] as usize];
            // Nearly every record spells its keys as Graph does.
            if key == name || key.as_bytes().eq_ignore_ascii_case(bytes) {
                return found;
            }
            slot = (slot + 1) % SLOTS;
        }
        Key::Unknown
    }
}

/// A record with its envelope taken off, before it is known what it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Raw<'a> {
    /// Top-level fields: the envelope, or the whole record when there is none.
    pub(crate) envelope: Fields<'a>,
    /// Fields under `properties`.
    pub(crate) properties: Fields<'a>,
    pub(crate) has_properties: bool,
    /// `properties` that came as a string of JSON instead of an object.
    pub(crate) properties_text: Option<Cow<'a, str>>,
}

impl<'a> Raw<'a> {
    /// The fields of the record itself.
    pub(crate) fn record(&self) -> &Fields<'a> {
        if self.has_properties { &self.properties } else { &self.envelope }
    }

    /// Tenant whose directory it is, from wherever it is named.
    pub(crate) fn tenant(&mut self) -> Id<'a> {
        for scalar in
            [&mut self.envelope.aad_tenant_id, &mut self.envelope.tenant_id, &mut self.properties.tenant_id]
        {
            if !scalar.is_absent() {
                return scalar.take_id();
            }
        }
        // `/tenants/{id}/providers/Microsoft.aadiam`, in either case.
        let resource = self.envelope.resource_id.as_str();
        let mut parts = resource.split('/').skip_while(|part| !part.eq_ignore_ascii_case("tenants"));
        parts.nth(1).map_or(Id::NONE, |tenant| Id::parse(tenant).into_owned())
    }
}

/// A modified property whose values are the JSON text that the log holds.
pub(crate) fn modified_property<'a>(
    name: &mut Scalar<'a>,
    old: Cow<'a, str>,
    new: Cow<'a, str>,
) -> ModifiedProperty<'a> {
    ModifiedProperty { name: name.take(), old, new }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_in_any_letter_case() {
        for (name, key) in KEYS {
            assert_eq!(Key::parse(name), *key);
            assert_eq!(Key::parse(&name.to_uppercase()), *key);
        }
        assert_eq!(Key::parse("processingTimeInMilliseconds"), Key::Unknown);
        assert_eq!(Key::parse(""), Key::Unknown);
    }
}
