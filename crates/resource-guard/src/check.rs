//! Whether a token is one for this API, and whom it stands for. No I/O and no clock.

use countersign_model::time::{SECOND, Timestamp};
use countersign_token::claims::{
    self, CREDENTIAL_CLAIM, GENERATION_CLAIM, ISSUED_BACK_SECONDS, V1_ISSUER_BASE,
};
use countersign_token::federated::Jwks;
use countersign_token::jwt::{Claims, JwtError, Unverified};
use countersign_token::resource;
use serde_json::Value;
use uuid::Uuid;

use crate::table::TokenFacts;

/// How far the issuer's clock may differ.
const LEEWAY: i64 = 60 * SECOND;

/// Who calls: a verified token of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// `tid`.
    pub tenant: Uuid,
    /// The application: `appid`, or `azp` of version 2.
    pub app_id: String,
    /// Its service principal: `oid`.
    pub object_id: Uuid,
    /// Application roles that it was granted at this API.
    pub roles: Vec<String>,
    /// `uti`: the token, as the issuer's sign-in log names it.
    pub token_id: Option<String>,
}

/// Why a token is not taken. The caller is told that it is not, and no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It cannot be read, or nobody who is trusted signed it.
    #[error("the token cannot be verified")]
    Token(#[from] JwtError),
    /// Its time has not come, or is over.
    #[error("the token is not valid at this time")]
    Lifetime,
    /// Another issuer or tenant.
    #[error("the issuer is somebody else")]
    Issuer,
    /// For another API.
    #[error("the audience is somebody else")]
    Audience,
    /// Not an application's own token.
    #[error("the token is not an application's own")]
    NotAnApplication,
}

/// What tokens must say.
#[derive(Clone, Debug)]
pub struct Rules {
    tenant: Uuid,
    issuers: [String; 2],
    /// By [`resource::key`].
    audiences: Vec<String>,
}

impl Rules {
    /// Tokens of a tenant of the issuer at `base`, of version 1 or 2, for one of these audiences: appId or identifier URIs.
    pub fn new(base: &str, tenant: Uuid, audiences: &[String]) -> Self {
        let id = tenant.to_string();
        Self {
            tenant,
            issuers: [claims::issuer(2, base, &id), claims::issuer(1, V1_ISSUER_BASE, &id)],
            audiences: audiences.iter().map(|audience| resource::key(audience)).collect(),
        }
    }

    /// `iss` of tokens of version 2, and of events.
    pub fn issuer(&self) -> &str {
        let [issuer, _] = &self.issuers;
        issuer
    }

    /// Checks signature, times, issuer, audience and kind.
    pub fn verify(
        &self,
        unverified: Unverified<'_>,
        keys: &Jwks,
        now: Timestamp,
    ) -> Result<(Caller, TokenFacts), Invalid> {
        // An event is signed by the same keys, and is no token.
        if unverified.header().typ.as_deref().is_some_and(|typ| !typ.eq_ignore_ascii_case("jwt")) {
            return Err(JwtError::Member("typ").into());
        }
        let verified = keys.verify(unverified)?;
        if !verified.is_current(now, LEEWAY) {
            return Err(Invalid::Lifetime);
        }
        let claims = verified.into_claims();
        let is_ours = claims.iss.as_ref().is_some_and(|issuer| self.issuers.contains(issuer));
        if !is_ours || claims.tid.as_deref().and_then(guid) != Some(self.tenant) {
            return Err(Invalid::Issuer);
        }
        if !claims.aud.iter().any(|audience| self.audiences.contains(&resource::key(audience))) {
            return Err(Invalid::Audience);
        }
        let principal = claims.oid.as_deref().and_then(guid);
        let (Some("app"), Some(principal)) = (claims.idtyp.as_deref(), principal) else {
            return Err(Invalid::NotAnApplication);
        };
        let facts = TokenFacts {
            principal,
            issued_at: issued_at(&claims),
            is_cae: claims.xms_cc.iter().any(|capability| capability.eq_ignore_ascii_case("cp1")),
            generation: claims.all.get(GENERATION_CLAIM).and_then(Value::as_u64).unwrap_or_default(),
            key_id: claims.all.get(CREDENTIAL_CLAIM).and_then(Value::as_str).and_then(guid),
        };
        let caller = Caller {
            tenant: self.tenant,
            app_id: claims.app_id.unwrap_or_default(),
            object_id: principal,
            roles: claims.roles,
            token_id: claims.uti,
        };
        Ok((caller, facts))
    }
}

/// `iat` lies five minutes back, unless a challenge asked for more; the millisecond is in `uti`, where the issuer writes one
/// that has a time, which is believed as far as `iat` bears it out. Neither is later than it was.
fn issued_at(claims: &Claims) -> Timestamp {
    let request = claims.uti.as_deref().and_then(claims::request_of_uti);
    let told = request.filter(|id| id.get_version_num() == 7).and_then(|id| {
        let (seconds, nanos) = id.get_timestamp()?.to_unix();
        let micros = i64::try_from(seconds).ok()?.checked_mul(SECOND)?;
        Some(Timestamp(micros).plus(i64::from(nanos / 1_000)))
    });
    let iat = claims.iat.unwrap_or(Timestamp(0));
    let longest = (ISSUED_BACK_SECONDS + 1) * SECOND;
    told.filter(|told| (0..=longest).contains(&told.since(iat))).unwrap_or(iat)
}

fn guid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok()
}

#[cfg(test)]
mod tests;
