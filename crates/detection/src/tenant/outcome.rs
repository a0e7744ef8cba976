//! What a tenant shows: findings, risky identities, notices.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::event::SignInKind;
use countersign_model::finding::{Finding, LearningState, Notice};
use countersign_model::risk::{RiskDetail, RiskLevel, RiskState, RiskyServicePrincipal};
use countersign_model::source::HostingClass;
use countersign_model::time::Timestamp;

use super::Tenant;
use crate::constants::{CO_MOVEMENT, Dimension, FAILURES_BEFORE_MIN};
use crate::detector::RiskyPrincipal;
use crate::explanation::{self, About};
use crate::incident::{Case, Incident, Movement, SignInCase, Source};
use crate::risk::{Risk, RiskEvent};
use crate::suspicious_signins::country_value;

impl Tenant {
    /// Findings of medium and high that nothing besides the event itself supports.
    pub(crate) fn unsupported(&self) -> u64 {
        let counts =
            |incident: &&Incident| incident.level >= RiskLevel::Medium && !incident.is_corroborated();
        self.incidents.iter().filter(counts).count() as u64
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

    pub(crate) fn findings(&self) -> Vec<Finding> {
        let risky = self.incidents.iter().filter(|incident| incident.level > RiskLevel::None);
        risky.map(|incident| self.finding(incident)).collect()
    }

    fn finding(&self, incident: &Incident) -> Finding {
        let principal = &self.principals[incident.principal as usize];
        let app = principal.app.to_string();
        let explanation = explanation::explain(incident, &self.about(incident, &app));
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
            evidence: incident.evidence(),
            measured_rate: self.measured_rate(incident),
            learning: incident.learning,
            corroborated: incident.is_corroborated(),
            late: incident.late,
            explanation,
        }
    }

    pub(crate) fn risky(&self, newest: Timestamp) -> Vec<(f64, RiskyPrincipal)> {
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
    pub(crate) fn notices(&self) -> Vec<Notice> {
        let mut groups: BTreeMap<(u32, i64), Vec<&Incident>> = BTreeMap::new();
        let sign_ins = self.incidents.iter().filter_map(|incident| Some((incident.sign_in()?, incident)));
        let mut moved: Vec<(u32, &Incident)> = sign_ins
            .filter(|(case, _)| case.moved_with > 0 || case.stolen_with > 0)
            .map(|(case, incident)| (case.prefix, incident))
            .collect();
        moved.sort_by_key(|(prefix, incident)| (*prefix, incident.first));
        for (prefix, incident) in moved {
            let joins = groups.iter_mut().find(|((group, _), members)| {
                *group == prefix
                    && members.iter().any(|member| incident.first.since(member.first).abs() <= CO_MOVEMENT)
            });
            match joins {
                Some((_, members)) => members.push(incident),
                None => {
                    groups.insert((prefix, incident.first.0), vec![incident]);
                }
            }
        }
        let moves = groups.into_values().map(|members| self.notice(&members));
        moves.chain(self.notes.iter().cloned()).chain(self.quality.notices()).collect()
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
        let is_theft =
            members.iter().filter_map(|incident| incident.sign_in()).any(|case| case.stolen_with > 0);
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

/// Machine-readable reasons, in the style of Identity Protection's `riskReasons`.
fn reasons(incident: &Incident) -> Vec<String> {
    let mut reasons: Vec<&str> = match &incident.case {
        Case::SignIn(case) => sign_in_reasons(case, incident.source.as_ref()),
        Case::Assessed(assessment) => assessment.reasons.iter().copied().collect(),
    };
    let named = [
        (incident.supported, "SupportedByOtherDetection"),
        (incident.tier_0, "TierZero"),
        (incident.learning == LearningState::Cold, "LearningCold"),
        (incident.late, "LateEvent"),
        (incident.over_budget, "OverBudget"),
    ];
    reasons.extend(named.iter().filter(|(holds, _)| *holds).map(|(_, name)| *name));
    reasons.into_iter().map(str::to_owned).collect()
}

fn sign_in_reasons(case: &SignInCase, source: Option<&Source>) -> Vec<&'static str> {
    let mut reasons = Vec::new();
    if let Some(class) = case.source_class {
        reasons.push("UnfamiliarIP");
        if class >= 2 {
            reasons.push("UnfamiliarASN");
        }
        let is_new_country = source
            .and_then(|source| source.country)
            .is_some_and(|country| !case.habits.countries.contains(&country_value(Some(country))));
        if matches!(class, 1 | 2 | 4 | 5) && is_new_country {
            reasons.push("UnfamiliarCountry");
        }
        if class >= 4 && source.is_some_and(|source| source.hosting == HostingClass::Hosting) {
            reasons.push("UnfamiliarHosting");
        }
    }
    let novel = |dimension: Dimension| case.strongest.novel[dimension.index()].is_some();
    let named = [
        (novel(Dimension::Agent), "UnfamiliarUserAgent"),
        (novel(Dimension::Resource), "UnfamiliarResource"),
        (novel(Dimension::Credential), "UnfamiliarCredential"),
        (case.strongest.novel[Dimension::Credential.index()] == Some(2), "UnfamiliarCredentialType"),
        (novel(Dimension::Time), "OffSchedule"),
        (case.strongest.dormant_days.is_some(), "DormantAwakening"),
        (case.failures_before >= FAILURES_BEFORE_MIN, "FailuresBefore"),
        (case.by_hand, "HumanUseOfWorkload"),
        (case.own_network, "OwnNetwork"),
        (case.movement == Movement::Parallel, "CredentialUsedInParallel"),
        (matches!(case.movement, Movement::Moved { .. }), "Moved"),
        (case.moved_with > 0, "MovedTogether"),
        (case.stolen_with > 0, "ManyPrincipalsFromOneSource"),
        (case.rare_actor, "CredentialAddedByRareActor"),
        (!case.indicators.is_empty(), "ThreatIntelligence"),
        (case.retro_match, "RetroMatch"),
    ];
    reasons.extend(named.iter().filter(|(holds, _)| *holds).map(|(_, name)| *name));
    reasons
}
