//! Incidents that were published, as far as workload identities take part, with amounts drawn wide.

use countersign_model::time::{DAY, HOUR, SECOND};

use super::skeleton::Use;
use super::{Act, Attack, Held, Loot, addresses};
use crate::archetypes::Archetype;
use crate::calendar::MINUTE;
use crate::catalogue::{Agent, GRAPH, RESOURCE_MANAGER};
use crate::changes::{
    Consent, Federated, Subject, app_role_changed, application_added, audit, consented, credentials_changed,
    domain_authentication, federation_changed, principal_added, principal_credentials_changed,
    role_member_changed, target,
};
use crate::envelopes::{Actor, CredentialKind, principal_of_resource};
use crate::json::Guid;
use crate::networks::{Address, NetworkKind, draw_v4, hosted_runner};
use crate::rng::Rng;
use crate::traffic::Traffic;
use crate::traffic::duties::Ask;

/// What happens in an incident.
pub(super) type Tell = for<'a, 'b> fn(&'a mut Attack<'b>);

impl Attack<'_> {
    /// One of the incidents that this victim can have, in a quarter of the attacks.
    pub(super) fn incident(&mut self) -> Option<(&'static str, Tell)> {
        if self.principal.is_managed() || !self.rng.per_mille(280) {
            return None;
        }
        let owned = self.principal.is_owned_by(self.tenant);
        let graph = self.principal.resources.contains(&GRAPH);
        let vendor = self.principal.archetype == Archetype::SaasVendor;
        let quiet = self.principal.sleeps() || self.principal.archetype == Archetype::ScheduledJob;
        let reads = self.principal.roles.contains("Mail") || self.principal.roles.contains("Files");
        let tales: [(bool, u32, &'static str, Tell); 14] = [
            (quiet && owned, 30, "midnightBlizzard", |a| a.midnight_blizzard()),
            (owned && reads, 20, "solorigate", |a| a.solorigate()),
            (vendor, 30, "metallic", |a| a.metallic()),
            (vendor, 30, "driftVendor", |a| a.drift()),
            (self.is_pipeline(), 30, "ciLeak", |a| a.leak_of_pipelines()),
            (graph && owned && !vendor, 12, "syncAccount", |a| a.sync_account()),
            (owned, 8, "stratusBackdoorApplication", |a| a.stratus_backdoor(CredentialKind::Secret)),
            (!vendor, 8, "stratusBackdoorServicePrincipal", |a| a.stratus_backdoor_principal()),
            (owned, 8, "stratusBackdoorFederation", |a| a.stratus_backdoor(CredentialKind::Federated)),
            (true, 8, "stratusNewApplication", |a| a.stratus_new_application()),
            (owned && graph, 10, "selfGrant", |a| a.self_grant()),
            (owned, 10, "createUseDelete", |a| a.create_and_delete()),
            (true, 8, "keySpraying", |a| a.key_spraying()),
            (true, 8, "consentPhishing", |a| a.consent_phishing()),
        ];
        let weights: Vec<u32> =
            tales.iter().map(|(fits, weight, ..)| if *fits { *weight } else { 0 }).collect();
        let (_, _, family, tell) = tales[self.rng.weighted(&weights)];
        Some((family, tell))
    }

    pub(super) fn tell(&mut self, family: &str, tell: Tell) {
        tell(self);
        self.story.traits.push(("incident", family.to_owned()));
        self.finish(family);
    }

    fn from(&mut self, place: Use) -> Vec<Address> {
        let home = self.principal.sources.draw(0, &mut self.rng);
        let list = addresses(place, Some(home.network()), self.tenant.country, &mut self.rng);
        if list.is_empty() { vec![hosted_runner(&mut self.rng)] } else { list }
    }

    fn vps(&mut self) -> Address {
        let list = self.from(Use::Vps);
        *self.rng.pick(&list)
    }

    /// Somebody's account, from a rented server or a home that is not theirs.
    fn hijacked(&mut self) -> (Actor, Address) {
        let address = draw_v4(&mut self.rng, |n| {
            matches!(n.kind, NetworkKind::ForeignHosting | NetworkKind::Hosting | NetworkKind::Access)
        });
        let person = self.rng.pick(&self.tenant.people).clone();
        let actor =
            Actor::User { id: person.id, user_principal_name: person.user_principal_name, ip: address.ip };
        (actor, address)
    }

    /// A moment later than `time`.
    fn after(&mut self, time: i64, low: i64, high: i64) -> i64 {
        time + self.rng.between(low, high)
    }

    /// Reads a little with each of several tokens, over days.
    fn drip(&mut self, begin: i64, days: i64, held: Held, places: &[Address], granted: &'static str) {
        let mut loot = Loot::mail(&mut self.rng);
        let a_day = self.rng.between(1, 4);
        for n in 0..days.max(1) * a_day {
            let time = begin + n / a_day * DAY + self.rng.between(0, 20 * HOUR);
            let address = *self.rng.pick(places);
            let from = (address, held.sign_in.agent);
            let signed_in =
                self.sign_in(time, held.sign_in.principal, from, GRAPH, held.sign_in.credential, 0);
            let Some(token) = signed_in else { continue };
            let deeds = loot.deeds(Act::DripRead, n as usize, &mut self.rng);
            self.deeds(time, token, &deeds, granted);
        }
    }

    /// Days left for something that takes long, after it began.
    fn days_left(&self, begin: i64) -> i64 {
        ((self.period.end - begin) / DAY - 1).max(0)
    }

    /// A dormant application of old wakes on residential proxies, registers others, one of which reads mailboxes.
    fn midnight_blizzard(&mut self) {
        let begin = self.begin(5 * DAY);
        let places: Vec<Address> = (0..3).flat_map(|_| self.from(Use::Residential)).collect();
        let agent = Agent::draw_generic(&mut self.rng);
        let known = self.principal.credential;
        let mut time = begin;
        let mut token = None;
        for _ in 0..self.rng.between(2, 6) {
            let from = (*self.rng.pick(&places), agent);
            token = self.sign_in(time, self.index, from, GRAPH, known, 0).or(token);
            time = self.after(time, 10 * MINUTE, 8 * HOUR);
        }
        let Some(held) = token else { return };
        let actor = self.victim_as_actor();
        let exchange = crate::catalogue::resource_at(5);
        let exchange = (principal_of_resource(self.tenant.id, exchange.app), exchange.name);
        for n in 0..self.rng.between(1, 3) {
            let name = ["Mail Gateway Test", "Archive Connector", "Sync Validation"][n as usize];
            let (index, made) = self.plant(name, self.tenant.id);
            let subject = Subject::from(&made);
            self.audit(time, application_added(&actor, subject, false));
            self.audit(time + MINUTE, credentials_changed(&actor, subject, &[], &[made.credential]));
            let consent = Consent { admin: true, scopes: "User.Read offline_access" };
            self.audit(time + 3 * MINUTE, consented(&actor, subject, self.graph(), consent));
            let role = app_role_changed(&actor, subject, exchange, "full_access_as_app", time, true);
            self.audit(time + 4 * MINUTE, role);
            if n == 0 {
                let days = self.days_left(time).min(self.rng.between(4, 42));
                let sign_in =
                    crate::plan::SignInBody { principal: index, credential: made.credential, ..held.sign_in };
                self.drip(time + HOUR, days, Held { sign_in, ..held }, &places, "full_access_as_app");
            }
            time = self.after(time, 20 * MINUTE, DAY);
        }
    }

    /// An administrator's account adds a key to an application that may read mail; then mail is read for weeks.
    fn solorigate(&mut self) {
        let begin = self.begin(7 * DAY);
        let (actor, _) = self.hijacked();
        let added = self.principal.new_credential(CredentialKind::Certificate, &mut self.rng);
        let audits = self.credential_added(&actor, self.principal, self.principal.credential, added);
        self.audit(begin, audits);
        let graph = self.graph();
        if self.rng.per_mille(600) {
            let given = begin + 2 * MINUTE;
            let audits =
                app_role_changed(&actor, Subject::from(self.principal), graph, "Mail.Read", given, true);
            self.audit(given, audits);
        }
        let place = *self.rng.pick(&[Use::Residential, Use::Vps, Use::SameCloud]);
        let places = self.from(place);
        let from = (places[0], self.principal.agent);
        let first = self.after(begin, HOUR, 2 * DAY);
        let Some(held) = self.sign_in(first, self.index, from, GRAPH, added, 0) else { return };
        let days = self.days_left(first).min(self.rng.between(5, 30));
        self.drip(first + HOUR, days, held, &places, "Mail.Read");
    }

    /// The secrets of a vendor's customers are used beside the vendor's service, for what the service does.
    fn metallic(&mut self) {
        let begin = self.begin(2 * DAY);
        let address = self.vps();
        let agent =
            if self.rng.per_mille(500) { self.principal.agent } else { Agent::draw_generic(&mut self.rng) };
        let own: Vec<Ask> = self.principal.traffic.as_ref().map(Traffic::asks).unwrap_or_default();
        let mut loot = Loot::draw(own, &mut self.rng);
        let mut time = begin;
        let mut last = None;
        for n in 0..self.rng.between(2, 7) {
            let token = self.sign_in(time, self.index, (address, agent), GRAPH, self.principal.credential, 0);
            if let Some(token) = token {
                last = Some(token);
                let deeds = loot.deeds(Act::BulkRead, n as usize, &mut self.rng);
                self.deeds(time, token, &deeds, "");
            }
            time = self.after(time, HOUR, 20 * HOUR);
        }
        if let Some(held) = last
            && self.rng.per_mille(400)
        {
            self.change_directory(time, held);
        }
    }

    /// A vendor's own token is used from elsewhere: breadth before volume.
    fn drift(&mut self) {
        let begin = self.begin(3 * DAY);
        let place = *self.rng.pick(&[Use::Vps, Use::SameCloud]);
        let places = self.from(place);
        let agent = Agent::draw_generic(&mut self.rng);
        let mut loot = Loot::draw(Vec::new(), &mut self.rng);
        let acts = [Act::EnumerateFast, Act::EnumerateFast, Act::BulkRead, Act::BulkRead, Act::BulkRead];
        let mut time = begin;
        for (n, act) in acts.into_iter().enumerate() {
            let from = (*self.rng.pick(&places), agent);
            let token = self.sign_in(time, self.index, from, GRAPH, self.principal.credential, 0);
            let Some(token) = token else { break };
            let deeds = loot.deeds(act, n, &mut self.rng);
            let end = self.deeds(time, token, &deeds, "");
            time = self.after(end, 20 * MINUTE, 12 * HOUR);
        }
    }

    /// Secrets of pipelines are posted out and tried: at once or after months, a few times.
    fn leak_of_pipelines(&mut self) {
        let begin = self.begin(2 * DAY);
        let place = *self.rng.pick(&[Use::Vps, Use::SameCloud]);
        let places = self.from(place);
        let agent = Agent::draw_generic(&mut self.rng);
        let mut time = begin;
        for n in 0..self.rng.between(2, 9) {
            let resource = *self.rng.pick(&[RESOURCE_MANAGER, self.principal.resources[0], GRAPH]);
            let from = (*self.rng.pick(&places), agent);
            let token = self.sign_in(time, self.index, from, resource, self.principal.credential, 0);
            if let (Some(token), GRAPH, true) = (token, resource, self.rng.per_mille(700)) {
                let mut loot = Loot::draw(Vec::new(), &mut self.rng);
                let deeds = loot.deeds(Act::EnumerateFast, n as usize, &mut self.rng);
                self.deeds(time, token, &deeds, "");
            }
            time = self.after(time, MINUTE, 15 * HOUR);
        }
    }

    /// A synchronisation identity maps the directory, then a domain's sign-in is changed.
    fn sync_account(&mut self) {
        let begin = self.begin(DAY);
        let address = self.vps();
        let agent = Agent::draw_generic(&mut self.rng);
        let mut loot = Loot::draw(Vec::new(), &mut self.rng);
        let mut time = begin;
        for n in 0..2 {
            let token = self.sign_in(time, self.index, (address, agent), GRAPH, self.principal.credential, 0);
            let Some(token) = token else { return };
            let deeds = loot.deeds(Act::EnumerateFast, n, &mut self.rng);
            let end = self.deeds(time, token, &deeds, "");
            time = self.after(end, 10 * MINUTE, 8 * HOUR);
        }
        let actor = self.victim_as_actor();
        self.audit(time, domain_authentication(&actor, "contoso.example", "Managed", "Federated"));
    }

    /// An emulation: a credential is added to an application and used once or twice.
    fn stratus_backdoor(&mut self, kind: CredentialKind) {
        let begin = self.begin(DAY);
        let (actor, address) = self.hijacked();
        let added = self.principal.new_credential(kind, &mut self.rng);
        let subject = Subject::from(self.principal);
        let audits = if kind == CredentialKind::Federated {
            let list = Federated {
                id: added.key,
                issuer: "https://stratusredteam.z13.web.core.windows.net".to_owned(),
                subject: "stratus-red-team".to_owned(),
            };
            federation_changed(&actor, subject, &[], &[list])
        } else {
            let known = self.principal.credential;
            credentials_changed(&actor, subject, &[known], &[known, added])
        };
        self.audit(begin, audits);
        self.use_soon(begin, address, added);
    }

    fn stratus_backdoor_principal(&mut self) {
        let begin = self.begin(DAY);
        let (actor, address) = self.hijacked();
        let added = self.principal.new_credential(CredentialKind::Secret, &mut self.rng);
        let subject = Subject::from(self.principal);
        self.audit(begin, principal_credentials_changed(&actor, subject, &[], &[added]));
        self.use_soon(begin, address, added);
    }

    fn use_soon(&mut self, begin: i64, address: Address, credential: crate::envelopes::Credential) {
        let agent = Agent::draw_generic(&mut self.rng);
        let mut time = begin;
        for _ in 0..self.rng.between(1, 3) {
            time = self.after(time, MINUTE, 40 * MINUTE);
            let resource = *self.rng.pick(&[GRAPH, RESOURCE_MANAGER]);
            self.sign_in(time, self.index, (address, agent), resource, credential, 0);
        }
    }

    /// An emulation: a new application with a secret whose principal becomes Global Administrator.
    fn stratus_new_application(&mut self) {
        let begin = self.begin(DAY);
        let (actor, address) = self.hijacked();
        let (index, made) = self.plant("Stratus Red Team", self.tenant.id);
        self.story.instead = Some(made.clone());
        let subject = Subject::from(&made);
        self.audit(begin, application_added(&actor, subject, false));
        self.audit(begin + 4 * SECOND, credentials_changed(&actor, subject, &[], &[made.credential]));
        self.audit(begin + 9 * SECOND, role_member_changed(&actor, subject, "Global Administrator", true));
        let agent = Agent::draw_generic(&mut self.rng);
        let time = self.after(begin, 2 * MINUTE, 2 * HOUR);
        self.sign_in(time, index, (address, agent), GRAPH, made.credential, 0);
    }

    fn entered(&mut self, time: i64) -> Option<Held> {
        let address = self.vps();
        let agent = Agent::draw_generic(&mut self.rng);
        self.sign_in(time, self.index, (address, agent), GRAPH, self.principal.credential, 0)
    }

    /// An application gives itself a powerful role, and uses it.
    fn self_grant(&mut self) {
        let begin = self.begin(DAY);
        let Some(held) = self.entered(begin) else { return };
        let actor = self.victim_as_actor();
        let role = *self.rng.pick(&["RoleManagement.ReadWrite.Directory", "Mail.ReadWrite"]);
        let time = self.after(begin, MINUTE, 30 * MINUTE);
        let graph = self.graph();
        let audits = app_role_changed(&actor, Subject::from(self.principal), graph, role, time, true);
        self.audit(time, audits);
        let later = self.after(time, MINUTE, HOUR);
        self.use_it(later, self.index, held, self.principal.credential, role);
    }

    /// An application makes another one, uses it and deletes it within the hour.
    fn create_and_delete(&mut self) {
        let begin = self.begin(DAY);
        let Some(held) = self.entered(begin) else { return };
        let actor = self.victim_as_actor();
        let time = self.after(begin, MINUTE, 20 * MINUTE);
        self.create_use_delete(&actor, time, held);
    }

    /// Secrets are tried on many applications from one place; one of them works.
    fn key_spraying(&mut self) {
        let begin = self.begin(DAY);
        let address = self.vps();
        let agent = Agent::draw_generic(&mut self.rng);
        let mut order: Vec<usize> =
            (0..self.principals.len()).filter(|i| !self.principals[*i].is_managed()).collect();
        let shuffle = self.rng.next();
        order.sort_by_key(|i| Rng::of(&[shuffle, *i as u64]).next());
        let many = self.rng.between(8, 45) as usize;
        let mut time = begin;
        for index in order.into_iter().take(many) {
            let wrong = self.principals[index].credential;
            self.sign_in(time, index as u32, (address, agent), GRAPH, wrong, 7_000_215);
            self.story.others.push(self.principals[index].id.to_string());
            time = self.after(time, 2 * SECOND, 9 * MINUTE);
        }
        for _ in 0..self.rng.between(1, 3) {
            self.sign_in(time, self.index, (address, agent), GRAPH, self.principal.credential, 0);
            time = self.after(time, MINUTE, 3 * HOUR);
        }
    }

    /// People consent to an application whose name looks like one that they know; it reads their mail.
    fn consent_phishing(&mut self) {
        let begin = self.begin(2 * DAY);
        let like = self.principal.name.replace('l', "1").replace('o', "0");
        let name = if like == self.principal.name { format!("{like} ") } else { like };
        let foreign = Guid::from_seed(self.rng.next());
        let (index, made) = self.plant(&name, foreign);
        self.story.instead = Some(made.clone());
        let subject = Subject::from(&made);
        let mut time = begin;
        for n in 0..self.rng.between(1, 6) {
            let person = self.rng.pick(&self.tenant.people).clone();
            let ip = person.home.ip;
            let actor = Actor::User { id: person.id, user_principal_name: person.user_principal_name, ip };
            if n == 0 {
                self.audit(time, principal_added(&actor, subject));
            }
            let admin = self.rng.per_mille(150);
            let consent = Consent { admin, scopes: "Mail.Read Mail.Send Contacts.Read offline_access" };
            self.audit(time + SECOND, consented(&actor, subject, self.graph(), consent));
            time = self.after(time, 10 * MINUTE, 9 * HOUR);
        }
        // Redirected once more, to a place of the attacker's.
        if self.rng.per_mille(300) {
            let (actor, _) = self.hijacked();
            let seen = audit(
                "Update service principal",
                "Update",
                "ApplicationManagement",
                &actor,
                vec![target("ServicePrincipal", made.id, &made.name, Vec::new())],
            );
            self.audit(time, vec![seen]);
        }
        let places = self.from(Use::Vps);
        let from = (places[0], Agent::draw_generic(&mut self.rng));
        let Some(held) = self.sign_in(time, index, from, GRAPH, made.credential, 0) else { return };
        let days = self.days_left(time).min(self.rng.between(1, 10));
        self.drip(time + HOUR, days, held, &places, "Mail.Read");
    }
}
