//! Credentials as the Microsoft clients present them, and everything that is wrong with one.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use countersign_model::client::{
    Client, ClientApplication, ClientCertificate, ClientSecret, Ended, FederatedCredential,
};
use countersign_model::time::{DAY, HOUR, SECOND, Timestamp};
use countersign_token::assertion::{Authentication, Context, authenticate, waste_time};
use countersign_token::claims::ClientProof;
use countersign_token::federated::{self, Jwks, JwksError};
use countersign_token::jwt::{Unverified, hexadecimal};
use countersign_token::keys::{Algorithm, SigningKey, TokenType};
use countersign_token::refusal::Refusal;
use countersign_token::request::{ClaimsRequest, Credential, Grant, TokenRequest};
use serde_json::{Map, Value, json};

const APP: &str = "b1d2c3aa-2f4e-4f3c-8d55-6a7b8c9d0e1f";
const AUDIENCE: &str = "https://id.example:8443/72f988bf-86f1-41af-91ab-2d7cd011db47/oauth2/v2.0/token";
const NOW: Timestamp = Timestamp(1_780_000_000_000_000);
const SECONDS: i64 = NOW.0 / SECOND;
const GITHUB: &str = "https://token.actions.githubusercontent.com";
const SUBJECT: &str = "repo:contoso/app:ref:refs/heads/main";
const EXCHANGE: &str = "api://AzureADTokenExchange";

struct Key {
    pair: RsaKeyPair,
    certificate: Vec<u8>,
}

static KEY: LazyLock<Key> = LazyLock::new(key);
static OTHER_KEY: LazyLock<Key> = LazyLock::new(key);
static ISSUER: LazyLock<SigningKey> = LazyLock::new(|| issuer_key(Algorithm::Rs256));
static EC_ISSUER: LazyLock<SigningKey> = LazyLock::new(|| issuer_key(Algorithm::Es256));

fn key() -> Key {
    let (key, pkcs8) = SigningKey::generate(Algorithm::Rs256, "client", NOW, NOW.plus(DAY)).unwrap();
    Key { pair: RsaKeyPair::from_pkcs8(&pkcs8).unwrap(), certificate: key.certificate().to_vec() }
}

fn issuer_key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm, "issuer", NOW, NOW.plus(DAY)).unwrap().0
}

impl Key {
    fn sha1(&self) -> Vec<u8> {
        digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.certificate).as_ref().to_vec()
    }

    fn sha256(&self) -> Vec<u8> {
        digest(&SHA256, &self.certificate).as_ref().to_vec()
    }

    fn registered(&self) -> ClientCertificate {
        ClientCertificate {
            key_id: "certificate".to_owned(),
            der: self.certificate.clone(),
            sha1: self.sha1(),
            sha256: self.sha256(),
            start: NOW.plus(-HOUR),
            end: NOW.plus(HOUR),
        }
    }

    fn sign(&self, header: &Value, payload: &Value, engine: &impl base64::Engine) -> String {
        let encoding: &'static dyn aws_lc_rs::signature::RsaEncoding =
            if header["alg"] == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
        let signed = format!("{}.{}", engine.encode(header.to_string()), engine.encode(payload.to_string()));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(encoding, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", engine.encode(signature))
    }
}

fn hash(secret: &[u8]) -> [u8; 32] {
    digest(&SHA256, secret).as_ref().try_into().unwrap()
}

