//! Whose rows may be touched.

use std::fmt;

/// The right to read and write the rows of one tenant. Every function of the store that touches rows takes one; only
/// [`crate::Store::scope`] makes one, and only what authenticates may call that (`cargo xtask tidy` holds the list), so a
/// query across tenants cannot be written by mistake. Those that are meant are in `clients.rs`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TenantScope {
    tenant_id: String,
}

impl TenantScope {
    pub(crate) fn new(tenant_id: String) -> Self {
        Self { tenant_id }
    }

    /// The tenant's id.
    pub fn tenant_id(&self) -> &str {
        &self.tenant_id
    }
}

impl fmt::Debug for TenantScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantScope({})", self.tenant_id)
    }
}
