//! Look-alikes in the life of one principal.

use countersign_model::time::{DAY, HOUR};

use super::{Change, Effect, NEW_DAYS, Period};
use crate::archetypes::{Archetype, Principal, Site};
use crate::calendar::{MINUTE, Recurrence, Schedule, Slot, is_weekend};
use crate::catalogue::{self, Agent};
use crate::changes::{
    Consent, Federated, Subject, app_role_changed, application_added, consented, credentials_changed,
    federation_changed, group_member_changed, owner_added, principal_added,
};
use crate::envelopes::{Actor, Api, Credential, CredentialKind, event_id, object_id, principal_of_resource};
use crate::json::{Guid, civil};
use crate::networks::{draw_v4, draw_v6};
use crate::plan::{CallBody, Plan, SignInBody, usual_actor};
use crate::rng::Rng;
use crate::tenant::Tenant;
use crate::truth::{EpisodeKind, LOOK_ALIKE_EVENTS_MAX};

/// One principal while its look-alikes are decided.
pub(super) struct Life<'a> {
    pub(super) plan: &'a mut Plan,
    pub(super) tenant: &'a Tenant,
    pub(super) period: Period,
    /// First instant of the simulation; the period begins later for who is deployed later.
    pub(super) first: i64,
    pub(super) index: u32,
    pub(super) principal: &'a mut Principal,
    pub(super) rng: Rng,
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
    pub(super) fn birth(&mut self) {
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
            self.grant_duty(&actor, episode, registered + 20 * MINUTE);
        } else {
            // Of a vendor's application the tenant sees the consent.
            let actor = usual_actor(self.tenant, &mut self.rng);
            let subject = Subject::from(&*self.principal);
            let consented_at = born - self.rng.between(HOUR, 2 * DAY);
            let api = catalogue::resource_at(catalogue::GRAPH);
            let target = (principal_of_resource(self.tenant.id, api.app), api.name);
            let consent = Consent { admin: true, scopes: "User.Read openid profile offline_access" };
            let added = principal_added(&actor, subject);
            let audits = consented(&actor, subject, target, consent);
            self.audit(episode, consented_at, added);
            self.audit(episode, consented_at + MINUTE, audits);
            self.grant_duty(&actor, episode, consented_at + 2 * MINUTE);
        }
        self.period.start = born;
    }

    /// Habits that look odd from outside.
    pub(super) fn habits(&mut self, shifts: &[i64]) {
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
    pub(super) fn deployments(&mut self) {
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
    pub(super) fn rotations(&mut self) {
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
    pub(super) fn environment(&mut self) {
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

    /// The application roles of its duty are granted.
    fn grant_duty(&mut self, actor: &Actor, episode: u32, time: i64) {
        let Some(traffic) = &self.principal.traffic else { return };
        let api = catalogue::resource_at(catalogue::GRAPH);
        let target = (principal_of_resource(self.tenant.id, api.app), api.name);
        for (n, role) in traffic.duty.roles.split(' ').enumerate() {
            let time = time + n as i64 * 20_000_000;
            let audits = app_role_changed(actor, Subject::from(&*self.principal), target, role, time, true);
            self.audit(episode, time, audits);
        }
    }

    /// Habits and bursts of calls.
    pub(super) fn traffic(&mut self) {
        let Period { start, end } = self.period;
        let Some(traffic) = &self.principal.traffic else { return };
        match traffic.duty.name {
            "directoryBackup" => {
                self.add("directoryBackup", start, end, end - start, Effect::Label);
            }
            "attackPathReview" => {
                self.add("attackPathReview", start, end, end - start, Effect::Label);
            }
            "hrSync" => {
                for day in start.div_euclid(DAY)..end.div_euclid(DAY) {
                    if civil(day).2 == 1 {
                        self.add("hrBulkUpdate", day * DAY, (day + 2) * DAY, 2 * DAY, Effect::Label);
                    }
                }
            }
            _ => {}
        }
        if let Some(from) = self.period.sometime(90, &mut self.rng) {
            let hours = self.rng.between(2, 40);
            let times = *self.rng.pick(&[10, 20, 50, 100]);
            let episode = self.add("backfill", from, from + hours * HOUR, hours * HOUR, Effect::Surge(times));
            let why = *self.rng.pick(&["backfill", "reindex", "restoreTest"]);
            self.plan.episode_mut(episode).traits.insert("why", why.to_owned());
        }
        if let Some(from) = self.period.sometime(200, &mut self.rng)
            && matches!(self.principal.schedule, Schedule::Polls { minutes: (60, 90), .. })
        {
            // Days, because a day's rhythm is decided at its beginning.
            let days = self.rng.between(1, 10);
            let from = from.div_euclid(DAY) * DAY;
            self.add("tokenLifetime", from, from + days * DAY, days * DAY, Effect::ShortLived);
        }
    }

    /// Pipelines apply what is declared: broad changes in a few minutes.
    pub(super) fn applies(&mut self) {
        let pipeline = matches!(self.principal.archetype, Archetype::HostedCi | Archetype::SelfHostedCi);
        let own = self.principal.is_owned_by(self.tenant);
        if !pipeline || !own || !self.rng.per_mille(400) {
            return;
        }
        let every = self.rng.between(3, 25) * DAY;
        let mut time = self.period.start + self.rng.between(0, every);
        while time < self.period.end - HOUR {
            self.apply(time);
            time += self.rng.between(every / 2, every * 3 / 2);
        }
    }

    fn apply(&mut self, begin: i64) {
        let choice = self.principal.choose(Slot { time: begin, run: 0 }, &mut self.rng, &mut Vec::new());
        let body = SignInBody {
            principal: self.index,
            address: choice.address,
            agent: choice.agent,
            resource: catalogue::GRAPH,
            credential: choice.credential,
            error: 0,
            cae: choice.cae,
        };
        let token = self.plan.sign_in(begin, body);
        let mut ids = vec![event_id(token).to_string()];
        let actor = Actor::App { principal: self.principal.id, name: self.principal.name.clone() };
        let api = catalogue::resource_at(catalogue::GRAPH);
        let graph = (principal_of_resource(self.tenant.id, api.app), api.name);
        let mut time = begin;
        for _ in 0..self.rng.between(2, 25) {
            time += self.rng.between(1_000_000, 25_000_000);
            let key = self.rng.next();
            let name = format!("{}-{}", self.rng.pick(catalogue::COMPONENTS), self.rng.below(90) + 10);
            let subject = Subject {
                name: &name,
                principal: Guid::from_seed(key),
                app: Guid::from_seed(key ^ 1),
                application: Guid::from_seed(key ^ 2),
            };
            let (uri, audits) = match self.rng.weighted(&[20, 25, 20, 15, 20]) {
                0 => (APPLICATIONS, application_added(&actor, subject, false)),
                1 => {
                    let role = self.rng.pick(catalogue::GRAPH_ROLES).0;
                    (ASSIGNMENTS, app_role_changed(&actor, subject, graph, role, time, true))
                }
                2 => {
                    let issuer = "https://token.actions.githubusercontent.com".to_owned();
                    let subject_text = format!("repo:contoso/{name}:ref:refs/heads/main");
                    let added = Federated { id: Guid::from_seed(key ^ 3), issuer, subject: subject_text };
                    (FEDERATION, federation_changed(&actor, subject, &[], &[added]))
                }
                3 => {
                    let owner = ("ServicePrincipal", self.principal.id, self.principal.name.as_str());
                    (OWNERS, owner_added(&actor, subject, owner, false))
                }
                _ => {
                    let user = object_id(self.tenant.id, b'u', key as u32 % 800);
                    let group = object_id(self.tenant.id, b'g', key as u32 % 60);
                    let name = format!("user{}@contoso.example", key as u32 % 800);
                    (MEMBERS, group_member_changed(&actor, user, &name, group, true))
                }
            };
            let call = CallBody {
                principal: self.index,
                address: choice.address,
                agent: choice.agent,
                credential: choice.credential.kind,
                api: Api::Graph,
                method: "POST",
                uri,
                object: key as u32 % 900,
                granted: "Application.ReadWrite.All AppRoleAssignment.ReadWrite.All",
                status: 201,
                bytes: 1_500,
                token,
                issued: begin,
            };
            ids.push(self.plan.call(time, call));
            ids.extend(self.plan.audit(time + 100_000, audits));
        }
        let span = (begin, time + 1_000_000);
        let episode = self.plan.episode(EpisodeKind::LookAlike, "infrastructureApply", self.principal, span);
        ids.truncate(LOOK_ALIKE_EVENTS_MAX);
        self.plan.episode_mut(episode).event_ids = ids;
    }

    /// Jobs of a quarter or a year, and those that nobody needs any more.
    pub(super) fn rare_jobs(&mut self) {
        let Period { start, end } = self.period;
        let rare = matches!(self.principal.archetype, Archetype::SteadyPoller | Archetype::ScheduledJob);
        let long = self.period.days() >= 14;
        let exact = matches!(self.principal.schedule, Schedule::Evenly { .. });
        if !rare || !long || exact || self.principal.born > start {
            return;
        }
        let tenth = (end - start) / 10;
        let days = self.rng.between(1, 3) * DAY;
        let wake = self.rng.between(start + 5 * tenth, end - days).div_euclid(DAY) * DAY;
        let asleep = start + self.rng.between(tenth / 2, 2 * tenth);
        let (family, asleep) = match self.rng.weighted(&[940, 25, 20, 15]) {
            0 => return,
            1 => ("quarterlyJob", asleep),
            // Seen for the first time.
            2 => ("yearlyJob", i64::MIN),
            _ => {
                self.principal.changes.push(Change {
                    from: asleep,
                    until: i64::MAX,
                    effect: Effect::Sleep,
                    episode: 0,
                });
                return;
            }
        };
        // A job of its own days: a few runs, with what it always asks for.
        self.principal.schedule = Schedule::Jobs {
            recurrence: Recurrence::Daily,
            minute_of_day: self.rng.between(0, 95) * 15,
            steps: self.rng.between(1, 5) as u16,
        };
        let times = self.rng.between(1, 4) as u64;
        let episode = self.add(family, wake, wake + days, days, Effect::Surge(times));
        for (from, until) in [(asleep, wake), (wake + days, i64::MAX)] {
            self.principal.changes.push(Change { from, until, effect: Effect::Sleep, episode });
        }
    }
}

const APPLICATIONS: &str = "https://graph.microsoft.com/v1.0/applications";
const ASSIGNMENTS: &str = "https://graph.microsoft.com/v1.0/servicePrincipals/{q}/appRoleAssignments";
const FEDERATION: &str = "https://graph.microsoft.com/v1.0/applications/{a}/federatedIdentityCredentials";
const OWNERS: &str = "https://graph.microsoft.com/v1.0/applications/{a}/owners/$ref";
const MEMBERS: &str = "https://graph.microsoft.com/v1.0/groups/{g}/members/$ref";
