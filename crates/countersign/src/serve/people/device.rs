//! The device code flow (RFC 8628): a script shows a code, a person enters it where there is a browser.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use countersign_model::time::{SECOND, Timestamp};
use countersign_store::{GrantState, Record};
use countersign_token::refusal::Refusal;
use serde_json::{Map, Value as Json, json};

use super::pages;
use super::{DEVICE_CODE, SIGN_IN_LIFE, USER_CODE, authorize, find, hash, keep, keep_as, text};
use crate::serve::{Server, directory, ids, log};

/// Letters of a user code: no vowels, so that no words come out, and nothing that looks like something else.
const LETTERS: &[u8; 16] = b"BCDFGHJKLMPQRTVX";
/// Letters in a user code: 32 bits, for a quarter of an hour, behind a limit.
const LENGTH: usize = 8;
/// Seconds between two questions of a device.
pub(crate) const INTERVAL_SECONDS: u64 = 5;
/// What waits for the person's yes after the sign-in.
const CONFIRMATION: &str = "device_confirmation";

/// `/devicecode`: the codes of a new flow.
pub(crate) async fn begin(
    server: &Server,
    tenant_name: &str,
    parameters: &Map<String, Json>,
    base: &str,
    now: Timestamp,
) -> Result<Json, Refusal> {
    let broken = |error: anyhow::Error| {
        log::error("sign-in", &format!("{error:#}"));
        Refusal::transient()
    };
    let tenant = authorize::tenant_of(server, tenant_name, now).await?;
    let client_id = text(parameters, "client_id").ok_or_else(|| Refusal::missing_parameter("client_id"))?;
    let scope = text(parameters, "scope").ok_or_else(|| Refusal::missing_parameter("scope"))?;
    let client = server.store.client(&server.store.scope(&tenant), client_id).await;
    let client = client.map_err(|error| broken(error.into()))?;
    let client = client.ok_or_else(|| Refusal::unknown_application(client_id, &tenant.display_name))?;
    crate::serve::token::check_client(&client, &tenant)?;
    // Whoever gets the code gets the token: a client that can prove who it is would have to at the token endpoint anyway.
    if !client.application.as_ref().is_some_and(|application| application.is_public) {
        return Err(Refusal::credential_required());
    }
    let body = directory::object(json!({
        "client_id": client.app_id,
        "client_name": client.display_name,
        "scope": scope,
        "status": "pending",
    }));
    let expires = now.plus(SIGN_IN_LIFE);
    let device_code = keep(server, DEVICE_CODE, &tenant.id, None, expires, body).await.map_err(broken)?;
    let letters = ids::random::<LENGTH>().map_err(broken)?;
    let user_code: String = letters.iter().map(|byte| char::from(LETTERS[usize::from(byte & 15)])).collect();
    let pointer = directory::object(json!({ "device_code": device_code }));
    keep_as(server, &user_code, USER_CODE, &tenant.id, None, expires, pointer)
        .await
        .map_err(|error| broken(error.into()))?;
    let address = format!("{base}/device");
    Ok(json!({
        "user_code": user_code,
        "device_code": device_code,
        "verification_uri": address,
        "verification_url": address,
        "expires_in": SIGN_IN_LIFE / SECOND,
        "interval": INTERVAL_SECONDS,
        "message": format!("To sign in, open {address} in a browser and enter the code {user_code}."),
    }))
}

/// `/device`: the form for the code.
pub(crate) fn ask(parameters: &Map<String, Json>) -> Response<Body> {
    pages::user_code(None, text(parameters, "user_code").unwrap_or_default())
}

