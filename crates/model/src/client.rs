//! Clients and resources as the token service sees them: who may ask for a token, with what, and for whom.

use std::collections::HashMap;

use crate::risk::RiskLevel;
use crate::time::Timestamp;
use uuid::Uuid;

/// A password credential that may sign in.
#[derive(Clone, Debug)]
pub struct ClientSecret {
    /// `keyId`.
    pub key_id: String,
    /// Keyed hash.
    pub hash: Vec<u8>,
    /// Valid from.
    pub start: Timestamp,
    /// Valid until.
    pub end: Timestamp,
}

/// A certificate that may sign assertions.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// `keyId`.
    pub key_id: String,
    /// DER.
    pub der: Vec<u8>,
    /// SHA-1 of the certificate: `x5t`.
    pub sha1: Vec<u8>,
    /// SHA-256 of the certificate: `x5t#S256`.
    pub sha256: Vec<u8>,
    /// Valid from.
    pub start: Timestamp,
    /// Valid until.
    pub end: Timestamp,
}

/// A foreign token that may stand for a secret.
#[derive(Clone, Debug)]
pub struct FederatedCredential {
    /// Its id.
    pub id: String,
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: Option<String>,
    /// `aud`.
    pub audience: String,
}

/// What has ended tokens of an object: how often, for that decides which token is over, and when, for clients are told.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// How often it was disabled, deactivated or deleted: all tokens ended.
    pub disablings: u64,
    /// When that was last.
    pub disabled: Option<Timestamp>,
    /// How often tokens of continuous access evaluation ended for another reason.
    pub revocations: u64,
    /// When that was last.
    pub revoked: Option<Timestamp>,
    /// Credentials that were removed lately, and when.
    pub removed_credentials: Vec<(Uuid, Timestamp)>,
}

/// The registration of a client, wherever its home is.
#[derive(Clone, Debug)]
pub struct ClientApplication {
    /// Object id.
    pub id: String,
    /// Home tenant.
    pub tenant_id: String,
    /// `isDisabled`.
    pub is_disabled: bool,
    /// What has ended its tokens.
    pub ended: Ended,
    /// Whether it may be used as a public client.
    pub is_public: bool,
    /// Whether an assertion's `jti` is accepted only once.
    pub one_time_assertions: bool,
    /// `signInAudience` names one tenant only.
    pub is_single_tenant: bool,
    /// Redirect addresses of all platforms.
    pub redirect_uris: Vec<String>,
}

/// The client in the tenant.
#[derive(Clone, Debug)]
pub struct ClientPrincipal {
    /// Object id.
    pub id: String,
    /// `accountEnabled`.
    pub account_enabled: bool,
    /// `isDisabled`.
    pub is_disabled: bool,
    /// `disabledByMicrosoftStatus` says so.
    pub is_disabled_by_microsoft: bool,
    /// `appOwnerOrganizationId`.
    pub owner_tenant_id: Option<String>,
    /// `servicePrincipalType`.
    pub kind: String,
    /// Ids of the application roles that it was granted, by resource.
    pub roles: HashMap<String, Vec<String>>,
    /// Template ids of its directory roles.
    pub directory_roles: Vec<String>,
    /// Its risk, while `riskState` is `atRisk` or `confirmedCompromised`; else none.
    pub risk: RiskLevel,
    /// What has ended its tokens.
    pub ended: Ended,
    /// `customSecurityAttributes`, as Graph has them.
    pub attributes: serde_json::Map<String, serde_json::Value>,
}

/// One application as a client in one tenant.
#[derive(Clone, Debug)]
pub struct Client {
    /// `client_id`.
    pub app_id: String,
    /// Display name.
    pub display_name: String,
    /// Its registration, if this server has it.
    pub application: Option<ClientApplication>,
    /// Its service principal, if the tenant has one.
    pub principal: Option<ClientPrincipal>,
    /// Password credentials of both.
    pub secrets: Vec<ClientSecret>,
    /// Certificates of both.
    pub certificates: Vec<ClientCertificate>,
    /// Federated credentials of both.
    pub federated: Vec<FederatedCredential>,
}

impl Client {
    /// What has ended tokens of its service principal and of its registration.
    pub fn ended(&self) -> impl Iterator<Item = &Ended> {
        let principal = self.principal.iter().map(|principal| &principal.ended);
        principal.chain(self.application.iter().map(|application| &application.ended))
    }

    /// The number that a token which is issued now carries: how often tokens of its kind have ended. A token with a lower
    /// number is over, wherever and whenever it was issued.
    pub fn generation(&self, is_cae: bool) -> u64 {
        self.ended().map(|ended| ended.disablings + if is_cae { ended.revocations } else { 0 }).sum()
    }

    /// Whether it has a credential of that id.
    pub fn has_credential(&self, key_id: &str) -> bool {
        let secrets = self.secrets.iter().map(|secret| &secret.key_id);
        let certificates = self.certificates.iter().map(|certificate| &certificate.key_id);
        let federated = self.federated.iter().map(|credential| &credential.id);
        secrets.chain(certificates).chain(federated).any(|own| own.eq_ignore_ascii_case(key_id))
    }
}

/// An application as the audience of tokens.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Object id of its service principal.
    pub id: String,
    /// Application id.
    pub app_id: String,
    /// Display name.
    pub display_name: String,
    /// `appOwnerOrganizationId`.
    pub owner_tenant_id: Option<String>,
    /// 1 or 2.
    pub token_version: u8,
    /// `appRoleAssignmentRequired`.
    pub assignment_required: bool,
    /// `accountEnabled`.
    pub account_enabled: bool,
    /// Enabled application roles: id and value.
    pub app_roles: HashMap<String, String>,
    /// Values of its delegated permissions, spelled as it declares them.
    pub scopes: Vec<String>,
    /// Whether it can answer a token with a claims challenge: it asks for `xms_cc` among its optional claims.
    pub asks_for_capabilities: bool,
    /// Names under which it is asked for.
    pub names: Vec<String>,
}
