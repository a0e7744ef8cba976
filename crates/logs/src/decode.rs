//! Framed records into events, routed by what a record is and never by the file it came in.

use std::borrow::Cow;

use countersign_model::event::{Api, Event, SignInKind};
use serde_json::Value;

use crate::fields::{Fields, Raw, Scalar};
use crate::framing::{Batch, Framer, Shape};
use crate::outcome::excerpt;
pub use crate::outcome::{LogType, Skip, Unreadable};
use crate::{api_activity, directory_audit, json, sign_in, tables, unified_audit};

/// How deep containers may lie in containers (a batch in a message in a line) before a record counts as damaged.
const NESTING_MAX: usize = 4;

/// Takes what [`decode`] finds.
pub trait Sink {
    /// An event, of the log that its record belongs to, and the line it starts on.
    fn event(&mut self, log_type: LogType, line: u64, event: &Event<'_>);
    /// A record that gave no event, and its line.
    fn skip(&mut self, line: u64, skip: Skip);
}

/// Decodes every record of a batch.
pub fn decode(batch: &Batch, sink: &mut impl Sink) {
    decode_nested(batch, sink, 0);
}

fn decode_nested(batch: &Batch, sink: &mut dyn Sink, depth: usize) {
    for refusal in &batch.refused {
        sink.skip(refusal.line, Skip::Unreadable(Unreadable::new(refusal.reason)));
    }
    for record in &batch.records {
        let text = &batch.bytes[record.range.clone()];
        match &batch.shape {
            Shape::Json => value(text, record.line, sink, depth),
            Shape::Csv(header) if header.is_unified_audit() => match header.audit_data(text) {
                Ok(cell) => unified(cell.as_bytes(), record.line, sink, false),
                Err(reason) => sink.skip(record.line, Skip::Unreadable(Unreadable::new(reason))),
            },
            Shape::Csv(header) => match header.row(text) {
                Ok(mut raw) => route(&mut raw, record.line, sink),
                Err(reason) => sink.skip(record.line, Skip::Unreadable(Unreadable::new(reason))),
            },
        }
    }
}

/// One JSON value: nearly always a record; else a container on one line, or a record inside a message.
fn value(text: &[u8], line: u64, sink: &mut dyn Sink, depth: usize) {
    if depth < NESTING_MAX && starts_container(text) {
        return container(text, line, sink, depth);
    }
    let mut raw = Raw::default();
    match json::parse(text, &mut raw) {
        Ok(()) if is_known(&raw) => route(&mut raw, line, sink),
        Ok(()) if is_unified_audit(&raw) => unified(text, line, sink, true),
        Ok(()) if raw.properties_text.is_some() => properties_in_string(&mut raw, line, sink),
        Ok(()) => unknown(text, line, sink, depth),
        Err(_) => sink.skip(line, Skip::Unreadable(damaged(text))),
    }
}

/// True when the first key, or the bracket, says that this is a container and not a record.
fn starts_container(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    if text.starts_with(b"[") {
        return true;
    }
    let key = text.get(1..).unwrap_or_default().trim_ascii_start();
    [b"\"records\"".as_slice(), b"\"Records\"", b"\"value\"", b"\"@odata.context\"", b"\"tables\""]
        .iter()
        .any(|name| key.starts_with(name))
}

fn container(text: &[u8], line: u64, sink: &mut dyn Sink, depth: usize) {
    let is_answer = text.get(1..).unwrap_or_default().trim_ascii_start().starts_with(b"\"tables\"");
    if is_answer {
        return answer(text, line, sink);
    }
    let mut nested = |batch: Batch| {
        // A single object that is no container after all comes back whole.
        let is_same = batch.records.len() == 1 && batch.records[0].range.len() == text.trim_ascii().len();
        if is_same {
            let mut raw = Raw::default();
            match json::parse(text, &mut raw) {
                Ok(()) if is_known(&raw) => route(&mut raw, line, sink),
                Ok(()) => unknown(text, line, sink, depth + 1),
                Err(_) => sink.skip(line, Skip::Unreadable(damaged(text))),
            }
        } else {
            decode_nested(&batch, sink, depth + 1);
        }
    };
    let mut framer = Framer::document(line);
    framer.push(text, &mut nested);
    framer.finish(&mut nested);
}

fn answer(text: &[u8], line: u64, sink: &mut dyn Sink) {
    match tables::rows(text) {
        Ok(rows) => {
            for row in rows {
                match row {
                    Ok(mut raw) => route(&mut raw, line, sink),
                    Err(reason) => sink.skip(line, Skip::Unreadable(Unreadable::new(reason))),
                }
            }
        }
        Err(error) => {
            let detail = format!("line {}, column {}", error.line(), error.column());
            let reason = Cow::Borrowed("answer of the Log Analytics query API cannot be read");
            sink.skip(line, Skip::Unreadable(Unreadable { reason, detail }));
        }
    }
}

/// True when the record says itself what it is.
fn is_known(raw: &Raw<'_>) -> bool {
    let record = raw.record();
    let has_activity = !record.activity_display_name.is_absent();
    let names_log = !raw.envelope.category.is_absent() && raw.has_properties;
    let is_row = !raw.envelope.row_type.is_absent() && !raw.envelope.time_generated.is_absent();
    let is_graph_sign_in = is_graph_sign_in(record);
    names_log || is_row || has_activity || is_graph_sign_in
}

/// True for a record of the unified audit log, and for a row of an export around one.
fn is_unified_audit(raw: &Raw<'_>) -> bool {
    !raw.envelope.record_type.is_absent() && !raw.envelope.operation.is_absent()
}

fn is_graph_sign_in(record: &Fields<'_>) -> bool {
    !record.created_date_time.is_absent()
        && !record.app_id.is_absent()
        && (!record.error_code.is_absent() || !record.sign_in_event_type.is_absent())
        && record.risk_event_type.is_absent()
}

fn route(raw: &mut Raw<'_>, line: u64, sink: &mut dyn Sink) {
    let log_type = match classify(raw) {
        Ok(log_type) => log_type,
        Err(skip) => return sink.skip(line, skip),
    };
    let event = match log_type {
        LogType::ServicePrincipalSignInLogs => {
            sign_in::decode(raw, SignInKind::ServicePrincipal).map(Event::SignIn)
        }
        LogType::ManagedIdentitySignInLogs => {
            sign_in::decode(raw, SignInKind::ManagedIdentity).map(Event::SignIn)
        }
        LogType::MicrosoftServicePrincipalSignInLogs => {
            sign_in::decode(raw, SignInKind::MicrosoftServicePrincipal).map(Event::SignIn)
        }
        LogType::AuditLogs => directory_audit::decode(raw).map(Event::DirectoryAudit),
        LogType::MicrosoftGraphActivityLogs => {
            api_activity::decode(raw, Api::MicrosoftGraph).map(Event::ApiActivity)
        }
        LogType::AzureADGraphActivityLogs => {
            api_activity::decode(raw, Api::AzureAdGraph).map(Event::ApiActivity)
        }
        // No category: it is known by its own columns.
        LogType::UnifiedAuditLog => return sink.skip(line, Skip::OtherLog(Cow::Borrowed(log_type.name()))),
        LogType::SignInLogs | LogType::NonInteractiveUserSignInLogs | LogType::ADFSSignInLogs => {
            return sink.skip(line, Skip::UserSignIn(log_type));
        }
    };
    match event {
        Ok(event) => sink.event(log_type, line, &event),
        Err(unreadable) => sink.skip(line, Skip::Unreadable(unreadable)),
    }
}

fn classify(raw: &Raw<'_>) -> Result<LogType, Skip> {
    let envelope = &raw.envelope;
    let record = raw.record();
    // A Log Analytics row names its table; its `Category` is that of the audit record.
    let named = if raw.has_properties { envelope.category.as_str() } else { "" };
    for name in [named, envelope.row_type.as_str(), envelope.category.as_str()] {
        if let Some(log_type) = LogType::parse(name) {
            return Ok(log_type);
        }
    }
    if !record.activity_display_name.is_absent()
        && (record.targets.is_some() || record.initiator.is_some() || !record.activity_date_time.is_absent())
    {
        return Ok(LogType::AuditLogs);
    }
    if is_graph_sign_in(record) {
        return Ok(match sign_in::kind_of_graph_object(record) {
            Some(SignInKind::ServicePrincipal) => LogType::ServicePrincipalSignInLogs,
            Some(SignInKind::ManagedIdentity) => LogType::ManagedIdentitySignInLogs,
            Some(SignInKind::MicrosoftServicePrincipal) => LogType::MicrosoftServicePrincipalSignInLogs,
            None if record.sign_in_event_type.as_str() == "nonInteractiveUser" => {
                LogType::NonInteractiveUserSignInLogs
            }
            None => LogType::SignInLogs,
        });
    }
    if !record.activity_date_time.is_absent() && record.initiator.is_some() {
        return Ok(LogType::AuditLogs);
    }
    let name = match (&envelope.category, &envelope.row_type) {
        (Scalar::Text(category), _) => Cow::Owned(excerpt(category)),
        (_, Scalar::Text(table)) => Cow::Owned(excerpt(table)),
        _ if !record.risk_event_type.is_absent() => Cow::Borrowed("risk detection"),
        _ => return Err(Skip::Unreadable(Unreadable::new(UNKNOWN))),
    };
    Err(Skip::OtherLog(name))
}

const UNKNOWN: &str = "JSON object is no record of a known log: neither a diagnostic envelope, a Graph object nor a Log Analytics row";

/// A record of the unified audit log, or a row of an export around one, whose record may be JSON text in turn.
fn unified(text: &[u8], line: u64, sink: &mut dyn Sink, may_nest: bool) {
    let mut record = match unified_audit::parse(text) {
        Ok(record) => record,
        Err(unreadable) => return sink.skip(line, Skip::Unreadable(unreadable)),
    };
    if let Some(text) = record.take_text() {
        if may_nest {
            return unified(text.as_bytes(), line, sink, false);
        }
        let unreadable = Unreadable::new("field `AuditData` of the unified audit log holds another record");
        return sink.skip(line, Skip::Unreadable(unreadable));
    }
    match record.decode() {
        Ok(event) => sink.event(LogType::UnifiedAuditLog, line, &Event::DirectoryAudit(event)),
        Err(skip) => sink.skip(line, skip),
    }
}

/// `properties` may come as a string of JSON.
fn properties_in_string(raw: &mut Raw<'_>, line: u64, sink: &mut dyn Sink) {
    let Some(text) = raw.properties_text.take() else { return };
    // The outer record lives longer than the text, so its fields move to one that does not.
    let mut whole = Raw::default();
    if json::parse(text.as_bytes(), &mut whole).is_err() {
        let unreadable = Unreadable::new("field `properties` is a string that holds no JSON object");
        return sink.skip(line, Skip::Unreadable(unreadable));
    }
    whole.properties = std::mem::take(&mut whole.envelope);
    whole.envelope = raw.envelope.clone();
    whole.has_properties = true;
    route(&mut whole, line, sink);
}

/// All that stands in one string of a file stands on one line of it, whatever line breaks the string holds.
struct OnLine<'s> {
    line: u64,
    sink: &'s mut dyn Sink,
}

