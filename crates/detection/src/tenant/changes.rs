//! Changes of the directory: what they announce, what they take away, and what they say of who made them and whom
//! they concern.

mod chains;
mod words;

use countersign_model::event::{Actor, DirectoryAudit};
use countersign_model::finding::Evidence;
use countersign_model::id::{Id, ServicePrincipalId};
use countersign_model::risk::RiskEventType;
use countersign_model::source::Enrichment;
use countersign_model::time::Timestamp;

use super::Tenant;
use super::assessed::Opening;
use crate::anomalous_service_principal_activity::{self as activity, Booster, Circumstances, Parts};
use crate::assessment::Assessment;
use crate::budget::Policy;
use crate::calibration::Family;
use crate::constants::{CHAIN, FRESH};
use crate::directory::change::{Change, Subject};
use crate::directory::operations::Operation;
use crate::directory::permissions::Tier;
use crate::directory_profile::{ActorKind, ActorProfile};
use crate::ledger::{ChangeKind, actor_name};
use crate::order::{hash32, hash64};
use chains::Boost;
use words::{add, terms, trust_fact, what_fact};

/// A recent change of one identity that later ones may complete to a chain.
#[derive(Clone, Debug)]
pub(super) struct Step {
    time: Timestamp,
    actor: u32,
    /// Logarithm of the evidence of that change, at least 0.
    ln: f64,
    kind: StepKind,
    event: String,
    words: String,
}

#[derive(Clone, Debug)]
enum StepKind {
    Created,
    Owner,
    Consent,
    /// Rights, the evidence of that change, and the permission as tokens carry it.
    Granted {
        tier: Tier,
        terms: Vec<Evidence>,
        role: String,
        is_used: bool,
    },
    Entry,
}

/// Steps kept for one identity.
const STEPS_MAX: usize = 16;

/// Who changes, for the statistics.
struct Who {
    key: u32,
    kind: ActorKind,
    name: String,
    /// Its place among the identities, when it is an application.
    at: Option<usize>,
}

/// One change and what it weighs: both sides are judged by it.
#[derive(Clone, Copy)]
struct Weighed<'w> {
    audit: &'w DirectoryAudit<'w>,
    enrichment: &'w Enrichment<'w, 'w>,
    change: &'w Change,
    parts: &'w Parts,
    boosters: &'w [Boost],
    late: bool,
}

impl Tenant {
    /// A change of the directory.
    pub(crate) fn audit(
        &mut self,
        policy: Policy,
        audit: &DirectoryAudit<'_>,
        enrichment: &Enrichment<'_, '_>,
        late: bool,
    ) {
        self.advance(policy, audit.time);
        let change = Change::of(audit);
        self.quality.note("AuditLogs", audit.time);
        self.quality.note_operation(&audit.operation, change.operation, audit.time);
        let concerned = self.concerned(&change, audit);
        self.announce(audit, &change, &concerned);
        if !audit.succeeded {
            self.refused(policy, audit, enrichment, &change, late);
            return;
        }
        let who = self.who(audit);
        let Some(who) = who else { return };
        self.applications_change(policy, audit, enrichment, &change, &concerned, late);
        if let Some(at) = who.at {
            self.touch(at, audit.time);
        }
        let parts = self.weigh_change(audit, enrichment, &change, &who, &concerned);
        let boosters = self.boosters(audit, &change, &who, &concerned);
        let weighed =
            Weighed { audit, enrichment, change: &change, parts: &parts, boosters: &boosters, late };
        if let Some(at) = who.at {
            self.judge_actor(policy, at, &weighed, &concerned);
        }
        for (at, subject) in &concerned {
            self.judge_target(policy, *at, &weighed, &who, subject);
            self.remember(*at, audit, &change, &parts, &who);
        }
    }

