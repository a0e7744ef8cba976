//! The events that are sent and understood: their types, their members, their JSON.
//!
//! From CAEP 1.0, RISC 1.0 and SSF 1.0 only those that a workload identity can have. Members that are not known are
//! passed over, as SSF 1.0 section 4.2.3 wants of receivers; one that is known must have its form.

use std::collections::BTreeMap;

use countersign_model::risk::RiskLevel;
use countersign_model::time::{SECOND, Timestamp};
use serde_json::{Map, Value};

use crate::invalid::Invalid;
use crate::json;

/// Most languages of a reason.
pub const LANGUAGES_MAX: usize = 32;

/// What kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventType {
    /// CAEP 1.0 section 3.1.
    SessionRevoked,
    /// CAEP 1.0 section 3.2.
    TokenClaimsChange,
    /// CAEP 1.0 section 3.3.
    CredentialChange,
    /// CAEP 1.0 section 3.8.
    RiskLevelChange,
    /// RISC 1.0 section 2.3.
    AccountDisabled,
    /// RISC 1.0 section 2.4.
    AccountEnabled,
    /// RISC 1.0 section 2.2.
    AccountPurged,
    /// RISC 1.0 section 2.7.
    CredentialCompromise,
    /// SSF 1.0 section 8.1.4.1.
    Verification,
    /// SSF 1.0 section 8.1.5.
    StreamUpdated,
}

impl EventType {
    /// What a receiver can ask for: `events_supported`. The two of SSF come unasked.
    pub const SUPPORTED: [EventType; 8] = [
        EventType::SessionRevoked,
        EventType::TokenClaimsChange,
        EventType::CredentialChange,
        EventType::RiskLevelChange,
        EventType::AccountDisabled,
        EventType::AccountEnabled,
        EventType::AccountPurged,
        EventType::CredentialCompromise,
    ];

    /// Each of them.
    pub fn all() -> impl Iterator<Item = EventType> {
        EventType::SUPPORTED.into_iter().chain([EventType::Verification, EventType::StreamUpdated])
    }

    /// Its name in `events`.
    pub fn uri(self) -> &'static str {
        match self {
            EventType::SessionRevoked => {
                "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
            }
            EventType::TokenClaimsChange => {
                "https://schemas.openid.net/secevent/caep/event-type/token-claims-change"
            }
            EventType::CredentialChange => {
                "https://schemas.openid.net/secevent/caep/event-type/credential-change"
            }
            EventType::RiskLevelChange => {
                "https://schemas.openid.net/secevent/caep/event-type/risk-level-change"
            }
            EventType::AccountDisabled => {
                "https://schemas.openid.net/secevent/risc/event-type/account-disabled"
            }
            EventType::AccountEnabled => {
                "https://schemas.openid.net/secevent/risc/event-type/account-enabled"
            }
            EventType::AccountPurged => "https://schemas.openid.net/secevent/risc/event-type/account-purged",
            EventType::CredentialCompromise => {
                "https://schemas.openid.net/secevent/risc/event-type/credential-compromise"
            }
            EventType::Verification => "https://schemas.openid.net/secevent/ssf/event-type/verification",
            EventType::StreamUpdated => "https://schemas.openid.net/secevent/ssf/event-type/stream-updated",
        }
    }

    /// The type of that name. URIs are compared as they are written.
    pub fn parse(uri: &str) -> Option<EventType> {
        EventType::all().find(|event_type| event_type.uri() == uri)
    }
}

/// `initiating_entity` (CAEP 1.0 section 2): who caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitiatingEntity {
    /// An administrator.
    Admin,
    /// The subject itself.
    User,
    /// A policy.
    Policy,
    /// The transmitter, of its own accord.
    System,
}

impl InitiatingEntity {
    const ALL: [(&str, InitiatingEntity); 4] = [
        ("admin", InitiatingEntity::Admin),
        ("user", InitiatingEntity::User),
        ("policy", InitiatingEntity::Policy),
        ("system", InitiatingEntity::System),
    ];
}

/// `change_type` of a credential-change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeType {
    /// It is new.
    Create,
    /// It does not work any more.
    Revoke,
    /// It is another one now.
    Update,
    /// It is gone.
    Delete,
}

