//! The server's own keys: making, publishing, changing and using them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_model::time::{DAY, HOUR, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey as SubjectKey;
use zeroize::Zeroizing;

use crate::jwt::{BASE64URL, PublicKey};

/// How long a key is published before it signs, in microseconds: resource servers read the keys once a day.
pub const PUBLISHED_BEFORE: i64 = DAY;
/// How long a key stays published after its successor signs, in microseconds: tokens live up to 24 h, and an hour
/// more for clocks and caches.
pub const PUBLISHED_AFTER: i64 = 25 * HOUR;
/// Longest subject of a certificate, in characters: `ub-common-name` of RFC 5280.
pub const SUBJECT_CHARS_MAX: usize = 64;
/// Usual size of a token's claims, in bytes, so that the buffer grows seldom.
const CLAIMS_BYTES: usize = 1_024;

/// Why a key cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The random source or the library failed.
    #[error("cannot make a key")]
    Generate,
    /// No certificate could be made, such as for a subject that is too long.
    #[error("cannot make a certificate")]
    Certificate,
    /// The PKCS #8 text is no key of that algorithm, or not the certificate's.
    #[error("the private key is not the certificate's")]
    Pkcs8,
    /// The claims cannot be written as JSON.
    #[error("cannot write claims")]
    Claims(#[source] serde_json::Error),
    /// The library failed to sign.
    #[error("cannot sign")]
    Sign,
}

/// What tokens are signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSA 2,048 with PKCS #1 v1.5: what Microsoft's clients and resource servers expect.
    Rs256,
    /// P-256: 38 times as fast to make.
    Es256,
}

