use super::*;

fn parsed(scenario: Scenario) -> Vec<serde_json::Value> {
    scenario.into_records().iter().map(|line| serde_json::from_slice(line).expect("valid JSON")).collect()
}

#[test]
fn a_stolen_secret_is_ten_lines() {
    let records = parsed(
        Scenario::new(1)
            .principal("svc-a", |s| s.address("87.130.4.10").key("k1"))
            .polls(0..10, 6)
            .sign_in(at(9, 3, 0), |s| s.address("89.108.100.7").agent("curl/8.5.0").failed(7_000_215)),
    );
    assert_eq!(records.len(), 41);
    let stolen = records.iter().find(|r| r["resultType"] == "7000215").expect("the failure");
    assert_eq!(stolen["properties"]["servicePrincipalId"], service_principal_id("svc-a").as_str());
    assert_eq!(stolen["properties"]["location"]["countryOrRegion"], "RU");
    assert_eq!(stolen["properties"]["servicePrincipalCredentialKeyId"], "");
    assert_eq!(records[0]["properties"]["servicePrincipalCredentialKeyId"], key_id("k1").as_str());
    assert_eq!(records[0]["tenantId"], tenant_id().as_str());
    assert_eq!(records[0]["properties"]["appId"], app_id("svc-a").as_str());
}

#[test]
fn changes_are_audited() {
    let records = parsed(
        Scenario::new(1)
            .principal("svc-a", |s| s)
            .adds_credential(at(1, 9, 0), "anna@contoso.example", "k2", "svc-a")
            .removes_credential(at(2, 9, 0), "anna@contoso.example", "k1", "svc-a")
            .assigns_app_role(at(3, 9, 0), "anna@contoso.example", "svc-a", "Microsoft Graph", "Mail.Read")
            .adds_federated_credential(
                at(4, 9, 0),
                "anna@contoso.example",
                "f1",
                "svc-a",
                ("https://token.actions.githubusercontent.com", "repo:contoso/web:ref:refs/heads/main"),
            ),
    );
    let properties = |n: usize| records[n]["properties"]["targetResources"][0]["modifiedProperties"].clone();
    let keys = |n, side: &str| -> Vec<String> {
        serde_json::from_str(properties(n)[0][side].as_str().expect("text")).expect("a list inside a string")
    };
    assert_eq!(keys(0, "oldValue").len(), 1);
    assert!(keys(0, "newValue")[1].starts_with(&format!("[KeyIdentifier={},KeyType=Password", key_id("k2"))));
    assert_eq!(keys(2, "newValue").len(), 1);
    assert_eq!(
        records[0]["operationName"],
        "Update application \u{2013} Certificates and secrets management "
    );
    assert_eq!(properties(4)[1]["newValue"], "\"Mail.Read\"");
    let federated: serde_json::Value =
        serde_json::from_str(properties(5)[0]["newValue"].as_str().expect("text"))
            .expect("a list inside a string");
    assert_eq!(federated[0]["Id"], key_id("f1").as_str());
}

#[test]
fn hosted_runners_change_their_address() {
    let records = parsed(
        Scenario::new(3)
            .principal("gh-deploy", |s| s.federated("f1"))
            .runs_on_hosted_runners(0..5, 8)
            .managed_identity("vm-a", |s| s)
            .polls(5..6, 12)
            .calls(at(5, 13, 0), "GET", "https://graph.microsoft.com/v1.0/users", |s| s.address("99.32.0.1")),
    );
    let mut addresses: Vec<&str> = records.iter().filter_map(|r| r["callerIpAddress"].as_str()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 40 + 1);
    let call = records.last().expect("the call");
    let token = &records[records.len() - 2]["properties"]["uniqueTokenIdentifier"];
    assert_eq!(&call["properties"]["signInActivityId"], token);
    assert_eq!(call["properties"]["servicePrincipalId"], service_principal_id("vm-a").as_str());
    let managed = records.iter().filter(|r| r["category"] == "ManagedIdentitySignInLogs").count();
    assert_eq!(managed, 2);
}

