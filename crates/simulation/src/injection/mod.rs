//! Attacks put onto the principals of real logs, so that users can see on their own data what would be found.
//!
//! Show a [`Survey`] the events of the logs in the order of time, then [`Survey::attack`] it: what comes out are
//! records in the envelopes of Azure Monitor with the real tenant, principals, keys and tokens, and the truth.

mod survey;

pub use survey::Survey;

use std::collections::BTreeMap;

use countersign_model::event::SignInKind;
use countersign_model::time::{DAY, HOUR, SECOND, Timestamp};

use crate::attacks::{Act, Deed, Entry, Loot, Manner, Skeleton, Victim, addresses};
use crate::calendar::MINUTE;
use crate::catalogue::{Agent, GRAPH, resource_at};
use crate::changes::{
    Federated, Subject, app_role_changed, federation_changed, principal_credentials_changed,
    role_member_changed,
};
use crate::envelopes::{
    self, Actor, Api, Audit, Call, Caller, Category, Credential, CredentialKind, Identity, ResourceRef,
    SignIn, Uri, audit_id, event_id, principal_of_resource, write_audit, write_call, write_sign_in,
};
use crate::json::Guid;
use crate::networks::{Address, NetworkKind, draw_v4, hosted_runner, network_of};
use crate::rng::{Rng, mix_all};
use crate::simulation::Record;
use crate::truth::{Episode, EpisodeKind};
use survey::{Picture, Token};

fn graph() -> Guid {
    resource_at(GRAPH).app
}

/// Attacks on real principals: records to add to the logs, and the truth about them.
#[derive(Clone, Debug, Default)]
pub struct Injection {
    records: Vec<(i64, u64, Category, Vec<u8>)>,
    episodes: Vec<Episode>,
}

impl Injection {
    /// Gives every record to `each`, in the order of delivery.
    pub fn for_each_record(&self, mut each: impl FnMut(Record<'_>)) {
        for (delivered, _, category, line) in &self.records {
            each(Record { category: *category, delivered: Timestamp(*delivered), line });
        }
    }

    /// What is an attack.
    pub fn truth(&self) -> &[Episode] {
        &self.episodes
    }
}

impl Survey {
    /// Attacks a `share` of the principals that sign in, at least one, each once in the later half of the logs.
    /// The same survey, share and seed give the same bytes.
    pub fn attack(&self, share: f64, seed: u64) -> Injection {
        let mut injection = Injection::default();
        let Some(span) = self.span else { return injection };
        let mut victims: Vec<&Picture> =
            self.principals.values().filter(|picture| picture.sign_ins > 0).collect();
        let order = |picture: &Picture| mix_all(&[seed, picture.id.mixed(), picture.tenant.mixed()]);
        victims.sort_by_key(|picture| (order(picture), picture.id));
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        let wanted = (victims.len() as f64 * share) as usize;
        let wanted = if share > 0.0 { wanted.max(1) } else { 0 };
        for (n, victim) in victims.iter().take(wanted).enumerate() {
            let other = victims[(n + 1) % victims.len()];
            let rng = Rng::of(&[order(victim), 0x1417]);
            let mut attack = Attack {
                survey: self,
                victim,
                other,
                span,
                rng,
                seed: order(victim),
                count: 0,
                ids: Vec::new(),
                reach: None,
                others: Vec::new(),
                records: &mut injection.records,
            };
            if let Some(episode) = attack.run() {
                injection.episodes.push(episode);
            }
        }
        injection.records.sort_by_key(|(delivered, id, ..)| (*delivered, *id));
        injection
    }
}

/// How an attacker's client looks: address, country, user agent.
#[derive(Clone, Debug)]
struct Client {
    address: Address,
    agent: String,
}

/// A token that the attacker has.
#[derive(Clone, Debug)]
enum Held {
    Taken { id: u64, time: i64 },
    Replayed(Token),
}

/// One attack while it is decided.
struct Attack<'a> {
    survey: &'a Survey,
    victim: &'a Picture,
    other: &'a Picture,
    span: (i64, i64),
    rng: Rng,
    seed: u64,
    count: u64,
    ids: Vec<String>,
    /// First and last event.
    reach: Option<(i64, i64)>,
    others: Vec<String>,
    records: &'a mut Vec<(i64, u64, Category, Vec<u8>)>,
}

