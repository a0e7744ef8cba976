//! Streams of Shared Signals and the events that wait in them.
//!
//! What happened to a workload is told with [`Scoped::tell`] and becomes rows of the streams that want it when the
//! transaction commits, so that an event is as durable as its cause. That comes last: until then nobody waits for a
//! stream, and since all take streams in the same order, no two wait for each other. Sequences count commits.

use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::rand;
use countersign_model::time::Timestamp;
use countersign_signals::event::{Event, EventType, Status};
use countersign_signals::signal::Occurrence;
use countersign_signals::stream::{
    Authorization, Configuration, Delivery, Stream, StreamStatus, Subjects, keeps,
};
use countersign_signals::subject::{Subject, Tenant};
use serde_json::{Map, Value as Json, json};
use uuid::{Builder, Uuid};

use crate::clients::ended;
use crate::database::{Row, Session, Statement, Value};
use crate::entity::{APPLICATION, SERVICE_PRINCIPAL};
use crate::records::{record, select};
use crate::{Scoped, Store, StoreError};

/// Most events that wait in one stream. A stream with more is disabled, which its receiver is told first when it comes back:
/// it knows then that it has to look for itself.
pub const EVENTS_WAITING_MAX: i64 = 100_000;
/// What a stream says of itself then.
const TOO_MANY: &str = "more events wait than are kept";
/// Rows of one insert: PostgreSQL has 65,535 places for values, SQLite 32,766.
const ROWS_MAX: usize = 500;

/// A stream as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredStream {
    /// The stream.
    pub stream: Stream,
    /// Issuer of its events: the tenant's, as the receiver called it.
    pub issuer: String,
    /// Its status.
    pub status: StreamStatus,
    /// Whom it is about.
    pub subjects: Subjects,
    /// When it was last verified.
    pub verified: Option<Timestamp>,
    last_sequence: i64,
}

impl StoredStream {
    /// A stream that begins.
    pub fn new(stream: Stream, issuer: String) -> Self {
        Self {
            stream,
            issuer,
            status: StreamStatus::default(),
            subjects: Subjects::default(),
            verified: None,
            last_sequence: 0,
        }
    }

    fn wants(&self, tenant_id: &str, event: &Event, principal: Uuid) -> bool {
        let tenant = Tenant { issuer: &self.issuer, id: tenant_id.parse().unwrap_or_default() };
        keeps(self.status.status)
            && self.stream.delivers(event.event_type(), &tenant.subject(principal), &self.subjects)
    }
}

/// An event that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Its place in its stream.
    pub sequence: i64,
    /// `jti`.
    pub jti: String,
    /// `txn`.
    pub txn: String,
    /// The service principal that it is about; none if it is about the stream itself.
    pub principal: Option<Uuid>,
    /// When it was written.
    pub at: Timestamp,
    /// The event.
    pub event: Event,
}

impl StoredEvent {
    /// `sub_id`.
    pub fn subject(&self, tenant: &Tenant<'_>, stream: Uuid) -> Subject {
        self.principal.map_or_else(|| Subject::of_stream(stream), |principal| tenant.subject(principal))
    }
}

/// The place of an event that waits, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its place in its stream.
    pub sequence: i64,
    /// The service principal that it is about; none if it is about the stream itself.
    pub principal: Option<String>,
}

/// What happened to a workload, until the transaction commits.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    tenant_id: String,
    principal: Uuid,
    occurrence: Occurrence,
    txn: String,
}

const SELECT: &str = "select id, app_id, issuer, status, last_sequence, verified_us, wrapped_authorization, body \
                      from security_event_stream where tenant_id = ";

