//! What else goes on in a directory: changes that are of no consequence for the principals that are simulated.

use crate::catalogue::{DUTIES, RESOURCES};
use crate::changes::{
    Consent, Subject, application_added, conditional_access_changed, consented, enabled,
    group_member_changed, owner_added, user_updated,
};
use crate::envelopes::{Actor, Audit, object_id, principal_of_resource};
use crate::json::Guid;
use crate::plan::usual_actor;
use crate::rng::Rng;
use crate::tenant::Tenant;

/// People of a tenant that changes of the directory are about.
const USERS: u64 = 800;
const GROUPS: u64 = 60;

/// One change, in one to three records.
pub(crate) fn background_change(tenant: &Tenant, rng: &mut Rng) -> Vec<Audit> {
    let actor = usual_actor(tenant, rng);
    let user_number = rng.below(USERS) as u32;
    let user = object_id(tenant.id, b'u', user_number);
    let user_name = format!("user{user_number}@contoso.example");
    let group = object_id(tenant.id, b'g', rng.below(GROUPS) as u32);
    // Applications that people try out: nobody signs in with them.
    let key = rng.next();
    let name = format!("{} trial", rng.pick(DUTIES));
    let subject = Subject {
        name: &name,
        principal: Guid::from_seed(key),
        app: Guid::from_seed(key ^ 1),
        application: Guid::from_seed(key ^ 2),
    };
    let graph = &RESOURCES[0];
    match rng.weighted(&[40, 22, 8, 6, 5, 6, 8, 3, 2]) {
        0 => user_updated(&actor, user, &user_name),
        1 => group_member_changed(&actor, user, &user_name, group, true),
        2 => group_member_changed(&actor, user, &user_name, group, false),
        3 => application_added(&actor, subject, false),
        4 => enabled(&actor, subject, rng.per_mille(700)),
        5 => {
            let person = rng.pick(&tenant.people);
            let owner = ("User", person.id, person.user_principal_name.as_str());
            owner_added(&actor, subject, owner, false)
        }
        6 => {
            let resource = (principal_of_resource(tenant.id, graph.app), graph.name);
            let scopes =
                *rng.pick(&["User.Read", "User.Read openid profile", "Calendars.Read offline_access"]);
            consented(&actor, subject, resource, Consent { admin: rng.per_mille(300), scopes })
        }
        7 => {
            // Policies are people's work.
            let person = tenant.administrator(rng);
            let actor = Actor::User {
                id: person.id,
                user_principal_name: person.user_principal_name.clone(),
                ip: rng.pick(&tenant.offices).ip,
            };
            let name = *rng.pick(&["Require MFA for admins", "Block legacy clients", "Compliant devices"]);
            conditional_access_changed(
                &actor,
                name,
                Some(r#"{"state":"enabled"}"#),
                Some(r#"{"state":"enabled"}"#),
            )
        }
        _ => {
            let mut audits = application_added(&actor, subject, false);
            let person = rng.pick(&tenant.people);
            let owner = ("User", person.id, person.user_principal_name.as_str());
            audits.extend(owner_added(&actor, subject, owner, false));
            audits
        }
    }
}
