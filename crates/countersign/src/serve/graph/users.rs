//! People who may sign in.

use countersign_odata::error::ODataError;
use countersign_store::entity::USER;
use countersign_store::{Record, Scoped, UserSecrets};
use serde_json::{Map, Value as Json};

use super::applications::created;
use super::audit::{self, Change, modified, target_of};
use super::call::{Answer, Call, CallerKind, failed, internal};
use super::routes::USERS;
use super::{body, collections};
use crate::serve::{directory, passwords};

/// Shortest password that is taken: NIST SP 800-63B section 3.1.1.2 asks for 15 where a password is all there is.
const PASSWORD_CHARACTERS_MIN: usize = 15;
const PASSWORD_CHARACTERS_MAX: usize = 256;
/// Properties that clients cannot set.
const READ_ONLY: [&str; 4] = ["id", "createdDateTime", "deletedDateTime", "signInSessionsValidFromDateTime"];

/// What a `POST` or `PATCH` says of a user, without the password, which is no property.
fn given(call: &Call<'_>) -> Result<(Map<String, Json>, Option<String>), ODataError> {
    let mut raw = body::object(call.body)?;
    let profile = raw.remove("passwordProfile");
    raw.remove("mailNickname");
    let password = match &profile {
        None | Some(Json::Null) => None,
        Some(Json::Object(profile)) => match profile.get("password") {
            None | Some(Json::Null) => None,
            Some(Json::String(password)) => Some(password.as_str()),
            Some(_) => return Err(wrong_password("passwordProfile/password", "Edm.String")),
        },
        Some(_) => return Err(wrong_password("passwordProfile", "microsoft.graph.passwordProfile")),
    };
    if let Some(password) = password {
        let length = password.chars().count();
        if !(PASSWORD_CHARACTERS_MIN..=PASSWORD_CHARACTERS_MAX).contains(&length) {
            return Err(ODataError::request_bad_request(format!(
                "The password has {length} characters; it needs {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX}."
            )));
        }
    }
    let bytes = serde_json::to_vec(&Json::Object(raw)).unwrap_or_default();
    Ok((body::entity(&bytes, USER.entity, call.version)?, password.map(str::to_owned)))
}

fn wrong_password(place: &str, expected: &str) -> ODataError {
    ODataError::request_bad_request(format!(
        "Invalid value specified for property '{place}': expected {expected}."
    ))
}

/// `POST /users`
pub(crate) async fn create(call: &Call<'_>) -> Result<Answer, ODataError> {
    let (given, password) = given(call)?;
    body::refuse_read_only(&given, None, &READ_ONLY)?;
    let name = body::required(&given, "userPrincipalName")?.to_ascii_lowercase();
    check_domain(call, &name)?;
    let display_name = body::required(&given, "displayName")?;
    let mut body = directory::user(&name, display_name, call.now).map_err(internal)?;
    directory::merge(&mut body, given);
    let mut scoped = call.begin().await?;
    let record = scoped.insert(&USER, body).await.map_err(failed)?;
    if let Some(password) = password {
        set_password(&mut scoped, &record.id, &password).await?;
    }
    audit_user(call, &mut scoped, "Add user", "Add", &record, Vec::new()).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(created(call, &USERS, record))
}

fn check_domain(call: &Call<'_>, name: &str) -> Result<(), ODataError> {
    let domain = &call.caller.tenant.domain;
    let local = name.to_ascii_lowercase();
    match local.strip_suffix(domain.as_str()).and_then(|local| local.strip_suffix('@')) {
        Some(local) if !local.is_empty() && !local.contains('@') => Ok(()),
        _ => Err(ODataError::request_bad_request(format!("'userPrincipalName' must end in '@{domain}'."))),
    }
}

async fn set_password(scoped: &mut Scoped, id: &str, password: &str) -> Result<(), ODataError> {
    let hash = passwords::hash(password).map_err(internal)?;
    let secrets = scoped.user_secrets(id).await.map_err(failed)?.unwrap_or_default();
    let secrets = UserSecrets { password_hash: Some(hash), ..secrets };
    scoped.set_user_secrets(id, &secrets).await.map_err(failed)
}

/// `PATCH /users/{id}`
pub(crate) async fn update(call: &Call<'_>) -> Result<Answer, ODataError> {
    let (given, password) = given(call)?;
    let mut scoped = call.begin().await?;
    let mut record = collections::resolve(call, &USERS, 0, &mut scoped).await?;
    call.check_etag(&record)?;
    body::refuse_read_only(&given, Some(&record.body), &READ_ONLY)?;
    if given.contains_key("userPrincipalName") {
        check_domain(call, body::required(&given, "userPrincipalName")?)?;
    }
    let properties = given
        .iter()
        .filter(|(name, value)| record.body.get(*name) != Some(value))
        .map(|(name, value)| modified(name, record.body.get(name).unwrap_or(&Json::Null), value))
        .collect();
    directory::merge(&mut record.body, given);
    if password.is_some() {
        directory::revoke_sign_ins(&mut record.body, call.now);
    }
    let record = scoped.update(&USER, record).await.map_err(failed)?;
    audit_user(call, &mut scoped, "Update user", "Update", &record, properties).await?;
    if let Some(password) = password {
        set_password(&mut scoped, &record.id, &password).await?;
        audit_user(call, &mut scoped, "Reset user password", "Update", &record, Vec::new()).await?;
    }
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

/// `DELETE /users/{id}`: with the roles, at once.
pub(crate) async fn delete(call: &Call<'_>) -> Result<Answer, ODataError> {
    let mut scoped = call.begin().await?;
    let record = collections::resolve(call, &USERS, 0, &mut scoped).await?;
    if record.id == call.caller.object_id() {
        return Err(ODataError::request_bad_request("Nobody can delete their own account."));
    }
    scoped.remove_dependents(&record.id).await.map_err(failed)?;
    scoped.remove(&USER, &record).await.map_err(failed)?;
    audit_user(call, &mut scoped, "Delete user", "Delete", &record, Vec::new()).await?;
    scoped.commit().await.map_err(failed)?;
    Ok(Answer::Empty)
}

async fn audit_user(
    call: &Call<'_>,
    scoped: &mut Scoped,
    activity: &'static str,
    operation: &'static str,
    record: &Record,
    properties: Vec<Json>,
) -> Result<(), ODataError> {
    let change = Change {
        activity,
        operation,
        category: "UserManagement",
        service: "Core Directory",
        targets: vec![target_of("User", record, properties)],
    };
    audit::write(call, scoped, change).await
}

/// `GET /me`
pub(crate) async fn me(call: &Call<'_>) -> Result<Answer, ODataError> {
    let CallerKind::Person { user_id, .. } = &call.caller.kind else {
        return Err(ODataError::bad_request("/me request is only valid with delegated authentication flow."));
    };
    let mut scoped = call.read().await?;
    match scoped.get(&USER, user_id).await.map_err(failed)? {
        Some(record) if record.deleted.is_none() => {
            let options = call.options(USER.entity, super::routes::Area::Directory)?;
            let body = collections::show(call, &USERS, &mut scoped, record, &options).await?;
            Ok(Answer::ok(call.with_context("users/$entity", body)))
        }
        _ => Err(ODataError::not_found(user_id)),
    }
}