fn client() -> Client {
    let secret = |key_id: &str, secret: &[u8], from: i64, until: i64| ClientSecret {
        key_id: key_id.to_owned(),
        hash: hash(secret).to_vec(),
        start: NOW.plus(from),
        end: NOW.plus(until),
    };
    Client {
        app_id: APP.to_owned(),
        display_name: "Robot".to_owned(),
        application: Some(ClientApplication {
            id: "application".to_owned(),
            tenant_id: "tenant".to_owned(),
            is_disabled: false,
            is_public: false,
            ended: Ended::default(),
            one_time_assertions: false,
            is_single_tenant: true,
            redirect_uris: Vec::new(),
        }),
        principal: None,
        secrets: vec![
            secret("old", b"old~secret", -2 * DAY, -DAY),
            secret("current", b"current~secret", -DAY, DAY),
            secret("next", b"next~secret", DAY, 2 * DAY),
            secret("just over", b"just over", -DAY, 0),
            secret("just begun", b"just begun", 0, DAY),
            secret("renewed", b"renewed", -2 * DAY, -DAY),
            secret("renewed again", b"renewed", -DAY, DAY),
        ],
        certificates: vec![OTHER_KEY.registered(), KEY.registered()],
        federated: vec![
            FederatedCredential {
                id: "flexible".to_owned(),
                issuer: GITHUB.to_owned(),
                subject: None,
                audience: EXCHANGE.to_owned(),
            },
            FederatedCredential {
                id: "github".to_owned(),
                issuer: GITHUB.to_owned(),
                subject: Some(SUBJECT.to_owned()),
                audience: EXCHANGE.to_owned(),
            },
        ],
    }
}

fn request(credential: Credential) -> TokenRequest {
    TokenRequest {
        grant: Grant::ClientCredentials,
        client_id: Some(APP.to_owned()),
        target: None,
        credential,
        claims: ClaimsRequest::default(),
        correlation_id: None,
        sdk: None,
    }
}

fn assertion(text: &str) -> TokenRequest {
    request(Credential::Assertion(text.to_owned()))
}

fn secret(text: &str) -> TokenRequest {
    request(Credential::Secret(text.to_owned().into()))
}

fn check<'r>(request: &'r TokenRequest, client: &Client) -> Result<Authentication<'r>, Refusal> {
    let audiences = [AUDIENCE.to_owned(), "https://id.example:8443/tenant/v2.0".to_owned()];
    authenticate(request, client, &Context { now: NOW, audiences: &audiences, hash: &hash })
}

fn code(request: &TokenRequest, client: &Client) -> u32 {
    check(request, client).map(|authentication| format!("{authentication:?}")).expect_err("a refusal").code
}

/// Header and payload of the blocking Python credential, with changes; a change to null takes a member away.
fn sign(key: &Key, header: &Value, payload: &Value) -> String {
    let mut whole_header = json!({"alg": "RS256", "typ": "JWT", "x5t": URL_SAFE.encode(key.sha1())});
    let mut whole_payload = json!({
        "aud": AUDIENCE, "iss": APP, "sub": APP, "exp": SECONDS as f64 + 600.5, "iat": SECONDS as f64 + 0.5,
        "jti": "5f0f6f5e-0000-4000-8000-000000000000",
    });
    for (whole, changes) in [(&mut whole_header, header), (&mut whole_payload, payload)] {
        let whole: &mut Map<_, _> = whole.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            whole.insert(name.clone(), value.clone());
        }
        whole.retain(|_, value| !value.is_null());
    }
    key.sign(&whole_header, &whole_payload, &URL_SAFE_NO_PAD)
}

