//! Whether a client is who it says: secret, certificate, or the token of a foreign issuer.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use countersign_model::client::{Client, ClientCertificate};
use countersign_model::time::{DAY, SECOND, Timestamp};

use crate::claims::ClientProof;
use crate::federated;
use crate::jwt::{Claims, Header, JwtError, PublicKey, Unverified, hexadecimal, is_current, thumbprint};
use crate::refusal::{KeyFault, Refusal};
use crate::request::{Credential, Grant, TokenRequest};

/// How far clocks may differ, in microseconds: Node rounds `nbf` into the future, and hosts drift.
pub const LEEWAY: i64 = 300 * SECOND;
/// Farthest `exp` of an assertion that is taken only once, in microseconds: bounds how long it must be remembered.
pub const ONE_TIME_LIFETIME_MAX: i64 = DAY;

/// What a check needs beside request and client.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The time.
    pub now: Timestamp,
    /// What `aud` of an assertion may be, compared without regard to case and to slashes at the end: the token
    /// endpoints of the tenant under the names by which clients call this server, and the issuer.
    pub audiences: &'a [String],
    /// The keyed hash under which secrets are kept: [`countersign_model::client::ClientSecret::hash`].
    pub hash: &'a dyn Fn(&[u8]) -> [u8; 32],
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("now", &self.now)
            .field("audiences", &self.audiences)
            .finish_non_exhaustive()
    }
}

/// How the client proved who it is.
#[derive(Debug)]
pub enum Authentication<'r> {
    /// By a secret.
    Secret {
        /// `keyId`.
        key_id: String,
    },
    /// By an assertion of its own certificate.
    Certificate {
        /// `keyId`.
        key_id: String,
        /// SHA-1 of the certificate, in upper-case hexadecimal.
        thumbprint_hex: String,
        /// `jti`. Always there where the application takes assertions only once.
        jti: Option<String>,
        /// From then on the assertion is refused: `exp` and the leeway. A `jti` is kept until then, at the longest
        /// [`ONE_TIME_LIFETIME_MAX`] and twice the leeway.
        expires: Timestamp,
    },
    /// Not yet: the assertion is of a foreign issuer, and it matches a federated credential as far as it can be said
    /// without a signature. Fetch that issuer's keys and call [`federated::verify`].
    NeedsIssuerKeys {
        /// `iss`, always that of one of the client's federated credentials, never only the request's word.
        issuer: String,
        /// `kid`, so that known keys need not be fetched again.
        kid: Option<String>,
        /// The assertion.
        assertion: Box<Unverified<'r>>,
    },
    /// It need not: a public client.
    Public,
}

impl Authentication<'_> {
    /// For the claims `appidacr` and `azpacr`.
    pub fn proof(&self) -> ClientProof {
        match self {
            Authentication::Secret { .. } => ClientProof::Secret,
            Authentication::Certificate { .. } | Authentication::NeedsIssuerKeys { .. } => {
                ClientProof::Assertion
            }
            Authentication::Public => ClientProof::Public,
        }
    }
}

/// Checks the credential of a request against what is registered for the client. Whether the client is enabled, and
/// whether it may have what it asks for, is not asked here.
pub fn authenticate<'r>(
    request: &'r TokenRequest,
    client: &Client,
    context: &Context<'_>,
) -> Result<Authentication<'r>, Refusal> {
    let may_be_public = client.application.as_ref().is_some_and(|application| application.is_public);
    let has_credentials =
        !(client.secrets.is_empty() && client.certificates.is_empty() && client.federated.is_empty());
    let itself = request.grant == Grant::ClientCredentials;
    match &request.credential {
        Credential::None if itself => Err(Refusal::missing_credential()),
        Credential::None if may_be_public => Ok(Authentication::Public),
        Credential::None => Err(Refusal::credential_required()),
        _ if may_be_public && !has_credentials && !itself => {
            waste_time(request, context);
            Err(Refusal::public_client(&client.app_id))
        }
        Credential::Secret(secret) => check_secret(secret.as_bytes(), client, context),
        Credential::Assertion(text) => check_assertion(text, client, context),
    }
}

/// Spends on an unknown client what a wrong secret costs, so that the time of an answer does not tell which clients
/// exist.
pub fn waste_time(request: &TokenRequest, context: &Context<'_>) {
    if let Credential::Secret(secret) = &request.credential {
        let hash = (context.hash)(secret.as_bytes());
        std::hint::black_box(verify_slices_are_equal(&hash, &[0; 32]).is_ok());
    }
}

fn check_secret<'r>(
    secret: &[u8],
    client: &Client,
    context: &Context<'_>,
) -> Result<Authentication<'r>, Refusal> {
    let hash = (context.hash)(secret);
    let mut current = None;
    let mut is_expired = false;
    // Every secret is compared, so that the time tells neither which matched nor whether one did.
    for secret in &client.secrets {
        let equal = verify_slices_are_equal(&secret.hash, &hash).is_ok();
        if equal && secret.start <= context.now && context.now < secret.end {
            current = Some(secret);
        }
        is_expired |= equal && secret.end <= context.now;
    }
    if client.secrets.is_empty() {
        std::hint::black_box(verify_slices_are_equal(&hash, &[0; 32]).is_ok());
    }
    match current {
        Some(secret) => Ok(Authentication::Secret { key_id: secret.key_id.clone() }),
        // Only whoever has the secret learns that it is one.
        None if is_expired => Err(Refusal::expired_secret(&client.app_id)),
        None => Err(Refusal::invalid_secret(&client.app_id)),
    }
}

