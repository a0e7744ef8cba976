use serde_json::json;

use super::*;
use crate::document::complete;
use crate::location::Area;

const PAYROLL: Uuid = Uuid::from_u128(0x0000_00a1_1111_4111_8111_1111_1111_1111);
const OFFICE: Uuid = Uuid::from_u128(0x0000_00c1_1111_4111_8111_1111_1111_1111);

fn good() -> Json {
    json!({
        "id": "0000d001-1111-4111-8111-111111111111",
        "displayName": "Block risky payroll",
        "state": "enabled",
        "conditions": {
            "applications": {"includeApplications": ["All"], "excludeApplications": []},
            "clientApplications": {"includeServicePrincipals": [PAYROLL], "excludeServicePrincipals": []},
            "servicePrincipalRiskLevels": ["high", "none"],
            "locations": {"includeLocations": ["All"], "excludeLocations": [OFFICE, "AllTrusted"]},
        },
        "grantControls": {"operator": "OR", "builtInControls": ["block"]},
    })
}

/// The good policy with another value at a path such as `/conditions/users`.
fn changed(path: &str, value: &Json) -> Map<String, Json> {
    let mut policy = good();
    let (parent, name) = path.rsplit_once('/').unwrap();
    let members = policy.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    members.insert(name.to_owned(), value.clone());
    policy.as_object().unwrap().clone()
}

fn without(path: &str) -> Map<String, Json> {
    let mut policy = good();
    let (parent, name) = path.rsplit_once('/').unwrap();
    policy.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
    policy.as_object().unwrap().clone()
}

fn read(path: &str, value: &Json) -> Policy {
    Policy::read(&changed(path, value)).unwrap()
}

/// Refused as it was posted and as it would be kept, and for the same member.
fn refused(policy: &Map<String, Json>) -> Invalid {
    let invalid = Policy::read(policy).unwrap_err();
    assert_eq!(Policy::read(&complete(policy)).unwrap_err(), invalid);
    invalid
}

#[test]
fn a_policy_is_read() {
    let expected = Policy {
        id: Uuid::from_u128(0x0000_d001_1111_4111_8111_1111_1111_1111),
        display_name: "Block risky payroll".to_owned(),
        state: State::Enabled,
        clients: Clients { include: vec![PAYROLL], ..Clients::default() },
        applications: Applications { includes_all: true, ..Applications::default() },
        risk_levels: vec![RiskLevel::High, RiskLevel::None],
        locations: Some(Locations {
            include: Places { everywhere: true, ..Places::default() },
            exclude: Places { trusted: true, named: vec![OFFICE], ..Places::default() },
        }),
    };
    let good = good().as_object().unwrap().clone();
    assert_eq!(Policy::read(&good), Ok(expected.clone()));
    assert_eq!(Policy::read(&complete(&good)), Ok(expected));
}

#[test]
fn what_may_be_said_is_read() {
    for (text, state) in [
        ("enabled", State::Enabled),
        ("disabled", State::Disabled),
        ("enabledForReportingButNotEnforced", State::ReportOnly),
    ] {
        assert_eq!(read("/state", &json!(text)).state, state);
        assert_eq!(state.as_str(), text);
    }
    assert_eq!(Policy::read(&without("/conditions/locations")).unwrap().locations, None);
    assert_eq!(read("/conditions/locations", &Json::Null).locations, None);
    let clients = json!({
        "includeServicePrincipals": ["ServicePrincipalsInMyTenant", PAYROLL],
        "servicePrincipalFilter": {"mode": "exclude", "rule": "CustomSecurityAttribute.Ops.Zone -eq \"lab\""},
        "countersignScope": ["managedIdentities", "multiTenantApplications"],
    });
    let clients = read("/conditions/clientApplications", &clients).clients;
    assert!(clients.includes_everybody);
    assert_eq!(clients.include, [PAYROLL]);
    assert_eq!(clients.filter.unwrap().mode, FilterMode::Exclude);
    assert_eq!(clients.scope, [Extension::ManagedIdentities, Extension::MultiTenantApplications]);
    // An including filter alone says whom.
    let filter = json!({"mode": "include", "rule": "CustomSecurityAttribute.Ops.Zone -eq \"lab\""});
    let clients = json!({"includeServicePrincipals": [], "servicePrincipalFilter": filter});
    assert!(read("/conditions/clientApplications", &clients).clients.include.is_empty());
}

