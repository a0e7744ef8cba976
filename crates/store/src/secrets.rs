//! What must not lie about in the clear: client secrets as keyed hashes, private keys wrapped.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::{constant_time, hmac, rand};
use zeroize::Zeroizing;

use crate::StoreError;

/// Bytes of the master key.
pub const MASTER_KEY_BYTES: usize = 32;
/// Bytes of the nonce in front of what is wrapped.
const NONCE_BYTES: usize = 12;

/// The one key from which all others are derived. It lives beside the data, never in the database.
pub struct MasterKey {
    hash: hmac::Key,
    wrap: RandomizedNonceKey,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

struct Bytes32;
impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        MASTER_KEY_BYTES
    }
}

impl MasterKey {
    /// Fresh key material for a new data folder.
    pub fn generate() -> Result<Zeroizing<[u8; MASTER_KEY_BYTES]>, StoreError> {
        let mut bytes = Zeroizing::new([0; MASTER_KEY_BYTES]);
        rand::fill(&mut *bytes).map_err(|_| StoreError::Random)?;
        Ok(bytes)
    }

    /// Derives the working keys.
    pub fn new(material: &[u8; MASTER_KEY_BYTES]) -> Result<Self, StoreError> {
        let root = Salt::new(HKDF_SHA256, b"countersign master key").extract(material);
        let derive = |purpose: &[u8]| -> Result<Zeroizing<[u8; MASTER_KEY_BYTES]>, StoreError> {
            let mut bytes = Zeroizing::new([0; MASTER_KEY_BYTES]);
            root.expand(&[purpose], Bytes32)
                .and_then(|okm| okm.fill(&mut *bytes))
                .map_err(|_| StoreError::Random)?;
            Ok(bytes)
        };
        Ok(Self {
            hash: hmac::Key::new(hmac::HMAC_SHA256, &*derive(b"client secrets")?),
            wrap: RandomizedNonceKey::new(&AES_256_GCM, &*derive(b"private keys")?)
                .map_err(|_| StoreError::Random)?,
        })
    }

    /// The keyed hash under which a secret is kept. Secrets are random, so a fast hash is enough; the key makes a stolen
    /// database useless for testing guesses.
    pub fn hash(&self, secret: &[u8]) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&self.hash, secret).as_ref());
        hash
    }

    /// Encrypts `plain`; `name` must be given again to decrypt it, so that wrapped values cannot be exchanged.
    pub fn wrap(&self, name: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut sealed = plain.to_vec();
        let nonce = self
            .wrap
            .seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut sealed)
            .map_err(|_| StoreError::Random)?;
        let mut wrapped = nonce.as_ref().to_vec();
        wrapped.append(&mut sealed);
        Ok(wrapped)
    }

    /// Decrypts what [`MasterKey::wrap`] made.
    pub fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let wrong = || StoreError::WrongMasterKey(name.to_owned());
        let (nonce, sealed) = wrapped.split_at_checked(NONCE_BYTES).ok_or_else(wrong)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong())?;
        let mut plain = Zeroizing::new(sealed.to_vec());
        let length = self
            .wrap
            .open_in_place(nonce, Aad::from(name.as_bytes()), &mut plain)
            .map_err(|_| wrong())?
            .len();
        plain.truncate(length);
        Ok(plain)
    }
}

/// Whether two hashes are equal, in a time that does not depend on where they differ.
pub fn is_equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrapped_comes_back_only_under_its_name_and_key() {
        let (one, other) = (MasterKey::new(&[1; 32]).unwrap(), MasterKey::new(&[2; 32]).unwrap());
        let wrapped = one.wrap("signing key a", b"private").unwrap();
        assert_eq!(**one.unwrap("signing key a", &wrapped).unwrap(), *b"private");
        for wrong in [one.unwrap("signing key b", &wrapped), other.unwrap("signing key a", &wrapped)] {
            assert!(matches!(wrong, Err(StoreError::WrongMasterKey(_))));
        }
        for length in 0..wrapped.len() {
            assert!(one.unwrap("signing key a", &wrapped[..length]).is_err(), "{length}");
        }
        assert!(!wrapped.windows(7).any(|window| window == b"private"));
    }

    #[test]
    fn hashes_depend_on_the_key() {
        let (one, other) = (MasterKey::new(&[1; 32]).unwrap(), MasterKey::new(&[2; 32]).unwrap());
        assert_eq!(one.hash(b"secret"), one.hash(b"secret"));
        assert_ne!(one.hash(b"secret"), other.hash(b"secret"));
        assert!(is_equal(b"same", b"same") && !is_equal(b"same", b"sane") && !is_equal(b"same", b"sam"));
    }
}
