//! Who there is: the workload identities of a tenant, each with its habits.
//!
//! Parameters are drawn wide for each principal, so that no two principals of an archetype are alike.

use std::collections::HashMap;

use crate::calendar::{Recurrence, Schedule, Zone};
use crate::catalogue::{self, Agent, COMPONENTS, DUTIES, GRAPH, GRAPH_ROLES, RESOURCE_MANAGER};
use crate::envelopes::{Credential, CredentialKind};
use crate::json::Guid;
use crate::look_alikes::Change;
use crate::networks::{Address, NetworkKind, draw_near, draw_v4, hosted_runner};
use crate::parameters::Parameters;
use crate::rng::{Rng, mix_all};
use crate::tenant::Tenant;
use crate::traffic::Traffic;

/// How a workload lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Archetype {
    /// A service on one or two addresses that renews its token all day.
    SteadyPoller,
    /// The same with long-lived tokens: about one sign-in a day.
    CaePoller,
    /// An identity of an Azure resource; its sign-ins carry no address.
    ManagedIdentity,
    /// A service on a pool of addresses.
    Pool,
    /// Pipelines on runners of a hosting provider: a new address nearly each run.
    HostedCi,
    /// Pipelines on own runners.
    SelfHostedCi,
    /// Daily, weekly or monthly jobs.
    ScheduledJob,
    /// A vendor's service that works on the tenant's data.
    SaasVendor,
    /// Scripts that a developer runs by hand.
    HandRun,
    /// Made by an attacker.
    Planted,
}

impl Archetype {
    /// Its name in the truth.
    pub fn name(self) -> &'static str {
        match self {
            Archetype::SteadyPoller => "steadyPoller",
            Archetype::CaePoller => "caePoller",
            Archetype::ManagedIdentity => "managedIdentity",
            Archetype::Pool => "pool",
            Archetype::HostedCi => "hostedCi",
            Archetype::SelfHostedCi => "selfHostedCi",
            Archetype::ScheduledJob => "scheduledJob",
            Archetype::SaasVendor => "saasVendor",
            Archetype::HandRun => "handRun",
            Archetype::Planted => "planted",
        }
    }
}

/// How common each archetype is; relative weights.
///
/// No public figure exists. These follow an assumption: 55 to 60 % with one or two addresses, 10 % pools, 15 %
/// hosted and 5 % own pipelines, 12 % weekly or monthly jobs, 8 % vendors, 5 % hand-run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Shares {
    pub steady_poller: u32,
    pub cae_poller: u32,
    pub managed_identity: u32,
    pub pool: u32,
    pub hosted_ci: u32,
    pub self_hosted_ci: u32,
    pub scheduled_job: u32,
    pub saas_vendor: u32,
    pub hand_run: u32,
}

impl Default for Shares {
    fn default() -> Self {
        Shares {
            steady_poller: 38,
            cae_poller: 7,
            managed_identity: 12,
            pool: 10,
            hosted_ci: 15,
            self_hosted_ci: 5,
            scheduled_job: 12,
            saas_vendor: 8,
            hand_run: 5,
        }
    }
}

impl Shares {
    fn draw(&self, rng: &mut Rng) -> Archetype {
        const ORDER: [Archetype; 9] = [
            Archetype::SteadyPoller,
            Archetype::CaePoller,
            Archetype::ManagedIdentity,
            Archetype::Pool,
            Archetype::HostedCi,
            Archetype::SelfHostedCi,
            Archetype::ScheduledJob,
            Archetype::SaasVendor,
            Archetype::HandRun,
        ];
        let weights = [
            self.steady_poller,
            self.cae_poller,
            self.managed_identity,
            self.pool,
            self.hosted_ci,
            self.self_hosted_ci,
            self.scheduled_job,
            self.saas_vendor,
            self.hand_run,
        ];
        ORDER[rng.weighted(&weights)]
    }
}

/// Where a principal works, for what moves several of them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    /// Behind the egress address of an office.
    Office(usize),
    /// In a cloud region of the tenant.
    Region(usize),
    /// At a vendor.
    Vendor(usize),
    /// Elsewhere.
    Other,
}

/// Addresses of a principal.
#[derive(Clone, Debug)]
pub(crate) enum Sources {
    /// Each instance keeps its own.
    Fixed(Vec<Address>),
    /// Any of them each time.
    Pool(Vec<Address>),
    /// A new one each time, from the ranges of GitHub's runners.
    HostedRunners,
}

impl Sources {
    pub(crate) fn draw(&self, run: u16, rng: &mut Rng) -> Address {
        match self {
            Sources::Fixed(addresses) => addresses[usize::from(run) % addresses.len()],
            Sources::Pool(addresses) => *rng.pick(addresses),
            Sources::HostedRunners => hosted_runner(rng),
        }
    }
}

