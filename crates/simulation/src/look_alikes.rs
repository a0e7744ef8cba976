//! Benign episodes that resemble attacks, each labelled, so that an evaluation can tell what raised a false alarm.

use countersign_model::time::{DAY, HOUR};

use crate::archetypes::{Archetype, Principal, Site, Tenant};
use crate::calendar::{MINUTE, Offsets, Recurrence, Schedule, Slot, is_weekend};
use crate::catalogue::{self, Agent};
use crate::changes::{
    Federated, Subject, app_role_changed, application_added, credentials_changed, federation_changed,
};
use crate::envelopes::{Actor, Credential, CredentialKind, principal_of_resource};
use crate::networks::{Address, NetworkKind, draw_v4, draw_v6};
use crate::plan::{Plan, usual_actor};
use crate::rng::Rng;
use crate::truth::{EpisodeKind, LOOK_ALIKE_EVENTS_MAX};

/// All families of look-alikes.
pub const LOOK_ALIKE_FAMILIES: &[&str] = &[
    "hostedRunners",
    "selfHostedScaleSet",
    "egressChange",
    "regionFailover",
    "vendorMove",
    "secretRotation",
    "certificateRotation",
    "newDeployment",
    "newResource",
    "sdkUpgrade",
    "blueGreen",
    "autoscaling",
    "monthlyJob",
    "weeklyJob",
    "dstShift",
    "caeSwitch",
    "ipv6Rollout",
    "developerLocal",
];

/// Something that changes in a principal's life.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) from: i64,
    pub(crate) until: i64,
    pub(crate) effect: Effect,
    /// Number of the episode that its sign-ins belong to while it is new.
    pub(crate) episode: u32,
}

#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// Nothing changes: the habit itself is the look-alike.
    Label,
    /// Works from these addresses instead.
    MoveTo(Vec<Address>),
    /// Works from these addresses too, in so many of 1,000 cases; with another release of its client if given.
    Beside { addresses: Vec<Address>, per_mille: u32, agent: Option<Agent> },
    /// Another release of its client.
    Upgrade(Agent),
    /// Another key, beside the old one until the overlap ends.
    Rotate { credential: Credential, overlap_until: i64 },
    /// One more API.
    NewResource(u8),
    /// So many times the sign-ins, from more addresses of its neighbourhood.
    Multiply(i64),
    /// Tokens become long-lived.
    LongLived,
    /// A developer runs it on the own machine.
    Developer { address: Address, agent: Agent },
}

/// How a principal signs in at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    pub(crate) address: Address,
    pub(crate) agent: Agent,
    pub(crate) credential: Credential,
    pub(crate) extra_resource: Option<u8>,
    pub(crate) copies: i64,
    /// The token is long-lived.
    pub(crate) cae: bool,
}

impl Principal {
    fn active(&self, time: i64) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(move |change| (change.from..change.until).contains(&time))
    }

    /// Its wakes on one day, those that changes bring included.
    pub(crate) fn slots(&self, day: i64, offsets: &Offsets, rng: &mut Rng, slots: &mut Vec<Slot>) {
        let long_lived = self.active(day * DAY).any(|change| matches!(change.effect, Effect::LongLived));
        let switched = Schedule::LongLived { instances: 1 };
        (if long_lived { &switched } else { &self.schedule }).slots(day, self.key, offsets, rng, slots);
        slots.retain(|slot| slot.time >= self.born);
    }

    /// How it signs in at a time, and in `episodes` the numbers of the episodes that shaped it.
    pub(crate) fn choose(&self, slot: Slot, rng: &mut Rng, episodes: &mut Vec<u32>) -> Choice {
        let mut choice = Choice {
            address: self.sources.draw(slot.run, rng),
            agent: self.agent,
            credential: self.credential,
            extra_resource: None,
            copies: 1,
            // Tokens of managed identities live long without continuous access evaluation.
            cae: matches!(self.schedule, Schedule::LongLived { .. }) && !self.is_managed(),
        };
        for change in self.active(slot.time) {
            let touched = match &change.effect {
                Effect::Label => true,
                Effect::LongLived => {
                    choice.cae = true;
                    true
                }
                Effect::MoveTo(addresses) => {
                    choice.address = addresses[usize::from(slot.run) % addresses.len()];
                    true
                }
                Effect::Beside { addresses, per_mille, agent } => {
                    let other = rng.per_mille(*per_mille);
                    if other {
                        choice.address = *rng.pick(addresses);
                        choice.agent = agent.unwrap_or(choice.agent);
                    }
                    other
                }
                Effect::Upgrade(agent) => {
                    choice.agent = *agent;
                    true
                }
                Effect::Rotate { credential, overlap_until } => {
                    let renewed = slot.time >= *overlap_until || rng.per_mille(500);
                    if renewed {
                        choice.credential = *credential;
                    }
                    renewed
                }
                Effect::NewResource(resource) => {
                    choice.extra_resource = Some(*resource);
                    true
                }
                Effect::Multiply(times) => {
                    choice.copies = *times;
                    true
                }
                Effect::Developer { .. } => false,
            };
            if touched {
                episodes.push(change.episode);
            }
        }
        choice
    }

    /// Sign-ins of developers on their own machines that day: time, address, client, episode.
    pub(crate) fn developer_runs(
        &self,
        day: i64,
        offsets: &Offsets,
        rng: &mut Rng,
    ) -> Vec<(i64, Address, Agent, u32)> {
        let mut runs = Vec::new();
        for change in &self.changes {
            let Effect::Developer { address, agent } = change.effect else { continue };
            for _ in 0..rng.between(1, 4) {
                let time = offsets.instant(day, rng.between(9 * HOUR, 18 * HOUR));
                if (change.from..change.until).contains(&time) {
                    runs.push((time, address, agent, change.episode));
                }
            }
        }
        runs
    }
}

