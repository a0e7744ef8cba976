//! What readers of a simulation rely on.

use std::collections::{HashMap, HashSet};

use countersign_model::time::{DAY, SECOND, Timestamp};
use countersign_simulation::networks::{NetworkKind, network_of};
use countersign_simulation::{
    ATTACK_FAMILIES, Attacks, Category, DEFAULT_START, EpisodeKind, LOOK_ALIKE_FAMILIES, Parameters, Shares,
    Simulation,
};
use serde_json::Value;

fn small() -> Parameters {
    Parameters { principals: 60, days: 21, ..Parameters::default() }
}

/// FNV-1a over all lines, categories and delivery times.
fn hash_of(parameters: Parameters) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    let mut simulation = Simulation::new(parameters);
    simulation.for_each_record(|record| {
        add(record.category.name().as_bytes());
        add(&record.delivered.0.to_be_bytes());
        add(record.line);
    });
    for episode in simulation.truth() {
        add(episode.to_json().as_bytes());
    }
    hash
}

/// All records as category, delivery time and parsed line, and the simulation for its truth.
fn records_of(parameters: Parameters) -> (Vec<(Category, Timestamp, Value)>, Simulation) {
    let mut simulation = Simulation::new(parameters);
    let mut records = Vec::new();
    simulation.for_each_record(|record| {
        let value = serde_json::from_slice(record.line).unwrap_or_else(|error| {
            panic!("{error} in {}", String::from_utf8_lossy(record.line));
        });
        records.push((record.category, record.delivered, value));
    });
    (records, simulation)
}

fn is_call(category: Category) -> bool {
    matches!(category, Category::MicrosoftGraphActivityLogs | Category::AzureADGraphActivityLogs)
}

fn id_of(category: Category, record: &Value) -> String {
    let name = if is_call(category) { "requestId" } else { "id" };
    record["properties"][name].as_str().expect("every record has an id").to_owned()
}

/// Time of an envelope member, in microseconds.
fn micros(value: &Value) -> i64 {
    let text = value.as_str().expect("a time");
    assert_eq!(&text[19..20], ".");
    assert!(text[20..27].bytes().all(|b| b.is_ascii_digit()), "{text} has no 7 digits");
    let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().expect("digits");
    let days_before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][number(5..7) as usize - 1];
    assert_eq!(number(0..4), 2026, "the tests stay in one year");
    let day = DEFAULT_START.day() - 60 + days_before + number(8..10) - 1;
    day * DAY + (number(11..13) * 3_600 + number(14..16) * 60 + number(17..19)) * SECOND + number(20..26)
}

#[test]
fn the_same_parameters_give_the_same_bytes_everywhere() {
    let hash = hash_of(small());
    assert_eq!(hash, hash_of(small()));
    assert_ne!(hash, hash_of(Parameters { seed: 2, ..small() }));
    // Changes on purpose only: published evaluations name their parameters and rely on these bytes.
    assert_eq!(hash, PINNED_HASH);
}

const PINNED_HASH: u64 = 11_936_008_043_530_270_516;

