//! What a change of the directory means for those who listen: from before and after to signals.

use countersign_model::time::Timestamp;
use countersign_odata::error::ODataError;
use countersign_signals::event::InitiatingEntity;
use countersign_signals::signal::{Credential, CredentialKind, Occurrence, Signal};
use countersign_store::entity::{APP_ROLE_ASSIGNMENT, APPLICATION, SERVICE_PRINCIPAL};
use countersign_store::{Listing, REVOCATIONS, Record, Scoped, StoreError};
use serde_json::{Map, Value as Json};

use crate::serve::graph::routes::Holder;
use crate::serve::graph::{Call, failed};
use crate::serve::watermarks::is_active;

/// Assignments of one workload that are read.
const ASSIGNMENTS_MAX: usize = 1_000;

/// Who did something, when, and what else belongs to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause<'a> {
    pub(crate) at: Timestamp,
    pub(crate) by: InitiatingEntity,
    /// The same for all that has one cause.
    pub(crate) txn: &'a str,
}

impl Cause<'_> {
    fn occurrence(&self, signal: Signal) -> Occurrence {
        Occurrence { signal, at: self.at, initiating_entity: self.by }
    }
}

impl Call<'_> {
    /// What a call of the API causes.
    pub(crate) fn cause(&self) -> Cause<'_> {
        Cause { at: self.now, by: InitiatingEntity::Admin, txn: self.request_id }
    }
}

/// Says what happened to a service principal.
pub(crate) fn tell(
    scoped: &mut Scoped,
    principal_id: &str,
    signals: impl IntoIterator<Item = Signal>,
    cause: &Cause<'_>,
) {
    for signal in signals {
        scoped.tell(principal_id, cause.occurrence(signal), cause.txn);
    }
}

/// Says what a change of either means.
pub(crate) async fn changed(
    scoped: &mut Scoped,
    holder: Holder,
    before: &Map<String, Json>,
    after: &Record,
    cause: &Cause<'_>,
) -> Result<(), StoreError> {
    match holder {
        Holder::Application => application_changed(scoped, before, after, cause).await,
        Holder::ServicePrincipal => principal_changed(scoped, before, after, cause).await,
    }
}

/// Says what a change of a service principal means.
async fn principal_changed(
    scoped: &mut Scoped,
    before: &Map<String, Json>,
    after: &Record,
    cause: &Cause<'_>,
) -> Result<(), StoreError> {
    let mut signals = differences(before, &after.body);
    if signals.contains(&Signal::Enabled) {
        // Nothing is enabled as long as the application is not.
        let app_id = after.text("appId").unwrap_or_default();
        let application = scoped.get_by(&APPLICATION, "app_id", app_id).await?;
        if application.is_some_and(|application| !is_active(&application.body)) {
            signals.retain(|signal| *signal != Signal::Enabled);
        }
    }
    tell(scoped, &after.id, signals, cause);
    Ok(())
}

/// Says what a change of an application means for its service principals, here and in other tenants.
async fn application_changed(
    scoped: &mut Scoped,
    before: &Map<String, Json>,
    after: &Record,
    cause: &Cause<'_>,
) -> Result<(), StoreError> {
    let signals = differences(before, &after.body);
    if signals.is_empty() {
        return Ok(());
    }
    let app_id = after.text("appId").unwrap_or_default();
    let principal = scoped.get_by(&SERVICE_PRINCIPAL, "app_id", app_id).await?;
    if let Some(principal) = principal.filter(|principal| principal.deleted.is_none()) {
        let concerns = |signal: &Signal| is_active(&principal.body) || !is_about_the_account(signal);
        tell(scoped, &principal.id, signals.iter().filter(|signal| concerns(signal)).cloned(), cause);
    }
    tell_elsewhere(scoped, app_id, &signals, cause).await
}

/// Says to other tenants what happened to an application which is at home in this one.
pub(crate) async fn tell_elsewhere(
    scoped: &mut Scoped,
    app_id: &str,
    signals: &[Signal],
    cause: &Cause<'_>,
) -> Result<(), StoreError> {
    let of = |is_enabled: bool| -> Vec<Occurrence> {
        let concerning = signals.iter().filter(|signal| is_enabled || !is_about_the_account(signal));
        concerning.map(|signal| cause.occurrence(signal.clone())).collect()
    };
    scoped.tell_elsewhere(app_id, of, cause.txn).await
}

/// Whether a signal says that an account can sign in or cannot, which of one that is disabled by itself is no news.
fn is_about_the_account(signal: &Signal) -> bool {
    matches!(signal, Signal::Disabled | Signal::Enabled | Signal::Deleted | Signal::Restored)
}

