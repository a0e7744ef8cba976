//! Events in the JSON of their standards, and the events of each signal. What is expected is written from the texts of
//! CAEP 1.0, RISC 1.0 and SSF 1.0, not from what was printed.

use countersign_model::risk::{RiskEventType, RiskLevel};
use countersign_model::time::{SECOND, Timestamp};
use countersign_signals::event::{Event, EventType, InitiatingEntity};
use countersign_signals::signal::{Credential, CredentialKind, Occurrence, Signal};
use serde_json::{Value, json};
use uuid::Uuid;

const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";
const SSF: &str = "https://schemas.openid.net/secevent/ssf/event-type/";

fn read(uri: &str, payload: &Value) -> Result<Event, String> {
    let event_type = EventType::parse(uri).ok_or("no such event")?;
    Event::read(event_type, payload.as_object().unwrap()).map_err(|invalid| invalid.to_string())
}

#[test]
fn events_are_read_and_written_as_the_standards_have_them() {
    for (uri, payload) in [
        // CAEP 1.0 section 3.1: no members of its own; those of section 2.
        (format!("{CAEP}session-revoked"), json!({})),
        (
            format!("{CAEP}session-revoked"),
            json!({
                "initiating_entity": "policy", "event_timestamp": 1_600_975_810,
                "reason_admin": {"en": "Policy Violation: C076E82F"},
                "reason_user": {"en": "Land speed violation.", "es-410": "Violación."},
            }),
        ),
        // Section 3.2: `claims` is required.
        (format!("{CAEP}token-claims-change"), json!({"claims": {"role": "ro-admin", "roles": [1, null]}})),
        // Section 3.3: `credential_type` and `change_type` are required; the type is open.
        (format!("{CAEP}credential-change"), json!({"credential_type": "app", "change_type": "revoke"})),
        (
            format!("{CAEP}credential-change"),
            json!({
                "credential_type": "fido2-roaming", "change_type": "create", "friendly_name": "Jane's key",
                "x509_issuer": "CN=a", "x509_serial": "01", "fido2_aaguid": "accced6a", "key_id": "1",
                "initiating_entity": "user",
            }),
        ),
        // Section 3.8: `principal` and `current_level` are required.
        (format!("{CAEP}risk-level-change"), json!({"principal": "USER", "current_level": "LOW"})),
        (
            format!("{CAEP}risk-level-change"),
            json!({
                "principal": "APPLICATION", "current_level": "MEDIUM", "previous_level": "HIGH",
                "risk_reason": "PASSWORD_FOUND_IN_DATA_BREACH",
            }),
        ),
        // RISC 1.0 sections 2.2 to 2.4 and 2.7.
        (format!("{RISC}account-purged"), json!({})),
        (format!("{RISC}account-disabled"), json!({})),
        (format!("{RISC}account-disabled"), json!({"reason": "bulk-account"})),
        (format!("{RISC}account-disabled"), json!({"reason": "hijacking"})),
        (format!("{RISC}account-enabled"), json!({"initiating_entity": "system"})),
        (format!("{RISC}credential-compromise"), json!({"credential_type": "password"})),
        (format!("{RISC}credential-compromise"), json!({"credential_type": "x509", "key_id": "2"})),
        // SSF 1.0 sections 8.1.4.1 and 8.1.5.
        (format!("{SSF}verification"), json!({})),
        (format!("{SSF}verification"), json!({"state": "VGhpcyBpcyBhbiBleGFtcGxl"})),
        (format!("{SSF}stream-updated"), json!({"status": "enabled"})),
        (format!("{SSF}stream-updated"), json!({"status": "paused", "reason": "License is not valid"})),
    ] {
        let event = read(&uri, &payload).unwrap_or_else(|error| panic!("{uri}: {error}"));
        assert_eq!(event.event_type().uri(), uri);
        assert_eq!(event.to_json(), payload, "{uri}");
    }
}

