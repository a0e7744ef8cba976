//! Writing JSON by hand into a byte buffer: ten million records leave no time for a tree of values each.

use std::fmt;
use std::net::IpAddr;

use countersign_model::time::{DAY, HOUR, SECOND};

use crate::rng::{mix, mix_all};

/// An identifier of version 4's form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Guid(pub(crate) u128);

impl Guid {
    /// The identifier that belongs to a number.
    pub(crate) const fn from_seed(seed: u64) -> Self {
        // The finaliser of SplitMix64, twice, spelled out because constants need it too.
        const fn finish(value: u64) -> u64 {
            let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            value ^ (value >> 31)
        }
        let (high, low) =
            (finish(seed ^ 0x5851_f42d_4c95_7f2d), finish(seed.wrapping_add(0x1405_7b7e_f767_814f)));
        let value = ((high as u128) << 64) | low as u128;
        // RFC 9562 sections 4.1 and 4.2: version 4, variant 10.
        Guid(value & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62))
    }

    /// Reads `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let hyphens = [8, 13, 18, 23];
        let shape =
            text.len() == 36 && text.bytes().enumerate().all(|(i, b)| (b == b'-') == hyphens.contains(&i));
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        if shape { u128::from_str_radix(&digits, 16).ok().map(Guid) } else { None }
    }

    /// A number out of all of it.
    pub(crate) fn mixed(self) -> u64 {
        mix_all(&[self.0 as u64, (self.0 >> 64) as u64])
    }

    fn text(self) -> [u8; 36] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut at = 0;
        for byte in self.0.to_be_bytes() {
            if matches!(at, 8 | 13 | 18 | 23) {
                at += 1;
            }
            text[at] = DIGITS[usize::from(byte >> 4)];
            text[at + 1] = DIGITS[usize::from(byte & 15)];
            at += 2;
        }
        text
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

/// Year, month and day of a day number since 1970-01-01.
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
pub(crate) fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let day_of_era = day.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted_month + 2) / 5 + 1)
}

/// One line under construction.
pub(crate) struct Json<'a>(pub(crate) &'a mut Vec<u8>);

