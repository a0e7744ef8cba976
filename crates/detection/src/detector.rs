//! The fold: one enriched event in, changed findings out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use countersign_model::event::{ApiActivity, DirectoryAudit, Event, SignIn, SignInKind};
use countersign_model::finding::{Finding, LearningState, Notice};
use countersign_model::id::{AppId, Id, KeyId, ServicePrincipalId, TenantId};
use countersign_model::risk::{RiskDetail, RiskEventType, RiskLevel, RiskState, RiskyServicePrincipal};
use countersign_model::source::{AgentFamily, Anonymiser, Enrichment, HostingClass};
use countersign_model::time::{DAY, Timestamp};
use foldhash::fast::FixedState;
use sha2::{Digest, Sha256};

use crate::baseline::{Baseline, Standing, Table};
use crate::budget::{Budget, Tokens};
use crate::constants::{
    ASSUMPTIONS, CO_MOVEMENT, CO_MOVEMENT_MIN, Dimension, INTERACTIVE_AGENTS, OFFICE_HOURS, TIER_0_ROLES,
    USUAL_LN_MAX,
};
use crate::evidence;
use crate::explanation::{self, About};
use crate::incident::{Habits, Incident, Movement, Strongest};
use crate::investigations_threat_intelligence as threat_intelligence;
use crate::ledger::{Change, ChangeKind, Ledger};
use crate::order::{Clock, Seen, hash32, hash64};
use crate::peers::Peers;
use crate::risk::{Risk, RiskEvent};
use crate::suspicious_signins::{self as suspicious, Context, Score, Values, country_value, range_value};

type Map<K, V> = HashMap<K, V, FixedState>;

/// What the user decides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// False alarms accepted.
    pub budget: Budget,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// Taken in.
    Taken,
    /// Seen before: its id was delivered again.
    Repeated,
}

/// How often alarms were raised, over all tenants.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// Sum over the days of identities active on them.
    pub identity_days: u64,
    /// Findings of medium and high that nothing besides the event itself supports.
    pub unsupported: u64,
}

impl Measured {
    /// False alarms per 1,000 identities and day, at most: every unsupported finding is counted as false.
    /// `None` before a day is over.
    pub fn false_alarm_rate(&self) -> Option<f64> {
        (self.identity_days > 0).then(|| self.unsupported as f64 * 1000.0 / self.identity_days as f64)
    }
}

/// An identity and the risk of it.
#[derive(Clone, Debug)]
pub struct RiskyPrincipal {
    /// Graph's shape.
    pub graph: RiskyServicePrincipal,
    /// Tenant id.
    pub tenant: String,
    /// Risk with its history.
    pub risk: Risk,
    /// First and last event of the identity.
    pub activity: (Timestamp, Timestamp),
    /// Ids of its findings, strongest first.
    pub findings: Vec<String>,
}

/// The detector: baselines, ledger and incidents of all tenants.
#[derive(Debug)]
pub struct Detector {
    policy: Policy,
    tenants: Vec<Tenant>,
    tenant_index: Map<TenantId<'static>, usize>,
    seen: Seen,
    clock: Clock,
    late: u64,
}

impl Detector {
    /// A detector that has seen nothing.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            tenants: Vec::new(),
            tenant_index: Map::default(),
            seen: Seen::default(),
            clock: Clock::default(),
            late: 0,
        }
    }

    /// Takes in one event. Events come in event-time order; one that is later than the watermark is scored and
    /// marked.
    pub fn observe(&mut self, event: &Event<'_>, enrichment: &Enrichment<'_, '_>) -> Observed {
        if self.seen.is_repeated(event) {
            return Observed::Repeated;
        }
        let late = self.clock.is_late(event.time());
        self.late += u64::from(late);
        let policy = self.policy;
        match event {
            Event::SignIn(sign_in) => self.tenant(&sign_in.tenant).sign_in(policy, sign_in, enrichment, late),
            Event::DirectoryAudit(audit) => self.tenant(&audit.tenant).audit(policy, audit),
            Event::ApiActivity(call) => self.tenant(&call.tenant).call(policy, call, enrichment, late),
        }
        Observed::Taken
    }

    fn tenant(&mut self, id: &TenantId<'_>) -> &mut Tenant {
        // Nearly always the one of the event before.
        let index: &HashMap<TenantId<'_>, usize, FixedState> = &self.tenant_index;
        let at = index.get(id).copied().unwrap_or_else(|| {
            self.tenant_index.insert(id.to_owned_id(), self.tenants.len());
            self.tenants.push(Tenant::new(id.to_string()));
            self.tenants.len() - 1
        });
        &mut self.tenants[at]
    }

    /// Ends the last day: what movement can be decided by now is.
    pub fn finish(&mut self) {
        for tenant in &mut self.tenants {
            tenant.end_day(self.policy);
        }
    }

    /// Event time of the newest event.
    pub fn newest(&self) -> Timestamp {
        self.clock.newest()
    }

    /// Events that came later than the watermark allows.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Identities known.
    pub fn identities(&self) -> usize {
        self.tenants.iter().map(|tenant| tenant.principals.len()).sum()
    }

    /// Bytes of baseline per identity.
    pub const BASELINE_BYTES: usize = std::mem::size_of::<Baseline>();

    /// Tells whether an address, as a value of its own, is in the baseline of an identity: `None` for an unknown
    /// identity.
    pub fn knows_source(
        &self,
        tenant: &TenantId<'_>,
        principal: &ServicePrincipalId<'_>,
        ip: IpAddr,
    ) -> Option<bool> {
        let index: &HashMap<TenantId<'_>, usize, FixedState> = &self.tenant_index;
        let tenant = &self.tenants[*index.get(tenant)?];
        let principals: &HashMap<ServicePrincipalId<'_>, u32, FixedState> = &tenant.index;
        let principal = &tenant.principals[*principals.get(principal)? as usize];
        Some(principal.baseline.knows(Table::Sources, source_value(ip)))
    }

    /// All findings of low and above, strongest first.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.tenants.iter().flat_map(Tenant::findings).collect();
        findings.sort_by(|a, b| {
            b.level
                .cmp(&a.level)
                .then(b.score.total_cmp(&a.score))
                .then(a.activity.cmp(&b.activity))
                .then(a.id.cmp(&b.id))
        });
        findings
    }

    /// All identities with a finding of low and above, riskiest first.
    pub fn risky(&self) -> Vec<RiskyPrincipal> {
        let newest = self.clock.newest();
        let mut risky: Vec<(f64, RiskyPrincipal)> =
            self.tenants.iter().flat_map(|tenant| tenant.risky(newest)).collect();
        risky.sort_by(|(a_score, a), (b_score, b)| {
            b.graph
                .risk_level
                .cmp(&a.graph.risk_level)
                .then(b_score.total_cmp(a_score))
                .then(a.graph.id.cmp(&b.graph.id))
        });
        risky.into_iter().map(|(_, principal)| principal).collect()
    }

    /// What concerns several identities.
    pub fn notices(&self) -> Vec<Notice> {
        let mut notices: Vec<Notice> = self.tenants.iter().flat_map(Tenant::notices).collect();
        notices.sort_by(|a, b| a.time.cmp(&b.time).then_with(|| a.text.cmp(&b.text)));
        notices
    }

    /// How often alarms were raised.
    pub fn measured(&self) -> Measured {
        let unsupported =
            |incident: &&Incident| incident.level >= RiskLevel::Medium && !incident.is_corroborated();
        Measured {
            identity_days: self.tenants.iter().map(Tenant::identity_days).sum(),
            unsupported: self.tenants.iter().flat_map(|tenant| &tenant.incidents).filter(unsupported).count()
                as u64,
        }
    }
}

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
    is_enabled: bool,
    baseline: Baseline,
    incidents: Vec<u32>,
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
struct Tenant {
    id: String,
    index: Map<ServicePrincipalId<'static>, u32>,
    principals: Vec<Box<Principal>>,
    peers: Peers,
    ledger: Ledger,
    incidents: Vec<Incident>,
    moves: Vec<Move>,
    removed_keys: BTreeMap<String, Timestamp>,
    tier_0: BTreeSet<Id<'static>>,
    tokens: Tokens,
    day: i64,
    active_today: u32,
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
    credential_kind: countersign_model::event::CredentialKind,
    federated_credential: &'o Id<'o>,
    enrichment: &'o Enrichment<'o, 'o>,
    ip: Option<IpAddr>,
    /// The credential was right: the sign-in succeeded, or failed for another reason.
    proven: bool,
    late: bool,
}

