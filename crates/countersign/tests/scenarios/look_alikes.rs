//! Every harmless row of the detection design's section 7 that is not held by a test beside its detection: none calls
//! anybody.

use std::ops::Range;

use countersign_model::risk::RiskLevel;
use countersign_simulation::scenario::{By, Scenario, at};

use crate::api_traffic::{ENUMERATION, USUAL, archive};
use crate::directory_changes::administered;
use crate::{ADMIN, CLOUD, CLOUD_NEXT, OFFICE, OFFICE_NEXT, judge, no_page, tenant};

#[test]
fn a_scale_set_of_own_runners() {
    let pool = (0..45).flat_map(|day| (0..6).map(move |run| (at(day, 7 + run, 10), run)));
    let runners = pool.fold(
        tenant(0..45).principal("gl-runner", |usual| usual.address(CLOUD).key("k1")),
        |scenario, (time, run)| {
            let address = format!("4.185.1.{}", 20 + (time.day() * 7 + run) % 30);
            scenario.sign_in(time, |look| look.address(&address))
        },
    );
    no_page("a scale set", runners);
}

#[test]
fn a_vendor_that_moves_to_another_cloud() {
    let vendor = |scenario: Scenario, number: i64| {
        let (name, key) = (format!("Vendor app {number}"), format!("vendor-{number}"));
        scenario.principal(&name, |usual| usual.address("57.129.1.10").key(&key)).polls(0..30, 4).polls_as(
            30..45,
            4,
            |look| look.address("3.120.1.10"),
        )
    };
    let moved = (0..3).fold(tenant(0..45), vendor);
    no_page("a vendor's move", moved);
}

#[test]
fn the_rotation_of_a_certificate() {
    let rotated = tenant(0..45)
        .principal("svc-cert", |usual| usual.address(OFFICE).certificate("c1"))
        .polls(0..30, 4)
        .adds_certificate(at(30, 9, 0), ADMIN, "c2", "svc-cert")
        .polls_as(30..45, 4, |look| look.certificate("c2"));
    no_page("a certificate", rotated);
}

#[test]
fn autoscaling() {
    let scaled = (0..40).fold(archive(0..36), |scenario, copy| {
        scenario.sign_in(at(35, 10, copy), |look| look.address(CLOUD_NEXT))
    });
    let scaled =
        scaled.call_times(at(35, 10, 0)..at(35, 11, 0), 120, "GET", &USUAL, |call| call.address(CLOUD_NEXT));
    no_page("autoscaling", scaled);
}

#[test]
fn the_blue_team_that_enumerates_on_schedule() {
    let weekly = (0..9).fold(
        tenant(0..63).principal("blue-team", |usual| usual.address(OFFICE).key("k1")),
        |scenario, week| {
            scenario.calls_nightly(week * 7 + 5..week * 7 + 6, 2, 600, &ENUMERATION, |call| call)
        },
    );
    let judged = judge(weekly);
    let late: Vec<_> = judged.pages().into_iter().filter(|finding| finding.activity > at(25, 0, 0)).collect();
    assert!(late.is_empty(), "a schedule that is known: {late:#?}");
}

#[test]
fn a_deployment_by_terraform() {
    let deployment = |days: Range<i64>| {
        let base = administered(0..60).principal("sp-terraform", |usual| usual.address(CLOUD).key("tf"));
        days.step_by(5).fold(base, |scenario, day| {
            let app = format!("svc-tf-{day}");
            let by = || By::application("sp-terraform");
            scenario
                .registers(at(day, 10, 0), by(), &app)
                .assigns_app_role(at(day, 10, 1), by(), &app, "Microsoft Graph", "User.Read.All")
                .adds_credential(at(day, 10, 2), by(), &format!("tf-{day}"), &app)
        })
    };
    let judged = judge(deployment(0..60));
    let late: Vec<_> = judged.pages().into_iter().filter(|finding| finding.activity > at(20, 0, 0)).collect();
    assert!(late.is_empty(), "{late:#?}");
}

#[test]
fn bulk_changes_by_human_resources_at_the_start_of_a_term() {
    let judged = judge(administered(0..60).updates_users(at(58, 4, 0), By::application("svc-hr"), 5_000));
    assert!(judged.findings.is_empty(), "{:#?}", judged.findings);
}

#[test]
fn the_roll_out_of_ipv6() {
    let dual = tenant(0..45)
        .principal("svc-dual", |usual| usual.address(OFFICE).key("k1"))
        .polls(0..45, 4)
        .polls_as(30..45, 3, |look| look.address("2003:40::10"));
    no_page("IPv6", dual);
}

#[test]
fn a_pen_test_that_tries_secrets_says_nothing_of_the_identities_and_is_told() {
    let tried = (0..12).fold(tenant(0..40), |scenario, number| {
        let (name, key) = (format!("svc-tried-{number}"), format!("tried-{number}"));
        scenario
            .principal(&name, |usual| usual.address(OFFICE_NEXT).key(&key))
            .polls(0..40, 8)
            .sign_in(at(38, 3, number), |look| look.address(crate::FOREIGN_HOSTING).failed(7_000_215))
    });
    let judged = no_page("a pen test", tried);
    assert!(judged.findings.iter().all(|finding| finding.level <= RiskLevel::Low), "{:#?}", judged.findings);
    assert!(
        judged.notices.iter().any(|notice| notice.text.contains("key spraying")),
        "{:#?}",
        judged.notices
    );
}

#[test]
fn a_quarterly_job_wakes_as_it_always_does() {
    let quarterly = tenant(0..400)
        .principal("job-quarter", |usual| usual.address(OFFICE).key("k1"))
        .sign_ins((0..5).map(|quarter| at(quarter * 92, 2, 30)), |look| look);
    no_page("a quarterly job", quarterly);
}

#[test]
fn a_forgotten_identity_that_wakes_is_listed() {
    let judged = judge(
        tenant(0..200)
            .principal("svc-legacy", |usual| usual.address(OFFICE).key("k1"))
            .polls(0..40, 6)
            .sign_ins([at(190, 3, 0), at(190, 4, 0)], |look| look.address(crate::FOREIGN_HOSTING)),
    );
    let findings = judged.of("svc-legacy");
    assert!(
        findings.iter().any(|finding| finding.reasons.iter().any(|reason| reason == "DormantAwakening")
            && finding.level >= RiskLevel::Medium),
        "{:#?}",
        judged.findings
    );
}

#[test]
fn owners_and_names_that_change() {
    let renamed = administered(0..60)
        .adds_owner(at(50, 9, 0), ADMIN, "svc-payroll", "bruno@contoso.example")
        .sets_verified_publisher(at(51, 9, 0), ADMIN, "svc-payroll");
    no_page("a merger", renamed);
}
