//! Calls of directory APIs.

use std::ops::Range;

use countersign_model::finding::Finding;
use countersign_model::risk::{RiskEventType, RiskLevel};
use countersign_simulation::scenario::{Scenario, at};

use crate::{CLOUD, FOREIGN_HOSTING, Judged, judge, no_page, tenant};

/// What the mail archive asks for, every hour.
pub(crate) const USUAL: [&str; 2] = [
    "https://graph.microsoft.com/v1.0/users?$select=id&$top=100",
    "https://graph.microsoft.com/v1.0/users/{u}/mailFolders/inbox/messages/{n}",
];

/// What enumeration asks for.
pub(crate) const ENUMERATION: [&str; 12] = [
    "https://graph.microsoft.com/v1.0/organization",
    "https://graph.microsoft.com/v1.0/groups?$top=999",
    "https://graph.microsoft.com/v1.0/groups/{n}/members?$top=999",
    "https://graph.microsoft.com/v1.0/groups/{n}/owners",
    "https://graph.microsoft.com/v1.0/applications?$top=999",
    "https://graph.microsoft.com/v1.0/applications/{n}/owners",
    "https://graph.microsoft.com/v1.0/servicePrincipals?$top=999",
    "https://graph.microsoft.com/v1.0/servicePrincipals/{n}/appRoleAssignedTo",
    "https://graph.microsoft.com/v1.0/roleManagement/directory/roleAssignments",
    "https://graph.microsoft.com/v1.0/devices?$top=999",
    "https://graph.microsoft.com/v1.0/oauth2PermissionGrants",
    "https://graph.microsoft.com/v1.0/identity/conditionalAccess/policies",
];

/// The tenant with an archive in the cloud that reads mail every hour.
pub(crate) fn archive(days: Range<i64>) -> Scenario {
    tenant(days.clone()).principal("svc-archive", |usual| usual.address(CLOUD).key("k1")).calls_hourly(
        days,
        12,
        &USUAL,
        |call| call.roles("Mail.Read User.Read.All"),
    )
}

pub(crate) fn api_findings<'j>(judged: &'j Judged, name: &str) -> Vec<&'j Finding> {
    let is_api = |finding: &&Finding| finding.risk_event_type == RiskEventType::SuspiciousApiTraffic;
    judged.of(name).into_iter().filter(is_api).collect()
}

fn has(finding: &Finding, reason: &str) -> bool {
    finding.reasons.iter().any(|code| code == reason)
}

#[test]
fn an_application_that_walks_through_the_directory_pages_within_the_hour() {
    let span = at(35, 14, 5)..at(35, 14, 25);
    let judged = judge(archive(0..36).call_times(span, 240, "GET", &ENUMERATION, |call| call));
    let findings = api_findings(&judged, "svc-archive");
    let [finding] = findings[..] else { panic!("{findings:#?}") };
    assert!(finding.level >= RiskLevel::Medium, "{finding:#?}");
    assert!(
        has(finding, "DirectoryEnumeration") && has(finding, "UnfamiliarRequests"),
        "{:?}",
        finding.reasons
    );
    assert!(finding.detected < at(35, 14, 10), "after minutes, not after the hour: {}", finding.detected);
    assert!(
        finding.explanation.facts.iter().any(
            |fact| fact.contains("get /groups/{id}/members") || fact.contains("GET /groups/{id}/members")
        ),
        "{:#?}",
        finding.explanation
    );
    assert!(finding.event_ids.len() > 5, "{:?}", finding.event_ids);
    assert_eq!(judged.pages().len(), 1, "{:#?}", judged.findings);
}

#[test]
fn enumeration_by_the_same_application_from_elsewhere_is_high() {
    let judged = judge(
        archive(0..36)
            .sign_ins([at(35, 3, 0), at(35, 3, 30)], |look| look.address(FOREIGN_HOSTING).agent("curl/8.5.0"))
            .call_times(at(35, 3, 31)..at(35, 3, 50), 240, "GET", &ENUMERATION, |call| {
                call.address(FOREIGN_HOSTING).agent("curl/8.5.0")
            }),
    );
    let findings = api_findings(&judged, "svc-archive");
    assert!(findings.iter().any(|finding| finding.level == RiskLevel::High), "{findings:#?}");
}

