//! Changes of the directory.

use std::ops::Range;

use countersign_model::finding::Finding;
use countersign_model::risk::{RiskEventType, RiskLevel};
use countersign_simulation::scenario::{By, Scenario, at};

use crate::{ADMIN, CLOUD, FOREIGN_HOSTING, Judged, OFFICE, judge, no_page, tenant};

const OTHER_ADMIN: &str = "bruno@contoso.example";
const GITHUB: &str = "https://token.actions.githubusercontent.com";

/// Somebody who does not administer, from rented servers abroad.
pub(crate) fn mallory() -> By {
    By::user("mallory@contoso.example").address(FOREIGN_HOSTING)
}

fn from_the_office(name: &str) -> By {
    By::user(name).address(OFFICE)
}

/// Two months of administration: two people and a rotation job that renews keys of the steady identities.
pub(crate) fn administered(days: Range<i64>) -> Scenario {
    let mut scenario = tenant(days.clone())
        .principal("svc-rotation", |usual| usual.address(CLOUD).key("rotation"))
        .polls(days.clone(), 6)
        .principal("svc-hr", |usual| usual.address(OFFICE).key("hr"))
        .polls(days.clone(), 6)
        .principal("svc-payroll", |usual| usual.address(OFFICE).key("payroll"))
        .polls(days.clone(), 6);
    for day in days {
        scenario = scenario.updates_users(at(day, 9, 5), from_the_office(ADMIN), 6).updates_users(
            at(day, 4, 0),
            By::application("svc-hr"),
            30,
        );
        if day % 3 == 0 {
            let name = format!("svc-steady-{}", (day / 3) % 6);
            let key = format!("rotated-{day}");
            scenario = scenario.adds_credential(at(day, 2, 10), By::application("svc-rotation"), &key, &name);
        }
        if day % 7 == 2 {
            let name = format!("svc-steady-{}", day % 6);
            let by = if day % 2 == 0 { ADMIN } else { OTHER_ADMIN };
            let by = from_the_office(by);
            scenario =
                scenario.assigns_app_role(at(day, 11, 0), by, &name, "Microsoft Graph", "User.Read.All");
        }
    }
    scenario
}

pub(crate) fn change_findings<'j>(judged: &'j Judged, name: &str) -> Vec<&'j Finding> {
    let is_change =
        |finding: &&Finding| finding.risk_event_type == RiskEventType::AnomalousServicePrincipalActivity;
    judged.of(name).into_iter().filter(is_change).collect()
}

pub(crate) fn found<'j>(judged: &'j Judged, name: &str, reason: &str) -> &'j Finding {
    let findings = change_findings(judged, name);
    let found = findings.iter().find(|finding| finding.reasons.iter().any(|code| code == reason));
    match found {
        Some(found) => found,
        None => panic!("no {reason} on {name}: {:#?}", judged.findings),
    }
}

#[test]
fn ordinary_administration_finds_nothing() {
    let judged = judge(administered(0..60));
    assert_eq!(judged.findings.len(), 0, "{:#?}", judged.findings);
}

#[test]
fn an_application_that_gives_itself_the_right_to_give_rights_pages() {
    let judged = judge(administered(0..60).assigns_app_role(
        at(58, 3, 0),
        By::application("svc-payroll"),
        "svc-payroll",
        "Microsoft Graph",
        "RoleManagement.ReadWrite.Directory",
    ));
    let finding = found(&judged, "svc-payroll", "SelfEscalation");
    assert!(finding.level >= RiskLevel::Medium, "{finding:#?}");
    assert!(finding.explanation.facts.iter().any(|fact| fact.contains("gives rights to itself")));
}

#[test]
fn a_way_into_an_identity_that_rules_the_tenant_given_by_one_that_does_not_pages() {
    let judged = judge(
        administered(0..60)
            .assigns_app_role(
                at(5, 9, 0),
                ADMIN,
                "svc-steady-1",
                "Microsoft Graph",
                "RoleManagement.ReadWrite.Directory",
            )
            .adds_credential(at(58, 3, 0), By::application("svc-hr"), "planted", "svc-steady-1"),
    );
    let actor = found(&judged, "svc-hr", "LowerTierActor");
    assert!(actor.level >= RiskLevel::Medium, "{actor:#?}");
    assert!(
        !change_findings(&judged, "svc-steady-1").is_empty(),
        "and it is told of the one that was changed, too"
    );
}

#[test]
fn a_service_principal_made_global_administrator_pages() {
    let judged = judge(administered(0..60).adds_role_member(
        at(58, 3, 0),
        OTHER_ADMIN,
        "svc-steady-2",
        "Global Administrator",
    ));
    let finding = found(&judged, "svc-steady-2", "PrivilegedPermission");
    assert!(finding.level >= RiskLevel::Medium, "{finding:#?}");
}

