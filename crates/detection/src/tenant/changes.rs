//! Changes of the directory: what they announce, what they take away, and what they say of who made them and whom
//! they concern.

use countersign_model::event::{Actor, DirectoryAudit};
use countersign_model::finding::Evidence;
use countersign_model::id::{Id, ServicePrincipalId};
use countersign_model::risk::RiskEventType;
use countersign_model::source::Enrichment;
use countersign_model::time::Timestamp;

use super::assessed::Opening;
use super::{Principal, Tenant};
use crate::anomalous_service_principal_activity::{self as activity, Booster, Circumstances, Parts};
use crate::assessment::Assessment;
use crate::budget::Policy;
use crate::calibration::Family;
use crate::constants::{CHAIN, FRESH, SHORT_LIFE};
use crate::directory::change::{Change, Subject, Trust};
use crate::directory::operations::Operation;
use crate::directory::permissions::Tier;
use crate::directory_profile::{ActorKind, ActorProfile};
use crate::explanation::{number, share};
use crate::ledger::{ChangeKind, actor_name};
use crate::order::{hash32, hash64};

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

/// A booster that applies, with its words and the earlier record that it rests on; empty when there is none.
struct Boost {
    booster: Booster,
    words: String,
    event: String,
    /// Evidence of that record: what follows it by the same hand adds to it.
    before: f64,
}

impl Boost {
    fn ln(&self) -> f64 {
        self.booster.ln() + self.before
    }

    fn new(booster: Booster, words: String) -> Self {
        Boost { booster, words, event: String::new(), before: 0.0 }
    }
}

