//! How receivers manage their streams (SSF 1.0 section 8.1).

use axum::http::StatusCode;
use countersign_model::time::SECOND;
use countersign_odata::error::ODataError;
use countersign_signals::stream::{self, Delivery, Stream, StreamStatus, is_too_early, verification};
use countersign_signals::subject::Subject;
use countersign_store::{Scoped, StoreError, StoredStream};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::{Addresses, Answered, Target, invalid, write_record};
use crate::serve::graph::audit::modified;
use crate::serve::graph::{Call, body};
use crate::serve::graph::{failed, internal};
use crate::serve::ids;

/// Whether a change leaves what it does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// `PATCH`.
    Patch,
    /// `PUT`.
    Replace,
}

fn unknown(id: &str) -> ODataError {
    ODataError::not_found(id)
}

/// The stream of that id, if it is the caller's own.
pub(super) async fn own(call: &Call<'_>, scoped: &mut Scoped, id: &str) -> Result<StoredStream, ODataError> {
    let found = match Uuid::try_parse(id) {
        Ok(id) => scoped.stream(&id.to_string()).await.map_err(failed)?,
        Err(_) => None,
    };
    found.filter(|stream| stream.stream.audience == call.caller.app_id).ok_or_else(|| unknown(id))
}

/// The stream that a body names.
async fn named(
    call: &Call<'_>,
    scoped: &mut Scoped,
    body: &Map<String, Json>,
) -> Result<StoredStream, ODataError> {
    own(call, scoped, stream::stream_id(body).map_err(invalid)?).await
}

/// `GET`: one stream, or a list of them.
pub(super) async fn get(
    call: &Call<'_>,
    addresses: &Addresses,
    id: Option<&str>,
) -> Result<Answered, ODataError> {
    let mut scoped = call.read().await?;
    let transmitter = addresses.transmitter();
    let body = if let Some(id) = id {
        own(call, &mut scoped, id).await?.stream.to_json(&transmitter)
    } else {
        let all = scoped.streams().await.map_err(failed)?;
        let own = all.iter().filter(|stream| stream.stream.audience == call.caller.app_id);
        own.map(|stream| stream.stream.to_json(&transmitter)).collect()
    };
    Ok(Answered::json(StatusCode::OK, &body))
}

/// `POST`: a stream begins.
pub(super) async fn create(call: &Call<'_>, addresses: &Addresses) -> Result<Answered, ODataError> {
    let body = body::object(call.body)?;
    let transmitter = addresses.transmitter();
    let id = ids::guid().map_err(internal)?.parse().map_err(|_| ODataError::internal())?;
    let stream = Stream::create(&transmitter, id, &call.caller.app_id, &body).map_err(invalid)?;
    check_endpoint(call, &stream.configuration.delivery).await?;
    ensure_key(call).await?;
    let stored = StoredStream::new(stream, addresses.issuer.clone());
    let mut scoped = call.begin().await?;
    scoped.add_stream(&stored).await.map_err(|error| match error {
        StoreError::Duplicate(_) => {
            ODataError::new(409, "Conflict", "The application has a stream already; it can have one.")
        }
        error => failed(error),
    })?;
    let shown = stored.stream.to_json(&transmitter);
    record(call, &mut scoped, "Add", &stored, (&Json::Null, &shown)).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answered::json(StatusCode::CREATED, &shown))
}

/// The interoperability profile knows RS256 alone, which the tenant's own tokens need not have.
async fn ensure_key(call: &Call<'_>) -> Result<(), ODataError> {
    let server = call.server;
    server.keys.ensure_rs256(&server.store, server.config.key_rotation_days, call.now).await.map_err(internal)
}

/// The address of a receiver is a stranger's wish: it must not open the network that the server stands in.
async fn check_endpoint(call: &Call<'_>, delivery: &Delivery) -> Result<(), ODataError> {
    let Delivery::Push { endpoint_url, .. } = delivery else { return Ok(()) };
    let refused =
        |error: anyhow::Error| ODataError::bad_request(format!("`delivery.endpoint_url`: {error:#}."));
    call.server.outbound.check(endpoint_url).await.map_err(refused)
}