/// Notes that a record belongs to an episode, while the episode is new and has room.
pub(crate) fn note(plan: &mut Plan, episode: u32, time: i64, id: impl FnOnce() -> String) {
    let episode = plan.episode_mut(episode);
    if (episode.from.0..=episode.to.0).contains(&time) && episode.event_ids.len() < LOOK_ALIKE_EVENTS_MAX {
        episode.event_ids.push(id());
    }
}

/// First and last instant of the simulation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Period {
    pub(crate) start: i64,
    pub(crate) end: i64,
}

impl Period {
    fn days(self) -> u64 {
        ((self.end - self.start) / DAY) as u64
    }

    /// Some time after the first tenth, if something that happens every so many days happens at all.
    fn sometime(self, every_days: u64, rng: &mut Rng) -> Option<i64> {
        let happens = rng.below(every_days) < self.days();
        let time = self.anytime(rng);
        happens.then_some(time)
    }

    fn anytime(self, rng: &mut Rng) -> i64 {
        rng.between(self.start + (self.end - self.start) / 10, self.end - 1)
    }
}

/// Days for which a lasting change counts as new.
const NEW_DAYS: i64 = 14;

/// Decides all look-alikes of a tenant.
pub(crate) fn plan(
    plan: &mut Plan,
    seed: u64,
    tenant: &Tenant,
    principals: &mut [Principal],
    offsets: impl Fn(&Principal) -> Vec<i64>,
    period: Period,
) {
    if period.days() == 0 {
        return;
    }
    for principal in &mut *principals {
        let shifts = offsets(principal);
        let rng = Rng::of(&[principal.key, 0x100c]);
        let mut life = Life { plan, tenant, period, first: period.start, principal, rng };
        life.birth();
        life.habits(&shifts);
        if !life.principal.is_managed() {
            life.deployments();
            life.rotations();
            life.environment();
        }
    }
    let mut rng = Rng::of(&[seed, 0x7e47]);
    move_offices(plan, tenant, principals, period, &mut rng);
    fail_regions_over(plan, tenant, principals, period, &mut rng);
    move_vendors(plan, tenant, principals, period, &mut rng);
    for principal in principals {
        principal.changes.sort_by_key(|change| change.from);
    }
}

/// One principal while its look-alikes are decided.
struct Life<'a> {
    plan: &'a mut Plan,
    tenant: &'a Tenant,
    period: Period,
    /// First instant of the simulation; the period begins later for who is deployed later.
    first: i64,
    principal: &'a mut Principal,
    rng: Rng,
}