impl ChangeType {
    const ALL: [(&str, ChangeType); 4] = [
        ("create", ChangeType::Create),
        ("revoke", ChangeType::Revoke),
        ("update", ChangeType::Update),
        ("delete", ChangeType::Delete),
    ];
}

/// A level of CAEP, which has no NONE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// LOW.
    Low,
    /// MEDIUM.
    Medium,
    /// HIGH.
    High,
}

impl Level {
    const ALL: [(&str, Level); 3] = [("LOW", Level::Low), ("MEDIUM", Level::Medium), ("HIGH", Level::High)];

    /// The level of a risk; none for no risk.
    pub fn of(risk: RiskLevel) -> Option<Level> {
        match risk {
            RiskLevel::None => None,
            RiskLevel::Low => Some(Level::Low),
            RiskLevel::Medium => Some(Level::Medium),
            RiskLevel::High => Some(Level::High),
        }
    }

    /// The risk of that level.
    pub fn risk(self) -> RiskLevel {
        match self {
            Level::Low => RiskLevel::Low,
            Level::Medium => RiskLevel::Medium,
            Level::High => RiskLevel::High,
        }
    }
}

/// `reason` of an account-disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisabledReason {
    /// Somebody else has it.
    Hijacking,
    /// It was one of many made for abuse.
    BulkAccount,
}

impl DisabledReason {
    const ALL: [(&str, DisabledReason); 2] =
        [("hijacking", DisabledReason::Hijacking), ("bulk-account", DisabledReason::BulkAccount)];
}

/// `status` of a stream (SSF 1.0 section 8.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Events are sent.
    #[default]
    Enabled,
    /// Events are kept for later.
    Paused,
    /// Events are neither sent nor kept.
    Disabled,
}

impl Status {
    const ALL: [(&str, Status); 3] =
        [("enabled", Status::Enabled), ("paused", Status::Paused), ("disabled", Status::Disabled)];

    /// As SSF spells it.
    pub fn as_str(self) -> &'static str {
        name(&Status::ALL, self)
    }

    /// The member `status`, which must be there.
    pub fn read(object: &Map<String, Value>) -> Result<Status, Invalid> {
        one_of(object, "status", &Status::ALL)?.ok_or(Invalid::new("status", "is missing"))
    }
}

/// A credential that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialChange {
    /// `credential_type`: one of CAEP's, or what both sides have agreed upon. Ours are `app` and `x509`.
    pub credential_type: String,
    /// `change_type`.
    pub change_type: ChangeType,
    /// `friendly_name`.
    pub friendly_name: Option<String>,
    /// `x509_issuer`.
    pub x509_issuer: Option<String>,
    /// `x509_serial`.
    pub x509_serial: Option<String>,
    /// `fido2_aaguid`.
    pub fido2_aaguid: Option<String>,
    /// Our own member `key_id`: `keyId` of Graph.
    pub key_id: Option<String>,
}

/// A level that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiskLevelChange {
    /// `principal`: what kind of subject it is about, such as `APPLICATION`.
    pub principal: String,
    /// `current_level`.
    pub current_level: Level,
    /// `previous_level`.
    pub previous_level: Option<Level>,
    /// `risk_reason`.
    pub risk_reason: Option<String>,
}

/// What happened, with the members of its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Tokens and sessions are worth nothing any more.
    SessionRevoked,
    /// `claims` have new values.
    TokenClaimsChange(Map<String, Value>),
    /// A credential changed.
    CredentialChange(CredentialChange),
    /// A level changed.
    RiskLevelChange(RiskLevelChange),
    /// The account cannot sign in any more; `reason`.
    AccountDisabled(Option<DisabledReason>),
    /// It can again.
    AccountEnabled,
    /// It is gone for ever.
    AccountPurged,
    /// A credential is known to others.
    CredentialCompromise {
        /// `credential_type`.
        credential_type: String,
        /// Our own member `key_id`: `keyId` of Graph.
        key_id: Option<String>,
    },
    /// An answer to a request for it, with its `state`.
    Verification(Option<String>),
    /// The stream has another status.
    StreamUpdated {
        /// `status`.
        status: Status,
        /// `reason`.
        reason: Option<String>,
    },
}

