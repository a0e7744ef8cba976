//! The JSON of a policy: what Graph shows for what was left out, and what a change makes of it.
//!
//! Unset collections are `[]`, unset objects null, members in the order of their names. A null that was written stays, so
//! that reading the policy refuses it where the schema has none.

use serde_json::{Map, Value as Json, json};

use crate::json::says_nothing;

/// Members of beta that hold what no policy here can say, with their defaults. They are shown on beta and never kept.
struct BetaMembers {
    conditions: Json,
    applications: Json,
    clients: Json,
}

fn beta_members() -> BetaMembers {
    BetaMembers {
        conditions: json!({"agentIdRiskLevels": null, "deviceStates": null}),
        applications: json!({"globalSecureAccess": null, "networkAccess": null}),
        clients: json!({
            "agentIdServicePrincipalFilter": null,
            "excludeAgentIdServicePrincipals": [],
            "includeAgentIdServicePrincipals": [],
        }),
    }
}

/// The policy as v1.0 shows it and as it is kept: with a value for what was left out, without annotations, and without
/// what says nothing on v1.0. Whether it is a valid policy is for [`crate::policy::Policy::read`] to say.
pub fn complete(policy: &Map<String, Json>) -> Map<String, Json> {
    let beta = beta_members();
    let mut policy = filled(
        policy,
        &[&json!({
            "conditions": null, "deletedDateTime": null, "grantControls": null, "modifiedDateTime": null,
            "sessionControls": null, "templateId": null,
        })],
    );
    fill(&mut policy, "grantControls", |controls| {
        let mut controls = filled(
            controls,
            &[&json!({
                "authenticationStrength": null, "builtInControls": [], "customAuthenticationFactors": [],
                "operator": "OR", "termsOfUse": [],
            })],
        );
        // Documents write it in either case.
        if let Some(Json::String(operator)) = controls.get_mut("operator") {
            operator.make_ascii_uppercase();
        }
        controls
    });
    fill(&mut policy, "conditions", |conditions| {
        let mut conditions = filled(
            &without_silent(conditions, &beta.conditions),
            &[&json!({
                "applications": null, "authenticationFlows": null, "clientAppTypes": ["all"],
                "clientApplications": null, "devices": null, "insiderRiskLevels": null, "locations": null,
                "platforms": null, "servicePrincipalRiskLevels": [], "signInRiskLevels": [], "userRiskLevels": [],
                "users": null,
            })],
        );
        fill(&mut conditions, "applications", |applications| {
            filled(
                &without_silent(applications, &beta.applications),
                &[&json!({
                    "applicationFilter": null, "excludeApplications": [], "includeApplications": [],
                    "includeAuthenticationContextClassReferences": [], "includeUserActions": [],
                })],
            )
        });
        fill(&mut conditions, "clientApplications", |clients| {
            // The scope extension is not Graph's, so whoever does not use it does not see it.
            let clients = without_silent(clients, &json!({"countersignScope": []}));
            filled(
                &without_silent(&clients, &beta.clients),
                &[&json!({
                    "excludeServicePrincipals": [], "includeServicePrincipals": [], "servicePrincipalFilter": null,
                })],
            )
        });
        fill(&mut conditions, "locations", |locations| {
            filled(locations, &[&json!({"excludeLocations": [], "includeLocations": []})])
        });
        fill(&mut conditions, "users", |users| {
            filled(
                users,
                &[&json!({
                    "excludeGroups": [], "excludeGuestsOrExternalUsers": null, "excludeRoles": [], "excludeUsers": [],
                    "includeGroups": [], "includeGuestsOrExternalUsers": null, "includeRoles": [], "includeUsers": [],
                })],
            )
        });
        conditions
    });
    policy
}

/// Adds to a complete policy what beta shows beyond v1.0.
pub fn add_beta_members(policy: &mut Map<String, Json>) {
    let beta = beta_members();
    fill(policy, "conditions", |conditions| {
        let mut conditions = filled(conditions, &[&beta.conditions]);
        fill(&mut conditions, "applications", |applications| filled(applications, &[&beta.applications]));
        fill(&mut conditions, "clientApplications", |clients| filled(clients, &[&beta.clients]));
        conditions
    });
}

