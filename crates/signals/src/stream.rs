//! Streams (SSF 1.0 sections 7 and 8): what a transmitter says of itself, what a receiver may ask of it, and what a stream
//! delivers.

use std::fmt;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::event::{Body, Circumstances, Event, EventType, Status};
use crate::invalid::Invalid;
use crate::json;
use crate::subject::Subject;

/// `delivery.method` of push.
pub const PUSH: &str = "urn:ietf:rfc:8935";
/// `delivery.method` of poll.
pub const POLL: &str = "urn:ietf:rfc:8936";
/// `min_verification_interval`, in seconds: a verification costs us a signature and a request.
pub const VERIFICATION_INTERVAL_SECONDS_MIN: i64 = 10;
/// Most entries of `events_requested`.
pub const EVENTS_REQUESTED_MAX: usize = 64;
/// Most subjects that are taken from one stream: each event is compared with them.
pub const SUBJECTS_MAX: usize = 1_000;
/// Longest `reason` and `state`, in bytes: both are sent back.
pub const ECHO_BYTES_MAX: usize = 1_024;

/// A transmitter, which here is a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmitter<'a> {
    /// `iss` of its events and of its metadata.
    pub issuer: &'a str,
    /// Where its keys are.
    pub jwks_uri: &'a str,
    /// What stands in front of its endpoints, such as `https://login.example/{tenant}/signals`.
    pub base: &'a str,
}

impl Transmitter<'_> {
    /// Its metadata (SSF 1.0 section 7.1).
    pub fn metadata(&self) -> Value {
        let endpoint = |path: &str| format!("{}/{path}", self.base);
        json!({
            "spec_version": "1_0",
            "issuer": self.issuer,
            "jwks_uri": self.jwks_uri,
            "delivery_methods_supported": [PUSH, POLL],
            "configuration_endpoint": endpoint("streams"),
            "status_endpoint": endpoint("status"),
            "add_subject_endpoint": endpoint("subjects/add"),
            "remove_subject_endpoint": endpoint("subjects/remove"),
            "verification_endpoint": endpoint("verify"),
            "critical_subject_members": ["application", "tenant"],
            "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}],
            "default_subjects": "ALL",
        })
    }

    fn poll_endpoint(&self, stream: Uuid) -> String {
        format!("{}/poll/{stream}", self.base)
    }
}

/// The receiver's `authorization_header`: sent with each delivery, and shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization(String);

impl Authorization {
    /// A header as it was kept.
    pub fn new(header: String) -> Authorization {
        Authorization(header)
    }

    /// The value of the header.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(…)")
    }
}

/// How events reach the receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// RFC 8935.
    Push {
        /// Where to. `https`, without user and fragment; whether the address is public, the caller finds out.
        endpoint_url: String,
        /// With which header.
        authorization_header: Option<Authorization>,
    },
    /// RFC 8936, at an address of ours.
    Poll,
}

/// What a receiver says of its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// `events_requested`: URIs, of events that are known or not. Nothing that was not asked for is delivered.
    pub events_requested: Vec<String>,
    /// `delivery`.
    pub delivery: Delivery,
    /// `description`.
    pub description: Option<String>,
}

impl Configuration {
    /// The types that are delivered: asked for and supported, each once.
    pub fn delivered(&self) -> Vec<EventType> {
        let mut delivered = Vec::new();
        for event_type in self.events_requested.iter().filter_map(|uri| EventType::parse(uri)) {
            if EventType::SUPPORTED.contains(&event_type) && !delivered.contains(&event_type) {
                delivered.push(event_type);
            }
        }
        delivered
    }
}

/// A stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// `stream_id`.
    pub id: Uuid,
    /// `aud`: the receiver's application id.
    pub audience: String,
    /// What its receiver wants.
    pub configuration: Configuration,
}

/// `stream_id` of a request, which all but the creation must have.
pub fn stream_id(body: &Map<String, Value>) -> Result<&str, Invalid> {
    json::required(body, "stream_id")
}

