//! Objects: written, read, paged, changed under a version.

use countersign_odata::edm::Version;
use countersign_odata::query::{Context, Options, RawOptions};
use countersign_store::entity::{RISKY_SERVICE_PRINCIPAL, SERVICE_PRINCIPAL};
use countersign_store::{Listing, StoreError};
use serde_json::json;

use crate::support::{NOW, begin, on_each, principal, tenant};

fn options(query: &str) -> Options {
    let raw = RawOptions::parse(query, false).unwrap();
    let context = Context { entity: SERVICE_PRINCIPAL.entity, version: Version::V1, page_size_max: 999 };
    Options::parse(&raw, &context).unwrap()
}

#[test]
fn an_object_that_is_written_is_read_by_id_and_by_key() {
    on_each(async |store| {
        let tenant = tenant(&store, "contoso").await;
        let mut scoped = begin(&store, &tenant).await;
        let body = principal(1, &json!({ "notes": "Grüße" }));
        let written = scoped.insert(&SERVICE_PRINCIPAL, body.clone()).await.unwrap();
        scoped.commit().await.unwrap();
        let mut scoped = store.read(&store.scope(&tenant)).await.unwrap();
        let read = scoped.get(&SERVICE_PRINCIPAL, &written.id).await.unwrap().unwrap();
        assert_eq!(read.body, body);
        let app_id = body["appId"].as_str().unwrap().to_uppercase();
        let by_key = scoped.get_by(&SERVICE_PRINCIPAL, "app_id", &app_id).await.unwrap().unwrap();
        assert_eq!(by_key, read);
    });
}

#[test]
fn what_is_not_committed_was_never_there() {
    on_each(async |store| {
        let tenant = tenant(&store, "contoso").await;
        let mut scoped = begin(&store, &tenant).await;
        scoped.insert(&SERVICE_PRINCIPAL, principal(1, &json!({}))).await.unwrap();
        drop(scoped);
        let mut scoped = begin(&store, &tenant).await;
        assert_eq!(scoped.count(&SERVICE_PRINCIPAL, &Listing::default()).await.unwrap(), 0);
    });
}

#[test]
fn the_second_of_two_changes_to_one_version_is_refused() {
    on_each(async |store| {
        let tenant = tenant(&store, "contoso").await;
        let mut scoped = begin(&store, &tenant).await;
        let first = scoped.insert(&SERVICE_PRINCIPAL, principal(1, &json!({}))).await.unwrap();
        let second = scoped.update(&SERVICE_PRINCIPAL, first.clone()).await.unwrap();
        assert_eq!((first.etag(), second.etag()), ("W/\"1\"".to_owned(), "W/\"2\"".to_owned()));
        assert!(matches!(scoped.update(&SERVICE_PRINCIPAL, first).await, Err(StoreError::Changed)));
    });
}

#[test]
fn two_objects_cannot_have_the_same_key() {
    on_each(async |store| {
        let tenant = tenant(&store, "contoso").await;
        let mut scoped = begin(&store, &tenant).await;
        let one = principal(1, &json!({}));
        let other = principal(2, &json!({ "appId": one["appId"] }));
        scoped.insert(&SERVICE_PRINCIPAL, one).await.unwrap();
        let outcome = scoped.insert(&SERVICE_PRINCIPAL, other).await;
        assert!(matches!(outcome, Err(StoreError::Duplicate("servicePrincipal"))), "{outcome:?}");
    });
}

/// All ids of a listing, page by page; `between` happens after each page.
async fn pages(
    scoped: &mut countersign_store::Scoped,
    query: &str,
    top: usize,
    mut between: impl AsyncFnMut(&mut countersign_store::Scoped, usize),
) -> Vec<String> {
    let options = options(query);
    let mut ids = Vec::new();
    let mut token: Option<String> = None;
    for page_number in 0.. {
        let listing = Listing {
            filter: options.filter.as_ref(),
            order: &options.order_by,
            top,
            skip_token: token.as_deref(),
            ..Listing::default()
        };
        let page = scoped.list(&SERVICE_PRINCIPAL, &listing).await.unwrap();
        assert!(!page.records.is_empty() || page_number == 0, "an empty page confuses clients");
        ids.extend(page.records.into_iter().map(|record| record.id));
        between(scoped, page_number).await;
        token = page.skip_token;
        if token.is_none() {
            break;
        }
    }
    ids
}

