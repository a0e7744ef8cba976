//! Sign-in records: durable before the token leaves, many to a commit, read newest first.
//!
//! One commit costs about as much as a signature, so records that come while one is under way wait for the next and share
//! it. A record is one line of JSON in the shape of `/beta`'s `signIn`.

use std::collections::BinaryHeap;
use std::time::Duration;

use aws_lc_rs::rand;
use countersign_model::time::{SECOND, Timestamp};
use countersign_odata::value::parse_instant;
use serde_json::{Map, Value as Json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::database::{Database, Statement};
use crate::{Scoped, Store, StoreError};

/// Records that wait for a commit; beyond that, requests wait before they enter.
const QUEUE_RECORDS_MAX: usize = 4_096;
/// Records of one commit: bounds the size of a row.
const BATCH_RECORDS_MAX: usize = 1_024;
/// Records of one commit from which the journal counts as busy.
const BUSY_RECORDS: usize = 4;
/// Shortest time between the beginnings of two commits of a busy journal: a commit costs as much CPU time whether it holds
/// four records or forty. Whoever comes alone does not wait.
const BUSY_INTERVAL: Duration = Duration::from_millis(5);
/// Batches read at a time.
const READ_BATCHES_MAX: i64 = 64;

/// One sign-in, to be kept.
#[derive(Clone, Debug)]
pub struct SignInRecord {
    /// Tenant in which it was tried.
    pub tenant_id: String,
    /// `createdDateTime`.
    pub time: Timestamp,
    /// The record, one line of JSON.
    pub line: Vec<u8>,
}

struct Entry {
    record: SignInRecord,
    done: oneshot::Sender<bool>,
}

/// The way in. Clones share one writer.
#[derive(Clone)]
pub struct Journal {
    entries: mpsc::Sender<Entry>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Journal")
    }
}

/// A record could not be made durable; whatever it stands for must not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sign-in record could not be written")]
pub struct NotDurable;

impl Journal {
    /// Starts the writer on the current runtime; it ends when the last clone is dropped.
    pub(crate) fn start(database: Database) -> (Self, tokio::task::JoinHandle<()>) {
        let (entries, incoming) = mpsc::channel(QUEUE_RECORDS_MAX);
        (Self { entries }, tokio::spawn(write(database, incoming)))
    }

    /// Returns once the record survives the end of the process.
    pub async fn append(&self, record: SignInRecord) -> Result<(), NotDurable> {
        let (done, outcome) = oneshot::channel();
        self.entries.send(Entry { record, done }).await.map_err(|_| NotDurable)?;
        match outcome.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(NotDurable),
        }
    }
}

async fn write(database: Database, mut incoming: mpsc::Receiver<Entry>) {
    let mut entries = Vec::with_capacity(BATCH_RECORDS_MAX);
    let mut next = Instant::now();
    while incoming.recv_many(&mut entries, BATCH_RECORDS_MAX).await > 0 {
        if Instant::now() < next {
            tokio::time::sleep_until(next).await;
            while entries.len() < BATCH_RECORDS_MAX
                && let Ok(entry) = incoming.try_recv()
            {
                entries.push(entry);
            }
        }
        next = Instant::now();
        if entries.len() >= BUSY_RECORDS {
            next += BUSY_INTERVAL;
        }
        // By tenant, oldest first, whatever the order of arrival.
        entries
            .sort_by(|a, b| (&a.record.tenant_id, a.record.time).cmp(&(&b.record.tenant_id, b.record.time)));
        let outcome = commit(&database, &entries).await;
        for entry in entries.drain(..) {
            // A request that was given up no longer waits.
            let _ = entry.done.send(outcome.is_ok());
        }
    }
}

async fn commit(database: &Database, entries: &[Entry]) -> Result<(), StoreError> {
    let mut session = database.begin().await?;
    for batch in entries.chunk_by(|a, b| a.record.tenant_id == b.record.tenant_id) {
        let (first, last) = (&batch[0].record, &batch[batch.len() - 1].record);
        let mut records = Vec::with_capacity(batch.iter().map(|entry| entry.record.line.len() + 1).sum());
        for entry in batch {
            records.extend_from_slice(&entry.record.line);
            records.push(b'\n');
        }
        let mut unique = [0; 8];
        rand::fill(&mut unique).map_err(|_| StoreError::Random)?;
        let id = format!("{:016x}{:016x}", last.time.0, u64::from_be_bytes(unique));
        session
            .execute(Statement::new(
                "insert into sign_in_batch (tenant_id, id, first_us, last_us, count, records) \
                 values ($1, $2, $3, $4, $5, $6)",
                [
                    first.tenant_id.as_str().into(),
                    id.into(),
                    first.time.0.into(),
                    last.time.0.into(),
                    (batch.len() as i64).into(),
                    records.into(),
                ],
            ))
            .await?;
    }
    session.commit().await
}

/// Place of a record in the log: its time, then its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Microseconds since 1970.
    pub time: i64,
    /// `id`.
    pub id: String,
}

/// Which sign-ins.
#[derive(Clone, Debug)]
pub struct SignInRange {
    /// Not earlier than this.
    pub from: Timestamp,
    /// Not later than this.
    pub until: Timestamp,
    /// Behind this place, in the direction of reading.
    pub after: Option<Place>,
    /// Oldest first instead of newest first.
    pub ascending: bool,
}