/// Says which app roles a service principal has now at a resource.
pub(crate) async fn roles_changed(
    call: &Call<'_>,
    scoped: &mut Scoped,
    principal: &Record,
    resource: &Record,
) -> Result<(), ODataError> {
    let listing =
        Listing { within: vec![("principal_id", &principal.id)], top: ASSIGNMENTS_MAX, ..Listing::default() };
    let held = scoped.list(&APP_ROLE_ASSIGNMENT, &listing).await.map_err(failed)?.records;
    let is_held = |role: &Json| {
        let id = role.get("id").and_then(Json::as_str).unwrap_or_default();
        held.iter().any(|assignment| {
            let is = |name: &str, value: &str| {
                assignment.text(name).is_some_and(|own| own.eq_ignore_ascii_case(value))
            };
            is("resourceId", &resource.id) && is("appRoleId", id)
        })
    };
    let roles = resource.list("appRoles").iter().filter(|role| is_held(role));
    let roles = roles.filter_map(|role| role.get("value")?.as_str().map(str::to_owned)).collect();
    tell(scoped, &principal.id, [Signal::RolesChanged { roles }], &call.cause());
    Ok(())
}

/// What happened between two states of a service principal or an application, neither of them deleted.
fn differences(before: &Map<String, Json>, after: &Map<String, Json>) -> Vec<Signal> {
    let mut signals = Vec::new();
    match (is_active(before), is_active(after)) {
        (true, false) => signals.push(Signal::Disabled),
        (false, true) => signals.push(Signal::Enabled),
        _ => {}
    }
    let (old, new) = (credentials(before), credentials(after));
    let is_among = |all: &[Credential], one: &Credential| all.iter().any(|other| other.key_id == one.key_id);
    let removed = old.iter().filter(|credential| !is_among(&new, credential));
    signals.extend(removed.cloned().map(Signal::CredentialRemoved));
    let added = new.iter().filter(|credential| !is_among(&old, credential));
    signals.extend(added.cloned().map(Signal::CredentialAdded));
    let revocations = |body: &Map<String, Json>| body.get(REVOCATIONS).and_then(Json::as_u64);
    if revocations(after) > revocations(before) {
        signals.push(Signal::Revoked);
    }
    signals
}

fn credentials(body: &Map<String, Json>) -> Vec<Credential> {
    let lists =
        [("passwordCredentials", CredentialKind::Secret), ("keyCredentials", CredentialKind::Certificate)];
    let mut all = Vec::new();
    for (list, kind) in lists {
        for credential in body.get(list).and_then(Json::as_array).into_iter().flatten() {
            let text = |name: &str| credential.get(name).and_then(Json::as_str);
            if let Some(key_id) = text("keyId").and_then(|id| id.parse().ok()) {
                all.push(Credential { kind, key_id, display_name: text("displayName").map(str::to_owned) });
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn between(before: &Json, after: &Json) -> Vec<Signal> {
        differences(before.as_object().unwrap(), after.as_object().unwrap())
    }

    #[test]
    fn what_a_change_means() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let secret = |id: Uuid, name: Option<&str>| Credential {
            kind: CredentialKind::Secret,
            key_id: id,
            display_name: name.map(str::to_owned),
        };
        for (before, after, expected) in [
            (json!({"accountEnabled": true}), json!({"accountEnabled": false}), vec![Signal::Disabled]),
            (json!({"accountEnabled": false}), json!({"accountEnabled": true}), vec![Signal::Enabled]),
            (json!({"isDisabled": true}), json!({"isDisabled": null}), vec![Signal::Enabled]),
            // Disabled for two reasons, of which one is gone.
            (
                json!({"accountEnabled": false, "isDisabled": true}),
                json!({"accountEnabled": true, "isDisabled": true}),
                vec![],
            ),
            (json!({"displayName": "a"}), json!({"displayName": "b"}), vec![]),
            (
                json!({"passwordCredentials": [{"keyId": one, "displayName": "old"}]}),
                json!({"passwordCredentials": [{"keyId": two, "displayName": null}]}),
                vec![
                    Signal::CredentialRemoved(secret(one, Some("old"))),
                    Signal::CredentialAdded(secret(two, None)),
                ],
            ),
            (
                json!({"keyCredentials": [{"keyId": one, "displayName": "a"}]}),
                json!({"keyCredentials": [{"keyId": one, "displayName": "renamed"}]}),
                vec![],
            ),
            (json!({}), json!({ REVOCATIONS: 1 }), vec![Signal::Revoked]),
            (json!({ REVOCATIONS: 1 }), json!({ REVOCATIONS: 1 }), vec![]),
        ] {
            assert_eq!(between(&before, &after), expected, "{before} {after}");
        }
    }
}