#[test]
fn pages_hold_every_object_once_in_every_order_with_ties_and_nulls() {
    on_each(async |store| {
        let tenant = tenant(&store, "contoso").await;
        let mut scoped = begin(&store, &tenant).await;
        for number in 0..40 {
            let owner = (number % 3 != 0).then(|| uuid::Uuid::from_u128(u128::from(number % 5)).to_string());
            let more =
                json!({ "displayName": format!("Name {}", number % 7), "appOwnerOrganizationId": owner });
            scoped.insert(&SERVICE_PRINCIPAL, principal(number, &more)).await.unwrap();
        }
        for order in [
            "",
            "$orderby=displayName",
            "$orderby=displayName desc",
            "$orderby=appOwnerOrganizationId",
            "$orderby=appOwnerOrganizationId desc,displayName",
            "$orderby=accountEnabled,appOwnerOrganizationId desc",
            "$orderby=id desc",
        ] {
            let whole = pages(&mut scoped, order, 1_000, async |_, _| {}).await;
            let parts = pages(&mut scoped, order, 7, async |_, _| {}).await;
            assert_eq!(whole.len(), 40, "{order}");
            assert_eq!(parts, whole, "{order}");
        }
    });
}

#[test]
fn pages_stay_stable_while_objects_come_and_go() {
    on_each(async |store| {
        let tenant = tenant(&store, "contoso").await;
        let mut scoped = begin(&store, &tenant).await;
        for number in 10..30 {
            scoped.insert(&SERVICE_PRINCIPAL, principal(number, &json!({}))).await.unwrap();
        }
        let ids = pages(&mut scoped, "$orderby=displayName", 5, async |scoped, page| {
            if page == 0 {
                // One before the place that was reached, and one that was shown is gone.
                scoped.insert(&SERVICE_PRINCIPAL, principal(1, &json!({}))).await.unwrap();
                let shown = principal(12, &json!({}))["id"].as_str().unwrap().to_owned();
                let shown = scoped.get(&SERVICE_PRINCIPAL, &shown).await.unwrap().unwrap();
                scoped.remove(&SERVICE_PRINCIPAL, &shown).await.unwrap();
            }
        })
        .await;
        let expected: Vec<String> =
            (10..30).map(|number| principal(number, &json!({}))["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids, expected);
    });
}

#[test]
fn a_token_of_another_query_is_refused() {
    on_each(async |store| {
        let tenant = tenant(&store, "contoso").await;
        let mut scoped = begin(&store, &tenant).await;
        for number in 0..3 {
            scoped.insert(&SERVICE_PRINCIPAL, principal(number, &json!({}))).await.unwrap();
        }
        let sorted = options("$orderby=displayName");
        let listing = Listing { order: &sorted.order_by, top: 1, ..Listing::default() };
        let token = scoped.list(&SERVICE_PRINCIPAL, &listing).await.unwrap().skip_token.unwrap();
        for token in [token.as_str(), "", "x", "eyJrIjpbXSwiaSI6IiIsIm8iOiJ4In0"] {
            let listing = Listing { top: 1, skip_token: Some(token), ..Listing::default() };
            let outcome = scoped.list(&SERVICE_PRINCIPAL, &listing).await;
            assert!(matches!(outcome, Err(StoreError::SkipToken)), "{token}: {outcome:?}");
        }
    });
}

#[test]
fn deleted_objects_are_listed_apart() {
    on_each(async |store| {
        let tenant = tenant(&store, "contoso").await;
        let mut scoped = begin(&store, &tenant).await;
        let mut gone = scoped.insert(&SERVICE_PRINCIPAL, principal(1, &json!({}))).await.unwrap();
        scoped.insert(&SERVICE_PRINCIPAL, principal(2, &json!({}))).await.unwrap();
        gone.deleted = Some(NOW);
        scoped.update(&SERVICE_PRINCIPAL, gone).await.unwrap();
        let live = Listing { top: 10, ..Listing::default() };
        let deleted = Listing { top: 10, deleted: true, ..Listing::default() };
        let live = scoped.list(&SERVICE_PRINCIPAL, &live).await.unwrap().records;
        let deleted = scoped.list(&SERVICE_PRINCIPAL, &deleted).await.unwrap().records;
        assert_eq!((live.len(), deleted.len()), (1, 1));
        let shown = deleted[0].clone().into_public();
        assert_eq!(shown["deletedDateTime"], NOW.to_string());
    });
}

#[test]
fn members_of_ours_do_not_leave() {
    on_each(async |store| {
        let tenant = tenant(&store, "contoso").await;
        let mut scoped = begin(&store, &tenant).await;
        let body = principal(1, &json!({ "_secret": 1 }));
        let record = scoped.insert(&SERVICE_PRINCIPAL, body).await.unwrap();
        assert!(record.into_public().get("_secret").is_none());
        assert_eq!(scoped.count(&RISKY_SERVICE_PRINCIPAL, &Listing::default()).await.unwrap(), 0);
    });
}