#[test]
fn what_is_required_is_required_and_what_is_there_has_its_form() {
    for (uri, payload, expected) in [
        (format!("{CAEP}token-claims-change"), json!({}), "`claims` is missing"),
        (format!("{CAEP}token-claims-change"), json!({"claims": ["a"]}), "`claims` must be an object"),
        (
            format!("{CAEP}credential-change"),
            json!({"change_type": "create"}),
            "`credential_type` is missing",
        ),
        (format!("{CAEP}credential-change"), json!({"credential_type": "app"}), "`change_type` is missing"),
        (
            format!("{CAEP}credential-change"),
            json!({"credential_type": "app", "change_type": "Create"}),
            "`change_type` has a value that it cannot have",
        ),
        (format!("{CAEP}risk-level-change"), json!({"current_level": "LOW"}), "`principal` is missing"),
        (
            format!("{CAEP}risk-level-change"),
            json!({"principal": "", "current_level": "LOW"}),
            "`principal` must not be empty",
        ),
        (format!("{CAEP}risk-level-change"), json!({"principal": "USER"}), "`current_level` is missing"),
        // Section 3.8: LOW, MEDIUM, HIGH, and nothing else.
        (
            format!("{CAEP}risk-level-change"),
            json!({"principal": "USER", "current_level": "NONE"}),
            "`current_level` has a value that it cannot have",
        ),
        (
            format!("{CAEP}risk-level-change"),
            json!({"principal": "USER", "current_level": "LOW", "previous_level": "NONE"}),
            "`previous_level` has a value that it cannot have",
        ),
        (format!("{RISC}credential-compromise"), json!({}), "`credential_type` is missing"),
        (
            format!("{RISC}account-disabled"),
            json!({"reason": "boredom"}),
            "`reason` has a value that it cannot have",
        ),
        (format!("{SSF}stream-updated"), json!({}), "`status` is missing"),
        (format!("{SSF}verification"), json!({"state": 1}), "`state` must be text"),
        (
            format!("{CAEP}session-revoked"),
            json!({"event_timestamp": "now"}),
            "`event_timestamp` must be a time in seconds since 1970",
        ),
        (
            format!("{CAEP}session-revoked"),
            json!({"event_timestamp": -1}),
            "`event_timestamp` must be a time in seconds since 1970",
        ),
        (
            format!("{CAEP}session-revoked"),
            json!({"initiating_entity": "fate"}),
            "`initiating_entity` has a value that it cannot have",
        ),
        (
            format!("{CAEP}session-revoked"),
            json!({"reason_admin": "because"}),
            "`reason_admin` must be an object",
        ),
        (
            format!("{CAEP}session-revoked"),
            json!({"reason_user": {"en": 1}}),
            "`reason_user` must have texts by language, none too long",
        ),
    ] {
        assert_eq!(read(&uri, &payload), Err(expected.to_owned()), "{uri} {payload}");
    }
    assert_eq!(EventType::parse("https://example.com/unheard-of"), None);
}

#[test]
fn members_that_nobody_knows_and_null_are_passed_over() {
    let event = read(
        &format!("{CAEP}session-revoked"),
        &json!({"moon": "full", "event_timestamp": null, "subject": {"format": "opaque", "id": "x"}}),
    );
    assert_eq!(event.unwrap().to_json(), json!({}));
}

#[test]
fn a_time_may_have_a_fraction_and_is_written_without() {
    let event =
        read(&format!("{RISC}account-purged"), &json!({"event_timestamp": 1_600_975_810.75})).unwrap();
    assert_eq!(event.circumstances.event_timestamp, Some(Timestamp(1_600_975_810_750_000)));
    assert_eq!(event.to_json(), json!({"event_timestamp": 1_600_975_810}));
}

const KEY: Uuid = Uuid::from_u128(0x3fdb_2d30_06c4_4a33_9b4a_0d3a_1c4d_8a11);

/// Type without its prefix, and members beside time and initiator.
fn told(signal: Signal) -> Vec<(String, Value)> {
    let occurrence = Occurrence {
        signal,
        at: Timestamp(1_777_777_777 * SECOND + 999_999),
        initiating_entity: InitiatingEntity::Admin,
    };
    let events = occurrence.events();
    let of = |event: &Event| {
        let mut json = event.to_json();
        let members = json.as_object_mut().unwrap();
        assert_eq!(members.remove("event_timestamp"), Some(json!(1_777_777_777)));
        assert_eq!(members.remove("initiating_entity"), Some(json!("admin")));
        let (_, name) = event.event_type().uri().rsplit_once('/').unwrap();
        (name.to_owned(), json)
    };
    events.iter().map(of).collect()
}

fn risk(current: &str, more: &Value) -> (&'static str, Value) {
    let mut json = json!({"principal": "APPLICATION", "current_level": current});
    json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ("risk-level-change", json)
}

