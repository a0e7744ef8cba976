//! Security event tokens: ours as they leave, those of others as they are taken, refused and understood.

use std::sync::OnceLock;

use countersign_model::risk::{RiskEventType, RiskLevel};
use countersign_model::time::{DAY, SECOND, Timestamp};
use countersign_signals::event::{Body, Circumstances, Event};
use countersign_signals::receive::{Effect, Finding, Ignored, REASON_CHARS_MAX, Standing, effect, standing};
use countersign_signals::set::{Draft, ErrorCode, Expected, LEEWAY, Received, Refusal, Unverified};
use countersign_signals::signal::CredentialKind;
use countersign_signals::subject::{Subject, Tenant};
use countersign_token::federated::Jwks;
use countersign_token::keys::{Algorithm, SigningKey, TokenType};
use serde_json::{Value, json};
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_777_777_777 * SECOND);
const COMPROMISE: &str = "https://schemas.openid.net/secevent/risc/event-type/credential-compromise";
const LEVEL: &str = "https://schemas.openid.net/secevent/caep/event-type/risk-level-change";
const TRANSMITTER: &str = "https://transmitter.example";
const AUDIENCE: &str = "https://login.example/t/signals/events";
const EXPECTED: Expected<'_> = Expected { issuer: TRANSMITTER, audience: AUDIENCE };
const OURS: Tenant<'_> = Tenant { issuer: "https://login.example/t/v2.0", id: Uuid::from_u128(1) };
const WORKLOAD: Uuid = Uuid::from_u128(2);

fn new_key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm, "transmitter", NOW, NOW.plus(DAY)).unwrap().0
}

fn key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| new_key(Algorithm::Es256))
}

fn published(keys: &[&SigningKey]) -> Jwks {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    Jwks::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap()
}

fn claims() -> Value {
    json!({
        "iss": TRANSMITTER, "aud": AUDIENCE, "iat": NOW.0 / SECOND, "jti": "1", "txn": "cause",
        "sub_id": OURS.subject(WORKLOAD).to_json(),
        "events": {COMPROMISE: {"credential_type": "app"}},
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(name),
        value => claims.as_object_mut().unwrap().insert(name.to_owned(), value),
    };
    claims
}

fn signed(claims: &Value) -> String {
    key().sign(claims, TokenType::Other("secevent+jwt")).unwrap()
}

fn verify(text: &str) -> Result<Received, Refusal> {
    Unverified::decode(text)?.verify(&published(&[key()]), EXPECTED, NOW)
}

fn refusal(text: &str) -> (ErrorCode, String) {
    let refusal = verify(text).expect_err("a refusal");
    (refusal.err, refusal.description)
}

/// RFC 8417 section 2, SSF 1.0 sections 4.1 and 4.2.
#[test]
fn what_leaves_has_the_claims_of_a_security_event_token() {
    let subject = OURS.subject(WORKLOAD);
    let circumstances = Circumstances { event_timestamp: Some(NOW), ..Circumstances::default() };
    let event = Event { body: Body::SessionRevoked, circumstances };
    let draft = Draft {
        issuer: OURS.issuer,
        audience: "receiver",
        issued_at: Timestamp(NOW.0 + 999_999),
        jti: "j",
        txn: "t",
        subject: &subject,
        event: &event,
    };
    let expected = json!({
        "iss": "https://login.example/t/v2.0",
        "aud": "receiver",
        "iat": 1_777_777_777,
        "jti": "j",
        "txn": "t",
        "sub_id": {
            "format": "complex",
            "application": {
                "format": "iss_sub", "iss": "https://login.example/t/v2.0",
                "sub": "00000000-0000-0000-0000-000000000002",
            },
            "tenant": {"format": "opaque", "id": "00000000-0000-0000-0000-000000000001"},
        },
        "events": {
            "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {
                "event_timestamp": 1_777_777_777,
            },
        },
    });
    assert_eq!(draft.claims(), expected);
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        let key = new_key(algorithm);
        let text = draft.sign(&key).unwrap();
        let token = countersign_token::jwt::Unverified::decode(&text).unwrap();
        assert_eq!(token.header().typ.as_deref(), Some("secevent+jwt"));
        assert_eq!(token.header().kid.as_deref(), Some(key.kid()));
        assert_eq!(Value::from(token.verify(key.public()).unwrap().claims().all.clone()), expected);
        // A receiver that is built like ours takes it.
        let there = Expected { issuer: OURS.issuer, audience: "receiver" };
        let received = Unverified::decode(&text).unwrap().verify(&published(&[&key]), there, NOW).unwrap();
        let told = received.told.unwrap();
        assert_eq!((told.subject, told.event), (subject.clone(), event.clone()));
        assert_eq!((received.jti.as_str(), received.txn.as_deref()), ("j", Some("t")));
        assert_eq!(received.issued_at, NOW);
    }
}