#[test]
fn what_matches_nothing_here_is_accepted() {
    for applications in [
        json!({"includeApplications": ["None"]}),
        json!({"includeApplications": ["Office365"], "excludeApplications": ["MicrosoftAdminPortals"]}),
        json!({"includeAuthenticationContextClassReferences": ["c1", "c99"]}),
    ] {
        assert_eq!(read("/conditions/applications", &applications).applications, Applications::default());
    }
    let nowhere = json!({"includeLocations": ["00000000-0000-0000-0000-000000000000"]});
    assert_eq!(read("/conditions/locations", &nowhere).locations, Some(Locations::default()));
}

#[test]
fn what_says_nothing_of_people_is_accepted() {
    for (path, value) in [
        ("/conditions/users", json!(null)),
        ("/conditions/users", json!({"includeUsers": ["None"]})),
        (
            "/conditions/users",
            json!({"includeUsers": ["None"], "excludeUsers": [], "includeGuestsOrExternalUsers": null}),
        ),
        ("/conditions/userRiskLevels", json!([])),
        ("/conditions/clientAppTypes", json!(["all"])),
        ("/conditions/platforms", json!(null)),
        ("/sessionControls", json!(null)),
        ("/sessionControls", json!({"signInFrequency": null})),
        ("/conditions/@odata.type", json!("#microsoft.graph.conditionalAccessConditionSet")),
        ("/grantControls/operator", json!("and")),
        ("/grantControls/authenticationStrength@odata.context", json!("https://graph.example/$metadata")),
        ("/conditions/clientApplications/includeAgentIdServicePrincipals", json!([])),
    ] {
        assert!(Policy::read(&changed(path, &value)).is_ok(), "{path} {value}");
    }
}

#[test]
fn what_is_missing_is_named() {
    for (policy, member) in [
        (without("/displayName"), "displayName"),
        (without("/state"), "state"),
        (without("/id"), "id"),
        (without("/conditions"), "conditions"),
        (changed("/conditions", &Json::Null), "conditions"),
        (without("/conditions/applications"), "conditions.applications"),
        (changed("/conditions/applications", &Json::Null), "conditions.applications"),
        (without("/conditions/clientApplications"), "conditions.clientApplications"),
        (without("/grantControls"), "grantControls"),
        (changed("/grantControls", &Json::Null), "grantControls"),
        (changed("/displayName", &json!("")), "displayName"),
        (changed("/grantControls/builtInControls", &json!([])), "grantControls.builtInControls"),
        (
            changed("/conditions/applications/includeApplications", &json!([])),
            "conditions.applications.includeApplications",
        ),
        (
            changed("/conditions/clientApplications/includeServicePrincipals", &json!([])),
            "conditions.clientApplications.includeServicePrincipals",
        ),
        (
            changed(
                "/conditions/clientApplications",
                &json!({"servicePrincipalFilter": {"mode": "exclude", "rule": "CustomSecurityAttribute.A.B -eq \"c\""}}),
            ),
            "conditions.clientApplications.includeServicePrincipals",
        ),
        (
            changed(
                "/conditions/locations",
                &json!({"includeLocations": [], "excludeLocations": ["AllTrusted"]}),
            ),
            "conditions.locations.includeLocations",
        ),
        (
            changed("/conditions/locations", &json!({"excludeLocations": ["AllTrusted"]})),
            "conditions.locations.includeLocations",
        ),
        (
            changed(
                "/conditions/clientApplications/servicePrincipalFilter",
                &json!({"rule": "CustomSecurityAttribute.A.B -eq \"c\""}),
            ),
            "conditions.clientApplications.servicePrincipalFilter.mode",
        ),
        (
            changed("/conditions/clientApplications/servicePrincipalFilter", &json!({"mode": "include"})),
            "conditions.clientApplications.servicePrincipalFilter.rule",
        ),
    ] {
        let invalid = refused(&policy);
        assert_eq!((invalid.code, invalid.member.as_str()), (Code::Incomplete, member), "{invalid}");
        assert!(invalid.to_string().starts_with("1011: '") && invalid.text.contains(member), "{invalid}");
    }
}

