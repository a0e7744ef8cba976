//! Credentials of applications and service principals: added, removed, rolled with proof of possession.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_model::time::{SECOND, Timestamp};
use countersign_odata::error::ODataError;
use countersign_odata::value::parse_guid;
use countersign_signals::event::InitiatingEntity;
use countersign_store::{Record, Scoped};
use countersign_token::jwt::{PublicKey, Unverified};
use serde_json::{Map, Value as Json, json};

use super::audit::{self, CERTIFICATES_AND_SECRETS, Change, modified, target_of};
use super::body;
use super::call::{Answer, Call, failed, internal};
use super::collections;
use super::routes::Holder;
use crate::serve::certificate::Certificate;
use crate::serve::signals::told::{self, Cause};
use crate::serve::{directory, ids, watermarks};

/// Credentials of one object: Entra's limit depends on their size; this bounds a sign-in.
const CREDENTIALS_MAX: usize = 100;
/// Shortest secret that a client may choose in a `PATCH`.
const SECRET_CHARACTERS: std::ops::RangeInclusive<usize> = 16..=256;
/// Audience of a proof of possession.
const PROOF_AUDIENCE: &str = "00000002-0000-0000-c000-000000000000";
/// Longest life of a proof.
const PROOF_LIFE_MAX: i64 = 600 * SECOND;
/// How far clocks may differ.
const SKEW: i64 = 300 * SECOND;

/// `addPassword`: the secret is shown in this answer and never again.
pub(crate) async fn add_password(call: &Call<'_>, holder: Holder) -> Result<Answer, ODataError> {
    let given = body::object(call.body)?;
    let wanted = match given.get("passwordCredential") {
        None | Some(Json::Null) => Map::new(),
        Some(Json::Object(wanted)) => wanted.clone(),
        Some(_) => return Err(ODataError::request_bad_request("'passwordCredential' must be an object.")),
    };
    let (start, end) = (body::time(&wanted, "startDateTime")?, body::time(&wanted, "endDateTime")?);
    check_validity(start.unwrap_or(call.now), end)?;
    let name = wanted.get("displayName").and_then(Json::as_str);
    let secret = directory::secret(name, start, end, call.now).map_err(internal)?;

    let mut scoped = call.begin().await?;
    let mut record = held(call, holder, &mut scoped).await?;
    let before = record.body.clone();
    push(&mut record.body, "passwordCredentials", secret.credential.clone())?;
    let record = scoped.update(holder.set(), record).await.map_err(failed)?;
    let key_id = secret.credential["keyId"].as_str().unwrap_or_default();
    let hash = call.server.store.master_key().hash(secret.text.as_bytes());
    scoped.add_secret_hash(&record.id, key_id, &hash).await.map_err(failed)?;
    audit_change(call, &mut scoped, holder, &before, &record).await?;
    tell_change(call, &mut scoped, holder, &before, &record).await?;
    scoped.commit().await.map_err(failed)?;

    let mut shown = secret.credential;
    shown.insert("secretText".into(), secret.text.into());
    Ok(Answer::ok(call.with_context("microsoft.graph.passwordCredential", Json::Object(shown))))
}

