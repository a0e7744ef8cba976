//! Streams of Shared Signals: what is told, is written with the commit or not at all.

use countersign_model::time::{SECOND, Timestamp};
use countersign_signals::event::{Body, EventType, InitiatingEntity, Status};
use countersign_signals::signal::{Occurrence, Signal};
use countersign_signals::stream::{Stream, Transmitter};
use countersign_store::entity::SERVICE_PRINCIPAL;
use countersign_store::{
    DISABLINGS, EVENTS_WAITING_MAX, REVOCATIONS, Rung, Store, StoreError, StoredStream, Tenant,
};
use serde_json::json;
use uuid::Uuid;

use crate::support::{NOW, begin, on_each, principal, tenant};

const TRANSMITTER: Transmitter<'static> = Transmitter {
    issuer: "https://id.example/t/v2.0",
    jwks_uri: "https://id.example/t/keys",
    base: "https://id.example/t/signals",
};

/// A stream that wants everything.
fn stream(id: u128, receiver: &str) -> StoredStream {
    let all: Vec<&str> = EventType::SUPPORTED.iter().map(|one| one.uri()).collect();
    let body = json!({
        "events_requested": all,
        "delivery": {
            "method": "urn:ietf:rfc:8935",
            "endpoint_url": "https://receiver.example",
            "authorization_header": "Bearer hidden",
        },
    });
    let stream = Stream::create(&TRANSMITTER, Uuid::from_u128(id), receiver, body.as_object().unwrap());
    StoredStream::new(stream.unwrap(), TRANSMITTER.issuer.to_owned())
}

async fn with_stream(store: &Store, tenant: &Tenant, stream: &StoredStream) {
    let mut scoped = begin(store, tenant).await;
    scoped.add_stream(stream).await.unwrap();
    scoped.commit().await.unwrap();
}

fn occurrence(signal: Signal) -> Occurrence {
    Occurrence { signal, at: NOW, initiating_entity: InitiatingEntity::Admin }
}

fn id(number: u128) -> String {
    Uuid::from_u128(number).to_string()
}

#[test]
fn a_stream_reads_back_as_it_was_written() {
    on_each(async |store| {
        let tenant = tenant(&store, "contoso").await;
        let mut written = stream(1, "receiver");
        with_stream(&store, &tenant, &written).await;
        let mut scoped = begin(&store, &tenant).await;
        assert_eq!(scoped.stream(&id(1)).await.unwrap().unwrap(), written);
        written.status.status = Status::Paused;
        written.status.reason = Some("maintenance".to_owned());
        written.subjects.remove(countersign_signals::subject::Subject::of_stream(Uuid::nil())).unwrap();
        written.verified = Some(Timestamp(5));
        scoped.update_stream(&written).await.unwrap();
        assert_eq!(scoped.streams().await.unwrap(), [written]);
        let second = scoped.add_stream(&stream(2, "receiver")).await;
        assert!(matches!(second, Err(StoreError::Duplicate(_))), "one for each receiver");
    });
}

#[test]
fn what_is_told_is_there_with_the_commit_and_not_before() {
    on_each(async |store| {
        let tenant = tenant(&store, "contoso").await;
        with_stream(&store, &tenant, &stream(1, "receiver")).await;
        let waiting = async || {
            let mut scoped = store.read(&store.scope(&tenant)).await.unwrap();
            scoped.first_events(Uuid::from_u128(1), false, 10).await.unwrap()
        };
        let mut scoped = begin(&store, &tenant).await;
        scoped.tell(&id(7), occurrence(Signal::Disabled), "cause");
        drop(scoped);
        assert_eq!(waiting().await, []);

        let mut rung = store.hear_streams();
        let mut scoped = begin(&store, &tenant).await;
        scoped.tell(&id(7), occurrence(Signal::Disabled), "cause");
        scoped.tell("no id", occurrence(Signal::Disabled), "cause");
        scoped.commit().await.unwrap();
        let events = waiting().await;
        let types: Vec<EventType> = events.iter().map(|event| event.event.event_type()).collect();
        assert_eq!(types, [EventType::AccountDisabled, EventType::SessionRevoked]);
        assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2]);
        assert_ne!(events[0].jti, events[1].jti);
        assert!(
            events.iter().all(|event| event.txn == "cause" && event.principal == Some(Uuid::from_u128(7)))
        );
        let expected = Rung::Stream { tenant_id: tenant.id.clone(), stream_id: id(1) };
        assert_eq!(rung.try_recv().unwrap(), expected);

        let mut scoped = begin(&store, &tenant).await;
        scoped.remove_events_by_jti(Uuid::from_u128(1), &[&events[0].jti, "unknown"]).await.unwrap();
        scoped.commit().await.unwrap();
        assert_eq!(waiting().await, events[1..]);
    });
}

