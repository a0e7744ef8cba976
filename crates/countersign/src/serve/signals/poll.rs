//! Events that a receiver fetches (RFC 8936).

use std::time::Duration;

use axum::http::StatusCode;
use countersign_odata::error::ODataError;
use countersign_signals::event::Status;
use countersign_signals::poll::{Answer, EVENTS_MAX, Request};
use countersign_signals::stream::Delivery;
use countersign_store::{Rung, StoredEvent, StoredStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use uuid::Uuid;

use super::push::sign;
use super::streams::own;
use super::{Answered, invalid};
use crate::serve::graph::{Call, body};
use crate::serve::graph::{failed, internal};
use crate::serve::{bearer, clock, log};

/// How long a request waits for an event.
const WAIT: Duration = Duration::from_secs(30);
/// How long it waits for a ring before it looks without one.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// `POST` of a receiver: takes what it acknowledges, and answers with what waits.
pub(super) async fn poll(call: &Call<'_>, id: &str) -> Result<Answered, ODataError> {
    let request = Request::read(&body::object(call.body)?).map_err(invalid)?;
    let stored = own(call, &mut call.read().await?, id).await?;
    if matches!(stored.stream.configuration.delivery, Delivery::Push { .. }) {
        return Err(ODataError::bad_request("The events of this stream are pushed."));
    }
    acknowledge(call, stored.stream.id, &request).await?;
    // Before the first look, so that nothing comes between the look and the wait.
    let mut rung = call.server.store.hear_streams();
    let until = Instant::now() + WAIT;
    loop {
        let (stored, events) = waiting(call, id).await?;
        let jtis: Vec<&str> = events.iter().map(|event| event.jti.as_str()).collect();
        let selection = request.select(&jtis);
        if !selection.waits || Instant::now() >= until {
            let answer = Answer {
                sets: sets(call, &stored, &events, &selection.events).await?,
                more_available: selection.more_available,
            };
            let body = serde_json::to_string(&answer).map_err(|error| internal(error.into()))?;
            return Ok(Answered { status: StatusCode::OK, body: Some(body) });
        }
        wait(&mut rung, &stored, until).await;
        // Who waited half a minute may have lost the right to know meanwhile.
        let again = bearer::authenticate(call.server, call.headers, call.caller.ip, clock::now()).await;
        again.map_err(|refused| refused.error)?;
    }
}

async fn acknowledge(call: &Call<'_>, stream: Uuid, request: &Request) -> Result<(), ODataError> {
    for (jti, error) in &request.errors {
        log::error(
            "shared signals",
            &format!(
                "the receiver of stream {stream} cannot use the event {jti}: {} {}",
                error.err, error.description
            ),
        );
    }
    let done: Vec<&str> = request.done().collect();
    if done.is_empty() {
        return Ok(());
    }
    let mut scoped = call.begin().await?;
    scoped.remove_events_by_jti(stream, &done).await.map_err(failed)?;
    scoped.commit().await.map_err(failed)
}

/// The stream as it is now, with what may go.
async fn waiting(call: &Call<'_>, id: &str) -> Result<(StoredStream, Vec<StoredEvent>), ODataError> {
    let mut scoped = call.read().await?;
    let stored = own(call, &mut scoped, id).await?;
    let of_stream_only = stored.status.status != Status::Enabled;
    let events =
        scoped.first_events(stored.stream.id, of_stream_only, EVENTS_MAX + 1).await.map_err(failed)?;
    Ok((stored, events))
}

async fn sets(
    call: &Call<'_>,
    stored: &StoredStream,
    events: &[StoredEvent],
    selected: &[&str],
) -> Result<Vec<(String, String)>, ODataError> {
    let mut signed = Vec::with_capacity(selected.len());
    for event in events.iter().filter(|event| selected.contains(&event.jti.as_str())) {
        let token = sign(call.server, &call.caller.tenant.id, stored, event, clock::now()).await;
        signed.push((event.jti.clone(), token.map_err(internal)?));
    }
    Ok(signed)
}

/// Waits until something may be in the stream.
async fn wait(rung: &mut tokio::sync::broadcast::Receiver<Rung>, stored: &StoredStream, until: Instant) {
    let until = until.min(Instant::now() + LOOK_AGAIN);
    let id = stored.stream.id.to_string();
    let rings = async {
        loop {
            match rung.recv().await {
                Ok(Rung::Stream { stream_id, .. }) if stream_id != id => {}
                Ok(_) | Err(RecvError::Lagged(_)) => return,
                // The store is there as long as the server is.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    };
    let _ = tokio::time::timeout_at(until, rings).await;
}
