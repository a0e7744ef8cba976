//! Tenants by id or domain, kept for a moment: every request asks for one.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use countersign_model::time::{SECOND, Timestamp};
use countersign_store::{Store, StoreError, Tenant};

/// How long a tenant is believed: a changed plan shows after this time.
const KEPT: i64 = 5 * SECOND;
/// Names kept, unknown ones included.
const NAMES_MAX: usize = 10_000;

/// The memory of tenants.
#[derive(Default)]
pub(crate) struct Tenants {
    kept: RwLock<HashMap<String, (Timestamp, Option<Tenant>)>>,
}

impl Tenants {
    /// The tenant of that id or domain.
    pub(crate) async fn find(
        &self,
        store: &Store,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        let name = name.to_ascii_lowercase();
        // No database needs to be asked for what cannot be a name.
        if name.contains('\0') {
            return Ok(None);
        }
        {
            let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((since, tenant)) = kept.get(&name)
                && now.since(*since) < KEPT
            {
                return Ok(tenant.clone());
            }
        }
        let tenant = store.tenant(&name).await?;
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= NAMES_MAX {
            kept.clear();
        }
        kept.insert(name, (now, tenant.clone()));
        Ok(tenant)
    }
}