#[test]
fn tokens_of_others_need_not_look_like_ours() {
    let taken = |claims: &Value| verify(&signed(claims)).unwrap();
    let received = taken(&claims());
    assert_eq!((received.jti.as_str(), received.txn.as_deref()), ("1", Some("cause")));
    assert_eq!(received.issued_at, NOW);
    // RFC 7519 section 4.1.3: several audiences.
    taken(&with("aud", json!(["https://other.example", AUDIENCE])));
    // The examples of SSF 1.0 have a number.
    assert_eq!(taken(&with("txn", json!(8_675_309))).txn.as_deref(), Some("8675309"));
    assert_eq!(taken(&with("txn", Value::Null)).txn, None);
    assert_eq!(taken(&with("txn", json!(""))).txn, None);
    // A clock may be ahead, by that much.
    taken(&with("iat", json!((NOW.0 + LEEWAY) / SECOND)));
    taken(&with("iat", json!(1)));
    assert_eq!(taken(&with("moon", json!("full"))), received);
    // RFC 7515 section 4.1.9: the whole media type, in any case.
    for typ in ["application/secevent+jwt", "SECEVENT+JWT"] {
        verify(&key().sign(&claims(), TokenType::Other(typ)).unwrap()).unwrap();
    }
    // Of an event that nobody knows nothing is read.
    let mut unheard_of = with("sub_id", json!({"format": "carrier-pigeon"}));
    unheard_of["events"] = json!({"https://example.com/unheard-of": {}});
    assert_eq!(taken(&unheard_of).told, None);
}

#[test]
fn what_is_no_event_of_the_transmitter_says_why() {
    let (request, key_error) = (ErrorCode::InvalidRequest, ErrorCode::InvalidKey);
    let events = |events: Value| with("events", events);
    let both = json!({COMPROMISE: {"credential_type": "app"}, LEVEL: {}});
    let long = "x".repeat(257);
    for (claims, err, description) in [
        (
            with("iss", json!("https://issuer.example")),
            ErrorCode::InvalidIssuer,
            "the issuer is not the transmitter",
        ),
        (with("iss", Value::Null), ErrorCode::InvalidIssuer, "the issuer is not the transmitter"),
        (
            with("aud", json!("https://other.example")),
            ErrorCode::InvalidAudience,
            "the audience is somebody else",
        ),
        (with("aud", Value::Null), ErrorCode::InvalidAudience, "the audience is somebody else"),
        (with("jti", Value::Null), request, "`jti` is missing"),
        (with("jti", json!("")), request, "`jti` must not be empty"),
        (with("jti", json!(long)), request, "`jti` is too long"),
        (with("txn", json!(long)), request, "`txn` is too long"),
        (with("iat", Value::Null), request, "`iat` is missing"),
        (with("iat", json!((NOW.0 + LEEWAY) / SECOND + 1)), request, "`iat` lies in the future"),
        (with("iat", json!("soon")), request, "`iat` has an unexpected form"),
        // SSF 1.0 section 4.1.3.
        (with("sub", json!("x")), request, "`sub` must not be in a security event token"),
        (with("exp", json!(9_999_999_999_u64)), request, "`exp` must not be in a security event token"),
        (with("sub_id", Value::Null), request, "`sub_id` is missing"),
        (with("sub_id", json!("me")), request, "`sub_id` must be an object"),
        (
            with("sub_id", json!({"format": "iss_sub", "iss": "https://issuer.example"})),
            request,
            "`subject.sub` is missing",
        ),
        (events(Value::Null), request, "`events` is missing"),
        (events(json!([COMPROMISE])), request, "`events` must be an object"),
        (events(json!({})), request, "`events` must have exactly one event"),
        (events(both), request, "`events` must have exactly one event"),
        (events(json!({COMPROMISE: true})), request, "`events` must have an object as its event"),
        (events(json!({COMPROMISE: {}})), request, "`events.credential_type` is missing"),
        (
            events(json!({LEVEL: {"principal": "APPLICATION", "current_level": "NONE"}})),
            request,
            "`events.current_level` has a value that it cannot have",
        ),
    ] {
        assert_eq!(refusal(&signed(&claims)), (err, description.to_owned()), "{claims}");
    }
    for (text, err) in [
        ("", request),
        ("{}", request),
        (&*"x".repeat(1 << 20), request),
        // Without a signature, and with one that is not even base64url.
        (&*format!("{}.", signed(&claims()).rsplit_once('.').unwrap().0), key_error),
        (&*format!("{}.!", signed(&claims()).rsplit_once('.').unwrap().0), key_error),
    ] {
        assert_eq!(refusal(text).0, err, "{}", &text[..text.len().min(40)]);
    }
}

