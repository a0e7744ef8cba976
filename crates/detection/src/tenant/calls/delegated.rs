//! Calls of people through applications: breadth only, for people's volume is their own.

use countersign_model::event::ApiActivity;
use countersign_model::risk::{RiskEventType, RiskLevel};
use countersign_model::source::Enrichment;

use super::words::class_names;
use crate::api_profile::directory;
use crate::assessment::Assessment;
use crate::budget::Policy;
use crate::constants::USER_CLASSES;
use crate::explanation::{count, list, share};
use crate::order::hash64;
use crate::request::{Request, is_recon};
use crate::tail::calibrate;
use crate::tenant::Tenant;
use crate::tenant::assessed::Opening;

/// What one person read through one application on one day.
#[derive(Debug, Default)]
pub(in crate::tenant) struct UserDay {
    classes: u64,
    calls: u32,
    errors: u32,
    recon: Vec<String>,
    events: Vec<String>,
}

/// Most templates and events shown of a person's day.
const USER_SHOWN_MAX: usize = 50;

/// Directory classes from which on a person's day is looked at.
const USER_CLASSES_MIN: u32 = 2;

impl Tenant {
    /// A person's call through an application: breadth only, for people's volume is their own.
    pub(super) fn delegated_call(
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
    pub(in crate::tenant) fn end_user_days(&mut self) {
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
}
