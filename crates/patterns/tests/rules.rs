//! What rules match, which are refused, and what is said of the rest. Every rule here was written for these tests.

use std::borrow::Cow;

use countersign_model::event::{
    Actor, Address, Api, ApiActivity, DirectoryAudit, Event, ModifiedProperty, SignIn, SignInKind, Target,
};
use countersign_model::id::{AppId, EventId, Id, ServicePrincipalId, TenantId};
use countersign_model::source::Severity;
use countersign_model::time::{SECOND, Timestamp};
use countersign_patterns::{Rules, RulesSummary};

const START: i64 = 1_777_000_000;

fn id(text: &str) -> Id<'_> {
    Id::parse(text)
}

fn change<'a>(number: &'a str, seconds: i64, operation: &'a str) -> DirectoryAudit<'a> {
    DirectoryAudit {
        id: EventId(id(number)),
        time: Timestamp((START + seconds) * SECOND),
        tenant: TenantId(id("7c1f7a2e-0d0c-4c55-9a52-6f7f0f2f1a10")),
        operation: Cow::Borrowed(operation),
        category: Cow::Borrowed("ApplicationManagement"),
        succeeded: true,
        reason: Cow::Borrowed(""),
        initiated_by: Actor::User {
            id: id("6612f8c2-7c8e-45f1-9c25-2f1f2b1c7a01"),
            user_principal_name: Cow::Borrowed("admin@contoso.example"),
        },
        targets: vec![Target {
            id: id("3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11"),
            kind: Cow::Borrowed("ServicePrincipal"),
            name: Cow::Borrowed("Backup"),
            modified: vec![ModifiedProperty {
                name: Cow::Borrowed("ConsentContext.IsAdminConsent"),
                old: Cow::Borrowed(""),
                new: Cow::Borrowed("\"True\""),
            }],
        }],
        address: Address { ip: "203.0.113.9".parse().ok(), raw: Cow::Borrowed("") },
        user_agent: Cow::Borrowed(""),
        app: AppId::default(),
        correlation: Id::NONE,
    }
}

fn sign_in(number: &str, seconds: i64, error_code: u32) -> Event<'_> {
    Event::SignIn(SignIn {
        id: EventId(id(number)),
        time: Timestamp((START + seconds) * SECOND),
        tenant: TenantId(id("7c1f7a2e-0d0c-4c55-9a52-6f7f0f2f1a10")),
        service_principal: ServicePrincipalId(id("3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11")),
        error_code,
        resource_name: Cow::Borrowed("Azure Key Vault"),
        ..SignIn::empty(SignInKind::ServicePrincipal)
    })
}

