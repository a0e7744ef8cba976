//! Calls of directory APIs: what they say of the identity that makes them.

mod delegated;
mod tokens;
mod words;

use std::collections::HashMap;

use countersign_model::event::{ApiActivity, CredentialKind, SignInKind};
use countersign_model::finding::LearningState;
use countersign_model::id::Id;
use countersign_model::risk::{RiskEventType, RiskLevel};
use countersign_model::source::Enrichment;
use foldhash::fast::FixedState;

pub(super) use delegated::UserDay;

use words::tell;

use super::assessed::Opening;
use super::{Occurrence, Tenant};
use crate::api_profile::{ApiProfile, directory};
use crate::assessment::Assessment;
use crate::budget::Policy;
use crate::calibration::Family;
use crate::constants::{ELSEWHERE_RATE, ERROR_SHARE, FIRST_CLASSES, SLOW_HOURS};
use crate::explanation::number;
use crate::hurdle::Hurdle;
use crate::order::hash32;
use crate::request::Request;
use crate::suspicious_api_traffic::{self as traffic, Traffic};
use crate::tail::{Tail, calibrate};

/// What the tenant as a whole does with directory APIs.
#[derive(Debug, Default)]
pub(super) struct Pooled {
    /// Volume scores by archetype.
    tails: HashMap<u32, Tail, FixedState>,
    all: Tail,
    templates: Hurdle,
    classes: Hurdle,
    /// Classes of the directory that people read through applications.
    user_classes: Hurdle,
    /// Tokens whose places of issue and use are known, and those where they differ.
    tokens: f64,
    tokens_elsewhere: f64,
    day: i64,
}

/// Strength of what is assumed of tokens before the tenant's own are followed, in tokens.
const POOLED_TOKENS: f64 = 100.0;
/// Hours from which on an archetype has a tail of its own.
const OWN_TAIL_HOURS: f64 = 1_000.0;

impl Pooled {
    fn tail(&self, archetype: u32) -> &Tail {
        self.tails.get(&archetype).filter(|tail| tail.hours() >= OWN_TAIL_HOURS).unwrap_or(&self.all)
    }

    /// How often tokens of the tenant are used in another network than they were issued to.
    fn elsewhere_rate(&self) -> f64 {
        (self.tokens_elsewhere + POOLED_TOKENS * ELSEWHERE_RATE) / (self.tokens + POOLED_TOKENS)
    }

    fn advance(&mut self, day: i64) {
        let passed = day - self.day;
        if passed <= 0 {
            return;
        }
        if self.day != 0 {
            self.all.forget(passed as f64 * 24.0);
            self.tails.values_mut().for_each(|tail| tail.forget(passed as f64 * 24.0));
        }
        self.day = day;
    }
}

impl Tenant {
    /// A call of Microsoft Graph or of the legacy API.
    pub(crate) fn call(
        &mut self,
        policy: Policy,
        call: &ApiActivity<'_>,
        enrichment: &Enrichment<'_, '_>,
        late: bool,
    ) {
        self.advance(policy, call.time);
        self.quality.note(call.api.log(), call.time);
        if call.service_principal.is_none() {
            self.delegated_call(policy, call, enrichment, late);
            return;
        }
        let at = self.enrol(&call.service_principal, &call.app, call.time);
        self.touch(at, call.time);
        self.met(policy, at, &call.id.0, call.time);
        if !call.roles.is_empty() {
            self.roles_in_token(policy, at, call, enrichment, late);
            if call.status < 400 && !self.principals[at].steps.is_empty() {
                let opening = Opening::of_call(
                    call,
                    enrichment,
                    RiskEventType::SuspiciousApiTraffic,
                    b"authority",
                    late,
                );
                self.uses_authority(policy, at, &call.roles, &opening);
            }
        }
        self.stand_in(policy, at, call, enrichment, late);
        self.token_used(policy, at, call, enrichment, late);
        self.traffic(policy, at, call, enrichment, late);
    }

