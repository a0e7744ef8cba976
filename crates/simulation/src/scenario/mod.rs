//! Small hand-made histories for tests: a principal, its habits, and what happens to it.
//!
//! Ids follow from names, so that a test can name a principal or a key and find it again in what comes out.
//!
//! ```
//! use countersign_simulation::scenario::{Scenario, at};
//!
//! let records = Scenario::new(1)
//!     .principal("svc-payroll", |s| s.address("87.130.4.10").agent("python-requests/2.32.3").key("k1"))
//!     .polls(0..30, 4)
//!     .sign_in(at(29, 3, 12), |s| s.address("89.108.100.7").agent("curl/8.5.0"))
//!     .into_records();
//! assert_eq!(records.len(), 30 * 6 + 1);
//! ```

mod calls;
mod changes;

pub use calls::{Request, user_id};
pub use changes::{By, Change};

use std::net::IpAddr;
use std::ops::Range;

use countersign_model::time::{DAY, HOUR, SECOND, Timestamp};

use crate::calendar::MINUTE;
use crate::catalogue::RESOURCES;
use crate::changes::Federated;
use crate::envelopes::{Category, Credential, CredentialKind, Identity, ResourceRef, SignIn, write_sign_in};
use crate::json::Guid;
use crate::networks::{hosted_runner, network_of};
use crate::parameters::DEFAULT_START;
use crate::rng::{Rng, mix_all, mix_text};

/// A time of the scenario: day 0 is Monday 2 March 2026.
pub fn at(day: i64, hour: i64, minute: i64) -> Timestamp {
    DEFAULT_START.plus(day * DAY + hour * HOUR + minute * MINUTE)
}

fn named(kind: &str, name: &str) -> Guid {
    Guid::parse(name).unwrap_or_else(|| Guid::from_seed(mix_text(kind) ^ mix_text(name)))
}

/// Object id of the principal of that name. Names that are GUIDs stand for themselves, here and below.
pub fn service_principal_id(name: &str) -> String {
    named("principal", name).to_string()
}

/// Application id of the principal of that name.
pub fn app_id(name: &str) -> String {
    named("app", name).to_string()
}

/// Key id of the key of that name.
pub fn key_id(name: &str) -> String {
    named("key", name).to_string()
}

/// Id of the tenant that scenarios happen in.
pub fn tenant_id() -> String {
    named("tenant", "scenario").to_string()
}

/// How a sign-in looks: what a principal usually does, or what one of its sign-ins does instead.
#[derive(Clone, Debug)]
#[must_use]
pub struct Look {
    address: String,
    country: Option<String>,
    agent: String,
    resource: String,
    key: String,
    kind: CredentialKind,
    error: u32,
    cae: bool,
}

impl Look {
    fn usual() -> Self {
        Look {
            address: "87.130.4.10".into(),
            country: None,
            agent: "python-requests/2.32.3".into(),
            resource: "Microsoft Graph".into(),
            key: "k1".into(),
            kind: CredentialKind::Secret,
            error: 0,
            cae: false,
        }
    }

    /// From this address.
    pub fn address(mut self, address: &str) -> Self {
        address.clone_into(&mut self.address);
        self
    }

    /// The country that the log states; by default that of the network the address belongs to.
    pub fn country(mut self, country: &str) -> Self {
        self.country = Some(country.to_owned());
        self
    }

    /// With this user agent.
    pub fn agent(mut self, agent: &str) -> Self {
        agent.clone_into(&mut self.agent);
        self
    }

    /// For this API, by its display name.
    pub fn resource(mut self, resource: &str) -> Self {
        resource.clone_into(&mut self.resource);
        self
    }

    /// With the secret of this name.
    pub fn key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        self.kind = CredentialKind::Secret;
        self
    }

    /// With the certificate of this name.
    pub fn certificate(mut self, key: &str) -> Self {
        self = self.key(key);
        self.kind = CredentialKind::Certificate;
        self
    }

    /// With the federated credential of this name.
    pub fn federated(mut self, key: &str) -> Self {
        self = self.key(key);
        self.kind = CredentialKind::Federated;
        self
    }

    /// Refused with this error code.
    pub fn failed(mut self, error: u32) -> Self {
        self.error = error;
        self
    }

    /// With a long-lived token (continuous access evaluation).
    pub fn long_lived(mut self) -> Self {
        self.cae = true;
        self
    }
}

#[derive(Clone, Debug)]
struct Member {
    name: String,
    look: Look,
    managed: bool,
    keys: Vec<Credential>,
    federated: Vec<Federated>,
    /// Its sign-ins so far: time and number.
    tokens: Vec<(i64, u64)>,
}

impl Member {
    fn new(name: &str, managed: bool) -> Self {
        Member {
            name: name.to_owned(),
            look: Look::usual(),
            managed,
            keys: Vec::new(),
            federated: Vec::new(),
            tokens: Vec::new(),
        }
    }
}

/// A history under construction. Habits and changes concern the principal named last.
#[derive(Clone, Debug)]
#[must_use]
pub struct Scenario {
    rng: Rng,
    seed: u64,
    events: u64,
    principals: Vec<Member>,
    /// Delivery time, order, line.
    records: Vec<(i64, u64, Vec<u8>)>,
    /// The last sign-in: what calls take their token from.
    token: (u64, i64),
}

impl Scenario {
    /// An empty history. The seed decides jitter and record ids, nothing else.
    pub fn new(seed: u64) -> Self {
        Scenario {
            rng: Rng::of(&[seed, 0x5ce]),
            seed,
            events: 0,
            principals: Vec::new(),
            records: Vec::new(),
            token: (0, 0),
        }
    }

