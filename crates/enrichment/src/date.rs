//! Dates as feeds and tables write them.

use countersign_model::time::{SECOND, Timestamp};

/// Reads `2026-08-22T10:00:00Z` (with any offset and fraction, or none, then UTC), `2026-08-22 10:00:00 UTC`,
/// `2026-08-22`, the American `8/22/2026` with or without a time, and seconds since 1970.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let text = text.strip_suffix("UTC").map_or(text, str::trim_end);
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp(time.as_microsecond()));
    }
    if text.len() >= 9 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse::<i64>().ok()?.checked_mul(SECOND).map(Timestamp);
    }
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00:00"));
    let date = if date.contains('/') { american(date)? } else { date.to_owned() };
    let (time, hours) = clock(time.trim())?;
    let time: jiff::Timestamp = format!("{date}T{time}Z").parse().ok()?;
    Some(Timestamp(time.as_microsecond()).plus(hours * 3_600 * SECOND))
}

/// `8/22/2026` as `2026-08-22`.
fn american(date: &str) -> Option<String> {
    let mut parts = date.splitn(3, '/');
    let (month, day, year) = (parts.next()?, parts.next()?, parts.next()?);
    let (month, day, year): (u8, u8, u16) = (month.parse().ok()?, day.parse().ok()?, year.parse().ok()?);
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

/// A time of day in 24 hours, and the hours to add for `PM`.
fn clock(time: &str) -> Option<(String, i64)> {
    let (time, afternoon) = match time.rsplit_once(' ') {
        Some((time, "AM")) => (time, Some(false)),
        Some((time, "PM")) => (time, Some(true)),
        _ => (time, None),
    };
    let (hour, rest) = time.split_once(':')?;
    let hour: i64 = hour.parse().ok()?;
    let (hour, add) = match afternoon {
        None => (hour, 0),
        Some(afternoon) => (hour % 12, if afternoon { 12 } else { 0 }),
    };
    let seconds = if rest.contains(':') { "" } else { ":00" };
    Some((format!("{hour:02}:{rest}{seconds}"), add))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(parse(text).map(|time| time.to_string()).unwrap_or_default(), expected, "{text}");
    }

    #[test]
    fn reads_the_spellings_of_feeds() {
        let expected = "2026-08-22T10:00:00.000000Z";
        check("2026-08-22T10:00:00Z", expected);
        check("2026-08-22T10:00:00.000Z", expected);
        check("2026-08-22T12:00:00+02:00", expected);
        check("2026-08-22T10:00:00", expected);
        check("2026-08-22T10:00:00.000000", expected);
        check("2026-08-22 10:00:00", expected);
        check("2026-08-22 10:00:00 UTC", expected);
        check("8/22/2026 10:00:00", expected);
        check("8/22/2026 10:00:00 AM", expected);
        check("8/22/2026 10:00:00 PM", "2026-08-22T22:00:00.000000Z");
        check("8/22/2026", "2026-08-22T00:00:00.000000Z");
        check("2026-08-22", "2026-08-22T00:00:00.000000Z");
        check("1787392800", expected);
    }

    #[test]
    fn other_text_is_no_date() {
        for text in ["", "None", "soon", "13/45/2026", "2026-13-01", "99:99", "8/22", "12", "/ /"] {
            check(text, "");
        }
    }
}