/// Members that every event of CAEP may have (CAEP 1.0 section 2); RISC's have them here, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// `event_timestamp`. Written in whole seconds, for CAEP's examples have no fraction.
    pub event_timestamp: Option<Timestamp>,
    /// `initiating_entity`.
    pub initiating_entity: Option<InitiatingEntity>,
    /// `reason_admin`: text by language.
    pub reason_admin: BTreeMap<String, String>,
    /// `reason_user`, likewise.
    pub reason_user: BTreeMap<String, String>,
    /// Our own member `generation`, of session-revoked and account-disabled: tokens of the workload that carry a lower number in
    /// their claim `countersign_generation`, or none, are over. A token that was issued while the event was written down has a
    /// later time than it, and a lower number.
    pub generation: Option<u64>,
}

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What happened.
    pub body: Body,
    /// When, through whom and why.
    pub circumstances: Circumstances,
}

impl Event {
    /// Its type.
    pub fn event_type(&self) -> EventType {
        match &self.body {
            Body::SessionRevoked => EventType::SessionRevoked,
            Body::TokenClaimsChange(_) => EventType::TokenClaimsChange,
            Body::CredentialChange(_) => EventType::CredentialChange,
            Body::RiskLevelChange(_) => EventType::RiskLevelChange,
            Body::AccountDisabled(_) => EventType::AccountDisabled,
            Body::AccountEnabled => EventType::AccountEnabled,
            Body::AccountPurged => EventType::AccountPurged,
            Body::CredentialCompromise { .. } => EventType::CredentialCompromise,
            Body::Verification(_) => EventType::Verification,
            Body::StreamUpdated { .. } => EventType::StreamUpdated,
        }
    }

    /// Its payload: the value in `events` under the name of its type.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        let mut set = |member: &str, value: Option<Value>| {
            if let Some(value) = value {
                object.insert(member.to_owned(), value);
            }
        };
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        match &self.body {
            Body::SessionRevoked | Body::AccountEnabled | Body::AccountPurged => {}
            Body::TokenClaimsChange(claims) => set("claims", Some(claims.clone().into())),
            Body::CredentialChange(change) => {
                set("credential_type", Some(change.credential_type.as_str().into()));
                set("change_type", Some(name(&ChangeType::ALL, change.change_type).into()));
                set("friendly_name", text(&change.friendly_name));
                set("x509_issuer", text(&change.x509_issuer));
                set("x509_serial", text(&change.x509_serial));
                set("fido2_aaguid", text(&change.fido2_aaguid));
                set("key_id", text(&change.key_id));
            }
            Body::RiskLevelChange(change) => {
                set("principal", Some(change.principal.as_str().into()));
                set("current_level", Some(name(&Level::ALL, change.current_level).into()));
                set("previous_level", change.previous_level.map(|level| name(&Level::ALL, level).into()));
                set("risk_reason", text(&change.risk_reason));
            }
            Body::AccountDisabled(reason) => {
                set("reason", reason.map(|reason| name(&DisabledReason::ALL, reason).into()));
            }
            Body::CredentialCompromise { credential_type, key_id } => {
                set("credential_type", Some(credential_type.as_str().into()));
                set("key_id", text(key_id));
            }
            Body::Verification(state) => set("state", text(state)),
            Body::StreamUpdated { status, reason } => {
                set("status", Some(status.as_str().into()));
                set("reason", text(reason));
            }
        }
        let Circumstances { event_timestamp, initiating_entity, reason_admin, reason_user, generation } =
            &self.circumstances;
        set("generation", generation.map(Value::from));
        set("event_timestamp", event_timestamp.map(|time| time.0.div_euclid(SECOND).into()));
        set("initiating_entity", initiating_entity.map(|who| name(&InitiatingEntity::ALL, who).into()));
        set("reason_admin", languages_to_json(reason_admin));
        set("reason_user", languages_to_json(reason_user));
        object.into()
    }

    /// Reads a payload of that type.
    pub fn read(event_type: EventType, object: &Map<String, Value>) -> Result<Event, Invalid> {
        Ok(Event { body: body(event_type, object)?, circumstances: circumstances(object)? })
    }
}

