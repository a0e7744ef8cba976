//! Sign-ins.

use std::ops::Range;

use countersign_enrichment::{Enricher, Sources, ThreatIntelligence};
use countersign_model::finding::Finding;
use countersign_model::id::{ServicePrincipalId, TenantId};
use countersign_model::risk::{RiskEventType, RiskLevel, RiskState};
use countersign_model::time::Timestamp;
use countersign_simulation::scenario::{Scenario, at, service_principal_id, tenant_id};

use crate::{
    ADMIN, CLOUD, CLOUD_ABROAD, CLOUD_NEXT, FOREIGN_HOSTING, HOME, OFFICE, OFFICE_NEXT, embedded, judge,
    judge_lines, no_page, tenant,
};

/// The tenant with one more identity, in the office.
fn payroll(days: Range<i64>) -> Scenario {
    tenant(days.clone()).principal("svc-payroll", |usual| usual.address(OFFICE).key("k1")).polls(days, 4)
}

/// The tenant with some identities that share an address in the office.
fn sharing(days: Range<i64>, also: impl Fn(Scenario, i64) -> Scenario) -> Scenario {
    (0..4).fold(tenant(0..45), |scenario, number| {
        let key = format!("shared-{number}");
        let scenario = scenario
            .principal(&format!("svc-shared-{number}"), |usual| usual.address(OFFICE_NEXT).key(&key))
            .polls(days.clone(), 4);
        also(scenario, number)
    })
}

#[test]
fn a_stolen_secret_used_from_foreign_hosting_beside_the_workload_is_high() {
    let thefts = [at(30, 3, 12), at(30, 3, 40), at(30, 9, 2)];
    let judged =
        judge(payroll(0..35).sign_ins(thefts, |look| look.address(FOREIGN_HOSTING).agent("curl/8.5.0")));
    let [finding] = judged.of("svc-payroll")[..] else { panic!("{:#?}", judged.findings) };
    assert_eq!((finding.risk_event_type, finding.level), (RiskEventType::SuspiciousSignins, RiskLevel::High));
    assert!(
        finding.reasons.iter().any(|reason| reason == "CredentialUsedInParallel"),
        "{:?}",
        finding.reasons
    );
    assert!(finding.explanation.facts.iter().any(|fact| fact.contains("two holders of one credential")));
    assert_eq!((finding.events, finding.event_ids.len()), (3, 3));
    assert_eq!(judged.pages().len(), 1, "nobody else is called about");
    let risky = judged.detector.risky();
    assert_eq!((risky[0].risk.level, risky[0].risk.state), (RiskLevel::High, RiskState::AtRisk));
}

#[test]
fn removing_the_stolen_credential_and_a_quiet_week_remediate() {
    let stolen = |days: Range<i64>| {
        payroll(days)
            .sign_ins([at(30, 3, 12), at(30, 9, 2)], |look| look.address(FOREIGN_HOSTING))
            .adds_credential(at(31, 9, 0), ADMIN, "k2", "svc-payroll")
            .removes_credential(at(31, 10, 0), ADMIN, "k1", "svc-payroll")
            .polls_as(31..45, 4, |look| look.key("k2"))
    };
    let risky = judge(stolen(0..31)).detector.risky();
    assert_eq!(
        (risky[0].risk.level, risky[0].risk.state),
        (RiskLevel::None, RiskState::Remediated),
        "{risky:#?}"
    );
}

#[test]
fn github_hosted_runners_raise_no_page() {
    let runner = tenant(0..45)
        .principal("gh-deploy", |usual| {
            usual.federated("repo:contoso/web").agent("azsdk-python-identity/1.16.0")
        })
        .runs_on_hosted_runners(0..45, 6);
    no_page("a hosted runner", runner);
}

#[test]
fn a_rotation_that_the_audit_log_announces_raises_no_finding() {
    let rotated = payroll(0..35).adds_credential(at(32, 9, 0), ADMIN, "k2", "svc-payroll").polls_as(
        32..45,
        4,
        |look| look.key("k2"),
    );
    let judged = judge(rotated);
    assert_eq!(judged.of("svc-payroll").len(), 0, "{:#?}", judged.findings);
}

#[test]
fn identities_that_change_their_way_out_together_are_one_notice_and_no_page() {
    no_page(
        "a change of egress",
        sharing(0..30, |scenario, _| scenario.polls_as(30..45, 4, |look| look.address("87.130.9.9"))),
    );
    let abroad = |look: countersign_simulation::scenario::Look| look.address(FOREIGN_HOSTING);
    let judged = no_page(
        "a change of egress abroad",
        sharing(0..30, |scenario, _| scenario.polls_as(30..45, 4, abroad)),
    );
    assert_eq!(judged.notices.len(), 1, "{:#?}", judged.notices);
    assert_eq!(judged.notices[0].service_principals.len(), 4);
}

