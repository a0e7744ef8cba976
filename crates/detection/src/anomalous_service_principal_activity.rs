//! `anomalousServicePrincipalActivity`: changes of the directory that this actor does not make, or that are not made
//! to this identity. Each change gives two numbers, one for whoever acts and one for whoever is changed; the finding
//! lands where the surprise is larger, on both where both are strong.

use crate::constants::{
    ACTOR_NEW_ATTACK, ACTOR_TERM_MAX, ISSUER_ATTACK, ISSUER_USUAL, NEWCOMER_ATTACK, PLACE_NEW_ATTACK,
    PLACE_WEIGHT, SHAPE_ATTACK, SHAPE_WEIGHT, TARGET_WEIGHT, TIER_0_ATTACK, TIER_0_USUAL, TIER_ATTACK,
    TRUST_ATTACK, TRUST_USUAL, WIDENED_ATTACK, WIDENED_USUAL,
};
use crate::directory::change::{IssuerClass, Trust};
use crate::directory::operations::Operation;
use crate::directory::permissions::Tier;
use crate::tail::calibrate;

/// What a change is, and how usual each part of it is.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances<'c> {
    pub(crate) operation: Operation,
    /// Probability of the operation for this actor.
    pub(crate) probability: f64,
    /// Tier of what is given, with the share of that tier among grants.
    pub(crate) authority: Option<(Tier, f64)>,
    pub(crate) trust: Option<&'c Trust>,
    /// The tenant trusts this issuer for another identity already.
    pub(crate) is_known_issuer: bool,
    /// Whether the identity that is changed can take over the tenant.
    pub(crate) is_tier_0: bool,
    /// Whether the actor changed this identity before; `None` for an identity without a past.
    pub(crate) knows_actor: Option<bool>,
    pub(crate) new_actor_rate: f64,
    /// The actor never made a privileged change in this tenant, and the rate of that.
    pub(crate) newcomer_rate: Option<f64>,
    /// Chance of the properties that changed.
    pub(crate) shape_share: f64,
    /// The actor acts from a network it never used, and the rate of that.
    pub(crate) new_place_rate: Option<f64>,
    /// Identities touched within ten minutes, and the chance of so many.
    pub(crate) burst: Option<(f64, f64)>,
}

/// Something structural that makes a change worse, whoever makes it (design, 11.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Booster {
    /// An application gives rights to itself (F10).
    SelfGrant,
    /// An application of lower rank gets a way into one that can take over the tenant.
    LowerTierActor,
    /// The actor uses a right that it was given within a day.
    FreshAuthority,
    /// Made, used and deleted within an hour (F11).
    CreateUseDelete,
    /// Rights, consent or ownership first, a way in within two days (F16).
    Chain,
    /// A right is used within a day of being given (F9).
    PrivilegeJump,
}

impl Booster {
    /// What it adds to the logarithm of the evidence (design, 11.4; the chain and the jump as an authority less than
    /// a day old).
    pub(crate) fn ln(self) -> f64 {
        match self {
            Booster::SelfGrant | Booster::LowerTierActor | Booster::CreateUseDelete => 3.0,
            Booster::FreshAuthority | Booster::Chain | Booster::PrivilegeJump => 2.0,
        }
    }

    /// As evidence names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Booster::SelfGrant => "selfGrant",
            Booster::LowerTierActor => "lowerTierActor",
            Booster::FreshAuthority => "freshAuthority",
            Booster::CreateUseDelete => "createUseDelete",
            Booster::Chain => "chain",
            Booster::PrivilegeJump => "privilegeJump",
        }
    }

    /// As the machine-readable reasons name it.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Booster::SelfGrant => "SelfEscalation",
            Booster::LowerTierActor => "LowerTierActor",
            Booster::FreshAuthority => "FreshAuthority",
            Booster::CreateUseDelete => "CreateUseDelete",
            Booster::Chain => "ChainOfChanges",
            Booster::PrivilegeJump => "PrivilegeJump",
        }
    }
}

/// The evidence of one change, part by part; each is weighted already.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Parts {
    pub(crate) operation: f64,
    pub(crate) authority: f64,
    pub(crate) trust: f64,
    pub(crate) target: f64,
    pub(crate) actor: f64,
    pub(crate) shape: f64,
    pub(crate) place: f64,
    pub(crate) burst: f64,
    /// It adds or widens a trust.
    pub(crate) is_trust: bool,
}