#[test]
fn calls_are_told_in_full() {
    let records = parsed(
        Scenario::new(1)
            .principal("svc-a", |s| s.address("87.130.4.10").key("k1"))
            .polls(0..2, 6)
            .call_times(at(1, 7, 0)..at(1, 8, 0), 4, "GET", &["/v1.0/users/{n}", "/v1.0/groups/{g}"], |r| {
                r.roles("Mail.Read").bytes(7).status(404)
            })
            .call(at(1, 9, 0), "GET", "https://graph.microsoft.com/v1.0/me", |r| {
                r.on_behalf_of("anna@contoso.example", "User.Read")
            })
            .call(at(1, 10, 0), "PATCH", "/v2/{t}/users/{n}", |r| {
                r.legacy().token_without_sign_in("stolen", at(1, 9, 30))
            }),
    );
    let calls: Vec<_> = records
        .iter()
        .filter(|r| r["category"] == "MicrosoftGraphActivityLogs")
        .map(|r| &r["properties"])
        .collect();
    assert_eq!(calls.len(), 5);
    let mut uris: Vec<&str> = calls.iter().map(|call| call["requestUri"].as_str().expect("text")).collect();
    uris.sort_unstable();
    uris.dedup();
    assert_eq!(uris.len(), 4, "users differ, the group does not: {uris:?}");
    assert_eq!(
        (&calls[0]["roles"], &calls[0]["responseSizeBytes"], &calls[0]["responseStatusCode"]),
        (&"Mail.Read".into(), &7.into(), &404.into())
    );
    let sign_ins = records.iter().filter(|r| r["category"] == "ServicePrincipalSignInLogs");
    let before_seven = |r: &&serde_json::Value| {
        r["properties"]["createdDateTime"].as_str().expect("a time") < "2026-03-03T07"
    };
    let latest = sign_ins.filter(before_seven).map(|r| &r["properties"]["uniqueTokenIdentifier"]).next_back();
    assert_eq!(Some(&calls[0]["signInActivityId"]), latest);
    let delegated = calls[4];
    assert_eq!((&delegated["C_Idtyp"], &delegated["scopes"]), (&"user".into(), &"User.Read".into()));
    assert_eq!(delegated["userId"], user_id("anna@contoso.example").as_str());
    assert!(delegated.get("servicePrincipalId").is_none() && delegated["roles"] == "");
    let legacy =
        records.iter().find(|r| r["category"] == "AzureADGraphActivityLogs").expect("the legacy call");
    assert!(legacy.get("time").is_none() && legacy["properties"]["httpMethod"] == "PATCH");
    let start = format!("/v2/{}/users/", tenant_id());
    assert!(legacy["properties"]["requestUri"].as_str().expect("text").starts_with(&start));
}

#[test]
fn habits_of_calls_sign_in_first() {
    let records = parsed(
        Scenario::new(1)
            .principal("svc-a", |s| s)
            .calls_nightly(0..3, 2, 5, &["/v1.0/users"], |r| r)
            .calls_hourly(3..4, 2, &["/v1.0/groups"], |r| r),
    );
    let count = |category: &str| records.iter().filter(|r| r["category"] == category).count();
    assert_eq!(count("ServicePrincipalSignInLogs"), 3 + 24);
    assert_eq!(count("MicrosoftGraphActivityLogs"), 3 * 5 + 24 * 2);
}