fn body(event_type: EventType, object: &Map<String, Value>) -> Result<Body, Invalid> {
    let required = |name: &str| json::required(object, name).map(str::to_owned);
    let optional = |name: &str| json::owned(object, name);
    Ok(match event_type {
        EventType::SessionRevoked => Body::SessionRevoked,
        EventType::TokenClaimsChange => {
            let claims = json::object(object, "claims")?.ok_or(Invalid::new("claims", "is missing"))?;
            Body::TokenClaimsChange(claims.clone())
        }
        EventType::CredentialChange => Body::CredentialChange(CredentialChange {
            credential_type: required("credential_type")?,
            change_type: one_of(object, "change_type", &ChangeType::ALL)?
                .ok_or(Invalid::new("change_type", "is missing"))?,
            friendly_name: optional("friendly_name")?,
            x509_issuer: optional("x509_issuer")?,
            x509_serial: optional("x509_serial")?,
            fido2_aaguid: optional("fido2_aaguid")?,
            key_id: optional("key_id")?,
        }),
        EventType::RiskLevelChange => Body::RiskLevelChange(RiskLevelChange {
            principal: required("principal")?,
            current_level: one_of(object, "current_level", &Level::ALL)?
                .ok_or(Invalid::new("current_level", "is missing"))?,
            previous_level: one_of(object, "previous_level", &Level::ALL)?,
            risk_reason: optional("risk_reason")?,
        }),
        EventType::AccountDisabled => Body::AccountDisabled(one_of(object, "reason", &DisabledReason::ALL)?),
        EventType::AccountEnabled => Body::AccountEnabled,
        EventType::AccountPurged => Body::AccountPurged,
        EventType::CredentialCompromise => Body::CredentialCompromise {
            credential_type: required("credential_type")?,
            key_id: optional("key_id")?,
        },
        EventType::Verification => Body::Verification(optional("state")?),
        EventType::StreamUpdated => {
            Body::StreamUpdated { status: Status::read(object)?, reason: optional("reason")? }
        }
    })
}

fn circumstances(object: &Map<String, Value>) -> Result<Circumstances, Invalid> {
    Ok(Circumstances {
        event_timestamp: json::time(object, "event_timestamp")?,
        initiating_entity: one_of(object, "initiating_entity", &InitiatingEntity::ALL)?,
        reason_admin: languages(object, "reason_admin")?,
        reason_user: languages(object, "reason_user")?,
        // Others may mean something else by that name.
        generation: object.get("generation").and_then(Value::as_u64),
    })
}

/// CAEP 1.0 section 2: an object of texts by language tag.
fn languages(object: &Map<String, Value>, name: &str) -> Result<BTreeMap<String, String>, Invalid> {
    let Some(object) = json::object(object, name)? else { return Ok(BTreeMap::new()) };
    if object.len() > LANGUAGES_MAX {
        return Err(Invalid::new(name, "has too many languages"));
    }
    let entries = object.iter().map(|(language, value)| {
        let text = value.as_str().filter(|text| text.len() <= json::TEXT_BYTES_MAX);
        let text = text.ok_or(Invalid::new(name, "must have texts by language, none too long"))?;
        Ok((language.clone(), text.to_owned()))
    });
    entries.collect()
}

fn languages_to_json(texts: &BTreeMap<String, String>) -> Option<Value> {
    let object = texts.iter().map(|(language, text)| (language.clone(), text.as_str().into()));
    (!texts.is_empty()).then(|| Value::Object(object.collect()))
}

/// The value of a member that is one of a table of words.
fn one_of<T: Copy>(
    object: &Map<String, Value>,
    member: &str,
    words: &[(&str, T)],
) -> Result<Option<T>, Invalid> {
    let Some(text) = json::text(object, member)? else { return Ok(None) };
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| Some(*value)).ok_or(Invalid::new(member, "has a value that it cannot have"))
}

/// The word of a value; every value is in its table.
fn name<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, one)| *one == value).map_or("", |(word, _)| word)
}