/// Weighs a change.
pub(crate) fn parts(change: &Circumstances<'_>) -> Parts {
    let attack = if change.trust.is_some() { TRUST_ATTACK } else { change.operation.row().attack };
    let usual = if change.trust.is_some() {
        // A federated credential hides under "Update application": its share is not the operation's.
        change.probability.min(TRUST_USUAL)
    } else {
        change.probability
    };
    let mut parts =
        Parts { operation: (attack / usual).ln().clamp(-5.0, ACTOR_TERM_MAX), ..Parts::default() };
    if let Some((tier, share)) = change.authority {
        parts.authority = (TIER_ATTACK[tier as usize] / share).ln();
    }
    if let Some(trust) = change.trust {
        parts.is_trust = true;
        let class = match (trust.class, change.is_known_issuer) {
            (_, true) => 0,
            (IssuerClass::WellKnown, false) => 1,
            (IssuerClass::Own, false) => 2,
            (IssuerClass::Throwaway, false) => 3,
        };
        let widened = if trust.is_widened { (WIDENED_ATTACK / WIDENED_USUAL).ln() } else { 0.0 };
        parts.trust = (ISSUER_ATTACK[class] / ISSUER_USUAL[class]).ln() + widened;
    }
    let (attack, usual) = if change.is_tier_0 {
        (TIER_0_ATTACK, TIER_0_USUAL)
    } else {
        (1.0 - TIER_0_ATTACK, 1.0 - TIER_0_USUAL)
    };
    parts.target = TARGET_WEIGHT * (attack / usual).ln();
    parts.actor = match (change.newcomer_rate, change.knows_actor) {
        (Some(rate), _) => (NEWCOMER_ATTACK / rate).ln(),
        (None, None) => 0.0,
        (None, Some(false)) => (ACTOR_NEW_ATTACK / change.new_actor_rate).ln(),
        (None, Some(true)) => {
            ((1.0 - ACTOR_NEW_ATTACK - NEWCOMER_ATTACK) / (1.0 - change.new_actor_rate).max(0.05)).ln()
        }
    };
    parts.shape = SHAPE_WEIGHT * (SHAPE_ATTACK / change.shape_share).ln().max(-1.0);
    if let Some(rate) = change.new_place_rate {
        parts.place = PLACE_WEIGHT * (PLACE_NEW_ATTACK / rate).ln().max(0.0);
    }
    if let Some((count, chance)) = change.burst
        && count > 3.0
    {
        parts.burst = calibrate(chance).ln().clamp(0.0, ACTOR_TERM_MAX);
    }
    parts
}

impl Parts {
    /// Evidence that whoever acted is not itself.
    pub(crate) fn of_actor(&self) -> f64 {
        self.operation + self.authority + self.trust + self.target + self.shape + self.place + self.burst
    }

    /// Evidence that whoever is changed is being taken over. A person has no risk of its own here, so that what
    /// speaks against a person counts with what was changed.
    pub(crate) fn of_target(&self, by_person: bool) -> f64 {
        let own = self.actor + self.shape + self.authority + self.trust;
        if by_person { own + self.operation + self.target + self.place + self.burst } else { own }
    }

    /// By name.
    pub(crate) fn named(&self, for_actor: bool, by_person: bool) -> Vec<(&'static str, f64)> {
        let everything = for_actor || by_person;
        let of = |holds: bool, ln: f64| if holds { ln } else { 0.0 };
        vec![
            ("operation", of(everything, self.operation)),
            ("authority", self.authority),
            ("trust", self.trust),
            ("target", of(everything, self.target)),
            ("actor", of(!for_actor, self.actor)),
            ("properties", self.shape),
            ("place", of(everything, self.place)),
            ("burst", of(everything, self.burst)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation() -> Circumstances<'static> {
        Circumstances {
            operation: Operation::ChangeApplicationCredentials,
            probability: 0.9,
            authority: None,
            trust: None,
            is_known_issuer: false,
            is_tier_0: false,
            knows_actor: Some(true),
            new_actor_rate: 0.1,
            newcomer_rate: None,
            shape_share: 0.9,
            new_place_rate: None,
            burst: Some((1.0, 1.0)),
        }
    }

    #[test]
    fn the_rotation_by_whoever_always_rotates_is_nothing() {
        let parts = parts(&rotation());
        assert!(parts.of_actor() < 0.0 && parts.of_target(false) < 0.0, "{parts:?}");
    }

    #[test]
    fn the_same_by_an_application_that_never_did_is_strong() {
        let first =
            Circumstances { probability: 1e-4, knows_actor: Some(false), new_actor_rate: 0.02, ..rotation() };
        let parts = parts(&first);
        assert!(parts.of_actor() > 100_f64.ln() && parts.of_target(false) > 10_f64.ln(), "{parts:?}");
    }

    #[test]
    fn authority_over_the_tenant_weighs_most_and_an_ordinary_one_speaks_against() {
        let grant = |tier: Tier| {
            let share = crate::constants::TIER_USUAL[tier as usize];
            let change = Circumstances {
                operation: Operation::AddAppRoleAssignment,
                authority: Some((tier, share)),
                ..rotation()
            };
            parts(&change).authority
        };
        assert!(grant(Tier::Zero) > grant(Tier::Sensitive));
        assert!(grant(Tier::Sensitive) > 0.0 && grant(Tier::Ordinary) < 0.0);
    }

    #[test]
    fn bulk_by_who_never_did_bulk_is_a_burst() {
        let bulk = |count, chance| parts(&Circumstances { burst: Some((count, chance)), ..rotation() }).burst;
        assert!(bulk(60.0, 1e-3) > 2.0, "{}", bulk(60.0, 1e-3));
        assert!(bulk(60.0, 0.5) < 1e-9 && bulk(2.0, 1e-3) < 1e-9);
    }
}