#[test]
fn many_secrets_used_from_one_new_source_while_the_workloads_go_on_are_high_each() {
    let judged = judge(sharing(0..45, |scenario, number| {
        scenario.sign_ins([at(35, 3, number), at(35, 4, number)], |look| look.address(FOREIGN_HOSTING))
    }));
    let high: Vec<_> = judged.findings.iter().filter(|finding| finding.level == RiskLevel::High).collect();
    assert_eq!(high.len(), 4, "{:#?}", judged.findings);
    assert!(
        high.iter()
            .all(|finding| finding.reasons.iter().any(|reason| reason == "ManyPrincipalsFromOneSource"))
    );
}

#[test]
fn an_sdk_upgrade_raises_no_page() {
    for agent in ["python-requests/2.33.0", "python-requests/3.0.1", "azsdk-net-Identity/1.14.0"] {
        no_page(agent, payroll(0..30).polls_as(30..45, 4, |look| look.agent(agent)));
    }
}

#[test]
fn a_monthly_job_raises_no_page() {
    let monthly = tenant(0..150)
        .principal("job-ledger-close", |usual| usual.address(OFFICE).key("k1"))
        .sign_ins((0..5).map(|month| at(month * 30, 2, 30)), |look| look);
    no_page("a monthly job", monthly);
}

#[test]
fn fail_over_blue_green_and_deployments_raise_no_page() {
    let steady =
        || tenant(0..45).principal("svc-cloud", |usual| usual.address(CLOUD).key("k1")).polls(0..45, 4);
    let some_hours = || (0..6).map(|hour| at(35, 6 + hour, 7));
    no_page("a fail-over", steady().sign_ins(some_hours(), |look| look.address(CLOUD_ABROAD)));
    no_page(
        "blue-green",
        steady().sign_ins(some_hours(), |look| look.address(CLOUD_NEXT).agent("python-requests/3.1")),
    );
    let runs = (0..40).map(|run| at(35 + run / 4, (run % 4) * 6, 9));
    let mail = "Office 365 Exchange Online";
    let deployed = steady().assigns_app_role(at(34, 9, 0), ADMIN, "svc-cloud", mail, "Mail.Send");
    no_page(
        "a deployment",
        deployed.sign_ins(runs, |look| look.resource(mail).agent("azsdk-net-Identity/1.14.0")),
    );
}

#[test]
fn a_switch_to_long_lived_tokens_and_a_shift_of_the_clock_raise_no_finding() {
    let judged = judge(
        payroll(0..30)
            .sign_ins((30..60).map(|day| at(day, 7, 0)), countersign_simulation::scenario::Look::long_lived)
            .principal("job-nightly", |usual| usual.address(OFFICE_NEXT).key("k2"))
            .sign_ins((0..28).map(|day| at(day, 2, 0)), |look| look)
            .sign_ins((28..60).map(|day| at(day, 1, 0)), |look| look),
    );
    assert_eq!(judged.findings.len(), 0, "{:#?}", judged.findings);
}

#[test]
fn a_colleague_at_the_companys_own_exit_is_listed_and_calls_nobody() {
    let by_hand = tenant(0..45)
        .principal("svc-cloud", |usual| usual.address(CLOUD).key("k1"))
        .polls(0..45, 4)
        .sign_ins([at(36, 9, 0), at(36, 10, 30), at(36, 15, 10)], |look| {
            look.address(OFFICE).agent("azure-cli/2.60.0")
        });
    let judged = no_page("a developer in the office", by_hand);
    assert!(!judged.of("svc-cloud").is_empty(), "but it is listed");
}

#[test]
fn whoever_comes_from_where_people_live_brings_their_own_software() {
    let evidence = |address: &'static str, agent: &'static str, times: [Timestamp; 3]| {
        let judged = judge(
            tenant(0..45)
                .principal("svc-cloud", |usual| usual.address(CLOUD).key("k1"))
                .polls(0..45, 4)
                .sign_ins(times, |look| look.address(address).agent(agent)),
        );
        let [finding] = judged.of("svc-cloud")[..] else { panic!("{agent}: {:#?}", judged.findings) };
        let of = |dimension: &str| {
            finding
                .evidence
                .iter()
                .find(|evidence| evidence.dimension == dimension)
                .map(|evidence| evidence.ln)
        };
        (of("agent").unwrap(), of("parallelUse"))
    };
    let (by_day, by_night) = ([9, 10, 15], [21, 22, 23]);
    let times = |hours: [i64; 3]| hours.map(|hour| at(36, hour, 5));
    let (agent, parallel) = evidence(HOME, "azure-cli/2.60.0", times(by_day));
    assert!(agent <= 0.0 && parallel.is_none(), "a person at work: {agent}, {parallel:?}");
    let (agent, parallel) = evidence(HOME, "Go-http-client/2.0", times(by_night));
    assert!(agent <= 0.0 && parallel.is_some(), "a script at night: {agent}, {parallel:?}");
    let (agent, parallel) = evidence(FOREIGN_HOSTING, "Go-http-client/2.0", times(by_day));
    assert!(agent > 1.0 && parallel.is_some(), "a rented server: {agent}, {parallel:?}");
}