    /// Enters what the record announces, and what it takes away.
    fn announce(&mut self, audit: &DirectoryAudit<'_>, change: &Change, concerned: &[(usize, Subject)]) {
        for (subject, entry) in self.ledger.enter(audit) {
            match &entry.kind {
                ChangeKind::CredentialRemoved { key } => {
                    self.removed_keys.insert(key.to_string(), entry.time);
                }
                ChangeKind::Enabled(is_enabled) => {
                    if let Some(at) = self.index.get(&ServicePrincipalId(subject)).copied() {
                        self.principals[at as usize].is_enabled = *is_enabled;
                    }
                }
                _ => {}
            }
        }
        if !audit.succeeded {
            return;
        }
        for (at, _) in concerned {
            let principal = &mut *self.principals[*at];
            match (&change.revoked, &change.authority) {
                (Some(role), _) => {
                    principal.revoked.insert(role.clone(), audit.time);
                }
                (None, Some(authority)) => {
                    principal.revoked.remove(&authority.role);
                    principal.baseline.is_tier_0 |= authority.tier == Tier::Zero;
                }
                (None, None) => {}
            }
        }
    }

    /// The identities that a record concerns; made where they are not known and the change is one to look at.
    fn concerned(&mut self, change: &Change, audit: &DirectoryAudit<'_>) -> Vec<(usize, Subject)> {
        let mut concerned: Vec<(usize, Subject)> = Vec::new();
        for subject in &change.subjects {
            let known = self.known(subject);
            let is_worth_knowing = change.operation.row().privileged || change.gives_entry();
            let at = match known {
                Some(at) => at,
                None if !audit.succeeded || !is_worth_knowing => continue,
                None if subject.is_application && !subject.app.is_none() => {
                    self.enrol_application(&subject.app, audit.time)
                }
                // Of an application without an application id its object id stands in.
                None => self.enrol(&ServicePrincipalId(subject.id.clone()), &subject.app, audit.time),
            };
            let principal = &mut *self.principals[at];
            if subject.is_application {
                self.objects.insert(subject.id.clone(), at as u32);
            }
            if principal.name.is_empty()
                && !subject.name.is_empty()
                && Id::parse(&subject.name) != subject.app.0
            {
                self.name(at, &subject.name);
            }
            let principal = &mut *self.principals[at];
            if principal.app.is_none() && !subject.app.is_none() {
                principal.app = subject.app.clone();
                self.applications.entry(subject.app.clone()).or_insert(at as u32);
            }
            if !concerned.iter().any(|(known, _)| *known == at) {
                concerned.push((at, subject.clone()));
            }
        }
        concerned
    }

    fn known(&self, subject: &Subject) -> Option<usize> {
        let by_id = if subject.is_application {
            self.objects.get(&subject.id)
        } else {
            self.index.get(&ServicePrincipalId(subject.id.clone()))
        };
        let by_app = || self.applications.get(&subject.app).filter(|_| !subject.app.is_none());
        by_id.or_else(by_app).map(|at| *at as usize)
    }

    /// Who made the change; `None` where the record does not say.
    fn who(&mut self, audit: &DirectoryAudit<'_>) -> Option<Who> {
        let name = actor_name(&audit.initiated_by);
        match &audit.initiated_by {
            Actor::Unknown => None,
            Actor::User { id, user_principal_name } => {
                let key =
                    if id.is_none() { hash32(user_principal_name.as_bytes()) } else { hash32(id.as_bytes()) };
                Some(Who { key, kind: ActorKind::Person, name, at: None })
            }
            Actor::App { service_principal, app, name: display } => {
                if service_principal.is_none() {
                    let key = hash32(display.as_bytes());
                    return Some(Who { key, kind: ActorKind::Application, name, at: None });
                }
                let at = self.enrol(service_principal, app, audit.time);
                let principal = &mut self.principals[at];
                if principal.name.is_empty() && !display.is_empty() {
                    principal.name = display.to_string();
                }
                let key = hash32(service_principal.0.as_bytes());
                Some(Who { key, kind: ActorKind::Application, name, at: Some(at) })
            }
        }
    }