impl Store {
    fn stream(&self, row: &Row) -> Result<StoredStream, StoreError> {
        let (id, body) = (row.text(0)?, row.text(7)?);
        let corrupt =
            |reason: String| StoreError::Corrupt { table: "security_event_stream", id: id.clone(), reason };
        let body: Json = serde_json::from_str(&body).map_err(|error| corrupt(error.to_string()))?;
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let list = |name: &str| body[name].as_array().map_or(&[] as &[Json], Vec::as_slice).iter();
        let authorization_header = match row.bytes_or_null(6)? {
            Some(wrapped) => {
                let header = self.master_key.unwrap(&name_of(&id), &wrapped)?;
                let header =
                    std::str::from_utf8(&header).map_err(|_| corrupt("a header that is no text".into()))?;
                Some(Authorization::new(header.to_owned()))
            }
            None => None,
        };
        let delivery = match text("endpoint_url") {
            Some(endpoint_url) => Delivery::Push { endpoint_url, authorization_header },
            None => Delivery::Poll,
        };
        let status = Map::from_iter([("status".to_owned(), row.text(3)?.into())]);
        let removed = list("removed").map(Subject::read).collect::<Result<_, _>>();
        Ok(StoredStream {
            stream: Stream {
                id: id.parse().map_err(|_| corrupt("an id that is none".into()))?,
                audience: row.text(1)?,
                configuration: Configuration {
                    events_requested: list("events_requested")
                        .filter_map(Json::as_str)
                        .map(str::to_owned)
                        .collect(),
                    delivery,
                    description: text("description"),
                },
            },
            issuer: row.text(2)?,
            status: StreamStatus {
                status: Status::read(&status).map_err(|invalid| corrupt(invalid.to_string()))?,
                reason: text("reason"),
            },
            subjects: Subjects::without(removed.map_err(|invalid| corrupt(invalid.to_string()))?),
            verified: row.int_or_null(5)?.map(Timestamp),
            last_sequence: row.int(4)?,
        })
    }
}

/// Under which the authorization header of a stream is wrapped.
fn name_of(stream_id: &str) -> String {
    format!("security event stream {stream_id}")
}

fn body_of(stream: &StoredStream) -> String {
    let Configuration { events_requested, delivery, description } = &stream.stream.configuration;
    let endpoint_url = match delivery {
        Delivery::Push { endpoint_url, .. } => Some(endpoint_url),
        Delivery::Poll => None,
    };
    let removed: Vec<Json> = stream.subjects.removed().iter().map(Subject::to_json).collect();
    json!({
        "events_requested": events_requested,
        "endpoint_url": endpoint_url,
        "description": description,
        "reason": stream.status.reason,
        "removed": removed,
    })
    .to_string()
}

impl Scoped {
    /// Says that something happened to a workload; written to the streams that want it by [`Scoped::commit`]. All that has
    /// one cause has the same `txn`.
    pub fn tell(&mut self, principal: &str, occurrence: Occurrence, txn: &str) {
        // Ids of service principals are GUIDs; what is none can be nobody's subject.
        if let Ok(principal) = principal.parse() {
            let (tenant_id, txn) = (self.scope().tenant_id().to_owned(), txn.to_owned());
            self.told.push(Told { tenant_id, principal, occurrence, txn });
        }
    }

    /// The same of the service principals that other tenants have of an application which is at home in this one: what
    /// ends its tokens ends them there as well. `occurrences` says what it is for one that is enabled, or is not.
    pub async fn tell_elsewhere(
        &mut self,
        app_id: &str,
        occurrences: impl Fn(bool) -> Vec<Occurrence>,
        txn: &str,
    ) -> Result<(), StoreError> {
        let statement = Statement::new(
            "select s.tenant_id, s.id, cast(case when s.account_enabled then 1 else 0 end as bigint) from service_principal s \
             where s.app_id = $1 and s.tenant_id <> $2 and s.deleted_us is null and exists \
             (select 1 from application a where a.app_id = $1 and a.tenant_id = $2) order by s.tenant_id",
            [Value::from(app_id.to_ascii_lowercase()), self.tenant()],
        );
        for row in self.session.fetch(statement).await? {
            let (tenant_id, id) = (row.text(0)?, row.text(1)?);
            let is_enabled = row.int(2)? == 1;
            let Ok(principal) = id.parse() else { continue };
            for occurrence in occurrences(is_enabled) {
                let (tenant_id, txn) = (tenant_id.clone(), txn.to_owned());
                self.told.push(Told { tenant_id, principal, occurrence, txn });
            }
        }
        Ok(())
    }