fn call(number: &str, uri: &'static str) -> Event<'static> {
    Event::ApiActivity(ApiActivity {
        id: EventId(id(number).into_owned()),
        time: Timestamp(START * SECOND),
        api: Api::MicrosoftGraph,
        tenant: TenantId::default(),
        service_principal: ServicePrincipalId(id("3fdb2d30-06c4-4a33-9b4a-0d3a1c4d8a11").into_owned()),
        user: Id::NONE,
        app: AppId::default(),
        address: Address::default(),
        user_agent: Cow::Borrowed(""),
        method: Cow::Borrowed("GET"),
        uri: Cow::Borrowed(uri),
        status: 403,
        response_bytes: 0,
        roles: Cow::Borrowed(""),
        scopes: Cow::Borrowed(""),
        token: Cow::Borrowed(""),
    })
}

fn load(text: &str) -> (Rules, RulesSummary) {
    let mut builder = Rules::builder();
    builder.add_text("rules.yml", text);
    let rules = builder.build();
    let summary = rules.summary().clone();
    (rules, summary)
}

/// Loads one rule on a log with this selection.
fn one(service: &str, selection: &str) -> (Rules, RulesSummary) {
    load(&format!(
        "title: One\nlogsource:\n  product: azure\n  service: {service}\ndetection:\n  selection:\n{selection}\n  condition: selection\nlevel: high\n"
    ))
}

/// The only reason for which a rule is refused.
fn refusal(summary: &RulesSummary) -> &str {
    let [refused] = &summary.refused[..] else { panic!("{summary:?}") };
    assert_eq!(refused.file, "rules.yml");
    &refused.reason
}

fn titles(rules: &mut Rules, event: &Event<'_>) -> Vec<String> {
    rules.matches(event).into_iter().map(|found| found.title).collect()
}

#[test]
fn a_rule_on_one_event_says_who_wrote_it() {
    let (mut rules, summary) = load(
        "title: A key for a program\nid: 5f0e7b8a-0000-4000-8000-000000000001\nauthor: A. Nonymous\nlogsource:\n  product: azure\n  service: auditlogs\ndetection:\n  selection:\n    OperationName: Add service principal credentials\n    properties.targetType: service principal\n  condition: selection\nlevel: high\ntags:\n  - attack.t1098.001\n  - detection.threat-hunting\n",
    );
    assert_eq!((summary.loaded, summary.refused.len()), (1, 0), "{summary:?}");
    let event = Event::DirectoryAudit(change("1", 0, "Add service principal credentials"));
    let found = rules.matches(&event);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].title.as_str(), found[0].author.as_str(), found[0].severity),
        ("A key for a program", "A. Nonymous", Severity::High)
    );
    assert_eq!(found[0].id, "5f0e7b8a-0000-4000-8000-000000000001");
    assert_eq!(found[0].tags, ["attack.t1098.001"]);
    let other = Event::DirectoryAudit(change("2", 1, "Add service principal"));
    assert_eq!(rules.matches(&other), []);
}

#[test]
fn dashes_blanks_full_stops_and_letter_case_of_operations_do_not_matter() {
    for field in ["properties.message", "operationName", "ActivityDisplayName"] {
        for spelled in [
            "Update application – Certificates and secrets management ",
            "update application - certificates and secrets management",
            "Update application — Certificates and secrets management.",
        ] {
            let (mut rules, summary) = one("auditlogs", &format!("    {field}: '{spelled}'"));
            assert_eq!(summary.loaded, 1, "{summary:?}");
            let event = change("1", 0, "Update application - Certificates and secrets management");
            assert_eq!(titles(&mut rules, &Event::DirectoryAudit(event)), ["One"], "{field}: {spelled}");
        }
    }
    let (mut rules, _) =
        one("auditlogs", "    OperationName|endswith: '– Certificates and secrets management '");
    let event = change("1", 0, "Update application - Certificates and secrets management");
    assert_eq!(titles(&mut rules, &Event::DirectoryAudit(event)), ["One"]);
}

#[test]
fn properties_are_read_by_their_names_and_their_values_without_quotes() {
    for selection in [
        "    ConsentContext.IsAdminConsent: 'true'",
        "    ConsentContext.IsAdminConsent: true",
        "    properties.targetResources.modifiedProperties.newValue: 'True'",
        "    targetResources{}.modifiedProperties{}.newValue|contains: '\"True\"'",
        "    TargetResources|contains|all:\n      - IsAdminConsent\n      - Backup",
        "    InitiatedBy.user.userPrincipalName|endswith: '@contoso.example'",
        "    CallerIpAddress|cidr: 203.0.113.0/24",
    ] {
        let (mut rules, summary) = one("auditlogs", selection);
        assert_eq!(summary.loaded, 1, "{summary:?}");
        let event = Event::DirectoryAudit(change("1", 0, "Consent to application"));
        assert_eq!(titles(&mut rules, &event), ["One"], "{selection}");
    }
}

