//! The sign-in record of an attempt, in the shape of `/beta`'s `signIn`.

use countersign_access::evaluate::Evaluation;
use countersign_access::policy::State;
use countersign_model::client::{Client, Resource};
use countersign_model::source::Country;
use countersign_model::time::Timestamp;
use countersign_store::Tenant;
use countersign_token::claims::ClientProof;
use countersign_token::refusal::Refusal;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::Server;
use super::token::TokenCall;

/// How the client proved who it is, as far as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Credential {
    /// It did not.
    #[default]
    None,
    Secret {
        key_id: String,
    },
    Certificate {
        key_id: String,
        thumbprint: String,
    },
    Federated {
        id: String,
    },
    ManagedIdentity,
}

impl Credential {
    /// The id of a credential of the client's own.
    pub(crate) fn key_id(&self) -> Option<&str> {
        match self {
            Credential::Secret { key_id } | Credential::Certificate { key_id, .. } => Some(key_id),
            Credential::Federated { id } => Some(id),
            Credential::None | Credential::ManagedIdentity => None,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Credential::None => "none",
            Credential::Secret { .. } => "clientSecret",
            Credential::Certificate { .. } => "certificate",
            Credential::Federated { .. } => "federatedIdentityCredential",
            Credential::ManagedIdentity => "managedIdentity",
        }
    }
}

/// A person who signed in.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) user_principal_name: String,
    /// Whether a page was shown for it.
    pub(crate) is_interactive: bool,
}

/// One attempt, filled in as it goes on.
pub(crate) struct Attempt {
    /// `id` and `trace_id`.
    pub(crate) request_id: Uuid,
    pub(crate) correlation_id: String,
    /// `None` until the tenant is known: an attempt in no tenant has no log.
    pub(crate) tenant_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) proof: ClientProof,
    pub(crate) credential: Credential,
    pub(crate) token_id: Option<String>,
    /// Whether the token is for continuous access evaluation.
    pub(crate) is_cae: bool,
    /// What each policy made of it, and of all the status.
    applied_policies: Vec<Json>,
    policy_status: &'static str,
    /// Whether the grant is one of people's: its record is theirs also where nobody knows who it was.
    pub(crate) is_of_people: bool,
    pub(crate) person: Option<Person>,
    /// Members of the answer beside the token: `refresh_token`, `id_token`, `scope`.
    pub(crate) extra: Map<String, Json>,
    time: Timestamp,
    ip: String,
    country: Option<Country>,
    autonomous_system: Option<u32>,
    user_agent: Option<String>,
    client_name: String,
    principal_id: String,
    owner_tenant_id: Option<String>,
    resource: Option<(String, String, String, Option<String>)>,
    resource_tenant_id: Option<String>,
    status: (u32, String),
}

/// Borrowed from an [`Attempt`]: names and order are the record's.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    id: String,
    created_date_time: String,
    app_display_name: &'a str,
    app_id: &'a str,
    app_owner_tenant_id: Option<&'a str>,
    applied_conditional_access_policies: &'a [Json],
    authentication_processing_details: &'a [Json],
    authentication_protocol: &'static str,
    autonomous_system_number: Option<u32>,
    client_app_used: Option<&'static str>,
    client_credential_type: &'static str,
    conditional_access_status: &'static str,
    correlation_id: &'a str,
    federated_credential_id: Option<&'a str>,
    home_tenant_id: Option<&'a str>,
    incoming_token_type: &'static str,
    ip_address: &'a str,
    is_interactive: bool,
    location: Option<Location<'a>>,
    resource_display_name: Option<&'a str>,
    resource_id: Option<&'a str>,
    resource_owner_tenant_id: Option<&'a str>,
    resource_service_principal_id: Option<&'a str>,
    resource_tenant_id: Option<&'a str>,
    risk_detail: &'static str,
    risk_level_aggregated: &'static str,
    risk_level_during_sign_in: &'static str,
    risk_state: &'static str,
    service_principal_credential_key_id: Option<&'a str>,
    service_principal_credential_thumbprint: Option<&'a str>,
    service_principal_id: &'a str,
    service_principal_name: &'a str,
    sign_in_event_types: [&'static str; 1],
    status: Status<'a>,
    unique_token_identifier: Option<&'a str>,
    user_agent: Option<&'a str>,
    user_display_name: Option<&'a str>,
    user_id: Option<&'a str>,
    user_principal_name: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location<'a> {
    city: Option<&'static str>,
    country_or_region: &'a str,
    geo_coordinates: Option<()>,
    state: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    error_code: u32,
    failure_reason: &'a str,
    additional_details: Option<&'static str>,
}