impl Algorithm {
    /// `alg`.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Es256 => "ES256",
        }
    }

    /// The algorithm of that `alg`.
    pub fn parse(name: &str) -> Option<Algorithm> {
        [Algorithm::Rs256, Algorithm::Es256].into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// Which header a token gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType<'a> {
    /// `typ` JWT with `kid` and `x5t`.
    V1,
    /// `typ` JWT with `kid`; also for id tokens.
    V2,
    /// Another `typ`, such as `secevent+jwt`. Its header is not kept ready.
    Other(&'a str),
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

/// A private key with its certificate.
pub struct SigningKey {
    kid: String,
    algorithm: Algorithm,
    certificate: Vec<u8>,
    x5t: String,
    pair: Pair,
    public: PublicKey,
    /// Members of the JWK that depend on the type of key.
    numbers: Vec<(&'static str, String)>,
    /// Headers in base64url with the dot behind them: writing them for each token would cost more than the claims.
    header_v1: String,
    header_v2: String,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Makes a key and its self-signed certificate with `subject` as common name. The key id is `x5t`, as Entra's
    /// are. Also returns the private key as PKCS #8 in DER, to be encrypted and kept.
    pub fn generate(
        algorithm: Algorithm,
        subject: &str,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Result<(SigningKey, Zeroizing<Vec<u8>>), KeyError> {
        let pkcs8 = Zeroizing::new(match algorithm {
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Generate)?;
                pair.as_der().map_err(|_| KeyError::Generate)?.as_ref().to_vec()
            }
            Algorithm::Es256 => {
                let document =
                    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
                document.map_err(|_| KeyError::Generate)?.as_ref().to_vec()
            }
        });
        let certificate = self_signed(algorithm, &pkcs8, subject, not_before, not_after)?;
        let kid = BASE64URL.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &certificate));
        Ok((SigningKey::from_pkcs8(kid, algorithm, certificate, &pkcs8)?, pkcs8))
    }

    /// A key as it was kept. The private key must be the certificate's.
    pub fn from_pkcs8(
        kid: impl Into<String>,
        algorithm: Algorithm,
        certificate: Vec<u8>,
        pkcs8: &[u8],
    ) -> Result<SigningKey, KeyError> {
        let kid = kid.into();
        let pair = Pair::read(algorithm, pkcs8)?;
        let public = PublicKey::from_certificate(&certificate).map_err(|_| KeyError::Pkcs8)?;
        let numbers = numbers(&certificate).ok_or(KeyError::Pkcs8)?;
        let x5t = BASE64URL.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &certificate));
        let alg = algorithm.name();
        let header_v1 = header(&json!({"typ": "JWT", "alg": alg, "kid": kid, "x5t": x5t}));
        let header_v2 = header(&json!({"typ": "JWT", "alg": alg, "kid": kid}));
        let key =
            SigningKey { kid, algorithm, certificate, x5t, pair, public, numbers, header_v1, header_v2 };
        // A token that nobody can verify is worse than no token, so the pair is tried once.
        let signature = key.sign_bytes(b"countersign")?;
        key.public.verify(alg, b"countersign", &signature).map_err(|_| KeyError::Pkcs8)?;
        Ok(key)
    }

    /// `kid`.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The certificate in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// `x5t`: SHA-1 of the certificate in base64url.
    pub fn x5t(&self) -> &str {
        &self.x5t
    }

    /// The public half, for [`crate::jwt::Unverified::verify`].
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The JWK (RFC 7517): `kty`, `use`, `kid`, `x5t`, the key's numbers, `x5c`; `alg` only for ES256, since Entra's
    /// RSA keys have none.
    pub fn jwk(&self) -> Value {
        let mut jwk = json!({
            "use": "sig",
            "kid": self.kid,
            "x5t": self.x5t,
            "x5c": [STANDARD.encode(&self.certificate)],
        });
        match self.algorithm {
            Algorithm::Rs256 => jwk["kty"] = "RSA".into(),
            Algorithm::Es256 => {
                jwk["kty"] = "EC".into();
                jwk["crv"] = "P-256".into();
                jwk["alg"] = "ES256".into();
            }
        }
        for (name, number) in &self.numbers {
            jwk[*name] = number.as_str().into();
        }
        jwk
    }

    /// Signs bytes; the form is that of JWS (RFC 7518 sections 3.3 and 3.4).
    pub fn sign_bytes(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(|_| KeyError::Sign)?;
                Ok(signature)
            }
            Pair::P256(pair) => pair
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| KeyError::Sign),
        }
    }

    /// A signed token in compact serialisation.
    pub fn sign(&self, claims: &impl Serialize, token_type: TokenType<'_>) -> Result<String, KeyError> {
        let mut json = Vec::with_capacity(CLAIMS_BYTES);
        serde_json::to_writer(&mut json, claims).map_err(KeyError::Claims)?;
        let other;
        let header = match token_type {
            TokenType::V1 => &self.header_v1,
            TokenType::V2 => &self.header_v2,
            TokenType::Other(typ) => {
                other = header(&json!({"typ": typ, "alg": self.algorithm.name(), "kid": self.kid}));
                &other
            }
        };
        // 342 characters: a signature of RSA 2,048.
        let mut token = String::with_capacity(header.len() + json.len().div_ceil(3) * 4 + 1 + 342);
        token.push_str(header);
        BASE64URL.encode_string(&json, &mut token);
        let signature = self.sign_bytes(token.as_bytes())?;
        token.push('.');
        BASE64URL.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl Pair {
    fn read(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Pair, KeyError> {
        match algorithm {
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(pkcs8).map(Pair::Rsa),
            Algorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map(Pair::P256)
            }
        }
        .map_err(|_| KeyError::Pkcs8)
    }
}

/// `{header}.` in base64url.
fn header(header: &Value) -> String {
    let mut text = BASE64URL.encode(header.to_string());
    text.push('.');
    text
}

/// The public numbers in base64url, from the certificate.
fn numbers(certificate: &[u8]) -> Option<Vec<(&'static str, String)>> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let encode = |number: &[u8]| BASE64URL.encode(number);
    match certificate.public_key().parsed().ok()? {
        SubjectKey::RSA(key) => {
            // RFC 7518 section 6.3.1.1: without the zero that DER puts in front.
            let modulus = key.modulus.strip_prefix(&[0]).unwrap_or(key.modulus);
            Some(vec![("n", encode(modulus)), ("e", encode(key.exponent))])
        }
        SubjectKey::EC(point) => {
            let (x, y) = point.data().get(1..)?.split_at_checked(32)?;
            Some(vec![("x", encode(x)), ("y", encode(y))])
        }
        _ => None,
    }
}

/// What rcgen signs a certificate with. It never sees the private key, which it would keep without wiping it.
struct CertificateSigner {
    pair: Pair,
    public: Vec<u8>,
    random: SystemRandom,
}

impl rcgen::PublicKeyData for CertificateSigner {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        match self.pair {
            Pair::Rsa(_) => &rcgen::PKCS_RSA_SHA256,
            Pair::P256(_) => &rcgen::PKCS_ECDSA_P256_SHA256,
        }
    }
}