#[test]
fn each_signal_has_its_events() {
    let credential = |kind| Credential { kind, key_id: KEY, display_name: Some("ci".to_owned()) };
    let id = "3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11";
    let revoked = || ("session-revoked", json!({}));
    let by_admin = json!({"risk_reason": "adminConfirmedServicePrincipalCompromised"});
    let leaked = json!({"risk_reason": "leakedCredentials"});
    let cases: Vec<(Signal, Vec<(&str, Value)>)> = vec![
        (Signal::Disabled, vec![("account-disabled", json!({})), revoked()]),
        (Signal::Enabled, vec![("account-enabled", json!({}))]),
        (Signal::Deleted, vec![("account-disabled", json!({})), revoked()]),
        (Signal::Purged, vec![("account-purged", json!({}))]),
        (Signal::Restored, vec![("account-enabled", json!({}))]),
        (Signal::Revoked, vec![revoked()]),
        // CAEP 1.0 section 3.8 has no NONE: what was none is left out, what becomes none is LOW.
        (
            Signal::RiskChanged {
                previous: RiskLevel::None,
                current: RiskLevel::Medium,
                reason: Some(RiskEventType::SuspiciousApiTraffic),
            },
            vec![risk("MEDIUM", &json!({"risk_reason": "suspiciousAPITraffic"}))],
        ),
        (
            Signal::RiskChanged { previous: RiskLevel::Medium, current: RiskLevel::High, reason: None },
            vec![risk("HIGH", &json!({"previous_level": "MEDIUM"}))],
        ),
        (
            Signal::RiskChanged { previous: RiskLevel::High, current: RiskLevel::None, reason: None },
            vec![risk("LOW", &json!({"previous_level": "HIGH"}))],
        ),
        // Nothing changes that could be said.
        (Signal::RiskChanged { previous: RiskLevel::Low, current: RiskLevel::None, reason: None }, vec![]),
        (Signal::RiskChanged { previous: RiskLevel::None, current: RiskLevel::None, reason: None }, vec![]),
        (Signal::RiskChanged { previous: RiskLevel::High, current: RiskLevel::High, reason: None }, vec![]),
        (Signal::Confirmed { previous: RiskLevel::None }, vec![risk("HIGH", &by_admin), revoked()]),
        (
            Signal::Confirmed { previous: RiskLevel::Low },
            vec![
                risk(
                    "HIGH",
                    &json!({
                        "risk_reason": "adminConfirmedServicePrincipalCompromised",
                        "previous_level": "LOW",
                    }),
                ),
                revoked(),
            ],
        ),
        (
            Signal::Dismissed { previous: RiskLevel::High },
            vec![risk("LOW", &json!({"previous_level": "HIGH"}))],
        ),
        (
            Signal::Dismissed { previous: RiskLevel::Low },
            vec![risk("LOW", &json!({"previous_level": "LOW"}))],
        ),
        (Signal::Dismissed { previous: RiskLevel::None }, vec![]),
        (
            Signal::CredentialAdded(credential(CredentialKind::Secret)),
            vec![(
                "credential-change",
                json!({
                    "credential_type": "app", "change_type": "create", "friendly_name": "ci", "key_id": id,
                }),
            )],
        ),
        (
            Signal::CredentialRemoved(Credential {
                display_name: None,
                ..credential(CredentialKind::Certificate)
            }),
            vec![(
                "credential-change",
                json!({"credential_type": "x509", "change_type": "delete", "key_id": id}),
            )],
        ),
        (
            Signal::CredentialLeaked {
                kind: CredentialKind::Secret,
                key_id: Some(KEY),
                previous: RiskLevel::None,
            },
            vec![
                ("credential-compromise", json!({"credential_type": "app", "key_id": id})),
                risk("HIGH", &leaked),
                revoked(),
            ],
        ),
        (
            Signal::CredentialLeaked {
                kind: CredentialKind::Certificate,
                key_id: None,
                previous: RiskLevel::None,
            },
            vec![
                ("credential-compromise", json!({"credential_type": "x509"})),
                risk("HIGH", &leaked),
                revoked(),
            ],
        ),
        (
            Signal::RolesChanged { roles: vec!["Application.Read.All".to_owned()] },
            vec![("token-claims-change", json!({"claims": {"roles": ["Application.Read.All"]}}))],
        ),
        (
            Signal::RolesChanged { roles: vec![] },
            vec![("token-claims-change", json!({"claims": {"roles": []}}))],
        ),
    ];
    for (signal, expected) in cases {
        let expected: Vec<_> =
            expected.into_iter().map(|(name, members)| (name.to_owned(), members)).collect();
        assert_eq!(told(signal.clone()), expected, "{signal:?}");
    }
}
