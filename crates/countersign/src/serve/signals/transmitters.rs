//! Who may tell a tenant something of its workloads: transmitters, registered by their issuer.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_odata::error::ODataError;
use countersign_store::{Scoped, StoreError, StoredTransmitter};
use reqwest::Url;
use serde_json::{Value as Json, json};

use super::{Addresses, Answered, Target, write_record};
use crate::serve::graph::audit::modified;
use crate::serve::graph::{Call, body};
use crate::serve::graph::{failed, internal};
use crate::serve::ids;

/// Most transmitters of one tenant: each event is compared with what all of them authenticate with.
const TRANSMITTERS_MAX: usize = 100;
/// Longest description, in characters.
const DESCRIPTION_CHARACTERS_MAX: usize = 256;
/// Where a transmitter's metadata is, in front of its issuer's path (SSF 1.0 section 7.2).
const WELL_KNOWN: &str = "/.well-known/ssf-configuration";

fn shown(transmitter: &StoredTransmitter) -> Json {
    json!({
        "id": transmitter.id,
        "issuer": transmitter.issuer,
        "jwks_uri": transmitter.jwks_uri,
        "description": transmitter.description,
        "audience": transmitter.audience,
        "endpoint_url": transmitter.audience,
    })
}

/// `GET` of all.
pub(super) async fn list(call: &Call<'_>) -> Result<Answered, ODataError> {
    let all = call.read().await?.transmitters().await.map_err(failed)?;
    let all: Vec<Json> = all.iter().map(shown).collect();
    Ok(Answered::json(StatusCode::OK, &json!({ "value": all })))
}

async fn find(scoped: &mut Scoped, id: &str) -> Result<StoredTransmitter, ODataError> {
    let found = if id.contains('\0') { None } else { scoped.transmitter(id).await.map_err(failed)? };
    found.ok_or_else(|| ODataError::not_found(id))
}

/// `GET` of one.
pub(super) async fn get(call: &Call<'_>, id: &str) -> Result<Answered, ODataError> {
    let found = find(&mut call.read().await?, id).await?;
    Ok(Answered::json(StatusCode::OK, &shown(&found)))
}

/// `POST`: reads the transmitter's metadata, and tells what it authenticates with, once.
pub(super) async fn register(call: &Call<'_>, addresses: &Addresses) -> Result<Answered, ODataError> {
    let given = body::object(call.body)?;
    let issuer = body::required(&given, "issuer")?;
    let description = match given.get("description") {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) if text.chars().count() <= DESCRIPTION_CHARACTERS_MAX => Some(text.clone()),
        Some(_) => {
            return Err(ODataError::bad_request(format!(
                "'description' must be text of at most {DESCRIPTION_CHARACTERS_MAX} characters."
            )));
        }
    };
    let jwks_uri = discover(call, issuer).await?;
    let secret = URL_SAFE_NO_PAD.encode(ids::random::<32>().map_err(internal)?);
    let transmitter = StoredTransmitter {
        id: ids::guid().map_err(internal)?,
        issuer: issuer.to_owned(),
        jwks_uri,
        audience: addresses.events(),
        description,
        hash: call.server.store.master_key().hash(secret.as_bytes()).to_vec(),
        created: call.now,
    };
    let mut scoped = call.begin().await?;
    if scoped.transmitters().await.map_err(failed)?.len() >= TRANSMITTERS_MAX {
        return Err(ODataError::bad_request(format!(
            "A tenant listens to {TRANSMITTERS_MAX} transmitters at most."
        )));
    }
    scoped.add_transmitter(&transmitter).await.map_err(|error| match error {
        StoreError::Duplicate(_) => {
            ODataError::new(409, "Conflict", format!("The issuer '{issuer}' is listened to already."))
        }
        error => failed(error),
    })?;
    record(call, &mut scoped, "Add", &transmitter).await?;
    scoped.commit().await.map_err(failed)?;
    let mut body = shown(&transmitter);
    body["authorization_header"] = format!("Bearer {secret}").into();
    Ok(Answered::json(StatusCode::CREATED, &body))
}

/// The address of an issuer's keys, as its metadata says.
async fn discover(call: &Call<'_>, issuer: &str) -> Result<String, ODataError> {
    let address = metadata_address(issuer).ok_or_else(|| {
        ODataError::bad_request("'issuer' must be an https address without query and user.")
    })?;
    let bytes = call.server.outbound.get(&address).await.map_err(|error| {
        ODataError::bad_request(format!(
            "The transmitter's metadata at '{address}' cannot be read: {error:#}."
        ))
    })?;
    let wrong = |why: &str| {
        ODataError::bad_request(format!("The transmitter's metadata at '{address}' cannot be used: {why}."))
    };
    let metadata: Json = serde_json::from_slice(&bytes).map_err(|_| wrong("it is not JSON"))?;
    // SSF 1.0 section 7.2.3: the issuer of the metadata is the one that was asked for.
    if metadata["issuer"].as_str() != Some(issuer) {
        return Err(wrong("it names another issuer"));
    }
    let jwks_uri = metadata["jwks_uri"].as_str().ok_or_else(|| wrong("it names no `jwks_uri`"))?;
    match Url::parse(jwks_uri) {
        Ok(url) if url.scheme() == "https" => Ok(jwks_uri.to_owned()),
        _ => Err(wrong("its `jwks_uri` is no https address")),
    }
}

/// SSF 1.0 section 7.2: the path of the issuer stands behind the well-known one.
fn metadata_address(issuer: &str) -> Option<String> {
    let url = Url::parse(issuer).ok()?;
    let is_plain = url.scheme() == "https"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let authority = is_plain.then(|| url.authority())?;
    Some(format!("https://{authority}{WELL_KNOWN}{}", url.path().trim_end_matches('/')))
}

/// `DELETE`
pub(super) async fn remove(call: &Call<'_>, id: &str) -> Result<Answered, ODataError> {
    let mut scoped = call.begin().await?;
    let found = find(&mut scoped, id).await?;
    scoped.remove_transmitter(&found.id).await.map_err(failed)?;
    record(call, &mut scoped, "Delete", &found).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answered::empty(StatusCode::NO_CONTENT))
}

async fn record(
    call: &Call<'_>,
    scoped: &mut Scoped,
    operation: &'static str,
    transmitter: &StoredTransmitter,
) -> Result<(), ODataError> {
    let issuer = Json::from(transmitter.issuer.as_str());
    let (activity, property) = match operation {
        "Add" => ("Add security event transmitter", modified("Issuer", &Json::Null, &issuer)),
        _ => ("Delete security event transmitter", modified("Issuer", &issuer, &Json::Null)),
    };
    let what = Target { id: transmitter.id.clone(), display_name: transmitter.description.as_deref() };
    write_record(call, scoped, (activity, operation), &what, vec![property]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_in_front_of_the_path_of_the_issuer() {
        for (issuer, expected) in [
            ("https://t.example", Some("https://t.example/.well-known/ssf-configuration")),
            ("https://t.example/", Some("https://t.example/.well-known/ssf-configuration")),
            ("https://t.example:8443/a/b", Some("https://t.example:8443/.well-known/ssf-configuration/a/b")),
            ("http://t.example", None),
            ("https://t.example?x=1", None),
            ("https://t.example#x", None),
            ("https://user@t.example", None),
            ("t.example", None),
            ("", None),
        ] {
            assert_eq!(metadata_address(issuer).as_deref(), expected, "{issuer}");
        }
    }
}