    /// Whether somebody listens to what happens in this tenant.
    pub async fn has_streams(&mut self) -> Result<bool, StoreError> {
        let statement = Statement::new(
            "select 1 from security_event_stream where tenant_id = $1 limit 1",
            [self.tenant()],
        );
        Ok(self.session.first(statement).await?.is_some())
    }

    /// All streams of the tenant, by id. In a transaction they are held until its end.
    pub async fn streams(&mut self) -> Result<Vec<StoredStream>, StoreError> {
        let mut statement = Statement::default();
        statement.push(SELECT).bind(self.tenant()).push(" order by id");
        self.hold(&mut statement);
        let rows = self.session.fetch(statement).await?;
        rows.iter().map(|row| self.store.stream(row)).collect()
    }

    /// A stream of the tenant. In a transaction it is held until its end.
    pub async fn stream(&mut self, id: &str) -> Result<Option<StoredStream>, StoreError> {
        let mut statement = Statement::default();
        statement.push(SELECT).bind(self.tenant()).push(" and id = ").bind(id.to_ascii_lowercase());
        self.hold(&mut statement);
        let row = self.session.first(statement).await?;
        row.map(|row| self.store.stream(&row)).transpose()
    }

    fn hold(&self, statement: &mut Statement) {
        if matches!(self.session, Session::PostgresTransaction(_)) {
            statement.push(" for update");
        }
    }

    /// Adds a stream. [`StoreError::Duplicate`] if its receiver has one.
    pub async fn add_stream(&mut self, stream: &StoredStream) -> Result<(), StoreError> {
        let mut statement = Statement::default();
        statement.push(
            "insert into security_event_stream (tenant_id, id, app_id, issuer, status, last_sequence, verified_us, \
             wrapped_authorization, body) values (",
        );
        statement.bind(self.tenant()).push(", ").bind(stream.stream.id.to_string());
        statement.push(", ").bind(&stream.stream.audience).push(", ").bind(&stream.issuer);
        statement.push(", ").bind(stream.status.status.as_str()).push(", ").bind(stream.last_sequence);
        statement.push(", ").bind(stream.verified.map(|time| time.0));
        statement.push(", ").bind(self.wrapped(stream)?).push(", ").bind(body_of(stream)).push(")");
        match self.session.execute(statement).await {
            Ok(_) => {}
            Err(StoreError::Database(error)) if StoreError::is_unique_violation(&error) => {
                return Err(StoreError::Duplicate("security event stream"));
            }
            Err(error) => return Err(error),
        }
        self.ring(&stream.stream.id.to_string());
        Ok(())
    }

    /// Writes what a stream that was read in this transaction is now.
    pub async fn update_stream(&mut self, stream: &StoredStream) -> Result<(), StoreError> {
        let mut statement = Statement::default();
        statement.push("update security_event_stream set issuer = ").bind(&stream.issuer);
        statement.push(", status = ").bind(stream.status.status.as_str());
        statement.push(", last_sequence = ").bind(stream.last_sequence);
        statement.push(", verified_us = ").bind(stream.verified.map(|time| time.0));
        statement.push(", wrapped_authorization = ").bind(self.wrapped(stream)?);
        statement.push(", body = ").bind(body_of(stream));
        statement.push(" where tenant_id = ").bind(self.tenant());
        statement.push(" and id = ").bind(stream.stream.id.to_string());
        self.session.execute(statement).await?;
        self.ring(&stream.stream.id.to_string());
        Ok(())
    }

    fn wrapped(&self, stream: &StoredStream) -> Result<Value, StoreError> {
        Ok(Value::Bytes(match &stream.stream.configuration.delivery {
            Delivery::Push { authorization_header: Some(header), .. } => {
                let name = name_of(&stream.stream.id.to_string());
                Some(self.store.master_key.wrap(&name, header.expose().as_bytes())?)
            }
            Delivery::Push { .. } | Delivery::Poll => None,
        }))
    }

