//! One directory-audit record for each change, in Entra's shape and with its names, in the transaction of the change.

use countersign_odata::error::ODataError;
use countersign_store::entity::DIRECTORY_AUDIT;
use countersign_store::{Record, Scoped};
use serde_json::{Map, Value as Json, json};

use super::call::{Call, Caller, CallerKind, failed, internal};
use crate::serve::{directory, ids};

/// What was done.
pub(crate) struct Change {
    /// `activityDisplayName`.
    pub(crate) activity: &'static str,
    /// `operationType`.
    pub(crate) operation: &'static str,
    /// `category`.
    pub(crate) category: &'static str,
    /// `loggedByService`.
    pub(crate) service: &'static str,
    /// What it was done to.
    pub(crate) targets: Vec<Json>,
}

impl Change {
    /// A change of applications or service principals.
    pub(crate) fn application(activity: &'static str, operation: &'static str, targets: Vec<Json>) -> Self {
        Change { activity, operation, category: "ApplicationManagement", service: "Core Directory", targets }
    }
}

/// Credentials of an application. Entra writes an en dash and a blank at the end.
pub(crate) const CERTIFICATES_AND_SECRETS: &str =
    "Update application \u{2013} Certificates and secrets management ";

/// An object that was changed, with the properties that changed.
pub(crate) fn target(kind: &str, object: &Map<String, Json>, modified: Vec<Json>) -> Json {
    json!({
        "id": object.get("id"),
        "displayName": object.get("displayName"),
        "type": kind,
        "userPrincipalName": object.get("userPrincipalName"),
        "groupType": null,
        "modifiedProperties": Json::Array(modified),
    })
}

/// A property that changed. Values are JSON in a string, as Entra has it.
pub(crate) fn modified(name: &str, old: &Json, new: &Json) -> Json {
    let text = |value: &Json| match value {
        Json::Null => Json::Null,
        value => Json::String(value.to_string()),
    };
    json!({ "displayName": name, "oldValue": text(old), "newValue": text(new) })
}

/// `KeyDescription`: every credential of an object in one line each.
pub(crate) fn key_descriptions(object: &Map<String, Json>) -> Json {
    let list = |name: &str| object.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
    let line = |credential: &Json, kind: &str| {
        let text = |name: &str| credential.get(name).and_then(Json::as_str).unwrap_or_default();
        let usage = if text("usage").is_empty() { "Verify" } else { text("usage") };
        json!(format!(
            "[KeyIdentifier={},KeyType={kind},KeyUsage={usage},DisplayName={}]",
            text("keyId"),
            text("displayName")
        ))
    };
    let mut lines: Vec<Json> =
        list("keyCredentials").iter().map(|credential| line(credential, "AsymmetricX509Cert")).collect();
    lines.extend(list("passwordCredentials").iter().map(|credential| line(credential, "Password")));
    Json::Array(lines)
}

/// Writes the record of a change.
pub(crate) async fn write(call: &Call<'_>, scoped: &mut Scoped, change: Change) -> Result<(), ODataError> {
    let guid = ids::ordered(call.now).map_err(internal)?;
    let correlation = super::client_request_id(call.headers).unwrap_or(call.request_id);
    let unique = guid.as_u128() & 0xFFFF_FFFF;
    let app_id = change.targets.first().and_then(|target| target.get("_appId")).cloned();
    let targets: Vec<Json> = change
        .targets
        .into_iter()
        .map(|mut target| {
            if let Json::Object(members) = &mut target {
                members.remove("_appId");
            }
            target
        })
        .collect();
    let user_agent = call.header("user-agent");
    let mut details = vec![json!({ "key": "User-Agent", "value": user_agent })];
    if let Some(app_id) = app_id {
        details.push(json!({ "key": "AppId", "value": app_id }));
    }
    let body = directory::object(json!({
        "id": format!("Directory_{guid}_{unique:08X}_{}", call.now.0),
        "activityDateTime": call.now.to_string(),
        "activityDisplayName": change.activity,
        "additionalDetails": details,
        "category": change.category,
        "correlationId": correlation,
        "initiatedBy": initiator(call.caller),
        "loggedByService": change.service,
        "operationType": change.operation,
        "result": "success",
        "resultReason": "",
        "targetResources": targets,
        "userAgent": user_agent,
    }));
    scoped.insert(&DIRECTORY_AUDIT, body).await.map(drop).map_err(failed)
}

fn initiator(caller: &Caller) -> Json {
    match &caller.kind {
        CallerKind::Application { service_principal_id, .. } => json!({
            "user": null,
            "app": {
                "appId": caller.app_id,
                "displayName": caller.app_name,
                "servicePrincipalId": service_principal_id,
                "servicePrincipalName": null,
            },
        }),
        CallerKind::Person { user_id, user_principal_name, display_name, .. } => json!({
            "app": null,
            "user": {
                "id": user_id,
                "displayName": display_name,
                "userPrincipalName": user_principal_name,
                "ipAddress": caller.ip.map(|ip| ip.to_string()),
                "userType": "Member",
                "homeTenantId": caller.tenant.id,
                "homeTenantName": caller.tenant.display_name,
            },
        }),
    }
}

/// A target that also says which application it is about.
pub(crate) fn target_of(kind: &str, record: &Record, modified: Vec<Json>) -> Json {
    let mut target = target(kind, &record.body, modified);
    if let Some(app_id) = record.text("appId") {
        target["_appId"] = app_id.into();
    }
    target
}
