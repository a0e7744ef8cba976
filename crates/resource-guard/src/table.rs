//! What is known of revocations, and what it means for a token. No I/O and no clock.
//!
//! Whether a token is from before an event is told by counting, as decision 14 has it: an event carries the `generation` that
//! tokens must have from now on. Times count where nothing counts: for events of transmitters that carry no number, and for
//! what this table cannot know, since it happened before the table was there.

use std::collections::HashMap;

use countersign_access::continuous::{Challenge, Code};
use countersign_model::time::{HOUR, SECOND, Timestamp};
use countersign_signals::event::{Body, ChangeType, Event};
use uuid::Uuid;

/// How long a workload is remembered after its last event. No token lives longer than a day; the hour is for clocks and for
/// issuers that had not heard of the event.
pub const KEPT: i64 = 25 * HOUR;
/// Most workloads and removed credentials that are remembered, together: about 10 MB.
pub const ENTRIES_MAX: usize = 100_000;
/// How long after an event an issuer may still give out tokens that know nothing of it: a node that hears nothing from the
/// others gives up after two seconds, and the rest is for clocks that differ.
pub const SETTLING: i64 = 5 * SECOND;
/// How often entries are looked through for those that are old enough to go.
const SWEEP: i64 = HOUR;

/// What a verified token says that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// `oid`: the service principal.
    pub principal: Uuid,
    /// When it was issued, as early as it may have been.
    pub issued_at: Timestamp,
    /// `xms_cc` has `cp1`: the client can answer a challenge.
    pub is_cae: bool,
    /// `countersign_generation`; 0 where it is not there.
    pub generation: u64,
    /// `countersign_key_id`: the credential that it was issued for.
    pub key_id: Option<Uuid>,
}

/// What is done with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is served.
    Accept,
    /// 401 with a claims challenge: the client may come back with a new token.
    Challenge(Challenge),
    /// 401: the client cannot be challenged.
    Refuse,
    /// 503: whether it is good cannot be told at present.
    Unavailable,
}

/// What is known of one service principal.
#[derive(Clone, Debug, Default)]
struct Entry {
    /// The account is disabled or purged.
    is_disabled: bool,
    /// Tokens that cannot be challenged and have a lower number are over.
    ended: u64,
    /// Tokens that can be challenged and have a lower number are over.
    revoked: u64,
    /// Tokens of this time or before are over, whichever they are: by an event without a number.
    ended_until: Option<Timestamp>,
    /// Those that can be challenged likewise.
    revoked_until: Option<Timestamp>,
    /// Credentials that are gone or known to others.
    credentials: Vec<Uuid>,
    /// When the last event was, by its own word: `nbf` of the challenge.
    event_at: Timestamp,
    /// When it was heard.
    heard_at: Timestamp,
}

/// Revocations of the workloads of one tenant.
///
/// [`Table::begin`] says from when on it knows everything. Of tokens from before that, those that can be challenged are.
#[derive(Clone, Debug)]
pub struct Table {
    entries: HashMap<Uuid, Entry>,
    entries_max: usize,
    /// Credentials of all entries.
    credentials: usize,
    /// From then on every event is known.
    known_from: Option<Timestamp>,
    /// Events until then were forgotten to make room.
    forgotten_until: Option<Timestamp>,
    swept_at: Timestamp,
}

impl Default for Table {
    fn default() -> Self {
        Self::new(ENTRIES_MAX)
    }
}

impl Table {
    /// An empty table, which knows of nothing yet, for so many workloads and credentials together.
    pub fn new(entries_max: usize) -> Self {
        Self {
            entries: HashMap::new(),
            entries_max,
            credentials: 0,
            known_from: None,
            forgotten_until: None,
            swept_at: Timestamp(0),
        }
    }

