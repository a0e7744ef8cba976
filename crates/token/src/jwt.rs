//! JSON Web Tokens as they come in: decoded leniently, verified strictly.
//!
//! Clients pad what RFC 7515 wants unpadded and write times as fractions or strings, so decoding takes all that;
//! the signature is verified over the bytes as received. RS256, PS256 and ES256 are known and nothing else, and a
//! key's type decides which of them it may be used with, never the token.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::alphabet::URL_SAFE as URL_SAFE_ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use countersign_model::time::{SECOND, Timestamp};
use serde_json::{Map, Value};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey as SubjectKey;

/// Longest token, in bytes: a chain of four certificates in the header takes about 12 KiB.
pub const JWT_BYTES_MAX: usize = 32 << 10;
/// Most entries of `aud`.
pub const AUDIENCES_MAX: usize = 16;
/// Largest modulus, in bytes (4,096 bits): bounds the work of one verification.
pub const MODULUS_BYTES_MAX: usize = 512;
/// Smallest modulus, in bytes (2,048 bits): RFC 7518 section 3.3.
const MODULUS_BYTES_MIN: usize = 256;
/// Longest public exponent, in bytes: 65,537 takes three.
const EXPONENT_BYTES_MAX: usize = 4;
/// Largest certificate, in bytes.
const CERTIFICATE_BYTES_MAX: usize = 16 << 10;
/// Last second of the year 9999, in seconds since 1970: beyond it no date can be printed.
const SECONDS_MAX: f64 = 253_402_300_799.0;

/// Base64url with or without padding. Spare bits must be zero, so that no signature has a second spelling.
pub(crate) const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE_ALPHABET,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a token or a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Longer than [`JWT_BYTES_MAX`].
    #[error("the token is longer than {JWT_BYTES_MAX} bytes")]
    TooLong,
    /// Not three parts with dots between them.
    #[error("a token has three parts")]
    Parts,
    /// A part is no base64url.
    #[error("the {0} is not base64url")]
    Encoding(&'static str),
    /// Header or payload is no JSON object.
    #[error("the {0} is not a JSON object")]
    Json(&'static str),
    /// A header or claim has a form that it must not have.
    #[error("`{0}` has an unexpected form")]
    Member(&'static str),
    /// `crit` (RFC 7515 section 4.1.11): extensions that must be understood, and none is.
    #[error("the header has critical extensions")]
    Critical,
    /// The algorithm is not known, or not for this type of key.
    #[error("the algorithm `{0}` is not supported with this key")]
    Algorithm(String),
    /// The signature is not this key's.
    #[error("the signature does not match")]
    Signature,
    /// A public key that cannot be read, or is too small, too large or of an unknown type.
    #[error("the public key cannot be used")]
    Key,
}

/// The header of a token. Nothing in it is trusted; it says which key to try.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// `alg`.
    pub alg: String,
    /// `typ`.
    pub typ: Option<String>,
    /// `kid`.
    pub kid: Option<String>,
    /// `x5t`, 20 bytes. `None` as well where it cannot be read, for then it names no key.
    pub x5t: Option<Vec<u8>>,
    /// `x5t#S256`, 32 bytes, likewise.
    pub x5t_s256: Option<Vec<u8>>,
}

impl Header {
    fn read(header: &Map<String, Value>) -> Result<Header, JwtError> {
        if header.contains_key("crit") {
            return Err(JwtError::Critical);
        }
        let thumbprint = |name: &'static str, bytes: usize| {
            Ok(text(header, name)?.and_then(|text| thumbprint(&text)).filter(|print| print.len() == bytes))
        };
        Ok(Header {
            alg: text(header, "alg")?.ok_or(JwtError::Member("alg"))?,
            typ: text(header, "typ")?,
            kid: text(header, "kid")?,
            x5t: thumbprint("x5t", 20)?,
            x5t_s256: thumbprint("x5t#S256", 32)?,
        })
    }
}

