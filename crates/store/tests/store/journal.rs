//! Sign-in records: durable, in order, of one tenant.

use countersign_model::time::{SECOND, Timestamp};
use countersign_store::{SignInRange, SignInRecord, Store, Tenant, place_of};
use serde_json::json;

use crate::support::{NOW, on_each, tenant};

fn record(tenant: &Tenant, number: i64) -> SignInRecord {
    let time = NOW.plus(number * SECOND);
    let line = json!({ "id": format!("{number:06}"), "createdDateTime": time.to_string(), "number": number });
    SignInRecord { tenant_id: tenant.id.clone(), time, line: line.to_string().into_bytes() }
}

fn all() -> SignInRange {
    SignInRange { from: Timestamp(0), until: Timestamp(i64::MAX), after: None, ascending: false }
}

/// Appends records from many tasks at once, so that they share commits and come in any order.
async fn append(store: &Store, tenant: &Tenant, numbers: impl Iterator<Item = i64>) {
    let mut tasks = Vec::new();
    for number in numbers {
        let (journal, record) = (store.journal().clone(), record(tenant, number));
        tasks.push(tokio::spawn(async move { journal.append(record).await.unwrap() }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn records_are_read_in_order_both_ways_and_page_by_page() {
    on_each(async |store| {
        let tenant = tenant(&store, "a").await;
        // Shuffled over several rounds, so that batches overlap in time.
        for round in 0..5 {
            append(&store, &tenant, (0..200).filter(|number| (number * 7 + 3) % 5 == round)).await;
        }
        let mut scoped = store.read(&store.scope(&tenant)).await.unwrap();
        for ascending in [false, true] {
            let mut numbers = Vec::new();
            let mut after = None;
            loop {
                let range = SignInRange { after, ascending, ..all() };
                let (page, more) = scoped.sign_ins(&range, 30, |_| true).await.unwrap();
                after = page.last().and_then(place_of);
                numbers.extend(page.iter().map(|body| body["number"].as_i64().unwrap()));
                if !more {
                    break;
                }
            }
            let mut expected: Vec<i64> = (0..200).collect();
            if !ascending {
                expected.reverse();
            }
            assert_eq!(numbers, expected, "ascending: {ascending}");
        }
    });
}

#[test]
fn a_range_bounds_what_is_read() {
    on_each(async |store| {
        let tenant = tenant(&store, "a").await;
        append(&store, &tenant, 0..50).await;
        let mut scoped = store.read(&store.scope(&tenant)).await.unwrap();
        let range = SignInRange { from: NOW.plus(10 * SECOND), until: NOW.plus(12 * SECOND), ..all() };
        let (found, more) = scoped.sign_ins(&range, 100, |_| true).await.unwrap();
        let numbers: Vec<i64> = found.iter().map(|body| body["number"].as_i64().unwrap()).collect();
        assert_eq!((numbers, more), (vec![12, 11, 10], false));
        let (found, more) =
            scoped.sign_ins(&all(), 2, |body| body["number"].as_i64().unwrap() % 20 == 0).await.unwrap();
        let numbers: Vec<i64> = found.iter().map(|body| body["number"].as_i64().unwrap()).collect();
        assert_eq!((numbers, more), (vec![40, 20], true));
    });
}

#[test]
fn tenants_do_not_see_each_other() {
    on_each(async |store| {
        let (a, b) = (tenant(&store, "a").await, tenant(&store, "b").await);
        append(&store, &a, 0..3).await;
        append(&store, &b, 10..12).await;
        let mut scoped = store.read(&store.scope(&b)).await.unwrap();
        let (found, _) = scoped.sign_ins(&all(), 100, |_| true).await.unwrap();
        assert_eq!(found.len(), 2);
        assert!(scoped.sign_in("000001").await.unwrap().is_none());
        assert!(scoped.sign_in("000010").await.unwrap().is_some());
    });
}