/// Errors that come only after the credential was found to be right (reference: token endpoint): success, blocked
/// by Conditional Access, not assigned to the application, consent missing.
const PROVEN: [u32; 4] = [0, 53_003, 50_105, 65_001];

impl Tenant {
    fn new(id: String) -> Self {
        Self {
            id,
            index: Map::default(),
            principals: Vec::new(),
            peers: Peers::default(),
            ledger: Ledger::default(),
            incidents: Vec::new(),
            moves: Vec::new(),
            removed_keys: BTreeMap::new(),
            tier_0: BTreeSet::new(),
            tokens: Tokens::default(),
            day: i64::MIN,
            active_today: 0,
            identity_days: 0,
        }
    }

    fn identity_days(&self) -> u64 {
        self.identity_days + u64::from(self.active_today)
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

    fn end_day(&mut self, policy: Policy) {
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

    fn sign_in(&mut self, policy: Policy, sign_in: &SignIn<'_>, enrichment: &Enrichment<'_, '_>, late: bool) {
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
                proven: PROVEN.contains(&sign_in.error_code),
                late,
            },
        );
    }

    /// Sign-ins of managed identities have no address: the first call with each token stands in for it.
    fn call(&mut self, policy: Policy, call: &ApiActivity<'_>, enrichment: &Enrichment<'_, '_>, late: bool) {
        if call.service_principal.is_none() {
            return;
        }
        if !call.roles.is_empty() && call.roles.split(' ').any(|role| TIER_0_ROLES.contains(&role)) {
            self.mark_tier_0(&call.service_principal.0);
        }
        let principals: &HashMap<ServicePrincipalId<'_>, u32, FixedState> = &self.index;
        let Some(at) = principals.get(&call.service_principal).copied() else { return };
        let principal = &mut self.principals[at as usize];
        principal.last = principal.last.max(call.time);
        let token = hash32(call.token.as_bytes());
        let stands_in = principal.baseline.is_managed_identity && !principal.baseline.has_address;
        if !stands_in || call.token.is_empty() || principal.baseline.token == token {
            return;
        }
        principal.baseline.token = token;
        self.occurrence(
            policy,
            &Occurrence {
                principal: &call.service_principal,
                app: &call.app,
                name: "",
                kind: SignInKind::ManagedIdentity,
                time: call.time,
                event_id: &call.id.0,
                key: &Id::NONE,
                resource_name: "Microsoft Graph",
                resource: None,
                credential_kind: countersign_model::event::CredentialKind::ManagedIdentity,
                federated_credential: &Id::NONE,
                enrichment,
                ip: call.address.ip,
                proven: true,
                late,
            },
        );
    }

    fn audit(&mut self, policy: Policy, audit: &DirectoryAudit<'_>) {
        self.advance(policy, audit.time);
        for (subject, change) in self.ledger.enter(audit) {
            match &change.kind {
                ChangeKind::AppRoleGranted { role, .. } if TIER_0_ROLES.contains(&role.as_str()) => {
                    self.mark_tier_0(&subject)
                }
                ChangeKind::CredentialRemoved { key } => {
                    self.removed_keys.insert(key.to_string(), change.time);
                }
                ChangeKind::Enabled(is_enabled) => {
                    if let Some(at) = self.index.get(&ServicePrincipalId(subject)).copied() {
                        self.principals[at as usize].is_enabled = *is_enabled;
                    }
                }
                _ => {}
            }
        }
    }

