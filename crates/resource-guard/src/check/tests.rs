use countersign_model::time::HOUR;
use countersign_token::claims::uti;
use serde_json::json;
use uuid::Builder;

use super::*;

const NOW: Timestamp = Timestamp(1_780_000_000 * SECOND);

fn claims(iat: i64, uti: &str) -> Claims {
    Claims { iat: Some(Timestamp(iat * SECOND)), uti: Some(uti.to_owned()), ..Claims::default() }
}

#[test]
fn a_token_was_issued_when_its_uti_says_as_far_as_iat_bears_it_out() {
    let second = NOW.0 / SECOND;
    let of = |millis: u64| uti(Builder::from_unix_timestamp_millis(millis, &[0xff; 10]).into_uuid());
    let now = of(second as u64 * 1_000 + 250);
    let told = NOW.plus(250_000);
    for (iat, uti, expected) in [
        (second - 300, now.as_str(), told),
        (second, now.as_str(), told),
        // Five minutes before its `uti` is as early as an issuer writes, and none writes a later time.
        (second - 302, now.as_str(), NOW.plus(-302 * SECOND)),
        (second + 1, now.as_str(), NOW.plus(SECOND)),
        // Other issuers write what has no time.
        (second, "N2jT94if-kGJzdwWp8mqAA", NOW),
        (second, "", NOW),
    ] {
        assert_eq!(issued_at(&claims(iat, uti)), expected, "{iat} {uti}");
    }
    assert_eq!(issued_at(&Claims::default()), Timestamp(0));
}

#[test]
fn audiences_have_several_spellings_and_each_rule_one() {
    let rules = Rules::new("https://login.example", Uuid::nil(), &["API://Orders/".to_owned()]);
    assert_eq!(rules.audiences, ["api://orders"]);
    assert_eq!(rules.issuer(), format!("https://login.example/{}/v2.0", Uuid::nil()));
    assert_eq!(rules.issuers[1], format!("https://sts.windows.net/{}/", Uuid::nil()));
}

#[test]
fn what_a_token_says_is_read() {
    use countersign_token::keys::{Algorithm, SigningKey, TokenType};
    let (key, _) = SigningKey::generate(Algorithm::Es256, "test", NOW.plus(-HOUR), NOW.plus(HOUR)).unwrap();
    let keys = Jwks::parse(json!({"keys": [key.jwk()]}).to_string().as_bytes()).unwrap();
    let (tenant, who, credential) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
    let rules = Rules::new("https://login.example", tenant, &["api://orders".to_owned()]);
    let second = NOW.0 / SECOND;
    let claims = json!({
        "iss": rules.issuer(), "aud": "api://orders", "tid": tenant, "oid": who, "azp": "client", "idtyp": "app",
        "iat": second, "nbf": second, "exp": second + 60, "roles": ["a", "b"], "xms_cc": ["CP1"],
        "countersign_generation": 7, "countersign_key_id": credential,
    });
    let token = key.sign(&claims, TokenType::V2).unwrap();
    let read = |now| rules.verify(Unverified::decode(&token).unwrap(), &keys, now);
    let (caller, facts) = read(NOW).unwrap();
    assert_eq!((caller.app_id.as_str(), caller.object_id, caller.roles.len()), ("client", who, 2));
    let expected =
        TokenFacts { principal: who, issued_at: NOW, is_cae: true, generation: 7, key_id: Some(credential) };
    assert_eq!(facts, expected);
    for (seconds, outcome) in [(-61, false), (-60, true), (119, true), (120, false)] {
        let read = read(NOW.plus(seconds * SECOND));
        assert_eq!(read.is_ok(), outcome, "{seconds}");
        assert!(outcome || read == Err(Invalid::Lifetime));
    }
}
