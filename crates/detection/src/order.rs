//! Event time: how late an event may be, and which events were seen before.

use std::collections::HashSet;

use countersign_model::event::Event;
use countersign_model::time::Timestamp;
use foldhash::fast::FixedState;

use crate::constants::{REMEMBERS_IDS, WATERMARK};

/// 64 bits of any bytes, the same on every machine and in every version: stored baselines depend on it. Eight
/// bytes a step, each mixed as the finaliser of splitmix64 does (Steele, Lea, Flood 2014).
pub fn hash64(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, word: u64| {
        let mixed = (hash ^ word).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb)
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let folded = words
        .iter()
        .fold(0x9e37_79b9_7f4a_7c15 ^ bytes.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let folded = mix(folded, u64::from_le_bytes(last));
    folded ^ (folded >> 32)
}

/// 32 bits of any bytes, see [`hash64`].
pub(crate) fn hash32(bytes: &[u8]) -> u32 {
    (hash64(bytes) >> 32) as u32
}

/// Event ids seen lately, in two generations that follow event time. Real feeds deliver 3 to 4 % of events
/// more than once, hours apart, with the same id and event time.
#[derive(Debug, Default)]
pub struct Seen {
    young: HashSet<u64, FixedState>,
    old: HashSet<u64, FixedState>,
    young_since: Timestamp,
}

impl Seen {
    /// True when the event was seen before; remembers it. Events without an id are all different.
    pub fn is_repeated(&mut self, event: &Event<'_>) -> bool {
        let id = event.id();
        if id.is_none() {
            return false;
        }
        let kind = match event {
            Event::SignIn(_) => 1,
            Event::DirectoryAudit(_) => 2,
            Event::ApiActivity(_) => 3,
        };
        // The tenant is part of it: an id of one tenant must not hide an event of another.
        let tenant = hash64(event.tenant().0.as_bytes());
        let key = hash64(id.0.as_bytes()).wrapping_add(kind) ^ tenant.rotate_left(32);
        if event.time().since(self.young_since) >= REMEMBERS_IDS {
            self.old = std::mem::take(&mut self.young);
            self.young_since = event.time();
        }
        if self.old.contains(&key) {
            return true;
        }
        !self.young.insert(key)
    }
}

/// How far event time has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    newest: Timestamp,
}

impl Clock {
    /// Notes an event; true when it is later than the watermark allows.
    pub fn is_late(&mut self, time: Timestamp) -> bool {
        let is_late = self.newest.since(time) > WATERMARK && self.newest != Timestamp::default();
        self.newest = self.newest.max(time);
        is_late
    }

    /// The newest event time.
    pub fn newest(&self) -> Timestamp {
        self.newest
    }

    /// Everything before this is complete.
    pub fn watermark(&self) -> Timestamp {
        self.newest.plus(-WATERMARK)
    }
}

/// Puts events that are late by less than the watermark into event-time order. A stream pushes what arrives and
/// takes what is complete; a reader that sorts whole files needs none.
#[derive(Debug, Default)]
pub struct Reorder<T> {
    waiting: std::collections::BTreeMap<(Timestamp, u64, u64), T>,
    clock: Clock,
    arrivals: u64,
}

impl<T> Reorder<T> {
    /// An empty buffer.
    pub fn new() -> Self {
        Self { waiting: std::collections::BTreeMap::new(), clock: Clock::default(), arrivals: 0 }
    }

    /// Takes an item with its event time and a tie-break; gives it back when it is too late to be ordered.
    pub fn push(&mut self, time: Timestamp, tie: u64, item: T) -> Option<T> {
        if self.clock.is_late(time) {
            return Some(item);
        }
        self.arrivals += 1;
        self.waiting.insert((time, tie, self.arrivals), item);
        None
    }

    /// The next item that nothing earlier can precede any more.
    pub fn pop(&mut self) -> Option<T> {
        let first = self.waiting.first_key_value()?.0.0;
        if first > self.clock.watermark() {
            return None;
        }
        self.waiting.pop_first().map(|(_, item)| item)
    }

    /// The next item at the end of the stream.
    pub fn drain(&mut self) -> Option<T> {
        self.waiting.pop_first().map(|(_, item)| item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::time::HOUR;

    #[test]
    fn events_come_out_in_event_time_and_the_late_ones_at_once() {
        let mut reorder = Reorder::new();
        assert_eq!(reorder.push(Timestamp(10 * HOUR), 0, "b"), None);
        assert_eq!(reorder.push(Timestamp(9 * HOUR), 0, "a"), None);
        assert_eq!(reorder.push(Timestamp(7 * HOUR), 0, "late"), Some("late"));
        assert_eq!(reorder.pop(), None);
        assert_eq!(reorder.push(Timestamp(12 * HOUR), 0, "c"), None);
        assert_eq!((reorder.pop(), reorder.pop(), reorder.pop()), (Some("a"), Some("b"), None));
        assert_eq!(reorder.drain(), Some("c"));
    }

    #[test]
    fn the_hash_is_the_same_for_ever() {
        // Worked out from the definition in another language: a stored baseline depends on it.
        assert_eq!(hash64(b""), 0xd0bd_7ff3_86ad_0729);
        assert_eq!(hash64(b"123456789"), 0x41b2_9cf5_988c_00b5);
        assert_ne!(hash32(b"a"), hash32(b"a\0"), "the length counts");
    }
}