#[test]
fn changes_have_an_author_and_a_result() {
    let admin = "anna@contoso.example";
    let github = "https://token.actions.githubusercontent.com";
    let records = parsed(
        Scenario::new(1)
            .principal("svc-a", |s| s)
            .principal("svc-b", |s| s)
            .adds_role_member(at(1, 0, 0), "svc-b", "svc-a", "Global Administrator")
            .changes_federated_credentials(
                at(2, 0, 0),
                By::user(admin).address("89.108.100.7"),
                "svc-a",
                &[("f1", github, "repo:contoso/web:ref:refs/heads/main")],
                &[("f2", "https://evil.example", "x"), ("f3", github, "y")],
            )
            .consents_as_user(
                at(3, 0, 0),
                By::user(admin).refused("Microsoft.Online.Security.UserConsentBlockedForRiskyAppsException"),
                "svc-b",
                "Mail.Read offline_access",
            )
            .adds_credential(
                at(4, 0, 0),
                By::user(admin).spelled("Update application - Certificates and secrets management"),
                "k2",
                "svc-a",
            )
            .change(
                at(5, 0, 0),
                admin,
                Change::new("Add eligible member to role ")
                    .category("RoleManagement")
                    .service("PIM")
                    .target("ServicePrincipal", "svc-a")
                    .property("Role.DisplayName", None, Some("\"Application Administrator\"")),
            ),
    );
    let at_day = |day: &str| {
        let of_day = |r: &&serde_json::Value| r["time"].as_str().expect("a time").starts_with(day);
        &records.iter().find(of_day).expect("a record")["properties"]
    };
    let role = at_day("2026-03-03");
    assert_eq!(role["initiatedBy"]["app"]["servicePrincipalId"], service_principal_id("svc-b").as_str());
    assert_eq!(role["targetResources"][0]["id"], service_principal_id("svc-a").as_str());
    assert_eq!((&role["category"], &role["result"]), (&"RoleManagement".into(), &"success".into()));
    let federation = at_day("2026-03-04");
    assert_eq!(federation["initiatedBy"]["user"]["ipAddress"], "89.108.100.7");
    let list = federation["targetResources"][0]["modifiedProperties"][0]["newValue"].as_str();
    let list: serde_json::Value = serde_json::from_str(list.expect("text")).expect("a list");
    assert_eq!(list[0]["Issuer"], "https://evil.example");
    assert_eq!(list.as_array().map(Vec::len), Some(2));
    let consent = at_day("2026-03-05");
    assert_eq!(consent["result"], "failure");
    assert!(consent["resultReason"].as_str().expect("text").contains("RiskyApps"));
    assert_eq!(
        at_day("2026-03-06")["activityDisplayName"],
        "Update application - Certificates and secrets management"
    );
    let change = at_day("2026-03-07");
    assert_eq!(change["activityDisplayName"], "Add eligible member to role ");
    assert_eq!(change["loggedByService"], "PIM");
}

#[test]
fn every_change_can_be_told() {
    let (admin, a) = ("anna@contoso.example", "svc-a");
    let records = parsed(
        Scenario::new(1)
            .principal(a, |s| s)
            .adds_certificate(at(0, 0, 0), admin, "c1", a)
            .adds_service_principal_credential(at(0, 1, 0), admin, "k2", a)
            .removes_app_role(at(0, 2, 0), admin, a, "Microsoft Graph", "Mail.Read")
            .removes_role_member(at(0, 3, 0), admin, a, "Application Administrator")
            .consents_as_administrator(at(0, 4, 0), admin, a, "Directory.ReadWrite.All")
            .grants_delegated_permission(at(0, 5, 0), admin, a, "Microsoft Graph", "Files.Read.All")
            .adds_owner(at(0, 6, 0), admin, a, "eve@contoso.example")
            .adds_service_principal_owner(at(0, 7, 0), admin, a, "svc-a")
            .registers(at(0, 8, 0), a, "new-app")
            .registers_multi_tenant(at(0, 9, 0), admin, "shared-app")
            .adds_credential(at(0, 10, 0), a, "k9", "new-app")
            .adds_service_principal(at(0, 11, 0), admin, "vendor")
            .deletes_application(at(0, 12, 0), a, "new-app")
            .removes_service_principal(at(0, 13, 0), admin, "vendor")
            .changes_reply_urls(at(0, 14, 0), admin, a, &[], &["https://evil.example/cb"])
            .disables(at(0, 15, 0), admin, a)
            .enables(at(0, 16, 0), admin, a)
            .sets_verified_publisher(at(0, 17, 0), admin, a)
            .unsets_verified_publisher(at(0, 18, 0), admin, a)
            .changes_conditional_access(at(0, 19, 0), admin, "MFA", Some("{}"), None)
            .sets_domain_authentication(at(0, 20, 0), a, "contoso.example", ("Managed", "Federated"))
            .updates_users(at(0, 21, 0), a, 3),
    );
    let operations: std::collections::HashSet<&str> =
        records.iter().filter_map(|r| r["operationName"].as_str()).collect();
    assert!(operations.len() >= 19, "{operations:?}");
    for operation in ["Consent to application", "Delete conditional access policy", "Update user"] {
        assert!(operations.contains(operation), "{operation}");
    }
    assert!(records.iter().all(|r| {
        let target = &r["properties"]["targetResources"][0];
        target["id"].is_string() && target["type"].is_string()
    }));
}