#[test]
fn why_a_change_failed_is_found_in_the_reason_and_among_the_properties() {
    let (mut rules, _) = one("auditlogs", "    failure_status_reason: 'contoso.online.NotAllowedExceptions'");
    let mut event = change("1", 0, "Consent to application");
    event.reason = Cow::Borrowed("Contoso.Online.NotAllowedException");
    assert_eq!(titles(&mut rules, &Event::DirectoryAudit(event)), ["One"]);
    let mut event = change("2", 1, "Consent to application");
    event.targets[0].modified[0].name = Cow::Borrowed("MethodExecutionResult.");
    event.targets[0].modified[0].new = Cow::Borrowed("\"Contoso.Online.NotAllowedException\"");
    assert_eq!(titles(&mut rules, &Event::DirectoryAudit(event)), ["One"]);
}

#[test]
fn a_rule_sees_its_own_log_alone() {
    let audit = Event::DirectoryAudit(change("1", 0, "Add service principal"));
    let failure = sign_in("2", 1, 7_000_215);
    let read = call("3", "https://graph.microsoft.com/v1.0/users");
    for (service, selection, wanted) in [
        ("auditlogs", "    Result: success", [1, 0, 0]),
        ("signinlogs", "    ResultType: 7000215\n    ResultDescription: Invalid client secret", [0, 1, 0]),
        ("signinlogs", "    ResultType: '7000215'", [0, 1, 0]),
        ("signinlogs", "    Status: Failure", [0, 1, 0]),
        ("serviceprincipalsigninlogs", "    ResultType: 7000215", [0, 1, 0]),
        ("managedidentitysigninlogs", "    ResultType: 7000215", [0, 0, 0]),
        (
            "microsoftgraphactivitylogs",
            "    RequestUri|contains: /users\n    ResponseStatusCode: 403",
            [0, 0, 1],
        ),
    ] {
        let (mut rules, summary) = one(service, selection);
        assert_eq!(summary.loaded, 1, "{summary:?}");
        let found = [&audit, &failure, &read].map(|event| rules.matches(event).len());
        assert_eq!(found, wanted, "{service}: {selection}");
    }
}

#[test]
fn rules_that_cannot_match_here_are_refused_with_the_reason() {
    for (service, selection, reason) in [
        (
            "signinlogs",
            "    DeviceDetail.trusttype: null\n    ResultType: 0",
            "field `DeviceDetail.trusttype` has no source",
        ),
        ("signinlogs", "    RiskState: atRisk", "field `RiskState` has no source"),
        (
            "riskdetection",
            "    riskEventType: leakedCredentials",
            "log source `azure/riskdetection` has no events",
        ),
        ("activitylogs", "    operationName: MICROSOFT.KEYVAULT/VAULTS/DELETE", "control plane"),
        ("activitylogs", "    Result: success", "control plane"),
        (
            "auditlogs",
            "    OperationName: Add user\n    UserPrincipalName: '<name of the account>'",
            "place-holder",
        ),
        (
            "auditlogs",
            "    properties.message: Update Application Sucess- Property Name AppAddress",
            "words about one",
        ),
        ("auditlogs", "    OperationName|re: '['", "regex"),
    ] {
        let (_, summary) = one(service, selection);
        assert_eq!(summary.loaded, 0);
        assert!(refusal(&summary).contains(reason), "{selection}: {}", refusal(&summary));
    }
    let (_, summary) = load(
        "title: Old\nlogsource:\n  product: azure\n  service: auditlogs\ndetection:\n  timeframe: 1h\n  selection:\n    OperationName: Add user\n  condition: selection | count() > 5\n",
    );
    assert_eq!(summary.loaded, 0);
}

#[test]
fn control_plane_rules_on_operations_of_the_directory_are_read() {
    let (mut rules, summary) = one("activitylogs", "    properties.message: Remove service principal");
    assert_eq!(summary.loaded, 1, "{summary:?}");
    let event = Event::DirectoryAudit(change("1", 0, "Remove service principal"));
    assert_eq!(titles(&mut rules, &event), ["One"]);
}