#[test]
fn records_carry_what_the_logs_document() {
    let (records, simulation) = records_of(small());
    let mut seen = HashSet::new();
    for (category, delivered, record) in &records {
        seen.insert(*category);
        assert_eq!(record["category"], category.name());
        assert_eq!(record["tenantId"], simulation.tenant_id().as_str());
        let properties = &record["properties"];
        let legacy = *category == Category::AzureADGraphActivityLogs;
        let envelope_time = micros(if legacy { &properties["timeGenerated"] } else { &record["time"] });
        match category {
            Category::AuditLogs => {
                assert_eq!(record["operationName"], properties["activityDisplayName"]);
                assert!(properties["id"].as_str().expect("id").starts_with("Directory_"));
                assert_eq!(micros(&properties["activityDateTime"]), envelope_time);
                if let Some(app) = properties["initiatedBy"].get("app") {
                    assert!(app["appId"].is_null() && app["servicePrincipalId"].is_string());
                }
                assert!(!properties["targetResources"].as_array().expect("targets").is_empty());
            }
            Category::MicrosoftGraphActivityLogs => {
                let delegated = properties["C_Idtyp"] == "user";
                assert_eq!(delegated, properties.get("servicePrincipalId").is_none());
                assert_eq!(delegated, properties["userId"].is_string());
                assert!(!properties["requestUri"].as_str().expect("text").contains(['{', '}']));
                assert!(record["durationMs"].is_string() && properties["durationMs"].is_number());
                assert!(
                    network_of(record["callerIpAddress"].as_str().expect("text").parse().expect("ip"))
                        .is_some()
                );
            }
            Category::AzureADGraphActivityLogs => {
                assert!(properties["requestUri"].as_str().expect("text").starts_with("/v2/"));
            }
            _ => {
                assert_eq!(envelope_time, delivered.0);
                let delay = delivered.0 - micros(&properties["createdDateTime"]);
                assert!(delay >= 28 * SECOND, "{delay}");
                assert!(properties["createdDateTime"].as_str().expect("text").ends_with("+00:00"));
                let error = properties["status"]["errorCode"].as_u64().expect("a number").to_string();
                assert_eq!(record["resultType"], error.as_str());
                if *category == Category::ManagedIdentitySignInLogs {
                    assert!(record.get("callerIpAddress").is_none());
                    assert_eq!(properties["ipAddress"], "");
                    assert_eq!(properties["clientCredentialType"], "managedIdentity");
                } else {
                    let ip = record["callerIpAddress"].as_str().expect("text").parse().expect("an address");
                    let network = network_of(ip).expect("an address of the table");
                    assert_eq!(record["location"], network.country);
                    assert_eq!(properties["location"]["countryOrRegion"], network.country);
                }
                if *category == Category::ServicePrincipalSignInLogs {
                    assert_eq!(properties["riskLevelAggregated"], "low");
                    assert_eq!(properties["riskState"], "none");
                    assert_eq!(properties["uniqueTokenIdentifier"].as_str().expect("text").len(), 22);
                }
            }
        }
    }
    assert!(seen.len() >= Category::ALL.len() - 1, "a small tenant may lack the legacy directory API");
}

#[test]
fn calls_carry_the_token_of_a_sign_in() {
    let (records, _) = records_of(small());
    let tokens: HashSet<&str> = records
        .iter()
        .filter(|(category, ..)| !is_call(*category))
        .filter_map(|(_, _, record)| record["properties"]["uniqueTokenIdentifier"].as_str())
        .collect();
    let calls: Vec<_> = records.iter().filter(|(category, ..)| is_call(*category)).collect();
    assert!(calls.len() > 2_000);
    for (_, _, call) in calls {
        assert!(tokens.contains(call["properties"]["signInActivityId"].as_str().expect("text")));
    }
}

#[test]
fn delivery_is_late_at_least_once_and_in_order_of_writing() {
    let (records, _) = records_of(small());
    let mut last: HashMap<Category, Timestamp> = HashMap::new();
    let mut copies: HashMap<(Category, String), Vec<&Value>> = HashMap::new();
    for (category, delivered, record) in &records {
        let before = last.insert(*category, *delivered);
        assert!(before.is_none_or(|before| before <= *delivered));
        copies.entry((*category, id_of(*category, record))).or_default().push(record);
    }
    let repeated: usize = copies.values().filter(|copies| copies.len() > 1).count();
    let share = repeated as f64 / copies.len() as f64;
    assert!((0.022..0.038).contains(&share), "{share} of the records are duplicated");
    for copies in copies.values() {
        assert!(copies.iter().all(|copy| copy["properties"] == copies[0]["properties"]));
        assert!(copies.len() <= 4);
    }
}

#[test]
fn truth_names_records_that_exist() {
    let (records, simulation) = records_of(small());
    let ids: HashSet<String> = records.iter().map(|(category, _, record)| id_of(*category, record)).collect();
    let middle = DEFAULT_START.0 + 21 * DAY / 2;
    let mut attacks = 0;
    for episode in simulation.truth() {
        for id in &episode.event_ids {
            assert!(ids.contains(id), "{} names {id}, which is no record", episode.family);
        }
        assert!(episode.from <= episode.to);
        let line: Value = serde_json::from_str(&episode.to_json()).expect("valid JSON");
        assert_eq!(line["servicePrincipalId"], episode.service_principal_id.as_str());
        if episode.kind == EpisodeKind::Attack {
            attacks += 1;
            assert!(episode.to.0 >= middle && episode.from.0 >= middle - 3 * 3_600 * SECOND);
            assert!(episode.event_ids.len() >= 2);
        }
    }
    assert_eq!(attacks, 3);
}

