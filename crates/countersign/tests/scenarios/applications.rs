//! What applications are.

use countersign_detection::{Detector, Policy};
use countersign_model::id::{AppId, Id};
use countersign_model::inventory::{DirectoryObject, ObjectKind, RogueApplication};
use countersign_model::risk::{RiskEventType, RiskLevel};
use countersign_simulation::scenario::{By, Change, Scenario, app_id, at, service_principal_id};

use crate::directory_changes::administered;
use crate::{ADMIN, Judged, OFFICE, embedded, in_event_time, judge, no_page, show, tenant};

fn of_type(judged: &Judged, kind: RiskEventType) -> Vec<(&str, RiskLevel)> {
    let of_kind = judged.findings.iter().filter(|finding| finding.risk_event_type == kind);
    of_kind.map(|finding| (finding.name.as_str(), finding.level)).collect()
}

/// Judges a scenario with a list and an inventory.
fn judge_with(scenario: Scenario, rogue: Vec<RogueApplication>, objects: &[DirectoryObject]) -> Judged {
    let mut detector = Detector::new(Policy::default());
    detector.list_rogue(rogue);
    for line in in_event_time(scenario.into_records()) {
        show(&line, &mut |event| {
            detector.observe(event, &embedded().enrich(event));
        });
    }
    assert_eq!(detector.inventory(objects, detector.newest()), 0, "one tenant takes all");
    detector.finish();
    Judged { findings: detector.findings(), notices: detector.notices(), detector }
}

fn object(name: &str) -> DirectoryObject {
    DirectoryObject {
        kind: ObjectKind::ServicePrincipal,
        id: Id::parse(&service_principal_id(name)).into_owned(),
        app: AppId(Id::parse(&app_id(name)).into_owned()),
        name: name.to_owned(),
        created: None,
        owner: None,
        has_verified_publisher: None,
        is_enabled: None,
        disabled_by_microsoft: String::new(),
        reply_urls: Vec::new(),
        app_roles: Vec::new(),
        scopes: Vec::new(),
        credentials: Vec::new(),
    }
}

#[test]
fn a_consent_to_an_application_with_a_look_alike_name_is_suspicious() {
    let judged = judge(
        administered(0..60)
            .adds_service_principal(at(58, 9, 0), "anna@contoso.example", "rnicrosoft_office")
            .consents_as_user(
                at(58, 9, 1),
                "anna@contoso.example",
                "rnicrosoft_office",
                "Mail.Read offline_access",
            ),
    );
    let found = of_type(&judged, RiskEventType::SuspiciousApplication);
    assert_eq!(found.len(), 1, "{:#?}", judged.findings);
    assert_eq!(found[0].0, "rnicrosoft_office");
}

#[test]
fn a_consent_that_microsoft_refused_as_risky_is_suspicious() {
    let consent = Change::new("Consent to application").target("ServicePrincipal", "Free PDF").property(
        "MethodExecutionResult.",
        None,
        Some("Microsoft.Online.Security.UserConsentBlockedForRiskyAppsException"),
    );
    let by = By::user("anna@contoso.example")
        .refused("Microsoft.Online.Security.UserConsentBlockedForRiskyAppsException");
    let judged = judge(administered(0..60).change(at(58, 9, 0), by, consent));
    assert_eq!(of_type(&judged, RiskEventType::SuspiciousApplication).len(), 1, "{:#?}", judged.findings);
}

#[test]
fn a_vendor_that_an_administrator_brings_in_is_not_suspicious() {
    let judged = no_page(
        "a vendor",
        administered(0..60)
            .adds_service_principal(at(50, 9, 0), ADMIN, "Northwind Backup")
            .consents_as_administrator(at(50, 9, 1), ADMIN, "Northwind Backup", "Mail.Read Files.Read.All"),
    );
    assert!(of_type(&judged, RiskEventType::SuspiciousApplication).is_empty(), "{:#?}", judged.findings);
}

#[test]
fn an_application_that_microsoft_disabled_is_malicious_and_high() {
    let steady = || tenant(0..10).principal("Free PDF", |usual| usual.address(OFFICE)).polls(0..10, 6);
    let disabled = DirectoryObject {
        disabled_by_microsoft: "DisabledDueToViolationOfServicesAgreement".to_owned(),
        ..object("Free PDF")
    };
    let judged = judge_with(steady(), Vec::new(), &[disabled, object("svc-steady-1")]);
    assert_eq!(of_type(&judged, RiskEventType::MaliciousApplication), [("Free PDF", RiskLevel::High)]);
    let judged = judge_with(steady(), Vec::new(), &[object("Free PDF")]);
    assert!(judged.findings.is_empty(), "{:#?}", judged.findings);
}

#[test]
fn an_application_on_a_list_of_abused_ones_is_malicious_when_it_is_met() {
    let listed = |name: &str| RogueApplication {
        app: AppId(Id::parse(&app_id(name)).into_owned()),
        name: name.to_owned(),
        purpose: "mailbox export".to_owned(),
        list: "list.json".to_owned(),
    };
    let scenario = || tenant(0..10).principal("Mail Grabber", |usual| usual.address(OFFICE)).polls(8..10, 6);
    let judged = judge_with(scenario(), vec![listed("Mail Grabber"), listed("Never met")], &[]);
    let found = of_type(&judged, RiskEventType::MaliciousApplication);
    assert_eq!(found.len(), 1, "{:#?}", judged.findings);
    assert!(found[0].1 >= RiskLevel::Medium, "{:#?}", judged.findings);
}