#[test]
fn what_nothing_would_enforce_is_named() {
    for (path, value, member) in [
        ("/conditions/users", json!({"includeUsers": ["All"]}), "conditions.users.includeUsers"),
        ("/conditions/users", json!({"includeGroups": [PAYROLL]}), "conditions.users.includeGroups"),
        (
            "/conditions/users",
            json!({"includeGuestsOrExternalUsers": {"guestOrExternalUserTypes": "b2bCollaborationGuest"}}),
            "conditions.users.includeGuestsOrExternalUsers",
        ),
        ("/conditions/userRiskLevels", json!(["high"]), "conditions.userRiskLevels"),
        ("/conditions/signInRiskLevels", json!(["high"]), "conditions.signInRiskLevels"),
        ("/conditions/insiderRiskLevels", json!("minor"), "conditions.insiderRiskLevels"),
        ("/conditions/platforms", json!({"includePlatforms": ["all"]}), "conditions.platforms"),
        ("/conditions/devices", json!({"includeDevices": ["All"]}), "conditions.devices"),
        (
            "/conditions/authenticationFlows",
            json!({"transferMethods": "deviceCodeFlow"}),
            "conditions.authenticationFlows",
        ),
        ("/conditions/agentIdRiskLevels", json!("high"), "conditions.agentIdRiskLevels"),
        ("/conditions/clientAppTypes", json!(["browser"]), "conditions.clientAppTypes"),
        (
            "/conditions/applications/includeUserActions",
            json!(["urn:user:registerdevice"]),
            "conditions.applications.includeUserActions",
        ),
        (
            "/conditions/applications/applicationFilter",
            json!({"mode": "include", "rule": "CustomSecurityAttribute.A.B -eq \"c\""}),
            "conditions.applications.applicationFilter",
        ),
        (
            "/conditions/clientApplications/includeAgentIdServicePrincipals",
            json!(["All"]),
            "conditions.clientApplications.includeAgentIdServicePrincipals",
        ),
        ("/grantControls/builtInControls", json!(["mfa"]), "grantControls.builtInControls"),
        (
            "/grantControls/builtInControls",
            json!(["block", "compliantDevice"]),
            "grantControls.builtInControls",
        ),
        ("/grantControls/termsOfUse", json!([PAYROLL]), "grantControls.termsOfUse"),
        (
            "/grantControls/authenticationStrength",
            json!({"id": PAYROLL}),
            "grantControls.authenticationStrength",
        ),
        (
            "/sessionControls",
            json!({"signInFrequency": {"isEnabled": true, "type": "hours", "value": 4}}),
            "sessionControls",
        ),
    ] {
        let invalid = refused(&changed(path, &value));
        assert_eq!((invalid.code, invalid.member.as_str()), (Code::Unenforceable, member), "{invalid}");
        assert!(invalid.to_string().starts_with("1012: '") && invalid.text.contains(member), "{invalid}");
    }
}