    /// Weighs a change, and learns from it.
    fn weigh_change(
        &mut self,
        audit: &DirectoryAudit<'_>,
        enrichment: &Enrichment<'_, '_>,
        change: &Change,
        who: &Who,
        concerned: &[(usize, Subject)],
    ) -> Parts {
        let habits = &mut self.habits;
        let actor = self.actors.entry(who.key).or_insert_with(|| Box::new(ActorProfile::new()));
        let is_looked_at = !concerned.is_empty() || who.at.is_some();
        let subject = concerned.first().map(|(at, _)| *at);
        let network = enrichment.source.as_ref().map_or(0, |facts| facts.organisation);
        let had_place = actor.is_known();
        // Of an actor without a place of its own the tenant's count.
        let is_new_place =
            network != 0 && actor.is_new_place(network).unwrap_or_else(|| habits.is_strange_place(network));
        let target = subject.map_or_else(
            || audit.targets.first().map_or(0, |target| hash64(target.id.as_bytes())),
            |at| hash64(self.principals[at].id.0.as_bytes()),
        );
        let is_privileged = change.operation.row().privileged || change.gives_entry();
        let burst =
            change.operation.row().privileged.then(|| actor.burst(target, audit.time, &mut habits.windows));
        let issuer = change.trust.as_ref().map(|trust| trust.issuer.clone());
        let of_kind = habits.probability(change.operation, who.kind);
        let circumstances = Circumstances {
            operation: change.operation,
            probability: actor.probability(
                change.operation,
                of_kind,
                habits.novelty_rate(who.kind),
                audit.time,
            ),
            authority: change.authority.as_ref().map(|given| (given.tier, habits.tier_share(given.tier))),
            trust: change.trust.as_ref(),
            is_known_issuer: issuer.as_ref().is_some_and(|issuer| habits.issuers.contains_key(issuer)),
            is_tier_0: subject.is_some_and(|at| self.principals[at].baseline.is_tier_0),
            knows_actor: subject.and_then(|at| self.principals[at].changed_by.knows(who.key)),
            new_actor_rate: habits.new_actor_rate(),
            newcomer_rate: habits.newcomer_rate().filter(|_| is_privileged && !actor.is_privileged),
            shape_share: habits.shape_share(change.operation, change.shape),
            new_place_rate: is_new_place.then(|| habits.new_place_rate()),
            burst,
        };
        let parts = if is_looked_at { activity::parts(&circumstances) } else { Parts::default() };
        // One action of several records, and a bulk of one operation, are one experience.
        let (has_past, is_new_operation) = (actor.is_known(), !actor.has_done(change.operation, audit.time));
        if is_privileged {
            habits.note_privileged(!actor.is_privileged);
            actor.is_privileged = true;
        }
        if actor.note(change.operation, audit.time) {
            if has_past {
                habits.note_novelty(who.kind, is_new_operation);
            }
            habits.note(change.operation, who.kind);
            habits.note_shape(change.operation, change.shape);
            if let Some(authority) = &change.authority {
                habits.note_tier(authority.tier);
            }
            if let Some(knows) = circumstances.knows_actor {
                habits.note_actor(!knows);
            }
            if had_place && network != 0 {
                habits.note_place(is_new_place);
            }
            if network != 0 {
                habits.note_network(network);
            }
        }
        if let Some(issuer) = issuer {
            *habits.issuers.entry(issuer).or_default() += 1;
        }
        for (at, _) in concerned {
            self.principals[*at].changed_by.note(who.key);
        }
        parts
    }