/// RFC 8417 section 4.6: neither an access token nor an id token of the same issuer is an event.
#[test]
fn another_kind_of_token_is_no_event() {
    for typ in ["JWT", "at+jwt", "secevent", "application/jwt", ""] {
        let text = key().sign(&claims(), TokenType::Other(typ)).unwrap();
        assert_eq!(refusal(&text), (ErrorCode::InvalidRequest, "the type is not `secevent+jwt`".to_owned()));
    }
}

#[test]
fn only_two_algorithms_are_taken() {
    let rest = signed(&claims());
    let rest = rest.split_once('.').unwrap().1;
    for alg in ["none", "HS256", "PS256", "RS512", "EdDSA"] {
        let header = base64_of(&json!({"typ": "secevent+jwt", "alg": alg}));
        assert_eq!(refusal(&format!("{header}.{rest}")).0, ErrorCode::InvalidRequest, "{alg}");
    }
    // An algorithm that is not that of the key.
    let header = base64_of(&json!({"typ": "secevent+jwt", "alg": "RS256", "kid": key().kid()}));
    assert_eq!(refusal(&format!("{header}.{rest}")).0, ErrorCode::InvalidKey);
}

/// A header in base64url, by way of a token that has it as its claims.
fn base64_of(header: &Value) -> String {
    let token = key().sign(header, TokenType::V2).unwrap();
    token.split('.').nth(1).unwrap().to_owned()
}

#[test]
fn only_the_transmitters_keys_sign() {
    let stranger = new_key(Algorithm::Es256);
    let text = stranger.sign(&claims(), TokenType::Other("secevent+jwt")).unwrap();
    assert_eq!(refusal(&text).0, ErrorCode::InvalidKey);
    let unverified = Unverified::decode(&text).unwrap();
    assert_eq!(unverified.kid(), Some(stranger.kid()));
    assert!(unverified.is_from(TRANSMITTER) && !unverified.is_from(AUDIENCE));
    // Once it is published, it is one of them.
    assert!(unverified.verify(&published(&[key(), &stranger]), EXPECTED, NOW).is_ok());
    let nobody = Unverified::decode(&text).unwrap().verify(&published(&[]), EXPECTED, NOW);
    assert_eq!(nobody.unwrap_err().err, ErrorCode::InvalidKey);
    // The claims of one token under the signature of another.
    let (mine, theirs) = (signed(&claims()), signed(&with("jti", json!("2"))));
    let mixed = format!("{}.{}", mine.rsplit_once('.').unwrap().0, theirs.rsplit_once('.').unwrap().1);
    assert_eq!(refusal(&mixed).0, ErrorCode::InvalidKey);
}

/// RFC 8935 section 2.4; SSF 1.0 section 8.1.4.1.
#[test]
fn refusals_have_the_words_of_the_standard() {
    for (code, word) in [
        (ErrorCode::InvalidRequest, "invalid_request"),
        (ErrorCode::InvalidKey, "invalid_key"),
        (ErrorCode::InvalidIssuer, "invalid_issuer"),
        (ErrorCode::InvalidAudience, "invalid_audience"),
        (ErrorCode::AuthenticationFailed, "authentication_failed"),
        (ErrorCode::AccessDenied, "access_denied"),
        (ErrorCode::InvalidState, "invalid_state"),
    ] {
        let refusal = Refusal::new(code, "why");
        assert_eq!(refusal.to_json(), json!({"err": word, "description": "why"}));
    }
}

// What is heard.

fn heard(uri: &str, payload: &Value, subject: &Value) -> Effect {
    let mut claims = with("sub_id", subject.clone());
    claims["events"] = json!({uri: payload});
    effect(&verify(&signed(&claims)).unwrap(), &OURS)
}

fn finding(uri: &str, payload: &Value) -> Finding {
    match heard(uri, payload, &OURS.subject(WORKLOAD).to_json()) {
        Effect::Finding(finding) => finding,
        Effect::Ignored(ignored) => panic!("{uri}: {ignored:?}"),
    }
}

#[test]
fn a_leaked_credential_is_a_finding() {
    let own = Uuid::from_u128(3);
    let found = finding(
        COMPROMISE,
        &json!({
            "credential_type": "app", "key_id": own.to_string(), "event_timestamp": 1_777_777_177,
            "reason_admin": {"en": "seen in a public repository"},
        }),
    );
    assert_eq!(
        found,
        Finding {
            workload: WORKLOAD,
            risk_event_type: RiskEventType::LeakedCredentials,
            risk_level: RiskLevel::High,
            at: Timestamp(1_777_777_177 * SECOND),
            credential: Some(CredentialKind::Secret),
            key_id: Some(own),
            reason: Some("seen in a public repository".to_owned()),
        }
    );
    assert!(!found.is_level());
    assert_eq!(found.key_ids(&[WORKLOAD, own]), [own]);
    assert!(found.key_ids(&[WORKLOAD]).is_empty(), "a key that it does not have is not named");
    let found = finding(COMPROMISE, &json!({"credential_type": "x509", "key_id": "the old one"}));
    assert_eq!(found.credential, Some(CredentialKind::Certificate));
    assert_eq!((found.key_id, found.reason), (None, None));
    assert_eq!(found.at, NOW, "`iat`, where nothing else is said");
}