#[test]
fn every_family_occurs() {
    let mut seen: HashMap<String, u32> = HashMap::new();
    for seed in 1..=4 {
        let parameters = Parameters {
            principals: 300,
            seed,
            days: 90,
            attacks: Attacks::Share(0.8),
            // Few sign-ins keep the test quick; families do not depend on them.
            sign_ins_per_principal_day: None,
            ..Parameters::default()
        };
        for episode in Simulation::new(parameters).truth() {
            *seen.entry(episode.family.clone()).or_default() += 1;
        }
    }
    for family in LOOK_ALIKE_FAMILIES.iter().chain(ATTACK_FAMILIES) {
        assert!(seen.contains_key(*family), "{family} never occurs");
    }
    for family in seen.keys() {
        let listed =
            LOOK_ALIKE_FAMILIES.contains(&family.as_str()) || ATTACK_FAMILIES.contains(&family.as_str());
        assert!(listed, "{family} is not listed");
    }
}

#[test]
fn calls_of_a_default_tenant_are_many_and_bounded() {
    let mut simulation = Simulation::new(Parameters { days: 60, ..Parameters::default() });
    let (mut calls, mut legacy) = (0, 0);
    simulation.for_each_record(|record| {
        calls += u32::from(is_call(record.category));
        legacy += u32::from(record.category == Category::AzureADGraphActivityLogs);
    });
    assert!((50_000..400_000).contains(&calls), "{calls}");
    assert!(legacy > 0);
    let mut silent =
        Simulation::new(Parameters { calls: 0.0, attacks: Attacks::None, look_alikes: false, ..small() });
    silent.for_each_record(|record| {
        assert!(!is_call(record.category) || !String::from_utf8_lossy(record.line).contains("\"app\""));
    });
}

#[test]
fn replayed_tokens_are_genuine_and_nobody_signs_in_with_them() {
    let (records, simulation) = records_of(Parameters { attacks: Attacks::Share(1.0), ..small() });
    let by_id: HashMap<String, &(Category, Timestamp, Value)> =
        records.iter().map(|record| (id_of(record.0, &record.2), record)).collect();
    let signed_in: HashMap<&str, (&str, &str)> = records
        .iter()
        .filter(|(category, ..)| !is_call(*category))
        .filter_map(|(_, _, record)| {
            let properties = &record["properties"];
            let token = properties["uniqueTokenIdentifier"].as_str()?;
            Some((token, (properties["id"].as_str()?, properties["servicePrincipalId"].as_str()?)))
        })
        .collect();
    let replays = simulation.truth().iter().filter(|episode| episode.family.starts_with("replayedToken"));
    let mut calls = 0;
    for episode in replays {
        for id in &episode.event_ids {
            let (category, _, record) = by_id[id];
            if is_call(*category)
                && record["properties"]["servicePrincipalId"] == episode.service_principal_id.as_str()
            {
                let token = record["properties"]["signInActivityId"].as_str().expect("text");
                let (sign_in, principal) = signed_in[token];
                assert_eq!(principal, episode.service_principal_id);
                let own = episode.event_ids.iter().any(|id| id == sign_in);
                assert!(!own || episode.traits.contains_key("change"), "the sign-in is the workload's");
                calls += u32::from(!own);
            }
        }
    }
    assert!(calls > 20, "{calls}");
}

#[test]
fn episodes_name_all_principals_concerned() {
    let parameters = Parameters { attacks: Attacks::Share(0.8), ..small() };
    let mut several = 0;
    for episode in Simulation::new(parameters).truth() {
        assert_eq!(episode.service_principal_ids[0], episode.service_principal_id);
        assert!(!episode.archetype.is_empty());
        several += u32::from(episode.service_principal_ids.len() > 1);
    }
    assert!(several > 0);
}

