//! Passwords of people: argon2id, behind a bound, since each check costs 19 MiB and tens of milliseconds.

use anyhow::{Result, anyhow};
use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use tokio::sync::Semaphore;

use super::ids;

/// Checks at the same time; more would take the cores from everything else.
const CHECKS_MAX: usize = 2;
/// Letters that are not taken for one another.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789A";
/// Letters of a generated password: 120 bits.
const LENGTH: usize = 24;

/// A password for a person who has none yet.
pub(crate) fn generate() -> Result<String> {
    let letters = ids::random::<LENGTH>()?;
    Ok(letters.iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)])).collect())
}

/// The hash that is kept, in the PHC string format.
pub(crate) fn hash(password: &str) -> Result<String> {
    let salt = ids::random::<16>()?;
    Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|error| anyhow!("cannot hash a password: {error}"))
}

/// Checks passwords, a few at a time.
pub(crate) struct Passwords {
    checks: Semaphore,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self { checks: Semaphore::new(CHECKS_MAX) }
    }

    /// Whether a password is the one of a hash. Without a hash the same work is done, so that nobody learns who exists.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> bool {
        let Ok(_permit) = self.checks.acquire().await else { return false };
        let check = tokio::task::spawn_blocking(move || {
            if let Some(hash) = hash {
                PasswordHash::new(&hash)
                    .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
            } else {
                let _ = self::hash(&password);
                false
            }
        });
        check.await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_passes() {
        let password = generate().unwrap();
        let hash = hash(&password).unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        let passwords = Passwords::new();
        assert!(passwords.verify(password.clone(), Some(hash.clone())).await);
        assert!(!passwords.verify(password.to_uppercase(), Some(hash)).await);
        assert!(!passwords.verify(password, None).await);
    }
}