impl rcgen::SigningKey for CertificateSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut signature)
                    .map_err(|_| rcgen::Error::RemoteKeyError)?;
                Ok(signature)
            }
            Pair::P256(pair) => pair
                .sign(&self.random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| rcgen::Error::RemoteKeyError),
        }
    }
}

fn self_signed(
    algorithm: Algorithm,
    pkcs8: &[u8],
    subject: &str,
    not_before: Timestamp,
    not_after: Timestamp,
) -> Result<Vec<u8>, KeyError> {
    if subject.is_empty() || subject.chars().count() > SUBJECT_CHARS_MAX {
        return Err(KeyError::Certificate);
    }
    let (pair, public) = match algorithm {
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError::Generate)?;
            let public = pair.public_key().as_ref().to_vec();
            (Pair::Rsa(pair), public)
        }
        Algorithm::Es256 => {
            // X.509 wants the signature in ASN.1, tokens in fixed form.
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8)
                .map_err(|_| KeyError::Generate)?;
            let public = pair.public_key().as_ref().to_vec();
            (Pair::P256(pair), public)
        }
    };
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, subject);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch(not_before);
    params.not_after = epoch + since_epoch(not_after);
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    let signer = CertificateSigner { pair, public, random: SystemRandom::new() };
    let certificate = params.self_signed(&signer).map_err(|_| KeyError::Certificate)?;
    Ok(certificate.der().as_ref().to_vec())
}

/// Whole seconds, between 1970 and 9999, the years that both sides can print.
fn since_epoch(time: Timestamp) -> Duration {
    Duration::from_secs(
        u64::try_from(time.0 / countersign_model::time::SECOND).unwrap_or(0).min(253_402_300_799),
    )
}

/// A key with its times.
#[derive(Clone, Debug)]
pub struct RingKey {
    /// The key.
    pub key: Arc<SigningKey>,
    /// It signs from then on. Until then it is only published.
    pub active_from: Timestamp,
    /// It is published until then; `None` while it has no successor.
    pub published_until: Option<Timestamp>,
}

impl RingKey {
    fn is_published(&self, now: Timestamp) -> bool {
        self.published_until.is_none_or(|until| now < until)
    }
}

/// The keys of one issuer.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    keys: Vec<RingKey>,
}

impl KeyRing {
    /// A ring of these keys, in any order.
    pub fn new(mut keys: Vec<RingKey>) -> KeyRing {
        keys.sort_by_key(|key| std::cmp::Reverse(key.active_from));
        KeyRing { keys }
    }

    /// All keys, newest first.
    pub fn keys(&self) -> &[RingKey] {
        &self.keys
    }

    /// The newest key of that algorithm that signs at `now`.
    pub fn signing(&self, algorithm: Algorithm, now: Timestamp) -> Option<&Arc<SigningKey>> {
        let mut keys =
            self.keys.iter().filter(|ring| ring.key.algorithm == algorithm && ring.is_published(now));
        keys.find(|ring| ring.active_from <= now).map(|ring| &ring.key)
    }

    /// The keys that others may meet in tokens, now or within a day, newest first.
    pub fn published(&self, now: Timestamp) -> impl Iterator<Item = &Arc<SigningKey>> {
        self.keys.iter().filter(move |ring| ring.is_published(now)).map(|ring| &ring.key)
    }

    /// The published key of that id.
    pub fn find(&self, kid: &str, now: Timestamp) -> Option<&Arc<SigningKey>> {
        self.published(now).find(|key| key.kid == kid)
    }

    /// The JWK set. `issuer` becomes a member of each key, as at the v2.0 endpoint.
    pub fn jwks(&self, issuer: Option<&str>, now: Timestamp) -> Value {
        let keys = self.published(now).map(|key| {
            let mut jwk = key.jwk();
            if let Some(issuer) = issuer {
                jwk["issuer"] = issuer.into();
            }
            jwk
        });
        json!({"keys": keys.collect::<Vec<_>>()})
    }
}

