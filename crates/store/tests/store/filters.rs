//! `$filter` in SQL means what `countersign_odata::evaluate` says, on both databases.

use countersign_odata::edm::Version;
use countersign_odata::evaluate::matches;
use countersign_odata::query::parse_filter;
use countersign_store::entity::{
    APPLICATION, EntitySet, SERVICE_PRINCIPAL, SERVICE_PRINCIPAL_RISK_DETECTION,
};
use countersign_store::{Listing, Scoped};
use serde_json::{Map, Value as Json, json};

use crate::support::{begin, on_each, principal, tenant};

async fn check(
    scoped: &mut Scoped,
    set: &'static EntitySet,
    objects: &[Map<String, Json>],
    filters: &[&str],
) {
    for text in filters {
        let expr =
            parse_filter(text, set.entity, Version::Beta).unwrap_or_else(|error| panic!("{text}: {error}"));
        let mut expected: Vec<&str> = objects
            .iter()
            .filter(|object| matches(&expr, &Json::Object((*object).clone())))
            .filter_map(|object| object["id"].as_str())
            .collect();
        expected.sort_unstable();
        let listing = Listing { filter: Some(&expr), top: 1_000, ..Listing::default() };
        let page = scoped.list(set, &listing).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        let found: Vec<&str> = page.records.iter().map(|record| record.id.as_str()).collect();
        assert_eq!(found, expected, "{text}");
        assert_eq!(scoped.count(set, &listing).await.unwrap(), expected.len() as i64, "{text}");
    }
}

#[test]
fn columns_and_bodies_are_compared_alike() {
    on_each(async |store| {
        let tenant = tenant(&store, "contoso").await;
        let mut scoped = begin(&store, &tenant).await;
        let objects = vec![
            principal(1, &json!({ "displayName": "Billing Sync", "tags": ["HideApp", "a"], "notes": "x" })),
            principal(2, &json!({ "displayName": "billing", "accountEnabled": false, "notes": null })),
            principal(
                3,
                &json!({ "displayName": "Größe_%", "tags": ["A'b"], "homepage": "https://a.example/" }),
            ),
            principal(
                4,
                &json!({
                    "displayName": "", "servicePrincipalType": "ManagedIdentity",
                    "appRoles": [{ "value": "Read.All", "isEnabled": true }, { "value": "Write", "isEnabled": false }],
                }),
            ),
            principal(
                5,
                &json!({
                    "appOwnerOrganizationId": "f8cdef31-a31e-4b4a-93e4-5f571e91255a", "appRoleAssignmentRequired": true,
                    "appRoles": [{ "value": "Write", "isEnabled": true }], "info": { "logoUrl": "https://l" },
                }),
            ),
        ];
        for object in &objects {
            scoped.insert(&SERVICE_PRINCIPAL, object.clone()).await.unwrap();
        }
        let filters = [
            "displayName eq 'BILLING'",
            "displayName ne 'billing'",
            "startswith(displayName,'bill')",
            "startswith(displayName,'')",
            "startswith(displayName,'größe')",
            "endswith(displayName,'SYNC')",
            "endswith(displayName,'Billing Sync and more')",
            "endswith(displayName,'')",
            "contains(displayName,'_%')",
            "contains(displayName,'ing s')",
            "contains(notes,'x')",
            "displayName gt 'billing'",
            "displayName le 'billing'",
            "notes eq null",
            "notes ne null",
            "notes ne 'x'",
            "not(notes eq 'x')",
            "homepage eq 'HTTPS://A.example/'",
            "accountEnabled eq true",
            "accountEnabled ne true",
            "not accountEnabled",
            "appRoleAssignmentRequired eq true",
            "appRoleAssignmentRequired eq false",
            "not(appRoleAssignmentRequired eq true)",
            "appOwnerOrganizationId eq f8cdef31-a31e-4b4a-93e4-5f571e91255a",
            "appOwnerOrganizationId eq null",
            "servicePrincipalType in ('ManagedIdentity','Legacy')",
            "not(servicePrincipalType in ('Application'))",
            "tags/any(t:t eq 'hideapp')",
            "tags/any(t:t eq 'A''b')",
            "tags/any(t:startswith(t,'h')) and accountEnabled eq true",
            "tags/any()",
            "not tags/any()",
            "tags/all(t:t eq 'a')",
            "tags/$count eq 2",
            "tags/$count ge 1",
            "appRoles/any(r:r/value eq 'write' and r/isEnabled eq true)",
            "appRoles/all(r:r/isEnabled eq true)",
            "not(appRoles/all(r:r/isEnabled eq true))",
            "info/logoUrl eq 'https://l'",
            "info/logoUrl eq null",
            "id eq '00000000-0000-0000-0000-000000000003'",
            "(displayName eq 'billing' or notes eq 'x') and not(displayName eq 'billing' and notes eq 'x')",
        ];
        check(&mut scoped, &SERVICE_PRINCIPAL, &objects, &filters).await;
    });
}

