//! Attack episodes, by the skeleton that published incidents share: how the credential was obtained, where it is
//! used from, which credential it is, what is done with it, how the client calls itself, and when.
//!
//! The genuine workload keeps running: an attack adds records and removes none.

use countersign_model::time::{DAY, HOUR, SECOND};

use crate::archetypes::{Archetype, Principal, Tenant};
use crate::calendar::{MINUTE, Offsets, Slot};
use crate::catalogue::{Agent, BULK_READ_CALLS, ENUMERATION_CALLS, GRAPH, KEY_VAULT, RESOURCE_MANAGER};
use crate::changes::{
    Federated, Subject, credentials_changed, federation_changed, principal_credentials_changed,
};
use crate::envelopes::{Actor, Api, Credential, CredentialKind, event_id};
use crate::look_alikes::Period;
use crate::networks::{Address, NetworkKind, draw_v4, hosted_runner};
use crate::plan::{CallBody, Plan, SignInBody};
use crate::rng::Rng;
use crate::truth::EpisodeKind;

/// Where the credential is used from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Vps,
    SameCloud,
    Residential,
    RunnerPool,
}

/// What the attacker signs in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    /// The workload's own key.
    Known,
    /// A key added for the purpose.
    KeyAdded,
    /// A federated credential added for the purpose.
    FederationAdded,
}

/// Families of attacks that a simulation can hold: credential and place of use.
pub const ATTACK_FAMILIES: &[&str] = &[
    "stolenSecretVps",
    "stolenSecretSameCloud",
    "stolenSecretResidential",
    "stolenSecretRunnerPool",
    "stolenCertificateVps",
    "stolenCertificateSameCloud",
    "stolenCertificateResidential",
    "stolenCertificateRunnerPool",
    "stolenAssertionVps",
    "stolenAssertionSameCloud",
    "stolenAssertionResidential",
    "stolenAssertionRunnerPool",
    "addedKeyVps",
    "addedKeySameCloud",
    "addedKeyResidential",
    "addedKeyRunnerPool",
    "addedFederationVps",
    "addedFederationSameCloud",
    "addedFederationResidential",
    "addedFederationRunnerPool",
];

fn family(entry: Entry, kind: CredentialKind, place: Use) -> String {
    let credential = match (entry, kind) {
        (Entry::KeyAdded, _) => "addedKey",
        (Entry::FederationAdded, _) => "addedFederation",
        (Entry::Known, CredentialKind::Federated) => "stolenAssertion",
        (Entry::Known, CredentialKind::Certificate | CredentialKind::Assertion) => "stolenCertificate",
        (Entry::Known, CredentialKind::Secret | CredentialKind::ManagedIdentity) => "stolenSecret",
    };
    format!("{credential}{place:?}")
}

/// Decides all attacks: `count` of the principals, each attacked once after half of the period.
pub(crate) fn plan<'o>(
    plan: &mut Plan,
    seed: u64,
    count: u32,
    tenant: &Tenant,
    principals: &[Principal],
    offsets: impl Fn(&Principal) -> &'o Offsets,
    period: Period,
) {
    // Managed identities have no credential that could be carried away, and their sign-ins show no address. Who was
    // deployed only now is nobody to impersonate yet.
    let mut victims: Vec<usize> = (0..principals.len())
        .filter(|i| !principals[*i].is_managed() && principals[*i].born <= period.start)
        .collect();
    victims.sort_by_key(|i| Rng::of(&[principals[*i].key, 0xa77a]).next());
    for index in victims.into_iter().take(count as usize) {
        let principal = &principals[index];
        let rng = Rng::of(&[seed, 0xa77ac, principal.key]);
        Attack { plan, tenant, period, index: index as u32, principal, offsets: offsets(principal), rng }
            .run();
    }
}

/// One attack while it is decided.
struct Attack<'a> {
    plan: &'a mut Plan,
    tenant: &'a Tenant,
    period: Period,
    index: u32,
    principal: &'a Principal,
    offsets: &'a Offsets,
    rng: Rng,
}

