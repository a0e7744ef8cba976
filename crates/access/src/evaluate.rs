//! What policies make of a sign-in.
//!
//! The order is not published; this one agrees with what Microsoft's documents say of each part:
//!
//! 1. Whoever is out of scope is reached by no policy.
//! 2. A disabled policy does nothing and is not looked into.
//! 3. The policy is about the principal: by keyword, by id or by an including filter, and not excluded by either.
//! 4. It is about the resource, and does not exclude it.
//! 5. The risk is one of its levels; `none` never is.
//! 6. The place is one of its locations and not an excluded one. Where the country is not known counts for `All`, and for
//!    locations of countries that say so.
//! 7. All conditions must hold; of the values in one, any.
//! 8. One enabled policy that applies suffices to block.

use std::fmt;
use std::net::IpAddr;

use countersign_model::risk::{RiskLevel, RiskState};
use countersign_model::source::Country;
use uuid::Uuid;

use crate::policy::State;
use crate::principal::Principal;
use crate::snapshot::{Listed, PolicySet, Snapshot};

/// A sign-in, or a call with a token, as policies see it.
#[derive(Clone, Copy, Debug)]
pub struct SignIn<'a> {
    /// Who.
    pub principal: Principal<'a>,
    /// appId of the resource that the token is for.
    pub resource: Uuid,
    /// How risky the principal is now.
    pub risk: Risk,
    /// Where from.
    pub place: Place,
    /// Where the resource saw the client, as the answer to a challenge tells it (`xms_rp_ipaddr`). A policy that blocks
    /// either place blocks.
    pub place_at_resource: Option<Place>,
}

/// The risk of a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Risk {
    /// Its aggregate level while `atRisk` or `confirmedCompromised`, else none.
    Level(RiskLevel),
    /// What If did not say.
    NotSaid,
    /// It cannot be read. Policies about risk apply, so that nobody gets in by breaking something.
    Unavailable,
}

impl Risk {
    /// The risk of a risky service principal: its aggregate level, as long as nobody has settled it.
    pub fn of(level: RiskLevel, state: RiskState) -> Risk {
        match state {
            RiskState::AtRisk | RiskState::ConfirmedCompromised => Risk::Level(level),
            RiskState::None | RiskState::ConfirmedSafe | RiskState::Remediated | RiskState::Dismissed => {
                Risk::Level(RiskLevel::None)
            }
        }
    }
}

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The address; nothing if What If did not say. An IPv4 address in the form of IPv6 is one of IPv4.
    pub address: Option<IpAddr>,
    /// The country of the address, or the one that What If said.
    pub country: WhereCountry,
}

/// What is known of a country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhereCountry {
    /// It is this one.
    Is(Country),
    /// Nobody knows it.
    Unknown,
    /// What If did not say, nor an address by which to find it.
    NotSaid,
}

/// What is known of a condition: the policies whose condition is met, and those for which it depends on what was not
/// said. For the others it is not met.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) met: PolicySet,
    pub(crate) unknown: PolicySet,
}

impl Known {
    pub(crate) fn met(met: PolicySet) -> Known {
        Known { met, unknown: PolicySet::NONE }
    }
}

/// What policies make of one sign-in. Made without an allocation and kept in a few hundred bytes; the answers are worked
/// out when they are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Evaluation<'s> {
    pub(crate) snapshot: &'s Snapshot,
    /// Policies whose scope reaches the principal.
    pub(crate) in_reach: PolicySet,
    /// Policies that are about it, as far as the scope and the state let them matter.
    pub(crate) clients: PolicySet,
    pub(crate) application: PolicySet,
    pub(crate) risk: Known,
    pub(crate) place: Known,
    /// Policies that apply: all that, and not disabled.
    pub(crate) applies: PolicySet,
}

impl<'s> Evaluation<'s> {
    /// Whether an enabled policy blocks.
    pub fn is_blocked(&self) -> bool {
        !self.blocking_set().is_empty()
    }