impl Attempt {
    pub(crate) fn new(server: &Server, request_id: Uuid, correlation_id: &str, call: &TokenCall<'_>) -> Self {
        let facts = server.addresses.lookup(call.ip);
        let user_agent = call.headers.get("user-agent").and_then(|value| value.to_str().ok());
        Self {
            request_id,
            correlation_id: correlation_id.to_owned(),
            tenant_id: None,
            client_id: String::new(),
            proof: ClientProof::Public,
            credential: Credential::None,
            token_id: None,
            is_cae: false,
            applied_policies: Vec::new(),
            policy_status: "notApplied",
            is_of_people: false,
            person: None,
            extra: Map::new(),
            time: call.now,
            ip: call.ip.to_string(),
            country: facts.country,
            autonomous_system: (facts.asn != 0).then_some(facts.asn),
            user_agent: user_agent.map(|agent| agent.chars().take(512).collect()),
            client_name: String::new(),
            principal_id: String::new(),
            owner_tenant_id: None,
            resource: None,
            resource_tenant_id: None,
            status: (0, "Other.".to_owned()),
        }
    }

    pub(crate) fn tenant(&mut self, tenant: &Tenant) {
        self.tenant_id = Some(tenant.id.clone());
    }

    pub(crate) fn client(&mut self, client: &Client) {
        self.client_id.clone_from(&client.app_id);
        self.client_name.clone_from(&client.display_name);
        if let Some(principal) = &client.principal {
            self.principal_id.clone_from(&principal.id);
            self.owner_tenant_id.clone_from(&principal.owner_tenant_id);
        } else if let Some(application) = &client.application {
            self.owner_tenant_id = Some(application.tenant_id.clone());
        }
    }

    pub(crate) fn resource(&mut self, resource: &Resource, tenant: &Tenant) {
        self.resource = Some((
            resource.app_id.clone(),
            resource.display_name.clone(),
            resource.id.clone(),
            resource.owner_tenant_id.clone(),
        ));
        self.resource_tenant_id = Some(tenant.id.clone());
    }

    /// What Conditional Access made of it.
    pub(crate) fn policies(&mut self, evaluation: &Evaluation<'_>) {
        self.policy_status = evaluation.status();
        self.applied_policies = evaluation
            .outcomes()
            .filter(|outcome| outcome.policy.state != State::Disabled)
            .map(|outcome| {
                let controls: &[&str] = if outcome.applies { &["Block"] } else { &[] };
                json!({
                    "id": outcome.policy.id,
                    "displayName": outcome.policy.display_name,
                    "enforcedGrantControls": controls,
                    "enforcedSessionControls": [],
                    "result": outcome.result(),
                    "conditionsSatisfied": outcome.satisfied.to_string(),
                    "conditionsNotSatisfied": outcome.not_satisfied.to_string(),
                })
            })
            .collect();
    }

    /// How it ended.
    pub(crate) fn settle(&mut self, refusal: Option<&Refusal>) {
        if let Some(refusal) = refusal {
            // The log has a sentence of its own for what policies block.
            let reason = match refusal.code {
                53_003 => "Access has been blocked due to Conditional Access policies.",
                _ => &refusal.text,
            };
            self.status = (refusal.code, reason.to_owned());
        }
    }

