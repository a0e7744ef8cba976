//! What is pushed next (RFC 8935): one stream's events, each until its receiver has taken it.
//!
//! Events about one subject go one after the other, in the order in which things happened; an event that is refused
//! holds up those behind it and nobody else. Whatever is not a success comes again, at growing distances, so nothing is
//! lost; receivers tell repetitions by their `jti`. What the stream says of itself is a subject like any other, but goes
//! first, and in every status, since it is what tells a receiver of the status.
//!
//! A queue is made anew from what was kept, after a start: which event waits is durable, when it was tried is not.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use countersign_model::time::{HOUR, SECOND, Timestamp};

use crate::event::Status;
use crate::stream::sends;

/// How long until the second attempt, in microseconds.
pub const FIRST_RETRY: i64 = SECOND;
/// Longest time between two attempts, in microseconds, unless the receiver asks for more.
pub const RETRY_MAX: i64 = 60 * SECOND;
/// Longest wait that a receiver can ask for, in microseconds: longer ones are mistakes, and the events get old.
pub const RETRY_AFTER_MAX: i64 = HOUR;
/// Most deliveries of one stream that are under way at once, so that one slow receiver does not take all connections.
pub const UNDER_WAY_MAX: usize = 8;

/// An event that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its place: greater than that of everything that happened before.
    pub sequence: u64,
    /// What it is about; only compared.
    pub subject: String,
    /// Whether it is about the stream itself.
    pub of_stream: bool,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send the event of that sequence; then say how it went.
    Send(u64),
    /// Nothing until then, unless an event comes or a delivery ends.
    Until(Timestamp),
    /// Nothing until an event comes, a delivery ends or the status changes.
    Idle,
}

/// How a delivery went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The receiver answered.
    Status {
        /// HTTP's number.
        status: u16,
        /// `Retry-After`, in microseconds; see [`retry_after`].
        retry_after: Option<i64>,
    },
    /// There was no connection, no answer in time, or none that could be read.
    None,
}

impl Answer {
    /// RFC 8935 section 2.2 says 202; receivers in the field say 200 and 204 as well. A redirect is no success: whom it
    /// names was not given the receiver's authorization.
    pub fn is_success(self) -> bool {
        matches!(self, Answer::Status { status: 200 | 202 | 204, .. })
    }

    fn asked_for(self) -> i64 {
        match self {
            Answer::Status { retry_after: Some(micros), .. } => micros.clamp(0, RETRY_AFTER_MAX),
            _ => 0,
        }
    }
}

/// `Retry-After` in seconds (RFC 9110 section 10.2.3), as microseconds. The other form, a date, is passed over: it
/// compares two clocks, and the usual distances do as well.
pub fn retry_after(header: &str) -> Option<i64> {
    let digits = header.trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // Too many digits are a very long time.
    is_number.then(|| digits.parse::<i64>().unwrap_or(i64::MAX).saturating_mul(SECOND))
}

/// How long to wait after that many failures in a row, in microseconds: a second, then twice as long each time.
pub fn distance(failures: u32) -> i64 {
    let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(RETRY_MAX)
}

/// The events about one subject, first to last.
#[derive(Clone, Debug, Default)]
struct Lane {
    events: VecDeque<u64>,
    of_stream: bool,
    /// How often the first one failed.
    failures: u32,
}

/// The events of one stream that wait.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    status: Status,
    lanes: HashMap<String, Lane>,
    /// The subject of each event that waits.
    subjects: BTreeMap<u64, String>,
    /// First events of lanes that may go now: those about the stream first, then by age.
    ready: BTreeSet<(bool, u64)>,
    /// First events of lanes that wait for their next attempt.
    delayed: BTreeSet<(Timestamp, u64)>,
    under_way: HashSet<u64>,
}

impl Queue {
    /// A queue of nothing.
    pub fn new(status: Status) -> Queue {
        Queue { status, ..Queue::default() }
    }