    /// Sign-ins of managed identities have no address: the first call with each token stands in for it.
    fn stand_in(
        &mut self,
        policy: Policy,
        at: usize,
        call: &ApiActivity<'_>,
        enrichment: &Enrichment<'_, '_>,
        late: bool,
    ) {
        let baseline = &mut self.principals[at].baseline;
        let token = hash32(call.token.as_bytes());
        let stands_in = baseline.is_managed_identity && !baseline.has_address;
        if !stands_in || call.token.is_empty() || baseline.token == token {
            return;
        }
        baseline.token = token;
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
                credential_kind: CredentialKind::ManagedIdentity,
                federated_credential: &Id::NONE,
                enrichment,
                ip: call.address.ip,
                token: "",
                proven: true,
                late,
            },
        );
    }

    /// Volume, breadth and failures of an application's own calls.
    fn traffic(
        &mut self,
        policy: Policy,
        at: usize,
        call: &ApiActivity<'_>,
        enrichment: &Enrichment<'_, '_>,
        late: bool,
    ) {
        let request = Request::of(call);
        let principal = &mut *self.principals[at];
        let archetype = principal.baseline.archetype;
        let profile = principal.api.get_or_insert_with(|| Box::new(ApiProfile::new(call.time)));
        let is_cold = profile.is_cold();
        let (hour, day) = profile.advance(call.time);
        if let Some(hour) = hour {
            self.pooled.all.note(hour.score);
            self.pooled.tails.entry(archetype).or_default().note(hour.score);
        }
        if let (Some(day), false) = (day, is_cold) {
            self.pooled.templates.note(day.new_templates);
            self.pooled.classes.note(day.new_directory_classes);
        }
        self.pooled.advance(call.time.day());
        let is_error = call.status >= 400;
        let noted = profile
            .note(&request, is_error, call.response_bytes, || (Request::text(call), call.id.to_string()));
        if noted.judge {
            self.judge_traffic(policy, at, call, enrichment, late);
        } else if let Some(incident) = self.principals[at].api_incident
            && let incident = &mut self.incidents[incident as usize]
            && incident.last.hour() == call.time.hour()
        {
            incident.append(call.time, call.id.to_string(), "", call.address.ip);
        }
        if hour.is_some() && self.principals[at].api.as_ref().is_some_and(|api| api.slow_hours == SLOW_HOURS)
        {
            self.judge_slow(policy, at, call, enrichment, late);
        }
    }

    fn judge_traffic(
        &mut self,
        policy: Policy,
        at: usize,
        call: &ApiActivity<'_>,
        enrichment: &Enrichment<'_, '_>,
        late: bool,
    ) {
        let principal = &*self.principals[at];
        let Some(profile) = &principal.api else { return };
        let now = &profile.now;
        let is_cold = profile.is_cold();
        let (template_rate, class_rate) = if is_cold {
            (FIRST_CLASSES.into(), FIRST_CLASSES.into())
        } else {
            profile.rates((&self.pooled.templates, &self.pooled.classes))
        };
        let judged = Traffic {
            calls: now.calls,
            errors: now.errors,
            sensitive: now.sensitive,
            objects: now.objects.count(),
            mean: profile.mean(now.hour),
            shape: profile.shape(),
            tail: self.pooled.tail(principal.baseline.archetype),
            days_as_busy: profile.days_as_busy(now.calls),
            hours_a_day: profile.hours_a_day(),
            usual_objects: profile.usual_objects(),
            error_share: profile.error_share(ERROR_SHARE),
            new_templates: now.new_templates,
            new_classes: directory(if is_cold { now.classes } else { now.new_classes }),
            template_rate,
            class_rate,
            is_cold,
        };
        let score = traffic::score(&judged);
        let carried = profile.carried_ln();
        let mut assessment = Assessment::new(call.time.day());
        assessment.most = traffic::most(&judged, &score);
        assessment.add("volume", score.volume);
        assessment.add("breadth", score.breadth);
        assessment.add("errors", score.errors);
        assessment.add("daysBefore", carried);
        let ln = score.ln() + carried;
        let [low, ..] = policy.budget.thresholds();
        let is_worth_telling = ln >= low || principal.api_incident.is_some();
        if is_worth_telling {
            tell(&mut assessment, profile, &judged, &score, call);
        }
        self.note_day(at, Family::ApiTraffic, ln);
        if let Some(profile) = &mut self.principals[at].api {
            let day = score.ln() as f32;
            profile.now.day_ln = Some(profile.now.day_ln.map_or(day, |strongest| strongest.max(day)));
        }
        if !is_worth_telling {
            return;
        }
        assessment.facts.extend(self.call_source_fact(at, call, enrichment));
        let opening =
            Opening::of_call(call, enrichment, RiskEventType::SuspiciousApiTraffic, b"traffic", late);
        let learning = if is_cold { LearningState::Cold } else { self.learning(at, call.time) };
        let incident = self.assessed_as(policy, at, &opening, assessment, learning);
        let Some(incident) = incident else { return };
        let shown = self.principals[at].api.as_ref().and_then(|api| api.now.shown.as_ref());
        if let Some(shown) = shown {
            self.incidents[incident].take_ids(&shown.events);
        }
        self.principals[at].api_incident = Some(incident as u32);
        let is_held = self.incidents[incident].level >= RiskLevel::Medium;
        if let Some(profile) = &mut self.principals[at].api {
            profile.now.held |= is_held;
        }
    }

    /// The slow channel: a little more than usual, for two days and longer.
    fn judge_slow(
        &mut self,
        policy: Policy,
        at: usize,
        call: &ApiActivity<'_>,
        enrichment: &Enrichment<'_, '_>,
        late: bool,
    ) {
        let Some(profile) = &self.principals[at].api else { return };
        let errors = profile.slow_errors();
        let mut assessment = Assessment::new(call.time.day());
        assessment.most = RiskLevel::Low;
        // Six standard errors are 1e-9 on paper; hours are not independent, and growth is not an attack.
        assessment.add("slowVolume", calibrate(SLOW_P).ln());
        assessment.reasons.insert("SlowIncrease");
        "called Microsoft Graph a little more than usual, for days".clone_into(&mut assessment.action);
        assessment.facts.push(format!(
            "For {} hours its volume has been above its season by {} standard errors of the moving average.",
            SLOW_HOURS,
            number(errors)
        ));
        "the application has more to do than before: more users, more files"
            .clone_into(&mut assessment.harmless_if);
        assessment.check_first =
            format!("compare what application {} reads with what it did two weeks ago", call.app);
        let opening = Opening::of_call(call, enrichment, RiskEventType::SuspiciousApiTraffic, b"slow", late);
        self.assessed(policy, at, &opening, assessment);
    }
}

/// Chance that stands for the slow channel: listed at the default budget.
const SLOW_P: f64 = 2e-4;