#[test]
fn slow_enumeration_over_a_week_is_listed_at_least() {
    let slow = ENUMERATION.iter().enumerate().fold(archive(0..42), |scenario, (n, uri)| {
        let (day, hour) = (34 + n as i64 / 2, 9 + 4 * (n as i64 % 2));
        scenario.call_times(at(day, hour, 10)..at(day, hour, 20), 3, "GET", &[uri], |call| call)
    });
    let judged = judge(slow);
    assert!(!api_findings(&judged, "svc-archive").is_empty(), "{:#?}", judged.findings);
}

#[test]
fn a_burst_of_mail_reads_is_listed_and_a_burst_of_ordinary_reads_calls_nobody() {
    let mail = ["https://graph.microsoft.com/v1.0/users/{n}/mailFolders/inbox/messages/{n}"];
    let users = ["https://graph.microsoft.com/v1.0/users?$select=id&$top=100"];
    let burst = |uris: &[&str]| {
        judge(archive(0..36).call_times(at(35, 14, 5)..at(35, 14, 50), 12_000, "GET", uris, |call| call))
    };
    let ordinary = burst(&users);
    assert!(ordinary.pages().is_empty(), "{:#?}", ordinary.findings);
    let judged = burst(&mail);
    let findings = api_findings(&judged, "svc-archive");
    let loud = findings.iter().find(|finding| has(finding, "UnusualVolume"));
    // A thousand times the usual is a restore once in years, and by itself no more than that.
    assert_eq!(loud.map(|finding| finding.level), Some(RiskLevel::Low), "{:#?}", judged.findings);
}

#[test]
fn the_learnt_nightly_backup_and_a_new_month_of_it_stay_quiet() {
    let uris: Vec<&str> = ENUMERATION.iter().chain(&USUAL).copied().collect();
    let backup = tenant(0..60).principal("svc-backup", |usual| usual.address(CLOUD).key("k1")).calls_nightly(
        0..60,
        1,
        700,
        &uris,
        |call| call.roles("Directory.Read.All Mail.Read"),
    );
    let judged = judge(backup);
    assert_eq!(api_findings(&judged, "svc-backup").len(), 0, "{:#?}", judged.findings);
}

#[test]
fn the_hr_sync_with_its_start_of_month_stays_quiet() {
    let write = ["https://graph.microsoft.com/v1.0/users/{n}"];
    let mut sync = tenant(0..95).principal("svc-hr", |usual| usual.address(CLOUD).key("k1")).calls_nightly(
        0..95,
        3,
        20,
        &USUAL[..1],
        |call| call,
    );
    for month in 0..3 {
        let day = 2 + month * 30;
        sync = sync.call_times(at(day, 3, 35)..at(day, 3, 59), 800, "PATCH", &write, |call| call);
    }
    no_page("an HR sync", sync);
}

#[test]
fn a_backfill_is_medium_at_most_and_a_new_feature_calls_nobody() {
    let backfill =
        judge(archive(0..36).call_times(at(35, 8, 0)..at(35, 14, 0), 3_000, "GET", &USUAL, |call| call));
    assert!(
        backfill.findings.iter().all(|finding| finding.level <= RiskLevel::Medium),
        "{:#?}",
        backfill.findings
    );
    let feature = [
        "https://graph.microsoft.com/v1.0/users/{u}/calendar/events",
        "https://graph.microsoft.com/v1.0/users/{u}/contacts",
    ];
    let deployed = (30..45).fold(archive(0..45), |scenario, day| {
        scenario.call_times(at(day, 10, 0)..at(day, 18, 0), 30, "GET", &feature, |call| call)
    });
    no_page("a new feature", deployed);
}

