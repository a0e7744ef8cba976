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

/// A GUID that holds its time (RFC 9562 section 5.7): rows with such keys lie beside each other.
pub(crate) fn ordered(now: Timestamp) -> Result<Uuid> {
    Ok(Builder::from_unix_timestamp_millis(now.0.max(0) as u64 / 1_000, &random()?).into_uuid())
}
