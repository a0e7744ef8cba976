//! Values in text: instants, durations, GUIDs.

use uuid::Uuid;

/// 0001-01-01T00:00:00Z in microseconds: OData has no year 0.
const FIRST_INSTANT: i64 = -62_135_596_800_000_000;
/// Digits of a fraction of a second that are read; more are cut off.
const FRACTION_DIGITS_MAX: usize = 9;
/// Longest text of an instant or a duration, in bytes.
const TEXT_BYTES_MAX: usize = 64;

/// Microseconds since 1970 of an instant of RFC 3339, or of the first moment, in UTC, of a date such as
/// `2026-05-02`. Digits beyond the microsecond are cut off. `None` for anything else, times without a zone
/// included. The last day of the year 9999, with which clients say "for ever", is the last instant that can be held.
pub fn parse_instant(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() > TEXT_BYTES_MAX || !looks_like_date(bytes) {
        return None;
    }
    // Only these characters: the parser behind would also take zone names in brackets and blanks.
    if !bytes.iter().all(|byte| byte.is_ascii_digit() || b"-:.TtZz+".contains(byte)) {
        return None;
    }
    let text = match bytes.len() {
        10 => format!("{text}T00:00:00Z"),
        _ => cut_fraction(text),
    };
    let instant = text.parse().ok().or_else(|| for_ever(&text))?;
    let micros = i64::try_from(instant.as_nanosecond().div_euclid(1_000)).ok()?;
    (micros >= FIRST_INSTANT).then_some(micros)
}

/// Whether text begins as a date does: `2026-05-02`.
pub(crate) fn looks_like_date(text: &[u8]) -> bool {
    text.len() >= 10
        && text[..10].iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// The library ends some hours before the calendar, so that every offset leads to a year of four digits. 9998 has the days of
/// 9999: what would be an instant then is one beyond the end.
fn for_ever(text: &str) -> Option<jiff::Timestamp> {
    let year_before = format!("9998{}", text.strip_prefix("9999")?);
    let _: jiff::Timestamp = year_before.parse().ok()?;
    // Without the fraction, which counting in microseconds does not reach.
    jiff::Timestamp::from_second(jiff::Timestamp::MAX.as_second()).ok()
}

fn cut_fraction(text: &str) -> String {
    let Some((head, tail)) = text.split_once('.') else { return text.to_owned() };
    let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, zone) = tail.split_at(digits);
    format!("{head}.{}{zone}", &fraction[..digits.min(FRACTION_DIGITS_MAX)])
}

/// RFC 3339 in UTC, with as much of the fraction as there is.
pub fn print_instant(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

/// Microseconds of a duration such as `PT1H30M`, `-P2DT0.5S`. Months and years, which have no length, give
/// `None`.
pub fn parse_duration(text: &str) -> Option<i64> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (text.strip_prefix('P')?, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let mut micros: i64 = 0;
    for (mut part, units) in
        [(days, &[('D', 86_400_i64)][..]), (time, &[('H', 3_600), ('M', 60), ('S', 1)][..])]
    {
        for (unit, seconds) in units {
            let Some((number, rest)) = part.split_once(*unit) else { continue };
            let (whole, fraction) = match number.split_once('.') {
                Some((whole, fraction)) if *unit == 'S' => (whole, Some(fraction)),
                Some(_) => return None,
                None => (number, None),
            };
            micros = micros.checked_add(digits(whole)?.checked_mul(*seconds)?.checked_mul(1_000_000)?)?;
            if let Some(fraction) = fraction {
                digits(fraction)?;
                micros = micros.checked_add(format!("{fraction:0<6}")[..6].parse().ok()?)?;
            }
            part = rest;
        }
        if !part.is_empty() {
            return None;
        }
    }
    Some(sign * micros)
}

fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A duration in seconds, as [`parse_duration`] reads it.
pub fn print_duration(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    match (micros / 1_000_000, micros % 1_000_000) {
        (seconds, 0) => format!("{sign}PT{seconds}S"),
        (seconds, fraction) => format!("{sign}PT{seconds}.{fraction:06}S"),
    }
}

/// A GUID of 32 digits and four dashes; `None` for the other forms that GUIDs are written in.
pub fn parse_guid(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        for (text, printed) in [
            ("2026-05-01T00:00:00Z", Some("2026-05-01T00:00:00Z")),
            ("2026-05-01T00:00:00z", Some("2026-05-01T00:00:00Z")),
            ("2026-05-01T02:00:00.1234567+02:00", Some("2026-05-01T00:00:00.123456Z")),
            ("2026-05-01T00:00:00.12345678901234Z", Some("2026-05-01T00:00:00.123456Z")),
            ("2026-05-01T00:00Z", Some("2026-05-01T00:00:00Z")),
            ("2026-05-01", Some("2026-05-01T00:00:00Z")),
            ("1969-12-31T23:59:59.9999999Z", Some("1969-12-31T23:59:59.999999Z")),
            ("9999-12-30T21:59:59Z", Some("9999-12-30T21:59:59Z")),
            ("9999-12-31T23:59:59.9999999Z", Some("9999-12-30T22:00:00Z")),
            ("9999-12-31", Some("9999-12-30T22:00:00Z")),
            ("9999-12-32", None),
            ("9999-99-99T00:00:00Z", None),
            ("2026-05-01T00:00:00", None),
            ("2026-05-01 00:00:00Z", None),
            ("2026-05-01T00:00:00Z[UTC]", None),
            ("2026-02-30", None),
            ("0000-01-01", None),
            ("20260501T000000Z", None),
            ("", None),
        ] {
            assert_eq!(parse_instant(text).map(print_instant).as_deref(), printed, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, printed) in [
            ("PT1H30M", Some("PT5400S")),
            ("-P2DT0.5S", Some("-PT172800.500000S")),
            ("P1D", Some("PT86400S")),
            ("PT0.1234567S", Some("PT0.123456S")),
            ("P", None),
            ("PT", None),
            ("P1M", None),
            ("P1Y", None),
            ("PT1.5H", None),
            ("PT1S1H", None),
            ("PTS", None),
            ("PT-1S", None),
            ("P99999999999999999D", None),
            ("PT1.äS", None),
        ] {
            assert_eq!(parse_duration(text).map(print_duration).as_deref(), printed, "{text}");
        }
    }

    #[test]
    fn guids_have_dashes() {
        assert!(parse_guid("f8cdef31-a31e-4b4a-93e4-5f571e91255a").is_some());
        for text in ["f8cdef31a31e4b4a93e45f571e91255a", "{f8cdef31-a31e-4b4a-93e4-5f571e91255}", "x", ""] {
            assert!(parse_guid(text).is_none(), "{text}");
        }
    }
}
