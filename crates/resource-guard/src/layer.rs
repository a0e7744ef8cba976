//! The layer: a request with a good token goes on, any other is answered here.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use countersign_access::continuous::Challenge;
use countersign_token::jwt::Unverified;
use http::header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::check::Caller;
use crate::table::Verdict;
use crate::{Guard, clock};

/// When to come back where it cannot be told whether a token is good, in seconds: as long as it takes to settle after a gap.
const RETRY_AFTER_SECONDS: u16 = 5;

/// Goes around a service, which then gets only requests with a good token, and a [`Caller`] in their extensions.
#[derive(Clone, Debug)]
pub struct GuardLayer {
    guard: Guard,
    roles: Arc<[String]>,
}

impl GuardLayer {
    pub(crate) fn new(guard: Guard) -> Self {
        Self { guard, roles: Arc::default() }
    }

    /// Asks for an application role. Said several times, any one suffices.
    #[must_use]
    pub fn require_role(self, role: impl Into<String>) -> Self {
        let roles = self.roles.iter().cloned().chain([role.into()]).collect();
        Self { roles, ..self }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { layer: self.clone(), inner }
    }
}

/// A service behind a [`GuardLayer`].
#[derive(Clone)]
pub struct Guarded<S> {
    layer: GuardLayer,
    inner: S,
}

impl<S> fmt::Debug for Guarded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("layer", &self.layer).finish_non_exhaustive()
    }
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The one that was made ready is called, and its clone is made ready next.
        let inner = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, inner);
        let layer = self.layer.clone();
        Box::pin(async move {
            let token = bearer(request.headers()).map(str::to_owned);
            match layer.admit(token.as_deref()).await {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    inner.call(request).await
                }
                Err(refused) => Ok(layer.answer(refused)),
            }
        })
    }
}

/// Why a request does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// There is no token.
    Missing,
    /// There is one that is not good.
    Invalid,
    /// There is one that was, with what its client can answer.
    Challenged(Challenge),
    /// Its holder has none of the roles.
    Role,
    /// Whether it is good cannot be told.
    Unavailable,
}

impl GuardLayer {
    async fn admit(&self, token: Option<&str>) -> Result<Caller, Refused> {
        let following = &self.guard.0.following;
        let unverified = Unverified::decode(token.ok_or(Refused::Missing)?).map_err(|_| Refused::Invalid)?;
        let keys = following.keys.with(&following.issuer, unverified.header().kid.as_deref()).await;
        let now = clock::now();
        let (caller, facts) = following.rules.verify(unverified, &keys, now).map_err(|_| Refused::Invalid)?;
        match following.decide(&facts, now) {
            Verdict::Accept => {}
            Verdict::Challenge(challenge) => return Err(Refused::Challenged(challenge)),
            Verdict::Refuse => return Err(Refused::Invalid),
            Verdict::Unavailable => return Err(Refused::Unavailable),
        }
        if !self.roles.is_empty() && !self.roles.iter().any(|role| caller.roles.contains(role)) {
            return Err(Refused::Role);
        }
        Ok(caller)
    }

    fn answer<R: Default>(&self, refused: Refused) -> Response<R> {
        let inner = &self.guard.0;
        let (authorization_uri, client_id) = (&inner.authorization_uri, inner.resource);
        let plain = || {
            format!("Bearer realm=\"\", authorization_uri=\"{authorization_uri}\", client_id=\"{client_id}\"")
        };
        let (status, authenticate) = match refused {
            // RFC 6750 section 3.1: no error code for who has not said anything yet.
            Refused::Missing => (StatusCode::UNAUTHORIZED, Some(plain())),
            Refused::Invalid => {
                (StatusCode::UNAUTHORIZED, Some(format!("{}, error=\"invalid_token\"", plain())))
            }
            Refused::Challenged(challenge) => {
                (StatusCode::UNAUTHORIZED, Some(challenge.www_authenticate(authorization_uri, client_id)))
            }
            Refused::Role => (StatusCode::FORBIDDEN, None),
            Refused::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, None),
        };
        let mut response = Response::new(R::default());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(Ok(value)) = authenticate.map(HeaderValue::try_from) {
            headers.insert(WWW_AUTHENTICATE, value);
        }
        if refused == Refused::Unavailable {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        response
    }
}

/// The token of the one `Authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}