/// A SHA-1 or SHA-256 thumbprint as base64url with or without padding, as standard base64, or in hexadecimal.
pub fn thumbprint(text: &str) -> Option<Vec<u8>> {
    let hexadecimal = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hexadecimal {
        let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
        return Some(text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect());
    }
    if text.len() > 44 {
        return None;
    }
    let bytes = BASE64URL.decode(text.replace('+', "-").replace('/', "_")).ok()?;
    matches!(bytes.len(), 20 | 32).then_some(bytes)
}

/// Upper-case hexadecimal, the way Entra prints thumbprints.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789ABCDEF"[usize::from(half)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// The payload of a token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// `iss`.
    pub iss: Option<String>,
    /// `sub`.
    pub sub: Option<String>,
    /// `aud`: none, one or several.
    pub aud: Vec<String>,
    /// `exp`.
    pub exp: Option<Timestamp>,
    /// `nbf`.
    pub nbf: Option<Timestamp>,
    /// `iat`.
    pub iat: Option<Timestamp>,
    /// `jti`.
    pub jti: Option<String>,
    /// `tid`.
    pub tid: Option<String>,
    /// `oid`.
    pub oid: Option<String>,
    /// `appid` of a v1.0 token or `azp` of a v2.0 token.
    pub app_id: Option<String>,
    /// `uti`.
    pub uti: Option<String>,
    /// `idtyp`.
    pub idtyp: Option<String>,
    /// `roles`.
    pub roles: Vec<String>,
    /// `wids`.
    pub wids: Vec<String>,
    /// `scp`, split.
    pub scopes: Vec<String>,
    /// `xms_cc`.
    pub xms_cc: Vec<String>,
    /// All of it, as sent.
    pub all: Map<String, Value>,
}

impl Claims {
    fn read(all: Map<String, Value>) -> Result<Claims, JwtError> {
        let aud = match all.get("aud") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(audience)) => vec![audience.clone()],
            Some(_) => texts(&all, "aud", AUDIENCES_MAX)?,
        };
        // What only our own tokens mean something by: other issuers use these names in other forms.
        let own = |name| text(&all, name).ok().flatten();
        let own_list = |name| texts(&all, name, usize::MAX).unwrap_or_default();
        let scopes = own("scp").unwrap_or_default();
        Ok(Claims {
            iss: text(&all, "iss")?,
            sub: text(&all, "sub")?,
            aud,
            exp: time(&all, "exp")?,
            nbf: time(&all, "nbf")?,
            iat: time(&all, "iat")?,
            jti: text(&all, "jti")?,
            tid: own("tid"),
            oid: own("oid"),
            app_id: own("appid").or_else(|| own("azp")),
            uti: own("uti"),
            idtyp: own("idtyp"),
            roles: own_list("roles"),
            wids: own_list("wids"),
            scopes: scopes.split_whitespace().map(str::to_owned).collect(),
            xms_cc: own_list("xms_cc"),
            all,
        })
    }
}

fn text(object: &Map<String, Value>, name: &'static str) -> Result<Option<String>, JwtError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(JwtError::Member(name)),
    }
}

fn texts(object: &Map<String, Value>, name: &'static str, max: usize) -> Result<Vec<String>, JwtError> {
    let values = match object.get(name) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(values)) if values.len() <= max => values,
        Some(_) => return Err(JwtError::Member(name)),
    };
    let texts = values.iter().map(|value| value.as_str().map(str::to_owned));
    texts.collect::<Option<_>>().ok_or(JwtError::Member(name))
}

/// A `NumericDate`: integer, fraction (MSAL for Python) or text of either (MSAL .NET, roadtx). One that cannot be
/// read is an error, for taken as missing it would widen the token's time.
fn time(object: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, JwtError> {
    let seconds = match object.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) if text.len() <= 32 => text.trim().parse().ok(),
        Some(_) => None,
    };
    // f64 is exact to the microsecond until the year 2255.
    match seconds {
        Some(seconds) if (0.0..=SECONDS_MAX).contains(&seconds) => {
            Ok(Some(Timestamp((seconds * SECOND as f64).round() as i64)))
        }
        _ => Err(JwtError::Member(name)),
    }
}

