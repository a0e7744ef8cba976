//! How far the work has got, for the progress bar, and how the user ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Result, bail};

/// What watchers of the work may see, and how they may end it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    /// Bytes read from disk.
    pub(crate) bytes: Arc<AtomicU64>,
    /// Events decoded, then events detected on.
    pub(crate) events: Arc<AtomicU64>,
    /// Set when the user wants to stop.
    pub(crate) cancelled: Arc<AtomicBool>,
}

impl Watch {
    pub(crate) fn check(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        Ok(())
    }
}
