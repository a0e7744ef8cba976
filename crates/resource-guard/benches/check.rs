//! What a guard costs a request: `cargo bench -p countersign-resource-guard`.
//!
//! Everything between the header and the service: the token decoded, its signature verified, its claims checked, and the table
//! of revocations asked, which knows of 10,000 workloads. Each figure is the median of several passes.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::hint::black_box;
use std::time::Instant;

use countersign_model::time::{HOUR, SECOND, Timestamp};
use countersign_resource_guard::check::Rules;
use countersign_resource_guard::table::{Table, TokenFacts, Verdict};
use countersign_signals::event::{Body, Circumstances, Event};
use countersign_token::federated::Jwks;
use countersign_token::jwt::Unverified;
use countersign_token::keys::{Algorithm, SigningKey, TokenType};
use serde_json::json;
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_780_000_000 * SECOND);
const TENANT: Uuid = Uuid::from_u128(1);
const WORKLOADS: u128 = 10_000;
const PASSES: usize = 31;
/// Tokens of one pass.
const TIMES: usize = 200;

/// Nanoseconds for each of `count`.
fn each(count: usize, mut pass: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..PASSES)
        .map(|_| {
            let start = Instant::now();
            pass();
            start.elapsed().as_secs_f64() * 1e9 / count as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[PASSES / 2]
}

fn main() {
    let mut table = Table::default();
    table.begin(NOW.plus(-2 * HOUR));
    for number in 0..WORKLOADS {
        let circumstances = Circumstances { generation: Some(1), ..Circumstances::default() };
        let event = Event { body: Body::SessionRevoked, circumstances };
        table.apply(Uuid::from_u128(number), &event, NOW, NOW);
    }
    assert_eq!(table.len(), WORKLOADS as usize);
    let tokens: Vec<TokenFacts> = (0..2 * WORKLOADS)
        .map(|number| TokenFacts {
            principal: Uuid::from_u128(number),
            issued_at: NOW.plus(-HOUR),
            is_cae: true,
            generation: 1,
            key_id: Some(Uuid::from_u128(number)),
        })
        .collect();
    let asked = each(tokens.len(), || {
        for token in &tokens {
            assert_eq!(black_box(table.decide(black_box(token), NOW)), Verdict::Accept);
        }
    });
    println!("| Part | Time |\n|---|---|\n| table of {WORKLOADS} workloads | {asked:.0} ns |");
    for (algorithm, name) in [(Algorithm::Rs256, "RS256"), (Algorithm::Es256, "ES256")] {
        let (key, _) =
            SigningKey::generate(algorithm, "bench", NOW.plus(-HOUR), NOW.plus(HOUR)).expect("a key");
        let rules = Rules::new("https://login.example", TENANT, &["api://orders".to_owned()]);
        let keys = Jwks::parse(json!({"keys": [key.jwk()]}).to_string().as_bytes()).expect("keys");
        let claims = json!({
            "aud": "api://orders", "iss": rules.issuer(), "iat": 1_779_999_000, "nbf": 1_779_999_000,
            "exp": 1_780_080_000, "aio": "k2N2jT94if-kGJzdwWp8mqAA", "app_displayname": "Payroll", "azp": TENANT,
            "azpacr": "1", "idp": format!("https://sts.windows.net/{TENANT}/"), "idtyp": "app", "oid": TENANT,
            "rh": "1.N2jT94if-kGJzdwWp8mqAA.", "roles": ["Orders.Read"], "sub": TENANT, "tid": TENANT,
            "uti": "N2jT94if-kGJzdwWp8mqAA", "ver": "2.0", "wids": [TENANT], "countersign_key_id": TENANT,
            "countersign_generation": 1, "xms_cc": ["cp1"],
        });
        let token = key.sign(&claims, TokenType::V2).expect("a token");
        let whole = each(TIMES, || {
            for _ in 0..TIMES {
                let unverified = Unverified::decode(black_box(&token)).expect("a token");
                let (_, facts) = rules.verify(unverified, &keys, NOW).expect("a good token");
                assert_eq!(black_box(table.decide(&facts, NOW)), Verdict::Accept);
            }
        });
        println!("| a token of {name}, {} bytes, and the table | {:.1} µs |", token.len(), whole / 1e3);
    }
}
