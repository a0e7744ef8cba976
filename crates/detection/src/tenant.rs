//! All state of one tenant, and the way of an event through it. Nothing here knows of another tenant.

mod applications;
mod assessed;
mod calls;
mod changes;
mod incidents;
mod learning;
mod outcome;
mod patterns;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use countersign_model::event::{CredentialKind, SignIn, SignInKind};
use countersign_model::finding::{LearningState, Notice};
use countersign_model::id::{AppId, Id, ServicePrincipalId};
use countersign_model::source::{AgentFamily, Enrichment};
use countersign_model::time::{DAY, Timestamp};
use foldhash::fast::FixedState;

use crate::api_profile::ApiProfile;
use crate::baseline::{Baseline, Table};
use crate::budget::{Policy, Tokens};
use crate::calibration::{Calibration, DayScore, Family};
use crate::constants::{CO_MOVEMENT, COLD_DAYS, Dimension, SPRAY_IDENTITIES, USUAL_LN_MAX};
use crate::directory_profile::{ActorProfile, ChangedBy, DirectoryHabits};
use crate::evidence;
use crate::failures::Failures;
use crate::incident::Incident;
use crate::issued::Issued;
use crate::ledger::Ledger;
use crate::order::hash32;
use crate::peers::Peers;
use crate::quality::Quality;
use applications::Facts;
use calls::{Pooled, UserDay};
use changes::Step;

use crate::suspicious_signins::{self, Context, Score, Values, country_value, range_value, source_value};

type Map<K, V> = HashMap<K, V, FixedState>;

/// One identity.
#[derive(Debug)]
struct Principal {
    id: ServicePrincipalId<'static>,
    app: AppId<'static>,
    name: String,
    kind: SignInKind,
    template: u32,
    first: Timestamp,
    last: Timestamp,
    /// Last day with an event, and the strongest evidence of that day by [`Family`].
    day: i64,
    /// The first such day.
    first_day: i64,
    day_ln: [f32; Family::COUNT],
    is_enabled: bool,
    baseline: Baseline,
    /// What it asks of directory APIs; `None` before it does.
    api: Option<Box<ApiProfile>>,
    /// The latest incident of its API traffic.
    api_incident: Option<u32>,
    /// Application permissions that were taken away, and when.
    revoked: BTreeMap<String, Timestamp>,
    /// Who is used to change it, and what was changed lately.
    changed_by: ChangedBy,
    steps: Vec<Step>,
    /// What it is, as far as changes, inventory and lists say.
    application: Option<Box<Facts>>,
    incidents: Vec<u32>,
}

impl Principal {
    /// What people call it: its name, or its object id as long as no record told the name.
    fn label(&self) -> String {
        if self.name.is_empty() { self.id.to_string() } else { self.name.clone() }
    }
}

/// A new source of an identity that may be one of several that move together.
#[derive(Debug)]
struct Move {
    incident: u32,
    principal: u32,
    prefix: u32,
    old_prefixes: Vec<u32>,
    first: Timestamp,
}

/// All state of one tenant.
#[derive(Debug)]
pub(crate) struct Tenant {
    id: String,
    index: Map<ServicePrincipalId<'static>, u32>,
    /// Boxed, so that growing moves pointers and not a kilobyte each.
    #[expect(clippy::vec_box, reason = "a million principals are a gigabyte to move")]
    principals: Vec<Box<Principal>>,
    peers: Peers,
    ledger: Ledger,
    incidents: Vec<Incident>,
    moves: Vec<Move>,
    failures: Failures,
    removed_keys: BTreeMap<String, Timestamp>,
    /// Identities by application id, those included that are known by nothing else yet.
    applications: Map<AppId<'static>, u32>,
    /// The first identity with a name that looks so, by hash of what it looks like.
    looks: Map<u64, u32>,
    /// Identities by the object id of their application.
    objects: Map<Id<'static>, u32>,
    actors: Map<u32, Box<ActorProfile>>,
    habits: DirectoryHabits,
    quality: Quality,
    /// The last strong right that each actor gave to an application which the record does not name: time, record, words,
    /// evidence.
    nameless_grants: Map<u32, (Timestamp, String, String, f64)>,
    issued: Issued,
    pooled: Pooled,
    user_days: Map<u64, UserDay>,
    calibration: Calibration,
    notes: Vec<Notice>,
    /// Applications on lists of abused ones: list and purpose.
    listed: Map<AppId<'static>, (String, String)>,
    /// Patterns by title: days on which they were met, and the last of them.
    patterns: BTreeMap<String, (u64, i64)>,
    /// What the networks of each organisation are called, as met first: baselines keep the organisation only.
    network_names: Map<u32, String>,
    tokens: Tokens,
    /// When a token was spent on the deeds of an actor.
    paid_causes: Map<u64, Timestamp>,
    day: i64,
    active_today: u32,
    /// Identities that did something, and not only had something done to them.
    acting: u32,
    identity_days: u64,
}

