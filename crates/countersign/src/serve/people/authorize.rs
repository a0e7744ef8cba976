//! `/authorize` and the sign-in behind it: who is there, and where the code goes.

use std::net::IpAddr;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use countersign_model::time::Timestamp;
use countersign_store::entity::USER;
use countersign_store::{GrantState, Record, SignInRecord, Tenant};
use countersign_token::refusal::Refusal;
use countersign_token::request::Endpoint;
use countersign_token::{pkce, totp};
use serde_json::{Map, Value as Json, json};

use super::pages::{self, SignIn};
use super::{
    AUTHORIZATION_CODE, CODE_LIFE, SIGN_IN, SIGN_IN_LIFE, find, hash, is_registered, is_revoked, keep, text,
};
use crate::serve::sign_in::{Attempt, Person};
use crate::serve::token::TokenCall;
use crate::serve::{Server, directory, ids, log};

/// Forms of one sign-in, right or wrong, before it must begin anew.
const TRIES_MAX: i64 = 5;

/// A request to sign a person in.
pub(crate) struct Request<'a> {
    /// Out of the path; `common` and `organizations` are the one tenant of a server that has one.
    pub(crate) tenant: &'a str,
    pub(crate) parameters: &'a Map<String, Json>,
    pub(crate) now: Timestamp,
}

/// Fields of a form or a query; of those that come twice the first.
pub(crate) fn parameters(bytes: &[u8]) -> Map<String, Json> {
    let mut parameters = Map::new();
    for (name, value) in form_urlencoded::parse(bytes).take(64) {
        parameters.entry(name.into_owned()).or_insert_with(|| value.into_owned().into());
    }
    parameters
}

/// Scheme and host of an address, for a policy.
pub(super) fn origin(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else { return String::new() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_plain =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    if is_plain(scheme) && is_plain(authority) { format!("{scheme}://{authority}") } else { String::new() }
}

/// The tenant that people mean by a name.
pub(crate) async fn tenant_of(server: &Server, name: &str, now: Timestamp) -> Result<Tenant, Refusal> {
    let transient = |error| {
        log::error("database", &error);
        Refusal::transient()
    };
    if matches!(name, "common" | "organizations") {
        let tenants = server.store.tenants().await.map_err(transient)?;
        return match <[Tenant; 1]>::try_from(tenants) {
            Ok([tenant]) => Ok(tenant),
            Err(_) => Err(Refusal::no_tenant()),
        };
    }
    let found = server.tenants.find(&server.store, name, now).await.map_err(transient)?;
    found.ok_or_else(|| Refusal::unknown_tenant(name))
}

/// Begins a sign-in. As long as client and redirect address are not known to belong together, errors are shown here and
/// sent nowhere (RFC 6749 section 4.1.2.1).
pub(crate) async fn begin(server: &Server, request: &Request<'_>) -> Response<Body> {
    match check(server, request).await {
        Ok((tenant, client, body)) => begin_sign_in(server, &tenant, &client, body, request.now).await,
        Err(Problem::Shown(refusal)) => show(&refusal),
        Err(Problem::Sent(refusal)) => send_error(request.parameters, &refusal, request.now),
    }
}

enum Problem {
    Shown(Refusal),
    Sent(Refusal),
}

async fn check(
    server: &Server,
    request: &Request<'_>,
) -> Result<(Tenant, String, Map<String, Json>), Problem> {
    let parameters = request.parameters;
    let get = |name: &'static str| {
        text(parameters, name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Refusal::missing_parameter(name))
    };
    let tenant = tenant_of(server, request.tenant, request.now).await.map_err(Problem::Shown)?;
    let client_id = get("client_id").map_err(Problem::Shown)?;
    let client = server.store.client(&server.store.scope(&tenant), client_id).await.map_err(|error| {
        log::error("database", &error);
        Problem::Shown(Refusal::transient())
    })?;
    let client = client
        .ok_or_else(|| Problem::Shown(Refusal::unknown_application(client_id, &tenant.display_name)))?;
    let redirect_uri = get("redirect_uri").map_err(Problem::Shown)?;
    let registered =
        client.application.as_ref().map_or(&[] as &[String], |application| &application.redirect_uris);
    if !is_registered(registered, redirect_uri) {
        return Err(Problem::Shown(Refusal::redirect_mismatch(redirect_uri, client_id)));
    }
    crate::serve::token::check_client(&client, &tenant).map_err(Problem::Sent)?;
    if get("response_type").map_err(Problem::Sent)? != "code" {
        return Err(Problem::Sent(Refusal::invalid_parameter("response_type")));
    }
    let mode = text(parameters, "response_mode").unwrap_or("query");
    if !matches!(mode, "query" | "fragment" | "form_post") {
        return Err(Problem::Sent(Refusal::invalid_parameter("response_mode")));
    }
    let challenge = text(parameters, "code_challenge");
    let method = text(parameters, "code_challenge_method").unwrap_or("plain");
    match challenge {
        Some(challenge) if method == "S256" && pkce::is_challenge(challenge) => {}
        Some(_) => return Err(Problem::Sent(Refusal::invalid_parameter("code_challenge_method"))),
        // RFC 9700 section 2.1.1: a public client without PKCE could be robbed of its code.
        None if client.application.as_ref().is_some_and(|application| application.is_public) => {
            return Err(Problem::Sent(Refusal::missing_parameter("code_challenge")));
        }
        None => {}
    }
    let scope = get("scope").map_err(Problem::Sent)?;
    check_prompt(text(parameters, "prompt").unwrap_or_default()).map_err(Problem::Sent)?;
    let body = directory::object(json!({
        "purpose": "code",
        "client_id": client.app_id,
        "client_name": client.display_name,
        "redirect_uri": redirect_uri,
        "response_mode": mode,
        "scope": scope,
        "state": text(parameters, "state"),
        "nonce": text(parameters, "nonce"),
        "challenge": challenge,
        "login_hint": text(parameters, "login_hint"),
    }));
    Ok((tenant, client.display_name.clone(), body))
}