/// Who changes, for the statistics.
struct Who {
    key: u32,
    kind: ActorKind,
    name: String,
    /// Its place among the identities, when it is an application.
    at: Option<usize>,
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
        if let Some(at) = who.at {
            self.judge_actor(policy, at, audit, enrichment, &change, &parts, &boosters, &concerned, late);
        }
        for (at, subject) in &concerned {
            self.judge_target(
                policy, *at, audit, enrichment, &change, &parts, &boosters, &who, subject, late,
            );
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

    /// What the change completes.
    fn boosters(
        &self,
        audit: &DirectoryAudit<'_>,
        change: &Change,
        who: &Who,
        concerned: &[(usize, Subject)],
    ) -> Vec<Boost> {
        let mut boosters = Vec::new();
        let time = audit.time;
        let gives_rights = change.authority.is_some()
            || matches!(
                change.operation,
                Operation::AddApplicationOwner | Operation::AddServicePrincipalOwner
            );
        for (at, _) in concerned {
            let principal = &self.principals[*at];
            if who.at == Some(*at) && gives_rights {
                boosters.push(Boost::new(
                    Booster::SelfGrant,
                    "The application gives rights to itself.".to_owned(),
                ));
            }
            let actor_is_tier_0 = who.at.is_none_or(|actor| self.principals[actor].baseline.is_tier_0);
            if change.gives_entry() && principal.baseline.is_tier_0 && !actor_is_tier_0 && who.at != Some(*at)
            {
                let words = format!(
                    "{} can take over the tenant; {} could not, and now holds a way in.",
                    named(principal),
                    who.name
                );
                boosters.push(Boost::new(Booster::LowerTierActor, words));
            }
            boosters.extend(
                chain(principal, change, who.key, time)
                    .or_else(|| self.chain_by_actor(*at, change, who, time)),
            );
            boosters.extend(short_life(principal, change, time));
        }
        if let Some(actor) = who.at
            && change.operation.row().privileged
            && let Some((step, tier)) = fresh_grant(&self.principals[actor], time)
            && tier >= Tier::Sensitive
        {
            let words =
                format!("It was given {} on {}, less than a day before.", step.words, step.time.minute());
            boosters.push(Boost { event: step.event.clone(), ..Boost::new(Booster::FreshAuthority, words) });
        }
        boosters
    }

    /// The chain of [`chain`] where records name neither application by its id: a service principal that the same
    /// actor gave rights to, and an application that gets a way in, may be one.
    fn chain_by_actor(&self, at: usize, change: &Change, who: &Who, time: Timestamp) -> Option<Boost> {
        if !change.gives_entry() || !self.principals[at].app.is_none() {
            return None;
        }
        let (granted, given, words, before) = self.nameless_grants.get(&who.key)?;
        (0..=CHAIN).contains(&time.since(*granted)).then(|| {
            let words = format!(
                "On {} {} gave {words} to an application whose record does not name it (audit record {given}); this may be the same one.",
                granted.minute(),
                who.name
            );
            Boost { event: given.clone(), before: *before, ..Boost::new(Booster::Chain, words) }
        })
    }

    #[expect(clippy::too_many_arguments, reason = "one change, seen from one side")]
    fn judge_actor(
        &mut self,
        policy: Policy,
        at: usize,
        audit: &DirectoryAudit<'_>,
        enrichment: &Enrichment<'_, '_>,
        change: &Change,
        parts: &Parts,
        boosters: &[Boost],
        concerned: &[(usize, Subject)],
        late: bool,
    ) {
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
        let name = named(&self.principals[at]);
        assessment.check_first = format!(
            "ask the owner of {name} about {what} at {}; look at its sign-ins before that",
            audit.time.minute()
        );
        let opening = Opening::of_change(audit, enrichment, change, b"actor", late);
        self.assessed_with(policy, at, &opening, assessment, boosters);
    }

    #[expect(clippy::too_many_arguments, reason = "one change, seen from one side")]
    fn judge_target(
        &mut self,
        policy: Policy,
        at: usize,
        audit: &DirectoryAudit<'_>,
        enrichment: &Enrichment<'_, '_>,
        change: &Change,
        parts: &Parts,
        boosters: &[Boost],
        who: &Who,
        subject: &Subject,
        late: bool,
    ) {
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

    fn actor_facts(&self, assessment: &mut Assessment, audit: &DirectoryAudit<'_>, parts: &Parts, at: usize) {
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

    fn target_facts(&self, assessment: &mut Assessment, parts: &Parts, who: &Who, at: usize) {
        let principal = &self.principals[at];
        match principal.changed_by.changes {
            0 | 1 => assessment
                .facts
                .push(format!("{} was not changed by anybody before in these logs.", named(principal))),
            changes if parts.actor > 0.0 => assessment.facts.push(format!(
                "Of {changes} changes of {} none was by {} before. Chance of somebody new: {}.",
                named(principal),
                who.name,
                share(self.habits.new_actor_rate())
            )),
            _ => {}
        }
        if parts.place > 0.1 {
            assessment.facts.push(format!("{} acts from a network never used for changes before.", who.name));
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

fn named(principal: &Principal) -> String {
    if principal.name.is_empty() { principal.id.to_string() } else { principal.name.clone() }
}

fn terms(parts: &Parts, for_actor: bool, by_person: bool) -> Vec<Evidence> {
    let named = parts.named(for_actor, by_person).into_iter().filter(|(_, ln)| ln.abs() > 1e-3);
    named.map(|(dimension, ln)| Evidence { dimension: dimension.to_owned(), ln }).collect()
}

fn add(assessment: &mut Assessment, parts: &Parts, boosters: &[Boost], for_actor: bool, by_person: bool) {
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

fn what_fact(audit: &DirectoryAudit<'_>, change: &Change) -> String {
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

fn trust_fact(trust: &Trust) -> String {
    let how = match (trust.is_first, trust.is_widened) {
        (true, _) => "It is the first trust of this application.",
        (_, true) => "More callers than before will do.",
        _ => "It comes beside those there were.",
    };
    format!("Tokens of {} for {} sign it in from now on. {how}", trust.issuer, trust.subject)
}

/// Owner, consent or rights first, a way in within two days (F16). Bringing an application in does the same in one
/// go, so that of a new one only rights that reach everybody make it a chain.
fn chain(principal: &Principal, change: &Change, actor: u32, time: Timestamp) -> Option<Boost> {
    if !change.gives_entry() {
        return None;
    }
    let recent = || principal.steps.iter().filter(|step| (0..=CHAIN).contains(&time.since(step.time)));
    let is_new = recent().any(|step| matches!(step.kind, StepKind::Created));
    let step = recent().rev().find(|step| match &step.kind {
        StepKind::Granted { tier, .. } => *tier >= Tier::Sensitive,
        StepKind::Owner | StepKind::Consent => !is_new,
        StepKind::Created | StepKind::Entry => false,
    })?;
    let words = format!(
        "On {} it got {} (audit record {}); now a way in.",
        step.time.minute(),
        step.words,
        step.event
    );
    let before = if step.actor == actor { step.ln } else { 0.0 };
    Some(Boost { event: step.event.clone(), before, ..Boost::new(Booster::Chain, words) })
}

/// Made, used and deleted within an hour (F11).
fn short_life(principal: &Principal, change: &Change, time: Timestamp) -> Option<Boost> {
    if !matches!(change.operation, Operation::DeleteApplication | Operation::RemoveServicePrincipal) {
        return None;
    }
    let made = principal.steps.iter().find(|step| matches!(step.kind, StepKind::Created))?;
    let was_used = principal.day != i64::MIN && principal.last >= made.time;
    (was_used && time.since(made.time) <= SHORT_LIFE).then(|| {
        let words = format!(
            "It was made on {}, signed in, and was deleted {} minutes later.",
            made.time.minute(),
            time.since(made.time) / (60 * countersign_model::time::SECOND)
        );
        Boost { event: made.event.clone(), ..Boost::new(Booster::CreateUseDelete, words) }
    })
}

fn fresh_grant(principal: &Principal, time: Timestamp) -> Option<(&Step, Tier)> {
    principal.steps.iter().rev().find_map(|step| match &step.kind {
        StepKind::Granted { tier, .. } if (1..=FRESH).contains(&time.since(step.time)) => Some((step, *tier)),
        _ => None,
    })
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
