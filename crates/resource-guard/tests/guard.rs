//! The layer on a real port, before an issuer that does as a test tells it to.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_model::time::{SECOND, Timestamp};
use countersign_resource_guard::{Caller, Guard, MAX_SILENCE, Settings};
use countersign_signals::event::{Body, Circumstances, Event, Status};
use countersign_signals::set::Draft;
use countersign_signals::subject::{Subject, Tenant};
use countersign_token::claims::uti;
use countersign_token::keys::{Algorithm, SigningKey, TokenType};
use serde_json::{Value, json};
use tokio::sync::Notify;
use uuid::{Builder, Uuid};

const TENANT: Uuid = Uuid::from_u128(0x7c1f);
const CLIENT: Uuid = Uuid::from_u128(0x0b1a);
const STREAM: Uuid = Uuid::from_u128(0x5f0c);
const WHO: Uuid = Uuid::from_u128(0x3fdb);
const SECRET: &str = "nobody-may-read-this";

#[expect(clippy::disallowed_methods, reason = "tokens that are good are of now")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(since.as_micros() as i64)
}

fn key() -> SigningKey {
    let year = 365 * 86_400 * SECOND;
    SigningKey::generate(Algorithm::Rs256, "test", now().plus(-year), now().plus(year)).unwrap().0
}

/// An issuer with one tenant and one stream.
struct Issuer {
    base: String,
    key: SigningKey,
    more_keys: Mutex<Vec<Value>>,
    keys_asked: AtomicUsize,
    tokens_asked: AtomicUsize,
    /// What waits, in order, by `jti`.
    waiting: Mutex<Vec<(String, String)>>,
    rung: Notify,
    /// What the stream is described with.
    description: Mutex<Value>,
    number: AtomicU64,
    /// Bodies of requests by path.
    asked: Mutex<HashMap<String, Vec<Value>>>,
}

