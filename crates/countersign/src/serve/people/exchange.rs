//! Codes and refresh tokens for tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_model::client::{Client, Resource};
use countersign_model::time::{SECOND, Timestamp};
use countersign_store::entity::USER;
use countersign_store::{GrantState, Record, Tenant};
use countersign_token::claims::{self, AccessToken, ClientIds, IdToken, UserPart, V1_ISSUER_BASE};
use countersign_token::keys::TokenType;
use countersign_token::pkce;
use countersign_token::refusal::Refusal;
use countersign_token::request::{Endpoint, Grant, TokenRequest};
use serde_json::{Map, Value as Json, json};

use super::{
    AUTHORIZATION_CODE, DEVICE_CODE, REFRESH_LIFE, REFRESH_TOKEN, authorize, find, hash, is_revoked, text,
};
use crate::serve::sign_in::{Attempt, Person};
use crate::serve::token::{self, Issued, TokenCall};
use crate::serve::{Server, directory, ids, log};

/// Scopes that are no resource's.
const OF_OPENID: [&str; 4] = ["openid", "profile", "email", "offline_access"];
/// What is asked for when a client names no resource: our own API.
const DEFAULT_RESOURCE: &str = "https://graph.microsoft.com";

/// Gives tokens for a code or a refresh token.
pub(crate) async fn exchange(
    server: &Server,
    call: &TokenCall<'_>,
    request: &TokenRequest,
    tenant: &Tenant,
    client: &Client,
    attempt: &mut Attempt,
) -> Result<Issued, Refusal> {
    let grant = redeem(server, request, tenant, client, call.now).await?;
    let user_id = grant.user_id.as_deref().unwrap_or_default();
    let scope = server.store.scope(tenant);
    let mut scoped = server.store.read(&scope).await.map_err(token::transient)?;
    let user = scoped.get(&USER, user_id).await.map_err(token::transient)?;
    let user = user.filter(authorize::is_active).ok_or_else(Refusal::grant_revoked)?;
    let signed_in = grant.body.get("auth_time").and_then(Json::as_i64).map_or(Timestamp(0), Timestamp);
    if is_revoked(&user, signed_in) {
        return Err(Refusal::grant_revoked());
    }
    let roles = scoped.directory_roles(&user.id).await.map_err(token::transient)?;
    // Whoever holds a connection to the database does not wait for another.
    drop(scoped);
    attempt.person = Some(Person {
        id: user.id.clone(),
        name: user.text("displayName").unwrap_or_default().to_owned(),
        user_principal_name: user.text("userPrincipalName").unwrap_or_default().to_owned(),
        is_interactive: !matches!(request.grant, Grant::RefreshToken(_)),
    });
    // A refresh may ask for another resource; a code was asked for one.
    let wanted = match &request.target {
        Some(target) if !target.resource.is_empty() || !target.scopes.is_empty() => {
            (target.resource.clone(), target.scopes.clone())
        }
        _ => split(text(&grant.body, "scope").unwrap_or_default()),
    };
    let requested = if wanted.0.is_empty() { DEFAULT_RESOURCE } else { &wanted.0 };
    let resource = token::find_resource(server, tenant, requested, attempt).await?;
    let Some(principal) = &client.principal else {
        return Err(Refusal::missing_principal(&client.app_id, &tenant.id));
    };
    let mut scoped = server.store.read(&scope).await.map_err(token::transient)?;
    let granted =
        scoped.delegated_scopes(&principal.id, &resource.id, &user.id).await.map_err(token::transient)?;
    drop(scoped);
    let scopes = consented(client, &wanted.1, &as_declared(granted, &resource))?;
    let issued =
        issue(server, call, tenant, client, &resource, requested, &user, &roles, &scopes, attempt).await?;
    let asked: Vec<String> = text(&grant.body, "scope")
        .unwrap_or_default()
        .split_whitespace()
        .chain(request.target.iter().flat_map(|target| target.scopes.iter().map(String::as_str)))
        .map(str::to_owned)
        .collect();
    let asks = |scope: &str| asked.iter().any(|own| own == scope);
    // The v1.0 endpoint says the resource in a member of its own.
    let prefix = if call.endpoint == Endpoint::V1 { "" } else { &wanted.0 };
    attempt.extra.insert("scope".into(), answered(prefix, &wanted.1, &scopes).into());
    if asks("openid") {
        let id_token = id_token(server, call, tenant, client, &user, &grant.body, attempt).await?;
        attempt.extra.insert("id_token".into(), id_token.into());
        attempt.extra.insert("client_info".into(), client_info(&user, tenant).into());
    }
    if asks("offline_access") {
        let body = directory::object(json!({
            "client_id": client.app_id,
            "scope": text(&grant.body, "scope"),
            "auth_time": grant.body.get("auth_time"),
        }));
        let token = refresh_token(server, &grant, body, call.now).await?;
        attempt.extra.insert("refresh_token".into(), token.into());
    }
    Ok(issued)
}

