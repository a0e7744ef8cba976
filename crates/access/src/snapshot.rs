//! A tenant's policies and locations, compiled: everything that a decision looks up, in the form in which it is looked up.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::BitOrAssign;

use countersign_model::risk::RiskLevel;
use countersign_model::source::Country;
use uuid::Uuid;

use crate::bits::Bits;
use crate::evaluate::{Evaluation, Known, Place, Risk, SignIn, WhereCountry};
use crate::location::{Area, NamedLocation};
use crate::network::{LOCATION_BITS, Networks};
use crate::policy::{Extension, FilterMode, POLICIES_MAX, Places, Policy, State};
use crate::principal::{Principal, Scope};
use crate::rule::Rule;

/// Policies of a tenant, by the order in which they were compiled.
pub(crate) type PolicySet = Bits<{ POLICIES_MAX / 64 }>;

/// The policies and named locations of one tenant at one moment. Compiled once for each change and then only read.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    policies: Vec<Listed>,
    /// Not disabled.
    live: PolicySet,
    enabled: PolicySet,
    reach: Reach,
    clients: Clients,
    applications: Applications,
    risk: RiskConditions,
    places: PlaceConditions,
}

/// What is told of a policy beside what it decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: Uuid,
    /// `displayName`.
    pub display_name: String,
    /// `state`.
    pub state: State,
}

/// Why policies cannot be compiled. Whoever decides by them has to refuse, until they can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// More than [`POLICIES_MAX`].
    #[error("there are {0} policies, and at most {POLICIES_MAX} can be evaluated")]
    TooManyPolicies(usize),
    /// More than fit into a set of locations.
    #[error("there are {0} named locations, and at most {LOCATION_BITS} can be evaluated")]
    TooManyLocations(usize),
    /// A policy names a location that is not there. Without it the policy would say something else.
    #[error("policy `{policy}` names the location `{location}`, which does not exist")]
    UnknownLocation {
        /// The policy.
        policy: Uuid,
        /// The location.
        location: Uuid,
    },
}

/// The policies that name somebody or something, on either side.
#[derive(Clone, Copy, Debug, Default)]
struct Sides {
    include: PolicySet,
    exclude: PolicySet,
}

impl BitOrAssign for Sides {
    fn bitor_assign(&mut self, other: Sides) {
        self.include |= other.include;
        self.exclude |= other.exclude;
    }
}

/// A sorted map that is only read. The keys stand together, so that a search touches few lines of memory.
#[derive(Clone, Debug)]
struct Lookup<K> {
    keys: Vec<K>,
    sides: Vec<Sides>,
}

impl<K: Ord> Lookup<K> {
    fn new(map: BTreeMap<K, Sides>) -> Self {
        let (keys, sides) = map.into_iter().unzip();
        Lookup { keys, sides }
    }

    fn get(&self, key: &K) -> Sides {
        self.keys.binary_search(key).map_or(Sides::default(), |at| self.sides[at])
    }
}

impl<K> Default for Lookup<K> {
    fn default() -> Self {
        Lookup { keys: Vec::new(), sides: Vec::new() }
    }
}

/// Which policies reach whom.
#[derive(Clone, Debug, Default)]
struct Reach {
    everyone: PolicySet,
    multi_tenant: PolicySet,
    managed: PolicySet,
}

/// Whom policies are about.
#[derive(Clone, Debug, Default)]
struct Clients {
    everybody: PolicySet,
    by_id: Lookup<Uuid>,
    /// Each distinct rule once.
    rules: Vec<CompiledRule>,
}

#[derive(Clone, Debug)]
struct CompiledRule {
    rule: Rule,
    sides: Sides,
}

/// Which resources policies are about.
#[derive(Clone, Debug, Default)]
struct Applications {
    all: PolicySet,
    by_app_id: Lookup<Uuid>,
}

/// At which risk policies apply.
#[derive(Clone, Debug, Default)]
struct RiskConditions {
    /// Without a condition.
    any: PolicySet,
    low: PolicySet,
    medium: PolicySet,
    high: PolicySet,
}

/// From where policies apply.
#[derive(Clone, Debug, Default)]
struct PlaceConditions {
    /// Without a condition.
    any: PolicySet,
    /// Those that name `All`.
    everywhere: Sides,
    /// For each location the policies that name it, by itself or as one of the trusted.
    by_location: Vec<Sides>,
    networks: Networks,
    countries: Lookup<Country>,
    unknown_country: Sides,
    /// Those whose decision needs an address, and those whose decision needs a country.
    needs_address: Sides,
    needs_country: Sides,
}