    /// How many events wait or are under way.
    pub fn len(&self) -> usize {
        self.subjects.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    /// Adds an event. One that is known already is passed over. One that was written down later than it happened takes
    /// its place among those about its subject, but for the first: that one may be under way.
    pub fn add(&mut self, event: Waiting) {
        let Waiting { sequence, subject, of_stream } = event;
        if self.subjects.contains_key(&sequence) {
            return;
        }
        let lane = self.lanes.entry(subject.clone()).or_default();
        lane.of_stream = of_stream;
        let place = lane.events.partition_point(|earlier| *earlier < sequence);
        lane.events.insert(place.max(usize::from(!lane.events.is_empty())), sequence);
        if lane.events.len() == 1 {
            self.ready.insert((!of_stream, sequence));
        }
        self.subjects.insert(sequence, subject);
    }

    /// The status, from now on.
    pub fn set_status(&mut self, status: Status) {
        self.status = status;
    }

    /// Gives up what waits, but for what the stream says of itself: it was disabled. What is under way may arrive.
    pub fn discard(&mut self) {
        let lanes = std::mem::take(&mut self.lanes);
        let (kept, gone): (HashMap<_, _>, HashMap<_, _>) =
            lanes.into_iter().partition(|(_, lane)| lane.of_stream);
        self.lanes = kept;
        for sequence in gone.values().flat_map(|lane| &lane.events) {
            self.subjects.remove(sequence);
            self.under_way.remove(sequence);
        }
        let subjects = &self.subjects;
        self.ready.retain(|(_, sequence)| subjects.contains_key(sequence));
        self.delayed.retain(|(_, sequence)| subjects.contains_key(sequence));
    }

    /// What to do at `now`. An event that is to be sent is under way until [`Queue::answered`].
    pub fn next(&mut self, now: Timestamp) -> Next {
        self.wake(now);
        if self.under_way.len() >= UNDER_WAY_MAX {
            return Next::Idle;
        }
        let first = self.ready.first().copied().filter(|(about_others, _)| sends(self.status, !about_others));
        if let Some((about_others, sequence)) = first {
            self.ready.remove(&(about_others, sequence));
            self.under_way.insert(sequence);
            return Next::Send(sequence);
        }
        let mut delayed = self.delayed.iter();
        let due = delayed.find(|(_, sequence)| sends(self.status, self.is_of_stream(*sequence)));
        due.map_or(Next::Idle, |(due, _)| Next::Until(*due))
    }

    /// Says how the delivery of an event went at `now`. One that is not under way is passed over: it was discarded.
    pub fn answered(&mut self, sequence: u64, answer: Answer, now: Timestamp) {
        if !self.under_way.remove(&sequence) {
            return;
        }
        let Some(subject) = self.subjects.get(&sequence) else { return };
        let Some(lane) = self.lanes.get_mut(subject) else { return };
        if !answer.is_success() {
            lane.failures = lane.failures.saturating_add(1);
            let wait = distance(lane.failures).max(answer.asked_for());
            self.delayed.insert((now.plus(wait), sequence));
            return;
        }
        lane.events.pop_front();
        lane.failures = 0;
        match lane.events.front() {
            Some(next) => {
                self.ready.insert((!lane.of_stream, *next));
            }
            None => {
                self.lanes.remove(subject);
            }
        }
        self.subjects.remove(&sequence);
    }

    /// What was delayed until now is ready.
    fn wake(&mut self, now: Timestamp) {
        while let Some((_, sequence)) = self.delayed.first().copied().filter(|(due, _)| *due <= now) {
            self.delayed.pop_first();
            self.ready.insert((!self.is_of_stream(sequence), sequence));
        }
    }

    fn is_of_stream(&self, sequence: u64) -> bool {
        let lane = self.subjects.get(&sequence).and_then(|subject| self.lanes.get(subject));
        lane.is_some_and(|lane| lane.of_stream)
    }
}