impl Life<'_> {
    /// Adds a change; `new_for` is how long its records count as the episode's.
    fn add(&mut self, family: &str, from: i64, until: i64, new_for: i64, effect: Effect) -> u32 {
        let to = (from + new_for).min(until).min(self.period.end) - 1;
        let episode = self.plan.episode(EpisodeKind::LookAlike, family, self.principal, (from, to));
        self.principal.changes.push(Change { from, until, effect, episode });
        episode
    }

    /// A change that stays.
    fn add_lasting(&mut self, family: &str, from: i64, effect: Effect) -> u32 {
        self.add(family, from, i64::MAX, NEW_DAYS * DAY, effect)
    }

    /// Some are deployed only now: nothing about them is known before. All that follows happens after it.
    fn birth(&mut self) {
        if self.principal.is_managed() || !self.rng.per_mille(60) {
            return;
        }
        let born = self.period.anytime(&mut self.rng);
        let episode = self.add_lasting("newDeployment", born, Effect::Label);
        self.principal.born = born;
        if self.principal.is_owned_by(self.tenant) {
            let actor = usual_actor(self.tenant, &mut self.rng);
            let registered = born - self.rng.between(HOUR, 3 * DAY);
            let subject = Subject::from(&*self.principal);
            let registration = application_added(&actor, subject, false);
            let credential = self.principal.credential;
            let keys = match credential.kind {
                CredentialKind::Federated => {
                    let added = Federated {
                        id: credential.key,
                        issuer: "https://token.actions.githubusercontent.com".to_owned(),
                        subject: format!("repo:contoso/{}:ref:refs/heads/main", subject.name),
                    };
                    federation_changed(&actor, subject, &[], &[added])
                }
                _ => credentials_changed(&actor, subject, &[], &[credential]),
            };
            self.audit(episode, registered, registration);
            self.audit(episode, registered + 5 * MINUTE, keys);
        }
        self.period.start = born;
    }

    /// Habits that look odd from outside.
    fn habits(&mut self, shifts: &[i64]) {
        let Period { start, end } = self.period;
        match (self.principal.archetype, &self.principal.schedule) {
            (Archetype::HostedCi, _) => {
                self.add("hostedRunners", start, end, end - start, Effect::Label);
            }
            (Archetype::SelfHostedCi, _) => {
                let from = self.period.anytime(&mut self.rng);
                let count = self.rng.between(4, 30) as usize;
                let anchor = self.principal.sources.draw(0, &mut self.rng);
                let addresses = anchor.pool(count, &mut self.rng);
                let effect = Effect::Beside { addresses, per_mille: 600, agent: None };
                self.add_lasting("selfHostedScaleSet", from, effect);
            }
            (_, Schedule::Jobs { recurrence: Recurrence::Monthly(_) | Recurrence::MonthEnd, .. }) => {
                self.add("monthlyJob", start, end, end - start, Effect::Label);
            }
            (_, Schedule::Jobs { recurrence: Recurrence::Weekly(_), .. }) => {
                self.add("weeklyJob", start, end, end - start, Effect::Label);
            }
            _ => {}
        }
        if self.principal.schedule.follows_the_wall_clock() {
            for shift in shifts {
                self.add("dstShift", shift * DAY, (shift + NEW_DAYS) * DAY, NEW_DAYS * DAY, Effect::Label);
            }
        }
    }

    /// What developers change.
    fn deployments(&mut self) {
        if let Some(from) = self.period.sometime(75, &mut self.rng) {
            self.new_resource(from);
        }
        if let Some(from) = self.period.sometime(120, &mut self.rng)
            && let Some(agent) = self.principal.agent.upgraded()
        {
            self.add_lasting("sdkUpgrade", from, Effect::Upgrade(agent));
        }
        let in_region = matches!(self.principal.site, Site::Region(_));
        if let Some(from) = self.period.sometime(150, &mut self.rng)
            && in_region
        {
            let network = self.principal.sources.draw(0, &mut self.rng).network().name;
            let count = self.rng.between(1, 4) as usize;
            let addresses = draw_v4(&mut self.rng, |n| n.name == network).pool(count, &mut self.rng);
            let agent = self.principal.agent.upgraded();
            let hours = self.rng.between(3, 30);
            let effect = Effect::Beside { addresses, per_mille: 500, agent };
            self.add("blueGreen", from, from + hours * HOUR, hours * HOUR, effect);
        }
        if let Some(from) = self.period.sometime(60, &mut self.rng)
            && self.principal.archetype == Archetype::Pool
        {
            let hours = self.rng.between(4, 14);
            let times = self.rng.between(3, 10);
            self.add("autoscaling", from, from + hours * HOUR, hours * HOUR, Effect::Multiply(times));
        }
        if let Some(from) = self.period.sometime(300, &mut self.rng)
            && matches!(self.principal.schedule, Schedule::Polls { minutes: (60, 90), .. })
        {
            self.add_lasting("caeSwitch", from.div_euclid(DAY) * DAY, Effect::LongLived);
        }
        // A developer needs a key to carry, and hardly has a vendor's.
        let portable = self.principal.credential.kind != CredentialKind::Federated
            && !matches!(self.principal.site, Site::Vendor(_));
        if let Some(from) = self.period.sometime(250, &mut self.rng)
            && portable
        {
            let mut day = from.div_euclid(DAY);
            while is_weekend(day) {
                day += 1;
            }
            let person = self.rng.below(self.tenant.people.len() as u64) as usize;
            let places = [self.tenant.offices[0], self.tenant.people[person].home];
            let address = *self.rng.pick(&places);
            let agent = Agent::draw_tool(&mut self.rng);
            let days = self.rng.between(1, 2);
            if (day + 1) * DAY < self.period.end {
                let effect = Effect::Developer { address, agent };
                self.add("developerLocal", day * DAY, (day + days) * DAY, days * DAY, effect);
            }
        }
    }

    fn new_resource(&mut self, from: i64) {
        let Some(resource) = catalogue::draw_new_resource(&self.principal.resources, &mut self.rng) else {
            return;
        };
        let episode = self.add_lasting("newResource", from, Effect::NewResource(resource));
        let actor = usual_actor(self.tenant, &mut self.rng);
        let assigned = from - self.rng.between(5 * MINUTE, 2 * DAY);
        let api = catalogue::resource_at(resource);
        let role = if catalogue::is_own_api(resource) {
            "Data.Read"
        } else {
            self.rng.pick(catalogue::GRAPH_ROLES).0
        };
        let target = (principal_of_resource(self.tenant.id, api.app), api.name);
        let audits = app_role_changed(&actor, Subject::from(&*self.principal), target, role, assigned, true);
        self.audit(episode, assigned, audits);
    }

    /// Plans audit records of an episode, and widens the episode to hold them.
    fn audit(&mut self, episode: u32, time: i64, audits: Vec<crate::envelopes::Audit>) {
        let time = time.max(self.first);
        let ids = self.plan.audit(time, audits);
        if time < self.period.end {
            let episode = self.plan.episode_mut(episode);
            episode.from = episode.from.min(countersign_model::time::Timestamp(time));
            episode.event_ids.extend(ids);
        }
    }

    /// Keys are renewed every three months or so.
    fn rotations(&mut self) {
        let family = match self.principal.credential.kind {
            CredentialKind::Secret => "secretRotation",
            CredentialKind::Certificate | CredentialKind::Assertion => "certificateRotation",
            CredentialKind::Federated | CredentialKind::ManagedIdentity => return,
        };
        let mut current = self.principal.credential;
        let mut from =
            self.period.start + self.rng.between(2, 95) * DAY + self.rng.between(7 * HOUR, 16 * HOUR);
        while from < self.period.end {
            let credential = self.principal.new_credential(current.kind, &mut self.rng);
            let overlap_until = from + self.rng.between(0, 14 * 24) * HOUR;
            let episode = self.add_lasting(family, from, Effect::Rotate { credential, overlap_until });
            let actor = usual_actor(self.tenant, &mut self.rng);
            let added = from - self.rng.between(2 * MINUTE, 6 * HOUR);
            let subject = Subject::from(&*self.principal);
            // Of a vendor's application the tenant sees the new key only.
            if self.principal.is_owned_by(self.tenant) {
                let audits = credentials_changed(&actor, subject, &[current], &[credential, current]);
                self.audit(episode, added, audits);
                self.removal(&actor, overlap_until + 2 * DAY, current, credential);
            }
            current = credential;
            from += self.rng.between(80, 100) * DAY;
        }
    }

    /// The old key is removed; nobody waits for that record, so that it belongs to no episode.
    fn removal(&mut self, actor: &Actor, time: i64, old: Credential, new: Credential) {
        let audits = credentials_changed(actor, Subject::from(&*self.principal), &[new, old], &[new]);
        self.plan.audit(time, audits);
    }

    /// What networks and platforms change.
    fn environment(&mut self) {
        let Some(from) = self.period.sometime(300, &mut self.rng) else { return };
        if !matches!(self.principal.site, Site::Region(_) | Site::Office(_)) {
            return;
        }
        let network = self.principal.sources.draw(0, &mut self.rng).network();
        let address = draw_v6(&mut self.rng, |n| n.asn == network.asn && n.country == network.country);
        if address.network().asn != network.asn {
            return;
        }
        let count = self.rng.between(1, 3) as usize;
        let addresses = address.pool(count, &mut self.rng);
        let effect =
            Effect::Beside { addresses, per_mille: self.rng.between(300, 1_000) as u32, agent: None };
        self.add_lasting("ipv6Rollout", from, effect);
    }
}