impl Sink for OnLine<'_> {
    fn event(&mut self, log_type: LogType, _: u64, event: &Event<'_>) {
        self.sink.event(log_type, self.line, event);
    }

    fn skip(&mut self, _: u64, skip: Skip) {
        self.sink.skip(self.line, skip);
    }
}

/// The slow path for objects that are no record: records inside messages of log shippers, and names for the
/// logs of other systems.
fn unknown(text: &[u8], line: u64, sink: &mut dyn Sink, depth: usize) {
    let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(text) else {
        return sink.skip(line, Skip::Unreadable(damaged(text)));
    };
    if depth < NESTING_MAX {
        let message = ["message", "_raw"].iter().find_map(|key| object.get(*key)).or_else(|| {
            // One level down, as `{"input":{"message":"…"}}`.
            object.get("input").and_then(|input| input.get("message"))
        });
        if let Some(Value::String(message)) = message
            && message.trim_start().starts_with('{')
        {
            return value(message.trim().as_bytes(), line, &mut OnLine { line, sink }, depth + 1);
        }
        if let Some(inner @ Value::Object(_)) = object.get("value") {
            return value(inner.to_string().as_bytes(), line, sink, depth + 1);
        }
        let array = ["records", "Records", "value", "tables"]
            .iter()
            .find(|key| object.get(**key).is_some_and(Value::is_array));
        match array {
            Some(&"tables") => return answer(text, line, sink),
            Some(_) => return container(text, line, sink, depth + 1),
            None => {}
        }
    }
    let has = |key: &str| object.contains_key(key);
    if has("Workload") || has("AuditData") || has("auditData") {
        return unified(text, line, sink, true);
    }
    let name = match () {
        () if has("eventVersion") && has("eventSource") => "CloudTrail",
        () if has("protoPayload") || has("logName") => "Google Cloud audit log",
        () if has("apiVersion") && has("kind") => "Kubernetes audit log",
        () if has("eventTimestamp") && has("claims") => "Azure Activity",
        () if has("family") && has("eventIds") => "truth of a simulated tenant",
        () if has("riskEventType") || has("riskLevel") => "risk detection or risky identity",
        () if has("category") || has("Category") => {
            let category = object.get("category").or_else(|| object.get("Category"));
            let name = category.and_then(Value::as_str).map_or_else(|| "Azure Activity".to_owned(), excerpt);
            return sink.skip(line, Skip::OtherLog(Cow::Owned(name)));
        }
        () => return sink.skip(line, Skip::Unreadable(Unreadable::new(UNKNOWN))),
    };
    sink.skip(line, Skip::OtherLog(Cow::Borrowed(name)));
}

/// Says why a record is not JSON; off the hot path, so a slower parser may find the place.
fn damaged(text: &[u8]) -> Unreadable {
    let Ok(text) = std::str::from_utf8(text) else {
        return Unreadable::new("record is not UTF-8");
    };
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Err(error) if error.is_eof() => Unreadable::new("record is cut off: JSON ends too early"),
        Err(error) => Unreadable {
            reason: Cow::Borrowed("record is not JSON"),
            detail: format!("column {}: {}", error.column(), excerpt(&error.to_string())),
        },
        Ok(_) => Unreadable::new("JSON value is not an object"),
    }
}
