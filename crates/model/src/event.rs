//! Events: one sign-in, one directory change, one API call, whatever envelope it came in.
//!
//! Text borrows from the bytes it was decoded from; `Cow` because JSON strings may hold escapes.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::{AppId, EventId, Id, KeyId, ServicePrincipalId, TenantId};
use crate::source::Country;
use crate::time::Timestamp;

/// One event in the life of workload identities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event<'a> {
    /// A token was asked for.
    #[serde(borrow)]
    SignIn(SignIn<'a>),
    /// The directory was changed.
    DirectoryAudit(DirectoryAudit<'a>),
    /// A directory API was called.
    ApiActivity(ApiActivity<'a>),
}

impl<'a> Event<'a> {
    /// When it happened, not when it was written.
    pub fn time(&self) -> Timestamp {
        match self {
            Event::SignIn(event) => event.time,
            Event::DirectoryAudit(event) => event.time,
            Event::ApiActivity(event) => event.time,
        }
    }

    /// Tenant whose directory it concerns.
    pub fn tenant(&self) -> &TenantId<'a> {
        match self {
            Event::SignIn(event) => &event.tenant,
            Event::DirectoryAudit(event) => &event.tenant,
            Event::ApiActivity(event) => &event.tenant,
        }
    }

    /// Stable id; empty when the record has none.
    pub fn id(&self) -> &EventId<'a> {
        match self {
            Event::SignIn(event) => &event.id,
            Event::DirectoryAudit(event) => &event.id,
            Event::ApiActivity(event) => &event.id,
        }
    }

    /// The workload identity that acted, if one did.
    pub fn service_principal(&self) -> Option<&ServicePrincipalId<'a>> {
        match self {
            Event::SignIn(event) => Some(&event.service_principal),
            Event::DirectoryAudit(event) => match &event.initiated_by {
                Actor::App { service_principal, .. } => Some(service_principal),
                Actor::User { .. } | Actor::Unknown => None,
            },
            Event::ApiActivity(event) => Some(&event.service_principal),
        }
        .filter(|id| !id.is_none())
    }

    /// The address it came from.
    pub fn address(&self) -> &Address<'a> {
        match self {
            Event::SignIn(event) => &event.address,
            Event::DirectoryAudit(event) => &event.address,
            Event::ApiActivity(event) => &event.address,
        }
    }

    /// The user agent; empty when there is none.
    pub fn user_agent(&self) -> &str {
        match self {
            Event::SignIn(event) => &event.user_agent,
            Event::DirectoryAudit(event) => &event.user_agent,
            Event::ApiActivity(event) => &event.user_agent,
        }
    }
}

/// An address as a record spells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address<'a> {
    /// The address without port, brackets and zone, IPv4-mapped IPv6 unwrapped; `None` for host names,
    /// masked or broken text.
    pub ip: Option<IpAddr>,
    /// The record's spelling when it says more than `ip` does; empty otherwise.
    #[serde(borrow)]
    pub raw: Cow<'a, str>,
}

/// Which sign-in log a record belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SignInKind {
    /// `ServicePrincipalSignInLogs`: own and third-party applications.
    ServicePrincipal,
    /// `ManagedIdentitySignInLogs`: identities of Azure resources; no address, no user agent.
    ManagedIdentity,
    /// `MicrosoftServicePrincipalSignInLogs`: Microsoft's own applications.
    MicrosoftServicePrincipal,
}

impl SignInKind {
    /// Name of the log.
    pub fn log(self) -> &'static str {
        match self {
            SignInKind::ServicePrincipal => "ServicePrincipalSignInLogs",
            SignInKind::ManagedIdentity => "ManagedIdentitySignInLogs",
            SignInKind::MicrosoftServicePrincipal => "MicrosoftServicePrincipalSignInLogs",
        }
    }
}

/// Kind of credential a client proved itself with (`clientCredentialType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CredentialKind {
    /// Not said: older records have no such column.
    #[default]
    Unknown,
    /// A shared secret.
    ClientSecret,
    /// A certificate, or an assertion signed with one (`certificate`, `clientAssertion`).
    Certificate,
    /// A token of another issuer (`federatedIdentityCredential`).
    Federated,
    /// The platform's own credential of a managed identity.
    ManagedIdentity,
}

