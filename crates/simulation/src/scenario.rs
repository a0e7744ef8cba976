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

use std::net::IpAddr;
use std::ops::Range;

use countersign_model::time::{DAY, HOUR, SECOND, Timestamp};

use crate::calendar::MINUTE;
use crate::catalogue::RESOURCES;
use crate::envelopes::{
    Actor, Audit, Call, Category, Credential, CredentialKind, Identity, ResourceRef, SignIn,
    principal_of_resource, write_audit, write_call, write_sign_in,
};
use crate::json::Guid;
use crate::networks::{hosted_runner, network_of};
use crate::parameters::DEFAULT_START;
use crate::plan::{Subject, app_role_assigned, credentials_changed, federation_added};
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
}

impl Member {
    fn subject(&self) -> Subject<'_> {
        Subject {
            name: &self.name,
            principal: named("principal", &self.name),
            app: named("app", &self.name),
            application: named("application", &self.name),
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
            None => Member { name: name.to_owned(), look: Look::usual(), managed, keys: Vec::new() },
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

    /// Calls Microsoft Graph with the token of the latest sign-in.
    pub fn calls(
        mut self,
        time: Timestamp,
        method: &str,
        uri: &str,
        change: impl FnOnce(Look) -> Look,
    ) -> Self {
        let id = self.next_id();
        let member = self.current().clone();
        let look = change(member.look);
        let (ip, country) = source(&look.address, look.country.as_deref());
        let tenant = named("tenant", "scenario");
        let event = Call {
            tenant,
            time: time.0,
            id,
            identity: Identity {
                name: &member.name,
                principal: named("principal", &member.name),
                app: named("app", &member.name),
                owner_tenant: tenant,
                azure_resource: "",
            },
            source: (ip, country),
            user_agent: &look.agent,
            method,
            uri,
            status: 200,
            bytes: 2_000,
            roles: "Directory.Read.All",
            credential: look.kind,
            token: self.token.0,
            issued: self.token.1,
        };
        let mut line = Vec::with_capacity(4_096);
        write_call(&mut line, &event);
        self.records.push((time.0 + 5 * MINUTE, id, line));
        self
    }

    /// Adds a secret to the principal of that name. `actor` is a user principal name.
    pub fn adds_credential(mut self, time: Timestamp, actor: &str, key: &str, principal: &str) -> Self {
        let member = self.member(principal);
        let added = Credential { kind: CredentialKind::Secret, key: named("key", key) };
        let before = member.keys.clone();
        member.keys.push(added);
        let after = member.keys.clone();
        let audits = credentials_changed(&person(actor), self.find(principal).subject(), &before, &after);
        self.push_audits(time, audits);
        self
    }

    /// Removes a secret or certificate from the principal of that name.
    pub fn removes_credential(mut self, time: Timestamp, actor: &str, key: &str, principal: &str) -> Self {
        let member = self.member(principal);
        let before = member.keys.clone();
        member.keys.retain(|credential| credential.key != named("key", key));
        let after = member.keys.clone();
        let audits = credentials_changed(&person(actor), self.find(principal).subject(), &before, &after);
        self.push_audits(time, audits);
        self
    }

    /// Gives an application role of an API.
    pub fn assigns_app_role(
        mut self,
        time: Timestamp,
        actor: &str,
        principal: &str,
        resource: &str,
        role: &str,
    ) -> Self {
        let api = principal_of_resource(named("tenant", "scenario"), resource_app(resource));
        let subject = self.find(principal).subject();
        let audits = app_role_assigned(&person(actor), subject, (api, resource), role, time.0);
        self.push_audits(time, audits);
        self
    }

    /// Adds a federated credential: tokens of `issuer` for `subject` will do from now on.
    pub fn adds_federated_credential(
        mut self,
        time: Timestamp,
        actor: &str,
        key: &str,
        principal: &str,
        (issuer, subject): (&str, &str),
    ) -> Self {
        let member = self.find(principal).subject();
        let audits = federation_added(&person(actor), member, named("key", key), issuer, subject);
        self.push_audits(time, audits);
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

    fn find(&self, name: &str) -> &Member {
        self.principals
            .iter()
            .find(|principal| principal.name == name)
            .expect("the scenario has this principal")
    }

    fn member(&mut self, name: &str) -> &mut Member {
        self.principals
            .iter_mut()
            .find(|principal| principal.name == name)
            .expect("the scenario has this principal")
    }

    fn push_sign_in(&mut self, time: Timestamp, change: impl FnOnce(Look) -> Look) {
        let id = self.next_id();
        let delay = self.rng.between(28 * SECOND, 300 * SECOND);
        self.token = (id, time.0);
        let member = self.current().clone();
        let look = change(member.look);
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

    fn push_audits(&mut self, time: Timestamp, audits: Vec<Audit>) {
        let correlation = self.next_id();
        for (n, audit) in audits.into_iter().enumerate() {
            let id = self.next_id();
            let time = time.0 + n as i64 * 12_345;
            let mut line = Vec::new();
            let audit = Audit { correlation, ..audit };
            write_audit(&mut line, named("tenant", "scenario"), time, id, &audit);
            self.records.push((time + 2 * MINUTE, id, line));
        }
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

fn person(user_principal_name: &str) -> Actor {
    Actor::User {
        id: named("user", user_principal_name),
        user_principal_name: user_principal_name.to_owned(),
        ip: IpAddr::from([203, 0, 113, 20]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(scenario: Scenario) -> Vec<serde_json::Value> {
        scenario.into_records().iter().map(|line| serde_json::from_slice(line).expect("valid JSON")).collect()
    }

    #[test]
    fn a_stolen_secret_is_ten_lines() {
        let records = parsed(
            Scenario::new(1)
                .principal("svc-a", |s| s.address("87.130.4.10").key("k1"))
                .polls(0..10, 6)
                .sign_in(at(9, 3, 0), |s| s.address("89.108.100.7").agent("curl/8.5.0").failed(7_000_215)),
        );
        assert_eq!(records.len(), 41);
        let stolen = records.iter().find(|r| r["resultType"] == "7000215").expect("the failure");
        assert_eq!(stolen["properties"]["servicePrincipalId"], service_principal_id("svc-a").as_str());
        assert_eq!(stolen["properties"]["location"]["countryOrRegion"], "RU");
        assert_eq!(stolen["properties"]["servicePrincipalCredentialKeyId"], "");
        assert_eq!(records[0]["properties"]["servicePrincipalCredentialKeyId"], key_id("k1").as_str());
        assert_eq!(records[0]["tenantId"], tenant_id().as_str());
        assert_eq!(records[0]["properties"]["appId"], app_id("svc-a").as_str());
    }

    #[test]
    fn changes_are_audited() {
        let records = parsed(
            Scenario::new(1)
                .principal("svc-a", |s| s)
                .adds_credential(at(1, 9, 0), "anna@contoso.example", "k2", "svc-a")
                .removes_credential(at(2, 9, 0), "anna@contoso.example", "k1", "svc-a")
                .assigns_app_role(
                    at(3, 9, 0),
                    "anna@contoso.example",
                    "svc-a",
                    "Microsoft Graph",
                    "Mail.Read",
                )
                .adds_federated_credential(
                    at(4, 9, 0),
                    "anna@contoso.example",
                    "f1",
                    "svc-a",
                    ("https://token.actions.githubusercontent.com", "repo:contoso/web:ref:refs/heads/main"),
                ),
        );
        let properties =
            |n: usize| records[n]["properties"]["targetResources"][0]["modifiedProperties"].clone();
        let keys = |n, side: &str| -> Vec<String> {
            serde_json::from_str(properties(n)[0][side].as_str().expect("text"))
                .expect("a list inside a string")
        };
        assert_eq!(keys(0, "oldValue").len(), 1);
        assert!(
            keys(0, "newValue")[1].starts_with(&format!("[KeyIdentifier={},KeyType=Password", key_id("k2")))
        );
        assert_eq!(keys(2, "newValue").len(), 1);
        assert_eq!(
            records[0]["operationName"],
            "Update application \u{2013} Certificates and secrets management "
        );
        assert_eq!(properties(4)[1]["newValue"], "\"Mail.Read\"");
        let federated: serde_json::Value =
            serde_json::from_str(properties(5)[0]["newValue"].as_str().expect("text"))
                .expect("a list inside a string");
        assert_eq!(federated[0]["Id"], key_id("f1").as_str());
    }

    #[test]
    fn hosted_runners_change_their_address() {
        let records = parsed(
            Scenario::new(3)
                .principal("gh-deploy", |s| s.federated("f1"))
                .runs_on_hosted_runners(0..5, 8)
                .managed_identity("vm-a", |s| s)
                .polls(5..6, 12)
                .calls(at(5, 13, 0), "GET", "https://graph.microsoft.com/v1.0/users", |s| {
                    s.address("99.32.0.1")
                }),
        );
        let mut addresses: Vec<&str> = records.iter().filter_map(|r| r["callerIpAddress"].as_str()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), 40 + 1);
        let call = records.last().expect("the call");
        let token = &records[records.len() - 2]["properties"]["uniqueTokenIdentifier"];
        assert_eq!(&call["properties"]["signInActivityId"], token);
        assert_eq!(call["properties"]["servicePrincipalId"], service_principal_id("vm-a").as_str());
        let managed = records.iter().filter(|r| r["category"] == "ManagedIdentitySignInLogs").count();
        assert_eq!(managed, 2);
    }
}
