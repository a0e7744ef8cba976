//! The compiled evaluation against a slow one that does what the documents say, one policy and one condition at a time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use countersign_access::evaluate::{Place, Risk, SignIn, WhereCountry};
use countersign_access::location::NamedLocation;
use countersign_access::policy::Policy;
use countersign_access::principal::{Attributes, Principal, Scope};
use countersign_access::snapshot::Snapshot;
use countersign_model::risk::RiskLevel;
use countersign_model::source::Country;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value as Json, json};
use uuid::Uuid;

const LEVELS: [&str; 4] = ["none", "low", "medium", "high"];
const STATES: [&str; 3] = ["enabled", "disabled", "enabledForReportingButNotEnforced"];
const COUNTRIES: [&str; 3] = ["NO", "SE", "DE"];
const SCOPES: [Scope; 4] =
    [Scope::SingleTenantApplication, Scope::MultiTenantApplication, Scope::ManagedIdentity, Scope::Beyond];

/// Values of the attribute `Ops.Zone`, and rules about it with what they say of such a value.
const ZONES: [Option<&str>; 3] = [None, Some("lab"), Some("production")];
type Says = fn(Option<&str>) -> bool;
const RULES: [(&str, Says); 4] = [
    (r#"CustomSecurityAttribute.Ops.Zone -eq "lab""#, |zone| zone == Some("lab")),
    (r#"CustomSecurityAttribute.Ops.Zone -ne "lab""#, |zone| zone != Some("lab")),
    (r#"CustomSecurityAttribute.Ops.Zone -startsWith "prod""#, |zone| zone == Some("production")),
    (r#"-not CustomSecurityAttribute.Ops.Zone -in ["lab","production"]"#, |zone| zone.is_none()),
];

fn id(kind: u128, number: usize) -> Uuid {
    Uuid::from_u128((kind << 64) + number as u128 + 1)
}

fn principal(number: usize) -> Uuid {
    id(1, number)
}

fn resource(number: usize) -> Uuid {
    id(2, number)
}

fn location(number: usize) -> Uuid {
    id(3, number)
}

#[derive(Clone, Debug)]
struct LocationSpec {
    is_trusted: bool,
    networks: Vec<(IpAddr, u8)>,
    countries: Vec<&'static str>,
    include_unknown: bool,
}

#[derive(Clone, Debug)]
struct PolicySpec {
    state: &'static str,
    everybody: bool,
    include: Vec<usize>,
    exclude: Vec<usize>,
    filter: Option<(&'static str, usize)>,
    scope: Vec<&'static str>,
    all_resources: bool,
    resources: Vec<usize>,
    not_resources: Vec<usize>,
    risk: Vec<&'static str>,
    places: Option<(PlacesSpec, PlacesSpec)>,
}

#[derive(Clone, Debug)]
struct PlacesSpec {
    keywords: Vec<&'static str>,
    named: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Request {
    principal: usize,
    scope: Scope,
    zone: Option<&'static str>,
    resource: usize,
    risk: Option<&'static str>,
    place: Place,
    place_at_resource: Option<Place>,
}

/// Few values for each part, so that networks overlap and addresses meet them.
fn address() -> impl Strategy<Value = IpAddr> {
    let octet = || select(vec![0_u8, 1, 127, 128, 255]);
    let v4 = (octet(), octet(), octet()).prop_map(|(a, b, c)| Ipv4Addr::new(10, a, b, c));
    let segment = || select(vec![0_u16, 1, 0x8000, 0xffff]);
    let v6 = (segment(), segment(), segment())
        .prop_map(|(a, b, c)| Ipv6Addr::new(0x2001, 0xdb8, a, 0, b, 0, 0, c).into());
    prop_oneof![v4.clone().prop_map(IpAddr::V4), v4.prop_map(|v4| IpAddr::V6(v4.to_ipv6_mapped())), v6]
}

fn network() -> impl Strategy<Value = (IpAddr, u8)> {
    (address(), 0_u8..=120).prop_map(|(address, more)| match address {
        IpAddr::V4(_) => (address, 8 + more % 25),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => (address, 104 + more % 25),
        IpAddr::V6(_) => (address, 8 + more),
    })
}

fn locations() -> impl Strategy<Value = Vec<LocationSpec>> {
    let networks =
        (any::<bool>(), prop::collection::vec(network(), 1..8)).prop_map(|(is_trusted, networks)| {
            LocationSpec { is_trusted, networks, countries: Vec::new(), include_unknown: false }
        });
    let countries =
        (subsequence(COUNTRIES.to_vec(), 1..=2), any::<bool>()).prop_map(|(countries, include_unknown)| {
            LocationSpec { is_trusted: false, networks: Vec::new(), countries, include_unknown }
        });
    prop::collection::vec(prop_oneof![2 => networks, 1 => countries], 1..9)
}

fn few(below: usize) -> impl Strategy<Value = Vec<usize>> {
    subsequence((0..below).collect::<Vec<_>>(), 0..=2)
}

fn places(locations: usize, min: usize) -> impl Strategy<Value = PlacesSpec> {
    let keywords = subsequence(vec!["All", "AllTrusted", "00000000-0000-0000-0000-000000000000"], min..=2);
    let named = subsequence((0..locations).collect::<Vec<_>>(), 0..=locations.min(3));
    prop_oneof![
        (keywords, named).prop_map(|(keywords, named)| PlacesSpec { keywords, named }),
        (0..locations).prop_map(|one| PlacesSpec { keywords: Vec::new(), named: vec![one] }),
    ]
}

fn policy(locations: usize) -> impl Strategy<Value = PolicySpec> {
    let filter = prop::option::of((select(vec!["include", "exclude"]), 0..RULES.len()));
    let scope = subsequence(vec!["multiTenantApplications", "managedIdentities"], 0..=2);
    let clients = (any::<bool>(), few(4), few(4), filter, scope);
    let risk = prop_oneof![Just(Vec::new()), subsequence(LEVELS.to_vec(), 1..=2)];
    let places = prop::option::of((places(locations, 1), places(locations, 0)));
    (select(STATES.to_vec()), clients, (any::<bool>(), few(3), few(3)), risk, places).prop_map(
        |(state, (everybody, include, exclude, filter, scope), applications, risk, places)| PolicySpec {
            state,
            // A policy must be about somebody and about something.
            everybody: everybody || include.is_empty(),
            include,
            exclude,
            filter,
            scope,
            all_resources: applications.0 || applications.1.is_empty(),
            resources: applications.1,
            not_resources: applications.2,
            risk,
            places,
        },
    )
}

fn place() -> impl Strategy<Value = Place> {
    let country = prop_oneof![
        Just(WhereCountry::NotSaid),
        Just(WhereCountry::Unknown),
        select(COUNTRIES.to_vec()).prop_map(|code| WhereCountry::Is(Country::parse(code).unwrap())),
    ];
    (prop::option::weighted(0.8, address()), country)
        .prop_map(|(address, country)| Place { address, country })
}

fn request() -> impl Strategy<Value = Request> {
    let risk = prop::option::weighted(0.8, select(vec!["none", "low", "medium", "high", "unavailable"]));
    let scope = prop_oneof![3 => Just(SCOPES[0]), 1 => select(SCOPES.to_vec())];
    let who = (0..4_usize, scope, select(ZONES.to_vec()));
    (who, 0..3_usize, risk, place(), prop::option::of(place())).prop_map(
        |((principal, scope, zone), resource, risk, place, place_at_resource)| Request {
            principal,
            scope,
            zone,
            resource,
            risk,
            place,
            place_at_resource,
        },
    )
}

type Case = (Vec<LocationSpec>, Vec<PolicySpec>, Vec<Request>);

fn case() -> impl Strategy<Value = Case> {
    locations().prop_flat_map(|locations| {
        let policies = prop::collection::vec(policy(locations.len()), 0..140);
        (Just(locations), policies, prop::collection::vec(request(), 8))
    })
}

// What the product reads.

fn location_json(at: usize, spec: &LocationSpec) -> Json {
    if spec.networks.is_empty() {
        return json!({
            "@odata.type": "#microsoft.graph.countryNamedLocation", "id": location(at), "displayName": "countries",
            "countriesAndRegions": spec.countries, "includeUnknownCountriesAndRegions": spec.include_unknown,
        });
    }
    let ranges: Vec<_> = spec
        .networks
        .iter()
        .map(|(address, prefix)| {
            let family = if address.is_ipv4() { 4 } else { 6 };
            json!({
                "@odata.type": format!("#microsoft.graph.iPv{family}CidrRange"),
                "cidrAddress": format!("{address}/{prefix}"),
            })
        })
        .collect();
    json!({
        "@odata.type": "#microsoft.graph.ipNamedLocation", "id": location(at), "displayName": "networks",
        "isTrusted": spec.is_trusted, "ipRanges": ranges,
    })
}

fn policy_json(at: usize, spec: &PolicySpec) -> Json {
    let ids = |numbers: &[usize], of: fn(usize) -> Uuid| -> Vec<String> {
        numbers.iter().map(|number| of(*number).to_string()).collect()
    };
    let with = |mut ids: Vec<String>, keyword: &str, is_named: bool| {
        ids.extend(is_named.then(|| keyword.to_owned()));
        ids
    };
    let places = |places: &PlacesSpec| {
        let mut names = ids(&places.named, location);
        names.extend(places.keywords.iter().map(ToString::to_string));
        names
    };
    json!({
        "id": id(4, at), "displayName": "policy", "state": spec.state,
        "conditions": {
            "clientApplications": {
                "includeServicePrincipals":
                    with(ids(&spec.include, principal), "ServicePrincipalsInMyTenant", spec.everybody),
                "excludeServicePrincipals": ids(&spec.exclude, principal),
                "servicePrincipalFilter":
                    spec.filter.map(|(mode, rule)| json!({"mode": mode, "rule": RULES[rule].0})),
                "countersignScope": spec.scope,
            },
            "applications": {
                "includeApplications": with(ids(&spec.resources, resource), "All", spec.all_resources),
                "excludeApplications": ids(&spec.not_resources, resource),
            },
            "servicePrincipalRiskLevels": spec.risk,
            "locations": spec.places.as_ref().map(|(include, exclude)| {
                json!({"includeLocations": places(include), "excludeLocations": places(exclude)})
            }),
        },
        "grantControls": {"operator": "OR", "builtInControls": ["block"]},
    })
}

// The slow evaluation. A condition is met, not met, or depends on what was not said.

fn any_of(found: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let found: Vec<_> = found.collect();
    if found.contains(&Some(true)) {
        return Some(true);
    }
    (!found.contains(&None)).then_some(false)
}

fn not(one: Option<bool>) -> Option<bool> {
    one.map(|one| !one)
}

/// The bits of an address, first to last.
fn bits(address: IpAddr) -> Vec<bool> {
    let octets = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet & (1 << bit) != 0)).collect()
}

fn is_in_network(address: IpAddr, (network, prefix): (IpAddr, u8)) -> bool {
    let (own, prefix) = match network.to_canonical() {
        own @ IpAddr::V4(_) if network.is_ipv6() => (own, prefix - 96),
        own => (own, prefix),
    };
    let address = address.to_canonical();
    address.is_ipv4() == own.is_ipv4() && bits(address).starts_with(&bits(own)[..usize::from(prefix)])
}

fn is_in_location(spec: &LocationSpec, place: Place) -> Option<bool> {
    if !spec.networks.is_empty() {
        let address = place.address?;
        return Some(spec.networks.iter().any(|network| is_in_network(address, *network)));
    }
    match place.country {
        WhereCountry::Is(country) => Some(spec.countries.contains(&country.as_str())),
        WhereCountry::Unknown => Some(spec.include_unknown),
        WhereCountry::NotSaid => None,
    }
}

fn is_in_places(places: &PlacesSpec, locations: &[LocationSpec], place: Place) -> Option<bool> {
    let named = places.named.iter().map(|at| is_in_location(&locations[*at], place));
    let keywords = places.keywords.iter().map(|keyword| match *keyword {
        "All" => Some(true),
        "AllTrusted" => any_of(
            locations
                .iter()
                .filter(|location| location.is_trusted)
                .map(|location| is_in_location(location, place)),
        ),
        _ => Some(false),
    });
    any_of(named.chain(keywords))
}

struct Expected {
    applies: bool,
    reasons: String,
    result: &'static str,
    satisfied: String,
    not_satisfied: String,
}

fn expected(policy: &PolicySpec, locations: &[LocationSpec], request: &Request) -> Expected {
    let reached = match request.scope {
        Scope::SingleTenantApplication => true,
        Scope::MultiTenantApplication => policy.scope.contains(&"multiTenantApplications"),
        Scope::ManagedIdentity => policy.scope.contains(&"managedIdentities"),
        Scope::Beyond => false,
    };
    let matches =
        |wanted| policy.filter.is_some_and(|(mode, rule)| mode == wanted && (RULES[rule].1)(request.zone));
    let included = policy.everybody || policy.include.contains(&request.principal) || matches("include");
    let excluded = policy.exclude.contains(&request.principal) || matches("exclude");
    let application = (policy.all_resources || policy.resources.contains(&request.resource))
        && !policy.not_resources.contains(&request.resource);
    let can_match = policy.risk.iter().any(|level| *level != "none");
    let risk = (!policy.risk.is_empty()).then(|| match request.risk {
        None if can_match => None,
        Some("unavailable") => Some(can_match),
        None | Some("none") => Some(false),
        Some(level) => Some(policy.risk.contains(&level)),
    });
    let place = policy.places.as_ref().map(|(include, exclude)| {
        let at = |place| {
            let excluded = is_in_places(exclude, locations, place);
            // Met where it is included and not excluded.
            not(any_of([not(is_in_places(include, locations, place)), excluded].into_iter()))
        };
        any_of([request.place].into_iter().chain(request.place_at_resource).map(at))
    });
    let mut conditions = Vec::new();
    if policy.state == "disabled" {
        conditions.push(("", Some(false), 16_384, "policyNotEnabled"));
    } else if !reached {
        conditions.push(("servicePrincipals", Some(false), 8, "workloadIdentities"));
    } else {
        conditions.push(("application", Some(application), 16, "application"));
        conditions.extend(place.map(|met| ("location", met, 1_024, "location")));
        conditions.push(("servicePrincipals", Some(included && !excluded), 8, "workloadIdentities"));
        conditions.extend(risk.map(|met| ("servicePrincipalRisk", met, 8, "workloadIdentities")));
    }
    let mut reasons: Vec<(i32, &str)> = conditions
        .iter()
        .filter_map(|(_, met, flag, reason)| match met {
            Some(true) => None,
            Some(false) => Some((*flag, *reason)),
            None => Some((1, "notEnoughInformation")),
        })
        .collect();
    reasons.sort_unstable();
    reasons.dedup();
    let names = |is_met: bool| {
        let names: Vec<&str> = conditions
            .iter()
            .filter(|(name, met, ..)| !name.is_empty() && (*met == Some(true)) == is_met)
            .map(|(name, ..)| *name)
            .collect();
        if names.is_empty() { "none".to_owned() } else { names.join(",") }
    };
    let applies = reasons.is_empty();
    let reasons: Vec<&str> = reasons.into_iter().map(|(_, reason)| reason).collect();
    Expected {
        applies,
        reasons: if applies { "notSet".to_owned() } else { reasons.join(",") },
        result: match (policy.state, applies) {
            ("disabled", _) => "notEnabled",
            ("enabled", true) => "failure",
            ("enabled", false) => "notApplied",
            (_, true) => "reportOnlyFailure",
            (_, false) => "reportOnlyNotApplied",
        },
        satisfied: names(true),
        not_satisfied: names(false),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_compiled_evaluation_is_the_slow_one((locations, policies, requests) in case()) {
        let read: Vec<_> = locations
            .iter()
            .enumerate()
            .map(|(at, spec)| NamedLocation::read(location_json(at, spec).as_object().unwrap()).unwrap())
            .collect();
        let compiled: Vec<_> = policies
            .iter()
            .enumerate()
            .map(|(at, spec)| Policy::read(policy_json(at, spec).as_object().unwrap()).unwrap())
            .collect();
        let snapshot = Snapshot::compile(&compiled, &read).unwrap();
        for request in &requests {
            let attributes = request.zone.map_or(json!({}), |zone| json!({"Ops": {"Zone": zone}}));
            let attributes = Attributes::read(attributes.as_object().unwrap());
            let risk = match request.risk {
                None => Risk::NotSaid,
                Some("none") => Risk::Level(RiskLevel::None),
                Some("low") => Risk::Level(RiskLevel::Low),
                Some("medium") => Risk::Level(RiskLevel::Medium),
                Some("high") => Risk::Level(RiskLevel::High),
                Some(_) => Risk::Unavailable,
            };
            let evaluation = snapshot.evaluate(&SignIn {
                principal: Principal {
                    id: principal(request.principal), scope: request.scope, attributes: &attributes,
                },
                resource: resource(request.resource),
                risk,
                place: request.place,
                place_at_resource: request.place_at_resource,
            });
            let mut blocking = Vec::new();
            for (at, (outcome, policy)) in evaluation.outcomes().zip(&policies).enumerate() {
                let expected = expected(policy, &locations, request);
                let shown = format!("{policy:?}\n{locations:?}\n{request:?}");
                prop_assert_eq!(outcome.applies, expected.applies, "{}", shown);
                prop_assert_eq!(outcome.reasons.to_string(), expected.reasons, "{}", shown);
                prop_assert_eq!(outcome.result(), expected.result, "{}", shown);
                prop_assert_eq!(outcome.satisfied.to_string(), expected.satisfied, "{}", shown);
                prop_assert_eq!(outcome.not_satisfied.to_string(), expected.not_satisfied, "{}", shown);
                blocking.extend((expected.result == "failure").then(|| id(4, at)));
            }
            prop_assert_eq!(evaluation.outcomes().count(), policies.len());
            prop_assert_eq!(evaluation.is_blocked(), !blocking.is_empty());
            prop_assert_eq!(evaluation.status(), if blocking.is_empty() { "notApplied" } else { "failure" });
            prop_assert_eq!(evaluation.blocking().collect::<Vec<_>>(), blocking);
        }
    }
}
