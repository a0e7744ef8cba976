//! Events are fetched, applied, and then acknowledged.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use countersign_model::time::Timestamp;
use countersign_signals::event::{Body, Status};
use countersign_signals::set::{ErrorCode, Expected, Received, Refusal, Unverified};
use countersign_signals::subject::Tenant;
use uuid::Uuid;

use crate::check::Rules;
use crate::issuer::{Issuer, Poll, Stream};
use crate::keys::Keys;
use crate::table::{Table, TokenFacts, Verdict};
use crate::{Fault, clock};

/// How long is waited after a failure: the first time, and at most.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// What is known at present.
struct Known {
    table: Table,
    /// When the issuer last answered a request for events.
    heard: Instant,
    /// Whether another process has taken the stream, and with it what comes next.
    is_taken: bool,
    fault: Option<String>,
}

impl Known {
    fn is_deaf(&self, max_silence: Duration) -> bool {
        self.is_taken || self.heard.elapsed() > max_silence
    }
}

/// All that a request is judged by, and what keeps it up to date.
pub(crate) struct Following {
    pub(crate) issuer: Issuer,
    pub(crate) rules: Rules,
    pub(crate) keys: Keys,
    tenant: Uuid,
    max_silence: Duration,
    known: RwLock<Known>,
}

/// Whether a guard hears of revocations.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// How long ago the issuer last answered a request for events.
    pub silence: Duration,
    /// Whether that is longer than it may be, or another process hears in its place: tokens that can be revoked are not served.
    pub is_deaf: bool,
    /// Why the last request failed, if it did.
    pub fault: Option<String>,
    /// Workloads and credentials that something happened to.
    pub entries: usize,
}

impl Following {
    pub(crate) fn new(issuer: Issuer, rules: Rules, keys: Keys, tenant: Uuid, max_silence: Duration) -> Self {
        let known = Known { table: Table::default(), heard: Instant::now(), is_taken: false, fault: None };
        Self { issuer, rules, keys, tenant, max_silence, known: RwLock::new(known) }
    }

    fn update<T>(&self, update: impl FnOnce(&mut Known) -> T) -> T {
        update(&mut self.known.write().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn decide(&self, token: &TokenFacts, now: Timestamp) -> Verdict {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        // A new token would help no more than this one: nobody here could tell that it is good.
        if token.is_cae && known.is_deaf(self.max_silence) {
            return Verdict::Unavailable;
        }
        known.table.decide(token, now)
    }

    pub(crate) fn health(&self) -> Health {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Health {
            silence: known.heard.elapsed(),
            is_deaf: known.is_deaf(self.max_silence),
            fault: known.fault.clone(),
            entries: known.table.len(),
        }
    }

    /// Finds or makes the stream and takes all that waits in it. From the time that is returned on, every revocation is known.
    pub(crate) async fn begin(&self) -> Result<(Stream, Poll, Timestamp), Fault> {
        let stream = self.issuer.stream(self.rules.issuer()).await?;
        let mut poll = Poll::default();
        loop {
            poll.return_immediately = true;
            let (next, is_more) = self.step(&stream, &poll).await?;
            poll = next;
            if !is_more {
                break;
            }
        }
        let from = self.update(|known| {
            known.is_taken = false;
            known.table.begin(clock::now())
        });
        Ok((stream, poll, from))
    }

    /// Follows the stream until the task is aborted.
    pub(crate) async fn follow(&self, mut stream: Stream, mut poll: Poll) {
        let mut wait = RETRY_MIN;
        loop {
            match self.step(&stream, &poll).await {
                Ok((next, _)) => {
                    poll = next;
                    wait = RETRY_MIN;
                }
                Err(fault) => {
                    self.update(|known| known.fault = Some(fault.to_string()));
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(RETRY_MAX);
                    // Somebody removed the stream, and what happened since is in no other.
                    if matches!(fault, Fault::Status(404))
                        && let Ok((new, first, _)) = self.begin().await
                    {
                        (stream, poll) = (new, first);
                    }
                }
            }
            self.keys.refresh(&self.issuer).await;
        }
    }

    /// One request: what to acknowledge with the next one, and whether more waits.
    async fn step(&self, stream: &Stream, poll: &Poll) -> Result<(Poll, bool), Fault> {
        let answer = self.issuer.poll(stream, poll).await?;
        // Before anything is acknowledged that the other has to hear.
        if !self.issuer.is_ours(stream).await? {
            self.update(|known| known.is_taken = true);
            return Err(Fault::Taken);
        }
        let mut next = Poll::default();
        for (jti, token) in answer.sets {
            match self.read(stream, &token).await? {
                Ok(received) => {
                    self.take(stream, received).await?;
                    next.ack.push(jti);
                }
                // What was to be told is not known, as if it had been lost.
                Err(refusal) => {
                    self.update(|known| known.table.begin(clock::now()));
                    next.errors.insert(jti, refusal.to_json());
                }
            }
        }
        // Only now: until then the answer is not known here.
        self.update(|known| {
            known.heard = Instant::now();
            known.fault = None;
        });
        Ok((next, answer.more_available))
    }

    /// Reads an event. A fault is that the keys cannot be asked for: it comes again, and those behind it with it.
    async fn read(&self, stream: &Stream, token: &str) -> Result<Result<Received, Refusal>, Fault> {
        let unverified = match Unverified::decode(token) {
            Ok(unverified) => unverified,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let keys = self.keys.with(&self.issuer, unverified.kid()).await;
        let expected = Expected { issuer: self.rules.issuer(), audience: &stream.audience };
        match unverified.verify(&keys, expected, clock::now()) {
            Err(refusal) if refusal.err == ErrorCode::InvalidKey => Err(Fault::Key),
            read => Ok(read),
        }
    }

    async fn take(&self, stream: &Stream, received: Received) -> Result<(), Fault> {
        // An event of a kind that is not known was not asked for.
        let Some(told) = received.told else { return Ok(()) };
        // What waited is given up, or kept back.
        if let Body::StreamUpdated { status: Status::Disabled | Status::Paused, .. } = told.event.body {
            self.issuer.enable(stream).await?;
            self.update(|known| known.table.begin(clock::now()));
        }
        let tenant = Tenant { issuer: self.rules.issuer(), id: self.tenant };
        if let Some(principal) = tenant.workload(&told.subject) {
            self.update(|known| known.table.apply(principal, &told.event, received.issued_at, clock::now()));
        }
        Ok(())
    }
}
