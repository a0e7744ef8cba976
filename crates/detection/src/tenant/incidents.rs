//! Judging an event, and what becomes of the incidents it belongs to.

use std::collections::BTreeSet;

use countersign_model::id::{Id, ServicePrincipalId};
use countersign_model::risk::{RiskEventType, RiskLevel};
use countersign_model::source::{Anonymiser, HostingClass};
use countersign_model::time::Timestamp;
use sha2::{Digest, Sha256};

use super::{Move, Occurrence, Tenant};
use crate::baseline::{Standing, Table};
use crate::budget::Policy;
use crate::constants::{
    ASSUMPTIONS, CO_MOVEMENT, CO_MOVEMENT_MIN, Dimension, INCIDENT_QUIET, INTERACTIVE_AGENTS, OFFICE_HOURS,
};
use crate::incident::{Case, Habits, Incident, Movement, SignInCase, Strongest};
use crate::investigations_threat_intelligence as threat_intelligence;
use crate::ledger::{Change, ChangeKind};
use crate::order::hash64;
use crate::peers::Peers;
use crate::suspicious_signins::{Score, Values, country_value, range_value};

impl Tenant {
    /// `suspiciousSignins`: opens an incident, or adds the event to the one it belongs to.
    pub(super) fn judge(
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
        self.support(policy, at);
    }

    pub(super) fn match_indicators(
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
        if let Some(case) = self.incidents[incident].sign_in_mut() {
            case.retro_match |=
                indicators.iter().any(|found| threat_intelligence::is_retro_match(found, occurrence.time));
            case.indicators = indicators;
            case.proven |= occurrence.proven;
        }
        self.add_event(incident, at, occurrence, values, score, ln);
        self.weigh(policy, incident);
    }

    pub(super) fn open_incident(
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

    pub(super) fn open(
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
            networks: {
                let known = baseline.known_values(Table::Networks).into_iter();
                known.filter_map(|network| self.network_names.get(&network).cloned()).collect()
            },
            countries: baseline.known_values(Table::Countries),
            novelty_rate: score.novelty_rate,
            peers_rate: prior.novelty,
            peers: self.acting.saturating_sub(1),
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
        let case = SignInCase {
            prefix,
            // An IPv6 source is kept as a hash of its /64, which tells nothing of its range: it shares none.
            old_prefixes: baseline.known_values(Table::Sources).into_iter().map(|value| value >> 8).collect(),
            source_class,
            values: BTreeSet::new(),
            own_network: is_access && source_class.is_some() && self.peers.use_range(prefix),
            by_hand: source_class.is_some() && is_by_hand(occurrence, &self.peers),
            habits,
            strongest: Strongest::default(),
            old_events: 0,
            old_last: None,
            movement: Movement::Undecided,
            moved_with: 0,
            stolen_with: 0,
            rare_actor: false,
            failures_before: self.failures.of(prefix, &principal.id.0),
            indicators: Vec::new(),
            retro_match: false,
            proven: occurrence.proven,
        };
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
            events: 0,
            event_ids: Vec::new(),
            key_ids: BTreeSet::new(),
            addresses: BTreeSet::new(),
            learning: baseline.learning(occurrence.time, prior),
            tier_0: baseline.is_tier_0,
            late: occurrence.late,
            case: Case::SignIn(Box::new(case)),
            supported: false,
            level: RiskLevel::None,
            cause: None,
            paid: false,
            over_budget: false,
        };
        let number = self.incidents.len();
        if source_class.is_some() && event_type == RiskEventType::SuspiciousSignins {
            let old_prefixes = incident.sign_in().map_or(Vec::new(), |case| case.old_prefixes.clone());
            self.moves.push(Move {
                incident: number as u32,
                principal: at as u32,
                prefix,
                old_prefixes,
                first: incident.first,
            });
        }
        self.incidents.push(incident);
        let principal = &mut self.principals[at];
        principal.incidents.push(number as u32);
        principal.baseline.has_incident = true;
        number
    }

