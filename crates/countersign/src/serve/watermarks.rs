//! From when on tokens of a workload are no longer good: times beside its objects in the directory, written with what moves
//! them and read with the facts of a client. They stay when what moved them is taken back: only new tokens work then.

use countersign_model::time::{HOUR, Timestamp};
use countersign_store::{DISABLED, REMOVED_CREDENTIALS, REVOKED, is_disabled_by_microsoft};
use serde_json::{Map, Value as Json, json};

/// How long a removed credential is remembered: no token lives longer than a day.
const REMEMBERED: i64 = 25 * HOUR;
/// Most removed credentials that are remembered of one object. Beyond that all its tokens end, which errs on the safe side.
const REMEMBERED_MAX: usize = 200;

/// Notes what a change of an application or service principal ends.
pub(crate) fn note(before: &Map<String, Json>, after: &mut Map<String, Json>, now: Timestamp) {
    if is_active(before) && !is_active(after) {
        disable(after, now);
    }
    let is_kept = |id: &str| key_ids(after).any(|kept| kept.eq_ignore_ascii_case(id));
    let removed: Vec<String> = key_ids(before).filter(|id| !is_kept(id)).map(str::to_owned).collect();
    for id in removed {
        remove_credential(after, &id, now);
    }
}

/// Ends all tokens that were issued until now.
pub(crate) fn disable(body: &mut Map<String, Json>, now: Timestamp) {
    body.insert(DISABLED.into(), now.0.into());
}

/// Ends the tokens of continuous access evaluation that were issued until now.
pub(crate) fn revoke(body: &mut Map<String, Json>, now: Timestamp) {
    body.insert(REVOKED.into(), now.0.into());
}

/// Ends the tokens of continuous access evaluation that came of a credential.
pub(crate) fn remove_credential(body: &mut Map<String, Json>, key_id: &str, now: Timestamp) {
    let mut all = match body.remove(REMOVED_CREDENTIALS) {
        Some(Json::Array(all)) => all,
        _ => Vec::new(),
    };
    all.retain(|one| one[1].as_i64().is_some_and(|at| now.since(Timestamp(at)) < REMEMBERED));
    if all.len() >= REMEMBERED_MAX {
        revoke(body, now);
        all.clear();
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

fn key_ids(body: &Map<String, Json>) -> impl Iterator<Item = &str> {
    ["passwordCredentials", "keyCredentials"]
        .into_iter()
        .filter_map(|list| body.get(list)?.as_array())
        .flatten()
        .filter_map(|credential| credential.get("keyId")?.as_str())
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
        let disabled = body(&json!({ DISABLED: NOW.0 }));
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
        let after = json!({ "accountEnabled": true, DISABLED: 5 });
        assert_eq!(noted(&json!({"accountEnabled": false}), &after), body(&json!({ DISABLED: 5 })));
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
    fn too_many_removals_end_all_tokens() {
        let mut body = Map::new();
        for number in 0..=REMEMBERED_MAX {
            remove_credential(&mut body, &number.to_string(), NOW);
        }
        assert_eq!(body[REVOKED], json!(NOW.0));
        assert_eq!(body[REMOVED_CREDENTIALS], json!([[REMEMBERED_MAX.to_string(), NOW.0]]));
    }
}
