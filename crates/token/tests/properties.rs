//! What must hold of any input: nothing panics, and what is not signed is not verified.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_model::time::Timestamp;
use countersign_token::federated::Jwks;
use countersign_token::jwt::{PublicKey, Unverified, thumbprint};
use countersign_token::keys::{Algorithm, SigningKey, TokenType};
use countersign_token::request::{ClaimsRequest, Credential, Endpoint, TokenRequest};
use countersign_token::{pkce, resource, totp};
use proptest::prelude::*;
use serde_json::json;

static KEYS: LazyLock<[SigningKey; 2]> = LazyLock::new(|| {
    [Algorithm::Rs256, Algorithm::Es256]
        .map(|algorithm| SigningKey::generate(algorithm, "test", Timestamp(0), Timestamp(1)).unwrap().0)
});

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let text = String::from_utf8_lossy(&bytes);
        for endpoint in [Endpoint::V1, Endpoint::V2] {
            let _ = TokenRequest::parse(endpoint, None, Some(&text), Some(&text), &bytes);
        }
        let _ = (Unverified::decode(&text).is_ok(), Jwks::parse(&bytes), ClaimsRequest::parse(&text));
        let _ = (PublicKey::from_certificate(&bytes), thumbprint(&text), pkce::verify_s256(&text, &text));
        let _ = totp::verify(&bytes, &text, None, Timestamp(bytes.len() as i64));
        prop_assert!(resource::candidates(&text).len() <= 5);
    }

    #[test]
    fn forms_come_back(
        secret in "\\PC{1,40}",
        fields in prop::collection::vec(("[a-z_]{1,12}", "\\PC{0,20}"), 0..20),
    ) {
        let mut body = format!("grant_type=client_credentials&client_id=a&scope=b/.default&client_secret={}", encoded(&secret));
        for (name, value) in &fields {
            body.push_str(&format!("&x{name}={}", encoded(value)));
        }
        let request = TokenRequest::parse(Endpoint::V2, None, None, None, body.as_bytes()).unwrap();
        prop_assert_eq!(request.credential, Credential::Secret(secret.into()));
    }

    #[test]
    fn tokens_of_any_shape_do_not_panic(
        header in "[ -~]{0,60}",
        alg in prop_oneof![Just("RS256"), Just("PS256"), Just("ES256"), Just("none")],
        payload in prop_oneof![
            "[ -~]{0,200}",
            any::<f64>().prop_map(|time| json!({"exp": time, "nbf": time.to_string(), "aud": [null]}).to_string()),
            any::<i64>().prop_map(|time| json!({"exp": time, "iat": time.to_string()}).to_string()),
        ],
        signature in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        for header in [header, json!({"alg": alg, "kid": "k"}).to_string()] {
            let text = format!("{}.{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()), encode(&signature));
            for key in &*KEYS {
                let verified = Unverified::decode(&text).and_then(|unverified| unverified.verify(key.public()));
                prop_assert!(verified.is_err());
            }
        }
    }

    #[test]
    fn claims_come_back(name in "\\PC{0,40}", time in 0..4_000_000_000_i64, bit in 0..4_000_usize) {
        let key = &KEYS[1];
        let token = key.sign(&json!({"iss": name, "exp": time}), TokenType::V1).unwrap();
        let verified = Unverified::decode(&token).unwrap().verify(key.public()).unwrap();
        prop_assert_eq!(verified.claims().iss.as_deref(), Some(name.as_str()));
        prop_assert_eq!(verified.claims().exp, Some(Timestamp(time * 1_000_000)));
        let mut bytes = token.into_bytes();
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(changed) = String::from_utf8(bytes) {
            let verified = Unverified::decode(&changed).and_then(|unverified| unverified.verify(key.public()));
            prop_assert!(verified.is_err());
        }
    }
}