/// A fresh refresh token. One that comes after another takes its place.
async fn refresh_token(
    server: &Server,
    grant: &GrantState,
    body: Map<String, Json>,
    now: Timestamp,
) -> Result<String, Refusal> {
    let random = || {
        ids::random::<32>().map_err(|error| {
            log::error("sign-in", &format!("{error:#}"));
            Refusal::transient()
        })
    };
    let handle = URL_SAFE_NO_PAD.encode(random()?);
    let is_first = grant.kind != REFRESH_TOKEN;
    let next = GrantState {
        hash: hash(server, REFRESH_TOKEN, &handle),
        tenant_id: grant.tenant_id.clone(),
        kind: REFRESH_TOKEN.to_owned(),
        user_id: grant.user_id.clone(),
        expires: now.plus(REFRESH_LIFE),
        family: if is_first { Some(random()?.to_vec()) } else { grant.family.clone() },
        is_used: false,
        body,
    };
    if is_first {
        server.store.put_grant(&next).await.map_err(token::transient)?;
    } else if !server.store.rotate_grant(grant, &next, now).await.map_err(token::transient)? {
        return Err(Refusal::grant_expired());
    }
    Ok(handle)
}

/// The grant behind a request, checked. A code is used up by it, a refresh token by the one that follows.
async fn redeem(
    server: &Server,
    request: &TokenRequest,
    tenant: &Tenant,
    client: &Client,
    now: Timestamp,
) -> Result<GrantState, Refusal> {
    let (kind, handle) = match &request.grant {
        Grant::AuthorizationCode { code, .. } => (AUTHORIZATION_CODE, code),
        Grant::RefreshToken(token) => (REFRESH_TOKEN, token),
        Grant::DeviceCode(code) => (DEVICE_CODE, code),
        other => return Err(Refusal::unsupported_grant(other.name())),
    };
    let found = find(server, kind, handle, now).await.map_err(token::transient)?;
    let unknown = || match kind {
        DEVICE_CODE => Refusal::device_code_expired(),
        AUTHORIZATION_CODE => Refusal::code_redeemed(),
        _ => Refusal::grant_expired(),
    };
    let grant = found.ok_or_else(unknown)?;
    if grant.tenant_id != tenant.id || text(&grant.body, "client_id") != Some(&client.app_id) {
        return Err(Refusal::grant_invalid());
    }
    match &request.grant {
        Grant::RefreshToken(_) if grant.is_used => {
            server.store.end_family(&grant, now).await.map_err(token::transient)?;
            return Err(Refusal::grant_expired());
        }
        Grant::RefreshToken(_) => return Ok(grant),
        Grant::AuthorizationCode { redirect_uri, code_verifier, .. } => {
            if redirect_uri.as_deref() != text(&grant.body, "redirect_uri") {
                return Err(Refusal::redirect_mismatch(
                    redirect_uri.as_deref().unwrap_or_default(),
                    &client.app_id,
                ));
            }
            let is_proven = match (text(&grant.body, "challenge"), code_verifier) {
                (Some(challenge), Some(verifier)) => pkce::verify_s256(challenge, verifier),
                (None, None) => true,
                _ => false,
            };
            if !is_proven {
                // Whoever tries a stolen code ends it.
                server.store.take_grant(&grant.hash).await.map_err(token::transient)?;
                return Err(Refusal::code_verifier_mismatch());
            }
        }
        Grant::DeviceCode(_) => match text(&grant.body, "status") {
            Some("approved") => {}
            Some("declined") => return Err(Refusal::authorization_declined()),
            _ if !server.limits.device(&grant.hash) => return Err(Refusal::slow_down()),
            _ => return Err(Refusal::authorization_pending()),
        },
        _ => {}
    }
    if server.store.take_grant(&grant.hash).await.map_err(token::transient)? {
        Ok(grant)
    } else {
        Err(unknown())
    }
}

