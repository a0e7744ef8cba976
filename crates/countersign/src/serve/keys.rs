//! Signing keys in use: loaded, handed out, rotated.

use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context, Result};
use countersign_model::time::{DAY, SECOND, Timestamp};
use countersign_store::{Store, StoredKey};
use countersign_token::keys::{Algorithm, KeyRing, RingKey, SigningKey, next_key, published_until};

/// How long after the keys were read for an unknown key id they are not read for another: ids are free to make up.
const LOOK_AGAIN: i64 = SECOND;

/// The ring of keys, exchanged as a whole.
pub(crate) struct Keys {
    ring: RwLock<Arc<KeyRing>>,
    /// When the keys were last read because of an unknown key id.
    looked: tokio::sync::Mutex<Timestamp>,
}

impl Keys {
    /// Loads the keys, and makes what is missing.
    pub(crate) async fn open(store: &Store, rotation_days: u32, now: Timestamp) -> Result<Self> {
        let keys = Self { ring: RwLock::default(), looked: tokio::sync::Mutex::new(Timestamp(0)) };
        keys.rotate(store, rotation_days, now).await?;
        Ok(keys)
    }

    /// The keys of this moment.
    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys that know a key id, if any do. Another node may have made that key a moment ago, so before the answer is no
    /// they are read again.
    pub(crate) async fn ring_with(&self, store: &Store, kid: &str, now: Timestamp) -> Result<Arc<KeyRing>> {
        let ring = self.ring();
        if ring.find(kid, now).is_some() {
            return Ok(ring);
        }
        // Whoever waits here finds what the one before has read.
        let mut looked = self.looked.lock().await;
        if self.ring().find(kid, now).is_none() && now.since(*looked).abs() >= LOOK_AGAIN {
            *looked = now;
            self.take_over(store.signing_keys(now).await.context("cannot read the signing keys")?)?;
        }
        Ok(self.ring())
    }

    /// The keys with one that signs by that algorithm now, if there is one; another node may have made it a moment ago.
    pub(crate) async fn ring_that_signs(
        &self,
        store: &Store,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Arc<KeyRing>> {
        if self.ring().signing(algorithm, now).is_none() {
            self.take_over(store.signing_keys(now).await.context("cannot read the signing keys")?)?;
        }
        Ok(self.ring())
    }

    /// Makes a key of RS256 where no tenant has needed one yet.
    pub(crate) async fn ensure_rs256(&self, store: &Store, rotation_days: u32, now: Timestamp) -> Result<()> {
        if self.ring_that_signs(store, Algorithm::Rs256, now).await?.signing(Algorithm::Rs256, now).is_some()
        {
            return Ok(());
        }
        self.make_due(store, rotation_days, now, &[Algorithm::Rs256]).await
    }

    /// Makes the next key where it is due, and takes over what other processes made.
    pub(crate) async fn rotate(&self, store: &Store, rotation_days: u32, now: Timestamp) -> Result<()> {
        self.make_due(store, rotation_days, now, &[]).await
    }

    /// `needed` are algorithms of which there must be a key, whatever tenants use.
    async fn make_due(
        &self,
        store: &Store,
        rotation_days: u32,
        now: Timestamp,
        needed: &[Algorithm],
    ) -> Result<()> {
        let mut stored = store.signing_keys(now).await.context("cannot read the signing keys")?;
        let tenants = store.tenants().await?;
        for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
            let name = algorithm.name();
            // A key of an algorithm that nobody uses would only confuse readers of the key set.
            let is_used = needed.contains(&algorithm)
                || tenants.iter().any(|tenant| tenant.signing_algorithm == name)
                || stored.iter().any(|key| key.algorithm == name);
            if !is_used {
                continue;
            }
            let newest = stored.iter().filter(|key| key.algorithm == name).max_by_key(|key| key.active_from);
            let period = i64::from(rotation_days) * DAY;
            let due = next_key(newest.map(|newest| newest.active_from), period, now);
            let Some(active_from) = due else { continue };
            let key = make(algorithm, active_from, rotation_days, now)?;
            let after = newest.map_or(Timestamp(0), |newest| newest.active_from.plus(1));
            if store.add_signing_key(&key, after).await? {
                super::log::info(
                    "keys",
                    &format!("made the {name} key {}, which signs from {active_from}", key.kid),
                );
                for old in stored.iter().filter(|old| old.algorithm == name) {
                    let until = published_until(active_from);
                    if until < old.published_until {
                        store.retire_signing_key(&old.kid, until).await?;
                    }
                }
            }
            stored = store.signing_keys(now).await?;
        }
        self.take_over(stored)
    }

    fn take_over(&self, stored: Vec<StoredKey>) -> Result<()> {
        let mut ring = Vec::new();
        for key in stored {
            ring.push(RingKey {
                active_from: key.active_from,
                published_until: Some(key.published_until),
                key: load(&key)
                    .map(Arc::new)
                    .with_context(|| format!("cannot use the signing key `{}`", key.kid))?,
            });
        }
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(KeyRing::new(ring));
        Ok(())
    }
}

fn make(
    algorithm: Algorithm,
    active_from: Timestamp,
    rotation_days: u32,
    now: Timestamp,
) -> Result<StoredKey> {
    // A key that is never replaced, because the server stood still, must go on verifying what it signed.
    let until = active_from.plus(i64::from(rotation_days) * DAY * 4);
    let (key, private_key) =
        SigningKey::generate(algorithm, "Countersign token signing", now.plus(-DAY), until)?;
    Ok(StoredKey {
        kid: key.kid().to_owned(),
        algorithm: algorithm.name().to_owned(),
        created: now,
        active_from,
        published_until: until,
        certificate: key.certificate().to_vec(),
        private_key,
    })
}

fn load(stored: &StoredKey) -> Result<SigningKey> {
    let algorithm = Algorithm::parse(&stored.algorithm).context("unknown algorithm")?;
    Ok(SigningKey::from_pkcs8(
        stored.kid.as_str(),
        algorithm,
        stored.certificate.clone(),
        &stored.private_key,
    )?)
}
