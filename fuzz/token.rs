//! What the fuzz target `token` does; the test `fuzz_corpus` of the crate `countersign-token` replays its
//! corpus through the same function. Apart from `targets.rs`, so that the test needs no other crate.

use countersign_model::client::{Client, FederatedCredential};
use countersign_model::time::Timestamp;
use countersign_token::assertion::{Authentication, Context, authenticate};
use countersign_token::federated::{self, JWKS_BYTES_MAX, JWKS_KEYS_MAX, Jwks};
use countersign_token::jwt::{AUDIENCES_MAX, JWT_BYTES_MAX, PublicKey, Unverified};
use countersign_token::refusal::Refusal;
use countersign_token::request::{Credential, Endpoint, Grant, TokenRequest};
use countersign_token::resource;
use serde_json::json;

/// 2011-03-22, while the token of RFC 7515 appendix A.3 holds.
const NOW: Timestamp = Timestamp(1_300_819_000_000_000);
/// The one text that the key below has signed.
const SIGNED: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
/// Longest text of a refusal, in bytes: what it repeats is cut.
const REFUSAL_BYTES_MAX: usize = 4_096;

/// Reads the bytes as a token, as a key set, and as a form at both endpoints, and puts what was read to use. The
/// first line, if there are several, is the `Authorization` header and the query of the form.
pub(crate) fn token(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    read_token(&text);
    read_key_set(bytes);
    let (line, body) = text.split_once('\n').map_or((None, &*text), |(line, body)| (Some(line), body));
    for endpoint in [Endpoint::V1, Endpoint::V2] {
        match TokenRequest::parse(endpoint, None, line, line, body.as_bytes()) {
            Ok(request) => use_request(endpoint, &request),
            Err(refusal) => check_refusal(&refusal),
        }
    }
}

/// RFC 7515 appendix A.3.
fn known_key() -> PublicKey {
    PublicKey::from_jwk(&json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }))
    .expect("the key of the standard")
}

fn read_token(text: &str) {
    let Ok(unverified) = Unverified::decode(text) else { return };
    assert!(text.len() <= JWT_BYTES_MAX);
    assert!(unverified.header().x5t.as_ref().is_none_or(|print| print.len() == 20));
    assert!(unverified.header().x5t_s256.as_ref().is_none_or(|print| print.len() == 32));
    let issuer = unverified.claimed_issuer().map(str::to_owned);
    if let Ok(verified) = unverified.verify(&known_key()) {
        assert_eq!(text.rsplit_once('.').map(|(signed, _)| signed), Some(SIGNED), "nobody else has the key");
        assert_eq!(verified.claims().iss, issuer);
        assert!(verified.claims().aud.len() <= AUDIENCES_MAX && verified.is_current(NOW, 0));
    }
}

fn read_key_set(bytes: &[u8]) {
    let Ok(keys) = Jwks::parse(bytes) else { return };
    assert!(bytes.len() <= JWKS_BYTES_MAX && keys.keys().len() <= JWKS_KEYS_MAX);
    for jwk in keys.keys() {
        assert!(jwk.kid.as_ref().is_none_or(|kid| keys.has(kid)));
        assert!(jwk.key.verify("none", b"", b"").is_err() && jwk.key.verify("RS256", b"a", b"b").is_err());
    }
    let text = format!("{SIGNED}.AAAA");
    let unverified = Unverified::decode(&text).expect("the token of the standard");
    assert!(federated::verify(&unverified, &client(), &keys, NOW).is_err(), "no key made that signature");
}

fn use_request(endpoint: Endpoint, request: &TokenRequest) {
    let other = matches!(request.grant, Grant::Other(_));
    assert!(other || request.client_id.is_some());
    if let Some(target) = &request.target {
        assert!(!other && target.resource.bytes().all(|byte| byte.is_ascii_graphic()));
        let key = resource::key(&target.resource);
        assert!(!key.is_empty() && resource::key(&key) == key, "{key}");
        assert!(resource::candidates(&target.resource).contains(&key));
        assert_eq!(endpoint == Endpoint::V1, target.scopes.is_empty());
    }
    if let Credential::Secret(secret) = &request.credential {
        assert!(!secret.is_empty());
    }
    let context = Context { now: NOW, audiences: &["joe".to_owned()], hash: &|_| [7; 32] };
    match authenticate(request, &client(), &context) {
        // No certificate and no secret is registered, so only a foreign token can go on.
        Ok(Authentication::NeedsIssuerKeys { issuer, .. }) => assert_eq!(issuer, "joe"),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => check_refusal(&refusal),
    }
}

fn check_refusal(refusal: &Refusal) {
    assert!(refusal.text.len() <= REFUSAL_BYTES_MAX && !refusal.text.contains(char::is_control), "{refusal}");
    assert!(matches!(refusal.status(), 400 | 401), "a request is no fault of the server");
    let body = refusal.body("trace", "correlation", NOW);
    assert_eq!(body["error"], refusal.error());
}

fn client() -> Client {
    Client {
        app_id: "b1d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f".to_owned(),
        display_name: String::new(),
        application: None,
        principal: None,
        secrets: Vec::new(),
        certificates: Vec::new(),
        federated: vec![FederatedCredential {
            id: "joe".to_owned(),
            issuer: "joe".to_owned(),
            subject: Some("sub".to_owned()),
            audience: "aud".to_owned(),
        }],
    }
}