    /// Ids of the enabled policies that block, in the order of the policies.
    pub fn blocking(&self) -> impl Iterator<Item = Uuid> + use<'s> {
        let policies = self.snapshot.policies();
        self.blocking_set().iter().map(|at| policies[at].id)
    }

    /// `conditionalAccessStatus` of the sign-in. There is nothing to succeed at: the one control blocks.
    pub fn status(&self) -> &'static str {
        if self.is_blocked() { "failure" } else { "notApplied" }
    }

    /// Whether an enabled policy is about the principal, whatever its other conditions are.
    pub fn is_principal_concerned(&self) -> bool {
        !(self.clients & self.in_reach & self.snapshot.enabled()).is_empty()
    }

    /// Whether one of the policies that block has a condition on the place.
    pub fn is_blocked_by_place(&self) -> bool {
        self.blocking_set().iter().any(|at| self.snapshot.is_about_place(at))
    }

    /// What each policy makes of the sign-in, in the order of the policies.
    pub fn outcomes(&self) -> impl Iterator<Item = Outcome<'s>> + use<'s> {
        let evaluation = *self;
        self.snapshot.policies().iter().enumerate().map(move |(at, policy)| evaluation.outcome(at, policy))
    }

    fn blocking_set(&self) -> PolicySet {
        self.applies & self.snapshot.enabled()
    }

    fn outcome(&self, at: usize, policy: &'s Listed) -> Outcome<'s> {
        let mut outcome = Outcome {
            policy,
            applies: self.applies.contains(at),
            is_in_scope: self.in_reach.contains(at),
            reasons: Reasons::default(),
            satisfied: Conditions::default(),
            not_satisfied: Conditions::default(),
            unknown: Conditions::default(),
        };
        if !self.snapshot.is_live(at) {
            outcome.reasons.add(Reasons::POLICY_NOT_ENABLED);
        } else if !self.in_reach.contains(at) {
            outcome.judge(Verdict::NotMet, Conditions::SERVICE_PRINCIPALS, Reasons::WORKLOAD_IDENTITIES);
        } else {
            let clients = Verdict::of(self.clients.contains(at));
            outcome.judge(clients, Conditions::SERVICE_PRINCIPALS, Reasons::WORKLOAD_IDENTITIES);
            outcome.judge(
                Verdict::of(self.application.contains(at)),
                Conditions::APPLICATION,
                Reasons::APPLICATION,
            );
            if self.snapshot.is_about_risk(at) {
                // Graph has no reason of its own for the risk of a service principal.
                outcome.judge(
                    Verdict::known(self.risk, at),
                    Conditions::SERVICE_PRINCIPAL_RISK,
                    Reasons::WORKLOAD_IDENTITIES,
                );
            }
            if self.snapshot.is_about_place(at) {
                outcome.judge(Verdict::known(self.place, at), Conditions::LOCATION, Reasons::LOCATION);
            }
        }
        outcome
    }
}

/// What one policy makes of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome<'s> {
    /// The policy.
    pub policy: &'s Listed,
    /// `policyApplies` of What If: its conditions are met and it is not disabled.
    pub applies: bool,
    /// Whether its scope reaches the principal. Graph has one reason for that, for its conditions on the principal, and for
    /// those on the risk.
    pub is_in_scope: bool,
    /// `analysisReasons` of What If: why it does not apply.
    pub reasons: Reasons,
    /// `conditionsSatisfied` of the sign-in record on beta, of the conditions that the policy has.
    pub satisfied: Conditions,
    /// `conditionsNotSatisfied`.
    pub not_satisfied: Conditions,
    /// Of these, the ones that depend on what was not said.
    pub unknown: Conditions,
}

impl Outcome<'_> {
    /// `result` of the policy in the sign-in record.
    pub fn result(&self) -> &'static str {
        match (self.policy.state, self.applies) {
            (State::Disabled, _) => "notEnabled",
            (State::Enabled, true) => "failure",
            (State::Enabled, false) => "notApplied",
            (State::ReportOnly, true) => "reportOnlyFailure",
            (State::ReportOnly, false) => "reportOnlyNotApplied",
        }
    }

    fn judge(&mut self, verdict: Verdict, condition: Conditions, reason: Reasons) {
        match verdict {
            Verdict::Met => self.satisfied.add(condition),
            Verdict::NotMet => {
                self.not_satisfied.add(condition);
                self.reasons.add(reason);
            }
            Verdict::Unknown => {
                self.not_satisfied.add(condition);
                self.unknown.add(condition);
                self.reasons.add(Reasons::NOT_ENOUGH_INFORMATION);
            }
        }
    }
}

/// What is known of one condition of one policy.
#[derive(Clone, Copy)]
enum Verdict {
    Met,
    NotMet,
    Unknown,
}

impl Verdict {
    fn of(is_met: bool) -> Verdict {
        if is_met { Verdict::Met } else { Verdict::NotMet }
    }

