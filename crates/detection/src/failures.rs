//! Failed attempts: how many came from one place against one identity (F7), and against how many identities one
//! place tried its luck (key spraying). Kept for a day in two generations, so that memory follows what happens.

use std::collections::HashMap;

use countersign_model::id::Id;
use countersign_model::time::{DAY, Timestamp};
use foldhash::fast::FixedState;

type Map<K, V> = HashMap<K, V, FixedState>;

/// Codes of the token service that say: the credential was wrong, has ended, or belongs to nobody here (reference:
/// token endpoint): wrong secret, expired secret, bad assertion signature, assertion out of its time, unknown
/// application, no matching federated credential.
const GUESSES: [u32; 6] = [7_000_215, 7_000_222, 700_027, 700_024, 700_016, 70_021];

/// What one place did in a day: attempts by identity.
#[derive(Clone, Debug, Default)]
struct Attempts {
    by_identity: Map<Id<'static>, u32>,
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
    /// Their ids.
    pub(crate) identities_tried: Vec<String>,
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
    pub(crate) fn note(
        &mut self,
        range: u32,
        principal: &Id<'_>,
        error: u32,
        event: &Id<'_>,
        time: Timestamp,
    ) {
        if !GUESSES.contains(&error) {
            return;
        }
        self.advance(time);
        let attempts = self.young.entry(range).or_default();
        if attempts.by_identity.len() < IDENTITIES_MAX {
            *attempts.by_identity.entry(principal.to_owned_id()).or_default() += 1;
        }
        if attempts.events.len() < SHOWN_MAX {
            attempts.events.push(event.to_string());
        }
    }

    /// Failed attempts from a range against an identity; against all, where the range tried many.
    pub(crate) fn of(&self, range: u32, principal: &Id<'_>) -> u32 {
        let of = |generation: &Map<u32, Attempts>| {
            let attempts = generation.get(&range)?;
            let by_identity: &HashMap<Id<'_>, u32, FixedState> = &attempts.by_identity;
            if attempts.reported {
                return Some(by_identity.values().sum());
            }
            by_identity.get(principal).copied()
        };
        of(&self.young).unwrap_or(0) + of(&self.old).unwrap_or(0)
    }

    /// A range that has just tried `identities` or more, told once a day.
    pub(crate) fn spray(&mut self, range: u32, identities: usize) -> Option<Spray> {
        let attempts = self.young.get_mut(&range)?;
        if attempts.reported || attempts.by_identity.len() < identities {
            return None;
        }
        attempts.reported = true;
        let mut identities_tried: Vec<String> =
            attempts.by_identity.keys().map(ToString::to_string).collect();
        identities_tried.sort_unstable();
        Some(Spray {
            identities_tried,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_tries_many_identities_is_told_once_a_day() {
        let mut failures = Failures::default();
        let try_one = |failures: &mut Failures, number: usize, time| {
            let id = format!("principal-{number}");
            failures.note(7, &Id::parse(&id), 7_000_215, &Id::parse("event"), time);
        };
        for number in 0..9 {
            try_one(&mut failures, number, Timestamp(DAY));
        }
        assert!(failures.spray(7, 10).is_none());
        try_one(&mut failures, 9, Timestamp(DAY));
        assert_eq!(failures.spray(7, 10).map(|spray| (spray.identities, spray.attempts)), Some((10, 10)));
        assert!(failures.spray(7, 10).is_none());
        assert_eq!(
            failures.of(7, &Id::parse("another")),
            10,
            "a spray counts against whoever it hits at last"
        );
        assert_eq!(failures.of(8, &Id::parse("principal-1")), 0);
    }

    #[test]
    fn only_wrong_credentials_are_guesses_and_they_are_forgotten() {
        let mut failures = Failures::default();
        let id = Id::parse("principal");
        failures.note(7, &id, 90_033, &id, Timestamp(DAY));
        assert_eq!(failures.of(7, &id), 0);
        failures.note(7, &id, 7_000_222, &id, Timestamp(DAY));
        assert_eq!(failures.of(7, &id), 1);
        for day in 2..4 {
            failures.note(8, &id, 7_000_222, &id, Timestamp(day * DAY));
        }
        assert_eq!(failures.of(7, &id), 0);
    }
}