/// `OpenID` Connect Core section 3.1.2.1. There are no sessions: everybody who comes is asked who they are, so `none` cannot be
/// had and every other value is what happens anyway.
fn check_prompt(prompt: &str) -> Result<(), Refusal> {
    let values: Vec<&str> = prompt.split_whitespace().collect();
    match values.as_slice() {
        ["none"] => Err(Refusal::login_required()),
        values if values.contains(&"none") => Err(Refusal::invalid_parameter("prompt")),
        _ => Ok(()),
    }
}

/// Shows the first page of a sign-in that is to end as `body` says.
pub(super) async fn begin_sign_in(
    server: &Server,
    tenant: &Tenant,
    client: &str,
    body: Map<String, Json>,
    now: Timestamp,
) -> Response<Body> {
    let hint = text(&body, "login_hint").unwrap_or_default().to_owned();
    let form_action = form_action(server, &body).await;
    let handle = match keep(server, SIGN_IN, &tenant.id, None, now.plus(SIGN_IN_LIFE), body).await {
        Ok(handle) => handle,
        Err(error) => return broken(&error),
    };
    pages::password(&SignIn {
        tenant: &tenant.display_name,
        client,
        handle: &handle,
        login_hint: &hint,
        problem: None,
        form_action: &form_action,
        external: server.config.oidc.as_ref().map(|oidc| oidc.label.as_str()),
    })
}

/// Where the forms of a sign-in may lead: to the client, and to the other provider.
async fn form_action(server: &Server, sign_in: &Map<String, Json>) -> String {
    let client = text(sign_in, "redirect_uri").map(origin).unwrap_or_default();
    match super::external::origin(server).await {
        Some(provider) => format!("{client} {provider}"),
        None => client,
    }
}

fn broken(error: &anyhow::Error) -> Response<Body> {
    log::error("sign-in", &format!("{error:#}"));
    pages::message(
        StatusCode::SERVICE_UNAVAILABLE,
        "Something went wrong",
        "The sign-in could not be carried out. Try again in a moment.",
    )
}

/// Where a form came from.
pub(crate) struct Sender<'a> {
    pub(crate) ip: IpAddr,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) base: &'a str,
}

/// A form of a sign-in page.
pub(crate) async fn submit(
    server: &Server,
    form: &Map<String, Json>,
    sender: &Sender<'_>,
    now: Timestamp,
) -> Response<Body> {
    let handle = text(form, "handle").unwrap_or_default();
    let found = match find(server, SIGN_IN, handle, now).await {
        Ok(found) => found,
        Err(error) => return broken(&error.into()),
    };
    let Some(mut sign_in) = found else { return expired() };
    match step(server, &mut sign_in, form, sender, now).await {
        Ok(Step::Done(user)) => {
            // Taken, so that the same form cannot be sent twice.
            match server.store.take_grant(&hash(server, SIGN_IN, handle)).await {
                Ok(true) => complete(server, &sign_in, &user, now).await,
                Ok(false) => expired(),
                Err(error) => broken(&error.into()),
            }
        }
        Ok(Step::AskCode(problem)) => ask(server, &sign_in, handle, problem, now, Asked::Code).await,
        Ok(Step::AskPassword(problem)) => {
            ask(server, &sign_in, handle, Some(problem), now, Asked::Password).await
        }
        Err(error) => broken(&error),
    }
}

