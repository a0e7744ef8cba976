//! Reads all inputs on several threads: bytes are framed on reader threads, decoded on worker threads, and
//! collected in sorted chunks. Queues are bounded, so memory is, too.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Result, anyhow};
use countersign_logs::decode::{self, LogType, Sink, Skip};
use countersign_logs::framing::{Batch, Framer};
use countersign_model::event::Event;
use countersign_model::time::Timestamp;

use super::inputs::Input;
use super::result::{Read, Skipped};
use super::sort::{Chunk, Merge, Sorter};
use super::source;
use super::watch::Watch;

/// Batches of 1 MB between readers and workers: enough that neither waits, little memory.
const QUEUE_BATCHES: usize = 8;

/// Bytes taken from a decompressor at once.
const READ_BYTES: usize = 1 << 20;

/// A batch and the input it came from.
struct Work {
    input: usize,
    batch: Batch,
}

/// What reading gave.
pub(crate) struct ReadEvents {
    pub(crate) read: Read,
    /// The events in order.
    pub(crate) events: Merge,
    /// Bytes of sorted events that went to disk.
    pub(crate) spilled: u64,
}

/// Records skipped for one reason, and the first of them in the order of inputs and lines, so that the same one is
/// shown whichever thread was first.
struct Tally {
    count: u64,
    place: (usize, u64),
    detail: String,
}

/// What one worker has counted.
#[derive(Default)]
struct Counts {
    records: u64,
    by_type: BTreeMap<LogType, u64>,
    /// By reason, and whether the record is damaged.
    skipped: BTreeMap<(String, bool), Tally>,
    span: Option<(Timestamp, Timestamp)>,
}

impl Counts {
    fn skip(&mut self, input: usize, line: u64, skip: &Skip) {
        let (unreadable, detail) = match skip {
            Skip::UserSignIn(log_type) => {
                *self.by_type.entry(*log_type).or_default() += 1;
                (false, "")
            }
            Skip::OtherLog(_) => (false, ""),
            Skip::Unreadable(unreadable) => (true, unreadable.detail.as_str()),
        };
        self.records += 1;
        self.tally((skip.to_string(), unreadable), 1, (input, line), detail);
    }

    fn tally(&mut self, reason: (String, bool), count: u64, place: (usize, u64), detail: &str) {
        let new = || Tally { count: 0, place, detail: detail.to_owned() };
        let tally = self.skipped.entry(reason).or_insert_with(new);
        tally.count += count;
        if place < tally.place {
            tally.place = place;
            detail.clone_into(&mut tally.detail);
        }
    }

    fn add(&mut self, other: Counts) {
        self.records += other.records;
        for (log_type, count) in other.by_type {
            *self.by_type.entry(log_type).or_default() += count;
        }
        for (reason, Tally { count, place, detail }) in other.skipped {
            self.tally(reason, count, place, &detail);
        }
        self.span = match (self.span, other.span) {
            (Some((from, to)), Some((other_from, other_to))) => {
                Some((from.min(other_from), to.max(other_to)))
            }
            (span, other) => span.or(other),
        };
    }
}

/// One worker's sink: events go into its chunk.
struct Collect<'c> {
    input: usize,
    counts: Counts,
    chunk: Chunk,
    until: Option<Timestamp>,
    events: &'c AtomicU64,
    failed: Option<anyhow::Error>,
}

impl Sink for Collect<'_> {
    fn event(&mut self, log_type: LogType, line: u64, event: &Event<'_>) {
        let time = event.time();
        if self.until.is_some_and(|until| time > until) {
            self.counts.records += 1;
            let reason = ("event after --until: left out".to_owned(), false);
            return self.counts.tally(reason, 1, (self.input, line), "");
        }
        self.counts.records += 1;
        *self.counts.by_type.entry(log_type).or_default() += 1;
        let (from, to) = self.counts.span.unwrap_or((time, time));
        self.counts.span = Some((from.min(time), to.max(time)));
        self.events.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.chunk.push(event) {
            self.failed = Some(error);
        }
    }

    fn skip(&mut self, line: u64, skip: Skip) {
        self.counts.skip(self.input, line, &skip);
    }
}