impl Snapshot {
    /// Compiles the policies of a tenant, in the order in which they are told, and the locations that there are.
    pub fn compile(policies: &[Policy], locations: &[NamedLocation]) -> Result<Snapshot, CompileError> {
        if policies.len() > POLICIES_MAX {
            return Err(CompileError::TooManyPolicies(policies.len()));
        }
        if locations.len() > LOCATION_BITS {
            return Err(CompileError::TooManyLocations(locations.len()));
        }
        let mut snapshot = Snapshot::default();
        let mut clients: BTreeMap<Uuid, Sides> = BTreeMap::new();
        let mut applications: BTreeMap<Uuid, Sides> = BTreeMap::new();
        for (at, policy) in policies.iter().enumerate() {
            snapshot.policies.push(Listed {
                id: policy.id,
                display_name: policy.display_name.clone(),
                state: policy.state,
            });
            if policy.state != State::Disabled {
                snapshot.live.insert(at);
            }
            if policy.state == State::Enabled {
                snapshot.enabled.insert(at);
            }
            snapshot.reach.add(at, policy);
            snapshot.clients.add(at, policy, &mut clients);
            snapshot.applications.add(at, policy, &mut applications);
            snapshot.risk.add(at, policy);
        }
        snapshot.clients.by_id = Lookup::new(clients);
        snapshot.applications.by_app_id = Lookup::new(applications);
        snapshot.places = PlaceConditions::compile(policies, locations)?;
        Ok(snapshot)
    }

    /// The policies, in the order in which they were compiled.
    pub fn policies(&self) -> &[Listed] {
        &self.policies
    }

    /// Whether an enabled policy is about a level of risk, so that reaching it ends the tokens of before.
    pub fn is_level_enforced(&self, level: RiskLevel) -> bool {
        !((self.risk.of(Risk::Level(level)).met - self.risk.any) & self.enabled).is_empty()
    }

    /// Which policies apply to a sign-in.
    pub fn evaluate(&self, sign_in: &SignIn<'_>) -> Evaluation<'_> {
        let in_reach = self.reach.of(sign_in.principal.scope);
        let clients = self.clients.of(&sign_in.principal, in_reach & self.live);
        let application = self.applications.of(sign_in.resource);
        let risk = self.risk.of(sign_in.risk);
        let mut place = self.places.of(sign_in.place);
        if let Some(other) = sign_in.place_at_resource {
            // Both places must be allowed, so a policy applies that applies at either.
            let other = self.places.of(other);
            place = Known { met: place.met | other.met, unknown: place.unknown | other.unknown };
            place.unknown = place.unknown - place.met;
        }
        let applies = self.live & in_reach & clients & application & risk.met & place.met;
        Evaluation { snapshot: self, in_reach, clients, application, risk, place, applies }
    }

    pub(crate) fn is_live(&self, at: usize) -> bool {
        self.live.contains(at)
    }

    pub(crate) fn enabled(&self) -> PolicySet {
        self.enabled
    }

    /// Policies with a condition on the risk.
    pub(crate) fn is_about_risk(&self, at: usize) -> bool {
        !self.risk.any.contains(at)
    }

    /// Policies with a condition on the place.
    pub(crate) fn is_about_place(&self, at: usize) -> bool {
        !self.places.any.contains(at)
    }
}

impl Reach {
    fn add(&mut self, at: usize, policy: &Policy) {
        self.everyone.insert(at);
        for extension in &policy.clients.scope {
            match extension {
                Extension::MultiTenantApplications => self.multi_tenant.insert(at),
                Extension::ManagedIdentities => self.managed.insert(at),
            }
        }
    }

    fn of(&self, scope: Scope) -> PolicySet {
        match scope {
            Scope::SingleTenantApplication => self.everyone,
            Scope::MultiTenantApplication => self.multi_tenant,
            Scope::ManagedIdentity => self.managed,
            Scope::Beyond => PolicySet::NONE,
        }
    }
}

impl Clients {
    fn add(&mut self, at: usize, policy: &Policy, by_id: &mut BTreeMap<Uuid, Sides>) {
        let clients = &policy.clients;
        if clients.includes_everybody {
            self.everybody.insert(at);
        }
        for id in &clients.include {
            by_id.entry(*id).or_default().include.insert(at);
        }
        for id in &clients.exclude {
            by_id.entry(*id).or_default().exclude.insert(at);
        }
        let Some(filter) = &clients.filter else { return };
        let known = self.rules.iter().position(|compiled| compiled.rule == filter.rule);
        let index = known.unwrap_or_else(|| {
            self.rules.push(CompiledRule { rule: filter.rule.clone(), sides: Sides::default() });
            self.rules.len() - 1
        });
        let sides = &mut self.rules[index].sides;
        match filter.mode {
            FilterMode::Include => sides.include.insert(at),
            FilterMode::Exclude => sides.exclude.insert(at),
        }
    }