#[test]
fn a_hardly_known_identity_is_never_above_medium() {
    let judged = judge(
        tenant(0..45)
            .principal("svc-new", |usual| usual.address(OFFICE).key("k1"))
            .sign_ins([at(40, 8, 0), at(41, 8, 0)], |look| look)
            .sign_ins([at(41, 20, 0), at(41, 21, 0)], |look| {
                look.address(FOREIGN_HOSTING).agent("curl/8.5.0")
            }),
    );
    assert!(
        judged.of("svc-new").iter().all(|finding| finding.level <= RiskLevel::Medium),
        "{:#?}",
        judged.findings
    );
}

#[test]
fn a_failed_attempt_with_a_wrong_secret_says_nothing_of_the_identity() {
    let attempts = (0..20).map(|minute| at(35, 3, minute));
    let judged =
        judge(payroll(0..40).sign_ins(attempts, |look| look.address(FOREIGN_HOSTING).failed(7_000_215)));
    assert_eq!(judged.findings.len(), 0, "{:#?}", judged.findings);
    let (tenant, principal) = (tenant_id(), service_principal_id("svc-payroll"));
    let knows = |ip: &str| {
        let (tenant, principal) = (TenantId::parse(&tenant), ServicePrincipalId::parse(&principal));
        judged.detector.knows_source(&tenant, &principal, ip.parse().unwrap())
    };
    assert_eq!(
        (knows(OFFICE), knows(FOREIGN_HOSTING)),
        (Some(true), Some(false)),
        "nor does it teach anything"
    );
}

#[test]
fn a_managed_identity_is_seen_through_its_calls() {
    let users = "https://graph.microsoft.com/v1.0/users";
    let call = |scenario: Scenario, time: Timestamp, address: &str, agent: &str| {
        let scenario = scenario.sign_in(time, |look| look);
        scenario.calls(time.plus(60_000_000), "GET", users, |look| look.address(address).agent(agent))
    };
    let usual = |scenario: Scenario, days: Range<i64>| {
        days.flat_map(|day| (0..4).map(move |run| at(day, run * 6, 5)))
            .fold(scenario, |scenario, time| call(scenario, time, CLOUD, "azsdk-python-identity/1.16.0"))
    };
    let begun = usual(tenant(0..40).managed_identity("vm-billing", |usual| usual), 0..35);
    let judged = judge(usual(call(begun, at(35, 3, 0), FOREIGN_HOSTING, "curl/8.5.0"), 35..40));
    let findings = judged.of("vm-billing");
    assert!(findings.iter().any(|finding| finding.level >= RiskLevel::Medium), "{:#?}", judged.findings);
}

#[test]
fn threat_intelligence_counts_when_it_is_new_for_the_identity() {
    let mut feed = ThreatIntelligence::builder();
    let csv = format!("indicator,type,confidence\n{FOREIGN_HOSTING},ipv4,90\n");
    feed.add_file("feed.csv", csv.as_bytes(), at(40, 0, 0)).unwrap();
    let enricher = Enricher { sources: Sources::embedded(), intelligence: feed.build() };

    let once = payroll(0..40).sign_in(at(35, 3, 0), |look| look.address(FOREIGN_HOSTING));
    let judged = judge_lines(once.into_records(), &enricher);
    let kinds: Vec<RiskEventType> =
        judged.of("svc-payroll").iter().map(|finding| finding.risk_event_type).collect();
    assert!(kinds.contains(&RiskEventType::InvestigationsThreatIntelligence), "{:#?}", judged.findings);

    let always = tenant(0..40)
        .principal("svc-abroad", |usual| usual.address(FOREIGN_HOSTING).key("k1"))
        .polls(0..40, 4);
    let judged = judge_lines(always.into_records(), &enricher);
    assert_eq!(judged.of("svc-abroad").len(), 0, "{:#?}", judged.findings);
}

#[test]
fn the_same_events_twice_change_nothing() {
    let scenario =
        || payroll(0..35).sign_ins([at(30, 3, 12), at(30, 9, 2)], |look| look.address(FOREIGN_HOSTING));
    let once = judge(scenario()).findings;
    let twice = scenario().into_records().into_iter().chain(scenario().into_records());
    assert_eq!(once, judge_lines(twice, embedded()).findings);
    assert!(!once.is_empty());
}

#[test]
fn nothing_crosses_from_one_tenant_to_another() {
    let scenario =
        || payroll(0..35).sign_ins([at(30, 3, 12), at(30, 9, 2)], |look| look.address(FOREIGN_HOSTING));
    // A second tenant in which the foreign source is usual for everybody, with object ids and event ids of the first.
    let other = (0..6).fold(Scenario::new(1), |scenario, number| {
        let name = format!("svc-steady-{number}");
        scenario.principal(&name, |usual| usual.address(FOREIGN_HOSTING).key("k")).polls(0..35, 4)
    });
    let id = tenant_id();
    let others = other.into_records().into_iter().map(|line| {
        let line = String::from_utf8(line).unwrap();
        line.replace(&id, "0d0c7a2e-7c1f-4c55-9a52-6f7f0f2f1a10").into_bytes()
    });
    let both = judge_lines(scenario().into_records().into_iter().chain(others), embedded());
    let beside: Vec<Finding> = both.findings.into_iter().filter(|finding| finding.tenant == id).collect();
    assert_eq!(judge(scenario()).findings, beside);
}