#[test]
fn a_token_used_in_another_network_is_a_replay_and_pages() {
    // Issued to the archive at 14:00, used by it, and within minutes from rented servers abroad.
    let stolen = archive(0..36)
        .call_times(at(35, 14, 20)..at(35, 14, 30), 6, "GET", &USUAL, |call| call.address(FOREIGN_HOSTING));
    let judged = judge(stolen);
    let findings = api_findings(&judged, "svc-archive");
    let replay = findings.iter().find(|finding| has(finding, "TokenReplay"));
    let Some(replay) = replay else { panic!("{:#?}", judged.findings) };
    assert_eq!(replay.level, RiskLevel::High, "{replay:#?}");
    assert!(has(replay, "CredentialUsedInParallel"), "{:?}", replay.reasons);
}

#[test]
fn calls_that_always_leave_by_another_way_are_no_replay() {
    let split = tenant(0..40)
        .principal("svc-split", |usual| usual.address(crate::OFFICE).key("k1"))
        .calls_hourly(0..40, 4, &USUAL, |call| call.address(CLOUD));
    let judged = judge(split);
    let pages: Vec<_> = judged.pages().into_iter().filter(|finding| has(finding, "TokenReplay")).collect();
    assert!(pages.is_empty(), "{pages:#?}");
}

#[test]
fn a_removed_permission_that_a_token_still_carries_is_listed() {
    let judged = judge(archive(0..30).removes_app_role(
        at(29, 10, 0),
        crate::ADMIN,
        "svc-archive",
        "Microsoft Graph",
        "Mail.Read",
    ));
    let findings = api_findings(&judged, "svc-archive");
    let found = findings.iter().find(|finding| has(finding, "TokenRoleMismatch"));
    let Some(found) = found else { panic!("{:#?}", judged.findings) };
    assert_eq!(found.level, RiskLevel::Low);
}

#[test]
fn one_person_walking_through_the_directory_with_an_application_is_found_on_the_application() {
    let person = |scenario: Scenario, day: i64, user: &'static str, uris: &[&str], count: usize| {
        scenario.call_times(at(day, 10, 0)..at(day, 10, 30), count, "GET", uris, |call| {
            call.on_behalf_of(user, "Directory.Read.All").address(crate::OFFICE)
        })
    };
    let users = ["anna@contoso.example", "bruno@contoso.example", "chiara@contoso.example"];
    let base = || {
        (0..30).fold(
            tenant(0..31).principal("cli-tool", |usual| usual.address(crate::OFFICE)),
            |scenario, day| person(scenario, day, users[day as usize % 3], &USUAL[..1], 5),
        )
    };
    no_page("people at work", base());
    let judged = judge(person(base(), 30, users[1], &ENUMERATION, 60));
    let finding = judged.findings.iter().find(|finding| has(finding, "DelegatedToken"));
    let Some(finding) = finding else { panic!("{:#?}", judged.findings) };
    assert!(finding.level >= RiskLevel::Low && has(finding, "DirectoryEnumeration"), "{finding:#?}");
}

#[test]
fn the_legacy_directory_api_is_watched_too() {
    // What ROADrecon gathers.
    let legacy = [
        "users",
        "tenantDetails",
        "policies",
        "servicePrincipals",
        "groups",
        "groups/{n}/members",
        "applications",
        "devices",
        "directoryRoles",
        "roleDefinitions",
        "oauth2PermissionGrants",
        "administrativeUnits",
    ]
    .map(|collection| format!("/v2/{{t}}/{collection}"));
    let uris: Vec<&str> = legacy.iter().map(String::as_str).collect();
    let judged = judge(archive(0..36).call_times(
        at(35, 14, 5)..at(35, 14, 15),
        80,
        "GET",
        &uris,
        countersign_simulation::scenario::Request::legacy,
    ));
    let findings = api_findings(&judged, "svc-archive");
    assert!(findings.iter().any(|finding| finding.level >= RiskLevel::Medium), "{:#?}", judged.findings);
}
