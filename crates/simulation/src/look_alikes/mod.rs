//! Benign episodes that resemble attacks, each labelled, so that an evaluation can tell what raised a false alarm.
//!
//! One look-alike cannot be simulated: that a table of networks gives an unchanged address another name. The log
//! holds addresses alone; which table names them is the reader's.

mod life;
mod together;

use countersign_model::time::{DAY, HOUR};

use crate::archetypes::Principal;
use crate::calendar::{Offsets, Schedule, Slot};
use crate::catalogue::Agent;
use crate::envelopes::{Credential, Identity};
use crate::json::Guid;
use crate::networks::Address;
use crate::plan::Plan;
use crate::rng::Rng;
use crate::tenant::Tenant;
use crate::truth::LOOK_ALIKE_EVENTS_MAX;
use life::Life;

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
    "backfill",
    "directoryBackup",
    "hrBulkUpdate",
    "attackPathReview",
    "infrastructureApply",
    "tokenLifetime",
    "quarterlyJob",
    "yearlyJob",
    "penetrationTest",
    "tenantMerge",
    "publisherRename",
    "lateDelivery",
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
    /// So many times the calls, of the usual kinds.
    Surge(u64),
    /// Tokens end after minutes instead of an hour.
    ShortLived,
    /// Does nothing at all.
    Sleep,
    /// Bears another name, and belongs to another tenant if one is given.
    Rename { name: String, owner: Option<Guid> },
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
    /// How many times the usual calls, in thousandths.
    pub(crate) factor: u64,
    /// The token is long-lived.
    pub(crate) cae: bool,
}

impl Principal {
    fn active(&self, time: i64) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(move |change| (change.from..change.until).contains(&time))
    }

    /// False while it sleeps.
    pub(crate) fn lives(&self, time: i64) -> bool {
        !self.active(time).any(|change| matches!(change.effect, Effect::Sleep))
    }

    /// Who it is at a time.
    pub(crate) fn identity(&self, time: i64) -> Identity<'_> {
        let mut identity = Identity {
            name: &self.name,
            principal: self.id,
            app: self.app,
            owner_tenant: self.owner_tenant,
            azure_resource: &self.azure_resource,
        };
        for change in self.active(time) {
            if let Effect::Rename { name, owner } = &change.effect {
                identity.name = name;
                identity.owner_tenant = owner.unwrap_or(identity.owner_tenant);
            }
        }
        identity
    }

    /// True for one that falls asleep at some time.
    pub(crate) fn sleeps(&self) -> bool {
        self.changes.iter().any(|change| matches!(change.effect, Effect::Sleep))
    }

    /// Its wakes on one day, those that changes bring included.
    pub(crate) fn slots(&self, day: i64, offsets: &Offsets, rng: &mut Rng, slots: &mut Vec<Slot>) {
        let long_lived = self.active(day * DAY).any(|change| matches!(change.effect, Effect::LongLived));
        let short_lived = self.active(day * DAY).any(|change| matches!(change.effect, Effect::ShortLived));
        let switched = Schedule::LongLived { instances: 1 };
        let hurried = Schedule::Polls { minutes: (10, 20), instances: self.instances() };
        let schedule = match (long_lived, short_lived) {
            (true, _) => &switched,
            (_, true) => &hurried,
            _ => &self.schedule,
        };
        schedule.slots(day, self.key, offsets, rng, slots);
        slots.retain(|slot| slot.time >= self.born && self.lives(slot.time));
    }

    /// How it signs in at a time, and in `episodes` the numbers of the episodes that shaped it.
    pub(crate) fn choose(&self, slot: Slot, rng: &mut Rng, episodes: &mut Vec<u32>) -> Choice {
        let mut choice = Choice {
            address: self.sources.draw(slot.run, rng),
            agent: self.agent,
            credential: self.credential,
            extra_resource: None,
            copies: 1,
            factor: 1_000,
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
                Effect::Surge(times) => {
                    choice.factor *= times;
                    true
                }
                Effect::ShortLived | Effect::Rename { .. } => true,
                Effect::Developer { .. } | Effect::Sleep => false,
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
    for (index, principal) in principals.iter_mut().enumerate() {
        let shifts = offsets(principal);
        let rng = Rng::of(&[principal.key, 0x100c]);
        let index = index as u32;
        let mut life = Life { plan, tenant, period, first: period.start, index, principal, rng };
        life.birth();
        life.rare_jobs();
        life.habits(&shifts);
        life.traffic();
        if !life.principal.is_managed() {
            life.deployments();
            life.rotations();
            life.environment();
            life.applies();
        }
    }
    let mut rng = Rng::of(&[seed, 0x7e47]);
    together::move_offices(plan, tenant, principals, period, &mut rng);
    together::fail_regions_over(plan, tenant, principals, period, &mut rng);
    together::move_vendors(plan, tenant, principals, period, &mut rng);
    let mut rng = Rng::of(&[seed, 0x7e48]);
    together::rename_vendor(plan, tenant, principals, period, &mut rng);
    together::merge_tenants(plan, tenant, principals, period, &mut rng);
    together::test_penetration(plan, tenant, principals, period, &mut rng);
    together::delay_delivery(plan, principals, period, &mut rng);
    for principal in principals {
        principal.changes.sort_by_key(|change| change.from);
    }
}