/// Three failures of one identity within five minutes, in these words behind the timespan.
fn counting(extra: &str) -> String {
    format!(
        "title: A failure\nname: failure\nlogsource:\n  product: azure\n  service: signinlogs\ndetection:\n  selection:\n    ResultType: 7000215\n  condition: selection\nlevel: low\n---\ntitle: Many failures\nauthor: A. Nonymous\ncorrelation:\n  type: event_count\n  rules:\n    - failure\n  group-by:\n    - ServicePrincipalId\n  timespan: 5m\n  condition:\n    gte: 3\n{extra}level: critical\n"
    )
}

#[test]
fn a_correlation_counts_in_event_time_and_speaks_for_its_rules() {
    let (mut rules, summary) = load(&counting(""));
    assert_eq!((summary.loaded, summary.refused.len()), (2, 0), "{summary:?}");
    let mut at = |number: &str, seconds| titles(&mut rules, &sign_in(number, seconds, 7_000_215));
    assert_eq!(at("1", 0), [] as [&str; 0]);
    assert_eq!(at("2", 60), [] as [&str; 0]);
    assert_eq!(at("3", 600), [] as [&str; 0], "the first two are out of the window");
    assert_eq!(at("4", 660), [] as [&str; 0]);
    assert_eq!(at("5", 720), ["Many failures"]);
    assert_eq!(at("6", 730), [] as [&str; 0], "complete once, and met again from the start");
}

#[test]
fn an_event_that_is_delivered_again_counts_once() {
    let (mut rules, _) = load(&counting(""));
    for _ in 0..5 {
        assert_eq!(titles(&mut rules, &sign_in("1", 0, 7_000_215)), [] as [&str; 0]);
    }
}

#[test]
fn tenants_are_counted_apart() {
    let (mut rules, _) = load(&counting(""));
    for (number, tenant) in [("1", "a"), ("2", "b"), ("3", "c"), ("4", "d")] {
        let Event::SignIn(mut event) = sign_in(number, 0, 7_000_215) else { unreachable!() };
        event.tenant = TenantId(id(tenant));
        assert_eq!(titles(&mut rules, &Event::SignIn(event)), [] as [&str; 0]);
    }
}

#[test]
fn values_are_counted_and_rules_follow_each_other() {
    let (mut rules, summary) = load(
        "title: A failure\nid: one\nlogsource:\n  product: azure\n  service: signinlogs\ndetection:\n  selection:\n    ResultType|gt: 0\n  condition: selection\n---\ntitle: Spray\ncorrelation:\n  type: value_count\n  rules: [one]\n  timespan: 1h\n  condition:\n    field: ServicePrincipalId\n    gte: 2\nlevel: high\n",
    );
    assert_eq!(summary.refused, [], "{summary:?}");
    assert_eq!(titles(&mut rules, &sign_in("1", 0, 50_126)), [] as [&str; 0]);
    assert_eq!(titles(&mut rules, &sign_in("2", 1, 50_126)), [] as [&str; 0], "the same identity");
    let Event::SignIn(mut other) = sign_in("3", 2, 50_126) else { unreachable!() };
    other.service_principal = ServicePrincipalId(id("another"));
    assert_eq!(titles(&mut rules, &Event::SignIn(other)), ["Spray"]);

    let (mut rules, summary) = load(
        "title: Key\nname: key\nlogsource:\n  product: azure\n  service: auditlogs\ndetection:\n  selection:\n    OperationName: Add service principal credentials\n  condition: selection\n---\ntitle: Role\nname: role\nlogsource:\n  product: azure\n  service: auditlogs\ndetection:\n  selection:\n    OperationName: Add member to role\n  condition: selection\n---\ntitle: Key, then role\ncorrelation:\n  type: temporal_ordered\n  rules: [key, role]\n  group-by: [InitiatedBy.user.userPrincipalName]\n  timespan: 10m\nlevel: high\n",
    );
    assert_eq!(summary.refused, [], "{summary:?}");
    let mut at = |number: &str, seconds, operation: &str| {
        titles(&mut rules, &Event::DirectoryAudit(change(number, seconds, operation)))
    };
    assert_eq!(at("1", 0, "Add member to role"), [] as [&str; 0]);
    assert_eq!(at("2", 10, "Add service principal credentials"), [] as [&str; 0], "the wrong way round");
    assert_eq!(at("3", 20, "Add member to role"), ["Key, then role"]);
}

