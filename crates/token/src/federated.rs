//! Workload identity federation: the token of a foreign issuer stands for a secret.

use countersign_model::client::{Client, FederatedCredential};
use countersign_model::time::Timestamp;
use serde_json::Value;

use crate::assertion::{LEEWAY, malformed};
use crate::jwt::{Claims, JwtError, PublicKey, Unverified, Verified, is_current};
use crate::refusal::{KeyFault, Refusal};

/// Largest JWK set that is read, in bytes.
pub const JWKS_BYTES_MAX: usize = 256 << 10;
/// Most keys of a set.
pub const JWKS_KEYS_MAX: usize = 64;

/// Why a JWK set cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// More than [`JWKS_BYTES_MAX`].
    #[error("the key set is larger than {JWKS_BYTES_MAX} bytes")]
    TooLarge,
    /// More than [`JWKS_KEYS_MAX`].
    #[error("the key set has more than {JWKS_KEYS_MAX} keys")]
    TooMany,
    /// Not a JSON object with an array `keys`.
    #[error("the key set is not a JSON object with `keys`")]
    Form,
}

/// A key of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    /// `kid`.
    pub kid: Option<String>,
    /// `alg`: if given, the only algorithm of the key (RFC 7517 section 4.4).
    pub alg: Option<String>,
    /// The key.
    pub key: PublicKey,
}

/// The keys of a foreign issuer (RFC 7517).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jwks {
    keys: Vec<Jwk>,
}

impl Jwks {
    /// Reads a set. Keys of an unknown type or for another use are left out, as RFC 7517 section 5 wants.
    pub fn parse(bytes: &[u8]) -> Result<Jwks, JwksError> {
        if bytes.len() > JWKS_BYTES_MAX {
            return Err(JwksError::TooLarge);
        }
        let set: Value = serde_json::from_slice(bytes).map_err(|_| JwksError::Form)?;
        let keys = set["keys"].as_array().ok_or(JwksError::Form)?;
        if keys.len() > JWKS_KEYS_MAX {
            return Err(JwksError::TooMany);
        }
        let keys = keys.iter().filter(|jwk| jwk["use"].as_str().is_none_or(|purpose| purpose == "sig"));
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let read = |jwk: &Value| {
            Some(Jwk { kid: text(&jwk["kid"]), alg: text(&jwk["alg"]), key: PublicKey::from_jwk(jwk).ok()? })
        };
        Ok(Jwks { keys: keys.filter_map(read).collect() })
    }

    /// The keys that can be used.
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// Whether a key has that id; if not, the set may be out of date.
    pub fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|jwk| jwk.kid.as_deref() == Some(kid))
    }

    /// Checks a token's signature, and only that. [`JwtError::Key`] if no key can be meant.
    pub fn verify(&self, unverified: Unverified<'_>) -> Result<Verified, JwtError> {
        self.check(&unverified)?;
        Ok(unverified.into_verified())
    }

    /// Checks a token's signature with the keys that its `kid` does not rule out.
    pub(crate) fn check(&self, unverified: &Unverified<'_>) -> Result<(), JwtError> {
        let header = unverified.header();
        let keys = self.keys.iter().filter(|jwk| {
            jwk.alg.as_ref().is_none_or(|alg| *alg == header.alg)
                && (header.kid.is_none() || jwk.kid.is_none() || jwk.kid == header.kid)
        });
        unverified.check_any(keys.map(|jwk| &jwk.key))
    }
}

/// Finishes [`crate::assertion::Authentication::NeedsIssuerKeys`]: signature by one of the issuer's keys, time within
/// five minutes, and one federated credential with exactly that issuer, subject and audience.
pub fn verify<'c>(
    unverified: &Unverified<'_>,
    client: &'c Client,
    jwks: &Jwks,
    now: Timestamp,
) -> Result<&'c FederatedCredential, Refusal> {
    jwks.check(unverified).map_err(|error| {
        let kid = unverified.header().kid.as_deref().unwrap_or("");
        match error {
            JwtError::Algorithm(_) => malformed(&error),
            JwtError::Key => Refusal::assertion_key(KeyFault::NotFound, kid, &client.app_id),
            _ => Refusal::assertion_key(KeyFault::BadSignature, kid, &client.app_id),
        }
    })?;
    check_time(unverified.claimed(), now)?;
    matching(unverified.claimed(), client)
}

pub(crate) fn check_time(claims: &Claims, now: Timestamp) -> Result<(), Refusal> {
    if is_current(claims, now, LEEWAY) {
        return Ok(());
    }
    Err(Refusal::assertion_time(now, claims.nbf.or(claims.iat), claims.exp))
}

/// The federated credential of these claims. Which part is the first to match none decides the refusal; issuer before
/// subject before audience.
pub(crate) fn matching<'c>(claims: &Claims, client: &'c Client) -> Result<&'c FederatedCredential, Refusal> {
    let issuer = claims.iss.as_deref().unwrap_or("");
    let subject = claims.sub.as_deref().unwrap_or("");
    // A token for several audiences was not made for this one alone.
    let audience = if let [audience] = claims.aud.as_slice() { audience.as_str() } else { "" };
    if client.federated.is_empty() {
        return Err(Refusal::no_federated_credential(issuer, subject, &claims.aud.join(" ")));
    }
    let mut refusal = Refusal::federated_issuer(issuer);
    let mut of_issuer = client.federated.iter().filter(|credential| credential.issuer == issuer).peekable();
    if of_issuer.peek().is_some() {
        refusal = Refusal::federated_subject(subject);
    }
    let has_subject =
        |credential: &&FederatedCredential| credential.subject.as_deref().is_some_and(|own| own == subject);
    for credential in of_issuer.filter(has_subject) {
        if credential.audience == audience && !audience.is_empty() {
            return Ok(credential);
        }
        refusal = Refusal::federated_audience(&claims.aud.join(" "));
    }
    Err(refusal)
}
