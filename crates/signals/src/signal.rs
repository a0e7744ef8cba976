//! What happened to a workload, and which events tell it: the one table of both.

use countersign_model::risk::{RiskEventType, RiskLevel};
use countersign_model::time::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::event::{
    Body, ChangeType, Circumstances, CredentialChange, Event, InitiatingEntity, Level, RiskLevelChange,
};

/// `principal` of a risk-level-change about a workload. CAEP 1.0 section 3.8 names kinds of subjects and allows others
/// of SSF, of which `application` is one.
pub const PRINCIPAL: &str = "APPLICATION";

/// What kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A client secret.
    Secret,
    /// A certificate or another key.
    Certificate,
}

impl CredentialKind {
    /// `credential_type`.
    pub fn credential_type(self) -> &'static str {
        match self {
            CredentialKind::Secret => "app",
            CredentialKind::Certificate => "x509",
        }
    }
}

/// A credential of a workload. The secret itself is not here, and so cannot leave with an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its kind.
    pub kind: CredentialKind,
    /// `keyId` of Graph.
    pub key_id: Uuid,
    /// `displayName` of Graph.
    pub display_name: Option<String>,
}

/// What happened to a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It may not sign in any more.
    Disabled,
    /// It may again.
    Enabled,
    /// It, or its application, was deleted and can be restored.
    Deleted,
    /// It was deleted for ever.
    Purged,
    /// It was restored.
    Restored,
    /// Its risk has another level.
    RiskChanged {
        /// Before.
        previous: RiskLevel,
        /// Now.
        current: RiskLevel,
        /// The finding that did it, if it was one.
        reason: Option<RiskEventType>,
    },
    /// An administrator confirmed that it is compromised.
    Confirmed {
        /// The level before.
        previous: RiskLevel,
    },
    /// An administrator dismissed its risk.
    Dismissed {
        /// The level before.
        previous: RiskLevel,
    },
    /// It has a new credential.
    CredentialAdded(Credential),
    /// It has lost a credential.
    CredentialRemoved(Credential),
    /// One of its credentials was found where others can read it.
    CredentialLeaked {
        /// Its kind.
        kind: CredentialKind,
        /// Which one, if it is known.
        key_id: Option<Uuid>,
        /// The level of risk before.
        previous: RiskLevel,
    },
    /// Its app roles are others.
    RolesChanged {
        /// All that it has now, at one resource.
        roles: Vec<String>,
    },
    /// Its tokens were revoked, for no other reason that is here.
    Revoked,
}

/// A signal with who caused it and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// What happened.
    pub signal: Signal,
    /// When.
    pub at: Timestamp,
    /// Who caused it.
    pub initiating_entity: InitiatingEntity,
}

impl Occurrence {
    /// The events that tell it, in their order. They have one cause, so the caller gives all of them one `txn`. None
    /// where nothing changed that an event can say.
    pub fn events(&self) -> Vec<Event> {
        let circumstances = Circumstances {
            event_timestamp: Some(self.at),
            initiating_entity: Some(self.initiating_entity),
            ..Circumstances::default()
        };
        let bodies = self.signal.bodies().into_iter();
        bodies.map(|body| Event { body, circumstances: circumstances.clone() }).collect()
    }
}

impl Signal {
    fn bodies(&self) -> Vec<Body> {
        match self {
            Signal::Disabled | Signal::Deleted => vec![Body::AccountDisabled(None), Body::SessionRevoked],
            Signal::Enabled | Signal::Restored => vec![Body::AccountEnabled],
            Signal::Purged => vec![Body::AccountPurged],
            Signal::RiskChanged { previous, current, reason } => {
                let (previous, current) = (Level::of(*previous), Level::of(*current));
                match (previous, current.or(previous.map(|_| Level::Low))) {
                    (previous, Some(current)) if previous != Some(current) => {
                        vec![level(previous, current, reason.map(RiskEventType::as_str))]
                    }
                    _ => Vec::new(),
                }
            }
            Signal::Confirmed { previous } => {
                let reason = RiskEventType::AdminConfirmedServicePrincipalCompromised.as_str();
                vec![level(Level::of(*previous), Level::High, Some(reason)), Body::SessionRevoked]
            }
            // CAEP has no level NONE, and LOW is as near as it comes. Said also where it was LOW before, for somebody
            // has decided.
            Signal::Dismissed { previous } => {
                let previous = Level::of(*previous);
                previous.map(|_| level(previous, Level::Low, None)).into_iter().collect()
            }
            Signal::CredentialAdded(credential) => vec![change(credential, ChangeType::Create)],
            Signal::CredentialRemoved(credential) => vec![change(credential, ChangeType::Delete)],
            Signal::CredentialLeaked { kind, key_id, previous } => {
                let reason = RiskEventType::LeakedCredentials.as_str();
                vec![
                    Body::CredentialCompromise {
                        credential_type: kind.credential_type().to_owned(),
                        key_id: key_id.map(|id| id.to_string()),
                    },
                    level(Level::of(*previous), Level::High, Some(reason)),
                    Body::SessionRevoked,
                ]
            }
            Signal::RolesChanged { roles } => {
                let claims = Map::from_iter([("roles".to_owned(), Value::from(roles.clone()))]);
                vec![Body::TokenClaimsChange(claims)]
            }
            Signal::Revoked => vec![Body::SessionRevoked],
        }
    }
}

fn level(previous_level: Option<Level>, current_level: Level, risk_reason: Option<&str>) -> Body {
    Body::RiskLevelChange(RiskLevelChange {
        principal: PRINCIPAL.to_owned(),
        current_level,
        previous_level,
        risk_reason: risk_reason.map(str::to_owned),
    })
}

fn change(credential: &Credential, change_type: ChangeType) -> Body {
    Body::CredentialChange(CredentialChange {
        credential_type: credential.kind.credential_type().to_owned(),
        change_type,
        friendly_name: credential.display_name.clone().filter(|name| !name.is_empty()),
        x509_issuer: None,
        x509_serial: None,
        fido2_aaguid: None,
        key_id: Some(credential.key_id.to_string()),
    })
}