/// A token that is decoded and not verified: it may say which key to try, and nothing more.
pub struct Unverified<'a> {
    /// Header and payload with the dot between them, as received.
    signed: &'a str,
    signature: Vec<u8>,
    header: Header,
    claims: Claims,
}

impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified").field("header", &self.header).finish_non_exhaustive()
    }
}

impl<'a> Unverified<'a> {
    /// Decodes a token in compact serialisation (RFC 7515 section 7.1).
    pub fn decode(text: &'a str) -> Result<Unverified<'a>, JwtError> {
        if text.len() > JWT_BYTES_MAX {
            return Err(JwtError::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(JwtError::Parts)?;
        let (header, payload) = signed.split_once('.').ok_or(JwtError::Parts)?;
        if payload.contains('.') {
            return Err(JwtError::Parts);
        }
        Ok(Unverified {
            signed,
            signature: BASE64URL.decode(signature).map_err(|_| JwtError::Encoding("signature"))?,
            header: Header::read(&object(header, "header")?)?,
            claims: Claims::read(object(payload, "payload")?)?,
        })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// `iss` as claimed, to find the key by.
    pub fn claimed_issuer(&self) -> Option<&str> {
        self.claims.iss.as_deref()
    }

    /// `tid` as claimed, to find the key by.
    pub fn claimed_tenant(&self) -> Option<&str> {
        self.claims.tid.as_deref()
    }

    /// What is claimed, for checks that can only refuse, made before a key is fetched.
    pub(crate) fn claimed(&self) -> &Claims {
        &self.claims
    }

    /// Checks the signature, and only that: times, issuer and audience are the caller's.
    pub fn verify(self, key: &PublicKey) -> Result<Verified, JwtError> {
        self.check(key)?;
        Ok(self.into_verified())
    }

    /// Like [`Unverified::verify`] with whichever of the keys fits.
    pub fn verify_any<'k>(self, keys: impl IntoIterator<Item = &'k PublicKey>) -> Result<Verified, JwtError> {
        self.check_any(keys)?;
        Ok(self.into_verified())
    }

    /// For callers that have checked the signature.
    pub(crate) fn into_verified(self) -> Verified {
        Verified { header: self.header, claims: self.claims }
    }

    pub(crate) fn check(&self, key: &PublicKey) -> Result<(), JwtError> {
        key.verify(&self.header.alg, self.signed.as_bytes(), &self.signature)
    }

    /// [`JwtError::Key`] if there was no key, and a wrong signature rather than a key of another type.
    pub(crate) fn check_any<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k PublicKey>,
    ) -> Result<(), JwtError> {
        let mut fault = JwtError::Key;
        for key in keys {
            match self.check(key) {
                Ok(()) => return Ok(()),
                Err(_) if fault == JwtError::Signature => {}
                Err(error) => fault = error,
            }
        }
        Err(fault)
    }
}

fn object(part: &str, name: &'static str) -> Result<Map<String, Value>, JwtError> {
    let bytes = BASE64URL.decode(part).map_err(|_| JwtError::Encoding(name))?;
    // Nesting is bounded by serde_json.
    serde_json::from_slice(&bytes).map_err(|_| JwtError::Json(name))
}

/// A token whose signature was verified. Its times, issuer and audience still are to be compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    header: Header,
    claims: Claims,
}

impl Verified {
    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The claims.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The claims, to keep.
    pub fn into_claims(self) -> Claims {
        self.claims
    }

