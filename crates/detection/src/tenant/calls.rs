//! Calls of directory APIs: what they say of the identity that makes them.

use std::collections::HashMap;

use countersign_model::event::{ApiActivity, CredentialKind, SignInKind};
use countersign_model::finding::LearningState;
use countersign_model::id::Id;
use countersign_model::risk::{RiskEventType, RiskLevel};
use countersign_model::source::Enrichment;
use countersign_model::time::Timestamp;
use foldhash::fast::FixedState;

use super::assessed::Opening;
use super::{Occurrence, Tenant};
use crate::api_profile::{ApiProfile, SHOWN_MAX, directory};
use crate::assessment::Assessment;
use crate::baseline::Table;
use crate::budget::Policy;
use crate::calibration::Family;
use crate::constants::{
    ASSUMPTIONS, Dimension, ELSEWHERE_TOKENS_MIN, ERROR_SHARE, FIRST_CLASSES, SLOW_HOURS, USER_CLASSES,
};
use crate::directory::permissions::{self, Tier};
use crate::explanation::{count, list, number, share};
use crate::hurdle::Hurdle;
use crate::issued::Issue;
use crate::order::{hash32, hash64};
use crate::request::{Class, Request, is_recon};
use crate::suspicious_api_traffic::{self as traffic, Score, Traffic};
use crate::suspicious_signins::{country_value, source_class, source_value};
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
    day: i64,
}

/// Hours from which on an archetype has a tail of its own.
const OWN_TAIL_HOURS: f64 = 1_000.0;