    /// The policies that are about somebody, out of those that matter. Rules are slower than ids, so a rule is asked only
    /// where its answer makes a difference to one of these.
    fn of(&self, principal: &Principal<'_>, matter: PolicySet) -> PolicySet {
        let named = self.by_id.get(&principal.id);
        let mut included = self.everybody | named.include;
        let mut excluded = named.exclude;
        for CompiledRule { rule, sides } in &self.rules {
            // A policy has one filter, so whom one with an excluding filter includes is known by now.
            let open = (sides.include - included) | (sides.exclude & included);
            if !((open & matter) - excluded).is_empty() && rule.matches(principal.attributes) {
                included |= sides.include;
                excluded |= sides.exclude;
            }
        }
        included - excluded
    }
}

impl Applications {
    fn add(&mut self, at: usize, policy: &Policy, by_app_id: &mut BTreeMap<Uuid, Sides>) {
        let applications = &policy.applications;
        if applications.includes_all {
            self.all.insert(at);
        }
        for id in &applications.include {
            by_app_id.entry(*id).or_default().include.insert(at);
        }
        for id in &applications.exclude {
            by_app_id.entry(*id).or_default().exclude.insert(at);
        }
    }

    fn of(&self, resource: Uuid) -> PolicySet {
        let named = self.by_app_id.get(&resource);
        (self.all | named.include) - named.exclude
    }
}

impl RiskConditions {
    fn add(&mut self, at: usize, policy: &Policy) {
        if policy.risk_levels.is_empty() {
            self.any.insert(at);
        }
        for level in &policy.risk_levels {
            match level {
                // Whoever is at no risk is not risky: this level never matches.
                RiskLevel::None => {}
                RiskLevel::Low => self.low.insert(at),
                RiskLevel::Medium => self.medium.insert(at),
                RiskLevel::High => self.high.insert(at),
            }
        }
    }

    fn of(&self, risk: Risk) -> Known {
        let any_level = self.low | self.medium | self.high;
        match risk {
            Risk::Level(RiskLevel::None) => Known::met(self.any),
            Risk::Level(RiskLevel::Low) => Known::met(self.any | self.low),
            Risk::Level(RiskLevel::Medium) => Known::met(self.any | self.medium),
            Risk::Level(RiskLevel::High) => Known::met(self.any | self.high),
            // It may be any level, and so it is the one that the policy is about.
            Risk::Unavailable => Known::met(self.any | any_level),
            Risk::NotSaid => Known { met: self.any, unknown: any_level },
        }
    }
}

impl PlaceConditions {
    fn compile(policies: &[Policy], locations: &[NamedLocation]) -> Result<PlaceConditions, CompileError> {
        let numbers = Numbers::of(locations);
        let mut conditions = PlaceConditions {
            by_location: vec![Sides::default(); locations.len()],
            ..PlaceConditions::default()
        };
        for (at, policy) in policies.iter().enumerate() {
            let Some(wanted) = &policy.locations else {
                conditions.any.insert(at);
                continue;
            };
            let unknown = |location| CompileError::UnknownLocation { policy: policy.id, location };
            for location in numbers.find(&wanted.include).map_err(unknown)? {
                conditions.by_location[location].include.insert(at);
            }
            for location in numbers.find(&wanted.exclude).map_err(unknown)? {
                conditions.by_location[location].exclude.insert(at);
            }
            if wanted.include.everywhere {
                conditions.everywhere.include.insert(at);
            }
            if wanted.exclude.everywhere {
                conditions.everywhere.exclude.insert(at);
            }
        }
        conditions.place(locations);
        Ok(conditions)
    }

    /// Turns locations into what addresses and countries are looked up in.
    fn place(&mut self, locations: &[NamedLocation]) {
        let mut networks = Vec::new();
        let mut countries: BTreeMap<Country, Sides> = BTreeMap::new();
        for (at, (location, sides)) in locations.iter().zip(&self.by_location).enumerate() {
            match &location.area {
                Area::Networks { networks: own, .. } => {
                    networks.extend(own.iter().map(|network| (*network, at)));
                    self.needs_address |= *sides;
                }
                Area::Countries { countries: own, include_unknown } => {
                    for country in own {
                        *countries.entry(*country).or_default() |= *sides;
                    }
                    if *include_unknown {
                        self.unknown_country |= *sides;
                    }
                    self.needs_country |= *sides;
                }
            }
        }
        self.networks = Networks::new(&networks);
        self.countries = Lookup::new(countries);
    }

