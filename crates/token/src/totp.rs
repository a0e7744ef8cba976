//! Time-based one-time passwords (RFC 6238) as authenticator apps make them: SHA-1, 30 s, 6 digits.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use countersign_model::time::{SECOND, Timestamp};

/// How long a code holds, in seconds.
pub const STEP_SECONDS: i64 = 30;
/// Digits of a code.
pub const DIGITS: usize = 6;
/// Steps to either side that are taken as well: RFC 6238 section 5.2 allows one for the network.
const STEPS_AROUND: i64 = 1;

/// The step that holds at `now`.
pub fn step(now: Timestamp) -> i64 {
    now.0.div_euclid(STEP_SECONDS * SECOND)
}

/// The code of a step: [`DIGITS`] digits. `secret` is the shared secret as bytes, not in base32.
pub fn code(secret: &[u8], step: i64) -> String {
    let tag = sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret), &step.to_be_bytes());
    // RFC 4226 section 5.3.
    let tag = tag.as_ref();
    let offset = usize::from(tag[tag.len() - 1] & 0xf);
    let word = u32::from_be_bytes([tag[offset] & 0x7f, tag[offset + 1], tag[offset + 2], tag[offset + 3]]);
    format!("{:06}", word % 1_000_000)
}

/// The step whose code this is, if it is one now. A code may be used once (RFC 6238 section 5.2): keep the step and
/// pass it as `last_step` the next time, for only later ones are taken.
pub fn verify(secret: &[u8], presented: &str, last_step: Option<i64>, now: Timestamp) -> Option<i64> {
    let presented = presented.trim();
    let mut matched = None;
    // All steps are compared, so that the time taken tells nothing about the clock.
    for step in step(now) - STEPS_AROUND..=step(now) + STEPS_AROUND {
        let equal = verify_slices_are_equal(code(secret, step).as_bytes(), presented.as_bytes()).is_ok();
        if equal && last_step.is_none_or(|last| step > last) && matched.is_none() {
            matched = Some(step);
        }
    }
    matched
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B, the last six of its eight digits.
    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn the_examples_of_the_standard_hold() {
        for (seconds, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let now = Timestamp(seconds * SECOND);
            assert_eq!(code(SECRET, step(now)), expected);
            assert_eq!(verify(SECRET, expected, None, now), Some(step(now)));
        }
    }

    #[test]
    fn a_code_holds_one_step_around_and_once() {
        let now = Timestamp(1_234_567_890 * SECOND);
        for (off, holds) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let then = step(now) + off;
            assert_eq!(verify(SECRET, &code(SECRET, then), None, now), holds.then_some(then), "{off}");
        }
        assert_eq!(verify(SECRET, "005924", Some(step(now)), now), None);
        assert_eq!(verify(SECRET, "005924", Some(step(now) - 1), now), Some(step(now)));
        for wrong in ["", "5924", "0059240", "005925", "００５９２４"] {
            assert_eq!(verify(SECRET, wrong, None, now), None);
        }
    }
}
