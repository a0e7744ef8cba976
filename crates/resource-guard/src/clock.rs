//! The one place that asks the clock.

use countersign_model::time::Timestamp;

/// The current time.
#[expect(clippy::disallowed_methods, reason = "the guard asks the clock here, and passes the time on")]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