/// Resource and scopes of an authorization request: `https://graph.microsoft.com/User.Read openid`.
fn split(scope: &str) -> (String, Vec<String>) {
    let mut resource = String::new();
    let mut scopes = Vec::new();
    for one in scope.split_whitespace() {
        match one.rsplit_once('/') {
            Some((named, scope)) if !OF_OPENID.contains(&one) => {
                named.clone_into(&mut resource);
                scopes.push(scope.to_owned());
            }
            _ => scopes.push(one.to_owned()),
        }
    }
    (resource, scopes)
}

/// The scopes that are both wanted and granted. `.default` wants all that is granted.
fn consented(client: &Client, wanted: &[String], granted: &[String]) -> Result<Vec<String>, Refusal> {
    let of_resource: Vec<&String> =
        wanted.iter().filter(|scope| !OF_OPENID.contains(&scope.as_str())).collect();
    let is_default = of_resource.is_empty() || of_resource.iter().any(|scope| scope.as_str() == ".default");
    let scopes: Vec<String> = if is_default {
        granted.to_vec()
    } else {
        let has = |scope: &&&String| granted.iter().any(|own| own.eq_ignore_ascii_case(scope));
        if !of_resource.iter().all(|scope| has(&scope)) {
            return Err(Refusal::consent_required(&client.app_id, &client.display_name));
        }
        granted
            .iter()
            .filter(|own| of_resource.iter().any(|scope| scope.eq_ignore_ascii_case(own)))
            .cloned()
            .collect()
    };
    if scopes.is_empty() {
        return Err(Refusal::consent_required(&client.app_id, &client.display_name));
    }
    Ok(scopes)
}

/// Scopes spelled as the resource declares them: a grant may have been written in other letters, and so may a request, but
/// who reads a token compares letter by letter.
fn as_declared(granted: Vec<String>, resource: &Resource) -> Vec<String> {
    let declared = |scope: String| {
        let own = resource.scopes.iter().find(|own| own.eq_ignore_ascii_case(&scope));
        own.cloned().unwrap_or(scope)
    };
    granted.into_iter().map(declared).collect()
}

/// The member `scope` of the answer (RFC 6749 section 5.1): what was asked for in the client's own words, since MSAL finds a
/// token again by them. Behind `.default` stands what it came to. `resource` is empty where the client named none, and
/// then scopes have no prefix either.
fn answered(resource: &str, wanted: &[String], scopes: &[String]) -> String {
    let (of_openid, of_resource): (Vec<&str>, Vec<&str>) =
        wanted.iter().map(String::as_str).partition(|scope| OF_OPENID.contains(scope));
    let is_default = of_resource.is_empty() || of_resource.contains(&".default");
    let of_resource =
        if is_default { scopes.iter().map(String::as_str).chain(of_resource).collect() } else { of_resource };
    let of_resource = of_resource.iter().map(|scope| match resource {
        "" => (*scope).to_owned(),
        resource => format!("{resource}/{scope}"),
    });
    // As in Entra's answers, `offline_access` is said by the refresh token alone.
    let of_openid = of_openid.into_iter().filter(|scope| *scope != "offline_access").map(str::to_owned);
    of_openid.chain(of_resource).collect::<Vec<_>>().join(" ")
}