    pub(super) fn add_event(
        &mut self,
        incident: usize,
        at: usize,
        occurrence: &Occurrence<'_>,
        values: &Values,
        score: &Score,
        ln: f64,
    ) {
        let change = self.ledger.addition(occurrence.key).map(describe_change);
        let agent_adopters = values.agent.map_or(0, |agent| self.peers.adopters(Table::Agents, agent));
        let app_is_tier_0 = self.principals[at].baseline.is_tier_0;
        let incident = &mut self.incidents[incident];
        incident.tier_0 |= app_is_tier_0;
        incident.late |= occurrence.late;
        incident.updated = incident.updated.max(occurrence.time);
        let key = if occurrence.key.is_none() { String::new() } else { occurrence.key.to_string() };
        incident.append(occurrence.time, occurrence.event_id.to_string(), &key, occurrence.ip);
        let is_sign_in = incident.risk_event_type == RiskEventType::SuspiciousSignins;
        let Some(case) = incident.sign_in_mut() else { return };
        if is_sign_in {
            let indicators =
                threat_intelligence::within_window(&occurrence.enrichment.indicators, occurrence.time);
            if !indicators.is_empty() && score.novel(Dimension::Source).is_some() {
                case.indicators = indicators;
            }
        }
        for (table, dimension, value) in values.tables() {
            if let (Some(value), Some(_)) = (value, score.novel(dimension)) {
                case.values.insert((table as u8, value));
            }
        }
        case.strengthen(ln, score, || Strongest {
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
    pub(super) fn old_source_event(
        &mut self,
        policy: Policy,
        at: usize,
        values: &Values,
        is_known: bool,
        time: Timestamp,
    ) {
        if !is_known {
            return;
        }
        let principal = &mut self.principals[at];
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
            let Some(case) = open.sign_in_mut() else { continue };
            let is_its_own =
                values.source.is_some_and(|source| case.values.contains(&(Table::Sources as u8, source)));
            if case.source_class.is_some() && values.source.is_some() && !is_its_own {
                case.old_events += 1;
                case.old_last = Some(time);
                self.weigh(policy, incident);
            }
        }
        self.principals[at].baseline.has_incident = any_open;
    }

    /// Decides movement, level and budget of an incident anew.
    pub(super) fn weigh(&mut self, policy: Policy, incident: usize) {
        let open = &mut self.incidents[incident];
        let (first, last) = (open.first, open.last);
        if let Some(case) = open.sign_in_mut() {
            case.decide_movement(first, last);
            self.join_moves(incident);
        }
        let open = &mut self.incidents[incident];
        let circumstances = open.circumstances();
        let ln = open.ln();
        let mut level = policy.budget.level(ln, &circumstances);
        let costs = policy.budget.costs_token(level, &circumstances);
        let paid_for_all = |paid: &Timestamp| last.since(*paid) <= INCIDENT_QUIET;
        match (costs, open.paid) {
            (true, false)
                if open.cause.is_some_and(|cause| self.paid_causes.get(&cause).is_some_and(paid_for_all)) =>
            {
                open.over_budget = false;
            }
            (true, false) if self.tokens.spend() => {
                (open.paid, open.over_budget) = (true, false);
                if let Some(cause) = open.cause {
                    self.paid_causes.insert(cause, last);
                }
            }
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
    pub(super) fn join_moves(&mut self, incident: usize) {
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
        let is_parallel = |member: &&usize| {
            self.incidents[**member].sign_in().is_some_and(|case| case.movement == Movement::Parallel)
        };
        let is_theft = members.iter().filter(is_parallel).count() * 2 > members.len();
        for member in members {
            let Some(member) = self.incidents[member].sign_in_mut() else { continue };
            (member.moved_with, member.stolen_with) =
                if is_theft { (0, principals.len()) } else { (principals.len(), 0) };
        }
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

/// A place where people are: an access network of a country the tenant works in.
pub(super) fn is_at_a_desk(occurrence: &Occurrence<'_>, peers: &Peers) -> bool {
    let Some(facts) = &occurrence.enrichment.source else { return false };
    let is_near_people = facts.hosting == HostingClass::Access && facts.anonymiser == Anonymiser::None;
    let is_home_country =
        facts.country.is_some_and(|country| peers.is_common(Table::Countries, country_value(Some(country))));
    is_near_people && is_home_country
}

/// The signs that a person uses the identity by hand.
fn is_by_hand(occurrence: &Occurrence<'_>, peers: &Peers) -> bool {
    let product = occurrence.enrichment.agent.product.to_ascii_lowercase();
    let is_workday = !matches!(occurrence.time.day().rem_euclid(7), 2 | 3);
    let is_workday_hour = is_workday && OFFICE_HOURS.contains(&(occurrence.time.hour().rem_euclid(24)));
    is_at_a_desk(occurrence, peers) && is_workday_hour && INTERACTIVE_AGENTS.contains(&product.as_str())
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
        (Dimension::Agent, values.agent),
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
pub(super) fn finding_id(
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
