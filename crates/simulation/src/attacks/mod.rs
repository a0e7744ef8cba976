//! Attack episodes: the grid of a skeleton that incidents share, and incidents that were published.
//!
//! The genuine workload keeps running: an attack adds records and removes none.

mod acts;
mod directory;
mod incidents;
mod skeleton;

pub(crate) use acts::{Act, Deed, Loot};
pub(crate) use skeleton::{Entry, Manner, Skeleton, Victim, addresses};

use countersign_model::time::{DAY, HOUR, SECOND};

use crate::archetypes::{Archetype, Principal};
use crate::calendar::{MINUTE, Offsets, Slot};
use crate::catalogue::{Agent, GRAPH, KEY_VAULT, RESOURCE_MANAGER};
use crate::changes::{
    Federated, Subject, credentials_changed, federation_changed, principal_credentials_changed,
};
use crate::envelopes::{Actor, Audit, Credential, CredentialKind, event_id};
use crate::habits::Scratch;
use crate::look_alikes::Period;
use crate::networks::{Address, NetworkKind, draw_v4, hosted_runner};
use crate::plan::{CallBody, Plan, SignInBody};
use crate::rng::Rng;
use crate::tenant::Tenant;
use crate::truth::EpisodeKind;

/// Families of attacks that a simulation can hold: credential and place of use, then incidents by their names.
///
/// Not here: incidents in which no workload identity takes part, such as codes that people are talked into.
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
    "replayedTokenVps",
    "replayedTokenSameCloud",
    "replayedTokenResidential",
    "replayedTokenRunnerPool",
    "midnightBlizzard",
    "solorigate",
    "metallic",
    "driftVendor",
    "ciLeak",
    "syncAccount",
    "stratusBackdoorApplication",
    "stratusBackdoorServicePrincipal",
    "stratusBackdoorFederation",
    "stratusNewApplication",
    "selfGrant",
    "createUseDelete",
    "keySpraying",
    "consentPhishing",
];

/// Decides all attacks: `count` of the principals, each attacked once after half of the period. Returns the
/// principals that attackers make; they come after `principals`.
pub(crate) fn plan<'o>(
    plan: &mut Plan,
    seed: u64,
    count: u32,
    tenant: &Tenant,
    principals: &[Principal],
    offsets: impl Fn(&Principal) -> &'o Offsets,
    period: Period,
) -> Vec<Principal> {
    // Who was deployed only now is nobody to impersonate yet. Of managed identities only tokens can be carried away.
    let mut victims: Vec<usize> = (0..principals.len())
        .filter(|i| principals[*i].born <= period.start)
        .filter(|i| !principals[*i].is_managed() || principals[*i].resources.contains(&GRAPH))
        .collect();
    victims.sort_by_key(|i| Rng::of(&[principals[*i].key, 0xa77a]).next());
    let mut planted = Vec::new();
    let wanted = plan.episodes.len() + count as usize;
    for index in victims {
        // One whose tokens nobody could replay gives way to the next.
        if plan.episodes.len() >= wanted {
            break;
        }
        let principal = &principals[index];
        let mut attack = Attack {
            plan: &mut *plan,
            tenant,
            period,
            index: index as u32,
            principal,
            principals,
            planted: &mut planted,
            offsets: offsets(principal),
            rng: Rng::of(&[seed, 0xa77ac, principal.key]),
            story: Story::default(),
        };
        match attack.incident() {
            Some((family, tell)) => attack.tell(family, tell),
            None => attack.run(),
        }
    }
    planted
}

/// What has happened so far in an attack.
#[derive(Default)]
struct Story {
    ids: Vec<String>,
    /// First and last event.
    span: Option<(i64, i64)>,
    /// Principals concerned beside the victim.
    others: Vec<String>,
    /// Who the episode is about, when the attacker's own application is all there is.
    instead: Option<Principal>,
    traits: Vec<(&'static str, String)>,
}

impl Story {
    fn happened(&mut self, time: i64) {
        let (from, to) = self.span.unwrap_or((time, time));
        self.span = Some((from.min(time), to.max(time)));
    }
}

/// A token that an attacker holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    id: u64,
    /// When it was issued.
    issued: i64,
    sign_in: SignInBody,
}