/// A sign-in, or the first call with a token whose sign-in has no address, as the detections see it.
struct Occurrence<'o> {
    principal: &'o ServicePrincipalId<'o>,
    app: &'o AppId<'o>,
    name: &'o str,
    kind: SignInKind,
    time: Timestamp,
    event_id: &'o Id<'o>,
    key: &'o Id<'o>,
    resource_name: &'o str,
    resource: Option<&'o Id<'o>>,
    credential_kind: CredentialKind,
    federated_credential: &'o Id<'o>,
    enrichment: &'o Enrichment<'o, 'o>,
    ip: Option<IpAddr>,
    /// Token that was issued; empty when none was, or another log tells of it.
    token: &'o str,
    /// The credential was right: the sign-in succeeded, or failed for another reason.
    proven: bool,
    late: bool,
}

/// Errors that come only after the credential was found to be right (reference: token endpoint): success, blocked
/// by Conditional Access, not assigned to the application, consent missing.
const PROVEN: [u32; 4] = [0, 53_003, 50_105, 65_001];

impl Tenant {
    pub(crate) fn new(id: String) -> Self {
        Self {
            id,
            index: Map::default(),
            principals: Vec::new(),
            peers: Peers::default(),
            ledger: Ledger::default(),
            incidents: Vec::new(),
            moves: Vec::new(),
            failures: Failures::default(),
            removed_keys: BTreeMap::new(),
            applications: Map::default(),
            looks: Map::default(),
            objects: Map::default(),
            actors: Map::default(),
            habits: DirectoryHabits::default(),
            quality: Quality::default(),
            nameless_grants: Map::default(),
            issued: Issued::default(),
            pooled: Pooled::default(),
            user_days: Map::default(),
            calibration: Calibration::default(),
            notes: Vec::new(),
            listed: Map::default(),
            patterns: BTreeMap::new(),
            network_names: Map::default(),
            tokens: Tokens::default(),
            paid_causes: Map::default(),
            day: i64::MIN,
            active_today: 0,
            acting: 0,
            identity_days: 0,
        }
    }

    pub(crate) fn identity_days(&self) -> u64 {
        self.identity_days + u64::from(self.active_today)
    }

    /// Bytes of state of all identities, and how many they are.
    pub(crate) fn state(&self) -> (usize, usize) {
        let of = |principal: &Principal| {
            let api = principal.api.as_ref().map_or(0, |_| size_of::<ApiProfile>());
            let facts = principal.application.as_ref().map_or(0, |_| size_of::<Facts>());
            size_of::<Principal>()
                + api
                + facts
                + principal.steps.capacity() * size_of::<Step>()
                + principal.name.capacity()
        };
        let actors = self.actors.len() * size_of::<ActorProfile>();
        (self.principals.iter().map(|principal| of(principal)).sum::<usize>() + actors, self.principals.len())
    }

    pub(crate) fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    pub(crate) fn keep_days(&mut self, keeps: bool) {
        self.calibration.keeps_days = keeps;
    }

