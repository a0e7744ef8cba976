//! Tokens for people: authorization code with PKCE, device code, refresh.
//!
//! [`authorize`] shows the pages on which a person signs in, [`exchange`] gives tokens for what came of it, [`external`] lets
//! another provider say who it is. What lies between two requests is a [`GrantState`], known only by the hash of what the
//! other side holds.

pub(crate) mod authorize;
pub(crate) mod device;
pub(crate) mod exchange;
pub(crate) mod external;
mod pages;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_model::time::{SECOND, Timestamp};
use countersign_odata::value::parse_instant;
use countersign_store::{GrantState, Record, StoreError};
use serde_json::{Map, Value as Json};

use super::{Server, ids};

/// How long a code waits for its exchange.
const CODE_LIFE: i64 = 300 * SECOND;
/// How long a page of sign-in may be left open.
const SIGN_IN_LIFE: i64 = 900 * SECOND;
/// How long a refresh token may be unused.
const REFRESH_LIFE: i64 = 14 * countersign_model::time::DAY;

/// Kinds of grants.
const AUTHORIZATION_CODE: &str = "authorization_code";
const DEVICE_CODE: &str = "device_code";
const USER_CODE: &str = "user_code";
const REFRESH_TOKEN: &str = "refresh_token";
const SIGN_IN: &str = "sign_in";

/// Keeps a grant under the hash of a fresh handle, which is returned and kept nowhere.
async fn keep(
    server: &Server,
    kind: &str,
    tenant_id: &str,
    user_id: Option<String>,
    expires: Timestamp,
    body: Map<String, Json>,
) -> Result<String> {
    let handle = URL_SAFE_NO_PAD.encode(ids::random::<32>()?);
    keep_as(server, &handle, kind, tenant_id, user_id, expires, body).await?;
    Ok(handle)
}

async fn keep_as(
    server: &Server,
    handle: &str,
    kind: &str,
    tenant_id: &str,
    user_id: Option<String>,
    expires: Timestamp,
    body: Map<String, Json>,
) -> Result<(), StoreError> {
    let grant = GrantState {
        hash: hash(server, kind, handle),
        tenant_id: tenant_id.to_owned(),
        kind: kind.to_owned(),
        user_id,
        expires,
        family: None,
        is_used: false,
        body,
    };
    server.store.put_grant(&grant).await
}

/// Whether a person's sign-ins up to `since` were revoked: a new password ends what the old one began.
fn is_revoked(user: &Record, since: Timestamp) -> bool {
    let valid_from = user.text("signInSessionsValidFromDateTime").and_then(parse_instant).map(Timestamp);
    valid_from.is_some_and(|valid_from| since <= valid_from)
}

/// The grant that a handle stands for.
async fn find(
    server: &Server,
    kind: &str,
    handle: &str,
    now: Timestamp,
) -> Result<Option<GrantState>, StoreError> {
    server.store.grant(&hash(server, kind, handle), kind, now).await
}

fn hash(server: &Server, kind: &str, handle: &str) -> Vec<u8> {
    server.store.master_key().hash(format!("{kind} {handle}").as_bytes()).to_vec()
}

fn text<'a>(body: &'a Map<String, Json>, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Json::as_str)
}

/// Whether a client registered an address. Ports of the person's own machine do not count (RFC 8252 section 7.3).
fn is_registered(registered: &[String], uri: &str) -> bool {
    registered.iter().any(|own| own == uri || without_loopback_port(uri).is_some_and(|uri| *own == uri))
}

fn without_loopback_port(uri: &str) -> Option<String> {
    for host in ["http://localhost", "http://127.0.0.1", "http://[::1]"] {
        let Some(rest) = uri.strip_prefix(host) else { continue };
        let Some(rest) = rest.strip_prefix(':') else { continue };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let path = &rest[digits..];
        let is_port = (1..=5).contains(&digits) && (path.is_empty() || path.starts_with('/'));
        // MSAL registers `http://localhost` and sends `http://localhost:PORT` or `http://localhost:PORT/`.
        return is_port.then(|| format!("{host}{}", if path == "/" { "" } else { path }));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_exact_but_for_ports_of_the_own_machine() {
        let registered = ["http://localhost".to_owned(), "https://app.example/cb".to_owned()];
        for (uri, expected) in [
            ("http://localhost", true),
            ("http://localhost:51234", true),
            ("http://localhost:51234/", true),
            ("http://localhost:51234/other", false),
            ("http://localhost:51234.evil.example", false),
            ("http://localhost.evil.example", false),
            ("http://localhost:", false),
            ("https://app.example/cb", true),
            ("https://app.example/cb/", false),
            ("https://app.example:444/cb", false),
            ("https://app.example/cb?x", false),
        ] {
            assert_eq!(is_registered(&registered, uri), expected, "{uri}");
        }
    }
}