impl Issuer {
    async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Arc::new(Self {
            base: format!("http://{}", listener.local_addr().unwrap()),
            key: key(),
            more_keys: Mutex::default(),
            keys_asked: AtomicUsize::default(),
            tokens_asked: AtomicUsize::default(),
            waiting: Mutex::default(),
            rung: Notify::new(),
            description: Mutex::default(),
            number: AtomicU64::default(),
            asked: Mutex::default(),
        });
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&issuer));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        issuer
    }

    fn iss(&self) -> String {
        format!("{}/{TENANT}/v2.0", self.base)
    }

    fn asked(&self, path: &str) -> Vec<Value> {
        self.asked.lock().unwrap().get(path).cloned().unwrap_or_default()
    }

    /// Signs an event and lets it wait; its `jti`.
    fn tell(&self, key: &SigningKey, subject: &Subject, body: Body, generation: Option<u64>) -> String {
        let number = self.number.fetch_add(1, Ordering::SeqCst);
        // The later, the smaller: what is read in the order of names is read backwards.
        let jti = format!("{:020}", u64::MAX - number);
        let event = Event { body, circumstances: Circumstances { generation, ..Circumstances::default() } };
        let token = Draft {
            issuer: &self.iss(),
            audience: &CLIENT.to_string(),
            issued_at: now(),
            jti: &jti,
            txn: "t",
            subject,
            event: &event,
        }
        .sign(key)
        .unwrap();
        self.waiting.lock().unwrap().push((jti.clone(), token));
        jti
    }

    /// Hands out what waits.
    fn ring(&self) {
        self.rung.notify_waiters();
    }

    /// Until all that waited is acknowledged.
    async fn taken(&self) {
        for _ in 0..1_000 {
            if self.waiting.lock().unwrap().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("events were never acknowledged");
    }

    fn tell_of(&self, who: Uuid, body: Body, generation: Option<u64>) -> String {
        let subject = Tenant { issuer: &self.iss(), id: TENANT }.subject(who);
        self.tell(&self.key, &subject, body, generation)
    }

    /// A token that is good, with these claims changed.
    fn token(&self, changes: &Value) -> String {
        self.key.sign(&self.claims(changes), TokenType::V2).unwrap()
    }

    fn claims(&self, changes: &Value) -> Value {
        let at = now().0;
        let request = Builder::from_unix_timestamp_millis(at as u64 / 1_000, &[7; 10]).into_uuid();
        let mut claims = json!({
            "iss": self.iss(), "aud": "api://orders", "tid": TENANT, "oid": WHO, "azp": "the-client", "idtyp": "app",
            "iat": at / SECOND - 300, "nbf": at / SECOND - 300, "exp": at / SECOND + 86_400,
            "uti": uti(request), "xms_cc": ["cp1"], "roles": ["Orders.Read"],
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    async fn guard(&self, silence: Duration) -> Guard {
        Guard::start(self.settings().max_silence(silence)).await.unwrap()
    }

    fn settings(&self) -> Settings {
        Settings::new(&self.base, TENANT.to_string(), CLIENT.to_string(), SECRET, "api://orders")
    }
}

async fn answer(State(issuer): State<Arc<Issuer>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let path = parts.uri.path().trim_start_matches(&format!("/{TENANT}/")).to_owned();
    issuer.asked.lock().unwrap().entry(path.clone()).or_default().push(body.clone());
    let stream = json!({
        "stream_id": STREAM, "iss": issuer.iss(), "aud": CLIENT,
        "delivery": {"method": "urn:ietf:rfc:8936", "endpoint_url": format!("{}/{TENANT}/signals/poll/{STREAM}", issuer.base)},
    });
    let answer = match (parts.method.as_str(), path.as_str()) {
        (_, "discovery/v2.0/keys") => {
            issuer.keys_asked.fetch_add(1, Ordering::SeqCst);
            let mut keys = issuer.more_keys.lock().unwrap().clone();
            keys.push(issuer.key.jwk());
            json!({"keys": keys})
        }
        (_, "oauth2/v2.0/token") => {
            issuer.tokens_asked.fetch_add(1, Ordering::SeqCst);
            json!({"access_token": "ours"})
        }
        _ if parts.headers.get("authorization").is_none_or(|value| value != "Bearer ours") => {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        ("POST", "signals/streams") => return StatusCode::CONFLICT.into_response(),
        ("GET", "signals/streams") if parts.uri.query().is_some() => {
            json!({"stream_id": STREAM, "description": *issuer.description.lock().unwrap()})
        }
        ("GET", "signals/streams") => json!([stream]),
        ("PUT", "signals/streams") => {
            *issuer.description.lock().unwrap() = body["description"].clone();
            stream
        }
        ("POST", "signals/status") => json!({}),
        ("POST", _) => json!({"sets": poll(&issuer, &body).await}),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    // `sets` in their order, which an object of this library has not.
    let text = match &answer["sets"] {
        Value::Array(sets) => {
            let entries: Vec<String> = sets.iter().map(|set| format!("{}:{}", set[0], set[1])).collect();
            format!("{{\"sets\":{{{}}}}}", entries.join(","))
        }
        _ => answer.to_string(),
    };
    text.into_response()
}

async fn poll(issuer: &Issuer, body: &Value) -> Vec<(String, String)> {
    let done = |jti: &str| {
        body["ack"].as_array().into_iter().flatten().any(|ack| ack == jti)
            || body["setErrs"].get(jti).is_some()
    };
    issuer.waiting.lock().unwrap().retain(|(jti, _)| !done(jti));
    loop {
        let rung = issuer.rung.notified();
        let waiting = issuer.waiting.lock().unwrap().clone();
        if !waiting.is_empty() || body["returnImmediately"] == true {
            return waiting;
        }
        if tokio::time::timeout(Duration::from_secs(30), rung).await.is_err() {
            return Vec::new();
        }
    }
}

/// An API behind a guard.
struct Api {
    url: String,
    http: reqwest::Client,
}

/// What an API answered: status, `WWW-Authenticate`, body.
type Answered = (u16, String, String);

impl Api {
    async fn start(guard: &Guard) -> Self {
        async fn orders(caller: axum::Extension<Caller>) -> String {
            format!("{} {} {}", caller.app_id, caller.object_id, caller.roles.join(" "))
        }
        let routes = Router::new()
            .route("/orders", get(orders).layer(guard.layer().require_role("Orders.Read")))
            .route("/any", get(orders).layer(guard.layer()))
            .route("/stock", get(orders).layer(guard.layer().require_role("A").require_role("Orders.Read")))
            .route("/admin", get(orders).layer(guard.layer().require_role("Admin")));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, http: reqwest::Client::new() }
    }

    async fn get(&self, path: &str, token: &str) -> Answered {
        self.send(self.http.get(format!("{}{path}", self.url)).bearer_auth(token)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answered {
        let answer = request.send().await.unwrap();
        let header = answer.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), header.unwrap_or_default(), answer.text().await.unwrap())
    }

    /// Asks until the status is that one.
    async fn until(&self, status: u16, token: &str) -> Answered {
        for _ in 0..1_000 {
            let answered = self.get("/orders", token).await;
            if answered.0 == status {
                return answered;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the API never answered {status}");
    }
}

fn claims_of(authenticate: &str) -> Value {
    let claims = authenticate.split("claims=\"").nth(1).unwrap().trim_end_matches('"');
    serde_json::from_slice(&STANDARD.decode(claims).unwrap()).unwrap()
}

#[tokio::test]
async fn tokens_that_are_not_for_this_api() {
    let issuer = Issuer::start().await;
    let guard = issuer.guard(MAX_SILENCE).await;
    let api = Api::start(&guard).await;
    let good = issuer.token(&json!({}));
    assert_eq!(
        api.get("/orders", &good).await,
        (200, String::new(), format!("the-client {WHO} Orders.Read"))
    );
    let version_1 = json!({"iss": format!("https://sts.windows.net/{TENANT}/")});
    assert_eq!(api.get("/orders", &issuer.token(&version_1)).await.0, 200);

    let invalid = format!(
        "Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", client_id=\"{CLIENT}\", error=\"invalid_token\"",
        issuer.base
    );
    let at = now().0 / SECOND;
    for wrong in [
        json!({"aud": "api://others"}),
        json!({"aud": []}),
        json!({"iss": format!("{}/{CLIENT}/v2.0", issuer.base)}),
        json!({"iss": format!("https://evil.example/{TENANT}/v2.0")}),
        json!({"tid": CLIENT}),
        json!({"tid": null}),
        json!({"exp": at - 100}),
        json!({"exp": null}),
        json!({"nbf": at + 3_600}),
        json!({"idtyp": "user"}),
        json!({"idtyp": null}),
        json!({"oid": "nobody"}),
    ] {
        let answered = api.get("/orders", &issuer.token(&wrong)).await;
        assert_eq!(answered, (401, invalid.clone(), String::new()), "{wrong}");
    }
    let claims = issuer.claims(&json!({}));
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let unsigned =
        format!("{}.{}.", part(json!({"alg": "none", "kid": issuer.key.kid()})), part(claims.clone()));
    let mut forged = good.clone().into_bytes();
    let last = forged.len() - 10;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    let event = issuer.key.sign(&claims, TokenType::Other("secevent+jwt")).unwrap();
    for wrong in
        [unsigned, String::from_utf8(forged).unwrap(), event, "a.b".to_owned(), "a".repeat(50_000 / 8)]
    {
        assert_eq!(api.get("/orders", &wrong).await.0, 401);
    }
    let without = invalid.trim_end_matches(", error=\"invalid_token\"").to_owned();
    let url = format!("{}/orders", api.url);
    assert_eq!(api.send(api.http.get(&url)).await, (401, without.clone(), String::new()));
    assert_eq!(api.send(api.http.get(&url).header("authorization", format!("Basic {good}"))).await.0, 401);
    let twice = api.http.get(&url).header("authorization", format!("Bearer {good}")).bearer_auth(&good);
    assert_eq!(api.send(twice).await, (401, without, String::new()), "which one is meant?");

    for (path, status) in [("/any", 200), ("/stock", 200), ("/admin", 403)] {
        assert_eq!(api.get(path, &good).await.0, status, "{path}");
    }
    // A token that is not good has no roles to speak of.
    assert_eq!(api.get("/admin", &issuer.token(&json!({"aud": "api://others"}))).await.0, 401);
}

#[tokio::test]
async fn an_unknown_key_is_asked_for_once_and_our_own_secret_is_shown_to_nobody() {
    let issuer = Issuer::start().await;
    let debug = format!("{:?}", issuer.settings());
    assert!(debug.contains("api://orders") && !debug.contains(SECRET), "{debug}");
    let guard = issuer.guard(MAX_SILENCE).await;
    assert!(!format!("{guard:?}{:?}", guard.layer()).contains(SECRET));
    let api = Api::start(&guard).await;
    let asked = issuer.keys_asked.load(Ordering::SeqCst);
    let (stranger, claims) = (key(), issuer.claims(&json!({})));
    let strange = stranger.sign(&claims, TokenType::V2).unwrap();
    for _ in 0..5 {
        assert_eq!(api.get("/orders", &strange).await.0, 401);
    }
    assert_eq!(issuer.keys_asked.load(Ordering::SeqCst), asked + 1);
    assert_eq!(issuer.tokens_asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_new_key_of_the_issuer_is_found() {
    let issuer = Issuer::start().await;
    let guard = issuer.guard(MAX_SILENCE).await;
    let api = Api::start(&guard).await;
    let next = key();
    issuer.more_keys.lock().unwrap().push(next.jwk());
    let token = next.sign(&issuer.claims(&json!({})), TokenType::V2).unwrap();
    assert_eq!(api.get("/orders", &token).await.0, 200);
    assert_eq!(api.get("/orders", &issuer.token(&json!({}))).await.0, 200, "the other one is still good");
}

#[tokio::test]
async fn events_are_applied_in_their_order_and_then_acknowledged() {
    let issuer = Issuer::start().await;
    let waited = issuer.tell_of(WHO, Body::SessionRevoked, Some(1));
    let before = issuer.token(&json!({"countersign_generation": 3}));
    let guard = issuer.guard(MAX_SILENCE).await;
    let api = Api::start(&guard).await;
    let poll = format!("signals/poll/{STREAM}");
    assert!(issuer.waiting.lock().unwrap().is_empty(), "what waited is acknowledged");
    assert_eq!(
        issuer.asked(&poll)[1]["ack"],
        json!([waited]),
        "by the request after the one that fetched it"
    );
    assert_eq!(issuer.asked("signals/status")[0]["status"], "enabled");

    // Of before the guard: nobody here knows what it missed.
    let (status, authenticate, _) = api.get("/orders", &before).await;
    assert_eq!(status, 401);
    let not_before: i64 =
        claims_of(&authenticate)["access_token"]["nbf"]["value"].as_str().unwrap().parse().unwrap();
    assert!(not_before <= now().0 / SECOND, "a new token can be that new");
    assert!(authenticate.contains("error=\"insufficient_claims\""), "{authenticate}");
    // And one that lives an hour at most is believed.
    let mut plain = json!({"xms_cc": null, "countersign_generation": 3});
    assert_eq!(api.get("/orders", &issuer.token(&plain)).await.0, 200);
    plain["countersign_generation"] = json!(0);

    let with = |generation: u64| issuer.token(&json!({"countersign_generation": generation}));
    assert_eq!(api.get("/orders", &with(1)).await.0, 200);
    let (disabled, enabled) = (Body::AccountDisabled(None), Body::AccountEnabled);
    issuer.tell_of(WHO, disabled, Some(1));
    issuer.tell_of(WHO, enabled, None);
    issuer.tell_of(WHO, Body::SessionRevoked, Some(2));
    issuer.ring();
    api.until(401, &with(1)).await;
    assert_eq!(api.get("/orders", &with(2)).await.0, 200, "enabled after it was disabled");
    assert_eq!(api.get("/orders", &issuer.token(&plain)).await.0, 401);
    issuer.taken().await;
    assert_eq!(guard.health().fault, None);
    assert_eq!(guard.health().entries, 1);
}

#[tokio::test]
async fn a_gap_ends_what_was_issued_before_it() {
    let issuer = Issuer::start().await;
    let guard = issuer.guard(MAX_SILENCE).await;
    let api = Api::start(&guard).await;
    let before = issuer.token(&json!({}));
    assert_eq!(api.get("/orders", &before).await.0, 200);
    // The transmitter gave up what waited.
    let body = Body::StreamUpdated { status: Status::Disabled, reason: None };
    issuer.tell(&issuer.key, &Subject::of_stream(STREAM), body, None);
    issuer.ring();
    api.until(503, &before).await;
    assert_eq!(issuer.asked("signals/status").len(), 2, "the stream is enabled again");
    assert_eq!(api.get("/orders", &issuer.token(&json!({"xms_cc": null}))).await.0, 200);
    api.until(401, &before).await;
    assert_eq!(api.get("/orders", &issuer.token(&json!({}))).await.0, 200);

    // An event that cannot be used might have been any. The transmitter is told, and it does not come again.
    let recent = issuer.token(&json!({}));
    issuer.waiting.lock().unwrap().push(("spoilt".to_owned(), "e30.e30.c2ln".to_owned()));
    issuer.ring();
    api.until(503, &recent).await;
    issuer.taken().await;
    let refused = issuer.asked(&format!("signals/poll/{STREAM}")).pop().unwrap();
    assert_eq!(refused["setErrs"]["spoilt"]["err"], "invalid_request");
    api.until(401, &recent).await;
}

#[tokio::test]
async fn a_guard_that_hears_nothing_serves_nothing_that_can_be_revoked() {
    let issuer = Issuer::start().await;
    let guard = issuer.guard(Duration::from_secs(2)).await;
    let api = Api::start(&guard).await;
    let (token, plain) = (issuer.token(&json!({})), issuer.token(&json!({"xms_cc": null})));
    let answer = api.http.get(format!("{}/orders", api.url)).bearer_auth(&token).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "5");
    assert!(guard.health().is_deaf);
    assert_eq!(api.get("/orders", &plain).await.0, 200);
    issuer.tell_of(CLIENT, Body::SessionRevoked, Some(1));
    issuer.ring();
    api.until(200, &token).await;
    // Signed by somebody else: not acknowledged, and the guard is deaf again until it is known who.
    issuer.tell(&key(), &Subject::of_stream(STREAM), Body::SessionRevoked, None);
    issuer.ring();
    api.until(503, &token).await;
    assert!(guard.health().fault.is_some());
    assert_eq!(issuer.waiting.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn of_two_that_share_an_application_the_first_knows_that_it_hears_no_more() {
    let issuer = Issuer::start().await;
    let (first, second) = (issuer.guard(MAX_SILENCE).await, issuer.guard(MAX_SILENCE).await);
    let (api, other) = (Api::start(&first).await, Api::start(&second).await);
    let token = issuer.token(&json!({}));
    issuer.tell_of(CLIENT, Body::SessionRevoked, Some(1));
    issuer.ring();
    // The one that has the stream takes it; the other serves nothing that could be revoked without its hearing of it.
    api.until(503, &token).await;
    assert!(first.health().is_deaf);
    assert!(first.health().fault.unwrap().contains("application of its own"));
    issuer.taken().await;
    assert_eq!(other.get("/orders", &token).await.0, 200);
    assert!(!second.health().is_deaf);
    let plain = issuer.token(&json!({"xms_cc": null}));
    assert_eq!(api.get("/orders", &plain).await.0, 200);
}

#[tokio::test]
async fn settings_that_cannot_be() {
    let start = async |base: &str, tenant: &str, client: &str| {
        Guard::start(Settings::new(base, tenant, client, SECRET, "api://orders"))
            .await
            .unwrap_err()
            .to_string()
    };
    let (tenant, client) = (TENANT.to_string(), CLIENT.to_string());
    assert_eq!(
        start("http://login.example", &tenant, &client).await,
        "the issuer's address must begin with `https://`"
    );
    assert_eq!(start("login.example", &tenant, &client).await, "the issuer's address is none");
    let more = start("https://login.example/tenant", &tenant, &client).await;
    assert_eq!(more, "the issuer's address must be scheme, host and port alone");
    assert_eq!(start("https://login.example", "contoso", &client).await, "the tenant is no GUID");
    assert_eq!(start("https://login.example", &tenant, "orders").await, "the client id is no GUID");
    // Nobody is there.
    let refused = start("http://127.0.0.1:9", &tenant, &client).await;
    assert_eq!(refused, "cannot follow the issuer's revocations");
}