/// One workload identity.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    /// Seeds all of its chance.
    pub(crate) key: u64,
    pub(crate) archetype: Archetype,
    pub(crate) name: String,
    pub(crate) id: Guid,
    pub(crate) app: Guid,
    /// Object id of the application, which audit records name.
    pub(crate) application: Guid,
    pub(crate) owner_tenant: Guid,
    pub(crate) azure_resource: String,
    pub(crate) zone: Zone,
    pub(crate) site: Site,
    pub(crate) schedule: Schedule,
    pub(crate) sources: Sources,
    pub(crate) agent: Agent,
    pub(crate) resources: Vec<u8>,
    pub(crate) credential: Credential,
    /// Application roles in Microsoft Graph, as the token's claim lists them.
    pub(crate) roles: String,
    /// Its calls of directory APIs, if it makes some.
    pub(crate) traffic: Option<Traffic>,
    /// An old copy of it somewhere keeps trying with a secret that has ended.
    pub(crate) forgotten_copy: bool,
    /// When it was first deployed; no sign-ins before.
    pub(crate) born: i64,
    /// What changes in its life, by look-alike episodes.
    pub(crate) changes: Vec<Change>,
}

impl Principal {
    pub(crate) fn new(parameters: &Parameters, tenant: &Tenant, index: u32) -> Self {
        let key = mix_all(&[parameters.seed, 0x9a1c, u64::from(index)]);
        let mut rng = Rng::of(&[key]);
        let archetype = parameters.shares.draw(&mut rng);
        let (site, mut sources) = draw_site(archetype, tenant, &mut rng);
        let name = draw_name(archetype, site, tenant, &mut rng);
        let mut schedule = draw_schedule(archetype, &mut rng);
        if let (
            Schedule::Polls { instances, .. } | Schedule::LongLived { instances },
            Sources::Fixed(addresses),
        ) = (&mut schedule, &mut sources)
        {
            addresses.truncate(usize::from(*instances).max(1));
        }
        if let Some(per_mille) = parameters.sign_ins_per_mille() {
            schedule = Schedule::Evenly { per_mille };
        }
        let id = Guid::from_seed(rng.next());
        let app = Guid::from_seed(rng.next());
        let resources = match archetype {
            Archetype::HostedCi | Archetype::SelfHostedCi if rng.per_mille(700) => vec![RESOURCE_MANAGER],
            _ => catalogue::draw_resources(&mut rng),
        };
        let agent = match archetype {
            Archetype::HandRun => Agent::draw_tool(&mut rng),
            _ => Agent::draw(&mut rng),
        };
        let mut roles: Vec<&str> = (0..rng.between(1, 3)).map(|_| rng.pick(GRAPH_ROLES).0).collect();
        let scale = parameters.calls_per_mille();
        let exact = parameters.sign_ins_per_mille().is_some();
        let mut traffic_rng = Rng::of(&[key, 0x7aff]);
        let traffic = Traffic::of(archetype, resources.contains(&GRAPH), scale, exact, &mut traffic_rng);
        if let Some(traffic) = &traffic {
            // Most hold what they need, some what was granted to be on the safe side.
            roles.truncate(usize::from(traffic_rng.per_mille(250)));
            roles.extend(traffic.duty.roles.split(' '));
        }
        roles.sort_unstable();
        roles.dedup();
        Principal {
            key,
            archetype,
            id,
            app,
            application: Guid::from_seed(rng.next()),
            owner_tenant: match site {
                // Others register an application of their own and give its key to the vendor.
                Site::Vendor(vendor) if rng.per_mille(500) => tenant.vendors[vendor].tenant,
                _ => tenant.id,
            },
            azure_resource: draw_azure_resource(archetype, &name, &mut rng),
            name,
            zone: match archetype {
                Archetype::ScheduledJob if rng.per_mille(250) => Zone::Utc,
                _ => tenant.zone,
            },
            site,
            schedule,
            sources,
            agent,
            traffic,
            resources,
            credential: draw_credential(archetype, &mut rng),
            roles: roles.join(" "),
            forgotten_copy: archetype != Archetype::ManagedIdentity && rng.per_mille(15),
            born: i64::MIN,
            changes: Vec::new(),
        }
    }

    /// One that an attacker makes: it does nothing of its own.
    pub(crate) fn planted(seed: u64, name: &str, owner_tenant: Guid, zone: Zone) -> Self {
        let mut rng = Rng::of(&[seed, 0x91a7]);
        let home = draw_v4(&mut rng, |network| network.kind == NetworkKind::Hosting);
        Principal {
            key: mix_all(&[seed, 0x91a7]),
            archetype: Archetype::Planted,
            name: name.to_owned(),
            id: Guid::from_seed(rng.next()),
            app: Guid::from_seed(rng.next()),
            application: Guid::from_seed(rng.next()),
            owner_tenant,
            azure_resource: String::new(),
            zone,
            site: Site::Other,
            schedule: Schedule::Never,
            sources: Sources::Fixed(vec![home]),
            agent: Agent::draw_generic(&mut rng),
            resources: vec![GRAPH],
            credential: Credential { kind: CredentialKind::Secret, key: Guid::from_seed(rng.next()) },
            roles: String::new(),
            traffic: None,
            forgotten_copy: false,
            born: i64::MIN,
            changes: Vec::new(),
        }
    }