#[test]
fn times_and_numbers_are_compared_as_such() {
    on_each(async |store| {
        let tenant = tenant(&store, "contoso").await;
        let mut scoped = begin(&store, &tenant).await;
        let application = |number: u32, more: Json| {
            let mut body = json!({
                "id": uuid::Uuid::from_u128(u128::from(number)).to_string(),
                "appId": uuid::Uuid::from_u128(u128::from(number) << 64).to_string(),
                "displayName": "a",
                "signInAudience": "AzureADMyOrg",
                "createdDateTime": format!("2026-05-0{number}T00:00:00.500000Z"),
            });
            for (name, value) in more.as_object().unwrap() {
                body[name] = value.clone();
            }
            body.as_object().unwrap().clone()
        };
        let objects = vec![
            application(1, json!({ "api": { "requestedAccessTokenVersion": 2 } })),
            application(2, json!({ "api": { "requestedAccessTokenVersion": null } })),
            application(
                3,
                json!({
                    "passwordCredentials": [{ "endDateTime": "2026-06-01T00:00:00.000000Z", "keyId": "k" }],
                }),
            ),
        ];
        for object in &objects {
            scoped.insert(&APPLICATION, object.clone()).await.unwrap();
        }
        let filters = [
            "createdDateTime ge 2026-05-02T00:00:00.5Z",
            "createdDateTime gt 2026-05-02T02:00:00.5+02:00",
            "createdDateTime eq 2026-05-02T00:00:00.500Z",
            "createdDateTime lt 2026-05-02",
            "api/requestedAccessTokenVersion eq 2",
            "api/requestedAccessTokenVersion ne 2",
            "api/requestedAccessTokenVersion lt 3",
            "passwordCredentials/any(c:c/endDateTime le 2026-06-01T00:00:00Z)",
            "passwordCredentials/any(c:c/endDateTime lt 2026-06-01T00:00:00Z)",
            "passwordCredentials/$count gt 0",
        ];
        check(&mut scoped, &APPLICATION, &objects, &filters).await;
    });
}

#[test]
fn enumerations_are_compared_by_name() {
    on_each(async |store| {
        let tenant = tenant(&store, "contoso").await;
        let mut scoped = begin(&store, &tenant).await;
        let levels = ["low", "medium", "high"];
        let objects: Vec<Map<String, Json>> = levels
            .iter()
            .enumerate()
            .map(|(number, level)| {
                json!({
                    "id": format!("{number}"), "servicePrincipalId": "s", "riskLevel": level, "riskState": "atRisk",
                    "riskEventType": "suspiciousSignins", "detectedDateTime": "2026-05-01T00:00:00.000000Z",
                    "activityDateTime": "2026-05-01T00:00:00.000000Z", "riskDetail": "none", "keyIds": ["a"],
                })
                .as_object()
                .unwrap()
                .clone()
            })
            .collect();
        for object in &objects {
            scoped.insert(&SERVICE_PRINCIPAL_RISK_DETECTION, object.clone()).await.unwrap();
        }
        let filters = [
            "riskLevel eq 'HIGH'",
            "riskLevel ne 'high'",
            "riskLevel in ('low','medium')",
            "riskLevel eq microsoft.graph.riskLevel'low'",
            "riskDetail eq 'none' and riskEventType eq 'suspicioussignins'",
            "riskEventType eq 'investigationsThreatIntelligence' or riskLevel eq 'medium'",
            "keyIds/any(k:k eq 'A')",
        ];
        check(&mut scoped, &SERVICE_PRINCIPAL_RISK_DETECTION, &objects, &filters).await;
    });
}

#[test]
fn a_null_character_in_one_object_fails_no_filter_on_all() {
    on_each(async |store| {
        let tenant = tenant(&store, "contoso").await;
        let mut scoped = begin(&store, &tenant).await;
        let body = principal(1, &json!({ "notes": "a\0b", "tags": ["\0"] }));
        let record = scoped.insert(&SERVICE_PRINCIPAL, body).await.unwrap();
        scoped.insert(&SERVICE_PRINCIPAL, principal(2, &json!({ "notes": "x" }))).await.unwrap();
        let kept = scoped.get(&SERVICE_PRINCIPAL, &record.id).await.unwrap().unwrap();
        assert_eq!((kept.text("notes"), kept.list("tags")), (Some("a\u{FFFD}b"), &[json!("\u{FFFD}")][..]));
        for text in ["id eq null", "notes eq 'x'", "tags/any(t:t eq 'y')", "notes ne null"] {
            let expr = parse_filter(text, SERVICE_PRINCIPAL.entity, Version::Beta).unwrap();
            let listing = Listing { filter: Some(&expr), top: 9, ..Listing::default() };
            scoped.list(&SERVICE_PRINCIPAL, &listing).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    });
}