impl Attack<'_> {
    fn run(&mut self) -> Option<Episode> {
        let managed = self.victim.kind == SignInKind::ManagedIdentity
            || self.victim.credential == CredentialKind::ManagedIdentity;
        let middle = self.span.0 + (self.span.1 - self.span.0) / 2;
        let tokens: Vec<Token> = {
            let list = self.victim.tokens.list();
            list.into_iter()
                .filter(|token| token.time >= middle && token.time < self.span.1)
                .cloned()
                .collect()
        };
        if managed && tokens.is_empty() {
            return None;
        }
        let victim = Victim {
            managed,
            owned: self.victim.owner_tenant == self.victim.tenant,
            vendor: self.victim.owner_tenant != self.victim.tenant,
            pipeline: self
                .victim
                .addresses
                .list()
                .iter()
                .any(|ip| network_of(**ip).is_some_and(|network| network.kind == NetworkKind::Runner)),
            graph: !tokens.is_empty(),
        };
        let mut skeleton = Skeleton::draw(victim, &mut self.rng);
        let keys: Vec<Guid> = self.victim.keys.list().into_iter().copied().collect();
        if skeleton.entry == Entry::Known && keys.is_empty() {
            // Older logs do not say which key it was.
            skeleton.entry = Entry::KeyAdded;
            skeleton.obtained = "ownAdd";
        }
        let clients = self.clients(skeleton);
        let times = self.times(skeleton, &tokens);
        let first = times.first().map(|(time, _)| *time)?;
        let credential = self.credential(skeleton.entry, &keys, first);
        let mut loot = Loot::draw(Vec::new(), &mut self.rng);
        let copies = self.rng.per_mille(300);
        for (n, (time, token)) in times.iter().enumerate() {
            let client = self.rng.pick(&clients).clone();
            let held = if let Some(token) = token {
                Held::Replayed(token.clone())
            } else {
                let id = self.sign_in(*time, &client, skeleton.act.calls(), credential);
                Held::Taken { id, time: *time }
            };
            if n > 1 && !skeleton.act.is_slow() {
                continue;
            }
            let deeds = loot.deeds(skeleton.act, n, &mut self.rng);
            self.deeds(*time, &client, &held, credential, (&deeds, copies));
            if skeleton.act == Act::DirectoryChange && n == 0 {
                self.change(*time, &client);
            }
        }
        let (from, to) = self.reach?;
        let family = skeleton.family(self.victim.credential);
        let mut ids = vec![self.victim.id.to_string()];
        ids.append(&mut self.others);
        Some(Episode {
            kind: EpisodeKind::Attack,
            family,
            service_principal_id: self.victim.id.to_string(),
            app_id: self.victim.app.to_string(),
            name: self.victim.name.clone(),
            archetype: "real".to_owned(),
            service_principal_ids: ids,
            from: Timestamp(from),
            to: Timestamp(to),
            event_ids: std::mem::take(&mut self.ids),
            traits: BTreeMap::from(skeleton.traits()),
        })
    }

    fn next_id(&mut self) -> u64 {
        self.count += 1;
        mix_all(&[self.seed, self.count])
    }

    /// Where the attacker works from, and with what.
    fn clients(&mut self, skeleton: Skeleton) -> Vec<Client> {
        let home = self.victim.addresses.list().first().and_then(|ip| network_of(**ip));
        let country = match self.victim.country.as_str() {
            "" => home.map_or("US", |network| network.country),
            country => country,
        };
        let mut places = addresses(skeleton.place, home, country, &mut self.rng);
        if places.is_empty() {
            places = (0..4).map(|_| hosted_runner(&mut self.rng)).collect();
        }
        let own: Vec<String> = self.victim.agents.list().into_iter().cloned().collect();
        let agent = match skeleton.manner {
            Manner::Copied if !own.is_empty() => self.rng.pick(&own).clone(),
            Manner::Copied | Manner::Generic => Agent::draw_generic(&mut self.rng).user_agent().to_owned(),
            Manner::New => Agent::draw(&mut self.rng).user_agent().to_owned(),
        };
        places.into_iter().map(|address| Client { address, agent: agent.clone() }).collect()
    }

    /// When tokens are used, in the later half of the logs, and which if they are replayed.
    fn times(&mut self, skeleton: Skeleton, tokens: &[Token]) -> Vec<(i64, Option<Token>)> {
        let (start, end) = self.span;
        let middle = start + (end - start) / 2;
        let days = skeleton.act.days(&mut self.rng).min((end - middle) / DAY);
        let mut times = Vec::new();
        if skeleton.entry == Entry::TokenReplayed {
            for _ in 0..self.rng.between(1, 4) + days {
                let token = self.rng.pick(tokens).clone();
                // An hour: what a token lasts at least.
                let time = token.time + self.rng.between(MINUTE, 55 * MINUTE);
                times.push((time.min(end.max(token.time)), Some(token)));
            }
            times.sort_by_key(|(time, _)| *time);
            return times;
        }
        let latest = (end - days * DAY - 4 * HOUR).max(middle);
        let day = self.rng.between(middle, latest).div_euclid(DAY) * DAY;
        let hour = if skeleton.in_schedule {
            let weights = self.victim.hours;
            self.rng.weighted(&weights) as i64
        } else {
            self.rng.between(0, 23)
        };
        let begin = (day + hour * HOUR + self.rng.between(0, HOUR)).clamp(middle, latest);
        let mut time = begin;
        for n in 0..self.rng.between(2, 13).max(days * 2) {
            times.push((time.min(end), None));
            time += if days > 0 {
                days * DAY / (days * 2).max(1) + self.rng.between(-3 * HOUR, 3 * HOUR)
            } else if n == 4 && self.rng.per_mille(400) {
                self.rng.between(18 * HOUR, 26 * HOUR)
            } else {
                self.rng.between(10 * SECOND, 50 * MINUTE)
            };
        }
        times
    }

    fn subject(picture: &Picture) -> Subject<'_> {
        let application = Guid::from_seed(mix_all(&[picture.app.mixed(), 0xa9]));
        Subject { name: &picture.name, principal: picture.id, app: picture.app, application }
    }

    /// The credential that is used; one that is added, with the change that adds it.
    fn credential(&mut self, entry: Entry, keys: &[Guid], first: i64) -> Credential {
        let known =
            Credential { kind: self.victim.credential, key: keys.first().copied().unwrap_or_default() };
        let kind = match entry {
            Entry::Known | Entry::TokenReplayed => return known,
            Entry::KeyAdded => CredentialKind::Secret,
            Entry::FederationAdded => CredentialKind::Federated,
        };
        let added = Credential { kind, key: Guid::from_seed(self.next_id()) };
        let time = (first - self.rng.between(3 * MINUTE, 3 * HOUR)).max(self.span.0);
        let actor = self.person();
        let subject = Self::subject(self.victim);
        let audits = if kind == CredentialKind::Federated {
            let account = self.rng.below(1_000_000);
            let issuer = format!("https://st{account:06}.z6.web.core.windows.net/");
            let added = Federated { id: added.key, issuer, subject: "deploy".to_owned() };
            federation_changed(&actor, subject, &[], &[added])
        } else {
            principal_credentials_changed(&actor, subject, &[], &[added])
        };
        self.audit(time, audits);
        added
    }

    /// Somebody who changes the directory, from elsewhere; the victim itself where nobody is known.
    fn person(&mut self) -> Actor {
        let people = self.survey.people.get(&self.victim.tenant).map(survey::Sample::list);
        let people = people.unwrap_or_default();
        if people.is_empty() {
            return Actor::App { principal: self.victim.id, name: self.victim.name.clone() };
        }
        let person = (*self.rng.pick(&people)).clone();
        let address = draw_v4(&mut self.rng, |network| network.kind == NetworkKind::ForeignHosting);
        Actor::User { id: person.id, user_principal_name: person.user_principal_name, ip: address.ip }
    }

    /// Notes an event and keeps its record; records are delivered a few minutes later.
    fn keep(&mut self, category: Category, time: i64, id: u64, event: String, line: Vec<u8>) {
        let delivered = time + Rng::of(&[id, 0xde1a]).between(MINUTE, 12 * MINUTE);
        self.records.push((delivered, id, category, line));
        self.ids.push(event);
        let (from, to) = self.reach.unwrap_or((time, time));
        self.reach = Some((from.min(time), to.max(time)));
    }

    fn sign_in(&mut self, time: i64, client: &Client, calls: bool, credential: Credential) -> u64 {
        let id = self.next_id();
        let own: Vec<(Guid, String)> = {
            let list = self.victim.resources.list();
            list.into_iter().map(|resource| (resource.app, resource.name.clone())).collect()
        };
        let (app, name) = if calls || own.is_empty() {
            (graph(), "Microsoft Graph".to_owned())
        } else {
            self.rng.pick(&own).clone()
        };
        let event = SignIn {
            category: Category::ServicePrincipalSignInLogs,
            tenant: self.victim.tenant,
            delivered: time + 5 * MINUTE,
            created: time,
            id,
            identity: Identity {
                name: &self.victim.name,
                principal: self.victim.id,
                app: self.victim.app,
                owner_tenant: self.victim.owner_tenant,
                azure_resource: "",
            },
            source: Some((client.address.ip, client.address.country())),
            user_agent: &client.agent,
            library: "",
            resource: ResourceRef { name: &name, app },
            credential,
            error: 0,
            cae: false,
        };
        let mut line = Vec::new();
        write_sign_in(&mut line, &event);
        self.keep(event.category, time, id, event_id(id).to_string(), line);
        id
    }

    /// Calls with a token; with what the principal itself asks for, if the attacker copies it.
    fn deeds(
        &mut self,
        begin: i64,
        client: &Client,
        held: &Held,
        credential: Credential,
        (deeds, copies): (&[Deed], bool),
    ) {
        let own: Vec<String> = self.victim.uris.list().into_iter().cloned().collect();
        let mut time = begin;
        for deed in deeds {
            time += deed.after;
            if time > self.span.1 {
                break;
            }
            let id = self.next_id();
            let copied = copies && !own.is_empty() && deed.api == Api::Graph;
            let uri = if copied { self.rng.pick(&own).as_str() } else { deed.uri };
            let api = if uri.starts_with('/') { Api::Legacy } else { Api::Graph };
            let (token, issued) = match held {
                Held::Taken { id, time } => (envelopes::Token::Of(*id), *time),
                Held::Replayed(token) => (envelopes::Token::Spelled(&token.text), token.time),
            };
            let event = Call {
                api,
                tenant: self.victim.tenant,
                time,
                id,
                app: self.victim.app,
                caller: Caller::App { principal: self.victim.id, roles: &self.victim.roles },
                source: (client.address.ip, client.address.country()),
                user_agent: &client.agent,
                method: deed.method,
                uri: Uri { template: uri, object: deed.object },
                status: deed.status,
                bytes: deed.bytes,
                credential: credential.kind,
                token,
                issued,
            };
            let mut line = Vec::new();
            write_call(&mut line, &event);
            let category = match api {
                Api::Graph => Category::MicrosoftGraphActivityLogs,
                Api::Legacy => Category::AzureADGraphActivityLogs,
            };
            self.keep(category, time, id, event_id(id).to_string(), line);
        }
    }

    /// The victim changes the directory: its own permissions, its own role, or another principal's keys.
    fn change(&mut self, begin: i64, client: &Client) {
        let time = (begin + self.rng.between(5 * SECOND, 4 * MINUTE)).min(self.span.1);
        let actor = Actor::App { principal: self.victim.id, name: self.victim.name.clone() };
        let own = Self::subject(self.victim);
        let audits = match self.rng.below(3) {
            0 => {
                let resource = (principal_of_resource(self.victim.tenant, graph()), "Microsoft Graph");
                let role = "RoleManagement.ReadWrite.Directory";
                app_role_changed(&actor, own, resource, role, time, true)
            }
            1 => role_member_changed(&actor, own, "Global Administrator", true),
            _ => {
                let other = if self.other.tenant == self.victim.tenant { self.other } else { self.victim };
                if other.id != self.victim.id {
                    self.others.push(other.id.to_string());
                }
                let key = Guid::from_seed(self.next_id());
                let added = Credential { kind: CredentialKind::Secret, key };
                principal_credentials_changed(&actor, Self::subject(other), &[], &[added])
            }
        };
        let agent = client.agent.clone();
        let audits = audits.into_iter().map(|audit| Audit { user_agent: agent.clone().into(), ..audit });
        self.audit(time, audits.collect());
    }

    fn audit(&mut self, time: i64, audits: Vec<Audit>) {
        let correlation = self.next_id();
        for (n, audit) in audits.into_iter().enumerate() {
            let id = self.next_id();
            let audit = Audit { correlation, ..audit };
            let time = time + n as i64 * 12_345;
            let mut line = Vec::new();
            write_audit(&mut line, self.victim.tenant, time, id, &audit);
            self.keep(Category::AuditLogs, time, id, audit_id(correlation, id), line);
        }
    }
}
