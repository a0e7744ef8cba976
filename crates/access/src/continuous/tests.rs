use countersign_model::risk::RiskLevel;
use serde_json::{Value as Json, json};

use super::*;
use crate::evaluate::{Place, Risk, SignIn, WhereCountry};
use crate::location::NamedLocation;
use crate::policy::Policy;
use crate::principal::{Attributes, Principal, Scope};
use crate::snapshot::Snapshot;

const GRAPH: Uuid = Uuid::from_u128(0x0000_0003_0000_0000_c000_0000_0000_0000);
const PAYROLL: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);
/// The middle of a second, at which the token is issued.
const ISSUED: Timestamp = Timestamp(1_780_000_000 * SECOND + 500_000);

const QUIET: Watermarks =
    Watermarks { is_active: true, ended: 3, revoked: 2, revoked_at: None, policies_changed_at: None };

/// Issued after three disablings and two revocations.
fn token(is_cae: bool) -> TokenFacts {
    TokenFacts {
        issued_at: ISSUED,
        expires_at: ISSUED.plus(24 * 3_600 * SECOND),
        is_cae,
        generation: QUIET.generation(is_cae),
        is_credential_gone: false,
    }
}

/// Policies about `principals` with more conditions, as JSON.
fn policies(principals: &[Uuid], state: &str, conditions: &Json) -> Snapshot {
    let mut all = json!({
        "applications": {"includeApplications": ["All"]},
        "clientApplications": {"includeServicePrincipals": principals},
    });
    all.as_object_mut().unwrap().extend(conditions.as_object().unwrap().clone());
    let json = json!({
        "id": "0000d001-1111-4111-8111-111111111111", "displayName": "name", "state": state, "conditions": all,
        "grantControls": {"operator": "OR", "builtInControls": ["block"]},
    });
    let office = json!({
        "@odata.type": "#microsoft.graph.ipNamedLocation", "id": "000000c1-1111-4111-8111-111111111111",
        "displayName": "office",
        "ipRanges": [{"@odata.type": "#microsoft.graph.iPv4CidrRange", "cidrAddress": "198.51.100.0/24"}],
    });
    let office = NamedLocation::read(office.as_object().unwrap()).unwrap();
    Snapshot::compile(&[Policy::read(json.as_object().unwrap()).unwrap()], &[office]).unwrap()
}

fn away_from_office() -> Json {
    json!({"locations": {"includeLocations": ["All"], "excludeLocations": ["000000c1-1111-4111-8111-111111111111"]}})
}

fn decision(
    token: &TokenFacts,
    watermarks: &Watermarks,
    snapshot: &Snapshot,
    risk: Risk,
    address: &str,
) -> Decision {
    let address: IpAddr = address.parse().unwrap();
    let evaluation = snapshot.evaluate(&SignIn {
        principal: Principal {
            id: PAYROLL,
            scope: Scope::SingleTenantApplication,
            attributes: &Attributes::default(),
        },
        resource: GRAPH,
        risk,
        place: Place { address: Some(address), country: WhereCountry::Unknown },
        place_at_resource: None,
    });
    decide(token, watermarks, Some(&evaluation), address, ISSUED.plus(3_600 * SECOND))
}

/// From the office, at no risk.
fn check(token: &TokenFacts, watermarks: &Watermarks, snapshot: &Snapshot) -> Decision {
    decision(token, watermarks, snapshot, Risk::Level(RiskLevel::None), "198.51.100.10")
}

fn challenge(code: Code, event: Timestamp) -> Decision {
    Decision::Challenge(Challenge { code, not_before: event.0 / SECOND, address: None })
}

const REVOKED: Code = Code::TokenIssuedBeforeRevocationTimestamp;
const OUTDATED: Code = Code::TokenCreatedWithOutdatedPolicies;

#[test]
fn a_token_holds_as_long_as_nothing_happens() {
    let nothing = Snapshot::default();
    for is_cae in [true, false] {
        assert_eq!(check(&token(is_cae), &QUIET, &nothing), Decision::Accept);
        let over = TokenFacts { expires_at: ISSUED.plus(3_600 * SECOND), ..token(is_cae) };
        assert_eq!(check(&over, &QUIET, &nothing), Decision::Refuse);
    }
}