/// The code was entered: on to the sign-in.
pub(crate) async fn enter(
    server: &Server,
    form: &Map<String, Json>,
    ip: std::net::IpAddr,
    now: Timestamp,
) -> Response<Body> {
    let given: String = text(form, "user_code")
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_alphabetic)
        .map(|letter| letter.to_ascii_uppercase())
        .take(LENGTH + 1)
        .collect();
    // Guessing user codes is what this limit is for.
    let is_slow = server.limits.refused(ip).is_ok();
    let found = match find(server, USER_CODE, &given, now).await {
        Ok(found) => found.filter(|_| is_slow),
        Err(error) => return failed(&error.into()),
    };
    let Some(pointer) = found else {
        return pages::user_code(Some("There is no such code, or it has ended."), &given);
    };
    let device_code = text(&pointer.body, "device_code").unwrap_or_default();
    let device = match find(server, DEVICE_CODE, device_code, now).await {
        Ok(Some(device)) => device,
        Ok(None) => return pages::user_code(Some("That code has ended."), &given),
        Err(error) => return failed(&error.into()),
    };
    let tenant = match server.tenants.find(&server.store, &device.tenant_id, now).await {
        Ok(Some(tenant)) => tenant,
        Ok(None) => return pages::user_code(Some("That code has ended."), &given),
        Err(error) => return failed(&error.into()),
    };
    let client = text(&device.body, "client_name").unwrap_or_default().to_owned();
    let body = directory::object(json!({
        "purpose": "device",
        "device_code": device_code,
        "user_code": given,
        "client_id": text(&device.body, "client_id"),
        "client_name": client,
    }));
    authorize::begin_sign_in(server, &tenant, &client, body, now).await
}

fn failed(error: &anyhow::Error) -> Response<Body> {
    log::error("sign-in", &format!("{error:#}"));
    pages::message(StatusCode::SERVICE_UNAVAILABLE, "Something went wrong", "Try again in a moment.")
}

/// Signed in: asks once more, since somebody else may have sent the code.
pub(super) async fn confirm(
    server: &Server,
    sign_in: &GrantState,
    user: &Record,
    now: Timestamp,
) -> Response<Body> {
    let mut body = sign_in.body.clone();
    body.insert("auth_time".into(), now.0.into());
    let expires = now.plus(SIGN_IN_LIFE);
    let kept = keep(server, CONFIRMATION, &sign_in.tenant_id, Some(user.id.clone()), expires, body).await;
    match kept {
        Ok(handle) => pages::confirm_device(
            text(&sign_in.body, "client_name").unwrap_or_default(),
            user.text("userPrincipalName").unwrap_or_default(),
            &handle,
        ),
        Err(error) => failed(&error),
    }
}

/// The answer to that question.
pub(crate) async fn answer(server: &Server, form: &Map<String, Json>, now: Timestamp) -> Response<Body> {
    match settle(server, form, now).await {
        Ok(Some(true)) => pages::message(
            StatusCode::OK,
            "The device is connected",
            "You can close this window and go back to your device.",
        ),
        Ok(Some(false)) => {
            pages::message(StatusCode::OK, "The device was not connected", "You can close this window.")
        }
        Ok(None) => {
            pages::message(StatusCode::BAD_REQUEST, "The code has ended", "Start again on your device.")
        }
        Err(error) => failed(&error),
    }
}

async fn settle(server: &Server, form: &Map<String, Json>, now: Timestamp) -> anyhow::Result<Option<bool>> {
    let handle = text(form, "handle").unwrap_or_default();
    let Some(asked) = find(server, CONFIRMATION, handle, now).await? else { return Ok(None) };
    if !server.store.take_grant(&asked.hash).await? {
        return Ok(None);
    }
    let device_code = text(&asked.body, "device_code").unwrap_or_default();
    let Some(mut device) = find(server, DEVICE_CODE, device_code, now).await? else { return Ok(None) };
    // A user code is good for one device.
    let user_code = text(&asked.body, "user_code").unwrap_or_default();
    server.store.take_grant(&hash(server, USER_CODE, user_code)).await?;
    let is_yes = text(form, "answer") == Some("yes");
    device.body.insert("status".into(), if is_yes { "approved" } else { "declined" }.into());
    device.body.insert("auth_time".into(), asked.body.get("auth_time").cloned().unwrap_or(Json::Null));
    device.user_id = asked.user_id.clone();
    server.store.update_grant(&device).await?;
    Ok(Some(is_yes))
}