    fn mark_tier_0(&mut self, principal: &Id<'_>) {
        let wanted = ServicePrincipalId(principal.to_owned_id());
        match self.index.get(&wanted) {
            Some(at) => self.principals[*at as usize].baseline.is_tier_0 = true,
            None => {
                self.tier_0.insert(wanted.0);
            }
        }
    }

    fn principal(&mut self, occurrence: &Occurrence<'_>) -> usize {
        let index: &HashMap<ServicePrincipalId<'_>, u32, FixedState> = &self.index;
        if let Some(at) = index.get(occurrence.principal) {
            return *at as usize;
        }
        let id = occurrence.principal.to_owned_id();
        let mut baseline = Baseline::new(occurrence.time);
        let agent = &occurrence.enrichment.agent;
        // Peers are those that prove themselves the same way with the same software.
        baseline.archetype = hash32(agent.product.as_bytes()).wrapping_add(occurrence.credential_kind as u32);
        baseline.is_tier_0 = self.tier_0.remove(&id.0);
        let template = hash32(occurrence.app.0.as_bytes());
        self.peers.join(baseline.archetype, template);
        let at = self.principals.len();
        self.index.insert(id.clone(), at as u32);
        self.principals.push(Box::new(Principal {
            id,
            app: occurrence.app.to_owned_id(),
            name: occurrence.name.to_owned(),
            kind: occurrence.kind,
            template,
            first: occurrence.time,
            last: occurrence.time,
            is_enabled: true,
            baseline,
            incidents: Vec::new(),
        }));
        self.active_today += 1;
        at
    }

    fn occurrence(&mut self, policy: Policy, occurrence: &Occurrence<'_>) {
        self.advance(policy, occurrence.time);
        let at = self.principal(occurrence);
        let principal = &mut *self.principals[at];
        principal.last = principal.last.max(occurrence.time);
        if principal.name.is_empty() && !occurrence.name.is_empty() {
            occurrence.name.clone_into(&mut principal.name);
        }
        principal.baseline.is_managed_identity |= occurrence.kind == SignInKind::ManagedIdentity;
        let is_sign_in_with_address = occurrence.resource.is_some() && occurrence.ip.is_some();
        principal.baseline.has_address |= is_sign_in_with_address;
        if principal.baseline.advance(occurrence.time) {
            self.active_today += 1;
            self.settle(at, occurrence.time);
        }
        let values = values(occurrence);
        let baseline = &self.principals[at].baseline;
        let is_plain = occurrence.proven && occurrence.enrichment.indicators.is_empty();
        let [low, ..] = policy.budget.thresholds();
        if is_plain && low > USUAL_LN_MAX && is_usual(baseline, &values) {
            self.learn_usual(at, &values, occurrence.time);
            self.old_source_event(policy, at, &values, occurrence.time);
            return;
        }
        let score = self.score(at, occurrence, &values);
        let is_first = self.principals[at].baseline.runs() == 0;
        if !occurrence.enrichment.indicators.is_empty() {
            self.match_indicators(policy, at, occurrence, &values, &score, is_first);
        }
        if !occurrence.proven {
            return;
        }
        if !is_first {
            self.judge(policy, at, occurrence, &values, &score);
        }
        self.learn(at, &values, &score, policy, occurrence.time);
        self.old_source_event(policy, at, &values, occurrence.time);
    }