#[test]
fn events_end_what_does_not_know_them() {
    let event = ISSUED.plus(-7 * SECOND);
    // Times decide nothing: a token that was issued while the event was written down is later than it.
    let disabled = Watermarks { ended: 4, revoked_at: Some(event), ..QUIET };
    let revoked = Watermarks { revoked: 3, revoked_at: Some(event), ..QUIET };
    let nothing = Snapshot::default();
    assert_eq!(check(&token(true), &disabled, &nothing), challenge(REVOKED, event));
    assert_eq!(check(&token(true), &revoked, &nothing), challenge(REVOKED, event));
    for watermarks in [disabled, revoked] {
        let new = TokenFacts { generation: watermarks.generation(true), ..token(true) };
        assert_eq!(check(&new, &watermarks, &nothing), Decision::Accept);
    }
    // A node that hears late of what a token knows already takes it.
    let ahead = TokenFacts { generation: QUIET.generation(true) + 1, ..token(true) };
    assert_eq!(check(&ahead, &QUIET, &nothing), Decision::Accept);
    // Where nobody knows when it was, the client asks for what is newer than its token.
    let unknown = Watermarks { revoked: 3, ..QUIET };
    assert_eq!(check(&token(true), &unknown, &nothing), challenge(REVOKED, ISSUED));
}

#[test]
fn before_and_after_a_change_of_policies() {
    let concerned = policies(&[PAYROLL], "enabled", &away_from_office());
    for (by, is_over) in [(-SECOND, false), (-1, false), (0, true), (1, true), (SECOND, true)] {
        let event = ISSUED.plus(by);
        let changed = Watermarks { policies_changed_at: Some(event), ..QUIET };
        let expected = if is_over { challenge(OUTDATED, event) } else { Decision::Accept };
        assert_eq!(check(&token(true), &changed, &concerned), expected, "{by} µs");
    }
}

#[test]
fn the_tokens_of_a_credential_end_with_it() {
    let removed = Watermarks { revoked_at: Some(ISSUED.plus(SECOND)), ..QUIET };
    let gone = TokenFacts { is_credential_gone: true, ..token(true) };
    assert_eq!(check(&gone, &removed, &Snapshot::default()), challenge(REVOKED, ISSUED.plus(SECOND)));
    assert_eq!(check(&token(true), &removed, &Snapshot::default()), Decision::Accept);
}

#[test]
fn who_is_not_active_has_no_good_token() {
    // Also a token that knows of the event, and where nobody knows when it was.
    for revoked_at in [None, Some(ISSUED.plus(-SECOND))] {
        let watermarks = Watermarks { is_active: false, revoked_at, ..QUIET };
        assert_eq!(
            check(&token(true), &watermarks, &Snapshot::default()),
            challenge(REVOKED, revoked_at.unwrap_or(ISSUED))
        );
        assert_eq!(check(&token(false), &watermarks, &Snapshot::default()), Decision::Refuse);
    }
}

#[test]
fn a_client_that_cannot_be_told_is_cut_off_with_its_principal_and_for_nothing_else() {
    let later = Some(ISSUED.plus(SECOND));
    let block = policies(&[PAYROLL], "enabled", &json!({}));
    let everything = Watermarks { revoked: 9, revoked_at: later, policies_changed_at: later, ..QUIET };
    let gone = TokenFacts { is_credential_gone: true, ..token(false) };
    assert_eq!(check(&gone, &everything, &block), Decision::Accept);
    let disabled = Watermarks { ended: 4, revoked_at: later, ..QUIET };
    assert_eq!(check(&token(false), &disabled, &block), Decision::Refuse);
    let after = TokenFacts { generation: 4, ..token(false) };
    assert_eq!(
        check(&after, &disabled, &block),
        Decision::Accept,
        "it was issued after the principal came back"
    );
}

