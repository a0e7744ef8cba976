//! Sign-in with another provider (`OpenID` Connect): it says who the person is, the directory says what they may.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_model::time::{SECOND, Timestamp};
use countersign_store::GrantState;
use countersign_store::entity::USER;
use countersign_token::jwt::{Claims, Unverified};
use serde_json::{Map, Value as Json, json};

use super::{SIGN_IN, SIGN_IN_LIFE, authorize, find, hash, keep, pages, text};
use crate::serve::{Server, directory, ids, log};

/// What waits while the person is at the other provider.
const EXTERNAL: &str = "external_sign_in";
/// Ties the way to the other provider and back to one browser: whoever began a sign-in elsewhere cannot let somebody else
/// finish it (OpenID Connect Core section 3.1.2.1, on `state`). The prefix keeps other hosts from setting it (RFC 6265bis
/// section 4.1.3.2).
const COOKIE: &str = "__Host-countersign-browser";
/// How far clocks may differ.
const LEEWAY: i64 = 300 * SECOND;

/// How long a page of ours waits to learn where the provider's is.
const DISCOVERY_TIME: Duration = Duration::from_secs(2);

/// Where the other provider's page is: its origin, as its discovery document said last.
#[derive(Default)]
pub(crate) struct Provider {
    origin: Mutex<Option<String>>,
}

impl Provider {
    fn known(&self) -> Option<String> {
        self.origin.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn learn(&self, endpoint: &str) -> String {
        let origin = authorize::origin(endpoint);
        *self.origin.lock().unwrap_or_else(PoisonError::into_inner) = Some(origin.clone());
        origin
    }
}

/// The origin that the button of the other provider leads to. It need not be the issuer's, which stands in for it as long
/// as the provider cannot be asked.
pub(super) async fn origin(server: &Server) -> Option<String> {
    let oidc = server.config.oidc.as_ref()?;
    if let Some(known) = server.provider.known() {
        return Some(known);
    }
    let document = tokio::time::timeout(DISCOVERY_TIME, server.issuers.discover(&oidc.issuer)).await;
    let endpoint = document.ok().and_then(Result::ok).and_then(|document| {
        document["authorization_endpoint"].as_str().map(|endpoint| server.provider.learn(endpoint))
    });
    Some(endpoint.unwrap_or_else(|| authorize::origin(&oidc.issuer)))
}

/// Sends the person to the other provider.
pub(crate) async fn begin(
    server: &Server,
    form: &Map<String, Json>,
    headers: &HeaderMap,
    base: &str,
    now: Timestamp,
) -> Response<Body> {
    match redirect(server, form, headers, base, now).await {
        Ok(location) => location,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> Response<Body> {
    log::error("sign-in", &format!("{error:#}"));
    pages::message(
        StatusCode::BAD_GATEWAY,
        "Sign-in is not possible",
        "The other provider did not answer as it should. Its administrator finds the reason in the server's log.",
    )
}

async fn redirect(
    server: &Server,
    form: &Map<String, Json>,
    headers: &HeaderMap,
    base: &str,
    now: Timestamp,
) -> Result<Response<Body>> {
    let oidc = server.config.oidc.as_ref().context("no other provider is configured")?;
    let handle = text(form, "handle").unwrap_or_default();
    let sign_in = find(server, SIGN_IN, handle, now).await?.context("the sign-in has ended")?;
    let document = server.issuers.discover(&oidc.issuer).await?;
    let endpoint = document["authorization_endpoint"].as_str().context("no `authorization_endpoint`")?;
    server.provider.learn(endpoint);
    let (nonce, verifier) =
        (URL_SAFE_NO_PAD.encode(ids::random::<32>()?), URL_SAFE_NO_PAD.encode(ids::random::<32>()?));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    let redirect_uri = format!("{base}/signin/callback");
    // One for all sign-ins of a browser, which may have several windows.
    let browser = match browser(headers) {
        Some(browser) => browser.to_owned(),
        None => URL_SAFE_NO_PAD.encode(ids::random::<32>()?),
    };
    let body = directory::object(json!({
        "browser": browser_hash(server, &browser),
        "handle": handle,
        "nonce": nonce,
        "verifier": verifier,
        "redirect_uri": redirect_uri,
    }));
    let state = keep(server, EXTERNAL, &sign_in.tenant_id, None, now.plus(SIGN_IN_LIFE), body).await?;
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &oidc.client_id)
        .append_pair("response_type", "code")
        .append_pair("redirect_uri", &redirect_uri)
        .append_pair("scope", "openid email profile")
        .append_pair("state", &state)
        .append_pair("nonce", &nonce)
        .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(digest))
        .append_pair("code_challenge_method", "S256")
        .finish();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let separator = if endpoint.contains('?') { '&' } else { '?' };
    let location = HeaderValue::from_str(&format!("{endpoint}{separator}{query}"))?;
    response.headers_mut().insert(header::LOCATION, location);
    // `Lax`: sent along when the other provider sends the browser back, and with no form of another page.
    let seconds = SIGN_IN_LIFE / SECOND;
    let cookie = format!("{COOKIE}={browser}; Max-Age={seconds}; Path=/; Secure; HttpOnly; SameSite=Lax");
    response.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_str(&cookie)?);
    Ok(response)
}

