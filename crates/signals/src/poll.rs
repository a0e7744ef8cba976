//! Events that a receiver fetches (RFC 8936): what it asks for and says of earlier ones, and what it gets.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};

use crate::invalid::Invalid;
use crate::json;
use crate::set::ID_BYTES_MAX;

/// Most events of one answer: each is a token of about a kilobyte.
pub const EVENTS_MAX: usize = 100;
/// Most entries of `ack` and of `setErrs`.
pub const ACKNOWLEDGED_MAX: usize = 1_000;
/// How much of a receiver's `description` is kept for the log, in characters.
const DESCRIPTION_CHARS_MAX: usize = 256;

/// Why a receiver cannot use an event: an entry of `setErrs` (RFC 8936 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetError {
    /// `err`; fit to be logged.
    pub err: String,
    /// `description`; fit to be logged.
    pub description: String,
}

/// A request (RFC 8936 section 2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `maxEvents`, at most [`EVENTS_MAX`]; with 0 it only acknowledges.
    pub max_events: Option<usize>,
    /// `returnImmediately`. False, and so a request that waits, if it is not there.
    pub return_immediately: bool,
    /// `ack`: the `jti` of what has arrived.
    pub ack: Vec<String>,
    /// `setErrs`: what has arrived and cannot be used, by `jti`.
    pub errors: BTreeMap<String, SetError>,
}

impl Request {
    /// Reads the body. Members that are not known are passed over.
    pub fn read(body: &Map<String, Value>) -> Result<Request, Invalid> {
        let max_events = match json::member(body, "maxEvents") {
            None => None,
            Some(value) => {
                let number = value.as_u64().ok_or(Invalid::new("maxEvents", "must be a number from 0"))?;
                Some(usize::try_from(number).unwrap_or(EVENTS_MAX).min(EVENTS_MAX))
            }
        };
        let return_immediately = match json::member(body, "returnImmediately") {
            None => false,
            Some(value) => {
                value.as_bool().ok_or(Invalid::new("returnImmediately", "must be true or false"))?
            }
        };
        let ack = json::texts(body, "ack", ACKNOWLEDGED_MAX)?.unwrap_or_default();
        Ok(Request { max_events, return_immediately, ack, errors: errors(body)? })
    }

    /// The `jti` of all that does not come again: taken, or given up as unusable.
    pub fn done(&self) -> impl Iterator<Item = &str> {
        self.ack.iter().map(String::as_str).chain(self.errors.keys().map(String::as_str))
    }

    /// What the answer has of the events that wait and may go ([`crate::stream::sends`]), which are `jti`s in order. What
    /// was handed out before and is not done comes again.
    pub fn select<'w>(&self, waiting: &[&'w str]) -> Selection<'w> {
        let done: HashSet<&str> = self.done().collect();
        let left = waiting.iter().copied().filter(|jti| !done.contains(jti));
        let max = self.max_events.unwrap_or(EVENTS_MAX);
        let mut events: Vec<&str> = left.take(max + 1).collect();
        let more_available = events.len() > max;
        events.truncate(max);
        // RFC 8936 section 2.4: a request that only acknowledges never waits.
        let waits = events.is_empty() && !self.return_immediately && max > 0;
        Selection { events, more_available, waits }
    }
}

fn errors(body: &Map<String, Value>) -> Result<BTreeMap<String, SetError>, Invalid> {
    let Some(object) = json::object(body, "setErrs")? else { return Ok(BTreeMap::new()) };
    if object.len() > ACKNOWLEDGED_MAX {
        return Err(Invalid::new("setErrs", "has too many entries"));
    }
    let entries = object.iter().filter(|(jti, _)| jti.len() <= ID_BYTES_MAX).map(|(jti, value)| {
        let error = value.as_object().ok_or(Invalid::new("setErrs", "must have objects by `jti`"))?;
        let text = |name: &str| Ok(printable(json::text(error, name)?.unwrap_or_default()));
        let read = |name: &str| text(name).map_err(|invalid: Invalid| invalid.within("setErrs"));
        Ok((jti.clone(), SetError { err: read("err")?, description: read("description")? }))
    });
    entries.collect()
}

/// Text of a receiver steers no terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(DESCRIPTION_CHARS_MAX).collect()
}

/// What an answer consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection<'w> {
    /// The events to hand out, in order.
    pub events: Vec<&'w str>,
    /// `moreAvailable`.
    pub more_available: bool,
    /// Whether to wait for an event before answering.
    pub waits: bool,
}

/// An answer (RFC 8936 section 2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `sets`: each token behind its `jti`. An object has no order, but receivers read it from its beginning, and so it
    /// is written in the order in which things happened.
    pub sets: Vec<(String, String)>,
    /// `moreAvailable`; only written if there are.
    pub more_available: bool,
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("sets", &InOrder(&self.sets))?;
        if self.more_available {
            map.serialize_entry("moreAvailable", &true)?;
        }
        map.end()
    }
}

/// As a receiver reads it: in the order in which it is written. Members that are not known are passed over.
impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Answer, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Members {
            sets: Sets,
            #[serde(default)]
            more_available: bool,
        }
        let Members { sets: Sets(sets), more_available } = Members::deserialize(deserializer)?;
        Ok(Answer { sets, more_available })
    }
}

struct Sets(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Sets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sets, D::Error> {
        struct InOrderOf;
        impl<'de> Visitor<'de> for InOrderOf {
            type Value = Sets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tokens by `jti`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sets, A::Error> {
                let mut sets = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    sets.push(entry);
                }
                Ok(Sets(sets))
            }
        }
        deserializer.deserialize_map(InOrderOf)
    }
}

struct InOrder<'a>(&'a [(String, String)]);

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(jti, token)| (jti, token)))
    }
}