#[test]
fn changes_of_policies_concern_whom_policies_are_about() {
    let changed = Watermarks { policies_changed_at: Some(ISSUED.plus(SECOND)), ..QUIET };
    let outdated = challenge(OUTDATED, ISSUED.plus(SECOND));
    for (snapshot, expected) in [
        (policies(&[PAYROLL], "enabled", &json!({})), outdated),
        (policies(&[PAYROLL], "enabled", &json!({"servicePrincipalRiskLevels": ["high"]})), outdated),
        (policies(&[OTHER], "enabled", &json!({})), Decision::Accept),
        (policies(&[PAYROLL], "disabled", &json!({})), Decision::Accept),
        (policies(&[PAYROLL], "enabledForReportingButNotEnforced", &json!({})), Decision::Accept),
    ] {
        assert_eq!(check(&token(true), &changed, &snapshot), expected, "{:?}", snapshot.policies());
    }
}

#[test]
fn a_place_that_is_blocked_is_told() {
    let snapshot = policies(&[PAYROLL], "enabled", &away_from_office());
    let at = |address| decision(&token(true), &QUIET, &snapshot, Risk::Level(RiskLevel::None), address);
    assert_eq!(at("198.51.100.10"), Decision::Accept);
    for address in ["203.0.113.77", "::ffff:203.0.113.77"] {
        assert_eq!(
            at(address),
            Decision::Challenge(Challenge {
                code: Code::LocationConditionEvaluationSatisfied,
                not_before: ISSUED.0 / SECOND,
                address: Some("203.0.113.77".parse().unwrap()),
            })
        );
    }
    let elsewhere = decision(&token(false), &QUIET, &snapshot, Risk::Level(RiskLevel::None), "203.0.113.77");
    assert_eq!(elsewhere, Decision::Accept);
}

#[test]
fn revocation_is_told_before_policies_and_these_before_the_place() {
    let snapshot = policies(&[PAYROLL], "enabled", &away_from_office());
    let (first, second) = (ISSUED.plus(2 * SECOND), ISSUED.plus(5 * SECOND));
    let at = |watermarks| {
        decision(&token(true), &watermarks, &snapshot, Risk::Level(RiskLevel::None), "203.0.113.77")
    };
    let both = Watermarks { revoked: 3, revoked_at: Some(first), policies_changed_at: Some(second), ..QUIET };
    assert_eq!(at(both), challenge(REVOKED, first));
    assert_eq!(at(Watermarks { policies_changed_at: Some(second), ..QUIET }), challenge(OUTDATED, second));
}

#[test]
fn a_policy_that_blocks_is_enough() {
    // Such as after a change of an attribute, or where the risk cannot be read.
    let block = policies(&[PAYROLL], "enabled", &json!({}));
    assert_eq!(check(&token(true), &QUIET, &block), challenge(OUTDATED, ISSUED));
    let risky = policies(&[PAYROLL], "enabled", &json!({"servicePrincipalRiskLevels": ["high"]}));
    let of = |risk| decision(&token(true), &QUIET, &risky, risk, "198.51.100.10");
    assert_eq!(of(Risk::Unavailable), challenge(OUTDATED, ISSUED));
    assert_eq!(of(Risk::Level(RiskLevel::Medium)), Decision::Accept);
}

#[test]
fn the_challenge_is_what_clients_read() {
    let event = Challenge { code: REVOKED, not_before: 1_780_000_000, address: None };
    assert_eq!(event.claims(), r#"{"access_token":{"nbf":{"essential":true,"value":"1780000000"}}}"#);
    // Taken from a published challenge, with the time put in.
    assert_eq!(
        event.www_authenticate("https://login.microsoftonline.com/common/oauth2/authorize", GRAPH),
        "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", \
         client_id=\"00000003-0000-0000-c000-000000000000\", errorDescription=\"Continuous access evaluation resulted \
         in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp\", \
         error=\"insufficient_claims\", \
         claims=\"eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxNzgwMDAwMDAwIn19fQ==\""
    );
    let place = Challenge {
        code: Code::LocationConditionEvaluationSatisfied,
        address: Some("2001:db8::1".parse().unwrap()),
        ..event
    };
    let claims: Json = serde_json::from_str(&place.claims()).unwrap();
    let expected = json!({
        "access_token": {"nbf": {"essential": true, "value": "1780000000"}, "xms_rp_ipaddr": {"value": "2001:db8::1"}}
    });
    assert_eq!(claims, expected);
    // `>`, `?` and `~` would need letters that are not the same in both alphabets.
    assert!(!place.claims().contains(['>', '?', '~']));
    assert_eq!(STANDARD.encode(place.claims()).len() % 4, 0);
}
