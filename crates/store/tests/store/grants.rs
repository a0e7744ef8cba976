//! Codes and refresh tokens between two requests.

use countersign_model::time::{HOUR, Timestamp};
use countersign_store::{GrantState, Store};
use serde_json::Map;

use crate::support::{NOW, on_each};

fn grant(hash: &[u8], family: &[u8]) -> GrantState {
    GrantState {
        hash: hash.to_vec(),
        tenant_id: "tenant".into(),
        kind: "refresh_token".into(),
        user_id: Some("user".into()),
        expires: NOW.plus(HOUR),
        family: Some(family.to_vec()),
        is_used: false,
        body: Map::new(),
    }
}

async fn used(store: &Store, hashes: &[&[u8]], now: Timestamp) -> Vec<Option<bool>> {
    let mut used = Vec::new();
    for hash in hashes {
        used.push(store.grant(hash, "refresh_token", now).await.unwrap().map(|grant| grant.is_used));
    }
    used
}

#[test]
fn a_refresh_token_used_twice_ends_its_family() {
    on_each(async |store| {
        let (first, second, third) = (grant(b"1", b"family"), grant(b"2", b"family"), grant(b"3", b"family"));
        let other = grant(b"4", b"other");
        store.put_grant(&first).await.unwrap();
        store.put_grant(&other).await.unwrap();
        assert!(store.rotate_grant(&first, &second, NOW).await.unwrap());
        assert_eq!(used(&store, &[b"1", b"2", b"4"], NOW).await, [Some(true), Some(false), Some(false)]);
        assert!(!store.rotate_grant(&first, &third, NOW).await.unwrap());
        // The thief's and the owner's are over, and no third one was made.
        assert_eq!(
            used(&store, &[b"1", b"2", b"3", b"4"], NOW).await,
            [Some(true), Some(true), None, Some(false)]
        );
        assert!(!store.rotate_grant(&second, &third, NOW).await.unwrap());
        // All of them go when they end.
        assert_eq!(store.sweep_grants(NOW.plus(HOUR)).await.unwrap(), 3);
    });
}

#[test]
fn tries_at_the_same_time_are_counted_each() {
    on_each(async |store| {
        store.put_grant(&grant(b"code", b"family")).await.unwrap();
        let tries: Vec<_> = (0..20)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.count_try(b"code", 5).await.unwrap() })
            })
            .collect();
        let mut counted = 0;
        for one in tries {
            counted += usize::from(one.await.unwrap());
        }
        assert_eq!(counted, 5);
        assert!(!store.count_try(b"no such grant", 5).await.unwrap());
    });
}

#[test]
fn a_grant_that_was_taken_does_not_come_back() {
    on_each(async |store| {
        let mut code = grant(b"code", b"family");
        store.put_grant(&code).await.unwrap();
        assert!(store.take_grant(&code.hash).await.unwrap());
        code.user_id = Some("another".into());
        store.update_grant(&code).await.unwrap();
        assert!(store.grant(&code.hash, &code.kind, NOW).await.unwrap().is_none());
        assert!(!store.take_grant(&code.hash).await.unwrap());
    });
}