    /// Appends a number to a name that others bear too.
    pub(crate) fn distinguish(principals: &mut [Principal]) {
        let mut bearers: HashMap<String, u32> = HashMap::new();
        for principal in principals {
            let count = bearers.entry(principal.name.clone()).or_default();
            *count += 1;
            if *count > 1 {
                principal.name = format!("{}-{count}", principal.name);
            }
        }
    }

    /// Whether the tenant itself registered the application, so that its audit log shows the keys.
    pub(crate) fn is_owned_by(&self, tenant: &Tenant) -> bool {
        self.owner_tenant == tenant.id
    }

    pub(crate) fn is_managed(&self) -> bool {
        self.archetype == Archetype::ManagedIdentity
    }

    /// A key id that this principal has not used yet.
    pub(crate) fn new_credential(&self, kind: CredentialKind, rng: &mut Rng) -> Credential {
        Credential { kind, key: Guid::from_seed(mix_all(&[self.key, rng.next()])) }
    }
}

fn draw_site(archetype: Archetype, tenant: &Tenant, rng: &mut Rng) -> (Site, Sources) {
    let region = |rng: &mut Rng| {
        let index = rng.weighted(&[50, 20, 18, 12]);
        // Another neighbourhood of the same network: services of a region do not share a /24.
        let name = tenant.regions[index].network().name;
        (Site::Region(index), draw_v4(rng, |network| network.name == name))
    };
    let office = |rng: &mut Rng| {
        let index = rng.below(tenant.offices.len() as u64) as usize;
        (Site::Office(index), tenant.offices[index])
    };
    match archetype {
        Archetype::SteadyPoller | Archetype::CaePoller | Archetype::ScheduledJob => {
            match rng.weighted(&[60, 28, 12]) {
                0 => {
                    let (site, address) = region(rng);
                    (site, Sources::Fixed(address.pool(2, rng)))
                }
                1 => {
                    let (site, address) = office(rng);
                    (site, Sources::Fixed(vec![address]))
                }
                _ => {
                    let address = draw_near(rng, NetworkKind::Hosting, tenant.country);
                    (Site::Other, Sources::Fixed(address.pool(2, rng)))
                }
            }
        }
        Archetype::ManagedIdentity => {
            let (site, address) = region(rng);
            let home = tenant.regions[0].network().name;
            let azure = if address.network().kind == NetworkKind::Azure {
                address
            } else {
                draw_v4(rng, |network| network.name == home)
            };
            (site, Sources::Fixed(vec![azure]))
        }
        Archetype::Pool => {
            let (site, address) = region(rng);
            let count = rng.between(4, 40) as usize;
            let mut addresses = address.pool(count, rng);
            if rng.per_mille(300) {
                let network = address.network().name;
                addresses.extend(draw_v4(rng, |other| other.name == network).pool(count, rng));
            }
            (site, Sources::Pool(addresses))
        }
        Archetype::HostedCi => (Site::Other, Sources::HostedRunners),
        Archetype::SelfHostedCi => {
            let (site, address) = if rng.per_mille(400) { office(rng) } else { region(rng) };
            let count = rng.between(3, 20) as usize;
            (site, Sources::Pool(address.pool(count, rng)))
        }
        Archetype::SaasVendor => {
            let index = rng.below(tenant.vendors.len() as u64) as usize;
            (Site::Vendor(index), Sources::Pool(tenant.vendors[index].addresses.clone()))
        }
        Archetype::HandRun | Archetype::Planted => {
            let (site, address) = office(rng);
            let mut addresses = vec![address, address];
            addresses.push(rng.pick(&tenant.people).home);
            (site, Sources::Pool(addresses))
        }
    }
}

fn draw_name(archetype: Archetype, site: Site, tenant: &Tenant, rng: &mut Rng) -> String {
    let (duty, component) = (*rng.pick(DUTIES), *rng.pick(COMPONENTS));
    match (archetype, site) {
        (Archetype::ManagedIdentity, _) => {
            format!("{}-{duty}", rng.pick(&["vm", "func", "id", "aks"]))
        }
        (Archetype::HostedCi, _) => format!("gh-deploy-{component}"),
        (Archetype::SelfHostedCi, _) => format!("ci-runner-{component}"),
        (Archetype::ScheduledJob, _) => format!("job-{duty}"),
        (Archetype::SaasVendor, Site::Vendor(vendor)) => tenant.vendors[vendor].name.to_owned(),
        (Archetype::HandRun, _) => format!("script-{duty}"),
        _ => format!("{}-{duty}", rng.pick(&["svc", "app", "prod", "sp"])),
    }
}