    /// Whether `now` lies within `nbf` and `exp`, with `leeway` microseconds on both sides. Without `exp` it never
    /// does.
    pub fn is_current(&self, now: Timestamp, leeway: i64) -> bool {
        is_current(&self.claims, now, leeway)
    }
}

pub(crate) fn is_current(claims: &Claims, now: Timestamp, leeway: i64) -> bool {
    let begun = claims.nbf.or(claims.iat).is_none_or(|from| from <= now.plus(leeway));
    begun && claims.exp.is_some_and(|until| now < until.plus(leeway))
}

/// A public key. Its type decides the algorithms: RSA goes with RS256 and PS256, P-256 with ES256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA of 2,048 to 4,096 bits, as `SubjectPublicKeyInfo` in DER.
    Rsa(Vec<u8>),
    /// A point on P-256, uncompressed: 65 bytes.
    P256(Vec<u8>),
}

impl PublicKey {
    /// The key of an X.509 certificate in DER. Nothing else of the certificate is looked at.
    pub fn from_certificate(der: &[u8]) -> Result<PublicKey, JwtError> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(JwtError::Key);
        }
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| JwtError::Key)?;
        match certificate.public_key().parsed().map_err(|_| JwtError::Key)? {
            SubjectKey::RSA(key) => PublicKey::rsa(key.modulus, key.exponent),
            // The key's length tells P-256 from its like; the curve is checked when the point is.
            SubjectKey::EC(point) => PublicKey::p256(point.data()),
            _ => Err(JwtError::Key),
        }
    }

    /// The key of a JWK (RFC 7517): `kty` RSA or EC with `crv` P-256.
    pub fn from_jwk(jwk: &Value) -> Result<PublicKey, JwtError> {
        let member = |name: &str| {
            let text = jwk[name].as_str().filter(|text| text.len() <= 2 * MODULUS_BYTES_MAX);
            text.and_then(|text| BASE64URL.decode(text).ok()).ok_or(JwtError::Key)
        };
        match (jwk["kty"].as_str(), jwk["crv"].as_str()) {
            (Some("RSA"), _) => PublicKey::rsa(&member("n")?, &member("e")?),
            (Some("EC"), Some("P-256")) => {
                let (x, y) = (member("x")?, member("y")?);
                // RFC 7518 section 6.2.1.2: each is as long as the field, so none can borrow from the other.
                if x.len() != 32 || y.len() != 32 {
                    return Err(JwtError::Key);
                }
                PublicKey::p256(&[&[4][..], &x, &y].concat())
            }
            _ => Err(JwtError::Key),
        }
    }

    fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<PublicKey, JwtError> {
        let (n, e) = (without_leading_zeros(modulus), without_leading_zeros(exponent));
        let sized = (MODULUS_BYTES_MIN..=MODULUS_BYTES_MAX).contains(&n.len())
            && (1..=EXPONENT_BYTES_MAX).contains(&e.len());
        if !sized {
            return Err(JwtError::Key);
        }
        let der = RsaPublicKeyComponents { n, e }.as_der().map_err(|_| JwtError::Key)?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der.as_ref())
            .parse()
            .map_err(|_| JwtError::Key)?;
        Ok(PublicKey::Rsa(der.as_ref().to_vec()))
    }

    fn p256(point: &[u8]) -> Result<PublicKey, JwtError> {
        if point.len() != 65 || point[0] != 4 {
            return Err(JwtError::Key);
        }
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).parse().map_err(|_| JwtError::Key)?;
        Ok(PublicKey::P256(point.to_vec()))
    }

    /// Verifies a signature in JWS form: for ES256 the 64 bytes of r and s (RFC 7518 section 3.4).
    pub fn verify(&self, alg: &str, message: &[u8], signature: &[u8]) -> Result<(), JwtError> {
        let (algorithm, key): (&'static dyn VerificationAlgorithm, &[u8]) = match (self, alg) {
            (PublicKey::Rsa(key), "RS256") => (&RSA_PKCS1_2048_8192_SHA256, key),
            (PublicKey::Rsa(key), "PS256") => (&RSA_PSS_2048_8192_SHA256, key),
            (PublicKey::P256(key), "ES256") => (&ECDSA_P256_SHA256_FIXED, key),
            _ => return Err(JwtError::Algorithm(crate::refusal::echo(alg).into_owned())),
        };
        UnparsedPublicKey::new(algorithm, key).verify(message, signature).map_err(|_| JwtError::Signature)
    }
}