    /// The change as one that its actor makes.
    fn judge_actor(
        &mut self,
        policy: Policy,
        at: usize,
        weighed: &Weighed<'_>,
        concerned: &[(usize, Subject)],
    ) {
        let Weighed { audit, enrichment, change, parts, boosters, late } = *weighed;
        let structural: f64 = boosters.iter().map(Boost::ln).sum();
        let (own, target) = (parts.of_actor() + structural, parts.of_target(false) + structural);
        self.note_day(at, Family::Changes, own);
        // The weaker side is told of only where it is strong by itself.
        let [low, ..] = policy.budget.thresholds();
        if !concerned.is_empty() && own < target && own < low {
            return;
        }
        let mut assessment = Assessment::new(audit.time.day());
        add(&mut assessment, parts, boosters, true, false);
        let what = change.operation.row().name;
        assessment.action = format!("made a change of the directory that it does not make: {what}");
        assessment.facts.push(what_fact(audit, change));
        self.actor_facts(&mut assessment, audit, parts, at);
        assessment.facts.extend(boosters.iter().map(|boost| boost.words.clone()));
        "it was given this duty on purpose: a new step of a deployment"
            .clone_into(&mut assessment.harmless_if);
        let name = self.principals[at].label();
        assessment.check_first = format!(
            "ask the owner of {name} about {what} at {}; look at its sign-ins before that",
            audit.time.minute()
        );
        let opening = Opening::of_change(audit, enrichment, change, b"actor", late);
        self.assessed_with(policy, at, &opening, assessment, boosters);
    }

    /// The change as one that is made to an identity.
    fn judge_target(
        &mut self,
        policy: Policy,
        at: usize,
        weighed: &Weighed<'_>,
        who: &Who,
        subject: &Subject,
    ) {
        let Weighed { audit, enrichment, change, parts, boosters, late } = *weighed;
        // Whoever plants a way in will use it: what speaks against the actor counts with what was changed.
        let by_person = who.kind == ActorKind::Person || change.gives_entry();
        let structural: f64 = boosters.iter().map(Boost::ln).sum();
        let (own, actor) = (parts.of_target(by_person) + structural, parts.of_actor() + structural);
        self.note_day(at, Family::Changes, own);
        let [low, ..] = policy.budget.thresholds();
        if !by_person && who.at.is_some() && own <= actor && own < low {
            return;
        }
        let mut assessment = Assessment::new(audit.time.day());
        add(&mut assessment, parts, boosters, false, by_person);
        let what = change.operation.row().name;
        assessment.action = format!("was changed in an unusual way: {what}, by {}", who.name);
        assessment.facts.push(what_fact(audit, change));
        self.target_facts(&mut assessment, parts, who, at);
        if let Some(trust) = &change.trust {
            assessment.facts.push(trust_fact(trust));
        }
        assessment.facts.extend(boosters.iter().map(|boost| boost.words.clone()));
        assessment.harmless_if = format!("{} did this on purpose and says so", who.name);
        let name =
            if subject.name.is_empty() { self.principals[at].app.to_string() } else { subject.name.clone() };
        assessment.check_first = match change.added_keys.first() {
            Some(key) => format!(
                "ask {} about {name}; if nobody knows of it, remove credential {key} and look at the sign-ins with it",
                who.name
            ),
            None => {
                format!("ask {} about {name}; look at what it did after {}", who.name, audit.time.minute())
            }
        };
        let reason = [b"target".as_slice(), &who.key.to_le_bytes()].concat();
        let opening = Opening::of_change(audit, enrichment, change, &reason, late);
        self.assessed_with(policy, at, &opening, assessment, boosters);
    }

    /// As [`Tenant::assessed`], with the earlier records that a booster rests on.
    fn assessed_with(
        &mut self,
        policy: Policy,
        at: usize,
        opening: &Opening<'_>,
        assessment: Assessment,
        boosters: &[Boost],
    ) {
        if let Some(incident) = self.assessed(policy, at, opening, assessment) {
            let earlier: Vec<String> = boosters.iter().map(|boost| boost.event.clone()).collect();
            self.incidents[incident].take_ids(&earlier);
        }
    }