    /// Removes a stream with all that waits in it.
    pub async fn remove_stream(&mut self, id: &str) -> Result<(), StoreError> {
        for statement in [
            "delete from security_event where tenant_id = $1 and stream_id = $2",
            "delete from security_event_stream where tenant_id = $1 and id = $2",
        ] {
            self.session.execute(Statement::new(statement, [self.tenant(), id.into()])).await?;
        }
        self.ring(id);
        Ok(())
    }

    /// Removes the stream of a receiver that is gone for good.
    pub async fn remove_stream_of(&mut self, app_id: &str) -> Result<(), StoreError> {
        let statement = Statement::new(
            "select id from security_event_stream where tenant_id = $1 and app_id = $2",
            [self.tenant(), app_id.to_ascii_lowercase().into()],
        );
        match self.session.first(statement).await? {
            Some(row) => self.remove_stream(&row.text(0)?).await,
            None => Ok(()),
        }
    }

    /// Adds an event about a stream itself, which the caller writes with [`Scoped::update_stream`] afterwards.
    pub async fn add_own_event(
        &mut self,
        stream: &mut StoredStream,
        event: Event,
        txn: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        stream.last_sequence += 1;
        let event = StoredEvent {
            sequence: stream.last_sequence,
            jti: jti()?,
            txn: txn.to_owned(),
            principal: None,
            at,
            event,
        };
        let tenant_id = self.scope().tenant_id().to_owned();
        self.add_events(&tenant_id, stream.stream.id, &[event]).await
    }

    /// Gives up what waits in a stream, but for what it says of itself.
    pub async fn discard_events(&mut self, stream: Uuid) -> Result<(), StoreError> {
        let statement = Statement::new(
            "delete from security_event where stream_id = $1 and principal_id is not null",
            [stream.to_string().into()],
        );
        self.session.execute(statement).await.map(drop)
    }

    async fn add_events(
        &mut self,
        tenant_id: &str,
        stream: Uuid,
        events: &[StoredEvent],
    ) -> Result<(), StoreError> {
        for events in events.chunks(ROWS_MAX) {
            let mut statement = Statement::default();
            statement.push(
                "insert into security_event (stream_id, sequence, tenant_id, jti, txn, principal_id, at_us, event_type, \
                 payload) values ",
            );
            for (number, event) in events.iter().enumerate() {
                statement.push(if number == 0 { "(" } else { ", (" }).bind(stream.to_string());
                statement.push(", ").bind(event.sequence).push(", ").bind(tenant_id);
                statement.push(", ").bind(&event.jti).push(", ").bind(&event.txn);
                statement.push(", ").bind(event.principal.map(|id| id.to_string()));
                statement.push(", ").bind(event.at.0).push(", ").bind(event.event.event_type().uri());
                statement.push(", ").bind(event.event.to_json().to_string()).push(")");
            }
            self.session.execute(statement).await?;
        }
        Ok(())
    }

    /// Writes what was told to the streams that want it.
    pub(crate) async fn write_told(&mut self) -> Result<(), StoreError> {
        let mut by_tenant: BTreeMap<String, Vec<Told>> = BTreeMap::new();
        for told in std::mem::take(&mut self.told) {
            by_tenant.entry(told.tenant_id.clone()).or_default().push(told);
        }
        let home = self.scope.clone();
        for (tenant_id, told) in by_tenant {
            self.scope = crate::TenantScope::new(tenant_id);
            let written = self.write_told_here(&told).await;
            self.scope = home.clone();
            written?;
        }
        Ok(())
    }

