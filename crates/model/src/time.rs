//! Time as an argument: nothing below the binary asks the clock.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z. Entra writes 100 ns; nothing here needs more than 1 µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in an hour.
pub const HOUR: i64 = 3_600 * SECOND;
/// Microseconds in a day.
pub const DAY: i64 = 24 * HOUR;

impl Timestamp {
    /// Days since 1970-01-01, in UTC.
    pub fn day(self) -> i64 {
        self.0.div_euclid(DAY)
    }

    /// Hours since 1970-01-01T00, in UTC.
    pub fn hour(self) -> i64 {
        self.0.div_euclid(HOUR)
    }

    /// Hour of the week, 0 to 167; 0 is Thursday 00:00 UTC, the weekday of 1970-01-01.
    pub fn hour_of_week(self) -> u8 {
        self.hour().rem_euclid(168) as u8
    }

    /// Microseconds from `earlier` to `self`; negative when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> i64 {
        self.0 - earlier.0
    }

    /// This time and `micros` more.
    #[must_use]
    pub fn plus(self, micros: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(micros))
    }

    /// The calendar day in UTC, as `2026-05-02`.
    pub fn date(self) -> String {
        self.format("%Y-%m-%d")
    }

    /// Minute precision in UTC, as `2026-05-02 13:06`.
    pub fn minute(self) -> String {
        self.format("%Y-%m-%d %H:%M")
    }

    fn format(self, pattern: &str) -> String {
        self.to_jiff().strftime(pattern).to_string()
    }

    fn to_jiff(self) -> jiff::Timestamp {
        // Out of jiff's range only for values no decoder lets through.
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

/// RFC 3339 in UTC with microseconds and `Z`, the form of Graph's `Edm.DateTimeOffset`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.to_jiff())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_graph_does() {
        assert_eq!(Timestamp(1_777_727_211_045_137).to_string(), "2026-05-02T13:06:51.045137Z");
    }

    #[test]
    fn the_hour_of_week_starts_on_thursday() {
        assert_eq!(Timestamp(0).hour_of_week(), 0);
        assert_eq!(Timestamp(7 * DAY + HOUR).hour_of_week(), 1);
        assert_eq!(Timestamp(-HOUR).hour_of_week(), 167);
    }
}