fn expired() -> Response<Body> {
    pages::message(
        StatusCode::BAD_REQUEST,
        "The sign-in has ended",
        "It was left open for too long or has been used. Go back to where you came from and begin again.",
    )
}

enum Step {
    Done(Box<Record>),
    AskPassword(&'static str),
    AskCode(Option<&'static str>),
}

enum Asked {
    Password,
    Code,
}

async fn ask(
    server: &Server,
    sign_in: &GrantState,
    handle: &str,
    problem: Option<&'static str>,
    now: Timestamp,
    asked: Asked,
) -> Response<Body> {
    let tenant = match server.tenants.find(&server.store, &sign_in.tenant_id, now).await {
        Ok(Some(tenant)) => tenant,
        Ok(None) => return expired(),
        Err(error) => return broken(&error.into()),
    };
    let form_action = form_action(server, &sign_in.body).await;
    let page = SignIn {
        tenant: &tenant.display_name,
        client: text(&sign_in.body, "client_name").unwrap_or_default(),
        handle,
        login_hint: text(&sign_in.body, "login_hint").unwrap_or_default(),
        problem,
        form_action: &form_action,
        external: server.config.oidc.as_ref().map(|oidc| oidc.label.as_str()),
    };
    match asked {
        Asked::Password => pages::password(&page),
        Asked::Code => pages::code(&page),
    }
}

/// One step of a sign-in: the password first, then the code where the person has an authenticator.
async fn step(
    server: &Server,
    sign_in: &mut GrantState,
    form: &Map<String, Json>,
    sender: &Sender<'_>,
    now: Timestamp,
) -> anyhow::Result<Step> {
    const WRONG: &str = "The user name or the password is wrong.";
    // Counted before anything is looked at: forms sent at the same time are as many tries.
    if !server.store.count_try(&sign_in.hash, TRIES_MAX).await? {
        return Ok(Step::AskPassword("Too many tries. Go back and begin again."));
    }
    let Some(tenant) = server.tenants.find(&server.store, &sign_in.tenant_id, now).await? else {
        return Ok(Step::AskPassword(WRONG));
    };
    let mut scoped = server.store.begin(&server.store.scope(&tenant)).await?;
    if let (Some(code), Some(user_id)) = (text(form, "code"), sign_in.user_id.clone()) {
        let password_time =
            sign_in.body.get("password_time").and_then(Json::as_i64).map_or(Timestamp(0), Timestamp);
        let is_allowed = |user: &Record| is_active(user) && !is_revoked(user, password_time);
        let Some(user) = scoped.get(&USER, &user_id).await?.filter(is_allowed) else {
            return Ok(Step::AskPassword(WRONG));
        };
        if !server.limits.code(&user.id) {
            return Ok(Step::AskCode(Some("Too many codes were tried. Wait a while.")));
        }
        let mut secrets = scoped.user_secrets(&user.id).await?.unwrap_or_default();
        let last = (secrets.totp_last_step > 0).then_some(secrets.totp_last_step);
        let secret = secrets.totp_secret.clone().unwrap_or_default();
        if let Some(step) = totp::verify(&secret, code.trim(), last, now) {
            secrets.totp_last_step = step;
            scoped.set_user_secrets(&user.id, &secrets).await?;
            scoped.commit().await?;
            return Ok(Step::Done(Box::new(user)));
        }
        drop(scoped);
        failed_try(server, sign_in, Some(&user), sender, now).await?;
        return Ok(Step::AskCode(Some("That code is wrong or was used already.")));
    }
    let name = text(form, "user").unwrap_or_default().to_ascii_lowercase();
    let user = scoped.get_by(&USER, "user_principal_name", &name).await?.filter(is_active);
    let secrets = match &user {
        Some(user) => scoped.user_secrets(&user.id).await?,
        None => None,
    };
    // Not while the database is held: a password takes tens of milliseconds.
    drop(scoped);
    let password = text(form, "password").unwrap_or_default().to_owned();
    let allowed = server.limits.password(&name);
    let hash = secrets.as_ref().and_then(|secrets| secrets.password_hash.clone());
    let is_right = server.passwords.verify(password, hash).await;
    sign_in.body.insert("login_hint".into(), name.into());
    match user {
        Some(user) if is_right && allowed => {
            if secrets.is_some_and(|secrets| secrets.totp_secret.is_some()) {
                sign_in.user_id = Some(user.id);
                sign_in.body.insert("password_time".into(), now.0.into());
                server.store.update_grant(sign_in).await?;
                return Ok(Step::AskCode(None));
            }
            Ok(Step::Done(Box::new(user)))
        }
        user => {
            failed_try(server, sign_in, user.as_ref(), sender, now).await?;
            Ok(Step::AskPassword(if allowed { WRONG } else { "Too many tries. Wait a minute." }))
        }
    }
}

/// Keeps a try that failed in the sign-in log.
async fn failed_try(
    server: &Server,
    sign_in: &mut GrantState,
    user: Option<&Record>,
    sender: &Sender<'_>,
    now: Timestamp,
) -> anyhow::Result<()> {
    // The answer is the same either way; the limit slows down whoever guesses.
    if let Err(wait) = server.limits.refused(sender.ip) {
        tokio::time::sleep(wait.min(std::time::Duration::from_secs(5))).await;
    }
    server.store.update_grant(sign_in).await?;
    let call = TokenCall {
        endpoint: Endpoint::V2,
        tenant: &sign_in.tenant_id,
        headers: sender.headers,
        query: None,
        body: &[],
        base: sender.base,
        ip: sender.ip,
        now,
    };
    let request_id = ids::ordered(now)?;
    let mut attempt = Attempt::new(server, request_id, &request_id.to_string(), &call);
    attempt.tenant_id = Some(sign_in.tenant_id.clone());
    attempt.client_id = text(&sign_in.body, "client_id").unwrap_or_default().to_owned();
    attempt.person = Some(Person {
        id: user.map(|user| user.id.clone()).unwrap_or_default(),
        name: user.and_then(|user| user.text("displayName")).unwrap_or_default().to_owned(),
        user_principal_name: text(&sign_in.body, "login_hint").unwrap_or_default().to_owned(),
        is_interactive: true,
    });
    attempt.settle(Some(&Refusal::invalid_user_or_password()));
    let record = SignInRecord { tenant_id: sign_in.tenant_id.clone(), time: now, line: attempt.line() };
    server.store.journal().append(record).await?;
    Ok(())
}

pub(super) fn is_active(user: &Record) -> bool {
    user.deleted.is_none() && user.flag("accountEnabled") == Some(true)
}

/// The person is known: on to where the sign-in was for.
pub(super) async fn complete(
    server: &Server,
    sign_in: &GrantState,
    user: &Record,
    now: Timestamp,
) -> Response<Body> {
    if text(&sign_in.body, "purpose") == Some("device") {
        return super::device::confirm(server, sign_in, user, now).await;
    }
    let mut body = Map::new();
    for name in ["client_id", "redirect_uri", "scope", "nonce", "challenge"] {
        body.insert(name.to_owned(), sign_in.body.get(name).cloned().unwrap_or(Json::Null));
    }
    body.insert("auth_time".into(), now.0.into());
    let user_id = Some(user.id.clone());
    let kept = keep(server, AUTHORIZATION_CODE, &sign_in.tenant_id, user_id, now.plus(CODE_LIFE), body).await;
    match kept {
        Ok(code) => send(&sign_in.body, &[("code", &code)]),
        Err(error) => broken(&error),
    }
}

/// Sends an answer to where the client waits.
fn send(parameters: &Map<String, Json>, fields: &[(&str, &str)]) -> Response<Body> {
    let redirect_uri = text(parameters, "redirect_uri").unwrap_or_default();
    let mut all = fields.to_vec();
    if let Some(state) = text(parameters, "state") {
        all.push(("state", state));
    }
    let mode = text(parameters, "response_mode").unwrap_or("query");
    if mode == "form_post" {
        return pages::form_post(redirect_uri, &all);
    }
    let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(&all).finish();
    let separator = match mode {
        "fragment" => '#',
        _ if redirect_uri.contains('?') => '&',
        _ => '?',
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    match HeaderValue::from_str(&format!("{redirect_uri}{separator}{encoded}")) {
        Ok(location) => {
            response.headers_mut().insert(header::LOCATION, location);
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(_) => show(&Refusal::invalid_parameter("redirect_uri")),
    }
}

fn send_error(parameters: &Map<String, Json>, refusal: &Refusal, now: Timestamp) -> Response<Body> {
    let description = refusal.description("", "", now);
    send(parameters, &[("error", refusal.error()), ("error_description", &description)])
}

fn show(refusal: &Refusal) -> Response<Body> {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    pages::message(status, "Sign-in is not possible", &format!("AADSTS{}: {}", refusal.code, refusal.text))
}