/// What the cookie of a browser holds.
fn browser(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let is_ours = |value: &&str| URL_SAFE_NO_PAD.decode(value).is_ok_and(|bytes| bytes.len() == 32);
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value).filter(is_ours)
}

/// What is kept of it.
fn browser_hash(server: &Server, browser: &str) -> String {
    URL_SAFE_NO_PAD.encode(hash(server, COOKIE, browser))
}

/// The person comes back.
pub(crate) async fn callback(
    server: &Server,
    query: &Map<String, Json>,
    headers: &HeaderMap,
    now: Timestamp,
) -> Response<Body> {
    match finish(server, query, headers, now).await {
        Ok(Some((sign_in, user))) => authorize::complete(server, &sign_in, &user, now).await,
        Ok(None) => pages::message(
            StatusCode::FORBIDDEN,
            "You have no account here",
            "You signed in, but no user of this tenant has that name. An administrator can add you.",
        ),
        Err(error) => failed(&error),
    }
}

async fn finish(
    server: &Server,
    query: &Map<String, Json>,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Option<(GrantState, countersign_store::Record)>> {
    let oidc = server.config.oidc.as_ref().context("no other provider is configured")?;
    let state = text(query, "state").unwrap_or_default();
    let waiting = find(server, EXTERNAL, state, now).await?.context("the state is unknown or has ended")?;
    let browser = browser(headers).map(|browser| browser_hash(server, browser));
    if browser.as_deref() != text(&waiting.body, "browser") {
        bail!("the sign-in was begun in another browser, or this one keeps no cookies");
    }
    if !server.store.take_grant(&waiting.hash).await? {
        bail!("the state was used already");
    }
    if let Some(error) = text(query, "error") {
        bail!("the provider answered `{error}`");
    }
    let code = text(query, "code").context("the provider sent no code")?;
    let secret = tokio::fs::read_to_string(&oidc.client_secret_file).await.with_context(|| {
        format!("cannot read `oidc.client_secret_file`, `{}`", oidc.client_secret_file.display())
    })?;
    let document = server.issuers.discover(&oidc.issuer).await?;
    let endpoint = document["token_endpoint"].as_str().context("no `token_endpoint`")?;
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "authorization_code")
        .append_pair("code", code)
        .append_pair("redirect_uri", text(&waiting.body, "redirect_uri").unwrap_or_default())
        .append_pair("code_verifier", text(&waiting.body, "verifier").unwrap_or_default())
        .append_pair("client_id", &oidc.client_id)
        .append_pair("client_secret", secret.trim())
        .finish();
    let answer = server.outbound.post(endpoint, form).await?;
    let id_token = answer["id_token"].as_str().context("the provider sent no id token")?;
    let claims = verify(server, &oidc.issuer, &oidc.client_id, id_token, now).await?;
    if claims.all.get("nonce").and_then(Json::as_str) != text(&waiting.body, "nonce") {
        bail!("the id token is of another sign-in");
    }
    let name = claims.all.get(&oidc.user_claim).and_then(Json::as_str);
    let name = name.with_context(|| format!("the id token has no claim `{}`", oidc.user_claim))?;
    if oidc.user_claim == "email" && !is_verified(claims.all.get("email_verified")) {
        bail!("the provider has not verified the address `{name}`");
    }
    let handle = text(&waiting.body, "handle").unwrap_or_default();
    let sign_in = find(server, SIGN_IN, handle, now).await?.context("the sign-in has ended")?;
    if !server.store.take_grant(&sign_in.hash).await? {
        bail!("the sign-in was used already");
    }
    let Some(tenant) = server.tenants.find(&server.store, &sign_in.tenant_id, now).await? else {
        return Ok(None);
    };
    let mut scoped = server.store.read(&server.store.scope(&tenant)).await?;
    let user = scoped.get_by(&USER, "user_principal_name", name).await?.filter(authorize::is_active);
    Ok(user.map(|user| (sign_in, user)))
}

/// Whether a provider says that an address is verified. Some write the boolean as a string.
fn is_verified(claim: Option<&Json>) -> bool {
    claim.is_some_and(|claim| *claim == Json::Bool(true) || claim.as_str() == Some("true"))
}

/// `OpenID` Connect Core section 3.1.3.7.
async fn verify(
    server: &Server,
    issuer: &str,
    client_id: &str,
    token: &str,
    now: Timestamp,
) -> Result<Claims> {
    let unverified = Unverified::decode(token)?;
    let kid = unverified.header().kid.clone();
    let keys = server.issuers.keys(issuer, kid.as_deref(), now).await?;
    let fitting = keys.keys().iter().filter(|jwk| kid.is_none() || jwk.kid == kid).map(|jwk| &jwk.key);
    let verified = unverified.verify_any(fitting)?;
    if !verified.is_current(now, LEEWAY) {
        bail!("the id token has expired");
    }
    let claims = verified.into_claims();
    if claims.iss.as_deref() != Some(issuer) {
        bail!("the id token is of another issuer");
    }
    if !claims.aud.iter().any(|audience| audience == client_id) {
        bail!("the id token is for another client");
    }
    Ok(claims)
}