#[test]
fn consent_then_a_credential_and_owner_then_a_credential_are_chains() {
    let consent = judge(
        administered(0..60)
            .assigns_app_role(at(57, 3, 0), mallory(), "svc-steady-3", "Microsoft Graph", "Mail.Read")
            .adds_credential(at(58, 3, 0), mallory(), "planted", "svc-steady-3"),
    );
    let finding = found(&consent, "svc-steady-3", "ChainOfChanges");
    assert!(finding.event_ids.len() >= 2, "both records are named: {:?}", finding.event_ids);
    let owner = judge(
        administered(0..60)
            .adds_owner(at(57, 3, 0), mallory(), "svc-steady-3", "mallory@contoso.example")
            .adds_credential(at(57, 4, 0), mallory(), "planted", "svc-steady-3"),
    );
    found(&owner, "svc-steady-3", "ChainOfChanges");
}

#[test]
fn bringing_an_application_in_is_no_chain() {
    let judged = no_page(
        "a new application",
        administered(0..60)
            .principal("svc-new", |usual| usual.address(OFFICE).key("new"))
            .registers(at(50, 9, 0), ADMIN, "svc-new")
            .consents_as_administrator(at(50, 9, 10), ADMIN, "svc-new", "User.Read")
            .adds_credential(at(50, 9, 20), ADMIN, "new", "svc-new")
            .polls(51..60, 6),
    );
    assert!(change_findings(&judged, "svc-new").is_empty(), "{:#?}", judged.findings);
}

#[test]
fn an_application_made_used_and_deleted_within_the_hour_pages() {
    let judged = judge(
        administered(0..60)
            .principal("svc-flash", |usual| usual.address(FOREIGN_HOSTING).key("flash"))
            .registers(at(58, 3, 0), mallory(), "svc-flash")
            .adds_credential(at(58, 3, 5), mallory(), "flash", "svc-flash")
            .sign_ins([at(58, 3, 10), at(58, 3, 20)], |look| look)
            .deletes_application(at(58, 3, 40), mallory(), "svc-flash"),
    );
    let finding = found(&judged, "svc-flash", "CreateUseDelete");
    assert!(finding.level >= RiskLevel::Low, "{finding:#?}");
}

#[test]
fn a_permission_that_is_used_within_hours_of_being_given_is_a_jump() {
    let mailbox = ["https://graph.microsoft.com/v1.0/users/{n}/messages"];
    let judged = judge(
        administered(0..60)
            .assigns_app_role(at(58, 1, 0), mallory(), "svc-payroll", "Microsoft Graph", "Mail.Read")
            .principal("svc-payroll", |usual| usual)
            .sign_in(at(58, 2, 0), |look| look)
            .call_times(at(58, 2, 1)..at(58, 2, 20), 30, "GET", &mailbox, |call| call.roles("Mail.Read")),
    );
    found(&judged, "svc-payroll", "PrivilegeJump");
}

#[test]
fn a_bulk_of_credentials_by_who_never_did_bulk_is_a_burst() {
    let burst = (0..6).fold(administered(0..60), |scenario, number| {
        let (key, name) = (format!("planted-{number}"), format!("svc-steady-{number}"));
        scenario.adds_credential(at(58, 3, number), By::application("svc-hr"), &key, &name)
    });
    let judged = judge(burst);
    let finding = found(&judged, "svc-hr", "BurstOfChanges");
    assert!(finding.level >= RiskLevel::Low, "{finding:#?}");
}

#[test]
fn a_trust_that_is_widened_is_drift_and_the_same_trust_for_another_pipeline_is_usual() {
    let before = ("f1", GITHUB, "repo:contoso/web:environment:production");
    let after = ("f1", GITHUB, "repo:contoso/web:pull_request");
    let judged = judge(
        administered(0..60)
            .changes_federated_credentials(at(10, 9, 0), ADMIN, "svc-steady-1", &[], &[before])
            .changes_federated_credentials(at(58, 3, 0), mallory(), "svc-steady-1", &[before], &[after]),
    );
    found(&judged, "svc-steady-1", "FederatedTrustDrift");
    let usual = (0..5).fold(administered(0..60), |scenario, number| {
        let (key, subject) = (format!("f{number}"), format!("repo:contoso/app-{number}:ref:refs/heads/main"));
        let name = format!("svc-steady-{number}");
        scenario.adds_federated_credential(at(10 + number * 10, 9, 0), ADMIN, &key, &name, (GITHUB, &subject))
    });
    no_page("pipelines that get a trust", usual);
}

#[test]
fn findings_land_on_whoever_acted_and_whoever_was_changed() {
    let judged = judge(administered(0..60).adds_service_principal_credential(
        at(58, 3, 0),
        By::application("svc-payroll"),
        "planted",
        "svc-hr",
    ));
    let on = |name| change_findings(&judged, name).len();
    assert!(on("svc-payroll") + on("svc-hr") >= 1, "{:#?}", judged.findings);
    assert!(on("svc-rotation") == 0 && on("svc-steady-0") == 0);
}

#[test]
fn a_log_that_stops_is_told() {
    let quiet = administered(0..30);
    let mut scenario = quiet;
    for name in ["svc-rotation", "svc-hr"] {
        scenario = scenario.principal(name, |usual| usual).polls(30..60, 6);
    }
    let judged = judge(scenario);
    assert!(
        judged.notices.iter().any(|notice| notice.text.starts_with("AuditLogs stopped")),
        "{:#?}",
        judged.notices
    );
}