fn check_assertion<'r>(
    text: &'r str,
    client: &Client,
    context: &Context<'_>,
) -> Result<Authentication<'r>, Refusal> {
    let unverified = Unverified::decode(text).map_err(|error| malformed(&error))?;
    let Some(issuer) = unverified.claimed_issuer() else {
        return Err(Refusal::malformed_assertion("`iss` is missing"));
    };
    if !issuer.eq_ignore_ascii_case(&client.app_id) {
        // Whatever can be refused without the issuer's keys is, or anyone could make the server fetch anything.
        let credential = federated::matching(unverified.claimed(), client)?;
        federated::check_time(unverified.claimed(), context.now)?;
        return Ok(Authentication::NeedsIssuerKeys {
            issuer: credential.issuer.clone(),
            kid: unverified.header().kid.clone(),
            assertion: Box::new(unverified),
        });
    }
    let certificate = find_certificate(unverified.header(), client, context.now)?;
    let fault = |fault| Refusal::assertion_key(fault, &hexadecimal(&certificate.sha1), &client.app_id);
    let key = PublicKey::from_certificate(&certificate.der).map_err(|_| fault(KeyFault::BadSignature))?;
    let verified = unverified.verify(&key).map_err(|error| match error {
        JwtError::Algorithm(_) => malformed(&error),
        _ => fault(KeyFault::BadSignature),
    })?;
    let (jti, expires) = check_claims(verified.claims(), client, context)?;
    Ok(Authentication::Certificate {
        key_id: certificate.key_id.clone(),
        thumbprint_hex: hexadecimal(&certificate.sha1),
        jti,
        expires,
    })
}

pub(crate) fn malformed(error: &JwtError) -> Refusal {
    Refusal::malformed_assertion(&error.to_string())
}

/// The certificate that the header names: by all thumbprints that it has, else by a `kid` that is one.
fn find_certificate<'c>(
    header: &Header,
    client: &'c Client,
    now: Timestamp,
) -> Result<&'c ClientCertificate, Refusal> {
    let by_kid = header.kid.as_deref().and_then(thumbprint);
    let (sha1, sha256) = match (&header.x5t, &header.x5t_s256, &by_kid) {
        (None, None, Some(print)) if print.len() == 20 => (Some(print), None),
        (None, None, Some(print)) => (None, Some(print)),
        (sha1, sha256, _) => (sha1.as_ref(), sha256.as_ref()),
    };
    let named = sha1.or(sha256).map_or_else(String::new, |print| hexadecimal(print));
    let is_named = |certificate: &&ClientCertificate| {
        sha1.is_none_or(|print| *print == certificate.sha1)
            && sha256.is_none_or(|print| *print == certificate.sha256)
    };
    let fault = |fault| Refusal::assertion_key(fault, &named, &client.app_id);
    if sha1.is_none() && sha256.is_none() {
        return Err(fault(KeyFault::NotFound));
    }
    // A certificate may be registered twice, on the application and on the service principal.
    let mut outcome = Err(fault(KeyFault::NotFound));
    for certificate in client.certificates.iter().filter(is_named) {
        if certificate.end <= now {
            outcome = Err(fault(KeyFault::Expired));
        } else if now < certificate.start {
            outcome = Err(fault(KeyFault::NotYetValid));
        } else {
            return Ok(certificate);
        }
    }
    outcome
}

/// Subject, audience and time of an assertion whose issuer is the client.
fn check_claims(
    claims: &Claims,
    client: &Client,
    context: &Context<'_>,
) -> Result<(Option<String>, Timestamp), Refusal> {
    // RFC 7523 section 3 (2): the subject must be the client.
    if !claims.sub.as_deref().is_some_and(|subject| subject.eq_ignore_ascii_case(&client.app_id)) {
        return Err(Refusal::subject_mismatch());
    }
    let is_ours = |audience: &String| {
        let audience = audience.trim_end_matches('/');
        context.audiences.iter().any(|own| own.trim_end_matches('/').eq_ignore_ascii_case(audience))
    };
    if !claims.aud.iter().any(is_ours) {
        return Err(Refusal::assertion_audience(&claims.aud.join(" ")));
    }
    let out_of_time = || Refusal::assertion_time(context.now, claims.nbf.or(claims.iat), claims.exp);
    let expires = claims.exp.filter(|_| is_current(claims, context.now, LEEWAY)).ok_or_else(out_of_time)?;
    let one_time = client.application.as_ref().is_some_and(|application| application.one_time_assertions);
    if one_time && claims.jti.is_none() {
        return Err(Refusal::malformed_assertion("`jti` is missing"));
    }
    if one_time && expires > context.now.plus(ONE_TIME_LIFETIME_MAX + LEEWAY) {
        return Err(out_of_time());
    }
    Ok((claims.jti.clone(), expires.plus(LEEWAY)))
}