#[test]
fn attacks_and_look_alikes_can_be_left_out() {
    let quiet = Parameters { attacks: Attacks::None, look_alikes: false, ..small() };
    let (records, simulation) = records_of(quiet);
    assert!(simulation.truth().is_empty());
    assert!(records.len() > 1_000);
}

#[test]
fn benign_records_do_not_depend_on_attacks() {
    let lines = |attacks| {
        let mut lines = HashSet::new();
        let mut simulation = Simulation::new(Parameters { attacks, ..small() });
        simulation.for_each_record(|record| {
            lines.insert(record.line.to_vec());
        });
        lines
    };
    let (without, with) = (lines(Attacks::None), lines(Attacks::Share(0.06)));
    let sign_in = |line: &&Vec<u8>| !String::from_utf8_lossy(line).contains("AuditLogs");
    assert_eq!(without.iter().filter(sign_in).filter(|line| !with.contains(*line)).count(), 0);
    assert!(with.len() > without.len());
}

#[test]
fn an_exact_rhythm_is_kept() {
    let parameters = Parameters {
        principals: 50,
        days: 4,
        attacks: Attacks::None,
        look_alikes: false,
        sign_ins_per_principal_day: Some(100.0),
        duplicates_per_mille: 0,
        ..Parameters::default()
    };
    let (records, _) = records_of(parameters);
    let sign_ins = records.iter().filter(|(category, ..)| {
        matches!(category, Category::ServicePrincipalSignInLogs | Category::ManagedIdentitySignInLogs)
    });
    assert_eq!(sign_ins.count(), 50 * 4 * 100);
}

#[test]
fn hosted_runners_work_from_azure_in_several_countries() {
    let only = Shares {
        steady_poller: 0,
        cae_poller: 0,
        managed_identity: 0,
        pool: 0,
        self_hosted_ci: 0,
        scheduled_job: 0,
        saas_vendor: 0,
        hand_run: 0,
        ..Shares::default()
    };
    let parameters = Parameters { shares: only, attacks: Attacks::None, look_alikes: false, ..small() };
    let (records, _) = records_of(parameters);
    let mut addresses = HashSet::new();
    let mut countries = HashSet::new();
    let mut runs = 0;
    for (category, _, record) in &records {
        if *category == Category::ServicePrincipalSignInLogs && record["resultType"] == "0" {
            let address = record["callerIpAddress"].as_str().expect("text").to_owned();
            let network = network_of(address.parse().expect("an address")).expect("a network");
            assert_eq!((network.asn, network.kind), (8_075, NetworkKind::Runner));
            countries.insert(network.country);
            addresses.insert(address);
            runs += 1;
        }
    }
    assert!(countries.len() >= 4, "{countries:?}");
    assert!(addresses.len() * 10 > runs * 5, "{} addresses in {runs} sign-ins", addresses.len());
}

mod any_parameters {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn never_panic(
            principals in 0..40_u32,
            days in 0..12_u32,
            seed: u64,
            start in any::<i64>(),
            share in prop_oneof![Just(f64::NAN), -1.0..2.0_f64],
            rhythm in prop_oneof![Just(None), Just(Some(f64::INFINITY)), (-5.0..50.0_f64).prop_map(Some)],
            duplicates_per_mille in 0..1_200_u32,
            calls in prop_oneof![Just(f64::NAN), -1.0..3.0_f64],
            look_alikes: bool,
            weights in prop::array::uniform9(0..3_u32),
        ) {
            let [steady_poller, cae_poller, managed_identity, pool, hosted_ci, self_hosted_ci, scheduled_job, saas_vendor, hand_run] = weights;
            let parameters = Parameters {
                principals,
                days,
                seed,
                start: Timestamp(start),
                attacks: Attacks::Share(share),
                look_alikes,
                sign_ins_per_principal_day: rhythm,
                duplicates_per_mille,
                calls,
                shares: Shares { steady_poller, cae_poller, managed_identity, pool, hosted_ci, self_hosted_ci, scheduled_job, saas_vendor, hand_run },
            };
            let mut simulation = Simulation::new(parameters);
            let mut count = 0_u64;
            simulation.for_each_record(|record| count += record.line.len() as u64);
            prop_assert!(days > 0 || count == 0);
        }
    }
}
