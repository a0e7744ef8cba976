//! Sends events to their receivers (RFC 8935). Of all nodes one leads and does it; each stream has a task of its own, so that
//! none waits for another.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use countersign_model::time::{SECOND, Timestamp};
use countersign_signals::delivery::{Answer, Next, Queue, Waiting, retry_after};
use countersign_signals::event::Status;
use countersign_signals::set::Draft;
use countersign_signals::stream::{Authorization, Delivery};
use countersign_signals::subject;
use countersign_store::{Lead, Rung, Scoped, StoreError, StoredEvent, StoredStream, TenantScope};
use countersign_token::keys::Algorithm;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::{JoinHandle, JoinSet};

use super::streams::{RECEIVER_AGAIN, may_receive};
use crate::serve::{Server, clock, log};

/// Pause before the lead is asked for again, and between two looks whether it is still ours.
const LEAD_AGAIN: Duration = Duration::from_secs(1);
/// How often all streams are looked for, whatever was heard.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Places that are read at a time.
const PAGE: usize = 1_000;

/// The token of an event. The same event gives the same token, whenever it is sent.
pub(super) async fn sign(
    server: &Server,
    tenant_id: &str,
    stored: &StoredStream,
    event: &StoredEvent,
    now: Timestamp,
) -> Result<String> {
    let ring = server.keys.ring_that_signs(&server.store, Algorithm::Rs256, now).await?;
    let key = ring.signing(Algorithm::Rs256, now).context("there is no key of RS256")?;
    let tenant = subject::Tenant { issuer: &stored.issuer, id: tenant_id.parse()? };
    let draft = Draft {
        issuer: &stored.issuer,
        audience: &stored.stream.audience,
        issued_at: event.at,
        jti: &event.jti,
        txn: &event.txn,
        subject: &event.subject(&tenant, stored.stream.id),
        event: &event.event,
    };
    Ok(draft.sign(key)?)
}

/// Sends as long as this process leads, until it is told to stop. What is under way then is sent again by whoever leads next.
pub(crate) async fn run(server: Arc<Server>, stop: Arc<Notify>) {
    loop {
        let mut drivers = Drivers::default();
        let leads = async {
            match server.store.try_lead().await {
                Ok(Some(lead)) => lead_until_lost(&server, lead, &mut drivers).await,
                Ok(None) => {}
                Err(error) => log::error("shared signals", &error),
            }
            tokio::time::sleep(LEAD_AGAIN).await;
        };
        let is_over = tokio::select! {
            () = leads => false,
            () = stop.notified() => true,
        };
        end(drivers).await;
        if is_over {
            return;
        }
    }
}

/// The task of a stream; ends with it.
struct Driver {
    wake: Arc<Notify>,
    task: JoinHandle<()>,
}

/// Tasks by the ids of their streams.
type Drivers = HashMap<String, Driver>;

async fn end(drivers: Drivers) {
    for driver in drivers.values() {
        driver.task.abort();
    }
    for driver in drivers.into_values() {
        let _ = driver.task.await;
    }
}

async fn lead_until_lost(server: &Arc<Server>, mut lead: Lead, drivers: &mut Drivers) {
    let mut rung = server.store.hear_streams();
    let mut lead_ticks = tokio::time::interval(LEAD_AGAIN);
    let mut look_ticks = tokio::time::interval(LOOK_AGAIN);
    loop {
        tokio::select! {
            _ = lead_ticks.tick() => {
                if !lead.is_held().await {
                    return log::error("shared signals", "the lead is lost; another node sends");
                }
            }
            _ = look_ticks.tick() => look_at_all(server, drivers).await,
            ring = rung.recv() => match ring {
                Ok(Rung::Stream { tenant_id, stream_id }) => wake(server, drivers, &tenant_id, &stream_id).await,
                Ok(Rung::Any) | Err(RecvError::Lagged(_)) => look_at_all(server, drivers).await,
                Err(RecvError::Closed) => return,
            },
        }
    }
}