    /// Adds a principal and how it usually signs in, or goes on with the one of that name.
    pub fn principal(mut self, name: &str, usual: impl FnOnce(Look) -> Look) -> Self {
        self.enter(name, false, usual);
        self
    }

    /// Adds a managed identity: its sign-ins carry no address and no user agent.
    pub fn managed_identity(mut self, name: &str, usual: impl FnOnce(Look) -> Look) -> Self {
        self.enter(name, true, usual);
        self
    }

    fn enter(&mut self, name: &str, managed: bool, usual: impl FnOnce(Look) -> Look) {
        let known = self.principals.iter().position(|principal| principal.name == name);
        let mut member = match known {
            Some(known) => self.principals.remove(known),
            None => Member::new(name, managed),
        };
        member.look = usual(member.look);
        let key = Credential { kind: member.look.kind, key: named("key", &member.look.key) };
        if known.is_none() && member.look.kind != CredentialKind::Federated {
            member.keys.push(key);
        }
        self.principals.push(member);
    }

    fn current(&self) -> &Member {
        self.principals.last().expect("a scenario starts with a principal")
    }

    fn next_id(&mut self) -> u64 {
        self.events += 1;
        mix_all(&[self.seed, self.events])
    }

    /// Signs in every so many hours on these days, give or take ten minutes.
    pub fn polls(self, days: Range<i64>, every_hours: i64) -> Self {
        self.polls_as(days, every_hours, |look| look)
    }

    /// As [`Scenario::polls`], but looking different: after a move, an upgrade, a rotation.
    pub fn polls_as(mut self, days: Range<i64>, every_hours: i64, change: impl Fn(Look) -> Look) -> Self {
        for hour in (days.start * 24..days.end * 24).step_by(every_hours.max(1) as usize) {
            let jitter = self.rng.between(20, 39) * MINUTE + self.rng.between(0, 60 * SECOND);
            self.push_sign_in(at(0, hour, 0).plus(jitter), &change);
        }
        self
    }

    /// Signs in once.
    pub fn sign_in(mut self, time: Timestamp, change: impl FnOnce(Look) -> Look) -> Self {
        self.push_sign_in(time, change);
        self
    }

    /// Signs in at each of several times.
    pub fn sign_ins(
        mut self,
        times: impl IntoIterator<Item = Timestamp>,
        change: impl Fn(Look) -> Look,
    ) -> Self {
        for time in times {
            self.push_sign_in(time, &change);
        }
        self
    }

    /// Runs so often on each of these days on a GitHub-hosted runner: each time from another address.
    pub fn runs_on_hosted_runners(mut self, days: Range<i64>, runs_a_day: i64) -> Self {
        for day in days {
            for _ in 0..runs_a_day {
                let time = at(day, 0, self.rng.between(7 * 60, 20 * 60));
                let address = hosted_runner(&mut self.rng).ip.to_string();
                self.push_sign_in(time, |look| look.address(&address));
            }
        }
        self
    }

    /// The records as JSON lines, in the order of delivery.
    pub fn into_records(mut self) -> Vec<Vec<u8>> {
        self.records.sort_by_key(|(delivered, order, _)| (*delivered, *order));
        self.records.into_iter().map(|(_, _, line)| line).collect()
    }

    /// The records as one NDJSON text.
    pub fn into_ndjson(self) -> Vec<u8> {
        let mut text = self.into_records().join(&b'\n');
        text.push(b'\n');
        text
    }

    fn push_sign_in(&mut self, time: Timestamp, change: impl FnOnce(Look) -> Look) {
        let id = self.next_id();
        let delay = self.rng.between(28 * SECOND, 300 * SECOND);
        self.token = (id, time.0);
        if let Some(member) = self.principals.last_mut() {
            member.tokens.push((time.0, id));
        }
        let member = self.current();
        let look = change(member.look.clone());
        let (ip, country) = source(&look.address, look.country.as_deref());
        let azure_resource = format!(
            "/subscriptions/{}/resourcegroups/rg1/providers/Microsoft.Compute/virtualMachines/{}",
            named("subscription", "scenario"),
            member.name
        );
        let tenant = named("tenant", "scenario");
        let delivered = time.plus(delay).0;
        let event = SignIn {
            category: if member.managed {
                Category::ManagedIdentitySignInLogs
            } else {
                Category::ServicePrincipalSignInLogs
            },
            tenant,
            delivered,
            created: time.0,
            id,
            identity: Identity {
                name: &member.name,
                principal: named("principal", &member.name),
                app: named("app", &member.name),
                owner_tenant: tenant,
                azure_resource: if member.managed { &azure_resource } else { "" },
            },
            source: (!member.managed).then_some((ip, country)),
            user_agent: &look.agent,
            library: "",
            resource: ResourceRef { name: &look.resource, app: resource_app(&look.resource) },
            credential: Credential {
                kind: if member.managed { CredentialKind::ManagedIdentity } else { look.kind },
                key: named("key", &look.key),
            },
            error: look.error,
            cae: look.cae,
        };
        let mut line = Vec::with_capacity(4_096);
        write_sign_in(&mut line, &event);
        self.records.push((delivered, id, line));
    }
}

/// The address, and the country that is stated or that its network has.
fn source<'a>(address: &str, country: Option<&'a str>) -> (IpAddr, &'a str) {
    let ip: IpAddr = address.parse().expect("an address");
    (ip, country.or(network_of(ip).map(|network| network.country)).unwrap_or_default())
}

/// Application id of an API: Microsoft's real ones for their names.
fn resource_app(name: &str) -> Guid {
    let known = RESOURCES.iter().find(|resource| resource.name == name);
    known.map_or_else(|| named("app", name), |resource| resource.app)
}

#[cfg(test)]
mod tests;