impl Attack<'_> {
    fn run(&mut self) {
        let federation_weight = if self.principal.is_owned_by(self.tenant) { 10 } else { 0 };
        let entry = [Entry::Known, Entry::KeyAdded, Entry::FederationAdded]
            [self.rng.weighted(&[68, 22, federation_weight])];
        let obtained = self.obtained(entry);
        let place = self.place();
        let in_schedule = self.rng.per_mille(450);
        let times = self.times(in_schedule);
        let habit = self.principal.choose(Slot { time: times[0], run: 0 }, &mut self.rng, &mut Vec::new());
        let (agent, agent_trait) = match self.rng.weighted(&[30, 40, 30]) {
            0 => (habit.agent, "copied"),
            1 => (Agent::draw_generic(&mut self.rng), "generic"),
            _ => (habit.agent.draw_other(&mut self.rng), "new"),
        };
        let act = ["nothing", "enumerate", "bulkRead"][self.rng.weighted(&[45, 32, 23])];
        let mut ids = Vec::new();
        let (credential, from) = self.credential(entry, habit.credential, times[0], &mut ids);
        let addresses = self.addresses(place);

        let family = family(entry, self.principal.credential.kind, place);
        let mut last = times[0];
        for (n, time) in times.iter().enumerate() {
            let address = match place {
                Use::RunnerPool => self.runner_address(),
                _ => *self.rng.pick(&addresses),
            };
            let resource = self.resource(act, n);
            // A leaked secret is often tried in a wrong form first.
            let fails = n == 0
                && entry == Entry::Known
                && credential.kind == CredentialKind::Secret
                && self.rng.per_mille(150);
            let error = if fails { 7_000_215 } else { 0 };
            let body =
                SignInBody { principal: self.index, address, agent, resource, credential, error, cae: false };
            let id = self.plan.sign_in(*time, body);
            ids.push(event_id(id).to_string());
            last = last.max(*time);
            if resource == GRAPH && error == 0 {
                last = last.max(self.calls(act, *time, id, body, &mut ids));
            }
        }

        let number = self.plan.episode(EpisodeKind::Attack, &family, self.principal, (from, last));
        let episode = self.plan.episode_mut(number);
        episode.event_ids = ids;
        let (place, time) = (format!("{place:?}"), if in_schedule { "inSchedule" } else { "off" });
        for (name, value) in [
            ("obtained", obtained),
            ("use", place.as_str()),
            ("act", act),
            ("agent", agent_trait),
            ("time", time),
        ] {
            episode.traits.insert(name, value.to_owned());
        }
    }

    fn obtained(&mut self, entry: Entry) -> &'static str {
        match (entry, self.principal.archetype) {
            (Entry::KeyAdded | Entry::FederationAdded, _) => "ownAdd",
            (_, Archetype::SaasVendor) => "vendor",
            (_, Archetype::HostedCi | Archetype::SelfHostedCi) => "runner",
            _ if self.rng.per_mille(150) => "runner",
            _ => "leak",
        }
    }

    fn place(&mut self) -> Use {
        let runner_weight = match self.principal.archetype {
            Archetype::HostedCi | Archetype::SelfHostedCi => 25,
            _ => 4,
        };
        [Use::Vps, Use::SameCloud, Use::Residential, Use::RunnerPool]
            [self.rng.weighted(&[46, 22, 20, runner_weight])]
    }

    /// Addresses that the attacker works from.
    fn addresses(&mut self, place: Use) -> Vec<Address> {
        let home = self.principal.sources.draw(0, &mut self.rng);
        let count = self.rng.weighted(&[70, 20, 10]) + 1;
        let tenant_country = self.tenant.country;
        let rng = &mut self.rng;
        match place {
            Use::Vps => {
                let kind =
                    if rng.per_mille(550) { NetworkKind::ForeignHosting } else { NetworkKind::Hosting };
                draw_v4(rng, |n| n.kind == kind && n.asn != home.network().asn).pool(count, rng)
            }
            Use::SameCloud => {
                // Of a workload outside the clouds: the cloud in the tenant's country.
                let network = home.network();
                let cloud = matches!(
                    network.kind,
                    NetworkKind::Azure | NetworkKind::Aws | NetworkKind::Gcp | NetworkKind::Runner
                );
                let (asn, country) =
                    if cloud { (network.asn, network.country) } else { (8075, tenant_country) };
                draw_v4(rng, |n| n.asn == asn && n.country == country).pool(count, rng)
            }
            // Residential proxies change their address a lot, within a country.
            Use::Residential => (0..count * 2)
                .map(|_| draw_v4(rng, |n| n.kind == NetworkKind::Access && n.country == tenant_country))
                .collect(),
            Use::RunnerPool => Vec::new(),
        }
    }

    /// An address of the pool that the victim's runs come from; of GitHub's runners when it has none.
    fn runner_address(&mut self) -> Address {
        match self.principal.archetype {
            Archetype::SelfHostedCi | Archetype::Pool => self.principal.sources.draw(0, &mut self.rng),
            _ => hosted_runner(&mut self.rng),
        }
    }

    /// 2 to 13 times on one or two days after half of the period, in order.
    fn times(&mut self, in_schedule: bool) -> Vec<i64> {
        let Period { start, end } = self.period;
        let middle = start + (end - start) / 2;
        let latest = (end - 4 * HOUR).max(middle);
        let mut begin = self.rng.between(middle, latest);
        let day = begin.div_euclid(DAY);
        if in_schedule {
            let mut slots = Vec::new();
            self.principal.slots(day, self.offsets, &mut self.rng, &mut slots);
            if let Some(slot) = slots.first() {
                begin = slot.time + self.rng.between(-20 * MINUTE, 20 * MINUTE);
            }
        } else {
            begin = self.offsets.instant(day, self.rng.between(HOUR / 2, 4 * HOUR));
        }
        let begin = begin.clamp(middle, latest);
        let count = self.rng.between(2, 13);
        let second_day = self.rng.per_mille(400);
        let mut times = vec![begin];
        for n in 1..count {
            let step = if second_day && n == count / 2 {
                self.rng.between(18 * HOUR, 26 * HOUR)
            } else {
                self.rng.between(10 * SECOND, 50 * MINUTE)
            };
            times.push(times[times.len() - 1] + step);
        }
        // Near the end of the period the attack is crowded, so that all of it is seen.
        for (n, time) in times.iter_mut().enumerate() {
            if *time >= end {
                *time = (end - HOUR + n as i64 * 2 * MINUTE).max(begin);
            }
        }
        times.sort_unstable();
        times
    }

    /// The credential, and when the attack begins: with the change that adds it, if one does.
    fn credential(
        &mut self,
        entry: Entry,
        known: Credential,
        first_use: i64,
        ids: &mut Vec<String>,
    ) -> (Credential, i64) {
        let kind = match entry {
            Entry::Known => return (known, first_use),
            Entry::KeyAdded if self.rng.per_mille(700) => CredentialKind::Secret,
            Entry::KeyAdded => CredentialKind::Certificate,
            Entry::FederationAdded => CredentialKind::Federated,
        };
        let added = self.principal.new_credential(kind, &mut self.rng);
        let time = (first_use - self.rng.between(3 * MINUTE, 3 * HOUR)).max(self.period.start);
        let actor = self.actor();
        let subject = Subject::from(self.principal);
        let audits = if entry == Entry::FederationAdded {
            let account = self.rng.below(1_000_000);
            let issuer = format!("https://st{account:06}.z6.web.core.windows.net/");
            let added = Federated { id: added.key, issuer, subject: "deploy".to_owned() };
            federation_changed(&actor, subject, &[], &[added])
        } else if !self.principal.is_owned_by(self.tenant) {
            principal_credentials_changed(&actor, subject, &[], &[added])
        } else {
            credentials_changed(&actor, subject, &[known], &[known, added])
        };
        ids.extend(self.plan.audit(time, audits));
        (added, time)
    }

    /// Somebody who hardly ever does this, from elsewhere; or an application that never did.
    fn actor(&mut self) -> Actor {
        if self.rng.per_mille(200) {
            let (principal, name) = self.tenant.automation[self.tenant.automation.len() - 1];
            return Actor::App { principal, name: name.to_owned() };
        }
        let person = self.tenant.rare_administrator();
        let address =
            draw_v4(&mut self.rng, |n| matches!(n.kind, NetworkKind::ForeignHosting | NetworkKind::Access));
        Actor::User { id: person.id, user_principal_name: person.user_principal_name.clone(), ip: address.ip }
    }

    /// What the attacker asks for: known APIs mostly, probes of others.
    fn resource(&mut self, act: &str, n: usize) -> u8 {
        let known = *self.rng.pick(&self.principal.resources);
        match (act, n) {
            ("enumerate" | "bulkRead", 0 | 1) => GRAPH,
            _ => [known, GRAPH, RESOURCE_MANAGER, KEY_VAULT][self.rng.weighted(&[60, 20, 12, 8])],
        }
    }

    /// Calls of Graph with the token; returns the time of the last one.
    fn calls(
        &mut self,
        act: &str,
        signed_in: i64,
        token: u64,
        sign_in: SignInBody,
        ids: &mut Vec<String>,
    ) -> i64 {
        let (uris, count) = match act {
            "enumerate" => (ENUMERATION_CALLS, self.rng.between(4, 11)),
            "bulkRead" => (BULK_READ_CALLS, self.rng.between(6, 20)),
            _ => return signed_in,
        };
        let mut time = signed_in;
        for n in 0..count {
            time += self.rng.between(SECOND / 2, 20 * SECOND);
            if time >= self.period.end {
                break;
            }
            let allowed = self.rng.per_mille(850);
            let body = CallBody {
                principal: sign_in.principal,
                address: sign_in.address,
                agent: sign_in.agent,
                credential: sign_in.credential.kind,
                api: Api::Graph,
                method: "GET",
                uri: uris[n as usize % uris.len()],
                object: n as u32,
                granted: "",
                status: if allowed { 200 } else { 403 },
                bytes: if allowed { self.rng.below(900_000) + 2_000 } else { 412 },
                token,
                issued: signed_in,
            };
            ids.push(self.plan.call(time, body));
        }
        time.min(self.period.end - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_has_a_listed_family() {
        for entry in [Entry::Known, Entry::KeyAdded, Entry::FederationAdded] {
            for kind in [CredentialKind::Secret, CredentialKind::Certificate, CredentialKind::Federated] {
                for place in [Use::Vps, Use::SameCloud, Use::Residential, Use::RunnerPool] {
                    let name = family(entry, kind, place);
                    assert!(ATTACK_FAMILIES.contains(&name.as_str()), "{name}");
                }
            }
        }
    }
}