impl Stream {
    /// A new stream (SSF 1.0 section 8.1.1.1).
    pub fn create(
        transmitter: &Transmitter<'_>,
        id: Uuid,
        audience: &str,
        body: &Map<String, Value>,
    ) -> Result<Stream, Invalid> {
        let configuration = whole(body, &transmitter.poll_endpoint(id))?;
        let stream = Stream { id, audience: audience.to_owned(), configuration };
        supplied_is_the_same(body, &stream.to_json(transmitter))?;
        Ok(stream)
    }

    /// The stream after a PATCH (SSF 1.0 section 8.1.1.3): members that are there replace, null takes away. `delivery`
    /// is replaced as a whole, but for the header: it is shown to nobody, so who sends back what it read would lose it.
    pub fn patch(&self, transmitter: &Transmitter<'_>, body: &Map<String, Value>) -> Result<Stream, Invalid> {
        let mut stream = self.clone();
        if body.contains_key("events_requested") {
            stream.configuration.events_requested = events_requested(body)?;
        }
        if body.contains_key("description") {
            stream.configuration.description = json::owned(body, "description")?;
        }
        if body.contains_key("delivery") {
            let new = delivery(body, &transmitter.poll_endpoint(self.id))?;
            stream.configuration.delivery = with_the_header_of(&self.configuration.delivery, new);
        }
        self.becomes(stream, transmitter, body)
    }

    /// The stream after a PUT (SSF 1.0 section 8.1.1.4): what is left out is gone, the header included.
    pub fn replace(
        &self,
        transmitter: &Transmitter<'_>,
        body: &Map<String, Value>,
    ) -> Result<Stream, Invalid> {
        let configuration = whole(body, &transmitter.poll_endpoint(self.id))?;
        self.becomes(Stream { configuration, ..self.clone() }, transmitter, body)
    }

    fn becomes(
        &self,
        stream: Stream,
        transmitter: &Transmitter<'_>,
        body: &Map<String, Value>,
    ) -> Result<Stream, Invalid> {
        // SSF 1.0 section 8.1.1.3: what it was before, also of `events_delivered`, which follows what is requested.
        supplied_is_the_same(body, &self.to_json(transmitter))?;
        Ok(stream)
    }

    /// The stream as its receiver sees it (SSF 1.0 section 8.1.1).
    pub fn to_json(&self, transmitter: &Transmitter<'_>) -> Value {
        let uris = |types: &[EventType]| -> Vec<&str> { types.iter().map(|one| one.uri()).collect() };
        let delivery = match &self.configuration.delivery {
            Delivery::Push { endpoint_url, .. } => json!({"method": PUSH, "endpoint_url": endpoint_url}),
            Delivery::Poll => json!({"method": POLL, "endpoint_url": transmitter.poll_endpoint(self.id)}),
        };
        let mut json = json!({
            "stream_id": self.id.to_string(),
            "iss": transmitter.issuer,
            "aud": self.audience,
            "events_supported": uris(&EventType::SUPPORTED),
            "events_requested": self.configuration.events_requested,
            "events_delivered": uris(&self.configuration.delivered()),
            "delivery": delivery,
            "min_verification_interval": VERIFICATION_INTERVAL_SECONDS_MIN,
        });
        if let Some(description) = &self.configuration.description {
            json["description"] = description.as_str().into();
        }
        json
    }

    /// Whether an event of that type about that subject goes to its receiver. Those about the stream itself always do, and
    /// it cannot be taken from itself (SSF 1.0 sections 8.1.4.1 and 8.1.5).
    pub fn delivers(&self, event_type: EventType, subject: &Subject, subjects: &Subjects) -> bool {
        matches!(event_type, EventType::Verification | EventType::StreamUpdated)
            || self.configuration.delivered().contains(&event_type) && subjects.contains(subject)
    }
}

/// All that a receiver says, as POST and PUT have it.
fn whole(body: &Map<String, Value>, poll_endpoint: &str) -> Result<Configuration, Invalid> {
    Ok(Configuration {
        events_requested: events_requested(body)?,
        delivery: delivery(body, poll_endpoint)?,
        description: json::owned(body, "description")?,
    })
}

fn events_requested(body: &Map<String, Value>) -> Result<Vec<String>, Invalid> {
    Ok(json::texts(body, "events_requested", EVENTS_REQUESTED_MAX)?.unwrap_or_default())
}