#[expect(clippy::too_many_arguments, reason = "what a token says has that many sources")]
async fn issue(
    server: &Server,
    call: &TokenCall<'_>,
    tenant: &Tenant,
    client: &Client,
    resource: &Resource,
    requested: &str,
    user: &Record,
    roles: &[String],
    scopes: &[String],
    attempt: &mut Attempt,
) -> Result<Issued, Refusal> {
    let uti = claims::uti(attempt.request_id);
    let lifetime_seconds = i64::from(server.config.token_lifetime_seconds) - 1;
    let access = AccessToken {
        version: resource.token_version,
        issuer_base: if resource.token_version == 1 { V1_ISSUER_BASE } else { call.base },
        tenant_id: &tenant.id,
        client: ClientIds {
            app_id: &client.app_id,
            principal_id: client.principal.as_ref().map_or("", |principal| &principal.id),
            display_name: &client.display_name,
        },
        audience: claims::audience(resource, requested),
        roles: &[],
        directory_roles: roles,
        proof: attempt.proof,
        cae: None,
        generation: client.generation(false),
        not_before_min: None,
        issued_at: call.now,
        lifetime_seconds,
        uti: &uti,
        user: Some(user_part(user, scopes)),
    };
    let token = token::sign(server, tenant, &access, resource.token_version, call.now).await?;
    attempt.token_id = Some(uti);
    Ok(Issued { token, lifetime_seconds, resource: requested.to_owned() })
}

fn user_part<'a>(user: &'a Record, scopes: &'a [String]) -> UserPart<'a> {
    UserPart {
        oid: &user.id,
        name: user.text("displayName").unwrap_or_default(),
        upn: user.text("userPrincipalName").unwrap_or_default(),
        scopes,
    }
}

async fn id_token(
    server: &Server,
    call: &TokenCall<'_>,
    tenant: &Tenant,
    client: &Client,
    user: &Record,
    grant: &Map<String, Json>,
    attempt: &Attempt,
) -> Result<String, Refusal> {
    let uti = claims::uti(attempt.request_id);
    let auth_time = grant.get("auth_time").and_then(Json::as_i64).map_or(call.now, Timestamp);
    let token = IdToken {
        issuer_base: call.base,
        tenant_id: &tenant.id,
        app_id: &client.app_id,
        user: user_part(user, &[]),
        roles: &[],
        nonce: text(grant, "nonce"),
        auth_time,
        issued_at: call.now,
        lifetime_seconds: 3_600,
        uti: &uti,
    };
    let key = token::signing_key(server, tenant, call.now).await?;
    debug_assert!(auth_time <= call.now.plus(SECOND));
    key.sign(&token, TokenType::V2).map_err(|error| {
        log::error("keys", &error);
        Refusal::transient()
    })
}

/// What MSAL calls the account's home.
fn client_info(user: &Record, tenant: &Tenant) -> String {
    let info = json!({ "uid": user.id, "utid": tenant.id }).to_string();
    URL_SAFE_NO_PAD.encode(info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_names_scopes_as_they_were_asked_for() {
        let granted = ["Mail.Read".to_owned(), "User.Read".to_owned()];
        for (asked, expected) in [
            ("https://graph.microsoft.com/user.read", "https://graph.microsoft.com/user.read"),
            (
                "https://graph.microsoft.com/User.Read openid profile offline_access",
                "openid profile https://graph.microsoft.com/User.Read",
            ),
            ("User.Read openid", "openid User.Read"),
            ("api://shop//read", "api://shop//read"),
            ("openid", "openid Mail.Read User.Read"),
            ("api://shop/.default", "api://shop/Mail.Read api://shop/User.Read api://shop/.default"),
        ] {
            let (resource, scopes) = split(asked);
            assert_eq!(answered(&resource, &scopes, &granted), expected, "{asked}");
        }
    }
}
