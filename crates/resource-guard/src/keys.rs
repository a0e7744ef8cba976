//! The keys that the issuer signs with.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use countersign_token::federated::Jwks;
use tokio::sync::Mutex;

use crate::Fault;
use crate::issuer::Issuer;

/// How long keys are used before they are fetched anew: a key that was withdrawn must not count for ever.
const KEPT: Duration = Duration::from_hours(1);
/// How long after a fetch an unknown key is not asked for again: anybody can make up a token with one. The issuer publishes its
/// keys before it uses them.
const FETCH_AGAIN: Duration = Duration::from_secs(30);

/// Keys that were fetched, used on as long as the issuer cannot be asked.
pub(crate) struct Keys {
    known: RwLock<Arc<Jwks>>,
    /// When they were last asked for once more, and when they last came. Held while they are fetched: a hundred requests at once
    /// make one fetch.
    fetched: Mutex<Fetched>,
}

#[derive(Clone, Copy)]
struct Fetched {
    asked: Option<Instant>,
    answered: Instant,
}

impl Fetched {
    fn is_too_soon(&self) -> bool {
        self.asked.is_some_and(|asked| asked.elapsed() < FETCH_AGAIN)
    }
}

impl Keys {
    /// Fetches them.
    pub(crate) async fn fetch(issuer: &Issuer) -> Result<Self, Fault> {
        let known = RwLock::new(Arc::new(issuer.keys().await?));
        Ok(Self { known, fetched: Mutex::new(Fetched { asked: None, answered: Instant::now() }) })
    }

    fn known(&self) -> Arc<Jwks> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys to verify a token of that `kid` with.
    pub(crate) async fn with(&self, issuer: &Issuer, kid: Option<&str>) -> Arc<Jwks> {
        let known = self.known();
        if kid.is_none_or(|kid| known.has(kid)) {
            return known;
        }
        let mut fetched = self.fetched.lock().await;
        // Somebody may have fetched them meanwhile.
        let known = self.known();
        if kid.is_none_or(|kid| known.has(kid)) || fetched.is_too_soon() {
            return known;
        }
        self.renew(issuer, &mut fetched).await;
        self.known()
    }

    /// Fetches them anew if it is time, so that no request waits for it.
    pub(crate) async fn refresh(&self, issuer: &Issuer) {
        let mut fetched = self.fetched.lock().await;
        if fetched.answered.elapsed() >= KEPT && !fetched.is_too_soon() {
            self.renew(issuer, &mut fetched).await;
        }
    }

    async fn renew(&self, issuer: &Issuer, fetched: &mut Fetched) {
        fetched.asked = Some(Instant::now());
        if let Ok(keys) = issuer.keys().await {
            *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
            fetched.answered = Instant::now();
        }
    }
}