/// `PATCH` and `PUT`.
pub(super) async fn change(
    call: &Call<'_>,
    addresses: &Addresses,
    change: Change,
) -> Result<Answered, ODataError> {
    let body = body::object(call.body)?;
    let transmitter = addresses.transmitter();
    // Names are resolved before the stream is held: nobody who tells something waits for a name server.
    let found = named(call, &mut call.read().await?, &body).await?;
    let becomes = |stream: &Stream| match change {
        Change::Patch => stream.patch(&transmitter, &body).map_err(invalid),
        Change::Replace => stream.replace(&transmitter, &body).map_err(invalid),
    };
    check_endpoint(call, &becomes(&found.stream)?.configuration.delivery).await?;

    let mut scoped = call.begin().await?;
    let mut stored = named(call, &mut scoped, &body).await?;
    let before = stored.stream.to_json(&transmitter);
    stored.stream = becomes(&stored.stream)?;
    stored.issuer.clone_from(&addresses.issuer);
    scoped.update_stream(&stored).await.map_err(failed)?;
    let after = stored.stream.to_json(&transmitter);
    record(call, &mut scoped, "Update", &stored, (&before, &after)).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answered::json(StatusCode::OK, &after))
}

/// `DELETE`, with the id in the query.
pub(super) async fn delete(call: &Call<'_>, id: Option<&str>) -> Result<Answered, ODataError> {
    let mut scoped = call.begin().await?;
    let stored = own(call, &mut scoped, required(id)?).await?;
    scoped.remove_stream(&stored.stream.id.to_string()).await.map_err(failed)?;
    record(call, &mut scoped, "Delete", &stored, (&Json::Null, &Json::Null)).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answered::empty(StatusCode::NO_CONTENT))
}

fn required(id: Option<&str>) -> Result<&str, ODataError> {
    id.ok_or_else(|| ODataError::bad_request("`stream_id` is missing in the query."))
}

/// `GET` of the status.
pub(super) async fn status(call: &Call<'_>, id: Option<&str>) -> Result<Answered, ODataError> {
    let stored = own(call, &mut call.read().await?, required(id)?).await?;
    Ok(Answered::json(StatusCode::OK, &stored.status.to_json(stored.stream.id)))
}

/// `POST` of the status.
pub(super) async fn set_status(call: &Call<'_>) -> Result<Answered, ODataError> {
    let body = body::object(call.body)?;
    let wanted = StreamStatus::read(&body).map_err(invalid)?;
    let mut scoped = call.begin().await?;
    let mut stored = named(call, &mut scoped, &body).await?;
    let change = stored.status.change(&wanted);
    let name = |status: &StreamStatus| Json::from(status.status.as_str());
    let (before, after) = (name(&stored.status), name(&wanted));
    stored.status = wanted;
    if change.discards {
        scoped.discard_events(stored.stream.id).await.map_err(failed)?;
    }
    if let Some(event) = change.told {
        scoped.add_own_event(&mut stored, event, call.request_id, call.now).await.map_err(failed)?;
    }
    scoped.update_stream(&stored).await.map_err(failed)?;
    if before != after {
        let properties = vec![modified("Status", &before, &after)];
        write_audit(call, &mut scoped, "Update", &stored, properties).await?;
    }
    let shown = stored.status.to_json(stored.stream.id);
    scoped.commit().await.map_err(failed)?;
    Ok(Answered::json(StatusCode::OK, &shown))
}

/// A stream with a subject, out of a body that has both.
async fn with_subject(call: &Call<'_>) -> Result<(Scoped, StoredStream, Subject), ODataError> {
    let body = body::object(call.body)?;
    let mut scoped = call.begin().await?;
    let stored = named(call, &mut scoped, &body).await?;
    let subject = body.get("subject").ok_or_else(|| ODataError::bad_request("`subject` is missing."))?;
    let subject = Subject::read(subject).map_err(invalid)?;
    Ok((scoped, stored, subject))
}

