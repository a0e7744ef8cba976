//! Failed attempts: how many came from one place against one identity (F7), and against how many identities one
//! place tried its luck (key spraying). Kept for a day in two generations, so that memory follows what happens.

use std::collections::HashMap;

use countersign_model::id::Id;
use countersign_model::time::{DAY, Timestamp};
use foldhash::fast::FixedState;

use crate::order::hash64;

type Map<K, V> = HashMap<K, V, FixedState>;

/// Codes of the token service that say: the credential was wrong, has ended, or belongs to nobody here (reference:
/// token endpoint): wrong secret, expired secret, bad assertion signature, assertion out of its time, unknown
/// application, no matching federated credential.
const GUESSES: [u32; 6] = [7_000_215, 7_000_222, 700_027, 700_024, 700_016, 70_021];

/// What one place did in a day: attempts by identity.
#[derive(Clone, Debug, Default)]
struct Attempts {
    by_identity: Map<u64, u32>,
    /// Ids of the records, at most [`SHOWN_MAX`].
    events: Vec<String>,
    reported: bool,
}

/// Record ids kept of a spray.
const SHOWN_MAX: usize = 50;
/// Identities kept of one place: beyond it the number is large anyway.
const IDENTITIES_MAX: usize = 10_000;

/// A place that tried many identities.
#[derive(Clone, Debug)]
pub(crate) struct Spray {
    pub(crate) identities: usize,
    pub(crate) attempts: u64,
    pub(crate) events: Vec<String>,
}

/// Failed attempts of the last one to two days, by range of the source.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    young: Map<u32, Attempts>,
    old: Map<u32, Attempts>,
    since: Timestamp,
}

impl Failures {
    /// Notes a failed sign-in.
    pub(crate) fn note(&mut self, range: u32, principal: &Id<'_>, error: u32, event: &Id<'_>, time: Timestamp) {
        if !GUESSES.contains(&error) {
            return;
        }
        self.advance(time);
        let attempts = self.young.entry(range).or_default();
        if attempts.by_identity.len() < IDENTITIES_MAX {
            *attempts.by_identity.entry(hash64(principal.as_bytes())).or_default() += 1;
        }
        if attempts.events.len() < SHOWN_MAX {
            attempts.events.push(event.to_string());
        }
    }

    /// Failed attempts from a range against an identity.
    pub(crate) fn of(&self, range: u32, principal: &Id<'_>, _time: Timestamp) -> u32 {
        let key = hash64(principal.as_bytes());
        let of = |generation: &Map<u32, Attempts>| {
            generation.get(&range).and_then(|attempts| attempts.by_identity.get(&key).copied()).unwrap_or(0)
        };
        of(&self.young) + of(&self.old)
    }

    /// A range that has just tried `identities` or more, told once a day.
    pub(crate) fn spray(&mut self, range: u32, identities: usize) -> Option<Spray> {
        let attempts = self.young.get_mut(&range)?;
        if attempts.reported || attempts.by_identity.len() < identities {
            return None;
        }
        attempts.reported = true;
        Some(Spray {
            identities: attempts.by_identity.len(),
            attempts: attempts.by_identity.values().map(|count| u64::from(*count)).sum(),
            events: attempts.events.clone(),
        })
    }

    fn advance(&mut self, time: Timestamp) {
        if time.since(self.since) >= DAY {
            self.old = std::mem::take(&mut self.young);
            self.since = time;
        }
    }
}