    async fn write_told_here(&mut self, told: &[Told]) -> Result<(), StoreError> {
        let tenant_id = self.scope().tenant_id().to_owned();
        let mut generations = HashMap::new();
        for mut stream in self.streams().await? {
            let mut events = Vec::new();
            for Told { principal, occurrence, txn, .. } in told {
                for mut event in occurrence.events() {
                    if !stream.wants(&tenant_id, &event, *principal) {
                        continue;
                    }
                    let is_cae = match event.event_type() {
                        EventType::SessionRevoked => Some(true),
                        EventType::AccountDisabled => Some(false),
                        _ => None,
                    };
                    if let Some(is_cae) = is_cae {
                        if !generations.contains_key(principal) {
                            generations.insert(*principal, self.generations(*principal).await?);
                        }
                        let of_principal = generations.get(principal).copied().unwrap_or_default();
                        event.circumstances.generation =
                            Some(if is_cae { of_principal.1 } else { of_principal.0 });
                    }
                    stream.last_sequence += 1;
                    events.push(StoredEvent {
                        sequence: stream.last_sequence,
                        jti: jti()?,
                        txn: txn.clone(),
                        principal: Some(*principal),
                        at: occurrence.at,
                        event,
                    });
                }
            }
            let Some(last) = events.last().map(|event| (event.txn.clone(), event.at)) else { continue };
            self.add_events(&tenant_id, stream.stream.id, &events).await?;
            if self.is_full(&stream).await? {
                let disabled = StreamStatus { status: Status::Disabled, reason: Some(TOO_MANY.to_owned()) };
                let change = stream.status.change(&disabled);
                stream.status = disabled;
                self.discard_events(stream.stream.id).await?;
                if let Some(event) = change.told {
                    self.add_own_event(&mut stream, event, &last.0, last.1).await?;
                }
            }
            self.update_stream(&stream).await?;
        }
        Ok(())
    }

    /// The numbers that tokens of a service principal carry from now on: those that cannot be challenged, and those that can.
    async fn generations(&mut self, principal: Uuid) -> Result<(u64, u64), StoreError> {
        // Read without holding it: streams are held by now, and nobody waits for anything behind them.
        let mut statement = select(&SERVICE_PRINCIPAL);
        statement
            .push(" where tenant_id = ")
            .bind(self.tenant())
            .push(" and id = ")
            .bind(principal.to_string());
        let Some(row) = self.session.first(statement).await? else { return Ok((0, 0)) };
        let principal = record(&SERVICE_PRINCIPAL, &row)?;
        let mut all = vec![ended(&principal)];
        // The registration may be at home elsewhere: what ends tokens there ends them here.
        let mut statement = select(&APPLICATION);
        statement.push(" where app_id = ");
        statement.bind(principal.text("appId").unwrap_or_default().to_ascii_lowercase());
        if let Some(row) = self.session.first(statement).await? {
            all.push(ended(&record(&APPLICATION, &row)?));
        }
        let disablings = all.iter().map(|ended| ended.disablings).sum();
        let revocations: u64 = all.iter().map(|ended| ended.revocations).sum();
        Ok((disablings, disablings + revocations))
    }

    /// Whether more waits than is kept. Counted only where it may be: the oldest that waits is that far behind.
    async fn is_full(&mut self, stream: &StoredStream) -> Result<bool, StoreError> {
        let id = Value::from(stream.stream.id.to_string());
        let oldest = Statement::new(
            "select sequence from security_event where stream_id = $1 order by sequence limit 1",
            [id.clone()],
        );
        let oldest = match self.session.first(oldest).await? {
            Some(row) => row.int(0)?,
            None => return Ok(false),
        };
        if stream.last_sequence - oldest < EVENTS_WAITING_MAX {
            return Ok(false);
        }
        let count = Statement::new("select count(*) from security_event where stream_id = $1", [id]);
        let count = self.session.first(count).await?.map_or(Ok(0), |row| row.int(0))?;
        Ok(count > EVENTS_WAITING_MAX)
    }

    /// Places of events that wait in a stream behind `sequence`, in order, at most `max`.
    pub async fn places(
        &mut self,
        stream: Uuid,
        sequence: i64,
        max: usize,
    ) -> Result<Vec<Place>, StoreError> {
        let statement = Statement::new(
            "select sequence, principal_id from security_event where tenant_id = $1 and stream_id = $2 \
             and sequence > $3 order by sequence limit $4",
            [self.tenant(), stream.to_string().into(), sequence.into(), (max as i64).into()],
        );
        let rows = self.session.fetch(statement).await?;
        let place = |row: &Row| Ok(Place { sequence: row.int(0)?, principal: row.text_or_null(1)? });
        rows.iter().map(place).collect()
    }