#[test]
fn a_level_of_somebody_else_is_a_finding() {
    for (word, level) in [("LOW", RiskLevel::Low), ("MEDIUM", RiskLevel::Medium), ("HIGH", RiskLevel::High)] {
        let payload =
            json!({"principal": "APPLICATION", "current_level": word, "risk_reason": "seen in a forum"});
        let found = finding(LEVEL, &payload);
        assert_eq!(found.risk_event_type, RiskEventType::InvestigationsThreatIntelligence);
        assert_eq!(found.risk_level, level);
        assert_eq!(found.reason.as_deref(), Some("seen in a forum"));
        assert_eq!((found.credential, found.key_id), (None, None));
        assert!(found.is_level());
    }
}

#[test]
fn a_reason_is_english_if_there_is_one_and_steers_nothing() {
    let long = "é".repeat(1_000);
    for (reason, expected) in [
        (json!({"de": "Leck", "en": "leak"}), "leak"),
        (json!({"de": "Leck", "EN-gb": "leak"}), "leak"),
        (json!({"fr": "fuite", "de": "Leck"}), "Leck"),
        (json!({"en": "a\u{1b}[31m\nb"}), "a[31mb"),
        (json!({"en": long}), &*"é".repeat(REASON_CHARS_MAX)),
        (json!({}), "seen in a forum"),
    ] {
        let payload = json!({
            "principal": "APPLICATION", "current_level": "LOW", "risk_reason": "seen in a forum",
            "reason_admin": reason,
        });
        assert_eq!(finding(LEVEL, &payload).reason.as_deref(), Some(expected), "{reason}");
    }
}

#[test]
fn nothing_has_happened_after_it_was_told() {
    for ahead in [1, 299, 86_400 * 365] {
        let payload = json!({"credential_type": "app", "event_timestamp": NOW.0 / SECOND + ahead});
        assert_eq!(finding(COMPROMISE, &payload).at, NOW);
    }
}

#[test]
fn what_concerns_nobody_here_is_ignored() {
    let own = OURS.subject(WORKLOAD).to_json();
    let level = |principal: &str| json!({"principal": principal, "current_level": "HIGH"});
    let stream = Subject::of_stream(WORKLOAD).to_json();
    let mut elsewhere = own.clone();
    elsewhere["tenant"]["id"] = "00000000-0000-0000-0000-000000000009".into();
    let person = json!({"format": "email", "email": "a@b.example"});
    let caep = |name: &str| format!("https://schemas.openid.net/secevent/caep/event-type/{name}");
    let risc = |name: &str| format!("https://schemas.openid.net/secevent/risc/event-type/{name}");
    let ssf = |name: &str| format!("https://schemas.openid.net/secevent/ssf/event-type/{name}");
    for (uri, payload, subject, expected) in [
        (risc("recovery-activated"), json!({}), &own, Ignored::Event),
        (risc("account-disabled"), json!({}), &own, Ignored::Event),
        (caep("session-revoked"), json!({}), &own, Ignored::Event),
        (ssf("verification"), json!({"state": "x"}), &stream, Ignored::Event),
        (ssf("stream-updated"), json!({"status": "paused"}), &stream, Ignored::Event),
        (LEVEL.to_owned(), level("USER"), &person, Ignored::Principal),
        (LEVEL.to_owned(), level("USER"), &own, Ignored::Principal),
        (LEVEL.to_owned(), level("APPLICATION"), &person, Ignored::Subject),
        (COMPROMISE.to_owned(), json!({"credential_type": "app"}), &elsewhere, Ignored::Subject),
    ] {
        assert_eq!(heard(&uri, &payload, subject), Effect::Ignored(expected), "{uri}");
    }
}

#[test]
fn the_newest_level_counts() {
    let at = |seconds: i64| Timestamp(seconds * SECOND);
    assert_eq!(standing(None, at(1)), Standing::Newest);
    assert_eq!(standing(Some(at(1)), at(2)), Standing::Newest);
    assert_eq!(standing(Some(at(2)), at(1)), Standing::Outdated);
    // In the same second, the one that came last.
    assert_eq!(standing(Some(at(1)), at(1)), Standing::Newest);
}
