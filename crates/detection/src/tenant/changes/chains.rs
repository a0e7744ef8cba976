//! What changes complete together: chains, short lives, fresh rights, ranks.

use countersign_model::event::DirectoryAudit;
use countersign_model::time::Timestamp;

use super::{Step, StepKind, Subject, Who};
use crate::anomalous_service_principal_activity::Booster;
use crate::constants::{CHAIN, FRESH, SHORT_LIFE};
use crate::directory::change::Change;
use crate::directory::operations::Operation;
use crate::directory::permissions::Tier;
use crate::tenant::{Principal, Tenant};

/// A booster that applies, with its words and the earlier record that it rests on; empty when there is none.
pub(super) struct Boost {
    pub(super) booster: Booster,
    pub(super) words: String,
    pub(super) event: String,
    /// Evidence of that record: what follows it by the same hand adds to it.
    pub(super) before: f64,
}

impl Boost {
    pub(super) fn ln(&self) -> f64 {
        self.booster.ln() + self.before
    }

    fn new(booster: Booster, words: String) -> Self {
        Boost { booster, words, event: String::new(), before: 0.0 }
    }
}

impl Tenant {
    /// What the change completes.
    pub(super) fn boosters(
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
                    principal.label(),
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