#[test]
fn each_client_library_is_understood() {
    let x5t = URL_SAFE.encode(KEY.sha1());
    let bare_x5t = URL_SAFE_NO_PAD.encode(KEY.sha1());
    let s256 = URL_SAFE.encode(KEY.sha256());
    let bare_s256 = URL_SAFE_NO_PAD.encode(KEY.sha256());
    let der = STANDARD.encode(&KEY.certificate);
    let lines = der.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap());
    let lines = lines.collect::<Vec<_>>().join("\n");
    let (now, jti) = (SECONDS as f64, "5f0f6f5e-0000-4000-8000-000000000000");
    let common = |times: Value| {
        let mut payload = json!({"aud": AUDIENCE, "iss": APP, "sub": APP, "jti": jti});
        payload.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
        payload
    };
    let python = common(json!({"exp": now + 600.123_456, "iat": now + 0.123_456}));
    let node = common(json!({"exp": SECONDS + 600, "nbf": SECONDS + 1, "iat": SECONDS}));
    let texts = common(
        json!({"exp": (SECONDS + 300).to_string(), "nbf": SECONDS.to_string(), "iat": SECONDS.to_string()}),
    );
    let bare = &URL_SAFE_NO_PAD;
    let cases = [
        ("azure-identity", KEY.sign(&json!({"alg": "RS256", "typ": "JWT", "x5t": x5t}), &python, bare)),
        (
            "azure-identity with its chain",
            KEY.sign(&json!({"alg": "RS256", "typ": "JWT", "x5t": x5t, "x5c": [der]}), &python, bare),
        ),
        (
            "azure-identity.aio",
            KEY.sign(
                &json!({"typ": "JWT", "alg": "PS256", "x5t#S256": s256}),
                &common(json!({"exp": SECONDS + 1_800, "nbf": SECONDS})),
                &URL_SAFE,
            ),
        ),
        (
            "msal for Python, PFX",
            KEY.sign(
                &json!({"alg": "PS256", "typ": "JWT", "x5t#S256": bare_s256, "x5c": lines}),
                &python,
                bare,
            ),
        ),
        ("Node", KEY.sign(&json!({"alg": "PS256", "typ": "JWT", "x5t#S256": bare_s256}), &node, bare)),
        (
            "MSAL .NET",
            KEY.sign(&json!({"alg": "PS256", "typ": "JWT", "x5t#S256": bare_s256, "x5c": der}), &texts, bare),
        ),
        (
            "MSAL .NET with both thumbprints",
            KEY.sign(
                &json!({"alg": "RS256", "x5t": bare_x5t, "x5t#S256": bare_s256, "kid": "any"}),
                &texts,
                bare,
            ),
        ),
        ("roadtx", KEY.sign(&json!({"alg": "RS256", "typ": "JWT", "x5t": bare_x5t}), &texts, bare)),
        (
            "a kid in hexadecimal",
            KEY.sign(&json!({"alg": "RS256", "kid": hexadecimal(&KEY.sha1())}), &node, bare),
        ),
    ];
    for (name, text) in cases {
        let request = assertion(&text);
        let authentication = check(&request, &client()).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(authentication.proof(), ClientProof::Assertion);
        let Authentication::Certificate { key_id, thumbprint_hex, jti: found, expires } = authentication
        else {
            panic!("{name}");
        };
        assert_eq!((key_id.as_str(), thumbprint_hex), ("certificate", hexadecimal(&KEY.sha1())));
        assert_eq!(found.as_deref(), Some(jti));
        assert!(expires > NOW.plus(600 * SECOND - 1) && expires < NOW.plus(HOUR));
    }
}

