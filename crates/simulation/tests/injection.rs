//! What users of injection rely on: real ids, the same bytes, times within the logs.

use std::borrow::Cow;
use std::collections::HashSet;

use countersign_model::event::{Address, CredentialKind, CredentialUse, Event, SignIn, SignInKind};
use countersign_model::id::{AppId, Id, KeyId, ServicePrincipalId, TenantId};
use countersign_model::time::{HOUR, Timestamp};
use countersign_simulation::injection::{Injection, Survey};
use countersign_simulation::{ATTACK_FAMILIES, Category, DEFAULT_START};
use proptest::prelude::*;
use serde_json::Value;

const TENANT: &str = "0d0c7a2e-7c1f-4c55-9a52-6f7f0f2f1a10";
const GRAPH: &str = "00000003-0000-0000-c000-000000000000";

fn principal(n: u64) -> String {
    format!("{n:08x}-0000-4000-8000-000000000001")
}

fn key(n: u64) -> String {
    format!("{n:08x}-0000-4000-8000-000000000002")
}

/// A survey of some principals that sign in every hour for some days.
fn survey(principals: u64, hours: i64) -> Survey {
    let mut survey = Survey::default();
    for hour in 0..hours {
        for n in 0..principals {
            let (id, key) = (principal(n), key(n));
            let event = SignIn {
                time: DEFAULT_START.plus(hour * HOUR + n as i64),
                tenant: TenantId::parse(TENANT),
                service_principal: ServicePrincipalId::parse(&id),
                app: AppId::parse(&id),
                owner_tenant: TenantId::parse(TENANT),
                name: Cow::Owned(format!("svc \"{n}\"")),
                address: Address { ip: Some([87, 130, 4, n as u8].into()), raw: Cow::Borrowed("") },
                user_agent: Cow::Borrowed("own-agent/1.0"),
                resource: AppId::parse(GRAPH),
                resource_name: Cow::Borrowed("Microsoft Graph"),
                credential: CredentialUse {
                    kind: CredentialKind::ClientSecret,
                    key: KeyId::parse(&key),
                    federated_credential: Id::NONE,
                },
                token: Cow::Owned(format!("token-{n}-{hour}")),
                ..SignIn::empty(SignInKind::ServicePrincipal)
            };
            survey.learn(&Event::SignIn(event));
        }
    }
    survey
}

fn records(injection: &Injection) -> Vec<(Category, Timestamp, Value)> {
    let mut records = Vec::new();
    injection.for_each_record(|record| {
        let value = serde_json::from_slice(record.line).unwrap_or_else(|error| {
            panic!("{error} in {}", String::from_utf8_lossy(record.line));
        });
        records.push((record.category, record.delivered, value));
    });
    records
}

fn is_call(category: Category) -> bool {
    matches!(category, Category::MicrosoftGraphActivityLogs | Category::AzureADGraphActivityLogs)
}

#[test]
fn records_are_of_real_principals() {
    let injection = survey(40, 24 * 20).attack(1.0, 7);
    assert_eq!(injection.truth().len(), 40);
    let real: HashSet<String> = (0..40).map(principal).collect();
    let (mut ids, mut known_keys, mut replayed) = (HashSet::new(), 0, 0);
    let records = records(&injection);
    let tokens: HashSet<&str> = records
        .iter()
        .filter_map(|(_, _, record)| record["properties"]["uniqueTokenIdentifier"].as_str())
        .collect();
    for (category, _, record) in &records {
        let properties = &record["properties"];
        assert_eq!(record["tenantId"], TENANT);
        let id = if is_call(*category) { &properties["requestId"] } else { &properties["id"] };
        assert!(ids.insert(id.as_str().expect("an id").to_owned()), "an id comes twice");
        match category {
            Category::AuditLogs => {
                let names = record.to_string();
                assert!(real.iter().any(|id| names.contains(id.as_str())), "{names}");
            }
            _ if is_call(*category) => {
                assert!(real.contains(properties["servicePrincipalId"].as_str().expect("text")));
                let token = properties["signInActivityId"].as_str().expect("text");
                replayed += u32::from(token.starts_with("token-"));
                assert!(token.starts_with("token-") || tokens.contains(token));
            }
            _ => {
                let id = properties["servicePrincipalId"].as_str().expect("text");
                assert!(real.contains(id));
                let own = format!("{}2", &id[..35]);
                known_keys += u32::from(properties["servicePrincipalCredentialKeyId"] == own.as_str());
            }
        }
    }
    assert!(known_keys > 20 && replayed > 5, "{known_keys} {replayed}");
    for episode in injection.truth() {
        assert!(ATTACK_FAMILIES.contains(&episode.family.as_str()), "{}", episode.family);
        assert!(real.contains(&episode.service_principal_id));
        assert!(!episode.event_ids.is_empty() && episode.event_ids.iter().all(|id| ids.contains(id)));
    }
}

#[test]
fn at_least_one_is_attacked_and_none_when_none_is_wanted() {
    let survey = survey(5, 48);
    assert_eq!(survey.principals(), 5);
    assert_eq!(survey.attack(0.01, 1).truth().len(), 1);
    assert!(survey.attack(0.0, 1).truth().is_empty());
    assert!(survey.attack(f64::NAN, 1).truth().is_empty());
    assert!(Survey::default().attack(1.0, 1).truth().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_same_logs_and_seed_give_the_same_bytes_within_the_logs(
        principals in 1..8_u64,
        hours in 1..400_i64,
        share in 0.0..1.0_f64,
        seed: u64,
    ) {
        let survey = survey(principals, hours);
        let (one, two) = (survey.attack(share, seed), survey.clone().attack(share, seed));
        prop_assert_eq!(records(&one), records(&two));
        let (from, to) = survey.span().expect("there are events");
        for episode in one.truth() {
            prop_assert!(episode.from <= episode.to);
            prop_assert!(episode.from >= from && episode.to.0 <= to.0 + HOUR, "{:?}", episode);
        }
    }
}