    fn score(&mut self, at: usize, occurrence: &Occurrence<'_>, values: &Values) -> Score {
        let principal = &self.principals[at];
        let priors = self.peers.priors(principal.baseline.archetype, principal.template);
        suspicious::score(
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

    /// `suspiciousSignins`: opens an incident, or adds the event to the one it belongs to.
    fn judge(
        &mut self,
        policy: Policy,
        at: usize,
        occurrence: &Occurrence<'_>,
        values: &Values,
        score: &Score,
    ) {
        let ln = score.total();
        let reason = reason(occurrence, values, score);
        let open = self.open_incident(at, RiskEventType::SuspiciousSignins, reason, occurrence.time);
        let [low, ..] = policy.budget.thresholds();
        let incident = match open {
            Some(incident) => incident,
            None if ln >= low => {
                self.open(RiskEventType::SuspiciousSignins, reason, at, occurrence, values, score)
            }
            None => return,
        };
        self.add_event(incident, at, occurrence, values, score, ln);
        self.weigh(policy, incident);
    }

    fn match_indicators(
        &mut self,
        policy: Policy,
        at: usize,
        occurrence: &Occurrence<'_>,
        values: &Values,
        score: &Score,
        is_first: bool,
    ) {
        let indicators =
            threat_intelligence::within_window(&occurrence.enrichment.indicators, occurrence.time);
        let Some(strongest) = indicators.first() else { return };
        let unweighted = |dimension: Dimension| {
            let term = score.terms[dimension.index()].filter(|_| !is_first)?;
            Some(term.ln / ASSUMPTIONS[dimension.index()].weight)
        };
        let ln = threat_intelligence::score(
            &indicators,
            unweighted(Dimension::Source),
            unweighted(Dimension::Agent),
        );
        let reason = hash64(strongest.value.as_bytes());
        let event_type = RiskEventType::InvestigationsThreatIntelligence;
        let open = self.open_incident(at, event_type, reason, occurrence.time);
        let [low, ..] = policy.budget.thresholds();
        let incident = match open {
            Some(incident) => incident,
            None if ln >= low => self.open(event_type, reason, at, occurrence, values, score),
            None => return,
        };
        self.incidents[incident].retro_match |=
            indicators.iter().any(|found| threat_intelligence::is_retro_match(found, occurrence.time));
        self.incidents[incident].indicators = indicators;
        self.incidents[incident].proven |= occurrence.proven;
        self.add_event(incident, at, occurrence, values, score, ln);
        self.weigh(policy, incident);
    }

    fn open_incident(
        &self,
        at: usize,
        event_type: RiskEventType,
        reason: u64,
        time: Timestamp,
    ) -> Option<usize> {
        let candidates = self.principals[at].incidents.iter().rev().map(|incident| *incident as usize);
        candidates.into_iter().find(|incident| {
            let incident = &self.incidents[*incident];
            incident.risk_event_type == event_type && incident.reason == reason && incident.is_open(time)
        })
    }

    fn open(
        &mut self,
        event_type: RiskEventType,
        reason: u64,
        at: usize,
        occurrence: &Occurrence<'_>,
        values: &Values,
        score: &Score,
    ) -> usize {
        let principal = &self.principals[at];
        let baseline = &principal.baseline;
        let priors = self.peers.priors(baseline.archetype, principal.template);
        let prior = &priors[Dimension::Source.index()];
        let key_slot = values.credential.map(|credential| baseline.standing(Table::Credentials, credential));
        let habits = Habits {
            days: baseline.days(occurrence.time),
            runs: baseline.runs(),
            sources: baseline.known_count(Table::Sources),
            networks: baseline.known_values(Table::Networks),
            countries: baseline.known_values(Table::Countries),
            novelty_rate: score.novelty_rate,
            peers_rate: prior.novelty,
            peers: self.principals.len() as u32 - 1,
            peers_using_network: self.peers.adopters(Table::Networks, values.network),
            events_per_hour: baseline.events_per_hour(),
            key_sources: match key_slot {
                Some(Standing::Known { slot, .. }) => baseline.sources_of_key(slot),
                _ => 0,
            },
        };
        let source_class = score.novel(Dimension::Source);
        let prefix = occurrence.ip.map_or(0, range_value);
        let is_access =
            occurrence.enrichment.source.as_ref().is_some_and(|facts| facts.hosting == HostingClass::Access);
        let incident = Incident {
            id: finding_id(&self.id, &principal.id, event_type, reason, occurrence.event_id),
            risk_event_type: event_type,
            principal: at as u32,
            reason,
            first: occurrence.time,
            last: occurrence.time,
            detected: occurrence.time,
            updated: occurrence.time,
            source: occurrence.enrichment.source.as_ref().map(Into::into),
            prefix,
            // An IPv6 source is kept as a hash of its /64, which tells nothing of its range: it shares none.
            old_prefixes: baseline.known_values(Table::Sources).into_iter().map(|value| value >> 8).collect(),
            source_class,
            values: BTreeSet::new(),
            learning: baseline.learning(occurrence.time, prior),
            tier_0: baseline.is_tier_0,
            own_network: is_access && source_class.is_some() && self.peers.use_range(prefix),
            by_hand: source_class.is_some() && is_by_hand(occurrence, &self.peers),
            habits,
            strongest: Strongest::default(),
            events: 0,
            event_ids: Vec::new(),
            key_ids: BTreeSet::new(),
            addresses: BTreeSet::new(),
            old_events: 0,
            old_last: None,
            movement: Movement::Undecided,
            moved_with: 0,
            stolen_with: 0,
            rare_actor: false,
            indicators: Vec::new(),
            retro_match: false,
            late: occurrence.late,
            proven: occurrence.proven,
            level: RiskLevel::None,
            paid: false,
            over_budget: false,
        };
        let number = self.incidents.len();
        if source_class.is_some() && event_type == RiskEventType::SuspiciousSignins {
            let (old_prefixes, first) = (incident.old_prefixes.clone(), incident.first);
            self.moves.push(Move {
                incident: number as u32,
                principal: at as u32,
                prefix,
                old_prefixes,
                first,
            });
        }
        self.incidents.push(incident);
        let principal = &mut self.principals[at];
        principal.incidents.push(number as u32);
        principal.baseline.has_incident = true;
        number
    }

    fn add_event(
        &mut self,
        incident: usize,
        at: usize,
        occurrence: &Occurrence<'_>,
        values: &Values,
        score: &Score,
        ln: f64,
    ) {
        let change = self.ledger.addition(occurrence.key).map(describe_change);
        let agent_adopters = self.peers.adopters(Table::Agents, values.agent);
        let app_is_tier_0 = self.principals[at].baseline.is_tier_0;
        let incident = &mut self.incidents[incident];
        incident.tier_0 |= app_is_tier_0;
        incident.late |= occurrence.late;
        incident.updated = incident.updated.max(occurrence.time);
        if incident.risk_event_type == RiskEventType::SuspiciousSignins {
            let indicators =
                threat_intelligence::within_window(&occurrence.enrichment.indicators, occurrence.time);
            if !indicators.is_empty() && score.novel(Dimension::Source).is_some() {
                incident.indicators = indicators;
            }
        }
        for (table, dimension, value) in values.tables() {
            if let (Some(value), Some(_)) = (value, score.novel(dimension)) {
                incident.values.insert((table as u8, value));
            }
        }
        let key = if occurrence.key.is_none() { String::new() } else { occurrence.key.to_string() };
        incident.append(occurrence.time, occurrence.event_id.to_string(), &key, occurrence.ip);
        incident.strengthen(ln, score, || Strongest {
            agent: occurrence.enrichment.agent.to_string(),
            resource: match occurrence.resource {
                _ if !occurrence.resource_name.is_empty() => occurrence.resource_name.to_owned(),
                Some(resource) => resource.to_string(),
                None => String::new(),
            },
            key,
            kind: occurrence.credential_kind,
            credential_change: change,
            agent_adopters,
            ..Strongest::default()
        });
    }

    /// An event from a known source: evidence on whether the new one of an open incident replaces it.
    fn old_source_event(&mut self, policy: Policy, at: usize, values: &Values, time: Timestamp) {
        let principal = &mut self.principals[at];
        let is_known = values.source.is_none_or(|source| principal.baseline.knows(Table::Sources, source));
        if !is_known {
            return;
        }
        principal.baseline.count_event();
        if !principal.baseline.has_incident {
            return;
        }
        let mut any_open = false;
        for incident in principal.incidents.clone() {
            let incident = incident as usize;
            let open = &mut self.incidents[incident];
            if !open.is_open(time) {
                continue;
            }
            any_open = true;
            let is_its_own =
                values.source.is_some_and(|source| open.values.contains(&(Table::Sources as u8, source)));
            if open.source_class.is_some() && values.source.is_some() && !is_its_own {
                open.old_events += 1;
                open.old_last = Some(time);
                self.weigh(policy, incident);
            }
        }
        self.principals[at].baseline.has_incident = any_open;
    }

    /// Decides movement, level and budget of an incident anew.
    fn weigh(&mut self, policy: Policy, incident: usize) {
        self.incidents[incident].decide_movement();
        self.join_moves(incident);
        let open = &mut self.incidents[incident];
        let circumstances = open.circumstances();
        let ln = open.ln();
        let mut level = policy.budget.level(ln, &circumstances);
        if !open.proven {
            // Whoever tried did not hold the credential.
            level = level.min(RiskLevel::Low);
        }
        let costs = policy.budget.costs_token(level, &circumstances);
        match (costs, open.paid) {
            (true, false) if self.tokens.spend() => (open.paid, open.over_budget) = (true, false),
            (true, false) => (level, open.over_budget) = (RiskLevel::Low, true),
            (false, true) => {
                self.tokens.refund();
                open.paid = false;
            }
            (false, false) => open.over_budget = false,
            (true, true) => {}
        }
        open.level = level;
    }

    /// Finds the identities that came to the same new range from the same old one within a day.
    fn join_moves(&mut self, incident: usize) {
        let Some(own) = self.moves.iter().position(|moved| moved.incident as usize == incident) else {
            return;
        };
        let own = &self.moves[own];
        let together: Vec<&Move> = self
            .moves
            .iter()
            .filter(|other| {
                other.prefix == own.prefix
                    && (other.first.since(own.first)).abs() <= CO_MOVEMENT
                    && other.old_prefixes.iter().any(|prefix| own.old_prefixes.contains(prefix))
            })
            .collect();
        let principals: BTreeSet<u32> = together.iter().map(|moved| moved.principal).collect();
        if principals.len() < CO_MOVEMENT_MIN {
            return;
        }
        let members: Vec<usize> = together.iter().map(|moved| moved.incident as usize).collect();
        let parallel =
            members.iter().filter(|member| self.incidents[**member].movement == Movement::Parallel).count();
        let is_theft = parallel * 2 > members.len();
        for member in members {
            let member = &mut self.incidents[member];
            (member.moved_with, member.stolen_with) =
                if is_theft { (0, principals.len()) } else { (principals.len(), 0) };
        }
    }

    /// Ends quarantines of an identity.
    fn settle(&mut self, at: usize, time: Timestamp) {
        let principal = &mut *self.principals[at];
        let held: Vec<(Table, u32)> = principal
            .incidents
            .iter()
            .flat_map(|incident| self.incidents[*incident as usize].held())
            .collect();
        let mut adopted = Vec::new();
        principal.baseline.settle(time, &held, &mut adopted);
        for (table, value) in adopted {
            match table {
                // An IPv6 source is kept as a hash, which tells nothing of its range.
                Table::Sources => self.peers.adopt_range(value >> 8),
                _ => self.peers.adopt(principal.baseline.archetype, table, value),
            }
        }
    }

    /// Takes an event into the baseline whose values are all there already.
    fn learn_usual(&mut self, at: usize, values: &Values, time: Timestamp) {
        let principal = &mut *self.principals[at];
        let baseline = &mut principal.baseline;
        let group = (baseline.archetype, principal.template);
        let mut counted = false;
        let mut slots = [None; 4];
        for (place, (table, dimension, value)) in values.tables().into_iter().enumerate() {
            let Some(slot) = value.and_then(|value| baseline.slot(table, value)) else { continue };
            slots[place] = Some(slot);
            if baseline.see(table, slot, time) {
                counted = true;
                self.peers.count(group, dimension, None, 1.0);
            }
        }
        if let (Some(source), Some(credential)) = (slots[0], slots[3]) {
            baseline.use_key_from(credential, source);
        }
        baseline.use_kind(values.kind);
        if counted {
            self.learn_place(at, values, time);
            let baseline = &mut self.principals[at].baseline;
            baseline.count_run();
            let is_new_hour = !baseline.is_usual_hour(time);
            baseline.see_hour(time, is_new_hour);
            let novelty = is_new_hour && baseline.is_first_novelty_today(Dimension::Time);
            self.peers.count(group, Dimension::Time, novelty.then_some(0), 1.0);
        } else if !baseline.is_usual_hour(time) {
            baseline.see_hour(time, true);
        }
    }

    /// Network and country follow the source into the baseline, never ahead of it.
    fn learn_place(&mut self, at: usize, values: &Values, time: Timestamp) {
        let baseline = &mut self.principals[at].baseline;
        if !values.source.is_some_and(|source| baseline.knows(Table::Sources, source)) {
            return;
        }
        for (table, value) in [(Table::Networks, values.network), (Table::Countries, values.country)] {
            if value == 0 {
                continue;
            }
            if let Some(slot) = baseline.slot(table, value) {
                baseline.see(table, slot, time);
            } else {
                baseline.add(table, value, 0, true, time);
                self.peers.adopt(baseline.archetype, table, value);
            }
        }
    }

    /// Takes the event into the baseline.
    fn learn(&mut self, at: usize, values: &Values, score: &Score, policy: Policy, time: Timestamp) {
        let principal = &mut *self.principals[at];
        let template = principal.template;
        let baseline = &mut principal.baseline;
        let archetype = baseline.archetype;
        let group = (archetype, template);
        let steadiness = 1.0 - score.novelty_rate;
        let peers = &mut self.peers;
        let is_first = baseline.runs() == 0;
        let is_quiet = score.total() < policy.budget.thresholds()[0];
        let is_cold = {
            let priors = peers.priors(archetype, template);
            baseline.learning(time, &priors[0]) == LearningState::Cold
        };
        let mut counted = false;
        let mut slots = [None; 4];
        for (place, (table, dimension, value)) in values.tables().into_iter().enumerate() {
            let Some(value) = value else { continue };
            match baseline.standing(table, value) {
                Standing::Known { slot, .. } => {
                    slots[place] = Some(slot);
                    if baseline.see(table, slot, time) {
                        counted = true;
                        peers.count(group, dimension, None, 1.0);
                    }
                }
                Standing::Pending { slot } => {
                    slots[place] = Some(slot);
                    counted |= baseline.see(table, slot, time);
                }
                Standing::New => {
                    counted = true;
                    let term = score.terms[dimension.index()];
                    let class = term.and_then(|term| term.novel).unwrap_or(0);
                    // Near or announced values are let in at once, and all while nothing is known yet.
                    let is_near =
                        class <= 1 && table != Table::Credentials || term.is_some_and(|term| term.announced);
                    let adopt = is_first || (is_cold && is_quiet) || is_near;
                    slots[place] = Some(baseline.add(table, value, class, adopt, time));
                    match (adopt, table) {
                        (true, Table::Sources) => peers.adopt_range(values.range),
                        (true, _) => peers.adopt(archetype, table, value),
                        (false, _) => {}
                    }
                    if !is_first {
                        let novelty =
                            (is_quiet && baseline.is_first_novelty_today(dimension)).then_some(class);
                        let weight = if dimension == Dimension::Source { steadiness } else { 1.0 };
                        peers.count(group, dimension, novelty, weight);
                    }
                }
            }
        }
        if let (Some(source), Some(credential)) = (slots[0], slots[3]) {
            baseline.use_key_from(credential, source);
        }
        baseline.use_kind(values.kind);
        self.learn_place(at, values, time);
        let (peers, baseline) = (&mut self.peers, &mut self.principals[at].baseline);
        if counted {
            baseline.count_run();
            let is_new_hour = !baseline.is_usual_hour(time);
            baseline.see_hour(time, is_new_hour && !is_first);
            if is_first {
                return;
            }
            let novelty = is_new_hour && baseline.is_first_novelty_today(Dimension::Time);
            peers.count(group, Dimension::Time, novelty.then_some(0), 1.0);
        } else if !baseline.is_usual_hour(time) {
            baseline.see_hour(time, true);
        }
    }

    fn about<'a>(&'a self, incident: &Incident, app: &'a str) -> About<'a> {
        About {
            name: &self.principals[incident.principal as usize].name,
            app,
            has_audit: self.ledger.has_audit,
            measured_rate: self.measured_rate(incident),
            corroborated: incident.is_corroborated(),
        }
    }

    /// Other findings at least as strong, per 1,000 identities and day.
    fn measured_rate(&self, incident: &Incident) -> Option<f64> {
        let days = self.identity_days();
        let stronger = self.incidents.iter().filter(|other| {
            other.principal != incident.principal
                && other.level > RiskLevel::None
                && other.ln() >= incident.ln()
        });
        (days > 0).then(|| stronger.count() as f64 * 1000.0 / days as f64)
    }

    fn findings(&self) -> Vec<Finding> {
        let risky = self.incidents.iter().filter(|incident| incident.level > RiskLevel::None);
        risky.map(|incident| self.finding(incident)).collect()
    }

    fn finding(&self, incident: &Incident) -> Finding {
        let principal = &self.principals[incident.principal as usize];
        let app = principal.app.to_string();
        let explanation = explanation::explain(incident, &self.about(incident, &app));
        let mut evidence = incident.strongest.terms.clone();
        evidence.extend(incident.movement_evidence());
        let indicator_ln =
            incident.strongest.ln - incident.strongest.terms.iter().map(|term| term.ln).sum::<f64>();
        if incident.risk_event_type == RiskEventType::InvestigationsThreatIntelligence {
            // Source and agent count unweighted here; what is left is the indicators' own weight.
            evidence.push(countersign_model::finding::Evidence {
                dimension: "threatIntelligence".to_owned(),
                ln: indicator_ln,
            });
        }
        Finding {
            id: incident.id.clone(),
            risk_event_type: incident.risk_event_type,
            level: incident.level,
            state: RiskState::AtRisk,
            detail: RiskDetail::None,
            score: incident.ln(),
            tenant: self.id.clone(),
            service_principal: principal.id.to_string(),
            app,
            name: principal.name.clone(),
            activity: incident.first,
            last_activity: incident.last,
            detected: incident.detected,
            updated: incident.updated,
            ip: incident.source.as_ref().map(|source| source.ip),
            country: incident.source.as_ref().and_then(|source| source.country),
            key_ids: incident.key_ids.iter().cloned().collect(),
            event_ids: incident.event_ids.clone(),
            events: incident.events,
            reasons: reasons(incident),
            evidence,
            measured_rate: self.measured_rate(incident),
            learning: incident.learning,
            corroborated: incident.is_corroborated(),
            late: incident.late,
            explanation,
        }
    }

    fn risky(&self, newest: Timestamp) -> Vec<(f64, RiskyPrincipal)> {
        let mut risky = Vec::new();
        for principal in &self.principals {
            let of = |incident: &&u32| self.incidents[**incident as usize].level > RiskLevel::None;
            let mut incidents: Vec<&Incident> = principal
                .incidents
                .iter()
                .filter(of)
                .map(|incident| &self.incidents[*incident as usize])
                .collect();
            if incidents.is_empty() {
                continue;
            }
            let risk = self.risk(&incidents, newest);
            incidents.sort_by(|a, b| {
                b.level.cmp(&a.level).then(b.ln().total_cmp(&a.ln())).then_with(|| a.id.cmp(&b.id))
            });
            risky.push((
                incidents[0].ln(),
                RiskyPrincipal {
                    graph: RiskyServicePrincipal {
                        id: principal.id.to_string(),
                        app_id: principal.app.to_string(),
                        display_name: principal.name.clone(),
                        is_enabled: principal.is_enabled,
                        is_processing: false,
                        risk_level: risk.level,
                        risk_state: risk.state,
                        risk_detail: risk.detail,
                        risk_last_updated_date_time: risk.updated.to_string(),
                        service_principal_type: match principal.kind {
                            SignInKind::ManagedIdentity => "ManagedIdentity".to_owned(),
                            _ => "Application".to_owned(),
                        },
                    },
                    tenant: self.id.clone(),
                    risk,
                    activity: (principal.first, principal.last),
                    findings: incidents.iter().map(|incident| incident.id.clone()).collect(),
                },
            ));
        }
        risky
    }

    /// Replays the findings of one identity, and what was done about them, through the state machine.
    fn risk(&self, incidents: &[&Incident], newest: Timestamp) -> Risk {
        let mut by_time: Vec<&&Incident> = incidents.iter().collect();
        by_time.sort_by(|a, b| a.detected.cmp(&b.detected).then_with(|| a.id.cmp(&b.id)));
        let mut risk = Risk::default();
        let mut highest = RiskLevel::None;
        for incident in &by_time {
            highest = highest.max(incident.level);
            risk.apply(&RiskEvent::Findings(highest), incident.detected);
        }
        if let Some(last) = by_time.iter().map(|incident| incident.last).max() {
            risk.apply(&RiskEvent::Findings(highest), last);
        }
        let keys: BTreeSet<&String> = incidents.iter().flat_map(|incident| &incident.key_ids).collect();
        let removals: Option<Vec<Timestamp>> =
            keys.iter().map(|key| self.removed_keys.get(*key).copied()).collect();
        if let Some(last_removal) = removals.and_then(|removals| removals.into_iter().max()) {
            risk.apply(&RiskEvent::CredentialsRemoved, last_removal);
        }
        risk.apply(&RiskEvent::Tick, newest);
        risk
    }

    /// One notice for each group of identities that moved together.
    fn notices(&self) -> Vec<Notice> {
        let mut groups: BTreeMap<(u32, i64), Vec<&Incident>> = BTreeMap::new();
        let mut moved: Vec<&Incident> = self
            .incidents
            .iter()
            .filter(|incident| incident.moved_with > 0 || incident.stolen_with > 0)
            .collect();
        moved.sort_by_key(|incident| (incident.prefix, incident.first));
        for incident in moved {
            let joins = groups.iter_mut().find(|((prefix, _), members)| {
                *prefix == incident.prefix
                    && members.iter().any(|member| incident.first.since(member.first).abs() <= CO_MOVEMENT)
            });
            match joins {
                Some((_, members)) => members.push(incident),
                None => {
                    groups.insert((incident.prefix, incident.first.0), vec![incident]);
                }
            }
        }
        groups.into_values().map(|members| self.notice(&members)).collect()
    }

    fn notice(&self, members: &[&Incident]) -> Notice {
        let principals: BTreeSet<String> = members
            .iter()
            .map(|incident| self.principals[incident.principal as usize].id.to_string())
            .collect();
        let first = members.iter().map(|incident| incident.first).min().unwrap_or_default();
        let place = members[0].source.as_ref().map_or_else(String::new, |source| {
            let network = if source.asn == 0 {
                String::new()
            } else {
                format!(" (AS{} {})", source.asn, source.as_name)
            };
            format!(" to the range of {}{network}", source.ip)
        });
        let is_theft = members.iter().any(|incident| incident.stolen_with > 0);
        let text = if is_theft {
            format!(
                "{} identities are used from one new range{place} while their usual sources go on: many credentials may have leaked from one place",
                principals.len()
            )
        } else {
            format!(
                "{} identities moved together{place} since {}: a change of network, judged once",
                principals.len(),
                first.minute()
            )
        };
        Notice { time: first, text, service_principals: principals.into_iter().collect() }
    }
}

fn describe_change(change: &Change) -> String {
    let kind = match &change.kind {
        ChangeKind::CredentialAdded { kind, label, .. } => {
            let kind = if kind == "Password" { "a secret" } else { "a certificate" };
            if label.is_empty() { kind.to_owned() } else { format!("{kind} named `{label}`") }
        }
        _ => "a change".to_owned(),
    };
    let rare = if change.is_rare_actor { ", who never made such changes before" } else { "" };
    format!(
        "{kind}, added on {} by {}{rare} (audit record {})",
        change.time.minute(),
        change.actor,
        change.event
    )
}

fn values(occurrence: &Occurrence<'_>) -> Values {
    let facts = occurrence.enrichment.source.as_ref();
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
        agent: agent_value(&occurrence.enrichment.agent),
        resource: occurrence.resource.map(|resource| hash32(resource.as_bytes())),
        credential,
        kind: occurrence.credential_kind,
    }
}

/// True when every value is in the baseline already, and the source often.
fn is_usual(baseline: &Baseline, values: &Values) -> bool {
    let knows = |table, value: Option<u32>| value.is_none_or(|value| baseline.knows(table, value));
    let is_frequent = |source| match baseline.standing(Table::Sources, source) {
        Standing::Known { share, .. } => {
            let values = baseline.known_count(Table::Sources);
            evidence::is_frequent(share, values, &baseline.counts[Dimension::Source.index()])
        }
        Standing::Pending { .. } | Standing::New => false,
    };
    baseline.runs() > 0
        && values.source.is_none_or(is_frequent)
        && knows(Table::Agents, Some(values.agent))
        && knows(Table::Resources, values.resource)
        && knows(Table::Credentials, values.credential)
}

/// An IPv4 address as itself; an IPv6 address as a hash of its /64, for hosts change the rest at will.
fn source_value(ip: IpAddr) -> u32 {
    match ip {
        IpAddr::V4(v4) => u32::from(v4),
        IpAddr::V6(v6) => hash32(&v6.octets()[..8]),
    }
}

/// The signs that a person uses the identity by hand.
fn is_by_hand(occurrence: &Occurrence<'_>, peers: &Peers) -> bool {
    let Some(facts) = &occurrence.enrichment.source else { return false };
    let is_near_people = facts.hosting == HostingClass::Access && facts.anonymiser == Anonymiser::None;
    let is_home_country =
        facts.country.is_some_and(|country| peers.is_common(Table::Countries, country_value(Some(country))));
    let product = occurrence.enrichment.agent.product.to_ascii_lowercase();
    let is_workday = !matches!(occurrence.time.day().rem_euclid(7), 2 | 3);
    let is_workday_hour = is_workday && OFFICE_HOURS.contains(&(occurrence.time.hour().rem_euclid(24)));
    is_near_people && is_home_country && is_workday_hour && INTERACTIVE_AGENTS.contains(&product.as_str())
}

fn agent_value(agent: &AgentFamily<'_>) -> u32 {
    let major = agent.major.map_or(u32::MAX, |major| major);
    hash32(agent.product.as_bytes())
        ^ major.wrapping_mul(0x9e37_79b9)
        ^ (agent.platform as u32).wrapping_mul(0x85eb_ca6b)
}

/// Events that share it belong to one incident: the network of a new source, or the new values themselves.
fn reason(occurrence: &Occurrence<'_>, values: &Values, score: &Score) -> u64 {
    if score.novel(Dimension::Source).is_some() {
        let place = match (values.network, occurrence.ip) {
            (0, Some(ip)) => u64::from(range_value(ip)) | 1 << 40,
            (network, _) => u64::from(network) | 1 << 41,
        };
        return hash64(&place.to_le_bytes());
    }
    let mut bytes = Vec::with_capacity(24);
    for (dimension, value) in [
        (Dimension::Agent, Some(values.agent)),
        (Dimension::Resource, values.resource),
        (Dimension::Credential, values.credential),
    ] {
        if let (Some(_), Some(value)) = (score.novel(dimension), value) {
            bytes.push(dimension as u8);
            bytes.extend_from_slice(&value.to_le_bytes());
        }
    }
    hash64(&bytes)
}

/// Derived from what the finding rests on, so that replay makes the same and never a second one.
fn finding_id(
    tenant: &str,
    principal: &ServicePrincipalId<'_>,
    event_type: RiskEventType,
    reason: u64,
    first_event: &Id<'_>,
) -> String {
    let mut hash = Sha256::new();
    for part in
        [tenant, &principal.to_string(), event_type.as_str(), &reason.to_string(), &first_event.to_string()]
    {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Machine-readable reasons, in the style of Identity Protection's `riskReasons`.
fn reasons(incident: &Incident) -> Vec<String> {
    let mut reasons: Vec<&str> = Vec::new();
    if let Some(class) = incident.source_class {
        reasons.push("UnfamiliarIP");
        if class >= 2 {
            reasons.push("UnfamiliarASN");
        }
        if matches!(class, 1 | 2 | 4 | 5)
            && incident.source.as_ref().is_some_and(|source| {
                source
                    .country
                    .is_some_and(|country| !incident.habits.countries.contains(&country_value(Some(country))))
            })
        {
            reasons.push("UnfamiliarCountry");
        }
        if class >= 4
            && incident
                .source
                .as_ref()
                .is_some_and(|source| source.hosting == countersign_model::source::HostingClass::Hosting)
        {
            reasons.push("UnfamiliarHosting");
        }
    }
    let novel = |dimension: Dimension| incident.strongest.novel[dimension.index()].is_some();
    let named = [
        (novel(Dimension::Agent), "UnfamiliarUserAgent"),
        (novel(Dimension::Resource), "UnfamiliarResource"),
        (novel(Dimension::Credential), "UnfamiliarCredential"),
        (incident.strongest.novel[Dimension::Credential.index()] == Some(2), "UnfamiliarCredentialType"),
        (novel(Dimension::Time), "OffSchedule"),
        (incident.by_hand, "HumanUseOfWorkload"),
        (incident.own_network, "OwnNetwork"),
        (incident.movement == Movement::Parallel, "CredentialUsedInParallel"),
        (matches!(incident.movement, Movement::Moved { .. }), "Moved"),
        (incident.moved_with > 0, "MovedTogether"),
        (incident.stolen_with > 0, "ManyPrincipalsFromOneSource"),
        (incident.rare_actor, "CredentialAddedByRareActor"),
        (!incident.indicators.is_empty(), "ThreatIntelligence"),
        (incident.retro_match, "RetroMatch"),
        (incident.tier_0, "TierZero"),
        (incident.learning == LearningState::Cold, "LearningCold"),
        (incident.late, "LateEvent"),
        (incident.over_budget, "OverBudget"),
    ];
    reasons.extend(named.iter().filter(|(holds, _)| *holds).map(|(_, name)| *name));
    reasons.into_iter().map(str::to_owned).collect()
}

/// For callers that hold only a key id.
impl Detector {
    /// True when an audit record told of the removal of this credential.
    pub fn is_removed(&self, key: &KeyId<'_>) -> bool {
        let key = key.to_string();
        self.tenants.iter().any(|tenant| tenant.removed_keys.contains_key(&key))
    }
}
