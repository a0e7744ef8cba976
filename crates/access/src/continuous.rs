//! Continuous access evaluation: whether a token that is still valid is still good, and what a client is told if not.
//!
//! A token without `cp1` cannot be challenged; it ends at once when its principal does, and is otherwise as good as on the
//! day it was issued. One with `cp1` ends with every event that concerns it.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_model::time::{SECOND, Timestamp};
use uuid::Uuid;

use crate::evaluate::Evaluation;

/// What a resource knows of a token whose signature it has verified.
#[derive(Clone, Copy, Debug)]
pub struct TokenFacts {
    /// When it was issued, to the microsecond. Not `iat`, which has whole seconds and lies five minutes back: a token of the
    /// second of an event would be told from neither side of it.
    pub issued_at: Timestamp,
    /// `exp`: from then on it is worth nothing.
    pub expires_at: Timestamp,
    /// `xms_cc` has `cp1`: the client can answer a challenge.
    pub is_cae: bool,
    /// How often tokens of its kind had been ended, as far as was known where it was issued: see [`Watermarks::ended`].
    pub generation: u64,
    /// The credential that it was issued for is not one of the principal's or of its application's any more.
    pub is_credential_gone: bool,
}

/// What has happened to a principal and its tenant.
///
/// Whether a token is from before an event is told by counting events, not by clocks: those of two machines differ, and
/// a token that is issued while the event is being written down has a later time than it and knows nothing of it. Times say
/// only what a client has to ask for.
#[derive(Clone, Copy, Debug)]
pub struct Watermarks {
    /// The principal and its application are there and not disabled.
    pub is_active: bool,
    /// How often the two were disabled, deactivated or deleted: each time all tokens of before ended. It only grows.
    pub ended: u64,
    /// How often, beside that, something ended tokens that can be challenged: a risk, a key that was exchanged, a permission
    /// that was taken away. It only grows.
    pub revoked: u64,
    /// When the last of all these events was, and of the removal of the token's credential; to the microsecond.
    pub revoked_at: Option<Timestamp>,
    /// When an enabled policy of the tenant, or a location that one names, was last changed.
    pub policies_changed_at: Option<Timestamp>,
}

impl Watermarks {
    /// What a token that is issued now says.
    pub fn generation(&self, is_cae: bool) -> u64 {
        self.ended + if is_cae { self.revoked } else { 0 }
    }
}

/// What a resource does with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It serves the call.
    Accept,
    /// 401 with a claims challenge: the client may come back with a new token.
    Challenge(Challenge),
    /// Plain 401.
    Refuse,
}

/// Why a token is not good any more, in the words of Microsoft Graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Something happened to the principal.
    TokenIssuedBeforeRevocationTimestamp,
    /// Policies were changed, or are against it for another reason than the place.
    TokenCreatedWithOutdatedPolicies,
    /// A policy blocks the place.
    LocationConditionEvaluationSatisfied,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Code::TokenIssuedBeforeRevocationTimestamp => "TokenIssuedBeforeRevocationTimestamp",
            Code::TokenCreatedWithOutdatedPolicies => "TokenCreatedWithOutdatedPolicies",
            Code::LocationConditionEvaluationSatisfied => "LocationConditionEvaluationSatisfied",
        })
    }
}

/// What the client has to bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Why.
    pub code: Code,
    /// Seconds since 1970 before which the new token must not be issued: those of the event, so that they stay the same until
    /// the next one. MSAL keeps a refused request for 60 s, and only another number gets through.
    pub not_before: i64,
    /// Where the resource saw the client, if that is why.
    pub address: Option<IpAddr>,
}

/// Whether a token is good for a call from `address` at the time `now`. `evaluation` is what policies make of the call: the
/// resource, the address, and the risk of now; none where there is nobody to evaluate, and no token is good.
///
/// Where several things are against it, what happened to the principal is told first, then changes of policies, then the
/// place.
pub fn decide(
    token: &TokenFacts,
    watermarks: &Watermarks,
    evaluation: Option<&Evaluation<'_>>,
    address: IpAddr,
    now: Timestamp,
) -> Decision {
    if token.expires_at <= now {
        return Decision::Refuse;
    }
    let is_over = !watermarks.is_active || token.generation < watermarks.generation(token.is_cae);
    if !token.is_cae {
        return if is_over { Decision::Refuse } else { Decision::Accept };
    }
    let challenge = |code, event: Option<Timestamp>| {
        let address = (code == Code::LocationConditionEvaluationSatisfied).then(|| address.to_canonical());
        let event = event.unwrap_or(token.issued_at);
        Decision::Challenge(Challenge { code, not_before: event.0.div_euclid(SECOND), address })
    };
    if is_over || token.is_credential_gone {
        return challenge(Code::TokenIssuedBeforeRevocationTimestamp, watermarks.revoked_at);
    }
    let Some(evaluation) = evaluation else { return Decision::Refuse };
    // A change that is being written down is no hole: policies themselves are asked below, at each call. Not after the change
    // is before it, for the two may share a microsecond.
    let is_before = |event: Option<Timestamp>| event.is_some_and(|event| token.issued_at <= event);
    if evaluation.is_principal_concerned() && is_before(watermarks.policies_changed_at) {
        return challenge(Code::TokenCreatedWithOutdatedPolicies, watermarks.policies_changed_at);
    }
    if !evaluation.is_blocked() {
        return Decision::Accept;
    }
    // No event ended the token, so none is after it, and its own time is the latest there is.
    let code = if evaluation.is_blocked_by_place() {
        Code::LocationConditionEvaluationSatisfied
    } else {
        Code::TokenCreatedWithOutdatedPolicies
    };
    challenge(code, None)
}

impl Challenge {
    /// The text that goes with it, in the header and in the body of the answer.
    pub fn description(&self) -> String {
        format!(
            "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: {}",
            self.code
        )
    }

    /// The claims that the client passes on to the token endpoint (OpenID Connect Core section 5.5), as JSON. The number is a
    /// text, as at Graph.
    pub fn claims(&self) -> String {
        let nbf = format!(r#""nbf":{{"essential":true,"value":"{}"}}"#, self.not_before);
        match self.address {
            Some(address) => {
                format!(r#"{{"access_token":{{{nbf},"xms_rp_ipaddr":{{"value":"{address}"}}}}}}"#)
            }
            None => format!(r#"{{"access_token":{{{nbf}}}}}"#),
        }
    }

    /// The value of `WWW-Authenticate` (RFC 6750 section 3). `authorization_uri` must hold no double quote; `client_id` is the
    /// resource's appId.
    ///
    /// Every parameter once, all quoted, `error` as Azure's clients want it. The claims are in the standard alphabet of
    /// base64 with padding, for the strictest client reads nothing else.
    pub fn www_authenticate(&self, authorization_uri: &str, client_id: Uuid) -> String {
        format!(
            "Bearer realm=\"\", authorization_uri=\"{authorization_uri}\", client_id=\"{client_id}\", \
             errorDescription=\"{}\", error=\"insufficient_claims\", claims=\"{}\"",
            self.description(),
            STANDARD.encode(self.claims())
        )
    }
}

#[cfg(test)]
mod tests;