#[test]
fn what_is_wrong_with_an_assertion() {
    let none = json!({});
    for (header, payload, expected) in [
        (none.clone(), none.clone(), None),
        (none.clone(), json!({"iss": APP.to_uppercase(), "sub": APP.to_uppercase()}), None),
        (none.clone(), json!({"aud": ["x", AUDIENCE]}), None),
        (none.clone(), json!({"aud": format!("{AUDIENCE}/")}), None),
        (none.clone(), json!({"aud": AUDIENCE.to_uppercase()}), None),
        (none.clone(), json!({"exp": SECONDS - 299}), None),
        (none.clone(), json!({"nbf": SECONDS + 300}), None),
        (none.clone(), json!({"exp": SECONDS - 300}), Some(700_024)),
        (none.clone(), json!({"nbf": SECONDS + 301}), Some(700_024)),
        (none.clone(), json!({"iat": SECONDS + 301}), Some(700_024)),
        (none.clone(), json!({"exp": null}), Some(700_024)),
        (none.clone(), json!({"exp": "soon"}), Some(50_027)),
        (none.clone(), json!({"iss": null}), Some(50_027)),
        (none.clone(), json!({"sub": null}), Some(50_048)),
        (none.clone(), json!({"sub": "other"}), Some(50_048)),
        (none.clone(), json!({"aud": null}), Some(700_023)),
        (none.clone(), json!({"aud": "https://login.example/"}), Some(700_023)),
        (json!({"alg": "HS256"}), none.clone(), Some(50_027)),
        (json!({"alg": "none"}), none.clone(), Some(50_027)),
        (json!({"alg": "ES256"}), none.clone(), Some(50_027)),
        (json!({"x5t": null}), none.clone(), Some(700_027)),
        (json!({"x5t": "AAAA"}), none.clone(), Some(700_027)),
        (json!({"x5t": URL_SAFE.encode([1; 20])}), none.clone(), Some(700_027)),
        // Registered, and not the key that signed.
        (json!({"x5t": URL_SAFE.encode(OTHER_KEY.sha1())}), none.clone(), Some(700_027)),
        // Two thumbprints of two certificates.
        (json!({"x5t#S256": URL_SAFE.encode(OTHER_KEY.sha256())}), none.clone(), Some(700_027)),
        (json!({"crit": ["exp"]}), none.clone(), Some(50_027)),
    ] {
        let request = assertion(&sign(&KEY, &header, &payload));
        let outcome = check(&request, &client()).err().map(|refusal| refusal.code);
        assert_eq!(outcome, expected, "{header} {payload}");
    }
    assert_eq!(code(&assertion("no token"), &client()), 50_027);
}

#[test]
fn a_registered_key_has_its_time() {
    let text = sign(&KEY, &json!({}), &json!({}));
    let with = |start: i64, end: i64| {
        let mut client = client();
        client.certificates[1].start = NOW.plus(start);
        client.certificates[1].end = NOW.plus(end);
        client
    };
    let request = assertion(&text);
    for (start, end, expected) in
        [(-1, 1, None), (0, 1, None), (-1, 0, Some("is expired")), (1, 2, Some("not yet valid"))]
    {
        let refusal = check(&request, &with(start, end)).err();
        assert_eq!(refusal.is_some(), expected.is_some());
        if let (Some(refusal), Some(expected)) = (refusal, expected) {
            assert_eq!(refusal.code, 700_027);
            assert!(refusal.text.contains(expected) && refusal.text.contains(&hexadecimal(&KEY.sha1())));
        }
    }
    // The same certificate on application and service principal: one that is valid is enough.
    let mut both = with(-1, 0);
    both.certificates.push(KEY.registered());
    assert!(check(&request, &both).is_ok());
}

#[test]
fn a_changed_assertion_is_nobodys() {
    let text = sign(&KEY, &json!({}), &json!({}));
    for index in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[index] = if bytes[index] == b'Q' { b'R' } else { b'Q' };
        let request = assertion(&String::from_utf8(bytes).unwrap());
        assert!(check(&request, &client()).is_err(), "{index}");
    }
}

#[test]
fn an_assertion_may_be_taken_once() {
    let mut client = client();
    client.application.as_mut().unwrap().one_time_assertions = true;
    assert!(check(&assertion(&sign(&KEY, &json!({}), &json!({}))), &client).is_ok());
    assert_eq!(code(&assertion(&sign(&KEY, &json!({}), &json!({"jti": null}))), &client), 50_027);
    let long = sign(&KEY, &json!({}), &json!({"exp": SECONDS + 90_000}));
    assert_eq!(code(&assertion(&long), &client), 700_024);
}

