//! Fresh identifiers and random bytes.

use anyhow::{Result, anyhow};
use aws_lc_rs::rand;
use countersign_model::time::Timestamp;
use uuid::{Builder, Uuid};

/// Bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| anyhow!("the system has no random bytes"))?;
    Ok(bytes)
}

/// Bytes in lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A random GUID.
pub(crate) fn guid() -> Result<String> {
    Ok(Builder::from_random_bytes(random()?).into_uuid().to_string())
}

/// A GUID that holds its time (RFC 9562 section 5.7): rows with such keys lie beside each other. Microseconds are in the
/// twelve bits behind the milliseconds (section 6.2, method 3), and [`time_of`] reads them back.
pub(crate) fn ordered(now: Timestamp) -> Result<Uuid> {
    let micros = now.0.max(0) as u64;
    let fraction = (((micros % 1_000) << 12) / 1_000) as u16;
    let mut bytes: [u8; 10] = random()?;
    bytes[0] = (bytes[0] & 0xf0) | (fraction >> 8) as u8;
    bytes[1] = fraction as u8;
    Ok(Builder::from_unix_timestamp_millis(micros / 1_000, &bytes).into_uuid())
}

/// The time that a GUID of [`ordered`] holds, to the microsecond; `None` for a GUID of another version.
pub(crate) fn time_of(id: &Uuid) -> Option<Timestamp> {
    if id.get_version_num() != 7 {
        return None;
    }
    let bytes = id.as_bytes();
    let millis = bytes[..6].iter().fold(0_i64, |all, byte| (all << 8) | i64::from(*byte));
    let fraction = (i64::from(bytes[6] & 0x0f) << 8) | i64::from(bytes[7]);
    // Rounded up: the fraction was rounded down.
    Some(Timestamp(millis * 1_000 + (fraction * 1_000 + 4_095) / 4_096))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_gives_back_its_microsecond() {
        for micros in [0, 1, 999, 1_000, 1_779_999_999_999_999, 1_780_000_000_000_001, 1_780_000_000_123_457]
        {
            let id = ordered(Timestamp(micros)).unwrap();
            assert_eq!(time_of(&id), Some(Timestamp(micros)));
            assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
        }
        for micros in 1_780_000_000_000_000..1_780_000_000_001_000 {
            assert_eq!(time_of(&ordered(Timestamp(micros)).unwrap()), Some(Timestamp(micros)));
        }
        assert!(time_of(&Uuid::nil()).is_none());
    }

    #[test]
    fn later_guids_are_greater() {
        let at = |micros| ordered(Timestamp(micros)).unwrap();
        assert!(at(1_780_000_000_000_001) < at(1_780_000_000_000_002));
        assert!(at(1_780_000_000_000_999) < at(1_780_000_000_001_000));
    }
}