#[test]
fn events_that_end_tokens_say_which() {
    on_each(async |store| {
        let tenant = tenant(&store, "contoso").await;
        with_stream(&store, &tenant, &stream(1, "receiver")).await;
        let mut scoped = begin(&store, &tenant).await;
        let body = principal(1, &json!({ DISABLINGS: 3, REVOCATIONS: 4 }));
        let principal = scoped.insert(&SERVICE_PRINCIPAL, body).await.unwrap();
        for signal in [Signal::Disabled, Signal::Enabled] {
            scoped.tell(&principal.id, occurrence(signal), "cause");
        }
        scoped.commit().await.unwrap();
        let mut scoped = store.read(&store.scope(&tenant)).await.unwrap();
        let events = scoped.first_events(Uuid::from_u128(1), false, 10).await.unwrap();
        let generations: Vec<_> = events.iter().map(|event| event.event.circumstances.generation).collect();
        // Of tokens that cannot be challenged, and of those that can.
        assert_eq!(generations, [Some(3), Some(7), None]);
    });
}

#[test]
fn another_tenant_hears_nothing() {
    on_each(async |store| {
        let (contoso, fabrikam) = (tenant(&store, "contoso").await, tenant(&store, "fabrikam").await);
        with_stream(&store, &fabrikam, &stream(1, "receiver")).await;
        let mut scoped = begin(&store, &contoso).await;
        scoped.tell(&id(7), occurrence(Signal::Disabled), "cause");
        assert!(!scoped.has_streams().await.unwrap());
        assert!(scoped.stream(&id(1)).await.unwrap().is_none());
        scoped.remove_stream(&id(1)).await.unwrap();
        scoped.commit().await.unwrap();
        let mut scoped = store.read(&store.scope(&fabrikam)).await.unwrap();
        assert!(scoped.stream(&id(1)).await.unwrap().is_some());
        assert_eq!(scoped.first_events(Uuid::from_u128(1), false, 10).await.unwrap(), []);
    });
}

#[test]
fn a_stream_that_is_full_is_disabled_and_says_so() {
    on_each(async |store| {
        let tenant = tenant(&store, "contoso").await;
        with_stream(&store, &tenant, &stream(1, "receiver")).await;
        let mut scoped = begin(&store, &tenant).await;
        for number in 0..EVENTS_WAITING_MAX {
            scoped.tell(&id(number as u128 + 1), occurrence(Signal::Enabled), "many");
        }
        scoped.commit().await.unwrap();
        let mut scoped = begin(&store, &tenant).await;
        let full = scoped.stream(&id(1)).await.unwrap().unwrap();
        assert_eq!(full.status.status, Status::Enabled, "as many as are kept");
        scoped.tell(&id(7), occurrence(Signal::Enabled), "one more");
        scoped.commit().await.unwrap();

        let mut scoped = begin(&store, &tenant).await;
        let disabled = scoped.stream(&id(1)).await.unwrap().unwrap();
        assert_eq!(disabled.status.status, Status::Disabled);
        let events = scoped.first_events(Uuid::from_u128(1), false, 10).await.unwrap();
        let [told] = events.as_slice() else { panic!("{events:?}") };
        assert!(matches!(
            &told.event.body,
            Body::StreamUpdated { status: Status::Disabled, reason: Some(_) }
        ));
        // And keeps nothing more.
        scoped.tell(&id(7), occurrence(Signal::Enabled), "later");
        scoped.commit().await.unwrap();
        let mut scoped = store.read(&store.scope(&tenant)).await.unwrap();
        assert_eq!(scoped.first_events(Uuid::from_u128(1), false, 10).await.unwrap().len(), 1);
    });
}

#[test]
fn places_are_in_the_order_of_commits() {
    on_each(async |store| {
        let tenant = tenant(&store, "contoso").await;
        with_stream(&store, &tenant, &stream(1, "one")).await;
        with_stream(&store, &tenant, &stream(2, "two")).await;
        let tell = async |number: i64| {
            let mut scoped = begin(&store, &tenant).await;
            let at = NOW.plus(number * SECOND);
            scoped.tell(&id(7), Occurrence { at, ..occurrence(Signal::Enabled) }, &number.to_string());
            scoped.commit().await.unwrap();
        };
        // All at once: they wait for each other at the streams, and none for ever.
        let all: Vec<i64> = (0..40).collect();
        futures_util::future::join_all(all.iter().map(|number| tell(*number))).await;
        let mut scoped = store.read(&store.scope(&tenant)).await.unwrap();
        let mut orders = Vec::new();
        for stream in [1, 2] {
            let events = scoped.first_events(Uuid::from_u128(stream), false, 100).await.unwrap();
            assert_eq!(
                events.iter().map(|event| event.sequence).collect::<Vec<_>>(),
                (1..=40).collect::<Vec<_>>()
            );
            orders.push(events.into_iter().map(|event| event.txn).collect::<Vec<_>>());
        }
        assert_eq!(orders[0], orders[1], "one order of commits, seen by both");
    });
}

#[test]
fn one_leads() {
    on_each(async |store| {
        let mut lead = store.try_lead().await.unwrap().expect("nobody else leads");
        assert!(lead.is_held().await);
        assert!(store.try_lead().await.unwrap().is_none());
        drop(lead);
        // PostgreSQL takes a moment to see that the session is gone.
        for _ in 0..50 {
            if store.try_lead().await.unwrap().is_some() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("the lead is not free again");
    });
}