/// A record in the order of reading: the greatest comes first.
struct Next {
    place: Place,
    ascending: bool,
    body: Map<String, Json>,
}

impl Ord for Next {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let order = self.place.cmp(&other.place);
        if self.ascending { order.reverse() } else { order }
    }
}
impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Next {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}
impl Eq for Next {}

impl Scoped {
    /// Up to `top` records of a range that `matches` accepts, and whether there are more. Batches overlap by a little, since
    /// requests end in another order than they began; so batches are merged, and a record is given out once no unread batch
    /// can hold an earlier one.
    pub async fn sign_ins(
        &mut self,
        range: &SignInRange,
        top: usize,
        mut matches: impl FnMut(&Map<String, Json>) -> bool,
    ) -> Result<(Vec<Map<String, Json>>, bool), StoreError> {
        let mut found = Vec::new();
        let mut waiting: BinaryHeap<Next> = BinaryHeap::new();
        let mut resume: Option<(i64, String)> = None;
        loop {
            let batches = self.sign_in_batches(range, resume.as_ref()).await?;
            let is_last = (batches.len() as i64) < READ_BATCHES_MAX;
            for (edge, id, records) in batches {
                for body in lines(&id, &records)? {
                    let Some(place) = place_of(&body) else { continue };
                    if is_within(range, &place) {
                        waiting.push(Next { place, ascending: range.ascending, body });
                    }
                }
                resume = Some((edge, id));
            }
            let edge = resume.as_ref().map(|(edge, _)| *edge);
            while let Some(next) = waiting.peek() {
                let is_settled = is_last
                    || edge.is_some_and(|edge| {
                        if range.ascending { next.place.time < edge } else { next.place.time > edge }
                    });
                if !is_settled {
                    break;
                }
                let Some(next) = waiting.pop() else { break };
                if matches(&next.body) {
                    if found.len() == top {
                        return Ok((found, true));
                    }
                    found.push(next.body);
                }
            }
            if is_last {
                return Ok((found, false));
            }
        }
    }

    /// The next batches: by their last record when read backwards, by their first when read forwards. Each with that edge.
    async fn sign_in_batches(
        &mut self,
        range: &SignInRange,
        resume: Option<&(i64, String)>,
    ) -> Result<Vec<(i64, String, Vec<u8>)>, StoreError> {
        let mut from = range.from.0;
        let mut until = range.until.0;
        if let Some(after) = &range.after {
            if range.ascending {
                from = from.max(after.time);
            } else {
                until = until.min(after.time);
            }
        }
        let (edge, direction, beyond) =
            if range.ascending { ("first_us", "asc", ">") } else { ("last_us", "desc", "<") };
        let mut statement = Statement::default();
        statement.push("select ").push(edge).push(", id, records from sign_in_batch where tenant_id = ");
        statement
            .bind(self.tenant())
            .push(" and last_us >= ")
            .bind(from)
            .push(" and first_us <= ")
            .bind(until);
        if let Some((time, id)) = resume {
            statement.push(&format!(" and ({edge} {beyond} ")).bind(*time);
            statement.push(&format!(" or ({edge} = ")).bind(*time).push(&format!(" and id {beyond} "));
            statement.bind(id).push("))");
        }
        statement.push(&format!(" order by {edge} {direction}, id {direction} limit "));
        statement.bind(READ_BATCHES_MAX);
        let rows = self.session.fetch(statement).await?;
        rows.iter().map(|row| Ok((row.int(0)?, row.text(1)?, row.bytes(2)?))).collect()
    }

    /// One record by its id. Ids of ours hold their time (RFC 9562 section 5.7), so that only batches of that second are read.
    pub async fn sign_in(&mut self, id: &str) -> Result<Option<Map<String, Json>>, StoreError> {
        let (from, until) = match uuid::Uuid::try_parse(id).ok().and_then(|id| id.get_timestamp()) {
            Some(time) => {
                let micros = time.to_unix().0 as i64 * SECOND;
                (Timestamp(micros - SECOND), Timestamp(micros + 2 * SECOND))
            }
            None => (Timestamp(0), Timestamp(i64::MAX)),
        };
        let range = SignInRange { from, until, after: None, ascending: false };
        let (mut found, _) = self.sign_ins(&range, 1, |body| is_named(body, id)).await?;
        Ok(found.pop())
    }
}

fn is_named(body: &Map<String, Json>, id: &str) -> bool {
    body.get("id").and_then(Json::as_str).is_some_and(|own| own.eq_ignore_ascii_case(id))
}

fn lines(id: &str, records: &[u8]) -> Result<Vec<Map<String, Json>>, StoreError> {
    records
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            serde_json::from_slice(line).map_err(|error| StoreError::Corrupt {
                table: "sign_in_batch",
                id: id.to_owned(),
                reason: error.to_string(),
            })
        })
        .collect()
}

/// Where a record stands in the log.
pub fn place_of(body: &Map<String, Json>) -> Option<Place> {
    let time = body.get("createdDateTime").and_then(Json::as_str).and_then(parse_instant)?;
    Some(Place { time, id: body.get("id").and_then(Json::as_str)?.to_owned() })
}

fn is_within(range: &SignInRange, place: &Place) -> bool {
    let is_behind = match &range.after {
        None => true,
        Some(after) if range.ascending => place > after,
        Some(after) => place < after,
    };
    is_behind && range.from.0 <= place.time && place.time <= range.until.0
}

impl Store {
    /// The way in for sign-in records.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }
}