impl CredentialKind {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            CredentialKind::Unknown => "credential",
            CredentialKind::ClientSecret => "client secret",
            CredentialKind::Certificate => "certificate",
            CredentialKind::Federated => "federated credential",
            CredentialKind::ManagedIdentity => "managed identity credential",
        }
    }
}

/// The credential of one sign-in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialUse<'a> {
    /// Kind of credential.
    pub kind: CredentialKind,
    /// `servicePrincipalCredentialKeyId`; none when the client was not authenticated.
    #[serde(borrow)]
    pub key: KeyId<'a>,
    /// `federatedCredentialId`; none for other kinds.
    pub federated_credential: Id<'a>,
}

/// One request of a workload identity for a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignIn<'a> {
    /// `id` of the sign-in.
    #[serde(borrow)]
    pub id: EventId<'a>,
    /// `createdDateTime`: the envelope's `time` is when it was written.
    pub time: Timestamp,
    /// Which log it belongs to.
    pub kind: SignInKind,
    /// Tenant whose directory issued the token.
    pub tenant: TenantId<'a>,
    /// Who signed in.
    pub service_principal: ServicePrincipalId<'a>,
    /// Its application id.
    pub app: AppId<'a>,
    /// Its display name.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Tenant that owns the application (`appOwnerTenantId`).
    pub owner_tenant: TenantId<'a>,
    /// Where from.
    pub address: Address<'a>,
    /// Country that the log itself names.
    pub reported_country: Option<Country>,
    /// User agent of the token request; empty in records before 2025.
    #[serde(borrow)]
    pub user_agent: Cow<'a, str>,
    /// Application id of the resource the token is for.
    pub resource: AppId<'a>,
    /// Display name of the resource.
    #[serde(borrow)]
    pub resource_name: Cow<'a, str>,
    /// What it proved itself with.
    pub credential: CredentialUse<'a>,
    /// `status.errorCode`: 0 is success.
    pub error_code: u32,
    /// Ties records of one request together.
    pub correlation: Id<'a>,
    /// `uniqueTokenIdentifier`: `uti` of the issued token.
    #[serde(borrow)]
    pub token: Cow<'a, str>,
    /// Azure resource of a managed identity (`managedServiceIdentity.associatedResourceId`).
    #[serde(borrow)]
    pub azure_resource: Cow<'a, str>,
}

impl SignIn<'_> {
    /// A sign-in of which nothing is known: a base for fixtures.
    pub fn empty(kind: SignInKind) -> SignIn<'static> {
        SignIn {
            id: EventId::default(),
            time: Timestamp::default(),
            kind,
            tenant: TenantId::default(),
            service_principal: ServicePrincipalId::default(),
            app: AppId::default(),
            name: Cow::Borrowed(""),
            owner_tenant: TenantId::default(),
            address: Address::default(),
            reported_country: None,
            user_agent: Cow::Borrowed(""),
            resource: AppId::default(),
            resource_name: Cow::Borrowed(""),
            credential: CredentialUse::default(),
            error_code: 0,
            correlation: Id::NONE,
            token: Cow::Borrowed(""),
            azure_resource: Cow::Borrowed(""),
        }
    }
}

/// Who made a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor<'a> {
    /// The record does not say.
    #[default]
    Unknown,
    /// A person.
    User {
        /// Object id of the user.
        #[serde(borrow)]
        id: Id<'a>,
        /// User principal name; may be empty.
        #[serde(borrow)]
        user_principal_name: Cow<'a, str>,
    },
    /// An application.
    App {
        /// Object id of the service principal: the only id that records carry dependably.
        #[serde(borrow)]
        service_principal: ServicePrincipalId<'a>,
        /// Application id; nearly always absent.
        app: AppId<'a>,
        /// Display name; sometimes holds the id.
        #[serde(borrow)]
        name: Cow<'a, str>,
    },
}