/// Whether the next key has to be made at `now`, and from when it signs. `newest` is when the newest key of the
/// algorithm signs from, `None` without any; `period` is how long each is to sign, in microseconds.
///
/// The first key signs at once. Each other is published a day before it signs, even if that makes the change late.
pub fn next_key(newest: Option<Timestamp>, period: i64, now: Timestamp) -> Option<Timestamp> {
    let Some(newest) = newest else { return Some(now) };
    let due = newest.plus(period.max(PUBLISHED_BEFORE));
    let earliest = now.plus(PUBLISHED_BEFORE);
    (earliest >= due).then_some(due.max(earliest))
}

/// Until when a key stays published whose successor signs from `successor_active_from` on.
pub fn published_until(successor_active_from: Timestamp) -> Timestamp {
    successor_active_from.plus(PUBLISHED_AFTER)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::jwt::Unverified;

    const FROM: Timestamp = Timestamp(1_780_000_000_000_000);

    type Made = (SigningKey, Zeroizing<Vec<u8>>);
    static RSA: LazyLock<Made> = LazyLock::new(|| make(Algorithm::Rs256));
    static P256: LazyLock<Made> = LazyLock::new(|| make(Algorithm::Es256));

    fn make(algorithm: Algorithm) -> Made {
        SigningKey::generate(algorithm, "Countersign", FROM, FROM.plus(90 * DAY)).unwrap()
    }

    #[test]
    fn what_is_signed_verifies() {
        for (key, _) in [&*RSA, &*P256] {
            for token_type in [TokenType::V1, TokenType::V2, TokenType::Other("secevent+jwt")] {
                let token = key.sign(&json!({"iss": "i", "exp": 1}), token_type).unwrap();
                let verified = Unverified::decode(&token).unwrap().verify(key.public()).unwrap();
                let header = verified.header();
                assert_eq!(
                    (header.alg.as_str(), header.kid.as_deref()),
                    (key.algorithm.name(), Some(key.kid()))
                );
                assert_eq!(header.x5t.is_some(), token_type == TokenType::V1);
                assert_eq!(verified.claims().iss.as_deref(), Some("i"));
                let published = PublicKey::from_jwk(&key.jwk()).unwrap();
                assert!(Unverified::decode(&token).unwrap().verify(&published).is_ok());
            }
        }
    }

    #[test]
    fn any_changed_byte_fails() {
        for (key, _) in [&*RSA, &*P256] {
            let token = key.sign(&json!({"iss": "issuer", "exp": 1_780_000_000}), TokenType::V1).unwrap();
            for index in 0..token.len() {
                let mut bytes = token.clone().into_bytes();
                bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
                let changed = String::from_utf8(bytes).unwrap();
                let outcome =
                    Unverified::decode(&changed).and_then(|unverified| unverified.verify(key.public()));
                assert!(outcome.is_err(), "{index}");
            }
            for length in 0..token.len() {
                let outcome = Unverified::decode(&token[..length])
                    .and_then(|unverified| unverified.verify(key.public()));
                assert!(outcome.is_err(), "{length}");
            }
        }
    }

    #[test]
    fn a_kept_key_is_the_same_key() {
        for (key, pkcs8) in [&*RSA, &*P256] {
            let again = SigningKey::from_pkcs8(key.kid(), key.algorithm(), key.certificate().to_vec(), pkcs8)
                .unwrap();
            assert_eq!(again.jwk(), key.jwk());
            assert_eq!(again.kid(), key.x5t());
        }
        let strange = |algorithm, certificate: &Made, pkcs8: &Made| {
            SigningKey::from_pkcs8("k", algorithm, certificate.0.certificate().to_vec(), &pkcs8.1).is_err()
        };
        assert!(strange(Algorithm::Rs256, &P256, &RSA) && strange(Algorithm::Es256, &RSA, &P256));
        assert!(strange(Algorithm::Rs256, &RSA, &P256) && strange(Algorithm::Es256, &P256, &RSA));
        assert!(strange(Algorithm::Es256, &P256, &make(Algorithm::Es256)));
    }

    #[test]
    fn the_certificate_says_whose_it_is_and_when() {
        for (key, _) in [&*RSA, &*P256] {
            let (rest, certificate) = X509Certificate::from_der(key.certificate()).unwrap();
            assert!(rest.is_empty());
            assert_eq!(certificate.subject().to_string(), "CN=Countersign");
            assert_eq!(certificate.issuer(), certificate.subject());
            assert_eq!(certificate.validity().not_before.timestamp(), 1_780_000_000);
            assert_eq!(certificate.validity().not_after.timestamp(), 1_780_000_000 + 90 * 86_400);
        }
        for subject in ["", &"x".repeat(65)] {
            assert!(SigningKey::generate(Algorithm::Es256, subject, FROM, FROM).is_err());
        }
    }

    #[test]
    fn a_jwk_has_what_clients_read() {
        let rsa = RSA.0.jwk();
        assert_eq!((&rsa["kty"], &rsa["use"], &rsa["e"]), (&json!("RSA"), &json!("sig"), &json!("AQAB")));
        assert_eq!(rsa["n"].as_str().unwrap().len(), 342);
        assert!(rsa.get("alg").is_none());
        assert_eq!(STANDARD.decode(rsa["x5c"][0].as_str().unwrap()).unwrap(), RSA.0.certificate());
        let p256 = P256.0.jwk();
        assert_eq!(
            (&p256["kty"], &p256["crv"], &p256["alg"]),
            (&json!("EC"), &json!("P-256"), &json!("ES256"))
        );
        assert_eq!((p256["x"].as_str().unwrap().len(), p256["y"].as_str().unwrap().len()), (43, 43));
    }

    #[test]
    fn no_private_key_is_shown() {
        for (key, _) in [&*RSA, &*P256] {
            let shown = format!("{key:?}");
            assert_eq!(
                shown,
                format!("SigningKey {{ kid: {:?}, algorithm: {:?}, .. }}", key.kid(), key.algorithm())
            );
        }
    }

    #[test]
    fn a_ring_signs_with_the_newest_active_key() {
        let key = |days: i64, until: Option<i64>| RingKey {
            key: Arc::new(make(Algorithm::Es256).0),
            active_from: FROM.plus(days * DAY),
            published_until: until.map(|days| FROM.plus(days * DAY)),
        };
        let (old, current, next) = (key(0, Some(31)), key(30, None), key(60, None));
        let ids: Vec<_> = [&old, &current, &next].iter().map(|ring| ring.key.kid().to_owned()).collect();
        let ring = KeyRing::new(vec![current, next, old]);
        for (day, signs, published) in [
            (-1, None, 3),
            (0, Some(0), 3),
            (29, Some(0), 3),
            (30, Some(1), 3),
            (31, Some(1), 2),
            (60, Some(2), 2),
        ] {
            let now = FROM.plus(day * DAY);
            let signing = ring.signing(Algorithm::Es256, now).map(|key| key.kid().to_owned());
            assert_eq!(signing, signs.map(|index: usize| ids[index].clone()), "{day}");
            assert_eq!(ring.published(now).count(), published, "{day}");
            assert_eq!(ring.jwks(Some("i"), now)["keys"].as_array().unwrap().len(), published);
        }
        assert!(ring.signing(Algorithm::Rs256, FROM).is_none());
        assert!(ring.find(&ids[0], FROM).is_some() && ring.find(&ids[0], FROM.plus(31 * DAY)).is_none());
        assert!(ring.find("", FROM).is_none());
        assert_eq!(ring.jwks(Some("i"), FROM)["keys"][0]["issuer"], "i");
    }

    #[test]
    fn the_next_key_is_made_a_day_ahead() {
        let period = 30 * DAY;
        let at = |hours: i64| FROM.plus(hours * HOUR);
        for (newest, now, expected) in [
            (None, at(0), Some(at(0))),
            (Some(at(0)), at(0), None),
            (Some(at(0)), at(29 * 24 - 1), None),
            (Some(at(0)), at(29 * 24), Some(at(30 * 24))),
            // The server was away when it was due: still a day ahead.
            (Some(at(0)), at(40 * 24), Some(at(41 * 24))),
            // Already made.
            (Some(at(30 * 24)), at(29 * 24), None),
        ] {
            assert_eq!(next_key(newest, period, now), expected);
        }
        assert_eq!(published_until(at(0)), at(25));
    }
}
