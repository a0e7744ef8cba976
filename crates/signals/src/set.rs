//! Security event tokens (RFC 8417) with the rules of SSF 1.0 section 4: ours are written, those of others are read.

use countersign_model::time::{SECOND, Timestamp};
use countersign_token::federated::Jwks;
use countersign_token::jwt::{self, Claims, JwtError};
use countersign_token::keys::{KeyError, SigningKey, TokenType};
use serde_json::{Map, Value, json};

use crate::event::{Event, EventType};
use crate::invalid::Invalid;
use crate::json;
use crate::subject::Subject;

/// `typ` of the header (RFC 8417 section 2.3).
pub const TYP: &str = "secevent+jwt";
/// The media type in which a SET is pushed (RFC 8935 section 2.1).
pub const MEDIA_TYPE: &str = "application/secevent+jwt";
/// Algorithms that are taken from others: RS256 of the interoperability profile, and ES256.
pub const ALGORITHMS: [&str; 2] = ["RS256", "ES256"];
/// Longest `jti` and `txn`, in bytes: both are kept.
pub const ID_BYTES_MAX: usize = 256;
/// How far the transmitter's clock may be ahead, in microseconds.
pub const LEEWAY: i64 = 300 * SECOND;

/// What becomes one token, for one stream.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// `iss`: the transmitter, as in its metadata.
    pub issuer: &'a str,
    /// `aud` of the stream.
    pub audience: &'a str,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `jti`: this event in this stream, however often it is sent.
    pub jti: &'a str,
    /// `txn`: the same for all that has one cause.
    pub txn: &'a str,
    /// `sub_id`.
    pub subject: &'a Subject,
    /// The only one in `events`.
    pub event: &'a Event,
}

impl Draft<'_> {
    /// The claims. SSF 1.0 sections 4.1 and 4.2: exactly one event, `sub_id` at the top, neither `sub` nor `exp`.
    pub fn claims(&self) -> Value {
        json!({
            "iss": self.issuer,
            "aud": self.audience,
            "iat": self.issued_at.0.div_euclid(SECOND),
            "jti": self.jti,
            "txn": self.txn,
            "sub_id": self.subject.to_json(),
            "events": {self.event.event_type().uri(): self.event.to_json()},
        })
    }

    /// The signed token. Only a key of RS256 fits the interoperability profile.
    pub fn sign(&self, key: &SigningKey) -> Result<String, KeyError> {
        key.sign(&self.claims(), TokenType::Other(TYP))
    }
}

/// `err` of RFC 8935 section 2.4, and `invalid_state` of SSF 1.0 section 8.1.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The request or the token has not its form.
    InvalidRequest,
    /// The key is unknown or did not sign it.
    InvalidKey,
    /// Of somebody who is not listened to here.
    InvalidIssuer,
    /// For somebody else.
    InvalidAudience,
    /// Who sends it could not be told.
    AuthenticationFailed,
    /// Who sends it may not.
    AccessDenied,
    /// A verification that was not asked for in this way.
    InvalidState,
}

impl ErrorCode {
    /// As the standards spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::InvalidRequest => "invalid_request",
            ErrorCode::InvalidKey => "invalid_key",
            ErrorCode::InvalidIssuer => "invalid_issuer",
            ErrorCode::InvalidAudience => "invalid_audience",
            ErrorCode::AuthenticationFailed => "authentication_failed",
            ErrorCode::AccessDenied => "access_denied",
            ErrorCode::InvalidState => "invalid_state",
        }
    }
}

/// Why a token is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {description}", err.as_str())]
pub struct Refusal {
    /// `err`.
    pub err: ErrorCode,
    /// `description`, in English.
    pub description: String,
}

impl Refusal {
    /// A refusal in those words.
    pub fn new(err: ErrorCode, description: impl Into<String>) -> Refusal {
        Refusal { err, description: description.into() }
    }

    /// The body of the answer, which has status 400 and `Content-Language: en` (RFC 8935 section 2.3).
    pub fn to_json(&self) -> Value {
        json!({"err": self.err.as_str(), "description": self.description})
    }
}

/// What is malformed is the sender's request.
impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Refusal {
        Refusal::new(ErrorCode::InvalidRequest, invalid.to_string())
    }
}

/// A token that cannot be decoded. A signature that is not even base64url was still nobody's.
fn malformed(error: &JwtError) -> Refusal {
    let err = match error {
        JwtError::Encoding("signature") => ErrorCode::InvalidKey,
        _ => ErrorCode::InvalidRequest,
    };
    Refusal::new(err, error.to_string())
}

/// Whom a token must come from and be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected<'a> {
    /// The registered transmitter's `iss`.
    pub issuer: &'a str,
    /// Our `aud`.
    pub audience: &'a str,
}

/// A token that is decoded and not verified.
#[derive(Debug)]
pub struct Unverified<'a>(jwt::Unverified<'a>);