async fn look_at_all(server: &Arc<Server>, drivers: &mut Drivers) {
    let found = async {
        for tenant in server.store.tenants().await? {
            let scope = server.store.scope(&tenant);
            for stream in server.store.read(&scope).await?.streams().await? {
                start_or_wake(server, drivers, &scope, stream.stream.id.to_string());
            }
        }
        Ok::<_, StoreError>(())
    };
    if let Err(error) = found.await {
        log::error("shared signals", &error);
    }
    drivers.retain(|_, driver| !driver.task.is_finished());
}

async fn wake(server: &Arc<Server>, drivers: &mut Drivers, tenant_id: &str, stream_id: &str) {
    if let Some(driver) = drivers.get(stream_id) {
        return driver.wake.notify_one();
    }
    match server.tenants.find(&server.store, tenant_id, clock::now()).await {
        Ok(Some(tenant)) => {
            start_or_wake(server, drivers, &server.store.scope(&tenant), stream_id.to_owned());
        }
        Ok(None) => {}
        Err(error) => log::error("shared signals", &error),
    }
}

fn start_or_wake(server: &Arc<Server>, drivers: &mut Drivers, scope: &TenantScope, stream_id: String) {
    let start = |stream_id: &str| {
        let wake = Arc::new(Notify::new());
        wake.notify_one();
        let sender = Sender {
            server: Arc::clone(server),
            scope: scope.clone(),
            stream_id: stream_id.to_owned(),
            wake: Arc::clone(&wake),
        };
        Driver { wake, task: tokio::spawn(Arc::new(sender).drive()) }
    };
    match drivers.get(&stream_id) {
        Some(driver) if !driver.task.is_finished() => driver.wake.notify_one(),
        _ => {
            let driver = start(&stream_id);
            drivers.insert(stream_id, driver);
        }
    }
}

/// What sends the events of one stream.
struct Sender {
    server: Arc<Server>,
    scope: TenantScope,
    stream_id: String,
    wake: Arc<Notify>,
}

/// What is known of a stream between two looks.
#[derive(Default)]
struct Known {
    stream: Option<Arc<StoredStream>>,
    queue: Queue,
    /// Sequence of the last event that is in the queue.
    last: i64,
    /// Whether its application may have what is told.
    may_receive: bool,
}

impl Sender {
    /// Sends until the stream is deleted.
    async fn drive(self: Arc<Self>) {
        let mut known = Known::default();
        // Tasks of their own: one that was not polled while the stream is looked at would go on holding its connection to the
        // database, which others, and the look itself, wait for.
        let mut under_way = JoinSet::new();
        // Arrived, and to be removed; one removal at a time, so that under load many go in one transaction.
        let mut arrived: Vec<i64> = Vec::new();
        let mut removal = JoinSet::new();
        let mut is_stale = true;
        loop {
            if is_stale {
                match self.look(&mut known).await {
                    Ok(true) => is_stale = false,
                    Ok(false) => return,
                    Err(error) => {
                        log::error("shared signals", &format!("stream {}: {error}", self.stream_id));
                        tokio::time::sleep(LEAD_AGAIN).await;
                        continue;
                    }
                }
            }
            let now = clock::now();
            let pause = match known.next(now) {
                Next::Send(sequence) => {
                    if let Some(stream) = &known.stream {
                        under_way.spawn(Arc::clone(&self).deliver(Arc::clone(stream), sequence as i64));
                    }
                    continue;
                }
                Next::Until(then) => then.since(now),
                Next::Idle if known.may_receive => i64::MAX,
                Next::Idle => RECEIVER_AGAIN,
            };
            if removal.is_empty() && !arrived.is_empty() {
                removal.spawn(Arc::clone(&self).remove(std::mem::take(&mut arrived)));
            }
            let pause = Duration::from_micros(pause.clamp(0, 3_600 * SECOND) as u64);
            tokio::select! {
                () = self.wake.notified() => is_stale = true,
                () = tokio::time::sleep(pause) => is_stale = !known.may_receive,
                Some(Ok((sequence, answer))) = under_way.join_next() => {
                    known.queue.answered(sequence as u64, answer, clock::now());
                    if answer.is_success() {
                        arrived.push(sequence);
                    }
                }
                Some(Ok(kept)) = removal.join_next() => {
                    // What could not be removed is tried again with the next; at worst it is sent twice.
                    arrived.extend(kept);
                }
            }
        }
    }

