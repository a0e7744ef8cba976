//! The words of API traffic, from the numbers that decided.

use countersign_model::event::ApiActivity;
use countersign_model::source::Enrichment;

use crate::api_profile::{ApiProfile, SHOWN_MAX, directory};
use crate::assessment::Assessment;
use crate::baseline::Table;
use crate::explanation::{count, list, number, share};
use crate::request::{Class, is_recon};
use crate::suspicious_api_traffic::{Score, Traffic};
use crate::suspicious_signins::{country_value, source_value};
use crate::tenant::Tenant;

impl Tenant {
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

/// The words of a judgement of traffic.
pub(super) fn tell(
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
    let harmless = if is_broad {
        "a new version asks for more, or somebody takes stock with this identity on purpose"
    } else {
        "a backfill, a restore or a month-end ran, which its owner will know"
    };
    harmless.clone_into(&mut assessment.harmless_if);
    assessment.check_first = format!(
        "ask the owner of application {} what ran at {}; look at the sign-ins of that time",
        call.app,
        call.time.minute()
    );
}

/// Names of the directory classes among these bits.
pub(super) fn class_names(classes: u64) -> String {
    let names: Vec<&str> =
        Class::directory().filter(|class| classes >> class.index() & 1 == 1).map(Class::name).collect();
    list(&names, SHOWN_MAX)
}
