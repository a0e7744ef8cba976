//! The fold: events in order through enrichment and detection. One thread merges, another folds.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use anyhow::{Context, Result, anyhow};
use countersign_detection::detector::Observed;
use countersign_detection::{Detector, Policy};
use countersign_enrichment::{Enricher, Memo};
use countersign_model::event::Event;
use countersign_model::inventory::{DirectoryObject, RogueApplication};
use countersign_patterns::Rules;

use super::sort::Merge;
use super::watch::Watch;
use crate::progress::Progress;

/// Events handed over at once.
const BATCH_EVENTS: usize = 4096;
/// Batches between the two threads.
const QUEUE_BATCHES: usize = 4;

/// What is known beside the events.
pub(crate) struct Knowledge<'k> {
    pub(crate) enricher: &'k Enricher,
    /// Applications known to be abused.
    pub(crate) rogue: Vec<RogueApplication>,
    /// Objects of the directory, as they are at the end of the logs.
    pub(crate) inventory: &'k [DirectoryObject],
}

/// What the fold gave.
pub(crate) struct Folded {
    pub(crate) detector: Detector,
    /// Events that had been seen before.
    pub(crate) repeated: u64,
    /// Objects of the inventory that no tenant knows.
    pub(crate) homeless: usize,
}

/// Encoded events, one behind the other.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// Folds all events.
pub(crate) fn fold(
    events: &mut Merge,
    knowledge: Knowledge<'_>,
    mut rules: Option<&mut Rules>,
    policy: Policy,
    total: u64,
    watch: &Watch,
) -> Result<Folded> {
    watch.events.store(0, Ordering::Relaxed);
    let _progress = Progress::events("detecting", total, watch.events.clone());
    thread::scope(|scope| {
        let (send, receive) = sync_channel::<Batch>(QUEUE_BATCHES);
        let merging = scope.spawn(move || merge(events, &send, watch));
        let mut folded = Folded { detector: Detector::new(policy), repeated: 0, homeless: 0 };
        folded.detector.list_rogue(knowledge.rogue);
        let mut memo = Memo::new(knowledge.enricher);
        for batch in receive {
            observe(&batch, &mut memo, rules.as_deref_mut(), &mut folded)?;
            watch.events.fetch_add(batch.ends.len() as u64, Ordering::Relaxed);
        }
        merging.join().map_err(|_| anyhow!("merging ended unexpectedly"))??;
        folded.homeless = folded.detector.inventory(knowledge.inventory, folded.detector.newest());
        folded.detector.finish();
        Ok(folded)
    })
}

fn merge(events: &mut Merge, send: &SyncSender<Batch>, watch: &Watch) -> Result<()> {
    let mut batch = Batch::default();
    loop {
        let next = events.next()?;
        let is_last = next.is_none();
        if let Some((_, event)) = next {
            batch.bytes.extend_from_slice(event);
            batch.ends.push(batch.bytes.len());
        }
        if batch.ends.len() == BATCH_EVENTS || is_last {
            watch.check()?;
            // The other side is gone only when it failed, and then its error is the one that counts.
            if send.send(std::mem::take(&mut batch)).is_err() || is_last {
                return Ok(());
            }
        }
    }
}

fn observe(
    batch: &Batch,
    memo: &mut Memo<'_>,
    mut rules: Option<&mut Rules>,
    folded: &mut Folded,
) -> Result<()> {
    let mut start = 0;
    for end in &batch.ends {
        let event = decode(&batch.bytes[start..*end])?;
        start = *end;
        let mut enrichment = memo.enrich(&event);
        if let Some(rules) = &mut rules {
            enrichment.patterns = rules.matches(&event);
        }
        if folded.detector.observe(&event, &enrichment) == Observed::Repeated {
            folded.repeated += 1;
        }
    }
    Ok(())
}

/// An event as the sorter keeps it.
pub(crate) fn decode(bytes: &[u8]) -> Result<Event<'_>> {
    postcard::from_bytes(bytes).context("sorted events are damaged: is the disk full?")
}