#[test]
fn what_is_no_policy_is_named() {
    let rule = |rule: &str| json!({"mode": "include", "rule": rule});
    let filter = "/conditions/clientApplications/servicePrincipalFilter";
    for (path, value, code, text) in [
        ("/moon", json!("full"), Code::Schema, "'moon'"),
        ("/conditions/moon", json!("full"), Code::Schema, "'conditions.moon'"),
        ("/conditions/applications/moon", json!("full"), Code::Schema, "'conditions.applications.moon'"),
        ("/conditions/locations/moon", json!("full"), Code::Schema, "'conditions.locations.moon'"),
        ("/grantControls/moon", json!("full"), Code::Schema, "'grantControls.moon'"),
        ("/id", json!("d001"), Code::Schema, "'d001'"),
        ("/state", json!("on"), Code::Schema, "'on'"),
        ("/state", json!(1), Code::Schema, "'state' must be a string"),
        ("/displayName", json!("x".repeat(257)), Code::Limit, "'displayName'"),
        ("/description", json!(3), Code::Schema, "'description' must be a string"),
        ("/templateId", json!("no guid"), Code::Schema, "'templateId' must be a GUID"),
        ("/templateId", json!(3), Code::Schema, "'templateId' must be a string"),
        ("/conditions", json!([]), Code::Schema, "'conditions' must be an object"),
        ("/conditions/servicePrincipalRiskLevels", json!(["extreme"]), Code::Schema, "'extreme'"),
        ("/conditions/servicePrincipalRiskLevels", json!([1]), Code::Schema, "'1'"),
        (
            "/conditions/servicePrincipalRiskLevels",
            json!(null),
            Code::Schema,
            "'conditions.servicePrincipalRiskLevels' must be a collection",
        ),
        ("/conditions/applications/includeApplications", json!(["Graph"]), Code::Schema, "'Graph'"),
        ("/conditions/applications/includeApplications", json!(["None", "All"]), Code::Schema, "'None'"),
        ("/conditions/applications/excludeApplications", json!(["All"]), Code::Schema, "'All'"),
        (
            "/conditions/applications/includeAuthenticationContextClassReferences",
            json!(["c100"]),
            Code::Schema,
            "'c100'",
        ),
        (
            "/conditions/applications/includeAuthenticationContextClassReferences",
            json!(["c01"]),
            Code::Schema,
            "'c01'",
        ),
        ("/conditions/clientApplications/includeServicePrincipals", json!(["All"]), Code::Schema, "'All'"),
        (
            "/conditions/clientApplications/excludeServicePrincipals",
            json!(["ServicePrincipalsInMyTenant"]),
            Code::Schema,
            "'ServicePrincipalsInMyTenant'",
        ),
        (
            "/conditions/clientApplications/countersignScope",
            json!(["everything"]),
            Code::Schema,
            "'everything'",
        ),
        ("/conditions/locations/includeLocations", json!(["Oslo"]), Code::Schema, "'Oslo'"),
        ("/grantControls/operator", json!("XOR"), Code::Schema, "'grantControls.operator'"),
        (filter, json!({"mode": "maybe", "rule": "x"}), Code::Schema, "'maybe'"),
        (filter, rule("Zone is lab"), Code::Rule, "at position 0"),
        (filter, rule("CustomSecurityAttribute.A.B is lab"), Code::Rule, "at position 28"),
        (
            filter,
            rule(&format!("CustomSecurityAttribute.A.B -eq \"{}\"", "c".repeat(3_072))),
            Code::Rule,
            "3072",
        ),
        (
            "/conditions/clientApplications/excludeServicePrincipals",
            json!(vec![PAYROLL; IDS_MAX + 1]),
            Code::Limit,
            "more than 1000",
        ),
    ] {
        let invalid = refused(&changed(path, &value));
        assert_eq!(invalid.code, code, "{path}: {invalid}");
        assert!(invalid.text.contains(text), "{path}: {invalid}");
    }
}

#[test]
fn what_says_that_it_is_something_else_is_refused() {
    assert_eq!(Policy::check_type(good().as_object().unwrap()), Ok(()));
    for kind in ["#microsoft.graph.conditionalAccessPolicy", "microsoft.graph.conditionalAccessPolicy"] {
        assert_eq!(Policy::check_type(&changed("/@odata.type", &json!(kind))), Ok(()), "{kind}");
    }
    for kind in [json!("#microsoft.graph.ipNamedLocation"), json!(""), json!(1)] {
        let invalid = Policy::check_type(&changed("/@odata.type", &kind)).unwrap_err();
        assert_eq!((invalid.code, invalid.member.as_str()), (Code::Schema, "@odata.type"), "{kind}");
    }
}

#[test]
fn everything_that_is_named_can_be_looked_up() {
    let other = Uuid::from_u128(7);
    let mut policy = Policy::read(good().as_object().unwrap()).unwrap();
    policy.clients.include.push(other);
    policy.clients.exclude = vec![PAYROLL];
    policy.applications.exclude = vec![other];
    let expected =
        References { principals: vec![other, PAYROLL], applications: vec![other], locations: vec![OFFICE] };
    assert_eq!(policy.references(), expected);
}

#[test]
fn a_policy_rests_on_locations_by_id_and_by_trust() {
    let location = |id, is_trusted| NamedLocation {
        id,
        display_name: "network".to_owned(),
        area: Area::Networks { is_trusted, networks: Vec::new() },
    };
    let other = Uuid::from_u128(7);
    let by_both = Policy::read(good().as_object().unwrap()).unwrap();
    let by_id =
        read("/conditions/locations", &json!({"includeLocations": ["All"], "excludeLocations": [OFFICE]}));
    let by_trust = read("/conditions/locations", &json!({"includeLocations": ["AllTrusted"]}));
    let by_none = read("/conditions/locations", &Json::Null);
    for (policy, expected) in [
        (by_both, [true, true, false, true]),
        (by_id, [true, true, false, false]),
        (by_trust, [false, true, false, true]),
        (by_none, [false; 4]),
    ] {
        let rests_on = [(OFFICE, false), (OFFICE, true), (other, false), (other, true)]
            .map(|(id, is_trusted)| policy.rests_on(&location(id, is_trusted)));
        assert_eq!(rests_on, expected, "{:?}", policy.locations);
    }
}