/// Puts a subject back.
pub(super) async fn add_subject(call: &Call<'_>) -> Result<Answered, ODataError> {
    let (mut scoped, mut stored, subject) = with_subject(call).await?;
    stored.subjects.add(&subject);
    save_subjects(call, &mut scoped, &stored, ("Added", &subject)).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answered::empty(StatusCode::OK))
}

/// Takes a subject away.
pub(super) async fn remove_subject(call: &Call<'_>) -> Result<Answered, ODataError> {
    let (mut scoped, mut stored, subject) = with_subject(call).await?;
    stored.subjects.remove(subject.clone()).map_err(invalid)?;
    save_subjects(call, &mut scoped, &stored, ("Removed", &subject)).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answered::empty(StatusCode::NO_CONTENT))
}

/// Who is not told of any more is a change that somebody may ask about later.
async fn save_subjects(
    call: &Call<'_>,
    scoped: &mut Scoped,
    stored: &StoredStream,
    (what, subject): (&str, &Subject),
) -> Result<(), ODataError> {
    scoped.update_stream(stored).await.map_err(failed)?;
    let properties = vec![modified(&format!("Subject{what}"), &Json::Null, &subject.to_json())];
    write_audit(call, scoped, "Update", stored, properties).await
}

/// Asks for a verification (SSF 1.0 section 8.1.4.2).
pub(super) async fn verify(call: &Call<'_>) -> Result<Answered, ODataError> {
    let body = body::object(call.body)?;
    let event = verification(&body).map_err(invalid)?;
    let mut scoped = call.begin().await?;
    let mut stored = named(call, &mut scoped, &body).await?;
    if is_too_early(stored.verified.map(|verified| call.now.since(verified))) {
        let seconds = stream::VERIFICATION_INTERVAL_SECONDS_MIN;
        return Err(ODataError::new(
            429,
            "TooManyRequests",
            format!("A stream can be verified every {seconds} seconds."),
        ));
    }
    stored.verified = Some(call.now);
    scoped.add_own_event(&mut stored, event, call.request_id, call.now).await.map_err(failed)?;
    scoped.update_stream(&stored).await.map_err(failed)?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answered::empty(StatusCode::NO_CONTENT))
}

async fn record(
    call: &Call<'_>,
    scoped: &mut Scoped,
    operation: &'static str,
    stored: &StoredStream,
    (before, after): (&Json, &Json),
) -> Result<(), ODataError> {
    let names = ["events_requested", "delivery", "description"];
    let differing = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let of = |json: &Json, name: &str| json.get(name).cloned().unwrap_or(Json::Null);
    let properties = differing.map(|name| modified(name, &of(before, name), &of(after, name))).collect();
    write_audit(call, scoped, operation, stored, properties).await
}

async fn write_audit(
    call: &Call<'_>,
    scoped: &mut Scoped,
    operation: &'static str,
    stored: &StoredStream,
    properties: Vec<Json>,
) -> Result<(), ODataError> {
    let activity = match operation {
        "Add" => "Add security event stream",
        "Update" => "Update security event stream",
        _ => "Delete security event stream",
    };
    let what = Target {
        id: stored.stream.id.to_string(),
        display_name: stored.stream.configuration.description.as_deref(),
    };
    write_record(call, scoped, (activity, operation), &what, properties).await
}

/// How long a receiver whose application cannot sign in is left alone before it is looked at again, in microseconds.
pub(super) const RECEIVER_AGAIN: i64 = 5 * SECOND;

/// Whether the receiver of a stream may still have what is told: its application is there and may sign in.
pub(super) async fn may_receive(
    server: &crate::serve::Server,
    scope: &countersign_store::TenantScope,
    stream: &StoredStream,
) -> Result<bool, StoreError> {
    let client = server.store.client(scope, &stream.stream.audience).await?;
    let Some(client) = client else { return Ok(false) };
    let is_enabled = client.application.as_ref().is_none_or(|application| !application.is_disabled);
    let may_sign_in = |principal: &countersign_model::client::ClientPrincipal| {
        principal.account_enabled && !principal.is_disabled && !principal.is_disabled_by_microsoft
    };
    Ok(is_enabled && client.principal.as_ref().is_some_and(may_sign_in))
}
