//! Incidents of detections that judge on the spot: opening them, joining to them, and what two on one identity say
//! together.

use std::collections::BTreeSet;
use std::net::IpAddr;

use countersign_model::event::ApiActivity;
use countersign_model::finding::LearningState;
use countersign_model::id::Id;
use countersign_model::risk::{RiskEventType, RiskLevel};
use countersign_model::source::Enrichment;
use countersign_model::time::Timestamp;

use super::Tenant;
use super::incidents::finding_id;
use crate::assessment::Assessment;
use crate::budget::Policy;
use crate::constants::{FAR_CLASS, JOIN_LN, SUPPORT};
use crate::incident::{Case, Incident, Source};
use crate::order::hash64;

/// What an incident is opened with.
pub(super) struct Opening<'o> {
    pub(super) event_type: RiskEventType,
    /// Occasions with the same reason are one incident.
    pub(super) reason: u64,
    pub(super) time: Timestamp,
    pub(super) event: &'o Id<'o>,
    pub(super) ip: Option<IpAddr>,
    pub(super) source: Option<Source>,
    pub(super) key: String,
    /// See [`Incident::cause`].
    pub(super) cause: Option<u64>,
    pub(super) late: bool,
}

impl<'o> Opening<'o> {
    pub(super) fn of_call(
        call: &'o ApiActivity<'_>,
        enrichment: &Enrichment<'_, '_>,
        event_type: RiskEventType,
        reason: &[u8],
        late: bool,
    ) -> Opening<'o> {
        Opening {
            event_type,
            reason: hash64(reason),
            time: call.time,
            event: &call.id.0,
            ip: call.address.ip,
            source: enrichment.source.as_ref().map(Into::into),
            key: String::new(),
            cause: None,
            late,
        }
    }
}

impl Tenant {
    /// Takes in an assessment: opens an incident when it is strong enough, or joins it to the one that is open.
    /// Answers which.
    pub(super) fn assessed(
        &mut self,
        policy: Policy,
        at: usize,
        opening: &Opening<'_>,
        assessment: Assessment,
    ) -> Option<usize> {
        let learning = self.learning(at, opening.time);
        self.assessed_as(policy, at, opening, assessment, learning)
    }

    /// As [`Tenant::assessed`], for a detection that knows by itself how much is learnt.
    pub(super) fn assessed_as(
        &mut self,
        policy: Policy,
        at: usize,
        opening: &Opening<'_>,
        assessment: Assessment,
        learning: LearningState,
    ) -> Option<usize> {
        let [low, ..] = policy.budget.thresholds();
        let open = self.open_incident(at, opening.event_type, opening.reason, opening.time);
        let number = match open {
            // What speaks for nothing by itself belongs to no incident.
            Some(_) if assessment.alone() < JOIN_LN => return None,
            Some(number) => {
                if let Case::Assessed(earlier) = &mut self.incidents[number].case {
                    earlier.join(assessment);
                }
                number
            }
            None if assessment.ln() >= low => self.open_assessed(at, opening, assessment, learning),
            None => return None,
        };
        let incident = &mut self.incidents[number];
        incident.updated = incident.updated.max(opening.time);
        incident.late |= opening.late;
        incident.append(opening.time, opening.event.to_string(), &opening.key, opening.ip);
        self.weigh(policy, number);
        self.support(policy, at);
        Some(number)
    }

    fn open_assessed(
        &mut self,
        at: usize,
        opening: &Opening<'_>,
        assessment: Assessment,
        learning: LearningState,
    ) -> usize {
        let principal = &mut *self.principals[at];
        let number = self.incidents.len();
        self.incidents.push(Incident {
            id: finding_id(&self.id, &principal.id, opening.event_type, opening.reason, opening.event),
            risk_event_type: opening.event_type,
            principal: at as u32,
            reason: opening.reason,
            first: opening.time,
            last: opening.time,
            detected: opening.time,
            updated: opening.time,
            source: opening.source.clone(),
            events: 0,
            event_ids: Vec::new(),
            key_ids: BTreeSet::new(),
            addresses: BTreeSet::new(),
            learning,
            tier_0: principal.baseline.is_tier_0,
            late: opening.late,
            case: Case::Assessed(Box::new(assessment)),
            supported: false,
            level: RiskLevel::None,
            cause: opening.cause,
            paid: false,
            over_budget: false,
        });
        principal.incidents.push(number as u32);
        number
    }

    /// Two detections of different kinds on one identity within days, each worth listing by itself, support each other:
    /// a place far from all others and requests never sent before have no harmless cause in common. A place near the
    /// others may have: a deployment.
    pub(super) fn support(&mut self, policy: Policy, at: usize) {
        if self.principals[at].incidents.len() < 2 {
            return;
        }
        let [low, ..] = policy.budget.thresholds();
        let speaks = |incident: &Incident| match (&incident.case, incident.risk_event_type) {
            // Its indicator supports the sign-in incident already.
            (_, RiskEventType::InvestigationsThreatIntelligence) => false,
            (Case::SignIn(case), _) => {
                case.source_class.is_some_and(|class| class >= FAR_CLASS) && !case.by_hand
            }
            (Case::Assessed(assessment), _) => assessment.most > RiskLevel::Low,
        };
        let strong: Vec<u32> = self.principals[at]
            .incidents
            .iter()
            .copied()
            .filter(|number| {
                let incident = &self.incidents[*number as usize];
                speaks(incident) && incident.ln() >= low
            })
            .collect();
        for number in &strong {
            let incident = &self.incidents[*number as usize];
            let is_supported = strong.iter().any(|other| {
                let other = &self.incidents[*other as usize];
                other.risk_event_type != incident.risk_event_type
                    && other.first.since(incident.last) <= SUPPORT
                    && incident.first.since(other.last) <= SUPPORT
            });
            if is_supported && !incident.supported {
                self.incidents[*number as usize].supported = true;
                self.weigh(policy, *number as usize);
            }
        }
    }
}