/// One attack while it is decided.
struct Attack<'a> {
    plan: &'a mut Plan,
    tenant: &'a Tenant,
    period: Period,
    index: u32,
    principal: &'a Principal,
    principals: &'a [Principal],
    planted: &'a mut Vec<Principal>,
    offsets: &'a Offsets,
    rng: Rng,
    story: Story,
}

impl Attack<'_> {
    /// An attack by the skeleton.
    fn run(&mut self) {
        let victim = Victim {
            managed: self.principal.is_managed(),
            owned: self.principal.is_owned_by(self.tenant),
            vendor: self.principal.archetype == Archetype::SaasVendor,
            pipeline: self.is_pipeline(),
            graph: self.principal.resources.contains(&GRAPH),
        };
        let mut skeleton = Skeleton::draw(victim, &mut self.rng);
        let mut times = self.times(skeleton.act, skeleton.in_schedule);
        let tokens = match skeleton.entry {
            Entry::TokenReplayed => self.tokens(&times),
            _ => Vec::new(),
        };
        if skeleton.entry == Entry::TokenReplayed && tokens.is_empty() {
            // Nobody signs in on these days. Of a managed identity nothing else can be used.
            if self.principal.is_managed() {
                return;
            }
            skeleton.entry = Entry::Known;
        }
        let habit = self.principal.choose(Slot { time: times[0], run: 0 }, &mut self.rng, &mut Vec::new());
        let agent = match skeleton.manner {
            Manner::Copied => habit.agent,
            Manner::Generic => Agent::draw_generic(&mut self.rng),
            Manner::New => habit.agent.draw_other(&mut self.rng),
        };
        let credential = self.credential(skeleton.entry, habit.credential, times[0]);
        let home = self.principal.sources.draw(0, &mut self.rng);
        let addresses = addresses(skeleton.place, Some(home.network()), self.tenant.country, &mut self.rng);
        let own = match &self.principal.traffic {
            Some(traffic) if self.rng.per_mille(300) => traffic.asks(),
            _ => Vec::new(),
        };
        let mut loot = Loot::draw(own, &mut self.rng);
        if !tokens.is_empty() {
            times = tokens.iter().map(|(time, _)| *time).collect();
        }
        for (n, time) in times.iter().enumerate() {
            let address =
                if addresses.is_empty() { self.runner_address() } else { *self.rng.pick(&addresses) };
            let held = if let Some((_, token)) = tokens.get(n) {
                Some(Held { sign_in: SignInBody { address, agent, ..token.sign_in }, ..*token })
            } else {
                let resource = self.resource(skeleton.act, n);
                // A leaked secret is often tried in a wrong form first.
                let fails = n == 0
                    && skeleton.entry == Entry::Known
                    && credential.kind == CredentialKind::Secret
                    && self.rng.per_mille(150);
                let error = if fails { 7_000_215 } else { 0 };
                self.sign_in(*time, self.index, (address, agent), resource, credential, error)
            };
            let Some(held) = held.filter(|held| held.sign_in.resource == GRAPH) else { continue };
            // Fast acts are over after one token or two.
            let acts = match skeleton.act {
                Act::EnumerateFast | Act::BulkRead => n < 2,
                _ => true,
            };
            if acts {
                let deeds = loot.deeds(skeleton.act, n, &mut self.rng);
                self.deeds(*time, held, &deeds, "");
            }
            let changed = self.story.traits.iter().any(|(name, _)| *name == "change");
            if skeleton.act == Act::DirectoryChange && !changed {
                self.change_directory(*time, held);
            }
        }
        self.story.traits.extend(skeleton.traits());
        let family = skeleton.family(self.principal.credential.kind);
        self.finish(&family);
    }

    /// Writes the truth down.
    fn finish(&mut self, family: &str) {
        let story = std::mem::take(&mut self.story);
        let Some(span) = story.span else { return };
        let principal = story.instead.as_ref().unwrap_or(self.principal);
        let number = self.plan.episode(EpisodeKind::Attack, family, principal, span);
        let episode = self.plan.episode_mut(number);
        episode.event_ids = story.ids;
        for other in story.others {
            if !episode.service_principal_ids.contains(&other) {
                episode.service_principal_ids.push(other);
            }
        }
        episode.traits.extend(story.traits);
    }

    fn is_pipeline(&self) -> bool {
        matches!(self.principal.archetype, Archetype::HostedCi | Archetype::SelfHostedCi)
    }

    /// An address of the pool that the victim's runs come from; of GitHub's runners when it has none.
    fn runner_address(&mut self) -> Address {
        match self.principal.archetype {
            Archetype::SelfHostedCi | Archetype::Pool => self.principal.sources.draw(0, &mut self.rng),
            _ => hosted_runner(&mut self.rng),
        }
    }

    /// Somewhere after half of the period, `room` before its end.
    fn begin(&mut self, room: i64) -> i64 {
        let Period { start, end } = self.period;
        let middle = start + (end - start) / 2;
        self.rng.between(middle, (end - room).max(middle))
    }

    /// When tokens are used, in order: 2 to 13 times on one or two days, or a few times a day over days or weeks.
    fn times(&mut self, act: Act, in_schedule: bool) -> Vec<i64> {
        let Period { start, end } = self.period;
        let middle = start + (end - start) / 2;
        let days = act.days(&mut self.rng).min((end - middle) / DAY);
        let latest = (end - 4 * HOUR - days * DAY).max(middle);
        let mut begin = self.begin(4 * HOUR + days * DAY);
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
        let mut times = vec![begin];
        if days > 0 {
            let a_day = self.rng.between(1, 4);
            for day in 0..days {
                for _ in 0..a_day {
                    // At the same hours, or at any.
                    let time =
                        begin + day * DAY + self.rng.between(0, if in_schedule { 5 * HOUR } else { DAY });
                    times.push(time.min(end - MINUTE));
                }
            }
        } else {
            let count = self.rng.between(2, 13);
            let second_day = self.rng.per_mille(400);
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
        }
        times.sort_unstable();
        times
    }

    /// Genuine tokens of the days of `times` and when they are used elsewhere; the sign-ins are the workload's own.
    fn tokens(&mut self, times: &[i64]) -> Vec<(i64, Held)> {
        let mut scratch = Scratch::default();
        let mut tokens: Vec<Held> = Vec::new();
        let mut lives: Vec<i64> = Vec::new();
        let mut days: Vec<i64> = times.iter().map(|time| time.div_euclid(DAY)).collect();
        days.dedup();
        let middle = self.period.start + (self.period.end - self.period.start) / 2;
        for day in days {
            self.principal.wakes(self.index, day, self.offsets, &mut scratch, |wake, _| {
                let inside = wake.time >= middle && wake.factor > 0;
                if wake.body.resource == GRAPH && wake.body.error == 0 && inside {
                    tokens.push(Held { id: wake.id, issued: wake.time, sign_in: wake.body });
                    lives.push(if wake.long_lived { 20 * HOUR } else { HOUR });
                }
            });
        }
        let mut used: Vec<(i64, Held)> = Vec::new();
        for _ in times {
            if tokens.is_empty() {
                break;
            }
            let n = self.rng.below(tokens.len() as u64) as usize;
            let time = tokens[n].issued + self.rng.between(MINUTE, lives[n]);
            if time < self.period.end - MINUTE {
                used.push((time, tokens[n]));
            }
        }
        used.sort_by_key(|(time, _)| *time);
        used
    }

    /// The credential that is used; the change that adds it, if one does, comes up to three hours before.
    fn credential(&mut self, entry: Entry, known: Credential, first_use: i64) -> Credential {
        let kind = match entry {
            Entry::Known | Entry::TokenReplayed => return known,
            Entry::KeyAdded if self.rng.per_mille(700) => CredentialKind::Secret,
            Entry::KeyAdded => CredentialKind::Certificate,
            Entry::FederationAdded => CredentialKind::Federated,
        };
        let added = self.principal.new_credential(kind, &mut self.rng);
        let time = (first_use - self.rng.between(3 * MINUTE, 3 * HOUR)).max(self.period.start);
        let actor = self.actor();
        let audits = self.credential_added(&actor, self.principal, known, added);
        self.audit(time, audits);
        added
    }

    /// The records of a credential that is added to a principal.
    fn credential_added(
        &mut self,
        actor: &Actor,
        principal: &Principal,
        known: Credential,
        added: Credential,
    ) -> Vec<Audit> {
        let subject = Subject::from(principal);
        if added.kind == CredentialKind::Federated {
            let account = self.rng.below(1_000_000);
            let added = Federated {
                id: added.key,
                issuer: format!("https://st{account:06}.z6.web.core.windows.net/"),
                subject: "deploy".to_owned(),
            };
            let before = match known.kind {
                CredentialKind::Federated => vec![Federated {
                    id: known.key,
                    issuer: "https://token.actions.githubusercontent.com".to_owned(),
                    subject: format!("repo:contoso/{}:ref:refs/heads/main", principal.name),
                }],
                _ => Vec::new(),
            };
            let mut after = before.clone();
            after.push(added);
            federation_changed(actor, subject, &before, &after)
        } else if principal.is_owned_by(self.tenant) {
            let before: &[Credential] = if known.kind == CredentialKind::Federated { &[] } else { &[known] };
            credentials_changed(actor, subject, before, &[before, &[added]].concat())
        } else {
            principal_credentials_changed(actor, subject, &[], &[added])
        }
    }

    /// Somebody who hardly ever does this, from elsewhere; or an application that never did.
    fn actor(&mut self) -> Actor {
        if self.rng.per_mille(200) {
            let other = self.rng.pick(self.principals);
            return Actor::App { principal: other.id, name: other.name.clone() };
        }
        self.rare_person()
    }

    /// An administrator's account in other hands.
    fn rare_person(&mut self) -> Actor {
        let person = self.tenant.rare_administrator();
        let address =
            draw_v4(&mut self.rng, |n| matches!(n.kind, NetworkKind::ForeignHosting | NetworkKind::Access));
        Actor::User { id: person.id, user_principal_name: person.user_principal_name.clone(), ip: address.ip }
    }

    /// What the attacker asks for: known APIs mostly, probes of others; the directory API when it is called.
    fn resource(&mut self, act: Act, n: usize) -> u8 {
        let known = *self.rng.pick(&self.principal.resources);
        if act.calls() && (n < 2 || act.is_slow()) {
            return GRAPH;
        }
        [known, GRAPH, RESOURCE_MANAGER, KEY_VAULT][self.rng.weighted(&[60, 20, 12, 8])]
    }

    /// Signs in; the token, if there is one.
    fn sign_in(
        &mut self,
        time: i64,
        principal: u32,
        (address, agent): (Address, Agent),
        resource: u8,
        credential: Credential,
        error: u32,
    ) -> Option<Held> {
        if time >= self.period.end {
            return None;
        }
        let body = SignInBody { principal, address, agent, resource, credential, error, cae: false };
        let id = self.plan.sign_in(time, body);
        self.story.ids.push(event_id(id).to_string());
        self.story.happened(time);
        (error == 0).then_some(Held { id, issued: time, sign_in: body })
    }

    /// Calls with a token; returns the time of the last one. `granted` are roles that it has beside its own.
    fn deeds(&mut self, begin: i64, held: Held, deeds: &[Deed], granted: &'static str) -> i64 {
        let mut time = begin;
        for deed in deeds {
            time += deed.after;
            if time >= self.period.end {
                break;
            }
            let body = CallBody {
                principal: held.sign_in.principal,
                address: held.sign_in.address,
                agent: held.sign_in.agent,
                credential: held.sign_in.credential.kind,
                api: deed.api,
                method: deed.method,
                uri: deed.uri,
                object: deed.object,
                granted,
                status: deed.status,
                bytes: deed.bytes,
                token: held.id,
                issued: held.issued,
            };
            let id = self.plan.call(time, body);
            self.story.ids.push(id);
            self.story.happened(time);
        }
        time
    }

    fn audit(&mut self, time: i64, audits: Vec<Audit>) {
        if time < self.period.end - SECOND {
            let ids = self.plan.audit(time, audits);
            self.story.ids.extend(ids);
            self.story.happened(time);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::skeleton::Use;
    use super::*;

    #[test]
    fn every_combination_has_a_listed_family() {
        let mut skeleton = Skeleton::draw(Victim::default(), &mut Rng::of(&[1]));
        for entry in [Entry::Known, Entry::KeyAdded, Entry::FederationAdded, Entry::TokenReplayed] {
            for kind in [CredentialKind::Secret, CredentialKind::Certificate, CredentialKind::Federated] {
                for place in [Use::Vps, Use::SameCloud, Use::Residential, Use::RunnerPool] {
                    (skeleton.entry, skeleton.place) = (entry, place);
                    let name = skeleton.family(kind);
                    assert!(ATTACK_FAMILIES.contains(&name.as_str()), "{name}");
                }
            }
        }
    }
}