/// SSF 1.0 section 8.1.1.1: without `delivery`, poll is meant.
fn delivery(body: &Map<String, Value>, poll_endpoint: &str) -> Result<Delivery, Invalid> {
    let Some(object) = json::object(body, "delivery")? else { return Ok(Delivery::Poll) };
    read_delivery(object, poll_endpoint).map_err(|invalid| invalid.within("delivery"))
}

fn read_delivery(object: &Map<String, Value>, poll_endpoint: &str) -> Result<Delivery, Invalid> {
    match json::required(object, "method")? {
        PUSH => {
            let endpoint_url = json::required(object, "endpoint_url")?;
            is_endpoint(endpoint_url).map_err(|problem| Invalid::new("endpoint_url", problem))?;
            let header = json::text(object, "authorization_header")?;
            // RFC 9110 section 5.5: visible characters and blanks, or it could end the header and begin another.
            if header.is_some_and(|header| header.trim().is_empty() || !header.bytes().all(is_of_a_header)) {
                return Err(Invalid::new("authorization_header", "must be the value of a header"));
            }
            Ok(Delivery::Push {
                endpoint_url: endpoint_url.to_owned(),
                authorization_header: header.map(|header| Authorization(header.to_owned())),
            })
        }
        POLL => {
            if json::text(object, "endpoint_url")?.is_some_and(|url| url != poll_endpoint) {
                return Err(Invalid::new("endpoint_url", "is the transmitter's to say"));
            }
            if json::member(object, "authorization_header").is_some() {
                return Err(Invalid::new("authorization_header", "is only for push"));
            }
            Ok(Delivery::Poll)
        }
        _ => Err(Invalid::new("method", "must be that of RFC 8935 or of RFC 8936")),
    }
}

fn is_of_a_header(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

/// An absolute `https` URL of a host. Characters that readers of URLs disagree about are refused, so that whoever
/// connects sees the same host.
fn is_endpoint(url: &str) -> Result<(), &'static str> {
    let scheme = url.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("https://"));
    let rest = scheme.map(|_| &url[8..]).ok_or("must begin with `https://`")?;
    if !rest.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>')) {
        return Err("has a character that no URL has");
    }
    if rest.contains('#') {
        return Err("must not have a fragment");
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("must not have a user");
    }
    let host_and_port = match authority.rsplit_once(']') {
        Some((host, port)) if host.starts_with('[') => Some((host, port.strip_prefix(':').unwrap_or(port))),
        Some(_) => None,
        None => Some(authority.split_once(':').unwrap_or((authority, ""))),
    };
    match host_and_port {
        Some((host, port))
            if !matches!(host, "" | "[") && (port.is_empty() || port.parse::<u16>().is_ok()) =>
        {
            Ok(())
        }
        _ => Err("must have a host, and a port that is one"),
    }
}

fn with_the_header_of(old: &Delivery, new: Delivery) -> Delivery {
    match (old, new) {
        (
            Delivery::Push { endpoint_url: same, authorization_header: kept },
            Delivery::Push { endpoint_url, authorization_header: None },
        ) if *same == endpoint_url => Delivery::Push { endpoint_url, authorization_header: kept.clone() },
        // Another address is another party, perhaps: the header does not go there unasked.
        (_, new) => new,
    }
}

/// What the transmitter supplies may be there if it is as it should be (SSF 1.0 section 8.1.1.3).
fn supplied_is_the_same(body: &Map<String, Value>, stream: &Value) -> Result<(), Invalid> {
    const SUPPLIED: [&str; 7] = [
        "stream_id",
        "iss",
        "aud",
        "events_supported",
        "events_delivered",
        "min_verification_interval",
        "inactivity_timeout",
    ];
    for name in SUPPLIED {
        let Some(said) = json::member(body, name) else { continue };
        if !is_same(said, &stream[name]) {
            return Err(Invalid::new(name, "is the transmitter's to say"));
        }
    }
    Ok(())
}

/// Lists of events have no order.
fn is_same(one: &Value, two: &Value) -> bool {
    match (one.as_array(), two.as_array()) {
        (Some(one), Some(two)) => one.len() == two.len() && one.iter().all(|entry| two.contains(entry)),
        _ => one == two,
    }
}