/// The policy after a PATCH: what the change names is replaced, in `conditions` each member as a whole; what it does not
/// name stays.
pub fn merge(current: &Map<String, Json>, change: &Map<String, Json>) -> Map<String, Json> {
    let mut merged = current.clone();
    for (name, value) in change {
        match (merged.get_mut(name), value) {
            (Some(Json::Object(own)), Json::Object(changed)) if name == "conditions" => {
                own.extend(changed.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            _ => {
                merged.insert(name.clone(), value.clone());
            }
        }
    }
    merged
}

/// The members without annotations, and the defaults of those that are not there.
pub(crate) fn filled(members: &Map<String, Json>, defaults: &[&Json]) -> Map<String, Json> {
    let own = members.iter().filter(|(name, _)| !name.contains('@'));
    let mut filled: Map<String, Json> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
    for (name, default) in defaults.iter().filter_map(|defaults| defaults.as_object()).flatten() {
        filled.entry(name.clone()).or_insert_with(|| default.clone());
    }
    filled
}

/// The members without those of `silent` that say nothing; one that says something stays, to be refused.
fn without_silent(members: &Map<String, Json>, silent: &Json) -> Map<String, Json> {
    let is_silent = |name: &str, value: &Json| silent.get(name).is_some() && says_nothing(value);
    let kept = members.iter().filter(|(name, value)| !is_silent(name, value));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Replaces the member `name` if it is an object.
fn fill(
    members: &mut Map<String, Json>,
    name: &str,
    filled: impl FnOnce(&Map<String, Json>) -> Map<String, Json>,
) {
    if let Some(Json::Object(member)) = members.get_mut(name) {
        *member = filled(member);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(json: Json) -> Map<String, Json> {
        match json {
            Json::Object(members) => members,
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn what_was_left_out_is_shown_as_graph_shows_it() {
        let posted = members(json!({
            "@odata.type": "#microsoft.graph.conditionalAccessPolicy",
            "displayName": "name",
            "state": "enabled",
            "conditions": {
                "@odata.type": "#microsoft.graph.conditionalAccessConditionSet",
                "applications": {"includeApplications": ["All"]},
                "clientApplications": {
                    "includeServicePrincipals": ["ServicePrincipalsInMyTenant"], "countersignScope": [],
                    "includeAgentIdServicePrincipals": [], "agentIdServicePrincipalFilter": null,
                },
                "locations": {"includeLocations": ["All"]},
                "agentIdRiskLevels": null,
            },
            "grantControls": {"operator": "or", "builtInControls": ["block"]},
        }));
        let expected = json!({
            "conditions": {
                "applications": {
                    "applicationFilter": null, "excludeApplications": [], "includeApplications": ["All"],
                    "includeAuthenticationContextClassReferences": [], "includeUserActions": [],
                },
                "authenticationFlows": null,
                "clientAppTypes": ["all"],
                "clientApplications": {
                    "excludeServicePrincipals": [], "includeServicePrincipals": ["ServicePrincipalsInMyTenant"],
                    "servicePrincipalFilter": null,
                },
                "devices": null, "insiderRiskLevels": null,
                "locations": {"excludeLocations": [], "includeLocations": ["All"]},
                "platforms": null, "servicePrincipalRiskLevels": [], "signInRiskLevels": [], "userRiskLevels": [],
                "users": null,
            },
            "deletedDateTime": null,
            "displayName": "name",
            "grantControls": {
                "authenticationStrength": null, "builtInControls": ["block"], "customAuthenticationFactors": [],
                "operator": "OR", "termsOfUse": [],
            },
            "modifiedDateTime": null, "sessionControls": null, "state": "enabled", "templateId": null,
        });
        let complete = complete(&posted);
        assert_eq!(Json::Object(complete.clone()), expected);
        assert_eq!(super::complete(&complete), complete, "nothing is left to fill");
        let names: Vec<_> = complete.keys().collect();
        assert!(names.is_sorted(), "{names:?}");
    }

    #[test]
    fn beta_shows_more_and_keeps_nothing_of_it() {
        let posted = members(json!({"conditions": {"applications": {}, "clientApplications": {}}}));
        let v1 = complete(&posted);
        let mut beta = v1.clone();
        add_beta_members(&mut beta);
        assert_eq!(beta["conditions"]["clientApplications"]["includeAgentIdServicePrincipals"], json!([]));
        assert_eq!(beta["conditions"].get("agentIdRiskLevels"), Some(&Json::Null));
        assert_eq!(beta["conditions"]["applications"].get("networkAccess"), Some(&Json::Null));
        assert_eq!(complete(&beta), v1);
    }

    #[test]
    fn what_says_something_stays_to_be_refused() {
        let posted = members(json!({
            "conditions": {
                "servicePrincipalRiskLevels": null,
                "clientApplications": {"includeAgentIdServicePrincipals": ["All"], "countersignScope": ["x"]},
            },
            "moon": "full",
        }));
        let complete = complete(&posted);
        assert_eq!(complete["conditions"]["servicePrincipalRiskLevels"], Json::Null);
        assert_eq!(
            complete["conditions"]["clientApplications"]["includeAgentIdServicePrincipals"],
            json!(["All"])
        );
        assert_eq!(complete["conditions"]["clientApplications"]["countersignScope"], json!(["x"]));
        assert_eq!(complete["moon"], json!("full"));
    }

    #[test]
    fn a_change_replaces_members_of_conditions_as_a_whole() {
        let current = members(json!({
            "state": "enabled",
            "conditions": {
                "servicePrincipalRiskLevels": ["high"],
                "locations": {"includeLocations": ["All"], "excludeLocations": ["AllTrusted"]},
            },
            "grantControls": {"operator": "OR", "builtInControls": ["block"]},
        }));
        let change = members(json!({
            "conditions": {"locations": {"includeLocations": ["AllTrusted"]}},
            "grantControls": {"builtInControls": ["mfa"]},
        }));
        let expected = json!({
            "state": "enabled",
            "conditions": {
                "servicePrincipalRiskLevels": ["high"], "locations": {"includeLocations": ["AllTrusted"]},
            },
            "grantControls": {"builtInControls": ["mfa"]},
        });
        assert_eq!(Json::Object(merge(&current, &change)), expected);
        let gone = merge(&current, &members(json!({"conditions": {"locations": null}})));
        assert_eq!(gone["conditions"]["locations"], Json::Null);
        assert_eq!(merge(&current, &members(json!({"conditions": null})))["conditions"], Json::Null);
    }
}