impl Json<'_> {
    /// Text that is JSON already.
    pub(crate) fn raw(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// A string with its quotes.
    pub(crate) fn string(&mut self, text: &str) -> &mut Self {
        self.raw("\"").escaped(text).raw("\"")
    }

    /// A part of a string.
    pub(crate) fn escaped(&mut self, text: &str) -> &mut Self {
        let bytes = text.as_bytes();
        let mut start = 0;
        for (at, byte) in bytes.iter().enumerate() {
            let escape: &[u8] = match byte {
                b'"' => b"\\\"",
                b'\\' => b"\\\\",
                b'\n' => b"\\n",
                b'\r' => b"\\r",
                b'\t' => b"\\t",
                0..=0x1f => b"\\u0000",
                _ => continue,
            };
            self.0.extend_from_slice(&bytes[start..at]);
            self.0.extend_from_slice(escape);
            if escape.len() == 6 {
                let digits = self.0.len() - 2;
                self.0[digits] = b'0' + (byte >> 4);
                self.0[digits + 1] = b"0123456789abcdef"[usize::from(byte & 15)];
            }
            start = at + 1;
        }
        self.0.extend_from_slice(&bytes[start..]);
        self
    }

    /// A string, or null.
    pub(crate) fn string_or_null(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.string(text),
            None => self.raw("null"),
        }
    }

    /// An identifier with its quotes.
    pub(crate) fn guid(&mut self, guid: Guid) -> &mut Self {
        self.0.push(b'"');
        self.0.extend_from_slice(&guid.text());
        self.0.push(b'"');
        self
    }

    /// A whole number.
    pub(crate) fn number(&mut self, mut number: u64) -> &mut Self {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.0.extend_from_slice(&digits[at..]);
        self
    }

    /// An address with its quotes.
    pub(crate) fn address(&mut self, ip: IpAddr) -> &mut Self {
        match ip {
            IpAddr::V4(ip) => {
                let [a, b, c, d] = ip.octets();
                self.raw("\"").number(a.into()).raw(".").number(b.into()).raw(".").number(c.into());
                self.raw(".").number(d.into()).raw("\"")
            }
            IpAddr::V6(ip) => self.string(&ip.to_string()),
        }
    }

    /// A time with 7 fractional digits, as Entra writes it; `tick` is the 7th.
    pub(crate) fn time(&mut self, micros: i64, tick: u64, zone: &str) -> &mut Self {
        let (year, month, day) = civil(micros.div_euclid(DAY));
        let second = micros.rem_euclid(DAY) / SECOND;
        let fraction = micros.rem_euclid(SECOND) as u64 * 10 + tick % 10;
        let mut text = *b"\"0000-00-00T00:00:00.0000000";
        put(&mut text[1..5], year as u64);
        put(&mut text[6..8], month as u64);
        put(&mut text[9..11], day as u64);
        put(&mut text[12..14], (second * SECOND / HOUR) as u64);
        put(&mut text[15..17], (second / 60 % 60) as u64);
        put(&mut text[18..20], (second % 60) as u64);
        put(&mut text[21..28], fraction);
        self.0.extend_from_slice(&text);
        self.raw(zone).raw("\"")
    }

    /// 16 bytes as base64url without padding, with quotes: the form of `uti`.
    pub(crate) fn token(&mut self, seed: u64) -> &mut Self {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let bits = (u128::from(mix(seed ^ 0x7475)) << 64) | u128::from(mix(seed ^ 0x6964));
        let mut text = [0; 22];
        for (at, digit) in text.iter_mut().enumerate() {
            // 22 digits hold 132 bits: the last one has 2 bits of the token and 4 zeros.
            let value = if at == 21 { (bits & 3) << 4 } else { bits >> (122 - 6 * at) & 63 };
            *digit = DIGITS[value as usize];
        }
        self.0.push(b'"');
        self.0.extend_from_slice(&text);
        self.0.push(b'"');
        self
    }

    /// An identifier in the middle of a string.
    pub(crate) fn bare_guid(&mut self, guid: Guid) -> &mut Self {
        self.0.extend_from_slice(&guid.text());
        self
    }
}

fn put(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Json<'_>)) -> String {
        let mut bytes = Vec::new();
        write(&mut Json(&mut bytes));
        String::from_utf8(bytes).expect("JSON is UTF-8")
    }

    #[test]
    fn strings_survive_a_parser() {
        let text = "a \"quoted\" \\ path\n\u{1}\u{1f} – é";
        let parsed: String =
            serde_json::from_str(&written(|json| _ = json.string(text))).expect("valid JSON");
        assert_eq!(parsed, text);
    }

    #[test]
    fn times_have_seven_digits() {
        let text = written(|json| _ = json.time(1_777_727_211_045_137, 9, "+00:00"));
        assert_eq!(text, "\"2026-05-02T13:06:51.0451379+00:00\"");
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
    }

    #[test]
    fn guids_round_trip() {
        let guid = Guid::from_seed(5);
        assert_eq!(Guid::parse(&guid.to_string()), Some(guid));
        assert_eq!(guid.to_string().as_bytes()[14], b'4');
        assert_eq!(Guid::parse("k1"), None);
    }

    #[test]
    fn tokens_are_22_digits_and_differ() {
        let token = |seed| written(|json| _ = json.token(seed));
        assert_eq!(token(1).len(), 24);
        assert_ne!(token(1), token(2));
    }

    #[test]
    fn numbers_and_addresses() {
        assert_eq!(written(|json| _ = json.number(0).raw(",").number(u64::MAX)), "0,18446744073709551615");
        assert_eq!(
            written(|json| _ = json.address("203.0.113.9".parse().expect("address"))),
            "\"203.0.113.9\""
        );
    }
}