/// Gives each of the principals that `moves` accepts the same move; returns how many there were.
fn move_together(
    plan: &mut Plan,
    principals: &mut [Principal],
    family: &str,
    group: &str,
    (from, until, end): (i64, i64, i64),
    mut moves: impl FnMut(&Principal) -> Option<Vec<Address>>,
) {
    for principal in principals.iter_mut().filter(|principal| !principal.is_managed()) {
        let Some(addresses) = moves(principal) else { continue };
        let to = (from + NEW_DAYS * DAY).min(until).min(end) - 1;
        let episode = plan.episode(EpisodeKind::LookAlike, family, principal, (from, to));
        plan.episode_mut(episode).traits.insert("group", group.to_owned());
        principal.changes.push(Change { from, until, effect: Effect::MoveTo(addresses), episode });
    }
}

/// How often something that happens on `percent` of days happens; at least once in two weeks.
fn occurrences(period: Period, percent: u64) -> u64 {
    let count = period.days() * percent / 100;
    if period.days() >= 14 { count.max(1) } else { count }
}

/// The egress address of an office changes: all who work behind it move.
fn move_offices(
    plan: &mut Plan,
    tenant: &Tenant,
    principals: &mut [Principal],
    period: Period,
    rng: &mut Rng,
) {
    for n in 0..occurrences(period, 2) {
        let office = rng.below(tenant.offices.len() as u64) as usize;
        let country = tenant.offices[office].country();
        let address = draw_v4(rng, |n| n.kind == NetworkKind::Access && n.country == country);
        let from = period.anytime(rng);
        let group = format!("egress-{}", n + 1);
        move_together(plan, principals, "egressChange", &group, (from, i64::MAX, period.end), |principal| {
            (principal.site == Site::Office(office) && principal.archetype != Archetype::SelfHostedCi)
                .then(|| vec![address])
        });
    }
}

