//! The blind spots of the best-known public rules (detection design, 5.6): each is seen here.

use countersign_model::risk::RiskLevel;
use countersign_simulation::scenario::{By, Look, at};

use crate::api_traffic::{ENUMERATION, api_findings, archive};
use crate::directory_changes::{administered, change_findings, found, mallory};
use crate::{FOREIGN_HOSTING, OFFICE, judge, tenant};

/// Rules that ask for a user or an `@` in the initiator do not see it.
#[test]
fn a_credential_added_by_an_application() {
    let judged = judge(administered(0..60).adds_credential(
        at(58, 3, 0),
        By::application("svc-hr"),
        "planted",
        "svc-payroll",
    ));
    let finding = found(&judged, "svc-hr", "UnfamiliarOperation");
    assert!(finding.level >= RiskLevel::Low, "{finding:#?}");
}

/// Rules that compare an old issuer with a new one do not see it.
#[test]
fn the_first_federated_credential_of_an_application() {
    let judged = judge(administered(0..60).adds_federated_credential(
        at(58, 3, 0),
        mallory(),
        "f1",
        "svc-payroll",
        ("https://st123456.z6.web.core.windows.net/", "deploy"),
    ));
    let finding = found(&judged, "svc-payroll", "FederatedTrustDrift");
    assert!(finding.explanation.facts.iter().any(|fact| fact.contains("first trust")), "{finding:#?}");
}

fn spelled(operation: &str) {
    let planted =
        |by: By| judge(administered(0..60).adds_credential(at(58, 3, 0), by, "planted", "svc-payroll"));
    let usual = planted(By::application("svc-hr"));
    let other = planted(By::application("svc-hr").spelled(operation));
    let numbers = |judged: &crate::Judged| -> Vec<(String, i64)> {
        let findings = change_findings(judged, "svc-hr");
        findings
            .iter()
            .map(|finding| (finding.level.as_str().to_owned(), (finding.score * 1e6) as i64))
            .collect()
    };
    assert!(!numbers(&usual).is_empty());
    assert_eq!(numbers(&usual), numbers(&other), "`{operation}` is the same operation");
}

/// Rules that compare whole strings do not see it.
#[test]
fn an_operation_with_the_other_dash() {
    spelled("Update application - Certificates and secrets management ");
}

/// Rules that compare whole strings do not see it.
#[test]
fn an_operation_without_the_trailing_blank_or_with_a_full_stop() {
    spelled("Update application \u{2013} Certificates and secrets management");
    spelled("Update application \u{2013} Certificates and secrets management.");
}

/// Rules that count the calls of people do not see it.
#[test]
fn enumeration_with_an_app_only_token() {
    let judged =
        judge(
            archive(0..36).call_times(at(35, 14, 5)..at(35, 14, 25), 240, "GET", &ENUMERATION, |call| call),
        );
    assert!(
        api_findings(&judged, "svc-archive").iter().any(|finding| finding.level >= RiskLevel::Medium),
        "{:#?}",
        judged.findings
    );
}

/// Rules on the vault's own log that ask for a user name do not see it. That log is not read here; the tokens that a
/// sweep needs are.
#[test]
fn a_key_vault_sweep_by_a_service_principal() {
    let vault = |look: Look| look.address(FOREIGN_HOSTING).resource("Azure Key Vault").agent("curl/8.5.0");
    let judged = judge(
        tenant(0..40)
            .principal("svc-payroll", |usual| usual.address(OFFICE).key("k1"))
            .polls(0..40, 4)
            .sign_ins([at(38, 3, 0), at(38, 3, 20), at(38, 4, 10)], vault),
    );
    let findings = judged.of("svc-payroll");
    let [finding] = findings[..] else { panic!("{:#?}", judged.findings) };
    assert_eq!(finding.level, RiskLevel::High, "{finding:#?}");
    assert!(
        finding.explanation.facts.iter().any(|fact| fact.contains("Azure Key Vault")),
        "{:#?}",
        finding.explanation
    );
}