    fn event_type(&self) -> &'static str {
        match (&self.person, &self.credential) {
            (Some(person), _) if person.is_interactive => "interactiveUser",
            (Some(_), _) => "nonInteractiveUser",
            // A device that waits or a refresh token that has ended: nobody sat there.
            (None, _) if self.is_of_people => "nonInteractiveUser",
            (None, Credential::ManagedIdentity) => "managedIdentity",
            (None, _) => "servicePrincipal",
        }
    }

    /// The record, one line of JSON.
    pub(crate) fn line(&self) -> Vec<u8> {
        let key_id = match &self.credential {
            Credential::Secret { key_id } | Credential::Certificate { key_id, .. } => Some(key_id.as_str()),
            _ => None,
        };
        let thumbprint = match &self.credential {
            Credential::Certificate { thumbprint, .. } => Some(thumbprint.as_str()),
            _ => None,
        };
        let federated = match &self.credential {
            Credential::Federated { id } => Some(id.as_str()),
            _ => None,
        };
        let resource = self.resource.as_ref();
        let person = self.person.as_ref();
        // Of people's sign-ins nothing is evaluated continuously.
        let is_cae = if self.is_cae { "True" } else { "False" };
        let details = match person {
            None => vec![json!({ "key": "Is CAE Token", "value": is_cae })],
            Some(_) => Vec::new(),
        };
        let record = Record {
            id: self.request_id.to_string(),
            created_date_time: self.time.to_string(),
            app_display_name: &self.client_name,
            app_id: &self.client_id,
            app_owner_tenant_id: self.owner_tenant_id.as_deref(),
            applied_conditional_access_policies: &self.applied_policies,
            authentication_processing_details: &details,
            authentication_protocol: if person.is_some() || self.is_of_people { "oAuth2" } else { "none" },
            autonomous_system_number: self.autonomous_system,
            client_app_used: None,
            client_credential_type: self.credential.kind(),
            conditional_access_status: self.policy_status,
            correlation_id: &self.correlation_id,
            federated_credential_id: federated,
            home_tenant_id: self.tenant_id.as_deref(),
            incoming_token_type: "none",
            ip_address: &self.ip,
            is_interactive: person.is_some_and(|person| person.is_interactive),
            location: self.country.as_ref().map(|country| Location {
                city: None,
                country_or_region: country.as_str(),
                geo_coordinates: None,
                state: None,
            }),
            resource_display_name: resource.map(|resource| resource.1.as_str()),
            resource_id: resource.map(|resource| resource.0.as_str()),
            resource_owner_tenant_id: resource.and_then(|resource| resource.3.as_deref()),
            resource_service_principal_id: resource.map(|resource| resource.2.as_str()),
            resource_tenant_id: self.resource_tenant_id.as_deref(),
            risk_detail: "none",
            risk_level_aggregated: "none",
            risk_level_during_sign_in: "none",
            risk_state: "none",
            service_principal_credential_key_id: key_id,
            service_principal_credential_thumbprint: thumbprint,
            service_principal_id: &self.principal_id,
            service_principal_name: &self.client_name,
            sign_in_event_types: [self.event_type()],
            status: Status {
                error_code: self.status.0,
                failure_reason: &self.status.1,
                additional_details: None,
            },
            unique_token_identifier: self.token_id.as_deref(),
            user_agent: self.user_agent.as_deref(),
            user_display_name: person.map(|person| person.name.as_str()),
            user_id: person.map(|person| person.id.as_str()),
            user_principal_name: person.map(|person| person.user_principal_name.as_str()),
        };
        // Two kilobytes for each token: sonic-rs looks for what must be escaped many letters at a time.
        sonic_rs::to_vec(&record)
            .unwrap_or_else(|_| json!({ "id": self.request_id }).to_string().into_bytes())
    }
}