#[test]
fn secrets() {
    for (text, expected) in [
        ("current~secret", Ok("current")),
        ("just begun", Ok("just begun")),
        // Of two with the same text, the one that is valid counts.
        ("renewed", Ok("renewed again")),
        ("old~secret", Err(7_000_222)),
        ("just over", Err(7_000_222)),
        ("next~secret", Err(7_000_215)),
        ("Current~secret", Err(7_000_215)),
        ("current~secret ", Err(7_000_215)),
        ("current~secre", Err(7_000_215)),
        ("", Err(7_000_215)),
    ] {
        let outcome = match check(&secret(text), &client()) {
            Ok(Authentication::Secret { key_id }) => Ok(key_id),
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err(refusal.code),
        };
        assert_eq!(outcome, expected.map(str::to_owned), "{text}");
    }
    let mut without = client();
    without.secrets.clear();
    assert_eq!(code(&secret("current~secret"), &without), 7_000_215);
    without.secrets = client().secrets;
    without.secrets.iter_mut().for_each(|secret| secret.hash.truncate(31));
    assert_eq!(code(&secret("current~secret"), &without), 7_000_215);
}

#[test]
fn an_unknown_client_costs_a_hash_too() {
    let calls = std::cell::Cell::new(0);
    let counting = |secret: &[u8]| {
        calls.set(calls.get() + 1);
        hash(secret)
    };
    let context = Context { now: NOW, audiences: &[], hash: &counting };
    waste_time(&secret("any"), &context);
    assert_eq!(calls.get(), 1);
    assert!(authenticate(&secret("any"), &client(), &context).is_err());
    assert_eq!(calls.get(), 2);
}

#[test]
fn who_needs_no_credential() {
    let mut code_grant = request(Credential::None);
    code_grant.grant = Grant::RefreshToken("r".to_owned().into());
    let mut public = client();
    public.application.as_mut().unwrap().is_public = true;
    assert_eq!(code(&request(Credential::None), &client()), 7_000_216);
    assert_eq!(code(&request(Credential::None), &public), 7_000_216);
    assert_eq!(code(&code_grant, &client()), 7_000_218);
    assert!(matches!(check(&code_grant, &public), Ok(Authentication::Public)));
    // One that has credentials may use them.
    code_grant.credential = Credential::Secret("current~secret".to_owned().into());
    assert!(matches!(check(&code_grant, &public), Ok(Authentication::Secret { .. })));
    public.secrets.clear();
    public.certificates.clear();
    public.federated.clear();
    assert_eq!(code(&code_grant, &public), 700_025);
}

fn foreign(key: &SigningKey, changes: &Value) -> String {
    let mut claims = json!({
        "iss": GITHUB, "sub": SUBJECT, "aud": EXCHANGE, "exp": SECONDS + 300, "nbf": SECONDS - 300, "iat": SECONDS,
    });
    let claims = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        claims.insert(name.clone(), value.clone());
    }
    claims.retain(|_, value| !value.is_null());
    key.sign(&claims, TokenType::V2).unwrap()
}

fn jwks(keys: &[Value]) -> Jwks {
    Jwks::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap()
}

#[test]
fn a_foreign_token_stands_for_a_secret() {
    for key in [&*ISSUER, &*EC_ISSUER] {
        let keys = jwks(&[EC_ISSUER.jwk(), ISSUER.jwk()]);
        let text = foreign(key, &json!({"aud": [EXCHANGE], "scp": ["other"], "roles": "other"}));
        let (request, client) = (assertion(&text), client());
        let authentication = check(&request, &client).unwrap();
        assert_eq!(authentication.proof(), ClientProof::Assertion);
        let Authentication::NeedsIssuerKeys { issuer, kid, assertion } = authentication else { panic!() };
        assert_eq!((issuer.as_str(), kid.as_deref()), (GITHUB, Some(key.kid())));
        assert!(keys.has(key.kid()) && !keys.has("other"));
        assert_eq!(federated::verify(&assertion, &client, &keys, NOW).unwrap().id, "github");
        // Later, when the keys have come.
        let late = federated::verify(&assertion, &client, &keys, NOW.plus(601 * SECOND));
        assert_eq!(late.unwrap_err().code, 700_024);
    }
}

