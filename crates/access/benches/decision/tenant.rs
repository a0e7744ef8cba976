//! A made-up tenant for the benchmark and for the test that counts allocations: policies as organisations have them, and
//! sign-ins from everywhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use countersign_access::evaluate::{Place, Risk, SignIn, WhereCountry};
use countersign_access::location::NamedLocation;
use countersign_access::policy::Policy;
use countersign_access::principal::{Attributes, Principal, Scope};
use countersign_access::snapshot::Snapshot;
use countersign_model::risk::RiskLevel;
use countersign_model::source::Country;
use serde_json::{Value as Json, json};
use uuid::Uuid;

/// Principals that policies name.
const PRINCIPALS: u32 = 2_000;
/// Locations of networks, each with as many ranges.
const NETWORKS: u32 = 20;
const RANGES: u32 = 100;
const COUNTRIES: [&str; 6] = ["NO", "SE", "FI", "DK", "DE", "US"];
const ZONES: [&str; 8] = ["lab", "test", "edge", "core", "pay", "tax", "web", "dmz"];

/// A tenant.
pub(crate) struct Tenant {
    /// What is decided by.
    pub(crate) snapshot: Snapshot,
    policies: Vec<Policy>,
    locations: Vec<NamedLocation>,
    attributes: Vec<Attributes>,
}

/// The object id of a principal.
pub(crate) fn principal(number: u32) -> Uuid {
    // Spread, as GUIDs are.
    Uuid::from_u128(u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

fn resource(number: u32) -> Uuid {
    principal(number + 1_000_000)
}

fn location(number: u32) -> Uuid {
    principal(number + 2_000_000)
}

fn network(number: u32, range: u32) -> Json {
    let position = number * RANGES + range;
    // Every tenth range lies in the one of another location, every eighth is of IPv6.
    if position % 8 == 7 {
        let address = Ipv6Addr::new(0x2001, 0xdb8, position as u16, 0, 0, 0, 0, 1);
        return json!({"@odata.type": "#microsoft.graph.iPv6CidrRange", "cidrAddress": format!("{address}/48")});
    }
    let prefix = if position % 10 == 9 { 16 } else { 24 };
    let address = Ipv4Addr::from((20 << 24) + (position << 10));
    json!({"@odata.type": "#microsoft.graph.iPv4CidrRange", "cidrAddress": format!("{address}/{prefix}")})
}

fn locations() -> Vec<NamedLocation> {
    let networks = (0..NETWORKS).map(|number| {
        let ranges: Vec<_> = (0..RANGES).map(|range| network(number, range)).collect();
        json!({
            "@odata.type": "#microsoft.graph.ipNamedLocation", "id": location(number), "displayName": "network",
            "isTrusted": number.is_multiple_of(4), "ipRanges": ranges,
        })
    });
    let countries = (0..4).map(|number| {
        json!({
            "@odata.type": "#microsoft.graph.countryNamedLocation", "id": location(NETWORKS + number),
            "displayName": "countries", "countriesAndRegions": COUNTRIES[number as usize..][..3],
            "includeUnknownCountriesAndRegions": number == 0,
        })
    });
    networks.chain(countries).map(|json| NamedLocation::read(json.as_object().unwrap()).unwrap()).collect()
}

/// Every kind in its turn: ids, everybody outside trusted networks, risk, countries, attributes, one resource.
fn policy(number: u32) -> Policy {
    let few =
        |step: u32| (0..5).map(|at| principal((number * 7 + at * step) % PRINCIPALS)).collect::<Vec<_>>();
    let everybody = json!({
        "includeServicePrincipals": ["ServicePrincipalsInMyTenant"], "excludeServicePrincipals": few(3),
    });
    let named = json!({"includeServicePrincipals": few(11)});
    let zone = ZONES[(number / 6) as usize % ZONES.len()];
    let filtered = json!({
        "includeServicePrincipals": [],
        "servicePrincipalFilter": {"mode": "include", "rule": format!("CustomSecurityAttribute.Ops.Zone -eq \"{zone}\"")},
    });
    let risk = json!(["high", "medium"]);
    let outside =
        json!({"includeLocations": ["All"], "excludeLocations": ["AllTrusted", location(number % NETWORKS)]});
    let countries = json!({"includeLocations": [location(NETWORKS + number % 4)], "excludeLocations": []});
    let (clients, risk, locations) = match number % 6 {
        0 => (named, json!([]), outside),
        1 => (everybody, risk, Json::Null),
        2 => (filtered, risk, countries),
        3 => (named, json!([]), countries),
        4 => (everybody, risk, outside),
        _ => (filtered, json!([]), Json::Null),
    };
    let applications = if number.is_multiple_of(3) { json!([resource(number % 5)]) } else { json!(["All"]) };
    let json = json!({
        "id": principal(number + 3_000_000), "displayName": "policy",
        "state": if number % 5 == 4 { "enabledForReportingButNotEnforced" } else { "enabled" },
        "conditions": {
            "applications": {"includeApplications": applications}, "clientApplications": clients,
            "servicePrincipalRiskLevels": risk, "locations": locations,
        },
        "grantControls": {"operator": "OR", "builtInControls": ["block"]},
    });
    Policy::read(json.as_object().unwrap()).unwrap()
}

impl Tenant {
    /// A tenant with as many policies, and 2,000 ranges in 20 locations.
    pub(crate) fn with_policies(count: u32) -> Tenant {
        // Half of the principals have attributes.
        let attributes = (0..64_usize)
            .map(|number| {
                let zone = ZONES[number / 2 % ZONES.len()];
                let json = json!({"Ops": {"Teams": ["a", "b"], "Zone": zone}});
                json.as_object().filter(|_| number % 2 == 1).map(Attributes::read).unwrap_or_default()
            })
            .collect();
        let policies = (0..count).map(policy).collect();
        let mut tenant =
            Tenant { snapshot: Snapshot::default(), policies, locations: locations(), attributes };
        tenant.snapshot = tenant.compile();
        tenant
    }

    /// What a change of a policy costs.
    pub(crate) fn compile(&self) -> Snapshot {
        Snapshot::compile(&self.policies, &self.locations).unwrap()
    }

    /// Sign-ins of many principals from many places, most of them at no risk.
    pub(crate) fn sign_ins(&self) -> Vec<SignIn<'_>> {
        let sign_in = |number: u32| {
            let mixed = number.wrapping_mul(2_654_435_761);
            let address: IpAddr = match number % 8 {
                7 => Ipv6Addr::new(0x2001, 0xdb8, (mixed % 2_000) as u16, 0, 0, 0, 0, 9).into(),
                _ => Ipv4Addr::from((20 << 24) + mixed % (2_000 << 10)).into(),
            };
            SignIn {
                principal: Principal {
                    id: principal(mixed % (2 * PRINCIPALS)),
                    scope: Scope::SingleTenantApplication,
                    attributes: &self.attributes[(mixed >> 8) as usize % self.attributes.len()],
                },
                resource: resource(mixed % 7),
                risk: match number % 16 {
                    0 => Risk::Level(RiskLevel::High),
                    1 => Risk::Unavailable,
                    _ => Risk::Level(RiskLevel::None),
                },
                place: Place {
                    address: Some(address),
                    country: match number % 4 {
                        3 => WhereCountry::Unknown,
                        _ => WhereCountry::Is(Country::parse(COUNTRIES[number as usize % 6]).unwrap()),
                    },
                },
                place_at_resource: None,
            }
        };
        (0..4_096).map(sign_in).collect()
    }
}