#[test]
fn a_correlation_without_its_rules_is_refused_and_its_rules_stay_silent() {
    let text = counting("").replace("    - failure\n", "    - failure\n    - nowhere\n");
    let (mut rules, summary) = load(&text);
    assert_eq!(summary.loaded, 1);
    assert_eq!(refusal(&summary), "rests on `nowhere`, which is not loaded");
    assert_eq!(titles(&mut rules, &sign_in("1", 0, 7_000_215)), [] as [&str; 0]);
    let (_, summary) = load(&counting("").replace("gte: 3", "gte: 100000"));
    assert!(refusal(&summary).contains("100000"), "{summary:?}");
}

#[test]
fn fields_that_never_had_a_value_are_named_with_their_rules() {
    let (mut rules, _) = one("auditlogs", "    OperationName: Add user\n    Misspelled.Name: x");
    assert_eq!(
        rules.unmatched_fields().iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(),
        ["Misspelled.Name", "OperationName"]
    );
    rules.matches(&Event::DirectoryAudit(change("1", 0, "Add user")));
    assert_eq!(rules.unmatched_fields(), [("Misspelled.Name".to_owned(), vec!["One".to_owned()])]);
}

#[test]
fn a_damaged_rule_is_named_with_its_file_and_the_rest_goes_on() {
    let good = "title: Good\nlogsource:\n  product: azure\n  service: auditlogs\ndetection:\n  selection:\n    Result: success\n  condition: selection\n";
    let text = format!("title: Broken\nlogsource: [\n---\n{good}---\ntitle: Empty\n");
    let (mut rules, summary) = load(&text);
    assert_eq!(summary.loaded, 1);
    let refused: Vec<(&str, &str)> =
        summary.refused.iter().map(|refused| (refused.file.as_str(), refused.title.as_str())).collect();
    assert_eq!(refused, [("rules.yml", "Broken"), ("rules.yml", "Empty")]);
    assert!(summary.refused.iter().all(|refused| !refused.reason.is_empty()));
    let event = Event::DirectoryAudit(change("1", 0, "Add user"));
    assert_eq!(titles(&mut rules, &event), ["Good"]);
}

#[test]
fn the_same_rule_twice_is_one() {
    let mut builder = Rules::builder();
    let text = counting("");
    let first = builder.add_text("a.yml", &text);
    let second = builder.add_text("b.yml", &text);
    assert_eq!((first.loaded, first.refused.len()), (2, 0));
    assert_eq!(second.refused.len(), 1, "{second:?}");
    let rules = builder.build();
    assert_eq!(rules.summary().loaded, 2);
    assert!(rules.summary().refused.iter().all(|refused| refused.file == "b.yml"), "{:?}", rules.summary());
}

proptest::proptest! {
    #[test]
    fn no_text_panics(pieces in proptest::collection::vec(proptest::sample::select(vec![
        "title: x\n", "logsource:\n", "  product: azure\n", "  service: auditlogs\n", "detection:\n", "  a:\n",
        "    OperationName: y\n", "    - z\n", "  condition: a\n", "---\n", "correlation:\n", "  type: event_count\n",
        "  rules: [x]\n", "action: global\n", "[", "{", "\u{2013}", "'", "\"", ": ", "*", "&a ", "*a\n", "level: high\n",
    ]), 0..30)) {
        let (mut rules, _) = load(&pieces.concat());
        rules.matches(&Event::DirectoryAudit(change("1", 0, "y")));
    }
}