#[test]
fn no_key_is_fetched_for_what_cannot_match() {
    for (changes, expected) in [
        (json!({"iss": "https://token.actions.githubusercontent.com/"}), 700_211),
        (json!({"iss": "http://169.254.169.254/"}), 700_211),
        (json!({"iss": GITHUB.to_uppercase()}), 700_211),
        (json!({"sub": "repo:contoso/app:ref:refs/heads/Main"}), 700_213),
        (json!({"sub": null}), 700_213),
        (json!({"aud": "api://azureADTokenExchange"}), 700_212),
        (json!({"aud": [EXCHANGE, "other"]}), 700_212),
        (json!({"aud": null}), 700_212),
        (json!({"exp": SECONDS - 300}), 700_024),
        (json!({"exp": null}), 700_024),
        (json!({"nbf": SECONDS + 301}), 700_024),
    ] {
        assert_eq!(code(&assertion(&foreign(&ISSUER, &changes)), &client()), expected, "{changes}");
    }
    let mut without = client();
    without.federated.clear();
    assert_eq!(code(&assertion(&foreign(&ISSUER, &json!({}))), &without), 70_021);
}

#[test]
fn the_issuers_keys_decide() {
    let other = issuer_key(Algorithm::Rs256);
    let renamed = |key: &SigningKey, member: &str, value: Value| {
        let mut jwk = key.jwk();
        jwk[member] = value;
        jwk
    };
    let kid = ISSUER.kid();
    for (keys, expected) in [
        (vec![ISSUER.jwk()], None),
        (vec![other.jwk(), ISSUER.jwk()], None),
        (vec![json!({"kty": "oct"}), json!(null), ISSUER.jwk()], None),
        (vec![renamed(&ISSUER, "kid", json!(null))], None),
        (vec![renamed(&ISSUER, "alg", json!("RS256"))], None),
        (vec![renamed(&ISSUER, "alg", json!("PS256"))], Some(700_027)),
        (vec![renamed(&ISSUER, "use", json!("enc"))], Some(700_027)),
        (vec![renamed(&ISSUER, "kid", json!("other"))], Some(700_027)),
        (vec![renamed(&other, "kid", json!(kid))], Some(700_027)),
        (vec![renamed(&EC_ISSUER, "kid", json!(kid))], Some(700_027)),
        (vec![], Some(700_027)),
    ] {
        let (text, client) = (foreign(&ISSUER, &json!({})), client());
        let unverified = Unverified::decode(&text).unwrap();
        let outcome = federated::verify(&unverified, &client, &jwks(&keys), NOW);
        assert_eq!(outcome.err().map(|refusal| refusal.code), expected, "{keys:?}");
    }
}

#[test]
fn key_sets_have_limits() {
    let many = json!({"keys": vec![json!({}); 65]}).to_string();
    let large = format!("{{\"keys\":[]{}}}", " ".repeat(256 << 10));
    for (text, expected) in [
        (many.as_str(), JwksError::TooMany),
        (&large, JwksError::TooLarge),
        ("", JwksError::Form),
        ("{}", JwksError::Form),
        ("[]", JwksError::Form),
        ("{\"keys\":{}}", JwksError::Form),
    ] {
        assert_eq!(Jwks::parse(text.as_bytes()), Err(expected));
    }
    assert_eq!(Jwks::parse(b"{\"keys\":[]}").unwrap().keys().len(), 0);
}

#[test]
fn nothing_secret_is_shown() {
    let text = foreign(&ISSUER, &json!({}));
    let (request, client) = (assertion(&text), client());
    let shown = format!("{:?}", check(&request, &client));
    let (_, signature) = text.rsplit_once('.').unwrap();
    assert!(!shown.contains(signature) && !shown.contains(SUBJECT), "{shown}");
    let context = Context { now: NOW, audiences: &[], hash: &hash };
    assert!(!format!("{context:?} {:?}", secret("hush")).contains("hush"));
}
