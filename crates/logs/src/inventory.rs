//! Objects of the directory as Microsoft Graph gives them: `application` and `servicePrincipal`, one object, a list, a
//! page with `value`, or a line each.

use countersign_model::id::{AppId, Id, TenantId};
use countersign_model::inventory::{DirectoryObject, ObjectKind};
use countersign_model::time::Timestamp;
use serde_json::Value;

use crate::time;

/// What a file held.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Applications and service principals.
    pub objects: Vec<DirectoryObject>,
    /// Objects that are neither, and lines that cannot be read: where and why. The first ones.
    pub skipped: Vec<(String, String)>,
    /// How many there were of those.
    pub skipped_total: usize,
}

/// Skipped objects kept.
const SKIPPED_SHOWN: usize = 10;

/// Reads a file. Never fails: what cannot be read is in `skipped`.
pub fn read(bytes: &[u8]) -> Inventory {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut inventory = Inventory::default();
    match serde_json::from_slice::<Value>(bytes) {
        Ok(document) => inventory.document(&document, "", "document"),
        Err(whole) => {
            let lines = bytes.split(|byte| *byte == b'\n').enumerate();
            let mut any = false;
            for (number, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
                match serde_json::from_slice::<Value>(line) {
                    Ok(document) => {
                        any = true;
                        inventory.document(&document, "", &format!("line {}", number + 1));
                    }
                    Err(error) => inventory.skip(format!("line {}", number + 1), format!("no JSON: {error}")),
                }
            }
            if !any {
                inventory.skipped = vec![("document".to_owned(), format!("no JSON: {whole}"))];
                inventory.skipped_total = 1;
            }
        }
    }
    inventory
}

impl Inventory {
    fn skip(&mut self, at: String, why: String) {
        self.skipped_total += 1;
        if self.skipped.len() < SKIPPED_SHOWN {
            self.skipped.push((at, why));
        }
    }

    /// `context` is the `@odata.context` of the page.
    fn document(&mut self, document: &Value, context: &str, at: &str) {
        match document {
            Value::Array(objects) => {
                for (number, object) in objects.iter().enumerate() {
                    self.document(object, context, &format!("{at}, object {}", number + 1));
                }
            }
            Value::Object(fields) => {
                let own = fields.get("@odata.context").and_then(Value::as_str).unwrap_or(context);
                match fields.get("value") {
                    Some(value @ (Value::Array(_) | Value::Object(_))) => self.document(value, own, at),
                    _ => self.object(document, own, at),
                }
            }
            _ => self.skip(at.to_owned(), "not an object".to_owned()),
        }
    }

    fn object(&mut self, object: &Value, context: &str, at: &str) {
        let Some(kind) = kind(object, context) else {
            self.skip(at.to_owned(), "neither an application nor a servicePrincipal".to_owned());
            return;
        };
        let id = text(object, "id");
        let app = text(object, "appId");
        if id.is_empty() && app.is_empty() {
            self.skip(at.to_owned(), "field `id` is missing".to_owned());
            return;
        }
        let owned = |text: &str| Id::parse(text).into_owned();
        self.objects.push(DirectoryObject {
            kind,
            id: owned(if id.is_empty() { app } else { id }),
            app: AppId(owned(app)),
            name: text(object, "displayName").to_owned(),
            created: time_of(object, "createdDateTime"),
            owner: Some(text(object, "appOwnerOrganizationId"))
                .filter(|owner| !owner.is_empty())
                .map(|owner| TenantId(owned(owner))),
            has_verified_publisher: object.get("verifiedPublisher").map(|publisher| {
                !text(publisher, "verifiedPublisherId").is_empty()
                    || !text(publisher, "displayName").is_empty()
            }),
            is_enabled: object.get("accountEnabled").and_then(Value::as_bool),
            disabled_by_microsoft: text(object, "disabledByMicrosoftStatus").to_owned(),
            reply_urls: reply_urls(object),
            app_roles: app_roles(object),
            scopes: list(object, "oauth2PermissionGrants")
                .flat_map(|grant| {
                    text(grant, "scope").split_whitespace().map(str::to_owned).collect::<Vec<_>>()
                })
                .collect(),
            credentials: ["passwordCredentials", "keyCredentials"]
                .into_iter()
                .flat_map(|key| list(object, key))
                .map(|credential| {
                    (text(credential, "keyId").to_owned(), time_of(credential, "startDateTime"))
                })
                .collect(),
        });
    }
}

