//! The words of changes, from the numbers that decided.

use countersign_model::event::DirectoryAudit;
use countersign_model::finding::Evidence;

use super::Who;
use super::chains::Boost;
use crate::anomalous_service_principal_activity::{Booster, Parts};
use crate::assessment::Assessment;
use crate::directory::change::{Change, Trust};
use crate::directory::permissions::Tier;
use crate::explanation::{number, share};
use crate::tenant::Tenant;

impl Tenant {
    pub(super) fn actor_facts(
        &self,
        assessment: &mut Assessment,
        audit: &DirectoryAudit<'_>,
        parts: &Parts,
        at: usize,
    ) {
        let principal = &self.principals[at];
        if parts.operation > 0.0 {
            let since = audit.time.since(principal.first) / countersign_model::time::DAY;
            assessment.facts.push(format!(
                "Known for {since} days, it {}. An attacker would do it {} times as often.",
                if parts.operation > 3.0 {
                    "hardly ever did such a thing"
                } else {
                    "seldom does such a thing"
                },
                number(parts.operation.exp())
            ));
        }
        if parts.burst > 0.5 {
            assessment
                .facts
                .push("It changed more identities within ten minutes than it ever did.".to_owned());
        }
    }

    pub(super) fn target_facts(&self, assessment: &mut Assessment, parts: &Parts, who: &Who, at: usize) {
        let principal = &self.principals[at];
        match principal.changed_by.changes {
            0 | 1 => assessment
                .facts
                .push(format!("{} was not changed by anybody before in these logs.", principal.label())),
            changes if parts.actor > 0.0 => assessment.facts.push(format!(
                "Of {changes} changes of {} none was by {} before. Chance of somebody new: {}.",
                principal.label(),
                who.name,
                share(self.habits.new_actor_rate())
            )),
            _ => {}
        }
        if parts.place > 0.1 {
            assessment.facts.push(format!("{} acts from a network never used for changes before.", who.name));
        }
    }
}

pub(super) fn terms(parts: &Parts, for_actor: bool, by_person: bool) -> Vec<Evidence> {
    let named = parts.named(for_actor, by_person).into_iter().filter(|(_, ln)| ln.abs() > 1e-3);
    named.map(|(dimension, ln)| Evidence { dimension: dimension.to_owned(), ln }).collect()
}

pub(super) fn add(
    assessment: &mut Assessment,
    parts: &Parts,
    boosters: &[Boost],
    for_actor: bool,
    by_person: bool,
) {
    assessment.terms = terms(parts, for_actor, by_person);
    for Boost { booster, before, .. } in boosters {
        assessment.add(booster.name(), booster.ln());
        assessment.add("stepBefore", *before);
        assessment.reasons.insert(booster.reason());
        // Its sign-ins are in another log than the changes that bound its life.
        assessment.corroborated |= *booster == Booster::CreateUseDelete;
    }
    for (holds, reason) in [
        (parts.operation > 1.0, "UnfamiliarOperation"),
        (parts.authority > 0.0, "PrivilegedPermission"),
        (parts.is_trust, "FederatedTrustDrift"),
        (parts.actor > 0.5 && !for_actor, "UnfamiliarActor"),
        (parts.place > 0.5, "UnfamiliarPlaceOfActor"),
        (parts.burst > 0.5, "BurstOfChanges"),
    ] {
        if holds {
            assessment.reasons.insert(reason);
        }
    }
}

pub(super) fn what_fact(audit: &DirectoryAudit<'_>, change: &Change) -> String {
    let target = change.subjects.first().map_or_else(
        || audit.targets.first().map_or(String::new(), |target| target.name.to_string()),
        |subject| if subject.name.is_empty() { subject.id.to_string() } else { subject.name.clone() },
    );
    let given = change.authority.as_ref().map_or_else(String::new, |given| {
        let tier = match given.tier {
            Tier::Zero => ", whose holder can take over the tenant",
            Tier::Sensitive => ", which reaches what everybody owns",
            Tier::Directory => ", which reads the directory",
            Tier::Ordinary => "",
        };
        format!(": {}{tier}", given.words)
    });
    let key = change.added_keys.first().map_or_else(String::new, |key| format!(", credential {key}"));
    format!(
        "{} UTC: `{}`{given}{key}{} (audit record {}).",
        audit.time.minute(),
        audit.operation.trim(),
        if target.is_empty() { String::new() } else { format!(", on {target}") },
        audit.id
    )
}

pub(super) fn trust_fact(trust: &Trust) -> String {
    let how = match (trust.is_first, trust.is_widened) {
        (true, _) => "It is the first trust of this application.",
        (_, true) => "More callers than before will do.",
        _ => "It comes beside those there were.",
    };
    format!("Tokens of {} for {} sign it in from now on. {how}", trust.issuer, trust.subject)
}