/// A region fails: its workloads run elsewhere for minutes to hours and return.
fn fail_regions_over(
    plan: &mut Plan,
    tenant: &Tenant,
    principals: &mut [Principal],
    period: Period,
    rng: &mut Rng,
) {
    for n in 0..occurrences(period, 3) {
        let region = rng.below(tenant.regions.len() as u64) as usize;
        let home = tenant.regions[region].network();
        let refuge = draw_v4(rng, |n| n.kind == home.kind && n.country != home.country);
        let from = period.anytime(rng);
        let until = from + rng.between(30, 600) * MINUTE;
        let group = format!("failover-{}", n + 1);
        let network = refuge.network().name;
        move_together(plan, principals, "regionFailover", &group, (from, until, period.end), |principal| {
            let affected = principal.site == Site::Region(region) && rng.per_mille(800);
            affected.then(|| draw_v4(rng, |n| n.name == network).pool(2, rng))
        });
    }
}

/// A vendor moves to another cloud: for all its principals at once, for good.
fn move_vendors(
    plan: &mut Plan,
    tenant: &Tenant,
    principals: &mut [Principal],
    period: Period,
    rng: &mut Rng,
) {
    let busiest = principals.iter().find_map(|principal| match principal.site {
        Site::Vendor(vendor) => Some(vendor),
        _ => None,
    });
    for (index, vendor) in tenant.vendors.iter().enumerate() {
        let moves = period.sometime(400, rng).is_some() || (period.days() >= 14 && busiest == Some(index));
        let from = period.anytime(rng);
        let old = vendor.addresses[0].network().asn;
        let clouds = [NetworkKind::Aws, NetworkKind::Azure, NetworkKind::Gcp];
        let address = draw_v4(rng, |n| clouds.contains(&n.kind) && n.asn != old);
        let addresses = address.pool(vendor.addresses.len(), rng);
        if moves {
            let group = format!("vendor-{}", index + 1);
            move_together(
                plan,
                principals,
                "vendorMove",
                &group,
                (from, i64::MAX, period.end),
                |principal| (principal.site == Site::Vendor(index)).then(|| addresses.clone()),
            );
        }
    }
}
