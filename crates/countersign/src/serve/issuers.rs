//! Keys of foreign issuers, fetched when a federated credential or a security event asks for them, and only from issuers that
//! an administrator registered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, bail};
use countersign_model::time::{HOUR, SECOND, Timestamp};
use countersign_token::federated::Jwks;
use serde_json::Value as Json;

use super::outbound::Outbound;

/// How long keys are believed.
const KEPT: i64 = HOUR;
/// Shortest time between two fetches for unknown key ids of one issuer: they must not make us a hammer.
const FETCH_AGAIN: i64 = 60 * SECOND;
/// Issuers kept.
const ISSUERS_MAX: usize = 1_000;

/// The keys of issuers, kept for a while.
pub(crate) struct Issuers {
    outbound: Outbound,
    kept: Mutex<HashMap<String, Arc<Kept>>>,
}

/// The keys of one issuer. Locked while they are fetched: a hundred requests at once make one fetch, and those of other issuers
/// do not wait for it.
type Kept = tokio::sync::Mutex<Option<Known>>;

/// Keys that were fetched.
struct Known {
    keys: Arc<Jwks>,
    since: Timestamp,
    /// When they were last fetched for a key id that they did not have.
    looked: Timestamp,
}

impl Known {
    /// Keys that need not be fetched again.
    fn fresh(&self, kid: Option<&str>, now: Timestamp) -> Option<Arc<Jwks>> {
        let is_enough = kid.is_none_or(|kid| self.keys.has(kid)) || now.since(self.looked) < FETCH_AGAIN;
        (is_enough && now.since(self.since) < KEPT).then(|| Arc::clone(&self.keys))
    }
}

impl Issuers {
    pub(crate) fn new(outbound: Outbound) -> Self {
        Self { outbound, kept: Mutex::new(HashMap::new()) }
    }

    /// The keys of an issuer; fetched again when they are old or lack `kid`.
    pub(crate) async fn keys(&self, issuer: &str, kid: Option<&str>, now: Timestamp) -> Result<Arc<Jwks>> {
        let kept = self.of(issuer);
        let mut kept = kept.lock().await;
        if let Some(keys) = kept.as_ref().and_then(|known| known.fresh(kid, now)) {
            return Ok(keys);
        }
        let document = self.discover(issuer).await?;
        let address =
            document["jwks_uri"].as_str().with_context(|| format!("`{issuer}` names no `jwks_uri`"))?;
        Ok(keep(&mut kept, self.fetch(address).await?, now))
    }

    /// The keys of a transmitter of security events, at an address that it named when it was registered. As long as it cannot
    /// be asked, those that are known count on: who was registered is still heard.
    pub(crate) async fn keys_at(
        &self,
        address: &str,
        kid: Option<&str>,
        now: Timestamp,
    ) -> Result<Arc<Jwks>> {
        let kept = self.of(address);
        let mut kept = kept.lock().await;
        if let Some(keys) = kept.as_ref().and_then(|known| known.fresh(kid, now)) {
            return Ok(keys);
        }
        match (self.fetch(address).await, kept.as_mut()) {
            (Ok(keys), _) => Ok(keep(&mut kept, keys, now)),
            (Err(_), Some(known)) => {
                known.looked = now;
                Ok(Arc::clone(&known.keys))
            }
            (Err(error), None) => Err(error),
        }
    }

    fn of(&self, issuer: &str) -> Arc<Kept> {
        let mut all = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if all.len() >= ISSUERS_MAX && !all.contains_key(issuer) {
            all.clear();
        }
        Arc::clone(all.entry(issuer.to_owned()).or_default())
    }

    /// The discovery document of an issuer.
    pub(crate) async fn discover(&self, issuer: &str) -> Result<Json> {
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let document: Json = serde_json::from_slice(&self.outbound.get(&address).await?)
            .with_context(|| format!("`{address}` is not JSON"))?;
        // OpenID Connect Discovery 1.0 section 4.3: the issuer of the document is the one that was asked for.
        if document["issuer"].as_str() != Some(issuer) {
            bail!("`{address}` names another issuer, {}", document["issuer"]);
        }
        Ok(document)
    }

    async fn fetch(&self, address: &str) -> Result<Jwks> {
        Jwks::parse(&self.outbound.get(address).await?).with_context(|| format!("`{address}` is no key set"))
    }
}

/// Keeps keys that were fetched: for the first time, or since a key id was not among those that were known.
fn keep(kept: &mut Option<Known>, keys: Jwks, now: Timestamp) -> Arc<Jwks> {
    let looked = if kept.is_some() { now } else { Timestamp(0) };
    let keys = Arc::new(keys);
    *kept = Some(Known { keys: Arc::clone(&keys), since: now, looked });
    keys
}