    /// The days kept, each with the object id of its identity.
    pub(crate) fn days(&self) -> impl Iterator<Item = (String, DayScore)> + '_ {
        self.calibration.days.iter().map(|day| (self.principals[day.principal as usize].id.to_string(), *day))
    }

    /// Identities that did something, or that something was found about.
    pub(crate) fn identities(&self) -> usize {
        let is_judged =
            |principal: &Principal| principal.first_day == i64::MIN && !principal.incidents.is_empty();
        self.acting as usize + self.principals.iter().filter(|principal| is_judged(principal)).count()
    }

    /// Tells whether an address is in the baseline of an identity; `None` for an unknown identity.
    pub(crate) fn knows_source(&self, principal: &ServicePrincipalId<'_>, ip: IpAddr) -> Option<bool> {
        let index: &HashMap<ServicePrincipalId<'_>, u32, FixedState> = &self.index;
        let principal = &self.principals[*index.get(principal)? as usize];
        Some(principal.baseline.knows(Table::Sources, source_value(ip)))
    }

    fn advance(&mut self, policy: Policy, time: Timestamp) {
        let day = time.day();
        if day > self.day {
            if self.day != i64::MIN {
                self.end_day(policy);
            }
            self.day = day;
            self.peers.advance(day);
        }
    }

    /// Ends a day: the budget comes in, and what movement can be decided by now is.
    pub(crate) fn end_day(&mut self, policy: Policy) {
        self.end_user_days();
        self.tokens.earn(policy.budget, self.active_today);
        self.identity_days += u64::from(self.active_today);
        self.active_today = 0;
        let now = Timestamp((self.day.max(0) + 1) * DAY);
        for incident in 0..self.incidents.len() {
            if self.incidents[incident].is_open(now) {
                self.weigh(policy, incident);
            }
        }
        self.moves.retain(|moved| now.since(moved.first) <= 2 * CO_MOVEMENT);
    }

    /// Ends everything: the days that are still open count.
    pub(crate) fn finish(&mut self, policy: Policy) {
        self.end_day(policy);
        for (at, principal) in self.principals.iter_mut().enumerate() {
            if principal.day != i64::MIN {
                self.calibration.note(at as u32, principal.day, principal.day_ln);
                principal.day = i64::MIN;
            }
        }
    }

    pub(crate) fn sign_in(
        &mut self,
        policy: Policy,
        sign_in: &SignIn<'_>,
        enrichment: &Enrichment<'_, '_>,
        late: bool,
    ) {
        self.quality.note(sign_in.kind.log(), sign_in.time);
        let proven = PROVEN.contains(&sign_in.error_code);
        if !proven {
            self.failed_sign_in(sign_in, enrichment);
        }
        if sign_in.service_principal.is_none() {
            return;
        }
        let is_managed = sign_in.kind == SignInKind::ManagedIdentity;
        self.occurrence(
            policy,
            &Occurrence {
                principal: &sign_in.service_principal,
                app: &sign_in.app,
                name: &sign_in.name,
                kind: sign_in.kind,
                time: sign_in.time,
                event_id: &sign_in.id.0,
                // The platform rolls a managed identity's certificate by itself.
                key: if is_managed { &Id::NONE } else { &sign_in.credential.key.0 },
                resource_name: &sign_in.resource_name,
                resource: Some(&sign_in.resource.0).filter(|id| !id.is_none()),
                credential_kind: sign_in.credential.kind,
                federated_credential: &sign_in.credential.federated_credential,
                enrichment,
                ip: sign_in.address.ip,
                token: &sign_in.token,
                proven,
                late,
            },
        );
    }

    /// Failed attempts say nothing of the identity, but something of the place they come from.
    fn failed_sign_in(&mut self, sign_in: &SignIn<'_>, enrichment: &Enrichment<'_, '_>) {
        let Some(ip) = sign_in.address.ip else { return };
        let range = range_value(ip);
        let tried =
            if sign_in.service_principal.is_none() { &sign_in.app.0 } else { &sign_in.service_principal.0 };
        self.failures.note(range, tried, sign_in.error_code, &sign_in.id.0, sign_in.time);
        let Some(spray) = self.failures.spray(range, SPRAY_IDENTITIES) else { return };
        let place = enrichment
            .source
            .as_ref()
            .filter(|facts| facts.asn != 0)
            .map_or_else(String::new, |facts| format!(" (AS{} {})", facts.asn, facts.as_name));
        self.notes.push(Notice {
            time: sign_in.time,
            text: format!(
                "{} identities were tried with wrong credentials from the range of {ip}{place} within a day, {} attempts so far: key spraying (records {})",
                spray.identities,
                spray.attempts,
                spray.events.iter().take(3).cloned().collect::<Vec<_>>().join(", "),
            ),
            service_principals: spray.identities_tried,
        });
    }

    /// The identity with this object id; made if it is not known.
    fn enrol(&mut self, id: &ServicePrincipalId<'_>, app: &AppId<'_>, time: Timestamp) -> usize {
        let index: &HashMap<ServicePrincipalId<'_>, u32, FixedState> = &self.index;
        if let Some(at) = index.get(id) {
            return *at as usize;
        }
        // An application that was known by its application id only has a principal now.
        let applications: &HashMap<AppId<'_>, u32, FixedState> = &self.applications;
        if let Some(at) = applications.get(app).copied().filter(|_| !app.is_none())
            && !self.index.contains_key(&self.principals[at as usize].id)
        {
            self.principals[at as usize].id = id.to_owned_id();
            self.index.insert(id.to_owned_id(), at);
            return at as usize;
        }
        let at = self.found(id.to_owned_id(), app.to_owned_id(), time);
        self.index.insert(id.to_owned_id(), at as u32);
        at
    }

    /// The identity of an application of which only the application id is known: the id stands in for the object id
    /// until that is met.
    fn enrol_application(&mut self, app: &AppId<'_>, time: Timestamp) -> usize {
        let applications: &HashMap<AppId<'_>, u32, FixedState> = &self.applications;
        if let Some(at) = applications.get(app) {
            return *at as usize;
        }
        self.found(ServicePrincipalId(app.0.to_owned_id()), app.to_owned_id(), time)
    }

    fn found(&mut self, id: ServicePrincipalId<'static>, app: AppId<'static>, time: Timestamp) -> usize {
        let at = self.principals.len();
        if !app.is_none() {
            self.applications.entry(app.clone()).or_insert(at as u32);
        }
        self.principals.push(Box::new(Principal {
            id,
            template: hash32(app.0.as_bytes()),
            app,
            name: String::new(),
            kind: SignInKind::ServicePrincipal,
            first: time,
            last: time,
            day: i64::MIN,
            first_day: i64::MIN,
            day_ln: [f32::NEG_INFINITY; Family::COUNT],
            is_enabled: true,
            baseline: Baseline::new(time),
            api: None,
            api_incident: None,
            revoked: BTreeMap::new(),
            changed_by: ChangedBy::default(),
            steps: Vec::new(),
            application: None,
            incidents: Vec::new(),
        }));
        at
    }

    /// Notes that an identity did something.
    fn touch(&mut self, at: usize, time: Timestamp) {
        let principal = &mut self.principals[at];
        principal.last = principal.last.max(time);
        if time.day() > principal.day {
            let (day, day_ln) = (principal.day, principal.day_ln);
            principal.day = time.day();
            if principal.first_day == i64::MIN {
                principal.first_day = principal.day;
            }
            principal.day_ln = [f32::NEG_INFINITY; Family::COUNT];
            self.active_today += 1;
            self.acting += u32::from(day == i64::MIN);
            if day != i64::MIN {
                self.calibration.note(at as u32, day, day_ln);
            }
        }
    }

    /// Notes the evidence of something an identity did today, for calibration.
    fn note_day(&mut self, at: usize, family: Family, ln: f64) {
        self.calibration.event(at as u32, family, ln);
        let strongest = &mut self.principals[at].day_ln[family as usize];
        *strongest = strongest.max(ln as f32);
    }

    /// How far learning has got with an identity: by its sign-ins, or by its age where there are none.
    fn learning(&mut self, at: usize, time: Timestamp) -> LearningState {
        let principal = &self.principals[at];
        let baseline = &principal.baseline;
        if baseline.runs() == 0 {
            let days = time.since(principal.first) / DAY;
            return if days < i64::from(COLD_DAYS) { LearningState::Cold } else { LearningState::Learning };
        }
        let priors = self.peers.priors(baseline.archetype, principal.template);
        baseline.learning(time, &priors[Dimension::Source.index()])
    }

    /// The identity of an occurrence; at its first sign-in it joins its peers.
    fn principal(&mut self, occurrence: &Occurrence<'_>) -> usize {
        let at = self.enrol(occurrence.principal, occurrence.app, occurrence.time);
        let principal = &mut *self.principals[at];
        if principal.baseline.archetype == 0 {
            let agent = &occurrence.enrichment.agent;
            // Peers are those that prove themselves the same way with the same software.
            principal.baseline.archetype =
                hash32(agent.product.as_bytes()).wrapping_add(occurrence.credential_kind as u32).max(1);
            principal.baseline.begin(occurrence.time);
            principal.kind = occurrence.kind;
            if principal.app.is_none() {
                principal.app = occurrence.app.to_owned_id();
                principal.template = hash32(occurrence.app.0.as_bytes());
            }
            self.peers.join(principal.baseline.archetype, principal.template);
        }
        at
    }

    fn occurrence(&mut self, policy: Policy, occurrence: &Occurrence<'_>) {
        self.advance(policy, occurrence.time);
        let at = self.principal(occurrence);
        self.touch(at, occurrence.time);
        if occurrence.proven && !occurrence.token.is_empty() {
            self.met(policy, at, occurrence.event_id, occurrence.time);
            self.token_issued(at, occurrence.token, occurrence.enrichment, occurrence.time);
        }
        let principal = &mut *self.principals[at];
        if principal.name.is_empty() && !occurrence.name.is_empty() {
            self.name(at, occurrence.name);
        }
        let principal = &mut *self.principals[at];
        principal.baseline.is_managed_identity |= occurrence.kind == SignInKind::ManagedIdentity;
        let is_sign_in_with_address = occurrence.resource.is_some() && occurrence.ip.is_some();
        principal.baseline.has_address |= is_sign_in_with_address;
        if principal.baseline.advance(occurrence.time) {
            self.settle(at, occurrence.time);
        }
        let values = values(occurrence);
        let baseline = &self.principals[at].baseline;
        let is_plain = occurrence.proven && occurrence.enrichment.indicators.is_empty();
        let [low, ..] = policy.budget.thresholds();
        if is_plain
            && low > USUAL_LN_MAX
            && let Some(slots) = usual(baseline, &values)
        {
            self.calibration.event(at as u32, Family::SignIns, f64::NEG_INFINITY);
            self.learn_usual(at, &values, slots, occurrence.time);
            self.old_source_event(policy, at, &values, true, occurrence.time);
            return;
        }
        if let Some(source) = &occurrence.enrichment.source {
            let name = || format!("AS{} {}", source.asn, source.as_name).trim_end().to_owned();
            self.network_names.entry(source.organisation).or_insert_with(name);
        }
        let mut score = self.score(at, occurrence, &values);
        if score.novel(Dimension::Source).is_some() && incidents::is_at_a_desk(occurrence, &self.peers) {
            score.at_a_desk();
        }
        let is_first = self.principals[at].baseline.runs() == 0;
        if !occurrence.enrichment.indicators.is_empty() {
            self.match_indicators(policy, at, occurrence, &values, &score, is_first);
        }
        if !occurrence.proven {
            return;
        }
        if !is_first {
            self.note_day(at, Family::SignIns, score.total());
            self.judge(policy, at, occurrence, &values, &score);
        }
        self.learn(at, &values, &score, policy, occurrence.time);
        let baseline = &self.principals[at].baseline;
        let is_known = values.source.is_none_or(|source| baseline.knows(Table::Sources, source));
        self.old_source_event(policy, at, &values, is_known, occurrence.time);
    }

    fn score(&mut self, at: usize, occurrence: &Occurrence<'_>, values: &Values) -> Score {
        let principal = &self.principals[at];
        let priors = self.peers.priors(principal.baseline.archetype, principal.template);
        suspicious_signins::score(
            &Context {
                baseline: &principal.baseline,
                priors: &priors,
                peers: &self.peers,
                ledger: &self.ledger,
                facts: occurrence.enrichment.source.as_ref(),
                principal: &occurrence.principal.0,
                app: &occurrence.app.0,
                key: occurrence.key,
                time: occurrence.time,
            },
            values,
        )
    }
}