/// `removePassword`
pub(crate) async fn remove_password(call: &Call<'_>, holder: Holder) -> Result<Answer, ODataError> {
    let key_id = body::required_guid(&body::object(call.body)?, "keyId")?;
    let mut scoped = call.begin().await?;
    let mut record = held(call, holder, &mut scoped).await?;
    let before = record.body.clone();
    remove(&mut record.body, "passwordCredentials", &key_id)?;
    watermarks::note(&before, &mut record.body, call.now);
    let record = scoped.update(holder.set(), record).await.map_err(failed)?;
    scoped.remove_secret_hash(&record.id, &key_id).await.map_err(failed)?;
    audit_change(call, &mut scoped, holder, &before, &record).await?;
    tell_change(call, &mut scoped, holder, &before, &record).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

/// `addKey`: a certificate beside one that the caller proves to hold.
pub(crate) async fn add_key(call: &Call<'_>, holder: Holder) -> Result<Answer, ODataError> {
    let given = body::object(call.body)?;
    let Some(Json::Object(wanted)) = given.get("keyCredential") else {
        return Err(ODataError::request_bad_request("'keyCredential' must be an object."));
    };
    let mut scoped = call.begin().await?;
    let mut record = held(call, holder, &mut scoped).await?;
    check_proof(call, &record, &given)?;
    let before = record.body.clone();
    let mut credential = key_credential(wanted, call.now)?;
    // Signing keys come with the password of their private key, which nothing here may use: kept out.
    if let Some(password) = given.get("passwordCredential").and_then(|password| password.get("secretText"))
        && password.is_string()
        && credential["usage"] != "Sign"
    {
        return Err(ODataError::request_bad_request(
            "'passwordCredential' belongs to a key whose type is X509CertAndPassword and whose usage is Sign.",
        ));
    }
    push(&mut record.body, "keyCredentials", credential.clone())?;
    let record = scoped.update(holder.set(), record).await.map_err(failed)?;
    audit_change(call, &mut scoped, holder, &before, &record).await?;
    tell_change(call, &mut scoped, holder, &before, &record).await?;
    scoped.commit().await.map_err(failed)?;
    credential.insert("key".into(), Json::Null);
    Ok(Answer::ok(call.with_context("microsoft.graph.keyCredential", Json::Object(credential))))
}

/// `removeKey`
pub(crate) async fn remove_key(call: &Call<'_>, holder: Holder) -> Result<Answer, ODataError> {
    let given = body::object(call.body)?;
    let key_id = body::required_guid(&given, "keyId")?;
    let mut scoped = call.begin().await?;
    let mut record = held(call, holder, &mut scoped).await?;
    check_proof(call, &record, &given)?;
    let before = record.body.clone();
    remove(&mut record.body, "keyCredentials", &key_id)?;
    watermarks::note(&before, &mut record.body, call.now);
    let record = scoped.update(holder.set(), record).await.map_err(failed)?;
    audit_change(call, &mut scoped, holder, &before, &record).await?;
    tell_change(call, &mut scoped, holder, &before, &record).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

/// The object whose credentials are changed. A change of credentials is refused when the version was named and is old.
async fn held(call: &Call<'_>, holder: Holder, scoped: &mut Scoped) -> Result<Record, ODataError> {
    let record = collections::resolve(call, holder.collection(), 0, scoped).await?;
    // An application may roll its own keys without any permission; the proof is what allows it.
    if record.text("appId") != Some(&call.caller.app_id) || !is_key_roll(call) {
        call.check_owner(scoped, &record.id).await?;
    }
    call.check_etag(&record)?;
    Ok(record)
}

fn is_key_roll(call: &Call<'_>) -> bool {
    let action = call.path.trim_end_matches('/').rsplit(['/', '.']).next().unwrap_or_default();
    action.eq_ignore_ascii_case("addKey") || action.eq_ignore_ascii_case("removeKey")
}

/// A proof is a token that a key of the object signed, for this object, now.
fn check_proof(call: &Call<'_>, record: &Record, given: &Map<String, Json>) -> Result<(), ODataError> {
    let missing = || {
        ODataError::new(
            401,
            "Authentication_MissingOrMalformed",
            "The proof of possession is missing or malformed.",
        )
    };
    let wrong = || {
        ODataError::new(
            403,
            "Authorization_RequestDenied",
            "The proof of possession was not signed by a valid key of this object, or is not for it.",
        )
    };
    let proof = given.get("proof").and_then(Json::as_str).ok_or_else(missing)?;
    let unverified = Unverified::decode(proof).map_err(|_| missing())?;
    let mut keys = Vec::new();
    for credential in record.list("keyCredentials").iter().filter_map(Json::as_object) {
        let is_valid = body::time(credential, "startDateTime")?.is_none_or(|start| start <= call.now)
            && body::time(credential, "endDateTime")?.is_none_or(|end| call.now < end);
        let der = credential.get("key").and_then(Json::as_str).and_then(body::decode_base64);
        if let Some(der) = der.filter(|_| is_valid) {
            keys.extend(PublicKey::from_certificate(&der));
        }
    }
    let verified = unverified.verify_any(&keys).map_err(|_| wrong())?;
    let claims = verified.claims();
    let is_for_us = claims.aud.iter().any(|audience| audience == PROOF_AUDIENCE)
        && claims.iss.as_deref().is_some_and(|issuer| issuer.eq_ignore_ascii_case(&record.id));
    let in_time = verified.is_current(call.now, SKEW)
        && matches!((claims.nbf, claims.exp), (Some(from), Some(until)) if until.since(from) <= PROOF_LIFE_MAX + SKEW);
    if is_for_us && in_time { Ok(()) } else { Err(wrong()) }
}

/// A certificate as it is kept.
fn key_credential(wanted: &Map<String, Json>, now: Timestamp) -> Result<Map<String, Json>, ODataError> {
    let kind = wanted.get("type").and_then(Json::as_str).unwrap_or("AsymmetricX509Cert");
    let usage = wanted.get("usage").and_then(Json::as_str).unwrap_or("Verify");
    let is_pair = matches!(
        (kind, usage),
        ("AsymmetricX509Cert", "Verify") | ("X509CertAndPassword", "Sign") | ("Symmetric", "Verify" | "Sign")
    );
    if !is_pair {
        return Err(ODataError::request_bad_request(format!(
            "A key of type '{kind}' cannot have the usage '{usage}': AsymmetricX509Cert goes with Verify, X509CertAndPassword with Sign."
        )));
    }
    let key = body::required(wanted, "key")?;
    let Some(der) = body::decode_base64(key) else {
        return Err(ODataError::request_bad_request("'key' must be base64."));
    };
    let mut credential = directory::object(json!({
        "customKeyIdentifier": wanted.get("customKeyIdentifier"),
        "displayName": wanted.get("displayName"),
        "endDateTime": null,
        "key": STANDARD.encode(&der),
        "keyId": null,
        "startDateTime": null,
        "type": kind,
        "usage": usage,
    }));
    let (mut start, mut end) = (body::time(wanted, "startDateTime")?, body::time(wanted, "endDateTime")?);
    if kind == "AsymmetricX509Cert" {
        let (certificate, der) = Certificate::parse(&der)
            .map_err(|error| ODataError::request_bad_request(format!("'key' cannot be used: {error}.")))?;
        credential.insert("key".into(), STANDARD.encode(der).into());
        // Never longer than the certificate itself.
        start = Some(start.map_or(certificate.not_before, |start| start.max(certificate.not_before)));
        end = Some(end.map_or(certificate.not_after, |end| end.min(certificate.not_after)));
        if credential["customKeyIdentifier"].is_null() {
            credential.insert("customKeyIdentifier".into(), STANDARD.encode(certificate.sha1).into());
        }
        if credential["displayName"].is_null() {
            credential.insert("displayName".into(), certificate.subject.into());
        }
    }
    let start = start.unwrap_or(now);
    let end = end.unwrap_or(start.plus(730 * countersign_model::time::DAY));
    check_validity(start, Some(end))?;
    let key_id = match wanted.get("keyId").and_then(Json::as_str) {
        Some(text) => match parse_guid(text) {
            Some(guid) => guid.to_string(),
            None => return Err(ODataError::request_bad_request("'keyId' must be a GUID.")),
        },
        None => ids::guid().map_err(internal)?,
    };
    credential.insert("keyId".into(), key_id.into());
    credential.insert("startDateTime".into(), start.to_string().into());
    credential.insert("endDateTime".into(), end.to_string().into());
    Ok(credential)
}

fn check_validity(start: Timestamp, end: Option<Timestamp>) -> Result<(), ODataError> {
    if end.is_some_and(|end| end <= start) {
        return Err(ODataError::request_bad_request("'endDateTime' must be later than 'startDateTime'."));
    }
    Ok(())
}

fn push(body: &mut Map<String, Json>, list: &str, credential: Map<String, Json>) -> Result<(), ODataError> {
    let credentials = body.entry(list).or_insert_with(|| json!([]));
    let Json::Array(credentials) = credentials else { return Err(ODataError::internal()) };
    if credentials.len() >= CREDENTIALS_MAX {
        return Err(ODataError::request_bad_request(format!(
            "The object has {CREDENTIALS_MAX} credentials of this kind; remove one first."
        )));
    }
    credentials.push(Json::Object(credential));
    Ok(())
}

fn remove(body: &mut Map<String, Json>, list: &str, key_id: &str) -> Result<(), ODataError> {
    if let Some(Json::Array(credentials)) = body.get_mut(list) {
        let before = credentials.len();
        credentials.retain(|credential| !is_key(credential, key_id));
        if credentials.len() < before {
            return Ok(());
        }
    }
    Err(ODataError::request_bad_request(format!("No credential found with keyId '{key_id}'.")))
}

fn is_key(credential: &Json, key_id: &str) -> bool {
    credential.get("keyId").and_then(Json::as_str).is_some_and(|own| own.eq_ignore_ascii_case(key_id))
}

/// Brings credentials that a `POST` or `PATCH` gave into the form in which they are kept: what stays is known by its id and
/// comes without its key, what is new gets what it lacks. Returns the hashes of secrets that are new.
pub(crate) fn settle(
    call: &Call<'_>,
    body: &mut Map<String, Json>,
    before: Option<&Map<String, Json>>,
) -> Result<Vec<(String, [u8; 32])>, ODataError> {
    let known = |list: &str, key_id: &str| -> Option<Json> {
        let credentials = before?.get(list)?.as_array()?;
        credentials.iter().find(|credential| is_key(credential, key_id)).cloned()
    };
    let mut keys = Vec::new();
    for given in list_of(body, "keyCredentials")? {
        let key_id = given.get("keyId").and_then(Json::as_str).unwrap_or_default();
        let has_key = given.get("key").is_some_and(|key| !key.is_null());
        match known("keyCredentials", key_id) {
            Some(own) if !has_key => keys.push(own),
            _ => keys.push(Json::Object(key_credential(&given, call.now)?)),
        }
    }
    let mut passwords = Vec::new();
    let mut hashes = Vec::new();
    for mut given in list_of(body, "passwordCredentials")? {
        let key_id = given.get("keyId").and_then(Json::as_str).unwrap_or_default().to_owned();
        let text = given.remove("secretText").and_then(|text| text.as_str().map(str::to_owned));
        match (known("passwordCredentials", &key_id), text) {
            (Some(own), None) => passwords.push(own),
            (_, Some(text)) if SECRET_CHARACTERS.contains(&text.chars().count()) => {
                let (start, end) = (body::time(&given, "startDateTime")?, body::time(&given, "endDateTime")?);
                check_validity(start.unwrap_or(call.now), end)?;
                let name = given.get("displayName").and_then(Json::as_str);
                let mut credential =
                    directory::secret(name, start, end, call.now).map_err(internal)?.credential;
                credential.insert("hint".into(), text.chars().take(3).collect::<String>().into());
                hashes.push((
                    credential["keyId"].as_str().unwrap_or_default().to_owned(),
                    call.server.store.master_key().hash(text.as_bytes()),
                ));
                passwords.push(Json::Object(credential));
            }
            _ => {
                return Err(ODataError::request_bad_request(
                    "A new password credential needs a 'secretText' of 16 to 256 characters; 'addPassword' makes a better one.",
                ));
            }
        }
    }
    if keys.len() > CREDENTIALS_MAX || passwords.len() > CREDENTIALS_MAX {
        return Err(ODataError::request_bad_request(format!(
            "At most {CREDENTIALS_MAX} credentials of a kind."
        )));
    }
    body.insert("keyCredentials".into(), Json::Array(keys));
    body.insert("passwordCredentials".into(), Json::Array(passwords));
    Ok(hashes)
}

fn list_of(body: &Map<String, Json>, list: &str) -> Result<Vec<Map<String, Json>>, ODataError> {
    match body.get(list) {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::Array(credentials)) => {
            Ok(credentials.iter().filter_map(Json::as_object).cloned().collect())
        }
        Some(_) => Err(ODataError::request_bad_request(format!("'{list}' must be a list."))),
    }
}

/// Forgets the hashes of secrets that a `PATCH` left out.
pub(crate) async fn forget_removed(
    scoped: &mut Scoped,
    before: &Map<String, Json>,
    after: &Record,
) -> Result<(), ODataError> {
    for credential in list_of(before, "passwordCredentials")? {
        let key_id = credential.get("keyId").and_then(Json::as_str).unwrap_or_default();
        if !after.list("passwordCredentials").iter().any(|kept| is_key(kept, key_id)) {
            scoped.remove_secret_hash(&after.id, key_id).await.map_err(failed)?;
        }
    }
    Ok(())
}

async fn tell_change(
    call: &Call<'_>,
    scoped: &mut Scoped,
    holder: Holder,
    before: &Map<String, Json>,
    after: &Record,
) -> Result<(), ODataError> {
    // Who rolls its own key is nobody's administrator.
    let is_own = after.text("appId") == Some(&call.caller.app_id);
    let by = if is_own { InitiatingEntity::User } else { InitiatingEntity::Admin };
    let cause = Cause { by, ..call.cause() };
    told::changed(scoped, holder, before, after, &cause).await.map_err(failed)
}

/// The audit record of changed credentials. Service principals have two operations, applications have one.
pub(crate) async fn audit_change(
    call: &Call<'_>,
    scoped: &mut Scoped,
    holder: Holder,
    before: &Map<String, Json>,
    after: &Record,
) -> Result<(), ODataError> {
    let (old, new) = (audit::key_descriptions(before), audit::key_descriptions(&after.body));
    if old == new {
        return Ok(());
    }
    let has_more = new.as_array().map_or(0, Vec::len) > old.as_array().map_or(0, Vec::len);
    let (activity, kind) = match (holder, has_more) {
        (Holder::Application, _) => (CERTIFICATES_AND_SECRETS, "Application"),
        (Holder::ServicePrincipal, true) => ("Add service principal credentials", "ServicePrincipal"),
        (Holder::ServicePrincipal, false) => ("Remove service principal credentials", "ServicePrincipal"),
    };
    let properties = vec![
        modified("KeyDescription", &old, &new),
        modified("Included Updated Properties", &Json::Null, &"KeyDescription".into()),
    ];
    let change = Change::application(activity, "Update", vec![target_of(kind, after, properties)]);
    audit::write(call, scoped, change).await
}