    /// Takes over what the stream is now, and what waits. False if it is gone.
    async fn look(&self, known: &mut Known) -> Result<bool, StoreError> {
        let mut scoped = self.server.store.read(&self.scope).await?;
        let Some(stream) = scoped.stream(&self.stream_id).await? else { return Ok(false) };
        let is_pushed = matches!(stream.stream.configuration.delivery, Delivery::Push { .. });
        known.queue.set_status(stream.status.status);
        if stream.status.status == Status::Disabled {
            known.queue.discard();
        }
        if is_pushed {
            Self::take_in(&mut scoped, known, &stream).await?;
        } else {
            // Fetched from now on; what is pushed again one day is read anew.
            (known.queue, known.last) = (Queue::new(stream.status.status), 0);
        }
        // Nobody waits for a second connection to the database while holding one: as many streams as there are connections
        // would wait for each other.
        drop(scoped);
        known.may_receive = may_receive(&self.server, &self.scope, &stream).await?;
        known.stream = Some(Arc::new(stream));
        Ok(true)
    }

    /// Puts what waits and is not known yet into the queue.
    async fn take_in(
        scoped: &mut Scoped,
        known: &mut Known,
        stream: &StoredStream,
    ) -> Result<(), StoreError> {
        loop {
            let places = scoped.places(stream.stream.id, known.last, PAGE).await?;
            let is_last = places.len() < PAGE;
            for place in places {
                known.last = place.sequence;
                known.queue.add(Waiting {
                    sequence: place.sequence as u64,
                    of_stream: place.principal.is_none(),
                    subject: place.principal.unwrap_or_default(),
                });
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Sends one event.
    async fn deliver(self: Arc<Self>, stream: Arc<StoredStream>, sequence: i64) -> (i64, Answer) {
        let answer = match self.try_to_deliver(&stream, sequence).await {
            Ok(answer) => answer,
            Err(error) => {
                log::info(
                    "shared signals",
                    &format!("an event of stream {} waits: {error:#}", self.stream_id),
                );
                Answer::None
            }
        };
        (sequence, answer)
    }

    async fn try_to_deliver(&self, stream: &StoredStream, sequence: i64) -> Result<Answer> {
        let event = self.server.store.read(&self.scope).await?.event(stream.stream.id, sequence).await?;
        // Given up meanwhile: there is nothing to send any more.
        let Some(event) = event else { return Ok(Answer::Status { status: 204, retry_after: None }) };
        let Delivery::Push { endpoint_url, authorization_header } = &stream.stream.configuration.delivery
        else {
            return Ok(Answer::None);
        };
        let token = sign(&self.server, self.scope.tenant_id(), stream, &event, clock::now()).await?;
        let header = authorization_header.as_ref().map(Authorization::expose);
        let answered = self.server.outbound.push(endpoint_url, header, token).await?;
        let asked = answered.retry_after.as_deref().and_then(retry_after);
        Ok(Answer::Status { status: answered.status, retry_after: asked })
    }

    /// Removes events that have arrived; those that could not be removed.
    async fn remove(self: Arc<Self>, sequences: Vec<i64>) -> Vec<i64> {
        let removed = async {
            let stream = self.stream_id.parse().unwrap_or_default();
            let mut scoped = self.server.store.begin(&self.scope).await?;
            scoped.remove_events(stream, &sequences).await?;
            scoped.commit().await
        };
        match removed.await {
            Ok(()) => Vec::new(),
            Err(error) => {
                log::error("shared signals", &error);
                tokio::time::sleep(LEAD_AGAIN).await;
                sequences
            }
        }
    }
}

impl Known {
    /// What to do now. Whoever may not receive gets nothing, not even what the stream says of itself.
    fn next(&mut self, now: Timestamp) -> Next {
        if self.may_receive { self.queue.next(now) } else { Next::Idle }
    }
}