/// Status and reason of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamStatus {
    /// `status`.
    pub status: Status,
    /// `reason`, the receiver's.
    pub reason: Option<String>,
}

impl StreamStatus {
    /// Reads the body of a request that sets it (SSF 1.0 section 8.1.2.2).
    pub fn read(body: &Map<String, Value>) -> Result<StreamStatus, Invalid> {
        Ok(StreamStatus { status: Status::read(body)?, reason: echoed(body, "reason")? })
    }

    /// As the receiver reads it (SSF 1.0 section 8.1.2.1).
    pub fn to_json(&self, stream: Uuid) -> Value {
        let mut json = json!({"stream_id": stream.to_string(), "status": self.status.as_str()});
        if let Some(reason) = &self.reason {
            json["reason"] = reason.as_str().into();
        }
        json
    }

    /// What has to be done so that the stream has the status `to`.
    pub fn change(&self, to: &StreamStatus) -> Change {
        if self.status == to.status {
            return Change { told: None, discards: false };
        }
        let body = Body::StreamUpdated { status: to.status, reason: to.reason.clone() };
        Change {
            told: Some(Event { body, circumstances: Circumstances::default() }),
            discards: to.status == Status::Disabled,
        }
    }
}

/// What a change of status entails.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The stream-updated event (SSF 1.0 section 8.1.5). It is about the stream itself, and so goes out in any status,
    /// before what waits; see [`crate::delivery`].
    pub told: Option<Event>,
    /// Whether what waits is given up: a disabled stream keeps nothing (SSF 1.0 section 8.1.2).
    pub discards: bool,
}

/// Whether an event that happens while a stream has that status is kept for it.
pub fn keeps(status: Status) -> bool {
    status != Status::Disabled
}

/// Whether an event that waits goes out while a stream has that status. What the stream says of itself does always: it is
/// what tells the receiver of the status.
pub fn sends(status: Status, of_stream: bool) -> bool {
    of_stream || status == Status::Enabled
}

/// The event that a request for a verification asks for (SSF 1.0 section 8.1.4.2), with its `state`.
pub fn verification(body: &Map<String, Value>) -> Result<Event, Invalid> {
    let state = echoed(body, "state")?;
    Ok(Event { body: Body::Verification(state), circumstances: Circumstances::default() })
}

/// Whether a verification is too early; `since_last` is microseconds since the last one that was not.
pub fn is_too_early(since_last: Option<i64>) -> bool {
    let interval = VERIFICATION_INTERVAL_SECONDS_MIN * countersign_model::time::SECOND;
    since_last.is_some_and(|since| since < interval)
}

fn echoed(body: &Map<String, Value>, name: &str) -> Result<Option<String>, Invalid> {
    let text = json::text(body, name)?;
    if text.is_some_and(|text| text.len() > ECHO_BYTES_MAX) {
        return Err(Invalid::new(name, "is too long"));
    }
    Ok(text.map(str::to_owned))
}

/// Whom a stream is about: everybody (`default_subjects` is `ALL`) but those that its receiver took away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subjects {
    removed: Vec<Subject>,
}

impl Subjects {
    /// Those that were taken away, as they were kept.
    pub fn without(removed: Vec<Subject>) -> Subjects {
        Subjects { removed }
    }

    /// Those that were taken away, to keep.
    pub fn removed(&self) -> &[Subject] {
        &self.removed
    }

    /// Takes a subject away (SSF 1.0 section 8.1.3.3). An error when there are [`SUBJECTS_MAX`].
    pub fn remove(&mut self, subject: Subject) -> Result<(), Invalid> {
        if self.removed.contains(&subject) {
            return Ok(());
        }
        if self.removed.len() >= SUBJECTS_MAX {
            return Err(Invalid::new("subject", "is one more than can be removed from a stream"));
        }
        self.removed.push(subject);
        Ok(())
    }

    /// Puts a subject back (SSF 1.0 section 8.1.3.2), and with it whatever it was taken away with.
    pub fn add(&mut self, subject: &Subject) {
        self.removed.retain(|removed| !removed.is_meant_by(subject));
    }

    /// Whether the stream is about that subject of an event.
    pub fn contains(&self, subject: &Subject) -> bool {
        !self.removed.iter().any(|removed| subject.is_meant_by(removed))
    }
}