    fn of(&self, place: Place) -> Known {
        let (mut here, mut maybe) = (self.everywhere, Sides::default());
        match place.address {
            Some(address) => here |= self.at(address),
            None => maybe |= self.needs_address,
        }
        match place.country {
            WhereCountry::Is(country) => here |= self.countries.get(&country),
            WhereCountry::Unknown => here |= self.unknown_country,
            WhereCountry::NotSaid => maybe |= self.needs_country,
        }
        // What is not said may lie on either side. The condition is met if it is met whatever that may be, and unknown if
        // it depends on it.
        let met = here.include - (here.exclude | maybe.exclude);
        let possible = (here.include | maybe.include) - here.exclude;
        Known { met: met | self.any, unknown: possible - met }
    }

    fn at(&self, address: IpAddr) -> Sides {
        let mut sides = Sides::default();
        for location in self.networks.locations(address).iter() {
            sides |= self.by_location[location];
        }
        sides
    }
}

/// Named locations by the order in which they are compiled.
struct Numbers {
    by_id: BTreeMap<Uuid, usize>,
    trusted: Vec<usize>,
}

impl Numbers {
    fn of(locations: &[NamedLocation]) -> Numbers {
        let numbered = || locations.iter().enumerate();
        Numbers {
            by_id: numbered().map(|(at, location)| (location.id, at)).collect(),
            trusted: numbered().filter(|(_, location)| location.is_trusted()).map(|(at, _)| at).collect(),
        }
    }

    /// The locations that a policy names; an id that is not among them is the error.
    fn find(&self, places: &Places) -> Result<Vec<usize>, Uuid> {
        let named = places.named.iter().map(|id| self.by_id.get(id).copied().ok_or(*id));
        let trusted = self.trusted.iter().filter(|_| places.trusted).map(|at| Ok(*at));
        named.chain(trusted).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(location: Option<Uuid>) -> Policy {
        let mut json = json!({
            "id": "0000d001-1111-4111-8111-111111111111", "displayName": "name", "state": "enabled",
            "conditions": {
                "applications": {"includeApplications": ["All"]},
                "clientApplications": {"includeServicePrincipals": ["ServicePrincipalsInMyTenant"]},
            },
            "grantControls": {"operator": "OR", "builtInControls": ["block"]},
        });
        if let Some(location) = location {
            json["conditions"]["locations"] =
                json!({"includeLocations": ["All"], "excludeLocations": [location]});
        }
        Policy::read(json.as_object().unwrap()).unwrap()
    }

    #[test]
    fn levels_that_an_enabled_policy_is_about() {
        let mut risky = policy(None);
        risky.risk_levels = vec![RiskLevel::None, RiskLevel::Medium];
        let levels = [RiskLevel::None, RiskLevel::Low, RiskLevel::Medium, RiskLevel::High];
        for (state, expected) in [
            (State::Enabled, [false, false, true, false]),
            (State::ReportOnly, [false; 4]),
            (State::Disabled, [false; 4]),
        ] {
            risky.state = state;
            let snapshot = Snapshot::compile(&[policy(None), risky.clone()], &[]).unwrap();
            assert_eq!(levels.map(|level| snapshot.is_level_enforced(level)), expected, "{state:?}");
        }
    }

    #[test]
    fn what_cannot_be_evaluated_is_not_compiled() {
        assert!(Snapshot::compile(&vec![policy(None); POLICIES_MAX], &[]).is_ok());
        let error = Snapshot::compile(&vec![policy(None); POLICIES_MAX + 1], &[]).unwrap_err();
        assert_eq!(error, CompileError::TooManyPolicies(POLICIES_MAX + 1));
        let location = Uuid::from_u128(7);
        let error = Snapshot::compile(&[policy(Some(location))], &[]).unwrap_err();
        assert_eq!(error, CompileError::UnknownLocation { policy: policy(None).id, location });
        let area = Area::Countries { countries: vec![Country(*b"NO")], include_unknown: false };
        let norway = NamedLocation { id: location, display_name: "Norway".to_owned(), area };
        assert!(Snapshot::compile(&[policy(Some(location))], std::slice::from_ref(&norway)).is_ok());
        let error = Snapshot::compile(&[], &vec![norway; LOCATION_BITS + 1]).unwrap_err();
        assert_eq!(error, CompileError::TooManyLocations(LOCATION_BITS + 1));
    }
}