fn draw_schedule(archetype: Archetype, rng: &mut Rng) -> Schedule {
    let instances = rng.between(1, 2) as u16;
    match archetype {
        Archetype::SteadyPoller => {
            // Most renew as soon as the token ends; some only when there is work.
            let minutes = *rng.pick(&[(60, 90), (60, 90), (60, 90), (90, 200), (180, 420)]);
            Schedule::Polls { minutes, instances }
        }
        Archetype::CaePoller => Schedule::LongLived { instances },
        Archetype::ManagedIdentity => match rng.weighted(&[70, 30]) {
            0 => Schedule::LongLived { instances: 1 },
            _ => Schedule::Polls { minutes: (240, 720), instances: 1 },
        },
        Archetype::Pool => Schedule::Polls { minutes: (60, 90), instances: rng.between(1, 4) as u16 },
        Archetype::HostedCi | Archetype::SelfHostedCi => {
            let weekday_mean = *rng.pick(&[500, 1_500, 4_000, 8_000, 20_000]);
            Schedule::Runs {
                weekday_mean,
                weekend_mean: weekday_mean / rng.between(4, 30) as u64,
                hours: (7, 21),
            }
        }
        Archetype::ScheduledJob => {
            let recurrence = match rng.weighted(&[15, 50, 25, 10]) {
                0 => Recurrence::Daily,
                1 => Recurrence::Weekly(rng.between(0, 6)),
                2 => Recurrence::Monthly(rng.between(1, 28)),
                _ => Recurrence::MonthEnd,
            };
            let minute_of_day = rng.between(0, 95) * 15;
            Schedule::Jobs { recurrence, minute_of_day, steps: rng.between(1, 5) as u16 }
        }
        Archetype::SaasVendor => {
            Schedule::Polls { minutes: *rng.pick(&[(60, 90), (120, 360), (300, 900)]), instances: 1 }
        }
        Archetype::Planted => Schedule::Never,
        Archetype::HandRun => Schedule::ByHand { active_per_mille: rng.between(60, 600) as u32 },
    }
}

fn draw_credential(archetype: Archetype, rng: &mut Rng) -> Credential {
    let kind = match archetype {
        Archetype::ManagedIdentity => CredentialKind::ManagedIdentity,
        Archetype::HostedCi if rng.per_mille(800) => CredentialKind::Federated,
        Archetype::SelfHostedCi if rng.per_mille(300) => CredentialKind::Federated,
        _ => match rng.weighted(&[65, 15, 20]) {
            0 => CredentialKind::Secret,
            1 => CredentialKind::Certificate,
            _ => CredentialKind::Assertion,
        },
    };
    Credential { kind, key: Guid::from_seed(rng.next()) }
}

fn draw_azure_resource(archetype: Archetype, name: &str, rng: &mut Rng) -> String {
    if archetype != Archetype::ManagedIdentity {
        return String::new();
    }
    let subscription = Guid::from_seed(rng.next());
    let kind = *rng.pick(&[
        "Microsoft.Compute/virtualMachines",
        "Microsoft.Web/sites",
        "Microsoft.ManagedIdentity/userAssignedIdentities",
    ]);
    format!("/subscriptions/{subscription}/resourcegroups/rg-{name}/providers/{kind}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archetypes_are_as_common_as_asked() {
        let parameters = Parameters { principals: 4_000, ..Parameters::default() };
        let tenant = Tenant::new(parameters.seed);
        let mut counts: HashMap<Archetype, u32> = HashMap::new();
        let mut callers = 0;
        for index in 0..parameters.principals {
            let principal = Principal::new(&parameters, &tenant, index);
            *counts.entry(principal.archetype).or_default() += 1;
            callers += u32::from(principal.traffic.is_some());
        }
        let shares = Shares::default();
        for (archetype, weight) in [
            (Archetype::SteadyPoller, shares.steady_poller),
            (Archetype::HostedCi, shares.hosted_ci),
            (Archetype::ManagedIdentity, shares.managed_identity),
            (Archetype::HandRun, shares.hand_run),
        ] {
            let expected = f64::from(parameters.principals * weight) / 112.0;
            let counted = f64::from(counts[&archetype]);
            assert!((counted / expected - 1.0).abs() < 0.25, "{archetype:?} {counted} of {expected}");
        }
        assert!(!counts.contains_key(&Archetype::Planted));
        assert!((600..2_000).contains(&callers), "{callers} call directory APIs");
    }
}