impl<'a> Unverified<'a> {
    /// Decodes a token and looks at its header. An ordinary token of the same issuer must not pass for an event
    /// (RFC 8417 section 4.6), so `typ` is required, and compared as a media type is: RFC 7515 section 4.1.9 leaves out
    /// `application/`, in any case.
    pub fn decode(text: &'a str) -> Result<Unverified<'a>, Refusal> {
        let token = jwt::Unverified::decode(text).map_err(|error| malformed(&error))?;
        let typ = token.header().typ.as_deref().unwrap_or_default();
        if !typ.eq_ignore_ascii_case(TYP) && !typ.eq_ignore_ascii_case(MEDIA_TYPE) {
            return Err(Refusal::new(ErrorCode::InvalidRequest, "the type is not `secevent+jwt`"));
        }
        if !ALGORITHMS.contains(&token.header().alg.as_str()) {
            return Err(Refusal::new(ErrorCode::InvalidRequest, "the algorithm is neither RS256 nor ES256"));
        }
        Ok(Unverified(token))
    }

    /// `kid`: if the known keys do not have it, they may be out of date.
    pub fn kid(&self) -> Option<&str> {
        self.0.header().kid.as_deref()
    }

    /// Whether the claimed issuer is the one who is expected; to ask before keys are fetched, on a stranger's behalf.
    pub fn is_from(&self, issuer: &str) -> bool {
        self.0.claimed_issuer() == Some(issuer)
    }

    /// Checks who signed it, whom it is for and what it says, in this order.
    pub fn verify(self, keys: &Jwks, expected: Expected<'_>, now: Timestamp) -> Result<Received, Refusal> {
        if !self.is_from(expected.issuer) {
            return Err(Refusal::new(ErrorCode::InvalidIssuer, "the issuer is not the transmitter"));
        }
        let verified = keys.verify(self.0).map_err(|error| match error {
            JwtError::Key | JwtError::Algorithm(_) => {
                Refusal::new(ErrorCode::InvalidKey, "no key of the transmitter fits")
            }
            error => Refusal::new(ErrorCode::InvalidKey, error.to_string()),
        })?;
        let claims = verified.into_claims();
        if !claims.aud.iter().any(|audience| audience == expected.audience) {
            return Err(Refusal::new(ErrorCode::InvalidAudience, "the audience is somebody else"));
        }
        Ok(Received::read(&claims, now)?)
    }
}

/// What a verified token says.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// `jti`: the same again is the same event.
    pub jti: String,
    /// `txn`.
    pub txn: Option<String>,
    /// `iat`.
    pub issued_at: Timestamp,
    /// What it tells; none for a type of event that is not known. Neither the subject nor the members of such an event
    /// are read, whose formats may be as unknown.
    pub told: Option<Told>,
}

/// The one event of a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// `sub_id`.
    pub subject: Subject,
    /// The event.
    pub event: Event,
}

impl Received {
    fn read(claims: &Claims, now: Timestamp) -> Result<Received, Invalid> {
        // SSF 1.0 section 4.1.3: both MUST NOT be there, so that no SET is taken for an access or id token.
        for name in ["sub", "exp"] {
            if claims.all.contains_key(name) {
                return Err(Invalid::new(name, "must not be in a security event token"));
            }
        }
        let issued_at = claims.iat.ok_or(Invalid::new("iat", "is missing"))?;
        if issued_at > now.plus(LEEWAY) {
            return Err(Invalid::new("iat", "lies in the future"));
        }
        let jti = json::required(&claims.all, "jti")?;
        let txn = transaction(&claims.all);
        for (name, id) in [("jti", Some(jti)), ("txn", txn.as_deref())] {
            if id.is_some_and(|id| id.len() > ID_BYTES_MAX) {
                return Err(Invalid::new(name, "is too long"));
            }
        }
        Ok(Received { jti: jti.to_owned(), txn, issued_at, told: Told::read(&claims.all)? })
    }
}

/// `txn`. RFC 8417 section 2.2 wants text, the examples of SSF 1.0 have a number: it is only repeated, so either will do.
fn transaction(claims: &Map<String, Value>) -> Option<String> {
    match json::member(claims, "txn")? {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        value => Some(value.to_string()),
    }
}

impl Told {
    fn read(claims: &Map<String, Value>) -> Result<Option<Told>, Invalid> {
        let events = json::object(claims, "events")?.ok_or(Invalid::new("events", "is missing"))?;
        // RFC 8417 allows several about one subject. SSF 1.0 section 4.2.1 wants one, or several names of the same; who
        // knows but one of the names cannot tell that from two events.
        let mut events = events.iter();
        let (Some((uri, payload)), None) = (events.next(), events.next()) else {
            return Err(Invalid::new("events", "must have exactly one event"));
        };
        let payload =
            payload.as_object().ok_or(Invalid::new("events", "must have an object as its event"))?;
        let subject = json::object(claims, "sub_id")?.ok_or(Invalid::new("sub_id", "is missing"))?;
        let Some(event_type) = EventType::parse(uri) else { return Ok(None) };
        let subject = Subject::read(&Value::Object(subject.clone()))?;
        let event = Event::read(event_type, payload).map_err(|invalid| invalid.within("events"))?;
        Ok(Some(Told { subject, event }))
    }
}
