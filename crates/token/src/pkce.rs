//! Proof Key for Code Exchange (RFC 7636), S256 only: `plain` would show the verifier to whoever sees the request.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;

use crate::jwt::BASE64URL;

/// Whether a `code_challenge` is 32 bytes in base64url.
pub fn is_challenge(challenge: &str) -> bool {
    challenge.len() <= 44 && BASE64URL.decode(challenge).is_ok_and(|bytes| bytes.len() == 32)
}

/// Whether the verifier made the challenge. Verifiers have 43 to 128 unreserved characters (section 4.1).
pub fn verify_s256(challenge: &str, verifier: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) || !is_challenge(challenge)
    {
        return false;
    }
    let made = BASE64URL.encode(digest(&SHA256, verifier.as_bytes()));
    verify_slices_are_equal(made.as_bytes(), challenge.trim_end_matches('=').as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_standard_holds() {
        assert!(verify_s256(CHALLENGE, VERIFIER));
        assert!(verify_s256(&format!("{CHALLENGE}="), VERIFIER));
    }

    #[test]
    fn anything_else_does_not() {
        for (challenge, verifier) in [
            (CHALLENGE, &VERIFIER[1..]),
            (&CHALLENGE[1..], VERIFIER),
            ("", VERIFIER),
            (CHALLENGE, ""),
            (CHALLENGE, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"),
            // `plain`.
            (VERIFIER, VERIFIER),
        ] {
            assert!(!verify_s256(challenge, verifier), "{challenge} {verifier}");
        }
    }
}
