//! What the fuzz target `signals` does; the test `fuzz_corpus` of the crate `countersign-signals` replays its corpus
//! through the same function. Apart from `targets.rs`, so that the test needs no other crate.

use std::sync::OnceLock;

use countersign_model::time::{DAY, SECOND, Timestamp};
use countersign_signals::poll;
use countersign_signals::receive::{self, Effect};
use countersign_signals::set::{Draft, Expected, ID_BYTES_MAX, LEEWAY, Received, Refusal, Unverified};
use countersign_signals::stream::{EVENTS_REQUESTED_MAX, Stream, StreamStatus, Transmitter, verification};
use countersign_signals::subject::{Subject, Tenant};
use countersign_token::federated::Jwks;
use countersign_token::keys::{Algorithm, SigningKey, TokenType};
use serde_json::{Map, Value, json};
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_777_777_777 * SECOND);
const EXPECTED: Expected<'_> = Expected { issuer: "https://transmitter.example", audience: "us" };
const TENANT: Tenant<'_> = Tenant { issuer: "https://login.example/t/v2.0", id: Uuid::from_u128(1) };
const TRANSMITTER: Transmitter<'_> = Transmitter {
    issuer: TENANT.issuer,
    jwks_uri: "https://login.example/t/keys",
    base: "https://login.example/t/signals",
};
/// Longest description of a refusal, in bytes: none repeats what was sent.
const DESCRIPTION_BYTES_MAX: usize = 256;

/// Reads the bytes as a token, and, if they are JSON, as the claims of a token that is then signed, as a subject, as the
/// requests about streams, and as a poll.
pub(crate) fn signals(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    check(take(&text));
    let Ok(json) = serde_json::from_str::<Value>(&text) else { return };
    subject(&json);
    let Some(object) = json.as_object() else { return };
    if let Ok(token) = key().sign(object, TokenType::Other("secevent+jwt")) {
        check(take(&token));
    }
    stream(object);
    if let Ok(request) = poll::Request::read(object) {
        let selection = request.select(&["a", "b", "c"]);
        assert!(selection.events.len() <= request.max_events.unwrap_or(poll::EVENTS_MAX));
        assert!(!selection.waits || selection.events.is_empty());
    }
}

fn key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate(Algorithm::Es256, "fuzz", NOW, NOW.plus(DAY)).unwrap().0)
}

fn keys() -> &'static Jwks {
    static KEYS: OnceLock<Jwks> = OnceLock::new();
    KEYS.get_or_init(|| Jwks::parse(json!({"keys": [key().jwk()]}).to_string().as_bytes()).unwrap())
}

fn take(text: &str) -> Result<Received, Refusal> {
    Unverified::decode(text)?.verify(keys(), EXPECTED, NOW)
}

fn check(outcome: Result<Received, Refusal>) {
    let received = match outcome {
        Ok(received) => received,
        Err(refusal) => {
            assert!(refusal.description.len() <= DESCRIPTION_BYTES_MAX, "{refusal}");
            return;
        }
    };
    assert!((1..=ID_BYTES_MAX).contains(&received.jti.len()));
    assert!(received.issued_at <= NOW.plus(LEEWAY));
    if let Effect::Finding(finding) = receive::effect(&received, &TENANT) {
        assert!(finding.at <= received.issued_at);
        assert!(finding.key_ids(&[]).is_empty());
    }
    // What was heard can be told on, and is heard there in the same way.
    let Some(told) = &received.told else { return };
    let draft = Draft {
        issuer: EXPECTED.issuer,
        audience: EXPECTED.audience,
        issued_at: received.issued_at,
        jti: &received.jti,
        txn: "cause",
        subject: &told.subject,
        event: &told.event,
    };
    match take(&draft.sign(key()).unwrap()) {
        Ok(again) => {
            let again = again.told.unwrap();
            assert_eq!(again.subject, told.subject);
            assert_eq!(again.event.to_json(), told.event.to_json());
        }
        // Written in our way, it can be too long to be read.
        Err(refusal) => assert!(refusal.description.contains("longer than"), "{refusal}"),
    }
}

fn subject(json: &Value) {
    let Ok(subject) = Subject::read(json) else { return };
    assert_eq!(Subject::read(&subject.to_json()).as_ref(), Ok(&subject));
    assert!(subject.matches(&subject) && subject.is_meant_by(&subject));
    if let Some(workload) = TENANT.workload(&subject) {
        let named = match &subject {
            Subject::Complex(members) => &members["application"],
            Subject::Simple(simple) => simple,
            Subject::Aliases(_) => panic!("aliases name no workload"),
        };
        let (iss, sub) = named.as_iss_sub().unwrap();
        assert_eq!((iss, sub.to_lowercase()), (TENANT.issuer, workload.to_string()));
    }
}

fn stream(body: &Map<String, Value>) {
    let first = Stream::create(&TRANSMITTER, Uuid::from_u128(2), "receiver", body);
    if let Ok(stream) = &first {
        let shown = stream.to_json(&TRANSMITTER);
        let shown = shown.as_object().unwrap();
        // What is shown can be sent back, and changes nothing.
        assert_eq!(stream.patch(&TRANSMITTER, shown).as_ref(), Ok(stream));
        assert!(stream.configuration.delivered().len() <= stream.configuration.events_requested.len());
        assert!(stream.configuration.events_requested.len() <= EVENTS_REQUESTED_MAX);
        assert!(stream.patch(&TRANSMITTER, body).is_ok());
    }
    if let Ok(status) = StreamStatus::read(body) {
        assert!(status.change(&status).told.is_none());
    }
    drop(verification(body));
}