fn values(occurrence: &Occurrence<'_>) -> Values {
    let facts = occurrence.enrichment.source.as_ref();
    let is_managed_sign_in = occurrence.kind == SignInKind::ManagedIdentity && occurrence.resource.is_some();
    let credential = match (occurrence.key.is_none(), occurrence.federated_credential.is_none()) {
        (false, _) => Some(hash32(occurrence.key.as_bytes())),
        (true, false) => Some(hash32(occurrence.federated_credential.as_bytes())),
        (true, true) => None,
    };
    Values {
        source: occurrence.ip.map(source_value),
        range: occurrence.ip.map_or(0, range_value),
        network: facts.map_or(0, |facts| facts.organisation),
        country: facts.map_or(0, |facts| country_value(facts.country)),
        agent: Some(&occurrence.enrichment.agent)
            .filter(|agent| !(is_managed_sign_in && agent.product.is_empty()))
            .map(agent_value),
        resource: occurrence.resource.map(|resource| hash32(resource.as_bytes())),
        credential,
        kind: occurrence.credential_kind,
    }
}

/// Where the values are when all are in the baseline already, and the source often.
fn usual(baseline: &Baseline, values: &Values) -> Option<[Option<usize>; 4]> {
    if baseline.runs() == 0 {
        return None;
    }
    let mut slots = [None; 4];
    for (slot, (table, _, value)) in slots.iter_mut().zip(values.tables()) {
        let Some(value) = value else { continue };
        *slot = Some(baseline.known_slot(table, value)?);
    }
    if let Some(slot) = slots[0] {
        let (share, known) = baseline.share(Table::Sources, slot);
        let counts = &baseline.counts[Dimension::Source.index()];
        if !evidence::is_frequent(share, known, counts) {
            return None;
        }
    }
    Some(slots)
}

fn agent_value(agent: &AgentFamily<'_>) -> u32 {
    let major = agent.major.map_or(u32::MAX, |major| major);
    hash32(agent.product.as_bytes())
        ^ major.wrapping_mul(0x9e37_79b9)
        ^ (agent.platform as u32).wrapping_mul(0x85eb_ca6b)
}