/// DER puts a zero in front of a set top bit, and some writers of JWKs do the same.
fn without_leading_zeros(number: &[u8]) -> &[u8] {
    &number[number.iter().take_while(|byte| **byte == 0).count()..]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 7515 appendices A.2 and A.3.
    const PAYLOAD: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const RS256: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    const ES256: &str =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    fn rsa() -> PublicKey {
        PublicKey::from_jwk(&json!({
            "kty": "RSA",
            "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
            "e": "AQAB",
        }))
        .unwrap()
    }

    fn p256() -> PublicKey {
        PublicKey::from_jwk(&json!({
            "kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        }))
        .unwrap()
    }

    fn token(header: &Value, payload: &Value) -> String {
        format!("{}.{}.c2ln", BASE64URL.encode(header.to_string()), BASE64URL.encode(payload.to_string()))
    }

    #[test]
    fn the_examples_of_the_standard_verify() {
        for (header, signature, key) in
            [("eyJhbGciOiJSUzI1NiJ9", RS256, rsa()), ("eyJhbGciOiJFUzI1NiJ9", ES256, p256())]
        {
            let text = format!("{header}.{PAYLOAD}.{signature}");
            let verified = Unverified::decode(&text).unwrap().verify(&key).unwrap();
            assert_eq!(verified.claims().iss.as_deref(), Some("joe"));
            assert_eq!(verified.claims().exp, Some(Timestamp(1_300_819_380 * SECOND)));
            assert!(verified.is_current(Timestamp(1_300_819_379 * SECOND), 0));
            assert!(!verified.is_current(Timestamp(1_300_819_380 * SECOND), 0));
        }
    }

    #[test]
    fn the_key_decides_the_algorithm() {
        let with = |alg: &str| token(&json!({"alg": alg}), &json!({}));
        for alg in ["none", "None", "HS256", "RS384", "RS512", "EdDSA", "ES384", "ES256", "", "rs256"] {
            let text = with(alg);
            let outcome = Unverified::decode(&text).unwrap().verify(&rsa());
            assert_eq!(outcome, Err(JwtError::Algorithm(alg.to_owned())));
        }
        for alg in ["RS256", "PS256", "none", "HS256"] {
            let text = with(alg);
            assert_eq!(
                Unverified::decode(&text).unwrap().verify(&p256()),
                Err(JwtError::Algorithm(alg.to_owned()))
            );
        }
        let text = format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}.{ES256}");
        assert!(Unverified::decode(&text).unwrap().verify_any([&rsa(), &p256()]).is_ok());
        assert_eq!(Unverified::decode(&text).unwrap().verify_any([]), Err(JwtError::Key));
        // An ASN.1 signature is no JWS signature, and an empty one none at all.
        assert_eq!(p256().verify("ES256", b"", b""), Err(JwtError::Signature));
    }

    #[test]
    fn times_have_many_forms() {
        for (value, expected) in [
            (json!(1_777_777_777), Some(1_777_777_777_000_000)),
            (json!(1_777_777_777.25), Some(1_777_777_777_250_000)),
            (json!("1777777777"), Some(1_777_777_777_000_000)),
            (json!("1777777777.5"), Some(1_777_777_777_500_000)),
            (json!(1.777_777_777e9), Some(1_777_777_777_000_000)),
            (json!(0), Some(0)),
            (json!(-1), None),
            (json!(1e300), None),
            (json!("NaN"), None),
            (json!("inf"), None),
            (json!("soon"), None),
            (json!(true), None),
            (json!([1]), None),
        ] {
            let text = token(&json!({"alg": "RS256"}), &json!({"exp": value}));
            let read = Unverified::decode(&text).map(|unverified| unverified.claims.exp);
            assert_eq!(
                read,
                expected.map(|micros| Some(Timestamp(micros))).ok_or(JwtError::Member("exp")),
                "{value}"
            );
        }
    }

    #[test]
    fn thumbprints_have_many_forms() {
        let bytes: Vec<u8> = (240..=255).chain(0..4).collect();
        let hex = hexadecimal(&bytes);
        for text in [
            BASE64URL.encode(&bytes),
            format!("{}=", BASE64URL.encode(&bytes)),
            base64::engine::general_purpose::STANDARD.encode(&bytes),
            hex.to_lowercase(),
            hex,
        ] {
            assert_eq!(thumbprint(&text).as_ref(), Some(&bytes), "{text}");
        }
        for wrong in ["", "AAAA", "not a thumbprint", &"A".repeat(1_000)] {
            assert_eq!(thumbprint(wrong), None);
        }
    }

    #[test]
    fn what_is_no_token_says_why() {
        let header = BASE64URL.encode(r#"{"alg":"RS256"}"#);
        let long = "a".repeat(JWT_BYTES_MAX + 1);
        for (text, expected) in [
            ("", JwtError::Parts),
            ("a.b", JwtError::Parts),
            ("a.b.c.d", JwtError::Parts),
            (&long, JwtError::TooLong),
            ("!.e30.c2ln", JwtError::Encoding("header")),
            (&format!("{header}.!.c2ln"), JwtError::Encoding("payload")),
            (&format!("{header}.e30.!"), JwtError::Encoding("signature")),
            // Spare bits: `c2ln` is the only spelling of its three bytes, `YR` none of `a`.
            (&format!("{header}.e30.YR"), JwtError::Encoding("signature")),
            ("W10.e30.c2ln", JwtError::Json("header")),
            (&format!("{header}.W10.c2ln"), JwtError::Json("payload")),
            ("e30.e30.c2ln", JwtError::Member("alg")),
            (&token(&json!({"alg": "RS256", "crit": ["b64"]}), &json!({})), JwtError::Critical),
            (&token(&json!({"alg": "RS256"}), &json!({"iss": 1})), JwtError::Member("iss")),
            (&token(&json!({"alg": "RS256"}), &json!({"aud": [1]})), JwtError::Member("aud")),
            (&token(&json!({"alg": "RS256"}), &json!({"aud": vec!["a"; 17]})), JwtError::Member("aud")),
        ] {
            assert_eq!(Unverified::decode(text).err(), Some(expected), "{}", &text[..text.len().min(80)]);
        }
    }

    #[test]
    fn claims_of_others_need_not_look_like_ours() {
        let text = token(&json!({"alg": "RS256"}), &json!({"scp": ["a"], "roles": "admin", "tid": 1}));
        let claims = Unverified::decode(&text).unwrap().claims;
        assert!(claims.scopes.is_empty() && claims.roles.is_empty() && claims.tid.is_none());
    }

    #[test]
    fn weak_and_foreign_keys_are_refused() {
        let number = |bytes: usize| BASE64URL.encode(vec![0xff; bytes]);
        for jwk in [
            json!({}),
            json!([]),
            json!({"kty": "oct", "k": "AAAA"}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": number(32)}),
            json!({"kty": "RSA", "n": number(128), "e": "AQAB"}),
            json!({"kty": "RSA", "n": number(1_024), "e": "AQAB"}),
            json!({"kty": "RSA", "n": number(256), "e": ""}),
            json!({"kty": "RSA", "n": number(256), "e": number(64)}),
            json!({"kty": "RSA", "n": number(256)}),
            json!({"kty": "EC", "crv": "P-384", "x": number(48), "y": number(48)}),
            // Not on the curve.
            json!({"kty": "EC", "crv": "P-256", "x": number(32), "y": number(32)}),
            json!({"kty": "EC", "crv": "P-256", "x": number(31), "y": number(33)}),
        ] {
            assert_eq!(PublicKey::from_jwk(&jwk), Err(JwtError::Key), "{jwk}");
        }
        assert_eq!(PublicKey::from_certificate(b"0"), Err(JwtError::Key));
    }
}