    /// Notes what a change does for those that follow.
    fn remember(&mut self, at: usize, audit: &DirectoryAudit<'_>, change: &Change, parts: &Parts, who: &Who) {
        let kind = match change.operation {
            _ if change.gives_entry() => StepKind::Entry,
            Operation::AddApplication | Operation::AddServicePrincipal => StepKind::Created,
            Operation::AddApplicationOwner | Operation::AddServicePrincipalOwner => StepKind::Owner,
            Operation::ConsentToApplication
                if change.authority.as_ref().is_none_or(|given| given.tier < Tier::Sensitive) =>
            {
                StepKind::Consent
            }
            _ => match &change.authority {
                Some(given) => StepKind::Granted {
                    tier: given.tier,
                    terms: terms(parts, false, who.kind == ActorKind::Person),
                    role: given.role.clone(),
                    is_used: false,
                },
                None => return,
            },
        };
        let words = match &change.authority {
            Some(given) => given.words.clone(),
            None => change.operation.row().name.to_owned(),
        };
        if let StepKind::Granted { tier, .. } = &kind
            && *tier >= Tier::Sensitive
            && self.principals[at].app.is_none()
        {
            let ln = parts.of_target(who.kind == ActorKind::Person).max(0.0);
            self.nameless_grants.insert(who.key, (audit.time, audit.id.to_string(), words.clone(), ln));
        }
        let steps = &mut self.principals[at].steps;
        steps.retain(|step| audit.time.since(step.time) <= CHAIN);
        if steps.len() == STEPS_MAX {
            steps.remove(0);
        }
        let ln = parts.of_target(who.kind == ActorKind::Person).max(0.0);
        steps.push(Step { time: audit.time, actor: who.key, ln, kind, event: audit.id.to_string(), words });
    }

    /// F9: a permission is used within a day of being given. `roles` are those of the token.
    pub(super) fn uses_authority(&mut self, policy: Policy, at: usize, roles: &str, opening: &Opening<'_>) {
        let holds = |role: &str| !role.is_empty() && roles.split(' ').any(|held| held == role);
        let Some(step) = self.principals[at].steps.iter_mut().find(|step| {
            matches!(&step.kind, StepKind::Granted { tier, role, is_used: false, .. } if *tier >= Tier::Sensitive && holds(role))
                && (0..=FRESH).contains(&opening.time.since(step.time))
        }) else {
            return;
        };
        let (granted, event, words) = (step.time, step.event.clone(), step.words.clone());
        let StepKind::Granted { terms, is_used, .. } = &mut step.kind else { return };
        *is_used = true;
        let mut assessment = Assessment::new(opening.time.day());
        assessment.terms.clone_from(terms);
        assessment.add(Booster::PrivilegeJump.name(), Booster::PrivilegeJump.ln());
        assessment.reasons.insert(Booster::PrivilegeJump.reason());
        // Giving is one record, using another, in another log.
        assessment.corroborated = true;
        assessment.action = format!("was given {words} and used it within a day");
        assessment.facts.push(format!(
            "{words} was given on {} (audit record {event}) and used on {}.",
            granted.minute(),
            opening.time.minute()
        ));
        "the permission was given for this work".clone_into(&mut assessment.harmless_if);
        assessment.check_first = format!("ask who gave {words} what it is for, and look at the calls since");
        let reason = opening.reason;
        let opening = Opening {
            event_type: RiskEventType::AnomalousServicePrincipalActivity,
            reason: hash64(&reason.to_le_bytes()),
            source: opening.source.clone(),
            key: String::new(),
            ..*opening
        };
        if let Some(incident) = self.assessed(policy, at, &opening, assessment) {
            self.incidents[incident].take_ids(&[event]);
        }
    }
}

impl<'o> Opening<'o> {
    fn of_change(
        audit: &'o DirectoryAudit<'_>,
        enrichment: &Enrichment<'_, '_>,
        change: &Change,
        reason: &[u8],
        late: bool,
    ) -> Opening<'o> {
        Opening {
            event_type: RiskEventType::AnomalousServicePrincipalActivity,
            reason: hash64(reason),
            time: audit.time,
            event: &audit.id.0,
            ip: audit.address.ip,
            source: enrichment.source.as_ref().map(Into::into),
            key: change.added_keys.first().cloned().unwrap_or_default(),
            cause: Some(hash64(actor_name(&audit.initiated_by).as_bytes())),
            late,
        }
    }
}