impl Pooled {
    fn tail(&self, archetype: u32) -> &Tail {
        self.tails.get(&archetype).filter(|tail| tail.hours() >= OWN_TAIL_HOURS).unwrap_or(&self.all)
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

/// What one person read through one application on one day.
#[derive(Debug, Default)]
pub(super) struct UserDay {
    classes: u64,
    calls: u32,
    errors: u32,
    recon: Vec<String>,
    events: Vec<String>,
}

/// Most templates and events shown of a person's day.
const USER_SHOWN_MAX: usize = 50;

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
                proven: true,
                late,
            },
        );
    }

    /// What the token carries: authority over the tenant, or roles that were taken away (F17).
    fn roles_in_token(
        &mut self,
        policy: Policy,
        at: usize,
        call: &ApiActivity<'_>,
        enrichment: &Enrichment<'_, '_>,
        late: bool,
    ) {
        if !self.principals[at].baseline.is_tier_0
            && call.roles.split(' ').any(|role| permissions::tier(role) == Tier::Zero)
        {
            self.principals[at].baseline.is_tier_0 = true;
        }
        if self.principals[at].revoked.is_empty() {
            return;
        }
        let held = |role: &str| call.roles.split(' ').any(|held| held == role);
        let Some((role, since)) = self.principals[at]
            .revoked
            .iter()
            .find(|(role, since)| held(role) && call.time > **since)
            .map(|(role, since)| (role.clone(), *since))
        else {
            return;
        };
        let mut assessment = Assessment::new(call.time.day());
        // Caches hold tokens for hours without any attack, so this is listed, and supports what else is found.
        assessment.most = RiskLevel::Low;
        assessment.add("revokedRole", REVOKED_LN);
        assessment.reasons.insert("TokenRoleMismatch");
        assessment.action = format!("called with the permission {role}, which had been taken away");
        assessment.facts.push(format!(
            "{role} was removed on {}; a token that still carries it was used on {}.",
            since.minute(),
            call.time.minute()
        ));
        assessment.harmless_if = "the token was cached and nothing was done with that permission".to_owned();
        assessment.check_first = format!(
            "look at the calls of application {} since {}; disable the service principal to end its tokens",
            call.app,
            since.minute()
        );
        let opening =
            Opening::of_call(call, enrichment, RiskEventType::SuspiciousApiTraffic, b"revoked", late);
        self.assessed(policy, at, &opening, assessment);
    }

    /// F1: compares where a token is used with where it was issued, or used first.
    fn token_used(
        &mut self,
        policy: Policy,
        at: usize,
        call: &ApiActivity<'_>,
        enrichment: &Enrichment<'_, '_>,
        late: bool,
    ) {
        let Some(facts) = enrichment.source.as_ref().filter(|facts| facts.asn != 0) else { return };
        if call.token.is_empty() {
            return;
        }
        let token = hash64(call.token.as_bytes());
        let Some(issue) = self.issued.of(token) else {
            let issue = Issue {
                principal: at as u32,
                network: facts.organisation,
                used_at_home: true,
                counted: false,
            };
            self.issued.note(token, issue, call.time);
            return;
        };
        if issue.principal as usize != at {
            return;
        }
        let is_elsewhere = issue.network != facts.organisation;
        issue.used_at_home |= !is_elsewhere;
        let (home, used_at_home, counted) = (issue.network, issue.used_at_home, issue.counted);
        issue.counted |= is_elsewhere;
        let principal = &mut self.principals[at];
        let profile = principal.api.get_or_insert_with(|| Box::new(ApiProfile::new(call.time)));
        let (tokens, elsewhere) = (profile.tokens, profile.tokens_elsewhere);
        if !is_elsewhere || !counted {
            profile.tokens += if is_elsewhere || profile.now.calls == 0 { 1.0 } else { 0.1 };
            profile.tokens_elsewhere += f32::from(u8::from(is_elsewhere));
        }
        // A network that the identity itself signs in from is one of its own instances; and before some tokens were
        // followed, no way of using them is unusual.
        if !is_elsewhere
            || tokens < ELSEWHERE_TOKENS_MIN
            || principal.baseline.knows(Table::Networks, facts.organisation)
        {
            return;
        }
        let class = source_class(&principal.baseline, &self.peers, Some(facts));
        let assumptions = &ASSUMPTIONS[Dimension::Source.index()];
        let class_ln = (assumptions.attacker_class[class] / assumptions.benign_class[class]).ln();
        let mut assessment = Assessment::new(call.time.day());
        let rate = traffic::replay(&mut assessment, tokens, elsewhere, class_ln);
        // The genuine holder uses it, too: two hold one token.
        assessment.corroborated = used_at_home;
        if used_at_home {
            assessment.reasons.insert("CredentialUsedInParallel");
        }
        let home = self.network_names.get(&home).cloned().unwrap_or_else(|| format!("AS{home}"));
        let here = format!("AS{} {}", facts.asn, facts.as_name);
        "used a token in another network than it was issued to".clone_into(&mut assessment.action);
        assessment.facts.push(format!(
            "A token issued in {home} was used from {} in {}{}. Tokens of this identity are used in another network in {} of cases.",
            facts.ip,
            here.trim_end(),
            facts.country.map_or_else(String::new, |country| format!(" ({country})")),
            share(rate),
        ));
        if used_at_home {
            assessment
                .facts
                .push("The same token is used in its own network, too: two holders of one token.".to_owned());
        }
        "calls and sign-ins of this application leave by different ways, a proxy for one of them"
            .clone_into(&mut assessment.harmless_if);
        assessment.check_first = format!(
            "ask the owner of application {} whether {} is theirs; revoke its tokens by disabling the service principal",
            call.app, facts.ip
        );
        let opening =
            Opening::of_call(call, enrichment, RiskEventType::SuspiciousApiTraffic, b"replay", late);
        self.assessed(policy, at, &opening, assessment);
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

    /// A person's call through an application: breadth only, for people's volume is their own.
    fn delegated_call(
        &mut self,
        policy: Policy,
        call: &ApiActivity<'_>,
        enrichment: &Enrichment<'_, '_>,
        late: bool,
    ) {
        let request = Request::of(call);
        let Some(class) = request.class.filter(|class| class.is_directory()) else { return };
        if call.app.is_none() {
            return;
        }
        let key = hash64(call.app.0.as_bytes()) ^ hash64(call.user.as_bytes()).rotate_left(32);
        let day = self.user_days.entry(key).or_default();
        day.calls += 1;
        day.errors += u32::from(call.status >= 400);
        let is_new = day.classes >> class.index() & 1 == 0;
        day.classes |= 1 << class.index();
        if !is_new || directory(day.classes) < USER_CLASSES_MIN {
            if day.events.len() < USER_SHOWN_MAX && directory(day.classes) > 1 {
                day.events.push(call.id.to_string());
            }
            return;
        }
        day.events.push(call.id.to_string());
        let text = Request::text(call);
        if is_recon(&text) {
            day.recon.push(text);
        }
        let classes = day.classes;
        let rate = self.pooled.user_classes.rate(USER_CLASSES.into());
        let chance = rate.at_least(directory(classes));
        let ln = calibrate(chance).ln();
        let [low, ..] = policy.budget.thresholds();
        if ln < low {
            return;
        }
        let Some(day) = self.user_days.get(&key) else { return };
        let mut assessment = Assessment::new(call.time.day());
        assessment.most = RiskLevel::Medium;
        assessment.add("breadth", ln);
        assessment.reasons.extend(["DirectoryEnumeration", "DelegatedToken"]);
        "was used by one person to walk through the directory".clone_into(&mut assessment.action);
        assessment.facts.push(format!(
            "User {} read {} of 14 classes of the directory through it on {}: {}. Chance of so many on a person's day in this tenant: {}.",
            call.user,
            directory(classes),
            call.time.date(),
            class_names(classes),
            share(chance),
        ));
        if !day.recon.is_empty() {
            assessment.facts.push(format!(
                "{} that enumeration tools send: {}.",
                count(day.recon.len() as u64, "request"),
                list(&day.recon, 6)
            ));
        }
        "an administrator takes stock, or a tool of the security team runs in that person's name"
            .clone_into(&mut assessment.harmless_if);
        assessment.check_first = format!("ask user {} what ran at {}", call.user, call.time.minute());
        let events = day.events.clone();
        let at = self.enrol_application(&call.app, call.time);
        self.touch(at, call.time);
        let reason = [b"delegated".as_slice(), call.user.as_bytes()].concat();
        let opening = Opening::of_call(call, enrichment, RiskEventType::SuspiciousApiTraffic, &reason, late);
        if let Some(incident) = self.assessed(policy, at, &opening, assessment) {
            self.incidents[incident].take_ids(&events);
        }
    }

    /// Ends the day of the people.
    pub(super) fn end_user_days(&mut self) {
        let mut days: Vec<u64> =
            std::mem::take(&mut self.user_days).into_values().map(|day| day.classes).collect();
        // Sums of fractions depend on their order, and a map's order is its own.
        days.sort_unstable();
        for classes in days {
            let many = directory(classes);
            self.pooled.user_classes.note(if many >= USER_CLASSES_MIN { many } else { 0 });
        }
        self.pooled
            .user_classes
            .scale((-std::f64::consts::LN_2 / crate::constants::HALF_LIFE_DAYS).exp() as f32);
    }

    /// Notes where a token was issued.
    pub(super) fn token_issued(
        &mut self,
        at: usize,
        token: &str,
        enrichment: &Enrichment<'_, '_>,
        time: Timestamp,
    ) {
        let Some(facts) = enrichment.source.as_ref().filter(|facts| facts.asn != 0) else { return };
        if !token.is_empty() {
            let issue = Issue {
                principal: at as u32,
                network: facts.organisation,
                used_at_home: false,
                counted: false,
            };
            self.issued.note(hash64(token.as_bytes()), issue, time);
        }
    }

    /// True when the source of a call is in the baseline of sign-ins.
    fn is_usual_source(&self, at: usize, call: &ApiActivity<'_>) -> Option<bool> {
        let baseline = &self.principals[at].baseline;
        (!baseline.is_empty(Table::Sources))
            .then(|| call.address.ip.is_some_and(|ip| baseline.knows(Table::Sources, source_value(ip))))
    }

    /// Says where the calls of an incident come from, compared with the sign-ins.
    pub(super) fn call_source_fact(
        &self,
        at: usize,
        call: &ApiActivity<'_>,
        enrichment: &Enrichment<'_, '_>,
    ) -> Option<String> {
        let facts = enrichment.source.as_ref()?;
        let place = format!("{} in AS{} {}", facts.ip, facts.asn, facts.as_name);
        let country = facts.country.map_or_else(String::new, |country| format!(" ({country})"));
        let baseline = &self.principals[at].baseline;
        Some(match self.is_usual_source(at, call) {
            Some(true) => {
                format!("The calls come from {}{country}, a usual source of its sign-ins.", place.trim_end())
            }
            Some(false) if baseline.knows(Table::Networks, facts.organisation) => {
                format!("The calls come from {}{country}, a usual network.", place.trim_end())
            }
            Some(false) if baseline.knows(Table::Countries, country_value(facts.country)) => {
                format!("The calls come from {}{country}, not one of its networks.", place.trim_end())
            }
            Some(false) => format!(
                "The calls come from {}{country}, neither one of its networks nor of its countries.",
                place.trim_end()
            ),
            None => format!("The calls come from {}{country}.", place.trim_end()),
        })
    }
}

