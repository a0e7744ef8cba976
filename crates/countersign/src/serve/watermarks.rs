//! What ends tokens of a workload, noted beside its objects in the directory with what did it: how often, which decides
//! whether a token is over, and when, which a client is told. Counts and times stay when what moved them is taken back: only
//! new tokens work then.

use countersign_model::time::{HOUR, Timestamp};
use countersign_store::{
    DISABLED, DISABLINGS, REMOVED_CREDENTIALS, REVOCATIONS, REVOKED, is_disabled_by_microsoft,
};
use serde_json::{Map, Value as Json, json};

/// How long the removal of a credential is remembered: no token lives longer than a day.
const REMEMBERED: i64 = 25 * HOUR;
/// Most removals that are remembered of one object. Those before are forgotten, and with them nothing but their time: a token
/// is over when its credential is not there.
const REMEMBERED_MAX: usize = 200;

/// Notes what a change of an application or service principal ends.
pub(crate) fn note(before: &Map<String, Json>, after: &mut Map<String, Json>, now: Timestamp) {
    if is_active(before) && !is_active(after) {
        disable(after, now);
    }
    let kept = |id: &str| credentials(after).find(|credential| key_id(credential).eq_ignore_ascii_case(id));
    let mut removed = Vec::new();
    let mut is_exchanged = false;
    for credential in credentials(before) {
        match kept(key_id(credential)) {
            None => removed.push(key_id(credential).to_owned()),
            // Another key under the same id: who has the old one has its tokens, too.
            Some(now_is) => is_exchanged |= now_is.get("key") != credential.get("key"),
        }
    }
    for id in removed {
        remove_credential(after, &id, now);
    }
    if is_exchanged {
        revoke(after, now);
    }
}

/// Ends all tokens that there are.
pub(crate) fn disable(body: &mut Map<String, Json>, now: Timestamp) {
    count(body, DISABLINGS);
    body.insert(DISABLED.into(), now.0.into());
}

/// Ends the tokens of continuous access evaluation that there are.
pub(crate) fn revoke(body: &mut Map<String, Json>, now: Timestamp) {
    count(body, REVOCATIONS);
    body.insert(REVOKED.into(), now.0.into());
}

fn count(body: &mut Map<String, Json>, name: &str) {
    let so_far = body.get(name).and_then(Json::as_u64).unwrap_or_default();
    body.insert(name.into(), (so_far + 1).into());
}

/// Notes when a credential was removed, which ends the tokens of continuous access evaluation that came of it.
pub(crate) fn remove_credential(body: &mut Map<String, Json>, key_id: &str, now: Timestamp) {
    let mut all = match body.remove(REMOVED_CREDENTIALS) {
        Some(Json::Array(all)) => all,
        _ => Vec::new(),
    };
    all.retain(|one| one[1].as_i64().is_some_and(|at| now.since(Timestamp(at)) < REMEMBERED));
    if all.len() >= REMEMBERED_MAX {
        all.remove(0);
    }
    all.push(json!([key_id.to_ascii_lowercase(), now.0]));
    body.insert(REMOVED_CREDENTIALS.into(), all.into());
}

/// Whether an application or service principal may sign in, as far as it says itself.
pub(crate) fn is_active(body: &Map<String, Json>) -> bool {
    let flag = |name: &str| body.get(name).and_then(Json::as_bool);
    flag("accountEnabled") != Some(false)
        && flag("isDisabled") != Some(true)
        && !is_disabled_by_microsoft(body)
}

fn credentials(body: &Map<String, Json>) -> impl Iterator<Item = &Json> {
    let lists = ["passwordCredentials", "keyCredentials"].into_iter();
    lists.filter_map(|list| body.get(list)?.as_array()).flatten()
}

fn key_id(credential: &Json) -> &str {
    credential.get("keyId").and_then(Json::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_780_000_000_000_000);

    fn body(json: &Json) -> Map<String, Json> {
        json.as_object().unwrap().clone()
    }

    fn noted(before: &Json, after: &Json) -> Map<String, Json> {
        let mut after = body(after);
        note(&body(before), &mut after, NOW);
        after.retain(|name, _| name.starts_with('_'));
        after
    }

    #[test]
    fn what_disables_is_noted_and_what_enables_is_not() {
        let disabled = body(&json!({ DISABLED: NOW.0, DISABLINGS: 1 }));
        for (before, after, expected) in [
            (json!({"accountEnabled": true}), json!({"accountEnabled": false}), true),
            (json!({"isDisabled": null}), json!({"isDisabled": true}), true),
            (
                json!({}),
                json!({"disabledByMicrosoftStatus": "DisabledDueToViolationOfServicesAgreement"}),
                true,
            ),
            (json!({"accountEnabled": false}), json!({"accountEnabled": true}), false),
            (json!({"accountEnabled": false}), json!({"accountEnabled": false}), false),
            (json!({"accountEnabled": true}), json!({"accountEnabled": true, "displayName": "new"}), false),
        ] {
            let expected = if expected { disabled.clone() } else { Map::new() };
            assert_eq!(noted(&before, &after), expected, "{before} {after}");
        }
        // Enabling does not take back what disabling ended.
        let after = json!({ "accountEnabled": true, DISABLED: 5, DISABLINGS: 3 });
        let kept = body(&json!({ DISABLED: 5, DISABLINGS: 3 }));
        assert_eq!(noted(&json!({"accountEnabled": false}), &after), kept);
        // And each time counts.
        let after = json!({ "accountEnabled": false, DISABLED: 5, DISABLINGS: 3 });
        let again = body(&json!({ DISABLED: NOW.0, DISABLINGS: 4 }));
        assert_eq!(noted(&json!({"accountEnabled": true}), &after), again);
    }

    #[test]
    fn removed_credentials_are_remembered_for_a_day() {
        let before = json!({
            "passwordCredentials": [{"keyId": "AA"}, {"keyId": "bb"}], "keyCredentials": [{"keyId": "cc"}],
        });
        let after = json!({
            "passwordCredentials": [{"keyId": "bb"}], "keyCredentials": [],
            REMOVED_CREDENTIALS: [["old", NOW.0 - 26 * HOUR], ["recent", NOW.0 - HOUR]],
        });
        let expected = json!([["recent", NOW.0 - HOUR], ["aa", NOW.0], ["cc", NOW.0]]);
        assert_eq!(noted(&before, &after), body(&json!({ REMOVED_CREDENTIALS: expected })));
    }

    #[test]
    fn a_key_that_is_exchanged_under_its_id_ends_tokens() {
        let before =
            json!({"keyCredentials": [{"keyId": "a", "key": "MII1"}, {"keyId": "b", "key": "MII2"}]});
        let other = json!({"keyCredentials": [{"keyId": "A", "key": "MII3"}, {"keyId": "b", "key": "MII2"}]});
        assert_eq!(noted(&before, &other), body(&json!({ REVOKED: NOW.0, REVOCATIONS: 1 })));
        assert_eq!(noted(&before, &before), Map::new());
    }

    #[test]
    fn of_many_removals_the_last_are_remembered() {
        let mut body = Map::new();
        for number in 0..=REMEMBERED_MAX {
            remove_credential(&mut body, &number.to_string(), NOW);
        }
        let all = body[REMOVED_CREDENTIALS].as_array().unwrap();
        assert_eq!((all.len(), &all[0]), (REMEMBERED_MAX, &json!(["1", NOW.0])));
        assert_eq!(body.len(), 1);
    }
}
