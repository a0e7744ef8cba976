//! Each row of the table of evaluation semantics, which the tests of What If read too.

use countersign_access::evaluate::{Outcome, Place, Risk, SignIn, WhereCountry};
use countersign_access::location::NamedLocation;
use countersign_access::policy::Policy;
use countersign_access::principal::{Attributes, Principal, Scope, ScopeFacts};
use countersign_access::snapshot::Snapshot;
use countersign_model::risk::RiskLevel;
use countersign_model::source::Country;
use serde_json::Value as Json;
use uuid::Uuid;

/// Rows are only ever added.
const ROWS_MIN: usize = 137;

fn text<'j>(json: &'j Json, name: &str) -> Option<&'j str> {
    json[name].as_str()
}

fn guid(json: &Json, name: &str) -> Option<Uuid> {
    text(json, name).map(|text| Uuid::try_parse(text).unwrap())
}

fn risk(request: &Json) -> Risk {
    match text(request, "servicePrincipalRiskLevel") {
        None => Risk::NotSaid,
        Some("unavailable") => Risk::Unavailable,
        Some(level) => Risk::Level(
            [RiskLevel::None, RiskLevel::Low, RiskLevel::Medium, RiskLevel::High]
                .into_iter()
                .find(|one| one.as_str() == level)
                .unwrap(),
        ),
    }
}

fn place(request: &Json) -> Place {
    let address = text(request, "ipAddress").map(|text| text.parse().unwrap());
    let country = match text(request, "country") {
        Some(code) => WhereCountry::Is(Country::parse(code).unwrap()),
        None if address.is_some() => WhereCountry::Unknown,
        None => WhereCountry::NotSaid,
    };
    Place { address, country }
}

/// The policy of a row, which has no name there.
fn policy(json: &Json, name: &Json) -> Policy {
    let mut members = json.as_object().unwrap().clone();
    members.insert("displayName".to_owned(), name.clone());
    Policy::read(&members).unwrap_or_else(|invalid| panic!("{name}: {invalid}"))
}

fn shown(outcome: &Outcome<'_>) -> Json {
    serde_json::json!({
        "id": outcome.policy.id, "policyApplies": outcome.applies, "analysisReasons": outcome.reasons.to_string(),
        "result": outcome.result(),
    })
}

#[test]
fn every_row_holds() {
    let table: Json = serde_json::from_str(include_str!("evaluation_semantics.json")).unwrap();
    let tenant = guid(&table, "tenantId").unwrap();
    let locations: Vec<_> = table["locations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|json| NamedLocation::read(json.as_object().unwrap()).unwrap())
        .collect();
    let rows = table["rows"].as_array().unwrap();
    assert!(rows.len() >= ROWS_MIN, "{} rows", rows.len());
    for row in rows {
        let (request, expected, name) = (&row["request"], &row["expected"], &row["name"]);
        let policies: Vec<_> =
            row["policies"].as_array().unwrap().iter().map(|json| policy(json, name)).collect();
        let snapshot = Snapshot::compile(&policies, &locations).unwrap();
        let who = table["principals"].as_object().unwrap().values();
        let who = who.clone().find(|one| one["id"] == request["servicePrincipalId"]).unwrap();
        let attributes = Attributes::read(who["customSecurityAttributes"].as_object().unwrap());
        let facts = ScopeFacts {
            service_principal_type: text(who, "servicePrincipalType").unwrap(),
            sign_in_audience: text(who, "signInAudience"),
            app_owner_organization_id: guid(who, "appOwnerOrganizationId"),
        };
        let evaluation = snapshot.evaluate(&SignIn {
            principal: Principal {
                id: guid(who, "id").unwrap(),
                scope: Scope::of(facts, tenant),
                attributes: &attributes,
            },
            resource: guid(request, "resource").unwrap(),
            risk: risk(request),
            place: place(request),
            place_at_resource: None,
        });
        let found: Vec<_> = evaluation.outcomes().map(|outcome| shown(&outcome)).collect();
        assert_eq!(Json::from(found), expected["policies"], "{name}");
        let blocking: Vec<_> = evaluation.blocking().map(|id| Json::from(id.to_string())).collect();
        assert_eq!(Json::from(blocking), expected["blockedBy"], "{name}");
        assert_eq!(evaluation.is_blocked(), expected["decision"] == "block", "{name}");
        assert_eq!(evaluation.status(), expected["conditionalAccessStatus"], "{name}");
    }
}