    /// Workloads and removed credentials that are remembered.
    pub fn len(&self) -> usize {
        self.entries.len() + self.credentials
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Says that every event from `now` on arrives here, and that some of before may not have: at the start, and after a gap.
    /// The time from which everything is known, which lies [`SETTLING`] behind `now`.
    pub fn begin(&mut self, now: Timestamp) -> Timestamp {
        let from = settled(now);
        let from = self.known_from.map_or(from, |known| known.max(from));
        self.known_from = Some(from);
        // That one was enabled again may be what was missed. What it had before is over all the same, by its number or time.
        for entry in self.entries.values_mut() {
            entry.is_disabled = false;
        }
        from
    }

    /// Takes an event about a workload, heard at `now` and issued at `issued_at`. The same again changes nothing.
    pub fn apply(&mut self, principal: Uuid, event: &Event, issued_at: Timestamp, now: Timestamp) {
        // A time after `iat` counts as `iat`, or it would end tokens that are not issued yet.
        let at = event.circumstances.event_timestamp.map_or(issued_at, |at| at.min(issued_at));
        let generation = event.circumstances.generation;
        match &event.body {
            Body::SessionRevoked => {
                let entry = self.entry(principal, at, now);
                match generation {
                    Some(generation) => entry.revoked = entry.revoked.max(generation),
                    None => entry.revoked_until = entry.revoked_until.max(Some(at)),
                }
            }
            Body::AccountDisabled(_) => {
                let entry = self.entry(principal, at, now);
                entry.is_disabled = true;
                match generation {
                    Some(generation) => entry.ended = entry.ended.max(generation),
                    None => entry.ended_until = entry.ended_until.max(Some(at)),
                }
            }
            Body::AccountPurged => {
                let entry = self.entry(principal, at, now);
                entry.is_disabled = true;
                entry.ended_until = entry.ended_until.max(Some(at));
            }
            Body::AccountEnabled => {
                if let Some(entry) = self.entries.get_mut(&principal) {
                    entry.is_disabled = false;
                }
            }
            Body::CredentialChange(change)
                if matches!(change.change_type, ChangeType::Delete | ChangeType::Revoke) =>
            {
                self.credential(principal, change.key_id.as_deref(), at, now);
            }
            Body::CredentialCompromise { key_id, .. } => {
                self.credential(principal, key_id.as_deref(), at, now);
            }
            // Risk and claims end tokens by the session-revoked that comes with them; the stream is not a workload.
            Body::CredentialChange(_)
            | Body::RiskLevelChange(_)
            | Body::TokenClaimsChange(_)
            | Body::Verification(_)
            | Body::StreamUpdated { .. } => {}
        }
        self.make_room(now);
    }

    fn entry(&mut self, principal: Uuid, at: Timestamp, now: Timestamp) -> &mut Entry {
        let entry = self.entries.entry(principal).or_default();
        entry.event_at = entry.event_at.max(at);
        entry.heard_at = entry.heard_at.max(now);
        entry
    }

    fn credential(&mut self, principal: Uuid, key_id: Option<&str>, at: Timestamp, now: Timestamp) {
        let key_id = key_id.and_then(|id| Uuid::try_parse(id).ok());
        let entry = self.entry(principal, at, now);
        match key_id {
            Some(key_id) if !entry.credentials.contains(&key_id) => {
                entry.credentials.push(key_id);
                self.credentials += 1;
            }
            Some(_) => {}
            // Which one, nobody says: it may be that of any token.
            None => entry.revoked_until = entry.revoked_until.max(Some(at)),
        }
    }

    /// Forgets what no token can be concerned by any more, and if that is not enough the oldest quarter, with all tokens of
    /// before.
    fn make_room(&mut self, now: Timestamp) {
        if now.since(self.swept_at) >= SWEEP || self.len() > self.entries_max {
            self.swept_at = now;
            self.retain(|entry| now.since(entry.heard_at) < KEPT);
        }
        while self.len() > self.entries_max {
            let mut heard: Vec<Timestamp> = self.entries.values().map(|entry| entry.heard_at).collect();
            heard.sort_unstable();
            let until = heard.get(heard.len() / 4).copied().unwrap_or(now);
            self.retain(|entry| entry.heard_at > until);
            self.forgotten_until = self.forgotten_until.max(Some(settled(until)));
        }
    }

    fn retain(&mut self, is_kept: impl Fn(&Entry) -> bool) {
        self.entries.retain(|_, entry| is_kept(entry));
        self.credentials = self.entries.values().map(|entry| entry.credentials.len()).sum();
    }

    /// What is to be done with a token at `now`.
    pub fn decide(&self, token: &TokenFacts, now: Timestamp) -> Verdict {
        let forgotten = self.forgotten_until.unwrap_or(Timestamp(i64::MIN));
        let entry = self.entries.get(&token.principal);
        if !token.is_cae {
            return match entry {
                _ if token.issued_at < forgotten => Verdict::Refuse,
                Some(entry) if entry.ends(token) => Verdict::Refuse,
                _ => Verdict::Accept,
            };
        }
        let Some(known_from) = self.known_from.map(|known| known.max(forgotten)) else {
            return Verdict::Unavailable;
        };
        if let Some(entry) = entry.filter(|entry| entry.ends(token)) {
            return challenge(entry.event_at);
        }
        match token.issued_at < known_from {
            // Nobody could bring a token that is new enough.
            true if now < known_from => Verdict::Unavailable,
            true => challenge(known_from),
            false => Verdict::Accept,
        }
    }
}

impl Entry {
    fn ends(&self, token: &TokenFacts) -> bool {
        // Events have whole seconds: what was issued within one of them may be from before it.
        let is_until =
            |until: Option<Timestamp>| until.is_some_and(|until| second(token.issued_at) <= second(until));
        if self.is_disabled || token.generation < self.ended || is_until(self.ended_until) {
            return true;
        }
        let is_gone = |key_id| self.credentials.contains(&key_id);
        token.is_cae
            && (token.generation < self.revoked
                || is_until(self.revoked_until)
                || token.key_id.is_some_and(is_gone))
    }
}

fn challenge(event_at: Timestamp) -> Verdict {
    Verdict::Challenge(Challenge {
        code: Code::TokenIssuedBeforeRevocationTimestamp,
        not_before: second(event_at),
        address: None,
    })
}

fn second(at: Timestamp) -> i64 {
    at.0.div_euclid(SECOND)
}

/// The full second from which on issuers know of everything that had happened until `at`. A full one, since it is what a
/// challenge asks for.
fn settled(at: Timestamp) -> Timestamp {
    Timestamp((second(at.plus(SETTLING - 1)) + 1).saturating_mul(SECOND))
}

#[cfg(test)]
mod tests;