/// Who made the change, in a few words.
impl fmt::Display for Actor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::User { user_principal_name, .. } if !user_principal_name.is_empty() => {
                f.write_str(user_principal_name)
            }
            Actor::User { id, .. } => write!(f, "user {id}"),
            Actor::App { name, service_principal, .. } if name.is_empty() => {
                write!(f, "application {service_principal}")
            }
            Actor::App { name, .. } => write!(f, "application {name}"),
            Actor::Unknown => f.write_str("an unnamed actor"),
        }
    }
}

/// A property that a change touched. Values are JSON text inside the string, as the log writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModifiedProperty<'a> {
    /// `displayName` of the property.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Value before; empty when there was none.
    #[serde(borrow)]
    pub old: Cow<'a, str>,
    /// Value after; empty when there is none.
    #[serde(borrow)]
    pub new: Cow<'a, str>,
}

/// What a change was made to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target<'a> {
    /// Object id.
    #[serde(borrow)]
    pub id: Id<'a>,
    /// `ServicePrincipal`, `Application`, `User`, `Role`, …
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    /// Display name; may be empty.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Properties that changed.
    pub modified: Vec<ModifiedProperty<'a>>,
}

/// One change of the directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DirectoryAudit<'a> {
    /// `id` of the record.
    #[serde(borrow)]
    pub id: EventId<'a>,
    /// `activityDateTime`.
    pub time: Timestamp,
    /// Tenant whose directory changed.
    pub tenant: TenantId<'a>,
    /// `activityDisplayName`, normalised: trimmed, dashes made `-`, final full stop dropped.
    #[serde(borrow)]
    pub operation: Cow<'a, str>,
    /// `category`, as `ApplicationManagement`.
    #[serde(borrow)]
    pub category: Cow<'a, str>,
    /// True when the change was made.
    pub succeeded: bool,
    /// `resultReason`: why it was refused; empty when it was not.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
    /// Who made it.
    pub initiated_by: Actor<'a>,
    /// What it was made to.
    pub targets: Vec<Target<'a>>,
    /// Where from.
    pub address: Address<'a>,
    /// `additionalDetails` key `User-Agent`.
    #[serde(borrow)]
    pub user_agent: Cow<'a, str>,
    /// `additionalDetails` key `AppId`: the application the change concerns.
    pub app: AppId<'a>,
    /// Ties records of one action together.
    pub correlation: Id<'a>,
}

/// Which directory API was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Api {
    /// Microsoft Graph (`MicrosoftGraphActivityLogs`).
    MicrosoftGraph,
    /// The legacy directory API (`AzureADGraphActivityLogs`).
    AzureAdGraph,
}

impl Api {
    /// Name of the log.
    pub fn log(self) -> &'static str {
        match self {
            Api::MicrosoftGraph => "MicrosoftGraphActivityLogs",
            Api::AzureAdGraph => "AzureADGraphActivityLogs",
        }
    }
}

/// One call of a directory API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiActivity<'a> {
    /// `requestId`.
    #[serde(borrow)]
    pub id: EventId<'a>,
    /// `timeGenerated`.
    pub time: Timestamp,
    /// Which API.
    pub api: Api,
    /// Tenant whose data was asked for.
    pub tenant: TenantId<'a>,
    /// The service principal of an app-only call; none for delegated calls.
    pub service_principal: ServicePrincipalId<'a>,
    /// The user of a delegated call; none for app-only calls.
    pub user: Id<'a>,
    /// Application id of the caller.
    pub app: AppId<'a>,
    /// Where from.
    pub address: Address<'a>,
    /// User agent of the call.
    #[serde(borrow)]
    pub user_agent: Cow<'a, str>,
    /// HTTP method.
    #[serde(borrow)]
    pub method: Cow<'a, str>,
    /// Request URI: absolute for Microsoft Graph, a path for the legacy API.
    #[serde(borrow)]
    pub uri: Cow<'a, str>,
    /// HTTP status.
    pub status: u16,
    /// Bytes of the response.
    pub response_bytes: u64,
    /// Application permissions in the token, separated by single spaces.
    #[serde(borrow)]
    pub roles: Cow<'a, str>,
    /// Delegated permissions in the token, separated by single spaces.
    #[serde(borrow)]
    pub scopes: Cow<'a, str>,
    /// `signInActivityId`: `uti` of the token, the join to its sign-in.
    #[serde(borrow)]
    pub token: Cow<'a, str>,
}
