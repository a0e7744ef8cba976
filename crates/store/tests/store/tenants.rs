//! Nothing crosses a tenant's boundary.

use countersign_store::entity::{APPLICATION, SERVICE_PRINCIPAL};
use countersign_store::{Listing, StoreError};
use serde_json::json;

use crate::support::{NOW, begin, on_each, principal, tenant};

#[test]
fn a_scope_sees_its_own_tenant_only() {
    on_each(async |store| {
        let (a, b) = (tenant(&store, "a").await, tenant(&store, "b").await);
        let mut in_a = begin(&store, &a).await;
        let record = in_a.insert(&SERVICE_PRINCIPAL, principal(1, &json!({}))).await.unwrap();
        in_a.add_owner(&record.id, "owner", NOW).await.unwrap();
        in_a.claim_names(record.text("appId").unwrap()).await.unwrap();
        in_a.commit().await.unwrap();

        let app_id = record.text("appId").unwrap().to_owned();
        let mut in_b = begin(&store, &b).await;
        assert!(in_b.get(&SERVICE_PRINCIPAL, &record.id).await.unwrap().is_none());
        assert!(in_b.get_by(&SERVICE_PRINCIPAL, "app_id", &app_id).await.unwrap().is_none());
        assert_eq!(in_b.count(&SERVICE_PRINCIPAL, &Listing::default()).await.unwrap(), 0);
        assert!(in_b.owners(&record.id).await.unwrap().is_empty());
        assert!(matches!(in_b.update(&SERVICE_PRINCIPAL, record.clone()).await, Err(StoreError::Changed)));
        in_b.remove(&SERVICE_PRINCIPAL, &record).await.unwrap();
        in_b.commit().await.unwrap();
        assert!(store.resource(&store.scope(&b), &app_id).await.unwrap().is_none());

        let mut in_a = begin(&store, &a).await;
        assert!(in_a.get(&SERVICE_PRINCIPAL, &record.id).await.unwrap().is_some(), "B removed nothing of A");
    });
}

#[test]
fn a_client_is_known_where_it_is_at_home_or_has_a_principal() {
    on_each(async |store| {
        let (a, b, c) = (tenant(&store, "a").await, tenant(&store, "b").await, tenant(&store, "c").await);
        let application = json!({
            "id": "11111111-0000-0000-0000-000000000000", "appId": "22222222-0000-0000-0000-000000000000",
            "displayName": "shared", "signInAudience": "AzureADMultipleOrgs", "createdDateTime": NOW.to_string(),
        });
        let app_id = application["appId"].as_str().unwrap();
        let mut in_a = begin(&store, &a).await;
        in_a.insert(&APPLICATION, application.as_object().unwrap().clone()).await.unwrap();
        in_a.commit().await.unwrap();
        let mut in_b = begin(&store, &b).await;
        in_b.insert(&SERVICE_PRINCIPAL, principal(1, &json!({ "appId": app_id }))).await.unwrap();
        in_b.commit().await.unwrap();
        let known = async |tenant| {
            let client = store.client(&store.scope(tenant), app_id).await.unwrap();
            client.map(|client| (client.application.is_some(), client.principal.is_some()))
        };
        assert_eq!(known(&a).await, Some((true, false)));
        assert_eq!(known(&b).await, Some((true, true)));
        assert_eq!(known(&c).await, None);
    });
}

#[test]
fn a_service_principal_does_not_outlive_its_application_unless_it_never_had_one() {
    on_each(async |store| {
        let tenant = tenant(&store, "a").await;
        let mut scoped = begin(&store, &tenant).await;
        let managed = json!({ "servicePrincipalType": "ManagedIdentity" });
        let orphan = scoped.insert(&SERVICE_PRINCIPAL, principal(1, &json!({}))).await.unwrap();
        let managed = scoped.insert(&SERVICE_PRINCIPAL, principal(2, &managed)).await.unwrap();
        scoped.commit().await.unwrap();
        for (record, expected) in [(&orphan, false), (&managed, true)] {
            let client = store.client(&store.scope(&tenant), record.text("appId").unwrap()).await.unwrap();
            assert_eq!(client.is_some(), expected, "{:?}", record.body);
        }
    });
}

#[test]
fn a_change_is_seen_by_the_next_token_request() {
    on_each(async |store| {
        let tenant = tenant(&store, "a").await;
        let scope = store.scope(&tenant);
        let mut scoped = begin(&store, &tenant).await;
        let managed = json!({ "servicePrincipalType": "ManagedIdentity" });
        let mut record = scoped.insert(&SERVICE_PRINCIPAL, principal(1, &managed)).await.unwrap();
        scoped.commit().await.unwrap();
        let app_id = record.text("appId").unwrap().to_owned();
        for enabled in [false, true, false] {
            // Known before the change, so that an outdated memory would be found out.
            store.client(&scope, &app_id).await.unwrap();
            record.body.insert("accountEnabled".into(), enabled.into());
            let mut scoped = begin(&store, &tenant).await;
            record = scoped.update(&SERVICE_PRINCIPAL, record).await.unwrap();
            scoped.commit().await.unwrap();
            let client = store.client(&scope, &app_id).await.unwrap().unwrap();
            assert_eq!(client.principal.as_ref().unwrap().account_enabled, enabled);
        }
    });
}

#[test]
fn domains_and_ids_are_taken_once() {
    on_each(async |store| {
        let first = tenant(&store, "a").await;
        let outcome = store.create_tenant(&first).await.map(drop);
        assert!(matches!(outcome, Err(StoreError::Duplicate("tenant"))), "{outcome:?}");
        let by_domain = store.tenant("A.EXAMPLE").await.unwrap().unwrap();
        assert_eq!(by_domain, first);
    });
}

#[test]
fn who_holds_a_tenant_counts_alone() {
    on_each(async |store| {
        let tenant = tenant(&store, "a").await;
        let mut tasks = Vec::new();
        for number in 0..8 {
            let (store, tenant) = (store.clone(), tenant.clone());
            tasks.push(tokio::spawn(async move {
                let mut scoped = begin(&store, &tenant).await;
                scoped.hold_tenant().await.unwrap();
                let is_first = scoped.count(&SERVICE_PRINCIPAL, &Listing::default()).await.unwrap() == 0;
                if is_first {
                    scoped.insert(&SERVICE_PRINCIPAL, principal(number, &json!({}))).await.unwrap();
                }
                scoped.commit().await.unwrap();
                is_first
            }));
        }
        let mut firsts = 0;
        for task in tasks {
            firsts += u32::from(task.await.unwrap());
        }
        assert_eq!(firsts, 1);
    });
}