    fn known(known: Known, at: usize) -> Verdict {
        if known.unknown.contains(at) { Verdict::Unknown } else { Verdict::of(known.met.contains(at)) }
    }
}

/// Graph's flags `whatIfAnalysisReasons`, those that a policy for workloads can have. Displayed by value of the flag and
/// joined by `,`; `notSet` for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reasons(u32);

impl Reasons {
    /// The question leaves out what a condition depends on.
    pub const NOT_ENOUGH_INFORMATION: Reasons = Reasons(1);
    /// The principal, its scope or its risk.
    pub const WORKLOAD_IDENTITIES: Reasons = Reasons(8);
    /// The resource.
    pub const APPLICATION: Reasons = Reasons(16);
    /// The place.
    pub const LOCATION: Reasons = Reasons(1_024);
    /// The policy is disabled.
    pub const POLICY_NOT_ENABLED: Reasons = Reasons(16_384);

    const NAMES: [(u32, &str); 5] = [
        (Reasons::NOT_ENOUGH_INFORMATION.0, "notEnoughInformation"),
        (Reasons::WORKLOAD_IDENTITIES.0, "workloadIdentities"),
        (Reasons::APPLICATION.0, "application"),
        (Reasons::LOCATION.0, "location"),
        (Reasons::POLICY_NOT_ENABLED.0, "policyNotEnabled"),
    ];

    fn add(&mut self, other: Reasons) {
        self.0 |= other.0;
    }
}

impl fmt::Display for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_flags(f, self.0, &Reasons::NAMES, "notSet")
    }
}

/// Graph's flags `conditionalAccessConditions`, those that a policy for workloads can have. Displayed by value of the flag
/// and joined by `,`; `none` for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conditions(u32);

impl Conditions {
    /// The resource.
    pub const APPLICATION: Conditions = Conditions(1);
    /// The place.
    pub const LOCATION: Conditions = Conditions(8);
    /// The principal and its scope.
    pub const SERVICE_PRINCIPALS: Conditions = Conditions(8_192);
    /// The risk of the principal.
    pub const SERVICE_PRINCIPAL_RISK: Conditions = Conditions(16_384);

    const NAMES: [(u32, &str); 4] = [
        (Conditions::APPLICATION.0, "application"),
        (Conditions::LOCATION.0, "location"),
        (Conditions::SERVICE_PRINCIPALS.0, "servicePrincipals"),
        (Conditions::SERVICE_PRINCIPAL_RISK.0, "servicePrincipalRisk"),
    ];

    /// Whether all of `others` are among them.
    pub fn contains(self, others: Conditions) -> bool {
        self.0 & others.0 == others.0
    }

    fn add(&mut self, other: Conditions) {
        self.0 |= other.0;
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_flags(f, self.0, &Conditions::NAMES, "none")
    }
}

fn write_flags(f: &mut fmt::Formatter<'_>, flags: u32, names: &[(u32, &str)], none: &str) -> fmt::Result {
    let mut names = names.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, name)| *name);
    f.write_str(names.next().unwrap_or(none))?;
    names.try_for_each(|name| write!(f, ",{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_settled_is_no_risk() {
        for (state, level) in [
            (RiskState::AtRisk, RiskLevel::High),
            (RiskState::ConfirmedCompromised, RiskLevel::High),
            (RiskState::None, RiskLevel::None),
            (RiskState::ConfirmedSafe, RiskLevel::None),
            (RiskState::Remediated, RiskLevel::None),
            (RiskState::Dismissed, RiskLevel::None),
        ] {
            assert_eq!(Risk::of(RiskLevel::High, state), Risk::Level(level), "{state:?}");
        }
    }

    #[test]
    fn flags_are_joined_by_value() {
        let mut reasons = Reasons::LOCATION;
        reasons.add(Reasons::NOT_ENOUGH_INFORMATION);
        reasons.add(Reasons::APPLICATION);
        assert_eq!(reasons.to_string(), "notEnoughInformation,application,location");
        let mut conditions = Conditions::LOCATION;
        conditions.add(Conditions::APPLICATION);
        assert!(conditions.contains(Conditions::LOCATION) && conditions.contains(Conditions::APPLICATION));
        assert!(!conditions.contains(Conditions::SERVICE_PRINCIPALS));
        assert_eq!(
            (Reasons::default().to_string(), Conditions::default().to_string()),
            ("notSet".into(), "none".into())
        );
    }
}
