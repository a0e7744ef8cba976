//! Time stamps in all the spellings that logs use.

use countersign_model::time::{SECOND, Timestamp};

/// Years outside this range are no event times: `0001-01-01` is .NET's "none", and no log reaches 2100.
const YEARS: std::ops::RangeInclusive<i64> = 2000..=2099;

/// Reads a time stamp; UTC when it names no zone. `None` for text that is no time, or whose year is outside
/// 2000 to 2099.
///
/// Forms: RFC 3339 with 0 to 9 decimals, `T` or blank, `Z`, an offset or no zone, one-digit hours, a stray
/// `)` behind; US order with 12 or 24 hours (`5/2/2026 1:06:52 PM`, `01/09/2007 09:41:00 +01:00`);
/// `/Date(1728364117000)/`; Unix seconds.
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let mut cursor = Cursor { bytes, at: 0 };
    let micros = match bytes {
        [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', ..] => cursor.iso()?,
        [b'/' | b'\\', ..] => cursor.dotnet()?,
        [b'0'..=b'9', ..] if text.len() <= 5 || memchr::memchr(b'/', bytes.get(..3)?).is_some() => {
            cursor.us()?
        }
        [b'0'..=b'9', ..] if bytes.iter().all(u8::is_ascii_digit) && bytes.len() <= 11 => {
            text.parse::<i64>().ok()?.checked_mul(SECOND)?
        }
        _ => return None,
    };
    let year_of = |micros: i64| 1970 + micros.div_euclid(31_556_952 * SECOND);
    YEARS.contains(&year_of(micros)).then_some(Timestamp(micros))
}

struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// One to `most` digits.
    fn number(&mut self, most: usize) -> Option<i64> {
        let start = self.at;
        let mut value = 0;
        while self.at - start < most
            && let Some(digit @ b'0'..=b'9') = self.peek()
        {
            value = value * 10 + i64::from(digit - b'0');
            self.at += 1;
        }
        (self.at > start).then_some(value)
    }

    fn iso(&mut self) -> Option<i64> {
        let year = self.number(4)?;
        let month = self.eat(b'-').then(|| self.number(2))??;
        let day = self.eat(b'-').then(|| self.number(2))??;
        if !(self.eat(b'T') || self.eat(b't') || self.eat(b' ')) {
            return self.peek().is_none().then(|| civil(year, month, day, 0)).flatten();
        }
        let seconds = self.clock()?;
        let micros = self.fraction()?;
        let offset = self.zone()?;
        Some(civil(year, month, day, seconds - offset)? + micros)
    }

    /// `1:06:52 PM` or `09:41:00`, then perhaps an offset.
    fn us(&mut self) -> Option<i64> {
        let month = self.number(2)?;
        let day = self.eat(b'/').then(|| self.number(2))??;
        let year = self.eat(b'/').then(|| self.number(4))??;
        if !self.eat(b' ') {
            return None;
        }
        let mut seconds = self.clock()?;
        let _ = self.eat(b' ');
        if let Some(half @ (b'A' | b'P' | b'a' | b'p')) = self.peek() {
            self.at += 2;
            let hour = seconds / 3600;
            if !(1..=12).contains(&hour) {
                return None;
            }
            seconds += (hour % 12 - hour) * 3600;
            if half.eq_ignore_ascii_case(&b'P') {
                seconds += 12 * 3600;
            }
            let _ = self.eat(b' ');
        }
        let offset = self.zone()?;
        civil(year, month, day, seconds - offset)
    }

    /// `/Date(1728364117000)/`, as PowerShell writes it; milliseconds.
    fn dotnet(&mut self) -> Option<i64> {
        let text = std::str::from_utf8(self.bytes).ok()?;
        let (_, rest) = text.split_once("Date(")?;
        let (millis, _) = rest.split_once(')')?;
        millis.parse::<i64>().ok()?.checked_mul(1000)
    }

    /// Seconds of the day.
    fn clock(&mut self) -> Option<i64> {
        let hour = self.number(2)?;
        let minute = self.eat(b':').then(|| self.number(2))??;
        let second = if self.eat(b':') { self.number(2)? } else { 0 };
        (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
    }

    /// Microseconds behind the decimal point; finer digits are cut off.
    fn fraction(&mut self) -> Option<i64> {
        if !(self.eat(b'.') || self.eat(b',')) {
            return Some(0);
        }
        let start = self.at;
        let micros = self.number(6)?;
        let scale = 10_i64.pow(6 - (self.at - start) as u32);
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Some(micros * scale)
    }

    /// Seconds east of UTC; none named is UTC. Nothing but a stray `)` may follow.
    fn zone(&mut self) -> Option<i64> {
        let offset = match self.peek() {
            Some(b'Z' | b'z') => {
                self.at += 1;
                0
            }
            Some(sign @ (b'+' | b'-')) => {
                self.at += 1;
                let hours = self.number(2)?;
                let _ = self.eat(b':');
                let minutes = self.number(2).unwrap_or(0);
                let seconds = hours * 3600 + minutes * 60;
                if sign == b'-' { -seconds } else { seconds }
            }
            _ => 0,
        };
        let _ = self.eat(b')');
        self.peek().is_none().then_some(offset)
    }
}

/// Microseconds since 1970 of a proleptic Gregorian date and seconds of the day.
fn civil(year: i64, month: i64, day: i64, seconds: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days are counted in years that begin on 1 March, so that the leap day comes last.
    let shifted_year = year - i64::from(month <= 2);
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some((days * 86_400 + seconds) * SECOND)
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn check(text: &str, expected: &str) {
        let parsed = parse(text).map(|time| time.to_string());
        assert_eq!(parsed.as_deref(), Some(expected), "{text}");
    }

    #[test]
    fn reads_every_spelling_seen_in_logs() {
        check("2022-02-08T06:22:28.3518405Z", "2022-02-08T06:22:28.351840Z");
        check("2022-02-08T06:22:28.3518405+00:00", "2022-02-08T06:22:28.351840Z");
        check("2022-02-08T06:22:28.35Z", "2022-02-08T06:22:28.350000Z");
        check("2022-02-08T06:22:28.351840512Z", "2022-02-08T06:22:28.351840Z");
        check("2023-07-26 23:00:20.889", "2023-07-26T23:00:20.889000Z");
        check("2023-10-26T5:32:08.107Z", "2023-10-26T05:32:08.107000Z");
        check("2023-10-26T05:32:08.107Z)", "2023-10-26T05:32:08.107000Z");
        check("2023-10-26T05:32:08-05:00", "2023-10-26T10:32:08.000000Z");
        check("2020-05-20T17:05:35.809000", "2020-05-20T17:05:35.809000Z");
        check("8/22/2022 6:07:16 PM", "2022-08-22T18:07:16.000000Z");
        check("5/7/2026 12:00:39 AM", "2026-05-07T00:00:39.000000Z");
        check("01/09/2007 09:41:00", "2007-01-09T09:41:00.000000Z");
        check("1/9/2007 10:41:00 AM +01:00", "2007-01-09T09:41:00.000000Z");
        check(r"\/Date(1728364117000)\/", "2024-10-08T05:08:37.000000Z");
        check("1739874011", "2025-02-18T10:20:11.000000Z");
        check("2024-02-29", "2024-02-29T00:00:00.000000Z");
    }

    #[test]
    fn refuses_what_is_no_time_of_an_event() {
        for text in ["", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "yesterday", "2022-13-01T00:00:00Z"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
