//! Tokens: where they are used (F1), and what they carry (F17).

use countersign_model::event::ApiActivity;
use countersign_model::risk::{RiskEventType, RiskLevel};
use countersign_model::source::Enrichment;
use countersign_model::time::Timestamp;

use crate::api_profile::ApiProfile;
use crate::assessment::Assessment;
use crate::baseline::Table;
use crate::budget::Policy;
use crate::constants::{ASSUMPTIONS, Dimension, ELSEWHERE_TOKENS_MIN};
use crate::directory::permissions::{self, Tier};
use crate::explanation::share;
use crate::issued::Issue;
use crate::order::hash64;
use crate::suspicious_api_traffic as traffic;
use crate::suspicious_signins::source_class;
use crate::tenant::Tenant;
use crate::tenant::assessed::Opening;

/// Evidence of a token that carries a removed role: enough to be listed.
const REVOKED_LN: f64 = 4.8;
/// Runs of sign-ins from which on an identity is known by them.
const KNOWN_RUNS: u16 = 20;
/// Tokens of the tenant from which on their use tells of others.
const POOLED_TOKENS_MIN: f64 = 100.0;

impl Tenant {
    /// What the token carries: authority over the tenant, or roles that were taken away (F17).
    pub(super) fn roles_in_token(
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
        "the token was cached and nothing was done with that permission"
            .clone_into(&mut assessment.harmless_if);
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
    pub(super) fn token_used(
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
            self.pooled.tokens += if is_elsewhere { 1.0 } else { 0.1 };
            self.pooled.tokens_elsewhere += f64::from(u8::from(is_elsewhere));
        }
        // Of an identity that is known by its sign-ins and never called, the first call tells by the tenant's tokens.
        let is_first_use = profile.active_days() <= 1
            && principal.baseline.runs() >= KNOWN_RUNS
            && self.pooled.tokens >= POOLED_TOKENS_MIN;
        // A network that the identity itself signs in from is one of its own instances; and before some tokens were
        // followed, no way of using them is unusual.
        if !is_elsewhere
            || tokens < ELSEWHERE_TOKENS_MIN && !is_first_use
            || principal.baseline.knows(Table::Networks, facts.organisation)
        {
            return;
        }
        let class = source_class(&principal.baseline, &self.peers, Some(facts));
        let assumptions = &ASSUMPTIONS[Dimension::Source.index()];
        let class_ln = (assumptions.attacker_class[class] / assumptions.benign_class[class]).ln();
        let mut assessment = Assessment::new(call.time.day());
        let rate =
            traffic::replay(&mut assessment, tokens, elsewhere, self.pooled.elsewhere_rate(), class_ln);
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

    /// Notes where a token was issued.
    pub(in crate::tenant) fn token_issued(
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
}