    /// The event at a place of a stream, if it still waits.
    pub async fn event(&mut self, stream: Uuid, sequence: i64) -> Result<Option<StoredEvent>, StoreError> {
        let mut statement = Statement::default();
        self.select_events(&mut statement, stream);
        statement.push(" and sequence = ").bind(sequence);
        self.session.first(statement).await?.map(|row| event(&row)).transpose()
    }

    /// The first events that wait in a stream, in order, at most `max`; or only those about the stream itself.
    pub async fn first_events(
        &mut self,
        stream: Uuid,
        of_stream_only: bool,
        max: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let mut statement = Statement::default();
        self.select_events(&mut statement, stream);
        statement.push(if of_stream_only { " and principal_id is null" } else { "" });
        statement.push(" order by sequence limit ").bind(max as i64);
        self.session.fetch(statement).await?.iter().map(event).collect()
    }

    fn select_events(&self, statement: &mut Statement, stream: Uuid) {
        statement.push(
            "select sequence, jti, txn, principal_id, at_us, event_type, payload from security_event \
             where tenant_id = ",
        );
        statement.bind(self.tenant()).push(" and stream_id = ").bind(stream.to_string());
    }

    /// Removes events that have arrived, by their places.
    pub async fn remove_events(&mut self, stream: Uuid, sequences: &[i64]) -> Result<(), StoreError> {
        self.remove_events_by(stream, "sequence", sequences.iter().map(|sequence| (*sequence).into())).await
    }

    /// Removes events that have arrived, by their ids. Those that are not there are passed over.
    pub async fn remove_events_by_jti(&mut self, stream: Uuid, jtis: &[&str]) -> Result<(), StoreError> {
        self.remove_events_by(stream, "jti", jtis.iter().map(|jti| (*jti).into())).await
    }

    async fn remove_events_by(
        &mut self,
        stream: Uuid,
        column: &'static str,
        values: impl Iterator<Item = Value>,
    ) -> Result<(), StoreError> {
        let values: Vec<Value> = values.collect();
        for values in values.chunks(ROWS_MAX) {
            let mut statement = Statement::default();
            statement.push("delete from security_event where tenant_id = ").bind(self.tenant());
            statement.push(" and stream_id = ").bind(stream.to_string());
            statement.push(" and ").push(column).push(" in (");
            for (number, value) in values.iter().enumerate() {
                statement.push(if number == 0 { "" } else { ", " }).bind(value.clone());
            }
            statement.push(")");
            self.session.execute(statement).await?;
        }
        Ok(())
    }
}

fn event(row: &Row) -> Result<StoredEvent, StoreError> {
    let (jti, uri) = (row.text(1)?, row.text(5)?);
    let corrupt = |reason: String| StoreError::Corrupt { table: "security_event", id: jti.clone(), reason };
    let payload: Map<String, Json> =
        serde_json::from_str(&row.text(6)?).map_err(|error| corrupt(error.to_string()))?;
    let event_type = EventType::parse(&uri).ok_or_else(|| corrupt(format!("the type `{uri}`")))?;
    let event = Event::read(event_type, &payload).map_err(|invalid| corrupt(invalid.to_string()))?;
    let principal = row.text_or_null(3)?.map(|id| id.parse()).transpose();
    Ok(StoredEvent {
        sequence: row.int(0)?,
        txn: row.text(2)?,
        principal: principal.map_err(|_| corrupt("a subject that is none".to_owned()))?,
        at: Timestamp(row.int(4)?),
        event,
        jti,
    })
}

/// An id that no other event has.
fn jti() -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| StoreError::Random)?;
    Ok(Builder::from_random_bytes(bytes).into_uuid().to_string())
}