/// By type, by the context of the page, or by fields that only one of them has.
fn kind(object: &Value, context: &str) -> Option<ObjectKind> {
    let said = text(object, "@odata.type").to_ascii_lowercase();
    let context = context.to_ascii_lowercase();
    let has = |keys: &[&str]| keys.iter().any(|key| object.get(*key).is_some());
    if said.ends_with("serviceprincipal")
        || context.contains("serviceprincipals")
        || has(&["servicePrincipalType", "appOwnerOrganizationId", "servicePrincipalNames"])
    {
        Some(ObjectKind::ServicePrincipal)
    } else if said.ends_with("graph.application")
        || context.contains("#applications")
        || has(&["signInAudience", "requiredResourceAccess", "identifierUris", "publisherDomain"])
            && has(&["appId"])
    {
        Some(ObjectKind::Application)
    } else {
        // Exports by scripts that chose some columns: an application id and credentials are an application's.
        (has(&["appId"]) && has(&["passwordCredentials", "keyCredentials"]))
            .then_some(ObjectKind::Application)
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn time_of(value: &Value, key: &str) -> Option<Timestamp> {
    time::parse(text(value, key))
}

fn reply_urls(object: &Value) -> Vec<String> {
    let texts = |value: &Value, key: &str| -> Vec<String> {
        list(value, key).filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let platforms = ["web", "spa", "publicClient"].into_iter().filter_map(|platform| object.get(platform));
    let by_platform = platforms.flat_map(|platform| texts(platform, "redirectUris"));
    texts(object, "replyUrls").into_iter().chain(by_platform).collect()
}

fn app_roles(object: &Value) -> Vec<Id<'static>> {
    list(object, "requiredResourceAccess")
        .flat_map(|access| list(access, "resourceAccess"))
        .filter(|permission| text(permission, "type") == "Role")
        .map(|permission| Id::parse(text(permission, "id")).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_lists_lines_and_single_objects_are_read() {
        let principal = r#"{"id":"11111111-1111-4111-8111-111111111111","appId":"22222222-2222-4222-8222-222222222222","displayName":"x","servicePrincipalType":"Application","verifiedPublisher":{"verifiedPublisherId":null},"disabledByMicrosoftStatus":"DisabledDueToViolationOfServicesAgreement","replyUrls":["https://x.example/cb"]}"#;
        let application = r#"{"id":"33333333-3333-4333-8333-333333333333","appId":"22222222-2222-4222-8222-222222222222","signInAudience":"AzureADMyOrg","web":{"redirectUris":["http://localhost"]},"requiredResourceAccess":[{"resourceAccess":[{"id":"e2a3a72e-5f79-4c64-b1b1-878b674786c9","type":"Role"},{"id":"e1fe6dd8-ba31-4d61-89e7-88639da4683d","type":"Scope"}]}],"passwordCredentials":[{"keyId":"k","startDateTime":"2026-01-02T03:04:05Z"}]}"#;
        for file in [
            format!("[{principal},{application}]"),
            format!(r#"{{"@odata.context":"x","value":[{principal},{application}]}}"#),
            format!("{principal}\r\n{application}\n"),
        ] {
            let inventory = read(file.as_bytes());
            assert_eq!((inventory.objects.len(), inventory.skipped_total), (2, 0), "{file}");
            let [sp, app] = &inventory.objects[..] else { panic!("two objects") };
            assert_eq!((sp.kind, app.kind), (ObjectKind::ServicePrincipal, ObjectKind::Application));
            assert_eq!(sp.has_verified_publisher, Some(false));
            assert_eq!((app.app_roles.len(), app.credentials.len(), app.reply_urls.len()), (1, 1, 1));
        }
        assert_eq!(read(principal.as_bytes()).objects.len(), 1);
    }

    #[test]
    fn what_is_no_object_is_told_with_its_place() {
        let inventory = read(b"{\"id\":\"x\"}\nnot json\n");
        assert!(inventory.objects.is_empty());
        assert_eq!(inventory.skipped[0].0, "line 1");
        assert!(inventory.skipped[1].1.starts_with("no JSON"));
        assert_eq!(read(b"").skipped_total, 1);
    }
}