/// Reads every input to its end.
pub(crate) fn read(
    inputs: &[Input],
    sorter: Sorter,
    until: Option<Timestamp>,
    watch: &Watch,
) -> Result<ReadEvents> {
    let threads = thread::available_parallelism().map_or(2, NonZero::get);
    let sorter = Mutex::new(sorter);
    let counts = Mutex::new(Counts::default());
    let first_error = Mutex::new(None);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (send, receive) = sync_channel::<Work>(QUEUE_BATCHES);
        let receive = Arc::new(Mutex::new(receive));
        for _ in 0..threads.min(inputs.len()) {
            let send = send.clone();
            let (next, counts, first_error) = (&next, &counts, &first_error);
            scope.spawn(move || {
                while let Some(input) = take(next, inputs.len()) {
                    match frame(input, &inputs[input], &send, counts, watch) {
                        Ok(()) => {}
                        Err(error) => return note(first_error, error),
                    }
                }
            });
        }
        drop(send);
        for _ in 0..threads {
            let receive = Arc::clone(&receive);
            let (sorter, counts, first_error) = (&sorter, &counts, &first_error);
            scope.spawn(move || {
                if let Err(error) = work(&receive, sorter, counts, until, watch) {
                    note(first_error, error);
                    watch.cancelled.store(true, Ordering::Relaxed);
                }
            });
        }
        // Readers must see a closed queue when all workers have gone.
        drop(receive);
    });
    if let Some(error) = lock(&first_error).take() {
        return Err(error);
    }
    watch.check()?;
    let sorter = sorter.into_inner().unwrap_or_else(PoisonError::into_inner);
    let counts = counts.into_inner().unwrap_or_else(PoisonError::into_inner);
    let spilled = sorter.spilled;
    Ok(ReadEvents { read: summary(inputs, counts, watch), events: sorter.into_merge()?, spilled })
}

fn take(next: &AtomicUsize, end: usize) -> Option<usize> {
    let taken = next.fetch_add(1, Ordering::Relaxed);
    (taken < end).then_some(taken)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the first error; "interrupted" only when there is no other.
fn note(first: &Mutex<Option<anyhow::Error>>, error: anyhow::Error) {
    let mut first = lock(first);
    if first.as_ref().is_none_or(|kept| kept.to_string() == "interrupted") {
        *first = Some(error);
    }
}

/// Reads one input and hands on its batches.
fn frame(
    at: usize,
    input: &Input,
    send: &SyncSender<Work>,
    counts: &Mutex<Counts>,
    watch: &Watch,
) -> Result<()> {
    let mut framer = Framer::new();
    let mut source = source::open(input, watch)?;
    let mut buffer = vec![0; READ_BYTES];
    let mut gone = false;
    let mut hand_on = |batch: Batch| gone |= send.send(Work { input: at, batch }).is_err();
    let mut any = false;
    let damage = loop {
        watch.check()?;
        match source.read(&mut buffer) {
            Ok(0) => break None,
            Ok(count) => {
                any = true;
                framer.push(&buffer[..count], &mut hand_on);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => break Some(error),
        }
    };
    framer.finish(&mut hand_on);
    let reason = match damage {
        // What came before the damage was handed on.
        Some(error) => Some(format!("file cannot be read to its end: {}", compression_words(&error))),
        None if !any => Some("file is empty".to_owned()),
        None => None,
    };
    if let Some(reason) = reason {
        let mut counts = lock(counts);
        counts.tally((reason, any), 1, (at, 1), "");
        counts.records += 1;
    }
    if gone { Err(anyhow!("interrupted")) } else { Ok(()) }
}

fn compression_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "its compression is cut off; copy it again".to_owned(),
        std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => {
            "its compression is damaged; copy it again".to_owned()
        }
        _ => error.to_string(),
    }
}

fn work(
    receive: &Mutex<Receiver<Work>>,
    sorter: &Mutex<Sorter>,
    counts: &Mutex<Counts>,
    until: Option<Timestamp>,
    watch: &Watch,
) -> Result<()> {
    let mut collect = Collect {
        input: 0,
        counts: Counts::default(),
        chunk: Chunk::default(),
        until,
        events: &watch.events,
        failed: None,
    };
    loop {
        let received = lock(receive).recv();
        let Ok(Work { input, batch }) = received else { break };
        collect.input = input;
        decode::decode(&batch, &mut collect);
        if let Some(error) = collect.failed.take() {
            return Err(error);
        }
        if collect.chunk.is_full() {
            watch.check()?;
            let mut chunk = std::mem::take(&mut collect.chunk);
            chunk.sort();
            lock(sorter).push(chunk)?;
        }
    }
    collect.chunk.sort();
    lock(sorter).push(collect.chunk)?;
    lock(counts).add(collect.counts);
    Ok(())
}

fn summary(inputs: &[Input], counts: Counts, watch: &Watch) -> Read {
    let skipped = counts.skipped.into_iter().map(|((reason, unreadable), tally)| {
        let Tally { count, place: (input, line), detail } = tally;
        let place = format!("{}:{line}", inputs[input].name());
        let example = if detail.is_empty() { place } else { format!("{place}: {detail}") };
        (reason, Skipped { count, example, unreadable })
    });
    Read {
        files: inputs.len() as u64,
        bytes: watch.bytes.load(Ordering::Relaxed),
        records: counts.records,
        by_type: counts
            .by_type
            .into_iter()
            .map(|(log_type, count)| (log_type.name().to_owned(), count))
            .collect(),
        skipped: skipped.collect(),
        repeated: 0,
        span: counts.span,
        principals: 0,
    }
}
