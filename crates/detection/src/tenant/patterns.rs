//! Known attack patterns that users bring along: reported under threat intelligence, weighed by how often they are met
//! in this tenant, for a rule that fires every day says little about any of them.

use countersign_model::event::{Actor, Event};
use countersign_model::id::{Id, ServicePrincipalId};
use countersign_model::risk::{RiskEventType, RiskLevel};
use countersign_model::source::{Enrichment, PatternMatch, Severity};

use super::Tenant;
use super::assessed::Opening;
use crate::assessment::Assessment;
use crate::budget::Policy;
use crate::constants::{PATTERN_ATTACK, PATTERN_DAYS};
use crate::directory::change::Change;
use crate::explanation::number;
use crate::order::hash64;

impl Tenant {
    /// Takes in the patterns that an event completed.
    pub(crate) fn matched(
        &mut self,
        policy: Policy,
        event: &Event<'_>,
        enrichment: &Enrichment<'_, '_>,
        late: bool,
    ) {
        if enrichment.patterns.is_empty() {
            return;
        }
        let identities = self.identities_of(event);
        for pattern in &enrichment.patterns {
            let met = self.patterns.entry(pattern.title.clone()).or_insert((0, i64::MIN));
            let day = event.time().day();
            let before = met.0;
            if day > met.1 {
                *met = (met.0 + 1, day);
            }
            for at in &identities {
                self.pattern(policy, *at, event, enrichment, pattern, before, late);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one match on one identity")]
    fn pattern(
        &mut self,
        policy: Policy,
        at: usize,
        event: &Event<'_>,
        enrichment: &Enrichment<'_, '_>,
        pattern: &PatternMatch,
        days_before: u64,
        late: bool,
    ) {
        let most = match pattern.severity {
            Severity::Informational => return,
            Severity::Low | Severity::Medium => RiskLevel::Low,
            Severity::High => RiskLevel::Medium,
            Severity::Critical => RiskLevel::High,
        };
        let days = self.identity_days() as f64;
        let rate = (days_before as f64 + 0.5) / (days + PATTERN_DAYS);
        let [low, ..] = policy.budget.thresholds();
        let mut assessment = Assessment::new(event.time().day());
        // Whoever brings a rule wants to see what it finds: it is listed at least.
        assessment.add("pattern", (PATTERN_ATTACK / rate).ln().max(low));
        assessment.most = most;
        assessment.reasons.insert("KnownPattern");
        assessment.action = format!("matches the known pattern `{}`", pattern.title);
        let author =
            if pattern.author.is_empty() { String::new() } else { format!(" by {}", pattern.author) };
        let tags =
            if pattern.tags.is_empty() { String::new() } else { format!(" ({})", pattern.tags.join(", ")) };
        assessment.facts.push(format!(
            "Rule `{}`{author}{}{tags}; its severity is {}.",
            pattern.title,
            if pattern.id.is_empty() { String::new() } else { format!(", {}", pattern.id) },
            format!("{:?}", pattern.severity).to_lowercase(),
        ));
        assessment.facts.push(format!(
            "It was met on {} before in this tenant, over {} identity-days.",
            crate::explanation::count(days_before, "day"),
            number(days)
        ));
        "the rule is written more widely than the attack it is meant for"
            .clone_into(&mut assessment.harmless_if);
        assessment.check_first = format!("read what happened at {} in the logs", event.time().minute());
        let reason = [b"pattern".as_slice(), pattern.title.as_bytes()].concat();
        let opening = Opening {
            event_type: RiskEventType::InvestigationsThreatIntelligence,
            reason: hash64(&reason),
            time: event.time(),
            event: &event.id().0,
            ip: event.address().ip,
            source: enrichment.source.as_ref().map(Into::into),
            key: String::new(),
            cause: Some(hash64(pattern.title.as_bytes())),
            late,
        };
        self.assessed(policy, at, &opening, assessment);
    }

    /// The identities that an event concerns: who acted, or of a person's change what was changed.
    fn identities_of(&mut self, event: &Event<'_>) -> Vec<usize> {
        match event {
            Event::SignIn(sign_in) if sign_in.service_principal.is_none() => Vec::new(),
            Event::SignIn(sign_in) => {
                vec![self.enrol(&sign_in.service_principal, &sign_in.app, sign_in.time)]
            }
            Event::ApiActivity(call) if !call.service_principal.is_none() => {
                vec![self.enrol(&call.service_principal, &call.app, call.time)]
            }
            Event::ApiActivity(call) if call.app.is_none() => Vec::new(),
            Event::ApiActivity(call) => vec![self.enrol_application(&call.app, call.time)],
            Event::DirectoryAudit(audit) => {
                let subjects = Change::of(audit).subjects;
                if let (Actor::App { service_principal, app, .. }, true) =
                    (&audit.initiated_by, subjects.is_empty())
                    && !service_principal.is_none()
                {
                    return vec![self.enrol(service_principal, app, audit.time)];
                }
                let of = |id: &Id<'static>| ServicePrincipalId(id.clone());
                subjects
                    .iter()
                    .filter(|subject| !subject.id.is_none())
                    .map(|subject| {
                        if subject.is_application && !subject.app.is_none() {
                            self.enrol_application(&subject.app, audit.time)
                        } else {
                            self.enrol(&of(&subject.id), &subject.app, audit.time)
                        }
                    })
                    .collect()
            }
        }
    }
}