/// Evidence of a token that carries a removed role: enough to be listed.
const REVOKED_LN: f64 = 4.8;
/// Chance that stands for the slow channel: listed at the default budget.
const SLOW_P: f64 = 2e-4;
/// Directory classes from which on a person's day is looked at.
const USER_CLASSES_MIN: u32 = 2;

/// The words of a judgement of traffic.
fn tell(
    assessment: &mut Assessment,
    profile: &ApiProfile,
    judged: &Traffic<'_>,
    score: &Score,
    call: &ApiActivity<'_>,
) {
    let now = &profile.now;
    let shown = now.shown.as_deref();
    let templates = shown.map_or(&[][..], |shown| &shown.templates);
    let recon = templates.iter().filter(|template| is_recon(template)).count();
    let classes = if judged.is_cold { now.classes } else { now.new_classes };
    let is_broad = score.breadth > score.volume;
    let action = match (is_broad, directory(classes)) {
        (true, 4..) => "walked through the directory in a way it never did",
        (true, _) => "sent requests to Microsoft Graph that it never sent",
        (false, _) => "called Microsoft Graph far more than at any such hour",
    };
    action.clone_into(&mut assessment.action);
    if is_broad && directory(classes) >= 4 {
        assessment.reasons.insert("DirectoryEnumeration");
    }
    if score.breadth > 0.0 {
        assessment.reasons.insert("UnfamiliarRequests");
    }
    if score.volume > 0.5 {
        assessment.reasons.insert("UnusualVolume");
    }
    if score.errors > 0.5 {
        assessment.reasons.insert("ManyErrors");
    }
    assessment.facts.push(format!(
        "{} UTC: {} in the hour, {} usual at this time; on {} of the last 31 days an hour was about as busy. Chance of such an hour on a day: {}.",
        call.time.minute(),
        count(u64::from(judged.calls), "call"),
        number(judged.mean),
        judged.days_as_busy,
        share(score.volume_p),
    ));
    if judged.new_templates > 0 && !judged.is_cold {
        let known =
            if recon > 1 { format!(" {recon} are what enumeration tools send.") } else { String::new() };
        assessment.facts.push(format!(
            "{} that it had not sent in {}: {}.{known} Chance of so many on a day: {}.",
            count(u64::from(judged.new_templates), "request"),
            count(u64::from(profile.active_days()), "active day"),
            list(templates, 6),
            share(judged.template_rate.at_least(judged.new_templates)),
        ));
    }
    if directory(classes) > 0 {
        let new = if judged.is_cold { "in its first days" } else { "new for it" };
        assessment.facts.push(format!(
            "Classes of the directory {new}: {} ({} of 14 asked for today). Chance: {}.",
            class_names(classes),
            directory(now.classes),
            share(judged.class_rate.at_least(judged.new_classes)),
        ));
    }
    assessment.facts.push(format!(
        "This hour: {} distinct objects (usual: {}), {} further pages, {} of calls failed (usual: {}), {} MB.",
        number(judged.objects.round()),
        number(judged.usual_objects.round()),
        now.pages,
        share(f64::from(judged.errors) / f64::from(judged.calls.max(1))),
        share(judged.error_share),
        number(now.bytes as f64 / 1e6),
    ));
    assessment.harmless_if = match is_broad {
        true => "a new version asks for more, or somebody takes stock with this identity on purpose",
        false => "a backfill, a restore or a month-end ran, which its owner will know",
    }
    .to_owned();
    assessment.check_first = format!(
        "ask the owner of application {} what ran at {}; look at the sign-ins of that time",
        call.app,
        call.time.minute()
    );
}

/// Names of the directory classes among these bits.
fn class_names(classes: u64) -> String {
    let names: Vec<&str> =
        Class::directory().filter(|class| classes >> class.index() & 1 == 1).map(Class::name).collect();
    list(&names, SHOWN_MAX)
}
